//! `resolve`: a person settles a take whose payment is unknown.

use std::path::PathBuf;

use clap::Args;
use seedpost_core::job::{Event, Phase, Resolution, Take};
use seedpost_core::shot::TakeId;
use seedpost_render::Secret;
use seedpost_render::ledger::Ledger;
use seedpost_render::provider::Provider as _;
use seedpost_render::provider::fal::Fal;
use serde_json::json;

use super::block_on;
use crate::output::{Exit, Failure, result_json, say};
use crate::project::{Project, ledger_failure};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The take, such as SC010_SH020_T01.
    take: String,
    /// The shot list of its project.
    #[arg(long, default_value = "shots.toml")]
    shots: PathBuf,
    /// The provider took it, under this name; the next run fetches it.
    #[arg(long, value_name = "REQUEST_ID", conflicts_with = "not_charged")]
    charged: Option<String>,
    /// The provider never took it; the next run may send it again.
    #[arg(long)]
    not_charged: bool,
}

pub(super) fn run(arguments: &Arguments, json: bool) -> Result<Exit, Failure> {
    let project = Project::open(&arguments.shots, None)?;
    let _lock = project.lock()?;
    let wrong = || {
        Failure::new(
            Exit::Usage,
            format!("{:?} is not a take", arguments.take),
            "names look like SC010_SH020_T01; see `seedpost status`",
        )
    };
    let id: TakeId = arguments.take.parse().map_err(|()| wrong())?;
    block_on(async {
        let ledger = project.ledger().await?;
        let take = ledger.take(&id).await.map_err(|error| ledger_failure(&error))?.ok_or_else(wrong)?;
        let Phase::ChargeUnknown { reason } = &take.phase else {
            let message = format!("{id} is {}; its payment is not in doubt", take.phase.as_str());
            return Err(Failure::new(Exit::Usage, message, "see `seedpost status`"));
        };
        match resolution(arguments, &take)? {
            None => show(&ledger, &id, &take, reason, json).await,
            Some(resolution) => {
                let take = ledger
                    .append(&id, take.length, Event::Resolved(resolution))
                    .await
                    .map_err(|error| ledger_failure(&error))?;
                if json {
                    result_json("resolve", json!({ "take": id.to_string(), "state": take.phase.as_str() }));
                } else {
                    say(format_args!("{id} is settled: {}; `seedpost run` goes on with it", take.phase.as_str()));
                }
                Ok(Exit::Done)
            }
        }
    })?
}

fn resolution(arguments: &Arguments, take: &Take) -> Result<Option<Resolution>, Failure> {
    if arguments.not_charged {
        return Ok(Some(Resolution::NotCharged));
    }
    let Some(request_id) = &arguments.charged else { return Ok(None) };
    let plain = !request_id.is_empty()
        && request_id.len() <= 128
        && request_id.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if !plain {
        return Err(Failure::new(
            Exit::Usage,
            format!("{request_id:?} is not a request id"),
            "copy it from the provider's list of requests",
        ));
    }
    // Only the addresses are made here; nothing is sent.
    let fal = Fal::new(Secret::new(String::new()))
        .map_err(|error| Failure::new(Exit::Internal, error.to_string(), "run `seedpost doctor`"))?;
    Ok(Some(Resolution::Charged(fal.job(&take.plan.endpoint, request_id))))
}

/// Shows what a person needs to find the request at the provider.
async fn show(ledger: &Ledger, id: &TakeId, take: &Take, reason: &str, json: bool) -> Result<Exit, Failure> {
    let history = ledger.history(id).await.map_err(|error| ledger_failure(&error))?;
    let sent = history.iter().rev().find_map(|line| match &line.event {
        Event::SubmitIntended { body, .. } => Some((line.at_ms, body)),
        _ => None,
    });
    let (at_ms, body) = sent.map_or((0, serde_json::Value::Null), |(at, body)| (at, body.clone()));
    let when = i64::try_from(at_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
    let plan = &take.plan;
    if json {
        result_json(
            "resolve",
            json!({ "take": id.to_string(), "state": "unknown", "reason": reason, "sent_at": when.to_string(), "provider": plan.provider, "endpoint": plan.endpoint, "body": body }),
        );
    } else {
        say(format_args!(
            "{id}: {reason}\n  sent      {when}\n  provider  {}\n  endpoint  {}\n  counts as {}\n  body      {body}",
            plan.provider.as_str(),
            plan.endpoint,
            take.committed
        ));
        say(format_args!(
            "Look for it in the provider's list of requests, then say which:\n  seedpost resolve {id} --charged REQUEST_ID\n  seedpost resolve {id} --not-charged"
        ));
    }
    Ok(Exit::Unknown)
}
