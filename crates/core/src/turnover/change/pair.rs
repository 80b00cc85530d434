//! Which clip of the new version is which of the one before.
//!
//! First those that are the same, frame for frame; then those of the same take that share frames; then pieces of clips,
//! and clips that went into one; at last those of the same shot. Clips that kept their order come before others.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use super::ManifestClip;
use crate::recut::longest;

/// A clip of a version, in numbers that sums cannot overflow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) clip: &'a ManifestClip,
    /// The first frame of the take that is used.
    pub(super) from: i128,
    pub(super) frames: i128,
    pub(super) record: i128,
}

impl<'a> Part<'a> {
    pub(super) fn new(clip: &'a ManifestClip) -> Part<'a> {
        Part { clip, from: clip.handles.0.into(), frames: clip.frames.into(), record: clip.record_start.into() }
    }

    pub(super) fn take(&self) -> &'a str {
        &self.clip.take
    }

    pub(super) fn end(&self) -> i128 {
        self.from + self.frames
    }

    fn overlaps(&self, other: &Part<'_>) -> bool {
        self.from < other.end() && other.from < self.end()
    }
}

/// What a clip of the new version was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    None,
    Clip(usize),
    /// A further piece of that one.
    Piece(usize),
}

/// What became of a clip of the version before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Gone,
    Became(usize),
    /// It went into that one, which another clip became.
    Joined(usize),
}

pub(super) struct Pairs {
    pub(super) origins: Vec<Origin>,
    pub(super) fates: Vec<Fate>,
    /// How many further pieces a clip before has.
    pub(super) pieces: HashMap<usize, usize>,
    /// What went into a new clip besides the one that it was.
    pub(super) joined: HashMap<usize, Vec<usize>>,
}

impl Pairs {
    pub(super) fn find(before: &[Part<'_>], after: &[Part<'_>]) -> Pairs {
        let mut pairs = Pairs {
            origins: vec![Origin::None; after.len()],
            fates: vec![Fate::Gone; before.len()],
            pieces: HashMap::new(),
            joined: HashMap::new(),
        };
        let same = |part: &Part<'_>| (part.clip.take.clone(), part.from, part.frames);
        pairs.by(before, after, same);
        pairs.overlapping(before, after);
        pairs.split(before, after);
        pairs.join(before, after);
        pairs.by(before, after, |part| part.clip.shot.clone());
        pairs
    }

    fn pair(&mut self, a: usize, b: usize) {
        self.fates[a] = Fate::Became(b);
        self.origins[b] = Origin::Clip(a);
    }

    /// The clips of both versions that nothing was found for yet.
    fn left(&self) -> (Vec<usize>, Vec<usize>) {
        let before = (0..self.fates.len()).filter(|a| self.fates[*a] == Fate::Gone).collect();
        (before, (0..self.origins.len()).filter(|b| self.origins[*b] == Origin::None).collect())
    }

    /// Pairs what is left by a key: the longest row that keeps its order, then the others, first come, first served.
    fn by<K: Eq + Hash>(&mut self, before: &[Part<'_>], after: &[Part<'_>], key: impl Fn(&Part<'_>) -> K) {
        let (old, new) = self.left();
        let keys =
            |left: &[usize], parts: &[Part<'_>]| left.iter().map(|index| key(&parts[*index])).collect::<Vec<K>>();
        let (old_keys, new_keys) = (keys(&old, before), keys(&new, after));
        for (a, b) in longest(&old_keys, &new_keys) {
            self.pair(old[a], new[b]);
        }
        let mut left: HashMap<&K, VecDeque<usize>> = HashMap::new();
        for (a, key) in old.iter().zip(&old_keys).filter(|(a, _)| self.fates[**a] == Fate::Gone) {
            left.entry(key).or_default().push_back(*a);
        }
        for (b, key) in new.iter().zip(&new_keys) {
            if self.origins[*b] == Origin::None
                && let Some(a) = left.get_mut(key).and_then(VecDeque::pop_front)
            {
                self.pair(a, *b);
            }
        }
    }

    /// Pairs what is left of the same take and shares frames, from its first frames on.
    fn overlapping(&mut self, before: &[Part<'_>], after: &[Part<'_>]) {
        let (old, new) = self.left();
        let mut takes = by_take(before, &old);
        for (take, new) in by_take(after, &new) {
            let old = takes.remove(take).unwrap_or_default();
            let (mut i, mut j) = (0, 0);
            while let (Some(a), Some(b)) = (old.get(i), new.get(j)) {
                if before[*a].overlaps(&after[*b]) {
                    self.pair(*a, *b);
                    (i, j) = (i + 1, j + 1);
                } else if before[*a].from <= after[*b].from {
                    i += 1;
                } else {
                    j += 1;
                }
            }
        }
    }

    /// Finds further pieces of clips that became something else of themselves.
    fn split(&mut self, before: &[Part<'_>], after: &[Part<'_>]) {
        let wholes = Wholes::of(before);
        for b in self.left().1 {
            let Some(a) = wholes.holding(&after[b]) else { continue };
            let Fate::Became(first) = self.fates[a] else { continue };
            if after[first].take() == after[b].take() && !after[first].overlaps(&after[b]) {
                self.origins[b] = Origin::Piece(a);
                *self.pieces.entry(a).or_default() += 1;
            }
        }
    }

    /// Finds clips that went into what another one became.
    fn join(&mut self, before: &[Part<'_>], after: &[Part<'_>]) {
        let wholes = Wholes::of(after);
        for a in self.left().0 {
            let Some(b) = wholes.holding(&before[a]) else { continue };
            let Origin::Clip(first) = self.origins[b] else { continue };
            if before[first].take() == before[a].take() && !before[first].overlaps(&before[a]) {
                self.fates[a] = Fate::Joined(b);
                self.joined.entry(b).or_default().push(a);
            }
        }
    }

    /// Whether each clip of the new version is in the longest row of those that kept their order; further pieces are not.
    pub(super) fn in_row(&self) -> Vec<bool> {
        // `ends` has the clip that ends the best row of each length.
        let (mut ends, mut links): (Vec<usize>, Vec<Option<usize>>) = (Vec::new(), vec![None; self.origins.len()]);
        let was = |b: usize| match self.origins[b] {
            Origin::Clip(a) => Some(a),
            Origin::Piece(_) | Origin::None => None,
        };
        for (b, link) in links.iter_mut().enumerate() {
            let Some(a) = was(b) else { continue };
            let length = ends.partition_point(|end| was(*end).is_some_and(|end| end < a));
            *link = length.checked_sub(1).map(|before| ends[before]);
            if length == ends.len() { ends.push(b) } else { ends[length] = b }
        }
        let mut in_row = vec![false; self.origins.len()];
        let mut at = ends.last().copied();
        while let Some(b) = at {
            in_row[b] = true;
            at = links[b];
        }
        in_row
    }
}

/// Clips by their takes, each take's from its first frames on.
fn by_take<'a>(parts: &[Part<'a>], some: &[usize]) -> HashMap<&'a str, Vec<usize>> {
    let mut takes: HashMap<&str, Vec<usize>> = HashMap::new();
    for index in some {
        takes.entry(parts[*index].take()).or_default().push(*index);
    }
    takes.values_mut().for_each(|uses| uses.sort_by_key(|index| (parts[*index].from, parts[*index].frames, *index)));
    takes
}

/// Which clips hold all frames of another one.
struct Wholes<'a> {
    /// By take: first frames in their order, each with the furthest end up to there, and the clip that has it.
    takes: HashMap<&'a str, Vec<(i128, i128, usize)>>,
}

impl<'a> Wholes<'a> {
    fn of(parts: &[Part<'a>]) -> Wholes<'a> {
        let all: Vec<usize> = (0..parts.len()).collect();
        let reach = |uses: Vec<usize>| {
            let mut furthest: Option<(i128, usize)> = None;
            let with_end = uses.into_iter().map(|index| {
                let end = parts[index].end();
                let best = furthest.filter(|(best, _)| *best >= end).unwrap_or((end, index));
                furthest = Some(best);
                (parts[index].from, best.0, best.1)
            });
            with_end.collect()
        };
        Wholes { takes: by_take(parts, &all).into_iter().map(|(take, uses)| (take, reach(uses))).collect() }
    }

    fn holding(&self, part: &Part<'_>) -> Option<usize> {
        let uses = self.takes.get(part.take())?;
        let after = uses.partition_point(|(from, ..)| *from <= part.from);
        let (_, end, index) = uses.get(after.checked_sub(1)?)?;
        (*end >= part.end()).then_some(*index)
    }
}
