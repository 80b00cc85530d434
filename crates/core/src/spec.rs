//! What a clip was promised to be, and where the delivered one differs.

use serde::{Deserialize, Serialize};

use crate::catalog::PixelSize;
use crate::media::{AudioInfo, MediaInfo, VideoInfo};
use crate::time::{FrameRate, Frames, Rounding, SampleRate, Samples};

/// Samples in one AAC frame (ISO/IEC 14496-3, 4.5.1.1): the grain of a clip's sound.
const AAC_FRAME: u64 = 1024;
/// How many frames a clip may be longer than asked.
const EXTRA_FRAMES: u64 = 2;

/// What a clip was promised to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    /// The picture's codec.
    pub video_codec: String,
    /// The picture's width and height; absent where the model chooses.
    pub size: Option<(u32, u32)>,
    /// Frames a second.
    pub rate: FrameRate,
    /// The picture's length; absent where the model chooses.
    pub frames: Option<Frames>,
    /// The sound; absent where none was asked for.
    pub audio: Option<AudioPromise>,
}

/// What the sound of a clip was promised to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioPromise {
    /// The codec.
    pub codec: String,
    /// The sample rate in hertz.
    pub sample_rate: SampleRate,
    /// The number of channels.
    pub channels: u32,
}

impl Promise {
    /// What Seedance's pages promise: H.264 at 24 frames a second, AAC, 48 kHz, stereo.
    #[must_use]
    pub fn seedance(size: Option<PixelSize>, seconds: Option<u32>, sound: bool) -> Promise {
        let audio = AudioPromise { codec: "aac".to_owned(), sample_rate: SampleRate::HZ_48000, channels: 2 };
        Promise {
            video_codec: "h264".to_owned(),
            size: size.map(|size| (size.width, size.height)),
            rate: FrameRate::FPS_24,
            frames: seconds.map(|seconds| Frames(u64::from(seconds) * 24)),
            audio: sound.then_some(audio),
        }
    }
}

/// How much a difference weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// The clip can be used as it is.
    Note,
    /// The clip is not what was promised.
    Breach,
}

/// One difference between delivered and promised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The rule's name, such as `video.frames`.
    pub rule: String,
    /// How much it weighs.
    pub weight: Weight,
    /// What was delivered.
    pub found: String,
    /// What was promised.
    pub promised: String,
    /// What to do about it.
    pub fix: String,
}

/// Compares a measured clip with its promise; empty when it is kept.
#[must_use]
pub fn compare(info: &MediaInfo, promise: &Promise) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut note = |differs: bool, weight, rule: &str, found: String, promised: String, fix: &str| {
        if differs {
            findings.push(Finding { rule: rule.to_owned(), weight, found, promised, fix: fix.to_owned() });
        }
    };
    let again = "render another take, or claim it back from the provider";
    note(info.container != "mp4", Weight::Note, "container", info.container.clone(), "mp4".to_owned(), "re-wrap it");
    match &info.video {
        None => {
            note(true, Weight::Breach, "video.missing", "no picture".to_owned(), "a picture track".to_owned(), again)
        }
        Some(video) => compare_video(video, promise, &mut note),
    }
    match (&info.audio, &promise.audio) {
        (None, Some(_)) => {
            note(true, Weight::Breach, "audio.missing", "no sound".to_owned(), "a sound track".to_owned(), again)
        }
        (Some(_), None) => note(
            true,
            Weight::Note,
            "audio.unasked",
            "a sound track".to_owned(),
            "none: generate_audio was false".to_owned(),
            "it is stripped with the lane",
        ),
        (Some(audio), Some(promised)) => compare_audio(audio, promised, info.video.as_ref(), &mut note),
        (None, None) => {}
    }
    findings
}

fn compare_video(
    video: &VideoInfo,
    promise: &Promise,
    note: &mut impl FnMut(bool, Weight, &str, String, String, &str),
) {
    note(
        video.codec != promise.video_codec,
        Weight::Breach,
        "video.codec",
        video.codec.clone(),
        promise.video_codec.clone(),
        "transcode it for editors that need H.264",
    );
    let size = (video.width, video.height);
    let promised = promise.size.unwrap_or(size);
    note(
        size != promised,
        Weight::Breach,
        "video.size",
        format!("{}×{}", size.0, size.1),
        format!("{}×{}", promised.0, promised.1),
        "scale it, or render another take",
    );
    let rate = video.rate.map_or("variable".to_owned(), |rate| rate.to_string());
    note(
        video.rate != Some(promise.rate),
        Weight::Breach,
        "video.rate",
        rate,
        promise.rate.to_string(),
        "conform it to the cut's rate",
    );
    let frames = video.frames.map_or("unknown".to_owned(), |frames| format!("{} frames", frames.0));
    if let Some(asked) = promise.frames {
        let kept = video.frames.is_some_and(|found| (asked.0..=asked.0 + EXTRA_FRAMES).contains(&found.0));
        let longer = video.frames.is_some_and(|found| found > asked);
        let fix = if longer { "trim the tail in the edit" } else { "render another take, or slip the cut" };
        note(
            !kept,
            Weight::Breach,
            "video.frames",
            frames.clone(),
            format!("{} to {} frames", asked.0, asked.0 + EXTRA_FRAMES),
            fix,
        );
        note(
            kept && longer,
            Weight::Note,
            "video.frames",
            frames,
            format!("{} frames", asked.0),
            "trim the tail in the edit",
        );
    }
}

fn compare_audio(
    audio: &AudioInfo,
    promised: &AudioPromise,
    video: Option<&VideoInfo>,
    note: &mut impl FnMut(bool, Weight, &str, String, String, &str),
) {
    note(
        audio.codec != promised.codec,
        Weight::Breach,
        "audio.codec",
        audio.codec.clone(),
        promised.codec.clone(),
        "stems are decoded from it all the same",
    );
    let hertz = |rate: SampleRate| format!("{} Hz", rate.hertz());
    note(
        audio.sample_rate != promised.sample_rate,
        Weight::Breach,
        "audio.sample_rate",
        hertz(audio.sample_rate),
        hertz(promised.sample_rate),
        "stems are resampled to 48 kHz",
    );
    note(
        audio.channels != promised.channels,
        Weight::Breach,
        "audio.channels",
        audio.channels.to_string(),
        promised.channels.to_string(),
        "a mono stem is written; nothing is invented",
    );
    note(
        audio.priming.is_none(),
        Weight::Note,
        "audio.priming_unknown",
        "no edit list".to_owned(),
        "an edit list that tells the encoder's lead".to_owned(),
        "check sync by eye: the sound may be late",
    );
    let Some(picture) = video.and_then(|video| picture_samples(video, audio.sample_rate)) else { return };
    let Some(sound) = audio.samples else { return };
    let apart = picture.0.abs_diff(sound.0);
    note(
        apart > AAC_FRAME,
        Weight::Breach,
        "audio.length",
        format!("{} samples", sound.0),
        format!("{} samples, give or take {AAC_FRAME}", picture.0),
        "stems are padded or cut to the picture's length",
    );
}

/// The length of a picture in samples of `rate`, to the nearest.
#[must_use]
pub fn picture_samples(video: &VideoInfo, rate: SampleRate) -> Option<Samples> {
    video.rate?.samples(video.frames?, rate, Rounding::Nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(frames: u64, channels: u32, hertz: u32) -> MediaInfo {
        let video = VideoInfo {
            rate: Some(FrameRate::FPS_24),
            frames: Some(Frames(frames)),
            ..VideoInfo::of("h264", (1280, 720))
        };
        let sample_rate = SampleRate::new(hertz).expect("not zero");
        let samples = Some(Samples(frames * u64::from(hertz) / 24));
        let audio = AudioInfo { samples, priming: Some(1024), ..AudioInfo::of("aac", sample_rate, channels) };
        MediaInfo { video: Some(video), audio: Some(audio), fast_start: Some(true), ..MediaInfo::of("mp4", 1, "test") }
    }

    fn check(info: &MediaInfo, expected: &[&str]) {
        let size = PixelSize { width: 1280, height: 720 };
        let findings = compare(info, &Promise::seedance(Some(size), Some(5), true));
        let rules: Vec<&str> = findings.iter().map(|finding| finding.rule.as_str()).collect();
        assert_eq!(rules, expected);
    }

    #[test]
    fn a_kept_promise_has_no_findings() {
        check(&delivered(120, 2, 48_000), &[]);
    }

    #[test]
    fn one_frame_over_is_a_note_and_one_under_a_breach() {
        check(&delivered(121, 2, 48_000), &["video.frames"]);
        check(&delivered(119, 2, 48_000), &["video.frames"]);
        check(&delivered(123, 2, 48_000), &["video.frames"]);
    }

    #[test]
    fn mono_at_44_1_is_found() {
        check(&delivered(120, 1, 44_100), &["audio.sample_rate", "audio.channels"]);
    }

    #[test]
    fn missing_sound_is_found() {
        check(&MediaInfo { audio: None, ..delivered(120, 2, 48_000) }, &["audio.missing"]);
    }
}
