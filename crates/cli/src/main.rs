//! The program `seedpost`: parse, run, exit.

mod assets;

mod batch;

mod books;

mod bundle;

mod clip;

mod commands;

mod copies;

mod cut;

mod door;

mod drawing;

mod due;

mod finish;

mod hosts;

mod interrupt;

mod keys;

mod layback;

mod mhl;

mod notes;

mod output;

mod package;

mod plot;

mod prepare;

mod prices;

mod progress;

mod project;

mod recut;

mod reel;

mod report;

mod separation;

mod sound;

mod supplied;

mod sync;

mod sync_plot;

mod trim_plan;

mod uploads;

mod waveform;

mod webhook;

mod workers;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // A decoder that gives up on a hostile file is told as an error about that file.
        if !seedpost_media::decode::is_guarded() {
            print(panic);
        }
    }));
    let cli = commands::Cli::parse();
    let json = cli.json;
    match commands::run(cli) {
        Ok(code) => code.into(),
        Err(failure) => failure.report(json).into(),
    }
}
