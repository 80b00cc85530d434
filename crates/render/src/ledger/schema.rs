//! The tables, by versions. A version once released is never changed: what is to be other comes as a next one.

use sqlx::{PgPool, Row as _, SqlitePool};

use super::database::MIGRATING;

/// What each version adds, in SQLite's words. The first one stood before versions were counted.
const SQLITE: [&str; 2] = [
    "
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
",
    "
CREATE TABLE place (take TEXT PRIMARY KEY, place_key TEXT NOT NULL, since_ms INTEGER NOT NULL);
CREATE TABLE production (id INTEGER PRIMARY KEY CHECK (id = 1), title TEXT NOT NULL, identity TEXT NOT NULL);
CREATE TABLE errand (
  take TEXT PRIMARY KEY,
  provider TEXT NOT NULL,
  work TEXT NOT NULL,
  ticket INTEGER NOT NULL,
  due_ms INTEGER NOT NULL,
  tries TEXT NOT NULL,
  outcome TEXT
);
",
];

/// The same in Postgres' words.
const POSTGRES: [&str; 2] = [
    "
CREATE TABLE event (
  take TEXT NOT NULL,
  seq BIGINT NOT NULL,
  at_ms BIGINT NOT NULL,
  kind TEXT NOT NULL,
  payload TEXT NOT NULL,
  PRIMARY KEY (take, seq)
);
CREATE TABLE request (
  provider TEXT NOT NULL,
  request_id TEXT NOT NULL,
  take TEXT NOT NULL,
  PRIMARY KEY (provider, request_id)
);
CREATE TABLE budget (
  id BIGINT PRIMARY KEY CHECK (id = 1),
  limit_micros BIGINT,
  committed_micros BIGINT NOT NULL CHECK (committed_micros >= 0)
);
INSERT INTO budget VALUES (1, NULL, 0);
CREATE FUNCTION event_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$;
CREATE TRIGGER event_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON event
  FOR EACH STATEMENT EXECUTE FUNCTION event_is_append_only();
",
    "
CREATE TABLE place (take TEXT PRIMARY KEY, place_key TEXT NOT NULL, since_ms BIGINT NOT NULL);
CREATE TABLE production (id BIGINT PRIMARY KEY CHECK (id = 1), title TEXT NOT NULL, identity TEXT NOT NULL);
CREATE TABLE errand (
  take TEXT PRIMARY KEY,
  provider TEXT NOT NULL,
  work TEXT NOT NULL,
  ticket BIGINT NOT NULL,
  due_ms BIGINT NOT NULL,
  tries TEXT NOT NULL,
  outcome TEXT
);
",
];

/// The version that this program writes.
pub(super) const VERSION: i64 = SQLITE.len() as i64;

/// Brings a file's tables up to date; answers the version that it has then, which may be a later program's.
pub(super) async fn migrate_file(pool: &SqlitePool) -> Result<i64, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let read = "PRAGMA user_version";
    let version: i64 = sqlx::query(read).fetch_one(&mut *connection).await?.get(0);
    if version >= VERSION {
        return Ok(version);
    }
    let mut transaction = sqlx::Connection::begin_with(&mut *connection, "BEGIN IMMEDIATE").await?;
    // Another program may have been quicker.
    let version: i64 = sqlx::query(read).fetch_one(&mut *transaction).await?.get(0);
    for (number, statements) in (1..).zip(SQLITE).filter(|(number, _)| *number > version) {
        sqlx::raw_sql(statements).execute(&mut *transaction).await?;
        let count = sqlx::AssertSqlSafe(format!("PRAGMA user_version = {number}"));
        sqlx::raw_sql(count).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(version.max(VERSION))
}

/// As [`migrate_file`], for a server's tables.
pub(super) async fn migrate_server(pool: &PgPool) -> Result<i64, sqlx::Error> {
    let mut transaction = pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(MIGRATING).execute(&mut *transaction).await?;
    // In the ledger's own schema: the ones behind it in the search path may have ledgers too.
    let known = "SELECT to_regclass(format('%I.schema_version', current_schema())) IS NOT NULL";
    if !sqlx::query_scalar(known).fetch_one(&mut *transaction).await? {
        let version = "CREATE TABLE schema_version (version BIGINT NOT NULL)";
        sqlx::raw_sql(version).execute(&mut *transaction).await?;
    }
    let row = sqlx::query("SELECT COALESCE(max(version), 0) FROM schema_version").fetch_one(&mut *transaction).await?;
    let version: i64 = row.get(0);
    for (number, statements) in (1_i64..).zip(POSTGRES).filter(|(number, _)| *number > version) {
        sqlx::raw_sql(statements).execute(&mut *transaction).await?;
        sqlx::query("INSERT INTO schema_version VALUES ($1)").bind(number).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(version.max(VERSION))
}
