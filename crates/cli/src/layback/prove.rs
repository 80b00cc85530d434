//! What is proved of a finished movie: its pictures' packets are those of the package, and its sound is the mix, where
//! it was.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use seedpost_core::time::{Samples, TimeRange};
use seedpost_media::join::coded_parts;
use seedpost_media::mix;
use seedpost_media::pass::Coded;
use seedpost_media::worker::SoundOrder;

use crate::project::{open_plain, with_own_worker};

/// How much of a clip is compared by cross-correlation: the loudest 5 s of it.
const WINDOW: u64 = 5 * 48_000;
/// What is louder than this an encoder never loses: -40 dBFS, as power of full scale.
const LOUD: f64 = 1e-4;

/// A clip's stretch of the mix, and where it begins in a movie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    pub(super) mix: TimeRange<Samples>,
    pub(super) at: Samples,
}

/// What was heard of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    /// How much later it is than it should be; none where that cannot be told.
    pub(super) offset: Option<i64>,
    /// Its power in its loudest stretch.
    power: f64,
    pub(super) is_identical: bool,
}

/// Reads the pictures of a movie again, which must be what was copied.
pub(super) fn pictures(movie: &Path, before: &[Coded]) -> Result<Vec<Coded>, String> {
    let counts: Vec<u64> = before.iter().map(|part| part.packets).collect();
    let mut file = open_plain(movie).map_err(|error| error.to_string())?;
    let after = coded_parts(&mut file, &counts).map_err(|error| error.to_string())?;
    if after == before { Ok(after) } else { Err("its pictures are not those of the package".to_owned()) }
}

/// Decodes the sound of a movie and compares it with the mix, clip by clip.
pub(super) fn sounds(
    movie: &Path,
    decoded: &Path,
    mix: &Path,
    stretches: &[Stretch],
    is_exact: bool,
) -> Result<Vec<Heard>, String> {
    let order = SoundOrder { source: movie.to_owned(), out: decoded.to_owned() };
    let found = with_own_worker(|worker| worker.sound(order)).map_err(|error| error.to_string())?;
    if (found.rate.hertz(), found.channels) != (48_000, 2) {
        return Err(format!("its sound has {} Hz and {} channels", found.rate.hertz(), found.channels));
    }
    let mut decoded = open_plain(decoded).map_err(|error| error.to_string())?;
    let mut mix = open_plain(mix).map_err(|error| error.to_string())?;
    stretches.iter().map(|stretch| compare(&mut mix, &mut decoded, *stretch, is_exact)).collect()
}

/// A movie has one offset: that of the loudest clip that tells it.
pub(super) fn of_movie(heard: &[Heard]) -> Option<i64> {
    let told = heard.iter().filter(|heard| heard.offset.is_some());
    told.max_by(|one, other| one.power.total_cmp(&other.power))?.offset
}

fn compare(mix: &mut File, decoded: &mut File, stretch: Stretch, is_exact: bool) -> Result<Heard, String> {
    let Stretch { mix: range, at } = stretch;
    let mut is_identical = true;
    let mut loudest = (0.0_f64, range);
    let mut start = range.start.0;
    while start < range.end.0 {
        let window = TimeRange { start: Samples(start), end: Samples(range.end.0.min(start + WINDOW)) };
        let (one, other) = pair(mix, decoded, range, at, window)?;
        is_identical &= one == other;
        let energy = one.iter().map(|plane| energy(plane)).sum::<f64>();
        if energy > loudest.0 {
            loudest = (energy, window);
        }
        start = window.end.0;
    }
    let (energy, window) = loudest;
    let power = energy / (2 * window.length().0.max(1)) as f64;
    let heard = |offset| Heard { offset, power, is_identical };
    if is_exact && !is_identical {
        return Err("its sound is not the mix, bit by bit".to_owned());
    }
    // A constant says nothing of its place.
    if is_identical || energy == 0.0 {
        return Ok(heard(Some(0).filter(|_| energy > 0.0)));
    }
    let (one, other) = pair(mix, decoded, range, at, window)?;
    match mix::offset(&one, &other).map_err(|error| error.to_string())? {
        Some(off) if off != 0 => Err(format!("its sound is {off} samples later than in the mix")),
        None if power > LOUD => Err("its sound is not like the mix".to_owned()),
        offset => Ok(heard(offset)),
    }
}

/// What is in a sound beside its mean.
fn energy(plane: &[f32]) -> f64 {
    let (sum, squares) = plane
        .iter()
        .map(|sample| f64::from(*sample))
        .fold((0.0, 0.0), |(sum, squares), sample| (sum + sample, squares + sample * sample));
    let energy = squares - sum * sum / plane.len().max(1) as f64;
    // What is left of a constant is what was rounded.
    if energy > squares * 1e-9 { energy } else { 0.0 }
}

type Planes = Vec<Vec<f32>>;

/// The same window of the mix and of what was decoded.
fn pair(
    mix: &mut File,
    decoded: &mut File,
    range: TimeRange<Samples>,
    at: Samples,
    window: TimeRange<Samples>,
) -> Result<(Planes, Planes), String> {
    let one = mix::planes(mix, window).map_err(|error| error.to_string())?;
    let from = at.0 + (window.start.0 - range.start.0);
    let other = floats(decoded, from, window.length()).map_err(|error| error.to_string())?;
    Ok((one, other))
}

/// Two channels of interleaved floats.
fn floats(file: &mut File, from: u64, length: Samples) -> std::io::Result<Planes> {
    file.seek(SeekFrom::Start(from * 8))?;
    let mut bytes = Vec::new();
    file.take(length.0 * 8).read_to_end(&mut bytes)?;
    let pairs = bytes.as_chunks::<8>().0;
    let plane = |side: usize| {
        let sample = |pair: &[u8; 8]| pair[side..].first_chunk().map_or(0.0, |bytes| f32::from_le_bytes(*bytes));
        pairs.iter().map(sample).collect()
    };
    Ok(vec![plane(0), plane(4)])
}
