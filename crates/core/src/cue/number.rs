//! Cue numbers: `MA101` is MARA's first cue of reel 1.

use std::collections::{BTreeMap, BTreeSet};

/// Stands for nobody in particular.
pub(super) const NOBODY: &str = "XX";

/// The numbers of one reel.
pub(super) struct Numbers {
    reel: u32,
    characters: BTreeMap<String, Character>,
    taken: BTreeSet<String>,
}

struct Character {
    name: Option<String>,
    number: u32,
    letters: String,
    cues: u32,
}

impl Numbers {
    pub(super) fn new(reel: u32) -> Numbers {
        Numbers { reel, characters: BTreeMap::new(), taken: BTreeSet::from([NOBODY.to_owned()]) }
    }

    /// The next cue number of a character, the character's own number, and the name as it was first written.
    /// Names that differ in case or spaces only are one.
    pub(super) fn next(&mut self, name: Option<&str>) -> (String, u32, Option<String>) {
        let name =
            name.map(|name| name.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|name| !name.is_empty());
        // No name has this key, since names are not empty.
        let key = name.as_deref().unwrap_or_default().to_lowercase();
        let number = u32::try_from(self.characters.len()).unwrap_or(u32::MAX).saturating_add(1);
        let taken = &mut self.taken;
        let character = self.characters.entry(key).or_insert_with(|| {
            let letters = name.as_deref().map_or_else(|| NOBODY.to_owned(), |name| free_letters(name, taken));
            Character { name, number, letters, cues: 0 }
        });
        character.cues = character.cues.saturating_add(1);
        let cue = format!("{}{}{:02}", character.letters, self.reel, character.cues);
        (cue, character.number, character.name.clone())
    }
}

/// The first pair of the name's letters A–Z, in their order, that nobody has; else its first letter with any other,
/// else any two letters, or more.
fn free_letters(name: &str, taken: &mut BTreeSet<String>) -> String {
    let own: Vec<char> = name.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_uppercase()).collect();
    let pair = |one: char, other: char| format!("{one}{other}");
    let own_pairs = own
        .iter()
        .take(16)
        .enumerate()
        .flat_map(|(index, one)| own.iter().take(32).skip(index + 1).map(move |other| pair(*one, *other)));
    let with_first = own.first().into_iter().flat_map(|one| ('A'..='Z').map(move |other| pair(*one, other)));
    let letters = own_pairs.chain(with_first).chain((0..).map(any_letters)).find(|letters| !taken.contains(letters));
    let letters = letters.expect("the last of these never ends");
    taken.insert(letters.clone());
    letters
}

/// `AA` to `ZZ`, then `AAA` and on.
fn any_letters(index: u64) -> String {
    let (mut index, mut width, mut count) = (index, 2, 26 * 26);
    while index >= count {
        index -= count;
        width += 1;
        count *= 26;
    }
    let mut letters = Vec::new();
    for _ in 0..width {
        letters.push(('A'..='Z').nth(usize::try_from(index % 26).unwrap_or(0)).unwrap_or('A'));
        index /= 26;
    }
    letters.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_character_has_letters_of_its_own() {
        let mut numbers = Numbers::new(1);
        let mut next = |name: &str| numbers.next(Some(name));
        for (name, number, character) in [
            ("Mara", "MA101", 1),
            ("mara ", "MA102", 1),
            ("Marcus", "MR101", 2),
            ("MAR", "AR101", 3),
            ("Mar M", "MM101", 4),
            ("Élise", "LI101", 5),
            ("真理", "AA101", 6),
            ("X", "XA101", 7),
            ("Xx", "XB101", 8),
        ] {
            let (found, place, _) = next(name);
            assert_eq!((found.as_str(), place), (number, character), "{name}");
        }
        assert_eq!(numbers.next(None), ("XX101".to_owned(), 9, None));
        assert_eq!(numbers.next(Some(" ")), ("XX102".to_owned(), 9, None));
    }

    #[test]
    fn numbers_go_on_past_ninety_nine() {
        let mut numbers = Numbers::new(2);
        let last = (0..100).map(|_| numbers.next(Some("Mara")).0).last();
        assert_eq!(last.as_deref(), Some("MA2100"));
    }

    #[test]
    fn a_crowd_never_shares_a_number() {
        let mut numbers = Numbers::new(1);
        let all: BTreeSet<String> = (0..2000).map(|index| numbers.next(Some(&format!("男{index}"))).0).collect();
        assert_eq!(all.len(), 2000);
    }
}
