//! The shot list: text in, a valid [`ShotList`] or every [`Fault`] out.
//!
//! Rules that belong to a provider's model, such as its durations, are not here but in
//! [`crate::reference`], which asks the catalog.

mod chain;
mod read;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::change::Policy;
use crate::cost::Usd;
use crate::document::{self, nearest};
use crate::fault::{Fault, Place};
use crate::lane::{Intent, Lane};
use crate::time::{ClockTime, FrameRate, Timecode};

/// The most shots that one list may hold.
pub const MAX_SHOTS: usize = 100_000;
/// The most takes of one shot.
pub const MAX_TAKES: u32 = 99;

/// The name of a shot, which is also a safe file name on every system.
///
/// - 1 to 64 characters of `A–Z a–z 0–9 _ -` (and `.` inside).
/// - Begins with a letter or digit and does not end with a `.`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ShotId(String);

impl ShotId {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ShotId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        let safe = (1..=64).contains(&text.len())
            && text.chars().all(allowed)
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && !text.ends_with('.')
            && !text.contains("..")
            && !is_reserved(text);
        safe.then(|| ShotId(text.to_owned())).ok_or(())
    }
}

/// Windows keeps these names for devices, whatever follows a dot.
fn is_reserved(text: &str) -> bool {
    let stem = text.split('.').next().unwrap_or(text).to_ascii_uppercase();
    let numbered = |prefix: &str| {
        stem.strip_prefix(prefix).is_some_and(|rest| rest.len() == 1 && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL") || numbered("COM") || numbered("LPT")
}

impl fmt::Display for ShotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One paid attempt at a shot: `SC010_SH020_T01`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TakeId {
    /// The shot.
    pub shot: ShotId,
    /// The attempt, from 1 to [`MAX_TAKES`].
    pub number: u32,
}

impl FromStr for TakeId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (shot, number) = text.rsplit_once("_T").ok_or(())?;
        let number = Some(number).filter(|n| n.len() == 2).and_then(|n| n.parse().ok()).ok_or(())?;
        if !(1..=MAX_TAKES).contains(&number) {
            return Err(());
        }
        Ok(TakeId { shot: shot.parse()?, number })
    }
}

impl fmt::Display for TakeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_T{:02}", self.shot, self.number)
    }
}

/// Where a reference comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Location {
    /// A file, relative to the shot list.
    File(String),
    /// An `http` or `https` address, handed to the provider as it stands.
    Url(String),
}

impl Location {
    /// The path or address as it is read or handed over, with whatever secret it holds.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Location::File(text) | Location::Url(text) => text,
        }
    }
}

impl fmt::Display for Location {
    /// Writes a path as it is, and of an address what [`shown`] does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::File(text) => f.write_str(text),
            Location::Url(text) => match Url::parse(text) {
                Ok(url) => f.write_str(&shown(&url)),
                Err(_) => f.write_str("an address that cannot be read"),
            },
        }
    }
}

/// Scheme, host and the path's beginning: the query may hold a signature, and what stands before the host a
/// password.
#[must_use]
pub fn shown(url: &Url) -> String {
    let Some(host) = url.host_str() else { return format!("an address that begins with {}:", url.scheme()) };
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let path: String = url.path().chars().take(200).collect();
    format!("{}://{host}{port}{path}", url.scheme())
}

/// A supplied image or video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Where it comes from.
    pub location: Location,
    /// Where the list names it.
    pub place: Place,
}

/// A supplied video or sound and how much of it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedReference {
    /// Where it comes from.
    pub location: Location,
    /// Where the list names it.
    pub place: Place,
    /// The first moment wanted; the beginning of the file where absent.
    pub start: Option<ClockTime>,
    /// The first moment not wanted; the end of the file where absent.
    pub end: Option<ClockTime>,
    /// 1 matters most; references of one priority share alike.
    pub priority: u32,
}

/// The title of a list that has none.
pub const UNTITLED: &str = "Untitled";

/// How long a clip is asked to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ShotDuration {
    /// The model chooses.
    Auto,
    /// Whole seconds.
    Seconds(u32),
}

impl fmt::Display for ShotDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ShotDuration::Auto => f.write_str("auto"),
            ShotDuration::Seconds(seconds) => write!(f, "{seconds}"),
        }
    }
}

/// Which door a request goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderName {
    /// The offline stand-in, which speaks fal's wire form.
    Simulator,
    /// fal's queue.
    Fal,
    /// Volcengine's or BytePlus's Ark.
    Ark,
    /// A proxy in the form of OpenAI's API.
    Openai,
}

impl ProviderName {
    /// Reads the name that a shot list or `--provider` gives.
    #[must_use]
    pub fn parse(text: &str) -> Option<ProviderName> {
        Some(match text {
            "simulator" => ProviderName::Simulator,
            "fal" => ProviderName::Fal,
            "ark" => ProviderName::Ark,
            "openai" => ProviderName::Openai,
            _ => return None,
        })
    }

    /// The name in shot lists, the ledger and the catalog.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ProviderName::Simulator => "simulator",
            ProviderName::Fal => "fal",
            ProviderName::Ark => "ark",
            ProviderName::Openai => "openai",
        }
    }
}

/// The settings that a shot inherits from `[render]` and may replace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderSettings {
    /// Which door.
    pub provider: ProviderName,
    /// The model, such as `seedance-2.0`.
    pub model: String,
    /// `standard`, `fast` or `mini`.
    pub tier: String,
    /// Such as `720p`.
    pub resolution: String,
    /// Such as `16:9`.
    pub aspect_ratio: String,
    /// Which of Ark's two: `cn-beijing` (Volcengine) or `ap-southeast` (BytePlus). The others have none.
    pub region: String,
    /// Whether each request carries a mark of its own, by which it can be found again.
    pub mark_requests: bool,
}

impl Default for RenderSettings {
    fn default() -> Self {
        RenderSettings {
            provider: ProviderName::Simulator,
            model: "seedance-2.0".to_owned(),
            tier: "standard".to_owned(),
            resolution: "720p".to_owned(),
            aspect_ratio: "16:9".to_owned(),
            region: "cn-beijing".to_owned(),
            mark_requests: true,
        }
    }
}

/// One entry of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shot {
    /// Its name.
    pub id: ShotId,
    /// Where it stands in the list.
    pub place: Place,
    /// The line of each of its keys, where the format tells it.
    pub lines: BTreeMap<String, u32>,
    /// What the model is told, with tags such as `@Image1`.
    pub prompt: String,
    /// What the model shall avoid, where the provider takes that.
    pub negative_prompt: Option<String>,
    /// How long the clip shall be.
    pub duration: ShotDuration,
    /// Its own settings, over those of the list.
    pub render: RenderSettings,
    /// Supplied images, in the order of their tags.
    pub images: Vec<Reference>,
    /// Supplied videos, in the order of their tags.
    pub videos: Vec<TimedReference>,
    /// Supplied sounds, in the order of their tags.
    pub audios: Vec<TimedReference>,
    /// The picture that the clip begins with.
    pub first_frame: Option<Reference>,
    /// The shot whose last frame the clip begins with.
    pub first_frame_from: Option<ShotId>,
    /// The picture that the clip ends with.
    pub last_frame: Option<Reference>,
    /// What the clip is for, which chooses defaults.
    pub intent: Option<Intent>,
    /// What becomes of the sound, where the list says so.
    pub lane: Option<Lane>,
    /// Whether the model shall make sound, where the list says so.
    pub generate_audio: Option<bool>,
    /// Who speaks, for the cue sheet.
    pub character: Option<String>,
    /// What is said, for the cue sheet.
    pub line: Option<String>,
    /// The language spoken, as a BCP 47 tag.
    pub language: Option<String>,
    /// What goes with the turnover about its rights, in place of the list's note.
    pub rights: Option<String>,
    /// What makes the model's chance repeatable, where it takes a seed.
    pub seed: Option<u32>,
    /// What else is tried, in this order, where a filter or a time-out leaves a take without a clip.
    pub retry: Vec<Policy>,
    /// What the shot asks for once it is promoted, where it is a draft now.
    pub draft: Option<FullQuality>,
    /// How many takes to render.
    pub takes: u32,
    /// The take that goes into the cut; the last finished one where absent.
    pub select: Option<u32>,
}

/// The settings that a draft puts off: it is rendered fast and silent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullQuality {
    /// The tier.
    pub tier: String,
    /// Whether the model shall make sound, where the list says so.
    pub generate_audio: Option<bool>,
}

impl Shot {
    /// Where one of its keys stands; the shot itself where the key is inherited.
    #[must_use]
    pub fn at(&self, key: &str) -> Place {
        self.place.within(key, self.lines.get(key).copied())
    }
}

/// A whole, valid shot list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShotList {
    /// The title of the cut.
    pub title: String,
    /// The rate of the cut.
    pub frame_rate: FrameRate,
    /// The line that tells it, where the format tells lines.
    pub frame_rate_line: Option<u32>,
    /// The record timecode of the first frame.
    pub start: Timecode,
    /// Which reel of the programme it is, from 1 to 99: cues and reels are numbered by it.
    pub reel: u32,
    /// What goes with the turnover about rights in what was supplied and made; empty where nothing was said.
    pub rights: String,
    /// The most that the whole list may cost.
    pub budget: Option<Usd>,
    /// The shots in cutting order; at least one.
    pub shots: Vec<Shot>,
}

impl ShotList {
    /// Reads TOML or JSON.
    ///
    /// # Errors
    /// All faults at once, in the order of the list.
    pub fn parse(text: &str) -> Result<ShotList, Vec<Fault>> {
        let Draft { list, faults, shot_faults } = Draft::parse(text).map_err(|fault| vec![*fault])?;
        let faults: Vec<Fault> = faults.into_iter().chain(shot_faults.into_iter().flatten()).collect();
        if faults.is_empty() { Ok(list) } else { Err(faults) }
    }

    /// The shot of that name.
    #[must_use]
    pub fn shot(&self, id: &ShotId) -> Option<&Shot> {
        self.shots.iter().find(|shot| shot.id == *id)
    }
}

/// A list as far as it could be read, with everything that is wrong in its form: enough to judge the
/// rest of it, and never to be rendered.
#[derive(Debug, Clone)]
pub struct Draft {
    /// What could be read; what could not has its default.
    pub list: ShotList,
    /// What is wrong outside of shots.
    pub faults: Vec<Fault>,
    /// What is wrong in each shot, in the order of the list's shots.
    pub shot_faults: Vec<Vec<Fault>>,
}

impl Draft {
    /// Reads TOML or JSON as far as it goes.
    ///
    /// # Errors
    /// The text is neither, or too long.
    pub fn parse(text: &str) -> Result<Draft, Box<Fault>> {
        document::parse(text).map(read::read_list)
    }
}

/// Names the value that was probably meant, for faults of the catalog.
#[must_use]
pub fn suggestion(found: &str, known: &[&str]) -> String {
    nearest(found, known)
        .map_or_else(|| format!("use one of {}", known.join(", ")), |word| format!("did you mean {word:?}?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TOML: &str = "title = \"A\"\n[[shot]]\nid = \"S1\"\nprompt = \"p\"\nduration = 8\naudios = [{ path = \"a.wav\", in = \"1.5\" }]\n";
    const JSON: &str =
        r#"{"title":"A","shot":[{"id":"S1","prompt":"p","duration":8,"audios":[{"path":"a.wav","in":"1.5"}]}]}"#;

    #[test]
    fn both_forms_say_the_same() {
        let mut toml = ShotList::parse(TOML).expect("valid TOML");
        let mut json = ShotList::parse(JSON).expect("valid JSON");
        for list in [&mut toml, &mut json] {
            let shot = &mut list.shots[0];
            assert_eq!((shot.duration, shot.audios[0].start), (ShotDuration::Seconds(8), Some(ClockTime(1_500_000))));
            // Only TOML tells lines.
            shot.place.line = None;
            shot.lines.clear();
            shot.audios[0].place.line = None;
        }
        assert_eq!(toml, json);
    }

    #[test]
    fn a_key_that_stands_twice_is_told_in_both_forms() {
        let json = JSON.replace("\"duration\":8", "\"duration\":8,\"duration\":9");
        let toml = TOML.replace("duration = 8", "duration = 8\nduration = 9");
        for text in [json, toml] {
            let faults = ShotList::parse(&text).expect_err("two lengths");
            assert_eq!(faults.iter().map(|fault| fault.rule).collect::<Vec<_>>(), ["list.syntax"], "{text}");
        }
        let json = JSON.replace("\"duration\":8", "\"duration\":9223372036854775808");
        assert_eq!(ShotList::parse(&json).expect_err("no length")[0].found, "a number too large");
    }

    #[test]
    fn a_list_is_inherited_from_and_replaced() {
        let text = "[render]\ntier = \"fast\"\n[[shot]]\nid = \"A\"\nprompt = \"p\"\n[[shot]]\nid = \"B\"\nprompt = \"p\"\ntier = \"mini\"\n";
        let list = ShotList::parse(text).expect("valid");
        let tiers: Vec<&str> = list.shots.iter().map(|shot| shot.render.tier.as_str()).collect();
        assert_eq!(tiers, ["fast", "mini"]);
    }

    #[test]
    fn a_take_survives_its_name() {
        let take = TakeId { shot: "SC_T01x".parse().expect("an id"), number: 7 };
        assert_eq!(take.to_string().parse(), Ok(take));
        for name in ["", "_T01", "S1_T00", "S1_T1", "S1_T100", "../x_T01"] {
            assert_eq!(name.parse::<TakeId>(), Err(()), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[\\[\\]{}=\"\\n a-z0-9_.,:]{0,200}") {
            let _ = ShotList::parse(&text);
        }

        #[test]
        fn an_id_is_one_safe_path_segment(text in ".{0,70}") {
            if let Ok(id) = text.parse::<ShotId>() {
                let path = std::path::Path::new(id.as_str());
                prop_assert_eq!(path.components().count(), 1);
                prop_assert!(matches!(path.components().next(), Some(std::path::Component::Normal(_))));
            }
        }
    }
}
