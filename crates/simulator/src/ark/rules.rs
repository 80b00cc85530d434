//! What Ark checks of a request before it makes a task of it.

use axum::http::StatusCode;
use seedpost_core::catalog::{Catalog, Model};
use seedpost_core::reference::Kind;
use serde_json::Value;

use super::{Refused, content};
use crate::inputs::Reference;
use crate::rules::{AUTO_SECONDS, Accepted};
use crate::store::Store;

/// Letters of a safety identifier.
const MAX_IDENTIFIER: usize = 64;

/// Judges a request; answers what to render, and the aspect ratio that it comes to.
pub(crate) fn judge(input: &Value, store: &Store) -> Result<(Accepted, String), Refused> {
    let model = model(input)?;
    let settings = Settings::read(input, model)?;
    let references = content::read(input, model, store)?;
    let ratio = match settings.ratio.as_str() {
        "adaptive" => adapted(&references, model, &settings.resolution),
        given => given.to_owned(),
    };
    let size = Catalog::built_in()
        .size(&settings.resolution, &ratio)
        .ok_or_else(|| Refused::invalid("ratio", "no size is known for this ratio"))?;
    let videos = references.iter().any(|reference| reference.kind == Kind::Video);
    let price = model.price.charge(size, settings.seconds, settings.generate_audio, videos);
    let audios = references.into_iter().filter(|reference| reference.kind == Kind::Audio);
    let accepted = Accepted {
        price: price.ok_or_else(|| Refused::invalid("model", "no price is known for this model"))?,
        size,
        seconds: settings.seconds,
        generate_audio: settings.generate_audio,
        audios: audios.filter_map(|audio| audio.path).collect(),
        channels: 1,
        last_frame: input["return_last_frame"] == true,
    };
    Ok((accepted, ratio))
}

/// The row of a model's id.
pub(super) fn model(input: &Value) -> Result<&'static Model, Refused> {
    let id = match input.get("model") {
        None | Some(Value::Null) => return Err(Refused::missing("model")),
        Some(id) => id.as_str().ok_or_else(|| Refused::invalid("model", "model is a string"))?,
    };
    Catalog::built_in().endpoint(id).map(|(model, _)| model).filter(|model| model.provider == "ark").ok_or_else(|| {
        Refused {
            status: StatusCode::NOT_FOUND,
            code: "InvalidEndpointOrModel.NotFound",
            param: "model",
            message: format!("the model or endpoint {id} does not exist or you do not have access to it"),
        }
    })
}

/// Whether it is of the 1.x models, which take a seed and make drafts.
pub(super) fn is_first_generation(model: &Model) -> bool {
    model.model.starts_with("seedance-1")
}

/// What a request sets, and what holds where it sets nothing.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) resolution: String,
    /// `adaptive` where the model chooses.
    pub(super) ratio: String,
    pub(super) seconds: u32,
    pub(super) generate_audio: bool,
    pub(super) seed: Option<i64>,
    pub(super) service_tier: String,
    pub(super) execution_expires_after: i64,
}

impl Settings {
    pub(super) fn read(input: &Value, model: &Model) -> Result<Settings, Refused> {
        let fields = Fields(input);
        let first = is_first_generation(model);
        for (param, taken) in [
            ("camera_fixed", first),
            ("draft", first),
            ("seed", model.seed),
            ("priority", !first),
            ("frames", false),
            ("output_format", false),
            ("omni_reference_task_type", false),
        ] {
            if !taken && fields.given(param).is_some() {
                return Err(Refused::invalid(param, format!("{} takes no {param}", model.model)));
            }
        }
        for param in ["camera_fixed", "draft", "watermark", "return_last_frame"] {
            fields.boolean(param, false)?;
        }
        let identifier = fields.text("safety_identifier")?.unwrap_or_default();
        if identifier.chars().count() > MAX_IDENTIFIER {
            return Err(Refused::invalid("safety_identifier", "safety_identifier has more than 64 characters"));
        }
        let callback = fields.text("callback_url")?;
        if callback.is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
            return Err(Refused::invalid("callback_url", "callback_url is no http(s) address"));
        }
        fields.whole("priority", 0..=9)?;
        fields.tools()?;
        let ratios = model.aspect_ratios.iter().map(|ratio| if ratio == "auto" { "adaptive" } else { ratio });
        let tiers = if first { &["default", "flex"][..] } else { &["default"] };
        Ok(Settings {
            resolution: fields.one_of("resolution", "720p", model.resolutions.iter().map(String::as_str))?,
            ratio: fields.one_of("ratio", "adaptive", ratios)?,
            seconds: fields.seconds(model)?,
            generate_audio: fields.boolean("generate_audio", true)?,
            seed: fields.whole("seed", -1..=i64::from(i32::MAX))?,
            service_tier: fields.one_of("service_tier", "default", tiers.iter().copied())?,
            execution_expires_after: fields.whole("execution_expires_after", 3600..=259_200)?.unwrap_or(172_800),
        })
    }
}

struct Fields<'a>(&'a Value);

impl<'a> Fields<'a> {
    /// A field that is absent or null counts as not given.
    fn given(&self, param: &str) -> Option<&'a Value> {
        self.0.get(param).filter(|value| !value.is_null())
    }

    fn text(&self, param: &'static str) -> Result<Option<&'a str>, Refused> {
        let text =
            |value: &'a Value| value.as_str().ok_or_else(|| Refused::invalid(param, format!("{param} is a string")));
        self.given(param).map(text).transpose()
    }

    fn boolean(&self, param: &'static str, default: bool) -> Result<bool, Refused> {
        let Some(value) = self.given(param) else { return Ok(default) };
        value.as_bool().ok_or_else(|| Refused::invalid(param, format!("{param} is true or false")))
    }

    fn whole(&self, param: &'static str, range: std::ops::RangeInclusive<i64>) -> Result<Option<i64>, Refused> {
        let Some(value) = self.given(param) else { return Ok(None) };
        let whole = value.as_i64().filter(|value| range.contains(value));
        let refused = || {
            let message = format!("{param} is a whole number from {} to {}", range.start(), range.end());
            Refused::invalid(param, message)
        };
        whole.map(Some).ok_or_else(refused)
    }

    fn one_of(
        &self,
        param: &'static str,
        default: &str,
        mut allowed: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<String, Refused> {
        let list = allowed.clone();
        let text = self.text(param)?.unwrap_or(default);
        if allowed.any(|one| one == text) {
            return Ok(text.to_owned());
        }
        let message = format!("{param} {text:?} is not one of {}", list.collect::<Vec<_>>().join(", "));
        Err(Refused::invalid(param, message))
    }

    fn seconds(&self, model: &Model) -> Result<u32, Refused> {
        let Some(value) = self.given("duration") else { return Ok(AUTO_SECONDS) };
        if value.as_i64() == Some(-1) {
            return Ok(AUTO_SECONDS);
        }
        let whole = value.as_u64().filter(|seconds| model.seconds.contains(*seconds));
        whole.and_then(|seconds| u32::try_from(seconds).ok()).ok_or_else(|| {
            let message = format!("duration is -1, or {} to {} whole seconds", model.seconds.min, model.seconds.max);
            Refused::invalid("duration", message)
        })
    }

    fn tools(&self) -> Result<(), Refused> {
        let Some(value) = self.given("tools") else { return Ok(()) };
        let known = |tools: &Vec<Value>| tools.iter().all(|tool| tool["type"] == "web_search");
        let fine = value.as_array().is_some_and(known);
        fine.then_some(()).ok_or_else(|| Refused::invalid("tools", "the only tool is web_search"))
    }
}

/// The ratio that is nearest to the first picture's, or 16:9.
fn adapted(references: &[Reference], model: &Model, resolution: &str) -> String {
    let shown = |reference: &Reference| {
        let info = reference.info.as_ref()?;
        let still = info.still.as_ref().map(|still| still.upright());
        still.or_else(|| info.video.as_ref().map(|video| video.upright()))
    };
    let Some((width, height)) = references.iter().find_map(shown) else { return "16:9".to_owned() };
    let wanted = f64::from(width) / f64::from(height.max(1));
    let distances = model.aspect_ratios.iter().filter_map(|ratio| {
        let size = Catalog::built_in().size(resolution, ratio)?;
        Some(((f64::from(size.width) / f64::from(size.height) / wanted).ln().abs(), ratio))
    });
    let nearest = distances.min_by(|(a, _), (b, _)| a.total_cmp(b));
    nearest.map_or_else(|| "16:9".to_owned(), |(_, ratio)| ratio.clone())
}
