//! `ledger`: what stands in it, for other programs, and whether it adds up.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use seedpost_core::audit::{Audit, Books, Problem, Record, audit};
use seedpost_core::cost::Usd;
use seedpost_core::fault::Severity;
use serde::Serialize;
use serde_json::{Value, json};

use super::{List, block_on};
use crate::output::{Exit, Failure, note, result_json, say, shown};
use crate::project::{Project, ledger_failure, refuse_overwrite, write_private};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write every event as a line of JSON: take, seq, at_ms, kind, event.
    #[command(
        after_help = "Example:\n  seedpost ledger export shots.toml --out ledger.jsonl\n  seedpost ledger export | jq -r 'select(.kind == \"charged\") | [.take, .event.amount] | @tsv'\n\nAmounts are millionths of a dollar, times Unix milliseconds of the ledger's own clock. A payload that is no JSON\nstands as it is in `payload`, beside an `event` of null."
    )]
    Export(Export),
    /// Fold every take anew, compare sums, jobs and places with the events, and tell all that does not agree.
    #[command(
        after_help = "Example:\n  seedpost ledger verify shots.toml\n  seedpost ledger verify --json\n\nExit code 70 where something is wrong. Nothing is written, and no provider is asked."
    )]
    Verify(List),
}

#[derive(Debug, Args)]
struct Export {
    #[command(flatten)]
    list: List,
    /// Write a file, readable by you alone, in place of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace that file.
    #[arg(long, requires = "out")]
    force: bool,
}

pub(super) fn run(arguments: &Arguments, json: bool) -> Result<Exit, Failure> {
    match &arguments.what {
        What::Export(export) => self::export(export, json),
        What::Verify(list) => verify(list, json),
    }
}

/// The books and where they are kept.
fn read(project: &Project) -> Result<(Books, String), Failure> {
    block_on(async {
        let ledger = project.ledger().await?;
        let books = ledger.books().await.map_err(|error| ledger_failure(&error))?;
        Ok((books, ledger.place().to_owned()))
    })?
}

/// A line of the export.
#[derive(Serialize)]
struct Line<'a> {
    take: &'a str,
    seq: i64,
    at_ms: i64,
    kind: &'a str,
    event: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a str>,
}

fn line(record: &Record) -> String {
    let Record { take, seq, at_ms, kind, payload } = record;
    let event: Option<Value> = serde_json::from_str(payload).ok();
    let payload = event.is_none().then_some(payload.as_str());
    let line = Line { take, seq: *seq, at_ms: *at_ms, kind, event, payload };
    serde_json::to_string(&line).expect("lines are plain data")
}

fn export(arguments: &Export, json: bool) -> Result<Exit, Failure> {
    let project = arguments.list.open()?;
    if let Some(out) = &arguments.out {
        let [ledger, journal] = ["ledger.db", "ledger.db-wal"].map(|name| project.hidden().join(name));
        refuse_overwrite(out, arguments.force, &[&project.path, &ledger, &journal])?;
    }
    let (books, _) = read(&project)?;
    let lines = books.records.iter().map(line);
    match &arguments.out {
        Some(out) => {
            let text = lines.fold(String::new(), |mut text, line| {
                let _ = writeln!(text, "{line}");
                text
            });
            write_private(out, &text).map_err(|error| Failure::disk("write", out, &error))?;
            if json {
                result_json("ledger_export", json!({ "file": shown(out), "events": books.records.len() }));
            } else {
                say(format_args!("{}: {} events", out.display(), books.records.len()));
            }
        }
        None => {
            let mut out = io::BufWriter::new(io::stdout().lock());
            // A reader that went away is nobody's fault.
            let _ = lines.into_iter().try_for_each(|line| writeln!(out, "{line}")).and_then(|()| out.flush());
        }
    }
    Ok(Exit::Done)
}

fn verify(list: &List, json: bool) -> Result<Exit, Failure> {
    let project = list.open()?;
    let (books, place) = read(&project)?;
    let audit = audit(&books);
    if json {
        let Audit { takes, events, committed, charged, unknown, problems } = &audit;
        let sums = json!({
            "ledger": place,
            "sound": audit.is_sound(),
            "takes": takes,
            "events": events,
            "usd_micros_committed": committed,
            "usd_micros_charged": charged,
            "usd_micros_unknown": unknown,
            "usd_micros_limit": books.limit,
            "problems": problems,
        });
        result_json("ledger_verify", sums);
    } else {
        report(&audit, &books);
    }
    let wrong = audit.problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    if wrong == 0 {
        return Ok(Exit::Done);
    }
    let plural = if wrong == 1 { "thing is" } else { "things are" };
    note(format_args!("error: the ledger {place}: {wrong} {plural} wrong"));
    note(
        "  fix: send nothing more; keep the ledger as it is, compare it with the provider's bills, restore it from a copy",
    );
    Ok(Exit::Internal)
}

fn report(audit: &Audit, books: &Books) {
    for Problem { severity, take, number, found, allowed } in &audit.problems {
        let word = if *severity == Severity::Error { "wrong" } else { "note" };
        let place = match (take, number) {
            (Some(take), Some(number)) => format!("{take}, number {number}"),
            (Some(take), None) => take.clone(),
            (None, _) => "all takes".to_owned(),
        };
        say(format_args!("{word}: {place}\n    found    {found}\n    allowed  {allowed}"));
    }
    say(format_args!("{} takes, {} events", audit.takes, audit.events));
    let limit = books.limit.and_then(|limit| u64::try_from(limit).ok()).map(Usd::from_micros);
    let limit = limit.map_or_else(|| "no limit".to_owned(), |limit| format!("of {limit}"));
    let Audit { committed, charged, unknown, .. } = audit;
    say(format_args!("committed {committed} · charged by bill {charged} · perhaps charged {unknown} · budget {limit}"));
    if audit.is_sound() {
        say("the ledger adds up");
    }
}
