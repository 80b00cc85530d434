//! The recut that was imported last: `.seedpost/cut.json`, which stands in the list's place until it is given up.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use seedpost_core::shot::{ShotId, TakeId};
use seedpost_core::time::Frames;
use seedpost_core::timeline::{Colour, CutFault, Edit, Marker, Timeline};
use serde::{Deserialize, Serialize};

use crate::cut::Missing;
use crate::output::{Exit, Failure, note};
use crate::project::{Project, write_whole};

const SCHEMA: &str = "seedpost.cut/1";
/// The largest that is read, in bytes.
const MOST: u64 = 64 << 20;

/// An editor's cut of a project's takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Recut {
    schema: String,
    /// The name of the file that it came from.
    pub(crate) imported: String,
    /// SHA-256 of that file, in hex.
    pub(crate) sha256: String,
    /// Its clips, in their order.
    pub(crate) clips: Vec<Placed>,
    /// The shots that were there to be cut, and were left out.
    left_out: Vec<String>,
}

/// A stretch of a take at a place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Placed {
    /// The take that was cut. Where the shot has another one in the cut by now, that takes its place.
    take: String,
    /// The first frame of the take, from 0.
    from: Frames,
    frames: Frames,
    /// The frame since midnight at which it begins.
    record_start: Frames,
    /// What the editor did there, in words; may be empty.
    note: String,
}

impl Recut {
    pub(crate) fn new(imported: String, sha256: String, edits: Vec<(Edit, String)>, base: &Timeline) -> Recut {
        let cut: HashSet<&ShotId> = edits.iter().map(|(edit, _)| &edit.take.shot).collect();
        let shots = base.clips.iter().map(|clip| &clip.take.shot);
        let left_out = shots.filter(|shot| !cut.contains(shot)).map(ToString::to_string).collect();
        let placed = |(edit, note): (Edit, String)| Placed {
            take: edit.take.to_string(),
            from: edit.from,
            frames: edit.frames,
            record_start: edit.record_start,
            note,
        };
        Recut { schema: SCHEMA.to_owned(), imported, sha256, clips: edits.into_iter().map(placed).collect(), left_out }
    }

    fn path(project: &Project) -> PathBuf {
        project.hidden().join("cut.json")
    }

    /// The one that stands, if there is one.
    pub(crate) fn read(project: &Project) -> Result<Option<Recut>, Failure> {
        let path = Recut::path(project);
        let length = match fs::metadata(&path) {
            Ok(there) => there.len(),
            Err(_) => return Ok(None),
        };
        let text = if length <= MOST { fs::read(&path).ok() } else { None };
        let recut = text.and_then(|text| serde_json::from_slice(&text).ok());
        let recut = recut.filter(|recut: &Recut| recut.schema == SCHEMA);
        let damaged = || {
            let message = format!("{} cannot be read", path.display());
            Failure::new(Exit::Invalid, message, "import the recut again, or `seedpost import --list-order`")
        };
        recut.map(Some).ok_or_else(damaged)
    }

    /// Keeps it; one that stood there keeps a name with a number.
    pub(crate) fn keep(&self, project: &Project) -> Result<(), Failure> {
        let path = Recut::path(project);
        if path.exists() {
            fs::hard_link(&path, numbered(&path)).map_err(|error| Failure::disk("keep", &path, &error))?;
        }
        let written = write_whole(&path, |out| serde_json::to_writer_pretty(out, self).map_err(std::io::Error::from));
        written.map_err(|error| Failure::disk("write", &path, &error))
    }

    /// Renames the one that stands, so that the list's order counts again. Whether there was one.
    pub(crate) fn put_aside(project: &Project) -> Result<bool, Failure> {
        put_aside(&Recut::path(project))
    }

    /// The takes of the list's cut where the editor has them; what was done is marked in blue.
    pub(crate) fn apply(&self, assembled: &Timeline) -> Result<Timeline, Failure> {
        let takes: HashMap<&ShotId, &TakeId> =
            assembled.clips.iter().map(|clip| (&clip.take.shot, &clip.take)).collect();
        let edit = |placed| Some((Placed::edit(placed, &takes)?, placed));
        let kept: Vec<(Edit, &Placed)> = self.clips.iter().filter_map(edit).collect();
        let edits: Vec<Edit> = kept.iter().map(|(edit, _)| edit.clone()).collect();
        let mut timeline = assembled.recut(&edits).map_err(|faults| self.unfit(&faults))?;
        let words = kept.iter().filter(|(_, placed)| !placed.note.is_empty());
        timeline.markers.extend(words.map(|(edit, placed)| Marker {
            frame: edit.record_start,
            length: Frames(1),
            name: format!("EDIT {}", edit.take),
            note: placed.note.clone(),
            colour: Colour::Blue,
        }));
        Ok(timeline)
    }

    /// Whether another one has the same clips and words.
    pub(crate) fn is_same_cut(&self, other: &Recut) -> bool {
        self.clips == other.clips && self.left_out == other.left_out
    }

    /// Shots that are finished and that whoever made the recut did not have, and those of it that the list has no more.
    pub(crate) fn missing(&self, assembled: &Timeline, project: &Project) -> Vec<Missing> {
        let takes = self.clips.iter().filter_map(|placed| placed.take.parse::<TakeId>().ok());
        let cut: HashSet<ShotId> = takes.map(|take| take.shot).collect();
        let known = |shot: &ShotId| cut.contains(shot) || self.left_out.iter().any(|left| left == shot.as_str());
        let new = assembled.clips.iter().map(|clip| &clip.take.shot).filter(|shot| !known(shot));
        let newer = format!("is not in the recut {} and so not in the cut", self.imported);
        let mut missing: Vec<Missing> =
            new.map(|shot| Missing { shot: shot.to_string(), why: newer.clone() }).collect();
        let gone = cut.iter().filter(|shot| project.list.shot(shot).is_none());
        let empty = format!("is gone from the list, and its place in the recut {} is empty", self.imported);
        missing.extend(gone.map(|shot| Missing { shot: shot.to_string(), why: empty.clone() }));
        missing.sort();
        missing
    }

    fn unfit(&self, faults: &[CutFault]) -> Failure {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        let message = format!("the recut of {} does not fit the takes: {}", self.imported, faults.join("; "));
        Failure::new(
            Exit::Invalid,
            message,
            "select takes that are long enough, import another recut, or go back with `seedpost import --list-order`",
        )
    }
}

/// Renames a file, so that there is none. Whether there was one.
pub(crate) fn put_aside(path: &Path) -> Result<bool, Failure> {
    if !path.exists() {
        return Ok(false);
    }
    fs::rename(path, numbered(path)).map_err(|error| Failure::disk("put aside", path, &error))?;
    Ok(true)
}

/// `cut-001.json` of `cut.json` and so on: the first that is free.
fn numbered(path: &Path) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut names = (1..).map(|number: u64| path.with_file_name(format!("{stem}-{number:03}.json")));
    names.find(|name| !name.exists()).unwrap_or_else(|| path.with_extension("old"))
}

impl Placed {
    /// Where it lies, of the take that its shot has in the cut now; `None` where it has none.
    fn edit(&self, takes: &HashMap<&ShotId, &TakeId>) -> Option<Edit> {
        let was: TakeId = self.take.parse().ok()?;
        let take = *takes.get(&was.shot)?;
        if *take != was {
            note(format_args!("warning: the recut was made with {was}; {take} takes its place"));
        }
        let Placed { from, frames, record_start, .. } = *self;
        Some(Edit { take: take.clone(), from, frames, record_start })
    }
}
