//! The other side of a webhook: a key pair, the set that publishes it, and a sender of requests.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use crate::server::{Reply, Server};

/// A server that publishes the keys of these.
pub(crate) fn publish(keys: &[&Signer]) -> Server {
    let set = key_set(&keys.iter().map(|signer| signer.key()).collect::<Vec<_>>());
    Server::start(move |_, request| match request.path.as_str() {
        "/rest/.well-known/jwks.json" => Reply::Text(200, set.clone()),
        _ => Reply::Text(404, String::new()),
    })
}

/// Whoever signs webhooks.
pub(crate) struct Signer(Ed25519KeyPair);

impl Signer {
    pub(crate) fn new() -> Signer {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Signer(Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap())
    }

    /// The public key, as a key set has it.
    pub(crate) fn key(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.public_key().as_ref())
    }

    /// A signed webhook.
    pub(crate) fn letter(&self, request_id: &str, timestamp: u64, body: &str) -> Letter {
        let sum = hex(digest(&SHA256, body.as_bytes()).as_ref());
        let signature = self.0.sign(format!("{request_id}\nuser_1\n{timestamp}\n{sum}").as_bytes());
        let headers = [
            ("X-Fal-Webhook-Request-Id", request_id.to_owned()),
            ("X-Fal-Webhook-User-Id", "user_1".to_owned()),
            ("X-Fal-Webhook-Timestamp", timestamp.to_string()),
            ("X-Fal-Webhook-Signature", hex(signature.as_ref())),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value)).to_vec();
        Letter { headers, body: body.to_owned() }
    }

    /// A signed webhook that says that a request is done.
    pub(crate) fn done(&self, request_id: &str, timestamp: u64) -> Letter {
        let body = format!(r#"{{"request_id":"{request_id}","status":"OK","payload":{{"seed":{timestamp}}}}}"#);
        self.letter(request_id, timestamp, &body)
    }
}

/// A set of keys.
pub(crate) fn key_set(keys: &[String]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{key}"}}"#)).collect();
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

/// A webhook before it is sent.
#[derive(Clone)]
pub(crate) struct Letter {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Letter {
    /// With another value of one header; without that header where there is none.
    pub(crate) fn with(mut self, name: &str, value: Option<&str>) -> Letter {
        self.headers.retain(|(known, _)| known != name);
        self.headers.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        self
    }

    pub(crate) fn signature(&self) -> &str {
        &self.headers.iter().find(|(name, _)| name == "X-Fal-Webhook-Signature").unwrap().1
    }

    /// The request as it goes over the wire.
    pub(crate) fn bytes(&self, path: &str) -> Vec<u8> {
        let headers: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {}\r\n\r\n", self.body.len());
        [head.as_bytes(), self.body.as_bytes()].concat()
    }

    pub(crate) fn send(&self, to: SocketAddr) -> (u16, String) {
        talk(to, &self.bytes("/fal"))
    }
}

/// Sends bytes, and reads the answer to its end: status (0 where the other side hung up without a word) and body.
pub(crate) fn talk(to: SocketAddr, bytes: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // The other side may answer, and hang up, before it has read everything.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    // A reset after the answer is as good as an end.
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, answer.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned()))
}

/// Posts a JSON body to a path.
pub(crate) fn post(to: SocketAddr, path: &str, body: &str) -> (u16, String) {
    talk(to, &Letter { headers: vec![], body: body.to_owned() }.bytes(path))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
