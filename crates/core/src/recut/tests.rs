//! Edits of an editor, by hand, and what is told of them.

use proptest::prelude::*;

use super::*;
use crate::import::{Kind, read};
use crate::lane::Lane;
use crate::timeline::{Picture, Piece, Provenance, Role, assemble};

/// Clips of 96 frames from 01:00:00:00, each one called by a letter.
fn cut(takes: &str) -> Timeline {
    let start = Timecode::parse("01:00:00:00", FrameRate::FPS_24).expect("a timecode");
    let piece = |letter: char| Piece {
        take: format!("S1_{letter}_T01").parse().expect("a take"),
        lane: Lane::Strip,
        picture: Picture {
            file: format!("picture/S1_{letter}_T01.mov"),
            frames: Frames(96),
            start: Frames(0),
            width: 1280,
            height: 720,
            channels: 0,
        },
        stems: vec![(Role::Guide, format!("audio/S1_{letter}_T01_GUIDE.wav"), 2, Vec::new())],
        provenance: Provenance::default(),
    };
    assemble("Kitchen", start, takes.chars().map(piece).collect()).expect("a cut")
}

/// A stretch of a take by its letter, from a frame of it, so long, at a frame of the cut.
type Cut = (char, i64, u64, u64);

fn sequence(cuts: &[Cut]) -> Sequence {
    let event = |(letter, from, frames, at): &Cut| Event {
        clue: crate::import::Clue { names: vec![format!("S1_{letter}_T01.mov")], reel: None },
        place: crate::import::Place::default(),
        source: Source::Media(*from),
        record: TimeRange { start: Frames(86_400 + at), end: Frames(86_400 + at + frames) },
        shown_before: 0,
        shown_after: 0,
    };
    Sequence {
        name: String::new(),
        rate: FrameRate::FPS_24,
        start: None,
        events: cuts.iter().map(event).collect(),
        sound: Vec::new(),
        notes: Vec::new(),
    }
}

/// The changes from whole clips to a sequence, in short words.
fn check(before: &str, after: &[Cut], expected: &[&str]) {
    let (cut, base) = (cut(before), cut("ABCDEFGH"));
    let recut = compare(&cut, &base, &sequence(after), Frames(0));
    let words: Vec<String> = recut.changes.iter().map(|change| change.words(&cut).replace("S1_", "")).collect();
    assert_eq!(words, expected, "{before} to {after:?}");
    assert!(base.recut(&recut.edits).is_ok());
}

#[test]
fn each_edit_is_one_change() {
    let [a, b, c] = [('A', 0, 96, 0), ('B', 0, 96, 96), ('C', 0, 96, 192)];
    check("ABC", &[a, b, c], &[]);
    check(
        "ABC",
        &[('A', 12, 78, 0), ('B', 0, 96, 78), ('C', 0, 96, 174)],
        &["A_T01 trimmed: head 12 frame(s) shorter, tail 6 frame(s) shorter"],
    );
    check("ABC", &[('B', 0, 96, 0), ('A', 0, 96, 96), c], &["A_T01 moved from place 1 to place 2"]);
    check(
        "ABCD",
        &[b, c, ('D', 0, 96, 288), ('A', 0, 96, 384)].map(|(t, f, n, at)| (t, f, n, at - 96)),
        &["A_T01 moved from place 1 to place 4"],
    );
    check("ABC", &[a, ('C', 0, 96, 96)], &["B_T01 dropped from 01:00:04:00"]);
    check("ABC", &[('B', 0, 96, 0), ('C', 0, 96, 96)], &["A_T01 dropped from 01:00:00:00"]);
    check("ABC", &[a, c], &["B_T01 dropped from 01:00:04:00", "a gap of 96 frame(s) before C_T01, where 0 had been"]);
    check(
        "AB",
        &[('A', 0, 90, 0), b],
        &["A_T01 trimmed: tail 6 frame(s) shorter", "a gap of 6 frame(s) before B_T01, where 0 had been"],
    );
    check("AB", &[a, b, ('A', 0, 96, 192)], &["A_T01 once more at 01:00:08:00"]);
    check("AB", &[a, b, ('H', 10, 20, 192)], &["H_T01 added at 01:00:08:00"]);
}

/// What an editor does to a clip of a longer cut; all that follows moves along.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Keep,
    Drop,
    Trim(i64, i64),
    Split(i64),
    Again,
}

fn deeds() -> impl Strategy<Value = Vec<(Deed, u64)>> {
    let deed = prop_oneof![
        6 => Just(Deed::Keep),
        1 => Just(Deed::Drop),
        1 => (0_i64..40, 0_i64..40).prop_filter("a trim", |(a, b)| a + b > 0).prop_map(|(a, b)| Deed::Trim(a, b)),
        1 => (1_i64..96).prop_map(Deed::Split),
        1 => Just(Deed::Again),
    ];
    // The gap before each clip stands in the cut already.
    proptest::collection::vec((deed, prop_oneof![4 => Just(0_u64), 1 => 1_u64..30]), 2..40)
}

proptest! {
    #[test]
    fn the_list_names_exactly_the_edits(deeds in deeds()) {
        let mut before = cut("A");
        let one = before.clips.remove(0);
        let (mut at, mut now, mut after, mut expected) = (86_400, 86_400_u64, Vec::new(), Vec::new());
        let named = |number: usize| format!("S{number}_T01").parse::<TakeId>().expect("a take");
        for (number, (deed, gap)) in deeds.iter().enumerate() {
            let take = named(number);
            let record_start = Frames(at + gap);
            let clip = Clip { take: take.clone(), reel: format!("R{number}"), record_start, ..one.clone() };
            at = clip.record_end().0;
            before.clips.push(clip);
            let parts: Vec<(i64, i64)> = match *deed {
                Deed::Keep => vec![(0, 96)],
                Deed::Drop => {
                    expected.push(Change::Dropped { take, record_start });
                    // The gap goes too.
                    continue;
                }
                Deed::Trim(head, tail) => {
                    expected.push(Change::Trimmed { take, head, tail });
                    vec![(head, 96 - head - tail)]
                }
                Deed::Split(first) => {
                    expected.push(Change::Split { take, parts: 2, lost: Frames(0) });
                    vec![(0, first), (first, 96 - first)]
                }
                Deed::Again => {
                    expected.push(Change::Repeated { take, record_start: Frames(now + gap + 96) });
                    vec![(0, 96), (0, 96)]
                }
            };
            now += gap;
            for (from, frames) in parts {
                after.push((named(number), from, frames.unsigned_abs(), now));
                now += frames.unsigned_abs();
            }
        }
        let event = sequence(&[('A', 0, 96, 0)]).events.remove(0);
        let mut laid = sequence(&[]);
        for (take, from, frames, record) in &after {
            let clue = crate::import::Clue { names: vec![take.to_string()], reel: None };
            let record = TimeRange { start: Frames(*record), end: Frames(record + frames) };
            laid.events.push(Event { clue, source: Source::Media(*from), record, ..event.clone() });
        }
        let recut = compare(&before, &before, &laid, Frames(0));
        let is_drop = |change: &Change| matches!(change, Change::Dropped { .. });
        let (mut sorted, rest): (Vec<Change>, Vec<Change>) = expected.into_iter().partition(is_drop);
        sorted.extend(rest);
        prop_assert_eq!(recut.changes, sorted);
    }
}

#[test]
fn a_slip_is_a_trim_of_both_ends() {
    let mut before = cut("AB");
    before.clips[0].from = Frames(10);
    before.clips[0].frames = Frames(86);
    let recut = compare(&before, &cut("AB"), &sequence(&[('A', 4, 86, 0), ('B', 0, 96, 96)]), Frames(0));
    let take = "S1_A_T01".parse().expect("a take");
    assert_eq!(recut.changes, [Change::Trimmed { take, head: -6, tail: 6 }]);
}

#[test]
fn a_clip_in_two_is_one_split() {
    check("AB", &[('A', 0, 40, 0), ('A', 40, 56, 40), ('B', 0, 96, 96)], &["A_T01 split into 2"]);
    check("AB", &[('A', 0, 40, 0), ('B', 0, 96, 40), ('A', 40, 56, 136)], &["A_T01 split into 2"]);
    check("AB", &[('A', 0, 40, 0), ('A', 50, 46, 40), ('B', 0, 96, 86)], &["A_T01 split into 2, 10 frame(s) lost"]);
    check(
        "AA",
        &[('A', 0, 96, 0), ('A', 10, 20, 96)],
        &["A_T01 trimmed: head 10 frame(s) shorter, tail 66 frame(s) shorter"],
    );
}

#[test]
fn two_parts_in_one_are_joined() {
    let mut before = cut("AB");
    let mut second = before.clips[0].clone();
    before.clips[0].frames = Frames(40);
    (second.from, second.frames, second.record_start) = (Frames(40), Frames(56), Frames(86_440));
    before.clips.insert(1, second);
    let recut = compare(&before, &cut("AB"), &sequence(&[('A', 0, 96, 0), ('B', 0, 96, 96)]), Frames(0));
    assert_eq!(recut.changes, [Change::Joined { take: "S1_A_T01".parse().expect("a take"), parts: 1 }]);
}

#[test]
fn what_is_not_ours_is_told_and_its_place_stays_empty() {
    let mut foreign = sequence(&[('A', 0, 96, 0), ('X', 0, 50, 96), ('B', 0, 96, 146)]);
    foreign.events[1].clue.names = vec!["S1_A.mov".to_owned()];
    let recut = compare(&cut("AB"), &cut("AB"), &foreign, Frames(0));
    let record = TimeRange { start: Frames(86_496), end: Frames(86_546) };
    assert_eq!(recut.changes, [Change::Foreign { name: "S1_A.mov".to_owned(), record }]);
    assert_eq!(recut.edits[1].record_start, Frames(86_546));
}

#[test]
fn what_a_take_does_not_have_leaves_a_gap_and_is_told() {
    let after = sequence(&[('A', -12, 120, 0), ('B', 0, 96, 120)]);
    let recut = compare(&cut("AB"), &cut("AB"), &after, Frames(0));
    let take: TakeId = "S1_A_T01".parse().expect("a take");
    assert_eq!(recut.changes, [Change::Trimmed { take: take.clone(), head: -12, tail: -12 }]);
    assert_eq!((recut.edits[0].from, recut.edits[0].frames), (Frames(0), Frames(96)));
    assert_eq!((recut.edits[0].record_start, recut.edits[1].record_start), (Frames(86_412), Frames(86_520)));
    let handle = &recut.handles[0];
    assert_eq!((handle.lost_head, handle.lost_tail, handle.seconds_needed), (Frames(12), Frames(12), Some(5)));
    assert_eq!(recut.handles.len(), 1);
}

#[test]
fn handles_that_are_asked_for_are_told_of_every_clip() {
    let after = sequence(&[('A', 12, 80, 0), ('B', 0, 96, 80)]);
    let recut = compare(&cut("AB"), &cut("AB"), &after, Frames(24));
    let of = |index: usize| {
        let handle = &recut.handles[index];
        [handle.head, handle.tail, handle.missing_head, handle.missing_tail].map(|frames| frames.0)
    };
    assert_eq!((of(0), of(1)), ([12, 4, 12, 20], [0, 0, 24, 24]));
    // 12 + 80 + 24 frames, and 96 + 24.
    assert_eq!((recut.handles[0].seconds_needed, recut.handles[1].seconds_needed), (Some(5), Some(5)));
}

#[test]
fn labels_of_any_export_are_counted_from_the_files_first_frame() {
    let df = Timecode::parse("01:00:00;00", "29.97".parse().expect("a rate")).expect("a timecode");
    let ndf = Timecode::parse("01:00:00:00", FrameRate::FPS_24).expect("a timecode");
    for (start, own, label, expected) in [
        (ndf, "00:00:00:00", "00:00:01:00", 24),
        (ndf, "00:00:00:00", "01:03:00:10", 10),
        (ndf, "01:03:00:00", "01:03:00:10", 10),
        (ndf, "01:03:00:00", "01:02:59:20", -4),
        (ndf, "01:03:00:00", "01:02:00:10", 10),
        (ndf, "01:03:00:00", "00:00:00:10", 10),
        (df, "00:00:00;00", "01:03:00;12", 10),
        (df, "00:00:00;00", "01:10:00;12", 12),
        (df, "01:03:00;02", "01:03:00;12", 10),
    ] {
        let frame = |label: &str| Timecode::parse(label, start.rate()).expect("a label").frames();
        let found = from_timecode(signed(frame(label)), frame(own), Frames(96), start);
        assert_eq!(found, expected, "{label}, own {own}");
    }
}

#[test]
fn sound_off_its_picture_is_a_note() {
    let list = "TITLE: X\nFCM: NON-DROP FRAME\n\
        001  S1A V C 00:00:00:00 00:00:04:00 01:00:00:00 01:00:04:00\n* FROM CLIP NAME: S1_A_T01.mov\n\
        002  S1A A C 01:00:00:00 01:00:03:20 01:00:00:04 01:00:04:00\n* FROM CLIP NAME: S1_A_T01_GUIDE.wav\n\
        003  S1B A C 01:00:04:00 01:00:08:00 01:00:04:00 01:00:08:00\n* FROM CLIP NAME: S1_B_T01_GUIDE.wav\n";
    let cut = cut("AB");
    let recut = compare(&cut, &cut, &read(list.as_bytes(), Kind::Edl, &cut).expect("a list"), Frames(0));
    let notes: Vec<&str> = recut.notes.iter().map(|note| note.what.as_str()).collect();
    assert_eq!(
        notes,
        [
            "the sound S1_A_T01_GUIDE lies 4 frame(s) off its picture: not taken over",
            "the sound S1_B_T01_GUIDE lies without its picture: not taken over",
        ]
    );
}

#[test]
fn ten_thousand_clips_backwards_are_all_but_one_moved() {
    let one = cut("A");
    let mut base = Timeline { clips: Vec::new(), ..one.clone() };
    for number in 0..10_000_u64 {
        let take = format!("S{number}_T01").parse().expect("a take");
        base.clips.push(Clip {
            take,
            reel: format!("R{number}"),
            record_start: Frames(86_400 + number * 96),
            ..one.clips[0].clone()
        });
    }
    let mut after = sequence(&[('A', 0, 96, 0)]);
    let event = after.events.remove(0);
    for (place, clip) in (0..).zip(base.clips.iter().rev()) {
        let start = 86_400 + place * 96;
        let record = TimeRange { start: Frames(start), end: Frames(start + 96) };
        let clue = crate::import::Clue { names: vec![clip.take.to_string()], reel: None };
        after.events.push(Event { clue, record, ..event.clone() });
    }
    let recut = compare(&base, &base, &after, Frames(0));
    assert_eq!(recut.changes.len(), 9_999);
    assert!(recut.changes.iter().all(|change| matches!(change, Change::Moved { .. })));
}
