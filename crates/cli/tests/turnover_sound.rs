//! The sound of a package's reel beside hand-counted numbers, with Python's wave, ffprobe, wavinfo, exiftool and sox as
//! judges.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use support::{Demo, files, json, outcome, python, repository, run, text};

const ALL: [&str; 7] = ["MIX", "GUIDE", "DIAStem-estimated", "ME-estimated", "REF", "REF1", "REF2"];

/// Makes a package; answers its folder.
fn turnover(root: &Path, arguments: &[&str]) -> PathBuf {
    let made = json(root, &[&["turnover", "--reference", "none"], arguments].concat());
    PathBuf::from(made["package"].as_str().unwrap())
}

/// What the judge says, and its exit code.
fn judged(package: &Path, expected: &Value) -> (i32, String) {
    let told = tempfile::NamedTempFile::new().unwrap();
    serde_json::to_writer(&told, expected).unwrap();
    let script = repository("crates/cli/tests/foreign/reel_sound.py");
    let output = Command::new(python()).args([&script, package, told.path()]).output().unwrap();
    let (code, out, err) = outcome(output);
    println!("{out}");
    (code, err)
}

fn check(package: &Path, expected: &Value) {
    let (code, err) = judged(package, expected);
    assert_eq!(code, 0, "{}: {err}", package.display());
}

/// The cut of 96, 120, 360 and 96 frames of 2000 samples from 01:00:00:00, frame 86 400: 240 frames of leader, 672 of
/// cut, 96 of tail. The 2-pop is frame 192 of the reel, the tail pop frame 240 + 672 + 47.
fn whole(version: u32) -> Value {
    json!({
        "name": format!("Kitchen_at_seven_r01_v{version:03}"), "rate": 24, "samples": 1008 * 2000,
        "time_reference": (86_400 - 240) * 2000, "pops": [8 * 48_000, 959 * 2000], "types": ALL,
        "clips": [
            ["SC010_SH010_T01", 480_000, 0, 192_000],
            ["SC010_SH020_T01", 672_000, 0, 240_000],
            ["SC010_SH030_T01", 912_000, 0, 720_000],
            ["SC010_SH040_T02", 1_632_000, 0, 192_000],
        ],
    })
}

fn with(mut expected: Value, key: &str, value: Value) -> Value {
    expected[key] = value;
    expected
}

#[test]
fn every_stem_of_a_reel_has_one_length_the_pops_and_the_takes_own_samples() {
    let demo = Demo::render("demo");
    let package = turnover(&demo.root, &[]);
    check(&package, &whole(1));

    // The judge notices one sample that is other.
    let file = package.join("audio/reel/Kitchen_at_seven_r01_v001_ME-estimated_2ch_48k_24b_24.wav");
    let bytes = std::fs::read(&file).unwrap();
    let mut spoiled = bytes.clone();
    *spoiled.iter_mut().rev().nth(500 * 2000 * 6).unwrap() ^= 1;
    std::fs::write(&file, &spoiled).unwrap();
    let (code, err) = judged(&package, &whole(1));
    assert!(code == 1 && err.contains("ME-estimated"), "{err}");
    std::fs::write(&file, &bytes).unwrap();

    // No clock is in them.
    let away = demo.root.join("away");
    std::fs::rename(&package, &away).unwrap();
    let again = turnover(&demo.root, &[]);
    assert_eq!(again, package);
    let reel = files(&again.join("audio/reel"));
    assert_eq!(reel.len(), 3 * ALL.len());
    for file in reel {
        let before = away.join("audio/reel").join(file.file_name().unwrap());
        assert!(std::fs::read(&file).unwrap() == std::fs::read(before).unwrap(), "{}", file.display());
    }

    // Dialogue on the left: one more file, which is no stem.
    let split = turnover(&demo.root, &["--guide", "split"]);
    let types: Vec<&str> = ALL.into_iter().chain(["GUIDE-split"]).collect();
    check(&split, &with(whole(2), "types", json!(types)));
    let list = demo.root.join("shots.toml");
    let shots = std::fs::read_to_string(&list).unwrap();

    // The picture begins at frame 36 of the day: the reel a second before it, and no 2-pop.
    std::fs::write(&list, shots.replace("\"01:00:00:00\"", "\"00:00:01:12\"")).unwrap();
    let early = turnover(&demo.root, &[]);
    let expected = json!({
        "name": "Kitchen_at_seven_r01_v003", "rate": 24, "samples": (24 + 672 + 96) * 2000, "time_reference": 12 * 2000,
        "pops": [(24 + 672 + 47) * 2000], "types": ALL,
        "clips": [
            ["SC010_SH010_T01", 48_000, 0, 192_000],
            ["SC010_SH020_T01", 240_000, 0, 240_000],
            ["SC010_SH030_T01", 480_000, 0, 720_000],
            ["SC010_SH040_T02", 1_200_000, 0, 192_000],
        ],
    });
    check(&early, &expected);
}

/// An event of an editor's list.
fn event(number: u32, reel: &str, source: &str, record: &str) -> String {
    format!("{number:03}  {reel} V     C        {source} {record}\r\n")
}

fn import(root: &Path, events: &[String]) {
    let list = format!("TITLE: By hand\r\nFCM: NON-DROP FRAME\r\n\r\n{}", events.concat());
    std::fs::write(root.join("hand.edl"), list).unwrap();
    json(root, &["import", "hand.edl"]);
}

#[test]
fn a_recut_with_a_trim_and_a_gap_is_laid_at_its_places() {
    let demo = Demo::render("demo");
    let root = &demo.root;
    // Ten seconds of the third shot from its second one, two of nothing, three of the first, one of the third.
    import(
        root,
        &[
            event(1, "10SH030A", "00:00:01:00 00:00:11:00", "01:00:00:00 01:00:10:00"),
            event(2, "10SH010A", "00:00:00:12 00:00:03:12", "01:00:12:00 01:00:15:00"),
            event(3, "10SH030A", "00:00:00:00 00:00:01:00", "01:00:15:00 01:00:16:00"),
        ],
    );
    let package = turnover(root, &["--guide", "split"]);
    let types: Vec<&str> = ALL.into_iter().chain(["GUIDE-split"]).collect();
    // Ten seconds, sixteen, four; the tail pop is frame 240 + 384 + 47.
    let recut = json!({
        "name": "Kitchen_at_seven_r01_v001", "rate": 24, "samples": 30 * 48_000, "time_reference": 86_160 * 2000,
        "pops": [8 * 48_000, 671 * 2000], "types": types,
        "clips": [
            ["SC010_SH030_T01", 10 * 48_000, 48_000, 10 * 48_000],
            ["SC010_SH010_T01", 22 * 48_000, 24_000, 3 * 48_000],
            ["SC010_SH030_T01", 25 * 48_000, 0, 48_000],
        ],
    });
    check(&package, &recut);

    // Only a shot without sound: the guide has the pops, for the picture's.
    import(root, &[event(1, "10SH020A", "00:00:00:00 00:00:05:00", "01:00:00:00 01:00:05:00")]);
    let silent = turnover(root, &[]);
    let expected = json!({
        "name": "Kitchen_at_seven_r01_v002", "rate": 24, "samples": 19 * 48_000, "time_reference": 86_160 * 2000,
        "pops": [8 * 48_000, (240 + 120 + 47) * 2000], "types": ["GUIDE"],
        "clips": [["SC010_SH020_T01", 480_000, 0, 240_000]],
    });
    check(&silent, &expected);

    // Only a shot that is delivered with its sound: a guide all the same.
    import(root, &[event(1, "10SH010A", "00:00:00:00 00:00:04:00", "01:00:00:00 01:00:04:00")]);
    let kept = turnover(root, &[]);
    let expected = json!({
        "name": "Kitchen_at_seven_r01_v003", "rate": 24, "samples": 18 * 48_000, "time_reference": 86_160 * 2000,
        "pops": [8 * 48_000, (240 + 96 + 47) * 2000], "types": ["MIX", "GUIDE"],
        "clips": [["SC010_SH010_T01", 480_000, 0, 192_000]],
    });
    check(&kept, &expected);

    // Five hours are more than a WAV holds.
    import(
        root,
        &[
            event(1, "10SH010A", "00:00:00:00 00:00:04:00", "01:00:00:00 01:00:04:00"),
            event(2, "10SH030A", "00:00:00:00 00:00:01:00", "06:00:00:00 06:00:01:00"),
        ],
    );
    let (code, _, err) = run(root, &["turnover", "--reference", "none"]);
    assert!(code == 4 && err.contains("bytes of WAV") && err.contains("split the list"), "{code}: {err}");
    let left: Vec<String> = std::fs::read_dir(root.join("turnover"))
        .unwrap()
        .map(|entry| text(&entry.unwrap().path()).rsplit('/').next().unwrap().to_owned())
        .collect();
    assert!(left.iter().all(|name| ["_v001", "_v002", "_v003"].iter().any(|end| name.ends_with(end))), "{left:?}");
}
