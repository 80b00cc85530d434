//! Supplied assets and settings against what a provider's model accepts: accept, conform, or reject.
//!
//! Every rule reads its number from the catalog, and every fault names the catalog's source.

use crate::catalog::{Catalog, KindLimits, Mode, Model, Range};
use crate::fault::{Fault, Place, Severity};
use crate::media::{MediaInfo, StillInfo, VideoInfo};
use crate::shot::{ProviderName, Shot, ShotDuration, ShotList, suggestion};
use crate::time::{ClockTime, FrameRate, Rounding};

/// What an asset is used as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A still picture.
    Image,
    /// A moving picture.
    Video,
    /// Sound.
    Audio,
}

impl Kind {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Image => "image",
            Kind::Video => "video",
            Kind::Audio => "audio",
        }
    }

    fn limits(self, model: &Model) -> &KindLimits {
        match self {
            Kind::Image => &model.limits.image,
            Kind::Video => &model.limits.video,
            Kind::Audio => &model.limits.audio,
        }
    }
}

/// One supplied asset, measured; `info` is absent for a URL, which only the provider reads.
#[derive(Debug, Clone)]
pub struct Asset {
    /// What it is used as.
    pub kind: Kind,
    /// Where the list names it.
    pub place: Place,
    /// Its name in the list.
    pub name: String,
    /// What it is.
    pub info: Option<MediaInfo>,
    /// How much of it is wanted; all of it where absent. Sound only.
    pub wanted: Option<ClockTime>,
}

/// What the checks of one shot found.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Everything that is wrong.
    pub faults: Vec<Fault>,
    /// What conforming will change, in words: not a fault.
    pub conforms: Vec<String>,
}

/// Judges a shot and its measured assets against the row of its model.
#[must_use]
pub fn judge(shot: &Shot, assets: &[Asset]) -> Verdict {
    let catalog = Catalog::built_in();
    let mut verdict = Verdict::default();
    check_provider(shot, &mut verdict);
    let Some(model) = catalog.model(&shot.render) else {
        unknown_model(shot, catalog, &mut verdict);
        return verdict;
    };
    let mut check = Check { model, shot, verdict };
    check.settings();
    check.counts(assets);
    for asset in assets {
        check.asset(asset);
    }
    check.together(assets);
    check.tags();
    check.verdict
}

/// Judges what concerns the whole list.
#[must_use]
pub fn judge_list(list: &ShotList) -> Vec<Fault> {
    if list.frame_rate == FrameRate::FPS_24 {
        return Vec::new();
    }
    let place = Place { path: "frame_rate".to_owned(), line: None };
    let found = format!("{} frames a second", list.frame_rate);
    let allowed = "24: Seedance delivers 24, and nothing is relabelled";
    vec![Fault::of_form(
        "list.frame_rate_conform",
        &place,
        found,
        allowed,
        "cut at 24, and conform the finished reel in the editor",
    )]
}

fn check_provider(shot: &Shot, verdict: &mut Verdict) {
    let provider = shot.render.provider;
    if matches!(provider, ProviderName::Ark | ProviderName::Openai) {
        let place = shot.place.within("provider", None);
        let fix = "use provider = \"simulator\" or \"fal\"";
        verdict.faults.push(Fault::of_form(
            "render.provider",
            &place,
            provider.as_str(),
            "simulator or fal in this version",
            fix,
        ));
    }
}

fn unknown_model(shot: &Shot, catalog: &Catalog, verdict: &mut Verdict) {
    let render = &shot.render;
    let found = format!("{} {} on {}", render.model, render.tier, render.provider.as_str());
    let known: Vec<String> =
        catalog.models().iter().map(|row| format!("{} {} on {}", row.model, row.tier, row.provider)).collect();
    let names: Vec<&str> = catalog.models().iter().map(|row| row.model.as_str()).collect();
    let place = shot.place.within("model", None);
    verdict.faults.push(Fault::of_form(
        "render.model",
        &place,
        found,
        known.join(", "),
        suggestion(&render.model, &names),
    ));
}

struct Check<'a> {
    model: &'a Model,
    shot: &'a Shot,
    verdict: Verdict,
}

impl Check<'_> {
    fn fault(
        &mut self,
        rule: &'static str,
        place: &Place,
        found: impl Into<String>,
        allowed: impl Into<String>,
        fix: impl Into<String>,
    ) {
        let source = self.model.cited();
        let fault = Fault { source, ..Fault::of_form(rule, place, found, allowed, fix) };
        self.verdict.faults.push(fault);
    }

    fn settings(&mut self) {
        let render = &self.shot.render;
        let words = |list: &[String]| list.iter().map(|word| word.to_owned()).collect::<Vec<_>>();
        for (rule, key, found, allowed) in [
            ("render.resolution", "resolution", &render.resolution, words(&self.model.resolutions)),
            ("render.aspect_ratio", "aspect_ratio", &render.aspect_ratio, words(&self.model.aspect_ratios)),
        ] {
            if !allowed.contains(found) {
                let place = self.shot.place.within(key, None);
                let known: Vec<&str> = allowed.iter().map(String::as_str).collect();
                let fix = suggestion(found, &known);
                self.fault(rule, &place, found.clone(), allowed.join(", "), fix);
            }
        }
        let Range { min, max } = self.model.seconds;
        if let ShotDuration::Seconds(seconds) = self.shot.duration
            && !self.model.seconds.contains(seconds.into())
        {
            let place = self.shot.place.within("duration", None);
            let nearest = seconds.clamp(min, max);
            self.fault(
                "shot.duration",
                &place,
                format!("{seconds} s"),
                format!("{min} to {max} s, or \"auto\""),
                format!("write `duration = {nearest}`, or split the shot"),
            );
        }
        let mode = Mode::of(self.shot);
        if !self.model.endpoints.contains_key(mode.as_str()) {
            let place = self.shot.place.clone();
            self.fault(
                "reference.mode",
                &place,
                "references",
                "a first and a last frame at most",
                "use seedance-2.0, or drop the references",
            );
        }
        if mode == Mode::Reference && self.shot.first_frame.is_some() {
            let place = self.shot.place.within("first_frame", None);
            self.fault(
                "frame.with_references",
                &place,
                "first_frame beside references",
                "either frames or references",
                "move the picture into `images`, or drop the references",
            );
        }
    }

    fn counts(&mut self, assets: &[Asset]) {
        let place = self.shot.place.clone();
        if Mode::of(self.shot) == Mode::Image {
            return;
        }
        for kind in [Kind::Image, Kind::Video, Kind::Audio] {
            let found = assets.iter().filter(|asset| asset.kind == kind).count();
            let allowed = kind.limits(self.model).count;
            if found > allowed as usize {
                let rule = match kind {
                    Kind::Image => "image.count",
                    Kind::Video => "video.count",
                    Kind::Audio => "audio.count",
                };
                self.fault(
                    rule,
                    &place,
                    format!("{found} {}s", kind.as_str()),
                    format!("at most {allowed}"),
                    format!("drop {}", found - allowed as usize),
                );
            }
        }
        let total = self.model.limits.total_files;
        if assets.len() > total as usize {
            self.fault(
                "reference.total",
                &place,
                format!("{} files", assets.len()),
                format!("at most {total} of all kinds"),
                format!("drop {}", assets.len() - total as usize),
            );
        }
        let pictures = assets.iter().any(|asset| asset.kind != Kind::Audio);
        if self.model.limits.audio_needs_picture && !assets.is_empty() && !pictures {
            self.fault(
                "audio.needs_picture",
                &place,
                "sound alone",
                "sound with at least one image or video",
                "add an image or a video",
            );
        }
    }

    fn asset(&mut self, asset: &Asset) {
        let Some(info) = &asset.info else { return };
        let limits = asset.kind.limits(self.model);
        let known = &limits.formats;
        if !known.contains(&info.container) && asset.kind == Kind::Audio && info.audio.is_some() && info.video.is_none()
        {
            self.verdict.conforms.push(format!("{}: {} becomes WAV", asset.name, info.container));
        } else if !known.contains(&info.container) {
            let found = format!("{} ({})", info.container, asset.name);
            self.fault(
                "reference.format",
                &asset.place,
                found,
                known.join(", "),
                format!("convert it to {}", known.first().map_or("an accepted format", String::as_str)),
            );
            return;
        }
        self.bytes(asset, info, limits.megabytes);
        if let Some((width, height)) =
            info.still.as_ref().map(StillInfo::upright).or(info.video.as_ref().map(VideoInfo::upright))
        {
            self.pixels(asset, width, height, limits);
        }
        if asset.kind == Kind::Video {
            self.video_length(asset, info, limits);
        }
        if asset.kind == Kind::Audio {
            self.audio_length(asset, info, limits);
        }
    }

    fn bytes(&mut self, asset: &Asset, info: &MediaInfo, limit: Option<u32>) {
        let Some(megabytes) = limit else { return };
        // Sound is cut to length first, and a WAV of 15 s stays far below every limit.
        let over = info.bytes > u64::from(megabytes) * 1_000_000;
        if over && asset.kind == Kind::Audio {
            self.verdict
                .conforms
                .push(format!("{}: re-written, {} bytes are over {megabytes} MB", asset.name, info.bytes));
        } else if over {
            self.fault(
                "reference.bytes",
                &asset.place,
                format!("{} bytes", info.bytes),
                format!("at most {megabytes} MB"),
                "save it smaller",
            );
        }
    }

    fn pixels(&mut self, asset: &Asset, width: u32, height: u32, limits: &KindLimits) {
        let found = format!("{width}×{height}");
        if let Some(side) = limits.side.filter(|side| !side.contains(width.into()) || !side.contains(height.into())) {
            self.fault(
                "reference.side",
                &asset.place,
                found.clone(),
                format!("each side {} to {} pixels", side.min, side.max),
                "scale it",
            );
        }
        let area = u64::from(width) * u64::from(height);
        if let Some(range) = limits.area.filter(|range| !range.contains(area)) {
            self.fault(
                "reference.area",
                &asset.place,
                found,
                format!("width × height from {} to {}", range.min, range.max),
                "scale it",
            );
        }
    }

    fn video_length(&mut self, asset: &Asset, info: &MediaInfo, limits: &KindLimits) {
        let Some((length, range)) = video_length(info).zip(limits.each_seconds) else { return };
        if !within(length, range) {
            self.fault(
                "video.duration",
                &asset.place,
                format!("{length} s"),
                format!("{} to {} s", range.min, range.max),
                "trim it",
            );
        }
    }

    fn audio_length(&mut self, asset: &Asset, info: &MediaInfo, limits: &KindLimits) {
        let length = asset.wanted.or_else(|| audio_length(info));
        let Some(length) = length else {
            self.fault(
                "audio.duration_unknown",
                &asset.place,
                asset.name.clone(),
                "a file whose length is known",
                "re-save it as WAV",
            );
            return;
        };
        if length == ClockTime::default() {
            self.fault(
                "audio.empty",
                &asset.place,
                "no sound",
                "a file with sound between `in` and `out`",
                "correct `in` and `out`, or replace the file",
            );
        }
        if let Some(range) = limits.each_seconds.filter(|range| length < ClockTime::seconds(range.min)) {
            self.fault(
                "audio.duration",
                &asset.place,
                format!("{length} s"),
                format!("{} to {} s", range.min, range.max),
                "use a longer take",
            );
        }
    }

    fn together(&mut self, assets: &[Asset]) {
        let place = self.shot.place.clone();
        let of = |kind: Kind| assets.iter().filter(move |asset| asset.kind == kind).collect::<Vec<_>>();
        let (videos, audios) = (of(Kind::Video), of(Kind::Audio));
        let limits = &self.model.limits;
        if let Some(range) = limits.audio.combined_seconds {
            let total: u64 = audios
                .iter()
                .filter_map(|a| a.wanted.or_else(|| a.info.as_ref().and_then(audio_length)))
                .map(|t| t.0)
                .sum();
            if total > ClockTime::seconds(range.max).0 {
                let total = ClockTime(total);
                self.verdict.conforms.push(format!(
                    "sound: {total} s together is trimmed to {}.000 s [audio.combined_duration]",
                    range.max
                ));
            }
        }
        let total: u64 = videos.iter().filter_map(|a| a.info.as_ref().and_then(video_length)).map(|t| t.0).sum();
        if let Some(range) = limits
            .video
            .combined_seconds
            .filter(|range| !videos.is_empty() && total > 0 && !within(ClockTime(total), *range))
        {
            self.fault(
                "video.combined_duration",
                &place,
                format!("{} s", ClockTime(total)),
                format!("{} to {} s together", range.min, range.max),
                "trim the videos",
            );
        }
        let bytes: u64 = videos.iter().filter_map(|a| a.info.as_ref()).map(|info| info.bytes).sum();
        if let Some(megabytes) =
            limits.video.combined_megabytes.filter(|megabytes| bytes >= u64::from(*megabytes) * 1_000_000)
        {
            self.fault(
                "video.combined_bytes",
                &place,
                format!("{bytes} bytes"),
                format!("less than {megabytes} MB together"),
                "save the videos smaller",
            );
        }
    }

    /// Each tag of the prompt needs a file.
    fn tags(&mut self) {
        let place = self.shot.place.within("prompt", None);
        let counts =
            [("Image", self.shot.images.len()), ("Video", self.shot.videos.len()), ("Audio", self.shot.audios.len())];
        for (word, count) in counts {
            let used = tag_numbers(&self.shot.prompt, word);
            for number in used.iter().filter(|number| **number == 0 || **number as usize > count) {
                let allowed = if count == 0 {
                    format!("no @{word} tag: the shot has none")
                } else {
                    format!("@{word}1 to @{word}{count}")
                };
                self.fault(
                    "prompt.tag",
                    &place,
                    format!("@{word}{number}"),
                    allowed,
                    "add the file, or correct the tag",
                );
            }
            if let Some(unused) = (1..=count).find(|number| !used.iter().any(|tag| *tag as usize == *number)) {
                let warning = Fault {
                    severity: Severity::Warning,
                    ..Fault::of_form(
                        "prompt.untagged",
                        &place,
                        format!("no @{word}{unused}"),
                        "a tag for each file",
                        format!("say what @{word}{unused} is for"),
                    )
                };
                self.verdict.faults.push(warning);
            }
        }
    }
}

/// The numbers of all tags `@Word7` or `@word_file_7` in a prompt.
fn tag_numbers(prompt: &str, word: &str) -> Vec<u32> {
    let lower = prompt.to_ascii_lowercase();
    let word = word.to_ascii_lowercase();
    let after = |start: &str| {
        let pieces = lower.split(start).skip(1);
        let number =
            |piece: &str| piece.chars().take_while(char::is_ascii_digit).take(6).collect::<String>().parse().ok();
        pieces.filter_map(number).collect::<Vec<u32>>()
    };
    [after(&format!("@{word}")), after(&format!("@{word}_file_"))].concat()
}

/// The length of a file's sound, rounded up to the microsecond.
#[must_use]
pub fn audio_length(info: &MediaInfo) -> Option<ClockTime> {
    let audio = info.audio.as_ref()?;
    audio.samples?.clock(audio.sample_rate, Rounding::Up)
}

fn video_length(info: &MediaInfo) -> Option<ClockTime> {
    let video = info.video.as_ref()?;
    let rate = video.rate?;
    let micros = u128::from(video.frames?.0) * u128::from(rate.den()) * 1_000_000;
    Rounding::Nearest.divide(micros, u128::from(rate.num())).map(ClockTime)
}

fn within(length: ClockTime, range: Range) -> bool {
    (ClockTime::seconds(range.min)..=ClockTime::seconds(range.max)).contains(&length)
}
