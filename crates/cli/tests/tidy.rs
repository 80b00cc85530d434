//! What the linters cannot see: the house rules of this repository.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

mod support;

use std::path::{Path, PathBuf};

use support::{files, repository, run};

/// Every Rust file of the repository.
fn sources() -> Vec<PathBuf> {
    let rust = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "rs");
    files(&repository("crates")).into_iter().filter(rust).collect()
}

/// Every command that `--help` names.
fn commands() -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let (_, help, _) = run(folder.path(), &["--help"]);
    let lines = help.lines().filter_map(|line| line.strip_prefix("  ")?.split_once("  "));
    let names = lines.map(|(name, _)| name.trim().to_owned());
    names.filter(|name| name != "help" && name.chars().all(|c| c.is_ascii_lowercase()) && !name.is_empty()).collect()
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
    assert_eq!(numbers, [0, 2, 3, 4, 5, 6, 7, 8, 10, 11, 21, 31, 70, 130]);
    for number in numbers {
        assert!(readme.contains(&format!("| {number} |")), "exit code {number}");
    }
    for command in commands() {
        assert!(readme.contains(&format!("`{command}`")), "{command}");
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
    let commands = commands();
    assert!(commands.len() > 15, "{commands:?}");
    for command in &commands {
        let (code, help, _) = run(folder.path(), &[command, "--help"]);
        assert_eq!(code, 0);
        assert!(help.contains("Example:"), "{command}");
    }
    assert_eq!(run(folder.path(), &["doctor"]).0, 0);
}
