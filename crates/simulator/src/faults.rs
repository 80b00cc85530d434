//! Faults on request: what goes wrong, at which call, and how often.
//!
//! A list is used from its front: the first fault that fits a call is used up. How a fault looks to a
//! caller is in `tamper`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::store::Form;

/// Where a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Handing in a job.
    Submit,
    /// Asking how a job stands, once or by a stream of events.
    Status,
    /// Fetching what fal made of a job.
    Result,
    /// Cancelling a job.
    Cancel,
    /// Listing jobs.
    List,
    /// Any call that brings a file.
    Upload,
    /// Fetching a finished clip.
    Media,
    /// Asking what a model costs.
    Price,
    /// Asking what jobs did cost.
    Billing,
    /// The job itself.
    Render,
    /// What the simulator sends when a job has ended.
    Webhook,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Nothing is done, and this is answered: `status`, `headers`, `body`.
    Answer,
    /// The work is done, and then this is answered.
    AnswerAfter,
    /// Nothing is done, and the connection ends without a byte.
    Drop,
    /// The work is done, and the connection ends without a byte.
    DropAfter,
    /// Nothing is done, and nothing is answered.
    Hang,
    /// The work is done, and nothing is answered.
    HangAfter,
    /// The work is done, and the JSON reply is changed by `patch`, an RFC 7386 merge patch.
    Patch,
    /// A clip is said to be at `location`.
    Redirect,
    /// A clip ends after `bytes` of what was announced.
    Truncate,
    /// A clip has only `bytes`, and says so.
    Short,
    /// A clip never ends.
    Endless,
    /// A clip is a web page.
    Wrong,
    /// A job fails for a `reason`.
    Fail,
    /// A job never leaves the queue.
    Stall,
    /// A job never ends.
    StallRunning,
    /// A clip lasts `seconds`, whatever was ordered.
    WrongDuration,
    /// A clip has one channel of sound.
    Mono,
    /// A clip has 44,100 samples of sound a second.
    #[serde(rename = "rate_44100")]
    Rate44100,
    /// A clip has no sound.
    NoAudio,
    /// A webhook is not sent.
    Missing,
    /// A webhook is sent twice.
    Double,
    /// A webhook says that it was sent 400 s ago.
    Late,
    /// A webhook is signed with another key.
    Forge,
    /// A webhook is changed after it was signed.
    Tamper,
    /// A webhook says that a fine job failed.
    WrongStatus,
}

/// Why a job fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A reference shows a real person.
    Face,
    /// The clip may belong to somebody else.
    Copyright,
    /// The clip's sound is refused.
    Audio,
    /// The prompt is refused.
    Prompt,
    /// It took too long.
    Timeout,
    /// The provider failed.
    Server,
}

/// One fault. Which parameters count is said at its [`Kind`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Where it strikes.
    pub call: Call,
    /// What goes wrong.
    pub fault: Kind,
    /// How often; 0 for ever.
    #[serde(default = "once")]
    pub times: u32,
    /// What the job's prompt must contain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The wire form that it is limited to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<Form>,
    /// An HTTP status; 500 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// HTTP headers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// A JSON body, or a string that is sent as HTML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// A merge patch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<Value>,
    /// An address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// A number of bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Why a job fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// A length in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u32>,
}

fn once() -> u32 {
    1
}

impl Fault {
    /// A fault that strikes once and has no parameters.
    #[must_use]
    pub fn new(call: Call, fault: Kind) -> Fault {
        Fault {
            call,
            fault,
            times: 1,
            prompt: None,
            form: None,
            status: None,
            headers: BTreeMap::new(),
            body: None,
            patch: None,
            location: None,
            bytes: None,
            reason: None,
            seconds: None,
        }
    }

    /// Says what is wrong with it: a kind that its call cannot have, or a parameter that is missing.
    pub(crate) fn check(&self) -> Result<(), String> {
        let name = |value: Value| value.as_str().unwrap_or_default().to_owned();
        let (call, kind) = (name(serde_json::json!(self.call)), name(serde_json::json!(self.fault)));
        let fits = match self.fault.place() {
            Place::Http => !matches!(self.call, Call::Render | Call::Webhook),
            Place::Media => self.call == Call::Media,
            Place::Render => self.call == Call::Render,
            Place::Webhook => self.call == Call::Webhook,
        };
        if !fits {
            return Err(format!("call {call:?} cannot have the fault {kind:?}"));
        }
        let missing = match self.fault {
            Kind::Patch if self.patch.is_none() => "patch",
            Kind::Redirect if self.location.is_none() => "location",
            Kind::Truncate | Kind::Short if self.bytes.is_none() => "bytes",
            Kind::Fail if self.reason.is_none() => "reason",
            Kind::WrongDuration if self.seconds.is_none_or(|seconds| seconds == 0) => "seconds",
            _ => return Ok(()),
        };
        Err(format!("the fault {kind:?} needs {missing:?}"))
    }
}

enum Place {
    Http,
    Media,
    Render,
    Webhook,
}

impl Kind {
    fn place(self) -> Place {
        match self {
            Kind::Answer
            | Kind::AnswerAfter
            | Kind::Drop
            | Kind::DropAfter
            | Kind::Hang
            | Kind::HangAfter
            | Kind::Patch => Place::Http,
            Kind::Redirect | Kind::Truncate | Kind::Short | Kind::Endless | Kind::Wrong => Place::Media,
            Kind::Fail
            | Kind::Stall
            | Kind::StallRunning
            | Kind::WrongDuration
            | Kind::Mono
            | Kind::Rate44100
            | Kind::NoAudio => Place::Render,
            Kind::Missing | Kind::Double | Kind::Late | Kind::Forge | Kind::Tamper | Kind::WrongStatus => {
                Place::Webhook
            }
        }
    }
}

/// The faults that are still to come.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    left: Mutex<Vec<Fault>>,
}

impl Faults {
    fn left(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts faults behind those that are there; none of them where one is wrong.
    pub(crate) fn add(&self, faults: Vec<Fault>) -> Result<(), String> {
        faults.iter().try_for_each(Fault::check)?;
        self.left().extend(faults);
        Ok(())
    }

    pub(crate) fn clear(&self) {
        self.left().clear();
    }

    pub(crate) fn all(&self) -> Vec<Fault> {
        self.left().clone()
    }

    /// Uses up the first fault that fits. The prompt is asked for only where a fault depends on it.
    pub(crate) fn take(&self, call: Call, form: Form, prompt: impl Fn() -> Option<String>) -> Option<Fault> {
        let mut left = self.left();
        let index = left.iter().position(|fault| {
            let said = |part: &String| prompt().is_some_and(|prompt| prompt.contains(part.as_str()));
            fault.call == call && fault.form.is_none_or(|own| own == form) && fault.prompt.as_ref().is_none_or(said)
        })?;
        if left[index].times == 1 {
            return Some(left.remove(index));
        }
        left[index].times = left[index].times.saturating_sub(1);
        Some(left[index].clone())
    }
}
