//! Smooths the offsets of a phrase's blocks: where much changes they are known, in pauses they follow.

use super::spectra::{BANDS, Moment};
use super::track::BLOCK;

/// How much a bend of the way costs beside a hop by which a block of usual weight is off.
const BEND: f64 = 40.0;
/// How much it costs that the way leaves the straight line's direction: what draws it on through silence.
const LEAN: f64 = 5.0;
/// What a few blocks' spread is raised by, since they tell no slope.
const RIDGE: f64 = 4.0;
/// The least weight of a block beside the usual one.
const LEAST: f64 = 1e-3;

/// How much each block's offset is worth: by how much its bands change, and how like it is to what it met.
pub(super) fn weights(phrase: &[Moment], likeness: &[f32]) -> Vec<f64> {
    let changes = phrase.chunks(BLOCK).zip(likeness).map(|(block, likeness)| {
        let change: f32 = block.iter().flat_map(|moment| &moment[BANDS..]).map(|change| change * change).sum();
        f64::from(change * likeness.max(0.0).powi(4))
    });
    let weights: Vec<f64> = changes.collect();
    let mean = weights.iter().sum::<f64>() / weights.len().max(1) as f64;
    weights.iter().map(|weight| weight / mean.max(1e-9) + LEAST).collect()
}

/// The smoothest values near the given ones: least squares with a cost on second differences (Whittaker).
pub(super) fn smooth(values: &[f64], weights: &[f64]) -> Vec<f64> {
    let length = values.len();
    let even = line(values, weights);
    // The system's diagonal and its two neighbours above; it is symmetric.
    let mut bands: Vec<[f64; 3]> = weights.iter().map(|weight| [*weight, 0.0, 0.0]).collect();
    for at in 2..length {
        for (row, a) in [1.0, -2.0, 1.0].into_iter().enumerate() {
            for (column, b) in [1.0, -2.0, 1.0].into_iter().enumerate().skip(row) {
                bands[at - 2 + row][column - row] += BEND * a * b;
            }
        }
    }
    for at in 1..length {
        bands[at - 1][0] += LEAN;
        bands[at][0] += LEAN;
        bands[at - 1][1] -= LEAN;
    }
    let rest = values.iter().zip(weights).zip(&even);
    let mut right: Vec<f64> = rest.map(|((value, weight), even)| (value - even) * weight).collect();
    for at in 0..length {
        let pivot = bands[at];
        for row in 1..3.min(length - at) {
            let factor = pivot[row] / pivot[0];
            for column in row..3 {
                bands[at + row][column - row] -= factor * pivot[column];
            }
            right[at + row] -= factor * right[at];
        }
    }
    for at in (0..length).rev() {
        let known: f64 = (1..3.min(length - at)).map(|next| bands[at][next] * right[at + next]).sum();
        right[at] = (right[at] - known) / bands[at][0];
    }
    right.iter().zip(&even).map(|(rest, even)| rest + even).collect()
}

/// The straight line nearest to the values.
fn line(values: &[f64], weights: &[f64]) -> Vec<f64> {
    let all: f64 = weights.iter().sum();
    let mean = |of: &dyn Fn(usize) -> f64| (0..values.len()).map(|at| weights[at] * of(at)).sum::<f64>() / all;
    let (x, y) = (mean(&|at| at as f64), mean(&|at| values[at]));
    let (xx, xy) = (mean(&|at| (at as f64 - x).powi(2)), mean(&|at| (at as f64 - x) * (values[at] - y)));
    let slope = xy / (xx + RIDGE);
    (0..values.len()).map(|at| y + slope * (at as f64 - x)).collect()
}
