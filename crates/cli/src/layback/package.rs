//! A turnover package, as far as a mix needs it: read, and its pictures checked.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use seedpost_core::layback::{Check, Verdict};
use seedpost_core::mhl::Hash;
use seedpost_core::time::{FrameRate, Timecode};
use seedpost_core::turnover::{Manifest, ManifestClip, ReelLayout, SCHEMA, is_safe_path};

use crate::interrupt;
use crate::mhl;
use crate::output::{Exit, Failure};
use crate::progress::Bar;
use crate::project::{digest, digest_text, open_plain};

/// The largest manifest that is read, in bytes.
const MAX_MANIFEST: u64 = 64 << 20;
/// The most frames of a reel: a day at 60 a second.
const MAX_FRAMES: u64 = 24 * 3600 * 60;

/// A package.
pub(super) struct Package {
    /// Its folder.
    pub(super) root: PathBuf,
    /// The folder's name.
    pub(super) name: String,
    pub(super) manifest: Manifest,
    pub(super) manifest_sha256: String,
    pub(super) layout: ReelLayout,
    /// The record timecode of the first frame.
    pub(super) start: Timecode,
}

impl Package {
    pub(super) fn open(folder: &Path) -> Result<Package, Failure> {
        let root = folder.canonicalize().map_err(|error| Failure::disk("open", folder, &error))?;
        let text = read(&root, folder)?;
        let schema = serde_json::from_str::<serde_json::Value>(&text).ok();
        let schema = schema.and_then(|value| Some(value.get("schema")?.as_str()?.to_owned()));
        match schema.as_deref() {
            Some(SCHEMA) => {}
            Some(older) if older.starts_with("seedpost.turnover/") => {
                let message = format!("{} is a package of the form {older}, which has no reel", folder.display());
                return Err(Failure::new(Exit::Usage, message, "make it again with `seedpost turnover`"));
            }
            _ => return Err(no_package(folder)),
        }
        let manifest: Manifest = serde_json::from_str(&text).map_err(|error| broken(folder, error))?;
        let layout = manifest.reel.as_ref().map(|reel| reel.layout).ok_or_else(|| broken(folder, "it has no reel"))?;
        let rate: FrameRate = manifest.frame_rate.parse().map_err(|error| broken(folder, error))?;
        let start = Timecode::parse(&manifest.start_timecode, rate).map_err(|error| broken(folder, error))?;
        let name = root.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let package = Package { root, name, manifest_sha256: digest_text(&text), layout, start, manifest };
        package.consistent().map_err(|what| broken(folder, what))?;
        Ok(package)
    }

    /// Whether clips and reel agree, and every number is one that a reel has.
    fn consistent(&self) -> Result<(), String> {
        let ReelLayout { start, two_pop, picture, tail_pop, end } = self.layout;
        let order = [start, two_pop.unwrap_or(start), picture.start, picture.end, tail_pop, end];
        if !order.is_sorted() || end.0 - start.0 > MAX_FRAMES || picture.start != self.start.frames() {
            return Err("the places of its reel contradict each other".to_owned());
        }
        let mut at = picture.start.0;
        for clip in &self.manifest.clips {
            let length = clip.frames.checked_add(clip.handles.0).and_then(|sum| sum.checked_add(clip.handles.1));
            let is_sane = length.is_some_and(|length| length <= MAX_FRAMES) && clip.frames > 0;
            let begins = clip.source_start.checked_sub(clip.handles.0).is_some();
            if !is_sane
                || !begins
                || clip.record_start < at
                || clip.frames > picture.end.0.saturating_sub(clip.record_start)
            {
                return Err(format!("clip {} does not lie within its reel and its picture", clip.take));
            }
            if !is_safe_path(&clip.picture) || !is_safe_path(&clip.take) || clip.take.contains('/') {
                return Err(format!("clip {:?} has a path that leaves the package", clip.take));
            }
            at = clip.record_start + clip.frames;
        }
        if self.manifest.clips.is_empty() || at != picture.end.0 {
            return Err("its clips do not fill its reel".to_owned());
        }
        Ok(())
    }

    /// Where a clip's picture lies.
    pub(super) fn picture(&self, clip: &ManifestClip) -> PathBuf {
        self.root.join(&clip.picture)
    }

    /// What the manifest says that a picture's SHA-256 is.
    pub(super) fn sha256(&self, clip: &ManifestClip) -> String {
        let file = self.manifest.files.iter().find(|file| file.path == clip.picture);
        file.map(|file| file.sha256.clone()).unwrap_or_default()
    }

    /// Compares the pictures with the manifest.
    pub(super) fn check_pictures(&self, bar: &Bar) -> Result<Vec<Check>, Failure> {
        let mut clips: Vec<&ManifestClip> = self.manifest.clips.iter().collect();
        clips.sort_by(|one, other| one.picture.cmp(&other.picture));
        clips.dedup_by(|one, other| one.picture == other.picture);
        bar.begin("pictures", clips.len());
        let each = |clip: &&ManifestClip| {
            interrupt::check()?;
            let wanted = self.sha256(clip);
            let found = digest(&self.picture(clip)).map_or_else(|error| error.to_string(), |(sha256, _)| sha256);
            bar.step();
            Ok((found != wanted || wanted.is_empty()).then(|| changed(&clip.picture, &found, &wanted)))
        };
        let found: Result<Vec<Option<Check>>, Failure> = clips.par_iter().map(each).collect();
        bar.end();
        let mut checks: Vec<Check> = found?.into_iter().flatten().chain(self.check_history()).collect();
        if checks.is_empty() {
            checks.push(Check {
                what: "pictures".to_owned(),
                verdict: Verdict::Good,
                found: format!("{} as the manifest says", clips.len()),
                allowed: "the SHA-256 of each".to_owned(),
                source: "the turnover's manifest".to_owned(),
                fix: String::new(),
            });
        }
        Ok(checks)
    }
}

impl Package {
    /// What speaks against the manifest itself: a history that was edited, or another hash there.
    fn check_history(&self) -> Option<Check> {
        let recorded = mhl::read(&self.root, false)?;
        let known = recorded.history.files.get("manifest.json").and_then(|known| known.original.as_ref());
        let hash = |(hash, _): &(Hash, _)| {
            Some((mhl::hash(&self.root.join("manifest.json"), hash.format).ok()?, hash.value.clone()))
        };
        let (found, allowed) = match recorded.faults.first() {
            Some(fault) => (format!("{}: {}", fault.path, fault.found), fault.expected.clone()),
            None => known.and_then(hash).filter(|(found, wanted)| found != wanted)?,
        };
        Some(Check {
            what: "manifest".to_owned(),
            verdict: Verdict::Refused,
            found,
            allowed,
            source: "the package's ASC MHL history".to_owned(),
            fix: "copy the package again from where it was made; `seedpost verify` tells all that is wrong".to_owned(),
        })
    }

    /// A later version of the same cut beside the package.
    pub(super) fn newer(&self) -> Option<String> {
        let (title, own) = self.name.rsplit_once("_v")?;
        let own: u32 = own.parse().ok()?;
        let names = std::fs::read_dir(self.root.parent()?).ok()?.flatten();
        let names = names.filter_map(|entry| entry.file_name().into_string().ok());
        let version = |name: &String| name.strip_prefix(title)?.strip_prefix("_v")?.parse::<u32>().ok();
        names.filter(|name| version(name).is_some_and(|version| version > own)).max_by_key(version)
    }
}

fn read(root: &Path, folder: &Path) -> Result<String, Failure> {
    let file = open_plain(&root.join("manifest.json")).map_err(|_| no_package(folder))?;
    let mut text = String::new();
    file.take(MAX_MANIFEST).read_to_string(&mut text).map_err(|error| broken(folder, error))?;
    Ok(text)
}

fn changed(path: &str, found: &str, wanted: &str) -> Check {
    let told = if wanted.is_empty() { "not in the manifest's list of files" } else { found };
    Check {
        what: path.to_owned(),
        verdict: Verdict::Refused,
        found: told.to_owned(),
        allowed: if wanted.is_empty() { "a picture of the manifest".to_owned() } else { wanted.to_owned() },
        source: "the turnover's manifest, SHA-256".to_owned(),
        fix: "copy the package again from where it was made".to_owned(),
    }
}

fn no_package(folder: &Path) -> Failure {
    let message = format!("{} holds no manifest of a turnover package", folder.display());
    Failure::new(Exit::Usage, message, "name the folder that holds manifest.json")
}

fn broken(folder: &Path, why: impl std::fmt::Display) -> Failure {
    let message = format!("the manifest of {} cannot be used: {why}", folder.display());
    Failure::new(Exit::Media, message, "copy the package again from where it was made")
}
