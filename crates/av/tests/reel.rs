//! Reels of picture references, judged by ffprobe, ffmpeg and a reader of their bars.
#![allow(clippy::unwrap_used, reason = "a test that fails panics, and may say why")]

mod support;

use std::path::{Path, PathBuf};

use seedpost_av::{reel, reference};
use seedpost_core::time::{Frames, Samples};
use seedpost_core::turnover::order::{EditCodec, ReelOrder, ReelPart, ReferenceForm, ReferenceOrder, SoundOf};
use support::{bars, bytes_of, greys, heard, later, make, noise, probed, ready, stream, wav};

/// 00:59:58:00 at 24 frames a second.
const START: u64 = 86_352;

fn form(codec: EditCodec, size: (u32, u32), rate: &str) -> ReferenceForm {
    ReferenceForm { codec, width: size.0, height: size.1, rate: rate.parse().unwrap(), drop: false }
}

/// A reference of a grey picture.
fn clip(folder: &Path, name: &str, form: &ReferenceForm, record: u64, frames: u64) -> [PathBuf; 2] {
    let source = folder.join(format!("{name}_source.mp4"));
    make(&source, "-f lavfi -i color=c=gray:s=320x240:r=24:d=1 -c:v libx264 -bf 2 -pix_fmt yuv420p");
    let [edit, view] = ["mov", "mp4"].map(|ending| folder.join(format!("{name}.{ending}")));
    reference::write(&ReferenceOrder {
        source,
        form: form.clone(),
        from: Frames(0),
        frames: Frames(frames),
        record: Frames(record),
        source_timecode: Frames(0),
        name: name.to_owned(),
        reel: name.to_owned(),
        sound: None,
        edit: edit.clone(),
        view: view.clone(),
        still: None,
    })
    .unwrap();
    [edit, view]
}

fn packets(path: &Path, from: usize, count: usize) -> Vec<String> {
    let text = String::from_utf8(bytes_of(path, "-map 0:v -c copy -f framehash -hash md5 -")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#')).skip(from).take(count);
    lines.map(|line| line.rsplit(',').next().unwrap().trim().to_owned()).collect()
}

#[test]
fn a_reel_has_every_frame_in_its_place() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let samples = noise(48_000 * 8);
    let mix = folder.path().join("mix.wav");
    wav(&mix, &samples);
    for codec in [EditCodec::Dnxhr, EditCodec::Prores] {
        let form = form(codec, (640, 360), "24");
        // 30 of leader, 13, a gap of 5, 1, 24, 20 of tail: 93 frames.
        let lengths = [(30, 13), (48, 1), (49, 24)];
        let clips = [0, 1, 2].map(|index| {
            let (at, frames): (u64, u64) = lengths[index];
            clip(folder.path(), &format!("{codec:?}{index}"), &form, START + at, frames)
        });
        for (kind, ending) in [(0, "mov"), (1, "mp4")] {
            let part =
                |index: usize| ReelPart::Clip { file: clips[index][kind].clone(), frames: Frames(lengths[index].1) };
            let black = |frames| ReelPart::Black { frames: Frames(frames) };
            let order = ReelOrder {
                form: form.clone(),
                record: Frames(START),
                parts: vec![black(30), part(0), black(5), part(1), part(2), black(20)],
                flashes: vec![Frames(START + 12), Frames(START + 80)],
                slate: vec!["KITCHEN AT SEVEN".to_owned(), "R01 V002".to_owned()],
                reel: "Kitchen_r01".to_owned(),
                sound: Some(SoundOf { file: mix.clone(), from: Samples(4321) }),
                out: folder.path().join(format!("reel.{ending}")),
            };
            reel::write(&order).unwrap();
            let first = std::fs::read(&order.out).unwrap();
            assert_eq!(bars(&order.out, &[]), (START..START + 93).collect::<Vec<u64>>(), "{codec:?} {ending}");
            let corner = greys(&order.out, 630, 100);
            let white: Vec<usize> = (0..93).filter(|frame| corner[*frame] > 200).collect();
            assert_eq!(white, [12, 80]);
            let grey: Vec<usize> = (0..93).filter(|frame| (100..150).contains(&corner[*frame])).collect();
            let expected: Vec<usize> = (30..43).chain(48..73).filter(|frame| *frame < 93).collect();
            // The source is of 4:3: beside it is black.
            assert!(grey.is_empty(), "{grey:?}");
            let middle = greys(&order.out, 320, 100);
            assert_eq!((0..93).filter(|frame| (100..150).contains(&middle[*frame])).collect::<Vec<_>>(), expected);
            // A letter of the slate.
            let slate = brightest(&order.out);
            assert!((0..12).all(|frame| slate[frame] > 200), "{slate:?}");
            assert!((13..30).chain(43..48).chain(73..80).all(|frame| slate[frame] < 30), "{slate:?}");
            for (index, (at, frames)) in lengths.into_iter().enumerate() {
                let [own, given] =
                    [packets(&order.out, at as usize, frames as usize), packets(&clips[index][kind], 0, 99)];
                assert_eq!(own, given, "{codec:?} {ending} {index}");
            }
            facts(&order.out, ending == "mov");
            let expected = &samples[4321..4321 + 93 * 2000];
            let heard = heard(&order.out);
            assert_eq!(heard.len(), expected.len());
            assert!(ending == "mp4" || heard == expected);
            let (lag, like) = later(expected, &heard);
            assert!(lag == 0 && like > 0.8, "{lag} {like}");
            reel::write(&order).unwrap();
            assert!(first == std::fs::read(&order.out).unwrap(), "the same bytes twice");
        }
    }
}

/// The brightest place of each frame between bars and label.
fn brightest(path: &Path) -> Vec<u8> {
    let pixels = bytes_of(
        path,
        "-map 0:v -vf extractplanes=y,format=gray,crop=100:220:0:60 -fps_mode passthrough -f rawvideo -",
    );
    pixels.chunks(100 * 220).map(|frame| *frame.iter().max().unwrap()).collect()
}

fn facts(path: &Path, is_mov: bool) {
    let picture = stream(path, "video");
    assert_eq!([&picture["nb_frames"], &picture["avg_frame_rate"], &picture["start_time"]], ["93", "24/1", "0.000000"]);
    let all = probed(path, "-select_streams v -show_packets -show_streams");
    let tick = if is_mov { "mov" } else { "mp4" };
    let base = all["streams"][0]["time_base"].as_str().unwrap();
    let ticks: i64 = base.strip_prefix("1/").unwrap().parse().unwrap();
    for (index, packet) in (0..).zip(all["packets"].as_array().unwrap()) {
        assert_eq!(
            (packet["pts"].as_i64(), packet["dts"].as_i64()),
            (Some(index * ticks / 24), Some(index * ticks / 24)),
            "{tick}"
        );
    }
    let all = probed(path, "-show_streams");
    let track = all["streams"].as_array().unwrap().iter().find(|one| one["codec_tag_string"] == "tmcd");
    let told = track.map(|track| (track["tags"]["timecode"].clone(), track["tags"]["reel_name"].clone()));
    assert_eq!(told, is_mov.then(|| ("00:59:58:00".into(), "Kitchen_r01".into())));
}

#[test]
fn parts_that_do_not_fit_are_refused_in_words() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let own = form(EditCodec::Dnxhr, (320, 240), "24");
    let good = clip(folder.path(), "good", &own, START, 6);
    let refused = |file: &Path, frames: u64, flashes: &[u64], ending: &str, words: &str| {
        let error = reel::write(&ReelOrder {
            form: own.clone(),
            record: Frames(START),
            parts: vec![
                ReelPart::Black { frames: Frames(2) },
                ReelPart::Clip { file: file.to_owned(), frames: Frames(frames) },
            ],
            flashes: flashes.iter().map(|at| Frames(*at)).collect(),
            slate: Vec::new(),
            reel: String::new(),
            sound: None,
            out: folder.path().join(format!("reel.{ending}")),
        });
        let error = error.unwrap_err().to_string();
        assert!(error.contains(words), "{}: {error:?} has no {words:?}", file.display());
    };
    let other = "another codec, size or rate";
    for (name, form) in [
        ("size", form(EditCodec::Dnxhr, (320, 244), "24")),
        ("rate", form(EditCodec::Dnxhr, (320, 240), "25")),
        ("codec", form(EditCodec::Prores, (320, 240), "24")),
    ] {
        let [edit, view] = clip(folder.path(), name, &form, START, 6);
        refused(&edit, 6, &[], "mov", other);
        if name != "codec" {
            refused(&view, 6, &[], "mp4", other);
        }
    }
    refused(&good[1], 6, &[], "mov", other);
    refused(&good[0], 5, &[], "mov", "another number of frames");
    refused(&good[0], 7, &[], "mov", "another number of frames");
    refused(&good[0], 6, &[START + 3], "mov", "a flash stands outside");
    refused(&good[0], 6, &[START - 1], "mov", "a flash stands outside");
    refused(&folder.path().join("none.mov"), 6, &[], "mov", "No such file");
    let theirs = folder.path().join("theirs.mp4");
    make(&theirs, &format!("-i {} -c:v libx264 -bf 0 -g 12 -preset fast", good[1].display()));
    refused(&theirs, 6, &[], "mp4", "encoded otherwise than the reel");
    make(&theirs, &format!("-i {} -c:v libx264 -bf 2", good[1].display()));
    refused(&theirs, 6, &[], "mp4", other);
    let cut = folder.path().join("cut.mov");
    let bytes = std::fs::read(&good[0]).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() - 1000]).unwrap();
    refused(&cut, 6, &[], "mov", "cut short");
}
