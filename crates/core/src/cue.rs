//! ADR cues: what has to be spoken anew, where it lies in the cut, and why.
//!
//! Deliberately absent: hearing who speaks or what is said. A character, a line and a language are the shot list's.

mod number;
mod words;

use serde::Serialize;

use crate::lane::Lane;
use crate::shot::{Shot, TakeId};
use crate::sync::{PhraseSync, Tolerance, Verdict, offset_in_words};
use crate::time::{FrameRate, Frames, Rounding, SampleRate, Samples, TimeRange};

/// What stands in the place of a line that began in an earlier cue of its shot.
pub const CONTINUED: &str = "(continued)";
/// Seconds before the cue at which a beep sounds.
const BEEPS: [u64; 3] = [3, 2, 1];
/// Seconds that the streamer runs before the cue.
const STREAMER: u64 = 2;

/// A shot of the cut and what is known of its sound.
#[derive(Debug, Clone)]
pub struct Spoken<'a> {
    /// The shot.
    pub shot: &'a Shot,
    /// The take that is in the cut.
    pub take: &'a TakeId,
    /// What became of the baked sound.
    pub lane: Lane,
    /// Whether the model was asked to make sound.
    pub generate_audio: bool,
    /// Whether a filter refused the sound, or the shot.
    pub refused: bool,
    /// The language that was heard, as a BCP 47 tag, where somebody knows.
    pub heard_language: Option<&'a str>,
    /// The frame since midnight at which it begins in the cut.
    pub record_start: Frames,
    /// The first frame of the take that is in the cut.
    pub from: Frames,
    /// How long it is there.
    pub frames: Frames,
    /// Whether anybody listened for speech: else what the shot should say is a cue where its sound is replaced anyway.
    pub listened: bool,
    /// Where someone speaks in the clip, in samples at 48 kHz from the picture's first frame.
    pub phrases: &'a [TimeRange<Samples>],
    /// The supplied recordings' phrases, as they were heard in the clip.
    pub sync: &'a [PhraseSync],
}

/// Why a line is to be spoken anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The model was not asked for sound.
    NoSoundRendered,
    /// There should be speech, and none was heard.
    NoSpeechHeard,
    /// A filter refused the sound, or the shot.
    Moderated,
    /// It is off the supplied recording.
    SyncOff,
    /// It is in another language than the shot asks for.
    Language,
    /// The shot's sound is not delivered: it is a guide to work against.
    Replace,
}

impl Reason {
    /// The words for it on a cue sheet.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::NoSoundRendered => "No sound rendered",
            Reason::NoSpeechHeard => "No speech heard",
            Reason::Moderated => "Sound refused by a filter",
            Reason::SyncOff => "Out of sync",
            Reason::Language => "Wrong language",
            Reason::Replace => "Model sound is a guide only",
        }
    }
}

/// Whose times a cue has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Times {
    /// Those of the phrase that was heard.
    Measured,
    /// Those of the whole shot, since no phrase was heard.
    OfTheShot,
}

/// A line to be spoken anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cue {
    /// Its number, once in the cut: two letters of the character (`XX` for none), the reel, and two digits or more
    /// that count within both. The hundredth of reel 1 is `MA1100`.
    pub number: String,
    /// Who speaks, where the list says so.
    pub character: Option<String>,
    /// The character's number, from 1 in the order of the cut; nobody in particular has one too.
    pub character_number: u32,
    /// The reel, from 1.
    pub reel: u32,
    /// The scene: the shot's name up to its first `_`, or all of it.
    pub scene: String,
    /// The take in the cut.
    #[serde(serialize_with = "by_name")]
    pub take: TakeId,
    /// From the frame since midnight in which it begins up to the first one after it.
    pub record: TimeRange<Frames>,
    /// Whose times those are.
    pub times: Times,
    /// What is said, where the list or the prompt says it; [`CONTINUED`] where the cue before has the line.
    pub line: Option<String>,
    /// Why.
    pub reason: Reason,
    /// 1: nothing can be used, or it is out of sync. 2: there is sound, and it goes. 3: it may stay; check it.
    pub priority: u8,
    /// How far it is off, in words, where that was measured and is worth saying.
    pub sync: Option<String>,
    /// The frames since midnight at which a beep sounds: three, two and one second before the cue, counted in whole
    /// seconds of timecode labels without drop. Those before midnight are absent.
    pub beeps: Vec<Frames>,
    /// The two seconds, counted likewise, in which a streamer runs up to the cue; absent where they begin before
    /// midnight.
    pub streamer: Option<TimeRange<Frames>>,
}

fn by_name<S: serde::Serializer>(take: &TakeId, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(take)
}

impl Cue {
    /// What else a person should know: the take, how far it is off, and whether the times are the shot's.
    #[must_use]
    pub fn note(&self) -> String {
        let times = (self.times == Times::OfTheShot).then_some("times are the whole shot's");
        let take = self.take.to_string();
        [Some(take.as_str()), self.sync.as_deref(), times].into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    /// The character's name, or `XX`.
    #[must_use]
    pub fn speaker(&self) -> &str {
        self.character.as_deref().unwrap_or(number::NOBODY)
    }
}

/// The cues of a cut that runs at `rate` and is reel `reel`, in its order.
///
/// - Speech that was heard becomes a cue where its lane is `strip` ([`Reason::Replace`]), or something is wrong with it.
/// - Where none was heard, or nobody listened, what the prompt quotes (else the shot's `line`) becomes cues with the times of the shot.
/// - [`Reason::SyncOff`] is a phrase over the second bound of `tolerance`; over the first one it is a cue of priority
///   3 in lane `keep`. A phrase that was not heard surely enough makes no such cue.
/// - Priority 1: [`Reason::NoSoundRendered`], [`Reason::Moderated`], [`Reason::SyncOff`]; 2: [`Reason::Replace`],
///   [`Reason::Language`], and [`Reason::NoSpeechHeard`], which in lane `keep` is 3.
#[must_use]
pub fn plan(cut: &[Spoken<'_>], rate: FrameRate, reel: u32, tolerance: Tolerance) -> Vec<Cue> {
    let mut drafts: Vec<(&Spoken<'_>, Draft)> = Vec::new();
    for spoken in cut {
        drafts.extend(drafts_of(spoken, rate, tolerance).into_iter().map(|draft| (spoken, draft)));
    }
    drafts.sort_by_key(|(_, draft)| draft.record.start);
    let mut numbers = number::Numbers::new(reel);
    let nominal = u64::from(rate.nominal());
    let cues = drafts.into_iter().map(|(spoken, draft)| {
        let (number, character_number, character) = numbers.next(spoken.shot.character.as_deref());
        let before = |seconds: u64| draft.record.start.0.checked_sub(seconds * nominal).map(Frames);
        Cue {
            number,
            character,
            character_number,
            reel,
            scene: scene(spoken.shot.id.as_str()).to_owned(),
            take: spoken.take.clone(),
            record: draft.record,
            times: draft.times,
            line: draft.line,
            reason: draft.reason,
            priority: draft.priority,
            sync: draft.sync,
            beeps: BEEPS.into_iter().filter_map(before).collect(),
            streamer: before(STREAMER).map(|start| TimeRange { start, end: draft.record.start }),
        }
    });
    cues.collect()
}

fn scene(shot: &str) -> &str {
    shot.split_once('_').map_or(shot, |(scene, _)| scene)
}

/// A cue before it has a number.
struct Draft {
    record: TimeRange<Frames>,
    times: Times,
    line: Option<String>,
    reason: Reason,
    priority: u8,
    sync: Option<String>,
}

fn drafts_of(spoken: &Spoken<'_>, rate: FrameRate, tolerance: Tolerance) -> Vec<Draft> {
    let phrases = phrases(spoken, rate);
    let parts = words::parts(spoken.shot);
    if phrases.is_empty() {
        return unheard(spoken, parts);
    }
    let lines = words::divide(parts, spoken.shot.line.as_deref(), phrases.len());
    let first = lines.first().cloned().flatten();
    let each = phrases.into_iter().zip(lines).filter_map(|(phrase, line)| {
        let (verdict, sync) = sync_of(spoken, phrase, rate, tolerance);
        let (reason, priority) = reason(spoken, verdict)?;
        let record = record(spoken, phrase, rate)?;
        Some(Draft { record, times: Times::Measured, line, reason, priority, sync })
    });
    let mut drafts: Vec<Draft> = each.collect();
    // What goes on must have begun on the same sheet.
    if let Some(draft) = drafts.first_mut().filter(|draft| draft.line.as_deref() == Some(CONTINUED)) {
        draft.line = first;
    }
    drafts
}

/// Where someone speaks: what was heard as speech, and what of the recordings was heard elsewhere.
fn phrases(spoken: &Spoken<'_>, rate: FrameRate) -> Vec<TimeRange<Samples>> {
    let sample = |frame| rate.samples(Frames(frame), SampleRate::HZ_48000, Rounding::Up).unwrap_or_default();
    let (first, end) = (sample(spoken.from.0), sample(spoken.from.0.saturating_add(spoken.frames.0)));
    let inside = |range: &TimeRange<Samples>| range.start < range.end && range.start < end && range.end > first;
    let mut phrases: Vec<TimeRange<Samples>> = spoken.phrases.iter().copied().filter(inside).collect();
    for found in spoken.sync.iter().filter_map(PhraseSync::heard).filter(inside) {
        if !phrases.iter().any(|phrase| overlap(*phrase, found)) {
            phrases.push(found);
        }
    }
    phrases.sort_by_key(|phrase| (phrase.start, phrase.end));
    phrases
}

fn overlap(one: TimeRange<Samples>, other: TimeRange<Samples>) -> bool {
    one.start < other.end && other.start < one.end
}

/// The worst of the recordings' phrases that were heard within a phrase, and how far it is off.
fn sync_of(
    spoken: &Spoken<'_>,
    phrase: TimeRange<Samples>,
    rate: FrameRate,
    tolerance: Tolerance,
) -> (Verdict, Option<String>) {
    let there = spoken.sync.iter().filter(|sync| sync.heard().is_some_and(|found| overlap(found, phrase)));
    let worst = there.filter_map(PhraseSync::worst_offset).max_by_key(|offset| offset.unsigned_abs());
    let verdict = worst.map_or(Verdict::CannotTell, |offset| tolerance.verdict(offset, rate));
    let words = worst.filter(|_| matches!(verdict, Verdict::Warn | Verdict::Fail));
    (verdict, words.map(|offset| offset_in_words(offset, rate)))
}

fn reason(spoken: &Spoken<'_>, verdict: Verdict) -> Option<(Reason, u8)> {
    let other_language = spoken.shot.language.as_deref().zip(spoken.heard_language);
    let other_language = other_language.is_some_and(|(asked, heard)| !same_language(asked, heard));
    Some(match verdict {
        _ if spoken.refused => (Reason::Moderated, 1),
        Verdict::Fail => (Reason::SyncOff, 1),
        _ if other_language => (Reason::Language, 2),
        _ if spoken.lane == Lane::Strip => (Reason::Replace, 2),
        Verdict::Warn => (Reason::SyncOff, 3),
        Verdict::InSync | Verdict::CannotTell => return None,
    })
}

/// `pt-BR` and `pt` are one language here.
fn same_language(one: &str, other: &str) -> bool {
    let language = |tag: &str| tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
    language(one) == language(other)
}

/// The frames that a phrase touches, within its shot; `None` for a shot without frames.
fn record(spoken: &Spoken<'_>, phrase: TimeRange<Samples>, rate: FrameRate) -> Option<TimeRange<Frames>> {
    let last = spoken.frames.0.checked_sub(1)?;
    let frames = |samples, rounding| rate.frames(samples, SampleRate::HZ_48000, rounding).unwrap_or(Frames(u64::MAX));
    let start = frames(phrase.start, Rounding::Down).0.saturating_sub(spoken.from.0).min(last);
    let end = frames(phrase.end, Rounding::Up).0.saturating_sub(spoken.from.0).clamp(start + 1, spoken.frames.0);
    let place = |frame: u64| spoken.record_start.0.checked_add(frame).map(Frames);
    Some(TimeRange { start: place(start)?, end: place(end)? })
}

/// What should be said in a shot in which nobody was heard.
fn unheard(spoken: &Spoken<'_>, parts: Vec<String>) -> Vec<Draft> {
    let Some(end) = spoken.record_start.0.checked_add(spoken.frames.0).filter(|_| spoken.frames.0 > 0) else {
        return Vec::new();
    };
    let (reason, priority) = match spoken.lane {
        _ if spoken.refused => (Reason::Moderated, 1),
        _ if !spoken.generate_audio => (Reason::NoSoundRendered, 1),
        Lane::Strip if !spoken.listened => (Reason::Replace, 2),
        Lane::Keep if !spoken.listened => return Vec::new(),
        Lane::Strip => (Reason::NoSpeechHeard, 2),
        Lane::Keep => (Reason::NoSpeechHeard, 3),
    };
    let record = TimeRange { start: spoken.record_start, end: Frames(end) };
    let draft = |line| Draft { record, times: Times::OfTheShot, line, reason, priority, sync: None };
    // Recordings with phrases that nobody wrote down are speech all the same.
    let unwritten = (parts.is_empty() && !spoken.sync.is_empty()).then(|| draft(None));
    parts.into_iter().map(|part| draft(Some(part))).chain(unwritten).collect()
}

#[cfg(test)]
mod tests;
