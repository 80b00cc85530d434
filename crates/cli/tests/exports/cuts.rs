//! Cuts by hand: one of sixty shots in which everything stands that a model admits, and those at the edges.

use std::str::FromStr as _;

use seedpost_core::cue::{Cue, Reason, Times};
use seedpost_core::export::Format;
use seedpost_core::lane::Lane;
use seedpost_core::shot::TakeId;
use seedpost_core::time::{FrameRate, Frames, TimeRange, Timecode};
use seedpost_core::timeline::{Colour, Edit, Marker, Picture, Piece, Provenance, Role, Timeline, assemble};

use super::words::{FILES, WORDS, word};

/// The forms that know places by labels only, and so cannot go past midnight.
const BY_LABELS: [Format; 7] = [
    Format::Cmx3600,
    Format::File32,
    Format::ResolveMarkers,
    Format::AvidMarkers,
    Format::CueText,
    Format::CueSession,
    Format::CueCsv,
];
/// The forms that know what is used of a file by labels only.
const EVENTS: [Format; 2] = [Format::Cmx3600, Format::File32];

pub(crate) fn frame_rate(text: &str) -> FrameRate {
    FrameRate::from_str(text).unwrap()
}

fn start(label: &str, rate: &str) -> Timecode {
    Timecode::parse(label, frame_rate(rate)).unwrap()
}

/// Shot names that are one name once they are cut to 7, 8, 31 or 32 characters, from either end.
fn shot(number: usize) -> String {
    let thirty = "SC010_SH020_THE_LONG_KITCHEN_30";
    match number {
        0..8 => format!("SC0{number}0_SH010"),
        8..16 => format!("KITCHEN{number}"),
        16..24 => format!("{thirty}{number}"),
        24..32 => format!("{thirty}.{number}"),
        32..40 => format!("{}_KITCHENA", number - 31),
        40..44 => format!("{}{number}", "A".repeat(62)),
        44..48 => format!("{}{}", number, "z".repeat(62)),
        48..52 => format!("k-i.t_c-h.e.n-{number}"),
        52 => "a".to_owned(),
        53 => "A_".to_owned(),
        _ => format!("sc010_sh{number:03}"),
    }
}

/// One after the other: each of them, and all that a clip may have.
fn roles(number: usize) -> Vec<(Role, u16)> {
    let whole = |lane: usize| if lane == 0 { Role::Mix } else { Role::Guide };
    match number % 6 {
        0 => vec![(whole(number % 2), 2)],
        1 => vec![(whole(number % 2), 1), (Role::Dialogue, 1), (Role::MusicEffects, 2)],
        2 => Vec::new(),
        3 => vec![(whole(number % 2), 2), (Role::Laid, 1)],
        4 => vec![(Role::Laid, 2), (Role::Reference(1), 1), (Role::Reference(2), 2)],
        _ => vec![
            (whole(number % 2), 2),
            (Role::Dialogue, 2),
            (Role::MusicEffects, 2),
            (Role::Laid, 1),
            (Role::Reference(1), 1),
            (Role::Reference(12), 1),
        ],
    }
}

fn piece(number: usize, take: &str, frames: u64, roles: Vec<(Role, u16)>) -> Piece {
    let folder = if number % 9 == 8 { "/mnt/media of ü" } else { "media" };
    let name = format!("{}/{} {take}", folder, FILES[number % FILES.len()]);
    let stem = |(role, channels): (Role, u16)| {
        let file = format!("{name}_{}.wav", role.file_code());
        let sides = ["L", "R"].map(|side| file.replace(".wav", &format!(".{side}.wav"))).to_vec();
        (role, file, channels, if channels == 2 && number % 4 != 3 { sides } else { Vec::new() })
    };
    Piece {
        take: take.parse().unwrap(),
        lane: if number.is_multiple_of(2) { Lane::Keep } else { Lane::Strip },
        picture: Picture {
            file: format!("{name}.{}", if number.is_multiple_of(3) { "mov" } else { "mp4" }),
            frames: Frames(frames),
            start: Frames(if number % 5 == 1 { 86_400 * (number as u64 % 20) + 7 } else { 0 }),
            width: [1920, 1280, 480, 1080][number % 4],
            height: [1080, 720, 854, 1920][number % 4],
            channels: [2, 0, 1][number % 3],
        },
        stems: roles.into_iter().map(stem).collect(),
        provenance: provenance(number),
    }
}

pub(crate) fn provenance(number: usize) -> Provenance {
    if number % 11 == 10 {
        return Provenance::default();
    }
    Provenance {
        provider: ["fal", "ark", "openai"][number % 3].to_owned(),
        model: format!("bytedance/seedance/v{number}"),
        prompt: word(number),
        seed: [None, Some(0), Some(u32::MAX), Some(42)][number % 4],
        request_id: (number % 3 == 1).then(|| format!("req-{number}/{}", word(number + 5))),
        cost: ["", "0.91 USD", "1.20 EUR (estimated)"][number % 3].to_owned(),
        reason: format!("strip: {}", word(number + 11)),
        sha256: format!("{number:064x}"),
    }
}

/// Sixty shots at 24 frames a second, trimmed and with gaps, one of them twice; markers and cues with all they can have.
pub(crate) fn sixty() -> Timeline {
    let pieces = (0..60).map(|number| {
        let take = format!("{}_T{:02}", shot(number), 1 + number % 3);
        piece(number, &take, 48 + (number as u64 * 13) % 121, roles(number))
    });
    let title = WORDS.join(" / ");
    let whole = assemble(&title, start("01:00:00:00", "24"), pieces.collect()).unwrap();
    let mut edits: Vec<Edit> = Vec::new();
    let mut record = whole.start.frames().0 + 10;
    for (number, clip) in whole.clips.iter().enumerate() {
        let again = (number == 20).then(|| (clip.take.clone(), 30, 12));
        let from = if number.is_multiple_of(4) { number as u64 % 11 } else { 0 };
        let frames = clip.frames.0 - from - if number.is_multiple_of(3) { 9 } else { 0 };
        for (take, from, frames) in std::iter::once((clip.take.clone(), from, frames)).chain(again) {
            edits.push(Edit { take, from: Frames(from), frames: Frames(frames), record_start: Frames(record) });
            record += frames + if number % 8 == 7 { 24 } else { 0 };
        }
    }
    // The first of all once more, at the very end and whole.
    let first = &whole.clips[0];
    let (take, frames) = (first.take.clone(), first.frames);
    edits.push(Edit { take, from: Frames(0), frames, record_start: Frames(record + 100) });
    let mut cut = whole.recut(&edits).unwrap();
    cut.markers = markers(&cut);
    let cues = cues(&cut, 23);
    cut.with_cues(cues)
}

/// One with each word, over all of the cut; some before it, in gaps and after it, two at one frame, and two of one name,
/// of which one is in a gap.
fn markers(cut: &Timeline) -> Vec<Marker> {
    let (first, last) = (cut.start.frames().0, cut.end().0);
    let gap = cut.clips.windows(2).find(|pair| pair[0].record_end() < pair[1].record_start).unwrap()[0].record_end();
    let spread = (0..40).map(|number| first + (last - first) * number / 40);
    let frames = [first - 100, first, first + 10, first + 10, gap.0, last - 1, last, last + 50];
    let marker = |(number, frame): (usize, u64)| Marker {
        frame: Frames(frame),
        length: Frames([1, 1, 12, 500][number % 4]),
        name: format!("{number} {}", word(number)),
        note: word(number + 3),
        colour: Colour::ALL[number % Colour::ALL.len()],
    };
    let mut markers: Vec<Marker> = spread.chain(frames).enumerate().map(marker).collect();
    markers[44].name = markers[3].name.clone();
    markers
}

/// So many cues over the cut's clips, of speakers with every kind of name.
pub(crate) fn cues(cut: &Timeline, count: usize) -> Vec<Cue> {
    let reasons = [
        Reason::NoSoundRendered,
        Reason::NoSpeechHeard,
        Reason::Moderated,
        Reason::SyncOff,
        Reason::Language,
        Reason::Replace,
    ];
    let one = |number: usize| {
        let clip = &cut.clips[number % cut.clips.len()];
        let speaker = number % 5;
        let record = TimeRange {
            start: Frames(clip.record_start.0 + (number as u64 % 3).min(clip.frames.0 - 1)),
            end: clip.record_end(),
        };
        let before = |frames: u64| record.start.0.checked_sub(frames).map(Frames);
        Cue {
            number: format!("C{speaker}1{number:02}"),
            character: (speaker > 0).then(|| format!("Mara {speaker} {}", one_line(WORDS[speaker * 5]))),
            character_number: u32::try_from(speaker).unwrap() + 1,
            reel: 1,
            scene: clip.take.shot.as_str().split('_').next().unwrap_or_default().to_owned(),
            take: clip.take.clone(),
            record,
            times: if number.is_multiple_of(2) { Times::Measured } else { Times::OfTheShot },
            line: (number % 6 != 5).then(|| word(number)),
            reason: reasons[number % reasons.len()],
            priority: u8::try_from(1 + number % 3).unwrap(),
            sync: number.is_multiple_of(4).then(|| "3.2 frames late".to_owned()),
            beeps: [72, 48, 24].into_iter().filter_map(before).collect(),
            streamer: before(48).map(|start| TimeRange { start, end: record.start }),
        }
    };
    (0..count).map(one).collect()
}

/// A character's name comes with single spaces, and is not empty.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// So many clips of a length, each with a sound of two channels.
fn plain(title: &str, start: Timecode, count: usize, frames: u64) -> Timeline {
    let pieces = (0..count).map(|number| {
        let take: TakeId = format!("SC{number:04}_T01").parse().unwrap();
        piece(number, &take.to_string(), frames, vec![(Role::Mix, 2)])
    });
    assemble(title, start, pieces.collect()).unwrap()
}

/// A marker in the middle of every clip.
fn marked(mut cut: Timeline) -> Timeline {
    let marker = |clip: &seedpost_core::timeline::Clip| Marker {
        frame: Frames(clip.record_start.0 + clip.frames.0 / 2),
        length: Frames(1),
        name: format!("look at {}", clip.take),
        note: "here".to_owned(),
        colour: Colour::Cyan,
    };
    cut.markers = cut.clips.iter().map(marker).collect();
    cut
}

/// The edges, each with its name and the forms that must refuse it.
pub(crate) fn edges() -> Vec<(&'static str, Timeline, &'static [Format])> {
    let alone = vec![piece(0, "SC010_T01", 1, Vec::new())];
    let mut forty_eight = plain("48", start("01:00:00:00", "24"), 3, 96);
    forty_eight.start = Timecode::from_frames(Frames(172_800), FrameRate::new(48, 1).unwrap(), false).unwrap();
    for (number, clip) in (0..).zip(&mut forty_eight.clips) {
        clip.record_start = Frames(172_800 + number * 96);
        clip.stems.iter_mut().for_each(|stem| stem.time_reference.0 = (172_800 + number * 96) * 1000);
        clip.stems.iter_mut().for_each(|stem| stem.samples.0 = 96_000);
    }
    let cues_at_48 = cues(&forty_eight, 3);
    let mut past_midnight = plain("own time", start("01:00:00:00", "25"), 2, 100);
    past_midnight.clips[1].picture.start = Frames(24 * 3600 * 25 - 50);
    let late = plain("own sound", start("23:59:58:00", "24"), 4, 24);
    let first = late.start.frames();
    let take = late.clips[3].take.clone();
    let edit = Edit { take, from: Frames(2), frames: Frames(20), record_start: first };
    vec![
        ("one frame alone", assemble("alone", start("00:00:00:00", "24"), alone).unwrap(), &[]),
        ("over ten minutes at 29.97 DF", marked(plain("DF", start("00:09:58;00", "29.97"), 4, 45)), &[]),
        ("over a minute at 59.94 DF", marked(plain("DF 59.94", start("10:00:59;30", "59.94"), 4, 50)), &[]),
        ("past midnight at 24", marked(plain("midnight", start("23:59:58:00", "24"), 4, 24)), &BY_LABELS),
        ("past midnight at 29.97 DF", marked(plain("midnight DF", start("23:59:58;00", "29.97"), 4, 30)), &BY_LABELS),
        ("right up to midnight", marked(plain("right up to midnight", start("23:59:56:00", "24"), 4, 24)), &BY_LABELS),
        ("48 frames a second", marked(forty_eight).with_cues(cues_at_48), &[]),
        ("source past midnight", past_midnight, &EVENTS),
        ("sound past midnight", late.recut(&[edit]).unwrap(), &EVENTS),
        ("1200 events", plain("many", start("01:00:00:00", "24"), 400, 24), &[]),
    ]
}
