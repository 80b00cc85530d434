//! Which clip of the new cut is which of the old one, and what became of it.
//!
//! Clips that keep their order are those of a longest common subsequence of takes (Hunt and Szymanski), in n log n
//! but for takes that are there very often, which are then taken in their order. Others of the same take have moved.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;

use super::{Change, Wanted, signed};
use crate::import::{Event, shown};
use crate::shot::TakeId;
use crate::time::Frames;
use crate::timeline::Timeline;

/// The most pairs of equal takes that are looked at.
const MOST_PAIRS: usize = 2_000_000;

/// A clip before or after.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) take: &'a TakeId,
    pub(super) from: i64,
    pub(super) frames: i64,
    pub(super) record: i64,
    /// What is empty before it.
    pub(super) gap: i64,
    /// The same with what foreign clips fill: an imported recut has it as empty.
    pub(super) distance: i64,
}

impl Part<'_> {
    fn end(&self) -> i64 {
        self.from.saturating_add(self.frames)
    }

    fn key(&self) -> (&TakeId, i64, i64) {
        (self.take, self.from, self.frames)
    }
}

/// What was found of a new clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Nothing: it is there once more, or for the first time.
    None,
    /// It is that old clip; whether it moved.
    Clip(usize, bool),
    /// It is a further piece of that old clip.
    Piece(usize),
}

pub(super) fn changes(cut: &Timeline, wanted: &[Wanted<'_>], foreign: &[&Event]) -> Vec<Change> {
    let (old, new) = (old(cut), new(cut, wanted, foreign));
    let pairs = Pairs::find(&old, &new);
    let mut changes: Vec<Change> = Vec::new();
    for (part, fate) in old.iter().zip(&pairs.fates) {
        if *fate == Fate::Gone {
            changes.push(Change::Dropped { take: part.take.clone(), record_start: frames(part.record) });
        }
    }
    let pieces = pairs.pieces();
    let (known, freed) = (old.iter().map(|part| part.take).collect::<HashSet<_>>(), pairs.freed(&old));
    let mut foreign = foreign.iter().peekable();
    for (index, part) in new.iter().enumerate() {
        while let Some(event) = foreign.next_if(|event| signed(event.record.start) < part.record) {
            changes.push(stranger(event));
        }
        match pairs.origins[index] {
            Origin::None => changes.push(further(part, known.contains(part.take))),
            Origin::Clip(a, _) | Origin::Piece(a) if pieces[a].first() == Some(&index) => {
                pairs.clip(a, &pieces[a], &old, &new, &mut changes);
            }
            _ => (),
        }
        let was = pairs.gaps_before(index, &pieces, &old, &freed);
        if !was.contains(&part.gap) && !was.contains(&part.distance) {
            let (before, was) = (part.take.clone(), frames(was[0]));
            changes.push(Change::Gap { before, frames: frames(part.gap), was });
        }
    }
    changes.extend(foreign.map(|event| stranger(event)));
    changes
}

/// A clip that no old one became.
fn further(part: &Part<'_>, known: bool) -> Change {
    let (take, record_start) = (part.take.clone(), frames(part.record));
    if known { Change::Repeated { take, record_start } } else { Change::Added { take, record_start } }
}

fn stranger(event: &Event) -> Change {
    Change::Foreign { name: shown(event.clue.name()), record: event.record }
}

fn frames(frames: i64) -> Frames {
    Frames(u64::try_from(frames).unwrap_or(0))
}

fn old(cut: &Timeline) -> Vec<Part<'_>> {
    let mut free = signed(cut.start.frames());
    let mut parts = Vec::with_capacity(cut.clips.len());
    for clip in &cut.clips {
        let (from, frames, record) = (signed(clip.from), signed(clip.frames), signed(clip.record_start));
        let gap = record - free;
        parts.push(Part { take: &clip.take, from, frames, record, gap, distance: gap });
        free = record + frames;
    }
    parts
}

/// What foreign clips fill is not empty.
fn new<'a>(cut: &Timeline, wanted: &[Wanted<'a>], foreign: &[&Event]) -> Vec<Part<'a>> {
    let mut free = signed(cut.start.frames());
    let mut foreign = foreign.iter().peekable();
    let part = |wanted: &Wanted<'a>| {
        let distance = wanted.record - free;
        let mut gap = distance;
        while let Some(event) = foreign.next_if(|event| signed(event.record.start) < wanted.record) {
            let inside = signed(event.record.end) - signed(event.record.start).max(free);
            gap -= inside.max(0);
        }
        free = wanted.record_end();
        let (take, record) = (&wanted.clip.take, wanted.record);
        Part { take, from: wanted.from, frames: wanted.frames, record, gap, distance }
    };
    wanted.iter().map(part).collect()
}

/// What became of an old clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Gone,
    /// It is that new clip; whether it moved.
    Became(usize, bool),
    /// It went into the new clip that another old one is.
    Joined(usize),
}

struct Pairs {
    fates: Vec<Fate>,
    origins: Vec<Origin>,
}

impl Pairs {
    fn find(old: &[Part<'_>], new: &[Part<'_>]) -> Pairs {
        let mut pairs = Pairs { fates: vec![Fate::Gone; old.len()], origins: vec![Origin::None; new.len()] };
        let [old_takes, new_takes] = [old, new].map(|parts| parts.iter().map(|part| part.take).collect::<Vec<_>>());
        let mut kept = longest(&old_takes, &new_takes);
        prefer_exact(old, new, &mut kept);
        let mut turned: Vec<(usize, usize)> = kept.iter().map(|(a, b)| (*b, *a)).collect();
        prefer_exact(new, old, &mut turned);
        for (b, a) in turned {
            pairs.pair(a, b, false);
        }
        pairs.exactly(old, new);
        pairs.split(new, old, 0..new.len());
        pairs.split(new, old, (0..new.len()).rev());
        pairs.in_order(old, new);
        pairs.join(old, new);
        pairs
    }

    fn pair(&mut self, a: usize, b: usize, moved: bool) {
        self.fates[a] = Fate::Became(b, moved);
        self.origins[b] = Origin::Clip(a, moved);
    }

    /// Pairs what is left and the same, frame for frame.
    fn exactly(&mut self, old: &[Part<'_>], new: &[Part<'_>]) {
        let mut left: HashMap<_, VecDeque<usize>> = HashMap::new();
        for (a, part) in old.iter().enumerate().filter(|(a, _)| self.fates[*a] == Fate::Gone) {
            left.entry(part.key()).or_default().push_back(a);
        }
        for (b, part) in new.iter().enumerate() {
            if self.origins[b] == Origin::None
                && let Some(a) = left.get_mut(&part.key()).and_then(VecDeque::pop_front)
            {
                self.pair(a, b, true);
            }
        }
    }

    /// Pairs what is left of the same takes.
    fn in_order(&mut self, old: &[Part<'_>], new: &[Part<'_>]) {
        let mut left: HashMap<&TakeId, VecDeque<usize>> = HashMap::new();
        for (a, part) in old.iter().enumerate().filter(|(a, _)| self.fates[*a] == Fate::Gone) {
            left.entry(part.take).or_default().push_back(a);
        }
        for (b, part) in new.iter().enumerate() {
            if self.origins[b] == Origin::None
                && let Some(a) = left.get_mut(part.take).and_then(VecDeque::pop_front)
            {
                self.pair(a, b, true);
            }
        }
    }

    /// Finds further pieces of clips: in the clip's range, and after or before the piece that was met last.
    fn split(&mut self, new: &[Part<'_>], old: &[Part<'_>], order: impl Iterator<Item = usize>) {
        let mut last: HashMap<&TakeId, usize> = HashMap::new();
        for b in order {
            let part = &new[b];
            if self.origins[b] == Origin::None
                && let Some(met) = last.get(part.take)
                && let Origin::Clip(a, _) | Origin::Piece(a) = self.origins[*met]
            {
                let (first, second) = if *met < b { (&new[*met], part) } else { (part, &new[*met]) };
                let whole = &old[a];
                if first.end() <= second.from && part.from >= whole.from && part.end() <= whole.end() {
                    self.origins[b] = Origin::Piece(a);
                }
            }
            if self.origins[b] != Origin::None {
                last.insert(part.take, b);
            }
        }
    }

    /// Finds old clips that went into the new clip of their neighbour.
    fn join(&mut self, old: &[Part<'_>], new: &[Part<'_>]) {
        for a in 1..old.len() {
            let (before, part) = (&old[a - 1], &old[a]);
            let next =
                before.take == part.take && before.end() == part.from && before.record + before.frames == part.record;
            let (b, gone) = match (self.fates[a - 1], self.fates[a]) {
                (Fate::Became(b, _) | Fate::Joined(b), Fate::Gone) => (b, a),
                (Fate::Gone, Fate::Became(b, _)) => (b, a - 1),
                _ => continue,
            };
            if next && new[b].from < part.from && new[b].end() > part.from {
                self.fates[gone] = Fate::Joined(b);
            }
        }
    }

    /// The new clips of each old one, in their order.
    fn pieces(&self) -> Vec<Vec<usize>> {
        let mut pieces = vec![Vec::new(); self.fates.len()];
        for (b, origin) in self.origins.iter().enumerate() {
            if let Origin::Clip(a, _) | Origin::Piece(a) = origin {
                pieces[*a].push(b);
            }
        }
        pieces
    }

    /// What became of an old clip, whose pieces in the new cut are given.
    fn clip(&self, a: usize, pieces: &[usize], old: &[Part<'_>], new: &[Part<'_>], changes: &mut Vec<Change>) {
        let (Some(b), Some(end)) = (pieces.first().copied(), pieces.last().map(|piece| new[*piece].end())) else {
            return;
        };
        let take = || new[b].take.clone();
        if let Fate::Became(_, true) = self.fates[a] {
            changes.push(Change::Moved { take: take(), from: a + 1, to: b + 1 });
        }
        let (first, last) = self.whole(a, old);
        let (head, tail) = (new[b].from - first.from, last.end() - end);
        if (head, tail) != (0, 0) {
            changes.push(Change::Trimmed { take: take(), head, tail });
        }
        if pieces.len() > 1 {
            let used: i64 = pieces.iter().map(|piece| new[*piece].frames).sum();
            let lost = frames(end - new[b].from - used);
            changes.push(Change::Split { take: take(), parts: pieces.len(), lost });
        }
        if first.record != last.record {
            changes.push(Change::Joined { take: take(), parts: pieces.len() });
        }
    }

    /// The first and the last of the old clips that are in the new one now.
    fn whole<'p, 'a>(&self, a: usize, old: &'p [Part<'a>]) -> (&'p Part<'a>, &'p Part<'a>) {
        let Fate::Became(b, _) = self.fates[a] else { return (&old[a], &old[a]) };
        let joined = |other: &usize| self.fates[*other] == Fate::Joined(b);
        let first = (0..a).rev().take_while(joined).last().unwrap_or(a);
        let last = (a + 1..old.len()).take_while(joined).last().unwrap_or(a);
        (&old[first], &old[last])
    }

    /// The gaps before old clips that are gone from directly before each.
    fn freed(&self, old: &[Part<'_>]) -> Vec<i64> {
        let mut freed = vec![0; old.len()];
        for a in 1..old.len() {
            if matches!(self.fates[a - 1], Fate::Gone | Fate::Became(_, true)) {
                freed[a] = freed[a - 1] + old[a - 1].gap;
            }
        }
        freed
    }

    /// How long the gap before a new clip was: before the old one alone, and with those of clips gone from there.
    fn gaps_before(&self, b: usize, pieces: &[Vec<usize>], old: &[Part<'_>], freed: &[i64]) -> [i64; 2] {
        let (Origin::Clip(a, _) | Origin::Piece(a)) = self.origins[b] else { return [0, 0] };
        if pieces[a].first() != Some(&b) {
            return [0, 0];
        }
        let joined = |other: &usize| self.fates[*other] == Fate::Joined(b);
        let a = (0..a).rev().take_while(joined).last().unwrap_or(a);
        [old[a].gap, old[a].gap + freed[a]]
    }
}

/// The longest row of the same keys in the same order, as pairs of places.
pub(crate) fn longest<K: Eq + Hash>(old: &[K], new: &[K]) -> Vec<(usize, usize)> {
    let mut places: HashMap<&K, Vec<usize>> = HashMap::new();
    for (b, key) in new.iter().enumerate() {
        places.entry(key).or_default().push(b);
    }
    let pairs: usize = old.iter().map(|key| places.get(key).map_or(0, Vec::len)).sum();
    let mut met: HashMap<&K, usize> = HashMap::new();
    // Each link is a pair and the link before it; `ends` has the best last link of each length.
    let mut links: Vec<(usize, usize, Option<usize>)> = Vec::new();
    let mut ends: Vec<usize> = Vec::new();
    for (a, key) in old.iter().enumerate() {
        let all = places.get(key).map_or(&[][..], Vec::as_slice);
        let nth = met.entry(key).or_default();
        let some = if pairs > MOST_PAIRS { all.get(*nth..=*nth).unwrap_or_default() } else { all };
        *nth += 1;
        for b in some.iter().rev() {
            let length = ends.partition_point(|end| links[*end].1 < *b);
            let before = length.checked_sub(1).map(|before| ends[before]);
            links.push((a, *b, before));
            let link = links.len() - 1;
            if length == ends.len() { ends.push(link) } else { ends[length] = link }
        }
    }
    let mut row: Vec<(usize, usize)> = Vec::with_capacity(ends.len());
    let mut at = ends.last().copied();
    while let Some((a, b, before)) = at.map(|at| links[at]) {
        row.push((a, b));
        at = before;
    }
    row.reverse();
    row
}

/// Gives an old clip that is paired with another stretch of its take the new clip that is the same, frame for frame,
/// where that keeps the order.
fn prefer_exact(old: &[Part<'_>], new: &[Part<'_>], row: &mut [(usize, usize)]) {
    let mut paired = vec![false; new.len()];
    let mut other: HashMap<_, VecDeque<usize>> = HashMap::new();
    for (index, (a, b)) in row.iter().enumerate() {
        paired[*b] = true;
        if old[*a].key() != new[*b].key() {
            other.entry(old[*a].key()).or_default().push_back(index);
        }
    }
    for (b, part) in new.iter().enumerate().filter(|(b, _)| !paired[*b]) {
        let Some(index) = other.get_mut(&part.key()).and_then(VecDeque::pop_front) else { continue };
        let before = index.checked_sub(1).and_then(|index| row.get(index)).is_none_or(|(_, other)| *other < b);
        let after = row.get(index + 1).is_none_or(|(_, other)| *other > b);
        if before && after {
            row[index].1 = b;
        }
    }
}
