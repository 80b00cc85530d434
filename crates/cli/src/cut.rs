//! The cut of a project: the finished takes that it is made of, laid out as the list or an imported recut says.

use std::collections::{HashMap, HashSet};

use seedpost_core::change::Change;
use seedpost_core::cue::{self, Spoken};
use seedpost_core::job::Take;
use seedpost_core::lane::Lane;
use seedpost_core::shot::{Shot, ShotId, TakeId};
use seedpost_core::spec::{Finding, Span, Weight};
use seedpost_core::sync::Tolerance;
use seedpost_core::time::{Frames, Rounding, SampleRate, Samples, TimeRange};
use seedpost_core::timeline::{Clip, Colour, Marker, Picture, Piece, Provenance, Role, Timeline, assemble};
use seedpost_media::wav::Label;

use crate::commands::block_on;
use crate::finish::{Depth, Facts, Finish, Finished, Job, file_of, finish, label};
use crate::notes::Notes;
use crate::output::{Exit, Failure, note};
use crate::prepare::prepare;
use crate::project::{Project, ledger_failure};
use crate::recut::Recut;
use crate::sound::{self, StemFacts, Wishes};

/// What a cut needs of a finished take.
pub(crate) struct SelectedTake {
    pub(crate) take: TakeId,
    pub(crate) facts: Facts,
    shot: Shot,
    provenance: Provenance,
    /// What its stems say of themselves.
    label: Label,
    /// Whether a filter refused it with sound.
    refused: bool,
    phrases: Vec<TimeRange<Samples>>,
}

impl SelectedTake {
    fn new(project: &Project, finished: Finished<'_>) -> SelectedTake {
        let Finished { job, facts, .. } = finished;
        let follows = job.state.plan.follows.as_ref();
        let phrases = facts.sound.phrases.iter().flatten().map(|phrase| phrase.range).collect();
        SelectedTake {
            refused: follows.is_some_and(|follows| follows.change == Change::SilentAudio),
            provenance: provenance(&job, &facts),
            label: label(project, &job, facts.from.record_start, &facts.from.origin),
            shot: job.prepared.shot.clone().into_owned(),
            take: job.take,
            phrases,
            facts,
        }
    }

    /// Its shot.
    pub(crate) fn shot(&self) -> &Shot {
        &self.shot
    }

    /// Where someone speaks in it.
    pub(crate) fn phrases(&self) -> &[TimeRange<Samples>] {
        &self.phrases
    }

    /// What its stem of a role says of itself; `None` where it has none.
    pub(crate) fn stem_label(&self, role: Role) -> Option<Label> {
        let stem = self.facts.sound.stems.iter().find(|stem| stem.role() == role)?;
        Some(sound::label(&self.label, role, &stem.file, &stem.treatment))
    }

    /// What cues are planned by.
    fn spoken(&self, clip: &Clip) -> Spoken<'_> {
        let sound = &self.facts.sound;
        Spoken {
            shot: &self.shot,
            take: &self.take,
            lane: self.facts.from.lane.lane,
            // What was asked for and did not come was not rendered either.
            generate_audio: self.facts.from.lane.generate_audio && self.facts.info.audio.is_some(),
            refused: self.refused,
            heard_language: None,
            record_start: clip.record_start,
            from: clip.from,
            frames: clip.frames,
            listened: sound.phrases.is_some() || self.facts.info.audio.is_none(),
            phrases: &self.phrases,
            sync: sound.sync.as_ref().map_or(&[], |sync| &sync.phrases),
        }
    }

    fn piece(&self, place: &impl Fn(&TakeId, &str) -> String) -> Piece {
        let facts = &self.facts;
        let lane = facts.from.lane.lane;
        let (video, audio) = (facts.info.video.as_ref(), facts.info.audio.as_ref());
        let file = |file: &str| place(&self.take, file);
        let stem = |stem: &StemFacts| {
            let sides = stem.sides.iter().map(|side| file(&side.file)).collect();
            (stem.role(), file(&stem.file), stem.channels, sides)
        };
        Piece {
            take: self.take.clone(),
            lane,
            picture: Picture {
                file: file(&facts.picture),
                frames: video.and_then(|video| video.frames).unwrap_or_default(),
                start: Frames(0),
                width: video.map_or(0, |video| video.width),
                height: video.map_or(0, |video| video.height),
                channels: audio
                    .filter(|_| lane == Lane::Keep)
                    .map_or(0, |audio| u16::try_from(audio.channels).unwrap_or(2)),
            },
            stems: facts.sound.stems.iter().map(stem).collect(),
            provenance: self.provenance.clone(),
        }
    }
}

/// What is known of how a take was made; of a shot that has changed since it was sent, no prompt and no seed.
fn provenance(job: &Job<'_>, facts: &Facts) -> Provenance {
    let Take { plan, charged, committed, job: at_provider, .. } = &job.state;
    let is_same = plan.fingerprint == job.prepared.plan.fingerprint;
    Provenance {
        provider: plan.provider.as_str().to_owned(),
        model: plan.endpoint.clone(),
        prompt: if is_same { job.prepared.shot.prompt.clone() } else { String::new() },
        seed: job.prepared.request(&job.take).order.seed.filter(|_| is_same),
        request_id: at_provider.as_ref().map(|job| job.request_id.clone()),
        cost: charged.unwrap_or(*committed).to_string(),
        reason: facts.from.lane.reason.clone(),
        sha256: facts.from.render.sha256.clone(),
    }
}

/// The finished takes that the cut is made of, in order. Only under the project's lock.
pub(crate) fn selected(project: &Project, wishes: Option<Wishes>) -> Result<Vec<SelectedTake>, Failure> {
    project.sweep();
    let mut desk = prepare(project)?;
    let takes = block_on(async { project.ledger().await?.takes().await.map_err(|error| ledger_failure(&error)) })??;
    desk.add_followers(project, &takes);
    let standing = desk.standing(&takes).into_iter();
    let jobs = standing.filter_map(|(id, prepared, take)| Job::new(id, prepared, take)).collect();
    let Finish { finished, failures } = finish(project, jobs, Depth { deep: false, wishes });
    failures.iter().for_each(|(_, failure)| failure.tell());
    let takes: Vec<SelectedTake> = finished
        .into_iter()
        .filter(|finished| finished.job.selected)
        .map(|finished| SelectedTake::new(project, finished))
        .collect();
    if takes.is_empty() {
        return Err(Failure::new(Exit::Usage, "no take is finished yet", "run `seedpost run` first"));
    }
    Ok(takes)
}

/// Lays takes end to end, whole, in the list's order; `place` says what each file is called there.
pub(crate) fn assembled(
    project: &Project,
    takes: &[SelectedTake],
    place: impl Fn(&TakeId, &str) -> String,
) -> Result<Timeline, Failure> {
    let pieces = takes.iter().map(|take| take.piece(&place)).collect();
    let timeline = assemble(&project.list.title, project.list.start, pieces);
    let timeline = timeline.ok_or_else(|| Failure::new(Exit::Internal, "the cut is too long", "split the list"))?;
    // Stems carry their place; where a take before them could not be finished, they have another one.
    let moved =
        timeline.clips.iter().zip(takes).find(|(clip, selected)| clip.record_start != selected.facts.from.record_start);
    if let Some((clip, _)) = moved {
        let message = format!("a take before {} could not be finished, so the stems do not fit the cut", clip.take);
        return Err(Failure::new(Exit::Partly, message, "mend that take, or take its shot out of the list"));
    }
    Ok(timeline)
}

/// A cut, and what is not in it.
pub(crate) struct Cut {
    /// With its markers and cues.
    pub(crate) timeline: Timeline,
    pub(crate) missing: Vec<Missing>,
}

/// A shot that is not in the cut.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Missing {
    pub(crate) shot: String,
    /// In words that go on after its name.
    pub(crate) why: String,
}

/// The cut as it was imported last, else as the list has it, with the notes that came back.
pub(crate) fn cut(
    project: &Project,
    takes: &[SelectedTake],
    place: impl Fn(&TakeId, &str) -> String,
) -> Result<Cut, Failure> {
    let mut cut = without_notes(project, takes, place)?;
    let notes = Notes::read(project)?;
    let laid = notes.lay(&cut.timeline);
    laid.tell_absent();
    cut.timeline.markers.extend(laid.markers);
    cut.timeline.markers.sort_by_key(|marker| marker.frame);
    Ok(cut)
}

/// The same with no markers but its own.
pub(crate) fn without_notes(
    project: &Project,
    takes: &[SelectedTake],
    place: impl Fn(&TakeId, &str) -> String,
) -> Result<Cut, Failure> {
    let assembled = assembled(project, takes, place)?;
    let mut missing = unfinished(project, takes);
    let timeline = match Recut::read(project)? {
        None => assembled,
        Some(recut) => {
            missing.extend(recut.missing(&assembled, project));
            recut.apply(&assembled)?
        }
    };
    if timeline.clips.is_empty() {
        let message = "none of the recut's takes is in the list";
        return Err(Failure::new(Exit::Invalid, message, "import another recut, or `seedpost import --list-order`"));
    }
    Ok(Cut { timeline: with_words(project, takes, timeline), missing })
}

/// Takes by their names.
pub(crate) fn by_name(takes: &[SelectedTake]) -> HashMap<&TakeId, &SelectedTake> {
    takes.iter().map(|take| (&take.take, take)).collect()
}

/// A cut with what people should know about it.
fn with_words(project: &Project, takes: &[SelectedTake], mut timeline: Timeline) -> Timeline {
    let by_name = by_name(takes);
    let take = |clip: &Clip| by_name.get(&clip.take).copied();
    let spoken: Vec<Spoken<'_>> = timeline.clips.iter().filter_map(|clip| Some(take(clip)?.spoken(clip))).collect();
    let cues = cue::plan(&spoken, timeline.start.rate(), project.list.reel, Tolerance::default());
    let found = timeline.clips.iter().flat_map(|clip| {
        let findings = take(clip).map_or(&[][..], |take| &take.facts.findings);
        findings.iter().filter_map(|finding| marker(finding, clip, &timeline)).collect::<Vec<_>>()
    });
    let found: Vec<Marker> = found.collect();
    timeline.markers.extend(found);
    timeline.with_cues(cues)
}

/// A marker of a finding that is a breach or in one place, where that place is in the cut.
fn marker(finding: &Finding, clip: &Clip, timeline: &Timeline) -> Option<Marker> {
    let rate = timeline.start.rate();
    let frames = |samples, rounding| rate.frames(samples, SampleRate::HZ_48000, rounding).unwrap_or_default();
    let range = match finding.at {
        None if finding.severity == Weight::Note => return None,
        None => TimeRange { start: clip.from, end: Frames(clip.from.0 + 1) },
        Some(Span::Frames(range)) => range,
        Some(Span::Samples(TimeRange { start, end })) => {
            TimeRange { start: frames(start, Rounding::Down), end: frames(end, Rounding::Up) }
        }
    };
    let (start, end) = (range.start.max(clip.from), range.end.0.min(clip.from.0 + clip.frames.0));
    let length = end.checked_sub(start.0).filter(|length| *length > 0)?;
    let Finding { rule, found, expected, fix, severity, .. } = finding;
    Some(Marker {
        frame: Frames(clip.record_start.0 + start.0 - clip.from.0),
        length: Frames(length),
        name: rule.clone(),
        note: format!("{}: found {found}, expected {expected}; {fix}", severity.as_str()),
        colour: Colour::Cyan,
    })
}

/// The project's own media, by their whole paths.
pub(crate) fn own_media(project: &Project) -> impl Fn(&TakeId, &str) -> String {
    |take, file| file_of(project, take, file).to_string_lossy().into_owned()
}

/// Shots that have no finished take.
fn unfinished(project: &Project, takes: &[SelectedTake]) -> Vec<Missing> {
    let finished: HashSet<&ShotId> = takes.iter().map(|take| &take.take.shot).collect();
    let there = |shot: &&Shot| !finished.contains(&shot.id);
    let why = "has no finished take and is not in the cut".to_owned();
    let missing = |shot: &Shot| Missing { shot: shot.id.to_string(), why: why.clone() };
    project.list.shots.iter().filter(there).map(missing).collect()
}

/// The names of shots that are not in the cut.
pub(crate) fn names(missing: &[Missing]) -> Vec<&str> {
    missing.iter().map(|missing| missing.shot.as_str()).collect()
}

/// Says which shots are not in the cut; answers how that ends.
pub(crate) fn tell_missing(missing: &[Missing]) -> Exit {
    missing.iter().for_each(|Missing { shot, why }| note(format_args!("warning: {shot} {why}")));
    if missing.is_empty() { Exit::Done } else { Exit::Partly }
}
