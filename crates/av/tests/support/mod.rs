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

/// A WAV of two channels, 48 kHz and 24 bits, as small mixers write it: `fmt ` and `data`, with another chunk between.
pub(crate) fn wav(path: &Path, samples: &[[i32; 2]]) {
    let data: Vec<u8> = samples.iter().flatten().flat_map(|sample| sample.to_le_bytes()[..3].to_vec()).collect();
    let chunk = |name: &[u8; 4], body: &[u8]| [name, &(body.len() as u32).to_le_bytes()[..], body].concat();
    let format = [&1_u16.to_le_bytes()[..], &2_u16.to_le_bytes(), &48_000_u32.to_le_bytes()].concat();
    let format = [format, [&288_000_u32.to_le_bytes()[..], &6_u16.to_le_bytes(), &24_u16.to_le_bytes()].concat()];
    let body = [&b"WAVE"[..], &chunk(b"fmt ", &format.concat()), &chunk(b"junk", &[7; 38]), &chunk(b"data", &data)];
    std::fs::write(path, chunk(b"RIFF", &body.concat())).unwrap();
}

/// Noise of two channels that are unlike, in 24 bits: the same at each call.
pub(crate) fn noise(samples: usize) -> Vec<[i32; 2]> {
    let mut state: u64 = 0x2545_f491_4f6c_dd1d;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as i32 / 4 - (1 << 21)
    };
    (0..samples).map(|_| [next(), next()]).collect()
}

/// The samples of a file's sound as ffmpeg decodes it, in 24 bits of two channels.
pub(crate) fn heard(path: &Path) -> Vec<[i32; 2]> {
    let bytes = bytes_of(path, "-map 0:a:0 -f s32le -");
    let samples = bytes.as_chunks::<4>().0.iter().map(|sample| i32::from_le_bytes(*sample) >> 8);
    let all: Vec<i32> = samples.collect();
    all.as_chunks().0.to_vec()
}

/// By how many samples a sound is later than another, and how alike they then are: 1 where they are the same.
pub(crate) fn later(given: &[[i32; 2]], other: &[[i32; 2]]) -> (i64, f64) {
    let at = |from: &[[i32; 2]], index: i64| {
        let pair = usize::try_from(index).ok().and_then(|index| from.get(index)).copied().unwrap_or_default();
        [f64::from(pair[0]), f64::from(pair[1])]
    };
    // A piece from the middle is enough to know the place.
    let (begin, length) = (given.len() as i64 / 2, 4000.min(given.len() as i64 / 3));
    let like = |lag: i64| {
        let (mut both, mut one, mut two) = (0.0, 0.0, 0.0);
        for index in begin..begin + length {
            let (a, b) = (at(given, index), at(other, index + lag));
            both += a[0] * b[0] + a[1] * b[1];
            one += a[0] * a[0] + a[1] * a[1];
            two += b[0] * b[0] + b[1] * b[1];
        }
        both / (one * two).sqrt().max(1.0)
    };
    (-2100..2100).map(|lag| (lag, like(lag))).max_by(|one, two| one.1.total_cmp(&two.1)).unwrap()
}

/// The record frame numbers that are burnt into a file's frames, as `bars.py` reads them; of all where none are named.
pub(crate) fn bars(path: &Path, frames: &[u64]) -> Vec<u64> {
    let reader = concat!(env!("CARGO_MANIFEST_DIR"), "/../cli/tests/foreign/bars.py");
    let frames: Vec<String> = frames.iter().map(u64::to_string).collect();
    let mut arguments = vec![reader];
    if frames.is_empty() {
        arguments.push("--all");
    }
    arguments.push(path.to_str().unwrap());
    arguments.extend(frames.iter().map(String::as_str));
    let said = String::from_utf8(run("python3", &arguments).0).unwrap();
    said.lines().map(|line| line.parse().unwrap()).collect()
}

/// The grey of a place in each frame of a file, of its own luma.
pub(crate) fn greys(path: &Path, x: u32, y: u32) -> Vec<u8> {
    let filter = format!(
        "-map 0:v -vf extractplanes=y,format=gray,crop=1:1:{x}:{y}:exact=1 -fps_mode passthrough -f rawvideo -"
    );
    bytes_of(path, &filter)
}
