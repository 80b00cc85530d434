//! The last frame of a clip as a PNG, made by the worker and judged by ffmpeg.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a test that fails panics; sums are small")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use seedpost_media::worker::{Worker, WorkerError};
use support::{make, tool};

fn worker() -> Worker {
    Worker::new(PathBuf::from(env!("CARGO_BIN_EXE_seedpost-av")), Duration::from_secs(60))
}

/// The bytes of all pictures that ffmpeg shows, as RGB of 8 bits.
fn pictures(path: &Path, filter: &str) -> Vec<u8> {
    let path = path.to_str().unwrap();
    let arguments = ["-v", "error", "-i", path, "-map", "0:v", "-fps_mode", "passthrough", "-vf", filter];
    let raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"];
    let output = Command::new("ffmpeg").args(arguments).args(raw).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The peak signal-to-noise ratio of one picture against another, in decibels.
fn psnr(found: &[u8], expected: &[u8]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let squares = |(a, b): (&u8, &u8)| u64::from(a.abs_diff(*b)).pow(2);
    let sum: u64 = found.iter().zip(expected).map(squares).sum();
    20.0 * 255_f64.log10() - 10.0 * (sum.max(1) as f64 / found.len() as f64).log10()
}

/// Width, height and format of the PNG, by ffprobe.
fn shape(path: &Path) -> String {
    let entries = "stream=codec_name,width,height,pix_fmt";
    let said = tool("ffprobe", &["-v", "error", "-show_entries", entries, "-of", "csv=p=0", path.to_str().unwrap()]);
    said.trim().to_owned()
}

/// Checks that the PNG of a clip is what ffmpeg shows last, turned and scaled by itself and then by `filter`.
fn check(source: &Path, out: &Path, size: (usize, usize), filter: &str) {
    let name = source.file_name().unwrap();
    worker().last_frame(source.to_owned(), out.to_owned()).unwrap();
    assert_eq!(shape(out), format!("png,{},{},rgb24", size.0, size.1), "{name:?}");
    let found = pictures(out, "null");
    let all = pictures(source, &format!("{filter}flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"));
    let length = size.0 * size.1 * 3;
    assert_eq!((all.len() % length, found.len()), (0, length), "{name:?}");
    let [.., before, last] = &all.chunks(length).collect::<Vec<_>>()[..] else { panic!("{name:?}: too short") };
    let (near, far) = (psnr(&found, last), psnr(&found, before));
    assert!(near > 45.0 && far < 35.0 && near > far + 12.0, "{name:?}: {near} dB of the last, {far} dB before");
}

/// A moving picture that fills the frame with change.
fn moving(size: &str, frames: u32) -> String {
    format!("-f lavfi -i testsrc2=s={size}:r=24,trim=end_frame={frames},setpts=PTS-STARTPTS")
}

#[test]
fn the_last_frame_is_the_last_that_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let hevc = "-c:v libx265 -preset ultrafast -x265-params log-level=none:bframes=4:keyint=48";
    for (name, frames, coding) in [
        // The last packet in the file is a B-frame, which is shown before the last frame.
        ("b_frames.mp4", 49, "-preset fast -bf 3 -g 48 -pix_fmt yuv420p"),
        ("b_pyramid.mp4", 241, "-preset fast -bf 7 -x264-params b-pyramid=strict:b-adapt=0 -g 250 -pix_fmt yuv420p"),
        ("odd_length.mp4", 97, "-preset fast -bf 2 -g 12 -pix_fmt yuv420p"),
        ("open_groups.mp4", 193, "-preset fast -bf 3 -x264-params open-gop=1:keyint=24 -pix_fmt yuv420p"),
        ("refresh.mp4", 145, "-preset fast -x264-params intra-refresh=1:keyint=48 -pix_fmt yuv420p"),
        ("fragments.mp4", 145, "-preset fast -bf 2 -g 24 -movflags frag_keyframe+empty_moov -pix_fmt yuv420p"),
        ("hevc_10_bit.mp4", 145, &format!("{hevc} -pix_fmt yuv420p10le")),
        ("hevc.mov", 50, &format!("{hevc} -tag:v hvc1 -pix_fmt yuv420p")),
        ("vp9.webm", 145, "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 2M -g 48"),
        ("mpeg4.avi", 30, "-c:v mpeg4 -q:v 2 -bf 2 -pix_fmt yuv420p"),
        ("full_range.mov", 30, "-c:v mjpeg -q:v 2 -pix_fmt yuvj420p"),
        ("rgb.mkv", 30, "-c:v libx264rgb -preset ultrafast -pix_fmt rgb24"),
    ] {
        let source = file(name);
        make(&source, &format!("{} {coding}", moving("320x180", frames)));
        check(&source, &file("out"), (320, 180), "scale=");
    }
}

#[test]
fn a_longer_sound_and_an_edit_list_do_not_move_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let coding = "-preset fast -bf 3 -pix_fmt yuv420p";
    let long_sound = file("long_sound.mp4");
    make(&long_sound, &format!("{} -f lavfi -i sine=d=12 {coding} -c:a aac", moving("320x180", 121)));
    check(&long_sound, &file("out"), (320, 180), "scale=");
    // Half of the picture is hidden behind the end of the edit list.
    let whole = file("whole.mp4");
    make(&whole, &format!("{} {coding} -use_editlist 1", moving("320x180", 192)));
    let mut bytes = std::fs::read(&whole).unwrap();
    let at = bytes.windows(4).position(|kind| kind == b"elst").unwrap();
    let length = at + 12..at + 16;
    let shown = u32::from_be_bytes(bytes[length.clone()].try_into().unwrap());
    bytes[length].copy_from_slice(&(shown / 2).to_be_bytes());
    let edited = file("edited.mp4");
    std::fs::write(&edited, bytes).unwrap();
    let length = 320 * 180 * 3;
    assert!(pictures(&edited, "scale=").len() / length < 110, "this ffmpeg does not heed the edit list");
    check(&edited, &file("out"), (320, 180), "scale=");
}

#[test]
fn it_is_upright_in_square_pixels_and_in_its_own_colours() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let out = file("out");
    let flat = file("flat.mp4");
    make(&flat, &format!("{} -preset fast -crf 12 -bf 2 -pix_fmt yuv420p", moving("320x180", 31)));
    for (tag, size) in [(90, (180, 320)), (180, (320, 180)), (270, (180, 320))] {
        let turned = file(&format!("turned_{tag}.mp4"));
        make(&turned, &format!("-i {} -c copy -metadata:s:v rotate={tag}", flat.display()));
        check(&turned, &out, size, "scale=");
    }
    let wide = file("wide.mp4");
    make(&wide, &format!("{},setsar=4/3 -preset fast -pix_fmt yuv420p", moving("240x180", 31)));
    check(&wide, &out, (320, 180), "scale=320:180:");
    // Large pictures that do not tell their colours mean BT.709.
    let large = file("large.mp4");
    make(&large, &format!("{} -preset ultrafast -pix_fmt yuv420p", moving("1280x720", 30)));
    check(&large, &out, (1280, 720), "scale=in_color_matrix=bt709:");
    for (name, told, range) in [("bt709", "bt709", "tv"), ("full", "bt709", "pc"), ("bt2020", "bt2020nc", "tv")] {
        let source = file(&format!("{name}.mp4"));
        let scale = format!("scale=out_color_matrix={told}:out_range={range},format=yuv420p10le");
        let hevc = "-c:v libx265 -preset ultrafast -x265-params log-level=none";
        let coding = format!("{hevc} -crf 12 -colorspace {told} -color_range {range}");
        make(&source, &format!("{},format=gbrp,{scale} {coding}", moving("320x180", 30)));
        check(
            &source,
            &out,
            (320, 180),
            &format!("scale=in_color_matrix={}:in_range={range}:", told.trim_end_matches("nc")),
        );
    }
}

#[test]
fn what_has_no_last_frame_is_an_error_and_the_same_clip_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let (sound, cut, whole, out) = (file("sound.m4a"), file("cut.mp4"), file("whole.mp4"), file("out"));
    make(&sound, "-f lavfi -i sine=d=1 -c:a aac");
    make(&whole, &format!("{} -preset fast -movflags +faststart -pix_fmt yuv420p", moving("320x180", 145)));
    let bytes = std::fs::read(&whole).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let mut worker = worker();
    for path in [sound, cut, file("absent.mp4")] {
        let result = worker.last_frame(path.clone(), out.clone());
        assert!(matches!(result, Err(WorkerError::Failed(_))), "{path:?}: {result:?}");
        assert!(!out.exists());
    }
    let mut png = || {
        worker.last_frame(whole.clone(), out.clone()).unwrap();
        std::fs::read(&out).unwrap()
    };
    assert!(png() == png());
}
