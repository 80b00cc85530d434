//! Which takes are to be sent now. A take that the list asks for and its retries are one wish: at most one of them is
//! on its way, and once one of them has a clip, nothing more is sent for it.

use std::collections::BTreeMap;

use seedpost_core::change::Change;
use seedpost_core::job::{Failure, FailureKind, Follows, Phase, Take};
use seedpost_core::shot::{MAX_TAKES, Shot, TakeId};
use seedpost_render::runner::may_repeat;

use crate::prepare::{Desk, Prepared};

/// What the ledger knows.
pub(crate) type Takes = BTreeMap<TakeId, Take>;

/// Whether a take is to be sent: it is new, or it failed, its books are closed, and its shot has changed or the cause
/// may have passed.
pub(crate) fn is_due(desk: &Desk<'_>, prepared: &Prepared<'_>, id: &TakeId, takes: &Takes) -> bool {
    let Some(take) = takes.get(id) else { return true };
    if matches!(take.phase, Phase::Done(_)) {
        return false;
    }
    match &prepared.plan.follows {
        None => {
            let list = desk.shot(&id.shot);
            root_is_due(prepared, id, take, takes) && !list.is_some_and(|shot| retry_comes_first(desk, shot, id, takes))
        }
        Some(follows) if follows.change == Change::Promoted => {
            let waits = matches!(take.phase, Phase::Ready { .. });
            !is_changed(prepared, take) && (waits || repeats(take))
        }
        Some(follows) => retry_is_due(desk, prepared, follows, id, take, takes),
    }
}

fn root_is_due(prepared: &Prepared<'_>, id: &TakeId, take: &Take, takes: &Takes) -> bool {
    let served = retries(id, takes).any(|(_, take)| is_sent(take));
    let failed = matches!(take.phase, Phase::Failed(_));
    let anew = failed && take.is_closed() && is_changed(prepared, take);
    !served && (matches!(take.phase, Phase::Ready { .. }) || anew || repeats(take))
}

/// Whether the list wants another attempt rather than the same one again.
fn retry_comes_first(desk: &Desk<'_>, shot: &Shot, root: &TakeId, takes: &Takes) -> bool {
    let Some(take) = takes.get(root) else { return false };
    if !matches!(take.phase, Phase::Failed(_)) || desk.is_changed(&root.shot, take) {
        return false;
    }
    let tried = present(desk, root, takes);
    let newest = tried.last().filter(|(_, take)| matches!(take.phase, Phase::Ready { .. }) || repeats(take));
    let change = newest.and_then(|(_, take)| Some(take.plan.follows.as_ref()?.change));
    change.is_some_and(|change| wanted(desk, shot, root).get(tried.len() - 1) == Some(&change))
        || next_retry(desk, shot, root, takes).is_some()
}

/// A retry is sent while it is the newest of its root, the root is still what failed, and the list still wants it.
fn retry_is_due(
    desk: &Desk<'_>,
    prepared: &Prepared<'_>,
    follows: &Follows,
    id: &TakeId,
    take: &Take,
    takes: &Takes,
) -> bool {
    let Ok(root) = follows.take.parse::<TakeId>() else { return false };
    let Some(shot) = desk.shot(&id.shot) else { return false };
    let root_stands = takes.get(&root).is_some_and(|take| !desk.is_changed(&root.shot, take) && !is_sent(take));
    let siblings = present(desk, &root, takes);
    let newest = siblings.last().is_some_and(|(newest, _)| *newest == id);
    let free = retries(&root, takes).all(|(other, take)| other == id || !is_sent(take));
    let place = siblings.len().saturating_sub(1);
    let still_wanted = wanted(desk, shot, &root).get(place) == Some(&follows.change);
    let next = next_retry(desk, shot, &root, takes).is_some();
    let open = matches!(take.phase, Phase::Ready { .. }) || repeats(take) && !next;
    root_stands && newest && free && still_wanted && !is_changed(prepared, take) && open
}

/// Whether a planned follower belongs to what the list said once, and is not sent any more.
pub(crate) fn is_stale(desk: &Desk<'_>, prepared: &Prepared<'_>, id: &TakeId, takes: &Takes) -> bool {
    let waits = takes.get(id).is_some_and(|take| matches!(take.phase, Phase::Ready { .. }));
    prepared.plan.follows.is_some() && waits && !is_due(desk, prepared, id, takes)
}

/// What is tried after a take and its retries, if the last of them failed in a way that calls for it, and the shot is
/// still what failed.
pub(crate) fn next_retry(desk: &Desk<'_>, shot: &Shot, root: &TakeId, takes: &Takes) -> Option<Follows> {
    let first = takes.get(root).filter(|take| !desk.is_changed(&root.shot, take))?;
    let tried = present(desk, root, takes);
    let calls = |take: &Take| matches!(&take.phase, Phase::Failed(failure) if calls_for_retry(failure));
    let served = retries(root, takes).any(|(_, take)| is_sent(take));
    if served || !calls(first) || tried.last().is_some_and(|(_, last)| !calls(last)) {
        return None;
    }
    let change = wanted(desk, shot, root).into_iter().nth(tried.len())?;
    Some(Follows { take: root.to_string(), change })
}

/// The changes that the list wants tried for a take, those left out that change nothing or that the model refuses.
fn wanted(desk: &Desk<'_>, shot: &Shot, root: &TakeId) -> Vec<Change> {
    let changes = (1..).zip(&shot.retry).filter_map(|(attempt, policy)| policy.change(shot, root.number, attempt));
    changes.filter(|change| desk.suits(shot, *change)).collect()
}

/// The retries of a take, oldest first.
fn retries<'t>(root: &TakeId, takes: &'t Takes) -> impl Iterator<Item = (&'t TakeId, &'t Take)> {
    let name = root.to_string();
    let of_the_shot = |number| TakeId { shot: root.shot.clone(), number };
    takes.range(of_the_shot(0)..=of_the_shot(MAX_TAKES)).filter(move |(_, take)| {
        let follows = take.plan.follows.as_ref();
        follows.is_some_and(|follows| follows.take == name && follows.change != Change::Promoted)
    })
}

/// The retries of a take for its shot as it stands: those of the shot as it was do not count for it.
fn present<'t>(desk: &Desk<'_>, root: &TakeId, takes: &'t Takes) -> Vec<(&'t TakeId, &'t Take)> {
    let stands = |id: &TakeId, take: &Take| {
        let own = desk.prepared.iter().find(|own| own.plan.follows.is_some() && own.takes().any(|own| own == *id));
        own.is_some_and(|own| own.plan.fingerprint == take.plan.fingerprint)
    };
    retries(root, takes).filter(|(id, take)| stands(id, take)).collect()
}

/// Whether it failed for a passing cause and nothing is owed for it.
fn repeats(take: &Take) -> bool {
    matches!(&take.phase, Phase::Failed(failure) if take.is_closed() && may_repeat(failure))
}

fn is_changed(prepared: &Prepared<'_>, take: &Take) -> bool {
    take.plan.fingerprint != prepared.plan.fingerprint
}

/// Whether it has a clip, or may get one.
pub(crate) fn is_sent(take: &Take) -> bool {
    !matches!(take.phase, Phase::Ready { .. } | Phase::Failed(_))
}

/// Whether it is paid for and its clip is still to come.
pub(crate) fn is_open(take: &Take) -> bool {
    matches!(take.phase, Phase::Running { .. } | Phase::Rendered { .. })
}

fn calls_for_retry(failure: &Failure) -> bool {
    matches!(failure.kind, FailureKind::Moderated | FailureKind::TimedOut)
}

/// The first number after all takes of a shot, those that its list asks for among them.
pub(crate) fn free_number(shot: &Shot, takes: &Takes) -> Option<u32> {
    let known = takes.keys().filter(|id| id.shot == shot.id).map(|id| id.number).max().unwrap_or(0);
    Some(known.max(shot.takes) + 1).filter(|number| *number <= MAX_TAKES)
}
