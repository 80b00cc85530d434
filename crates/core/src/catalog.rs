//! What each provider and model accepts, delivers and charges: one dated table, and questions to it.
//!
//! The table is `data/catalog.toml`. A model that is not in it is refused, since nothing is known
//! about its limits or price.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use crate::cost::{self, ToldPrice, Unit, Usd};
use crate::shot::{ProviderName, RenderSettings, Shot, ShotDuration};
use crate::spec::Promise;

/// The whole table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    sizes: Sizes,
    #[serde(rename = "model")]
    models: Vec<Model>,
}

#[derive(Debug, Deserialize)]
struct Sizes {
    source: String,
    date: String,
    #[serde(rename = "480p")]
    p480: BTreeMap<String, PixelSize>,
    #[serde(rename = "720p")]
    p720: BTreeMap<String, PixelSize>,
    #[serde(rename = "1080p")]
    p1080: BTreeMap<String, PixelSize>,
    #[serde(rename = "2k")]
    k2: BTreeMap<String, PixelSize>,
    #[serde(rename = "4k")]
    k4: BTreeMap<String, PixelSize>,
}

/// Width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PixelSize {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

impl TryFrom<String> for PixelSize {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let size = text
            .split_once('x')
            .and_then(|(width, height)| Some(PixelSize { width: width.parse().ok()?, height: height.parse().ok()? }));
        size.ok_or(format!("{text:?} is not a size such as 1280x720"))
    }
}

/// What one provider says of one model and tier.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The provider's name: `fal`, `ark` or `openai`.
    pub provider: String,
    /// The model's name in shot lists.
    pub model: String,
    /// `standard`, `fast` or `mini`.
    pub tier: String,
    /// Who says so.
    pub source: String,
    /// The day the source was read.
    pub date: String,
    /// What else to know.
    #[serde(default)]
    pub note: String,
    /// Resolutions that may be asked for.
    pub resolutions: Vec<String>,
    /// Aspect ratios that may be asked for.
    pub aspect_ratios: Vec<String>,
    /// Clip lengths that may be asked for, in seconds.
    pub seconds: Range,
    /// Whether a seed may be sent.
    pub seed: bool,
    /// Languages that lip sync is trained for, by ISO 639-1.
    pub languages: Vec<String>,
    /// The provider's own names, by [`Mode`].
    pub endpoints: BTreeMap<String, String>,
    /// The name of the model on BytePlus, where the provider is Ark and it is offered there.
    pub byteplus: Option<String>,
    /// The field that takes a mark of our own, by which a request can be found again.
    pub mark: Option<String>,
    /// Whether images and sounds are sent within the request, and videos not at all.
    #[serde(default)]
    pub inline: bool,
    /// The largest request, in bytes.
    pub request_bytes: Option<u64>,
    /// How many channels its sound is told to have.
    #[serde(default = "stereo")]
    pub channels: u32,
    /// Resolutions that it delivers as HEVC.
    #[serde(default)]
    pub hevc: Vec<String>,
    /// Whether it takes a negative prompt.
    #[serde(default)]
    pub negative_prompt: bool,
    /// What it charges.
    pub price: Price,
    /// What it accepts as references.
    pub limits: Limits,
}

/// Both ends are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The least.
    pub min: u32,
    /// The most.
    pub max: u32,
}

impl Range {
    /// Whether the value lies within.
    #[must_use]
    pub fn contains(self, value: u64) -> bool {
        (u64::from(self.min)..=u64::from(self.max)).contains(&value)
    }
}

fn stereo() -> u32 {
    2
}

/// What a thousand tokens cost.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    usd_per_1k_tokens: String,
    usd_per_1k_tokens_silent: Option<String>,
    video_reference_percent: u32,
    /// Seconds that are counted beside the clip's own where there is a video reference.
    #[serde(default)]
    video_reference_seconds: u32,
    /// `published`, or `assumed` where no price was found and a sister's is taken.
    pub basis: String,
}

/// What a model accepts as references.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// The most files of all kinds together.
    pub total_files: u32,
    /// Whether sound is refused without an image or video.
    pub audio_needs_picture: bool,
    /// Images.
    pub image: KindLimits,
    /// Videos.
    pub video: KindLimits,
    /// Sounds.
    pub audio: KindLimits,
}

/// What a model accepts of one kind of reference. What is absent is not limited.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindLimits {
    /// The most files.
    pub count: u32,
    /// The most bytes of one file.
    pub bytes: Option<u64>,
    /// The most bytes together.
    pub combined_bytes: Option<u64>,
    /// The length of one file, in seconds.
    pub each_seconds: Option<Range>,
    /// The length of all together, in seconds.
    pub combined_seconds: Option<Range>,
    /// Formats, by content and not by name.
    pub formats: Vec<String>,
    /// Codecs; any where the source names none.
    #[serde(default)]
    pub codecs: Vec<String>,
    /// Frames a second.
    pub rate: Option<Range>,
    /// Each side, in pixels.
    pub side: Option<Range>,
    /// Width × height, in pixels.
    pub area: Option<Range>,
    /// Width ÷ height, in thousandths.
    pub aspect: Option<Range>,
}

/// Which of a model's inputs a shot uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Mode {
    /// The prompt alone.
    Text,
    /// A first frame, perhaps a last one.
    Image,
    /// Reference images, videos or sounds.
    Reference,
}

impl Mode {
    /// The mode that a shot's references call for.
    #[must_use]
    pub fn of(shot: &Shot) -> Mode {
        if !shot.images.is_empty() || !shot.videos.is_empty() || !shot.audios.is_empty() {
            Mode::Reference
        } else if shot.first_frame.is_some() || shot.first_frame_from.is_some() {
            Mode::Image
        } else {
            Mode::Text
        }
    }

    /// The key in [`Model::endpoints`].
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Text => "text",
            Mode::Image => "image",
            Mode::Reference => "reference",
        }
    }
}

impl Catalog {
    /// The table that this version of seedpost carries.
    ///
    /// # Panics
    /// Never: a test reads the same text.
    #[must_use]
    pub fn built_in() -> &'static Catalog {
        static TABLE: OnceLock<Catalog> = OnceLock::new();
        TABLE.get_or_init(|| {
            toml::from_str(include_str!("../data/catalog.toml")).expect("the built-in table is read by a test")
        })
    }

    /// All rows.
    #[must_use]
    pub fn models(&self) -> &[Model] {
        &self.models
    }

    /// The rows of a provider. The simulator speaks fal's form and obeys fal's rows.
    pub fn rows(&self, provider: ProviderName) -> impl Iterator<Item = &Model> {
        let provider = match provider {
            ProviderName::Simulator => "fal",
            other => other.as_str(),
        };
        self.models.iter().filter(move |row| row.provider == provider)
    }

    /// The row for these settings.
    #[must_use]
    pub fn model(&self, render: &RenderSettings) -> Option<&Model> {
        self.rows(render.provider).find(|row| row.model == render.model && row.tier == render.tier)
    }

    /// The row and mode of a provider's own name for a model.
    #[must_use]
    pub fn endpoint(&self, endpoint: &str) -> Option<(&Model, Mode)> {
        [Mode::Text, Mode::Image, Mode::Reference].into_iter().find_map(|mode| {
            self.models
                .iter()
                .find(|row| {
                    let own = row.endpoints.get(mode.as_str());
                    own.is_some_and(|own| own == endpoint || row.byteplus.as_deref() == Some(endpoint))
                })
                .map(|row| (row, mode))
        })
    }

    /// The delivered size; `None` where the model chooses the ratio or the resolution is unknown.
    #[must_use]
    pub fn size(&self, resolution: &str, aspect_ratio: &str) -> Option<PixelSize> {
        let sizes = &self.sizes;
        let row = match resolution {
            "480p" => &sizes.p480,
            "720p" => &sizes.p720,
            "1080p" => &sizes.p1080,
            "2k" => &sizes.k2,
            "4k" => &sizes.k4,
            _ => return None,
        };
        row.get(aspect_ratio).copied()
    }

    /// Who says what sizes are delivered.
    #[must_use]
    pub fn size_source(&self) -> String {
        format!("{}, {}", self.sizes.source, self.sizes.date)
    }

    /// What a shot will cost, by a price that the provider told or else by the table; the larger of both where the
    /// told price is not for tokens. `auto` counts as the longest clip and a free aspect ratio as 16:9. `None` for a
    /// model or size that is not in the table.
    #[must_use]
    pub fn estimate(&self, shot: &Shot, generate_audio: bool, told: Option<ToldPrice>) -> Option<Usd> {
        let model = self.model(&shot.render)?;
        let ratio = if self.size(&shot.render.resolution, &shot.render.aspect_ratio).is_some() {
            &shot.render.aspect_ratio
        } else {
            "16:9"
        };
        let size = self.size(&shot.render.resolution, ratio)?;
        let seconds = match shot.duration {
            ShotDuration::Seconds(seconds) => seconds,
            ShotDuration::Auto => model.seconds.max,
        };
        match told {
            Some(told) => {
                let clip = told.charge(cost::tokens(size.width, size.height, seconds), seconds);
                let table = model.price.charge(size, seconds, generate_audio, !shot.videos.is_empty())?;
                match told.unit {
                    Unit::Tokens(_) => Some(model.price.with_video(clip, !shot.videos.is_empty())),
                    // Which resolution it is for is not told.
                    Unit::Second | Unit::Clip => Some(clip.max(table)),
                }
            }
            None => model.price.charge(size, seconds, generate_audio, !shot.videos.is_empty()),
        }
    }
}

impl Price {
    /// The price of a thousand tokens.
    #[must_use]
    pub fn per_thousand(&self, generate_audio: bool) -> Option<Usd> {
        let silent = self.usd_per_1k_tokens_silent.as_ref().filter(|_| !generate_audio);
        silent.unwrap_or(&self.usd_per_1k_tokens).parse().ok()
    }

    /// The charge for a clip of this size and length.
    #[must_use]
    pub fn charge(&self, size: PixelSize, seconds: u32, generate_audio: bool, video_reference: bool) -> Option<Usd> {
        let counted = if video_reference { seconds.saturating_add(self.video_reference_seconds) } else { seconds };
        let tokens = cost::tokens(size.width, size.height, counted);
        Some(self.with_video(self.of_tokens(tokens, generate_audio)?, video_reference))
    }

    /// The charge for so many tokens, as a provider counted them.
    #[must_use]
    pub fn of_tokens(&self, tokens: u64, generate_audio: bool) -> Option<Usd> {
        let per_thousand = self.per_thousand(generate_audio)?;
        Some(cost::price(tokens, per_thousand))
    }

    fn with_video(&self, full: Usd, video_reference: bool) -> Usd {
        let percent = if video_reference { self.video_reference_percent } else { 100 };
        let micros = u128::from(full.micros()) * u128::from(percent);
        crate::time::Rounding::Up.divide(micros, 100).map_or(full, Usd::from_micros)
    }
}

impl Model {
    /// The provider's own name for the model; `None` where the model lacks the mode or the region has no such
    /// model.
    #[must_use]
    pub fn endpoint(&self, mode: Mode, render: &RenderSettings) -> Option<&str> {
        let own = self.endpoints.get(mode.as_str())?;
        let byteplus = render.provider == ProviderName::Ark && render.region == "ap-southeast";
        if byteplus { self.byteplus.as_deref() } else { Some(own) }
    }

    /// What a clip of a shot is promised to be.
    #[must_use]
    pub fn promise(&self, shot: &Shot, generate_audio: bool) -> Promise {
        let render = &shot.render;
        let seconds = match shot.duration {
            ShotDuration::Seconds(seconds) => Some(seconds),
            ShotDuration::Auto => None,
        };
        let size = Catalog::built_in().size(&render.resolution, &render.aspect_ratio);
        let mut promise = Promise::ordered(&self.model, size, seconds, generate_audio);
        if self.hevc.contains(&render.resolution) {
            promise.video_codecs = vec!["hevc".to_owned()];
        }
        promise.audio.channels = Some(self.channels);
        promise
    }

    /// Who says so, and when.
    #[must_use]
    pub fn cited(&self) -> String {
        format!("{}, {}", self.source, self.date)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_source_a_date_a_price_and_known_sizes() {
        let catalog = Catalog::built_in();
        assert_eq!(catalog.models().len(), 10);
        for row in catalog.models() {
            assert!(!row.source.is_empty() && row.date.len() == 10, "{}", row.model);
            for resolution in &row.resolutions {
                let size = catalog.size(resolution, "16:9").expect(resolution);
                assert!(row.price.charge(size, 5, true, false).is_some());
            }
        }
    }

    #[test]
    fn a_region_has_its_own_names_and_not_every_model() {
        let render = |tier: &str, region: &str| RenderSettings {
            provider: ProviderName::Ark,
            tier: tier.to_owned(),
            region: region.to_owned(),
            ..RenderSettings::default()
        };
        for (tier, region, expected) in [
            ("standard", "cn-beijing", Some("doubao-seedance-2-0-260128")),
            ("standard", "ap-southeast", Some("dreamina-seedance-2-0-260128")),
            ("mini", "ap-southeast", None),
        ] {
            let render = render(tier, region);
            let model = Catalog::built_in().model(&render).expect("a row");
            assert_eq!(model.endpoint(Mode::Text, &render), expected, "{tier} {region}");
        }
    }

    #[test]
    fn a_clip_of_1_5_pro_costs_half_without_sound() {
        let row =
            Catalog::built_in().endpoint("fal-ai/bytedance/seedance/v1.5/pro/text-to-video").expect("in the table").0;
        let size = PixelSize { width: 1280, height: 720 };
        // 108,000 tokens, at $2.4 and $1.2 a million.
        assert_eq!(row.price.charge(size, 5, true, false), Some(Usd::from_micros(259_200)));
        assert_eq!(row.price.charge(size, 5, false, false), Some(Usd::from_micros(129_600)));
    }
}
