//! `doctor`: whether this machine has what seedpost needs.

use std::path::{Path, PathBuf};

use clap::Args;
use seedpost_core::time::{FrameRate, Frames};
use seedpost_core::turnover::order::{EditCodec, ReferenceForm, ReferenceOrder};
use seedpost_media::worker::ClipOrder;
use serde_json::json;

use super::block_on;
use crate::assets::measure_file;
use crate::keys::Environment;
use crate::output::{Exit, Failure, result_json, say};
use crate::project::{with_worker, worker_program};

/// What may be set.
const NAMES: [&str; 10] = [
    "FAL_KEY",
    "ARK_API_KEY",
    "SEEDANCE_API_KEY",
    "SEEDANCE_API_BASE",
    "SEEDPOST_KEY_LIMIT",
    "SEEDPOST_TIMEOUT",
    "SEEDPOST_AV_TIMEOUT",
    "SEEDPOST_SIMULATOR_URL",
    "SEEDPOST_FAL_URL",
    "SEEDPOST_ARK_URL",
];

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The project's folder.
    #[arg(default_value = ".")]
    folder: PathBuf,
}

/// One thing that was looked at.
struct Finding {
    what: &'static str,
    fine: bool,
    detail: String,
}

pub(super) fn run(arguments: &Arguments, json: bool) -> Result<Exit, Failure> {
    let mut findings = Vec::from(worker());
    findings.extend([disk(&arguments.folder), ledger()?]);
    let environment = Environment::read(&arguments.folder);
    for name in NAMES {
        let unset = match name {
            "FAL_KEY" | "ARK_API_KEY" | "SEEDANCE_API_KEY" | "SEEDANCE_API_BASE" => {
                "not set; only needed for that provider"
            }
            _ => "not set; not needed",
        };
        let detail = if environment.get(name).is_some() { "set" } else { unset };
        findings.push(Finding { what: name, fine: true, detail: detail.to_owned() });
    }
    let fine = findings.iter().all(|finding| finding.fine);
    if json {
        let finding =
            |finding: &Finding| json!({ "what": finding.what, "fine": finding.fine, "detail": finding.detail });
        result_json("doctor", json!({ "fine": fine, "findings": findings.iter().map(finding).collect::<Vec<_>>() }));
    } else {
        findings.iter().for_each(|finding| {
            say(format_args!("{}  {:<24} {}", if finding.fine { "ok " } else { "BAD" }, finding.what, finding.detail))
        });
    }
    Ok(if fine { Exit::Done } else { Exit::Internal })
}

/// Encodes a small clip and measures it, and makes picture references of it.
fn worker() -> [Finding; 2] {
    let folder = tempfile::tempdir();
    let folder = folder.as_ref().map(tempfile::TempDir::path).map_err(ToString::to_string);
    let hint = |error: String| format!("{error}; install FFmpeg's libraries (`make deps`)");
    let finding = |what, result: Result<String, String>| Finding {
        what,
        fine: result.is_ok(),
        detail: result.unwrap_or_else(hint),
    };
    let encoded = folder.clone().and_then(encode);
    let referenced = folder.and_then(refer);
    [finding("FFmpeg worker", encoded), finding("picture references", referenced)]
}

fn encode(folder: &Path) -> Result<String, String> {
    let out = folder.join("clip.mp4");
    let order = ClipOrder {
        out: out.clone(),
        width: 320,
        height: 180,
        frames: 24,
        captions: vec!["doctor".to_owned()],
        sound: None,
        channels: 2,
        rate: 48_000,
    };
    with_worker(|worker| worker.clip(order)).map_err(|error| error.to_string())?;
    let video = measure_file(&out)?.video.ok_or("the clip has no picture")?;
    Ok(format!("{} encodes {}", worker_program().display(), video.codec))
}

fn refer(folder: &Path) -> Result<String, String> {
    let mut codecs = Vec::new();
    for codec in [EditCodec::Dnxhr, EditCodec::Prores] {
        let form = ReferenceForm { codec, width: 320, height: 180, rate: FrameRate::FPS_24, drop: false };
        let edit = folder.join(format!("{codec:?}.mov"));
        let order = ReferenceOrder {
            source: folder.join("clip.mp4"),
            form,
            from: Frames(0),
            frames: Frames(12),
            record: Frames(0),
            source_timecode: Frames(0),
            name: "doctor".to_owned(),
            reel: String::new(),
            sound: None,
            view: edit.with_extension("mp4"),
            edit: edit.clone(),
            still: None,
        };
        with_worker(|worker| worker.reference(order)).map_err(|error| error.to_string())?;
        codecs.push(measure_file(&edit)?.video.ok_or("the reference has no picture")?.codec);
    }
    Ok(format!("{} and h264", codecs.join(", ")))
}

fn disk(folder: &Path) -> Finding {
    let result = tempfile::NamedTempFile::new_in(folder).map_err(|error| error.to_string());
    let detail = result.as_ref().map_or_else(Clone::clone, |_| "may be written".to_owned());
    Finding { what: "folder", fine: result.is_ok(), detail }
}

/// Makes a ledger and throws it away.
fn ledger() -> Result<Finding, Failure> {
    let folder = tempfile::tempdir()
        .map_err(|error| Failure::new(Exit::Internal, error.to_string(), "check the temporary folder"))?;
    let opened = block_on(seedpost_render::ledger::Ledger::open(&folder.path().join("ledger.db")))?;
    let detail = opened.as_ref().map_or_else(ToString::to_string, |_| "works".to_owned());
    Ok(Finding { what: "ledger", fine: opened.is_ok(), detail })
}
