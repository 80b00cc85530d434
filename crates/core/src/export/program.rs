//! Which forms a program takes.

use super::Format;

/// A program that a cut is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// Avid Media Composer.
    Avid,
    /// Adobe Premiere Pro.
    Premiere,
    /// DaVinci Resolve.
    Resolve,
    /// Final Cut Pro.
    Fcp,
    /// Pro Tools, and the cueing programs around it.
    ProTools,
    /// REAPER.
    Reaper,
    /// Whatever reads OpenTimelineIO.
    Otio,
}

impl Program {
    /// All of them.
    pub const ALL: [Program; 7] = [
        Program::Avid,
        Program::Premiere,
        Program::Resolve,
        Program::Fcp,
        Program::ProTools,
        Program::Reaper,
        Program::Otio,
    ];
    /// The words that [`Program::parse`] reads.
    pub const ALLOWED: &str = "avid, premiere, resolve, fcp, protools, reaper or otio";

    /// Reads a word of [`Program::ALLOWED`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Program> {
        Program::ALL.into_iter().find(|program| program.as_str() == text)
    }

    /// The word that [`Program::parse`] reads.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Program::Avid => "avid",
            Program::Premiere => "premiere",
            Program::Resolve => "resolve",
            Program::Fcp => "fcp",
            Program::ProTools => "protools",
            Program::Reaper => "reaper",
            Program::Otio => "otio",
        }
    }

    /// The forms that it takes, the fullest first; those of [`Format::CUES`] only where there are cues.
    #[must_use]
    pub fn formats(self) -> &'static [Format] {
        match self {
            Program::Avid => &[Format::Aaf, Format::File32, Format::Ale, Format::AvidMarkers],
            Program::Premiere => &[Format::Xmeml, Format::Otio, Format::Cmx3600],
            Program::Resolve => &[Format::Otio, Format::Xmeml, Format::File32, Format::ResolveMarkers],
            Program::Fcp => &[Format::Fcpxml],
            Program::ProTools => &[Format::Aaf, Format::File32, Format::CueText, Format::CueSession, Format::CueCsv],
            Program::Reaper => &[Format::Reaper, Format::CueCsv],
            Program::Otio => &[Format::Otio],
        }
    }
}
