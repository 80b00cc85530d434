//! Mixes in containers of their own, judged by ffprobe and by what ffmpeg decodes.
#![allow(clippy::unwrap_used, reason = "a test that fails panics, and may say why")]

mod support;

use std::path::Path;

use seedpost_av::mix::write;
use seedpost_core::time::Samples;
use seedpost_core::turnover::order::{MixOrder, SoundOf};
use support::{heard, later, make, noise, probed, ready, stream, wav};

fn order(file: &Path, from: u64, samples: u64, out: &Path) -> MixOrder {
    let sound = SoundOf { file: file.to_owned(), from: Samples(from) };
    MixOrder { sound, samples: Samples(samples), out: out.to_owned() }
}

#[test]
fn a_mix_is_the_same_samples_as_pcm_and_in_its_place_as_aac() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let [given, mov, mp4] = ["mix.wav", "out.mov", "out.mp4"].map(|name| folder.path().join(name));
    let samples = noise(5 * 48_000);
    wav(&given, &samples);
    for (from, count) in
        [(0, 1024_usize), (0, 192_000), (1, 100_001), (30_000, 1023), (47_999, 192_001), (200_000, 96_000)]
    {
        let mut expected: Vec<[i32; 2]> = samples.iter().skip(from).take(count).copied().collect();
        expected.resize(count, [0, 0]);
        for out in [&mov, &mp4] {
            write(&order(&given, from as u64, count as u64, out)).unwrap();
            let all = probed(out, "-show_streams");
            assert_eq!(all["streams"].as_array().unwrap().len(), 1, "nothing else is in it");
        }
        assert!(heard(&mov) == expected, "{from} {count}");
        let coded = heard(&mp4);
        assert_eq!(coded.len(), count, "{from}");
        if count > 2000 && from < 200_000 {
            let (lag, like) = later(&expected, &coded);
            assert!(lag == 0 && like > 0.9, "{from}: {lag} samples late, alike by {like}");
        }
        let sound = stream(&mp4, "audio");
        assert_eq!([&sound["codec_name"], &sound["profile"], &sound["start_time"]], ["aac", "LC", "0.000000"]);
    }
    let rate: u64 = stream(&mp4, "audio")["bit_rate"].as_str().unwrap().parse().unwrap();
    assert!(rate > 100_000, "{rate}");
}

#[test]
fn wavs_of_mixers_are_taken_and_the_same_mix_gives_the_same_bytes() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let given = folder.path().join("mix.wav");
    let samples = noise(96_000);
    wav(&given, &samples);
    for (name, coding) in [
        ("extensible.wav", "-c:a pcm_s24le"),
        ("told.wav", "-c:a pcm_s24le -write_bext 1 -metadata description=Mix -metadata title=Mix"),
        ("large.wav", "-c:a pcm_s24le -rf64 always"),
    ] {
        let file = folder.path().join(name);
        make(&file, &format!("-i {} {coding}", given.display()));
        for ending in ["mov", "mp4"] {
            let out = folder.path().join(format!("out.{ending}"));
            let [one, two] = [0, 1].map(|_| {
                write(&order(&file, 100, 50_000, &out)).unwrap();
                std::fs::read(&out).unwrap()
            });
            assert!(one == two, "{name} {ending}");
            let heard = heard(&out);
            assert_eq!(heard.len(), 50_000, "{name} {ending}");
            assert!(ending == "mp4" || heard == samples[100..50_100], "{name}");
        }
    }
}

#[test]
fn what_is_no_mix_is_refused() {
    ready();
    let folder = tempfile::tempdir().unwrap();
    let [given, out] = ["mix.wav", "out.mov"].map(|name| folder.path().join(name));
    wav(&given, &noise(4800));
    let refused = |order: MixOrder, words: &str| {
        let error = write(&order).unwrap_err().to_string();
        assert!(error.contains(words), "{error:?} has no {words:?}");
    };
    refused(order(&given, 0, 0, &out), "at least one sample");
    refused(order(&given, 0, 4800, &folder.path().join("out.wav")), "a .mov or an .mp4");
    refused(order(&folder.path().join("none.wav"), 0, 4800, &out), "No such file");
    std::fs::write(&given, b"RIFF").unwrap();
    refused(order(&given, 0, 4800, &out), "FFmpeg");
}
