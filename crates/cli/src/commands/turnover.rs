//! `turnover`: the package for sound.

use clap::Args;
use seedpost_core::turnover::What;
use serde_json::{Value, json};

use super::List;
use crate::cut::{Cut, cut, names, own_media, selected, tell_missing};
use crate::interrupt;
use crate::output::{Exit, Failure, result_json_as, say, shown};
use crate::package::{self, Package, Wishes};
use crate::progress::Style;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    list: List,
    #[command(flatten)]
    wishes: Wishes,
}

pub(super) fn run(arguments: &Arguments, json: bool, style: Style) -> Result<Exit, Failure> {
    interrupt::stoppable()?;
    let project = arguments.list.open()?;
    let _lock = project.lock()?;
    let finished = selected(&project, None)?;
    let cut: Cut = cut(&project, &finished, own_media(&project))?;
    let package = package::make(&project, &cut, &finished, arguments.wishes, style)?;
    let Package { folder, manifest, is_new, stages } = package;
    if json {
        let stages: Vec<Value> = stages.iter().map(|(stage, ms)| json!({ "stage": stage, "ms": ms })).collect();
        result_json_as(
            "seedpost.turnover/3",
            json!({
                "package": shown(&folder), "new": is_new, "clips": manifest.clips.len(), "missing": names(&cut.missing), "reasons": manifest.reasons,
                "refused": manifest.refused, "losses": manifest.losses, "changes": manifest.changes, "stages": stages,
            }),
        );
    } else {
        let state = if is_new { "" } else { " (nothing changed since it was made)" };
        say(format_args!("package  {}{state}", folder.display()));
        if is_new {
            manifest.reasons.iter().for_each(|reason| {
                say(format_args!("  since version {}: {reason}", manifest.changed_since.unwrap_or(0)))
            });
            let count = |what| manifest.changes.iter().filter(|change| change.what == what).count();
            let told = What::ALL
                .into_iter()
                .filter(|what| count(*what) > 0)
                .map(|what| format!("{} {}", count(what), what.as_str()));
            let told: Vec<String> = told.collect();
            if !told.is_empty() {
                say(format_args!("  shots: {}", told.join(", ")));
            }
        }
    }
    let exit = tell_missing(&cut.missing);
    Ok(if manifest.refused.is_empty() { exit } else { Exit::Partly })
}
