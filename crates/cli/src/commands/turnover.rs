//! `turnover`: the package for sound. Whole or absent, and a new version only when something changed.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use seedpost_core::export::{self, Format, Links, Loss, base_name};
use seedpost_core::shot::TakeId;
use seedpost_core::sync::edit_map;
use seedpost_core::timeline::Timeline;
use seedpost_core::turnover::{Manifest, ManifestFile, SCHEMA, clips, safe_title};
use seedpost_render::runner::TEMPORARY;
use serde_json::json;

use super::List;
use crate::copies;
use crate::cut::{Cut, SelectedTake, cut, names, selected, tell_missing};
use crate::finish::file_of;
use crate::output::{Exit, Failure, note, result_json_as, say, shown};
use crate::project::{Project, digest, make_folder, write_whole};
use crate::sound::{self, StemFacts};

pub(super) fn run(list: &List, json: bool) -> Result<Exit, Failure> {
    let project = list.open()?;
    let _lock = project.lock()?;
    let finished = selected(&project, None)?;
    let Cut { timeline, missing } = cut(&project, &finished, packaged)?;
    let timeline = timeline.with_sides(|stem| sound::sides(&stem.file));
    let folder = project.root.join("turnover");
    make_folder(&folder)?;
    let title = safe_title(&project.list.title);
    let last = last_version(&folder, &title);
    let draft = tempfile::Builder::new()
        .prefix(TEMPORARY)
        .tempdir_in(&folder)
        .map_err(|error| Failure::disk("write in", &folder, &error))?;
    let version = last + 1;
    let (mut manifest, refused) = build(&project, &timeline, &finished, draft.path(), &title, version)?;
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
    if json {
        result_json_as(
            "seedpost.turnover/2",
            json!({ "package": shown(&package), "new": !unchanged, "clips": timeline.clips.len(), "missing": names(&missing), "refused": refused, "losses": manifest.losses }),
        );
    } else {
        let state = if unchanged { " (nothing changed since it was made)" } else { "" };
        say(format_args!("package  {}{state}", package.display()));
    }
    let exit = tell_missing(&missing);
    Ok(if refused.is_empty() { exit } else { Exit::Partly })
}

/// Whether every file of a package still is what the manifest says.
fn is_whole(package: &Path, manifest: &Manifest) -> bool {
    let same = |file: &ManifestFile| digest(&package.join(&file.path)).is_ok_and(|(sha256, _)| sha256 == file.sha256);
    manifest.files.iter().all(same)
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
) -> Result<(Manifest, Vec<String>), Failure> {
    let in_cut: HashSet<&TakeId> = timeline.clips.iter().map(|clip| &clip.take).collect();
    let takes: Vec<&SelectedTake> = takes.iter().filter(|take| in_cut.contains(&take.take)).collect();
    let mut paths = copy_media(project, timeline, &takes, draft)?;
    let Forms { losses, refused } = write_forms(timeline, draft, title, &mut paths)?;
    if !timeline.cues.is_empty() {
        let path = format!("adr/{title}_adr.json");
        let text = serde_json::to_string_pretty(&timeline.cues).expect("cues are plain values");
        write_file(draft, &path, (text + "\n").as_bytes())?;
        paths.insert(path);
    }
    for (take, sync) in takes.iter().filter_map(|take| Some((take, take.facts.sound.sync.as_ref()?))) {
        let path = format!("adr/{}_REF_edits.csv", take.take);
        write_file(draft, &path, edit_map::csv(&sync.edit_map).as_bytes())?;
        paths.insert(path);
    }
    let files = paths.into_iter().map(|path| describe(draft, path)).collect::<Result<_, _>>()?;
    let manifest = Manifest {
        schema: SCHEMA.to_owned(),
        title: project.list.title.clone(),
        version,
        frame_rate: timeline.start.rate().to_string(),
        start_timecode: timeline.start.to_string(),
        clips: clips(timeline),
        losses,
        files,
    };
    Ok((manifest, refused))
}

/// Copies the pictures and stems of takes, and writes the sides of stems; answers all paths.
fn copy_media(
    project: &Project,
    timeline: &Timeline,
    takes: &[&SelectedTake],
    draft: &Path,
) -> Result<BTreeSet<String>, Failure> {
    for folder in ["picture", "audio", "timeline"] {
        make_folder(&draft.join(folder))?;
    }
    let mut paths = BTreeSet::new();
    for selected in takes {
        let stems = selected.facts.sound.stems.iter().flat_map(StemFacts::files).map(|(file, _)| file);
        for file in stems.chain([&selected.facts.picture]) {
            let (from, to) = (file_of(project, &selected.take, file), packaged(&selected.take, file));
            fs::copy(&from, draft.join(&to)).map_err(|error| Failure::disk("copy", &from, &error))?;
            paths.insert(to);
        }
    }
    let by_name: HashMap<&TakeId, &SelectedTake> = takes.iter().map(|take| (&take.take, *take)).collect();
    for (clip, stem) in timeline.clips.iter().flat_map(|clip| clip.stems.iter().map(move |stem| (clip, stem))) {
        let label = by_name.get(&clip.take).and_then(|take| take.stem_label(stem.role));
        if let ([left, right], Some(label)) = (&stem.sides[..], label)
            && paths.insert(left.clone())
        {
            paths.insert(right.clone());
            let sides = [left.clone(), right.clone()];
            let own = file_of(project, &clip.take, &format!("stems/{}", base_name(&stem.file)));
            copies::split(&own, draft, &sides, stem.role, stem.samples, &label)?;
        }
    }
    Ok(paths)
}

/// What the forms could not carry, and those that cannot be written.
struct Forms {
    losses: Vec<Loss>,
    refused: Vec<String>,
}

fn write_forms(timeline: &Timeline, draft: &Path, title: &str, paths: &mut BTreeSet<String>) -> Result<Forms, Failure> {
    let (mut losses, mut refused) = (Vec::new(), Vec::new());
    let timelines = Format::ALL.into_iter().map(|format| ("timeline", format));
    let cues = Format::CUES.into_iter().filter(|_| !timeline.cues.is_empty()).map(|format| ("adr", format));
    for (folder, format) in timelines.chain(cues) {
        let path = format!("{folder}/{}", format.file_name(title));
        match export::write(timeline, format, Links("../")) {
            Ok(export) => {
                write_file(draft, &path, &export.content)?;
                losses.extend(export.losses);
                paths.insert(path);
            }
            Err(refusal) => {
                note(format_args!("warning: not in the package: {refusal}"));
                note(format_args!("  fix: {}", refusal.fix));
                refused.push(refusal.to_string());
            }
        }
    }
    Ok(Forms { losses, refused })
}

fn write_file(draft: &Path, path: &str, content: &[u8]) -> Result<(), Failure> {
    let whole = draft.join(path);
    write_whole(&whole, |out| out.write_all(content))
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
