//! The boxes at the top of a file: what it says that it is, where its index and media stand.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use seedpost_core::media::Brands;

use super::{MAX_MOOV, MAX_TOP};
use crate::MediaError;

/// The type of the box that holds content credentials (C2PA 2.1, A.5.1).
const C2PA: [u8; 16] = [0xd8, 0xfe, 0xc3, 0xd6, 0x1b, 0x0e, 0x48, 0x3c, 0x92, 0x97, 0x58, 0x28, 0x87, 0x7e, 0xc4, 0x81];

/// The most brands that are told; a real file has a handful.
const MAX_BRANDS: usize = 64;

/// What the top of a file tells, whatever its tracks hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// What the file says that it is; `None` without an `ftyp`.
    pub brands: Option<Brands>,
    /// Whether the index stands before the media.
    pub fast_start: bool,
    /// Whether there are movie fragments.
    pub fragmented: bool,
    /// Whether there is a box of content credentials.
    pub c2pa: bool,
}

/// Walks the boxes at the top of an MP4 or MOV.
///
/// # Errors
/// `Malformed` where a box passes the end of the file, `Limit` for more boxes than a real file has.
pub fn outline<R: Read + Seek>(source: &mut R) -> Result<Outline, MediaError> {
    let top = read_top(source)?;
    let ftyp = top.ftyp.as_ref().map(|span| read_span(source, span)).transpose()?;
    Ok(top.outline(&ftyp.unwrap_or_default()))
}

impl Top {
    pub(super) fn outline(&self, ftyp: &[u8]) -> Outline {
        let fast_start = self.moov.as_ref().zip(self.mdat).is_none_or(|(moov, mdat)| moov.start < mdat);
        Outline { brands: brands(ftyp), fast_start, fragmented: self.fragmented, c2pa: self.c2pa }
    }
}

/// Reads a whole `ftyp` (4.3).
fn brands(ftyp: &[u8]) -> Option<Brands> {
    let name = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let minor = u32::from_be_bytes(*ftyp.get(12..)?.first_chunk()?);
    let compatible = ftyp.get(16..)?.as_chunks::<4>().0.iter().take(MAX_BRANDS);
    // Some writers fill up with zeros.
    let compatible = compatible.filter(|brand| **brand != [0; 4]).map(|brand| name(brand)).collect();
    Some(Brands { major: name(ftyp.get(8..12)?), minor, compatible })
}

/// Walks the boxes at the top of a file, none of which may pass its end.
pub(crate) fn check_boxes<R: Read + Seek>(source: &mut R) -> Result<(), MediaError> {
    read_top(source).map(|_| ())
}

pub(super) struct Top {
    pub(super) ftyp: Option<Range<u64>>,
    pub(super) moov: Option<Range<u64>>,
    pub(super) mdat: Option<u64>,
    pub(super) fragmented: bool,
    pub(super) c2pa: bool,
    pub(super) file_len: u64,
}

pub(super) fn no_moov(file_len: u64) -> MediaError {
    MediaError::malformed("mp4", file_len, "no index (moov): the file was cut short or never finished")
}

/// Walks the boxes at the top of the file without reading what is in them.
pub(super) fn read_top<R: Read + Seek>(source: &mut R) -> Result<Top, MediaError> {
    let file_len = source.seek(SeekFrom::End(0))?;
    let mut top = Top { ftyp: None, moov: None, mdat: None, fragmented: false, c2pa: false, file_len };
    let mut at: u64 = 0;
    for _ in 0..MAX_TOP {
        if file_len.saturating_sub(at) < 8 {
            return Ok(top);
        }
        let (kind, header, size) = read_top_header(source, at, file_len)?;
        let end = at.checked_add(size).filter(|end| *end <= file_len && size >= header);
        let Some(end) = end else {
            // A cut file: what is missing matters only if it held the index.
            let name = String::from_utf8_lossy(&kind).into_owned();
            return Err(MediaError::malformed(
                "mp4",
                at,
                format!(
                    "box {name:?} of {size} bytes passes the end of the file ({file_len} bytes): the file was cut short"
                ),
            ));
        };
        match &kind {
            b"ftyp" => top.ftyp = Some(at..end),
            b"moov" => top.moov = Some(at..end),
            b"mdat" => top.mdat = top.mdat.or(Some(at)),
            b"moof" => top.fragmented = true,
            b"uuid" if size.saturating_sub(header) >= 16 => top.c2pa |= read_type(source)? == C2PA,
            _ => {}
        }
        at = end;
    }
    Err(MediaError::Limit { what: "boxes at the top of the file", found: MAX_TOP as u64, allowed: MAX_TOP as u64 })
}

/// The type of an extended box (4.2), which follows its header.
fn read_type<R: Read>(source: &mut R) -> Result<[u8; 16], MediaError> {
    let mut name = [0; 16];
    source.read_exact(&mut name)?;
    Ok(name)
}

fn read_top_header<R: Read + Seek>(source: &mut R, at: u64, file_len: u64) -> Result<([u8; 4], u64, u64), MediaError> {
    let mut header = [0; 8];
    source.seek(SeekFrom::Start(at))?;
    source.read_exact(&mut header)?;
    let [a, b, c, d, kind @ ..] = header;
    match u32::from_be_bytes([a, b, c, d]) {
        0 => Ok((kind, 8, file_len.saturating_sub(at))),
        1 => {
            let mut large = [0; 8];
            source.read_exact(&mut large).map_err(|_| MediaError::malformed("mp4", at, "a box header is cut"))?;
            Ok((kind, 16, u64::from_be_bytes(large)))
        }
        size => Ok((kind, 8, size.into())),
    }
}

pub(super) fn read_span<R: Read + Seek>(source: &mut R, span: &Range<u64>) -> Result<Vec<u8>, MediaError> {
    let length = span.end.saturating_sub(span.start);
    if length > MAX_MOOV {
        return Err(MediaError::Limit { what: "bytes of index", found: length, allowed: MAX_MOOV });
    }
    source.seek(SeekFrom::Start(span.start))?;
    let mut bytes = Vec::new();
    source.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != length {
        return Err(MediaError::malformed("mp4", span.start, "the file shrank while it was read"));
    }
    Ok(bytes)
}
