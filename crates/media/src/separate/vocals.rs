//! Spleeter's network for voices over music: one gain for each frequency and frame below 11 kHz.
//!
//! After Hennequin et al., "Spleeter: a fast and efficient music source separation tool", 2020. It was trained at
//! 44.1 kHz on frames of 4096 samples; frames here have as many hertz a bin at 48 kHz, to half a percent.

use super::frames::{Frames, Spectra};
use crate::MediaError;
use crate::net::{Net, Thread, numbers};
use rten_tensor::Tensor;
use std::f64::consts::TAU;

const SIZE: usize = 4480;
const HOP: usize = 1120;
/// Frequencies that the network knows.
const BINS: usize = 1024;
/// Frequencies whose mean gain is taken for all above.
const TOP: usize = 324;
/// The network halves the time six times.
const BLOCK: usize = 64;

/// The network and what is around it.
pub(super) struct Vocals {
    net: Net,
    frames: Frames,
}

impl Vocals {
    /// Reads the network out of the program.
    pub(super) fn new() -> Result<Vocals, MediaError> {
        let window = (0..SIZE).map(|i| (0.5 - 0.5 * (TAU * i as f64 / SIZE as f64).cos()) as f32).collect();
        let net = Net::new(include_bytes!("../../models/spleeter-2stems-vocals.onnx"))?;
        Ok(Vocals { net, frames: Frames::new(window, HOP) })
    }

    /// Takes a channel apart into the frames that gains work on.
    pub(super) fn split(&self, sound: &[f32]) -> Result<Spectra, MediaError> {
        self.frames.split(sound)
    }

    /// Puts frames together into `length` samples.
    pub(super) fn join(&self, spectra: Spectra, length: usize) -> Result<Vec<f32>, MediaError> {
        self.frames.join(spectra, length)
    }

    /// Finds the gains that leave the voice in a sound: `BINS` a frame.
    pub(super) fn gains(&self, thread: &Thread, sound: &Spectra) -> Result<Vec<f32>, MediaError> {
        let count = sound.frames();
        let plane = count.next_multiple_of(BLOCK) * BINS;
        let mut input = vec![0.0; 2 * plane];
        for (index, row) in input.chunks_exact_mut(BINS).take(count).enumerate() {
            let frame = sound.frame(index);
            row.iter_mut().zip(frame).for_each(|(to, value)| *to = value.norm() * 4096.0 / SIZE as f32);
        }
        // The network hears two channels; both are this one.
        input.copy_within(..plane, plane);
        let input = Tensor::from_data(&[1, 2, plane / BINS, BINS], input);
        let [mask] = self.net.run(thread, vec![("spec", input.into())], ["mask"])?;
        let mask = numbers(mask)?;
        if mask.len() != 2 * plane {
            return Err(MediaError::Unsupported("a network answered in another shape".into()));
        }
        let (first, second) = mask.split_at(plane);
        Ok(first.iter().zip(second).take(count * BINS).map(|(a, b)| 0.5 * (a + b)).collect())
    }

    /// Multiplies one channel by gains.
    pub(super) fn apply(gains: &[f32], mut sound: Spectra) -> Spectra {
        for (frame, gains) in sound.values.chunks_exact_mut(sound.bins).zip(gains.chunks_exact(BINS)) {
            let above = gains[BINS - TOP..].iter().sum::<f32>() / TOP as f32;
            let (known, unknown) = frame.split_at_mut(BINS);
            known.iter_mut().zip(gains).for_each(|(value, gain)| *value *= gain);
            unknown.iter_mut().for_each(|value| *value *= above);
        }
        sound
    }
}
