//! What the linters cannot see: the house rules of this repository.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

mod support;

use std::path::{Path, PathBuf};

use support::{repository, run};

/// Every Rust file of the repository.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![repository("crates")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    found
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path.as_ref()).unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()))
}

#[test]
fn every_file_says_what_it_is_for_and_can_be_read_in_a_sitting() {
    for path in sources() {
        let text = read(&path);
        assert!(text.starts_with("//! "), "{} has no module sentence", path.display());
        let code = text.split("#[cfg(test)]").next().unwrap_or_default().lines().count();
        assert!(code <= 600, "{} has {code} lines without its tests", path.display());
    }
}

#[test]
fn core_and_media_and_render_keep_to_themselves() {
    let names = |krate: &str| read(repository(&format!("crates/{krate}/Cargo.toml")));
    for (krate, forbidden) in [
        ("core", &["seedpost-media", "seedpost-av", "seedpost-render", "tokio", "reqwest"][..]),
        ("media", &["seedpost-av", "seedpost-render", "tokio", "reqwest", "ffmpeg"]),
        ("av", &["seedpost-media", "seedpost-render", "tokio", "reqwest"]),
        ("render", &["seedpost-media", "seedpost-av", "symphonia", "ffmpeg"]),
        ("simulator", &["seedpost-render", "seedpost-av"]),
    ] {
        forbidden.iter().for_each(|name| assert!(!names(krate).contains(name), "{krate} names {name}"));
    }
}

#[test]
fn the_readme_tells_every_exit_code_and_command() {
    let readme = read(repository("README.md"));
    let codes = read(repository("crates/cli/src/output.rs"));
    let numbers =
        codes.lines().filter_map(|line| line.trim().strip_suffix(',')?.split_once(" = ")?.1.parse::<u8>().ok());
    let numbers: Vec<u8> = numbers.collect();
    assert_eq!(numbers, [0, 2, 3, 4, 5, 6, 7, 8, 70, 130]);
    for number in numbers {
        assert!(readme.contains(&format!("| {number} |")), "exit code {number}");
    }
    let folder = tempfile::tempdir().unwrap();
    let (_, help, _) = run(folder.path(), &["--help"]);
    let commands: Vec<&str> = help
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split_once("  "))
        .map(|(name, _)| name.trim())
        .collect();
    for command in commands.iter().filter(|name| !name.starts_with('-') && name.chars().all(|c| c.is_ascii_lowercase()))
    {
        if *command != "help" {
            assert!(readme.contains(&format!("`{command}`")), "{command}");
        }
    }
}

#[test]
fn the_readmes_shot_list_is_the_fixture_and_is_valid() {
    let fixture = read(repository("fixtures/shots/readme.toml"));
    assert!(read(repository("README.md")).contains(&format!("```toml\n{fixture}```")), "fixtures/shots/readme.toml");
    let list = seedpost_core::shot::ShotList::parse(&fixture).expect("a valid list");
    assert_eq!(list.shots.len(), 2);
}

#[test]
fn every_command_shows_an_example() {
    let folder = tempfile::tempdir().unwrap();
    for command in [
        "check",
        "conform",
        "plan",
        "run",
        "status",
        "resolve",
        "probe",
        "lane",
        "stems",
        "export",
        "turnover",
        "verify",
        "serve",
        "simulator",
        "doctor",
    ] {
        let (code, help, _) = run(folder.path(), &[command, "--help"]);
        assert_eq!(code, 0);
        assert!(help.contains("Example:"), "{command}");
    }
    assert_eq!(run(folder.path(), &["doctor"]).0, 0);
}
