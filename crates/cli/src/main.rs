//! The program `seedpost`: parse, run, exit.

mod assets;

mod commands;

mod finish;

mod keys;

mod output;

mod prepare;

mod progress;

mod project;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = commands::Cli::parse();
    let json = cli.json;
    match commands::run(cli) {
        Ok(code) => code.into(),
        Err(failure) => failure.report(json).into(),
    }
}
