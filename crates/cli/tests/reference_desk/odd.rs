//! Files that are whole but odd, and files whose cut only their own headers betray.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::assets::cook;
use crate::support::{json as report, repository, run, tool};

const FILES: &str = r"
steady.wav  | sox -D -r 44100 -n -b 16 -c 2 $ synth 3 sine 440 vol 0.5
film.mp4    | ffmpeg -f lavfi -i testsrc2=s=320x180:r=25:d=8 -f lavfi -i sine=440:r=48000:d=8 -preset ultrafast -bf 2 -g 250 -pix_fmt yuv420p -c:a aac $
coarse.mov  | ffmpeg -f lavfi -i testsrc2=s=320x180:r=30000/1001:d=3 -preset ultrafast -pix_fmt yuv420p -video_track_timescale 600 $
milli.mp4   | ffmpeg -f lavfi -i testsrc2=s=320x180:r=30:d=3 -preset ultrafast -pix_fmt yuv420p -video_track_timescale 1000 $
film.mkv    | ffmpeg -f lavfi -i testsrc2=s=320x180:r=24:d=8 -preset ultrafast -pix_fmt yuv420p $
quad.m4a    | ffmpeg -f lavfi -i sine=440:r=48000:d=2 -af aformat=channel_layouts=quad -c:a aac $
fast.m4a    | ffmpeg -f lavfi -i sine=440:r=96000:d=2 -c:a aac -ar 96000 $
cover.jpg   | convert -size 64x64 xc:gray50 $
packed.bmp  | convert -size 64x64 gradient: -type palette -compress RLE $
deep.tiff   | convert -size 64x64 gradient:red-blue -depth 32 $
";
const MORE: &str = r"
steady.mp3  | ffmpeg -i steady.wav -c:a libmp3lame $
steady.flac | ffmpeg -i steady.wav $
steady.aac  | ffmpeg -i steady.wav -c:a aac -f adts $
trimmed.mov | ffmpeg -ss 3 -i film.mp4 -t 4 -c copy $
parts.mp4   | ffmpeg -f lavfi -i testsrc2=s=320x180:r=25:d=3 -preset ultrafast -pix_fmt yuv420p -movflags frag_keyframe+empty_moov $
cover.m4a   | ffmpeg -i fast.m4a -i cover.jpg -map 0 -map 1 -c copy -disposition:v:0 attached_pic -c:a alac $
";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    cook(folder.path(), FILES);
    cook(folder.path(), MORE);
    fs::copy(repository("fixtures/media/dot.heic"), folder.path().join("film.heic")).unwrap();
    folder
}

/// What the program measured; `None` with the words where it refused.
fn probed(folder: &Path, name: &str) -> Result<Value, String> {
    let (code, out, err) = run(folder, &["probe", "--json", name]);
    assert!(code == 0 || code == 3, "{name}: {code} {err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    let file = &report["files"][0];
    file["error"].as_str().map_or_else(|| Ok(file["info"].clone()), |error| Err(error.to_owned()))
}

fn said(folder: &Path, name: &str, entries: &str) -> Value {
    let arguments = ["-v", "error", "-count_frames", "-show_entries", entries, "-of", "json"];
    let path = folder.join(name);
    let text = tool("ffprobe", &[&arguments[..], &[path.to_str().unwrap()]].concat());
    serde_json::from_str::<Value>(&text).unwrap()["streams"].clone()
}

#[test]
fn odd_files_are_what_ffprobe_says() {
    let folder = folder();
    let folder = folder.path();
    // A clock too coarse for the rate, a film without an index of frames, and one whose edit list hides its start.
    for (name, rate) in [("coarse.mov", "30000/1001"), ("milli.mp4", "30"), ("parts.mp4", "25"), ("trimmed.mov", "25")]
    {
        let video = probed(folder, name).unwrap()["video"].clone();
        let frames = said(folder, name, "stream=codec_type,nb_read_frames")[0]["nb_read_frames"].clone();
        assert_eq!(
            (&video["rate"], video["frames"].to_string()),
            (&json!(rate), frames.as_str().unwrap().to_owned()),
            "{name}"
        );
    }
    for name in ["quad.m4a", "fast.m4a"] {
        let audio = probed(folder, name).unwrap()["audio"].clone();
        let stream = &said(folder, name, "stream=channels,sample_rate")[0];
        assert_eq!(audio["channels"], stream["channels"], "{name}");
        assert_eq!(audio["sample_rate"].to_string(), stream["sample_rate"].as_str().unwrap(), "{name}");
    }
    let cover = probed(folder, "cover.m4a").unwrap();
    assert_eq!((&cover["container"], &cover["video"]), (&json!("m4a"), &Value::Null));
    assert_eq!(probed(folder, "deep.tiff").unwrap()["still"]["copyable"], false);
}

/// An ID3 tag of 35 bytes of padding, and what comes after it.
fn behind_a_tag(folder: &Path, name: &str, to: &str) {
    let tag = [&b"ID3\x03\0\0\0\0\0\x23"[..], &[0; 35]].concat();
    fs::write(folder.join(to), [tag, fs::read(folder.join(name)).unwrap()].concat()).unwrap();
}

#[test]
fn sound_behind_a_tag_is_told_by_its_codec() {
    let folder = folder();
    let folder = folder.path();
    for (name, container) in [("steady.mp3", "mp3"), ("steady.flac", "flac"), ("steady.aac", "aac")] {
        behind_a_tag(folder, name, "tagged.mp3");
        let info = probed(folder, "tagged.mp3").unwrap();
        assert_eq!(info["container"], container, "{name}");
        assert!(name == "steady.aac" || info["audio"]["samples"] == 132_300, "{name}: {info}");
    }
}

#[test]
fn files_that_hold_more_or_less_than_their_headers_say_are_refused() {
    let folder = folder();
    let folder = folder.path();
    for name in ["steady.mp3", "steady.flac", "film.mkv", "packed.bmp", "film.heic"] {
        probed(folder, name).unwrap();
        let whole = fs::read(folder.join(name)).unwrap();
        for quarter in 1..4 {
            let cut = format!("cut.{}", name.rsplit('.').next().unwrap());
            fs::write(folder.join(&cut), &whole[..whole.len() * quarter / 4]).unwrap();
            let error = probed(folder, &cut).expect_err(name);
            assert!(error.contains("cut") || error.contains("end"), "{name}: {error}");
        }
    }
    let twice = fs::read(folder.join("steady.mp3")).unwrap().repeat(2);
    fs::write(folder.join("twice.mp3"), twice).unwrap();
    let error = probed(folder, "twice.mp3").expect_err("two songs");
    assert!(error.contains("joined"), "{error}");
}

#[test]
fn no_report_holds_the_secrets_of_an_address() {
    let folder = tempfile::tempdir().unwrap();
    let list = "[[shot]]\nid = \"A\"\nprompt = \"@Image1 and @Image2\"\nimages = [\"https://me:PASSWORD@example.invalid/a.png?sig=SIGNATURE\", \"http://127.0.0.1:1/a.png?sig=SIGNATURE\"]\n";
    fs::write(folder.path().join("shots.toml"), list).unwrap();
    for form in ["text", "json", "junit"] {
        let (code, out, err) = run(folder.path(), &["check", "--fetch", "--format", form]);
        assert_eq!(code, 3, "{err}");
        for secret in ["PASSWORD", "SIGNATURE"] {
            assert!(!out.contains(secret) && !err.contains(secret), "{form}: {out}{err}");
        }
    }
}

#[test]
fn every_change_to_a_video_is_told() {
    let folder = folder();
    let folder = folder.path();
    cook(
        folder,
        "uneven.mp4 | ffmpeg -f lavfi -i color=gray:s=640x638:r=24:d=3 -vf select='not(eq(mod(n\\,5)\\,3))' -fps_mode vfr -preset ultrafast $",
    );
    fs::write(folder.join("shots.toml"), "[[shot]]\nid = \"A\"\nprompt = \"@Video1\"\nvideos = [\"uneven.mp4\"]\n")
        .unwrap();
    let made = report(folder, &["conform"]);
    let changes = made["pictures"][0]["picture"]["changes"].to_string();
    assert!(changes.contains("scaled up") && changes.contains("variable rate"), "{changes}");
}
