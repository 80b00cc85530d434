//! The turnover package as a whole: versions, the same bytes twice, disks that fill up, Ctrl-C, many shots.
#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use support::{
    Demo, Simulator, copy_folder, files, json, make, outcome, python, repository, run, seedpost, text, tool,
};

/// 2026-12-01, as `SOURCE_DATE_EPOCH`.
const DATE: &str = "1796083200";

fn package(root: &Path, arguments: &[&str]) -> PathBuf {
    PathBuf::from(json(root, &[&["turnover"], arguments].concat())["package"].as_str().unwrap())
}

fn manifest(package: &Path) -> Value {
    serde_json::from_slice(&fs::read(package.join("manifest.json")).unwrap()).unwrap()
}

/// What is left beside packages.
fn leftovers(root: &Path) -> Vec<String> {
    let names = fs::read_dir(root.join("turnover")).into_iter().flatten();
    names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn two_builds_of_one_project_are_the_same_to_the_last_byte() {
    let demo = Demo::render("demo");
    let other = demo.root.with_file_name("other");
    copy_folder(&demo.root, &other);
    for root in [&demo.root, &other] {
        let output = seedpost(root).args(["turnover", "--guide", "split"]).env("SOURCE_DATE_EPOCH", DATE).output();
        let (code, out, err) = outcome(output.unwrap());
        assert_eq!(code, 0, "{out}{err}");
    }
    tool("diff", &["-r", text(&demo.root.join("turnover")), text(&other.join("turnover"))]);
    let package = demo.root.join("turnover/Kitchen_at_seven_v001");
    assert_eq!(manifest(&package)["date"], "2026-12-01T00:00:00Z");
    // Fifty frames of all references, the flashes, and the pop.
    let seen = tool(python(), &[text(&repository("crates/cli/tests/foreign/burnt_in.py")), text(&package)]);
    assert!(seen.contains("frames read in"), "{seen}");

    let again = json(&demo.root, &["turnover", "--guide", "split"]);
    assert_eq!(again["new"], false);
    // Another wish is another package.
    assert!(self::package(&demo.root, &["--reference", "none"]).ends_with("Kitchen_at_seven_v002"));
}

#[test]
fn a_new_version_says_why_and_none_is_made_twice() {
    let demo = Demo::render("demo");
    let made = |arguments: &[&str]| {
        let made = json(&demo.root, &[&["turnover", "--reference", "none"], arguments].concat());
        let name = made["package"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        (name, made["new"].as_bool().unwrap(), made["reasons"].clone(), made["changes"].clone())
    };
    assert_eq!(made(&[]).2, Value::from(Vec::<String>::new()));
    // Without the first shot, the stems of all others are stamped anew.
    let list = demo.root.join("shots.toml");
    let words = fs::read_to_string(&list).unwrap();
    let mut parts: Vec<&str> = words.split("[[shot]]").collect();
    parts.remove(1);
    fs::write(&list, parts.join("[[shot]]")).unwrap();
    let (name, _, _, changes) = made(&[]);
    let fates: Vec<&str> = changes.as_array().unwrap().iter().map(|one| one["what"].as_str().unwrap()).collect();
    assert_eq!((name.as_str(), fates), ("Kitchen_at_seven_v002", vec!["dropped", "moved", "moved", "moved"]));
    assert!(!made(&[]).1, "nothing changed");

    fs::write(&list, format!("rights = \"cleared\"\n{}", parts.join("[[shot]]"))).unwrap();
    assert_eq!(made(&[]).2, Value::from(vec!["other rights"]));
    fs::remove_file(demo.root.join("turnover/Kitchen_at_seven_v003/picture/SC010_SH020_T01.mp4")).unwrap();
    assert_eq!(made(&[]).2, Value::from(vec!["Kitchen_at_seven_v003 is no longer what was made"]));
    // Who has no manifest cannot be told against.
    fs::remove_file(demo.root.join("turnover/Kitchen_at_seven_v004/manifest.json")).unwrap();
    let (code, _, err) = run(&demo.root, &["turnover", "--reference", "none"]);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("Kitchen_at_seven_v004 has no manifest; changes are told since version 3"), "{err}");
    let reasons = manifest(&demo.root.join("turnover/Kitchen_at_seven_v005"))["reasons"].clone();
    assert_eq!(reasons, Value::from(vec!["Kitchen_at_seven_v004 has no manifest"]));
    fs::create_dir(demo.root.join("turnover/Kitchen_at_seven_v4294967295")).unwrap();
    let (code, _, err) = run(&demo.root, &["turnover"]);
    assert_eq!((code, err.contains("is the highest version that can be")), (2, true), "{err}");
}

#[test]
fn files_with_sound_that_a_model_made_are_listed_with_what_made_them() {
    let demo = Demo::render("demo");
    let list = demo.root.join("shots.toml");
    let words = fs::read_to_string(&list).unwrap();
    fs::write(&list, format!("rights = \"Cleared for the festival cut, J. Doe\"\n{words}")).unwrap();
    let made = manifest(&package(&demo.root, &["--reference", "none"]));
    let listed = |path: &str| {
        let all = made["model_audio"].as_array().unwrap();
        all.iter().find(|one| one["path"] == path).map(|one| one["takes"].clone())
    };
    // A kept clip has its sound in its picture; a stripped one only in stems; a silent one and supplied sound have none.
    assert_eq!(listed("picture/SC010_SH010_T01.mp4"), Some(Value::from(vec!["SC010_SH010_T01"])));
    assert_eq!(listed("picture/SC010_SH030_T01.mp4"), None);
    assert_eq!(listed("audio/SC010_SH030_T01_GUIDE.wav"), Some(Value::from(vec!["SC010_SH030_T01"])));
    assert!(listed("audio/SC010_SH030_T01_DX_estimated.L.wav").is_some());
    assert_eq!(listed("audio/SC010_SH030_T01_REF1.wav"), None);
    let clips = made["clips"].as_array().unwrap();
    let spoken = clips.iter().find(|clip| clip["take"] == "SC010_SH030_T01").unwrap();
    assert_eq!(spoken["rights"], "Cleared for the festival cut, J. Doe");
    let reference = &spoken["references"][0];
    let source = demo.root.join(reference["source"].as_str().unwrap());
    let sum = tool("sha256sum", &[text(&source)]);
    assert_eq!(sum.split(' ').next().unwrap(), reference["sha256"]);
    let render = tool("sha256sum", &[text(&demo.root.join("takes/SC010_SH030/T01/render.mp4"))]);
    assert_eq!(render.split(' ').next().unwrap(), spoken["provenance"]["sha256"]);
    for key in ["model", "prompt", "request_id"] {
        assert!(!spoken["provenance"][key].as_str().unwrap().is_empty(), "{key}");
    }
}

#[test]
fn a_take_that_was_damaged_since_is_not_handed_over() {
    let demo = Demo::render("demo");
    // One delivered as rendered, one stripped, a stem.
    for file in
        ["SC010_SH010/T01/render.mp4", "SC010_SH020/T01/picture.mp4", "SC010_SH030/T01/stems/SC010_SH030_T01_GUIDE.wav"]
    {
        let path = demo.root.join("takes").join(file);
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        let (code, _, err) = run(&demo.root, &["turnover"]);
        assert_eq!(code, 4, "{err}");
        assert!(err.contains(&format!("{file} is not what it was")), "{err}");
        assert_eq!(leftovers(&demo.root), [""; 0]);
        fs::write(&path, whole).unwrap();
    }
}

#[test]
fn a_disk_that_fills_up_leaves_nothing_behind() {
    let demo = Demo::render("demo");
    // In blocks of 512 bytes: from nothing to one that only the reel does not fit into.
    for blocks in ["64", "2048", "16384"] {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" turnover");
        let mut command = Command::new("bash");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_seedpost")]).current_dir(&demo.root);
        let (code, out, err) = outcome(command.env("SEEDPOST_AV", env!("CARGO_BIN_EXE_seedpost-av")).output().unwrap());
        assert!([4, 70].contains(&code), "{blocks}: {code} {out}{err}");
        assert!(err.contains("fix: ") && !err.contains("panicked"), "{blocks}: {err}");
        assert_eq!(leftovers(&demo.root), [""; 0], "{blocks}");
    }
    assert!(package(&demo.root, &[]).is_dir());
}

#[test]
fn ctrl_c_midway_leaves_nothing_behind() {
    let demo = Demo::render("demo");
    for signal in ["INT", "TERM"] {
        let mut command = seedpost(&demo.root);
        let mut child = command.args(["turnover"]).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        // It is at work as soon as the first file of the package is there.
        while !leftovers(&demo.root).iter().any(|name| has_files(&demo.root.join("turnover").join(name))) {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it was stopped");
            std::thread::yield_now();
        }
        tool("kill", &[&format!("-{signal}"), &child.id().to_string()]);
        let words: Vec<String> = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok).collect();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{words:?}");
        assert!(words.iter().any(|line| line.contains("stopped")), "{words:?}");
        assert_eq!(leftovers(&demo.root), [""; 0], "{signal}");
    }
    assert!(package(&demo.root, &["--reference", "none"]).is_dir());
}

fn has_files(folder: &Path) -> bool {
    // It may be gone by now.
    fs::read_dir(folder.join("picture")).is_ok_and(|mut entries| entries.next().is_some())
}

#[test]
fn five_hundred_shots_become_a_package() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("canned.mp4");
    make(
        &clip,
        "-f lavfi -i testsrc2=size=320x180:rate=24:duration=0.5 -f lavfi -i sine=frequency=440:sample_rate=48000:duration=0.5 -c:v libx264 -pix_fmt yuv420p -c:a aac -ac 2 -movflags +faststart",
    );
    let root = folder.path().join("project");
    fs::create_dir(&root).unwrap();
    let shot = |number: u32| {
        format!(
            "\n[[shot]]\nid = \"SH{number:04}\"\nprompt = \"Shot {number} <b>&\\\"\"\nduration = 4\nlane = \"strip\"\ngenerate_audio = true\n"
        )
    };
    fs::write(root.join("shots.toml"), format!("title = \"Many\"\n{}", (1..=500).map(shot).collect::<String>()))
        .unwrap();
    let simulator = Simulator::start_with(folder.path(), &["--clip", text(&clip), "--queue", "0"]);
    let done = |arguments: &[&str]| {
        let output = seedpost(&root).env("SEEDPOST_SIMULATOR_URL", &simulator.url).args(arguments).output();
        let (code, out, err) = outcome(output.unwrap());
        assert!([0, 4].contains(&code), "{code} {out}{err}");
        out
    };
    done(&["run", "--concurrency", "100", "--progress", "none"]);
    done(&["turnover", "--progress", "none"]);
    let package = root.join("turnover/Many_v001");
    let made = manifest(&package);
    assert_eq!(made["clips"].as_array().unwrap().len(), 500);
    assert_eq!(made["clips"][499]["record_start"], 86_400 + 499 * 12);
    assert_eq!(files(&package.join("picture/reference")).len(), 2 * 501);
    let reel = tool(
        "ffprobe",
        &[
            "-v",
            "error",
            "-select_streams",
            "v:0",
            "-show_entries",
            "stream=nb_frames",
            "-of",
            "csv=p=0",
            text(&package.join("picture/reference/Many_r01_v001.mov")),
        ],
    );
    assert_eq!(reel.trim(), (240 + 500 * 12 + 96).to_string());
    done(&["verify", text(&package)]);
}
