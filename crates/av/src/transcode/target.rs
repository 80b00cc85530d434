//! The MP4 or MOV that is written to, which counts its bytes.

use std::path::{Path, PathBuf};

use ffmpeg_next::{Dictionary, Packet, Rational, format};

use super::Stop;
use crate::{AvError, clip};

/// An MP4 or MOV being written.
pub(crate) struct Target {
    pub(crate) file: format::context::Output,
    path: PathBuf,
    bytes: u64,
    max_bytes: u64,
}

impl Target {
    pub(crate) fn create(path: &Path, kind: &str, max_bytes: u64) -> Result<Target, AvError> {
        // Without the protocol's name, a colon in a file's name would end one.
        let file = format::output_as(&format!("file:{}", path.display()), kind)?;
        Ok(Target { file, path: path.to_owned(), bytes: 0, max_bytes })
    }

    /// Writes the header, after all streams are added; the index will go in front. Takes more options of the muxer.
    pub(crate) fn begin(&mut self, more: &[(&str, String)]) -> Result<(), AvError> {
        let mut options: Dictionary<'_> = more.iter().map(|(name, value)| (*name, value.as_str())).collect();
        options.set("movflags", "+faststart");
        self.file.write_header_with(options)?;
        Ok(())
    }

    /// Writes one packet whose times are in `clock`.
    pub(crate) fn send(&mut self, packet: &mut Packet, stream: usize, clock: Rational) -> Result<(), Stop> {
        self.bytes = self.bytes.saturating_add(packet.size() as u64);
        if self.bytes > self.max_bytes {
            return Err(Stop::TooLarge);
        }
        Ok(clip::send(&mut self.file, packet, stream, clock)?)
    }

    /// Writes the index and looks at the size of the whole file.
    pub(crate) fn end(mut self) -> Result<(), Stop> {
        self.file.write_trailer()?;
        drop(self.file);
        let bytes = std::fs::metadata(&self.path).map_err(AvError::from)?.len();
        if bytes > self.max_bytes { Err(Stop::TooLarge) } else { Ok(()) }
    }
}
