//! Files that are wrapped anew, judged by ffmpeg and ffprobe.
#![allow(clippy::unwrap_used, reason = "a test that fails panics, and may say why")]

mod support;

use std::path::Path;

use seedpost_av::AvError;
use seedpost_av::rewrap::{Fate, write};
use serde_json::Value;
use support::{bytes_of, floats, make, probed, ready, stream};

const PICTURE: &str = "-f lavfi -i testsrc2=s=320x180:r=24:d=5";
const SOUND: &str = "-f lavfi -i sine=f=440:r=48000:d=5";
const H264: &str = "-c:v libx264 -preset ultrafast -bf 2 -g 24 -pix_fmt yuv420p";

fn streamhash(path: &Path) -> String {
    let hash = String::from_utf8(bytes_of(path, "-map 0:v:0 -c copy -f streamhash -hash sha256 -")).unwrap();
    hash.trim().rsplit_once('=').unwrap().1.to_owned()
}

/// When each packet of the picture is shown, for how long, and when it is decoded, as far as known; in microseconds.
fn times(path: &Path) -> Vec<(i64, i64, Option<i64>)> {
    let all = probed(path, "-select_streams v:0 -show_packets");
    let time = |value: &Value| value.as_str().map(|text| (text.parse::<f64>().unwrap() * 1e6).round() as i64);
    let packets = all["packets"].as_array().unwrap().iter();
    let times = |packet: &Value| (time(&packet["pts_time"]), time(&packet["duration_time"]), time(&packet["dts_time"]));
    packets.map(times).map(|(shown, lasts, decoded)| (shown.unwrap(), lasts.unwrap(), decoded)).collect()
}

#[test]
fn the_picture_is_the_same_byte_for_byte_at_the_same_times() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let aac = "-c:a aac";
    for (name, out, coding) in [
        ("a.mov", "a.mp4", format!("{H264} {aac}")),
        ("whole.mp4", "whole.mov", format!("{H264} {aac}")),
        (
            "fragments.mp4",
            "fragments.out",
            format!("{H264} {aac} -movflags +frag_keyframe+empty_moov+default_base_moof"),
        ),
        ("a.mkv", "mkv.mp4", format!("{H264} {aac}")),
        ("a.webm", "webm.mp4", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus".to_owned()),
        (
            "hevc.mp4",
            "hevc2.mp4",
            format!("-c:v libx265 -preset ultrafast -x265-params log-level=none -pix_fmt yuv420p {aac}"),
        ),
        ("prores.mov", "prores2.mov", "-c:v prores_ks -c:a pcm_s24le".to_owned()),
    ] {
        let (source, out) = (folder.path().join(name), folder.path().join(out));
        make(&source, &format!("{PICTURE} {SOUND} {coding}"));
        for fate in [Fate::Drop, Fate::Copy, Fate::Encode] {
            let picture = write(&source, &out, fate).unwrap_or_else(|error| panic!("{name} {fate:?}: {error}"));
            assert_eq!((picture.packets, &picture.sha256), (120, &streamhash(&source)), "{name}");
            assert_eq!(picture.sha256, streamhash(&out), "{name}");
            let (before, after) = (times(&source), times(&out));
            for (at, (was, is)) in before.iter().zip(&after).enumerate() {
                assert_eq!((was.0, was.2.or(is.2)), (is.0, is.2), "{name} {fate:?} {at}");
                // Where the clock is coarse, the length that is stated is not the one that counts.
                assert!((was.1 - is.1).abs() <= 1000, "{name} {fate:?} {at}: {was:?} {is:?}");
            }
            assert_eq!(stream(&out, "audio").is_null(), fate == Fate::Drop, "{name}");
            let index = std::fs::read(&out).unwrap();
            let place = |name: &[u8]| index.windows(4).position(|window| window == name).unwrap();
            assert!(place(b"moov") < place(b"mdat"), "{name}");
        }
    }
}

#[test]
fn a_transport_streams_picture_is_kept_unit_for_unit() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let hevc = "-c:v libx265 -preset ultrafast -x265-params log-level=none -pix_fmt yuv420p";
    for (name, coding) in [("a.ts", H264), ("hevc.ts", hevc)] {
        let (source, out) = (folder.path().join(name), folder.path().join("out.mp4"));
        make(&source, &format!("{PICTURE} {SOUND} {coding} -c:a aac"));
        for fate in [Fate::Copy, Fate::Encode] {
            let picture = write(&source, &out, fate).unwrap();
            assert_eq!((picture.packets, picture.sha256), (120, streamhash(&source)), "{name}");
            let hashes = |path: &Path| {
                let text = String::from_utf8(bytes_of(path, "-map 0:v -f framehash -")).unwrap();
                let lines = text.lines().filter(|line| !line.starts_with('#'));
                lines.map(|line| line.rsplit(',').next().unwrap().trim().to_owned()).collect::<Vec<_>>()
            };
            assert_eq!(hashes(&out), hashes(&source), "{name}");
            let length: f64 = stream(&out, "video")["duration"].as_str().unwrap().parse().unwrap();
            assert!((length - 5.0).abs() < 0.001, "{name}: {length}");
        }
    }
}

#[test]
fn turns_shape_colours_chapters_and_names_are_kept() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let [plain, chapters, source, out] =
        ["plain.mp4", "chapters.txt", "source.mp4", "out.mp4"].map(|name| folder.path().join(name));
    make(
        &plain,
        &format!(
            "{PICTURE} {SOUND} -vf setsar=4/3 {H264} -color_primaries bt709 -color_trc bt709 -colorspace bt709 -c:a aac"
        ),
    );
    let text = ";FFMETADATA1\ntitle=A name\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=2000\ntitle=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=2000\nEND=5000\ntitle=Two\n";
    std::fs::write(&chapters, text).unwrap();
    let more = format!(
        "-i {} -map 0 -map_metadata 1 -c copy -metadata:s:v:0 rotate=90 -metadata:s:a:0 language=deu -timecode 01:00:00:00",
        chapters.display()
    );
    make(&source, &format!("-i {} {more}", plain.display()));
    write(&source, &out, Fate::Copy).unwrap();
    let (before, after) = (stream(&source, "video"), stream(&out, "video"));
    for fact in [
        "side_data_list",
        "sample_aspect_ratio",
        "display_aspect_ratio",
        "color_primaries",
        "color_transfer",
        "color_space",
        "avg_frame_rate",
        "r_frame_rate",
        "disposition",
        "nb_frames",
        "duration",
    ] {
        assert_eq!(before[fact], after[fact], "{fact}");
    }
    assert_eq!(before["side_data_list"][0]["rotation"].as_i64().map(i64::abs), Some(90));
    assert_eq!(after["tags"]["timecode"], "01:00:00:00");
    assert_eq!(stream(&out, "audio")["tags"]["language"], "deu");
    let facts = probed(&out, "-show_chapters -show_format");
    assert_eq!(facts["format"]["tags"]["title"], "A name");
    let titles: Vec<_> =
        facts["chapters"].as_array().unwrap().iter().map(|one| (&one["start_time"], &one["tags"]["title"])).collect();
    assert_eq!(
        titles,
        [(&Value::from("0.000000"), &Value::from("One")), (&Value::from("2.000000"), &Value::from("Two"))]
    );
}

#[test]
fn sound_that_is_encoded_is_heard_when_it_was() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let click = "-f lavfi -i aevalsrc=exprs='0.9*eq(n,CLICK)':s=RATE:d=5";
    for (name, rate, delay, coding) in [
        ("a.mov", 44_100, "", "-c:a pcm_s16le"),
        ("b.mov", 48_000, "", "-c:a pcm_s16le"),
        ("late.mov", 44_100, "-itsoffset 0.5", "-c:a pcm_s16le"),
        ("a.mkv", 44_100, "", "-c:a flac"),
    ] {
        let (source, out) = (folder.path().join(name), folder.path().join("out.mp4"));
        let click = click.replace("CLICK", &(rate * 2).to_string()).replace("RATE", &rate.to_string());
        make(&source, &format!("{PICTURE} {delay} {click} -map 0:v -map 1:a {H264} {coding}"));
        write(&source, &out, Fate::Encode).unwrap();
        let sound = stream(&out, "audio");
        assert_eq!((&sound["sample_rate"], &sound["channels"]), (&Value::from("48000"), &Value::from(2)), "{name}");
        assert_eq!(sound["codec_name"], "aac");
        let start: f64 = stream(&out, "audio")["start_time"].as_str().unwrap().parse().unwrap();
        let heard = floats(&bytes_of(&out, "-map 0:a -f f32le -"));
        let loudest = heard.chunks(2).map(|pair| pair[0].abs()).enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        let place = loudest.0 as f64 + start * 48_000.0;
        let expected = 48_000.0 * if delay.is_empty() { 2.0 } else { 2.5 };
        assert!((place - expected).abs() <= 2.0, "{name}: {place} of {expected}");
        let alike = heard.chunks(2).all(|pair| (pair[0] - pair[1]).abs() < 1e-3);
        assert!(alike, "{name}: one channel becomes two alike");
        let length = heard.len() as f64 / 2.0 / 48_000.0 + start;
        let whole = if delay.is_empty() { 5.0 } else { 5.5 };
        assert!((length - whole).abs() < 0.03, "{name}: {length}");
    }
}

#[test]
fn what_a_container_does_not_take_is_said() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let (prores, pcm, none) = (folder.path().join("a.mov"), folder.path().join("b.mov"), folder.path().join("c.wav"));
    make(&prores, &format!("{PICTURE} -t 0.5 -c:v prores_ks"));
    make(&pcm, &format!("{PICTURE} {SOUND} -t 0.5 {H264} -c:a pcm_s16le"));
    make(&none, &format!("{SOUND} -t 0.5"));
    let said = |source, fate| write(source, &folder.path().join("out.mp4"), fate).unwrap_err().to_string();
    assert_eq!(said(&prores, Fate::Drop), "this container does not take its picture");
    assert_eq!(said(&pcm, Fate::Copy), "this container does not take its sound");
    assert_eq!(said(&none, Fate::Drop), "there is no moving picture in it");
    let bytes = std::fs::read(&pcm).unwrap();
    for length in [0, 10, bytes.len() / 2, bytes.len() - 3] {
        std::fs::write(&none, &bytes[..length]).unwrap();
        let result = write(&none, &folder.path().join("out.mp4"), Fate::Encode);
        assert!(matches!(result, Err(AvError::Request(_) | AvError::Ffmpeg(_))), "{length}: {result:?}");
    }
}
