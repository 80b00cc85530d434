//! What all generations of a history say together: of each file, the hash that it came with.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Format, Generation, Hash, IGNORED, Record};

/// A history. The first hash of a file is what it has to be; what later generations found does not change that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The files that have to be there.
    pub files: BTreeMap<String, Known>,
    /// The folders that have to be there.
    pub folders: BTreeSet<String>,
    /// Patterns of what is left out, as the last generation has them.
    pub ignored: Vec<String>,
}

/// A file of a history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Its first hash, and the generation that took it; none where no generation calls a hash original.
    pub original: Option<(Hash, u32)>,
    /// Its size, where that generation tells it.
    pub bytes: Option<u64>,
}

impl History {
    /// Takes in the next generation.
    pub fn add(&mut self, number: u32, generation: Generation) {
        for mut record in generation.files {
            let path = std::mem::take(&mut record.path);
            if let Some(previous) = record.previous.take().filter(|previous| *previous != path)
                && let Some(known) = self.files.remove(&previous)
            {
                self.files.insert(path.clone(), known);
            }
            let known = self.files.entry(path).or_default();
            if known.original.is_none() {
                known.bytes = record.bytes;
                known.original = original(record).map(|hash| (hash, number));
            }
        }
        // A folder's files tell by themselves where they went.
        for folder in generation.left {
            let inside = format!("{folder}/");
            let within = self.folders.range(inside.clone()..).take_while(|path| path.starts_with(&inside));
            for gone in within.cloned().chain([folder]).collect::<Vec<_>>() {
                self.folders.remove(&gone);
            }
        }
        self.folders.extend(generation.folders);
        self.ignored = generation.ignored;
        if self.ignored.is_empty() {
            self.ignored = IGNORED.map(str::to_owned).into();
        }
    }
}

/// Of several original hashes the one that is taken of every file anyhow, else the fastest.
fn original(record: Record) -> Option<Hash> {
    let originals = record.hashes.into_iter().filter(|(_, action)| *action == Some(Action::Original));
    originals.map(|(hash, _)| hash).min_by_key(|hash| match hash.format {
        Format::Xxh64 => 0,
        Format::Xxh3 | Format::Xxh128 => 1,
        Format::C4 | Format::Md5 | Format::Sha1 => 2,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(path: &str, previous: Option<&str>, hashes: &[(Format, &str, Action)]) -> Record {
        let hash = |(format, value, action): &(Format, &str, Action)| {
            (Hash { format: *format, value: (*value).to_owned() }, Some(*action))
        };
        let hashes = hashes.iter().map(hash).collect();
        Record { path: path.to_owned(), bytes: Some(1), previous: previous.map(str::to_owned), hashes }
    }

    #[test]
    fn a_files_first_hash_counts_whatever_was_found_later() {
        let mut history = History::default();
        let first = vec![
            record("a", None, &[(Format::Md5, "m", Action::Original), (Format::Xxh64, "x", Action::Original)]),
            record("b", None, &[(Format::Xxh64, "y", Action::Original)]),
        ];
        history.add(1, Generation { files: first, ..Generation::default() });
        let second = vec![
            record("a", None, &[(Format::Xxh64, "other", Action::Failed)]),
            record("c", Some("b"), &[(Format::Xxh64, "y", Action::Verified)]),
            record("d", None, &[(Format::Xxh128, "z", Action::Original)]),
            record("e", None, &[(Format::Xxh64, "w", Action::Verified)]),
        ];
        history.add(2, Generation { files: second, ..Generation::default() });
        let told: Vec<_> = history
            .files
            .iter()
            .map(|(path, known)| (path.as_str(), known.original.as_ref().map(|(hash, of)| (hash.value.as_str(), *of))))
            .collect();
        assert_eq!(told, [("a", Some(("x", 1))), ("c", Some(("y", 1))), ("d", Some(("z", 2))), ("e", None)]);
    }

    #[test]
    fn a_renamed_folder_takes_those_in_it_along() {
        let mut history = History::default();
        let folders = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
        let first = folders(&["a", "a-b", "a/b", "a/b/c", "ab", "x", "y"]);
        history.add(1, Generation { folders: first, ..Generation::default() });
        // The second one names two after each other.
        let (folders, left) = (folders(&["d", "x", "y"]), folders(&["a", "y", "x"]));
        history.add(2, Generation { folders, left, ..Generation::default() });
        assert_eq!(history.folders.iter().map(String::as_str).collect::<Vec<_>>(), ["a-b", "ab", "d", "x", "y"]);
    }
}
