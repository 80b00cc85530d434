//! Changes of cuts that are made by hand, with numbers that are counted by hand.

use super::*;
use crate::timeline::{Provenance, arbitrary};
use proptest::prelude::*;

/// A stretch of a take, with a guide, delivered as `sha`.
fn clip(take: &str, from: u64, frames: u64, record_start: u64) -> ManifestClip {
    let stem = |role: &str| ManifestStem {
        role: role.to_owned(),
        file: format!("audio/{take}_{role}.wav"),
        sides: Vec::new(),
        estimated: false,
        channels: 2,
        samples: 0,
        time_reference: 0,
    };
    ManifestClip {
        shot: take.rsplit_once('_').expect("a take has a number").0.to_owned(),
        take: take.to_owned(),
        reel: String::new(),
        lane: "strip".to_owned(),
        source_start: from,
        frames,
        handles: (from, 0),
        record_start,
        picture: String::new(),
        reference: None,
        stems: vec![stem("GUIDE"), stem("REF1")],
        provenance: Provenance { sha256: format!("of {take}"), cost: "$1.00".to_owned(), ..Provenance::default() },
        references: Vec::new(),
        rights: String::new(),
    }
}

/// Clips one after the other, each a take with its first frame and length; a take of nothing is a gap.
fn cut(clips: &[(&str, u64, u64)]) -> Vec<ManifestClip> {
    let mut free = 1000;
    let place = |(take, from, frames): &(&str, u64, u64)| {
        let at = free;
        free += frames;
        (!take.is_empty()).then(|| clip(&format!("{take}_T01"), *from, *frames, at))
    };
    clips.iter().filter_map(place).collect()
}

/// Each change as take, what, what it invalidates, and the note.
fn told(before: &[ManifestClip], after: &[ManifestClip]) -> Vec<String> {
    let line = |change: &ShotChange| {
        let invalid: Vec<&str> = change.invalidates.iter().map(|invalid| invalid.as_str()).collect();
        let ShotChange { take, what, note, .. } = change;
        format!("{} {} [{}] {note}", take.trim_end_matches("_T01"), what.as_str(), invalid.join(" ")).trim().to_owned()
    };
    changes(before, after).iter().map(line).collect()
}

const WHOLE: [(&str, u64, u64); 4] = [("A", 0, 100), ("B", 0, 100), ("C", 0, 100), ("D", 0, 100)];

#[test]
fn a_trim_moves_what_follows_and_says_so() {
    let after = cut(&[("A", 0, 100), ("B", 12, 82), ("C", 0, 100), ("D", 0, 100)]);
    assert_eq!(
        told(&cut(&WHOLE), &after),
        [
            "A unchanged []",
            "B trimmed [place length] head 12 frames shorter, tail 6 frames shorter; 12 frames earlier, by its own head",
            "C moved [place] 18 frames earlier, shifted by what changed before it",
            "D moved [place] 18 frames earlier, shifted by what changed before it",
        ]
    );
}

#[test]
fn another_order_is_told_apart_from_a_shift() {
    let after = cut(&[("A", 0, 100), ("C", 0, 100), ("D", 0, 100), ("B", 0, 100)]);
    assert_eq!(
        told(&cut(&WHOLE), &after),
        [
            "A unchanged []",
            "C moved [place] 100 frames earlier, shifted by what changed before it",
            "D moved [place] 100 frames earlier, shifted by what changed before it",
            "B moved [place] another order: clip 4 instead of clip 2, 200 frames later",
        ]
    );
}

#[test]
fn a_gap_is_what_moved_a_shot_that_stands_behind_it() {
    let after = cut(&[("A", 0, 100), ("", 0, 1), ("B", 0, 100), ("C", 0, 100), ("", 0, 5), ("D", 0, 94)]);
    assert_eq!(
        told(&cut(&WHOLE), &after),
        [
            "A unchanged []",
            "B moved [place] 1 frame later, the gap before it 1 frame longer",
            "C moved [place] 1 frame later, shifted by what changed before it",
            "D trimmed [place length] tail 6 frames shorter; 6 frames later, the gap before it 5 frames longer",
        ]
    );
}

/// Sound is laid against frames, wherever the clip begins.
#[test]
fn a_head_that_is_lifted_moves_nothing_and_one_that_is_closed_up_moves_the_rest() {
    let before = cut(&[("A", 0, 100), ("B", 0, 100)]);
    let lifted = cut(&[("A", 0, 100), ("", 0, 24), ("B", 24, 76)]);
    assert_eq!(told(&before, &lifted)[1], "B trimmed [length] head 24 frames shorter");
    let closed = cut(&[("A", 0, 100), ("B", 24, 76)]);
    assert_eq!(
        told(&before, &closed)[1],
        "B trimmed [place length] head 24 frames shorter; 24 frames earlier, by its own head"
    );
}

#[test]
fn new_and_dropped_shots_stand_where_they_are_and_were() {
    let after = cut(&[("N", 0, 50), ("B", 0, 100), ("D", 0, 100)]);
    let all = "[picture guide stems place length]";
    assert_eq!(
        told(&cut(&WHOLE), &after),
        [
            format!("A dropped {all} no longer in the cut"),
            format!("N new {all} was not in the cut"),
            "B moved [place] 50 frames earlier, shifted by what changed before it".to_owned(),
            format!("C dropped {all} no longer in the cut"),
            "D moved [place] 150 frames earlier, shifted by what changed before it".to_owned(),
        ],
    );
    assert_eq!(changes(&cut(&WHOLE), &after)[3].record_start, 1200);
}

#[test]
fn longer_ends_and_slips_show_frames_that_nobody_has_heard() {
    let before = cut(&[("A", 24, 48), ("B", 24, 48)]);
    let after = cut(&[("A", 24, 54), ("B", 30, 48)]);
    assert_eq!(
        told(&before, &after),
        [
            "A trimmed [picture guide length] tail 6 frames longer",
            // It begins six frames later and shows what is six frames later: what is still seen stands where it stood.
            "B trimmed [picture guide] slipped: shows what is 6 frames later in the take",
        ]
    );
}

#[test]
fn another_take_and_one_that_was_delivered_anew_are_rendered_anew() {
    let before = cut(&WHOLE[..3]);
    let mut after = vec![clip("A_T02", 0, 88, 1000), clip("B_T01", 0, 100, 1088), clip("C_T01", 4, 96, 1188)];
    after[1].provenance.sha256 = "other".to_owned();
    after[2].provenance.sha256 = "other".to_owned();
    assert_eq!(
        told(&before, &after),
        [
            "A_T02 re-rendered [picture guide stems length] take 2 instead of take 1; tail 12 frames shorter",
            "B re-rendered [picture guide stems place] take 1 was delivered anew; 12 frames earlier, shifted by what changed before it",
            "C re-rendered [picture guide stems place length] take 1 was delivered anew; head 4 frames shorter; \
             12 frames earlier, shifted by what changed before it",
        ]
    );
}

#[test]
fn old_manifests_know_takes_by_their_names_alone() {
    let strip = |mut clips: Vec<ManifestClip>| {
        clips.iter_mut().for_each(|clip| clip.provenance = Provenance::default());
        clips
    };
    assert_eq!(told(&strip(cut(&WHOLE[..1])), &cut(&WHOLE[..1])), ["A unchanged []"]);
    let other = [clip("A_T02", 0, 100, 1000)];
    assert_eq!(
        told(&strip(cut(&WHOLE[..1])), &other),
        ["A_T02 re-rendered [picture guide stems] take 2 instead of take 1"]
    );
}

#[test]
fn lane_stems_and_cost_are_told_of_frames_that_stayed() {
    let before = cut(&WHOLE[..3]);
    let mut after = before.clone();
    after[0].lane = "keep".to_owned();
    after[0].stems[0].role = "MIX".to_owned();
    after[1].provenance.cost = "$2.00".to_owned();
    after[2].stems[0].channels = 1;
    assert_eq!(
        told(&before, &after),
        [
            "A unchanged [stems] lane keep instead of strip; stems MIX, REF1 instead of GUIDE, REF1",
            "B unchanged [cost] cost $2.00 instead of $1.00",
            "C unchanged [stems] GUIDE has 1 channel(s)",
        ]
    );
}

#[test]
fn a_clip_in_pieces_and_clips_that_were_joined_are_not_new_or_dropped() {
    let whole = cut(&[("A", 0, 100), ("B", 0, 50)]);
    let split = cut(&[("A", 0, 40), ("B", 0, 50), ("A", 40, 60)]);
    assert_eq!(
        told(&whole, &split),
        [
            "A trimmed [length] tail 60 frames shorter; one of 2 pieces of a clip",
            "B moved [place] 60 frames earlier, shifted by what changed before it",
            "A trimmed [place length] head 40 frames shorter; one of 2 pieces of a clip; 50 frames later",
        ]
    );
    let razored = cut(&[("A", 0, 40), ("A", 40, 60), ("B", 0, 50)]);
    assert_eq!(told(&razored, &whole), ["A unchanged [] 2 clips joined", "B unchanged []"]);
}

#[test]
fn uses_of_a_take_are_told_apart_by_their_frames() {
    let before = cut(&[("A", 0, 48), ("B", 0, 100), ("A", 48, 48)]);
    let after = cut(&[("A", 0, 48), ("B", 0, 100), ("A", 48, 42), ("A", 0, 48)]);
    let all = "[picture guide stems place length]";
    assert_eq!(
        told(&before, &after),
        [
            "A unchanged []".to_owned(),
            "B unchanged []".to_owned(),
            "A trimmed [length] tail 6 frames shorter".to_owned(),
            format!("A new {all} one use more of a take that was in the cut"),
        ]
    );
    let first_gone = cut(&[("B", 0, 100), ("A", 48, 48)]);
    assert_eq!(
        told(&before, &first_gone),
        [
            format!("A dropped {all} one use less of a take that is still in the cut"),
            "B moved [place] 48 frames earlier, shifted by what changed before it".to_owned(),
            "A moved [place] 48 frames earlier, shifted by what changed before it".to_owned(),
        ]
    );
}

#[test]
fn ten_thousand_uses_of_one_take_are_told_apart() {
    let uses: Vec<(&str, u64, u64)> = (0..10_000).map(|n| ("A", n % 7, 10 + n % 5)).collect();
    let (before, after) = (cut(&uses), cut(&uses[1..]));
    assert_eq!(changes(&before, &before).iter().filter(|change| change.what != What::Unchanged).count(), 0);
    assert_eq!(changes(&before, &after).iter().filter(|change| change.what != What::Dropped).count(), 9_999);
}

/// Clips of a stranger's manifest, with every number that there may be.
fn strangers() -> impl Strategy<Value = Vec<ManifestClip>> {
    let number = prop_oneof![Just(0), Just(1), Just(u64::MAX), 0_u64..50, any::<u64>()];
    let take = proptest::sample::select(vec!["A_T01", "A_T02", "B_T01", "B_T99999999999", "_", "\n=1_T01"]);
    let clips = (take, [number.clone(), number.clone(), number]);
    proptest::collection::vec(clips, 0..12)
        .prop_map(|clips| clips.iter().map(|(take, [from, frames, at])| clip(take, *from, *frames, *at)).collect())
}

/// Every clip of the new version once and in its order, and of the one before none that is not there.
fn is_whole(before: &[ManifestClip], after: &[ManifestClip]) {
    let changes = changes(before, after);
    let (gone, there): (Vec<&ShotChange>, Vec<&ShotChange>) =
        changes.iter().partition(|change| change.what == What::Dropped);
    let key = |change: &ShotChange| (change.take.clone(), change.record_start, change.frames);
    let clip_key = |clip: &ManifestClip| (clip.take.clone(), clip.record_start, clip.frames);
    assert_eq!(there.into_iter().map(key).collect::<Vec<_>>(), after.iter().map(clip_key).collect::<Vec<_>>());
    let mut left: Vec<_> = before.iter().map(clip_key).collect();
    for change in gone {
        let place = left.iter().position(|clip| *clip == key(change)).expect("it was in the version before");
        left.remove(place);
    }
}

proptest! {
    #[test]
    fn every_clip_is_told_once((cut, after, _) in arbitrary::recut()) {
        let [before, after] = [cut, after].map(|cut| super::super::clips(&cut));
        is_whole(&before, &after);
        for change in changes(&before, &before) {
            prop_assert_eq!((change.what, change.invalidates, change.note), (What::Unchanged, Vec::new(), String::new()));
        }
    }

    #[test]
    fn no_number_of_a_manifest_is_too_large(before in strangers(), after in strangers()) {
        is_whole(&before, &after);
        prop_assert!(changes(&after, &after).iter().all(|change| change.what == What::Unchanged));
    }
}
