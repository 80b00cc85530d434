//! The trim plan: who gets how much of the combined sound limit.
//!
//! Lower priority numbers go first. What a priority cannot have whole is shared among its sounds in
//! proportion to their lengths, and every sound keeps at least [`Limit::least`] (or all of itself).
//! A sound keeps its beginning and loses its tail. Cuts in pauses are deliberately absent.

use serde::{Deserialize, Serialize};

use crate::time::{ClockTime, Rounding, SampleRate, Samples, TimeRange};

/// One supplied sound, measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// Its sample rate.
    pub rate: SampleRate,
    /// Its length.
    pub samples: Samples,
    /// The first moment wanted.
    pub start: Option<ClockTime>,
    /// The first moment not wanted.
    pub end: Option<ClockTime>,
    /// 1 matters most.
    pub priority: u32,
}

/// What a provider allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// All sounds together.
    pub combined: ClockTime,
    /// The least of each.
    pub least: ClockTime,
}

/// What is kept of one source: upload sample `n` is source sample `kept.start + n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// The source's sample rate, which the upload keeps.
    pub rate: SampleRate,
    /// The source's length.
    pub source: Samples,
    /// The samples that are uploaded.
    pub kept: TimeRange<Samples>,
}

impl Cut {
    /// Whether anything is left out.
    #[must_use]
    pub fn trims(&self) -> bool {
        self.kept.start.0 > 0 || self.kept.end < self.source
    }

    /// The source sample that became upload sample `n`; `None` past the end.
    #[must_use]
    pub fn to_source(&self, upload: Samples) -> Option<Samples> {
        let at = self.kept.start.0.checked_add(upload.0)?;
        (at < self.kept.end.0).then_some(Samples(at))
    }

    /// The upload sample that holds source sample `n`; `None` where it was left out.
    #[must_use]
    pub fn to_upload(&self, source: Samples) -> Option<Samples> {
        (source >= self.kept.start && source < self.kept.end).then(|| Samples(source.0 - self.kept.start.0))
    }
}

/// Says why no plan exists.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrimError {
    /// Even the least of each is too much.
    #[error("{count} sounds need at least {needed} s together, but only {allowed} s are allowed; drop {drop}")]
    TooMany {
        /// How many sounds there are.
        count: usize,
        /// What they need in seconds.
        needed: ClockTime,
        /// What is allowed in seconds.
        allowed: ClockTime,
        /// Which to drop, in words.
        drop: String,
    },
    /// The wanted part of a sound is empty or lies outside of it.
    #[error("sound {number} has nothing between its `in` and `out`")]
    Empty {
        /// Which, from 1.
        number: usize,
    },
}

/// Plans the cuts, one for each source and in the same order.
///
/// # Errors
/// Says which sounds to drop, or whose `in` and `out` leave nothing.
pub fn plan(sources: &[Source], limit: Limit) -> Result<Vec<Cut>, TrimError> {
    let mut cuts = Vec::with_capacity(sources.len());
    for (index, source) in sources.iter().enumerate() {
        cuts.push(wanted(source).ok_or(TrimError::Empty { number: index + 1 })?);
    }
    let lengths: Vec<u64> = cuts.iter().map(length).collect();
    let shares = shares(sources, &lengths, limit)?;
    for (cut, share) in cuts.iter_mut().zip(shares) {
        let most = ClockTime(share).samples(cut.rate, Rounding::Down).unwrap_or_default();
        cut.kept.end = cut.kept.end.min(Samples(cut.kept.start.0.saturating_add(most.0)));
    }
    Ok(cuts)
}

fn wanted(source: &Source) -> Option<Cut> {
    let at = |time: ClockTime| time.samples(source.rate, Rounding::Nearest);
    let start = source.start.map_or(Some(Samples(0)), at)?;
    let end = source.end.map_or(Some(source.samples), at)?.min(source.samples);
    let kept = TimeRange { start, end };
    (start < end).then_some(Cut { rate: source.rate, source: source.samples, kept })
}

/// Microseconds, rounded up, so that a share that covers them covers every sample.
fn length(cut: &Cut) -> u64 {
    cut.kept.length().clock(cut.rate, Rounding::Up).map_or(u64::MAX, |time| time.0)
}

/// Microseconds for each source; their sum is never above the limit.
fn shares(sources: &[Source], lengths: &[u64], limit: Limit) -> Result<Vec<u64>, TrimError> {
    let least: Vec<u64> = lengths.iter().map(|length| limit.least.0.min(*length)).collect();
    let needed: u64 = least.iter().sum();
    let Some(mut left) = limit.combined.0.checked_sub(needed) else {
        return Err(too_many(sources, needed, limit));
    };
    let mut shares = least;
    let mut priorities: Vec<u32> = sources.iter().map(|source| source.priority).collect();
    priorities.sort_unstable();
    priorities.dedup();
    for priority in priorities {
        let group: Vec<usize> = (0..sources.len()).filter(|index| sources[*index].priority == priority).collect();
        let wishes: u64 = group.iter().map(|index| lengths[*index].saturating_sub(shares[*index])).sum();
        let granted = wishes.min(left);
        for index in group {
            let wish = u128::from(lengths[index].saturating_sub(shares[index])) * u128::from(granted);
            let grant = Rounding::Down.divide(wish, u128::from(wishes.max(1))).unwrap_or(0);
            shares[index] += grant;
            left -= grant;
        }
    }
    Ok(shares)
}

fn too_many(sources: &[Source], needed: u64, limit: Limit) -> TrimError {
    let worst = sources.iter().enumerate().max_by_key(|(index, source)| (source.priority, *index));
    let drop = worst.map_or_else(
        || "one".to_owned(),
        |(index, source)| format!("@Audio{} (priority {})", index + 1, source.priority),
    );
    TrimError::TooMany { count: sources.len(), needed: ClockTime(needed), allowed: limit.combined, drop }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn source(seconds: u64, hertz: u32, priority: u32) -> Source {
        let rate = SampleRate::new(hertz).expect("not zero");
        Source { rate, samples: Samples(seconds * u64::from(hertz)), start: None, end: None, priority }
    }

    const LIMIT: Limit = Limit { combined: ClockTime::seconds(15), least: ClockTime::seconds(2) };

    fn kept(sources: &[Source]) -> Vec<u64> {
        plan(sources, LIMIT).expect("a plan").iter().map(|cut| cut.kept.length().0).collect()
    }

    #[test]
    fn what_fits_is_left_alone() {
        assert_eq!(kept(&[source(9, 48_000, 1), source(6, 44_100, 1)]), [432_000, 264_600]);
    }

    #[test]
    fn the_first_priority_is_served_first() {
        assert_eq!(kept(&[source(9, 48_000, 2), source(8, 48_000, 1)]), [7 * 48_000, 8 * 48_000]);
    }

    #[test]
    fn equals_share_by_length() {
        // 15 s are 2 + 2 of least and 11 to share between wishes of 18 and 8.
        let [long, short] = kept(&[source(20, 1000, 1), source(10, 1000, 1)])[..] else { panic!("two cuts") };
        assert_eq!((long, short), (9615, 5384));
    }

    #[test]
    fn too_many_sounds_are_refused_and_the_least_important_named() {
        let sources = [source(9, 48_000, 1); 8].map(|s| Source { priority: 1, ..s });
        let error = plan(&sources, LIMIT).expect_err("8 × 2 s are more than 15 s");
        assert!(error.to_string().contains("@Audio8"), "{error}");
    }

    proptest! {
        #[test]
        fn uploads_never_exceed_the_limit_and_map_back(
            clips in proptest::collection::vec((1_u64..4_000_000, 0_usize..4, 1_u32..4), 1..7),
        ) {
            let rates = [16_000, 22_050, 44_100, 48_000];
            let sources: Vec<Source> = clips.iter()
                .map(|(samples, rate, priority)| Source { samples: Samples(*samples), ..source(1, rates[*rate], *priority) })
                .collect();
            let cuts = plan(&sources, LIMIT).expect("7 × 2 s fit");
            // Exact: sum of samples ÷ rate, over the rates' common multiple.
            let common = 16_000_u128 * 22_050 * 44_100 * 48_000;
            let total: u128 = cuts.iter().map(|cut| u128::from(cut.kept.length().0) * common / u128::from(cut.rate.hertz())).sum();
            prop_assert!(total <= 15 * common);
            for cut in cuts {
                let last = Samples(cut.kept.length().0 - 1);
                prop_assert_eq!(cut.to_source(last).and_then(|at| cut.to_upload(at)), Some(last));
                prop_assert_eq!(cut.to_source(cut.kept.length()), None);
            }
        }
    }
}
