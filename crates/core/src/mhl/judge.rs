//! A package beside what its manifest and its history say: what is missing, changed, new, or has another name.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Format, History};
use crate::turnover::{ManifestFile, is_safe_path};

/// What a package has to be; at least one of the two is known.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The files of the manifest, unless it was edited.
    pub listed: Option<&'a [ManifestFile]>,
    /// The history, unless it was edited.
    pub history: Option<&'a History>,
}

/// What stands at a path of a package, and is no folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A file that was read.
    Measured(Measured),
    /// A file that nobody expects and nothing is like: not read.
    Unread,
    /// No plain file, or one that could not be read: what it is.
    Other(String),
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// Its size.
    pub bytes: u64,
    /// In hex.
    pub sha256: String,
    /// In hex.
    pub xxh64: String,
    /// The hash that the history has of it, where that is another.
    pub other: Option<(Format, String)>,
}

impl Measured {
    /// Its hash by a function, where that was taken.
    #[must_use]
    pub fn hash(&self, format: Format) -> Option<&str> {
        let other = self.other.as_ref().filter(|(own, _)| *own == format);
        if format == Format::Xxh64 { Some(&self.xxh64) } else { other.map(|(_, value)| value.as_str()) }
    }
}

/// A path that is not as it has to be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Deviation {
    /// Where.
    pub path: String,
    /// What is there.
    pub found: String,
    /// What has to be, and who says so.
    pub expected: String,
}

/// How a package is; each list is in the order of paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What has to be there and is not.
    pub missing: Vec<Deviation>,
    /// What is there and is something else.
    pub changed: Vec<Deviation>,
    /// What is there and nobody knows.
    pub new: Vec<Deviation>,
    /// Missing files with others that have their content.
    pub renamed: Vec<(String, String)>,
    /// Files that later generations brought in, and that the manifest does not list.
    pub added: Vec<String>,
}

impl Verdict {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.missing.is_empty() && self.changed.is_empty() && self.new.is_empty()
    }
}

/// Judges a package. `found` is everything that stands in it, but the history itself, by path; `folders` are its folders.
#[must_use]
pub fn judge(expected: Expected<'_>, found: &BTreeMap<String, Found>, folders: &BTreeSet<String>) -> Verdict {
    let mut verdict = Verdict::default();
    let listed: BTreeMap<&str, &ManifestFile> =
        expected.listed.unwrap_or_default().iter().map(|file| (file.path.as_str(), file)).collect();
    let known = expected.history.map(|history| &history.files);
    let mut paths: BTreeSet<&str> = found.keys().map(String::as_str).collect();
    paths.extend(listed.keys());
    paths.extend(known.into_iter().flat_map(BTreeMap::keys).map(String::as_str));
    for path in paths {
        let file = File { path, listed: listed.get(path).copied(), history: expected.history };
        match found.get(path) {
            _ if file.listed.is_some() && !is_safe_path(path) => {
                let found = "a path in the manifest that is not safe in every package".to_owned();
                let expected = "a path within the package".to_owned();
                verdict.changed.push(Deviation { path: path.to_owned(), found, expected });
            }
            Some(found) => file.judge(found, expected.listed.is_some(), &mut verdict),
            None if folders.contains(path) => verdict.changed.push(file.deviates("a folder")),
            None => verdict.missing.push(file.deviates("nothing")),
        }
    }
    let lost = lost_folders(expected.history, folders, &verdict.missing);
    verdict.missing.extend(lost);
    verdict.missing.sort();
    verdict.renamed = renamed(expected.history, &listed, found, &verdict);
    verdict
}

/// One path.
struct File<'a> {
    path: &'a str,
    listed: Option<&'a ManifestFile>,
    history: Option<&'a History>,
}

impl File<'_> {
    fn judge(&self, found: &Found, has_manifest: bool, verdict: &mut Verdict) {
        let known = self.history.and_then(|history| history.files.get(self.path));
        let original = known.and_then(|known| known.original.as_ref());
        // What only failed, or was only verified, is new to the reference tool too.
        if self.listed.is_none() && original.is_none() {
            if self.path != "manifest.json" || self.history.is_some() {
                verdict.new.push(self.deviates(&match found {
                    Found::Other(what) => what.clone(),
                    Found::Measured(file) => format!("a file of {} bytes", file.bytes),
                    Found::Unread => "a file".to_owned(),
                }));
            }
            return;
        }
        let file = match found {
            Found::Measured(file) => file,
            Found::Other(what) => return verdict.changed.push(self.deviates(what)),
            Found::Unread => return verdict.changed.push(self.deviates("a file that was not read")),
        };
        if let Some(found) = self.differs(file) {
            verdict.changed.push(self.deviates(&found));
        } else if self.listed.is_none() && has_manifest && self.path != "manifest.json" {
            verdict.added.push(self.path.to_owned());
        }
    }

    /// In what a file is other than it has to be.
    fn differs(&self, file: &Measured) -> Option<String> {
        if let Some(listed) = self.listed {
            if listed.bytes != file.bytes {
                return Some(format!("{} bytes", file.bytes));
            }
            if listed.sha256 != file.sha256 {
                return Some(format!("sha256 {}", file.sha256));
            }
        }
        let known = self.history.and_then(|history| history.files.get(self.path))?;
        let (hash, _) = known.original.as_ref()?;
        let value = file.hash(hash.format);
        if value == Some(&hash.value) {
            return None;
        }
        if self.listed.is_none() && known.bytes.is_some_and(|bytes| bytes != file.bytes) {
            return Some(format!("{} bytes", file.bytes));
        }
        // What was not hashed is never good.
        Some(format!("{} {}", hash.format.as_str(), value.unwrap_or("that was not taken")))
    }

    fn deviates(&self, found: &str) -> Deviation {
        let known = self.history.and_then(|history| history.files.get(self.path));
        let mut expected = Vec::new();
        if let Some(listed) = self.listed {
            expected.push(format!("{} bytes, sha256 {} (manifest)", listed.bytes, listed.sha256));
        }
        if let Some((hash, number)) = known.and_then(|known| known.original.as_ref()) {
            let bytes = known.and_then(|known| known.bytes).filter(|_| self.listed.is_none());
            let bytes = bytes.map_or_else(String::new, |bytes| format!("{bytes} bytes, "));
            expected.push(format!("{bytes}{} {} (generation {number})", hash.format.as_str(), hash.value));
        } else if known.is_some() {
            expected.push("a file (history)".to_owned());
        }
        let expected = if expected.is_empty() { "nothing".to_owned() } else { expected.join("; ") };
        Deviation { path: self.path.to_owned(), found: found.to_owned(), expected }
    }
}

/// Folders of the history that are gone, where no missing file tells it.
fn lost_folders(history: Option<&History>, folders: &BTreeSet<String>, missing: &[Deviation]) -> Vec<Deviation> {
    // Looked up among them, as they are in the order of paths: all folders of all paths would be too many of a stranger's.
    let is_told = |folder: &String| {
        let inside = format!("{folder}/");
        let first = missing.partition_point(|deviation| deviation.path < inside);
        missing.get(first).is_some_and(|deviation| deviation.path.starts_with(&inside))
    };
    let lost = history.into_iter().flat_map(|history| &history.folders);
    let lost = lost.filter(|folder| !folders.contains(*folder) && !is_told(folder));
    let deviation = |folder: &String| Deviation {
        path: format!("{folder}/"),
        found: "nothing".to_owned(),
        expected: "a folder (history)".to_owned(),
    };
    lost.map(deviation).collect()
}

/// Missing files whose content stands elsewhere; an empty file is like every other.
fn renamed(
    history: Option<&History>,
    listed: &BTreeMap<&str, &ManifestFile>,
    found: &BTreeMap<String, Found>,
    verdict: &Verdict,
) -> Vec<(String, String)> {
    let strangers = verdict.new.iter().map(|deviation| &deviation.path).chain(&verdict.added);
    let mut by_hash: HashMap<(&str, &str), &str> = HashMap::new();
    for path in strangers {
        if let Some(Found::Measured(file)) = found.get(path).filter(|_| !verdict.missing.is_empty())
            && file.bytes > 0
        {
            by_hash.entry(("sha256", &file.sha256)).or_insert(path);
            by_hash.entry((Format::Xxh64.as_str(), &file.xxh64)).or_insert(path);
        }
    }
    let of = |path: &str| {
        if let Some(file) = listed.get(path) {
            return by_hash.get(&("sha256", file.sha256.as_str()));
        }
        let (hash, _) = history?.files.get(path)?.original.as_ref()?;
        by_hash.get(&(hash.format.as_str(), hash.value.as_str()))
    };
    let pair = |deviation: &Deviation| Some((deviation.path.clone(), (*of(&deviation.path)?).to_owned()));
    verdict.missing.iter().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Hash, Known};
    use super::*;

    fn listed(path: &str, content: &str) -> ManifestFile {
        ManifestFile { path: path.to_owned(), bytes: content.len() as u64, sha256: format!("sha of {content}") }
    }

    fn measured(content: &str) -> Found {
        let (sha256, xxh64) = (format!("sha of {content}"), format!("xxh of {content}"));
        Found::Measured(Measured { bytes: content.len() as u64, sha256, xxh64, other: None })
    }

    fn history(files: &[(&str, &str)]) -> History {
        let known = |content: &str| Known {
            original: Some((Hash { format: Format::Xxh64, value: format!("xxh of {content}") }, 1)),
            bytes: None,
        };
        let files = files.iter().map(|(path, content)| ((*path).to_owned(), known(content))).collect();
        History { files, ..History::default() }
    }

    fn paths(deviations: &[Deviation]) -> Vec<&str> {
        deviations.iter().map(|deviation| deviation.path.as_str()).collect()
    }

    fn stands(files: &[(&str, Found)]) -> BTreeMap<String, Found> {
        files.iter().map(|(path, found)| ((*path).to_owned(), found.clone())).collect()
    }

    #[test]
    fn each_kind_of_fault_is_told_apart() {
        let list =
            [listed("gone", "g"), listed("moved", "m"), listed("same", "s"), listed("size", "z"), listed("bit", "b")];
        let found = stands(&[
            ("elsewhere", measured("m")),
            ("same", measured("s")),
            ("size", measured("zz")),
            ("bit", measured("c")),
            ("link", Found::Other("a link to /etc".into())),
            ("manifest.json", measured("the list")),
        ]);
        let verdict = judge(Expected { listed: Some(&list), history: None }, &found, &BTreeSet::new());
        assert_eq!(paths(&verdict.missing), ["gone", "moved"]);
        assert_eq!(paths(&verdict.changed), ["bit", "size"]);
        assert_eq!(paths(&verdict.new), ["elsewhere", "link"]);
        assert_eq!(verdict.renamed, [("moved".to_owned(), "elsewhere".to_owned())]);
        assert_eq!(verdict.changed[1].found, "2 bytes");
        assert_eq!(verdict.changed[1].expected, "1 bytes, sha256 sha of z (manifest)");
    }

    #[test]
    fn the_manifest_finds_what_a_weaker_hash_does_not_and_the_history_knows_what_came_later() {
        let list = [listed("a", "a")];
        let history = history(&[("a", "b"), ("later", "l"), ("manifest.json", "x")]);
        let found = stands(&[("a", measured("b")), ("later", measured("l")), ("manifest.json", measured("x"))]);
        let verdict = judge(Expected { listed: Some(&list), history: Some(&history) }, &found, &BTreeSet::new());
        assert_eq!((paths(&verdict.changed), verdict.added), (vec!["a"], vec!["later".to_owned()]));
        assert!(verdict.new.is_empty() && verdict.missing.is_empty());
    }

    #[test]
    fn a_path_that_leaves_the_package_is_a_fault_whatever_stands_there() {
        let list = [listed("../a", "a"), listed("/a", "a"), listed("b\\c", "a")];
        let verdict = judge(Expected { listed: Some(&list), history: None }, &BTreeMap::new(), &BTreeSet::new());
        assert_eq!(paths(&verdict.changed), ["../a", "/a", "b\\c"]);
    }

    #[test]
    fn a_lost_folder_is_told_once() {
        let mut history = history(&[("a/b/c", "c")]);
        history.folders = ["a", "a/b", "void"].map(str::to_owned).into();
        let expected = Expected { listed: None, history: Some(&history) };
        let verdict = judge(expected, &BTreeMap::new(), &BTreeSet::new());
        assert_eq!(paths(&verdict.missing), ["a/b/c", "void/"]);
    }

    #[test]
    fn a_file_that_was_not_hashed_as_its_history_wants_is_not_good() {
        let mut history = history(&[("a", "a")]);
        let original = Hash { format: Format::Sha1, value: "sha1 of a".to_owned() };
        history.files.insert("a".to_owned(), Known { original: Some((original, 1)), bytes: Some(1) });
        let expected = Expected { listed: None, history: Some(&history) };
        let verdict = judge(expected, &stands(&[("a", measured("a"))]), &BTreeSet::new());
        assert_eq!(paths(&verdict.changed), ["a"]);
    }

    /// As many and as long as a history may have them; each with folders of its own. Walking up from every one of them
    /// to the top would take minutes.
    #[test]
    fn deep_paths_that_are_missing_are_each_told_once() {
        let path = |file: usize| format!("{file:05}{}", "/a".repeat(2040));
        let mut history = History::default();
        for file in 0..20_000 {
            history.files.insert(path(file), Known::default());
            history.folders.insert(format!("{file:05}/a/void"));
        }
        let expected = Expected { listed: None, history: Some(&history) };
        let verdict = judge(expected, &BTreeMap::new(), &BTreeSet::new());
        assert_eq!(verdict.missing.len(), 40_000);
        assert_eq!(paths(&verdict.missing[1..2]), ["00000/a/void/"]);
    }
}
