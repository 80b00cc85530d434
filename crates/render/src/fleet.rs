//! Many machines on one ledger: errands, the queue that wakes workers, and the workers.
//!
//! The queue only says "advance take X". It may say so twice, or to two workers at once: an event is appended by one of
//! them, and a job whose ticket is not the errand's any more does nothing. A take that nobody has touched for a lease is
//! put into the queue again, whatever became of the one who had it. Workers take only what they have a key for.

mod errand;
mod worker;

use apalis_postgres::PostgresStorage;
use seedpost_core::job::JobRef;
use seedpost_core::shot::{ProviderName, TakeId};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sqlx::PgPool;

use crate::ledger::{Ledger, LedgerError, database};
use crate::runner::{Input, Outcome, Request};
pub use errand::{Errand, Standing};
pub use worker::{Doors, Entrance, Worker};

/// Where supplied files lie, in the store and in a worker's folder.
const REFERENCES: &str = "references";

/// The key of a supplied file in the store.
#[must_use]
pub fn reference_key(sha256: &str) -> String {
    format!("{REFERENCES}/{sha256}")
}

/// The key of a take's clip in the store, by the job that rendered it: no other job's can be taken for it.
#[must_use]
pub fn clip_key(take: &TakeId, job: &JobRef) -> String {
    let job = format!("{:.16x}", Sha256::digest(&job.request_id));
    format!("takes/{}/T{:02}/{job}/render.mp4", take.shot.as_str(), take.number)
}

/// The doors that there are; each has a queue of its own, so that workers take only what they have a key for.
const PROVIDERS: [ProviderName; 4] =
    [ProviderName::Simulator, ProviderName::Fal, ProviderName::Ark, ProviderName::Openai];

/// What a queue holds: which take, and the errand's ticket.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Job {
    take: String,
    ticket: i64,
    /// Whose queue it is in.
    provider: ProviderName,
}

/// A ledger's errands and their queues, on its server.
#[derive(Debug, Clone)]
pub struct Fleet {
    pool: PgPool,
    /// What the queues' names begin with: the ledger's schema.
    queues: String,
    place: String,
}

impl Fleet {
    /// The fleet of a ledger; makes the queues' tables where they are missing.
    ///
    /// # Errors
    /// When the ledger is not on a server, or that refuses.
    pub async fn of(ledger: &Ledger) -> Result<Fleet, LedgerError> {
        let Some(pool) = ledger.server() else {
            return Err(LedgerError::Address("machines share a ledger on Postgres: postgres://…".to_owned()));
        };
        let failed = |error| LedgerError::Database { place: ledger.place().to_owned(), error };
        database::within(prepare(pool)).await.map_err(failed)?;
        let schema = sqlx::query_scalar("SELECT current_schema()").fetch_one(pool);
        let schema: String = database::within(schema).await.map_err(failed)?;
        Ok(Fleet { pool: pool.clone(), queues: format!("seedpost:{schema}"), place: ledger.place().to_owned() })
    }

    fn queue(&self, provider: ProviderName) -> String {
        format!("{}:{}", self.queues, provider.as_str())
    }

    /// Waits for the server's answer, but not for ever.
    async fn within<T>(&self, work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, LedgerError> {
        let failed = |error| LedgerError::Database { place: self.place.clone(), error };
        database::within(work).await.map_err(failed)
    }
}

/// Makes the queues' tables, which all ledgers of the database share, and what they need.
async fn prepare(pool: &PgPool) -> Result<(), sqlx::Error> {
    let mut held = pool.acquire().await?;
    // With its connection the lock goes, whatever happens.
    held.close_on_drop();
    // Programs that begin at the same moment would all make them, whatever IF NOT EXISTS promises.
    sqlx::query("SELECT pg_advisory_lock($1)").bind(database::MIGRATING).execute(&mut *held).await?;
    sqlx::query("CREATE EXTENSION IF NOT EXISTS hstore WITH SCHEMA public").execute(&mut *held).await?;
    PostgresStorage::<()>::setup(pool).await.map_err(|error| sqlx::Error::Protocol(error.to_string()))
}

/// The supplied files of a request.
pub fn files(request: &mut Request) -> impl Iterator<Item = &mut crate::provider::Upload> {
    let Request { images, videos, audios, first_frame, last_frame, .. } = request;
    let inputs = images.iter_mut().chain(videos).chain(audios).chain(first_frame).chain(last_frame);
    inputs.filter_map(|input| match input {
        Input::File(upload) => Some(upload),
        Input::Url(_) => None,
    })
}

/// How an errand ended, as the database keeps it.
fn outcome_text(outcome: &Outcome) -> String {
    serde_json::to_string(outcome).expect("outcomes are plain data")
}
