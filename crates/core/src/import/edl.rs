//! Edit decision lists: events of the picture, and what their comments tell of them.
//!
//! A dissolve begins where its incoming event does; it becomes a cut in its middle. Lists do not tell their rate:
//! labels that the cut's rate does not have are refused.

pub(super) mod line;

use super::draft::{Draft, Laid};
use super::{Clue, Place, Source, shown};
use crate::time::{FrameRate, Timecode};
use crate::timeline::Timeline;
use line::{EventLine, Line};

pub(super) fn read(text: &str, cut: &Timeline) -> Draft {
    let mut reader = Reader {
        draft: Draft::default(),
        rate: cut.start.rate(),
        drop: None,
        group: Vec::new(),
        names: Vec::new(),
        picture_track: None,
        days: 0,
        latest: 0,
        number: String::new(),
    };
    // Lists of old systems end lines with a carriage return alone.
    let ending = if text.contains('\n') { '\n' } else { '\r' };
    for (number, line) in (1..).zip(text.split(ending)) {
        reader.line(number, line);
    }
    reader.close();
    reader.draft
}

/// A label; with colons only, as the last `FCM` line counts.
pub(super) fn label(text: &str, rate: FrameRate, drop: Option<bool>) -> Result<Timecode, String> {
    let drop = drop == Some(true) && rate.dropped_labels().is_some() && !text.contains([';', '.']);
    let semicolon = text.rsplit_once(':').filter(|_| drop).map(|(head, frames)| format!("{head};{frames}"));
    let text = semicolon.as_deref().unwrap_or(text);
    Timecode::parse(text, rate).map_err(|wrong| shown(&wrong.to_string()))
}

struct Reader {
    draft: Draft,
    rate: FrameRate,
    /// What the last `FCM` line said.
    drop: Option<bool>,
    /// The lines of the event that is open, and what its comments name.
    group: Vec<Raw>,
    number: String,
    names: Vec<(String, String)>,
    /// The picture track that has events.
    picture_track: Option<u32>,
    /// Frames of the days that have passed, and where the last picture began.
    days: i64,
    latest: i64,
}

/// A line of an event in frames.
struct Raw {
    line: u32,
    reel: String,
    channels: line::Channels,
    /// Frames of a dissolve or wipe.
    transition: i64,
    source: (i64, i64),
    record: (i64, i64),
    speed: bool,
}

impl Reader {
    fn fault(&mut self, line: u32, found: &str, allowed: &str, fix: &str) {
        let place = Place { line: Some(line), path: String::new() };
        self.draft.faults.push(&place, found, allowed, fix);
    }

    fn line(&mut self, number: u32, text: &str) {
        match line::parse(text) {
            Line::Title(title) if self.draft.name.is_empty() => self.draft.name = shown(title),
            Line::Counting(drop) => self.drop = Some(drop),
            Line::Event(event) => self.event(number, &event),
            Line::Broken => {
                let allowed = "an event: number, reel, channels, C or D and its frames, and four timecodes";
                self.fault(number, &shown(text), allowed, "export the list again as CMX3600 or file32");
            }
            Line::Speed(speed) => self.speed(number, speed),
            Line::Freeze => self.retime(number, "a freeze frame"),
            Line::Comment(key, value) if value.len() <= 1000 && self.names.len() < 32 => {
                self.names.push((key.to_owned(), value.to_owned()));
            }
            Line::Marker => self.draft.markers += 1,
            Line::Title(_) | Line::Comment(..) | Line::Other => (),
        }
    }

    fn retime(&mut self, line: u32, what: &str) {
        if let Some(raw) = self.group.last_mut() {
            raw.speed = true;
        }
        self.fault(line, what, "clips at their own speed", "render the retime, or take it off");
    }

    /// A speed in frames a second; that of the cut is none.
    fn speed(&mut self, line: u32, speed: &str) {
        let rate = f64::from(self.rate.num()) / f64::from(self.rate.den());
        let own = speed.parse::<f64>().is_ok_and(|speed| (speed - rate).abs() < 0.05);
        if !own {
            self.retime(line, &format!("a speed of {} frames a second", shown(speed)));
        }
    }

    fn event(&mut self, number: u32, event: &EventLine<'_>) {
        // A second line of the same number is the incoming clip of a transition; comments come after both.
        if event.number != self.number || !self.names.is_empty() || self.group.len() != 1 {
            self.close();
            event.number.clone_into(&mut self.number);
        }
        let Some(channels) = line::channels(event.channels) else {
            let found = format!("channels {}", shown(event.channels));
            return self.fault(number, &found, "V, A, A2, AA, B, or A2/V", "export one picture track, with cuts");
        };
        let transition = match (event.transition, event.operand.map(str::parse::<i64>)) {
            ("C", _) => 0,
            (code, Some(Ok(frames))) if (code == "D" || code.starts_with('W')) && frames < 1 << 20 => frames,
            (code, _) => {
                let found = format!("transition {}", shown(code));
                return self.fault(number, &found, "C, D or W with its frames", "lay all pictures on one track");
            }
        };
        let Some(times) = self.times(number, &event.times) else { return };
        let [source, mut record] = times;
        if channels.picture.is_some() {
            self.roll(&mut record, &event.times);
        }
        let raw = Raw { line: number, reel: event.reel.clone(), channels, transition, source, record, speed: false };
        self.group.push(raw);
    }

    /// Counts a picture's record time on past midnight, where labels begin anew and the cut goes on.
    fn roll(&mut self, record: &mut (i64, i64), labels: &[&str; 4]) {
        let day = self.label(labels[2]).map_or(0, |label| label.midnight().0);
        let day = i64::try_from(day).unwrap_or(0);
        if record.0 + self.days + day / 2 < self.latest {
            self.days += day;
        }
        *record = (record.0 + self.days, record.1 + self.days);
        self.latest = record.0;
    }

    /// Source and record in frames since midnight. What ends at midnight or after it has a label of the next day.
    fn times(&mut self, line: u32, labels: &[&str; 4]) -> Option<[(i64, i64); 2]> {
        let mut frames = [0_i64; 4];
        let mut sound = true;
        for (frame, label) in frames.iter_mut().zip(labels) {
            match self.label(label) {
                Ok(read) => {
                    *frame = i64::try_from(read.frames().0).unwrap_or(0);
                    self.draft.drop = self.draft.drop.or(Some(read.is_drop()));
                }
                Err(wrong) => {
                    sound = false;
                    let allowed = format!("labels at {} frames a second, the cut's rate", self.rate);
                    self.fault(line, &wrong, &allowed, "export the list at the cut's rate");
                }
            }
        }
        let [source_in, mut source_out, record_in, mut record_out] = frames;
        for (begin, end, label) in [(source_in, &mut source_out, labels[1]), (record_in, &mut record_out, labels[3])] {
            let day = self.label(label).map_or(0, |label| label.midnight().0);
            let day = i64::try_from(day).unwrap_or(0);
            if (*end == 0 && begin > 0) || begin - *end > day / 2 {
                *end += day;
            }
        }
        if sound && (source_out < source_in || record_out < record_in) {
            self.fault(line, "an out point before its in point", "in before out", "export the list again");
            return None;
        }
        sound.then_some([(source_in, source_out), (record_in, record_out)])
    }

    fn label(&self, text: &str) -> Result<Timecode, String> {
        label(text, self.rate, self.drop)
    }

    /// Takes over the open event, whose comments have all been read.
    fn close(&mut self) {
        let group = std::mem::take(&mut self.group);
        let names = std::mem::take(&mut self.names);
        let dissolves = group.iter().any(|raw| raw.transition > 0);
        for raw in group {
            let incoming = dissolves && raw.transition > 0;
            let keys: &[&str] = match (dissolves, incoming) {
                (false, _) => &["FROM CLIP NAME", "SOURCE FILE", "FROM CLIP", "FROM FILE", "OTIO REFERENCE FROM"],
                (true, true) => &["TO CLIP NAME", "TO CLIP", "TO FILE"],
                (true, false) => &["FROM CLIP NAME", "FROM CLIP", "FROM FILE"],
            };
            let of = |key: &str| names.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone());
            let mut clue = Clue { names: keys.iter().filter_map(|key| of(key)).collect(), reel: None };
            if !raw.reel.is_empty() && raw.reel != "AX" {
                // The long reel of a file32 list is the take's name.
                clue.names.push(raw.reel.clone());
                clue.reel = Some(raw.reel.clone());
            }
            self.take(raw, clue);
        }
    }

    fn take(&mut self, raw: Raw, clue: Clue) {
        let place = Place { line: Some(raw.line), path: shown(clue.name()) };
        let frames = raw.record.1 - raw.record.0;
        let black = matches!(raw.reel.as_str(), "BL" | "BLACK");
        let retimed = !black && raw.source.1 - raw.source.0 != frames;
        let (record, source) = (raw.record.0, Source::Timecode(raw.source.0));
        let laid = Laid { clue, place, source, record, frames, before: 0, after: 0 };
        if raw.channels.sound && !retimed && !black && frames > 0 {
            self.draft.sound.push(laid.clone());
        }
        let Some(track) = raw.channels.picture.filter(|_| frames > 0) else { return };
        if retimed {
            if !raw.speed {
                let found = format!("{} frame(s) of its file in {frames} of the cut", raw.source.1 - raw.source.0);
                self.draft.faults.push(&laid.place, found, "as many", "render the retime, or take it off");
            }
            return;
        }
        if !black {
            self.on_one_track(track, &laid.place);
        }
        if raw.transition > 0 {
            self.dissolve(laid, raw.transition, black);
        } else if !black {
            self.draft.picture.push(laid);
        }
    }

    fn on_one_track(&mut self, track: u32, place: &Place) {
        if *self.picture_track.get_or_insert(track) != track {
            let found = format!("picture track V{track} beside another");
            self.draft.faults.push(place, found, "one picture track", "lay all pictures on one track");
        }
    }

    /// The cut goes into the middle: the clip before gets the first half, what comes loses it.
    fn dissolve(&mut self, mut laid: Laid, length: i64, black: bool) {
        let half = length / 2;
        let at = laid.record;
        if laid.frames < length {
            let found = format!("a transition of {length} frames into {}", laid.frames);
            return self.draft.faults.push(&laid.place, found, "one that its clip holds", "shorten the transition");
        }
        let outgoing = self.draft.picture.last_mut().filter(|last| last.record + last.frames == at);
        let from_black = outgoing.is_none();
        if let Some(outgoing) = outgoing {
            outgoing.frames += half;
            outgoing.after = length - half;
        }
        self.draft.note(&laid.place, format!("a transition of {length} frame(s) becomes a cut"));
        if black {
            return;
        }
        if !from_black {
            laid.record += half;
            laid.frames -= half;
            laid.before = half;
            laid.source = match laid.source {
                Source::Media(frame) => Source::Media(frame + half),
                Source::Timecode(frame) => Source::Timecode(frame + half),
            };
        }
        self.draft.picture.push(laid);
    }
}
