//! Sample peak, and true peak (ITU-R BS.1770-4 annex 2): the highest point of the curve through the samples.

use std::f64::consts::PI;

/// How many samples back, and as many ahead, the curve between two samples is taken from.
const REACH: usize = 16;
/// Samples that an output needs besides its newest.
const HISTORY: usize = 2 * REACH - 1;
/// Outputs computed side by side, in vector registers.
const LANES: usize = 8;
/// Samples kept from before a block: enough to compute the last `LANES` outputs of the shortest block.
const KEPT: usize = HISTORY + LANES;
/// Outputs computed or skipped together; more than `HISTORY`, so that they need no more than two spans of samples.
const SPAN: usize = 32;
/// Samples above this magnitude, 120 dB over full scale, are no sound. It keeps every sum finite.
const LIMIT: f32 = 1e6;
/// Shape (beta) of the Kaiser window over the sinc: as FFmpeg's meter has it, so that both read the same.
const SHAPE: f64 = 9.0;

/// Finds the sample peak and the true peak of one channel.
///
/// Between two samples the curve is evaluated at 1/4, 2/4 and 3/4 (from 96 kHz at 2/4 alone, from 192 kHz nowhere)
/// by a windowed sinc. The filters of 1/4 and 3/4 are each other's mirror image. Split into an even part `E` and an
/// odd part `O` they yield `E + O` and `E − O`, of which the larger magnitude is `|E| + |O|`: half the
/// multiplications.
///
/// Where the samples are so low that no filter could lift them above the peak found so far, nothing is computed.
/// The result is the same as without.
#[derive(Debug)]
pub(super) struct Peaks {
    quarters: bool,
    halves: bool,
    even: [f32; REACH],
    odd: [f32; REACH],
    half: [f32; REACH],
    /// The most that any of the filters amplifies.
    gain: f32,
    /// The last `KEPT` samples of the blocks before, then the block.
    samples: Vec<f32>,
    sample_peak: f32,
    true_peak: f32,
}

impl Peaks {
    /// Prepares for sound at `rate` in hertz.
    pub(super) fn new(rate: u32) -> Peaks {
        let (quarter, half) = (taps(0.25), taps(0.5));
        let mirrored = |tap: usize| quarter[HISTORY - tap];
        let norm = |taps: &[f64]| taps.iter().map(|tap| tap.abs()).sum::<f64>();
        Peaks {
            quarters: rate < 96_000,
            halves: rate < 192_000,
            even: std::array::from_fn(|tap| ((quarter[tap] + mirrored(tap)) / 2.0) as f32),
            odd: std::array::from_fn(|tap| ((quarter[tap] - mirrored(tap)) / 2.0) as f32),
            half: std::array::from_fn(|tap| half[tap] as f32),
            // A little more than the norm, since the filters round.
            gain: (norm(&quarter).max(norm(&half)) * 1.000_1) as f32,
            samples: vec![0.0; KEPT],
            sample_peak: 0.0,
            true_peak: 0.0,
        }
    }

    /// Takes the next samples of the channel; what is not finite or beyond `LIMIT` counts as silence.
    pub(super) fn add(&mut self, block: &[f32]) {
        let spent = self.samples.len() - KEPT;
        self.samples.copy_within(spent.., 0);
        self.samples.resize(KEPT + block.len(), 0.0);
        let mut previous = magnitude(&self.samples[LANES..KEPT]);
        for (index, span) in block.chunks(SPAN).enumerate() {
            let from = index * SPAN;
            let highest = clean(span, &mut self.samples[KEPT + from..]);
            self.sample_peak = larger(self.sample_peak, highest);
            self.true_peak = larger(self.true_peak, highest);
            if self.halves && larger(previous, highest) * self.gain > self.true_peak {
                self.between(from, from + span.len());
            }
            previous = highest;
        }
    }

    /// Gives the samples last added, cleaned.
    pub(super) fn block(&self) -> &[f32] {
        &self.samples[KEPT..]
    }

    /// Gives the highest magnitude of a sample, and of the curve.
    pub(super) fn finish(mut self) -> (f32, f32) {
        self.add(&[0.0; HISTORY]);
        (self.sample_peak, self.true_peak)
    }

    /// Evaluates the curve for the outputs `from..to` of the block.
    fn between(&mut self, from: usize, to: usize) {
        let mut highest = [self.true_peak; LANES];
        for start in (from..to).step_by(LANES) {
            // The last outputs are shifted back to end with the span: some are computed twice, none too early.
            let start = (start + LANES).min(to);
            let Some(window) = self.samples[start..].first_chunk() else { break };
            if self.quarters {
                self.outputs::<true>(window, &mut highest);
            } else {
                self.outputs::<false>(window, &mut highest);
            }
        }
        self.true_peak = highest.into_iter().fold(0.0, larger);
    }

    #[inline]
    fn outputs<const QUARTERS: bool>(&self, window: &[f32; KEPT], highest: &mut [f32; LANES]) {
        let (mut even, mut odd, mut half) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
        for tap in 0..REACH {
            for lane in 0..LANES {
                let (first, last) = (window[lane + tap], window[lane + HISTORY - tap]);
                let (sum, difference) = (first + last, first - last);
                half[lane] += self.half[tap] * sum;
                if QUARTERS {
                    even[lane] += self.even[tap] * sum;
                    odd[lane] += self.odd[tap] * difference;
                }
            }
        }
        for lane in 0..LANES {
            highest[lane] = larger(highest[lane], half[lane].abs());
            if QUARTERS {
                highest[lane] = larger(highest[lane], even[lane].abs() + odd[lane].abs());
            }
        }
    }
}

/// The taps that evaluate the curve `fraction` of the way between the two samples in the middle.
fn taps(fraction: f64) -> [f64; 2 * REACH] {
    let taps: [f64; 2 * REACH] = std::array::from_fn(|tap| {
        let distance = tap as f64 - (REACH - 1) as f64 - fraction;
        let place = distance / REACH as f64;
        let window = bessel(SHAPE * (1.0 - place * place).max(0.0).sqrt());
        (PI * distance).sin() / (PI * distance) * window
    });
    let sum: f64 = taps.iter().sum();
    taps.map(|tap| tap / sum)
}

/// The modified Bessel function of the first kind and order zero, as its power series.
fn bessel(x: f64) -> f64 {
    let mut term = 1.0;
    let terms = (1..40).map(|n| {
        term *= (x / 2.0 / f64::from(n)).powi(2);
        term
    });
    1.0 + terms.sum::<f64>()
}

/// Copies what is sound in `from`, silence elsewhere, and gives the highest magnitude.
fn clean(from: &[f32], to: &mut [f32]) -> f32 {
    for (to, from) in to.iter_mut().zip(from) {
        *to = if from.abs() <= LIMIT { *from } else { 0.0 };
    }
    magnitude(&to[..from.len()])
}

fn magnitude(samples: &[f32]) -> f32 {
    let mut highest = [0.0; LANES];
    let chunks = samples.chunks_exact(LANES);
    let rest = chunks.remainder().iter().map(|sample| sample.abs());
    for chunk in chunks {
        for (highest, sample) in highest.iter_mut().zip(chunk) {
            *highest = larger(*highest, sample.abs());
        }
    }
    highest.into_iter().chain(rest).fold(0.0, larger)
}

/// `f32::max` without its care for values that are not numbers, which costs three instructions more.
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Peaks {
        pub(in crate::loudness) fn size(&self) -> usize {
            self.samples.capacity()
        }
    }

    /// The highest of all outputs, computed one by one and none left out.
    fn thoroughly(samples: &[f32], fractions: &[f64]) -> f64 {
        let silence = [0.0; 2 * REACH];
        let padded: Vec<f64> = silence.iter().chain(samples).chain(&silence).map(|&sample| f64::from(sample)).collect();
        let curves = fractions.iter().map(|&fraction| taps(fraction)).flat_map(|taps| {
            let at = move |window: &[f64]| window.iter().zip(taps).map(|(sample, tap)| sample * tap).sum::<f64>().abs();
            padded.windows(2 * REACH).map(at).collect::<Vec<_>>()
        });
        curves.chain(padded.iter().map(|sample| sample.abs())).fold(0.0, f64::max)
    }

    #[test]
    fn leaving_out_what_is_low_changes_nothing() {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state as f32 / u32::MAX as f32 - 0.5
        };
        for (rate, fractions) in [(48_000, &[0.25, 0.5, 0.75] as &[f64]), (96_000, &[0.5]), (192_000, &[])] {
            for length in [1, 7, 8, 31, 32, 33, 63, 64, 100, 1_000, 5_000] {
                for falling in [0.0, 0.01, 1.0] {
                    let sample = |n: usize| next() * (-falling * n as f32).exp();
                    let samples: Vec<f32> = (0..length).map(sample).collect();
                    let mut peaks = Peaks::new(rate);
                    samples.chunks(37).for_each(|block| peaks.add(block));
                    let (found, expected) = (f64::from(peaks.finish().1), thoroughly(&samples, fractions));
                    assert!((found / expected - 1.0).abs() < 1e-5, "{found} is not {expected}, {length} at {rate}");
                }
            }
        }
    }
}
