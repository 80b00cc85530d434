//! A timeline as files that editors' tools open, each with the list of what it could not carry.

mod edl;
mod otio;

use serde::Serialize;

use crate::timeline::Timeline;

/// A form in which a cut leaves seedpost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// CMX3600 edit decision list: reels of eight characters.
    Cmx3600,
    /// The same list with 32 columns for the reel and six digits for the event.
    File32,
    /// OpenTimelineIO JSON.
    Otio,
}

impl Format {
    /// All forms.
    pub const ALL: [Format; 3] = [Format::Cmx3600, Format::File32, Format::Otio];

    /// The name on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Cmx3600 => "edl",
            Format::File32 => "edl32",
            Format::Otio => "otio",
        }
    }

    /// Reads the name on the command line.
    #[must_use]
    pub fn parse(text: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.as_str() == text)
    }

    /// The file's name for a cut whose safe title is given.
    #[must_use]
    pub fn file_name(self, title: &str) -> String {
        match self {
            Format::Cmx3600 => format!("{title}_cmx3600.edl"),
            Format::File32 => format!("{title}_file32.edl"),
            Format::Otio => format!("{title}.otio"),
        }
    }
}

/// A file's content and what the form could not carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The content.
    pub text: String,
    /// What was left behind.
    pub losses: Vec<Loss>,
}

/// One thing that a form could not carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// The form.
    pub format: &'static str,
    /// The clip, or `all`.
    pub clip: String,
    /// What was left behind.
    pub what: String,
}

/// Writes a cut.
#[must_use]
pub fn write(timeline: &Timeline, format: Format) -> Export {
    match format {
        Format::Cmx3600 => edl::write(timeline, edl::Layout::Cmx3600),
        Format::File32 => edl::write(timeline, edl::Layout::File32),
        Format::Otio => otio::write(timeline),
    }
}
