//! How loud a programme is: EBU R 128 by way of ITU-R BS.1770-4, EBU Tech 3341 and EBU Tech 3342.
//!
//! Not here: what loudness a delivery should have, and changing it.

use std::ops::RangeInclusive;

pub use seedpost_core::content::Loudness;
use seedpost_core::time::{Samples, TimeRange};

use crate::MediaError;
use levels::{Levels, lufs};
use peaks::Peaks;
use weighting::{Memory, Weighting};

mod levels;
mod peaks;
#[cfg(test)]
mod tests;
mod weighting;

/// Sample rates in hertz that can be measured.
const RATES: RangeInclusive<u32> = 8_000..=192_000;
/// Steps in a second. Windows begin with any step: 10 ms find the loudest 400 ms to 0.1 LU (EBU Tech 3341, test 13).
const STEPS_PER_SECOND: u32 = 100;
/// Steps in the momentary window, 400 ms, which is also the block of the integrated gate.
const MOMENTARY: usize = 40;
/// Steps in the short-term window, 3 s.
const SHORT_TERM: usize = 300;
/// Steps from one gated window to the next, 100 ms (ITU-R BS.1770-4: overlap 75 %; EBU Tech 3342: 10 Hz).
const STRIDE: u64 = 10;
/// Relative gate of integrated loudness, in LU under the mean (ITU-R BS.1770-4, annex 1).
const INTEGRATED_GATE: f64 = 10.0;
/// Relative gate of loudness range, in LU under the mean (EBU Tech 3342, section 3.1).
const RANGE_GATE: f64 = 20.0;
/// Weight of a surround channel (ITU-R BS.1770-4, annex 1, table 3).
const SURROUND: f64 = 1.41;

/// Measures a programme that arrives block by block. Its size does not grow with the programme, but where the loudness
/// of speech is wanted: then by 400 bytes a second.
#[derive(Debug)]
pub struct Meter {
    rate: u32,
    weighting: Weighting,
    peaks: Vec<Peaks>,
    groups: Vec<Group>,
    steps: Steps,
    /// Frames of the step under way, and the energy in them.
    frames: usize,
    energy: f64,
    /// The energy of every step, where that of speech will be asked for.
    kept: Option<Vec<f32>>,
}

impl Meter {
    /// Begins a programme.
    ///
    /// Channels are in the order of WAV: left, right, centre, low frequencies, left and right surround. Three are
    /// without the last three, four without centre and low frequencies, five without low frequencies. The channel
    /// of low frequencies counts for the peaks only. One channel is measured as it is, not as if heard from two
    /// loudspeakers.
    ///
    /// # Errors
    /// `Unsupported` for rates outside 8 to 192 kHz and for no channel or more than six.
    pub fn new(rate_hertz: u32, channels: usize) -> Result<Meter, MediaError> {
        if !RATES.contains(&rate_hertz) {
            return Err(MediaError::Unsupported(format!("loudness at {rate_hertz} Hz")));
        }
        let weights: &[f64] = match channels {
            1..=3 => &[1.0; 3],
            4 => &[1.0, 1.0, SURROUND, SURROUND],
            5 => &[1.0, 1.0, 1.0, SURROUND, SURROUND],
            6 => &[1.0, 1.0, 1.0, 0.0, SURROUND, SURROUND],
            _ => return Err(MediaError::Unsupported(format!("loudness of {channels} channels"))),
        };
        let heard: Vec<(usize, f64)> =
            weights.iter().copied().take(channels).enumerate().filter(|(_, weight)| *weight > 0.0).collect();
        Ok(Meter {
            rate: rate_hertz,
            weighting: Weighting::new(f64::from(rate_hertz)),
            peaks: (0..channels).map(|_| Peaks::new(rate_hertz)).collect(),
            groups: heard.chunks(2).map(Group::new).collect(),
            steps: Steps::new(f64::from(rate_hertz) / f64::from(STEPS_PER_SECOND)),
            frames: 0,
            energy: 0.0,
            kept: None,
        })
    }

    /// Measures for [`Meter::finish_with`] too.
    #[must_use]
    pub fn for_speech(self) -> Meter {
        Meter { kept: Some(Vec::new()), ..self }
    }

    /// Takes the next block: one slice for each channel, full scale at 1. An empty block changes nothing.
    ///
    /// Samples that are not finite, or beyond a million, count as silence.
    ///
    /// # Errors
    /// `Unsupported` if the block has other channels than the programme or channels of different lengths; the
    /// programme can go on without that block.
    pub fn add(&mut self, block: &[&[f32]]) -> Result<(), MediaError> {
        let length = block.first().map_or(0, |channel| channel.len());
        if block.len() != self.peaks.len() || block.iter().any(|channel| channel.len() != length) {
            let lengths: Vec<usize> = block.iter().map(|channel| channel.len()).collect();
            let what = format!("a block of channels with {lengths:?} samples for {} channels", self.peaks.len());
            return Err(MediaError::Unsupported(what));
        }
        let mut from = 0;
        while from < length {
            let to = length.min(from + self.step_length() - self.frames);
            for (peaks, channel) in self.peaks.iter_mut().zip(block) {
                peaks.add(&channel[from..to]);
            }
            for group in &mut self.groups {
                self.energy += group.energy(&self.weighting, &self.peaks);
            }
            self.frames += to - from;
            from = to;
            if self.frames == self.step_length() {
                self.steps.end(self.energy);
                self.kept.iter_mut().for_each(|kept| kept.push(self.energy as f32));
                (self.frames, self.energy) = (0, 0.0);
            }
        }
        Ok(())
    }

    /// Ends the programme, in which someone speaks in these ranges of its samples.
    pub fn finish_with(self, speech: &[TimeRange<Samples>]) -> Loudness {
        let dialogue = self.dialogue(speech);
        Loudness { dialogue_lufs: dialogue, ..self.finish() }
    }

    /// The loudness of the steps whose middle lies in speech.
    fn dialogue(&self, speech: &[TimeRange<Samples>]) -> Option<f64> {
        let kept = self.kept.as_deref()?;
        let step = u64::from(self.rate) as f64 / f64::from(STEPS_PER_SECOND);
        let at = |sample: Samples| ((sample.0 as f64 / step).round() as usize).min(kept.len());
        let steps = speech.iter().filter_map(|range| kept.get(at(range.start)..at(range.end)));
        let (energy, count) = steps.fold((0.0, 0_usize), |(energy, count), steps| {
            (energy + steps.iter().map(|step| f64::from(*step)).sum::<f64>(), count + steps.len())
        });
        (energy > 0.0).then(|| lufs(energy / (count as f64 * step)))
    }

    /// Ends the programme.
    pub fn finish(self) -> Loudness {
        let peaks = self.peaks.into_iter().map(Peaks::finish);
        let (sample, curve) = peaks.fold((0.0_f32, 0.0_f32), |a, b| (a.0.max(b.0), a.1.max(b.1)));
        let decibels = |peak: f32| (peak > 0.0).then(|| 20.0 * f64::from(peak).log10());
        let loudness = |power: f64| (power > 0.0).then(|| lufs(power));
        Loudness {
            integrated_lufs: self.steps.integrated.mean(INTEGRATED_GATE).and_then(loudness),
            range_lu: self.steps.range.range(RANGE_GATE),
            true_peak_dbtp: decibels(curve),
            sample_peak_dbfs: decibels(sample),
            max_momentary_lufs: loudness(self.steps.max_momentary),
            max_short_term_lufs: loudness(self.steps.max_short_term),
            dialogue_lufs: None,
        }
    }

    /// Frames in the step under way; where 10 ms are no whole number of frames, steps differ by one.
    fn step_length(&self) -> usize {
        let (rate, per_second) = (u64::from(self.rate), u64::from(STEPS_PER_SECOND));
        let begin = |step: u64| step * rate / per_second;
        let within = self.steps.ended % per_second;
        (begin(within + 1) - begin(within)) as usize
    }
}

/// One or two channels, filtered together, with their places and weights.
#[derive(Debug)]
enum Group {
    Single((usize, f64), Memory<1>),
    Pair([(usize, f64); 2], Memory<2>),
}

impl Group {
    fn new(channels: &[(usize, f64)]) -> Group {
        match *channels {
            [first, second, ..] => Group::Pair([first, second], Memory::SILENCE),
            [first] => Group::Single(first, Memory::SILENCE),
            [] => Group::Single((0, 0.0), Memory::SILENCE),
        }
    }

    /// Filters the samples last added to `peaks` and gives their weighted energy.
    fn energy(&mut self, weighting: &Weighting, peaks: &[Peaks]) -> f64 {
        match self {
            Group::Single((place, weight), memory) => {
                let [energy] = weighting.energy([peaks[*place].block()], memory);
                energy * *weight
            }
            Group::Pair([left, right], memory) => {
                let blocks = [peaks[left.0].block(), peaks[right.0].block()];
                let energies = weighting.energy(blocks, memory);
                energies[0] * left.1 + energies[1] * right.1
            }
        }
    }
}

/// The windows that slide over the programme in steps.
#[derive(Debug)]
struct Steps {
    /// Frames in a step, on average.
    length: f64,
    ended: u64,
    /// The energy of the last steps, `SHORT_TERM` to twice as many; silence before the first.
    recent: Vec<f64>,
    integrated: Levels,
    range: Levels,
    max_momentary: f64,
    max_short_term: f64,
}

impl Steps {
    fn new(length: f64) -> Steps {
        let mut recent = Vec::with_capacity(2 * SHORT_TERM);
        recent.resize(SHORT_TERM, 0.0);
        let (integrated, range) = (Levels::new(), Levels::new());
        Steps { length, ended: 0, recent, integrated, range, max_momentary: 0.0, max_short_term: 0.0 }
    }

    /// Ends a step of the given energy, and with it one window of each length, if that has begun with the programme.
    fn end(&mut self, energy: f64) {
        if self.recent.len() == 2 * SHORT_TERM {
            self.recent.drain(..SHORT_TERM);
        }
        self.recent.push(energy);
        self.ended += 1;
        let gated = self.ended.is_multiple_of(STRIDE);
        if self.ended >= MOMENTARY as u64 {
            let power = self.power(MOMENTARY);
            self.max_momentary = self.max_momentary.max(power);
            if gated {
                self.integrated.add(power);
            }
        }
        if self.ended >= SHORT_TERM as u64 {
            let power = self.power(SHORT_TERM);
            self.max_short_term = self.max_short_term.max(power);
            if gated {
                self.range.add(power);
            }
        }
    }

    /// The mean square of the last `window` steps.
    fn power(&self, window: usize) -> f64 {
        let steps = &self.recent[self.recent.len() - window..];
        // Four sums side by side: one would wait for each addition. A running sum would leave a trace of what was loud.
        let (fours, rest) = steps.as_chunks::<4>();
        let mut sums = [0.0; 4];
        for four in fours {
            for (sum, energy) in sums.iter_mut().zip(four) {
                *sum += energy;
            }
        }
        let energy: f64 = sums.iter().chain(rest).sum();
        energy / (window as f64 * self.length)
    }
}
