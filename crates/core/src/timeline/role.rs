//! What a stem holds, and which track of a cut it lies on.

use serde::{Serialize, Serializer};

/// What a stem holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The clip's own sound, delivered.
    Mix,
    /// The clip's own sound, to work against and not to deliver.
    Guide,
    /// The dialogue of the clip's own sound, estimated.
    Dialogue,
    /// What the dialogue leaves of it: music and effects, estimated as well.
    MusicEffects,
    /// The supplied sounds, laid phrase by phrase where the clip was heard to speak them.
    Laid,
    /// A supplied sound where it was asked for, by its number from 1.
    Reference(u32),
}

impl Role {
    /// Reads the code that [`Role`] is written as.
    #[must_use]
    pub fn parse(code: &str) -> Option<Role> {
        Some(match code {
            "MIX" => Role::Mix,
            "GUIDE" => Role::Guide,
            "DX" => Role::Dialogue,
            "ME" => Role::MusicEffects,
            "REF" => Role::Laid,
            other => {
                let role = Role::Reference(other.strip_prefix("REF")?.parse().ok()?);
                return Some(role).filter(|role| role.to_string() == other && *role != Role::Reference(0));
            }
        })
    }

    /// The clip's own sound as a whole.
    #[must_use]
    pub fn is_whole(self) -> bool {
        matches!(self, Role::Mix | Role::Guide)
    }

    /// Whether a model guessed what belongs to it.
    #[must_use]
    pub fn is_estimated(self) -> bool {
        matches!(self, Role::Dialogue | Role::MusicEffects)
    }

    /// The code as file names have it: what was estimated says so.
    #[must_use]
    pub fn file_code(self) -> String {
        if self.is_estimated() { format!("{self}_estimated") } else { self.to_string() }
    }

    /// What its left and right tracks are for, in the words of iXML.
    #[must_use]
    pub fn functions(self) -> [&'static str; 2] {
        if self.is_whole() { ["L-MIX", "R-MIX"] } else { ["LEFT", "RIGHT"] }
    }
}

impl std::fmt::Display for Role {
    /// `MIX`, `GUIDE`, `DX`, `ME`, `REF`, `REF1`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Role::Mix => f.write_str("MIX"),
            Role::Guide => f.write_str("GUIDE"),
            Role::Dialogue => f.write_str("DX"),
            Role::MusicEffects => f.write_str("ME"),
            Role::Laid => f.write_str("REF"),
            Role::Reference(number) => write!(f, "REF{number}"),
        }
    }
}

impl Role {
    /// The role that names the track: guide and mix share the first one, which is the clip's own sound.
    #[must_use]
    pub fn track(self) -> Role {
        if self == Role::Guide { Role::Mix } else { self }
    }

    /// What the track of such stems is called in a cut.
    #[must_use]
    pub fn track_name(self) -> String {
        match self {
            Role::Mix | Role::Guide => "clip sound".to_owned(),
            Role::Dialogue => "DX estimated".to_owned(),
            Role::MusicEffects => "ME estimated".to_owned(),
            Role::Laid => "REF laid".to_owned(),
            Role::Reference(number) => format!("reference {number}"),
        }
    }
}

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_read_as_it_is_written() {
        for role in [Role::Mix, Role::Guide, Role::Dialogue, Role::MusicEffects, Role::Laid, Role::Reference(12)] {
            assert_eq!(Role::parse(&role.to_string()), Some(role));
        }
        assert!(["REFX", "REF0", "REF01", "REF+1"].into_iter().all(|code| Role::parse(code).is_none()));
    }
}
