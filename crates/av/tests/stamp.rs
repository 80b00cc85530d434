//! Pictures that are stamped and slowed, judged by ffmpeg and ffprobe.
#![allow(clippy::unwrap_used, reason = "a test that fails panics, and may say why")]

mod support;

use std::path::Path;

use seedpost_av::AvError;
use seedpost_av::rewrap::Picture;
use seedpost_av::stamp::{Stamp, write};
use seedpost_core::time::FrameRate;
use serde_json::Value;
use support::{bytes_of, floats, make, probed, ready, stream};

const PICTURE: &str = "-f lavfi -i testsrc2=s=320x180:r=24:d=5";
const SOUND: &str = "-f lavfi -i sine=f=440:r=48000:d=5";
const H264: &str = "-c:v libx264 -preset ultrafast -bf 2 -g 24 -pix_fmt yuv420p";
const HEVC: &str = "-c:v libx265 -preset ultrafast -x265-params log-level=none -pix_fmt yuv420p";

fn stamp(source: &Path, out: &Path, rate: &str, slow: bool) -> Result<Picture, AvError> {
    let rate = rate.parse().unwrap();
    write(&Stamp { source, out, timecode: "05:00:00:00", reel: "SC010_SH010_T01", rate, slow })
}

fn streamhash(path: &Path, kind: &str) -> String {
    let hash = bytes_of(path, &format!("-map 0:{kind}:0 -c copy -f streamhash -hash sha256 -"));
    String::from_utf8(hash).unwrap().trim().rsplit_once('=').unwrap().1.to_owned()
}

/// A hash of each picture as it is shown.
fn shown(path: &Path) -> Vec<String> {
    let text = String::from_utf8(bytes_of(path, "-map 0:v -fps_mode passthrough -f framehash -hash md5 -")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit(',').next().unwrap().trim().to_owned()).collect()
}

/// When each packet of the picture is shown, in ticks, and ticks a second.
fn times(path: &Path) -> (Vec<i64>, i64) {
    let all = probed(path, "-select_streams v:0 -show_packets -show_streams");
    let packets = all["packets"].as_array().unwrap().iter();
    let base = all["streams"][0]["time_base"].as_str().unwrap();
    let ticks = base.strip_prefix("1/").unwrap().parse().unwrap();
    (packets.map(|one| one["pts"].as_i64().unwrap()).collect(), ticks)
}

/// The timecode track: its label, reel, rate and how long it lasts; and the label that the picture has from it.
fn marks(path: &Path) -> [String; 5] {
    let all = probed(path, "-show_streams");
    let mut tracks = all["streams"].as_array().unwrap().iter().filter(|stream| stream["codec_tag_string"] == "tmcd");
    let (picture, track) = (stream(path, "video"), tracks.next().unwrap());
    assert!(tracks.next().is_none(), "one timecode track");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rate: FrameRate = serde_json::from_value(track["avg_frame_rate"].clone()).unwrap();
    let tags = &track["tags"];
    let [timecode, reel, lasts, label] =
        [&tags["timecode"], &tags["reel_name"], &track["duration"], &picture["tags"]["timecode"]].map(text);
    [timecode, reel, rate.to_string(), lasts, label]
}

#[test]
fn a_stamped_picture_and_its_sound_are_the_same_and_have_a_label_and_a_reel() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    for (name, coding) in [
        ("a.mp4", format!("{H264} -c:a aac")),
        ("late.mp4", format!("{H264} -c:a aac -movflags +faststart -timecode 01:02:03:04")),
        ("fragments.mp4", format!("{H264} -c:a aac -movflags +frag_keyframe+empty_moov+default_base_moof")),
        ("hevc.mp4", format!("{HEVC} -tag:v hvc1 -c:a aac")),
        ("silent.mp4", format!("-an {H264}")),
        ("a.mkv", format!("{H264} -c:a aac")),
        ("prores.mov", "-c:v prores_ks -c:a pcm_s24le -timecode 09:00:00:00 -metadata:s:v:0 reel_name=OLD".to_owned()),
    ] {
        let (source, out) = (folder.path().join(name), folder.path().join("out.mov"));
        make(&source, &format!("{PICTURE} {SOUND} {coding}"));
        let picture = stamp(&source, &out, "24", false).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((picture.packets, &picture.sha256), (120, &streamhash(&source, "v")), "{name}");
        assert_eq!(picture.sha256, streamhash(&out, "v"), "{name}");
        if name != "silent.mp4" {
            assert_eq!(streamhash(&source, "a"), streamhash(&out, "a"), "{name}");
            let heard = |path: &Path| bytes_of(path, "-map 0:a -f f32le -");
            let (was, is) = (heard(&source), heard(&out));
            // Where the picture begins later than the sound, the file begins with it.
            let start: f64 = stream(&source, "video")["start_time"].as_str().unwrap().parse().unwrap();
            let cut = 4 * (start * 48_000.0).round() as usize;
            // Matroska rounds to milliseconds where its sound begins.
            assert!(name == "a.mkv" || was[cut..] == is, "{name}: the sound is heard as it was");
        }
        // Its last picture lasts 41 ms there.
        let lasts = if name == "a.mkv" { "4.999000" } else { "5.000000" };
        let label = ["05:00:00:00", "SC010_SH010_T01", "24", lasts, "05:00:00:00"];
        assert_eq!(marks(&out), label, "{name}");
        let (before, after) = (stream(&source, "video"), stream(&out, "video"));
        for fact in ["avg_frame_rate", "width", "height", "pix_fmt", "has_b_frames"] {
            assert_eq!(before[fact], after[fact], "{name}: {fact}");
        }
        assert_eq!((&after["nb_frames"], shown(&out)), (&Value::from("120"), shown(&source)), "{name}");
        let (before, after) = (times(&source), times(&out));
        let first = before.0.iter().min().unwrap();
        let same = |(was, is): (&i64, &i64)| (was - first) * after.1 == is * before.1;
        assert!(before.0.iter().zip(&after.0).all(same), "{name}");
        assert_eq!(probed(&out, "-show_format")["format"]["tags"]["major_brand"], "qt  ", "{name}");
        let bytes = std::fs::read(&out).unwrap();
        let place = |name: &[u8]| bytes.windows(4).position(|window| window == name).unwrap();
        assert!(place(b"moov") < place(b"mdat"), "{name}");
    }
}

#[test]
fn labels_count_at_the_rate_of_the_picture_with_and_without_drop_frame() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    for (rate, label, told) in [
        ("24000/1001", "23:59:59:23", "24000/1001"),
        ("25", "10:00:00:24", "25"),
        ("30000/1001", "00:59:59;29", "30000/1001"),
        ("30000/1001", "00:59:59:29", "30000/1001"),
        ("50", "01:00:00:49", "50"),
        ("60000/1001", "01:09:59;59", "60000/1001"),
    ] {
        let (source, out) = (folder.path().join("a.mp4"), folder.path().join("out.mov"));
        make(&source, &format!("-f lavfi -i testsrc2=s=320x180:r={rate}:d=1 {H264}"));
        let made = write(&Stamp {
            source: &source,
            out: &out,
            timecode: label,
            reel: "Ä “é” 卷 1",
            rate: rate.parse().unwrap(),
            slow: false,
        });
        assert!(made.is_ok(), "{rate} {label}: {made:?}");
        let [timecode, reel, rate, _, picture] = marks(&out);
        assert_eq!([timecode.as_str(), &reel, &rate, &picture], [label, "Ä “é” 卷 1", told, label]);
        // How long a label lasts in ticks, and how many there are a second (QuickTime File Format, timecode media).
        let bytes = std::fs::read(&out).unwrap();
        let entry =
            bytes.windows(12).position(|window| window[..4] == *b"tmcd" && window[4..] == [0, 0, 0, 0, 0, 0, 0, 1]);
        let body = &bytes[entry.unwrap() + 12..];
        let number = |at: usize| u32::from_be_bytes(body[at..at + 4].try_into().unwrap());
        let (num, den) = told.split_once('/').unwrap_or((told, "1"));
        let (num, den): (u32, u32) = (num.parse().unwrap(), den.parse().unwrap());
        assert_eq!(u64::from(number(8)) * u64::from(den), u64::from(number(12)) * u64::from(num), "{told}");
        assert_eq!((number(4) & 1 == 1, u32::from(body[16])), (label.contains(';'), num.div_ceil(den)), "{told}");
    }
}

#[test]
fn a_slowed_picture_has_the_same_frames_each_a_thousandth_longer() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    for (name, from, rate, coding) in [
        ("a.mp4", 24, "24000/1001", H264),
        ("plain.mp4", 24, "24000/1001", "-c:v libx264 -preset ultrafast -bf 0 -pix_fmt yuv420p"),
        ("pyramid.mp4", 24, "24000/1001", "-c:v libx264 -preset medium -bf 4 -b-pyramid normal -pix_fmt yuv420p"),
        ("hevc.mp4", 24, "24000/1001", HEVC),
        ("a.mkv", 24, "24000/1001", H264),
        ("a.ts", 24, "24000/1001", H264),
        ("fragments.mp4", 24, "24000/1001", "-c:v libx264 -bf 2 -movflags +frag_keyframe+empty_moov"),
        ("30.mp4", 30, "30000/1001", H264),
        ("60.mp4", 60, "60000/1001", H264),
    ] {
        let (source, out) = (folder.path().join(name), folder.path().join("out.mov"));
        make(&source, &format!("-f lavfi -i testsrc2=s=320x180:r={from}:d=5 {coding}"));
        let picture = stamp(&source, &out, rate, true).unwrap_or_else(|error| panic!("{name}: {error}"));
        let frames = from * 5;
        assert_eq!((picture.packets, picture.sha256), (frames, streamhash(&source, "v")), "{name}");
        assert_eq!(shown(&out), shown(&source), "{name}");
        let after = stream(&out, "video");
        for fact in ["r_frame_rate", "avg_frame_rate"] {
            assert_eq!(after[fact], rate, "{name}: {fact}");
        }
        assert_eq!(
            (&after["nb_frames"], &after["duration"]),
            (&frames.to_string().into(), &"5.005000".into()),
            "{name}"
        );
        assert_eq!(after["start_time"], "0.000000", "{name}");
        let (mut times, ticks) = times(&out);
        assert_eq!(ticks, i64::try_from(from).unwrap() * 1000, "{name}");
        times.sort_unstable();
        let even: Vec<i64> = (0..i64::try_from(frames).unwrap()).map(|frame| frame * 1001).collect();
        assert_eq!(times, even, "{name}");
        assert_eq!(marks(&out), ["05:00:00:00", "SC010_SH010_T01", rate, "5.005000", "05:00:00:00"], "{name}");
    }
}

#[test]
fn sound_in_a_slowed_picture_is_as_long_and_as_much_lower() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let tone = "-f lavfi -i sine=f=1000:r=RATE:d=5,pan=LAYOUT";
    for (rate, layout, coding) in [
        (48_000, "stereo|c0=4*c0|c1=2*c0", "-c:a aac -b:a 256k"),
        (44_100, "mono|c0=4*c0", "-c:a aac -b:a 128k"),
        (48_000, "mono|c0=4*c0", "-c:a pcm_s16le"),
    ] {
        let (source, out) = (folder.path().join("a.mov"), folder.path().join("out.mov"));
        let tone = tone.replace("RATE", &rate.to_string()).replace("LAYOUT", layout);
        make(&source, &format!("{PICTURE} {tone} {H264} {coding}"));
        stamp(&source, &out, "24000/1001", true).unwrap();
        let (before, after) = (stream(&source, "audio"), stream(&out, "audio"));
        assert_eq!((&after["codec_name"], &after["sample_rate"]), (&"aac".into(), &"48000".into()));
        assert_eq!((&after["channels"], &after["duration"]), (&before["channels"], &"5.005000".into()));
        let channels = usize::try_from(after["channels"].as_u64().unwrap()).unwrap();
        let heard = |path: &Path| {
            let all = floats(&bytes_of(path, "-map 0:a -f f32le -"));
            all.into_iter().step_by(channels).map(f64::from).collect::<Vec<f64>>()
        };
        let (was, is) = (heard(&source), heard(&out));
        // This reader plays the last packet of AAC whole, of which the file says what belongs to it.
        assert!((120 * 2002..120 * 2002 + 1024).contains(&is.len()), "{rate} {layout}: {}", is.len());
        // A tone of 999.001 Hz, in phase from beginning to end: a hundredth of a turn would be half a sample.
        let turn = |at: usize| 1_000_000.0 / 1001.0 * at as f64 / 48_000.0;
        for from in [1_001, 96_096, 189_189] {
            let part = |wave: fn(f64) -> f64| -> f64 {
                let part = is[from..from + 48_048].iter().enumerate();
                part.map(|(at, sample)| sample * wave(std::f64::consts::TAU * turn(from + at))).sum()
            };
            let off = part(f64::cos).atan2(part(f64::sin)) / std::f64::consts::TAU;
            assert!(off.abs() < 0.01, "{rate} {layout} from {from}: {off} turns");
        }
        let level = |samples: &[f64]| samples.iter().map(|sample| sample.powi(2)).sum::<f64>() / samples.len() as f64;
        let louder = 10.0 * (level(&is[24_000..216_000]) / level(&was[rate..rate * 4])).log10();
        assert!(louder.abs() < 0.1, "{rate} {layout}: {louder} dB");
    }
}

#[test]
fn edit_lists_turns_shapes_and_chapters_are_kept() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let [plain, chapters, source, cut, out] =
        ["plain.mp4", "chapters.txt", "source.mp4", "cut.mp4", "out.mov"].map(|name| folder.path().join(name));
    make(&plain, &format!("{PICTURE} {SOUND} -vf setsar=4/3 {H264} -c:a aac"));
    let text = ";FFMETADATA1\ntitle=A name\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=2000\ntitle=One\n[CHAPTER]\n\
                TIMEBASE=1/1000\nSTART=2000\nEND=5000\ntitle=Two\n";
    std::fs::write(&chapters, text).unwrap();
    let more = "-map 0 -map_metadata 1 -c copy -metadata:s:v:0 rotate=90 -timecode 01:00:00:00";
    make(&source, &format!("-i {} -i {} {more}", plain.display(), chapters.display()));
    for (slow, rate, second) in [(false, "24", "2.000000"), (true, "24000/1001", "2.002000")] {
        stamp(&source, &out, rate, slow).unwrap();
        let (before, after) = (stream(&source, "video"), stream(&out, "video"));
        for fact in ["side_data_list", "sample_aspect_ratio", "display_aspect_ratio", "disposition", "nb_frames"] {
            assert_eq!(before[fact], after[fact], "{fact}");
        }
        assert_eq!(after["side_data_list"][0]["rotation"].as_i64().map(i64::abs), Some(90));
        assert_eq!((shown(&out), after["r_frame_rate"] == rate || !slow), (shown(&source), true));
        let facts = probed(&out, "-show_chapters -show_format");
        assert_eq!(facts["format"]["tags"]["title"], "A name");
        assert_eq!(
            (&facts["chapters"][1]["start_time"], &facts["chapters"][1]["tags"]["title"]),
            (&second.into(), &"Two".into())
        );
        assert_eq!(&marks(&out)[..2], ["05:00:00:00", "SC010_SH010_T01"]);
    }
    // Cut within a group of pictures: what comes before the cut is stored, and an edit list leaves it out.
    make(&cut, &format!("-ss 1.5 -i {} -c copy", plain.display()));
    let seen = shown(&cut);
    assert!(seen.len() < 100);
    for (slow, rate) in [(false, "24"), (true, "24000/1001")] {
        stamp(&cut, &out, rate, slow).unwrap();
        assert_eq!(shown(&out), seen, "slow: {slow}");
        assert_eq!(streamhash(&out, "v"), streamhash(&cut, "v"));
        let [timecode, reel, _, lasts, _] = marks(&out);
        assert_eq!([timecode.as_str(), &reel], ["05:00:00:00", "SC010_SH010_T01"]);
        // As long as what is shown, and so is the whole.
        assert_eq!(lasts, stream(&out, "video")["duration"], "slow: {slow}");
        assert_eq!(probed(&out, "-show_format")["format"]["duration"], lasts.as_str(), "slow: {slow}");
    }
}

#[test]
fn sound_stays_with_its_picture_where_one_begins_later() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let [picture, click, source, out] = ["v.mp4", "a.mov", "both.mov", "out.mov"].map(|name| folder.path().join(name));
    make(&picture, &format!("{PICTURE} {H264}"));
    make(&click, "-f lavfi -i aevalsrc=exprs='0.9*eq(n,96000)':s=48000:d=5 -c:a pcm_s16le");
    let (video, audio) = (format!("-i {}", picture.display()), format!("-i {}", click.display()));
    for (late, given, place) in [
        ("none", format!("{video} {audio} -map 0 -map 1"), 2.0),
        ("picture", format!("{audio} -itsoffset 0.5 {video} -map 1 -map 0"), 1.5),
        ("sound", format!("{video} -itsoffset 0.5 {audio} -map 0 -map 1"), 2.5),
    ] {
        make(&source, &format!("{given} -c copy"));
        for (slow, rate, longer) in [(false, "24", 1.0), (true, "24000/1001", 1.001)] {
            stamp(&source, &out, rate, slow).unwrap();
            assert_eq!(stream(&out, "video")["start_time"], "0.000000");
            let start: f64 = stream(&out, "audio")["start_time"].as_str().unwrap().parse().unwrap();
            let heard = floats(&bytes_of(&out, "-map 0:a -f f32le -"));
            let loudest = (0..heard.len()).max_by(|a, b| heard[*a].abs().total_cmp(&heard[*b].abs())).unwrap();
            let found = loudest as f64 + start * 48_000.0;
            assert!((found - place * longer * 48_000.0).abs() <= 2.0, "{late} is late, slow {slow}: {found}");
        }
    }
}

#[test]
fn what_cannot_be_stamped_is_said() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let [clip, uneven, sound, text, out] =
        ["a.mp4", "b.mp4", "c.m4a", "d.mp4", "out.mov"].map(|name| folder.path().join(name));
    make(&clip, &format!("{PICTURE} {SOUND} -t 0.5 {H264} -c:a aac"));
    make(&uneven, &format!("{PICTURE} -t 2 -vf setpts=N*N/24/TB/20 -fps_mode vfr {H264} -bf 0"));
    make(&sound, &format!("{PICTURE} {SOUND} -t 0.5 {H264} -c:a aac -ac 6"));
    assert!(stamp(&sound, &out, "24", false).is_ok());
    let refused = stamp(&sound, &out, "23.976", true).unwrap_err().to_string();
    assert_eq!(refused, "sound of more than two channels is not slowed");
    make(&sound, &format!("{SOUND} -t 0.5 -c:a aac"));
    std::fs::write(&text, "this is a text, and no picture\n".repeat(50)).unwrap();
    let said = |source: &Path, rate: &str, slow: bool| stamp(source, &out, rate, slow).unwrap_err().to_string();
    assert_eq!(said(&clip, "25", false), "its picture has another rate than its timecode");
    assert_eq!(said(&clip, "23.976", false), "its picture has another rate than its timecode");
    assert_eq!(said(&clip, "29.97", true), "its frames are not evenly spaced at the rate that is to be slowed");
    assert_eq!(said(&uneven, "23.976", true), "its frames are not evenly spaced at the rate that is to be slowed");
    assert_eq!(said(&clip, "25", true), "pictures are slowed from 24, 30 or 60 frames a second by 1001/1000");
    assert_eq!(said(&clip, "24", true), "pictures are slowed from 24, 30 or 60 frames a second by 1001/1000");
    assert_eq!(said(&sound, "24", false), "there is no moving picture in it");
    assert_eq!(said(&sound, "23.976", true), "there is no moving picture in it");
    assert!(said(&text, "24", false).starts_with("FFmpeg: "));
    assert!(said(&folder.path().join("missing.mp4"), "23.976", true).starts_with("FFmpeg: "));
    let with = |timecode, reel, name: &str| {
        let rate = "24".parse().unwrap();
        let out = folder.path().join(name);
        write(&Stamp { source: &clip, out: &out, timecode, reel, rate, slow: false }).map(|_| ())
    };
    let [fits, long] = [127, 128].map(|count| "é".repeat(count));
    for (timecode, reel, name) in [
        ("05:00:00:24", "R", "out.mov"),
        ("05:00:00;00", "R", "out.mov"),
        ("five", "R", "out.mov"),
        ("05:00:00:00", "a\0b", "out.mov"),
        ("05:00:00:00", "a\nb", "out.mov"),
        ("05:00:00:00", &long, "out.mov"),
        ("05:00:00:00", "R", "out.mp4"),
    ] {
        assert!(matches!(with(timecode, reel, name), Err(AvError::Request(_))), "{timecode} {reel} {name}");
    }
    for reel in ["", "\"quoted\" & <marked> =;#\\", &fits] {
        with("05:00:00:00", reel, "out.mov").unwrap();
        assert_eq!(marks(&out)[1], reel);
    }
    let bytes = std::fs::read(&clip).unwrap();
    for length in (0..10).map(|tenth| bytes.len() * tenth / 10).chain([10, bytes.len() - 3]) {
        std::fs::write(&text, &bytes[..length]).unwrap();
        for (rate, slow) in [("24", false), ("23.976", true)] {
            match stamp(&text, &out, rate, slow) {
                Err(AvError::Request(_) | AvError::Ffmpeg(_)) => {}
                // Nothing that counts stands at its very end.
                Ok(picture) if length > bytes.len() - 10 => assert_eq!(picture.sha256, streamhash(&clip, "v")),
                result => panic!("{length}: {result:?}"),
            }
        }
    }
}
