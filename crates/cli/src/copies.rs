//! Copies of a cut's media for an export: pictures with timecode and reel, slowed pictures and stems, sides of stems.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf, absolute};

use rayon::prelude::*;
use seedpost_core::export::base_name;
use seedpost_core::shot::{ShotId, TakeId};
use seedpost_core::time::{Frames, Samples};
use seedpost_core::timeline::{Clip, Role, Stem, Timeline, source_start};
use seedpost_media::pull;
use seedpost_media::wav::Label;
use seedpost_media::worker::StampOrder;

use crate::cut::{SelectedTake, by_name};
use crate::output::{Exit, Failure};
use crate::progress::{Bar, Style};
use crate::project::{Project, open_plain, with_worker, write_by_name, write_whole};
use crate::sound::{self, unique_id};

/// The folder of copies within an export.
pub(crate) const MEDIA: &str = "media";

/// Which media an export uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The project's own.
    Own,
    /// Copies of the pictures with a timecode of their own, and the project's stems.
    Stamped,
    /// Stamped copies of the pictures whose frames last 1001/1000 as long, and stems as much longer.
    Slowed,
}

/// What has to be copied, and the cut as it is with the copies.
pub(crate) struct Copies {
    timeline: Timeline,
    work: Vec<Work>,
}

/// One copy, by the whole paths of what is read and made.
enum Work {
    Picture { file: String, order: Box<StampOrder> },
    Stem { source: PathBuf, file: String, frames: Frames, label: Box<Label> },
    Sides { source: PathBuf, files: [String; 2], role: Role, length: Samples, label: Box<Label> },
}

impl Copies {
    /// Says what has to be copied below `out`; `sides`: whether every stem has to have a file for each side.
    pub(crate) fn plan(
        project: &Project,
        takes: &[SelectedTake],
        timeline: Timeline,
        out: &Path,
        kind: Kind,
        sides: bool,
    ) -> Result<Copies, Failure> {
        let places: HashMap<&ShotId, u64> = project.list.shots.iter().map(|shot| &shot.id).zip(0..).collect();
        let place = |take: &TakeId| places.get(&take.shot).copied().unwrap_or_default();
        let out = absolute(out).map_err(|error| Failure::disk("find", out, &error))?;
        let media = out.join(MEDIA).to_string_lossy().into_owned();
        let before = timeline.clone();
        let timeline = if kind == Kind::Slowed { slowed(timeline)? } else { timeline };
        let start = timeline.start;
        let timeline = timeline.with_media(
            |clip| match kind {
                Kind::Own => (clip.picture.file.clone(), clip.picture.start),
                Kind::Stamped | Kind::Slowed => {
                    (format!("{media}/{}.mov", clip.take), source_start(place(&clip.take), clip.take.number, start))
                }
            },
            |stem| stem_files(stem, &media, kind, sides),
        );
        let mut copies = Copies { timeline, work: Vec::new() };
        copies.work = copies.work_from(&before, takes, kind == Kind::Slowed)?;
        Ok(copies)
    }

    /// The cut with the copies in it.
    pub(crate) fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Every file that is made.
    pub(crate) fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.work.iter().flat_map(Work::files).map(PathBuf::from)
    }

    /// Each copy once.
    fn work_from(&self, before: &Timeline, takes: &[SelectedTake], slow: bool) -> Result<Vec<Work>, Failure> {
        let takes = by_name(takes);
        let mut made = BTreeSet::new();
        let mut work = Vec::new();
        for (own, clip) in before.clips.iter().zip(&self.timeline.clips) {
            if own.picture.file != clip.picture.file && made.insert(clip.picture.file.clone()) {
                work.push(self.picture(own, clip, slow));
            }
            let take = takes.get(&clip.take);
            for (own, stem) in own.stems.iter().zip(&clip.stems).filter(|(own, stem)| own != stem) {
                let Some(label) = take.and_then(|take| take.stem_label(own.role)) else { continue };
                let label = if slow { slowed_label(&label, &stem.file)? } else { label };
                if own.file != stem.file && made.insert(stem.file.clone()) {
                    let (source, file) = (PathBuf::from(&own.file), stem.file.clone());
                    work.push(Work::Stem { source, file, frames: clip.picture.frames, label: Box::new(label.clone()) });
                }
                if let ([left, right], true) = (&stem.sides[..], own.sides != stem.sides)
                    && made.insert(left.clone())
                {
                    let (source, files) = (PathBuf::from(&stem.file), [left.clone(), right.clone()]);
                    let (role, length, label) = (stem.role, stem.samples, Box::new(label));
                    work.push(Work::Sides { source, files, role, length, label });
                }
            }
        }
        Ok(work)
    }

    fn picture(&self, own: &Clip, clip: &Clip, slow: bool) -> Work {
        let order = StampOrder {
            source: PathBuf::from(&own.picture.file),
            out: PathBuf::new(),
            timecode: self.timeline.label(clip.picture.start),
            reel: clip.reel.clone(),
            rate: self.timeline.start.rate(),
            slow,
        };
        Work::Picture { file: clip.picture.file.clone(), order: Box::new(order) }
    }

    /// Makes them all.
    pub(crate) fn make(&self, style: Style) -> Result<(), Failure> {
        let bar = Bar::new(style);
        bar.begin("copies", self.work.len());
        let is_sides = |work: &&Work| matches!(work, Work::Sides { .. });
        let (sides, first): (Vec<&Work>, Vec<&Work>) = self.work.iter().partition(is_sides);
        let make = |work: &&Work| {
            let made = work.make();
            bar.step();
            made
        };
        let made = first.par_iter().try_for_each(make).and_then(|()| sides.par_iter().try_for_each(make));
        bar.end();
        made
    }
}

fn slowed(timeline: Timeline) -> Result<Timeline, Failure> {
    let rate = timeline.start.rate();
    timeline.slowed().ok_or_else(|| {
        let message = format!("a cut of {rate} frames a second cannot be slowed to 23.976");
        Failure::new(Exit::Usage, message, "--conform is for cuts of 24 frames a second")
    })
}

/// Where a stem and its sides lie; a stem of one channel is its own side.
fn stem_files(stem: &Stem, media: &str, kind: Kind, sides: bool) -> (String, Vec<String>) {
    let copy = |file: &str| format!("{media}/{}", base_name(file));
    let file = if kind == Kind::Slowed { copy(&stem.file) } else { stem.file.clone() };
    let has_sides = !stem.sides.is_empty() || (sides && stem.channels == 2);
    let both = match kind {
        _ if !has_sides => Vec::new(),
        Kind::Own | Kind::Stamped if !stem.sides.is_empty() => stem.sides.clone(),
        _ => sound::sides(&copy(&stem.file)).to_vec(),
    };
    (file, both)
}

impl Work {
    fn files(&self) -> Vec<&String> {
        match self {
            Work::Picture { file, .. } | Work::Stem { file, .. } => vec![file],
            Work::Sides { files, .. } => files.iter().collect(),
        }
    }

    fn make(&self) -> Result<(), Failure> {
        match self {
            Work::Picture { file, order } => stamp(order, Path::new(file)),
            Work::Stem { source, file, frames, label } => {
                write_whole(Path::new(file), |out| pull::slow(open_plain(source)?, out, *frames, label).map(|_| ()))
                    .map_err(|error| failed(source, &error))
            }
            Work::Sides { source, files, role, length, label } => {
                split(source, Path::new(""), files, *role, *length, label)
            }
        }
    }
}

fn stamp(order: &StampOrder, file: &Path) -> Result<(), Failure> {
    let disk = |error: std::io::Error| Failure::disk("write", file, &error);
    write_by_name(file, disk, |out| {
        let asked = StampOrder { out: out.to_owned(), ..order.clone() };
        with_worker(|worker| worker.stamp(asked)).map_err(|error| failed(&order.source, &error))
    })
    .map(|_| ())
}

/// What a slowed stem says of itself.
fn slowed_label(label: &Label, file: &str) -> Result<Label, Failure> {
    pull::label(label, unique_id(&label.unique_id, file)).map_err(|error| failed(Path::new(file), &error))
}

/// Writes the two sides of a stem as files of one channel in a folder.
pub(crate) fn split(
    stem: &Path,
    folder: &Path,
    files: &[String; 2],
    role: Role,
    length: Samples,
    label: &Label,
) -> Result<(), Failure> {
    sound::write_sides(stem, folder, files, role, length, label).map_err(|error| failed(stem, &error))
}

fn failed(source: &Path, error: &dyn std::fmt::Display) -> Failure {
    let message = format!("failed to copy {}: {error}", source.display());
    Failure::new(
        Exit::Media,
        message,
        "check that the disk has room; if that file is damaged, delete it, and `seedpost run` makes it anew",
    )
}
