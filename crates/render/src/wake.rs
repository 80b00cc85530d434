//! Wake files: how the receiver of webhooks, a program of its own, tells a waiting run to ask at once.
//!
//! A wake says nothing but "ask now", so one too many costs a poll, and one too few only time. Deliberately
//! absent: what a webhook said.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use sha2::{Digest as _, Sha256};

/// The most files that may lie in the folder.
const MOST: usize = 100_000;
/// How long a file may lie there.
const LIFE: Duration = Duration::from_secs(24 * 3600);
/// How often a waiting run looks.
const GLANCE: Duration = Duration::from_millis(150);
/// How long a count that found the folder full is believed: others take files out of it.
const RECOUNT: Duration = Duration::from_secs(10);

/// A folder of wake files.
#[derive(Debug)]
pub struct Wakes {
    folder: PathBuf,
    most: usize,
    count: Mutex<Option<Count>>,
}

/// How many files there are at most.
#[derive(Debug)]
struct Count {
    files: usize,
    at: Instant,
}

impl Wakes {
    /// Names the folder; it is made when the first file is.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Wakes {
        Wakes::holding(folder, MOST)
    }

    /// As [`Wakes::new`], with room for so many files.
    #[must_use]
    pub fn holding(folder: impl Into<PathBuf>, most: usize) -> Wakes {
        Wakes { folder: folder.into(), most, count: Mutex::new(None) }
    }

    /// Whether a request id is one that a provider would give: 1 to 128 letters, digits, `_` and `-`.
    #[must_use]
    pub fn fits(request_id: &str) -> bool {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        (1..=128).contains(&request_id.len()) && request_id.bytes().all(plain)
    }

    /// Makes the file of a request, unless it is there or the folder is full.
    ///
    /// # Errors
    /// `InvalidInput` for an id that does not [fit](Wakes::fits); else why the file could not be made.
    pub fn wake(&self, request_id: &str) -> io::Result<()> {
        if !Wakes::fits(request_id) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a request id of another form"));
        }
        // Held to the end: two wakes at once must not share the last place.
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path(request_id);
        if path.exists() {
            return Ok(());
        }
        let stale = |count: &Count| count.files >= self.most && count.at.elapsed() >= RECOUNT;
        let counted = match count.take().filter(|count| !stale(count)) {
            Some(count) => count,
            None => {
                fs::create_dir_all(&self.folder)?;
                Count { files: fs::read_dir(&self.folder)?.count(), at: Instant::now() }
            }
        };
        let counted = count.insert(counted);
        if counted.files >= self.most {
            return Ok(());
        }
        match make(&path) {
            Ok(()) => counted.files += 1,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                // Somebody may have removed the folder: look again next time.
                *count = None;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Waits until the request is woken, and removes its file; answers whether it was within the time.
    pub async fn wait(&self, request_id: &str, at_most: Duration) -> bool {
        let path = self.path(request_id);
        let woken = async {
            // A file that cannot be removed wakes nobody, or it would go on doing so.
            while tokio::fs::remove_file(&path).await.is_err() {
                tokio::time::sleep(GLANCE).await;
            }
        };
        tokio::time::timeout(at_most, woken).await.is_ok()
    }

    /// Removes files that nobody has waited for in a day; answers how many.
    ///
    /// # Errors
    /// When the folder cannot be read. A missing one is fine.
    pub fn sweep(&self, now: SystemTime) -> io::Result<usize> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            entries => entries?,
        };
        let old = |path: &Path| {
            let facts = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
            now.duration_since(facts.modified().ok()?).ok().filter(|age| *age > LIFE)
        };
        let ours = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        let paths = entries.flatten().map(|entry| entry.path()).filter(ours).filter(|path| old(path).is_some());
        let removed = paths.filter(|path| fs::remove_file(path).is_ok()).count();
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(removed)
    }

    /// The name is a digest, so that no id can lead out of the folder.
    fn path(&self, request_id: &str) -> PathBuf {
        self.folder.join(format!("{:x}", Sha256::digest(request_id.as_bytes())))
    }
}

/// Makes an empty file, which is whole as soon as it is there; follows no link.
fn make(path: &Path) -> io::Result<()> {
    File::options().write(true).create_new(true).open(path).map(drop)
}
