//! `simulator`: the offline stand-in for the providers, until it is ended.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use seedpost_simulator::{Config, Simulator};
use serde_json::json;

use super::block_on;
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
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let scratch = tempfile::tempdir()
        .map_err(|error| Failure::new(Exit::Internal, error.to_string(), "check the temporary folder"))?;
    let folder = arguments.folder.clone().unwrap_or_else(|| scratch.path().to_owned());
    let config =
        Config { listen: arguments.listen, folder, worker: worker_program(), parallel: arguments.parallel.into() };
    let ended = block_on(async {
        let simulator = Simulator::start(config).await?;
        say(json!({ "url": simulator.url() }));
        tokio::select! {
            ended = simulator.wait() => ended,
            stopped = tokio::signal::ctrl_c() => stopped,
        }
    })?;
    ended.map(|()| Exit::Done).map_err(|error| {
        Failure::new(Exit::Internal, format!("the simulator ended: {error}"), "choose another address with --listen")
    })
}
