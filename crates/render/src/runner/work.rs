//! What a run is told: takes with what they need, the manner of going about them; and what it tells.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use seedpost_core::job::{Failure, Plan, PollPace};
use seedpost_core::shot::TakeId;
use serde::{Deserialize, Serialize};

use crate::ledger::Room;
use crate::provider::{Order, Upload};
use crate::slots::Slots;
use crate::store::Store;
use crate::wake::Wakes;

/// Where a reference comes from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Input {
    /// An address that the provider reads by itself.
    Url(String),
    /// A local file, handed over first.
    File(Upload),
}

/// A take that is to have its clip.
#[derive(Debug, Clone)]
pub struct Work {
    /// The take; its plan stands in the ledger.
    pub take: TakeId,
    /// The clip's final name.
    pub clip: PathBuf,
    /// What may be sent for it; nothing where it was sent already.
    pub request: Option<Request>,
    /// Where the clip is kept for others, before the ledger says that it is there.
    pub shelf: Option<Shelf>,
}

/// A place in a store.
#[derive(Debug, Clone)]
pub struct Shelf {
    /// The store.
    pub store: Store,
    /// The clip's key.
    pub key: String,
}

/// What is asked for, and the files that go with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// The plan that it belongs to, by its fingerprint.
    pub fingerprint: String,
    /// What is asked for; its addresses are empty and filled from the inputs.
    pub order: Order,
    /// What is asked for where the first choice of settings is refused before it is charged.
    pub second_choice: Option<Box<(Plan, Order)>>,
    /// The field that takes a mark of our own, where the requests are to carry one.
    pub mark: Option<String>,
    /// Reference images.
    pub images: Vec<Input>,
    /// Reference videos.
    pub videos: Vec<Input>,
    /// Reference sounds.
    pub audios: Vec<Input>,
    /// The first frame.
    pub first_frame: Option<Input>,
    /// The last frame.
    pub last_frame: Option<Input>,
}

/// How a take came out of a run.
#[derive(Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// The clip is on disk.
    Done,
    /// There is no clip, and the provider said why.
    Failed(Failure),
    /// A payment is unknown.
    Unknown(String),
    /// The budget does not allow it.
    OverBudget(String),
    /// The provider could not be reached or understood; the next run goes on from here.
    Unreachable(String),
    /// The provider does not know the job that the ledger knows.
    Lost(String),
    /// The run was stopped; the next one goes on from here.
    Stopped,
    /// A file stands where the clip would go; nothing was sent.
    Occupied(String),
    /// The ledger or the disk failed.
    Broken(String),
}

impl Outcome {
    /// The outcome in one word, for counting.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Outcome::Done => "done",
            Outcome::Failed(_) => "failed",
            Outcome::Unknown(_) => "unknown",
            Outcome::OverBudget(_) => "over_budget",
            Outcome::Unreachable(_) => "unreachable",
            Outcome::Lost(_) => "lost",
            Outcome::Stopped => "stopped",
            Outcome::Occupied(_) => "occupied",
            Outcome::Broken(_) => "broken",
        }
    }
}

/// Something that happened, for whoever watches.
#[derive(Debug, Clone)]
pub struct Notice {
    /// The take.
    pub take: TakeId,
    /// The stage, in one word.
    pub stage: &'static str,
    /// What else there is to say.
    pub detail: String,
}

/// How a run goes about its work.
#[derive(Debug, Clone)]
pub struct Manner {
    /// How often jobs are asked after.
    pub pace: PollPace,
    /// How many jobs are under way at once.
    pub concurrency: usize,
    /// How long a run waits for one job; a later run goes on waiting.
    pub patience: Duration,
    /// Whether jobs are listened to as streams, where the provider has them.
    pub follow: bool,
    /// The largest clip that is fetched, in bytes.
    pub max_clip: u64,
    /// Where webhooks say that a job is worth asking after.
    pub wakes: Option<Arc<Wakes>>,
    /// Room for jobs under the provider's key, shared by all runs on this machine.
    pub slots: Option<Slots>,
    /// Room for jobs under the provider's key, shared by all programs of the ledger.
    pub room: Option<Room>,
}

/// What one step of a take has come to.
#[derive(Debug)]
pub enum Stepped {
    /// There is more to do, after so many milliseconds.
    More(u64),
    /// Nothing more is to be done for now.
    Rest(Outcome),
    /// Nothing could be done; a later try may do better.
    Trouble(String),
}

/// What was tried for a take already, and how often.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Tries {
    pub(super) deferrals: u32,
    pub(super) polls: u32,
    pub(super) downloads: u32,
    pub(super) looks: u32,
    #[serde(default)]
    pub(super) rooms: u32,
    /// How often nothing could be done.
    pub(crate) troubles: u32,
    /// Why nothing can be done at present.
    #[serde(default)]
    pub(crate) waits: Option<String>,
    /// Whether the request was sent already.
    pub(crate) was_sent: bool,
    /// What is still to be waited for before the next step, in milliseconds; nothing before the first one.
    pub(super) wait_ms: Option<u64>,
    /// Lines of the job's log that were told.
    #[serde(skip)]
    pub(super) logs: Vec<String>,
}
