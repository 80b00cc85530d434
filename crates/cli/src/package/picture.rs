//! The picture references of a package: each clip's, on all cores, then the reel out of them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use seedpost_core::shot::TakeId;
use seedpost_core::time::{Frames, Samples};
use seedpost_core::timeline::{Clip, Timeline};
use seedpost_core::turnover::order::{EditCodec, ReelOrder, ReelPart, ReferenceForm, ReferenceOrder, SoundOf, StillOf};
use seedpost_core::turnover::{ReelLayout, Reference};
use seedpost_media::worker::WorkerError;

use crate::interrupt;
use crate::output::{Exit, Failure};
use crate::progress::Bar;
use crate::project::{make_folder, with_own_worker};

/// The longer side of a reference at most, in pixels.
const MAX_SIDE: u32 = 1920;
/// The longer side of a still, in pixels.
const STILL: u32 = 480;

/// What is made.
pub(super) struct Pictures<'a> {
    /// The cut with the project's own media.
    pub(super) own: &'a Timeline,
    /// The cut with the package's.
    pub(super) timeline: &'a Timeline,
    pub(super) layout: ReelLayout,
    /// Such as `Kitchen_at_seven_r01_v002`.
    pub(super) name: &'a str,
    pub(super) codec: EditCodec,
    /// What is heard, from the reel's first frame.
    pub(super) guide: Option<PathBuf>,
}

/// What was made, by paths in the package.
pub(super) struct Made {
    pub(super) reel: Reference,
    /// One a clip.
    pub(super) clips: Vec<Reference>,
    /// One a clip.
    pub(super) stills: Vec<String>,
}

impl Made {
    pub(super) fn paths(&self) -> impl Iterator<Item = String> {
        let references = self.clips.iter().chain([&self.reel]);
        references.flat_map(|one| [&one.edit, &one.view]).chain(&self.stills).cloned()
    }
}

/// Makes them.
pub(super) fn make(draft: &Path, pictures: &Pictures<'_>, bar: &Bar) -> Result<Made, Failure> {
    for folder in ["picture/reference", "report/stills"] {
        make_folder(&draft.join(folder))?;
    }
    let form = pictures.form();
    let names = names(&pictures.timeline.clips);
    let reference = |name: &String| Reference {
        edit: format!("picture/reference/{name}.mov"),
        view: format!("picture/reference/{name}.mp4"),
        width: form.width,
        height: form.height,
    };
    let made = Made {
        reel: reference(&pictures.name.to_owned()),
        clips: names.iter().map(reference).collect(),
        stills: names.iter().map(|name| format!("report/stills/{name}.jpg")).collect(),
    };
    let orders: Vec<ReferenceOrder> =
        (0..names.len()).filter_map(|index| pictures.clip(draft, index, &form, &made)).collect();
    bar.begin("picture references", orders.len() + 2);
    let each = |order: ReferenceOrder| {
        interrupt::check()?;
        let source = order.source.clone();
        with_own_worker(|worker| worker.reference(order)).map_err(|error| failed(&source, &error))?;
        bar.step();
        Ok(())
    };
    let done = orders.into_par_iter().try_for_each(each).and_then(|()| {
        [&made.reel.edit, &made.reel.view].into_par_iter().try_for_each(|out| {
            let order = pictures.reel(draft, out, &form, &made);
            with_own_worker(|worker| worker.reel(order)).map_err(|error| failed(&draft.join(out), &error))?;
            bar.step();
            Ok(())
        })
    });
    bar.end();
    done.map(|()| made)
}

/// What each clip's files are called: its take, and the second time and later a number behind it.
fn names(clips: &[Clip]) -> Vec<String> {
    let mut seen: HashMap<&TakeId, u32> = HashMap::new();
    let mut names = Vec::with_capacity(clips.len());
    for clip in clips {
        let times = seen.entry(&clip.take).and_modify(|times| *times += 1).or_insert(1);
        names.push(if *times == 1 { clip.take.to_string() } else { format!("{}_{times}", clip.take) });
    }
    names
}

impl Pictures<'_> {
    /// The largest picture of the cut, at most [`MAX_SIDE`] long.
    fn form(&self) -> ReferenceForm {
        let area = |clip: &&Clip| u64::from(clip.picture.width) * u64::from(clip.picture.height);
        let largest = self.own.clips.iter().max_by_key(area).map(|clip| (clip.picture.width, clip.picture.height));
        let (width, height) = largest.unwrap_or((1280, 720));
        let longer = width.max(height).max(1);
        let fit = |side: u32| {
            let scaled = u64::from(side) * u64::from(MAX_SIDE.min(longer)) / u64::from(longer);
            u32::try_from(scaled).unwrap_or(MAX_SIDE).next_multiple_of(2).clamp(256, MAX_SIDE)
        };
        let start = self.own.start;
        ReferenceForm {
            codec: self.codec,
            width: fit(width),
            height: fit(height),
            rate: start.rate(),
            drop: start.is_drop(),
        }
    }

    fn clip(&self, draft: &Path, index: usize, form: &ReferenceForm, made: &Made) -> Option<ReferenceOrder> {
        let (own, files, still) = (self.own.clips.get(index)?, made.clips.get(index)?, made.stills.get(index)?);
        Some(ReferenceOrder {
            source: PathBuf::from(&own.picture.file),
            form: form.clone(),
            from: own.from,
            frames: own.frames,
            record: own.record_start,
            source_timecode: own.source().start,
            name: own.take.to_string(),
            reel: own.reel.clone(),
            sound: self.sound(own.record_start),
            edit: draft.join(&files.edit),
            view: draft.join(&files.view),
            still: Some(StillOf { frame: Frames(own.frames.0 / 2), side: STILL, out: draft.join(still) }),
        })
    }

    fn sound(&self, record: Frames) -> Option<SoundOf> {
        let from = self.layout.sample(record, self.own.start).unwrap_or(Samples(0));
        self.guide.as_ref().map(|guide| SoundOf { file: guide.clone(), from })
    }

    fn reel(&self, draft: &Path, out: &str, form: &ReferenceForm, made: &Made) -> ReelOrder {
        let mut parts = Vec::new();
        let mut at = self.layout.start;
        let black = |from: Frames, to: Frames| {
            let frames = Frames(to.0.saturating_sub(from.0));
            (frames.0 > 0).then_some(ReelPart::Black { frames })
        };
        for (clip, reference) in self.own.clips.iter().zip(&made.clips) {
            let file = if out == made.reel.edit { &reference.edit } else { &reference.view };
            parts.extend(black(at, clip.record_start));
            parts.push(ReelPart::Clip { file: draft.join(file), frames: clip.frames });
            at = clip.record_end();
        }
        parts.extend(black(at, self.layout.end));
        let label = |frame| self.own.label(frame);
        let slate = vec![
            self.name.to_owned(),
            format!("{} FPS  {}X{}", form.rate, form.width, form.height),
            format!("FIRST FRAME {}", label(self.layout.picture.start)),
            format!("LAST FRAME  {}", label(Frames(self.layout.picture.end.0.saturating_sub(1)))),
        ];
        ReelOrder {
            form: form.clone(),
            record: self.layout.start,
            parts,
            flashes: self.layout.pops().collect(),
            slate,
            reel: self.name.to_owned(),
            sound: self.sound(self.layout.start),
            out: draft.join(out),
        }
    }
}

fn failed(file: &Path, error: &WorkerError) -> Failure {
    Failure::new(
        Exit::Media,
        format!("failed to make a picture reference of {}: {error}", file.display()),
        "check that the disk has room and `seedpost doctor` finds the encoders; `--reference none` leaves them out",
    )
}
