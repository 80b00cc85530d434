//! `cancel`: asks the provider to drop a job that is under way.

use std::path::PathBuf;

use clap::Args;
use seedpost_core::job::{Event, Phase};
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
        let take = known_take(&ledger, &id).await?;
        let (Phase::Running { .. }, Some(job)) = (&take.phase, &take.job) else {
            let message = format!("{id} is {}: there is no job to cancel", take.phase.as_str());
            return Err(Failure::new(Exit::Usage, message, "see `seedpost status`"));
        };
        let door = door::open(&project, &Way::of(&take.plan)).await?;
        let refused = |message: String| Failure::new(Exit::Provider, message, "the job goes on; `seedpost run` fetches it");
        let cancelled = door.provider.cancel(job).await.map_err(|error| refused(error.message))?;
        if cancelled == Cancel::TooLate {
            return Err(refused(format!("{id} cannot be cancelled any more")));
        }
        let ended = match door.provider.poll(job).await {
            Ok(Progress::Failed(failure)) => Some(failure),
            _ => None,
        };
        let Some(failure) = ended else {
            return Ok(("asked for; the job may still end and be charged, and `seedpost run` finds out", "rendering"));
        };
        // A run beside this one may have seen it first: then it stands there already.
        match ledger.append(&id, take.length, Event::RenderFailed(failure)).await {
            Ok(_) | Err(seedpost_render::ledger::LedgerError::Conflict(_)) => Ok(("cancelled", "failed")),
            Err(error) => Err(ledger_failure(&error)),
        }
    })??;
    if json {
        result_json("cancel", json!({ "take": id.to_string(), "state": phase, "cancelled": words }));
    } else {
        say(format_args!("{id}: {words}"));
    }
    Ok(Exit::Done)
}
