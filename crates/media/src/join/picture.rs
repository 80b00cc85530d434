//! What is needed of a picture: its packets, the order in which they are shown, and how they are coded.

use std::io::{Read, Seek};
use std::ops::Range;

use seedpost_core::time::FrameRate;

use super::Part;
use super::boxes::boxed;
use crate::MediaError;
use crate::mp4::{Atom, Movie, Runs, Track, TrackKind, atoms, child, inside};

/// The bytes of a picture's sample entry before the boxes in it (14496-12, 12.1.3).
const ENTRY: usize = 78;

/// A picture, as far as it is needed.
pub(super) struct Picture {
    /// How it is coded: the whole sample entry, without its bit rates, which are those of its own file.
    pub(super) entry: Vec<u8>,
    /// How it is turned, and how large it is shown: the end of its track's header.
    pub(super) shape: [u8; 44],
    /// Where its packets lie, in the order in which they are decoded.
    pub(super) packets: Vec<Range<u64>>,
    /// The place of each packet in the order in which they are shown.
    pub(super) ranks: Vec<u32>,
    /// The packets that can be decoded without others, from 0.
    pub(super) sync: Vec<u32>,
    /// The place of the first frame that is used.
    pub(super) first: u64,
}

/// Reads the tables of a file.
pub(super) fn read<R: Read + Seek>(source: &mut R, part: &Part, rate: FrameRate) -> Result<Picture, MediaError> {
    let movie = Movie::read(source)?;
    let track = movie.first(TrackKind::Picture);
    let track = track.ok_or_else(|| MediaError::Unsupported("a file without picture".to_owned()))?;
    match movie.rate(track) {
        Some(found) if found == rate => {}
        Some(found) => {
            let what = format!("a picture at {found} frames a second among those at {rate}");
            return Err(MediaError::Unsupported(what));
        }
        None => return Err(MediaError::Unsupported("a picture whose frames are not evenly spaced".to_owned())),
    }
    let mut packets = movie.packets(track)?;
    let bytes = packets.iter().fold(0_u64, |sum, packet| sum.saturating_add(packet.end.saturating_sub(packet.start)));
    // Packets that overlap would let a small file grow without end.
    if bytes > movie.file_len {
        return Err(MediaError::Limit { what: "bytes of its picture", found: bytes, allowed: movie.file_len });
    }
    let trak = Atom::whole(movie.moov.get(track.place.clone()).unwrap_or_default())?;
    let inner = atoms(trak)?;
    let stbl = stbl(trak)?;
    let tables = atoms(stbl)?;
    let times = times(&tables, stbl, packets.len())?;
    let (mut ranks, order) = ranks(&times).ok_or_else(|| stbl.fault("two frames are shown at once"))?;
    let first = part.from.0.saturating_add(hidden(track, &times)?);
    let last = first.saturating_add(part.frames.0);
    let there = movie.frames(track).0;
    if part.frames.0 == 0 || part.from.0.saturating_add(part.frames.0) > there || last > ranks.len() as u64 {
        let what = format!("frames {} to {} are used of {there}", part.from.0, last.saturating_sub(first));
        return Err(stbl.fault(what));
    }
    let used = order.iter().take(usize::try_from(last).unwrap_or(usize::MAX));
    let needed = used.max().map_or(0, |index| (*index as usize).saturating_add(1));
    packets.truncate(needed);
    ranks = self::ranks(times.get(..needed).unwrap_or_default()).ok_or_else(|| stbl.fault("no frames"))?.0;
    let mut sync = sync(&tables, packets.len())?;
    sync.retain(|index| (*index as usize) < needed);
    if sync.first() != Some(&0) {
        return Err(MediaError::Unsupported("a picture whose first frame needs another one".to_owned()));
    }
    let tkhd = child(&inner, b"tkhd", trak)?;
    let shape = tkhd.body.last_chunk::<44>().copied().ok_or_else(|| tkhd.fault("it is too short for its fields"))?;
    Ok(Picture { entry: entry(&tables, stbl)?, shape, packets, ranks, sync, first })
}

/// The table box of a track.
pub(super) fn stbl(trak: Atom<'_>) -> Result<Atom<'_>, MediaError> {
    let mdia = child(&atoms(trak)?, b"mdia", trak)?;
    let minf = child(&atoms(mdia)?, b"minf", mdia)?;
    child(&atoms(minf)?, b"stbl", minf)
}

/// When each packet is shown, in the track's ticks, before the edit list.
fn times(tables: &[Atom<'_>], stbl: Atom<'_>, count: usize) -> Result<Vec<i64>, MediaError> {
    let ctts = tables.iter().find(|atom| atom.kind == *b"ctts").copied();
    let (mut steps, mut offsets) = (Runs::of(Some(child(tables, b"stts", stbl)?))?, Runs::of(ctts)?);
    let mut times = Vec::with_capacity(count);
    let mut at: i64 = 0;
    for _ in 0..count {
        let step = steps.next()?.ok_or_else(|| stbl.fault("it has more packets than lengths of packets"))?;
        // Early writers give offsets a sign in version 0 too.
        times.push(at.saturating_add(offsets.next()?.map_or(0, u32::cast_signed).into()));
        at = at.saturating_add(step.into());
    }
    Ok(times)
}

/// The place of each packet in the order of showing, and the packet at each place; `None` where two share one.
fn ranks(times: &[i64]) -> Option<(Vec<u32>, Vec<u32>)> {
    let mut order: Vec<(i64, u32)> = times.iter().copied().zip(0..).collect();
    order.sort_unstable();
    if order.iter().zip(order.iter().skip(1)).any(|(one, next)| one.0 == next.0) {
        return None;
    }
    let mut ranks = vec![0; times.len()];
    for (rank, (_, index)) in (0..).zip(&order) {
        *ranks.get_mut(*index as usize)? = rank;
    }
    Some((ranks, order.into_iter().map(|(_, index)| index).collect()))
}

/// How many frames the file's own edit list hides at the beginning.
fn hidden(track: &Track, times: &[i64]) -> Result<u64, MediaError> {
    let mut shown = track.edits.iter().filter_map(|edit| edit.media_time);
    let Some(begin) = shown.next() else { return Ok(0) };
    if shown.next().is_some() {
        return Err(MediaError::Unsupported("a picture that is shown in several pieces".to_owned()));
    }
    let begin = i64::try_from(begin).unwrap_or(i64::MAX);
    Ok(times.iter().filter(|time| **time < begin).count() as u64)
}

/// The packets that `stss` lists; all of them where there is none.
fn sync(tables: &[Atom<'_>], packets: usize) -> Result<Vec<u32>, MediaError> {
    let Some(stss) = tables.iter().find(|atom| atom.kind == *b"stss") else {
        return Ok((0..u32::try_from(packets).unwrap_or(u32::MAX)).collect());
    };
    let mut sync = Vec::new();
    for index in 0..stss.count(4, 4)? {
        let number = stss.u32(stss.row(8, index, 4)?)?;
        let rises = sync.last().is_none_or(|last| number > u32::saturating_add(*last, 1));
        let index = number.checked_sub(1).filter(|_| rises);
        sync.push(index.ok_or_else(|| stss.fault("its packets do not rise from 1"))?);
    }
    Ok(sync)
}

/// The only sample entry, without the box of its bit rates.
fn entry(tables: &[Atom<'_>], stbl: Atom<'_>) -> Result<Vec<u8>, MediaError> {
    let entries = inside(child(tables, b"stsd", stbl)?, 8)?;
    let [entry] = entries.as_slice() else {
        return Err(MediaError::Unsupported("a picture that is coded in several ways".to_owned()));
    };
    let mut body = entry.body.get(..ENTRY).ok_or_else(|| entry.fault("it is too short for its fields"))?.to_vec();
    // It belongs to a table of its own file (14496-12, 8.5.2.2): here there is only one, the first.
    body.splice(6..8, 1_u16.to_be_bytes());
    for atom in inside(*entry, ENTRY)?.iter().filter(|atom| atom.kind != *b"btrt") {
        body.extend(boxed(&atom.kind, &[atom.body]));
    }
    Ok(boxed(&entry.kind, &[&body]))
}
