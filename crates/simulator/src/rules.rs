//! What fal checks of a request, in its own error form: the same catalog rows that `check` reads.

use std::fs::File;
use std::path::{Path, PathBuf};

use seedpost_core::catalog::{Catalog, KindLimits, Mode, Model, PixelSize};
use seedpost_core::cost::Usd;
use seedpost_core::media::MediaInfo;
use seedpost_core::reference::audio_length;
use seedpost_core::time::ClockTime;
use serde_json::{Value, json};

/// The length of a clip whose length the model chooses, in seconds.
pub(crate) const AUTO_SECONDS: u32 = 5;

/// A request that may be rendered.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) price: Usd,
    pub(crate) size: PixelSize,
    pub(crate) seconds: u32,
    pub(crate) generate_audio: bool,
    pub(crate) audios: Vec<PathBuf>,
    /// Channels of the sound.
    pub(crate) channels: u16,
    /// Whether the last frame is wanted as a picture too.
    pub(crate) last_frame: bool,
}

/// Judges a request; answers the `detail` items of a 422 where it fails.
pub(crate) fn judge(endpoint: &str, input: &Value, files: &Path) -> Result<Accepted, Vec<Value>> {
    let (model, mode) = Catalog::built_in()
        .endpoint(endpoint)
        .ok_or_else(|| vec![item("endpoint", "not_found", "unknown endpoint", json!({}))])?;
    let mut check = Check { input, files, detail: Vec::new() };
    check.prompt();
    let resolution = check.literal("resolution", "720p", &model.resolutions);
    let ratio = check.literal("aspect_ratio", "16:9", &model.aspect_ratios);
    let seconds = check.seconds(model);
    let generate_audio = check.boolean("generate_audio");
    let (audios, videos) = check.references(model, mode);
    let catalog = Catalog::built_in();
    let size = catalog.size(&resolution, &ratio).or_else(|| catalog.size(&resolution, "16:9"));
    let price = size.and_then(|size| model.price.charge(size, seconds, generate_audio, videos > 0));
    match size.zip(price) {
        Some((size, price)) if check.detail.is_empty() => {
            Ok(Accepted { price, size, seconds, generate_audio, audios, channels: 2, last_frame: false })
        }
        _ => Err(check.detail),
    }
}

fn item(field: &str, kind: &str, message: &str, context: Value) -> Value {
    json!({ "loc": ["body", field], "msg": message, "type": kind, "ctx": context })
}

struct Check<'a> {
    input: &'a Value,
    files: &'a Path,
    detail: Vec<Value>,
}

impl Check<'_> {
    fn fault(&mut self, field: &str, kind: &str, message: &str, context: Value) {
        self.detail.push(item(field, kind, message, context));
    }

    /// A field that is absent or null counts as not given.
    fn given(&self, field: &str) -> Option<&Value> {
        self.input.get(field).filter(|value| !value.is_null())
    }

    fn prompt(&mut self) {
        let prompt = self.given("prompt").and_then(Value::as_str).unwrap_or_default();
        if prompt.trim().is_empty() {
            self.fault("prompt", "missing", "Field required", json!({}));
        }
    }

    fn literal(&mut self, field: &str, default: &str, allowed: &[String]) -> String {
        let Some(value) = self.given(field) else { return default.to_owned() };
        let text = value.as_str().unwrap_or_default().to_owned();
        if !allowed.contains(&text) {
            self.fault(
                field,
                "literal_error",
                &format!("Input should be one of {}", allowed.join(", ")),
                json!({ "expected": allowed }),
            );
        }
        text
    }

    fn seconds(&mut self, model: &Model) -> u32 {
        let Some(value) = self.given("duration") else { return AUTO_SECONDS };
        if value == "auto" {
            return AUTO_SECONDS;
        }
        let seconds = value
            .as_str()
            .and_then(|text| text.parse().ok())
            .filter(|seconds: &u32| model.seconds.contains((*seconds).into()));
        seconds.unwrap_or_else(|| {
            let expected = format!("'auto' or '{}' to '{}'", model.seconds.min, model.seconds.max);
            self.fault(
                "duration",
                "literal_error",
                &format!("Input should be {expected}"),
                json!({ "expected": expected }),
            );
            AUTO_SECONDS
        })
    }

    fn boolean(&mut self, field: &str) -> bool {
        match self.given(field).map(Value::as_bool) {
            None => true,
            Some(Some(value)) => value,
            Some(None) => {
                self.fault(field, "bool_type", "Input should be a valid boolean", json!({}));
                true
            }
        }
    }

    /// Checks every file; answers the sounds in order, and how many videos there are.
    fn references(&mut self, model: &Model, mode: Mode) -> (Vec<PathBuf>, usize) {
        let limits = &model.limits;
        if mode == Mode::Image {
            if self.given("image_url").is_none() {
                self.fault("image_url", "missing", "Field required", json!({}));
            }
            for field in ["image_url", "end_image_url"] {
                let url = self.given(field).cloned().into_iter().collect();
                self.files_of(field, url, &limits.image, usize::MAX);
            }
        }
        if mode != Mode::Reference {
            return (Vec::new(), 0);
        }
        let urls = |field: &str| self.given(field).and_then(Value::as_array).cloned().unwrap_or_default();
        let (images, videos, audios) = (urls("image_urls"), urls("video_urls"), urls("audio_urls"));
        let (pictures, total) = (images.len() + videos.len(), images.len() + videos.len() + audios.len());
        if total > limits.total_files as usize {
            self.fault(
                "image_urls",
                "sequence_too_long",
                "Too many files",
                json!({ "max_length": limits.total_files }),
            );
        }
        if limits.audio_needs_picture && !audios.is_empty() && pictures == 0 {
            self.fault("audio_urls", "value_error", "Audio requires at least one reference image or video", json!({}));
        }
        self.files_of("image_urls", images, &limits.image, limits.image.count as usize);
        let count = self.files_of("video_urls", videos, &limits.video, limits.video.count as usize).len();
        let audios = self.files_of("audio_urls", audios, &limits.audio, limits.audio.count as usize);
        self.combined(&audios, &limits.audio);
        (audios.into_iter().map(|(path, _)| path).collect(), count)
    }

    fn files_of(
        &mut self,
        field: &str,
        urls: Vec<Value>,
        limits: &KindLimits,
        most: usize,
    ) -> Vec<(PathBuf, MediaInfo)> {
        if urls.len() > most {
            self.fault(field, "sequence_too_long", "Too many files", json!({ "max_length": most }));
        }
        let mut files = Vec::new();
        for url in urls {
            let path = url.as_str().and_then(|url| own_file(url, self.files));
            let Some(path) = path.filter(|path| path.is_file()) else {
                self.fault(
                    field,
                    "file_download_error",
                    "Failed to download the file; the simulator reads only what was uploaded to it",
                    json!({ "input": url }),
                );
                continue;
            };
            let measured = File::open(&path)
                .map_err(|error| error.to_string())
                .and_then(|file| seedpost_media::probe::probe(file).map_err(|error| error.to_string()));
            match measured {
                Ok(info) if !limits.formats.contains(&info.container) => {
                    self.fault(
                        field,
                        "unsupported_format",
                        &format!("Unsupported format {}", info.container),
                        json!({ "supported_formats": limits.formats }),
                    );
                }
                Ok(info) if limits.bytes.is_some_and(|most| info.bytes > most) => {
                    self.fault(field, "file_too_large", "File too large", json!({ "max_size": limits.bytes }));
                }
                Ok(info) => files.push((path, info)),
                Err(message) => self.fault(field, "file_download_error", &message, json!({})),
            }
        }
        files
    }

    fn combined(&mut self, audios: &[(PathBuf, MediaInfo)], limits: &KindLimits) {
        let Some(range) = limits.combined_seconds else { return };
        let total: u64 = audios.iter().filter_map(|(_, info)| audio_length(info)).map(|length| length.0).sum();
        // Each length is rounded up by less than a microsecond.
        if total > ClockTime::seconds(range.max).0 + audios.len() as u64 {
            let provided = ClockTime(total).to_string();
            self.fault(
                "audio_urls",
                "audio_duration_too_long",
                "Combined audio is too long",
                json!({ "max_duration": range.max, "provided_duration": provided }),
            );
        }
    }
}

/// The file behind an address of this simulator, whatever its host was then called.
pub(crate) fn own_file(url: &str, files: &Path) -> Option<PathBuf> {
    let (_, path) = url.split_once("://")?.1.split_once("/cdn/files/")?;
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let (id, name) = path.split_once('/')?;
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    (plain(id) && plain(name)).then(|| files.join(id).join(name))
}
