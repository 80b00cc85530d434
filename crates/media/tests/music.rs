//! Made-up sounds whose answer is plain.

use std::f32::consts::TAU;

use seedpost_core::content::Music;
use seedpost_media::music::Detector;

const RATE: u32 = 48_000;

fn hear(sound: &[f32], block: usize) -> Music {
    let mut detector = Detector::new(RATE);
    sound.chunks(block).for_each(|block| detector.add(block));
    detector.finish()
}

/// Two chords a second, each note with five harmonics.
fn chords(seconds: usize) -> Vec<f32> {
    let roots = [220.0, 174.61, 261.63, 196.0];
    let second = RATE as usize;
    (0..seconds * second)
        .map(|at| {
            let (time, root) = (at as f32 / RATE as f32, roots[at * 2 / second % roots.len()]);
            let fade = 1.0 - (time * 2.0).fract() * 0.7;
            let notes =
                [1.0, 1.2599, 1.4983].iter().flat_map(|note| (1..6u8).map(move |n| (note * root, f32::from(n))));
            notes.map(|(hertz, n)| (TAU * hertz * n * time).sin() / n).sum::<f32>() * fade * 0.1
        })
        .collect()
}

fn noise(seconds: usize) -> Vec<f32> {
    let mut state = 1u32;
    (0..seconds * RATE as usize)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 8) as f32 / 8_388_608.0 - 1.0) * 0.1
        })
        .collect()
}

/// Four syllables a second, whose pitch glides as a voice's does.
fn voice(seconds: usize) -> Vec<f32> {
    let mut phase = 0.0f32;
    (0..seconds * RATE as usize)
        .map(|at| {
            let time = at as f32 / RATE as f32;
            let hertz = 140.0 + 35.0 * (TAU * 0.9 * time).sin() + 12.0 * (TAU * 2.3 * time).sin();
            phase = (phase + hertz / RATE as f32).fract();
            let open = (TAU * 2.0 * time).sin().abs().powi(2);
            (1..25u8).map(|n| (TAU * phase * f32::from(n)).sin() / f32::from(n)).sum::<f32>() * open * 0.2
        })
        .collect()
}

fn sum(first: &[f32], second: &[f32], gain: f32) -> Vec<f32> {
    first.iter().zip(second).map(|(a, b)| a + gain * b).collect()
}

#[test]
fn chords_are_music_from_first_to_last() {
    let found = hear(&chords(8), 4_096);
    assert_eq!(found.found, Some(true));
    assert_eq!(found.ranges.len(), 1, "{found:?}");
    assert!(found.ranges[0].start.0 == 0 && found.ranges[0].end.0 > 7 * u64::from(RATE), "{found:?}");
}

#[test]
fn noise_is_no_music() {
    let found = hear(&noise(6), 4_096);
    assert_eq!((found.found, found.ranges.len()), (Some(false), 0), "{found:?}");
}

#[test]
fn a_gliding_voice_is_no_music() {
    let found = hear(&voice(6), 4_096);
    assert_eq!(found.found, Some(false), "{found:?}");
}

#[test]
fn chords_under_a_voice_are_music() {
    assert_eq!(hear(&sum(&voice(6), &chords(6), 0.25), 4_096).found, Some(true));
}

#[test]
fn music_is_found_where_it_is() {
    let mut sound = noise(12);
    let start = 3 * RATE as usize;
    sound[start..].iter_mut().zip(chords(9)).for_each(|(sample, note)| *sample = *sample * 0.1 + note);
    let found = hear(&sound, 4_096);
    let second = u64::from(RATE);
    assert_eq!(found.ranges.len(), 1, "{found:?}");
    assert!((second..4 * second).contains(&found.ranges[0].start.0), "{found:?}");
}

#[test]
fn nothing_is_said_of_silence_or_of_two_seconds() {
    assert_eq!(hear(&vec![0.0; 6 * RATE as usize], 4_096).found, None);
    assert_eq!(hear(&chords(2), 4_096).found, None);
    assert_eq!(hear(&[], 1).found, None);
}

#[test]
fn the_size_of_blocks_does_not_matter() {
    let sound = sum(&chords(5), &noise(5), 1.0);
    let whole = hear(&sound, sound.len());
    for block in [1, 479, 48_000] {
        assert_eq!(hear(&sound, block), whole);
    }
}

#[test]
fn what_is_no_number_counts_as_silence() {
    let mut sound = chords(5);
    sound.iter_mut().step_by(9_999).for_each(|sample| *sample = f32::NAN);
    assert_eq!(hear(&sound, 4_096).found, Some(true));
}

#[test]
fn other_rates_are_heard_as_well() {
    for rate in [8_000, 44_100, 96_000] {
        let mut detector = Detector::new(rate);
        let tone = |hertz: f32, at: u32| (TAU * hertz * at as f32 / rate as f32).sin();
        let sound: Vec<f32> = (0..rate * 4)
            .map(|at| [440.0, 554.37, 659.26, 1108.7, 1318.5].iter().map(|hertz| tone(*hertz, at)).sum::<f32>() * 0.1)
            .collect();
        detector.add(&sound);
        assert_eq!(detector.finish().found, Some(true), "{rate}");
    }
}
