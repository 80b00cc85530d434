//! Whether a sound holds music: what decides if a render's baked sound can lie under a score.
//!
//! Notes are held: in a spectrum over time they leave level lines, which speech, wind and rain do not. The
//! measure is Continuous Frequency Activation (Seyerlehner, Pohle, Schedl, Widmer: "Automatic music detection
//! in television productions", DAFx 2007). Deliberately absent: where a voice sings, which music it is, and
//! what of the sound is music. Engines, hums and alarms hold notes too and may be taken for music; drums
//! alone, and a tune in a small part of the sound, are not noticed.

use std::f32::consts::PI;
use std::mem::take;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};
use seedpost_core::content::Music;
use seedpost_core::time::{Samples, TimeRange};

/// Length of a spectrum's window in s; a power of two of samples near it is taken.
const WINDOW: f32 = 0.085;
/// Windows begin this often in the length of one.
const OVERLAP: usize = 4;
/// The highest frequency that is looked at, in Hz.
const HIGHEST: f32 = 6_000.0;
/// The lowest, in Hz: below it bins are wider than notes are apart.
const LOWEST: f32 = 560.0;
/// Bins over which the level is averaged: what rises above its neighbours stays.
const NEIGHBOURS: usize = 21;
/// Decibels above the neighbours' mean from which a bin is active.
const RISES: f32 = 7.0;
/// Decibels below the loudest bin so far at which a bin is too quiet to be active.
const QUIET: f32 = 75.0;
/// Decibels relative to full scale below which a whole sound is silent.
const SILENT: f64 = -66.0;
/// Spectra in half a block, 0.64 s long: blocks overlap by half.
const HALF: usize = 30;
/// Lines that count, the strongest first.
const LINES: usize = 5;
/// The most that a block counts for: one held whistle must not speak for a whole sound.
const MOST: f32 = 2.0;
/// A mean of the blocks from which a sound holds music. Chosen on one half of a corpus, see `examples/music_accuracy.py`.
const THRESHOLD: f32 = 1.55;
/// Half blocks that have to be there: 2.6 s.
const FEWEST: usize = 4;

/// Listens to a sound that is fed to it bit by bit. Its memory does not grow but by four bytes for each 0.64 s.
pub struct Detector {
    rate: u32,
    transform: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    /// Samples that the next windows are made of.
    waiting: Vec<f32>,
    frame: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
    /// The spectrum's level in dB at each bin.
    levels: Vec<f32>,
    loudest: f32,
    /// How many spectra of this half block, and of the one before, each bin was active in.
    halves: [Vec<u16>; 2],
    /// Spectra in this half block.
    filled: usize,
    /// What each block's lines add up to, at most [`MOST`].
    blocks: Vec<f32>,
    /// Whether a half block came before this one.
    closed: bool,
    squares: f64,
    heard: u64,
}

impl Detector {
    /// Starts at the first sample of a sound with `rate` samples in a second.
    #[must_use]
    pub fn new(rate: u32) -> Detector {
        let size = ((rate as f32 * WINDOW) as usize).next_power_of_two().max(256);
        let transform = RealFftPlanner::new().plan_fft_forward(size);
        let bins = ((HIGHEST / rate as f32 * size as f32) as usize).min(size / 2);
        Detector {
            rate,
            window: (0..size).map(|at| 0.5 - 0.5 * (2.0 * PI * at as f32 / size as f32).cos()).collect(),
            waiting: Vec::new(),
            frame: transform.make_input_vec(),
            spectrum: transform.make_output_vec(),
            transform,
            levels: vec![0.0; bins],
            loudest: f32::MIN,
            halves: [vec![0; bins], vec![0; bins]],
            filled: 0,
            blocks: Vec::new(),
            closed: false,
            squares: 0.0,
            heard: 0,
        }
    }

    /// Hears the next samples: the mean of the channels, full scale at ±1. What is no number counts as 0.
    pub fn add(&mut self, mono: &[f32]) {
        self.heard += mono.len() as u64;
        self.waiting.extend(mono.iter().map(|sample| if sample.is_finite() { *sample } else { 0.0 }));
        let new = self.waiting.iter().rev().take(mono.len());
        self.squares += new.map(|sample| f64::from(*sample) * f64::from(*sample)).sum::<f64>();
        let waiting = take(&mut self.waiting);
        let mut at = 0;
        while let Some(piece) = waiting.get(at..at + self.window.len()) {
            self.look(piece);
            at += self.hop();
        }
        self.waiting.extend_from_slice(waiting.get(at..).unwrap_or_default());
    }

    /// Ends the sound and says what it holds.
    #[must_use]
    pub fn finish(mut self) -> Music {
        if self.filled >= HALF / 2 {
            self.close();
        }
        let level = 10.0 * (self.squares / self.heard.max(1) as f64).log10();
        if self.blocks.len() + 1 < FEWEST || level < SILENT {
            return Music::default();
        }
        let score = self.blocks.iter().sum::<f32>() / self.blocks.len() as f32;
        let flag = score >= THRESHOLD;
        Music { found: Some(flag), score, ranges: if flag { self.ranges() } else { Vec::new() } }
    }

    /// The stretches of blocks which, together with their neighbours, hold music.
    fn ranges(&self) -> Vec<TimeRange<Samples>> {
        let half = (HALF * self.hop()) as u64;
        let mut ranges: Vec<TimeRange<Samples>> = Vec::new();
        for at in 0..self.blocks.len() {
            let near = &self.blocks[at.saturating_sub(1)..self.blocks.len().min(at + 2)];
            if near.iter().sum::<f32>() < THRESHOLD * near.len() as f32 {
                continue;
            }
            let start = at as u64 * half;
            let end = if at + 1 == self.blocks.len() { self.heard } else { start + 2 * half };
            match ranges.last_mut() {
                Some(last) if start <= last.end.0 => last.end = Samples(end),
                _ => ranges.push(TimeRange { start: Samples(start), end: Samples(end) }),
            }
        }
        ranges
    }

    fn hop(&self) -> usize {
        self.window.len() / OVERLAP
    }

    /// Counts the bins that stand out in one window of samples.
    fn look(&mut self, piece: &[f32]) {
        for ((slot, sample), weight) in self.frame.iter_mut().zip(piece).zip(&self.window) {
            *slot = sample * weight;
        }
        let done = self.transform.process(&mut self.frame, &mut self.spectrum);
        done.expect("the buffers are the transform's own");
        for (level, value) in self.levels.iter_mut().zip(&self.spectrum) {
            *level = 10.0 * (value.norm_sqr() + 1e-14).log10();
            self.loudest = self.loudest.max(*level);
        }
        let quiet = self.loudest - QUIET;
        let mut sum = self.levels.iter().take(NEIGHBOURS).sum::<f32>();
        let [_, counts] = &mut self.halves;
        for (at, counted) in counts.iter_mut().enumerate() {
            // The mean's stretch stays inside the spectrum at both ends.
            let first = at.saturating_sub(NEIGHBOURS / 2);
            if let (true, Some(next)) = (first > 0, self.levels.get(first + NEIGHBOURS - 1)) {
                sum += next - self.levels[first - 1];
            }
            let level = self.levels[at];
            *counted += u16::from(level > quiet && level > sum / NEIGHBOURS as f32 + RISES);
        }
        self.filled += 1;
        if self.filled == HALF {
            self.close();
        }
    }

    /// Ends a half block, and with it a block if there was one before.
    fn close(&mut self) {
        let [before, counts] = &mut self.halves;
        if self.closed {
            let spectra = (HALF + self.filled) as f32;
            let skipped = (LOWEST / self.rate as f32 * self.window.len() as f32) as usize;
            let active: Vec<f32> =
                before.iter().zip(counts.iter()).skip(skipped).map(|(a, b)| f32::from(a + b) / spectra).collect();
            self.blocks.push(lines(&active).min(MOST));
        }
        self.closed = true;
        self.halves.rotate_left(1);
        self.halves[1].fill(0);
        self.filled = 0;
    }
}

/// What the strongest lines add up to: each is as strong as its bin was more often active than the valleys beside it.
fn lines(active: &[f32]) -> f32 {
    let mut heights = Vec::new();
    let (mut valley, mut peak, mut before, mut rises) = (0.0, 0.0, 0.0, true);
    for now in active.iter().copied() {
        if rises && now < before {
            (peak, rises) = (before, false);
        } else if !rises && now > before {
            heights.push(peak - before.max(valley));
            (valley, rises) = (before, true);
        }
        before = now;
    }
    if !rises {
        heights.push(peak - before.max(valley));
    }
    heights.sort_by(|a: &f32, b| b.total_cmp(a));
    heights.iter().take(LINES).sum()
}
