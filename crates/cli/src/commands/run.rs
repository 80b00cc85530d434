//! `run`: renders every take that is missing, then finishes it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use seedpost_core::change::Change;
use seedpost_core::cost::Usd;
use seedpost_core::job::{Phase, Take};
use seedpost_core::shot::TakeId;
use seedpost_core::spec::Weight;
use seedpost_render::ledger::Ledger;
use seedpost_render::runner::Outcome;
use serde_json::json;

use super::{List, block_on};
use crate::batch::{Approval, Batch, MAX_CLIP};
use crate::books;
use crate::door::{self, KEY_LIMIT};
use crate::due;
use crate::finish::{Depth, Finish, Finished, Job, finish};
use crate::interrupt;
use crate::keys::Environment;
use crate::output::{Exit, Failure, note, result_json, say, table};
use crate::prepare::{Desk, Standing, prepare};
use crate::prices;
use crate::progress::Style;
use crate::project::{Project, ledger_failure};
use crate::sound::Wishes;
use crate::workers::{self, Workers};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    list: List,
    /// How many takes are under way at once, 2 without it; a key has room for 3, unless SEEDPOST_KEY_LIMIT says that
    /// the account has more.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1000))]
    concurrency: Option<u16>,
    /// How many minutes to wait for jobs under way; a later run goes on waiting. 0 asks once.
    #[arg(long, default_value_t = 60)]
    wait_minutes: u16,
    /// Spend at most this, in place of the list's limit.
    #[arg(long, value_name = "USD", value_parser = dollars)]
    budget: Option<Usd>,
    /// Ask before requests are sent that together cost more than this.
    #[arg(long, value_name = "USD", value_parser = dollars)]
    approve_over: Option<Usd>,
    /// Answer that question with yes.
    #[arg(long)]
    yes: bool,
    /// Listen to jobs as streams, where the provider has them; else they are asked after.
    #[arg(long)]
    follow: bool,
    /// With a ledger that machines share: where files lie for them, file:///folder or s3://bucket/prefix.
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Render only; the next run finishes.
    #[arg(long)]
    no_finish: bool,
    /// Decode the pictures of finished takes too: errors, black, frozen, music; with still pictures and a waveform.
    #[arg(long)]
    deep: bool,
    #[command(flatten)]
    wishes: Wishes,
}

fn dollars(text: &str) -> Result<Usd, String> {
    text.parse().map_err(|()| "write dollars, such as 25.00".to_owned())
}

pub(super) fn run(arguments: &Arguments, json: bool, style: Style) -> Result<Exit, Failure> {
    let project = arguments.list.open()?;
    let _lock = project.lock()?;
    project.sweep();
    let concurrency = concurrency(&project, arguments)?;
    allow_open_files();
    let mut desk = prepare(&project)?;
    let Rendered { outcomes, takes, shut, stopped } =
        block_on(render(&project, &mut desk, arguments, concurrency, style))??;
    let standing = desk.standing(&takes);
    let jobs = if arguments.no_finish { Vec::new() } else { standing.iter().filter_map(job).collect() };
    interrupt::finishing();
    let Finish { finished, failures } =
        finish(&project, jobs, Depth { deep: arguments.deep, wishes: Some(arguments.wishes) });
    let worked = !outcomes.is_empty() || finished.iter().any(|finished| finished.worked);
    if json {
        report_json(&standing, &finished, &outcomes, &failures, worked);
    } else {
        report(&standing, &finished, worked);
    }
    explain_all(&standing, &outcomes);
    explain_standing(&standing, &outcomes);
    // Planned followers that belong to what the list said once are not sent, and do not count.
    let named: BTreeSet<TakeId> = standing.iter().map(|(id, ..)| id.clone()).collect();
    let is_stale = |(id, prepared, _): &Standing<'_>| due::is_stale(&desk, prepared, id, &takes);
    let (stale, counted): (Vec<_>, Vec<_>) = standing.into_iter().partition(is_stale);
    let is_promotion = |(_, prepared, _): &&Standing<'_>| {
        prepared.plan.follows.as_ref().is_some_and(|follows| follows.change == Change::Promoted)
    };
    for (id, ..) in stale.iter().filter(is_promotion) {
        note(format_args!("{id} was planned for the shot as it was, and is not sent"));
        note("  fix: set the shot back, or `seedpost promote` the draft again");
    }
    failures.iter().for_each(|(_, failure)| failure.tell());
    let unfinished = failures.first().map(|(_, failure)| failure.exit()).or(shut);
    let orphans: Vec<&Take> = takes.iter().filter(|(id, _)| !named.contains(id)).map(|(_, take)| take).collect();
    Ok(exit(&outcomes, stopped, &counted, &orphans, &finished, unfinished))
}

/// What rendering has come to.
struct Rendered {
    outcomes: Vec<(TakeId, Outcome)>,
    takes: BTreeMap<TakeId, Take>,
    /// Whether Ctrl-C ended it.
    stopped: bool,
    /// How the program would end because of a door that could not be opened.
    shut: Option<Exit>,
}

fn job<'p>((id, prepared, take): &Standing<'p>) -> Option<Job<'p>> {
    Job::new(id.clone(), prepared, take.clone())
}

/// Each job and each clip on its way holds files and connections open.
fn allow_open_files() {
    let limit = getrlimit(Resource::Nofile);
    // Where it is refused, the usual limit does for most runs.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// More than a key has room for would only wait.
fn concurrency(project: &Project, arguments: &Arguments) -> Result<usize, Failure> {
    use seedpost_core::shot::ProviderName::Simulator;
    let paid = project.list.shots.iter().any(|shot| shot.render.provider != Simulator);
    let limit = door::key_limit(&Environment::read(&project.root))?;
    let Some(wanted) = arguments.concurrency else { return Ok(limit.min(2).into()) };
    if paid && wanted > limit {
        let message = format!("--concurrency {wanted} is more than the key's room of {limit}");
        let fix =
            format!("new accounts run 2 at once; set SEEDPOST_KEY_LIMIT where yours may have more than {KEY_LIMIT}");
        return Err(Failure::new(Exit::Usage, message, fix));
    }
    Ok(wanted.into())
}

async fn render<'p>(
    project: &'p Project,
    desk: &mut Desk<'p>,
    arguments: &Arguments,
    concurrency: usize,
    style: Style,
) -> Result<Rendered, Failure> {
    let ledger = project.ledger().await?;
    let workers = workers(project, &ledger, arguments).await?;
    books::claim(project, &ledger).await?;
    let failed = |error| ledger_failure(&error);
    let limit = arguments.budget.or(project.list.budget);
    // What another machine's run has set stands, where this one says nothing.
    if limit.is_some() || !ledger.is_shared() {
        ledger.set_limit(limit).await.map_err(failed)?;
    }
    let takes = ledger.takes().await.map_err(failed)?;
    desk.add_followers(project, &takes);
    let told = prices::told(project, desk).await;
    told.note();
    desk.price(told.prices);
    let approval = arguments.approve_over.map(|limit| Approval {
        limit,
        sum: Cell::new(Usd::ZERO),
        given: Cell::new(arguments.yes),
    });
    let batch = Batch {
        project,
        ledger,
        workers,
        concurrency,
        patience: Duration::from_secs(u64::from(arguments.wait_minutes) * 60),
        follow: arguments.follow,
        style,
        stop: interrupt::watch(),
        approval,
        doors: RefCell::default(),
    };
    let (outcomes, takes) = batch.run(desk, takes).await?;
    Ok(Rendered { outcomes, takes, shut: batch.tell_shut(), stopped: *batch.stop.borrow() })
}

/// Who renders, where machines share the ledger.
async fn workers(project: &Project, ledger: &Ledger, arguments: &Arguments) -> Result<Option<Workers>, Failure> {
    if !ledger.is_shared() {
        return Ok(None);
    }
    let store = workers::store(&Environment::read(&project.root), arguments.store.as_deref()).await?;
    Workers::of(ledger, store, MAX_CLIP).await.map(Some)
}

fn report(takes: &[Standing<'_>], finished: &[Finished<'_>], worked: bool) {
    let mut rows = table(["TAKE", "LANE", "DELIVERED", "PROMISED", "STEMS", "COST", "STATE"]);
    for (id, prepared, take) in takes {
        let done = finished.iter().find(|finished| finished.job.take == *id);
        let promised = take.plan.promise.frames.map_or("auto".to_owned(), seconds);
        let delivered = done.and_then(|done| done.facts.info.video.as_ref()?.frames).map_or("–".to_owned(), seconds);
        let stems = done.map_or(String::new(), |done| {
            done.facts.sound.stems.iter().map(|stem| stem.role.as_str()).collect::<Vec<_>>().join(" ")
        });
        let unselected = done.is_some_and(|done| !done.job.selected);
        let state = format!("{}{}", take.phase.as_str(), if unselected { ", not in the cut" } else { "" });
        rows.add_row([
            id.to_string(),
            prepared.decision.lane.as_str().to_owned(),
            delivered,
            promised,
            stems,
            take.committed.to_string(),
            state,
        ]);
    }
    say(rows);
    for done in finished {
        for line in crate::report::sound(&done.facts.sound, done.worked) {
            say(format_args!("{}: {line}", done.job.take));
        }
        for finding in done.facts.findings.iter().filter(|finding| !crate::report::is_told(finding)) {
            say(format_args!("{}: {}", done.job.take, crate::output::finding(finding)));
        }
    }
    let made = finished.iter().filter(|done| done.worked).map(|done| &done.facts.sound);
    crate::report::estimates(made).into_iter().for_each(say);
    if !worked {
        let done = takes.iter().all(|(id, _, take)| is_served(id, take, takes));
        say(if done { "nothing to do: every take stands as it should" } else { "nothing to do" });
    }
}

/// Frames at 24 a second as `8.000 s (192)`.
fn seconds(frames: seedpost_core::time::Frames) -> String {
    format!("{}.{:03} s ({})", frames.0 / 24, frames.0 % 24 * 1000 / 24, frames.0)
}

fn report_json(
    takes: &[Standing<'_>],
    finished: &[Finished<'_>],
    outcomes: &[(TakeId, Outcome)],
    failures: &[(TakeId, Failure)],
    worked: bool,
) {
    let take = |(id, _, take): &Standing<'_>| {
        let done = finished.iter().find(|finished| finished.job.take == *id);
        let outcome = outcomes.iter().find(|(name, _)| name == id).map(|(_, outcome)| words(outcome));
        json!({
            "take": id.to_string(),
            "state": take.phase.as_str(),
            "usd_micros": take.committed,
            "outcome": outcome,
            "selected": done.map(|done| done.job.selected),
            "facts": done.map(|done| &done.facts),
            "unfinished": failures.iter().find(|(name, _)| name == id).map(|(_, failure)| failure.json()),
        })
    };
    result_json("run", json!({ "worked": worked, "takes": takes.iter().map(take).collect::<Vec<_>>() }));
}

fn words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done => "done".to_owned(),
        Outcome::Failed(failure) => failure.message.clone(),
        Outcome::Unknown(reason)
        | Outcome::OverBudget(reason)
        | Outcome::Unreachable(reason)
        | Outcome::Lost(reason)
        | Outcome::Occupied(reason)
        | Outcome::Broken(reason) => reason.clone(),
        Outcome::Stopped => "stopped".to_owned(),
    }
}

/// Says on standard error why a take is not done, and what to do.
fn explain(take: &TakeId, outcome: &Outcome) {
    use seedpost_core::job::FailureKind;
    let fix = match outcome {
        Outcome::Done => return,
        Outcome::Failed(failure) if failure.owed => {
            "it may have been charged: ask the provider; `seedpost resolve` settles it with --not-charged, and a higher `takes` asks for another attempt"
        }
        Outcome::Failed(failure) if failure.settled => "change the shot, or raise `takes` for another attempt",
        Outcome::Failed(failure) => match failure.kind {
            FailureKind::FixShot => "correct the shot and run again",
            FailureKind::Moderated => "change the prompt or the reference that the filter names, and run again",
            FailureKind::Account => "check the key, the credit and the permissions of the account, and run again",
            FailureKind::TryAgain | FailureKind::TimedOut => "run again; nothing is owed for this attempt",
            FailureKind::Cancelled => "change the shot, or raise `takes` for another attempt",
        },
        Outcome::Unknown(_) => {
            "it counts as paid and is never sent again by itself; look at the provider's list, then `seedpost resolve`"
        }
        Outcome::OverBudget(_) => {
            "raise [budget] limit_usd or --budget, approve with --yes, or ask for fewer or cheaper takes"
        }
        Outcome::Lost(_) => {
            "jobs are kept for a time only: look at the provider's list, then `seedpost resolve` with --given-up"
        }
        Outcome::Unreachable(_) | Outcome::Stopped => "run the same command again; it goes on from here",
        Outcome::Occupied(_) => "move that file away, then run again; nothing was sent",
        Outcome::Broken(_) => "check that the disk has room, then run again; nothing is paid twice",
    };
    note(format_args!("{take}: {}\n  fix: {fix}", words(outcome)));
}

/// Explains what became of takes, but for failures whose retry has the clip.
fn explain_all(takes: &[Standing<'_>], outcomes: &[(TakeId, Outcome)]) {
    for (id, outcome) in outcomes {
        let served = takes.iter().any(|(own, _, take)| own == id && is_served(id, take, takes));
        if !(served && matches!(outcome, Outcome::Failed(_))) {
            explain(id, outcome);
        }
    }
}

/// Explains takes that an earlier run left without a clip.
fn explain_standing(takes: &[Standing<'_>], outcomes: &[(TakeId, Outcome)]) {
    for (id, _, take) in takes.iter().filter(|(id, ..)| outcomes.iter().all(|(name, _)| name != id)) {
        match &take.phase {
            Phase::Failed(_) if is_served(id, take, takes) => {}
            Phase::Failed(failure) => explain(id, &Outcome::Failed(failure.clone())),
            Phase::ChargeUnknown { reason } => explain(id, &Outcome::Unknown(reason.clone())),
            _ => {}
        }
    }
}

fn exit(
    outcomes: &[(TakeId, Outcome)],
    stopped: bool,
    takes: &[Standing<'_>],
    orphans: &[&Take],
    finished: &[Finished<'_>],
    unfinished: Option<Exit>,
) -> Exit {
    let any = |test: fn(&Outcome) -> bool| outcomes.iter().any(|(_, outcome)| test(outcome));
    let unknown = |take: &Take| matches!(take.phase, Phase::ChargeUnknown { .. });
    let done = takes.iter().any(|(_, _, take)| matches!(take.phase, Phase::Done(_)));
    let breach =
        finished.iter().flat_map(|finished| &finished.facts.findings).any(|finding| finding.severity == Weight::Breach);
    if takes.iter().any(|(_, _, take)| unknown(take)) || orphans.iter().any(|take| unknown(take)) {
        Exit::Unknown
    } else if any(|outcome| matches!(outcome, Outcome::Broken(_))) {
        Exit::Internal
    } else if any(|outcome| matches!(outcome, Outcome::Occupied(_))) {
        Exit::Usage
    } else if stopped || any(|outcome| matches!(outcome, Outcome::Stopped)) {
        Exit::Stopped
    } else if any(|outcome| matches!(outcome, Outcome::OverBudget(_))) {
        Exit::Budget
    } else if let Some(unfinished) = unfinished {
        unfinished
    } else if takes.iter().any(|(id, _, take)| !is_served(id, take, takes))
        || orphans.iter().any(|take| due::is_open(take))
    {
        if done { Exit::Partly } else { Exit::Provider }
    } else if breach {
        Exit::Media
    } else {
        Exit::Done
    }
}

/// Whether a take has its clip, or a retry has it in its place.
fn is_served(id: &TakeId, take: &Take, takes: &[Standing<'_>]) -> bool {
    let has_clip = |take: &Take| matches!(take.phase, Phase::Done(_));
    let root = take.plan.follows.as_ref().filter(|follows| follows.change != Change::Promoted);
    let root = root.map_or_else(|| id.to_string(), |follows| follows.take.clone());
    let same = |(other, _, take): &Standing<'_>| {
        let follows = take.plan.follows.as_ref().filter(|follows| follows.change != Change::Promoted);
        has_clip(take) && (other.to_string() == root || follows.is_some_and(|follows| follows.take == root))
    };
    has_clip(take) || takes.iter().any(same)
}
