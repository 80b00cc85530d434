//! The package for sound: built beside, whole or absent, and a new version only when something changed.

pub(crate) mod changes;
mod media;
mod picture;
pub(crate) mod report;
mod sound;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use rayon::prelude::*;
use seedpost_core::export::{self, Format, Links, Loss};
use seedpost_core::shot::TakeId;
use seedpost_core::sync::edit_map;
use seedpost_core::timeline::{Role, Timeline};
use seedpost_core::turnover::order::EditCodec;
use seedpost_core::turnover::{
    Manifest, ManifestClip, ManifestFile, ManifestReel, ModelAudio, ReelLayout, SCHEMA, Supplied, clips, safe_title,
};
use seedpost_render::runner::TEMPORARY;
use serde::Serialize;

use crate::cut::{Cut, SelectedTake};
use crate::interrupt;
use crate::mhl;
use crate::output::{Exit, Failure, note};
use crate::progress::{Bar, Style, told};
use crate::project::{Hashed, Project, digest_text, make_folder, write_whole};
use crate::sound::sides;

/// What is wanted of a package.
#[derive(Debug, Clone, Copy, Args, Serialize)]
pub(crate) struct Wishes {
    /// The editing codec of the picture references; `none` leaves them out.
    #[arg(long, value_enum, default_value = "dnxhr")]
    pub(crate) reference: Codec,
    /// What is heard with them: the guide on both sides as it is, or dialogue on the left and music and effects on the
    /// right.
    #[arg(long, value_enum, default_value = "stereo")]
    pub(crate) guide: Guide,
}

/// The editing codec of picture references.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Codec {
    /// DNxHR LB.
    Dnxhr,
    /// ProRes 422 Proxy.
    Prores,
    /// No picture references.
    None,
}

impl Codec {
    fn codec(self) -> Option<EditCodec> {
        match self {
            Codec::Dnxhr => Some(EditCodec::Dnxhr),
            Codec::Prores => Some(EditCodec::Prores),
            Codec::None => None,
        }
    }
}

/// What is heard with picture references.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Guide {
    /// The guide's two sides.
    Stereo,
    /// Dialogue, or the whole guide of a shot that was not taken apart, on the left; music and effects on the right.
    Split,
}

/// A package, and how it came about.
pub(crate) struct Package {
    pub(crate) folder: PathBuf,
    pub(crate) manifest: Manifest,
    /// Whether it was made now; else nothing has changed since.
    pub(crate) is_new: bool,
    /// Milliseconds that each stage took.
    pub(crate) stages: Vec<(&'static str, u64)>,
}

/// Makes the next version of a project's package, unless the last one still is what would be made, and whole. Only under
/// the project's lock.
pub(crate) fn make(
    project: &Project,
    cut: &Cut,
    takes: &[SelectedTake],
    wishes: Wishes,
    style: Style,
) -> Result<Package, Failure> {
    let folder = project.root.join("turnover");
    make_folder(&folder)?;
    let title = safe_title(&project.list.title);
    let versions = versions(&folder, &title);
    let last = versions.last().copied().unwrap_or(0);
    let read = |version: &u32| read_manifest(&folder.join(package_name(&title, *version)));
    let before = versions.iter().rev().find_map(|version| Some((*version, read(version)?)));
    let mut maker = Maker::new(project, cut, takes, wishes, style);
    maker.manifest.version = last.checked_add(1).ok_or_else(|| too_high(&folder, &title, last))?;
    if let Some((version, before)) = before {
        let standing = folder.join(package_name(&title, version));
        maker.manifest.reasons = reasons(&before.made_of, &maker.manifest.made_of);
        if maker.manifest.reasons.is_empty() && version == last && is_whole(&standing, &before) {
            return Ok(Package { folder: standing, manifest: before, is_new: false, stages: Vec::new() });
        }
        let skipped = versions.iter().filter(|other| **other > version).map(|other| package_name(&title, *other));
        skipped.for_each(|name| {
            note(format_args!("warning: {name} has no manifest; changes are told since version {version}"))
        });
        if maker.manifest.reasons.is_empty() {
            let is = if version == last { "is no longer what was made" } else { "has no manifest" };
            maker.manifest.reasons.push(format!("{} {is}", package_name(&title, last)));
        }
        maker.manifest.changes = seedpost_core::turnover::changes(&before.clips, &maker.manifest.clips);
        maker.manifest.changed_since = Some(version);
    }
    let draft = tempfile::Builder::new()
        .prefix(TEMPORARY)
        .tempdir_in(&folder)
        .map_err(|error| Failure::disk("write in", &folder, &error))?;
    let name = package_name(&title, maker.manifest.version);
    // Ctrl-C ends the worker too; then the failure is that it was stopped.
    let built = maker.build(draft.path(), &name);
    interrupt::check()?;
    built?;
    let package = folder.join(&name);
    fs::set_permissions(draft.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .map_err(|error| Failure::disk("open", draft.path(), &error))?;
    fs::rename(draft.path(), &package).map_err(|error| Failure::disk("make", &package, &error))?;
    let Maker { manifest, stages, .. } = maker;
    Ok(Package { folder: package, manifest, is_new: true, stages })
}

/// What a package is made with, and what came of it so far.
struct Maker<'a> {
    project: &'a Project,
    takes: Vec<&'a SelectedTake>,
    /// The cut with the project's own files.
    own: Timeline,
    /// The cut with its files as they are called in the package.
    timeline: Timeline,
    layout: ReelLayout,
    wishes: Wishes,
    date: Timestamp,
    style: Style,
    bar: Bar,
    manifest: Manifest,
    /// Paths of the package that were written.
    paths: BTreeSet<String>,
    /// Those that were hashed.
    hashed: Vec<Hashed>,
    stages: Vec<(&'static str, u64)>,
}

impl<'a> Maker<'a> {
    fn new(project: &'a Project, cut: &Cut, takes: &'a [SelectedTake], wishes: Wishes, style: Style) -> Maker<'a> {
        let own = cut.timeline.clone();
        let in_cut: HashSet<&TakeId> = own.clips.iter().map(|clip| &clip.take).collect();
        let takes: Vec<&SelectedTake> = takes.iter().filter(|take| in_cut.contains(&take.take)).collect();
        let timeline = media::packaged(&own).with_sides(|stem| sides(&stem.file));
        let layout = ReelLayout::of(&timeline);
        let date = date();
        let manifest = Manifest {
            schema: SCHEMA.to_owned(),
            title: project.list.title.clone(),
            version: 0,
            date: date.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            made_of: made_of(project, &timeline, &takes, wishes),
            frame_rate: timeline.start.rate().to_string(),
            start_timecode: timeline.start.to_string(),
            reel: Some(ManifestReel { number: project.list.reel, layout, reference: None, stems: Vec::new() }),
            clips: described(project, &timeline, &takes),
            reasons: Vec::new(),
            changes: Vec::new(),
            changed_since: None,
            model_audio: Vec::new(),
            losses: Vec::new(),
            refused: Vec::new(),
            files: Vec::new(),
        };
        Maker {
            project,
            takes,
            own,
            timeline,
            layout,
            wishes,
            date,
            style,
            bar: Bar::new(style),
            manifest,
            paths: BTreeSet::new(),
            hashed: Vec::new(),
            stages: Vec::new(),
        }
    }

    fn build(&mut self, draft: &Path, name: &str) -> Result<(), Failure> {
        self.stage("copies", |maker| maker.copies(draft))?;
        let guide = self.stage("reel sound", |maker| maker.reel_sound(draft))?;
        let stills = self.stage("picture references", |maker| maker.pictures(draft, guide.as_deref()))?;
        self.stage("timelines", |maker| maker.words(draft, name))?;
        self.manifest.model_audio = self.model_audio();
        self.stage("checksums", |maker| maker.hash(draft))?;
        self.stage("report", |maker| {
            let contents = report::Contents {
                project: maker.project,
                timeline: &maker.timeline,
                takes: &maker.takes,
                manifest: &maker.manifest,
                stills: &stills,
            };
            let written = report::write(draft, &contents)?;
            maker.paths.extend(written);
            Ok(())
        })?;
        self.stage("manifest and history", |maker| maker.seal(draft, name))
    }

    /// Does one stage of the work, and notes how long it took.
    fn stage<T>(
        &mut self,
        name: &'static str,
        work: impl FnOnce(&mut Maker<'a>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        interrupt::check()?;
        let begun = Instant::now();
        let done = work(self)?;
        told(self.style, Path::new(&self.manifest.title), name);
        self.stages.push((name, u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)));
        Ok(done)
    }

    /// Copies the pictures and stems of takes, and writes the sides of stems.
    fn copies(&mut self, draft: &Path) -> Result<(), Failure> {
        for folder in ["picture", "audio", "timeline"] {
            make_folder(&draft.join(folder))?;
        }
        let written = media::copy(&self.own, &self.timeline, &self.takes, draft, &self.bar)?;
        self.paths.extend(written);
        Ok(())
    }

    /// Writes the whole cut's stems; answers what is heard with the picture references.
    fn reel_sound(&mut self, draft: &Path) -> Result<Option<String>, Failure> {
        let order = sound::Order {
            timeline: &self.own,
            takes: &self.takes,
            layout: self.layout,
            name: &self.reel_name(),
            split_guide: self.wishes.guide == Guide::Split,
        };
        let sound::Reel { stems, guide, others } = sound::write(draft, &order)?;
        self.paths.extend(stems.iter().flat_map(|stem| std::iter::once(&stem.file).chain(&stem.sides)).cloned());
        self.paths.extend(others);
        if let Some(reel) = &mut self.manifest.reel {
            reel.stems = stems;
        }
        Ok(guide)
    }

    /// Makes the picture references; answers the stills, one a clip.
    fn pictures(&mut self, draft: &Path, guide: Option<&str>) -> Result<Vec<Option<String>>, Failure> {
        let Some(codec) = self.wishes.reference.codec() else { return Ok(vec![None; self.own.clips.len()]) };
        let pictures = picture::Pictures {
            own: &self.own,
            timeline: &self.timeline,
            layout: self.layout,
            name: &self.reel_name(),
            codec,
            guide: guide.map(|guide| draft.join(guide)),
        };
        let made = picture::make(draft, &pictures, &self.bar)?;
        self.paths.extend(made.paths());
        for (clip, reference) in self.manifest.clips.iter_mut().zip(made.clips) {
            clip.reference = Some(reference);
        }
        if let Some(reel) = &mut self.manifest.reel {
            reel.reference = Some(made.reel);
        }
        Ok(made.stills.into_iter().map(Some).collect())
    }

    /// Writes timelines, cues, edit maps and the change list.
    fn words(&mut self, draft: &Path, name: &str) -> Result<(), Failure> {
        let title = safe_title(&self.manifest.title);
        self.forms(draft, &title)?;
        if !self.timeline.cues.is_empty() {
            let text = serde_json::to_string_pretty(&self.timeline.cues).expect("cues are plain values");
            self.write(draft, format!("adr/{title}_adr.json"), (text + "\n").as_bytes())?;
        }
        for take in self.takes.clone() {
            if let Some(sync) = &take.facts.sound.sync {
                let path = format!("adr/{}_REF_edits.csv", take.take);
                self.write(draft, path, edit_map::csv(&sync.edit_map).as_bytes())?;
            }
        }
        let written = changes::write(draft, name, &self.timeline, &self.manifest.changes)?;
        self.paths.extend(written.paths);
        self.manifest.losses.extend(written.losses);
        Ok(())
    }

    fn forms(&mut self, draft: &Path, title: &str) -> Result<(), Failure> {
        let timelines = Format::ALL.into_iter().map(|format| ("timeline", format));
        let cues = Format::CUES.into_iter().filter(|_| !self.timeline.cues.is_empty()).map(|format| ("adr", format));
        for (folder, format) in timelines.chain(cues).collect::<Vec<_>>() {
            match export::write(&self.timeline, format, Links("../")) {
                Ok(export) => {
                    self.write(draft, format!("{folder}/{}", format.file_name(title)), &export.content)?;
                    let losses: Vec<Loss> = export.losses;
                    self.manifest.losses.extend(losses);
                }
                Err(refusal) => {
                    note(format_args!("warning: not in the package: {refusal}"));
                    note(format_args!("  fix: {}", refusal.fix));
                    self.manifest.refused.push(refusal.to_string());
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, draft: &Path, path: String, content: &[u8]) -> Result<(), Failure> {
        let whole = draft.join(&path);
        write_whole(&whole, |out| out.write_all(content))
            .map_err(|error: std::io::Error| Failure::disk("write", &whole, &error))?;
        self.paths.insert(path);
        Ok(())
    }

    /// Every file that holds sound which a model made.
    fn model_audio(&self) -> Vec<ModelAudio> {
        let mut found = Vec::new();
        let is_made = |role: &str| matches!(Role::parse(role), Some(role) if role.is_whole() || role.is_estimated());
        let mut add = |path: &str, takes: Vec<String>, estimated: bool| {
            found.push(ModelAudio { path: path.to_owned(), takes, estimated });
        };
        for clip in &self.manifest.clips {
            let take = || vec![clip.take.clone()];
            if clip.lane == "keep"
                && self.timeline.clips.iter().any(|own| own.picture.file == clip.picture && own.picture.channels > 0)
            {
                add(&clip.picture, take(), false);
            }
            let stems = clip.stems.iter().filter(|stem| is_made(&stem.role));
            for stem in stems.clone() {
                std::iter::once(&stem.file).chain(&stem.sides).for_each(|file| add(file, take(), stem.estimated));
            }
            if let Some(reference) = clip.reference.as_ref().filter(|_| stems.clone().next().is_some()) {
                add(&reference.edit, take(), false);
                add(&reference.view, take(), false);
            }
        }
        self.model_audio_of_reel(&is_made, &mut add);
        found.sort_by(|one, other| one.path.cmp(&other.path));
        found.dedup_by(|one, other| one.path == other.path);
        found
    }

    fn model_audio_of_reel(&self, is_made: &impl Fn(&str) -> bool, add: &mut impl FnMut(&str, Vec<String>, bool)) {
        let Some(reel) = &self.manifest.reel else { return };
        let with = |wanted: &dyn Fn(&str) -> bool| {
            let has = |clip: &&ManifestClip| clip.stems.iter().any(|stem| wanted(&stem.role));
            let takes: BTreeSet<String> =
                self.manifest.clips.iter().filter(has).map(|clip| clip.take.clone()).collect();
            takes.into_iter().collect::<Vec<_>>()
        };
        for stem in reel.stems.iter().filter(|stem| is_made(&stem.role)) {
            // A guide for working against has what is delivered as rendered too.
            let takes = with(&|role| role == stem.role || (stem.role == "GUIDE" && role == "MIX"));
            if takes.is_empty() {
                continue;
            }
            std::iter::once(&stem.file).chain(&stem.sides).for_each(|file| add(file, takes.clone(), stem.estimated));
        }
        let all = with(is_made);
        let pictures = reel.reference.iter().flat_map(|reference| [&reference.edit, &reference.view]);
        let split = self.paths.iter().filter(|path| path.starts_with("audio/reel/") && path.contains("_GUIDE-split_"));
        if !all.is_empty() {
            pictures.chain(split).for_each(|path| add(path, all.clone(), false));
        }
    }

    /// Hashes what was written since it was last asked to.
    fn hash(&mut self, draft: &Path) -> Result<(), Failure> {
        let known: HashSet<&String> = self.hashed.iter().map(|file| &file.path).collect();
        let paths: Vec<&String> = self.paths.iter().filter(|path| !known.contains(path)).collect();
        self.bar.begin("checksums", paths.len());
        let read = |path: &String| {
            interrupt::check()?;
            let hashed = Hashed::read(draft, path).map_err(|error| Failure::disk("read", &draft.join(path), &error));
            self.bar.step();
            hashed
        };
        let hashed: Result<Vec<Hashed>, Failure> = paths.into_par_iter().map(read).collect();
        self.bar.end();
        self.hashed.extend(hashed?);
        self.hashed.sort_by(|one, other| one.path.cmp(&other.path));
        self.manifest.files = self.hashed.iter().map(listed).collect();
        Ok(())
    }

    /// Writes the manifest and begins the history.
    fn seal(&mut self, draft: &Path, name: &str) -> Result<(), Failure> {
        self.hash(draft)?;
        let path = draft.join("manifest.json");
        let disk = |error: std::io::Error| Failure::disk("write", &path, &error);
        write_whole(&path, |out| serde_json::to_writer_pretty(out, &self.manifest).map_err(std::io::Error::from))
            .map_err(disk)?;
        self.hashed.push(Hashed::read(draft, "manifest.json").map_err(disk)?);
        mhl::seal(draft, name, self.date, &self.hashed)
    }

    /// Such as `Kitchen_at_seven_r01_v002`.
    fn reel_name(&self) -> String {
        let Manifest { title, version, .. } = &self.manifest;
        format!("{}_r{:02}_v{version:03}", safe_title(title), self.project.list.reel)
    }
}

fn listed(file: &Hashed) -> ManifestFile {
    ManifestFile { path: file.path.clone(), bytes: file.bytes, sha256: file.sha256.clone() }
}

/// The clips, with what was supplied for them and what is said about rights.
fn described(project: &Project, timeline: &Timeline, takes: &[&SelectedTake]) -> Vec<ManifestClip> {
    let mut described = clips(timeline);
    for (clip, own) in described.iter_mut().zip(&timeline.clips) {
        let Some(take) = takes.iter().find(|take| take.take == own.take) else { continue };
        let supplied = take.facts.from.references.iter();
        clip.references =
            supplied.map(|one| Supplied { source: one.source.clone(), sha256: one.source_sha256.clone() }).collect();
        let shot = project.list.shots.iter().find(|shot| shot.id == own.take.shot);
        clip.rights = shot.and_then(|shot| shot.rights.clone()).unwrap_or_else(|| project.list.rights.clone());
    }
    described
}

/// SHA-256 of everything that shapes a package but its version and date, by what people would call it.
fn made_of(
    project: &Project,
    timeline: &Timeline,
    takes: &[&SelectedTake],
    wishes: Wishes,
) -> BTreeMap<String, String> {
    let facts: Vec<_> = takes.iter().map(|take| &take.facts).collect();
    let rights: Vec<_> = project.list.shots.iter().map(|shot| (&shot.id, &shot.rights)).collect();
    let Timeline { title, start, clips, markers, cues } = timeline;
    let digest = |value: serde_json::Result<String>| digest_text(&value.expect("these are plain values"));
    let parts = [
        ("program", digest(serde_json::to_string(&(SCHEMA, env!("CARGO_PKG_VERSION"))))),
        ("wishes (--reference, --guide)", digest(serde_json::to_string(&wishes))),
        ("rights", digest(serde_json::to_string(&(&project.list.rights, rights)))),
        ("title, reel or start", digest(serde_json::to_string(&(title, project.list.reel, start.to_string())))),
        ("cut", digest(serde_json::to_string(clips))),
        ("takes or stems", digest(serde_json::to_string(&facts))),
        ("markers, notes or cues", digest(serde_json::to_string(&(markers, cues)))),
    ];
    parts.into_iter().map(|(part, digest)| (part.to_owned(), digest)).collect()
}

/// What is other than before, in words.
fn reasons(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Vec<String> {
    let other = now.iter().filter(|(part, digest)| before.get(*part) != Some(digest));
    other.map(|(part, _)| format!("other {part}")).collect()
}

/// When the package is made: `SOURCE_DATE_EPOCH` where that is set (reproducible-builds.org), else now; whole seconds.
pub(crate) fn date() -> Timestamp {
    let told = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.parse().ok());
    let second = told.unwrap_or_else(|| Timestamp::now().as_second());
    Timestamp::from_second(second).unwrap_or_default()
}

/// Whether every file of a package still is what the manifest says.
fn is_whole(package: &Path, manifest: &Manifest) -> bool {
    if !mhl::is_there(package) {
        return false;
    }
    let same = |file: &ManifestFile| {
        crate::project::digest(&package.join(&file.path)).is_ok_and(|(sha256, _)| sha256 == file.sha256)
    };
    manifest.files.par_iter().all(same)
}

fn package_name(title: &str, version: u32) -> String {
    format!("{title}_v{version:03}")
}

/// The versions that stand there, in their order.
fn versions(folder: &Path, title: &str) -> BTreeSet<u32> {
    let names = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    let version = |name: String| {
        let digits = name.strip_prefix(title)?.strip_prefix("_v")?.to_owned();
        digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    names.filter_map(version).collect()
}

fn too_high(folder: &Path, title: &str, version: u32) -> Failure {
    let name = folder.join(package_name(title, version));
    let message = format!("{} is the highest version that can be", name.display());
    Failure::new(Exit::Usage, message, "give it another name, if it is none of ours")
}

/// The manifest of a package.
pub(crate) fn read_manifest(package: &Path) -> Option<Manifest> {
    serde_json::from_slice(&fs::read(package.join("manifest.json")).ok()?).ok()
}
