//! Places in a cut that people should look at.

use serde::{Deserialize, Serialize};

use crate::cue::Cue;
use crate::time::Frames;

/// A place in a cut with a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Marker {
    /// The frame since midnight at which it begins.
    pub frame: Frames,
    /// How long it is; at least 1.
    pub length: Frames,
    /// What it is called, such as `ADR MA101`.
    pub name: String,
    /// What there is to say about it.
    pub note: String,
    /// What it looks like.
    pub colour: Colour,
}

impl Marker {
    /// Red for priority 1, yellow for 2, green for 3.
    pub(super) fn of_cue(cue: &Cue) -> Marker {
        let line = cue.line.as_deref().map(|line| format!(": {line}")).unwrap_or_default();
        Marker {
            frame: cue.record.start,
            length: Frames(cue.record.end.0.saturating_sub(cue.record.start.0).max(1)),
            name: format!("ADR {}", cue.number),
            note: format!("{}{line} ({}; {})", cue.speaker(), cue.reason.as_str(), cue.note()),
            colour: match cue.priority {
                1 => Colour::Red,
                2 => Colour::Yellow,
                _ => Colour::Green,
            },
        }
    }
}

/// A marker's colour. Forms that do not know one write the nearest that they have, and say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Colour {
    /// Red: a cue of priority 1.
    Red,
    /// Yellow: a cue of priority 2.
    Yellow,
    /// Green: a cue of priority 3.
    Green,
    /// Cyan: a finding.
    Cyan,
    /// Blue: an edit, or a shot that is what it was.
    Blue,
    /// Orange: a shot that is new.
    Orange,
    /// Purple: a shot that was rendered anew.
    Purple,
}

impl Colour {
    /// All of them.
    pub const ALL: [Colour; 7] =
        [Colour::Red, Colour::Yellow, Colour::Green, Colour::Cyan, Colour::Blue, Colour::Orange, Colour::Purple];

    /// The word in capitals, as OpenTimelineIO has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Colour::Red => "RED",
            Colour::Yellow => "YELLOW",
            Colour::Green => "GREEN",
            Colour::Cyan => "CYAN",
            Colour::Blue => "BLUE",
            Colour::Orange => "ORANGE",
            Colour::Purple => "PURPLE",
        }
    }
}
