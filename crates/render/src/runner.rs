//! Does `job::next_step` for each take until nothing is left to do, several takes at a time.
//!
//! A take that fails does not stop the others. A stop request ends the run between steps, never in the
//! middle of a submit. A webhook only shortens the wait for the next poll.

mod delivery;
mod reconcile;
mod work;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable};
use futures_util::StreamExt as _;
use seedpost_core::cost::Reservation;
use seedpost_core::job::{Event, Failure, FailureKind, JobRef, Phase, PollPace, Sent, Step, Take, next_step};
use seedpost_core::shot::TakeId;
use serde_json::Value;
use tokio::sync::{Mutex, OnceCell, Semaphore, SemaphorePermit, mpsc, watch};

use crate::fetch::Fetcher;
use crate::ledger::{Ledger, LedgerError};
use crate::provider::{CallError, Order, Placed, Progress, Provider, SubmitError, Upload, record};
use crate::slots::Slot;
pub use delivery::TEMPORARY;
pub use reconcile::{find, settle, unbilled};
pub use work::{Input, Manner, Notice, Outcome, Request, Work};

/// How often a submit that did not arrive is tried in one run.
const MAX_DEFERRALS: u32 = 5;
/// How often a clip is fetched in one run, each time from a fresh address.
const MAX_DOWNLOADS: u32 = 3;
/// What a provider may ask to wait even where a run does not wait for jobs.
const LEAST_PATIENCE: Duration = Duration::from_secs(60);
/// How long the end of a stream is waited for before the job is asked after once more.
const STREAM: Duration = Duration::from_secs(60);

/// What all takes of a run share.
pub struct Runner<'a> {
    /// The record.
    pub ledger: &'a Ledger,
    /// The door.
    pub provider: &'a dyn Provider,
    /// How the work is gone about.
    pub manner: Manner,
    /// Becomes true when the run shall stop.
    pub stop: watch::Receiver<bool>,
    /// Who watches.
    pub notices: mpsc::UnboundedSender<Notice>,
    /// Room for jobs in this run.
    places: Semaphore,
    /// Addresses of files that this run has handed over already.
    placed: Mutex<HashMap<Upload, Arc<OnceCell<Placed>>>>,
    /// Made once: it reads this machine's certificates.
    fetcher: OnceCell<Fetcher>,
    /// The database's clock, and when it was asked.
    clock: OnceCell<(u64, Instant)>,
}

impl std::fmt::Debug for Runner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").field("manner", &self.manner).finish_non_exhaustive()
    }
}

/// Why a take cannot go on; the public answer is an [`Outcome`].
#[derive(Debug, thiserror::Error)]
enum Halt {
    #[error("{0}")]
    Ledger(#[from] LedgerError),
    #[error("{0}")]
    Call(#[from] CallError),
    #[error("failed to write {path}: {error}")]
    Disk { path: PathBuf, error: std::io::Error },
    #[error("the run was stopped")]
    Stopped,
    #[error("{0} is there already, and the ledger does not know it")]
    Occupied(PathBuf),
}

impl<'a> Runner<'a> {
    /// Makes a runner.
    #[must_use]
    pub fn new(
        ledger: &'a Ledger,
        provider: &'a dyn Provider,
        manner: Manner,
        stop: watch::Receiver<bool>,
        notices: mpsc::UnboundedSender<Notice>,
    ) -> Runner<'a> {
        Runner {
            ledger,
            provider,
            places: Semaphore::new(manner.concurrency.clamp(1, Semaphore::MAX_PERMITS)),
            manner,
            stop,
            notices,
            placed: Mutex::default(),
            fetcher: OnceCell::new(),
            clock: OnceCell::new(),
        }
    }

    /// Runs all takes; answers in their order.
    pub async fn run(&self, works: Vec<Work>) -> Vec<(TakeId, Outcome)> {
        let one = |(place, work): (usize, Work)| async move {
            let outcome = self.advance(&work).await;
            (place, work.take, outcome)
        };
        let works = futures_util::stream::iter(works.into_iter().enumerate());
        // Clips may be on their way here while the next jobs are under way.
        let most = self.manner.concurrency.max(1).saturating_mul(2);
        let mut outcomes: Vec<_> = works.map(one).buffer_unordered(most).collect().await;
        outcomes.sort_unstable_by_key(|(place, ..)| *place);
        outcomes.into_iter().map(|(_, take, outcome)| (take, outcome)).collect()
    }

    async fn advance(&self, work: &Work) -> Outcome {
        match self.steps(work).await {
            Ok(take) => match take.phase {
                Phase::Done(_) => Outcome::Done,
                Phase::Failed(failure) => Outcome::Failed(failure),
                Phase::ChargeUnknown { reason } => Outcome::Unknown(reason),
                Phase::Ready { .. } => Outcome::Unreachable("the provider took no request".to_owned()),
                Phase::Running { .. } | Phase::Rendered { .. } => {
                    Outcome::Unreachable("the clip could not be had yet".to_owned())
                }
            },
            Err(Halt::Stopped) => Outcome::Stopped,
            Err(error @ Halt::Occupied(_)) => Outcome::Occupied(error.to_string()),
            Err(Halt::Ledger(error @ LedgerError::OverBudget(_))) => Outcome::OverBudget(error.to_string()),
            Err(Halt::Call(error)) if error.unknown => Outcome::Lost(error.message),
            Err(Halt::Call(error)) => Outcome::Unreachable(error.message),
            Err(error) => Outcome::Broken(error.to_string()),
        }
    }

    async fn steps(&self, work: &Work) -> Result<Take, Halt> {
        // A job that has ended needs no room.
        let mut room = match self.read(work).await?.phase {
            Phase::Rendered { .. } => None,
            _ => Some(self.room(work).await?),
        };
        let folder = work.clip.parent().unwrap_or(Path::new("."));
        let made = tokio::fs::create_dir_all(folder).await;
        made.map_err(|error| Halt::Disk { path: folder.to_owned(), error })?;
        let (mut deferrals, mut polls, mut downloads, mut looks) = (0, 0, 0, 0);
        let mut logs = Vec::new();
        let begun = Instant::now();
        let mut take = self.read(work).await?;
        loop {
            let left = self.manner.patience.saturating_sub(begun.elapsed()).max(LEAST_PATIENCE);
            take = match next_step(&take, self.now(&take).await?, self.manner.pace) {
                Step::Rest if matches!(take.phase, Phase::ChargeUnknown { .. }) => {
                    match self.reconcile(work, &take, &mut looks).await? {
                        Some(next) => next,
                        None => return Ok(take),
                    }
                }
                Step::Rest => return Ok(take),
                // What stands there was never paid for by this take.
                Step::Submit { .. } if work.clip.exists() => return Err(Halt::Occupied(work.clip.clone())),
                Step::Submit { wait_ms } if deferrals >= MAX_DEFERRALS || Duration::from_millis(wait_ms) > left => {
                    return Ok(take);
                }
                Step::Submit { wait_ms } => {
                    let Some(request) = &work.request else { return Ok(take) };
                    deferrals += 1;
                    self.wait(wait_ms).await?;
                    self.submit(work, request, take).await?
                }
                Step::Poll { .. } if polls > 0 && begun.elapsed() > self.manner.patience => return Ok(take),
                Step::Poll { job, wait_ms } => {
                    polls += 1;
                    self.wait_for(&job, wait_ms).await?;
                    let next = self.poll(work, &take, &job, &mut logs).await;
                    self.unless_overtaken(work, next).await?
                }
                Step::Download { .. } if downloads >= MAX_DOWNLOADS => return Ok(take),
                Step::Download { job, url, last_frame } => {
                    downloads += 1;
                    // The job has ended: its place is another's.
                    drop(room.take());
                    self.wait(0).await?;
                    let next = self.download(work, &take, &job, &url, last_frame.as_deref()).await;
                    self.unless_overtaken(work, next).await?
                }
            }
        }
    }

    /// Room for a job in this run and under the key.
    async fn room(&self, work: &Work) -> Result<(SemaphorePermit<'_>, Option<Slot>), Halt> {
        let closed = |_| Halt::Stopped;
        let place = self.or_stopped(self.places.acquire()).await?.map_err(closed)?;
        Ok((place, self.slot(work).await?))
    }

    /// Room under the key, waited for as long as for a job.
    async fn slot(&self, work: &Work) -> Result<Option<Slot>, Halt> {
        let Some(slots) = &self.manner.slots else { return Ok(None) };
        if let Some(slot) = slots.try_take()? {
            return Ok(Some(slot));
        }
        self.notify(work, "waits", "for room under the key");
        let patience = self.manner.patience.max(LEAST_PATIENCE);
        let taken = self.or_stopped(tokio::time::timeout(patience, slots.take())).await?;
        let none = |_| CallError::lasting("other runs hold all the room under the key");
        Ok(Some(taken.map_err(none)??))
    }

    async fn read(&self, work: &Work) -> Result<Take, Halt> {
        let missing = || LedgerError::Damaged { take: work.take.to_string(), what: "it was never planned".to_owned() };
        Ok(self.ledger.take(&work.take).await?.ok_or_else(missing)?)
    }

    /// The database's clock, asked once and carried on by this machine's steady one; asked again where a wait was
    /// agreed on, since the steady one stands still while the machine sleeps.
    async fn now(&self, take: &Take) -> Result<u64, Halt> {
        match take.phase {
            // The time makes no difference.
            Phase::Ready { not_before: 0 } => return Ok(0),
            Phase::Ready { .. } => return Ok(self.ledger.now().await?),
            _ => {}
        }
        let ask = || async { Ok::<_, LedgerError>((self.ledger.now().await?, Instant::now())) };
        let (then, since) = self.clock.get_or_try_init(ask).await?;
        Ok(then.saturating_add(u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)))
    }

    /// A person's `cancel` beside this run may have written first: then the next step is found anew.
    async fn unless_overtaken(&self, work: &Work, next: Result<Take, Halt>) -> Result<Take, Halt> {
        match next {
            Err(Halt::Ledger(LedgerError::Conflict(_))) => self.read(work).await,
            next => next,
        }
    }

    fn notify(&self, work: &Work, stage: &'static str, detail: impl Into<String>) {
        // Nobody may be watching.
        let _ = self.notices.send(Notice { take: work.take.clone(), stage, detail: detail.into() });
    }

    /// Waits, unless the run is stopped first.
    async fn wait(&self, milliseconds: u64) -> Result<(), Halt> {
        self.or_stopped(tokio::time::sleep(Duration::from_millis(milliseconds))).await
    }

    async fn or_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, Halt> {
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => Err(Halt::Stopped),
            done = work => Ok(done),
        }
    }

    /// Waits until a job is asked after again, or a webhook says that there is something to ask.
    async fn wait_for(&self, job: &JobRef, milliseconds: u64) -> Result<(), Halt> {
        let Some(wakes) = &self.manner.wakes else { return self.wait(milliseconds).await };
        self.or_stopped(wakes.wait(&job.request_id, Duration::from_millis(milliseconds))).await.map(|_| ())
    }

    async fn submit(&self, work: &Work, request: &Request, take: Take) -> Result<Take, Halt> {
        let (mut take, mut order) = (take, request.order.clone());
        if let Some((_, second)) = request.second_choice.as_deref().filter(|_| take.plan.second_choice) {
            order = second.clone();
        }
        order.mark = request.mark.clone().map(|field| (field, format!("sp_{}", uuid::Uuid::now_v7().simple())));
        // Nothing leaves this machine for a request that the budget does not allow.
        self.ledger.budget().await?.reserve(take.plan.estimate).map_err(LedgerError::from)?;
        self.fill(work, request, &mut take, &mut order).await?;
        let body = self.provider.body(&take.plan.endpoint, &order);
        let (take, reservation) =
            self.ledger.intend(&work.take, take.length, record(&body), take.plan.estimate).await?;
        self.notify(work, "submit", format!("{} set aside", reservation.amount()));
        let event = self.send(work, &take, &body, reservation).await;
        let refused = matches!(&event, Event::SubmitRefused(failure) if failure.about.as_deref() == Some("resolution"));
        if let Some((plan, _)) = request.second_choice.as_deref().filter(|_| refused && !take.plan.second_choice) {
            self.notify(work, "falls back", "the resolution was refused; nothing was charged");
            // Both or neither: a run that is killed in between would leave a take that nobody sends again.
            let next = (work.take.clone(), take.length + 1, Event::Planned(plan.clone()));
            let both = vec![(work.take.clone(), take.length, event), next];
            let append = || self.ledger.append_all(both.clone());
            append.retry(patience(self.manner.pace)).when(is_busy).await?;
            return self.read(work).await;
        }
        self.append_for_sure(work, take.length, event).await
    }

    async fn send(&self, work: &Work, take: &Take, body: &Value, reservation: Reservation) -> Event {
        match self.provider.submit(&take.plan.endpoint, body, reservation).await {
            Ok(job) => {
                self.notify(work, "submitted", job.request_id.clone());
                Event::Submitted(job)
            }
            Err(SubmitError::NotSent(reason)) => self.deferred(work, reason, 2000),
            Err(SubmitError::Throttled { wait_ms, message }) => self.deferred(work, message, wait_ms),
            Err(SubmitError::Refused(failure)) => {
                self.notify(work, "refused", failure.message.clone());
                Event::SubmitRefused(failure)
            }
            Err(SubmitError::ChargeUnknown(reason)) => {
                self.notify(work, "unknown", reason.clone());
                Event::SubmitUnknown { reason }
            }
        }
    }

    fn deferred(&self, work: &Work, reason: String, wait_ms: u64) -> Event {
        self.notify(work, "deferred", reason.clone());
        Event::SubmitDeferred { reason, wait_ms }
    }

    /// Appends what came of a paid request. The name of the job must not be lost to a disk that is busy or full
    /// for a moment.
    async fn append_for_sure(&self, work: &Work, length: u64, event: Event) -> Result<Take, Halt> {
        let append = || self.ledger.append(&work.take, length, event.clone());
        Ok(append.retry(patience(self.manner.pace)).when(is_busy).await?)
    }

    /// Gives the order an address for each reference.
    async fn fill(&self, work: &Work, request: &Request, take: &mut Take, order: &mut Order) -> Result<(), Halt> {
        let Request { images, videos, audios, first_frame, last_frame, .. } = request;
        for (addresses, inputs) in
            [(&mut order.images, images), (&mut order.videos, videos), (&mut order.audios, audios)]
        {
            for input in inputs {
                addresses.push(self.address(work, take, input).await?);
            }
        }
        for (address, input) in [(&mut order.first_frame, first_frame), (&mut order.last_frame, last_frame)] {
            if let Some(input) = input {
                *address = Some(self.address(work, take, input).await?);
            }
        }
        Ok(())
    }

    async fn address(&self, work: &Work, take: &mut Take, input: &Input) -> Result<String, Halt> {
        let upload = match input {
            Input::Url(url) => return Ok(url.clone()),
            Input::File(upload) => upload,
        };
        // Takes that need the same file at the same time wait for one upload of it.
        let cell = self.placed.lock().await.entry(upload.clone()).or_default().clone();
        let place = || async {
            self.notify(work, "upload", upload.file_name.clone());
            let place = (|| self.provider.place(upload)).retry(patience(self.manner.pace));
            place.when(|error| error.transient).adjust(as_asked).await
        };
        let Placed { address, host } = self.or_stopped(cell.get_or_try_init(place)).await??.clone();
        let within = address.starts_with("data:");
        if within {
            // What is sent within each request would only fill memory.
            self.placed.lock().await.remove(upload);
        }
        let sent = Sent { file: upload.file_name.clone(), sha256: upload.sha256.clone(), host, within };
        *take = self.ledger.append(&work.take, take.length, Event::Sent(sent)).await?;
        Ok(address)
    }

    async fn poll(&self, work: &Work, take: &Take, job: &JobRef, logs: &mut Vec<String>) -> Result<Take, Halt> {
        if self.manner.follow {
            let tell = |progress: Progress| self.tell(work, &progress, &mut Vec::new());
            let stream = tokio::time::timeout(STREAM, self.provider.follow(job, &tell));
            // Whatever ends the stream, the job is asked after next.
            let _ = self.or_stopped(stream).await?;
        }
        let progress = self.ask(job).await?;
        self.tell(work, &progress, logs);
        let event = match progress {
            Progress::Queued(_) | Progress::Running(_) => return Ok(take.clone()),
            Progress::Done(clip) => {
                Event::Rendered { url: clip.url, charged: clip.charged, last_frame: clip.last_frame }
            }
            Progress::Failed(failure) => Event::RenderFailed(failure),
        };
        Ok(self.ledger.append(&work.take, take.length, event).await?)
    }

    async fn ask(&self, job: &JobRef) -> Result<Progress, Halt> {
        let ask = (|| self.provider.poll(job)).retry(patience(self.manner.pace));
        Ok(self.or_stopped(ask.when(|error| error.transient).adjust(as_asked)).await??)
    }

    /// Tells how a job stands, with each line of its log once.
    fn tell(&self, work: &Work, progress: &Progress, logs: &mut Vec<String>) {
        match progress {
            Progress::Queued(position) => {
                let detail = position.map_or_else(String::new, |position| format!("{position} before it"));
                self.notify(work, "queued", detail);
            }
            Progress::Running(lines) if lines.is_empty() => self.notify(work, "rendering", ""),
            Progress::Running(lines) => {
                let known = if lines.starts_with(logs) { logs.len() } else { 0 };
                lines[known..].iter().for_each(|line| self.notify(work, "rendering", line.clone()));
                logs.clone_from(lines);
            }
            Progress::Done(_) => {}
            Progress::Failed(failure) => self.notify(work, "failed", failure.message.clone()),
        }
    }
}

/// Eight more tries, for calls that cost nothing: within about half a minute where the provider is far.
fn patience(pace: PollPace) -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis((pace.least_ms / 4).max(25)))
        .with_max_delay(Duration::from_millis(pace.most_ms / 2))
        .with_max_times(8)
        .with_jitter()
}

/// Waits at least as long as the provider asked for, but no longer than a minute: then the run says so instead.
fn as_asked(error: &CallError, next: Option<Duration>) -> Option<Duration> {
    let asked = Duration::from_millis(error.wait_ms.unwrap_or(0));
    next.map(|next| asked.max(next)).filter(|wait| *wait <= LEAST_PATIENCE)
}

fn is_busy(error: &LedgerError) -> bool {
    matches!(error, LedgerError::Database { .. })
}

/// Whether a failed take may be sent again as it stands: nothing is owed, and the cause was not in it.
#[must_use]
pub fn may_repeat(failure: &Failure) -> bool {
    let passing = matches!(failure.kind, FailureKind::Account | FailureKind::TryAgain | FailureKind::TimedOut);
    !failure.owed && !failure.settled && passing
}
