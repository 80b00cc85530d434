//! From the tree of a TOML or JSON text to a shot list: every value is read, and every fault noted.

use std::collections::BTreeSet;

use super::{
    Draft, FullQuality, Location, MAX_SHOTS, MAX_TAKES, ProviderName, Reference, RenderSettings, Shot, ShotDuration,
    ShotId, ShotList, TimedReference, shown,
};
use crate::catalog::Catalog;
use crate::change::Policy;
use crate::cost::Usd;
use crate::document::{Node, TableReader, Value};
use crate::fault::{Fault, Place};
use crate::lane::{Intent, Lane};
use crate::rule::Rule;
use crate::time::{ClockTime, FrameRate, Timecode};

/// Stands for an id that could not be read, in a draft only.
const UNNAMED: &str = "?";

pub(super) fn read_list(node: Node) -> Draft {
    let mut faults = Vec::new();
    let top = Place { path: String::new(), line: None };
    let mut table = TableReader::open(node, top.clone(), &mut faults);
    let title = table.text("title").map_or_else(|| super::UNTITLED.to_owned(), |(text, _)| text);
    let frame_rate_line = table.lines().get("frame_rate").copied();
    let frame_rate = table
        .parsed("frame_rate", "list.frame_rate", "23.976, 24, 25, 29.97, 30, 50, 59.94 or 60, in quotes", |text| {
            text.parse().ok()
        })
        .unwrap_or(FrameRate::FPS_24);
    let reel = table.integer("reel", 1..=99).unwrap_or(1);
    let rights = table.text("rights").map_or_else(String::new, |(text, _)| text);
    let start = table.parsed("start_timecode", "list.start_timecode", "HH:MM:SS:FF at the list's frame rate", |text| {
        Timecode::parse(text, frame_rate).ok()
    });
    let start = start.or_else(|| Timecode::parse("01:00:00:00", frame_rate).ok());
    let render = read_render_table(&mut table);
    let budget = read_budget(&mut table);
    let (shots, mut shot_faults): (_, Vec<Vec<Fault>>) = read_shots(&mut table, &render).into_iter().unzip();
    table.close();
    // Keys are asked for in an order of their own; only TOML tells lines.
    shot_faults.iter_mut().chain([&mut faults]).for_each(|faults| faults.sort_by_key(|fault| fault.line));
    let start = start.expect("01:00:00:00 exists at every rate");
    Draft {
        list: ShotList { title, frame_rate, frame_rate_line, start, reel, rights, budget, shots },
        faults,
        shot_faults,
    }
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
    let region = table.parsed("region", "render.region", "cn-beijing or ap-southeast", |text| {
        matches!(text, "cn-beijing" | "ap-southeast").then(|| text.to_owned())
    });
    let mark_requests = table.boolean("mark_requests").unwrap_or(inherited.mark_requests);
    let provider = table.parsed("provider", "render.provider", "simulator, fal, ark or openai", ProviderName::parse);
    RenderSettings {
        provider: provider.unwrap_or(inherited.provider),
        model,
        tier,
        resolution,
        aspect_ratio,
        region: region.unwrap_or_else(|| inherited.region.clone()),
        mark_requests,
    }
}

fn read_budget(list: &mut TableReader<'_>) -> Option<Usd> {
    let (node, place) = list.take("budget")?;
    let mut table = TableReader::open(node, place, list.faults());
    let limit =
        table.parsed("limit_usd", "budget.limit", "dollars in quotes, such as \"25.00\"", |text| text.parse().ok());
    table.close();
    limit
}

fn read_shots(list: &mut TableReader<'_>, render: &RenderSettings) -> Vec<(Shot, Vec<Fault>)> {
    let items = list.list("shot");
    let place = list.place().within("shot", None);
    if items.is_empty() {
        list.fault(Fault::new(
            "list.empty",
            &place,
            "no shot",
            "at least one [[shot]]",
            "add a [[shot]] with `id`, `prompt` and `duration`",
        ));
    }
    if items.len() > MAX_SHOTS {
        let found = format!("{} shots", items.len());
        list.fault(Fault::new("list.size", &place, found, format!("at most {MAX_SHOTS} shots"), "split the list"));
        return Vec::new();
    }
    let mut names = BTreeSet::new();
    let mut shots = Vec::with_capacity(items.len());
    for (index, (node, place)) in items.into_iter().enumerate() {
        let place = Place { path: format!("shot {}", index + 1), ..place };
        let mut faults = Vec::new();
        let shot = read_shot(node, place, render, &mut faults);
        if shot.id.as_str() != UNNAMED && !names.insert(shot.id.as_str().to_ascii_lowercase()) {
            let found = format!("{:?} a second time", shot.id.as_str());
            let fix = "rename one; use `takes` for another attempt";
            faults.push(Fault::new("shot.id_unique", &shot.place, found, "each id once, whatever its case", fix));
        }
        shots.push((shot, faults));
    }
    super::chain::check(&mut shots);
    shots
}

fn read_shot(node: Node, place: Place, render: &RenderSettings, faults: &mut Vec<Fault>) -> Shot {
    let mut table = TableReader::open(node, place, faults);
    let id = read_id(&mut table);
    let place = table.place().clone();
    let lines = table.lines();
    let prompt = read_prompt(&mut table);
    let mut shot = Shot {
        id: id.unwrap_or_else(|| ShotId(UNNAMED.to_owned())),
        prompt,
        negative_prompt: table.text("negative_prompt").map(|(text, _)| text),
        duration: read_duration(&mut table),
        render: read_render(&mut table, render),
        images: read_references(&mut table, "images"),
        videos: read_timed(&mut table, "videos"),
        audios: read_timed(&mut table, "audios"),
        first_frame: read_reference(&mut table, "first_frame"),
        first_frame_from: table
            .parsed("first_frame_from", "frame.chain", "the id of another shot", |text| text.parse().ok()),
        last_frame: read_reference(&mut table, "last_frame"),
        intent: table.parsed("intent", "shot.intent", Intent::ALLOWED, Intent::parse),
        lane: table.parsed("lane", "shot.lane", "keep or strip", Lane::parse),
        generate_audio: table.boolean("generate_audio"),
        character: table.text("character").map(|(text, _)| text),
        line: table.text("line").map(|(text, _)| text),
        language: table.text("language").map(|(text, _)| text),
        rights: table.text("rights").map(|(text, _)| text),
        seed: table.integer("seed", 0..=i32::MAX.unsigned_abs()),
        retry: read_retry(&mut table),
        draft: None,
        takes: table.integer("takes", 1..=MAX_TAKES).unwrap_or(1),
        select: table.integer("select", 1..=MAX_TAKES),
        place,
        lines,
    };
    check_combination(&shot, &mut table);
    if table.boolean("draft").unwrap_or(false) {
        make_draft(&mut shot);
    }
    table.close();
    shot
}

/// A draft is fast where the model has that tier, and silent.
fn make_draft(shot: &mut Shot) {
    let tier = std::mem::replace(&mut shot.render.tier, "fast".to_owned());
    if Catalog::built_in().model(&shot.render).is_none() {
        shot.render.tier.clone_from(&tier);
    }
    shot.draft = Some(FullQuality { tier, generate_audio: shot.generate_audio.replace(false) });
}

fn read_retry(table: &mut TableReader<'_>) -> Vec<Policy> {
    let items = table.list("retry");
    let mut policies = Vec::new();
    for (node, place) in items {
        let policy = match &node.value {
            Value::Text(text) => Policy::parse(text),
            _ => None,
        };
        match policy {
            Some(policy) => policies.push(policy),
            None => {
                let fix = "name what shall be tried, or remove it";
                table.faults().push(Fault::new("shot.retry", &place, node.value.describe(), Policy::ALLOWED, fix));
            }
        }
    }
    policies
}

fn read_id(table: &mut TableReader<'_>) -> Option<ShotId> {
    let allowed = "1 to 64 letters, digits, `_`, `-` or inner `.`, beginning with a letter or digit";
    let Some((text, place)) = table.text("id") else {
        let place = table.place().clone();
        table.fault(Fault::new("shot.id", &place, "no id", allowed, "add `id = \"SC010_SH010\"`"));
        return None;
    };
    let id = text.parse().ok();
    match &id {
        Some(id) => table.rename(format!("shot {id}")),
        None => table.fault(Fault::new(
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
        table.fault(Fault::new("shot.prompt", &place, "no prompt", "a text", "say what happens in the shot"));
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
            let allowed = "whole seconds, or \"auto\"";
            let fault = Fault::new("shot.duration", &place, other.describe(), allowed, "write `duration = 8`");
            // Which lengths there are is each model's own; that it has to be a number is the list's.
            let source = Rule::find("list.type").map_or(fault.source, Rule::cited);
            table.fault(Fault { source, ..fault });
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
        faults.push(Fault::new(
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
        faults.push(Fault::new("reference.location", place, format!("{text:?}"), allowed, "name the file"));
        return None;
    }
    if !text.contains("://") {
        return Some(Location::File(text.to_owned()));
    }
    let read = url::Url::parse(text).ok();
    let found = read.as_ref().map_or_else(|| "an address that cannot be read".to_owned(), shown);
    let address = read.filter(is_plain);
    if address.is_none() {
        faults.push(Fault::new(
            "reference.location",
            place,
            found,
            allowed,
            "use http or https without a password, or a local copy",
        ));
    }
    address.map(|url| Location::Url(url.into()))
}

/// A password would be stored in the ledger and handed to the provider.
fn is_plain(url: &url::Url) -> bool {
    let open = url.username().is_empty() && url.password().is_none();
    matches!(url.scheme(), "http" | "https") && url.has_host() && open
}

fn read_timed(table: &mut TableReader<'_>, key: &'static str) -> Vec<TimedReference> {
    let items = table.list(key);
    items.into_iter().filter_map(|(node, place)| timed(node, place, table.faults())).collect()
}

fn timed(node: Node, place: Place, faults: &mut Vec<Fault>) -> Option<TimedReference> {
    if let Value::Text(text) = &node.value {
        let location = location(text, &place, faults)?;
        return Some(TimedReference { location, place, start: None, end: None, priority: 1 });
    }
    let mut table = TableReader::open(node, place.clone(), faults);
    let clock = "a time such as \"00:00:01.200\"";
    let path = table.text("path");
    let start = table.parsed("in", "reference.in", clock, |text| text.parse().ok());
    let end: Option<ClockTime> = table.parsed("out", "reference.out", clock, |text| text.parse().ok());
    let priority = table.integer("priority", 1..=99).unwrap_or(1);
    if start.zip(end).is_some_and(|(start, end)| start >= end) {
        table.fault(Fault::new(
            "reference.out",
            &place,
            "an `out` at or before its `in`",
            "`in` before `out`",
            "exchange them",
        ));
    }
    if path.is_none() {
        table.fault(Fault::new("reference.location", &place, "no path", "`path = \"refs/line.wav\"`", "name the file"));
    }
    table.close();
    let (text, at) = path?;
    let location = location(&text, &at, faults)?;
    Some(TimedReference { location, place, start, end, priority })
}

/// Rules between the fields of one shot that hold for every provider.
fn check_combination(shot: &Shot, table: &mut TableReader<'_>) {
    if let Some(select) = shot.select.filter(|select| *select > shot.takes) {
        let place = shot.at("select");
        table.fault(Fault::new(
            "shot.select",
            &place,
            select.to_string(),
            format!("a take from 1 to {}", shot.takes),
            "raise `takes`, or select another",
        ));
    }
    if shot.lane == Some(Lane::Keep) && shot.generate_audio == Some(false) {
        let place = shot.at("lane");
        table.fault(Fault::new(
            "lane.nothing_to_keep",
            &place,
            "lane \"keep\" with generate_audio = false",
            "sound to keep, or lane \"strip\"",
            "drop one of the two",
        ));
    }
    if shot.lane == Some(Lane::Keep) && shot.intent == Some(Intent::Broadcast) {
        let place = shot.at("lane");
        table.fault(Fault::new(
            "lane.broadcast",
            &place,
            "intent \"broadcast\" with lane \"keep\"",
            "lane \"strip\": a broadcast deliverable carries no model audio",
            "set lane = \"strip\"",
        ));
    }
    if shot.last_frame.is_some() && shot.first_frame.is_none() && shot.first_frame_from.is_none() {
        let place = shot.at("last_frame");
        table.fault(Fault::new(
            "frame.last_alone",
            &place,
            "a last_frame without first_frame",
            "both, or first_frame alone",
            "add `first_frame`",
        ));
    }
}
