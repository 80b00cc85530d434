//! `finish`: any model's clips made ready for the cut: probe, compare, lane, stem, checks.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use rayon::prelude::*;
use seedpost_core::lane::{Intent, Lane};
use seedpost_core::media::MediaInfo;
use seedpost_core::spec::{self, DurationCheck, Finding, Mend, Promise, Sounding, Weight};
use seedpost_core::time::{FrameRate, Frames, Timecode};
use seedpost_core::timeline::Role;
use seedpost_media::MediaError;
use seedpost_media::worker::SoundFate;
use serde::Serialize;
use serde_json::json;

use crate::assets::measure_whole;
use crate::clip::{self, Content, Order, Proof};
use crate::output::{Exit, Failure, result_json, say, shown, table};
use crate::progress::{self, Bar, Style};
use crate::project::{open_plain, refuse_overwrite, sweep_folder, write_whole};
use crate::report;
use crate::sound::{self, Names, SoundFacts, Tolerances, Whole, Wishes};
use crate::supplied::{self, Supplied};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Clips of any model.
    #[arg(required = true, value_name = "CLIP")]
    clips: Vec<PathBuf>,
    /// Where a folder for each clip goes.
    #[arg(long, value_name = "FOLDER", default_value = "finished")]
    out: PathBuf,
    /// Deliver the sound as it is, or take it off; without it the intent decides, else it is kept.
    #[arg(long, value_parser = lane)]
    lane: Option<Lane>,
    /// What the clips are for.
    #[arg(long, value_parser = intent)]
    intent: Option<Intent>,
    /// What the clips were promised to be: seedance-2.0, seedance-1.5-pro, any, or a file of your own.
    #[arg(long, default_value = "any")]
    profile: String,
    /// The length that was asked for, in frames.
    #[arg(long)]
    frames: Option<u64>,
    /// The size that was asked for, such as 1280x720.
    #[arg(long, value_parser = size)]
    size: Option<(u32, u32)>,
    /// No sound was asked for.
    #[arg(long)]
    silent: bool,
    /// What a breach does: be told; end with exit code 4; or be mended in a copy where that is possible, picture untouched.
    #[arg(long, value_enum, default_value = "warn")]
    mode: Mode,
    /// Decode the picture too: errors, black, frozen; and look for music.
    #[arg(long)]
    deep: bool,
    /// Make still pictures, a contact sheet and a waveform.
    #[arg(long)]
    pictures: bool,
    /// A sound that was supplied for the clips; may be given several times.
    #[arg(long, value_name = "SOUND")]
    reference: Vec<PathBuf>,
    #[command(flatten)]
    wishes: Wishes,
    #[command(flatten)]
    tolerance: Tolerances,
    /// The timecode of the first frame, where a clip has none of its own.
    #[arg(long, default_value = "01:00:00:00")]
    start: String,
    /// Replace what stands in the clips' folders already.
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    Warn,
    Fail,
    Fix,
}

fn lane(text: &str) -> Result<Lane, String> {
    Lane::parse(text).ok_or_else(|| "use keep or strip".to_owned())
}

fn intent(text: &str) -> Result<Intent, String> {
    Intent::parse(text).ok_or_else(|| format!("use {}", Intent::ALLOWED))
}

fn size(text: &str) -> Result<(u32, u32), String> {
    let parsed = text.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    let parsed = parsed.filter(|(width, height)| *width > 0 && *height > 0);
    parsed.ok_or_else(|| "such as 1280x720".to_owned())
}

/// A clip's `facts.json`.
#[derive(Debug, Serialize)]
struct Facts {
    schema: &'static str,
    clip: String,
    lane: Lane,
    reason: String,
    promise: Promise,
    info: MediaInfo,
    findings: Vec<Finding>,
    durations: Vec<DurationCheck>,
    /// The picture without sound, in the clip's folder; absent where the sound is kept.
    picture: Option<String>,
    #[serde(flatten)]
    sound: SoundFacts,
    #[serde(flatten)]
    content: Content,
    fixed: Option<Fixed>,
}

/// A copy in which something was mended.
#[derive(Debug, Serialize)]
struct Fixed {
    file: String,
    proof: Proof,
    /// What is still to be told about it.
    findings: Vec<Finding>,
}

/// The most bytes of a profile that are read.
const MAX_PROFILE: u64 = 1 << 20;
/// The files of a clip's folder, but for stems.
const OUTPUTS: [&str; 4] = ["facts.json", "picture.mp4", "picture.mov", "fixed.mp4"];

/// What all clips have in common.
struct Desk<'a> {
    arguments: &'a Arguments,
    promise: Promise,
    lane: Lane,
    reason: String,
    supplied: Vec<Supplied>,
    sounds: Vec<Sounding>,
}

pub(super) fn run(arguments: &Arguments, json: bool, style: Style) -> Result<Exit, Failure> {
    let desk = prepare(arguments)?;
    let folders = folders(arguments)?;
    let bar = Bar::new(style);
    bar.begin("finishing", folders.len());
    let work = || arguments.clips.par_iter().zip(&folders);
    let results: Vec<Result<Facts, Failure>> = work()
        .map(|(clip, folder)| {
            let result = finish(&desk, clip, folder);
            bar.step();
            progress::told(style, clip, if result.is_ok() { "done" } else { "failed" });
            result
        })
        .collect();
    bar.end();
    if json {
        let clip = |(folder, result): (&PathBuf, &Result<Facts, Failure>)| match result {
            Ok(facts) => json!({ "folder": shown(folder), "facts": facts, "error": null }),
            Err(failure) => json!({ "folder": shown(folder), "facts": null, "error": failure.json() }),
        };
        result_json("finish", json!({ "clips": folders.iter().zip(&results).map(clip).collect::<Vec<_>>() }));
    } else {
        show(&folders, &results);
    }
    results.iter().filter_map(|result| result.as_ref().err()).for_each(Failure::tell);
    Ok(exit(arguments.mode, &results))
}

fn exit(mode: Mode, results: &[Result<Facts, Failure>]) -> Exit {
    let failed = results.iter().filter(|result| result.is_err()).count();
    let breach = |facts: &Facts| {
        let left = facts.fixed.as_ref().map_or(&facts.findings, |fixed| &fixed.findings);
        left.iter().any(|finding| finding.severity == Weight::Breach)
    };
    if failed > 0 {
        let first = results.iter().find_map(|result| result.as_ref().err().map(Failure::exit));
        return if failed < results.len() { Exit::Partly } else { first.unwrap_or(Exit::Media) };
    }
    let broken = mode != Mode::Warn && results.iter().flatten().any(breach);
    if broken { Exit::Media } else { Exit::Done }
}

fn prepare(arguments: &Arguments) -> Result<Desk<'_>, Failure> {
    let mut promise = profile(&arguments.profile)?;
    promise.frames = arguments.frames.map(Frames).or(promise.frames);
    promise.size = arguments.size.or(promise.size);
    if arguments.silent {
        promise.sound = Some(false);
    }
    let (lane, why) = match (arguments.lane, arguments.intent) {
        (Some(lane), _) => (lane, "the command line says so".to_owned()),
        (None, Some(intent)) => (intent.lane(), format!("intent {intent:?}").to_lowercase()),
        (None, None) => (Lane::Keep, "no intent given".to_owned()),
    };
    if arguments.intent == Some(Intent::Broadcast) && lane == Lane::Keep {
        return Err(Failure::new(
            Exit::Usage,
            "a broadcast deliverable carries no model audio",
            "leave --lane away, or say --lane strip",
        ));
    }
    Timecode::parse(&arguments.start, FrameRate::FPS_24)
        .map_err(|error| Failure::new(Exit::Usage, error.to_string(), "such as 01:00:00:00"))?;
    let supplied = supplied::read_all(&arguments.reference)?;
    let sounds = supplied.iter().map(Supplied::sounding).collect();
    Ok(Desk { arguments, promise, lane, reason: format!("{}: {why}", lane.as_str()), supplied, sounds })
}

/// What the stems in a clip's folder are called.
fn names(folder: &Path) -> Names {
    Names { folder: folder.to_owned(), prefix: "stem".to_owned(), short: true }
}

/// Removes what this program may have made in a clip's folder, but pictures.
fn clear(folder: &Path) -> std::io::Result<()> {
    for file in OUTPUTS {
        match std::fs::remove_file(folder.join(file)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    names(folder).clear(&[])
}

/// The files that a clip's folder may get, of stems those that stand there.
fn outputs(arguments: &Arguments, folder: &Path) -> Vec<String> {
    let pictures = arguments.pictures.then(|| "pictures".to_owned());
    OUTPUTS.iter().map(|file| (*file).to_owned()).chain(names(folder).there()).chain(pictures).collect()
}

/// A built-in profile, or that of a file.
fn profile(name: &str) -> Result<Promise, Failure> {
    if let Some(promise) = Promise::built_in(name) {
        return Ok(promise);
    }
    let path = Path::new(name);
    let mut text = String::new();
    let read = open_plain(path).and_then(|file| file.take(MAX_PROFILE).read_to_string(&mut text));
    read.map_err(|error| {
        let names: Vec<&str> = Promise::names().collect();
        let message = format!("{name} is no built-in profile, and cannot be read as a file: {error}");
        Failure::new(Exit::Usage, message, format!("use {}, or a file of your own", names.join(", ")))
    })?;
    Promise::parse(&text).map_err(|faults| Failure::of_faults(path.display(), faults))
}

/// A folder for each clip, named after it: without its ending, but where two would have one folder.
fn folders(arguments: &Arguments) -> Result<Vec<PathBuf>, Failure> {
    let name = |name: Option<&std::ffi::OsStr>| name.unwrap_or_default().to_string_lossy().into_owned();
    let stems: Vec<String> = arguments.clips.iter().map(|clip| name(clip.file_stem())).collect();
    let is_alone =
        |stem: &String| stems.iter().filter(|other| other.to_lowercase() == stem.to_lowercase()).count() == 1;
    let inputs = arguments.clips.iter().chain(&arguments.reference).filter_map(|path| path.canonicalize().ok());
    let inputs: BTreeSet<PathBuf> = inputs.collect();
    let mut folders = Vec::new();
    let mut taken = BTreeSet::new();
    for (clip, stem) in arguments.clips.iter().zip(&stems) {
        let whole = name(clip.file_name());
        // The stem of `...mp4` is the folder above.
        let own = if is_alone(stem) && !matches!(stem.as_str(), "." | "..") { stem.clone() } else { whole };
        if own.is_empty() || !taken.insert(own.to_lowercase()) {
            let message = format!("two clips would have one folder, {own:?}: {}", clip.display());
            return Err(Failure::new(Exit::Usage, message, "finish them apart, each with its own --out"));
        }
        let folder = arguments.out.join(own);
        for file in outputs(arguments, &folder) {
            let out = folder.join(file);
            if out.canonicalize().is_ok_and(|out| inputs.contains(&out)) {
                let message = format!("{} is read here, and would be written over", out.display());
                return Err(Failure::new(Exit::Usage, message, "choose another --out"));
            }
            refuse_overwrite(&out, arguments.force, &[])?;
        }
        if !clip.is_file() {
            let message = format!("{} is no file", clip.display());
            return Err(Failure::new(Exit::Usage, message, "name clips: `seedpost finish clips/*.mp4`"));
        }
        if folder.exists() && !folder.is_dir() {
            let message = format!("{} is no folder", folder.display());
            return Err(Failure::new(Exit::Usage, message, "choose another --out"));
        }
        folders.push(folder);
    }
    Ok(folders)
}

fn finish(desk: &Desk<'_>, path: &Path, folder: &Path) -> Result<Facts, Failure> {
    // A killed run may have left something; with --force, what is made anew must not stand beside what it replaces.
    sweep_folder(folder);
    if desk.arguments.force {
        clear(folder).map_err(|error| Failure::disk("replace what is in", folder, &error))?;
    }
    let info = measure_whole(path).map_err(|error| {
        Failure::new(Exit::Media, format!("{}: {error}", path.display()), "ask for the clip again, or render another")
    })?;
    make(desk, path, folder, info).map_err(|error| {
        // Nothing stood there before, and half a clip's files would be taken for all of them.
        let _ = clear(folder);
        let (exit, hint) = match error {
            MediaError::Io(_) => {
                (Exit::Internal, "check that the disk has room and may be written, and `seedpost doctor`")
            }
            _ => (Exit::Media, "see `seedpost probe`; ask for the clip again, or render another"),
        };
        Failure::new(exit, format!("failed to finish {}: {error}", path.display()), hint)
    })
}

fn make(desk: &Desk<'_>, path: &Path, folder: &Path, info: MediaInfo) -> Result<Facts, MediaError> {
    let arguments = desk.arguments;
    let picture = (desk.lane == Lane::Strip).then(|| clip::picture_name(&info).to_owned());
    let role = if desk.lane == Lane::Keep { Role::Mix } else { Role::Guide };
    let (names, label) = (names(folder), clip::label(path, &info, &arguments.start)?);
    let stem = Whole::ordered(&info, role, &names, &label);
    let (picture_path, pictures) = (picture.as_ref().map(|name| folder.join(name)), folder.join("pictures"));
    let mut content = clip::make(&Order {
        clip: path,
        info: &info,
        picture: picture_path.as_deref(),
        stem: stem.as_ref().map(|stem| (stem.path.as_path(), &stem.label)),
        hear: true,
        speech: !arguments.wishes.no_separation || !desk.supplied.is_empty(),
        deep: arguments.deep,
        pictures: arguments.pictures.then_some(&pictures),
    })?;
    let maker = sound::Maker {
        names: &names,
        label: &label,
        length: clip::stem_length(&info).unwrap_or_default(),
        rate: clip::rate(&info),
        wishes: arguments.wishes,
        tolerance: arguments.tolerance.tolerance(),
    };
    let sound = maker.make(stem.zip(content.stem.take()), content.sound.as_ref(), &desk.supplied)?;
    let durations = clip::beside(&info, &desk.sounds);
    let mut findings = content.findings(&info, &desk.promise, &durations);
    findings.extend(sound.findings(&desk.promise, Weight::Breach));
    let mut fixed = None;
    if arguments.mode == Mode::Fix {
        match fix(desk, path, folder, &info, &findings) {
            Ok(mended) => fixed = mended,
            Err(MediaError::Io(error)) => return Err(error.into()),
            Err(error) => {
                findings.push(Finding::new("fix", Weight::Note, error.to_string(), "a copy", "mend it by hand"))
            }
        }
    }
    if let Some(fixed) = &mut fixed {
        // What was seen and heard is the same in the copy.
        let lasting = findings.iter().filter(|finding| !is_of_file(finding)).cloned();
        fixed.findings.extend(lasting);
    }
    let facts = Facts {
        schema: "seedpost.clip/2",
        clip: shown(path),
        lane: desk.lane,
        reason: desk.reason.clone(),
        promise: desk.promise.clone(),
        info,
        findings,
        durations,
        picture,
        sound,
        content,
        fixed,
    };
    write_whole(&folder.join("facts.json"), |out| {
        serde_json::to_writer_pretty(out, &facts).map_err(std::io::Error::from)
    })?;
    Ok(facts)
}

/// Whether a finding comes from the file's own tables, which the copy has anew.
fn is_of_file(finding: &Finding) -> bool {
    let content = ["decode_errors", "black", "frozen", "dead", "clipped", "inverted", "silence", "true_peak", "music"];
    let rule = finding.rule.split('.').next_back().unwrap_or_default();
    let is_of_supplied = finding.rule.starts_with("reference.") || finding.rule.starts_with("sync.");
    !content.contains(&rule) && !is_of_supplied
}

/// Mends in a copy what can be mended.
fn fix(
    desk: &Desk<'_>,
    path: &Path,
    folder: &Path,
    info: &MediaInfo,
    findings: &[Finding],
) -> Result<Option<Fixed>, MediaError> {
    let mend = findings.iter().filter_map(Finding::mend).max();
    let Some(mend) = mend else { return Ok(None) };
    let fate = match (desk.lane, mend) {
        (Lane::Strip, _) => SoundFate::Drop,
        (Lane::Keep, Mend::Wrap) => SoundFate::Copy,
        (Lane::Keep, Mend::Sound) => SoundFate::Encode,
    };
    let copy = folder.join("fixed.mp4");
    let proof = clip::wrap(path, info, &copy, fate)?;
    let info = measure_whole(&copy).map_err(MediaError::Unsupported)?;
    let mut promise = desk.promise.clone();
    if fate == SoundFate::Drop {
        promise.sound = Some(false);
    }
    Ok(Some(Fixed { file: "fixed.mp4".to_owned(), proof, findings: spec::compare(&info, &promise) }))
}

fn show(folders: &[PathBuf], results: &[Result<Facts, Failure>]) {
    let done = || folders.iter().zip(results).filter_map(|(folder, result)| Some((folder, result.as_ref().ok()?)));
    let mut rows = table(["CLIP", "LANE", "PICTURE", "LOUDNESS", "TRUE PEAK", "FINDINGS", "FOLDER"]);
    for (folder, facts) in done() {
        let loudness = facts.content.sound.as_ref().map(|heard| heard.loudness).unwrap_or_default();
        let number =
            |value: Option<f64>, unit: &str| value.map_or("–".to_owned(), |value| format!("{value:.1} {unit}"));
        let picture = facts.info.video.as_ref().map_or(String::new(), |video| {
            let frames = video.frames.map_or("?".to_owned(), |frames| frames.0.to_string());
            format!("{} {}×{} {frames} frames", video.codec, video.width, video.height)
        });
        rows.add_row([
            facts.clip.clone(),
            facts.lane.as_str().to_owned(),
            picture,
            number(loudness.integrated_lufs, "LUFS"),
            number(loudness.true_peak_dbtp, "dBTP"),
            facts.findings.len().to_string(),
            shown(folder),
        ]);
    }
    if rows.row_count() > 0 {
        say(rows);
    }
    for (_, facts) in done() {
        for line in report::sound(&facts.sound, true) {
            say(format_args!("{}: {line}", facts.clip));
        }
        for finding in facts.findings.iter().filter(|finding| !report::is_told(finding)) {
            say(format_args!("{}: {}", facts.clip, crate::output::finding(finding)));
        }
        if let Some(fixed) = &facts.fixed {
            say(format_args!("{}: mended in {}; {} left", facts.clip, fixed.file, left(&fixed.findings)));
        }
    }
    report::estimates(done().map(|(_, facts)| &facts.sound)).into_iter().for_each(say);
}

/// What is left, by its rules.
fn left(findings: &[Finding]) -> String {
    match findings {
        [] => "nothing is".to_owned(),
        some => some.iter().map(|finding| finding.rule.as_str()).collect::<Vec<_>>().join(", "),
    }
}
