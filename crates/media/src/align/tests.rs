//! Made-up voices whose places are known.

use std::f32::consts::PI;

use seedpost_core::time::{Samples, TimeRange};

use super::{CERTAIN, align};

/// Pseudo-random numbers from -1 to 1.
fn numbers(mut state: u32) -> impl FnMut() -> f32 {
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    }
}

/// Something like a sentence: a buzz through two resonances that jump with every syllable of 0.1 to 0.2 s.
fn sentence(seed: u32, length: usize) -> Vec<f32> {
    let mut number = numbers(seed.wrapping_mul(2_654_435_761));
    number();
    let mut sound = Vec::new();
    while sound.len() < length {
        let (one, two) = (550.0 + 300.0 * number(), 1_900.0 + 900.0 * number());
        let (size, pitch) = ((7_200.0 + 2_400.0 * number()) as usize, 120.0 + 15.0 * number());
        for at in 0..size {
            let second = at as f32 / 48_000.0;
            let loud = (PI * at as f32 / size as f32).sin();
            let since = second % (1.0 / pitch);
            let ring = |hertz: f32| (2.0 * PI * hertz * since).sin() * (-400.0 * since).exp();
            sound.push(0.2 * loud * (ring(one) + 0.6 * ring(two)) + 0.001 * number());
        }
    }
    sound.truncate(length);
    sound
}

/// The sound in another length, by linear interpolation: its truth is exact, its pitch moves with it.
fn resized(sound: &[f32], length: usize) -> Vec<f32> {
    let place = |at: usize| at as f32 * (sound.len() - 1) as f32 / length as f32;
    let value = |at: f32| sound[at as usize] * (1.0 - at.fract()) + sound[at as usize + 1] * at.fract();
    (0..length).map(|at| value(place(at))).collect()
}

/// A reference of sentences at places, in noise.
fn recording(length: usize, parts: &[(usize, Vec<f32>)], seed: u32) -> Vec<f32> {
    let mut number = numbers(seed);
    let mut sound: Vec<f32> = (0..length).map(|_| 0.004 * number()).collect();
    for (start, part) in parts {
        sound[*start..*start + part.len()].iter_mut().zip(part).for_each(|(slot, value)| *slot += value);
    }
    sound
}

fn range(start: usize, length: usize) -> TimeRange<Samples> {
    TimeRange { start: Samples(start as u64), end: Samples((start + length) as u64) }
}

const PHRASES: [(u32, usize, usize); 3] = [(1, 24_000, 60_000), (2, 110_000, 72_000), (3, 210_000, 50_000)];

fn reference(seeds: [u32; 3]) -> Vec<f32> {
    let parts = PHRASES.iter().zip(seeds).map(|((_, start, length), seed)| (*start, sentence(seed, *length)));
    recording(300_000, &parts.collect::<Vec<_>>(), 77)
}

fn phrases() -> (Vec<TimeRange<Samples>>, Vec<Samples>) {
    PHRASES.iter().map(|(_, start, length)| (range(*start, *length), Samples(*start as u64))).unzip()
}

/// Renders the sentences at new places in new lengths, and checks that they are found there.
fn check(seeds: [u32; 3], new: [(usize, usize); 3]) {
    let parts = PHRASES.iter().zip(seeds).zip(new);
    let parts: Vec<_> =
        parts.map(|(((_, _, old), seed), (start, length))| (start, resized(&sentence(seed, *old), length))).collect();
    let render = recording(310_000, &parts, 78);
    let (phrases, expected) = phrases();
    for (found, (start, length)) in align(&reference(seeds), &phrases, &render, &expected).iter().zip(new) {
        let found = found.as_ref().expect("each is there");
        let off = [(found.render.start, start), (found.render.end, start + length)];
        let off = off.map(|(found, truth)| found.0.abs_diff(truth as u64));
        assert!(off.iter().all(|off| *off <= 960), "{start}: {off:?} samples off");
        assert!(found.confidence >= CERTAIN, "{start}: {}", found.confidence);
    }
}

#[test]
fn each_phrase_is_found_at_its_own_place() {
    check([1, 2, 3], [(33_000, 63_000), (105_000, 68_000), (222_000, 51_500)]);
    check([4, 5, 6], [(2_000, 57_000), (120_000, 76_000), (200_000, 48_500)]);
}

#[test]
fn the_same_sentence_twice_is_found_twice_in_order() {
    check([7, 8, 7], [(33_000, 62_000), (112_000, 70_000), (200_000, 49_000)]);
}

#[test]
fn what_was_not_rendered_is_not_certain() {
    let (phrases, expected) = phrases();
    let tone: Vec<f32> = (0..300_000).map(|at| (at as f32 * 0.05).sin() * 0.3).collect();
    let noise = recording(300_000, &[], 5).iter().map(|value| value * 50.0).collect();
    for render in [reference([11, 12, 13]), tone, noise, vec![0.0; 300_000]] {
        for found in align(&reference([1, 2, 3]), &phrases, &render, &expected).into_iter().flatten() {
            assert!(found.confidence < CERTAIN, "{found:?}");
        }
    }
}

#[test]
fn a_phrase_that_the_clip_cuts_is_not_certain() {
    let (phrases, expected) = phrases();
    let whole = reference([1, 2, 3]);
    let found = align(&whole, &phrases, &whole[..235_000], &expected);
    assert!(found[0].as_ref().is_some_and(|found| found.confidence >= CERTAIN));
    assert!(found[2].as_ref().is_none_or(|found| found.confidence < CERTAIN));
}

#[test]
fn no_input_panics() {
    let sound = sentence(1, 20_000);
    let odd = [range(0, 0), range(100, 1), range(19_000, 100_000), range(0, 20_000)];
    let wild = [
        TimeRange { start: Samples(u64::MAX), end: Samples(0) },
        TimeRange { start: Samples(0), end: Samples(u64::MAX) },
    ];
    let broken = [f32::NAN, f32::INFINITY, f32::MIN, f32::MAX].repeat(2_000);
    for reference in [&[][..], &[1.0], &sound, &broken] {
        for render in [&[][..], &[1.0], &sound, &broken] {
            for phrases in [&odd[..], &wild, &[]] {
                assert_eq!(align(reference, phrases, render, &[Samples(u64::MAX)]).len(), phrases.len());
            }
        }
    }
}
