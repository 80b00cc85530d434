//! Final Cut Pro 7 XML: one sequence with one picture track.
//!
//! A clip's `in` counts from its file's first frame. Where a clip meets a transition, its `start` or `end` is −1: it
//! then begins or ends where the transition's alignment says, and its `in` is what the transition's first frame shows.

mod tree;

use std::collections::HashMap;

use super::draft::{Draft, LONGEST, Laid};
use super::{Clue, Place, Source, shown};
use crate::time::{FrameRate, Timecode};
use crate::timeline::Timeline;
use tree::{Described, Found, Node, Track, is_false};

/// Premiere's ticks in a second, which every frame rate divides.
const TICKS: u128 = 254_016_000_000;

pub(super) fn read(text: &str, cut: &Timeline) -> Draft {
    let mut draft = Draft::default();
    if text.contains("<fcpxml") {
        let fix = "export the sequence as Final Cut Pro 7 XML, which is another form";
        draft.faults.push(&Place::default(), "FCPXML", "Final Cut Pro 7 XML (xmeml)", fix);
        return draft;
    }
    let document = match tree::read(text) {
        Ok(document) => document,
        Err(broken) => {
            let place = Place { line: Some(broken.line), path: String::new() };
            draft.faults.push(&place, broken.found, "Final Cut Pro 7 XML (xmeml)", "export it again");
            return draft;
        }
    };
    match document.sequences.as_slice() {
        [sequence] => {
            let mut reader = Reader { draft, rate: cut.start.rate(), files: &document.files, wrong_rates: Vec::new() };
            reader.sequence(sequence, cut);
            reader.draft
        }
        others => {
            let found = format!("{} sequences", others.len());
            draft.faults.push(&Place::default(), found, "one sequence", "export the cut, and nothing around it");
            draft
        }
    }
}

struct Reader<'a> {
    draft: Draft,
    rate: FrameRate,
    files: &'a HashMap<String, Described>,
    /// Other rates that have been told.
    wrong_rates: Vec<String>,
}

/// A transition's ends, and where it cuts.
#[derive(Clone, Copy)]
struct Transition {
    start: i64,
    end: i64,
    cut: i64,
}

impl Reader<'_> {
    fn sequence(&mut self, sequence: &Found, cut: &Timeline) {
        let place = Place { line: Some(sequence.line), path: "sequence".to_owned() };
        self.draft.name = shown(sequence.head.text_of("name").unwrap_or_default());
        self.draft.markers = sequence.markers;
        let rate = sequence.head.child("rate");
        match rate {
            Some(rate) => self.rate(rate, &place),
            None => self.draft.faults.push(&place, "no rate", "the cut's rate", "export it again"),
        }
        self.draft.start = Some(start(&sequence.head, cut));
        let mut picture = None;
        for (number, track) in (1..).zip(&sequence.tracks) {
            let place = Place { line: Some(track.line), path: format!("track {number}") };
            let real = track.items.iter().any(|item| item.name == "clipitem" && is_enabled(item));
            if track.items.is_empty() {
                continue;
            }
            if track.is_disabled {
                self.draft.note(&place, "a disabled track: not taken over");
            } else if track.is_sound {
                self.sound(track);
            } else if !real {
                self.draft.note(&place, "a track without clips of files: not taken over");
            } else if picture.is_some() {
                let fix = "lay all pictures on one track";
                self.draft.faults.push(&place, "a second picture track with clips", "one picture track", fix);
            } else {
                picture = Some(track);
            }
        }
        if let Some(track) = picture {
            self.draft.picture = self.track(track, true);
        }
    }

    /// What is wrong with sound is no fault; it only cannot be followed.
    fn sound(&mut self, track: &Track) {
        let draft = Draft { start: self.draft.start, ..Draft::default() };
        let mut apart = Reader { draft, rate: self.rate, files: self.files, wrong_rates: Vec::new() };
        let laid = apart.track(track, false);
        if apart.draft.faults.is_empty() {
            self.draft.sound.extend(laid);
        } else {
            let place = Place { line: Some(track.line), path: String::new() };
            self.draft.note(&place, "sound that could not be followed: not looked at");
        }
    }

    fn track(&mut self, track: &Track, is_picture: bool) -> Vec<Laid> {
        let mut laid = Vec::with_capacity(track.items.len());
        for (index, item) in track.items.iter().enumerate() {
            let place = Place { line: Some(item.line), path: shown(item.text_of("name").unwrap_or_default()) };
            if item.name == "transitionitem" {
                if is_picture {
                    self.draft.note(&place, "a transition becomes a cut");
                }
                continue;
            }
            let beside = |index: Option<usize>| {
                index.and_then(|index| track.items.get(index)).filter(|item| item.name == "transitionitem")
            };
            let before = beside(index.checked_sub(1)).and_then(|item| self.transition(item));
            let after = beside(Some(index + 1)).and_then(|item| self.transition(item));
            if !is_enabled(item) {
                self.draft.note(&place, "a disabled clip: not taken over");
                continue;
            }
            laid.extend(self.item(item, &place, before, after));
        }
        laid
    }

    fn transition(&mut self, item: &Node) -> Option<Transition> {
        let place = Place { line: Some(item.line), path: "transition".to_owned() };
        let (start, end) = (self.number(item, "start", &place)?, self.number(item, "end", &place)?);
        let cut = match item.text_of("alignment") {
            Some("end" | "end-black") => end,
            Some("start" | "start-black") => start,
            _ => self.told_cut(item).map_or((start + end).div_euclid(2), |frames| (start + frames).min(end)),
        };
        Some(Transition { start, end, cut }).filter(|found| found.start <= found.end)
    }

    /// How many frames after a transition's start Premiere says that the cut is: in ticks, where they are whole frames.
    fn told_cut(&self, item: &Node) -> Option<i64> {
        let ticks: u64 = item.text_of("cutPointTicks")?.parse().ok()?;
        let (num, den) = (u128::from(self.rate.num()), u128::from(self.rate.den()) * TICKS);
        let frames = u128::from(ticks) * num;
        i64::try_from(frames / den).ok().filter(|whole| frames % den == 0 && *whole <= LONGEST)
    }

    fn item(
        &mut self,
        item: &Node,
        place: &Place,
        before: Option<Transition>,
        after: Option<Transition>,
    ) -> Option<Laid> {
        self.refuse(item, place);
        let edge = |reader: &mut Self, name: &str, beside: Option<Transition>| match reader.number(item, name, place)? {
            -1 if beside.is_none() => {
                reader.draft.faults.push(
                    place,
                    format!("{name} −1 beside no transition"),
                    "a frame",
                    "export it again",
                );
                None
            }
            -1 => beside.map(|beside| (beside.cut, true)),
            frame => Some((frame, false)),
        };
        let (start, cut_in) = edge(self, "start", before)?;
        let (end, cut_out) = edge(self, "end", after)?;
        let first = self.number(item, "in", place)?;
        let shown_before = before.filter(|_| cut_in).map_or(0, |before| before.cut - before.start);
        let shown_after = after.filter(|_| cut_out).map_or(0, |after| after.end - after.cut);
        let frames = end - start;
        if frames < 1 || start < 0 {
            let found = format!("from {start} to {end}");
            self.draft.faults.push(place, found, "a frame or more, from 0 on", "export it again");
            return None;
        }
        let used = self.number(item, "out", place)? - first;
        if used != frames + shown_before + shown_after {
            self.draft
                .note(place, format!("its in and out are {used} frame(s) apart, its place has {frames}: place taken"));
        }
        Some(Laid {
            clue: self.clue(item),
            place: place.clone(),
            source: Source::Media(first + shown_before),
            record: start + self.draft.start.unwrap_or(0),
            frames,
            before: shown_before,
            after: shown_after,
        })
    }

    /// What a cut cannot hold.
    fn refuse(&mut self, item: &Node, place: &Place) {
        if let Some(rate) = item.child("rate") {
            self.rate(rate, place);
        }
        let mut refuse = |found: &str, allowed: &str, fix: &str| self.draft.faults.push(place, found, allowed, fix);
        if item.child("sequence").is_some() || item.child("multiclip").is_some() {
            refuse("a sequence within the sequence", "clips of files", "take nested sequences and multiclips apart");
        }
        if item.text_of("stillframe").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
            refuse("a freeze frame", "clips at their own speed", "render the freeze, or take it off");
        }
        let offset = item.child("subclipinfo").and_then(|info| info.text_of("startoffset"));
        if offset.is_some_and(|offset| offset != "0") {
            refuse("a subclip", "clips of whole files", "match the clip to its whole file");
        }
        let effects =
            item.children.iter().filter(|child| child.name == "filter").filter_map(|filter| filter.child("effect"));
        for effect in effects {
            match effect.text_of("effectid") {
                Some("timeremap") if is_own_speed(effect) => (),
                Some("timeremap") => self.draft.faults.push(
                    place,
                    "a retime",
                    "clips at their own speed",
                    "render the retime, or take it off",
                ),
                id => self.draft.effect(effect.text_of("name").or(id).unwrap_or("without a name")),
            }
        }
    }

    fn rate(&mut self, rate: &Node, place: &Place) {
        let ntsc = rate.text_of("ntsc").is_some_and(|text| text.eq_ignore_ascii_case("true"));
        let timebase = rate.text_of("timebase").and_then(|text| text.parse::<u32>().ok());
        let timebase = timebase.filter(|timebase| *timebase <= 1000);
        let found =
            timebase.and_then(|base| if ntsc { FrameRate::new(base * 1000, 1001) } else { FrameRate::new(base, 1) });
        if found != Some(self.rate) {
            let written = rate.text_of("timebase").map_or("no number".to_owned(), shown);
            let found = found.map_or(written, |rate| rate.to_string());
            if self.wrong_rates.contains(&found) || self.wrong_rates.len() > 16 {
                return;
            }
            self.wrong_rates.push(found.clone());
            let allowed = format!("{}, the cut's rate", self.rate);
            let fix = "export the sequence at the cut's rate; nothing is converted";
            self.draft.faults.push(place, format!("{found} frames a second"), &allowed, fix);
        }
    }

    /// A whole number of frames within an element.
    fn number(&mut self, item: &Node, name: &str, place: &Place) -> Option<i64> {
        let text = item.text_of(name).unwrap_or_default();
        let number = whole(text);
        if number.is_none() {
            let found = format!("{name} {:?}", shown(text));
            self.draft.faults.push(place, found, "whole frames", "snap the edit to frames and export again");
        }
        number
    }

    fn clue(&self, item: &Node) -> Clue {
        let file = item.child("file").and_then(|file| self.files.get(file.id.as_ref()?));
        let path = file.and_then(|file| file.path.as_deref()).map(super::clue::file_name);
        let names = [item.text_of("name").map(str::to_owned), file.and_then(|file| file.name.clone()), path];
        Clue { names: names.into_iter().flatten().collect(), reel: file.and_then(|file| file.reel.clone()) }
    }
}

fn whole(text: &str) -> Option<i64> {
    let (digits, decimals) = text.split_once('.').unwrap_or((text, ""));
    let number = digits.parse().ok().filter(|number: &i64| (-LONGEST..=LONGEST).contains(number));
    number.filter(|_| decimals.bytes().all(|byte| byte == b'0'))
}

fn is_enabled(item: &Node) -> bool {
    !item.text_of("enabled").is_some_and(is_false)
}

/// Whether a speed effect changes nothing, as Premiere writes it for clips at their own speed.
fn is_own_speed(effect: &Node) -> bool {
    effect.children.iter().filter(|child| child.name == "parameter").all(|parameter| {
        let value = parameter.text_of("value").unwrap_or_default();
        match parameter.text_of("parameterid") {
            Some("speed") => whole(value) == Some(100),
            Some("reverse") => is_false(value),
            Some("variablespeed") => value == "0" || is_false(value),
            _ => true,
        }
    })
}

/// The sequence's first frame: the cut's where both show the same digits, else the number, else the label.
fn start(head: &Node, cut: &Timeline) -> i64 {
    let signed = |frame: u64| i64::try_from(frame).unwrap_or(0);
    let Some(timecode) = head.child("timecode") else { return 0 };
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let label = timecode.text_of("string");
    if label.is_some_and(|label| digits(label) == digits(&cut.start.to_string())) {
        return signed(cut.start.frames().0);
    }
    let number = timecode.text_of("frame").and_then(whole);
    let labelled = || Timecode::parse(label?, cut.start.rate()).ok().map(|label| signed(label.frames().0));
    number.or_else(labelled).unwrap_or(0)
}
