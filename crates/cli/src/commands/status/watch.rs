//! `status --watch`: follows the ledger, and ends by itself once nothing is to come.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use seedpost_core::job::{Phase, Take};
use seedpost_core::shot::TakeId;
use serde_json::{Value, json};

use super::{Takes, detail, overview, row, sum};
use crate::interrupt::Ends;
use crate::output::{Exit, Failure, result_json, say};
use crate::project::{Project, ledger_failure};

/// Follows the ledger. The takes as they stand at the end; nothing where a person has ended it.
pub(super) async fn follow(project: &Project, every: Duration, json: bool) -> Result<Option<Takes>, Failure> {
    let mut ends = Ends::listen()
        .map_err(|error| Failure::new(Exit::Internal, format!("failed to listen for Ctrl-C: {error}"), ""))?;
    let ledger = project.ledger().await?;
    let mut view = View::new(json);
    loop {
        // Asked before the ledger is read: whoever has ended by then has written all that it will.
        let busy = project.is_busy();
        let takes = ledger.takes().await.map_err(|error| ledger_failure(&error))?;
        view.show(project, &takes);
        if !busy && !takes.values().any(is_to_go_on) {
            view.end(project, &takes);
            return Ok(Some(takes));
        }
        tokio::select! {
            () = ends.next() => return Ok(None),
            () = tokio::time::sleep(every) => {}
        }
    }
}

/// Whether something is to come of a take by itself, in this run or another. An unknown payment waits for a person.
fn is_to_go_on(take: &Take) -> bool {
    matches!(take.phase, Phase::Ready { .. } | Phase::Running { .. } | Phase::Rendered { .. })
}

/// How takes are shown as they change.
enum View {
    /// The table, drawn anew in its place.
    Table(ProgressBar),
    /// A line for each take that has changed.
    Lines(BTreeMap<TakeId, (&'static str, String)>),
    /// An object for each take that has changed.
    Objects(BTreeMap<TakeId, Value>),
}

impl View {
    fn new(json: bool) -> View {
        if json {
            View::Objects(BTreeMap::new())
        } else if std::io::stdout().is_terminal() {
            let style = ProgressStyle::with_template("{msg}").expect("the template is a constant");
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
            View::Table(bar.with_style(style))
        } else {
            View::Lines(BTreeMap::new())
        }
    }

    fn show(&mut self, project: &Project, takes: &Takes) {
        let now = jiff::Timestamp::now();
        match self {
            View::Table(bar) => {
                let text = overview(project, takes);
                // What has not changed need not be drawn again.
                if bar.message() != text {
                    bar.set_message(text);
                    bar.tick();
                }
            }
            View::Lines(known) => {
                for (id, take) in takes {
                    let state = (take.phase.as_str(), detail(take));
                    if known.get(id) != Some(&state) {
                        let line = format!("{} {id} {} {}", now.strftime("%H:%M:%S"), state.0, state.1);
                        say(line.trim_end());
                        known.insert(id.clone(), state);
                    }
                }
            }
            View::Objects(known) => {
                for (id, take) in takes {
                    let row = row(id, take);
                    if known.get(id) != Some(&row) {
                        let mut body = json!({ "at": format!("{now:.3}") });
                        if let (Some(body), Some(row)) = (body.as_object_mut(), row.as_object()) {
                            body.extend(row.clone());
                        }
                        result_json("status_change", body);
                        known.insert(id.clone(), row);
                    }
                }
            }
        }
    }

    fn end(self, project: &Project, takes: &Takes) {
        match self {
            View::Table(bar) => {
                bar.finish_and_clear();
                say(overview(project, takes));
            }
            View::Lines(_) => say(sum(project, takes)),
            View::Objects(_) => {}
        }
    }
}
