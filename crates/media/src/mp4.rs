//! MP4 and MOV (ISO/IEC 14496-12) read from their tables: tracks, lengths, edit lists, chunk places.
//!
//! Every length is checked against the box around it and the file before it is used. Deliberately
//! absent: movie fragments, encryption and anything that needs the media data itself.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod atom;
mod avc;
mod colour;
mod entry;
mod esds;
mod shown;
mod table;
mod timecode;
mod top;

use std::io::{Read, Seek};
use std::ops::Range;

use seedpost_core::media::{ColourInfo, Edit};
use seedpost_core::time::SampleRate;

use crate::MediaError;
pub(crate) use atom::{Atom, atoms, child, inside};
use shown::Window;
pub(crate) use table::{ChunkTable, Pace, Runs};
pub(crate) use top::check_boxes;
pub use top::{Outline, outline};
use top::{no_moov, read_span, read_top};

/// The largest index that is read into memory: an hour of picture needs about 3 MiB.
pub const MAX_MOOV: u64 = 64 << 20;
/// The most boxes at the top of a file; a real file has a handful.
const MAX_TOP: usize = 4096;

/// A file's index.
#[derive(Debug)]
pub struct Movie {
    /// What the top of the file tells.
    pub outline: Outline,
    /// Ticks of the movie's own clock in a second.
    pub timescale: u32,
    /// The tracks in file order.
    pub tracks: Vec<Track>,
    /// Where the movie's own length stands in the index (`mvhd`, 8.2.2).
    pub(crate) duration_place: Option<Range<usize>>,
    pub(crate) ftyp: Vec<u8>,
    pub(crate) moov: Vec<u8>,
    pub(crate) file_len: u64,
}

/// What a track carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackKind {
    /// Handler `vide`.
    Picture,
    /// Handler `soun`.
    Sound,
    /// Any other: timecode, text, hints.
    Other,
}

/// One track's facts.
#[derive(Debug)]
pub struct Track {
    /// What it carries.
    pub kind: TrackKind,
    /// Its number in the file.
    pub id: u32,
    /// The tracks that it refers to for timecode and chapters (`tref`, 8.3.3).
    pub refers: Vec<u32>,
    /// How long it is shown in the movie's ticks, as its header says (`tkhd`, 8.3.2).
    pub(crate) shown_length: u64,
    /// The codec as FFmpeg names it, or the sample entry's four letters.
    pub codec: String,
    /// The codec's profile as FFmpeg names it, where the codec is H.264 or AAC.
    pub profile: Option<String>,
    /// Picture only: the level as it is coded, where the codec is H.264.
    pub level: Option<u32>,
    /// Picture only: the pixel format as FFmpeg names it, where the codec is H.264.
    pub pixel_format: Option<String>,
    /// Picture only: what its numbers mean as colours, from the codec's header, else from `colr` (12.1.5).
    pub colour: ColourInfo,
    /// Ticks of the track's clock in a second; never zero.
    pub timescale: u32,
    /// The length of all samples in ticks, before the edit list.
    pub ticks: u64,
    /// How many samples (frames of picture, packets of sound) there are.
    pub sample_count: u64,
    /// How long samples are.
    pub(crate) pace: Pace,
    /// How many samples its edit list shows.
    shown: u64,
    /// When its first sample is shown, in ticks, before the edit list: decoders need time to bring frames in order.
    first_shown: u64,
    /// Picture only: width and height in pixels.
    pub size: (u32, u32),
    /// Picture only: degrees clockwise that a player turns it, from the header's matrix (8.3.2).
    pub rotation: u16,
    /// Picture only: width and height of the shape of a pixel (`pasp`, 12.1.4); 1 and 1 where it is not told.
    pub pixel_aspect: (u32, u32),
    /// Sound only: the sample rate and the number of channels, from the codec's own header; `None` where it does
    /// not tell, or tells what decoders of it here do not know.
    pub sound: Option<(SampleRate, u32)>,
    /// Sound only: which speakers its channels are for, as FFmpeg names them, where the codec is AAC.
    pub layout: Option<String>,
    /// Sound only: the codec's own header (`AudioSpecificConfig` of AAC); empty for others.
    pub(crate) config: Vec<u8>,
    /// The edit list (14496-12, 8.6.6).
    pub edits: Vec<Edit>,
    /// Where the track's box stands in the index.
    pub(crate) place: Range<usize>,
}

/// Which of a sound track's decoded samples are heard, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presentation {
    /// Silence before the sound, in samples.
    pub delay: u64,
    /// Samples of lead to drop.
    pub skip: u64,
    /// Samples heard after that; `None`: all.
    pub length: Option<u64>,
    /// Whether an edit list said so; otherwise the encoder's lead is unknown.
    pub known: bool,
}

impl Movie {
    /// Reads the index.
    ///
    /// # Errors
    /// `Unsupported` for fragmented files, `Limit` for an index over [`MAX_MOOV`], `Malformed` for
    /// anything that contradicts itself.
    pub fn read<R: Read + Seek>(source: &mut R) -> Result<Movie, MediaError> {
        let top = read_top(source)?;
        let moov = read_span(source, &top.moov.clone().ok_or_else(|| no_moov(top.file_len))?)?;
        let ftyp = match &top.ftyp {
            Some(span) => read_span(source, span)?,
            None => Vec::new(),
        };
        let body = Atom::whole(&moov)?;
        let children = atoms(body)?;
        if top.fragmented || children.iter().any(|atom| atom.kind == *b"mvex") {
            return Err(MediaError::Unsupported("a fragmented MP4".to_owned()));
        }
        let mvhd = child(&children, b"mvhd", body)?;
        let timescale = clock(mvhd)?;
        let mut tracks = Vec::new();
        for atom in children.iter().filter(|atom| atom.kind == *b"trak") {
            tracks.push(read_track(*atom, timescale)?);
        }
        let (from, width) = if mvhd.u8(0)? == 1 { (24, 8) } else { (16, 4) };
        let from = mvhd.at.saturating_add(from);
        let duration_place = Some(from..from.saturating_add(width));
        Ok(Movie { outline: top.outline(&ftyp), timescale, tracks, duration_place, ftyp, moov, file_len: top.file_len })
    }

    /// Where a track's media lies; all of it lies inside the file.
    pub(crate) fn chunks(&self, track: &Track) -> Result<ChunkTable, MediaError> {
        ChunkTable::read(self.moov.get(track.place.clone()).unwrap_or_default(), self.file_len)
    }

    /// Where each packet of a track lies, in the order in which they are decoded; all of them lie inside the file.
    pub(crate) fn packets(&self, track: &Track) -> Result<Vec<Range<u64>>, MediaError> {
        let mut packets = Vec::new();
        let trak = self.moov.get(track.place.clone()).unwrap_or_default();
        ChunkTable::each(trak, self.file_len, Some(&mut packets))?;
        Ok(packets)
    }

    /// Whether a track is encrypted (ISO/IEC 23001-7): its entry says so in place of its codec.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.tracks.iter().any(|track| matches!(track.codec.as_str(), "encv" | "enca" | "drms" | "drmi"))
    }

    /// The first track of a kind.
    #[must_use]
    pub fn first(&self, kind: TrackKind) -> Option<&Track> {
        self.tracks.iter().find(|track| track.kind == kind)
    }
}

/// Reads the timescale of an `mvhd` or `mdhd` (8.2.2, 8.4.2), which must not be zero.
fn clock(header: Atom<'_>) -> Result<u32, MediaError> {
    let at = if header.u8(0)? == 1 { 20 } else { 12 };
    match header.u32(at)? {
        0 => Err(header.fault("a timescale of zero")),
        timescale => Ok(timescale),
    }
}

fn read_track(trak: Atom<'_>, movie: u32) -> Result<Track, MediaError> {
    let children = atoms(trak)?;
    let mdia = child(&children, b"mdia", trak)?;
    let media = atoms(mdia)?;
    let kind = match &child(&media, b"hdlr", mdia)?.array::<4>(8)? {
        b"vide" => TrackKind::Picture,
        b"soun" => TrackKind::Sound,
        _ => TrackKind::Other,
    };
    let timescale = clock(child(&media, b"mdhd", mdia)?)?;
    let minf = child(&media, b"minf", mdia)?;
    let stbl = child(&atoms(minf)?, b"stbl", minf)?;
    let tables = atoms(stbl)?;
    let stts = child(&tables, b"stts", stbl)?;
    let timing = table::timing(stts)?;
    let entry = table::first_entry(child(&tables, b"stsd", stbl)?)?;
    let edits = read_edits(&children)?;
    let sample_count = table::sample_count(&tables, stbl, kind)?;
    let ctts = tables.iter().find(|atom| atom.kind == *b"ctts").copied();
    let window = Window::of(&edits, timescale, movie).filter(|_| kind == TrackKind::Picture);
    let shown = window.map(|window| table::shown_frames(stts, ctts, sample_count, window)).transpose()?;
    let tkhd = child(&children, b"tkhd", trak)?;
    let (id, shown_length) = track_header(tkhd)?;
    let mut track = Track {
        kind,
        id,
        refers: read_references(&children)?,
        shown_length,
        codec: entry::codec(entry.kind),
        profile: None,
        level: None,
        pixel_format: None,
        colour: ColourInfo::default(),
        timescale,
        ticks: timing.ticks,
        sample_count,
        pace: timing.pace,
        shown: shown.map_or(sample_count, |(count, _)| count),
        first_shown: shown.map_or(0, |(_, first)| first),
        size: (0, 0),
        rotation: rotation(tkhd)?,
        pixel_aspect: (1, 1),
        sound: None,
        layout: None,
        config: Vec::new(),
        edits,
        place: trak.span(),
    };
    match kind {
        TrackKind::Picture => {
            track.size = (entry.u16(24)?.into(), entry.u16(26)?.into());
            entry::read_picture(entry, &mut track);
        }
        TrackKind::Sound => entry::read_sound(entry, &mut track)?,
        TrackKind::Other => {}
    }
    Ok(track)
}

/// A track's number and length (8.3.2).
fn track_header(tkhd: Atom<'_>) -> Result<(u32, u64), MediaError> {
    if tkhd.u8(0)? == 1 {
        return Ok((tkhd.u32(20)?, u64::from_be_bytes(tkhd.array(28)?)));
    }
    Ok((tkhd.u32(12)?, tkhd.u32(20)?.into()))
}

/// The tracks that a track refers to for timecode and chapters.
fn read_references(track: &[Atom<'_>]) -> Result<Vec<u32>, MediaError> {
    let Some(tref) = track.iter().find(|atom| atom.kind == *b"tref") else { return Ok(Vec::new()) };
    let kept = atoms(*tref)?.into_iter().filter(|atom| matches!(&atom.kind, b"chap" | b"tmcd"));
    let ids = kept.flat_map(|atom| atom.body.as_chunks::<4>().0).map(|id| u32::from_be_bytes(*id));
    Ok(ids.filter(|id| *id != 0).collect())
}

/// The quarter turns of a `tkhd` matrix (8.3.2); anything else counts as upright.
fn rotation(tkhd: Atom<'_>) -> Result<u16, MediaError> {
    let at: usize = if tkhd.u8(0)? == 1 { 52 } else { 40 };
    let cell = |index: usize| Ok::<_, MediaError>(i32::from_be_bytes(tkhd.array(at.saturating_add(index))?).signum());
    Ok(match (cell(0)?, cell(4)?, cell(12)?, cell(16)?) {
        (0, 1, -1, 0) => 90,
        (-1, 0, 0, -1) => 180,
        (0, -1, 1, 0) => 270,
        _ => 0,
    })
}

fn read_edits(track: &[Atom<'_>]) -> Result<Vec<Edit>, MediaError> {
    let Some(edts) = track.iter().find(|atom| atom.kind == *b"edts") else { return Ok(Vec::new()) };
    let Some(elst) = atoms(*edts)?.into_iter().find(|atom| atom.kind == *b"elst") else { return Ok(Vec::new()) };
    let wide = elst.u8(0)? == 1;
    let row = if wide { 20 } else { 12 };
    let mut edits = Vec::new();
    for index in 0..elst.count(4, row)? {
        let at = elst.row(8, index, row)?;
        let (length, media_time) = if wide {
            let media_time = i64::from_be_bytes(elst.array(at.saturating_add(8))?);
            (u64::from_be_bytes(elst.array(at)?), media_time)
        } else {
            let media_time = i32::from_be_bytes(elst.array(at.saturating_add(4))?);
            (elst.u32(at)?.into(), media_time.into())
        };
        let media_time = match media_time {
            // An empty edit; nothing else may be negative (8.6.6.3).
            -1 => None,
            time => Some(u64::try_from(time).map_err(|_| elst.fault("an edit begins before its media"))?),
        };
        edits.push(Edit { length, media_time });
    }
    Ok(edits)
}
