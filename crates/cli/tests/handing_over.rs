//! Files on their way to a provider: uploads that go wrong, files that change, and what is kept of those that are
//! sent within a request.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

mod support;

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use support::doors::{Door, Site, canned};
use support::{Simulator, files, outcome, repository};

const SHOT: &str = r#"
[[shot]]
id = "S1"
prompt = "@Image1 cooks supper"
duration = 4
images = ["refs/chef.jpg"]
"#;

/// What goes wrong on the way to fal, and what comes of it.
struct Row {
    name: &'static str,
    faults: Value,
    /// Whether the take is done; else nothing was handed in.
    done: bool,
    words: &'static str,
}

/// The address for the bytes is given as it should be, so that what follows strikes the bytes.
fn then(fault: Value) -> Value {
    json!([{ "call": "upload", "fault": "patch", "patch": {} }, fault])
}

fn rows() -> Vec<Row> {
    let fine = |name, faults| Row { name, faults, done: true, words: "" };
    let ill = |name, faults, words| Row { name, faults, done: false, words };
    let answer = |status: u16| json!({ "call": "upload", "fault": "answer", "status": status, "body": {} });
    let lasting = |status: u16, body: Value| json!({ "call": "upload", "fault": "answer", "status": status, "body": body, "times": 0 });
    let page = || json!("<!doctype html><title>Sign in</title>");
    let throttled = json!({ "call": "upload", "fault": "answer", "status": 429, "headers": { "retry-after": "1" } });
    vec![
        fine("failing", json!([answer(500)])),
        fine("throttled", json!([throttled.clone()])),
        fine("dropped", json!([{ "call": "upload", "fault": "drop" }])),
        fine("hanging", json!([{ "call": "upload", "fault": "hang" }])),
        fine("a web page", json!([{ "call": "upload", "fault": "answer", "status": 200, "body": page() }])),
        fine("no address", json!([{ "call": "upload", "fault": "patch", "patch": { "upload_url": null } }])),
        fine("the bytes failing", then(answer(500))),
        fine("the bytes throttled", then(throttled)),
        fine("the bytes dropped", then(json!({ "call": "upload", "fault": "drop" }))),
        fine("the bytes hanging", then(json!({ "call": "upload", "fault": "hang_after" }))),
        ill("forbidden", json!([lasting(403, json!({}))]), "check FAL_KEY"),
        ill("a bad key", json!([lasting(401, json!({}))]), "check FAL_KEY"),
        ill("too large", json!([lasting(413, json!({}))]), "HTTP 413"),
        ill("a web page for ever", json!([lasting(200, page())]), "a web page"),
        ill("failing for ever", json!([lasting(500, json!({}))]), "HTTP 500"),
        ill("the bytes forbidden", then(lasting(403, json!({}))), "HTTP 403"),
        ill(
            "an address without TLS",
            json!([{ "call": "upload", "fault": "patch", "times": 0, "patch": { "upload_url": "http://media.example.com/x" } }]),
            "without TLS",
        ),
    ]
}

fn play(row: &Row) {
    let (name, folder) = (row.name, tempfile::tempdir().unwrap());
    let simulator = canned(folder.path());
    row.faults.as_array().unwrap().iter().for_each(|fault| simulator.fault(fault));
    let site = Site::new(Door::Fal, &simulator, SHOT).with_references();
    let mut command = site.command(&["run", "--no-finish", "--progress", "plain"]);
    let (code, out, err) = outcome(command.env("SEEDPOST_TIMEOUT", "2").output().unwrap());
    let take = site.take("S1_T01");
    let found = (take["state"].as_str().unwrap(), simulator.posts("supper"), simulator.charges("supper"), code);
    let hosts = site.json(&["status", "--hosts"])["hosts"].clone();
    if row.done {
        assert_eq!(found, ("done", 1, 1, 0), "{name}: {out}{err}");
        assert_eq!(hosts, sent_to(&simulator, &["chef.jpg"], &site), "{name}");
        let put = simulator.requests().into_iter().rfind(|request| request["method"] == "PUT").unwrap();
        assert_eq!(put["body"]["bytes"], bytes(&site, "refs/chef.jpg").len(), "{name}");
        assert_eq!(
            (&put["headers"]["authorization"], &put["headers"]["content-type"]),
            (&Value::Null, &json!("image/jpeg"))
        );
    } else {
        assert_eq!(found, ("planned", 0, 0, 6), "{name}: {out}{err}");
        assert!(err.contains(row.words) && err.contains("fix: "), "{name}: {err}");
        assert_eq!((take["usd_micros"].as_u64(), hosts), (Some(0), json!([])), "{name}");
    }
    site.holds_no_key();
}

#[test]
fn uploads_go_wrong() {
    let rows = rows();
    std::thread::scope(|scope| {
        let rows: Vec<_> = rows.iter().map(|row| scope.spawn(|| play(row))).collect();
        let failed = rows.into_iter().map(|row| row.join()).filter(Result::is_err).count();
        assert_eq!(failed, 0);
    });
}

fn bytes(site: &Site, name: &str) -> Vec<u8> {
    std::fs::read(site.folder.path().join(name)).unwrap()
}

/// What `status --hosts` says of files that went to the simulator for one take.
fn sent_to(simulator: &Simulator, files: &[&str], site: &Site) -> Value {
    let file = |file: &&str| {
        let sha256 = format!("{:x}", Sha256::digest(bytes(site, &format!("refs/{file}"))));
        json!({ "file": file, "sha256": sha256, "takes": ["S1_T01"] })
    };
    let host = simulator.url.strip_prefix("http://").unwrap();
    json!([{ "host": host, "files": files.iter().map(file).collect::<Vec<_>>() }])
}

/// A file that is changed while another one is on its way: what is sent is what was checked.
#[test]
fn a_file_that_changes_on_the_way_is_not_sent() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = canned(folder.path());
    simulator.fault(&json!({ "call": "upload", "fault": "hang" }));
    let shots = SHOT.replace("\"refs/chef.jpg\"", "\"refs/chef.jpg\", \"refs/kitchen.png\"");
    let site = Site::new(Door::Fal, &simulator, &shots).with_references();
    let mut command = site.command(&["run", "--no-finish"]);
    let command = command.env("SEEDPOST_TIMEOUT", "6").stdout(Stdio::piped()).stderr(Stdio::piped());
    let running = command.spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    while simulator.requests().iter().all(|request| !is_upload(request)) {
        assert!(Instant::now() < end, "nothing is uploaded");
        std::thread::sleep(Duration::from_millis(20));
    }
    std::fs::copy(repository("fixtures/demo/refs/chef.jpg"), site.folder.path().join("refs/kitchen.png")).unwrap();
    let (code, out, err) = outcome(running.wait_with_output().unwrap());
    assert_eq!(code, 6, "{out}{err}");
    assert!(err.contains("kitchen.png was changed after it was checked") && err.contains("fix: "), "{err}");
    assert_eq!((site.take("S1_T01")["state"].as_str(), simulator.posts("supper")), (Some("planned"), 0));
    assert_eq!(site.json(&["status", "--hosts"])["hosts"], sent_to(&simulator, &["chef.jpg"], &site));

    // As it is now, it is checked anew.
    let (code, out, err) = site.run(&["run", "--no-finish"]);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!((simulator.posts("supper"), simulator.charges("supper")), (1, 1));
    assert_eq!(site.json(&["status", "--hosts"])["hosts"], sent_to(&simulator, &["chef.jpg", "kitchen.png"], &site));
}

fn is_upload(request: &Value) -> bool {
    let path = request["path"].as_str().unwrap();
    path.starts_with("/rest/storage/") || path.starts_with("/cdn/upload/")
}

/// Every door that has no uploads, at one simulator.
fn each_inline(test: impl Fn(&Simulator, Door, &str) + Sync) {
    let folder = tempfile::tempdir().unwrap();
    let simulator = canned(folder.path());
    std::thread::scope(|scope| {
        for door in Door::ALL.into_iter().filter(|door| *door != Door::Fal) {
            let (test, simulator) = (&test, &simulator);
            scope.spawn(move || test(simulator, door, &format!("for{door:?}").replace(['(', ')', '\''], "")));
        }
    });
}

/// The request whose prompt holds a word.
fn request(simulator: &Simulator, word: &str) -> String {
    let requests = simulator.requests();
    let ours = |request: &&Value| request["method"] == "POST" && request["body"].to_string().contains(word);
    requests.iter().rfind(ours).unwrap_or_else(|| panic!("no request for {word}"))["body"].to_string()
}

#[test]
fn a_file_within_a_request_is_kept_as_its_digest_only() {
    each_inline(|simulator, door, word| {
        simulator.fault(&json!({
            "call": "submit", "fault": "answer", "status": 500, "body": {}, "form": door.form(), "prompt": format!("{word} lost"),
        }));
        let shot =
            |id: &str, what: &str| SHOT.replace("S1", id).replace("@Image1 cooks", &format!("@Image1: {word} {what}"));
        let site = Site::new(door, simulator, &(shot("S1", "fine") + &shot("S2", "lost"))).with_references();
        assert_eq!(site.run(&["status", "--hosts"]).0, 0);
        assert_eq!(site.json(&["status", "--hosts"])["hosts"], json!([]), "{door:?}");
        let (code, out, err) = site.run(&["run", "--no-finish"]);
        assert_eq!(code, 7, "{door:?}: {out}{err}");
        let (fine, lost) = (site.take("S1_T01"), site.take("S2_T01"));
        assert_eq!((fine["state"].as_str(), lost["state"].as_str()), (Some("done"), Some("unknown")), "{door:?}");
        assert_eq!(simulator.charges(word), 1, "{door:?}");

        let file = bytes(&site, "refs/chef.jpg");
        let address = format!("data:image/jpeg;base64,{}", STANDARD.encode(&file));
        for what in ["fine", "lost"] {
            assert!(request(simulator, &format!("{word} {what}")).contains(&address), "{door:?}: {what}");
        }
        let mut expected = sent_to(simulator, &["chef.jpg"], &site);
        expected[0]["files"][0]["takes"] = json!(["S1_T01", "S2_T01"]);
        assert_eq!(site.json(&["status", "--hosts"])["hosts"], expected, "{door:?}");

        let shown = site.json(&["resolve", "S2_T01"]);
        let kept = format!("data:image/jpeg;sha256={:x};length={}", Sha256::digest(&file), file.len());
        assert!(shown["body"].to_string().contains(&kept), "{door:?}: {shown}");
        let mut told = vec![out, err, shown.to_string()];
        for arguments in [&["resolve", "S2_T01"][..], &["status"], &["status", "--json"], &["status", "--hosts"]] {
            let (_, out, err) = site.run(arguments);
            told.extend([out, err]);
        }
        let part = &address[5000..5064];
        assert!(told.iter().all(|text| !text.contains(part)), "{door:?}");
        holds_nowhere(site.folder.path(), part);
    });
}

/// No file in a folder has this text in it.
fn holds_nowhere(folder: &Path, text: &str) {
    for path in files(folder) {
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(text.len()).any(|window| window == text.as_bytes()), "{}", path.display());
    }
}

/// What may not be paid for is not sent, and its files neither.
#[test]
fn a_request_over_the_budget_sends_no_file() {
    each_inline(|simulator, door, word| {
        let shots = format!("[budget]\nlimit_usd = \"0.01\"\n{}", SHOT.replace("cooks", word));
        let site = Site::new(door, simulator, &shots).with_references();
        let (code, out, err) = site.run(&["run", "--no-finish"]);
        assert_eq!((code, simulator.posts(word)), (5, 0), "{door:?}: {out}{err}");
        assert_eq!(site.json(&["status", "--hosts"])["hosts"], json!([]), "{door:?}");
    });
}

/// A name may lie about what is in a file.
#[test]
fn a_media_type_is_that_of_the_content() {
    let liar = |simulator: &Simulator, door, word: &str| {
        let shots = SHOT.replace("cooks", word).replace("chef.jpg", "kitchen.jpg");
        let site = Site::new(door, simulator, &shots).with_references();
        let refs = site.folder.path().join("refs");
        std::fs::rename(refs.join("kitchen.png"), refs.join("kitchen.jpg")).unwrap();
        let (code, out, err) = site.run(&["run", "--no-finish"]);
        assert_eq!(code, 0, "{door:?}: {out}{err}");
        (STANDARD.encode(bytes(&site, "refs/kitchen.jpg")), request(simulator, word))
    };
    each_inline(|simulator, door, word| {
        let (text, body) = liar(simulator, door, word);
        assert!(body.contains(&format!("data:image/png;base64,{text}")), "{door:?}");
        assert!(!body.contains("image/jpeg"), "{door:?}");
    });
    let folder = tempfile::tempdir().unwrap();
    let simulator = canned(folder.path());
    liar(&simulator, Door::Fal, "bakes");
    let uploads: Vec<Value> = simulator.requests().into_iter().filter(is_upload).collect();
    assert_eq!(uploads[0]["body"], json!({ "content_type": "image/png", "file_name": "kitchen.jpg" }));
    assert_eq!(uploads[1]["headers"]["content-type"], "image/png");
}
