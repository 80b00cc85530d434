//! The sound of a package's reel: every stem of the whole cut, of one length, with leader, pops and tail.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use rayon::prelude::*;
use seedpost_core::time::{FrameRate, Frames, Samples, TimeRange};
use seedpost_core::timeline::{Role, Stem, Timeline, record_samples};
use seedpost_core::turnover::{ManifestStem, ReelLayout};
use seedpost_media::reel::{self as media, BLOCK, FRAME, Stretch};
use seedpost_media::wav::Label;
use seedpost_media::{MediaError, separate};

use crate::cut::SelectedTake;
use crate::interrupt;
use crate::output::{Exit, Failure};
use crate::project::{digest_text, make_folder, open_plain};
use crate::reel::{self, Place};
use crate::sound::{self, side_labels, sides};

/// Where a package has it.
const FOLDER: &str = "audio/reel";

/// What is written.
pub(crate) struct Order<'a> {
    /// The cut with the project's own media.
    pub(crate) timeline: &'a Timeline,
    pub(crate) takes: &'a [&'a SelectedTake],
    pub(crate) layout: ReelLayout,
    /// Such as `Kitchen_at_seven_r01_v002`.
    pub(crate) name: &'a str,
    /// Whether the reference's sound has dialogue on the left and the rest on the right.
    pub(crate) split_guide: bool,
}

/// What was written; paths are those in the package.
#[derive(Debug, Default)]
pub(crate) struct Reel {
    pub(crate) stems: Vec<ManifestStem>,
    /// What is heard with the picture references: a WAV of two channels, from the reel's first frame.
    pub(crate) guide: Option<String>,
    /// Files that are no stem: the split guide.
    pub(crate) others: Vec<String>,
}

/// Writes it into `audio/reel/`: a stem for each role that the cut has, a guide always, and the split guide where it is
/// wanted; nothing for a cut without clips.
pub(crate) fn write(draft: &Path, order: &Order<'_>) -> Result<Reel, Failure> {
    if order.timeline.clips.is_empty() {
        return Ok(Reel::default());
    }
    make_folder(&draft.join(FOLDER))?;
    let too_long = || Failure::new(Exit::Internal, "the cut is too long", "split the list");
    let maker = Maker::new(draft, order).ok_or_else(too_long)?;
    let roles: BTreeSet<Role> = order.timeline.roles().into_iter().chain([Role::Guide]).collect();
    let split = order.split_guide.then_some(Kind::Split);
    let kinds: Vec<Kind> = roles.into_iter().map(Kind::Whole).chain(split).collect();
    kinds.par_iter().try_for_each(|kind| maker.write(*kind))?;
    let whole = kinds.iter().filter_map(|kind| kind.role());
    Ok(Reel {
        stems: whole.map(|role| maker.stem(role)).collect(),
        guide: Some(maker.path(split.unwrap_or(Kind::Whole(Role::Guide)))),
        others: split.into_iter().map(|kind| maker.path(kind)).collect(),
    })
}

/// A file of the reel, beside the sides of which it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The stems of a role.
    Whole(Role),
    /// Dialogue on the left and the rest on the right, to be heard.
    Split,
}

impl Kind {
    fn role(self) -> Option<Role> {
        match self {
            Kind::Whole(role) => Some(role),
            Kind::Split => None,
        }
    }

    /// What it is called (Netflix's delivery names); that something was estimated stands in every name.
    fn code(self) -> String {
        match self {
            Kind::Whole(Role::Dialogue) => "DIAStem-estimated".to_owned(),
            Kind::Whole(Role::MusicEffects) => "ME-estimated".to_owned(),
            Kind::Whole(role) => role.to_string(),
            Kind::Split => "GUIDE-split".to_owned(),
        }
    }
}

/// A rate without its point: `24`, `23976`, `2997`.
fn rate_code(rate: FrameRate) -> String {
    let (num, den) = (u64::from(rate.num()), u64::from(rate.den()));
    let thousandths = (num * 1000 + den / 2) / den;
    let fraction = format!("{:03}", thousandths % 1000);
    format!("{}{}", thousandths / 1000, fraction.trim_end_matches('0'))
}

/// What all files of a reel have in common.
struct Maker<'a> {
    draft: &'a Path,
    order: &'a Order<'a>,
    /// Where clips lie, from the reel's first sample.
    places: Vec<Place<'a>>,
    two_pop: Option<TimeRange<Samples>>,
    tail_pop: TimeRange<Samples>,
    length: Samples,
    label: Label,
}

impl Maker<'_> {
    fn new<'a>(draft: &'a Path, order: &'a Order<'a>) -> Option<Maker<'a>> {
        let (layout, start) = (order.layout, order.timeline.start);
        let pop = |frame: Frames| layout.samples(frame, start);
        let two_pop = match layout.two_pop {
            Some(frame) => Some(pop(frame)?),
            None => None,
        };
        Some(Maker {
            places: reel::places(order.timeline, layout.sample(layout.picture.start, start)?)?,
            two_pop,
            tail_pop: pop(layout.tail_pop)?,
            length: layout.sample(layout.end, start)?,
            label: label(order)?,
            draft,
            order,
        })
    }

    fn file(&self, kind: Kind) -> String {
        let rate = rate_code(self.order.timeline.start.rate());
        format!("{}_{}_2ch_48k_24b_{rate}.wav", self.order.name, kind.code())
    }

    /// In the package.
    fn path(&self, kind: Kind) -> String {
        format!("{FOLDER}/{}", self.file(kind))
    }

    fn stem(&self, role: Role) -> ManifestStem {
        let file = self.path(Kind::Whole(role));
        ManifestStem {
            role: role.to_string(),
            sides: sides(&file).to_vec(),
            file,
            estimated: role.is_estimated(),
            channels: 2,
            samples: self.length.0,
            time_reference: self.label.time_reference,
        }
    }

    /// Writes a file, and in the same pass those of its sides, where it is a stem.
    fn write(&self, kind: Kind) -> Result<(), Failure> {
        interrupt::check()?;
        let file = self.file(kind);
        let (label, sides) = match kind {
            Kind::Whole(role) => {
                let label = sound::label(&self.label, role, &file, &self.treatment(&[role]));
                let sides = sides(&file);
                (label.clone(), sides.clone().into_iter().zip(side_labels(&label, &sides, role)).collect())
            }
            Kind::Split => (self.split_label(&file), Vec::new()),
        };
        let files: Vec<(&String, &Label)> =
            std::iter::once((&file, &label)).chain(sides.iter().map(|(file, label)| (file, label))).collect();
        let disk = |error: std::io::Error| Failure::disk("write", &self.draft.join(self.path(kind)), &error);
        // The folder gets its name when all is in it: its files need no names to pass through.
        let open = |(file, label)| {
            let out = File::create_new(self.draft.join(FOLDER).join(file)).map_err(disk)?;
            Ok((BufWriter::with_capacity(1 << 18, out), label))
        };
        let mut outs = files.into_iter().map(open).collect::<Result<Vec<_>, Failure>>()?.into_iter();
        let Some(both) = outs.next() else { return Ok(()) };
        let failed = |error| self.failed(kind, error);
        let mut out = media::Reel::begin(both, outs.collect(), self.length).map_err(failed)?;
        self.fill(kind, &mut out)?;
        let outs = out.end().map_err(failed)?;
        outs.into_iter().try_for_each(|mut out| out.flush()).map_err(disk)
    }

    /// Leader, cut and tail.
    fn fill(&self, kind: Kind, out: &mut media::Reel<impl std::io::Write>) -> Result<(), Failure> {
        let failed = |error| self.failed(kind, error);
        self.two_pop.map_or(Ok(()), |pop| out.pop(pop)).map_err(failed)?;
        for place in &self.places {
            interrupt::check()?;
            let (first, second) = match kind {
                Kind::Whole(role) => (place.stem(role), None),
                Kind::Split => {
                    (place.stem(Role::Dialogue).or_else(|| place.stem(Role::Guide)), place.stem(Role::MusicEffects))
                }
            };
            let (mut first, mut second) = (Opened::new(place, first)?, Opened::new(place, second)?);
            if first.stretch.is_none() && second.stretch.is_none() {
                continue;
            }
            out.silence_to(place.at.start).map_err(failed)?;
            let mut left = place.at.length().0;
            let (mut block, mut other) = (vec![0; BLOCK * FRAME], vec![0; BLOCK * FRAME]);
            while left > 0 {
                let length = left.min(BLOCK as u64);
                let bytes = length as usize * FRAME;
                let (block, other) = (&mut block[..bytes], &mut other[..bytes]);
                first.read(block)?;
                if kind == Kind::Split {
                    second.read(other)?;
                    media::side_by_side(block, other);
                }
                out.add(block).map_err(failed)?;
                left -= length;
            }
        }
        out.pop(self.tail_pop).map_err(failed)
    }

    /// What was done to any of the stems in it.
    fn treatment(&self, roles: &[Role]) -> String {
        reel::treatment(self.order.takes.iter().copied(), roles)
    }

    fn split_label(&self, file: &str) -> Label {
        let roles = [Role::Guide, Role::Dialogue, Role::MusicEffects];
        let sides = "left dialogue, or the whole sound of a shot that was not taken apart; right music and effects";
        Label {
            name: Kind::Split.code(),
            functions: vec!["LEFT", "RIGHT"],
            note: format!("{}; {sides}; ESTIMATED by {}", self.label.note, separate::MODEL),
            treatment: self.treatment(&roles),
            unique_id: sound::unique_id(&self.label.unique_id, file),
            ..self.label.clone()
        }
    }

    fn failed(&self, kind: Kind, error: MediaError) -> Failure {
        let path = self.path(kind);
        match error {
            MediaError::Io(error) => Failure::disk("write", &self.draft.join(path), &error),
            error => Failure::new(
                Exit::Media,
                format!("failed to write {path}: {error}"),
                "a WAV holds a reel of four hours: split the list, or close gaps in the cut",
            ),
        }
    }
}

/// What a clip has for a side of the reel, if anything.
struct Opened<'a> {
    stem: Option<&'a Stem>,
    stretch: Option<Stretch<File>>,
}

impl<'a> Opened<'a> {
    fn new(place: &Place<'_>, stem: Option<&'a Stem>) -> Result<Opened<'a>, Failure> {
        let open = |stem: &Stem| {
            let range = TimeRange { start: place.used.start, end: Samples(place.used.start.0 + place.at.length().0) };
            let source = open_plain(Path::new(&stem.file)).map_err(MediaError::from);
            source.and_then(|source| Stretch::open(source, stem.samples, range)).map_err(|error| unread(stem, &error))
        };
        Ok(Opened { stem, stretch: stem.map(open).transpose()? })
    }

    /// Silence, where there is nothing.
    fn read(&mut self, block: &mut [u8]) -> Result<(), Failure> {
        match (&mut self.stretch, self.stem) {
            (Some(stretch), Some(stem)) => stretch.read(block).map_err(|error| unread(stem, &error)),
            _ => {
                block.fill(0);
                Ok(())
            }
        }
    }
}

fn unread(stem: &Stem, error: &MediaError) -> Failure {
    Failure::new(
        Exit::Media,
        format!("failed to read {}: {error}", stem.file),
        "a stem that was worked on belongs elsewhere; delete it, and `seedpost run` makes it anew",
    )
}

/// What the files say of themselves.
fn label(order: &Order<'_>) -> Option<Label> {
    let Order { timeline, layout, .. } = order;
    let cut: Vec<_> =
        timeline.clips.iter().map(|clip| (clip.take.to_string(), clip.from, clip.frames, clip.record_start)).collect();
    let base = reel::label(timeline)?;
    let (first, picture) = (timeline.label(layout.start), timeline.label(layout.picture.start));
    Some(Label {
        tape: order.name.to_owned(),
        note: format!("{}; leader from {first}, picture from {picture}", base.note),
        time_reference: record_samples(layout.start, timeline.start)?.0,
        unique_id: digest_text(&serde_json::to_string(&(&timeline.title, layout, cut)).ok()?),
        ..base
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_named_without_its_point() {
        let code = |num, den| rate_code(FrameRate::new(num, den).expect("a rate"));
        assert_eq!([code(24, 1), code(25, 1), code(30, 1), code(60, 1)], ["24", "25", "30", "60"]);
        assert_eq!([code(24_000, 1001), code(30_000, 1001), code(60_000, 1001)], ["23976", "2997", "5994"]);
    }
}
