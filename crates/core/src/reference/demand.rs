//! The number behind a rule of the catalog, model by model, in words.

use super::fit;
use crate::catalog::{Model, Range};

/// What a model's row demands by a rule of the catalog, in words; `None` where it sets no limit.
#[must_use]
pub fn demand(rule: &str, model: &Model) -> Option<String> {
    let limits = &model.limits;
    let (kind, what) = rule.split_once('.')?;
    let kind = match kind {
        "image" => &limits.image,
        "video" => &limits.video,
        "audio" => &limits.audio,
        _ => return demand_of_shot(rule, model),
    };
    let most = |bytes: u64| format!("at most {bytes} bytes");
    let span = |range: Range, unit: &str| format!("{} to {}{unit}", range.min, range.max);
    match what {
        "count" => Some(format!("at most {}", kind.count)),
        "format" if kind.codecs.is_empty() => Some(kind.formats.join(", ")),
        "format" => Some(format!("{} in {}", kind.codecs.join(" or "), kind.formats.join(", "))),
        "bytes" => kind.bytes.map(most),
        "combined_bytes" => kind.combined_bytes.map(most),
        "side" => kind.side.map(|range| span(range, " pixels")),
        "area" => kind.area.map(|range| span(range, " pixels, width × height")),
        "aspect" => {
            kind.aspect.map(|range| format!("{} to {}", fit::thousandths(range.min), fit::thousandths(range.max)))
        }
        "rate" => kind.rate.map(|range| span(range, " frames a second")),
        "duration" => kind.each_seconds.map(|range| span(range, " s each")),
        "combined_duration" => kind.combined_seconds.map(|range| span(range, " s together")),
        "needs_picture" => limits.audio_needs_picture.then(|| "an image or video beside the sound".to_owned()),
        _ => None,
    }
}

fn demand_of_shot(rule: &str, model: &Model) -> Option<String> {
    match rule {
        "render.resolution" => Some(model.resolutions.join(", ")),
        "render.aspect_ratio" => Some(model.aspect_ratios.join(", ")),
        "shot.duration" => Some(format!("{} to {} s, or auto", model.seconds.min, model.seconds.max)),
        "shot.seed" => Some(if model.seed { "a seed may be given" } else { "no seed" }.to_owned()),
        "shot.language" => Some(model.languages.join(", ")),
        "reference.total" => Some(format!("at most {} files", model.limits.total_files)),
        "reference.mode" => {
            let modes: Vec<&str> = model.endpoints.keys().map(String::as_str).collect();
            Some(format!("one of: {}", modes.join(", ")))
        }
        "reference.kind" => Some("each file in its own list".to_owned()),
        _ => None,
    }
}
