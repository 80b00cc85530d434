//! OpenTimelineIO JSON, written without its library: `Timeline.1`, `Stack.1`, `Track.1`, `Clip.2`,
//! `Gap.1`, `ExternalReference.1`, `Marker.2`, `TimeRange.1`, `RationalTime.1`.
//!
//! Source ranges live in the same timecode space as the media's available range: that of the file. Markers stand on
//! the stack, which begins at 0; one before the cut has a negative time. What the schema has no word for is in
//! `metadata.seedpost`; which channels of a file a sound clip plays, in the words of Resolve and Premiere. Nothing of
//! the model is lost but NUL in names.

use std::io;

use serde::{Serialize, Serializer};
use serde_json::ser::Formatter;
use serde_json::{Value, json};

use super::{Export, Field, Format, Links, Loss, told};
use crate::time::{FrameRate, Frames, TimeRange};
use crate::timeline::{Clip, Marker, Role, Stem, Timeline};

pub(super) fn write(timeline: &Timeline, links: Links<'_>) -> Export {
    let writer = Writer { timeline, links, rate: timeline.start.rate() };
    let picture = track("V1".to_owned(), "Video", Children { writer: &writer, role: None });
    let sound = (1..).zip(timeline.sound_tracks()).map(|(number, role)| {
        let children = Children { writer: &writer, role: Some(role) };
        track(format!("A{number} {}", role.track_name()), "Audio", children)
    });
    let tracks = std::iter::once(picture).chain(sound).collect();
    let document = Document {
        schema: "Timeline.1",
        metadata: json!({ "seedpost": {
            "version": env!("CARGO_PKG_VERSION"), "drop_frame": timeline.start.is_drop(), "cues": timeline.cues,
        } }),
        name: named(&timeline.title),
        global_start_time: writer.time(timeline.start.frames()),
        tracks: Stack {
            schema: "Stack.1",
            metadata: json!({}),
            name: "tracks",
            source_range: None,
            effects: [],
            markers: timeline.markers.iter().map(|marker| writer.marker(marker)).collect(),
            enabled: true,
            children: tracks,
        },
    };
    let mut content = Vec::new();
    let mut lines = serde_json::Serializer::with_formatter(&mut content, Lines);
    document.serialize(&mut lines).expect("a document has a text");
    content.push(b'\n');
    Export { content, losses: losses(timeline) }
}

/// Puts each element of a list in a line of its own: a clip a line, and no space for depth.
struct Lines;

impl Formatter for Lines {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        out.write_all(if first { b"\n" } else { b",\n" })
    }
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "OTIO_SCHEMA")]
    schema: &'static str,
    metadata: Value,
    name: String,
    global_start_time: Time,
    tracks: Stack<Track<'a>>,
}

#[derive(Serialize)]
struct Stack<T> {
    #[serde(rename = "OTIO_SCHEMA")]
    schema: &'static str,
    metadata: Value,
    name: &'static str,
    source_range: Option<Range>,
    effects: [(); 0],
    markers: Vec<MarkerObject>,
    enabled: bool,
    children: Vec<T>,
}

#[derive(Serialize)]
struct Track<'a> {
    #[serde(rename = "OTIO_SCHEMA")]
    schema: &'static str,
    metadata: Value,
    name: String,
    source_range: Option<Range>,
    effects: [(); 0],
    markers: [(); 0],
    enabled: bool,
    kind: &'static str,
    children: Children<'a>,
}

/// What lies on a track: the pictures, or the stems of a role. Made one by one while they are written.
struct Children<'a> {
    writer: &'a Writer<'a>,
    role: Option<Role>,
}

impl Serialize for Children<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut free = self.writer.timeline.start.frames();
        out.collect_seq(self.writer.timeline.clips.iter().flat_map(|clip| {
            let gap = clip.record_start.0.saturating_sub(free.0);
            free = clip.record_end();
            let item = self.item(clip).unwrap_or_else(|| self.writer.gap(clip.frames));
            [(gap > 0).then(|| self.writer.gap(Frames(gap))), Some(item)].into_iter().flatten()
        }))
    }
}

impl<'a> Children<'a> {
    fn item(&self, clip: &'a Clip) -> Option<Item<'a>> {
        match self.role {
            None => Some(self.writer.picture(clip)),
            Some(role) => self.writer.sound(clip, role),
        }
    }
}

fn track<'a>(name: String, kind: &'static str, children: Children<'a>) -> Track<'a> {
    Track {
        schema: "Track.1",
        metadata: json!({}),
        name,
        source_range: None,
        effects: [],
        markers: [],
        enabled: true,
        kind,
        children,
    }
}

/// A clip or a gap.
#[derive(Serialize)]
struct Item<'a> {
    #[serde(rename = "OTIO_SCHEMA")]
    schema: &'static str,
    metadata: Value,
    name: String,
    source_range: Range,
    effects: [(); 0],
    markers: [(); 0],
    enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_references: Option<References>,
    #[serde(skip_serializing_if = "Option::is_none")]
    active_media_reference_key: Option<&'a str>,
}

#[derive(Serialize)]
struct References {
    #[serde(rename = "DEFAULT_MEDIA")]
    media: Reference,
}

#[derive(Serialize)]
struct Reference {
    #[serde(rename = "OTIO_SCHEMA")]
    schema: &'static str,
    metadata: Value,
    name: &'static str,
    available_range: Range,
    available_image_bounds: Option<()>,
    target_url: String,
}

#[derive(Serialize)]
struct MarkerObject {
    #[serde(rename = "OTIO_SCHEMA")]
    schema: &'static str,
    metadata: Value,
    name: String,
    color: &'static str,
    comment: String,
    marked_range: Range,
}

#[derive(Serialize)]
struct Range {
    #[serde(rename = "OTIO_SCHEMA")]
    schema: &'static str,
    start_time: Time,
    duration: Time,
}

/// The format writes rate and value as floats: values are exact, rates the nearest, as OpenTimelineIO computes them.
#[derive(Serialize)]
struct Time {
    #[serde(rename = "OTIO_SCHEMA")]
    schema: &'static str,
    rate: f64,
    value: f64,
}

struct Writer<'a> {
    timeline: &'a Timeline,
    links: Links<'a>,
    rate: FrameRate,
}

impl<'a> Writer<'a> {
    fn gap(&self, length: Frames) -> Item<'a> {
        Item {
            schema: "Gap.1",
            metadata: json!({}),
            name: String::new(),
            source_range: self.range(TimeRange { start: Frames(0), end: length }),
            effects: [],
            markers: [],
            enabled: true,
            media_references: None,
            active_media_reference_key: None,
        }
    }

    fn picture(&self, clip: &Clip) -> Item<'a> {
        let whole = TimeRange { start: clip.picture.start, end: Frames(clip.picture.start.0 + clip.picture.frames.0) };
        let metadata = json!({ "seedpost": {
            "shot": clip.take.shot.as_str(), "take": clip.take.number, "lane": clip.lane, "reel": clip.reel,
            "provenance": clip.provenance, "channels": clip.picture.channels, "width": clip.picture.width,
            "height": clip.picture.height,
        } });
        self.clip(clip.take.to_string(), &clip.picture.file, clip.source(), whole, metadata)
    }

    fn sound(&self, clip: &Clip, track: Role) -> Option<Item<'a>> {
        let stem = clip.stem_on(track)?;
        let first = self.timeline.stem_start(stem);
        let whole = TimeRange { start: first, end: Frames(first.0 + clip.picture.frames.0) };
        let name = clip.stem_name(stem);
        let used = self.timeline.stem_source(clip, stem);
        Some(self.clip(name, &stem.file, used, whole, sound_metadata(clip, stem)))
    }

    fn clip(
        &self,
        name: String,
        file: &str,
        used: TimeRange<Frames>,
        whole: TimeRange<Frames>,
        metadata: Value,
    ) -> Item<'a> {
        let media = Reference {
            schema: "ExternalReference.1",
            metadata: json!({}),
            name: "",
            available_range: self.range(whole),
            available_image_bounds: None,
            target_url: self.links.url(file),
        };
        Item {
            schema: "Clip.2",
            metadata,
            name,
            source_range: self.range(used),
            effects: [],
            markers: [],
            enabled: true,
            media_references: Some(References { media }),
            active_media_reference_key: Some("DEFAULT_MEDIA"),
        }
    }

    fn marker(&self, marker: &Marker) -> MarkerObject {
        let start = signed(marker.frame) - signed(self.timeline.start.frames());
        let range = Range { schema: "TimeRange.1", start_time: self.value(start), duration: self.time(marker.length) };
        MarkerObject {
            schema: "Marker.2",
            metadata: json!({}),
            name: named(&marker.name),
            color: marker.colour.as_str(),
            comment: marker.note.clone(),
            marked_range: range,
        }
    }

    fn range(&self, range: TimeRange<Frames>) -> Range {
        let length = Frames(range.end.0.saturating_sub(range.start.0));
        Range { schema: "TimeRange.1", start_time: self.time(range.start), duration: self.time(length) }
    }

    fn time(&self, frames: Frames) -> Time {
        self.value(signed(frames))
    }

    fn value(&self, frames: i64) -> Time {
        let rate = f64::from(self.rate.num()) / f64::from(self.rate.den());
        #[expect(clippy::cast_precision_loss, reason = "days at 60 frames a second are far below 2^53")]
        let value = frames as f64;
        Time { schema: "RationalTime.1", rate, value }
    }
}

fn signed(frames: Frames) -> i64 {
    i64::try_from(frames.0).unwrap_or(i64::MAX)
}

/// A name without NUL, at which OpenTimelineIO ends the names of things.
fn named(text: &str) -> String {
    text.replace('\0', " ")
}

fn losses(timeline: &Timeline) -> Vec<Loss> {
    let why = "OpenTimelineIO ends a name at a NUL";
    let markers: Vec<&Marker> = timeline.markers.iter().collect();
    let mut losses = told::markers(Format::Otio, &markers, (Field::Name, why), |marker| named(&marker.name));
    losses.extend(told::title(timeline, Format::Otio, named(&timeline.title), why));
    losses
}

/// Which channels of its file a sound clip plays.
fn sound_metadata(clip: &Clip, stem: &Stem) -> Value {
    let channels: Vec<Value> =
        (0..stem.channels).map(|channel| json!({ "Source Channel ID": channel, "Source Track ID": 0 })).collect();
    let assignments: Vec<Value> =
        (0..stem.channels).map(|channel| json!({ "SecondaryChannelIndex": channel })).collect();
    let kind = if stem.channels == 1 { "Mono" } else { "Stereo" };
    json!({
        "seedpost": {
            "shot": clip.take.shot.as_str(), "take": clip.take.number, "role": stem.role,
            "channels": stem.channels, "time_reference": stem.time_reference, "sides": stem.sides,
        },
        "Resolve_OTIO": { "Channels": channels },
        "PremierePro_OTIO": {
            "AudioChannels": { "ChannelType": kind, "SecondaryAssignments": assignments },
            "OriginalChannelGroupIndex": 0, "SourceClipIndex": 0,
        },
    })
}
