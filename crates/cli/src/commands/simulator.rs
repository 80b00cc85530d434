//! `simulator`: the offline stand-in for the providers, until it is ended.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use seedpost_core::time::ClockTime;
use seedpost_simulator::{Config, Fault, Simulator};
use serde_json::json;

use super::block_on;
use crate::interrupt::Ends;
use crate::output::{Exit, Failure, say};
use crate::project::worker_program;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Where to listen; port 0 takes a free one. The address is printed as JSON.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where jobs and files are kept; a folder that is removed at the end where absent.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// How many clips are rendered at once.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    parallel: u16,
    /// A clip that every accepted job is done with, instead of one that is rendered.
    #[arg(long, value_name = "FILE")]
    clip: Option<PathBuf>,
    /// How many seconds a job waits before it is carried out.
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    queue: Duration,
    /// What shall go wrong: a JSON list of faults.
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
}

/// Whole or decimal seconds, up to a day.
fn seconds(text: &str) -> Result<Duration, String> {
    let most = Duration::from_secs(24 * 3600);
    let seconds = text.parse().ok().map(|time: ClockTime| Duration::from_micros(time.0));
    seconds.filter(|seconds| *seconds <= most).ok_or_else(|| "a number of seconds from 0 to 86400 is needed".to_owned())
}

fn read_faults(path: &Path) -> Result<Vec<Fault>, Failure> {
    let read = std::fs::read(path).map_err(|error| error.to_string());
    let faults = read.and_then(|text| serde_json::from_slice(&text).map_err(|error| error.to_string()));
    faults.map_err(|what| {
        let words = format!("failed to read the faults in {}: {what}", path.display());
        Failure::new(Exit::Usage, words, "give a JSON list such as [{\"call\": \"submit\", \"fault\": \"drop\"}]")
    })
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let scratch = tempfile::tempdir()
        .map_err(|error| Failure::new(Exit::Internal, error.to_string(), "check the temporary folder"))?;
    let folder = arguments.folder.clone().unwrap_or_else(|| scratch.path().to_owned());
    let config = Config {
        listen: arguments.listen,
        folder,
        worker: worker_program(),
        parallel: arguments.parallel.into(),
        clip: arguments.clip.clone(),
        queue: arguments.queue,
        faults: arguments.faults.as_deref().map(read_faults).transpose()?.unwrap_or_default(),
    };
    let ended = block_on(async {
        // Before anything is announced, so that no signal goes past it.
        let mut ends = Ends::listen()?;
        let simulator = Simulator::start(config).await?;
        say(json!({ "url": simulator.url() }));
        tokio::select! {
            ended = simulator.wait() => ended,
            () = ends.next() => Ok(()),
        }
    })?;
    ended.map(|()| Exit::Done).map_err(|error| {
        let (exit, hint) = match error.kind() {
            ErrorKind::InvalidInput => (Exit::Usage, "change --clip or --faults"),
            _ => (Exit::Internal, "choose another address with --listen"),
        };
        Failure::new(exit, format!("the simulator ended: {error}"), hint)
    })
}
