//! How much later one sound is than another that it was made of, to the sample.

use realfft::RealFftPlanner;
use realfft::num_complex::Complex;

use crate::MediaError;

/// How far either way is looked, in samples: 100 ms at 48 kHz.
const REACH: usize = 4800;
/// Sounds that are less alike than this, from 0 to 1, say nothing: what is left of them is an encoder's noise.
const ALIKE: f64 = 0.3;
/// So much a peak has to be higher than what stands at no offset: a hum looks the same a sample later.
const FLAT: f64 = 0.0005;
/// So much more for all that is not alike, which moves the peak of slow sounds. Measured with FFmpeg's AAC at 256 kbit/s:
/// 0.0008 at most.
const NOISE: f64 = 0.01;

/// How many samples later the second sound is, by the peak of their cross-correlation: not 0 only where that is clear.
/// Both have as many channels. None where it cannot be told, as where one of them is silent.
///
/// # Errors
/// `Unsupported` where the transform fails, which it does not.
pub fn offset(one: &[Vec<f32>], other: &[Vec<f32>]) -> Result<Option<i64>, MediaError> {
    let longest = one.iter().chain(other).map(Vec::len).max().unwrap_or(0);
    let size = (longest + 2 * REACH).next_power_of_two();
    let mut planner = RealFftPlanner::<f32>::new();
    let (forward, back) = (planner.plan_fft_forward(size), planner.plan_fft_inverse(size));
    let failed = |_| MediaError::Unsupported("a transform of this length".to_owned());
    let mut product = vec![Complex::new(0.0, 0.0); size / 2 + 1];
    let (mut energy_one, mut energy_other) = (0.0_f64, 0.0_f64);
    for (one, other) in one.iter().zip(other) {
        let spectrum = |plane: &[f32], energy: &mut f64| {
            let mut samples = steeper(plane, size);
            *energy += samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>();
            let mut spectrum = forward.make_output_vec();
            forward.process(&mut samples, &mut spectrum).map_err(failed).map(|()| spectrum)
        };
        let (one, other) = (spectrum(one, &mut energy_one)?, spectrum(other, &mut energy_other)?);
        for (sum, (one, other)) in product.iter_mut().zip(one.iter().zip(&other)) {
            *sum += other * one.conj();
        }
    }
    if energy_one == 0.0 || energy_other == 0.0 {
        return Ok(None);
    }
    // Both ends of the spectrum are real, but for what was rounded.
    product[0].im = 0.0;
    product[size / 2].im = 0.0;
    let mut lags = back.make_output_vec();
    back.process(&mut product, &mut lags).map_err(failed)?;
    let whole = (energy_one * energy_other).sqrt() * size as f64;
    let at = |lag: i64| f64::from(lags[lag.rem_euclid(size as i64) as usize]) / whole;
    let reach = REACH as i64;
    let peak = (-reach..=reach).max_by(|one, other| at(*one).total_cmp(&at(*other))).unwrap_or(0);
    let likeness = at(peak);
    let is_clear = likeness - at(0) > FLAT + NOISE * (1.0 - likeness);
    Ok((likeness >= ALIKE).then_some(if is_clear { peak } else { 0 }))
}

/// The steps from sample to sample, filled up with silence: they have their energy where a sample more or less is seen.
fn steeper(plane: &[f32], size: usize) -> Vec<f32> {
    let mut steps = vec![0.0; size];
    for (step, pair) in steps.iter_mut().zip(plane.windows(2)) {
        *step = pair[1] - pair[0];
    }
    steps
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    fn noise(length: usize) -> Vec<f32> {
        let mut state = 7_u32;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    #[test]
    fn an_offset_is_found_to_the_sample() {
        let one = noise(20_000);
        for by in [0, 1, 2, 1000] {
            let later = [vec![0.0; by], one.clone()].concat();
            assert_eq!(found(&one, &later), Some(by as i64));
            assert_eq!(found(&later, &one), Some(-(by as i64)));
        }
        assert_eq!(found(&one, &vec![0.0; 20_000]), None);
        assert_eq!(found(&vec![0.001; 20_000], &vec![0.001; 20_000]), None);
    }

    fn found(one: &Vec<f32>, other: &Vec<f32>) -> Option<i64> {
        offset(from_ref(one), from_ref(other)).expect("planes")
    }

    /// `one` with so much noise of its own, a sample late or not.
    fn coded(one: &[f32], noise: &[f32], level: f32, late: usize) -> Vec<f32> {
        let one = vec![0.0; late].into_iter().chain(one.iter().copied());
        one.zip(noise).map(|(sample, noise)| sample + level * noise).collect()
    }

    #[test]
    fn an_encoders_noise_moves_no_hum() {
        let hum: Vec<f32> = (0..96_000).map(|n| 0.003 * (n as f32 * std::f32::consts::TAU / 960.0).sin()).collect();
        let noise = noise(192_000).split_off(96_000);
        // Almost all, about half, and hardly any of the steps are the hum's: the first is told, the last is not.
        let told = [0.000_001, 0.000_02, 0.000_1].map(|level| found(&hum, &coded(&hum, &noise, level, 0)));
        assert!(told[0] == Some(0) && told[1].is_none_or(|off| off == 0) && told[2].is_none(), "{told:?}");
    }

    #[test]
    fn a_sample_late_is_told_through_an_encoders_noise() {
        let mut low = noise(96_000);
        let mut last = 0.0;
        for sample in &mut low {
            last += 0.1 * (*sample - last);
            *sample = last;
        }
        let noise = noise(192_000).split_off(96_000);
        for late in [0, 1] {
            assert_eq!(found(&low, &coded(&low, &noise, 0.02, late)), Some(late as i64));
        }
    }
}
