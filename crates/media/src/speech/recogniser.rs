//! Scores for 32 ms of sound at a time: Silero VAD, run by rten.
//!
//! The weights are within the program (`models/silero-vad-16k.onnx`, MIT).

use std::sync::OnceLock;

use rten_tensor::Tensor;

use crate::net::{Net, Thread, alone, numbers};

/// Samples of 16 kHz that one score is about.
pub(super) const FRAME: usize = 512;
/// Samples of the frame before that a frame begins with.
const CONTEXT: usize = 64;
/// Frames that are scored together: 2 s; more are no faster.
const BATCH: usize = 64;
/// Numbers that the net remembers, twice.
const MEMORY: usize = 128;
/// The peak that quieter sound is raised to: the net misses what peaks below about -40 dBFS.
const TARGET: f32 = 0.25;
/// The most that sound is raised by: 46 dB.
const GAIN: f32 = 200.0;
/// What a batch leaves of the peak before it: half in about half a minute.
const FORGET: f32 = 0.955;

static WEIGHTS: &[u8] = include_bytes!("../../models/silero-vad-16k.onnx");

/// The net, read once a program.
fn net() -> Option<&'static Net> {
    static NET: OnceLock<Option<Net>> = OnceLock::new();
    NET.get_or_init(|| Net::new(WEIGHTS).ok()).as_ref()
}

/// What the net remembers of one batch for the next.
type Memory = [Vec<f32>; 2];

/// Scores frames of `CONTEXT + FRAME` samples; the memory goes on. Empty where the net fails, which a test excludes.
fn scored(thread: &Thread, frames: Vec<f32>, memory: &mut Memory) -> Option<Vec<f32>> {
    let count = frames.len() / (CONTEXT + FRAME);
    let remembered = |numbers: &Vec<f32>| Tensor::from_data(&[1, 1, MEMORY], numbers.clone());
    let given = vec![
        ("input", Tensor::from_data(&[count, CONTEXT + FRAME], frames).into()),
        ("h", remembered(&memory[0]).into()),
        ("c", remembered(&memory[1]).into()),
    ];
    let [scores, hidden, cell] = net()?.run(thread, given, ["speech_probs", "hn", "cn"]).ok()?;
    let new = [numbers(hidden).ok()?, numbers(cell).ok()?];
    if new.iter().all(|numbers| numbers.len() == MEMORY) {
        *memory = new;
    }
    numbers(scores).ok()
}

/// Scores sound of 16 kHz that is fed to it bit by bit.
pub(super) struct Recogniser {
    thread: Thread,
    memory: Memory,
    /// What was not scored yet, the context of its first frame ahead.
    waiting: Vec<f32>,
    /// The highest peak of late.
    peak: f32,
    /// One a frame, 0 to 1.
    scores: Vec<f32>,
}

impl Recogniser {
    pub(super) fn new() -> Recogniser {
        let memory = || vec![0.0; MEMORY];
        Recogniser {
            thread: Thread::new(),
            memory: [memory(), memory()],
            waiting: vec![0.0; CONTEXT],
            peak: 0.0,
            scores: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, samples: &[f32]) {
        self.waiting.extend_from_slice(samples);
        while self.waiting.len() >= CONTEXT + BATCH * FRAME {
            self.score(BATCH);
        }
    }

    /// Ends the sound; the last frame is filled with silence.
    pub(super) fn finish(mut self) -> Vec<f32> {
        let frames = (self.waiting.len() - CONTEXT).div_ceil(FRAME);
        self.waiting.resize(CONTEXT + frames * FRAME, 0.0);
        if frames > 0 {
            self.score(frames);
        }
        self.scores
    }

    fn score(&mut self, count: usize) {
        let length = CONTEXT + count * FRAME;
        let loudest = self.waiting.iter().take(length).fold(0.0f32, |peak, sample| peak.max(sample.abs()));
        self.peak = loudest.max(self.peak * FORGET);
        let gain = (TARGET / self.peak.max(f32::MIN_POSITIVE)).clamp(1.0, GAIN);
        let frames: Vec<f32> = (0..count)
            .filter_map(|frame| self.waiting.get(frame * FRAME..(frame + 1) * FRAME + CONTEXT))
            .flat_map(|frame| frame.iter().map(|sample| sample * gain))
            .collect();
        let (thread, memory) = (&self.thread, &mut self.memory);
        let mut scores = alone(|| scored(thread, frames, memory)).unwrap_or_default();
        // A net that failed scores nothing, and time must not shift.
        scores.resize(count, 0.0);
        self.scores.extend(scores.into_iter().map(|score| if score.is_finite() { score } else { 0.0 }));
        self.waiting.drain(..count * FRAME);
    }
}
