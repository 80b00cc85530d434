//! ADR cues in the dialect of ptulsconv: tags for what has no column.
//!
//! Deliberately absent: how the session is written, which `session.rs` knows.

use super::session::{self, Dialect, TO_COME, clean, line, speaker};
use super::{Export, Format};
use crate::cue::Cue;
use crate::timeline::Timeline;

pub(super) fn write(timeline: &Timeline) -> Export {
    session::write(timeline, &Dialect { format: Format::CueText, track: speaker, comment, clip })
}

fn comment(cue: &Cue) -> String {
    format!("{{Actor={TO_COME}}} $CN={}", cue.character_number)
}

fn clip(cue: &Cue) -> String {
    let (number, priority, reason) = (&cue.number, cue.priority, cue.reason.as_str());
    let (line, scene, take, note) = (line(cue), clean(&cue.scene), cue.take.to_string(), clean(&cue.note()));
    format!("{line} $QN={number} {{R={reason}}} $P={priority} {{Sc={scene}}} {{Shot={take}}} {{Note={note}}}")
}
