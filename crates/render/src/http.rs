//! One HTTP client for all providers: time limits, no redirects with a key, no retry of its own.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::{Client, ClientBuilder, redirect, retry};

/// How long one call may take in all; downloads have no such limit, but may not stand still.
pub(crate) const CALL: Duration = Duration::from_secs(300);
/// The largest answer that is read into memory, in bytes.
const MAX_ANSWER: usize = 4 << 20;

/// A key that prints as `***` and never reaches a log, a ledger or an error.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Takes a key.
    #[must_use]
    pub fn new(key: String) -> Secret {
        Secret(key)
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Makes a client that never repeats a request by itself.
///
/// Connections are not kept: a request on a kept one may fail because the other side has just closed
/// it, and then nobody could say whether it arrived.
pub(crate) fn client() -> Result<Client, reqwest::Error> {
    builder().build()
}

/// What every client here has in common; it follows no redirect.
pub(crate) fn builder() -> ClientBuilder {
    static CRYPTO: OnceLock<()> = OnceLock::new();
    CRYPTO.get_or_init(|| {
        // An error means that somebody has installed one already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    Client::builder()
        .user_agent(concat!("seedpost/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(15))
        .read_timeout(Duration::from_secs(120))
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .pool_max_idle_per_host(0)
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// How long the server asks to wait, in milliseconds.
    pub(crate) retry_after_ms: Option<u64>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Reads an answer up to [`MAX_ANSWER`].
    pub(crate) async fn read(mut response: reqwest::Response) -> Result<Answer, reqwest::Error> {
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let retry_after_ms = header("retry-after")
            .and_then(|seconds| seconds.parse::<u64>().ok())
            .map(|seconds| seconds.min(3600) * 1000);
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ANSWER {
                break;
            }
        }
        Ok(Answer { status, retry_after_ms, body })
    }

    /// The body as JSON, if it is that.
    pub(crate) fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Describes the answer in one line.
    pub(crate) fn describe(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let kind = if text.trim_start().starts_with('<') { "a web page" } else { "the answer" };
        let start: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
        format!("HTTP {}, {kind}: {}", self.status, start.trim())
    }
}

/// Words for a failed exchange, without the address, which may hold a signature.
pub(crate) fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}
