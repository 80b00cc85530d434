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
    /// The words that [`Program::parse`] reads.
    pub const ALLOWED: &str = "avid, premiere, resolve, fcp, protools, reaper or otio";

    /// Reads a word of [`Program::ALLOWED`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Program> {
        Some(match text {
            "avid" => Program::Avid,
            "premiere" => Program::Premiere,
            "resolve" => Program::Resolve,
            "fcp" => Program::Fcp,
            "protools" => Program::ProTools,
            "reaper" => Program::Reaper,
            "otio" => Program::Otio,
            _ => return None,
        })
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
