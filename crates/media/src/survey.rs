//! Where a sound is loud and where it pauses: what cuts are planned by, and what a plot shows.
//!
//! Quiet is measured, not recognised: a pause is where the level over 20 ms stays 40 dB below the
//! sound's peak. Deliberately absent: any idea of words; breath and room tone count as sound if loud.

use std::io::{Read, Seek};

use seedpost_core::time::{ClockTime, Rounding, SampleRate, Samples, TimeRange};
use seedpost_core::trim::{Cut, Edge, Planned};

use crate::MediaError;
use crate::decode::each;

/// Blocks in a second: each lasts 5 ms.
const BLOCKS_A_SECOND: u32 = 200;
/// Blocks over which the level is measured: 20 ms.
const WINDOW: usize = 4;
/// Power relative to the squared peak below which it is quiet: −40 dB.
const QUIET: f64 = 1e-4;
/// The most blocks that are kept: a day of sound.
const MAX_BLOCKS: usize = 86_400 * BLOCKS_A_SECOND as usize;

/// A sound, 5 ms at a time.
#[derive(Debug, Clone)]
pub struct Survey {
    /// Samples in a second.
    pub rate: SampleRate,
    /// The stretch that was heard.
    pub range: TimeRange<Samples>,
    /// Samples in a block; the last may be shorter.
    pub block: u64,
    /// The highest absolute value of any channel, full scale at 1.
    pub peak: f32,
    /// The blocks, in order.
    pub blocks: Vec<Block>,
}

/// Five milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Block {
    /// The highest absolute value of any channel.
    pub peak: f32,
    /// The mean square of the loudest channel.
    pub power: f32,
}

/// Listens to a stretch of a sound.
///
/// # Errors
/// As [`each`]; `Limit` past a day of sound.
pub fn survey<R: Read + Seek + Send + Sync + 'static>(
    source: R,
    rate: SampleRate,
    range: TimeRange<Samples>,
) -> Result<Survey, MediaError> {
    let mut listener = Listener::new(rate);
    let found = each(source, range, &mut |block| listener.hear(block))?;
    if found != rate {
        return Err(MediaError::malformed("sound", 0, format!("{} Hz, {} were expected", found.hertz(), rate.hertz())));
    }
    Ok(listener.finish(range))
}

struct Listener {
    rate: SampleRate,
    size: u64,
    blocks: Vec<Block>,
    /// Samples in the block that is being filled.
    filled: u64,
    peak: f32,
    /// The sum of squares of each channel.
    sums: Vec<f64>,
}

impl Listener {
    fn new(rate: SampleRate) -> Listener {
        let size = u64::from(rate.hertz().div_ceil(BLOCKS_A_SECOND));
        Listener { rate, size, blocks: Vec::new(), filled: 0, peak: 0.0, sums: Vec::new() }
    }

    fn hear(&mut self, planes: &[&[f32]]) -> Result<(), MediaError> {
        self.sums.resize(planes.len(), 0.0);
        let length = planes.first().map_or(0, |plane| plane.len());
        let mut at = 0;
        while at < length {
            let room = usize::try_from(self.size - self.filled).unwrap_or(usize::MAX);
            let end = length.min(at.saturating_add(room));
            for (sum, plane) in self.sums.iter_mut().zip(planes) {
                for sample in plane.get(at..end).unwrap_or_default() {
                    let sample = if sample.is_finite() { *sample } else { 0.0 };
                    *sum += f64::from(sample) * f64::from(sample);
                    self.peak = self.peak.max(sample.abs());
                }
            }
            self.filled += (end - at) as u64;
            at = end;
            if self.filled == self.size {
                self.close()?;
            }
        }
        Ok(())
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a level needs no more digits")]
    fn close(&mut self) -> Result<(), MediaError> {
        if self.blocks.len() >= MAX_BLOCKS {
            let found = self.blocks.len() as u64;
            return Err(MediaError::Limit { what: "blocks of 5 ms", found, allowed: MAX_BLOCKS as u64 });
        }
        let loudest = self.sums.iter().copied().fold(0.0, f64::max);
        let power = (loudest / self.filled.max(1) as f64) as f32;
        self.blocks.push(Block { peak: self.peak, power });
        (self.filled, self.peak) = (0, 0.0);
        self.sums.fill(0.0);
        Ok(())
    }

    fn finish(mut self, range: TimeRange<Samples>) -> Survey {
        if self.filled > 0 {
            // A day's last five milliseconds are not worth an error.
            let _ = self.close();
        }
        let peak = self.blocks.iter().map(|block| block.peak).fold(0.0, f32::max);
        Survey { rate: self.rate, range, block: self.size, peak, blocks: self.blocks }
    }
}

impl Survey {
    /// Positions at which a cut falls into a pause: every 20 ms that touch it are quiet. Silence all
    /// through, or none, gives none.
    #[must_use]
    pub fn quiet(&self) -> Vec<TimeRange<Samples>> {
        let threshold = f64::from(self.peak) * f64::from(self.peak) * QUIET * WINDOW as f64;
        let quiet: Vec<bool> = self
            .blocks
            .windows(WINDOW)
            .map(|window| window.iter().map(|block| f64::from(block.power)).sum::<f64>() <= threshold)
            .collect();
        // Windows that touch the border between blocks `n - 1` and `n` begin at n - 4 to n.
        let safe = |border: usize| {
            let first = border.saturating_sub(WINDOW);
            let last = border.min(quiet.len().saturating_sub(1));
            quiet.get(first..=last).is_some_and(|touching| touching.iter().all(|quiet| *quiet))
        };
        let mut ranges: Vec<TimeRange<Samples>> = Vec::new();
        if self.peak == 0.0 || quiet.is_empty() {
            return ranges;
        }
        let mut open = false;
        for border in 0..=self.blocks.len() {
            let at = Samples(self.range.start.0.saturating_add(border as u64 * self.block).min(self.range.end.0));
            let is_safe = safe(border);
            match ranges.last_mut().filter(|_| open && is_safe) {
                Some(range) => range.end = at,
                None if is_safe => ranges.push(TimeRange { start: at, end: at }),
                None => {}
            }
            open = is_safe;
        }
        ranges
    }
}

/// Moves the cuts of a plan inwards, by at most 5 ms, to where the sound crosses zero, as long as `least` is
/// left. What a person or the file itself has set stays.
///
/// # Errors
/// As [`each`].
pub fn settle<R: Read + Seek + Send + Sync + 'static>(
    source: impl Fn() -> Result<R, MediaError>,
    plan: Planned,
    least: ClockTime,
) -> Result<Planned, MediaError> {
    let Cut { rate, kept, .. } = plan.cut;
    let reach = Rounding::Down.divide(rate.hertz().into(), BLOCKS_A_SECOND.into()).unwrap_or(0);
    let least = least.samples(rate, Rounding::Up).map_or(u64::MAX, |samples| samples.0);
    let span = |kept: TimeRange<Samples>| reach.min(kept.length().0 / 4).min(kept.length().0.saturating_sub(least));
    let mut settled = plan;
    let free = |edge: Edge| !matches!(edge, Edge::Wanted | Edge::Hand);
    if free(plan.begin) {
        let range =
            TimeRange { start: Samples(kept.start.0.saturating_sub(1)), end: Samples(kept.start.0 + span(kept)) };
        let signs = signs(source()?, range)?;
        let crossing = signs.windows(2).position(|pair| pair[0] != pair[1]);
        settled.cut.kept.start.0 = crossing.map_or(kept.start.0, |at| range.start.0 + at as u64 + 1).max(kept.start.0);
    }
    if free(plan.end) {
        let span = span(settled.cut.kept);
        let range = TimeRange { start: Samples(kept.end.0.saturating_sub(span + 1)), end: kept.end };
        let signs = signs(source()?, range)?;
        let crossing = signs.windows(2).rposition(|pair| pair[0] != pair[1]);
        settled.cut.kept.end.0 = crossing.map_or(kept.end.0, |at| range.start.0 + at as u64 + 1);
    }
    Ok(settled)
}

/// Whether each sample, over all channels, is below zero.
fn signs<R: Read + Seek + Send + Sync + 'static>(
    source: R,
    range: TimeRange<Samples>,
) -> Result<Vec<bool>, MediaError> {
    let mut signs = Vec::new();
    each(source, range, &mut |block| {
        let length = block.first().map_or(0, |plane| plane.len());
        let sum = |at: usize| block.iter().filter_map(|plane| plane.get(at)).sum::<f32>();
        signs.extend((0..length).map(|at| sum(at) < 0.0));
        Ok(())
    })?;
    Ok(signs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hound::{SampleFormat, WavSpec, WavWriter};
    use std::io::Cursor;

    /// 48 kHz mono: 1 s at the first level, 0.3 s at the second, 1 s at the first, and so on.
    fn speech(levels: &[(f64, f64)]) -> Vec<u8> {
        let spec = WavSpec { channels: 1, sample_rate: 48_000, bits_per_sample: 24, sample_format: SampleFormat::Int };
        let mut file = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut file, spec).expect("a writer");
        for (seconds, level) in levels {
            for n in 0..(seconds * 48_000.0) as u32 {
                let wave = (f64::from(n) * 0.05).sin() * level * 8_388_607.0;
                writer.write_sample(wave as i32).expect("a sample");
            }
        }
        writer.finalize().expect("a file");
        file.into_inner()
    }

    fn heard(levels: &[(f64, f64)]) -> (Survey, Vec<(u64, u64)>) {
        let length = levels.iter().map(|(seconds, _)| (seconds * 48_000.0) as u64).sum();
        let range = TimeRange { start: Samples(0), end: Samples(length) };
        let survey = survey(Cursor::new(speech(levels)), SampleRate::HZ_48000, range).expect("a WAV");
        let quiet = survey.quiet().iter().map(|range| (range.start.0, range.end.0)).collect();
        (survey, quiet)
    }

    #[test]
    fn a_pause_is_forty_decibels_below_the_peak() {
        // 0.005 is 46 dB below 1 (and a sine's level 3 dB less); 0.02 is 34 dB below.
        let (survey, quiet) = heard(&[(1.0, 0.9), (0.3, 0.0045), (1.0, 0.9), (0.3, 0.02), (0.5, 0.9)]);
        assert!((survey.peak - 0.9).abs() < 0.001);
        // All 20 ms that touch a border must be quiet, so 20 ms (4 blocks of 240) are left on each side.
        assert_eq!(quiet, [(48_000 + 960, 62_400 - 960)]);
    }

    #[test]
    fn silence_at_the_ends_reaches_to_the_ends_and_pure_silence_is_no_pause() {
        let (_, quiet) = heard(&[(0.5, 0.0), (1.0, 0.5), (0.5, 0.0)]);
        assert_eq!(quiet, [(0, 24_000 - 960), (72_000 + 960, 96_000)]);
        assert_eq!(heard(&[(1.0, 0.0)]).1, []);
        assert_eq!(heard(&[(1.0, 0.5)]).1, []);
    }

    #[test]
    fn cuts_settle_where_the_sound_crosses_zero_and_only_inwards() {
        let file = speech(&[(1.0, 0.5)]);
        let kept = TimeRange { start: Samples(1010), end: Samples(40_010) };
        let cut = Cut { rate: SampleRate::HZ_48000, source: Samples(48_000), kept };
        let plan = Planned { cut, begin: Edge::Silence, end: Edge::Sound };
        let settled = settle(|| Ok(Cursor::new(file.clone())), plan, ClockTime(0)).expect("a WAV").cut.kept;
        assert!(settled.start >= kept.start && settled.start.0 <= kept.start.0 + 240, "{settled:?}");
        assert!(settled.end <= kept.end && settled.end.0 >= kept.end.0 - 240, "{settled:?}");
        let wave = |n: u64| (n as f64 * 0.05).sin();
        for at in [settled.start.0, settled.end.0] {
            assert!(wave(at - 1) * wave(at) <= 0.0, "no crossing at {at}");
        }
        let fixed = Planned { begin: Edge::Wanted, end: Edge::Hand, ..plan };
        assert_eq!(settle(|| Ok(Cursor::new(file.clone())), fixed, ClockTime(0)).expect("a WAV"), fixed);
        // 39,000 samples are 812.5 ms: of two cuts that would move, neither may.
        let least = settle(|| Ok(Cursor::new(file.clone())), plan, ClockTime(812_500)).expect("a WAV");
        assert_eq!(least, plan);
    }
}
