//! `verify`: a package against its manifest: every file there, unchanged, and no other.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use rayon::prelude::*;
use seedpost_core::turnover::{ManifestFile, SCHEMA, is_safe_path};
use serde_json::json;

use super::turnover::{files_in, read_manifest};
use crate::output::{Exit, Failure, note, result_json, say, shown};
use crate::project::digest;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The package's folder.
    package: PathBuf,
}

pub(super) fn run(arguments: &Arguments, json: bool) -> Result<Exit, Failure> {
    let package = &arguments.package;
    let unreadable = || {
        Failure::new(
            Exit::Usage,
            format!("{} holds no manifest of a turnover package", package.display()),
            "name the folder that holds manifest.json",
        )
    };
    let manifest = read_manifest(package).filter(|manifest| manifest.schema == SCHEMA).ok_or_else(unreadable)?;
    let mut problems: Vec<String> = manifest.files.par_iter().filter_map(|file| problem(package, file)).collect();
    let listed: BTreeSet<&str> = manifest.files.iter().map(|file| file.path.as_str()).collect();
    problems.extend(
        files_in(package)
            .into_iter()
            .filter(|path| !listed.contains(path.as_str()))
            .map(|path| format!("{path}: not in the manifest")),
    );
    if json {
        result_json(
            "verify",
            json!({ "package": shown(package), "files": manifest.files.len(), "problems": problems }),
        );
    } else if problems.is_empty() {
        say(format_args!("{}: {} files, all as the manifest says", package.display(), manifest.files.len()));
    }
    problems.iter().for_each(|problem| note(format_args!("error: {problem}")));
    if !problems.is_empty() {
        note("  fix: copy the package again from where it was made");
    }
    Ok(if problems.is_empty() { Exit::Done } else { Exit::Media })
}

fn problem(package: &Path, file: &ManifestFile) -> Option<String> {
    let path = &file.path;
    if !is_safe_path(path) {
        return Some(format!("{path:?}: a path that leaves the package"));
    }
    match digest(&package.join(path)) {
        Err(error) => Some(format!("{path}: {error}")),
        Ok((_, bytes)) if bytes != file.bytes => {
            Some(format!("{path}: {bytes} bytes, the manifest says {}", file.bytes))
        }
        Ok((sha256, _)) if sha256 != file.sha256 => Some(format!("{path}: its content changed (sha256 {sha256})")),
        Ok(_) => None,
    }
}
