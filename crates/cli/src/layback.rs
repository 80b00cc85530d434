//! A mix goes back under the picture: checked whole, laid by stream copy, proved in the finished files, then delivered.

mod film;
mod folder;
mod package;
mod prove;

use std::path::{Path, PathBuf};

use seedpost_core::layback::{
    Check, Delivery, Heard, Judge, Mix, MixFile, SCHEMA, Target, Turnover, Verdict, is_refused,
};
use seedpost_core::time::{Frames, TimeRange};
use seedpost_media::{MediaError, mix};

use crate::interrupt;
use crate::output::{Exit, Failure, note};
use crate::progress::{Bar, Style, told};
use crate::project::{hold, make_folder, open_plain, temporary_folder};
use folder::Place;
use package::Package;

/// What is wanted.
pub(crate) struct Order<'a> {
    pub(crate) package: &'a Path,
    pub(crate) mix: &'a Path,
    pub(crate) per_shot: bool,
    pub(crate) target: Option<&'static Target>,
    pub(crate) out: Option<&'a Path>,
    pub(crate) force: bool,
    pub(crate) style: Style,
}

/// What came of it.
pub(crate) struct Outcome {
    /// All that was looked at.
    pub(crate) checks: Vec<Check>,
    /// The folder and its manifest; none where a check refuses.
    pub(crate) delivery: Option<(PathBuf, Delivery)>,
}

/// Checks a mix and lays it back; nothing is written where it is refused.
pub(crate) fn make(order: &Order<'_>) -> Result<Outcome, Failure> {
    let package = Package::open(order.package)?;
    let place = Place::find(&package, order.out, order.force)?;
    if let Some(newer) = package.newer() {
        note(format_args!("note: {newer} stands beside the package: is the mix of this version?"));
    }
    let bar = Bar::new(order.style);
    let mut checks = package.check_pictures(&bar)?;
    let judge = Judge { layout: package.layout, start: package.start, target: order.target };
    // What is judged is what is laid back: a copy that nobody else writes to.
    let draft = temporary_folder(&place.path).map_err(|error| Failure::disk("write beside", &place.path, &error))?;
    let _held = hold(draft.path()).map_err(|error| Failure::disk("lock", draft.path(), &error))?;
    let delivered = folder::take_mix(order.mix, draft.path())?;
    let copy = draft.path().join(&delivered.path);
    let (form, heard) = match listen(&copy, &judge, &mut checks) {
        Ok(found) => found,
        Err(error) => {
            checks.push(unreadable(&error));
            return Ok(Outcome { checks, delivery: None });
        }
    };
    interrupt::check()?;
    if is_refused(&checks) {
        return Ok(Outcome { checks, delivery: None });
    }
    let work = draft.path().join("work");
    make_folder(&work)?;
    let job = film::Job { package: &package, mix: &copy, draft: draft.path(), work: &work };
    let films = film::films(&package, order.per_shot);
    let clips = job.make_all(&films, &bar)?;
    std::fs::remove_dir_all(&work).map_err(|error| Failure::disk("clear", &work, &error))?;
    let mut delivery = Delivery {
        schema: SCHEMA.to_owned(),
        title: package.manifest.title.clone(),
        date: String::new(),
        turnover: Turnover {
            name: package.name.clone(),
            version: package.manifest.version,
            manifest_sha256: package.manifest_sha256.clone(),
        },
        mix: MixFile { path: delivered.path, bytes: delivered.bytes, sha256: delivered.sha256, form },
        heard,
        target: order.target.cloned(),
        checks: checks.clone(),
        clips,
        files: Vec::new(),
    };
    folder::finish(draft, &place, &mut delivery)?;
    told(order.style, &place.path, "delivered");
    Ok(Outcome { checks, delivery: Some((place.path, delivery)) })
}

/// Reads a mix, and judges it.
fn listen(copy: &Path, judge: &Judge<'_>, checks: &mut Vec<Check>) -> Result<(Mix, Heard), MediaError> {
    let mut file = open_plain(copy)?;
    let form = mix::read(&mut file)?;
    checks.extend(judge.header(&form));
    // At another rate, no place is what it was.
    let is_measured = form.rate.hertz() == 48_000 && (1..=6).contains(&form.channels);
    let places = places(judge).filter(|_| is_measured);
    let heard = match places {
        Some(places) => mix::hear(&mut file, &places)?,
        None => return Ok((form, Heard::default())),
    };
    checks.extend(judge.heard(&heard));
    Ok((form, heard))
}

/// Where the reel's parts lie in the mix.
fn places(judge: &Judge<'_>) -> Option<mix::Places> {
    let sample = |frame: Frames| judge.layout.sample(frame, judge.start);
    let frame = |frame: Frames| judge.layout.samples(frame, judge.start);
    let picture = judge.layout.picture;
    Some(mix::Places {
        two_pop: judge.layout.two_pop.and_then(frame),
        programme: TimeRange { start: sample(picture.start)?, end: sample(picture.end)? },
        tail_pop: frame(judge.layout.tail_pop)?,
    })
}

fn unreadable(error: &MediaError) -> Check {
    Check {
        what: "file".to_owned(),
        verdict: Verdict::Refused,
        found: error.to_string(),
        allowed: "a whole 48 kHz, 24-bit stereo WAV".to_owned(),
        source: "seedpost: a mix comes back in the form of the stems".to_owned(),
        fix: "export it again, and copy it whole".to_owned(),
    }
}

/// A failure of the delivery's own checks, or of making it.
fn failed(path: &Path, why: impl std::fmt::Display) -> Failure {
    let hint = "nothing was delivered; run it again, and `seedpost doctor` if it fails again";
    Failure::new(Exit::Internal, format!("failed to make {}: {why}", path.display()), hint)
}
