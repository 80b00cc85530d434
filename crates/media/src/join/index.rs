//! The index of a joined movie, and the order in which its media lie.

use std::ops::Range;

use seedpost_core::time::{Samples, Timecode};

use super::boxes::{boxed, numbers, packed, rows, run};
use super::picture::{Picture, stbl};
use super::sound::SoundTrack;
use super::{Form, Part};
use crate::MediaError;
use crate::mp4::{Atom, atoms, child};

/// An upright picture or a sound, without width and height.
const UPRIGHT: [u32; 9] = [0x0001_0000, 0, 0, 0, 0x0001_0000, 0, 0, 0, 0x4000_0000];
/// No language is told (14496-12, 8.4.2.3).
const UNDETERMINED: u32 = 0x55c4 << 16;

/// Where a chunk's bytes come from.
pub(super) enum Source {
    Picture { part: usize, packets: Range<usize> },
    Sound { ranges: Vec<Range<u64>> },
    Bytes([u8; 4]),
}

/// A stretch of one track's media.
pub(super) struct Chunk {
    pub(super) source: Source,
    track: usize,
    bytes: u64,
    packets: u32,
    /// Which sample entry it is coded by, from 1.
    entry: u32,
}

/// A movie that is about to be written.
pub(super) struct Layout {
    /// All that stands before the media.
    pub(super) head: Vec<u8>,
    /// The media, in their order.
    pub(super) chunks: Vec<Chunk>,
}

/// Ticks in a second, and in a frame: whole numbers of both fit samples of 48 kHz and frames, so that nothing is rounded.
struct Clock {
    second: u32,
    frame: u32,
}

impl Clock {
    fn of(form: &Form) -> Option<Clock> {
        let (num, den) = (form.rate.num(), form.rate.den());
        let (mut a, mut b) = (48_000_u32, num);
        while b > 0 {
            (a, b) = (b, a.checked_rem(b)?);
        }
        let second = 48_000_u32.checked_mul(num.checked_div(a)?)?;
        Some(Clock { second, frame: second.checked_div(num)?.checked_mul(den)? })
    }

    fn frames(&self, frames: u64) -> Result<u32, MediaError> {
        ticks(frames.checked_mul(self.frame.into()))
    }

    fn samples(&self, samples: Samples) -> Result<u32, MediaError> {
        ticks(samples.0.checked_mul(self.second.checked_div(48_000).unwrap_or(1).into()))
    }
}

/// Edits have times of 31 bits.
fn ticks(ticks: Option<u64>) -> Result<u32, MediaError> {
    let allowed = i32::MAX as u32;
    let found = ticks.unwrap_or(u64::MAX);
    let fits = u32::try_from(found).ok().filter(|found| *found <= allowed);
    fits.ok_or(MediaError::Limit { what: "ticks of the movie's clock", found, allowed: allowed.into() })
}

/// The tables of the picture's track.
#[derive(Default)]
struct Tables {
    entries: Vec<Vec<u8>>,
    packets: u32,
    offsets: Vec<[u32; 2]>,
    sync: Vec<[u32; 1]>,
    sizes: Vec<[u32; 1]>,
    edits: Vec<[u32; 3]>,
    /// The frame of the movie after the last one shown.
    end: u64,
}

impl Layout {
    pub(super) fn plan(
        pictures: &[Picture],
        parts: &[Part],
        sound: &SoundTrack,
        form: &Form,
    ) -> Result<Layout, MediaError> {
        let clock = Clock::of(form).ok_or_else(|| MediaError::Unsupported(format!("{} frames a second", form.rate)))?;
        let tables = Tables::of(pictures, parts, &clock)?;
        let chunks = chunks(pictures, parts, sound, form, &tables);
        let shape = pictures.first().map_or([0; 44], |picture| picture.shape);
        let index = Index { tables: &tables, sound, form, clock, shape, chunks: &chunks };
        let payload = chunks.iter().fold(0_u64, |sum, chunk| sum.saturating_add(chunk.bytes));
        let ftyp = ftyp(form);
        let mdat = match u32::try_from(payload.saturating_add(8)) {
            Ok(size) => [&size.to_be_bytes()[..], b"mdat"].concat(),
            Err(_) => [&1_u32.to_be_bytes()[..], b"mdat", &payload.saturating_add(16).to_be_bytes()].concat(),
        };
        // How wide offsets are changes the index's length, but what they are does not.
        let before = |wide: bool| {
            let moov = index.moov(0, wide)?;
            let lengths = [ftyp.len(), moov.len(), mdat.len()];
            Ok::<_, MediaError>(lengths.iter().fold(0_u64, |sum, length| sum.saturating_add(*length as u64)))
        };
        let wide = before(true)?.saturating_add(payload) > u32::MAX.into();
        let moov = index.moov(before(wide)?, wide)?;
        Ok(Layout { head: [ftyp, moov, mdat].concat(), chunks })
    }
}

impl Tables {
    fn of(pictures: &[Picture], parts: &[Part], clock: &Clock) -> Result<Tables, MediaError> {
        let ranks = || pictures.iter().flat_map(|picture| (0_u32..).zip(&picture.ranks));
        // So far is a frame decoded before it is shown, at most.
        let lead = ranks().map(|(index, rank)| index.saturating_sub(*rank)).max().unwrap_or(0);
        let mut tables = Tables::default();
        for (picture, part) in pictures.iter().zip(parts) {
            tables.add_entry(picture, pictures)?;
            let base = tables.packets;
            for (index, rank) in (0_u32..).zip(&picture.ranks) {
                let offset = rank.saturating_add(lead).saturating_sub(index);
                run(&mut tables.offsets, clock.frames(offset.into())?);
            }
            tables.sync.extend(picture.sync.iter().map(|index| [base.saturating_add(*index).saturating_add(1)]));
            let size = |packet: &Range<u64>| packet.end.saturating_sub(packet.start);
            let sizes = picture.packets.iter().map(|packet| [u32::try_from(size(packet)).unwrap_or(u32::MAX)]);
            tables.sizes.extend(sizes);
            let place = u64::from(base).saturating_add(lead.into()).saturating_add(picture.first);
            tables.show(part, place, clock)?;
            tables.packets = base.saturating_add(u32::try_from(picture.packets.len()).unwrap_or(u32::MAX));
        }
        // FFmpeg 5.1 goes by the wrong entry behind packets that an edit list leaves out.
        if tables.edits.len() > 1 && tables.entries.len() > 1 {
            let what = "trimmed pictures that are coded in several ways, which some programs show wrongly as one track";
            return Err(MediaError::Unsupported(what.to_owned()));
        }
        clock.frames(u64::from(tables.packets).saturating_add(lead.into()))?;
        Ok(tables)
    }

    fn add_entry(&mut self, picture: &Picture, all: &[Picture]) -> Result<(), MediaError> {
        let codec =
            |picture: &Picture| String::from_utf8_lossy(picture.entry.get(4..8).unwrap_or_default()).into_owned();
        let turned = |picture: &Picture| picture.shape.first_chunk::<36>().copied();
        let Some(first) = all.first() else { return Ok(()) };
        if codec(first) != codec(picture) {
            let what = format!("pictures in {} and {}, which cannot share a track", codec(first), codec(picture));
            return Err(MediaError::Unsupported(what));
        }
        if turned(first) != turned(picture) {
            let what = "pictures that are turned by different angles, which cannot share a track";
            return Err(MediaError::Unsupported(what.to_owned()));
        }
        if !self.entries.contains(&picture.entry) {
            self.entries.push(picture.entry.clone());
        }
        Ok(())
    }

    /// Shows a part at its place, where `place` is its first frame among all; what goes on where the last one ended is
    /// one edit with it.
    fn show(&mut self, part: &Part, place: u64, clock: &Clock) -> Result<(), MediaError> {
        let Some(gap) = part.at.0.checked_sub(self.end) else {
            return Err(MediaError::malformed("cut", part.at.0, "clips overlap, or are not in their order"));
        };
        // FFmpeg 5.1 shows other frames where nothing should be shown.
        if gap > 0 {
            let what = format!("a gap of {gap} frames before frame {}, which some programs show wrongly", part.at.0);
            return Err(MediaError::Unsupported(what));
        }
        let (at, length) = (clock.frames(place)?, clock.frames(part.frames.0)?);
        match self.edits.last_mut() {
            Some([shown, from, _]) if from.saturating_add(*shown) == at => {
                *shown = shown.saturating_add(length);
            }
            _ => self.edits.push([length, at, 0x0001_0000]),
        }
        self.end = part.at.0.saturating_add(part.frames.0);
        Ok(())
    }
}

/// All media, a second of a track at a time, in the order in which they are wanted.
fn chunks(pictures: &[Picture], parts: &[Part], sound: &SoundTrack, form: &Form, tables: &Tables) -> Vec<Chunk> {
    let second = u64::from(form.rate.nominal());
    let mut chunks: Vec<(u64, Chunk)> = Vec::new();
    if let Some(start) = form.start {
        let frame = u32::try_from(start.frames().0).unwrap_or(0).to_be_bytes();
        chunks.push((0, Chunk { source: Source::Bytes(frame), track: 2, bytes: 4, packets: 1, entry: 1 }));
    }
    for (number, (picture, part)) in pictures.iter().zip(parts).enumerate() {
        let entry = tables.entries.iter().position(|entry| *entry == picture.entry).unwrap_or(0);
        let entry = u32::try_from(entry).unwrap_or(0).saturating_add(1);
        let step = form.rate.nominal() as usize;
        for from in (0..picture.packets.len()).step_by(step.max(1)) {
            let packets = from..from.saturating_add(step).min(picture.packets.len());
            let ranges = picture.packets.get(packets.clone()).unwrap_or_default();
            let bytes = length(ranges);
            let into = (from as u64).saturating_sub(picture.first).min(part.frames.0.saturating_sub(1));
            let count = u32::try_from(packets.len()).unwrap_or(u32::MAX);
            let source = Source::Picture { part: number, packets };
            chunks.push((part.at.0.saturating_add(into), Chunk { source, track: 0, bytes, packets: count, entry }));
        }
    }
    for (number, (packets, ranges)) in (0_u64..).zip(&sound.chunks) {
        let (bytes, source) = (length(ranges), Source::Sound { ranges: ranges.clone() });
        let chunk = Chunk { source, track: 1, bytes, packets: *packets, entry: 1 };
        chunks.push((number.saturating_mul(second), chunk));
    }
    chunks.sort_by_key(|(at, _)| *at);
    chunks.into_iter().map(|(_, chunk)| chunk).collect()
}

fn length(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().fold(0, |sum, range| sum.saturating_add(range.end.saturating_sub(range.start)))
}

fn ftyp(form: &Form) -> Vec<u8> {
    match form.quicktime {
        true => boxed(b"ftyp", &[b"qt  ", &0x200_u32.to_be_bytes(), b"qt  "]),
        false => boxed(b"ftyp", &[b"isom", &0x200_u32.to_be_bytes(), b"isomiso2mp41"]),
    }
}

/// What the index is made of.
struct Index<'a> {
    tables: &'a Tables,
    sound: &'a SoundTrack,
    form: &'a Form,
    clock: Clock,
    /// How the pictures are turned, and the size of the first one.
    shape: [u8; 44],
    chunks: &'a [Chunk],
}

impl Index<'_> {
    /// The index, for media that begin at a byte of the file.
    fn moov(&self, media: u64, wide: bool) -> Result<Vec<u8>, MediaError> {
        let places = self.places(media, wide);
        let [picture, sound, timecode] = &places;
        let length = self.clock.frames(self.tables.end)?.max(self.clock.samples(self.form.samples)?);
        let header = [0, 0, 0, self.clock.second, length, 0x0001_0000, 0x0100_0000, 0, 0];
        let mvhd = boxed(b"mvhd", &[&packed(&header), &packed(&UPRIGHT), &packed(&[0, 0, 0, 0, 0, 0, 4])]);
        let timecode = self.form.start.map(|start| self.timecode(start, timecode)).transpose()?;
        let tracks = [self.picture(picture)?, self.sound(sound)?, timecode.unwrap_or_default()];
        Ok(boxed(b"moov", &[&mvhd, &tracks.concat()]))
    }

    /// Where the chunks of each track lie, and how many packets they hold.
    fn places(&self, media: u64, wide: bool) -> [Vec<u8>; 3] {
        [0, 1, 2].map(|track| {
            let (mut at, mut offsets, mut runs) = (media, Vec::new(), Vec::<[u32; 3]>::new());
            for chunk in self.chunks {
                if chunk.track == track {
                    offsets.push(at);
                    let differs = |[_, packets, entry]: &[u32; 3]| (*packets, *entry) != (chunk.packets, chunk.entry);
                    if runs.last().is_none_or(differs) {
                        let number = u32::try_from(offsets.len()).unwrap_or(u32::MAX);
                        runs.push([number, chunk.packets, chunk.entry]);
                    }
                }
                at = at.saturating_add(chunk.bytes);
            }
            let count = u32::try_from(offsets.len()).unwrap_or(u32::MAX);
            let bytes = |at: &u64| match wide {
                true => at.to_be_bytes().to_vec(),
                false => u32::try_from(*at).unwrap_or(u32::MAX).to_be_bytes().to_vec(),
            };
            let offsets: Vec<u8> = offsets.iter().flat_map(bytes).collect();
            let table = boxed(if wide { b"co64" } else { b"stco" }, &[&packed(&[0, count]), &offsets]);
            [rows(b"stsc", &runs), table].concat()
        })
    }

    fn picture(&self, places: &[u8]) -> Result<Vec<u8>, MediaError> {
        let Tables { entries, packets, offsets, sync, sizes, edits, end } = self.tables;
        let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        let stsd = boxed(b"stsd", &[&packed(&[0, count]), &entries.concat()]);
        let stts = rows(b"stts", &[[*packets, self.clock.frame]]);
        let ctts = if offsets.iter().all(|[_, offset]| *offset == 0) { Vec::new() } else { rows(b"ctts", offsets) };
        let stss = if sync.len() == sizes.len() { Vec::new() } else { rows(b"stss", sync) };
        let stsz = boxed(b"stsz", &[&packed(&[0, 0, *packets]), &packed(sizes.as_flattened())]);
        let tables = [stsd, stts, ctts, stss, stsz, places.to_vec()].concat();
        let vmhd = numbers(b"vmhd", &[1, 0, 0]);
        let mdia = self.media(b"vide", self.clock.frames((*packets).into())?, &vmhd, &tables);
        let elst = boxed(b"edts", &[&rows(b"elst", edits)]);
        let tkhd = header(1, self.clock.frames(*end)?, 0, &self.shape);
        // What the pictures refer to for their labels.
        let tref = self.form.start.map(|_| boxed(b"tref", &[&numbers(b"tmcd", &[3])])).unwrap_or_default();
        Ok(boxed(b"trak", &[&tkhd, &elst, &tref, &mdia]))
    }

    fn media(&self, kind: &[u8; 4], length: u32, about: &[u8], tables: &[u8]) -> Vec<u8> {
        let mdhd = numbers(b"mdhd", &[0, 0, 0, self.clock.second, length, UNDETERMINED]);
        let dref = boxed(b"dref", &[&packed(&[0, 1]), &numbers(b"url ", &[1])]);
        let dinf = boxed(b"dinf", &[&dref]);
        // QuickTime says by a handler of its own where the media are: in this file.
        let place = if self.form.quicktime { handler(b"dhlr", b"url ") } else { Vec::new() };
        let stbl = boxed(b"stbl", &[tables]);
        let minf = boxed(b"minf", &[about, &place, &dinf, &stbl]);
        let what = if self.form.quicktime { b"mhlr" } else { &[0; 4] };
        boxed(b"mdia", &[&mdhd, &handler(what, kind), &minf])
    }

    /// The sound's track as it was, with other places, and heard as long as it is wanted.
    fn sound(&self, places: &[u8]) -> Result<Vec<u8>, MediaError> {
        let trak = Atom::whole(&self.sound.trak)?;
        let mdia = child(&atoms(trak)?, b"mdia", trak)?;
        let minf = child(&atoms(mdia)?, b"minf", mdia)?;
        let stbl = stbl(trak)?;
        let kept = |atom: &&Atom<'_>| !matches!(&atom.kind, b"stsc" | b"stco" | b"co64");
        let same = |atom: &Atom<'_>| boxed(&atom.kind, &[atom.body]);
        let tables: Vec<u8> = atoms(stbl)?.iter().filter(kept).flat_map(same).collect();
        let tables = boxed(b"stbl", &[&tables, places]);
        let with = |atom: &Atom<'_>, kind: &[u8; 4], new: &[u8]| {
            if atom.kind == *kind { new.to_vec() } else { same(atom) }
        };
        let minf: Vec<u8> = atoms(minf)?.iter().flat_map(|atom| with(atom, b"stbl", &tables)).collect();
        let minf = boxed(b"minf", &[&minf]);
        let mdia: Vec<u8> = atoms(mdia)?.iter().flat_map(|atom| with(atom, b"minf", &minf)).collect();
        let length = self.clock.samples(self.form.samples)?;
        let elst = boxed(b"edts", &[&rows(b"elst", &[[length, ticks(Some(self.sound.media_time))?, 0x0001_0000]])]);
        Ok(boxed(b"trak", &[&header(2, length, 0x0100, &upright()), &elst, &boxed(b"mdia", &[&mdia])]))
    }

    /// A timecode track (QuickTime File Format, "Timecode media"): one label, which lasts as long as the movie.
    fn timecode(&self, start: Timecode, places: &[u8]) -> Result<Vec<u8>, MediaError> {
        let length = self.clock.frames(self.tables.end)?;
        let rate = start.rate();
        let per_second = u8::try_from(rate.nominal()).unwrap_or(u8::MAX);
        // Labels begin anew after 24 hours; drop-frame where they skip.
        let flags = 2 | u32::from(start.is_drop());
        let about = packed(&[0, 1, 0, flags, rate.num(), rate.den()]);
        let entry = boxed(b"tmcd", &[&about, &[per_second, 0]]);
        let stsd = boxed(b"stsd", &[&packed(&[0, 1]), &entry]);
        let tables = [stsd, rows(b"stts", &[[1, length]]), numbers(b"stsz", &[0, 4, 1]), places.to_vec()].concat();
        let gmin = boxed(b"gmin", &[&packed(&[0, 0x0040_8000, 0x8000_8000, 0])]);
        let font = [&packed(&[0, 0, 12 << 16, 0, 0xffff, 0xffff_ffff])[..], b"\0\0"].concat();
        let tcmi = boxed(b"tcmi", &[&font]);
        let gmhd = boxed(b"gmhd", &[&gmin, &boxed(b"tmcd", &[&tcmi])]);
        let mdia = self.media(b"tmcd", length, &gmhd, &tables);
        Ok(boxed(b"trak", &[&header(3, length, 0, &upright()), &mdia]))
    }
}

/// The shape of what has no width and height.
fn upright() -> Vec<u8> {
    packed(&[&UPRIGHT[..], &[0, 0]].concat())
}

/// `tkhd` (14496-12, 8.3.2): enabled, in the movie.
fn header(id: u32, length: u32, volume: u32, shape: &[u8]) -> Vec<u8> {
    let fields = packed(&[3, 0, 0, id, 0, length, 0, 0, 0, volume << 16]);
    boxed(b"tkhd", &[&fields, shape])
}

/// `hdlr` (14496-12, 8.4.3), without a name: in QuickTime names have their length in front, elsewhere a zero behind.
fn handler(what: &[u8; 4], kind: &[u8; 4]) -> Vec<u8> {
    boxed(b"hdlr", &[&[0; 4], what, kind, &[0; 12], &[0]])
}
