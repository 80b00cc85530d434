//! What was found out about a clip's sound, in lines for people.

use seedpost_core::spec::Finding;
use seedpost_core::sync::edit_map::{Mode, Why};
use seedpost_core::sync::{PhraseSync, Verdict, offset_in_words};
use seedpost_core::time::{Rounding, Samples};

use crate::separation::Separation;
use crate::sound::SoundFacts;
use crate::sync::SyncFacts;

/// All there is to say of a clip's sound; of one that stands since an earlier run only what it is worth.
pub(crate) fn sound(facts: &SoundFacts, worked: bool) -> Vec<String> {
    if !worked {
        return facts.sync.iter().map(clip).collect();
    }
    let sync = facts.sync.iter().flat_map(sync);
    separation(&facts.separation).into_iter().chain(facts.notes.iter().cloned()).chain(sync).collect()
}

/// How the dialogue was taken from the rest.
fn separation(separation: &Separation) -> Vec<String> {
    match separation {
        Separation::NotAsked => Vec::new(),
        Separation::Refused { why } => vec![format!("no dialogue stem: {why}")],
        Separation::Estimated { null_test, .. } => vec![format!(
            "dialogue and rest are estimated; null test: {} samples, {} differ from the whole",
            null_test.samples, null_test.differing
        )],
    }
}

/// What estimates are worth, once for all clips that have any.
pub(crate) fn estimates<'a>(facts: impl IntoIterator<Item = &'a SoundFacts>) -> Option<String> {
    facts.into_iter().find_map(|facts| match &facts.separation {
        Separation::Estimated { model, quality, .. } => Some(format!("estimated by {model}: {quality}")),
        _ => None,
    })
}

/// Whether a finding is told by the lines of [`sync`].
pub(crate) fn is_told(finding: &Finding) -> bool {
    finding.rule.starts_with("sync.")
}

/// Where each supplied phrase is heard, and what became of it.
pub(crate) fn sync(sync: &SyncFacts) -> Vec<String> {
    let mut lines: Vec<String> = sync
        .phrases
        .iter()
        .zip(&sync.clip.phrases)
        .zip(1..)
        .map(|((phrase, verdict), number)| line(sync, phrase, *verdict, number))
        .collect();
    lines.push(clip(sync));
    lines.extend(laid(sync));
    lines
}

fn line(sync: &SyncFacts, phrase: &PhraseSync, verdict: Verdict, number: usize) -> String {
    let place = seconds(phrase.expected);
    let what = format!("REF{} phrase {number}, asked for at {place}", phrase.reference);
    let sure = format!("confidence {:.2}", phrase.confidence);
    let Some((start, end)) = phrase.offset().zip(phrase.end_offset()) else {
        return format!("{what}: {}, {sure}", verdict.as_str());
    };
    let percent = phrase.stretch_ppm().map_or(String::new(), |ppm| format!(", stretched {}", parts(ppm)));
    let (start, end) = (offset_in_words(start, sync.rate), offset_in_words(end, sync.rate));
    format!("{what}: {}: begins {start}, ends {end}{percent}, {sure}", verdict.as_str())
}

/// Parts per million as per cent, to a tenth.
fn parts(ppm: i64) -> String {
    let tenths = ppm.unsigned_abs().saturating_add(500) / 1000;
    format!("{}{}.{} %", if ppm < 0 { '-' } else { '+' }, tenths / 10, tenths % 10)
}

/// A place in a clip, in seconds to a thousandth.
fn seconds(place: Samples) -> String {
    let milliseconds = Rounding::Nearest.divide(u128::from(place.0), 48).unwrap_or(0);
    format!("{}.{:03} s", milliseconds / 1000, milliseconds % 1000)
}

fn clip(sync: &SyncFacts) -> String {
    let clip = &sync.clip;
    let mut words = format!("sync: {}, {} phrases heard, {} not", clip.verdict.as_str(), clip.known, clip.unknown);
    if let Some(worst) = clip.worst {
        words += &format!("; worst {}", offset_in_words(worst.offset, sync.rate));
    }
    if let Some(median) = clip.median_offset {
        words += &format!("; median {}", offset_in_words(median, sync.rate));
    }
    if let Some(drift) = clip.drift_ppm {
        words += &format!("; drift {}", parts(drift));
    }
    words
}

fn laid(sync: &SyncFacts) -> Vec<String> {
    let map = &sync.edit_map;
    if map.events.is_empty() && map.left_out.is_empty() {
        return Vec::new();
    }
    let way = if map.mode == Mode::Rigid { "moved" } else { "moved and stretched by at most 4 %" };
    let unmeasured = map.events.iter().filter(|event| !event.measured).count();
    let mut lines = vec![format!(
        "REF: {} phrases laid, {way}; {unmeasured} of them where they were asked for, since they were not heard",
        map.events.len()
    )];
    for left in &map.left_out {
        let why = match left.why {
            Why::NoRecording => "there is no such recording".to_owned(),
            Why::OutsideRecording => "it lies outside the recording".to_owned(),
            Why::PastTheEnd { lost } => format!("the clip ends {} before it does", seconds(lost)),
            Why::InTheWay => "another phrase lies where it belongs".to_owned(),
        };
        lines.push(format!("  not laid: REF{} phrase {}: {why}", left.reference, left.phrase + 1));
    }
    lines
}
