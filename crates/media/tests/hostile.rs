//! Files that lie, break off, swell or shrink while they are read: each is an error or is measured, at once
//! and in little memory. The bodies are those of the fuzzers.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test opens its own files, and panics where it fails"
)]

#[path = "../../../fuzz/src/bodies.rs"]
#[allow(unreachable_pub, missing_docs, reason = "public for the fuzzers, which are another crate")]
mod bodies;

use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use seedpost_core::time::{SampleRate, Samples, TimeRange};
use seedpost_core::trim::Cut;
use seedpost_media::still::{self, StillTarget};
use seedpost_media::{MediaError, conform, decode, probe, strip};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/media")
}

fn fixture(name: &str) -> Vec<u8> {
    let path = folder().join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names and bytes of all files of a folder of fixtures, but for its texts.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_file() && !name.ends_with(".md") && !name.ends_with(".py") {
            files.push((name, std::fs::read(&path).unwrap()));
        }
    }
    assert!(files.len() > 20, "{} has no fixtures", folder.display());
    files
}

/// Everything that a user's file reaches, whatever its kind.
fn everything(data: &[u8]) {
    for body in [bodies::wav, bodies::mp3, bodies::still, bodies::mp4, bodies::strip] {
        body(data);
    }
}

#[test]
fn every_fixture_holds_what_the_fuzzers_hold_to() {
    for folder in [folder(), folder().join("hostile")] {
        for (name, bytes) in files(&folder) {
            let begun = Instant::now();
            everything(&bytes);
            assert!(begun.elapsed() < Duration::from_secs(10), "{name} took {:?}", begun.elapsed());
        }
    }
}

#[test]
fn every_good_file_may_end_at_every_quarter() {
    for (_, bytes) in files(&folder()) {
        for quarter in 1..4 {
            everything(&bytes[..bytes.len() * quarter / 4]);
        }
    }
}

/// Where each box of an MP4 begins and ends, those inside others too.
fn borders(mp4: &[u8]) -> Vec<usize> {
    let mut borders = Vec::new();
    let mut open = vec![(0, mp4.len())];
    while let Some((mut at, end)) = open.pop() {
        while at + 8 <= end {
            let size = u32::from_be_bytes(mp4[at..at + 4].try_into().unwrap()) as usize;
            if matches!(&mp4[at + 4..at + 8], b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" | b"edts" | b"udta") {
                open.push((at + 8, at + size));
            }
            borders.extend([at, at + 8]);
            at += size;
        }
    }
    borders
}

#[test]
fn a_clip_cut_at_every_border_of_a_box_is_an_error() {
    // The good small clip that the hostile ones were made from.
    let whole = fixture("hostile/mp4_named.png");
    let borders = borders(&whole);
    assert!(borders.len() > 80, "{} borders", borders.len());
    for border in borders {
        for end in border.saturating_sub(1)..=border + 1 {
            let cut = &whole[..end.min(whole.len())];
            bodies::mp4(cut);
            bodies::strip(cut);
            let found = strip::strip(&mut Cursor::new(cut), &mut Vec::new());
            assert!(found.is_err(), "cut at {end}: {found:?}");
        }
    }
}

#[test]
fn every_number_of_an_index_may_lie() {
    let whole = fixture("hostile/mp4_named.png");
    let index = whole.windows(4).position(|kind| kind == b"moov").unwrap() - 4;
    let media = whole.windows(4).position(|kind| kind == b"mdat").unwrap() - 4;
    for at in index..media - 4 {
        for lie in [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff_u32] {
            let mut bent = whole.clone();
            bent[at..at + 4].copy_from_slice(&lie.to_be_bytes());
            let begun = Instant::now();
            bodies::strip(&bent);
            let _ = probe::probe(Cursor::new(bent));
            assert!(begun.elapsed() < Duration::from_secs(5), "{lie:#x} at {at} took {:?}", begun.elapsed());
        }
    }
}

#[test]
fn an_index_of_seventy_megabytes_is_refused() {
    let mut bomb = fixture("hostile/mp4_named.png");
    let index = bomb.windows(4).position(|kind| kind == b"moov").unwrap() - 4;
    bomb.truncate(index);
    let length: u32 = 70 << 20;
    bomb.extend(length.to_be_bytes());
    bomb.extend(b"moov");
    bomb.resize(index + length as usize, 0);
    let found = probe::probe(Cursor::new(bomb));
    assert!(matches!(found, Err(MediaError::Limit { .. })), "{found:?}");
}

#[test]
fn lengths_that_lie_are_told() {
    for name in ["wav_length_lies.wav", "wav_adpcm_cut.wav", "rf64_length_lies.wav", "mp3_tag_past_end.mp3"] {
        let found = probe::probe(Cursor::new(fixture(&format!("hostile/{name}"))));
        assert!(matches!(found, Err(MediaError::Malformed { .. })), "{name}: {found:?}");
    }
}

/// A tag of ID3v2 of that many bytes, header and all: `frames`, then padding.
fn tag(frames: &[u8], length: usize) -> Vec<u8> {
    let size = length - 10;
    let mut tag = b"ID3\x03\0\0".to_vec();
    tag.extend([21, 14, 7, 0].map(|shift| (size >> shift) as u8 & 0x7f));
    tag.extend(frames);
    tag.resize(length, 0);
    tag
}

fn frame(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&name[..], &u32::try_from(body.len()).unwrap().to_be_bytes(), &[0, 0], body].concat()
}

/// Counts the bytes that are read.
struct Counting<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl<R: Seek> Seek for Counting<R> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.inner.seek(to)
    }
}

#[test]
fn ten_megabytes_of_junk_before_the_first_frame_are_skipped() {
    const LENGTH: usize = 10 << 20;
    let good = fixture("tone.mp3");
    let picture = frame(b"APIC", &[b"\0image/png\0\x03\0", &vec![0xff; LENGTH - 100][..]].concat());
    let texts = frame(b"TXXX", b"\0a\0b").repeat(LENGTH / 14 - 10);
    for (name, frames) in
        [("padding", Vec::new()), ("a picture", picture), ("texts", texts), ("noise", vec![0xff; LENGTH - 10])]
    {
        let begun = Instant::now();
        let read = Arc::new(AtomicU64::new(0));
        let source = Counting { inner: Cursor::new([tag(&frames, LENGTH), good.clone()].concat()), read: read.clone() };
        let info = probe::probe(source).unwrap_or_else(|error| panic!("{name}: {error}"));
        let audio = info.audio.unwrap();
        assert_eq!((info.container.as_str(), audio.samples), ("mp3", Some(Samples(22_050))), "{name}");
        // What is not read takes no memory.
        let read = read.load(Ordering::Relaxed);
        assert!(read < 1 << 20, "{name}: {read} bytes were read");
        assert!(begun.elapsed() < Duration::from_secs(2), "{name} took {:?}", begun.elapsed());
    }
    let second = [tag(&[], 4096), tag(&[], 100), good].concat();
    assert!(probe::probe(Cursor::new(second)).is_ok(), "two tags");
}

/// A file that is cut by somebody else: its length is told as before, but its bytes end.
#[derive(Clone)]
struct Shrinking {
    bytes: Arc<[u8]>,
    at: u64,
    left: u64,
}

impl Read for Shrinking {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let rest = self.bytes.get(self.at as usize..self.left as usize).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.at += length as u64;
        Ok(length)
    }
}

impl Seek for Shrinking {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => (self.bytes.len() as u64).checked_add_signed(by),
        };
        self.at = at.ok_or(std::io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[test]
fn a_file_that_shrinks_while_it_is_read_is_an_error() {
    let all = TimeRange { start: Samples(0), end: Samples(1 << 20) };
    let target = StillTarget { size: (8, 8), max_bytes: 1 << 20 };
    let shrinking = |name: &str, (part, whole): (u64, u64)| {
        let bytes: Arc<[u8]> = fixture(name).into();
        let left = bytes.len() as u64 * part / whole;
        Shrinking { bytes, at: 0, left }
    };
    for name in ["clip_h264_aac.mp4", "clip_mono_44k.mp4", "tone_48k_24bit.wav", "tone_44k_16bit.wav"] {
        for part in [(0, 1), (1, 4), (1, 2), (3, 4)] {
            let source = shrinking(name, part);
            assert!(decode::each(source.clone(), all, &mut |_| Ok(())).is_err(), "{name} at {part:?}");
            if name.ends_with(".mp4") {
                assert!(probe::probe(source.clone()).is_err(), "{name} at {part:?}");
                assert!(strip::strip(&mut source.clone(), &mut Vec::new()).is_err(), "{name} at {part:?}");
            }
        }
    }
    for name in ["dot.png", "orient6.jpg", "orient3.webp", "dot.gif"] {
        for part in [(0, 1), (1, 4), (1, 2), (3, 4)] {
            let source = std::io::BufReader::new(shrinking(name, part));
            assert!(still::conform(source, target).is_err(), "{name} at {part:?}");
        }
    }
    // A stream without an index ends where it ends; it must only not hang.
    for name in ["tone.mp3", "tone.flac"] {
        for part in [(0, 1), (1, 4), (1, 2), (3, 4)] {
            let _ = probe::probe(shrinking(name, part));
            let _ = decode::each(shrinking(name, part), all, &mut |_| Ok(()));
        }
    }
}

#[test]
fn more_channels_than_a_copy_can_have_are_refused() {
    let bytes = fixture("hostile/wav_channels_2000.wav");
    let rate = SampleRate::new(768_000).unwrap();
    let cut = Cut { rate, source: Samples(2), kept: TimeRange { start: Samples(0), end: Samples(2) } };
    let mut out = Cursor::new(Vec::new());
    let found = conform::conform(Cursor::new(bytes), &cut, 24, &mut out);
    assert!(matches!(found, Err(MediaError::Unsupported(_))), "{found:?}");
}

#[test]
fn a_first_box_without_an_end_gets_one_when_a_clip_is_stripped() {
    let mut out = Vec::new();
    strip::strip(&mut Cursor::new(fixture("hostile/ftyp_size_zero.mp4")), &mut out).expect("a clip");
    let info = probe::probe(Cursor::new(out)).expect("a clip that can be read");
    assert_eq!((info.container.as_str(), info.audio), ("mp4", None));
    assert!(info.video.is_some());
}
