//! Keep or strip the sound that the model baked in, and why.

use serde::{Deserialize, Serialize};

use crate::shot::Shot;

/// What becomes of the sound that the model baked into a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// The clip is delivered as rendered.
    Keep,
    /// The picture goes out silent by stream copy; baked sound becomes the guide track.
    Strip,
}

impl Lane {
    /// Reads `keep` or `strip`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Lane> {
        match text {
            "keep" => Some(Lane::Keep),
            "strip" => Some(Lane::Strip),
            _ => None,
        }
    }

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Lane::Keep => "keep",
            Lane::Strip => "strip",
        }
    }
}

/// What a clip is for; chooses the defaults of lane and sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Intent {
    /// Straight to a social platform.
    Social,
    /// A client reel or pitch.
    Pitch,
    /// Dialogue prompted in the target language.
    Dub,
    /// Commercial work with a sound designer.
    Commercial,
    /// Clean picture for a composer.
    Score,
    /// A platform that refuses sound of unknown provenance.
    Broadcast,
    /// A prompt sweep, watched in silence.
    Sweep,
    /// Silent-film style, music video, abstract art.
    Abstract,
}

impl Intent {
    /// The words that [`Intent::parse`] reads.
    pub const ALLOWED: &str = "social, pitch, dub, commercial, score, broadcast, sweep or abstract";

    /// Reads a word of [`Intent::ALLOWED`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Intent> {
        Some(match text {
            "social" => Intent::Social,
            "pitch" => Intent::Pitch,
            "dub" => Intent::Dub,
            "commercial" => Intent::Commercial,
            "score" => Intent::Score,
            "broadcast" => Intent::Broadcast,
            "sweep" => Intent::Sweep,
            "abstract" => Intent::Abstract,
            _ => return None,
        })
    }

    /// The lane that suits this use.
    #[must_use]
    pub fn lane(self) -> Lane {
        match self {
            Intent::Social | Intent::Pitch | Intent::Dub => Lane::Keep,
            Intent::Commercial | Intent::Score | Intent::Broadcast | Intent::Sweep | Intent::Abstract => Lane::Strip,
        }
    }
}

/// A lane, whether the model is asked for sound, and the reason for each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneDecision {
    /// What becomes of baked sound.
    pub lane: Lane,
    /// Whether the model is asked to make sound.
    pub generate_audio: bool,
    /// Why, for the record.
    pub reason: String,
}

/// Decides a shot's lane and sound: the list's own words first, then its intent, then `keep`.
///
/// A stripped shot is still rendered with sound where someone speaks, since that sound is the guide
/// track for ADR; otherwise it is rendered silent.
#[must_use]
pub fn decide(shot: &Shot) -> LaneDecision {
    let (lane, why_lane) = match (shot.lane, shot.intent, shot.generate_audio) {
        (Some(lane), _, _) => (lane, "the shot list says so".to_owned()),
        (None, Some(intent), _) => (intent.lane(), format!("intent {intent:?}").to_lowercase()),
        (None, None, Some(false)) => (Lane::Strip, "rendered without sound".to_owned()),
        (None, None, _) => (Lane::Keep, "no intent given".to_owned()),
    };
    let speaks = !shot.audios.is_empty() || shot.line.is_some();
    let (generate_audio, why_sound) = match (shot.generate_audio, lane) {
        (Some(value), _) => (value, "the shot list says so"),
        (None, Lane::Keep) => (true, "it is delivered"),
        (None, Lane::Strip) if speaks => (true, "the line is a guide for ADR"),
        (None, Lane::Strip) => (false, "nobody would use it"),
    };
    let sound = if generate_audio { "sound on" } else { "sound off" };
    LaneDecision { lane, generate_audio, reason: format!("{}: {why_lane}; {sound}: {why_sound}", lane.as_str()) }
}
