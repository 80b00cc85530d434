//! Keys and addresses from the environment, or from `.env` beside the shot list; never from the list.

use std::collections::HashMap;
use std::path::Path;

/// The environment over the project's `.env`.
pub(crate) struct Environment {
    file: HashMap<String, String>,
}

impl Environment {
    /// Reads `.env`, where there is one; a line that makes no sense is passed over.
    pub(crate) fn read(folder: &Path) -> Environment {
        let lines = dotenvy::from_path_iter(folder.join(".env"));
        Environment { file: lines.into_iter().flatten().flatten().collect() }
    }

    /// An address that a key is sent to. A received project's `.env` must not send this machine's own
    /// key elsewhere: its address counts only where the key comes from the same file.
    pub(crate) fn address(&self, name: &str, key: &str) -> Option<String> {
        let foreign = std::env::var(key).is_ok() && std::env::var(name).is_err();
        if foreign { None } else { self.get(name) }
    }

    /// The value of a name that is set and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let own = std::env::var(name).ok();
        own.or_else(|| self.file.get(name).cloned()).filter(|value| !value.is_empty())
    }
}
