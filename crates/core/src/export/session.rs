//! ADR cues as Pro Tools' "Session Info as Text" (UTF-8): one track for each character, one clip for each cue, and a
//! marker at the first frame of action. What tracks and clips are called is a [`Dialect`].
//!
//! The text has places for fields in brackets (`{`, `[`), for a `$` that begins a word, and for a leading `@`, `&` or
//! `!`, which is a command. In people's texts brackets become round, and those signs full-width ones (`＄＠＆！`), which
//! look alike; so does a slash (`／`) in a title or a character's name, which are cut after a hundred bytes, since
//! ptulsconv names files after both. Deliberately absent: a version, by which a package would differ from its like.

use std::fmt::Write as _;

use super::text::fps;
use super::{Export, Field, Format, Loss, NO_LINE, Of, lost_of_cues, one_line, told};
use crate::cue::Cue;
use crate::time::Frames;
use crate::timeline::{Timeline, record_samples};

/// The seconds of the session before the cut.
const LEAD: u64 = 10;
/// What stands where a name is not known yet.
pub(super) const TO_COME: &str = "TBC";
/// Who speaks where nobody is named.
const NOBODY: &str = "XX";
/// The most bytes of a title or a character's name: ptulsconv names files after both.
const NAME: usize = 100;

/// What the tracks and clips of cues are called.
pub(super) struct Dialect {
    /// The form whose dialect it is.
    pub(super) format: Format,
    /// The name of a cue's track.
    pub(super) track: fn(&Cue) -> String,
    /// The comment of a cue's track.
    pub(super) comment: fn(&Cue) -> String,
    /// The name of a cue's clip.
    pub(super) clip: fn(&Cue) -> String,
}

pub(super) fn write(timeline: &Timeline, dialect: &Dialect) -> Export {
    let tracks = tracks(timeline);
    let start = session_start(timeline);
    let mut text = header(timeline, tracks.len(), start);
    text.push_str("T R A C K  L I S T I N G\n");
    for track in &tracks {
        write_track(&mut text, timeline, dialect, track);
    }
    text.push_str(&markers(timeline, start));
    Export { content: text.into_bytes(), losses: losses(timeline, dialect.format) }
}

/// The cues by character, in the order of the characters' numbers.
fn tracks(timeline: &Timeline) -> Vec<Vec<&Cue>> {
    let mut tracks = std::collections::BTreeMap::<u32, Vec<&Cue>>::new();
    for cue in &timeline.cues {
        tracks.entry(cue.character_number).or_default().push(cue);
    }
    tracks.into_values().collect()
}

/// Ten seconds before the cut, where the day has them.
fn session_start(timeline: &Timeline) -> Frames {
    let first = timeline.start.frames();
    Frames(first.0.checked_sub(LEAD * u64::from(timeline.start.rate().nominal())).unwrap_or(first.0))
}

fn header(timeline: &Timeline, tracks: usize, start: Frames) -> String {
    let title = title(timeline);
    let reel = timeline.cues.first().map_or(1, |cue| cue.reel);
    let drop = if timeline.start.is_drop() { " Drop" } else { "" };
    format!(
        "SESSION NAME:\t{title} {{Title={title}}} {{Supv={TO_COME}}} {{Reel=R{reel}}}\n\
         SAMPLE RATE:\t48000.000000\n\
         BIT DEPTH:\t24-bit\n\
         SESSION START TIMECODE:\t{}\n\
         TIMECODE FORMAT:\t{}{drop} Frame\n\
         # OF AUDIO TRACKS:\t{tracks}\n\
         # OF AUDIO CLIPS:\t{}\n\
         # OF AUDIO FILES:\t0\n\n\n",
        timeline.label(start),
        fps(timeline.start.rate()),
        timeline.cues.len(),
    )
}

fn title(timeline: &Timeline) -> String {
    or(named(&timeline.title), "Untitled")
}

fn write_track(text: &mut String, timeline: &Timeline, dialect: &Dialect, cues: &[&Cue]) {
    let Some(first) = cues.first() else { return };
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "TRACK NAME:\t{}\nCOMMENTS:\t{}\nUSER DELAY:\t0 Samples\nSTATE: \n\
         CHANNEL \tEVENT   \tCLIP NAME                     \tSTART TIME    \tEND TIME      \tDURATION      \tSTATE\n",
        (dialect.track)(first),
        (dialect.comment)(first),
    );
    for (index, cue) in cues.iter().enumerate() {
        let length = Frames(cue.record.end.0.saturating_sub(cue.record.start.0));
        let [start, end, length] = [cue.record.start, cue.record.end, length].map(|frame| timeline.label(frame));
        let (event, name) = (index + 1, (dialect.clip)(cue));
        let _ = writeln!(text, "{:<8}\t{event:<8}\t{name:<30}\t   {start}\t   {end}\t   {length}\tUnmuted", 1);
    }
    text.push_str("\n\n");
}

/// The first frame of action, which readers expect to find at least.
fn markers(timeline: &Timeline, start: Frames) -> String {
    let first = timeline.start.frames();
    let samples = |frame| record_samples(frame, timeline.start).unwrap_or_default().0;
    let since = samples(first).saturating_sub(samples(start));
    format!(
        "M A R K E R S  L I S T I N G\n\
         #   \tLOCATION     \tTIME REFERENCE    \tUNITS    \tNAME                             \t\
         TRACK NAME                       \tTRACK TYPE   \tCOMMENTS\n\
         {:<4}\t{:<13}\t{since:<18}\tSamples  \t{:<33}\t{:<33}\tRuler                            \t\n",
        1,
        timeline.label(first),
        "FFOA",
        "Markers",
    )
}

/// A cue's line as it is written.
pub(super) fn line(cue: &Cue) -> String {
    or(clean(cue.line.as_deref().unwrap_or_default()), NO_LINE)
}

/// A cue's character as it is written.
pub(super) fn speaker(cue: &Cue) -> String {
    or(named(cue.speaker()), NOBODY)
}

/// A text that a file can be named after.
fn named(text: &str) -> String {
    let mut name = String::new();
    for letter in clean(text).replace('/', "／").chars() {
        if name.len() + letter.len_utf8() > NAME {
            break;
        }
        name.push(letter);
    }
    name.trim_end().to_owned()
}

fn or(text: String, else_this: &str) -> String {
    if text.is_empty() { else_this.to_owned() } else { text }
}

/// A text as the session can carry it.
pub(super) fn clean(text: &str) -> String {
    let text = one_line(text);
    let words = text.split(' ').enumerate().map(|(index, word)| {
        let word: String = word.chars().map(round).collect();
        let leading = word.chars().next().and_then(|first| wide(first, index == 0).map(|wide| (first, wide)));
        match leading {
            Some((first, wide)) => format!("{wide}{}", word.strip_prefix(first).unwrap_or_default()),
            None => word,
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn round(letter: char) -> char {
    match letter {
        '{' | '[' => '(',
        '}' | ']' => ')',
        other => other,
    }
}

/// The full-width sign of one that is read at the beginning of a word, or of the text.
fn wide(letter: char, first_word: bool) -> Option<char> {
    match letter {
        '$' => Some('＄'),
        '@' if first_word => Some('＠'),
        '&' if first_word => Some('＆'),
        '!' if first_word => Some('！'),
        _ => None,
    }
}

fn losses(timeline: &Timeline, format: Format) -> Vec<Loss> {
    let why = "brackets and signs are written as others that look alike";
    let changed = |cue: &Cue| {
        let differs = cue.line.as_deref().is_some_and(|text| text != line(cue)) || cue.speaker() != speaker(cue);
        differs.then(|| Loss::one(format, Of::Cue, &cue.number, Field::Text, why))
    };
    let mut losses: Vec<Loss> = timeline.cues.iter().filter_map(changed).collect();
    let short = "brackets, signs and slashes are written as others that look alike, and a title is short";
    losses.extend(told::title(timeline, format, title(timeline), short));
    let rate = timeline.start.rate();
    if !matches!((rate.num(), rate.den()), (24 | 25 | 30 | 60, 1) | (24_000 | 30_000 | 60_000, 1001)) {
        let why = format!("{rate} frames a second: ptulsconv reads no such session");
        losses.push(Loss::all(format, Of::Cut, Field::Event, &why));
    }
    losses.extend(lost_of_cues(timeline, format));
    losses
}
