//! The readers against real files, hostile ones, and files cut or bent at every place.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test opens its own files, and panics where it fails"
)]

use std::io::Cursor;
use std::path::PathBuf;

use seedpost_core::media::MediaInfo;
use seedpost_media::{MediaError, decode, probe, strip};

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/media").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn measure(name: &str) -> MediaInfo {
    probe::probe(Cursor::new(fixture(name))).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What the files are is written in fixtures/media/SOURCES.md: one second each, made by ffmpeg.
#[test]
fn clips_are_measured_as_they_were_made() {
    for (name, samples, channels, hertz, fast_start) in
        [("clip_h264_aac.mp4", 48_000, 2, 48_000, false), ("clip_mono_44k.mp4", 44_100, 1, 44_100, false)]
    {
        let info = measure(name);
        let (video, audio) = (info.video.expect("a picture"), info.audio.expect("sound"));
        assert_eq!((info.container.as_str(), info.fast_start), ("mp4", Some(fast_start)), "{name}");
        assert_eq!((video.codec.as_str(), video.width, video.height), ("h264", 320, 180), "{name}");
        assert_eq!((video.rate.map(|rate| rate.to_string()), video.frames.map(|f| f.0)), (Some("24".into()), Some(24)));
        assert_eq!(
            (audio.codec.as_str(), audio.channels, audio.sample_rate.hertz()),
            ("aac", channels, hertz),
            "{name}"
        );
        assert_eq!((audio.samples.map(|s| s.0), audio.priming), (Some(samples), Some(1024)), "{name}");
    }
    let silent = measure("clip_silent.mp4");
    assert_eq!((silent.audio, silent.fast_start), (None, Some(true)));
}

#[test]
fn sounds_and_pictures_are_measured_as_they_were_made() {
    for (name, container, hertz, samples) in [
        ("tone_48k_24bit.wav", "wav", 48_000, 24_000),
        ("tone_44k_16bit.wav", "wav", 44_100, 22_050),
        ("tone.flac", "flac", 48_000, 24_000),
        ("tone.mp3", "mp3", 44_100, 22_050),
    ] {
        let info = measure(name);
        let audio = info.audio.unwrap_or_else(|| panic!("{name} has sound"));
        assert_eq!(info.container, container, "{name}");
        assert_eq!(
            (audio.sample_rate.hertz(), audio.samples.map(|samples| samples.0)),
            (hertz, Some(samples)),
            "{name}"
        );
    }
    for (name, container) in [("dot.png", "png"), ("dot.jpg", "jpeg"), ("dot.webp", "webp")] {
        let info = measure(name);
        assert_eq!(info.container, container);
        assert!(info.still.is_some(), "{name}");
    }
}

#[test]
fn a_decoded_clip_has_exactly_the_samples_of_its_edit_list() {
    for (name, samples) in [("clip_h264_aac.mp4", 48_000), ("clip_mono_44k.mp4", 44_100)] {
        let sound = decode::decode(Cursor::new(fixture(name)), None).expect(name);
        assert_eq!(sound.length().0, samples, "{name}");
    }
}

#[test]
fn a_stripped_clip_has_its_picture_and_nothing_else() {
    let mut out = Vec::new();
    let written = strip::strip(&mut Cursor::new(fixture("clip_h264_aac.mp4")), &mut out).expect("a clip");
    assert_eq!(written, out.len() as u64);
    let info = probe::probe(Cursor::new(out)).expect("an MP4");
    assert_eq!((info.audio, info.fast_start), (None, Some(true)));
    assert_eq!(info.video, measure("clip_h264_aac.mp4").video);
}

/// Every reader on the same bytes; an error is fine, a panic or a hang is not.
fn read_all_ways(bytes: &[u8]) -> [Result<(), MediaError>; 3] {
    [
        probe::probe(Cursor::new(bytes.to_vec())).map(|_| ()),
        strip::strip(&mut Cursor::new(bytes), &mut Vec::new()).map(|_| ()),
        decode::decode(Cursor::new(bytes.to_vec()), None).map(|_| ()),
    ]
}

#[test]
fn hostile_files_are_refused_by_the_reader_that_must_notice() {
    for (name, reader) in [
        ("empty.mp4", 0),
        ("cut_in_moov.mp4", 0),
        ("cut_in_mdat.mp4", 0),
        ("no_moov.mp4", 0),
        ("box_size_past_end.mp4", 0),
        ("box_size_zero_inside_moov.mp4", 0),
        ("stsz_count_billion.mp4", 0),
        ("stco_past_end.mp4", 0),
        ("stsc_first_chunk_zero.mp4", 0),
        ("timescale_zero.mp4", 0),
        ("elst_count_lies.mp4", 0),
        ("wav_length_lies.wav", 0),
        ("wav_rate_zero.wav", 0),
        ("wav_channels_zero.wav", 0),
        ("wav_cut_in_fmt.wav", 0),
        ("text_named.wav", 0),
        ("html_named.mp4", 0),
        ("png_sides_2e31.png", 0),
    ] {
        let results = read_all_ways(&fixture(&format!("hostile/{name}")));
        assert!(results[reader].is_err(), "{name}: {:?}", results[reader]);
    }
    // Named wrongly, but whole: told by content.
    assert_eq!(measure("hostile/png_named.mp4").container, "png");
    assert_eq!(measure("hostile/mp4_named.png").container, "mp4");
}

#[test]
fn every_hostile_file_is_in_the_list_of_sources() {
    let sources = String::from_utf8(fixture("SOURCES.md")).expect("UTF-8");
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/media/hostile");
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        assert!(sources.contains(&name), "{name}");
        let _ = read_all_ways(&fixture(&format!("hostile/{name}")));
    }
}

#[test]
fn a_file_cut_anywhere_is_an_error_or_a_shorter_file_but_never_a_panic() {
    for name in [
        "clip_h264_aac.mp4",
        "clip_silent.mp4",
        "tone_48k_24bit.wav",
        "tone.mp3",
        "tone.flac",
        "dot.png",
        "dot.jpg",
        "dot.webp",
    ] {
        let whole = fixture(name);
        let step = (whole.len() / 60).max(1);
        for length in (0..whole.len()).step_by(step) {
            let _ = read_all_ways(&whole[..length]);
        }
    }
}

#[test]
fn a_file_bent_anywhere_never_panics() {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for name in ["clip_h264_aac.mp4", "clip_silent.mp4", "tone_48k_24bit.wav", "tone.mp3", "dot.png", "dot.jpg"] {
        let whole = fixture(name);
        // The tables of an unfinished-looking MP4 stand at its end, those of others in front.
        let tables =
            if name == "clip_h264_aac.mp4" { whole.len() - 2500..whole.len() } else { 0..whole.len().min(2000) };
        for _ in 0..150 {
            let mut bent = whole.clone();
            for _ in 0..=random() % 4 {
                let at = tables.start + random() as usize % tables.len();
                bent[at] = if random() % 3 == 0 { 0xff } else { random() as u8 };
            }
            let _ = read_all_ways(&bent);
        }
    }
}
