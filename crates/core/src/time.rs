//! Time as whole frames and whole samples; timecode only at the edges.
//!
//! Deliberately absent: seconds as a floating number, and any conversion without both rates and a
//! named [`Rounding`]. 24 is not 23.976 and nothing here turns one into the other.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Says why a text is not a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// The frame rate is none of those that timecode counts.
    #[error("{0:?} is not a frame rate; use 23.976, 24, 25, 29.97, 30, 50, 59.94 or 60")]
    Rate(String),
    /// The text is not `HH:MM:SS:FF`, or a field is out of range.
    #[error("{0:?} is not a timecode; write HH:MM:SS:FF, or HH:MM:SS;FF for drop frame")]
    Timecode(String),
    /// Drop-frame counting exists only at 29.97 and 59.94.
    #[error("{0:?} is drop-frame, which exists only at 29.97 and 59.94 frames a second")]
    NoDropFrame(String),
    /// Drop-frame counting skips this label.
    #[error("{0:?} does not exist in drop-frame counting, which skips the first frames of each minute but every tenth")]
    Dropped(String),
    /// The text is not a time within a file.
    #[error("{0:?} is not a time; write HH:MM:SS.mmm or seconds such as 1.2")]
    Clock(String),
}

/// Says which way a conversion goes when it does not come out even.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// Toward zero: the last whole unit that fits.
    Down,
    /// To the nearest unit; a half goes up.
    Nearest,
    /// To the first whole unit that covers.
    Up,
}

impl Rounding {
    /// Divides `num` by `den` in this way. `None` when `den` is zero or the answer exceeds `u64`.
    #[must_use]
    pub fn divide(self, num: u128, den: u128) -> Option<u64> {
        let add = match self {
            Rounding::Down => 0,
            Rounding::Nearest => den / 2,
            Rounding::Up => den.checked_sub(1)?,
        };
        u64::try_from(num.checked_add(add)?.checked_div(den)?).ok()
    }
}

/// A frame rate in frames per second, as a ratio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameRate {
    num: NonZeroU32,
    den: NonZeroU32,
}

impl FrameRate {
    /// 24 frames a second, the rate that Seedance delivers.
    pub const FPS_24: FrameRate = FrameRate::whole(NonZeroU32::new(24).expect("24 is not zero"));

    const fn whole(num: NonZeroU32) -> FrameRate {
        FrameRate { num, den: NonZeroU32::MIN }
    }

    /// Makes a rate of `num / den` frames a second in lowest terms; `None` where either is zero.
    #[must_use]
    pub fn new(num: u32, den: u32) -> Option<FrameRate> {
        let divisor = greatest_common_divisor(num, den);
        let num = NonZeroU32::new(num.checked_div(divisor)?)?;
        let den = NonZeroU32::new(den.checked_div(divisor)?)?;
        Some(FrameRate { num, den })
    }

    /// The rates that cameras and editors use: those of timecode, and 48.
    pub fn usual() -> impl Iterator<Item = FrameRate> {
        let rates =
            [(24_000, 1001), (24, 1), (25, 1), (30_000, 1001), (30, 1), (48, 1), (50, 1), (60_000, 1001), (60, 1)];
        rates.into_iter().filter_map(|(num, den)| FrameRate::new(num, den))
    }

    /// Frames in `den()` seconds.
    #[must_use]
    pub fn num(self) -> u32 {
        self.num.get()
    }

    /// Seconds that `num()` frames last.
    #[must_use]
    pub fn den(self) -> u32 {
        self.den.get()
    }

    /// The number of frame labels in a timecode second: 24 for 23.976, 30 for 29.97.
    #[must_use]
    pub fn nominal(self) -> u32 {
        self.num().div_ceil(self.den())
    }

    /// How many labels drop-frame counting skips a minute: 2 at 29.97, 4 at 59.94, else none.
    #[must_use]
    pub fn dropped_labels(self) -> Option<u32> {
        match (self.num(), self.den()) {
            (30_000, 1001) => Some(2),
            (60_000, 1001) => Some(4),
            _ => None,
        }
    }

    /// The rate that a whole one becomes where every frame lasts 1001/1000 as long: 23.976 of 24, 29.97 of 30, 59.94
    /// of 60. `None` of any other.
    #[must_use]
    pub fn slowed(self) -> Option<FrameRate> {
        let whole = matches!((self.num(), self.den()), (24 | 30 | 60, 1));
        whole.then(|| FrameRate::new(self.num() * 1000, 1001)).flatten()
    }

    /// Converts frames to samples of `rate` hertz. `None` when the answer exceeds `u64`.
    #[must_use]
    pub fn samples(self, frames: Frames, rate: SampleRate, rounding: Rounding) -> Option<Samples> {
        let num = u128::from(frames.0) * u128::from(self.den()) * u128::from(rate.hertz());
        rounding.divide(num, u128::from(self.num())).map(Samples)
    }

    /// Converts samples of `rate` hertz to frames. `None` when the answer exceeds `u64`.
    #[must_use]
    pub fn frames(self, samples: Samples, rate: SampleRate, rounding: Rounding) -> Option<Frames> {
        let num = u128::from(samples.0) * u128::from(self.num());
        let den = u128::from(rate.hertz()) * u128::from(self.den());
        rounding.divide(num, den).map(Frames)
    }

    /// The frames that pass in a time. `None` when the answer exceeds `u64`.
    #[must_use]
    pub fn frames_in(self, time: ClockTime, rounding: Rounding) -> Option<Frames> {
        let num = u128::from(time.0).checked_mul(u128::from(self.num()))?;
        rounding.divide(num, u128::from(self.den()) * 1_000_000).map(Frames)
    }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

impl FromStr for FrameRate {
    type Err = TimeError;

    /// Reads `24`, `23.976`, `23.98`, `29.97`, `59.94` or a ratio such as `24000/1001`.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let (num, den) = match text.trim() {
            "24" | "24/1" | "24.0" => (24, 1),
            "23.976" | "23.98" | "24000/1001" => (24_000, 1001),
            "25" | "25/1" | "25.0" => (25, 1),
            "29.97" | "30000/1001" => (30_000, 1001),
            "30" | "30/1" | "30.0" => (30, 1),
            "50" | "50/1" | "50.0" => (50, 1),
            "59.94" | "60000/1001" => (60_000, 1001),
            "60" | "60/1" | "60.0" => (60, 1),
            other => return Err(TimeError::Rate(other.to_owned())),
        };
        FrameRate::new(num, den).ok_or_else(|| TimeError::Rate(text.to_owned()))
    }
}

impl fmt::Display for FrameRate {
    /// Writes whole rates as `24` and others as `24000/1001`, which [`FromStr`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.den() {
            1 => write!(f, "{}", self.num),
            _ => write!(f, "{}/{}", self.num, self.den),
        }
    }
}

impl Serialize for FrameRate {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FrameRate {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        let ratio = text.split_once('/').unwrap_or((&text, "1"));
        let parse = |part: &str| part.parse().ok();
        parse(ratio.0)
            .zip(parse(ratio.1))
            .and_then(|(num, den)| FrameRate::new(num, den))
            .ok_or_else(|| serde::de::Error::custom(TimeError::Rate(text.clone())))
    }
}

/// A sample rate in hertz; never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SampleRate(NonZeroU32);

impl SampleRate {
    /// 48 kHz, the rate of every stem.
    pub const HZ_48000: SampleRate = SampleRate(NonZeroU32::new(48_000).expect("48000 is not zero"));

    /// Makes a rate from hertz; `None` for zero.
    #[must_use]
    pub fn new(hertz: u32) -> Option<SampleRate> {
        NonZeroU32::new(hertz).map(SampleRate)
    }

    /// The rate in hertz.
    #[must_use]
    pub fn hertz(self) -> u32 {
        self.0.get()
    }
}

/// A number of picture frames, or an index of one; its rate stands beside it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Frames(pub u64);

/// A number of samples per channel, or an index of one; its rate stands beside it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Samples(pub u64);

impl Samples {
    /// The time that so many samples of `rate` last, in the given rounding.
    #[must_use]
    pub fn clock(self, rate: SampleRate, rounding: Rounding) -> Option<ClockTime> {
        let num = u128::from(self.0) * 1_000_000;
        rounding.divide(num, u128::from(rate.hertz())).map(ClockTime)
    }
}

/// A stretch from `start` up to, but without, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeRange<T> {
    /// The first unit inside.
    pub start: T,
    /// The first unit after.
    pub end: T,
}

impl TimeRange<Samples> {
    /// How many samples lie inside; none where the end comes first.
    #[must_use]
    pub fn length(self) -> Samples {
        Samples(self.end.0.saturating_sub(self.start.0))
    }
}

/// A time within a file, in whole microseconds: what people type as `00:00:01.200`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClockTime(pub u64);

impl ClockTime {
    /// Makes a time of so many whole seconds.
    #[must_use]
    pub const fn seconds(seconds: u32) -> ClockTime {
        ClockTime(seconds as u64 * 1_000_000)
    }

    /// Converts to samples of `rate`. `None` when the answer exceeds `u64`.
    #[must_use]
    pub fn samples(self, rate: SampleRate, rounding: Rounding) -> Option<Samples> {
        let num = u128::from(self.0) * u128::from(rate.hertz());
        rounding.divide(num, 1_000_000).map(Samples)
    }
}

impl FromStr for ClockTime {
    type Err = TimeError;

    /// Reads `SS`, `MM:SS` or `HH:MM:SS`, each with up to six decimals in its last field.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        parse_clock(text).ok_or_else(|| TimeError::Clock(text.to_owned()))
    }
}

fn parse_clock(text: &str) -> Option<ClockTime> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let fields: Vec<&str> = whole.split(':').collect();
    if fields.len() > 3 || decimals.len() > 6 {
        return None;
    }
    let mut seconds: u64 = 0;
    for (index, field) in fields.iter().enumerate() {
        let value = digits(field)?;
        if index > 0 && value >= 60 {
            return None;
        }
        seconds = seconds.checked_mul(60)?.checked_add(value)?;
    }
    let scale = 10_u64.checked_pow(6_u32.checked_sub(u32::try_from(decimals.len()).ok()?)?)?;
    let micros = digits(decimals)?.checked_mul(scale)?;
    Some(ClockTime(seconds.checked_mul(1_000_000)?.checked_add(micros)?))
}

fn digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.len() <= 12 && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

impl fmt::Display for ClockTime {
    /// Writes seconds with three decimals, cut and not rounded: `15.000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1_000_000, self.0 / 1000 % 1000)
    }
}

/// A label of SMPTE ST 12-1: a frame within a day of 24 hours, drop-frame or not.
///
/// - The frame lies before 24:00:00:00.
/// - Drop-frame only at 29.97 and 59.94.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timecode {
    frame: u64,
    rate: FrameRate,
    drop: bool,
}

impl Timecode {
    /// Makes the label of the given frame since midnight; days wrap. `None` when drop-frame counting
    /// is asked for at a rate that has none.
    #[must_use]
    pub fn from_frames(frame: Frames, rate: FrameRate, drop: bool) -> Option<Timecode> {
        if drop && rate.dropped_labels().is_none() {
            return None;
        }
        let day = frames_in_a_day(rate, drop);
        Some(Timecode { frame: frame.0 % day, rate, drop })
    }

    /// Reads `HH:MM:SS:FF`; a `;` or `.` before the frames asks for drop-frame counting.
    ///
    /// # Errors
    /// Says whether the form, a field's range, or drop-frame counting is at fault.
    pub fn parse(text: &str, rate: FrameRate) -> Result<Timecode, TimeError> {
        let (fields, drop) = timecode_fields(text).ok_or_else(|| TimeError::Timecode(text.to_owned()))?;
        let [hours, minutes, seconds, frames] = fields;
        let nominal = u64::from(rate.nominal());
        if hours > 23 || minutes > 59 || seconds > 59 || frames >= nominal {
            return Err(TimeError::Timecode(text.to_owned()));
        }
        let label = ((hours * 60 + minutes) * 60 + seconds) * nominal + frames;
        if !drop {
            return Ok(Timecode { frame: label, rate, drop });
        }
        let skipped = u64::from(rate.dropped_labels().ok_or_else(|| TimeError::NoDropFrame(text.to_owned()))?);
        let total_minutes = hours * 60 + minutes;
        if seconds == 0 && frames < skipped && minutes % 10 != 0 {
            return Err(TimeError::Dropped(text.to_owned()));
        }
        let frame = label - skipped * (total_minutes - total_minutes / 10);
        Ok(Timecode { frame, rate, drop })
    }

    /// The frame since midnight that this labels.
    #[must_use]
    pub fn frames(self) -> Frames {
        Frames(self.frame)
    }

    /// The rate that this counts in.
    #[must_use]
    pub fn rate(self) -> FrameRate {
        self.rate
    }

    /// Whether this counts drop-frame.
    #[must_use]
    pub fn is_drop(self) -> bool {
        self.drop
    }

    /// The first frame of the next day, counted from midnight.
    #[must_use]
    pub fn midnight(self) -> Frames {
        Frames(frames_in_a_day(self.rate, self.drop))
    }

    /// The label so many frames later; days wrap.
    #[must_use]
    pub fn plus(self, frames: Frames) -> Timecode {
        let day = frames_in_a_day(self.rate, self.drop);
        Timecode { frame: (self.frame + frames.0 % day) % day, ..self }
    }
}

fn timecode_fields(text: &str) -> Option<([u64; 4], bool)> {
    let text = text.trim();
    let (head, frames) = text.rsplit_once([':', ';', '.'])?;
    let drop = !text.get(head.len()..)?.starts_with(':');
    let mut fields = [0; 4];
    let parts: Vec<&str> = head.split(':').chain([frames]).collect();
    if parts.len() != 4 {
        return None;
    }
    for (field, part) in fields.iter_mut().zip(parts) {
        *field = digits(part).filter(|_| part.len() == 2)?;
    }
    Some((fields, drop))
}

fn frames_in_a_day(rate: FrameRate, drop: bool) -> u64 {
    let labels = 86_400 * u64::from(rate.nominal());
    let skipped = rate.dropped_labels().filter(|_| drop).unwrap_or(0);
    labels - u64::from(skipped) * (1440 - 144)
}

impl fmt::Display for Timecode {
    /// Writes `HH:MM:SS:FF`, with `;` before the frames when drop-frame.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nominal = u64::from(self.rate.nominal());
        let skipped = self.rate.dropped_labels().filter(|_| self.drop).map_or(0, u64::from);
        let label = self.frame + skipped * dropped_before(self.frame, nominal, skipped);
        let (seconds, frames) = (label / nominal, label % nominal);
        let separator = if self.drop { ';' } else { ':' };
        write!(f, "{:02}:{:02}:{:02}{separator}{frames:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }
}

/// How many minutes that skip labels have begun before this frame.
fn dropped_before(frame: u64, nominal: u64, skipped: u64) -> u64 {
    let minute = nominal * 60 - skipped;
    let ten_minutes = minute * 10 + skipped;
    let (tens, rest) = (frame / ten_minutes, frame % ten_minutes);
    let minutes = rest.saturating_sub(skipped) / minute;
    tens * 9 + minutes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATES: [&str; 8] = ["23.976", "24", "25", "29.97", "30", "50", "59.94", "60"];

    fn rate(text: &str) -> FrameRate {
        text.parse().expect("a rate of the table")
    }

    /// Hand-counted: SMPTE ST 12-1 drop-frame skips 108 labels in an hour at 29.97, 216 at 59.94.
    #[test]
    fn timecode_counts_frames_as_the_standard_does() {
        for (text, fps, frame) in [
            ("01:00:00:00", "24", 86_400),
            ("01:00:00:00", "23.976", 86_400),
            ("01:00:00:00", "25", 90_000),
            ("01:00:00:00", "29.97", 108_000),
            ("01:00:00;00", "29.97", 107_892),
            ("00:01:00;02", "29.97", 1800),
            ("00:00:59;29", "29.97", 1799),
            ("00:10:00;00", "29.97", 17_982),
            ("01:00:00;00", "59.94", 215_784),
            ("00:01:00;04", "59.94", 3600),
            ("01:00:00:00", "50", 180_000),
            ("23:59:59:59", "60", 5_183_999),
        ] {
            let timecode = Timecode::parse(text, rate(fps)).expect(text);
            assert_eq!(timecode.frames(), Frames(frame), "{text} at {fps}");
            assert_eq!(timecode.to_string(), text);
        }
    }

    #[test]
    fn labels_that_do_not_exist_are_refused() {
        for (text, fps) in [
            ("00:01:00;00", "29.97"),
            ("00:01:00;03", "59.94"),
            ("01:00:00;00", "24"),
            ("01:00:00:24", "24"),
            ("24:00:00:00", "24"),
            ("1:00:00:00", "24"),
            ("01:00:00", "24"),
            ("01:60:00:00", "24"),
            ("", "24"),
        ] {
            assert!(Timecode::parse(text, rate(fps)).is_err(), "{text} at {fps}");
        }
    }

    #[test]
    fn an_hour_of_frames_lasts_the_samples_of_the_table() {
        for (fps, samples) in
            [("24", 172_800_000), ("23.976", 172_972_800), ("25", 172_800_000), ("29.97", 172_972_800)]
        {
            let rate = rate(fps);
            let frames = Frames(u64::from(rate.nominal()) * 3600);
            let found = rate.samples(frames, SampleRate::HZ_48000, Rounding::Nearest);
            assert_eq!(found, Some(Samples(samples)), "{fps}");
        }
    }

    #[test]
    fn one_frame_at_29_97_is_not_a_whole_number_of_samples() {
        let rate = rate("29.97");
        let one = |rounding| rate.samples(Frames(1), SampleRate::HZ_48000, rounding);
        assert_eq!(one(Rounding::Down), Some(Samples(1601)));
        assert_eq!(one(Rounding::Nearest), Some(Samples(1602)));
        assert_eq!(one(Rounding::Up), Some(Samples(1602)));
    }

    #[test]
    fn clock_times_are_read_exactly() {
        for (text, micros) in
            [("1.2", 1_200_000), ("00:00:01.200", 1_200_000), ("02:03", 123_000_000), ("15", 15_000_000)]
        {
            assert_eq!(text.parse(), Ok(ClockTime(micros)), "{text}");
        }
        for text in ["", ".", "1:", "-1", "1:60", "1.1234567", "1e3", "1:2:3:4", "99999999999999"] {
            assert!(text.parse::<ClockTime>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_frame_of_a_day_survives_its_label(frame in 0_u64..5_184_000, index in 0_usize..8, drop: bool) {
            let rate = rate(RATES[index]);
            let drop = drop && rate.dropped_labels().is_some();
            let timecode = Timecode::from_frames(Frames(frame), rate, drop).expect("drop only where it exists");
            prop_assert_eq!(Timecode::parse(&timecode.to_string(), rate), Ok(timecode));
        }

        #[test]
        fn frames_survive_samples(frame in 0_u64..u64::from(u32::MAX), index in 0_usize..8) {
            let rate = rate(RATES[index]);
            let samples = rate.samples(Frames(frame), SampleRate::HZ_48000, Rounding::Nearest).expect("in range");
            prop_assert_eq!(rate.frames(samples, SampleRate::HZ_48000, Rounding::Nearest), Some(Frames(frame)));
        }

        #[test]
        fn no_text_panics(text in ".{0,24}") {
            let _ = Timecode::parse(&text, FrameRate::FPS_24);
            let _ = text.parse::<ClockTime>();
            let _ = text.parse::<FrameRate>();
        }
    }
}
