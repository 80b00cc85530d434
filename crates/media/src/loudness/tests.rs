//! The minimum requirements of EBU Tech 3341 (November 2023, table 1, tests 1–6 and 9–23) and of EBU Tech 3342
//! (November 2023, table 1, tests 1–4), on signals made as described there. Tests 7 and 8, and 5 and 6, need
//! recordings.

use std::f64::consts::{PI, TAU};

use super::*;

const RATE: u32 = 48_000;

/// Silence, in the lists of tones.
const SILENT: f64 = f64::NEG_INFINITY;

/// Tones of 1 kHz one after another, each with its seconds and its peak level in dBFS.
fn tones(rate: u32, parts: &[(f64, f64)]) -> Vec<f32> {
    let mut samples = Vec::new();
    for &(seconds, level) in parts {
        let amplitude = 10_f64.powf(level / 20.0);
        let length = (seconds * f64::from(rate)).round() as usize;
        let start = samples.len();
        let wave = |n: usize| (amplitude * (TAU * 1_000.0 * n as f64 / f64::from(rate)).sin()) as f32;
        samples.extend((start..start + length).map(wave));
    }
    samples
}

fn measure(rate: u32, channels: &[&[f32]], block: usize) -> Loudness {
    let mut meter = Meter::new(rate, channels.len()).unwrap();
    for from in (0..channels[0].len()).step_by(block) {
        let to = channels[0].len().min(from + block);
        let block: Vec<&[f32]> = channels.iter().map(|channel| &channel[from..to]).collect();
        meter.add(&block).unwrap();
    }
    meter.finish()
}

fn stereo(parts: &[(f64, f64)]) -> Loudness {
    let tones = tones(RATE, parts);
    measure(RATE, &[&tones, &tones], 1_000)
}

/// The loudness of the last `window` steps, at the end of each step.
fn readings(parts: &[(f64, f64)], window: usize) -> Vec<f64> {
    let tones = tones(RATE, parts);
    let mut meter = Meter::new(RATE, 2).unwrap();
    let read = |step: &[f32]| {
        meter.add(&[step, step]).unwrap();
        lufs(meter.steps.power(window))
    };
    tones.chunks_exact(480).map(read).collect()
}

#[track_caller]
fn near(found: Option<f64>, expected: f64, tolerance: f64) {
    let found = found.expect("a level");
    assert!((found - expected).abs() <= tolerance, "{found} is not {expected} ±{tolerance}");
}

/// Noise that is the same each time, from −1 to 1.
fn noise(length: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1_u32 << 23) as f32 - 1.0
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn a_steady_tone_reads_its_level_on_all_three_scales() {
    // Tech 3341, tests 1 and 2.
    for level in [-23.0, -33.0] {
        let loudness = stereo(&[(20.0, level)]);
        near(loudness.integrated_lufs, level, 0.1);
        near(loudness.max_momentary_lufs, level, 0.1);
        near(loudness.max_short_term_lufs, level, 0.1);
        near(loudness.sample_peak_dbfs, level, 0.01);
        near(loudness.range_lu, 0.0, 0.1);
    }
}

#[test]
fn what_is_quiet_beside_the_programme_is_gated_out() {
    // Tech 3341, tests 3, 4 and 5.
    for parts in [
        &[(10.0, -36.0), (60.0, -23.0), (10.0, -36.0)] as &[_],
        &[(10.0, -72.0), (10.0, -36.0), (60.0, -23.0), (10.0, -36.0), (10.0, -72.0)],
        &[(20.0, -26.0), (20.1, -20.0), (20.0, -26.0)],
    ] {
        near(stereo(parts).integrated_lufs, -23.0, 0.1);
    }
}

#[test]
fn surround_channels_weigh_more_and_low_frequencies_nothing() {
    // Tech 3341, test 6, also with a channel of low frequencies that must not count.
    let [front, centre, surround, low] = [-28.0, -24.0, -30.0, 0.0].map(|level| tones(RATE, &[(20.0, level)]));
    let five = measure(RATE, &[&front, &front, &centre, &surround, &surround], 4_096);
    near(five.integrated_lufs, -23.0, 0.1);
    let six = measure(RATE, &[&front, &front, &centre, &low, &surround, &surround], 4_096);
    assert_eq!(six.integrated_lufs, five.integrated_lufs);
    near(six.sample_peak_dbfs, 0.0, 0.01);
}

#[test]
fn short_term_and_momentary_readings_stay_constant_over_their_period() {
    // Tech 3341, tests 9 and 12.
    let short_term = readings(&[(1.34, -20.0), (1.66, -30.0)].repeat(5), SHORT_TERM);
    short_term[300..].iter().for_each(|&reading| near(Some(reading), -23.0, 0.1));
    let momentary = readings(&[(0.18, -20.0), (0.22, -30.0)].repeat(25), MOMENTARY);
    momentary[100..].iter().for_each(|&reading| near(Some(reading), -23.0, 0.1));
}

#[test]
fn a_tone_as_long_as_the_window_is_found_wherever_it_begins() {
    // Tech 3341, tests 10 and 13.
    for i in 0..20 {
        let i = f64::from(i);
        let short_term = stereo(&[(i * 0.15, SILENT), (3.0, -23.0), (1.0, SILENT)]);
        near(short_term.max_short_term_lufs, -23.0, 0.1);
        let momentary = stereo(&[(i * 0.02, SILENT), (0.4, -23.0), (1.0, SILENT)]);
        near(momentary.max_momentary_lufs, -23.0, 0.1);
    }
}

#[test]
fn rising_tones_give_rising_maxima() {
    // Tech 3341, tests 11 and 14.
    for (tone, offset, window) in [(3.0, 0.15, SHORT_TERM), (0.4, 0.02, MOMENTARY)] {
        let rise = |i: i32| {
            let silence = f64::from(i) * offset;
            [(silence, SILENT), (tone, -38.0 + f64::from(i)), (tone - silence, SILENT)]
        };
        let parts: Vec<_> = (0..20).flat_map(rise).collect();
        for (i, part) in readings(&parts, window).chunks_exact(2 * window).enumerate() {
            near(part.iter().copied().reduce(f64::max), -38.0 + i as f64, 0.1);
        }
    }
}

#[track_caller]
fn true_peak(samples: &[f32], expected: f64) {
    let found = measure(RATE, &[samples, samples], 777).true_peak_dbtp.expect("a peak");
    assert!((expected - 0.4..=expected + 0.2).contains(&found), "{found} is not {expected} +0.2/−0.4");
}

#[test]
fn peaks_between_samples_are_found() {
    // Tech 3341, tests 15 to 19.
    for (divisor, amplitude, degrees, expected) in
        [(4, 0.5, 0.0, -6.0), (4, 0.5, 45.0, -6.0), (6, 0.5, 60.0, -6.0), (8, 0.5, 67.5, -6.0), (4, 1.41, 45.0, 3.0)]
    {
        let sample = |n: u32| {
            let phase = f64::from(n % divisor) / f64::from(divisor) * TAU + f64::to_radians(degrees);
            let fade = (f64::from(n.min(RATE - n)) / 480.0).min(1.0);
            (amplitude * fade * phase.sin()) as f32
        };
        let samples: Vec<f32> = (0..RATE).map(sample).collect();
        true_peak(&samples, expected);
    }
}

#[test]
fn one_high_period_is_found_at_each_offset_of_sampling() {
    // Tech 3341, tests 20 to 23: made at four times the rate, band-limited, then every fourth sample taken.
    let mut wave: Vec<f64> = (0..24 * 200).map(|n| 0.5 * (TAU * f64::from(n) / 24.0).sin()).collect();
    let period = (0..16).map(|n| (TAU * f64::from(n) / 16.0).sin());
    wave.splice(2_400..2_400, period);
    let length = wave.len();
    for (n, sample) in wave.iter_mut().enumerate() {
        *sample *= (n.min(length - n) as f64 / 480.0).min(1.0);
    }
    let limited = |at: usize| {
        let tap = |distance: i32| {
            let source = usize::try_from(at as i64 + i64::from(distance)).ok().and_then(|at| wave.get(at));
            let (x, window) = (f64::from(distance) / 4.0, 0.5 + 0.5 * (PI * f64::from(distance) / 257.0).cos());
            let sinc = if distance == 0 { 1.0 } else { (PI * x).sin() / (PI * x) };
            source.map_or(0.0, |sample| sample * sinc * window / 4.0)
        };
        (-256..=256).map(tap).sum::<f64>() as f32
    };
    for offset in 0..4 {
        let samples: Vec<f32> = (offset..length).step_by(4).map(limited).collect();
        true_peak(&samples, 0.0);
    }
}

#[test]
fn loudness_range_is_the_distance_between_two_tones() {
    // Tech 3342, tests 1 to 4; repeating the signal changes nothing.
    for (levels, expected) in [
        (&[-20.0, -30.0] as &[f64], 10.0),
        (&[-20.0, -15.0], 5.0),
        (&[-40.0, -20.0], 20.0),
        (&[-50.0, -35.0, -20.0, -35.0, -50.0], 15.0),
    ] {
        let parts: Vec<_> = levels.iter().map(|&level| (20.0, level)).collect();
        near(stereo(&parts).range_lu, expected, 1.0);
        near(stereo(&parts.repeat(2)).range_lu, expected, 1.0);
    }
}

#[test]
fn every_rate_reads_the_same() {
    for rate in [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 88_200, 96_000, 176_400, 192_000] {
        let tones = tones(rate, &[(5.0, -23.0)]);
        let loudness = measure(rate, &[&tones, &tones], 4_096);
        near(loudness.integrated_lufs, -23.0, 0.1);
        near(loudness.max_short_term_lufs, -23.0, 0.1);
        near(loudness.true_peak_dbtp, -23.0, 0.2);
    }
}

#[test]
fn silence_has_no_loudness() {
    let nothing = Loudness {
        integrated_lufs: None,
        range_lu: None,
        true_peak_dbtp: None,
        sample_peak_dbfs: None,
        max_momentary_lufs: None,
        max_short_term_lufs: None,
        dialogue_lufs: None,
    };
    let silence = vec![0.0; 5 * RATE as usize];
    assert_eq!(measure(RATE, &[&silence, &silence], 1_000), nothing);
    assert_eq!(Meter::new(RATE, 2).unwrap().finish(), nothing);
    let mut meter = Meter::new(RATE, 2).unwrap();
    meter.add(&[&[], &[]]).unwrap();
    assert_eq!(meter.finish(), nothing);
}

#[test]
fn too_short_sound_has_peaks_only() {
    let loudness = stereo(&[(0.39, -23.0)]);
    assert_eq!((loudness.integrated_lufs, loudness.max_momentary_lufs), (None, None));
    near(loudness.sample_peak_dbfs, -23.0, 0.01);
    let loudness = stereo(&[(2.9, -23.0)]);
    assert_eq!((loudness.range_lu, loudness.max_short_term_lufs), (None, None));
    near(loudness.integrated_lufs, -23.0, 0.1);
}

#[test]
fn what_is_no_number_counts_as_silence() {
    let sound = noise(4 * RATE as usize, 1);
    let (mut poisoned, mut silenced) = (sound.clone(), sound);
    let poisons = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, -f32::NAN];
    for (n, poison) in (0..poisoned.len()).step_by(997).zip(poisons.iter().cycle()) {
        (poisoned[n], silenced[n]) = (*poison, 0.0);
    }
    assert_eq!(measure(RATE, &[&poisoned], 1_000), measure(RATE, &[&silenced], 1_000));
    let only = vec![f32::NAN; 4 * RATE as usize];
    assert_eq!(measure(RATE, &[&only], 1_000).true_peak_dbtp, None);
}

#[test]
fn a_trace_of_sound_is_measured_and_subnormal_sound_is_no_panic() {
    near(stereo(&[(5.0, -90.0)]).max_short_term_lufs, -90.0, 0.1);
    assert_eq!(stereo(&[(5.0, -90.0)]).integrated_lufs, None);
    let loudness = measure(RATE, &[&vec![f32::from_bits(1); 5 * RATE as usize]], 1_000);
    assert!(loudness.true_peak_dbtp.is_some_and(f64::is_finite));
    assert_eq!(loudness.integrated_lufs, None);
}

#[test]
fn the_size_of_blocks_changes_nothing() {
    let (left, right) = (noise(200_000, 2), noise(200_000, 3));
    let whole = measure(RATE, &[&left, &right], 200_000);
    for block in [1, 5, 31, 32, 33, 480, 1_023] {
        let parts = measure(RATE, &[&left, &right], block);
        assert_eq!((parts.true_peak_dbtp, parts.sample_peak_dbfs), (whole.true_peak_dbtp, whole.sample_peak_dbfs));
        near(parts.integrated_lufs, whole.integrated_lufs.unwrap(), 1e-9);
        near(parts.max_momentary_lufs, whole.max_momentary_lufs.unwrap(), 1e-9);
    }
}

#[test]
fn a_block_that_does_not_fit_is_refused_and_leaves_the_programme_alone() {
    let sound = noise(100_000, 4);
    let mut meter = Meter::new(RATE, 1).unwrap();
    meter.add(&[&sound[..50_000]]).unwrap();
    assert!(matches!(meter.add(&[&sound, &sound]), Err(MediaError::Unsupported(_))));
    assert!(matches!(meter.add(&[]), Err(MediaError::Unsupported(_))));
    meter.add(&[&sound[50_000..]]).unwrap();
    assert_eq!(meter.finish(), measure(RATE, &[&sound], 50_000));
    let mut meter = Meter::new(RATE, 2).unwrap();
    assert!(matches!(meter.add(&[&sound, &sound[1..]]), Err(MediaError::Unsupported(_))));
}

#[test]
fn rates_and_channels_out_of_range_are_refused() {
    for (rate, channels) in [(7_999, 2), (192_001, 2), (0, 1), (48_000, 0), (48_000, 7)] {
        assert!(matches!(Meter::new(rate, channels), Err(MediaError::Unsupported(_))));
    }
}

#[test]
fn hours_take_no_more_memory_than_a_minute() {
    let minute = noise(60 * 8_000, 5);
    let mut meter = Meter::new(8_000, 1).unwrap();
    let size = |meter: &Meter| (meter.steps.recent.capacity(), meter.steps.integrated.size(), meter.peaks[0].size());
    meter.add(&[&minute]).unwrap();
    let first = size(&meter);
    for _ in 1..120 {
        meter.add(&[&minute]).unwrap();
    }
    assert_eq!(size(&meter), first);
    near(meter.finish().integrated_lufs, measure(8_000, &[&minute], 4_096).integrated_lufs.unwrap(), 0.01);
}

#[test]
fn loudness_survives_json() {
    let loudness = Loudness {
        integrated_lufs: Some(-23.25),
        range_lu: None,
        true_peak_dbtp: Some(1.5),
        sample_peak_dbfs: Some(0.0),
        max_momentary_lufs: Some(-20.0),
        max_short_term_lufs: None,
        dialogue_lufs: None,
    };
    let text = serde_json::to_string(&loudness).unwrap();
    assert_eq!(serde_json::from_str::<Loudness>(&text).unwrap(), loudness);
}

#[test]
fn dialogue_is_measured_where_someone_speaks_whatever_stands_around_it() {
    // EBU Tech 3341, test 1: 1 kHz at -23 dBFS on both sides is -23 LUFS.
    let tone = |decibels: f64| {
        move |n: u32| {
            let phase = f64::from(n) / f64::from(RATE) * 1_000.0 * std::f64::consts::TAU;
            (phase.sin() * 10.0_f64.powf(decibels / 20.0)) as f32
        }
    };
    let (quiet, loud) = (tone(-40.0), tone(-23.0));
    let plane: Vec<f32> =
        (0..15 * RATE).map(|n| if (5 * RATE..10 * RATE).contains(&n) { loud(n) } else { quiet(n) }).collect();
    let mut meter = Meter::new(RATE, 2).unwrap().for_speech();
    meter.add(&[&plane, &plane]).unwrap();
    let at = |second: u64| Samples(second * u64::from(RATE));
    let loudness = meter.finish_with(&[TimeRange { start: at(6), end: at(7) }, TimeRange { start: at(8), end: at(9) }]);
    assert!((loudness.dialogue_lufs.unwrap() + 23.0).abs() < 0.1, "{loudness:?}");
    let nobody = |meter: Meter| meter.finish_with(&[]).dialogue_lufs;
    assert_eq!(nobody(Meter::new(RATE, 2).unwrap().for_speech()), None);
}
