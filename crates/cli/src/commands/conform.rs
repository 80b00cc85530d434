//! `conform`: upload copies of supplied sound, and what became of each.

use serde_json::json;

use super::List;
use crate::output::{Exit, Failure, result_json, say, table};
use crate::prepare::prepare;

pub(super) fn run(list: &List, json: bool) -> Result<Exit, Failure> {
    let project = list.open()?;
    let _lock = project.lock()?;
    project.sweep();
    let prepared = prepare(&project)?;
    let sounds = prepared.iter().flat_map(|shot| shot.conformed.iter().map(move |sound| (&shot.shot.id, sound)));
    if json {
        let sound = |(shot, sound)| json!({ "shot": shot, "sound": sound });
        result_json("conform", json!({ "sounds": sounds.map(sound).collect::<Vec<_>>() }));
        return Ok(Exit::Done);
    }
    let mut rows = table(["SHOT", "SOURCE", "KEPT SAMPLES", "RATE", "SECONDS", "UPLOAD"]);
    for (shot, sound) in sounds {
        let kept = sound.cut.kept;
        let upload = if sound.is_copy() {
            sound.upload.strip_prefix(&project.root).unwrap_or(&sound.upload).display().to_string()
        } else {
            "as it is".to_owned()
        };
        rows.add_row([
            shot.to_string(),
            sound.source.clone(),
            format!("{}–{} of {}", kept.start.0, kept.end.0, sound.cut.source.0),
            sound.cut.rate.hertz().to_string(),
            sound.length().to_string(),
            upload,
        ]);
    }
    if rows.row_count() == 0 {
        say("no supplied sound: nothing to conform");
    } else {
        say(rows);
    }
    Ok(Exit::Done)
}
