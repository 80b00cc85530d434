//! All takes of a list on their way: planned, sent wave by wave where shots wait for others, tried otherwise where
//! the list says so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use seedpost_core::change::Change;
use seedpost_core::cost::Usd;
use seedpost_core::job::{Event, Failure as TakeFailure, FailureKind, Follows, Phase, Take};
use seedpost_core::shot::{MAX_TAKES, Shot, TakeId};
use seedpost_render::ledger::Ledger;
use seedpost_render::provider::Upload;
use seedpost_render::runner::{Input, Manner, Outcome, Runner, Work, may_repeat};
use tokio::sync::{mpsc, watch};

use crate::door::{self, Way};
use crate::output::{Exit, Failure, note};
use crate::prepare::{Desk, Prepared};
use crate::progress::{Progress, Style};
use crate::project::{Project, digest, ledger_failure, make_folder, with_worker, write_by_name};
use crate::webhook::{wakes, webhook_urls};

/// The largest clip that is fetched, in bytes.
const MAX_CLIP: u64 = 1 << 30;
/// How many takes one question to a bill may name.
const MAX_BILLED: usize = 500;

/// How a batch is gone about.
pub(crate) struct Batch<'p> {
    pub(crate) project: &'p Project,
    pub(crate) ledger: Ledger,
    pub(crate) concurrency: usize,
    pub(crate) patience: Duration,
    pub(crate) follow: bool,
    pub(crate) style: Style,
    pub(crate) stop: watch::Receiver<bool>,
}

/// A take that is to be sent or asked after, and its door.
type Errand = (Way, Work);

impl<'p> Batch<'p> {
    /// Does everything that can be done now; answers what became of each take that was touched.
    pub(crate) async fn run(&self, desk: &mut Desk<'p>) -> Result<Vec<(TakeId, Outcome)>, Failure> {
        let mut outcomes: Vec<(TakeId, Outcome)> = Vec::new();
        let mut touched = BTreeSet::new();
        while !*self.stop.borrow() {
            self.plan_retries(desk).await?;
            let errands = self.errands(desk, &touched).await?;
            if errands.is_empty() {
                break;
            }
            touched.extend(errands.iter().map(|(_, work)| work.take.clone()));
            let ways: BTreeSet<Way> = errands.iter().map(|(way, _)| way.clone()).collect();
            for way in ways {
                let works = errands.iter().filter(|(own, _)| *own == way).map(|(_, work)| work.clone()).collect();
                outcomes.extend(self.through(&way, works).await?);
            }
        }
        Ok(outcomes)
    }

    /// What new requests of the first wave would cost, so that a person can be asked before anything is sent.
    pub(crate) async fn price(&self, desk: &Desk<'p>) -> Result<(usize, Usd), Failure> {
        let takes = self.takes().await?;
        let mut due = Vec::new();
        for prepared in &desk.prepared {
            for id in prepared.takes() {
                let take = takes.get(&id);
                let again = take.is_none_or(|take| match &take.phase {
                    Phase::Ready { .. } => true,
                    Phase::Failed(failure) => self.repeats(prepared, take, failure),
                    _ => false,
                });
                due.extend(again.then_some(prepared.plan.estimate));
            }
        }
        Ok((due.len(), due.into_iter().sum()))
    }

    async fn takes(&self) -> Result<BTreeMap<TakeId, Take>, Failure> {
        self.ledger.takes().await.map_err(|error| ledger_failure(&error))
    }

    /// Takes with something to do that were not touched in this run, and whose parents have their clips.
    async fn errands(&self, desk: &Desk<'p>, touched: &BTreeSet<TakeId>) -> Result<Vec<Errand>, Failure> {
        self.plan_due(desk, touched).await?;
        let takes = self.takes().await?;
        let parents: BTreeSet<&str> =
            desk.prepared.iter().filter_map(|prepared| Some(prepared.shot.first_frame_from.as_ref()?.as_str())).collect();
        let mut errands = Vec::new();
        for prepared in &desk.prepared {
            for id in prepared.takes().filter(|id| !touched.contains(id)) {
                let Some(way) = self.wanted(prepared, &id, takes.get(&id)) else { continue };
                let mut work = prepared.work(self.project, id);
                work.order.return_last_frame = parents.contains(prepared.shot.id.as_str());
                let sent = takes.get(&work.take).is_some_and(|take| !matches!(take.phase, Phase::Ready { .. } | Phase::Failed(_)));
                if let (Some(parent), false) = (&prepared.shot.first_frame_from, sent) {
                    let Some(frame) = self.last_frame(desk, &takes, parent.as_str())? else { continue };
                    work.first_frame = Some(Input::File(frame));
                }
                work.order.promotes = draft_of(prepared, &takes);
                make_folder(&self.project.take_folder(&work.take))?;
                errands.push((way, work));
            }
        }
        Ok(errands)
    }

    /// Plans takes that are new, and those that changed or failed and may be sent again.
    async fn plan_due(&self, desk: &Desk<'p>, touched: &BTreeSet<TakeId>) -> Result<(), Failure> {
        let takes = self.takes().await?;
        let mut due = Vec::new();
        for prepared in &desk.prepared {
            for id in prepared.takes().filter(|id| !touched.contains(id)) {
                let take = takes.get(&id);
                let changed = take.is_some_and(|take| take.plan.fingerprint != prepared.plan.fingerprint);
                let plan_again = take.is_none_or(|take| match &take.phase {
                    Phase::Ready { .. } => changed,
                    Phase::Failed(failure) => self.repeats(prepared, take, failure),
                    _ => false,
                });
                let length = take.map_or(0, |take| take.length);
                due.extend(plan_again.then(|| (id, length, Event::Planned(prepared.plan.clone()))));
            }
        }
        self.ledger.append_all(due).await.map_err(|error| ledger_failure(&error))
    }

    /// The door of a take, where there is anything to do for it.
    fn wanted(&self, prepared: &Prepared<'_>, id: &TakeId, take: Option<&Take>) -> Option<Way> {
        let take = take?;
        if take.plan.fingerprint != prepared.plan.fingerprint {
            let door = take.plan.provider.as_str();
            note(format_args!("warning: {id} was sent to {door} before its shot, files or provider were changed"));
            note("  fix: raise `takes` for a new one; keep trials on the simulator in a folder of their own");
        }
        let rests = matches!(take.phase, Phase::Done(_) | Phase::Failed(_));
        (!rests).then(|| Way::of(&take.plan))
    }

    /// Whether a failed take is sent again as it stands, or as its shot stands now.
    fn repeats(&self, prepared: &Prepared<'_>, take: &Take, failure: &TakeFailure) -> bool {
        let changed = take.plan.fingerprint != prepared.plan.fingerprint;
        let otherwise = !prepared.shot.retry.is_empty() && calls_for_retry(failure);
        take.committed == Usd::ZERO && (changed || may_repeat(failure) && !otherwise)
    }

    async fn through(&self, way: &Way, works: Vec<Work>) -> Result<Vec<(TakeId, Outcome)>, Failure> {
        let door = door::open(self.project, way).await?;
        let (notices, mut watched) = mpsc::unbounded_channel();
        let manner = Manner {
            pace: door.pace,
            concurrency: self.concurrency,
            patience: self.patience,
            follow: self.follow,
            max_clip: MAX_CLIP,
            wakes: webhook_urls(self.project).map(|_| Arc::new(wakes(self.project))),
            slots: door.slots.clone(),
        };
        let runner = Runner::new(&self.ledger, door.provider.as_ref(), manner, self.stop.clone(), notices);
        let mut progress = Progress::new(self.style);
        let mut work = Box::pin(runner.run(works));
        let outcomes = loop {
            tokio::select! {
                outcomes = &mut work => break outcomes,
                Some(notice) = watched.recv() => progress.show(&notice),
            }
        };
        while let Ok(notice) = watched.try_recv() {
            progress.show(&notice);
        }
        self.read_bill(&runner, way).await?;
        Ok(outcomes)
    }

    /// Takes over what the provider's bill says. It may come hours late, and is asked for again in later runs.
    async fn read_bill(&self, runner: &Runner<'_>, way: &Way) -> Result<(), Failure> {
        let open = |take: &Take| {
            let ended = matches!(take.phase, Phase::Done(_) | Phase::Failed(_));
            ended && take.job.is_some() && take.charged.is_none() && Way::of(&take.plan) == *way
        };
        let takes: Vec<(TakeId, Take)> = self.takes().await?.into_iter().filter(|(_, take)| open(take)).collect();
        for takes in takes.chunks(MAX_BILLED) {
            if let Err(reason) = runner.settle(takes).await {
                note(format_args!("the bill could not be read; estimates stand until the next run ({reason})"));
                break;
            }
        }
        Ok(())
    }

    /// Plans what the list wants tried next, where a filter or a time-out left takes without clips.
    async fn plan_retries(&self, desk: &mut Desk<'p>) -> Result<(), Failure> {
        let mut takes = self.takes().await?;
        for shot in &self.project.list.shots {
            for root in (1..=shot.takes).map(|number| TakeId { shot: shot.id.clone(), number }) {
                let Some(follows) = next_retry(shot, &root, &takes) else { continue };
                let Some(number) = free_number(shot, &takes) else { continue };
                let id = TakeId { shot: shot.id.clone(), number };
                let prepared = match desk.add_follower(self.project, shot, number, &follows) {
                    Ok(prepared) => prepared,
                    Err(failure) => {
                        failure.tell();
                        continue;
                    }
                };
                let words = follows.change.words();
                note(format_args!("{root} has no clip; the list wants another attempt: {id}, {words}, {}", prepared.plan.estimate));
                let take = self.ledger.append(&id, 0, Event::Planned(prepared.plan.clone())).await;
                takes.insert(id, take.map_err(|error| ledger_failure(&error))?);
            }
        }
        Ok(())
    }

    /// The last frame of the clip that a shot has in the cut, as a picture; `None` while there is no clip.
    fn last_frame(
        &self,
        desk: &Desk<'p>,
        takes: &BTreeMap<TakeId, Take>,
        shot: &str,
    ) -> Result<Option<Upload>, Failure> {
        let own = desk.prepared.iter().filter(|prepared| prepared.shot.id.as_str() == shot);
        let done = |id: &TakeId| takes.get(id).is_some_and(|take| matches!(take.phase, Phase::Done(_)));
        let mut ids: Vec<TakeId> = own.clone().flat_map(Prepared::takes).filter(done).collect();
        ids.sort();
        let select = own.clone().find_map(|prepared| prepared.shot.select);
        let chosen = match select {
            Some(number) => ids.into_iter().find(|id| id.number == number),
            None => ids.pop(),
        };
        let Some(id) = chosen else { return Ok(None) };
        let path = self.project.take_folder(&id).join("last_frame.png");
        if !path.exists() {
            extract(&self.project.clip(&id), &path)?;
        }
        let (sha256, _) = digest(&path).map_err(|error| Failure::disk("read", &path, &error))?;
        let file_name = format!("{id}_last_frame.png");
        Ok(Some(Upload { path, sha256, content_type: "image/png".to_owned(), file_name }))
    }
}

fn extract(clip: &std::path::Path, out: &std::path::Path) -> Result<(), Failure> {
    let clip = clip.canonicalize().map_err(|error| Failure::disk("read", clip, &error))?;
    write_by_name(out, |out: &std::path::Path| {
        let made = with_worker(|worker| worker.last_frame(clip.clone(), PathBuf::from(out)));
        made.map_err(|error| {
            let message = format!("failed to take the last frame of {}: {error}", clip.display());
            Failure::new(Exit::Media, message, "render another take of that shot")
        })
    })
}

/// The provider's own name for the draft that a promoted take is the full rendering of, where it keeps drafts.
fn draft_of(prepared: &Prepared<'_>, takes: &BTreeMap<TakeId, Take>) -> Option<String> {
    let follows = prepared.plan.follows.as_ref().filter(|follows| follows.change == Change::Promoted)?;
    let draft = takes.get(&follows.take.parse().ok()?)?;
    let kept = draft.plan.provider == seedpost_core::shot::ProviderName::Ark
        && draft.plan.endpoint == prepared.plan.endpoint
        && draft.plan.endpoint.contains("seedance-1-5-pro");
    kept.then(|| draft.job.as_ref().map(|job| job.request_id.clone())).flatten()
}

fn calls_for_retry(failure: &TakeFailure) -> bool {
    matches!(failure.kind, FailureKind::Moderated | FailureKind::TimedOut)
}

/// What is tried after a take and its retries, if the last of them failed in a way that calls for it.
fn next_retry(shot: &Shot, root: &TakeId, takes: &BTreeMap<TakeId, Take>) -> Option<Follows> {
    let first = takes.get(root).filter(|take| take.plan.follows.is_none())?;
    let name = root.to_string();
    let follows = |take: &&Take| {
        take.plan.follows.as_ref().is_some_and(|follows| follows.take == name && follows.change != Change::Promoted)
    };
    let retries: Vec<&Take> = takes.values().filter(follows).collect();
    let Phase::Failed(failure) = &retries.last().copied().unwrap_or(first).phase else { return None };
    if !calls_for_retry(failure) {
        return None;
    }
    let changes = (1..).zip(&shot.retry).filter_map(|(attempt, policy)| policy.change(shot, attempt));
    let change = changes.into_iter().nth(retries.len())?;
    Some(Follows { take: name, change })
}

/// The first number after all takes of a shot, those that its list asks for among them.
pub(crate) fn free_number(shot: &Shot, takes: &BTreeMap<TakeId, Take>) -> Option<u32> {
    let known = takes.keys().filter(|id| id.shot == shot.id).map(|id| id.number).max().unwrap_or(0);
    Some(known.max(shot.takes) + 1).filter(|number| *number <= MAX_TAKES)
}
