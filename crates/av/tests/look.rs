//! What is seen in clips, compared with what ffmpeg's own detectors see.
#![allow(clippy::unwrap_used, reason = "a test that fails panics, and may say why")]

mod support;

use std::path::Path;

use image::GenericImageView;
use seedpost_av::look::{Wanted, look};
use seedpost_core::content::Look;
use seedpost_core::time::{Frames, TimeRange};
use support::{make, ready, said_of};

const NONE: Wanted<'_> = Wanted { folder: None, count: 0, frames: None };
const MOVING: &str = "-f lavfi -i testsrc2=s=320x180:r=24:d=5";

fn stretches(found: &[TimeRange<Frames>]) -> Vec<(u64, u64)> {
    found.iter().map(|stretch| (stretch.start.0, stretch.end.0)).collect()
}

/// The numbers of frames that ffmpeg prints after a word.
fn printed(said: &str, word: &str) -> Vec<u64> {
    let values =
        said.split(word).skip(1).map(|rest| rest.trim_start_matches([':', ' ']).split_whitespace().next().unwrap());
    values.map(|value| (value.parse::<f64>().unwrap() * 24.0).round() as u64).collect()
}

#[test]
fn black_and_frozen_stretches_are_those_that_ffmpeg_finds() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let parts = "[0:v]split=4[a][b][c][d];[a]trim=end_frame=30[a];[b]trim=start_frame=30:end_frame=60,drawbox=t=fill:color=black[b];\
                 [c]trim=start_frame=60:end_frame=61,loop=29:1[c];[d]trim=start_frame=61,hue=b='if(lt(mod(n,24),2),-10,0)'[d];\
                 [a][b][c][d]concat=n=4,setpts=N/24/TB";
    for (name, format) in [
        ("h264.mp4", "-c:v libx264 -preset ultrafast -crf 12 -pix_fmt yuv420p"),
        ("deep.mkv", "-c:v libx265 -preset ultrafast -x265-params log-level=none -crf 12 -pix_fmt yuv420p10le"),
        ("full.mov", "-c:v mjpeg -q:v 2 -pix_fmt yuvj422p"),
        ("prores.mov", "-c:v prores_ks -pix_fmt yuv422p10le"),
    ] {
        let source = folder.path().join(name);
        make(&source, &format!("{MOVING} -filter_complex {} {format}", parts.replace(' ', "")));
        let seen = look(&source, &NONE).unwrap();
        assert_eq!((seen.errors, seen.frames, seen.pictures.len()), (0, 149, 0), "{name}");
        let said = said_of(&source, "-vf blackdetect=d=0.1,freezedetect=n=-60dB:d=0.5 -f null -");
        let pairs = |starts: Vec<u64>, ends: Vec<u64>| starts.into_iter().zip(ends).collect::<Vec<_>>();
        let black = pairs(printed(&said, "black_start"), printed(&said, "black_end"));
        let frozen = pairs(printed(&said, "freeze_start"), printed(&said, "freeze_end"));
        assert!(!black.is_empty() && !frozen.is_empty(), "{said}");
        assert_eq!(stretches(&seen.black), black, "{name}");
        assert_eq!(stretches(&seen.frozen), frozen, "{name}");
    }
    let gray = folder.path().join("gray.mov");
    make(&gray, "-f lavfi -i color=black:s=64x64:r=24:d=1 -c:v qtrle -pix_fmt rgb24");
    let seen = look(&gray, &NONE).unwrap();
    assert_eq!((stretches(&seen.black), stretches(&seen.frozen)), (vec![(0, 24)], vec![(0, 24)]));
}

fn damaged(source: &Path, out: &Path) {
    let mut bytes = std::fs::read(source).unwrap();
    let data = bytes.windows(4).position(|window| window == b"mdat").unwrap();
    let (from, length) = (data + (bytes.len() - data) / 2, 600);
    for (index, byte) in bytes[from..from + length].iter_mut().enumerate() {
        *byte = (index * 37 % 251) as u8;
    }
    std::fs::write(out, bytes).unwrap();
}

#[test]
fn damage_is_counted_and_a_whole_file_has_none() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let hevc = "-c:v libx265 -preset ultrafast -x265-params log-level=none -pix_fmt yuv420p";
    for (name, coding) in [
        ("h264.mp4", "-c:v libx264 -preset medium -pix_fmt yuv420p -g 24 -movflags +faststart"),
        ("hevc.mp4", &format!("{hevc} -movflags +faststart")),
        ("mpeg4.mp4", "-c:v mpeg4 -movflags +faststart"),
        ("prores.mov", "-c:v prores_ks -movflags +faststart"),
    ] {
        let (source, bad) = (folder.path().join(name), folder.path().join(format!("bad-{name}")));
        make(&source, &format!("{MOVING} {coding}"));
        let seen = look(&source, &NONE).unwrap();
        assert_eq!((seen.frames, seen.errors, seen.error_frames), (120, 0, Vec::new()), "{name}");
        damaged(&source, &bad);
        let first = look(&bad, &NONE).unwrap();
        assert!(first.errors > 0, "{name}: {first:?}");
        assert!(first.error_frames.len() <= 16 && first.error_frames.first() < Some(&Frames(90)), "{name}: {first:?}");
        assert!((100..=120).contains(&first.frames), "{name}: {first:?}");
        for _ in 0..4 {
            assert_eq!(look(&bad, &NONE).unwrap(), first, "{name}: the same each time");
        }
        // A file that ends early has an answer too, or is none at all.
        let bytes = std::fs::read(&source).unwrap();
        std::fs::write(&bad, &bytes[..bytes.len() / 2]).unwrap();
        let cut: Look = look(&bad, &NONE).unwrap();
        assert!(cut.frames < 120 && cut.errors > 0, "{name}: {cut:?}");
    }
}

#[test]
fn still_pictures_are_spread_evenly_upright_and_on_a_sheet() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let (source, turned) = (folder.path().join("a.mp4"), folder.path().join("turned.mp4"));
    make(&source, "-f lavfi -i color=red:s=640x360:r=24:d=5 -c:v libx264 -preset ultrafast -pix_fmt yuv420p");
    make(&turned, &format!("-i {} -c copy -metadata:s:v:0 rotate=90", source.display()));
    let pictures = |source: &Path, count, frames: Option<u64>| {
        let wanted = Wanted { folder: Some(folder.path()), count, frames: frames.map(Frames) };
        look(source, &wanted).unwrap()
    };
    let numbers = |seen: &Look| seen.pictures.iter().map(|(_, frame)| frame.0).collect::<Vec<_>>();
    let seen = pictures(&source, 6, Some(120));
    assert_eq!(numbers(&seen), [10, 30, 50, 70, 90, 110]);
    assert_eq!(seen.pictures[0].0, "frame_000010.jpg");
    let first = image::open(folder.path().join("frame_000010.jpg")).unwrap();
    assert_eq!(first.dimensions(), (320, 180));
    let [red, green, blue, _] = first.get_pixel(100, 100).0;
    assert!(red > 245 && green < 12 && blue < 12, "{red} {green} {blue}");
    assert_eq!(seen.sheet.as_deref(), Some("contact_sheet.jpg"));
    assert_eq!(image::open(folder.path().join("contact_sheet.jpg")).unwrap().dimensions(), (1280, 400));
    // As many as there are, where there are fewer.
    assert_eq!(numbers(&pictures(&source, 6, Some(3))), [0, 1, 2]);
    assert_eq!(numbers(&pictures(&source, 3, None)), [0, 48, 96]);
    assert_eq!(numbers(&pictures(&source, 10, None)), [0, 24, 48, 72, 96]);
    assert!(pictures(&source, 0, Some(120)).pictures.is_empty());
    let seen = pictures(&turned, 1, Some(120));
    assert_eq!(image::open(folder.path().join(&seen.pictures[0].0)).unwrap().dimensions(), (320, 569));
}

#[test]
fn a_picture_that_changes_its_size_midway_is_looked_at_to_its_end() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let [one, two, joined] = ["1.ts", "2.ts", "joined.ts"].map(|name| folder.path().join(name));
    make(&one, &format!("{MOVING} -c:v libx264 -preset ultrafast -pix_fmt yuv420p"));
    make(&two, "-f lavfi -i testsrc2=s=176x288:r=24:d=5 -c:v libx264 -preset ultrafast -pix_fmt yuv420p");
    std::fs::write(&joined, [std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap()].concat()).unwrap();
    let wanted = Wanted { folder: Some(folder.path()), count: 5, frames: Some(Frames(240)) };
    let seen = look(&joined, &wanted).unwrap();
    assert_eq!((seen.frames, seen.pictures.len()), (240, 5));
}
