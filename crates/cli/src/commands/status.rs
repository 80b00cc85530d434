//! `status`: where each take stands, from the ledger alone.

use seedpost_core::cost::Usd;
use seedpost_core::job::Phase;
use serde_json::json;

use super::{List, block_on};
use crate::output::{Exit, Failure, result_json, say, table};
use crate::project::ledger_failure;

pub(super) fn run(list: &List, json: bool) -> Result<Exit, Failure> {
    let project = list.open()?;
    let takes = block_on(async {
        let ledger = project.ledger().await?;
        ledger.takes().await.map_err(|error| ledger_failure(&error))
    })??;
    let total: Usd = takes.values().map(|take| take.committed).sum();
    let detail = |phase: &Phase| match phase {
        Phase::ChargeUnknown { reason } => reason.clone(),
        Phase::Running { job, .. } | Phase::Rendered { job, .. } => job.request_id.clone(),
        Phase::Failed(failure) => failure.message.clone(),
        Phase::Done(delivery) => format!("{} bytes, sha256 {}", delivery.bytes, delivery.sha256),
        Phase::Ready { .. } => String::new(),
    };
    if json {
        let rows: Vec<_> = takes.iter().map(|(id, take)| json!({ "take": id.to_string(), "state": take.phase.as_str(), "usd_micros": take.committed, "detail": detail(&take.phase) })).collect();
        result_json("status", json!({ "takes": rows, "usd_micros": total, "usd_micros_limit": project.list.budget }));
    } else {
        let mut rows = table(["TAKE", "STATE", "COST", "DETAIL"]);
        for (id, take) in &takes {
            rows.add_row([
                id.to_string(),
                take.phase.as_str().to_owned(),
                take.committed.to_string(),
                detail(&take.phase),
            ]);
        }
        say(rows);
        let limit = project.list.budget.map_or_else(|| "no limit".to_owned(), |limit| format!("of {limit}"));
        say(format_args!("committed {total} · budget {limit}"));
    }
    let unknown = takes.values().any(|take| matches!(take.phase, Phase::ChargeUnknown { .. }));
    Ok(if unknown { Exit::Unknown } else { Exit::Done })
}
