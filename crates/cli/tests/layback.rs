//! A mix comes back under the picture: made as mixers make it, spoiled in every way, and heard with ffmpeg's ears.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

mod support;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::{Value, json};
use support::{Demo, copy_folder, json, python, repository, run, seedpost, text, tool};

const PACKAGE: &str = "Kitchen_at_seven_v001";

/// The demo with a package, made once.
static DEMO: LazyLock<Demo> = LazyLock::new(|| {
    let demo = Demo::render("layback");
    json(&demo.root, &["turnover", "--reference", "none"]);
    demo
});

/// A copy of the package in a folder of its own, without a project around it.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Desk {
        let folder = tempfile::tempdir().unwrap();
        copy_folder(&DEMO.root.join("turnover").join(PACKAGE), &folder.path().join(PACKAGE));
        Desk { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn mix(&self, fault: &str) -> PathBuf {
        let mix = self.path("mix.wav");
        script(&["mix", text(&self.path(PACKAGE)), text(&mix), fault]);
        mix
    }

    /// What a spoiled mix is refused for: each check that refuses, and what it found.
    fn refused(&self, fault: &str, arguments: &[&str]) -> Vec<(String, String)> {
        self.mix(fault);
        let before = names(self.folder.path());
        let (code, out, err) =
            run(self.folder.path(), &[&["layback", PACKAGE, "--mix", "mix.wav", "--json"], arguments].concat());
        assert_eq!(code, 4, "{fault}: {out}{err}");
        assert_eq!(names(self.folder.path()), before, "{fault}: something was written");
        let told: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(told["delivery"], Value::Null);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let checks = told["checks"].as_array().unwrap().iter().filter(|check| check["verdict"] == "refused");
        checks
            .map(|check| {
                assert!(!text(&check["fix"]).is_empty() && !text(&check["source"]).is_empty(), "{check}");
                assert!(err.contains(&text(&check["found"])), "{err}");
                (text(&check["what"]), text(&check["found"]))
            })
            .collect()
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.collect();
    names.sort();
    names
}

fn script(arguments: &[&str]) -> String {
    let script = repository("crates/cli/tests/foreign/layback.py");
    tool(python(), &[&[text(&script)], arguments].concat())
}

fn pairs(found: &[(String, String)]) -> Vec<(&str, &str)> {
    found.iter().map(|(what, found)| (what.as_str(), found.as_str())).collect()
}

#[test]
fn a_mix_comes_back_under_the_whole_cut_and_under_each_shot() {
    let desk = Desk::new();
    let mix = desk.mix("");
    for (arguments, name) in
        [(&[][..], "Kitchen_at_seven_v001_layback_v001"), (&["--per-shot"], "Kitchen_at_seven_v001_layback_v002")]
    {
        let told = json(desk.folder.path(), &[&["layback", PACKAGE, "--mix", "mix.wav"], arguments].concat());
        let delivery = desk.path(name);
        assert_eq!(told["delivery"], json!(text(&delivery.canonicalize().unwrap())));
        println!("{}", script(&["compare", text(&desk.path(PACKAGE)), text(&mix), text(&delivery)]));
        let manifest: Value = serde_json::from_slice(&std::fs::read(delivery.join("manifest.json")).unwrap()).unwrap();
        assert_eq!((&manifest["schema"], &manifest["turnover"]["version"]), (&json!("seedpost.layback/1"), &json!(1)));
        assert_eq!(std::fs::read(delivery.join("mix/mix.wav")).unwrap(), std::fs::read(&mix).unwrap());
    }
    let out = desk.path("Kitchen_at_seven_v001_layback_v001/Kitchen_at_seven_v001.mov");
    let told = tool(
        "ffprobe",
        &["-v", "error", "-show_entries", "stream=codec_name:stream_tags=timecode", "-of", "csv=p=0", text(&out)],
    );
    assert_eq!(told.lines().take(2).collect::<Vec<_>>(), ["h264,01:00:00:00", "pcm_s24le"], "{told}");
}

/// 12 frames off the head of the second clip, 24 off the tail of the third, 7 and 9 off the last one.
#[test]
fn a_trimmed_cut_shows_exactly_what_is_used() {
    let desk = Desk::new();
    let path = desk.path(PACKAGE).join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let mut at = 86_400;
    for (clip, (head, tail)) in
        manifest["clips"].as_array_mut().unwrap().iter_mut().zip([(0, 0), (12, 0), (0, 24), (7, 9)])
    {
        let frames = clip["frames"].as_u64().unwrap() - head - tail;
        let start = clip["source_start"].as_u64().unwrap() + head;
        (clip["frames"], clip["handles"], clip["source_start"]) = (json!(frames), json!([head, tail]), json!(start));
        clip["record_start"] = json!(at);
        at += frames;
    }
    let reel = &mut manifest["reel"];
    reel["picture"]["end"] = json!(at);
    (reel["tail_pop"], reel["end"]) = (json!(at + 47), json!(at + 96));
    std::fs::write(&path, manifest.to_string()).unwrap();
    // Against its history, a manifest that was edited does not stand.
    assert!(desk.refused("", &[]).iter().any(|(what, _)| what == "manifest"));
    std::fs::remove_dir_all(desk.path(PACKAGE).join("ascmhl")).unwrap();
    let mix = desk.mix("");
    for form in [&[][..], &["--per-shot"]] {
        let told = json(desk.folder.path(), &[&["layback", PACKAGE, "--mix", "mix.wav"], form].concat());
        let delivery = told["delivery"].as_str().unwrap();
        println!("{}", script(&["compare", text(&desk.path(PACKAGE)), text(&mix), delivery]));
    }
}

#[test]
fn each_fault_of_a_mix_is_told_as_it_was_measured() {
    let desk = Desk::new();
    assert_eq!(pairs(&desk.refused("mono", &[])), [("channels", "mono")]);
    assert_eq!(pairs(&desk.refused("44100", &[])), [("rate", "44100 Hz")]);
    assert_eq!(pairs(&desk.refused("16 bit", &[])), [("format", "pcm_s16le")]);
    let short = desk.refused("short", &[]);
    assert_eq!(short[0].0, "length");
    assert!(short[0].1.ends_with("48000 samples (1000.000 ms, 24.000 frames) short"), "{short:?}");
    let (sample, frame) = (desk.refused("sample late", &[]), desk.refused("frame late", &[]));
    assert_eq!(sample.len(), 4, "{sample:?}");
    for (what, found) in &sample {
        assert!(what.contains("pop") && found.ends_with(", 1 sample (0.021 ms, 0.001 frames) late"), "{what} {found}");
    }
    assert_eq!(sample[0].1, "sample 384001 at -20.0 dBFS, 1 sample (0.021 ms, 0.001 frames) late");
    assert!(frame.iter().all(|(_, found)| found.ends_with("2000 samples (41.667 ms, 1.000 frames) late")), "{frame:?}");
    let silent = desk.refused("silent", &[]);
    assert_eq!(silent.len(), 1, "{silent:?}");
    assert!(silent[0].0 == "programme" && silent[0].1.starts_with("silent"), "{silent:?}");
    assert_eq!(pairs(&desk.refused("no pop", &[])), [("2-pop left", "none"), ("2-pop right", "none")]);
    let cut = desk.refused("cut", &[]);
    assert!(cut.len() == 1 && cut[0].1.contains("cut short"), "{cut:?}");
    let bext = desk.refused("wrong bext", &[]);
    assert_eq!(
        pairs(&bext),
        [("start", "00:59:51:00 (sample 172368000), 48000 samples (1000.000 ms, 24.000 frames) late")]
    );
    assert_eq!(pairs(&desk.refused("polarity", &[])), [("polarity", "opposite on the channels: 2-pop, tail pop")]);
    let loud = desk.refused("loud", &["--target", "ebu"]);
    assert!(loud.iter().any(|(what, _)| what == "loudness"), "{loud:?}");
}

#[test]
fn what_mixers_do_to_pops_is_no_fault() {
    let desk = Desk::new();
    for (fault, noted) in [
        // Made louder, which is told.
        ("treated", Some("2-pop left")),
        ("constant", None),
        ("countdown", None),
        ("no bext", Some("start")),
        ("zero bext", Some("start")),
        ("inverted", Some("2-pop left")),
        ("left only", Some("2-pop right")),
    ] {
        desk.mix(fault);
        let told = json(desk.folder.path(), &["layback", PACKAGE, "--mix", "mix.wav", "--out", "delivery", "--force"]);
        let notes = told["checks"].as_array().unwrap().iter().filter(|check| check["verdict"] == "note");
        assert_eq!(notes.map(|check| check["what"].as_str().unwrap()).next(), noted, "{fault}");
    }
}

/// An encoder's noise moves the peak of hum and rumble by some samples; a constant has none.
#[test]
fn soft_and_slow_sound_is_delivered_whether_or_not_its_place_can_be_told() {
    let desk = Desk::new();
    for kind in ["hum", "rumble", "brown", "still"] {
        desk.mix(kind);
        json(desk.folder.path(), &["layback", PACKAGE, "--mix", "mix.wav", "--out", "delivery", "--force"]);
        let manifest = std::fs::read(desk.path("delivery/manifest.json")).unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        let clips = manifest["clips"].as_array().unwrap();
        for (index, clip) in clips.iter().enumerate() {
            for movie in clip["movies"].as_array().unwrap() {
                assert_eq!(movie["movie_offset"], 0, "{kind}");
                let is_soft = index == clips.len() - 2;
                assert!(movie["sound_offset"] == 0 || is_soft && movie["sound_offset"].is_null(), "{kind}: {movie}");
            }
        }
        if kind == "still" {
            assert!(clips[clips.len() - 2]["movies"][0]["sound_offset"].is_null());
        }
    }
}

#[test]
fn a_picture_that_changed_is_refused() {
    let desk = Desk::new();
    let picture = desk.path(PACKAGE).join("picture/SC010_SH020_T01.mp4");
    let mut bytes = std::fs::read(&picture).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&picture, bytes).unwrap();
    let found = desk.refused("mono", &[]);
    let found: Vec<&str> = found.iter().map(|(what, _)| what.as_str()).collect();
    assert_eq!(found, ["picture/SC010_SH020_T01.mp4", "channels"]);
}

#[test]
fn nothing_of_the_users_is_written_over() {
    let desk = Desk::new();
    desk.mix("");
    std::fs::create_dir(desk.path("mine")).unwrap();
    std::fs::write(desk.path("mine/notes.txt"), "mine").unwrap();
    let within = format!("{PACKAGE}/delivery");
    for (out, force, words) in
        [("mine", "", "exists"), ("mine", "--force", "no delivery"), (within.as_str(), "--force", "in the package")]
    {
        let mut arguments = vec!["layback", PACKAGE, "--mix", "mix.wav", "--out", out];
        arguments.extend(Some(force).filter(|force| !force.is_empty()));
        let (code, _, err) = run(desk.folder.path(), &arguments);
        assert!(code == 2 && err.contains(words), "{code} {err}");
    }
    assert_eq!(names(&desk.path("mine")), ["notes.txt"]);
    let manifest = desk.path(PACKAGE).join("manifest.json");
    let older = std::fs::read_to_string(&manifest).unwrap().replace("seedpost.turnover/3", "seedpost.turnover/2");
    std::fs::write(&manifest, older).unwrap();
    let (code, _, err) = run(desk.folder.path(), &["layback", PACKAGE, "--mix", "mix.wav"]);
    assert!(code == 2 && err.contains("which has no reel"), "{code} {err}");
}

#[test]
fn the_same_mix_gives_the_same_bytes() {
    let desk = Desk::new();
    desk.mix("");
    let make = |out: &str| {
        let mut command = seedpost(desk.folder.path());
        command.env("SOURCE_DATE_EPOCH", "1790000000").args(["layback", PACKAGE, "--mix", "mix.wav", "--out", out]);
        assert!(command.output().unwrap().status.success());
        ["manifest.json", "Kitchen_at_seven_v001.mov", "Kitchen_at_seven_v001.mp4"]
            .map(|file| std::fs::read(desk.path(out).join(file)).unwrap())
    };
    assert!(make("one") == make("two"));
}
