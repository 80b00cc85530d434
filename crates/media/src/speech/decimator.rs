//! 48 kHz to the recogniser's 16 kHz.

use std::f32::consts::PI;

use super::RATE;

/// Samples of 48 kHz for one of the recogniser's.
pub(super) const DECIMATION: usize = 3;
/// Coefficients of the filter ahead of decimation.
const TAPS: usize = 64;
/// The filter's edge in Hz: half its level there.
const EDGE: f32 = 7_000.0;

/// Level to 5 kHz, 70 dB down from 9.2 kHz, which is what would fold to below 6.8 kHz.
pub(super) struct Decimator {
    filter: [f32; TAPS],
    /// What the next outputs are made of, half the filter's length of silence ahead of the sound.
    past: Vec<f32>,
}

impl Decimator {
    #[expect(clippy::cast_precision_loss, reason = "a filter is short")]
    pub(super) fn new() -> Decimator {
        let cut = 2.0 * EDGE / RATE as f32;
        let mut filter = [0.0; TAPS];
        for (at, tap) in filter.iter_mut().enumerate() {
            // Even length: no tap lies on the centre, where the sine would be divided by 0.
            let x = at as f32 + 0.5 - TAPS as f32 / 2.0;
            let turn = 2.0 * PI * x / TAPS as f32;
            let window = 0.42 + 0.5 * turn.cos() + 0.08 * (2.0 * turn).cos();
            *tap = (PI * cut * x).sin() / (PI * x) * window;
        }
        Decimator { filter, past: vec![0.0; TAPS / 2] }
    }

    /// Hears samples and appends what they become, full scale at ±1. What is no number counts as 0.
    pub(super) fn add(&mut self, mono: &[f32], out: &mut Vec<f32>) {
        self.past.extend(mono.iter().map(|sample| if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 }));
        let mut at = 0;
        while let Some(piece) = self.past.get(at..at + TAPS) {
            // Eight sums side by side, which the compiler makes one instruction of.
            let mut sums = [0.0; 8];
            for (eight, taps) in piece.chunks_exact(8).zip(self.filter.chunks_exact(8)) {
                for ((sum, sample), tap) in sums.iter_mut().zip(eight).zip(taps) {
                    *sum += sample * tap;
                }
            }
            out.push(sums.iter().sum::<f32>().clamp(-1.0, 1.0));
            at += DECIMATION;
        }
        self.past.drain(..at);
    }

    /// Ends the sound: what is still in the filter.
    pub(super) fn finish(&mut self, out: &mut Vec<f32>) {
        self.add(&[0.0; TAPS / 2 + DECIMATION], out);
    }
}
