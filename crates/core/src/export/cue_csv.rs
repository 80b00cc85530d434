//! ADR cues as a table (RFC 4180, UTF-8, lines end in CR LF), with the column names that cueing programs look for.
//!
//! A field that begins with `=`, `+`, `-` or `@` gets an apostrophe before it, since spreadsheets would compute it.
//! Deliberately absent: a byte order mark; and a version, by which a package would differ from its like.

use super::{Export, Field, Format, Loss, NO_LINE, Of, lost_of_cues, one_line};
use crate::cue::Cue;
use crate::time::Frames;
use crate::timeline::Timeline;

const HEADER: &str =
    "Cue Number,Character,Actor,Reel,Scene,Version,Start,End,Duration,Line,Reason,Priority,Type,Notes,Status";

pub(super) fn write(timeline: &Timeline) -> Export {
    let rows = timeline.cues.iter().map(|cue| row(timeline, cue));
    let text: String = std::iter::once(HEADER.to_owned()).chain(rows).map(|row| row + "\r\n").collect();
    Export { content: text.into_bytes(), losses: losses(timeline) }
}

fn row(timeline: &Timeline, cue: &Cue) -> String {
    let (start, end) = (cue.record.start, cue.record.end);
    let length = timeline.label(Frames(end.0.saturating_sub(start.0)));
    let (reel, priority, note) = (format!("R{}", cue.reel), cue.priority.to_string(), cue.note());
    let (start, end) = (timeline.label(start), timeline.label(end));
    let line = cue.line.as_deref().unwrap_or(NO_LINE);
    let fields = [
        &cue.number,
        cue.speaker(),
        "",
        &reel,
        &cue.scene,
        "",
        &start,
        &end,
        &length,
        line,
        cue.reason.as_str(),
        &priority,
        "Dialogue",
        &note,
        "Open",
    ];
    fields.map(field).join(",")
}

fn losses(timeline: &Timeline) -> Vec<Loss> {
    let only = "a table of cues has cues only";
    let cut = [Field::Name, Field::Start].map(|field| Loss::all(Format::CueCsv, Of::Cut, field, only));
    let why = "a text is one line, and one that a spreadsheet would compute has an apostrophe before it";
    let changed = |cue: &Cue| {
        let texts = [cue.line.as_deref().unwrap_or_default(), cue.speaker(), &cue.scene, &cue.note()];
        let differs = texts.into_iter().any(|text| plain(text) != text);
        differs.then(|| Loss::one(Format::CueCsv, Of::Cue, &cue.number, Field::Text, why))
    };
    let mut losses = cut.to_vec();
    losses.extend(timeline.cues.iter().filter_map(changed));
    losses.extend(lost_of_cues(timeline, Format::CueCsv));
    losses
}

/// A text as a spreadsheet shows it.
fn plain(text: &str) -> String {
    let text = one_line(text);
    let guard = if text.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    format!("{guard}{text}")
}

fn field(text: &str) -> String {
    let text = plain(text);
    if text.contains(['"', ',']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}
