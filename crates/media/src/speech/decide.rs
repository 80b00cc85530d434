//! Scores and levels become regions.
//!
//! All counts are in blocks of 5 ms.

use super::level::{decibels, share, smooth};

/// A region begins to count where a score reaches this.
const ENTER: f32 = 0.7;
/// A region goes on while scores are no less.
const KEEP: f32 = 0.25;
/// A pause shorter than this does not end a region: 0.2 s.
const PAUSE: usize = 40;
/// A region shorter than this is dropped: 0.1 s.
const BURST: usize = 20;
/// Levels are compared over 0.5 s, two or three syllables.
const SYLLABLE: usize = 101;
/// Voices behind are looked for in pieces of 10 s, with 10 s on either side.
const PIECE: usize = 2000;
/// Less than 3 s do not tell what is behind.
const LITTLE: usize = 600;
/// Where even the quietest sixth scores as much as this, others speak behind.
const BEHIND: f32 = 0.55;
/// The share that counts as the quietest.
const QUIETEST: f32 = 0.15;
/// Who speaks in front is louder than the quietest moments, by this share of how much louder the loudest are.
const ABOVE: f32 = 0.36;
/// A region in front begins and ends where the level of `NEAR` is so far above the first, in dB.
const TRIM: f32 = 0.0;
/// Edges are looked for over 0.1 s.
const NEAR: usize = 21;
/// And in every region reaches this share more.
const FRONT: f32 = 0.17;
/// Between the quietest and the loudest moments there is less than this, in dB, where others speak behind.
const RANGE: f32 = 21.0;

/// A region in blocks, the end exclusive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stretch {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) confidence: f32,
}

/// Where someone speaks: `scores` and `powers` one a block, equally many.
pub(super) fn decide(scores: &[f32], powers: &[f32]) -> Vec<Stretch> {
    let mut speaks = hysteresis(scores);
    quieten(&mut speaks, scores, &smooth(powers, SYLLABLE), &smooth(powers, NEAR));
    let levels: Vec<f32> = powers.iter().map(|power| decibels(*power)).collect();
    let mut found: Vec<(usize, usize)> = runs(&speaks, PAUSE);
    found.retain(|(start, end)| end - start >= BURST);
    let edges = found.clone();
    for (at, (start, end)) in found.iter_mut().enumerate() {
        let before = at.checked_sub(1).and_then(|at| edges.get(at)).map_or(0, |last| last.1);
        let after = edges.get(at + 1).map_or(levels.len(), |next| next.0);
        (*start, *end) = (onset(&levels, *start, *end, before), offset(&levels, *start, *end, after));
    }
    joined(found).into_iter().map(|(start, end)| stretch(start, end, &speaks, scores)).collect()
}

/// The mean score, where what is too quiet to be in front counts as none.
fn stretch(start: usize, end: usize, speaks: &[bool], scores: &[f32]) -> Stretch {
    let inside = scores.iter().zip(speaks).skip(start).take(end - start);
    let sum: f32 = inside.map(|(score, speaks)| if *speaks { *score } else { 0.0 }).sum();
    Stretch { start, end, confidence: (sum / (end - start).max(1) as f32).clamp(0.0, 1.0) }
}

fn hysteresis(scores: &[f32]) -> Vec<bool> {
    let mut speaks: Vec<bool> = scores.iter().map(|score| *score >= KEEP).collect();
    for (start, end) in runs(&speaks.clone(), 1) {
        let peak = scores.iter().skip(start).take(end - start).fold(0.0f32, |peak, score| peak.max(*score));
        if peak < ENTER {
            speaks.iter_mut().skip(start).take(end - start).for_each(|speaks| *speaks = false);
        }
    }
    speaks
}

/// Takes out what is no louder than the voices behind, where there are any: the recogniser hears them as well.
fn quieten(speaks: &mut [bool], scores: &[f32], levels: &[f32], near: &[f32]) {
    for start in (0..levels.len()).step_by(PIECE) {
        let (from, to) = (start.saturating_sub(PIECE), (start + 2 * PIECE).min(levels.len()));
        let around = levels.get(from..to).unwrap_or_default();
        let Some((least, front)) = behind(around, scores.get(from..to).unwrap_or_default()) else { continue };
        let end = (start + PIECE).min(levels.len());
        for (speaks, level) in speaks.iter_mut().zip(levels).take(end).skip(start) {
            *speaks &= *level >= least;
        }
        // A region may lie across the piece's edge: it is judged by what of it is around.
        let inside: Vec<bool> = speaks.iter().take(to).skip(from).copied().collect();
        for (first, last) in runs(&inside, PAUSE).into_iter().map(|(first, last)| (from + first, from + last)) {
            let peak = levels.iter().take(last).skip(first).fold(f32::MIN, |peak, level| peak.max(*level));
            let mut loud = (first..last).filter(|at| near.get(*at).is_some_and(|level| *level >= least + TRIM));
            let from = loud.next().filter(|_| peak >= front).unwrap_or(last);
            let to = loud.next_back().map_or(from, |at| at + 1);
            for (at, speaks) in speaks.iter_mut().enumerate().take(last.min(end)).skip(first.max(start)) {
                *speaks &= (from..to).contains(&at);
            }
        }
    }
}

/// The level that only a voice in front keeps, and the one that it reaches; `None` where nobody speaks behind.
fn behind(levels: &[f32], scores: &[f32]) -> Option<(f32, f32)> {
    let (least, quiet, loud) = (share(levels, 0.03), share(levels, QUIETEST), share(levels, 0.95));
    if levels.len() < LITTLE || loud - least > RANGE {
        return None;
    }
    let quietest = scores.iter().zip(levels).filter(|(_, level)| **level <= quiet).map(|(score, _)| *score);
    let (sum, count) = quietest.fold((0.0, 0usize), |(sum, count), score| (sum + score, count + 1));
    (sum / count.max(1) as f32 > BEHIND).then(|| {
        let above = |share: f32| least + share * (loud - least);
        (above(ABOVE), above(ABOVE + FRONT))
    })
}

/// Runs of what holds, shorter gaps than `pause` bridged.
fn runs(holds: &[bool], pause: usize) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (at, _) in holds.iter().enumerate().filter(|(_, holds)| **holds) {
        match found.last_mut() {
            Some(last) if at < last.1 + pause => last.1 = at + 1,
            _ => found.push((at, at + 1)),
        }
    }
    found
}

/// Edges that were moved may leave a pause too short to be one.
fn joined(found: Vec<(usize, usize)>) -> Vec<(usize, usize)> {
    let mut apart: Vec<(usize, usize)> = Vec::new();
    for (start, end) in found.into_iter().filter(|(start, end)| start < end) {
        match apart.last_mut() {
            Some(last) if start < last.1 + PAUSE => last.1 = last.1.max(end),
            _ => apart.push((start, end)),
        }
    }
    apart
}

/// How far an edge may move outwards: 0.2 s.
const OUT: usize = 40;
/// How far an edge may move inwards: 0.12 s.
const IN: usize = 24;
/// A voice stands above what was before it by as much, in dB, or its edge is left where it was heard.
const STANDS: f32 = 14.0;
/// An edge is where the level comes this far above what was before, in dB.
const RISE: f32 = 7.0;
/// And no further below the voice than this, in dB.
const BELOW: f32 = 37.0;
/// A dip that is no edge: 30 ms.
const DIP: usize = 6;

/// The level at an edge: `voice` are levels inside, `ground` those outside. `None` where it does not stand out.
fn edge(voice: &[f32], ground: &[f32]) -> Option<f32> {
    let voice = share(voice, 0.9);
    let ground = share(ground, 0.3);
    (!voice.is_nan() && voice - ground >= STANDS).then_some((ground + RISE).max(voice - BELOW))
}

fn onset(levels: &[f32], start: usize, end: usize, before: usize) -> usize {
    let inside = levels.get(start..end.min(start + 100)).unwrap_or_default();
    let outside =
        levels.get(before.max(start.saturating_sub(80))..start.saturating_sub(6).max(before)).unwrap_or_default();
    let Some(least) = edge(inside, outside) else { return start };
    let outward = (before.max(start.saturating_sub(OUT))..start).rev();
    first_loud(levels, start..end.min(start + IN), outward, least).unwrap_or(start)
}

fn offset(levels: &[f32], start: usize, end: usize, after: usize) -> usize {
    let inside = levels.get(start.max(end.saturating_sub(100))..end).unwrap_or_default();
    let outside = levels.get((end + 6).min(after)..after.min(end + 80)).unwrap_or_default();
    let Some(least) = edge(inside, outside) else { return end };
    let inward = (start.max(end.saturating_sub(IN))..end).rev();
    first_loud(levels, inward, end..after.min(end + OUT), least).map_or(end, |last| last + 1)
}

/// The outermost block of what is loud: from the first loud one inwards, then outwards as long as dips are short.
fn first_loud(
    levels: &[f32],
    mut inward: impl Iterator<Item = usize>,
    outward: impl Iterator<Item = usize>,
    least: f32,
) -> Option<usize> {
    let loud = |at: usize| levels.get(at).is_some_and(|level| *level >= least);
    let mut found = inward.find(|at| loud(*at))?;
    let mut dip = 0;
    for at in outward {
        if loud(at) {
            (found, dip) = (at, 0);
        } else {
            dip += 1;
            if dip > DIP {
                break;
            }
        }
    }
    Some(found)
}
