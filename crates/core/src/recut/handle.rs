//! What a clip has beyond its ends, and what a render would have to give.

use serde::Serialize;

use super::{Wanted, whole_seconds};
use crate::import::Note;
use crate::shot::TakeId;
use crate::time::{FrameRate, Frames};

/// What a clip has beyond its ends beside what is wanted there: the handles that were asked for, what a transition
/// shows, and frames of the clip itself that its take does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Handle {
    /// The take.
    #[serde(serialize_with = "super::by_name")]
    pub take: TakeId,
    /// Where the clip begins in the editor's cut.
    pub record_start: Frames,
    /// Frames that the take has before the clip.
    pub head: Frames,
    /// Frames that the take has after the clip.
    pub tail: Frames,
    /// Frames that are wanted beside the clip and are not there, before it.
    pub missing_head: Frames,
    /// The same after it.
    pub missing_tail: Frames,
    /// Frames of the clip itself that are not there, at its beginning: a gap in the cut.
    pub lost_head: Frames,
    /// The same at its end.
    pub lost_tail: Frames,
    /// How long a new render has to be so that the tail is there, in whole seconds. A head cannot be had by a longer
    /// one.
    pub seconds_needed: Option<u64>,
}

/// A clip's handles, where anything is missing or handles are asked for.
pub(super) fn of(wanted: &Wanted<'_>, asked: Frames, rate: FrameRate) -> Option<Handle> {
    let there = super::signed(wanted.clip.picture.frames);
    let (first, last) = (wanted.from, wanted.from.saturating_add(wanted.frames));
    let wish = |shown: u64| super::signed(Frames(asked.0.max(shown)));
    let (before, after) = (wish(wanted.event.shown_before), wish(wanted.event.shown_after));
    let frames = |frames: i64| Frames(u64::try_from(frames).unwrap_or(0));
    let reach = last.saturating_add(after);
    let handle = Handle {
        take: wanted.clip.take.clone(),
        record_start: wanted.event.record.start,
        head: frames(first.clamp(0, there)),
        tail: frames(there - last.clamp(0, there)),
        missing_head: frames(before - first.max(0)),
        missing_tail: frames(after - (there - last).max(0)),
        lost_head: frames((-first).min(wanted.frames)),
        lost_tail: frames((last - there).min(wanted.frames)),
        seconds_needed: (reach > there).then(|| whole_seconds(reach, rate)).flatten(),
    };
    let short = [handle.missing_head, handle.missing_tail, handle.lost_head, handle.lost_tail];
    (asked.0 > 0 || short.iter().any(|frames| frames.0 > 0)).then_some(handle)
}

/// What a transition would need of a clip, beside what there is.
pub(super) fn transition(wanted: &Wanted<'_>) -> Option<Note> {
    let (before, after) = (wanted.event.shown_before, wanted.event.shown_after);
    let last = wanted.from.saturating_add(wanted.frames);
    let there = super::signed(wanted.clip.picture.frames);
    let has = |frames: i64| frames.clamp(0, there);
    let side = |frames: u64, at: &str, has: i64| (frames > 0).then(|| format!("{frames} frame(s) {at} it (has {has})"));
    let sides = [side(before, "before", has(wanted.from)), side(after, "after", has(there - last))];
    let sides: Vec<String> = sides.into_iter().flatten().collect();
    let what = format!("the transition at {} needs {}", wanted.clip.take, sides.join(" and "));
    (!sides.is_empty()).then(|| Note { place: wanted.event.place.clone(), what })
}
