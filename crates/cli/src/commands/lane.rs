//! `lane`: what becomes of each shot's sound and why; or the sound taken off any clip.

use std::path::{Path, PathBuf};

use clap::Args;
use seedpost_core::lane;
use serde_json::json;

use super::List;
use crate::assets::measure_whole;
use crate::clip::{self, Order};
use crate::output::{Exit, Failure, result_json, say, shown, table};
use crate::project::refuse_overwrite;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    list: List,
    /// Take the sound off this clip; the picture is copied, not encoded.
    #[arg(long, value_name = "CLIP", requires = "out")]
    strip: Option<PathBuf>,
    /// Where the silent picture goes.
    #[arg(long, value_name = "PICTURE", requires = "strip")]
    out: Option<PathBuf>,
    /// Replace PICTURE where it stands already.
    #[arg(long, requires = "strip")]
    force: bool,
}

pub(super) fn run(arguments: &Arguments, json: bool) -> Result<Exit, Failure> {
    if let Some((clip, out)) = arguments.strip.as_ref().zip(arguments.out.as_ref()) {
        return strip_clip(clip, out, arguments.force, json);
    }
    let project = arguments.list.open()?;
    let decisions = project.list.shots.iter().map(|shot| (shot, lane::decide(shot)));
    if json {
        let shot = |(shot, decision): (&seedpost_core::shot::Shot, _)| json!({ "shot": shot.id, "decision": decision });
        result_json("lane", json!({ "shots": decisions.map(shot).collect::<Vec<_>>() }));
        return Ok(Exit::Done);
    }
    let mut rows = table(["SHOT", "LANE", "SOUND", "WHY"]);
    for (shot, decision) in decisions {
        let sound = if decision.generate_audio { "on" } else { "off" };
        rows.add_row([shot.id.as_str(), decision.lane.as_str(), sound, &decision.reason]);
    }
    say(rows);
    Ok(Exit::Done)
}

fn strip_clip(clip: &Path, out: &Path, force: bool, json: bool) -> Result<Exit, Failure> {
    refuse_overwrite(out, force, &[clip])?;
    let name = clip.display();
    let info = measure_whole(clip)
        .map_err(|error| Failure::new(Exit::Media, format!("{name}: {error}"), "give it a whole clip"))?;
    let order = Order {
        clip,
        info: &info,
        picture: Some(out),
        stem: None,
        hear: false,
        speech: false,
        deep: false,
        pictures: None,
    };
    let content = clip::make(&order).map_err(|error| {
        Failure::new(Exit::Media, format!("failed to strip {name}: {error}"), "see `seedpost probe`")
    })?;
    if json {
        result_json("lane", json!({ "picture": shown(out), "proof": content.proof }));
    } else {
        let packets = content.proof.map_or(0, |proof| proof.packets);
        say(format_args!("{}: {packets} packets of the picture, untouched", out.display()));
    }
    Ok(Exit::Done)
}
