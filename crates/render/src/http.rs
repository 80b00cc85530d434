//! One HTTP client for all providers: time limits, no redirects with a key, no retry of its own, and keys that
//! leave this machine only under TLS.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, redirect, retry};
use url::{Host, Url};

use crate::fetch::Reach;
use crate::provider::{CallError, SetupError, SubmitError};

/// How long one call may take in all; downloads have no such limit, but may not stand still.
pub(crate) const CALL: Duration = Duration::from_secs(300);
/// How long an upload may take.
const UPLOAD: Duration = Duration::from_secs(3600);
/// The slowest line that uploads are waited for, in bytes a second.
const SLOWEST: usize = 16 << 10;
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

/// How long an unused connection is kept.
pub(crate) const KEPT: Duration = Duration::from_secs(30);

/// The way to an API. It never repeats a request by itself.
///
/// Reads share connections: a job is asked after many times. All else goes out on a connection of its own: a request
/// on a kept one may fail because the other side has just closed it, and nobody could say whether it arrived.
#[derive(Debug)]
pub(crate) struct Caller {
    once: Client,
    reads: Client,
}

impl Caller {
    /// A way to an API at this address.
    pub(crate) fn new(api: &Url) -> Result<Caller, reqwest::Error> {
        let reads = builder().pool_max_idle_per_host(usize::MAX).pool_idle_timeout(KEPT);
        Ok(Caller { once: direct(builder(), api).build()?, reads: direct(reads, api).build()? })
    }

    /// Begins a request that has to be answered within [`CALL`].
    pub(crate) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let client = if method == Method::GET { &self.reads } else { &self.once };
        client.request(method, url).timeout(CALL)
    }

    /// Begins a read that may take as long as bytes keep coming.
    pub(crate) fn stream(&self, url: Url) -> RequestBuilder {
        self.reads.get(url)
    }
}

/// What goes to this machine goes without TLS, and so must not pass a proxy of the environment.
pub(crate) fn direct(builder: ClientBuilder, api: &Url) -> ClientBuilder {
    if is_this_machine(api) { builder.no_proxy() } else { builder }
}

/// How long so many bytes may take on their way out: as long as over a slow line, and the answer's time.
pub(crate) fn upload_time(bytes: usize) -> Duration {
    let way = Duration::from_secs(u64::try_from(bytes / SLOWEST).unwrap_or(u64::MAX));
    way.saturating_add(patience()).min(UPLOAD)
}

/// Makes a client for bytes on their way out, which may take their time: the other side says nothing meanwhile.
pub(crate) fn uploader(api: &Url) -> Result<Client, reqwest::Error> {
    direct(builder().read_timeout(UPLOAD), api).build()
}

static PATIENCE: OnceLock<Duration> = OnceLock::new();

/// Sets how long a client waits for the next piece of an answer, in place of two minutes; the first call counts.
pub fn set_patience(patience: Duration) {
    // An error means that it was set before.
    let _ = PATIENCE.set(patience);
}

/// How long a client waits for the next piece of an answer.
pub(crate) fn patience() -> Duration {
    *PATIENCE.get().unwrap_or(&Duration::from_secs(120))
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
        .read_timeout(patience())
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .pool_max_idle_per_host(0)
}

/// Reads the address of an API, which a key is sent to: https, or http on this machine.
pub(crate) fn api(address: &str) -> Result<Url, SetupError> {
    let url = Url::parse(address).map_err(|error| SetupError(format!("an API's address cannot be read: {error}")))?;
    let loopback = is_this_machine(&url);
    let host = url.host_str().unwrap_or_default();
    if !url.username().is_empty() || url.password().is_some() {
        return Err(SetupError(format!("the address of {host} holds a password; keys have variables of their own")));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if loopback => Ok(url),
        _ => Err(SetupError(format!("{host} is asked for without TLS: a key goes over https, or to this machine"))),
    }
}

/// Whether an address leads to this machine itself.
#[must_use]
pub fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// Where the media of an API may lie: on this machine only where the API is.
pub(crate) fn reach(api: &Url) -> Reach {
    if is_this_machine(api) { Reach::ThisMachine } else { Reach::Public }
}

/// The host of an address, with its port where that is not the usual one.
pub(crate) fn host(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", url.host_str().unwrap_or_default())
}

/// Makes a call that costs nothing.
pub(crate) async fn call(request: RequestBuilder) -> Result<Answer, CallError> {
    let response = request.send().await.map_err(|error| CallError::transient(reason(error)))?;
    Answer::read(response).await.map_err(|error| CallError::transient(reason(error)))
}

/// Makes the call that costs money, once. An error that cannot have left bytes behind is told apart.
pub(crate) async fn pay(request: RequestBuilder) -> Result<Answer, SubmitError> {
    let response = request.send().await.map_err(|error| {
        let arrived = !(error.is_connect() || error.is_builder());
        let reason = reason(error);
        if arrived { SubmitError::ChargeUnknown(reason) } else { SubmitError::NotSent(reason) }
    })?;
    Answer::read(response).await.map_err(|error| SubmitError::ChargeUnknown(reason(error)))
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// How long the server asks to wait, in milliseconds.
    pub(crate) retry_after_ms: Option<u64>,
    pub(crate) body: Vec<u8>,
    headers: HeaderMap,
}

impl Answer {
    /// Reads an answer up to [`MAX_ANSWER`].
    pub(crate) async fn read(mut response: reqwest::Response) -> Result<Answer, reqwest::Error> {
        let headers = response.headers().clone();
        let retry_after_ms = headers.get(RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?));
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ANSWER {
                break;
            }
        }
        Ok(Answer { status, retry_after_ms, body, headers })
    }

    /// A header that is plain text.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name)?.to_str().ok().map(str::to_owned)
    }

    /// An answer as a test wants it.
    #[cfg(test)]
    pub(crate) fn test(status: u16, body: &str) -> Answer {
        Answer { status, retry_after_ms: None, body: body.as_bytes().to_vec(), headers: HeaderMap::new() }
    }

    /// How a call that should have worked failed.
    pub(crate) fn error(&self, what: &str, key: &str) -> CallError {
        let transient = self.status >= 500 || matches!(self.status, 408 | 429) || self.status / 100 == 2;
        let hint = if matches!(self.status, 401 | 403) { format!("; check {key}") } else { String::new() };
        CallError {
            transient,
            wait_ms: self.retry_after_ms,
            unknown: self.status == 404,
            message: format!("{what}: {}{hint}", self.describe()),
        }
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

/// Milliseconds from seconds or a date (RFC 9110, 10.2.3), at most an hour.
fn retry_after(text: &str) -> Option<u64> {
    let until = |date: SystemTime| date.duration_since(SystemTime::now()).map_or(0, |wait| wait.as_secs());
    let seconds = text.trim().parse::<u64>().ok().or_else(|| httpdate::parse_http_date(text).ok().map(until))?;
    Some(seconds.min(3600) * 1000)
}

/// A provider's words, as far as they are worth a person's reading.
pub(crate) fn excerpt(text: &str) -> String {
    text.chars().take(500).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_over_tls_or_nowhere() {
        for (address, fine) in [
            ("https://queue.fal.run/", true),
            ("http://127.0.0.1:8080", true),
            ("http://[::1]:8080", true),
            ("http://localhost/v1", true),
            ("http://localhost.example.com/", false),
            ("http://queue.fal.run/", false),
            ("http://10.0.0.1/", false),
            ("https://me:word@example.com/", false),
            ("ftp://example.com/", false),
            ("data:x", false),
            ("queue.fal.run", false),
        ] {
            assert_eq!(api(address).is_ok(), fine, "{address}");
        }
    }

    #[test]
    fn a_key_never_shows() {
        assert_eq!(format!("{:?}", Secret::new("fal-secret".into())), "***");
    }
}
