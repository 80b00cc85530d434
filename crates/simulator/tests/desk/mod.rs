//! What the tests of the simulator share: one in this process with a canned clip, and a client.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::time::{Duration, Instant};

use reqwest::{Client, Method, Response, StatusCode};
use seedpost_simulator::{Config, Simulator};
use serde_json::{Value, json};

pub(crate) const MODEL: &str = "bytedance/seedance-2.0/fast/text-to-video";
/// Not a clip, but bytes that can be told apart.
pub(crate) const CLIP: &[u8] = b"\0\0\0\x10ftypisom\0\0\0\0the rest of a canned clip";
const PATIENCE: Duration = Duration::from_secs(30);

/// A simulator, its folder, and who asks it.
pub(crate) struct Desk {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) simulator: Simulator,
    pub(crate) client: Client,
}

/// Answers with what a canned clip makes, at once.
pub(crate) async fn desk() -> Desk {
    desk_with(|_| ()).await
}

pub(crate) async fn desk_with(change: impl FnOnce(&mut Config)) -> Desk {
    let folder = tempfile::tempdir().unwrap();
    let simulator = simulator(folder.path(), change).await.unwrap();
    Desk { folder, simulator, client: client() }
}

pub(crate) async fn simulator(
    folder: &std::path::Path,
    change: impl FnOnce(&mut Config),
) -> std::io::Result<Simulator> {
    let clip = folder.join("clip.mp4");
    std::fs::write(&clip, CLIP).unwrap();
    let mut config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        folder: folder.join("simulator"),
        worker: "there-is-none".into(),
        parallel: 1,
        clip: Some(clip),
        queue: Duration::ZERO,
        faults: Vec::new(),
    };
    change(&mut config);
    Simulator::start(config).await
}

pub(crate) fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .no_proxy()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .build()
        .unwrap()
}

impl Desk {
    pub(crate) fn url(&self, path: &str) -> String {
        if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.simulator.url()) }
    }

    /// Asks with a key.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> reqwest::Result<Response> {
        let mut request = self.client.request(method, self.url(path)).header("authorization", "Key secret");
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.ask(Method::GET, path, None).await.unwrap()).await
    }

    /// Gives orders for what shall go wrong.
    pub(crate) async fn fault(&self, faults: Value) {
        let reply = self.ask(Method::POST, "/_simulator/faults", Some(faults)).await.unwrap();
        assert_eq!(reply.status(), StatusCode::NO_CONTENT, "{}", reply.text().await.unwrap());
    }

    /// Submits a job; answers what the simulator said.
    pub(crate) async fn submit(&self, prompt: &str) -> Value {
        let (status, reply) = answer(self.try_submit(prompt, "").await.unwrap()).await;
        assert_eq!(status, StatusCode::OK, "{reply}");
        reply
    }

    pub(crate) async fn try_submit(&self, prompt: &str, query: &str) -> reqwest::Result<Response> {
        let input = json!({ "prompt": prompt, "duration": "4", "resolution": "480p" });
        self.ask(Method::POST, &format!("/{MODEL}{query}"), Some(input)).await
    }

    /// Asks until the job is completed; answers the last status.
    pub(crate) async fn completed(&self, job: &Value) -> Value {
        let url = job["status_url"].as_str().unwrap();
        poll(async || {
            let (code, status) = self.get(&format!("{url}?logs=1")).await;
            (code == StatusCode::OK).then_some(status)
        })
        .await
    }

    /// What became of a job.
    pub(crate) async fn result(&self, job: &Value) -> (StatusCode, Value) {
        self.completed(job).await;
        self.get(job["response_url"].as_str().unwrap()).await
    }

    /// The address of the clip of a new job.
    pub(crate) async fn clip(&self) -> String {
        let (_, result) = self.result(&self.submit("a street").await).await;
        result["video"]["url"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn bills(&self) -> Vec<Value> {
        self.get("/_simulator/bills").await.1.as_array().unwrap().clone()
    }
}

pub(crate) async fn answer(reply: Response) -> (StatusCode, Value) {
    let status = reply.status();
    let text = reply.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Tries until something comes of it.
pub(crate) async fn poll<T>(mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = attempt().await {
            return value;
        }
        assert!(Instant::now() < deadline, "nothing came of it");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
