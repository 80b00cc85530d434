//! Rules that hold whatever the model, so that they are told even where no model is known.

use super::{Asset, Kind};
use crate::catalog::Mode;
use crate::fault::Fault;
use crate::shot::Shot;
use crate::tag;

/// Frames and references do not go together.
pub(super) fn mixed_modes(shot: &Shot) -> Option<Fault> {
    (Mode::of(shot) == Mode::Reference && shot.first_frame.is_some()).then(|| {
        let fix = "move the picture into `images`, or drop the references";
        let allowed = "either frames or references";
        Fault::new("frame.with_references", &shot.at("first_frame"), "first_frame beside references", allowed, fix)
    })
}

/// A URL is sent whole.
pub(super) fn parts_of_urls(assets: &[Asset]) -> Vec<Fault> {
    let parts = assets.iter().filter(|asset| asset.remote && (asset.start.is_some() || asset.end.is_some()));
    let fault = |asset: &Asset| {
        let found = format!("{}: with `in` or `out`", asset.name);
        let fix = "download it, and name the local copy";
        Fault::new("reference.remote", &asset.place, found, "a URL that is sent whole", fix)
    };
    parts.map(fault).collect()
}

/// Each tag of the prompt needs a file, and each file a tag.
pub(super) fn tags(shot: &Shot) -> Vec<Fault> {
    let place = shot.at("prompt");
    let mut faults = Vec::new();
    let used = tag::tags(&shot.prompt);
    let counts = [(Kind::Image, shot.images.len()), (Kind::Video, shot.videos.len()), (Kind::Audio, shot.audios.len())];
    for (kind, count) in counts {
        let word = kind.tag();
        let number = |tag: &tag::Tag| tag.number.and_then(|number| usize::try_from(number).ok());
        let mut told: Vec<&str> = Vec::new();
        for tag in used.iter().filter(|tag| tag.kind == kind) {
            let text = &shot.prompt[tag.range.clone()];
            if number(tag).is_some_and(|number| (1..=count).contains(&number)) || told.contains(&text) {
                continue;
            }
            told.push(text);
            let allowed = if count == 0 {
                format!("no @{word} tag: the shot has none")
            } else {
                format!("@{word}1 to @{word}{count}")
            };
            faults.push(Fault::new("prompt.tag", &place, text, allowed, "add the file, or correct the tag"));
        }
        let is_used = |wanted: &usize| used.iter().any(|tag| tag.kind == kind && number(tag) == Some(*wanted));
        let unused: Vec<String> =
            (1..=count).filter(|number| !is_used(number)).map(|number| format!("@{word}{number}")).collect();
        if !unused.is_empty() {
            let names = unused.join(", ");
            let fix = format!("say what {names} {} for", if unused.len() == 1 { "is" } else { "are" });
            faults.push(Fault::new("prompt.untagged", &place, format!("no {names}"), "a tag for each file", fix));
        }
    }
    faults
}
