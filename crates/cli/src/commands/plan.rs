//! `plan`: a dry run. What would be sent, what it would cost, and whether the budget allows it.

use seedpost_core::catalog::Catalog;
use seedpost_core::cost::{Budget, Usd};
use serde_json::json;

use super::{List, block_on};
use crate::due::{self, Takes};
use crate::output::{Exit, Failure, note, result_json, say, table};
use crate::prepare::{Desk, Prepared, prepare};
use crate::prices::{self, Told};
use crate::project::ledger_failure;

pub(super) fn run(list: &List, json: bool) -> Result<Exit, Failure> {
    let project = list.open()?;
    let _lock = project.lock()?;
    let mut desk = prepare(&project)?;
    let (takes, budget, told) = block_on(async {
        let ledger = project.ledger().await?;
        let takes = ledger.takes().await.map_err(|error| ledger_failure(&error))?;
        let budget = ledger.budget().await.map_err(|error| ledger_failure(&error))?;
        desk.add_followers(&project, &takes);
        Ok::<_, Failure>((takes, budget, prices::told(&project, &desk).await))
    })??;
    let budget = Budget { limit: project.list.budget, ..budget };
    told.note();
    desk.price(told.prices.clone());
    let missing = missing(&desk, &takes);
    let total: Usd = missing.iter().map(|(prepared, count)| (0..*count).map(|_| prepared.plan.estimate).sum()).sum();
    if json {
        let shot = |(prepared, count): &(&Prepared<'_>, u32)| {
            let plan = &prepared.plan;
            json!({ "shot": prepared.shot.id, "takes": count, "endpoint": plan.endpoint, "provider": plan.provider, "lane": prepared.decision, "uploads": prepared.uploads(), "usd_micros_each": plan.estimate, "price_from": told.source(prepared) })
        };
        let shots: Vec<_> = missing.iter().map(shot).collect();
        result_json(
            "plan",
            json!({ "shots": shots, "usd_micros": total, "usd_micros_committed": budget.committed, "usd_micros_limit": budget.limit }),
        );
    } else {
        show(&missing, total, budget, &told);
    }
    let over = { budget }.reserve(total).err();
    over.map_or(Ok(Exit::Done), |over| {
        Err(Failure::new(Exit::Budget, over.to_string(), "raise [budget] limit_usd, or ask for fewer or cheaper takes"))
    })
}

/// Shots with the number of takes that are still to be bought.
fn missing<'p>(desk: &'p Desk<'p>, takes: &Takes) -> Vec<(&'p Prepared<'p>, u32)> {
    let open = |prepared: &Prepared<'_>| {
        let wanted = prepared.takes().filter(|id| due::is_due(desk, prepared, id, takes));
        u32::try_from(wanted.count()).unwrap_or(u32::MAX)
    };
    desk.prepared.iter().map(|prepared| (prepared, open(prepared))).collect()
}

fn show(missing: &[(&Prepared<'_>, u32)], total: Usd, budget: Budget, told: &Told) {
    let mut rows = table(["SHOT", "TAKES", "ENDPOINT", "SECONDS", "LANE", "UPLOADS", "EACH", "PRICE FROM"]);
    for (prepared, count) in missing {
        let shot = &prepared.shot;
        rows.add_row([
            shot.id.to_string(),
            count.to_string(),
            prepared.plan.endpoint.clone(),
            shot.duration.to_string(),
            prepared.decision.reason.clone(),
            prepared.uploads().to_string(),
            prepared.plan.estimate.to_string(),
            told.source(prepared).to_owned(),
        ]);
    }
    say(rows);
    let limit = budget.limit.map_or_else(|| "no limit".to_owned(), |limit| format!("of {limit}"));
    say(format_args!("to be bought {total} · committed {} · budget {limit}", budget.committed));
    let assumed = missing
        .iter()
        .filter(|(prepared, _)| told.source(prepared) == "dated table")
        .filter_map(|(prepared, _)| Catalog::built_in().model(&prepared.shot.render))
        .find(|model| model.price.basis == "assumed");
    if let Some(model) = assumed {
        note(format_args!("warning: the price of {} {} is assumed: {}", model.model, model.tier, model.note));
    }
}
