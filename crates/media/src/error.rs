//! What can go wrong with a media file, by what the caller can do about it.

use std::io;

/// Says why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The disk or pipe failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file breaks its own format.
    #[error("malformed {format} at byte {at}: {what}")]
    Malformed {
        /// The format.
        format: &'static str,
        /// The byte where it shows.
        at: u64,
        /// What is wrong.
        what: String,
    },
    /// The file may be well, but this reader does not know it; FFmpeg may.
    #[error("{0}")]
    Unsupported(String),
    /// Reading on would cost more than a real file needs.
    #[error("{what}: {found}, the limit is {allowed}")]
    Limit {
        /// What is too large.
        what: &'static str,
        /// How large it is.
        found: u64,
        /// How large it may be.
        allowed: u64,
    },
}

impl MediaError {
    pub(crate) fn malformed(format: &'static str, at: u64, what: impl Into<String>) -> MediaError {
        MediaError::Malformed { format, at, what: what.into() }
    }
}
