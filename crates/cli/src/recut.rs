//! The recut that was imported last: `.seedpost/cut.json`, which stands in the list's place until it is given up.

use std::fs;
use std::path::PathBuf;

use seedpost_core::shot::TakeId;
use seedpost_core::time::Frames;
use seedpost_core::timeline::{Colour, CutFault, Edit, Marker, Timeline};
use serde::{Deserialize, Serialize};

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
    pub(crate) fn new(imported: String, sha256: String, edits: Vec<(Edit, String)>) -> Recut {
        let placed = |(edit, note): (Edit, String)| Placed {
            take: edit.take.to_string(),
            from: edit.from,
            frames: edit.frames,
            record_start: edit.record_start,
            note,
        };
        Recut { schema: SCHEMA.to_owned(), imported, sha256, clips: edits.into_iter().map(placed).collect() }
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

    /// Keeps it; one that stood there gets a number.
    pub(crate) fn keep(&self, project: &Project) -> Result<(), Failure> {
        Recut::put_aside(project)?;
        let path = Recut::path(project);
        let written = write_whole(&path, |out| serde_json::to_writer_pretty(out, self).map_err(std::io::Error::from));
        written.map_err(|error| Failure::disk("write", &path, &error))
    }

    /// Renames the one that stands, so that the list's order counts again. Whether there was one.
    pub(crate) fn put_aside(project: &Project) -> Result<bool, Failure> {
        let path = Recut::path(project);
        if !path.exists() {
            return Ok(false);
        }
        let numbered = (1..).map(|number: u32| path.with_file_name(format!("cut-{number:03}.json")));
        let free = numbered.into_iter().find(|path| !path.exists()).unwrap_or_else(|| path.with_extension("old"));
        fs::rename(&path, &free).map_err(|error| Failure::disk("put aside", &path, &error))?;
        Ok(true)
    }

    /// The takes of the list's cut where the editor has them; what was done is marked in blue.
    pub(crate) fn apply(&self, assembled: &Timeline) -> Result<Timeline, Failure> {
        let mut kept = Vec::with_capacity(self.clips.len());
        for placed in &self.clips {
            kept.extend(placed.edit(assembled).map(|edit| (edit, placed)));
        }
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

impl Placed {
    /// Where it lies, of the take that its shot has in the cut now; `None` where it has none.
    fn edit(&self, assembled: &Timeline) -> Option<Edit> {
        let was: TakeId = self.take.parse().ok()?;
        let clip = assembled.clips.iter().find(|clip| clip.take.shot == was.shot)?;
        if clip.take != was {
            note(format_args!("warning: the recut was made with {was}; {} takes its place", clip.take));
        }
        let Placed { from, frames, record_start, .. } = *self;
        Some(Edit { take: clip.take.clone(), from, frames, record_start })
    }
}
