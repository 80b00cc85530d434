//! References that are no files, and lists as long as allowed: a clear answer, and no hang.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

mod support;

use std::fmt::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::seedpost;

/// How long any of this may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs the program and ends it when it takes too long. Output goes to files, since a pipe fills up.
fn in_time(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let [out, err] = ["out", "err"].map(|name| folder.join(name));
    let mut command = seedpost(folder);
    command.args(arguments).stdin(Stdio::null());
    command.stdout(std::fs::File::create(&out).unwrap()).stderr(std::fs::File::create(&err).unwrap());
    let begun = Instant::now();
    let mut child = command.spawn().unwrap();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if begun.elapsed() < PATIENCE => std::thread::park_timeout(Duration::from_millis(10)),
            None => {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("{arguments:?} took more than {PATIENCE:?}");
            }
        }
    };
    let text = |path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    (status.code().unwrap_or(-1), text(out), text(err))
}

#[test]
fn a_reference_that_is_no_file_is_told_at_once() {
    for (kind, words, make) in [
        ("pipe", "not a regular file", fifo as fn(&Path)),
        ("folder", "not a regular file", |path| std::fs::create_dir(path).unwrap()),
        ("loop", "symbolic links", |path| symlink(path, path).unwrap()),
        ("links", "symbolic links", |path| {
            let other = path.with_extension("other");
            symlink(&other, path).unwrap();
            symlink(path, &other).unwrap();
        }),
        ("device", "not a regular file", |path| symlink("/dev/zero", path).unwrap()),
    ] {
        for (list, ending) in [("images", "png"), ("videos", "mp4"), ("audios", "wav")] {
            let folder = tempfile::tempdir().unwrap();
            let name = format!("{kind}.{ending}");
            let text = format!("[[shot]]\nid = \"S1\"\nprompt = \"it moves\"\nduration = 4\n{list} = [\"{name}\"]\n");
            std::fs::write(folder.path().join("shots.toml"), text).unwrap();
            make(&folder.path().join(&name));
            let (code, out, err) = in_time(folder.path(), &["check"]);
            assert_eq!(code, 3, "{name}: {out}{err}");
            for word in [words, &name, "S1", "fix"] {
                assert!(err.contains(word), "{name}: {word:?} is not in\n{err}");
            }
            assert!(!err.contains("panicked"), "{err}");
        }
    }
}

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// A list of that many shots.
fn long_list(shots: usize) -> String {
    let mut list = String::new();
    for number in 0..shots {
        writeln!(list, "[[shot]]\nid = \"S{number:06}\"\nprompt = \"it moves\"\nduration = 4\n").unwrap();
    }
    list
}

#[test]
fn the_longest_list_is_checked_and_a_longer_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("shots.toml"), long_list(100_000)).unwrap();
    let (code, out, err) = in_time(folder.path(), &["check", "--json"]);
    assert_eq!(code, 0, "{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert!(out.contains("S099999"), "{}", report["schema"]);

    std::fs::write(folder.path().join("shots.toml"), long_list(100_001)).unwrap();
    let (code, out, err) = in_time(folder.path(), &["check", "--json"]);
    assert_eq!(code, 3, "{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    let rules: Vec<&Value> = report["faults"].as_array().unwrap().iter().map(|fault| &fault["rule"]).collect();
    assert_eq!(rules, ["list.size"]);
}
