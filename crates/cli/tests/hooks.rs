//! `serve` and `run` side by side, and a provider that sends webhooks as it should, or not: they hasten a poll, and
//! nothing that they say is believed.
//!
//! The simulator is at 127.0.0.2, which is this machine, but not an address that the program takes for near: it asks
//! as seldom as it would ask a real provider, first after two seconds, and only a webhook makes it ask sooner.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

mod support;

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::doors::{Door, Site, canned};
use support::{Simulator, files, repository};

/// This machine, as far as it looks.
const FAR: &str = "127.0.0.2:0";

fn far(folder: &Path, queue: &str) -> Simulator {
    let clip = repository("fixtures/media/clip_h264_aac.mp4");
    Simulator::start_at(FAR, folder, &["--clip", clip.to_str().unwrap(), "--queue", queue])
}

fn shot(id: &str, word: &str) -> String {
    format!("[[shot]]\nid = \"{id}\"\nprompt = \"{word}\"\nduration = 4\n")
}

/// A running `serve` of a site; its words stand in a file of the site.
struct Serve<'s> {
    child: Child,
    site: &'s Site,
    told: Value,
}

impl Serve<'_> {
    fn start<'s>(site: &'s Site, listen: &str) -> Serve<'s> {
        let said = File::options().create(true).append(true).open(words(site)).unwrap();
        let mut command = site.command(&["serve", "--listen", listen]);
        let mut child = command.stdout(Stdio::piped()).stderr(said).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Serve { child, site, told: serde_json::from_str(&line).unwrap() }
    }

    /// What it said, once that is so many lines, with `ID` in place of a request's.
    fn said(&self, request_id: &str, lines: usize) -> Vec<String> {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let said = std::fs::read_to_string(words(self.site)).unwrap();
            let found: Vec<String> = said.lines().map(|line| line.replace(request_id, "ID")).collect();
            if found.len() >= lines {
                return found;
            }
            assert!(Instant::now() < end, "{lines} lines are expected: {said}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The end of Ark's address.
    fn token(&self) -> String {
        self.told["ark"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
    }
}

impl Drop for Serve<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn words(site: &Site) -> PathBuf {
    site.folder.path().join("serve.txt")
}

/// The wakes that nobody has taken yet.
fn wakes(site: &Site) -> usize {
    std::fs::read_dir(site.folder.path().join(".seedpost/wake")).map_or(0, Iterator::count)
}

/// The token is told to Ark and kept where only its owner reads it: it is neither in the ledger nor in other files,
/// nor in what commands say. No signature is there either.
fn holds_no_secret(site: &Site, token: &str, outputs: &[&str]) {
    let mut ledgers = 0;
    for path in files(site.folder.path()) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        ledgers += usize::from(name == "ledger.db");
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(token.len()).any(|window| window == token.as_bytes());
        let own = ["webhook.json", "webhook.token"].contains(&name.as_str());
        assert_eq!(found, own, "the token in {}", path.display());
    }
    assert_eq!(ledgers, 1);
    let said = std::fs::read_to_string(words(site)).unwrap();
    for text in outputs.iter().copied().chain([said.as_str()]) {
        assert!(!text.contains(token), "{text}");
        let digits = |part: &str| part.len() >= 128 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(!text.split(|c: char| !c.is_ascii_alphanumeric()).any(digits), "a signature: {text}");
    }
    site.holds_no_key();
}

/// A way in which a webhook can come, and what `serve` says of it.
struct Row {
    name: &'static str,
    fault: Option<&'static str>,
    said: &'static [&'static str],
}

const FORGED: &[&str] = &["fal ID: refused: its signature fits no key"];

const FAL: [Row; 7] = [
    Row { name: "fine", fault: None, said: &["fal ID: accepted"] },
    Row { name: "forged", fault: Some("forge"), said: FORGED },
    Row { name: "late", fault: Some("late"), said: &["fal: refused: its time is more than 300 s before ours"] },
    Row { name: "tampered", fault: Some("tamper"), said: FORGED },
    Row { name: "doubled", fault: Some("double"), said: &["fal ID: accepted", "fal ID: known"] },
    Row { name: "missing", fault: Some("missing"), said: &[] },
    // What it says of the job is not believed: the job is fine.
    Row { name: "wrong", fault: Some("wrong_status"), said: &["fal ID: accepted"] },
];

const ARK: [Row; 4] = [
    Row { name: "fine", fault: None, said: &["ark ID: accepted"] },
    Row { name: "doubled", fault: Some("double"), said: &["ark ID: accepted", "ark ID: known"] },
    Row { name: "missing", fault: Some("missing"), said: &[] },
    Row { name: "wrong", fault: Some("wrong_status"), said: &["ark ID: accepted"] },
];

fn play(simulator: &Simulator, door: Door, row: &Row) {
    let (form, what) = (door.form(), format!("{} at {door:?}", row.name));
    let word = format!("{}{form}", row.name);
    if let Some(fault) = row.fault {
        simulator.fault(&json!({ "call": "webhook", "fault": fault, "prompt": word, "form": form }));
    }
    let site = Site::new(door, simulator, &shot("S1", &word));
    let serve = Serve::start(&site, FAR);
    let (code, out, err) = site.run(&["run", "--no-finish"]);
    assert_eq!(code, 0, "{what}: {out}{err}");
    let take = site.take("S1_T01");
    assert_eq!(take["state"], "done", "{what}: {take}");
    assert!(site.clip("S1_T01").exists());
    assert_eq!((simulator.posts(&word), simulator.charges(&word)), (1, 1), "{what}");

    let told = match door {
        Door::Fal => query(simulator, &word).contains("fal_webhook="),
        _ => body(simulator, &word)["callback_url"] == serve.told["ark"],
    };
    assert!(told, "{what}: the provider was not told where to send");
    let mut said = serve.said(take["request_id"].as_str().unwrap(), row.said.len());
    // Who is refused tries again.
    said.dedup();
    assert_eq!(said, row.said, "{what}");
    // What woke the run was taken away by it; what is not believed has made nothing.
    assert_eq!(wakes(&site), 0, "{what}");

    let shown: Vec<String> = [&["status"][..], &["status", "--json"], &["resolve", "S1_T01"]]
        .iter()
        .map(|arguments| site.run(arguments))
        .map(|(_, out, err)| out + &err)
        .chain([out, err])
        .collect();
    let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
    holds_no_secret(&site, &serve.token(), &shown);
}

/// The paid request of a take.
fn paid(simulator: &Simulator, word: &str) -> Value {
    let requests = simulator.requests();
    let ours = |request: &&Value| request["method"] == "POST" && request["body"].to_string().contains(word);
    requests.iter().find(ours).unwrap_or_else(|| panic!("no request for {word}")).clone()
}

fn query(simulator: &Simulator, word: &str) -> String {
    paid(simulator, word)["query"].as_str().unwrap().to_owned()
}

fn body(simulator: &Simulator, word: &str) -> Value {
    paid(simulator, word)["body"].clone()
}

fn play_all(door: Door, rows: &[Row]) {
    let folder = tempfile::tempdir().unwrap();
    let simulator = far(folder.path(), "0.5");
    std::thread::scope(|scope| {
        for row in rows {
            let simulator = &simulator;
            scope.spawn(move || play(simulator, door, row));
        }
    });
}

/// A take that is asked after by and by, and one beside it that is sent later, and asked after first.
#[test]
fn a_webhook_wakes_a_poll() {
    for door in [Door::Fal, Door::Ark] {
        let folder = tempfile::tempdir().unwrap();
        let simulator = far(folder.path(), "0");
        simulator.fault(&json!({ "call": "render", "fault": "stall", "prompt": "slow" }));
        let site = Site::new(door, &simulator, &shot("SLOW", "slow"));
        let serve = Serve::start(&site, FAR);
        assert_eq!(site.run(&["run", "--no-finish", "--wait-minutes", "0"]).0, 6, "{door:?}");
        let slow = site.take("SLOW_T01")["request_id"].as_str().unwrap().to_owned();
        assert_eq!(polls(&simulator, &slow).len(), 1, "{door:?}");

        // Both wait two seconds before they ask, and the new one has to be sent first.
        site.write(&(shot("SLOW", "slow") + &shot("QUICK", "quick")));
        let (code, out, err) = site.run(&["run", "--no-finish", "--wait-minutes", "0"]);
        assert_eq!(code, 8, "{door:?}: {out}{err}");
        let quick = site.take("QUICK_T01")["request_id"].as_str().unwrap().to_owned();
        let (slow, quick) = (polls(&simulator, &slow), polls(&simulator, &quick));
        assert_eq!((slow.len(), quick.len()), (2, 1), "{door:?}");
        assert!(quick[0] < slow[1], "{door:?}: asked after at {quick:?}, and the one that nobody woke at {slow:?}");
        assert_eq!((site.take("QUICK_T01")["state"].as_str(), wakes(&site)), (Some("done"), 0), "{door:?}");
        drop(serve);
    }
}

/// The places in the journal where a job was asked after.
fn polls(simulator: &Simulator, request_id: &str) -> Vec<usize> {
    let requests = simulator.requests();
    let asks = |request: &Value| {
        let path = request["path"].as_str().unwrap();
        request["method"] == "GET" && path.trim_end_matches("/status").ends_with(request_id)
    };
    let places = requests.iter().enumerate().filter(|(_, request)| asks(request));
    // fal's result has an address of its own.
    let status = places.filter(|(_, request)| {
        let path = request["path"].as_str().unwrap();
        path.ends_with("/status") || path.contains("/tasks/")
    });
    status.map(|(place, _)| place).collect()
}

/// An end that left no time to clear up: what stands there then counts for nothing.
#[test]
fn a_serve_that_was_killed_is_told_to_nobody() {
    for door in [Door::Fal, Door::Ark] {
        let folder = tempfile::tempdir().unwrap();
        let simulator = far(folder.path(), "0");
        let site = Site::new(door, &simulator, &shot("S1", "orphan"));
        // Dropped: killed.
        drop(Serve::start(&site, FAR));
        assert!(site.folder.path().join(".seedpost/webhook.json").exists());
        let (code, out, err) = site.run(&["run", "--no-finish"]);
        assert_eq!((code, site.take("S1_T01")["state"].as_str()), (0, Some("done")), "{door:?}: {out}{err}");
        assert_eq!((simulator.posts("orphan"), simulator.charges("orphan")), (1, 1), "{door:?}");
        assert_eq!(query(&simulator, "orphan"), "", "{door:?}");
        assert_eq!(body(&simulator, "orphan")["callback_url"], Value::Null, "{door:?}");
        assert_eq!(wakes(&site), 0);
    }
}

#[test]
fn a_provider_far_away_is_told_no_address_of_this_machine() {
    for door in [Door::Fal, Door::Ark] {
        let folder = tempfile::tempdir().unwrap();
        let simulator = far(folder.path(), "0");
        let site = Site::new(door, &simulator, &shot("S1", "distant"));
        let serve = Serve::start(&site, "127.0.0.1:0");
        assert_eq!(site.run(&["run", "--no-finish"]).0, 0, "{door:?}");
        assert_eq!(query(&simulator, "distant"), "", "{door:?}");
        assert_eq!(body(&simulator, "distant")["callback_url"], Value::Null, "{door:?}");
        assert_eq!(serve.said("none", 0), Vec::<String>::new());
    }
}

/// What is shown of a request in doubt is what was sent, but for the address that only Ark may know.
#[test]
fn a_request_in_doubt_is_shown_without_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = canned(folder.path());
    simulator.fault(&json!({ "call": "submit", "fault": "answer", "status": 500, "body": {} }));
    let site = Site::new(Door::Ark, &simulator, &shot("S1", "doubtful"));
    let serve = Serve::start(&site, "127.0.0.1:0");
    let (code, out, err) = site.run(&["run", "--no-finish"]);
    assert_eq!(code, 7, "{out}{err}");
    assert_eq!(body(&simulator, "doubtful")["callback_url"], serve.told["ark"]);
    let shown = site.json(&["resolve", "S1_T01"]);
    assert_eq!(shown["body"]["callback_url"], "ours");
    let (code, text, words) = site.run(&["resolve", "S1_T01"]);
    assert!(code == 7 && text.contains("doubtful"), "{text}{words}");
    let status = site.run(&["status", "--unusable"]);
    holds_no_secret(&site, &serve.token(), &[&out, &err, &shown.to_string(), &text, &words, &status.1, &status.2]);
}

#[test]
fn fals_webhooks_come_as_they_should_or_not() {
    play_all(Door::Fal, &FAL);
}

#[test]
fn arks_callbacks_come_as_they_should_or_not() {
    play_all(Door::Ark, &ARK);
}
