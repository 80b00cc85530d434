//! `resolve`: a person settles a take whose payment is unknown, or whose job the provider has lost.

use std::path::PathBuf;

use clap::Args;
use seedpost_core::job::{Event, JobRef, Phase, Resolution, Take};
use seedpost_core::shot::TakeId;
use seedpost_render::ledger::Ledger;
use seedpost_render::provider::{Candidate, Found};
use seedpost_render::runner;
use serde_json::{Value, json};

use super::block_on;
use crate::door::{self, Door, Way};
use crate::output::{Exit, Failure, agrees, note, result_json, say};
use crate::project::{Project, ledger_failure};

/// How long the answer to a paid request may take from its intent, in milliseconds.
const IN_FLIGHT_MS: u64 = 310_000;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The take, such as SC010_SH020_T01.
    take: String,
    /// The shot list of its project.
    #[arg(long, default_value = "shots.toml")]
    shots: PathBuf,
    /// The provider took it, under this name; the next run fetches it.
    #[arg(long, value_name = "REQUEST_ID", conflicts_with_all = ["not_charged", "given_up"])]
    charged: Option<String>,
    /// The provider never took it; the next run may send it again.
    #[arg(long, conflicts_with = "given_up")]
    not_charged: bool,
    /// There will be no clip, whatever was paid; what it may cost stays committed.
    #[arg(long)]
    given_up: bool,
    /// Believe the person, even where the provider cannot be asked or says otherwise.
    #[arg(long)]
    force: bool,
}

pub(super) fn run(arguments: &Arguments, json: bool) -> Result<Exit, Failure> {
    let project = Project::open(&arguments.shots, None)?;
    let _lock = project.lock()?;
    let id = take_id(&arguments.take)?;
    block_on(async {
        let ledger = project.ledger().await?;
        ledger.writable().map_err(|error| ledger_failure(&error))?;
        let take = known_take(&ledger, &id).await?;
        let door = door::open_for(&project, &Way::of(&take.plan)).await;
        let doubt = doubt(&id, &take, &door, arguments.force).await?;
        refuse_impossible(arguments, &id, &take)?;
        let resolution = match given(arguments) {
            Some(Wish::Charged(request_id)) => {
                refuse_owned(&ledger, &id, &take, request_id).await?;
                Some(Resolution::Charged(charged(arguments, &take, &door, request_id).await?))
            }
            Some(Wish::NotCharged) => {
                refuse_while_sent(&ledger, &id, arguments.force).await?;
                Some(Resolution::NotCharged)
            }
            Some(Wish::GivenUp) => Some(Resolution::GivenUp),
            None => ask(&ledger, &id, &take, &doubt, &door, json).await?,
        };
        let Some(resolution) = resolution else { return Ok(Exit::Unknown) };
        let take = ledger.append(&id, take.length, Event::Resolved(resolution)).await;
        let take = take.map_err(|error| ledger_failure(&error))?;
        if json {
            result_json("resolve", json!({ "take": id.to_string(), "state": take.phase.as_str() }));
        } else {
            let next = if matches!(take.phase, Phase::Failed(_)) {
                "nothing is sent again by itself"
            } else {
                "`seedpost run` goes on with it"
            };
            say(format_args!("{id} is settled: {}; {next}", take.phase.as_str()));
        }
        Ok(Exit::Done)
    })?
}

/// Reads the name of a take.
///
/// # Errors
/// It is none.
pub(super) fn take_id(text: &str) -> Result<TakeId, Failure> {
    text.parse().map_err(|()| {
        let fix = "names look like SC010_SH020_T01; see `seedpost status`";
        Failure::new(Exit::Usage, format!("{text:?} is not a take"), fix)
    })
}

/// A take that stands in the ledger.
///
/// # Errors
/// It does not, or the ledger failed.
pub(super) async fn known_take(ledger: &Ledger, id: &TakeId) -> Result<Take, Failure> {
    let take = ledger.take(id).await.map_err(|error| ledger_failure(&error))?;
    take.ok_or_else(|| Failure::new(Exit::Usage, format!("the ledger knows no take {id}"), "see `seedpost status`"))
}

enum Wish<'a> {
    Charged(&'a str),
    NotCharged,
    GivenUp,
}

fn given(arguments: &Arguments) -> Option<Wish<'_>> {
    match &arguments.charged {
        Some(request_id) => Some(Wish::Charged(request_id)),
        None if arguments.not_charged => Some(Wish::NotCharged),
        None => arguments.given_up.then_some(Wish::GivenUp),
    }
}

/// What is in doubt about a take: its payment, or a job that the provider does not know.
async fn doubt(id: &TakeId, take: &Take, door: &Result<Door, Failure>, force: bool) -> Result<String, Failure> {
    let settled = |words: &str| {
        let message = format!("{id} is {}; {words}", take.phase.as_str());
        Failure::new(Exit::Usage, message, "see `seedpost status`; --force settles it all the same")
    };
    match &take.phase {
        Phase::ChargeUnknown { reason } => Ok(reason.clone()),
        Phase::Failed(failure) if !take.is_closed() => Ok(format!("it may have been charged: {}", failure.message)),
        Phase::Running { .. } | Phase::Rendered { .. } if force => Ok("a person says so".to_owned()),
        Phase::Running { job, .. } | Phase::Rendered { job, .. } => {
            let door = door.as_ref().map_err(|failure| {
                settled(&format!("the provider cannot be asked about its job: {}", failure.message()))
            })?;
            match door.provider.poll(job).await {
                Err(error) if error.unknown => Ok(format!("the provider does not know its job {}", job.request_id)),
                Err(error) => Err(settled(&format!("its job cannot be asked after: {}", error.message))),
                Ok(_) => Err(settled("the provider knows its job: `seedpost run` goes on with it")),
            }
        }
        _ => Err(Failure::new(Exit::Usage, format!("nothing about {id} is in doubt"), "see `seedpost status`")),
    }
}

/// Tells what can be said of a take in its state.
fn refuse_impossible(arguments: &Arguments, id: &TakeId, take: &Take) -> Result<(), Failure> {
    let possible = match (&take.phase, given(arguments)) {
        (Phase::Failed(_), Some(Wish::Charged(_) | Wish::GivenUp)) => "--not-charged",
        (Phase::Rendered { .. }, Some(Wish::Charged(_) | Wish::NotCharged)) => "--given-up",
        _ => return Ok(()),
    };
    let message = format!("{id} is {}: that cannot be said of it", take.phase.as_str());
    Err(Failure::new(Exit::Usage, message, format!("say {possible}, or leave it as it stands")))
}

/// A worker elsewhere may be waiting for the provider's answer at this moment: then nobody can say that it was not charged.
async fn refuse_while_sent(ledger: &Ledger, id: &TakeId, force: bool) -> Result<(), Failure> {
    let failed = |error| ledger_failure(&error);
    let history = ledger.history(id).await.map_err(failed)?;
    let Some(line) = history.last().filter(|line| matches!(line.event, Event::SubmitIntended { .. })) else {
        return Ok(());
    };
    let left = IN_FLIGHT_MS.saturating_sub(ledger.now().await.map_err(failed)?.saturating_sub(line.at_ms));
    if left == 0 || force || !ledger.is_shared() {
        return Ok(());
    }
    let message = format!("a worker may still be waiting for the provider's answer for {id}");
    let fix = format!("say it again in {} s, or add --force where no worker is at it", left.div_ceil(1000));
    Err(Failure::new(Exit::Unknown, message, fix))
}

/// One job belongs to one take.
async fn refuse_owned(ledger: &Ledger, id: &TakeId, take: &Take, request_id: &str) -> Result<(), Failure> {
    let owner = ledger.owner(take.plan.provider, request_id).await.map_err(|error| ledger_failure(&error))?;
    match owner {
        Some(owner) => {
            let message = format!("request {request_id} belongs to {owner}, and cannot be {id}'s too");
            Err(Failure::new(Exit::Usage, message, "look for another one in the provider's list"))
        }
        None => Ok(()),
    }
}

/// The job of a request id that a person found, if the provider knows it and no other take owns it.
async fn charged(
    arguments: &Arguments,
    take: &Take,
    door: &Result<Door, Failure>,
    request_id: &str,
) -> Result<JobRef, Failure> {
    let plain = !request_id.is_empty()
        && request_id.len() <= 128
        && request_id.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    let refused = |message: String, fix: &str| Err(Failure::new(Exit::Usage, message, fix));
    if !plain {
        return refused(format!("{request_id:?} is not a request id"), "copy it from the provider's list of requests");
    }
    let door = match door {
        Ok(door) => door,
        Err(failure) => return refused(failure.message().to_owned(), "the key is needed to look the request up"),
    };
    let job = door.provider.job(&take.plan.endpoint, request_id);
    match door.provider.poll(&job).await {
        Err(error) if !arguments.force => {
            let fix = "copy the id from the provider's list; --force takes it all the same";
            refused(format!("the provider does not answer for {request_id}: {}", error.message), fix)
        }
        _ => Ok(job),
    }
}

/// Shows what is known and what the provider's list has, and asks; nothing is settled where nobody can be asked.
async fn ask(
    ledger: &Ledger,
    id: &TakeId,
    take: &Take,
    doubt: &str,
    door: &Result<Door, Failure>,
    json: bool,
) -> Result<Option<Resolution>, Failure> {
    let sent = ledger.intended(id).await.map_err(|error| ledger_failure(&error))?;
    let (at_ms, body) = sent.unwrap_or((0, Value::Null));
    let when = i64::try_from(at_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
    let found = match door {
        Ok(door) => runner::find(ledger, door.provider.as_ref(), id, take).await.map_err(|error| error.message),
        Err(failure) => Err(failure.message().to_owned()),
    };
    let plan = &take.plan;
    if json {
        let candidate = |candidate: &Candidate| json!({ "request_id": candidate.job.request_id, "why": candidate.words, "certain": candidate.certain });
        let candidates = match &found {
            Ok(Found::Jobs(jobs)) => jobs.iter().map(candidate).collect(),
            _ => Value::Null,
        };
        result_json(
            "resolve",
            json!({ "take": id.to_string(), "state": take.phase.as_str(), "reason": doubt, "sent_at": when.to_string(), "provider": plan.provider, "endpoint": plan.endpoint, "body": body, "found": candidates, "trouble": found.err() }),
        );
        return Ok(None);
    }
    say(format_args!(
        "{id}: {doubt}\n  sent      {when}\n  provider  {}\n  endpoint  {}\n  counts as {}\n  body      {body}",
        plan.provider.as_str(),
        plan.endpoint,
        take.committed
    ));
    choose(id, take, found)
}

fn choose(id: &TakeId, take: &Take, found: Result<Found, String>) -> Result<Option<Resolution>, Failure> {
    let answers: &[&str] = match &take.phase {
        Phase::Failed(_) => &["--not-charged"],
        Phase::Rendered { .. } => &["--given-up"],
        _ => &["--charged REQUEST_ID", "--not-charged", "--given-up"],
    };
    let jobs = match found {
        Ok(Found::NoList) => {
            say("This provider has no list of requests that a program could read: look at its web page or bill.");
            Vec::new()
        }
        Ok(Found::Jobs(jobs)) if jobs.is_empty() => {
            say("The provider's list has no such request. Lists come late: that is no proof that nothing was charged.");
            jobs
        }
        Ok(Found::Jobs(jobs)) => {
            jobs.iter().for_each(|job| say(format_args!("  found     {}: {}", job.job.request_id, job.words)));
            jobs
        }
        Err(trouble) => {
            say(format_args!("The provider's list could not be read: {trouble}"));
            Vec::new()
        }
    };
    if let ([only], true) = (jobs.as_slice(), answers.len() > 1)
        && agrees(format_args!("Is {} the request of {id}?", only.job.request_id))
    {
        return Ok(Some(Resolution::Charged(only.job.clone())));
    }
    note("Say which it is:");
    answers.iter().for_each(|answer| note(format_args!("  seedpost resolve {id} {answer}")));
    Ok(None)
}
