//! The media of a package: the pictures and stems of its takes, copied, and what they are called there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rayon::prelude::*;
use seedpost_core::export::base_name;
use seedpost_core::timeline::{Clip, Stem, Timeline};
use seedpost_media::MediaError;
use seedpost_media::pass::coded_picture;

use crate::copies;
use crate::cut::SelectedTake;
use crate::finish::Facts;
use crate::interrupt;
use crate::output::{Exit, Failure};
use crate::progress::Bar;
use crate::project::{digest, open_plain};

/// The same cut with its files as they are called in the package: stems keep their names, a picture takes its take's.
pub(super) fn packaged(own: &Timeline) -> Timeline {
    let audio = |file: &String| format!("audio/{}", base_name(file));
    own.clone().with_media(
        |clip: &Clip| (format!("picture/{}.mp4", clip.take), clip.picture.start),
        |stem: &Stem| (audio(&stem.file), stem.sides.iter().map(audio).collect()),
    )
}

/// One file that is made.
enum Work<'a> {
    /// A file as it is.
    Copy {
        from: &'a str,
        to: &'a str,
        known: Known<'a>,
    },
    Sides {
        clip: &'a Clip,
        own: &'a Stem,
        stem: &'a Stem,
    },
}

/// The SHA-256 that is known of a file.
enum Known<'a> {
    /// Of all of it.
    Whole(&'a str),
    /// Of its coded picture.
    Picture(&'a str),
    /// None.
    Nothing,
}

impl Known<'_> {
    /// Whether a file is still what is known of it.
    fn is_of(&self, file: &Path) -> Result<bool, MediaError> {
        Ok(match self {
            Known::Whole(sha256) => digest(file)?.0 == **sha256,
            Known::Picture(sha256) => coded_picture(&mut open_plain(file)?)?.sha256 == **sha256,
            Known::Nothing => true,
        })
    }
}

/// What is known of a take's picture.
fn of_picture(facts: &Facts) -> Known<'_> {
    let proof = facts.content.proof.as_ref().and_then(|proof| proof.sha256_after.as_deref());
    match proof {
        _ if facts.picture == "render.mp4" => Known::Whole(&facts.from.render.sha256),
        Some(sha256) => Known::Picture(sha256),
        None => Known::Nothing,
    }
}

/// Copies the pictures and stems of takes, and writes those sides of stems that the project does not have.
pub(super) fn copy(
    own: &Timeline,
    timeline: &Timeline,
    takes: &[&SelectedTake],
    draft: &Path,
    bar: &Bar,
) -> Result<Vec<String>, Failure> {
    let mut made = BTreeSet::new();
    let mut work = Vec::new();
    for (own, clip) in own.clips.iter().zip(&timeline.clips) {
        let facts = takes.iter().find(|take| take.take == clip.take).map(|take| &take.facts);
        if made.insert(&clip.picture.file) {
            let known = facts.map_or(Known::Nothing, of_picture);
            work.push(Work::Copy { from: &own.picture.file, to: &clip.picture.file, known });
        }
        for (own, stem) in own.stems.iter().zip(&clip.stems) {
            let known = |name: &str| {
                let stems = facts.into_iter().flat_map(|facts| &facts.sound.stems).flat_map(|stem| stem.files());
                let found = stems.into_iter().find(|(file, _)| base_name(file) == name);
                found.map_or(Known::Nothing, |(_, sha256)| Known::Whole(sha256))
            };
            let pairs = std::iter::once((&own.file, &stem.file)).chain(own.sides.iter().zip(&stem.sides));
            for (from, to) in pairs.filter(|(_, to)| made.insert(to)) {
                work.push(Work::Copy { from, to, known: known(base_name(from)) });
            }
            if own.sides.is_empty() && !stem.sides.is_empty() && stem.sides.iter().all(|side| made.insert(side)) {
                work.push(Work::Sides { clip, own, stem });
            }
        }
    }
    bar.begin("copies", work.len());
    let each = |work: &Work<'_>| {
        interrupt::check()?;
        work.make(takes, draft)?;
        bar.step();
        Ok(())
    };
    let done = work.par_iter().try_for_each(each);
    bar.end();
    done.map(|()| made.into_iter().cloned().collect())
}

impl Work<'_> {
    fn make(&self, takes: &[&SelectedTake], draft: &Path) -> Result<(), Failure> {
        match self {
            Work::Copy { from, to, known } => {
                let to = draft.join(to);
                fs::copy(from, &to).map_err(|error| Failure::disk("copy", Path::new(from), &error))?;
                // What cannot be read as a clip any more is not what it was either.
                if known.is_of(&to).unwrap_or(false) { Ok(()) } else { Err(changed(from)) }
            }
            Work::Sides { clip, own, stem } => {
                let label =
                    takes.iter().find(|take| take.take == clip.take).and_then(|take| take.stem_label(stem.role));
                let (Some(label), [left, right]) = (label, &stem.sides[..]) else { return Ok(()) };
                let sides = [left.clone(), right.clone()];
                copies::split(Path::new(&own.file), draft, &sides, stem.role, stem.samples, &label)
            }
        }
    }
}

fn changed(file: &str) -> Failure {
    Failure::new(
        Exit::Media,
        format!("{file} is not what it was when its take was finished"),
        "put it back; a stem that was worked on belongs elsewhere; `seedpost run` makes anew what is missing",
    )
}
