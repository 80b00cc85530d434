//! `check`: every fault of a list and its assets at once.

use seedpost_core::fault::Severity;
use seedpost_core::reference;
use serde_json::json;

use super::List;
use crate::assets;
use crate::output::{Exit, Failure, result_json, say};

pub(super) fn run(list: &List, json: bool) -> Result<Exit, Failure> {
    let project = list.open()?;
    let measured = assets::measure(&project);
    let verdicts = assets::judge(&project, &measured);
    let conforms: Vec<String> = project
        .list
        .shots
        .iter()
        .zip(&verdicts)
        .flat_map(|(shot, verdict)| verdict.conforms.iter().map(move |what| format!("{}: {what}", shot.id)))
        .collect();
    let mut faults = reference::judge_list(&project.list);
    faults.extend(verdicts.into_iter().flat_map(|verdict| verdict.faults));
    if faults.iter().any(|fault| fault.severity == Severity::Error) {
        return Err(Failure::of_faults(project.path.display(), faults));
    }
    if json {
        result_json("check", json!({ "shots": project.list.shots.len(), "conform": conforms, "faults": faults }));
        return Ok(Exit::Done);
    }
    faults.iter().for_each(|warning| say(format_args!("{warning}")));
    conforms.iter().for_each(|what| say(format_args!("conform  {what}")));
    let count = project.list.shots.len();
    say(format_args!("{}: {count} shot{} may be sent", project.path.display(), if count == 1 { "" } else { "s" }));
    Ok(Exit::Done)
}
