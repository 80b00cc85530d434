//! How often which loudness occurred: all that gating needs to know of a programme, in constant memory.

/// Loudness is counted from here up, in LUFS: the absolute gate of ITU-R BS.1770-4 and of EBU Tech 3342.
const FLOOR: f64 = -70.0;
/// Bins in one LU. Only a gate and a percentile can err, by one bin: means are kept exactly.
const BINS_PER_LU: f64 = 100.0;
/// Bins in all; the last, at +30 LUFS, also takes what is louder.
const BINS: usize = 10_000;

/// Converts mean square, weighted and summed over channels, to LUFS (ITU-R BS.1770-4 annex 1, equation 2).
pub(super) fn lufs(power: f64) -> f64 {
    10.0 * power.log10() - 0.691
}

/// The windows of a programme that passed the absolute gate, by loudness.
#[derive(Debug)]
pub(super) struct Levels {
    bins: Vec<Bin>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Bin {
    count: u32,
    power: f64,
}

impl Bin {
    fn mean(&self) -> f64 {
        self.power / f64::from(self.count)
    }
}

impl Levels {
    /// Counts nothing yet.
    pub(super) fn new() -> Levels {
        Levels { bins: Vec::new() }
    }

    /// Counts one window of the given mean square, unless the absolute gate shuts it out.
    pub(super) fn add(&mut self, power: f64) {
        let level = lufs(power);
        if level >= FLOOR {
            self.bins.resize(BINS, Bin::default());
            let index = ((level - FLOOR) * BINS_PER_LU) as usize;
            if let Some(bin) = self.bins.get_mut(index.min(BINS - 1)) {
                bin.count = bin.count.saturating_add(1);
                bin.power += power;
            }
        }
    }

    /// Gives the mean square of the windows no more than `below` LU under the mean of all.
    ///
    /// `None` if no window passed the absolute gate.
    pub(super) fn mean(&self, below: f64) -> Option<f64> {
        mean(&self.gated(below)?)
    }

    /// Gives the distance in LU from the 10th to the 95th percentile of the windows no more than `below` LU under
    /// the mean of all.
    ///
    /// A percentile is the window of the nearest rank, as FFmpeg counts; the sample code of EBU Tech 3342 may pick
    /// the next louder window. `None` if no window passed the absolute gate.
    pub(super) fn range(&self, below: f64) -> Option<f64> {
        let bins = self.gated(below)?;
        let count: u64 = bins.iter().map(|bin| u64::from(bin.count)).sum();
        let percentile = |percent: f64| {
            let rank = (count as f64 * percent / 100.0).round().max(1.0) as u64;
            let mut passed = 0;
            let bin = bins.iter().find(|bin| {
                passed += u64::from(bin.count);
                passed >= rank
            });
            bin.map(|bin| lufs(bin.mean()))
        };
        Some(percentile(95.0)? - percentile(10.0)?)
    }

    fn gated(&self, below: f64) -> Option<Vec<Bin>> {
        let filled: Vec<Bin> = self.bins.iter().copied().filter(|bin| bin.count > 0).collect();
        let gate = mean(&filled)? * 10_f64.powf(-below / 10.0);
        Some(filled.into_iter().filter(|bin| bin.mean() >= gate).collect())
    }
}

fn mean(bins: &[Bin]) -> Option<f64> {
    let count: u64 = bins.iter().map(|bin| u64::from(bin.count)).sum();
    (count > 0).then(|| bins.iter().map(|bin| bin.power).sum::<f64>() / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Levels {
        pub(in crate::loudness) fn size(&self) -> usize {
            self.bins.capacity()
        }
    }

    #[test]
    fn counting_by_loudness_is_as_good_as_keeping_every_window() {
        let powers: Vec<f64> = (0..20_000_u32).map(|n| 10_f64.powf(f64::from(n * 7_919 % 20_000) / -4_000.0)).collect();
        let mut levels = Levels::new();
        powers.iter().for_each(|&power| levels.add(power));
        let mean = |powers: &[f64]| powers.iter().sum::<f64>() / powers.len() as f64;
        let gated = |gate: f64| {
            let gate = mean(&powers) * 10_f64.powf(-gate / 10.0);
            let mut kept: Vec<f64> = powers.iter().copied().filter(|&power| power >= gate).collect();
            kept.sort_by(f64::total_cmp);
            kept
        };
        let expected = lufs(mean(&gated(10.0)));
        assert!((lufs(levels.mean(10.0).unwrap()) - expected).abs() < 0.01);
        let kept = gated(20.0);
        let percentile = |percent: f64| lufs(kept[(kept.len() as f64 * percent).round() as usize - 1]);
        assert!((levels.range(20.0).unwrap() - (percentile(0.95) - percentile(0.1))).abs() < 0.02);
    }

    #[test]
    fn what_is_louder_than_the_last_bin_is_still_counted() {
        let mut levels = Levels::new();
        levels.add(1e12);
        levels.add(1e9);
        levels.add(0.0);
        assert_eq!(levels.mean(10.0), Some((1e12 + 1e9) / 2.0));
        assert_eq!(levels.range(20.0), Some(0.0));
    }
}
