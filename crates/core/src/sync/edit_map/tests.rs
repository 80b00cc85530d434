//! Maps counted by hand, and what holds of every map.

use proptest::prelude::*;

use super::*;

fn range(start: u64, end: u64) -> TimeRange<Samples> {
    TimeRange { start: Samples(start), end: Samples(end) }
}

fn phrase(source: (u64, u64), expected: u64, found: Option<(u64, u64)>) -> PhraseSync {
    let found = found.map(|(start, end)| range(start, end));
    PhraseSync { reference: 1, source: range(source.0, source.1), expected: Samples(expected), found, confidence: 0.8 }
}

fn rigid(phrases: &[PhraseSync], reference: u64, clip: u64) -> EditMap {
    plan(phrases, &[Samples(reference)], Samples(clip), Mode::Rigid)
}

#[test]
fn a_phrase_is_moved_so_that_both_ends_are_off_alike() {
    // 48 000 samples that were heard in 50 000: the middle of what was heard is 45 000.
    let map = rigid(&[phrase((10_000, 58_000), 10_000, Some((20_000, 70_000)))], 100_000, 192_000);
    let event = map.events[0];
    assert_eq!((event.words, event.moved), (range(21_000, 69_000), 0));
    assert_eq!((event.start_error, event.end_error), (Some(1000), Some(-1000)));
    // 100 ms of pause on either side, 5 ms of each faded.
    assert_eq!((event.source, event.record), (range(5200, 62_800), range(16_200, 73_800)));
    assert_eq!((event.fade_in, event.fade_out, event.stretch_ppm()), (Samples(240), Samples(240), 0));
}

#[test]
fn a_phrase_is_stretched_as_far_as_allowed_and_no_further() {
    let stretched = |found: (u64, u64)| {
        let phrase = phrase((10_000, 60_000), 10_000, Some(found));
        plan(&[phrase], &[Samples(100_000)], Samples(192_000), Mode::Stretched).events[0]
    };
    // 2 % longer: as it was heard. Its pauses too: 4800 become 4896.
    let event = stretched((20_000, 71_000));
    assert_eq!((event.words, event.start_error, event.end_error), (range(20_000, 71_000), Some(0), Some(0)));
    assert_eq!((event.source, event.record), (range(5200, 64_800), range(15_104, 75_896)));
    assert_eq!(event.stretch_ppm(), 20_000);
    // 10 % longer: 4 %, and what is left is shared.
    let event = stretched((20_000, 75_000));
    assert_eq!((event.words, event.start_error, event.end_error), (range(21_500, 73_500), Some(1500), Some(-1500)));
    // 10 % shorter likewise.
    let event = stretched((20_000, 65_000));
    assert_eq!((event.words, event.start_error, event.end_error), (range(18_500, 66_500), Some(-1500), Some(1500)));
}

#[test]
fn pauses_are_shared_in_the_recording_and_in_the_clip() {
    // Between them 2000 samples in the recording and 300 in the clip.
    let phrases =
        [phrase((0, 20_000), 0, Some((5000, 25_000))), phrase((22_000, 40_000), 22_000, Some((25_300, 43_300)))];
    let map = rigid(&phrases, 40_000, 43_400);
    assert_eq!((map.events[0].source, map.events[0].record), (range(0, 20_150), range(5000, 25_150)));
    assert_eq!((map.events[1].source, map.events[1].record), (range(21_850, 40_000), range(25_150, 43_300)));
    // No pause before the first and after the last: no fade either.
    assert_eq!((map.events[0].fade_in, map.events[0].fade_out), (Samples(0), Samples(150)));
}

#[test]
fn a_phrase_in_the_way_pushes_the_next_just_enough() {
    // 30 000 that were heard in 20 000 end 5000 too late, 4000 into the next.
    let phrases =
        [phrase((0, 30_000), 0, Some((10_000, 30_000))), phrase((40_000, 60_000), 40_000, Some((31_000, 51_000)))];
    let map = rigid(&phrases, 60_000, 96_000);
    assert_eq!((map.events[0].words, map.events[1].words), (range(5000, 35_000), range(35_000, 55_000)));
    assert_eq!((map.events[1].moved, map.events[1].start_error), (4000, Some(4000)));
}

#[test]
fn no_phrase_is_cut_at_the_clips_end() {
    // 48 000 heard in 44 000, up to the end: 2000 too long there, so it ends with the clip.
    let map = rigid(&[phrase((0, 48_000), 0, Some((52_000, 96_000)))], 50_000, 96_000);
    assert_eq!((map.events[0].words, map.events[0].moved), (range(48_000, 96_000), -2000));
    assert_eq!(map.events[0].record, range(48_000, 96_000));
    // Two phrases where there is room for one: the second is left out whole, not cut by 6000.
    let phrases =
        [phrase((0, 60_000), 0, Some((0, 50_000))), phrase((60_000, 104_000), 60_000, Some((52_000, 96_000)))];
    let map = rigid(&phrases, 104_000, 96_000);
    assert_eq!(map.events.len(), 1);
    assert_eq!((map.left_out[0].phrase, map.left_out[0].why), (1, Why::PastTheEnd { lost: Samples(8000) }));
    // One that is longer than the clip.
    let map = rigid(&[phrase((0, 48_000), 0, Some((0, 30_000)))], 48_000, 40_000);
    assert_eq!(map.left_out[0].why, Why::PastTheEnd { lost: Samples(8000) });
}

#[test]
fn what_was_not_heard_lies_where_it_was_asked_for_or_nowhere() {
    let phrases = [
        phrase((0, 10_000), 0, None),
        phrase((20_000, 30_000), 20_000, Some((22_000, 32_000))),
        phrase((40_000, 50_000), 40_000, None),
        phrase((51_000, 60_000), 51_000, Some((48_000, 57_000))),
        phrase((70_000, 80_000), 70_000, None),
    ];
    let map = rigid(&phrases, 80_000, 79_000);
    let laid: Vec<_> = map.events.iter().map(|event| (event.phrase, event.words, event.measured)).collect();
    assert_eq!(
        laid,
        [(0, range(0, 10_000), false), (1, range(22_000, 32_000), true), (3, range(48_000, 57_000), true)]
    );
    let left: Vec<_> = map.left_out.iter().map(|left| (left.phrase, left.why)).collect();
    assert_eq!(left, [(2, Why::InTheWay), (4, Why::PastTheEnd { lost: Samples(1000) })]);
}

#[test]
fn two_recordings_may_sound_at_once_and_a_third_is_not_there() {
    let one = phrase((0, 10_000), 0, Some((0, 10_000)));
    let other = |reference| PhraseSync { reference, ..one };
    let phrases = [other(2), one, other(3), other(0), phrase((5, 5), 0, None), phrase((0, 10_001), 0, None)];
    let map = plan(&phrases, &[Samples(10_000), Samples(10_000)], Samples(20_000), Mode::Rigid);
    assert_eq!(map.events.iter().map(|event| (event.phrase, event.reference)).collect::<Vec<_>>(), [(1, 1), (0, 2)]);
    let why: Vec<Why> = map.left_out.iter().map(|left| left.why).collect();
    assert_eq!(why, [Why::NoRecording, Why::NoRecording, Why::OutsideRecording, Why::OutsideRecording]);
}

#[test]
fn the_table_has_a_row_for_each_phrase() {
    let phrases = [
        phrase((10_000, 58_000), 10_000, Some((20_000, 70_000))),
        phrase((60_000, 70_000), 100_000, None),
        phrase((80_000, 90_000), 190_000, None),
    ];
    let text = csv(&rigid(&phrases, 100_000, 192_000));
    let rows: Vec<&str> = text.split("\r\n").collect();
    assert_eq!(rows.len(), 5);
    assert_eq!(rows[1], "1,REF1,measured,5200,59000,16200,70000,21000,69000,240,240,0,1000,-1000,0,");
    assert_eq!(rows[2], "2,REF1,unmeasured,59000,74800,99000,114800,100000,110000,240,240,0,,,0,");
    assert_eq!(rows[3], "3,REF1,left out: past_the_end,80000,90000,,,,,,,,,,,8000");
    let commas = |row: &str| row.matches(',').count();
    assert!(rows[..4].iter().all(|row| commas(row) == 15), "{text}");
}

fn check(phrases: &[PhraseSync], references: &[Samples], clip: Samples, mode: Mode) {
    let map = plan(phrases, references, clip, mode);
    let mut seen: Vec<usize> = map.events.iter().map(|event| event.phrase).collect();
    seen.extend(map.left_out.iter().map(|left| left.phrase));
    seen.sort_unstable();
    assert_eq!(seen, (0..phrases.len()).collect::<Vec<_>>(), "each phrase once");
    for event in &map.events {
        let own = phrases[event.phrase].source;
        let reference = references[event.reference as usize - 1];
        assert!(event.source.start <= own.start && own.end <= event.source.end && event.source.end <= reference);
        assert!(event.record.start <= event.words.start && event.words.end <= event.record.end);
        assert!(event.record.end <= clip && event.words.start < event.words.end);
        assert!(event.words.start.0 - event.record.start.0 >= event.fade_in.0);
        assert!(event.record.end.0 - event.words.end.0 >= event.fade_out.0);
        let (laid, length) = (u128::from(event.words.length().0) * 100, u128::from(own.length().0));
        match mode {
            Mode::Rigid => assert_eq!(event.source.length(), event.record.length()),
            Mode::Stretched => assert!(laid >= length * 96 && laid <= length * 104),
        }
        for other in phrases.iter().filter(|other| other.reference == event.reference && other.source != own) {
            // No cut within any phrase that does not itself overlap this one.
            let (cuts, there) = ([event.source.start, event.source.end], other.source);
            let apart = there.end <= own.start || own.end <= there.start;
            assert!(!apart || cuts.iter().all(|cut| *cut <= there.start || there.end <= *cut));
        }
    }
    for pair in map.events.windows(2).filter(|pair| pair[0].reference == pair[1].reference) {
        assert!(pair[0].record.end <= pair[1].record.start, "no overlap");
        assert!(phrases[pair[0].phrase].source.start <= phrases[pair[1].phrase].source.start, "order kept");
    }
}

/// Phrases one after another in a recording, heard near where they were asked for, or anywhere, or not.
fn spoken() -> impl Strategy<Value = Vec<PhraseSync>> {
    let one = (0_u64..9000, 1_u64..40_000, prop::option::of((-9000_i64..9000, 900_u64..1100)), 1_u32..4, any::<bool>());
    prop::collection::vec(one, 0..8).prop_map(|parts| {
        let mut end = 0;
        let phrases = parts.into_iter().map(|(pause, length, heard, reference, wild)| {
            let source = range(end + pause, end + pause + length);
            end = source.end.0;
            let found = heard.map(|(offset, thousandths)| {
                let start = if wild { offset.unsigned_abs() * 9 } else { source.start.0.saturating_add_signed(offset) };
                range(start, start + (length * thousandths / 1000).max(1))
            });
            PhraseSync { reference, source, expected: source.start, found, confidence: 1.0 }
        });
        phrases.collect()
    })
}

proptest! {
    #[test]
    fn every_map_is_whole(phrases in spoken(), clip in 0_u64..300_000, stretched: bool) {
        let mode = if stretched { Mode::Stretched } else { Mode::Rigid };
        check(&phrases, &[Samples(250_000), Samples(400_000)], Samples(clip), mode);
    }

    #[test]
    fn any_numbers_make_a_whole_map(
        numbers in prop::collection::vec(any::<(u64, u64, u64, Option<(u64, u64)>)>(), 0..5),
        clip: u64,
        stretched: bool,
    ) {
        let phrases: Vec<PhraseSync> =
            numbers.into_iter().map(|(start, end, expected, found)| phrase((start, end), expected, found)).collect();
        let mode = if stretched { Mode::Stretched } else { Mode::Rigid };
        check(&phrases, &[Samples(u64::MAX)], Samples(clip), mode);
    }
}
