//! Supplied assets and settings against what a provider's model accepts: accept, conform, or refuse.
//!
//! Every rule reads its number from the catalog, and every fault names the catalog's source.

mod advice;
mod always;
mod demand;
mod door;
pub mod fit;

use crate::catalog::{Catalog, KindLimits, Mode, Model, Range};
use crate::fault::{Fault, Place, Severity};
use crate::media::MediaInfo;
use crate::shot::{Shot, ShotDuration, ShotList, suggestion};
use crate::time::{ClockTime, FrameRate, Rounding, Samples};
use crate::trim::{self, Method};
pub(crate) use advice::SPEECH;
pub use demand::demand;
use fit::{Fit, StillFit, VideoFit, VideoPart};

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

    /// The word of its tags, such as `@Image1`.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Kind::Image => "Image",
            Kind::Video => "Video",
            Kind::Audio => "Audio",
        }
    }

    /// What a model takes of it.
    #[must_use]
    pub fn limits(self, model: &Model) -> &KindLimits {
        match self {
            Kind::Image => &model.limits.image,
            Kind::Video => &model.limits.video,
            Kind::Audio => &model.limits.audio,
        }
    }

    /// Whether a file is of this kind.
    fn holds(self, info: &MediaInfo) -> bool {
        match self {
            Kind::Image => info.still.is_some(),
            Kind::Video => info.video.is_some(),
            Kind::Audio => info.audio.is_some() && info.video.is_none() && info.still.is_none(),
        }
    }
}

/// One supplied asset, measured; `info` is absent for a URL that was not fetched.
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
    /// The first moment wanted of a video or sound.
    pub start: Option<ClockTime>,
    /// The first moment not wanted.
    pub end: Option<ClockTime>,
    /// 1 matters most.
    pub priority: u32,
    /// Whether it is a URL, which the provider is given as it stands.
    pub remote: bool,
}

/// What conforming will change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The rule that asks for it.
    pub rule: &'static str,
    /// The asset, as the list names it.
    pub asset: String,
    /// What is done, in words.
    pub what: String,
}

/// A copy to make of an asset. How sounds are cut is the trim plan's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copy {
    /// Of an image.
    Still(StillFit),
    /// Of a video.
    Video(VideoFit),
}

/// What the checks of one shot found.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Everything that is wrong.
    pub faults: Vec<Fault>,
    /// What conforming will change: not a fault.
    pub changes: Vec<Change>,
    /// The copies of images and videos, by the index of the asset.
    pub copies: Vec<(usize, Copy)>,
}

impl Verdict {
    /// Whether the shot may not be sent.
    #[must_use]
    pub fn refused(&self) -> bool {
        self.faults.iter().any(|fault| fault.severity == Severity::Error)
    }
}

/// Judges a shot and its measured assets against the row of its model, with advice on its prompt.
#[must_use]
pub fn judge(shot: &Shot, assets: &[Asset]) -> Verdict {
    let catalog = Catalog::built_in();
    let mut verdict = match catalog.model(&shot.render) {
        Some(model) => judge_row(shot, assets, model),
        None => {
            let mut faults = vec![unknown_model(shot, catalog)];
            faults.extend(always::mixed_modes(shot));
            faults.extend(always::parts_of_urls(assets));
            faults.extend(always::tags(shot));
            Verdict { faults, ..Verdict::default() }
        }
    };
    verdict.faults.extend(door::faults(shot, assets));
    verdict.faults.extend(advice::hints(shot));
    verdict
}

/// Judges a shot and its measured assets against any row of the catalog.
#[must_use]
pub fn judge_row(shot: &Shot, assets: &[Asset], model: &Model) -> Verdict {
    let mut check = Check { model, shot, verdict: Verdict::default() };
    check.settings();
    check.mode();
    check.counts(assets);
    check.verdict.faults.extend(always::parts_of_urls(assets));
    check.stills(assets);
    check.videos(assets);
    check.sounds(assets);
    check.verdict.faults.extend(always::tags(shot));
    check.verdict
}

/// Judges what concerns the whole list.
#[must_use]
pub fn judge_list(list: &ShotList) -> Vec<Fault> {
    if list.frame_rate == FrameRate::FPS_24 {
        return Vec::new();
    }
    let place = Place { path: "frame_rate".to_owned(), line: list.frame_rate_line };
    let found = format!("{} frames a second", list.frame_rate);
    let fix = "cut at 24, and conform the finished reel in the editor";
    vec![Fault::new("list.frame_rate_conform", &place, found, "24", fix)]
}

/// The model is not in the catalog, or not in that tier.
fn unknown_model(shot: &Shot, catalog: &Catalog) -> Fault {
    let render = &shot.render;
    let mut rows: Vec<&Model> = catalog.rows(render.provider).collect();
    if rows.is_empty() {
        rows = catalog.models().iter().collect();
    }
    let tiers = rows.iter().filter(|row| row.model == render.model).map(|row| row.tier.as_str());
    let (key, word, mut known): (_, _, Vec<&str>) = match tiers.clone().next() {
        None => ("model", &render.model, rows.iter().map(|row| row.model.as_str()).collect()),
        Some(_) => ("tier", &render.tier, tiers.collect()),
    };
    known.sort_unstable();
    known.dedup();
    let found = format!("{word:?}, on {}", render.provider.as_str());
    Fault::new("render.model", &shot.at(key), found, known.join(", "), suggestion(word, &known))
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
        let fault = Fault::new(rule, place, found, allowed, fix);
        let source = if fault.source == "catalog" { self.model.cited() } else { fault.source };
        self.verdict.faults.push(Fault { source, ..fault });
    }

    fn settings(&mut self) {
        let (model, shot) = (self.model, self.shot);
        for (rule, key, found, allowed) in [
            ("render.resolution", "resolution", &shot.render.resolution, &model.resolutions),
            ("render.aspect_ratio", "aspect_ratio", &shot.render.aspect_ratio, &model.aspect_ratios),
        ] {
            if !allowed.contains(found) {
                let known: Vec<&str> = allowed.iter().map(String::as_str).collect();
                let fix = suggestion(found, &known);
                self.fault(rule, &shot.at(key), format!("{found:?}"), allowed.join(", "), fix);
            }
        }
        let Range { min, max } = model.seconds;
        if let ShotDuration::Seconds(seconds) = shot.duration
            && !model.seconds.contains(seconds.into())
        {
            let fix = format!("write `duration = {}`, or split the shot", seconds.clamp(min, max));
            let allowed = format!("{min} to {max} s, or \"auto\"");
            self.fault("shot.duration", &shot.at("duration"), format!("{seconds} s"), allowed, fix);
        }
        if let Some(seed) = shot.seed.filter(|_| !model.seed) {
            let fix = "remove `seed`, or use seedance-1.5-pro";
            self.fault("shot.seed", &shot.at("seed"), seed.to_string(), "no seed", fix);
        }
        if let Some(language) = &shot.language {
            let primary = language.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
            if !model.languages.contains(&primary) {
                let place = shot.at("language");
                let fix = "expect to mend lip sync by ADR, or render in a listed language";
                self.fault("shot.language", &place, format!("{language:?}"), model.languages.join(", "), fix);
            }
        }
    }

    fn mode(&mut self) {
        let (place, mode) = (self.shot.place.clone(), Mode::of(self.shot));
        if !self.model.endpoints.contains_key(mode.as_str()) {
            let fix = "use seedance-2.0, or drop the references";
            self.fault("reference.mode", &place, "references", "a first and a last frame at most", fix);
        }
        self.verdict.faults.extend(always::mixed_modes(self.shot));
    }

    fn counts(&mut self, assets: &[Asset]) {
        let place = self.shot.place.clone();
        let mode = Mode::of(self.shot);
        if mode == Mode::Image || !self.model.endpoints.contains_key(mode.as_str()) {
            return;
        }
        for (kind, rule) in [(Kind::Image, "image.count"), (Kind::Video, "video.count"), (Kind::Audio, "audio.count")] {
            let found = assets.iter().filter(|asset| asset.kind == kind).count();
            let allowed = kind.limits(self.model).count;
            if found > allowed as usize {
                let fix = format!("drop {}", found - allowed as usize);
                self.fault(rule, &place, format!("{found} {}s", kind.as_str()), format!("at most {allowed}"), fix);
            }
        }
        let total = self.model.limits.total_files;
        if assets.len() > total as usize {
            let allowed = format!("at most {total} of all kinds");
            let fix = format!("drop {}", assets.len() - total as usize);
            self.fault("reference.total", &place, format!("{} files", assets.len()), allowed, fix);
        }
        let pictures = assets.iter().any(|asset| asset.kind != Kind::Audio);
        if self.model.limits.audio_needs_picture && !assets.is_empty() && !pictures {
            let allowed = "sound with at least one image or video";
            self.fault("audio.needs_picture", &place, "sound alone", allowed, "add an image or a video");
        }
    }

    /// The measured assets of a kind; what is of another kind is a fault.
    fn of<'s>(&mut self, assets: &'s [Asset], kind: Kind) -> Vec<(usize, &'s Asset, &'s MediaInfo)> {
        let mut good = Vec::new();
        for (index, asset) in assets.iter().enumerate().filter(|(_, asset)| asset.kind == kind) {
            let Some(info) = &asset.info else { continue };
            if kind.holds(info) {
                good.push((index, asset, info));
            } else {
                let found = format!("{} ({})", info.container, asset.name);
                let allowed = format!("{}: {}", kind.as_str(), kind.limits(self.model).formats.join(", "));
                let fix = format!(
                    "put it where it belongs, or give a file with {}",
                    match kind {
                        Kind::Image => "a still picture",
                        Kind::Video => "moving pictures",
                        Kind::Audio => "sound only",
                    }
                );
                self.fault("reference.kind", &asset.place, found, allowed, fix);
            }
        }
        good
    }

    /// Takes over what was found of one asset; answers the copy to make.
    fn take<T>(&mut self, asset: &Asset, fit: Fit<T>) -> Option<T> {
        for refusal in fit.refusals {
            let found = format!("{}: {}", asset.name, refusal.found);
            self.fault(refusal.rule, &asset.place, found, refusal.allowed, refusal.fix);
        }
        for (rule, what) in fit.changes {
            if asset.remote {
                self.remote(rule, &asset.place, format!("{}: {what}", asset.name));
            } else {
                self.verdict.changes.push(Change { rule, asset: asset.name.clone(), what });
            }
        }
        fit.copy.filter(|_| !asset.remote)
    }

    /// A URL is handed to the provider as it stands: what would have to change is a fault.
    fn remote(&mut self, rule: &'static str, place: &Place, found: String) {
        let allowed = "a file that fits as it is: the provider is given a URL unchanged";
        self.fault(rule, place, found, allowed, "download it, and name the local copy");
    }

    fn stills(&mut self, assets: &[Asset]) {
        for (index, asset, info) in self.of(assets, Kind::Image) {
            let Some(still) = &info.still else { continue };
            let fit = fit::still(info, still, &self.model.limits.image);
            if let Some(copy) = self.take(asset, fit) {
                self.verdict.copies.push((index, Copy::Still(copy)));
            }
        }
    }

    fn videos(&mut self, assets: &[Asset]) {
        let videos = self.of(assets, Kind::Video);
        let part = |asset: &Asset, info| {
            let &Asset { start, end, priority, .. } = asset;
            VideoPart { info, start, end, priority }
        };
        let parts: Vec<VideoPart<'_>> = videos.iter().map(|(_, asset, info)| part(asset, info)).collect();
        let fits = fit::videos(&parts, &self.model.limits.video);
        for ((index, asset, _), fit) in videos.into_iter().zip(fits) {
            if let Some(copy) = self.take(asset, fit) {
                self.verdict.copies.push((index, Copy::Video(copy)));
            }
        }
    }

    fn sounds(&mut self, assets: &[Asset]) {
        let limits = &self.model.limits.audio;
        let limit = fit::time_limit(limits);
        // Sounds stand last among the assets, in the order of their tags.
        let before = assets.iter().take_while(|asset| asset.kind != Kind::Audio).count();
        let mut sounds = Vec::new();
        for (index, asset, info) in self.of(assets, Kind::Audio) {
            let Some((audio, samples)) = info.audio.as_ref().and_then(|audio| Some((audio, audio.samples?))) else {
                let found = asset.name.clone();
                self.fault("audio.duration_unknown", &asset.place, found, "a known length", "re-save it as WAV");
                continue;
            };
            let source = trim::Source {
                number: index - before + 1,
                rate: audio.sample_rate,
                samples,
                start: asset.start,
                end: asset.end,
                priority: asset.priority,
                quiet: Vec::new(),
            };
            sounds.push((asset, info, audio, source));
        }
        let before = self.verdict.faults.len();
        for (asset, _, _, source) in &sounds {
            self.sound_length(asset, source, limits);
        }
        let lengths_are_good = self.verdict.faults.len() == before;
        let sources: Vec<trim::Source> = sounds.iter().map(|(_, _, _, source)| source.clone()).collect();
        let kept = if lengths_are_good { self.kept(assets, &sources, limit) } else { Vec::new() };
        let over = kept.iter().zip(&sources).any(|(kept, source)| *kept < wanted(source));
        for (index, (asset, info, audio, source)) in sounds.iter().enumerate() {
            let part = wanted(source);
            let kept = kept.get(index).copied().unwrap_or(part);
            let fit = fit::sound(info, audio, kept, over || part < source.samples, limits);
            // How it is cut is settled by the trim plan.
            let _ = self.take(asset, fit);
            if part < source.samples && !asset.remote {
                let what = "only what lies between `in` and `out` is sent".to_owned();
                self.verdict.changes.push(Change { rule: "audio.duration", asset: asset.name.clone(), what });
            }
        }
    }

    /// The most that is kept of each sound, before anybody has listened where the pauses are; notes that sounds are
    /// trimmed, or that nothing helps.
    fn kept(&mut self, assets: &[Asset], sources: &[trim::Source], limit: trim::Limit) -> Vec<Samples> {
        let plans = match trim::plan(sources, limit, Method::Pauses) {
            Err(error) => {
                let place = self.shot.at("audios");
                let allowed = format!("at most {} s together, each at least {} s", limit.combined, limit.least);
                let fix = "drop a sound, or correct `in` and `out`";
                self.fault("audio.combined_duration", &place, error.to_string(), allowed, fix);
                return Vec::new();
            }
            Ok(plans) => plans,
        };
        if plans.iter().all(|plan| plan.end == trim::Edge::Wanted) {
            return sources.iter().map(wanted).collect();
        }
        self.trimmed(assets, sources, limit);
        // What the others leave at their pauses may come on top.
        let more = trim::REACH.0.saturating_mul(sources.len() as u64 - 1);
        let kept = |(plan, source): (&trim::Planned, &trim::Source)| {
            let length = ClockTime(plan.cut.length().0.saturating_add(more)).min(limit.each);
            length.samples(source.rate, Rounding::Up).unwrap_or_default().min(wanted(source))
        };
        plans.iter().zip(sources).map(kept).collect()
    }

    fn sound_length(&mut self, asset: &Asset, source: &trim::Source, limits: &KindLimits) {
        let kept = wanted(source);
        let name = &asset.name;
        if kept.0 == 0 {
            let fix = "correct `in` and `out`, or replace the file";
            let allowed = "a file with sound between `in` and `out`";
            return self.fault("audio.empty", &asset.place, format!("{name}: no sound"), allowed, fix);
        }
        let length = kept.clock(source.rate, Rounding::Down).unwrap_or_default();
        if let Some(range) = limits.each_seconds.filter(|range| length < ClockTime::seconds(range.min)) {
            let allowed = format!("{} to {} s", range.min, range.max);
            self.fault("audio.duration", &asset.place, format!("{name}: {length} s"), allowed, "use a longer take");
        }
    }

    /// Notes that sounds are trimmed.
    fn trimmed(&mut self, assets: &[Asset], sources: &[trim::Source], limit: trim::Limit) {
        let length = |source: &trim::Source| wanted(source).clock(source.rate, Rounding::Up).unwrap_or_default();
        let total = sources.iter().fold(0_u64, |sum, source| sum.saturating_add(length(source).0));
        let what = format!("{} s together are trimmed to {} s", ClockTime(total), limit.combined);
        if let Some(remote) = assets.iter().find(|asset| asset.kind == Kind::Audio && asset.remote) {
            return self.remote("audio.combined_duration", &remote.place, what);
        }
        self.verdict.changes.push(Change { rule: "audio.combined_duration", asset: "sound".to_owned(), what });
    }
}

fn wanted(source: &trim::Source) -> Samples {
    trim::wanted(source).map_or(Samples(0), |range| range.length())
}

/// The length of a file's sound, rounded up to the microsecond.
#[must_use]
pub fn audio_length(info: &MediaInfo) -> Option<ClockTime> {
    let audio = info.audio.as_ref()?;
    audio.samples?.clock(audio.sample_rate, Rounding::Up)
}

/// How long a file's picture is shown, to the nearest microsecond.
fn video_length(info: &MediaInfo) -> Option<ClockTime> {
    let video = info.video.as_ref()?;
    let counted = || {
        let rate = video.rate?;
        let micros = u128::from(video.frames?.0) * u128::from(rate.den()) * 1_000_000;
        Rounding::Nearest.divide(micros, u128::from(rate.num())).map(ClockTime)
    };
    counted().or(video.duration)
}
