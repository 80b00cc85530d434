//! Exports read back, and files that are hostile.

use proptest::prelude::*;

use super::*;
use crate::export::{self, Format, Links};
use crate::recut::{Recut, compare};
use crate::timeline::{Edit, arbitrary};

fn edits(cut: &Timeline) -> Vec<Edit> {
    let edit = |clip: &crate::timeline::Clip| Edit {
        take: clip.take.clone(),
        from: clip.from,
        frames: clip.frames,
        record_start: clip.record_start,
    };
    cut.clips.iter().map(edit).collect()
}

/// Writes a cut, reads it back and lays it beside itself; `None` where it cannot be written.
fn round(written: &Timeline, cut: &Timeline, base: &Timeline, format: Format, kind: Kind) -> Option<Recut> {
    let export = export::write(written, format, Links("")).ok()?;
    let sequence = read(&export.content, kind, cut).unwrap_or_else(|faults| panic!("{format:?}: {faults:#?}"));
    Some(compare(cut, base, &sequence, Frames(0)))
}

fn assert_same(recut: &Recut, cut: &Timeline) {
    assert_eq!(recut.faults, []);
    assert_eq!(recut.edits, edits(cut));
    assert_eq!(recut.changes, []);
    assert_eq!(recut.handles, []);
    let markers = |note: &&Note| !note.what.ends_with("marker(s): not taken over");
    assert_eq!(recut.notes.iter().filter(markers).collect::<Vec<_>>(), Vec::<&Note>::new());
}

const FORMS: [(Format, Kind); 4] = [
    (Format::Otio, Kind::Otio),
    (Format::Cmx3600, Kind::Edl),
    (Format::File32, Kind::Edl),
    (Format::Xmeml, Kind::Xmeml),
];

proptest! {
    #[test]
    fn exports_re_read_to_themselves((cut, base) in arbitrary::cut()) {
        for (format, kind) in FORMS {
            if let Some(recut) = round(&cut, &cut, &base, format, kind) {
                assert_same(&recut, &cut);
            }
        }
    }

    /// What comes back is what was cut, and something is told if and only if it is another cut.
    #[test]
    fn a_recut_is_read_exactly((before, after, base) in arbitrary::recut()) {
        for (format, kind) in FORMS {
            if let Some(recut) = round(&after, &before, &base, format, kind) {
                prop_assert_eq!(&recut.edits, &edits(&after));
                prop_assert_eq!(recut.changes.is_empty(), edits(&before) == edits(&after));
            }
        }
    }

    /// An editor may have had the other kind of export.
    #[test]
    fn stamped_and_unstamped_exports_are_the_same((cut, base) in arbitrary::cut()) {
        let mut unstamped = cut.clone();
        unstamped.clips.iter_mut().for_each(|clip| clip.picture.start = Frames(0));
        for (format, kind) in FORMS {
            for (written, present) in [(&cut, &unstamped), (&unstamped, &cut)] {
                if let Some(recut) = round(written, present, &base, format, kind) {
                    assert_same(&recut, present);
                }
            }
        }
    }
}

/// Two takes of 96 frames from 01:00:00:00.
fn cut() -> Timeline {
    cut_from("01:00:00:00")
}

fn cut_from(start: &str) -> Timeline {
    use crate::timeline::{Picture, Piece, Provenance, assemble};
    let start = crate::time::Timecode::parse(start, FrameRate::FPS_24).expect("a timecode");
    let piece = |take: &str| Piece {
        take: take.parse().expect("a take"),
        lane: crate::lane::Lane::Keep,
        picture: Picture {
            file: format!("picture/{take}.mov"),
            frames: Frames(96),
            start: Frames(0),
            width: 1280,
            height: 720,
            channels: 0,
        },
        stems: Vec::new(),
        provenance: Provenance::default(),
    };
    assemble("Kitchen", start, vec![piece("S1_A_T01"), piece("S1_B_T01")]).expect("a cut")
}

/// Where the clips lie in the cut from its start, and their first frames.
fn placed(text: &str, kind: Kind) -> Vec<(u64, u64, Source)> {
    let sequence = read(text.as_bytes(), kind, &cut()).unwrap_or_else(|faults| panic!("{text}: {faults:#?}"));
    let place = |event: &Event| (event.record.start.0 - 86_400, event.record.end.0 - 86_400, event.source);
    sequence.events.iter().map(place).collect()
}

/// What is told of a file that is refused: the line and what was found.
fn refused(text: &str, kind: Kind) -> Vec<(Option<u32>, String)> {
    let faults = read(text.as_bytes(), kind, &cut()).expect_err(text);
    faults.into_iter().map(|fault| (fault.place.line, fault.found)).collect()
}

/// A list with events below a header of two lines.
fn list(events: &str) -> String {
    format!("TITLE: X\r\nFCM: NON-DROP FRAME\r\n{}", events.replace('\n', "\r\n"))
}

#[test]
fn a_form_is_told_by_its_ending() {
    for (name, kind) in [("a.OTIO", Kind::Otio), ("b/c_file32.edl", Kind::Edl), ("x.y.xml", Kind::Xmeml)] {
        assert_eq!(Kind::of_name(name), Some(kind), "{name}");
    }
    assert_eq!(["a.fcpxml", "otio", "a.otioz", ""].map(Kind::of_name), [None; 4]);
}

#[test]
fn a_dissolve_becomes_a_cut_in_its_middle() {
    let text = list(
        "001  S1AA V C       00:00:00:00 00:00:02:00 01:00:00:00 01:00:02:00\n\
         002  S1AA V C       00:00:02:00 00:00:02:00 01:00:02:00 01:00:02:00\n\
         002  S1B V D    012 00:00:01:00 00:00:03:00 01:00:02:00 01:00:04:00\n\
         * FROM CLIP NAME: S1_A_T01.mov\n* TO CLIP NAME: S1_B_T01.mov\n",
    );
    assert_eq!(placed(&text, Kind::Edl), [(0, 54, Source::Timecode(0)), (54, 96, Source::Timecode(30))]);
    let sequence = read(text.as_bytes(), Kind::Edl, &cut()).expect("a list");
    assert_eq!((sequence.events[0].shown_after, sequence.events[1].shown_before), (6, 6));
    assert_eq!(sequence.events[1].clue.names, ["S1_B_T01.mov", "S1B"]);
    let recut = compare(&cut(), &cut(), &sequence, Frames(0));
    let told = recut.notes.iter().map(|note| note.what.as_str()).collect::<Vec<_>>();
    assert_eq!(
        told,
        [
            "a transition of 12 frame(s) becomes a cut",
            "the transition at S1_A_T01 needs 6 frame(s) after it (has 42)",
            "the transition at S1_B_T01 needs 6 frame(s) before it (has 30)",
        ]
    );
}

#[test]
fn lists_of_other_programs_are_read() {
    // Records from 00:00:00:00; a fade from black; a reel with a space; picture and sound in one event.
    let text = "TITLE: X\n\n\
        001  BL      V     C        00:00:00:00 00:00:00:00 00:00:00:00 00:00:00:00\n\
        001  S1A     V     D 012    00:00:00:00 00:00:01:00 00:00:00:00 00:00:01:00\n* TO CLIP NAME: S1_A_T01\n\
        002  MY REEL B     C        00:00:00:12 00:00:01:12 00:00:02:00 00:00:03:00\n* FROM CLIP NAME:  S1_B_T01\n";
    assert_eq!(placed(text, Kind::Edl), [(0, 24, Source::Timecode(0)), (48, 72, Source::Timecode(12))]);
    // Lines that end with a carriage return alone, letters of one byte, a mark of UTF-8.
    let old = b"\xEF\xBB\xBFTITLE: Caf\xE9\r001  S1A V C 00:00:00:00 00:00:01:00 01:00:00:00 01:00:01:00\r";
    let sequence = read(old, Kind::Edl, &cut()).expect("a list");
    assert_eq!((sequence.name.chars().count(), sequence.events.len()), (4, 1));
}

#[test]
fn all_that_is_wrong_with_a_list_is_told_at_once() {
    let text = list(
        "001  S1A V C        00:00:00:00 00:00:02:00 01:00:00:00 01:00:03:00\n\
         002  S1A V C        00:00:00:00 00:00:02:24 01:00:03:00 01:00:05:00\n\
         003  S1A V2 C       00:00:00:00 00:00:02:00 01:00:03:00 01:00:05:00\n\
         004  S1A V C        00:00:00:00 00:00:02:00 01:00:05:00 01:00:07:00\n\
         M2   S1A       048.0                00:00:00:00\n\
         005  S1A V K B      00:00:00:00 00:00:02:00 01:00:05:00 01:00:07:00\n\
         006 is not an event\n\
         007  S1B V C        00:00:00:00 00:00:02:00 01:00:06:00 01:00:08:00\n",
    );
    let found = refused(&text, Kind::Edl);
    let lines: Vec<Option<u32>> = found.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [Some(3), Some(4), Some(7), Some(6), Some(8), Some(9), Some(10), Some(10)], "{found:?}");
}

#[test]
fn drop_frame_lists_count_as_their_labels_do() {
    let rate: FrameRate = "29.97".parse().expect("a rate");
    let start = crate::time::Timecode::parse("01:00:00:00", rate).expect("a timecode");
    let cut = Timeline { start, ..cut() };
    let text = "FCM: DROP FRAME\n001  S1A V C 00:00:00:00 00:00:00:10 01:00:59:25 01:01:00:07\n";
    let sequence = read(text.as_bytes(), Kind::Edl, &cut).expect("a list");
    // 59 s and 25 frames after the start of the same digits.
    assert_eq!(sequence.events[0].record.start.0 - 108_000, 1795);
    assert_eq!(sequence.events[0].frames(), 10);
}

fn xmeml(items: &str) -> String {
    let rate = "<rate><timebase>24</timebase><ntsc>FALSE</ntsc></rate>";
    format!(
        "<?xml version=\"1.0\"?>\n<!DOCTYPE xmeml>\n<xmeml version=\"4\"><sequence><name>X</name>{rate}\
         <timecode><string>01:00:00:00</string><frame>86400</frame></timecode>\
         <media><video><track>\n{items}</track></video></media></sequence></xmeml>"
    )
}

fn clipitem(name: &str, start: i64, end: i64, first: i64, last: i64, more: &str) -> String {
    let edges = format!("<start>{start}</start><end>{end}</end><in>{first}</in><out>{last}</out>");
    format!("<clipitem><name>{name}</name>{edges}{more}</clipitem>\n")
}

#[test]
fn edges_within_a_transition_lie_where_it_is_aligned() {
    // A third of a second after the start, which Premiere says beside the alignment.
    let ticks = "center</alignment><cutPointTicks>84672000000</cutPointTicks><alignment>";
    for (alignment, at) in [("center", 96), ("start", 90), ("end-black", 102), (ticks, 98)] {
        let transition = format!(
            "<transitionitem><start>90</start><end>102</end><alignment>{alignment}</alignment></transitionitem>\n"
        );
        let (a, b) = (clipitem("S1_A_T01", 0, -1, 0, 102, ""), clipitem("S1_B_T01", -1, 150, 10, 70, ""));
        let text = xmeml(&format!("{a}{transition}{b}"));
        let source = 10 + at - 90;
        assert_eq!(
            placed(&text, Kind::Xmeml),
            [(0, at as u64, Source::Media(0)), (at as u64, 150, Source::Media(source))],
            "{alignment}"
        );
        let sequence = read(text.as_bytes(), Kind::Xmeml, &cut()).expect("a sequence");
        assert_eq!(sequence.events[0].shown_after as i64, 102 - at);
        assert_eq!(sequence.events[1].shown_before as i64, at - 90);
    }
}

#[test]
fn names_come_from_the_file_too() {
    let file = "<file id=\"f1\"><pathurl>file://localhost/a%20b/S1%5FA_T01.mov</pathurl></file>";
    let items = clipitem("renamed", 0, 10, 0, 10, file) + &clipitem("again", 10, 20, 5, 15, "<file id=\"f1\"/>");
    let sequence = read(xmeml(&items).as_bytes(), Kind::Xmeml, &cut()).expect("a sequence");
    let recut = compare(&cut(), &cut(), &sequence, Frames(0));
    assert!(recut.edits.iter().all(|edit| edit.take.to_string() == "S1_A_T01"), "{:?}", recut.edits);
    assert_eq!(recut.edits.len(), 2);
}

#[test]
fn all_that_is_wrong_with_a_sequence_is_told_at_once() {
    let speed = |speed: &str| {
        format!(
            "<filter><effect><effectid>timeremap</effectid><parameter><parameterid>speed</parameterid>\
             <value>{speed}</value></parameter></effect></filter>"
        )
    };
    let items = [
        clipitem("A", 0, 10, 0, 10, &speed("100")),
        clipitem("B", 10, 20, 0, 10, &speed("50")),
        clipitem("C", 20, 30, 0, 10, "<sequence><name>nested</name></sequence>"),
        clipitem("D", 30, 40, 0, 10, "<rate><timebase>24</timebase><ntsc>TRUE</ntsc></rate>"),
        clipitem("E", 35, 45, 0, 10, ""),
        clipitem("F", 50, -1, 0, 10, ""),
        "<clipitem><start>60</start><end>70.5</end><in>0</in><out>10</out></clipitem>".to_owned(),
    ];
    let found = refused(&xmeml(&items.concat()), Kind::Xmeml);
    let lines: Vec<Option<u32>> = found.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [Some(5), Some(6), Some(7), Some(9), Some(10), Some(8)], "{found:?}");
}

#[test]
fn numbers_at_the_edge_are_faults() {
    for number in [i64::MIN, i64::MIN + 1, i64::MAX] {
        let item =
            format!("<clipitem><name>S1_A_T01</name><start>{number}</start><end>10</end><in>{number}</in></clipitem>");
        assert!(!refused(&xmeml(&item), Kind::Xmeml).is_empty());
    }
}

/// Two takes either side of 24:00:00:00, of which the second begins at a label of the next day.
#[test]
fn a_list_goes_on_past_midnight() {
    let late = cut_from("23:59:56:00");
    let list = "TITLE: Late\nFCM: NON-DROP FRAME\n\n\
        001  S1A      V     C        00:00:00:00 00:00:04:00 23:59:56:00 00:00:00:00\n* FROM CLIP NAME: S1_A_T01\n\
        002  S1B      V     C        00:00:00:00 00:00:04:00 00:00:00:00 00:00:04:00\n* FROM CLIP NAME: S1_B_T01\n";
    let sequence = read(list.as_bytes(), Kind::Edl, &late).expect("a list");
    let recut = compare(&late, &late, &sequence, Frames(0));
    assert_eq!((recut.changes, recut.edits), (Vec::new(), edits(&late)));
}

/// A clip whose name says one take and whose file another is not guessed at.
#[test]
fn a_clip_that_says_two_takes_is_a_fault() {
    let file = "<file id=\"f1\"><pathurl>file://localhost/S1_B_T01.mov</pathurl></file>";
    let items = clipitem("S1_A_T01", 0, 10, 0, 10, file);
    let sequence = read(xmeml(&items).as_bytes(), Kind::Xmeml, &cut()).expect("a sequence");
    let faults = compare(&cut(), &cut(), &sequence, Frames(0)).faults;
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].found, "a clip whose name and file say S1_A_T01 and S1_B_T01");
}

#[test]
fn another_take_of_a_shot_stands_for_the_one_that_was_cut() {
    let items = clipitem("S1_A_T07", 0, 10, 0, 10, "");
    let sequence = read(xmeml(&items).as_bytes(), Kind::Xmeml, &cut()).expect("a sequence");
    let recut = compare(&cut(), &cut(), &sequence, Frames(0));
    assert_eq!(recut.edits[0].take.to_string(), "S1_A_T01");
    assert!(recut.notes.iter().any(|note| note.what == "S1_A_T01 stands for S1_A_T07"), "{:?}", recut.notes);
}

#[test]
fn documents_that_attack_are_refused() {
    let entity = "<!DOCTYPE x [<!ENTITY a \"b\">]><xmeml>&a;</xmeml>";
    assert_eq!(refused(entity, Kind::Xmeml), [(Some(1), "a DOCTYPE with declarations".to_owned())]);
    assert_eq!(refused("<xmeml>&b;</xmeml>", Kind::Xmeml), [(Some(1), "the entity b".to_owned())]);
    let deep = "<bin>".repeat(1000);
    assert_eq!(refused(&deep, Kind::Xmeml), [(Some(1), "elements 200 deep".to_owned())]);
    assert_eq!(refused("<xmeml>\n<sequence>", Kind::Xmeml), [(Some(2), "the end, within an element".to_owned())]);
    assert_eq!(refused(&"[".repeat(10_000), Kind::Otio).len(), 1);
    assert_eq!(refused(&"{".repeat(3_000_000), Kind::Otio), [(None, "more than two million objects".to_owned())]);
    assert_eq!(refused("9".repeat(100_000).as_str(), Kind::Edl).len(), 1);
    assert!(read(b"\xFF\xFE<\0", Kind::Xmeml, &cut()).is_err());
    assert_eq!(read(b"{\n\xC3", Kind::Otio, &cut()).expect_err("no text")[0].place.line, Some(2));
    let wide = xmeml(&format!("<clipitem>{}</clipitem>", "<in/>".repeat(100_001)));
    assert_eq!(refused(&wide, Kind::Xmeml).len(), 1);
}

/// An OpenTimelineIO document with one picture track.
fn otio(track: &str, children: &[&str]) -> String {
    format!(
        "{{\"OTIO_SCHEMA\": \"Timeline.1\", \"tracks\": {{\"OTIO_SCHEMA\": \"Stack.1\", \"children\": [\
         {{\"OTIO_SCHEMA\": \"Track.1\", \"kind\": \"Video\", {track}\"children\": [{}]}}]}}}}",
        children.join(", ")
    )
}

fn range(start: f64, frames: f64, rate: f64) -> String {
    let time = |value: f64| format!("{{\"OTIO_SCHEMA\": \"RationalTime.1\", \"rate\": {rate}, \"value\": {value}}}");
    format!("{{\"OTIO_SCHEMA\": \"TimeRange.1\", \"start_time\": {}, \"duration\": {}}}", time(start), time(frames))
}

fn clip(name: &str, used: &str, more: &str) -> String {
    format!("{{\"OTIO_SCHEMA\": \"Clip.2\", \"name\": \"{name}\", \"source_range\": {used}{more}}}")
}

#[test]
fn otio_counts_from_the_available_range_and_the_tracks_own() {
    let media = format!(
        ", \"media_reference\": {{\"OTIO_SCHEMA\": \"ExternalReference.1\", \"available_range\": {}}}",
        range(1000.0, 96.0, 24.0)
    );
    let gap = format!("{{\"OTIO_SCHEMA\": \"Gap.1\", \"source_range\": {}}}", range(0.0, 6.0, 24.0));
    let (a, b) = (clip("A", &range(1012.0, 30.0, 24.0), &media), clip("B", &range(0.0, 20.0, 24.0), ""));
    let fade = "{\"OTIO_SCHEMA\": \"Transition.1\", \"in_offset\": {\"rate\": 24, \"value\": 4}, \
                \"out_offset\": {\"rate\": 24, \"value\": 2}}";
    let text = otio("", &[&gap, &a, fade, &b]);
    assert_eq!(placed(&text, Kind::Otio), [(6, 36, Source::Media(12)), (36, 56, Source::Timecode(0))]);
    let sequence = read(text.as_bytes(), Kind::Otio, &cut()).expect("a timeline");
    assert_eq!((sequence.events[0].shown_after, sequence.events[1].shown_before), (2, 4));
    let trimmed = otio(&format!("\"source_range\": {}, ", range(10.0, 30.0, 24.0)), &[&gap, &a, &b]);
    assert_eq!(placed(&trimmed, Kind::Otio), [(0, 26, Source::Media(16)), (26, 30, Source::Timecode(0))]);
    let adapter = otio(&format!("\"source_range\": {}, ", range(-86_400.0, 50.0, 24.0)), &[&a, &b]);
    assert_eq!(placed(&adapter, Kind::Otio), [(0, 30, Source::Media(12)), (30, 50, Source::Timecode(0))]);
}

#[test]
fn all_that_is_wrong_with_a_timeline_is_told_at_once() {
    let good = range(0.0, 10.0, 24.0);
    let warp = ", \"effects\": [{\"OTIO_SCHEMA\": \"LinearTimeWarp.1\", \"time_scalar\": 2.0}]";
    let nested = format!("{{\"OTIO_SCHEMA\": \"Stack.1\", \"source_range\": {good}}}");
    let children = [
        clip("A", &range(0.0, 10.0, 23.976_023_976), ""),
        clip("B", &range(0.5, 10.0, 24.0), ""),
        clip("C", &good, warp),
        nested,
        clip("D", &range(0.0, -1.0, 24.0), ""),
        clip("E", &range(0.0, 1e300, 24.0), ""),
        "{\"OTIO_SCHEMA\": \"Clip.2\"}".to_owned(),
    ];
    let children: Vec<&str> = children.iter().map(String::as_str).collect();
    assert_eq!(refused(&otio("", &children), Kind::Otio).len(), 7);
    let text = otio("", &[&clip("A", &good, "")]);
    let track = text.split_once("\"children\": [").and_then(|(_, rest)| rest.rsplit_once("]}}")).expect("a track").0;
    let double = text.replacen(track, &format!("{track}, {track}"), 1);
    assert_eq!(refused(&double, Kind::Otio), [(None, "a second picture track with clips".to_owned())]);
}

#[test]
fn rates_are_read_as_people_round_them() {
    let cut = Timeline {
        start: crate::time::Timecode::parse("01:00:00:00", "23.976".parse().expect("a rate")).expect("a timecode"),
        ..cut()
    };
    for rate in [23.976, 23.98, 24_000.0 / 1001.0] {
        assert!(
            read(otio("", &[&clip("A", &range(0.0, 10.0, rate), "")]).as_bytes(), Kind::Otio, &cut).is_ok(),
            "{rate}"
        );
    }
    assert!(read(otio("", &[&clip("A", &range(0.0, 10.0, 24.0), "")]).as_bytes(), Kind::Otio, &cut).is_err());
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        for kind in [Kind::Otio, Kind::Edl, Kind::Xmeml] {
            let _ = read(&bytes, kind, &cut());
        }
    }

    /// Exports with a stretch replaced by anything.
    #[test]
    fn no_broken_export_panics(
        (cut, base) in arbitrary::cut(), at in any::<proptest::sample::Index>(), length in 0_usize..40,
        put in "[-0-9:;.eE\"<>/a-z{}\\[\\], ]{0,12}",
    ) {
        for (format, kind) in FORMS {
            let Ok(export) = export::write(&cut, format, Links("")) else { continue };
            let mut bytes = export.content;
            let at = at.index(bytes.len());
            bytes.splice(at..(at + length).min(bytes.len()), put.bytes());
            if let Ok(sequence) = read(&bytes, kind, &cut) {
                let recut = compare(&cut, &base, &sequence, Frames(10));
                prop_assert!(!recut.faults.is_empty() || base.recut(&recut.edits).is_ok());
            }
        }
    }
}
