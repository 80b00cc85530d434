//! Which ledger a project's payments stand in: its own file, or a server that machines share. A project that has paid
//! through one is never run with another, which would know nothing of it.

use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;

use seedpost_core::shot::UNTITLED;
use seedpost_render::ledger::{Ledger, LedgerError};
use serde_json::{Value, json};

use crate::keys::Environment;
use crate::output::{Exit, Failure};
use crate::project::{Project, ledger_failure, make_folder, write_private};

static CHOSEN: OnceLock<String> = OnceLock::new();

/// Takes the address that the command line names.
pub(crate) fn choose(address: Option<String>) {
    if let Some(address) = address {
        // It is parsed once.
        let _ = CHOSEN.set(address);
    }
}

/// The server's address by the command line, else by `SEEDPOST_LEDGER`. That of a received project's `.env` must not get
/// this machine's own password.
///
/// # Errors
/// It is that of something else. It may hold a password, and is not repeated.
pub(crate) fn address(environment: &Environment) -> Result<Option<String>, Failure> {
    let address = CHOSEN.get().cloned().or_else(|| environment.address("SEEDPOST_LEDGER", "PGPASSWORD"));
    let known = |address: &String| ["postgres://", "postgresql://"].iter().any(|scheme| address.starts_with(scheme));
    match address {
        Some(address) if !known(&address) => {
            let fix = "write postgres://user@host/database; a project's own ledger needs no address";
            Err(Failure::new(Exit::Usage, "the address of the ledger does not begin with postgres://", fix))
        }
        address => Ok(address),
    }
}

/// Which ledger on a server a project has paid through.
struct Known {
    /// The server and its database, for people.
    place: String,
    /// The ledger's own.
    identity: String,
}

/// Opens the project's ledger, and makes it where it is missing.
///
/// # Errors
/// Its payments stand elsewhere, or the ledger is another production's; or the database failed.
pub(crate) async fn open(project: &Project) -> Result<Ledger, Failure> {
    make_folder(&project.hidden())?;
    let file = project.hidden().join("ledger.db");
    let known = remembered(project)?;
    let Some(address) = address(&Environment::read(&project.root))? else {
        if let Some(known) = known {
            return Err(elsewhere(&known.place, "name it with --ledger, or in SEEDPOST_LEDGER"));
        }
        return Ledger::open(&file).await.map_err(|error| ledger_failure(&error));
    };
    let failed = |error: LedgerError| ledger_failure(&error);
    if known.is_none()
        && file.exists()
        && !Ledger::open(&file).await.map_err(failed)?.takes().await.map_err(failed)?.is_empty()
    {
        let fix = "leave --ledger and SEEDPOST_LEDGER out; a fleet begins with a folder that has rendered nothing yet";
        return Err(elsewhere(&file.display().to_string(), fix));
    }
    let ledger = Ledger::connect(&address).await.map_err(failed)?;
    match (known, ledger.production().await.map_err(failed)?) {
        (Some(known), Some((_, identity))) if known.identity == identity => {}
        (Some(known), _) => {
            let made_anew = "is another ledger, or one that was made anew, and knows nothing of them";
            let fix = format!("name that one, or restore it; {} {made_anew}", ledger.place());
            return Err(elsewhere(&known.place, &fix));
        }
        (None, None) => {}
        (None, Some((title, identity))) if title == project.list.title && is_named(project) => {
            remember(project, &Known { place: ledger.place().to_owned(), identity })?;
        }
        (None, Some((found, _))) => {
            return Err(failed(LedgerError::OtherProduction { place: ledger.place().to_owned(), found }));
        }
    }
    Ok(ledger)
}

/// Whether the list has a title of its own: others have none either.
fn is_named(project: &Project) -> bool {
    project.list.title != UNTITLED
}

/// Before anything is paid through a server's ledger: from then on it is this production's, and the project's only one.
///
/// # Errors
/// It is another production's, or the list has no title to tell it by; or the database or disk failed.
pub(crate) async fn claim(project: &Project, ledger: &Ledger) -> Result<(), Failure> {
    if !ledger.is_shared() || remembered(project)?.is_some() {
        return Ok(());
    }
    if !is_named(project) {
        let message =
            format!("{} has no title, by which a ledger that machines share is known", project.path.display());
        return Err(Failure::new(Exit::Usage, message, "add title = \"…\" at its top"));
    }
    let identity = ledger.keep_for(&project.list.title).await.map_err(|error| ledger_failure(&error))?;
    remember(project, &Known { place: ledger.place().to_owned(), identity })
}

fn elsewhere(place: &str, fix: &str) -> Failure {
    Failure::new(Exit::Usage, format!("the payments of this project stand in {place}"), fix)
}

fn path(project: &Project) -> PathBuf {
    project.hidden().join("ledger.json")
}

/// The server's ledger that the project has paid through, without a password.
fn remembered(project: &Project) -> Result<Option<Known>, Failure> {
    let path = path(project);
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|error| Failure::disk("read", &path, &error))?,
    };
    let known = serde_json::from_str::<Value>(&text).ok().and_then(|value| {
        let field = |name: &str| value[name].as_str().map(str::to_owned);
        Some(Known { place: field("place")?, identity: field("identity")? })
    });
    let damaged = || {
        let fix = "it says which ledger keeps the payments: restore it from a copy";
        Failure::new(Exit::Internal, format!("{} cannot be read", path.display()), fix)
    };
    known.map(Some).ok_or_else(damaged)
}

fn remember(project: &Project, known: &Known) -> Result<(), Failure> {
    let fields = json!({ "schema": "seedpost.ledger/1", "place": known.place, "identity": known.identity });
    write_private(&path(project), &format!("{fields}\n"))
        .map_err(|error| Failure::disk("write", &path(project), &error))
}
