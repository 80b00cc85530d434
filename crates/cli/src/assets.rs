//! Supplied files, measured once each, and the upload copies that conforming makes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use seedpost_core::catalog::{Catalog, Model};
use seedpost_core::fault::{Fault, Place, Severity};
use seedpost_core::media::MediaInfo;
use seedpost_core::reference::{self, Asset, Kind, Verdict};
use seedpost_core::shot::{AudioReference, Location, Shot};
use seedpost_core::time::{ClockTime, Rounding};
use seedpost_core::trim::{self, Cut, Limit, Source};
use seedpost_media::{MediaError, conform, probe};
use serde::{Deserialize, Serialize};

use crate::output::{Exit, Failure};
use crate::project::{Project, digest, digest_text, open_plain, worker, write_whole};

/// The least that is kept of a sound: what Ark demands, and useful speech anywhere.
const LEAST: ClockTime = ClockTime::seconds(2);
/// The combined limit where the catalog gives none.
const COMBINED: ClockTime = ClockTime::seconds(15);

/// Every local file of a list, measured; or why it could not be.
#[derive(Debug)]
pub(crate) struct Measured(BTreeMap<String, Result<MediaInfo, String>>);

/// Measures each file once, on all cores.
pub(crate) fn measure(project: &Project) -> Measured {
    let names: BTreeSet<&str> = project
        .list
        .shots
        .iter()
        .flat_map(|shot| references(shot).into_iter().filter_map(|(_, location, _)| local(location)))
        .collect();
    let one = |name: &str| (name.to_owned(), measure_file(&project.root.join(name)));
    Measured(names.into_par_iter().map(one).collect())
}

fn local(location: &Location) -> Option<&str> {
    match location {
        Location::File(name) => Some(name),
        Location::Url(_) => None,
    }
}

/// Measures a file: by the safe readers where they know it, else by the worker.
pub(crate) fn measure_file(path: &Path) -> Result<MediaInfo, String> {
    let file = open_plain(path).map_err(|error| error.to_string())?;
    match probe::probe(file) {
        Ok(info) => Ok(info),
        Err(MediaError::Unsupported(what)) => {
            let absolute = path.canonicalize().map_err(|error| error.to_string())?;
            worker().probe(absolute).map_err(|error| format!("{what}; {error}"))
        }
        Err(error) => Err(error.to_string()),
    }
}

/// All references of a shot in the order of their tags; frames count as images.
fn references(shot: &Shot) -> Vec<(Kind, &Location, &Place)> {
    let images = shot
        .images
        .iter()
        .chain(&shot.first_frame)
        .chain(&shot.last_frame)
        .map(|image| (Kind::Image, &image.location, &image.place));
    let videos = shot.videos.iter().map(|video| (Kind::Video, &video.location, &video.place));
    let audios = shot.audios.iter().map(|audio| (Kind::Audio, &audio.location, &audio.place));
    images.chain(videos).chain(audios).collect()
}

/// Judges every shot; faults come in the order of the list.
pub(crate) fn judge(project: &Project, measured: &Measured) -> Vec<Verdict> {
    project.list.shots.iter().map(|shot| judge_shot(shot, measured)).collect()
}

fn judge_shot(shot: &Shot, measured: &Measured) -> Verdict {
    let mut unreadable = Vec::new();
    let mut assets = Vec::new();
    for (kind, location, place) in references(shot) {
        let info = match local(location).and_then(|name| measured.0.get(name)) {
            Some(Ok(info)) => Some(info.clone()),
            Some(Err(error)) => {
                unreadable.push(unreadable_fault(location, place, error));
                continue;
            }
            None => None,
        };
        assets.push(Asset { kind, place: place.clone(), name: location.to_string(), info, wanted: None });
    }
    let audios = assets.iter_mut().filter(|asset| asset.kind == Kind::Audio);
    for asset in audios {
        let reference = shot.audios.iter().find(|audio| audio.place == asset.place);
        asset.wanted = reference.zip(asset.info.as_ref()).and_then(|(audio, info)| wanted(audio, info));
    }
    let mut verdict = reference::judge(shot, &assets);
    verdict.faults.splice(0..0, unreadable);
    if verdict.faults.iter().all(|fault| fault.severity == Severity::Warning) {
        verdict.faults.extend(trim_fault(shot, measured));
    }
    verdict
}

fn unreadable_fault(location: &Location, place: &Place, error: &str) -> Fault {
    let fix = "replace it with a whole file of an accepted format, or correct the path";
    Fault::new("reference.unreadable", place, format!("{location}: {error}"), "a readable image, video or sound", fix)
}

/// How much of a sound lies between its `in` and `out`; nothing where they pass its end.
fn wanted(audio: &AudioReference, info: &MediaInfo) -> Option<ClockTime> {
    let length = reference::audio_length(info)?;
    let start = audio.start.unwrap_or_default();
    let end = audio.end.unwrap_or(length).min(length);
    Some(ClockTime(end.0.saturating_sub(start.0)))
}

/// A supplied sound and what is sent of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Conformed {
    /// The source, as the list names it.
    pub(crate) source: String,
    /// SHA-256 of the source.
    pub(crate) source_sha256: String,
    /// The map from upload samples to source samples.
    pub(crate) cut: Cut,
    /// The file that is sent: the source itself where nothing had to change.
    pub(crate) upload: PathBuf,
    /// SHA-256 of the file that is sent.
    pub(crate) upload_sha256: String,
}

impl Conformed {
    /// The length of what is sent, in seconds.
    pub(crate) fn length(&self) -> ClockTime {
        self.cut.kept.length().clock(self.cut.rate, Rounding::Up).unwrap_or_default()
    }

    /// Whether a copy had to be made.
    pub(crate) fn is_copy(&self) -> bool {
        self.upload_sha256 != self.source_sha256
    }
}

/// The cuts of a shot's local sounds, with the index of each in the list.
fn cuts(shot: &Shot, measured: &Measured) -> Result<Vec<(usize, Cut)>, trim::TrimError> {
    let facts = |audio: &AudioReference| measured.0.get(local(&audio.location)?)?.as_ref().ok()?.audio.clone();
    let mut sources = Vec::new();
    let mut places = Vec::new();
    for (index, audio) in shot.audios.iter().enumerate() {
        let Some(info) = facts(audio) else { continue };
        let Some(samples) = info.samples else { continue };
        places.push(index);
        sources.push(Source {
            rate: info.sample_rate,
            samples,
            start: audio.start,
            end: audio.end,
            priority: audio.priority,
        });
    }
    let combined = Catalog::built_in().model(&shot.render).and_then(|model| model.limits.audio.combined_seconds);
    let limit = Limit { combined: combined.map_or(COMBINED, |range| ClockTime::seconds(range.max)), least: LEAST };
    Ok(places.into_iter().zip(trim::plan(&sources, limit)?).collect())
}

fn trim_fault(shot: &Shot, measured: &Measured) -> Option<Fault> {
    let error = cuts(shot, measured).err()?;
    let place = shot.place.within("audios", None);
    let source = Catalog::built_in().model(&shot.render).map_or_else(String::new, Model::cited);
    let fault = Fault::new(
        "audio.combined_duration",
        &place,
        error.to_string(),
        "sounds that fit the combined limit, each at least 2 s long",
        "drop a sound, or correct `in` and `out`",
    );
    Some(Fault { source, ..fault })
}

/// Makes the upload copies of a shot's local sounds; answers one for each, or `None` for a URL.
pub(crate) fn conform_shot(
    project: &Project,
    shot: &Shot,
    measured: &Measured,
) -> Result<Vec<Option<Conformed>>, Failure> {
    let cuts = cuts(shot, measured).map_err(|error| {
        Failure::new(Exit::Invalid, format!("shot {}: {error}", shot.id), "correct the shot's `audios`")
    })?;
    let mut conformed = vec![None; shot.audios.len()];
    for (index, cut) in cuts {
        let audio = &shot.audios[index];
        let Some(name) = local(&audio.location) else { continue };
        let Some(Ok(info)) = measured.0.get(name) else { continue };
        conformed[index] = Some(conform_file(project, shot, name, info, cut)?);
    }
    Ok(conformed)
}

fn conform_file(project: &Project, shot: &Shot, name: &str, info: &MediaInfo, cut: Cut) -> Result<Conformed, Failure> {
    let path = project.root.join(name);
    let (source_sha256, bytes) = digest(&path).map_err(|error| Failure::disk("read", &path, &error))?;
    let limits = Catalog::built_in().model(&shot.render).map(|model| &model.limits.audio);
    let accepted = limits.is_none_or(|limits| {
        limits.formats.contains(&info.container)
            && limits.megabytes.is_none_or(|most| bytes <= u64::from(most) * 1_000_000)
    });
    if accepted && !cut.trims() {
        return Ok(Conformed {
            source: name.to_owned(),
            upload_sha256: source_sha256.clone(),
            source_sha256,
            cut,
            upload: path,
        });
    }
    let key =
        digest_text(&format!("conform/1 {source_sha256} {} {} {}", cut.rate.hertz(), cut.kept.start.0, cut.kept.end.0));
    let upload = project.hidden().join("conformed").join(format!("{key}.wav"));
    if !upload.exists() {
        let copy = || -> Result<(), MediaError> {
            let source = open_plain(&path)?;
            // `hound` goes back to the header when it is done.
            let mut wav = std::io::Cursor::new(Vec::new());
            conform::conform(source, &cut, &mut wav)?;
            write_whole(&upload, |out| std::io::Write::write_all(out, wav.get_ref()).map_err(MediaError::from))
        };
        copy().map_err(|error| {
            Failure::new(
                Exit::Invalid,
                format!("failed to conform {name}: {error}"),
                "replace the file with a whole one",
            )
        })?;
    }
    let (upload_sha256, _) = digest(&upload).map_err(|error| Failure::disk("read", &upload, &error))?;
    Ok(Conformed { source: name.to_owned(), source_sha256, cut, upload, upload_sha256 })
}

/// The media type of a measured file, by content.
pub(crate) fn content_type(info: &MediaInfo) -> String {
    match info.container.as_str() {
        "jpeg" | "png" | "webp" | "gif" | "bmp" | "tiff" => format!("image/{}", info.container),
        "mp4" => "video/mp4".to_owned(),
        "mov" => "video/quicktime".to_owned(),
        "mp3" => "audio/mpeg".to_owned(),
        "wav" => "audio/wav".to_owned(),
        _ => "application/octet-stream".to_owned(),
    }
}

impl Measured {
    /// What a file is, where it could be measured.
    pub(crate) fn info(&self, name: &str) -> Option<&MediaInfo> {
        self.0.get(name)?.as_ref().ok()
    }
}
