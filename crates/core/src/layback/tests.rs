//! Mixes that are made by hand, with numbers that are counted by hand.

use super::*;
use crate::time::TimeRange;

/// Ten seconds of leader, eight of cut, four of tail: 22 s, 1,056,000 samples. 01:00:00:00 is frame 86,400.
fn judge() -> Judge<'static> {
    let layout = ReelLayout {
        start: Frames(86_400 - 240),
        two_pop: Some(Frames(86_400 - 48)),
        picture: TimeRange { start: Frames(86_400), end: Frames(86_400 + 192) },
        tail_pop: Frames(86_400 + 192 + 47),
        end: Frames(86_400 + 192 + 96),
    };
    Judge { layout, start: Timecode::parse("01:00:00:00", FrameRate::FPS_24).expect("a timecode"), target: None }
}

fn mix() -> Mix {
    Mix {
        large: false,
        codec: "pcm_s24le".to_owned(),
        rate: SampleRate::HZ_48000,
        channels: 2,
        samples: Samples(1_056_000),
        time_reference: Some(172_320_000),
    }
}

fn refused(checks: &[Check]) -> Vec<(&str, &str)> {
    those(checks, Verdict::Refused)
}

fn noted(checks: &[Check]) -> Vec<(&str, &str)> {
    those(checks, Verdict::Note)
}

fn those(checks: &[Check], verdict: Verdict) -> Vec<(&str, &str)> {
    let those = checks.iter().filter(|check| check.verdict == verdict);
    those.map(|check| (check.what.as_str(), check.found.as_str())).collect()
}

#[test]
fn a_mix_like_the_reel_is_good() {
    assert!(judge().header(&mix()).iter().all(|check| check.verdict == Verdict::Good));
    let no_bext = Mix { time_reference: None, ..mix() };
    assert_eq!(noted(&judge().header(&no_bext)), [("start", "no bext chunk tells it")]);
    let unset = Mix { time_reference: Some(0), ..mix() };
    assert_eq!(noted(&judge().header(&unset)), [("start", "0 in the bext chunk")]);
    assert_eq!(refused(&judge().header(&unset)), []);
}

#[test]
fn every_fault_of_a_header_is_told_at_once() {
    let bad = Mix {
        large: true,
        codec: "pcm_s16le".to_owned(),
        rate: SampleRate::HZ_48000,
        channels: 1,
        samples: Samples(1_008_000),
        time_reference: Some(172_320_000 + 2000),
    };
    assert_eq!(
        refused(&judge().header(&bad)),
        [
            ("file", "RF64"),
            ("format", "pcm_s16le"),
            ("channels", "mono"),
            ("length", "1008000 samples, 48000 samples (1000.000 ms, 24.000 frames) short"),
            ("start", "00:59:50:01 (sample 172322000), 2000 samples (41.667 ms, 1.000 frames) late"),
        ]
    );
}

#[test]
fn at_another_rate_length_and_start_are_judged_at_that_rate() {
    let slow = Mix { rate: SampleRate::new(44_100).expect("a rate"), samples: Samples(970_200), ..mix() };
    // Its time reference counts its own samples: 3590 s of 44,100.
    let slow = Mix { time_reference: Some(158_319_000), ..slow };
    assert_eq!(refused(&judge().header(&slow)), [("rate", "44100 Hz")]);
    let late = Mix { time_reference: Some(158_319_000 + 44_100), ..slow };
    let told = "00:59:51:00 (sample 158363100), 44100 samples (1000.000 ms, 24.000 frames) late";
    assert_eq!(refused(&judge().header(&late)), [("rate", "44100 Hz"), ("start", told)]);
}

fn side(at: u64, inverted: bool) -> Side {
    Side { pop: Some(Pop { at: Samples(at), inverted, dbfs: -20.0 }), is_quiet: false }
}

fn heard(two_pop: u64, tail_pop: u64) -> Heard {
    let pop = |at| vec![side(at, false); 2];
    let loudness = Loudness {
        integrated_lufs: Some(-23.2),
        range_lu: Some(5.0),
        true_peak_dbtp: Some(-3.0),
        sample_peak_dbfs: Some(-3.1),
        ..Loudness::default()
    };
    Heard { two_pop: pop(two_pop), tail_pop: pop(tail_pop), loudness }
}

/// The 2-pop is eight seconds into the reel; the tail pop 48 frames less one after eighteen.
const POPS: (u64, u64) = (384_000, 864_000 + 47 * 2000);

#[test]
fn one_sample_is_told_as_one() {
    assert_eq!(refused(&judge().heard(&heard(POPS.0, POPS.1))), []);
    let late = judge().heard(&heard(POPS.0 + 1, POPS.1 + 1));
    assert_eq!(refused(&late).len(), 4);
    assert_eq!(
        refused(&late)[0],
        ("2-pop left", "sample 384001 at -20.0 dBFS, 1 sample (0.021 ms, 0.001 frames) late")
    );
    let long = judge().heard(&heard(POPS.0, POPS.1 + 480));
    assert_eq!(refused(&long).last(), Some(&("drift", "480 samples (10.000 ms, 0.240 frames) longer")));
}

#[test]
fn loudness_is_judged_only_where_a_target_is_named() {
    let loud =
        Heard { loudness: Loudness { integrated_lufs: Some(-16.0), ..heard(0, 0).loudness }, ..heard(POPS.0, POPS.1) };
    assert_eq!(refused(&judge().heard(&loud)), []);
    let ebu = Judge { target: Target::find("ebu"), ..judge() };
    assert_eq!(refused(&ebu.heard(&loud)), [("loudness", "-16.0 LUFS")]);
    assert_eq!(refused(&ebu.heard(&heard(POPS.0, POPS.1))), []);
    let social = Judge { target: Target::find("social"), ..judge() };
    assert_eq!(refused(&social.heard(&loud)), [("loudness", "-16.0 LUFS")]);
}

#[test]
fn what_cannot_be_measured_is_told_in_its_own_words() {
    let soft = Loudness { integrated_lufs: None, sample_peak_dbfs: Some(-75.0), ..heard(0, 0).loudness };
    let soft = Heard { loudness: soft, ..heard(POPS.0, POPS.1) };
    let checks = Judge { target: Target::find("ebu"), ..judge() }.heard(&soft);
    let fix = checks.iter().find(|check| check.what == "loudness").map(|check| check.fix.as_str());
    assert!(fix.is_some_and(|fix| fix.contains("-70 LUFS") && !fix.contains("dB")), "{fix:?}");
}

#[test]
fn a_filter_on_the_bus_is_told_as_what_it_may_be() {
    let fix = |by: i64| {
        let pops = [POPS.0, POPS.1].map(|at| at.saturating_add_signed(by));
        judge().heard(&heard(pops[0], pops[1])).swap_remove(0).fix
    };
    let filter = "; or a filter on the mix bus moves phase: bypass it for the pops";
    assert_eq!(fix(1), format!("move the mix 1 sample earlier, and export again{filter}"));
    assert_eq!(fix(-2), format!("move the mix 2 samples later, and export again{filter}"));
    assert_eq!(fix(2000), "move the mix 2000 samples earlier, and export again");
}

#[test]
fn channels_of_opposite_polarity_are_refused_and_both_inverted_are_not() {
    let pops = |left, right| Heard {
        two_pop: vec![side(POPS.0, left), side(POPS.0, right)],
        tail_pop: vec![side(POPS.1, left), side(POPS.1, right)],
        ..heard(POPS.0, POPS.1)
    };
    assert_eq!(
        refused(&judge().heard(&pops(false, true))),
        [("polarity", "opposite on the channels: 2-pop, tail pop")]
    );
    let both = judge().heard(&pops(true, true));
    assert!(refused(&both).is_empty() && noted(&both).len() == 4, "{both:?}");
}

#[test]
fn pops_on_one_side_are_noted_where_the_other_side_is_quiet() {
    let one = |is_quiet, tail_pop| Heard {
        two_pop: vec![side(POPS.0, false), Side { pop: None, is_quiet }],
        tail_pop,
        ..heard(POPS.0, POPS.1)
    };
    let quiet = Side { pop: None, is_quiet: true };
    let left = judge().heard(&one(true, vec![side(POPS.1, false), quiet]));
    assert_eq!(refused(&left), []);
    let told = "none: pop on the left only";
    assert_eq!(noted(&left), [("2-pop right", told), ("tail pop right", told)]);
    let loud = judge().heard(&one(false, vec![side(POPS.1, false), quiet]));
    assert_eq!(refused(&loud), [("2-pop right", "none")]);
    // Neither side has every pop.
    let split = judge().heard(&one(true, vec![quiet, side(POPS.1, false)]));
    assert_eq!(refused(&split), [("2-pop right", "none"), ("tail pop left", "none")]);
}

#[test]
fn silence_and_missing_pops_are_refused() {
    let silent =
        Heard { two_pop: vec![Side::default(); 2], tail_pop: vec![Side::default(); 2], loudness: Loudness::default() };
    let checks = judge().heard(&silent);
    let found: Vec<&str> = refused(&checks).iter().map(|(what, _)| *what).collect();
    assert_eq!(found, ["2-pop left", "2-pop right", "tail pop left", "tail pop right", "programme"]);
}

#[test]
fn targets_have_a_source_and_a_date() {
    assert_eq!(Target::all().len(), 3);
    assert!(Target::all().iter().all(|target| !target.source.is_empty() && target.date.len() == 10));
}
