//! A finished clip on its way to the disk: fetched to a temporary name, judged, synced, renamed.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use backon::Retryable as _;
use seedpost_core::job::{Delivery, Event, JobRef, Take};
use sha2::{Digest as _, Sha256};
use tokio::task::JoinSet;

use super::{Halt, Runner, Shelf, Work, patience};
use crate::cut;
use crate::fetch::{FetchError, FetchLimits, Fetcher};
use crate::provider::{CallError, Progress};
use crate::store::Put;

/// How temporary names begin, so that a later run can clear what a killed one left.
pub const TEMPORARY: &str = ".seedpost-";
/// How long a clip may take to arrive.
const TRANSFER: Duration = Duration::from_secs(3600);
/// How many redirects a media host may make.
const REDIRECTS: usize = 3;
/// The largest picture of a last frame, in bytes.
const MAX_FRAME: u64 = 64 << 20;

impl Runner<'_> {
    pub(super) async fn download(
        &self,
        work: &Work,
        take: &Take,
        job: &JobRef,
        url: &str,
        last_frame: Option<&str>,
    ) -> Result<Take, Halt> {
        self.notify(work, "download", String::new());
        let folder = work.clip.parent().unwrap_or(Path::new("."));
        let made = tokio::fs::create_dir_all(folder).await;
        made.map_err(|error| Halt::Disk { path: folder.to_owned(), error })?;
        if let Some(shelf) = work.shelf.as_ref().filter(|_| !work.clip.exists())
            && shelf.store.has(&shelf.key).await?
        {
            // Another worker has fetched it.
            self.unshelve(work, shelf).await?;
        }
        if !work.clip.exists() {
            let fetched = self.or_stopped(self.patiently(url, &work.clip)).await?;
            match fetched {
                Err(Halt::Call(error)) if !error.transient => return self.renew(work, take, job, url, error).await,
                other => other?,
            }
        }
        if let Some(url) = last_frame {
            self.fetch_last_frame(work, url).await;
        }
        if let Some(shelf) = &work.shelf {
            self.shelve(work, shelf).await?;
        }
        let path = work.clip.clone();
        let measured = tokio::task::spawn_blocking(move || digest(&path)).await;
        let delivery = measured
            .map_err(io::Error::other)
            .flatten()
            .map_err(|error| Halt::Disk { path: work.clip.clone(), error })?;
        self.notify(work, "done", format!("{} bytes", delivery.bytes));
        Ok(self.ledger.append(&work.take, take.length, Event::Downloaded(delivery)).await?)
    }

    /// Puts the clip into the store; what another worker has put there stands, and is what was delivered.
    async fn shelve(&self, work: &Work, shelf: &Shelf) -> Result<(), Halt> {
        let frame = work.clip.with_file_name("last_frame.png");
        if frame.exists() {
            shelf.store.put(&shelf.key.replace("render.mp4", "last_frame.png"), &frame).await?;
        }
        if shelf.store.put(&shelf.key, &work.clip).await? == Put::There {
            let removed = tokio::fs::remove_file(&work.clip).await;
            removed.map_err(|error| Halt::Disk { path: work.clip.clone(), error })?;
            self.unshelve(work, shelf).await?;
        }
        Ok(())
    }

    /// Brings the clip from the store, and judges it like one that was fetched.
    async fn unshelve(&self, work: &Work, shelf: &Shelf) -> Result<(), Halt> {
        shelf.store.get(&shelf.key, &work.clip, self.manner.max_clip).await?;
        let disk = |error| Halt::Disk { path: work.clip.clone(), error };
        let judged = File::open(&work.clip).and_then(|file| is_whole_clip(&file)).map_err(disk)?;
        if let Err(refused) = judged {
            tokio::fs::remove_file(&work.clip).await.map_err(disk)?;
            return Err(CallError::lasting(format!("{} in the store: {}", shelf.key, refused.message)).into());
        }
        Ok(())
    }

    async fn patiently(&self, url: &str, clip: &Path) -> Result<(), Halt> {
        let again = |error: &Halt| matches!(error, Halt::Call(error) if error.transient);
        (|| self.fetch(url, clip, self.manner.max_clip, is_whole_clip))
            .retry(patience(self.manner.pace))
            .when(again)
            .await
    }

    /// The picture is a convenience: without it the last frame is taken from the clip.
    async fn fetch_last_frame(&self, work: &Work, url: &str) {
        let path = work.clip.with_file_name("last_frame.png");
        if path.exists() {
            return;
        }
        let is_png: Judge = |mut file| {
            let mut head = [0; 8];
            file.seek(SeekFrom::Start(0))?;
            let png = file.read_exact(&mut head).is_ok() && head == *b"\x89PNG\r\n\x1a\n";
            Ok(if png { Ok(()) } else { Err(CallError::lasting("the last frame is no PNG")) })
        };
        let fetched = self.or_stopped(self.fetch(url, &path, MAX_FRAME, is_png)).await;
        if let Ok(Err(error)) = fetched {
            self.notify(work, "last frame", error.to_string());
        }
    }

    /// Asks again where the clip is, since the address has expired; gives up when it is the same one.
    async fn renew(&self, work: &Work, take: &Take, job: &JobRef, url: &str, error: CallError) -> Result<Take, Halt> {
        match self.ask(job).await? {
            Progress::Done(fresh) if fresh.url != url => {
                let event = Event::Rendered { url: fresh.url, charged: fresh.charged, last_frame: fresh.last_frame };
                Ok(self.ledger.append(&work.take, take.length, event).await?)
            }
            _ => Err(CallError { unknown: false, ..error }.into()),
        }
    }

    async fn fetch(&self, url: &str, to: &Path, max_bytes: u64, judge: Judge) -> Result<(), Halt> {
        let reach = self.provider.media_reach();
        let make = || async { Fetcher::new(FetchLimits { max_bytes, time: TRANSFER, redirects: REDIRECTS, reach }) };
        let fetcher = self.fetcher.get_or_try_init(make).await.map_err(|error| call_error(&error))?;
        // A task of its own, so that clips arrive on all cores; it ends with this call.
        let mut tasks = JoinSet::new();
        tasks.spawn(bring(fetcher.up_to(max_bytes), self.provider.media_url(url), to.to_owned(), judge));
        let brought = tasks.join_next().await.map(|brought| brought.map_err(io::Error::other).flatten());
        let brought = brought.unwrap_or_else(|| Err(io::Error::other("the fetch did not begin")));
        brought.map_err(|error| Halt::Disk { path: to.to_owned(), error })?.map_err(Halt::from)
    }
}

/// Fetches a file to a temporary name beside its final one, judges it, syncs it, and renames it.
async fn bring(fetcher: Fetcher, url: String, to: PathBuf, judge: Judge) -> io::Result<Result<(), CallError>> {
    let folder = to.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder)?;
    match fetcher.fetch(&url, file.as_file_mut()).await {
        Err(FetchError::Io(error)) => return Err(error),
        Err(error) => return Ok(Err(call_error(&error))),
        Ok(_) => {}
    }
    // Several at a time: the disk synchronises what comes together at once.
    tokio::task::spawn_blocking(move || keep(file, &to, judge)).await.map_err(io::Error::other)?
}

/// Whether a file that came is what was asked for.
type Judge = fn(&File) -> io::Result<Result<(), CallError>>;

/// Gives a file its final name once it is judged and on disk.
fn keep(file: tempfile::NamedTempFile, to: &Path, judge: Judge) -> io::Result<Result<(), CallError>> {
    if let Err(refused) = judge(file.as_file())? {
        return Ok(Err(refused));
    }
    file.as_file().set_permissions(PermissionsExt::from_mode(0o644))?;
    file.as_file().sync_all()?;
    cut::here("before_name");
    file.persist_noclobber(to)?;
    cut::here("after_name");
    File::open(to.parent().unwrap_or(Path::new(".")))?.sync_all().map(Ok)
}

fn call_error(error: &FetchError) -> CallError {
    let message = format!("download: {error}");
    match error {
        FetchError::Status(408 | 429 | 500..) | FetchError::TimedOut(_) | FetchError::Failed(_) => {
            CallError::transient(message)
        }
        _ => CallError::lasting(message),
    }
}

/// Whether a file begins as a video and ends where its parts do.
fn is_whole_clip(mut file: &File) -> io::Result<Result<(), CallError>> {
    let length = file.metadata()?.len();
    let mut head = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(12).read_to_end(&mut head)?;
    if !is_clip(&head) {
        let message = format!("the address of the clip answered {length} bytes that are no video");
        return Ok(Err(CallError::lasting(message)));
    }
    if !is_whole(file)? {
        return Ok(Err(CallError::transient(format!("download: the clip was cut off after {length} bytes"))));
    }
    Ok(Ok(()))
}

/// Whether the bytes begin an MP4, MOV or WebM.
fn is_clip(head: &[u8]) -> bool {
    head.get(4..8) == Some(b"ftyp") || head.starts_with(b"\x1aE\xdf\xa3")
}

/// Whether the boxes of an MP4 end where the file ends, an index among them (ISO/IEC 14496-12, 4.2).
/// An answer without a length may break off unnoticed. Other containers are taken as they come.
fn is_whole(mut file: &File) -> io::Result<bool> {
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

fn digest(path: &Path) -> io::Result<Delivery> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let bytes = io::copy(&mut file, &mut hasher)?;
    Ok(Delivery { sha256: format!("{:x}", hasher.finalize()), bytes })
}
