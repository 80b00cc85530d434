//! What was asked of the simulator, in order of arrival, without keys.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use axum::http::request::Parts;
use ring::digest;
use serde_json::{Value, json};

/// The most requests that are kept; the oldest are forgotten.
const MOST: usize = 10_000;
/// The longest body that is kept if it is not JSON, in bytes.
const LONGEST_TEXT: usize = 4096;
/// The most bytes of bodies that are kept together.
const MOST_BYTES: usize = 64 << 20;

/// What was in a request.
#[derive(Debug, Clone)]
pub(crate) enum Held {
    /// All of it.
    Whole(Bytes),
    /// The number of bytes that arrived so far.
    Counted(Arc<AtomicU64>),
}

#[derive(Debug)]
struct Entry {
    method: String,
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
    body: Held,
}

/// The requests of one run.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    entries: VecDeque<Entry>,
    bytes: usize,
}

impl Kept {
    fn size(body: &Held) -> usize {
        if let Held::Whole(bytes) = body { bytes.len() } else { 0 }
    }
}

impl Journal {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note(&self, request: &Parts, body: Held) {
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in &request.headers {
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            let text = if name == "authorization" { hidden(&text) } else { text };
            headers.entry(name.as_str().to_owned()).and_modify(|all| *all = format!("{all}, {text}")).or_insert(text);
        }
        let mut kept = self.kept();
        let room = kept.bytes + Kept::size(&body) <= MOST_BYTES;
        let body = match body {
            Held::Whole(bytes) if !room => Held::Counted(Arc::new(AtomicU64::new(bytes.len() as u64))),
            body => body,
        };
        kept.bytes += Kept::size(&body);
        kept.entries.push_back(Entry {
            method: request.method.as_str().to_owned(),
            path: request.uri.path().to_owned(),
            query: request.uri.query().unwrap_or_default().to_owned(),
            headers,
            body,
        });
        if kept.entries.len() > MOST
            && let Some(oldest) = kept.entries.pop_front()
        {
            kept.bytes -= Kept::size(&oldest.body);
        }
    }

    pub(crate) fn clear(&self) {
        *self.kept() = Kept::default();
    }

    pub(crate) fn all(&self) -> Value {
        let entry = |entry: &Entry| json!({ "method": entry.method, "path": entry.path, "query": entry.query, "headers": entry.headers, "body": shown(&entry.body) });
        self.kept().entries.iter().map(entry).collect()
    }
}

/// JSON as such, short text as a string, and of anything else the size.
fn shown(body: &Held) -> Value {
    let bytes = match body {
        Held::Counted(count) => return json!({ "bytes": count.load(Ordering::Relaxed) }),
        Held::Whole(bytes) => bytes,
    };
    if let Ok(value) = serde_json::from_slice(bytes) {
        return value;
    }
    match std::str::from_utf8(bytes) {
        Ok("") => Value::Null,
        Ok(text) if text.len() <= LONGEST_TEXT => text.into(),
        _ => json!({ "bytes": bytes.len() }),
    }
}

/// The scheme, and a digest by which the same key is known again.
fn hidden(authorization: &str) -> String {
    let scheme = authorization.split_once(' ').map_or("", |(scheme, _)| scheme);
    format!("{scheme} sha256:{}", hex(digest::digest(&digest::SHA256, authorization.as_bytes()).as_ref()))
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
