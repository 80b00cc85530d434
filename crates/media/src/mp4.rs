//! MP4 and MOV (ISO/IEC 14496-12) read from their tables: tracks, lengths, edit lists, chunk places.
//!
//! Every length is checked against the box around it and the file before it is used. Deliberately
//! absent: movie fragments, encryption and anything that needs the media data itself.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod atom;
mod entry;
mod esds;
mod table;

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use seedpost_core::time::{ClockTime, FrameRate, Frames, Rounding, SampleRate, Samples};

use crate::MediaError;
use atom::{Atom, atoms, child};
pub(crate) use table::{ChunkTable, Pace};

/// The largest index that is read into memory: an hour of picture needs about 3 MiB.
pub const MAX_MOOV: u64 = 64 << 20;
/// The most boxes at the top of a file; a real file has a handful.
const MAX_TOP: usize = 4096;

/// A file's index.
#[derive(Debug)]
pub struct Movie {
    /// The major brand, such as `isom` or `qt  `; empty where the file has no `ftyp`.
    pub brand: String,
    /// Ticks of the movie's own clock in a second.
    pub timescale: u32,
    /// Whether the index stands before the media.
    pub fast_start: bool,
    /// The tracks in file order.
    pub tracks: Vec<Track>,
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
    /// The codec as FFmpeg names it, or the sample entry's four letters.
    pub codec: String,
    /// Ticks of the track's clock in a second; never zero.
    pub timescale: u32,
    /// The length of all samples in ticks, before the edit list.
    pub ticks: u64,
    /// How many samples (frames of picture, packets of sound) there are.
    pub sample_count: u64,
    /// How long samples are.
    pub(crate) pace: Pace,
    /// Picture only: width and height in pixels.
    pub size: (u32, u32),
    /// Picture only: degrees clockwise that a player turns it, from the header's matrix (8.3.2).
    pub rotation: u16,
    /// Picture only: width and height of the shape of a pixel (`pasp`, 12.1.4); 1 and 1 where it is not told.
    pub pixel_aspect: (u32, u32),
    /// Sound only: the sample rate and the number of channels, from the codec's own header; `None` where it does
    /// not tell, or tells what decoders of it here do not know.
    pub sound: Option<(SampleRate, u32)>,
    /// The edit list (14496-12, 8.6.6).
    pub edits: Vec<Edit>,
    /// Where the track's box stands in the index.
    pub(crate) place: Range<usize>,
}

/// One entry of an edit list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edit {
    /// Its length in the movie's ticks; zero means "to the end".
    pub length: u64,
    /// Where it begins in the track's ticks; `None` is an empty edit.
    pub media_time: Option<u64>,
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
            tracks.push(read_track(*atom)?);
        }
        let brand = ftyp.get(8..12).map(|brand| String::from_utf8_lossy(brand).into_owned()).unwrap_or_default();
        let fast_start = top.moov.zip(top.mdat).is_none_or(|(moov, mdat)| moov.start < mdat);
        Ok(Movie { brand, timescale, fast_start, tracks, ftyp, moov, file_len: top.file_len })
    }

    /// Where a track's media lies; all of it lies inside the file.
    pub(crate) fn chunks(&self, track: &Track) -> Result<ChunkTable, MediaError> {
        ChunkTable::read(self.moov.get(track.place.clone()).unwrap_or_default(), self.file_len)
    }

    /// The first track of a kind.
    #[must_use]
    pub fn first(&self, kind: TrackKind) -> Option<&Track> {
        self.tracks.iter().find(|track| track.kind == kind)
    }

    /// The frame rate of a picture track; `None` where frames differ in length by more than their clock's tick.
    #[must_use]
    pub fn rate(&self, track: &Track) -> Option<FrameRate> {
        match track.pace {
            Pace::Even(ticks) => FrameRate::new(track.timescale, ticks),
            Pace::Rounded => nearest_rate(track),
            Pace::Uneven => None,
        }
    }

    /// The frames of a picture track that its edit list shows.
    #[must_use]
    pub fn frames(&self, track: &Track) -> Frames {
        let shown = self.shown(track).zip(self.rate(track)).and_then(|(ticks, rate)| {
            let num = u128::from(ticks).checked_mul(u128::from(rate.num()))?;
            let den = u128::from(self.timescale).checked_mul(u128::from(rate.den()))?;
            Rounding::Nearest.divide(num, den)
        });
        Frames(shown.map_or(track.sample_count, |shown| shown.min(track.sample_count)))
    }

    /// How long a picture track is shown, to the nearest microsecond.
    #[must_use]
    pub fn shown_time(&self, track: &Track) -> Option<ClockTime> {
        let all = (track.ticks, track.timescale);
        let (ticks, scale) = self.shown(track).map_or(all, |ticks| (ticks, self.timescale));
        Rounding::Nearest.divide(u128::from(ticks).checked_mul(1_000_000)?, scale.into()).map(ClockTime)
    }

    /// The length of the only edit that shows media, in the movie's ticks.
    fn shown(&self, track: &Track) -> Option<u64> {
        let mut shown = track.edits.iter().filter(|edit| edit.media_time.is_some());
        let only = shown.next()?;
        (shown.next().is_none() && only.length > 0).then_some(only.length)
    }

    /// Which samples of a sound track are heard. Several edits that show media count as unknown.
    #[must_use]
    pub fn presentation(&self, track: &Track) -> Presentation {
        let all = Presentation { delay: 0, skip: 0, length: None, known: false };
        let Some((rate, _)) = track.sound else { return all };
        let to_samples = |ticks: u64, scale: u32| {
            Rounding::Nearest.divide(u128::from(ticks).saturating_mul(u128::from(rate.hertz())), u128::from(scale))
        };
        let mut delay: u64 = 0;
        let mut edits = track.edits.iter();
        for edit in edits.by_ref() {
            let Some(media_time) = edit.media_time else {
                delay = delay.saturating_add(edit.length);
                continue;
            };
            if edits.any(|edit| edit.media_time.is_some()) {
                return all;
            }
            let known = (|| {
                let length = if edit.length == 0 { None } else { Some(to_samples(edit.length, self.timescale)?) };
                Some(Presentation {
                    delay: to_samples(delay, self.timescale)?,
                    skip: to_samples(media_time, track.timescale)?,
                    length,
                    known: true,
                })
            })();
            return known.unwrap_or(all);
        }
        all
    }

    /// The samples of a sound track that are heard, with the silence before them.
    #[must_use]
    pub fn heard(&self, track: &Track) -> Option<Samples> {
        let (rate, _) = track.sound?;
        let all = Rounding::Nearest
            .divide(u128::from(track.ticks).checked_mul(u128::from(rate.hertz()))?, u128::from(track.timescale))?;
        let presentation = self.presentation(track);
        let after = all.saturating_sub(presentation.skip);
        let heard = presentation.length.map_or(after, |length| length.min(after));
        Some(Samples(presentation.delay.saturating_add(heard)))
    }
}

/// The usual rate at which so many frames last that long, to within two ticks of the track's clock.
fn nearest_rate(track: &Track) -> Option<FrameRate> {
    let off = |rate: &FrameRate| {
        let ticks = u128::from(track.sample_count).checked_mul(u128::from(rate.den()))?;
        let ticks = Rounding::Nearest.divide(ticks.checked_mul(track.timescale.into())?, rate.num().into())?;
        Some(ticks.abs_diff(track.ticks))
    };
    FrameRate::usual()
        .filter_map(|rate| Some((off(&rate)?, rate)))
        .filter(|(off, _)| *off <= 2)
        .min_by_key(|(off, _)| *off)
        .map(|(_, rate)| rate)
}

/// Walks the boxes at the top of a file, none of which may pass its end.
pub(crate) fn check_boxes<R: Read + Seek>(source: &mut R) -> Result<(), MediaError> {
    read_top(source).map(|_| ())
}

struct Top {
    ftyp: Option<Range<u64>>,
    moov: Option<Range<u64>>,
    mdat: Option<u64>,
    fragmented: bool,
    file_len: u64,
}

fn no_moov(file_len: u64) -> MediaError {
    MediaError::malformed("mp4", file_len, "no index (moov): the file was cut short or never finished")
}

/// Walks the boxes at the top of the file without reading what is in them.
fn read_top<R: Read + Seek>(source: &mut R) -> Result<Top, MediaError> {
    let file_len = source.seek(SeekFrom::End(0))?;
    let mut top = Top { ftyp: None, moov: None, mdat: None, fragmented: false, file_len };
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
            _ => {}
        }
        at = end;
    }
    Err(MediaError::Limit { what: "boxes at the top of the file", found: MAX_TOP as u64, allowed: MAX_TOP as u64 })
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

fn read_span<R: Read + Seek>(source: &mut R, span: &Range<u64>) -> Result<Vec<u8>, MediaError> {
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

/// Reads the timescale of an `mvhd` or `mdhd` (8.2.2, 8.4.2), which must not be zero.
fn clock(header: Atom<'_>) -> Result<u32, MediaError> {
    let at = if header.u8(0)? == 1 { 20 } else { 12 };
    match header.u32(at)? {
        0 => Err(header.fault("a timescale of zero")),
        timescale => Ok(timescale),
    }
}

fn read_track(trak: Atom<'_>) -> Result<Track, MediaError> {
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
    let timing = table::timing(child(&tables, b"stts", stbl)?)?;
    let entry = table::first_entry(child(&tables, b"stsd", stbl)?)?;
    let mut track = Track {
        kind,
        codec: entry::codec(entry.kind),
        timescale,
        ticks: timing.ticks,
        sample_count: table::sample_count(&tables, stbl)?,
        pace: timing.pace,
        size: (0, 0),
        rotation: rotation(child(&children, b"tkhd", trak)?)?,
        pixel_aspect: (1, 1),
        sound: None,
        edits: read_edits(&children)?,
        place: trak.span(),
    };
    match kind {
        TrackKind::Picture => {
            track.size = (entry.u16(24)?.into(), entry.u16(26)?.into());
            track.pixel_aspect = entry::pixel_aspect(entry).unwrap_or((1, 1));
        }
        TrackKind::Sound => entry::read_sound(entry, &mut track)?,
        TrackKind::Other => {}
    }
    Ok(track)
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
        edits.push(Edit { length, media_time: u64::try_from(media_time).ok() });
    }
    Ok(edits)
}
