//! Three recordings of 9, 8 and 6 s become uploads of 15 s at most: in pauses, at zero crossings, bit for bit.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::assets::cook;
use crate::support::{json, repository, tool};
use crate::wave::{Wave, pauses};

/// The recordings of the demo, cut and joined to the lengths of the story, in three forms.
const RECORDINGS: [&str; 2] = [
    r"
long.wav   | sox -D host.wav -r 48000 -b 24 $ remix 1v0.9 1v0.6 trim 0 9
middle.wav | sox -D guest.wav -r 16000 -b 16 $ trim 0 8
tail.wav   | sox -D guest.wav -e float -b 32 $ trim 2 3
head.wav   | sox -D host.wav -r 44100 -e float -b 32 $ trim 5 3
chef.jpg   | convert -size 400x400 xc:gray50 $
",
    r"
last.wav   | sox -D tail.wav head.wav $
",
];

/// Shots that want the recordings in other orders, and parts of them.
const SHOTS: &str = r#"
[render]
tier = "fast"
resolution = "480p"

[[shot]]
id = "EQUAL"
prompt = "@Image1 says @Audio1, then @Audio2, then @Audio3."
duration = 4
images = ["chef.jpg"]
audios = ["long.wav", "middle.wav", "last.wav"]
"#;
const MORE: &str = r#"
[[shot]]
id = "RANKED"
prompt = "@Image1 says @Audio1, then @Audio2, then @Audio3."
images = ["chef.jpg"]
audios = [{ path = "long.wav", priority = 3 }, { path = "middle.wav", priority = 2 }, { path = "last.wav", priority = 1 }]

[[shot]]
id = "SECOND"
prompt = "@Image1 says @Audio1, then @Audio2, then @Audio3."
images = ["chef.jpg"]
audios = [{ path = "last.wav", priority = 2 }, { path = "long.wav", priority = 1 }, { path = "middle.wav", priority = 2 }]

[[shot]]
id = "PARTS"
prompt = "@Image1 says @Audio1, then @Audio2, then @Audio3."
images = ["chef.jpg"]
audios = [{ path = "long.wav", in = "0.5" }, { path = "middle.wav", priority = 2, out = "7.5" }, { path = "last.wav", in = "0.3" }]

[[shot]]
id = "TWICE"
prompt = "@Image1 says @Audio1, then @Audio2, then @Audio3."
images = ["chef.jpg"]
audios = ["long.wav", { path = "long.wav", in = "1.1", priority = 2 }, "last.wav"]
"#;

/// Where the list of those shots begins and ends a sound, in seconds.
const WANTED: [(&str, usize, f64, f64); 5] = [
    ("PARTS", 0, 0.5, 9.0),
    ("PARTS", 1, 0.0, 7.5),
    ("PARTS", 2, 0.3, 6.0),
    ("TWICE", 1, 1.1, 9.0),
    ("TWICE", 2, 0.0, 6.0),
];

/// A folder with the recordings and a list of the first shot, or of all.
pub(crate) fn project(all: bool) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["host.wav", "guest.wav"] {
        std::fs::copy(repository("fixtures/demo/refs").join(name), folder.path().join(name)).unwrap();
    }
    RECORDINGS.into_iter().for_each(|recipes| cook(folder.path(), recipes));
    let more = if all { MORE } else { "" };
    std::fs::write(folder.path().join("shots.toml"), format!("{SHOTS}{more}")).unwrap();
    for (name, expected) in [("long.wav", "432000"), ("middle.wav", "128000"), ("last.wav", "264600")] {
        let said = tool("soxi", &["-s", folder.path().join(name).to_str().unwrap()]);
        assert_eq!(said.trim(), expected, "{name}");
    }
    folder
}

/// One sound as `conform` tells it.
pub(crate) struct Upload {
    pub(crate) shot: String,
    pub(crate) source: PathBuf,
    pub(crate) upload: PathBuf,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

pub(crate) fn uploads(folder: &Path, report: &Value) -> Vec<Upload> {
    let sounds = report["sounds"].as_array().unwrap();
    let number = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
    let one = |item: &Value| {
        let (sound, kept) = (&item["sound"], &item["sound"]["cut"]["kept"]);
        let source = folder.join(sound["source"].as_str().unwrap());
        let upload = PathBuf::from(sound["upload"].as_str().unwrap());
        assert_eq!(sha256(&source), sound["source_sha256"].as_str().unwrap());
        assert_eq!(sha256(&upload), sound["upload_sha256"].as_str().unwrap());
        let shot = item["shot"].as_str().unwrap().to_owned();
        Upload { shot, source, upload, start: number(&kept["start"]), end: number(&kept["end"]) }
    };
    sounds.iter().map(one).collect()
}

pub(crate) fn sha256(path: &Path) -> String {
    tool("sha256sum", &[path.to_str().unwrap()]).split_whitespace().next().unwrap().to_owned()
}

/// Samples and rate, as ffprobe tells them.
pub(crate) fn length(path: &Path) -> (u128, u128) {
    let entries = "stream=sample_rate,duration_ts";
    let said = tool("ffprobe", &["-v", "error", "-show_entries", entries, "-of", "csv=p=0", path.to_str().unwrap()]);
    let (rate, samples) = said.trim().split_once(',').unwrap();
    (samples.parse().unwrap(), rate.parse().unwrap())
}

/// Whether sounds last at most so many seconds together: no rounding, the rates' product is the denominator.
pub(crate) fn together_at_most(uploads: &[&Upload], seconds: u128) -> bool {
    let lengths: Vec<(u128, u128)> = uploads.iter().map(|upload| length(&upload.upload)).collect();
    let product: u128 = lengths.iter().map(|(_, rate)| rate).product();
    lengths.iter().map(|(samples, rate)| samples * (product / rate)).sum::<u128>() <= seconds * product
}

#[test]
fn recordings_that_are_too_long_together_are_cut_in_pauses_and_map_back_bit_for_bit() {
    let folder = project(true);
    let folder = folder.path();
    let sources = ["long.wav", "middle.wav", "last.wav"];
    let before: Vec<String> = sources.iter().map(|name| sha256(&folder.join(name))).collect();
    let uploads = uploads(folder, &json(folder, &["conform"]));
    assert_eq!(uploads.len(), 15);
    for three in uploads.chunks(3) {
        let (parts, name) = (three.iter().collect::<Vec<_>>(), &three[0].shot);
        assert!(together_at_most(&parts, 15), "{name}");
        assert!(!together_at_most(&parts, 13), "{name}: far more was cut than had to be");
        for (number, upload) in three.iter().enumerate() {
            maps_back(upload);
            let wanted = WANTED.iter().find(|(shot, index, ..)| (*shot, *index) == (name.as_str(), number));
            let wave = Wave::read(&upload.source);
            let range = wanted.map_or((0, wave.samples()), |(_, _, from, until)| {
                ((from * wave.rate() as f64).round() as usize, (until * wave.rate() as f64).round() as usize)
            });
            assert!(upload.end - upload.start >= 2 * wave.rate(), "{name} {number}: at least 2 s of each");
            cuts_are_well_placed(upload, &wave, range);
        }
    }
    let after: Vec<String> = sources.iter().map(|name| sha256(&folder.join(name))).collect();
    assert_eq!(before, after, "sources are never changed");
    let inside = |upload: &&Upload| upload.start > 0 || upload.end < Wave::read(&upload.source).samples();
    assert!(uploads.iter().filter(inside).count() >= 10, "the recordings leave something to judge");
}

/// The map leads from the source to the upload: byte for byte, but for 5 ms at each cut, which are not louder.
pub(crate) fn maps_back(upload: &Upload) {
    let (source, copy) = (Wave::read(&upload.source), Wave::read(&upload.upload));
    assert_eq!(source.form, copy.form, "{}", upload.shot);
    compare(&source, &copy, upload.start, upload.end);
}

/// The same for two sounds of one form.
pub(crate) fn compare(source: &Wave, copy: &Wave, start: usize, end: usize) {
    assert_eq!(copy.samples(), end - start);
    let frame = source.frame();
    let kept = &source.data[start * frame..end * frame];
    let fade = source.rate().div_ceil(200);
    let head = if start > 0 { fade } else { 0 };
    let tail = if end < source.samples() { fade } else { 0 };
    let middle = head * frame..kept.len() - tail * frame;
    assert!(copy.data[middle.clone()] == kept[middle], "samples outside the fades differ");
    for at in (0..head).chain(end - start - tail..end - start) {
        for channel in 0..usize::from(source.form.1) {
            let (faded, own) = (copy.value(at, channel), source.value(start + at, channel));
            assert!(faded.abs() <= own.abs() && faded * own >= 0.0, "sample {at}: {faded} of {own}");
        }
    }
}

/// Edges that the program chose lie in a pause where one was in reach, and at a zero crossing where one was near.
fn cuts_are_well_placed(upload: &Upload, wave: &Wave, (from, until): (usize, usize)) {
    let rate = wave.rate();
    let (window, near) = (rate / 50, rate / 200);
    let quiet = wave.quiet(from, until);
    let touching = |edge: usize| {
        let (first, last) = (edge.saturating_sub(from + window), (edge - from).min(quiet.len() - 1));
        quiet[first..=last].iter().all(|quiet| *quiet)
    };
    let what = format!("{} {} {}..{}", upload.shot, upload.source.display(), upload.start, upload.end);
    let spare = upload.end - upload.start - 2 * rate;
    if upload.start > from {
        assert!(touching(upload.start), "{what}: it begins in sound");
        let moved = upload.start + 1..=upload.start + near.min(spare);
        assert!(wave.crosses(upload.start) || !moved.into_iter().any(|at| wave.crosses(at)), "{what}: begins off zero");
    }
    if upload.end < until {
        let moved = upload.end - near.min(spare)..upload.end;
        assert!(wave.crosses(upload.end) || !moved.into_iter().any(|at| wave.crosses(at)), "{what}: ends off zero");
        if !touching(upload.end) {
            // 20 ms of silence on both sides make a cut; its search goes by 5 ms and may end 5 ms later.
            let first = (upload.end - rate * 695 / 1000).max(upload.start + 2 * rate + near);
            let margin = window + near;
            let missed = pauses(&quiet, rate).into_iter().find(|(begin, end)| {
                let (begin, end) = (from + begin + margin, (from + end).saturating_sub(margin));
                begin <= end && begin <= upload.end && end >= first
            });
            assert_eq!(missed, None, "{what}: a pause was in reach");
        }
    }
}
