//! `export`: the cut as EDL or OTIO, and its ADR cues, with paths to the project's own media.

use std::path::{Path, PathBuf};

use clap::Args;
use seedpost_core::export::{self, Format};
use seedpost_core::timeline::Timeline;
use seedpost_core::turnover::safe_title;
use serde_json::json;
use url::Url;

use super::List;
use super::turnover::{cut, selected};
use crate::finish::file_of;
use crate::output::{Exit, Failure, note, result_json, say, shown};
use crate::project::{refuse_overwrite, write_whole};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    list: List,
    /// Which form; all of them where absent.
    #[arg(long, value_parser = format)]
    format: Option<Format>,
    /// The folder that the files go to.
    #[arg(long, default_value = "export")]
    out: PathBuf,
    /// Replace files that stand there already.
    #[arg(long)]
    force: bool,
}

fn format(text: &str) -> Result<Format, String> {
    Format::parse(text).ok_or_else(|| "use edl, edl32, otio, adr-text or adr-csv".to_owned())
}

pub(super) fn run(arguments: &Arguments, json: bool) -> Result<Exit, Failure> {
    let project = arguments.list.open()?;
    let _lock = project.lock()?;
    let finished = selected(&project, None)?;
    let timeline = cut(&project, &finished, |take, file| address(&file_of(&project, take, file)))?;
    let cues = Format::CUES.into_iter().filter(|_| !timeline.cues.is_empty());
    let all = || Format::ALL.into_iter().chain(cues).collect();
    let formats = arguments.format.map_or_else(all, |format| vec![format]);
    if timeline.cues.is_empty() && formats.iter().any(|format| Format::CUES.contains(format)) {
        return Err(Failure::new(Exit::Usage, "nothing in the cut has to be spoken anew", "export another format"));
    }
    let mut files = Vec::new();
    let mut losses = Vec::new();
    for format in formats {
        let path = arguments.out.join(format.file_name(&safe_title(&project.list.title)));
        refuse_overwrite(&path, arguments.force, &[&project.path])?;
        losses.extend(write(&timeline, format, &path)?);
        files.push(path);
    }
    if json {
        let files: Vec<String> = files.iter().map(shown).collect();
        result_json("export", json!({ "files": files, "losses": losses, "cues": timeline.cues }));
    } else {
        files.iter().for_each(|file| say(file.display()));
        losses.iter().for_each(|loss| note(format_args!("not in {}: {}: {}", loss.format, loss.clip, loss.what)));
    }
    Ok(Exit::Done)
}

fn write(timeline: &Timeline, format: Format, path: &Path) -> Result<Vec<export::Loss>, Failure> {
    let export = export::write(timeline, format);
    write_whole(path, |out| std::io::Write::write_all(out, export.text.as_bytes()))
        .map_err(|error: std::io::Error| Failure::disk("write", path, &error))?;
    Ok(export.losses)
}

/// A `file:` address, percent-encoded.
fn address(path: &Path) -> String {
    Url::from_file_path(path).map_or_else(|()| path.display().to_string(), String::from)
}
