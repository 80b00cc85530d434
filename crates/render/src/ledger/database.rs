//! The two databases that a ledger is kept in: how they are opened, and the few words that they do not share.

use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, Postgres, Sqlite, Transaction};

use super::LedgerError;

/// One of two databases, or what belongs to it.
#[derive(Debug, Clone)]
pub(crate) enum Either<S, P> {
    /// A file of this machine.
    Sqlite(S),
    /// A server that machines share.
    Postgres(P),
}

/// The same code for either database.
macro_rules! either {
    ($database:expr, $name:pat => $code:expr) => {
        match $database {
            $crate::ledger::database::Either::Sqlite($name) => $code,
            $crate::ledger::database::Either::Postgres($name) => $code,
        }
    };
}
pub(crate) use either;

pub(crate) type Pool = Either<SqlitePool, PgPool>;
pub(super) type Held = Either<PoolConnection<Sqlite>, PoolConnection<Postgres>>;
pub(super) type Open<'c> = Either<Transaction<'c, Sqlite>, Transaction<'c, Postgres>>;

/// How long a statement may take on a server, and how long one may be waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// How long a connection may take to be made, and one that is free may be waited for.
const REACHED_WITHIN: Duration = Duration::from_secs(10);
/// The lock under which tables are made. Any number will do, as long as all programs take the same one.
pub(crate) const MIGRATING: i64 = 0x5eed_9057;
/// How long a server lets a program sleep in the middle of a transaction before it ends it: one that was frozen
/// there would hold up all others.
const ASLEEP: &str = "10s";

/// Statements that the databases word differently; lists are handed over as JSON.
pub(super) struct Words {
    /// The clock, as Unix milliseconds.
    pub(super) clock: &'static str,
    /// The budget and the tables' version. Where there is no lock for all writers, it is this row's.
    pub(super) budget: &'static str,
    /// Events of the takes in the list `$1`.
    pub(super) takes: &'static str,
    /// Which of the jobs in the list `$1` of provider and request id belong to a take.
    pub(super) claimed: &'static str,
    /// Adds the events in the list `$2` of take, number, name and payload, at the time `$1`.
    pub(super) events: &'static str,
    /// Adds the jobs in the list `$1` of provider, request id and take.
    pub(super) requests: &'static str,
    /// Adds the places in the list `$2` of take and key, since `$1`.
    pub(super) places: &'static str,
    /// Takes away the places of the takes in the list `$1`.
    pub(super) vacated: &'static str,
}

const SQLITE: Words = Words {
    clock: "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)",
    budget: "SELECT limit_micros, committed_micros, (SELECT user_version FROM pragma_user_version)
         FROM budget WHERE id = 1",
    takes: "SELECT take, at_ms, payload FROM event
         WHERE take IN (SELECT value FROM json_each($1)) ORDER BY take, seq",
    claimed: "SELECT provider, request_id FROM request
         WHERE (provider, request_id) IN (SELECT value->>0, value->>1 FROM json_each($1))",
    events: "INSERT INTO event (take, seq, at_ms, kind, payload)
         SELECT value->>0, value->>1, $1, value->>2, value->>3 FROM json_each($2)",
    requests: "INSERT INTO request (provider, request_id, take)
         SELECT value->>0, value->>1, value->>2 FROM json_each($1)",
    places: "INSERT INTO place (take, place_key, since_ms) SELECT value->>0, value->>1, $1 FROM json_each($2)",
    vacated: "DELETE FROM place WHERE take IN (SELECT value FROM json_each($1))",
};

const POSTGRES: Words = Words {
    clock: "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
    budget: "SELECT limit_micros, committed_micros, (SELECT max(version) FROM schema_version)
         FROM budget WHERE id = 1 FOR UPDATE",
    takes: "SELECT take, at_ms, payload FROM event
         WHERE take IN (SELECT json_array_elements_text(CAST($1 AS JSON))) ORDER BY take COLLATE \"C\", seq",
    claimed: "SELECT provider, request_id FROM request
         WHERE (provider, request_id) IN (SELECT value->>0, value->>1 FROM json_array_elements(CAST($1 AS JSON)) AS list (value))",
    events: "INSERT INTO event (take, seq, at_ms, kind, payload)
         SELECT value->>0, CAST(value->>1 AS BIGINT), $1, value->>2, value->>3
         FROM json_array_elements(CAST($2 AS JSON)) AS list (value)",
    requests: "INSERT INTO request (provider, request_id, take)
         SELECT value->>0, value->>1, value->>2 FROM json_array_elements(CAST($1 AS JSON)) AS list (value)",
    places: "INSERT INTO place (take, place_key, since_ms)
         SELECT value->>0, value->>1, $1 FROM json_array_elements(CAST($2 AS JSON)) AS list (value)",
    vacated: "DELETE FROM place WHERE take IN (SELECT json_array_elements_text(CAST($1 AS JSON)))",
};

/// Waits for a database's answer, but not for ever: a network that swallows everything never says so.
pub(crate) async fn within<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let late = |_| Err(sqlx::Error::Protocol(format!("no answer within {} s", PATIENCE.as_secs())));
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(late)
}

impl<S, P> Either<S, P> {
    pub(super) fn words(&self) -> &'static Words {
        match self {
            Either::Sqlite(_) => &SQLITE,
            Either::Postgres(_) => &POSTGRES,
        }
    }
}

impl Pool {
    pub(super) async fn acquire(&self) -> Result<Held, sqlx::Error> {
        Ok(match self {
            Either::Sqlite(pool) => Either::Sqlite(pool.acquire().await?),
            Either::Postgres(pool) => Either::Postgres(pool.acquire().await?),
        })
    }
}

impl Held {
    /// Begins a transaction that is to write. In SQLite it holds the lock for all writers from here on.
    pub(super) async fn begin(&mut self) -> Result<Open<'_>, sqlx::Error> {
        Ok(match self {
            Either::Sqlite(connection) => Either::Sqlite(connection.begin_with("BEGIN IMMEDIATE").await?),
            Either::Postgres(connection) => {
                Either::Postgres(connection.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?)
            }
        })
    }

    /// Begins a transaction that reads what stands there at one moment.
    pub(super) async fn snapshot(&mut self) -> Result<Open<'_>, sqlx::Error> {
        const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        Ok(match self {
            Either::Sqlite(connection) => Either::Sqlite(connection.begin().await?),
            Either::Postgres(connection) => Either::Postgres(connection.begin_with(BEGIN).await?),
        })
    }

    /// Closes the connection, whatever state it is in.
    pub(super) async fn close(self) {
        // What cannot be closed is gone already, and a server that does not answer need not hear of it.
        let _ = either!(self, connection => within(connection.close()).await);
    }
}

impl Open<'_> {
    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        either!(self, transaction => transaction.commit().await)
    }
}

/// Opens a file that is there.
pub(super) async fn open_file(path: &Path) -> Result<SqlitePool, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(20));
    SqlitePoolOptions::new().max_connections(4).connect_with(options).await
}

/// Connects to a server; answers its name without a password too.
pub(super) async fn open_server(address: &str) -> Result<(PgPool, String), LedgerError> {
    let unreadable = |error: &dyn std::fmt::Display| LedgerError::Address(error.to_string());
    if !["postgres://", "postgresql://"].iter().any(|scheme| address.starts_with(scheme)) {
        return Err(unreadable(&"it does not begin with postgres://"));
    }
    let options = PgConnectOptions::from_str(address).map_err(|error| unreadable(&error))?;
    let database = options.get_database().unwrap_or_default();
    let server = format!("postgres://{}:{}/{database}", options.get_host(), options.get_port());
    let statement = format!("{}s", PATIENCE.as_secs());
    let options = options.application_name("seedpost").options([
        ("idle_in_transaction_session_timeout", ASLEEP),
        ("statement_timeout", statement.as_str()),
        // Whatever the server is set to: what is said to be written is on its disk.
        ("synchronous_commit", "on"),
        ("tcp_keepalives_idle", "10"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "3"),
    ]);
    let failed = |error| LedgerError::Database { place: server.clone(), error };
    // Not by the pool, which would not say why it waits in vain.
    let ask = async {
        const FACTS: &str = "SELECT current_schema(), current_setting('fsync')";
        let mut first = PgConnection::connect_with(&options).await?;
        let row: (Option<String>, String) = sqlx::query_as(FACTS).fetch_one(&mut first).await?;
        first.close().await.map(|()| row)
    };
    let silent = |_| sqlx::Error::Protocol(format!("no answer within {} s", REACHED_WITHIN.as_secs()));
    let row = tokio::time::timeout(REACHED_WITHIN, ask).await.map_err(silent).flatten().map_err(failed)?;
    let pool = PgPoolOptions::new().max_connections(16).acquire_timeout(REACHED_WITHIN).connect_lazy_with(options);
    match row {
        (None, _) => Err(LedgerError::Address(format!("{server} has no such schema: make it with CREATE SCHEMA"))),
        (_, fsync) if fsync != "on" => Err(LedgerError::Unsafe(server)),
        (Some(schema), _) => Ok((pool, format!("{server}, schema {schema}"))),
    }
}
