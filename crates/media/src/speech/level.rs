//! How loud it is, 5 ms at a time, without what rumbles below a voice.

use std::f32::consts::PI;

/// Samples of 16 kHz in a block: 5 ms.
pub(super) const BLOCK: usize = 80;
/// Below this a voice has nothing, in Hz.
const EDGE: f32 = 120.0;
/// Added to a power, so that silence has a level: -120 dB.
const FLOOR: f32 = 1e-12;

/// Measures sound of 16 kHz that is fed to it bit by bit.
pub(super) struct Level {
    /// One a block: the mean square.
    powers: Vec<f32>,
    sum: f32,
    count: usize,
    /// The last sample in and out of the first and the second filter.
    past: [(f32, f32); 2],
}

impl Level {
    pub(super) fn new() -> Level {
        Level { powers: Vec::new(), sum: 0.0, count: 0, past: [(0.0, 0.0); 2] }
    }

    pub(super) fn add(&mut self, samples: &[f32]) {
        let keep = 1.0 / (1.0 + 2.0 * PI * EDGE / 16_000.0);
        for sample in samples {
            let mut value = *sample;
            for (before, out) in &mut self.past {
                *out = keep * (*out + value - *before);
                *before = value;
                value = *out;
            }
            self.sum += value * value;
            self.count += 1;
            if self.count == BLOCK {
                self.powers.push(self.sum / BLOCK as f32);
                (self.sum, self.count) = (0.0, 0);
            }
        }
    }

    /// The mean squares, one a block; what is left counts as a block.
    pub(super) fn finish(mut self) -> Vec<f32> {
        if self.count > 0 {
            self.powers.push(self.sum / self.count as f32);
        }
        self.powers
    }
}

/// A mean square in dB of full scale.
pub(super) fn decibels(power: f32) -> f32 {
    10.0 * (power + FLOOR).log10()
}

/// Levels in dB of the mean over `width` blocks around each block.
pub(super) fn smooth(powers: &[f32], width: usize) -> Vec<f32> {
    let mut sums = Vec::with_capacity(powers.len() + 1);
    sums.push(0.0f64);
    for power in powers {
        sums.push(sums.last().copied().unwrap_or_default() + f64::from(*power));
    }
    (0..powers.len())
        .map(|at| {
            let (from, to) = (at.saturating_sub(width / 2), (at + width / 2 + 1).min(powers.len()));
            let sum = sums.get(to).copied().unwrap_or_default() - sums.get(from).copied().unwrap_or_default();
            decibels((sum.max(0.0) / (to - from) as f64) as f32)
        })
        .collect()
}

/// The level that a share of levels (0 to 1) lies below; silence where there are none.
pub(super) fn share(levels: &[f32], share: f32) -> f32 {
    let mut sorted = levels.to_vec();
    let at = (sorted.len().saturating_sub(1) as f32 * share) as usize;
    if at >= sorted.len() {
        return decibels(0.0);
    }
    *sorted.select_nth_unstable_by(at, f32::total_cmp).1
}
