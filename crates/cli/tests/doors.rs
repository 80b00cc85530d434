//! One suite that every provider passes, in each of its forms: a list goes through, is paid for once, fails where it
//! should, is found again, and is cancelled.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

mod support;

use serde_json::{Value, json};
use support::doors::{Door, KEY, Site, canned, holds_no_key};
use support::{Simulator, files};

/// A shot of each mode that goes without a video, which Ark and proxies read from an address only.
const SHOTS: &str = r#"
[[shot]]
id = "TEXT"
prompt = "A quiet kitchen"
duration = 4

[[shot]]
id = "FRAMES"
prompt = "The chef turns"
duration = 5
first_frame = "refs/chef.jpg"
last_frame = "refs/chef.jpg"

[[shot]]
id = "REFERENCES"
prompt = "@Image1 says @Audio1"
duration = 8
images = ["refs/chef.jpg"]
audios = ["refs/host.wav"]
language = "en"

[[shot]]
id = "REFUSED"
prompt = "A face that is known"
duration = 4
"#;

fn each(test: impl Fn(&Simulator, Door) + Sync) {
    let folder = tempfile::tempdir().unwrap();
    let simulator = canned(folder.path());
    std::thread::scope(|scope| {
        for door in Door::ALL {
            let (test, simulator) = (&test, &simulator);
            scope.spawn(move || test(simulator, door));
        }
    });
}

/// The bills that a door's own list made: every list has a word of its own.
fn own_list(door: Door) -> (String, String) {
    let word = format!("for{door:?}").replace(['(', ')', '\''], "");
    let shots = SHOTS.replace("prompt = \"", &format!("prompt = \"{word} "));
    (word, shots)
}

#[test]
fn a_list_goes_through_every_door_and_is_paid_once() {
    each(|simulator, door| {
        let (word, shots) = own_list(door);
        simulator.fault(&json!({ "call": "render", "fault": "fail", "reason": "face", "prompt": format!("{word} A face"), "form": door.form() }));
        let site = Site::new(door, simulator, &shots).with_references();
        let (code, out, err) = site.run(&["run", "--no-finish"]);
        assert_eq!(code, 8, "{door:?}: {out}{err}");
        for take in ["TEXT_T01", "FRAMES_T01", "REFERENCES_T01"] {
            assert_eq!(site.take(take)["state"], "done", "{door:?}: {out}{err}");
            assert!(site.clip(take).exists());
        }
        let refused = site.take("REFUSED_T01");
        assert_eq!(refused["state"], "failed", "{door:?}");
        assert!(refused["detail"].as_str().unwrap().starts_with("moderated"), "{door:?}: {refused}");
        assert_eq!(simulator.charges(&word), 3, "{door:?}");
        assert!(err.contains("fix: "), "{door:?}: {err}");

        let posts = simulator.posts(&word);
        // The takes that are first at a proxy of that shape find that the usual path is not there.
        assert!(if door == Door::Proxy('d') { (5..=6).contains(&posts) } else { posts == 4 }, "{door:?}: {posts}");
        let (code, _, _) = site.run(&["run", "--no-finish"]);
        assert_eq!((code, simulator.posts(&word)), (8, posts), "{door:?}: nothing is sent again");
        site.holds_no_key();
        no_key_leaves(simulator);
    });
}

/// The key goes to the API, and to no media host.
fn no_key_leaves(simulator: &Simulator) {
    for request in simulator.requests() {
        let path = request["path"].as_str().unwrap();
        let has_key = !request["headers"]["authorization"].is_null();
        assert_eq!(has_key, !path.starts_with("/cdn/"), "{request}");
        assert!(!request.to_string().contains(KEY), "{request}");
    }
}

#[test]
fn a_job_is_cancelled_where_the_provider_can() {
    each(|simulator, door| {
        let word = format!("stall{door:?}").replace(['(', ')', '\''], "");
        simulator.fault(&json!({ "call": "render", "fault": "stall", "prompt": word, "form": door.form() }));
        let shot = format!("[[shot]]\nid = \"S1\"\nprompt = \"{word}\"\nduration = 4\n");
        let site = Site::new(door, simulator, &shot);
        assert_eq!(site.run(&["run", "--no-finish", "--wait-minutes", "0"]).0, 6);
        let (code, out, err) = site.run(&["cancel", "S1_T01"]);
        let state = site.take("S1_T01");
        if matches!(door, Door::Proxy(_)) {
            assert_eq!((code, state["state"].as_str()), (6, Some("rendering")), "{door:?}: {out}{err}");
            assert!(err.contains("cannot cancel") && err.contains("fix: "), "{err}");
            return;
        }
        assert_eq!((code, state["state"].as_str()), (0, Some("failed")), "{door:?}: {out}{err}");
        assert!(state["detail"].as_str().unwrap().starts_with("cancelled"), "{state}");
        // What was cancelled is not ordered again by itself.
        site.run(&["run", "--no-finish"]);
        assert_eq!(simulator.posts(&word), 1, "{door:?}");
    });
}

/// Where the list of requests tells nothing at first, a person is asked, and shown what the list has then.
#[test]
fn a_person_settles_what_the_program_cannot() {
    each(|simulator, door| {
        if door == Door::Proxy('d') {
            // What is lost there first is the answer that the usual path is not there.
            return;
        }
        let word = format!("lost{door:?}").replace(['(', ')', '\''], "");
        simulator.fault(&json!({ "call": "submit", "fault": "drop_after", "prompt": word, "form": door.form() }));
        let shot = format!("[[shot]]\nid = \"S1\"\nprompt = \"{word}\"\nduration = 4\n");
        let site = Site::new(door, simulator, &shot);
        let (code, out, err) = site.run(&["run", "--no-finish"]);
        let adopted = !matches!(door, Door::Proxy(_));
        assert_eq!(code, if adopted { 0 } else { 7 }, "{door:?}: {out}{err}");
        assert_eq!((simulator.posts(&word), simulator.charges(&word)), (1, 1), "{door:?}");
        if adopted {
            return;
        }
        let shown = site.json(&["resolve", "S1_T01"]);
        assert_eq!((&shown["found"], shown["state"].as_str()), (&Value::Null, Some("unknown")), "{door:?}");
        let (code, out, _) = site.run(&["resolve", "S1_T01"]);
        assert!(code == 7 && out.contains("no list of requests"), "{door:?}: {out}");
        let (code, _, err) = site.run(&["resolve", "S1_T01", "--charged", "no-such-id"]);
        assert!(code == 2 && err.contains("does not answer for no-such-id"), "{door:?}: {err}");
        let bills = simulator.bills();
        let bill = bills.iter().find(|bill| bill["input"].to_string().contains(&word)).unwrap();
        let (code, _, err) = site.run(&["resolve", "S1_T01", "--charged", bill["request_id"].as_str().unwrap()]);
        assert_eq!(code, 0, "{door:?}: {err}");
        let (code, out, err) = site.run(&["run", "--no-finish"]);
        assert_eq!((code, simulator.posts(&word)), (0, 1), "{door:?}: {out}{err}");
    });
}

#[test]
fn an_address_without_tls_gets_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = canned(folder.path());
    for (door, name) in
        [(Door::Fal, "SEEDPOST_FAL_URL"), (Door::Ark, "SEEDPOST_ARK_URL"), (Door::Proxy('a'), "SEEDANCE_API_BASE")]
    {
        let site = Site::new(door, &simulator, "[[shot]]\nid = \"S1\"\nprompt = \"p\"\nduration = 4\n");
        let mut command = site.command(&["run"]);
        let (code, _, err) = support::outcome(command.env(name, "http://proxy.example.com/v1").output().unwrap());
        assert_eq!(code, 2, "{err}");
        assert!(err.contains("without TLS") && err.contains("fix: "), "{err}");
        let (code, _, err) = support::outcome(site.command(&["run"]).env_remove(door.key()).output().unwrap());
        assert!(code == 2 && err.contains(&format!("{} is not set", door.key())), "{err}");
    }
}

/// Everything that a whole job leaves behind and says: facts, packages, timelines, tables, a ledger. The harness looks
/// through what is said, and here through every file.
#[test]
fn a_whole_job_leaves_no_key_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = canned(folder.path());
    for door in Door::PROVIDERS {
        let (_, shots) = own_list(door);
        let site = Site::new(door, &simulator, &shots).with_references();
        for arguments in [
            &["check"][..],
            &["plan", "--json"],
            &["run", "--progress", "json"],
            &["status", "--json"],
            &["status", "--hosts"],
            &["status", "--unusable"],
            &["resolve", "TEXT_T01"],
            &["turnover", "--json"],
            &["export", "--out", "cut"],
            &["doctor"],
        ] {
            site.run(arguments);
        }
        assert!(site.folder.path().join("takes/TEXT/T01/facts.json").exists(), "{door:?}");
        assert!(site.folder.path().join("turnover/Kitchen_v001/manifest.json").exists(), "{door:?}");
        site.holds_no_key();
    }
    // Nor does the simulator keep any.
    let kept = files(folder.path());
    assert!(kept.iter().any(|path| path.ends_with("jobs.jsonl")), "{kept:?}");
    holds_no_key(&kept);
}

/// fal's stream tells each line of the log as it comes; polling tells them too.
#[test]
fn logs_are_shown_while_a_job_renders() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(folder.path());
    for arguments in [&["run", "--no-finish", "--follow"][..], &["run", "--no-finish"]] {
        let site = Site::new(Door::Fal, &simulator, "[[shot]]\nid = \"S1\"\nprompt = \"a\"\nduration = 15\n");
        let (code, out, err) = site.run(arguments);
        assert_eq!(code, 0, "{out}{err}");
        assert!(err.contains("rendering  sampling"), "{arguments:?}: {err}");
    }
    let streamed = |request: &&Value| request["path"].as_str().unwrap().ends_with("/status/stream");
    assert_eq!(simulator.requests().iter().filter(streamed).count(), 1);
}
