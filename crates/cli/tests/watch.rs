//! `status --watch` beside real runs: each change told once, on a terminal in its place, and an end by itself; and runs
//! whose clock jumps.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

mod support;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use support::doors::{Door, Site, canned};
use support::{Simulator, outcome, python, repository, tool};

fn shots(ids: &[&str]) -> String {
    let shot = |id: &&str| format!("[[shot]]\nid = \"{id}\"\nprompt = \"{id} in the rain\"\nduration = 8\n");
    ids.iter().map(shot).collect()
}

/// A simulator whose jobs are two seconds in its queue, and then done at once.
fn slow(folder: &Path) -> Simulator {
    let clip = repository("fixtures/media/clip_h264_aac.mp4");
    Simulator::start_with(folder, &["--clip", clip.to_str().unwrap(), "--queue", "2"])
}

fn piped(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn same_environment(from: &Command, to: &mut Command) {
    for (name, value) in from.get_envs() {
        match value {
            Some(value) => to.env(name, value),
            None => to.env_remove(name),
        };
    }
}

/// Starts a run, which is at work when this returns.
fn running(site: &Site) -> Child {
    let mut run = piped(site.command(&["run", "--no-finish", "--concurrency", "3", "--progress", "plain"]));
    let mut said = BufReader::new(run.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("submitted") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "the run ended before anything was submitted");
    }
    // It goes on telling, and must not wait for a reader.
    std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
    run
}

#[test]
fn a_watch_tells_each_change_of_a_run_and_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = slow(folder.path());
    let ids = ["A", "B", "C", "D"];
    let site = Site::new(Door::Fal, &simulator, &shots(&ids));
    let mut run = running(&site);
    let lines = piped(site.command(&["status", "--watch"]));
    let objects = piped(site.command(&["status", "--watch", "--json"]));
    let terminal = on_a_terminal(&site);
    let (code, out, err) = outcome(lines.wait_with_output().unwrap());
    assert_eq!(code, 0, "{out}{err}");
    let mut told: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let (last, changes) = out.trim_end().rsplit_once('\n').map(|(changes, last)| (last, changes)).unwrap();
    for line in changes.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let time: Vec<&str> = words[0].split(':').collect();
        assert!(time.len() == 3 && time.iter().all(|part| part.len() == 2 && part.parse::<u8>().is_ok()), "{line}");
        told.entry(words[1]).or_default().push(words[2]);
        if words[2] == "rendering" {
            let id = words[3];
            assert!(simulator.bills().iter().any(|bill| bill["request_id"] == id), "{line}");
        }
    }
    assert!(last.starts_with("committed $") && last.ends_with("budget no limit"), "{last}");
    assert_eq!(told.len(), 4, "{out}");
    let order = ["planned", "unknown", "rendering", "rendered", "done"];
    for (take, states) in &told {
        let places: Vec<_> = states.iter().map(|state| order.iter().position(|known| known == state)).collect();
        assert!(places.is_sorted_by(|a, b| a.is_some() && a < b), "{take}: {states:?}");
        assert_eq!(states.last(), Some(&"done"), "{take}");
    }
    // The fourth had to wait for a place.
    assert!(told.values().any(|states| states.contains(&"rendering")), "{out}");

    let (code, out, err) = outcome(objects.wait_with_output().unwrap());
    assert_eq!(code, 0, "{out}{err}");
    let mut last: BTreeMap<String, Value> = BTreeMap::new();
    for line in out.lines() {
        assert!(line.starts_with("{\"schema\":\"seedpost.status_change/1\""), "{line}");
        let mut change: Value = serde_json::from_str(line).unwrap();
        let at = change.as_object_mut().unwrap().remove("at").unwrap();
        assert!(at.as_str().unwrap().ends_with('Z'), "{at}");
        change.as_object_mut().unwrap().remove("schema");
        let take = change["take"].as_str().unwrap().to_owned();
        assert_ne!(last.insert(take, change.clone()).as_ref(), Some(&change), "the same was told twice");
    }
    assert_eq!(run.wait().unwrap().code(), Some(0));
    let status: BTreeMap<String, Value> =
        site.takes().into_iter().map(|take| (take["take"].as_str().unwrap().to_owned(), take)).collect();
    assert_eq!(last, status);

    ends_with_one_table(terminal, &ids);
}

fn on_a_terminal(site: &Site) -> Child {
    let watch = site.command(&["status", "--watch"]);
    let mut terminal = Command::new(python());
    terminal.arg(repository("crates/cli/tests/foreign/terminal.py")).arg(watch.get_program()).args(watch.get_args());
    terminal.current_dir(site.folder.path());
    same_environment(&watch, &mut terminal);
    piped(terminal)
}

fn ends_with_one_table(terminal: Child, ids: &[&str]) {
    let (code, out, err) = outcome(terminal.wait_with_output().unwrap());
    assert_eq!(code, 0, "{out}{err}");
    let screen: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(screen["code"], 0, "{out}");
    let seen = screen["seen"].as_array().unwrap();
    assert!(seen.iter().any(|words| words.as_str().unwrap().ends_with(" rendering")), "{out}");
    // At the end the table stands there once.
    let lines: Vec<&str> = screen["lines"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    for id in ids {
        let of_take: Vec<_> = lines.iter().filter(|line| line.contains(&format!("{id}_T01"))).collect();
        assert!(of_take.len() == 1 && of_take[0].contains(" done "), "{lines:#?}");
    }
    assert_eq!(lines.iter().filter(|line| line.contains("committed")).count(), 1, "{lines:#?}");
}

/// Adds an event as another program might.
const GIVE_UP: &str = "
import json, sqlite3, sys
ledger = sqlite3.connect(sys.argv[1])
seq, = ledger.execute(\"SELECT max(seq) + 1 FROM event WHERE take = 'A_T01'\").fetchone()
event = json.dumps({'kind': 'resolved', 'outcome': 'given_up'})
ledger.execute(\"INSERT INTO event VALUES ('A_T01', ?, 1, 'resolved', ?)\", (seq, event))
ledger.commit()
";

#[test]
fn a_watch_goes_on_beside_a_run_that_rests_and_is_ended_by_ctrl_c() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = canned(folder.path());
    simulator.fault(&json!({ "call": "submit", "fault": "drop", "prompt": "A in" }));
    let site = Site::new(Door::Fal, &simulator, &shots(&["A", "B"]));
    assert_eq!(site.run(&["run", "--no-finish", "--concurrency", "1"]).0, 7);
    // Nobody is at work, and a payment that is unknown waits for a person.
    let (code, out, _) = site.run(&["status", "--watch", "--every", "3600"]);
    assert_eq!(code, 7);
    assert!(out.contains(" A_T01 unknown ") && out.contains(" B_T01 done "), "{out}");
    let (code, _, err) = site.run(&["status", "--every", "2"]);
    assert!(code == 2 && err.contains("--watch"), "{err}");

    let lock = File::open(site.folder.path().join(".seedpost/lock")).unwrap();
    lock.lock().unwrap();
    let mut watches = [(); 2].map(|()| piped(site.command(&["status", "--watch"])));
    let mut said = watches.each_mut().map(|watch| BufReader::new(watch.stdout.take().unwrap()).lines());
    let mut next = |watch: usize| said[watch].next().map(Result::unwrap);
    for watch in [0, 1] {
        assert!(next(watch).unwrap().contains(" A_T01 unknown "));
        assert!(next(watch).unwrap().contains(" B_T01 done "));
    }
    tool("kill", &["-INT", &watches[1].id().to_string()]);
    assert_eq!(watches[1].wait().unwrap().code(), Some(130));
    assert_eq!(next(1), None);
    // Everything rests, and what comes all the same is told.
    let ledger = site.folder.path().join(".seedpost/ledger.db");
    tool(python(), &["-c", GIVE_UP, ledger.to_str().unwrap()]);
    assert!(next(0).unwrap().ends_with(" A_T01 failed cancelled: given up"));
    drop(lock);
    assert!(next(0).unwrap().starts_with("committed $"));
    assert_eq!(watches[0].wait().unwrap().code(), Some(0));
}

/// A run whose clock is off by so much; the steady one is not.
fn run_at(site: &Site, offset: &str, arguments: &[&str]) -> (i32, String, String) {
    let own = site.command(&[]);
    let mut command = Command::new("faketime");
    command.args(["-f", offset]).arg(own.get_program()).args(arguments).current_dir(site.folder.path());
    same_environment(&own, &mut command);
    command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1").env("NO_FAKE_STAT", "1");
    outcome(command.output().unwrap_or_else(|error| panic!("faketime: {error}; `make deps`")))
}

#[test]
fn a_clock_that_jumps_a_day_back_and_forth_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = slow(folder.path());
    let throttled = json!({ "call": "submit", "fault": "answer", "status": 429, "headers": { "retry-after": "1" }, "body": {}, "prompt": "B in", "times": 0 });
    simulator.fault(&throttled);
    let site = Site::new(Door::Fal, &simulator, &shots(&["A", "B"]));
    let (_, out, err) = site.run(&["run", "--no-finish", "--wait-minutes", "0"]);
    assert_eq!(site.take("A_T01")["state"], "rendering", "{out}{err}");
    assert_eq!(site.take("B_T01")["state"], "planned", "{out}{err}");
    simulator.forget_faults();

    // Yesterday: one is under way since tomorrow, one may be sent tomorrow, and a third one's reply is lost.
    simulator.fault(&json!({ "call": "submit", "fault": "drop_after", "prompt": "C in" }));
    site.write(&shots(&["A", "B", "C"]));
    let begun = std::time::Instant::now();
    let (code, out, err) = run_at(&site, "-1d", &["run", "--no-finish"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(begun.elapsed().as_secs() < 60, "it waited for its clock: {:?}", begun.elapsed());
    site.write(&shots(&["A", "B", "C", "D"]));
    let (code, out, err) = run_at(&site, "+1d", &["run", "--no-finish"]);
    assert_eq!(code, 0, "{out}{err}");
    let (code, out, err) = site.run(&["run", "--no-finish"]);
    assert!(code == 0 && out.contains("nothing to do"), "{out}{err}");

    assert_eq!(site.takes().len(), 4);
    assert!(site.takes().iter().all(|take| take["state"] == "done"));
    assert_eq!(simulator.bills().len(), 4);
    let verified = site.json(&["ledger", "verify"]);
    assert_eq!(verified["sound"], true, "{verified}");
    let charged: u64 = simulator.bills().iter().map(|bill| bill["micros"].as_u64().unwrap()).sum();
    assert_eq!(
        (verified["usd_micros_committed"].as_u64(), &verified["usd_micros_charged"]),
        (Some(charged), &json!(charged))
    );
    let problems = verified["problems"].as_array().unwrap();
    let of: Vec<&str> = problems.iter().map(|problem| problem["take"].as_str().unwrap()).collect();
    assert_eq!(of, ["A_T01", "B_T01"], "{verified}");
    let back = |problem: &Value| problem["found"].as_str().unwrap().contains("the clock was set back");
    assert!(problems.iter().all(|problem| back(problem) && problem["severity"] == "warning"), "{verified}");
}
