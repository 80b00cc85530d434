//! Bytes on their way into the store: as many as were announced, or an error.

use std::io;
use std::path::Path;

use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::StoreError;

/// How much is read at once.
const PIECE: usize = 256 << 10;

/// A file, or bytes that stand for one, with the length that it had when it was opened.
pub(super) struct Source<'a, R> {
    path: &'a Path,
    bytes: R,
    pub(super) length: u64,
    left: u64,
    piece: Vec<u8>,
}

impl Source<'_, File> {
    /// Opens a local file.
    pub(super) async fn of_file(path: &Path) -> Result<Source<'_, File>, StoreError> {
        let disk = |error| StoreError::Disk { path: path.to_owned(), error };
        // A pipe without a writer would be waited for.
        let facts = tokio::fs::metadata(path).await.map_err(disk)?;
        if !facts.is_file() {
            return Err(disk(io::Error::other("it is no file")));
        }
        let bytes = File::open(path).await.map_err(disk)?;
        Ok(Source::new(path, bytes, facts.len()))
    }
}

impl<'a> Source<'a, &'a [u8]> {
    /// Takes bytes of the program's own.
    pub(super) fn of_bytes(bytes: &'a [u8]) -> Source<'a, &'a [u8]> {
        Source::new(Path::new(""), bytes, bytes.len() as u64)
    }
}

impl<'a, R: AsyncRead + Unpin> Source<'a, R> {
    fn new(path: &'a Path, bytes: R, length: u64) -> Source<'a, R> {
        Source { path, bytes, length, left: length, piece: Vec::new() }
    }

    /// The next piece; none where the announced end is also the end.
    pub(super) async fn next(&mut self) -> Result<Option<&[u8]>, StoreError> {
        let disk = |error| StoreError::Disk { path: self.path.to_owned(), error };
        self.piece.resize(PIECE, 0);
        let read = self.bytes.read(&mut self.piece).await.map_err(disk)?;
        let left = self.left.checked_sub(read as u64).filter(|left| read > 0 || *left == 0);
        self.left = left.ok_or_else(|| disk(io::Error::other("it changed while it was read; try again")))?;
        Ok(self.piece.get(..read).filter(|piece| !piece.is_empty()))
    }
}
