//! `cancel`: asks the provider to drop a job that is under way.

use std::path::PathBuf;

use clap::Args;
use seedpost_core::job::{Event, Failure as TakeFailure, FailureKind, Phase};
use seedpost_render::ledger::LedgerError;
use seedpost_render::provider::{Cancel, Progress};
use serde_json::json;

use super::block_on;
use super::resolve::{known_take, take_id};
use crate::door::{self, Way};
use crate::output::{Exit, Failure, result_json, say};
use crate::project::{Project, ledger_failure};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The take, such as SC010_SH020_T01.
    take: String,
    /// The shot list of its project.
    #[arg(long, default_value = "shots.toml")]
    shots: PathBuf,
}

pub(super) fn run(arguments: &Arguments, json: bool) -> Result<Exit, Failure> {
    let project = Project::open(&arguments.shots, None)?;
    let id = take_id(&arguments.take)?;
    let (words, phase) = block_on(async {
        let ledger = project.ledger().await?;
        ledger.writable().map_err(|error| ledger_failure(&error))?;
        let take = known_take(&ledger, &id).await?;
        let (Phase::Running { .. }, Some(job)) = (&take.phase, &take.job) else {
            let message = format!("{id} is {}: there is no job to cancel", take.phase.as_str());
            return Err(Failure::new(Exit::Usage, message, "see `seedpost status`"));
        };
        let door = door::open_for(&project, &Way::of(&take.plan)).await?;
        let refused =
            |message: String| Failure::new(Exit::Provider, message, "the job goes on; `seedpost run` fetches it");
        let cancelled = door.provider.cancel(job).await.map_err(|error| refused(error.message))?;
        let ended = match cancelled {
            Cancel::TooLate => return Err(refused(format!("{id} cannot be cancelled any more"))),
            Cancel::Gone => Some(TakeFailure::free(FailureKind::Cancelled, "cancelled before it began")),
            Cancel::Asked => match door.provider.poll(job).await {
                Ok(Progress::Failed(failure)) => Some(failure),
                _ => None,
            },
        };
        if let Some(failure) = ended {
            // A run beside this one may have seen it first: then it stands there already.
            match ledger.append(&id, take.length, Event::RenderFailed(failure)).await {
                Ok(_) | Err(LedgerError::Conflict(_)) => {}
                Err(error) => return Err(ledger_failure(&error)),
            }
        }
        let take = known_take(&ledger, &id).await?;
        let words = match &take.phase {
            Phase::Failed(failure) if failure.owed => "cancelled; it may have been charged all the same",
            Phase::Failed(_) => "cancelled; nothing is owed",
            Phase::Running { .. } => "asked for; the job may still end and be charged, and `seedpost run` finds out",
            _ => "it ended before it could be cancelled",
        };
        Ok((words, take.phase.as_str()))
    })??;
    if json {
        result_json("cancel", json!({ "take": id.to_string(), "state": phase, "cancelled": words }));
    } else {
        say(format_args!("{id}: {words}"));
    }
    Ok(Exit::Done)
}
