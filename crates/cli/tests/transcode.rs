//! Upload copies of reference videos and clips, made by the worker and judged by ffprobe and ffmpeg.
#![allow(clippy::unwrap_used, reason = "a test that fails panics, and may say why")]

mod support;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use seedpost_core::time::{FrameRate, Frames};
use seedpost_media::worker::{ClipOrder, TranscodeOrder, Worker, WorkerError};
use serde_json::Value;
use support::{make, tool};

/// Luma of picture `N` of a source, which a copy keeps to within one.
const RAMP: &str = "geq=lum='20+mod(N*4,200)':cb=128:cr=128";

fn worker() -> Worker {
    Worker::new(PathBuf::from(env!("CARGO_BIN_EXE_seedpost-av")), Duration::from_secs(60))
}

fn order(source: &Path, out: &Path, frames: u64) -> TranscodeOrder {
    TranscodeOrder {
        source: source.to_owned(),
        out: out.to_owned(),
        start: Frames(0),
        frames: Frames(frames),
        rate: FrameRate::FPS_24,
        width: 320,
        height: 180,
        rotation: 0,
        max_bytes: 50 << 20,
    }
}

fn probed(path: &Path) -> Value {
    let text = tool(
        "ffprobe",
        &["-v", "error", "-count_frames", "-show_streams", "-show_format", "-of", "json", path.to_str().unwrap()],
    );
    serde_json::from_str(&text).unwrap()
}

fn stream<'a>(probed: &'a Value, kind: &str) -> &'a Value {
    probed["streams"].as_array().unwrap().iter().find(|stream| stream["codec_type"] == kind).unwrap()
}

fn seconds(value: &Value) -> f64 {
    value.as_str().unwrap().parse().unwrap()
}

fn decoded(path: &Path, arguments: &[&str]) -> Vec<u8> {
    let path = path.to_str().unwrap();
    let all = [&["-v", "error", "-i", path], arguments, &["-f", "rawvideo", "-"]].concat();
    let output = Command::new("ffmpeg").args(&all).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The mean luma of each picture.
fn lumas(path: &Path) -> Vec<u8> {
    let small = ["-fps_mode", "passthrough", "-vf", "scale=2:2:flags=area", "-pix_fmt", "yuv420p"];
    decoded(path, &small).chunks(6).map(|picture| picture[0]).collect()
}

/// The samples of the first channel.
fn sound(path: &Path) -> Vec<f32> {
    let path = path.to_str().unwrap();
    let arguments = ["-v", "error", "-i", path, "-ac", "1", "-f", "f32le", "-"];
    let bytes = Command::new("ffmpeg").args(arguments).output().unwrap().stdout;
    bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

fn check_lumas(found: &[u8], expected: impl Iterator<Item = u8>) {
    let expected: Vec<u8> = expected.collect();
    assert_eq!(found.len(), expected.len());
    let near = found.iter().zip(&expected).all(|(found, expected)| found.abs_diff(*expected) <= 1);
    assert!(near, "found    {found:?}\nexpected {expected:?}");
}

#[test]
fn a_copy_shows_at_each_frame_what_the_source_shows_then() {
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("source.mp4"), folder.path().join("copy"));
    make(
        &source,
        &format!(
            "-f lavfi -i color=s=32x18:r=30:d=6,{RAMP},scale=1920:1080:flags=neighbor \
             -f lavfi -i aevalsrc=exprs='0.8*sin(2000*PI*t)*(between(t,2,2.1)+between(t,5,5.1))':s=44100:d=6 \
             -preset ultrafast -crf 12 -g 20 -pix_fmt yuv420p -c:a aac -shortest"
        ),
    );
    let mut worker = worker();
    // From the beginning, and from a keyframe on the way.
    for (start, frames, tone) in [(12, 90, 1.5), (100, 44, 5.0 - 100.0 / 24.0)] {
        let order = TranscodeOrder { start: Frames(start), width: 834, height: 470, ..order(&source, &out, frames) };
        worker.transcode(order.clone()).unwrap();
        let facts = probed(&out);
        let video = stream(&facts, "video");
        assert_eq!((&video["width"], &video["height"]), (&834.into(), &470.into()));
        assert_eq!(video["sample_aspect_ratio"], "1:1");
        assert_eq!((&video["r_frame_rate"], &video["avg_frame_rate"]), (&"24/1".into(), &"24/1".into()));
        assert_eq!((&video["codec_name"], &video["pix_fmt"]), (&"h264".into(), &"yuv420p".into()));
        assert_eq!(video["nb_read_frames"], frames.to_string());
        let length = frames as f64 / 24.0;
        assert!((seconds(&video["duration"]) - length).abs() < 0.001, "{video}");
        let audio = stream(&facts, "audio");
        assert_eq!((&audio["codec_name"], &audio["sample_rate"]), (&"aac".into(), &"48000".into()));
        assert!((seconds(&audio["duration"]) - length).abs() < 1024.0 / 48_000.0, "{audio}");
        let shown = (start..start + frames).map(|number| 20 + (number * 30 / 24 * 4 % 200) as u8);
        check_lumas(&lumas(&out), shown);
        let heard = sound(&out).iter().position(|sample| sample.abs() > 0.3).unwrap() as f64 / 48_000.0;
        assert!((heard - tone).abs() < 0.004, "{heard} {tone}");
        let bytes = std::fs::read(&out).unwrap();
        let place = |kind: &[u8]| bytes.windows(4).position(|window| window == kind).unwrap();
        assert!(place(b"moov") < place(b"mdat"));
        if start > 12 {
            worker.transcode(order).unwrap();
            assert!(bytes == std::fs::read(&out).unwrap(), "the same order, other bytes");
        }
    }
}

#[test]
fn frames_of_unequal_length_become_equal() {
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("source.mp4"), folder.path().join("copy"));
    make(
        &source,
        &format!(
            "-f lavfi -i color=s=320x180:r=60:d=3,{RAMP},select='not(mod(n\\,7))+not(mod(n\\,5))+lt(n\\,20)' \
             -fps_mode vfr -crf 12 -bf 2 -pix_fmt yuv420p"
        ),
    );
    let times = tool(
        "ffprobe",
        &["-v", "error", "-show_entries", "frame=pts_time", "-of", "csv=p=0", source.to_str().unwrap()],
    );
    let times: Vec<f64> = times.lines().filter_map(|line| line.trim_matches(',').parse().ok()).collect();
    let shown = lumas(&source);
    assert_eq!(times.len(), shown.len());
    assert!(worker().probe(source.clone()).unwrap().video.unwrap().rate.is_none());
    worker().transcode(order(&source, &out, 72)).unwrap();
    let facts = probed(&out);
    let video = stream(&facts, "video");
    assert_eq!((&video["r_frame_rate"], &video["avg_frame_rate"]), (&"24/1".into(), &"24/1".into()));
    assert!(facts["streams"].as_array().unwrap().len() == 1, "sound out of nothing");
    check_lumas(
        &lumas(&out),
        (0..72).map(|number| {
            let last = times.iter().rposition(|time| *time <= f64::from(number) / 24.0 + 0.0001).unwrap();
            shown[last]
        }),
    );
}

#[test]
fn a_source_that_ends_early_shows_its_last_picture_and_is_silent() {
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("source.mov"), folder.path().join("copy"));
    // The picture begins within a group of pictures, and the sound says nothing of its channels' places.
    let whole = folder.path().join("whole.mov");
    make(
        &whole,
        &format!(
            "-f lavfi -i color=s=320x180:r=24:d=3,{RAMP} -f lavfi -i sine=r=48000:d=3 \
             -crf 12 -g 48 -bf 2 -pix_fmt yuv420p -c:a pcm_s16le -ac 2"
        ),
    );
    make(&source, &format!("-ss 0.5 -i {} -c copy", whole.display()));
    worker().transcode(order(&source, &out, 72)).unwrap();
    check_lumas(&lumas(&out), (12..84_u16).map(|number| 20 + (number.min(71) * 4 % 200) as u8));
    let heard = sound(&out);
    assert!(heard.len().abs_diff(144_000) <= 1024, "{}", heard.len());
    assert!(heard[60_000..100_000].iter().any(|sample| sample.abs() > 0.05));
    assert!(heard[124_000..].iter().all(|sample| sample.abs() < 0.01));
}

#[test]
fn a_picture_that_lies_on_its_side_is_turned_as_players_turn_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    make(
        &file("flat.mp4"),
        "-f lavfi -i testsrc2=s=320x180:r=24:d=0.5,drawbox=w=80:h=40:c=white:t=fill -crf 12 -pix_fmt yuv420p",
    );
    let mut worker = worker();
    for tag in [0_u16, 90, 180, 270] {
        let (source, out) = (file("turned.mp4"), file("copy"));
        make(&source, &format!("-i {} -c copy -metadata:s:v rotate={tag}", file("flat.mp4").display()));
        let av = worker.probe(source.clone()).unwrap().video.unwrap();
        let own = seedpost_media::probe::probe(File::open(&source).unwrap()).unwrap().video.unwrap();
        // This ffmpeg writes the tag as anticlockwise, and ffprobe tells it so.
        let matrix = stream(&probed(&source), "video")["side_data_list"][0]["rotation"].as_i64().unwrap_or(0);
        assert_eq!((360 + matrix) % 360, i64::from(tag));
        let rotation = (360 - tag) % 360;
        assert_eq!((av.rotation, own.rotation), (rotation, rotation));
        assert_eq!(av.duration, own.duration);
        let (width, height) = own.upright();
        worker.transcode(TranscodeOrder { width, height, rotation, ..order(&source, &out, 12) }).unwrap();
        assert!(stream(&probed(&out), "video")["side_data_list"].is_null());
        let pictures = |path| decoded(path, &["-frames:v", "3", "-pix_fmt", "yuv420p"]);
        let (found, expected) = (pictures(&out), pictures(&source));
        assert_eq!(found.len(), expected.len());
        let sum: u64 = found.iter().zip(&expected).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        assert!(sum < 2 * found.len() as u64, "{rotation}: {sum} of {}", found.len());
    }
}

#[test]
fn other_codecs_and_containers_are_copied() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("copy");
    for (name, coding) in [
        ("vp9.webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 2M -c:a libopus"),
        ("hevc.mp4", "-c:v libx265 -preset ultrafast -x265-params log-level=none -pix_fmt yuv420p10le -c:a aac"),
        ("prores.mov", "-c:v prores -c:a pcm_s24le"),
        ("mjpeg.mov", "-c:v mjpeg -q:v 2 -pix_fmt yuvj420p -c:a mp3"),
        ("mpeg4.avi", "-c:v mpeg4 -q:v 2 -bf 0 -c:a pcm_s16le"),
        ("mpeg2.ts", "-c:v mpeg2video -q:v 2 -bf 2 -c:a mp2"),
    ] {
        let source = folder.path().join(name);
        make(
            &source,
            &format!(
                "-f lavfi -i color=s=320x180:r=24:d=2,{RAMP},format=yuv420p -f lavfi -i sine=d=2,volume=8dB \
                 {coding} -ac 1"
            ),
        );
        worker().transcode(order(&source, &out, 48)).unwrap();
        let found = lumas(&out);
        assert_eq!(found.len(), 48, "{name}");
        for (number, luma) in found.iter().enumerate() {
            let expected = 20 + (number * 4 % 200) as u8;
            assert!(luma.abs_diff(expected) <= 3, "{name}: {found:?}");
        }
        let heard = sound(&out);
        assert!(heard.len().abs_diff(96_000) <= 1024, "{name}: {}", heard.len());
        assert!(heard[4000..90_000].iter().any(|sample| sample.abs() > 0.05), "{name}");
    }
}

#[test]
fn a_cut_or_false_file_is_an_error_and_the_worker_lives_on() {
    let folder = tempfile::tempdir().unwrap();
    let (cut, out) = (folder.path().join("cut"), folder.path().join("copy"));
    let mut worker = worker();
    for (name, coding) in [
        ("a.mp4", "-preset ultrafast -movflags +faststart -c:a aac"),
        ("b.mp4", "-preset ultrafast -c:a aac"),
        ("c.webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus"),
        ("d.mp4", "-preset ultrafast -movflags +frag_keyframe -g 24 -c:a aac"),
    ] {
        let source = folder.path().join(name);
        make(
            &source,
            &format!("-f lavfi -i testsrc2=s=320x180:r=24:d=5 -f lavfi -i sine=d=5 {coding} -pix_fmt yuv420p"),
        );
        worker.transcode(order(&source, &out, 120)).unwrap();
        let bytes = std::fs::read(&source).unwrap();
        std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
        let result = worker.transcode(order(&cut, &out, 120));
        assert!(matches!(result, Err(WorkerError::Failed(_))), "{name}: {result:?}");
    }
    for bytes in [&b""[..], b"ftypisom", b"#EXTM3U\nfile:///etc/passwd\n", b"ffconcat version 1.0\nfile a.mp4\n"] {
        std::fs::write(&cut, bytes).unwrap();
        let result = worker.transcode(order(&cut, &out, 24));
        assert!(matches!(result, Err(WorkerError::Failed(_))), "{result:?}");
    }
    let whole = folder.path().join("a.mp4");
    for wrong in [
        TranscodeOrder { width: 321, ..order(&whole, &out, 24) },
        TranscodeOrder { rotation: 45, ..order(&whole, &out, 24) },
        order(&whole, &out, 0),
    ] {
        assert!(matches!(worker.transcode(wrong), Err(WorkerError::Failed(_))));
    }
    worker.transcode(order(&whole, &out, 24)).unwrap();
}

#[test]
fn a_copy_stays_within_its_bytes_or_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("source.mp4"), folder.path().join("copy"));
    make(
        &source,
        "-f lavfi -i color=gray:s=320x180:r=24:d=3,noise=alls=100:allf=t+u -f lavfi -i anoisesrc=d=3 \
         -preset ultrafast -crf 10 -pix_fmt yuv420p -c:a aac",
    );
    let mut worker = worker();
    let bounded = |max_bytes| TranscodeOrder { max_bytes, ..order(&source, &out, 72) };
    for max_bytes in [2_000_000, 800_000, 400_000] {
        worker.transcode(bounded(max_bytes)).unwrap();
        let bytes = std::fs::metadata(&out).unwrap().len();
        assert!(bytes <= max_bytes && bytes > max_bytes / 2, "{bytes} of {max_bytes}");
        assert_eq!(lumas(&out).len(), 72);
    }
    assert!(matches!(worker.transcode(bounded(60_000)), Err(WorkerError::Failed(_))));
}

#[test]
fn a_clip_has_the_channels_and_the_rate_that_were_ordered() {
    let folder = tempfile::tempdir().unwrap();
    let (given, out) = (folder.path().join("sound.f32"), folder.path().join("clip.mp4"));
    // A second of a tone on the left, and nothing on the right.
    let tone =
        (0..48_000_u16).flat_map(|at| [(f32::from(at) * 440.0 * std::f32::consts::TAU / 48_000.0).sin() * 0.5, 0.0]);
    std::fs::write(&given, tone.flat_map(f32::to_le_bytes).collect::<Vec<u8>>()).unwrap();
    let mut worker = worker();
    for (channels, rate) in [(2, 48_000), (1, 48_000), (2, 44_100), (1, 44_100)] {
        let (captions, sound) = (Vec::new(), Some(given.clone()));
        let order =
            ClipOrder { out: out.clone(), width: 320, height: 180, frames: 24, captions, sound, channels, rate };
        worker.clip(order).unwrap();
        let probed = probed(&out);
        let found = stream(&probed, "audio");
        let form = (found["channels"].as_u64(), found["sample_rate"].as_str().unwrap().parse(), &found["duration_ts"]);
        assert_eq!(form, (Some(channels.into()), Ok(rate), &Value::from(rate)), "{found}");
        let expected = if channels == 1 { 0.031_25 } else { 0.062_5 };
        let found = power(&out);
        assert!((found - expected).abs() < 0.05 * expected, "{channels} {rate}: {found}");
    }
}

/// The mean power of the middle of a clip's sound, over all of its channels.
fn power(path: &Path) -> f64 {
    let arguments = ["-v", "error", "-i", path.to_str().unwrap(), "-map", "0:a", "-f", "f32le", "-"];
    let bytes = Command::new("ffmpeg").args(arguments).output().unwrap().stdout;
    let all: Vec<f32> = bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
    let middle = &all[all.len() / 4..all.len() / 4 * 3];
    middle.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / middle.len() as f64
}
