//! How far each phrase of a supplied recording is from where it was asked for, and what that means for the clip.
//!
//! A clip is never told by one number: each phrase was performed anew and has an offset and a length of its own.
//! Deliberately absent: finding the phrases, which `media` does. What was not heard is not judged.

pub mod edit_map;

mod judgement;

use serde::{Deserialize, Serialize};

use crate::time::{FrameRate, Frames, SampleRate, Samples, TimeRange};

pub use judgement::{ClipSync, Worst, judge};

/// Parts per million in a whole.
const MILLION: i128 = 1_000_000;

/// A phrase of a supplied recording and where it was heard. All in samples at 48 kHz.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PhraseSync {
    /// The recording, from 1: `REF1` in file names.
    pub reference: u32,
    /// Where the phrase lies in the recording as it was sent.
    pub source: TimeRange<Samples>,
    /// The clip's sample at which its first was asked for.
    pub expected: Samples,
    /// Where it lies in the clip; absent where it was not heard with enough confidence.
    pub found: Option<TimeRange<Samples>>,
    /// How sure that is, from 0 to 1.
    pub confidence: f32,
}

impl PhraseSync {
    /// Where it was heard. A range that holds nothing is not heard.
    #[must_use]
    pub fn heard(&self) -> Option<TimeRange<Samples>> {
        self.found.filter(|found| found.start < found.end)
    }

    /// Samples that its beginning is late; negative where it is early.
    #[must_use]
    pub fn offset(&self) -> Option<i64> {
        self.heard().map(|found| apart(found.start.0, self.expected.0))
    }

    /// Samples that its end is late; negative where it is early.
    #[must_use]
    pub fn end_offset(&self) -> Option<i64> {
        let end = self.expected.0.saturating_add(self.source.length().0);
        self.heard().map(|found| apart(found.end.0, end))
    }

    /// The greater of both offsets, whichever way it goes, with its sign: the beginning's where they are as great.
    #[must_use]
    pub fn worst_offset(&self) -> Option<i64> {
        let (start, end) = self.offset().zip(self.end_offset())?;
        Some(if end.unsigned_abs() > start.unsigned_abs() { end } else { start })
    }

    /// How much longer it was heard than it is in the recording, in parts per million rounded to the nearest, a
    /// half away from zero; negative where it is shorter. `None` also where the recording's phrase has no length.
    #[must_use]
    pub fn stretch_ppm(&self) -> Option<i64> {
        let (found, source) = (self.heard()?.length().0, self.source.length().0);
        let longer = i128::from(found) - i128::from(source);
        half_away(longer.checked_mul(MILLION)?, i128::from(source))
    }

    /// How it is judged: by both of its ends, since a phrase that begins in sync and is stretched leaves the lips
    /// before it ends.
    #[must_use]
    pub fn verdict(&self, tolerance: Tolerance, rate: FrameRate) -> Verdict {
        self.worst_offset().map_or(Verdict::CannotTell, |offset| tolerance.verdict(offset, rate))
    }
}

/// How many frames sound may be off its picture. Exactly as much as a bound is within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tolerance {
    /// More than this is worth a look.
    pub warn: Frames,
    /// More than this is out of sync.
    pub fail: Frames,
}

impl Default for Tolerance {
    fn default() -> Self {
        Tolerance { warn: Frames(1), fail: Frames(2) }
    }
}

impl Tolerance {
    /// Judges an offset in samples at 48 kHz, compared by whole numbers at any rate.
    #[must_use]
    pub fn verdict(self, offset: i64, rate: FrameRate) -> Verdict {
        let off = u128::from(offset.unsigned_abs()) * u128::from(rate.num());
        let frame = u128::from(SampleRate::HZ_48000.hertz()) * u128::from(rate.den());
        let over = |bound: Frames| u128::from(bound.0).checked_mul(frame).is_some_and(|bound| off > bound);
        match (over(self.fail), over(self.warn)) {
            (true, _) => Verdict::Fail,
            (false, true) => Verdict::Warn,
            (false, false) => Verdict::InSync,
        }
    }
}

/// What offsets mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Within the tolerance.
    InSync,
    /// Off by more than the first bound.
    Warn,
    /// Off by more than the second bound.
    Fail,
    /// Nothing was heard with enough confidence.
    CannotTell,
}

impl Verdict {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::InSync => "in sync",
            Verdict::Warn => "slightly off",
            Verdict::Fail => "out of sync",
            Verdict::CannotTell => "cannot tell",
        }
    }

    /// The worse of two; what is known stands over what is not.
    #[must_use]
    pub fn worse(self, other: Verdict) -> Verdict {
        let weight = |verdict: Verdict| match verdict {
            Verdict::CannotTell => 0,
            Verdict::InSync => 1,
            Verdict::Warn => 2,
            Verdict::Fail => 3,
        };
        if weight(other) > weight(self) { other } else { self }
    }
}

/// The microseconds that so many samples at 48 kHz last, to the nearest, a half away from zero.
fn microseconds(samples: i64) -> i64 {
    half_away(i128::from(samples) * MILLION, i128::from(SampleRate::HZ_48000.hertz())).unwrap_or(if samples < 0 {
        i64::MIN
    } else {
        i64::MAX
    })
}

/// The hundredths of a frame that so many samples at 48 kHz last, to the nearest, a half away from zero.
fn frame_hundredths(samples: i64, rate: FrameRate) -> i64 {
    let num = i128::from(samples) * i128::from(rate.num()) * 100;
    let den = i128::from(SampleRate::HZ_48000.hertz()) * i128::from(rate.den());
    half_away(num, den).unwrap_or(if samples < 0 { i64::MIN } else { i64::MAX })
}

/// Writes an offset as `125.0 ms (3.00 frames) late`, each figure to the nearest, a half up.
#[must_use]
pub fn offset_in_words(samples: i64, rate: FrameRate) -> String {
    let tenths = microseconds(samples).unsigned_abs().saturating_add(50) / 100;
    let hundredths = frame_hundredths(samples, rate).unsigned_abs();
    let way = match samples {
        ..0 => "early",
        0 => return "in place".to_owned(),
        1.. => "late",
    };
    let (ms, frames) = ((tenths / 10, tenths % 10), (hundredths / 100, hundredths % 100));
    format!("{}.{} ms ({}.{:02} frames) {way}", ms.0, ms.1, frames.0, frames.1)
}

/// `one − other`, held at the ends of `i64`.
pub(crate) fn apart(one: u64, other: u64) -> i64 {
    let difference = i128::from(one) - i128::from(other);
    i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX })
}

/// Divides to the nearest, a half away from zero. `None` by zero and where the answer exceeds `i64`.
fn half_away(num: i128, den: i128) -> Option<i64> {
    let (size, by) = (num.unsigned_abs(), den.unsigned_abs());
    let whole = i64::try_from(size.checked_add(by / 2)?.checked_div(by)?).ok()?;
    Some(if (num < 0) == (den < 0) { whole } else { -whole })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A phrase of one second, asked for at half a second.
    fn phrase(found: Option<(u64, u64)>) -> PhraseSync {
        let found = found.map(|(start, end)| TimeRange { start: Samples(start), end: Samples(end) });
        let source = TimeRange { start: Samples(1000), end: Samples(49_000) };
        PhraseSync { reference: 1, source, expected: Samples(24_000), found, confidence: 0.9 }
    }

    #[test]
    fn offsets_are_counted_at_both_ends() {
        // A frame at 24 is 2000 samples: three late, and half a per cent longer.
        let late = phrase(Some((30_000, 78_240)));
        assert_eq!((late.offset(), late.end_offset(), late.worst_offset()), (Some(6000), Some(6240), Some(6240)));
        assert_eq!(late.stretch_ppm(), Some(5000));
        let early = phrase(Some((20_000, 67_999)));
        assert_eq!((early.offset(), early.end_offset(), early.worst_offset()), (Some(-4000), Some(-4001), Some(-4001)));
        // −1 in 48 000 is −20.83 ppm.
        assert_eq!(early.stretch_ppm(), Some(-21));
        for silent in [None, Some((5, 5)), Some((9, 5))] {
            assert_eq!((phrase(silent).offset(), phrase(silent).stretch_ppm()), (None, None));
        }
    }

    #[test]
    fn samples_become_time_and_frames_with_halves_away_from_zero() {
        assert_eq!((microseconds(6000), microseconds(-6000)), (125_000, -125_000));
        // 3 samples are 62.5 µs.
        assert_eq!((microseconds(3), microseconds(-3)), (63, -63));
        assert_eq!((frame_hundredths(6000, FrameRate::FPS_24), frame_hundredths(-10, FrameRate::FPS_24)), (300, -1));
        let ntsc = "29.97".parse().expect("a rate");
        // One frame is 1601.6 samples.
        assert_eq!((frame_hundredths(8008, ntsc), frame_hundredths(1601, ntsc)), (500, 100));
        assert_eq!(offset_in_words(-6000, FrameRate::FPS_24), "125.0 ms (3.00 frames) early");
        assert_eq!(offset_in_words(1, FrameRate::FPS_24), "0.0 ms (0.00 frames) late");
    }

    #[test]
    fn a_bound_belongs_to_what_it_bounds() {
        for (fps, offset, verdict) in [
            ("24", 0, Verdict::InSync),
            ("24", 2000, Verdict::InSync),
            ("24", -2000, Verdict::InSync),
            ("24", 2001, Verdict::Warn),
            ("24", -4000, Verdict::Warn),
            ("24", 4001, Verdict::Fail),
            ("23.976", 2002, Verdict::InSync),
            ("23.976", 2003, Verdict::Warn),
            // Two frames at 29.97 are 3203.2 samples.
            ("29.97", 3203, Verdict::Warn),
            ("29.97", 3204, Verdict::Fail),
            ("25", i64::MIN, Verdict::Fail),
        ] {
            let rate = fps.parse().expect("a rate");
            assert_eq!(Tolerance::default().verdict(offset, rate), verdict, "{offset} at {fps}");
        }
    }

    #[test]
    fn a_phrase_that_begins_in_sync_and_ends_late_is_not_in_sync() {
        let stretched = phrase(Some((24_000, 24_000 + 48_000 + 8000)));
        assert_eq!(stretched.verdict(Tolerance::default(), FrameRate::FPS_24), Verdict::Fail);
        assert_eq!(phrase(None).verdict(Tolerance::default(), FrameRate::FPS_24), Verdict::CannotTell);
    }

    #[test]
    fn absurd_numbers_are_held_and_not_wrapped() {
        let mut odd = phrase(Some((u64::MAX - 1, u64::MAX)));
        assert_eq!((odd.offset(), odd.end_offset()), (Some(i64::MAX), Some(i64::MAX)));
        odd.source = TimeRange { start: Samples(9), end: Samples(2) };
        assert_eq!(odd.stretch_ppm(), None);
        odd.expected = Samples(u64::MAX);
        odd.found = Some(TimeRange { start: Samples(0), end: Samples(1) });
        assert_eq!(odd.offset(), Some(i64::MIN));
        assert!(offset_in_words(i64::MIN, FrameRate::FPS_24).ends_with("early"));
        assert!(offset_in_words(i64::MAX, FrameRate::FPS_24).ends_with("late"));
    }

    #[test]
    fn a_phrase_survives_json() {
        for one in [phrase(Some((1, 2))), phrase(None)] {
            let text = serde_json::to_string(&one).expect("a text");
            assert_eq!(serde_json::from_str::<PhraseSync>(&text).expect("a phrase"), one);
        }
    }
}
