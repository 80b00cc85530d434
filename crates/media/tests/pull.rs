//! Stems that are slowed, judged by arithmetic and by ffmpeg.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test makes its own files, and panics where it fails"
)]

use std::f64::consts::TAU;
use std::io::Cursor;
use std::path::Path;
use std::process::Command;

use seedpost_core::time::{FrameRate, Frames, SampleRate, Samples, Timecode};
use seedpost_media::decode::Sound;
use seedpost_media::wav::{self, Label};
use seedpost_media::{MediaError, pull, stems};

/// One step of 24 bits.
const STEP: f64 = 1.0 / 8_388_608.0;

fn stem_label(timecode: &str, rate: &str, channels: usize) -> Label {
    let start = Timecode::parse(timecode, rate.parse().unwrap()).unwrap();
    let functions = if channels == 1 { vec!["MIX"] } else { vec!["LEFT", "RIGHT"] };
    Label {
        project: "P".into(),
        scene: "S1".into(),
        take: 1,
        tape: "S1_T01".into(),
        name: "GUIDE".into(),
        functions,
        note: "a note".into(),
        treatment: String::new(),
        set: None,
        date: "2026-11-21".into(),
        time: "10:00:00".into(),
        start,
        time_reference: start
            .rate()
            .samples(start.frames(), SampleRate::HZ_48000, seedpost_core::time::Rounding::Nearest)
            .unwrap()
            .0,
        unique_id: "BEFORE".into(),
    }
}

fn stem(label: &Label, channels: Vec<Vec<f32>>) -> Vec<u8> {
    let mut file = Vec::new();
    wav::write(&mut file, &Sound { rate: SampleRate::HZ_48000, channels }, label).unwrap();
    file
}

fn slowed(file: &[u8], frames: u64, label: &Label) -> Result<Vec<u8>, MediaError> {
    let label = pull::label(label, "AFTER".into())?;
    pull::slow(Cursor::new(file), Vec::new(), Frames(frames), &label)
}

/// The samples of a WAV, a list a channel, full scale at ±1.
fn samples(file: &[u8]) -> Vec<Vec<f64>> {
    let mut reader = hound::WavReader::new(file).unwrap();
    let spec = reader.spec();
    assert_eq!((spec.sample_rate, spec.bits_per_sample), (48_000, 24));
    let all: Vec<f64> = reader.samples::<i32>().map(|sample| f64::from(sample.unwrap()) * STEP).collect();
    let channels = usize::from(spec.channels);
    (0..channels).map(|channel| all.iter().skip(channel).step_by(channels).copied().collect()).collect()
}

/// The energy of what differs from what was expected, against that of what was expected, in dB.
fn difference(found: &[f64], expected: impl Fn(usize) -> f64) -> f64 {
    let (off, all) = found.iter().enumerate().fold((0.0, 0.0), |(off, all), (at, sample)| {
        let expected = expected(at);
        (off + (sample - expected).powi(2), all + expected.powi(2))
    });
    10.0 * (off / all).log10()
}

fn tone(hertz: f64, at: usize) -> f64 {
    0.5 * (TAU * hertz * at as f64 / 48_000.0).sin()
}

#[test]
fn a_tone_is_as_loud_and_lower_by_a_thousandth_and_exactly_as_long_as_its_picture() {
    let label = stem_label("01:00:00:00", "24", 1);
    for hertz in [25.0, 100.0, 1000.0, 10_000.0, 18_000.0, 20_000.0] {
        let file = stem(&label, vec![(0..240 * 2000).map(|at| tone(hertz, at) as f32).collect()]);
        let found = samples(&slowed(&file, 240, &label).unwrap()).swap_remove(0);
        assert_eq!(found.len(), 240 * 2002, "{hertz}");
        // 1000 Hz become 999.001 Hz: wave, phase and level are those of arithmetic, but where the sound is cut off.
        let inner = &found[4_804..found.len() - 4_804];
        let off = difference(inner, |at| tone(hertz * 1000.0 / 1001.0, at + 4_804));
        assert!(off < -115.0, "{hertz} Hz: {off} dB");
        let level = |samples: &[f64]| samples.iter().map(|sample| sample.powi(2)).sum::<f64>() / samples.len() as f64;
        let louder = 10.0 * (level(inner) / 0.125).log10();
        assert!(louder.abs() < 0.01, "{hertz} Hz: {louder} dB");
    }
}

#[test]
fn what_is_heard_at_a_time_is_heard_a_thousandth_later_on_its_own_side() {
    let label = stem_label("01:00:00:00", "24", 2);
    for (place, due) in [(0, 0), (1000, 1001), (48_000, 48_048), (95_000, 95_095)] {
        let mut left = vec![0.0; 96_000];
        left[place] = 0.5;
        let file = slowed(&stem(&label, vec![left, vec![0.0; 96_000]]), 48, &label).unwrap();
        let [left, right] = <[Vec<f64>; 2]>::try_from(samples(&file)).unwrap();
        let loudest = (0..left.len()).max_by(|a, b| left[*a].abs().total_cmp(&left[*b].abs())).unwrap();
        assert_eq!(loudest, due);
        assert!((left[due] - 0.5).abs() < 0.05, "{}", left[due]);
        for near in 1..due.min(200) {
            assert!((left[due - near] - left[due + near]).abs() < 8.0 * STEP, "{place}: {near} to either side");
        }
        assert!(right.iter().all(|sample| sample.abs() <= 2.0 * STEP), "the other side is silent");
    }
}

#[test]
fn a_stem_is_cut_and_filled_to_the_length_of_its_frames() {
    let label = stem_label("23:59:59:23", "24", 1);
    for (given, frames) in [(0, 0), (0, 3), (1, 1), (2000, 1), (1999, 1), (5000, 1), (100, 10), (96_000, 24), (9, 0)] {
        let file = stem(&label, vec![vec![0.25; given]]);
        let found = samples(&slowed(&file, frames, &label).unwrap()).swap_remove(0);
        assert_eq!(found.len() as u64, frames * 2002, "{given} for {frames}");
        let heard = given + given / 1000 + 1;
        assert!(found.iter().skip(heard).all(|sample| *sample == 0.0), "{given} for {frames}: silence follows");
    }
    let label = stem_label("01:00:00:00", "30", 1);
    let found = samples(&slowed(&stem(&label, vec![vec![0.0; 1600]]), 1001, &label).unwrap()).swap_remove(0);
    // 1601.6 samples a frame.
    assert_eq!(found.len(), 1_603_202);
}

fn ffmpeg(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("ffmpeg").args(["-v", "error", "-nostdin"]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn speech_and_music_are_slowed_as_the_sox_resampler_does_it() {
    let label = stem_label("01:00:00:00", "24", 1);
    for name in ["speech_en_woman.flac", "music_orchestra.flac", "effects_rain.flac"] {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/sound").join(name);
        let source = source.to_str().unwrap();
        let pcm = ["-ac", "1", "-ar", "48000", "-t", "5", "-f", "f32le", "-"];
        let floats = |bytes: Vec<u8>| -> Vec<f32> {
            bytes.as_chunks().0.iter().map(|sample| f32::from_le_bytes(*sample)).collect()
        };
        // Where resamplers stop, above 20 kHz, they differ; so that is taken away.
        let below = ["-i", source, "-af", "aresample=40000:resampler=soxr:precision=28"];
        let given = floats(ffmpeg(&[&below[..], &pcm].concat()));
        let raw = tempfile();
        let file = stem(&label, vec![given]);
        std::fs::write(&raw, &file).unwrap();
        let filter = "aresample=48048:resampler=soxr:precision=28:osf=flt,asetrate=48000";
        let theirs = floats(ffmpeg(&["-i", raw.to_str().unwrap(), "-af", filter, "-f", "f32le", "-"]));
        std::fs::remove_file(&raw).unwrap();
        let ours = samples(&slowed(&file, 120, &label).unwrap()).swap_remove(0);
        let length = ours.len().min(theirs.len());
        assert!(length > 200_000, "{name}: {length}");
        let off = difference(&ours[4_000..length - 4_000], |at| f64::from(theirs[at + 4_000]));
        assert!(off < -100.0, "{name}: {off} dB");
    }
}

fn tempfile() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("seedpost-pull-{}.wav", std::process::id()))
}

#[test]
fn the_label_is_the_same_and_the_samples_until_then_are_those_of_the_slowed_rate() {
    for (timecode, rate, slow, reference) in [
        // 86,400 frames of 2002 samples.
        ("01:00:00:00", "24", "24000/1001", 172_972_800_u64),
        ("05:00:00:12", "24", "24000/1001", 864_888_024),
        // 108,000 frames of 1601.6 samples.
        ("01:00:00:00", "30", "30000/1001", 172_972_800),
        ("00:00:00:01", "60", "60000/1001", 801),
    ] {
        let before = stem_label(timecode, rate, 2);
        let after = pull::label(&before, "AFTER".into()).unwrap();
        assert_eq!((after.start.to_string().as_str(), after.start.is_drop()), (timecode, false));
        assert_eq!((after.start.rate(), after.time_reference), (slow.parse().unwrap(), reference));
        let file = slowed(&stem(&before, vec![vec![0.0; 2000]; 2]), 1, &before).unwrap();
        let text = String::from_utf8_lossy(&file).into_owned();
        let decimal = match rate {
            "24" => "23.976",
            "30" => "29.97",
            _ => "59.94",
        };
        for said in [
            format!("<TIMECODE_RATE>{slow}</TIMECODE_RATE><TIMECODE_FLAG>NDF</TIMECODE_FLAG>"),
            format!(
                "<NOTE>a note; conformed {rate} → {decimal} (×1001/1000); resampled by 1001/1000, dithered to 24 bits</NOTE>"
            ),
            "<FILE_UID>AFTER</FILE_UID>".to_owned(),
            "resampled by 1001/1000; dithered to 24 bits\r\n".to_owned(),
        ] {
            assert!(text.contains(&said), "{said}\n{text}");
        }
        // What ffprobe reads.
        let path = tempfile().with_extension(format!("{rate}.wav"));
        std::fs::write(&path, &file).unwrap();
        let probe = Command::new("ffprobe").args(["-v", "error", "-show_format"]).arg(&path).output().unwrap();
        std::fs::remove_file(&path).unwrap();
        let probe = String::from_utf8(probe.stdout).unwrap();
        assert!(probe.contains(&format!("TAG:time_reference={reference}\n")), "{probe}");
    }
    let other = stem_label("01:00:00:00", "25", 2);
    assert!(matches!(pull::label(&other, "AFTER".into()), Err(MediaError::Unsupported(_))));
    let drop = stem_label("01:00:00;00", "29.97", 2);
    assert!(matches!(pull::label(&drop, "AFTER".into()), Err(MediaError::Unsupported(_))));
    assert_eq!(FrameRate::FPS_24.slowed(), Some("23.976".parse().unwrap()));
}

#[test]
fn the_sides_of_a_slowed_stem_are_its_samples() {
    let label = stem_label("01:00:00:00", "24", 2);
    let wave = |hertz: f64| (0..8000).map(|at| tone(hertz, at) as f32).collect::<Vec<f32>>();
    let file = slowed(&stem(&label, vec![wave(300.0), wave(700.0)]), 4, &label).unwrap();
    let side = Label { functions: vec!["LEFT"], ..pull::label(&label, "SIDE".into()).unwrap() };
    let (mut left, mut right) = (Vec::new(), Vec::new());
    stems::split(Cursor::new(file.clone()), vec![(&mut left, &side), (&mut right, &side)], Samples(4 * 2002)).unwrap();
    let whole = samples(&file);
    assert_eq!((&samples(&left)[0], &samples(&right)[0]), (&whole[0], &whole[1]));
}

#[test]
fn what_is_no_stem_is_refused_and_nothing_panics() {
    let label = stem_label("01:00:00:00", "24", 1);
    let file = stem(&label, vec![vec![0.5; 300]]);
    let data = file.windows(4).position(|window| window == b"data").unwrap();
    let said = |file: &[u8]| slowed(file, 3, &label).map(|_| ()).unwrap_err();
    for length in 0..file.len() {
        assert!(matches!(said(&file[..length]), MediaError::Malformed { .. } | MediaError::Io(_)), "{length}");
    }
    for lie in [u32::MAX, u32::MAX - 1, 1 << 31, 901] {
        let mut file = file.clone();
        file[data + 4..data + 8].copy_from_slice(&lie.to_le_bytes());
        assert!(matches!(said(&file), MediaError::Malformed { .. }), "{lie}");
    }
    let place = file.windows(4).position(|window| window == b"fmt ").unwrap() + 8;
    for (at, value) in [(0, 2), (2, 0), (2, 3), (2, 0xffff), (4, 44_100), (12, 4), (14, 0), (14, 16)] {
        let mut file = file.clone();
        file[place + at..place + at + 2].copy_from_slice(&(value as u16).to_le_bytes());
        assert!(matches!(said(&file), MediaError::Malformed { .. } | MediaError::Unsupported(_)), "{at} is {value}");
    }
    for at in 0..data {
        let mut file = file.clone();
        file[at] ^= 0xff;
        let _ = slowed(&file, 3, &label);
    }
    assert!(matches!(said(b"this is text"), MediaError::Malformed { .. }));
    let stereo = stem_label("01:00:00:00", "24", 2);
    assert!(matches!(slowed(&file, 3, &stereo), Err(MediaError::Unsupported(_))));
    assert!(matches!(slowed(&file, u64::MAX, &label), Err(MediaError::Limit { .. })));
}
