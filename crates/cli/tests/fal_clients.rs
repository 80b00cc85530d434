//! fal's own clients against the simulator, and the clips that go wrong on request.
#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

mod support;

use std::ffi::OsStr;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Simulator, python, repository, run, tool};

/// Runs a client's script; the jobs named in `billed` are charged, and the refused one is not.
fn judge(program: impl AsRef<OsStr>, script: &str, billed: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(folder.path());
    let script = repository("crates/cli/tests/foreign").join(script);
    let wav = repository("fixtures/demo/refs/host.wav");
    let said = tool(program, &[script.to_str().unwrap(), &simulator.url, wav.to_str().unwrap()]);
    let jobs: Value = serde_json::from_str(&said).unwrap();
    let bills = simulator.bills();
    let is_billed = |job: &str| bills.iter().any(|bill| bill["request_id"] == jobs[job]);
    assert!(billed.iter().all(|job| is_billed(job)) && !is_billed("refused"), "{said} {bills:?}");
    // A cancelled job costs nothing unless it was running already.
    assert_eq!(bills.len(), billed.len() + usize::from(is_billed("cancelled")));
}

#[test]
fn fals_python_client_works_with_the_simulator_unchanged() {
    judge(python(), "fal_client_roundtrip.py", &["generated", "subscribed", "heard"]);
}

#[test]
fn fals_javascript_client_works_with_the_simulator_unchanged() {
    let client = repository("crates/cli/tests/foreign/node_modules/@fal-ai/client");
    assert!(client.exists(), "`make test` installs the client that this test needs");
    judge("node", "fal_js_roundtrip.mjs", &["generated", "streamed", "heard"]);
}

/// Asks the simulator.
fn ask(simulator: &Simulator, path: &str, body: Option<&Value>) -> Value {
    let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", simulator.url) };
    let mut arguments =
        vec!["--silent", "--header", "Authorization: Key x", "--header", "Content-Type: application/json"];
    let text = body.map(Value::to_string);
    arguments.extend(text.iter().flat_map(|text| ["--data", text]));
    arguments.push(&url);
    serde_json::from_str(&tool("curl", &arguments)).unwrap()
}

/// Submits a job and waits for its clip; answers where it was saved.
fn clip(simulator: &Simulator, folder: &Path, prompt: &str) -> String {
    let input = json!({ "prompt": prompt, "duration": "4", "resolution": "480p" });
    let job = ask(simulator, "/bytedance/seedance-2.0/fast/text-to-video", Some(&input));
    let deadline = Instant::now() + Duration::from_secs(60);
    while ask(simulator, job["status_url"].as_str().unwrap(), None)["status"] != "COMPLETED" {
        assert!(Instant::now() < deadline, "{job}");
        std::thread::sleep(Duration::from_millis(20));
    }
    let result = ask(simulator, job["response_url"].as_str().unwrap(), None);
    let file = folder.join(format!("{prompt}.mp4")).to_str().unwrap().to_owned();
    tool("curl", &["--silent", "--fail", "--output", &file, result["video"]["url"].as_str().unwrap()]);
    file
}

#[test]
fn clips_go_wrong_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let faults = folder.path().join("faults.json");
    let fault = |kind: &str| json!({ "call": "render", "fault": kind, "prompt": kind });
    let mut list = ["mono", "rate_44100", "no_audio", "wrong_duration"].map(fault);
    list[3]["seconds"] = 6.into();
    std::fs::write(&faults, json!(list).to_string()).unwrap();
    let simulator = Simulator::start_with(folder.path(), &["--faults", faults.to_str().unwrap()]);
    for (prompt, expected) in [
        ("mono", "video 96 | audio 48000 1"),
        ("rate_44100", "video 96 | audio 44100 2"),
        ("no_audio", "video 96"),
        ("wrong_duration", "video 144 | audio 48000 2"),
        ("nothing wrong", "video 96 | audio 48000 2"),
    ] {
        let file = clip(&simulator, folder.path(), prompt);
        let probed = tool("ffprobe", &["-v", "error", "-count_frames", "-show_streams", "-of", "json", &file]);
        let probed: Value = serde_json::from_str(&probed).unwrap();
        let facts = probed["streams"].as_array().unwrap().iter().map(|stream| match stream["codec_type"].as_str() {
            Some("video") => format!("video {}", stream["nb_read_frames"].as_str().unwrap()),
            _ => format!("audio {} {}", stream["sample_rate"].as_str().unwrap(), stream["channels"]),
        });
        assert_eq!(facts.collect::<Vec<_>>().join(" | "), expected, "{prompt}");
    }
}

#[test]
fn a_canned_clip_is_delivered_after_its_time_in_the_queue() {
    let folder = tempfile::tempdir().unwrap();
    let canned = folder.path().join("canned.mp4");
    std::fs::write(&canned, b"any bytes").unwrap();
    let arguments = ["--clip", canned.to_str().unwrap(), "--queue", "0.5"];
    let simulator = Simulator::start_with(folder.path(), &arguments);
    let begun = Instant::now();
    let file = clip(&simulator, folder.path(), "anything");
    assert!(begun.elapsed() >= Duration::from_millis(500), "{:?}", begun.elapsed());
    assert_eq!(std::fs::read(file).unwrap(), b"any bytes");
}

#[test]
fn faults_that_cannot_be_read_are_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("faults.json"), r#"[{ "call": "submit", "fault": "explode" }]"#).unwrap();
    std::fs::write(folder.path().join("senseless.json"), r#"[{ "call": "submit", "fault": "stall" }]"#).unwrap();
    for (arguments, code, words) in [
        (["--faults", "faults.json"], 2, "unknown variant `explode`"),
        (["--faults", "none.json"], 2, "none.json"),
        (["--faults", "senseless.json"], 2, "cannot have the fault"),
        (["--queue", "soon"], 2, "0 to 86400"),
        (["--clip", "none.mp4"], 2, "none.mp4"),
    ] {
        let (found, _, err) = run(folder.path(), &[&["simulator"], &arguments[..]].concat());
        assert!(found == code && err.contains(words), "{arguments:?}: {found} {err}");
    }
}
