//! The trim plan: who gets how much of the combined sound limit, and where each sound is cut.
//!
//! What fits is left alone. Else every sound has at least [`Limit::least`] (or all of itself) first, then
//! lower priority numbers go first; what a priority cannot have whole is shared among its sounds in
//! proportion to what each still lacks. The samples are not read here: where it is quiet is told.

use serde::{Deserialize, Serialize};

use crate::time::{ClockTime, Rounding, SampleRate, Samples, TimeRange};

/// How far before a share's end a pause is looked for.
pub const REACH: ClockTime = ClockTime(700_000);
/// What is left of silence before a sound begins and after it ends.
const BREATH: ClockTime = ClockTime(50_000);

/// How cuts are chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Silence at both ends goes first; then each sound is cut in the last pause within [`REACH`] of its
    /// share's end, and what it leaves goes to the next.
    #[default]
    Pauses,
    /// Every sound has the least, and of the rest a share in proportion to what it lacks, whatever its
    /// priority, and is cut at its end.
    Proportional,
    /// One sound after the other, by priority, is kept whole until the limit is reached; the rest lose
    /// their tails.
    Tail,
}

/// One supplied sound, measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The number of its tag, from 1.
    pub number: usize,
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
    /// Where a cut falls into a pause, in ascending order: any position from `start` to `end`, both
    /// included. Empty where nobody listened.
    pub quiet: Vec<TimeRange<Samples>>,
}

/// What a provider allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// All sounds together.
    #[serde(rename = "combined_us")]
    pub combined: ClockTime,
    /// The most of each.
    #[serde(rename = "each_us")]
    pub each: ClockTime,
    /// The least of each.
    #[serde(rename = "least_us")]
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

    /// The length of what is kept, rounded up to the microsecond.
    #[must_use]
    pub fn length(&self) -> ClockTime {
        self.kept.length().clock(self.rate, Rounding::Up).unwrap_or(ClockTime(u64::MAX))
    }
}

/// Why a sound begins or ends where it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edge {
    /// The file's own end, or the list's `in` or `out`.
    Wanted,
    /// Silence was left out.
    Silence,
    /// Cut in a pause.
    Pause,
    /// Cut in sound: the share ended, and no pause was within reach or looked for.
    Sound,
    /// Set by a person.
    Hand,
}

/// A cut with its reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// What is kept.
    pub cut: Cut,
    /// Why it begins there.
    pub begin: Edge,
    /// Why it ends there.
    pub end: Edge,
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
pub fn plan(sources: &[Source], limit: Limit, method: Method) -> Result<Vec<Planned>, TrimError> {
    let mut plans = Vec::with_capacity(sources.len());
    for source in sources {
        let kept = wanted(source).ok_or(TrimError::Empty { number: source.number })?;
        let cut = Cut { rate: source.rate, source: source.samples, kept };
        plans.push(Planned { cut, begin: Edge::Wanted, end: Edge::Wanted });
    }
    if fits(&plans, limit) {
        return Ok(plans);
    }
    if method == Method::Pauses {
        plans.iter_mut().zip(sources).for_each(|(plan, source)| leave_silence_out(plan, source, limit));
    }
    let lengths: Vec<ClockTime> = plans.iter().map(|plan| plan.cut.length()).collect();
    let order: Vec<u32> = match method {
        Method::Pauses => sources.iter().map(|source| source.priority).collect(),
        Method::Proportional => vec![1; sources.len()],
        Method::Tail => one_by_one(sources),
    };
    let shares = shares(&lengths, &order, limit).map_err(|excess| too_many(sources, &excess, limit))?;
    cut(&mut plans, sources, &shares, limit, method);
    Ok(plans)
}

/// Whether nothing has to be cut.
fn fits(plans: &[Planned], limit: Limit) -> bool {
    let lengths = plans.iter().map(|plan| plan.cut.length());
    let total = lengths.clone().fold(0_u64, |sum, length| sum.saturating_add(length.0));
    // Each length is rounded up by less than a microsecond.
    total <= limit.combined.0.saturating_add(plans.len() as u64)
        && lengths.max().unwrap_or_default() <= limit.each
        && exact_total_fits(plans, limit)
}

/// Whether the sum of samples ÷ rate, without rounding, is within the combined limit.
fn exact_total_fits(plans: &[Planned], limit: Limit) -> bool {
    let Some((num, den)) = plans.iter().try_fold((0_u128, 1_u128), |(num, den), plan| {
        let (length, hertz) = (u128::from(plan.cut.kept.length().0), u128::from(plan.cut.rate.hertz()));
        let common = hertz / gcd(den, hertz);
        let sum = num.checked_mul(common)?.checked_add(length.checked_mul(den.checked_mul(common)? / hertz)?)?;
        Some((sum, den.checked_mul(common)?))
    }) else {
        return false;
    };
    num.checked_mul(1_000_000).zip(den.checked_mul(limit.combined.0.into())).is_some_and(|(have, most)| have <= most)
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A rank for each source: its place when they are sorted by priority.
fn one_by_one(sources: &[Source]) -> Vec<u32> {
    let mut order: Vec<usize> = (0..sources.len()).collect();
    order.sort_by_key(|index| (sources[*index].priority, *index));
    let rank = |index: usize| order.iter().position(|other| *other == index).unwrap_or(0);
    (0..sources.len()).map(|index| u32::try_from(rank(index)).unwrap_or(u32::MAX)).collect()
}

/// The samples between a sound's `in` and `out`; `None` where that is nothing.
#[must_use]
pub fn wanted(source: &Source) -> Option<TimeRange<Samples>> {
    let at = |time: ClockTime| time.samples(source.rate, Rounding::Nearest);
    let start = source.start.map_or(Some(Samples(0)), at)?;
    let end = source.end.map_or(Some(source.samples), at)?.min(source.samples);
    (start < end).then_some(TimeRange { start, end })
}

/// Takes silence off both ends, but for a breath, as long as the least is left.
fn leave_silence_out(plan: &mut Planned, source: &Source, limit: Limit) {
    let kept = plan.cut.kept;
    let breath = BREATH.samples(source.rate, Rounding::Down).unwrap_or_default().0;
    let least = samples_of(limit.least, source.rate).min(kept.length().0);
    let mut tight = kept;
    if let Some(head) = source.quiet.iter().find(|quiet| quiet.start <= kept.start && quiet.end > kept.start) {
        tight.start.0 = head.end.0.saturating_sub(breath).max(kept.start.0);
    }
    if let Some(tail) = source.quiet.iter().rfind(|quiet| quiet.end >= kept.end && quiet.start < kept.end) {
        tight.end.0 = tail.start.0.saturating_add(breath).min(kept.end.0);
    }
    if tight.start < tight.end && tight.length().0 >= least {
        plan.begin = if tight.start > kept.start { Edge::Silence } else { plan.begin };
        plan.end = if tight.end < kept.end { Edge::Silence } else { plan.end };
        plan.cut.kept = tight;
    }
}

/// Samples that certainly last no longer than the time.
fn samples_of(time: ClockTime, rate: SampleRate) -> u64 {
    time.samples(rate, Rounding::Down).map_or(u64::MAX, |samples| samples.0)
}

/// Shortens each sound to its share, in the order of priority; what one leaves, the next may have.
fn cut(plans: &mut [Planned], sources: &[Source], shares: &[ClockTime], limit: Limit, method: Method) {
    let mut order: Vec<usize> = (0..plans.len()).collect();
    order.sort_by_key(|index| (sources[*index].priority, *index));
    let mut spare = 0_u64;
    for index in order {
        let (plan, source) = (&mut plans[index], &sources[index]);
        let most = ClockTime(shares[index].0.saturating_add(spare).min(limit.each.0));
        let kept = &mut plan.cut.kept;
        let end = Samples(kept.start.0.saturating_add(samples_of(most, source.rate)));
        if end < kept.end {
            let pause = if method == Method::Pauses { pause_before(source, kept.start, end, limit) } else { None };
            plan.end = if pause.is_some() { Edge::Pause } else { Edge::Sound };
            kept.end = pause.unwrap_or(end);
        }
        if method == Method::Pauses {
            spare = shares[index].0.saturating_add(spare).saturating_sub(plan.cut.length().0);
        }
    }
}

/// The last quiet position within reach of `end` that leaves the least.
fn pause_before(source: &Source, start: Samples, end: Samples, limit: Limit) -> Option<Samples> {
    let reach = samples_of(REACH, source.rate);
    let least = limit.least.samples(source.rate, Rounding::Up)?.0;
    let first = end.0.saturating_sub(reach).max(start.0.saturating_add(least));
    let quiet = source.quiet.iter().rfind(|quiet| quiet.start <= end && quiet.end.0 >= first)?;
    Some(quiet.end.min(end)).filter(|at| at.0 >= first)
}

/// Shares of the combined limit: to each the least (or all there is); of the rest, lower ranks first, and
/// within a rank in proportion to what each still lacks. Their sum is never above the limit.
///
/// # Errors
/// Even the least of each is too much.
pub fn shares(lengths: &[ClockTime], ranks: &[u32], limit: Limit) -> Result<Vec<ClockTime>, Excess> {
    let wishes: Vec<u64> = lengths.iter().map(|length| length.0.min(limit.each.0)).collect();
    let mut shares: Vec<u64> = wishes.iter().map(|wish| limit.least.0.min(*wish)).collect();
    let needed = shares.iter().fold(0_u64, |sum, share| sum.saturating_add(*share));
    let Some(mut left) = limit.combined.0.checked_sub(needed) else {
        return Err(Excess { needed: ClockTime(needed), drop: least_wanted(ranks, needed, limit) });
    };
    let mut order: Vec<u32> = ranks.to_vec();
    order.sort_unstable();
    order.dedup();
    for rank in order {
        let group: Vec<usize> = (0..wishes.len()).filter(|index| ranks[*index] == rank).collect();
        let wish = |index: &usize| wishes[*index] - shares[*index];
        let all: u64 = group.iter().map(wish).fold(0, u64::saturating_add);
        let granted = all.min(left);
        let part = |index: &usize| {
            let part = u128::from(wish(index)) * u128::from(granted);
            Rounding::Down.divide(part, u128::from(all.max(1))).unwrap_or(0)
        };
        let grants: Vec<u64> = group.iter().map(part).collect();
        for (index, grant) in group.into_iter().zip(grants) {
            shares[index] += grant;
            left -= grant;
        }
    }
    Ok(shares.into_iter().map(ClockTime).collect())
}

/// What is too much, and what would have to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excess {
    /// What the least of each comes to.
    pub needed: ClockTime,
    /// The places of those to drop, the least important first.
    pub drop: Vec<usize>,
}

fn least_wanted(ranks: &[u32], needed: u64, limit: Limit) -> Vec<usize> {
    let mut order: Vec<usize> = (0..ranks.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse((ranks[*index], *index)));
    let over = needed.saturating_sub(limit.combined.0);
    let count = Rounding::Up.divide(over.into(), u128::from(limit.least.0.max(1))).unwrap_or(1).max(1);
    order.truncate(usize::try_from(count).unwrap_or(1));
    order
}

fn too_many(sources: &[Source], excess: &Excess, limit: Limit) -> TrimError {
    let names: Vec<String> =
        excess.drop.iter().filter_map(|place| Some(format!("@Audio{}", sources.get(*place)?.number))).collect();
    let drop = names.join(" and ");
    TrimError::TooMany { count: sources.len(), needed: excess.needed, allowed: limit.combined, drop }
}

/// Says what is wrong with the cuts of sounds, which a person may have edited; nothing where they may be carried
/// out.
#[must_use]
pub fn faults(cuts: &[(Source, Cut)], limit: Limit) -> Vec<String> {
    let mut faults = Vec::new();
    for (source, cut) in cuts {
        let (number, length) = (source.number, cut.length());
        let all = wanted(source).map_or(0, |range| range.length().0);
        if (cut.rate, cut.source) != (source.rate, source.samples) {
            faults.push(format!("sound {number}: `rate` and `source` are the file's own and cannot be changed"));
        } else if cut.kept.start >= cut.kept.end || cut.kept.end > cut.source {
            faults.push(format!("sound {number}: keeps nothing of its {} samples", cut.source.0));
        } else if cut.kept.length().0 < samples_of(limit.least, cut.rate).min(all) {
            faults.push(format!("sound {number}: {length} s, at least {} s are needed", limit.least));
        } else if length > limit.each {
            faults.push(format!("sound {number}: {length} s, at most {} s are allowed", limit.each));
        }
    }
    let plans: Vec<Planned> =
        cuts.iter().map(|(_, cut)| Planned { cut: *cut, begin: Edge::Hand, end: Edge::Hand }).collect();
    if faults.is_empty() && !exact_total_fits(&plans, limit) {
        let total = cuts.iter().fold(0_u64, |sum, (_, cut)| sum.saturating_add(cut.length().0));
        faults.push(format!("{} s together, {} s are allowed", ClockTime(total), limit.combined));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn source(seconds: u64, hertz: u32, priority: u32) -> Source {
        let rate = SampleRate::new(hertz).expect("not zero");
        let samples = Samples(seconds * u64::from(hertz));
        Source { number: 1, rate, samples, start: None, end: None, priority, quiet: Vec::new() }
    }

    const LIMIT: Limit =
        Limit { combined: ClockTime::seconds(15), each: ClockTime::seconds(15), least: ClockTime::seconds(2) };

    fn kept(sources: &[Source], method: Method) -> Vec<(u64, u64)> {
        let plans = plan(sources, LIMIT, method).expect("a plan");
        plans.iter().map(|plan| (plan.cut.kept.start.0, plan.cut.kept.end.0)).collect()
    }

    /// At 1 kHz a sample is a millisecond.
    fn with_quiet(seconds: u64, priority: u32, quiet: &[(u64, u64)]) -> Source {
        let range = |(start, end): &(u64, u64)| TimeRange { start: Samples(*start), end: Samples(*end) };
        Source { quiet: quiet.iter().map(range).collect(), ..source(seconds, 1000, priority) }
    }

    #[test]
    fn what_fits_is_left_alone() {
        for method in [Method::Pauses, Method::Proportional, Method::Tail] {
            let sounds = [source(9, 48_000, 1), source(6, 44_100, 1)];
            assert_eq!(kept(&sounds, method), [(0, 432_000), (0, 264_600)]);
        }
    }

    #[test]
    fn the_first_priority_is_served_first() {
        let sounds = [source(9, 1000, 2), source(8, 1000, 1)];
        assert_eq!(kept(&sounds, Method::Pauses), [(0, 7000), (0, 8000)]);
        assert_eq!(kept(&sounds, Method::Tail), [(0, 7000), (0, 8000)]);
        // 4 s of least, and 11 s between wishes of 7 and 6.
        assert_eq!(kept(&sounds, Method::Proportional), [(0, 7923), (0, 7076)]);
    }

    #[test]
    fn equals_share_by_length_or_one_after_the_other() {
        // 15 s are 2 + 2 of least and 11 to share between wishes of 13 (of 20, each 15 at most) and 8.
        let sounds = [source(20, 1000, 1), source(10, 1000, 1)];
        assert_eq!(kept(&sounds, Method::Pauses), [(0, 8809), (0, 6190)]);
        assert_eq!(kept(&sounds, Method::Tail), [(0, 13_000), (0, 2000)]);
    }

    #[test]
    fn silence_goes_first_and_may_be_all_that_has_to_go() {
        let long = with_quiet(10, 1, &[(0, 1500), (9000, 10_000)]);
        let sounds = [long, source(7, 1000, 1)];
        // 50 ms are left before the sound and after it.
        assert_eq!(kept(&sounds, Method::Pauses), [(1450, 9050), (0, 7000)]);
        let plans = plan(&sounds, LIMIT, Method::Pauses).expect("a plan");
        assert_eq!((plans[0].begin, plans[0].end, plans[1].end), (Edge::Silence, Edge::Silence, Edge::Wanted));
    }

    #[test]
    fn a_cut_falls_in_the_last_pause_within_reach_and_the_rest_goes_to_the_next() {
        let first = with_quiet(20, 1, &[(3000, 3100), (8200, 8300), (8700, 8790)]);
        let second = with_quiet(10, 1, &[(6200, 6210)]);
        // The shares are 8809 and 6190; the first stops at 8790, so the second may reach 6209.
        assert_eq!(kept(&[first, second.clone()], Method::Pauses), [(0, 8790), (0, 6209)]);
        let far = with_quiet(20, 1, &[(3000, 3100), (8000, 8050)]);
        let plans = plan(&[far, second], LIMIT, Method::Pauses).expect("a plan");
        assert_eq!((plans[0].cut.kept.end, plans[0].end), (Samples(8809), Edge::Sound));
    }

    #[test]
    fn no_pause_takes_a_sound_below_the_least() {
        let quiet = [(1500, 1900)];
        let plans = plan(&[source(13, 1000, 1), with_quiet(9, 2, &quiet)], LIMIT, Method::Pauses).expect("a plan");
        assert_eq!(plans[1].cut.kept.end, Samples(2000));
    }

    #[test]
    fn too_many_sounds_are_refused_and_the_least_important_named() {
        let sources: Vec<Source> = (1..=8).map(|number| Source { number, ..source(9, 48_000, 1) }).collect();
        let error = plan(&sources, LIMIT, Method::Pauses).expect_err("8 × 2 s are more than 15 s");
        assert!(error.to_string().ends_with("drop @Audio8"), "{error}");
        let numbered = |number: usize| Source { number, ..source(9, 48_000, 10 - number as u32) };
        let sources: Vec<Source> = (1..=9).map(numbered).collect();
        let error = plan(&sources, LIMIT, Method::Pauses).expect_err("9 × 2 s are more than 15 s");
        assert!(error.to_string().ends_with("drop @Audio1 and @Audio2"), "{error}");
    }

    #[test]
    fn an_edited_plan_is_held_to_the_limits() {
        let cut = |start: u64, end: u64| {
            let kept = TimeRange { start: Samples(start), end: Samples(end) };
            let whole = source(20, 1000, 1);
            (whole.clone(), Cut { rate: whole.rate, source: whole.samples, kept })
        };
        assert_eq!(faults(&[cut(0, 9000), cut(100, 6100)], LIMIT), Vec::<String>::new());
        assert_eq!(faults(&[cut(0, 9000), cut(100, 6101)], LIMIT), ["15.001 s together, 15.000 s are allowed"]);
        assert_eq!(faults(&[cut(5, 5), cut(0, 1999), cut(19_000, 20_001)], LIMIT).len(), 3);
        // What is shorter by its `in` and `out` is well.
        let (whole, kept) = cut(0, 1500);
        let part = Source { end: Some(ClockTime(1_500_000)), ..whole };
        assert_eq!(faults(&[(part.clone(), kept)], LIMIT), Vec::<String>::new());
        assert_eq!(faults(&[(part.clone(), cut(0, 1499).1)], LIMIT).len(), 1);
        let lying = Cut { source: Samples(30_000), ..kept };
        assert_eq!(faults(&[(part, lying)], LIMIT).len(), 1);
    }

    proptest! {
        #[test]
        fn uploads_never_exceed_the_limit_and_map_back(
            clips in proptest::collection::vec((1_u64..4_000_000, 0_usize..4, 1_u32..4, 0_u64..900_000), 1..7),
            method in 0_usize..3,
        ) {
            let rates = [16_000, 22_050, 44_100, 48_000];
            let method = [Method::Pauses, Method::Proportional, Method::Tail][method];
            let sources: Vec<Source> = clips.iter()
                .map(|(samples, rate, priority, quiet)| Source {
                    samples: Samples(*samples),
                    quiet: (0..5).map(|n| TimeRange { start: Samples(n * quiet), end: Samples(n * quiet + quiet / 3) }).collect(),
                    ..source(1, rates[*rate], *priority)
                })
                .collect();
            let plans = plan(&sources, LIMIT, method).expect("7 × 2 s fit");
            let cuts: Vec<Cut> = plans.iter().map(|plan| plan.cut).collect();
            // Exact: sum of samples ÷ rate, over the rates' common multiple.
            let common = 16_000_u128 * 22_050 * 44_100 * 48_000;
            let total: u128 = cuts.iter().map(|cut| u128::from(cut.kept.length().0) * common / u128::from(cut.rate.hertz())).sum();
            prop_assert!(total <= 15 * common);
            let both: Vec<(Source, Cut)> = sources.into_iter().zip(cuts.iter().copied()).collect();
            prop_assert_eq!(faults(&both, LIMIT), Vec::<String>::new());
            for cut in cuts {
                let last = Samples(cut.kept.length().0 - 1);
                prop_assert_eq!(cut.to_source(last).and_then(|at| cut.to_upload(at)), Some(last));
                prop_assert_eq!(cut.to_source(cut.kept.length()), None);
            }
        }
    }
}
