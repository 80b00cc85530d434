//! The notes that came back: `.seedpost/notes.json`, each kept by its take and frame, so that it follows its picture.
//!
//! A note lies wherever the cut shows its frame. One whose frame is in no clip just now is kept, and told.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use seedpost_core::import::notes::{Mark, plain};
use seedpost_core::shot::TakeId;
use seedpost_core::time::{FrameRate, Frames, Timecode};
use seedpost_core::timeline::{Clip, Colour, Marker, Timeline};
use seedpost_core::turnover::is_safe_path;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::output::{Exit, Failure, note, say, table};
use crate::package::read_manifest;
use crate::project::{Project, write_whole};
use crate::recut::put_aside;

const SCHEMA: &str = "seedpost.notes/1";
/// The largest that is read, in bytes.
const MOST: u64 = 64 << 20;

/// All notes of a project.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Notes {
    schema: String,
    /// The lists that they came from: none is taken twice.
    lists: Vec<Source>,
    notes: Vec<Kept>,
}

/// A list that was taken over.
#[derive(Debug, Serialize, Deserialize)]
struct Source {
    /// The name of its file.
    imported: String,
    /// SHA-256 of that file, in hex.
    sha256: String,
}

/// A note, and what it is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Kept {
    at: At,
    length: Frames,
    name: String,
    note: String,
    colour: Colour,
}

/// What a note is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum At {
    /// A frame of a take, from 0.
    Take { take: String, frame: Frames },
    /// A frame since midnight, where the cut had no clip.
    Record { frame: Frames },
}

impl Notes {
    fn path(project: &Project) -> PathBuf {
        project.hidden().join("notes.json")
    }

    /// Those that are kept.
    pub(crate) fn read(project: &Project) -> Result<Notes, Failure> {
        let path = Notes::path(project);
        let length = match fs::metadata(&path) {
            Ok(there) => there.len(),
            Err(_) => return Ok(Notes { schema: SCHEMA.to_owned(), lists: Vec::new(), notes: Vec::new() }),
        };
        let text = if length <= MOST { fs::read(&path).ok() } else { None };
        let notes = text.and_then(|text| serde_json::from_slice(&text).ok());
        let notes = notes.filter(|notes: &Notes| notes.schema == SCHEMA);
        let damaged = || {
            let message = format!("{} cannot be read", path.display());
            Failure::new(Exit::Invalid, message, "`seedpost import --forget-notes`, then import the notes again")
        };
        notes.ok_or_else(damaged)
    }

    /// Writes them, whole or not at all.
    pub(crate) fn keep(&self, project: &Project) -> Result<(), Failure> {
        let path = Notes::path(project);
        let written = write_whole(&path, |out| serde_json::to_writer_pretty(out, self).map_err(std::io::Error::from));
        written.map_err(|error| Failure::disk("write", &path, &error))
    }

    /// Renames them, so that there are none. Whether there were any.
    pub(crate) fn put_aside(project: &Project) -> Result<bool, Failure> {
        put_aside(&Notes::path(project))
    }

    /// Takes over the markers of a list, but for those that the cut makes of itself and those that are kept already.
    pub(crate) fn add(
        &mut self,
        version: &Version,
        marks: &[Mark],
        own: &Timeline,
        (file, sha256): (&Path, String),
    ) -> Taken {
        let own: HashSet<(String, String)> =
            own.markers.iter().map(|marker| (plain(&marker.name), plain(&marker.note))).collect();
        let known_list = self.lists.iter().any(|list| list.sha256 == sha256);
        let mut known: HashSet<Kept> = self.notes.iter().cloned().collect();
        let mut taken = Taken { version: version.name.clone(), rows: Vec::new(), own: 0 };
        for mark in marks {
            let Mark { frame, length, name, note, colour, .. } = mark.clone();
            if own.contains(&(name.clone(), note.clone())) {
                taken.own += 1;
                continue;
            }
            let kept = Kept { at: version.at(frame), length, name, note, colour };
            let new = known.insert(kept.clone()) && !known_list;
            if new {
                self.notes.push(kept.clone());
            }
            taken.rows.push(Row { line: mark.place.line, kept, new });
        }
        if taken.is_new() {
            let imported = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            self.lists.push(Source { imported, sha256 });
        }
        taken
    }

    /// The notes as markers of a cut.
    pub(crate) fn lay(&self, cut: &Timeline) -> Laid<'_> {
        let places = Places::of(cut);
        let mut laid = Laid { markers: Vec::new(), absent: Vec::new() };
        for kept in &self.notes {
            let frames = places.of_note(kept);
            if frames.is_empty() {
                laid.absent.push(kept);
            }
            laid.markers.extend(frames.into_iter().map(|frame| kept.marker(frame)));
        }
        laid
    }
}

/// Notes in a cut.
pub(crate) struct Laid<'a> {
    pub(crate) markers: Vec<Marker>,
    /// Those whose frame the cut does not show.
    absent: Vec<&'a Kept>,
}

impl Laid<'_> {
    /// Says which notes the cut has no place for.
    pub(crate) fn tell_absent(&self) {
        for kept in &self.absent {
            note(format_args!("note: {} is not in the cut", kept.words()));
        }
    }
}

impl Kept {
    fn marker(&self, frame: Frames) -> Marker {
        let Kept { length, name, note, colour, .. } = self.clone();
        Marker { frame, length, name, note, colour }
    }

    /// Such as `Note 3 (SC010_SH020_T01, frame 12)`.
    fn words(&self) -> String {
        let name = if self.name.is_empty() { "a note" } else { &self.name };
        match &self.at {
            At::Take { take, frame } => format!("{name} ({take}, frame {})", frame.0),
            At::Record { frame } => format!("{name} (frame {} since midnight)", frame.0),
        }
    }
}

/// Where a cut shows which take.
struct Places<'a>(HashMap<String, Vec<&'a Clip>>);

impl<'a> Places<'a> {
    fn of(cut: &'a Timeline) -> Places<'a> {
        let mut takes: HashMap<String, Vec<&Clip>> = HashMap::new();
        cut.clips.iter().for_each(|clip| takes.entry(clip.take.to_string()).or_default().push(clip));
        Places(takes)
    }

    /// The frames since midnight that a note lies at.
    fn of_note(&self, kept: &Kept) -> Vec<Frames> {
        let (take, frame) = match &kept.at {
            At::Record { frame } => return vec![*frame],
            At::Take { take, frame } => (take, frame.0),
        };
        let shows = |clip: &&&Clip| frame >= clip.from.0 && frame - clip.from.0 < clip.frames.0;
        let clips = self.0.get(take).into_iter().flatten().filter(shows);
        clips.map(|clip| Frames(clip.record_start.0 + (frame - clip.from.0))).collect()
    }
}

/// The cut that a list of notes was written for.
pub(crate) struct Version {
    /// The package's name; `None` for the present cut.
    name: Option<String>,
    start: Timecode,
    /// Each clip's first frame in the cut, how many it has, its first frame of the take, and the take.
    clips: Vec<(u64, u64, u64, String)>,
}

impl Version {
    /// The cut of a package, by its folder's name, where that stands in the project and can be read.
    pub(crate) fn of(project: &Project, title: &str) -> Option<Version> {
        if !is_safe_path(title) || title.contains('/') {
            return None;
        }
        let manifest = read_manifest(&project.root.join("turnover").join(title))?;
        let rate: FrameRate = manifest.frame_rate.parse().ok()?;
        let start = Timecode::parse(&manifest.start_timecode, rate).ok()?;
        let known = manifest.clips.into_iter().filter(|clip| clip.take.parse::<TakeId>().is_ok());
        let clips = known.map(|clip| (clip.record_start, clip.frames, clip.handles.0, clip.take)).collect();
        Some(Version { name: Some(title.to_owned()), start, clips }.in_order())
    }

    /// The cut as it is now.
    pub(crate) fn present(cut: &Timeline) -> Version {
        let clip = |clip: &Clip| (clip.record_start.0, clip.frames.0, clip.from.0, clip.take.to_string());
        Version { name: None, start: cut.start, clips: cut.clips.iter().map(clip).collect() }.in_order()
    }

    /// A timecode of its counting, at which it starts.
    pub(crate) fn start(&self) -> Timecode {
        self.start
    }

    fn in_order(mut self) -> Version {
        self.clips.sort_unstable();
        self
    }

    fn at(&self, frame: Frames) -> At {
        let after = self.clips.partition_point(|(record, ..)| *record <= frame.0);
        let clip = after.checked_sub(1).map(|index| &self.clips[index]);
        let inside = clip.and_then(|(record, frames, from, take)| {
            let within = frame.0.checked_sub(*record).filter(|within| within < frames)?;
            Some(At::Take { take: take.clone(), frame: Frames(from.checked_add(within)?) })
        });
        inside.unwrap_or(At::Record { frame })
    }
}

/// What was taken of a list.
pub(crate) struct Taken {
    version: Option<String>,
    rows: Vec<Row>,
    /// How many the cut makes of itself.
    own: usize,
}

struct Row {
    line: Option<u32>,
    kept: Kept,
    new: bool,
}

impl Taken {
    /// Whether there is a note that was not kept before.
    pub(crate) fn is_new(&self) -> bool {
        self.rows.iter().any(|row| row.new)
    }

    pub(crate) fn json(&self, cut: &Timeline) -> Value {
        let places = Places::of(cut);
        let row = |Row { line, kept, new }: &Row| {
            let at: Vec<String> = places.of_note(kept).into_iter().map(|frame| cut.label(frame)).collect();
            let Kept { at: of, length, name, note, colour } = kept;
            json!({
                "line": line, "of": of, "at": at, "length": length, "name": name, "note": note, "colour": colour,
                "new": new,
            })
        };
        let rows: Vec<Value> = self.rows.iter().map(row).collect();
        json!({ "recut": Value::Null, "version": self.version, "markers": rows, "own": self.own })
    }

    pub(crate) fn tell(&self, cut: &Timeline) {
        let places = Places::of(cut);
        let new = self.rows.iter().filter(|row| row.new);
        let mut rows = table(["AT", "OF", "NAME", "NOTE"]);
        for Row { kept, .. } in new.clone() {
            let at: Vec<String> = places.of_note(kept).into_iter().map(|frame| cut.label(frame)).collect();
            let of = match &kept.at {
                At::Take { take, frame } => format!("{take} frame {}", frame.0),
                At::Record { .. } => "no clip".to_owned(),
            };
            let at = if at.is_empty() { "not in the cut".to_owned() } else { at.join(" ") };
            rows.add_row([at, of, kept.name.clone(), kept.note.clone()]);
        }
        let new = new.count();
        if new > 0 {
            say(rows);
        }
        let of = match &self.version {
            Some(version) => format!("places are those of {version}"),
            None => "it names no package here, so places are those of the present cut".to_owned(),
        };
        let known = self.rows.len() - new;
        say(format_args!("{new} new note(s), {known} known, {} marker(s) of the cut's own; {of}", self.own));
    }
}
