//! What is told of a clip that is other than before, with its numbers.

use std::collections::BTreeMap;

use super::{ManifestClip, ManifestStem};
use crate::import::shown;
use crate::shot::TakeId;

fn frames(count: i128) -> String {
    if count.abs() == 1 { "1 frame".to_owned() } else { format!("{} frames", count.abs()) }
}

/// `12 frames later`, for a distance that is not 0.
pub(super) fn later(by: i128) -> String {
    format!("{} {}", frames(by), if by > 0 { "later" } else { "earlier" })
}

/// `12 frames longer`, for a difference that is not 0.
pub(super) fn longer(by: i128) -> String {
    format!("{} {}", frames(by), if by > 0 { "longer" } else { "shorter" })
}

/// What was taken off head and tail, or, negative, put on. One of them is not 0.
pub(super) fn ends(head: i128, tail: i128) -> String {
    if head == -tail {
        return format!("slipped: shows what is {} in the take", later(head));
    }
    let ends = [("head", head), ("tail", tail)];
    let told = ends.iter().filter(|(_, off)| *off != 0).map(|(end, off)| format!("{end} {}", longer(-off)));
    told.collect::<Vec<_>>().join(", ")
}

/// Another take, or another delivery of the same; `None` where it is the same.
pub(super) fn rendered(old: &ManifestClip, new: &ManifestClip) -> Option<String> {
    let number = |clip: &ManifestClip| clip.take.parse::<TakeId>().ok().map(|take| take.number);
    if old.take != new.take {
        let same_shot = old.shot == new.shot;
        return Some(match (number(old), number(new)) {
            (Some(old), Some(new)) if same_shot && old != new => format!("take {new} instead of take {old}"),
            _ => format!("{} instead of {}", shown(&new.take), shown(&old.take)),
        });
    }
    let (was, is) = (&old.provenance.sha256, &new.provenance.sha256);
    let anew = !was.is_empty() && !is.is_empty() && was != is;
    anew.then(|| match number(new) {
        Some(number) => format!("take {number} was delivered anew"),
        None => "the take was delivered anew".to_owned(),
    })
}

/// Another lane, other stems; `None` where both are the same.
pub(super) fn stems(old: &ManifestClip, new: &ManifestClip) -> Option<String> {
    let lane = (old.lane != new.lane).then(|| format!("lane {} instead of {}", shown(&new.lane), shown(&old.lane)));
    let channels = |clip: &ManifestClip| {
        let stem = |stem: &ManifestStem| (stem.role.clone(), stem.channels);
        clip.stems.iter().map(stem).collect::<BTreeMap<_, _>>()
    };
    let (was, is) = (channels(old), channels(new));
    let list = |stems: &BTreeMap<String, u16>| {
        let names = stems.keys().take(8).map(|role| shown(role)).collect::<Vec<_>>().join(", ");
        if names.is_empty() { "none".to_owned() } else { names }
    };
    let other = if was.keys().eq(is.keys()) {
        let differs = is.iter().find(|(role, channels)| was.get(*role) != Some(channels));
        differs.map(|(role, channels)| format!("{} has {channels} channel(s)", shown(role)))
    } else {
        Some(format!("stems {} instead of {}", list(&is), list(&was)))
    };
    let told: Vec<String> = lane.into_iter().chain(other).collect();
    (!told.is_empty()).then(|| told.join("; "))
}

/// Another cost, where both are known.
pub(super) fn cost(was: &str, is: &str) -> Option<String> {
    let differs = !was.is_empty() && !is.is_empty() && was != is;
    differs.then(|| format!("cost {} instead of {}", shown(is), shown(was)))
}
