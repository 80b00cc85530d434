//! Where each phrase goes: those that were heard first, the others where room is left, the pauses last.

use std::collections::BTreeMap;

use super::{
    EditEvent, EditMap, FADE, LeftOut, MOST_PAUSE, MOST_PULL, MOST_PUSH, MOST_STRETCH_PERCENT, Mode, PhraseSync, Why,
    apart,
};
use crate::time::{Samples, TimeRange};

/// Lays recordings over a clip. `references` are their lengths as they were sent, `REF1` first; pauses are what lies
/// between the phrases of one, before the first and after the last. All in samples at 48 kHz.
#[must_use]
pub fn plan(phrases: &[PhraseSync], references: &[Samples], clip: Samples, mode: Mode) -> EditMap {
    let mut map = EditMap { mode, clip, events: Vec::new(), left_out: Vec::new() };
    let mut tracks: BTreeMap<u32, Vec<Phrase>> = BTreeMap::new();
    for (index, sync) in phrases.iter().enumerate() {
        let length = reference_length(references, sync.reference);
        let why = match length {
            None => Some(Why::NoRecording),
            Some(length) if sync.source.start >= sync.source.end || sync.source.end > length => {
                Some(Why::OutsideRecording)
            }
            Some(_) => None,
        };
        match why {
            Some(why) => map.left_out.push(left_out(index, sync, why)),
            None => tracks.entry(sync.reference).or_default().push(Phrase { index, sync: *sync, place: None }),
        }
    }
    for (reference, mut track) in tracks {
        track.sort_by_key(|phrase| (phrase.sync.source.start, phrase.sync.source.end, phrase.index));
        lay_heard(&mut track, clip, mode, &mut map.left_out);
        lay_others(&mut track, clip, &mut map.left_out);
        let length = reference_length(references, reference).unwrap_or_default();
        map.events.extend(events(&track, length, clip));
    }
    map.left_out.sort_by_key(|left| left.phrase);
    map
}

fn reference_length(references: &[Samples], number: u32) -> Option<Samples> {
    let index = usize::try_from(number.checked_sub(1)?).ok()?;
    references.get(index).copied()
}

fn left_out(index: usize, sync: &PhraseSync, why: Why) -> LeftOut {
    LeftOut { phrase: index, reference: sync.reference, source: sync.source, why }
}

/// A phrase of one recording on its way into the map.
struct Phrase {
    index: usize,
    sync: PhraseSync,
    place: Option<Place>,
}

/// Where a phrase's words lie in the clip.
#[derive(Clone, Copy)]
struct Place {
    words: TimeRange<Samples>,
    moved: i64,
}

fn lay_heard(track: &mut [Phrase], clip: Samples, mode: Mode, left: &mut Vec<LeftOut>) {
    let mut free = 0;
    for phrase in track {
        let Some(heard) = phrase.sync.heard() else { continue };
        let length = laid_length(phrase.sync.source.length().0, heard.length().0, mode);
        match fit(heard, length, free, clip.0) {
            Ok(place) => {
                free = place.words.end.0;
                phrase.place = Some(place);
            }
            Err(why) => left.push(left_out(phrase.index, &phrase.sync, why)),
        }
    }
}

/// How long a phrase of `source` samples is laid that was heard in `heard` samples.
fn laid_length(source: u64, heard: u64, mode: Mode) -> u64 {
    let percent = |percent: u64| u128::from(source) * u128::from(percent);
    // Within the bound on both sides: the least is rounded up, the most down.
    let least = u64::try_from(percent(100 - MOST_STRETCH_PERCENT).div_ceil(100)).unwrap_or(source);
    let most = u64::try_from(percent(100 + MOST_STRETCH_PERCENT) / 100).unwrap_or(source);
    match mode {
        Mode::Rigid => source,
        Mode::Stretched => heard.clamp(least, most),
    }
}

/// Lays `length` samples around the middle of where they were heard, at or after `free` and whole before `clip`.
/// Else why that cannot be.
fn fit(heard: TimeRange<Samples>, length: u64, free: u64, clip: u64) -> Result<Place, Why> {
    let (from, to, length) = (i128::from(heard.start.0), i128::from(heard.end.0), i128::from(length));
    let (free, clip) = (i128::from(free), i128::from(clip));
    let best = (from + to - length).div_euclid(2);
    let mut start = best.max(free);
    if start - best > i128::from(MOST_PUSH.0) {
        return Err(Why::InTheWay);
    }
    if start + length > clip {
        let back = clip - length;
        if back < free || best - back > i128::from(MOST_PULL.0) {
            let lost = (start + length - clip).min(length);
            return Err(Why::PastTheEnd { lost: Samples(u64::try_from(lost).unwrap_or(u64::MAX)) });
        }
        start = back;
    }
    let sample = |value: i128| Samples(u64::try_from(value).unwrap_or_default());
    let words = TimeRange { start: sample(start), end: sample(start + length) };
    Ok(Place { words, moved: i64::try_from(start - best).unwrap_or(i64::MAX) })
}

/// What was not heard lies where it was asked for, if that is free and in the recording's order.
fn lay_others(track: &mut [Phrase], clip: Samples, left: &mut Vec<LeftOut>) {
    let mut free = Samples(0);
    for index in 0..track.len() {
        let (before, rest) = track.split_at_mut(index);
        let Some((phrase, after)) = rest.split_first_mut() else { break };
        if let Some(place) = before.last().and_then(|last| last.place) {
            free = place.words.end;
        }
        if phrase.sync.heard().is_some() {
            continue;
        }
        let start = phrase.sync.expected;
        let end = Samples(start.0.saturating_add(phrase.sync.source.length().0));
        let next = after.iter().find_map(|phrase| phrase.place).map(|place| place.words.start);
        let why = if end > clip {
            let lost = (end.0 - clip.0).min(phrase.sync.source.length().0);
            Some(Why::PastTheEnd { lost: Samples(lost) })
        } else if start < free || next.is_some_and(|next| end > next) {
            Some(Why::InTheWay)
        } else {
            None
        };
        match why {
            Some(why) => left.push(left_out(phrase.index, &phrase.sync, why)),
            None => phrase.place = Some(Place { words: TimeRange { start, end }, moved: 0 }),
        }
    }
}

/// Gives each phrase its pauses: half of what is there, in the recording and in the clip.
fn events(track: &[Phrase], reference: Samples, clip: Samples) -> Vec<EditEvent> {
    // The phrases around it in the recording, laid or not: no cut lies inside those either.
    let source = |index: usize| track.get(index).map(|phrase| phrase.sync.source);
    let placed: Vec<(usize, &Phrase, Place)> =
        track.iter().enumerate().filter_map(|(index, phrase)| Some((index, phrase, phrase.place?))).collect();
    let words = |at: Option<usize>| at.and_then(|at| placed.get(at)).map(|(_, _, place)| place.words);
    let each = placed.iter().enumerate().map(|(at, (index, phrase, place))| {
        let own = phrase.sync.source;
        let pause = |gap: Option<u64>, whole: u64| gap.map_or(whole, |gap| gap / 2).min(MOST_PAUSE.0);
        let earlier = track.iter().take(*index).map(|phrase| phrase.sync.source.end).max();
        let gap = earlier.map(|end| own.start.0.saturating_sub(end.0));
        let lead = pause(gap, own.start.0);
        let gap = source(index + 1).map(|next| next.start.0.saturating_sub(own.end.0));
        let tail = pause(gap, reference.0 - own.end.0);
        let before = words(at.checked_sub(1)).map_or(0, |words| words.end.0);
        let room = place.words.start.0.saturating_sub(before);
        let lead_room = if at == 0 { room } else { room / 2 };
        let tail_room = match words(at.checked_add(1)) {
            Some(next) => next.start.0.saturating_sub(place.words.end.0) / 2,
            None => clip.0.saturating_sub(place.words.end.0),
        };
        event(phrase, *place, (lead, lead_room), (tail, tail_room))
    });
    each.collect()
}

/// Of each pause, what the recording has and what the clip has room for.
fn event(phrase: &Phrase, place: Place, lead: (u64, u64), tail: (u64, u64)) -> EditEvent {
    let own = phrase.sync.source;
    // Pauses are stretched like the phrase, so that one speed serves the whole event.
    let ratio = (own.length().0, place.words.length().0);
    let (source_lead, record_lead) = scaled(lead.0, lead.1, ratio);
    let (source_tail, record_tail) = scaled(tail.0, tail.1, ratio);
    let around = |range: TimeRange<Samples>, lead: u64, tail: u64| TimeRange {
        start: Samples(range.start.0.saturating_sub(lead)),
        end: Samples(range.end.0.saturating_add(tail)),
    };
    let heard = phrase.sync.heard();
    EditEvent {
        phrase: phrase.index,
        reference: phrase.sync.reference,
        source: around(own, source_lead, source_tail),
        record: around(place.words, record_lead, record_tail),
        words: place.words,
        fade_in: Samples(FADE.0.min(record_lead)),
        fade_out: Samples(FADE.0.min(record_tail)),
        measured: heard.is_some(),
        moved: place.moved,
        start_error: heard.map(|heard| apart(place.words.start.0, heard.start.0)),
        end_error: heard.map(|heard| apart(place.words.end.0, heard.end.0)),
    }
}

/// A pause of at most `source` samples that becomes at most `room` in the clip, both rounded down.
fn scaled(source: u64, room: u64, (from, to): (u64, u64)) -> (u64, u64) {
    let times = |value: u64, by: u64, over: u64| {
        let scaled = (u128::from(value) * u128::from(by)).checked_div(u128::from(over)).unwrap_or_default();
        u64::try_from(scaled).unwrap_or(u64::MAX)
    };
    if from == to {
        let pause = source.min(room);
        return (pause, pause);
    }
    let record = times(source, to, from).min(room);
    (times(record, from, to).min(source), record)
}
