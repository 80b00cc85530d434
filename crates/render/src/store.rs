//! Where a fleet's files lie: a folder that all its machines see, or a bucket of S3 and its likes.
//!
//! What stands under a key is whole and is never replaced: two machines that bring the same clip do not meet halfway.
//! Deliberately absent: lists, deletion, and any judgement of the bytes.

mod address;
mod bucket;
mod disk;
mod line;
mod source;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::StreamExt as _;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt as _};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use crate::runner::TEMPORARY;
use source::Source;

/// How often a key is tried that somebody else is writing at the same moment.
const TRIES: usize = 3;
/// What a store is tried with.
const PROBE: &[u8] = b"seedpost wrote this to see whether it can; it may be removed\n";

/// Where a fleet's files lie.
#[derive(Clone)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    kind: Kind,
    /// The address, which holds no secret.
    shown: String,
}

/// What differs between the two.
#[derive(Clone)]
enum Kind {
    /// A folder; files are copied to it without the library, which keeps whole files in memory or replaces others.
    Folder { root: PathBuf, names: LocalFileSystem },
    /// A bucket, and what to look at where it refuses.
    Bucket { advice: &'static str },
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.shown).finish()
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// What became of a file that was to be put there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It stands there now.
    Made,
    /// Something stood there before, and still does.
    There,
}

/// Why the store did not do what it was asked to. No message holds a credential.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The address or a variable of the environment leads to no store.
    #[error("{0}")]
    Address(String),
    /// A key that could lead out of the store, or names nothing.
    #[error("the key {0:?} is no name in a store: allowed are names joined by /, without . and .. among them")]
    Key(String),
    /// Nothing stands there.
    #[error("{store}: nothing stands under {key}")]
    Missing {
        /// The store's address.
        store: String,
        /// What was asked for.
        key: String,
    },
    /// What stands there, or is to be put there, is larger than allowed.
    #[error("{store}: {key} has {found} bytes, allowed are {allowed}")]
    TooLarge {
        /// The store's address.
        store: String,
        /// What was asked for.
        key: String,
        /// Its length.
        found: u64,
        /// The limit, in bytes.
        allowed: u64,
    },
    /// A local file stands where one was to be made.
    #[error("{} is there already, and is not replaced", .0.display())]
    Taken(PathBuf),
    /// A local file, or one in the store's folder, could not be read or written.
    #[error("{}: {error}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The store refused, does not answer, or does not keep its word.
    #[error("{store}: {key}: {reason}; {advice}")]
    Failed {
        /// The store's address.
        store: String,
        /// What was asked for.
        key: String,
        /// What it said.
        reason: String,
        /// What to look at.
        advice: &'static str,
    },
}

impl Store {
    /// Opens `file:///absolute/folder` or `s3://bucket[/prefix]`; `variable` reads the environment.
    ///
    /// A bucket's keys and endpoint are named by the variables of AWS' own tools; files of those tools are not read.
    /// Nothing is asked of the store yet: see [`Store::check`].
    pub fn open(address: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Store, StoreError> {
        address::open(address, variable)
    }

    /// Writes, reads and removes a small object, so that a store that is of no use is told before anything is paid.
    pub async fn check(&self) -> Result<(), StoreError> {
        let key = self.key(&format!("{TEMPORARY}{}", uuid::Uuid::now_v7().simple()))?;
        // First, since the answer to a write says why it was refused, and the answer to a question has no words.
        self.write(&key, &mut Source::of_bytes(PROBE)).await?;
        let tried = self.attempt(&key).await;
        let removed = self.objects.delete(&key).await;
        tried?;
        removed.map_err(|error| self.failed(&key, &error))
    }

    /// What else is asked of a store where the probe stands.
    async fn attempt(&self, key: &Key) -> Result<(), StoreError> {
        if self.write(key, &mut Source::of_bytes(PROBE)).await? == Put::Made {
            let reason = "it replaces what stands there, though If-None-Match was asked for".to_owned();
            return Err(self.failure(key, reason, "a store is needed that honours it, as S3 and MinIO do"));
        }
        if matches!(self.kind, Kind::Bucket { .. }) {
            // Some stores do not look at the condition here, as `put` says; what counts is that they take parts.
            self.parts(key, &mut Source::of_bytes(PROBE)).await?;
        }
        self.read(key, u64::MAX, &mut tokio::io::sink(), Path::new("")).await?;
        // Who may not list a bucket is told of what is missing there that it is forbidden.
        self.stands(&self.key(&format!("{key}-missing"))?).await.map(|_| ())
    }

    /// Whether something stands under a key.
    pub async fn has(&self, key: &str) -> Result<bool, StoreError> {
        self.stands(&self.key(key)?).await
    }

    async fn stands(&self, key: &Key) -> Result<bool, StoreError> {
        match self.objects.head(key).await.map_err(|error| self.failed(key, &error)) {
            Ok(_) => Ok(true),
            Err(StoreError::Missing { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Puts a local file there, whole and on disk, unless the key is taken: what stands there is never replaced.
    ///
    /// In a bucket the store itself sees to that, by `If-None-Match`. One that does not honour it for uploads in parts
    /// is only asked beforehand: of two who put a large file at the same moment, the later one stays. A program that is
    /// killed may leave parts behind, which the bucket's lifecycle rules clear (`AbortIncompleteMultipartUpload`), or in
    /// a folder a file whose name begins with [`TEMPORARY`].
    pub async fn put(&self, key: &str, from: &Path) -> Result<Put, StoreError> {
        let key = self.key(key)?;
        for _ in 0..TRIES {
            let mut source = Source::of_file(from).await?;
            if self.stands(&key).await? {
                return Ok(Put::There);
            }
            if self.write(&key, &mut source).await? == Put::Made {
                return Ok(Put::Made);
            }
            // Whoever else is at it may fail yet: where two meet, S3 refuses one of them (409) before the other is done.
        }
        if self.stands(&key).await? {
            return Ok(Put::There);
        }
        Err(self.failure(
            &key,
            "something keeps it from being written, and nothing stands there".to_owned(),
            "try again",
        ))
    }

    async fn write(&self, key: &Key, from: &mut Source<'_, impl AsyncRead + Unpin>) -> Result<Put, StoreError> {
        match &self.kind {
            Kind::Folder { root, names } => {
                let to = names.path_to_filesystem(key).map_err(|_| StoreError::Key(key.to_string()))?;
                disk::put(root, &to, from).await
            }
            Kind::Bucket { .. } => self.send(key, from).await,
        }
    }

    /// Brings an object to a local file, which is whole or absent and is never replaced; answers SHA-256 and length.
    pub async fn get(&self, key: &str, to: &Path, max_bytes: u64) -> Result<(String, u64), StoreError> {
        let key = self.key(key)?;
        let disk = |error| StoreError::Disk { path: to.to_owned(), error };
        if tokio::fs::try_exists(to).await.map_err(disk)? {
            return Err(StoreError::Taken(to.to_owned()));
        }
        let (draft, mut file) = disk::Draft::beside(to, 0o600).await.map_err(disk)?;
        let facts = self.read(&key, max_bytes, &mut file, to).await?;
        match draft.keep(to, Some(0o644)).await.map_err(disk)? {
            Put::Made => Ok(facts),
            Put::There => Err(StoreError::Taken(to.to_owned())),
        }
    }

    /// Reads an object as it comes, to a file that has this path.
    async fn read(
        &self,
        key: &Key,
        max_bytes: u64,
        to: &mut (impl AsyncWrite + Unpin),
        path: &Path,
    ) -> Result<(String, u64), StoreError> {
        let disk = |error| StoreError::Disk { path: path.to_owned(), error };
        let object = self.objects.get(key).await.map_err(|error| self.failed(key, &error))?;
        let length = object.meta.size;
        if length > max_bytes {
            return Err(self.too_large(key, length, max_bytes));
        }
        let (mut hasher, mut total) = (Sha256::new(), 0_u64);
        let mut pieces = object.into_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| self.failed(key, &error))?;
            total = total.saturating_add(piece.len() as u64);
            // A file that was cut meanwhile would answer nothing for ever.
            if total > length || (piece.is_empty() && matches!(self.kind, Kind::Folder { .. })) {
                break;
            }
            hasher.update(&piece);
            to.write_all(&piece).await.map_err(disk)?;
        }
        if total != length {
            let reason = format!("{total} bytes came where {length} were announced");
            return Err(self.failure(key, reason, "try again"));
        }
        to.flush().await.map_err(disk)?;
        Ok((format!("{:x}", hasher.finalize()), total))
    }

    /// A key as the library has it; what it would quietly change is refused.
    fn key(&self, key: &str) -> Result<Key, StoreError> {
        let refused = || StoreError::Key(key.to_owned());
        let parsed = Key::parse(key).map_err(|_| refused())?;
        let same = !key.is_empty() && parsed.as_ref() == key;
        // A folder has names of its own for what is being written.
        let fits = match &self.kind {
            Kind::Folder { names, .. } => names.path_to_filesystem(&parsed).is_ok(),
            Kind::Bucket { .. } => true,
        };
        if same && fits { Ok(parsed) } else { Err(refused()) }
    }

    fn failure(&self, key: &Key, reason: String, advice: &'static str) -> StoreError {
        StoreError::Failed { store: self.shown.clone(), key: key.to_string(), reason, advice }
    }

    fn too_large(&self, key: &Key, found: u64, allowed: u64) -> StoreError {
        StoreError::TooLarge { store: self.shown.clone(), key: key.to_string(), found, allowed }
    }

    /// What an error of the library means.
    fn failed(&self, key: &Key, error: &object_store::Error) -> StoreError {
        let reason = bucket::reason(error);
        let no_bucket = reason.contains("NoSuchBucket");
        match (error, &self.kind) {
            (object_store::Error::NotFound { .. }, _) if !no_bucket => {
                StoreError::Missing { store: self.shown.clone(), key: key.to_string() }
            }
            (_, Kind::Bucket { .. }) if no_bucket => self.failure(key, reason, "make the bucket, or name another"),
            (_, Kind::Bucket { advice }) => self.failure(key, reason, advice),
            (_, Kind::Folder { .. }) => self.failure(key, reason, "check the folder and its permissions"),
        }
    }
}
