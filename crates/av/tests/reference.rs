//! Picture references, judged by ffprobe, ffmpeg and a reader of their bars.
#![allow(clippy::unwrap_used, reason = "a test that fails panics, and may say why")]

mod support;

use std::path::{Path, PathBuf};

use seedpost_av::reference::write;
use seedpost_core::time::{Frames, Samples};
use seedpost_core::turnover::order::{EditCodec, ReferenceForm, ReferenceOrder, SoundOf, StillOf};
use support::{bars, bytes_of, greys, heard, later, make, noise, probed, ready, stream, wav};

/// 01:00:04:12 at 24 frames a second.
const RECORD: u64 = 86_508;

fn order(folder: &Path, source: &Path, codec: EditCodec, size: (u32, u32)) -> ReferenceOrder {
    let rate = "24".parse().unwrap();
    ReferenceOrder {
        source: source.to_owned(),
        form: ReferenceForm { codec, width: size.0, height: size.1, rate, drop: false },
        from: Frames(0),
        frames: Frames(30),
        record: Frames(RECORD),
        source_timecode: Frames(3 * 86_400 + 5),
        name: "SC010_SH020_T01".to_owned(),
        reel: "SC010_SH020A".to_owned(),
        sound: None,
        edit: folder.join("out.mov"),
        view: folder.join("out.mp4"),
        still: None,
    }
}

/// A source whose every frame has a shade of its own, between 20 and 230, and seven or more from its neighbours.
fn shades(out: &Path, size: &str, rate: &str, coding: &str) {
    let lavfi = format!("color=c=black:s={size}:r={rate}:d=5,geq=lum='20+mod(7*N,211)':cb=128:cr=128");
    make(out, &format!("-f lavfi -i {lavfi} {coding}"));
}

fn shade(frame: u64) -> u8 {
    u8::try_from(20 + 7 * frame % 211).unwrap()
}

fn assert_shades(path: &Path, place: (u32, u32), frames: &[u64]) {
    let found = greys(path, place.0, place.1);
    assert_eq!(found.len(), frames.len(), "{}", path.display());
    for (index, (found, frame)) in found.iter().zip(frames).enumerate() {
        assert!(found.abs_diff(shade(*frame)) <= 3, "{} {index}: {found} is not frame {frame}", path.display());
    }
}

fn refused(order: &ReferenceOrder, words: &str) {
    let error = write(order).unwrap_err().to_string();
    assert!(error.contains(words), "{error:?} has no {words:?}");
}

#[test]
fn bars_are_read_at_every_size_in_every_codec() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source.mp4");
    make(&source, "-f lavfi -i testsrc2=s=640x360:r=24:d=2,noise=alls=30:allf=t -c:v libx264 -crf 18 -pix_fmt yuv420p");
    for size in [(256, 144), (256, 456), (360, 640), (512, 288), (640, 360), (1080, 1920), (1280, 720), (1920, 1080)] {
        for codec in [EditCodec::Dnxhr, EditCodec::Prores] {
            let order = ReferenceOrder { frames: Frames(14), ..order(folder.path(), &source, codec, size) };
            write(&order).unwrap();
            for file in [&order.edit, &order.view] {
                let expected: Vec<u64> = (RECORD..RECORD + 14).collect();
                assert_eq!(bars(file, &[]), expected, "{size:?} {codec:?} {}", file.display());
                let picture = stream(file, "video");
                assert_eq!((&picture["width"], &picture["height"]), (&size.0.into(), &size.1.into()));
                assert_eq!((&picture["nb_frames"], &picture["avg_frame_rate"]), (&"14".into(), &"24/1".into()));
            }
        }
    }
}

#[test]
fn a_reference_is_what_editors_and_browsers_take() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source.mp4");
    shades(&source, "640x360", "24", "-c:v libx264 -pix_fmt yuv420p");
    for (codec, expected) in
        [(EditCodec::Dnxhr, ["dnxhd", "DNXHR LB", "yuv422p"]), (EditCodec::Prores, ["prores", "Proxy", "yuv422p10le"])]
    {
        let order = order(folder.path(), &source, codec, (640, 360));
        write(&order).unwrap();
        let picture = stream(&order.edit, "video");
        assert_eq!(["codec_name", "profile", "pix_fmt"].map(|key| picture[key].as_str().unwrap()), expected);
        let all = probed(&order.edit, "-show_streams");
        let track = all["streams"].as_array().unwrap().iter().find(|one| one["codec_tag_string"] == "tmcd").unwrap();
        assert_eq!(
            (&track["tags"]["timecode"], &track["tags"]["reel_name"]),
            (&"03:00:00:05".into(), &"SC010_SH020A".into())
        );
        assert_eq!(stream(&order.edit, "audio"), serde_json::Value::Null);
        let view = stream(&order.view, "video");
        assert_eq!(
            (&view["codec_name"], &view["pix_fmt"], &view["has_b_frames"]),
            (&"h264".into(), &"yuv420p".into(), &0.into())
        );
        let frames = probed(&order.view, "-select_streams v -show_frames");
        let kinds: Vec<_> = frames["frames"].as_array().unwrap().iter().map(|frame| frame["key_frame"] == 1).collect();
        assert!(kinds[0] && kinds.chunks(12).all(|group| group.contains(&true)), "{kinds:?}");
        let bytes = std::fs::read(&order.view).unwrap();
        let place = |name: &[u8]| bytes.windows(4).position(|four| four == name).unwrap();
        assert!(place(b"moov") < place(b"mdat"));
    }
}

#[test]
fn a_stretch_shows_the_frames_that_were_asked_for_and_repeats_the_last() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    for (name, size, rate, coding) in [
        ("b.mp4", "640x360", "24", "-c:v libx264 -bf 3 -g 50 -crf 10 -pix_fmt yuv420p"),
        ("open.mp4", "640x360", "24", "-c:v libx264 -bf 3 -g 24 -x264-params open-gop=1 -crf 10 -pix_fmt yuv420p"),
        (
            "ten.mp4",
            "640x360",
            "24",
            "-c:v libx265 -preset ultrafast -x265-params log-level=none:crf=8 -pix_fmt yuv420p10le",
        ),
        ("b.mkv", "1280x720", "24", "-c:v libx264 -bf 2 -crf 10 -pix_fmt yuv420p"),
        ("rgb.mov", "320x180", "24", "-c:v qtrle -pix_fmt rgb24"),
    ] {
        let source = folder.path().join(name);
        shades(&source, size, rate, coding);
        let mut order = order(folder.path(), &source, EditCodec::Dnxhr, (640, 360));
        for (from, frames) in [(0, 20), (41, 30), (97, 40), (118, 10)] {
            (order.from, order.frames) = (Frames(from), Frames(frames));
            write(&order).unwrap();
            let expected: Vec<u64> = (from..from + frames).map(|frame| frame.min(119)).collect();
            for file in [&order.edit, &order.view] {
                assert_shades(file, (320, 180), &expected);
                assert_eq!(bars(file, &[frames - 1]), [RECORD + frames - 1]);
            }
        }
    }
}

#[test]
fn other_shapes_stand_upright_in_the_middle_of_black() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let [tall, lying] = ["tall.mp4", "lying.mp4"].map(|name| folder.path().join(name));
    shades(&tall, "180x320", "24", "-c:v libx264 -crf 10 -pix_fmt yuv420p");
    // Stored lying, its upper half black; to be turned by a quarter: what is black then is on one side.
    let half = "color=c=white:s=320x180:r=24:d=1,drawbox=w=320:h=90:color=black:t=fill";
    let turned = folder.path().join("turned.mp4");
    make(&turned, &format!("-f lavfi -i {half} -c:v libx264 -pix_fmt yuv420p"));
    make(&lying, &format!("-i {} -c copy -metadata:s:v rotate=270", turned.display()));
    let order_of = |source: &Path| order(folder.path(), source, EditCodec::Dnxhr, (640, 360));
    write(&order_of(&tall)).unwrap();
    let (edit, frames): (PathBuf, Vec<u64>) = (folder.path().join("out.mov"), (0..30).collect());
    assert_shades(&edit, (320, 180), &frames);
    // 360 lines high it is 202 wide: from 219 to 421.
    for (x, is_black) in [(60, true), (214, true), (226, false), (414, false), (426, true)] {
        assert_eq!(greys(&edit, x, 200)[20] < 22, is_black, "{x}");
    }
    write(&order_of(&lying)).unwrap();
    // ffmpeg turns by itself what it decodes; which half is black it says too.
    let theirs = bytes_of(&lying, "-frames:v 1 -vf scale=2:2:flags=area,format=gray -f rawvideo -");
    let ours = [(240, 130), (400, 130)].map(|(x, y)| greys(&edit, x, y)[5] > 128);
    assert_eq!(ours, [theirs[0] > 128, theirs[1] > 128]);
    assert_ne!(ours[0], ours[1]);
}

#[test]
fn colours_stay_what_they_are_whatever_numbers_a_source_has_for_them() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let h264 = "-c:v libx264 -crf 5 -pix_fmt";
    for (matrix, told) in [("bt709", "bt709"), ("bt601", "smpte170m"), ("bt601", "unknown"), ("bt2020", "bt2020nc")] {
        for (range, coding) in [
            ("tv", format!("{h264} yuv420p")),
            ("tv", format!("{h264} yuv444p10le")),
            ("pc", format!("{h264} yuv420p")),
            ("pc", format!("{h264} yuv420p10le")),
            ("pc", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -pix_fmt yuv420p".to_owned()),
            ("tv", "-c:v qtrle -pix_fmt rgb24".to_owned()),
        ] {
            let is_rgb = coding.contains("rgb24");
            let scale = format!("scale=out_color_matrix={matrix}:out_range={range},");
            let tags = format!("-colorspace {told} -color_range {range}");
            let (scale, tags) = if is_rgb { Default::default() } else { (scale, tags) };
            let pixels = coding.split(' ').next_back().unwrap();
            let source = folder.path().join(if coding.contains("vp9") { "source.mkv" } else { "source.mov" });
            let halves = ["red", "0x2060c0"].map(|colour| format!("color={colour}:s=640x240:r=24:d=0.5,format=gbrp"));
            let lavfi = format!("{}[a];{}[b];[a][b]vstack,{scale}format={pixels}", halves[0], halves[1]);
            make(&source, &format!("-f lavfi -i {lavfi} {coding} {tags}"));
            for ((width, height), codec) in [((1280, 720), EditCodec::Dnxhr), ((640, 480), EditCodec::Prores)] {
                let order =
                    ReferenceOrder { frames: Frames(3), ..order(folder.path(), &source, codec, (width, height)) };
                write(&order).unwrap();
                for file in [&order.edit, &order.view] {
                    let pixels = bytes_of(file, "-frames:v 1 -f rawvideo -pix_fmt rgb24 -");
                    for (quarter, expected) in [(1, [255, 0, 0]), (3, [0x20, 0x60, 0xc0])] {
                        let at = (height * quarter / 4 * width + width / 2) as usize * 3;
                        let found = &pixels[at..at + 3];
                        let near = found.iter().zip(expected).all(|(found, part)| found.abs_diff(part) <= 4);
                        assert!(near, "{told} {range} {coding} {width} {}: {found:?} {expected:?}", file.display());
                    }
                }
            }
        }
    }
}

#[test]
fn labels_count_drop_frame_where_they_are_asked_to() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source.mp4");
    shades(&source, "640x360", "30000/1001", "-c:v libx264 -crf 10 -pix_fmt yuv420p");
    let mut order = order(folder.path(), &source, EditCodec::Prores, (640, 360));
    order.form.rate = "29.97".parse().unwrap();
    order.form.drop = true;
    // 01:00:00;00 and the frame before 00:01:00;02.
    (order.record, order.source_timecode, order.frames) = (Frames(1799), Frames(107_892), Frames(90));
    let samples = noise(200_000);
    wav(&folder.path().join("mix.wav"), &samples);
    order.sound = Some(SoundOf { file: folder.path().join("mix.wav"), from: Samples(777) });
    write(&order).unwrap();
    assert_eq!(stream(&order.edit, "video")["tags"]["timecode"], "01:00:00;00");
    assert_eq!(bars(&order.edit, &[0, 1, 89]), [1799, 1800, 1888]);
    assert_shades(&order.edit, (320, 180), &(0..90).collect::<Vec<_>>());
    // 90 frames are 144,144 samples.
    assert_eq!(heard(&order.edit), samples[777..777 + 144_144]);
    assert_eq!(heard(&order.view).len(), 144_144);
    order.form.rate = "24".parse().unwrap();
    refused(&order, "drop-frame labels exist only at");
}

#[test]
fn sound_begins_at_its_sample_in_both_files_and_is_as_long_as_the_picture() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let [source, mix] = ["source.mp4", "mix.wav"].map(|name| folder.path().join(name));
    shades(&source, "640x360", "24", "-c:v libx264 -pix_fmt yuv420p");
    let samples = noise(8 * 48_000);
    wav(&mix, &samples);
    let mut order = order(folder.path(), &source, EditCodec::Dnxhr, (640, 360));
    for (from, frames) in [(0, 1), (1, 24), (123_457, 30), (383_000, 30), (500_000, 3)] {
        order.sound = Some(SoundOf { file: mix.clone(), from: Samples(from) });
        order.frames = Frames(frames);
        write(&order).unwrap();
        let count = frames as usize * 2000;
        let mut expected: Vec<[i32; 2]> = samples.iter().skip(from as usize).take(count).copied().collect();
        expected.resize(count, [0, 0]);
        assert!(heard(&order.edit) == expected, "{from} {frames}");
        let view = heard(&order.view);
        assert_eq!(view.len(), count);
        if from < 380_000 {
            let (lag, like) = later(&expected, &view);
            assert!(lag == 0 && like > 0.8, "{from}: {lag} samples late, alike by {like}");
        }
        for (file, codec) in [(&order.edit, "pcm_s24le"), (&order.view, "aac")] {
            let sound = stream(file, "audio");
            let facts = [&sound["codec_name"], &sound["sample_rate"], &sound["start_time"]];
            assert_eq!(facts, [codec, "48000", "0.000000"]);
            assert_eq!(sound["channels"], 2);
        }
    }
}

#[test]
fn the_same_order_gives_the_same_bytes() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let [source, mix] = ["source.mp4", "mix.wav"].map(|name| folder.path().join(name));
    shades(&source, "640x360", "24", "-c:v libx264 -pix_fmt yuv420p");
    wav(&mix, &noise(96_000));
    for codec in [EditCodec::Dnxhr, EditCodec::Prores] {
        let mut order = order(folder.path(), &source, codec, (640, 360));
        order.sound = Some(SoundOf { file: mix.clone(), from: Samples(5) });
        let [one, two] = [0, 1].map(|_| {
            write(&order).unwrap();
            [&order.edit, &order.view].map(|file| std::fs::read(file).unwrap())
        });
        assert!(one == two, "{codec:?}");
        // Seconds since 1904 in the movie's header, and nobody's name.
        for bytes in one {
            let header = bytes.windows(4).position(|four| four == b"mvhd").unwrap();
            assert_eq!(bytes[header + 8..header + 16], [0; 8]);
            assert!(!bytes.windows(4).any(|four| four == b"Lavf"));
        }
    }
}

#[test]
fn a_still_has_nothing_burnt_in() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source.mp4");
    shades(&source, "640x360", "24", "-c:v libx264 -crf 10 -pix_fmt yuv420p");
    let mut order = order(folder.path(), &source, EditCodec::Dnxhr, (640, 360));
    let out = folder.path().join("still.jpg");
    order.from = Frames(10);
    order.still = Some(StillOf { frame: Frames(7), side: 320, out: out.clone() });
    write(&order).unwrap();
    let picture = stream(&out, "video");
    assert_eq!(
        (&picture["codec_name"], &picture["width"], &picture["height"]),
        (&"mjpeg".into(), &320.into(), &180.into())
    );
    let pixels = bytes_of(&out, "-f rawvideo -pix_fmt gray -");
    // Full range: what was 16 to 235.
    let full = (i32::from(shade(17)) - 16) * 255 / 219;
    assert!(pixels.iter().all(|pixel| (i32::from(*pixel) - full).abs() <= 4), "{full} {:?}", &pixels[..8]);
    order.still = Some(StillOf { frame: Frames(30), side: 320, out });
    refused(&order, "a still is one of the frames that are used");
}

#[test]
fn what_cannot_be_made_is_refused_in_words() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source.mp4");
    make(&source, "-f lavfi -i testsrc2=s=640x360:r=24:d=3 -c:v libx264 -movflags +faststart -pix_fmt yuv420p");
    let good = order(folder.path(), &source, EditCodec::Dnxhr, (640, 360));
    let changed = |change: &dyn Fn(&mut ReferenceOrder)| {
        let mut order = good.clone();
        change(&mut order);
        order
    };
    for size in [(254, 360), (641, 360), (640, 118), (640, 4098)] {
        refused(&changed(&|order| (order.form.width, order.form.height) = size), "even sides");
    }
    refused(&changed(&|order| order.frames = Frames(0)), "at least one frame");
    refused(&changed(&|order| order.view = folder.path().join("x.mov")), "to view an .mp4");
    refused(&changed(&|order| order.reel = "A\nB".to_owned()), "no control characters");
    refused(&changed(&|order| order.source = folder.path().join("none.mp4")), "No such file");
    let cut = folder.path().join("cut.mp4");
    let bytes = std::fs::read(&source).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() * 2 / 3]).unwrap();
    refused(&changed(&|order| (order.source, order.frames) = (cut.clone(), Frames(72))), "cut short");
    let pcm = "its sound has to be a WAV of two channels, 48 kHz, 24 bits of PCM";
    let sine = "-f lavfi -i sine=r=48000:d=2 -ac";
    for (name, coding, words) in [
        ("slow.wav", "-f lavfi -i sine=r=44100:d=2 -ac 2 -c:a pcm_s24le".to_owned(), pcm),
        ("mono.wav", format!("{sine} 1 -c:a pcm_s24le"), pcm),
        ("sixteen.wav", format!("{sine} 2 -c:a pcm_s16le"), pcm),
        ("float.wav", format!("{sine} 2 -c:a pcm_f32le"), pcm),
        ("aac.mp4", format!("{sine} 2 -c:a aac"), pcm),
        ("big.aiff", format!("{sine} 2 -c:a pcm_s24be"), pcm),
    ] {
        let file = folder.path().join(name);
        make(&file, &coding);
        refused(&changed(&|order| order.sound = Some(SoundOf { file: file.clone(), from: Samples(0) })), words);
    }
    let whole = folder.path().join("whole.wav");
    wav(&whole, &noise(60_000));
    let bytes = std::fs::read(&whole).unwrap();
    for (cut, from) in [(bytes.len() / 2, 0), (bytes.len() - 6, 0), (bytes.len() / 2, 40_000)] {
        std::fs::write(&whole, &bytes[..cut]).unwrap();
        refused(
            &changed(&|order| order.sound = Some(SoundOf { file: whole.clone(), from: Samples(from) })),
            "cut short",
        );
    }
    write(&good).unwrap();
}
