//! The folder of a delivery: where it goes, what is in it, and the step that makes it appear.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use seedpost_core::layback::{Delivery, SCHEMA};
use seedpost_core::turnover::{ManifestFile, safe_title};
use serde_json::Value;

use super::package::Package;
use crate::interrupt;
use crate::mhl;
use crate::output::{Exit, Failure};
use crate::package::date;
use crate::project::{Hashed, make_folder, open_plain, write_whole};

/// Where a delivery goes.
pub(super) struct Place {
    pub(super) path: PathBuf,
    /// Whether a delivery stands there that is to be replaced.
    replaces: bool,
}

impl Place {
    /// Beside the package under the next free number, or where it was asked for.
    pub(super) fn find(package: &Package, out: Option<&Path>, force: bool) -> Result<Place, Failure> {
        let Some(out) = out else {
            let beside = package.root.parent().unwrap_or(Path::new("/"));
            let stem = format!("{}_layback_v", package.name);
            let names = fs::read_dir(beside).into_iter().flatten().flatten();
            let numbers =
                names.filter_map(|entry| entry.file_name().to_string_lossy().strip_prefix(&stem)?.parse::<u32>().ok());
            let next = numbers.max().unwrap_or(0).saturating_add(1);
            return Ok(Place { path: beside.join(format!("{stem}{next:03}")), replaces: false });
        };
        let path = std::path::absolute(out).map_err(|error| Failure::disk("open", out, &error))?;
        if is_within(&path, &package.root) {
            let message = format!("{} lies in the package, whose files are counted", out.display());
            return Err(Failure::new(Exit::Usage, message, "name a folder outside of it"));
        }
        // A link that leads nowhere is somebody's too.
        let stands = fs::symlink_metadata(&path).is_ok();
        if stands && !force {
            let message = format!("{} exists", out.display());
            return Err(Failure::new(Exit::Usage, message, "choose another name, or add --force"));
        }
        if stands && !is_delivery(&path) {
            let message = format!("{} exists, and is no delivery of this program", out.display());
            return Err(Failure::new(Exit::Usage, message, "choose another name: only a delivery is replaced"));
        }
        if let Some(foreign) = foreign(&path).filter(|_| stands) {
            let message = format!("{} has {foreign}, which the delivery there does not list", out.display());
            return Err(Failure::new(Exit::Usage, message, "move it elsewhere, or choose another name"));
        }
        Ok(Place { path, replaces: stands })
    }
}

/// Whether a path that may not be there yet lies in a folder.
fn is_within(path: &Path, folder: &Path) -> bool {
    let there = path.ancestors().find_map(|above| above.canonicalize().ok());
    there.is_some_and(|there| there.starts_with(folder))
}

fn is_delivery(folder: &Path) -> bool {
    let is_folder = fs::symlink_metadata(folder).is_ok_and(|found| found.is_dir());
    let manifest = fs::read(folder.join("manifest.json")).ok();
    let manifest = manifest.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    is_folder && manifest.is_some_and(|value| value.get("schema").and_then(Value::as_str) == Some(SCHEMA))
}

/// A file that is none of those that a delivery lists: somebody put it there.
fn foreign(folder: &Path) -> Option<String> {
    let manifest = fs::read(folder.join("manifest.json")).ok()?;
    let manifest: Value = serde_json::from_slice(&manifest).ok()?;
    let files = manifest.get("files").and_then(Value::as_array).into_iter().flatten();
    let listed: BTreeSet<&str> = files.filter_map(|file| file.get("path")?.as_str()).collect();
    let is_own = |path: &String| {
        listed.contains(path.as_str()) || path == "manifest.json" || path.starts_with("ascmhl/") || path == ".DS_Store"
    };
    files_in(folder, "").into_iter().find(|path| !is_own(path))
}

/// All that is no folder below one, by paths with `/`; links are not followed.
fn files_in(folder: &Path, under: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = format!("{under}{}", entry.file_name().to_string_lossy());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files_in(&entry.path(), &format!("{path}/"))),
            _ => found.push(path),
        }
    }
    found
}

/// Copies a mix into a delivery.
pub(super) fn take_mix(mix: &Path, draft: &Path) -> Result<Hashed, Failure> {
    let stem = mix.file_stem().unwrap_or_default().to_string_lossy();
    let path = format!("mix/{}.wav", safe_title(&stem));
    make_folder(&draft.join("mix"))?;
    let disk = |error: std::io::Error| Failure::disk("read", mix, &error);
    let mut source = open_plain(mix).map_err(disk)?;
    write_whole(&draft.join(&path), |out| std::io::copy(&mut source, out)).map_err(disk)?;
    Hashed::read(draft, &path).map_err(disk)
}

/// Writes manifest and history, and gives the folder its name: it is whole or it is not there.
pub(super) fn finish(draft: tempfile::TempDir, place: &Place, delivery: &mut Delivery) -> Result<(), Failure> {
    let date = date();
    delivery.date = date.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let folder = draft.path();
    let movies = delivery.clips.iter().flat_map(|clip| &clip.movies).map(|movie| movie.path.clone());
    let paths: BTreeSet<String> = movies.chain([delivery.mix.path.clone()]).collect();
    let read = |path: &String| {
        interrupt::check()?;
        Hashed::read(folder, path).map_err(|error| Failure::disk("read", &folder.join(path), &error))
    };
    let mut hashed = paths.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let listed =
        |file: &Hashed| ManifestFile { path: file.path.clone(), bytes: file.bytes, sha256: file.sha256.clone() };
    delivery.files = hashed.iter().map(listed).collect();
    let path = folder.join("manifest.json");
    let disk = |error: std::io::Error| Failure::disk("write", &path, &error);
    write_whole(&path, |out| serde_json::to_writer_pretty(out, delivery).map_err(std::io::Error::from))
        .map_err(disk)?;
    hashed.push(Hashed::read(folder, "manifest.json").map_err(disk)?);
    let name = place.path.file_name().unwrap_or_default().to_string_lossy();
    mhl::seal(folder, &name, date, &hashed)?;
    let disk = |error: std::io::Error| Failure::disk("make", &place.path, &error);
    fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o755)).map_err(disk)?;
    interrupt::check()?;
    if place.replaces {
        // In one step: what stood there goes with the draft.
        return renameat_with(CWD, folder, CWD, &place.path, RenameFlags::EXCHANGE).map_err(|error| disk(error.into()));
    }
    // Where somebody made the folder meanwhile, it stays; disks that cannot promise that keep what is in it.
    match renameat_with(CWD, folder, CWD, &place.path, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => fs::rename(folder, &place.path),
        renamed => renamed.map_err(Into::into),
    }
    .map_err(disk)?;
    // It has another name now.
    let _ = draft.keep();
    Ok(())
}
