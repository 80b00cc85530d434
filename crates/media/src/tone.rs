//! The tone of a reel's pops.
#![deny(clippy::indexing_slicing)]

use crate::wav::quantise;

/// Samples at 48 kHz in which 1 kHz comes round.
pub(crate) const PERIOD: usize = 48;
/// -20 dBFS: a tenth of full scale.
const PEAK: f64 = 0.1;

/// A sine of 1 kHz at 48 kHz without an end, from phase 0, its peak at -20 dBFS: 24-bit whole numbers, to the nearest.
pub(crate) fn pop() -> impl Iterator<Item = i32> {
    (0..PERIOD).map(|at| quantise((PEAK * sine(at)) as f32)).cycle()
}

/// The same at full scale.
pub(crate) fn sine(at: usize) -> f64 {
    (std::f64::consts::TAU * (at % PERIOD) as f64 / PERIOD as f64).sin()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tenth of 2^23 is 838 860.8; half of it, at 30°, is 419 430.4.
    #[test]
    fn the_pop_begins_at_zero_and_peaks_after_a_quarter_of_a_millisecond() {
        let samples: Vec<i32> = pop().take(49).collect();
        assert_eq!((samples[0], samples[4], samples[12]), (0, 419_430, 838_861));
        assert_eq!((samples[24], samples[36], samples[48]), (0, -838_861, 0));
    }
}
