//! Where a render speaks each phrase of the recording that it was given.
//!
//! A render's voice is a new performance: the same words, each phrase a little earlier or later, longer or
//! shorter, and not evenly so. So each phrase is followed on its own, by what its bands do over time.
//! Deliberately absent: one offset for a whole clip, and guesses: what does not fit well enough says so.

mod choice;
mod smooth;
mod spectra;
#[cfg(test)]
mod tests;
mod track;

use seedpost_core::time::{Samples, TimeRange};

use choice::Candidate;
use spectra::{BANDS, HOP, Moment};
use track::{BLOCK, Fit, Render};

/// The confidence from which a place counts as known; below it nothing can be said.
pub const CERTAIN: f32 = 0.5;

/// Spectra of silence laid before and after a render, for phrases that begin or end with it: 0.12 s.
const PAD: usize = 24;
/// Spectra of the pause around a phrase that are followed with it: 50 ms.
const PAUSE: usize = 10;
/// Spectra to either side of the rough way in which the fine one is looked for.
const NEAR: usize = 12;

/// Samples by which a phrase may seem to leave the render: 15 ms.
const EDGE: i64 = 720;
/// The likeness that long phrases need, and what short ones need more: by one divided by their seconds.
const NEEDED: f32 = 0.51;
const SHORT: f32 = 0.14;
/// How much more a phrase needs that fits elsewhere almost as well.
const ALIKE: f32 = 1.0;
/// How much more one needs that lies a second or more from where it was expected.
const FAR: f32 = 0.25;
/// How much longer or shorter a performance may be, and what more counts like distance.
const STRETCH: f32 = 0.085;
const ODD: f32 = 20.0;
/// How steeply confidence rises with likeness.
const STEEP: f32 = 20.0;

/// A way in pairs of samples, how like the two are, what the best other place scores, and how far away this one is.
type Way = (Vec<(i64, f64)>, f32, f32, f32);

/// Where a render speaks a phrase.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The phrase's samples in the render, at 48 kHz.
    pub render: TimeRange<Samples>,
    /// How sure that is, from 0 to 1; see [`CERTAIN`].
    pub confidence: f32,
}

/// Finds each phrase of a reference in a render, both mono at 48 kHz. `phrases` are stretches of the
/// reference in order, `expected` where each was asked for in the render, which decides only between like
/// places. `None` where nothing is like the phrase, and where the phrase and the render are too long to be held: a
/// phrase of 30 s within seven minutes may be.
#[must_use]
pub fn align(
    reference: &[f32],
    phrases: &[TimeRange<Samples>],
    render: &[f32],
    expected: &[Samples],
) -> Vec<Option<Found>> {
    let pad = vec![[0.0; BANDS]; PAD];
    let padded = [pad.clone(), spectra::bands(render), pad].concat();
    let (ours, theirs) = spectra::describe(&spectra::bands(reference), &padded);
    let rough = spectra::halve(&ours);
    let (rough_render, render_moments) = (Render::new(spectra::halve(&theirs)), Render::new(theirs));
    let spans: Vec<(usize, usize)> = (0..phrases.len()).map(|at| span(phrases, at, ours.len())).collect();
    let mut candidates: Vec<Vec<Candidate>> = Vec::new();
    for (at, (from, to)) in spans.iter().enumerate() {
        let wanted = expected.get(at).copied().unwrap_or(phrases[at].start).0 as i64 / HOP as i64;
        let inside = phrases[at].start.0 as i64 / HOP as i64 - *from as i64;
        candidates.push(choice::candidates(
            &rough[from / 2..to.div_ceil(2)],
            &rough_render,
            (wanted - inside + PAD as i64) / 2,
        ));
    }
    let chosen = choice::choose(&candidates);
    let taken = choice::places(&candidates, &chosen);
    let fits = spans.iter().zip(candidates.iter().zip(&chosen)).map(|((from, to), (list, chosen))| {
        let candidate = &list[(*chosen)?];
        let fine = refine(&ours[*from..*to], &render_moments, &candidate.fit)?;
        Some((path(*from, &ours[*from..*to], &fine), fine.score, choice::rival(list, &taken), candidate.away()))
    });
    let placed = |(phrase, fit): (&TimeRange<Samples>, Option<Way>)| {
        let (path, score, rival, away) = fit?;
        let (start, end) = (at(&path, phrase.start), at(&path, phrase.end));
        let length = render.len() as i64;
        let inside = |sample: i64| Samples(sample.clamp(0, length) as u64);
        let render = TimeRange { start: inside(start), end: inside(end) };
        // What leaves the render was cut by it: where it would have ended cannot be told.
        let whole = start >= -EDGE && end <= length.saturating_add(EDGE) && render.start < render.end;
        let confidence =
            if whole { confidence(score, rival, away + ODD * odd(render, *phrase), phrase.length()) } else { 0.0 };
        Some(Found { render, confidence })
    };
    phrases.iter().zip(fits).map(placed).collect()
}

/// By how much more than a performance would a phrase became longer or shorter, as a part of its length.
fn odd(render: TimeRange<Samples>, phrase: TimeRange<Samples>) -> f32 {
    let (ours, theirs) = (phrase.length().0.max(1) as f32, render.length().0 as f32);
    ((theirs / ours - 1.0).abs() - STRETCH - 2.0 * EDGE as f32 / ours).max(0.0)
}

/// How sure a place is: short phrases, those that fit elsewhere almost as well, and those that are far from
/// where they were expected must fit better.
fn confidence(score: f32, rival: f32, away: f32, length: Samples) -> f32 {
    let seconds = length.0 as f32 / 48_000.0;
    let margin = (score - rival).clamp(0.0, 0.2);
    let needed = NEEDED + SHORT / seconds.max(0.2) + (0.1 - margin).max(0.0) * ALIKE + away * FAR;
    1.0 / (1.0 + (-STEEP * (score - needed)).exp())
}

/// A phrase's spectra with a little of the pauses around it, at most half of what lies between phrases.
fn span(phrases: &[TimeRange<Samples>], at: usize, length: usize) -> (usize, usize) {
    let hop = |sample: Samples| (sample.0 as usize / HOP).min(length);
    let (start, end) = (hop(phrases[at].start), hop(phrases[at].end));
    let before = at.checked_sub(1).map_or(0, |before| hop(phrases[before].end));
    let after = phrases.get(at + 1).map_or(length, |after| hop(after.start));
    // Even, so that rough moments are halves of fine ones.
    let from = start.saturating_sub(PAUSE.min(start.saturating_sub(before) / 2)) / 2 * 2;
    (from, (end + PAUSE.min(after.saturating_sub(end) / 2)).clamp(from, length))
}

/// Follows the phrase once more beside its rough way, in steps half as long.
fn refine(phrase: &[Moment], render: &Render, rough: &Fit) -> Option<Fit> {
    let count = 2 * NEAR;
    let most = render.moments.len().checked_sub(count + BLOCK)?;
    let lows: Vec<usize> = (0..phrase.len().div_ceil(BLOCK))
        .map(|block| {
            // Two blocks of the fine way are one of the rough.
            let half = rough.places[(block / 2).min(rough.places.len() - 1)] * 2 + block % 2 * BLOCK;
            half.saturating_sub(NEAR).min(most)
        })
        .collect();
    let tracks = track::follow(phrase, render, lows, count);
    let (best, _) = tracks.scores().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(tracks.fit(best))
}

/// A way as pairs of samples, one for the middle of each block, smooth where nothing tells.
fn path(from: usize, phrase: &[Moment], fit: &Fit) -> Vec<(i64, f64)> {
    let offsets: Vec<f64> = fit
        .places
        .iter()
        .enumerate()
        .map(|(block, place)| *place as f64 - (from + block * BLOCK + PAD) as f64)
        .collect();
    let mut path = Vec::new();
    for (block, offset) in smooth::smooth(&offsets, &smooth::weights(phrase, &fit.likeness)).iter().enumerate() {
        let first = from + block * BLOCK;
        let middle = (first + (first + BLOCK).min(from + phrase.len())) as i64 * HOP as i64 / 2;
        path.push((middle, middle as f64 + offset * HOP as f64));
    }
    path
}

/// The sample of the render at which one of the reference is spoken.
fn at(path: &[(i64, f64)], sample: Samples) -> i64 {
    let sample = i64::try_from(sample.0).unwrap_or(i64::MAX);
    let after = path.partition_point(|(ours, _)| *ours < sample).clamp(1, path.len().max(2) - 1);
    let (Some(a), Some(b)) = (path.get(after - 1), path.get(after)) else {
        return path
            .first()
            .map_or(0, |(ours, theirs)| sample.saturating_sub(*ours).saturating_add(theirs.round() as i64));
    };
    let slope = (b.1 - a.1) / (b.0 - a.0).max(1) as f64;
    (a.1 + slope * sample.saturating_sub(a.0) as f64).round() as i64
}
