//! Nothing that a person made is lost: edited plans, sources, copies, what a take was rendered with.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::sounds::{project, sha256, uploads};
use crate::support::{json as report, outcome, repository, run, seedpost};

fn plan(folder: &Path) -> PathBuf {
    folder.join(".seedpost/trim-plan.json")
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Sets the end of the first sound in the plan in force, as a person with an editor would.
fn edit(folder: &Path, end: u64) {
    let mut edited = read(&plan(folder));
    edited["shots"][0]["sounds"][0]["keep"]["cut"]["kept"]["end"] = json!(end);
    std::fs::write(plan(folder), edited.to_string()).unwrap();
}

fn first_end(folder: &Path, arguments: &[&str]) -> usize {
    uploads(folder, &report(folder, arguments))[0].end
}

#[test]
fn a_plan_edited_in_place_is_obeyed_checked_and_kept_aside() {
    let folder = project(false);
    let folder = folder.path();
    report(folder, &["conform"]);
    edit(folder, 150_000);
    assert_eq!(first_end(folder, &["conform"]), 150_000);
    // 9 s of the first, and of the others what was theirs, are too long together.
    edit(folder, 432_000);
    for command in ["conform", "plan", "run"] {
        let (code, _, err) = run(folder, &[command]);
        assert!(code == 3 && err.contains("trim-plan.json") && err.contains("--strategy"), "{command}: {err}");
    }
    assert!(!folder.join("takes").exists(), "nothing was sent");
    let edited = std::fs::read(plan(folder)).unwrap();
    let (code, _, err) = run(folder, &["conform", "--strategy", "pauses"]);
    assert!(code == 0 && err.contains("trim-plan.1.json"), "{err}");
    assert_eq!(std::fs::read(folder.join(".seedpost/trim-plan.1.json")).unwrap(), edited);
    // What the program planned by itself is no loss.
    assert_eq!(run(folder, &["conform", "--strategy", "tail"]).0, 0);
    assert!(!folder.join(".seedpost/trim-plan.2.json").exists());
    std::fs::write(plan(folder), "{ my notes").unwrap();
    let (code, _, err) = run(folder, &["conform"]);
    assert!(code == 3 && err.contains("not a trim plan"), "{err}");
    assert_eq!(run(folder, &["conform", "--strategy", "pauses"]).0, 0);
    assert_eq!(std::fs::read(folder.join(".seedpost/trim-plan.2.json")).unwrap(), b"{ my notes");
}

#[test]
fn cuts_by_hand_are_kept_aside_when_their_shot_changes() {
    let folder = project(false);
    let folder = folder.path();
    report(folder, &["conform", "--write-plan", "plan.json"]);
    let mut edited = read(&folder.join("plan.json"));
    edited["shots"][0]["sounds"][0]["keep"]["cut"]["kept"] = json!({ "start": 1000, "end": 150_000 });
    std::fs::write(folder.join("plan.json"), edited.to_string()).unwrap();
    report(folder, &["conform", "--plan", "plan.json"]);
    let by_hand = std::fs::read(plan(folder)).unwrap();
    let list = std::fs::read_to_string(folder.join("shots.toml")).unwrap();
    std::fs::write(
        folder.join("shots.toml"),
        list.replace("\"long.wav\", \"middle.wav\"", "\"middle.wav\", \"long.wav\""),
    )
    .unwrap();
    let (code, _, err) = run(folder, &["conform"]);
    assert!(code == 0 && err.contains("trim-plan.1.json"), "{err}");
    assert_eq!(std::fs::read(folder.join(".seedpost/trim-plan.1.json")).unwrap(), by_hand);
}

#[test]
fn what_is_read_is_never_written_over_even_by_force() {
    let folder = project(false);
    let folder = folder.path();
    report(folder, &["conform", "--write-plan", "plan.json"]);
    std::os::unix::fs::symlink("long.wav", folder.join("link.wav")).unwrap();
    let inputs = ["long.wav", "shots.toml", "plan.json"];
    let before: Vec<String> = inputs.iter().map(|name| sha256(&folder.join(name))).collect();
    for arguments in [
        &["conform", "--sound", "long.wav", "--to", "long.wav"][..],
        &["conform", "--sound", "long.wav", "--to", "./link.wav"],
        &["conform", "--plot", "long.wav"],
        &["conform", "--plot", "shots.toml"],
        &["conform", "--write-plan", "chef.jpg"],
        &["conform", "--plan", "plan.json", "--plot", "plan.json"],
    ] {
        let (code, out, err) = run(folder, &[arguments, &["--force"]].concat());
        assert!(code == 2 && err.contains("written over"), "{arguments:?}: {out}{err}");
    }
    assert_eq!(before, inputs.map(|name| sha256(&folder.join(name))));
}

#[test]
fn a_copy_that_was_changed_is_made_again_from_its_source() {
    let folder = project(false);
    let folder = folder.path();
    let made = uploads(folder, &report(folder, &["conform"]));
    let copy = made.iter().find(|upload| upload.upload != upload.source).unwrap();
    let good = sha256(&copy.upload);
    std::fs::write(&copy.upload, "another sound").unwrap();
    uploads(folder, &report(folder, &["conform"]));
    assert_eq!(sha256(&copy.upload), good);
}

/// A take goes on telling what it was rendered with, and its stems hold that, whatever the list says later.
#[test]
fn a_take_keeps_the_references_that_it_was_rendered_with() {
    let folder = project(false);
    let folder = folder.path();
    assert_eq!(run(folder, &["run"]).0, 0);
    let take = folder.join("takes/EQUAL/T01");
    let (before, stem) = (read(&take.join("facts.json")), take.join("stems/EQUAL_T01_REF1.wav"));
    let sent = std::fs::read(&stem).unwrap();
    let length = read(&plan(folder))["shots"][0]["sounds"][0]["keep"]["cut"]["kept"]["end"].as_u64().unwrap();
    edit(folder, length - 48_000);
    std::fs::remove_file(&stem).unwrap();
    let (code, _, err) = run(folder, &["run"]);
    assert!(code == 0 && err.contains("was sent"), "{err}");
    assert_eq!(read(&take.join("facts.json"))["from"]["references"], before["from"]["references"]);
    assert!(std::fs::read(&stem).unwrap() == sent, "the stem is made of what was sent");
    // A run that was killed after it had put the facts aside.
    std::fs::rename(take.join("facts.json"), take.join("facts.former.json")).unwrap();
    assert_eq!(run(folder, &["run"]).0, 0);
    assert_eq!(read(&take.join("facts.json"))["from"]["references"], before["from"]["references"]);
    assert!(std::fs::read(&stem).unwrap() == sent && !take.join("facts.former.json").exists());
}

#[test]
fn names_that_are_not_utf8_are_told_and_not_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let name = |ending: &str| folder.path().join(OsStr::from_bytes(&[b"caf\xe9.", ending.as_bytes()].concat()));
    for (fixture, ending) in
        [("tone_48k_24bit.wav", "wav"), ("clip_h264_aac.mp4", "mp4"), ("clip_fragmented.mp4", "m4s")]
    {
        std::fs::copy(repository("fixtures/media").join(fixture), name(ending)).unwrap();
        let probe = seedpost(folder.path()).args(["probe", "--json"]).arg(name(ending)).output().unwrap();
        let (code, out, err) = outcome(probe);
        assert_eq!(code, if ending == "m4s" { 3 } else { 0 }, "{ending}: {out}{err}");
        assert!(serde_json::from_str::<Value>(&out).unwrap()["files"][0]["file"].as_str().unwrap().ends_with(ending));
    }
    let mut cut = seedpost(folder.path());
    cut.args(["conform", "--json", "--sound"]).arg(name("wav")).arg("--to").arg(name("out.wav"));
    let (code, out, err) = outcome(cut.output().unwrap());
    assert_eq!(code, 0, "{out}{err}");
    // A whole project in such a folder.
    let inside = name("d");
    std::fs::create_dir(&inside).unwrap();
    std::fs::copy(repository("fixtures/media/tone_48k_24bit.wav"), inside.join("line.wav")).unwrap();
    std::fs::copy(repository("fixtures/demo/refs/chef.jpg"), inside.join("chef.jpg")).unwrap();
    let list = "[[shot]]\nid = \"A\"\nprompt = \"@Image1 says @Audio1\"\nimages = [\"chef.jpg\"]\naudios = [{ path = \"line.wav\", in = \"0.1\" }]\n";
    std::fs::write(inside.join("shots.toml"), list).unwrap();
    for command in ["check", "conform"] {
        let (code, out, err) = run(&inside, &[command, "--json"]);
        assert_eq!(code, 0, "{command}: {out}{err}");
    }
}
