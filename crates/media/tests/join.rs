//! Joined movies, as FFmpeg sees them: the right frames in the right order, and packets as they were.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test opens its own files, and panics where it fails"
)]

use std::fs::File;
use std::io::{BufWriter, Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use seedpost_core::time::{FrameRate, Frames, Samples, Timecode};
use seedpost_media::MediaError;
use seedpost_media::join::{Form, Part, coded_parts, join};
use seedpost_media::pass::Coded;

/// A folder with clips that ffmpeg made.
struct Bench {
    folder: tempfile::TempDir,
}

fn tool(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}\n{errors}");
    output.stdout
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

impl Bench {
    fn new() -> Bench {
        Bench { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A clip whose frames all differ, and differ from those of clips with another `hue`.
    fn clip(&self, name: &str, frames: u32, hue: u32, encoding: &str) -> PathBuf {
        let path = self.path(name);
        let source = format!("testsrc2=size=320x180:rate=24,hue=h={hue}");
        let mut arguments = vec!["-v", "error", "-y", "-f", "lavfi", "-i", &source];
        let frames = frames.to_string();
        arguments.extend(["-frames:v", &frames]);
        arguments.extend(encoding.split_whitespace());
        arguments.push(text(&path));
        tool("ffmpeg", &arguments);
        path
    }

    /// Noise alone in a file of its own, as the worker makes it.
    fn sound(&self, name: &str, samples: u64) -> PathBuf {
        let path = self.path(name);
        let codec = if name.ends_with("mov") { "pcm_s24le" } else { "aac" };
        let source = format!("anoisesrc=r=48000:seed=7,aformat=channel_layouts=stereo,atrim=end_sample={samples}");
        tool("ffmpeg", &["-v", "error", "-y", "-f", "lavfi", "-i", &source, "-c:a", codec, text(&path)]);
        path
    }

    fn join(&self, name: &str, clips: &[&Path], parts: &[Part]) -> Result<(PathBuf, Vec<Coded>), MediaError> {
        let quicktime = name.ends_with("mov");
        let end = parts.iter().map(|part| part.at.0 + part.frames.0).max().unwrap();
        let samples = Samples(end * 2000);
        let sound = self.sound(if quicktime { "sound.mov" } else { "sound.mp4" }, samples.0);
        let start = quicktime.then(|| Timecode::parse("01:00:00:00", FrameRate::FPS_24).unwrap());
        let form = Form { quicktime, rate: FrameRate::FPS_24, start, samples };
        let out = self.path(name);
        let mut writer = BufWriter::new(File::create(&out).unwrap());
        let mut open = |part: usize| File::open(clips[part]);
        let coded = join(parts, &mut open, &mut File::open(sound).unwrap(), &form, &mut writer)?;
        writer.flush().unwrap();
        let again = coded_parts(&mut File::open(&out).unwrap(), &coded.iter().map(|c| c.packets).collect::<Vec<_>>());
        assert_eq!(again.unwrap(), coded);
        Ok((out, coded))
    }
}

/// The MD5 of each frame that ffmpeg shows, in order.
fn shown(path: &Path) -> Vec<String> {
    let told = tool(
        "ffmpeg",
        &["-v", "error", "-i", text(path), "-an", "-fps_mode", "passthrough", "-autoscale", "0", "-f", "framemd5", "-"],
    );
    let told = String::from_utf8(told).unwrap();
    let lines = told.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit(',').next().unwrap().trim().to_owned()).collect()
}

fn part(from: u64, frames: u64, at: u64) -> Part {
    Part { from: Frames(from), frames: Frames(frames), at: Frames(at) }
}

fn expected(clips: &[&Path], parts: &[Part]) -> Vec<String> {
    let of = |(clip, part): (&&Path, &Part)| {
        let all = shown(clip);
        all[part.from.0 as usize..(part.from.0 + part.frames.0) as usize].to_vec()
    };
    clips.iter().zip(parts).flat_map(of).collect()
}

const PLAIN: &str = "-c:v libx264 -pix_fmt yuv420p -preset veryfast";

fn check(clips: &[&Path], parts: &[Part], bench: &Bench) {
    for name in ["out.mp4", "out.mov"] {
        let (out, _) = bench.join(name, clips, parts).unwrap();
        let (found, expected) = (shown(&out), expected(clips, parts));
        let at: Vec<Option<usize>> = found.iter().map(|one| expected.iter().position(|other| one == other)).collect();
        assert_eq!(found, expected, "{name}: {at:?}");
    }
}

#[test]
fn whole_clips_are_shown_one_behind_the_other() {
    let bench = Bench::new();
    let (a, b, c) =
        (bench.clip("a.mp4", 48, 0, PLAIN), bench.clip("b.mp4", 30, 90, PLAIN), bench.clip("c.mp4", 25, 180, PLAIN));
    check(&[&a, &b, &c], &[part(0, 48, 0), part(0, 30, 48), part(0, 25, 78)], &bench);
}

#[test]
fn trimmed_clips_show_what_is_used_of_them() {
    let bench = Bench::new();
    let (a, b, c) =
        (bench.clip("a.mp4", 48, 0, PLAIN), bench.clip("b.mp4", 30, 90, PLAIN), bench.clip("c.mp4", 25, 180, PLAIN));
    check(&[&a, &b, &c], &[part(7, 20, 0), part(3, 11, 20), part(5, 20, 31)], &bench);
}

/// FFmpeg 5.1 shows frames 0 to 9 of the first clip in a gap of twelve.
#[test]
fn gaps_are_refused() {
    let bench = Bench::new();
    let (a, b) = (bench.clip("a.mp4", 48, 0, PLAIN), bench.clip("b.mp4", 30, 90, PLAIN));
    let refused = bench.join("out.mov", &[&a, &b], &[part(0, 48, 0), part(0, 30, 60)]).unwrap_err();
    assert_eq!(refused.to_string(), "a gap of 12 frames before frame 60, which some programs show wrongly");
}

/// Of three ways and two sizes.
fn different(bench: &Bench) -> [PathBuf; 3] {
    [
        bench.clip("a.mp4", 48, 0, PLAIN),
        bench.clip("b.mp4", 30, 90, "-c:v libx264 -pix_fmt yuv420p -bf 0 -refs 1 -profile:v baseline"),
        bench.clip("c.mp4", 25, 180, "-vf scale=640:360 -c:v libx264 -pix_fmt yuv420p -g 12"),
    ]
}

#[test]
fn whole_clips_that_are_coded_differently_have_entries_of_their_own() {
    let bench = Bench::new();
    let [a, b, c] = different(&bench);
    check(&[&a, &b, &c], &[part(0, 48, 0), part(0, 30, 48), part(0, 25, 78)], &bench);
}

/// FFmpeg 5.1 decodes the second clip by the first one's parameters.
#[test]
fn trimmed_clips_that_are_coded_differently_are_refused() {
    let bench = Bench::new();
    let [a, b, c] = different(&bench);
    let parts = [part(7, 20, 0), part(3, 11, 20), part(5, 20, 31)];
    let refused = bench.join("out.mov", &[&a, &b, &c], &parts).unwrap_err();
    assert!(refused.to_string().contains("coded in several ways"), "{refused}");
}

#[test]
fn codecs_cannot_share_a_track() {
    let bench = Bench::new();
    let a = bench.clip("a.mp4", 24, 0, PLAIN);
    let b = bench.clip("b.mp4", 24, 90, "-c:v libx265 -tag:v hvc1 -pix_fmt yuv420p -preset ultrafast");
    let refused = bench.join("out.mov", &[&a, &b], &[part(0, 24, 0), part(0, 24, 24)]).unwrap_err();
    assert_eq!(refused.to_string(), "pictures in avc1 and hvc1, which cannot share a track");
    check(&[&b, &b], &[part(0, 24, 0), part(3, 21, 24)], &bench);
}

#[test]
fn a_part_that_the_picture_does_not_have_is_refused() {
    let bench = Bench::new();
    let a = bench.clip("a.mp4", 24, 0, PLAIN);
    assert!(matches!(bench.join("out.mov", &[&a], &[part(5, 20, 0)]), Err(MediaError::Malformed { .. })));
    let slow = bench.clip("slow.mp4", 24, 0, &format!("{PLAIN} -r 25"));
    assert!(matches!(bench.join("out.mov", &[&slow], &[part(0, 20, 0)]), Err(MediaError::Unsupported(_))));
}

/// ffmpeg's own hash of the copied stream.
#[test]
fn packets_are_as_they_were() {
    let bench = Bench::new();
    let (a, b) = (bench.clip("a.mp4", 48, 0, PLAIN), bench.clip("b.mp4", 30, 90, PLAIN));
    let (out, coded) = bench.join("out.mov", &[&a, &b], &[part(0, 48, 0), part(0, 30, 48)]).unwrap();
    for (clip, coded) in [(&a, &coded[0]), (&b, &coded[1])] {
        let told =
            tool("ffmpeg", &["-v", "error", "-i", text(clip), "-map", "0:v", "-c", "copy", "-f", "streamhash", "-"]);
        let told = String::from_utf8(told).unwrap();
        assert_eq!(told.trim().rsplit('=').next(), Some(coded.sha256.as_str()));
    }
    let entries = "stream=codec_type,nb_frames,start_time,duration,time_base:stream_tags=timecode";
    let told = tool("ffprobe", &["-v", "error", "-show_entries", entries, "-of", "csv", text(&out)]);
    let told = String::from_utf8(told).unwrap();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[0], "stream,video,1/48000,0.000000,3.250000,78,01:00:00:00", "{told}");
    assert_eq!(lines[1], "stream,audio,1/48000,0.000000,3.250000,156000", "{told}");
}

/// The sound begins with the first frame, to the sample.
#[test]
fn the_sound_is_what_it_was() {
    let bench = Bench::new();
    let a = bench.clip("a.mp4", 48, 0, PLAIN);
    let pcm = |path: &Path| tool("ffmpeg", &["-v", "error", "-i", text(path), "-vn", "-f", "s24le", "-"]);
    let (out, _) = bench.join("out.mov", &[&a], &[part(0, 48, 0)]).unwrap();
    let (found, made) = (pcm(&out), pcm(&bench.path("sound.mov")));
    assert_eq!((found.len(), found == made), (48 * 2000 * 6, true));
    let (out, _) = bench.join("out.mp4", &[&a], &[part(0, 48, 0)]).unwrap();
    let (found, made) = (pcm(&out), pcm(&bench.path("sound.mp4")));
    assert!(found.len() >= 48 * 2000 * 6 && found == made, "{} {}", found.len(), made.len());
}

/// Each byte of the index, bent three ways: as picture and as sound.
#[test]
fn bent_tables_are_refused_or_bounded() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/media/clip_h264_aac.mp4");
    let good = std::fs::read(path).unwrap();
    let moov = good.windows(4).rposition(|name| name == b"moov").unwrap();
    let form = Form { quicktime: true, rate: FrameRate::FPS_24, start: None, samples: Samples(48_000) };
    let lay = |picture: &[u8], sound: &[u8]| {
        let mut out = Vec::new();
        let parts = [part(0, 20, 0), part(2, 4, 20)];
        let joined = join(&parts, &mut |_| Ok(Cursor::new(picture)), &mut Cursor::new(sound), &form, &mut out);
        assert!(out.len() < 4 * good.len() + 65_536, "{} bytes", out.len());
        joined
    };
    assert!(lay(&good, &good).is_ok());
    for at in moov..good.len() {
        for bend in [0x01, 0x80, 0xff] {
            let mut bent = good.clone();
            bent[at] ^= bend;
            let _ = (lay(&bent, &good), lay(&good, &bent));
        }
    }
}
