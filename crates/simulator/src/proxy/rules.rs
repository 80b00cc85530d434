//! What the proxies check of a request: the table of the guide that describes them, and fal's limits.

use std::path::Path;

use seedpost_core::catalog::{Catalog, Model, PixelSize};
use serde_json::Value;

use super::Refused;
use crate::inputs::{self, Kind, Reference};
use crate::rules::{AUTO_SECONDS, Accepted};

const RESOLUTIONS: [&str; 4] = ["480p", "720p", "1080p", "2k"];
const RATIOS: [&str; 6] = ["16:9", "9:16", "4:3", "3:4", "21:9", "1:1"];
const LANGUAGES: [&str; 8] = ["en", "zh", "es", "fr", "de", "ja", "ko", "pt"];
/// What a prompt holds whose sender's plan has 2k.
const PLAN_WITH_2K: &str = "[2k]";

/// Judges a request; answers what to render, and its aspect ratio.
pub(crate) fn judge(input: &Value, files: &Path) -> Result<(Accepted, String), Refused> {
    let settings = Settings::read(input)?;
    let model = settings.model;
    let invalid = |message: String| Refused::invalid("invalid_reference", message);
    let mut references = Vec::new();
    for (field, kind) in [
        ("first_frame_image", Kind::Image),
        ("last_frame_image", Kind::Image),
        ("images", Kind::Image),
        ("videos", Kind::Video),
        ("audios", Kind::Audio),
    ] {
        let from = references.len();
        for url in urls(input, field)? {
            references.push(inputs::read(kind, url, &model.limits, files).map_err(invalid)?);
        }
        inputs::together(kind, &references[from..], &model.limits).map_err(invalid)?;
    }
    let size = settings.size().ok_or_else(|| invalid("no size is known for this ratio".to_owned()))?;
    let videos = references.iter().any(|reference| reference.kind == Kind::Video);
    let price = model.price.charge(size, settings.seconds, settings.generate_audio, videos);
    let sound = |reference: Reference| reference.path.filter(|_| reference.kind == Kind::Audio);
    let accepted = Accepted {
        price: price.ok_or_else(|| invalid("no price is known for this model".to_owned()))?,
        size,
        seconds: settings.seconds,
        generate_audio: settings.generate_audio,
        audios: references.into_iter().filter_map(sound).collect(),
        channels: 2,
        last_frame: false,
    };
    Ok((accepted, settings.ratio))
}

/// The addresses in a field: a list, or one.
fn urls<'a>(input: &'a Value, field: &'static str) -> Result<Vec<&'a str>, Refused> {
    let wrong = || Refused::invalid("invalid_reference", format!("{field} is not made of addresses"));
    match &input[field] {
        Value::Null => Ok(Vec::new()),
        Value::String(url) if field.ends_with("_frame_image") => Ok(vec![url]),
        Value::Array(urls) if !field.ends_with("_frame_image") => {
            urls.iter().map(|url| url.as_str().ok_or_else(wrong)).collect()
        }
        _ => Err(wrong()),
    }
}

/// What a request sets, and what holds where it sets nothing.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) model: &'static Model,
    pub(super) resolution: String,
    pub(super) ratio: String,
    pub(super) seconds: u32,
    pub(super) generate_audio: bool,
}

impl Settings {
    pub(super) fn read(input: &Value) -> Result<Settings, Refused> {
        let prompt = input["prompt"].as_str().unwrap_or_default();
        if prompt.trim().is_empty() {
            return Err(Refused::invalid("missing_prompt", "prompt is required"));
        }
        for field in ["negative_prompt", "lipsync_language"] {
            if !input[field].is_null() && !input[field].is_string() {
                return Err(Refused::invalid("invalid_parameter", format!("{field} is a string")));
            }
        }
        if !input["lipsync_language"].is_null() {
            one_of(input, "lipsync_language", "en", &LANGUAGES)?;
        }
        let resolution = one_of(input, "resolution", "720p", &RESOLUTIONS)?;
        if resolution == "2k" && !prompt.contains(PLAN_WITH_2K) {
            return Err(Refused::invalid("unsupported_resolution", "resolution 2k is not available on your plan"));
        }
        let generate_audio = match &input["audio"] {
            Value::Null => false,
            Value::Bool(audio) => *audio,
            _ => return Err(Refused::invalid("invalid_parameter", "audio is true or false")),
        };
        Ok(Settings {
            model: model(input)?,
            resolution,
            ratio: one_of(input, "aspect_ratio", "16:9", &RATIOS)?,
            seconds: seconds(&input["duration"])?,
            generate_audio,
        })
    }

    /// The delivered size; 2k is four thirds of 1080p, in even numbers.
    pub(super) fn size(&self) -> Option<PixelSize> {
        if self.resolution != "2k" {
            return Catalog::built_in().size(&self.resolution, &self.ratio);
        }
        let size = Catalog::built_in().size("1080p", &self.ratio)?;
        let grown = |side: u32| (side * 4 / 3).next_multiple_of(2);
        Some(PixelSize { width: grown(size.width), height: grown(size.height) })
    }
}

/// The row of fal's tier, whose limits and price the proxies pass on.
fn model(input: &Value) -> Result<&'static Model, Refused> {
    let tier = match input["model"].as_str() {
        Some("seedance_2.0") => "bytedance/seedance-2.0/reference-to-video",
        Some("seedance_2.0_fast") => "bytedance/seedance-2.0/fast/reference-to-video",
        _ => return Err(Refused::invalid("model_not_found", format!("the model {} does not exist", input["model"]))),
    };
    let row = Catalog::built_in().endpoint(tier).map(|(model, _)| model);
    row.ok_or_else(|| Refused::invalid("model_not_found", "the model is not in the table"))
}

fn seconds(value: &Value) -> Result<u32, Refused> {
    if value.is_null() {
        return Ok(AUTO_SECONDS);
    }
    let whole = value.as_u64().filter(|seconds| (4..=15).contains(seconds));
    let whole = whole.and_then(|seconds| u32::try_from(seconds).ok());
    whole.ok_or_else(|| Refused::invalid("invalid_duration", "duration is a whole number from 4 to 15"))
}

fn one_of(input: &Value, field: &'static str, default: &str, allowed: &[&str]) -> Result<String, Refused> {
    let given = match &input[field] {
        Value::Null => default,
        value => value.as_str().unwrap_or_default(),
    };
    if allowed.contains(&given) {
        return Ok(given.to_owned());
    }
    let message = format!("{field} {} is not one of {}", input[field], allowed.join(", "));
    Err(Refused::invalid("invalid_parameter", message))
}
