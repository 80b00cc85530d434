//! Packages beside ASC MHL's reference tool: what is sealed and recorded here holds there, and every damage ends here as it
//! ends there.
#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};
use support::{Demo, copy_folder, files, outcome, python, repository, run, seedpost, text, tool};

const NAME: &str = "Kitchen_at_seven_v001";

/// The demo's package, made once; nobody changes it.
fn package() -> &'static Path {
    static MADE: OnceLock<(Demo, PathBuf)> = OnceLock::new();
    let (_, package) = MADE.get_or_init(|| {
        let demo = Demo::render("demo");
        let made = turnover(&demo.root);
        (demo, made)
    });
    package
}

fn turnover(root: &Path) -> PathBuf {
    let output = seedpost(root)
        .args(["turnover", "--reference", "none"])
        .env("SOURCE_DATE_EPOCH", "1795000000")
        .output()
        .unwrap();
    let (code, out, err) = outcome(output);
    assert_eq!(code, 0, "{out}{err}");
    root.join("turnover").join(NAME)
}

/// A copy of the package in a folder of its own.
fn copy(within: &Path, name: &str) -> PathBuf {
    let copy = within.join(name).join(NAME);
    copy_folder(package(), &copy);
    copy
}

/// The reference tool's answers, one a folder.
fn reference(packages: &[&Path]) -> Vec<Value> {
    let script = repository("crates/cli/tests/foreign/mhl.py");
    let arguments: Vec<&str> = [text(&script)].into_iter().chain(packages.iter().map(|path| text(path))).collect();
    tool(python(), &arguments).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn all_good(answer: &Value) {
    for command in ["info", "diff", "verify", "folders"] {
        assert_eq!(answer[command], 0, "{command}: {answer}");
    }
}

/// Our verdict, in JSON, and the exit code.
fn verify(package: &Path, more: &[&str]) -> (i32, Value, String) {
    let (code, out, err) = run(package.parent().unwrap(), &[&["verify", text(package), "--json"], more].concat());
    (code, serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}")), err)
}

fn paths(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap()).collect()
}

/// The files of a history, oldest first, and its chain.
fn history(package: &Path) -> (Vec<PathBuf>, PathBuf) {
    let mut generations = files(&package.join("ascmhl"));
    generations.sort();
    let chain = generations.pop().unwrap();
    assert!(chain.ends_with("ascmhl_chain.xml"));
    (generations, chain)
}

fn edit(path: &Path, from: &str, to: &str) {
    let before = fs::read_to_string(path).unwrap();
    assert!(before.contains(from), "{from} in {}", path.display());
    fs::write(path, before.replacen(from, to, 1)).unwrap();
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn the_reference_tool_takes_a_package_and_what_every_check_adds_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let package = copy(folder.path(), "good");
    let count = files(&package).len() - 2;
    let [answer] = reference(&[&package]).try_into().unwrap();
    all_good(&answer);
    let folders = answer["generations"][0]["folders"].as_u64().unwrap();
    assert!(folders >= 4, "{answer}");
    assert_eq!(answer["generations"], json!([{ "actions": { "original": count }, "folders": folders, "root": true }]));

    for generation in 2..4 {
        let (code, told, _) = verify(&package, &[]);
        assert_eq!((code, &told["counts"]["files"]), (0, &json!(count)), "{told}");
        let recorded = told["recorded"].as_str().unwrap();
        assert!(recorded.starts_with(&format!("ascmhl/000{generation}_{NAME}_")) && package.join(recorded).exists());
        let [answer] = reference(&[&package]).try_into().unwrap();
        all_good(&answer);
        let added = json!({ "actions": { "verified": count }, "folders": folders, "root": true });
        assert_eq!(answer["generations"][generation - 1], added);
    }
    let (_, told, _) = verify(&package, &["--no-record"]);
    assert_eq!((told["history"].as_array().unwrap().len(), &told["recorded"]), (3, &Value::Null));
}

#[test]
fn the_same_cut_and_date_give_the_same_history() {
    let folder = tempfile::tempdir().unwrap();
    let project = package().parent().unwrap().parent().unwrap();
    let again = folder.path().join("demo");
    copy_folder(project, &again);
    fs::remove_dir_all(again.join("turnover")).unwrap();
    let again = turnover(&again);
    let read = |package: &Path| {
        let (generations, chain) = history(package);
        generations.iter().chain([&chain]).map(|path| fs::read_to_string(path).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(read(package()), read(&again));
    // 1795000000 seconds, by `date -u -d @1795000000`.
    assert!(history(&again).0[0].ends_with(format!("0001_{NAME}_2026-11-18_110640Z.mhl")));
}

/// What happens to a package, how both programs end then, and the counts of missing, changed, new and renamed files.
type Damage = (&'static str, fn(&Path), i64, [u64; 4]);

const STEM: &str = "audio/SC010_SH030_T01_GUIDE.wav";
const OTHER: &str = "timeline/Kitchen_at_seven_cmx3600.edl";

const DAMAGES: &[Damage] = &[
    ("nothing", |_| (), 0, [0, 0, 0, 0]),
    ("removed", |package| fs::remove_file(package.join(STEM)).unwrap(), 10, [1, 0, 0, 0]),
    ("added", |package| fs::write(package.join("adr/ü & <x>.txt"), "new").unwrap(), 21, [0, 0, 1, 0]),
    ("one bit", |package| flip(&package.join(STEM)), 11, [0, 1, 0, 0]),
    ("cut short", |package| fs::write(package.join(STEM), "").unwrap(), 11, [0, 1, 0, 0]),
    ("renamed", |package| fs::rename(package.join(STEM), package.join("audio/x.wav")).unwrap(), 21, [1, 0, 1, 1]),
    ("manifest", |package| edit(&package.join("manifest.json"), "\"version\": 1", "\"version\": 2"), 11, [0, 1, 0, 0]),
    ("no manifest", |package| fs::remove_file(package.join("manifest.json")).unwrap(), 10, [1, 0, 0, 0]),
    ("generation", |package| edit(&history(package).0[0], "original", "verified"), 31, [0, 0, 0, 0]),
    ("chain", |package| edit(&history(package).1, "<c4>c4", "<c4>c5"), 31, [0, 0, 0, 0]),
    (
        "removed and added",
        |package| {
            fs::remove_file(package.join(STEM)).unwrap();
            fs::write(package.join("new.txt"), "new").unwrap();
        },
        21,
        [1, 0, 1, 0],
    ),
    (
        "removed and changed",
        |package| {
            fs::remove_file(package.join(STEM)).unwrap();
            flip(&package.join(OTHER));
        },
        11,
        [1, 1, 0, 0],
    ),
    (
        "all three",
        |package| {
            fs::remove_file(package.join(STEM)).unwrap();
            flip(&package.join(OTHER));
            fs::write(package.join("new.txt"), "new").unwrap();
        },
        11,
        [1, 1, 1, 0],
    ),
    ("a folder less", |package| fs::remove_dir_all(package.join("adr")).unwrap(), 10, [5, 0, 0, 0]),
    ("a folder more", |package| fs::create_dir(package.join("void")).unwrap(), 0, [0, 0, 0, 0]),
    ("what a Mac leaves", |package| fs::write(package.join("audio/.DS_Store"), "x").unwrap(), 0, [0, 0, 0, 0]),
    (
        "file and history edited",
        |package| {
            flip(&package.join(STEM));
            edit(&history(package).0[0], "original", "verified");
        },
        31,
        [0, 1, 0, 0],
    ),
];

#[test]
fn every_damage_ends_as_it_ends_in_the_reference_tool_before_and_after_it_was_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let mut packages = Vec::new();
    for (name, damage, exit, counts) in DAMAGES {
        let package = copy(folder.path(), name);
        damage(&package);
        let before = files(&package).len();
        let (code, told, err) = verify(&package, &["--no-record"]);
        assert_eq!(i64::from(code), *exit, "{name}: {told}{err}");
        let kinds = ["missing", "changed", "new", "renamed"].map(|kind| told["counts"][kind].as_u64().unwrap());
        assert_eq!(kinds, *counts, "{name}: {told}");
        assert_eq!(files(&package).len(), before, "{name}: something was written");
        packages.push(package);
    }
    let answers = reference(&packages.iter().map(PathBuf::as_path).collect::<Vec<_>>());
    for ((name, _, exit, _), answer) in DAMAGES.iter().zip(&answers) {
        assert_eq!(answer["verify"], *exit, "{name}: {answer}");
    }
    for ((name, _, exit, _), package) in DAMAGES.iter().zip(&packages) {
        let (code, told, _) = verify(package, &[]);
        assert_eq!(i64::from(code), *exit, "{name}: {told}");
        assert_eq!(told["recorded"].is_null(), *exit == 31, "{name}: {told}");
    }
    let after = reference(&packages.iter().map(PathBuf::as_path).collect::<Vec<_>>());
    for (((name, _, exit, [_, changed, ..]), answer), before) in DAMAGES.iter().zip(&after).zip(&answers) {
        for command in ["info", "diff", "verify"] {
            assert_eq!(answer[command], before[command], "{name}, {command}: {answer}");
        }
        if *exit != 31 {
            let added = &answer["generations"][1];
            assert_eq!(added["actions"]["failed"].as_u64().unwrap_or(0), *changed, "{name}: {answer}");
            assert_eq!((added["root"].as_bool(), added["folders"] == 0), (Some(*exit == 0), *exit != 0), "{name}");
        }
        // Without the root's element the tool fails with a traceback, which is 1.
        assert_ne!(answer["folders"], 1, "{name}: {answer}");
    }
}

#[test]
fn all_faults_are_told_at_once_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let package = copy(folder.path(), "many");
    fs::rename(package.join(STEM), package.join("audio/x.wav")).unwrap();
    flip(&package.join(OTHER));
    fs::write(package.join("audio/\u{1b}[31m.txt"), "x").unwrap();
    let (code, out, err) = run(folder.path(), &["verify", text(&package), "--no-record"]);
    assert_eq!(code, 11);
    assert!(out.contains("1 missing, 1 changed, 2 new; 1 of them renamed"), "{out}");
    for told in [
        format!("error: {STEM}: missing\n    found     nothing\n    expected  "),
        format!("error: {OTHER}: changed\n    found     sha256 "),
        "error: audio/x.wav: new\n    found     a file of ".to_owned(),
        "error: audio/\u{fffd}[31m.txt: new\n".to_owned(),
        format!("note: audio/x.wav has the content of {STEM}; fix: rename it back"),
    ] {
        assert!(err.contains(&told), "{told}\n{err}");
    }
    assert_eq!(err.matches("\n    fix       ").count(), 4, "{err}");
}

#[test]
fn what_the_reference_tool_adds_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    let package = copy(folder.path(), "theirs");
    let script = repository("crates/cli/tests/foreign/mhl.py");
    const LATER: [&str; 5] = ["adr/c4.txt", "adr/md5.txt", "adr/sha1.txt", "adr/xxh128.txt", "adr/ü & <notes>.txt"];
    fs::write(package.join("adr/ü & <notes>.txt"), "from the studio").unwrap();
    for format in ["xxh128", "c4", "md5", "sha1"] {
        let path = format!("adr/{format}.txt");
        fs::write(package.join(&path), format).unwrap();
        let code = tool(python(), &[text(&script), "--create", text(&package), "-h", format]);
        assert_eq!(code.trim(), "0");
    }
    let (code, told, _) = verify(&package, &[]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(told["added_later"], json!(LATER));
    assert_eq!(told["history"][3]["tool"], "ascmhl 1.2");
    let [answer] = reference(&[&package]).try_into().unwrap();
    assert_eq!((&answer["verify"], &answer["diff"]), (&json!(0), &json!(0)), "{answer}");

    for (path, kind) in [("adr/c4.txt", "changed"), ("adr/xxh128.txt", "changed"), ("adr/ü & <notes>.txt", "missing")]
    {
        fs::write(package.join(path), "other").unwrap();
        if kind == "missing" {
            fs::remove_file(package.join(path)).unwrap();
        }
        let (_, told, _) = verify(&package, &[]);
        assert!(paths(&told[kind]).contains(&path), "{told}");
    }
    let [answer] = reference(&[&package]).try_into().unwrap();
    assert_eq!(answer["verify"], 11);
}

/// A folder of no package, with the reference tool's history of it.
fn theirs(folder: &Path, files: &[(&str, &str)], format: &str) {
    for (path, content) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    create(folder, &["-h", format]);
}

/// Has the reference tool add a generation.
fn create(folder: &Path, more: &[&str]) {
    let script = repository("crates/cli/tests/foreign/mhl.py");
    let code = tool(python(), &[&[text(&script), "--create", text(folder)], more].concat());
    assert_eq!(code.trim(), "0");
}

#[test]
fn a_file_is_checked_by_whatever_hash_its_history_has() {
    let folder = tempfile::tempdir().unwrap();
    for format in ["md5", "sha1", "c4", "xxh128", "xxh3", "xxh64"] {
        let package = folder.path().join(format);
        theirs(&package, &[("a.txt", "take one"), ("deep/b.txt", "take two")], format);
        let (code, told, err) = verify(&package, &[]);
        assert_eq!((code, &told["history"][0]["generation"]), (0, &json!(1)), "{format}: {told}{err}");
        let [answer] = reference(&[&package]).try_into().unwrap();
        assert_eq!((&answer["verify"], &answer["diff"]), (&json!(0), &json!(0)), "{format}: {answer}");
        let hashes = if format == "xxh64" { 2 } else { 4 };
        assert_eq!(answer["generations"][1]["actions"], json!({ "verified": hashes }), "{format}: {answer}");

        // Of the same length.
        fs::write(package.join("a.txt"), "take 0ne").unwrap();
        let (code, told, _) = verify(&package, &[]);
        assert_eq!((code, paths(&told["changed"])), (11, vec!["a.txt"]), "{format}: {told}");
        let found = told["changed"][0]["found"].as_str().unwrap();
        assert!(found.starts_with(&format!("{format} ")), "{format}: {found}");
        let [answer] = reference(&[&package]).try_into().unwrap();
        assert_eq!(answer["generations"][2]["actions"]["failed"], 1, "{format}: {answer}");
        assert_eq!(answer["verify"], 11, "{format}: {answer}");
    }
}

#[test]
fn folders_that_the_reference_tool_saw_renamed_are_not_missed() {
    let folder = tempfile::tempdir().unwrap();
    let files = [("reel/one", "1"), ("reel/deep/two", "2"), ("reel/deep/er/three", "3"), ("top", "4")];
    let package = folder.path().join("renamed");
    fs::create_dir_all(package.join("reel/void")).unwrap();
    theirs(&package, &files, "xxh64");
    fs::rename(package.join("reel"), package.join("roll")).unwrap();
    let (code, told, _) = verify(&package, &["--no-record"]);
    assert_eq!((code, &told["counts"]["renamed"]), (21, &json!(3)), "{told}");
    create(&package, &["-h", "xxh64", "-dr"]);
    for renamed in [true, false] {
        let [answer] = reference(&[&package]).try_into().unwrap();
        let (code, told, err) = verify(&package, &[]);
        let expected = if renamed { 0 } else { 10 };
        assert_eq!((code, &answer["diff"]), (expected, &json!(expected)), "{told}{err}{answer}");
        if renamed {
            fs::remove_file(package.join("roll/deep/er/three")).unwrap();
        } else {
            assert_eq!(paths(&told["missing"]), ["roll/deep/er/three"], "{told}");
        }
    }
}

/// What happens to a history, and what is then found in it.
type Edit = (&'static str, fn(&Path), &'static str);

#[test]
fn a_history_that_lacks_something_is_an_edited_one() {
    let cases: [Edit; 7] = [
        ("no chain", |package| fs::remove_file(history(package).1).unwrap(), "nothing"),
        ("no generation", |package| fs::remove_file(&history(package).0[0]).unwrap(), "nothing"),
        ("no XML", |package| fs::write(history(package).1, "<ascmhldirectory>").unwrap(), "the end, within an element"),
        (
            "bombs",
            |package| fs::write(history(package).1, "<!DOCTYPE a [<!ENTITY b \"&b;&b;\">]><ascmhldirectory/>").unwrap(),
            "a DOCTYPE",
        ),
        (
            "unlisted",
            |package| fs::write(package.join("ascmhl/0002_x.mhl"), "<hashlist version=\"2.0\"/>").unwrap(),
            "the chain does not list",
        ),
        (
            "linked",
            |package| {
                let (generations, _) = history(package);
                fs::rename(&generations[0], package.with_file_name("elsewhere")).unwrap();
                symlink(package.with_file_name("elsewhere"), &generations[0]).unwrap();
            },
            "no plain file",
        ),
        ("out of it", |package| edit(&history(package).1, "<path>", "<path>../"), "no file of this folder"),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (name, damage, found) in cases {
        let package = copy(folder.path(), name);
        damage(&package);
        let (code, told, err) = verify(&package, &[]);
        assert_eq!((code, &told["recorded"]), (31, &Value::Null), "{name}: {told}");
        assert!(told["edited"][0]["found"].as_str().unwrap().contains(found), "{name}: {told}");
        assert!(err.contains("checked by the manifest alone"), "{name}: {err}");
        // The files themselves are whole, and that is told too.
        assert_eq!(told["counts"]["missing"].as_u64().unwrap() + told["counts"]["changed"].as_u64().unwrap(), 0);
    }
}

#[test]
fn no_link_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let package = copy(folder.path(), "links");
    let outside = folder.path().join("outside.wav");
    fs::rename(package.join(STEM), &outside).unwrap();
    symlink(&outside, package.join(STEM)).unwrap();
    symlink(folder.path(), package.join("audio/loop")).unwrap();
    symlink("nowhere", package.join("broken")).unwrap();
    let (code, told, _) = verify(&package, &[]);
    assert_eq!(code, 11, "{told}");
    assert_eq!((paths(&told["changed"]), paths(&told["new"])), (vec![STEM], vec!["audio/loop", "broken"]));
    assert!(told["changed"][0]["found"].as_str().unwrap().starts_with("a link to /"), "{told}");
}

#[test]
fn older_packages_are_checked_by_their_manifest_alone() {
    let folder = tempfile::tempdir().unwrap();
    // By `printf hello | sha256sum`.
    let hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    for schema in ["seedpost.turnover/1", "seedpost.turnover/2"] {
        let package = folder.path().join(schema.replace('/', "_"));
        fs::create_dir_all(package.join("a")).unwrap();
        fs::write(package.join("a/hello.txt"), "hello").unwrap();
        let list = |path: &str| json!({ "schema": schema, "files": [{ "path": path, "bytes": 5, "sha256": hello }] });
        fs::write(package.join("manifest.json"), list("a/hello.txt").to_string()).unwrap();
        let (code, told, err) = verify(&package, &[]);
        assert_eq!((code, &told["history"], &told["recorded"]), (0, &Value::Null, &Value::Null), "{told}");
        assert!(err.contains("no ASC MHL history; checked by the manifest alone"), "{err}");
        assert_eq!(files(&package).len(), 2);

        fs::write(package.join("a/hello.txt"), "hallo").unwrap();
        assert_eq!(verify(&package, &[]).0, 11);
        for path in ["../a", "/etc/passwd", "a/../../b", ""] {
            fs::write(package.join("manifest.json"), list(path).to_string()).unwrap();
            let (code, told, _) = verify(&package, &[]);
            assert_eq!((code, paths(&told["changed"])), (11, vec![path]), "{told}");
        }
        fs::write(package.join("manifest.json"), "{}").unwrap();
        let (code, _, err) = run(folder.path(), &["verify", text(&package)]);
        assert!(code == 2 && err.contains("holds no manifest"), "{err}");
    }
}

#[test]
fn a_history_that_was_taken_away_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let package = copy(folder.path(), "bare");
    fs::remove_dir_all(package.join("ascmhl")).unwrap();
    let (code, told, err) = verify(&package, &[]);
    assert_eq!((code, &told["recorded"]), (31, &Value::Null), "{told}");
    assert!(err.contains("the history that the package was made with"), "{err}");
}

#[test]
fn a_package_that_cannot_be_written_gets_its_verdict_all_the_same() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let package = copy(folder.path(), "stick");
    flip(&package.join(STEM));
    fs::set_permissions(package.join("ascmhl"), fs::Permissions::from_mode(0o555)).unwrap();
    let is_root = fs::write(package.join("ascmhl/probe"), "").is_ok();
    let mut command = if is_root {
        // Root may write anywhere, so somebody else checks.
        fs::remove_file(package.join("ascmhl/probe")).unwrap();
        let program = folder.path().join("seedpost");
        fs::copy(env!("CARGO_BIN_EXE_seedpost"), &program).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program);
        command
    } else {
        seedpost(folder.path())
    };
    let (code, out, err) = outcome(command.args(["verify", text(&package)]).output().unwrap());
    fs::set_permissions(package.join("ascmhl"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(code, 11, "{out}{err}");
    assert!(err.contains("no generation was added to the history: Permission denied"), "{err}");
    assert_eq!(files(&package.join("ascmhl")).len(), 2);
}

#[test]
fn checks_at_once_leave_one_history() {
    let folder = tempfile::tempdir().unwrap();
    let package = copy(folder.path(), "at once");
    let start = || {
        seedpost(folder.path()).args(["verify", text(&package), "--json"]).stdout(std::process::Stdio::piped()).spawn()
    };
    let running: Vec<_> = (0..4).map(|_| start().unwrap()).collect();
    for child in running {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
    }
    let (code, told, _) = verify(&package, &["--no-record"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(history(&package).0.len(), told["history"].as_array().unwrap().len());
    all_good(&reference(&[&package])[0]);
}
