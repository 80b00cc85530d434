//! Where someone speaks, to a video frame: regions, and the phrases that they make.
//!
//! A net scores 32 ms at a time (`recogniser`); `decide` makes regions of the scores, tells a voice in front from
//! those behind by how loud it is, and moves edges to where the sound rises. Deliberately absent: who speaks and what
//! is said. Song over music may count as speech.

mod decide;
mod decimator;
mod level;
mod recogniser;

use seedpost_core::time::{Samples, TimeRange};
use serde::{Deserialize, Serialize};

use decide::decide;
use decimator::{DECIMATION, Decimator};
use level::{BLOCK, Level};
use recogniser::{FRAME, Recogniser};

/// Samples in a second of what is fed.
pub const RATE: u64 = 48_000;
/// A pause as long as this ends a phrase: 0.3 s, a breath. Stops within words are shorter than half of it.
pub const PAUSE: Samples = Samples(RATE * 3 / 10);
/// How much of what is not dialogue is taken away before a mix is heard again.
const CLEARER: f32 = 0.7;
/// Samples of 48 kHz in a block of levels.
const STEP: u64 = (BLOCK * DECIMATION) as u64;

/// A stretch in which someone speaks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Region {
    /// From the first sound of a voice to the last, in samples at 48 kHz, in steps of 5 ms.
    pub range: TimeRange<Samples>,
    /// 0 to 1: the mean of the recogniser's scores, each of which is how likely 32 ms are speech. Clear speech is above
    /// 0.85; below 0.6 a person should listen. What is no louder than voices behind counts as 0.
    pub confidence: f32,
}

/// Finds speech in sound of 48 kHz that is fed to it bit by bit. It keeps 0.9 kB a second, and 2 s of sound.
pub struct Detector {
    decimator: Decimator,
    level: Level,
    recogniser: Recogniser,
    /// Samples that were fed.
    heard: u64,
    /// What has just been decimated.
    narrow: Vec<f32>,
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
            decimator: Decimator::new(),
            level: Level::new(),
            recogniser: Recogniser::new(),
            heard: 0,
            narrow: Vec::new(),
        }
    }

    /// Hears the next samples: the mean of the channels at 48 kHz, full scale at ±1. What is no number counts as 0.
    pub fn add(&mut self, mono: &[f32]) {
        self.heard += mono.len() as u64;
        // In pieces, so that one call with a whole film needs no second copy of it.
        for piece in mono.chunks(RATE as usize) {
            self.narrow.clear();
            self.decimator.add(piece, &mut self.narrow);
            self.listen();
        }
    }

    /// Ends the sound and says where someone speaks: counted from the sound's first sample, in order, apart by 0.2 s or
    /// more.
    #[must_use]
    pub fn finish(mut self) -> Vec<Region> {
        self.narrow.clear();
        self.decimator.finish(&mut self.narrow);
        self.listen();
        let powers = self.level.finish();
        let scores = self.recogniser.finish();
        let score = |block: usize| scores.get(block * BLOCK / FRAME).copied().unwrap_or(0.0);
        let scores: Vec<f32> = (0..powers.len()).map(score).collect();
        let heard = self.heard;
        let place = |block: usize| Samples((block as u64 * STEP).min(heard));
        decide(&scores, &powers)
            .into_iter()
            .map(|found| Region {
                range: TimeRange { start: place(found.start), end: place(found.end) },
                confidence: found.confidence,
            })
            .filter(|region| region.range.length() > Samples(0))
            .collect()
    }

    fn listen(&mut self) {
        self.level.add(&self.narrow);
        self.recogniser.add(&self.narrow);
    }
}

/// Hears a mix once more whose dialogue was estimated, both mono at 48 kHz and in step: what is not dialogue is 10 dB
/// softer in what is heard, so that voices behind are not taken for the one in front.
#[must_use]
pub fn hear_again(mix: &[f32], dialogue: &[f32]) -> Vec<Region> {
    let mut detector = Detector::new();
    let clearer: Vec<f32> = mix.iter().zip(dialogue).map(|(mix, dialogue)| mix + CLEARER * (dialogue - mix)).collect();
    detector.add(&clearer);
    detector.finish()
}

/// Draws a phrase in to what is clearly heard of it: from the first to the last 5 ms that are within 35 dB of its loudest
/// 5 ms, and 10 ms around them. A recogniser hears on into the room's tail, of which nobody can say where it ends.
#[must_use]
pub fn audible(mono: &[f32], phrase: TimeRange<Samples>) -> TimeRange<Samples> {
    const BLOCK: usize = 240;
    const AROUND: u64 = 480;
    let place = |sample: Samples| usize::try_from(sample.0).map_or(mono.len(), |at| at.min(mono.len()));
    let sound = mono.get(place(phrase.start)..place(phrase.end)).unwrap_or_default();
    let power = |block: &[f32]| block.iter().map(|sample| f64::from(*sample) * f64::from(*sample)).sum::<f64>();
    let powers: Vec<f64> = sound.chunks(BLOCK).map(power).collect();
    let least = powers.iter().copied().fold(0.0, f64::max) / 3162.0;
    let (Some(first), Some(last)) =
        (powers.iter().position(|power| *power > least), powers.iter().rposition(|power| *power > least))
    else {
        return phrase;
    };
    let start = phrase.start.0 + ((first * BLOCK) as u64).saturating_sub(AROUND);
    let end = phrase.start.0 + ((last + 1) * BLOCK) as u64 + AROUND;
    TimeRange { start: Samples(start), end: Samples(end.min(phrase.end.0)) }
}

/// Joins regions, in order, to phrases: what is said between pauses of [`PAUSE`] or longer. A phrase is as certain as
/// its regions are, each by its length.
#[must_use]
pub fn phrases(regions: &[Region]) -> Vec<Region> {
    let mut phrases: Vec<Region> = Vec::new();
    let mut spoken: f64 = 0.0;
    for region in regions {
        let length = region.range.length().0 as f64;
        match phrases.last_mut() {
            Some(last) if region.range.start.0 < last.range.end.0.saturating_add(PAUSE.0) => {
                let sum = f64::from(last.confidence) * spoken + f64::from(region.confidence) * length;
                spoken += length;
                last.confidence = (sum / spoken.max(1.0)) as f32;
                last.range.end = last.range.end.max(region.range.end);
            }
            _ => {
                phrases.push(region.clone());
                spoken = length;
            }
        }
    }
    phrases
}
