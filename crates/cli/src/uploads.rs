//! Upload copies: what is sent instead of a source that the model would not take as it is.
//!
//! Copies lie in `.seedpost/conformed` under the digest of what they were made from, each with a note of its own
//! digest, so that nothing is made twice and nothing else is taken for a copy; sources are never changed.

use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use seedpost_core::catalog::Catalog;
use seedpost_core::reference::fit::{self, StillFit, VideoFit};
use seedpost_core::reference::{Copy, Verdict};
use seedpost_core::shot::Shot;
use seedpost_core::time::ClockTime;
use seedpost_core::trim::{Cut, Edge, Planned};
use seedpost_media::still::{self, StillTarget};
use seedpost_media::worker::TranscodeOrder;
use seedpost_media::{MediaError, conform};
use serde::{Deserialize, Serialize};

use crate::assets::{Measured, content_type, local, references};
use crate::output::{Exit, Failure, shown};
use crate::project::{Project, digest, digest_text, open_plain, with_worker, write_by_name, write_whole};
use crate::trim_plan::{ShotPlan, SoundPlan};

/// A supplied sound and what is sent of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Conformed {
    /// The source, as the list names it.
    pub(crate) source: String,
    /// SHA-256 of the source.
    pub(crate) source_sha256: String,
    /// The map from upload samples to source samples.
    pub(crate) cut: Cut,
    /// Why it begins there.
    pub(crate) begin: Edge,
    /// Why it ends there.
    pub(crate) end: Edge,
    /// The file that is sent: the source itself where nothing had to change.
    #[serde(serialize_with = "as_shown")]
    pub(crate) upload: PathBuf,
    /// SHA-256 of the file that is sent.
    pub(crate) upload_sha256: String,
}

impl Conformed {
    /// The length of what is sent, in seconds.
    pub(crate) fn length(&self) -> ClockTime {
        self.cut.length()
    }

    /// Whether a copy had to be made.
    pub(crate) fn is_copy(&self) -> bool {
        self.upload_sha256 != self.source_sha256
    }
}

/// The copy of an image or video.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Picture {
    /// The source, as the list names it.
    pub(crate) source: String,
    /// SHA-256 of the source.
    pub(crate) source_sha256: String,
    /// The copy.
    #[serde(serialize_with = "as_shown")]
    pub(crate) upload: PathBuf,
    /// SHA-256 of the copy.
    pub(crate) upload_sha256: String,
    /// What was changed, in words.
    pub(crate) changes: Vec<String>,
    #[serde(skip)]
    pub(crate) content_type: &'static str,
}

/// What is sent for a shot.
#[derive(Debug)]
pub(crate) struct Uploads {
    /// One for each sound; `None` for a URL.
    pub(crate) sounds: Vec<Option<Conformed>>,
    /// Copies of images and videos, by the index of the reference.
    pub(crate) pictures: BTreeMap<usize, Picture>,
}

fn as_shown<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&shown(path))
}

/// Makes the copies of a shot.
pub(crate) fn make(
    project: &Project,
    shot: &Shot,
    measured: &Measured,
    verdict: &Verdict,
    plan: Option<&ShotPlan>,
) -> Result<Uploads, Failure> {
    let mut sounds = vec![None; shot.audios.len()];
    for sound in plan.iter().flat_map(|plan| &plan.sounds) {
        if let Some(slot) = sounds.get_mut(sound.number - 1) {
            *slot = Some(make_sound(project, shot, sound, measured)?);
        }
    }
    let mut pictures = BTreeMap::new();
    let items = references(shot);
    for (index, copy) in &verdict.copies {
        let Some(name) = items.get(*index).and_then(|item| local(item.location)) else { continue };
        let changes = verdict.changes.iter().filter(|change| change.asset == name).map(|change| change.what.clone());
        pictures.insert(*index, make_picture(project, name, measured, *copy, changes.collect())?);
    }
    Ok(Uploads { sounds, pictures })
}

fn failed(name: &str, error: &dyn std::fmt::Display) -> Failure {
    let fix = "replace the file with a whole one, or convert it by hand";
    Failure::new(Exit::Invalid, format!("failed to conform {name}: {error}"), fix)
}

fn conformed(project: &Project, key: &str, ending: &str) -> PathBuf {
    project.hidden().join("conformed").join(format!("{}.{ending}", digest_text(key)))
}

/// Where the digest of a copy is noted.
fn note_of(copy: &Path) -> PathBuf {
    copy.with_extension("sha256")
}

/// The digest of a copy that is there and still is what it was when it was made.
fn standing(copy: &Path) -> Option<String> {
    let noted = std::fs::read_to_string(note_of(copy)).ok()?;
    let (sha256, _) = digest(copy).ok()?;
    (noted == sha256).then_some(sha256)
}

/// Notes the digest of a copy that was made.
fn made(copy: &Path) -> Result<String, Failure> {
    let (sha256, _) = digest(copy).map_err(|error| Failure::disk("read", copy, &error))?;
    let note = note_of(copy);
    write_whole(&note, |out| std::io::Write::write_all(out, sha256.as_bytes()))
        .map_err(|error: std::io::Error| Failure::disk("write", &note, &error))?;
    Ok(sha256)
}

fn make_sound(project: &Project, shot: &Shot, sound: &SoundPlan, measured: &Measured) -> Result<Conformed, Failure> {
    let (name, Planned { cut, begin, end }) = (&sound.source, sound.planned);
    let path = project.root.join(name);
    let bits = measured.info(name).and_then(|info| {
        let limits = &Catalog::built_in().model(&shot.render)?.limits.audio;
        fit::sound(info, info.audio.as_ref()?, cut.kept.length(), cut.trims(), limits).copy
    });
    let source_sha256 = sound.sha256.clone();
    let done = |upload: PathBuf, upload_sha256| Conformed {
        source: name.clone(),
        source_sha256: source_sha256.clone(),
        cut,
        begin,
        end,
        upload,
        upload_sha256,
    };
    let Some(bits) = bits else {
        if cut.trims() {
            let fix = "keep less of it, or convert it to 48 kHz and 24 bits";
            return Err(Failure::new(Exit::Invalid, format!("{name}: no copy of this length fits the limits"), fix));
        }
        return Ok(done(path, source_sha256.clone()));
    };
    let (rate, kept) = (cut.rate.hertz(), cut.kept);
    let upload =
        conformed(project, &format!("sound/2 {source_sha256} {rate} {} {} {bits}", kept.start.0, kept.end.0), "wav");
    let upload_sha256 = match standing(&upload) {
        Some(sha256) => sha256,
        None => {
            cut_sound(&path, &cut, bits, &upload).map_err(|error| failed(name, &error))?;
            made(&upload)?
        }
    };
    Ok(done(upload, upload_sha256))
}

/// Writes the kept part of a sound.
pub(crate) fn cut_sound(source: &Path, cut: &Cut, bits: u16, out: &Path) -> Result<(), MediaError> {
    let source = open_plain(source)?;
    write_whole(out, |writer| conform::conform(source, cut, bits, writer))
}

fn make_picture(
    project: &Project,
    name: &str,
    measured: &Measured,
    copy: Copy,
    changes: Vec<String>,
) -> Result<Picture, Failure> {
    let path = project.root.join(name);
    let (source_sha256, _) = digest(&path).map_err(|error| Failure::disk("read", &path, &error))?;
    let (upload, upload_sha256) = match copy {
        Copy::Still(fit) => {
            let still = measured.info(name).and_then(|info| info.still.as_ref());
            let large = still.is_some_and(|still| u64::from(still.width) * u64::from(still.height) > LARGE);
            // A picture takes up to half a gigabyte: not on all cores at once.
            let _one = large.then(|| ONE_LARGE.lock());
            make_still(project, name, &path, &source_sha256, fit)?
        }
        Copy::Video(fit) => make_video(project, name, &path, &source_sha256, fit)?,
    };
    let content_type = match upload.extension().and_then(|ending| ending.to_str()) {
        Some("png") => "image/png",
        Some("jpeg") => "image/jpeg",
        _ => "video/mp4",
    };
    Ok(Picture { source: name.to_owned(), source_sha256, upload, upload_sha256, changes, content_type })
}

/// Pixels of a picture that counts as large.
const LARGE: u64 = 16_000_000;
/// Held while a large picture is made.
static ONE_LARGE: Mutex<()> = Mutex::new(());

/// The copy and its digest.
type Made = (PathBuf, String);

fn make_still(project: &Project, name: &str, path: &Path, sha256: &str, fit: StillFit) -> Result<Made, Failure> {
    let StillFit { size, max_bytes } = fit;
    let key = format!("still/1 {sha256} {}x{} {max_bytes}", size.0, size.1);
    let place = |ending: &str| conformed(project, &key, ending);
    let there = ["png", "jpeg"].into_iter().map(place).find_map(|path| Some((standing(&path)?, path)));
    if let Some((sha256, path)) = there {
        return Ok((path, sha256));
    }
    let make = || -> Result<PathBuf, MediaError> {
        let copy = still::conform(BufReader::new(open_plain(path)?), StillTarget { size, max_bytes })?;
        let upload = place(copy.format);
        write_whole(&upload, |out| std::io::Write::write_all(out, &copy.bytes))?;
        Ok(upload)
    };
    let upload = make().map_err(|error| failed(name, &error))?;
    let sha256 = made(&upload)?;
    Ok((upload, sha256))
}

fn make_video(project: &Project, name: &str, path: &Path, sha256: &str, fit: VideoFit) -> Result<Made, Failure> {
    let upload = conformed(project, &format!("video/1 {sha256} {fit:?}"), "mp4");
    if let Some(sha256) = standing(&upload) {
        return Ok((upload, sha256));
    }
    let VideoFit { start, frames, rate, size: (width, height), rotation, max_bytes } = fit;
    let source = path.canonicalize().map_err(|error| Failure::disk("read", path, &error))?;
    let disk = |error| Failure::disk("write", &upload, &error);
    write_by_name(&upload, disk, |out| {
        let out = out.to_owned();
        let order = TranscodeOrder { source, out, start, frames, rate, width, height, rotation, max_bytes };
        with_worker(|worker| worker.transcode(order)).map_err(|error| failed(name, &error))
    })?;
    let sha256 = made(&upload)?;
    Ok((upload, sha256))
}

/// The media type of what is sent for a sound.
pub(crate) fn sound_type(sound: &Conformed, measured: &Measured) -> &'static str {
    let own = measured.info(&sound.source).filter(|_| !sound.is_copy());
    own.map_or("audio/wav", content_type)
}
