//! A small cut for the tests of writers: two takes, of which the first is used twice.

use super::{Export, Format, Links, write};
use crate::lane::Lane;
use crate::time::{Frames, Timecode};
use crate::timeline::{Colour, Edit, Marker, Picture, Piece, Provenance, Role, Timeline, assemble};

/// Takes of 96 and 48 frames; the cut begins at the label given, with frames 10 to 30 of the first, then all of the
/// second after a gap of 4, then the first 12 of the first again.
pub(super) fn cut(rate: &str, start: &str) -> Timeline {
    let start = Timecode::parse(start, rate.parse().expect("a rate")).expect("a timecode");
    let piece = |take: &str, frames: u64, role: Role, channels: u16| Piece {
        take: take.parse().expect("a take"),
        lane: if role == Role::Mix { Lane::Keep } else { Lane::Strip },
        picture: Picture {
            file: format!("picture/{take}.mov"),
            frames: Frames(frames),
            start: start.frames(),
            width: 1920,
            height: 1080,
            channels,
        },
        stems: vec![(role, format!("audio/{take}_{role}.wav"), channels.max(1), Vec::new())],
        provenance: Provenance { provider: "fal".to_owned(), seed: Some(7), ..Provenance::default() },
    };
    let pieces = vec![piece("SC010_SH020_T01", 96, Role::Mix, 2), piece("SC010_SH030_T02", 48, Role::Guide, 0)];
    let whole = assemble("Kitchen", start, pieces).expect("a cut");
    let first = start.frames().0;
    let edit = |index: usize, from: u64, frames: u64, place: u64| {
        let take = whole.clips[index].take.clone();
        Edit { take, from: Frames(from), frames: Frames(frames), record_start: Frames(first + place) }
    };
    whole.recut(&[edit(0, 10, 20, 0), edit(1, 0, 48, 24), edit(0, 0, 12, 72)]).expect("edits of what there is")
}

/// A marker so many frames into a cut.
pub(super) fn marker(timeline: &Timeline, at: u64, length: u64, name: &str, note: &str) -> Marker {
    let frame = Frames(timeline.start.frames().0 + at);
    Marker { frame, length: Frames(length), name: name.to_owned(), note: note.to_owned(), colour: Colour::Cyan }
}

/// A cut in a form, and its losses in words.
pub(super) fn written(timeline: &Timeline, format: Format) -> (String, Vec<String>) {
    let Export { content, losses } = write(timeline, format, Links("../")).expect("a form that takes it");
    (String::from_utf8(content).expect("a text"), losses.iter().map(ToString::to_string).collect())
}
