//! `verify`: a package against its manifest and its ASC MHL history: every file there, unchanged, and no other. What was
//! found becomes the history's next generation.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;
use rayon::prelude::*;
use seedpost_core::mhl::{self as rules, Action, Deviation, Entry, Expected, Format, Found, Hash, Measured, Verdict};
use seedpost_core::turnover::ManifestFile;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::interrupt;
use crate::mhl::{self, Recorded, Tree};
use crate::output::{Exit, Failure, note, result_json_as, say, shown};
use crate::package::date;
use crate::progress::{Bar, Style};
use crate::project::Hashed;

const MANIFEST: &str = "manifest.json";
/// Those of them that have no history.
const WITHOUT_HISTORY: [&str; 2] = ["seedpost.turnover/1", "seedpost.turnover/2"];
/// The forms of a manifest; of each, only the list of files is needed.
const FORMS: [&str; 4] = ["seedpost.turnover/1", "seedpost.turnover/2", "seedpost.turnover/3", "seedpost.layback/1"];

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The package's folder.
    package: PathBuf,
    /// Add no generation to the package's history; write nothing.
    #[arg(long)]
    no_record: bool,
}

/// What every manifest has.
#[derive(Debug, Deserialize)]
struct Manifest {
    schema: String,
    files: Vec<ManifestFile>,
}

/// A package that was read.
struct Package<'a> {
    folder: &'a Path,
    tree: Tree,
    manifest: Option<Manifest>,
    recorded: Option<Recorded>,
    found: BTreeMap<String, Found>,
}

pub(super) fn run(arguments: &Arguments, json: bool, style: Style) -> Result<Exit, Failure> {
    interrupt::stoppable()?;
    let package = Package::read(&arguments.package, style)?;
    let (verdict, listed) = package.judge();
    let exit = package.exit(&verdict);
    let written = match package.history() {
        Some(_) if !arguments.no_record => Some(package.record(&verdict)),
        _ => None,
    };
    package.notes(listed);
    let sections = package.sections(&verdict);
    sections.iter().for_each(|section| section.tell());
    for (from, to) in &verdict.renamed {
        note(format_args!("note: {} has the content of {}; fix: rename it back", plain(to), plain(from)));
    }
    if let Some(Err(why)) = &written {
        note(format_args!("warning: no generation was added to the history: {why}"));
        note("  fix: run it again where the folder may be written; --no-record leaves the history as it is");
    }
    let new = written.and_then(Result::ok);
    if json {
        package.json(&verdict, &sections, new.as_deref());
    } else {
        package.say(&verdict, exit, new.as_deref());
    }
    Ok(exit)
}

impl<'a> Package<'a> {
    /// Reads all of a package that is needed to judge it.
    fn read(folder: &'a Path, style: Style) -> Result<Package<'a>, Failure> {
        let tree = Tree::of(folder);
        let manifest = mhl::read_bytes(&folder.join(MANIFEST)).ok();
        let manifest = manifest.and_then(|bytes| serde_json::from_slice::<Manifest>(&bytes).ok());
        let manifest = manifest.filter(|manifest| FORMS.contains(&manifest.schema.as_str()));
        let promised = manifest.as_ref().is_some_and(|manifest| !WITHOUT_HISTORY.contains(&manifest.schema.as_str()));
        let recorded = mhl::read(folder, promised);
        if manifest.is_none() && recorded.is_none() {
            return Err(Failure::new(
                Exit::Usage,
                format!("{} holds no manifest of a package, and no ASC MHL history", folder.display()),
                "name the folder that holds manifest.json",
            ));
        }
        let mut package = Package { folder, tree, manifest, recorded, found: BTreeMap::new() };
        package.found = package.measure(&Bar::new(style))?;
        Ok(package)
    }

    /// The history, unless it was edited.
    fn history(&self) -> Option<&rules::History> {
        self.recorded.as_ref().filter(|recorded| recorded.faults.is_empty()).map(|recorded| &recorded.history)
    }

    /// Reads every file that is expected, once; others only where something is missing that they may be.
    fn measure(&self, bar: &Bar) -> Result<BTreeMap<String, Found>, Failure> {
        let listed = self.manifest.iter().flat_map(|manifest| &manifest.files).map(|file| file.path.as_str());
        let known = self.history().into_iter().flat_map(|history| history.files.keys()).map(String::as_str);
        let expected: BTreeSet<&str> = listed.chain(known).collect();
        let lacks = expected.iter().any(|path| !self.tree.files.contains_key(*path));
        bar.begin("checking", self.tree.files.len());
        let one = |(path, what): (&String, &Option<String>)| {
            interrupt::check()?;
            let found = match what {
                Some(what) => Found::Other(what.clone()),
                None if lacks || expected.contains(path.as_str()) => self
                    .measured(path)
                    .map_or_else(|error| Found::Other(format!("a file that cannot be read: {error}")), Found::Measured),
                None => Found::Unread,
            };
            bar.step();
            Ok((path.clone(), found))
        };
        let found = self.tree.files.par_iter().map(one).collect::<Result<_, Failure>>();
        bar.end();
        found
    }

    fn measured(&self, path: &str) -> std::io::Result<Measured> {
        let Hashed { bytes, sha256, xxh64, .. } = Hashed::read(self.folder, path)?;
        let known = self.history().and_then(|history| history.files.get(path));
        let format = known.and_then(|known| known.original.as_ref()).map(|(hash, _)| hash.format);
        let other = match format {
            Some(format) if format != Format::Xxh64 => Some((format, mhl::hash(&self.folder.join(path), format)?)),
            _ => None,
        };
        Ok(Measured { bytes, sha256, xxh64, other })
    }

    /// The verdict, and whether the manifest was asked: one that is not what the history says proves nothing.
    fn judge(&self) -> (Verdict, bool) {
        let known = self.history().and_then(|history| history.files.get(MANIFEST));
        let is_edited = known.and_then(|known| known.original.as_ref()).is_some_and(|(hash, _)| {
            !matches!(self.found.get(MANIFEST), Some(Found::Measured(file)) if file.hash(hash.format) == Some(&hash.value))
        });
        let listed = self.manifest.as_ref().filter(|_| !is_edited).map(|manifest| manifest.files.as_slice());
        if listed.is_none() && self.history().is_none() {
            return (Verdict::default(), false);
        }
        let expected = Expected { listed, history: self.history() };
        (rules::judge(expected, &self.found, &self.tree.folders), listed.is_some())
    }

    /// As ASC MHL's reference tool ends when it verifies.
    fn exit(&self, verdict: &Verdict) -> Exit {
        match verdict {
            _ if self.recorded.as_ref().is_some_and(|recorded| !recorded.faults.is_empty()) => Exit::HistoryEdited,
            Verdict { changed, .. } if !changed.is_empty() => Exit::FilesChanged,
            Verdict { new, .. } if !new.is_empty() => Exit::FilesNew,
            Verdict { missing, .. } if !missing.is_empty() => Exit::FilesMissing,
            _ => Exit::Done,
        }
    }

    /// Adds what was found to the history. New files are left out, so that they stay new for everyone.
    fn record(&self, verdict: &Verdict) -> Result<String, String> {
        let recorded = self.recorded.as_ref().ok_or("there is none")?;
        let changed: BTreeSet<&str> = verdict.changed.iter().map(|deviation| deviation.path.as_str()).collect();
        let mut entries = Vec::new();
        for (path, known) in &recorded.history.files {
            let (Some(Found::Measured(file)), Some((original, _))) = (self.found.get(path), &known.original) else {
                continue;
            };
            let Some(value) = file.hash(original.format) else { continue };
            let mut hashes = vec![Hash { format: original.format, value: value.to_owned() }];
            let action = if changed.contains(path.as_str()) { Action::Failed } else { Action::Verified };
            // A further hash of a file that failed would be its first of that kind, to be compared with ever after.
            if original.format != Format::Xxh64 && action == Action::Verified {
                hashes.push(Hash { format: Format::Xxh64, value: file.xxh64.clone() });
            }
            entries.push(Entry { path, bytes: file.bytes, hashes, action });
        }
        let is_whole = verdict.is_good() && self.ignored().next().is_none();
        recorded.append(self.folder, date(), &entries, is_whole.then_some(&self.tree.folders))
    }

    /// Patterns that the history leaves out and this check does not.
    fn ignored(&self) -> impl Iterator<Item = &str> {
        let patterns = self.history().into_iter().flat_map(|history| &history.ignored).map(String::as_str);
        patterns.filter(|pattern| !rules::IGNORED.contains(pattern))
    }

    fn notes(&self, listed: bool) {
        if self.recorded.is_none() {
            note("note: no ASC MHL history; checked by the manifest alone");
        } else if !listed {
            let what = if self.history().is_some() { "by the history alone" } else { "by nothing else" };
            note(format_args!("note: {MANIFEST} is not the package's own, or not readable; files are checked {what}"));
        } else if self.history().is_none() {
            note("note: the history was edited; files are checked by the manifest alone");
        }
        for pattern in self.ignored() {
            note(format_args!("note: the history leaves out {}; this check does not", plain(pattern)));
        }
    }

    fn sections<'b>(&'b self, verdict: &'b Verdict) -> [Section<'b>; 4] {
        let edited = self.recorded.as_ref().map_or(&[][..], |recorded| &recorded.faults);
        [
            Section { name: "edited", all: edited },
            Section { name: "missing", all: &verdict.missing },
            Section { name: "changed", all: &verdict.changed },
            Section { name: "new", all: &verdict.new },
        ]
    }

    fn say(&self, verdict: &Verdict, exit: Exit, new: Option<&str>) {
        let generations = self.history().and(self.recorded.as_ref()).map_or(0, |recorded| recorded.generations.len());
        let (folder, files) = (self.folder.display(), self.found.len());
        if exit == Exit::Done {
            let who = match (self.history().is_some(), self.manifest.is_some()) {
                (true, true) => "the manifest and the history say",
                (true, false) => "the history says",
                _ => "the manifest says",
            };
            say(format_args!("{folder}: {files} files, all as {who}"));
        } else {
            let Verdict { missing, changed, new, renamed, .. } = verdict;
            let counts = [("missing", missing.len()), ("changed", changed.len()), ("new", new.len())];
            let counts = counts.map(|(name, count)| format!("{count} {name}")).join(", ");
            say(format_args!("{folder}: {files} files: {counts}; {} of them renamed", renamed.len()));
        }
        if !verdict.added.is_empty() {
            say(format_args!("{} came with later generations of the history", verdict.added.len()));
        }
        if let Some(new) = new {
            say(format_args!("added generation {}: {new}", generations + 1));
        }
    }

    fn json(&self, verdict: &Verdict, sections: &[Section<'_>; 4], new: Option<&str>) {
        let [edited, missing, changed, strange] = sections;
        let renamed: Vec<Value> = verdict.renamed.iter().map(|(from, to)| json!({ "from": from, "to": to })).collect();
        let counts = json!({
            "files": self.found.len(), "edited": edited.all.len(), "missing": missing.all.len(),
            "changed": changed.all.len(), "new": strange.all.len(), "renamed": renamed.len(),
        });
        result_json_as(
            "seedpost.verify/2",
            json!({
                "package": shown(self.folder),
                "manifest": self.manifest.as_ref().map(|manifest| &manifest.schema),
                "history": self.recorded.as_ref().map(|recorded| &recorded.generations),
                "counts": counts,
                "edited": edited.json(),
                "missing": missing.json(),
                "changed": changed.json(),
                "new": strange.json(),
                "renamed": renamed,
                "added_later": verdict.added,
                "recorded": new,
            }),
        );
    }
}

/// All deviations of a kind.
struct Section<'a> {
    name: &'static str,
    all: &'a [Deviation],
}

impl Section<'_> {
    fn fix(&self, deviation: &Deviation) -> &'static str {
        match self.name {
            "edited" if deviation.expected == mhl::UNLISTED => {
                "take it out; a check that was killed may have left it, and it counts for nothing"
            }
            "edited" => "copy the folder ascmhl again from where the package was made",
            "new" => "take it out; what belongs there comes with the next version of the package",
            _ => "copy it again from where the package was made",
        }
    }

    fn tell(&self) {
        for deviation in self.all {
            let what = if self.name == "edited" { "the history was edited" } else { self.name };
            note(format_args!("error: {}: {what}", plain(&deviation.path)));
            note(format_args!("    found     {}", plain(&deviation.found)));
            note(format_args!("    expected  {}", plain(&deviation.expected)));
            note(format_args!("    fix       {}", self.fix(deviation)));
        }
    }

    fn json(&self) -> Vec<Value> {
        let one = |deviation: &Deviation| {
            let Deviation { path, found, expected } = deviation;
            json!({ "path": path, "found": found, "expected": expected, "fix": self.fix(deviation) })
        };
        self.all.iter().map(one).collect()
    }
}

/// A name from a stranger, for a terminal: without control characters.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
