//! Everything that a user's media file reaches, and what must hold whatever is in it. Fuzzers and tests
//! share it.

use std::io::Cursor;
use std::sync::Arc;

use seedpost_core::media::{AudioInfo, MediaInfo};
use seedpost_core::time::{Samples, TimeRange};
use seedpost_core::trim::Cut;
use seedpost_media::mp4::{Movie, TrackKind};
use seedpost_media::still::{self, StillTarget};
use seedpost_media::{MediaError, conform, decode, pass, probe, strip, survey};

/// The most samples that are decoded: a second or two.
const HEARD: u64 = 50_000;
/// The most samples that are copied.
const KEPT: u64 = 3000;
/// The most pixels of a picture that is decoded.
const PIXELS: u64 = 1 << 20;

type Source = Cursor<Arc<[u8]>>;

/// A sound in RIFF.
///
/// # Panics
/// An invariant is broken.
pub fn wav(data: &[u8]) {
    let source = Cursor::new(Arc::from(data));
    let Some((info, audio)) = sound(&source) else { return };
    if info.container == "wav" {
        let samples = audio.samples.expect("a WAV tells its length").0;
        assert!(samples <= info.bytes.saturating_mul(8), "{samples} samples in {} bytes", info.bytes);
    }
    for bits in [8, 16, 24, 32, 64] {
        copy(&source, &audio, bits);
    }
}

/// A sound in MPEG layers, or any other that is decoded.
///
/// # Panics
/// An invariant is broken.
pub fn mp3(data: &[u8]) {
    let source = Cursor::new(Arc::from(data));
    if let Some((_, audio)) = sound(&source) {
        copy(&source, &audio, 16);
    }
}

/// A still picture.
///
/// # Panics
/// An invariant is broken.
pub fn still(data: &[u8]) {
    let source: Source = Cursor::new(Arc::from(data));
    let Some(info) = probe::probe(source.clone()).ok().and_then(|info| info.still) else { return };
    let (width, height) = info.upright();
    assert!((1..=1 << 17).contains(&width) && (1..=1 << 17).contains(&height), "{info:?}");
    assert!((1..=8).contains(&info.orientation), "{info:?}");
    if u64::from(width) * u64::from(height) > PIXELS {
        return;
    }
    let target = StillTarget { size: (24, 16), max_bytes: 1 << 20 };
    let Ok(made) = still::conform(source, target) else { return };
    assert_eq!(made.size, target.size);
    assert!(made.bytes.len() as u64 <= target.max_bytes);
    let again = probe::probe(Cursor::new(made.bytes)).expect("a copy can be read");
    assert_eq!(again.container, made.format);
    let again = again.still.expect("a copy is a picture");
    assert_eq!((again.upright(), again.orientation, again.animated), (target.size, 1, false));
}

/// A clip.
///
/// # Panics
/// An invariant is broken.
pub fn mp4(data: &[u8]) {
    let source: Source = Cursor::new(Arc::from(data));
    let heard = sound(&source);
    let info = probe::probe(source.clone());
    if let Ok(info) = &info {
        assert_eq!(info.bytes, data.len() as u64);
    }
    if let Ok(movie) = Movie::read(&mut source.clone()) {
        facts(&movie);
    }
    let mut out = Vec::new();
    if let Ok(written) = strip::strip(&mut source.clone(), &mut out) {
        assert_eq!(written, out.len() as u64);
        // By its tables, since a HEIC picture may have those of a clip too.
        let again = Movie::read(&mut Cursor::new(out)).expect("a stripped clip can be read");
        let tracks: Vec<TrackKind> = again.tracks.iter().map(|track| track.kind).collect();
        assert!(again.outline.fast_start);
        // What the picture refers to comes with it.
        let others = tracks.iter().filter(|kind| **kind == TrackKind::Other).count();
        assert!(tracks.contains(&TrackKind::Picture) && tracks.len() == others + 1, "{tracks:?}");
        if let Some(video) = info.ok().and_then(|info| info.video) {
            assert_eq!(again.first(TrackKind::Picture).map(|track| track.size), Some((video.width, video.height)));
        }
    }
    if let Some((_, audio)) = heard {
        copy(&source, &audio, 16);
    }
}

/// A clip that is read once: its picture copied and proven, its sound decoded.
///
/// # Panics
/// An invariant is broken.
pub fn strip(data: &[u8]) {
    let source: Source = Cursor::new(Arc::from(data));
    let Ok(movie) = Movie::read(&mut source.clone()) else { return };
    let mut alone = Vec::new();
    let stripped = strip::strip(&mut source.clone(), &mut alone);
    assert_eq!(strip::is_possible(&movie).unwrap_or(false), stripped.is_ok());
    let mut out = Vec::new();
    let mut heard = 0;
    let mut hear = |block: &[&[f32]]| {
        let length = block.first().map_or(0, |plane| plane.len());
        assert!(block.iter().all(|plane| plane.len() == length), "channels of different lengths");
        heard += length as u64;
        Ok(())
    };
    let decoded = movie.first(TrackKind::Sound).is_some_and(pass::is_decoded);
    let sound = decoded.then_some((&mut hear as decode::Sink<'_>, Samples(HEARD)));
    let read = pass::read(&mut source.clone(), &movie, Some(&mut out), sound);
    assert!(heard <= HEARD, "{heard} samples");
    if let Ok((coded, _)) = read {
        assert!(stripped.is_ok() && out == alone, "two ways to strip, two files");
        // Chunks that overlap may be as long as the file, and the index comes before them.
        assert!(out.len() <= data.len() * 2 + 16, "{} bytes of {}", out.len(), data.len());
        let again = pass::coded_picture(&mut Cursor::new(out)).expect("a stripped clip can be read");
        assert_eq!(again, coded);
    }
}

fn facts(movie: &Movie) {
    for track in &movie.tracks {
        assert!(track.timescale > 0);
        assert!(movie.frames(track).0 <= track.sample_count);
        let _ = (movie.rate(track), movie.shown_time(track), movie.presentation(track));
        assert!(movie.heard(track).is_none() || track.kind == TrackKind::Sound);
    }
}

/// Measures a sound, decodes the beginning of it and listens to that.
fn sound(source: &Source) -> Option<(MediaInfo, AudioInfo)> {
    let range = TimeRange { start: Samples(0), end: Samples(HEARD) };
    let found = hear(source, range);
    let info = probe::probe(source.clone()).ok()?;
    assert_eq!(info.bytes, source.get_ref().len() as u64);
    let audio = info.audio.clone()?;
    let samples = audio.samples.map_or(0, |samples| samples.0);
    assert!((4000..=768_000).contains(&audio.sample_rate.hertz()));
    if let (true, Ok(found)) = (audio.codec.starts_with("pcm") && info.container == "wav", found) {
        assert_eq!(found, samples.min(HEARD), "{info:?}");
    }
    let range = TimeRange { start: Samples(0), end: Samples(samples.min(HEARD)) };
    if let Ok(survey) = survey::survey(source.clone(), audio.sample_rate, range) {
        assert!(survey.peak >= 0.0 && survey.blocks.len() as u64 <= HEARD.div_ceil(survey.block.max(1)));
        assert!(survey.quiet().iter().all(|pause| pause.start <= pause.end));
    }
    Some((info, audio))
}

/// Decodes a stretch; answers how many samples came.
fn hear(source: &Source, range: TimeRange<Samples>) -> Result<u64, MediaError> {
    let mut found = 0;
    decode::each(source.clone(), range, &mut |block| {
        let length = block.first().map_or(0, |plane| plane.len());
        assert!(block.iter().all(|plane| plane.len() == length), "channels of different lengths");
        found += length as u64;
        Ok(())
    })?;
    assert!(found <= range.length().0, "{found} samples of {range:?}");
    Ok(found)
}

/// Makes an upload copy of a stretch, which must hold exactly that.
fn copy(source: &Source, audio: &AudioInfo, bits: u16) {
    let Some(length) = audio.samples.filter(|samples| samples.0 > 0) else { return };
    let start = length.0 / 4;
    let kept = TimeRange { start: Samples(start), end: Samples(length.0.min(start.saturating_add(KEPT))) };
    let cut = Cut { rate: audio.sample_rate, source: length, kept };
    let mut out = Cursor::new(Vec::new());
    if conform::conform(source.clone(), &cut, bits, &mut out).is_err() {
        return;
    }
    let again = probe::probe(Cursor::new(out.into_inner())).expect("a copy can be read");
    let again = again.audio.expect("a copy has sound");
    assert_eq!((again.sample_rate, again.samples), (audio.sample_rate, Some(kept.length())));
}
