//! All takes of a list on their way: planned, sent wave by wave where shots wait for others, tried otherwise where
//! the list says so.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use seedpost_core::change::Change;
use seedpost_core::cost::Usd;
use seedpost_core::job::{Event, Phase, Take};
use seedpost_core::shot::{ProviderName, ShotId, TakeId};
use seedpost_render::ledger::Ledger;
use seedpost_render::provider::Upload;
use seedpost_render::runner::{Input, Manner, Notice, Outcome, Request, Runner, Work, settle, unbilled};
use tokio::sync::{mpsc, watch};

use crate::door::{self, Door, Way};
use crate::due::{self, Takes, is_sent};
use crate::output::{Exit, Failure, agrees, note};
use crate::prepare::{Desk, Prepared, keeps_drafts};
use crate::progress::{Progress, Style};
use crate::project::{Project, digest, ledger_failure, with_worker, write_by_name};
use crate::webhook::{wakes, webhook_urls};
use crate::workers::{Following, Workers};

/// The largest clip that is fetched, in bytes.
pub(crate) const MAX_CLIP: u64 = 1 << 30;
/// How many takes one question to a bill may name.
const MAX_BILLED: usize = 500;

/// How a batch is gone about.
pub(crate) struct Batch<'p> {
    pub(crate) project: &'p Project,
    pub(crate) ledger: Ledger,
    /// Who renders, where this program does not.
    pub(crate) workers: Option<Workers>,
    pub(crate) concurrency: usize,
    pub(crate) patience: Duration,
    pub(crate) follow: bool,
    pub(crate) style: Style,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) approval: Option<Approval>,
    /// Doors that were opened, and why others could not be.
    pub(crate) doors: RefCell<BTreeMap<Way, Result<Arc<Door>, Failure>>>,
}

/// A person's leave to spend, asked for once the sum of new requests passes a limit.
pub(crate) struct Approval {
    pub(crate) limit: Usd,
    /// What this run has sent, or is about to.
    pub(crate) sum: Cell<Usd>,
    pub(crate) given: Cell<bool>,
}

/// A take that is to be sent or asked after, its door, and what it may cost if it was not sent yet.
struct Errand {
    way: Way,
    work: Work,
    price: Usd,
}

impl<'p> Batch<'p> {
    /// Does everything that can be done now; answers what became of each take that was touched, and how all stand.
    pub(crate) async fn run(
        &self,
        desk: &mut Desk<'p>,
        mut takes: Takes,
    ) -> Result<(Vec<(TakeId, Outcome)>, Takes), Failure> {
        let mut outcomes: Vec<(TakeId, Outcome)> = Vec::new();
        let mut touched = BTreeSet::new();
        warn_of_changes(desk, &takes);
        outcomes.extend(self.bring(&takes).await);
        if let Some(workers) = &self.workers {
            let waits = |take: &Take| matches!(take.phase, Phase::Ready { .. });
            let waiting = takes.iter().filter(|(_, take)| waits(take)).map(|(id, _)| id.clone());
            workers.take_back(waiting.collect()).await?;
        }
        while !*self.stop.borrow() {
            self.plan_retries(desk, &mut takes).await?;
            if self.plan_due(desk, &takes, &touched).await? {
                takes = self.takes().await?;
            }
            let errands = self.errands(desk, &takes, &touched);
            if errands.is_empty() {
                break;
            }
            touched.extend(errands.iter().map(|errand| errand.work.take.clone()));
            let ways: BTreeSet<Way> = errands.iter().map(|errand| errand.way.clone()).collect();
            // Before anything is paid for, so that a missing key is told first. Workers have keys of their own.
            for way in ways.iter().filter(|_| self.workers.is_none()) {
                self.open(way).await;
            }
            let (errands, refused) = self.approve(errands);
            outcomes.extend(refused);
            outcomes.extend(self.send(errands, &ways).await?);
            takes = self.takes().await?;
            self.read_bills(ways, &mut takes).await?;
        }
        self.refuse_if_nothing_opened(&outcomes)?;
        self.read_late_bills(&mut takes).await?;
        Ok((outcomes, takes))
    }

    /// Has takes rendered, by workers or by this program, door by door.
    async fn send(&self, errands: Vec<Errand>, ways: &BTreeSet<Way>) -> Result<Vec<(TakeId, Outcome)>, Failure> {
        if let Some(workers) = &self.workers {
            let works = errands.into_iter().map(|errand| (errand.way.provider, errand.work)).collect();
            return self
                .watched(async |notices| {
                    let (patience, stop) = (self.patience, self.stop.clone());
                    workers.through(works, &Following { ledger: &self.ledger, patience, stop, notices }).await
                })
                .await;
        }
        let mut outcomes = Vec::new();
        for way in ways {
            let works: Vec<Work> =
                errands.iter().filter(|errand| errand.way == *way).map(|errand| errand.work.clone()).collect();
            let Some(door) = self.door(way).filter(|_| !works.is_empty()) else { continue };
            outcomes.extend(
                self.watched(async |notices| {
                    let (provider, manner) = (door.provider.as_ref(), self.manner(&door));
                    Runner::new(&self.ledger, provider, manner, self.stop.clone(), notices).run(works).await
                })
                .await,
            );
        }
        Ok(outcomes)
    }

    /// Brings the clips that workers have made since the last run.
    async fn bring(&self, takes: &Takes) -> Vec<(TakeId, Outcome)> {
        let Some(workers) = &self.workers else { return Vec::new() };
        let made = takes.iter().filter_map(|(id, take)| match &take.phase {
            Phase::Done(_) => Some((id.clone(), self.project.clip(id), take.clone())),
            _ => None,
        });
        workers.bring(made.filter(|(_, clip, _)| !clip.exists()).collect()).await
    }

    /// Asks fal for bills that were not there yet when their jobs ended, of takes that nothing else is to be done for.
    async fn read_late_bills(&self, takes: &mut Takes) -> Result<(), Failure> {
        let open =
            takes.values().filter(|take| take.plan.provider == ProviderName::Fal && unbilled(take).next().is_some());
        let mut ways: BTreeSet<Way> = open.map(|take| Way::of(&take.plan)).collect();
        ways.retain(|way| !self.doors.borrow().contains_key(way));
        for way in &ways {
            if let Ok(door) = door::open_for(self.project, way).await {
                self.doors.borrow_mut().insert(way.clone(), Ok(Arc::new(door)));
            }
        }
        if let Some(workers) = &self.workers {
            let open = |take: &Take| rests(take) && unbilled(take).next().is_some();
            let shut = |take: &Take| self.door(&Way::of(&take.plan)).is_none() && open(take);
            let shut = takes.iter().filter(|(_, take)| take.plan.provider == ProviderName::Fal && shut(take));
            let ids = shut.map(|(id, take)| (id.clone(), take.plan.provider)).take(MAX_BILLED).collect();
            workers.ask_for_bills(ids).await?;
        }
        self.read_bills(ways, takes).await
    }

    fn manner(&self, door: &Door) -> Manner {
        Manner {
            pace: door.pace,
            concurrency: self.concurrency,
            patience: self.patience,
            follow: self.follow,
            max_clip: MAX_CLIP,
            wakes: webhook_urls(self.project).map(|_| Arc::new(wakes(self.project))),
            slots: door.slots.clone(),
            room: None,
        }
    }

    async fn open(&self, way: &Way) {
        if !self.doors.borrow().contains_key(way) {
            let door = door::open_for(self.project, way).await.map(Arc::new);
            self.doors.borrow_mut().insert(way.clone(), door);
        }
    }

    fn door(&self, way: &Way) -> Option<Arc<Door>> {
        self.doors.borrow().get(way).and_then(|door| door.as_ref().ok().cloned())
    }

    /// Doors that could not be opened; their takes wait.
    pub(crate) fn tell_shut(&self) -> Option<Exit> {
        let doors = self.doors.borrow();
        let shut: Vec<&Failure> = doors.values().filter_map(|door| door.as_ref().err()).collect();
        shut.iter().for_each(|failure| failure.tell());
        shut.first().map(|failure| failure.exit())
    }

    fn refuse_if_nothing_opened(&self, outcomes: &[(TakeId, Outcome)]) -> Result<(), Failure> {
        let mut doors = self.doors.borrow_mut();
        let none = !doors.is_empty() && doors.values().all(Result::is_err) && outcomes.is_empty();
        let first = doors.keys().next().cloned().filter(|_| none);
        match first.and_then(|way| doors.remove(&way)) {
            Some(Err(failure)) => Err(failure),
            _ => Ok(()),
        }
    }

    /// Asks the person at the terminal once the sum passes the limit; where nobody says yes, new requests wait.
    fn approve(&self, errands: Vec<Errand>) -> (Vec<Errand>, Vec<(TakeId, Outcome)>) {
        let Some(approval) = &self.approval else { return (errands, Vec::new()) };
        let new: Usd = errands.iter().map(|errand| errand.price).sum();
        let sum = approval.sum.get().plus(new);
        if new == Usd::ZERO || sum <= approval.limit || approval.given.get() {
            approval.sum.set(sum);
            return (errands, Vec::new());
        }
        let count = errands.iter().filter(|errand| errand.price > Usd::ZERO).count();
        let question = format!("{count} requests for about {new}, {sum} in this run, over {}", approval.limit);
        if agrees(format_args!("{question}. Send them?")) {
            approval.given.set(true);
            approval.sum.set(sum);
            return (errands, Vec::new());
        }
        let (new, others): (Vec<Errand>, Vec<Errand>) =
            errands.into_iter().partition(|errand| errand.price > Usd::ZERO);
        let refused = |errand: Errand| {
            (errand.work.take, Outcome::OverBudget(format!("{question}: not approved, and not sent; --yes approves")))
        };
        (others, new.into_iter().map(refused).collect())
    }

    async fn takes(&self) -> Result<Takes, Failure> {
        self.ledger.takes().await.map_err(|error| ledger_failure(&error))
    }

    /// Takes with something to do that were not touched in this run, and whose parents have their clips. Jobs that
    /// are under way are asked after even where the list does not name them any more.
    fn errands(&self, desk: &Desk<'p>, takes: &Takes, touched: &BTreeSet<TakeId>) -> Vec<Errand> {
        let parents: BTreeSet<&ShotId> =
            desk.prepared.iter().filter_map(|prepared| prepared.shot.first_frame_from.as_ref()).collect();
        let mut errands = Vec::new();
        let mut named = BTreeSet::new();
        for prepared in &desk.prepared {
            for id in prepared.takes() {
                named.insert(id.clone());
                let Some(take) = takes.get(&id).filter(|take| !touched.contains(&id) && !rests(take)) else { continue };
                if is_sent(take) {
                    errands.push(self.errand(id, take, None));
                } else if due::is_due(desk, prepared, &id, takes)
                    && let Some(mut request) = self.request(desk, takes, prepared, &id)
                {
                    request.order.return_last_frame = parents.contains(&prepared.shot.id);
                    errands.push(self.errand(id, take, Some(request)));
                }
            }
        }
        for (id, take) in takes.iter().filter(|(id, take)| !named.contains(id) && is_sent(take) && !rests(take)) {
            if !touched.contains(id) {
                note(format_args!("{id} is under way, though the list does not ask for it any more"));
                errands.push(self.errand(id.clone(), take, None));
            }
        }
        errands
    }

    /// What is sent for a take; nothing yet where it waits for another shot's clip.
    fn request(&self, desk: &Desk<'p>, takes: &Takes, prepared: &Prepared<'p>, id: &TakeId) -> Option<Request> {
        let mut request = prepared.request(id);
        request.order.promotes = draft_of(prepared, takes);
        if let Some(parent) = &prepared.shot.first_frame_from {
            request.first_frame = Some(Input::File(self.parent_frame(desk, takes, id, parent.as_str())?));
        }
        Some(request)
    }

    fn errand(&self, id: TakeId, take: &Take, request: Option<Request>) -> Errand {
        let price = if request.is_some() { take.plan.estimate } else { Usd::ZERO };
        Errand {
            way: Way::of(&take.plan),
            work: Work { clip: self.project.clip(&id), take: id, request, shelf: None },
            price,
        }
    }

    /// Plans takes that are new, and those that changed or failed and may be sent again; answers whether there were
    /// any.
    async fn plan_due(&self, desk: &Desk<'p>, takes: &Takes, touched: &BTreeSet<TakeId>) -> Result<bool, Failure> {
        let mut due = Vec::new();
        for prepared in &desk.prepared {
            for id in prepared.takes().filter(|id| !touched.contains(id)) {
                let take = takes.get(&id);
                let stands = take.is_some_and(|take| {
                    matches!(take.phase, Phase::Ready { .. })
                        && take.plan.fingerprint == prepared.plan.fingerprint
                        && (take.plan.estimate == prepared.plan.estimate || take.plan.second_choice)
                });
                if due::is_due(desk, prepared, &id, takes) && !stands {
                    let length = take.map_or(0, |take| take.length);
                    due.push((id, length, Event::Planned(prepared.plan.clone())));
                }
            }
        }
        let any = !due.is_empty();
        self.ledger.append_all(due).await.map_err(|error| ledger_failure(&error))?;
        Ok(any)
    }

    /// Shows what work has to tell while it goes on.
    async fn watched<T>(&self, work: impl AsyncFnOnce(mpsc::UnboundedSender<Notice>) -> T) -> T {
        let (notices, mut watched) = mpsc::unbounded_channel();
        let mut progress = Progress::new(self.style);
        let mut work = Box::pin(work(notices));
        let outcomes = loop {
            tokio::select! {
                outcomes = &mut work => break outcomes,
                Some(notice) = watched.recv() => progress.show(&notice),
            }
        };
        while let Ok(notice) = watched.try_recv() {
            progress.show(&notice);
        }
        outcomes
    }

    /// Takes over what the providers' bills say. They may come hours late, and are asked for again in later runs.
    async fn read_bills(&self, ways: BTreeSet<Way>, takes: &mut Takes) -> Result<(), Failure> {
        let mut told = false;
        for way in ways {
            let Some(door) = self.door(&way) else { continue };
            let open = |take: &Take| Way::of(&take.plan) == way && unbilled(take).next().is_some();
            let open: Vec<(TakeId, Take)> =
                takes.iter().filter(|(_, take)| open(take)).map(|(id, take)| (id.clone(), take.clone())).collect();
            for open in open.chunks(MAX_BILLED) {
                let mut stop = self.stop.clone();
                let settled = tokio::select! {
                    biased;
                    _ = stop.wait_for(|stop| *stop) => break,
                    settled = settle(&self.ledger, door.provider.as_ref(), open) => settled,
                };
                match settled {
                    Ok(count) => told |= count > 0,
                    Err(reason) => {
                        note(format_args!("the bill could not be read; estimates stand until the next run ({reason})"));
                        break;
                    }
                }
            }
        }
        if told {
            *takes = self.takes().await?;
        }
        Ok(())
    }

    /// Plans what the list wants tried next, where a filter or a time-out left takes without clips.
    async fn plan_retries(&self, desk: &mut Desk<'p>, takes: &mut Takes) -> Result<(), Failure> {
        let own = desk.prepared.iter().filter(|prepared| prepared.plan.follows.is_none());
        let roots: Vec<TakeId> = own.flat_map(Prepared::takes).collect();
        for root in roots {
            let Some(shot) = self.project.list.shot(&root.shot) else { continue };
            let Some(follows) = due::next_retry(desk, shot, &root, takes) else { continue };
            let Some(number) = due::free_number(shot, takes) else { continue };
            let id = TakeId { shot: shot.id.clone(), number };
            let prepared = match desk.add_follower(self.project, shot, number, &follows) {
                Ok(prepared) => prepared,
                Err(failure) => {
                    failure.tell();
                    continue;
                }
            };
            let (words, price) = (follows.change.words(), prepared.plan.estimate);
            note(format_args!("{root} has no clip; the list wants another attempt: {id}, {words}, {price}"));
            let take = self.ledger.append(&id, 0, Event::Planned(prepared.plan.clone())).await;
            takes.insert(id, take.map_err(|error| ledger_failure(&error))?);
        }
        Ok(())
    }

    /// The last frame of a shot's clip, for one that waits for it; the next best take's where one cannot be read.
    fn parent_frame(&self, desk: &Desk<'p>, takes: &Takes, child: &TakeId, shot: &str) -> Option<Upload> {
        let own = desk.prepared.iter().filter(|prepared| prepared.shot.id.as_str() == shot);
        let done = |id: &TakeId| takes.get(id).is_some_and(|take| matches!(take.phase, Phase::Done(_)));
        let mut ids: Vec<TakeId> = own.clone().flat_map(Prepared::takes).filter(done).collect();
        ids.sort();
        if let Some(number) = own.clone().find_map(|prepared| prepared.shot.select) {
            ids.retain(|id| id.number == number);
        }
        if ids.is_empty() {
            note(format_args!("{child} waits for a clip of {shot}"));
        }
        ids.iter().rev().find_map(|id| self.last_frame(id).map_err(|failure| failure.tell()).ok())
    }

    fn last_frame(&self, id: &TakeId) -> Result<Upload, Failure> {
        let path = self.project.take_folder(id).join("last_frame.png");
        if !path.exists() {
            extract(&self.project.clip(id), &path)?;
        }
        let (sha256, _) = digest(&path).map_err(|error| Failure::disk("read", &path, &error))?;
        let file_name = format!("{id}_last_frame.png");
        Ok(Upload { path, sha256, content_type: "image/png".to_owned(), file_name })
    }
}

fn extract(clip: &Path, out: &Path) -> Result<(), Failure> {
    let clip = clip.canonicalize().map_err(|error| Failure::disk("read", clip, &error))?;
    let disk = |error| Failure::disk("write", out, &error);
    write_by_name(out, disk, |out| {
        let made = with_worker(|worker| worker.last_frame(clip.clone(), PathBuf::from(out)));
        made.map_err(|error| {
            let message = format!("failed to take the last frame of {}: {error}", clip.display());
            Failure::new(Exit::Media, message, "raise `takes` of that shot for another clip")
        })
    })
}

fn rests(take: &Take) -> bool {
    matches!(take.phase, Phase::Done(_) | Phase::Failed(_))
}

/// What was sent stays what it was when its shot, files or provider change.
fn warn_of_changes(desk: &Desk<'_>, takes: &Takes) {
    let each = desk.prepared.iter().flat_map(|prepared| prepared.takes().map(move |id| (prepared, id)));
    for (prepared, id) in each {
        let sent = takes.get(&id).filter(|take| is_sent(take) && take.plan.fingerprint != prepared.plan.fingerprint);
        if let Some(take) = sent {
            let door = take.plan.provider.as_str();
            note(format_args!("warning: {id} was sent to {door} before its shot, files or provider were changed"));
            note("  fix: raise `takes` for a new one; keep trials on the simulator in a folder of their own");
        }
    }
}

/// The provider's own name for the draft that a promoted take is the full rendering of, where it keeps drafts.
fn draft_of(prepared: &Prepared<'_>, takes: &Takes) -> Option<String> {
    let follows = prepared.plan.follows.as_ref().filter(|follows| follows.change == Change::Promoted)?;
    let draft = takes.get(&follows.take.parse().ok()?)?;
    let kept = keeps_drafts(&prepared.shot)
        && (draft.plan.provider, &draft.plan.endpoint) == (prepared.plan.provider, &prepared.plan.endpoint);
    kept.then(|| draft.job.as_ref().map(|job| job.request_id.clone())).flatten()
}
