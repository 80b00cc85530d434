//! What one transaction reads and adds, judged in memory: many entries cost no more statements than one.

use std::collections::{HashMap, HashSet};

use seedpost_core::cost::{Budget, Reservation, Usd};
use seedpost_core::job::{Event, JobRef, Resolution, Take};
use seedpost_core::shot::TakeId;
use serde_json::{Value, json};
use sqlx::{Row as _, SqliteConnection};

use super::{LedgerError, Row, damaged, fold, read_budget, read_clock, to_column};

/// What is to be written for a take, as number `seq` of its events.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) id: TakeId,
    pub(super) seq: u64,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    /// An event that costs nothing.
    Event(Event),
    /// The intent to send a request of this price.
    Intent { body: Value, price: Usd },
}

/// A take after an entry, and the money that the entry has set aside.
pub(super) type Entered = (Take, Option<Reservation>);

/// The takes, jobs and money that entries are about, as they will stand on disk.
#[derive(Debug, Clone)]
pub(super) struct Page {
    now: u64,
    budget: Budget,
    /// Takes by name, or what is wrong with them.
    takes: HashMap<String, Result<Take, String>>,
    /// Jobs that belong to a take, by provider and request id.
    claimed: HashSet<(String, String)>,
    events: Vec<Value>,
    requests: Vec<Value>,
}

impl Page {
    /// Reads what the entries need. The transaction holds the write lock, so that it stays true.
    pub(super) async fn read(connection: &mut SqliteConnection, entries: &[&Entry]) -> Result<Page, sqlx::Error> {
        let now = read_clock(connection).await?;
        let budget = read_budget(connection).await?;
        let takes = read_takes(connection, entries).await?;
        let provider = |name: &String| Some(takes.get(name)?.as_ref().ok()?.plan.provider.as_str());
        let job = |entry: &&Entry| match &entry.what {
            What::Event(event) => Some(json!([provider(&entry.id.to_string())?, job_of(event)?.request_id])),
            What::Intent { .. } => None,
        };
        let claimed = read_claimed(connection, entries.iter().filter_map(job).collect()).await?;
        Ok(Page { now, budget, takes, claimed, events: Vec::new(), requests: Vec::new() })
    }

    /// Adds entries, all or none of them.
    pub(super) fn add_all(&mut self, entries: Vec<Entry>) -> Result<Vec<Entered>, LedgerError> {
        // An entry that fails leaves no trace, so only those before it are to be taken back.
        let before = (entries.len() > 1).then(|| self.clone());
        let entered: Result<_, _> = entries.into_iter().map(|entry| self.add(entry)).collect();
        if let (Err(_), Some(before)) = (&entered, before) {
            *self = before;
        }
        entered
    }

    fn add(&mut self, Entry { id, seq, what }: Entry) -> Result<Entered, LedgerError> {
        let name = id.to_string();
        let before = match self.takes.get(&name) {
            Some(Err(what)) => return Err(damaged(&name, what)),
            take => take.and_then(|take| take.as_ref().ok()).cloned(),
        };
        let (length, committed) = before.as_ref().map_or((0, Usd::ZERO), |take| (take.length, take.committed));
        if length != seq {
            return Err(LedgerError::Conflict(name));
        }
        let (event, reservation) = match what {
            What::Event(event) => (event, None),
            What::Intent { body, price } => {
                let reservation = self.budget.clone().reserve(price)?;
                (Event::SubmitIntended { body, reserved: reservation.amount() }, Some(reservation))
            }
        };
        let payload = serde_json::to_string(&event).expect("events are plain data");
        let job = job_of(&event).cloned();
        let take = Take::apply(before, event, self.now)?;
        if let Some(job) = job {
            self.claim(&take, job, &name)?;
        }
        self.budget.committed = self.budget.committed.plus(take.committed).minus(committed);
        self.events.push(json!([name, seq, payload]));
        self.takes.insert(name, Ok(take.clone()));
        Ok((take, reservation))
    }

    /// One paid job belongs to one take.
    fn claim(&mut self, take: &Take, job: JobRef, name: &str) -> Result<(), LedgerError> {
        let provider = take.plan.provider.as_str().to_owned();
        let request = json!([provider, job.request_id, name]);
        let taken = format!("request {} belongs to another take", job.request_id);
        if !self.claimed.insert((provider, job.request_id)) {
            return Err(damaged(name, &taken));
        }
        self.requests.push(request);
        Ok(())
    }

    /// Writes what was added.
    pub(super) async fn write(self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        const EVENTS: &str = "INSERT INTO event (take, seq, at_ms, kind, payload)
             SELECT value->>0, value->>1, ?, value->>2->>'kind', value->>2 FROM json_each(?)";
        const REQUESTS: &str = "INSERT INTO request (provider, request_id, take)
             SELECT value->>0, value->>1, value->>2 FROM json_each(?)";
        const BUDGET: &str = "UPDATE budget SET committed_micros = ? WHERE id = 1";
        if self.events.is_empty() {
            return Ok(());
        }
        let now = i64::try_from(self.now).unwrap_or(i64::MAX);
        sqlx::query(EVENTS).bind(now).bind(text(self.events)).execute(&mut *connection).await?;
        if !self.requests.is_empty() {
            sqlx::query(REQUESTS).bind(text(self.requests)).execute(&mut *connection).await?;
        }
        sqlx::query(BUDGET).bind(to_column(self.budget.committed)).execute(connection).await.map(|_| ())
    }
}

async fn read_takes(
    connection: &mut SqliteConnection,
    entries: &[&Entry],
) -> Result<HashMap<String, Result<Take, String>>, sqlx::Error> {
    const EVENTS: &str = "SELECT take, at_ms, payload FROM event
         WHERE take IN (SELECT value FROM json_each(?)) ORDER BY take, seq";
    let names = entries.iter().map(|entry| entry.id.to_string().into()).collect();
    let mut histories: HashMap<String, Vec<Row>> = HashMap::new();
    for row in sqlx::query(EVENTS).bind(text(names)).fetch_all(connection).await? {
        histories.entry(row.get(0)).or_default().push((row.get(1), row.get(2)));
    }
    let folded = |(name, rows)| Some((name, fold(rows).transpose()?));
    Ok(histories.into_iter().filter_map(folded).collect())
}

async fn read_claimed(
    connection: &mut SqliteConnection,
    jobs: Vec<Value>,
) -> Result<HashSet<(String, String)>, sqlx::Error> {
    const CLAIMED: &str = "SELECT provider, request_id FROM request
         WHERE (provider, request_id) IN (SELECT value->>0, value->>1 FROM json_each(?))";
    if jobs.is_empty() {
        return Ok(HashSet::new());
    }
    let rows = sqlx::query(CLAIMED).bind(text(jobs)).fetch_all(connection).await?;
    Ok(rows.into_iter().map(|row| (row.get(0), row.get(1))).collect())
}

fn job_of(event: &Event) -> Option<&JobRef> {
    match event {
        Event::Submitted(job) | Event::Resolved(Resolution::Charged(job)) => Some(job),
        _ => None,
    }
}

fn text(list: Vec<Value>) -> String {
    Value::Array(list).to_string()
}
