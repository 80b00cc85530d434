//! Short-time spectra and back: overlapping windowed frames of one channel.

use crate::MediaError;
use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use std::sync::Arc;

/// A pair of transforms with one window, used for analysis and synthesis alike.
pub(super) struct Frames {
    window: Vec<f32>,
    hop: usize,
    /// What one frame is multiplied by so that overlapping frames add up to the sound again.
    gain: f32,
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
}

/// One channel as spectra, frame after frame.
#[derive(Clone)]
pub(super) struct Spectra {
    /// `bins` values a frame.
    pub(super) values: Vec<Complex32>,
    /// Values in a frame.
    pub(super) bins: usize,
}

impl Spectra {
    /// The spectrum of one frame.
    pub(super) fn frame(&self, index: usize) -> &[Complex32] {
        &self.values[index * self.bins..(index + 1) * self.bins]
    }

    /// How many frames there are.
    pub(super) fn frames(&self) -> usize {
        self.values.len() / self.bins
    }
}

impl Frames {
    /// Plans frames of `window.len()` samples, `hop` apart. The squared windows must add up to a constant.
    pub(super) fn new(window: Vec<f32>, hop: usize) -> Frames {
        let mut planner = RealFftPlanner::new();
        let power: f32 = window.iter().map(|w| w * w).sum();
        let gain = hop as f32 / power / window.len() as f32;
        let forward = planner.plan_fft_forward(window.len());
        let inverse = planner.plan_fft_inverse(window.len());
        Frames { window, hop, gain, forward, inverse }
    }

    /// Samples of silence put before the sound, so that its first sample lies in as many frames as any other.
    fn lead(&self) -> usize {
        self.window.len() - self.hop
    }

    /// Takes `sound` apart. There are as many frames as touch it.
    pub(super) fn split(&self, sound: &[f32]) -> Result<Spectra, MediaError> {
        let size = self.window.len();
        let count = (sound.len() + self.lead()).div_ceil(self.hop);
        let mut padded = vec![0.0; (count - 1) * self.hop + size + self.hop];
        padded[self.lead()..self.lead() + sound.len()].copy_from_slice(sound);
        let bins = size / 2 + 1;
        let mut values = vec![Complex32::default(); count * bins];
        let mut scratch = self.forward.make_scratch_vec();
        let mut frame = vec![0.0; size];
        for (index, spectrum) in values.chunks_exact_mut(bins).enumerate() {
            let part = &padded[index * self.hop..index * self.hop + size];
            frame.iter_mut().zip(part).zip(&self.window).for_each(|((f, x), w)| *f = x * w);
            self.forward.process_with_scratch(&mut frame, spectrum, &mut scratch).map_err(transform)?;
        }
        Ok(Spectra { values, bins })
    }

    /// Puts spectra together again into `length` samples.
    pub(super) fn join(&self, mut spectra: Spectra, length: usize) -> Result<Vec<f32>, MediaError> {
        let size = self.window.len();
        let mut sound = vec![0.0; spectra.frames() * self.hop + size];
        let mut scratch = self.inverse.make_scratch_vec();
        let mut frame = vec![0.0; size];
        let bins = spectra.bins;
        for (index, spectrum) in spectra.values.chunks_exact_mut(bins).enumerate() {
            // A real sound has nothing imaginary at either end of its spectrum.
            spectrum[0].im = 0.0;
            spectrum[bins - 1].im = 0.0;
            self.inverse.process_with_scratch(spectrum, &mut frame, &mut scratch).map_err(transform)?;
            let place = &mut sound[index * self.hop..index * self.hop + size];
            place.iter_mut().zip(&frame).zip(&self.window).for_each(|((s, f), w)| *s += f * w * self.gain);
        }
        sound.drain(..self.lead());
        sound.truncate(length);
        Ok(sound)
    }
}

fn transform(error: realfft::FftError) -> MediaError {
    MediaError::Unsupported(format!("the spectrum of the sound cannot be taken: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_split_and_joined_is_as_before() {
        let window: Vec<f32> = (0..960).map(|i| ((i as f32 + 0.5) / 960.0 * std::f32::consts::PI).sin()).collect();
        let frames = Frames::new(window, 480);
        for length in [1, 479, 480, 481, 5000] {
            let sound: Vec<f32> = (0..length).map(|i| ((i * i) as f32 * 0.001).sin()).collect();
            let back = frames.join(frames.split(&sound).expect("it has samples"), length).expect("it has frames");
            assert_eq!(back.len(), length);
            assert!(sound.iter().zip(&back).all(|(a, b)| (a - b).abs() < 1e-5), "{length}");
        }
    }
}
