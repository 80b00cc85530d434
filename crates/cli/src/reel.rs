//! All shots of a cut end to end: one stem a role for the whole reel.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use seedpost_core::content::Loudness;
use seedpost_core::sync::Tolerance;
use seedpost_core::time::{SampleRate, Samples, TimeRange};
use seedpost_core::timeline::{Clip, Role, Stem, Timeline, record_samples};
use seedpost_core::turnover::safe_title;
use seedpost_media::decode::each;
use seedpost_media::loudness::Meter;
use seedpost_media::wav::Label;
use seedpost_media::{MediaError, wav};

use crate::cut::{Cut, Missing, SelectedTake, by_name, cut, own_media, selected};
use crate::finish::files_of;
use crate::output::{Exit, Failure};
use crate::project::{Project, digest, digest_text, make_folder, open_plain, refuse_overwrite, write_whole};
use crate::sound::{self, Maker, Names, StemFacts, Wishes};

/// Writes a stem for each role that the cut has, and each side of it where that is wanted.
/// Also tells which shots are not in it. Of takes it takes what they have: none is made anew for other wishes.
pub(crate) fn write(
    project: &Project,
    folder: &Path,
    wishes: Wishes,
    force: bool,
) -> Result<(Vec<StemFacts>, Vec<Missing>), Failure> {
    let _lock = project.lock()?;
    let takes = selected(project, None)?;
    let Cut { timeline, missing } = cut(project, &takes, own_media(project))?;
    let names = Names { folder: folder.to_owned(), prefix: safe_title(&project.list.title), short: false };
    make_folder(folder)?;
    let inputs = files_of(project, &takes);
    let inputs: Vec<&Path> = inputs.iter().map(PathBuf::as_path).collect();
    for file in names.there() {
        refuse_overwrite(&folder.join(file), force, &inputs)?;
    }
    let reel = Reel::new(&timeline, &takes, &names, wishes)
        .ok_or_else(|| Failure::new(Exit::Internal, "the cut is too long", "split the list"))?;
    let roles = timeline.roles().into_iter().filter(|role| !(wishes.no_separation && role.is_estimated()));
    let stem = |role: Role| {
        reel.write(role).map_err(|error| {
            let (exit, hint) = match error {
                MediaError::Io(_) => (Exit::Internal, "check that the disk has room"),
                _ => (
                    Exit::Media,
                    "delete a stem that is damaged and `seedpost run`; split a reel past 4 GiB into lists",
                ),
            };
            Failure::new(exit, format!("failed to write {}: {error}", names.path(role).display()), hint)
        })
    };
    let stems: Vec<StemFacts> = roles.map(stem).collect::<Result<_, _>>()?;
    if force {
        names.clear(&stems).map_err(|error| Failure::disk("replace stems in", folder, &error))?;
    }
    Ok((stems, missing))
}

/// A reel in the making.
struct Reel<'a> {
    names: &'a Names,
    places: Vec<Place<'a>>,
    length: Samples,
    takes: &'a [SelectedTake],
    /// Where someone speaks, in the reel's samples.
    speech: Vec<TimeRange<Samples>>,
    label: Label,
    wishes: Wishes,
}

impl Reel<'_> {
    fn new<'a>(
        timeline: &'a Timeline,
        takes: &'a [SelectedTake],
        names: &'a Names,
        wishes: Wishes,
    ) -> Option<Reel<'a>> {
        let places = places(timeline, Samples(0))?;
        let by_name = by_name(takes);
        let spoken = places.iter().flat_map(|place| {
            let phrases = by_name.get(&place.clip.take).map_or(&[][..], |take| take.phrases());
            phrases.iter().filter_map(|range| placed(*range, place.used, place.at))
        });
        Some(Reel {
            names,
            takes,
            length: places.last()?.at.end,
            speech: spoken.collect(),
            label: label(timeline)?,
            places,
            wishes,
        })
    }

    fn write(&self, role: Role) -> Result<StemFacts, MediaError> {
        let file = self.names.file(role);
        let path = self.names.path(role);
        let treatment = treatment(self.takes, &[role]);
        let label = sound::label(&self.label, role, &file, &treatment);
        let loudness = write_whole(&path, |out| {
            let mut stem = wav::Stem::begin(out, self.length, &label)?;
            let loudness = self.fill(role, &mut stem)?;
            stem.end()?;
            Ok::<_, MediaError>(loudness)
        })?;
        let maker = Maker {
            names: self.names,
            label: &self.label,
            length: self.length,
            rate: None,
            wishes: self.wishes,
            tolerance: Tolerance::default(),
        };
        let mut facts = maker.facts(role, loudness, treatment, digest(&path)?.0);
        maker.split(&mut facts)?;
        Ok(facts)
    }

    /// Every clip's stem at its place, and silence where it has none.
    fn fill<W: std::io::Write>(&self, role: Role, stem: &mut wav::Stem<W>) -> Result<Loudness, MediaError> {
        let mut meter = Meter::new(SampleRate::HZ_48000.hertz(), wav::MAX_CHANNELS)?.for_speech();
        let mut free = 0;
        for place in &self.places {
            let gap = place.at.start.0.saturating_sub(free);
            silence(gap, &mut meter)?;
            stem.silence(Samples(gap))?;
            free = place.at.end.0;
            let mut left = place.at.length().0;
            if let Some(own) = place.stem(role) {
                let used = TimeRange { start: place.used.start, end: Samples(place.used.start.0 + left) };
                each(open_plain(&PathBuf::from(&own.file))?, used, &mut |block| {
                    left -= block.first().map_or(0, |plane| plane.len() as u64).min(left);
                    meter.add(block)?;
                    stem.add(block)
                })?;
            }
            silence(left, &mut meter)?;
            stem.silence(Samples(left))?;
        }
        Ok(meter.finish_with(&self.speech))
    }
}

/// A clip in a reel, in samples at 48 kHz.
pub(crate) struct Place<'a> {
    clip: &'a Clip,
    /// Where it lies.
    pub(crate) at: TimeRange<Samples>,
    /// Which samples of its stems are there.
    pub(crate) used: TimeRange<Samples>,
}

impl<'a> Place<'a> {
    /// Its stem that a reel's stem of that role has.
    pub(crate) fn stem(&self, role: Role) -> Option<&'a Stem> {
        self.clip.stems.iter().find(|stem| holds(role, stem.role))
    }
}

/// Where each clip lies in a reel whose leader is so long.
pub(crate) fn places(timeline: &Timeline, leader: Samples) -> Option<Vec<Place<'_>>> {
    let place = |(clip, at): (_, TimeRange<Samples>)| {
        let at = TimeRange { start: Samples(at.start.0 + leader.0), end: Samples(at.end.0 + leader.0) };
        Some(Place { clip, at, used: timeline.within_stems(clip)? })
    };
    timeline.clips.iter().zip(timeline.places()?).map(place).collect()
}

/// What was done to any of the stems that are in those of a reel.
pub(crate) fn treatment<'a>(takes: impl IntoIterator<Item = &'a SelectedTake>, roles: &[Role]) -> String {
    let stems = takes.into_iter().flat_map(|take| &take.facts.sound.stems);
    let stems = stems.filter(|stem| roles.iter().any(|role| holds(*role, stem.role())));
    let treatments: BTreeSet<&str> =
        stems.map(|stem| stem.treatment.as_str()).filter(|treatment| !treatment.is_empty()).collect();
    treatments.into_iter().map(|treatment| format!("in part {treatment}")).collect::<Vec<_>>().join("; ")
}

/// Whether a reel's stem has a take's. A guide is for working against: it has what is delivered as rendered too.
fn holds(reel: Role, own: Role) -> bool {
    own == reel || (reel == Role::Guide && own == Role::Mix)
}

/// Where a phrase of a take lies in the reel, as far as it is there.
fn placed(
    phrase: TimeRange<Samples>,
    used: TimeRange<Samples>,
    place: TimeRange<Samples>,
) -> Option<TimeRange<Samples>> {
    let (start, end) = (phrase.start.max(used.start), phrase.end.min(used.end));
    let place = |sample: Samples| Samples((place.start.0 + sample.0 - used.start.0).min(place.end.0));
    (start < end).then(|| TimeRange { start: place(start), end: place(end) })
}

fn silence(mut left: u64, meter: &mut Meter) -> Result<(), MediaError> {
    let zeros = [0.0; 4096];
    while left > 0 {
        let plane = &zeros[..left.min(4096) as usize];
        meter.add(&[plane, plane])?;
        left -= plane.len() as u64;
    }
    Ok(())
}

/// What the reel's stems say of themselves; no day, so that the same cut gives the same bytes.
pub(crate) fn label(timeline: &Timeline) -> Option<Label> {
    let takes: Vec<String> = timeline.clips.iter().map(|clip| clip.take.to_string()).collect();
    let title = safe_title(&timeline.title);
    Some(Label {
        project: timeline.title.clone(),
        scene: title.clone(),
        take: 1,
        tape: title,
        name: String::new(),
        functions: Vec::new(),
        note: format!("reel of {} shots", takes.len()),
        treatment: String::new(),
        set: None,
        date: String::new(),
        time: String::new(),
        start: timeline.start,
        time_reference: record_samples(timeline.start.frames(), timeline.start)?.0,
        unique_id: digest_text(&format!("{} {}", timeline.title, takes.join(" "))),
    })
}
