//! Images and videos that no model takes as they are: what is sent instead, as other programs read it.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

mod support;

use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{json, run, tool};

const LIST: &str = r#"
[render]
tier = "fast"
resolution = "480p"

[[shot]]
id = "S1"
prompt = "@Image1 and @Image2 as in @Video1, then as in @Video2"
duration = 4
images = ["lying.jpg", "moving.gif"]
videos = [{ path = "reel.mp4", in = "00:00:02.000", out = "00:00:12.000", priority = 1 }, { path = "phone.mov", priority = 2 }]
"#;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A lying JPEG, an animated GIF, 20 s of 1080p, and a turned MOV of 8 s with sound.
fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("shots.toml"), LIST).unwrap();
    let made = |name: &str, arguments: &[&str]| {
        let out = folder.path().join(name);
        tool("ffmpeg", &[&["-v", "error"][..], arguments, &[text(&out)]].concat());
    };
    let lavfi = |picture: &str| picture.to_owned();
    made("moving.gif", &["-f", "lavfi", "-i", "testsrc2=size=400x300:rate=5:duration=1"]);
    made("lying_flat.jpg", &["-f", "lavfi", "-i", "testsrc2=size=400x300", "-frames:v", "1", "-q:v", "2"]);
    let reel = lavfi("testsrc2=size=1920x1080:rate=30:duration=20");
    made("reel.mp4", &["-f", "lavfi", "-i", &reel, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]);
    let phone = lavfi("testsrc2=size=1280x720:rate=30:duration=8");
    let sound = lavfi("sine=frequency=440:sample_rate=44100:duration=8");
    let codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"];
    made("flat.mov", &[&["-f", "lavfi", "-i", &phone, "-f", "lavfi", "-i", &sound][..], &codecs].concat());
    made("phone.mov", &["-i", text(&folder.path().join("flat.mov")), "-c", "copy", "-metadata:s:v", "rotate=90"]);
    std::fs::write(folder.path().join("lying.jpg"), turned(&folder.path().join("lying_flat.jpg"))).unwrap();
    folder
}

/// The JPEG with an Exif segment that says orientation 6 (Exif 2.32): to be turned by 90° clockwise.
fn turned(path: &Path) -> Vec<u8> {
    let jpeg = std::fs::read(path).unwrap();
    let tiff = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let length = u16::try_from(tiff.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], b"\xff\xe1", &length, tiff, &jpeg[2..]].concat()
}

/// The first stream's width, height, frames, rate; by ffprobe.
fn stream(path: &Path) -> Vec<String> {
    let entries = "stream=width,height,r_frame_rate,nb_frames";
    let said = tool(
        "ffprobe",
        &["-v", "error", "-select_streams", "v", "-show_entries", entries, "-of", "csv=p=0", text(path)],
    );
    said.trim().split(',').map(str::to_owned).collect()
}

#[test]
fn copies_are_upright_in_size_and_in_time_and_sources_stay() {
    let folder = project();
    let names = ["lying.jpg", "moving.gif", "reel.mp4", "phone.mov"].map(|name| folder.path().join(name));
    let digests = || tool("sha256sum", &names.each_ref().map(|name| text(name)));
    let before = digests();
    let report = json(folder.path(), &["conform"]);
    let copies: Vec<PathBuf> = report["pictures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| PathBuf::from(item["picture"]["upload"].as_str().unwrap()))
        .collect();
    assert_eq!(copies.len(), 4, "{report}");
    assert_eq!(stream(&copies[0])[..2], ["300", "400"], "turned upright");
    assert_eq!(stream(&copies[1])[..2], ["400", "300"]);
    // 10 s and 8 s are 3 s too long: the first priority keeps its 10 s, the second has 5 s.
    // 1920×1080 at most 927408 pixels large is 1284×722; 720×1280 fits.
    assert_eq!(stream(&copies[2]), ["1284", "722", "30/1", "300"]);
    assert_eq!(stream(&copies[3]), ["720", "1280", "30/1", "150"]);
    let sound = tool(
        "ffprobe",
        &["-v", "error", "-show_entries", "stream=codec_name,sample_rate", "-of", "csv=p=0", text(&copies[3])],
    );
    assert!(sound.contains("aac,48000"), "{sound}");
    let decoded = "-v error -i IN -f null -".replace("IN", text(&copies[2]));
    assert_eq!(tool("ffmpeg", &decoded.split(' ').collect::<Vec<_>>()), "");
    assert_eq!(digests(), before, "the sources are untouched");

    let written = |path: &PathBuf| std::fs::metadata(path).unwrap().modified().unwrap();
    let times: Vec<_> = copies.iter().map(written).collect();
    assert_eq!(json(folder.path(), &["conform"]), report);
    assert_eq!(copies.iter().map(written).collect::<Vec<_>>(), times, "nothing is made twice");
    what_is_sent_is_taken(folder.path());
}

fn what_is_sent_is_taken(folder: &Path) {
    let (code, out, err) = run(folder, &["run"]);
    assert_eq!(code, 0, "{out}{err}");
    let report = json(folder, &["status"]);
    assert_eq!(report["takes"].as_array().map(Vec::len), Some(1), "{report}");
}

#[test]
fn a_damaged_video_is_told_and_leaves_no_half_copy() {
    let folder = project();
    let reel = folder.path().join("reel.mp4");
    let mut bytes = std::fs::read(&reel).unwrap();
    // The index at the end stays whole; the pictures before it are gone.
    let middle = bytes.len() / 2;
    bytes[2000..middle].fill(0);
    std::fs::write(&reel, bytes).unwrap();
    let (code, _, err) = run(folder.path(), &["conform"]);
    assert!(code == 3 && err.contains("reel.mp4") && err.contains("fix:"), "{code}: {err}");
    let left = std::fs::read_dir(folder.path().join(".seedpost/conformed")).unwrap();
    let names: Vec<Value> =
        left.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned().into()).collect();
    assert!(names.iter().all(|name| !name.as_str().unwrap().starts_with('.')), "{names:?}");
}
