//! What the proxies check of a request: the table of the guide that describes them, and fal's limits.

use std::path::Path;

use seedpost_core::catalog::{Catalog, Model, PixelSize};
use seedpost_core::reference::Kind;
use serde_json::Value;

use super::Refused;
use crate::inputs::{self, Reference};
use crate::rules::{AUTO_SECONDS, Accepted};

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
            references.push(inputs::read(kind, url, model, files).map_err(invalid)?);
        }
        inputs::together(kind, &references[from..], model).map_err(invalid)?;
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
        let (own, model) = models(input)?;
        if !input["lipsync_language"].is_null() {
            one_of(input, "lipsync_language", "en", &own.languages)?;
        }
        let resolution = one_of(input, "resolution", "720p", &own.resolutions)?;
        if resolution == "2k" && !prompt.contains(PLAN_WITH_2K) {
            return Err(Refused::invalid("unsupported_resolution", "resolution 2k is not available on your plan"));
        }
        let generate_audio = match &input["audio"] {
            Value::Null => false,
            Value::Bool(audio) => *audio,
            _ => return Err(Refused::invalid("invalid_parameter", "audio is true or false")),
        };
        Ok(Settings {
            model,
            resolution,
            ratio: one_of(input, "aspect_ratio", "16:9", &own.aspect_ratios)?,
            seconds: seconds(&input["duration"], own)?,
            generate_audio,
        })
    }

    /// The delivered size.
    pub(super) fn size(&self) -> Option<PixelSize> {
        Catalog::built_in().size(&self.resolution, &self.ratio)
    }
}

/// The proxies' own row, and that of fal's tier, whose limits and price they pass on.
fn models(input: &Value) -> Result<(&'static Model, &'static Model), Refused> {
    let catalog = Catalog::built_in();
    let own = input["model"].as_str().and_then(|name| catalog.endpoint(name)).map(|(own, _)| own);
    let own = own.filter(|own| own.provider == "openai");
    let fal = |own: &Model| {
        catalog.models().iter().find(|row| row.provider == "fal" && (&row.model, &row.tier) == (&own.model, &own.tier))
    };
    own.and_then(|own| Some((own, fal(own)?)))
        .ok_or_else(|| Refused::invalid("model_not_found", format!("the model {} does not exist", input["model"])))
}

fn seconds(value: &Value, own: &Model) -> Result<u32, Refused> {
    if value.is_null() {
        return Ok(AUTO_SECONDS);
    }
    let whole = value.as_u64().filter(|seconds| own.seconds.contains(*seconds));
    let whole = whole.and_then(|seconds| u32::try_from(seconds).ok());
    whole.ok_or_else(|| {
        let message = format!("duration is a whole number from {} to {}", own.seconds.min, own.seconds.max);
        Refused::invalid("invalid_duration", message)
    })
}

fn one_of(input: &Value, field: &'static str, default: &str, allowed: &[String]) -> Result<String, Refused> {
    let given = match &input[field] {
        Value::Null => default,
        value => value.as_str().unwrap_or_default(),
    };
    if allowed.iter().any(|one| one == given) {
        return Ok(given.to_owned());
    }
    let message = format!("{field} {} is not one of {}", input[field], allowed.join(", "));
    Err(Refused::invalid("invalid_parameter", message))
}
