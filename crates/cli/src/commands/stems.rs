//! `stems`: the sound of any clip as a Broadcast WAV, exactly as long as its picture.

use std::path::PathBuf;

use clap::Args;
use seedpost_core::media::MediaInfo;
use seedpost_core::time::{FrameRate, Timecode};
use seedpost_core::timeline::record_samples;
use seedpost_media::MediaError;
use seedpost_media::wav::Label;
use serde_json::json;

use crate::assets::measure_whole;
use crate::clip::{self, Order};
use crate::output::{Exit, Failure, result_json, say, shown};
use crate::project::{digest_text, refuse_overwrite};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The clip.
    clip: PathBuf,
    /// Where the WAV goes.
    #[arg(long, value_name = "WAV")]
    out: PathBuf,
    /// The timecode of its first sample, at the clip's own rate.
    #[arg(long, default_value = "01:00:00:00")]
    start: String,
    /// Replace WAV where it stands already.
    #[arg(long)]
    force: bool,
}

pub(super) fn run(arguments: &Arguments, json: bool) -> Result<Exit, Failure> {
    let clip = arguments.clip.display();
    refuse_overwrite(&arguments.out, arguments.force, &[&arguments.clip])?;
    let info = measure_whole(&arguments.clip)
        .map_err(|error| Failure::new(Exit::Media, format!("{clip}: {error}"), "give it a whole clip"))?;
    let length = clip::stem_length(&info).filter(|_| info.audio.is_some()).ok_or_else(|| {
        Failure::new(Exit::Media, format!("{clip} has no picture of known length with sound"), "see `seedpost probe`")
    })?;
    let rate = info.video.as_ref().and_then(|video| video.rate).unwrap_or(FrameRate::FPS_24);
    let start = Timecode::parse(&arguments.start, rate)
        .map_err(|error| Failure::new(Exit::Usage, error.to_string(), "such as 01:00:00:00"))?;
    write(arguments, &info, start).map_err(|error| {
        Failure::new(Exit::Media, format!("failed to write the stem of {clip}: {error}"), "see `seedpost probe`")
    })?;
    if json {
        result_json(
            "stems",
            json!({ "file": shown(&arguments.out), "samples": length, "time_reference": record_samples(start.frames(), start) }),
        );
    } else {
        say(format_args!("{}: {} samples from {start}", arguments.out.display(), length.0));
    }
    Ok(Exit::Done)
}

fn write(arguments: &Arguments, info: &MediaInfo, start: Timecode) -> Result<(), MediaError> {
    let name = arguments.clip.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let now = jiff::Timestamp::now().to_string();
    let label = Label {
        project: String::new(),
        scene: name.clone(),
        take: 1,
        unique_id: digest_text(&format!("{name} {now}")).chars().take(32).collect(),
        tape: name,
        tracks: if info.audio.as_ref().is_some_and(|audio| audio.channels == 1) {
            vec!["MIX".to_owned()]
        } else {
            vec!["MIX-L".to_owned(), "MIX-R".to_owned()]
        },
        note: String::new(),
        date: now.get(..10).unwrap_or_default().to_owned(),
        time: now.get(11..19).unwrap_or_default().to_owned(),
        start,
        time_reference: record_samples(start.frames(), start).unwrap_or_default().0,
    };
    let stem = Some((arguments.out.as_path(), &label));
    let order = Order { clip: &arguments.clip, info, picture: None, stem, hear: true, deep: false, pictures: None };
    clip::make(&order).map(|_| ())
}
