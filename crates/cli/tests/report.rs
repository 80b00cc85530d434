//! A turnover's report as a person uses it: in a browser, from the disk, by keyboard, on paper.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

mod support;

use std::path::{Path, PathBuf};

use seedpost_core::content::Loudness;
use seedpost_core::report::{
    Change, Clip, Cost, Cue, Delivered, Drawing, File, Found, Phrase, Place, Report, SCHEMA, Stem, Sync,
};
use seedpost_core::spec::{Finding, Weight};
use seedpost_core::sync::{PhraseSync, Tolerance, Verdict};
use seedpost_core::time::{FrameRate, Frames, Samples, TimeRange, Timecode};
use seedpost_core::timeline::Provenance;
use seedpost_core::turnover::{Reference, ShotChange, What};
use serde_json::{Value, json};
use support::{Demo, files, json, make, python, repository, run, text, tool};

/// What a hostile list would say.
const HOSTILE: &str = "\"quoted\" </script><script>alert(1)</script> <!-- & 'single' \u{2028} end";
/// The cut's first frame: an hour.
const START: u64 = 86_400;

/// Uses a page in Chromium; screenshots stay in the target folder.
fn browse(package: &Path, name: &str, expected: &Value) {
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("expected.json");
    std::fs::write(&told, expected.to_string()).unwrap();
    let shots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../report-shots").join(name);
    let script = repository("crates/cli/tests/foreign/report_page.py");
    tool(python(), &[text(&script), text(&package.join("report/index.html")), text(&told), text(&shots)]);
}

fn place(frame: u64) -> Place {
    let midnight = Timecode::from_frames(Frames(0), FrameRate::FPS_24, false).unwrap();
    Place { frame, timecode: midnight.plus(Frames(frame)).to_string() }
}

fn change(what: What, shot: &str, record_start: u64, clip: Option<usize>) -> Change {
    let change = ShotChange {
        shot: shot.to_owned(),
        take: format!("{shot}_T01"),
        what,
        invalidates: Vec::new(),
        record_start,
        frames: 96,
        note: format!("{shot} as it is"),
    };
    Change { change, at: place(record_start), clip }
}

/// A clip of four seconds, used from its 13th frame on.
fn clip(shot: &str, record: u64, reference: Option<&str>) -> Clip {
    let take = format!("{shot}_T01");
    Clip {
        shot: shot.to_owned(),
        reel: shot.to_owned(),
        record_in: place(record),
        record_out: place(record + 96),
        source_in: place(12),
        frames: 96,
        handles: (12, 4),
        picture: format!("picture/{take}.mp4"),
        size: (320, 180),
        reference: reference.map(|name| Reference {
            edit: format!("picture/reference/{name}.mov"),
            view: format!("picture/reference/{name}.mp4"),
            width: 320,
            height: 180,
        }),
        still: reference.map(|name| format!("report/stills/{name}.jpg")),
        character: Some("HOST".to_owned()),
        line: Some(HOSTILE.to_owned()),
        language: None,
        lane: "strip".to_owned(),
        delivered: vec![Delivered { name: "Channels", promised: "2".to_owned(), delivered: "1".to_owned() }],
        findings: vec![Found {
            finding: Finding::new("audio.channels", Weight::Breach, "1", "2", "make two of it"),
            source: "a data sheet, 2026-01-01".to_owned(),
        }],
        durations: Vec::new(),
        sync: Some(sync()),
        sound: None,
        stems: vec![stem(&take)],
        cues: vec![cue(record)],
        notes: vec!["REF2 has six channels and no stem".to_owned()],
        provenance: Provenance { prompt: HOSTILE.to_owned(), cost: "$1.2096".to_owned(), ..Provenance::default() },
        references: Vec::new(),
        rights: String::new(),
        other_takes: Vec::new(),
        drawing: Some(Drawing {
            body: "<path class=\"wave\" d=\"M20 60l600-9 600 9z\"/>".to_owned(),
            top: 0,
            width: 1240,
            height: 240,
        }),
        take,
    }
}

fn stem(take: &str) -> Stem {
    let loudness = Loudness { integrated_lufs: Some(-23.04), true_peak_dbtp: Some(-1.5), ..Loudness::default() };
    Stem {
        role: "GUIDE".to_owned(),
        file: format!("audio/{take}_GUIDE.wav"),
        sides: Vec::new(),
        channels: 2,
        samples: 224_000,
        estimated: false,
        model_audio: true,
        treatment: String::new(),
        loudness: Some(loudness),
    }
}

fn cue(record: u64) -> Cue {
    Cue {
        number: "HO101".to_owned(),
        at: place(record),
        until: place(record + 24),
        character: "HOST".to_owned(),
        line: HOSTILE.to_owned(),
        reason: "Out of sync",
        priority: 1,
        note: String::new(),
    }
}

/// A phrase that is 100 ms late: 2.4 frames at 24.
fn sync() -> Sync {
    let at = |start, end| TimeRange { start: Samples(start), end: Samples(end) };
    let phrase = PhraseSync {
        reference: 1,
        source: at(0, 48_000),
        expected: Samples(24_000),
        found: Some(at(28_800, 76_800)),
        confidence: 0.91,
    };
    let words = "100.0 ms (2.40 frames) late".to_owned();
    Sync {
        verdict: Verdict::Fail,
        tolerance: Tolerance::default(),
        median_offset: Some(4800),
        drift_ppm: None,
        phrases: vec![Phrase { sync: phrase, at: None, verdict: Verdict::Fail, begins: words.clone(), ends: words }],
    }
}

/// A package with three clips, two of which can be played; one has a name that addresses cannot hold as it is.
fn package(folder: &Path) -> (PathBuf, Report) {
    let package = folder.join("Küche #7 100%_v002");
    for folder in ["picture/reference", "audio", "report/stills"] {
        std::fs::create_dir_all(package.join(folder)).unwrap();
    }
    let odd = "SC010_SH010_T01 #1 50%41 ä?";
    let clips = vec![
        clip("SC010_SH010", START, Some(odd)),
        clip("SC010_SH020", START + 96, Some("SC010_SH020_T01")),
        clip("SC010_SH030", START + 192, None),
    ];
    for clip in &clips {
        for file in [&clip.picture, &clip.stems[0].file] {
            std::fs::write(package.join(file), "x").unwrap();
        }
        if let (Some(reference), Some(still)) = (&clip.reference, &clip.still) {
            let source = "-f lavfi -i testsrc2=size=320x180:rate=24:duration=4";
            let sound = "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=4";
            let codecs = "-c:v libx264 -pix_fmt yuv420p -g 24 -bf 2 -c:a aac -movflags +faststart";
            make(&package.join(&reference.view), &format!("{source} {sound} {codecs}"));
            make(&package.join(still), &format!("{source} -frames:v 1"));
            std::fs::write(package.join(&reference.edit), "x").unwrap();
        }
    }
    let changes = vec![
        change(What::Unchanged, "SC010_SH010", START, Some(0)),
        change(What::Moved, "SC010_SH020", START + 96, Some(1)),
        change(What::Dropped, "SC010_SH025", START + 96, None),
        change(What::ReRendered, "SC010_SH030", START + 192, Some(2)),
    ];
    let listed = files(&package).into_iter().map(|path| File {
        path: path.strip_prefix(&package).unwrap().to_str().unwrap().to_owned(),
        bytes: 1234,
        model_audio: Vec::new(),
    });
    let report = Report {
        schema: SCHEMA,
        package: "Kitchen_v002".to_owned(),
        title: HOSTILE.to_owned(),
        version: 2,
        date: "2026-12-01T10:00:00Z".to_owned(),
        made_of: "00".repeat(32),
        rate: FrameRate::FPS_24,
        drop_frame: false,
        start: place(START),
        end: place(START + 288),
        reel: None,
        cost: Cost { cut: "$3.6288".to_owned(), project: "$4.8384".to_owned(), limit: None },
        changed_since: Some(1),
        reasons: vec!["other cut".to_owned()],
        changes,
        files: listed.collect(),
        clips,
        hosts: Vec::new(),
        losses: Vec::new(),
    };
    std::fs::write(package.join("report/index.html"), report.html()).unwrap();
    std::fs::write(package.join("report/report.json"), report.json()).unwrap();
    std::fs::write(package.join("manifest.json"), "{}").unwrap();
    (package, report)
}

#[test]
fn a_person_plays_notes_signs_and_prints() {
    let folder = tempfile::tempdir().unwrap();
    let (package, report) = package(folder.path());
    let links: Vec<&String> = report.files.iter().map(|file| &file.path).collect();
    // A browser shows a line separator as a space or nothing.
    let hostile = HOSTILE.split('\u{2028}').next().unwrap().trim();
    let expected = json!({
        "texts": [
            hostile, "100.0 ms (2.40 frames) late", "out of sync", "0.91", "a data sheet, 2026-01-01", "make two of it",
            "−23.0 LUFS", "−1.5 dBTP", "HO101", "nothing is said about rights: clear them before release", "model sound",
            "12 before, 4 after", "01:00:04:00 – 01:00:08:00", "$3.6288", "→ moved", "× dropped", "↻ re-rendered",
        ],
        "links": links,
        "player": {
            "package": "Kitchen_v002", "take": "SC010_SH010_T01", "record": START, "source": 12, "frames": 96,
            "second_take": "SC010_SH020_T01", "second_record": START + 96,
        },
    });
    browse(&package, "page", &expected);
}

#[test]
fn labels_are_the_cuts_own_in_drop_frame_too() {
    let folder = tempfile::tempdir().unwrap();
    let (package, mut report) = package(folder.path());
    let rate: FrameRate = "29.97".parse().unwrap();
    let start = Timecode::parse("00:59:59;20", rate).unwrap();
    let at = |frame: u64| start.plus(Frames(frame)).to_string();
    report.rate = rate;
    report.drop_frame = true;
    report.changes = Vec::new();
    report.clips.truncate(1);
    report.clips[0].frames = 20_000;
    report.clips[0].record_in = Place { frame: start.frames().0, timecode: at(0) };
    let view = report.clips[0].reference.as_ref().map(|reference| package.join(&reference.view)).unwrap();
    let source = "-f lavfi -i color=size=64x36:rate=30000/1001:duration=668";
    make(&view, &format!("{source} -frames:v 20000 -c:v libx264 -preset ultrafast -pix_fmt yuv420p"));
    std::fs::write(package.join("report/index.html"), report.html()).unwrap();
    // An hour, the minutes around, and ten minutes later: two labels are left out in all but the tenth.
    let frames = [0, 9, 10, 1807, 1808, 1809, 3605, 3606, 17_991, 17_992, 19_789, 19_790, 19_999];
    let labels: Vec<(u64, String)> = frames.into_iter().map(|frame| (frame, at(frame))).collect();
    assert_eq!((labels[1].1.as_str(), labels[2].1.as_str()), ("00:59:59;29", "01:00:00;00"));
    assert_eq!((labels[4].1.as_str(), labels[5].1.as_str()), ("01:00:59;28", "01:00:59;29"));
    let no_labels = ["01:01:00;00", "01:01:00;01", "01:00:00;30", "1:00:60;00"];
    browse(&package, "drop", &json!({ "texts": [], "links": [], "labels": labels, "no_labels": no_labels }));
}

#[test]
fn the_demos_page_tells_what_its_facts_do() {
    let demo = Demo::render("demo");
    let made = json(&demo.root, &["turnover"]);
    let package = PathBuf::from(made["package"].as_str().unwrap());
    let read = |path: &Path| -> Value { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
    let (report, manifest) = (read(&package.join("report/report.json")), read(&package.join("manifest.json")));
    let facts = read(&demo.root.join("takes/SC010_SH030/T01/facts.json"));
    assert!(
        std::fs::read_to_string(package.join("report/report.json"))
            .unwrap()
            .starts_with("{\n  \"schema\": \"seedpost.report/1\"")
    );
    let clip = &report["clips"][2];
    let phrases = facts["sync"]["phrases"].as_array().unwrap();
    assert_eq!(clip["sync"]["phrases"].as_array().unwrap().len(), phrases.len());
    let mut texts: Vec<String> = Vec::new();
    for (told, phrase) in clip["sync"]["phrases"].as_array().unwrap().iter().zip(phrases) {
        assert_eq!((&told["expected"], &told["found"]), (&phrase["expected"], &phrase["found"]));
        let late = phrase["found"]["start"].as_i64().unwrap() - phrase["expected"].as_i64().unwrap();
        // At 48 samples a millisecond, and 2000 a frame; halves away from zero.
        let (tenths, hundredths) = ((late.abs() * 10 + 24) / 48, (late.abs() * 100 + 1000) / 2000);
        let way = if late < 0 { "early" } else { "late" };
        let (ms, frames) = ((tenths / 10, tenths % 10), (hundredths / 100, hundredths % 100));
        texts.push(format!("{}.{} ms ({}.{:02} frames) {way}", ms.0, ms.1, frames.0, frames.1));
    }
    assert!(!texts.is_empty());
    let listed = |value: &Value| -> Vec<String> {
        let paths = value["files"].as_array().unwrap().iter();
        paths
            .map(|file| file["path"].as_str().unwrap().to_owned())
            .filter(|path| !path.starts_with("report/"))
            .collect()
    };
    assert_eq!(listed(&report), listed(&manifest));
    // The list's own words, and where its recordings went.
    texts
        .extend(["Warm key light, slow push in.", "refs/host.wav", "00:59:58:00", "SC010_SH040_T01"].map(String::from));
    let hosts = json(&demo.root, &["status", "--hosts"]);
    assert_eq!(hosts["hosts"].as_array().unwrap().len(), report["hosts"].as_array().unwrap().len());
    texts.extend(hosts["hosts"].as_array().unwrap().iter().map(|host| host["host"].as_str().unwrap().to_owned()));
    // The package's own reference plays and steps.
    let plays = json!({ "record": START, "source": 0, "frames": 96 });
    browse(&package, "demo", &json!({ "texts": texts, "links": listed(&manifest), "plays": plays }));
    assert_eq!(run(&demo.root, &["verify", text(&package)]).0, 0);
}
