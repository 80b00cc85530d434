//! REAPER's project: a track of pictures, a track for each role of stems, markers and regions.
//!
//! Positions are seconds from the cut's first frame; the project's own start (`PROJOFFS`) is the time of that frame
//! since midnight, which the frame rate of `TIMEMODE` shows as its label. What REAPER has no field for is in notes, a
//! line each: those of items tell the file's timecode, the reel, the lane and where the take comes from; those of the
//! project tell the markers' notes. A value there is JSON, and a long one goes on in a line with the same key.
//! The sound within a picture is turned down where a stem has it.
//! Deliberately absent: markers before the cut, since no position is negative; and identifiers, which REAPER makes.

use std::fmt::Write as _;

use serde::Serialize;

use super::text::{flat, seconds};
use super::{Export, Field, Format, Links, Loss, Of, told};
use crate::time::{FrameRate, Frames};
use crate::timeline::{Clip, Colour, Marker, Role, Timeline};

/// The letters of a value in one line of notes, each of at most six bytes; REAPER reads lines of up to 4096 bytes.
const LINE: usize = 600;

pub(super) fn write(timeline: &Timeline, links: Links<'_>) -> Export {
    let mut project = Project { timeline, links, rate: timeline.start.rate(), text: String::new(), depth: 0 };
    project.open("<REAPER_PROJECT 0.1 \"7.0\" 0");
    project.head();
    for (number, marker) in (1..).zip(&timeline.markers) {
        project.marker(number, marker);
    }
    project.track("V1", |project, clip| project.picture(clip));
    for role in timeline.sound_tracks() {
        project.track(&role.track_name(), |project, clip| project.sound(clip, role));
    }
    project.close();
    Export { content: project.text.into_bytes(), losses: losses(timeline, links) }
}

struct Project<'a> {
    timeline: &'a Timeline,
    links: Links<'a>,
    rate: FrameRate,
    text: String,
    depth: usize,
}

impl<'a> Project<'a> {
    fn line(&mut self, line: impl std::fmt::Display) {
        let indent = self.depth * 2;
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{:indent$}{line}", "");
    }

    fn open(&mut self, tag: &str) {
        self.line(tag);
        self.depth += 1;
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.line(">");
    }

    fn head(&mut self) {
        self.open("<NOTES 0 2");
        for (number, marker) in (1..).zip(&self.timeline.markers) {
            if !marker.note.is_empty() && self.position(marker.frame).is_some() {
                self.note(&format!("Marker {number}"), &marker.note);
            }
        }
        self.close();
        let (start, base) = (self.timeline.start, self.rate.nominal());
        let counting = match (self.rate.den(), start.is_drop()) {
            (1, _) => 0,
            (_, true) => 1,
            (_, false) => 2,
        };
        self.line(format_args!("TITLE {}", quoted(&self.timeline.title)));
        self.line(format_args!("PROJOFFS {} 0 0", seconds(start.frames(), self.rate)));
        self.line(format_args!("TIMEMODE 5 5 -1 {base} {counting} 0 -1"));
        self.line("SAMPLERATE 48000 1 0");
    }

    /// A marker, or a region where it is longer than a frame.
    fn marker(&mut self, number: usize, marker: &Marker) {
        let Some(start) = self.position(marker.frame) else { return };
        let (name, region, colour) = (quoted(&marker.name), u8::from(marker.length.0 > 1), native(marker.colour));
        self.line(format_args!("MARKER {number} {start} {name} {region} {colour}"));
        let end = marker.frame.0.saturating_add(marker.length.0);
        if let Some(end) = self.position(Frames(end)).filter(|_| region == 1) {
            self.line(format_args!("MARKER {number} {end} \"\" 1"));
        }
    }

    /// The seconds from the cut's first frame to a frame since midnight; `None` before the cut.
    fn position(&self, frame: Frames) -> Option<String> {
        let frames = frame.0.checked_sub(self.timeline.start.frames().0)?;
        Some(seconds(Frames(frames), self.rate))
    }

    fn track(&mut self, name: &str, item: impl Fn(&mut Project<'a>, &'a Clip)) {
        self.open("<TRACK");
        self.line(format_args!("NAME {}", quoted(name)));
        self.line("NCHAN 2");
        for clip in &self.timeline.clips {
            item(self, clip);
        }
        self.close();
    }

    fn picture(&mut self, clip: &'a Clip) {
        self.item(clip, &clip.take.to_string());
        if clip.picture.channels > 0 && clip.stems.iter().any(|stem| stem.role.is_whole()) {
            self.line("VOLPAN 0 0 1 -1");
        }
        self.open("<NOTES");
        self.note("First frame", clip.picture.start);
        self.note("Frames", clip.picture.frames);
        self.note("Channels", clip.picture.channels);
        self.note("Reel", &clip.reel);
        self.note("Lane", clip.lane);
        if let Ok(serde_json::Value::Object(provenance)) = serde_json::to_value(&clip.provenance) {
            for (key, value) in provenance.iter().filter(|(_, value)| !value.is_null() && *value != "") {
                self.note(&title(key), value);
            }
        }
        self.close();
        self.source("VIDEO", &clip.picture.file);
    }

    fn sound(&mut self, clip: &'a Clip, track: Role) {
        let Some(stem) = clip.stem_on(track) else { return };
        self.item(clip, &clip.stem_name(stem));
        self.open("<NOTES");
        self.note("First sample", stem.time_reference);
        self.note("Frames", clip.picture.frames);
        self.note("Channels", stem.channels);
        self.close();
        self.source("WAVE", &stem.file);
    }

    /// The beginning of an item; [`Project::source`] is its end.
    fn item(&mut self, clip: &Clip, name: &str) {
        let start = self.position(clip.record_start).unwrap_or_else(|| seconds(Frames(0), self.rate));
        self.open("<ITEM");
        self.line(format_args!("POSITION {start}"));
        self.line(format_args!("LENGTH {}", seconds(clip.frames, self.rate)));
        self.line("LOOP 0");
        self.line(format_args!("NAME {}", quoted(name)));
        self.line(format_args!("SOFFS {}", seconds(clip.from, self.rate)));
    }

    fn source(&mut self, kind: &str, file: &str) {
        self.open(&format!("<SOURCE {kind}"));
        self.line(format_args!("FILE {}", quoted(&self.links.path(file))));
        self.close();
        self.close();
    }

    fn note(&mut self, key: &str, value: impl Serialize) {
        match serde_json::to_value(value).unwrap_or_default() {
            serde_json::Value::String(text) => {
                let letters: Vec<char> = text.chars().collect();
                for part in letters.chunks(LINE) {
                    self.line(format_args!("|{key}: {}", json(&part.iter().collect::<String>())));
                }
            }
            value => self.line(format_args!("|{key}: {value}")),
        }
    }
}

/// `request_id` as `Request id`.
fn title(key: &str) -> String {
    let mut letters = key.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).map(|letter| if letter == '_' { ' ' } else { letter }).collect()
}

/// A JSON string in which nothing ends a line.
fn json(text: &str) -> String {
    let text = serde_json::Value::from(text).to_string();
    let escaped = |letter: char| match letter {
        '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => format!("\\u{:04x}", u32::from(letter)),
        other => other.to_string(),
    };
    text.chars().map(escaped).collect()
}

/// A text in the quotes that it does not have itself; one that has all three has `'` for `` ` ``.
fn quoted(text: &str) -> String {
    let text = written(text);
    let quote = ['"', '\'', '`'].into_iter().find(|quote| !text.contains(*quote)).unwrap_or('`');
    format!("{quote}{text}{quote}")
}

/// A text as it stands between quotes.
fn written(text: &str) -> String {
    let text = flat(text);
    if ['"', '\'', '`'].into_iter().all(|quote| text.contains(quote)) { text.replace('`', "'") } else { text }
}

/// REAPER's number for a colour: that it is one, then blue, green and red.
fn native(colour: Colour) -> u32 {
    0x0100_0000
        | match colour {
            Colour::Red => 0x0000_00ff,
            Colour::Yellow => 0x0000_ffff,
            Colour::Green => 0x0000_ff00,
            Colour::Cyan => 0x00ff_ff00,
            Colour::Blue => 0x00ff_0000,
            Colour::Orange => 0x0000_7fff,
            Colour::Purple => 0x00ff_007f,
        }
}

fn losses(timeline: &Timeline, links: Links<'_>) -> Vec<Loss> {
    const FORMAT: Format = Format::Reaper;
    let why = "a text is one line, and has not all three quotes";
    let mut losses = told::absent(timeline, FORMAT, &[(Of::Cue, "a project has no cues")]);
    losses.extend(told::title(timeline, FORMAT, written(&timeline.title), why));
    let (there, early): (Vec<&Marker>, Vec<&Marker>) =
        timeline.markers.iter().partition(|marker| marker.frame >= timeline.start.frames());
    let before = "no position is before the project's start";
    losses.extend(early.iter().map(|marker| Loss::one(FORMAT, Of::Marker, &marker.name, Field::Event, before)));
    losses.extend(told::markers(FORMAT, &there, (Field::Name, why), |marker| written(&marker.name)));
    losses.extend(told::links(timeline, (FORMAT, links, why), true, written));
    losses
}

#[cfg(test)]
mod tests {
    use super::super::sample::{cut, marker, written};
    use super::*;

    #[test]
    fn the_project_begins_at_the_time_of_its_first_label() {
        for (rate, start, lines) in [
            ("24", "01:00:00:00", ["PROJOFFS 3600.000000000000 0 0", "TIMEMODE 5 5 -1 24 0 0 -1"]),
            // An hour of labels at 23.976 lasts 3.6 seconds more than an hour.
            ("23.976", "01:00:00:00", ["PROJOFFS 3603.600000000000 0 0", "TIMEMODE 5 5 -1 24 2 0 -1"]),
            // 107 892 frames of 1001/30000 of a second.
            ("29.97", "01:00:00;00", ["PROJOFFS 3599.996400000000 0 0", "TIMEMODE 5 5 -1 30 1 0 -1"]),
        ] {
            let (project, _) = written(&cut(rate, start), Format::Reaper);
            assert!(lines.iter().all(|line| project.contains(&format!("\n  {line}\n"))), "{project}");
        }
    }

    #[test]
    fn an_item_has_its_place_its_stretch_and_its_notes() {
        let (project, losses) = written(&cut("24", "01:00:00:00"), Format::Reaper);
        let item = r#"
    <ITEM
      POSITION 0.000000000000
      LENGTH 0.833333333333
      LOOP 0
      NAME "SC010_SH020_T01"
      SOFFS 0.416666666667
      VOLPAN 0 0 1 -1
      <NOTES
        |First frame: 86400
        |Frames: 96
        |Channels: 2
        |Reel: "10SH020A"
        |Lane: "keep"
        |Provider: "fal"
        |Seed: 7
      >
      <SOURCE VIDEO
        FILE "../picture/SC010_SH020_T01.mov"
      >
    >
"#;
        assert!(project.contains(item), "{project}");
        let sound = "NAME \"SC010_SH030_T02_GUIDE\"\n      SOFFS 0.000000000000\n      <NOTES\n        \
                     |First sample: 172992000\n        |Frames: 48\n        |Channels: 1\n";
        assert!(project.contains(sound), "{project}");
        assert_eq!((project.matches("<TRACK").count(), project.matches("<ITEM").count()), (2, 6));
        assert!(losses.is_empty(), "{losses:?}");
    }

    #[test]
    fn markers_and_regions_are_not_before_the_cut() {
        let mut timeline = cut("24", "01:00:00:00");
        timeline.markers = vec![marker(&timeline, 12, 1, "one", "it's\n\"so\""), marker(&timeline, 24, 36, "two", "")];
        let early = marker(&timeline, 0, 1, "early", "x");
        timeline.markers.push(Marker { frame: Frames(86_399), ..early });
        let (project, losses) = written(&timeline, Format::Reaper);
        let lines: Vec<&str> = project
            .lines()
            .map(str::trim)
            .filter(|line| line.contains("arker") || line.starts_with("MARKER"))
            .collect();
        assert_eq!(
            lines,
            [
                r#"|Marker 1: "it's\n\"so\"""#,
                // REAPER's cyan: 0x1ffff00.
                r#"MARKER 1 0.500000000000 "one" 0 33554176"#,
                r#"MARKER 2 1.000000000000 "two" 1 33554176"#,
                r#"MARKER 2 2.500000000000 "" 1"#,
            ]
        );
        assert_eq!(losses, ["reaper: marker early: event: no position is before the project's start"]);
    }

    #[test]
    fn texts_take_the_quotes_that_they_have_not() {
        for (text, expected) in [
            ("plain", "\"plain\""),
            ("a \"b\"", "'a \"b\"'"),
            ("it's \"b\"", "`it's \"b\"`"),
            ("it's \"b\" `c`\n", "`it's \"b\" 'c' `"),
            ("", "\"\""),
        ] {
            assert_eq!(quoted(text), expected);
        }
        assert_eq!(json("a\n\u{85}\u{2028}\"é"), "\"a\\n\\u0085\\u2028\\\"é\"");
    }

    #[test]
    fn a_long_text_is_many_lines_of_one_key() {
        let mut timeline = cut("24", "01:00:00:00");
        timeline.clips[0].provenance.prompt = "ä".repeat(2000);
        let (project, _) = written(&timeline, Format::Reaper);
        let letters: Vec<usize> =
            project.lines().filter(|line| line.contains("|Prompt: ")).map(|line| line.matches('ä').count()).collect();
        assert_eq!(letters, [600, 600, 600, 200]);
    }
}
