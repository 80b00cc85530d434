//! References as Ark and the proxies take them: addresses and data URIs, measured by their content.
//!
//! Only this simulator's own files and data URIs are read. What lies elsewhere is believed to be fine.

use std::fs::File;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use seedpost_core::catalog::{KindLimits, Model, Range};
use seedpost_core::media::MediaInfo;
use seedpost_core::reference::{Kind, audio_length};
use seedpost_core::time::ClockTime;
use seedpost_media::probe::probe;
use serde_json::Value;

use crate::rules::own_file;

/// A reference that passed.
#[derive(Debug)]
pub(crate) struct Reference {
    pub(crate) kind: Kind,
    /// Where it lies; `None` for a data URI and for what was not read.
    pub(crate) path: Option<PathBuf>,
    /// What it is; `None` where it was not read.
    pub(crate) info: Option<MediaInfo>,
}

/// Reads one reference; answers in words what is wrong with it.
pub(crate) fn read(kind: Kind, url: &str, model: &Model, files: &Path) -> Result<Reference, String> {
    let words = |error: seedpost_media::MediaError| format!("the {} cannot be read: {error}", kind.as_str());
    let (path, info) = match url.split_once(':') {
        Some(("data", data)) => {
            let (format, bytes) = data_of(kind, data)?;
            let info = probe(Cursor::new(bytes)).map_err(words)?;
            if format != info.container && (format, info.container.as_str()) != ("mpeg", "mp3") {
                return Err(format!(
                    "the data URI says {}/{format}, but the content is {}",
                    kind.as_str(),
                    info.container
                ));
            }
            (None, Some(info))
        }
        Some(("http" | "https", rest)) if rest.starts_with("//") && rest.len() > 2 => match own_file(url, files) {
            Some(path) => {
                let file = File::open(&path).map_err(|_| format!("the {} cannot be downloaded", kind.as_str()))?;
                (Some(path), Some(probe(file).map_err(words)?))
            }
            None => (None, None),
        },
        Some(("asset", rest)) if rest.starts_with("//") && rest.len() > 2 => (None, None),
        _ => return Err(format!("the {} needs an http(s) address or a data URI", kind.as_str())),
    };
    if let Some(info) = &info {
        measure(kind, info, kind.limits(model))?;
    }
    Ok(Reference { kind, path, info })
}

/// Checks what holds for all of a kind together: how many they are, and how long.
pub(crate) fn together(kind: Kind, references: &[Reference], model: &Model) -> Result<(), String> {
    let limits = kind.limits(model);
    let all: Vec<&Reference> = references.iter().filter(|reference| reference.kind == kind).collect();
    if all.len() > limits.count as usize {
        return Err(format!("{} {}s, but at most {} are allowed", all.len(), kind.as_str(), limits.count));
    }
    let Some(range) = limits.combined_seconds else { return Ok(()) };
    let lengths = all.iter().filter_map(|reference| length(kind, reference.info.as_ref()?));
    let total: u64 = lengths.map(|length| length.0).sum();
    // Each length is rounded by less than a microsecond.
    if total > ClockTime::seconds(range.max).0 + all.len() as u64 {
        return Err(format!(
            "the {}s last {} s together, but at most {} s are allowed",
            kind.as_str(),
            ClockTime(total),
            range.max
        ));
    }
    Ok(())
}

fn length(kind: Kind, info: &MediaInfo) -> Option<ClockTime> {
    if kind == Kind::Audio { audio_length(info) } else { info.video.as_ref()?.duration }
}

fn measure(kind: Kind, info: &MediaInfo, limits: &KindLimits) -> Result<(), String> {
    let word = kind.as_str();
    let within = |what: &str, value: u64, range: Option<Range>| match range {
        Some(range) if !range.contains(value) => {
            Err(format!("the {word}'s {what} is {value}, but {} to {} is allowed", range.min, range.max))
        }
        _ => Ok(()),
    };
    if !limits.formats.contains(&info.container) {
        return Err(format!("{} is no {word} format of {}", info.container, limits.formats.join(", ")));
    }
    if limits.bytes.is_some_and(|most| info.bytes > most) {
        return Err(format!("the {word} has {} bytes, which is too large", info.bytes));
    }
    let size = match kind {
        Kind::Image => info.still.as_ref().map(|still| still.upright()),
        Kind::Video => info.video.as_ref().map(|video| video.upright()),
        Kind::Audio => None,
    };
    if let Some((width, height)) = size {
        within("width", width.into(), limits.side)?;
        within("height", height.into(), limits.side)?;
        within("number of pixels", u64::from(width) * u64::from(height), limits.area)?;
        within("width ÷ height in thousandths", u64::from(width) * 1000 / u64::from(height.max(1)), limits.aspect)?;
    }
    if let Some(video) = info.video.as_ref().filter(|_| kind == Kind::Video) {
        if !limits.codecs.is_empty() && !limits.codecs.contains(&video.codec) {
            return Err(format!("the video's codec is {}, but {} is allowed", video.codec, limits.codecs.join(", ")));
        }
        if let Some(rate) = video.rate {
            within("frame rate", rate.nominal().into(), limits.rate)?;
        }
    }
    match (length(kind, info), limits.each_seconds) {
        // A length is rounded by less than a microsecond.
        (Some(length), Some(range))
            if length < ClockTime::seconds(range.min) || length.0 > ClockTime::seconds(range.max).0 + 1 =>
        {
            Err(format!("the {word} lasts {length} s, but {} to {} s is allowed", range.min, range.max))
        }
        _ => Ok(()),
    }
}

/// The format that a data URI names, and its bytes.
fn data_of(kind: Kind, data: &str) -> Result<(&str, Vec<u8>), String> {
    if kind == Kind::Video {
        return Err("a video needs an http(s) address".to_owned());
    }
    let parts = data.split_once('/').and_then(|(class, rest)| Some((class, rest.split_once(";base64,")?)));
    match parts {
        Some((class, (format, text))) if class == kind.as_str() => {
            let bytes = base64(text).ok_or_else(|| format!("the {}'s data URI is not base64", kind.as_str()))?;
            Ok((format, bytes))
        }
        _ => Err(format!("the data URI does not begin with data:{}/<format>;base64,", kind.as_str())),
    }
}

/// Moves the content of every data URI to a file, and leaves the file's address in its place.
pub(crate) fn unpack(input: &mut Value, files: &Path) -> io::Result<()> {
    match input {
        Value::Object(fields) => fields.values_mut().try_for_each(|value| unpack(value, files)),
        Value::Array(items) => items.iter_mut().try_for_each(|value| unpack(value, files)),
        Value::String(text) => {
            let data = text.strip_prefix("data:").and_then(|data| data.split_once(";base64,"));
            let Some((format, bytes)) = data.and_then(|(kind, data)| Some((kind.split_once('/')?.1, base64(data)?)))
            else {
                return Ok(());
            };
            let ending: String = format.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
            let id = uuid::Uuid::now_v7().to_string();
            std::fs::create_dir_all(files.join(&id))?;
            std::fs::write(files.join(&id).join(format!("data.{ending}")), bytes)?;
            *text = format!("http://simulator/cdn/files/{id}/data.{ending}");
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Decodes base64 (RFC 4648, section 4); padding may be absent.
fn base64(text: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok()
}
