//! A bounded memory of what was seen: the oldest is forgotten first.

use std::collections::{HashSet, VecDeque};

use sha2::{Digest as _, Sha256};

/// What is kept of a thing: always as large, whatever a sender makes up.
pub(super) type Mark = [u8; 32];

/// Marks, at most so many.
#[derive(Debug)]
pub(super) struct Seen {
    most: usize,
    marks: HashSet<Mark>,
    order: VecDeque<Mark>,
}

impl Seen {
    pub(super) fn holding(most: usize) -> Seen {
        Seen { most, marks: HashSet::new(), order: VecDeque::new() }
    }

    /// The mark of a thing that consists of these parts.
    pub(super) fn mark(parts: &[&[u8]]) -> Mark {
        let mut hasher = Sha256::new();
        for part in parts {
            // With its length, so that no part can pretend to be two.
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        hasher.finalize().into()
    }

    pub(super) fn has(&self, mark: &Mark) -> bool {
        self.marks.contains(mark)
    }

    pub(super) fn remember(&mut self, mark: Mark) {
        if !self.marks.insert(mark) {
            return;
        }
        self.order.push_back(mark);
        if self.order.len() > self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.marks.remove(&oldest);
        }
    }

    /// Takes back what was remembered a moment ago.
    pub(super) fn forget(&mut self, mark: &Mark) {
        if self.marks.remove(mark)
            && let Some(place) = self.order.iter().rposition(|known| known == mark)
        {
            self.order.remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_first() {
        let marks: Vec<Mark> = (0..4_u8).map(|number| Seen::mark(&[&[number]])).collect();
        let mut seen = Seen::holding(2);
        marks[..3].iter().for_each(|mark| seen.remember(*mark));
        assert_eq!(marks.iter().map(|mark| seen.has(mark)).collect::<Vec<_>>(), [false, true, true, false]);
        seen.forget(&marks[1]);
        seen.remember(marks[3]);
        assert_eq!(marks.iter().map(|mark| seen.has(mark)).collect::<Vec<_>>(), [false, false, true, true]);
        assert_eq!((seen.marks.len(), seen.order.len()), (2, 2));
    }

    #[test]
    fn parts_are_kept_apart() {
        assert_ne!(Seen::mark(&[b"ab", b"c"]), Seen::mark(&[b"a", b"bc"]));
    }
}
