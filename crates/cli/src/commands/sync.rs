//! `sync`: where a clip speaks the sounds that were supplied for it, phrase by phrase.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use seedpost_core::shot::{ProviderName, TakeId};
use seedpost_core::sync::Verdict;
use seedpost_core::sync::edit_map::{self, Mode};
use seedpost_core::timeline::Role;
use seedpost_media::MediaError;
use seedpost_media::decode::decode;
use serde_json::json;

use super::{List, provider};
use crate::assets::measure_whole;
use crate::clip::{self, Order};
use crate::cut::{SelectedTake, selected};
use crate::finish::file_of;
use crate::output::{Exit, Failure, note, result_json, say, shown};
use crate::project::{Project, open_plain, refuse_overwrite, temporary_folder, write_whole};
use crate::separation::{LONGEST, TOO_LONG};
use crate::sound::{NO_SOUND, Names, StemFacts, Tolerances, Whole};
use crate::supplied::{self, Supplied};
use crate::sync::{self, SyncFacts};
use crate::{finish, report, sync_plot};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A clip; or a shot list, for the takes of its cut.
    input: PathBuf,
    /// Of a list, only this take, such as SC010_SH020_T01.
    #[arg(value_parser = take)]
    take: Option<TakeId>,
    /// A sound that was supplied for the clip; may be given several times, in their order.
    #[arg(long, value_name = "SOUND")]
    reference: Vec<PathBuf>,
    /// Draw reference over render, the phrases tied together; of a list, name the take.
    #[arg(long, value_name = "SVG")]
    plot: Option<PathBuf>,
    /// Write where the recording has to be cut and laid, as a table.
    #[arg(long, value_name = "CSV")]
    edits: Option<PathBuf>,
    /// Plan with phrases stretched by up to 4 %.
    #[arg(long)]
    stretch: bool,
    #[command(flatten)]
    tolerance: Tolerances,
    /// Use this provider instead of the list's.
    #[arg(long, value_parser = provider)]
    provider: Option<ProviderName>,
    /// Replace files that stand there already.
    #[arg(long)]
    force: bool,
}

fn take(text: &str) -> Result<TakeId, String> {
    text.parse().map_err(|_| "such as SC010_SH020_T01".to_owned())
}

/// A clip that was compared.
struct Compared {
    name: String,
    /// What it was made of, and what was made of it: not to be written over.
    inputs: Vec<PathBuf>,
    mono: Vec<f32>,
    supplied: Vec<Supplied>,
    sync: SyncFacts,
}

pub(super) fn run(arguments: &Arguments, json: bool) -> Result<Exit, Failure> {
    let is_list = arguments.input.extension().is_some_and(|ending| ending == "toml" || ending == "json");
    refuse_odd(arguments, is_list)?;
    let compared = if is_list { takes(arguments)? } else { vec![clip(arguments)?] };
    if compared.is_empty() {
        let message = arguments.take.as_ref().map_or_else(
            || "no take of the cut was rendered with a supplied sound".to_owned(),
            |take| format!("{take} is not in the cut, or was not rendered with a supplied sound"),
        );
        return Err(Failure::new(Exit::Usage, message, "see `audios` in the list, and `seedpost status`"));
    }
    let files = write(arguments, &compared)?;
    if json {
        let clips: Vec<_> = compared.iter().map(|clip| json!({ "clip": clip.name, "sync": clip.sync })).collect();
        result_json("sync", json!({ "clips": clips, "files": files }));
    } else {
        for clip in &compared {
            say(&clip.name);
            report::sync(&clip.sync).into_iter().for_each(|line| say(format_args!("  {line}")));
        }
    }
    let failed = compared.iter().any(|clip| clip.sync.clip.verdict == Verdict::Fail);
    Ok(if failed { Exit::Media } else { Exit::Done })
}

/// Refuses what would be passed over.
fn refuse_odd(arguments: &Arguments, is_list: bool) -> Result<(), Failure> {
    let refused = |message: &str, fix: &str| Err(Failure::new(Exit::Usage, message, fix));
    if is_list && !arguments.reference.is_empty() {
        return refused("a list tells itself what was supplied", "leave --reference away, or name a clip");
    }
    if !is_list && (arguments.take.is_some() || arguments.provider.is_some()) {
        return refused("a take and --provider belong to a list", "name the list in place of the clip");
    }
    if arguments.plot.is_some() && arguments.plot == arguments.edits {
        return refused("the drawing and the table would be one file", "give each a name of its own");
    }
    Ok(())
}

/// Writes the drawing and the table of one clip; answers their names.
fn write(arguments: &Arguments, compared: &[Compared]) -> Result<Vec<String>, Failure> {
    if arguments.plot.is_none() && arguments.edits.is_none() {
        return Ok(Vec::new());
    }
    let [clip] = compared else {
        let message = "a drawing or a table is of one take";
        return Err(Failure::new(Exit::Usage, message, format!("name it, such as {}", compared[0].name)));
    };
    let inputs: Vec<&Path> = clip.inputs.iter().map(PathBuf::as_path).collect();
    for out in [&arguments.plot, &arguments.edits].into_iter().flatten() {
        refuse_overwrite(out, arguments.force, &inputs)?;
    }
    let mut files = Vec::new();
    let plot = |path| (path, sync_plot::draw(&clip.name, &clip.mono, &clip.supplied, &clip.sync));
    let edits = |path| (path, edit_map::csv(&clip.sync.edit_map));
    for (path, text) in arguments.plot.as_ref().map(plot).into_iter().chain(arguments.edits.as_ref().map(edits)) {
        write_whole(path, |out| out.write_all(text.as_bytes()))
            .map_err(|error: std::io::Error| Failure::disk("write", path, &error))?;
        note(format_args!("wrote {}", shown(path)));
        files.push(shown(path));
    }
    Ok(files)
}

fn compare(
    arguments: &Arguments,
    stretch: bool,
    mono: &[f32],
    supplied: &[Supplied],
    info: &seedpost_core::media::MediaInfo,
) -> Option<SyncFacts> {
    let rate = info.video.as_ref()?.rate?;
    let mode = if stretch { Mode::Stretched } else { Mode::Rigid };
    Some(sync::compare(mono, supplied, rate, arguments.tolerance.tolerance(), mode))
}

fn uneven(name: &str) -> Failure {
    Failure::new(Exit::Media, format!("{name}: its frame rate is unknown or changes"), "see `seedpost probe`")
}

fn clip(arguments: &Arguments) -> Result<Compared, Failure> {
    let path = &arguments.input;
    if arguments.reference.is_empty() {
        return Err(Failure::new(Exit::Usage, "a clip is compared with what was supplied for it", "add --reference"));
    }
    let failed =
        |error: String| Failure::new(Exit::Media, format!("{}: {error}", path.display()), "see `seedpost probe`");
    let info = measure_whole(path).map_err(failed)?;
    let supplied = supplied::read_all(&arguments.reference)?;
    let mono = sound(path, &info).map_err(|error| failed(error.to_string()))?;
    let name = shown(path);
    let sync = compare(arguments, arguments.stretch, &mono, &supplied, &info).ok_or_else(|| uneven(&name))?;
    let inputs = std::iter::once(path).chain(&arguments.reference).cloned().collect();
    Ok(Compared { name, inputs, mono, supplied, sync })
}

/// The clip's sound as its stem has it.
fn sound(path: &Path, info: &seedpost_core::media::MediaInfo) -> Result<Vec<f32>, MediaError> {
    if clip::stem_length(info).is_some_and(|length| length > LONGEST) {
        return Err(MediaError::Unsupported(TOO_LONG.to_owned()));
    }
    let folder = temporary_folder(&std::env::temp_dir().join("stem"))?;
    let names = Names { folder: folder.path().to_owned(), prefix: "stem".to_owned(), short: true };
    let label = clip::label(path, info, "01:00:00:00")?;
    let stem =
        Whole::ordered(info, Role::Mix, &names, &label).ok_or_else(|| MediaError::Unsupported(NO_SOUND.to_owned()))?;
    clip::make(&Order {
        clip: path,
        info,
        picture: None,
        stem: Some((stem.path.as_path(), &stem.label)),
        hear: true,
        speech: false,
        deep: false,
        pictures: None,
    })?;
    Ok(decode(open_plain(&stem.path)?, None)?.mean())
}

/// The takes of the cut that were rendered with supplied sounds and have sound.
fn takes(arguments: &Arguments) -> Result<Vec<Compared>, Failure> {
    let project = List { shots: arguments.input.clone(), provider: arguments.provider }.open()?;
    let _lock = project.lock()?;
    let takes = selected(&project, None)?;
    let wanted = |take: &&SelectedTake| arguments.take.as_ref().is_none_or(|wanted| *wanted == take.take);
    let known = takes.iter().filter(wanted);
    known.filter_map(|take| one(arguments, &project, take).transpose()).collect()
}

fn one(arguments: &Arguments, project: &Project, take: &SelectedTake) -> Result<Option<Compared>, Failure> {
    let facts = &take.facts;
    let whole = facts.sound.stems.iter().find(|stem| stem.role().is_whole());
    let is_short = |whole: &&StemFacts| whole.samples <= LONGEST;
    let Some(whole) = whole.filter(is_short).filter(|_| !facts.from.references.is_empty()) else { return Ok(None) };
    let name = take.take.to_string();
    let failed = |error: MediaError| Failure::new(Exit::Media, format!("{name}: {error}"), "run `seedpost run` again");
    let supplied = finish::supplied(project, &facts.from.references).map_err(failed)?;
    let stem = open_plain(&file_of(project, &take.take, &whole.file)).map_err(|error| failed(error.into()))?;
    let mono = decode(stem, None).map_err(failed)?.mean();
    // The table is of the take's own stem.
    let stretch = arguments.stretch || facts.sound.wishes.stretch;
    let sync = compare(arguments, stretch, &mono, &supplied, &facts.info).ok_or_else(|| uneven(&name))?;
    let inputs = finish::files_of(project, std::slice::from_ref(take));
    Ok(Some(Compared { name, inputs, mono, supplied, sync }))
}
