//! `probe`: what files are, as measured.

use std::path::PathBuf;

use clap::Args;
use rayon::prelude::*;
use seedpost_core::media::MediaInfo;
use serde_json::json;

use crate::assets::measure_whole;
use crate::output::{Exit, Failure, note, result_json, say, shown, table};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Files to measure.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, json: bool) -> Result<Exit, Failure> {
    let results: Vec<Result<MediaInfo, String>> = arguments.files.par_iter().map(|file| measure_whole(file)).collect();
    let pairs = || arguments.files.iter().zip(&results);
    if json {
        let file = |(path, result): (&PathBuf, &Result<MediaInfo, String>)| json!({ "file": shown(path), "info": result.as_ref().ok(), "error": result.as_ref().err() });
        result_json("probe", json!({ "files": pairs().map(file).collect::<Vec<_>>() }));
    } else {
        let mut rows = table(["FILE", "CONTAINER", "PICTURE", "SOUND", "INDEX", "READ BY"]);
        for (path, info) in pairs().filter_map(|(path, result)| result.as_ref().ok().map(|info| (path, info))) {
            let index = info.fast_start.map_or("", |front| if front { "in front" } else { "at the end" });
            rows.add_row([
                path.display().to_string(),
                info.container.clone(),
                picture(info),
                sound(info),
                index.to_owned(),
                info.measured_by.clone(),
            ]);
        }
        if rows.row_count() > 0 {
            say(rows);
        }
    }
    for (path, error) in pairs().filter_map(|(path, result)| result.as_ref().err().map(|error| (path, error))) {
        note(format_args!("error: {}: {error}\n  fix: replace it with a whole file", path.display()));
    }
    Ok(if results.iter().all(Result::is_ok) { Exit::Done } else { Exit::Invalid })
}

fn picture(info: &MediaInfo) -> String {
    if let Some(still) = &info.still {
        let (width, height) = still.upright();
        let turned =
            if still.orientation == 1 { String::new() } else { format!(", orientation {}", still.orientation) };
        let animated = if still.animated { ", animated" } else { "" };
        return format!("{width}×{height}{turned}{animated}");
    }
    info.video.as_ref().map_or_else(String::new, |video| {
        let frames = video.frames.map_or("? frames".to_owned(), |frames| format!("{} frames", frames.0));
        let rate = video.rate.map_or("variable".to_owned(), |rate| rate.to_string());
        format!("{} {}×{} {frames} at {rate}", video.codec, video.width, video.height)
    })
}

fn sound(info: &MediaInfo) -> String {
    info.audio.as_ref().map_or_else(String::new, |audio| {
        let samples = audio.samples.map_or("? samples".to_owned(), |samples| format!("{} samples", samples.0));
        let priming = audio.priming.map_or(", priming unknown".to_owned(), |priming| {
            if priming > 0 { format!(", priming {priming}") } else { String::new() }
        });
        format!("{} {} Hz × {} {samples}{priming}", audio.codec, audio.sample_rate.hertz(), audio.channels)
    })
}
