//! One box of an MP4 index: its four letters, its body, and reads that never leave it.

use std::ops::Range;

use crate::MediaError;

/// The most children that are read of one box.
const MAX_CHILDREN: usize = 1024;

/// A box within an index.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Atom<'a> {
    pub(crate) kind: [u8; 4],
    pub(crate) body: &'a [u8],
    /// Where the box's header stands in the index.
    start: usize,
    /// Where its body stands.
    pub(crate) at: usize,
}

impl<'a> Atom<'a> {
    /// The box that is the whole of `bytes`.
    pub(crate) fn whole(bytes: &'a [u8]) -> Result<Atom<'a>, MediaError> {
        read(bytes, 0, 0)?.ok_or_else(|| MediaError::malformed("mp4", 0, "an empty index"))
    }

    /// Where the box stands in the index, with its header.
    pub(crate) fn span(&self) -> Range<usize> {
        self.start..self.at.saturating_add(self.body.len())
    }

    pub(crate) fn fault(&self, what: impl Into<String>) -> MediaError {
        let kind = String::from_utf8_lossy(&self.kind);
        MediaError::malformed("mp4", self.at as u64, format!("box {kind:?} of the index: {}", what.into()))
    }

    pub(crate) fn array<const N: usize>(&self, at: usize) -> Result<[u8; N], MediaError> {
        let bytes = at.checked_add(N).and_then(|end| self.body.get(at..end));
        bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| self.fault("it is too short for its fields"))
    }

    pub(crate) fn u8(&self, at: usize) -> Result<u8, MediaError> {
        self.array(at).map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&self, at: usize) -> Result<u16, MediaError> {
        self.array(at).map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&self, at: usize) -> Result<u32, MediaError> {
        self.array(at).map(u32::from_be_bytes)
    }

    /// A count of rows of `row` bytes that follow it; rows that are not there are a fault.
    pub(crate) fn count(&self, at: usize, row: usize) -> Result<usize, MediaError> {
        let count = self.u32(at)? as usize;
        let there = self.body.len().saturating_sub(at.saturating_add(4)).checked_div(row).unwrap_or(0);
        if count > there {
            return Err(self.fault(format!("it counts {count} rows and holds {there}")));
        }
        Ok(count)
    }

    /// Where a row begins.
    pub(crate) fn row(&self, first: usize, index: usize, row: usize) -> Result<usize, MediaError> {
        index.checked_mul(row).and_then(|offset| first.checked_add(offset)).ok_or_else(|| self.fault("a row too far"))
    }
}

/// The boxes inside a box.
pub(crate) fn atoms(parent: Atom<'_>) -> Result<Vec<Atom<'_>>, MediaError> {
    inside(parent, 0)
}

/// The boxes inside a box from a byte of its body on.
pub(crate) fn inside(parent: Atom<'_>, mut from: usize) -> Result<Vec<Atom<'_>>, MediaError> {
    let mut found = Vec::new();
    while let Some(atom) = read(parent.body, from, parent.at)? {
        from = atom.span().end.saturating_sub(parent.at);
        found.push(atom);
        if found.len() > MAX_CHILDREN {
            return Err(MediaError::Limit {
                what: "boxes in one box",
                found: found.len() as u64,
                allowed: MAX_CHILDREN as u64,
            });
        }
    }
    Ok(found)
}

/// The child of that name.
pub(crate) fn child<'a>(children: &[Atom<'a>], kind: &[u8; 4], parent: Atom<'_>) -> Result<Atom<'a>, MediaError> {
    let missing = || parent.fault(format!("it has no {:?}", String::from_utf8_lossy(kind)));
    children.iter().find(|atom| atom.kind == *kind).copied().ok_or_else(missing)
}

/// Reads the box at `from`; `base` is where `bytes` begins in the index. `None` at the end, and for
/// the zero padding that QuickTime writers leave there.
fn read(bytes: &[u8], from: usize, base: usize) -> Result<Option<Atom<'_>>, MediaError> {
    let rest = bytes.get(from..).unwrap_or_default();
    let Some((header, after)) = rest.split_first_chunk::<8>() else { return Ok(None) };
    let [a, b, c, d, kind @ ..] = *header;
    let start = base.saturating_add(from);
    let fault = |what: &str| {
        MediaError::malformed(
            "mp4",
            start as u64,
            format!("box {:?} of the index: {what}", String::from_utf8_lossy(&kind)),
        )
    };
    let (skip, size) = match u32::from_be_bytes([a, b, c, d]) {
        0 => return if kind == [0; 4] { Ok(None) } else { Err(fault("its size is zero")) },
        1 => {
            let large = after.first_chunk::<8>().ok_or_else(|| fault("its header is cut"))?;
            (16, usize::try_from(u64::from_be_bytes(*large)).map_err(|_| fault("its size is absurd"))?)
        }
        size => (8_usize, size as usize),
    };
    let body = rest.get(skip..size).ok_or_else(|| fault("it passes the end of the box around it"))?;
    Ok(Some(Atom { kind, body, start, at: start.saturating_add(skip) }))
}
