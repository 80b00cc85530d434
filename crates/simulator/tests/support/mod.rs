//! What the simulator's tests share: one with a worker that hands out canned clips, and HTTP.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Client, Method};
use seedpost_simulator::{Config, Simulator};
use serde_json::{Value, json};

/// How long any job here may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A file of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// A data URI of a file of the repository.
pub(crate) fn data_uri(kind: &str, path: &str) -> String {
    base64_uri(kind, &std::fs::read(repository(path)).unwrap())
}

/// A data URI of these bytes.
pub(crate) fn base64_uri(kind: &str, bytes: &[u8]) -> String {
    format!("data:{kind};base64,{}", STANDARD.encode(bytes))
}

/// A black picture as BMP.
pub(crate) fn picture(width: u16, height: u16) -> Vec<u8> {
    let row = (usize::from(width) * 3).next_multiple_of(4);
    let pixels = row * usize::from(height);
    let word = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
    let mut bytes = b"BM".to_vec();
    for number in [54 + pixels, 0, 54, 40, width.into(), height.into(), 1 | 24 << 16, 0, pixels, 2835, 2835, 0, 0] {
        bytes.extend(word(number));
    }
    bytes.resize(54 + pixels, 0);
    bytes
}

/// A running simulator in a folder of its own; one clip is made at a time.
pub(crate) struct Stage {
    folder: tempfile::TempDir,
    simulator: Simulator,
    client: Client,
}

impl Stage {
    pub(crate) async fn new() -> Stage {
        let folder = tempfile::tempdir().unwrap();
        for (name, file) in [
            ("worker", "crates/simulator/tests/support/worker.sh"),
            ("clip.mp4", "fixtures/media/clip_h264_aac.mp4"),
            ("last.png", "fixtures/media/dot.png"),
        ] {
            std::os::unix::fs::symlink(repository(file), folder.path().join(name)).unwrap();
        }
        let config = Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            folder: folder.path().join("jobs"),
            worker: folder.path().join("worker"),
            parallel: 1,
            clip: None,
            queue: Duration::ZERO,
            faults: Vec::new(),
        };
        let simulator = Simulator::start(config).await.unwrap();
        // An error means that another test has installed one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().build().unwrap();
        Stage { folder, simulator, client }
    }

    pub(crate) fn url(&self) -> String {
        self.simulator.url()
    }

    /// Keeps the worker from finishing anything until [`Stage::release`].
    pub(crate) fn hold(&self) {
        std::fs::write(self.folder.path().join("hold"), "").unwrap();
    }

    pub(crate) fn release(&self) {
        std::fs::remove_file(self.folder.path().join("hold")).unwrap();
    }

    /// What the worker was asked.
    pub(crate) fn orders(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("orders")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Calls with a bearer key.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        self.call_as(Some("Bearer key"), method, path, body).await
    }

    pub(crate) async fn call_as(
        &self,
        key: Option<&str>,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.url()) };
        let mut request = self.client.request(method, url);
        if let Some(key) = key {
            request = request.header("authorization", key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.call(Method::POST, path, Some(body)).await
    }

    /// Polls until the answer is as wanted.
    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let (_, answer) = self.get(path).await;
            if wanted(&answer) {
                return answer;
            }
            assert!(start.elapsed() < PATIENCE, "{path} is still {answer}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The bytes at an address, fetched without a key.
    pub(crate) async fn bytes(&self, url: &str) -> Vec<u8> {
        let answer = self.client.get(url).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{url}");
        answer.bytes().await.unwrap().to_vec()
    }

    /// Puts a file where fal's clients would; answers its address.
    pub(crate) async fn upload(&self, path: &str) -> String {
        let name = Path::new(path).file_name().unwrap().to_str().unwrap();
        let about = json!({ "content_type": "application/octet-stream", "file_name": name });
        let (_, place) = self.post("/rest/storage/upload/initiate", &about).await;
        let bytes = std::fs::read(repository(path)).unwrap();
        let put = self.client.put(place["upload_url"].as_str().unwrap()).body(bytes).send().await.unwrap();
        assert_eq!(put.status(), 200);
        place["file_url"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn bills(&self) -> Vec<Value> {
        self.get("/_simulator/bills").await.1.as_array().unwrap().clone()
    }
}

/// The clip that every job is done with.
pub(crate) fn canned() -> Vec<u8> {
    std::fs::read(repository("fixtures/media/clip_h264_aac.mp4")).unwrap()
}
