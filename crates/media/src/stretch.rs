//! Makes speech a little longer or shorter at the same pitch: overlap and add, at the places that fit (WSOLA).
//!
//! Deliberately absent: large changes and music, for which other methods are better.

use std::f32::consts::PI;

/// Samples of a piece at 48 kHz: 43 ms, two to four periods of a voice.
const PIECE: usize = 2048;
/// Samples from one piece to the next.
const STEP: usize = PIECE / 2;
/// Samples to either side within which a piece is looked for that goes on where the last one ended: 11 ms.
const REACH: usize = 512;
/// Samples beyond this are no sound; sums of their squares must stay finite.
const LOUDEST: f32 = 1e6;
/// Every so many samples are compared in the first look.
const COARSE: usize = 8;

/// Stretches sound at 48 kHz to exactly `length` samples without changing its pitch. Meant for at most a twenty-fifth
/// more or less; anything else is done too, and sounds like it. All channels, of one length, are cut at the same places, so
/// that the picture in stereo stays where it was. What is no number counts as 0.
#[must_use]
pub fn stretch(planes: &[&[f32]], length: usize) -> Vec<Vec<f32>> {
    let clean = |sample: &f32| if sample.is_nan() { 0.0 } else { sample.clamp(-LOUDEST, LOUDEST) };
    let planes: Vec<Vec<f32>> = planes.iter().map(|plane| plane.iter().map(clean).collect()).collect();
    let from = planes.iter().map(Vec::len).min().unwrap_or(0);
    if from == length || from == 0 {
        let fit = |plane: Vec<f32>| [plane, vec![0.0; length]].concat().into_iter().take(length).collect();
        return planes.into_iter().map(fit).collect();
    }
    let sum: Vec<f32> = (0..from).map(|at| planes.iter().map(|plane| plane[at]).sum()).collect();
    let pieces = pieces(&sum, length);
    planes.iter().map(|plane| join(plane, &pieces, length)).collect()
}

/// Where each piece of the result is taken from.
fn pieces(samples: &[f32], length: usize) -> Vec<isize> {
    let mut pieces: Vec<isize> = Vec::new();
    // Half a piece of silence ahead, so that the first sample lies under two windows like any other.
    for to in (0..length + STEP).step_by(STEP) {
        let wanted = ideal(to, samples.len(), length) - STEP as isize;
        let from = pieces.last().map_or(wanted, |last| nearest(samples, last + STEP as isize, wanted));
        pieces.push(from);
    }
    pieces
}

/// Lays pieces over each other, each fading into the next.
fn join(samples: &[f32], pieces: &[isize], length: usize) -> Vec<f32> {
    let window: Vec<f32> =
        (0..PIECE).map(|at| 0.5 - 0.5 * (2.0 * PI * (at as f32 + 0.5) / PIECE as f32).cos()).collect();
    let mut out = vec![0.0; length + 2 * PIECE];
    for (number, from) in pieces.iter().enumerate() {
        for (at, weight) in window.iter().enumerate() {
            out[number * STEP + at] += weight * sample(samples, from + at as isize);
        }
    }
    out.drain(..STEP);
    out.truncate(length);
    out
}

/// The sample that is due at a place of the result, rounded down.
fn ideal(to: usize, from_length: usize, to_length: usize) -> isize {
    let place = to as u128 * from_length as u128 / to_length.max(1) as u128;
    isize::try_from(place).unwrap_or(isize::MAX / 2)
}

fn sample(samples: &[f32], at: isize) -> f32 {
    usize::try_from(at).ok().and_then(|at| samples.get(at)).copied().unwrap_or(0.0)
}

/// The place near the wanted one where the sound is most like what would follow the last piece.
fn nearest(samples: &[f32], follows: isize, wanted: isize) -> isize {
    let reach = REACH as isize;
    // Where the sound's own course is at hand, nothing has to be joined at all.
    if follows == wanted {
        return wanted;
    }
    let target: Vec<f32> = (0..PIECE as isize).map(|at| sample(samples, follows + at)).collect();
    let around: Vec<f32> = (-reach..=reach + PIECE as isize).map(|at| sample(samples, wanted + at)).collect();
    let likeness = |shift: isize, step: usize| {
        let first = usize::try_from(shift + reach).unwrap_or(0);
        let (mut both, mut own) = (0.0_f32, 1e-9_f32);
        for (a, b) in target.iter().step_by(step).zip(around[first..].iter().step_by(step)) {
            both += a * b;
            own += b * b;
        }
        both / own.sqrt()
    };
    let best = |shifts: &mut dyn Iterator<Item = isize>, step: usize| {
        let mut best = (0, f32::MIN);
        for shift in shifts {
            let score = likeness(shift, step);
            // Of equals the nearest to where it is due: in silence nothing moves.
            if score > best.1 || (score >= best.1 && shift.abs() < isize::abs(best.0)) {
                best = (shift, score);
            }
        }
        best.0
    };
    let rough = best(&mut (-reach..=reach).step_by(COARSE / 2), COARSE);
    let near = (rough - COARSE as isize).max(-reach)..=(rough + COARSE as isize).min(reach);
    wanted + best(&mut near.into_iter(), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mono(samples: &[f32], length: usize) -> Vec<f32> {
        stretch(&[samples], length).swap_remove(0)
    }

    fn tone(hertz: f32, length: usize) -> Vec<f32> {
        (0..length)
            .map(|at| 0.5 * (2.0 * std::f64::consts::PI * f64::from(hertz) * at as f64 / 48_000.0).sin() as f32)
            .collect()
    }

    /// Frequency by the phase that passes between two places, each heard over a tenth of a second.
    fn hertz(samples: &[f32], near: f64) -> f64 {
        let phase = |from: usize| {
            let turn = |at: usize| 2.0 * std::f64::consts::PI * near * at as f64 / 48_000.0;
            let parts = samples[from..from + 4_800].iter().enumerate();
            let (re, im) = parts.fold((0.0, 0.0), |(re, im), (at, sample)| {
                let turn = turn(from + at);
                (re + f64::from(*sample) * turn.cos(), im - f64::from(*sample) * turn.sin())
            });
            im.atan2(re)
        };
        let steps: Vec<f64> = (4_800..samples.len() - 9_600)
            .step_by(480)
            .map(|from| {
                let step = phase(from + 480) - phase(from);
                (step + std::f64::consts::PI).rem_euclid(2.0 * std::f64::consts::PI) - std::f64::consts::PI
            })
            .collect();
        near + steps.iter().sum::<f64>() / steps.len() as f64 / (2.0 * std::f64::consts::PI) * 100.0
    }

    #[test]
    fn a_tone_keeps_its_pitch_and_gets_the_length() {
        for (pitch, length) in [(110.0, 92_160), (220.0, 99_840), (440.0, 97_531), (1_000.0, 93_001)] {
            let longer = mono(&tone(pitch, 96_000), length);
            assert_eq!(longer.len(), length);
            let cents = 1200.0 * (hertz(&longer, f64::from(pitch)) / f64::from(pitch)).log2();
            assert!(cents.abs() < 1.0, "{pitch} Hz to {length}: {cents} cents");
        }
    }

    #[test]
    fn both_sides_are_cut_at_the_same_places() {
        let left = tone(220.0, 96_000);
        let right: Vec<f32> = left.iter().map(|sample| sample * 0.25).collect();
        let stretched = stretch(&[&left, &right], 99_000);
        assert!(stretched[0].iter().zip(&stretched[1]).all(|(a, b)| (a * 0.25 - b).abs() < 1e-6));
    }

    #[test]
    fn onsets_land_in_proportion() {
        let onsets = [10_000, 30_000, 52_345, 81_000];
        let mut sound = vec![0.0; 96_000];
        for onset in onsets {
            sound[onset..onset + 6_000].copy_from_slice(&tone(700.0, 6_000));
        }
        for length in [92_160, 99_840] {
            let stretched = mono(&sound, length);
            for onset in onsets {
                let due = onset * length / 96_000;
                let found = (due - 2_000..).find(|at| stretched[*at].abs() > 0.1).expect("a burst");
                assert!(found.abs_diff(due) < 480, "{onset}: {found}, not {due}");
            }
        }
    }

    #[test]
    fn odd_input_gives_the_length_that_was_asked_for() {
        for (from, to) in [(0, 0), (0, 5), (5, 0), (1, 7), (3_000, 2_999), (10, 100_000), (100_000, 10)] {
            let mut sound = tone(300.0, from);
            sound.iter_mut().step_by(7).for_each(|sample| *sample = f32::NAN);
            sound.iter_mut().skip(1).step_by(7).for_each(|sample| *sample = f32::MAX);
            let stretched = mono(&sound, to);
            assert_eq!(stretched.len(), to);
            assert!(stretched.iter().all(|sample| sample.is_finite()));
        }
    }
}
