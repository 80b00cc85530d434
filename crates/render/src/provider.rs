//! The one port to the outside: what a provider of Seedance can be asked.

pub mod ark;

pub mod fal;

mod inline;

pub mod proxy;

use std::path::PathBuf;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use seedpost_core::catalog::Mode;
use seedpost_core::cost::{Reservation, ToldPrice, Usd};
use seedpost_core::job::{Failure, JobRef};
use seedpost_core::shot::ShotDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::fetch::Reach;

/// What a shot asks for, with every reference at an address that the provider can read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// Which of the model's inputs are used.
    pub mode: Mode,
    /// The prompt as the list has it.
    pub prompt: String,
    /// What to avoid, where the provider takes that.
    pub negative_prompt: Option<String>,
    /// How long.
    pub duration: ShotDuration,
    /// Such as `720p`.
    pub resolution: String,
    /// Such as `16:9`.
    pub aspect_ratio: String,
    /// Whether sound is wanted.
    pub generate_audio: bool,
    /// The language spoken, by ISO 639-1, for providers that take it.
    pub language: Option<String>,
    /// What makes the model's chance repeatable, for models that take a seed.
    pub seed: Option<u32>,
    /// Whether a draft is wanted, of models that have such a thing.
    pub draft: bool,
    /// The draft that this is to be the full rendering of, by the provider's name for it.
    pub promotes: Option<String>,
    /// Whether the clip's last frame is wanted as a picture.
    pub return_last_frame: bool,
    /// The field for a mark of our own and the mark, by which the request can be found again.
    pub mark: Option<(String, String)>,
    /// Addresses of reference images.
    pub images: Vec<String>,
    /// Addresses of reference videos.
    pub videos: Vec<String>,
    /// Addresses of reference sounds.
    pub audios: Vec<String>,
    /// Address of the first frame.
    pub first_frame: Option<String>,
    /// Address of the last frame.
    pub last_frame: Option<String>,
}

/// A local file to be handed over.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Upload {
    /// The file.
    pub path: PathBuf,
    /// SHA-256 of what was checked, in hex: nothing else is sent.
    pub sha256: String,
    /// Its media type, by content.
    pub content_type: String,
    /// The name that the provider is told.
    pub file_name: String,
}

impl Upload {
    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be read, or is no longer what was checked.
    pub async fn read(&self) -> Result<Vec<u8>, CallError> {
        let path = self.path.display();
        let bytes = tokio::fs::read(&self.path)
            .await
            .map_err(|error| CallError::lasting(format!("failed to read {path}: {error}")))?;
        if format!("{:x}", Sha256::digest(&bytes)) != self.sha256 {
            let message = format!("{path} was changed after it was checked; nothing was sent: run again");
            return Err(CallError::lasting(message));
        }
        Ok(bytes)
    }
}

/// How a job stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// It waits; so many stand before it, where the provider says.
    Queued(Option<u64>),
    /// It renders; all lines of the provider's log so far, or how far it is.
    Running(Vec<String>),
    /// The clip is ready.
    Done(Clip),
    /// There will be no clip.
    Failed(Failure),
}

/// A clip that waits at the provider.
#[derive(Debug, Clone, PartialEq)]
pub struct Clip {
    /// Where it can be fetched.
    pub url: String,
    /// What was charged, where the provider says.
    pub charged: Option<Usd>,
    /// Where its last frame can be fetched.
    pub last_frame: Option<String>,
}

/// How a submit can go wrong. Only the first three prove that nothing was bought.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// No byte of it arrived.
    #[error("the request was not sent: {0}")]
    NotSent(String),
    /// It was turned away for now.
    #[error("the provider asks to wait: {message}")]
    Throttled {
        /// How long.
        wait_ms: u64,
        /// The provider's words.
        message: String,
    },
    /// It was refused.
    #[error("refused: {}", .0.message)]
    Refused(Failure),
    /// Nobody knows.
    #[error("nobody knows whether the provider took the request: {0}")]
    ChargeUnknown(String),
}

/// How a call that costs nothing can go wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CallError {
    /// Whether the same call may work in a moment.
    pub transient: bool,
    /// How long the provider asks to wait first, in milliseconds.
    pub wait_ms: Option<u64>,
    /// Whether the provider knows nothing of what was asked for.
    pub unknown: bool,
    /// What happened, in words.
    pub message: String,
}

impl CallError {
    /// The same call may work in a moment.
    #[must_use]
    pub fn transient(message: impl Into<String>) -> CallError {
        CallError { transient: true, wait_ms: None, unknown: false, message: message.into() }
    }

    /// The same call would fail again.
    #[must_use]
    pub fn lasting(message: impl Into<String>) -> CallError {
        CallError { transient: false, ..CallError::transient(message) }
    }
}

/// Says why a provider cannot be used at all.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SetupError(pub(crate) String);

/// What became of a wish to cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancel {
    /// The job is gone; it never began.
    Gone,
    /// The provider was told; the job may still end, and be charged.
    Asked,
    /// It had ended already, or cannot be cancelled any more.
    TooLate,
}

/// A request that may have been taken, as the ledger knows it.
#[derive(Debug, Clone)]
pub struct Sought {
    /// The provider's own name for the model.
    pub endpoint: String,
    /// What was sent, as [`record`] keeps it.
    pub body: Value,
    /// When, as Unix milliseconds.
    pub sent_ms: u64,
}

/// A job at the provider that may be the one that is sought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The job.
    pub job: JobRef,
    /// Why it is taken for the one, and how it stands, in words.
    pub words: String,
    /// Whether nothing else can be meant.
    pub certain: bool,
}

/// The port's answer to a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The provider has no list to search.
    NoList,
    /// These match; none is no proof that nothing was charged, since lists come late.
    Jobs(Vec<Candidate>),
}

/// A file where the provider can read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The address to name in the request.
    pub address: String,
    /// The host that the bytes went to.
    pub host: String,
}

/// Hears how a job advances.
pub type Listener<'l> = &'l (dyn Fn(Progress) + Send + Sync);

/// A door to Seedance.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Puts a file where the provider can read it. Costs nothing.
    async fn place(&self, upload: &Upload) -> Result<Placed, CallError>;

    /// The exact body of a request, in the provider's own form.
    fn body(&self, endpoint: &str, order: &Order) -> Value;

    /// Sends a request that costs money, once.
    async fn submit(&self, endpoint: &str, body: &Value, reservation: Reservation) -> Result<JobRef, SubmitError>;

    /// Asks how a job stands. Costs nothing.
    async fn poll(&self, job: &JobRef) -> Result<Progress, CallError>;

    /// Listens to a job until it ends or the connection does. Costs nothing; where the provider has no such
    /// thing this returns at once, and polling goes on.
    async fn follow(&self, _job: &JobRef, _listener: Listener<'_>) -> Result<(), CallError> {
        Ok(())
    }

    /// Asks the provider to drop a job.
    async fn cancel(&self, job: &JobRef) -> Result<Cancel, CallError>;

    /// Looks for a request in the provider's own list.
    async fn find(&self, sought: &Sought) -> Result<Found, CallError>;

    /// What jobs were charged by the provider's bill, by request id, as far as it tells.
    async fn charges(&self, _jobs: &[JobRef]) -> Result<Vec<(String, Usd)>, CallError> {
        Ok(Vec::new())
    }

    /// What the provider asks at present, by endpoint, as far as it tells.
    async fn prices(&self, _endpoints: &[String]) -> Result<Vec<(String, ToldPrice)>, CallError> {
        Ok(Vec::new())
    }

    /// The job of a known name, where a person found it at the provider.
    fn job(&self, endpoint: &str, request_id: &str) -> JobRef;

    /// Which hosts its clips may be fetched from.
    fn media_reach(&self) -> Reach;

    /// Where a clip is fetched, for an address that the provider once gave.
    fn media_url(&self, url: &str) -> String {
        url.to_owned()
    }
}

/// What a filter saw, where a provider says it in words.
fn filtered(words: &str) -> Option<&'static str> {
    const SEEN: [(&str, &str); 8] = [
        ("likeness", "face"),
        ("real people", "face"),
        ("real person", "face"),
        ("face", "face"),
        ("copyright", "copyright"),
        ("trademark", "copyright"),
        ("intellectual property", "copyright"),
        ("audio", "audio"),
    ];
    let words = words.to_ascii_lowercase();
    let seen = SEEN.into_iter().find(|(word, _)| words.contains(word));
    seen.map(|(_, seen)| seen)
}

/// A request as the ledger keeps it: files that are sent within it are named by their digest.
#[must_use]
pub fn record(body: &Value) -> Value {
    match body {
        Value::String(text) => match text.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,")) {
            Some((kind, data)) => {
                let bytes = STANDARD.decode(data).unwrap_or_else(|_| data.as_bytes().to_vec());
                json!(format!("data:{kind};sha256={:x};length={}", Sha256::digest(&bytes), bytes.len()))
            }
            None => body.clone(),
        },
        Value::Array(items) => items.iter().map(record).collect(),
        Value::Object(fields) => fields
            .iter()
            // Its end is a secret: whoever knows it can wake polls.
            .map(|(key, value)| (key.clone(), if key == "callback_url" { json!("ours") } else { record(value) }))
            .collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_was_checked_is_sent() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("line.wav");
        std::fs::write(&path, "abc").expect("a file");
        // FIPS 180-2, appendix B.1.
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".to_owned();
        let upload =
            Upload { path: path.clone(), sha256, content_type: "audio/wav".into(), file_name: "line.wav".into() };
        assert_eq!(upload.read().await.expect("the same file"), b"abc");
        std::fs::write(&path, "abd").expect("a file");
        let error = upload.read().await.expect_err("another file");
        assert!(!error.transient && error.message.contains("changed after it was checked"), "{error}");
    }

    #[test]
    fn the_ledger_keeps_no_files() {
        let body = json!({ "images": ["data:image/png;base64,YWJj", "https://a/b.png"], "prompt": "data: none" });
        let kept = record(&body);
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(kept["images"][0], json!(format!("data:image/png;sha256={digest};length=3")));
        assert_eq!((&kept["images"][1], &kept["prompt"]), (&body["images"][1], &body["prompt"]));
    }
}
