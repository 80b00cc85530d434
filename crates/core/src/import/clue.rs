//! Which take a clip of somebody else's file is.
//!
//! Deliberately absent: guesses. A name is a take's name, alone or with a file's ending and folder, or it is not.

use std::collections::HashMap;

use crate::shot::{ShotId, TakeId};
use crate::timeline::{Clip, Role, Timeline};

/// What may tell the take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clue {
    /// Names, those first that tell most: what seedpost wrote into an export, the clip's, the file's.
    pub names: Vec<String>,
    /// The reel.
    pub reel: Option<String>,
}

impl Clue {
    /// What to call it.
    #[must_use]
    pub fn name(&self) -> &str {
        let names = self.names.iter().chain(&self.reel).map(String::as_str);
        names.into_iter().find(|name| !name.trim().is_empty()).unwrap_or("a clip without a name")
    }
}

/// The takes that there are, by name and by reel.
#[derive(Debug)]
pub struct Takes<'a> {
    exact: HashMap<String, &'a Clip>,
    /// In capitals; nothing where two takes differ by case only.
    folded: HashMap<String, Option<&'a Clip>>,
    reels: HashMap<String, Option<&'a Clip>>,
    shots: HashMap<&'a ShotId, &'a Clip>,
}

impl<'a> Takes<'a> {
    /// Those of some timelines. Of a take that is there more than once, the first counts.
    #[must_use]
    pub fn of(timelines: &[&'a Timeline]) -> Takes<'a> {
        let (exact, folded, reels, shots) = (HashMap::new(), HashMap::new(), HashMap::new(), HashMap::new());
        let mut takes = Takes { exact, folded, reels, shots };
        for clip in timelines.iter().flat_map(|timeline| &timeline.clips) {
            let name = clip.take.to_string();
            note(&mut takes.folded, name.to_ascii_uppercase(), clip);
            note(&mut takes.reels, clip.reel.to_ascii_uppercase(), clip);
            takes.exact.entry(name).or_insert(clip);
            takes.shots.entry(&clip.take.shot).or_insert(clip);
        }
        takes
    }

    /// Two takes that the names of one clip tell: an editor renamed it, or linked it to another file.
    #[must_use]
    pub fn contradiction(&self, clue: &Clue) -> Option<(&'a Clip, &'a Clip)> {
        let mut takes = clue.names.iter().filter_map(|name| forms(name).find_map(|form| self.named(form)));
        let first = takes.next()?;
        takes.find(|other| other.take != first.take).map(|other| (first, other))
    }

    /// The take that stands for another one of its shot, which a clue names, and that other one.
    #[must_use]
    pub fn of_the_shot(&self, clue: &Clue) -> Option<(&'a Clip, TakeId)> {
        let mut others = clue.names.iter().flat_map(|name| forms(name)).filter_map(|form| form.parse::<TakeId>().ok());
        others.find_map(|take| Some((*self.shots.get(&take.shot)?, take)))
    }

    /// The take that a picture's clue tells.
    #[must_use]
    pub fn find(&self, clue: &Clue) -> Option<&'a Clip> {
        let named = clue.names.iter().find_map(|name| forms(name).find_map(|form| self.named(form)));
        named.or_else(|| self.reels.get(&clue.reel.as_ref()?.trim().to_ascii_uppercase()).copied().flatten())
    }

    /// The take and the stem that a sound's clue tells; no stem where it is the picture's own sound.
    #[must_use]
    pub fn find_sound(&self, clue: &Clue) -> Option<(&'a Clip, Option<Role>)> {
        // The long reel of a list is the take's name for its stems too.
        let stem = clue.names.iter().find_map(|name| forms(name).find_map(|form| self.stem(form)));
        let own = || clue.names.iter().find_map(|name| forms(name).find_map(|form| self.named(form)));
        stem.or_else(|| own().map(|clip| (clip, None)))
    }

    /// A stem by its file's name without ending: the take, and the role that may say that it is estimated.
    fn stem(&self, form: &str) -> Option<(&'a Clip, Option<Role>)> {
        let upper = form.to_ascii_uppercase();
        let upper = upper.strip_suffix("_ESTIMATED").unwrap_or(&upper);
        let role = upper.rsplit_once('_').and_then(|(_, code)| Role::parse(code))?;
        let take = form.get(..upper.rfind('_')?)?;
        Some((self.named(take)?, Some(role)))
    }

    fn named(&self, name: &str) -> Option<&'a Clip> {
        let exact = self.exact.get(name).copied();
        exact.or_else(|| self.folded.get(&name.to_ascii_uppercase()).copied().flatten())
    }
}

/// Keeps a take under a key, unless another one has it.
fn note<'a>(map: &mut HashMap<String, Option<&'a Clip>>, key: String, clip: &'a Clip) {
    let entry = map.entry(key).or_insert(Some(clip));
    if entry.is_some_and(|known| known.take != clip.take) {
        *entry = None;
    }
}

/// A name as it stands, without its ending, and both without folders.
fn forms(name: &str) -> impl Iterator<Item = &str> {
    let name = name.trim();
    let base = name.rsplit(['/', '\\']).next().unwrap_or(name);
    [name, without_ending(name), base, without_ending(base)].into_iter().filter(|form| form.len() <= 100)
}

fn without_ending(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(name, _)| name)
}

/// The name of the file that an address or a path leads to.
pub(super) fn file_name(address: &str) -> String {
    let part = address.rsplit(['/', '\\']).next().unwrap_or(address);
    percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned()
}
