//! Places, reels and recuts.

use super::*;
use crate::time::FrameRate;

fn piece(take: &str, frames: u64) -> Piece {
    let take: TakeId = take.parse().expect("a take");
    let picture = Picture {
        file: format!("picture/{take}.mp4"),
        frames: Frames(frames),
        start: Frames(0),
        width: 1280,
        height: 720,
        channels: 0,
    };
    let stems = vec![(Role::Guide, format!("audio/{take}_GUIDE.wav"), 2, Vec::new())];
    Piece { take, lane: Lane::Strip, picture, stems, provenance: Provenance::default() }
}

fn cut_at(rate: &str, pieces: Vec<Piece>) -> Timeline {
    let start = Timecode::parse("01:00:00:00", rate.parse().expect("a rate")).expect("a timecode");
    assemble("Cut", start, pieces).expect("a short cut")
}

fn cut(pieces: Vec<Piece>) -> Timeline {
    cut_at("24", pieces)
}

#[test]
fn clips_lie_end_to_end_and_stems_begin_with_them() {
    let timeline = cut(vec![piece("A_T01", 96), piece("B_T01", 121), piece("C_T02", 360)]);
    let starts: Vec<u64> = timeline.clips.iter().map(|clip| clip.record_start.0).collect();
    assert_eq!(starts, [86_400, 86_496, 86_617]);
    let stem = &timeline.clips[2].stems[0];
    assert_eq!((stem.time_reference.0, stem.samples.0), (86_617 * 2000, 720_000));
    let start = Timecode::parse("01:00:00:00", FrameRate::FPS_24).expect("a timecode");
    assert_eq!(assemble("Cut", start, vec![piece("A_T01", 0)]), None);
}

proptest::proptest! {
    #[test]
    fn a_thousand_shots_end_on_the_sample_of_their_frame(
        lengths in proptest::collection::vec(1_u64..500, 1000),
        rate in proptest::sample::select(vec!["24", "25", "30", "24000/1001", "30000/1001", "60000/1001"]),
    ) {
        let rate: FrameRate = rate.parse().expect("a rate");
        let start = Timecode::parse("01:00:00:00", rate).expect("a timecode");
        let pieces = lengths.iter().enumerate().map(|(index, frames)| piece(&format!("S{index}_T01"), *frames));
        let timeline = assemble("Cut", start, pieces.collect()).expect("a short cut");
        let places = timeline.places().expect("a short cut");
        proptest::prop_assert!(places.windows(2).all(|pair| pair[0].end == pair[1].start));
        // The reel's length by fractions: frames × 48000 × den / num, counted from midnight at both ends.
        let sample = |frames: u64| {
            let (num, den) = (u128::from(rate.num()), u128::from(rate.den()));
            (2 * u128::from(frames) * 48_000 * den + num) / (2 * num)
        };
        let first = start.frames().0;
        let total = sample(first + lengths.iter().sum::<u64>()) - sample(first);
        proptest::prop_assert_eq!(u128::from(places[999].end.0), total);
    }
}

#[test]
fn reels_are_short_and_never_shared() {
    let names = ["SC010_SH010_T01", "XSC010_SH010_T01", "sc010-sh010_T01", "SC010_SH010_T02", "A_T01", "A_T99"];
    let timeline = cut(names.iter().map(|name| piece(name, 96)).collect());
    let reels: BTreeSet<&str> = timeline.clips.iter().map(|clip| clip.reel.as_str()).collect();
    assert_eq!(reels.len(), names.len(), "{reels:?}");
    let allowed = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    assert!(reels.iter().all(|reel| reel.len() <= 8 && reel.chars().all(allowed)), "{reels:?}");
    assert!(reels.contains("10SH010A") && reels.contains("10SH010B") && reels.contains("AA"), "{reels:?}");
}

fn edit(take: &str, from: u64, frames: u64, record_start: u64) -> Edit {
    let take = take.parse().expect("a take");
    Edit { take, from: Frames(from), frames: Frames(frames), record_start: Frames(record_start) }
}

#[test]
fn a_recut_takes_stretches_and_leaves_stems_their_time() {
    let timeline = cut(vec![piece("A_T01", 96), piece("B_T01", 120)]);
    let edits = [edit("B_T01", 24, 48, 86_400), edit("A_T01", 0, 96, 86_460), edit("B_T01", 72, 48, 86_556)];
    let recut = timeline.recut(&edits).expect("within the takes");
    let first = &recut.clips[0];
    assert_eq!(
        (first.source(), first.handles()),
        (TimeRange { start: Frames(24), end: Frames(72) }, (Frames(24), Frames(48)))
    );
    // The stem of B is stamped for frame 86 496, where its shot stood first.
    assert_eq!(recut.stem_source(first, &first.stems[0]), TimeRange { start: Frames(86_520), end: Frames(86_568) });
    assert_eq!(recut.within_stems(first), Some(TimeRange { start: Samples(48_000), end: Samples(144_000) }));
    assert_eq!(recut.end(), Frames(86_604));
    let places: Vec<u64> = recut.places().expect("a short cut").iter().map(|place| place.start.0).collect();
    assert_eq!(places, [0, 120_000, 312_000]);
}

#[test]
fn a_recut_that_cannot_be_is_refused_with_all_its_faults() {
    let timeline = cut(vec![piece("A_T01", 96), piece("B_T01", 120)]);
    let edits = [
        edit("C_T01", 0, 1, 86_400),
        edit("A_T01", 0, 97, 86_400),
        edit("B_T01", 0, 0, 86_400),
        edit("A_T01", 0, 1, 0),
    ];
    let faults: Vec<String> =
        timeline.recut(&edits).expect_err("four faults").iter().map(CutFault::to_string).collect();
    assert_eq!(
        faults,
        [
            "C_T01 is not in the cut",
            "A_T01 is used up to frame 97, and has 96",
            "B_T01 has no frame at its place",
            "A_T01 begins before the clip before it ends, or before the cut begins",
        ]
    );
}

#[test]
fn markers_belong_to_the_clip_that_holds_them() {
    let whole = cut(vec![piece("A_T01", 96), piece("B_T01", 120)]);
    let edits = [edit("A_T01", 0, 10, 86_400), edit("B_T01", 0, 10, 86_420)];
    let mut timeline = whole.recut(&edits).expect("within the takes");
    timeline.markers.extend([86_399, 86_400, 86_409, 86_410, 86_420, 86_430].map(|frame| Marker {
        frame: Frames(frame),
        length: Frames(1),
        name: String::new(),
        note: String::new(),
        colour: Colour::Blue,
    }));
    let (within, outside) = timeline.markers_by_clip();
    let frames = |markers: &[&Marker]| markers.iter().map(|marker| marker.frame.0).collect::<Vec<_>>();
    assert_eq!((frames(&within[0]), frames(&within[1])), (vec![86_400, 86_409], vec![86_420]));
    assert_eq!(frames(&outside), [86_399, 86_410, 86_430]);
}

#[test]
fn a_slowed_cut_keeps_its_labels_and_has_longer_sound() {
    let mut timeline = cut(vec![piece("A_T01", 96), piece("B_T01", 120)]);
    let label = timeline.label(timeline.clips[1].record_start);
    timeline = timeline.slowed().expect("24 has a slower neighbour");
    assert_eq!(timeline.start.rate().to_string(), "24000/1001");
    assert_eq!(
        (timeline.label(timeline.clips[1].record_start), timeline.start.to_string()),
        (label, "01:00:00:00".into())
    );
    let stem = &timeline.clips[1].stems[0];
    // 86 496 and 120 frames of 2002 samples.
    assert_eq!((stem.time_reference.0, stem.samples.0), (173_164_992, 240_240));
    assert_eq!(timeline.slowed(), None);
    assert_eq!(cut_at("25", vec![piece("A_T01", 96)]).slowed(), None);
}
