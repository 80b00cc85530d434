//! A program that is killed anywhere never pays twice: runs that are cut before and after every event and around every
//! paid request, through every form of provider, until one comes to its end; and programs beside one another.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

mod support;

#[path = "crash/chain.rs"]
mod chain;
#[path = "crash/stage.rs"]
mod stage;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::Instant;

use chain::{Chain, Tally, Watch};
use serde_json::Value;
use stage::{ARK, FAL, FORMS, Form, PROXY, Stage, TAKES, take};
use support::{outcome, seedpost};

/// How many seconds jobs wait where a test needs them under way.
const WAITING: &str = "8";

const fn chain(place: &'static str, [first, next]: [u64; 2], concurrency: &'static str) -> Chain {
    Chain { place, first, next, concurrency }
}

/// One take after the other: at every event, at every request.
const ONE_BY_ONE: [Chain; 5] = [
    chain("after_commit", [1, 1], "1"),
    chain("before_commit", [2, 2], "1"),
    chain("before_send", [1, 2], "1"),
    chain("after_send", [1, 1], "1"),
    chain("after_send", [2, 2], "1"),
];
/// When a clip is there, and when it has its name.
const CLIPS: [Chain; 2] = [chain("before_name", [1, 1], "1"), chain("after_name", [1, 1], "1")];
/// Several under way at once.
const AT_ONCE: [Chain; 4] = [
    chain("after_commit", [2, 5], "4"),
    chain("before_commit", [3, 6], "4"),
    chain("before_send", [2, 3], "4"),
    chain("after_send", [1, 2], "4"),
];

/// Drives chains through forms, each in a thread of its own; answers what came of each.
fn drive(forms: &[Form], chains: &[Chain]) -> Vec<(Form, Tally)> {
    let begun = Instant::now();
    let through = |form| {
        let mut sum = Tally::default();
        chains.iter().for_each(|chain| sum += chain.drive(form));
        (form, sum)
    };
    let tallies: Vec<(Form, Tally)> = std::thread::scope(|scope| {
        let threads: Vec<_> = forms.iter().map(|form| scope.spawn(move || through(*form))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (form, tally) in &tallies {
        println!("{:24} {tally:?}", form.name);
    }
    let cuts: usize = tallies.iter().map(|(_, tally)| tally.cuts).sum();
    println!("{cuts} cuts in all, in {:?}", begun.elapsed());
    tallies
}

#[test]
fn ten_takes_are_paid_once_whatever_event_a_run_is_killed_at() {
    for (form, tally) in drive(&FORMS, &ONE_BY_ONE) {
        // Four events a take, before and after; each request before, after, and every second once more.
        assert!(tally.cuts >= TAKES * 10, "{}: {tally:?}", form.name);
        assert!(tally.charged >= TAKES && tally.not_charged >= TAKES, "{}: {tally:?}", form.name);
    }
}

#[test]
fn no_clip_is_lost_or_fetched_again_where_a_run_is_killed_beside_its_name() {
    for (form, tally) in drive(&[FAL, ARK, PROXY], &CLIPS) {
        assert!(tally.cuts >= TAKES * 2, "{}: {tally:?}", form.name);
    }
}

#[test]
fn ten_takes_are_paid_once_where_four_are_under_way_when_a_run_is_killed() {
    for (form, tally) in drive(&FORMS, &AT_ONCE) {
        assert!(tally.cuts >= TAKES * 2, "{}: {tally:?}", form.name);
        assert!(tally.charged > 0 && tally.not_charged > 0, "{}: {tally:?}", form.name);
    }
}

/// Where nobody chooses the place: in the middle of whatever the program is doing then.
#[test]
fn ten_takes_are_paid_once_where_runs_are_killed_at_random() {
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let mut seed = clock.as_nanos() as u64 | 1;
    println!("seed {seed}");
    let mut watch = Watch::new(Stage::new(FAL));
    for _ in 0..20 {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let (mut child, mut lines) = start(&watch.stage, &["run", "--no-finish"]);
        let wanted = usize::try_from(seed % 6).unwrap();
        // It may have come to its end in the meantime, where little was left.
        lines.by_ref().take(wanted).for_each(|line| drop(line.unwrap()));
        child.kill().unwrap();
        child.wait().unwrap();
        watch.look("anywhere");
    }
    let (code, out, err) = watch.stage.run(&["run", "--no-finish"], None);
    assert_eq!(code, 0, "{out}{err}");
    watch.stage.is_complete();
}

/// A program that has begun, and the lines that it says on standard error.
fn start(stage: &Stage, arguments: &[&str]) -> (Child, impl Iterator<Item = std::io::Result<String>> + use<>) {
    let mut command = stage.command(arguments, None);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    (child, lines)
}

/// A run that has so many jobs under way, at a provider where they wait. They are asked after once they are in the
/// ledger.
fn under_way(stage: &Stage, count: usize) -> (Child, impl Iterator<Item = std::io::Result<String>> + use<>) {
    let (child, mut lines) = start(stage, &["run", "--no-finish", "--concurrency", &count.to_string()]);
    let mut waiting = BTreeSet::new();
    while waiting.len() < count {
        let line = lines.next().unwrap().unwrap();
        waiting.extend(line.split_once("  queued").map(|(take, _)| take.to_owned()));
    }
    (child, lines)
}

/// All ten are unknown at once. The next run looks for each in the provider's list, and sends nothing: what is in no
/// list may have been charged all the same.
#[test]
fn what_may_have_been_sent_is_looked_for_and_never_sent_again() {
    std::thread::scope(|scope| {
        for form in FORMS {
            scope.spawn(move || {
                let mut watch = Watch::new(Stage::new(form));
                let stage = &watch.stage;
                let all = ["run", "--no-finish", "--concurrency", "10"];
                assert_eq!(stage.run(&all, Some(("before_send", 10))).0, -1);
                let (bills, posts) = (stage.bills(), stage.posts());
                assert!(bills.len() < TAKES, "{}: the tenth was never sent", form.name);
                let (code, out, err) = stage.run(&all, None);
                assert_eq!(code, 7, "{}: {out}{err}", form.name);
                assert_eq!((&stage.bills(), stage.posts()), (&bills, posts), "{}: something was sent", form.name);
                for (number, row) in stage.site.takes().iter().enumerate() {
                    let lost = bills.contains_key(&number) && !form.listed && row["state"] == "unknown";
                    let state = if bills.contains_key(&number) && !lost { "done" } else { "unknown" };
                    assert_eq!(row["state"], state, "{}: {row}", form.name);
                }
                watch.look("anywhere");
                let (code, out, err) = watch.stage.run(&all, None);
                assert_eq!(code, 0, "{}: {out}{err}", form.name);
                watch.stage.is_complete();
            });
        }
    });
}

/// A person names a job by its id alone, and may do so while it still waits.
#[test]
fn a_job_that_still_waits_can_be_settled_as_charged() {
    std::thread::scope(|scope| {
        for form in FORMS {
            scope.spawn(move || {
                let stage = Stage::with(form, WAITING);
                let all = ["run", "--no-finish", "--concurrency", "10"];
                assert_eq!(stage.run(&all, Some(("after_send", 10))).0, -1);
                let bills = stage.bills();
                for (number, bill) in &bills {
                    let name = take(*number);
                    if stage.site.take(&name)["state"] == "unknown" {
                        let (code, out, err) = stage.run(&["resolve", &name, "--charged", &bill.request_id], None);
                        assert_eq!(code, 0, "{}: {out}{err}", form.name);
                    }
                }
                let (code, out, err) = stage.run(&all, None);
                assert_eq!(code, 0, "{}: {out}{err}", form.name);
                stage.is_complete();
            });
        }
    });
}

#[test]
fn a_second_run_in_the_folder_is_refused_until_the_first_is_gone() {
    let all = ["run", "--no-finish", "--concurrency", "10"];
    let stage = Stage::with(FAL, WAITING);
    let (mut first, _lines) = under_way(&stage, 2);
    let posts = stage.posts();
    assert_eq!(posts.iter().sum::<usize>(), 2);
    let (code, _, err) = stage.run(&all, None);
    assert!(code == 2 && err.contains("another seedpost is working in"), "{err}");
    assert_eq!(stage.posts(), posts, "the second one sent something");
    // Others come just when it is killed: one of them at most goes on.
    let mut others: Vec<Child> = (0..2).map(|_| start(&stage, &all).0).collect();
    first.kill().unwrap();
    others.extend((0..2).map(|_| start(&stage, &all).0));
    first.wait().unwrap();
    let codes: Vec<Option<i32>> = others.iter_mut().map(|other| other.wait().unwrap().code()).collect();
    assert!(codes.iter().all(|code| matches!(code, Some(0 | 2))), "{codes:?}");
    assert!(codes.iter().filter(|code| **code == Some(0)).count() <= 1, "{codes:?}");
    let (code, out, err) = stage.run(&all, None);
    assert_eq!(code, 0, "{out}{err}");
    stage.is_complete();
}

#[test]
fn beside_a_run_its_takes_can_be_looked_at_and_cancelled_but_not_settled() {
    let stage = Stage::with(ARK, WAITING);
    let (mut run, lines) = under_way(&stage, TAKES);
    assert!(stage.site.takes().iter().all(|row| row["state"] == "rendering"));
    for verdict in ["--not-charged", "--given-up"] {
        let (code, _, err) = stage.run(&["resolve", "S0_T01", "--force", verdict], None);
        assert!(code == 2 && err.contains("another seedpost is working in"), "{err}");
    }
    let (code, out, err) = stage.run(&["cancel", "S0_T01"], None);
    assert!(code == 0 && out.contains("nothing is owed"), "{out}{err}");
    // Read to the end: a run that is not listened to would wait.
    lines.for_each(|line| drop(line.unwrap()));
    assert_eq!(run.wait().unwrap().code(), Some(8));
    all_but_cancelled(&stage, &[0]);
}

/// A command that is killed between the provider's word and its own record leaves nothing that a run does not find.
#[test]
fn a_cancelling_that_is_killed_is_found_by_the_next_run() {
    let stage = Stage::with(ARK, WAITING);
    let (code, out, err) = stage.run(&["run", "--no-finish", "--concurrency", "10", "--wait-minutes", "0"], None);
    assert_eq!(code, 6, "{out}{err}");
    for (number, place, state) in [(0, "before_commit", "rendering"), (1, "after_commit", "failed")] {
        assert_eq!(stage.run(&["cancel", &take(number)], Some((place, 1))).0, -1);
        assert_eq!(stage.site.take(&take(number))["state"], state, "{place}");
    }
    let (code, out, err) = stage.run(&["run", "--no-finish", "--concurrency", "10"], None);
    assert_eq!(code, 8, "{out}{err}");
    all_but_cancelled(&stage, &[0, 1]);
}

/// These were cancelled for nothing, and are not ordered again; all others are done.
fn all_but_cancelled(stage: &Stage, cancelled: &[usize]) {
    assert_eq!(stage.run(&["run", "--no-finish"], None).0, 8);
    let bills = stage.bills();
    for (number, row) in stage.site.takes().iter().enumerate() {
        let expected = if cancelled.contains(&number) { ("failed", false) } else { ("done", true) };
        assert_eq!((row["state"].as_str().unwrap(), bills.contains_key(&number)), expected, "{row}");
    }
    assert_eq!(stage.posts(), [1; TAKES]);
    stage.books_agree(&bills);
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
    let (code, out, err) = outcome(seedpost(project.path()).arg("run").output().unwrap());
    assert_eq!(code, 0, "{out}{err}");
    let log = std::fs::read_to_string(project.path().join(".seedpost/simulator/jobs.jsonl")).unwrap();
    let lines = log.lines().filter(|line| !line.is_empty());
    let ids: BTreeSet<String> =
        lines.map(|line| serde_json::from_str::<Value>(line).unwrap()["request_id"].to_string()).collect();
    assert_eq!(ids.len(), 1, "one job was paid for");
}
