//! How a take may differ from the one that it follows: another attempt after a refusal or time-out, and the
//! promotion of a draft. Each such take costs its own money, so a shot list has to ask for it.

use serde::{Deserialize, Serialize};

use crate::catalog::{Catalog, Mode};
use crate::shot::{MAX_TAKES, Shot, ShotDuration};

/// Another attempt that a shot list may ask for, under `retry`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Chance once more: another seed, or the same request where the model takes none.
    NewSeed,
    /// Two seconds shorter.
    Shorter,
    /// The fast tier.
    FastTier,
    /// The older model.
    Older,
    /// Without sound.
    SilentAudio,
}

impl Policy {
    /// The words that [`Policy::parse`] reads.
    pub const ALLOWED: &str = "new_seed, shorter, fast_tier, 1.5-pro or silent_audio";

    /// Reads a word of [`Policy::ALLOWED`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Policy> {
        Some(match text {
            "new_seed" => Policy::NewSeed,
            "shorter" => Policy::Shorter,
            "fast_tier" => Policy::FastTier,
            "1.5-pro" => Policy::Older,
            "silent_audio" => Policy::SilentAudio,
            _ => return None,
        })
    }

    /// What it does to a shot as the attempt of that number after the take `root`; `None` where it would change
    /// nothing, or where the model that it asks for does not take the shot.
    #[must_use]
    pub fn change(self, shot: &Shot, root: u32, attempt: u32) -> Option<Change> {
        let model = Catalog::built_in().model(&shot.render)?;
        let change = match self {
            Policy::NewSeed => {
                // Outside of the seeds of the list's own takes, and another one for each of them.
                let further = MAX_TAKES.wrapping_mul(attempt).wrapping_add(root.saturating_sub(1));
                let seed = shot.seed.unwrap_or(0).wrapping_add(further) & i32::MAX.unsigned_abs();
                return Some(Change::NewSeed { seed: model.seed.then_some(seed) });
            }
            Policy::Shorter => {
                let ShotDuration::Seconds(seconds) = shot.duration else { return None };
                Change::Shorter { seconds: seconds.saturating_sub(2).max(model.seconds.min) }
            }
            Policy::FastTier => Change::FastTier,
            Policy::Older => Change::Older,
            Policy::SilentAudio => Change::SilentAudio,
        };
        let changed = change.apply(shot);
        let row = Catalog::built_in().model(&changed.render)?;
        let taken = row.endpoints.contains_key(Mode::of(&changed).as_str());
        (taken && changed != *shot).then_some(change)
    }
}

/// What was changed, with its values, so that the take can be asked for again after any interruption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Change {
    /// Chance once more.
    NewSeed {
        /// The seed, where the model takes one.
        seed: Option<u32>,
    },
    /// Another length.
    Shorter {
        /// The new length in seconds.
        seconds: u32,
    },
    /// The fast tier.
    FastTier,
    /// Seedance 1.5 pro.
    Older,
    /// Without sound.
    SilentAudio,
    /// A draft at full quality, with the sound that the list asks for.
    Promoted,
}

impl Change {
    /// The shot as the changed take asks for it.
    #[must_use]
    pub fn apply(self, shot: &Shot) -> Shot {
        let mut shot = shot.clone();
        match self {
            Change::NewSeed { seed } => shot.seed = seed.or(shot.seed),
            Change::Shorter { seconds } => shot.duration = ShotDuration::Seconds(seconds),
            Change::FastTier => shot.render.tier = "fast".to_owned(),
            Change::Older => {
                shot.render.model = "seedance-1.5-pro".to_owned();
                shot.render.tier = "standard".to_owned();
            }
            Change::SilentAudio => shot.generate_audio = Some(false),
            Change::Promoted => {
                if let Some(full) = shot.draft.take() {
                    shot.render.tier = full.tier;
                    shot.generate_audio = full.generate_audio;
                }
            }
        }
        shot
    }

    /// What was changed, in words.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Change::NewSeed { seed: Some(seed) } => format!("seed {seed}"),
            Change::NewSeed { seed: None } => "the same once more".to_owned(),
            Change::Shorter { seconds } => format!("{seconds} s"),
            Change::FastTier => "fast tier".to_owned(),
            Change::Older => "seedance-1.5-pro".to_owned(),
            Change::SilentAudio => "without sound".to_owned(),
            Change::Promoted => "promoted".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shot::ShotList;

    fn shot(keys: &str) -> Shot {
        let text = format!("[[shot]]\nid = \"A\"\nprompt = \"p\"\n{keys}");
        ShotList::parse(&text).expect("valid").shots.remove(0)
    }

    #[test]
    fn a_policy_that_would_change_nothing_is_passed_over() {
        assert_eq!(Policy::Shorter.change(&shot("duration = 8"), 1, 1), Some(Change::Shorter { seconds: 6 }));
        assert_eq!(Policy::Shorter.change(&shot("duration = 5"), 1, 1), Some(Change::Shorter { seconds: 4 }));
        assert_eq!(Policy::Shorter.change(&shot("duration = 4"), 1, 1), None);
        assert_eq!(Policy::Shorter.change(&shot("duration = \"auto\""), 1, 1), None);
        assert_eq!(Policy::FastTier.change(&shot("tier = \"fast\""), 1, 1), None);
        assert_eq!(Policy::SilentAudio.change(&shot("generate_audio = false"), 1, 1), None);
        assert_eq!(Policy::Older.change(&shot("duration = 5"), 1, 1), Some(Change::Older));
    }

    #[test]
    fn the_older_model_takes_no_references_and_another_seed_where_it_has_one() {
        assert_eq!(Policy::Older.change(&shot("images = [\"a.png\"]"), 1, 1), None);
        let old = shot("model = \"seedance-1.5-pro\"\nseed = 7");
        assert_eq!(Policy::NewSeed.change(&old, 3, 2), Some(Change::NewSeed { seed: Some(207) }));
        assert_eq!(Policy::NewSeed.change(&shot(""), 1, 2), Some(Change::NewSeed { seed: None }));
    }

    #[test]
    fn a_promoted_draft_is_what_the_list_asked_for_without_the_word() {
        let draft = shot("duration = 4\ndraft = true");
        assert_eq!((draft.render.tier.as_str(), draft.generate_audio), ("fast", Some(false)));
        let full = Change::Promoted.apply(&draft);
        assert_eq!((full.render.tier.as_str(), full.generate_audio), ("standard", None));
    }
}
