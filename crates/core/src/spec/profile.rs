//! Profiles: what clips of a model are promised to be, built in or a user's own.

use std::sync::OnceLock;

use super::{AudioPromise, Promise, Weight};
use crate::document::{self, Node, TableReader, Value};
use crate::fault::{Fault, Place};
use crate::time::{Frames, SampleRate};

/// The rules that a profile may weigh otherwise.
pub const RULES: [&str; 32] = [
    "container",
    "container.fragmented",
    "container.index",
    "video.missing",
    "video.several",
    "video.codec",
    "video.pixel_format",
    "video.size",
    "video.rate",
    "video.frames",
    "video.decode_errors",
    "video.black",
    "video.frozen",
    "audio.missing",
    "audio.unasked",
    "audio.several",
    "audio.codec",
    "audio.sample_rate",
    "audio.channels",
    "audio.length",
    "audio.priming_unknown",
    "audio.decode_errors",
    "audio.dead",
    "audio.clipped",
    "audio.inverted",
    "audio.silence",
    "audio.true_peak",
    "audio.music",
    "audio.stem",
    "reference.duration",
    "sync.offset",
    "sync.unknown",
];

impl Promise {
    /// The built-in profile of that name.
    ///
    /// # Panics
    /// Never: a test reads the same text.
    #[must_use]
    pub fn built_in(name: &str) -> Option<Promise> {
        Promise::all().iter().find(|profile| profile.profile == name).cloned()
    }

    /// The names of all built-in profiles.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Promise::all().iter().map(|profile| profile.profile.as_str())
    }

    fn all() -> &'static [Promise] {
        static TABLE: OnceLock<Vec<Promise>> = OnceLock::new();
        TABLE.get_or_init(|| {
            let mut faults = Vec::new();
            let mut known: Vec<Promise> = Vec::new();
            let top = document::parse(include_str!("../../data/profiles.toml")).expect("a test reads the same text");
            let mut table = TableReader::open(top, place(), &mut faults);
            let tables = table.list("profile");
            for (node, place) in tables {
                let profile = read(node, place, &known, table.faults());
                known.push(profile);
            }
            table.close();
            assert_eq!(faults, Vec::new(), "the built-in profiles have no fault");
            known
        })
    }

    /// Reads a profile of a user's own, TOML or JSON.
    ///
    /// # Errors
    /// All faults in it.
    pub fn parse(text: &str) -> Result<Promise, Vec<Fault>> {
        let mut faults = Vec::new();
        let node = document::parse(text).map_err(|fault| vec![*fault])?;
        let promise = read(node, place(), Promise::all(), &mut faults);
        if faults.is_empty() { Ok(promise) } else { Err(faults) }
    }
}

fn place() -> Place {
    Place { path: "profile".to_owned(), line: None }
}

fn read(node: Node, place: Place, known: &[Promise], faults: &mut Vec<Fault>) -> Promise {
    let mut table = TableReader::open(node, place, faults);
    let names: Vec<&str> = known.iter().map(|profile| profile.profile.as_str()).collect();
    let find = |name: &str| known.iter().find(|profile| profile.profile == name).cloned();
    let based_on = table.parsed("based_on", "profile.value", &names.join(", "), find);
    let mut promise = based_on.unwrap_or_else(Promise::any);
    if let Some((name, _)) = table.text("name") {
        promise.profile = name;
    }
    // Told to whoever reads the file.
    let _ = (table.text("source"), table.text("date"));
    texts(&mut table, "containers", &mut promise.containers);
    texts(&mut table, "video_codecs", &mut promise.video_codecs);
    texts(&mut table, "pixel_formats", &mut promise.pixel_formats);
    let size = table.parsed("size", "profile.value", "such as 1920x1080", |text| {
        let (width, height) = text.split_once('x')?;
        Some((width.parse().ok().filter(|width| *width > 0)?, height.parse().ok().filter(|height| *height > 0)?))
    });
    promise.size = size.or(promise.size);
    let rate =
        table.parsed("frame_rate", "profile.value", "such as 24, 23.976 or 30000/1001", |text| text.parse().ok());
    promise.rate = rate.or(promise.rate);
    promise.frames = table.integer("frames", 1..=u32::MAX).map(|frames| Frames(frames.into())).or(promise.frames);
    promise.frames_under = table.integer("frames_under", 0..=1000).map_or(promise.frames_under, u64::from);
    promise.frames_over = table.integer("frames_over", 0..=1000).map_or(promise.frames_over, u64::from);
    promise.fast_start = table.boolean("fast_start").unwrap_or(promise.fast_start);
    promise.sound = table.boolean("has_sound").or(promise.sound);
    if let Some((node, place)) = table.take("sound") {
        read_sound(node, place, &mut promise.audio, table.faults());
    }
    if let Some((node, place)) = table.take("weights") {
        read_weights(node, place, &mut promise, table.faults());
    }
    table.close();
    promise
}

fn read_sound(node: Node, place: Place, audio: &mut AudioPromise, faults: &mut Vec<Fault>) {
    let mut table = TableReader::open(node, place, faults);
    texts(&mut table, "codecs", &mut audio.codecs);
    let rate = table.integer("sample_rate", 4000..=768_000).and_then(SampleRate::new);
    audio.sample_rate = rate.or(audio.sample_rate);
    audio.channels = table.integer("channels", 1..=64).or(audio.channels);
    audio.tolerance = table.integer("tolerance", 0..=u32::MAX).map(u64::from).or(audio.tolerance);
    table.close();
}

fn read_weights(node: Node, place: Place, promise: &mut Promise, faults: &mut Vec<Fault>) {
    let mut table = TableReader::open(node, place, faults);
    for rule in RULES {
        let weight = table.parsed(rule, "profile.value", "note, breach or off", |text| match text {
            "note" => Some(Some(Weight::Note)),
            "breach" => Some(Some(Weight::Breach)),
            "off" => Some(None),
            _ => None,
        });
        if let Some(weight) = weight {
            promise.weights.insert(rule.to_owned(), weight);
        }
    }
    table.close();
}

/// Removes a list of texts, which replaces the one that was there.
fn texts(table: &mut TableReader<'_>, key: &'static str, into: &mut Vec<String>) {
    let mut found = Vec::new();
    for (node, place) in table.list(key) {
        match node.value {
            Value::Text(text) => found.push(text),
            other => {
                let fault = Fault::new("list.type", &place, other.describe(), "text in quotes", "write text in quotes");
                table.fault(fault);
            }
        }
    }
    if !found.is_empty() {
        *into = found;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::FrameRate;

    #[test]
    fn the_built_in_profiles_promise_what_the_texts_do() {
        for name in ["seedance-2.0", "seedance-1.5-pro"] {
            let profile = Promise::built_in(name).expect("a built-in profile");
            assert_eq!((profile.profile.as_str(), profile.rate), (name, Some(FrameRate::FPS_24)));
            assert_eq!((profile.frames_under, profile.frames_over), (0, 2));
            let audio = profile.audio;
            assert_eq!((audio.sample_rate, audio.channels), (Some(SampleRate::HZ_48000), Some(2)));
            assert_eq!((audio.codecs, audio.tolerance), (vec!["aac".to_owned()], Some(1024)));
        }
        assert_eq!(Promise::names().collect::<Vec<_>>(), ["seedance-2.0", "seedance-1.5-pro", "any"]);
    }

    #[test]
    fn a_profile_changes_what_it_names_and_keeps_the_rest() {
        let text = "name = \"house\"\nbased_on = \"seedance-2.0\"\nframe_rate = \"25\"\nsize = \"1920x1080\"\n[sound]\nchannels = 1\n[weights]\n\"audio.channels\" = \"note\"\n\"container\" = \"off\"\n";
        let profile = Promise::parse(text).expect("no faults");
        assert_eq!((profile.profile.as_str(), profile.size), ("house", Some((1920, 1080))));
        assert_eq!((profile.rate, profile.audio.channels), (FrameRate::new(25, 1), Some(1)));
        assert_eq!(profile.audio.sample_rate, Some(SampleRate::HZ_48000));
        assert_eq!(profile.weights["audio.channels"], Some(Weight::Note));
        assert_eq!(profile.weights["container"], None);
    }

    #[test]
    fn every_fault_of_a_profile_is_told_with_its_line() {
        let text = "based_on = \"sora\"\nframe_rate = \"fast\"\nframes_over = -1\nvideo_codecs = [264]\nsize = \"0x0\"\nfps = 24\n[sound]\nchannels = \"two\"\n[weights]\n\"audio.chanels\" = \"off\"\n";
        let faults = Promise::parse(text).expect_err("faults");
        let mut lines: Vec<(Option<u32>, &str)> = faults.iter().map(|fault| (fault.line, fault.rule)).collect();
        lines.sort_unstable();
        let expected = [
            (1, "profile.value"),
            (2, "profile.value"),
            (3, "list.number"),
            (4, "list.type"),
            (5, "profile.value"),
            (6, "list.unknown_key"),
            (8, "list.number"),
            (10, "list.unknown_key"),
        ];
        assert_eq!(lines, expected.map(|(line, rule)| (Some(line), rule)));
    }
}
