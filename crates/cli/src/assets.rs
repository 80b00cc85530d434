//! Supplied files, measured once each, and what the rules say of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rayon::prelude::*;
use seedpost_core::fault::{Fault, Place, Severity};
use seedpost_core::media::MediaInfo;
use seedpost_core::reference::{self, Asset, Kind, Verdict};
use seedpost_core::shot::{Location, Reference, Shot, TimedReference};
use seedpost_media::{MediaError, mp4, probe};

use crate::progress::Bar;
use crate::project::{Project, open_plain, with_worker};

/// Every file of a list, measured; or why it could not be. URLs are here only where they were fetched.
#[derive(Debug)]
pub(crate) struct Measured(BTreeMap<String, Result<MediaInfo, String>>);

/// Measures each local file once, on all cores.
pub(crate) fn measure(project: &Project, bar: &Bar) -> Measured {
    let names = files(project);
    bar.begin("measuring", names.len());
    let one = |name: &str| {
        let result = (name.to_owned(), measure_file(&project.root.join(name)));
        bar.step();
        result
    };
    let measured = Measured(names.into_par_iter().map(one).collect());
    bar.end();
    measured
}

/// The distinct names of some of a list's references.
fn names<'p>(project: &'p Project, pick: fn(&'p Location) -> Option<&'p str>) -> BTreeSet<&'p str> {
    let shots = project.list.shots.iter();
    shots.flat_map(|shot| references(shot).into_iter().filter_map(|item| pick(item.location))).collect()
}

/// The distinct local files of a list.
pub(crate) fn files(project: &Project) -> BTreeSet<&str> {
    names(project, local)
}

/// The distinct URLs of a list.
pub(crate) fn urls(project: &Project) -> BTreeSet<&str> {
    names(project, |location| match location {
        Location::Url(url) => Some(url),
        Location::File(_) => None,
    })
}

/// The name of a local file.
pub(crate) fn local(location: &Location) -> Option<&str> {
    match location {
        Location::File(name) => Some(name),
        Location::Url(_) => None,
    }
}

/// Measures a file: by the safe readers where they know it, else by the worker.
pub(crate) fn measure_file(path: &Path) -> Result<MediaInfo, String> {
    let open = || open_plain(path).map_err(|error| error.to_string());
    match probe::probe(open()?) {
        Ok(mut info) if info.lacks_sound() => {
            info.fill(ask(path)?);
            if let Some(audio) = &mut info.audio {
                probe::complete_sound(&mut open()?, audio).map_err(|error| error.to_string())?;
            }
            Ok(info)
        }
        Ok(info) => Ok(info),
        Err(MediaError::Unsupported(what)) => ask(path).map_err(|error| format!("{what}; {error}")),
        Err(error) => Err(error.to_string()),
    }
}

/// Lets FFmpeg measure a file.
fn ask(path: &Path) -> Result<MediaInfo, String> {
    let absolute = path.canonicalize().map_err(|error| error.to_string())?;
    with_worker(|worker| worker.probe(absolute)).map_err(|error| error.to_string())
}

/// Measures a file with all that any reader can tell of it; slower than [`measure_file`] where FFmpeg has to be asked.
pub(crate) fn measure_whole(path: &Path) -> Result<MediaInfo, String> {
    let mut info = measure_file(path)?;
    if info.measured_by == "ffmpeg" {
        // What stands at the top of an MP4 is the same whoever reads its tracks.
        let outline = open_plain(path).ok().and_then(|mut file| mp4::outline(&mut file).ok());
        if let Some(outline) = outline.filter(|outline| outline.brands.is_some()) {
            probe::complete(&outline, &mut info);
        }
    } else if !info.is_complete()
        && info.measured_by == "seedpost"
        && let Ok(other) = ask(path)
    {
        info.fill(other);
    }
    Ok(info)
}

/// One reference of a shot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item<'s> {
    pub(crate) kind: Kind,
    pub(crate) location: &'s Location,
    place: &'s Place,
    timed: Option<&'s TimedReference>,
}

impl Item<'_> {
    fn still(item: &Reference) -> Item<'_> {
        Item { kind: Kind::Image, location: &item.location, place: &item.place, timed: None }
    }

    fn timed(kind: Kind, item: &TimedReference) -> Item<'_> {
        Item { kind, location: &item.location, place: &item.place, timed: Some(item) }
    }
}

/// All references of a shot: images, first and last frame, videos, sounds. Their index here is that of
/// [`Asset`] in a verdict.
pub(crate) fn references(shot: &Shot) -> Vec<Item<'_>> {
    let images = shot.images.iter().chain(&shot.first_frame).chain(&shot.last_frame).map(Item::still);
    let videos = shot.videos.iter().map(|video| Item::timed(Kind::Video, video));
    let audios = shot.audios.iter().map(|audio| Item::timed(Kind::Audio, audio));
    images.chain(videos).chain(audios).collect()
}

/// What is known of a shot's references, and which of them could not be read.
pub(crate) fn assets(shot: &Shot, measured: &Measured) -> (Vec<Asset>, Vec<Fault>) {
    let mut unreadable = Vec::new();
    let mut assets = Vec::new();
    for item in references(shot) {
        let info = match measured.0.get(item.location.as_str()) {
            Some(Ok(info)) => Some(info.clone()),
            Some(Err(error)) => {
                unreadable.push(unreadable_fault(item.location, item.place, error));
                None
            }
            None => None,
        };
        assets.push(Asset {
            kind: item.kind,
            place: item.place.clone(),
            name: item.location.to_string(),
            info,
            start: item.timed.and_then(|timed| timed.start),
            end: item.timed.and_then(|timed| timed.end),
            priority: item.timed.map_or(1, |timed| timed.priority),
            remote: local(item.location).is_none(),
        });
    }
    (assets, unreadable)
}

/// Judges every shot; faults come in the order of the list.
pub(crate) fn judge(project: &Project, measured: &Measured) -> Vec<Verdict> {
    project.list.shots.par_iter().map(|shot| judge_one(shot, measured)).collect()
}

/// Judges one shot.
pub(crate) fn judge_one(shot: &Shot, measured: &Measured) -> Verdict {
    let (assets, unreadable) = assets(shot, measured);
    let mut verdict = reference::judge(shot, &assets);
    verdict.faults.splice(0..0, unreadable);
    verdict.faults.sort_by_key(in_order);
    verdict
}

/// Faults stand in the order of the list, advice last.
pub(crate) fn in_order(fault: &Fault) -> (bool, Option<u32>) {
    (fault.severity == Severity::Hint, fault.line)
}

fn unreadable_fault(location: &Location, place: &Place, error: &str) -> Fault {
    let fix = "replace it with a whole file of an accepted format, or correct the path";
    let allowed = "a readable image, video or sound";
    Fault::new("reference.unreadable", place, format!("{location}: {error}"), allowed, fix)
}

/// The media type of a measured file, by content.
pub(crate) fn content_type(info: &MediaInfo) -> &'static str {
    match info.container.as_str() {
        "jpeg" => "image/jpeg",
        "png" => "image/png",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "bmp" => "image/bmp",
        "tiff" => "image/tiff",
        "heic" => "image/heic",
        "avif" => "image/avif",
        "mp4" => "video/mp4",
        "mov" => "video/quicktime",
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        _ => "application/octet-stream",
    }
}

impl Measured {
    /// What a file is, where it could be measured.
    pub(crate) fn info(&self, name: &str) -> Option<&MediaInfo> {
        self.0.get(name)?.as_ref().ok()
    }

    /// Whether a file was looked at, with whatever result.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Adds what was found at a URL.
    pub(crate) fn add(&mut self, url: String, result: Result<MediaInfo, String>) {
        self.0.insert(url, result);
    }
}
