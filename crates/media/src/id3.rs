//! ID3v2 tags in front of sound (id3.org, ID3v2.4.0, 3.1 and 3.4): only how long they are. They may be longer
//! than the sound, and nothing in them is needed. Deliberately absent: their frames.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::io::{Read, Seek, SeekFrom};

use crate::MediaError;

/// The most tags that are skipped; a real file has one.
const MAX_TAGS: usize = 16;

/// The byte behind all tags, at which the sound begins.
pub(crate) fn end<R: Read + Seek>(source: &mut R) -> Result<u64, MediaError> {
    let length = source.seek(SeekFrom::End(0))?;
    let mut at: u64 = 0;
    for _ in 0..MAX_TAGS {
        let mut head = Vec::new();
        source.seek(SeekFrom::Start(at))?;
        source.by_ref().take(10).read_to_end(&mut head)?;
        let [b'I', b'D', b'3', _, _, flags, size @ ..] = head.as_slice() else { break };
        let Some(size) = size.first_chunk::<4>() else { break };
        let size = size.iter().fold(0_u64, |size, byte| (size << 7) | u64::from(byte & 0x7f));
        let footer = if flags & 0x10 == 0 { 10 } else { 20 };
        let end = at.saturating_add(size).saturating_add(footer);
        if end > length {
            let what = format!("the ID3 tag of {size} bytes passes the end of the file: it was cut short");
            return Err(MediaError::malformed("id3", at, what));
        }
        at = end;
    }
    Ok(at)
}
