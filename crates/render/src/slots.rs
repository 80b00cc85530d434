//! Room for jobs under one key, shared by every run on this machine: a provider counts jobs by key, not by program.
//!
//! A slot is a locked file, so it is free again when its program ends, however that ends. Files are named by a
//! digest of provider and key, from which the key cannot be told.

use std::fs::{File, TryLockError};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::http::Secret;
use crate::provider::CallError;

/// How often a free slot is looked for.
const PACE: Duration = Duration::from_millis(250);

/// The slots of one key.
#[derive(Debug, Clone)]
pub struct Slots {
    folder: PathBuf,
    name: String,
    count: u16,
}

/// A slot that is held; free again when this is dropped.
#[derive(Debug)]
pub struct Slot(#[expect(dead_code, reason = "holding the file is holding the lock")] File);

/// A name for a provider and a key, from which the key cannot be told.
pub(crate) fn key_digest(provider: &str, key: &Secret) -> String {
    let digest = Sha256::new().chain_update("seedpost slots").chain_update(provider).chain_update(key.expose());
    format!("{:.16x}", digest.finalize())
}

impl Slots {
    /// The slots of a key: `count` of them, in a folder that all runs of this user share.
    #[must_use]
    pub fn new(folder: PathBuf, provider: &str, key: &Secret, count: u16) -> Slots {
        Slots { folder, name: key_digest(provider, key), count: count.max(1) }
    }

    /// Waits until a slot is free.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub async fn take(&self) -> Result<Slot, CallError> {
        loop {
            if let Some(slot) = self.try_take()? {
                return Ok(slot);
            }
            tokio::time::sleep(PACE).await;
        }
    }

    /// A slot, where one is free.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub fn try_take(&self) -> Result<Option<Slot>, CallError> {
        self.look().map_err(|error| {
            CallError::lasting(format!("the folder {} cannot be used: {error}", self.folder.display()))
        })
    }

    fn look(&self) -> io::Result<Option<Slot>> {
        std::fs::create_dir_all(&self.folder)?;
        for number in 0..self.count {
            let path = self.folder.join(format!("{}-{number}.lock", self.name));
            let file = File::options().create(true).truncate(false).write(true).open(path)?;
            match file.try_lock() {
                Ok(()) => return Ok(Some(Slot(file))),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_has_so_many_slots_and_no_more() {
        let folder = tempfile::tempdir().expect("a folder");
        let slots = |key: &str| Slots::new(folder.path().to_owned(), "fal", &Secret::new(key.into()), 2);
        let (one, other) = (slots("secret-key").take().await, slots("secret-key").take().await);
        assert!(slots("secret-key").try_take().expect("usable").is_none());
        assert!(slots("another").try_take().expect("usable").is_some());
        drop(one);
        assert!(slots("secret-key").try_take().expect("usable").is_some());
        drop(other);
        let names = std::fs::read_dir(folder.path()).expect("a folder");
        assert!(names.flatten().all(|entry| !entry.file_name().to_string_lossy().contains("secret")));
    }
}
