//! `lane`: what becomes of each shot's sound and why; or the sound taken off any clip.

use std::path::{Path, PathBuf};

use clap::Args;
use seedpost_core::lane;
use seedpost_media::strip;
use serde_json::json;

use super::List;
use crate::output::{Exit, Failure, result_json, say, shown, table};
use crate::project::{open_plain, refuse_overwrite, write_whole};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    list: List,
    /// Take the sound off this MP4; the picture is copied, not encoded.
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
    let mut source = open_plain(clip).map_err(|error| Failure::disk("read", clip, &error))?;
    let stripped = write_whole(out, |writer| strip::strip(&mut source, writer).map(|_| ()));
    stripped.map_err(|error| {
        Failure::new(
            Exit::Media,
            format!("failed to strip {}: {error}", clip.display()),
            "give it a whole, unfragmented MP4",
        )
    })?;
    if json {
        result_json("lane", json!({ "picture": shown(out) }));
    } else {
        say(format_args!("{}", out.display()));
    }
    Ok(Exit::Done)
}
