//! `worker`: renders takes of a ledger that machines share, until it is ended.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use clap::Args;
use metrics_exporter_prometheus::PrometheusBuilder;
use seedpost_core::job::{Plan, PollPace};
use seedpost_core::shot::ProviderName;
use seedpost_render::fleet::{Doors, Entrance, Fleet, Worker};
use seedpost_render::ledger::Ledger;
use tokio::sync::{Mutex, watch};
use tracing_subscriber::EnvFilter;

use super::block_on;
use crate::batch::MAX_CLIP;
use crate::books;
use crate::door::{self, Door, Way};
use crate::interrupt::Ends;
use crate::keys::Environment;
use crate::output::{Exit, Failure};
use crate::project::ledger_failure;
use crate::workers;

/// The shortest wait between two questions about a job, in milliseconds: each one passes through the queue.
const LEAST_MS: u64 = 1000;

/// What is told without RUST_LOG.
const TOLD: &str =
    "info,apalis=warn,apalis_core=warn,apalis_postgres=warn,sqlx=warn,sqlx::postgres::notice=error,sqlx_core=error";

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Where files lie for all machines: file:///folder or s3://bucket/prefix. Absent: SEEDPOST_STORE.
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// How many steps are done at once.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1000))]
    concurrency: u16,
    /// After how many seconds others take up what a worker has left lying.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(3..=3600))]
    lease: u16,
    /// Where Prometheus finds what the worker has counted.
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
    /// How the worker tells what it does, on standard error; RUST_LOG chooses what.
    #[arg(long, value_enum, default_value = "plain")]
    log: Log,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Log {
    /// Lines.
    Plain,
    /// One JSON object a line.
    Json,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let environment = Environment::read(Path::new("."));
    let missing = || {
        let fix = "name it with --ledger postgres://user@host/database, or in SEEDPOST_LEDGER";
        Failure::new(Exit::Usage, "a worker needs a ledger that machines share", fix)
    };
    let address = books::address(&environment)?.ok_or_else(missing)?;
    begin_log(arguments.log);
    block_on(work(arguments, environment, &address))??;
    Ok(Exit::Done)
}

async fn work(arguments: &Arguments, environment: Environment, address: &str) -> Result<(), Failure> {
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        Failure::new(Exit::Internal, format!("failed to {what}: {error}"), "run `seedpost doctor`")
    };
    // Before anything is begun, so that no signal goes past it.
    let mut ends = Ends::listen().map_err(|error| failed("listen for signals", &error))?;
    let providers = with_keys(&environment).await?;
    let store = workers::store(&environment, arguments.store.as_deref()).await?;
    let ledger = Ledger::connect(address).await.map_err(|error| ledger_failure(&error))?;
    ledger.writable().map_err(|error| ledger_failure(&error))?;
    let fleet = Fleet::of(&ledger).await.map_err(|error| ledger_failure(&error))?;
    if let Some(address) = arguments.metrics {
        let begun = PrometheusBuilder::new().with_http_listener(address).install();
        begun.map_err(|error| failed(&format!("serve metrics at {address}"), &error))?;
    }
    let scratch = tempfile::Builder::new()
        .prefix("seedpost-worker-")
        .tempdir()
        .map_err(|error| failed("make a folder for clips", &error))?;
    let (stop, stopped) = watch::channel(false);
    let names: Vec<&str> = providers.iter().map(|provider| provider.as_str()).collect();
    tracing::info!(
        ledger = ledger.place(),
        providers = names.join(","),
        concurrency = arguments.concurrency,
        "at work"
    );
    let worker = Worker {
        // It serves until the program ends.
        ledger: Box::leak(Box::new(ledger)),
        fleet,
        store,
        doors: Box::new(Keys { environment, providers, open: Mutex::default() }),
        concurrency: arguments.concurrency.into(),
        lease: Duration::from_secs(arguments.lease.into()),
        max_clip: MAX_CLIP,
        scratch: scratch.path().to_owned(),
        stop: stopped,
    };
    let mut working = std::pin::pin!(worker.run());
    tokio::select! {
        () = &mut working => {}
        () = ends.next() => {
            tracing::info!("ending: steps that were begun are finished, the rest is given back");
            stop.send_replace(true);
            tokio::select! {
                () = working => {}
                () = ends.next() => return Err(Failure::new(Exit::Stopped, "stopped at once", "others take up what it had")),
            }
        }
    }
    Ok(())
}

fn begin_log(log: Log) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(TOLD));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // It is begun once.
    let _ = match log {
        Log::Plain => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        Log::Json => lines.json().flatten_event(true).try_init(),
    };
}

/// The providers that this machine has keys for; what is wrong with one is told before any work is taken.
async fn with_keys(environment: &Environment) -> Result<Vec<ProviderName>, Failure> {
    use ProviderName::{Ark, Fal, Openai, Simulator};
    let all = [Simulator, Fal, Ark, Openai];
    let found = all.into_iter().filter(|provider| environment.get(workers::needs(*provider)).is_some());
    let found: Vec<ProviderName> = found.collect();
    for provider in &found {
        door::open(None, environment, &Way { provider: *provider, region: None }).await?;
    }
    if found.is_empty() {
        let names = all.map(workers::needs).join(", ");
        let fix = format!("set one or more of {names} in its environment or in `.env` in its folder");
        return Err(Failure::new(Exit::Usage, "a worker renders with its own keys, and has none", fix));
    }
    Ok(found)
}

/// Doors, opened with this machine's keys and kept open.
struct Keys {
    environment: Environment,
    providers: Vec<ProviderName>,
    open: Mutex<BTreeMap<Way, &'static Entrance>>,
}

#[async_trait]
impl Doors for Keys {
    fn providers(&self) -> Vec<ProviderName> {
        self.providers.clone()
    }

    async fn open(&self, plan: &Plan) -> Result<&'static Entrance, String> {
        let way = Way::of(plan);
        let mut open = self.open.lock().await;
        if let Some(entrance) = open.get(&way) {
            return Ok(entrance);
        }
        let door = door::open(None, &self.environment, &way).await.map_err(|failure| failure.message().to_owned())?;
        let name = format!("{} {}", way.provider.as_str(), way.region.as_deref().unwrap_or_default());
        let Door { provider, pace, room, .. } = door;
        let pace = PollPace { least_ms: pace.least_ms.max(LEAST_MS), most_ms: pace.most_ms.max(LEAST_MS) };
        // As many as there are providers, for as long as the program runs.
        let entrance: &'static Entrance = Box::leak(Box::new(Entrance { name, provider, pace, room }));
        open.insert(way, entrance);
        Ok(entrance)
    }
}
