//! What a form could not carry, told so that a program can take it off the model.

use serde::{Deserialize, Serialize};

use super::Format;

/// What stands for every thing of a kind.
pub const ALL: &str = "all";

/// One thing that a form could not carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// The form, as on the command line.
    pub format: String,
    /// What kind of thing it is of.
    pub of: Of,
    /// Which: a clip by its take; a stem by its take and role (`SC010_SH020_T01_GUIDE`), or all of a role by that
    /// alone (`GUIDE`); a marker by its name; a cue by its number; else [`ALL`].
    pub name: String,
    /// What of it.
    pub field: Field,
    /// What stands there instead; absent where nothing does.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub written: Option<String>,
    /// Why, in words.
    pub why: String,
}

/// A kind of thing in a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Of {
    /// The cut itself.
    Cut,
    /// A clip, as a picture.
    Clip,
    /// A stem.
    Stem,
    /// A marker.
    Marker,
    /// An ADR cue.
    Cue,
}

/// What can be lost of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Field {
    /// All of it.
    Event,
    /// A cut's title; a clip's, a stem's, a marker's name.
    Name,
    /// The timecode at which the cut starts.
    Start,
    /// The track that it lies on.
    Track,
    /// Which frames of its file are used.
    Source,
    /// The frames of its file that are not used.
    Available,
    /// Where it lies in the cut.
    Record,
    /// The reel.
    Reel,
    /// The way to its file.
    Link,
    /// The channels.
    Channels,
    /// `keep` or `strip`.
    Lane,
    /// Model, prompt, seed, request, cost, reason, digest.
    Provenance,
    /// What there is to say about a marker.
    Note,
    /// A marker's colour.
    Colour,
    /// How long a marker is.
    Length,
    /// Beeps and streamer of a cue.
    Beeps,
    /// A cue's character, line, reason, times.
    Text,
}

impl Loss {
    /// Something that every thing of a kind loses.
    pub(super) fn all(format: Format, of: Of, field: Field, why: &str) -> Loss {
        Loss::one(format, of, ALL, field, why)
    }

    /// Something that one thing loses, or all stems of a role.
    pub(super) fn one(format: Format, of: Of, name: &str, field: Field, why: &str) -> Loss {
        let format = format.as_str().to_owned();
        Loss { format, of, name: name.to_owned(), field, written: None, why: why.to_owned() }
    }

    /// Form, field, kind of thing and reason, in words.
    #[must_use]
    pub fn without_name(&self) -> [String; 4] {
        [self.format.clone(), word(&self.field), word(&self.of), self.why.clone()]
    }

    /// What stands there instead.
    pub(super) fn written(mut self, text: impl Into<String>) -> Loss {
        self.written = Some(text.into());
        self
    }
}

impl std::fmt::Display for Loss {
    /// `edl: all markers: length: there is no place for it`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Loss { format, of, name, field, written, why } = self;
        let (of, field) = (word(of), word(field));
        let thing = match name.as_str() {
            ALL if of == "cut" => of,
            ALL => format!("all {of}s"),
            name => format!("{of} {name}"),
        };
        let instead = written.as_deref().map(|text| format!(" (written: {text})")).unwrap_or_default();
        write!(f, "{format}: {thing}: {field}: {why}{instead}")
    }
}

/// The word that a variant is written as.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| Some(value.as_str()?.to_owned())).unwrap_or_default()
}
