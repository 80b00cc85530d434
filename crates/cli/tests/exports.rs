//! One list, many readers: what every export of a cut tells other people's programs is what the model tells.
//!
//! Cuts by hand and at random are written in every form, with the model and the declared losses beside them; then
//! `foreign/exports.py` reads them all back.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

mod support;

#[path = "exports/cuts.rs"]
mod cuts;
#[path = "exports/folder.rs"]
mod folder;
#[path = "exports/random.rs"]
mod random;
#[path = "exports/words.rs"]
mod words;

use support::{python, repository};

#[test]
fn every_form_tells_other_programs_what_the_model_tells() {
    let root = tempfile::tempdir().unwrap();
    let mut folders = vec![folder::write(root.path(), "sixty shots", &cuts::sixty(), &[])];
    for (name, cut, refused) in cuts::edges() {
        folders.push(folder::write(root.path(), name, &cut, refused));
    }
    for (number, cut) in random::timelines(30).iter().enumerate() {
        folders.push(folder::write(root.path(), &format!("random {number}"), cut, &[]));
    }
    // The harness must notice what is spoilt: in the longest cut, and in two at random, one of which counts drop-frame.
    let spoilt = ["sixty shots", "random 3", "random 4"].map(|name| root.path().join(name));
    let mut command = std::process::Command::new(python());
    command.env("PYTHONUTF8", "1").arg(repository("crates/cli/tests/foreign/exports.py")).args(&folders);
    for folder in spoilt {
        command.arg("--self-test").arg(folder);
    }
    let (code, out, err) = support::outcome(command.output().unwrap());
    println!("{out}");
    assert_eq!(code, 0, "{out}{err}");
}
