//! A worker: takes jobs from the queue, does one step of a take each, and puts the next one there.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use apalis::prelude::{BackendExt as _, ParallelizeExt as _};
use apalis::prelude::{BoxDynError, Data, Strategy, WorkerBuilder, WorkerBuilderExt as _};
use apalis_postgres::{Config, PostgresStorage};
use async_trait::async_trait;
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use seedpost_core::job::{Phase, Plan, PollPace};
use seedpost_core::shot::{ProviderName, TakeId};
use tokio::sync::{Mutex, Semaphore, mpsc, watch};

use super::{Errand, Fleet, Job, REFERENCES, clip_key, files, reference_key};
use crate::ledger::{Ledger, LedgerError, Room};
use crate::provider::Provider;
use crate::runner::{Manner, Notice, Outcome, Request, Runner, Shelf, Stepped, Tries, Work, settle, unbilled};
use crate::store::{Store, StoreError};

/// How often a queue is asked for jobs.
const GLANCE: Duration = Duration::from_millis(200);
/// How long a worker waits before it asks a server again that has failed.
const REST: Duration = Duration::from_secs(1);
/// How often a worker says that it is there.
const BEAT: Duration = Duration::from_secs(5);
/// The largest supplied file that is brought from the store, in bytes.
const MAX_REFERENCE: u64 = 1 << 30;
/// How long supplied files are kept here for further takes.
const KEPT: Duration = Duration::from_secs(3600);
/// The most steps that are done at once.
const MOST: usize = 1000;
/// How often a take is tried again that this worker could not advance, a lease later each time.
const MAX_TROUBLES: u32 = 20;

/// A provider as a worker goes to it.
pub struct Entrance {
    /// Its name: provider and region.
    pub name: String,
    /// The door.
    pub provider: Box<dyn Provider>,
    /// How often jobs are asked after.
    pub pace: PollPace,
    /// Room under the key.
    pub room: Option<Room>,
}

/// Opens providers' doors with a machine's own keys.
#[async_trait]
pub trait Doors: Send + Sync {
    /// The doors that this machine has keys for.
    fn providers(&self) -> Vec<ProviderName>;

    /// The door that a plan goes through, or in words why it cannot be opened.
    async fn open(&self, plan: &Plan) -> Result<&'static Entrance, String>;
}

/// A worker's surroundings.
pub struct Worker {
    /// The record; lives as long as the program.
    pub ledger: &'static Ledger,
    /// The errands.
    pub fleet: Fleet,
    /// Where files lie.
    pub store: Store,
    /// The keys.
    pub doors: Box<dyn Doors>,
    /// How many steps are done at once.
    pub concurrency: usize,
    /// How long a take may go untouched before others take it up.
    pub lease: Duration,
    /// The largest clip that is fetched, in bytes.
    pub max_clip: u64,
    /// A folder of this worker's own.
    pub scratch: PathBuf,
    /// Becomes true when it shall end.
    pub stop: watch::Receiver<bool>,
}

/// A worker at work.
struct Hands {
    worker: Worker,
    /// One for each entrance, kept for what it has uploaded and opened.
    runners: Mutex<BTreeMap<String, Arc<Runner<'static>>>>,
    notices: mpsc::UnboundedSender<Notice>,
    /// Held while supplied files are brought, so that each is brought once.
    bringing: Mutex<()>,
    /// Steps that may be done at once; free ones.
    free: Semaphore,
}

impl Worker {
    /// Works until it is told to stop, then ends its steps and gives the rest back.
    pub async fn run(self) {
        describe();
        let (notices, watched) = mpsc::unbounded_channel();
        tokio::spawn(log(watched));
        let count = self.concurrency.clamp(1, MOST);
        let (fleet, providers) = (self.fleet.clone(), self.doors.providers());
        let (bringing, free) = (Mutex::default(), Semaphore::new(count));
        let hands = Arc::new(Hands { worker: self, runners: Mutex::default(), notices, bringing, free });
        let sweeping = tokio::spawn(sweep(Arc::clone(&hands)));
        let name = format!("seedpost-{}", uuid::Uuid::now_v7().simple());
        let being = tokio::spawn(be_present(fleet.clone(), name.clone()));
        futures_util::future::join_all(providers.into_iter().map(|provider| attend(&hands, provider, &name))).await;
        sweeping.abort();
        being.abort();
        // Steps go on although the queue has failed: each one ends before the program does.
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let _ = hands.free.acquire_many(count).await;
        // Where that fails, it is told from the beats that do not come.
        let _ = fleet.leave(&name).await;
    }
}

/// Says what is counted.
fn describe() {
    describe_counter!("seedpost_takes_total", "Takes that this worker has brought to an end, by outcome.");
    describe_counter!("seedpost_steps_total", "Steps, by the state that the take was in.");
    describe_histogram!("seedpost_step_seconds", Unit::Seconds, "How long steps took.");
    describe_gauge!("seedpost_steps_busy", "Steps under way.");
    describe_counter!("seedpost_troubles_total", "Steps that could do nothing, and are tried again.");
    describe_counter!("seedpost_swept_total", "Takes that others had left lying.");
    describe_counter!("seedpost_stale_jobs_total", "Jobs of the queue that somebody else had done already.");
    describe_counter!("seedpost_ledger_failures_total", "Steps that the database failed in.");
}

/// Takes a door's jobs until the worker shall stop, from a queue that may fail and come back.
async fn attend(hands: &Arc<Hands>, provider: ProviderName, name: &str) {
    let mut stop = hands.worker.stop.clone();
    while !*stop.borrow() {
        let served = tokio::select! {
            served = serve(hands, provider, name) => served,
            // The queue itself would wait for ever on a network that swallows everything.
            error = hands.worker.fleet.lost(hands.worker.lease / 3) => Err(error.into()),
        };
        match served {
            Ok(()) => break,
            Err(error) => tracing::warn!(%error, "the queue failed; asking it again"),
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = tokio::time::sleep(REST) => {}
        }
    }
}

/// Takes a door's jobs until the worker shall stop, or the queue fails.
async fn serve(hands: &Arc<Hands>, provider: ProviderName, name: &str) -> Result<(), BoxDynError> {
    let Worker { fleet, lease, stop, concurrency, .. } = &hands.worker;
    let count = (*concurrency).clamp(1, MOST);
    let config = Config::default()
        .queue(fleet.queue(provider))
        .batch_size(count.min(4))
        .heartbeat_interval(BEAT)
        .missed_heartbeats(usize::try_from(lease.as_secs() / BEAT.as_secs()).unwrap_or(usize::MAX).max(2));
    let backend = PostgresStorage::<Job>::new(&fleet.pool)
        .with_config(config)
        .poll_with_strategy(Strategy::new().interval(GLANCE));
    // One that failed still has its name.
    let name = format!("{name}-{}", uuid::Uuid::now_v7().simple());
    let worker = WorkerBuilder::new(name.as_str())
        .backend(backend)
        .data(Arc::clone(hands))
        .concurrency(count)
        .parallelize(tokio::spawn)
        .build(advance);
    let mut stop = stop.clone();
    let stopped = async move {
        let _ = stop.wait_for(|stop| *stop).await;
        Ok::<_, std::io::Error>(())
    };
    Ok(worker.run_until(stopped).await?)
}

/// What the queue calls. A step that was begun goes on to its end, whatever becomes of the queue.
async fn advance(job: Job, hands: Data<Arc<Hands>>) -> Result<(), BoxDynError> {
    let Ok(_busy) = hands.free.acquire().await else { return Ok(()) };
    gauge!("seedpost_steps_busy").increment(1);
    let begun = Instant::now();
    let advanced = hands.advance(&job).await;
    histogram!("seedpost_step_seconds").record(begun.elapsed());
    gauge!("seedpost_steps_busy").decrement(1);
    if let Err(error) = &advanced {
        counter!("seedpost_ledger_failures_total").increment(1);
        tracing::warn!(take = job.take, %error, "the step is left to the next one who looks");
    }
    // The sweep finds what was left: the queue itself would try it again at once.
    Ok(())
}

impl Hands {
    async fn advance(&self, job: &Job) -> Result<(), LedgerError> {
        let fleet = &self.worker.fleet;
        let Ok(take) = job.take.parse::<TakeId>() else { return Ok(()) };
        let begun = match fleet.begin(job).await {
            Ok(Some(begun)) => begun,
            Ok(None) => {
                counter!("seedpost_stale_jobs_total").increment(1);
                return Ok(());
            }
            Err(error @ LedgerError::Damaged { .. }) => {
                return self.end(job, &Outcome::Broken(error.to_string())).await;
            }
            Err(error) => return Err(error),
        };
        let mut tries = begun.tries;
        tries.waits = None;
        let sent = begun.errand.request.is_none() || tries.was_sent;
        let stepped = {
            let step = self.attempt(&take, begun.errand, &mut tries);
            tokio::select! {
                stepped = step => stepped,
                never = beat(fleet, job, self.worker.lease / 3) => match never {},
            }
        };
        let stepped = match stepped {
            Ok(stepped) => stepped,
            Err(error @ (LedgerError::Database { .. } | LedgerError::Newer { .. })) => return Err(error),
            Err(error) => Stepped::Rest(Outcome::Broken(error.to_string())),
        };
        let first = sent || tries.was_sent;
        if !matches!(stepped, Stepped::Trouble(_)) {
            tries.troubles = 0;
        }
        match stepped {
            Stepped::More(wait_ms) => fleet.again(job, wait_ms, &tries, first).await,
            Stepped::Rest(outcome) => self.end(job, &outcome).await,
            Stepped::Trouble(words) => {
                counter!("seedpost_troubles_total").increment(1);
                tracing::warn!(take = job.take, reason = words, "could not go on with it; later again");
                tries.troubles += 1;
                if tries.troubles > MAX_TROUBLES {
                    return self.end(job, &Outcome::Unreachable(words)).await;
                }
                tries.waits = Some(words);
                fleet.again(job, millis(self.worker.lease), &tries, first).await
            }
        }
    }

    async fn end(&self, job: &Job, outcome: &Outcome) -> Result<(), LedgerError> {
        if self.worker.fleet.end(job, outcome).await? {
            counter!("seedpost_takes_total", "outcome" => outcome.as_str()).increment(1);
        }
        Ok(())
    }

    async fn attempt(&self, id: &TakeId, errand: Errand, tries: &mut Tries) -> Result<Stepped, LedgerError> {
        let trouble = |words: String| Ok(Stepped::Trouble(words));
        let Worker { ledger, store, doors, scratch, .. } = &self.worker;
        let Some(take) = ledger.take(id).await? else { return trouble("it was never planned".to_owned()) };
        let entrance = match doors.open(&take.plan).await {
            Ok(entrance) => entrance,
            Err(words) => return trouble(words),
        };
        let mut request = errand.request;
        if let (Phase::Ready { .. }, Some(request)) = (&take.phase, &mut request)
            && let Err(error) = self.bring(request).await
        {
            return trouble(error.to_string());
        }
        let shelf = take.job.as_ref().map(|job| Shelf { store: store.clone(), key: clip_key(id, job) });
        let clip = scratch.join(shelf.as_ref().map_or("none", |shelf| &shelf.key));
        let work = Work { take: id.clone(), clip: clip.clone(), request, shelf };
        tries.was_sent = !matches!(take.phase, Phase::Ready { .. });
        let stage = take.phase.as_str();
        counter!("seedpost_steps_total", "state" => stage).increment(1);
        let stepped = self.runner(entrance).await.one_step(&work, tries).await?;
        if matches!(stepped, Stepped::Rest(_)) {
            self.read_bill(entrance, id).await?;
            // It is in the store.
            let _ = tokio::fs::remove_dir_all(clip.parent().unwrap_or(&clip)).await;
        }
        Ok(stepped)
    }

    /// Brings supplied files from the store, and tells the request where they are.
    async fn bring(&self, request: &mut Request) -> Result<(), StoreError> {
        let Worker { store, scratch, .. } = &self.worker;
        let _alone = self.bringing.lock().await;
        for upload in files(request) {
            let path = scratch.join(REFERENCES).join(&upload.sha256);
            if !path.exists() {
                store.get(&reference_key(&upload.sha256), &path, MAX_REFERENCE).await?;
            }
            upload.path = path;
        }
        Ok(())
    }

    /// What cannot be read yet is asked for again by later runs.
    async fn read_bill(&self, entrance: &Entrance, id: &TakeId) -> Result<(), LedgerError> {
        let ledger = self.worker.ledger;
        let Some(take) = ledger.take(id).await?.filter(|take| unbilled(take).next().is_some()) else { return Ok(()) };
        if let Err(reason) = settle(ledger, entrance.provider.as_ref(), &[(id.clone(), take)]).await {
            tracing::info!(take = %id, reason, "the bill could not be read; the estimate stands");
        }
        Ok(())
    }

    async fn runner(&self, entrance: &'static Entrance) -> Arc<Runner<'static>> {
        let mut runners = self.runners.lock().await;
        let make = || {
            let manner = Manner {
                pace: entrance.pace,
                concurrency: self.worker.concurrency,
                patience: Duration::MAX,
                follow: false,
                max_clip: self.worker.max_clip,
                wakes: None,
                slots: None,
                room: entrance.room.clone(),
            };
            let (stop, notices) = (self.worker.stop.clone(), self.notices.clone());
            Arc::new(Runner::new(self.worker.ledger, entrance.provider.as_ref(), manner, stop, notices))
        };
        Arc::clone(runners.entry(entrance.name.clone()).or_insert_with(make))
    }
}

/// Says again and again that the worker is there: the queue does so only while it has room for jobs.
async fn be_present(fleet: Fleet, name: String) {
    loop {
        tokio::time::sleep(BEAT).await;
        let _ = fleet.present(&name).await;
    }
}

/// Says again and again that somebody is at it. Where that fails, others may take the errand up: that costs time and no
/// money.
async fn beat(fleet: &Fleet, job: &Job, every: Duration) -> Infallible {
    loop {
        tokio::time::sleep(every).await;
        let _ = fleet.touch(job).await;
    }
}

/// Puts errands that were left lying into the queue again, and clears queues and disk.
async fn sweep(hands: Arc<Hands>) {
    let Worker { fleet, lease, scratch, concurrency, .. } = &hands.worker;
    let all = u32::try_from((*concurrency).clamp(1, MOST)).unwrap_or(u32::MAX);
    let providers = hands.worker.doors.providers();
    let mut rounds = tokio::time::interval(*lease / 2);
    loop {
        rounds.tick().await;
        match fleet.sweep(&providers, millis(*lease)).await {
            Ok(0) => {}
            Ok(count) => {
                counter!("seedpost_swept_total").increment(count as u64);
                tracing::info!(count, "takes were left lying, and are in the queue again");
            }
            Err(error) => tracing::warn!(%error, "the errands could not be looked through"),
        }
        // What cannot be cleared now is cleared at the next round.
        let _ = fleet.tidy().await;
        // Only while no step may be reading them.
        if let Ok(_all) = hands.free.try_acquire_many(all) {
            forget_references(scratch);
        }
    }
}

/// Removes supplied files that were brought long ago.
fn forget_references(scratch: &Path) {
    let entries = std::fs::read_dir(scratch.join(REFERENCES)).into_iter().flatten().flatten();
    let is_old = |path: &PathBuf| {
        let brought = std::fs::metadata(path).and_then(|facts| facts.modified());
        brought.is_ok_and(|brought| brought.elapsed().is_ok_and(|age| age > KEPT))
    };
    for path in entries.map(|entry| entry.path()).filter(is_old) {
        // What cannot be removed is tried again.
        let _ = std::fs::remove_file(path);
    }
}

/// Tells what happens; of a take that is asked after again and again only what is new.
async fn log(mut notices: mpsc::UnboundedReceiver<Notice>) {
    let mut last: HashMap<TakeId, (&'static str, String)> = HashMap::new();
    while let Some(Notice { take, stage, detail }) = notices.recv().await {
        let told = (stage, detail);
        if last.get(&take) == Some(&told) {
            continue;
        }
        tracing::info!(%take, stage, detail = told.1);
        match stage {
            "done" | "failed" | "refused" | "unknown" => drop(last.remove(&take)),
            _ => drop(last.insert(take, told)),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
