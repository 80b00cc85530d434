//! A ledger in a file of this machine: made whole or not at all, and refused where it is not whole any more.
//!
//! SQLite takes an empty file for a new database, and a cut one for a smaller one: either would forget what was paid. And
//! whoever opens a file to write brings into it what stands in the journal, so a file is examined before that.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePool};

use super::{LedgerError, database, schema};

/// The size of SQLite's smallest database, in bytes.
const LEAST: u64 = 512;

/// Opens a ledger, and makes it where it is missing.
pub(super) async fn open(path: &Path) -> Result<SqlitePool, LedgerError> {
    if is_network_disk(path) {
        return Err(LedgerError::NetworkDisk(path.to_owned()));
    }
    let corrupt = |what: String| LedgerError::Corrupt { path: path.to_owned(), what };
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path).await?,
        Ok(facts) if facts.len() == 0 => return Err(corrupt("the file is empty".to_owned())),
        // One of a single byte is an empty one too to SQLite.
        Ok(facts) if facts.len() < LEAST => return Err(corrupt(format!("the file is too short, {} B", facts.len()))),
        _ => {}
    }
    examine(path).await?;
    database::open_file(path).await.map_err(|error| told(path, error))
}

/// Whether a file is whole. Nothing is written, neither to it nor to its journal.
async fn examine(path: &Path) -> Result<(), LedgerError> {
    let journal = journal(path);
    if !journal.exists() {
        // Without a journal nobody else has it open, and SQLite is told to leave none.
        match look(path, true).await {
            Err(_) if journal.exists() => {}
            looked => return looked,
        }
    }
    look(path, false).await
}

async fn look(path: &Path, immutable: bool) -> Result<(), LedgerError> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true).immutable(immutable);
    let looked = async {
        let mut connection = SqliteConnection::connect_with(&options.busy_timeout(database::PATIENCE)).await?;
        let found: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut connection).await?;
        connection.close().await.map(|()| found)
    };
    let found = looked.await.map_err(|error| told(path, error))?;
    let what = found.lines().last().unwrap_or_default().to_owned();
    if found == "ok" { Ok(()) } else { Err(LedgerError::Corrupt { path: path.to_owned(), what }) }
}

fn told(path: &Path, error: sqlx::Error) -> LedgerError {
    match &error {
        // SQLITE_CORRUPT and SQLITE_NOTADB, with their extended codes.
        sqlx::Error::Database(database) if is_damage(database.as_ref()) => {
            LedgerError::Corrupt { path: path.to_owned(), what: database.message().to_owned() }
        }
        _ => LedgerError::Database { place: path.display().to_string(), error },
    }
}

fn journal(path: &Path) -> PathBuf {
    path.with_file_name(format!("{}-wal", path.file_name().unwrap_or_default().to_string_lossy()))
}

fn is_damage(error: &dyn sqlx::error::DatabaseError) -> bool {
    let code = error.code().and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, 11 | 26))
}

/// Makes a new ledger under another name, and gives it its own unless somebody was quicker.
async fn make(path: &Path) -> Result<(), LedgerError> {
    let failed = |error| LedgerError::Database { place: path.display().to_string(), error };
    let journal = journal(path);
    if journal.exists() {
        let what = format!("the file is gone, but its journal {} is there", journal.display());
        return Err(LedgerError::Corrupt { path: path.to_owned(), what });
    }
    let disk = |error: io::Error| failed(sqlx::Error::Io(error));
    let folder = path.parent().unwrap_or(Path::new("."));
    let draft = tempfile::Builder::new().prefix(".ledger-").tempdir_in(folder).map_err(disk)?;
    let new = draft.path().join("ledger.db");
    fs::File::create_new(&new).map_err(disk)?;
    let pool = database::open_file(&new).await.map_err(failed)?;
    schema::migrate_file(&pool).await.map_err(failed)?;
    // The last one to close brings everything into the file itself.
    pool.close().await;
    // It holds addresses that may be signed. Where it cannot be closed to others, it is no worse than before.
    let _ = fs::set_permissions(&new, std::os::unix::fs::PermissionsExt::from_mode(0o600));
    fs::File::open(&new).and_then(|file| file.sync_all()).map_err(disk)?;
    let named = tempfile::TempPath::try_from_path(&new).map_err(disk)?.persist_noclobber(path);
    match named.map_err(|error| error.error) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(disk(error)),
        _ => fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(disk),
    }
}

/// Whether the file's folder is on NFS, SMB, CIFS or a 9p or Ceph mount.
fn is_network_disk(path: &Path) -> bool {
    const NETWORK: [u64; 6] = [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x0102_1997, 0x00c3_6400];
    let folder = path.parent().unwrap_or(path);
    rustix::fs::statfs(folder).is_ok_and(|disk| NETWORK.contains(&(disk.f_type as u64 & 0xffff_ffff)))
}
