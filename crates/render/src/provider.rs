//! The one port to the outside: what a provider of Seedance can be asked.

pub mod fal;

use std::path::PathBuf;

use async_trait::async_trait;
use seedpost_core::catalog::Mode;
use seedpost_core::cost::{Reservation, Usd};
use seedpost_core::job::{Failure, JobRef};
use seedpost_core::shot::ShotDuration;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// What a shot asks for, with every reference at an address that the provider can read.
#[derive(Debug, Clone)]
pub struct Order {
    /// Which of the model's inputs are used.
    pub mode: Mode,
    /// The prompt as the list has it.
    pub prompt: String,
    /// How long.
    pub duration: ShotDuration,
    /// Such as `720p`.
    pub resolution: String,
    /// Such as `16:9`.
    pub aspect_ratio: String,
    /// Whether sound is wanted.
    pub generate_audio: bool,
    /// What makes the model's chance repeatable, for models that take a seed.
    pub seed: Option<u32>,
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

/// A local file to be uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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
        let lasting = |message: String| CallError { transient: false, message };
        let bytes =
            tokio::fs::read(&self.path).await.map_err(|error| lasting(format!("failed to read {path}: {error}")))?;
        if format!("{:x}", Sha256::digest(&bytes)) != self.sha256 {
            return Err(lasting(format!("{path} was changed after it was checked; nothing was sent: run again")));
        }
        Ok(bytes)
    }
}

/// How a job stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// It waits; so many stand before it, where the provider says.
    Queued(Option<u64>),
    /// It renders; the last line of the provider's log.
    Running(Option<String>),
    /// The clip is ready.
    Done {
        /// Where it can be fetched.
        url: String,
        /// What was charged, where the provider says.
        charged: Option<Usd>,
    },
    /// There will be no clip.
    Failed(Failure),
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
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct CallError {
    /// Whether the same call may work in a moment.
    pub transient: bool,
    /// What happened, in words.
    pub message: String,
}

/// A door to Seedance.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Puts a file where the provider can read it, and answers its address. Costs nothing.
    async fn upload(&self, upload: &Upload) -> Result<String, CallError>;

    /// The exact body of a request, in the provider's own form.
    fn body(&self, order: &Order) -> Value;

    /// Sends a request that costs money, once.
    async fn submit(&self, endpoint: &str, body: &Value, reservation: Reservation) -> Result<JobRef, SubmitError>;

    /// Asks how a job stands. Costs nothing.
    async fn poll(&self, job: &JobRef) -> Result<Progress, CallError>;

    /// The job of a known name, where a person found it at the provider.
    fn job(&self, endpoint: &str, request_id: &str) -> JobRef;

    /// Where a clip is fetched, for an address that the provider once gave.
    fn media_url(&self, url: &str) -> String;
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
}
