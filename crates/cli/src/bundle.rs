//! OTIOZ and OTIOD: an OpenTimelineIO timeline with copies of its media, as one file or one folder.
//!
//! Both hold `content.otio` and `media/`, flat; an OTIOZ also `version.txt`. In the zip texts are deflated and media
//! stored, so that programs can read them in place.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use seedpost_core::export::{self, Format, Links, base_name};
use seedpost_core::timeline::{Clip, Stem, Timeline};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::output::{Exit, Failure};
use crate::project::{Pending, open_plain, temporary_folder, write_whole};

/// A bundle of a timeline and its media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bundle {
    /// A zip file.
    Otioz,
    /// A folder.
    Otiod,
}

impl Bundle {
    pub(crate) const ALL: [Bundle; 2] = [Bundle::Otioz, Bundle::Otiod];

    pub(crate) fn parse(text: &str) -> Option<Bundle> {
        Bundle::ALL.into_iter().find(|bundle| bundle.ending() == text)
    }

    fn ending(self) -> &'static str {
        match self {
            Bundle::Otioz => "otioz",
            Bundle::Otiod => "otiod",
        }
    }

    pub(crate) fn file_name(self, title: &str) -> String {
        format!("{title}.{}", self.ending())
    }

    /// Writes it whole or not at all.
    pub(crate) fn write(self, timeline: &Timeline, path: &Path) -> Result<(), Failure> {
        let media = media(timeline);
        let bundled = timeline.clone().with_media(
            |clip| (format!("media/{}", picture_name(clip)), clip.picture.start),
            |stem| (bundled(&stem.file), stem.sides.iter().map(|side| bundled(side)).collect()),
        );
        let content = export::write(&bundled, Format::Otio, Links(""))
            .map_err(|refusal| Failure::new(Exit::Invalid, refusal.to_string(), refusal.fix.clone()))?
            .content;
        let written = match self {
            Bundle::Otioz => zipped(&content, &media, path),
            Bundle::Otiod => foldered(&content, &media, path),
        };
        written.map_err(|error| Failure::disk("write", path, &error))
    }
}

fn bundled(file: &str) -> String {
    format!("media/{}", base_name(file))
}

/// A name that no other picture has.
fn picture_name(clip: &Clip) -> String {
    let ending = base_name(&clip.picture.file).rsplit_once('.').map_or("mp4", |(_, ending)| ending);
    format!("{}.{ending}", clip.take)
}

/// Each file once, with its name in the bundle.
fn media(timeline: &Timeline) -> Vec<(PathBuf, String)> {
    let stem = |stem: &Stem| {
        let files = std::iter::once(&stem.file).chain(&stem.sides);
        files.map(|file| (PathBuf::from(file), base_name(file).to_owned())).collect::<Vec<_>>()
    };
    let mut media: Vec<(PathBuf, String)> = timeline
        .clips
        .iter()
        .flat_map(|clip| {
            let picture = (PathBuf::from(&clip.picture.file), picture_name(clip));
            std::iter::once(picture).chain(clip.stems.iter().flat_map(stem))
        })
        .collect();
    media.sort();
    media.dedup();
    media
}

fn zipped(content: &[u8], media: &[(PathBuf, String)], path: &Path) -> io::Result<()> {
    let pending = Pending::begin(path)?;
    let mut zip = ZipWriter::new(pending.writer());
    // No clock: the same cut gives the same bytes.
    let deflated = SimpleFileOptions::default().last_modified_time(DateTime::default()).unix_permissions(0o644);
    let stored = deflated.compression_method(CompressionMethod::Stored).large_file(true);
    zip.start_file("content.otio", deflated)?;
    zip.write_all(content)?;
    zip.start_file("version.txt", deflated)?;
    zip.write_all(b"1.0.0")?;
    for (file, name) in media {
        zip.start_file(format!("media/{name}"), stored)?;
        io::copy(&mut open_plain(file)?, &mut zip)?;
    }
    zip.finish()?.flush()?;
    pending.keep(0o644)
}

fn foldered(content: &[u8], media: &[(PathBuf, String)], path: &Path) -> io::Result<()> {
    let draft = temporary_folder(path)?;
    fs::create_dir(draft.path().join("media"))?;
    write_whole(&draft.path().join("content.otio"), |out| out.write_all(content))?;
    for (file, name) in media {
        let mut copy = File::create(draft.path().join("media").join(name))?;
        io::copy(&mut open_plain(file)?, &mut copy)?;
        copy.sync_all()?;
    }
    fs::set_permissions(draft.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    replace_folder(draft, path)
}

/// Gives a folder its name. A bundle that stands there changes places with it in one step, and goes with the draft.
fn replace_folder(draft: tempfile::TempDir, path: &Path) -> io::Result<()> {
    if path.exists() {
        refuse_other(path)?;
        return renameat_with(CWD, draft.path(), CWD, path, RenameFlags::EXCHANGE)
            .map_err(|_| io::Error::other("this disk cannot exchange folders: move the bundle that stands there"));
    }
    fs::rename(draft.path(), path)?;
    // It has another name now.
    let _ = draft.keep();
    Ok(())
}

/// Refuses to replace what is more than a bundle.
fn refuse_other(path: &Path) -> io::Result<()> {
    let names = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
    let is_bundle = names.iter().any(|name| name == "content.otio");
    if is_bundle && names.iter().all(|name| name == "content.otio" || name == "media") {
        return Ok(());
    }
    let message = "a folder of that name stands there, and something else than a bundle is in it";
    Err(io::Error::new(io::ErrorKind::AlreadyExists, message))
}
