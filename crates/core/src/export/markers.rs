//! Lists of a cut's markers: the edit decision list that DaVinci Resolve reads, and Media Composer's text.
//!
//! Resolve: an event of one frame for each marker, then a line: the note, `|C:` colour, `|M:` name and `|D:` frames.
//! Media Composer: name, timecode, track, colour, comment, frames, a column that is empty, and the colour again.
//! Resolve has no orange, and Avid neither orange nor purple: the nearest that no other of our colours is stands there.
//! A `|` in texts is `¦` for Resolve. A note there that other programs would take for a line of the list gets an
//! apostrophe before it. Deliberately absent: markers past midnight, where labels begin anew.

use std::fmt::Write as _;

use super::text::flat;
use super::{Export, Field, Format, Loss, Of, told};
use crate::time::Frames;
use crate::timeline::{Colour, Marker, Timeline};

/// What lines of a list begin with, in the eyes of its readers.
pub(crate) const LINES: [&str; 12] = [
    "TITLE:",
    "FCM",
    "AUD",
    "SPLIT",
    "M2",
    "EFFECTS NAME IS",
    "FROM CLIP",
    "FROM FILE",
    "TO CLIP",
    "LOC",
    "ASC_",
    "FINAL CUT",
];

/// The list that DaVinci Resolve reads.
pub(super) fn resolve(timeline: &Timeline) -> Export {
    let counting = if timeline.start.is_drop() { "DROP FRAME" } else { "NON-DROP FRAME" };
    let mut text = format!("TITLE: {}\r\nFCM: {counting}\r\n\r\n", title(&timeline.title));
    let digits = if within_day(timeline).count() > 999 { 6 } else { 3 };
    for (number, marker) in (1..).zip(within_day(timeline)) {
        let [start, end] = [marker.frame, Frames(marker.frame.0 + 1)].map(|frame| timeline.label(frame));
        let (note, name, length) = (note(marker), bars(&marker.name), marker.length.0);
        let colour = resolve_colour(marker.colour);
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "{number:0digits$}  001      V     C        {start} {end} {start} {end}  \r\n\
             {note} |C:{colour} |M:{name} |D:{length}\r\n\r\n"
        );
    }
    let there: Vec<&Marker> = within_day(timeline).collect();
    let mut losses = losses(timeline, Format::ResolveMarkers);
    let why = "spaces around a title are not read";
    losses.extend(told::title(timeline, Format::ResolveMarkers, title(&timeline.title), why));
    let why = "a bar begins a field, and a line must not look like another one";
    losses.extend(told::markers(Format::ResolveMarkers, &there, (Field::Name, why), |marker| bars(&marker.name)));
    losses.extend(told::markers(Format::ResolveMarkers, &there, (Field::Note, why), note));
    let resolve =
        |marker: &Marker| resolve_colour(marker.colour).trim_start_matches("ResolveColor").to_ascii_uppercase();
    losses.extend(told::markers(Format::ResolveMarkers, &there, (Field::Colour, "Resolve has no orange"), resolve));
    Export { content: text.into_bytes(), losses }
}

/// The text that Media Composer reads.
pub(super) fn avid(timeline: &Timeline) -> Export {
    let mut text = String::new();
    for marker in within_day(timeline) {
        let (label, colour) = (timeline.label(marker.frame), avid_colour(marker.colour).to_ascii_lowercase());
        let (name, note, length) = (flat(&marker.name), flat(&marker.note), marker.length.0);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name}\t{label}\tV1\t{colour}\t{note}\t{length}\t\t{colour}");
    }
    let there: Vec<&Marker> = within_day(timeline).collect();
    let mut losses = losses(timeline, Format::AvidMarkers);
    losses.push(Loss::all(Format::AvidMarkers, Of::Cut, Field::Name, "the text has markers only"));
    let why = "line ends and tabs are a space";
    losses.extend(told::markers(Format::AvidMarkers, &there, (Field::Name, why), |marker| flat(&marker.name)));
    losses.extend(told::markers(Format::AvidMarkers, &there, (Field::Note, why), |marker| flat(&marker.note)));
    losses.extend(avid_colours(Format::AvidMarkers, &there));
    Export { content: text.into_bytes(), losses }
}

/// The markers that have a label, and one after it.
fn within_day(timeline: &Timeline) -> impl Iterator<Item = &Marker> {
    timeline.markers.iter().filter(|marker| is_within_day(timeline, marker))
}

fn is_within_day(timeline: &Timeline, marker: &Marker) -> bool {
    marker.frame.0.checked_add(1).is_some_and(|next| next < timeline.start.midnight().0)
}

fn title(title: &str) -> String {
    flat(title).trim().to_owned()
}

fn bars(text: &str) -> String {
    flat(text).replace('|', "¦")
}

/// A note as it may begin a line.
fn note(marker: &Marker) -> String {
    let note = bars(&marker.note).trim_start().to_owned();
    if looks_like_a_line(&note) { format!("'{note}") } else { note }
}

/// Whether a reader of lists would take a note for a line of another kind.
pub(crate) fn looks_like_a_line(note: &str) -> bool {
    let sign = |letter: char| letter.is_numeric() || matches!(letter, '*' | '>');
    note.starts_with(sign) || LINES.iter().any(|line| note.starts_with(line))
}

fn resolve_colour(colour: Colour) -> &'static str {
    match colour {
        Colour::Red => "ResolveColorRed",
        Colour::Yellow => "ResolveColorYellow",
        Colour::Green => "ResolveColorGreen",
        Colour::Cyan => "ResolveColorCyan",
        Colour::Blue => "ResolveColorBlue",
        Colour::Orange => "ResolveColorSand",
        Colour::Purple => "ResolveColorPurple",
    }
}

/// The word among Avid's eight, which edit decision lists share.
pub(super) fn avid_colour(colour: Colour) -> &'static str {
    match colour {
        Colour::Orange => "WHITE",
        Colour::Purple => "MAGENTA",
        known => known.as_str(),
    }
}

/// The colours of markers that are not among Avid's eight.
pub(super) fn avid_colours(format: Format, there: &[&Marker]) -> Vec<Loss> {
    let why = "Avid's locators have neither orange nor purple";
    told::markers(format, there, (Field::Colour, why), |marker| avid_colour(marker.colour).to_owned())
}

fn losses(timeline: &Timeline, format: Format) -> Vec<Loss> {
    let only = "a list of markers has markers only";
    let mut losses = vec![Loss::all(format, Of::Cut, Field::Start, only)];
    losses.extend(told::absent(timeline, format, &[(Of::Clip, only), (Of::Stem, only), (Of::Cue, only)]));
    let late = timeline.markers.iter().filter(|marker| !is_within_day(timeline, marker));
    let why = "labels begin anew at 24:00:00:00";
    losses.extend(late.map(|marker| Loss::one(format, Of::Marker, &marker.name, Field::Event, why)));
    losses
}

#[cfg(test)]
mod tests {
    use super::super::sample::{cut, marker, written};
    use super::*;

    #[test]
    fn a_cut_without_markers_is_a_list_without_events() {
        let timeline = cut("29.97", "01:00:00;00");
        let (list, losses) = written(&timeline, Format::ResolveMarkers);
        assert_eq!(list, "TITLE: Kitchen\r\nFCM: DROP FRAME\r\n\r\n");
        assert!(losses.iter().all(|loss| !loss.contains("marker ")), "{losses:?}");
        assert_eq!(written(&timeline, Format::AvidMarkers).0, "");
    }

    #[test]
    fn a_marker_is_an_event_and_its_fields() {
        let mut timeline = cut("24", "01:00:00:00");
        timeline.markers = vec![marker(&timeline, 12, 42, "ADR MA101", "Replace line")];
        assert_eq!(
            written(&timeline, Format::ResolveMarkers).0,
            "TITLE: Kitchen\r\nFCM: NON-DROP FRAME\r\n\r\n\
             001  001      V     C        01:00:00:12 01:00:00:13 01:00:00:12 01:00:00:13  \r\n\
             Replace line |C:ResolveColorCyan |M:ADR MA101 |D:42\r\n\r\n"
        );
        let line = "ADR MA101\t01:00:00:12\tV1\tcyan\tReplace line\t42\t\tcyan\n";
        assert_eq!(written(&timeline, Format::AvidMarkers).0, line);
    }

    #[test]
    fn a_note_is_no_other_line_of_the_list() {
        let timeline = cut("24", "01:00:00:00");
        for (text, expected) in [
            ("5 o'clock", "'5 o'clock"),
            ("٣ in Arabic", "'٣ in Arabic"),
            ("TITLE: x", "'TITLE: x"),
            ("* LOC: x", "'* LOC: x"),
            ("  ASC_SAT x", "'ASC_SAT x"),
            ("a|C:b\nc", "a¦C:b c"),
            ("", ""),
        ] {
            assert_eq!(note(&marker(&timeline, 0, 1, "", text)), expected);
        }
    }

    #[test]
    fn markers_of_one_name_share_what_is_told() {
        let mut timeline = cut("24", "01:00:00:00");
        let day = 24 * 3600 * 24 - timeline.start.frames().0;
        timeline.markers = vec![
            marker(&timeline, 0, 1, "a", "x\ty"),
            marker(&timeline, 1, 1, "a", "z"),
            marker(&timeline, 2, 1, "b\t", "x\ty"),
            marker(&timeline, day - 1, 1, "late", ""),
        ];
        let (text, losses) = written(&timeline, Format::AvidMarkers);
        assert_eq!(text.lines().count(), 3);
        assert_eq!(
            losses.iter().filter(|loss| loss.contains(": marker ")).collect::<Vec<_>>(),
            [
                "avid-markers: marker late: event: labels begin anew at 24:00:00:00",
                "avid-markers: marker b\t: name: line ends and tabs are a space (written: b )",
                "avid-markers: marker a: note: line ends and tabs are a space",
                "avid-markers: marker b\t: note: line ends and tabs are a space (written: x y)",
            ]
        );
    }
}
