//! The one edit that every export reads: shots in a row on one picture track, each with its stems.
//!
//! Deliberately absent: transitions, gaps, speed changes and more than one picture track.

use std::collections::BTreeSet;

use crate::cue::Cue;
use crate::lane::Lane;
use crate::shot::TakeId;
use crate::time::{Frames, Rounding, SampleRate, Samples, TimeRange, Timecode};

/// A cut.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    /// Its title.
    pub title: String,
    /// The record timecode of its first frame; carries the rate.
    pub start: Timecode,
    /// The clips, each beginning where the one before it ends.
    pub clips: Vec<Clip>,
    /// Places that people should look at. One outside all clips is carried where a format can.
    pub markers: Vec<Marker>,
    /// What has to be spoken anew, in the cut's order.
    pub cues: Vec<Cue>,
}

impl Timeline {
    /// The same cut with cues, each of which is a marker too: red for priority 1, yellow for 2, green for 3.
    #[must_use]
    pub fn with_cues(mut self, cues: Vec<Cue>) -> Timeline {
        self.markers.extend(cues.iter().map(Marker::of_cue));
        self.markers.sort_by_key(|marker| marker.frame);
        self.cues.extend(cues);
        self
    }

    /// The label of a frame since midnight, in the cut's counting.
    #[must_use]
    pub fn label(&self, frame: Frames) -> String {
        let label = Timecode::from_frames(frame, self.start.rate(), self.start.is_drop());
        label.map_or_else(String::new, |label| label.to_string())
    }
}

/// A place in a cut with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// The frame since midnight at which it begins.
    pub frame: Frames,
    /// How long it is; at least 1.
    pub length: Frames,
    /// What it is called, such as `ADR MA101`.
    pub name: String,
    /// What there is to say about it.
    pub note: String,
    /// What it looks like.
    pub colour: Colour,
}

impl Marker {
    fn of_cue(cue: &Cue) -> Marker {
        let line = cue.line.as_deref().map(|line| format!(": {line}")).unwrap_or_default();
        Marker {
            frame: cue.record.start,
            length: Frames(cue.record.end.0.saturating_sub(cue.record.start.0).max(1)),
            name: format!("ADR {}", cue.number),
            note: format!("{}{line} ({}; {})", cue.speaker(), cue.reason.as_str(), cue.note()),
            colour: match cue.priority {
                1 => Colour::Red,
                2 => Colour::Yellow,
                _ => Colour::Green,
            },
        }
    }
}

/// A marker's colour: those that every form knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Red.
    Red,
    /// Yellow.
    Yellow,
    /// Green.
    Green,
}

impl Colour {
    /// The word in capitals, which edit decision lists and OpenTimelineIO share.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Colour::Red => "RED",
            Colour::Yellow => "YELLOW",
            Colour::Green => "GREEN",
        }
    }
}

/// One shot in a cut.
#[derive(Debug, Clone, PartialEq)]
pub struct Clip {
    /// The take, which names the clip.
    pub take: TakeId,
    /// A name of at most eight characters `A–Z 0–9`, once in the cut.
    pub reel: String,
    /// What became of the baked sound.
    pub lane: Lane,
    /// How many frames there are: all are used, from frame 0, so there are no handles.
    pub frames: Frames,
    /// The frame since midnight at which the clip begins in the cut.
    pub record_start: Frames,
    /// The picture's file, relative to the package.
    pub picture: String,
    /// The stems, relative to the package.
    pub stems: Vec<Stem>,
    /// What the model was told.
    pub prompt: String,
}

/// A stem: 48 kHz, 24 bit, exactly as long as its picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Stem {
    /// What it holds.
    pub role: Role,
    /// Its file, relative to the package.
    pub file: String,
    /// The number of channels: 1 or 2.
    pub channels: u16,
    /// Its length per channel.
    pub samples: Samples,
    /// Samples since midnight at its first sample, as in its `bext` chunk.
    pub time_reference: Samples,
}

/// What a stem holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The clip's own sound, delivered.
    Mix,
    /// The clip's own sound, to work against and not to deliver.
    Guide,
    /// The dialogue of the clip's own sound, estimated.
    Dialogue,
    /// What the dialogue leaves of it: music and effects, estimated as well.
    MusicEffects,
    /// The supplied sounds, laid phrase by phrase where the clip was heard to speak them.
    Laid,
    /// A supplied sound where it was asked for, by its number from 1.
    Reference(u32),
}

impl Role {
    /// Reads the code that [`Role`] is written as.
    #[must_use]
    pub fn parse(code: &str) -> Option<Role> {
        Some(match code {
            "MIX" => Role::Mix,
            "GUIDE" => Role::Guide,
            "DX" => Role::Dialogue,
            "ME" => Role::MusicEffects,
            "REF" => Role::Laid,
            other => {
                let role = Role::Reference(other.strip_prefix("REF")?.parse().ok()?);
                return Some(role).filter(|role| role.to_string() == other && *role != Role::Reference(0));
            }
        })
    }

    /// The clip's own sound as a whole.
    #[must_use]
    pub fn is_whole(self) -> bool {
        matches!(self, Role::Mix | Role::Guide)
    }

    /// Whether a model guessed what belongs to it.
    #[must_use]
    pub fn is_estimated(self) -> bool {
        matches!(self, Role::Dialogue | Role::MusicEffects)
    }

    /// The code as file names have it: what was estimated says so.
    #[must_use]
    pub fn file_code(self) -> String {
        if self.is_estimated() { format!("{self}_estimated") } else { self.to_string() }
    }

    /// What its left and right tracks are for, in the words of iXML.
    #[must_use]
    pub fn functions(self) -> [&'static str; 2] {
        if self.is_whole() { ["L-MIX", "R-MIX"] } else { ["LEFT", "RIGHT"] }
    }
}

impl std::fmt::Display for Role {
    /// `MIX`, `GUIDE`, `DX`, `ME`, `REF`, `REF1`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Role::Mix => f.write_str("MIX"),
            Role::Guide => f.write_str("GUIDE"),
            Role::Dialogue => f.write_str("DX"),
            Role::MusicEffects => f.write_str("ME"),
            Role::Laid => f.write_str("REF"),
            Role::Reference(number) => write!(f, "REF{number}"),
        }
    }
}

/// What one shot brings to a cut, before it has a place there.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// The take.
    pub take: TakeId,
    /// What became of the baked sound.
    pub lane: Lane,
    /// How many frames there are.
    pub frames: Frames,
    /// The picture's file, relative to the package.
    pub picture: String,
    /// Role, file and channels of each stem.
    pub stems: Vec<(Role, String, u16)>,
    /// What the model was told.
    pub prompt: String,
}

/// Lays pieces end to end, without cues and markers. `None` when a length overflows, which no real cut does.
#[must_use]
pub fn assemble(title: &str, start: Timecode, pieces: Vec<Piece>) -> Option<Timeline> {
    let mut reels = BTreeSet::new();
    let mut record = start.frames();
    let mut clips = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let time_reference = record_samples(record, start)?;
        let samples = record_samples(Frames(record.0.checked_add(piece.frames.0)?), start)?;
        let samples = Samples(samples.0 - time_reference.0);
        let stem = |(role, file, channels)| Stem { role, file, channels, samples, time_reference };
        let clip = Clip {
            reel: unique_reel(&piece.take, &mut reels),
            take: piece.take,
            lane: piece.lane,
            frames: piece.frames,
            record_start: record,
            picture: piece.picture,
            stems: piece.stems.into_iter().map(stem).collect(),
            prompt: piece.prompt,
        };
        record = Frames(record.0 + piece.frames.0);
        clips.push(clip);
    }
    Some(Timeline { title: title.to_owned(), start, clips, markers: Vec::new(), cues: Vec::new() })
}

/// The 48 kHz sample since midnight at which a record frame begins, to the nearest.
#[must_use]
pub fn record_samples(frame: Frames, start: Timecode) -> Option<Samples> {
    start.rate().samples(frame, SampleRate::HZ_48000, Rounding::Nearest)
}

impl Timeline {
    /// The roles of all stems, each once.
    #[must_use]
    pub fn roles(&self) -> BTreeSet<Role> {
        self.clips.iter().flat_map(|clip| clip.stems.iter().map(|stem| stem.role)).collect()
    }

    /// Where each clip lies in a reel, in samples at 48 kHz from the reel's first. Ends are the next clip's beginnings:
    /// each is rounded from its own frame, so nothing adds up.
    #[must_use]
    pub fn places(&self) -> Option<Vec<TimeRange<Samples>>> {
        let sample = |frame: Frames| record_samples(frame, self.start);
        let first = sample(self.start.frames())?;
        let place = |clip: &Clip| {
            let end = Frames(clip.record_start.0.checked_add(clip.frames.0)?);
            let (start, end) = (sample(clip.record_start)?, sample(end)?);
            Some(TimeRange { start: Samples(start.0 - first.0), end: Samples(end.0 - first.0) })
        };
        self.clips.iter().map(place).collect()
    }
}

/// The last eight letters and digits of the take's name where nobody has them yet, else a number.
fn unique_reel(take: &TakeId, taken: &mut BTreeSet<String>) -> String {
    let name: Vec<char> = take.shot.as_str().to_ascii_uppercase().chars().filter(char::is_ascii_alphanumeric).collect();
    let short: String = name[name.len().saturating_sub(8)..].iter().collect();
    let numbered = (1..).map(|number: u32| format!("SP{number:06}"));
    let reel = std::iter::once(short).chain(numbered).find(|reel| !taken.contains(reel));
    let reel = reel.expect("a million and one names are not all taken");
    taken.insert(reel.clone());
    reel
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::FrameRate;

    fn piece(take: &str, frames: u64) -> Piece {
        let take: TakeId = take.parse().expect("a take");
        let stems = vec![(Role::Guide, format!("audio/{take}_GUIDE.wav"), 2)];
        let picture = format!("picture/{take}.mp4");
        Piece { take, lane: Lane::Strip, frames: Frames(frames), picture, stems, prompt: String::new() }
    }

    fn cut(pieces: Vec<Piece>) -> Timeline {
        let start = Timecode::parse("01:00:00:00", FrameRate::FPS_24).expect("a timecode");
        assemble("Cut", start, pieces).expect("a short cut")
    }

    #[test]
    fn clips_lie_end_to_end_and_stems_begin_with_them() {
        let timeline = cut(vec![piece("A_T01", 96), piece("B_T01", 121), piece("C_T02", 360)]);
        let starts: Vec<u64> = timeline.clips.iter().map(|clip| clip.record_start.0).collect();
        assert_eq!(starts, [86_400, 86_496, 86_617]);
        let stem = &timeline.clips[2].stems[0];
        assert_eq!((stem.time_reference.0, stem.samples.0), (86_617 * 2000, 720_000));
    }

    proptest::proptest! {
        #[test]
        fn a_thousand_shots_end_on_the_sample_of_their_frame(
            lengths in proptest::collection::vec(1_u64..500, 1000),
            rate in proptest::sample::select(vec!["24", "25", "30", "24000/1001", "30000/1001", "60000/1001"]),
        ) {
            let rate: FrameRate = rate.parse().expect("a rate");
            let start = Timecode::parse("01:00:00:00", rate).expect("a timecode");
            let pieces = lengths.iter().enumerate().map(|(index, frames)| piece(&format!("S{index}_T01"), *frames));
            let timeline = assemble("Cut", start, pieces.collect()).expect("a short cut");
            let places = timeline.places().expect("a short cut");
            proptest::prop_assert!(places.windows(2).all(|pair| pair[0].end == pair[1].start));
            // The reel's length by fractions: frames × 48000 × den / num, counted from midnight at both ends.
            let sample = |frames: u64| {
                let (num, den) = (u128::from(rate.num()), u128::from(rate.den()));
                (2 * u128::from(frames) * 48_000 * den + num) / (2 * num)
            };
            let first = start.frames().0;
            let total = sample(first + lengths.iter().sum::<u64>()) - sample(first);
            proptest::prop_assert_eq!(u128::from(places[999].end.0), total);
        }
    }

    #[test]
    fn a_role_is_read_as_it_is_written() {
        for role in [Role::Mix, Role::Guide, Role::Dialogue, Role::MusicEffects, Role::Laid, Role::Reference(12)] {
            assert_eq!(Role::parse(&role.to_string()), Some(role));
        }
        assert!(["REFX", "REF0", "REF01", "REF+1"].into_iter().all(|code| Role::parse(code).is_none()));
    }

    #[test]
    fn reels_are_short_and_never_shared() {
        let names = ["SC010_SH010_T01", "XSC010_SH010_T01", "sc010-sh010_T01", "A_T01"];
        let timeline = cut(names.iter().map(|name| piece(name, 96)).collect());
        let reels: BTreeSet<&str> = timeline.clips.iter().map(|clip| clip.reel.as_str()).collect();
        assert_eq!(reels.len(), names.len(), "{reels:?}");
        let allowed = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
        assert!(reels.iter().all(|reel| reel.len() <= 8 && reel.chars().all(allowed)), "{reels:?}");
    }
}
