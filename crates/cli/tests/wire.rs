//! What seedpost sends, beside what other people's clients send for the same job: the same on the wire.
//!
//! The clients are given hand-written arguments, and the shot lists here say the same in seedpost's words. Compared
//! are method, path, query, authorization, JSON body, with a body its content type, and for PUT and POST whether the
//! length is told. Not compared, since they say the same or only one side has them:
//! - JSON's null is taken for absence: Ark's clients send every field that is not set as null;
//! - `logs=true`, which fal's Python client writes for the `logs=1` of its JavaScript client, and `logs=false`, with
//!   which it looks once more before it fetches a result;
//! - the content type of requests without a body, which some clients name all the same;
//! - the body `{}` of Ark's clients' DELETE;
//! - clips, and fal's price list and bill, which the clients do not ask for.
#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

mod support;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use ring::digest::{SHA256, digest};
use serde_json::{Map, Value};
use support::{Simulator, outcome, python, repository, seedpost, tool};

const PICTURE: &str = "fixtures/demo/refs/kitchen.png";
/// Looks at each job once.
const RUN: [&str; 6] = ["run", "--no-finish", "--wait-minutes", "0", "--concurrency", "40"];

/// A simulator, a project, and the variables that lead there.
struct Stage {
    folder: tempfile::TempDir,
    simulator: Simulator,
    environment: Vec<(&'static str, String)>,
}

impl Stage {
    /// The address is the simulator's, with a path.
    fn set(key: &'static str, address: &'static str, path: &str) -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let clip = repository("fixtures/media/clip_h264_aac.mp4");
        let arguments = ["--clip", clip.to_str().unwrap(), "--queue", "1"];
        let simulator = Simulator::start_with(folder.path(), &arguments);
        std::fs::copy(repository(PICTURE), folder.path().join("kitchen.png")).unwrap();
        let environment = vec![
            (key, "wire:secret".to_owned()),
            (address, format!("{}{path}", simulator.url)),
            ("SEEDPOST_KEY_LIMIT", "40".to_owned()),
            ("XDG_RUNTIME_DIR", folder.path().to_str().unwrap().to_owned()),
        ];
        Stage { folder, simulator, environment }
    }

    fn control(&self, method: &str, what: &str, body: &str) -> String {
        let url = format!("{}/_simulator/{what}", self.simulator.url);
        let json = "Content-Type: application/json";
        tool("curl", &["--silent", "--fail", "--request", method, "--header", json, "--data", body, &url])
    }

    fn fault(&self, fault: &str) {
        self.control("POST", "faults", &format!("[{fault}]"));
    }

    /// From now on no job leaves the queue.
    fn stall(&self) {
        self.fault(r#"{ "call": "render", "fault": "stall", "times": 0 }"#);
    }

    /// What somebody else's client sends.
    fn client(&self, program: impl AsRef<OsStr>, script: &str, arguments: &[&str]) -> BTreeSet<String> {
        let mut command = Command::new(program);
        command.arg(repository("crates/cli/tests/foreign").join(script)).args(arguments);
        let (code, out, err) = outcome(command.envs(self.environment.clone()).output().unwrap());
        assert_eq!(code, 0, "{script} {arguments:?}\n{out}{err}");
        self.sent()
    }

    /// What seedpost sends for a list.
    fn seedpost(&self, list: &str, commands: &[&[&str]]) -> BTreeSet<String> {
        let project = self.project(list);
        let said: Vec<_> = commands.iter().map(|arguments| self.run(&project, arguments)).collect();
        let sent = self.sent();
        assert!(!sent.is_empty(), "{said:?}");
        sent
    }

    fn project(&self, list: &str) -> tempfile::TempDir {
        let project = tempfile::tempdir_in(self.folder.path()).unwrap();
        std::fs::copy(repository(PICTURE), project.path().join("kitchen.png")).unwrap();
        std::fs::write(project.path().join("shots.toml"), list).unwrap();
        project
    }

    /// Its end says whether clips came and are as promised, which does not matter here.
    fn run(&self, project: &tempfile::TempDir, arguments: &[&str]) -> (i32, String, String) {
        outcome(seedpost(project.path()).args(arguments).envs(self.environment.clone()).output().unwrap())
    }

    /// What has arrived since the last time, each once.
    fn sent(&self) -> BTreeSet<String> {
        let journal: Vec<Value> = serde_json::from_str(&self.control("GET", "requests", "")).unwrap();
        self.control("DELETE", "requests", "");
        let of_a_client = |request: &&Value| {
            let path = request["path"].as_str().unwrap();
            !["/platform/", "/cdn/files/"].iter().any(|other| path.starts_with(other))
                && request["query"] != "logs=false"
        };
        journal.iter().filter(of_a_client).map(|request| self.shown(request)).collect()
    }

    /// A request as far as it is compared, with its keys in order and without the ids that the simulator drew.
    fn shown(&self, request: &Value) -> String {
        let text = |key: &str| request[key].as_str().unwrap();
        let header = |name: &str| request["headers"][name].as_str().unwrap_or("none");
        let query = text("query").replace("logs=true", "logs=1");
        let mut query: Vec<&str> = query.split('&').collect();
        query.sort_unstable();
        let mut shown = format!("{} {}?{}\n", text("method"), without_ids(text("path")), query.join("&"));
        shown += &format!("    authorization: {}\n", header("authorization"));
        if matches!(text("method"), "PUT" | "POST") && request["headers"]["content-length"].is_null() {
            shown += "    no content-length\n";
        }
        if !request["body"].is_null() && request["method"] != "DELETE" {
            let body = plain(&request["body"], &self.simulator.url);
            shown += &format!("    content-type: {}\n    {body:#}\n", header("content-type"));
        }
        shown
    }
}

/// Ids are longer than every other part of a path.
fn without_ids(path: &str) -> String {
    let segments = path.split('/').map(|segment| if segment.len() >= 24 { "ID" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

/// JSON with its keys in order, without nulls and ids, and with a digest in place of a file.
fn plain(value: &Value, own: &str) -> Value {
    match value {
        Value::Object(fields) => {
            let mut known: Vec<_> = fields.iter().filter(|(_, value)| !value.is_null()).collect();
            known.sort_unstable_by_key(|(key, _)| *key);
            known.into_iter().map(|(key, value)| (key.clone(), plain(value, own))).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(|item| plain(item, own)).collect(),
        Value::String(text) if text.starts_with(own) || text.starts_with("cgt-") => without_ids(text).into(),
        // Long enough to be a file.
        Value::String(text) if text.len() > 1000 => {
            format!("{}… SHA-256 {:?}", text.split_at(30).0, digest(&SHA256, text.as_bytes())).into()
        }
        other => other.clone(),
    }
}

/// Both sides sent the same.
fn same(theirs: &BTreeSet<String>, ours: &BTreeSet<String>) {
    let only = |one: &BTreeSet<String>, other| one.difference(other).cloned().collect::<String>();
    let (theirs, ours) = (only(theirs, ours), only(ours, theirs));
    assert!(theirs.is_empty() && ours.is_empty(), "only the client sent:\n{theirs}\nonly seedpost sent:\n{ours}");
}

const FAL_WAITING: &str = include_str!("wire/fal_waiting.toml");
const FAL_DONE: &str = include_str!("wire/fal_done.toml");
const FAL_CALLED: &str = include_str!("wire/fal_called.toml");

#[test]
fn fal_gets_what_its_own_clients_send() {
    let installed = repository("crates/cli/tests/foreign/node_modules/@fal-ai/client").exists();
    assert!(installed, "`make test` installs the client that this test needs");
    let stage = Stage::set("FAL_KEY", "SEEDPOST_FAL_URL", "");
    let url = stage.simulator.url.clone();
    let picture = stage.folder.path().join("kitchen.png");
    let (mut theirs, mut ours) = (BTreeSet::new(), BTreeSet::new());
    let mut both = |phase: &str, list: &str, commands: &[&[&str]]| {
        theirs.extend(stage.client(python(), "wire_fal.py", &[&url, phase]));
        theirs.extend(stage.client("node", "wire_fal_js.mjs", &[&url, phase, picture.to_str().unwrap()]));
        ours.extend(stage.seedpost(list, commands));
    };
    stage.stall();
    both("waiting", FAL_WAITING, &[&RUN, &["cancel", "TEXT_T01"]]);
    stage.control("DELETE", "faults", "");
    both("done", FAL_DONE, &[&["run", "--no-finish", "--follow"]]);
    same(&theirs, &ours);

    // Each kind of call was among them, and the media host got no key.
    let sent = |start: &str| ours.iter().filter(|request| request.starts_with(start)).collect::<Vec<_>>();
    for start in [
        "GET /bytedance/seedance-2.0/requests/ID/status?logs=1\n",
        "GET /bytedance/seedance-2.0/requests/ID/status/stream?logs=1\n",
        "GET /bytedance/seedance-2.0/requests/ID?\n",
        "GET /fal-ai/bytedance/requests/ID/status?logs=1\n",
        "GET /fal-ai/bytedance/requests/ID/status/stream?logs=1\n",
        "GET /fal-ai/bytedance/requests/ID?\n",
        "PUT /bytedance/seedance-2.0/requests/ID/cancel?\n",
        "POST /rest/storage/upload/initiate?storage_type=fal-cdn-v3\n",
    ] {
        assert_eq!(sent(start).len(), 1, "{start}");
        assert!(sent(start)[0].contains("authorization: Key sha256:"), "{start}");
    }
    let put = sent("PUT /cdn/upload/ID/kitchen.png?\n");
    assert!(put.len() == 1 && put[0].contains("authorization: none\n    content-type: image/png\n"), "{put:?}");
    assert_eq!(sent("POST /bytedance/").len() + sent("POST /fal-ai/").len(), 13);
}

/// `seedpost serve`, until it is dropped.
struct Serve(Child);

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn fal_is_told_where_to_call_as_its_own_clients_tell_it() {
    let stage = Stage::set("FAL_KEY", "SEEDPOST_FAL_URL", "");
    let url = stage.simulator.url.clone();
    // No job ends, and so nobody is called.
    stage.stall();
    let mut theirs = stage.client(python(), "wire_fal.py", &[&url, "called"]);
    theirs.extend(stage.client("node", "wire_fal_js.mjs", &[&url, "called"]));
    let project = stage.project(FAL_CALLED);
    let mut serve = seedpost(project.path());
    serve.args(["serve", "--listen", "127.0.0.1:0", "--public-url", "https://hooks.example.com/a b/post"]);
    let mut serve = Serve(serve.envs(stage.environment.clone()).stdout(Stdio::piped()).spawn().unwrap());
    BufReader::new(serve.0.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    let said = stage.run(&project, &RUN);
    let mut ours = stage.sent();
    // The clients of this test only submit.
    ours.retain(|request| request.starts_with("POST"));
    assert_eq!((ours.len(), theirs.len()), (1, 1), "{said:?}");
    same(&theirs, &ours);
}

const ARK_WAITING: &str = include_str!("wire/ark_waiting.toml");
/// Only Volcengine has this tier.
const ARK_MINI: &str = include_str!("wire/ark_mini.toml");
const ARK_DRAFT: &str = include_str!("wire/ark_draft.toml");

fn ark_gets_what_its_own_client_sends(sdk: &str, region: &str, more: &str) {
    let stage = Stage::set("ARK_API_KEY", "SEEDPOST_ARK_URL", "/api/v3");
    let url = stage.simulator.url.clone();
    let picture = stage.folder.path().join("kitchen.png");
    let client = |phase| stage.client(python(), "wire_ark.py", &[&url, sdk, phase, picture.to_str().unwrap()]);
    let list = |list: &str| list.replace("REGION", region);
    stage.stall();
    let mut theirs = client("waiting");
    stage.fault(r#"{ "call": "submit", "fault": "drop_after", "prompt": "is lost" }"#);
    let mut ours = stage.seedpost(&list(&[ARK_WAITING, more].concat()), &[&RUN, &["cancel", "TEXT_T01"]]);
    stage.control("DELETE", "faults", "");
    theirs.extend(client("done"));
    let run = ["run", "--no-finish"];
    ours.extend(stage.seedpost(&list(ARK_DRAFT), &[&run, &["promote", "DRAFT", "1"], &run]));
    same(&theirs, &ours);

    let count = |start: &str| ours.iter().filter(|request| request.starts_with(start)).count();
    let tasks = "/api/v3/contents/generations/tasks";
    assert_eq!(count(&format!("POST {tasks}?\n")), 12 + usize::from(!more.is_empty()));
    for start in [format!("GET {tasks}/ID?\n"), format!("GET {tasks}?filter.model="), format!("DELETE {tasks}/ID?\n")] {
        assert_eq!(count(&start), 1, "{start}");
    }
}

#[test]
fn volcengines_ark_gets_what_its_own_client_sends() {
    ark_gets_what_its_own_client_sends("volcengine", "cn-beijing", ARK_MINI);
}

#[test]
fn bytepluss_ark_gets_what_its_own_client_sends() {
    ark_gets_what_its_own_client_sends("byteplus", "ap-southeast", "");
}

const PROXY: &str = include_str!("wire/proxy.toml");

#[test]
fn proxies_get_what_the_guides_client_sends() {
    let stage = Stage::set("SEEDANCE_API_KEY", "SEEDANCE_API_BASE", "/v1");
    stage.stall();
    let picture = stage.folder.path().join("kitchen.png");
    let theirs = stage.client(python(), "wire_seed.py", &[picture.to_str().unwrap()]);
    // The guide leaves the aspect ratio out beside lip sync; seedpost always names it.
    let (before, after) = ("    {\n  \"audio\"", "    {\n  \"aspect_ratio\": \"16:9\",\n  \"audio\"");
    let unnamed = theirs.iter().filter(|request| request.contains(before)).count();
    assert_eq!(unnamed, 1, "{theirs:?}");
    let theirs = theirs.iter().map(|request| request.replacen(before, after, 1)).collect();
    let ours = stage.seedpost(PROXY, &[&RUN]);
    same(&theirs, &ours);
    assert_eq!(ours.len(), 6, "five jobs, and one way to ask after them");
}
