//! Sound that is decoded, compared with what ffmpeg decodes.
#![allow(clippy::unwrap_used, reason = "a test that fails panics, and may say why")]

mod support;

use seedpost_av::sound::write;
use support::{bytes_of, floats, make, ready};

const PICTURE: &str = "-f lavfi -i testsrc2=s=64x64:r=24:d=3";
const NOISE: &str = "-f lavfi -i anoisesrc=r=48000:d=3:a=0.5:seed=7";
const H264: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p";

#[test]
fn sound_is_what_ffmpeg_decodes_at_its_own_rate_and_channels() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let stereo = "-ac 2";
    for (name, coding, rate, channels) in [
        ("opus.webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus -ac 2", 48_000, 2),
        ("ac3.mov", "-c:v mpeg4 -c:a ac3 -ac 6", 48_000, 6),
        ("s16.mov", &format!("{H264} -c:a pcm_s16le -ar 44100 {stereo}"), 44_100, 2),
        ("s24.mov", &format!("{H264} -c:a pcm_s24be -ac 1"), 48_000, 1),
        ("aac.mp4", &format!("{H264} -c:a aac {stereo}"), 48_000, 2),
        ("mp2.ts", &format!("{H264} -c:a mp2 {stereo}"), 48_000, 2),
        ("flac.mkv", &format!("{H264} -c:a flac {stereo}"), 48_000, 2),
    ] {
        let (source, out) = (folder.path().join(name), folder.path().join("out"));
        make(&source, &format!("{PICTURE} {NOISE} {coding}"));
        let decoded = write(&source, &out).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((decoded.rate.hertz(), decoded.channels), (rate, channels), "{name}");
        let found = std::fs::read(&out).unwrap();
        assert_eq!(found.len() as u64, decoded.samples.0 * u64::from(channels) * 4, "{name}");
        // Some containers begin with the coder's lead, and show the first picture after what is heard first.
        let early = match name {
            "opus.webm" => 336,
            "mp2.ts" => 481,
            _ => 0,
        };
        let expected = &bytes_of(&source, "-map 0:a -f f32le -")[early * 8..];
        assert_eq!(found.len(), expected.len(), "{name}");
        assert!(found == expected, "{name}");
    }
}

#[test]
fn the_first_sample_is_heard_when_the_first_picture_is_shown() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let click = "-f lavfi -i aevalsrc=exprs='0.9*eq(n,24000)':s=48000:d=2";
    for (name, picture, sound, place, length) in [
        ("even.mov", "", "", 24_000, 96_000),
        ("late.mov", "", "-itsoffset 0.25", 36_000, 108_000),
        ("early.mov", "-itsoffset 0.25", "", 12_000, 84_000),
    ] {
        let (source, out) = (folder.path().join(name), folder.path().join("out"));
        make(
            &source,
            &format!(
                "{picture} {PICTURE} {sound} {click} -map 0:v -map 1:a {H264} -bf 0 -fps_mode passthrough -c:a pcm_s16le"
            ),
        );
        let decoded = write(&source, &out).unwrap();
        assert_eq!(decoded.samples.0, length, "{name}");
        let heard = floats(&std::fs::read(&out).unwrap());
        assert_eq!(heard.iter().position(|sample| sample.abs() > 0.5), Some(place), "{name}");
    }
    let (alone, out) = (folder.path().join("alone.wav"), folder.path().join("out"));
    make(&alone, click);
    assert_eq!(write(&alone, &out).unwrap().samples.0, 96_000);
}

#[test]
fn what_is_not_one_sound_is_refused() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let [silent, one, two, joined, out] =
        ["silent.mp4", "1.ts", "2.ts", "joined.ts", "out"].map(|name| folder.path().join(name));
    make(&silent, &format!("{PICTURE} {H264}"));
    assert_eq!(write(&silent, &out).unwrap_err().to_string(), "there is no sound in it");
    make(&one, &format!("{PICTURE} {NOISE} {H264} -c:a mp2 -ar 48000"));
    make(&two, &format!("{PICTURE} {NOISE} {H264} -c:a mp2 -ar 32000"));
    let bytes = [std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap()].concat();
    std::fs::write(&joined, bytes).unwrap();
    assert_eq!(write(&joined, &out).unwrap_err().to_string(), "its sound changes its rate or its channels midway");
}
