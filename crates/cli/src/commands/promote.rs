//! `promote`: asks for the winner of a sweep at full quality, as a take of its own.

use std::path::PathBuf;

use clap::Args;
use seedpost_core::change::Change;
use seedpost_core::job::{Event, Follows, Phase, Plan};
use seedpost_core::shot::{Shot, TakeId};
use serde_json::json;

use super::block_on;
use crate::due::{self, Takes};
use crate::output::{Exit, Failure, note, result_json, say};
use crate::prepare::{Desk, keeps_drafts, prepare};
use crate::project::{Project, ledger_failure};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The shot, whose list entry says `draft = true`.
    shot: String,
    /// The number of the take that won.
    take: u32,
    /// The shot list.
    #[arg(long, default_value = "shots.toml")]
    shots: PathBuf,
}

pub(super) fn run(arguments: &Arguments, json: bool) -> Result<Exit, Failure> {
    let project = Project::open(&arguments.shots, None)?;
    let _lock = project.lock()?;
    let shot = arguments.shot.parse().ok().and_then(|id| project.list.shot(&id));
    let shot =
        shot.ok_or_else(|| wrong(format!("the list has no shot {:?}", arguments.shot), "see `seedpost status`"))?;
    if shot.draft.is_none() {
        let message = format!("{} is no draft: it is rendered at full quality already", shot.id);
        return Err(wrong(message, "write `draft = true` for shots that are swept first"));
    }
    let mut desk = prepare(&project)?;
    let winner = TakeId { shot: shot.id.clone(), number: arguments.take };
    let (id, plan) = block_on(async {
        let ledger = project.ledger().await?;
        let takes = ledger.takes().await.map_err(|error| ledger_failure(&error))?;
        let (id, plan) = promotion(&project, &mut desk, shot, &winner, &takes)?;
        let length = takes.get(&id).map_or(0, |take| take.length);
        ledger.append(&id, length, Event::Planned(plan.clone())).await.map_err(|error| ledger_failure(&error))?;
        Ok::<_, Failure>((id, plan))
    })??;
    let price = plan.estimate;
    if json {
        let (id, winner) = (id.to_string(), winner.to_string());
        result_json("promote", json!({ "take": id, "follows": winner, "usd_micros": price }));
    } else {
        say(format_args!("{id} is planned: {winner} at full quality, about {price}; `seedpost run` renders it"));
    }
    if shot.seed.is_none() && !keeps_drafts(shot) {
        note("without a seed the full take follows the same order, but will not be the same picture");
    }
    Ok(Exit::Done)
}

fn wrong(message: String, fix: &str) -> Failure {
    Failure::new(Exit::Usage, message, fix)
}

/// The take that a winner is promoted to, and its plan.
fn promotion<'p>(
    project: &'p Project,
    desk: &mut Desk<'p>,
    shot: &'p Shot,
    winner: &TakeId,
    takes: &Takes,
) -> Result<(TakeId, Plan), Failure> {
    let won = takes.get(winner).filter(|take| matches!(take.phase, Phase::Done(_)));
    let won = won.ok_or_else(|| wrong(format!("{winner} has no clip"), "promote a take that is done"))?;
    if let Some(follows) = &won.plan.follows {
        let message = match follows.change {
            Change::Promoted => format!("{winner} is a promotion itself"),
            change => format!("{winner} is a retry with a change of its own: {}", change.words()),
        };
        return Err(wrong(message, "promote one of the list's own takes, or write the change into the list first"));
    }
    if desk.is_changed(&shot.id, won) {
        let fix = "set the shot back to what the draft was, or sweep it anew";
        return Err(wrong(format!("{} was changed since {winner} was rendered", shot.id), fix));
    }
    let follows = Follows { take: winner.to_string(), change: Change::Promoted };
    let known = takes.iter().find(|(_, take)| take.plan.follows.as_ref() == Some(&follows));
    let full = || wrong(format!("{} has 99 takes already", shot.id), "use another shot id");
    let number = known.map(|(id, _)| id.number).or_else(|| due::free_number(shot, takes)).ok_or_else(full)?;
    let plan = desk.add_follower(project, shot, number, &follows)?.plan.clone();
    if let Some((known, take)) = known {
        // One that failed for nothing, or was planned for the shot as it was, is planned anew.
        let stale = matches!(take.phase, Phase::Ready { .. }) && take.plan.fingerprint != plan.fingerprint;
        let failed = matches!(take.phase, Phase::Failed(_)) && take.is_closed();
        if !stale && !failed {
            let fix = match take.phase {
                Phase::Failed(_) => "it may have been charged: `seedpost resolve` it first",
                _ => "run `seedpost run`",
            };
            return Err(wrong(format!("{winner} is promoted already, as {known}"), fix));
        }
    }
    Ok((TakeId { shot: shot.id.clone(), number }, plan))
}
