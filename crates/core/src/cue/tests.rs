//! Cues of cuts counted by hand.

use super::*;
use crate::shot::ShotList;

const SHOT: &str = "[[shot]]\nid = \"SC010_SH020\"\nprompt = 'She says \"We go home. Now!\"'\ncharacter = \"Mara\"\nline = \"We go home. Now!\"\nlanguage = \"en-GB\"\n";

fn shot(text: &str) -> Shot {
    ShotList::parse(text).expect("a list").shots.remove(0)
}

fn range(start: u64, end: u64) -> TimeRange<Samples> {
    TimeRange { start: Samples(start), end: Samples(end) }
}

fn frames(start: u64, end: u64) -> TimeRange<Frames> {
    TimeRange { start: Frames(start), end: Frames(end) }
}

/// Asked for from sample 0 on, one second long, heard so much later.
fn heard(offset: u64) -> PhraseSync {
    let found = Some(range(offset, offset + 48_000));
    PhraseSync { reference: 1, source: range(0, 48_000), expected: Samples(0), found, confidence: 1.0 }
}

/// A shot and its take that outlive whatever is borrowed beside them.
fn leaked() -> (&'static Shot, &'static TakeId) {
    let take = "SC010_SH020_T01".parse().expect("a take");
    (Box::leak(Box::new(shot(SHOT))), Box::leak(Box::new(take)))
}

/// Checks cues of one shot of 96 frames at 01:00:00:00 and 24 frames a second: reason, priority, times and line.
fn check<'a>(change: impl FnOnce(&mut Spoken<'a>), expected: &[(Reason, u8, (u64, u64), &str)]) -> Vec<Cue> {
    let (shot, take) = leaked();
    let mut spoken = Spoken {
        shot,
        take,
        lane: Lane::Strip,
        generate_audio: true,
        refused: false,
        heard_language: None,
        listened: true,
        record_start: Frames(86_400),
        from: Frames(0),
        frames: Frames(96),
        phrases: &[],
        sync: &[],
    };
    change(&mut spoken);
    let cues = plan(&[spoken], FrameRate::FPS_24, 1, Tolerance::default());
    let found: Vec<_> = cues
        .iter()
        .map(|cue| {
            let record = (cue.record.start.0 - 86_400, cue.record.end.0 - 86_400);
            (cue.reason, cue.priority, record, cue.line.as_deref().unwrap_or("none"))
        })
        .collect();
    assert_eq!(found, expected);
    cues
}

#[test]
fn a_stripped_shots_phrases_are_replaced_frame_by_frame() {
    // 2000 samples are a frame: 3999 lies in frame 1, and 50 001 touches frame 25.
    let phrases = [range(3999, 50_001), range(100_000, 192_500)];
    let expected = [(Reason::Replace, 2, (1, 26), "We go home."), (Reason::Replace, 2, (50, 96), "Now!")];
    let cues = check(|spoken| spoken.phrases = &phrases, &expected);
    assert_eq!((cues[0].number.as_str(), cues[1].number.as_str()), ("MA101", "MA102"));
    assert_eq!((cues[0].scene.as_str(), cues[0].times, cues[0].speaker()), ("SC010", Times::Measured, "Mara"));
    let beeps = [86_401 - 72, 86_401 - 48, 86_401 - 24].map(Frames);
    assert_eq!((cues[0].beeps.as_slice(), cues[0].streamer), (&beeps[..], Some(frames(86_401 - 48, 86_401))));
    check(|spoken| (spoken.phrases, spoken.lane) = (&phrases, Lane::Keep), &[]);
}

#[test]
fn what_is_out_of_sync_comes_first_in_either_lane() {
    let (phrases, late, later) = ([range(10_000, 50_000)], [heard(2001)], [heard(6000)]);
    let fail = [(Reason::SyncOff, 1, (5, 25), "We go home. Now!")];
    for lane in [Lane::Keep, Lane::Strip] {
        let cues = check(|spoken| (spoken.lane, spoken.phrases, spoken.sync) = (lane, &phrases, &later), &fail);
        assert_eq!(cues[0].note(), "SC010_SH020_T01; 125.0 ms (3.00 frames) late");
    }
    // Heard as no speech, but as the recording: samples 6000 to 54 000 are frames 3 to 27.
    let fail = [(Reason::SyncOff, 1, (3, 27), "We go home. Now!")];
    check(|spoken| (spoken.lane, spoken.sync) = (Lane::Keep, &later), &fail);
    let warn = [(Reason::SyncOff, 3, (5, 25), "We go home. Now!")];
    check(|spoken| (spoken.lane, spoken.phrases, spoken.sync) = (Lane::Keep, &phrases, &late), &warn);
    let unsure = [PhraseSync { found: None, ..heard(0) }];
    check(|spoken| (spoken.lane, spoken.phrases, spoken.sync) = (Lane::Keep, &phrases, &unsure), &[]);
}

#[test]
fn a_silent_shots_cues_have_the_times_of_the_shot_and_say_so() {
    let silent = [(Reason::NoSoundRendered, 1, (0, 96), "We go home. Now!")];
    let cues = check(|spoken| spoken.generate_audio = false, &silent);
    assert_eq!(
        (cues[0].times, cues[0].note().as_str()),
        (Times::OfTheShot, "SC010_SH020_T01; times are the whole shot's")
    );
    check(|spoken| spoken.refused = true, &[(Reason::Moderated, 1, (0, 96), "We go home. Now!")]);
    check(|_| {}, &[(Reason::NoSpeechHeard, 2, (0, 96), "We go home. Now!")]);
    check(|spoken| spoken.lane = Lane::Keep, &[(Reason::NoSpeechHeard, 3, (0, 96), "We go home. Now!")]);
    check(|spoken| spoken.frames = Frames(0), &[]);
}

#[test]
fn another_language_is_told_only_where_it_is_known() {
    let phrases = [range(10_000, 50_000)];
    let language = |heard, expected: &[_]| {
        check(|spoken| (spoken.lane, spoken.phrases, spoken.heard_language) = (Lane::Keep, &phrases, heard), expected);
    };
    language(None, &[]);
    language(Some("en-US"), &[]);
    language(Some("de"), &[(Reason::Language, 2, (5, 25), "We go home. Now!")]);
}

#[test]
fn beeps_before_midnight_are_absent() {
    let (shot, take) = leaked();
    let spoken = |start| Spoken {
        shot,
        take,
        lane: Lane::Strip,
        generate_audio: false,
        refused: false,
        heard_language: None,
        listened: true,
        record_start: Frames(start),
        from: Frames(0),
        frames: Frames(10),
        phrases: &[],
        sync: &[],
    };
    let cues = plan(&[spoken(47), spoken(0)], FrameRate::FPS_24, 1, Tolerance::default());
    // In the order of the cut, which is that of time.
    assert_eq!((cues[0].record, cues[0].beeps.as_slice()), (frames(0, 10), &[][..]));
    assert_eq!((cues[1].beeps.as_slice(), cues[1].streamer), (&[Frames(23)][..], None));
}

#[test]
fn a_sign_is_not_what_is_said() {
    let parts = |text: &str| words::parts(&shot(&format!("[[shot]]\nid = \"A\"\n{text}")));
    assert_eq!(parts("prompt = 'A sign \"Open daily\" hangs there.'\nline = \"I am home.\""), ["I am home."]);
    assert_eq!(
        parts("prompt = 'She says \"I am home\", he says \"So?\"'\nline = \"I am home.\""),
        ["I am home", "So?"]
    );
    assert_eq!(parts("prompt = 'She says \"I am home\"'"), ["I am home"]);
    assert!(parts("prompt = 'Rain'").is_empty());
}

proptest::proptest! {
    #[test]
    fn any_numbers_make_whole_cues(
        start: u64,
        length: u64,
        phrases in proptest::collection::vec(proptest::prelude::any::<(u64, u64)>(), 0..4),
        found: Option<(u64, u64)>,
        silent: bool,
        reel: u32,
    ) {
        let (shot, take) = leaked();
        let phrases: Vec<_> = phrases.into_iter().map(|(start, end)| range(start, end)).collect();
        let sync = [PhraseSync { found: found.map(|(start, end)| range(start, end)), ..heard(0) }];
        let spoken = Spoken {
            shot,
            take,
            lane: Lane::Strip,
            generate_audio: !silent,
            refused: false,
            heard_language: None,
            listened: true,
            record_start: Frames(start),
            from: Frames(0),
            frames: Frames(length),
            phrases: &phrases,
            sync: &sync,
        };
        for cue in plan(&[spoken], FrameRate::FPS_24, reel, Tolerance::default()) {
            proptest::prop_assert!(cue.record.start < cue.record.end && cue.record.start.0 >= start);
            proptest::prop_assert!(cue.record.end.0 - start <= length);
            proptest::prop_assert!(cue.beeps.iter().all(|beep| *beep < cue.record.start));
        }
    }
}

/// Frames 0 to 24, 36 to 60 and 90 to 96 of the take speak; the cut has 48 to 90 of it.
#[test]
fn a_trimmed_take_has_the_phrases_that_are_left() {
    let phrases = [range(0, 48_000), range(72_000, 120_000), range(180_000, 192_000)];
    check(
        |spoken| {
            (spoken.from, spoken.frames) = (Frames(48), Frames(42));
            spoken.phrases = &phrases;
        },
        &[(Reason::Replace, 2, (0, 12), "We go home. Now!")],
    );
}
