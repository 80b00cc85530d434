//! The tables of a track: how long samples are (`stts`), how many and how large (`stsz`), how they
//! lie in chunks (`stsc`) and where the chunks are (`stco`, `co64`). 14496-12, 8.6 and 8.7.

use std::ops::Range;

use super::TrackKind;
use super::atom::{Atom, atoms, child, inside};
use super::shown::Window;
use crate::MediaError;

/// The most samples of one track: 13 hours at 60 frames a second, 17 of AAC at 48 kHz.
const MAX_SAMPLES: u64 = 3_000_000;

pub(super) struct Timing {
    pub(super) ticks: u64,
    pub(super) pace: Pace,
}

/// How long the samples of a track are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// All so many ticks.
    Even(u32),
    /// Alike but for a tick, as a coarse clock rounds them.
    Rounded,
    /// Not alike.
    Uneven,
}

/// Reads `stts`. The last sample may have a length of its own, as writers that cut sound leave it.
pub(super) fn timing(stts: Atom<'_>) -> Result<Timing, MediaError> {
    let rows = stts.count(4, 8)?;
    let mut ticks: u64 = 0;
    let mut span: Option<(u32, u32)> = None;
    for index in 0..rows {
        let at = stts.row(8, index, 8)?;
        let (count, delta) = (stts.u32(at)?, stts.u32(at.saturating_add(4))?);
        let length = u64::from(count).checked_mul(delta.into());
        ticks = length
            .and_then(|length| ticks.checked_add(length))
            .ok_or_else(|| stts.fault("the samples last too long"))?;
        let is_last = index.saturating_add(1) == rows && count == 1;
        // No longer than two of the others: a frame of hours is no rounding.
        let last_alone = is_last && span.is_some_and(|(_, most)| delta <= most.saturating_mul(2));
        if !last_alone {
            let (least, most) = span.unwrap_or((delta, delta));
            span = Some((least.min(delta), most.max(delta)));
        }
    }
    let pace = match span {
        Some((least, most)) if least == most && least > 0 => Pace::Even(least),
        Some((least, most)) if least > 1 && most.saturating_sub(least) == 1 => Pace::Rounded,
        _ => Pace::Uneven,
    };
    Ok(Timing { ticks, pace })
}

/// Counts the frames that a window shows, by their time of showing (`stts` and `ctts`, 8.6.1); and tells when the first
/// of all is shown, in the track's ticks. Of at most `most` frames.
pub(super) fn shown_frames(
    stts: Atom<'_>,
    ctts: Option<Atom<'_>>,
    most: u64,
    window: Window,
) -> Result<(u64, u64), MediaError> {
    let mut earliest = i128::MAX;
    let (mut offsets, mut steps) = (Runs::of(ctts)?, Runs::of(Some(stts))?);
    let (mut at, mut found): (i128, u64) = (0, 0);
    for _ in 0..most {
        let Some(step) = steps.next()? else { break };
        // Early writers give offsets a sign in version 0 too.
        let offset = offsets.next()?.map_or(0, |offset| i128::from(offset.cast_signed()));
        let shown_at = at.saturating_add(offset);
        earliest = earliest.min(shown_at);
        found = found.saturating_add(u64::from(window.shows(shown_at)));
        at = at.saturating_add(step.into());
    }
    Ok((found, u64::try_from(earliest).ok().filter(|_| at > 0).unwrap_or(0)))
}

/// The values of a table of runs (a count and a value a row), one a sample.
pub(crate) struct Runs<'a> {
    table: Option<Atom<'a>>,
    rows: usize,
    next: usize,
    left: u32,
    value: u32,
}

impl<'a> Runs<'a> {
    /// Begins at the table's first row; a table that is not there has no values.
    pub(crate) fn of(table: Option<Atom<'a>>) -> Result<Runs<'a>, MediaError> {
        Ok(Runs { table, rows: table.map_or(Ok(0), |table| table.count(4, 8))?, next: 0, left: 0, value: 0 })
    }

    /// The value of the next sample.
    pub(crate) fn next(&mut self) -> Result<Option<u32>, MediaError> {
        let Some(table) = self.table else { return Ok(None) };
        while self.left == 0 {
            if self.next >= self.rows {
                return Ok(None);
            }
            let at = table.row(8, self.next, 8)?;
            (self.left, self.value) = (table.u32(at)?, table.u32(at.saturating_add(4))?);
            self.next = self.next.saturating_add(1);
        }
        self.left = self.left.saturating_sub(1);
        Ok(Some(self.value))
    }
}

/// The first sample entry of `stsd`.
pub(super) fn first_entry(stsd: Atom<'_>) -> Result<Atom<'_>, MediaError> {
    let entries = inside(stsd, 8)?;
    entries.first().copied().ok_or_else(|| stsd.fault("no sample entry"))
}

/// Counts samples, each of which must have a size in the table unless all are alike.
pub(super) fn sample_count(tables: &[Atom<'_>], stbl: Atom<'_>, kind: TrackKind) -> Result<u64, MediaError> {
    let count = Sizes::read(child(tables, b"stsz", stbl)?)?.count;
    // Of plain sound each sample is one of the table, and nothing is done for each.
    if kind != TrackKind::Sound && count > MAX_SAMPLES {
        return Err(too_many(count));
    }
    Ok(count)
}

fn too_many(count: u64) -> MediaError {
    MediaError::Limit { what: "samples of one track", found: count, allowed: MAX_SAMPLES }
}

struct Sizes<'a> {
    stsz: Atom<'a>,
    common: u32,
    count: u64,
}

impl<'a> Sizes<'a> {
    fn read(stsz: Atom<'a>) -> Result<Sizes<'a>, MediaError> {
        let common = stsz.u32(4)?;
        let count = if common == 0 { stsz.count(8, 4)? as u64 } else { stsz.u32(8)?.into() };
        if common == 0 && count > MAX_SAMPLES {
            return Err(too_many(count));
        }
        Ok(Sizes { stsz, common, count })
    }

    fn of(&self, sample: u64) -> Result<u64, MediaError> {
        if sample >= self.count {
            return Err(self.stsz.fault("the chunks hold more samples than there are sizes"));
        }
        if self.common > 0 {
            return Ok(self.common.into());
        }
        let index = usize::try_from(sample).map_err(|_| self.stsz.fault("a sample too far"))?;
        self.stsz.u32(self.stsz.row(12, index, 4)?).map(u64::from)
    }
}

/// Where a track's media lies in the file, chunk by chunk, and where the index says so.
pub(crate) struct ChunkTable {
    /// Each chunk's bytes in the file, in the table's order.
    pub(crate) chunks: Vec<Range<u64>>,
    /// Where the first offset stands, counted from the track's own box.
    pub(crate) offsets_at: usize,
    /// Whether offsets have 64 bits.
    pub(crate) wide: bool,
}

impl ChunkTable {
    /// Reads the table of a whole `trak` box; every chunk must lie inside the file.
    pub(crate) fn read(trak: &[u8], file_len: u64) -> Result<ChunkTable, MediaError> {
        ChunkTable::each(trak, file_len, None)
    }

    /// As [`ChunkTable::read`]; `packets` gets the bytes of each sample in the file, in the table's order.
    pub(crate) fn each(
        trak: &[u8],
        file_len: u64,
        packets: Option<&mut Vec<Range<u64>>>,
    ) -> Result<ChunkTable, MediaError> {
        let whole = Atom::whole(trak)?;
        let mdia = child(&atoms(whole)?, b"mdia", whole)?;
        let minf = child(&atoms(mdia)?, b"minf", mdia)?;
        let stbl = child(&atoms(minf)?, b"stbl", minf)?;
        let tables = atoms(stbl)?;
        if tables.iter().any(|atom| matches!(&atom.kind, b"saio" | b"senc")) {
            return Err(MediaError::Unsupported("an encrypted track".to_owned()));
        }
        let sizes = Sizes::read(child(&tables, b"stsz", stbl)?)?;
        if packets.is_some() && sizes.count > MAX_SAMPLES {
            return Err(too_many(sizes.count));
        }
        let runs = read_runs(child(&tables, b"stsc", stbl)?)?;
        let wide = !tables.iter().any(|atom| atom.kind == *b"stco");
        let offsets = child(&tables, if wide { b"co64" } else { b"stco" }, stbl)?;
        let chunks = read_chunks(offsets, wide, &runs, &sizes, file_len, packets)?;
        Ok(ChunkTable { chunks, offsets_at: offsets.at.saturating_add(8), wide })
    }
}

/// Rows of `stsc`: the first chunk of a run, from 1, and the samples in each of its chunks.
fn read_runs(stsc: Atom<'_>) -> Result<Vec<(u32, u32)>, MediaError> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for index in 0..stsc.count(4, 12)? {
        let at = stsc.row(8, index, 12)?;
        let run = (stsc.u32(at)?, stsc.u32(at.saturating_add(4))?);
        let follows = runs.last().map_or(run.0 == 1, |last| run.0 > last.0);
        if !follows {
            return Err(stsc.fault("its first chunks do not rise from 1"));
        }
        runs.push(run);
    }
    Ok(runs)
}

fn read_chunks(
    offsets: Atom<'_>,
    wide: bool,
    runs: &[(u32, u32)],
    sizes: &Sizes<'_>,
    file_len: u64,
    mut packets: Option<&mut Vec<Range<u64>>>,
) -> Result<Vec<Range<u64>>, MediaError> {
    let row = if wide { 8 } else { 4 };
    let mut chunks = Vec::new();
    let mut sample: u64 = 0;
    let mut later = runs.iter().peekable();
    let mut in_chunk = 0;
    for index in 0..offsets.count(4, row)? {
        while let Some(run) = later.next_if(|run| u64::from(run.0) <= (index as u64).saturating_add(1)) {
            in_chunk = run.1;
        }
        let at = offsets.row(8, index, row)?;
        let start = if wide { u64::from_be_bytes(offsets.array(at)?) } else { offsets.u32(at)?.into() };
        let mut end = start;
        // Of samples that are all alike, those of plain sound, a chunk is as good as one where nobody wants each.
        let alike =
            (sizes.common > 0 && packets.is_none()).then(|| u64::from(sizes.common).saturating_mul(in_chunk.into()));
        for _ in 0..if alike.is_some() { 1 } else { in_chunk } {
            let next = end.saturating_add(alike.map_or_else(|| sizes.of(sample), Ok)?);
            if next > file_len {
                return Err(offsets.fault(format!("chunk {} passes the end of the file", index.saturating_add(1))));
            }
            if let Some(packets) = &mut packets {
                packets.push(end..next);
            }
            end = next;
            sample = sample.saturating_add(alike.map_or(1, |_| in_chunk.into()));
        }
        chunks.push(start..end);
    }
    if sample != sizes.count {
        return Err(offsets.fault(format!("the chunks hold {sample} samples of {}", sizes.count)));
    }
    Ok(chunks)
}
