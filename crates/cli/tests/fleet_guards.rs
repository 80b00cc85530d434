//! What could make a fleet pay twice, pay what nobody asks for any more, send a key elsewhere, or turn in circles.
#![allow(clippy::unwrap_used, reason = "a test that fails panics, and may say why")]

#[path = "fleet/ground.rs"]
mod ground;
#[path = "../../render/tests/support/postgres.rs"]
mod postgres;
mod support;

use ground::{Ground, until};
use support::doors::Door;

const RUN: [&str; 4] = ["run", "--no-finish", "--wait-minutes", "1"];
/// Gives the takes to workers and ends.
const GIVE: [&str; 4] = ["run", "--no-finish", "--wait-minutes", "0"];

fn shot(id: &str) -> String {
    format!("[[shot]]\nid = \"{id}\"\nprompt = \"{id} in the rain\"\nduration = 8\n")
}

/// The server's address is the same, and what was paid is gone: a dump that was not restored, a tunnel to another machine.
#[test]
fn a_ledger_that_was_made_anew_is_not_paid_through() {
    let ground = Ground::new(Door::Fal, &shot("A"));
    let worker = ground.worker(&[]);
    assert_eq!(ground.run(&RUN).0, 0);
    drop(worker);
    std::fs::remove_dir_all(ground.site.folder.path().join("takes")).unwrap();
    ground.sql("DROP SCHEMA public CASCADE");
    ground.sql("CREATE SCHEMA public");
    for command in [&RUN[..], &["status"]] {
        let (code, out, err) = ground.run(command);
        assert!(code == 2 && err.contains("made anew") && err.contains("fix: name that one"), "{out}{err}");
    }
    assert_eq!(ground.simulator.posts("A in"), 1);
}

#[test]
fn a_list_without_a_title_shares_no_ledger() {
    let ground = Ground::new(Door::Fal, &shot("A"));
    let list = ground.site.folder.path().join("shots.toml");
    let text = std::fs::read_to_string(&list).unwrap();
    std::fs::write(&list, text.replace("title = \"Kitchen\"\n", "")).unwrap();
    let (code, out, err) = ground.run(&RUN);
    assert!(code == 2 && err.contains("has no title") && err.contains("fix: add title"), "{out}{err}");
}

#[test]
fn what_the_list_does_not_ask_for_any_more_is_taken_back() {
    let ground = Ground::new(Door::Fal, &[shot("A"), shot("B"), shot("C")].concat());
    ground.run(&GIVE);
    assert_eq!(ground.sql("SELECT count(*) FROM errand WHERE outcome IS NULL"), "3");
    ground.site.write(&shot("A"));
    ground.run(&GIVE);
    let _worker = ground.worker(&[]);
    until(|| ground.sql("SELECT count(*) FROM errand WHERE outcome IS NULL") == "0", || "errands stay open".to_owned());
    assert_eq!(["A in", "B in", "C in"].map(|word| ground.simulator.posts(word)), [1, 0, 0]);
}

/// The worker ends between the intent and the sending; to a person that looks like one that waits for its answer.
#[test]
fn nobody_says_not_charged_while_a_request_may_be_under_way() {
    let ground = Ground::new(Door::Proxy('a'), &shot("A"));
    let mut command = ground.worker_command(&["--lease", "3"]);
    command.env("SEEDPOST_CUT", "before_send:1");
    let mut worker = ground.worker_as(command);
    ground.run(&GIVE);
    worker.ends();
    let (code, out, err) = ground.run(&["resolve", "A_T01", "--not-charged"]);
    assert!(code == 7 && err.contains("may still be waiting") && err.contains("--force"), "{out}{err}");
    assert_eq!(ground.state("A_T01"), "unknown");
    let (code, out, err) = ground.run(&["resolve", "A_T01", "--not-charged", "--force"]);
    assert_eq!(code, 0, "{out}{err}");
    let _worker = ground.worker(&[]);
    let (code, out, err) = ground.run(&RUN);
    assert_eq!((code, ground.simulator.posts("A in")), (0, 1), "{out}{err}");
}

/// Whoever can write the ledger must not get the workers' keys.
#[test]
fn an_endpoint_in_the_ledger_sends_no_key_elsewhere() {
    let ground = Ground::new(Door::Fal, &shot("A"));
    ground.run(&GIVE);
    let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let address = elsewhere.local_addr().unwrap();
    ground.sql("ALTER TABLE event DISABLE TRIGGER ALL");
    ground.sql(&format!(
        "UPDATE event SET payload = replace(payload, '\"endpoint\":\"', '\"endpoint\":\"http://{address}/')"
    ));
    let _worker = ground.worker(&[]);
    until(|| ground.simulator.posts("A in") == 1, || "nothing is sent".to_owned());
    assert!(elsewhere.accept().is_err(), "somebody called");
}

#[test]
fn damage_ends_a_take_and_is_not_tried_again_and_again() {
    let ground = Ground::new(Door::Fal, &[shot("A"), shot("B"), shot("C")].concat());
    ground.run(&GIVE);
    ground.sql("UPDATE errand SET work = '{' WHERE take = 'A_T01'");
    ground.sql("ALTER TABLE event DISABLE TRIGGER ALL");
    ground.sql("UPDATE event SET payload = 'x' WHERE take = 'B_T01'");
    let _worker = ground.worker(&["--lease", "3"]);
    until(
        || ground.sql("SELECT count(*) FROM errand WHERE outcome IS NULL") == "0",
        || ground.sql("SELECT take, outcome FROM errand"),
    );
    let broken = ground.sql("SELECT string_agg(take, ' ' ORDER BY take) FROM errand WHERE outcome LIKE '%Broken%'");
    assert_eq!(broken, "A_T01 B_T01");
    let jobs = "SELECT count(*) FROM apalis.jobs WHERE convert_from(job, 'UTF8') LIKE '%A_T01%'";
    assert_eq!(ground.sql(jobs), "1", "one job for what cannot be done");
    assert_eq!(ground.simulator.posts("C in"), 1);
}

/// Takes that only wait for their turn are not queued twice, and takes of a door that nobody goes through not at all.
#[test]
fn what_waits_its_turn_is_in_the_queue_once() {
    let list: String = (1..=30).map(|number| shot(&format!("S{number}"))).collect();
    let ground = Ground::queueing(2, &list);
    let mut command = ground.worker_command(&["--lease", "3", "--concurrency", "1"]);
    command.env("SEEDPOST_KEY_LIMIT", "30");
    ground.run(&GIVE);
    let _worker = ground.worker_as(command);
    let waiting = "SELECT coalesce(max(count), 0) FROM (SELECT count(*) FROM apalis.jobs WHERE status = 'Pending'
         AND job_type LIKE 'seedpost:public:%' GROUP BY substring(convert_from(job, 'UTF8') FROM 'S[0-9]+_T01')) AS each";
    let mut most = 0;
    until(
        || {
            most = most.max(ground.sql(waiting).parse::<u32>().unwrap());
            ground.sql("SELECT count(*) FROM errand WHERE outcome IS NULL") == "0"
        },
        || ground.sql("SELECT take, ticket, outcome FROM errand"),
    );
    assert_eq!(most, 1, "jobs of one take in the queue at once");
    assert_eq!(ground.simulator.bills().len(), 30);
}
