//! Where a test's ledger lives, a file or a database of a server, and how the test gets at it behind the program's back.
#![allow(dead_code, reason = "each test program uses its own part")]

use seedpost_render::ledger::Ledger;
use sqlx::{AssertSqlSafe, PgPool, SqlitePool};

use super::history::{plan, take};
use super::postgres::Postgres;

pub(crate) enum Home {
    File(tempfile::TempDir),
    Server(String),
}

impl Home {
    pub(crate) fn file() -> Home {
        Home::File(tempfile::tempdir().unwrap())
    }

    pub(crate) fn server() -> Home {
        Home::Server(Postgres::shared().url())
    }

    pub(crate) fn is_server(&self) -> bool {
        matches!(self, Home::Server(_))
    }

    /// The ledger, as another program would open it.
    pub(crate) async fn open(&self) -> Ledger {
        match self {
            Home::File(folder) => Ledger::open(&folder.path().join("ledger.db")).await.unwrap(),
            Home::Server(url) => Ledger::connect(url).await.unwrap(),
        }
    }

    /// The ledger with takes that are planned.
    pub(crate) async fn planned(&self, names: &[&str]) -> Ledger {
        let ledger = self.open().await;
        ledger.append_all(names.iter().map(|name| (take(name), 0, plan())).collect()).await.unwrap();
        ledger
    }

    /// Has statements carried out, past the program.
    pub(crate) async fn raw(&self, statements: &str) -> Result<(), sqlx::Error> {
        let statements = sqlx::raw_sql(AssertSqlSafe(statements.to_owned()));
        match self {
            Home::File(folder) => {
                let pool = SqlitePool::connect(&format!("sqlite://{}/ledger.db", folder.path().display())).await?;
                statements.execute(&pool).await.map(drop)
            }
            Home::Server(url) => statements.execute(&PgPool::connect(url).await?).await.map(drop),
        }
    }

    /// The takes that hold a place, and their keys.
    pub(crate) async fn places(&self, ledger: &Ledger) -> Vec<(String, String)> {
        ledger.books().await.unwrap().places.into_iter().map(|(take, key, _)| (take, key)).collect()
    }

    /// From now on the request of one take cannot be written.
    pub(crate) async fn fill_up(&self, name: &str) {
        let statements = match self {
            Home::File(_) => format!(
                "CREATE TRIGGER full BEFORE INSERT ON event WHEN NEW.take = '{name}' AND NEW.kind = 'submit_intended'
                   BEGIN SELECT RAISE(ROLLBACK, 'database or disk is full'); END"
            ),
            Home::Server(_) => format!(
                "CREATE FUNCTION is_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                   RAISE EXCEPTION 'could not extend file: No space left on device'; END $$;
                 CREATE TRIGGER is_full BEFORE INSERT ON event FOR EACH ROW
                   WHEN (NEW.take = '{name}' AND NEW.kind = 'submit_intended') EXECUTE FUNCTION is_full()"
            ),
        };
        self.raw(&statements).await.unwrap();
    }

    /// From now on everything can be written again.
    pub(crate) async fn make_room(&self) {
        let statement = if self.is_server() { "DROP TRIGGER is_full ON event" } else { "DROP TRIGGER full" };
        self.raw(statement).await.unwrap();
    }

    /// Makes it a ledger of the first version.
    pub(crate) async fn age(&self) {
        let counted =
            if self.is_server() { "DELETE FROM schema_version WHERE version > 1" } else { "PRAGMA user_version = 0" };
        self.raw(&format!("DROP TABLE place; DROP TABLE production; DROP TABLE errand; {counted}")).await.unwrap();
    }

    /// Makes it a ledger of a version to come.
    pub(crate) async fn outdate(&self) {
        let counted =
            if self.is_server() { "INSERT INTO schema_version VALUES (99)" } else { "PRAGMA user_version = 99" };
        self.raw(counted).await.unwrap();
    }
}
