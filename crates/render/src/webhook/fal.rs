//! fal's signed webhooks: what the headers must say, what was signed, and which request the body names.

use axum::http::HeaderMap;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Refusal;
use crate::wake::Wakes;

/// How far a webhook's time may be from ours, in seconds.
const WINDOW: u64 = 300;

/// What the headers of a webhook say.
#[derive(Debug)]
pub(super) struct Letterhead<'h> {
    pub(super) request_id: &'h str,
    user_id: &'h str,
    timestamp: &'h str,
    pub(super) signature: [u8; 64],
}

impl<'h> Letterhead<'h> {
    /// Reads the headers at a time (Unix seconds).
    pub(super) fn read(headers: &'h HeaderMap, now: u64) -> Result<Letterhead<'h>, Refusal> {
        let header = |name: &str| {
            // Of two headers nobody could say which was signed.
            let mut values = headers.get_all(name).iter();
            let value = values.next().filter(|_| values.next().is_none())?;
            value.to_str().ok()
        };
        let required = |name: &str| header(name).ok_or(Refusal::Unsigned);
        let request_id = required("x-fal-webhook-request-id")?;
        let user_id = required("x-fal-webhook-user-id")?;
        let timestamp = required("x-fal-webhook-timestamp")?;
        let signature = unhex(required("x-fal-webhook-signature")?).ok_or(Refusal::Unsigned)?;
        if !Wakes::fits(request_id) {
            return Err(Refusal::Unreadable("its request id has another form"));
        }
        let digits = timestamp.bytes().all(|byte| byte.is_ascii_digit());
        let sent: u64 = timestamp.parse().ok().filter(|_| digits).ok_or(Refusal::Unsigned)?;
        if now.abs_diff(sent) > WINDOW {
            return Err(Refusal::Untimely { late: sent < now });
        }
        Ok(Letterhead { request_id, user_id, timestamp, signature })
    }

    /// What was signed together with this body.
    pub(super) fn message(&self, body: &[u8]) -> String {
        let Letterhead { request_id, user_id, timestamp, .. } = self;
        format!("{request_id}\n{user_id}\n{timestamp}\n{:x}", Sha256::digest(body))
    }

    /// The ids that a signed body gives its request: which of two a submit's reply named is not known.
    pub(super) fn ids(&self, body: &[u8]) -> Result<Vec<String>, Refusal> {
        let body: Value = serde_json::from_slice(body).map_err(|_| Refusal::Unreadable("its body is not JSON"))?;
        let named = ["request_id", "gateway_request_id"].map(|name| body[name].as_str());
        let mut ids: Vec<String> =
            named.into_iter().flatten().filter(|id| Wakes::fits(id)).map(str::to_owned).collect();
        ids.dedup();
        if ids.iter().any(|id| id == self.request_id) {
            Ok(ids)
        } else {
            Err(Refusal::Unreadable("its body names another request than its header"))
        }
    }
}

fn unhex(text: &str) -> Option<[u8; 64]> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let digits: Vec<u8> = text.bytes().take(129).map(|byte| digit(&byte)).collect::<Option<_>>()?;
    let bytes: Vec<u8> =
        digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |sum, digit| sum << 4 | digit)).collect();
    if digits.len() == 128 { bytes.try_into().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_128_hex_digits() {
        assert_eq!(unhex(&"0aF1".repeat(32)), Some([[0x0a, 0xf1]; 32].concat().try_into().unwrap()));
        for text in ["", "0", &"0".repeat(127), &"0".repeat(129), &"0".repeat(130), &"g".repeat(128), &"é".repeat(64)]
        {
            assert_eq!(unhex(text), None, "{text}");
        }
    }
}
