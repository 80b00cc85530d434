//! Where someone speaks: what a waveform is coloured by.
//!
//! `earshot` scores 16 ms at a time; here the scores become stretches. Deliberately absent: who speaks and
//! what is said. No cut is made by this.

use std::f32::consts::PI;

/// Samples in a second of what is fed.
pub const RATE: u64 = 48_000;
/// Samples of 48 kHz for one of the recogniser's.
const DECIMATION: usize = 3;
/// Samples in what the recogniser scores at once: 16 ms of 16 kHz.
const FRAME: usize = 256;
/// Samples of 48 kHz in a frame.
const STEP: u64 = (FRAME * DECIMATION) as u64;
/// Coefficients of the filter ahead of decimation.
const TAPS: usize = 64;
/// The filter's edge in Hz: half its level there.
const EDGE: f32 = 7_000.0;
/// What a frame must score to be speech.
const SPEAKS: f32 = 0.5;
/// Frames by which a score comes late, measured: the recogniser looks at 48 ms, and at three of those.
const LATE: u64 = 3;
/// A pause shorter than this does not end a stretch: 0.2 s.
const PAUSE: u64 = RATE / 5;
/// A stretch shorter than this is dropped: 0.1 s.
const BURST: u64 = RATE / 10;

/// Finds speech in sound of 48 kHz that is fed to it bit by bit.
pub struct Detector {
    recogniser: Box<earshot::Detector>,
    decimator: Decimator,
    /// What has been decimated and not scored.
    waiting: Vec<f32>,
    /// Frames that were scored.
    frames: u64,
    /// Samples that were fed.
    heard: u64,
    /// Stretches, short pauses bridged.
    found: Vec<(u64, u64)>,
}

impl Default for Detector {
    fn default() -> Detector {
        Detector::new()
    }
}

impl Detector {
    /// Starts at a sound's first sample.
    #[must_use]
    pub fn new() -> Detector {
        Detector {
            recogniser: earshot::Detector::default_boxed(),
            decimator: Decimator::new(),
            waiting: Vec::new(),
            frames: 0,
            heard: 0,
            found: Vec::new(),
        }
    }

    /// Hears the next samples: the mean of the channels at 48 kHz, full scale at ±1. What is no number counts as 0.
    pub fn add(&mut self, mono: &[f32]) {
        self.heard += mono.len() as u64;
        self.decimator.add(mono, &mut self.waiting);
        self.score();
    }

    /// Ends the sound and says where someone speaks: samples at 48 kHz from the sound's first, in order, apart,
    /// the end exclusive.
    #[must_use]
    pub fn finish(mut self) -> Vec<(u64, u64)> {
        // The last frame may be half filled, and its score comes late.
        let silence = vec![0.0; (LATE as usize + 1) * FRAME * DECIMATION];
        self.decimator.add(&silence, &mut self.waiting);
        self.score();
        let mut stretches = self.found;
        stretches.iter_mut().for_each(|stretch| stretch.1 = stretch.1.min(self.heard));
        stretches.retain(|(start, end)| end.saturating_sub(*start) >= BURST);
        stretches
    }

    fn score(&mut self) {
        // Nothing is played to the recogniser first: silence or noise ahead only made it hear more that is not there.
        for frame in self.waiting.chunks_exact(FRAME) {
            let speaks = self.recogniser.predict_f32(frame) >= SPEAKS;
            let start = self.frames.saturating_sub(LATE) * STEP;
            self.frames += 1;
            match self.found.last_mut() {
                Some(last) if speaks && start < last.1 + PAUSE => last.1 = start + STEP,
                _ if speaks => self.found.push((start, start + STEP)),
                _ => {}
            }
        }
        let scored = self.waiting.len() / FRAME * FRAME;
        self.waiting.drain(..scored);
    }
}

/// 48 kHz to 16 kHz: level to 5 kHz, 70 dB down from 9.2 kHz, which is what would fold to below 6.8 kHz.
struct Decimator {
    filter: [f32; TAPS],
    /// What the next outputs are made of, half the filter's length of silence ahead of the sound.
    past: Vec<f32>,
}

impl Decimator {
    #[expect(clippy::cast_precision_loss, reason = "a filter is short")]
    fn new() -> Decimator {
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

    fn add(&mut self, mono: &[f32], out: &mut Vec<f32>) {
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
            // The recogniser refuses what lies outside full scale.
            out.push(sums.iter().sum::<f32>().clamp(-1.0, 1.0));
            at += DECIMATION;
        }
        self.past.drain(..at);
    }
}
