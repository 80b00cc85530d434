//! `check`: every fault of a list and its assets at once, and which models would take each shot.

mod junit;
mod report;

use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use seedpost_core::catalog::{Catalog, Model};
use seedpost_core::media::MediaInfo;
use seedpost_core::reference;
use seedpost_core::rule::Rule;
use seedpost_render::fetch::{FetchLimits, Fetcher, Reach};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use self::report::Report;
use super::{List, block_on};
use crate::assets::{self, Measured};
use crate::output::{Exit, Failure, result_json, say, table};
use crate::progress::{Bar, Style};
use crate::project::Project;

/// The most bytes that are read of a remote reference: the largest that any model takes.
const MAX_REMOTE: u64 = 200_000_000;
/// How long reading one remote reference may take.
const MAX_TIME: Duration = Duration::from_secs(120);
/// How often a remote reference may send its reader on.
const MAX_REDIRECTS: usize = 5;
/// How many remote references are read at a time.
const AT_ONCE: usize = 8;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    list: List,
    /// Read references that are URLs too, with limits on size, time and redirects.
    #[arg(long)]
    fetch: bool,
    /// Let --fetch read from private, loopback and link-local addresses.
    #[arg(long, requires = "fetch")]
    allow_private_hosts: bool,
    /// Print what a rule demands, of whom, and who says so.
    #[arg(long, value_name = "RULE")]
    explain: Option<String>,
    /// The form of the result; `json` is as --json.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// The form of the result on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Words and a table.
    Text,
    /// One JSON object; its schema is docs/check.schema.json.
    Json,
    /// JUnit XML for pipelines: a test case for each shot.
    Junit,
}

pub(super) fn run(arguments: &Arguments, json: bool, style: Style) -> Result<Exit, Failure> {
    if let Some(rule) = &arguments.explain {
        return explain(rule, json);
    }
    let (project, form) = Project::draft(&arguments.list.shots, arguments.list.provider)?;
    let bar = Bar::new(style);
    let mut measured = assets::measure(&project, &bar);
    if arguments.fetch {
        fetch(&project, arguments.allow_private_hosts, &mut measured, &bar)?;
    }
    let report = Report::new(&project, form, &measured);
    report.tell();
    match if json { Format::Json } else { arguments.format } {
        Format::Text => report.print(),
        Format::Json => result_json("check", report.json()),
        Format::Junit => say(junit::document(&report)?),
    }
    Ok(if report.is_good() { Exit::Done } else { Exit::Invalid })
}

/// Reads every URL of the list into a file that nobody sees, several at a time, and measures it.
fn fetch(project: &Project, private_hosts: bool, measured: &mut Measured, bar: &Bar) -> Result<(), Failure> {
    let reach = if private_hosts { Reach::Everywhere } else { Reach::Public };
    let limits = FetchLimits { max_bytes: MAX_REMOTE, time: MAX_TIME, redirects: MAX_REDIRECTS, reach };
    let fetcher = Fetcher::new(limits)
        .map_err(|error| Failure::new(Exit::Internal, error.to_string(), "run `seedpost doctor`"))?;
    let urls = assets::urls(project);
    bar.begin("fetching", urls.len());
    let (fetcher, places) = (Arc::new(fetcher), Arc::new(Semaphore::new(AT_ONCE)));
    let found = block_on(async {
        let mut tasks = JoinSet::new();
        for url in urls {
            let (fetcher, places, url) = (fetcher.clone(), places.clone(), url.to_owned());
            tasks.spawn(async move {
                let _place = places.acquire_owned().await;
                (fetch_one(&fetcher, &url).await, url)
            });
        }
        let mut found = Vec::new();
        while let Some(task) = tasks.join_next().await {
            found.push(task);
            bar.step();
        }
        found
    })?;
    bar.end();
    for task in found {
        let (result, url) = task.map_err(|error| Failure::new(Exit::Internal, error.to_string(), "run it again"))?;
        let disk = |error| Failure::disk("write in", &std::env::temp_dir(), &error);
        measured.add(url, result.map_err(disk)?);
    }
    Ok(())
}

async fn fetch_one(fetcher: &Fetcher, url: &str) -> std::io::Result<Result<MediaInfo, String>> {
    let file = tempfile::NamedTempFile::new()?;
    if let Err(error) = fetcher.fetch(url, &mut file.as_file()).await {
        return Ok(Err(error.to_string()));
    }
    tokio::task::spawn_blocking(move || assets::measure_file(file.path())).await.map_err(std::io::Error::other)
}

/// Prints a rule; those of the catalog with each model's own number.
fn explain(id: &str, json: bool) -> Result<Exit, Failure> {
    let Some(rule) = Rule::find(id) else {
        let ids: Vec<&str> = Rule::all().iter().map(|rule| rule.id.as_str()).collect();
        let hint = seedpost_core::shot::suggestion(id, &ids);
        return Err(Failure::new(Exit::Usage, format!("there is no rule {id:?}"), hint));
    };
    let rows = || Catalog::built_in().models().iter().filter(|_| rule.is_catalogs());
    let value = |model: &Model| reference::demand(&rule.id, model).unwrap_or_else(|| "no limit known".to_owned());
    if json {
        let row = |model: &Model| json!({ "provider": model.provider, "model": model.model, "tier": model.tier, "demands": value(model), "source": model.source, "date": model.date });
        let models: Vec<_> = rows().map(row).collect();
        result_json(
            "rule",
            json!({ "rule": rule.id, "severity": rule.severity, "says": rule.says, "source": rule.source, "date": rule.date, "models": models }),
        );
        return Ok(Exit::Done);
    }
    let severity = serde_json::to_value(rule.severity).unwrap_or_default();
    say(format_args!("{} ({})\n  {}", rule.id, severity.as_str().unwrap_or_default(), rule.says));
    if !rule.is_catalogs() {
        say(format_args!("  source  {}", rule.cited()));
        return Ok(Exit::Done);
    }
    let mut lines = table(["PROVIDER", "MODEL", "TIER", "DEMANDS", "SOURCE"]);
    for model in rows() {
        lines.add_row([model.provider.clone(), model.model.clone(), model.tier.clone(), value(model), model.cited()]);
    }
    say(lines);
    Ok(Exit::Done)
}
