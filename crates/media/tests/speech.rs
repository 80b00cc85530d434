//! Where someone speaks: a spoken fixture, and made-up sounds in which nobody does.

use seedpost_media::speech::Detector;

const SECOND: u64 = 48_000;

fn hear(sound: &[f32], block: usize) -> Vec<(u64, u64)> {
    let mut detector = Detector::new();
    sound.chunks(block).for_each(|block| detector.add(block));
    detector.finish()
}

/// A spoken line of 10.7 s at 48 kHz, drawn straight between its samples of 16 kHz.
fn line() -> Vec<f32> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/demo/refs/host.wav");
    let mut file = hound::WavReader::open(path).expect("the fixture is there");
    let samples: Vec<f32> =
        file.samples::<i16>().map(|sample| f32::from(sample.expect("it is whole")) / 32_768.0).collect();
    let between = |pair: &[f32]| [0.0, 1.0, 2.0].map(|third| pair[0] + (pair[1] - pair[0]) * third / 3.0);
    samples.windows(2).flat_map(between).collect()
}

fn noise(seconds: u64) -> Vec<f32> {
    let mut state = 1u32;
    (0..seconds * SECOND)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 8) as f32 / 8_388_608.0 - 1.0) * 0.05
        })
        .collect()
}

#[test]
fn a_line_is_found_between_two_seconds_of_silence() {
    let silence = vec![0.0; 2 * SECOND as usize];
    let sound = [silence.clone(), line(), silence].concat();
    let found = hear(&sound, 4_096);
    let (first, last) = (found.first().expect("someone speaks"), found.last().expect("someone speaks"));
    assert!(first.0.abs_diff(2 * SECOND) < SECOND / 2, "{found:?}");
    assert!(last.1 < sound.len() as u64 - SECOND, "{found:?}");
    assert!(found.iter().map(|(start, end)| end - start).sum::<u64>() > 5 * SECOND, "{found:?}");
    assert!(found.windows(2).all(|pair| pair[0].1 + SECOND / 5 <= pair[1].0), "{found:?}");
}

#[test]
fn nobody_speaks_in_silence_noise_or_nothing() {
    assert_eq!(hear(&vec![0.0; 4 * SECOND as usize], 4_096), []);
    assert_eq!(hear(&noise(4), 4_096), []);
    assert_eq!(hear(&[], 1), []);
}

#[test]
fn the_size_of_blocks_does_not_matter() {
    let sound = line();
    let whole = hear(&sound, sound.len());
    for block in [1, 479, 48_000] {
        assert_eq!(hear(&sound, block), whole);
    }
}

#[test]
fn a_line_that_is_cut_ends_where_the_sound_ends() {
    let sound = &line()[..3 * SECOND as usize];
    assert!(hear(sound, 4_096).iter().all(|(start, end)| start < end && *end <= sound.len() as u64));
}

#[test]
fn what_is_no_number_or_too_loud_harms_nothing() {
    let mut sound = line();
    sound.iter_mut().step_by(9_999).for_each(|sample| *sample = f32::NAN);
    sound.iter_mut().skip(1).step_by(9_999).for_each(|sample| *sample = 1e30);
    assert!(!hear(&sound, 4_096).is_empty());
}
