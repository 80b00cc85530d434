//! fal's public keys: fetched when they are first needed, kept for a day, fetched again when a signature fits none.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::Value;
use url::Url;

use super::{Clock, Refusal};
use crate::http::{self, Answer, Caller};

/// How long keys are believed, in seconds.
const LIFE: u64 = 24 * 3600;
/// The least time between two attempts to fetch them, in seconds: forged webhooks must cause no flood.
const PAUSE: u64 = 60;
/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most keys that are tried.
const MOST: usize = 64;

type Key = [u8; 32];

/// The keys of one address, which holds a JSON Web Key Set (RFC 7517, RFC 8037).
pub(super) struct Keys {
    url: Url,
    caller: Caller,
    clock: Clock,
    state: Mutex<State>,
    /// One attempt at a time.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    keys: Arc<[Key]>,
    /// When `keys` were read.
    read: Option<u64>,
    /// When they were last asked for.
    asked: Option<u64>,
    /// Why the last attempt failed.
    trouble: Option<String>,
}

impl Keys {
    pub(super) fn at(url: Url, clock: Clock) -> Result<Keys, reqwest::Error> {
        let caller = Caller::new(&url)?;
        Ok(Keys { url, caller, clock, state: Mutex::default(), turn: tokio::sync::Mutex::default() })
    }

    /// Whether any key has made this signature of the message.
    pub(super) async fn verify(self: &Arc<Keys>, message: &[u8], signature: &[u8; 64]) -> Result<(), Refusal> {
        if self.present().is_some_and(|keys| any_fits(&keys, message, signature)) {
            return Ok(());
        }
        // A task of its own: a sender that hangs up at once must not end the attempt, and so keep keys away.
        let own = Arc::clone(self);
        let renewed = tokio::spawn(async move { own.renew().await }).await;
        renewed.map_err(|error| Refusal::KeysUnread(error.to_string()))?;
        match self.present() {
            Some(keys) if any_fits(&keys, message, signature) => Ok(()),
            Some(_) => Err(Refusal::Forged),
            None => Err(Refusal::KeysUnread(self.state().trouble.clone().unwrap_or_default())),
        }
    }

    /// The keys, unless they are too old to be believed.
    fn present(&self) -> Option<Arc<[Key]>> {
        let state = self.state();
        let age = (self.clock)().abs_diff(state.read?);
        (age <= LIFE).then(|| Arc::clone(&state.keys))
    }

    /// Asks for the keys, unless that was done less than a minute ago.
    async fn renew(&self) {
        let _turn = self.turn.lock().await;
        let now = (self.clock)();
        {
            let mut state = self.state();
            if state.asked.is_some_and(|asked| now.abs_diff(asked) < PAUSE) {
                return;
            }
            state.asked = Some(now);
        }
        let fetched = self.fetch().await;
        let mut state = self.state();
        match fetched {
            Ok(keys) => *state = State { keys: keys.into(), read: Some(now), asked: Some(now), trouble: None },
            Err(trouble) => state.trouble = Some(trouble),
        }
    }

    async fn fetch(&self) -> Result<Vec<Key>, String> {
        let call = async {
            let response = self.caller.stream(self.url.clone()).header("accept", "application/json").send().await?;
            Answer::read(response).await
        };
        let answer = tokio::time::timeout(PATIENCE, call).await;
        let answer = answer.map_err(|_| format!("no answer within {PATIENCE:?}"))?.map_err(http::reason)?;
        let keys = answer.json().filter(|_| answer.status == 200).map(|set| read_set(&set)).unwrap_or_default();
        if keys.is_empty() { Err(format!("no key in {}", answer.describe())) } else { Ok(keys) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn any_fits(keys: &[Key], message: &[u8], signature: &[u8; 64]) -> bool {
    keys.iter().any(|key| UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok())
}

/// The Ed25519 keys of a set.
fn read_set(set: &Value) -> Vec<Key> {
    let key = |key: &Value| {
        let other = |name: &str, wanted: &str| key[name].as_str().is_some_and(|named| named != wanted);
        if other("kty", "OKP") || other("crv", "Ed25519") {
            return None;
        }
        // The standard knows no padding here, but senders do.
        URL_SAFE_NO_PAD.decode(key["x"].as_str()?.trim_end_matches('=')).ok()?.try_into().ok()
    };
    set["keys"].as_array().into_iter().flatten().filter_map(key).take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_keys_of_the_right_kind_and_length_are_read() {
        let bare = URL_SAFE_NO_PAD.encode([251; 32]);
        for (key, expected) in [
            (json!({ "x": bare }), 1),
            (json!({ "kty": "OKP", "crv": "Ed25519", "x": format!("{bare}=") }), 1),
            (json!({ "kty": "EC", "crv": "P-256", "x": bare }), 0),
            (json!({ "kty": "OKP", "crv": "X25519", "x": bare }), 0),
            (json!({ "x": URL_SAFE_NO_PAD.encode([1; 31]) }), 0),
            (json!({ "x": "not base64!" }), 0),
            (json!({ "x": 5 }), 0),
            (json!("x"), 0),
        ] {
            assert_eq!(read_set(&json!({ "keys": [key] })).len(), expected, "{key}");
        }
        for set in [json!({}), json!([]), json!({ "keys": {} }), json!(null)] {
            assert!(read_set(&set).is_empty());
        }
    }
}
