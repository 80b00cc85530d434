//! Lists of markers: as programs write them, with faults, and hostile.

use proptest::prelude::*;

use super::*;
use crate::export::{Format, Links, write};
use crate::timeline::{Timeline, arbitrary};

fn start() -> Timecode {
    Timecode::parse("01:00:00:00", "24".parse().expect("a rate")).expect("a label")
}

fn list(events: &str) -> Vec<u8> {
    format!("TITLE: Kitchen_at_seven_v001\nFCM: NON-DROP FRAME\n\n{events}").into_bytes()
}

fn event(times: &str, rest: &str) -> String {
    format!("001  001      V     C        {times} {times}  \n{rest}\n\n")
}

const AT: &str = "01:00:04:12 01:00:04:13";

#[test]
fn a_list_as_resolve_writes_it_is_read() {
    let text = list(
        &[
            event(AT, " |C:ResolveColorMint |M:Marker 1 |D:1"),
            event(AT, "mind the | cup |C:ResolveColorSand |M:a|b |D:24"),
        ]
        .concat(),
    );
    let list = List::find(&text).expect("a list");
    assert_eq!(list.title(), "Kitchen_at_seven_v001");
    let (marks, notes) = list.read(start()).expect("no faults");
    let told: Vec<_> =
        marks.iter().map(|m| (m.frame.0, m.length.0, m.name.as_str(), m.note.as_str(), m.colour)).collect();
    // 01:00:04:12 is an hour, four seconds and twelve frames.
    let frame = 3604 * 24 + 12;
    assert_eq!(told, [(frame, 1, "Marker 1", "", Colour::Green), (frame, 24, "a|b", "mind the | cup", Colour::Orange)]);
    assert_eq!(notes.len(), 1);
    assert_eq!(notes[0].what, "Mint becomes green");
}

#[test]
fn a_note_of_several_lines_is_one() {
    let text = list(&event(AT, "12 monkeys\n\n are here |C:ResolveColorBlue |M:n |D:1"));
    let (marks, _) = List::find(&text).expect("a list").read(start()).expect("no faults");
    assert_eq!(marks[0].note, "12 monkeys are here");
}

#[test]
fn a_cut_stays_a_cut_whatever_markers_it_has() {
    let marker = " |C:ResolveColorBlue |M:x |D:1";
    for text in [
        event(AT, "* FROM CLIP NAME: SC010_SH010_T01.mov"),
        event(AT, &format!("* FROM CLIP NAME: SC010_SH010_T01.mov\n{marker}")),
        event(AT, &format!("* LOC: 01:00:04:12 RED x\n{marker}")),
        format!("{}{}", event(AT, marker), event(AT, "")),
        format!("{}{}", event(AT, ""), event(AT, marker)),
        String::new(),
        marker.to_owned(),
    ] {
        assert!(List::find(&list(&text)).is_none(), "{text}");
    }
}

#[test]
fn every_fault_is_told_with_its_line() {
    let fields = "|C:ResolveColorBlue |M:n |D:";
    let events = [
        event("01:00:04:24 01:00:05:00", &format!("{fields}1")),
        event("01:00:04:12 01:00:06:12", &format!("{fields}1")),
        event("01:00:04:12 01:00:04:11", &format!("{fields}1")),
        event(AT, &format!("{fields}0")),
        event(AT, &format!("{fields}99999999999999999999")),
        event(AT, &format!("{} {fields}1", "x".repeat(5000))),
        "99 bottles\n".to_owned(),
    ];
    let faults = List::find(&list(&events.concat())).expect("a list").read(start()).expect_err("faults");
    let told: Vec<_> =
        faults.iter().map(|fault| (fault.place.line.unwrap_or_default(), fault.found.as_str())).collect();
    assert_eq!(
        told[1..],
        [
            (7, "an event of 48 frame(s)"),
            (10, "an out point before its in point"),
            (13, "a marker of 0 frames"),
            (16, "a marker of 99999999999999999999 frames"),
            (19, "a note of more than 4000 letters"),
            (22, "99 bottles"),
        ]
    );
    assert!(told[0].0 == 4 && told[0].1.contains("01:00:04:24"), "{told:?}");
}

#[test]
fn more_markers_than_anybody_sets_are_a_fault() {
    let events = event(AT, "|C:ResolveColorBlue |M:n |D:1").repeat(10_001);
    let faults = List::find(&list(&events)).expect("a list").read(start()).expect_err("too many");
    assert_eq!(faults[0].found, "1 markers or lines more than 10000");
}

/// What a list can tell of a cut's markers.
fn listed(cut: &Timeline) -> Vec<(Frames, Frames, String, String, Colour)> {
    let there = cut.markers.iter().filter(|marker| marker.frame.0 + 1 < cut.start.midnight().0);
    let plain = |text: &str| super::plain(&text.replace(['\u{2028}', '\u{2029}'], " "));
    there.map(|m| (m.frame, m.length, plain(&m.name), plain(&m.note), m.colour)).collect()
}

proptest! {
    #[test]
    fn markers_come_back_as_they_were((cut, _) in arbitrary::cut()) {
        let export = write(&cut, Format::ResolveMarkers, Links("")).expect("it has clips");
        let expected = listed(&cut);
        let Some(list) = List::find(&export.content) else {
            prop_assert!(expected.is_empty());
            return Ok(());
        };
        let (marks, notes) = list.read(cut.start).expect("no faults");
        prop_assert_eq!(notes, vec![]);
        let told: Vec<_> = marks.into_iter().map(|m| (m.frame, m.length, m.name, m.note, m.colour)).collect();
        prop_assert_eq!(told, expected);
    }

    #[test]
    fn whatever_stands_in_a_file_it_ends(text in "(TITLE:|FCM:|001  001 V C |01:00:00:00 |[|]C:|[|]M:|[|]D:|9|x|\n|\r|é|¦|'){0,60}") {
        if let Some(list) = List::find(text.as_bytes()) {
            let _ = list.read(start());
        }
    }
}
