//! Errands: what workers are to do for a take, how far they are, and how it came out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use apalis::prelude::TaskBuilder;
use apalis_postgres::queries::push_tasks;
use seedpost_core::shot::{ProviderName, TakeId};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

use super::{Fleet, Job, PROVIDERS, outcome_text};
use crate::ledger::LedgerError;
use crate::runner::{Outcome, Request, Tries};

/// How long a worker counts as present after it was last seen, in seconds.
const PRESENT: i32 = 20;
/// The server's clock, as Unix milliseconds.
const NOW: &str = "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)";
/// How many errands are given by one statement.
const GIVEN_AT_ONCE: usize = 200;

/// What is to be done for a take.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Errand {
    /// The door that the take goes through, and so which workers can do it.
    pub provider: ProviderName,
    /// What may be sent for it; nothing where it was sent already. Supplied files lie in the store.
    pub request: Option<Request>,
}

/// How an errand stands.
#[derive(Debug)]
pub struct Standing {
    /// The take.
    pub take: TakeId,
    /// How it ended; nothing while workers are at it.
    pub outcome: Option<Outcome>,
    /// Why nothing can be done at present.
    pub waits: Option<String>,
}

/// An errand that a worker has begun a step of.
pub(super) struct Begun {
    pub(super) errand: Errand,
    pub(super) tries: Tries,
}

impl Fleet {
    /// Gives errands to the workers, in place of earlier ones for the same takes.
    ///
    /// # Errors
    /// When the database fails; then the last ones were not given.
    pub async fn give(&self, errands: &[(TakeId, Errand)]) -> Result<(), LedgerError> {
        let (anew, sent): (Vec<_>, Vec<_>) = errands.iter().partition(|(_, errand)| errand.request.is_some());
        for (group, anew) in [(anew, true), (sent, false)] {
            // The server may be far away: few statements for many errands.
            for some in group.chunks(GIVEN_AT_ONCE) {
                self.within(self.give_some(some, anew)).await?;
            }
        }
        Ok(())
    }

    /// Somebody may be at what was given before: that is replaced only by another request.
    async fn give_some(&self, errands: &[&(TakeId, Errand)], anew: bool) -> Result<(), sqlx::Error> {
        let statement = format!(
            "INSERT INTO errand (take, work, provider, ticket, due_ms, tries)
             SELECT value->>0, value->>1, value->>2, 1, {NOW}, $2 FROM json_array_elements(CAST($1 AS JSON)) AS list (value)
             ON CONFLICT (take) DO UPDATE SET work = EXCLUDED.work, provider = EXCLUDED.provider,
             ticket = errand.ticket + 1, due_ms = EXCLUDED.due_ms, tries = EXCLUDED.tries, outcome = NULL
             WHERE errand.outcome IS NOT NULL OR ($3 AND errand.work <> EXCLUDED.work)
             RETURNING take, ticket, due_ms"
        );
        let row = |(take, errand): &&(TakeId, Errand)| (take.to_string(), text(errand), errand.provider.as_str());
        let list: Vec<_> = errands.iter().map(row).collect();
        let providers: HashMap<_, _> =
            errands.iter().map(|(take, errand)| (take.to_string(), errand.provider)).collect();
        let mut transaction = self.pool.begin().await?;
        let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(text(&list)).bind(text(&Tries::default()));
        let job = |row: PgRow| {
            let take: String = row.get(0);
            let provider = *providers.get(&take)?;
            Some((Job { provider, take, ticket: row.get(1) }, Due { at_ms: row.get(2), first: !anew }))
        };
        let jobs = query.bind(anew).fetch_all(&mut *transaction).await?.into_iter().filter_map(job).collect();
        self.push(&mut transaction, jobs).await?;
        transaction.commit().await
    }

    /// How all errands stand.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn standings(&self) -> Result<Vec<Standing>, LedgerError> {
        const ALL: &str = "SELECT take, outcome, tries FROM errand";
        let rows = self.within(sqlx::query(ALL).fetch_all(&self.pool)).await?;
        let standing = |row: PgRow| {
            let outcome: Option<String> = row.get(1);
            let tries: Option<Tries> = serde_json::from_str(row.get(2)).ok();
            Some(Standing {
                take: row.get::<String, _>(0).parse().ok()?,
                outcome: outcome.map(|text| read_outcome(&text)),
                waits: tries.and_then(|tries| tries.waits),
            })
        };
        Ok(rows.into_iter().filter_map(standing).collect())
    }

    /// The doors that workers go through at present.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn attended(&self) -> Result<BTreeSet<ProviderName>, LedgerError> {
        const SEEN: &str = "SELECT DISTINCT worker_type FROM apalis.workers
             WHERE worker_type = ANY($1) AND last_seen > now() - make_interval(secs => $2)";
        let seen = sqlx::query_scalar(SEEN).bind(self.all_queues()).bind(PRESENT);
        let queues: Vec<String> = self.within(seen.fetch_all(&self.pool)).await?;
        Ok(PROVIDERS.into_iter().filter(|provider| queues.contains(&self.queue(*provider))).collect())
    }

    /// Begins a step, unless the ticket is not the errand's any more.
    pub(super) async fn begin(&self, job: &Job) -> Result<Option<Begun>, LedgerError> {
        let statement = format!(
            "UPDATE errand SET due_ms = {NOW} WHERE take = $1 AND ticket = $2 AND outcome IS NULL RETURNING work, tries"
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(&job.take).bind(job.ticket);
        let row = self.within(query.fetch_optional(&self.pool)).await?;
        let Some(row) = row else { return Ok(None) };
        let read = |error: serde_json::Error| LedgerError::Damaged {
            take: job.take.clone(),
            what: format!("its errand: {error}"),
        };
        let errand = serde_json::from_str(row.get(0)).map_err(read)?;
        let tries = serde_json::from_str(row.get(1)).map_err(read)?;
        Ok(Some(Begun { errand, tries }))
    }

    /// Says that somebody is at it, where the errand still is this job's.
    pub(super) async fn touch(&self, job: &Job) -> Result<(), LedgerError> {
        let statement = format!("UPDATE errand SET due_ms = {NOW} WHERE take = $1 AND ticket = $2 AND outcome IS NULL");
        let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(&job.take).bind(job.ticket);
        self.within(query.execute(&self.pool)).await.map(drop)
    }

    /// Puts the next step into the queue, after so many milliseconds; `first` of all that are due where money was spent.
    pub(super) async fn again(&self, job: &Job, wait_ms: u64, tries: &Tries, first: bool) -> Result<(), LedgerError> {
        let again = async {
            let mut transaction = self.pool.begin().await?;
            let statement = format!(
                "UPDATE errand SET ticket = ticket + 1, due_ms = {NOW} + $3, tries = $4
                 WHERE take = $1 AND ticket = $2 AND outcome IS NULL RETURNING ticket, due_ms"
            );
            let wait = i64::try_from(wait_ms).unwrap_or(i64::MAX / 2);
            let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(&job.take).bind(job.ticket);
            let row = query.bind(wait).bind(text(tries)).fetch_optional(&mut *transaction).await?;
            if let Some(row) = row {
                let due = Due { at_ms: row.get(1), first };
                let next = Job { ticket: row.get(0), ..job.clone() };
                self.push(&mut transaction, vec![(next, due)]).await?;
            }
            transaction.commit().await
        };
        self.within(again).await
    }

    /// Ends an errand; answers whether it still was this job's.
    pub(super) async fn end(&self, job: &Job, outcome: &Outcome) -> Result<bool, LedgerError> {
        const END: &str = "UPDATE errand SET outcome = $3 WHERE take = $1 AND ticket = $2 AND outcome IS NULL";
        let query = sqlx::query(END).bind(&job.take).bind(job.ticket).bind(outcome_text(outcome));
        let ended = self.within(query.execute(&self.pool)).await?;
        Ok(ended.rows_affected() == 1)
    }

    /// Puts errands of these doors that nobody has touched for so many milliseconds into the queue again, but for those that
    /// only wait for their turn there; answers how many.
    pub(super) async fn sweep(&self, providers: &[ProviderName], lease_ms: u64) -> Result<usize, LedgerError> {
        let mut count = 0;
        for provider in providers {
            count += self.within(self.sweep_one(*provider, lease_ms)).await?;
        }
        Ok(count)
    }

    async fn sweep_one(&self, provider: ProviderName, lease_ms: u64) -> Result<usize, sqlx::Error> {
        let statement = format!(
            "UPDATE errand SET ticket = ticket + 1, due_ms = {NOW}
             WHERE outcome IS NULL AND due_ms + $1 < {NOW} AND provider = $2
             AND NOT EXISTS (SELECT FROM apalis.jobs WHERE job_type = $3 AND status = 'Pending'
                             AND idempotency_key = take || ':' || ticket)
             RETURNING take, ticket, due_ms"
        );
        let lease = i64::try_from(lease_ms).unwrap_or(i64::MAX / 2);
        let mut transaction = self.pool.begin().await?;
        let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(lease);
        let rows = query.bind(provider.as_str()).bind(self.queue(provider)).fetch_all(&mut *transaction).await?;
        let job = |row: &PgRow| {
            let due = Due { at_ms: row.get(2), first: true };
            (Job { take: row.get(0), ticket: row.get(1), provider }, due)
        };
        self.push(&mut transaction, rows.iter().map(job).collect()).await?;
        transaction.commit().await?;
        Ok(rows.len())
    }

    /// Ends errands that were given and not sent yet, so that nobody sends them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_back(&self, takes: &[TakeId]) -> Result<(), LedgerError> {
        const BACK: &str =
            "UPDATE errand SET outcome = $2, ticket = ticket + 1 WHERE outcome IS NULL AND take = ANY($1)";
        let names: Vec<String> = takes.iter().map(TakeId::to_string).collect();
        let query = sqlx::query(BACK).bind(names).bind(outcome_text(&Outcome::Stopped));
        self.within(query.execute(&self.pool)).await.map(drop)
    }

    /// Says that workers, by the beginning of their names, are present.
    pub(super) async fn present(&self, names: &str) -> Result<(), LedgerError> {
        const PRESENT: &str = "UPDATE apalis.workers SET last_seen = now() WHERE starts_with(id, $1)";
        self.within(sqlx::query(PRESENT).bind(names).execute(&self.pool)).await.map(drop)
    }

    /// Removes what ended long ago from the queues: jobs after a minute, workers after a day.
    pub(super) async fn tidy(&self) -> Result<(), LedgerError> {
        const JOBS: &str = "DELETE FROM apalis.jobs WHERE job_type = ANY($1)
             AND status IN ('Done', 'Failed', 'Killed') AND done_at < now() - INTERVAL '1 minute'";
        const WORKERS: &str = "DELETE FROM apalis.workers WHERE worker_type = ANY($1)
             AND last_seen < now() - INTERVAL '1 day'
             AND NOT EXISTS (SELECT FROM apalis.jobs WHERE lock_by = workers.id)";
        for statement in [JOBS, WORKERS] {
            self.within(sqlx::query(statement).bind(self.all_queues()).execute(&self.pool)).await?;
        }
        Ok(())
    }

    /// Says that workers, by the beginning of their names, are not present any more.
    pub(super) async fn leave(&self, names: &str) -> Result<(), LedgerError> {
        const LEAVE: &str = "UPDATE apalis.workers SET last_seen = to_timestamp(0) WHERE starts_with(id, $1)";
        self.within(sqlx::query(LEAVE).bind(names).execute(&self.pool)).await.map(drop)
    }

    /// Answers once the server does not answer any more.
    pub(super) async fn lost(&self, every: Duration) -> LedgerError {
        loop {
            tokio::time::sleep(every).await;
            if let Err(error) = self.within(sqlx::query("SELECT 1").execute(&self.pool)).await {
                return error;
            }
        }
    }

    fn all_queues(&self) -> Vec<String> {
        PROVIDERS.into_iter().map(|provider| self.queue(provider)).collect()
    }

    /// The queue knows whole seconds only; what is due sooner is waited for by whoever gets it. Times are the server's: a
    /// machine's own clock may be wrong.
    async fn push(&self, connection: &mut PgConnection, jobs: Vec<(Job, Due)>) -> Result<(), sqlx::Error> {
        let mut queues: BTreeMap<ProviderName, Vec<_>> = BTreeMap::new();
        for (job, due) in jobs {
            let task = TaskBuilder::new(serde_json::to_vec(&job).expect("jobs are plain data"))
                .idempotency_key(format!("{}:{}", job.take, job.ticket))
                .run_at_timestamp(u64::try_from(due.at_ms / 1000).unwrap_or(0))
                .priority(usize::from(due.first))
                // What fails is found by the sweep, and not tried again at once.
                .max_attempts(1);
            queues.entry(job.provider).or_default().push(task.build());
        }
        for (provider, tasks) in queues {
            let pushed = push_tasks(connection, &self.queue(provider), tasks).await;
            pushed.map_err(|error| sqlx::Error::Protocol(error.to_string()))?;
        }
        Ok(())
    }
}

/// When a job is due (Unix ms of the server's clock), and whether it goes before others.
struct Due {
    at_ms: i64,
    first: bool,
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data")
}

fn read_outcome(text: &str) -> Outcome {
    serde_json::from_str(text).unwrap_or_else(|error| Outcome::Broken(format!("its errand's outcome: {error}")))
}
