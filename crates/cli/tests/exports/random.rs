//! Cuts at random, the same ones in each run.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use seedpost_core::lane::Lane;
use seedpost_core::shot::TakeId;
use seedpost_core::time::{FrameRate, Frames, Rounding, SampleRate, Samples, Timecode};
use seedpost_core::timeline::{Clip, Colour, Marker, Picture, Provenance, Role, Stem, Timeline};

use super::cuts::{cues, frame_rate};
use super::words::{FILES, WORDS};

/// Rates, and whether they count drop-frame.
const RATES: [(&str, bool); 10] = [
    ("23.976", false),
    ("24", false),
    ("25", false),
    ("29.97", false),
    ("29.97", true),
    ("30", false),
    ("50", false),
    ("59.94", false),
    ("59.94", true),
    ("60", false),
];

/// The most frames of a cut and of what its files have around it.
const ROOM: u64 = 20_000;

pub(crate) fn timelines(count: usize) -> Vec<Timeline> {
    let mut runner = TestRunner::deterministic();
    let cut = |index: usize| timeline(RATES[index % RATES.len()]).new_tree(&mut runner).unwrap().current();
    (0..count).map(cut).collect()
}

fn text() -> impl Strategy<Value = String> {
    let any = proptest::collection::vec(any::<char>(), 0..40).prop_map(String::from_iter);
    prop_oneof![4 => proptest::sample::select(&WORDS[..]).prop_map(str::to_owned), 2 => any, 2 => "[ -~]{0,80}"]
}

fn timeline((rate, drop): (&'static str, bool)) -> impl Strategy<Value = Timeline> {
    let rate = frame_rate(rate);
    let day = Timecode::from_frames(Frames(0), rate, drop).unwrap().midnight().0;
    let clips = proptest::collection::vec((clip(rate, day), 0_u64..3, 1_u64..200), 1..=12);
    let markers = proptest::collection::vec(marker(), 0..8);
    (text(), 0..day - ROOM, clips, markers, 0_usize..4).prop_map(move |(title, first, clips, markers, spoken)| {
        let mut record = first;
        let place = |(number, (mut clip, gap, length)): (usize, (Clip, u64, u64))| {
            // Two in three follow at once.
            record += if gap == 0 { length } else { 0 };
            clip.take = format!("{}{number}_T01", clip.take.shot).parse().unwrap();
            (clip.reel, clip.record_start) = (format!("R{number}"), Frames(record));
            record = clip.record_end().0;
            clip
        };
        let clips: Vec<Clip> = clips.into_iter().enumerate().map(place).collect();
        let start = Timecode::from_frames(Frames(first), rate, drop).unwrap();
        let mut cut = Timeline { title, start, clips, markers: Vec::new(), cues: Vec::new() };
        cut.markers = placed(markers, first, cut.end().0);
        let cues = cues(&cut, spoken);
        cut.with_cues(cues)
    })
}

/// Markers over a cut and a little around it, in their order, each with a number in its name.
fn placed(markers: Vec<(Marker, u64)>, first: u64, end: u64) -> Vec<Marker> {
    let place = |(number, (marker, place)): (usize, (Marker, u64))| {
        let frame = first.saturating_sub(20) + place % (end - first + 40);
        Marker { frame: Frames(frame), name: format!("{}{number}", marker.name), ..marker }
    };
    let mut placed: Vec<Marker> = markers.into_iter().enumerate().map(place).collect();
    placed.sort_by_key(|marker| marker.frame);
    placed
}

fn marker() -> impl Strategy<Value = (Marker, u64)> {
    let colour = proptest::sample::select(&Colour::ALL[..]);
    let length = prop_oneof![2 => Just(1_u64), 1 => 1_u64..300];
    (text(), text(), colour, length, 0..ROOM).prop_map(|(name, note, colour, length, place)| {
        (Marker { frame: Frames(0), length: Frames(length), name, note, colour }, place)
    })
}

/// A clip without a place, a reel and a name of its own.
fn clip(rate: FrameRate, day: u64) -> impl Strategy<Value = Clip> {
    let used = (0_u64..60, 1_u64..300, 0_u64..60);
    let start = prop_oneof![1 => Just(0), 1 => 0..day - ROOM];
    let size = proptest::sample::select(&[(1920, 1080), (1280, 720), (480, 854)][..]);
    let stems = (proptest::collection::btree_map(role(), (1_u16..=2, any::<bool>()), 0..5), 0..day - ROOM);
    let name = ("[A-Za-z0-9][A-Za-z0-9_-]{0,40}", proptest::sample::select(&FILES[..]));
    (name, used, start, size, 0_u16..3, stems, provenance()).prop_map(
        move |((shot, file), (from, frames, after), start, (width, height), channels, (stems, first), provenance)| {
            let (file, whole) = (format!("media/{file} {shot}"), from + frames + after);
            let keep = stems.contains_key(&Role::Mix);
            let track = |role: &Role| !(keep && *role == Role::Guide);
            let stems = stems.into_iter().filter(|(role, _)| track(role));
            Clip {
                take: TakeId { shot: shot.parse().unwrap(), number: 1 },
                reel: String::new(),
                lane: if keep { Lane::Keep } else { Lane::Strip },
                from: Frames(from),
                frames: Frames(frames),
                record_start: Frames(0),
                picture: Picture {
                    file: format!("{file}.mov"),
                    frames: Frames(whole),
                    start: Frames(start),
                    width,
                    height,
                    channels,
                },
                stems: stems.map(|(role, rest)| stem(&file, role, rest, rate, first, whole)).collect(),
                provenance,
            }
        },
    )
}

fn stem(name: &str, role: Role, (channels, sides): (u16, bool), rate: FrameRate, first: u64, whole: u64) -> Stem {
    let sample = |frame| rate.samples(Frames(frame), SampleRate::HZ_48000, Rounding::Nearest).unwrap();
    let file = |side: &str| format!("{name}_{}{side}.wav", role.file_code());
    let sides = if sides && channels == 2 { vec![file(".L"), file(".R")] } else { Vec::new() };
    let samples = Samples(sample(first + whole).0 - sample(first).0);
    Stem { role, file: file(""), channels, samples, time_reference: sample(first), sides }
}

fn role() -> impl Strategy<Value = Role> {
    let known = [Role::Mix, Role::Guide, Role::Dialogue, Role::MusicEffects, Role::Laid];
    prop_oneof![5 => proptest::sample::select(known.to_vec()), 1 => (1_u32..4).prop_map(Role::Reference)]
}

fn provenance() -> impl Strategy<Value = Provenance> {
    let texts = (text(), text(), text(), text(), text());
    (texts, any::<Option<u32>>(), proptest::option::of(text()), "[0-9a-f]{64}").prop_map(
        |((provider, model, prompt, cost, reason), seed, request_id, sha256)| Provenance {
            provider,
            model,
            prompt,
            seed,
            request_id,
            cost,
            reason,
            sha256,
        },
    )
}
