//! ADR cues as Pro Tools' "Session Info as Text" (UTF-8), in the dialect of ptulsconv: one track for each character,
//! one clip for each cue, and tags for what has no column.
//!
//! The dialect takes `{`, `[` and a `$` that begins a word for tags, and a leading `@`, `&` or `!` for a command. In
//! people's texts brackets become round, and those signs full-width ones (`＄＠＆！`), which look alike.
//! Deliberately absent: a version, by which a package would differ from its like.

use std::fmt::Write as _;

use super::{Export, Format, Loss, NO_LINE, lost, lost_of_cues, one_line};
use crate::cue::Cue;
use crate::time::{FrameRate, Frames};
use crate::timeline::{Timeline, record_samples};

/// The seconds of the session before the cut.
const LEAD: u64 = 10;
/// What stands where a name is not known yet.
const TO_COME: &str = "TBC";

pub(super) fn write(timeline: &Timeline) -> Export {
    let tracks = tracks(timeline);
    let start = session_start(timeline);
    let mut text = header(timeline, tracks.len(), start);
    text.push_str("T R A C K  L I S T I N G\n");
    for track in &tracks {
        write_track(&mut text, timeline, track);
    }
    text.push_str(&markers(timeline, start));
    Export { text, losses: losses(timeline) }
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
    let title = Some(clean(&timeline.title)).filter(|title| !title.is_empty()).unwrap_or_else(|| "Untitled".to_owned());
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
        rate_name(timeline.start.rate()),
        timeline.cues.len(),
    )
}

fn rate_name(rate: FrameRate) -> String {
    match (rate.num(), rate.den()) {
        (24_000, 1001) => "23.976".to_owned(),
        (30_000, 1001) => "29.97".to_owned(),
        (60_000, 1001) => "59.94".to_owned(),
        _ => rate.to_string(),
    }
}

fn write_track(text: &mut String, timeline: &Timeline, cues: &[&Cue]) {
    let Some(first) = cues.first() else { return };
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "TRACK NAME:\t{}\nCOMMENTS:\t{{Actor={TO_COME}}} $CN={}\nUSER DELAY:\t0 Samples\nSTATE: \n\
         CHANNEL \tEVENT   \tCLIP NAME                     \tSTART TIME    \tEND TIME      \tDURATION      \tSTATE\n",
        clean(first.speaker()),
        first.character_number,
    );
    for (index, cue) in cues.iter().enumerate() {
        let length = Frames(cue.record.end.0.saturating_sub(cue.record.start.0));
        let [start, end, length] = [cue.record.start, cue.record.end, length].map(|frame| timeline.label(frame));
        let (event, name) = (index + 1, clip_name(cue));
        let _ = writeln!(text, "{:<8}\t{event:<8}\t{name:<30}\t   {start}\t   {end}\t   {length}\tUnmuted", 1);
    }
    text.push_str("\n\n");
}

fn clip_name(cue: &Cue) -> String {
    let line = cue.line.as_deref().map(clean).filter(|line| !line.is_empty()).unwrap_or_else(|| NO_LINE.to_owned());
    let (reason, scene, take, note) =
        (cue.reason.as_str(), clean(&cue.scene), cue.take.to_string(), clean(&cue.note()));
    let (number, priority) = (&cue.number, cue.priority);
    format!("{line} $QN={number} {{R={reason}}} $P={priority} {{Sc={scene}}} {{Shot={take}}} {{Note={note}}}")
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

/// A text as the dialect can carry it.
fn clean(text: &str) -> String {
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

/// The full-width sign of one that the dialect reads at the beginning of a word, or of the text.
fn wide(letter: char, first_word: bool) -> Option<char> {
    match letter {
        '$' => Some('＄'),
        '@' if first_word => Some('＠'),
        '&' if first_word => Some('＆'),
        '!' if first_word => Some('！'),
        _ => None,
    }
}

fn losses(timeline: &Timeline) -> Vec<Loss> {
    let changed = |cue: &Cue| {
        let texts = [cue.line.as_deref().unwrap_or_default(), cue.speaker()];
        texts.into_iter().any(|text| clean(text) != one_line(text)).then(|| Loss {
            format: Format::CueText.as_str(),
            clip: cue.take.to_string(),
            what: format!("{}: brackets or signs, written as others that look alike", cue.number),
        })
    };
    let mut losses: Vec<Loss> = timeline.cues.iter().filter_map(changed).collect();
    let rate = timeline.start.rate();
    if matches!((rate.num(), rate.den()), (48 | 50, 1)) {
        losses.push(lost(Format::CueText, format!("{rate} frames a second: ptulsconv reads no such session")));
    }
    losses.push(lost_of_cues(Format::CueText));
    losses
}
