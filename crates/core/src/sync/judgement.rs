//! What the phrases of a clip say together.

use serde::{Deserialize, Serialize};

use super::{PhraseSync, Tolerance, Verdict, half_away, offset_in_words};
use crate::spec::{Finding, Span, Weight};
use crate::time::{FrameRate, Samples, TimeRange};

/// All phrases of a clip beside what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClipSync {
    /// The worst of the phrases that were heard; [`Verdict::CannotTell`] where none was.
    pub verdict: Verdict,
    /// Each phrase's own, in their order.
    pub phrases: Vec<Verdict>,
    /// The end that is furthest off; the first one where several are.
    pub worst: Option<Worst>,
    /// The middle one of the offsets at the phrases' beginnings, in samples; of two middle ones their mean, a half
    /// away from zero. It tells a common delay, and nothing of any one phrase.
    pub median_offset: Option<i64>,
    /// How the offset at the phrases' beginnings grows over the clip: the least-squares slope over where they were
    /// asked for, in parts per million, a half away from zero. Absent under two phrases that begin apart.
    pub drift_ppm: Option<i64>,
    /// How many phrases were heard.
    pub known: usize,
    /// How many were not.
    pub unknown: usize,
}

/// The end of a phrase that is furthest off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worst {
    /// The phrase, from 0.
    pub phrase: usize,
    /// Samples that it is late; negative where it is early.
    pub offset: i64,
}

/// Judges a clip by its phrases.
#[must_use]
pub fn judge(phrases: &[PhraseSync], tolerance: Tolerance, rate: FrameRate) -> ClipSync {
    let verdicts: Vec<Verdict> = phrases.iter().map(|phrase| phrase.verdict(tolerance, rate)).collect();
    let offsets: Vec<i64> = phrases.iter().filter_map(PhraseSync::offset).collect();
    let ends = phrases.iter().enumerate().filter_map(|(phrase, sync)| Some((phrase, sync.worst_offset()?)));
    let worst = ends.fold(None, |worst: Option<Worst>, (phrase, offset)| match worst {
        Some(worst) if worst.offset.unsigned_abs() >= offset.unsigned_abs() => Some(worst),
        _ => Some(Worst { phrase, offset }),
    });
    ClipSync {
        verdict: verdicts.iter().copied().fold(Verdict::CannotTell, Verdict::worse),
        worst,
        median_offset: median(&offsets),
        drift_ppm: drift(phrases),
        known: offsets.len(),
        unknown: phrases.len() - offsets.len(),
        phrases: verdicts,
    }
}

fn median(offsets: &[i64]) -> Option<i64> {
    let mut sorted = offsets.to_vec();
    sorted.sort_unstable();
    let high = sorted.get(sorted.len() / 2).copied()?;
    let low = sorted.get(sorted.len().checked_sub(1)? / 2).copied()?;
    half_away(i128::from(low) + i128::from(high), 2)
}

/// `None` also where the sums exceed 127 bits, which no clip's do.
fn drift(phrases: &[PhraseSync]) -> Option<i64> {
    let known: Vec<(i128, i128)> = phrases
        .iter()
        .filter_map(|phrase| Some((i128::from(phrase.expected.0), i128::from(phrase.offset()?))))
        .collect();
    // Places count from the first one: the slope is the same, and the sums stay small.
    let (origin, _) = *known.first()?;
    let count = i128::try_from(known.len()).ok()?;
    let (mut x, mut y, mut xx, mut xy) = (0_i128, 0_i128, 0_i128, 0_i128);
    for (place, offset) in known {
        let place = place - origin;
        x = x.checked_add(place)?;
        y = y.checked_add(offset)?;
        xx = xx.checked_add(place.checked_mul(place)?)?;
        xy = xy.checked_add(place.checked_mul(offset)?)?;
    }
    let over = count.checked_mul(xx)?.checked_sub(x.checked_mul(x)?)?;
    let rise = count.checked_mul(xy)?.checked_sub(x.checked_mul(y)?)?;
    half_away(rise.checked_mul(super::MILLION)?, over)
}

impl ClipSync {
    /// One finding for each phrase that is off (`sync.offset`: a note over the first bound, a breach over the second)
    /// or was not heard (`sync.unknown`: a note). `phrases` are those that were judged.
    #[must_use]
    pub fn findings(&self, phrases: &[PhraseSync], tolerance: Tolerance, rate: FrameRate) -> Vec<Finding> {
        let each = phrases.iter().zip(&self.phrases).enumerate();
        each.filter_map(|(index, (phrase, verdict))| {
            let name = format!("REF{} phrase {}", phrase.reference, index + 1);
            match verdict {
                Verdict::InSync => None,
                Verdict::CannotTell => Some(unknown(&name, phrase)),
                Verdict::Warn => off(&name, phrase, Weight::Note, tolerance, rate),
                Verdict::Fail => off(&name, phrase, Weight::Breach, tolerance, rate),
            }
        })
        .collect()
    }
}

fn off(name: &str, phrase: &PhraseSync, weight: Weight, tolerance: Tolerance, rate: FrameRate) -> Option<Finding> {
    let start = offset_in_words(phrase.offset()?, rate);
    let end = offset_in_words(phrase.end_offset()?, rate);
    let bound = if weight == Weight::Breach { tolerance.fail } else { tolerance.warn };
    let frames = if bound.0 == 1 { "frame" } else { "frames" };
    let found = format!("{name} begins {start} and ends {end}");
    let expected = format!("at most {} {frames} off at either end", bound.0);
    let fix = "lay the recording over the render as the edit map says, or record the line anew";
    Some(Finding::new("sync.offset", weight, found, expected, fix).at(Span::Samples(phrase.heard()?)))
}

fn unknown(name: &str, phrase: &PhraseSync) -> Finding {
    let end = Samples(phrase.expected.0.saturating_add(phrase.source.length().0));
    let place = Span::Samples(TimeRange { start: phrase.expected, end });
    let found = format!("{name} was not heard surely enough to say where it lies");
    let fix = "check this line by eye and ear: nothing is said of its sync";
    Finding::new("sync.unknown", Weight::Note, found, "a phrase that can be recognised", fix).at(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A phrase of one second, asked for at `expected`, heard so much later and as long.
    fn phrase(expected: u64, offset: Option<i64>) -> PhraseSync {
        let range = |start: u64| TimeRange { start: Samples(start), end: Samples(start + 48_000) };
        let found = offset.map(|offset| range(expected.checked_add_signed(offset).expect("within the clip")));
        PhraseSync { reference: 1, source: range(expected), expected: Samples(expected), found, confidence: 0.5 }
    }

    fn judged(phrases: &[PhraseSync]) -> ClipSync {
        judge(phrases, Tolerance::default(), FrameRate::FPS_24)
    }

    #[test]
    fn a_clip_is_as_good_as_its_worst_phrase() {
        let phrases =
            [phrase(0, Some(100)), phrase(100_000, Some(-4500)), phrase(200_000, None), phrase(300_000, Some(2100))];
        let clip = judged(&phrases);
        assert_eq!(clip.phrases, [Verdict::InSync, Verdict::Fail, Verdict::CannotTell, Verdict::Warn]);
        assert_eq!((clip.verdict, clip.known, clip.unknown), (Verdict::Fail, 3, 1));
        assert_eq!((clip.worst, clip.median_offset), (Some(Worst { phrase: 1, offset: -4500 }), Some(100)));
        let findings = clip.findings(&phrases, Tolerance::default(), FrameRate::FPS_24);
        let facts: Vec<_> = findings.iter().map(|finding| (finding.rule.as_str(), finding.severity)).collect();
        assert_eq!(
            facts,
            [("sync.offset", Weight::Breach), ("sync.unknown", Weight::Note), ("sync.offset", Weight::Note)]
        );
        // 4500 samples are 93.75 ms and two frames and a quarter.
        assert_eq!(
            findings[0].found,
            "REF1 phrase 2 begins 93.8 ms (2.25 frames) early and ends 93.8 ms (2.25 frames) early"
        );
    }

    #[test]
    fn nothing_heard_is_nothing_said() {
        for phrases in [vec![], vec![phrase(0, None), phrase(9, None)]] {
            let clip = judged(&phrases);
            assert_eq!((clip.verdict, clip.median_offset, clip.drift_ppm), (Verdict::CannotTell, None, None));
        }
    }

    #[test]
    fn drift_is_the_slope_of_the_offsets() {
        // 480 samples later every second: one per cent.
        let even: Vec<PhraseSync> =
            (0..5).map(|i: u64| phrase(9 + i * 48_000, Some(480 * i.cast_signed() - 7))).collect();
        assert_eq!((judged(&even).drift_ppm, judged(&even).median_offset), (Some(10_000), Some(953)));
        // By hand: places 0, 1, 2 and offsets 0, 0, 3 in units of 1000 rise by 3/2 a unit.
        let uneven = [phrase(0, Some(0)), phrase(1000, Some(0)), phrase(2000, Some(3000))];
        assert_eq!(judged(&uneven).drift_ppm, Some(1_500_000));
        assert_eq!(judged(&[phrase(5, Some(1)), phrase(5, Some(4))]).drift_ppm, None);
        // Between 1 and 4 the mean is 2.5.
        assert_eq!(judged(&[phrase(5, Some(1)), phrase(5, Some(4))]).median_offset, Some(3));
        assert_eq!(judged(&[phrase(5, Some(-1)), phrase(5, Some(-4))]).median_offset, Some(-3));
    }

    proptest! {
        #[test]
        fn a_common_delay_is_the_median_and_no_drift(delay in 0_i64..100_000, count in 2_u64..9, gap in 1_u64..90_000) {
            let phrases: Vec<PhraseSync> = (0..count).map(|index| phrase(index * gap, Some(delay))).collect();
            let clip = judged(&phrases);
            prop_assert_eq!((clip.median_offset, clip.drift_ppm), (Some(delay), Some(0)));
        }

        #[test]
        fn no_numbers_panic(numbers in prop::collection::vec(any::<(u32, u64, u64, u64, Option<(u64, u64)>)>(), 0..6)) {
            let phrases: Vec<PhraseSync> = numbers.into_iter().map(|(reference, start, end, expected, found)| PhraseSync {
                reference,
                source: TimeRange { start: Samples(start), end: Samples(end) },
                expected: Samples(expected),
                found: found.map(|(start, end)| TimeRange { start: Samples(start), end: Samples(end) }),
                confidence: f32::NAN,
            }).collect();
            let clip = judged(&phrases);
            prop_assert_eq!(clip.known + clip.unknown, phrases.len());
            prop_assert_eq!(clip.verdict == Verdict::CannotTell, clip.known == 0);
            prop_assert!(clip.findings(&phrases, Tolerance::default(), FrameRate::FPS_24).len() <= phrases.len());
        }
    }
}
