//! DeepFilterNet3: gains in 32 bands, and below 4.8 kHz a complex filter over five frames.
//!
//! After Schröter et al., "DeepFilterNet: Perceptually Motivated Real-Time Speech Enhancement", 2023, at 48 kHz.

use super::frames::{Frames, Spectra};
use crate::MediaError;
use crate::net::{Net, Thread, numbers};
use realfft::num_complex::Complex32;
use rten_tensor::Tensor;
use std::f64::consts::{FRAC_PI_2, PI};

const SIZE: usize = 960;
const HOP: usize = 480;
const BANDS: usize = 32;
/// Frequencies that are filtered, from the lowest up.
const FILTERED: usize = 96;
/// Frames that a filter reaches over, two before and two after.
const TAPS: usize = 5;
/// Frames that the network looks ahead.
const AHEAD: usize = 2;
/// How much of a running mean stays from frame to frame: a time constant of one second.
const KEPT: f32 = 0.99;

/// The networks and what is around them.
pub(super) struct DeepFilter {
    encoder: Net,
    gains: Net,
    filters: Net,
    frames: Frames,
    /// Frequencies in each band.
    widths: Vec<usize>,
}

/// What is done to a sound to leave its speech: the same for each of its channels.
pub(super) struct Filter {
    gains: Vec<f32>,
    taps: Vec<f32>,
}

/// How loud the sound has been, as running means: what comes next is measured against it.
#[derive(Clone)]
pub(super) struct Means {
    /// Decibels in each band.
    bands: [f32; BANDS],
    /// Magnitudes of the lower spectrum.
    bins: [f32; FILTERED],
}

impl Means {
    /// Where the network's training started.
    pub(super) fn new() -> Means {
        let bands = std::array::from_fn(|band| -60.0 - 30.0 * band as f32 / (BANDS - 1) as f32);
        let bins = std::array::from_fn(|bin| 0.001 - 0.0009 * bin as f32 / (FILTERED - 1) as f32);
        Means { bands, bins }
    }
}

impl DeepFilter {
    /// Samples from one frame to the next.
    pub(super) const HOP: usize = HOP;

    /// Reads the networks out of the program.
    pub(super) fn new() -> Result<DeepFilter, MediaError> {
        let window = (0..SIZE).map(|i| {
            let sine = (PI * (i as f64 + 0.5) / SIZE as f64).sin();
            (FRAC_PI_2 * sine * sine).sin() as f32
        });
        Ok(DeepFilter {
            encoder: Net::new(include_bytes!("../../models/deepfilternet3-enc.onnx"))?,
            gains: Net::new(include_bytes!("../../models/deepfilternet3-erb_dec.onnx"))?,
            filters: Net::new(include_bytes!("../../models/deepfilternet3-df_dec.onnx"))?,
            frames: Frames::new(window.collect(), HOP),
            widths: band_widths(),
        })
    }

    /// Takes a channel apart into the frames that filters work on.
    pub(super) fn split(&self, sound: &[f32]) -> Result<Spectra, MediaError> {
        self.frames.split(sound)
    }

    /// Puts filtered frames together into `length` samples.
    pub(super) fn join(&self, spectra: Spectra, length: usize) -> Result<Vec<f32>, MediaError> {
        self.frames.join(spectra, length)
    }

    /// Finds the filter that leaves the speech in `guide`. `means` come in as they are before its first frame, and go
    /// out as they are after `kept` frames.
    pub(super) fn filter(
        &self,
        thread: &Thread,
        guide: &Spectra,
        means: &mut Means,
        kept: usize,
    ) -> Result<Filter, MediaError> {
        let count = guide.frames();
        let (bands, spectrum) = self.features(guide, means, kept);
        let bands = Tensor::from_data(&[1, 1, count, BANDS], bands);
        let spectrum = Tensor::from_data(&[1, 2, count, FILTERED], spectrum);
        let inputs = vec![("feat_erb", bands.into()), ("feat_spec", spectrum.into())];
        let [e0, e1, e2, e3, emb, c0] = self.encoder.run(thread, inputs, ["e0", "e1", "e2", "e3", "emb", "c0"])?;
        let inputs = vec![("emb", emb.clone()), ("e3", e3), ("e2", e2), ("e1", e1), ("e0", e0)];
        let [gains] = self.gains.run(thread, inputs, ["m"])?;
        let [taps] = self.filters.run(thread, vec![("emb", emb), ("c0", c0)], ["coefs"])?;
        let filter = Filter { gains: numbers(gains)?, taps: numbers(taps)? };
        if filter.gains.len() != count * BANDS || filter.taps.len() != count * FILTERED * TAPS * 2 {
            return Err(MediaError::Unsupported("a network answered in another shape".into()));
        }
        Ok(filter)
    }

    /// Filters one channel.
    pub(super) fn apply(&self, filter: &Filter, sound: &Spectra) -> Spectra {
        let mut out = sound.clone();
        for (index, frame) in out.values.chunks_exact_mut(sound.bins).enumerate() {
            let gains = &filter.gains[index * BANDS..(index + 1) * BANDS];
            let each = gains.iter().zip(&self.widths).flat_map(|(gain, width)| std::iter::repeat_n(*gain, *width));
            frame.iter_mut().zip(each).for_each(|(value, gain)| *value *= gain);
            for (bin, value) in frame.iter_mut().enumerate().take(FILTERED) {
                let at = (index * FILTERED + bin) * TAPS * 2;
                *value = filter.taps[at..at + TAPS * 2].chunks_exact(2).enumerate().fold(
                    Complex32::default(),
                    |sum, (tap, pair)| match (index + tap).checked_sub(TAPS / 2) {
                        Some(source) if source < sound.frames() => {
                            sum + sound.values[source * sound.bins + bin] * Complex32::new(pair[0], pair[1])
                        }
                        _ => sum,
                    },
                );
            }
        }
        out
    }

    /// What the network hears: loudness in bands and the lower spectrum (all real parts, then all imaginary ones),
    /// each against its running mean.
    fn features(&self, guide: &Spectra, means: &mut Means, kept: usize) -> (Vec<f32>, Vec<f32>) {
        let mut bands = vec![0.0; guide.frames() * BANDS];
        let mut spectrum = vec![0.0; 2 * guide.frames() * FILTERED];
        let mut running = means.clone();
        for index in 0..guide.frames() {
            let (decibels, values) = self.measure(guide.frame(index), &mut running);
            if let Some(seen) = index.checked_sub(AHEAD) {
                bands[seen * BANDS..(seen + 1) * BANDS].copy_from_slice(&decibels);
                let (real, imaginary) = spectrum.split_at_mut(guide.frames() * FILTERED);
                for (bin, value) in values.iter().enumerate() {
                    real[seen * FILTERED + bin] = value.re;
                    imaginary[seen * FILTERED + bin] = value.im;
                }
            }
            if index + 1 == kept {
                *means = running.clone();
            }
        }
        (bands, spectrum)
    }

    /// One frame of [`features`](Self::features).
    fn measure(&self, frame: &[Complex32], means: &mut Means) -> ([f32; BANDS], [Complex32; FILTERED]) {
        // The network was trained on spectra divided by their size.
        let scale = 1.0 / SIZE as f32;
        let mut decibels = [0.0; BANDS];
        let mut rest = frame;
        for (band, mean) in means.bands.iter_mut().enumerate() {
            let (part, after) = rest.split_at(self.widths[band]);
            rest = after;
            let power = part.iter().map(|value| (value * scale).norm_sqr()).sum::<f32>() / part.len() as f32;
            let level = 10.0 * (power + 1e-10).log10();
            *mean = level * (1.0 - KEPT) + *mean * KEPT;
            decibels[band] = (level - *mean) / 40.0;
        }
        let mut values = [Complex32::default(); FILTERED];
        for ((to, value), mean) in values.iter_mut().zip(frame).zip(&mut means.bins) {
            let value = value * scale;
            // Long silence must not end in a division by nothing.
            *mean = (value.norm() * (1.0 - KEPT) + *mean * KEPT).max(1e-12);
            *to = value / mean.sqrt();
        }
        (decibels, values)
    }
}

/// How many frequencies each band has: as even as may be in equivalent rectangular bandwidths, two at least.
fn band_widths() -> Vec<usize> {
    let hertz = |erb: f64| 24.7 * 9.265 * ((erb / 9.265).exp() - 1.0);
    let top = 9.265 * (24_000.0_f64 / (24.7 * 9.265)).ln_1p();
    let mut widths = Vec::with_capacity(BANDS);
    let (mut edge, mut borrowed) = (0, 0);
    for band in 1..=BANDS {
        let next = (hertz(top * band as f64 / BANDS as f64) / 50.0).round() as i64;
        let width = next - edge - borrowed;
        borrowed = (2 - width).max(0);
        widths.push(width.max(2) as usize);
        edge = next;
    }
    // The last band also has the highest frequency of all.
    let others: usize = widths.iter().take(BANDS - 1).sum();
    widths[BANDS - 1] = SIZE / 2 + 1 - others;
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_cover_all_frequencies_once() {
        let widths = band_widths();
        assert_eq!(widths.len(), BANDS);
        assert_eq!(widths.iter().sum::<usize>(), SIZE / 2 + 1);
        assert!(widths.iter().all(|width| *width >= 2));
    }
}
