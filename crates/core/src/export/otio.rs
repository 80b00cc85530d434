//! OpenTimelineIO JSON, written without its library: `Timeline.1`, `Stack.1`, `Track.1`, `Clip.2`,
//! `Gap.1`, `ExternalReference.1`, `Marker.2`, `TimeRange.1`, `RationalTime.1`.
//!
//! Source ranges live in the same timecode space as the media's available range: from 0 for pictures,
//! from the `bext` time for stems. Markers stand on the stack, which begins at 0. Media addresses are relative to the file's own folder.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Export, Format, lost};
use crate::time::{FrameRate, Frames};
use crate::timeline::{Clip, Marker, Role, Stem, Timeline};

pub(super) fn write(timeline: &Timeline) -> Export {
    let rate = timeline.start.rate();
    let mut tracks = vec![track("V1", "Video", timeline.clips.iter().map(|clip| picture(clip, rate)).collect())];
    for (number, role) in (1..).zip(roles(timeline)) {
        let items = timeline.clips.iter().map(|clip| stem_or_gap(clip, role, rate)).collect();
        tracks.push(track(&format!("A{number} {}", role_name(role)), "Audio", items));
    }
    let start = timeline.start.frames();
    let (there, before): (Vec<&Marker>, Vec<&Marker>) =
        timeline.markers.iter().partition(|marker| marker.frame >= start);
    let markers: Vec<Value> = there.into_iter().map(|one| marker(one, start, rate)).collect();
    let document = json!({
        "OTIO_SCHEMA": "Timeline.1",
        "metadata": { "seedpost": { "version": env!("CARGO_PKG_VERSION") } },
        "name": timeline.title,
        "global_start_time": time(timeline.start.frames(), rate),
        "tracks": { "OTIO_SCHEMA": "Stack.1", "metadata": {}, "name": "tracks", "source_range": null, "effects": [], "markers": markers, "enabled": true, "children": tracks },
    });
    let text = serde_json::to_string_pretty(&document).expect("a JSON value has a text");
    let lost_marker = |marker: &Marker| lost(Format::Otio, format!("marker {}: before the cut", marker.name));
    Export { text: text + "\n", losses: before.into_iter().map(lost_marker).collect() }
}

fn marker(marker: &Marker, start: Frames, rate: FrameRate) -> Value {
    let from = Frames(marker.frame.0.saturating_sub(start.0));
    json!({
        "OTIO_SCHEMA": "Marker.2", "metadata": {}, "name": marker.name, "color": marker.colour.as_str(), "comment": marker.note,
        "marked_range": range(from, marker.length, rate),
    })
}

/// Mix and guide share the first sound track; every other role has its own.
fn roles(timeline: &Timeline) -> BTreeSet<Role> {
    timeline.roles().into_iter().map(track_role).collect()
}

fn track_role(role: Role) -> Role {
    if role == Role::Guide { Role::Mix } else { role }
}

fn role_name(role: Role) -> String {
    match role {
        Role::Mix | Role::Guide => "clip sound".to_owned(),
        Role::Dialogue => "DX estimated".to_owned(),
        Role::MusicEffects => "ME estimated".to_owned(),
        Role::Laid => "REF laid".to_owned(),
        Role::Reference(number) => format!("reference {number}"),
    }
}

fn picture(clip: &Clip, rate: FrameRate) -> Value {
    let range = range(Frames(0), clip.frames, rate);
    let metadata = json!({ "seedpost": {
        "shot": clip.take.shot.as_str(), "take": clip.take.number, "lane": clip.lane.as_str(), "reel": clip.reel, "prompt": clip.prompt,
    } });
    item(&clip.take.to_string(), &clip.picture, range, metadata)
}

fn stem_or_gap(clip: &Clip, role: Role, rate: FrameRate) -> Value {
    let Some(stem) = clip.stems.iter().find(|stem| track_role(stem.role) == role) else {
        return json!({
            "OTIO_SCHEMA": "Gap.1", "metadata": {}, "name": "", "effects": [], "markers": [], "enabled": true,
            "source_range": range(Frames(0), clip.frames, rate),
        });
    };
    sound(clip, stem, rate)
}

fn sound(clip: &Clip, stem: &Stem, rate: FrameRate) -> Value {
    let metadata = json!({ "seedpost": {
        "shot": clip.take.shot.as_str(), "take": clip.take.number, "role": stem.role.to_string(), "channels": stem.channels, "time_reference": stem.time_reference.0,
    } });
    let name = format!("{}_{}", clip.take, stem.role);
    item(&name, &stem.file, range(clip.record_start, clip.frames, rate), metadata)
}

fn item(name: &str, file: &str, range: Value, metadata: Value) -> Value {
    json!({
        "OTIO_SCHEMA": "Clip.2", "metadata": metadata, "name": name, "source_range": range.clone(), "effects": [], "markers": [], "enabled": true,
        "media_references": { "DEFAULT_MEDIA": {
            "OTIO_SCHEMA": "ExternalReference.1", "metadata": {}, "name": "", "available_range": range, "available_image_bounds": null,
            "target_url": address(file),
        } },
        "active_media_reference_key": "DEFAULT_MEDIA",
    })
}

/// Files of a package are found beside the timeline's folder; addresses stay as they are.
fn address(file: &str) -> String {
    if file.contains("://") { file.to_owned() } else { format!("../{file}") }
}

fn track(name: &str, kind: &str, children: Vec<Value>) -> Value {
    json!({
        "OTIO_SCHEMA": "Track.1", "metadata": {}, "name": name, "source_range": null, "effects": [], "markers": [], "enabled": true,
        "kind": kind, "children": children,
    })
}

fn range(start: Frames, length: Frames, rate: FrameRate) -> Value {
    json!({ "OTIO_SCHEMA": "TimeRange.1", "start_time": time(start, rate), "duration": time(length, rate) })
}

/// The format writes rate and value as floats; both are exact for every rate and length here.
fn time(frames: Frames, rate: FrameRate) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "a day at 60 frames a second is far below 2^53")]
    let value = frames.0 as f64;
    let rate = f64::from(rate.num()) / f64::from(rate.den());
    json!({ "OTIO_SCHEMA": "RationalTime.1", "rate": rate, "value": value })
}
