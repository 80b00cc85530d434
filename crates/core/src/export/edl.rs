//! CMX3600 edit decision lists: one header, then one event for each channel of each clip.
//!
//! Source timecode is the files' own; events of sound carry the reel of their picture and the time of the stem. A reel is explained where its picture first stands (`COMMENT: REEL … IS …`).
//! Deliberately absent: comments before the first event, byte order marks and `FROM FILE` paths, each of which some
//! reader rejects; and a second sound track, since readers disagree about `A3`.

use std::fmt::Write as _;

use super::markers::{avid_colour, avid_colours};
use super::{Export, Field, Format, Loss, Of, base_name, told};
use crate::time::{Frames, TimeRange};
use crate::timeline::{Clip, Marker, Stem, Timeline};

/// How wide the event and reel columns are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Three digits (six past 999 events) and a reel of eight characters.
    Cmx3600,
    /// Six digits and a reel of 32 characters.
    File32,
}

/// The most letters of a title and of a marker's name.
const TITLE: usize = 70;
const NAME: usize = 60;

pub(super) fn write(timeline: &Timeline, layout: Layout) -> Export {
    let (within, outside) = timeline.markers_by_clip();
    let digits = if layout == Layout::Cmx3600 && events(timeline) <= 999 { 3 } else { 6 };
    let mut list = List { timeline, layout, digits, text: String::new(), number: 0 };
    let counting = if timeline.start.is_drop() { "DROP FRAME" } else { "NON-DROP FRAME" };
    list.line(format_args!("TITLE: {}", ascii(&timeline.title, TITLE)));
    list.line(format_args!("FCM: {counting}"));
    list.line(format_args!(""));
    for (clip, markers) in timeline.clips.iter().zip(&within) {
        list.clip(clip, markers);
    }
    let inside: Vec<&Marker> = within.into_iter().flatten().collect();
    Export { content: list.text.into_bytes(), losses: losses(timeline, layout, &inside, &outside) }
}

struct List<'a> {
    timeline: &'a Timeline,
    layout: Layout,
    digits: usize,
    text: String,
    number: usize,
}

impl List<'_> {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{line}");
    }

    fn clip(&mut self, clip: &Clip, markers: &[&Marker]) {
        let (file, name) = (&clip.picture.file, clip.take.to_string());
        self.event(clip, "V", clip.source(), &name, file);
        self.line(format_args!("* COMMENT: REEL {} IS {name}", clip.reel));
        self.line(format_args!("* COMMENT: LANE {}", clip.lane.as_str().to_ascii_uppercase()));
        for marker in markers {
            self.marker(marker);
        }
        for stem in clip.stems.iter().filter(|stem| stem.role.is_whole()) {
            self.stem(clip, stem);
        }
    }

    /// Avid's locators: the record time, a colour in seven columns, and a name.
    fn marker(&mut self, marker: &Marker) {
        let (label, colour) = (self.timeline.label(marker.frame), avid_colour(marker.colour));
        self.line(format_args!("* LOC: {label} {colour:<7} {}", ascii(&marker.name, NAME)));
    }

    fn stem(&mut self, clip: &Clip, stem: &Stem) {
        let name = clip.stem_name(stem);
        for channel in ["A", "A2"].iter().take(usize::from(stem.channels)) {
            self.event(clip, channel, self.timeline.stem_source(clip, stem), &name, &stem.file);
        }
    }

    fn event(&mut self, clip: &Clip, channel: &str, source: TimeRange<Frames>, name: &str, file: &str) {
        self.number += 1;
        let times = [source.start, source.end, clip.record_start, clip.record_end()];
        let times = times.map(|frame| self.timeline.label(frame)).join(" ");
        let (number, digits) = (self.number, self.digits);
        let (reel, width) = match self.layout {
            Layout::Cmx3600 => (clip.reel.clone(), 8),
            Layout::File32 => (long_reel(clip), 32),
        };
        self.line(format_args!("{number:0digits$}  {reel:<width$} {channel:<5} C        {times}"));
        let file = base_name(file);
        let ending = file.rsplit_once('.').map_or("", |(_, ending)| ending);
        self.line(format_args!("* FROM CLIP NAME: {}", ascii(&format!("{name}.{ending}"), usize::MAX)));
        self.line(format_args!("* SOURCE FILE: {}", ascii(file, usize::MAX)));
    }
}

fn events(timeline: &Timeline) -> usize {
    let channels = |stem: &Stem| if stem.role.is_whole() { usize::from(stem.channels.min(2)) } else { 0 };
    timeline.clips.iter().map(|clip| 1 + clip.stems.iter().map(channels).sum::<usize>()).sum()
}

/// The take's name where it fits 32 columns, else the short reel.
fn long_reel(clip: &Clip) -> String {
    let name = clip.take.to_string();
    if name.len() <= 32 { name } else { clip.reel.clone() }
}

fn losses(timeline: &Timeline, layout: Layout, inside: &[&Marker], outside: &[&Marker]) -> Vec<Loss> {
    let format = match layout {
        Layout::Cmx3600 => Format::Cmx3600,
        Layout::File32 => Format::File32,
    };
    let all = |of, field, why| Loss::all(format, of, field, why);
    let mut losses = vec![
        all(Of::Clip, Field::Provenance, "a list has no place for it"),
        all(Of::Clip, Field::Available, "a list has only what is used"),
        all(Of::Clip, Field::Link, "a list has file names, and no folders"),
        all(Of::Clip, Field::Channels, "a list does not tell of sound in the picture's file"),
    ];
    losses.extend(told::title(timeline, format, ascii(&timeline.title, TITLE), "titles are short and in ASCII"));
    if let Some(first) = timeline.clips.first().filter(|first| first.record_start != timeline.start.frames()) {
        let start = Loss::all(format, Of::Cut, Field::Start, "a list begins with its first event");
        losses.push(start.written(first.record_start.0.to_string()));
    }
    losses.extend(told::absent(timeline, format, &[(Of::Cue, "a list has no cues")]));
    for role in timeline.roles() {
        let name = role.to_string();
        if role.is_whole() {
            losses.push(Loss::one(format, Of::Stem, &name, Field::Link, "a list has file names, and no folders"));
            losses.push(Loss::one(format, Of::Stem, &name, Field::Available, "a list has only what is used"));
        } else {
            losses.push(Loss::one(format, Of::Stem, &name, Field::Event, "only the clip's own sound has channels"));
        }
    }
    losses.extend(losses_of_markers(format, inside, outside));
    losses
}

fn losses_of_markers(format: Format, inside: &[&Marker], outside: &[&Marker]) -> Vec<Loss> {
    let mut losses = Vec::new();
    if !inside.is_empty() {
        losses.push(Loss::all(format, Of::Marker, Field::Note, "a locator has a name only"));
        losses.push(Loss::all(format, Of::Marker, Field::Length, "a locator is one frame"));
    }
    losses.extend(
        outside.iter().map(|marker| Loss::one(format, Of::Marker, &marker.name, Field::Event, "it is in no clip")),
    );
    let name = (Field::Name, "names are short and in ASCII");
    losses.extend(told::markers(format, inside, name, |marker| ascii(&marker.name, NAME)));
    losses.extend(avid_colours(format, inside));
    losses
}

/// Keeps what every reader takes: printing ASCII, without spaces at the ends.
fn ascii(text: &str, most: usize) -> String {
    let text: String =
        text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '_' }).take(most).collect();
    text.trim().to_owned()
}
