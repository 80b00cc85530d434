//! Dialogue estimated out of a mix, and the rest of the mix: the two add up to it exactly.
//!
//! Two networks listen to the sound, one trained on speech in noise and one on voices over music, and the mean of what
//! they leave is taken. All channels pass through the same filter, so that the picture in stereo stays where it was.

mod deep_filter;
mod frames;
mod vocals;

use crate::MediaError;
use crate::net::{Thread, alone};
use deep_filter::{DeepFilter, Means};
use std::sync::OnceLock;
use vocals::Vocals;

/// What made an estimate.
pub const MODEL: &str = "DeepFilterNet3 and Spleeter";
/// How good estimates are, as `tests/separation.rs` measures it.
pub const QUALITY: &str = "on known mixtures at 0 dB the estimate was nearer to the speech than the mix by 11.0 dB in noise, \
    0.6 dB among voices, 12.4 dB among effects and 12.8 dB over music (SI-SDR, mean of six speakers)";
/// Samples that are heard at once, at 48 kHz: 4.4 s, 441 frames of one network and 192 of the other. What they need in
/// memory grows with it.
const WINDOW: usize = 441 * 480;
/// Samples that neighbouring windows share.
const SHARED: usize = 57_600;
/// Samples at the start of a window that are not used: by then the networks know the sound.
const WARM: usize = 36_000;
/// Samples over which one window gives way to the next.
const FADE: usize = 12_000;
/// The second network's part of the estimate.
const VOCALS: f32 = 0.4;
/// Samples beyond this are no sound; their squares must not overflow.
const LOUDEST: f32 = 1e6;
/// The largest 24-bit sample; the smallest is one further from zero.
const FULL: i32 = (1 << 23) - 1;

/// The networks: read once a program.
struct Networks {
    speech: DeepFilter,
    vocals: Vocals,
}

/// A mix of 24 bits in two: whole numbers from −2²³ to 2²³ − 1, one `Vec` a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// The dialogue.
    pub dialogue: Vec<Vec<i32>>,
    /// The mix without the dialogue: music and effects.
    pub rest: Vec<Vec<i32>>,
}

/// Splits a mix (48 kHz, one or two channels of equal length, 24 bits) so that dialogue and rest add up to it exactly.
///
/// The dialogue is the nearest whole number to the estimate, but never one with which the rest would not fit 24 bits.
///
/// # Errors
///
/// [`MediaError::Limit`] if a sample has more than 24 bits, and the errors of [`dialogue`].
pub fn split(mix: &[Vec<i32>]) -> Result<Split, MediaError> {
    if let Some(wide) = mix.iter().flatten().find(|sample| !(-FULL - 1..=FULL).contains(*sample)) {
        let found = u64::from(wide.unsigned_abs());
        return Err(MediaError::Limit { what: "a sample of 24 bits", found, allowed: FULL as u64 });
    }
    let scale = (FULL + 1) as f32;
    let planes: Vec<Vec<f32>> = mix.iter().map(|plane| plane.iter().map(|s| *s as f32 / scale).collect()).collect();
    let estimate = dialogue(&planes.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
    let dialogue: Vec<Vec<i32>> = mix
        .iter()
        .zip(&estimate)
        .map(|(plane, estimate)| plane.iter().zip(estimate).map(|(mix, wish)| part(*mix, *wish * scale)).collect())
        .collect();
    let rest = mix.iter().zip(&dialogue).map(|(mix, part)| mix.iter().zip(part).map(|(m, d)| m - d).collect());
    Ok(Split { rest: rest.collect(), dialogue })
}

/// The whole number nearest to `wish` that fits 24 bits, and with which what is left of `mix` does too.
fn part(mix: i32, wish: f32) -> i32 {
    // A float too large for the type becomes its largest number.
    (wish.round() as i32).clamp((-FULL - 1).max(mix - FULL), FULL.min(mix + FULL + 1))
}

/// Estimates the dialogue in a sound: 48 kHz, one or two channels of equal length, full scale at 1.
///
/// The answer has as many channels and samples, in step with the sound. It is the same on any number of threads; one
/// call takes one core. A sample that is not a number counts as zero.
///
/// # Errors
///
/// [`MediaError::Unsupported`] if there are no channels or more than two, or if they are not equally long.
pub fn dialogue(planes: &[&[f32]]) -> Result<Vec<Vec<f32>>, MediaError> {
    let length = planes.first().map_or(0, |plane| plane.len());
    if !(1..=2).contains(&planes.len()) || planes.iter().any(|plane| plane.len() != length) {
        return Err(MediaError::Unsupported("dialogue is found in one or two equally long channels".into()));
    }
    if planes.iter().all(|plane| plane.iter().all(|sample| clean(*sample) == 0.0)) {
        return Ok(vec![vec![0.0; length]; planes.len()]);
    }
    alone(|| estimate(planes, length))
}

/// The dialogue, window by window.
fn estimate(planes: &[&[f32]], length: usize) -> Result<Vec<Vec<f32>>, MediaError> {
    let mut out = vec![vec![0.0; length]; planes.len()];
    let networks = networks()?;
    let thread = Thread::new();
    let mut means = Means::new();
    let mut start = 0;
    loop {
        let end = length.min(start + WINDOW);
        let window: Vec<Vec<f32>> =
            planes.iter().map(|plane| plane[start..end].iter().map(|sample| clean(*sample)).collect()).collect();
        for (whole, part) in out.iter_mut().zip(networks.hear(&thread, &window, &mut means)?) {
            blend(&mut whole[start..end], &part, start > 0);
        }
        if end == length {
            return Ok(out);
        }
        start += WINDOW - SHARED;
    }
}

/// Writes a window over what the one before it left, fading from that to this where they share samples.
fn blend(place: &mut [f32], window: &[f32], follows: bool) {
    let warm = if follows { WARM } else { 0 };
    for (index, (to, from)) in place.iter_mut().zip(window).enumerate().skip(warm) {
        let weight = if follows { ((index - warm) as f32 / FADE as f32).min(1.0) } else { 1.0 };
        *to += weight * (from - *to);
    }
}

fn clean(sample: f32) -> f32 {
    if sample.is_nan() { 0.0 } else { sample.clamp(-LOUDEST, LOUDEST) }
}

fn networks() -> Result<&'static Networks, MediaError> {
    static NETWORKS: OnceLock<Networks> = OnceLock::new();
    if let Some(networks) = NETWORKS.get() {
        return Ok(networks);
    }
    let networks = Networks { speech: DeepFilter::new()?, vocals: Vocals::new()? };
    Ok(NETWORKS.get_or_init(|| networks))
}

impl Networks {
    /// Estimates the dialogue in one window. The means go on to where the next window starts.
    fn hear(&self, thread: &Thread, window: &[Vec<f32>], means: &mut Means) -> Result<Vec<Vec<f32>>, MediaError> {
        let guide = guide(window);
        let spectra = self.speech.split(&guide)?;
        let filter = self.speech.filter(thread, &spectra, means, (WINDOW - SHARED) / DeepFilter::HOP)?;
        let spoken = self.speech.join(self.speech.apply(&filter, &spectra), guide.len())?;
        drop(spectra);
        let gains = self.gains(thread, &guide, &spoken)?;
        let mut out = Vec::with_capacity(window.len());
        for plane in window {
            let filtered = self.speech.apply(&filter, &self.speech.split(plane)?);
            let spoken = self.speech.join(filtered, plane.len())?;
            let voices = self.vocals.join(Vocals::apply(&gains, self.vocals.split(plane)?), plane.len())?;
            out.push(mean(&spoken, &voices));
        }
        Ok(out)
    }

    /// The second network's gains: what it says about the mix, and what it says once half of what both networks hold
    /// to be no dialogue has gone.
    fn gains(&self, thread: &Thread, guide: &[f32], spoken: &[f32]) -> Result<Vec<f32>, MediaError> {
        let spectra = self.vocals.split(guide)?;
        let mut gains = self.vocals.gains(thread, &spectra)?;
        let voices = self.vocals.join(Vocals::apply(&gains, spectra), guide.len())?;
        let cleaner: Vec<f32> = mean(spoken, &voices).iter().zip(guide).map(|(part, all)| 0.5 * (part + all)).collect();
        let again = self.vocals.gains(thread, &self.vocals.split(&cleaner)?)?;
        gains.iter_mut().zip(again).for_each(|(gain, again)| *gain = 0.5 * (*gain + again));
        Ok(gains)
    }
}

/// The weighted mean of what the two networks leave.
fn mean(spoken: &[f32], voices: &[f32]) -> Vec<f32> {
    spoken.iter().zip(voices).map(|(spoken, voices)| spoken + VOCALS * (voices - spoken)).collect()
}

/// The one channel that the networks hear: the middle, or the louder side where the sides cancel each other there.
fn guide(window: &[Vec<f32>]) -> Vec<f32> {
    let power = |plane: &[f32]| plane.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>();
    match window {
        [left, right] => {
            let middle: Vec<f32> = left.iter().zip(right).map(|(l, r)| 0.5 * (l + r)).collect();
            let (of_left, of_right) = (power(left), power(right));
            match power(&middle) < 0.05 * (of_left + of_right) {
                true if of_left >= of_right => left.clone(),
                true => right.clone(),
                false => middle,
            }
        }
        _ => window.first().cloned().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A vowel of 120 Hz that comes and goes, and noise.
    fn speechlike(length: usize) -> Vec<f32> {
        let mut noise = 1_u32;
        (0..length)
            .map(|index| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let time = index as f32 / 48_000.0;
                let voice: f32 = (1..20).map(|n| (time * 754.0 * n as f32).sin() / n as f32).sum();
                0.1 * voice * (time * 9.0).sin().max(0.0) + 0.02 * (noise >> 8) as f32 / (1 << 24) as f32
            })
            .collect()
    }

    fn whole(plane: &[f32], loudness: f32) -> Vec<i32> {
        plane.iter().map(|x| ((x * loudness * 8_388_608.0) as i32).clamp(-FULL - 1, FULL)).collect()
    }

    fn check_split(mix: &[Vec<i32>]) {
        let split = split(mix).expect("it is sound of 24 bits");
        assert_eq!((split.dialogue.len(), split.rest.len()), (mix.len(), mix.len()));
        for ((mix, dialogue), rest) in mix.iter().zip(&split.dialogue).zip(&split.rest) {
            assert_eq!((dialogue.len(), rest.len()), (mix.len(), mix.len()));
            assert!(dialogue.iter().chain(rest).all(|x| (-FULL - 1..=FULL).contains(x)));
            assert!(mix.iter().zip(dialogue).zip(rest).all(|((m, d), r)| d + r == *m));
        }
    }

    #[test]
    fn dialogue_and_rest_add_up_to_the_mix_however_loud() {
        let sound = speechlike(12_345);
        for loudness in [0.001, 1.0, 1000.0] {
            check_split(&[whole(&sound, loudness)]);
            check_split(&[whole(&sound, loudness), whole(&sound, -loudness)]);
        }
        let edges = (0..5000).map(|i| if i / 37 % 2 == 0 { FULL } else { -FULL - 1 }).collect();
        check_split(&[edges]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn any_whole_numbers_of_24_bits_split_exactly(mix in prop::collection::vec(-FULL - 1..=FULL, 0..3000)) {
            check_split(std::slice::from_ref(&mix));
            check_split(&[mix.clone(), mix]);
        }

        #[test]
        fn no_wish_makes_either_part_too_large(mix in -FULL - 1..=FULL, wish in any::<f32>()) {
            let dialogue = part(mix, wish);
            prop_assert!((-FULL - 1..=FULL).contains(&dialogue) && (-FULL - 1..=FULL).contains(&(mix - dialogue)));
        }
    }

    #[test]
    fn more_than_24_bits_are_refused() {
        for sample in [FULL + 1, -FULL - 2, i32::MIN, i32::MAX] {
            assert!(matches!(split(&[vec![0, sample]]), Err(MediaError::Limit { .. })));
        }
    }

    #[test]
    fn nothing_and_silence_stay_as_they_are() {
        assert_eq!(dialogue(&[&[]]).expect("it is one channel"), vec![Vec::<f32>::new()]);
        assert_eq!(dialogue(&[&[], &[]]).expect("they are two channels"), vec![Vec::<f32>::new(); 2]);
        let silence = vec![0.0; 400_000];
        assert_eq!(dialogue(&[&silence]).expect("it is one channel"), vec![silence]);
    }

    #[test]
    fn channels_must_be_one_or_two_and_equally_long() {
        assert!(dialogue(&[]).is_err());
        assert!(dialogue(&[&[0.1], &[0.1], &[0.1]]).is_err());
        assert!(dialogue(&[&[0.1], &[0.1, 0.1]]).is_err());
    }

    #[test]
    fn what_is_no_number_counts_as_zero() {
        let mut sound = speechlike(20_000);
        sound[7_000] = 0.0;
        let expected = dialogue(&[&sound]).expect("it is one channel");
        sound[7_000] = f32::NAN;
        assert_eq!(dialogue(&[&sound]).expect("it is one channel"), expected);
        let wild = [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX, f32::MIN_POSITIVE, 0.0].repeat(700);
        let answer = dialogue(&[&wild]).expect("it is one channel");
        assert!(answer[0].iter().all(|x| x.is_finite()));
    }

    #[test]
    fn any_length_is_kept() {
        for length in [1, 2, 479, 481, 1121, 30_001, WINDOW - 1, WINDOW, WINDOW + 1] {
            let sound = speechlike(length);
            assert_eq!(dialogue(&[&sound]).expect("it is one channel")[0].len(), length);
        }
    }

    #[test]
    fn both_channels_pass_through_one_filter() {
        let sound = speechlike(WINDOW + 50_000);
        let half: Vec<f32> = sound.iter().map(|x| 0.5 * x).collect();
        let answer = dialogue(&[&sound, &half]).expect("they are two channels");
        assert!(answer[0].iter().zip(&answer[1]).all(|(a, b)| (0.5 * a - b).abs() < 1e-5));
        let inverse: Vec<f32> = sound.iter().map(|x| -x).collect();
        let answer = dialogue(&[&sound, &inverse]).expect("they are two channels");
        assert!(answer[0].iter().zip(&answer[1]).all(|(a, b)| (a + b).abs() < 1e-5));
        assert!(answer[0].iter().any(|x| x.abs() > 0.01));
    }
}
