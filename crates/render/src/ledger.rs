//! The record of takes and payments: append-only events in SQLite, folded by `core::job`.
//!
//! Two programs may both believe that they own a take; the key `(take, seq)` lets one of them append.
//! The budget is a row that changes in the same transaction as the events it counts.

mod page;
mod queue;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use page::{Entered, Entry, What};
use queue::Queue;
use seedpost_core::cost::{Budget, OverBudget, Reservation, Usd};
use seedpost_core::job::{Event, IllegalTransition, Take};
use seedpost_core::shot::{ProviderName, TakeId};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Row as _, SqliteConnection};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS event (
  take TEXT NOT NULL,
  seq INTEGER NOT NULL,
  at_ms INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
  kind TEXT NOT NULL,
  payload TEXT NOT NULL,
  PRIMARY KEY (take, seq)
);
CREATE TABLE IF NOT EXISTS request (
  provider TEXT NOT NULL,
  request_id TEXT NOT NULL,
  take TEXT NOT NULL,
  PRIMARY KEY (provider, request_id)
);
CREATE TABLE IF NOT EXISTS budget (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  limit_micros INTEGER,
  committed_micros INTEGER NOT NULL CHECK (committed_micros >= 0)
);
INSERT OR IGNORE INTO budget VALUES (1, NULL, 0);
CREATE TRIGGER IF NOT EXISTS event_is_append_only_1 BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS event_is_append_only_2 BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
";

/// Says why the ledger could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The database failed.
    #[error("the ledger {path}: {error}")]
    Database {
        /// The file.
        path: PathBuf,
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
    /// The event cannot follow.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// The money is not there.
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
    /// SQLite's locks do not hold there.
    #[error(
        "the ledger {0} is on a network file system, where two machines could both pay; keep the project on a local disk"
    )]
    NetworkDisk(PathBuf),
}

/// An open ledger.
#[derive(Debug)]
pub struct Ledger {
    pool: SqlitePool,
    path: PathBuf,
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

impl Ledger {
    /// Opens or makes the ledger; its folder exists.
    ///
    /// # Errors
    /// When the disk refuses, the file is no ledger, or it lies on a network file system.
    pub async fn open(path: &Path) -> Result<Ledger, LedgerError> {
        if is_network_disk(path) {
            return Err(LedgerError::NetworkDisk(path.to_owned()));
        }
        let failed = |error| LedgerError::Database { path: path.to_owned(), error };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(20));
        let pool = SqlitePoolOptions::new().max_connections(4).connect_with(options).await.map_err(failed)?;
        sqlx::raw_sql(SCHEMA).execute(&pool).await.map_err(failed)?;
        // It holds addresses that may be signed. Where it cannot be closed to others, it is no worse than before.
        let _ = std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600));
        Ok(Ledger { pool, path: path.to_owned(), queue: Queue::default() })
    }

    fn failed(&self, error: sqlx::Error) -> LedgerError {
        LedgerError::Database { path: self.path.clone(), error }
    }

    /// Sets what may be spent in all; `None` takes the limit away.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_limit(&self, limit: Option<Usd>) -> Result<(), LedgerError> {
        let query = sqlx::query("UPDATE budget SET limit_micros = ? WHERE id = 1").bind(limit.map(to_column));
        query.execute(&self.pool).await.map(|_| ()).map_err(|error| self.failed(error))
    }

    /// What may be spent and what is committed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn budget(&self) -> Result<Budget, LedgerError> {
        let mut connection = self.pool.acquire().await.map_err(|error| self.failed(error))?;
        read_budget(&mut connection).await.map_err(|error| self.failed(error))
    }

    /// All takes, folded.
    ///
    /// # Errors
    /// When the database fails or a take is damaged.
    pub async fn takes(&self) -> Result<BTreeMap<TakeId, Take>, LedgerError> {
        let rows = sqlx::query("SELECT take, at_ms, payload FROM event ORDER BY take, seq");
        let rows = rows.fetch_all(&self.pool).await.map_err(|error| self.failed(error))?;
        let mut histories: BTreeMap<String, Vec<Row>> = BTreeMap::new();
        for row in rows {
            histories.entry(row.get(0)).or_default().push((row.get(1), row.get(2)));
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
        let rows = sqlx::query("SELECT at_ms, payload FROM event WHERE take = ? ORDER BY seq").bind(id.to_string());
        let rows = rows.fetch_all(&self.pool).await.map_err(|error| self.failed(error))?;
        Ok(rows.into_iter().map(|row| (row.get(0), row.get(1))).collect())
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
        let query = sqlx::query("SELECT take FROM request WHERE provider = ? AND request_id = ?");
        let row = query.bind(provider.as_str()).bind(request_id).fetch_optional(&self.pool).await;
        Ok(row.map_err(|error| self.failed(error))?.map(|row| row.get(0)))
    }

    /// The database's clock, as Unix milliseconds.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn now(&self) -> Result<u64, LedgerError> {
        let mut connection = self.pool.acquire().await.map_err(|error| self.failed(error))?;
        read_clock(&mut connection).await.map_err(|error| self.failed(error))
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
    /// `OverBudget` when the money is not there; then nothing was written. Else as [`Ledger::append`].
    pub async fn intend(
        &self,
        id: &TakeId,
        seq: u64,
        body: serde_json::Value,
        price: Usd,
    ) -> Result<(Take, Reservation), LedgerError> {
        let (take, reservation) = self.enter(id, seq, What::Intent { body, price }).await?;
        let missing = || damaged(&id.to_string(), "an intent without a reservation");
        Ok((take, reservation.ok_or_else(missing)?))
    }

    async fn enter(&self, id: &TakeId, seq: u64, what: What) -> Result<Entered, LedgerError> {
        let entered = self.write(vec![Entry { id: id.clone(), seq, what }]).await?;
        entered.into_iter().next().ok_or_else(|| damaged(&id.to_string(), "an entry without a trace"))
    }
}

async fn read_clock(connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    let row = sqlx::query("SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)").fetch_one(connection).await?;
    Ok(u64::try_from(row.get::<i64, _>(0)).unwrap_or(0))
}

async fn read_budget(connection: &mut SqliteConnection) -> Result<Budget, sqlx::Error> {
    let row =
        sqlx::query("SELECT limit_micros, committed_micros FROM budget WHERE id = 1").fetch_one(connection).await?;
    let limit: Option<i64> = row.get(0);
    Ok(Budget { limit: limit.map(from_column), committed: from_column(row.get(1)) })
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
    Ok(Line { at_ms: u64::try_from(at_ms).unwrap_or(0), event })
}

fn fold(rows: Vec<Row>) -> Result<Option<Take>, String> {
    let lines = rows.into_iter().map(read_line).collect::<Result<Vec<_>, _>>()?;
    Take::fold(lines.into_iter().map(|line| (line.at_ms, line.event))).map_err(|error| error.to_string())
}

fn damaged(take: &str, what: &str) -> LedgerError {
    LedgerError::Damaged { take: take.to_owned(), what: what.to_owned() }
}

/// Whether the file's folder is on NFS, SMB, CIFS or a 9p or Ceph mount.
fn is_network_disk(path: &Path) -> bool {
    const NETWORK: [u64; 6] = [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x0102_1997, 0x00c3_6400];
    let folder = path.parent().unwrap_or(path);
    rustix::fs::statfs(folder).is_ok_and(|disk| NETWORK.contains(&(disk.f_type as u64 & 0xffff_ffff)))
}
