//! Chooses among the places where each phrase may be, so that phrases keep their order.

use super::spectra::Moment;
use super::track::{self, BLOCK, Fit, Render};

/// Places that are kept for a phrase.
const KEPT: usize = 6;
/// Pairs of a block and a place that are held at once, in five bytes each: 84 MB.
const MOST: usize = 1 << 24;
/// What a place must score to be worth a thought.
const LEAST: f32 = 0.15;
/// Rough moments by which a place may be away from where it was expected at no cost: 0.6 s.
const FREE: f32 = 60.0;
/// What each further second costs.
const AWAY: f32 = 0.1;
/// Rough moments by which two phrases may overlap.
const OVERLAP: usize = 30;

/// A place where a phrase may be.
pub(super) struct Candidate {
    pub(super) fit: Fit,
    /// Rough moments from where it was expected.
    away: i64,
    start: usize,
    end: usize,
    length: f32,
}

impl Candidate {
    /// How far it is from where it was expected: 0 up to 0.6 s, 1 from a second on.
    pub(super) fn away(&self) -> f32 {
        ((self.away.abs() as f32 - FREE) / 40.0).clamp(0.0, 1.0)
    }
}

/// The best places of a phrase that do not overlap by half.
pub(super) fn candidates(phrase: &[Moment], render: &Render, wanted: i64) -> Vec<Candidate> {
    let blocks = phrase.len().div_ceil(BLOCK);
    let room = render.moments.len().checked_sub(BLOCK).filter(|count| blocks > 0 && *count > phrase.len() / 2);
    let Some(count) = room.filter(|count| count.saturating_mul(blocks) <= MOST) else {
        return Vec::new();
    };
    let tracks = track::follow(phrase, render, vec![0; blocks], count);
    let scores: Vec<f32> = tracks.scores().collect();
    let mut order: Vec<usize> = (0..count).filter(|at| scores[*at] > LEAST).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let mut taken: Vec<usize> = Vec::new();
    for at in order {
        if taken.len() < KEPT && taken.iter().all(|other| other.abs_diff(at) > phrase.len() / 2) {
            taken.push(at);
        }
    }
    let candidates = taken.iter().map(|at| {
        let fit = tracks.fit(*at);
        let start = fit.places[0];
        Candidate { away: start as i64 - wanted, start, end: *at + BLOCK, length: phrase.len() as f32, fit }
    });
    candidates.collect()
}

/// For each phrase the candidate that is taken, or none, so that all of them together are worth most.
pub(super) fn choose(lists: &[Vec<Candidate>]) -> Vec<Option<usize>> {
    // Chains end at a candidate: its worth, its phrase and number, and the chain before it.
    let mut chains: Vec<(f32, usize, usize, Option<usize>)> = Vec::new();
    for (phrase, list) in lists.iter().enumerate() {
        let earlier = chains.len();
        for (number, candidate) in list.iter().enumerate() {
            let far = ((candidate.away.abs() as f32 - FREE).max(0.0) / 100.0 * AWAY).min(0.3);
            let own = (candidate.fit.score - LEAST - far) * candidate.length;
            let mut best = (0.0, None);
            for (at, chain) in chains[..earlier].iter().enumerate() {
                let before = &lists[chain.1][chain.2];
                if before.end <= candidate.start + OVERLAP && chain.0 > best.0 {
                    best = (chain.0, Some(at));
                }
            }
            chains.push((best.0 + own, phrase, number, best.1));
        }
    }
    let mut chosen = vec![None; lists.len()];
    let best = chains.iter().enumerate().max_by(|a, b| a.1.0.total_cmp(&b.1.0)).filter(|(_, chain)| chain.0 > 0.0);
    let mut next = best.map(|(at, _)| at);
    while let Some((_, phrase, number, before)) = next.and_then(|at| chains.get(at)) {
        chosen[*phrase] = Some(*number);
        next = *before;
    }
    chosen
}

/// Where the chosen candidates lie.
pub(super) fn places(lists: &[Vec<Candidate>], chosen: &[Option<usize>]) -> Vec<(usize, usize)> {
    let chosen = lists.iter().zip(chosen).filter_map(|(list, chosen)| list.get((*chosen)?));
    chosen.map(|candidate| (candidate.start, candidate.end)).collect()
}

/// The best score of a phrase at a place that no phrase took.
pub(super) fn rival(list: &[Candidate], taken: &[(usize, usize)]) -> f32 {
    let free = list.iter().filter(|candidate| {
        taken.iter().all(|(start, end)| {
            let both = candidate.end.min(*end).saturating_sub(candidate.start.max(*start));
            both * 3 < candidate.end - candidate.start
        })
    });
    free.map(|candidate| candidate.fit.score).fold(0.0, f32::max)
}
