//! Losses that several forms tell in the same way.
//!
//! A loss is of a thing's name, so things of one name share it. Deliberately absent: losses of what a cut has not.

use std::collections::{BTreeMap, BTreeSet};

use super::{Field, Format, Links, Loss, Of};
use crate::timeline::{Clip, Marker, Provenance, Timeline};

/// The kinds of things that a form leaves out altogether, where the cut has such things.
pub(super) fn absent(timeline: &Timeline, format: Format, kinds: &[(Of, &str)]) -> Vec<Loss> {
    let there = kinds.iter().filter(|(of, _)| match of {
        Of::Cut => true,
        Of::Clip => !timeline.clips.is_empty(),
        Of::Stem => timeline.clips.iter().any(|clip| !clip.stems.is_empty()),
        Of::Marker => !timeline.markers.is_empty(),
        Of::Cue => !timeline.cues.is_empty(),
    });
    there.map(|(of, why)| Loss::all(format, *of, Field::Event, why)).collect()
}

/// The first use of each take.
pub(super) fn takes(timeline: &Timeline) -> impl Iterator<Item = &Clip> {
    let mut known = BTreeSet::new();
    timeline.clips.iter().filter(move |clip| known.insert(&clip.take))
}

/// The cut's title, where it is written otherwise.
pub(super) fn title(timeline: &Timeline, format: Format, written: String, why: &str) -> Option<Loss> {
    let loss = Loss::all(format, Of::Cut, Field::Name, why);
    (written != timeline.title).then(|| loss.written(written))
}

/// The names, notes or colours of markers that are written otherwise. Where markers of one name differ in what is written, the
/// loss says no more than that. Markers that are not in the file at all do not belong here.
pub(super) fn markers(
    format: Format,
    markers: &[&Marker],
    (field, why): (Field, &str),
    written: impl Fn(&Marker) -> String,
) -> Vec<Loss> {
    let text = |marker: &Marker| match field {
        Field::Note => marker.note.clone(),
        Field::Colour => marker.colour.as_str().to_owned(),
        _ => marker.name.clone(),
    };
    let mut by_name = BTreeMap::<&str, BTreeSet<String>>::new();
    for marker in markers {
        by_name.entry(&marker.name).or_default().insert(written(marker));
    }
    let mut told = BTreeSet::new();
    let changed = markers.iter().filter(|marker| written(marker) != text(marker));
    let changed = changed.filter(|marker| told.insert(marker.name.as_str()));
    let loss = |marker: &&Marker| {
        let loss = Loss::one(format, Of::Marker, &marker.name, field, why);
        let alike = by_name.get(marker.name.as_str()).is_some_and(|texts| texts.len() == 1);
        if alike { loss.written(written(marker)) } else { loss }
    };
    changed.map(loss).collect()
}

/// The ways to pictures, and to stems where the form has them, that are written otherwise.
pub(super) fn links(
    timeline: &Timeline,
    (format, links, why): (Format, Links<'_>, &str),
    stems: bool,
    written: impl Fn(&str) -> String,
) -> Vec<Loss> {
    let changed = |of, name: String, file: &str| {
        let (path, written) = (links.path(file), written(&links.path(file)));
        (path != written).then(|| Loss::one(format, of, &name, Field::Link, why).written(written))
    };
    let mut losses = Vec::new();
    for clip in takes(timeline) {
        losses.extend(changed(Of::Clip, clip.take.to_string(), &clip.picture.file));
        for stem in clip.stems.iter().filter(|_| stems) {
            losses.extend(changed(Of::Stem, clip.stem_name(stem), &stem.file));
        }
    }
    losses
}

/// Where takes come from, where that is written otherwise: as JSON, without what is empty or absent.
pub(super) fn provenance(
    timeline: &Timeline,
    format: Format,
    why: &str,
    written: impl Fn(&Provenance) -> Provenance,
) -> Vec<Loss> {
    let changed = |clip: &Clip| {
        let written = written(&clip.provenance);
        let loss = Loss::one(format, Of::Clip, &clip.take.to_string(), Field::Provenance, why);
        (written != clip.provenance).then(|| loss.written(known(&written)))
    };
    takes(timeline).filter_map(changed).collect()
}

fn known(provenance: &Provenance) -> String {
    let mut value = serde_json::to_value(provenance).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, value| !value.is_null() && value != "");
    }
    value.to_string()
}
