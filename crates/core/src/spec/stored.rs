//! Promises as ledgers hold them, those of earlier versions too: what was promised then is never forgotten.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{AudioPromise, Weight};
use crate::time::{FrameRate, Frames, SampleRate};

/// A promise of any version.
#[derive(Deserialize)]
pub(super) struct Promise {
    profile: Option<String>,
    #[serde(default)]
    containers: Vec<String>,
    #[serde(default)]
    video_codecs: Vec<String>,
    /// The first version promised one.
    video_codec: Option<String>,
    #[serde(default)]
    pixel_formats: Vec<String>,
    size: Option<(u32, u32)>,
    rate: Option<FrameRate>,
    frames: Option<Frames>,
    frames_under: Option<u64>,
    frames_over: Option<u64>,
    #[serde(default)]
    fast_start: bool,
    sound: Option<bool>,
    audio: Option<Audio>,
    #[serde(default)]
    weights: BTreeMap<String, Option<Weight>>,
}

#[derive(Deserialize)]
struct Audio {
    #[serde(default)]
    codecs: Vec<String>,
    codec: Option<String>,
    sample_rate: Option<SampleRate>,
    channels: Option<u32>,
    tolerance: Option<u64>,
}

impl From<Promise> for super::Promise {
    fn from(stored: Promise) -> super::Promise {
        let is_first = stored.profile.is_none();
        let base = super::Promise::built_in("seedance-2.0").filter(|_| is_first).unwrap_or_else(super::Promise::any);
        let one = |many: Vec<String>, single: Option<String>, before: Vec<String>| match single {
            Some(single) => vec![single],
            None if is_first && many.is_empty() => before,
            None => many,
        };
        // The first version had no sound where none was asked for.
        let sound = if is_first { Some(stored.audio.is_some()) } else { stored.sound };
        let audio = stored.audio.map_or_else(
            || base.audio.clone(),
            |audio| AudioPromise {
                codecs: one(audio.codecs, audio.codec, base.audio.codecs.clone()),
                sample_rate: audio.sample_rate,
                channels: audio.channels,
                tolerance: audio.tolerance.or(base.audio.tolerance),
            },
        );
        super::Promise {
            profile: stored.profile.unwrap_or(base.profile),
            containers: one(stored.containers, None, base.containers),
            video_codecs: one(stored.video_codecs, stored.video_codec, base.video_codecs),
            pixel_formats: stored.pixel_formats,
            size: stored.size,
            rate: stored.rate,
            frames: stored.frames,
            frames_under: stored.frames_under.unwrap_or(base.frames_under),
            frames_over: stored.frames_over.unwrap_or(base.frames_over),
            fast_start: stored.fast_start,
            sound,
            audio,
            weights: stored.weights,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Promise;

    #[test]
    fn a_promise_of_the_first_version_is_read_and_one_of_this_comes_back_as_it_was() {
        let old = r#"{"video_codec":"hevc","size":[1280,720],"rate":"24","frames":120,"audio":{"codec":"aac","sample_rate":48000,"channels":1}}"#;
        let promise: Promise = serde_json::from_str(old).expect("an old promise");
        assert_eq!((promise.video_codecs, promise.sound), (vec!["hevc".to_owned()], Some(true)));
        assert_eq!((promise.audio.codecs, promise.audio.channels), (vec!["aac".to_owned()], Some(1)));
        assert_eq!((promise.frames_over, promise.audio.tolerance), (2, Some(1024)));
        let silent = r#"{"video_codec":"h264","size":null,"rate":"24","frames":null,"audio":null}"#;
        let promise: Promise = serde_json::from_str(silent).expect("an old promise");
        assert_eq!(promise.sound, Some(false));
        for profile in Promise::names() {
            let promise = Promise::ordered(profile, None, Some(5), true);
            let text = serde_json::to_string(&promise).expect("a promise");
            assert_eq!(serde_json::from_str::<Promise>(&text).expect("the same"), promise);
        }
    }
}
