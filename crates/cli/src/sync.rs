//! A clip beside the sounds that were supplied for it: where each phrase is heard, and the recording laid there.

use seedpost_core::spec::Finding;
use seedpost_core::sync::edit_map::{EditMap, Mode, plan};
use seedpost_core::sync::{ClipSync, PhraseSync, Tolerance, judge};
use seedpost_core::time::{FrameRate, Samples};
use seedpost_media::align;
use seedpost_media::decode::Sound;
use seedpost_media::overlay::overlay;
use seedpost_media::stems::Treatment;
use serde::{Deserialize, Serialize};

use crate::supplied::Supplied;

/// What came of the comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SyncFacts {
    /// The clip's frames in a second, by which it is judged.
    pub(crate) rate: FrameRate,
    pub(crate) tolerance: Tolerance,
    /// The confidence from which a phrase counts as heard.
    pub(crate) certain: f32,
    /// Each phrase of each supplied sound, in samples at 48 kHz.
    pub(crate) phrases: Vec<PhraseSync>,
    /// What they say together.
    pub(crate) clip: ClipSync,
    /// Where the recordings are laid.
    pub(crate) edit_map: EditMap,
}

impl SyncFacts {
    /// What is wrong.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        self.clip.findings(&self.phrases, self.tolerance, self.rate)
    }
}

/// Looks for each phrase of the supplied sounds in a clip: its sound at 48 kHz, the mean of its channels.
pub(crate) fn compare(
    clip: &[f32],
    supplied: &[Supplied],
    rate: FrameRate,
    tolerance: Tolerance,
    mode: Mode,
) -> SyncFacts {
    let phrases: Vec<PhraseSync> = supplied.iter().flat_map(|sound| heard(clip, sound)).collect();
    let lengths: Vec<Samples> = supplied.iter().map(|sound| sound.sound.length()).collect();
    let edit_map = plan(&phrases, &lengths, Samples(clip.len() as u64), mode);
    let judged = judge(&phrases, tolerance, rate);
    SyncFacts { rate, tolerance, certain: align::CERTAIN, phrases, clip: judged, edit_map }
}

fn heard(clip: &[f32], supplied: &Supplied) -> Vec<PhraseSync> {
    let phrases = &supplied.phrases;
    let expected: Vec<Samples> =
        phrases.iter().map(|phrase| Samples(supplied.place.0.saturating_add(phrase.start.0))).collect();
    let found = align::align(&supplied.mono, phrases, clip, &expected);
    let phrase = |((source, expected), found): ((&_, &Samples), Option<align::Found>)| PhraseSync {
        reference: supplied.number,
        source: *source,
        expected: *expected,
        confidence: found.as_ref().map_or(0.0, |found| found.confidence),
        found: found.filter(|found| found.confidence >= align::CERTAIN).map(|found| found.render),
    };
    phrases.iter().zip(&expected).zip(found).map(phrase).collect()
}

/// The recordings where the map lays them, as long as the clip, and what was done to them; nothing where none is laid.
pub(crate) fn lay(map: &EditMap, supplied: &[Supplied]) -> Option<(Sound, Treatment)> {
    let recordings: Vec<&Sound> = supplied.iter().map(|sound| &sound.sound).collect();
    let laid = overlay(map, &recordings)?;
    let is_laid = |sound: &&Supplied| map.events.iter().any(|event| event.reference == sound.number);
    let rates = supplied.iter().filter(is_laid).map(|sound| sound.rate);
    let stretched = map.events.iter().any(|event| event.stretch_ppm() != 0);
    let treatment = Treatment::of(rates, laid.channels.len(), stretched);
    Some((laid, treatment))
}
