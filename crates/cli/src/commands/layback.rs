//! `layback`: a finished mix, back under the picture.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use seedpost_core::layback::{Check, Target, Verdict};
use serde_json::json;

use crate::interrupt;
use crate::layback::{self, Order, Outcome};
use crate::output::{Exit, Failure, note, result_json, say, shown, table};
use crate::progress::Style;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The turnover package's folder.
    turnover: PathBuf,
    /// The finished mix: a 48 kHz, 24-bit stereo WAV of the whole reel, with its pops.
    #[arg(long, value_name = "WAV")]
    mix: PathBuf,
    /// A movie for each shot, as long as its picture in the package, instead of one of the whole cut.
    #[arg(long)]
    per_shot: bool,
    /// The loudness that is asked for; it is measured and told whatever is asked.
    #[arg(long, value_enum, default_value = "off")]
    target: Wanted,
    /// The folder to make; beside the package without it.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Replace a delivery that stands there.
    #[arg(long)]
    force: bool,
}

/// What a delivery asks of loudness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Wanted {
    /// EBU R 128: -23 LUFS ±0.5 LU, -1 dBTP.
    Ebu,
    /// ATSC A/85: -24 LKFS ±2 dB, -2 dBTP.
    Atsc,
    /// Video platforms: -14 LUFS ±1 LU, -1 dBTP.
    Social,
    /// Nothing.
    Off,
}

impl Wanted {
    fn target(self) -> Option<&'static Target> {
        match self {
            Wanted::Ebu => Target::find("ebu"),
            Wanted::Atsc => Target::find("atsc"),
            Wanted::Social => Target::find("social"),
            Wanted::Off => None,
        }
    }
}

pub(super) fn run(arguments: &Arguments, json: bool, style: Style) -> Result<Exit, Failure> {
    interrupt::stoppable()?;
    let order = Order {
        package: &arguments.turnover,
        mix: &arguments.mix,
        per_shot: arguments.per_shot,
        target: arguments.target.target(),
        out: arguments.out.as_deref(),
        force: arguments.force,
        style,
    };
    let made = layback::make(&order);
    // Ctrl-C ends the worker too; then the failure is that it was stopped.
    interrupt::check()?;
    let Outcome { checks, delivery } = made?;
    let (folder, manifest) = delivery.unzip();
    if json {
        result_json(
            "layback",
            json!({
                "package": shown(&arguments.turnover), "mix": shown(&arguments.mix), "delivery": folder.as_ref().map(shown),
                "checks": checks, "clips": manifest.as_ref().map(|manifest| &manifest.clips),
                "heard": manifest.as_ref().map(|manifest| &manifest.heard),
                "files": manifest.as_ref().map(|manifest| &manifest.files),
            }),
        );
    } else {
        table_of(&checks);
    }
    let Some(folder) = folder else {
        checks.iter().filter(|check| check.verdict == Verdict::Refused).for_each(tell);
        note(format_args!("error: {} was not laid back", arguments.mix.display()));
        note("  fix: mend all of the above and give it again; nothing was written");
        return Ok(Exit::Media);
    };
    if !json {
        say(format_args!("delivery  {}", folder.display()));
    }
    Ok(Exit::Done)
}

fn table_of(checks: &[Check]) {
    let mut rows = table(["CHECK", "", "FOUND", "ALLOWED"]);
    for check in checks {
        let verdict = match check.verdict {
            Verdict::Good => "good",
            Verdict::Note => "note",
            Verdict::Refused => "REFUSED",
        };
        rows.add_row([&check.what, verdict, &check.found, &check.allowed]);
    }
    say(rows);
}

fn tell(check: &Check) {
    let Check { what, found, allowed, source, fix, .. } = check;
    note(format_args!("error: {what}: found {found}, allowed {allowed} ({source})"));
    note(format_args!("  fix: {fix}"));
}
