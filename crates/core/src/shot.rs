//! The shot list: text in, a valid [`ShotList`] or every [`Fault`] out.
//!
//! Rules that belong to a provider's model, such as its durations, are not here but in
//! [`crate::reference`], which asks the catalog.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::cost::Usd;
use crate::document::{self, Node, TableReader, Value, nearest};
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

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::File(text) | Location::Url(text) => f.write_str(text),
        }
    }
}

/// A supplied image or video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Where it comes from.
    pub location: Location,
    /// Where the list names it.
    pub place: Place,
}

/// A supplied sound and how much of it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioReference {
    /// Where it comes from.
    pub location: Location,
    /// Where the list names it.
    pub place: Place,
    /// The first moment wanted; the beginning of the file where absent.
    pub start: Option<ClockTime>,
    /// The first moment not wanted; the end of the file where absent.
    pub end: Option<ClockTime>,
    /// 1 matters most; sounds of one priority share alike.
    pub priority: u32,
}

/// How long a clip is asked to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
}

impl Default for RenderSettings {
    fn default() -> Self {
        RenderSettings {
            provider: ProviderName::Simulator,
            model: "seedance-2.0".to_owned(),
            tier: "standard".to_owned(),
            resolution: "720p".to_owned(),
            aspect_ratio: "16:9".to_owned(),
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
    /// What the model is told, with tags such as `@Image1`.
    pub prompt: String,
    /// How long the clip shall be.
    pub duration: ShotDuration,
    /// Its own settings, over those of the list.
    pub render: RenderSettings,
    /// Supplied images, in the order of their tags.
    pub images: Vec<Reference>,
    /// Supplied videos, in the order of their tags.
    pub videos: Vec<Reference>,
    /// Supplied sounds, in the order of their tags.
    pub audios: Vec<AudioReference>,
    /// The picture that the clip begins with.
    pub first_frame: Option<Reference>,
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
    /// How many takes to render.
    pub takes: u32,
    /// The take that goes into the cut; the last finished one where absent.
    pub select: Option<u32>,
}

/// A whole, valid shot list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShotList {
    /// The title of the cut.
    pub title: String,
    /// The rate of the cut.
    pub frame_rate: FrameRate,
    /// The record timecode of the first frame.
    pub start: Timecode,
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
        let mut faults = Vec::new();
        let node = document::parse(text).map_err(|fault| vec![*fault])?;
        let list = read_list(node, &mut faults);
        if faults.is_empty() { Ok(list) } else { Err(faults) }
    }

    /// The shot of that name.
    #[must_use]
    pub fn shot(&self, id: &ShotId) -> Option<&Shot> {
        self.shots.iter().find(|shot| shot.id == *id)
    }
}

fn read_list(node: Node, faults: &mut Vec<Fault>) -> ShotList {
    let top = Place { path: String::new(), line: None };
    let mut table = TableReader::open(node, top.clone(), faults);
    let title = table.text("title").map_or_else(|| "Untitled".to_owned(), |(text, _)| text);
    let frame_rate = table
        .parsed("frame_rate", "list.frame_rate", "23.976, 24, 25, 29.97, 30, 50, 59.94 or 60, in quotes", |text| {
            text.parse().ok()
        })
        .unwrap_or(FrameRate::FPS_24);
    let start = table.parsed("start_timecode", "list.start_timecode", "HH:MM:SS:FF at the list's frame rate", |text| {
        Timecode::parse(text, frame_rate).ok()
    });
    let start = start.or_else(|| Timecode::parse("01:00:00:00", frame_rate).ok());
    let render = read_render_table(&mut table);
    let budget = read_budget(&mut table);
    let shots = read_shots(&mut table, &render);
    table.close();
    ShotList { title, frame_rate, start: start.expect("01:00:00:00 exists at every rate"), budget, shots }
}

fn read_render_table(list: &mut TableReader<'_>) -> RenderSettings {
    let Some((node, place)) = list.take("render") else { return RenderSettings::default() };
    let mut table = TableReader::open(node, place, list.faults());
    let settings = read_render(&mut table, &RenderSettings::default());
    table.close();
    settings
}

fn read_render(table: &mut TableReader<'_>, inherited: &RenderSettings) -> RenderSettings {
    let mut word =
        |key: &'static str, inherited: &str| table.text(key).map_or_else(|| inherited.to_owned(), |(text, _)| text);
    let model = word("model", &inherited.model);
    let tier = word("tier", &inherited.tier);
    let resolution = word("resolution", &inherited.resolution);
    let aspect_ratio = word("aspect_ratio", &inherited.aspect_ratio);
    let provider = table.parsed("provider", "render.provider", "simulator, fal, ark or openai", ProviderName::parse);
    RenderSettings { provider: provider.unwrap_or(inherited.provider), model, tier, resolution, aspect_ratio }
}

fn read_budget(list: &mut TableReader<'_>) -> Option<Usd> {
    let (node, place) = list.take("budget")?;
    let mut table = TableReader::open(node, place, list.faults());
    let limit =
        table.parsed("limit_usd", "budget.limit", "dollars in quotes, such as \"25.00\"", |text| text.parse().ok());
    table.close();
    limit
}

fn read_shots(list: &mut TableReader<'_>, render: &RenderSettings) -> Vec<Shot> {
    let items = list.list("shot");
    let place = list.place().within("shot", None);
    if items.is_empty() {
        list.fault(Fault::of_form(
            "list.empty",
            &place,
            "no shot",
            "at least one [[shot]]",
            "add a [[shot]] with `id`, `prompt` and `duration`",
        ));
    }
    if items.len() > MAX_SHOTS {
        let found = format!("{} shots", items.len());
        list.fault(Fault::of_form("list.size", &place, found, format!("at most {MAX_SHOTS} shots"), "split the list"));
        return Vec::new();
    }
    let mut names = BTreeSet::new();
    let mut shots = Vec::with_capacity(items.len());
    for (index, (node, place)) in items.into_iter().enumerate() {
        let place = Place { path: format!("shot {}", index + 1), ..place };
        let Some(shot) = read_shot(node, place, render, list.faults()) else { continue };
        if !names.insert(shot.id.as_str().to_ascii_lowercase()) {
            let found = format!("{:?} a second time", shot.id.as_str());
            list.fault(Fault::of_form(
                "shot.id_unique",
                &shot.place,
                found,
                "each id once, whatever its case",
                "rename one; use `takes` for another attempt",
            ));
        }
        shots.push(shot);
    }
    shots
}

fn read_shot(node: Node, place: Place, render: &RenderSettings, faults: &mut Vec<Fault>) -> Option<Shot> {
    let mut table = TableReader::open(node, place, faults);
    let id = read_id(&mut table);
    let place = table.place().clone();
    let prompt = read_prompt(&mut table);
    let shot = Shot {
        id: id.clone().unwrap_or_else(|| ShotId("unnamed".to_owned())),
        prompt,
        duration: read_duration(&mut table),
        render: read_render(&mut table, render),
        images: read_references(&mut table, "images"),
        videos: read_references(&mut table, "videos"),
        audios: read_audios(&mut table),
        first_frame: read_reference(&mut table, "first_frame"),
        last_frame: read_reference(&mut table, "last_frame"),
        intent: table.parsed("intent", "shot.intent", Intent::ALLOWED, Intent::parse),
        lane: table.parsed("lane", "shot.lane", "keep or strip", Lane::parse),
        generate_audio: table.boolean("generate_audio"),
        character: table.text("character").map(|(text, _)| text),
        line: table.text("line").map(|(text, _)| text),
        language: table.text("language").map(|(text, _)| text),
        takes: table.integer("takes", 1..=MAX_TAKES).unwrap_or(1),
        select: table.integer("select", 1..=MAX_TAKES),
        place,
    };
    check_combination(&shot, &mut table);
    table.close();
    id.map(|_| shot)
}

fn read_id(table: &mut TableReader<'_>) -> Option<ShotId> {
    let allowed = "1 to 64 letters, digits, `_`, `-` or inner `.`, beginning with a letter or digit";
    let Some((text, place)) = table.text("id") else {
        let place = table.place().clone();
        table.fault(Fault::of_form("shot.id", &place, "no id", allowed, "add `id = \"SC010_SH010\"`"));
        return None;
    };
    let id = text.parse().ok();
    match &id {
        Some(id) => table.rename(format!("shot {id}")),
        None => table.fault(Fault::of_form(
            "shot.id",
            &place,
            format!("{text:?}"),
            allowed,
            "choose a name that is safe as a file name",
        )),
    }
    id
}

fn read_prompt(table: &mut TableReader<'_>) -> String {
    let (text, place) = table.text("prompt").unwrap_or_else(|| (String::new(), table.place().within("prompt", None)));
    if text.trim().is_empty() {
        table.fault(Fault::of_form("shot.prompt", &place, "no prompt", "a text", "say what happens in the shot"));
    }
    text
}

fn read_duration(table: &mut TableReader<'_>) -> ShotDuration {
    let Some((node, place)) = table.take("duration") else { return ShotDuration::Auto };
    match node.value {
        Value::Text(text) if text == "auto" => ShotDuration::Auto,
        Value::Integer(seconds) if (1..=3600).contains(&seconds) => {
            ShotDuration::Seconds(u32::try_from(seconds).unwrap_or(u32::MAX))
        }
        other => {
            table.fault(Fault::of_form(
                "shot.duration",
                &place,
                other.describe(),
                "whole seconds, or \"auto\"",
                "write `duration = 8`",
            ));
            ShotDuration::Auto
        }
    }
}

fn read_references(table: &mut TableReader<'_>, key: &'static str) -> Vec<Reference> {
    let items = table.list(key);
    items.into_iter().filter_map(|(node, place)| reference(node, place, table.faults())).collect()
}

fn read_reference(table: &mut TableReader<'_>, key: &'static str) -> Option<Reference> {
    let (node, place) = table.take(key)?;
    reference(node, place, table.faults())
}

fn reference(node: Node, place: Place, faults: &mut Vec<Fault>) -> Option<Reference> {
    let Value::Text(text) = &node.value else {
        faults.push(Fault::of_form(
            "list.type",
            &place,
            node.value.describe(),
            "a path or URL in quotes",
            "write it in quotes",
        ));
        return None;
    };
    location(text, &place, faults).map(|location| Reference { location, place })
}

fn location(text: &str, place: &Place, faults: &mut Vec<Fault>) -> Option<Location> {
    let allowed = "a path relative to the shot list, or an http(s) URL";
    if text.trim().is_empty() || text.contains('\0') {
        faults.push(Fault::of_form("reference.location", place, format!("{text:?}"), allowed, "name the file"));
        return None;
    }
    if !text.contains("://") {
        return Some(Location::File(text.to_owned()));
    }
    let address = url::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if address.is_none() {
        faults.push(Fault::of_form(
            "reference.location",
            place,
            format!("{text:?}"),
            allowed,
            "use http or https, or a local copy",
        ));
    }
    address.map(|url| Location::Url(url.into()))
}

fn read_audios(table: &mut TableReader<'_>) -> Vec<AudioReference> {
    let items = table.list("audios");
    items.into_iter().filter_map(|(node, place)| read_audio(node, place, table.faults())).collect()
}

fn read_audio(node: Node, place: Place, faults: &mut Vec<Fault>) -> Option<AudioReference> {
    if let Value::Text(text) = &node.value {
        let location = location(text, &place, faults)?;
        return Some(AudioReference { location, place, start: None, end: None, priority: 1 });
    }
    let mut table = TableReader::open(node, place.clone(), faults);
    let clock = "a time such as \"00:00:01.200\"";
    let path = table.text("path");
    let start = table.parsed("in", "audio.in", clock, |text| text.parse().ok());
    let end: Option<ClockTime> = table.parsed("out", "audio.out", clock, |text| text.parse().ok());
    let priority = table.integer("priority", 1..=99).unwrap_or(1);
    if start.zip(end).is_some_and(|(start, end)| start >= end) {
        table.fault(Fault::of_form(
            "audio.out",
            &place,
            "an `out` at or before its `in`",
            "`in` before `out`",
            "exchange them",
        ));
    }
    if path.is_none() {
        table.fault(Fault::of_form(
            "reference.location",
            &place,
            "no path",
            "`path = \"refs/line.wav\"`",
            "name the file",
        ));
    }
    table.close();
    let (text, at) = path?;
    let location = location(&text, &at, faults)?;
    Some(AudioReference { location, place, start, end, priority })
}

/// Rules between the fields of one shot that hold for every provider.
fn check_combination(shot: &Shot, table: &mut TableReader<'_>) {
    if let Some(select) = shot.select.filter(|select| *select > shot.takes) {
        let place = shot.place.within("select", None);
        table.fault(Fault::of_form(
            "shot.select",
            &place,
            select.to_string(),
            format!("a take from 1 to {}", shot.takes),
            "raise `takes`, or select another",
        ));
    }
    if shot.lane == Some(Lane::Keep) && shot.generate_audio == Some(false) {
        let place = shot.place.within("lane", None);
        table.fault(Fault::of_form(
            "lane.nothing_to_keep",
            &place,
            "lane \"keep\" with generate_audio = false",
            "sound to keep, or lane \"strip\"",
            "drop one of the two",
        ));
    }
    if shot.lane == Some(Lane::Keep) && shot.intent == Some(Intent::Broadcast) {
        let place = shot.place.within("lane", None);
        table.fault(Fault::of_form(
            "lane.broadcast",
            &place,
            "intent \"broadcast\" with lane \"keep\"",
            "lane \"strip\": a broadcast deliverable carries no model audio",
            "set lane = \"strip\"",
        ));
    }
    if shot.last_frame.is_some() && shot.first_frame.is_none() {
        let place = shot.place.within("last_frame", None);
        table.fault(Fault::of_form(
            "frame.last_alone",
            &place,
            "a last_frame without first_frame",
            "both, or first_frame alone",
            "add `first_frame`",
        ));
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
            shot.audios[0].place.line = None;
        }
        assert_eq!(toml, json);
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
