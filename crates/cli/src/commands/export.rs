//! `export`: the cut in every editor's form, with paths to the project's own media or to copies of them.

use std::path::{Path, PathBuf};

use clap::Args;
use seedpost_core::export::{self, Export, Format, Links, Loss, Program, Refusal};
use seedpost_core::timeline::Timeline;
use seedpost_core::turnover::safe_title;
use serde_json::json;

use super::List;
use crate::bundle::Bundle;
use crate::copies::{Copies, Kind, MEDIA};
use crate::cut::{Cut, Missing, SelectedTake, cut, names, own_media, selected, tell_missing};
use crate::finish::files_of;
use crate::output::{Exit, Failure, note, result_json_as, say, shown, table};
use crate::progress::Style;
use crate::project::{Project, refuse_overwrite, sweep_folder, write_whole};

/// The list of what several forms could not carry; of one form it is only shown.
const LOSSES: &str = "losses.json";

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    list: List,
    /// One form: edl, edl32, resolve-markers, avid-markers, otio, otioz, otiod, xmeml, fcpxml, ale, reaper, aaf
    /// (experimental), adr-text, adr-session or adr-csv. Without it, every form that is one file.
    #[arg(long, value_parser = form, group = "which")]
    format: Option<Form>,
    /// The forms that a program takes: avid, premiere, resolve, fcp, protools, reaper or otio.
    #[arg(long = "for", value_parser = program, group = "which", value_name = "PROGRAM")]
    program: Option<Program>,
    /// Every form, the bundles with copies of all media too.
    #[arg(long, group = "which")]
    all: bool,
    /// Write copies of the pictures as .mov, each with a timecode of its own and its reel, and use them.
    #[arg(long)]
    stamp: bool,
    /// Slow the whole cut from 24 frames a second to this rate: 23.976. Labels stay; pictures are stamped copies whose
    /// frames last 1001/1000 as long, stems are resampled copies.
    #[arg(long, value_name = "RATE", value_parser = ["23.976", "23.98", "24000/1001"])]
    conform: Option<String>,
    /// The folder that the files go to; without it `export`, and with --for a folder of the program's name in it.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Replace files that stand there already.
    #[arg(long)]
    force: bool,
}

/// A form, or a bundle of one with its media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    File(Format),
    Bundle(Bundle),
}

impl Form {
    fn file_name(self, title: &str) -> String {
        match self {
            Form::File(format) => format.file_name(title),
            Form::Bundle(bundle) => bundle.file_name(title),
        }
    }
}

fn form(text: &str) -> Result<Form, String> {
    let bundle = || Bundle::parse(text).map(Form::Bundle);
    Format::parse(text).map(Form::File).or_else(bundle).ok_or_else(|| "see --help for the forms".to_owned())
}

fn program(text: &str) -> Result<Program, String> {
    Program::parse(text).ok_or_else(|| format!("use {}", Program::ALLOWED))
}

pub(super) fn run(arguments: &Arguments, json: bool, style: Style) -> Result<Exit, Failure> {
    let project = arguments.list.open()?;
    let _lock = project.lock()?;
    let takes = selected(&project, None)?;
    let Cut { timeline, missing } = cut(&project, &takes, own_media(&project))?;
    let out = &arguments.folder();
    let title = safe_title(&project.list.title);
    let forms = forms(arguments, &timeline)?;
    let needs_sides = forms.contains(&Form::File(Format::Aaf));
    let copies = Copies::plan(&project, &takes, timeline, out, arguments.kind(), needs_sides)?;
    let outs = forms.iter().map(|form| out.join(form.file_name(&title)));
    let list = arguments.format.is_none().then(|| out.join(LOSSES));
    let outs = outs.chain(list.clone());
    refuse(&project, &takes, arguments.force, outs.chain(copies.files()))?;
    sweep_folder(out);
    sweep_folder(&out.join(MEDIA));
    let (exports, refusals) = exports(copies.timeline(), &forms);
    if exports.is_empty() {
        return Err(refused(&refusals));
    }
    copies.make(style)?;
    let mut made = Made { files: Vec::new(), losses: Vec::new(), refusals };
    for (form, export) in exports {
        let path = out.join(form.file_name(&title));
        match form {
            Form::Bundle(bundle) => bundle.write(copies.timeline(), &path)?,
            Form::File(_) => write(&path, &export.content)?,
        }
        made.losses.extend(export.losses);
        made.files.push(path);
    }
    if let Some(path) = list {
        write(&path, &losses_file(&made.losses))?;
        made.files.push(path);
    }
    made.tell(copies.timeline(), &missing, json);
    let exit = tell_missing(&missing);
    Ok(if made.refusals.is_empty() { exit } else { Exit::Partly })
}

impl Arguments {
    fn folder(&self) -> PathBuf {
        let program = self.program.map_or("", Program::as_str);
        self.out.clone().unwrap_or_else(|| Path::new("export").join(program))
    }

    fn kind(&self) -> Kind {
        match (&self.conform, self.stamp) {
            (Some(_), _) => Kind::Slowed,
            (None, true) => Kind::Stamped,
            (None, false) => Kind::Own,
        }
    }
}

/// The forms that are asked for, those of cues only where there are any.
fn forms(arguments: &Arguments, timeline: &Timeline) -> Result<Vec<Form>, Failure> {
    let files = |formats: &[Format]| formats.iter().copied().map(Form::File).collect::<Vec<Form>>();
    let wanted = match (arguments.format, arguments.program) {
        (Some(form), _) => vec![form],
        (None, Some(Program::Otio)) => [files(Program::Otio.formats()), vec![Form::Bundle(Bundle::Otioz)]].concat(),
        (None, Some(program)) => files(program.formats()),
        (None, None) => {
            let bundles = Bundle::ALL.map(Form::Bundle).into_iter().filter(|_| arguments.all);
            files(&Format::ALL).into_iter().chain(files(&Format::CUES)).chain(bundles).collect()
        }
    };
    let is_of_cues = |form: &Form| matches!(form, Form::File(format) if Format::CUES.contains(format));
    let without_cues = timeline.cues.is_empty();
    if without_cues && wanted.iter().all(is_of_cues) {
        return Err(Failure::new(Exit::Usage, "nothing in the cut has to be spoken anew", "export another format"));
    }
    Ok(wanted.into_iter().filter(|form| !(without_cues && is_of_cues(form))).collect())
}

/// Nothing that stands there is written over without the user's word, and nothing that the cut is made of at all.
fn refuse(
    project: &Project,
    takes: &[SelectedTake],
    force: bool,
    outs: impl Iterator<Item = PathBuf>,
) -> Result<(), Failure> {
    let inputs = files_of(project, takes);
    let inputs: Vec<&Path> = inputs.iter().map(PathBuf::as_path).collect();
    for out in outs {
        if out.is_dir() && out.extension().is_none_or(|ending| ending != "otiod") {
            let message = format!("{} is a folder", out.display());
            return Err(Failure::new(Exit::Usage, message, "choose another --out, or move it"));
        }
        refuse_overwrite(&out, force, &inputs)?;
    }
    Ok(())
}

/// The files' contents, and what cannot be written at all; a bundle has no content of its own yet.
fn exports(timeline: &Timeline, forms: &[Form]) -> (Vec<(Form, Export)>, Vec<Refusal>) {
    let (mut exports, mut refusals) = (Vec::new(), Vec::new());
    for form in forms {
        let export = match form {
            Form::File(format) => export::write(timeline, *format, Links("")),
            Form::Bundle(_) => Ok(Export { content: Vec::new(), losses: Vec::new() }),
        };
        match export {
            Ok(export) => exports.push((*form, export)),
            Err(refusal) => refusals.push(refusal),
        }
    }
    (exports, refusals)
}

fn refused(refusals: &[Refusal]) -> Failure {
    let words: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    let fix = refusals.first().map_or_else(String::new, |refusal| refusal.fix.clone());
    Failure::new(Exit::Invalid, words.join("; "), fix)
}

fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let written = write_whole(path, |out| std::io::Write::write_all(out, content));
    written.map_err(|error: std::io::Error| Failure::disk("write", path, &error))
}

fn losses_file(losses: &[Loss]) -> Vec<u8> {
    let file = json!({ "schema": "seedpost.losses/1", "losses": losses });
    let mut text = serde_json::to_vec_pretty(&file).unwrap_or_default();
    text.push(b'\n');
    text
}

/// What was written.
struct Made {
    files: Vec<PathBuf>,
    losses: Vec<Loss>,
    refusals: Vec<Refusal>,
}

impl Made {
    fn tell(&self, timeline: &Timeline, missing: &[Missing], json: bool) {
        let refused = self.refusals.iter().map(ToString::to_string);
        for refusal in &self.refusals {
            note(format_args!("warning: not written: {refusal}"));
            note(format_args!("  fix: {}", refusal.fix));
        }
        if json {
            let (files, refused): (Vec<String>, Vec<String>) =
                (self.files.iter().map(shown).collect(), refused.collect());
            let body = json!({ "files": files, "losses": self.losses, "refused": refused, "missing": names(missing), "timeline": timeline });
            return result_json_as("seedpost.export/2", body);
        }
        self.files.iter().for_each(|file| say(file.display()));
        if !self.losses.is_empty() {
            say("");
            say(self.table());
        }
    }

    /// What each form could not carry; things of one kind with one fate in one line.
    fn table(&self) -> comfy_table::Table {
        let mut rows: Vec<(String, Vec<&str>)> = Vec::new();
        for loss in &self.losses {
            let row = loss.without_name();
            match rows.iter_mut().find(|(there, _)| *there == row.join("\t")) {
                Some((_, names)) => names.push(&loss.name),
                None => rows.push((row.join("\t"), vec![&loss.name])),
            }
        }
        let mut table = table(["FORM", "NOT CARRIED", "OF", "WHY"]);
        for (row, names) in rows {
            let [format, field, of, why] = [0, 1, 2, 3].map(|column| row.split('\t').nth(column).unwrap_or_default());
            table.add_row([format, field, &things(of, &names), why]);
        }
        table
    }
}

/// `all markers`, `stem DX, ME`, `marker A, B, C and 12 more`.
fn things(of: &str, names: &[&str]) -> String {
    if names.contains(&export::ALL) {
        return if of == "cut" { of.to_owned() } else { format!("all {of}s") };
    }
    let shown = names.iter().take(3).copied().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(3).filter(|more| *more > 0) {
        Some(more) => format!("{of} {shown} and {more} more"),
        None => format!("{of} {shown}"),
    }
}
