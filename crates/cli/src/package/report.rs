//! The report of a package: gathers the facts, draws the waveforms, writes page and JSON.

mod clip;
mod wave;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Write as _;
use std::path::Path;

use rayon::prelude::*;
use seedpost_core::cost::Usd;
use seedpost_core::job::Take;
use seedpost_core::report::{Change, Clip, Cost, File, Host, HostFile, Place, Reel, Report, SCHEMA};
use seedpost_core::shot::TakeId;
use seedpost_core::time::Frames;
use seedpost_core::timeline::Timeline;
use seedpost_core::turnover::{Manifest, ManifestReel, ModelAudio, What, safe_title};

use super::package_name;
use crate::commands::block_on;
use crate::cut::SelectedTake;
use crate::hosts::{self, Hosts};
use crate::interrupt;
use crate::output::Failure;
use crate::project::{Project, digest_text, ledger_failure, make_folder, write_whole};

/// What a report tells of.
pub(crate) struct Contents<'a> {
    pub(crate) project: &'a Project,
    /// The cut with its files as they are in the package.
    pub(crate) timeline: &'a Timeline,
    /// The takes that are in it.
    pub(crate) takes: &'a [&'a SelectedTake],
    /// All but `files`, which then are those that were written before the report.
    pub(crate) manifest: &'a Manifest,
    /// Stills that were made, by the index of their clip: paths in the package.
    pub(crate) stills: &'a [Option<String>],
}

/// Writes `report/`; answers the paths.
pub(crate) fn write(draft: &Path, contents: &Contents<'_>) -> Result<Vec<String>, Failure> {
    let (takes, hosts) = block_on(async {
        let ledger = contents.project.ledger().await?;
        let takes = ledger.takes().await.map_err(|error| ledger_failure(&error))?;
        let hosts = hosts::of(&ledger, &takes).await?;
        Ok::<_, Failure>((takes, hosts))
    })??;
    let report = contents.report(draft, &takes, &hosts)?;
    make_folder(&draft.join("report"))?;
    let files = [("report/index.html", report.html()), ("report/report.json", report.json())];
    for (path, text) in &files {
        let whole = draft.join(path);
        write_whole(&whole, |out| out.write_all(text.as_bytes()))
            .map_err(|error: std::io::Error| Failure::disk("write", &whole, &error))?;
    }
    Ok(files.into_iter().map(|(path, _)| path.to_owned()).collect())
}

impl Contents<'_> {
    fn report(&self, draft: &Path, takes: &BTreeMap<TakeId, Take>, hosts: &Hosts) -> Result<Report, Failure> {
        let manifest = self.manifest;
        Ok(Report {
            schema: SCHEMA,
            package: package_name(&safe_title(&manifest.title), manifest.version),
            title: manifest.title.clone(),
            version: manifest.version,
            date: manifest.date.clone(),
            made_of: digest_text(&manifest.made_of.values().cloned().collect::<Vec<_>>().join(" ")),
            rate: self.timeline.start.rate(),
            drop_frame: self.timeline.start.is_drop(),
            start: place(self.timeline, self.timeline.start.frames()),
            end: place(self.timeline, self.timeline.end()),
            reel: manifest.reel.as_ref().map(|reel| self.reel(reel)),
            cost: self.cost(takes),
            changed_since: manifest.changed_since,
            reasons: manifest.reasons.clone(),
            changes: self.changes(),
            clips: self.clips(draft, takes)?,
            hosts: hosts.iter().map(host).collect(),
            losses: manifest.losses.clone(),
            files: files(manifest),
        })
    }

    fn reel(&self, reel: &ManifestReel) -> Reel {
        let layout = &reel.layout;
        let at = |name: &str, frame: Frames| Some((name.to_owned(), place(self.timeline, frame)));
        let places = [
            at("Leader begins", layout.start),
            layout.two_pop.and_then(|frame| at("2-pop", frame)),
            at("First frame of the cut", layout.picture.start),
            at("Last frame of the cut", Frames(layout.picture.end.0.saturating_sub(1))),
            at("Tail pop", layout.tail_pop),
            at("Last frame of the reel", Frames(layout.end.0.saturating_sub(1))),
        ];
        Reel { manifest: reel.clone(), places: places.into_iter().flatten().collect() }
    }

    fn cost(&self, takes: &BTreeMap<TakeId, Take>) -> Cost {
        let in_cut: HashSet<&TakeId> = self.takes.iter().map(|take| &take.take).collect();
        let price = |(id, take): (&TakeId, &Take)| in_cut.contains(id).then(|| take.charged.unwrap_or(take.committed));
        let cut: Usd = takes.iter().filter_map(price).sum();
        let project: Usd = takes.values().map(|take| take.committed).sum();
        let limit = self.project.list.budget.map(|limit| limit.to_string());
        Cost { cut: cut.to_string(), project: project.to_string(), limit }
    }

    fn changes(&self) -> Vec<Change> {
        let clips = self.timeline.clips.iter().enumerate();
        let by_place: HashMap<u64, usize> = clips.map(|(index, clip)| (clip.record_start.0, index)).collect();
        let change = |change: &seedpost_core::turnover::ShotChange| Change {
            change: change.clone(),
            at: place(self.timeline, Frames(change.record_start)),
            clip: by_place.get(&change.record_start).copied().filter(|_| change.what != What::Dropped),
        };
        self.manifest.changes.iter().map(change).collect()
    }

    /// The clips, on all cores.
    fn clips(&self, draft: &Path, ledger: &BTreeMap<TakeId, Take>) -> Result<Vec<Clip>, Failure> {
        let mut cues: HashMap<&TakeId, Vec<_>> = HashMap::new();
        self.timeline.cues.iter().for_each(|cue| cues.entry(&cue.take).or_default().push(cue));
        let mut shots: HashMap<_, Vec<_>> = HashMap::new();
        ledger.iter().for_each(|(id, take)| shots.entry(&id.shot).or_default().push((id, take)));
        let gather = clip::Gather {
            timeline: self.timeline,
            takes: self.takes.iter().map(|take| (&take.take, *take)).collect(),
            cues,
            shots,
            model_audio: by_path(&self.manifest.model_audio),
        };
        let listed = self.manifest.clips.par_iter().zip(&self.timeline.clips).enumerate();
        listed
            .map(|(index, (listed, own))| {
                interrupt::check()?;
                let mut clip = gather.clip(listed, own);
                clip.still = self.stills.get(index).cloned().flatten();
                clip.drawing = wave::draw(draft, own, gather.takes.get(&own.take).copied())?;
                Ok(clip)
            })
            .collect()
    }
}

fn place(timeline: &Timeline, frame: Frames) -> Place {
    Place { frame: frame.0, timecode: timeline.label(frame) }
}

fn by_path(model_audio: &[ModelAudio]) -> HashMap<&str, &ModelAudio> {
    model_audio.iter().map(|one| (one.path.as_str(), one)).collect()
}

fn files(manifest: &Manifest) -> Vec<File> {
    let made = by_path(&manifest.model_audio);
    let file = |file: &seedpost_core::turnover::ManifestFile| File {
        path: file.path.clone(),
        bytes: file.bytes,
        model_audio: made.get(file.path.as_str()).map(|made| made.takes.clone()).unwrap_or_default(),
    };
    manifest.files.iter().map(file).collect()
}

fn host((host, files): (&String, &BTreeMap<(String, String), Vec<String>>)) -> Host {
    let file = |((file, sha256), takes): (&(String, String), &Vec<String>)| HostFile {
        file: file.clone(),
        sha256: sha256.clone(),
        takes: takes.clone(),
    };
    Host { host: host.clone(), files: files.iter().map(file).collect() }
}
