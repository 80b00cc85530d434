//! `conform`: upload copies of supplied assets, and what became of each.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use seedpost_core::time::ClockTime;
use seedpost_core::trim::{self, Cut, Edge, Method};
use serde_json::json;

use super::List;
use crate::assets::{self, measure_file};
use crate::output::{Exit, Failure, result_json, say, shown, table};
use crate::plot;
use crate::prepare::{Prepared, judged, prepare_with};
use crate::progress::{Bar, Style};
use crate::project::{Project, refuse_overwrite, write_whole};
use crate::trim_plan::{self, TrimPlan};
use crate::uploads::{Conformed, cut_sound};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    list: List,
    /// How sounds are cut that are too long together; kept for later runs.
    #[arg(long, value_enum)]
    strategy: Option<Strategy>,
    /// Carry out this plan instead, as a person has edited it; kept for later runs.
    #[arg(long, value_name = "PLAN.json", conflicts_with = "strategy")]
    plan: Option<PathBuf>,
    /// Write the plan for a person to edit, and make nothing.
    #[arg(long, value_name = "PLAN.json")]
    write_plan: Option<PathBuf>,
    /// Draw each sound: what is kept, where it is cut, its fades and pauses.
    #[arg(long, value_name = "OUT.svg")]
    plot: Option<PathBuf>,
    /// Cut this one sound, without a shot list.
    #[arg(long, value_name = "SOUND", requires = "to")]
    sound: Option<PathBuf>,
    /// The first moment kept of SOUND, such as 00:01:02.500.
    #[arg(long, value_name = "TIME", requires = "sound")]
    from: Option<ClockTime>,
    /// The first moment not kept.
    #[arg(long, value_name = "TIME", requires = "sound")]
    until: Option<ClockTime>,
    /// The WAV to write.
    #[arg(long, value_name = "OUT.wav", requires = "sound")]
    to: Option<PathBuf>,
    /// Replace files that stand already.
    #[arg(long)]
    force: bool,
}

/// How cuts are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Strategy {
    /// Silence at the ends goes first, then cuts fall in pauses; by priority.
    Pauses,
    /// Every sound gets a share in proportion to its length, beyond 2 s each.
    Proportional,
    /// Whole sounds by priority; the last ones lose their tails.
    Tail,
}

impl From<Strategy> for Method {
    fn from(strategy: Strategy) -> Method {
        match strategy {
            Strategy::Pauses => Method::Pauses,
            Strategy::Proportional => Method::Proportional,
            Strategy::Tail => Method::Tail,
        }
    }
}

pub(super) fn run(arguments: &Arguments, json: bool, style: Style) -> Result<Exit, Failure> {
    if let Some((sound, to)) = arguments.sound.as_ref().zip(arguments.to.as_ref()) {
        return cut_one(arguments, sound, to, json);
    }
    let project = arguments.list.open()?;
    refuse_outputs(arguments, &project)?;
    let _lock = project.lock()?;
    project.sweep();
    let bar = Bar::new(style);
    let (measured, verdicts) = judged(&project, &bar)?;
    let replaced = arguments.strategy.is_some() || arguments.plan.is_some();
    let mut plan = TrimPlan::of(&project, &measured, arguments.strategy.map(Method::from), replaced)?;
    if let Some(path) = &arguments.plan {
        plan = plan.edited(&TrimPlan::read(path)?)?;
    }
    if let Some(path) = &arguments.plot {
        draw(&project, &plan, path)?;
    }
    if let Some(path) = &arguments.write_plan {
        plan.write(path)?;
        let edit = "change `keep`, then run `seedpost conform --plan` with it";
        return Ok(tell_path(path, "plan", edit, json));
    }
    let prepared = prepare_with(&project, &measured, &verdicts, &plan, &bar)?;
    show(&project, &prepared, json);
    Ok(Exit::Done)
}

/// Refuses to write over what stands, and over what is read whatever was offered.
fn refuse_outputs(arguments: &Arguments, project: &Project) -> Result<(), Failure> {
    let mut inputs: Vec<PathBuf> = assets::files(project).into_iter().map(|name| project.root.join(name)).collect();
    inputs.extend([project.path.clone(), trim_plan::path(project)]);
    inputs.extend(arguments.plan.clone());
    let inputs: Vec<&Path> = inputs.iter().map(PathBuf::as_path).collect();
    for out in [&arguments.write_plan, &arguments.plot].into_iter().flatten() {
        refuse_overwrite(out, arguments.force, &inputs)?;
    }
    Ok(())
}

fn tell_path(path: &Path, key: &str, words: &str, json: bool) -> Exit {
    if json {
        result_json("conform", json!({ key: shown(path) }));
    } else {
        say(format_args!("{}: {words}", path.display()));
    }
    Exit::Done
}

fn draw(project: &Project, plan: &TrimPlan, path: &Path) -> Result<(), Failure> {
    let mut drawing = plot::Plot::new();
    for shot in &plan.shots {
        for sound in &shot.sounds {
            let title = format!("{} @Audio{} {}", shot.shot, sound.number, sound.source);
            drawing.add(&title, &trim_plan::survey(project, sound)?, &sound.planned);
        }
    }
    let drawn = drawing.finish();
    write_whole(path, |out| std::io::Write::write_all(out, drawn.as_bytes()))
        .map_err(|error| Failure::disk("write", path, &error))
}

fn show(project: &Project, prepared: &[Prepared<'_>], json: bool) {
    let sounds = || prepared.iter().flat_map(|shot| shot.conformed.iter().map(move |sound| (&shot.shot.id, sound)));
    let pictures = || prepared.iter().flat_map(|shot| shot.pictures.iter().map(move |copy| (&shot.shot.id, copy)));
    if json {
        let sounds: Vec<_> = sounds().map(|(shot, sound)| json!({ "shot": shot, "sound": sound })).collect();
        let pictures: Vec<_> = pictures().map(|(shot, copy)| json!({ "shot": shot, "picture": copy })).collect();
        return result_json("conform", json!({ "sounds": sounds, "pictures": pictures }));
    }
    let inside = |path: &Path| path.strip_prefix(&project.root).unwrap_or(path).display().to_string();
    let mut rows = table(["SHOT", "SOURCE", "WHAT IS SENT", "UPLOAD"]);
    for (shot, copy) in pictures() {
        rows.add_row([shot.to_string(), copy.source.clone(), copy.changes.join("; "), inside(&copy.upload)]);
    }
    for (shot, sound) in sounds() {
        let upload = if sound.is_copy() { inside(&sound.upload) } else { "as it is".to_owned() };
        rows.add_row([shot.to_string(), sound.source.clone(), kept(sound), upload]);
    }
    if rows.row_count() == 0 {
        say("nothing to conform");
    } else {
        say(rows);
    }
}

fn kept(sound: &Conformed) -> String {
    let range = sound.cut.kept;
    let why = |edge: Edge| match edge {
        Edge::Wanted => "",
        Edge::Silence => " (silence left out)",
        Edge::Pause => " (in a pause)",
        Edge::Sound => " (in sound: no pause in reach)",
        Edge::Hand => " (by hand)",
    };
    let (start, end, source) = (range.start.0, range.end.0, sound.cut.source.0);
    let (begin, close) = (why(sound.begin), why(sound.end));
    format!("{} s: samples {start}{begin} to {end}{close} of {source} at {} Hz", sound.length(), sound.cut.rate.hertz())
}

/// Cuts one sound, without a list: the samples from one moment to another, with fades at the cuts.
fn cut_one(arguments: &Arguments, sound: &Path, to: &Path, json: bool) -> Result<Exit, Failure> {
    refuse_overwrite(to, arguments.force, &[sound])?;
    let invalid = |error: String| {
        let message = format!("failed to cut {}: {error}", sound.display());
        Failure::new(Exit::Invalid, message, "give it a whole WAV, MP3, FLAC, AIFF, OGG or M4A, and times within it")
    };
    let info = measure_file(sound).map_err(invalid)?;
    let audio = info.audio.ok_or_else(|| invalid("it has no sound".to_owned()))?;
    let samples = audio.samples.ok_or_else(|| invalid("its length is not known".to_owned()))?;
    let (rate, start, end) = (audio.sample_rate, arguments.from, arguments.until);
    let source = trim::Source { number: 1, rate, samples, start, end, priority: 1, quiet: Vec::new() };
    let kept = trim::wanted(&source).ok_or_else(|| invalid("there is nothing between those times".to_owned()))?;
    let cut = Cut { rate, source: samples, kept };
    let bits = seedpost_core::reference::fit::own_bits(&audio);
    cut_sound(sound, &cut, bits, to).map_err(|error| invalid(error.to_string()))?;
    if json {
        result_json("conform", json!({ "cut": cut, "upload": shown(to) }));
    } else {
        say(format_args!("{}: samples {} to {} of {}", to.display(), kept.start.0, kept.end.0, samples.0));
    }
    Ok(Exit::Done)
}
