//! The project's trim plan: how each supplied sound is cut, as a file that a person can edit and run.
//!
//! A plan stays until its sounds, their `in`, `out` or priority, or the limits change: what was edited by
//! hand is what is sent. Where such a plan has to give way, it is kept aside under a number.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use seedpost_core::catalog::Catalog;
use seedpost_core::reference::fit;
use seedpost_core::shot::{Shot, TimedReference};
use seedpost_core::time::{ClockTime, Samples, TimeRange};
use seedpost_core::trim::{self, Cut, Edge, Limit, Method, Planned, Source};
use seedpost_media::MediaError;
use seedpost_media::survey::{self, Survey};
use serde::{Deserialize, Serialize};

use crate::assets::{Measured, local};
use crate::output::{Exit, Failure, note};
use crate::project::{Project, digest, digest_text, open_plain, write_whole};

/// The form of a plan's file.
const SCHEMA: &str = "seedpost.trim-plan/1";
/// The largest plan that is read, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// The cuts of all shots that have local sounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrimPlan {
    schema: String,
    /// The digest of `shots` as the program wrote them: with another one, a person has edited them.
    #[serde(default)]
    written: String,
    pub(crate) shots: Vec<ShotPlan>,
}

/// The cuts of one shot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShotPlan {
    pub(crate) shot: String,
    #[serde(rename = "strategy")]
    method: Method,
    limit: Limit,
    pub(crate) sounds: Vec<SoundPlan>,
}

/// The cut of one sound: upload sample `n` is source sample `cut.kept.start + n`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SoundPlan {
    /// Its place among the shot's sounds, from 1: the number of its tag.
    pub(crate) number: usize,
    /// The source, as the list names it.
    pub(crate) source: String,
    /// SHA-256 of the source.
    pub(crate) sha256: String,
    in_us: Option<ClockTime>,
    out_us: Option<ClockTime>,
    priority: u32,
    /// What is kept, and why it begins and ends there.
    #[serde(rename = "keep")]
    pub(crate) planned: Planned,
}

impl TrimPlan {
    fn new(shots: Vec<ShotPlan>) -> TrimPlan {
        TrimPlan { schema: SCHEMA.to_owned(), written: digest_of(&shots), shots }
    }

    /// The plan of the project as it stands: kept where nothing changed, made anew elsewhere. With `replaced`, a
    /// plan that cannot be read or carried out is as good as none.
    pub(crate) fn of(
        project: &Project,
        measured: &Measured,
        method: Option<Method>,
        replaced: bool,
    ) -> Result<TrimPlan, Failure> {
        let old = match TrimPlan::stored(project) {
            Some(Err(failure)) if !replaced => return Err(failure),
            Some(Ok(plan)) => Some(plan),
            _ => None,
        };
        let old: BTreeMap<&str, &ShotPlan> =
            old.iter().flat_map(|plan| &plan.shots).map(|shot| (shot.shot.as_str(), shot)).collect();
        let plan = |shot: &Shot| {
            let old = old.get(shot.id.as_str()).copied();
            ShotPlan::of(project, shot, measured, old, method, replaced)
        };
        let shots: Result<Vec<_>, _> =
            project.list.shots.par_iter().filter_map(|shot| plan(shot).transpose()).collect();
        Ok(TrimPlan::new(shots?))
    }

    /// The plan in the project's folder, if there is one.
    fn stored(project: &Project) -> Option<Result<TrimPlan, Failure>> {
        let path = path(project);
        path.symlink_metadata().is_ok().then(|| TrimPlan::read(&path))
    }

    /// Makes it the project's plan, and keeps aside what a person has edited and this one has not. Only under the
    /// lock.
    pub(crate) fn adopt(&self, project: &Project) -> Result<(), Failure> {
        let path = path(project);
        match TrimPlan::stored(project) {
            None if self.shots.is_empty() => return Ok(()),
            Some(Ok(old)) if old.shots == self.shots => return Ok(()),
            Some(Ok(old)) if !old.is_by_hand() || old.shots.iter().all(|shot| self.shots.contains(shot)) => {}
            None => {}
            Some(_) => keep_aside(&path)?,
        }
        self.write(&path)
    }

    /// Whether a person has set any of its cuts.
    fn is_by_hand(&self) -> bool {
        let hand = |sound: &SoundPlan| sound.planned.begin == Edge::Hand || sound.planned.end == Edge::Hand;
        self.written != digest_of(&self.shots) || self.shots.iter().flat_map(|shot| &shot.sounds).any(hand)
    }

    /// Writes the plan for a person to read and edit.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        write_whole(path, |out| serde_json::to_writer_pretty(out, self).map_err(std::io::Error::from))
            .map_err(|error| Failure::disk("write", path, &error))
    }

    /// Reads a plan.
    pub(crate) fn read(path: &Path) -> Result<TrimPlan, Failure> {
        let disk = |error: std::io::Error| Failure::disk("read", path, &error);
        let file = std::io::Read::take(open_plain(path).map_err(disk)?, MAX_BYTES);
        let form = "write one with `seedpost conform --write-plan plan.json`, and change only `keep`";
        let plan: TrimPlan = serde_json::from_reader(std::io::BufReader::new(file)).map_err(|error| {
            Failure::new(Exit::Invalid, format!("{} is not a trim plan: {error}", path.display()), form)
        })?;
        if plan.schema != SCHEMA {
            let found = format!("{} is of the form {}, {SCHEMA} is known", path.display(), plan.schema);
            return Err(Failure::new(Exit::Invalid, found, form));
        }
        Ok(plan)
    }

    /// Takes over the cuts of an edited plan, after checking every one of them.
    pub(crate) fn edited(mut self, edited: &TrimPlan) -> Result<TrimPlan, Failure> {
        let mut faults = Vec::new();
        for new in &edited.shots {
            match self.shots.iter_mut().find(|shot| shot.shot == new.shot) {
                Some(own) => faults.extend(own.take(new)),
                None => faults.push(format!("{}: the list has no such shot with local sounds", new.shot)),
            }
        }
        if faults.is_empty() {
            return Ok(TrimPlan::new(self.shots));
        }
        let fix = "correct `keep` in the plan, or write a new one with `--write-plan`";
        Err(Failure::new(Exit::Invalid, format!("the plan cannot be carried out: {}", faults.join("; ")), fix))
    }

    /// The plan of a shot.
    pub(crate) fn shot(&self, id: &str) -> Option<&ShotPlan> {
        self.shots.iter().find(|shot| shot.shot == id)
    }
}

/// Where the plan in force lies.
pub(crate) fn path(project: &Project) -> PathBuf {
    project.hidden().join("trim-plan.json")
}

fn digest_of(shots: &[ShotPlan]) -> String {
    digest_text(&serde_json::to_string(shots).unwrap_or_default())
}

/// Renames a plan to the first free `trim-plan.N.json`, and says so.
fn keep_aside(path: &Path) -> Result<(), Failure> {
    let aside = (1_u32..).map(|number| path.with_extension(format!("{number}.json")));
    let Some(aside) = aside.into_iter().find(|aside| aside.symlink_metadata().is_err()) else { return Ok(()) };
    std::fs::rename(path, &aside).map_err(|error| Failure::disk("rename", path, &error))?;
    note(format_args!(
        "warning: sounds are cut anew; the plan that a person had edited is kept as {}",
        aside.display()
    ));
    Ok(())
}

impl ShotPlan {
    fn of(
        project: &Project,
        shot: &Shot,
        measured: &Measured,
        old: Option<&ShotPlan>,
        method: Option<Method>,
        replaced: bool,
    ) -> Result<Option<ShotPlan>, Failure> {
        let Some(model) = Catalog::built_in().model(&shot.render) else { return Ok(None) };
        let limit = fit::time_limit(&model.limits.audio);
        let mut sounds = Vec::new();
        let mut sources = Vec::new();
        for (number, audio) in (1..).zip(&shot.audios) {
            let Some((name, source)) =
                local(&audio.location).and_then(|name| Some((name, source(number, audio, measured.info(name)?)?)))
            else {
                continue;
            };
            let path = project.root.join(name);
            let (sha256, _) = digest(&path).map_err(|error| Failure::disk("read", &path, &error))?;
            sounds.push((number, audio, name, sha256));
            sources.push(source);
        }
        if sounds.is_empty() {
            return Ok(None);
        }
        let like = |plan: &&ShotPlan| {
            let same = |(own, (number, audio, name, sha256)): (&SoundPlan, &(usize, &TimedReference, &str, String))| {
                (own.number, own.source.as_str(), &own.sha256) == (*number, *name, sha256)
                    && (own.in_us, own.out_us, own.priority) == (audio.start, audio.end, audio.priority)
            };
            plan.limit == limit
                && plan.sounds.len() == sounds.len()
                && plan.sounds.iter().zip(&sounds).all(same)
                && method.is_none_or(|method| plan.method == method)
        };
        if let Some(old) = old.filter(like) {
            let faults = old.faults(sources.clone(), limit);
            if faults.is_empty() {
                return Ok(Some(old.clone()));
            }
            if !replaced {
                let message = format!("{} cannot be carried out: {}", path(project).display(), faults.join("; "));
                let fix = "correct `keep` there, or plan anew with `seedpost conform --strategy pauses`";
                return Err(Failure::new(Exit::Invalid, message, fix));
            }
        }
        let method = method.unwrap_or_default();
        let planned = plan(project, &sounds.iter().map(|sound| sound.2).collect::<Vec<_>>(), sources, limit, method)
            .map_err(|error| failure(shot, &error))?;
        let sounds = sounds.into_iter().zip(planned).map(|((number, audio, name, sha256), planned)| SoundPlan {
            number,
            source: name.to_owned(),
            sha256,
            in_us: audio.start,
            out_us: audio.end,
            priority: audio.priority,
            planned,
        });
        Ok(Some(ShotPlan { shot: shot.id.to_string(), method, limit, sounds: sounds.collect() }))
    }

    /// What is wrong with its cuts of these sounds.
    fn faults(&self, sources: Vec<Source>, limit: Limit) -> Vec<String> {
        let cuts: Vec<_> = sources.into_iter().zip(self.sounds.iter().map(|sound| sound.planned.cut)).collect();
        trim::faults(&cuts, limit).into_iter().map(|fault| format!("{}: {fault}", self.shot)).collect()
    }

    /// Takes over a person's cuts; answers what is wrong with them.
    fn take(&mut self, edited: &ShotPlan) -> Vec<String> {
        let name = |fault: String| format!("{}: {fault}", self.shot);
        let key = |sound: &SoundPlan| (sound.number, sound.source.clone(), sound.sha256.clone());
        if self.sounds.iter().map(key).ne(edited.sounds.iter().map(key)) {
            return vec![name("its sounds are not those of the list, or have changed".to_owned())];
        }
        let faults = edited.faults(self.sounds.iter().map(SoundPlan::source).collect(), self.limit);
        for (own, new) in self.sounds.iter_mut().zip(&edited.sounds) {
            let (old, kept) = (own.planned, new.planned.cut.kept);
            own.planned = Planned {
                cut: new.planned.cut,
                begin: if kept.start == old.cut.kept.start { old.begin } else { Edge::Hand },
                end: if kept.end == old.cut.kept.end { old.end } else { Edge::Hand },
            };
        }
        self.method = edited.method;
        faults
    }
}

impl SoundPlan {
    /// The sound that is cut; nobody has listened.
    fn source(&self) -> Source {
        let SoundPlan { number, in_us: start, out_us: end, priority, .. } = *self;
        let Cut { rate, source: samples, .. } = self.planned.cut;
        Source { number, rate, samples, start, end, priority, quiet: Vec::new() }
    }
}

fn failure(shot: &Shot, error: &PlanError) -> Failure {
    Failure::new(Exit::Invalid, format!("shot {}: {error}", shot.id), "correct the shot's `audios`")
}

/// Says why a shot's sounds could not be planned.
#[derive(Debug)]
enum PlanError {
    Trim(trim::TrimError),
    Media(String, MediaError),
}

impl std::fmt::Display for PlanError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PlanError::Trim(error) => write!(f, "{error}"),
            PlanError::Media(name, error) => write!(f, "failed to listen to {name}: {error}"),
        }
    }
}

/// A sound as the plan sees it, where its length is known; nobody has listened yet.
fn source(number: usize, audio: &TimedReference, info: &seedpost_core::media::MediaInfo) -> Option<Source> {
    let sound = info.audio.as_ref()?;
    Some(Source {
        number,
        rate: sound.sample_rate,
        samples: sound.samples?,
        start: audio.start,
        end: audio.end,
        priority: audio.priority,
        quiet: Vec::new(),
    })
}

/// Plans the cuts; listens only where something has to be cut.
fn plan(
    project: &Project,
    names: &[&str],
    mut sources: Vec<Source>,
    limit: Limit,
    method: Method,
) -> Result<Vec<Planned>, PlanError> {
    let rough = trim::plan(&sources, limit, method).map_err(PlanError::Trim)?;
    if rough.iter().all(|plan| plan.end == Edge::Wanted) {
        return Ok(rough);
    }
    if method == Method::Pauses {
        let quiet = |(name, source): (&&str, &Source)| {
            let range = trim::wanted(source).unwrap_or(TimeRange { start: Samples(0), end: source.samples });
            Ok(listen(project, name, source, range)?.quiet())
        };
        let found: Result<Vec<_>, _> = names.par_iter().zip(&sources).map(quiet).collect();
        sources.iter_mut().zip(found?).for_each(|(source, quiet)| source.quiet = quiet);
    }
    let plans = trim::plan(&sources, limit, method).map_err(PlanError::Trim)?;
    let settle = |(name, plan): (&&str, Planned)| {
        let open = || open_plain(&project.root.join(name)).map_err(MediaError::from);
        survey::settle(open, plan, limit.least).map_err(|error| PlanError::Media((*name).to_owned(), error))
    };
    names.par_iter().zip(plans).map(settle).collect()
}

fn listen(project: &Project, name: &str, source: &Source, range: TimeRange<Samples>) -> Result<Survey, PlanError> {
    let heard = || survey::survey(open_plain(&project.root.join(name))?, source.rate, range);
    heard().map_err(|error| PlanError::Media(name.to_owned(), error))
}

/// Listens to a whole planned sound, for its plot.
pub(crate) fn survey(project: &Project, sound: &SoundPlan) -> Result<Survey, Failure> {
    let cut = sound.planned.cut;
    let range = TimeRange { start: Samples(0), end: cut.source };
    let heard = || survey::survey(open_plain(&project.root.join(&sound.source))?, cut.rate, range);
    heard().map_err(|error| {
        let message = format!("failed to listen to {}: {error}", sound.source);
        Failure::new(Exit::Invalid, message, "replace the file with a whole one")
    })
}
