//! What the tests of the FFmpeg crate share: clips made by the program ffmpeg, and what it says of files.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::path::Path;
use std::process::Command;
use std::sync::Once;

use serde_json::Value;

/// Makes FFmpeg ready, once.
pub(crate) fn ready() {
    static READY: Once = Once::new();
    READY.call_once(|| seedpost_av::init().unwrap());
}

/// Runs a program, which must succeed; answers its standard output and standard error.
fn run(program: &str, arguments: &[&str]) -> (Vec<u8>, String) {
    let output = Command::new(program).args(arguments).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}\n{err}");
    (output.stdout, err)
}

/// Makes a file with ffmpeg; arguments are split at spaces.
pub(crate) fn make(out: &Path, arguments: &str) {
    let mut all = vec!["-v", "error", "-y"];
    all.extend(arguments.split_whitespace());
    all.push(out.to_str().unwrap());
    run("ffmpeg", &all);
}

/// What ffmpeg writes to its standard output of a file; arguments are split at spaces.
pub(crate) fn bytes_of(path: &Path, arguments: &str) -> Vec<u8> {
    let mut all = vec!["-v", "error", "-i", path.to_str().unwrap()];
    all.extend(arguments.split_whitespace());
    run("ffmpeg", &all).0
}

/// What ffmpeg prints of a file on its way; arguments are split at spaces.
pub(crate) fn said_of(path: &Path, arguments: &str) -> String {
    let mut all = vec!["-nostats", "-i", path.to_str().unwrap()];
    all.extend(arguments.split_whitespace());
    run("ffmpeg", &all).1
}

/// What ffprobe says of a file; arguments are split at spaces.
pub(crate) fn probed(path: &Path, arguments: &str) -> Value {
    let mut all = vec!["-v", "error", "-of", "json"];
    all.extend(arguments.split_whitespace());
    all.push(path.to_str().unwrap());
    serde_json::from_slice(&run("ffprobe", &all).0).unwrap()
}

/// The first stream of a kind that ffprobe tells of.
pub(crate) fn stream(path: &Path, kind: &str) -> Value {
    let probed = probed(path, "-show_streams");
    let streams = probed["streams"].as_array().unwrap();
    streams.iter().find(|stream| stream["codec_type"] == kind).cloned().unwrap_or(Value::Null)
}

/// Samples of 32-bit floats.
pub(crate) fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|sample| f32::from_le_bytes(*sample)).collect()
}
