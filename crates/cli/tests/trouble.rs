//! Everything that can go wrong between seedpost and a provider, for every provider, in one table: where the take
//! stands then, what was charged, how often was paid for, how the program ends and what it says.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

mod support;

use std::sync::Mutex;

use serde_json::{Value, json};
use support::Simulator;
use support::doors::{Door, Site, canned};

/// What is expected of a provider.
#[derive(Debug, Clone, Copy)]
struct Then {
    state: &'static str,
    charges: usize,
    posts: usize,
    exit: i32,
    words: &'static str,
    /// The state and exit code after a second run, when the fault is used up.
    again: (&'static str, i32),
}

/// A fault and what comes of it, for fal, Ark and a proxy; `None` where the provider has no such call.
struct Row {
    name: &'static str,
    fault: Value,
    /// More words on the command line.
    run: &'static [&'static str],
    then: [Option<Then>; 3],
}

const DONE: Then = Then { state: "done", charges: 1, posts: 1, exit: 0, words: "", again: ("done", 0) };
/// Nobody knows, and nothing was charged in truth.
const UNKNOWN: Then =
    Then { state: "unknown", charges: 0, posts: 1, exit: 7, words: "seedpost resolve", again: ("unknown", 7) };
/// Nobody knows, and it was charged in truth.
const UNKNOWN_PAID: Then = Then { charges: 1, ..UNKNOWN };
const ADOPTED: Then = Then { words: "found", ..DONE };
/// It was refused, or failed for nothing: what the second run finds, it buys.
const REFUSED: Then =
    Then { state: "failed", charges: 0, posts: 1, exit: 6, words: "correct the shot", again: ("failed", 6) };
const RENDERING: Then =
    Then { state: "rendering", charges: 1, posts: 1, exit: 6, words: "run the same command again", again: ("done", 0) };
const RENDERED: Then = Then { state: "rendered", ..RENDERING };

fn all(then: Then) -> [Option<Then>; 3] {
    [Some(then); 3]
}

fn only_fal(then: Then) -> [Option<Then>; 3] {
    [Some(then), None, None]
}

fn row(name: &'static str, fault: Value, then: [Option<Then>; 3]) -> Row {
    Row { name, fault, run: &[], then }
}

/// The reply is lost after the request was taken: found again where the provider has a list.
fn lost() -> [Option<Then>; 3] {
    [Some(ADOPTED), Some(ADOPTED), Some(UNKNOWN_PAID)]
}

fn submits() -> Vec<Row> {
    let submit = |fault: Value| merged(json!({ "call": "submit" }), fault);
    let account = Then { words: "check the key", posts: 1, again: ("done", 0), ..REFUSED };
    let mut rows = vec![
        row("bad key", submit(json!({ "fault": "answer", "status": 401, "body": {} })), all(account)),
        row("no credit", submit(json!({ "fault": "answer", "status": 403, "body": {} })), all(account)),
        row("wrong", submit(json!({ "fault": "answer", "status": 422, "body": {} })), all(REFUSED)),
        row(
            "throttled",
            submit(json!({ "fault": "answer", "status": 429, "body": {} })),
            all(Then { posts: 2, ..DONE }),
        ),
        row(
            "throttled with a time",
            submit(json!({ "fault": "answer", "status": 429, "headers": { "retry-after": "1" }, "body": {} })),
            all(Then { posts: 2, ..DONE }),
        ),
        row(
            "throttled for ever",
            submit(
                json!({ "fault": "answer", "status": 429, "headers": { "retry-after": "0" }, "body": {}, "times": 0 }),
            ),
            all(Then {
                state: "planned",
                charges: 0,
                posts: 5,
                exit: 6,
                words: "took no request",
                again: ("planned", 6),
            }),
        ),
        row("failing", submit(json!({ "fault": "answer", "status": 500, "body": {} })), all(UNKNOWN)),
        row("gateway", submit(json!({ "fault": "answer", "status": 502, "body": "<html>nginx</html>" })), all(UNKNOWN)),
        row(
            "moved",
            submit(json!({ "fault": "answer", "status": 307, "headers": { "location": "/x" } })),
            all(UNKNOWN),
        ),
        row("dropped", submit(json!({ "fault": "drop" })), all(UNKNOWN)),
        row("hanging", submit(json!({ "fault": "hang" })), all(UNKNOWN)),
        row("failing after", submit(json!({ "fault": "answer_after", "status": 500, "body": {} })), lost()),
        row("gateway after", submit(json!({ "fault": "answer_after", "status": 504, "body": "<html>" })), lost()),
        row("dropped after", submit(json!({ "fault": "drop_after" })), lost()),
        row("hanging after", submit(json!({ "fault": "hang_after" })), lost()),
        row("web page", submit(json!({ "fault": "answer_after", "status": 200, "body": "<html>hi</html>" })), lost()),
        row("no name", submit(json!({ "fault": "patch", "patch": { "id": null, "request_id": null } })), lost()),
        row("odd types", submit(json!({ "fault": "patch", "patch": { "id": [], "request_id": {} } })), lost()),
    ];
    // The list of requests itself may fail for a moment.
    let list = json!({ "call": "list", "fault": "answer", "status": 500, "body": {} });
    let mut twice = row("dropped after, and no list", submit(json!({ "fault": "drop_after" })), lost());
    twice.fault = json!([twice.fault, list]);
    twice.then[2] = None;
    rows.push(twice);
    rows
}

fn polls() -> Vec<Row> {
    let status = |fault: Value| merged(json!({ "call": "status" }), fault);
    let result = |fault: Value| merged(json!({ "call": "result" }), fault);
    let lost = Then { words: "--given-up", again: ("rendering", 6), ..RENDERING };
    let still = Then { again: ("rendering", 6), ..RENDERING };
    vec![
        row("status failing", status(json!({ "fault": "answer", "status": 503, "body": {} })), all(DONE)),
        row(
            "status throttled",
            status(json!({ "fault": "answer", "status": 429, "headers": { "retry-after": "1" } })),
            all(DONE),
        ),
        row("status web page", status(json!({ "fault": "answer", "status": 200, "body": "<html>" })), all(DONE)),
        row("status dropped", status(json!({ "fault": "drop" })), all(DONE)),
        row("status hanging", status(json!({ "fault": "hang" })), all(DONE)),
        row("status unheard of", status(json!({ "fault": "patch", "patch": { "status": "NAPPING" } })), all(DONE)),
        row("status a number", status(json!({ "fault": "patch", "patch": { "status": 7 } })), all(DONE)),
        row("status failing for ever", status(json!({ "fault": "answer", "status": 500, "times": 0 })), all(still)),
        row(
            "status refused",
            status(json!({ "fault": "answer", "status": 401, "body": {}, "times": 0 })),
            all(Then { words: "check ", ..still }),
        ),
        row("job forgotten", status(json!({ "fault": "answer", "status": 404, "body": {}, "times": 0 })), all(lost)),
        row(
            "result failing",
            result(json!({ "fault": "answer", "status": 500, "body": { "detail": "Internal Server Error" } })),
            only_fal(DONE),
        ),
        row("result gateway", result(json!({ "fault": "answer", "status": 502, "body": "<html>" })), only_fal(DONE)),
        row(
            "result too early",
            result(json!({ "fault": "answer", "status": 400, "body": { "detail": "Request is still in progress" } })),
            only_fal(DONE),
        ),
        row("result a web page", result(json!({ "fault": "answer", "status": 200, "body": "<html>" })), only_fal(DONE)),
        row(
            "clip not named",
            status(json!({ "fault": "patch", "patch": { "content": null, "output": null } })),
            all(DONE),
        ),
        row("result dropped", result(json!({ "fault": "drop" })), only_fal(DONE)),
        row(
            "no clip named",
            result(json!({ "fault": "patch", "patch": { "video": { "url": 7 } }, "times": 0 })),
            only_fal(still),
        ),
        Row {
            run: &["--wait-minutes", "0"],
            ..row("queue without end", json!({ "call": "render", "fault": "stall" }), all(still))
        },
        Row {
            run: &["--wait-minutes", "0"],
            ..row("job without end", json!({ "call": "render", "fault": "stall_running" }), all(still))
        },
    ]
}

fn renders() -> Vec<Row> {
    let fail = |reason: &str| json!({ "call": "render", "fault": "fail", "reason": reason });
    // No source says that a proxy takes nothing for a job that failed: it counts as paid, and is not sent again.
    let of = |words: &'static str, again: (&'static str, i32)| {
        let free = Then { state: "failed", charges: 0, posts: 1, exit: 6, words, again };
        [Some(free), Some(free), Some(Then { words: "may have been charged", again: ("failed", 6), ..free })]
    };
    vec![
        row("a face", fail("face"), of("change the prompt or the reference", ("failed", 6))),
        row("a copyright", fail("copyright"), of("change the prompt or the reference", ("failed", 6))),
        row("loud words", fail("audio"), of("change the prompt or the reference", ("failed", 6))),
        row("bad words", fail("prompt"), of("change the prompt or the reference", ("failed", 6))),
        row("too slow", fail("timeout"), of("nothing is owed", ("done", 0))),
        row("a crash", fail("server"), of("nothing is owed", ("done", 0))),
    ]
}

fn media() -> Vec<Row> {
    let media = |fault: Value| merged(json!({ "call": "media" }), fault);
    vec![
        row("clip forbidden", media(json!({ "fault": "answer", "status": 403 })), all(RENDERED)),
        row("clip gone", media(json!({ "fault": "answer", "status": 404 })), all(RENDERED)),
        row("clip failing", media(json!({ "fault": "answer", "status": 503 })), all(DONE)),
        row("clip cut", media(json!({ "fault": "truncate", "bytes": 1000 })), all(DONE)),
        row("clip short", media(json!({ "fault": "short", "bytes": 1000 })), all(DONE)),
        row(
            "clip cut for ever",
            media(json!({ "fault": "truncate", "bytes": 1000, "times": 0 })),
            all(Then { again: ("rendered", 6), ..RENDERED }),
        ),
        row("clip hanging", media(json!({ "fault": "hang" })), all(DONE)),
        row("clip endless", media(json!({ "fault": "endless" })), all(RENDERED)),
        row("clip a web page", media(json!({ "fault": "wrong" })), all(RENDERED)),
        row(
            "clip elsewhere",
            media(json!({ "fault": "redirect", "location": "http://10.0.0.1/clip.mp4" })),
            all(Then { words: "private", ..RENDERED }),
        ),
        row(
            "clip in a circle",
            media(json!({ "fault": "redirect", "location": "/cdn/files/x", "times": 0 })),
            all(Then { again: ("rendered", 6), ..RENDERED }),
        ),
    ]
}

fn merged(mut fault: Value, more: Value) -> Value {
    fault.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    fault
}

/// Plays one row at one door; answers what differs from what was expected.
fn play(simulator: &Simulator, door: Door, row: &Row, number: usize, then: Then) -> Result<(), String> {
    let word = format!("row{number:03}x");
    let faults = match &row.fault {
        Value::Array(faults) => faults.clone(),
        fault => vec![fault.clone()],
    };
    for mut fault in faults {
        // Lists belong to no job.
        if fault["call"] != "list" {
            fault["prompt"] = word.as_str().into();
        }
        fault["form"] = door.form().into();
        simulator.fault(&fault);
    }
    let site = Site::new(door, simulator, &format!("[[shot]]\nid = \"S1\"\nprompt = \"{word}\"\nduration = 4\n"));
    let run = |site: &Site| {
        let mut command = site.command(&[&["run", "--no-finish", "--progress", "plain"], row.run].concat());
        support::outcome(command.env("SEEDPOST_TIMEOUT", "2").output().unwrap())
    };
    let (exit, out, err) = run(&site);
    let state = site.take("S1_T01")["state"].as_str().unwrap().to_owned();
    let (charges, posts) = (simulator.charges(&word), simulator.posts(&word));
    let found = (state.as_str(), charges, posts, exit);
    if found != (then.state, then.charges, then.posts, then.exit) || !(out.clone() + &err).contains(then.words) {
        return Err(format!("{found:?}, expected {then:?}\n{out}{err}"));
    }
    if exit != 0 && !err.contains("fix: ") {
        return Err(format!("no way out is told: {err}"));
    }
    if site.clip("S1_T01").exists() != (then.state == "done") {
        return Err("a clip that is not whole, or none".to_owned());
    }
    let (exit, out, err) = run(&site);
    let state = site.take("S1_T01")["state"].as_str().unwrap().to_owned();
    if (state.as_str(), exit) != then.again {
        return Err(format!("the second run: {state} {exit}, expected {:?}\n{out}{err}", then.again));
    }
    if simulator.charges(&word) > 1 {
        return Err("paid twice".to_owned());
    }
    site.holds_no_key();
    Ok(())
}

/// Plays rows eight at a time: most of them wait.
fn play_all(rows: &[Row]) {
    let folder = tempfile::tempdir().unwrap();
    let simulator = canned(folder.path());
    let mut parts = Vec::new();
    for row in rows {
        for (door, then) in Door::PROVIDERS.into_iter().zip(row.then) {
            parts.extend(then.map(|then| (parts.len(), door, row, then)));
        }
    }
    let count = parts.len();
    let (left, wrong) = (Mutex::new(parts), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let next = left.lock().unwrap().pop();
                    let Some((number, door, row, then)) = next else { return };
                    if let Err(what) = play(&simulator, door, row, number, then) {
                        wrong.lock().unwrap().push(format!("{} at {door:?}: {what}", row.name));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n\n"));
    println!("{} faults, {count} times played", rows.len());
}

#[test]
fn handing_in() {
    play_all(&submits());
}

#[test]
fn asking() {
    play_all(&polls());
}

#[test]
fn rendering() {
    play_all(&renders());
}

#[test]
fn fetching() {
    play_all(&media());
}
