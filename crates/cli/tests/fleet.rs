//! The fleet as a user has it: a machine with the list and no key, a Postgres, a store, and workers with the key.
//!
//! What is asserted is what others tell: the simulator's bills and requests, files, rows by psql, Prometheus' text.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

#[path = "fleet/ground.rs"]
mod ground;
#[path = "../../render/tests/support/postgres.rs"]
mod postgres;
mod support;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use ground::{Ground, sha256, until};
use postgres::Postgres;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use support::doors::{Door, Site, canned, holds_no_key};
use support::{files, outcome, tool};

const RUN: [&str; 4] = ["run", "--no-finish", "--wait-minutes", "1"];

fn shot(id: &str, keys: &str) -> String {
    format!("[[shot]]\nid = \"{id}\"\nprompt = \"{id} in the rain\"\nduration = 8\n{keys}\n")
}

/// The files of a project that a user sees, by name, with what they hold but for the moment at which the clip came:
/// that stands in the `bext` chunk of a stem, and so in its digest.
fn product(site: &Site) -> BTreeMap<String, String> {
    let root = site.folder.path().join("takes");
    let named = |path: &std::path::PathBuf| path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
    let held = |path: &std::path::PathBuf| match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => {
            let mut facts: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            facts["from"]["label"].take();
            facts["stems"].as_array_mut().unwrap().iter_mut().for_each(|stem| drop(stem["sha256"].take()));
            facts.to_string()
        }
        Some("wav") => {
            let mut bytes = std::fs::read(path).unwrap();
            assert_eq!(&bytes[12..16], b"bext");
            bytes[340..358].fill(0);
            format!("{:x}", Sha256::digest(bytes))
        }
        _ => sha256(path),
    };
    files(&root).iter().map(|path| (named(path), held(path))).collect()
}

#[test]
fn ten_takes_by_two_workers_come_out_as_on_one_machine() {
    let list = [shot("A", "takes = 4"), shot("B", "takes = 3"), shot("C", "takes = 3")].concat();
    let ground = Ground::queueing(2, &list);
    let alone = tempfile::tempdir().unwrap();
    let simulator = canned(alone.path());
    let local = Site::new(Door::Fal, &simulator, &list);
    let here = local.run(&["run", "--no-separation", "--wait-minutes", "1"]);

    let workers = [ground.worker(&["--concurrency", "1"]), ground.worker(&["--concurrency", "1"])];
    let there = ground.run(&["run", "--no-separation", "--wait-minutes", "1", "--progress", "json"]);
    assert_eq!((there.0, &there.1), (here.0, &here.1), "{}{}", there.2, here.2);
    // The canned clip is not what was promised.
    assert_eq!(here.0, 4, "{}", here.2);
    assert_eq!(product(&ground.site), product(&local));
    assert_eq!((ground.simulator.bills().len(), ground.simulator.posts("rain")), (10, 10));
    // Both did their part, and every take was told stage by stage.
    for worker in &workers {
        assert!(worker.said().contains("submitted"), "{}", worker.said());
    }
    let stages = |take: &str| -> Vec<String> {
        let lines = there.2.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["take"] == take).map(|line| line["stage"].as_str().unwrap().to_owned()).collect()
    };
    for take in ["A_T01", "A_T04", "B_T02", "C_T03"] {
        assert_eq!(stages(take), ["submit", "submitted", "rendered", "done", "billed"], "{}", there.2);
    }
    let sum: u64 = ground.simulator.bills().iter().map(|bill| bill["micros"].as_u64().unwrap()).sum();
    assert_eq!(ground.sql("SELECT committed_micros FROM budget"), sum.to_string());
    assert_eq!(ground.sql("SELECT count(*) FROM place"), "0");

    // A second run finds everything as it should be, and asks nobody for anything.
    let (requests, jobs) = (ground.simulator.requests().len(), ground.sql("SELECT count(*) FROM apalis.jobs"));
    let (code, out, err) = ground.run(&["run", "--no-separation", "--wait-minutes", "1"]);
    assert!(code == 4 && out.contains("nothing to do: every take stands as it should"), "{out}{err}");
    assert_eq!((ground.simulator.requests().len(), ground.sql("SELECT count(*) FROM apalis.jobs")), (requests, jobs));

    let (code, out, err) = ground.run(&["ledger", "verify"]);
    assert_eq!(code, 0, "{out}{err}");
    holds_no_key(&files(ground.folder.path()));
    holds_no_key(&files(ground.site.folder.path()));
    let everything = tool("pg_dump", &["--inserts", &ground.ledger]);
    assert!(everything.contains("A in the rain") && !everything.contains(support::doors::KEY));
}

#[test]
fn supplied_files_go_through_the_store_and_arrive_as_they_are() {
    let keys = "images = [\"refs/chef.jpg\"]\naudios = [\"refs/host.wav\"]";
    let list = shot("A", keys).replace("in the rain", "@Image1 says @Audio1").replace("= 8", "= 4");
    let folder = tempfile::tempdir().unwrap();
    let simulator = support::Simulator::start(folder.path());
    let ground = Ground::at(folder, simulator, Door::Fal, &list);
    let site = &ground.site;
    support::copy_folder(&support::repository("fixtures/demo/refs"), &site.folder.path().join("refs"));
    let _worker = ground.worker(&[]);
    let (code, out, err) = ground.run(&["run", "--no-separation", "--wait-minutes", "1"]);
    assert_eq!(code, 0, "{out}{err}");
    for name in ["chef.jpg", "host.wav"] {
        let digest = sha256(&site.folder.path().join("refs").join(name));
        assert_eq!(sha256(&ground.store().join("references").join(&digest)), digest, "{name}");
        let uploaded = files(&ground.folder.path().join("simulator"));
        let same = uploaded.iter().filter(|path| path.ends_with(name) && sha256(path) == digest).count();
        assert_eq!(same, 1, "{name}: {uploaded:?}");
        let hosts = ground.run(&["status", "--hosts"]).1;
        assert!(hosts.contains(name) && hosts.contains(&digest), "{hosts}");
    }
    let clip = site.clip("A_T01");
    let kept = files(&ground.store().join("takes/A/T01"));
    assert!(kept.len() == 1 && sha256(&kept[0]) == sha256(&clip), "{kept:?}");
    // It was finished here, with the sound that was supplied.
    let facts = std::fs::read_to_string(clip.with_file_name("facts.json")).unwrap();
    assert!(facts.contains("host.wav") && facts.contains(&sha256(&clip)), "{facts}");
    // Every file was handed over by who has the key.
    let handed: Vec<Value> = ground.simulator.requests();
    assert!(handed.iter().filter(|request| request["method"] == "PUT").count() == 2);
    holds_no_key(&files(site.folder.path()));
}

#[test]
fn chains_and_retries_work_over_the_fleet() {
    let retry = "retry = [\"1.5-pro\", \"shorter\"]\ntier = \"standard\"";
    let list = [shot("B", "first_frame_from = \"A\""), shot("A", retry)].concat();
    let ground = Ground::new(Door::Fal, &list);
    let fail = json!({ "call": "render", "fault": "fail", "reason": "audio", "prompt": "A in the rain", "times": 2 });
    ground.simulator.fault(&fail);
    let _workers = [ground.worker(&[]), ground.worker(&[])];
    let (code, out, err) = ground.run(&RUN);
    assert_eq!(code, 0, "{out}{err}");
    let stands = |take: &str| {
        let take = ground.take(take);
        (take["state"].as_str().unwrap().to_owned(), take["follows"].clone(), take["change"].clone())
    };
    assert_eq!(stands("A_T01"), ("failed".into(), Value::Null, Value::Null));
    assert_eq!(stands("A_T02"), ("failed".into(), json!("A_T01"), json!("seedance-1.5-pro")));
    assert_eq!(stands("A_T03"), ("done".into(), json!("A_T01"), json!("6 s")));
    assert_eq!(stands("B_T01").0, "done");
    assert_eq!((ground.simulator.posts("A in"), ground.simulator.posts("B in")), (3, 1));
    // The next shot began with the last frame of the clip, as that lies on the user's machine.
    let frame = ground.site.clip("A_T03").with_file_name("last_frame.png");
    let uploaded = files(&ground.folder.path().join("simulator"));
    assert!(uploaded.iter().any(|path| sha256(path) == sha256(&frame)), "{uploaded:?}");
}

#[test]
fn the_other_commands_work_on_the_shared_ledger() {
    let sweep = shot("A", "tier = \"standard\"\ndraft = true\ntakes = 2\nintent = \"social\"");
    let ground = Ground::queueing(4, &[sweep, shot("B", "")].concat());
    let _worker = ground.worker(&[]);
    let mut run = ground.begin(&RUN);
    until(|| ground.state("B_T01") == "rendering", || run.said());
    let (code, out, err) = ground.with_key(&["cancel", "B_T01"]);
    assert!(code == 0 && out.contains("cancelled"), "{out}{err}");
    let (code, said) = run.ends();
    assert_eq!(code, 8, "{said}");
    assert_eq!(
        (ground.state("A_T01"), ground.state("A_T02"), ground.state("B_T01")),
        ("done".into(), "done".into(), "failed".into())
    );

    let (code, out, err) = ground.run(&["promote", "A", "2"]);
    assert_eq!(code, 0, "{out}{err}");
    ground.site.write(&shot("A", "tier = \"standard\"\ndraft = true\ntakes = 2\nintent = \"social\""));
    let (code, out, err) = ground.run(&RUN);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(ground.take("A_T03")["follows"], "A_T02");
    assert_eq!(ground.simulator.posts("A in"), 3);
    let table = ground.run(&["status"]).1;
    assert!(table.contains("A_T03") && table.contains("B_T01"), "{table}");
}

#[test]
fn a_payment_that_nobody_knows_of_is_settled_from_the_users_machine() {
    let ground = Ground::new(Door::Proxy('a'), &[shot("A", ""), shot("B", "")].concat());
    ground.simulator.fault(&json!({ "call": "submit", "fault": "drop_after", "prompt": "A in" }));
    let _worker = ground.worker(&[]);
    let (code, out, err) = ground.run(&RUN);
    assert!(code == 7 && err.contains("seedpost resolve"), "{out}{err}");
    assert_eq!((ground.state("A_T01"), ground.state("B_T01")), ("unknown".into(), "done".into()));
    assert_eq!(ground.run(&RUN).0, 7);
    assert_eq!(ground.simulator.posts("A in"), 1, "what may be paid is not sent again");
    let (code, out, err) = ground.run(&["resolve", "A_T01", "--not-charged"]);
    assert_eq!(code, 0, "{out}{err}");
    let (code, out, err) = ground.run(&RUN);
    assert_eq!((code, ground.simulator.posts("A in")), (0, 2), "{out}{err}");
    assert_eq!(ground.state("A_T01"), "done");
}

/// A bill may come hours late, and the user's machine has no key to ask for it.
#[test]
fn bills_that_come_late_are_read_by_workers() {
    let ground = Ground::new(Door::Fal, &shot("A", ""));
    ground.simulator.fault(&json!({ "call": "billing", "fault": "answer", "status": 404, "body": {}, "times": 0 }));
    let _worker = ground.worker(&[]);
    let (code, out, err) = ground.run(&RUN);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(ground.take("A_T01")["usd_micros_charged"], Value::Null);
    ground.simulator.forget_faults();
    assert_eq!(ground.run(&RUN).0, 0);
    let bill = ground.simulator.bills()[0]["micros"].clone();
    until(|| ground.take("A_T01")["usd_micros_charged"] == bill, || "the bill is not read".to_owned());
    assert_eq!(ground.simulator.posts("rain"), 1);
}

#[test]
fn a_limit_that_allows_three_of_ten_sends_three() {
    let ground = Ground::new(Door::Fal, &shot("A", "takes = 10"));
    let _workers = [(); 4].map(|()| ground.worker(&["--concurrency", "10"]));
    let plan: Value = serde_json::from_str(&ground.run(&["plan", "--json"]).1).unwrap();
    let price = plan["usd_micros"].as_u64().unwrap() / 10;
    let limit = price * 3 + price / 2;
    let budget = format!("{}.{:06}", limit / 1_000_000, limit % 1_000_000);
    let (code, out, err) = ground.run(&[&RUN[..], &["--budget", &budget]].concat());
    assert_eq!(code, 5, "{out}{err}");
    assert_eq!((ground.simulator.posts("rain"), ground.simulator.bills().len()), (3, 3));
    assert_eq!(ground.sql("SELECT count(*) FROM event WHERE kind = 'submit_intended'"), "3");
    let sum: u64 = ground.simulator.bills().iter().map(|bill| bill["micros"].as_u64().unwrap()).sum();
    assert_eq!(ground.sql("SELECT committed_micros, limit_micros FROM budget"), format!("{sum}|{limit}"));
    assert!(err.contains("raise [budget] limit_usd or --budget"), "{err}");
    assert_eq!(ground.run(&["ledger", "verify"]).0, 0);
}

/// From a job's request to the reading of its result it holds a place, by the simulator's own journal.
fn most_at_once(requests: &[Value]) -> (usize, usize) {
    let (mut open, mut most, mut read) = (0_usize, 0, std::collections::BTreeSet::new());
    for request in requests {
        let path = request["path"].as_str().unwrap();
        if request["method"] == "POST" && request["body"]["prompt"].is_string() {
            open += 1;
            most = most.max(open);
        } else if request["method"] == "GET"
            && path.contains("/requests/")
            && !path.ends_with("/status")
            && read.insert(path.to_owned())
        {
            open -= 1;
        }
    }
    (most, read.len())
}

#[test]
fn a_key_that_has_room_for_two_never_has_three() {
    let list = shot("A", "takes = 12\nimages = [\"refs/chef.jpg\"]").replace("in the rain", "@Image1 in the rain");
    let ground = Ground::queueing(1, &list);
    support::copy_folder(&support::repository("fixtures/demo/refs"), &ground.site.folder.path().join("refs"));
    let limited = || {
        let mut command = ground.worker_command(&[]);
        command.env("SEEDPOST_KEY_LIMIT", "2");
        ground.worker_as(command)
    };
    let _workers = [limited(), limited(), limited()];
    let (code, out, err) = ground.run(&RUN);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(most_at_once(&ground.simulator.requests()), (2, 12));
    // Nothing is handed over for a take that has to wait, but where several see the same room; and by each worker once.
    assert!(ground.simulator.requests().iter().filter(|request| request["method"] == "PUT").count() <= 3);
    let handed: usize = ground.sql("SELECT count(*) FROM event WHERE kind = 'sent'").parse().unwrap();
    assert!((12..=48).contains(&handed), "{handed} files for 12 requests");
    assert!(err.contains("waits      2 takes are under way or unknown under this key"), "{err}");
    assert_eq!(ground.simulator.bills().len(), 12);
    assert_eq!(ground.sql("SELECT count(*) FROM place"), "0");
}

/// A command that is refused: its exit code and words, and nothing was sent.
fn refused(ground: &Ground, ran: (i32, String, String), code: i32, words: &[&str]) {
    let (found, out, err) = ran;
    assert_eq!(found, code, "{out}{err}");
    for words in words.iter().chain(&["fix: "]) {
        assert!(err.contains(words), "{words:?} is not in {err}");
    }
    assert_eq!(ground.simulator.requests().len(), 0);
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_sent() {
    let ground = Ground::new(Door::Fal, &shot("A", ""));
    let with = |name: &str, value: &str| {
        let mut command = ground.client(&RUN);
        command.env(name, value);
        outcome(command.output().unwrap())
    };
    let mut without = ground.client(&RUN);
    without.env_remove("SEEDPOST_STORE");
    refused(&ground, outcome(without.output().unwrap()), 2, &["need a store", "--store file:///folder"]);
    refused(&ground, with("SEEDPOST_STORE", "file:///no/such/folder"), 2, &["/no/such/folder", "a store is a folder"]);
    refused(&ground, with("SEEDPOST_STORE", "ftp://elsewhere/x"), 2, &["a store is file:///"]);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let words = [&format!("postgres://{nobody}/kitchen"), "check that the server runs"];
    refused(&ground, with("SEEDPOST_LEDGER", &format!("postgres://me:s3cr3t@{nobody}/kitchen")), 70, &words);
    refused(&ground, with("SEEDPOST_LEDGER", "kitchen"), 2, &["the address of the ledger", "postgres://user"]);
    refused(&ground, with("SEEDPOST_LEDGER", "mysql://me:s3cr3t@db/kitchen"), 2, &["the address of the ledger"]);
    refused(&ground, with("SEEDPOST_LEDGER", &format!("{}_not", ground.ledger)), 70, &["does not exist"]);
    let schema = format!("{}?options=-csearch_path%3Dnowhere", ground.ledger);
    refused(&ground, with("SEEDPOST_LEDGER", &schema), 2, &["no such schema", "CREATE SCHEMA"]);

    // A worker without keys, without a ledger, and of a file.
    let plain = |name: &str, value: &str| {
        let mut command = ground.worker_command(&[]);
        if value.is_empty() {
            command.env_remove(name)
        } else {
            command.env(name, value)
        };
        outcome(command.output().unwrap())
    };
    refused(&ground, plain("FAL_KEY", ""), 2, &["has none", "FAL_KEY"]);
    refused(&ground, plain("SEEDPOST_FAL_URL", "http://far.example.com"), 2, &["TLS"]);
    refused(&ground, plain("SEEDPOST_LEDGER", ""), 2, &["a worker needs a ledger", "--ledger postgres://"]);
    refused(&ground, plain("SEEDPOST_STORE", ""), 2, &["need a store"]);
}

#[test]
fn a_store_that_cannot_be_written_is_refused() {
    let ground = Ground::new(Door::Fal, &shot("A", ""));
    let file = ground.folder.path().join("file");
    std::fs::write(&file, "not a folder").unwrap();
    // Nobody makes files in /proc, whoever he is.
    for (store, words) in [(file.to_str().unwrap(), "no folder"), ("/proc", "/proc")] {
        for mut command in [ground.client(&RUN), ground.worker_command(&[])] {
            command.env("SEEDPOST_STORE", format!("file://{store}"));
            refused(&ground, outcome(command.output().unwrap()), 2, &[words]);
        }
    }
    assert_eq!(ground.sql("SELECT count(*) FROM pg_tables WHERE tablename = 'production'"), "1");
    assert_eq!(ground.sql("SELECT count(*) FROM production"), "0", "nobody has begun");
}

/// A worker that sees another folder under the same name: the run tells what is wrong while it waits.
#[test]
fn what_keeps_a_worker_from_a_take_is_told_where_it_is_waited_for() {
    let list = shot("A", "images = [\"refs/chef.jpg\"]").replace("in the rain", "@Image1 cooks");
    let ground = Ground::new(Door::Fal, &list);
    support::copy_folder(&support::repository("fixtures/demo/refs"), &ground.site.folder.path().join("refs"));
    std::fs::create_dir(ground.folder.path().join("elsewhere")).unwrap();
    let mut command = ground.worker_command(&["--lease", "3"]);
    command.env("SEEDPOST_STORE", format!("file://{}/elsewhere", ground.folder.path().display()));
    let _worker = ground.worker_as(command);
    let mut run = ground.begin(&RUN);
    run.says("A_T01  waits");
    run.says("nothing stands under references/");
    run.signal("INT");
    assert_eq!((run.ends().0, ground.simulator.requests().len()), (130, 0));
}

#[test]
fn a_password_is_never_told() {
    let postgres = Postgres::shared();
    postgres.sql(&postgres.address("postgres"), "CREATE USER guarded PASSWORD 'Qv8secret'");
    postgres.sql(&postgres.address("postgres"), "CREATE DATABASE guarded OWNER guarded");
    let ground = Ground::new(Door::Fal, &shot("A", ""));
    let address = |password: &str| {
        let open = postgres.address("guarded");
        open.replace("seedpost@", &format!("guarded:{password}@"))
    };
    let run = |password: &str, arguments: &[&str]| {
        let mut command = ground.client(arguments);
        command.env_remove("SEEDPOST_LEDGER").args(["--ledger", &address(password)]);
        outcome(command.output().unwrap())
    };
    let wrong = run("Qv8wrong", &RUN);
    assert!(!format!("{wrong:?}").contains("Qv8wrong"), "{wrong:?}");
    refused(&ground, wrong, 70, &["password authentication failed"]);
    let mut command = ground.worker_command(&[]);
    command.env("SEEDPOST_LEDGER", address("Qv8secret"));
    let worker = ground.worker_as(command);
    let ran = run("Qv8secret", &RUN);
    assert_eq!(ran.0, 0, "{ran:?}");
    let told = [format!("{ran:?}"), worker.said(), format!("{:?}", run("Qv8secret", &["status", "--json"]))];
    assert!(told.iter().all(|text| !text.contains("Qv8")), "{told:?}");
    for path in files(ground.site.folder.path()).iter().chain(&files(ground.folder.path())) {
        assert!(!String::from_utf8_lossy(&std::fs::read(path).unwrap()).contains("Qv8"), "{}", path.display());
    }
}

#[test]
fn payments_stand_in_one_ledger() {
    let ground = Ground::new(Door::Fal, &shot("A", ""));
    let elsewhere = |ledger: Option<&str>| {
        let mut command = ground.client(&RUN);
        match ledger {
            Some(ledger) => command.env("SEEDPOST_LEDGER", ledger),
            None => command.env_remove("SEEDPOST_LEDGER"),
        };
        outcome(command.output().unwrap())
    };
    let worker = ground.worker(&[]);
    assert_eq!(ground.run(&RUN).0, 0);
    drop(worker);
    let sent = ground.simulator.requests().len();
    // Without it, and with another one: the first is named.
    for ledger in [None, Some(Postgres::shared().url())] {
        let (code, out, err) = elsewhere(ledger.as_deref());
        assert!(code == 2 && err.contains("the payments of this project stand in postgres://127.0.0.1:"), "{out}{err}");
        assert!(err.contains("fix: name"), "{err}");
    }
    // Another production in the same database; in a schema of its own it has room.
    let other = Site::new(Door::Fal, &ground.simulator, &format!("{}\n", shot("B", "")));
    let list = std::fs::read_to_string(other.folder.path().join("shots.toml")).unwrap();
    std::fs::write(other.folder.path().join("shots.toml"), list.replace("Kitchen", "Another")).unwrap();
    let as_other = |ledger: &str| {
        let mut command = ground.client(&["status"]);
        outcome(command.current_dir(other.folder.path()).env("SEEDPOST_LEDGER", ledger).output().unwrap())
    };
    let (code, out, err) = as_other(&ground.ledger);
    assert!(code == 2 && err.contains("a ledger serves one production") && err.contains("schema"), "{out}{err}");
    ground.sql("CREATE SCHEMA another");
    let schema = format!("{}?options=-csearch_path%3Danother,public", ground.ledger);
    let (code, out, err) = as_other(&schema);
    assert_eq!(code, 0, "{out}{err}");

    // A project that has paid by itself does not begin anew with a fleet.
    let alone = Site::new(Door::Fal, &ground.simulator, &shot("A", ""));
    assert_eq!(alone.run(&RUN).0, 0);
    let paid = ground.simulator.bills().len();
    let mut command = ground.client(&RUN);
    let command = command.current_dir(alone.folder.path()).env("SEEDPOST_LEDGER", Postgres::shared().url());
    let (code, out, err) = outcome(command.output().unwrap());
    assert!(code == 2 && err.contains("ledger.db") && err.contains("fix: leave --ledger"), "{out}{err}");
    assert_eq!(ground.simulator.bills().len(), paid);
    assert!(ground.simulator.requests().len() > sent);
}

#[test]
fn a_server_that_does_not_wait_for_its_disk_is_refused() {
    let postgres = Postgres::start();
    let address = postgres.url();
    postgres.sql(&address, "ALTER SYSTEM SET fsync = off");
    postgres.sql(&address, "SELECT pg_reload_conf()");
    until(|| postgres.sql(&address, "SHOW fsync") == "off", || "fsync stays on".to_owned());
    let ground = Ground::new(Door::Fal, &shot("A", ""));
    let mut command = ground.client(&RUN);
    refused(&ground, outcome(command.env("SEEDPOST_LEDGER", &address).output().unwrap()), 70, &["fsync", "fsync = on"]);
    let mut command = ground.worker_command(&[]);
    refused(&ground, outcome(command.env("SEEDPOST_LEDGER", &address).output().unwrap()), 70, &["fsync"]);
}

#[test]
fn takes_wait_for_workers_that_come_later() {
    let ground = Ground::new(Door::Fal, &shot("A", "takes = 3"));
    let mut run = ground.begin(&RUN);
    run.says("no worker is at work on this ledger: start one with `seedpost worker`");
    run.signal("INT");
    let (code, said) = run.ends();
    assert_eq!(code, 130, "{said}");
    assert!(said.contains("run the same command again"), "{said}");
    assert_eq!(ground.simulator.requests().len(), 0);
    let (code, out, err) = ground.run(&["run", "--no-finish", "--wait-minutes", "0"]);
    assert!(code == 6 && err.contains("workers are still at it"), "{out}{err}");

    // Nobody follows, and they are rendered all the same.
    let _worker = ground.worker(&[]);
    let done = || ground.sql("SELECT count(*) FROM event WHERE kind = 'downloaded'") == "3";
    until(done, || "they are not rendered".to_owned());
    let ended = || ground.sql("SELECT count(*) FROM errand WHERE outcome IS NULL") == "0";
    until(ended, || "they do not end".to_owned());
    assert!(!ground.site.clip("A_T01").exists());
    let requests = ground.simulator.requests().len();
    let (code, out, err) = ground.run(&RUN);
    assert_eq!(code, 0, "{out}{err}");
    assert!(["A_T01", "A_T02", "A_T03"].iter().all(|take| ground.site.clip(take).exists()));
    assert_eq!((ground.simulator.requests().len(), ground.simulator.bills().len()), (requests, 3));
}

#[test]
fn a_worker_that_is_ended_gives_its_takes_to_the_others() {
    let ground = Ground::queueing(3, &shot("A", "takes = 4"));
    let mut first = ground.worker(&["--lease", "600"]);
    let mut run = ground.begin(&RUN);
    let submitted = || ground.sql("SELECT count(*) FROM event WHERE kind = 'submitted'") == "4";
    until(submitted, || first.said());
    first.signal("TERM");
    let begun = Instant::now();
    let (code, said) = first.ends();
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("the rest is given back") && begun.elapsed() < Duration::from_secs(5), "{said}");
    assert!(run.is_running());
    let second = ground.worker(&["--lease", "600"]);
    let (code, said) = run.ends();
    assert_eq!(code, 0, "{said}");
    // Long before the lease, each of them by the other worker, and nothing twice.
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert_eq!(second.said().matches("stage=\"done\"").count(), 4, "{}", second.said());
    assert_eq!((ground.simulator.posts("rain"), ground.simulator.bills().len()), (4, 4));
}

#[test]
fn a_worker_takes_only_what_it_has_a_key_for() {
    let ground = Ground::new(Door::Fal, &shot("A", "takes = 3"));
    let other = ground.worker_without_key();
    let (code, out, err) = ground.run(&RUN);
    assert_eq!(code, 6, "{out}{err}");
    assert!(err.contains("A_T01: no worker that is at work has FAL_KEY"), "{err}");
    assert_eq!(ground.simulator.requests().len(), 0);
    // Beside one that has it all is done.
    let _worker = ground.worker(&[]);
    let (code, out, err) = ground.run(&RUN);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(ground.simulator.bills().len(), 3);
    assert!(!other.said().contains("A_T0"), "{}", other.said());
}

/// The samples of Prometheus' text, by name and labels.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
        (name.to_owned(), value.parse().unwrap_or_else(|_| panic!("no number: {line}")))
    };
    lines.map(sample).collect()
}

#[test]
fn what_a_worker_counts_is_what_happened() {
    let ground = Ground::new(Door::Fal, &[shot("A", "takes = 3"), shot("B", "")].concat());
    ground.simulator.fault(&json!({ "call": "render", "fault": "fail", "reason": "face", "prompt": "B in" }));
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let worker = ground.worker(&["--metrics", &address, "--log", "json"]);
    assert_eq!(ground.run(&RUN).0, 8);
    let mut text = String::new();
    let idle = || {
        // A take is told as done a moment before its step is.
        text = tool("curl", &["--silent", "--fail", &format!("http://{address}/metrics")]);
        samples(&text).get("seedpost_steps_busy") == Some(&0.0)
    };
    until(idle, || "steps stay under way".to_owned());
    let samples = samples(&text);
    let of = |name: &str| samples.get(name).copied().unwrap_or_default();
    assert_eq!(of("seedpost_takes_total{outcome=\"done\"}"), 3.0, "{text}");
    assert_eq!(of("seedpost_takes_total{outcome=\"failed\"}"), 1.0, "{text}");
    assert_eq!(of("seedpost_ledger_failures_total"), 0.0, "{text}");
    assert!(text.contains("# HELP seedpost_takes_total ") && text.contains("# TYPE seedpost_step_seconds summary"));
    let steps: f64 = samples.iter().filter(|(name, _)| name.starts_with("seedpost_steps_total{")).map(|(_, n)| n).sum();
    let stale = of("seedpost_stale_jobs_total");
    assert_eq!(of("seedpost_step_seconds_count"), steps + stale, "{text}");
    // The queue hears of the last ones a moment later.
    let jobs = || ground.sql("SELECT count(*) FROM apalis.jobs WHERE status = 'Done'") == (steps + stale).to_string();
    until(jobs, || "there are other jobs".to_owned());
    // A step at least for each request, and each fetching of a clip.
    assert!(
        of("seedpost_steps_total{state=\"planned\"}") >= 4.0 && of("seedpost_steps_total{state=\"rendered\"}") == 3.0
    );

    let said = worker.said();
    let lines: Vec<Value> =
        said.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    assert!(lines.iter().all(|line| line["timestamp"].is_string() && line["level"].is_string()), "{said}");
    let told = |take: &str, stage: &str| lines.iter().any(|line| line["take"] == take && line["stage"] == stage);
    assert!(told("A_T01", "submitted") && told("A_T03", "done") && told("B_T01", "failed"), "{said}");
}
