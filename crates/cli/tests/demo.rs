//! The main job on real media, and what other people's programs say of it.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

mod support;

use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{Demo, json, python, repository, run, text, tool};

fn demo() -> Demo {
    Demo::render("demo")
}

fn facts(root: &Path, take: &str) -> Value {
    let (shot, number) = take.rsplit_once('_').unwrap();
    serde_json::from_slice(&std::fs::read(root.join(format!("takes/{shot}/{number}/facts.json"))).unwrap()).unwrap()
}

#[test]
fn the_demo_becomes_a_package_that_other_programs_read() {
    let demo = demo();
    let (code, out, _) = run(&demo.root, &["run"]);
    assert_eq!(code, 0);
    assert!(out.contains("nothing to do"), "{out}");
    assert!(out.contains("SC010_SH030_T01") && out.contains("15.000 s (360)"), "{out}");

    let made = json(&demo.root, &["turnover"]);
    assert_eq!((made["new"].as_bool(), made["clips"].as_u64()), (Some(true), Some(4)));
    let package = PathBuf::from(made["package"].as_str().unwrap());
    tool(python(), &[text(&repository("crates/cli/tests/foreign/check_turnover.py")), text(&package)]);

    let again = json(&demo.root, &["turnover"]);
    assert_eq!((again["new"].as_bool(), &again["package"]), (Some(false), &made["package"]));
    the_package_is_checked(&demo.root, &package);
    the_cut_can_be_exported(&demo.root);
}

fn the_package_is_checked(root: &Path, package: &Path) {
    assert_eq!(run(root, &["verify", text(package)]).0, 0);
    let stem = package.join("audio/SC010_SH030_T01_GUIDE.wav");
    let mut bytes = std::fs::read(&stem).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&stem, bytes).unwrap();
    std::fs::write(package.join("stray.txt"), "x").unwrap();
    let (code, _, err) = run(root, &["verify", text(package)]);
    assert_eq!(code, 11);
    assert!(err.contains("_GUIDE.wav: changed") && err.contains("stray.txt: new"), "{err}");
}

fn the_cut_can_be_exported(root: &Path) {
    let files = json(root, &["export", "--out", "cut"]);
    // Ten timelines, the cues three times, and the losses.
    assert_eq!(files["files"].as_array().unwrap().len(), 14);
    let (code, _, err) = run(root, &["export", "--out", "cut"]);
    assert_eq!(code, 2);
    assert!(err.contains("exists") && err.contains("--force"), "{err}");
}

#[test]
fn stripping_leaves_the_picture_untouched() {
    let demo = demo();
    for (shot, has_guide) in [("SC010_SH020", false), ("SC010_SH030", true)] {
        let take = demo.root.join(format!("takes/{shot}/T01"));
        let (render, picture) = (take.join("render.mp4"), take.join("picture.mp4"));
        let streams =
            tool("ffprobe", &["-v", "error", "-show_entries", "stream=codec_type", "-of", "csv=p=0", text(&picture)]);
        assert_eq!(streams.trim(), "video", "{shot}");
        let hash = |file: &Path| {
            tool("ffmpeg", &["-v", "error", "-i", text(file), "-map", "0:v", "-c", "copy", "-f", "streamhash", "-"])
        };
        assert_eq!(hash(&render), hash(&picture), "{shot}");
        assert_eq!(take.join(format!("stems/{shot}_T01_GUIDE.wav")).exists(), has_guide, "{shot}");
    }
}

/// FFmpeg's decode of the clip and our stem, sample by sample.
#[test]
fn a_stem_aligns_with_the_clips_own_sound_to_the_sample() {
    let demo = demo();
    for (shot, role, frames) in [("SC010_SH010", "MIX", 96), ("SC010_SH030", "GUIDE", 360)] {
        let take = demo.root.join(format!("takes/{shot}/T01"));
        let samples = |file: &Path| decode(file, frames * 2000);
        let clip = samples(&take.join("render.mp4"));
        let stem = samples(&take.join(format!("stems/{shot}_T01_{role}.wav")));
        assert_eq!((clip.len(), stem.len()), (frames * 4000, frames * 4000), "{shot}");
        let noise = clip.iter().zip(&stem).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
        let signal = clip.iter().map(|a| f64::from(*a).powi(2)).sum::<f64>();
        let ratio = 10.0 * (signal / noise).log10();
        assert!(ratio > 90.0, "{shot}: {ratio:.1} dB between the two decodes");
        let late = clip.iter().zip(stem.iter().skip(2)).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
        assert!(late > noise * 1000.0, "{shot}: one sample of shift must show");
    }
}

/// Larger clips may come as HEVC, whose header some sound readers refuse.
#[test]
fn an_hevc_clip_gives_its_sound_and_its_picture_too() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.mp4");
    let picture = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=24:duration=2"];
    let sound = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=2"];
    let codecs = ["-c:v", "libx265", "-x265-params", "log-level=none", "-c:a", "aac", "-ac", "1", text(&clip)];
    tool("ffmpeg", &[&["-v", "error"][..], &picture, &sound, &codecs].concat());
    assert_eq!(json(folder.path(), &["stems", "clip.mp4", "--out", "."])["stems"][0]["samples"], 96_000);
    // FFmpeg makes one channel softer where it spreads it over two by itself.
    let both = folder.path().join("both.wav");
    support::make(&both, &format!("-i {} -vn -af pan=stereo|FL=c0|FR=c0 -c:a pcm_f32le", text(&clip)));
    let decoded = (decode(&both, 96_000), decode(&folder.path().join("clip_MIX.wav"), 96_000));
    let worst = decoded.0.iter().zip(&decoded.1).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(decoded.1.len() == 192_000 && worst < 0.001, "{worst}");
    json(folder.path(), &["lane", "--strip", "clip.mp4", "--out", "picture.mp4"]);
    let probed = json(folder.path(), &["probe", "picture.mp4"]);
    let info = &probed["files"][0]["info"];
    assert_eq!((&info["video"]["codec"], &info["audio"]), (&Value::from("hevc"), &Value::Null));
}

fn decode(file: &Path, samples: usize) -> Vec<f32> {
    let filter = format!("atrim=end_sample={samples}");
    let arguments = ["-v", "error", "-i", text(file), "-map", "0:a", "-af", &filter, "-f", "f32le", "-ac", "2", "-"];
    let output = std::process::Command::new("ffmpeg").args(arguments).output().unwrap();
    assert!(output.status.success());
    output.stdout.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

#[test]
fn upload_copies_fit_the_limit_and_map_back_to_untouched_sources() {
    let before = tool(
        "sha256sum",
        &[text(&repository("fixtures/demo/refs/host.wav")), text(&repository("fixtures/demo/refs/guest.wav"))],
    );
    let demo = demo();
    let facts = facts(&demo.root, "SC010_SH030_T01");
    let references = facts["from"]["references"].as_array().unwrap();
    let mut total = 0.0;
    for reference in references {
        let upload = demo.root.join(reference["upload"].as_str().unwrap());
        let probed = tool(
            "ffprobe",
            &["-v", "error", "-show_entries", "stream=duration_ts,sample_rate", "-of", "csv=p=0", text(&upload)],
        );
        let (rate, length) = probed.trim().split_once(',').unwrap();
        let (rate, length): (f64, f64) = (rate.parse().unwrap(), length.parse().unwrap());
        let kept = &reference["cut"]["kept"];
        assert_eq!(kept["end"].as_f64().unwrap() - kept["start"].as_f64().unwrap(), length, "{reference}");
        total += length / rate;

        let source = demo.root.join(reference["source"].as_str().unwrap());
        let digest = tool("sha256sum", &[text(&source)]);
        assert!(digest.starts_with(reference["source_sha256"].as_str().unwrap()));
        assert!(before.contains(digest.split_whitespace().next().unwrap()), "the source is untouched");
    }
    assert_eq!(references.len(), 2);
    // A pause is looked for within 0.7 s of the limit.
    assert!(total <= 15.0 && total > 15.0 - 0.7 - 0.005, "{total}");
}

/// Shots move in the cut when one before them changes: stems are stamped anew, clips are not paid anew.
#[test]
fn a_take_that_moves_in_the_cut_is_stamped_anew_and_not_rendered_anew() {
    let folder = tempfile::tempdir().unwrap();
    let shots = |second: &str| {
        format!(
            "[render]\ntier = \"fast\"\nresolution = \"480p\"\n[[shot]]\nid = \"A\"\nprompt = \"a\"\nduration = 4\n{second}"
        )
    };
    let list = folder.path().join("shots.toml");
    let extra = "[[shot]]\nid = \"B\"\nprompt = \"b\"\nduration = 4\n";
    std::fs::write(&list, shots(extra)).unwrap();
    assert_eq!(run(folder.path(), &["run"]).0, 0);
    let reference =
        |shot: &str| facts(folder.path(), &format!("{shot}_T01"))["stems"][0]["time_reference"].as_u64().unwrap();
    assert_eq!((reference("A"), reference("B")), (172_800_000, 172_800_000 + 96 * 2000));
    let start = "start_timecode = \"02:00:00:00\"\n";
    std::fs::write(&list, format!("{start}{}", shots(extra))).unwrap();
    let second = json(folder.path(), &["run"]);
    assert_eq!(second["takes"][1]["outcome"], Value::Null, "nothing was sent");
    assert_eq!(reference("B"), 345_600_000 + 96 * 2000);

    let stem = folder.path().join("takes/B/T01/stems/B_T01_MIX.wav");
    std::fs::write(&stem, "an hour of somebody's work").unwrap();
    std::fs::write(&list, shots(extra)).unwrap();
    let (code, _, err) = run(folder.path(), &["run"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("changed by hand") && err.contains("B_T01_MIX.wav"), "{err}");
    assert_eq!(std::fs::read_to_string(&stem).unwrap(), "an hour of somebody's work");
}

#[test]
fn a_take_of_the_simulator_is_never_taken_for_one_of_fal() {
    let folder = tempfile::tempdir().unwrap();
    let shot = "[render]\ntier = \"fast\"\nresolution = \"480p\"\n[[shot]]\nid = \"A\"\nprompt = \"a\"\nduration = 4\n";
    std::fs::write(folder.path().join("shots.toml"), shot).unwrap();
    assert_eq!(run(folder.path(), &["run"]).0, 0);
    let (code, _, err) = run(folder.path(), &["run", "--provider", "fal"]);
    assert_eq!(code, 0);
    assert!(err.contains("was sent to simulator") && err.contains("raise `takes`"), "{err}");
}

#[test]
fn the_program_itself_does_not_load_ffmpeg() {
    let libraries = tool("ldd", &[env!("CARGO_BIN_EXE_seedpost")]);
    assert!(!libraries.contains("libav"), "{libraries}");
    assert!(tool("ldd", &[env!("CARGO_BIN_EXE_seedpost-av")]).contains("libavcodec"));
}
