//! Receives webhooks of fal and callbacks of Ark, and wakes whoever waits for the request that they name.
//!
//! A webhook only says that a poll is worth while: whatever else it tells is neither believed nor kept.
//! A connection carries one request, which must have arrived within ten seconds; then the connection ends,
//! and with it a request whose sender was slow. What was seen is forgotten at the end of the program: the
//! worst that follows is one poll too many. Deliberately absent: TLS, which a proxy before it does, and any
//! knowledge of what was submitted.

mod connection;

mod fal;

mod keys;

mod seen;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

use crate::http::{self, Secret};
use crate::wake::Wakes;

use connection::Entrance;
use fal::Letterhead;
use keys::Keys;
use seen::{Mark, Seen};

/// The largest body that is read, in bytes.
const MAX_BODY: usize = 1 << 20;
/// How many requests are served at once.
const PLACES: usize = 64;
/// How many requests, and how many signatures, are remembered.
const MEMORY: usize = 100_000;

/// Tells the time in Unix seconds.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Where fal publishes the keys that its webhooks are signed with.
pub const FAL_KEYS: &str = "https://rest.fal.ai/.well-known/jwks.json";

/// Where a receiver listens and whom it believes.
#[derive(Clone)]
pub struct Settings {
    /// The address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where fal's keys are fetched: [`FAL_KEYS`], or `<base>/rest/.well-known/jwks.json`.
    pub keys: String,
    /// What Ark's callbacks have in their path; with an empty one none is taken.
    pub ark_token: Secret,
    /// The time, which a test sets.
    pub clock: Clock,
    /// How long a request may take to arrive.
    pub patience: Duration,
}

impl Settings {
    /// Settings for real use: this machine's clock, and ten seconds of patience.
    #[must_use]
    pub fn new(listen: SocketAddr, keys: String, ark_token: Secret) -> Settings {
        let clock = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
        Settings { listen, keys, ark_token, clock: Arc::new(clock), patience: Duration::from_secs(10) }
    }
}

/// What became of a webhook, in a line without secrets.
#[derive(Debug)]
pub struct Notice {
    /// Whose it is: `fal` or `ark`.
    pub from: &'static str,
    /// The request that it names, once that is known to be of a harmless form.
    pub request_id: Option<String>,
    /// What became of it.
    pub verdict: Result<Verdict, Refusal>,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.from)?;
        if let Some(id) = &self.request_id {
            write!(f, " {id}")?;
        }
        match &self.verdict {
            Ok(Verdict::Accepted) => write!(f, ": accepted"),
            Ok(Verdict::Known) => write!(f, ": known"),
            Err(refusal) => write!(f, ": refused: {refusal}"),
        }
    }
}

/// What a webhook that is believed did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It woke a request.
    Accepted,
    /// It says nothing new.
    Known,
}

/// Why a webhook is not believed.
#[derive(Debug, Error)]
pub enum Refusal {
    /// A header is missing, doubled, or not what it has to be.
    #[error("it is not signed, or not in the form that fal uses")]
    Unsigned,
    /// It was sent too long ago, or the clocks differ.
    #[error("its time is more than 300 s {} ours", if *late { "before" } else { "after" })]
    Untimely {
        /// Whether its time is before ours.
        late: bool,
    },
    /// No key has made the signature.
    #[error("its signature fits no key")]
    Forged,
    /// There are no keys to check it with.
    #[error("the keys cannot be read: {0}")]
    KeysUnread(String),
    /// It did not arrive whole, or is not what it has to be.
    #[error("{0}")]
    Unreadable(&'static str),
    /// The body is too large.
    #[error("its body is larger than {MAX_BODY} bytes")]
    TooLarge,
    /// The path has no token, or a wrong one.
    #[error("its token is wrong")]
    Stranger,
    /// The wake could not be written.
    #[error("the wake could not be written: {0}")]
    Unwritten(#[from] io::Error),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Refusal::Unsigned | Refusal::Untimely { .. } | Refusal::Forged => StatusCode::UNAUTHORIZED,
            Refusal::Unreadable(_) => StatusCode::BAD_REQUEST,
            Refusal::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::Stranger => StatusCode::NOT_FOUND,
            // The sender is to try again.
            Refusal::KeysUnread(_) | Refusal::Unwritten(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// A token of 32 random hex digits.
///
/// # Errors
/// When the system has no random numbers.
pub fn new_token() -> io::Result<String> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("the system has no random numbers"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A running receiver; ends when it is dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    server: JoinHandle<io::Result<()>>,
}

impl Receiver {
    /// Listens, calls `wake` with the id of each request that is to be asked after, and tells `hear` of each webhook.
    ///
    /// # Errors
    /// When the address is taken, the keys' address is none, or this machine has no usable TLS set-up.
    pub async fn start(
        settings: Settings,
        wake: impl Fn(&str) -> io::Result<()> + Send + Sync + 'static,
        hear: impl Fn(&Notice) + Send + Sync + 'static,
    ) -> io::Result<Receiver> {
        let keys = Url::parse(&settings.keys).map_err(io::Error::other)?;
        let keys = Keys::at(keys, settings.clock.clone()).map_err(|error| io::Error::other(http::reason(error)))?;
        let desk = Desk {
            keys: Arc::new(keys),
            clock: settings.clock,
            token: Token::new(&settings.ark_token)?,
            memory: Arc::new(Mutex::new(Memory { woken: Seen::holding(MEMORY), signatures: Seen::holding(MEMORY) })),
            wake: Arc::new(wake),
            hear: Box::new(hear),
        };
        let listener = TcpListener::bind(settings.listen).await?;
        let address = listener.local_addr()?;
        let entrance = Entrance::new(listener, PLACES, settings.patience);
        let router = Router::new().fallback(receive).with_state(Arc::new(desk));
        let server = tokio::spawn(async move { axum::serve(entrance, router).await });
        Ok(Receiver { address, server })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until it ends by itself, which it does only when the network fails.
    ///
    /// # Errors
    /// Why it ended.
    pub async fn wait(&mut self) -> io::Result<()> {
        (&mut self.server).await.map_err(io::Error::other)?
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Wakes the request of an id.
type Waker = Arc<dyn Fn(&str) -> io::Result<()> + Send + Sync>;

/// Everything that a request needs.
struct Desk {
    keys: Arc<Keys>,
    clock: Clock,
    token: Token,
    memory: Arc<Mutex<Memory>>,
    wake: Waker,
    hear: Box<dyn Fn(&Notice) + Send + Sync>,
}

struct Memory {
    woken: Seen,
    signatures: Seen,
}

async fn receive(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let mut response = match (request.method(), request.uri().path()) {
        (&Method::GET, "/health") => "ok".into_response(),
        (&Method::POST, "/fal") => desk.answer("fal", desk.fal(request).await),
        (&Method::POST, path) if path.starts_with("/ark/") => desk.answer("ark", desk.ark(request).await),
        _ => StatusCode::NOT_FOUND.into_response(),
    };
    response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    response
}

/// What became of a request, and its id where that is known.
type Judged = (Option<String>, Result<Verdict, Refusal>);

impl Desk {
    fn answer(&self, from: &'static str, (request_id, verdict): Judged) -> Response {
        let response = match &verdict {
            Ok(Verdict::Accepted) => "accepted".into_response(),
            Ok(Verdict::Known) => "known".into_response(),
            // As any unknown path.
            Err(Refusal::Stranger) => StatusCode::NOT_FOUND.into_response(),
            Err(refusal) => (refusal.status(), "refused").into_response(),
        };
        (self.hear)(&Notice { from, request_id, verdict });
        response
    }

    async fn fal(&self, request: Request) -> Judged {
        let (parts, body) = request.into_parts();
        let letterhead = match Letterhead::read(&parts.headers, (self.clock)()) {
            Ok(letterhead) => letterhead,
            Err(refusal) => return (None, Err(refusal)),
        };
        let judged = async {
            let body = read_body(&parts.headers, body).await?;
            self.keys.verify(letterhead.message(&body).as_bytes(), &letterhead.signature).await?;
            let ids = letterhead.ids(&body)?.into_iter().map(|id| (Seen::mark(&[b"fal", id.as_bytes()]), id));
            self.wake_new(ids.collect(), Some(Seen::mark(&[&letterhead.signature]))).await
        };
        (Some(letterhead.request_id.to_owned()), judged.await)
    }

    async fn ark(&self, request: Request) -> Judged {
        let (parts, body) = request.into_parts();
        if !self.token.is(parts.uri.path().strip_prefix("/ark/").unwrap_or_default()) {
            return (None, Err(Refusal::Stranger));
        }
        let task = async {
            let body = read_body(&parts.headers, body).await?;
            let task: serde_json::Value =
                serde_json::from_slice(&body).map_err(|_| Refusal::Unreadable("its body is not JSON"))?;
            let id = task["id"].as_str().filter(|id| Wakes::fits(id));
            let id = id.ok_or(Refusal::Unreadable("its task id is missing or has another form"))?;
            let status = task["status"].as_str().unwrap_or_default();
            Ok((Seen::mark(&[b"ark", id.as_bytes(), status.as_bytes()]), id.to_owned()))
        };
        match task.await {
            Ok((mark, id)) => (Some(id.clone()), self.wake_new(vec![(mark, id)], None).await),
            Err(refusal) => (None, Err(refusal)),
        }
    }

    /// Wakes those that were not woken yet; a signature that was seen wakes nobody.
    async fn wake_new(&self, marked: Vec<(Mark, String)>, signature: Option<Mark>) -> Result<Verdict, Refusal> {
        let (memory, wake) = (Arc::clone(&self.memory), Arc::clone(&self.wake));
        // In one piece, for a sender may hang up at any time; and a disk may be slow.
        let work = move || {
            let fresh: Vec<(Mark, String)> = {
                let mut memory = lock(&memory);
                if signature.is_some_and(|signature| memory.signatures.has(&signature)) {
                    return Ok(Verdict::Known);
                }
                signature.into_iter().for_each(|signature| memory.signatures.remember(signature));
                let fresh = marked.into_iter().filter(|(mark, _)| !memory.woken.has(mark)).collect::<Vec<_>>();
                fresh.iter().for_each(|(mark, _)| memory.woken.remember(*mark));
                fresh
            };
            if let Err(error) = fresh.iter().try_for_each(|(_, id)| wake(id)) {
                let mut memory = lock(&memory);
                fresh.iter().for_each(|(mark, _)| memory.woken.forget(mark));
                signature.iter().for_each(|signature| memory.signatures.forget(signature));
                return Err(Refusal::Unwritten(error));
            }
            Ok(if fresh.is_empty() { Verdict::Known } else { Verdict::Accepted })
        };
        tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
    }
}

fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a body as it came, up to [`MAX_BODY`].
async fn read_body(headers: &header::HeaderMap, body: Body) -> Result<Vec<u8>, Refusal> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > MAX_BODY as u64) {
        return Err(Refusal::TooLarge);
    }
    let mut bytes = Vec::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Refusal::Unreadable("it did not arrive whole and in time"))?;
        if bytes.len() + chunk.len() > MAX_BODY {
            return Err(Refusal::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// A token that is compared in a time that tells nothing of it.
struct Token {
    key: hmac::Key,
    tag: Option<hmac::Tag>,
}

impl Token {
    fn new(token: &Secret) -> io::Result<Token> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        let key = key.map_err(|_| io::Error::other("the system has no random numbers"))?;
        let tag =
            Some(token.expose()).filter(|token| !token.is_empty()).map(|token| hmac::sign(&key, token.as_bytes()));
        Ok(Token { key, tag })
    }

    fn is(&self, given: &str) -> bool {
        self.tag.as_ref().is_some_and(|tag| hmac::verify(&self.key, given.as_bytes(), tag.as_ref()).is_ok())
    }
}
