//! `run`: renders every take that is missing, then finishes it.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use clap::Args;
use seedpost_core::cost::Usd;
use seedpost_core::job::{Phase, Take};
use seedpost_core::shot::TakeId;
use seedpost_core::spec::Weight;
use seedpost_render::runner::Outcome;
use serde_json::json;
use tokio::sync::watch;

use super::{List, block_on};
use crate::batch::Batch;
use crate::door::{self, KEY_LIMIT};
use crate::finish::{Finish, Finished, Job, finish};
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
    /// How many takes are under way at once; a key has room for 3, unless SEEDPOST_KEY_LIMIT says that the account
    /// has more.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1000))]
    concurrency: u16,
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
    let mut desk = prepare(&project)?;
    let (outcomes, takes) = block_on(render(&project, &mut desk, arguments, concurrency, style))??;
    let takes: Vec<Standing<'_>> = takes
        .into_iter()
        .filter_map(|(index, id, take, at)| Some((id, desk.prepared.get(index)?, take, at)))
        .collect();
    let jobs = if arguments.no_finish { Vec::new() } else { takes.iter().filter_map(job).collect() };
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

fn job<'p>((id, prepared, take, at): &Standing<'p>) -> Option<Job<'p>> {
    Job::new(id.clone(), prepared, take.clone(), *at)
}

/// More than a key has room for would only wait.
fn concurrency(project: &Project, arguments: &Arguments) -> Result<usize, Failure> {
    use seedpost_core::shot::ProviderName::Simulator;
    let paid = project.list.shots.iter().any(|shot| shot.render.provider != Simulator);
    let limit = door::key_limit(&Environment::read(&project.root))?;
    if paid && arguments.concurrency > limit {
        let message = format!("--concurrency {} is more than the key's room of {limit}", arguments.concurrency);
        let fix = format!("new accounts run 2 at once; set SEEDPOST_KEY_LIMIT where yours may have more than {KEY_LIMIT}");
        return Err(Failure::new(Exit::Usage, message, fix));
    }
    Ok(arguments.concurrency.into())
}

/// As [`Standing`], with the place of the shot on the desk.
type Placed = (usize, TakeId, Take, u64);

async fn render<'p>(
    project: &'p Project,
    desk: &mut Desk<'p>,
    arguments: &Arguments,
    concurrency: usize,
    style: Style,
) -> Result<(Vec<(TakeId, Outcome)>, Vec<Placed>), Failure> {
    let ledger = project.ledger().await?;
    let failed = |error| ledger_failure(&error);
    ledger.set_limit(arguments.budget.or(project.list.budget)).await.map_err(failed)?;
    desk.add_followers(project, &ledger.takes().await.map_err(failed)?)?;
    let told = prices::told(project, desk).await;
    told.note();
    desk.price(&told.prices);
    let batch = Batch {
        project,
        ledger,
        concurrency,
        patience: Duration::from_secs(u64::from(arguments.wait_minutes) * 60),
        follow: arguments.follow,
        style,
        stop: stop_on_ctrl_c(),
    };
    if let Some(limit) = arguments.approve_over {
        let (count, total) = batch.price(desk).await?;
        if total > limit && !arguments.yes {
            approve(count, total, limit)?;
        }
    }
    let outcomes = batch.run(desk).await?;
    let mut standing = Vec::new();
    for (index, prepared) in desk.prepared.iter().enumerate() {
        for id in prepared.takes() {
            let history = batch.ledger.history(&id).await.map_err(failed)?;
            let at = history.last().map_or(0, |line| line.at_ms);
            let take = Take::fold(history.into_iter().map(|line| (line.at_ms, line.event)));
            let take = take
                .map_err(|error| Failure::new(Exit::Internal, error.to_string(), "restore the ledger from a copy"))?;
            standing.extend(take.map(|take| (index, id, take, at)));
        }
    }
    Ok((outcomes, standing))
}

/// Asks the person at the terminal; where nobody can be asked, nothing is sent.
fn approve(count: usize, total: Usd, limit: Usd) -> Result<(), Failure> {
    let question = format!("{count} requests for about {total}, which is over {limit}");
    let refused = |fix: &str| Failure::new(Exit::Budget, format!("{question}: not approved; nothing was sent"), fix);
    if !std::io::stdin().is_terminal() {
        return Err(refused("run it in a terminal, or say --yes"));
    }
    let _ = write!(std::io::stderr(), "{question}. Send them? [y/N] ");
    let mut answer = String::new();
    let _ = std::io::stdin().read_line(&mut answer);
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(refused("ask for fewer or cheaper takes")) }
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
        if stands(|phase| matches!(phase, Phase::Done(_))) { Exit::Partly } else { Exit::Provider }
    } else if let Some(unfinished) = unfinished {
        unfinished
    } else if breach {
        Exit::Media
    } else {
        Exit::Done
    }
}
