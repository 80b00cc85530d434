//! What people and programs get to read: results on standard output, failures with a hint, and the
//! exit codes.

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use comfy_table::{Table, presets};
use seedpost_core::fault::{Fault, Severity};
use seedpost_core::spec::Finding;
use serde_json::{Value, json};

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// All is done.
    Done = 0,
    /// The command line or an environment variable is wrong.
    Usage = 2,
    /// The shot list or an asset is invalid.
    Invalid = 3,
    /// Delivered media are not what was promised.
    Media = 4,
    /// The budget does not allow it.
    Budget = 5,
    /// The provider refused or could not be reached.
    Provider = 6,
    /// A payment is unknown and waits for a person.
    Unknown = 7,
    /// Some shots failed; the rest are done.
    Partly = 8,
    /// Files of a package are missing; with changed ones too, that is [`Exit::FilesChanged`].
    FilesMissing = 10,
    /// Files of a package are not what they were.
    FilesChanged = 11,
    /// A package has files that it did not have.
    FilesNew = 21,
    /// The history of a package was edited.
    HistoryEdited = 31,
    /// A disk, database or this program failed.
    Internal = 70,
    /// Stopped by Ctrl-C; paid jobs can be resumed.
    Stopped = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why a command ended without its result.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    hint: String,
    faults: Vec<Fault>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure { exit, message: message.into(), hint: hint.into(), faults: Vec::new() }
    }

    /// All faults of a shot list or its assets.
    pub(crate) fn of_faults(list: impl Display, faults: Vec<Fault>) -> Failure {
        let errors = faults.iter().filter(|fault| fault.severity == Severity::Error).count();
        let plural = if errors == 1 { "" } else { "s" };
        Failure {
            exit: Exit::Invalid,
            message: format!("{list}: {errors} error{plural}"),
            hint: "mend them all; nothing was sent or spent".to_owned(),
            faults,
        }
    }

    /// A disk failure at a path.
    pub(crate) fn disk(what: &str, path: &std::path::Path, error: &std::io::Error) -> Failure {
        let hint = match error.kind() {
            std::io::ErrorKind::StorageFull => "free some space and run the same command again; nothing paid is lost",
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => "check the path",
            std::io::ErrorKind::InvalidInput | std::io::ErrorKind::IsADirectory => "name a plain file",
            std::io::ErrorKind::AlreadyExists => "move it, or choose another name",
            std::io::ErrorKind::PermissionDenied => "check who may read and write there",
            _ => "run `seedpost doctor`",
        };
        let is_named_wrongly = matches!(
            error.kind(),
            std::io::ErrorKind::NotFound
                | std::io::ErrorKind::NotADirectory
                | std::io::ErrorKind::InvalidInput
                | std::io::ErrorKind::IsADirectory
                | std::io::ErrorKind::AlreadyExists
        );
        let exit = if is_named_wrongly { Exit::Usage } else { Exit::Internal };
        Failure::new(exit, format!("failed to {what} {}: {error}", path.display()), hint)
    }

    /// Tells people, on standard error.
    pub(crate) fn tell(&self) {
        for fault in &self.faults {
            note(format_args!("{fault}"));
        }
        note(format_args!("error: {}", self.message));
        if !self.hint.is_empty() {
            note(format_args!("  fix: {}", self.hint));
        }
    }

    /// The failure as JSON.
    pub(crate) fn json(&self) -> Value {
        json!({ "exit": self.exit as u8, "message": self.message, "fix": self.hint, "faults": self.faults })
    }

    /// What happened, in one line.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// How the program ends because of it.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// Tells people and, if asked, programs on standard output; the program ends with the answer.
    pub(crate) fn report(self, as_json: bool) -> Exit {
        self.tell();
        if as_json {
            result_json("error", self.json());
        }
        self.exit
    }
}

/// Writes a line of the result. A reader that went away is nobody's fault.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Writes a line to standard error.
pub(crate) fn note(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Asks the person at the terminal; where there is none, the answer is no.
pub(crate) fn agrees(question: impl Display) -> bool {
    if !std::io::stdin().is_terminal() {
        return false;
    }
    let _ = write!(std::io::stderr(), "{question} [y/N] ");
    let mut answer = String::new();
    let _ = std::io::stdin().read_line(&mut answer);
    matches!(answer.trim(), "y" | "Y" | "yes")
}

/// Writes the one JSON object of a command: `schema` first, then the fields of `body`.
pub(crate) fn result_json(command: &str, body: Value) {
    result_json_as(&format!("seedpost.{command}/1"), body);
}

/// The same in a form that is not the command's first.
pub(crate) fn result_json_as(schema: &str, body: Value) {
    let fields = serde_json::to_string(&body).unwrap_or_default();
    let rest = fields.strip_prefix('{').unwrap_or("}");
    let comma = if rest == "}" { "" } else { "," };
    say(format_args!("{{\"schema\":\"{schema}\"{comma}{rest}"));
}

/// A path as JSON and people get it; what is not UTF-8 in it is marked.
pub(crate) fn shown(path: impl AsRef<std::path::Path>) -> String {
    path.as_ref().display().to_string()
}

/// A finding as people get it.
pub(crate) fn finding(finding: &Finding) -> String {
    let place = finding.at.map_or(String::new(), |span| format!(" at {span}"));
    let Finding { rule, found, expected, fix, .. } = finding;
    format!("{} [{rule}] found {found}{place}, expected {expected}; {fix}", finding.severity.as_str())
}

/// An empty table with this header.
pub(crate) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header);
    table
}
