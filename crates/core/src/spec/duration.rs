//! How long a clip is beside the sounds that were supplied for it.

use serde::{Deserialize, Serialize};

use super::{Finding, Weight};
use crate::time::{ClockTime, FrameRate, Frames, Rounding, SampleRate, Samples};

/// How many frames a sound may be longer than its clip: a phrase seldom ends on a frame's border.
const TOLERANCE: u64 = 1;
/// Why it matters.
const WHY: &str = "the model performs the sound within the picture: what does not fit is cut or hurried";

/// A supplied sound.
#[derive(Debug, Clone)]
pub struct Sounding {
    /// What people call it, such as `REF1 (refs/line.wav)`.
    pub name: String,
    /// How long it is.
    pub length: Samples,
    /// The samples of its second.
    pub rate: SampleRate,
}

/// A clip beside one supplied sound, or all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DurationCheck {
    /// The sound, or `all references`.
    pub name: String,
    /// How long the sound is, in microseconds rounded to the nearest.
    #[serde(rename = "reference_us")]
    pub reference: ClockTime,
    /// How long the sound is, in frames of the clip rounded up.
    pub reference_frames: Frames,
    /// How long the clip is.
    pub clip_frames: Frames,
    /// Frames that the clip is longer than the sound; negative where it is shorter. A part of a frame is one.
    pub difference_frames: i64,
    /// Milliseconds that the clip is longer than the sound, rounded to the nearest; negative where it is shorter.
    pub difference_ms: i64,
    /// Frames that the sound may be longer.
    pub tolerance_frames: u64,
    /// Whether it fits.
    pub fits: bool,
    /// Why it matters.
    pub why: String,
}

/// Compares a clip with each supplied sound, and with all of them laid end to end where there are several.
#[must_use]
pub fn durations(clip: Frames, rate: FrameRate, sounds: &[Sounding]) -> Vec<DurationCheck> {
    let length = |sound: &Sounding| sound.length.clock(sound.rate, Rounding::Nearest);
    let one = |sound: &Sounding| check(sound.name.clone(), length(sound)?, clip, rate);
    let mut checks: Vec<DurationCheck> = sounds.iter().filter_map(one).collect();
    if sounds.len() > 1 {
        let all = sounds.iter().map(length).try_fold(0_u64, |sum, length| sum.checked_add(length?.0));
        checks.extend(all.and_then(|all| check("all references".to_owned(), ClockTime(all), clip, rate)));
    }
    checks
}

fn check(name: String, reference: ClockTime, clip: Frames, rate: FrameRate) -> Option<DurationCheck> {
    let reference_frames = rate.frames_in(reference, Rounding::Up)?;
    let shown = Rounding::Nearest
        .divide(u128::from(clip.0) * u128::from(rate.den()) * 1_000_000, u128::from(rate.num()))
        .and_then(|micros| i64::try_from(micros).ok())?;
    let apart = shown.checked_sub(i64::try_from(reference.0).ok()?)?;
    let half = if apart < 0 { -500 } else { 500 };
    Some(DurationCheck {
        name,
        reference,
        reference_frames,
        clip_frames: clip,
        difference_frames: i64::try_from(clip.0).ok()?.checked_sub(i64::try_from(reference_frames.0).ok()?)?,
        difference_ms: apart.saturating_add(half) / 1000,
        tolerance_frames: TOLERANCE,
        fits: reference_frames.0 <= clip.0.saturating_add(TOLERANCE),
        why: WHY.to_owned(),
    })
}

impl DurationCheck {
    /// The finding, where the sound does not fit.
    #[must_use]
    pub fn finding(&self) -> Option<Finding> {
        let (frames, milliseconds) = (-self.difference_frames, -self.difference_ms);
        let found = format!("{} is {frames} frames ({milliseconds} ms) longer than the clip", self.name);
        let expected = format!("at most {} frame longer than {} frames: {}", TOLERANCE, self.clip_frames.0, self.why);
        let fix = "ask for a longer clip, or trim the sound: `seedpost conform`";
        (!self.fits).then(|| Finding::new("reference.duration", Weight::Note, found, expected, fix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clip_is_compared_with_each_sound_and_with_all() {
        let sound = |name: &str, length: u64, hertz: u32| Sounding {
            name: name.to_owned(),
            length: Samples(length),
            rate: SampleRate::new(hertz).expect("not zero"),
        };
        // 5.000 s, 3.010 s and together 8.010 s beside 192 frames, which are 8.000 s.
        let sounds = [sound("REF1", 240_000, 48_000), sound("REF2", 132_741, 44_100)];
        let found = durations(Frames(192), FrameRate::FPS_24, &sounds);
        let facts: Vec<_> = found
            .iter()
            .map(|check| (check.name.as_str(), check.difference_frames, check.difference_ms, check.fits))
            .collect();
        assert_eq!(facts, [("REF1", 72, 3000, true), ("REF2", 119, 4990, true), ("all references", -1, -10, true)]);
        let found = durations(Frames(190), FrameRate::FPS_24, &sounds);
        assert_eq!((found[2].difference_frames, found[2].fits), (-3, false));
        assert_eq!(found[2].finding().map(|finding| finding.rule), Some("reference.duration".to_owned()));
    }
}
