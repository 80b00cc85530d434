//! A delivered clip made ready for the cut: probe, compare, lane, stems, facts.
//!
//! Nothing is done twice: a take whose `facts.json` was made from the same inputs is left alone.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use seedpost_core::content::Look;
use seedpost_core::job::{Delivery, Phase, Take};
use seedpost_core::lane::{Lane, LaneDecision};
use seedpost_core::media::MediaInfo;
use seedpost_core::shot::TakeId;
use seedpost_core::spec::{DurationCheck, Finding, Promise, Sounding, Weight};
use seedpost_core::sync::Tolerance;
use seedpost_core::time::{Frames, Samples, TimeRange, Timecode};
use seedpost_core::timeline::{Role, record_samples};
use seedpost_media::MediaError;
use seedpost_media::decode::decode;
use seedpost_media::wav::Label;
use serde::{Deserialize, Serialize};

use crate::assets::measure_whole;
use crate::clip::{self, Content, Order};
use crate::cut::SelectedTake;
use crate::output::{Exit, Failure};
use crate::prepare::Prepared;
use crate::project::{Project, digest, digest_text, open_plain, write_whole};
use crate::sound::{self, Names, SoundFacts, StemFacts, Whole, Wishes};
use crate::supplied::Supplied;
use crate::uploads::Conformed;

/// The form of `facts.json`.
const SCHEMA: &str = "seedpost.facts/3";
/// Where facts lie while what they describe is made anew.
const FORMER: &str = "facts.former.json";

/// Everything that is known of a finished take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) schema: String,
    pub(crate) take: String,
    /// What the rest was made from; when it changes, the rest is made again.
    pub(crate) from: Inputs,
    pub(crate) info: MediaInfo,
    pub(crate) findings: Vec<Finding>,
    /// The picture for the cut, in the take's folder.
    pub(crate) picture: String,
    /// The clip beside its supplied sounds.
    pub(crate) durations: Vec<DurationCheck>,
    /// Its stems, and what was found out with them.
    #[serde(flatten)]
    pub(crate) sound: SoundFacts,
    /// What was found in it.
    #[serde(flatten)]
    pub(crate) content: Content,
}

/// What a finished take is made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Inputs {
    pub(crate) render: Delivery,
    pub(crate) promise: Box<Promise>,
    pub(crate) lane: LaneDecision,
    /// The frame since midnight at which the shot begins in the cut.
    pub(crate) record_start: Frames,
    /// Which model was asked, and for what.
    pub(crate) origin: String,
    /// Supplied sounds, with the map from upload to source samples.
    pub(crate) references: Vec<Conformed>,
    /// What the labels inside the stems say: project, character, line, date.
    pub(crate) label: String,
}

/// A take that is to be finished.
pub(crate) struct Job<'p> {
    pub(crate) take: TakeId,
    pub(crate) prepared: &'p Prepared<'p>,
    pub(crate) state: Take,
    pub(crate) delivery: Delivery,
    /// Whether this take goes into the cut.
    pub(crate) selected: bool,
}

impl Job<'_> {
    pub(crate) fn new<'p>(take: TakeId, prepared: &'p Prepared<'p>, state: Take) -> Option<Job<'p>> {
        let Phase::Done(delivery) = state.phase.clone() else { return None };
        Some(Job { take, prepared, state, delivery, selected: false })
    }
}

/// A finished take.
pub(crate) struct Finished<'p> {
    pub(crate) job: Job<'p>,
    pub(crate) facts: Facts,
    /// Whether anything had to be made.
    pub(crate) worked: bool,
}

/// Takes that are ready for the cut, and those that could not be made so: one does not stop another.
pub(crate) struct Finish<'p> {
    pub(crate) finished: Vec<Finished<'p>>,
    pub(crate) failures: Vec<(TakeId, Failure)>,
}

/// How closely takes are looked at and listened to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Depth {
    /// Their pictures are decoded too, and drawn.
    pub(crate) deep: bool,
    /// What is made of their sound; without it, what was made before is enough.
    pub(crate) wishes: Option<Wishes>,
}

/// Finishes takes on all cores, in the order of the cut.
pub(crate) fn finish<'p>(project: &Project, jobs: Vec<Job<'p>>, depth: Depth) -> Finish<'p> {
    let measured: Vec<_> = jobs.into_par_iter().map(|job| (measure(project, &job), job)).collect();
    let (mut good, mut failures) = (Vec::new(), Vec::new());
    for (info, job) in measured {
        match info {
            Ok(info) => good.push((job, info)),
            Err(failure) => failures.push((job.take, failure)),
        }
    }
    select(&mut good);
    let starts = record_starts(project, &good);
    let work: Vec<_> = good.into_iter().zip(starts).collect();
    let results: Vec<_> = work
        .into_par_iter()
        .map(|((job, info), start)| (job.take.clone(), finish_one(project, job, info, start, depth)))
        .collect();
    let mut finished = Vec::new();
    for (take, result) in results {
        match result {
            Ok(done) => finished.push(done),
            Err(failure) => failures.push((take, failure)),
        }
    }
    Finish { finished, failures }
}

/// Marks the take of each shot that goes into the cut: the one that the list selects, else the last.
fn select(jobs: &mut [(Job<'_>, MediaInfo)]) {
    for index in 0..jobs.len() {
        let TakeId { shot, number } = &jobs[index].0.take;
        let wanted = jobs[index].0.prepared.shot.select;
        let later = jobs.iter().any(|(job, _)| job.take.shot == *shot && job.take.number > *number);
        jobs[index].0.selected = wanted.map_or(!later, |wanted| wanted == *number);
    }
}

fn measure(project: &Project, job: &Job<'_>) -> Result<MediaInfo, Failure> {
    let clip = project.clip(&job.take);
    measure_whole(&clip).map_err(|error| {
        Failure::new(
            Exit::Media,
            format!("{}: {error}", clip.display()),
            "the delivered clip is damaged; keep it, and claim it back from the provider",
        )
    })
}

/// Where each take's shot begins in the cut: after the selected takes before it.
fn record_starts(project: &Project, jobs: &[(Job<'_>, MediaInfo)]) -> Vec<Frames> {
    let mut record = project.list.start.frames();
    let mut starts = vec![record; jobs.len()];
    for shot in &project.list.shots {
        let takes = || jobs.iter().enumerate().filter(|(_, (job, _))| job.take.shot == shot.id);
        takes().for_each(|(index, _)| starts[index] = record);
        let selected = takes().find(|(_, (job, _))| job.selected);
        record.0 += selected.and_then(|(_, (_, info))| info.video.as_ref()?.frames).unwrap_or_default().0;
    }
    starts
}

fn finish_one<'p>(
    project: &Project,
    job: Job<'p>,
    info: MediaInfo,
    record_start: Frames,
    depth: Depth,
) -> Result<Finished<'p>, Failure> {
    let folder = project.take_folder(&job.take);
    let origin = origin(&job, &folder);
    let label = label(project, &job, record_start, &origin);
    let from = Inputs {
        render: job.delivery.clone(),
        promise: job.state.plan.promise.clone(),
        lane: job.prepared.decision.clone(),
        record_start,
        origin,
        references: references(project, &job, &folder),
        label: digest_text(&format!("{label:?}")),
    };
    let before = read_facts(&folder);
    let wishes = depth.wishes.or(before.as_ref().map(|facts| facts.sound.wishes)).unwrap_or_default();
    if let Some(facts) = before.filter(|facts| is_enough(&folder, facts, &from, depth.deep, wishes)) {
        return Ok(Finished { job, facts, worked: false });
    }
    refuse_changed(&folder)?;
    forget(&folder).map_err(|error| unfinished(&job.take, &error.into()))?;
    let maker = Maker { project, folder: &folder, job: &job, info: &info, label, wishes, deep: depth.deep };
    let facts = maker.make(from).map_err(|error| unfinished(&job.take, &error))?;
    Ok(Finished { job, facts, worked: true })
}

/// The sounds that the take was rendered with: where its shot has changed since, those that were recorded then.
fn references(project: &Project, job: &Job<'_>, folder: &Path) -> Vec<Conformed> {
    let recorded = recorded(job, folder).map(|made| made.references);
    recorded.unwrap_or_else(|| job.prepared.conformed.iter().map(|sound| relative(project, sound)).collect())
}

/// What a take was rendered with, as its facts tell it, where its shot has changed since.
fn recorded(job: &Job<'_>, folder: &Path) -> Option<MadeFrom> {
    let is_old = job.state.plan.fingerprint != job.prepared.plan.fingerprint;
    let made = || read_made(&folder.join("facts.json")).or_else(|| read_made(&folder.join(FORMER)));
    if is_old { made().map(|made| made.from) } else { None }
}

/// A stem that somebody has worked on since is not written over.
fn refuse_changed(folder: &Path) -> Result<(), Failure> {
    for stem in read_made(&folder.join("facts.json")).into_iter().flat_map(Made::files) {
        let path = folder.join(&stem.file);
        if digest(&path).is_ok_and(|(sha256, _)| sha256 != stem.sha256) {
            let message = format!("{} was changed by hand and would be written anew", path.display());
            return Err(Failure::new(Exit::Usage, message, "move it to a name of your own, then run again"));
        }
    }
    Ok(())
}

/// Puts facts aside before what they describe is made anew: a run killed in between leaves no facts that make its
/// own new stems look changed by hand, and still knows what the take was rendered with.
fn forget(folder: &Path) -> std::io::Result<()> {
    match std::fs::rename(folder.join("facts.json"), folder.join(FORMER)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn unfinished(take: &TakeId, error: &MediaError) -> Failure {
    let (exit, hint) = match error {
        MediaError::Io(_) => (Exit::Internal, "check that the disk has room, then run again; nothing is paid twice"),
        _ => (
            Exit::Media,
            "the clip is kept as it was delivered; claim it back from the provider, or render another take",
        ),
    };
    Failure::new(exit, format!("failed to finish {take}: {error}"), hint)
}

/// Paths under the project, so that facts hold wherever the folder is moved.
fn relative(project: &Project, sound: &Conformed) -> Conformed {
    let upload = sound.upload.strip_prefix(&project.root).unwrap_or(&sound.upload).to_owned();
    Conformed { upload, ..sound.clone() }
}

/// What is known of a finished take.
pub(crate) fn facts_of(project: &Project, take: &TakeId) -> Option<Facts> {
    read_facts(&project.take_folder(take))
}

fn read_facts(folder: &Path) -> Option<Facts> {
    let text = std::fs::read(folder.join("facts.json")).ok()?;
    serde_json::from_slice(&text).ok().filter(|facts: &Facts| facts.schema == SCHEMA)
}

/// What facts of every version tell: what was made, and of what.
#[derive(Deserialize)]
struct Made {
    from: MadeFrom,
    stems: Vec<MadeStem>,
}

#[derive(Deserialize)]
struct MadeFrom {
    #[serde(default)]
    origin: String,
    references: Vec<Conformed>,
}

#[derive(Deserialize)]
struct MadeStem {
    file: String,
    sha256: String,
    #[serde(default)]
    sides: Vec<MadeStem>,
}

impl Made {
    /// All files of its stems.
    fn files(self) -> impl Iterator<Item = MadeStem> {
        let with_sides = |mut stem: MadeStem| {
            let sides = std::mem::take(&mut stem.sides);
            std::iter::once(stem).chain(sides)
        };
        self.stems.into_iter().flat_map(with_sides)
    }
}

/// Removes stems that were made before and are not made any more, as far as nobody has worked on them.
fn remove_stale(folder: &Path, facts: &Facts) {
    let made: BTreeSet<&String> = facts.sound.stems.iter().flat_map(StemFacts::files).map(|(file, _)| file).collect();
    let former = read_made(&folder.join(FORMER)).into_iter().flat_map(Made::files);
    for stem in former.filter(|stem| !made.contains(&stem.file)) {
        let path = folder.join(&stem.file);
        if digest(&path).is_ok_and(|(sha256, _)| sha256 == stem.sha256) {
            // It may be gone already.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn read_made(path: &Path) -> Option<Made> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Whether a take stands as it should: made from the same, looked at as closely, and all of it there.
fn is_enough(folder: &Path, facts: &Facts, from: &Inputs, deep: bool, wishes: Wishes) -> bool {
    let pictures = folder.join("pictures");
    let drawn = |look: &Look| {
        look.pictures.iter().map(|(name, _)| name).chain(&look.sheet).all(|name| pictures.join(name).is_file())
    };
    let looked = !deep || facts.content.look.as_ref().is_some_and(drawn);
    let stems = facts.sound.stems.iter().flat_map(StemFacts::files).map(|(file, _)| file);
    let listened = wishes.are_met_by(facts.sound.wishes, !from.references.is_empty());
    facts.from == *from && looked && listened && stems.chain([&facts.picture]).all(|file| folder.join(file).is_file())
}

/// What the stems of a take that begins at a frame since midnight say of themselves.
pub(crate) fn label(project: &Project, job: &Job<'_>, record_start: Frames, origin: &str) -> Label {
    let start = project.list.start;
    let shot = &job.prepared.shot;
    let stamp = i64::try_from(job.state.delivered_ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .unwrap_or_default()
        .to_string();
    let words = [shot.character.as_deref(), shot.line.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(": ");
    Label {
        project: project.list.title.clone(),
        scene: shot.id.to_string(),
        take: job.take.number,
        tape: job.take.to_string(),
        name: String::new(),
        functions: Vec::new(),
        note: [origin.to_owned(), words].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; "),
        treatment: String::new(),
        set: None,
        date: stamp.get(..10).unwrap_or_default().to_owned(),
        time: stamp.get(11..19).unwrap_or_default().to_owned(),
        start: Timecode::from_frames(record_start, start.rate(), start.is_drop()).unwrap_or(start),
        time_reference: record_samples(record_start, start).unwrap_or_default().0,
        unique_id: job.delivery.sha256.clone(),
    }
}

/// Which model was asked, and for what; of a shot that has changed since, what was recorded.
fn origin(job: &Job<'_>, folder: &Path) -> String {
    let plan = &job.state.plan;
    if plan.fingerprint != job.prepared.plan.fingerprint {
        let recorded = recorded(job, folder).map(|made| made.origin).filter(|origin| !origin.is_empty());
        return recorded.unwrap_or_else(|| format!("{}; asked for before the list was changed", plan.endpoint));
    }
    let seed = job.prepared.request(&job.take).order.seed;
    let seed = seed.map_or("none was sent".to_owned(), |seed| seed.to_string());
    format!("{}; prompt SHA-256 {}; seed {seed}", plan.endpoint, digest_text(&job.prepared.shot.prompt))
}

/// Makes the files of one take.
struct Maker<'a> {
    project: &'a Project,
    folder: &'a Path,
    job: &'a Job<'a>,
    info: &'a MediaInfo,
    label: Label,
    wishes: Wishes,
    deep: bool,
}

impl Maker<'_> {
    fn make(&self, from: Inputs) -> Result<Facts, MediaError> {
        let clip = self.project.clip(&self.job.take);
        let (picture, role) = match from.lane.lane {
            Lane::Keep => ("render.mp4", Role::Mix),
            Lane::Strip => ("picture.mp4", Role::Guide),
        };
        let length = clip::stem_length(self.info)
            .ok_or_else(|| MediaError::Unsupported("the clip's length is unknown".to_owned()))?;
        let names = Names { folder: self.folder.to_owned(), prefix: format!("stems/{}", self.job.take), short: false };
        let supplied = supplied(self.project, &from.references)?;
        let stem = Whole::ordered(self.info, role, &names, &self.label);
        let silent = self.folder.join(picture);
        let mut content = clip::make(&Order {
            clip: &clip,
            info: self.info,
            picture: (from.lane.lane == Lane::Strip).then_some(&silent),
            stem: stem.as_ref().map(|stem| (stem.path.as_path(), &stem.label)),
            hear: true,
            speech: !self.wishes.no_separation || !supplied.is_empty(),
            deep: self.deep,
            pictures: self.deep.then(|| self.folder.join("pictures")).as_deref(),
        })?;
        let maker = sound::Maker {
            names: &names,
            label: &self.label,
            length,
            rate: clip::rate(self.info),
            wishes: self.wishes,
            tolerance: Tolerance::default(),
        };
        let sound = maker.make(stem.zip(content.stem.take()), content.sound.as_ref(), &supplied)?;
        let durations = clip::beside(self.info, &soundings(&from.references));
        let facts = Facts {
            schema: SCHEMA.to_owned(),
            take: self.job.take.to_string(),
            // No provider promises sync.
            findings: content
                .findings(self.info, &from.promise, &durations)
                .into_iter()
                .chain(sound.findings(&from.promise, Weight::Note))
                .collect(),
            from,
            info: self.info.clone(),
            picture: picture.to_owned(),
            durations,
            sound,
            content,
        };
        write_whole(&self.folder.join("facts.json"), |out| {
            serde_json::to_writer_pretty(out, &facts).map_err(std::io::Error::from)
        })?;
        remove_stale(self.folder, &facts);
        // Nobody reads it any more; it may never have been there.
        let _ = std::fs::remove_file(self.folder.join(FORMER));
        Ok(facts)
    }
}

/// The sounds that a take was sent with, one behind the other.
pub(crate) fn supplied(project: &Project, references: &[Conformed]) -> Result<Vec<Supplied>, MediaError> {
    let mut supplied: Vec<Supplied> = Vec::new();
    for (number, reference) in (1..).zip(references) {
        let (file, sent) = source(project, reference)?;
        let place = supplied.last().map_or(Samples(0), Supplied::end);
        let sound = decode(file, sent)?;
        supplied.push(Supplied::new(number, reference.source.clone(), &sound, place)?);
    }
    Ok(supplied)
}

/// A supplied sound as it was when it was sent: the kept part of its source, or else what was sent of it.
fn source(project: &Project, reference: &Conformed) -> Result<(File, Option<TimeRange<Samples>>), MediaError> {
    let (source, upload) = (&reference.source, &reference.upload);
    let candidates = [
        (project.root.join(source), &reference.source_sha256, Some(reference.cut.kept)),
        (project.root.join(upload), &reference.upload_sha256, None),
    ];
    let same = |path: &Path, sha256: &String| digest(path).is_ok_and(|(found, _)| found == *sha256);
    let Some((path, _, range)) = candidates.iter().find(|(path, sha256, _)| same(path, sha256)) else {
        return Err(MediaError::Unsupported(format!("{source} is no longer what was sent: put it back")));
    };
    Ok((open_plain(path)?, *range))
}

/// The lengths of the sounds that were sent.
fn soundings(references: &[Conformed]) -> Vec<Sounding> {
    let one = |(number, reference): (usize, &Conformed)| Sounding {
        name: format!("REF{number} ({})", reference.source),
        length: reference.cut.kept.length(),
        rate: reference.cut.rate,
    };
    (1..).zip(references).map(one).collect()
}

/// The path of a finished take's file.
pub(crate) fn file_of(project: &Project, take: &TakeId, file: &str) -> PathBuf {
    project.take_folder(take).join(file)
}

/// The files that takes of a cut are made of: nothing may be written over them.
pub(crate) fn files_of(project: &Project, takes: &[SelectedTake]) -> Vec<PathBuf> {
    let mut files = vec![project.path.clone()];
    for take in takes {
        let folder = project.take_folder(&take.take);
        let facts = &take.facts;
        let stems = facts.sound.stems.iter().flat_map(StemFacts::files).map(|(file, _)| file.as_str());
        let own = stems.chain(["facts.json", "render.mp4", facts.picture.as_str()]);
        files.extend(own.map(|file| folder.join(file)));
        for reference in &facts.from.references {
            files.extend([project.root.join(&reference.source), project.root.join(&reference.upload)]);
        }
    }
    files
}
