//! What is measured of a file, compared with what ffprobe prints.
#![allow(clippy::unwrap_used, reason = "a test that fails panics, and may say why")]

mod support;

use seedpost_av::probe::probe;
use seedpost_core::media::TimecodeInfo;
use serde_json::Value;
use support::{make, probed, ready, stream};

const PICTURE: &str = "-f lavfi -i testsrc2=s=320x180:r=30000/1001:d=3";
const SOUND: &str = "-f lavfi -i sine=f=440:r=48000:d=3";

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned).filter(|text| text != "unknown")
}

fn number(value: &Value) -> Option<u64> {
    value.as_str().map_or(value.as_u64(), |text| text.parse().ok())
}

#[test]
fn the_facts_are_those_that_ffprobe_prints() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let tags = "-color_primaries bt709 -color_trc bt709 -colorspace bt709 -color_range tv";
    let hdr = "-color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc";
    for (name, coding) in [
        ("high.mp4", format!("-c:v libx264 -pix_fmt yuv420p {tags} -c:a aac -ac 2")),
        ("baseline.mp4", "-c:v libx264 -profile:v baseline -pix_fmt yuv420p -c:a aac -ac 1".to_owned()),
        ("deep.mov", "-c:v libx264 -pix_fmt yuv422p10le -c:a pcm_s24le -ac 6".to_owned()),
        ("hdr.mkv", format!("-c:v libx265 -x265-params log-level=none -pix_fmt yuv420p10le {hdr} -c:a ac3 -ac 6")),
        ("vp9.webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus -ac 2".to_owned()),
        ("mpeg2.ts", "-c:v mpeg2video -c:a mp2 -ac 2".to_owned()),
        ("simple.avi", "-c:v mpeg4 -c:a mp3".to_owned()),
    ] {
        let source = folder.path().join(name);
        make(&source, &format!("{PICTURE} {SOUND} {coding}"));
        let info = probe(&source).unwrap();
        let (video, audio) = (info.video.unwrap(), info.audio.unwrap());
        let (picture, sound) = (stream(&source, "video"), stream(&source, "audio"));
        for (fact, found) in [
            ("profile", &video.profile),
            ("pix_fmt", &video.pixel_format),
            ("color_range", &video.colour.range),
            ("color_primaries", &video.colour.primaries),
            ("color_transfer", &video.colour.transfer),
            ("color_space", &video.colour.matrix),
        ] {
            assert_eq!(*found, text(&picture[fact]), "{name} {fact}");
        }
        assert_eq!(audio.profile, text(&sound["profile"]), "{name}");
        assert_eq!(audio.layout, text(&sound["channel_layout"]), "{name}");
        for (fact, found) in [(&picture["bit_rate"], video.bit_rate), (&sound["bit_rate"], audio.bit_rate)] {
            assert!(found.is_some(), "{name}");
            assert!(number(fact).is_none_or(|stated| Some(stated) == found), "{name} {fact} {found:?}");
        }
        for (printed, scale) in [(&picture, video.timescale), (&sound, audio.timescale)] {
            let base = printed["time_base"].as_str().unwrap();
            assert_eq!(base.strip_prefix("1/").map(str::to_owned), scale.map(|scale| scale.to_string()), "{name}");
        }
        let packets = probed(&source, "-select_streams v:0 -count_packets -show_entries stream=nb_read_packets");
        assert_eq!(video.coded_frames, number(&packets["streams"][0]["nb_read_packets"]), "{name}");
        let Some(timescale) = video.timescale else { continue };
        let lasts = video.ticks.unwrap() as f64 / f64::from(timescale);
        assert!((lasts - 3.003).abs() < 0.035, "{name}: {lasts}");
        let tracks = info.tracks.unwrap();
        assert_eq!((tracks.video, tracks.audio, tracks.other), (1, 1, 0), "{name}");
        let whole = info.bit_rate.unwrap() as f64 * 3.0 / 8.0;
        assert!((whole / info.bytes as f64 - 1.0).abs() < 0.03, "{name}: {whole} of {}", info.bytes);
        assert_eq!(info.timecode, None);
    }
}

#[test]
fn timecode_and_cover_are_told_apart_from_the_film() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let [cover, song, film] = ["cover.png", "song.m4a", "film.mov"].map(|name| folder.path().join(name));
    make(&cover, "-f lavfi -i color=red:s=64x64 -frames:v 1");
    make(&song, &format!("{SOUND} -i {} -map 0 -map 1 -c:a aac -c:v png -disposition:v attached_pic", cover.display()));
    let info = probe(&song).unwrap();
    assert_eq!((info.video, info.tracks.unwrap().video, info.tracks.unwrap().audio), (None, 0, 1));
    make(&film, &format!("{PICTURE} {SOUND} -c:v libx264 -pix_fmt yuv420p -c:a aac -timecode 01:00:00;02"));
    let info = probe(&film).unwrap();
    let expected = TimecodeInfo { start: "01:00:00;02".to_owned(), frames_per_second: 30, drop_frame: true };
    assert_eq!(info.timecode, Some(expected));
    assert_eq!(info.tracks.unwrap().other, 1);
}
