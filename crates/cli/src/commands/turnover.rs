//! `turnover`: the package for sound. Whole or absent, and a new version only when something changed.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use seedpost_core::change::Change;
use seedpost_core::cue::{self, Spoken};
use seedpost_core::export::{self, Format};
use seedpost_core::shot::{Shot, TakeId};
use seedpost_core::sync::Tolerance;
use seedpost_core::sync::edit_map;
use seedpost_core::time::{Frames, Samples, TimeRange};
use seedpost_core::timeline::{Piece, Timeline, assemble};
use seedpost_core::turnover::{Manifest, ManifestFile, ManifestLoss, SCHEMA, clips, safe_title};
use seedpost_render::runner::TEMPORARY;
use serde_json::json;

use super::{List, block_on};
use crate::finish::{Depth, Finish, Finished, Job, finish};
use crate::output::{Exit, Failure, note, result_json, say, shown};
use crate::prepare::prepare;
use crate::project::{Project, digest, ledger_failure, make_folder, write_whole};
use crate::sound::{StemFacts, Wishes};

pub(super) fn run(list: &List, json: bool) -> Result<Exit, Failure> {
    let project = list.open()?;
    let _lock = project.lock()?;
    let finished = selected(&project, None)?;
    let timeline = cut(&project, &finished, packaged)?;
    let folder = project.root.join("turnover");
    make_folder(&folder)?;
    let title = safe_title(&project.list.title);
    let last = last_version(&folder, &title);
    let draft = tempfile::Builder::new()
        .prefix(TEMPORARY)
        .tempdir_in(&folder)
        .map_err(|error| Failure::disk("write in", &folder, &error))?;
    let version = last + 1;
    let mut manifest = build(&project, &timeline, &finished, draft.path(), &title, version)?;
    let before = folder.join(package_name(&title, last));
    manifest.version = last;
    let unchanged = read_manifest(&before).is_some_and(|before| before == manifest) && is_whole(&before, &manifest);
    manifest.version = version;
    let package = if unchanged { before } else { folder.join(package_name(&title, version)) };
    if !unchanged {
        write_manifest(draft.path(), &manifest)?;
        fs::rename(draft.path(), &package).map_err(|error| Failure::disk("make", &package, &error))?;
        fs::set_permissions(&package, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .map_err(|error| Failure::disk("open", &package, &error))?;
    }
    let missing = missing(&project, &timeline);
    if json {
        result_json(
            "turnover",
            json!({ "package": shown(&package), "new": !unchanged, "clips": timeline.clips.len(), "missing": missing, "losses": manifest.losses }),
        );
    } else {
        let state = if unchanged { " (nothing changed since it was made)" } else { "" };
        say(format_args!("package  {}{state}", package.display()));
    }
    Ok(tell_missing(&missing))
}

/// Says which shots are not in the cut; answers how that ends.
pub(crate) fn tell_missing(missing: &[String]) -> Exit {
    missing.iter().for_each(|shot| note(format_args!("warning: {shot} has no finished take and is not in the cut")));
    if missing.is_empty() { Exit::Done } else { Exit::Partly }
}

/// Whether every file of a package still is what the manifest says.
fn is_whole(package: &Path, manifest: &Manifest) -> bool {
    let same = |file: &ManifestFile| digest(&package.join(&file.path)).is_ok_and(|(sha256, _)| sha256 == file.sha256);
    manifest.files.iter().all(same)
}

/// The finished takes that the cut is made of, in order. Only under the project's lock.
pub(crate) fn selected(project: &Project, wishes: Option<Wishes>) -> Result<Vec<SelectedTake>, Failure> {
    project.sweep();
    let mut desk = prepare(project)?;
    let takes = block_on(async { project.ledger().await?.takes().await.map_err(|error| ledger_failure(&error)) })??;
    desk.add_followers(project, &takes);
    let standing = desk.standing(&takes).into_iter();
    let jobs = standing.filter_map(|(id, prepared, take)| Job::new(id, prepared, take)).collect();
    let Finish { finished, failures } = finish(project, jobs, Depth { deep: false, wishes });
    failures.iter().for_each(|(_, failure)| failure.tell());
    let takes: Vec<SelectedTake> =
        finished.into_iter().filter(|finished| finished.job.selected).map(SelectedTake::new).collect();
    if takes.is_empty() {
        return Err(Failure::new(Exit::Usage, "no take is finished yet", "run `seedpost run` first"));
    }
    Ok(takes)
}

/// What a cut needs of a finished take.
pub(crate) struct SelectedTake {
    pub(crate) take: TakeId,
    pub(crate) facts: crate::finish::Facts,
    shot: Shot,
    /// Whether a filter refused it with sound.
    refused: bool,
    phrases: Vec<TimeRange<Samples>>,
}

impl SelectedTake {
    fn new(finished: Finished<'_>) -> SelectedTake {
        let Finished { job, facts, .. } = finished;
        let follows = job.state.plan.follows.as_ref();
        let phrases = facts.sound.phrases.iter().flatten().map(|phrase| phrase.range).collect();
        SelectedTake {
            refused: follows.is_some_and(|follows| follows.change == Change::SilentAudio),
            shot: job.prepared.shot.clone().into_owned(),
            take: job.take,
            phrases,
            facts,
        }
    }

    /// Where someone speaks in it.
    pub(crate) fn phrases(&self) -> &[TimeRange<Samples>] {
        &self.phrases
    }

    /// What cues are planned by.
    fn spoken(&self, record_start: Frames, frames: Frames) -> Spoken<'_> {
        let sound = &self.facts.sound;
        Spoken {
            shot: &self.shot,
            take: &self.take,
            lane: self.facts.from.lane.lane,
            // What was asked for and did not come was not rendered either.
            generate_audio: self.facts.from.lane.generate_audio && self.facts.info.audio.is_some(),
            refused: self.refused,
            heard_language: None,
            record_start,
            frames,
            listened: sound.phrases.is_some() || self.facts.info.audio.is_none(),
            phrases: &self.phrases,
            sync: sound.sync.as_ref().map_or(&[], |sync| &sync.phrases),
        }
    }
}

/// Lays takes end to end; `place` says what each file is called there.
pub(crate) fn cut(
    project: &Project,
    takes: &[SelectedTake],
    place: impl Fn(&TakeId, &str) -> String,
) -> Result<Timeline, Failure> {
    let piece = |selected: &SelectedTake| Piece {
        take: selected.take.clone(),
        lane: selected.facts.from.lane.lane,
        frames: selected.facts.info.video.as_ref().and_then(|video| video.frames).unwrap_or_default(),
        picture: place(&selected.take, &selected.facts.picture),
        stems: selected
            .facts
            .sound
            .stems
            .iter()
            .map(|stem| (stem.role(), place(&selected.take, &stem.file), stem.channels))
            .collect(),
        prompt: selected.shot.prompt.clone(),
    };
    let timeline = assemble(&project.list.title, project.list.start, takes.iter().map(piece).collect());
    let timeline = timeline.ok_or_else(|| Failure::new(Exit::Internal, "the cut is too long", "split the list"))?;
    // Stems carry their place; where a take before them could not be finished, they have another one.
    let moved =
        timeline.clips.iter().zip(takes).find(|(clip, selected)| clip.record_start != selected.facts.from.record_start);
    if let Some((clip, _)) = moved {
        let message = format!("a take before {} could not be finished, so the stems do not fit the cut", clip.take);
        return Err(Failure::new(Exit::Partly, message, "mend that take, or take its shot out of the list"));
    }
    let clips = timeline.clips.iter().zip(takes);
    let spoken: Vec<Spoken<'_>> =
        clips.map(|(clip, selected)| selected.spoken(clip.record_start, clip.frames)).collect();
    let cues = cue::plan(&spoken, timeline.start.rate(), project.list.reel, Tolerance::default());
    Ok(timeline.with_cues(cues))
}

/// A file's place in the package: stems keep their names, a picture takes its take's.
fn packaged(take: &TakeId, file: &str) -> String {
    match file.strip_prefix("stems/") {
        Some(stem) => format!("audio/{stem}"),
        None => format!("picture/{take}.mp4"),
    }
}

fn package_name(title: &str, version: u32) -> String {
    format!("{title}_v{version:03}")
}

/// The highest version that stands there; none is 0.
fn last_version(folder: &Path, title: &str) -> u32 {
    let names = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    let version = |name: String| name.strip_prefix(title)?.strip_prefix("_v")?.parse().ok();
    names.filter_map(version).max().unwrap_or(0)
}

fn build(
    project: &Project,
    timeline: &Timeline,
    takes: &[SelectedTake],
    draft: &Path,
    title: &str,
    version: u32,
) -> Result<Manifest, Failure> {
    for folder in ["picture", "audio", "timeline"] {
        make_folder(&draft.join(folder))?;
    }
    let mut paths = BTreeSet::new();
    for selected in takes {
        let stems = selected.facts.sound.stems.iter().flat_map(StemFacts::files).map(|(file, _)| file);
        for file in stems.chain([&selected.facts.picture]) {
            let (from, to) = (crate::finish::file_of(project, &selected.take, file), packaged(&selected.take, file));
            fs::copy(&from, draft.join(&to)).map_err(|error| Failure::disk("copy", &from, &error))?;
            paths.insert(to);
        }
    }
    let mut losses = Vec::new();
    let timelines = Format::ALL.into_iter().map(|format| ("timeline", format));
    let cues = Format::CUES.into_iter().filter(|_| !timeline.cues.is_empty()).map(|format| ("adr", format));
    for (folder, format) in timelines.chain(cues) {
        let path = format!("{folder}/{}", format.file_name(title));
        let export = export::write(timeline, format);
        write_text(draft, &path, &export.text)?;
        losses.extend(export.losses.into_iter().map(|loss| ManifestLoss {
            format: loss.format.to_owned(),
            clip: loss.clip,
            what: loss.what,
        }));
        paths.insert(path);
    }
    if !timeline.cues.is_empty() {
        let path = format!("adr/{title}_adr.json");
        let text = serde_json::to_string_pretty(&timeline.cues).expect("cues are plain values");
        write_text(draft, &path, &(text + "\n"))?;
        paths.insert(path);
    }
    for (take, sync) in takes.iter().filter_map(|take| Some((take, take.facts.sound.sync.as_ref()?))) {
        let path = format!("adr/{}_REF_edits.csv", take.take);
        write_text(draft, &path, &edit_map::csv(&sync.edit_map))?;
        paths.insert(path);
    }
    let files = paths.into_iter().map(|path| describe(draft, path)).collect::<Result<_, _>>()?;
    Ok(Manifest {
        schema: SCHEMA.to_owned(),
        title: project.list.title.clone(),
        version,
        frame_rate: timeline.start.rate().to_string(),
        start_timecode: timeline.start.to_string(),
        clips: clips(timeline),
        losses,
        files,
    })
}

fn write_text(draft: &Path, path: &str, text: &str) -> Result<(), Failure> {
    let whole = draft.join(path);
    write_whole(&whole, |out| out.write_all(text.as_bytes()))
        .map_err(|error: std::io::Error| Failure::disk("write", &whole, &error))
}

fn describe(draft: &Path, path: String) -> Result<ManifestFile, Failure> {
    let whole = draft.join(&path);
    let (sha256, bytes) = digest(&whole).map_err(|error| Failure::disk("read", &whole, &error))?;
    Ok(ManifestFile { path, bytes, sha256 })
}

fn write_manifest(draft: &Path, manifest: &Manifest) -> Result<(), Failure> {
    let path = draft.join("manifest.json");
    let written = write_whole(&path, |out| serde_json::to_writer_pretty(out, manifest).map_err(std::io::Error::from));
    written.map_err(|error| Failure::disk("write", &path, &error))
}

/// The manifest of a package.
pub(super) fn read_manifest(package: &Path) -> Option<Manifest> {
    serde_json::from_slice(&fs::read(package.join("manifest.json")).ok()?).ok()
}

/// Shots that have no place in the cut.
pub(crate) fn missing(project: &Project, timeline: &Timeline) -> Vec<String> {
    let there = |shot: &&seedpost_core::shot::Shot| !timeline.clips.iter().any(|clip| clip.take.shot == shot.id);
    project.list.shots.iter().filter(there).map(|shot| shot.id.to_string()).collect()
}

/// Every file of a package but its manifest, by path with `/`.
pub(super) fn files_in(package: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(package.join(&folder)).into_iter().flatten().flatten() {
            let path = folder.join(entry.file_name());
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else {
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    found.retain(|path| path != "manifest.json");
    found.sort();
    found
}
