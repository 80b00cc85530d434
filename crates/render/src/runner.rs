//! Does `job::next_step` for each take until nothing is left to do, several takes at a time.
//!
//! A take that fails does not stop the others. A stop request ends the run between steps, never in the
//! middle of a submit.

use std::collections::HashMap;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable};
use futures_util::StreamExt as _;
use seedpost_core::job::{Delivery, Event, Failure, FailureKind, JobRef, Phase, PollPace, Step, Take, next_step};
use seedpost_core::shot::TakeId;
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, mpsc, watch};

use crate::ledger::{Ledger, LedgerError};
use crate::provider::{CallError, Order, Progress, Provider, SubmitError, Upload};

/// The largest clip that is fetched, in bytes.
const MAX_CLIP: u64 = 4 << 30;
/// How often a submit that did not arrive is tried in one run.
const MAX_DEFERRALS: u32 = 5;
/// How often a clip is fetched in one run, each time from a fresh address.
const MAX_DOWNLOADS: u32 = 3;

/// Where a reference comes from.
#[derive(Debug, Clone)]
pub enum Input {
    /// An address that the provider reads by itself.
    Url(String),
    /// A local file, uploaded first.
    File(Upload),
}

/// A take and what it needs.
#[derive(Debug, Clone)]
pub struct Work {
    /// The take; its plan stands in the ledger.
    pub take: TakeId,
    /// What is asked for; its addresses are empty and filled from the inputs.
    pub order: Order,
    /// Reference images.
    pub images: Vec<Input>,
    /// Reference videos.
    pub videos: Vec<Input>,
    /// Reference sounds.
    pub audios: Vec<Input>,
    /// The first frame.
    pub first_frame: Option<Input>,
    /// The last frame.
    pub last_frame: Option<Input>,
    /// The clip's final name; its folder exists.
    pub clip: PathBuf,
}

/// How a take came out of a run.
#[derive(Debug)]
pub enum Outcome {
    /// The clip is on disk.
    Done,
    /// There is no clip, and the provider said why.
    Failed(Failure),
    /// A payment is unknown.
    Unknown(String),
    /// The budget does not allow it.
    OverBudget(String),
    /// The provider could not be reached or understood; the next run goes on from here.
    Unreachable(String),
    /// The run was stopped; the next one goes on from here.
    Stopped,
    /// A file stands where the clip would go; nothing was sent.
    Occupied(String),
    /// The ledger or the disk failed.
    Broken(String),
}

/// Something that happened, for whoever watches.
#[derive(Debug, Clone)]
pub struct Notice {
    /// The take.
    pub take: TakeId,
    /// The stage, in one word.
    pub stage: &'static str,
    /// What else there is to say.
    pub detail: String,
}

/// How a run goes about its work.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// How often jobs are asked after.
    pub pace: PollPace,
    /// How many takes are under way at once.
    pub concurrency: usize,
    /// How long a run waits for one job; a later run goes on waiting.
    pub patience: Duration,
}

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
    /// Addresses of files that this run has uploaded already.
    uploaded: Mutex<HashMap<Upload, String>>,
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
        Runner { ledger, provider, manner, stop, notices, uploaded: Mutex::default() }
    }

    /// Runs all takes; answers in their order.
    pub async fn run(&self, works: Vec<Work>) -> Vec<(TakeId, Outcome)> {
        let one = |(place, work): (usize, Work)| async move {
            let outcome = self.advance(&work).await;
            (place, work.take, outcome)
        };
        let works = futures_util::stream::iter(works.into_iter().enumerate());
        let mut outcomes: Vec<_> = works.map(one).buffer_unordered(self.manner.concurrency.max(1)).collect().await;
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
            Err(Halt::Call(error)) => Outcome::Unreachable(error.message),
            Err(error) => Outcome::Broken(error.to_string()),
        }
    }

    async fn steps(&self, work: &Work) -> Result<Take, Halt> {
        let (mut deferrals, mut downloads) = (0, 0);
        let begun = Instant::now();
        loop {
            let missing =
                || LedgerError::Damaged { take: work.take.to_string(), what: "it was never planned".to_owned() };
            let take = self.ledger.take(&work.take).await?.ok_or_else(missing)?;
            match next_step(&take, self.ledger.now().await?, self.manner.pace) {
                Step::Rest => return Ok(take),
                // What stands there was never paid for by this take.
                Step::Submit { .. } if work.clip.exists() => return Err(Halt::Occupied(work.clip.clone())),
                Step::Submit { .. } if deferrals >= MAX_DEFERRALS => return Ok(take),
                Step::Submit { wait_ms } => {
                    deferrals += 1;
                    self.wait(wait_ms).await?;
                    self.submit(work, &take).await?;
                }
                Step::Poll { .. } if begun.elapsed() > self.manner.patience => return Ok(take),
                Step::Poll { job, wait_ms } => {
                    self.wait(wait_ms).await?;
                    self.poll(work, &take, &job).await?;
                }
                Step::Download { .. } if downloads >= MAX_DOWNLOADS => return Ok(take),
                Step::Download { job, url } => {
                    downloads += 1;
                    self.wait(0).await?;
                    self.download(work, &take, &job, &url).await?;
                }
            }
        }
    }

    fn notify(&self, work: &Work, stage: &'static str, detail: impl Into<String>) {
        // Nobody may be watching.
        let _ = self.notices.send(Notice { take: work.take.clone(), stage, detail: detail.into() });
    }

    /// Waits, unless the run is stopped first.
    async fn wait(&self, milliseconds: u64) -> Result<(), Halt> {
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => Err(Halt::Stopped),
            () = tokio::time::sleep(Duration::from_millis(milliseconds)) => Ok(()),
        }
    }

    async fn submit(&self, work: &Work, take: &Take) -> Result<(), Halt> {
        let body = self.provider.body(&self.fill(work).await?);
        let (take, reservation) = self.ledger.intend(&work.take, take.length, body.clone(), take.plan.estimate).await?;
        self.notify(work, "submit", format!("{} set aside", reservation.amount()));
        let event = match self.provider.submit(&take.plan.endpoint, &body, reservation).await {
            Ok(job) => Event::Submitted(job),
            Err(SubmitError::NotSent(reason)) => Event::SubmitDeferred { reason, wait_ms: 2000 },
            Err(SubmitError::Throttled { wait_ms, message }) => Event::SubmitDeferred { reason: message, wait_ms },
            Err(SubmitError::Refused(failure)) => Event::SubmitRefused(failure),
            Err(SubmitError::ChargeUnknown(reason)) => Event::SubmitUnknown { reason },
        };
        match &event {
            Event::Submitted(job) => self.notify(work, "submitted", job.request_id.clone()),
            Event::SubmitDeferred { reason, .. } => self.notify(work, "deferred", reason.clone()),
            Event::SubmitRefused(failure) => self.notify(work, "refused", failure.message.clone()),
            Event::SubmitUnknown { reason } => self.notify(work, "unknown", reason.clone()),
            _ => {}
        }
        self.ledger.append(&work.take, take.length, event).await?;
        Ok(())
    }

    /// The order with an address for each reference.
    async fn fill(&self, work: &Work) -> Result<Order, Halt> {
        let mut order = work.order.clone();
        for (addresses, inputs) in
            [(&mut order.images, &work.images), (&mut order.videos, &work.videos), (&mut order.audios, &work.audios)]
        {
            for input in inputs {
                addresses.push(self.address(work, input).await?);
            }
        }
        for (address, input) in [(&mut order.first_frame, &work.first_frame), (&mut order.last_frame, &work.last_frame)]
        {
            if let Some(input) = input {
                *address = Some(self.address(work, input).await?);
            }
        }
        Ok(order)
    }

    async fn address(&self, work: &Work, input: &Input) -> Result<String, Halt> {
        let upload = match input {
            Input::Url(url) => return Ok(url.clone()),
            Input::File(upload) => upload,
        };
        if let Some(address) = self.uploaded.lock().await.get(upload) {
            return Ok(address.clone());
        }
        self.notify(work, "upload", upload.file_name.clone());
        let address = (|| self.provider.upload(upload)).retry(patience()).when(|error| error.transient).await?;
        self.uploaded.lock().await.insert(upload.clone(), address.clone());
        Ok(address)
    }

    async fn poll(&self, work: &Work, take: &Take, job: &JobRef) -> Result<(), Halt> {
        let progress = (|| self.provider.poll(job)).retry(patience()).when(|error| error.transient).await?;
        let event = match progress {
            Progress::Queued(position) => {
                self.notify(
                    work,
                    "queued",
                    position.map_or_else(String::new, |position| format!("{position} before it")),
                );
                return Ok(());
            }
            Progress::Running(log) => {
                self.notify(work, "rendering", log.unwrap_or_default());
                return Ok(());
            }
            Progress::Done { url, charged } => Event::Rendered { url, charged },
            Progress::Failed(failure) => {
                self.notify(work, "failed", failure.message.clone());
                Event::RenderFailed(failure)
            }
        };
        self.ledger.append(&work.take, take.length, event).await?;
        Ok(())
    }

    async fn download(&self, work: &Work, take: &Take, job: &JobRef, url: &str) -> Result<(), Halt> {
        self.notify(work, "download", String::new());
        if !work.clip.exists() {
            let fetched = (|| fetch(self.provider.media_url(url), &work.clip))
                .retry(patience())
                .when(|error| matches!(error, Halt::Call(error) if error.transient))
                .await;
            match fetched {
                Err(Halt::Call(error)) if !error.transient => return self.renew(work, take, job, url, error).await,
                other => other?,
            }
        }
        let path = work.clip.clone();
        let measured = tokio::task::spawn_blocking(move || digest(&path)).await;
        let delivery = measured
            .map_err(std::io::Error::other)
            .flatten()
            .map_err(|error| Halt::Disk { path: work.clip.clone(), error })?;
        self.notify(work, "done", format!("{} bytes", delivery.bytes));
        self.ledger.append(&work.take, take.length, Event::Downloaded(delivery)).await?;
        Ok(())
    }

    /// Asks again where the clip is, since the address has expired; gives up when it is the same one.
    async fn renew(&self, work: &Work, take: &Take, job: &JobRef, url: &str, error: CallError) -> Result<(), Halt> {
        let progress = (|| self.provider.poll(job)).retry(patience()).when(|error| error.transient).await?;
        match progress {
            Progress::Done { url: fresh, charged } if fresh != url => {
                self.ledger.append(&work.take, take.length, Event::Rendered { url: fresh, charged }).await?;
                Ok(())
            }
            _ => Err(error.into()),
        }
    }
}

/// Five tries within about 15 seconds, for calls that cost nothing.
fn patience() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(500))
        .with_max_delay(Duration::from_secs(8))
        .with_max_times(5)
        .with_jitter()
}

/// Fetches a clip to a temporary name beside its final one, syncs it, and renames it.
async fn fetch(url: String, clip: &Path) -> Result<(), Halt> {
    let disk = |error| Halt::Disk { path: clip.to_owned(), error };
    let transient = |error: reqwest::Error| CallError {
        transient: true,
        message: format!("download: {}", crate::http::reason(error)),
    };
    let lasting = |message: String| CallError { transient: false, message };
    let client = crate::http::client().map_err(transient)?;
    let mut response = client.get(url).send().await.map_err(transient)?;
    let status = response.status();
    if !status.is_success() {
        let transient = status.is_server_error() || status.as_u16() == 429;
        return Err(CallError { transient, message: format!("download: HTTP {}", status.as_u16()) }.into());
    }
    let folder = clip.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder).map_err(disk)?;
    let mut length = 0;
    let mut head = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(transient)? {
        length += chunk.len() as u64;
        if length > MAX_CLIP {
            return Err(lasting(format!("the clip is larger than {MAX_CLIP} bytes")).into());
        }
        head.extend(chunk.iter().take(12_usize.saturating_sub(head.len())));
        file.write_all(&chunk).map_err(disk)?;
    }
    if !is_clip(&head) {
        return Err(lasting(format!("the address of the clip answered {length} bytes that are no video")).into());
    }
    if !is_whole(file.as_file()).map_err(disk)? {
        let message = format!("download: the clip was cut off after {length} bytes");
        return Err(CallError { transient: true, message }.into());
    }
    file.as_file().sync_all().map_err(disk)?;
    file.persist_noclobber(clip).map_err(|error| disk(error.error))?;
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(disk)
}

/// How temporary names begin, so that a later run can clear what a killed one left.
pub const TEMPORARY: &str = ".seedpost-";

/// Whether the bytes begin an MP4, MOV or WebM.
fn is_clip(head: &[u8]) -> bool {
    head.get(4..8) == Some(b"ftyp") || head.starts_with(b"\x1aE\xdf\xa3")
}

/// Whether the boxes of an MP4 end where the file ends, an index among them (ISO/IEC 14496-12, 4.2).
/// An answer without a length may break off unnoticed. Other containers are taken as they come.
fn is_whole(mut file: &std::fs::File) -> std::io::Result<bool> {
    let length = file.metadata()?.len();
    let (mut at, mut index) = (0_u64, false);
    while at < length {
        let mut header = [0; 16];
        file.seek(SeekFrom::Start(at))?;
        let read = file.read(&mut header)?;
        if read < 8 {
            return Ok(false);
        }
        if at == 0 && &header[4..8] != b"ftyp" {
            return Ok(true);
        }
        index |= &header[4..8] == b"moov";
        let [a, b, c, d, _, _, _, _, wide @ ..] = header;
        let size = match u32::from_be_bytes([a, b, c, d]) {
            0 => length - at,
            1 if read == 16 => u64::from_be_bytes(wide),
            size => size.into(),
        };
        match at.checked_add(size).filter(|_| size >= 8) {
            Some(end) => at = end,
            None => return Ok(false),
        }
    }
    Ok(index && at == length)
}

fn digest(path: &Path) -> std::io::Result<Delivery> {
    let mut file = std::fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let bytes = std::io::copy(&mut file, &mut hasher)?;
    Ok(Delivery { sha256: format!("{:x}", hasher.finalize()), bytes })
}

/// Whether a failed take may be sent again as it stands: nothing is owed, and the cause was not in it.
#[must_use]
pub fn may_repeat(failure: &Failure) -> bool {
    !failure.owed && matches!(failure.kind, FailureKind::Account | FailureKind::TryAgain)
}
