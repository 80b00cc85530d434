//! What a page holds of what users wrote, and how large it is.

use super::*;
use crate::spec::Weight;
use crate::turnover::What;

const HOSTILE: &str = "</script><script>alert(1)</script> \"a\" 'b' & <img src=x onerror=alert(2)>";
/// About as long as what people write.
const LINE: &str = "@Image1 stands at the pass and says @Audio1, then listens to @Audio2.";

fn place(frame: u64) -> Place {
    Place { frame, timecode: format!("01:00:{:02}:{:02}", frame / 24 % 60, frame % 24) }
}

fn stem(take: &str, role: &str) -> Stem {
    Stem {
        role: role.to_owned(),
        file: format!("audio/{take}_{role}.wav"),
        sides: vec![format!("audio/{take}_{role}.L.wav"), format!("audio/{take}_{role}.R.wav")],
        channels: 2,
        samples: 720_000,
        estimated: false,
        model_audio: true,
        treatment: "resampled from 16000 Hz, dithered to 24 bits, one channel on both sides".to_owned(),
        loudness: Some(Loudness::default()),
    }
}

fn cue(number: u64, words: &str) -> Cue {
    Cue {
        number: "HO101".to_owned(),
        at: place(number),
        until: place(number),
        character: words.to_owned(),
        line: words.to_owned(),
        reason: "Out of sync",
        priority: 1,
        note: words.to_owned(),
    }
}

/// A clip about which as much can be told as about a long one with two recordings.
fn clip(number: u64, words: &str) -> Clip {
    let take = format!("SC{number:03}_SH010_T01");
    let range = TimeRange { start: Samples(number), end: Samples(48_000) };
    let sync = PhraseSync { reference: 1, source: range, expected: Samples(0), found: Some(range), confidence: 0.9 };
    let late = "100.0 ms (2.40 frames) late".to_owned();
    let phrase = Phrase { sync, at: None, verdict: Verdict::Fail, begins: late.clone(), ends: late };
    let found = Found {
        finding: Finding::new("sync.offset", Weight::Note, words, "at most 2 frames off at either end", words),
        source: "a data sheet".to_owned(),
    };
    Clip {
        shot: format!("SC{number:03}_SH010"),
        reel: format!("SC{number:03}"),
        record_in: place(number * 96),
        record_out: place(number * 96 + 96),
        source_in: place(0),
        frames: 96,
        handles: (0, 0),
        picture: format!("picture/{take}.mp4"),
        size: (1280, 720),
        reference: Some(Reference {
            edit: format!("picture/reference/{take}.mov"),
            view: format!("picture/reference/{take} #1.mp4"),
            width: 1280,
            height: 720,
        }),
        still: Some(format!("report/stills/{take}.jpg")),
        character: Some(words.to_owned()),
        line: Some(words.to_owned()),
        language: Some("en".to_owned()),
        lane: "strip".to_owned(),
        delivered: vec![Delivered { name: "Channels", promised: "2".to_owned(), delivered: "1".to_owned() }; 13],
        findings: vec![found; 3],
        durations: Vec::new(),
        sync: Some(Sync {
            verdict: Verdict::Fail,
            tolerance: Tolerance::default(),
            median_offset: None,
            drift_ppm: None,
            phrases: vec![phrase; 4],
        }),
        sound: None,
        stems: ["GUIDE", "DX", "ME", "REF1", "REF2", "REF"].map(|role| stem(&take, role)).into(),
        cues: vec![cue(number, words); 3],
        notes: Vec::new(),
        provenance: Provenance { prompt: words.to_owned(), ..Provenance::default() },
        references: vec![Supplied { source: words.to_owned(), sha256: "0".repeat(64) }; 2],
        rights: words.to_owned(),
        other_takes: Vec::new(),
        // Two outlines of 360 stretches have 1,440 points; a tie has 250 letters.
        drawing: Some(Drawing { body: "3-31".repeat(1440) + &"tie".repeat(350), top: 0, width: 1240, height: 490 }),
        take,
    }
}

fn report(clips: u64, words: &str) -> Report {
    let change = |number: u64| Change {
        change: ShotChange {
            shot: String::new(),
            take: words.to_owned(),
            what: What::New,
            invalidates: Vec::new(),
            record_start: number * 96,
            frames: 96,
            note: words.to_owned(),
        },
        at: place(number),
        clip: usize::try_from(number).ok(),
    };
    let file = |number: u64| File { path: format!("audio/{number}.wav"), bytes: 1_049_999, model_audio: Vec::new() };
    Report {
        schema: SCHEMA,
        package: "Kitchen_v002".to_owned(),
        title: words.to_owned(),
        version: 2,
        date: "2026-12-01T10:00:00Z".to_owned(),
        made_of: "0".repeat(64),
        rate: FrameRate::FPS_24,
        drop_frame: false,
        start: place(0),
        end: place(0),
        reel: None,
        cost: Cost { cut: "$1.00".to_owned(), project: "$2.00".to_owned(), limit: None },
        changed_since: Some(1),
        reasons: vec!["other cut".to_owned()],
        changes: (0..clips).map(change).collect(),
        clips: (0..clips).map(|number| clip(number, words)).collect(),
        hosts: Vec::new(),
        losses: Vec::new(),
        files: (0..clips * 20).map(file).collect(),
    }
}

#[test]
fn five_hundred_clips_are_one_page_below_ten_megabytes() {
    let (few, many) = (report(50, LINE).html().len(), report(500, LINE).html().len());
    assert!(many < 10_000_000, "{many}");
    // Each clip adds the same, but for longer numbers.
    assert!(many < few * 10 + 50_000, "{few} {many}");
}

#[test]
fn what_users_wrote_is_text_and_nothing_else() {
    let page = report(2, HOSTILE).html();
    let elements = |name: &str| page.matches(&format!("<{name}")).count();
    // The facts and the script.
    assert_eq!((elements("script"), page.matches("</script>").count()), (2, 2));
    assert!(!page.contains("<img src=x") && !page.contains("alert(1)</script>"));
    assert!(page.contains("\\u003c/script\\u003e\\u003cscript\\u003ealert(1)"), "the facts carry the title");
    assert!(!page.contains(HOSTILE));
}

#[test]
fn links_are_relative_and_hold_any_name() {
    let page = report(1, HOSTILE).html();
    assert!(page.contains("src=\"../picture/reference/SC000_SH010_T01%20%231.mp4\""));
    assert!(
        !page.contains("http:") && !page.contains("https:") && !page.contains("style=\"") && !page.contains(" onclick")
    );
    assert!(page.contains("1.0 MB"), "1,049,999 bytes");
}

#[test]
fn the_facts_begin_with_their_schema_and_hold_no_drawing() {
    let json = report(1, HOSTILE).json();
    assert!(json.starts_with("{\n  \"schema\": \"seedpost.report/1\",\n"));
    assert!(!json.contains("drawing") && json.ends_with("}\n"));
    let read: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(read["clips"][0]["findings"][0]["rule"], "sync.offset");
    assert_eq!(read["clips"][0]["sync"]["phrases"][0]["expected"], 0);
}
