//! A timeline as files that editors' tools open, each with the list of what it could not carry.

mod cue_csv;
mod cue_text;
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
    /// The ADR cues as Pro Tools' "Session Info as Text", with the tags of ptulsconv. Worth writing only where there
    /// are cues: ptulsconv does not read a session without clips.
    CueText,
    /// The ADR cues as a table for spreadsheets and cueing programs.
    CueCsv,
}

impl Format {
    /// The forms that every cut has.
    pub const ALL: [Format; 3] = [Format::Cmx3600, Format::File32, Format::Otio];
    /// The forms of a cut's cues, where it has any.
    pub const CUES: [Format; 2] = [Format::CueText, Format::CueCsv];

    /// The name on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Cmx3600 => "edl",
            Format::File32 => "edl32",
            Format::Otio => "otio",
            Format::CueText => "adr-text",
            Format::CueCsv => "adr-csv",
        }
    }

    /// Reads the name on the command line.
    #[must_use]
    pub fn parse(text: &str) -> Option<Format> {
        Format::ALL.into_iter().chain(Format::CUES).find(|format| format.as_str() == text)
    }

    /// The file's name for a cut whose safe title is given.
    #[must_use]
    pub fn file_name(self, title: &str) -> String {
        match self {
            Format::Cmx3600 => format!("{title}_cmx3600.edl"),
            Format::File32 => format!("{title}_file32.edl"),
            Format::Otio => format!("{title}.otio"),
            Format::CueText => format!("{title}_adr.txt"),
            Format::CueCsv => format!("{title}_adr.csv"),
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
        Format::CueText => cue_text::write(timeline),
        Format::CueCsv => cue_csv::write(timeline),
    }
}

/// A loss that is no one clip's.
fn lost(format: Format, what: impl Into<String>) -> Loss {
    Loss { format: format.as_str(), clip: "all".to_owned(), what: what.into() }
}

/// A text in one line: white space of any kind is one space, and control characters are dropped.
fn one_line(text: &str) -> String {
    let spaced = text.split_whitespace().collect::<Vec<_>>().join(" ");
    spaced.chars().filter(|c| !c.is_control()).collect()
}

/// What stands where nobody knows the line.
const NO_LINE: &str = "(no line given)";

/// What a cue sheet never carries.
fn lost_of_cues(format: Format) -> Loss {
    lost(format, "beeps and streamers")
}

#[cfg(test)]
mod tests;
