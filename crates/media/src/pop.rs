//! Where a pop lies, to the sample: one frame of 1 kHz between silence.

use crate::tone::{PERIOD, sine};

/// How much a stretch has to be like a pop, from 0 to 1. A pop that was faded in, limited or made louder is above it; where
/// a longer tone begins is not (0.71), and neither are words.
const ALIKE: f64 = 0.9;
/// What is softer is no pop, as power of full scale: -70 dBFS.
const FLOOR: f64 = 1e-7;

/// A pop that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// Its first sample.
    pub at: usize,
    /// How much it is like a pop, from 0 to 1.
    pub likeness: f64,
    /// Whether its first half wave goes down.
    pub inverted: bool,
    /// Its level as that of a sine, in dBFS.
    pub dbfs: f64,
}

/// Finds the pop of `length` samples at 48 kHz that is nearest to where it is expected; none where nothing is like one.
///
/// The stretch is compared with a sine between as much silence on either side (normalised cross-correlation without the
/// mean), so that a longer tone is none. Before and behind `samples` it is silent.
#[must_use]
pub fn find(samples: &[f32], length: usize, expected: usize) -> Option<Found> {
    let last = samples.len().checked_sub(length).filter(|_| length >= PERIOD)?;
    let sums = Sums::of(samples, length);
    let mut pops: Vec<Found> = Vec::new();
    let mut end = 0;
    for found in (0..=last).map(|at| sums.likeness(at)).filter(|found| found.likeness >= ALIKE) {
        match pops.last_mut().filter(|_| found.at < end) {
            // What is like it beside it, a few samples or whole periods away, is the same one.
            Some(best) if found.likeness > best.likeness => *best = found,
            Some(_) => {}
            None => pops.push(found),
        }
        end = found.at + length;
    }
    pops.into_iter().min_by_key(|found| found.at.abs_diff(expected))
}

/// Sums up to each sample: of what is in and out of step with the tone, of the samples, and of their energy.
struct Sums {
    sine: Vec<f64>,
    cosine: Vec<f64>,
    mean: Vec<f64>,
    energy: Vec<f64>,
    length: usize,
    /// The sum and the energy of a pop of full scale.
    whole: (f64, f64),
}

impl Sums {
    fn of(samples: &[f32], length: usize) -> Sums {
        let running = |weight: &dyn Fn(usize, f64) -> f64| {
            let mut sum = 0.0;
            let sums = samples.iter().enumerate().map(|(at, sample)| {
                let sample = if sample.is_finite() { f64::from(*sample) } else { 0.0 };
                sum += weight(at, sample);
                sum
            });
            std::iter::once(0.0).chain(sums).collect()
        };
        Sums {
            sine: running(&|at, sample| sample * sine(at)),
            cosine: running(&|at, sample| sample * sine(at + PERIOD / 4)),
            mean: running(&|_, sample| sample),
            energy: running(&|_, sample| sample * sample),
            length,
            whole: ((0..length).map(sine).sum(), (0..length).map(|at| sine(at).powi(2)).sum()),
        }
    }

    /// How much a pop that begins at `at` is like what is there, both without their means.
    fn likeness(&self, at: usize) -> Found {
        let (from, to) = (at.saturating_sub(self.length), (at + 2 * self.length).min(self.energy.len() - 1));
        let within = |sums: &[f64]| sums[to] - sums[from];
        let (sum, count) = (within(&self.mean), (to - from) as f64);
        let energy = within(&self.energy) - sum * sum / count;
        let whole = self.whole.1 - self.whole.0 * self.whole.0 / count;
        let matched = self.match_at(at) - sum * self.whole.0 / count;
        let likeness = if energy < FLOOR * self.length as f64 { 0.0 } else { matched.abs() / (whole * energy).sqrt() };
        Found { at, likeness, inverted: matched < 0.0, dbfs: 20.0 * (matched / whole).abs().log10() }
    }

    /// What comes out where a sine that begins at `at` is laid over the samples: the tone is in step with the first
    /// sample of all, and turned to begin there.
    fn match_at(&self, at: usize) -> f64 {
        let within = |sums: &[f64]| sums[at + self.length] - sums[at];
        within(&self.sine) * sine(at + PERIOD / 4) - within(&self.cosine) * sine(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: usize = 2000;

    fn pop(at: usize, total: usize, level: f64) -> Vec<f32> {
        let tone = |n: usize| if (at..at + FRAME).contains(&n) { (level * sine(n - at)) as f32 } else { 0.0 };
        (0..total).map(tone).collect()
    }

    /// Noise that is the same each time.
    fn noise(level: f32) -> impl Iterator<Item = f32> {
        let mut state = 7_u32;
        std::iter::repeat_with(move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 * level - level
        })
    }

    #[test]
    fn a_pop_is_found_to_the_sample_whatever_its_level() {
        for at in [0, 1, 47, 48, 24_000, 24_001, 30_000 - FRAME] {
            for level in [0.1, 0.02, 0.9, -0.1] {
                let found = find(&pop(at, 30_000, level), FRAME, at).expect("a pop");
                assert_eq!((found.at, found.inverted), (at, level < 0.0), "{at} {level} {found:?}");
                assert!((found.dbfs - 20.0 * level.abs().log10()).abs() < 0.1, "{found:?}");
            }
        }
    }

    #[test]
    fn fades_limits_and_noise_move_it_by_no_sample() {
        let mut faded = pop(12_345, 48_000, 0.1);
        for n in 0..40 {
            faded[12_345 + n] *= n as f32 / 40.0;
            faded[12_345 + FRAME - 1 - n] *= n as f32 / 40.0;
        }
        let limited: Vec<f32> = pop(12_345, 48_000, 0.9).iter().map(|sample| sample.clamp(-0.4, 0.4)).collect();
        let noisy: Vec<f32> = pop(12_345, 48_000, 0.1).iter().zip(noise(0.003)).map(|(a, b)| a + b).collect();
        for samples in [faded, limited, noisy] {
            assert_eq!(find(&samples, FRAME, 12_346).map(|found| found.at), Some(12_345));
        }
    }

    #[test]
    fn tones_noise_and_silence_are_no_pops() {
        let tone: Vec<f32> = (0..96_000).map(|n| if n < 9_000 { 0.0 } else { 0.1 * sine(n) as f32 }).collect();
        assert_eq!(find(&tone, FRAME, 9_000), None);
        assert_eq!(find(&noise(0.1).take(96_000).collect::<Vec<_>>(), FRAME, 0), None);
        assert_eq!(find(&vec![0.0; 96_000], FRAME, 0), None);
        assert_eq!(find(&[0.1; 100], FRAME, 0), None);
    }

    #[test]
    fn a_line_up_tone_before_it_is_not_taken_for_it() {
        let mut samples = pop(72_000, 96_000, 0.1);
        samples.iter_mut().enumerate().take(48_000).for_each(|(n, sample)| *sample = 0.1 * sine(n) as f32);
        assert_eq!(find(&samples, FRAME, 72_000).map(|found| found.at), Some(72_000));
    }

    #[test]
    fn of_a_countdown_the_nearest_is_taken() {
        let mut samples: Vec<f32> = noise(0.000_001).take(480_000).collect();
        for second in 1..9 {
            let pip = pop(48_000 * second, 480_000, if second == 8 { 0.05 } else { 0.1 });
            samples.iter_mut().zip(pip).for_each(|(sample, pip)| *sample += pip);
        }
        let found = |expected| find(&samples, FRAME, expected).map(|found| found.at);
        assert_eq!([384_000, 383_999, 384_500, 300_000].map(found), [384_000, 384_000, 384_000, 288_000].map(Some));
    }

    #[test]
    fn a_constant_offset_hides_no_pop() {
        for offset in [0.01, -0.1, 0.5] {
            let samples: Vec<f32> = pop(12_345, 48_000, 0.03).iter().map(|sample| sample + offset).collect();
            let found = find(&samples, FRAME, 12_345).expect("a pop");
            assert!(found.at == 12_345 && !found.inverted && (found.dbfs + 30.46).abs() < 0.1, "{found:?}");
        }
    }
}
