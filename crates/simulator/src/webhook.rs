//! fal's webhooks: who asked for it is told when a job has ended, with an ED25519 signature.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use crate::faults::{Call, Kind};
use crate::journal::hex;
use crate::render::Studio;
use crate::store::{Form, Job, now_ms};
use crate::{callback, queue};

/// The account that every job belongs to.
const USER: &str = "simulator";
/// How long to wait before each attempt; it gives up within a minute and a half.
const ATTEMPTS: [Duration; 5] =
    [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(15), Duration::from_secs(30)];
/// The age of a late webhook, in seconds; receivers accept 300.
const LATE: u64 = 400;

/// Who signs.
#[derive(Debug)]
pub(crate) struct Herald {
    key: Ed25519KeyPair,
    /// Where callers find this simulator, such as `http://127.0.0.1:40001`.
    pub(crate) address: String,
}

impl Herald {
    /// Reads the key from the folder, or makes one.
    pub(crate) fn open(folder: &Path, address: String) -> io::Result<Herald> {
        let path = folder.join("webhook-key.pk8");
        let document = match std::fs::read(&path) {
            Ok(document) => document,
            Err(_) => {
                let made = new_key()?;
                std::fs::write(&path, &made)?;
                made
            }
        };
        Ok(Herald { key: read_key(&document)?, address })
    }
}

fn new_key() -> io::Result<Vec<u8>> {
    let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
    Ok(made.map_err(|error| io::Error::other(error.to_string()))?.as_ref().to_vec())
}

fn read_key(document: &[u8]) -> io::Result<Ed25519KeyPair> {
    Ed25519KeyPair::from_pkcs8(document).map_err(|error| io::Error::other(error.to_string()))
}

/// The public key, by which webhooks are verified.
pub(crate) async fn keys(State(studio): State<Arc<Studio>>) -> Json<Value> {
    let public = URL_SAFE_NO_PAD.encode(studio.herald.key.public_key());
    Json(json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": public }] }))
}

/// Tells who asked for it that a job has ended, until they have heard it.
pub(crate) async fn announce(studio: &Studio, job: &Job) {
    let Some(url) = &job.webhook else { return };
    let fault = studio.faults.take(Call::Webhook, Form::Fal, || Some(job.prompt())).map(|fault| fault.fault);
    if fault == Some(Kind::Missing) {
        return;
    }
    let body = payload(job, &studio.herald.address, fault == Some(Kind::WrongStatus)).to_string().into_bytes();
    for _ in 0..if fault == Some(Kind::Double) { 2 } else { 1 } {
        for wait in ATTEMPTS {
            tokio::time::sleep(wait).await;
            let Ok((headers, body)) = signed(&studio.herald, job, body.clone(), fault) else { return };
            if matches!(callback::post(url, &headers, body).await, Ok(200..=299)) {
                break;
            }
        }
    }
}

fn payload(job: &Job, address: &str, wrong: bool) -> Value {
    let (status, result) = queue::outcome(job, address);
    let mut payload = json!({ "request_id": job.request_id, "gateway_request_id": job.request_id, "payload": result });
    if status.is_success() && !wrong {
        payload["status"] = "OK".into();
    } else {
        payload["status"] = "ERROR".into();
        payload["error"] = format!("Invalid status code: {}", if wrong { 500 } else { status.as_u16() }).into();
    }
    payload
}

/// Headers, and a body.
type Letter = (Vec<(&'static str, String)>, Vec<u8>);

/// The headers for a body, and the body as it is sent.
fn signed(herald: &Herald, job: &Job, mut body: Vec<u8>, fault: Option<Kind>) -> io::Result<Letter> {
    let age = if fault == Some(Kind::Late) { LATE } else { 0 };
    let timestamp = (now_ms() / 1000 - age).to_string();
    let digest = hex(digest::digest(&digest::SHA256, &body).as_ref());
    let message = [job.request_id.as_str(), USER, &timestamp, &digest].join("\n");
    let signature = match fault {
        Some(Kind::Forge) => read_key(&new_key()?)?.sign(message.as_bytes()),
        _ => herald.key.sign(message.as_bytes()),
    };
    if fault == Some(Kind::Tamper) {
        // Still JSON, as a swindler would leave it.
        body.splice(0..1, *b"{\"tampered\":true,");
    }
    let headers = vec![
        ("x-fal-webhook-request-id", job.request_id.clone()),
        ("x-fal-webhook-user-id", USER.to_owned()),
        ("x-fal-webhook-timestamp", timestamp),
        ("x-fal-webhook-signature", hex(signature.as_ref())),
    ];
    Ok((headers, body))
}
