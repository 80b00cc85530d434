//! Markers and cues in every form.

use super::*;
use crate::cue::{Cue, Reason, Times};
use crate::lane::Lane;
use crate::time::{Frames, TimeRange, Timecode};
use crate::timeline::{Colour, Marker, Picture, Piece, Provenance, Role, assemble};

/// Two clips of 96 frames from 01:00:00:00.
fn cut(rate: &str) -> Timeline {
    let start = Timecode::parse("01:00:00:00", rate.parse().expect("a rate")).expect("a timecode");
    let piece = |take: &str| Piece {
        take: take.parse().expect("a take"),
        lane: Lane::Strip,
        picture: Picture {
            file: format!("picture/{take}.mp4"),
            frames: Frames(96),
            start: Frames(0),
            width: 1280,
            height: 720,
            channels: 0,
        },
        stems: vec![(Role::Guide, format!("audio/{take}_GUIDE.wav"), 1, Vec::new())],
        provenance: Provenance::default(),
    };
    assemble("Kitchen {at} seven", start, vec![piece("S1_A_T01"), piece("S1_B_T01")]).expect("a cut")
}

fn export(timeline: &Timeline, format: Format) -> Export {
    write(timeline, format, Links("../")).expect("a form that takes it")
}

fn text(timeline: &Timeline, format: Format) -> String {
    String::from_utf8(export(timeline, format).content).expect("a text")
}

/// A cue from the first frame given, 20 frames after the cut's beginning of its hour.
fn cue(number: &str, character: Option<&str>, start: u64, line: Option<&str>) -> Cue {
    Cue {
        number: number.to_owned(),
        character: character.map(str::to_owned),
        character_number: if character.is_some() { 1 } else { 2 },
        reel: 1,
        scene: "S1".to_owned(),
        take: "S1_A_T01".parse().expect("a take"),
        record: TimeRange { start: Frames(start), end: Frames(start + 20) },
        times: Times::Measured,
        line: line.map(str::to_owned),
        reason: Reason::Replace,
        priority: 2,
        sync: None,
        beeps: Vec::new(),
        streamer: None,
    }
}

#[test]
fn markers_stand_in_their_own_event_of_a_list() {
    let cues = vec![cue("MA101", Some("Mara"), 86_412, Some("Go.")), cue("MA102", Some("Mara"), 86_496, Some("Now."))];
    let mut timeline = cut("24").with_cues(cues);
    let end = Marker {
        frame: Frames(86_592),
        length: Frames(1),
        name: "Ende „schön“".to_owned(),
        note: String::new(),
        colour: Colour::Green,
    };
    timeline.markers.push(Marker { frame: Frames(86_591), ..end.clone() });
    timeline.markers.push(end);
    let (list, losses) = (text(&timeline, Format::Cmx3600), export(&timeline, Format::Cmx3600).losses);
    let kept: Vec<&str> = list.lines().filter(|line| line.starts_with("* LOC") || line.contains(" V ")).collect();
    assert_eq!(
        kept,
        [
            "001  S1AA     V     C        00:00:00:00 00:00:04:00 01:00:00:00 01:00:04:00",
            "* LOC: 01:00:00:12 YELLOW  ADR MA101",
            "003  S1BA     V     C        00:00:00:00 00:00:04:00 01:00:04:00 01:00:08:00",
            "* LOC: 01:00:04:00 YELLOW  ADR MA102",
            "* LOC: 01:00:07:23 GREEN   Ende _sch_n_",
        ]
    );
    let of_markers = losses.iter().filter(|loss| loss.of == Of::Marker).map(ToString::to_string);
    assert_eq!(
        of_markers.collect::<Vec<_>>(),
        [
            "edl: all markers: note: a locator has a name only",
            "edl: all markers: length: a locator is one frame",
            "edl: marker Ende „schön“: event: it is in no clip",
            "edl: marker Ende „schön“: name: names are short and in ASCII (written: Ende _sch_n_)",
        ]
    );
    assert!(export(&cut("24"), Format::File32).losses.iter().all(|loss| loss.of != Of::Marker));
}

#[test]
fn markers_stand_on_the_stack_from_the_cuts_beginning() {
    let timeline = cut("24").with_cues(vec![cue("MA101", Some("Mara"), 86_412, Some("Go."))]);
    let document: serde_json::Value = serde_json::from_str(&text(&timeline, Format::Otio)).expect("JSON");
    let marker = &document["tracks"]["markers"][0];
    assert_eq!((marker["name"].as_str(), marker["color"].as_str()), (Some("ADR MA101"), Some("YELLOW")));
    assert_eq!(marker["comment"], "Mara: Go. (Model sound is a guide only; S1_A_T01)");
    let (start, length) = (&marker["marked_range"]["start_time"], &marker["marked_range"]["duration"]);
    assert_eq!((start["value"].as_f64(), length["value"].as_f64()), (Some(12.0), Some(20.0)));
}

#[test]
fn cues_are_a_session_of_a_track_for_each_character() {
    let hostile = "&say\t{it} $5 [now]\n“é” 😀";
    let cues = vec![cue("MA101", Some("Mara"), 86_412, Some(hostile)), cue("XX101", None, 86_496, None)];
    let timeline = cut("24").with_cues(cues);
    let session = text(&timeline, Format::CueText);
    let lines: Vec<&str> = session.lines().collect();
    assert_eq!(lines[0], "SESSION NAME:\tKitchen (at) seven {Title=Kitchen (at) seven} {Supv=TBC} {Reel=R1}");
    assert_eq!((lines[3], lines[4]), ("SESSION START TIMECODE:\t00:59:50:00", "TIMECODE FORMAT:\t24 Frame"));
    let tags = "$QN=MA101 {R=Model sound is a guide only} $P=2 {Sc=S1} {Shot=S1_A_T01} {Note=S1_A_T01}";
    let clip = format!(
        "1       \t1       \t＆say (it) ＄5 (now) “é” 😀 {tags}\t   01:00:00:12\t   01:00:01:08\t   00:00:00:20\tUnmuted"
    );
    assert!(lines.contains(&clip.as_str()), "{}", session);
    let tracks: Vec<&&str> = lines.iter().filter(|line| line.starts_with("TRACK NAME:")).collect();
    assert_eq!(tracks, [&"TRACK NAME:\tMara", &"TRACK NAME:\tXX"]);
    assert!(session.contains("\t(no line given) $QN=XX101 "));
    // Ten seconds of 48 000 samples.
    assert!(lines.last().is_some_and(|line| line.starts_with("1   \t01:00:00:00  \t480000            \tSamples")));
    let losses = export(&timeline, Format::CueText).losses;
    let expected = "adr-text: cue MA101: text: brackets and signs are written as others that look alike";
    assert_eq!(losses[0].to_string(), expected);
}

#[test]
fn a_table_of_cues_is_quoted_and_computes_nothing() {
    let cues = vec![cue("MA101", Some("Mara, \"M\""), 86_412, Some("=SUM(A1)\n+1")), cue("XX101", None, 86_496, None)];
    let text = text(&cut("24").with_cues(cues), Format::CueCsv);
    let rows: Vec<&str> = text.split("\r\n").collect();
    assert_eq!(
        rows[1..],
        [
            "MA101,\"Mara, \"\"M\"\"\",,R1,S1,,01:00:00:12,01:00:01:08,00:00:00:20,'=SUM(A1) +1,Model sound is a guide only,2,Dialogue,S1_A_T01,Open",
            "XX101,XX,,R1,S1,,01:00:04:00,01:00:04:20,00:00:00:20,(no line given),Model sound is a guide only,2,Dialogue,S1_A_T01,Open",
            "",
        ]
    );
    assert_eq!(rows[0].split(',').count(), 15);
}

#[test]
fn every_form_has_a_name_of_its_own() {
    let formats: Vec<Format> = Format::ALL.into_iter().chain(Format::CUES).collect();
    let files: std::collections::BTreeSet<String> = formats.iter().map(|format| format.file_name("A")).collect();
    assert_eq!(files.len(), formats.len());
    assert!(formats.iter().all(|format| Format::parse(format.as_str()) == Some(*format)));
    assert_eq!(
        (Format::CueText.file_name("A"), Format::CueCsv.file_name("A")),
        ("A_adr.txt".into(), "A_adr.csv".into())
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

    /// A file, the same bytes each time, or a reason with a fix.
    #[test]
    fn every_cut_is_written_or_refused_in_every_form((timeline, _) in crate::timeline::arbitrary::cut()) {
        for format in Format::ALL.into_iter().chain(Format::CUES) {
            let once = write(&timeline, format, Links("../"));
            proptest::prop_assert_eq!(&once, &write(&timeline, format, Links("../")));
            match once {
                Ok(export) => {
                    proptest::prop_assert!(export.losses.iter().all(|loss| loss.format == format.as_str()));
                }
                Err(refusal) => proptest::prop_assert!(!refusal.fix.is_empty()),
            }
        }
    }
}
