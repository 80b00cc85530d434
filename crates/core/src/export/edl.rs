//! CMX3600 edit decision lists: one header, then one event for each channel of each clip.
//!
//! Source timecode is the file's own: pictures begin at 00:00:00:00, stems at their `bext` time.
//! Deliberately absent: comments before the first event, byte order marks and `FROM FILE` paths, each
//! of which some reader rejects.

use std::fmt::Write as _;

use super::{Export, Format, Loss, lost};
use crate::time::Frames;
use crate::timeline::{Clip, Marker, Stem, Timeline};

/// How wide the event and reel columns are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Three digits (six past 999 events) and a reel of eight characters.
    Cmx3600,
    /// Six digits and a reel of 32 characters.
    File32,
}

pub(super) fn write(timeline: &Timeline, layout: Layout) -> Export {
    let mut list = List { timeline, layout, text: String::new(), number: 0, losses: Vec::new() };
    let counting = if timeline.start.is_drop() { "DROP FRAME" } else { "NON-DROP FRAME" };
    list.line(format_args!("TITLE: {}", ascii(&timeline.title, 70)));
    list.line(format_args!("FCM: {counting}"));
    list.line(format_args!(""));
    for clip in &timeline.clips {
        list.clip(clip);
    }
    list.lose_of_markers();
    Export { text: list.text, losses: list.losses }
}

struct List<'a> {
    timeline: &'a Timeline,
    layout: Layout,
    text: String,
    number: usize,
    losses: Vec<Loss>,
}

impl List<'_> {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{line}");
    }

    fn clip(&mut self, clip: &Clip) {
        self.event(clip, "V", Frames(0), &clip.picture);
        self.line(format_args!("* COMMENT: LANE {}", clip.lane.as_str().to_ascii_uppercase()));
        self.markers(clip);
        for stem in &clip.stems {
            if stem.role.is_whole() {
                self.stem(clip, stem);
            } else {
                self.lost(clip, format!("stem {}: only the clip's own sound has a channel", stem.file));
            }
        }
        self.lost(clip, "prompt".to_owned());
    }

    /// Avid's locators: the record time, a colour in seven columns, and a name.
    fn markers(&mut self, clip: &Clip) {
        let timeline = self.timeline;
        for marker in timeline.markers.iter().filter(|marker| is_within(marker, clip)) {
            let (label, colour) = (timeline.label(marker.frame), marker.colour.as_str());
            self.line(format_args!("* LOC: {label} {colour:<7} {}", ascii(&marker.name, 60)));
        }
    }

    fn lose_of_markers(&mut self) {
        let markers = &self.timeline.markers;
        let carried = |marker: &&Marker| self.timeline.clips.iter().any(|clip| is_within(marker, clip));
        let outside: Vec<&Marker> = markers.iter().filter(|marker| !carried(marker)).collect();
        let mut losses: Vec<Loss> = outside
            .into_iter()
            .map(|marker| lost(self.format(), format!("marker {}: in no clip", marker.name)))
            .collect();
        if !markers.is_empty() {
            losses.push(lost(self.format(), "the markers' notes and lengths"));
        }
        self.losses.extend(losses);
    }

    fn stem(&mut self, clip: &Clip, stem: &Stem) {
        for channel in ["A", "A2"].iter().take(usize::from(stem.channels)) {
            self.event(clip, channel, clip.record_start, &stem.file);
        }
    }

    fn event(&mut self, clip: &Clip, channel: &str, source_start: Frames, file: &str) {
        self.number += 1;
        let (length, record) = (clip.frames.0, clip.record_start);
        let times = [source_start, Frames(source_start.0 + length), record, Frames(record.0 + length)]
            .map(|frame| self.timeline.label(frame))
            .join(" ");
        let number = self.number;
        match self.layout {
            Layout::Cmx3600 if self.events() <= 999 => {
                self.line(format_args!("{number:03}  {:<8} {channel:<5} C        {times}", clip.reel))
            }
            Layout::Cmx3600 => self.line(format_args!("{number:06}  {:<8} {channel:<5} C        {times}", clip.reel)),
            Layout::File32 => {
                let reel = long_reel(clip);
                self.line(format_args!("{number:06}  {reel:<32} {channel:<5} C        {times}"));
            }
        }
        let name = file.rsplit('/').next().unwrap_or(file);
        self.line(format_args!("* FROM CLIP NAME: {name}"));
    }

    fn events(&self) -> usize {
        let channels = |clip: &Clip| {
            clip.stems.iter().filter(|stem| stem.role.is_whole()).map(|stem| usize::from(stem.channels)).sum::<usize>()
        };
        self.timeline.clips.iter().map(|clip| 1 + channels(clip)).sum()
    }

    fn lost(&mut self, clip: &Clip, what: String) {
        self.losses.push(Loss { format: self.format().as_str(), clip: clip.take.to_string(), what });
    }

    fn format(&self) -> Format {
        match self.layout {
            Layout::Cmx3600 => Format::Cmx3600,
            Layout::File32 => Format::File32,
        }
    }
}

fn is_within(marker: &Marker, clip: &Clip) -> bool {
    marker.frame.0.checked_sub(clip.record_start.0).is_some_and(|frame| frame < clip.frames.0)
}

/// The take's name where it fits 32 columns, else the short reel.
fn long_reel(clip: &Clip) -> String {
    let name = clip.take.to_string();
    if name.len() <= 32 { name } else { clip.reel.clone() }
}

/// Keeps what every reader takes in a title.
fn ascii(text: &str, most: usize) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '_' }).take(most).collect()
}
