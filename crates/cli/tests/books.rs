//! The ledger as other programs find it: exported and added up by Python, bent by it, cut, worn and taken away.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use support::doors::{Door, Site, canned};
use support::{Simulator, copy_folder, files, python, tool};

/// A simulator, and a project whose takes were rendered, billed, refused, failed and lost.
struct Production {
    _folder: tempfile::TempDir,
    simulator: Simulator,
    site: Site,
}

impl Production {
    fn new() -> Production {
        let folder = tempfile::tempdir().unwrap();
        let simulator = canned(folder.path());
        simulator.fault(&json!({ "call": "render", "fault": "fail", "reason": "face", "prompt": "C in", "times": 0 }));
        simulator.fault(&json!({ "call": "submit", "fault": "answer", "status": 422, "body": {}, "prompt": "D in" }));
        simulator.fault(&json!({ "call": "submit", "fault": "drop", "prompt": "E in" }));
        let shots = ["A", "B", "C", "D", "E"]
            .map(|id| format!("[[shot]]\nid = \"{id}\"\nprompt = \"{id} in the rain\"\nduration = 8\n"));
        let site = Site::new(Door::Fal, &simulator, &format!("[budget]\nlimit_usd = \"50\"\n{}", shots.concat()));
        let (code, out, err) = site.run(&["run"]);
        assert_eq!(code, 7, "{out}{err}");
        // All of it in the file itself, as after a while.
        let ledger = site.folder.path().join(".seedpost/ledger.db");
        bend_again(&ledger, "PRAGMA wal_checkpoint(TRUNCATE)");
        Production { _folder: folder, simulator, site }
    }

    fn root(&self) -> &Path {
        self.site.folder.path()
    }

    fn ledger(&self) -> PathBuf {
        self.root().join(".seedpost/ledger.db")
    }

    /// Puts everything back as it is in another folder.
    fn restore(&self, from: &Path) {
        fs::remove_dir_all(self.root().join(".seedpost")).unwrap();
        copy_folder(from, &self.root().join(".seedpost"));
    }
}

fn sha256(path: &Path) -> String {
    format!("{:x}", Sha256::digest(fs::read(path).unwrap()))
}

/// What lies in the program's folder, but for its lock, and the index that SQLite makes of a journal that is there.
fn names(root: &Path) -> BTreeSet<String> {
    let entries = files(&root.join(".seedpost")).into_iter();
    let own = |name: &String| !name.ends_with("/lock") && !name.ends_with("-shm");
    entries.map(|path| path.display().to_string()).filter(own).collect()
}

/// Runs statements on the ledger by Python's own SQLite, without the triggers.
fn bend(ledger: &Path, sql: &str) {
    const BEND: &str = "
import sqlite3, sys
ledger = sqlite3.connect(sys.argv[1])
for number in (1, 2):
    ledger.execute(f'DROP TRIGGER event_is_append_only_{number}')
before = ledger.total_changes
ledger.executescript(sys.argv[2])
assert ledger.total_changes > before, 'nothing was changed'
ledger.commit()
";
    tool(python(), &["-c", BEND, ledger.to_str().unwrap(), sql]);
}

/// Adds up an export as the rules are told in words: what is set aside counts until it is known that nothing is owed,
/// and a bill goes before what was set aside.
const ADD_UP: &str = "
import json, sys
takes, charged, last = {}, 0, None
for line in open(sys.argv[1], encoding='utf-8'):
    row = json.loads(line)
    assert list(row) == ['take', 'seq', 'at_ms', 'kind', 'event'], row
    assert row['kind'] == row['event']['kind']
    if last and last[0] == row['take']:
        assert row['seq'] == last[1] + 1, (last, row)
    else:
        assert row['seq'] == 0 and (last is None or last[0] < row['take']), (last, row)
    last = (row['take'], row['seq'])
    event = row['event']
    if row['kind'] == 'submit_intended':
        takes[row['take']] = event['reserved']
    elif row['kind'] in ('submit_refused', 'submit_deferred'):
        takes[row['take']] = 0
    elif row['kind'] == 'render_failed' and not event['owed']:
        takes[row['take']] = 0
    elif row['kind'] == 'charged':
        takes[row['take']] = event['amount']
        charged += event['amount']
print(json.dumps({'takes': takes, 'charged': charged}))
";

#[test]
fn an_export_added_up_by_hand_is_what_status_and_the_bills_say() {
    let production = Production::new();
    let site = &production.site;
    let (code, out, err) = site.run(&["ledger", "export", "--out", "ledger.jsonl"]);
    assert_eq!(code, 0, "{out}{err}");
    let file = production.root().join("ledger.jsonl");
    let sums: Value = serde_json::from_str(&tool(python(), &["-c", ADD_UP, file.to_str().unwrap()])).unwrap();
    let status = site.json(&["status"]);
    let mut total = 0;
    for take in status["takes"].as_array().unwrap() {
        let name = take["take"].as_str().unwrap();
        assert_eq!(sums["takes"][name], take["usd_micros"], "{name}");
        total += take["usd_micros"].as_u64().unwrap();
    }
    assert_eq!(status["usd_micros"], total);
    let bills: u64 = production.simulator.bills().iter().map(|bill| bill["micros"].as_u64().unwrap()).sum();
    assert!(bills > 0);
    assert_eq!(sums["charged"], bills);

    let verified = site.json(&["ledger", "verify"]);
    assert_eq!((&verified["schema"], &verified["sound"]), (&json!("seedpost.ledger_verify/1"), &json!(true)));
    assert_eq!(verified["problems"], json!([]));
    assert_eq!(verified["usd_micros_committed"], total);
    assert_eq!(verified["usd_micros_charged"], bills);
    // 8 s at 480p in the fast tier, which nobody knows whether they were taken.
    assert_eq!(verified["usd_micros_unknown"], total - bills);
    assert_eq!(site.take("E_T01")["state"], "unknown");
    let lines = fs::read_to_string(&file).unwrap();
    assert_eq!(
        (verified["takes"].as_u64(), verified["events"].as_u64()),
        (Some(5), Some(lines.lines().count() as u64))
    );

    // Standard output has the same bytes; the file is its owner's alone, and is not written over.
    let (_, out, _) = site.run(&["ledger", "export"]);
    assert_eq!(out, lines);
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    fs::write(&file, "mine").unwrap();
    let (code, _, err) = site.run(&["ledger", "export", "--out", "ledger.jsonl"]);
    assert!(code == 2 && err.contains("--force"), "{err}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    assert_eq!(site.run(&["ledger", "export", "--out", "ledger.jsonl", "--force"]).0, 0);
    assert_eq!(fs::read_to_string(&file).unwrap(), lines);
    let (code, _, err) = site.run(&["ledger", "export", "--out", ".seedpost/ledger.db", "--force"]);
    assert!(code == 2 && err.contains("written over"), "{err}");
}

#[test]
fn a_ledger_that_somebody_bent_is_told_precisely() {
    let production = Production::new();
    let backup = tempfile::tempdir().unwrap();
    copy_folder(&production.root().join(".seedpost"), backup.path());
    let job = production.site.take("A_T01")["request_id"].as_str().unwrap().to_owned();
    let no_row = format!("found    no row of requests for fal's job {job}");
    let anothers = format!("found    a row of requests that gives fal's job {job} to \"B_T01\"");
    let rows: [(&str, &str, &[&str]); 9] = [
        (
            "a smaller bill",
            "UPDATE event SET payload = json_set(payload, '$.amount', 1) WHERE kind = 'charged' AND take = 'A_T01'",
            &["wrong: all takes", "the sum of the takes"],
        ),
        (
            "an event of nobody's",
            "UPDATE event SET payload = 'paid' WHERE kind = 'charged' AND take = 'A_T01'",
            &["wrong: A_T01, number 5", "a payload that is no event", "allowed  an event of this program"],
        ),
        (
            "an event less",
            "DELETE FROM event WHERE take = 'A_T01' AND kind = 'submitted'",
            &["wrong: A_T01, number 3", "number 2: none is left out", "event Rendered", "phase unknown"],
        ),
        (
            "a take less",
            "DELETE FROM event WHERE take = 'A_T01'",
            &["wrong: A_T01\n", "only jobs that the take's events name", "wrong: all takes", "the sum of the takes"],
        ),
        ("a smaller budget", "UPDATE budget SET committed_micros = 1", &["found    a budget with $0.000001 committed"]),
        ("a request less", "DELETE FROM request WHERE take = 'A_T01'", &["wrong: A_T01, number 2", &no_row]),
        (
            "a request of another take",
            "UPDATE request SET take = 'B_T01' WHERE take = 'A_T01'",
            &["wrong: A_T01, number 2", &anothers],
        ),
        (
            "another kind",
            "UPDATE event SET kind = 'resolved' WHERE take = 'B_T01' AND seq = 3",
            &["wrong: B_T01, number 3", "kind \"resolved\"", "\"rendered\", as its payload says"],
        ),
        (
            "a place of a take that is done",
            "INSERT INTO place VALUES ('A_T01', 'key', 1)",
            &["wrong: A_T01\n", "1970-01-01T00:00:00.001Z"],
        ),
    ];
    for (name, sql, words) in rows {
        bend(&production.ledger(), sql);
        tells(&production.site, name, words);
        production.restore(backup.path());
    }
}

/// `verify` finds faults, and says all this of them; as JSON it tells as many.
fn tells(site: &Site, name: &str, words: &[&str]) {
    let (code, out, err) = site.run(&["ledger", "verify"]);
    assert_eq!(code, 70, "{name}: {out}{err}");
    words.iter().for_each(|word| assert!(out.contains(word), "{name}: {word:?} is not in\n{out}"));
    assert!(err.contains("fix: "), "{name}: {err}");
    let verified = site.json(&["ledger", "verify"]);
    assert_eq!(verified["sound"], false, "{name}");
    let expected = out.matches("wrong: ").count() + out.matches("note: ").count();
    assert_eq!(verified["problems"].as_array().unwrap().len(), expected, "{name}");
}

#[test]
fn what_needs_no_mending_is_a_note_and_what_cannot_be_read_is_told() {
    let production = Production::new();
    let backup = tempfile::tempdir().unwrap();
    copy_folder(&production.root().join(".seedpost"), backup.path());
    bend(&production.ledger(), "UPDATE event SET at_ms = 1000 WHERE take = 'A_T01' AND seq = 2");
    let (code, out, _) = production.site.run(&["ledger", "verify"]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("note: A_T01, number 2") && out.contains("1970-01-01T00:00:01.000Z"), "{out}");
    // What cannot even be read is told in words.
    for sql in ["UPDATE event SET at_ms = 'noon' WHERE take = 'B_T01' AND seq = 1", "DELETE FROM budget"] {
        bend_again(&production.ledger(), sql);
        for command in [&["ledger", "verify"], &["ledger", "export"]] {
            let (code, out, err) = production.site.run(command);
            assert!(code == 70 && err.contains("is damaged") && err.contains("restore it from a copy"), "{out}{err}");
        }
        production.restore(backup.path());
    }
    // An export tells what it cannot read as it stands.
    bend(&production.ledger(), "UPDATE event SET payload = 'paid' WHERE take = 'A_T01' AND seq = 0");
    let (code, out, _) = production.site.run(&["ledger", "export"]);
    let first: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    assert_eq!((code, &first["event"], &first["payload"]), (0, &Value::Null, &json!("paid")));
}

/// As [`bend`], where the triggers are gone already.
fn bend_again(ledger: &Path, sql: &str) {
    const BEND: &str = "import sqlite3, sys\nledger = sqlite3.connect(sys.argv[1])\nledger.executescript(sys.argv[2])";
    tool(python(), &["-c", BEND, ledger.to_str().unwrap(), sql]);
}

/// Every command that opens a ledger, but `promote`, which looks at the list first.
const COMMANDS: [&[&str]; 14] = [
    &["plan"],
    &["run"],
    &["status"],
    &["status", "--json"],
    &["status", "--hosts"],
    &["status", "--watch"],
    &["status", "--unusable"],
    &["resolve", "A_T01", "--not-charged", "--force"],
    &["cancel", "A_T01"],
    &["ledger", "export"],
    &["ledger", "verify"],
    &["export", "--out", "cut"],
    &["stems", "shots.toml", "--out", "reel"],
    &["turnover"],
];

/// Every command refuses, says why and what to do, and leaves everything as it is.
fn refused_by_all(production: &Production, name: &str, word: &str) {
    let before = names(production.root());
    let digests = || before.iter().map(|name| sha256(Path::new(name))).collect::<Vec<_>>();
    let (bytes, requests) = (digests(), production.simulator.requests().len());
    for command in COMMANDS {
        let (code, out, err) = production.site.run(command);
        assert_eq!(code, 70, "{name}: {command:?}: {out}{err}");
        assert!(err.contains(word) && err.contains("fix: "), "{name}: {command:?}: {word:?} is not in\n{err}");
        assert_eq!(names(production.root()), before, "{name}: {command:?}");
        assert_eq!(digests(), bytes, "{name}: {command:?} wrote to it");
    }
    assert_eq!(production.simulator.requests().len(), requests, "{name}: something was sent");
}

#[test]
fn a_ledger_that_is_not_whole_is_refused_by_every_command_and_left_as_it_is() {
    let production = Production::new();
    let backup = tempfile::tempdir().unwrap();
    copy_folder(&production.root().join(".seedpost"), backup.path());
    let whole = fs::read(production.ledger()).unwrap();
    assert!(whole.len() > 3 * 4096, "{} bytes", whole.len());
    let cut = |length: usize| whole[..length].to_vec();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        bytes
    };
    // Numbers of the linear congruential generator of the C standard.
    let noise = (0..whole.len()).scan(1_u32, |seed, _| {
        *seed = seed.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        Some((*seed >> 16) as u8)
    });
    let rows = [
        ("half", cut(whole.len() / 2), "damaged"),
        ("one page", cut(4096), "damaged"),
        ("all but the last page", cut(whole.len() - 4096), "damaged"),
        ("100 bytes", cut(100), "damaged"),
        ("a byte", cut(1), "the file is too short, 1 B"),
        ("zeros", vec![0; whole.len()], "damaged"),
        ("empty", cut(0), "the file is empty"),
        ("noise", noise.collect(), "damaged"),
        ("a flipped page header", flipped(4096), "damaged"),
        ("a flipped count of cells", flipped(4096 + 3), "damaged"),
    ];
    for (name, bytes, word) in rows {
        fs::write(production.ledger(), bytes).unwrap();
        refused_by_all(&production, name, word);
        production.restore(backup.path());
    }
    assert_eq!(production.site.run(&["ledger", "verify"]).0, 0);
}

/// The last program's writing may stand in the journal alone; a damaged file must not get it.
#[test]
fn a_damaged_ledger_beside_its_journal_is_refused_and_both_are_left_as_they_are() {
    const DIE: &str = "
import os, sqlite3, sys
ledger = sqlite3.connect(sys.argv[1])
ledger.execute('UPDATE budget SET limit_micros = 1')
ledger.commit()
os._exit(0)
";
    let production = Production::new();
    let whole = fs::read(production.ledger()).unwrap();
    tool(python(), &["-c", DIE, production.ledger().to_str().unwrap()]);
    let journal = production.ledger().with_extension("db-wal");
    assert!(fs::metadata(&journal).unwrap().len() > 4096);
    let _ = fs::remove_file(production.ledger().with_extension("db-shm"));
    let mut flipped = whole.clone();
    flipped[4096] ^= 0xff;
    for (name, bytes) in [("half", whole[..whole.len() / 2].to_vec()), ("a flipped page header", flipped)] {
        fs::write(production.ledger(), bytes).unwrap();
        refused_by_all(&production, name, "damaged");
    }
    fs::remove_file(production.ledger()).unwrap();
    refused_by_all(&production, "gone", "the file is gone, but its journal");
    // With the file back, nothing is lost.
    fs::write(production.ledger(), whole).unwrap();
    assert_eq!(production.site.json(&["ledger", "verify"])["usd_micros_limit"], 1);
}

#[test]
fn a_ledger_of_a_later_version_is_read_and_never_written() {
    let production = Production::new();
    let site = &production.site;
    let (_, lines, _) = site.run(&["ledger", "export"]);
    bend_again(&production.ledger(), "PRAGMA user_version = 99");
    let (bytes, requests) = (sha256(&production.ledger()), production.simulator.requests().len());
    let before = names(production.root());
    // One take is unknown, as before.
    let (code, out, err) = site.run(&["status"]);
    assert!(code == 7 && out.contains("A_T01"), "{out}{err}");
    assert_eq!(site.run(&["ledger", "export"]), (0, lines, String::new()));
    assert_eq!(site.run(&["ledger", "verify"]).0, 0);
    let writers: [&[&str]; 5] = [
        &["run"],
        &["run", "--budget", "99"],
        &["resolve", "E_T01", "--not-charged"],
        &["resolve", "E_T01", "--charged", "r1", "--force"],
        &["cancel", "E_T01"],
    ];
    for command in writers {
        let (code, out, err) = site.run(command);
        assert_eq!(code, 70, "{command:?}: {out}{err}");
        assert!(err.contains("version 99") && err.contains("fix: use the seedpost that wrote it"), "{err}");
    }
    assert_eq!(sha256(&production.ledger()), bytes);
    // A journal that SQLite leaves holds nothing.
    for new in names(production.root()).difference(&before) {
        assert!(new.ends_with("-wal") && fs::metadata(new).unwrap().len() == 0, "{new}");
    }
    assert_eq!(production.simulator.requests().len(), requests, "nothing was sent");
}
