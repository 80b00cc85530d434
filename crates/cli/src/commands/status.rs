//! `status`: where each take stands, from the ledger alone.

mod watch;

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use seedpost_core::cost::Usd;
use seedpost_core::job::{FailureKind, Phase, Take};
use seedpost_core::shot::TakeId;
use seedpost_core::spec::Weight;
use serde_json::{Value, json};

use super::{List, block_on};
use crate::finish;
use crate::hosts::{self, Hosts};
use crate::output::{Exit, Failure, result_json, say, table};
use crate::project::{Project, ledger_failure};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    list: List,
    /// Only what was or may have been paid and cannot be used, with request ids, to claim it back.
    #[arg(long, conflicts_with = "hosts")]
    unusable: bool,
    /// Every host that a supplied file was sent to.
    #[arg(long)]
    hosts: bool,
    /// Follow the ledger until no take is to be sent, rendered or fetched any more and no `run` is at work: a table on a
    /// terminal, else a line for each change; times are UTC. Ctrl-C ends it.
    #[arg(long, conflicts_with_all = ["hosts", "unusable"])]
    watch: bool,
    /// How often the ledger is looked at then.
    #[arg(long, value_name = "SECONDS", default_value_t = 1, requires = "watch", value_parser = clap::value_parser!(u32).range(1..=3600))]
    every: u32,
}

type Takes = BTreeMap<TakeId, Take>;

pub(super) fn run(arguments: &Arguments, json: bool) -> Result<Exit, Failure> {
    let project = arguments.list.open()?;
    if arguments.watch {
        let every = Duration::from_secs(arguments.every.into());
        let takes = block_on(watch::follow(&project, every, json))??;
        return Ok(takes.as_ref().map_or(Exit::Stopped, exit));
    }
    let (takes, sent) = block_on(async {
        let ledger = project.ledger().await?;
        let takes = ledger.takes().await.map_err(|error| ledger_failure(&error))?;
        let sent = if arguments.hosts { hosts::of(&ledger, &takes).await? } else { BTreeMap::new() };
        Ok::<_, Failure>((takes, sent))
    })??;
    if arguments.hosts {
        show_hosts(&sent, json);
    } else if arguments.unusable {
        show_unusable(&project, &takes, json);
    } else {
        show(&project, &takes, json);
    }
    Ok(exit(&takes))
}

fn exit(takes: &Takes) -> Exit {
    let unknown = takes.values().any(|take| matches!(take.phase, Phase::ChargeUnknown { .. }));
    if unknown { Exit::Unknown } else { Exit::Done }
}

fn detail(take: &Take) -> String {
    match &take.phase {
        Phase::ChargeUnknown { reason } => reason.clone(),
        Phase::Running { job, .. } | Phase::Rendered { job, .. } => job.request_id.clone(),
        Phase::Failed(failure) => match &failure.about {
            Some(about) => format!("{}: {about}: {}", kind(failure.kind), failure.message),
            None => format!("{}: {}", kind(failure.kind), failure.message),
        },
        Phase::Done(delivery) => format!("{} bytes, sha256 {}", delivery.bytes, delivery.sha256),
        Phase::Ready { .. } => String::new(),
    }
}

fn kind(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::FixShot => "fix the shot",
        FailureKind::Moderated => "moderated",
        FailureKind::TimedOut => "timed out",
        FailureKind::Cancelled => "cancelled",
        FailureKind::Account => "account",
        FailureKind::TryAgain => "try again",
    }
}

fn row(id: &TakeId, take: &Take) -> Value {
    json!({
        "take": id.to_string(),
        "state": take.phase.as_str(),
        "usd_micros": take.committed,
        "usd_micros_estimate": take.plan.estimate,
        "usd_micros_charged": take.charged,
        "request_id": take.job.as_ref().map(|job| &job.request_id),
        "follows": take.plan.follows.as_ref().map(|follows| &follows.take),
        "change": take.plan.follows.as_ref().map(|follows| follows.change.words()),
        "detail": detail(take),
    })
}

fn show(project: &Project, takes: &Takes, json: bool) {
    if json {
        let rows: Vec<Value> = takes.iter().map(|(id, take)| row(id, take)).collect();
        let total: Usd = takes.values().map(|take| take.committed).sum();
        result_json("status", json!({ "takes": rows, "usd_micros": total, "usd_micros_limit": project.list.budget }));
        return;
    }
    say(overview(project, takes));
    let unusable: Usd = unusable(project, takes).into_iter().map(|one| one.amount).sum();
    if unusable > Usd::ZERO {
        say(format_args!("paid but unusable {unusable}: `seedpost status --unusable` lists it with request ids"));
    }
}

/// The table of all takes, and what they cost together.
fn overview(project: &Project, takes: &Takes) -> String {
    let mut rows = table(["TAKE", "STATE", "ESTIMATE", "COST", "FOLLOWS", "DETAIL"]);
    for (id, take) in takes {
        let billed = if take.charged.is_some() { " billed" } else { "" };
        let follows = take.plan.follows.as_ref();
        rows.add_row([
            id.to_string(),
            take.phase.as_str().to_owned(),
            take.plan.estimate.to_string(),
            format!("{}{billed}", take.committed),
            follows.map_or_else(String::new, |follows| format!("{}, {}", follows.take, follows.change.words())),
            detail(take),
        ]);
    }
    format!("{rows}\n{}", sum(project, takes))
}

fn sum(project: &Project, takes: &Takes) -> String {
    let total: Usd = takes.values().map(|take| take.committed).sum();
    let limit = project.list.budget.map_or_else(|| "no limit".to_owned(), |limit| format!("of {limit}"));
    format!("committed {total} · budget {limit}")
}

/// Takes that were or may have been paid for and cannot be used, and why.
fn unusable<'t>(project: &Project, takes: &'t Takes) -> Vec<Unusable<'t>> {
    let why = |id: &TakeId, take: &Take| match &take.phase {
        Phase::Failed(_) => Some(detail(take)),
        Phase::Done(_) => {
            let facts = finish::facts_of(project, id)?;
            let breaches: Vec<String> = facts
                .findings
                .iter()
                .filter(|finding| finding.severity == Weight::Breach)
                .map(|finding| format!("{}: {}, expected {}", finding.rule, finding.found, finding.expected))
                .collect();
            (!breaches.is_empty()).then(|| breaches.join("; "))
        }
        _ => None,
    };
    let mut all = Vec::new();
    for (id, take) in takes {
        let earlier = |(request_id, amount): &(String, Usd)| Unusable {
            id,
            take,
            request_id: Some(request_id.clone()),
            amount: *amount,
            billed: Some(*amount),
            why: "an earlier attempt that made no clip".to_owned(),
        };
        all.extend(take.billed.iter().filter(|(_, amount)| *amount > Usd::ZERO).map(earlier));
        let amount = take.committed.minus(take.before);
        if let Some(why) = why(id, take).filter(|_| amount > Usd::ZERO) {
            let request_id = take.job.as_ref().map(|job| job.request_id.clone());
            all.push(Unusable { id, take, request_id, amount, billed: take.charged, why });
        }
    }
    all
}

/// Money without a clip that can be used.
struct Unusable<'t> {
    id: &'t TakeId,
    take: &'t Take,
    request_id: Option<String>,
    amount: Usd,
    billed: Option<Usd>,
    why: String,
}

fn show_unusable(project: &Project, takes: &Takes, json: bool) {
    let unusable = unusable(project, takes);
    let total: Usd = unusable.iter().map(|one| one.amount).sum();
    if json {
        let one = |one: &Unusable<'_>| {
            json!({
                "take": one.id.to_string(),
                "provider": one.take.plan.provider,
                "endpoint": one.take.plan.endpoint,
                "request_id": one.request_id,
                "usd_micros": one.amount,
                "usd_micros_charged": one.billed,
                "why": one.why,
            })
        };
        let rows: Vec<Value> = unusable.iter().map(one).collect();
        result_json("unusable", json!({ "takes": rows, "usd_micros": total }));
        return;
    }
    let mut rows = table(["TAKE", "PROVIDER", "REQUEST", "COST", "BILLED", "WHY"]);
    for one in &unusable {
        rows.add_row([
            one.id.to_string(),
            format!("{} {}", one.take.plan.provider.as_str(), one.take.plan.endpoint),
            one.request_id.clone().unwrap_or_default(),
            one.amount.to_string(),
            one.billed.map_or_else(|| "not read yet".to_owned(), |billed| billed.to_string()),
            one.why.clone(),
        ]);
    }
    say(rows);
    say(format_args!("paid or perhaps paid, and unusable: {total}"));
}

fn show_hosts(hosts: &Hosts, json: bool) {
    if json {
        let file = |((file, sha256), takes): (&(String, String), &Vec<String>)| json!({ "file": file, "sha256": sha256, "takes": takes });
        let host = |(host, files): (&String, &BTreeMap<_, _>)| json!({ "host": host, "files": files.iter().map(file).collect::<Vec<_>>() });
        result_json("hosts", json!({ "hosts": hosts.iter().map(host).collect::<Vec<_>>() }));
        return;
    }
    let mut rows = table(["HOST", "FILE", "SHA256", "FOR"]);
    for (host, files) in hosts {
        for ((file, sha256), takes) in files {
            rows.add_row([host.clone(), file.clone(), sha256.clone(), takes.join(" ")]);
        }
    }
    say(rows);
}
