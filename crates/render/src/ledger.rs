//! The record of takes and payments: append-only events in SQLite or Postgres, folded by `core::job`.
//!
//! Two programs may both believe that they own a take; the key `(take, seq)` lets one of them append.
//! The budget is a row that changes in the same transaction as the events it counts, and so are the places that takes
//! under way hold under a key.

pub(crate) mod database;
mod file;
mod page;
mod queue;
mod schema;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use database::{Either, Pool, either, within};
use page::{Entered, Entry, What};
use queue::Queue;
use seedpost_core::audit::{Books, Record};
use seedpost_core::cost::{Budget, OverBudget, Reservation, Usd};
use seedpost_core::job::{Event, IllegalTransition, Take};
use seedpost_core::shot::{ProviderName, TakeId};
use sqlx::PgPool;

use crate::http::Secret;
use crate::slots::key_digest;

/// Says why the ledger could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The database failed.
    #[error("the ledger {place}: {}", words(error))]
    Database {
        /// The file, or the server and its database.
        place: String,
        /// Why.
        error: sqlx::Error,
    },
    /// Another program appended first.
    #[error("another program is working on take {0}")]
    Conflict(String),
    /// What stands there makes no sense.
    #[error("the ledger's take {take} is damaged: {what}")]
    Damaged {
        /// The take.
        take: String,
        /// What is wrong.
        what: String,
    },
    /// The file is not what SQLite wrote.
    #[error("the ledger {path} is damaged: {what}; nothing was written to it")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A later program has written it.
    #[error("the ledger {place} is of version {found}, and this program writes version {known}: it is only read")]
    Newer {
        /// The file, or the server and its database.
        place: String,
        /// Its version.
        found: i64,
        /// The program's.
        known: i64,
    },
    /// The event cannot follow.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// The money is not there.
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
    /// As many takes are under way under the key as it has room for.
    #[error("{0} takes are under way or unknown under this key, and it has room for no more")]
    NoRoom(usize),
    /// SQLite's locks do not hold there.
    #[error(
        "the ledger {0} is on a network file system, where two machines could both pay; keep the project on a local disk"
    )]
    NetworkDisk(PathBuf),
    /// The address of a server cannot be used.
    #[error("the address of the ledger: {0}")]
    Address(String),
    /// The server does not wait for its disk.
    #[error("the server {0} has fsync switched off: after a power cut it could have forgotten what was paid")]
    Unsafe(String),
    /// It keeps another production's payments.
    #[error("the ledger {place} is that of {found:?}: a ledger serves one production")]
    OtherProduction {
        /// The server and its database.
        place: String,
        /// Whose it is.
        found: String,
    },
}

/// An open ledger.
#[derive(Debug)]
pub struct Ledger {
    pool: Pool,
    place: String,
    /// The version, where a later program has written it.
    newer: Option<i64>,
    queue: Queue,
}

/// A line of a take's history.
#[derive(Debug, Clone)]
pub struct Line {
    /// When, as Unix milliseconds of the database's clock.
    pub at_ms: u64,
    /// What.
    pub event: Event,
}

/// Room under a key that all programs of one ledger share.
#[derive(Debug, Clone)]
pub struct Room {
    /// A digest of provider and key, from which the key cannot be told.
    pub key: String,
    /// How many takes may be under way at once.
    pub limit: usize,
}

impl Room {
    /// Room for so many takes under a provider's key.
    #[must_use]
    pub fn new(provider: &str, key: &Secret, limit: usize) -> Room {
        Room { key: key_digest(provider, key), limit }
    }
}

impl Ledger {
    /// Opens the ledger of a file, and makes it where it is missing; its folder exists.
    ///
    /// # Errors
    /// When the disk refuses, the file is no whole ledger, or it lies on a network file system.
    pub async fn open(path: &Path) -> Result<Ledger, LedgerError> {
        let pool = file::open(path).await?;
        let failed = |error| LedgerError::Database { place: path.display().to_string(), error };
        let version = schema::migrate_file(&pool).await.map_err(failed)?;
        Ok(Ledger::new(Either::Sqlite(pool), path.display().to_string(), version))
    }

    /// Opens the ledger of a Postgres server, `postgres://user@host/database`, and makes its tables where they are
    /// missing. No message holds the password.
    ///
    /// # Errors
    /// When it cannot be reached, or does not keep what it was told.
    pub async fn connect(address: &str) -> Result<Ledger, LedgerError> {
        let (pool, shown) = database::open_server(address).await?;
        let failed = |error| LedgerError::Database { place: shown.clone(), error };
        let version = within(schema::migrate_server(&pool)).await.map_err(failed)?;
        Ok(Ledger::new(Either::Postgres(pool), shown, version))
    }

    fn new(pool: Pool, place: String, version: i64) -> Ledger {
        let newer = Some(version).filter(|version| *version > schema::VERSION);
        Ledger { pool, place, newer, queue: Queue::default() }
    }

    /// The file, or the server and its database, for people.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Whether it is on a server, which machines share.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.server().is_some()
    }

    /// The server's connections, where it is on one.
    pub(crate) fn server(&self) -> Option<&PgPool> {
        match &self.pool {
            Either::Sqlite(_) => None,
            Either::Postgres(pool) => Some(pool),
        }
    }

    /// Whether this program may write to it.
    ///
    /// # Errors
    /// `Newer` where a later one has written it.
    pub fn writable(&self) -> Result<(), LedgerError> {
        match self.newer {
            None => Ok(()),
            Some(found) => Err(LedgerError::Newer { place: self.place.clone(), found, known: schema::VERSION }),
        }
    }

    /// Keeps the ledger for one production; its title is told at the first time. Answers the ledger's identity, by which it
    /// is known wherever it moves, and from which one that was made anew in its place is told.
    ///
    /// # Errors
    /// `OtherProduction` where another one has it.
    pub async fn keep_for(&self, title: &str) -> Result<String, LedgerError> {
        const CLAIM: &str = "INSERT INTO production VALUES (1, $1, $2) ON CONFLICT DO NOTHING";
        self.writable()?;
        let (failed, title) = (|error| self.failed(error), storable(title));
        let identity = uuid::Uuid::now_v7().to_string();
        either!(&self.pool, pool => within(sqlx::query(CLAIM).bind(&title).bind(identity).execute(pool)).await.map(drop))
            .map_err(failed)?;
        match self.production().await? {
            Some((found, identity)) if found == title => Ok(identity),
            found => {
                let found = found.unwrap_or_default().0;
                Err(LedgerError::OtherProduction { place: self.place.clone(), found })
            }
        }
    }

    /// Whose ledger it is, by its title, and the ledger's identity, once that was told.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn production(&self) -> Result<Option<(String, String)>, LedgerError> {
        const PRODUCTION: &str = "SELECT title, identity FROM production WHERE id = 1";
        let row = either!(&self.pool, pool => within(sqlx::query_as(PRODUCTION).fetch_optional(pool)).await);
        row.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: sqlx::Error) -> LedgerError {
        match error {
            // A value of another kind, or no budget at all: nothing that this program writes.
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::RowNotFound => {
                LedgerError::Corrupt { path: self.place.clone().into(), what: error.to_string() }
            }
            error => LedgerError::Database { place: self.place.clone(), error },
        }
    }

    /// Sets what may be spent in all; `None` takes the limit away.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_limit(&self, limit: Option<Usd>) -> Result<(), LedgerError> {
        const LIMIT: &str = "UPDATE budget SET limit_micros = $1 WHERE id = 1";
        self.writable()?;
        let limit = limit.map(to_column);
        let set = either!(&self.pool, pool => within(sqlx::query(LIMIT).bind(limit).execute(pool)).await.map(|_| ()));
        set.map_err(|error| self.failed(error))
    }

    /// What may be spent and what is committed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn budget(&self) -> Result<Budget, LedgerError> {
        const BUDGET: &str = "SELECT limit_micros, committed_micros FROM budget WHERE id = 1";
        let row = either!(&self.pool, pool => within(sqlx::query_as(BUDGET).fetch_one(pool)).await);
        row.map(budget).map_err(|error| self.failed(error))
    }

    /// Whether a key has room for one more take at present; [`Ledger::intend`] makes sure.
    ///
    /// # Errors
    /// `NoRoom`, or the database failed.
    pub async fn look_for(&self, room: &Room) -> Result<(), LedgerError> {
        const PLACES: &str = "SELECT take, place_key, since_ms FROM place";
        let places = either!(&self.pool, pool => within(sqlx::query_as(PLACES).fetch_all(pool)).await);
        let places: Vec<_> = places.map_err(|error| self.failed(error))?;
        page::has_room(&places, self.now().await?, room)
    }

    /// All takes, folded.
    ///
    /// # Errors
    /// When the database fails or a take is damaged.
    pub async fn takes(&self) -> Result<BTreeMap<TakeId, Take>, LedgerError> {
        const EVENTS: &str = "SELECT take, at_ms, payload FROM event ORDER BY take, seq";
        let rows = either!(&self.pool, pool => within(sqlx::query_as(EVENTS).fetch_all(pool)).await);
        let rows: Vec<(String, i64, String)> = rows.map_err(|error| self.failed(error))?;
        let mut histories: BTreeMap<String, Vec<Row>> = BTreeMap::new();
        for (take, at_ms, payload) in rows {
            histories.entry(take).or_default().push((at_ms, payload));
        }
        let mut takes = BTreeMap::new();
        for (name, rows) in histories {
            let id = name.parse().map_err(|()| damaged(&name, "its name is not a take's"))?;
            takes.extend(fold(rows).map_err(|what| damaged(&name, &what))?.map(|take| (id, take)));
        }
        Ok(takes)
    }

    /// A take's history, oldest first.
    ///
    /// # Errors
    /// When the database fails or a line is damaged.
    pub async fn history(&self, id: &TakeId) -> Result<Vec<Line>, LedgerError> {
        let lines = self.rows(id).await?.into_iter().map(read_line);
        lines.collect::<Result<_, _>>().map_err(|what| damaged(&id.to_string(), &what))
    }

    /// One take, folded.
    ///
    /// # Errors
    /// When the database fails or the take is damaged.
    pub async fn take(&self, id: &TakeId) -> Result<Option<Take>, LedgerError> {
        fold(self.rows(id).await?).map_err(|what| damaged(&id.to_string(), &what))
    }

    async fn rows(&self, id: &TakeId) -> Result<Vec<Row>, LedgerError> {
        const EVENTS: &str = "SELECT at_ms, payload FROM event WHERE take = $1 ORDER BY seq";
        let rows =
            either!(&self.pool, pool => within(sqlx::query_as(EVENTS).bind(id.to_string()).fetch_all(pool)).await);
        rows.map_err(|error| self.failed(error))
    }

    /// What was written since a time (Unix ms of the database's clock), by time: when, take, number, event.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn since(&self, at_ms: u64) -> Result<Vec<(u64, TakeId, u64, Event)>, LedgerError> {
        const SINCE: &str = "SELECT take, seq, at_ms, payload FROM event WHERE at_ms >= $1 ORDER BY at_ms, take, seq";
        let from = i64::try_from(at_ms).unwrap_or(i64::MAX);
        let rows = either!(&self.pool, pool => within(sqlx::query_as(SINCE).bind(from).fetch_all(pool)).await);
        let rows: Vec<(String, i64, i64, String)> = rows.map_err(|error| self.failed(error))?;
        // What cannot be read is told by whoever needs it.
        let read = |(name, seq, at_ms, payload): (String, i64, i64, String)| {
            let line = read_line((at_ms, payload)).ok()?;
            Some((line.at_ms, name.parse().ok()?, milliseconds(seq), line.event))
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// A take's last request and when it was about to be sent, as Unix milliseconds.
    ///
    /// # Errors
    /// When the database fails or the take is damaged.
    pub async fn intended(&self, id: &TakeId) -> Result<Option<(u64, serde_json::Value)>, LedgerError> {
        let history = self.history(id).await?;
        Ok(history.into_iter().rev().find_map(|line| match line.event {
            Event::SubmitIntended { body, .. } => Some((line.at_ms, body)),
            _ => None,
        }))
    }

    /// The take that a paid job belongs to, by name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn owner(&self, provider: ProviderName, request_id: &str) -> Result<Option<String>, LedgerError> {
        const OWNER: &str = "SELECT take FROM request WHERE provider = $1 AND request_id = $2";
        let provider = provider.as_str();
        let request_id = storable(request_id);
        let row = either!(&self.pool, pool => within(sqlx::query_scalar(OWNER).bind(provider).bind(request_id).fetch_optional(pool)).await);
        row.map_err(|error| self.failed(error))
    }

    /// The database's clock, as Unix milliseconds.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn now(&self) -> Result<u64, LedgerError> {
        let clock = self.pool.words().clock;
        let now = either!(&self.pool, pool => within(sqlx::query_scalar(clock).fetch_one(pool)).await);
        now.map(milliseconds).map_err(|error| self.failed(error))
    }

    /// Everything that stands there, as it stands there, of one moment; in the order of bytes.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn books(&self) -> Result<Books, LedgerError> {
        const RECORDS: &str = "SELECT take, seq, at_ms, kind, payload FROM event";
        const REQUESTS: &str = "SELECT provider, request_id, take FROM request";
        const PLACES: &str = "SELECT take, place_key, since_ms FROM place";
        const BUDGET: &str = "SELECT limit_micros, committed_micros FROM budget WHERE id = 1";
        let read = async {
            let mut held = self.pool.acquire().await?;
            let mut open = held.snapshot().await?;
            let mut books = Books::default();
            let rows = either!(&mut open, open => sqlx::query_as(RECORDS).fetch_all(&mut **open).await)?;
            let record = |(take, seq, at_ms, kind, payload)| Record { take, seq, at_ms, kind, payload };
            books.records = rows.into_iter().map(record).collect();
            books.requests = either!(&mut open, open => sqlx::query_as(REQUESTS).fetch_all(&mut **open).await)?;
            books.places = either!(&mut open, open => sqlx::query_as(PLACES).fetch_all(&mut **open).await)?;
            (books.limit, books.committed) =
                either!(&mut open, open => sqlx::query_as(BUDGET).fetch_one(&mut **open).await)?;
            // By bytes: a server may sort as people do.
            books.records.sort_unstable_by(|one, other| (&one.take, one.seq).cmp(&(&other.take, other.seq)));
            books.requests.sort_unstable();
            books.places.sort_unstable();
            Ok(books)
        };
        within(read).await.map_err(|error| self.failed(error))
    }

    /// Appends an event that costs nothing, as number `seq` of its take.
    ///
    /// # Errors
    /// `Conflict` when that number is taken, `Illegal` when the event cannot follow.
    pub async fn append(&self, id: &TakeId, seq: u64, event: Event) -> Result<Take, LedgerError> {
        self.enter(id, seq, What::Event(event)).await.map(|(take, _)| take)
    }

    /// Appends an event that costs nothing to each of many takes, all or none of them.
    ///
    /// # Errors
    /// As [`Ledger::append`].
    pub async fn append_all(&self, events: Vec<(TakeId, u64, Event)>) -> Result<(), LedgerError> {
        if events.is_empty() {
            return Ok(());
        }
        let entry = |(id, seq, event)| Entry { id, seq, what: What::Event(event) };
        self.write(events.into_iter().map(entry).collect()).await.map(|_| ())
    }

    /// Appends the intent to send `body`, and sets its price aside, in one transaction that is on disk
    /// when this returns. Only then may the request go out.
    ///
    /// # Errors
    /// `OverBudget` when the money is not there, `NoRoom` when the key has none; then nothing was written. Else as
    /// [`Ledger::append`].
    pub async fn intend(
        &self,
        id: &TakeId,
        seq: u64,
        body: serde_json::Value,
        price: Usd,
        room: Option<Room>,
    ) -> Result<(Take, Reservation), LedgerError> {
        let (take, reservation) = self.enter(id, seq, What::Intent { body, price, room }).await?;
        let missing = || damaged(&id.to_string(), "an intent without a reservation");
        Ok((take, reservation.ok_or_else(missing)?))
    }

    async fn enter(&self, id: &TakeId, seq: u64, what: What) -> Result<Entered, LedgerError> {
        let entered = self.write(vec![Entry { id: id.clone(), seq, what }]).await?;
        entered.into_iter().next().ok_or_else(|| damaged(&id.to_string(), "an entry without a trace"))
    }
}

/// A column of text in Postgres holds everything but a NUL.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// What a database says, without where in its own program it says so.
fn words(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        error => error.to_string(),
    }
}

fn budget((limit, committed): (Option<i64>, i64)) -> Budget {
    Budget { limit: limit.map(from_column), committed: from_column(committed) }
}

fn milliseconds(column: i64) -> u64 {
    u64::try_from(column).unwrap_or(0)
}

/// Amounts past nine trillion dollars are all one.
fn to_column(amount: Usd) -> i64 {
    i64::try_from(amount.micros()).unwrap_or(i64::MAX)
}

fn from_column(micros: i64) -> Usd {
    Usd::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// When an event came, as Unix milliseconds, and what it was, as JSON.
type Row = (i64, String);

fn read_line((at_ms, payload): Row) -> Result<Line, String> {
    let event = serde_json::from_str(&payload).map_err(|error| error.to_string())?;
    Ok(Line { at_ms: milliseconds(at_ms), event })
}

fn fold(rows: Vec<Row>) -> Result<Option<Take>, String> {
    let lines = rows.into_iter().map(read_line).collect::<Result<Vec<_>, _>>()?;
    Take::fold(lines.into_iter().map(|line| (line.at_ms, line.event))).map_err(|error| error.to_string())
}

fn damaged(take: &str, what: &str) -> LedgerError {
    LedgerError::Damaged { take: take.to_owned(), what: what.to_owned() }
}
