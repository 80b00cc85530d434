//! A finished mix as it comes back: what its header says, where its pops are, and how loud it is between them.

mod offset;

use std::io::{Read, Seek, SeekFrom, Write};

pub use seedpost_core::layback::{Heard, Mix, Pop, Side};
use seedpost_core::time::{Samples, TimeRange};

pub use offset::offset;

use crate::loudness::Meter;
use crate::{MediaError, pop, riff};

/// Where the time reference stands in a `bext` chunk (EBU Tech 3285, 2.3).
const TIME_REFERENCE: u64 = 338;
/// The most chunks of a WAV; a real file has a handful.
const MAX_CHUNKS: usize = 1024;
/// The most samples that are searched for a pop: 16 s.
const MAX_SEARCH: u64 = 16 * 48_000;
/// A channel that is softer than this carries nothing: -70 dBFS.
const QUIET: f32 = 0.000_316;

/// Reads the header of a WAV.
///
/// # Errors
/// `Unsupported` for what is no WAV of plain samples, `Malformed` for one that is cut short.
pub fn read<R: Read + Seek>(source: &mut R) -> Result<Mix, MediaError> {
    if !riff::is_wav(source)? {
        return Err(MediaError::Unsupported("the file is no WAV".to_owned()));
    }
    let wav = riff::read(source)?;
    Ok(Mix {
        large: wav.large,
        codec: wav.codec(),
        rate: wav.rate,
        channels: wav.channels,
        samples: wav.samples,
        time_reference: time_reference(source)?,
    })
}

/// The first sample since midnight, as the `bext` chunk says; it may stand behind the sound.
fn time_reference<R: Read + Seek>(source: &mut R) -> Result<Option<u64>, MediaError> {
    let length = source.seek(SeekFrom::End(0))?;
    let mut at: u64 = 12;
    for _ in 0..MAX_CHUNKS {
        let Some((name, size)) = riff::chunk(source, at, length)? else { return Ok(None) };
        let body = at.saturating_add(8);
        if name == *b"bext" && size >= TIME_REFERENCE + 8 && body.saturating_add(size) <= length {
            let mut reference = [0; 8];
            source.seek(SeekFrom::Start(body.saturating_add(TIME_REFERENCE)))?;
            source.read_exact(&mut reference)?;
            return Ok(Some(u64::from_le_bytes(reference)));
        }
        at = body.saturating_add(size).saturating_add(size & 1);
    }
    Ok(None)
}

/// Writes a stretch of a WAV as one of its own, with so much silence before and behind.
///
/// # Errors
/// Those of [`read`], and `Malformed` for a stretch that is not there.
pub fn stretch<R: Read + Seek, W: Write>(
    source: &mut R,
    range: TimeRange<Samples>,
    (before, behind): (Samples, Samples),
    out: &mut W,
) -> Result<(), MediaError> {
    let wav = riff::read(source)?;
    if range.end > wav.samples || range.start > range.end {
        let what = format!("samples {} to {} of {}", range.start.0, range.end.0, wav.samples.0);
        return Err(MediaError::malformed("wav", wav.start, what));
    }
    let bytes = |samples: Samples| samples.0.saturating_mul(wav.frame() as u64);
    let all = [before, range.length(), behind].iter().fold(0_u64, |sum, part| sum.saturating_add(part.0));
    riff::write_header(&wav, all, out)?;
    std::io::copy(&mut std::io::repeat(0).take(bytes(before)), out)?;
    source.seek(SeekFrom::Start(wav.start.saturating_add(bytes(range.start))))?;
    let copied = std::io::copy(&mut source.by_ref().take(bytes(range.length())), out)?;
    if copied != bytes(range.length()) {
        return Err(MediaError::malformed("wav", wav.start, "the file shrank while it was read"));
    }
    let pad = Samples(bytes(Samples(all)) % 2);
    std::io::copy(&mut std::io::repeat(0).take(bytes(behind).saturating_add(pad.0)), out)?;
    Ok(())
}

/// Reads a stretch of a WAV, plane by plane.
///
/// # Errors
/// Those of [`read`].
pub fn planes<R: Read + Seek>(source: &mut R, range: TimeRange<Samples>) -> Result<Vec<Vec<f32>>, MediaError> {
    let wav = riff::read(source)?;
    let mut planes = vec![Vec::new(); wav.channels.into()];
    riff::samples(source, &wav, range, &mut |block| {
        planes.iter_mut().zip(block).for_each(|(plane, samples)| plane.extend_from_slice(samples));
        Ok(())
    })?;
    Ok(planes)
}

/// Where a reel's parts lie, in samples of the mix.
#[derive(Debug, Clone, Copy)]
pub struct Places {
    /// The 2-pop, where there is one.
    pub two_pop: Option<TimeRange<Samples>>,
    /// The programme.
    pub programme: TimeRange<Samples>,
    /// The tail pop.
    pub tail_pop: TimeRange<Samples>,
}

/// Listens to a mix at 48 kHz, once, from front to back. Memory does not grow with its length.
///
/// # Errors
/// Those of [`read`], and `Unsupported` for another rate.
pub fn hear<R: Read + Seek>(source: &mut R, places: &Places) -> Result<Heard, MediaError> {
    let wav = riff::read(source)?;
    if wav.rate.hertz() != 48_000 {
        return Err(MediaError::Unsupported(format!("a mix at {} Hz", wav.rate.hertz())));
    }
    let channels = usize::from(wav.channels);
    let mut meter = Meter::new(48_000, channels)?;
    let lead = places.two_pop.map(|pop| Search::before(pop, places.programme.start, channels));
    let tail = Search::behind(places.tail_pop, places.programme.end, channels);
    let mut searches: Vec<Search> = lead.into_iter().chain([tail]).collect();
    let mut at: u64 = 0;
    let all = TimeRange { start: Samples(0), end: wav.samples };
    riff::samples(source, &wav, all, &mut |block| {
        let length = block.first().map_or(0, |plane| plane.len());
        searches.iter_mut().for_each(|search| search.add(at, block));
        let within = within(at, length, places.programme);
        let planes: Vec<&[f32]> = block.iter().map(|plane| plane.get(within.clone()).unwrap_or_default()).collect();
        at += length as u64;
        meter.add(&planes)
    })?;
    let tail_pop = searches.pop().map(Search::found).unwrap_or_default();
    let two_pop = searches.pop().map(Search::found).unwrap_or_default();
    Ok(Heard { two_pop, tail_pop, loudness: meter.finish() })
}

/// Which samples of a block that begins at `at` lie in a range.
fn within(at: u64, length: usize, range: TimeRange<Samples>) -> std::ops::Range<usize> {
    let place = |sample: Samples| usize::try_from(sample.0.saturating_sub(at)).unwrap_or(usize::MAX).min(length);
    let (start, end) = (place(range.start), place(range.end));
    start..end.max(start)
}

/// A stretch in which a pop is looked for.
struct Search {
    range: TimeRange<Samples>,
    /// Where in it the pop belongs.
    place: std::ops::Range<usize>,
    planes: Vec<Vec<f32>>,
}

impl Search {
    /// In the leader, as far as it is searched.
    fn before(pop: TimeRange<Samples>, programme: Samples, channels: usize) -> Search {
        let start = Samples(programme.0.saturating_sub(MAX_SEARCH));
        Search::of(pop, TimeRange { start, end: programme }, channels)
    }

    /// In the tail.
    fn behind(pop: TimeRange<Samples>, programme: Samples, channels: usize) -> Search {
        Search::of(pop, TimeRange { start: programme, end: Samples(programme.0.saturating_add(MAX_SEARCH)) }, channels)
    }

    fn of(pop: TimeRange<Samples>, range: TimeRange<Samples>, channels: usize) -> Search {
        let from = |sample: Samples| usize::try_from(sample.0.saturating_sub(range.start.0)).unwrap_or(0);
        Search { range, place: from(pop.start)..from(pop.end), planes: vec![Vec::new(); channels] }
    }

    fn add(&mut self, at: u64, block: &[&[f32]]) {
        for (plane, samples) in self.planes.iter_mut().zip(block) {
            plane.extend_from_slice(samples.get(within(at, samples.len(), self.range)).unwrap_or_default());
        }
    }

    /// What was found on each channel.
    fn found(self) -> Vec<Side> {
        let length = self.place.len();
        let pop = |found: pop::Found| Pop {
            at: Samples(self.range.start.0 + found.at as u64),
            inverted: found.inverted,
            dbfs: (found.dbfs * 10.0).round() / 10.0,
        };
        let side = |plane: &Vec<f32>| {
            let end = (self.place.end + length).min(plane.len());
            let around = plane.get(self.place.start.saturating_sub(length)..end).unwrap_or_default();
            Side {
                pop: pop::find(plane, length, self.place.start).map(pop),
                is_quiet: around.iter().all(|sample| sample.abs() < QUIET),
            }
        };
        self.planes.iter().map(side).collect()
    }
}
