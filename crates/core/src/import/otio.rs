//! OpenTimelineIO JSON: one picture track of clips and gaps; transitions are told.
//!
//! Sources are counted from the first frame of the available range, where the media has one. The track's own range
//! trims it and says where it begins, as the adapter for edit decision lists does it (`start_time` −86400).

mod schema;

use super::draft::{Draft, LONGEST, Laid};
use super::{Clue, Place, Source, shown};
use crate::time::FrameRate;
use crate::timeline::Timeline;
use schema::{Object, Range, Time, unversioned};

/// The most objects that a document may have: 40,000 clips with two stems, and more.
const MOST_OBJECTS: usize = 2_400_000;

pub(super) fn read(text: &str, cut: &Timeline) -> Draft {
    let mut reader = Reader { draft: Draft::default(), rate: cut.start.rate(), wrong_rates: Vec::new() };
    if text.bytes().filter(|byte| *byte == b'{').count() > MOST_OBJECTS {
        let found = "more than two million objects";
        reader.fault(&Place::default(), found, "a document that fits memory", "export the cut without its media pool");
        return reader.draft;
    }
    match serde_json::from_str::<Object>(text) {
        Ok(root) => reader.timeline(&root, cut),
        Err(wrong) => {
            let place = Place { line: u32::try_from(wrong.line()).ok(), path: String::new() };
            let found = shown(&wrong.to_string());
            reader.fault(&place, &found, "a timeline in OpenTimelineIO JSON", "export it again");
        }
    }
    reader.draft
}

struct Reader {
    draft: Draft,
    rate: FrameRate,
    /// Other rates that have been told.
    wrong_rates: Vec<f64>,
}

/// A range in whole frames.
#[derive(Clone, Copy)]
struct Span {
    start: i64,
    frames: i64,
}

impl Reader {
    fn fault(&mut self, place: &Place, found: &str, allowed: &str, fix: &str) {
        self.draft.faults.push(place, found, allowed, fix);
    }

    fn timeline(&mut self, root: &Object, cut: &Timeline) {
        let whole = Place::default();
        let stack = root.tracks.as_ref().filter(|_| root.what() == "Timeline");
        let Some(stack) = stack else {
            let found = format!("a {}", shown(root.what()));
            return self.fault(&whole, &found, "a Timeline with tracks", "export the cut, and nothing around it");
        };
        self.draft.name = shown(root.name.as_deref().unwrap_or_default());
        if stack.source_range.is_some() {
            self.fault(
                &whole,
                "all tracks are trimmed together",
                "whole tracks",
                "export it without in and out points",
            );
        }
        let begin = root.global_start_time.and_then(|time| self.time(time, &place("global start")));
        let tracks = stack.children.as_deref().unwrap_or_default();
        self.draft.markers += marks(root) + marks(stack) + tracks.iter().map(marks).sum::<usize>();
        let mut picture = None;
        for (track, name) in tracks.iter().zip(names(tracks)) {
            match self.kind_of(track, &name) {
                Some(Plays::Picture) if picture.is_none() => picture = Some((track, name)),
                Some(Plays::Picture) => {
                    let fix = "lay all pictures on one track";
                    self.fault(&place(&name), "a second picture track with clips", "one picture track", fix);
                }
                Some(Plays::Sound) => self.sound(track, &name, begin, cut),
                None => (),
            }
        }
        if let Some((track, name)) = picture {
            let (counted, laid) = self.track(track, &name, begin, cut);
            self.draft.start = counted;
            self.draft.picture = laid;
        }
    }

    /// What a track is for; `None`, with a note, where nothing of it is taken over.
    fn kind_of(&mut self, track: &Object, name: &str) -> Option<Plays> {
        if track.what() != "Track" {
            let found = format!("a {} beside the tracks", shown(track.what()));
            self.fault(&place(name), &found, "tracks", "take compound clips apart");
            return None;
        }
        let clips = track.children.as_deref().unwrap_or_default();
        let plays = |item: &Object| !matches!(item.what(), "Gap" | "Transition") && item.is_enabled();
        let real = |item: &Object| plays(item) && item.media().is_none_or(|media| !is_generator(&media.schema));
        match track.kind.as_deref() {
            _ if !clips.iter().any(plays) => None,
            _ if !track.is_enabled() => {
                self.draft.note(&place(name), "a disabled track: not taken over");
                None
            }
            Some("Audio") => Some(Plays::Sound),
            Some("Video") | None if clips.iter().any(real) => Some(Plays::Picture),
            _ => {
                self.draft.note(&place(name), "a further track: not taken over");
                None
            }
        }
    }

    /// A sound track; one that cannot be followed is told and left.
    fn sound(&mut self, track: &Object, name: &str, begin: Option<i64>, cut: &Timeline) {
        let mut apart = Reader { draft: Draft::default(), rate: self.rate, wrong_rates: Vec::new() };
        let (_, laid) = apart.track(track, name, begin, cut);
        if apart.draft.faults.is_empty() {
            self.draft.sound.extend(laid);
        } else {
            self.draft.note(&place(name), "sound that could not be followed: not looked at");
        }
    }

    /// The clips of a track with their places, and from which frame those are counted.
    fn track(&mut self, track: &Object, name: &str, begin: Option<i64>, cut: &Timeline) -> (Option<i64>, Vec<Laid>) {
        let window = track.source_range.and_then(|range| self.span(range, &place(name)));
        // One that begins before the track only says where the track lies, as the adapter for lists writes it.
        let window = window.unwrap_or(Span { start: 0, frames: LONGEST });
        let window = if window.start < 0 { Span { frames: 4 * LONGEST, ..window } } else { window };
        let cut_start = i64::try_from(cut.start.frames().0).unwrap_or(0);
        let start = begin.or((window.start >= 0).then_some(cut_start));
        let mut walk = Walk { at: 0, shift: start.unwrap_or(0) - window.start, window, laid: Vec::new(), before: 0 };
        for (index, item) in track.children.iter().flatten().enumerate() {
            let path = format!("{name} · item {} {}", index + 1, shown(item.name.as_deref().unwrap_or_default()));
            self.item(item, &place(path.trim_end()), &mut walk);
            if walk.at > LONGEST {
                self.fault(&place(name), "longer than a year", "a shorter track", "export it again");
                break;
            }
        }
        (start, walk.laid)
    }

    fn item(&mut self, item: &Object, place: &Place, walk: &mut Walk) {
        self.draft.markers += marks(item);
        match item.what() {
            "Transition" => self.transition(item, place, walk),
            "Gap" => {
                let span = item.source_range.and_then(|range| self.span(range, place));
                walk.at += span.map_or(0, |span| span.frames);
                walk.before = 0;
            }
            "Clip" => self.clip(item, place, walk),
            other => {
                let found = format!("a {} within a track", shown(other));
                self.fault(
                    place,
                    &found,
                    "clips, gaps and transitions",
                    "take nested sequences and compound clips apart",
                );
                walk.at += item.source_range.and_then(|range| self.span(range, place)).map_or(0, |span| span.frames);
            }
        }
    }

    /// The cut stays where the items meet; what is shown beyond it is noted at both.
    fn transition(&mut self, item: &Object, place: &Place, walk: &mut Walk) {
        let offset =
            |reader: &mut Reader, time: Option<Time>| time.and_then(|time| reader.time(time, place)).unwrap_or(0);
        let (head, tail) = (offset(self, item.in_offset), offset(self, item.out_offset));
        if head < 0 || tail < 0 {
            return self.fault(place, "a transition of less than nothing", "offsets from 0", "export it again");
        }
        walk.before = head;
        let (at, shift) = (walk.at, walk.shift);
        if let Some(last) = walk.laid.last_mut().filter(|last| last.record + last.frames == at + shift) {
            last.after = tail;
        }
        self.draft.note(place, format!("a transition of {} frame(s) becomes a cut", head + tail));
    }

    fn clip(&mut self, item: &Object, place: &Place, walk: &mut Walk) {
        let media = item.media();
        let available = media.and_then(|media| media.available_range).filter(|range| self.has_rate(range.start_time));
        let available = available.and_then(|range| self.span(range, place));
        let used = item.source_range.and_then(|range| self.span(range, place)).or(available);
        let before = std::mem::take(&mut walk.before);
        let Some(used) = used else {
            if item.source_range.is_none() {
                self.fault(place, "no length", "a clip with a source_range", "export it again");
            }
            return;
        };
        let at = walk.at;
        walk.at += used.frames;
        if !item.is_enabled() {
            return self.draft.note(place, "a disabled clip: not taken over");
        }
        self.effects(item, place);
        let (first, last) = (at.max(walk.window.start), walk.at.min(walk.window.start + walk.window.frames));
        if first >= last {
            return;
        }
        let begin = used.start + first - at;
        let source = available.map_or(Source::Timecode(begin), |whole| Source::Media(begin - whole.start));
        walk.laid.push(Laid {
            clue: clue(item),
            place: place.clone(),
            source,
            record: first + walk.shift,
            frames: last - first,
            before,
            after: 0,
        });
    }

    fn effects(&mut self, item: &Object, place: &Place) {
        for effect in item.effects.iter().flatten() {
            match unversioned(&effect.schema) {
                "LinearTimeWarp" if effect.time_scalar == Some(1.0) => (),
                "LinearTimeWarp" | "FreezeFrame" | "TimeEffect" => {
                    let found = format!("a retime ({})", shown(unversioned(&effect.schema)));
                    self.fault(place, &found, "clips at their own speed", "render the retime, or take it off");
                }
                other => {
                    let named = [&effect.effect_name, &effect.name].into_iter().flatten().find(|name| !name.is_empty());
                    self.draft.effect(named.map_or(other, String::as_str));
                }
            }
        }
    }

    fn span(&mut self, range: Range, place: &Place) -> Option<Span> {
        let (start, frames) = (self.time(range.start_time, place)?, self.time(range.duration, place)?);
        if frames < 0 {
            self.fault(place, "a length below nothing", "a length from 0", "export it again");
            return None;
        }
        Some(Span { start, frames })
    }

    /// Whether a time counts at the cut's rate; what is available of somebody else's file may count at its own.
    fn has_rate(&self, time: Time) -> bool {
        let rate = f64::from(self.rate.num()) / f64::from(self.rate.den());
        // 23.976 and 23.98 are ways to write 24000/1001; the nearest other rate is 0.02 away.
        (time.rate - rate).abs() < 0.005
    }

    /// A time in whole frames of the cut's rate.
    fn time(&mut self, time: Time, place: &Place) -> Option<i64> {
        if !self.has_rate(time) {
            if !self.wrong_rates.iter().any(|known| known.to_bits() == time.rate.to_bits())
                && self.wrong_rates.len() < 16
            {
                self.wrong_rates.push(time.rate);
                let (found, allowed) =
                    (format!("{} frames a second", time.rate), format!("{}, the cut's rate", self.rate));
                let fix = "export the sequence at the cut's rate; nothing is converted";
                self.fault(place, &found, &allowed, fix);
            } else if self.draft.faults.is_empty() {
                self.fault(place, "further frame rates", "the cut's rate", "export the sequence at the cut's rate");
            }
            return None;
        }
        let frame = whole(time.value);
        if frame.is_none() {
            self.fault(
                place,
                &format!("frame {}", time.value),
                "whole frames",
                "snap the edit to frames and export again",
            );
        }
        frame
    }
}

/// The way along a track.
struct Walk {
    at: i64,
    /// From the track's frames to those since midnight.
    shift: i64,
    window: Span,
    laid: Vec<Laid>,
    /// What the transition before shows of the next clip.
    before: i64,
}

/// What a track is for.
enum Plays {
    Picture,
    Sound,
}

fn place(path: &str) -> Place {
    Place { line: None, path: path.to_owned() }
}

/// What the tracks are called, each otherwise.
fn names(tracks: &[Object]) -> impl Iterator<Item = String> {
    (1..).zip(tracks).map(|(number, track)| {
        format!("track {number} {}", shown(track.name.as_deref().unwrap_or_default())).trim_end().to_owned()
    })
}

fn marks(object: &Object) -> usize {
    object.markers.as_ref().map_or(0, Vec::len)
}

fn is_generator(schema: &str) -> bool {
    unversioned(schema) == "GeneratorReference"
}

/// A number that is a whole one but for what arithmetic in floats leaves.
fn whole(value: f64) -> Option<i64> {
    let nearest = value.round();
    let fits = (value - nearest).abs() < 0.001 && nearest.abs() <= LONGEST as f64;
    fits.then_some(nearest as i64)
}

fn clue(item: &Object) -> Clue {
    let metadata = item.metadata.0.as_deref();
    let ours = metadata.and_then(|metadata| metadata.seedpost.0.as_ref());
    let told = ours.and_then(|ours| {
        let take = format!("{}_T{:02}", ours.shot.0.as_ref()?, ours.take.0?);
        Some(ours.role.0.as_ref().map_or(take.clone(), |role| format!("{take}_{role}")))
    });
    let media = item.media();
    let file = media.and_then(|media| media.target_url.as_deref()).map(super::clue::file_name);
    let names = [told, item.name.clone(), file, media.and_then(|media| media.name.clone())];
    let cmx = metadata.and_then(|metadata| metadata.cmx_3600.0.as_ref());
    Clue { names: names.into_iter().flatten().collect(), reel: cmx.and_then(|cmx| cmx.reel.0.clone()) }
}
