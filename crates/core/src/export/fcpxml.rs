//! FCPXML 1.10: a library of one event of one project, whose spine has the pictures and gaps, with stems connected
//! below.
//!
//! - Times are exact: whole numbers of the frame's length, or of samples.
//! - An asset's `start` is its file's own timecode. Lane, reel and where a take comes from are its metadata
//!   (`com.seedpost.…`).
//! - A stem's lane is its track below the picture; its role has the model's code as the sub-role.
//! - A marker stands in its clip or gap, in local time.
//!
//! Deliberately absent: colours of markers and, since one at the end would make the cut longer, gaps for markers
//! outside of it; times of modification and identifiers of media, which readers check.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use super::xml::{self, Document};
use super::{Export, Field, Format, Links, Loss, Of};
use crate::time::{FrameRate, Frames, Rounding, SampleRate};
use crate::timeline::{Clip, Marker, Role, Stem, Timeline};

pub(super) fn write(timeline: &Timeline, links: Links<'_>) -> Export {
    let (within, outside) = timeline.markers_by_clip();
    let gaps = gaps(timeline);
    let (in_gaps, lost) = markers_by_gap(&gaps, outside);
    let lanes = timeline.sound_tracks().into_iter().zip(1..).collect();
    let mut writer =
        Writer { timeline, links, lanes, ids: HashMap::new(), sizes: HashMap::new(), xml: Document::new("fcpxml") };
    writer.xml.open("fcpxml", &[("version", "1.10")]);
    writer.resources();
    writer.library(&gaps, &within, &in_gaps);
    let written: Vec<&Marker> = within.iter().chain(&in_gaps).flatten().copied().collect();
    let losses = losses(timeline, &written, &lost);
    Export { content: writer.xml.finish(), losses }
}

fn losses(timeline: &Timeline, written: &[&Marker], lost: &[&Marker]) -> Vec<Loss> {
    let mut losses = xml::losses(timeline, Format::Fcpxml, written);
    if !written.is_empty() {
        losses.push(Loss::all(Format::Fcpxml, Of::Marker, Field::Colour, "markers have none"));
    }
    for marker in lost {
        losses.push(Loss::one(Format::Fcpxml, Of::Marker, &marker.name, Field::Event, "it is outside of the cut"));
    }
    losses.extend(xml::loss_of_cues(timeline, Format::Fcpxml));
    losses
}

/// The record frames before each clip that nothing fills; empty where there are none.
fn gaps(timeline: &Timeline) -> Vec<Range<u64>> {
    let mut free = timeline.start.frames().0;
    let mut gaps = Vec::with_capacity(timeline.clips.len());
    for clip in &timeline.clips {
        gaps.push(free..clip.record_start.0);
        free = clip.record_end().0;
    }
    gaps
}

/// The markers in each gap, and those that are in none.
fn markers_by_gap<'a>(gaps: &[Range<u64>], markers: Vec<&'a Marker>) -> (Vec<Vec<&'a Marker>>, Vec<&'a Marker>) {
    let mut within = vec![Vec::new(); gaps.len()];
    let mut outside = Vec::new();
    for marker in markers {
        let after = gaps.partition_point(|gap| gap.start <= marker.frame.0);
        let gap = after.checked_sub(1).filter(|index| gaps[*index].contains(&marker.frame.0));
        match gap.and_then(|index| within.get_mut(index)) {
            Some(markers) => markers.push(marker),
            None => outside.push(marker),
        }
    }
    (within, outside)
}

struct Writer<'a> {
    timeline: &'a Timeline,
    links: Links<'a>,
    /// How far below the picture each track is.
    lanes: BTreeMap<Role, usize>,
    /// The resources of files, by their names.
    ids: HashMap<String, String>,
    /// The resources of pictures' sizes.
    sizes: HashMap<(u32, u32), String>,
    xml: Document,
}

/// The format of what has no picture.
const SOUND: &str = "r1";

impl<'a> Writer<'a> {
    fn resources(&mut self) {
        self.xml.open("resources", &[]);
        self.xml.empty("format", &[("id", SOUND), ("name", "FFVideoFormatRateUndefined")]);
        let mut sizes = HashSet::new();
        let mut number = 1;
        for clip in &self.timeline.clips {
            let size = (clip.picture.width, clip.picture.height);
            if sizes.insert(size) {
                number += 1;
                self.format(format!("r{number}"), size);
            }
        }
        for clip in &self.timeline.clips {
            self.picture_asset(clip, &mut number);
            for stem in &clip.stems {
                self.sound_asset(clip, stem, &mut number);
            }
        }
        self.xml.close();
    }

    fn format(&mut self, id: String, size: (u32, u32)) {
        let rate = self.timeline.start.rate();
        let (name, length) = (format_name(size, rate), self.time(Frames(1)));
        let (width, height) = (size.0.to_string(), size.1.to_string());
        let mut attributes = vec![("id", id.as_str())];
        attributes.extend(name.as_deref().map(|name| ("name", name)));
        attributes.extend([("frameDuration", length.as_str()), ("width", &width), ("height", &height)]);
        attributes.push(("colorSpace", "1-1-1 (Rec. 709)"));
        self.xml.empty("format", &attributes);
        self.sizes.insert(size, id);
    }

    /// A new resource for a file; none where it has one.
    fn id(&mut self, name: &str, number: &mut usize) -> Option<String> {
        if self.ids.contains_key(name) {
            return None;
        }
        *number += 1;
        let id = format!("r{number}");
        self.ids.insert(name.to_owned(), id.clone());
        Some(id)
    }

    fn picture_asset(&mut self, clip: &Clip, number: &mut usize) {
        let (name, picture) = (clip.take.to_string(), &clip.picture);
        let Some(id) = self.id(&name, number) else { return };
        let (start, duration) = (self.time(picture.start), self.time(picture.frames));
        let (format, channels) = (self.picture_format(clip), picture.channels.to_string());
        let mut attributes = vec![("id", id.as_str()), ("name", &name), ("start", &start), ("duration", &duration)];
        attributes.extend([("hasVideo", "1"), ("format", &format), ("videoSources", "1")]);
        if picture.channels > 0 {
            attributes.extend(sound_attributes(&channels));
        }
        self.xml.open("asset", &attributes);
        self.media(&picture.file);
        self.metadata(clip);
        self.xml.close();
    }

    fn sound_asset(&mut self, clip: &Clip, stem: &Stem, number: &mut usize) {
        let name = clip.stem_name(stem);
        let Some(id) = self.id(&name, number) else { return };
        let (start, channels) = (self.time(self.timeline.stem_start(stem)), stem.channels.to_string());
        let duration = self.length(clip, stem);
        let mut attributes = vec![("id", id.as_str()), ("name", &name), ("start", &start), ("duration", &duration)];
        attributes.extend(sound_attributes(&channels));
        self.xml.open("asset", &attributes);
        self.media(&stem.file);
        self.xml.close();
    }

    fn media(&mut self, file: &str) {
        self.xml.empty("media-rep", &[("kind", "original-media"), ("src", &self.links.url(file))]);
    }

    fn metadata(&mut self, clip: &Clip) {
        let take = clip.take.number.to_string();
        self.xml.open("metadata", &[]);
        self.xml.empty("md", &[("key", "com.apple.proapps.studio.reel"), ("value", &clip.reel)]);
        self.xml.empty("md", &[("key", "com.apple.proapps.studio.scene"), ("value", clip.take.shot.as_str())]);
        self.xml.empty("md", &[("key", "com.apple.proapps.studio.shot"), ("value", &take)]);
        self.fact("lane", clip.lane.as_str());
        for (key, text) in clip.provenance.known() {
            self.fact(key, &text);
        }
        self.xml.close();
    }

    fn fact(&mut self, key: &str, value: &str) {
        let (name, title) = (format!("com.seedpost.{key}"), format!("seedpost {key}"));
        self.xml.empty("md", &[("key", &name), ("value", value), ("displayName", &title)]);
    }

    fn library(&mut self, gaps: &[Range<u64>], within: &[Vec<&Marker>], in_gaps: &[Vec<&Marker>]) {
        let timeline = self.timeline;
        let title = timeline.title.as_str();
        let start = timeline.start.frames();
        let length = self.time(Frames(timeline.end().0.saturating_sub(start.0)));
        let format = timeline.clips.first().map(|clip| self.picture_format(clip)).unwrap_or_default();
        let start = self.time(start);
        let mut attributes = vec![("format", format.as_str()), ("duration", &length), ("tcStart", &start)];
        attributes.extend([("tcFormat", self.counting()), ("audioLayout", "stereo"), ("audioRate", "48k")]);
        self.xml.open("library", &[]);
        self.xml.open("event", &[("name", title)]);
        self.xml.open("project", &[("name", title)]);
        self.xml.open("sequence", &attributes);
        self.xml.open("spine", &[]);
        let between = gaps.iter().zip(in_gaps);
        for ((clip, markers), (gap, gap_markers)) in timeline.clips.iter().zip(within).zip(between) {
            self.gap(gap, gap_markers);
            self.clip(clip, markers);
        }
    }

    fn gap(&mut self, gap: &Range<u64>, markers: &[&Marker]) {
        if gap.is_empty() {
            return;
        }
        let (offset, duration) = (self.time(Frames(gap.start)), self.time(Frames(gap.end - gap.start)));
        self.xml.open("gap", &[("name", "Gap"), ("offset", &offset), ("start", "0s"), ("duration", &duration)]);
        for marker in markers {
            self.marker(marker, marker.frame.0 - gap.start);
        }
        self.xml.close();
    }

    fn clip(&mut self, clip: &Clip, markers: &[&Marker]) {
        let name = clip.take.to_string();
        let local = clip.source().start;
        let (offset, start, duration) = (self.time(clip.record_start), self.time(local), self.time(clip.frames));
        let (id, format) = (self.ids.get(&name).cloned().unwrap_or_default(), self.picture_format(clip));
        let mut attributes = vec![("ref", id.as_str()), ("offset", &offset), ("name", &name), ("start", &start)];
        attributes.extend([("duration", duration.as_str()), ("format", &format), ("tcFormat", self.counting())]);
        attributes.push(("srcEnable", "video"));
        self.xml.open("asset-clip", &attributes);
        for stem in &clip.stems {
            self.stem(clip, stem, &start);
        }
        for marker in markers {
            self.marker(marker, local.0 + marker.frame.0 - clip.record_start.0);
        }
        self.xml.close();
    }

    fn stem(&mut self, clip: &Clip, stem: &Stem, offset: &str) {
        let name = clip.stem_name(stem);
        let lane = self.lanes.get(&stem.role.track()).map(|lane| format!("-{lane}")).unwrap_or_default();
        let (start, duration) = (self.time(self.timeline.stem_source(clip, stem).start), self.time(clip.frames));
        let (id, role) = (self.ids.get(&name).cloned().unwrap_or_default(), role(stem.role));
        let mut attributes = vec![("ref", id.as_str()), ("lane", &lane), ("offset", offset), ("name", &name)];
        attributes.extend([("start", start.as_str()), ("duration", &duration), ("format", SOUND)]);
        attributes.extend([("tcFormat", self.counting()), ("audioRole", &role)]);
        self.xml.empty("asset-clip", &attributes);
    }

    /// A marker at a frame of what it stands in.
    fn marker(&mut self, marker: &Marker, frame: u64) {
        let (start, duration) = (self.time(Frames(frame)), self.time(marker.length));
        let mut attributes = vec![("start", start.as_str()), ("duration", &duration), ("value", &marker.name)];
        if !marker.note.is_empty() {
            attributes.push(("note", &marker.note));
        }
        self.xml.empty("marker", &attributes);
    }

    fn counting(&self) -> &'static str {
        if self.timeline.start.is_drop() { "DF" } else { "NDF" }
    }

    fn picture_format(&self, clip: &Clip) -> String {
        self.sizes.get(&(clip.picture.width, clip.picture.height)).cloned().unwrap_or_default()
    }

    /// Frames as seconds: `100/2400s` for one at 24, `1001/24000s` at 23.976, whole seconds as such.
    fn time(&self, frames: Frames) -> String {
        let rate = self.timeline.start.rate();
        let scale = if rate.den() == 1 { 100 } else { 1 };
        let (num, den) = (u128::from(frames.0) * u128::from(rate.den()) * scale, u128::from(rate.num()) * scale);
        if num % den == 0 { format!("{}s", num / den) } else { format!("{num}/{den}s") }
    }

    /// A stem's length in whole samples. At 29.97 frames are none, so where the file ends within its last frame's last
    /// sample, the asset is one longer: an edit that leaves its asset is refused.
    fn length(&self, clip: &Clip, stem: &Stem) -> String {
        let covers = self.timeline.start.rate().samples(clip.picture.frames, SampleRate::HZ_48000, Rounding::Up);
        format!("{}/48000s", stem.samples.max(covers.unwrap_or_default()).0)
    }
}

fn sound_attributes(channels: &str) -> [(&'static str, &str); 4] {
    [("hasAudio", "1"), ("audioSources", "1"), ("audioChannels", channels), ("audioRate", "48000")]
}

/// A role of Final Cut's, and the model's code below it.
fn role(role: Role) -> String {
    let above = if role == Role::MusicEffects { "effects" } else { "dialogue" };
    format!("{above}.{role}")
}

/// Final Cut's own name for pictures of a size and rate, where it has one.
fn format_name(size: (u32, u32), rate: FrameRate) -> Option<String> {
    let size = match size {
        (1280, 720) => "720p",
        (1920, 1080) => "1080p",
        (3840, 2160) => "3840x2160p",
        (4096, 2160) => "4096x2160p",
        _ => return None,
    };
    let rate = match (rate.num(), rate.den()) {
        (24_000, 1001) => "2398",
        (24, 1) => "24",
        (25, 1) => "25",
        (30_000, 1001) => "2997",
        (30, 1) => "30",
        (50, 1) => "50",
        (60_000, 1001) => "5994",
        (60, 1) => "60",
        _ => return None,
    };
    Some(format!("FFVideoFormat{size}{rate}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::Lane;
    use crate::time::Timecode;
    use crate::timeline::{Colour, Picture, Piece, Provenance, assemble};

    fn cut(start: &str, rate: &str, frames: u64) -> Timeline {
        let start = Timecode::parse(start, rate.parse().expect("a rate")).expect("a timecode");
        let piece = |take: &str| Piece {
            take: take.parse().expect("a take"),
            lane: Lane::Strip,
            picture: Picture {
                file: format!("picture/{take}.mov"),
                frames: Frames(frames),
                start: Frames(0),
                width: 1280,
                height: 720,
                channels: 0,
            },
            stems: vec![(Role::Guide, format!("audio/{take}_GUIDE.wav"), 2, Vec::new())],
            provenance: Provenance::default(),
        };
        assemble("A", start, vec![piece("S1_A_T01"), piece("S1_B_T01")]).expect("a cut")
    }

    fn text(timeline: &Timeline) -> String {
        String::from_utf8(write(timeline, Links("")).content).expect("UTF-8")
    }

    /// Hand-counted. 01:00:00:00 at 23.976 is 86 400 frames of 1001/24000 s: 3603.6 s. 01:00:00;00 at 29.97 is 107 892
    /// frames of 1001/30000 s; one of them is 1601.6 samples, which 1602 cover.
    #[test]
    fn times_are_exact() {
        for (start, rate, frames, parts) in [
            ("01:00:00:00", "24", 12, ["100/2400s", "tcStart=\"3600s\"", "offset=\"8641200/2400s\"", "24000/48000s"]),
            (
                "01:00:00:00",
                "23.976",
                1,
                ["1001/24000s", "tcStart=\"86486400/24000s\"", "offset=\"86487401/24000s\"", "\"2002/48000s\""],
            ),
            (
                "01:00:00;00",
                "29.97",
                1,
                ["1001/30000s", "tcStart=\"107999892/30000s\"", "tcFormat=\"DF\"", "\"1602/48000s\""],
            ),
        ] {
            let text = text(&cut(start, rate, frames));
            for part in parts {
                assert!(text.contains(part), "{part} at {rate}:\n{text}");
            }
        }
    }

    #[test]
    fn markers_stand_in_local_time_and_those_outside_are_told() {
        let mut timeline = cut("01:00:00:00", "24", 96);
        timeline.clips[0].picture.start = Frames(86_400);
        timeline.clips[1].record_start.0 += 10;
        let marker = |frame, name: &str| Marker {
            frame: Frames(frame),
            length: Frames(1),
            name: name.to_owned(),
            note: String::new(),
            colour: Colour::Red,
        };
        timeline.markers =
            vec![marker(86_399, "before"), marker(86_412, "in"), marker(86_500, "gap"), marker(86_602, "after")];
        let export = write(&timeline, Links(""));
        let text = String::from_utf8(export.content).expect("UTF-8");
        assert!(text.contains("<marker start=\"8641200/2400s\" duration=\"100/2400s\" value=\"in\"/>"), "{text}");
        let gap = "<gap name=\"Gap\" offset=\"3604s\" start=\"0s\" duration=\"1000/2400s\">";
        let after = text.split_once(gap).map(|(_, after)| after.trim_start());
        assert!(after.is_some_and(|after| after.starts_with("<marker start=\"400/2400s\"")), "{text}");
        let lost: Vec<&str> = export.losses.iter().map(|loss| loss.name.as_str()).collect();
        assert_eq!(lost, ["all", "before", "after"]);
    }

    #[test]
    fn a_take_that_is_used_twice_is_one_asset() {
        let mut timeline = cut("01:00:00:00", "24", 96);
        timeline.clips[1].take = timeline.clips[0].take.clone();
        let text = text(&timeline);
        assert_eq!((text.matches("<asset ").count(), text.matches("<asset-clip ").count()), (2, 4));
    }
}
