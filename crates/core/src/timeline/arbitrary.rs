//! Any cut that seedpost can make, for property tests.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{Clip, Colour, Marker, Picture, Provenance, Role, Stem, Timeline, record_samples};
use crate::lane::Lane;
use crate::time::{FrameRate, Frames, Samples, Timecode};

/// Texts that break formats: quotes, tabs, line breaks, control characters, other scripts, and long ones.
pub(crate) fn hostile() -> impl Strategy<Value = String> {
    let known = [
        "",
        "a b",
        "\"'`",
        "a\tb",
        "a\nb\r\nc",
        "<a & b>",
        "]]>",
        "\0\u{1}\u{1f}",
        "\u{fffe}\u{feff}",
        "😀é中",
        "\u{202e}abc",
        "* FROM CLIP NAME: X",
        "%41%2f",
        "001  X V C 0:0 0:0 0:0 0:0",
        "a/b\\c",
        ".",
        "|",
        ",;:",
        "=1+1",
    ];
    prop_oneof![
        "[a-zA-Z0-9_ -]{1,20}",
        select(known.to_vec()).prop_map(str::to_owned),
        ".{0,30}",
        Just("long ".repeat(60)),
    ]
}

/// A rate, and whether its labels are drop-frame.
fn counting() -> impl Strategy<Value = (FrameRate, bool)> {
    let rates: Vec<FrameRate> = FrameRate::usual().collect();
    (select(rates), any::<bool>()).prop_map(|(rate, drop)| (rate, drop && rate.dropped_labels().is_some()))
}

/// A timecode at which a cut may start.
fn start() -> impl Strategy<Value = Timecode> {
    let hours = prop_oneof![Just(0_u64), Just(3600), Just(3590), Just(36_000), 0_u64..80_000];
    (counting(), hours, any::<bool>()).prop_map(|((rate, drop), seconds, at_zero)| {
        let frame = if at_zero { 0 } else { seconds * u64::from(rate.nominal()) };
        Timecode::from_frames(Frames(frame), rate, drop).expect("drop only where it exists")
    })
}

/// A take as a clip of its whole length, before it has a place.
#[derive(Debug, Clone)]
struct Whole {
    name: String,
    frames: u64,
    lane: Lane,
    folder: String,
    file: String,
    stems: Vec<(Role, u16)>,
    prompt: String,
    seed: Option<u32>,
}

fn whole() -> impl Strategy<Value = Whole> {
    let roles = [Role::Mix, Role::Guide, Role::Dialogue, Role::MusicEffects, Role::Laid, Role::Reference(2)];
    let stems = proptest::collection::btree_map(select(roles.to_vec()), 1_u16..=2, 0..4);
    let names = ("[A-Z0-9]{1,5}(_[A-Za-z0-9.]{0,4}[A-Z0-9])?(_T[0-9]{2})?", 1_u32..=99);
    let names = names.prop_map(|(shot, take)| format!("{shot}_T{take:02}"));
    let names = names.prop_filter("a take's name", |name| name.parse::<super::TakeId>().is_ok());
    let lane = select(vec![Lane::Keep, Lane::Strip]);
    let folder = select(vec!["", "picture/", "/abs/a b/"]).prop_map(str::to_owned);
    (names, 1_u64..400, lane, folder, hostile(), stems, hostile(), any::<Option<u32>>()).prop_map(
        |(name, frames, lane, folder, file, stems, prompt, seed)| {
            let mut stems: Vec<(Role, u16)> = stems.into_iter().collect();
            // Guide and mix are the same sound.
            if stems.iter().any(|(role, _)| *role == Role::Mix) {
                stems.retain(|(role, _)| *role != Role::Guide);
            }
            Whole { name, frames, lane, folder, file, stems, prompt, seed }
        },
    )
}

impl Whole {
    fn clip(&self, number: u64, stamped: bool, start: Timecode) -> Clip {
        // Minutes that drop-frame counting begins with 00.
        let separator = if start.is_drop() { ';' } else { ':' };
        let own = label_frame(&format!("01:{:02}:00{separator}00", number % 6 * 10), start.rate());
        let first = Frames(start.frames().0 + number * 7);
        let time_reference = record_samples(first, start).expect("a day of samples");
        let end = record_samples(Frames(first.0 + self.frames), start).expect("a day of samples");
        let file = |kind: &str| format!("{}{}{kind}", self.folder, self.file.replace('/', "_"));
        let stem = |(role, channels): &(Role, u16)| Stem {
            role: *role,
            file: file(&format!("_{role}.wav")),
            channels: *channels,
            samples: Samples(end.0 - time_reference.0),
            time_reference,
            sides: Vec::new(),
        };
        Clip {
            take: self.name.parse().expect("a take's name"),
            reel: format!("SP{number:06}"),
            lane: self.lane,
            from: Frames(0),
            frames: Frames(self.frames),
            record_start: start.frames(),
            picture: Picture {
                file: file(".mov"),
                frames: Frames(self.frames),
                start: Frames(if stamped { own } else { 0 }),
                width: 1280,
                height: 720,
                channels: 2,
            },
            stems: self.stems.iter().map(stem).collect(),
            provenance: Provenance { prompt: self.prompt.clone(), seed: self.seed, ..Provenance::default() },
        }
    }
}

fn label_frame(label: &str, rate: FrameRate) -> u64 {
    Timecode::parse(label, rate).expect("a label of any rate").frames().0
}

/// Which take, which part of it, and the gap before it.
type Use = (Index, Index, Index, u64);

fn uses() -> impl Strategy<Value = Vec<Use>> {
    let gap = prop_oneof![3 => Just(0_u64), 1 => 1_u64..100];
    proptest::collection::vec((any::<Index>(), any::<Index>(), any::<Index>(), gap), 1..12)
}

fn markers() -> impl Strategy<Value = Vec<(u64, u64, String, String, Colour)>> {
    proptest::collection::vec((0_u64..3000, 1_u64..50, hostile(), hostile(), select(Colour::ALL.to_vec())), 0..4)
}

/// A cut of 1 to 11 clips, and its takes, whole and end to end.
pub(crate) fn cut() -> impl Strategy<Value = (Timeline, Timeline)> {
    recut().prop_map(|(cut, _, base)| (cut, base))
}

/// Two cuts of the same takes, and those, whole and end to end.
pub(crate) fn recut() -> impl Strategy<Value = (Timeline, Timeline, Timeline)> {
    let wholes = proptest::collection::vec(whole(), 1..6);
    (hostile(), start(), wholes, uses(), uses(), markers(), any::<bool>()).prop_map(
        |(title, start, mut wholes, before, after, markers, stamped)| {
            let mut seen = std::collections::BTreeSet::new();
            wholes.retain(|whole| seen.insert(whole.name.to_ascii_uppercase()));
            let takes: Vec<Clip> = (0..).zip(&wholes).map(|(n, whole)| whole.clip(n, stamped, start)).collect();
            let base = end_to_end(&title, start, &takes);
            let mut cut = laid(&base, before);
            let marker = |(at, length, name, note, colour)| {
                let frame = Frames(start.frames().0 + at);
                Marker { frame, length: Frames(length), name, note, colour }
            };
            cut.markers = markers.into_iter().map(marker).collect();
            (cut, laid(&base, after), base)
        },
    )
}

/// Parts of takes with gaps between.
fn laid(base: &Timeline, uses: Vec<Use>) -> Timeline {
    let mut cut = Timeline { clips: Vec::new(), ..base.clone() };
    let mut free = base.start.frames().0;
    let short = |frames: u64| usize::try_from(frames).expect("a few hundred frames");
    for (take, first, length, gap) in uses {
        let clip = take.get(&base.clips);
        let there = clip.picture.frames.0;
        let from = first.index(short(there)) as u64;
        let frames = 1 + length.index(short(there - from)) as u64;
        let record_start = Frames(free + gap);
        cut.clips.push(Clip { from: Frames(from), frames: Frames(frames), record_start, ..clip.clone() });
        free = record_start.0 + frames;
    }
    cut
}

/// Whole takes, one after the other.
pub(crate) fn end_to_end(title: &str, start: Timecode, takes: &[Clip]) -> Timeline {
    let mut free = start.frames().0;
    let mut place = |clip: &Clip| {
        let record_start = Frames(free);
        free += clip.picture.frames.0;
        Clip { from: Frames(0), frames: clip.picture.frames, record_start, ..clip.clone() }
    };
    let clips = takes.iter().map(&mut place).collect();
    Timeline { title: title.to_owned(), start, clips, markers: Vec::new(), cues: Vec::new() }
}
