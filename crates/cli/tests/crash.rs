//! The program killed at twenty random moments, and started again each time: eight takes, eight
//! charges.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

mod support;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use support::{Simulator, outcome, seedpost};

const TAKES: usize = 8;

fn write_list(folder: &Path) {
    let mut list = "[render]\ntier = \"fast\"\nresolution = \"480p\"\n".to_owned();
    for number in 1..=TAKES {
        list.push_str(&format!("[[shot]]\nid = \"S{number}\"\nprompt = \"shot number {number}\"\nduration = 4\n"));
    }
    std::fs::write(folder.join("shots.toml"), list).unwrap();
}

/// Starts a run and kills it when it has said so many lines; answers whether it was killed.
fn run_and_kill(folder: &Path, url: &str, lines: u64) -> bool {
    let mut command = seedpost(folder);
    command
        .args(["run", "--progress", "json"])
        .env("SEEDPOST_SIMULATOR_URL", url)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let said = BufReader::new(child.stderr.take().unwrap()).lines().take(usize::try_from(lines).unwrap()).count();
    if lines == 0 {
        // The first thing that happens: perhaps even before the ledger is open.
        child.kill().unwrap();
    } else if said as u64 == lines {
        // It may have come to its end in the meantime.
        let _ = child.kill();
    }
    child.wait().unwrap().signal() == Some(9)
}

fn run_to_the_end(folder: &Path, url: &str) -> i32 {
    outcome(seedpost(folder).arg("run").env("SEEDPOST_SIMULATOR_URL", url).output().unwrap()).0
}

/// What a person does with an unknown payment: looks for the very same request in the provider's list.
/// Answers how many there were.
fn settle(folder: &Path, simulator: &Simulator) -> usize {
    let (_, status, _) = support::run(folder, &["status", "--json"]);
    let status: Value = serde_json::from_str(&status).unwrap();
    let takes = status["takes"].as_array().unwrap();
    let unknown: Vec<&str> =
        takes.iter().filter(|take| take["state"] == "unknown").map(|take| take["take"].as_str().unwrap()).collect();
    for take in &unknown {
        let (code, shown, _) = resolve(folder, simulator, &[take, "--json"]);
        assert_eq!(code, 7);
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let bills = simulator.bills();
        let bill = bills.iter().find(|bill| bill["input"] == shown["body"]);
        let verdict = match bill.and_then(|bill| bill["request_id"].as_str()) {
            Some(request_id) => vec![*take, "--charged", request_id],
            None => vec![*take, "--not-charged"],
        };
        let (code, out, err) = resolve(folder, simulator, &verdict);
        assert_eq!(code, 0, "{out}{err}");
    }
    unknown.len()
}

fn resolve(folder: &Path, simulator: &Simulator, arguments: &[&str]) -> (i32, String, String) {
    let mut command = seedpost(folder);
    command.arg("resolve").args(arguments).env("SEEDPOST_SIMULATOR_URL", &simulator.url);
    outcome(command.output().unwrap())
}

#[test]
fn twenty_kills_of_eight_takes_make_eight_charges() {
    let project = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(elsewhere.path());
    write_list(project.path());
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let mut seed = clock.as_nanos() as u64 | 1;
    let (mut kills, mut unknown) = (0, 0);
    for _ in 0..20 {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        kills += usize::from(run_and_kill(project.path(), &simulator.url, seed % 4));
        let charged = simulator.bills().len();
        assert!(charged <= TAKES, "{charged} charges");
        unknown += settle(project.path(), &simulator);
    }
    assert_eq!(run_to_the_end(project.path(), &simulator.url), 0);
    println!("{kills} kills; {unknown} times a payment was unknown");
    let bills = simulator.bills();
    assert_eq!(bills.len(), TAKES);
    for number in 1..=TAKES {
        let prompt = format!("shot number {number}");
        assert_eq!(bills.iter().filter(|bill| bill["input"]["prompt"] == *prompt).count(), 1, "{prompt}");
        assert!(project.path().join(format!("takes/S{number}/T01/render.mp4")).exists());
    }
    assert!(kills >= 10, "only {kills} of 20 runs were killed");
}

/// Without a simulator of its own address, `run` brings its own, which remembers its jobs.
#[test]
fn a_killed_run_goes_on_with_the_simulator_inside_it() {
    let project = tempfile::tempdir().unwrap();
    let shot = "[[shot]]\nid = \"S1\"\nprompt = \"a\"\nduration = 15\n";
    std::fs::write(project.path().join("shots.toml"), shot).unwrap();
    let mut command = seedpost(project.path());
    let mut child =
        command.args(["run", "--progress", "plain"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("rendering")), "it renders before it is killed");
    child.kill().unwrap();
    child.wait().unwrap();
    let (code, out, err) = support::run(project.path(), &["run"]);
    assert_eq!(code, 0, "{out}{err}");
    let log = std::fs::read_to_string(project.path().join(".seedpost/simulator/jobs.jsonl")).unwrap();
    let lines = log.lines().filter(|line| !line.is_empty());
    let ids: BTreeSet<String> =
        lines.map(|line| serde_json::from_str::<Value>(line).unwrap()["request_id"].to_string()).collect();
    assert_eq!(ids.len(), 1, "one job was paid for");
}
