//! A timeline as files that editors' tools open, each with the list of what it could not carry.

mod aaf;
mod ale;
mod cue_csv;
mod cue_session;
mod cue_text;
mod edl;
mod fcpxml;
mod links;
mod loss;
mod markers;
mod otio;
mod program;
mod reaper;
mod session;
mod text;
mod told;
mod xmeml;
mod xml;

pub use links::{Links, base_name};
pub use loss::{ALL, Field, Loss, Of};
pub(crate) use markers::{LINES as MARKER_LINES, looks_like_a_line};
pub use program::Program;

use crate::timeline::{Clip, Timeline};

/// A form in which a cut leaves seedpost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// CMX3600 edit decision list: reels of eight characters.
    Cmx3600,
    /// The same list with 32 columns for the reel and six digits for the event.
    File32,
    /// The markers as the list that DaVinci Resolve reads.
    ResolveMarkers,
    /// The markers as the text that Media Composer reads.
    AvidMarkers,
    /// OpenTimelineIO JSON.
    Otio,
    /// Final Cut Pro 7 XML, version 5: Premiere, Resolve.
    Xmeml,
    /// Final Cut Pro XML, version 1.10.
    Fcpxml,
    /// Avid Log Exchange: the takes, not the cut.
    Ale,
    /// REAPER's project.
    Reaper,
    /// Advanced Authoring Format, of sound that is linked. Experimental.
    Aaf,
    /// The ADR cues as Pro Tools' "Session Info as Text", with the tags of ptulsconv. Worth writing only where there
    /// are cues: ptulsconv does not read a session without clips.
    CueText,
    /// The same in the dialect of EdiCue and ADR Master.
    CueSession,
    /// The ADR cues as a table for spreadsheets and cueing programs.
    CueCsv,
}

impl Format {
    /// The forms that every cut has.
    pub const ALL: [Format; 10] = [
        Format::Cmx3600,
        Format::File32,
        Format::ResolveMarkers,
        Format::AvidMarkers,
        Format::Otio,
        Format::Xmeml,
        Format::Fcpxml,
        Format::Ale,
        Format::Reaper,
        Format::Aaf,
    ];
    /// The forms of a cut's cues, where it has any.
    pub const CUES: [Format; 3] = [Format::CueText, Format::CueSession, Format::CueCsv];

    /// The name on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Cmx3600 => "edl",
            Format::File32 => "edl32",
            Format::ResolveMarkers => "resolve-markers",
            Format::AvidMarkers => "avid-markers",
            Format::Otio => "otio",
            Format::Xmeml => "xmeml",
            Format::Fcpxml => "fcpxml",
            Format::Ale => "ale",
            Format::Reaper => "reaper",
            Format::Aaf => "aaf",
            Format::CueText => "adr-text",
            Format::CueSession => "adr-session",
            Format::CueCsv => "adr-csv",
        }
    }

    /// Reads the name on the command line.
    #[must_use]
    pub fn parse(text: &str) -> Option<Format> {
        Format::ALL.into_iter().chain(Format::CUES).find(|format| format.as_str() == text)
    }

    /// Whether nobody has opened it in the program that it is for.
    #[must_use]
    pub fn is_experimental(self) -> bool {
        self == Format::Aaf
    }

    /// The file's name for a cut whose safe title is given.
    #[must_use]
    pub fn file_name(self, title: &str) -> String {
        let end = match self {
            Format::Cmx3600 => "_cmx3600.edl",
            Format::File32 => "_file32.edl",
            Format::ResolveMarkers => "_markers_resolve.edl",
            Format::AvidMarkers => "_markers_avid.txt",
            Format::Otio => ".otio",
            Format::Xmeml => ".xml",
            Format::Fcpxml => ".fcpxml",
            Format::Ale => ".ale",
            Format::Reaper => ".rpp",
            Format::Aaf => ".aaf",
            Format::CueText => "_adr.txt",
            Format::CueSession => "_adr_session.txt",
            Format::CueCsv => "_adr.csv",
        };
        format!("{title}{end}")
    }
}

/// A file's content and what the form could not carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The content.
    pub content: Vec<u8>,
    /// What was left behind.
    pub losses: Vec<Loss>,
}

/// Why a cut cannot be written in a form at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what}", format.as_str())]
pub struct Refusal {
    /// The form.
    pub format: Format,
    /// What is in the way.
    pub what: String,
    /// What to do about it.
    pub fix: String,
}

/// Writes a cut.
///
/// # Errors
/// [`Refusal`] where no reader would take the file: labels that begin anew at midnight, a cut without clips.
pub fn write(timeline: &Timeline, format: Format, links: Links<'_>) -> Result<Export, Refusal> {
    admit(timeline, format)?;
    Ok(match format {
        Format::Cmx3600 => edl::write(timeline, edl::Layout::Cmx3600),
        Format::File32 => edl::write(timeline, edl::Layout::File32),
        Format::ResolveMarkers => markers::resolve(timeline),
        Format::AvidMarkers => markers::avid(timeline),
        Format::Otio => otio::write(timeline, links),
        Format::Ale => ale::write(timeline, links),
        Format::Reaper => reaper::write(timeline, links),
        Format::CueText => cue_text::write(timeline),
        Format::CueSession => cue_session::write(timeline),
        Format::CueCsv => cue_csv::write(timeline),
        Format::Aaf => aaf::write(timeline, links),
        Format::Xmeml => xmeml::write(timeline, links),
        Format::Fcpxml => fcpxml::write(timeline, links),
    })
}

/// Whether a form can hold a cut at all.
fn admit(timeline: &Timeline, format: Format) -> Result<(), Refusal> {
    let refuse = |what: &str, fix: &str| Err(Refusal { format, what: what.to_owned(), fix: fix.to_owned() });
    let by_frames =
        matches!(format, Format::Otio | Format::Xmeml | Format::Fcpxml | Format::Reaper | Format::Aaf | Format::Ale);
    if timeline.clips.is_empty() {
        return refuse("the cut has no clip", "render a shot, or import a cut that has one");
    }
    let midnight = timeline.start.midnight();
    if !by_frames && timeline.reaches_midnight() {
        return refuse("the cut goes up to 24:00:00:00, where labels begin anew", "set an earlier start_timecode");
    }
    let sound_end = |clip: &Clip| clip.stems.iter().map(|stem| timeline.stem_source(clip, stem).end).max();
    let late = |clip: &Clip| clip.source().end >= midnight || sound_end(clip).is_some_and(|end| end >= midnight);
    if matches!(format, Format::Cmx3600 | Format::File32) && timeline.clips.iter().any(late) {
        return refuse("the timecode of a take goes up to 24:00:00:00", "set an earlier start_timecode");
    }
    Ok(())
}

/// A text in one line: white space of any kind and control characters are one space, and none stands at the ends.
fn one_line(text: &str) -> String {
    let words = text.split(|letter: char| letter.is_whitespace() || letter.is_control());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// What stands where nobody knows the line.
const NO_LINE: &str = "(no line given)";

/// What a cue sheet never carries.
fn lost_of_cues(timeline: &Timeline, format: Format) -> Vec<Loss> {
    let only = "a cue sheet has cues only";
    let mut losses = told::absent(timeline, format, &[(Of::Clip, only), (Of::Stem, only), (Of::Marker, only)]);
    if !timeline.cues.is_empty() {
        losses.push(Loss::all(format, Of::Cue, Field::Beeps, "the sheet has no place for beeps and streamers"));
    }
    losses
}

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;
