//! The command list: what can be typed, and which file carries it out.

mod cancel;

mod check;

mod conform;

mod doctor;

mod export;

mod finish;

mod import;

mod lane;

mod layback;

mod ledger;

mod plan;

mod probe;

mod promote;

mod resolve;

mod run;

mod serve;

mod simulator;

mod status;

mod stems;

mod sync;

mod turnover;

mod verify;

mod worker;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use seedpost_core::shot::ProviderName;

use crate::books;
use crate::output::{Exit, Failure};
use crate::progress::Style;
use crate::project::Project;

const EXAMPLE: &str = "Example:\n  seedpost check shots.toml && seedpost plan shots.toml\n  seedpost run shots.toml && seedpost turnover shots.toml\n\nExit codes:\n  0 done · 2 usage · 3 shot list or assets invalid · 4 delivered media fail the spec · 5 budget refused\n  6 provider refused or unreachable · 7 a payment is unknown and waits for a person\n  8 some shots failed, the rest are done\n  10 files of a package are missing · 11 changed · 21 new · 31 its history was edited\n  70 internal · 130 stopped by Ctrl-C";

const SERVE: &str = "Example:\n  seedpost serve shots.toml --public-url https://hooks.example.com/seedpost &\n  seedpost run shots.toml\n\nA webhook only wakes a poll: `run` always polls too, so nothing is lost where none arrives.\n\nIt speaks plain HTTP. Put a proxy with TLS before it that takes the public path off, such as nginx:\n  location /seedpost/ { proxy_pass http://127.0.0.1:8787/; }\nor Caddy:\n  handle_path /seedpost/* { reverse_proxy 127.0.0.1:8787 }";

const WORKER: &str = "Example:\n  FAL_KEY=… seedpost worker --ledger postgres://post@db/kitchen --store s3://post/kitchen --metrics 127.0.0.1:9464\n\nStart as many as you like, on as many machines. Keys are those of the worker's environment, or of `.env` in its folder.\nSIGTERM or Ctrl-C ends it: it finishes the steps that it has begun, and gives the rest back.";

/// From AI-rendered shots to a turnover package: check, render, strip or keep the sound, hand over.
#[derive(Debug, Parser)]
#[command(name = "seedpost", version, after_help = EXAMPLE)]
pub(crate) struct Cli {
    /// Print one JSON object on standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// How progress is shown on standard error.
    #[arg(long, global = true, value_enum, default_value = "auto")]
    pub(crate) progress: Style,
    /// The ledger that machines share: postgres://user@host/database. Absent: SEEDPOST_LEDGER, else the project's own file.
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) ledger: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a shot list and its assets against the rules of every model; nothing is sent.
    #[command(
        after_help = "Example:\n  seedpost check shots.toml --json\n  seedpost check shots.toml --fetch --format junit > check.xml\n  seedpost check --explain audio.combined_duration"
    )]
    Check(check::Arguments),
    /// Make upload copies of supplied assets that the model takes; the sources are not touched.
    #[command(
        after_help = "Example:\n  seedpost conform shots.toml --plot cuts.svg\n  seedpost conform shots.toml --write-plan plan.json && seedpost conform shots.toml --plan plan.json\n  seedpost conform --sound reel.wav --from 00:10:00 --until 00:10:15 --to line.wav"
    )]
    Conform(conform::Arguments),
    /// Show what would be sent and what it would cost; nothing is sent.
    #[command(after_help = "Example:\n  seedpost plan shots.toml --provider fal")]
    Plan(List),
    /// Render every take that is missing, then finish it: probe, lane, stems.
    #[command(
        after_help = "Example:\n  seedpost run shots.toml --budget 40 --approve-over 10\n\nRun it again after any interruption: finished work is left alone, and nothing is paid twice."
    )]
    Run(run::Arguments),
    /// Show where each take stands and what it cost.
    #[command(
        after_help = "Example:\n  seedpost status shots.toml\n  seedpost status shots.toml --unusable --json > claim.json\n  seedpost status shots.toml --hosts\n  seedpost run shots.toml & seedpost status shots.toml --watch"
    )]
    Status(status::Arguments),
    /// Read the record of takes and payments: as lines of JSON, or to see whether it adds up.
    #[command(
        after_help = "Example:\n  seedpost ledger verify shots.toml\n  seedpost ledger export shots.toml --out ledger.jsonl"
    )]
    Ledger(ledger::Arguments),
    /// Settle a take whose payment is unknown.
    #[command(
        after_help = "Example:\n  seedpost resolve SC010_SH020_T01                        (shows what is known and found, and asks)\n  seedpost resolve SC010_SH020_T01 --charged REQUEST_ID\n  seedpost resolve SC010_SH020_T01 --not-charged\n  seedpost resolve SC010_SH020_T01 --given-up"
    )]
    Resolve(resolve::Arguments),
    /// Ask the provider to drop a job that is under way.
    #[command(after_help = "Example:\n  seedpost cancel SC010_SH020_T01")]
    Cancel(cancel::Arguments),
    /// Ask for the winner of a sweep of drafts at full quality, as a take of its own.
    #[command(after_help = "Example:\n  seedpost promote SC010_SH020 7 && seedpost run shots.toml")]
    Promote(promote::Arguments),
    /// Measure media files.
    #[command(after_help = "Example:\n  seedpost probe takes/*/*/render.mp4")]
    Probe(probe::Arguments),
    /// Make any model's clips ready for the cut: measure, compare, keep or strip the sound, stem, checks.
    #[command(
        after_help = "Example:\n  seedpost finish clip.mp4 --lane strip\n  seedpost finish takes/*.mp4 --intent broadcast --profile seedance-2.0 --mode fail --deep --pictures --json"
    )]
    Finish(finish::Arguments),
    /// Show each shot's lane and why, or strip the sound off any clip.
    #[command(after_help = "Example:\n  seedpost lane shots.toml\n  seedpost lane --strip clip.mp4 --out picture.mp4")]
    Lane(lane::Arguments),
    /// Write the sound of any clip as Broadcast WAVs, whole and taken apart; or a whole cut's, as one reel.
    #[command(
        after_help = "Example:\n  seedpost stems clip.mp4 --reference line.wav --split --out stems/\n  seedpost stems shots.toml --out reel/"
    )]
    Stems(stems::Arguments),
    /// Tell where a clip speaks the sounds that were supplied for it, phrase by phrase.
    #[command(
        after_help = "Example:\n  seedpost sync clip.mp4 --reference line.wav --plot sync.svg\n  seedpost sync shots.toml SC010_SH020_T01 --edits edits.csv\n\nExit code 4 where a phrase is more than --sync-fail frames off."
    )]
    Sync(sync::Arguments),
    /// Write the cut in the forms that editors' and sound people's programs open, with the list of what each could not
    /// carry.
    #[command(
        after_help = "Example:\n  seedpost export shots.toml --for resolve --stamp --out cut/\n  seedpost export shots.toml --all --conform 23.976 --out cut_23976/"
    )]
    Export(export::Arguments),
    /// Take an editor's recut back: tell what was changed, and cut as it says from then on. Or take notes back.
    #[command(
        after_help = "Example:\n  seedpost import recut.otio\n  seedpost import recut.edl --handles 24 --dry-run --json\n  seedpost import notes.edl\n  seedpost import --list-order\n  seedpost import --forget-notes\n\nA list of markers, such as the report of a package or DaVinci Resolve writes, adds notes: each follows its take\nthrough later recuts, and is a marker in all exports and packages. Its TITLE names the package it was written for;\nelse it is read beside the present cut."
    )]
    Import(import::Arguments),
    /// Build the package for sound: pictures, stems, timelines, checksums.
    #[command(
        after_help = "Example:\n  seedpost turnover shots.toml\n  seedpost turnover shots.toml --reference prores --guide split"
    )]
    Turnover(turnover::Arguments),
    /// Check a package against its manifest and its ASC MHL history, and add what was found to the history.
    #[command(
        after_help = "Example:\n  seedpost verify turnover/Kitchen_at_seven_v001\n  seedpost verify /media/stick/Kitchen_at_seven_v001 --no-record --json\n\nExit codes, as those of ASC MHL's reference tool:\n  31 the history was edited, else 11 files changed, else 21 new files, else 10 files missing"
    )]
    Verify(verify::Arguments),
    /// Take a finished mix back under the picture of a package: checked to the sample, laid by stream copy.
    #[command(
        after_help = "Example:\n  seedpost layback turnover/Kitchen_at_seven_v001 --mix mix.wav --target ebu\n  seedpost layback turnover/Kitchen_at_seven_v001 --mix mix.wav --per-shot --out delivery/\n\nExit code 4 where the mix or a picture is not what it should be: every fault is told at once, and nothing is written."
    )]
    Layback(layback::Arguments),
    /// Receive providers' webhooks, so that `run` asks the moment a clip is ready.
    #[command(after_help = SERVE)]
    Serve(serve::Arguments),
    /// Render takes of a ledger that machines share, until it is ended.
    #[command(after_help = WORKER)]
    Worker(worker::Arguments),
    /// Run the offline stand-in for the providers until it is ended.
    #[command(
        after_help = "Example:\n  seedpost simulator --listen 127.0.0.1:0\n  SEEDPOST_SIMULATOR_URL=http://127.0.0.1:40001 seedpost run shots.toml"
    )]
    Simulator(simulator::Arguments),
    /// Check this machine: worker, encoders, disk, keys.
    #[command(after_help = "Example:\n  seedpost doctor")]
    Doctor(doctor::Arguments),
}

/// Which shot list, and through which door.
#[derive(Debug, Clone, Args)]
pub(crate) struct List {
    /// The shot list, TOML or JSON.
    #[arg(default_value = "shots.toml")]
    pub(crate) shots: PathBuf,
    /// Use this provider instead of the list's.
    #[arg(long, value_parser = provider)]
    pub(crate) provider: Option<ProviderName>,
}

impl List {
    pub(crate) fn open(&self) -> Result<Project, Failure> {
        Project::open(&self.shots, self.provider)
    }
}

fn provider(text: &str) -> Result<ProviderName, String> {
    ProviderName::parse(text).ok_or_else(|| "use simulator, fal, ark or openai".to_owned())
}

/// Carries out a command.
pub(crate) fn run(cli: Cli) -> Result<Exit, Failure> {
    let json = cli.json;
    books::choose(cli.ledger);
    match cli.command {
        Command::Check(arguments) => check::run(&arguments, json, cli.progress),
        Command::Conform(arguments) => conform::run(&arguments, json, cli.progress),
        Command::Plan(list) => plan::run(&list, json),
        Command::Run(arguments) => run::run(&arguments, json, cli.progress),
        Command::Status(arguments) => status::run(&arguments, json),
        Command::Ledger(arguments) => ledger::run(&arguments, json),
        Command::Cancel(arguments) => cancel::run(&arguments, json),
        Command::Promote(arguments) => promote::run(&arguments, json),
        Command::Resolve(arguments) => resolve::run(&arguments, json),
        Command::Probe(arguments) => probe::run(&arguments, json),
        Command::Finish(arguments) => finish::run(&arguments, json, cli.progress),
        Command::Lane(arguments) => lane::run(&arguments, json),
        Command::Stems(arguments) => stems::run(&arguments, json),
        Command::Sync(arguments) => sync::run(&arguments, json),
        Command::Export(arguments) => export::run(&arguments, json, cli.progress),
        Command::Import(arguments) => import::run(&arguments, json),
        Command::Turnover(arguments) => turnover::run(&arguments, json, cli.progress),
        Command::Verify(arguments) => verify::run(&arguments, json, cli.progress),
        Command::Layback(arguments) => layback::run(&arguments, json, cli.progress),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Worker(arguments) => worker::run(&arguments),
        Command::Simulator(arguments) => simulator::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments, json),
    }
}

/// The engine under everything that waits for a network or database.
pub(crate) fn block_on<F: Future>(future: F) -> Result<F::Output, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime
        .map_err(|error| Failure::new(Exit::Internal, format!("failed to start: {error}"), "run `seedpost doctor`"))?;
    Ok(runtime.block_on(future))
}
