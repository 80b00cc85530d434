//! A run whose takes are rendered by workers: files into the store, errands into the ledger, clips back.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use seedpost_core::job::{Phase, Take};
use seedpost_core::shot::{ProviderName, TakeId};
use seedpost_render::fleet::{Errand, Fleet, Standing, clip_key, files, reference_key};
use seedpost_render::ledger::{Ledger, LedgerError};
use seedpost_render::runner::{Notice, Outcome, Work};
use seedpost_render::store::Store;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::door;
use crate::keys::Environment;
use crate::output::{Exit, Failure, note};
use crate::project::{digest, ledger_failure};

/// How often the ledger is looked at.
const GLANCE: Duration = Duration::from_millis(400);
/// How often it is looked who is at work.
const MUSTER: Duration = Duration::from_secs(2);
/// How long nobody may be at work before that is said.
const NOBODY: Duration = Duration::from_secs(3);
/// How long takes wait for a worker with their key while only others are at work.
const NO_KEY: Duration = Duration::from_secs(10);
/// How long the ledger's server may be away.
const AWAY: Duration = Duration::from_secs(120);
/// How many clips are copied at once.
const COPIES: usize = 4;

/// The workers of a ledger, as a run sees them.
pub(crate) struct Workers {
    fleet: Fleet,
    store: Store,
    max_clip: u64,
}

/// A run that follows its takes.
pub(crate) struct Following<'f> {
    pub(crate) ledger: &'f Ledger,
    pub(crate) patience: Duration,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) notices: mpsc::UnboundedSender<Notice>,
}

/// Opens the store of a fleet, which can be written.
///
/// # Errors
/// None is named, or it refuses.
pub(crate) async fn store(environment: &Environment, address: Option<&str>) -> Result<Store, Failure> {
    let address = address.map(str::to_owned).or_else(|| environment.get("SEEDPOST_STORE"));
    let missing = || {
        let fix = "name it with --store file:///folder or s3://bucket/prefix, or in SEEDPOST_STORE";
        Failure::new(Exit::Usage, "machines that share a ledger need a store that they share", fix)
    };
    // A received project's `.env` must not send this machine's own key elsewhere.
    let variable = |name: &str| match name.contains("ENDPOINT") {
        true => environment.address(name, "AWS_SECRET_ACCESS_KEY"),
        false => environment.get(name),
    };
    let refused = |error: seedpost_render::store::StoreError| {
        Failure::new(Exit::Usage, error.to_string(), "every machine of the fleet must be able to read and write it")
    };
    let store = Store::open(&address.ok_or_else(missing)?, &variable).map_err(refused)?;
    store.check().await.map_err(refused)?;
    Ok(store)
}

impl Workers {
    /// The workers of a ledger on a server.
    ///
    /// # Errors
    /// The server or the store refuses.
    pub(crate) async fn of(ledger: &Ledger, store: Store, max_clip: u64) -> Result<Workers, Failure> {
        let fleet = Fleet::of(ledger).await.map_err(|error| ledger_failure(&error))?;
        Ok(Workers { fleet, store, max_clip })
    }

    /// Has takes rendered by workers; answers when all of them rest, in their order.
    ///
    /// # Errors
    /// The ledger failed. Takes that were given stay given.
    pub(crate) async fn through(
        &self,
        works: Vec<(ProviderName, Work)>,
        following: &Following<'_>,
    ) -> Result<Vec<(TakeId, Outcome)>, Failure> {
        let order: Vec<TakeId> = works.iter().map(|(_, work)| work.take.clone()).collect();
        let failed = |error: LedgerError| ledger_failure(&error);
        let mut watch = Watch::new(self, following).await.map_err(failed)?;
        let mut errands = Vec::new();
        for (provider, work) in works {
            match self.errand(provider, &work, following).await {
                Ok(errand) => {
                    errands.push((work.take.clone(), errand));
                    watch.open.insert(work.take, Wanted { provider, clip: work.clip, waits: None });
                }
                Err(outcome) => drop(watch.outcomes.insert(work.take, outcome)),
            }
        }
        self.fleet.give(&errands).await.map_err(failed)?;
        let mut outcomes = watch.follow().await.map_err(failed)?;
        Ok(order.into_iter().filter_map(|take| outcomes.remove_entry(&take)).collect())
    }

    /// Brings clips that workers have made while nobody followed them.
    pub(crate) async fn bring(&self, clips: Vec<(TakeId, PathBuf, Take)>) -> Vec<(TakeId, Outcome)> {
        let (mut copies, mut outcomes) = (JoinSet::new(), BTreeMap::new());
        for (id, clip, take) in clips {
            self.begin_copy(&mut copies, &mut outcomes, id, clip, &take).await;
        }
        while let Some(copied) = copies.join_next().await {
            keep(copied, &mut outcomes);
        }
        outcomes.into_iter().collect()
    }

    /// Takes errands back that nobody has sent yet, of earlier runs: what is still wanted is given anew.
    pub(crate) async fn take_back(&self, takes: Vec<TakeId>) -> Result<(), Failure> {
        self.fleet.take_back(&takes).await.map_err(|error| ledger_failure(&error))
    }

    /// Has workers ask what takes did cost, where this machine has no key; nobody waits for it.
    pub(crate) async fn ask_for_bills(&self, takes: Vec<(TakeId, ProviderName)>) -> Result<(), Failure> {
        let errand = |(take, provider)| (take, Errand { provider, request: None });
        let errands: Vec<_> = takes.into_iter().map(errand).collect();
        self.fleet.give(&errands).await.map_err(|error| ledger_failure(&error))
    }

    /// Begins to copy a clip, once there is room for one more copy.
    async fn begin_copy(
        &self,
        copies: &mut JoinSet<(TakeId, Outcome)>,
        outcomes: &mut BTreeMap<TakeId, Outcome>,
        id: TakeId,
        clip: PathBuf,
        take: &Take,
    ) {
        let (Phase::Done(delivery), Some(job)) = (take.phase.clone(), &take.job) else { return };
        while copies.len() >= COPIES
            && let Some(copied) = copies.join_next().await
        {
            keep(copied, outcomes);
        }
        let (store, max_clip, key) = (self.store.clone(), self.max_clip, clip_key(&id, job));
        copies.spawn(async move {
            let copied = copy(&store, &key, &clip, max_clip, &delivery.sha256).await;
            let broken = |what| Outcome::Broken(format!("the clip of {id}: {what}"));
            let outcome = copied.map_or_else(broken, |()| Outcome::Done);
            (id, outcome)
        });
    }

    /// What workers need for a take; its supplied files are in the store then.
    async fn errand(&self, provider: ProviderName, work: &Work, following: &Following<'_>) -> Result<Errand, Outcome> {
        let mut request = work.request.clone();
        if request.is_some() && work.clip.exists() {
            let message = format!("{} is there already, and the ledger does not know it", work.clip.display());
            return Err(Outcome::Occupied(message));
        }
        for upload in request.iter_mut().flat_map(files) {
            if *following.stop.borrow() {
                return Err(Outcome::Stopped);
            }
            // Only what was checked is sent.
            upload.read().await.map_err(|error| Outcome::Broken(error.message))?;
            let put = self.store.put(&reference_key(&upload.sha256), &upload.path).await;
            put.map_err(|error| Outcome::Broken(error.to_string()))?;
            // Wherever it lies here means nothing there.
            upload.path = PathBuf::new();
        }
        Ok(Errand { provider, request })
    }
}

/// The variable that a worker needs for a provider's takes.
pub(crate) fn needs(provider: ProviderName) -> &'static str {
    match provider {
        ProviderName::Simulator => "SEEDPOST_SIMULATOR_URL",
        provider => door::names(provider).0,
    }
}

/// A take that workers are at.
struct Wanted {
    provider: ProviderName,
    clip: PathBuf,
    /// What was told last of why nothing can be done.
    waits: Option<String>,
}

/// A run's takes at the workers, until all of them rest.
struct Watch<'f> {
    workers: &'f Workers,
    following: &'f Following<'f>,
    open: BTreeMap<TakeId, Wanted>,
    outcomes: BTreeMap<TakeId, Outcome>,
    copies: JoinSet<(TakeId, Outcome)>,
    news: News,
    given_again: BTreeSet<TakeId>,
    muster: Muster,
}

impl<'f> Watch<'f> {
    async fn new(workers: &'f Workers, following: &'f Following<'f>) -> Result<Watch<'f>, LedgerError> {
        Ok(Watch {
            workers,
            following,
            open: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            copies: JoinSet::new(),
            news: News { since_ms: following.ledger.now().await?, told: HashMap::new() },
            given_again: BTreeSet::new(),
            muster: Muster::default(),
        })
    }

    async fn follow(mut self) -> Result<BTreeMap<TakeId, Outcome>, LedgerError> {
        let (begun, mut stop) = (Instant::now(), self.following.stop.clone());
        let mut away: Option<Instant> = None;
        loop {
            match self.look().await {
                Ok(()) => away = None,
                Err(error @ LedgerError::Database { .. }) => {
                    if away.is_none() {
                        note(format_args!("{error}; workers wait for it too, and it is asked again"));
                    }
                    if away.get_or_insert_with(Instant::now).elapsed() > AWAY {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
            if self.open.is_empty() || *stop.borrow() || begun.elapsed() > self.following.patience {
                break;
            }
            let _ = tokio::time::timeout(GLANCE, stop.wait_for(|stop| *stop)).await;
        }
        while let Some(copied) = self.copies.join_next().await {
            keep(copied, &mut self.outcomes);
        }
        let stopped = *stop.borrow();
        if stopped && !self.open.is_empty() {
            note(
                "workers go on with what they were given; a later run takes back what the list does not ask for any more",
            );
        }
        for take in self.open.into_keys() {
            let words = "workers are still at it".to_owned();
            self.outcomes.insert(take, if stopped { Outcome::Stopped } else { Outcome::Unreachable(words) });
        }
        Ok(self.outcomes)
    }

    /// Tells what is new, and takes over what has ended.
    async fn look(&mut self) -> Result<(), LedgerError> {
        let standings = self.workers.fleet.standings().await?;
        self.news.tell(self.following, &self.open).await?;
        for Standing { take, outcome, waits } in standings {
            match (self.open.get_mut(&take), outcome, waits) {
                (Some(_), Some(outcome), _) => self.take_over(take, outcome).await?,
                (Some(wanted), None, Some(detail)) if wanted.waits.as_ref() != Some(&detail) => {
                    wanted.waits = Some(detail.clone());
                    // Nobody may be watching.
                    let _ = self.following.notices.send(Notice { take, stage: "waits", detail });
                }
                _ => {}
            }
        }
        self.muster().await
    }

    async fn take_over(&mut self, take: TakeId, outcome: Outcome) -> Result<(), LedgerError> {
        let stands = self.following.ledger.take(&take).await?;
        let goes_on = matches!(outcome, Outcome::Unknown(_)) && stands.as_ref().is_some_and(is_open);
        let Some(wanted) = self.open.get(&take) else { return Ok(()) };
        if goes_on && !self.given_again.contains(&take) {
            // Somebody had the answer after all.
            let errand = Errand { provider: wanted.provider, request: None };
            self.workers.fleet.give(&[(take.clone(), errand)]).await?;
            self.given_again.insert(take);
            return Ok(());
        }
        let Some(wanted) = self.open.remove(&take) else { return Ok(()) };
        match (outcome, stands) {
            (Outcome::Done, Some(stands)) if matches!(stands.phase, Phase::Done(_)) && stands.job.is_some() => {
                let Watch { workers, copies, outcomes, .. } = self;
                workers.begin_copy(copies, outcomes, take, wanted.clip, &stands).await;
            }
            (outcome, _) => drop(self.outcomes.insert(take, outcome)),
        }
        Ok(())
    }

    /// Says where nobody is at work, and gives up takes that nobody at work has the key for.
    async fn muster(&mut self) -> Result<(), LedgerError> {
        if self.open.is_empty() || self.muster.last.is_some_and(|last| last.elapsed() < MUSTER) {
            return Ok(());
        }
        self.muster.last = Some(Instant::now());
        let attended = self.workers.fleet.attended().await?;
        if attended.is_empty() {
            self.muster.no_key.clear();
            if self.muster.nobody.get_or_insert_with(Instant::now).elapsed() >= NOBODY && !self.muster.told {
                self.muster.told = true;
                note("no worker is at work on this ledger: start one with `seedpost worker`; the takes wait for it");
            }
            return Ok(());
        }
        self.muster.nobody = None;
        self.muster.no_key.retain(|provider, _| !attended.contains(provider));
        let needed: BTreeSet<ProviderName> = self.open.values().map(|wanted| wanted.provider).collect();
        for provider in needed.difference(&attended) {
            if self.muster.no_key.entry(*provider).or_insert_with(Instant::now).elapsed() < NO_KEY {
                continue;
            }
            let words = format!("no worker that is at work has {}; one that has it does the take", needs(*provider));
            let (given_up, open) =
                std::mem::take(&mut self.open).into_iter().partition(|(_, wanted)| wanted.provider == *provider);
            self.open = open;
            let given_up: BTreeMap<TakeId, Wanted> = given_up;
            self.outcomes.extend(given_up.into_keys().map(|take| (take, Outcome::Unreachable(words.clone()))));
        }
        Ok(())
    }
}

/// Who is at work, as far as it was looked at.
#[derive(Default)]
struct Muster {
    last: Option<Instant>,
    /// Since when nobody is.
    nobody: Option<Instant>,
    told: bool,
    /// Since when somebody is, but not with this provider's key.
    no_key: BTreeMap<ProviderName, Instant>,
}

fn keep(copied: Result<(TakeId, Outcome), tokio::task::JoinError>, outcomes: &mut BTreeMap<TakeId, Outcome>) {
    if let Ok((take, outcome)) = copied {
        outcomes.insert(take, outcome);
    }
}

/// Brings a clip into the project, unless it is there; it has to be what the ledger says.
async fn copy(store: &Store, key: &str, clip: &Path, max_clip: u64, sha256: &str) -> Result<(), String> {
    if !clip.exists() {
        store.get(key, clip, max_clip).await.map_err(|error| error.to_string())?;
    }
    let path = clip.to_owned();
    let measured = tokio::task::spawn_blocking(move || digest(&path)).await;
    match measured.map_err(std::io::Error::other).flatten() {
        Ok((found, _)) if found == sha256 => Ok(()),
        Ok((found, _)) => Err(format!("sha256 {found}, and the ledger says {sha256}")),
        Err(error) => Err(error.to_string()),
    }
}

fn is_open(take: &Take) -> bool {
    matches!(take.phase, Phase::Running { .. } | Phase::Rendered { .. })
}

/// What the ledger has to tell since a run began to follow it.
struct News {
    since_ms: u64,
    told: HashMap<TakeId, u64>,
}

impl News {
    async fn tell(&mut self, following: &Following<'_>, open: &BTreeMap<TakeId, Wanted>) -> Result<(), LedgerError> {
        let news = following.ledger.since(self.since_ms).await?;
        // What was begun earlier may be on record later, but not by more than a statement may take.
        if let Some((newest, ..)) = news.last() {
            self.since_ms = self.since_ms.max(newest.saturating_sub(60_000));
        }
        for (_, take, number, event) in news {
            let known = self.told.get(&take).is_some_and(|told| *told >= number);
            if known || !open.contains_key(&take) {
                continue;
            }
            self.told.insert(take.clone(), number);
            let (stage, detail) = event.told();
            // Nobody may be watching.
            let _ = following.notices.send(Notice { take, stage, detail });
        }
        Ok(())
    }
}
