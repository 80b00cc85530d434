//! Follows a phrase through a render: which offset fits each of its blocks, the offset changing slowly.

use super::spectra::{Moment, WIDTH};

/// Moments in a block of the phrase; from one block to the next the offset changes by at most one moment.
pub(super) const BLOCK: usize = 8;
/// What a change of the offset costs, in the likeness of a whole block.
const CHANGE: f32 = 0.02;
/// What is added to a block's energies, so that near silence proves nothing.
const FAINT: f32 = 8.0;

/// A render, and how strong each of its moments is.
pub(super) struct Render {
    pub(super) moments: Vec<Moment>,
    energies: Vec<f32>,
}

impl Render {
    pub(super) fn new(moments: Vec<Moment>) -> Render {
        let energies = moments.iter().map(|moment| dot(moment, moment)).collect();
        Render { moments, energies }
    }
}

/// How one phrase fits at one place.
#[derive(Debug, Clone)]
pub(super) struct Fit {
    /// Mean likeness of the blocks by weight: 1 where they are the same.
    pub(super) score: f32,
    /// For each block, the moment of the render that its first moment met.
    pub(super) places: Vec<usize>,
    /// How like each block is to what it met.
    pub(super) likeness: Vec<f32>,
}

/// All places where a phrase may end, and how well each fits.
pub(super) struct Tracks {
    /// By the place of the last block, counted from that block's first.
    scores: Vec<f32>,
    /// For each block but the first, and each place: what the offset was before, less 1.
    steps: Vec<Vec<u8>>,
    /// For each block and each place: how like they are.
    likeness: Vec<Vec<f32>>,
    /// Each block's first place.
    lows: Vec<usize>,
    weight: f32,
}

/// Follows the moments of a phrase through a render. `lows` says for each block the first place that is
/// tried, `count` how many are, all of them inside the render.
pub(super) fn follow(phrase: &[Moment], render: &Render, lows: Vec<usize>, count: usize) -> Tracks {
    let mut scores = vec![0.0; count];
    let mut steps = Vec::new();
    let mut all = Vec::new();
    let mut weight = 0.0;
    for (block, moments) in phrase.chunks(BLOCK).enumerate() {
        let low = lows[block];
        let likeness = likeness(moments, render, low, count);
        let energy: f32 = moments.iter().map(|moment| dot(moment, moment)).sum();
        let share = energy.sqrt() * (moments.len() as f32 / BLOCK as f32);
        weight += share;
        if block > 0 {
            // What a step of the window takes away, so that steps are counted in the render.
            let moved = low as isize - lows[block - 1] as isize - BLOCK as isize;
            let (better, step) = advance(&scores, moved, CHANGE * share);
            scores = better;
            steps.push(step);
        }
        scores.iter_mut().zip(&likeness).for_each(|(score, likeness)| *score += share * likeness);
        all.push(likeness);
    }
    Tracks { scores, steps, likeness: all, lows, weight }
}

/// The best way to each place of the next block, whose places begin `moved` later than this one's.
fn advance(scores: &[f32], moved: isize, cost: f32) -> (Vec<f32>, Vec<u8>) {
    let get = |at: isize| usize::try_from(at).ok().and_then(|at| scores.get(at)).copied().unwrap_or(f32::MIN);
    let places = (0..scores.len() as isize).map(|at| {
        let from = at + moved;
        let mut best = (get(from), 1);
        for (score, step) in [(get(from - 1) - cost, 0), (get(from + 1) - cost, 2)] {
            if score > best.0 {
                best = (score, step);
            }
        }
        best
    });
    places.unzip()
}

/// How like each of `count` places from `low` on is to a block.
fn likeness(block: &[Moment], render: &Render, low: usize, count: usize) -> Vec<f32> {
    let mut both = vec![0.0; count];
    let mut theirs = vec![0.0; count];
    let mut ours = FAINT;
    for (at, moment) in block.iter().enumerate() {
        ours += dot(moment, moment);
        let places = render.moments[low + at..].iter().zip(&render.energies[low + at..]);
        for ((both, theirs), (place, energy)) in both.iter_mut().zip(&mut theirs).zip(places) {
            *both += dot(moment, place);
            *theirs += energy;
        }
    }
    both.iter().zip(&theirs).map(|(both, theirs)| 2.0 * both / (ours + theirs)).collect()
}

/// The product of two moments, eight sums side by side, which the compiler makes one instruction of.
fn dot(a: &Moment, b: &Moment) -> f32 {
    let mut sums = [0.0; 8];
    for at in (0..WIDTH).step_by(8) {
        for lane in 0..8 {
            sums[lane] += a[at + lane] * b[at + lane];
        }
    }
    sums.iter().sum()
}

impl Tracks {
    /// How well the phrase fits if its last block lies at each place.
    pub(super) fn scores(&self) -> impl Iterator<Item = f32> + '_ {
        self.scores.iter().map(|score| (score / self.weight.max(1e-6)).max(-1.0))
    }

    /// The way that ends at a place.
    pub(super) fn fit(&self, last: usize) -> Fit {
        let mut at = last;
        let mut places = vec![self.lows[self.lows.len() - 1] + at];
        let mut likeness = vec![self.likeness[self.lows.len() - 1][at]];
        for (block, steps) in self.steps.iter().enumerate().rev() {
            let moved = self.lows[block + 1] as isize - self.lows[block] as isize - BLOCK as isize;
            let from = at as isize + moved + isize::from(steps[at]) - 1;
            at = usize::try_from(from).unwrap_or(0).min(self.scores.len() - 1);
            places.push(self.lows[block] + at);
            likeness.push(self.likeness[block][at]);
        }
        places.reverse();
        likeness.reverse();
        Fit { score: self.scores().nth(last).unwrap_or(-1.0), places, likeness }
    }
}
