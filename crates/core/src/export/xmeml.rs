//! Final Cut Pro 7 XML, version 5: a sequence of one picture track, and two linked sound tracks for each stereo role.
//!
//! - `<in>` and `<out>` count frames of the sequence's rate from a file's first; a file's own timecode is in its
//!   `<timecode>`, with the reel. A file is described where it first stands.
//! - A clip's prompt is its `description`; lane and reason are its `lognote` (`keep: …`); what else is known of it is
//!   in `comments`, each in an element of its own that begins with the model's name for it (`model: …`).
//! - A sound track's name is in Premiere's attribute and begins with the role's code.
//! - Markers stand on the sequence, with Final Cut's colour and Premiere's.
//!
//! Deliberately absent: Premiere's mark of stereo tracks, with which readers disagree about what `trackindex` counts;
//! and markers on clips.

mod sound;

use std::collections::HashSet;

use self::sound::{Place, Sound};
use super::xml::{self, Document};
use super::{Export, Field, Format, Links, Loss, Of, base_name};
use crate::time::Frames;
use crate::timeline::{Clip, Colour, Marker, Stem, Timeline};

/// The elements for what is known of a clip, beside `description` and `lognote`.
const COMMENTS: [(&str, &str); 6] = [
    ("mastercomment1", "provider"),
    ("mastercomment2", "model"),
    ("mastercomment3", "seed"),
    ("mastercomment4", "cost"),
    ("clipcommenta", "request_id"),
    ("clipcommentb", "sha256"),
];

pub(super) fn write(timeline: &Timeline, links: Links<'_>) -> Export {
    let xml = Document::new("xmeml");
    let mut writer = Writer { timeline, links, described: HashSet::new(), xml };
    writer.sequence();
    Export { content: writer.xml.finish(), losses: losses(timeline) }
}

fn losses(timeline: &Timeline) -> Vec<Loss> {
    let before = |marker: &&Marker| marker.frame < timeline.start.frames();
    let written: Vec<&Marker> = timeline.markers.iter().filter(|marker| !before(marker)).collect();
    let mut losses = xml::losses(timeline, Format::Xmeml, &written);
    for marker in timeline.markers.iter().filter(before) {
        losses.push(Loss::one(Format::Xmeml, Of::Marker, &marker.name, Field::Event, "it is before the cut"));
    }
    losses.extend(xml::loss_of_cues(timeline, Format::Xmeml));
    losses
}

struct Writer<'a> {
    timeline: &'a Timeline,
    links: Links<'a>,
    /// The files that stand in the document already.
    described: HashSet<String>,
    xml: Document,
}

impl<'a> Writer<'a> {
    fn sequence(&mut self) {
        let timeline = self.timeline;
        let start = timeline.start.frames();
        self.xml.open("xmeml", &[("version", "5")]);
        self.xml.open("sequence", &[("id", "sequence-1")]);
        self.xml.text("name", &timeline.title);
        self.xml.text("duration", timeline.end().0.saturating_sub(start.0));
        self.rate();
        self.timecode(start, None);
        self.xml.open("media", &[]);
        let sound = sound::of(timeline);
        self.video(&sound);
        self.audio(&sound);
        self.xml.close();
        for marker in timeline.markers.iter().filter(|marker| marker.frame >= start) {
            self.marker(marker);
        }
    }

    fn rate(&mut self) {
        let rate = self.timeline.start.rate();
        self.xml.open("rate", &[]);
        self.xml.text("timebase", rate.nominal());
        self.xml.text("ntsc", if rate.den() == 1001 { "TRUE" } else { "FALSE" });
        self.xml.close();
    }

    fn timecode(&mut self, frame: Frames, reel: Option<&str>) {
        self.xml.open("timecode", &[]);
        self.rate();
        self.xml.text("string", self.timeline.label(frame));
        self.xml.text("frame", frame.0);
        self.xml.text("displayformat", if self.timeline.start.is_drop() { "DF" } else { "NDF" });
        if let Some(reel) = reel {
            self.xml.open("reel", &[]);
            self.xml.text("name", reel);
            self.xml.close();
        }
        self.xml.close();
    }

    fn video(&mut self, sound: &[Sound<'a>]) {
        self.xml.open("video", &[]);
        if let Some(clip) = self.timeline.clips.first() {
            self.xml.open("format", &[]);
            self.picture_format(clip);
            self.xml.close();
        }
        let whole = sound.iter().find(|sound| sound.role.is_whole());
        let mut places = whole.map(|sound| sound.places.iter().peekable());
        self.xml.open("track", &[]);
        for (number, clip) in self.timeline.clips.iter().enumerate() {
            let place = places.as_mut().and_then(|places| places.next_if(|place| place.clip == number));
            self.picture(number, clip, whole.zip(place));
        }
        self.end_of_track();
        self.xml.close();
    }

    fn picture_format(&mut self, clip: &Clip) {
        self.xml.open("samplecharacteristics", &[]);
        self.rate();
        self.xml.text("width", clip.picture.width);
        self.xml.text("height", clip.picture.height);
        self.xml.text("anamorphic", "FALSE");
        self.xml.text("pixelaspectratio", "square");
        self.xml.text("fielddominance", "none");
        self.xml.close();
    }

    fn sound_format(&mut self) {
        self.xml.open("samplecharacteristics", &[]);
        self.xml.text("depth", 24);
        self.xml.text("samplerate", 48_000);
        self.xml.close();
    }

    fn end_of_track(&mut self) {
        self.xml.text("enabled", "TRUE");
        self.xml.text("locked", "FALSE");
        self.xml.close();
    }

    fn picture(&mut self, number: usize, clip: &Clip, sound: Option<(&Sound<'a>, &Place<'a>)>) {
        self.begin_clip(&format!("v-{}", number + 1), &clip.take.to_string(), clip);
        self.picture_file(clip);
        if let Some((sound, place)) = sound {
            self.links(sound, place);
        }
        self.log(clip);
        self.xml.close();
    }

    fn begin_clip(&mut self, id: &str, name: &str, clip: &Clip) {
        let start = clip.record_start.0.saturating_sub(self.timeline.start.frames().0);
        self.xml.open("clipitem", &[("id", id)]);
        self.xml.text("name", name);
        self.xml.text("enabled", "TRUE");
        self.xml.text("duration", clip.picture.frames.0);
        self.rate();
        self.xml.text("start", start);
        self.xml.text("end", start.saturating_add(clip.frames.0));
        self.xml.text("in", clip.from.0);
        self.xml.text("out", clip.from.0.saturating_add(clip.frames.0));
    }

    fn picture_file(&mut self, clip: &Clip) {
        let picture = &clip.picture;
        let reel = Some(clip.reel.as_str());
        if !self.begin_file(&clip.take.to_string(), &picture.file, clip, picture.start, reel) {
            return;
        }
        self.xml.open("video", &[]);
        self.picture_format(clip);
        self.xml.close();
        if picture.channels > 0 {
            self.xml.open("audio", &[]);
            self.xml.text("channelcount", picture.channels);
            self.xml.close();
        }
        self.end_of_file();
    }

    fn sound_file(&mut self, name: &str, clip: &Clip, stem: &Stem) {
        if self.begin_file(name, &stem.file, clip, self.timeline.stem_start(stem), None) {
            self.xml.open("audio", &[]);
            self.sound_format();
            self.xml.text("channelcount", stem.channels);
            self.xml.close();
            self.end_of_file();
        }
    }

    /// Begins to describe a file, or names one that is described already.
    fn begin_file(&mut self, name: &str, file: &str, clip: &Clip, start: Frames, reel: Option<&str>) -> bool {
        let id = format!("file-{name}");
        if self.described.contains(&id) {
            self.xml.empty("file", &[("id", &id)]);
            return false;
        }
        self.xml.open("file", &[("id", &id)]);
        self.described.insert(id);
        self.xml.text("name", base_name(file));
        self.xml.text("pathurl", self.links.url_with_host(file));
        self.rate();
        self.xml.text("duration", clip.picture.frames.0);
        self.timecode(start, reel);
        self.xml.open("media", &[]);
        true
    }

    fn end_of_file(&mut self) {
        self.xml.close();
        self.xml.close();
    }

    /// What a person should know of a take, in the elements that logs and bins show.
    fn log(&mut self, clip: &Clip) {
        let known = clip.provenance.known();
        let find = |key: &str| known.iter().find(|(name, _)| *name == key).map(|(_, text)| text.as_str());
        self.xml.open("logginginfo", &[]);
        self.xml.text("description", find("prompt").unwrap_or_default());
        self.xml.text("scene", clip.take.shot.as_str());
        self.xml.text("shottake", clip.take.number);
        self.xml.text("lognote", format_args!("{}: {}", clip.lane.as_str(), find("reason").unwrap_or_default()));
        self.xml.close();
        let comments = COMMENTS.into_iter().filter_map(|(element, key)| Some((element, key, find(key)?)));
        let mut comments = comments.peekable();
        if comments.peek().is_some() {
            self.xml.open("comments", &[]);
            for (element, key, text) in comments {
                self.xml.text(element, format_args!("{key}: {text}"));
            }
            self.xml.close();
        }
    }

    fn audio(&mut self, sound: &[Sound<'a>]) {
        self.xml.open("audio", &[]);
        self.xml.text("numOutputChannels", 2);
        self.xml.open("format", &[]);
        self.sound_format();
        self.xml.close();
        self.outputs();
        for sound in sound {
            for side in 0..sound.width() {
                self.sound_track(sound, side);
            }
        }
        self.xml.close();
    }

    fn outputs(&mut self) {
        self.xml.open("outputs", &[]);
        for channel in 1..=2 {
            self.xml.open("group", &[]);
            self.xml.text("index", channel);
            self.xml.text("numchannels", 1);
            self.xml.text("downmix", 0);
            self.xml.open("channel", &[]);
            self.xml.text("index", channel);
            self.xml.close();
            self.xml.close();
        }
        self.xml.close();
    }

    fn sound_track(&mut self, sound: &Sound<'a>, side: usize) {
        self.xml.open("track", &[("MZ.TrackName", &sound.track_name(side))]);
        for place in sound.places.iter().filter(|place| side < place.width()) {
            if let Some(clip) = self.timeline.clips.get(place.clip) {
                self.sound(clip, sound, place, side);
            }
        }
        self.xml.text("outputchannelindex", side + 1);
        self.end_of_track();
    }

    fn sound(&mut self, clip: &Clip, sound: &Sound<'a>, place: &Place<'a>, side: usize) {
        let name = clip.stem_name(place.stem);
        self.begin_clip(&sound.id(place, side), &name, clip);
        self.sound_file(&name, clip, place.stem);
        self.xml.open("sourcetrack", &[]);
        self.xml.text("mediatype", "audio");
        self.xml.text("trackindex", side + 1);
        self.xml.close();
        self.links(sound, place);
        self.xml.close();
    }

    /// What moves together: both channels, and the picture with its own sound.
    fn links(&mut self, sound: &Sound<'a>, place: &Place<'a>) {
        let number = place.clip + 1;
        if sound.role.is_whole() {
            self.link(&format!("v-{number}"), "video", 1, number);
        }
        if sound.role.is_whole() || place.width() > 1 {
            for (side, index) in place.index.iter().enumerate().take(place.width()) {
                self.link(&sound.id(place, side), "audio", sound.track + side, *index);
            }
        }
    }

    fn link(&mut self, id: &str, kind: &str, track: usize, index: usize) {
        self.xml.open("link", &[]);
        self.xml.text("linkclipref", id);
        self.xml.text("mediatype", kind);
        self.xml.text("trackindex", track);
        self.xml.text("clipindex", index);
        if kind == "audio" {
            self.xml.text("groupindex", 1);
        }
        self.xml.close();
    }

    fn marker(&mut self, marker: &Marker) {
        let start = marker.frame.0.saturating_sub(self.timeline.start.frames().0);
        self.xml.open("marker", &[]);
        self.xml.text("name", &marker.name);
        self.xml.text("comment", &marker.note);
        self.xml.text("in", start);
        match marker.length.0 {
            0 | 1 => self.xml.text("out", -1),
            length => self.xml.text("out", start.saturating_add(length)),
        }
        self.colour(marker.colour);
        self.xml.close();
    }

    /// Final Cut's colour, and Premiere's where it is not the one that Premiere takes without being told.
    fn colour(&mut self, colour: Colour) {
        let (rgb, premiere) = match colour {
            Colour::Red => ([255, 0, 0], Some(4_281_740_498_u32)),
            Colour::Yellow => ([255, 255, 0], Some(4_281_049_552)),
            Colour::Green => ([0, 255, 0], None),
            Colour::Cyan => ([0, 255, 255], Some(4_292_277_273)),
            Colour::Blue => ([0, 0, 255], Some(4_294_741_314)),
            Colour::Orange => ([255, 127, 0], Some(4_280_578_025)),
            Colour::Purple => ([127, 0, 255], Some(4_289_825_711)),
        };
        self.xml.open("color", &[]);
        self.xml.text("alpha", 0);
        for (name, value) in ["red", "green", "blue"].into_iter().zip(rgb) {
            self.xml.text(name, value);
        }
        self.xml.close();
        if let Some(premiere) = premiere {
            self.xml.text("pproColor", premiere);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::Lane;
    use crate::time::Timecode;
    use crate::timeline::{Picture, Piece, Provenance, Role, assemble};

    fn cut(start: &str, rate: &str) -> Timeline {
        let start = Timecode::parse(start, rate.parse().expect("a rate")).expect("a timecode");
        let piece = |take: &str, role, channels| Piece {
            take: take.parse().expect("a take"),
            lane: Lane::Keep,
            picture: Picture {
                file: format!("/media/a b/{take}.mov"),
                frames: Frames(96),
                start: Frames(0),
                width: 1280,
                height: 720,
                channels: 2,
            },
            stems: vec![(role, format!("audio/{take}.wav"), channels, Vec::new())],
            provenance: Provenance { prompt: "A <kitchen> & a chef".to_owned(), ..Provenance::default() },
        };
        let pieces = vec![piece("S1_A_T01", Role::Mix, 1), piece("S1_B_T01", Role::Guide, 2)];
        assemble("A", start, pieces).expect("a cut")
    }

    /// The text without the white space between elements.
    fn text(timeline: &Timeline) -> String {
        let text = String::from_utf8(write(timeline, Links("")).content).expect("UTF-8");
        text.lines().map(str::trim_start).collect()
    }

    #[test]
    fn rates_and_labels_are_the_formats() {
        let film = text(&cut("01:00:00:00", "23.976"));
        assert!(film.contains("<rate><timebase>24</timebase><ntsc>TRUE</ntsc></rate>"));
        let label = "<string>01:00:00;00</string><frame>107892</frame><displayformat>DF</displayformat>";
        assert!(text(&cut("01:00:00;00", "29.97")).contains(label));
    }

    #[test]
    fn both_channels_and_the_picture_are_linked() {
        let text = text(&cut("01:00:00:00", "24"));
        let link = |id: &str, kind: &str, track: u8, index: u8| {
            format!(
                "<linkclipref>{id}</linkclipref><mediatype>{kind}</mediatype><trackindex>{track}</trackindex>\
                 <clipindex>{index}</clipindex>"
            )
        };
        for (id, kind, track, index, times) in [
            ("v-2", "video", 1, 2, 3),
            ("a1-2", "audio", 1, 2, 3),
            ("a2-2", "audio", 2, 1, 3),
            ("a1-1", "audio", 1, 1, 2),
        ] {
            assert_eq!(text.matches(&link(id, kind, track, index)).count(), times, "{id}:\n{text}");
        }
        assert!(text.contains("<pathurl>file://localhost/media/a%20b/S1_A_T01.mov</pathurl>"));
        assert!(text.contains("<description>A &lt;kitchen&gt; &amp; a chef</description>"));
    }

    #[test]
    fn a_file_is_described_once() {
        let mut timeline = cut("01:00:00:00", "24");
        timeline.clips[1] = timeline.clips[0].clone();
        timeline.clips[1].record_start.0 += 96;
        let text = text(&timeline);
        assert_eq!((text.matches("<file id=\"file-S1_A_T01\">").count(), text.matches("<pathurl>").count()), (1, 2));
        assert_eq!(text.matches("<file id=\"file-S1_A_T01\"/>").count(), 1);
    }

    #[test]
    fn markers_count_from_the_sequences_first_frame() {
        let mut timeline = cut("01:00:00:00", "24");
        let marker = |frame, length| Marker {
            frame: Frames(frame),
            length: Frames(length),
            name: "M".to_owned(),
            note: String::new(),
            colour: Colour::Green,
        };
        timeline.markers = vec![marker(86_412, 1), marker(86_412, 20), marker(86_399, 1)];
        assert!(text(&timeline).contains("<in>12</in><out>-1</out>"));
        assert!(text(&timeline).contains("<in>12</in><out>32</out>"));
        assert_eq!(text(&timeline).matches("<marker>").count(), 2);
        assert_eq!(losses(&timeline).len(), 1);
    }
}
