//! `run`: renders every take that is missing, then finishes it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use seedpost_core::job::{Event, Phase, PollPace, Take};
use seedpost_core::shot::{ProviderName, TakeId};
use seedpost_core::spec::Weight;
use seedpost_render::Secret;
use seedpost_render::ledger::Ledger;
use seedpost_render::provider::Provider;
use seedpost_render::provider::fal::Fal;
use seedpost_render::runner::{Manner, Outcome, Runner, Work, may_repeat};
use seedpost_simulator::{Config, Simulator};
use serde_json::json;
use tokio::sync::{mpsc, watch};

use super::{List, block_on};
use crate::finish::{Finish, Finished, Job, finish};
use crate::keys::Environment;
use crate::output::{Exit, Failure, note, result_json, say, table};
use crate::prepare::{Prepared, prepare};
use crate::progress::{Progress, Style};
use crate::project::{Project, ledger_failure, make_folder, worker_program};

/// How jobs are asked after: the simulator is near, providers take a minute or more.
const NEAR: PollPace = PollPace { least_ms: 100, most_ms: 1000 };
const FAR: PollPace = PollPace { least_ms: 2000, most_ms: 15_000 };

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    list: List,
    /// How many takes are under way at once.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=40))]
    concurrency: u16,
    /// How many minutes to wait for jobs under way; a later run goes on waiting.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..))]
    wait_minutes: u16,
}

pub(super) fn run(arguments: &Arguments, json: bool, style: Style) -> Result<Exit, Failure> {
    let project = arguments.list.open()?;
    let _lock = project.lock()?;
    project.sweep();
    let prepared = prepare(&project)?;
    let (outcomes, takes) = block_on(render(&project, &prepared, arguments, style))??;
    let jobs = takes
        .iter()
        .filter_map(|(take, prepared, state, at)| Job::new(take.clone(), prepared, state.clone(), *at))
        .collect();
    let Finish { finished, failures } = finish(&project, jobs);
    let worked = !outcomes.is_empty() || finished.iter().any(|finished| finished.worked);
    if json {
        report_json(&takes, &finished, &outcomes, &failures, worked);
    } else {
        report(&takes, &finished, worked);
    }
    outcomes.iter().for_each(|(take, outcome)| explain(take, outcome));
    explain_standing(&takes, &outcomes);
    failures.iter().for_each(|(_, failure)| failure.tell());
    let unfinished = failures.first().map(|(_, failure)| failure.exit());
    Ok(exit(&outcomes, &takes, &finished, unfinished))
}

/// A take as it stands after a run: its name, its shot, its state, and when the last event came.
type Standing<'p> = (TakeId, &'p Prepared<'p>, Take, u64);

async fn render<'p>(
    project: &Project,
    prepared: &'p [Prepared<'p>],
    arguments: &Arguments,
    style: Style,
) -> Result<(Vec<(TakeId, Outcome)>, Vec<Standing<'p>>), Failure> {
    let ledger = project.ledger().await?;
    ledger.set_limit(project.list.budget).await.map_err(|error| ledger_failure(&error))?;
    let mut works: Vec<(ProviderName, Work)> = Vec::new();
    for prepared in prepared {
        for take in prepared.takes() {
            if let Some(provider) = wanted(&ledger, prepared, &take).await? {
                make_folder(&project.take_folder(&take))?;
                works.push((provider, prepared.work(project, take)));
            }
        }
    }
    let stop = stop_on_ctrl_c();
    let mut outcomes = Vec::new();
    for provider in [ProviderName::Simulator, ProviderName::Fal] {
        let works: Vec<Work> =
            works.iter().filter(|(name, _)| *name == provider).map(|(_, work)| work.clone()).collect();
        if !works.is_empty() {
            outcomes.extend(render_with(project, &ledger, provider, works, arguments, style, stop.clone()).await?);
        }
    }
    let mut standing = Vec::new();
    for prepared in prepared {
        for id in prepared.takes() {
            let history = ledger.history(&id).await.map_err(|error| ledger_failure(&error))?;
            let at = history.last().map_or(0, |line| line.at_ms);
            let take = Take::fold(history.into_iter().map(|line| (line.at_ms, line.event)));
            let take = take
                .map_err(|error| Failure::new(Exit::Internal, error.to_string(), "restore the ledger from a copy"))?;
            standing.extend(take.map(|take| (id, prepared, take, at)));
        }
    }
    Ok((outcomes, standing))
}

/// Plans a take where it has to be; answers its provider when there is anything to do for it.
async fn wanted(ledger: &Ledger, prepared: &Prepared<'_>, id: &TakeId) -> Result<Option<ProviderName>, Failure> {
    let failed = |error| ledger_failure(&error);
    let take = ledger.take(id).await.map_err(failed)?;
    let changed = take.as_ref().is_some_and(|take| take.plan.fingerprint != prepared.plan.fingerprint);
    let plan_again = match take.as_ref().map(|take| &take.phase) {
        None => true,
        Some(Phase::Ready { .. }) => changed,
        Some(Phase::Failed(failure)) => !failure.owed && (changed || may_repeat(failure)),
        Some(_) => false,
    };
    if plan_again {
        let length = take.map_or(0, |take| take.length);
        let take = ledger.append(id, length, Event::Planned(prepared.plan.clone())).await.map_err(failed)?;
        return Ok(Some(take.plan.provider));
    }
    let Some(take) = take else { return Ok(None) };
    if changed {
        let door = take.plan.provider.as_str();
        note(format_args!("warning: {id} was sent to {door} before its shot, files or provider were changed"));
        note("  fix: raise `takes` for a new one; keep trials on the simulator in a folder of their own");
    }
    let open = matches!(take.phase, Phase::Ready { .. } | Phase::Running { .. } | Phase::Rendered { .. });
    Ok(open.then_some(take.plan.provider))
}

/// Becomes true at the first Ctrl-C; a second one ends the program at once.
fn stop_on_ctrl_c() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            if sender.send_replace(true) {
                std::process::exit(i32::from(Exit::Stopped as u8));
            }
            note("stopping: paid jobs go on at the provider; run the same command again to fetch them");
        }
    });
    receiver
}

async fn render_with(
    project: &Project,
    ledger: &Ledger,
    name: ProviderName,
    works: Vec<Work>,
    arguments: &Arguments,
    style: Style,
    stop: watch::Receiver<bool>,
) -> Result<Vec<(TakeId, Outcome)>, Failure> {
    let door = open_door(project, name).await?;
    let pace = if name == ProviderName::Simulator { NEAR } else { FAR };
    let (notices, mut watched) = mpsc::unbounded_channel();
    let patience = Duration::from_secs(u64::from(arguments.wait_minutes) * 60);
    let manner = Manner { pace, concurrency: arguments.concurrency.into(), patience };
    let runner = Runner::new(ledger, door.provider.as_ref(), manner, stop, notices);
    let mut progress = Progress::new(style);
    let mut work = Box::pin(runner.run(works));
    loop {
        tokio::select! {
            outcomes = &mut work => {
                while let Ok(notice) = watched.try_recv() {
                    progress.show(&notice);
                }
                return Ok(outcomes);
            }
            Some(notice) = watched.recv() => progress.show(&notice),
        }
    }
}

/// A provider, and the simulator behind it where this program runs one.
struct Door {
    provider: Box<dyn Provider>,
    _simulator: Option<Simulator>,
}

async fn open_door(project: &Project, name: ProviderName) -> Result<Door, Failure> {
    let environment = Environment::read(&project.root);
    let unusable =
        |error: &dyn std::fmt::Display| Failure::new(Exit::Usage, error.to_string(), "run `seedpost doctor`");
    if name == ProviderName::Fal {
        let missing = || {
            Failure::new(
                Exit::Usage,
                "FAL_KEY is not set",
                "set it in the environment or in `.env` beside the shot list, or use --provider simulator",
            )
        };
        let key = Secret::new(environment.get("FAL_KEY").ok_or_else(missing)?);
        let fal = match environment.address("SEEDPOST_FAL_URL", "FAL_KEY") {
            Some(url) => Fal::at(&url, key, false),
            None => Fal::new(key),
        };
        return Ok(Door { provider: Box::new(fal.map_err(|error| unusable(&error))?), _simulator: None });
    }
    let key = Secret::new("simulator".to_owned());
    let (url, simulator) = match environment.get("SEEDPOST_SIMULATOR_URL") {
        Some(url) => (url, None),
        None => {
            let simulator = start_simulator(project.hidden().join("simulator")).await?;
            (simulator.url(), Some(simulator))
        }
    };
    let provider = Fal::at(&url, key, true).map_err(|error| unusable(&error))?;
    Ok(Door { provider: Box::new(provider), _simulator: simulator })
}

async fn start_simulator(folder: PathBuf) -> Result<Simulator, Failure> {
    let config = Config { listen: ([127, 0, 0, 1], 0).into(), folder, worker: worker_program(), parallel: 2 };
    let started = tokio::time::timeout(Duration::from_secs(10), Simulator::start(config)).await;
    let started = started.map_err(std::io::Error::other).flatten();
    started.map_err(|error| {
        Failure::new(Exit::Internal, format!("failed to start the simulator: {error}"), "run `seedpost doctor`")
    })
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
            FailureKind::TryAgain => "run again; nothing is owed for this attempt",
        },
        Outcome::Unknown(_) => {
            "it counts as paid and is never sent again by itself; look at the provider's list, then `seedpost resolve`"
        }
        Outcome::OverBudget(_) => "raise [budget] limit_usd, or ask for fewer or cheaper takes",
        Outcome::Unreachable(_) | Outcome::Stopped => "run the same command again; it goes on from here",
        Outcome::Occupied(_) => "move that file away, then run again; nothing was sent",
        Outcome::Broken(_) => "check that the disk has room, then run again; nothing is paid twice",
    };
    note(format_args!("{take}: {}\n  fix: {fix}", words(outcome)));
}

/// Explains takes that an earlier run left without a clip.
fn explain_standing(takes: &[Standing<'_>], outcomes: &[(TakeId, Outcome)]) {
    for (id, _, take, _) in takes.iter().filter(|(id, ..)| outcomes.iter().all(|(name, _)| name != id)) {
        match &take.phase {
            Phase::Failed(failure) => explain(id, &Outcome::Failed(failure.clone())),
            Phase::ChargeUnknown { reason } => explain(id, &Outcome::Unknown(reason.clone())),
            _ => {}
        }
    }
}

fn exit(
    outcomes: &[(TakeId, Outcome)],
    takes: &[Standing<'_>],
    finished: &[Finished<'_>],
    unfinished: Option<Exit>,
) -> Exit {
    let any = |test: fn(&Outcome) -> bool| outcomes.iter().any(|(_, outcome)| test(outcome));
    let stands = |test: fn(&Phase) -> bool| takes.iter().any(|(_, _, take, _)| test(&take.phase));
    let breach =
        finished.iter().flat_map(|finished| &finished.facts.findings).any(|finding| finding.weight == Weight::Breach);
    if stands(|phase| matches!(phase, Phase::ChargeUnknown { .. })) {
        Exit::Unknown
    } else if any(|outcome| matches!(outcome, Outcome::Broken(_))) {
        Exit::Internal
    } else if any(|outcome| matches!(outcome, Outcome::Occupied(_))) {
        Exit::Usage
    } else if any(|outcome| matches!(outcome, Outcome::Stopped)) {
        Exit::Stopped
    } else if any(|outcome| matches!(outcome, Outcome::OverBudget(_))) {
        Exit::Budget
    } else if stands(|phase| !matches!(phase, Phase::Done(_))) {
        if finished.is_empty() { Exit::Provider } else { Exit::Partly }
    } else if let Some(unfinished) = unfinished {
        unfinished
    } else if breach {
        Exit::Media
    } else {
        Exit::Done
    }
}
