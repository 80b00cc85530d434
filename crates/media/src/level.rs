//! How loud each channel is from sample to sample: dead, clipped or inverted sound, and silence at both ends.

use seedpost_core::content::Levels;
use seedpost_core::time::{Samples, TimeRange};

/// Below this everywhere a channel is dead: −90 dBFS, under the noise of 16 bits.
const DEAD: f32 = 3.162_277_7e-5;
/// Below this it is silent: −60 dBFS.
const SILENT: f32 = 1e-3;
/// From here on a sample is at full scale: codecs round what was cut.
const FULL: f32 = 0.999;
/// So many samples at full scale in a row were cut.
const CLIPPED: u32 = 3;
/// Places of clipping that are remembered.
const PLACES: usize = 16;

/// Measures block by block.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    at: u64,
    peaks: Vec<f32>,
    /// Samples in a row at full scale, a channel.
    full: Vec<u32>,
    clipped: u64,
    clipped_at: Vec<Samples>,
    sounding: Option<TimeRange<Samples>>,
    /// Sums of left², right² and left × right.
    sums: [f64; 3],
}

impl Meter {
    /// Takes a block: one slice a channel, all of one length.
    pub(crate) fn add(&mut self, block: &[&[f32]]) {
        self.peaks.resize(block.len(), 0.0);
        self.full.resize(block.len(), 0);
        for channel in 0..block.len() {
            let plane = block.get(channel).copied().unwrap_or_default();
            let peak = peak(plane);
            if let Some(known) = self.peaks.get_mut(channel) {
                *known = known.max(peak);
            }
            if peak >= FULL || self.full.get(channel).is_some_and(|full| *full > 0) {
                self.count_clipped(channel, plane);
            }
            if peak >= SILENT {
                self.widen(plane);
            }
        }
        if let [left, right] = block {
            let sums = products(left, right);
            self.sums.iter_mut().zip(sums).for_each(|(sum, more)| *sum += more);
        }
        self.at += block.first().map_or(0, |plane| plane.len()) as u64;
    }

    fn count_clipped(&mut self, channel: usize, plane: &[f32]) {
        let Some(full) = self.full.get_mut(channel) else { return };
        for (index, sample) in plane.iter().enumerate() {
            *full = if sample.abs() >= FULL { full.saturating_add(1) } else { 0 };
            if *full == CLIPPED {
                self.clipped += 1;
                if self.clipped_at.len() < PLACES {
                    let end = self.at + index as u64 + 1;
                    self.clipped_at.push(Samples(end.saturating_sub(CLIPPED.into())));
                }
            }
        }
    }

    fn widen(&mut self, plane: &[f32]) {
        let is_heard = |sample: &f32| sample.abs() >= SILENT;
        let Some((first, last)) = plane.iter().position(is_heard).zip(plane.iter().rposition(is_heard)) else { return };
        let (first, end) = (Samples(self.at + first as u64), Samples(self.at + last as u64 + 1));
        let known = self.sounding.unwrap_or(TimeRange { start: first, end });
        self.sounding = Some(TimeRange { start: known.start.min(first), end: known.end.max(end) });
    }

    pub(crate) fn finish(mut self) -> Levels {
        self.clipped_at.sort_unstable();
        let dead_channels =
            (0..).zip(&self.peaks).filter(|(_, peak)| **peak < DEAD).map(|(channel, _)| channel).collect();
        let [left, right, both] = self.sums;
        let alive = self.peaks.len() == 2 && self.peaks.iter().all(|peak| *peak >= DEAD);
        let correlation = Some(both / (left * right).sqrt()).filter(|value| alive && value.is_finite());
        Levels {
            samples: Samples(self.at),
            dead_channels,
            channels: u32::try_from(self.peaks.len()).unwrap_or(u32::MAX),
            clipped: self.clipped,
            clipped_at: self.clipped_at,
            correlation,
            sounding: self.sounding,
            ..Levels::default()
        }
    }
}

/// The largest size of any sample; NaN counts for nothing.
fn peak(plane: &[f32]) -> f32 {
    // Eight at once, as the processor has them.
    let (eights, rest) = plane.as_chunks::<8>();
    let mut most = [0.0_f32; 8];
    for eight in eights {
        most.iter_mut().zip(eight).for_each(|(most, sample)| *most = most.max(sample.abs()));
    }
    most.iter().chain(rest).fold(0.0, |most, sample| most.max(sample.abs()))
}

/// Sums of left², right² and left × right.
fn products(left: &[f32], right: &[f32]) -> [f64; 3] {
    let mut sums = [[0.0_f32; 8]; 3];
    let (lefts, rights) = (left.as_chunks::<8>().0, right.as_chunks::<8>().0);
    for (left, right) in lefts.iter().zip(rights) {
        for (lane, (left, right)) in left.iter().zip(right).enumerate() {
            sums[0][lane] += left * left;
            sums[1][lane] += right * right;
            sums[2][lane] += left * right;
        }
    }
    let whole = lefts.len().min(rights.len()) * 8;
    for (left, right) in left.iter().zip(right).skip(whole) {
        sums[0][0] += left * left;
        sums[1][0] += right * right;
        sums[2][0] += left * right;
    }
    let total = |lanes: [f32; 8]| lanes.iter().map(|lane| f64::from(*lane)).sum();
    sums.map(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds both channels in blocks of 1000.
    fn measure(left: &[f32], right: &[f32]) -> Levels {
        let mut meter = Meter::default();
        left.chunks(1000).zip(right.chunks(1000)).for_each(|(left, right)| meter.add(&[left, right]));
        meter.finish()
    }

    fn tone(length: usize, level: f32) -> Vec<f32> {
        (0..length).map(|n| level * (n as f32 * 0.05).sin()).collect()
    }

    #[test]
    fn sound_upside_down_is_told_from_the_same_and_from_other_sound() {
        let left = tone(48_000, 0.5);
        let inverted: Vec<f32> = left.iter().map(|sample| -0.8 * sample).collect();
        let other: Vec<f32> = (0..48_000).map(|n| 0.5 * (n as f32 * 0.31).sin()).collect();
        let correlation = |right: &[f32]| measure(&left, right).correlation.expect("both sound");
        assert!(correlation(&inverted) < -0.999);
        assert!(correlation(&left) > 0.999);
        assert!(correlation(&other).abs() < 0.01);
        assert_eq!(measure(&left, &[0.0; 48_000]).correlation, None);
    }

    #[test]
    fn three_samples_at_full_scale_are_clipped_and_two_are_not() {
        let mut left = vec![0.1; 4000];
        left[500..502].fill(1.0);
        // Across the border of two blocks.
        left[999..1002].fill(-1.0);
        left[3000..3010].fill(1.2);
        let found = measure(&left, &[0.1; 4000]);
        assert_eq!((found.clipped, found.clipped_at), (2, vec![Samples(999), Samples(3000)]));
    }

    #[test]
    fn a_dead_channel_and_silence_at_both_ends_are_found() {
        let mut left = vec![0.0; 5000];
        left[1234..4321].fill(0.01);
        let found = measure(&left, &vec![0.000_02; 5000]);
        assert_eq!(found.dead_channels, [1]);
        assert_eq!(found.sounding, Some(TimeRange { start: Samples(1234), end: Samples(4321) }));
        let found = measure(&[f32::NAN; 10], &[0.0; 10]);
        assert_eq!((found.dead_channels, found.sounding), (vec![0, 1], None));
    }
}
