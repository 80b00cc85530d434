//! Does `job::next_step` for each take until nothing is left to do, several takes at a time.
//!
//! A take that fails does not stop the others. A stop request ends the run between steps, never in the
//! middle of a submit. A webhook only shortens the wait for the next poll.

mod delivery;
mod reconcile;
mod submit;
mod work;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable};
use futures_util::StreamExt as _;
use seedpost_core::job::{Event, Failure, FailureKind, JobRef, Phase, PollPace, Step, Take, next_step};
use seedpost_core::shot::TakeId;
use tokio::sync::{Mutex, OnceCell, Semaphore, SemaphorePermit, mpsc, watch};

use crate::fetch::Fetcher;
use crate::ledger::{Ledger, LedgerError};
use crate::provider::{CallError, Placed, Progress, Provider, Upload};
use crate::slots::Slot;
use crate::store::StoreError;
pub use delivery::TEMPORARY;
pub use reconcile::{find, settle, unbilled};
pub use work::{Input, Manner, Notice, Outcome, Request, Shelf, Stepped, Tries, Work};

/// How often a submit that did not arrive is tried in one run.
const MAX_DEFERRALS: u32 = 5;
/// What a step waits for by itself, in milliseconds.
const SHORT_MS: u64 = 999;
/// How soon room under a key is looked for again, in milliseconds; up to ten times later, the longer it takes.
const ROOM_PACE: u64 = 3000;
/// How often the provider's list is looked through in one run: it may come late.
const MAX_LOOKS: u32 = 3;
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
    placed: Mutex<HashMap<Upload, HandedOver>>,
    /// Made once: it reads this machine's certificates.
    fetcher: OnceCell<Fetcher>,
    /// The database's clock, and when it was asked.
    clock: OnceCell<(u64, Instant)>,
}

/// When a file was first handed over, and its address once that is done.
type HandedOver = (Instant, Arc<OnceCell<Placed>>);

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
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("it was planned anew in the meantime")]
    Changed,
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
        outcome(self.steps(work).await)
    }

    /// Does the next step of a take, once its time has come; what is far off is left for later.
    ///
    /// # Errors
    /// The ledger's database failed: what was done is on record or not, and the next one who reads finds out.
    pub async fn one_step(&self, work: &Work, tries: &mut Tries) -> Result<Stepped, LedgerError> {
        match self.try_step(work, tries).await {
            Ok(stepped) => Ok(stepped),
            Err(Halt::Stopped) => Ok(Stepped::More(0)),
            Err(Halt::Ledger(error @ LedgerError::NoRoom(_))) => {
                self.notify(work, "waits", error.to_string());
                // It was not the provider that deferred it.
                tries.deferrals = tries.deferrals.saturating_sub(1);
                tries.waits = Some(error.to_string());
                tries.rooms = tries.rooms.saturating_add(1);
                Ok(Stepped::More(ROOM_PACE * u64::from((1 + tries.rooms / 10).min(10))))
            }
            Err(Halt::Ledger(error @ (LedgerError::Database { .. } | LedgerError::Newer { .. }))) => Err(error),
            Err(Halt::Call(error)) if error.transient => Ok(Stepped::Trouble(error.message)),
            Err(error @ (Halt::Store(_) | Halt::Disk { .. })) => Ok(Stepped::Trouble(error.to_string())),
            Err(halt) => Ok(Stepped::Rest(outcome(Err(halt)))),
        }
    }

    async fn try_step(&self, work: &Work, tries: &mut Tries) -> Result<Stepped, Halt> {
        let take = self.read(work).await?;
        let Some((wait_ms, step)) = self.next(work, &take, tries, Duration::MAX).await? else {
            return Ok(Stepped::Rest(outcome(Ok(take))));
        };
        let wait_ms = match (&step, tries.wait_ms) {
            // The queue's whole seconds may end a little early; a clock that was set back must not make it wait anew.
            (Step::Submit { .. }, Some(waited)) => waited.max(wait_ms.min(SHORT_MS)),
            (_, waited) => waited.unwrap_or(wait_ms),
        };
        if wait_ms > SHORT_MS {
            tries.wait_ms = Some(0);
            return Ok(Stepped::More(wait_ms));
        }
        self.wait(wait_ms).await?;
        let take = self.step(work, take, step, tries).await?;
        let Some((wait_ms, _)) = self.next(work, &take, tries, Duration::MAX).await? else {
            return Ok(Stepped::Rest(outcome(Ok(take))));
        };
        // What is short is waited for by whoever does the next step.
        let (now, later) = if wait_ms > SHORT_MS { (wait_ms, 0) } else { (0, wait_ms) };
        tries.wait_ms = Some(later);
        Ok(Stepped::More(now))
    }

    async fn steps(&self, work: &Work) -> Result<Take, Halt> {
        // A job that has ended needs no room.
        let mut room = match self.read(work).await?.phase {
            Phase::Rendered { .. } => None,
            _ => Some(self.room(work).await?),
        };
        let (mut tries, begun) = (Tries::default(), Instant::now());
        let mut take = self.read(work).await?;
        loop {
            let left = self.manner.patience.saturating_sub(begun.elapsed());
            let Some((wait_ms, step)) = self.next(work, &take, &tries, left).await? else { return Ok(take) };
            match &step {
                Step::Poll { job, .. } => self.wait_for(job, wait_ms).await?,
                // The job has ended: its place is another's.
                Step::Download { .. } => drop(room.take()),
                _ => self.wait(wait_ms).await?,
            }
            take = self.step(work, take, step, &mut tries).await?;
        }
    }

    /// What is to be done for a take and after how many milliseconds; nothing where it rests, or where no more may be
    /// tried for now.
    async fn next(&self, work: &Work, take: &Take, tries: &Tries, left: Duration) -> Result<Option<(u64, Step)>, Halt> {
        let step = next_step(take, self.now(take).await?, self.manner.pace);
        let wait_ms = match &step {
            Step::Rest if matches!(take.phase, Phase::ChargeUnknown { .. }) && tries.looks < MAX_LOOKS => {
                u64::from(tries.looks) * self.manner.pace.most_ms
            }
            Step::Rest => return Ok(None),
            Step::Submit { wait_ms } => {
                let late = Duration::from_millis(*wait_ms) > left.max(LEAST_PATIENCE);
                if tries.deferrals >= MAX_DEFERRALS || late || work.request.is_none() {
                    return Ok(None);
                }
                *wait_ms
            }
            Step::Poll { .. } if tries.polls > 0 && left.is_zero() => return Ok(None),
            Step::Poll { wait_ms, .. } => *wait_ms,
            Step::Download { .. } if tries.downloads >= MAX_DOWNLOADS => return Ok(None),
            Step::Download { .. } => 0,
        };
        Ok(Some((wait_ms, step)))
    }

    /// Does one step. What another program has written first is taken as it stands.
    async fn step(&self, work: &Work, take: Take, step: Step, tries: &mut Tries) -> Result<Take, Halt> {
        self.wait(0).await?;
        let next = match step {
            Step::Rest => {
                tries.looks += 1;
                match self.reconcile(work, &take).await {
                    // Looked at often enough.
                    Ok(None) => {
                        tries.looks = MAX_LOOKS;
                        Ok(take)
                    }
                    Ok(Some(next)) => Ok(next),
                    Err(halt) => Err(halt),
                }
            }
            // What stands there was never paid for by this take.
            Step::Submit { .. } if work.clip.exists() => Err(Halt::Occupied(work.clip.clone())),
            Step::Submit { .. } => {
                tries.deferrals += 1;
                match &work.request {
                    Some(request) => self.submit(work, request, take).await,
                    None => Ok(take),
                }
            }
            Step::Poll { job, .. } => {
                tries.polls += 1;
                self.poll(work, &take, &job, &mut tries.logs).await
            }
            Step::Download { job, url, last_frame } => {
                tries.downloads += 1;
                self.download(work, &take, &job, &url, last_frame.as_deref()).await
            }
        };
        self.unless_overtaken(work, next).await
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

    /// A person's `cancel` beside this run may have written first, or another runner: then the next step is found anew.
    async fn unless_overtaken(&self, work: &Work, next: Result<Take, Halt>) -> Result<Take, Halt> {
        match next {
            Err(Halt::Ledger(LedgerError::Conflict(_))) => self.read(work).await,
            next => next,
        }
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
            Phase::Ready { not_before: 0, .. } => return Ok(0),
            Phase::Ready { .. } => return Ok(self.ledger.now().await?),
            _ => {}
        }
        let ask = || async { Ok::<_, LedgerError>((self.ledger.now().await?, Instant::now())) };
        let (then, since) = self.clock.get_or_try_init(ask).await?;
        Ok(then.saturating_add(u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)))
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

/// How a take came out, from where it stands or why it could not go on.
fn outcome(taken: Result<Take, Halt>) -> Outcome {
    match taken {
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

/// Whether a failed take may be sent again as it stands: nothing is owed, and the cause was not in it.
#[must_use]
pub fn may_repeat(failure: &Failure) -> bool {
    let passing = matches!(failure.kind, FailureKind::Account | FailureKind::TryAgain | FailureKind::TimedOut);
    !failure.owed && !failure.settled && passing
}
