//! `run`: renders every take that is missing, then finishes it.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use seedpost_core::change::Change;
use seedpost_core::cost::Usd;
use seedpost_core::job::{Phase, Take};
use seedpost_core::shot::TakeId;
use seedpost_core::spec::Weight;
use seedpost_render::runner::Outcome;
use serde_json::json;

use super::{List, block_on};
use crate::batch::{Approval, Batch};
use crate::door::{self, KEY_LIMIT};
use crate::due;
use crate::finish::{Finish, Finished, Job, finish};
use crate::interrupt;
use crate::keys::Environment;
use crate::output::{Exit, Failure, note, result_json, say, table};
use crate::prepare::{Desk, Prepared, prepare};
use crate::prices;
use crate::progress::Style;
use crate::project::{Project, ledger_failure};

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
    /// Render only; the next run finishes.
    #[arg(long)]
    no_finish: bool,
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
    let Rendered { outcomes, takes, orphans, stale, shut, stopped } =
        block_on(render(&project, &mut desk, arguments, concurrency, style))??;
    let standing: Vec<Standing<'_>> = takes
        .iter()
        .filter_map(|(index, id, take, at)| Some((id.clone(), desk.prepared.get(*index)?, take.clone(), *at)))
        .collect();
    let jobs = if arguments.no_finish { Vec::new() } else { standing.iter().filter_map(job).collect() };
    interrupt::finishing();
    let Finish { finished, failures } = finish(&project, jobs);
    let worked = !outcomes.is_empty() || finished.iter().any(|finished| finished.worked);
    if json {
        report_json(&standing, &finished, &outcomes, &failures, worked);
    } else {
        report(&standing, &finished, worked);
    }
    explain_all(&standing, &outcomes);
    explain_standing(&standing, &outcomes);
    let is_promotion = |id: &&TakeId| {
        let of = |(own, prepared, ..): &Standing<'_>| {
            own == *id && prepared.plan.follows.as_ref().is_some_and(|follows| follows.change == Change::Promoted)
        };
        standing.iter().any(of)
    };
    for id in stale.iter().filter(is_promotion) {
        note(format_args!("{id} was planned for the shot as it was, and is not sent"));
        note("  fix: set the shot back, or `seedpost promote` the draft again");
    }
    failures.iter().for_each(|(_, failure)| failure.tell());
    let unfinished = failures.first().map(|(_, failure)| failure.exit()).or(shut);
    let counted: Vec<Standing<'_>> = standing.into_iter().filter(|(id, ..)| !stale.contains(id)).collect();
    if stopped && outcomes.iter().all(|(_, outcome)| matches!(outcome, Outcome::Done | Outcome::Failed(_))) {
        return Ok(Exit::Stopped);
    }
    Ok(exit(&outcomes, &counted, &orphans, &finished, unfinished))
}

/// What rendering has come to.
struct Rendered {
    outcomes: Vec<(TakeId, Outcome)>,
    takes: Vec<Placed>,
    /// Takes that the list does not name any more.
    orphans: Vec<Take>,
    /// Planned followers that belong to what the list said once.
    stale: Vec<TakeId>,
    /// Whether Ctrl-C ended it with work left.
    stopped: bool,
    /// How the program would end because of a door that could not be opened.
    shut: Option<Exit>,
}

/// A take as it stands after a run: its name, its shot, its state, and when the last event came.
type Standing<'p> = (TakeId, &'p Prepared<'p>, Take, u64);

fn job<'p>((id, prepared, take, at): &Standing<'p>) -> Option<Job<'p>> {
    Job::new(id.clone(), prepared, take.clone(), *at)
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

/// As [`Standing`], with the place of the shot on the desk.
type Placed = (usize, TakeId, Take, u64);

async fn render<'p>(
    project: &'p Project,
    desk: &mut Desk<'p>,
    arguments: &Arguments,
    concurrency: usize,
    style: Style,
) -> Result<Rendered, Failure> {
    let ledger = project.ledger().await?;
    let failed = |error| ledger_failure(&error);
    ledger.set_limit(arguments.budget.or(project.list.budget)).await.map_err(failed)?;
    desk.add_followers(project, &ledger.takes().await.map_err(failed)?);
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
        concurrency,
        patience: Duration::from_secs(u64::from(arguments.wait_minutes) * 60),
        follow: arguments.follow,
        style,
        stop: interrupt::watch(),
        approval,
        doors: RefCell::default(),
    };
    let outcomes = batch.run(desk).await?;
    let shut = batch.tell_shut();
    let stopped = *batch.stop.borrow();
    let mut all = batch.ledger.takes().await.map_err(failed)?;
    let times = batch.ledger.last_times().await.map_err(failed)?;
    let stands = |(prepared, id): &(&Prepared<'_>, TakeId)| due::is_stale(desk, prepared, id, &all);
    let each = desk.prepared.iter().flat_map(|prepared| prepared.takes().map(move |id| (prepared, id)));
    let stale = each.filter(stands).map(|(_, id)| id).collect();
    let mut takes = Vec::new();
    for (index, prepared) in desk.prepared.iter().enumerate() {
        for id in prepared.takes() {
            let Some(take) = all.remove(&id) else { continue };
            let at = times.get(&id.to_string()).copied().unwrap_or(0);
            takes.push((index, id, take, at));
        }
    }
    Ok(Rendered { outcomes, takes, orphans: all.into_values().collect(), stale, shut, stopped })
}

fn report(takes: &[Standing<'_>], finished: &[Finished<'_>], worked: bool) {
    let mut rows = table(["TAKE", "LANE", "DELIVERED", "PROMISED", "STEMS", "COST", "STATE"]);
    for (id, prepared, take, _) in takes {
        let done = finished.iter().find(|finished| finished.job.take == *id);
        let promised = take.plan.promise.frames.map_or("auto".to_owned(), seconds);
        let delivered = done.and_then(|done| done.facts.info.video.as_ref()?.frames).map_or("–".to_owned(), seconds);
        let stems = done.map_or(String::new(), |done| {
            done.facts.stems.iter().map(|stem| stem.role.as_str()).collect::<Vec<_>>().join(" ")
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
        for finding in &done.facts.findings {
            let weight = if finding.weight == Weight::Breach { "breach" } else { "note" };
            say(format_args!(
                "{}: {weight} [{}] found {}, promised {}; {}",
                done.job.take, finding.rule, finding.found, finding.promised, finding.fix
            ));
        }
    }
    if !worked {
        say("nothing to do: every take stands as it should");
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
    let take = |(id, _, take, _): &Standing<'_>| {
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
            "it may have been charged: ask the provider, and raise `takes` for another attempt"
        }
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
        Outcome::OverBudget(_) => "raise [budget] limit_usd, or ask for fewer or cheaper takes",
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
        let served = takes.iter().any(|(own, _, take, _)| own == id && is_served(id, take, takes));
        if !(served && matches!(outcome, Outcome::Failed(_))) {
            explain(id, outcome);
        }
    }
}

/// Explains takes that an earlier run left without a clip.
fn explain_standing(takes: &[Standing<'_>], outcomes: &[(TakeId, Outcome)]) {
    for (id, _, take, _) in takes.iter().filter(|(id, ..)| outcomes.iter().all(|(name, _)| name != id)) {
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
    takes: &[Standing<'_>],
    orphans: &[Take],
    finished: &[Finished<'_>],
    unfinished: Option<Exit>,
) -> Exit {
    let any = |test: fn(&Outcome) -> bool| outcomes.iter().any(|(_, outcome)| test(outcome));
    let unknown = |take: &Take| matches!(take.phase, Phase::ChargeUnknown { .. });
    let done = takes.iter().any(|(_, _, take, _)| matches!(take.phase, Phase::Done(_)));
    let breach =
        finished.iter().flat_map(|finished| &finished.facts.findings).any(|finding| finding.weight == Weight::Breach);
    if takes.iter().any(|(_, _, take, _)| unknown(take)) || orphans.iter().any(unknown) {
        Exit::Unknown
    } else if any(|outcome| matches!(outcome, Outcome::Broken(_))) {
        Exit::Internal
    } else if any(|outcome| matches!(outcome, Outcome::Occupied(_))) {
        Exit::Usage
    } else if any(|outcome| matches!(outcome, Outcome::Stopped)) {
        Exit::Stopped
    } else if any(|outcome| matches!(outcome, Outcome::OverBudget(_))) {
        Exit::Budget
    } else if let Some(unfinished) = unfinished {
        unfinished
    } else if takes.iter().any(|(id, _, take, _)| !is_served(id, take, takes)) || orphans.iter().any(due::is_open) {
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
    let same = |(other, _, take, _): &Standing<'_>| {
        let follows = take.plan.follows.as_ref().filter(|follows| follows.change != Change::Promoted);
        has_clip(take) && (other.to_string() == root || follows.is_some_and(|follows| follows.take == root))
    };
    has_clip(take) || takes.iter().any(same)
}
