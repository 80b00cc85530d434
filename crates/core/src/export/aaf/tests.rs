//! Files of small cuts, opened by the crate cfb, and read property by property.

use std::io::{Cursor, Read};

use super::*;
use crate::lane::Lane;
use crate::time::{FrameRate, Samples};
use crate::timeline::{Colour, Marker, Picture, Piece, Provenance, assemble};

/// Two clips of 96 frames with a stem of two channels, five frames after the cut's beginning.
fn cut(rate: &str, start: &str) -> Timeline {
    let rate: FrameRate = rate.parse().expect("a rate");
    let start = Timecode::parse(start, rate).expect("a timecode");
    let piece = |take: &str| Piece {
        take: take.parse().expect("a take"),
        lane: Lane::Strip,
        picture: Picture {
            file: format!("picture/{take}.mov"),
            frames: Frames(96),
            start: Frames(0),
            width: 1280,
            height: 720,
            channels: 2,
        },
        stems: vec![(
            Role::Guide,
            format!("audio/{take}_GUIDE.wav"),
            2,
            vec![format!("audio/{take}_GUIDE.L.wav"), format!("audio/{take}_GUIDE.R.wav")],
        )],
        provenance: Provenance::default(),
    };
    let mut timeline = assemble("Kitchen", start, vec![piece("S1_A_T01"), piece("S1_B_T01")]).expect("a cut");
    for clip in &mut timeline.clips {
        clip.record_start = Frames(clip.record_start.0 + 5);
    }
    timeline
}

/// The value of a property of an object of the composition.
fn property(file: &[u8], object: &str, number: u16) -> Option<Vec<u8>> {
    let mut file = cfb::CompoundFile::open_strict(Cursor::new(file)).expect("a compound file");
    let mut bytes = Vec::new();
    let path = format!("/Header-2/Content-3b03/Mobs-1901{{0}}{object}/properties");
    file.open_stream(path).expect("an object").read_to_end(&mut bytes).expect("its properties");
    let word = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let mut at = 4 + 6 * word(2);
    for index in (0..word(2)).map(|index| 4 + 6 * index) {
        if word(index) == usize::from(number) {
            return Some(bytes[at..at + word(index + 4)].to_vec());
        }
        at += word(index + 4);
    }
    None
}

fn written(timeline: &Timeline) -> Vec<u8> {
    write(timeline, Links("")).content
}

/// 01:00:00;00 at 29.97 is frame 107,892 in drop-frame counting; five frames are 8008 samples.
#[test]
fn times_are_those_of_the_cut() {
    let file = written(&cut("29.97", "01:00:00;00"));
    let clock = "/Slots-4403{0}/Segment-4803";
    assert_eq!(property(&file, clock, 0x1501), Some(107_892_i64.to_le_bytes().to_vec()));
    assert_eq!(property(&file, clock, 0x1502), Some(vec![30, 0]));
    assert_eq!(property(&file, clock, 0x1503), Some(vec![1]));
    for (slot, length) in [(1, 5_i64), (2, 8008), (3, 8008)] {
        let filler = format!("/Slots-4403{{{slot}}}/Segment-4803/Components-1001{{0}}");
        assert_eq!(property(&file, &filler, 0x0202), Some(length.to_le_bytes().to_vec()));
    }
    assert_eq!(property(&file, "/Slots-4403{2}", 0x4b01), Some(vec![0x80, 0xbb, 0, 0, 1, 0, 0, 0]));
    assert_eq!(property(&file, "/Slots-4403{1}", 0x4b01), Some(vec![0x30, 0x75, 0, 0, 0xe9, 3, 0, 0]));
}

#[test]
fn the_same_cut_gives_the_same_bytes_and_another_has_another_name() {
    let timeline = cut("24", "01:00:00:00");
    let mut other = timeline.clone();
    other.clips[1].from = Frames(1);
    other.clips[1].frames = Frames(95);
    assert_eq!(written(&timeline), written(&timeline));
    assert_ne!(property(&written(&timeline), "", 0x4401), property(&written(&other), "", 0x4401));
}

#[test]
fn identifications_have_the_low_bytes_of_numbers_first() {
    let stored = [1, 1, 1, 0x0d, 1, 1, 0, 0x3f, 6, 0x0e, 0x2b, 0x34, 2, 6, 1, 1];
    assert_eq!(auid("0d010101-0101-3f00-060e-2b3402060101"), stored);
    assert_eq!(class(0x3f), stored);
}

#[test]
fn texts_are_changed_where_they_must_be_and_that_is_told() {
    let mut timeline = cut("24", "01:00:00:00");
    let long = "😀".repeat(20_000);
    timeline.title = "a\0b".to_owned();
    let marker = Marker {
        frame: Frames(0),
        length: Frames(1),
        name: "\0\u{fffe}\"<&\n".to_owned(),
        note: long,
        colour: Colour::Cyan,
    };
    timeline.markers.push(marker);
    timeline.clips[0].provenance.prompt = "\0".repeat(5);
    timeline.clips[0].stems[0].samples = Samples(0);
    let export = write(&timeline, Links("../"));
    let told: Vec<_> = export.losses.iter().map(|loss| (loss.of, loss.field, loss.written.as_deref())).collect();
    let short = "😀".repeat(16_000);
    assert_eq!(
        told,
        [
            (Of::Cut, Field::Name, Some("a\u{fffd}b")),
            (Of::Stem, Field::Link, None),
            (Of::Marker, Field::Name, Some("\u{fffd}\u{fffe}\"<&\n")),
            (Of::Marker, Field::Note, Some(short.as_str())),
        ]
    );
    let name: Vec<u8> = "a\u{fffd}b\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(property(&export.content, "", 0x4402), Some(name));
}

#[test]
fn a_stem_without_files_for_its_sides_is_not_there() {
    let mut timeline = cut("24", "01:00:00:00");
    timeline.clips[0].stems[0].sides.clear();
    let told = |timeline: &Timeline| {
        let losses = write(timeline, Links("")).losses;
        losses.into_iter().map(|loss| (loss.name, loss.field)).collect::<Vec<_>>()
    };
    let (gone, linked) = (("S1_A_T01_GUIDE".to_owned(), Field::Event), ("S1_B_T01_GUIDE".to_owned(), Field::Link));
    assert_eq!(told(&timeline), [gone, linked]);
    timeline.clips[1].stems[0].sides.clear();
    assert_eq!(told(&timeline), [("GUIDE".to_owned(), Field::Event)]);
}
