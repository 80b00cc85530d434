//! Reference over render as an SVG: each phrase tied to where it was heard.

use std::fmt::Write as _;

use seedpost_core::sync::{PhraseSync, Verdict, offset_in_words};
use seedpost_core::time::{Samples, TimeRange};
use seedpost_media::hear::Heard;
use seedpost_media::wave::{Pen, Wave};

use crate::drawing::outline;
use crate::plot::escape;
use crate::supplied::Supplied;
use crate::sync::SyncFacts;
use crate::waveform::{MARGIN, WIDTH, bands};

/// Half the height of a waveform.
const HALF: u64 = 60;
/// Where the reference begins, below title and legend.
pub(crate) const ABOVE: u64 = 90;
/// Where the render begins: between them is room for the ties.
const BELOW: u64 = 330;

/// Draws a clip's sound at 48 kHz (the mean of its channels) under the recordings where they were asked for.
pub(crate) fn draw(title: &str, clip: &[f32], supplied: &[Supplied], sync: &SyncFacts) -> String {
    let end = supplied.iter().map(|sound| sound.end().0).max().unwrap_or(0);
    let total = (clip.len() as u64).max(end).max(1);
    let (asked, render) = (wave(&asked(supplied, total)), wave(clip));
    let (body, height) = body(&asked, &render, None, sync, Samples(total));
    page(title, &body, height)
}

/// The inside of the drawing, [`WIDTH`] and two margins across, and its height. Both outlines are of `total` samples.
pub(crate) fn body(
    asked: &Wave,
    render: &Wave,
    heard: Option<&Heard>,
    sync: &SyncFacts,
    total: Samples,
) -> (String, u64) {
    let total = total.0.max(1);
    let x = |sample: u64| u128::from(sample.min(total)) * u128::from(WIDTH) / u128::from(total) + u128::from(MARGIN);
    let mut body = heard.map_or_else(String::new, |heard| bands(heard, total, (BELOW, 2 * HALF), &x));
    for (name, top, wave) in [("reference, where it was asked for", ABOVE, asked), ("render", BELOW, render)] {
        let _ = writeln!(body, "<text x=\"{MARGIN}\" y=\"{}\">{name}</text>", top - 8);
        let _ = writeln!(body, "<path class=\"wave\" d=\"{}\"/>", outline(wave, top + HALF, HALF, &x));
    }
    for (number, (phrase, verdict)) in (1..).zip(sync.phrases.iter().zip(&sync.clip.phrases)) {
        body += &tie(number, phrase, *verdict, sync, &x);
    }
    let bottom = BELOW + 2 * HALF;
    for second in 0..=total / 48_000 {
        let at = x(second * 48_000);
        let _ = writeln!(
            body,
            "<path class=\"tick\" d=\"M{at} {bottom}v6\"/><text x=\"{at}\" y=\"{}\">{second} s</text>",
            bottom + 20
        );
    }
    (body, bottom + 40)
}

fn wave(plane: &[f32]) -> Wave {
    let mut pen = Pen::new();
    pen.add(&[plane]);
    pen.finish()
}

/// The recordings one behind the other.
fn asked(supplied: &[Supplied], total: u64) -> Vec<f32> {
    let mut plane = vec![0.0; usize::try_from(total).unwrap_or(0)];
    for sound in supplied {
        let at = usize::try_from(sound.place.0).unwrap_or(usize::MAX).min(plane.len());
        plane[at..].iter_mut().zip(&sound.mono).for_each(|(sum, sample)| *sum += sample);
    }
    plane
}

/// A phrase in both waveforms, and what joins them.
fn tie(number: u32, phrase: &PhraseSync, verdict: Verdict, sync: &SyncFacts, x: &impl Fn(u64) -> u128) -> String {
    let class = match verdict {
        Verdict::InSync => "in",
        Verdict::Warn => "warn",
        Verdict::Fail => "fail",
        Verdict::CannotTell => "unknown",
    };
    let end = Samples(phrase.expected.0.saturating_add(phrase.source.length().0));
    let asked = TimeRange { start: phrase.expected, end };
    let words = phrase.offset().map_or("not heard".to_owned(), |offset| offset_in_words(offset, sync.rate));
    let hint = format!(
        "REF{} phrase {number}: {}, {words}, confidence {:.2}",
        phrase.reference,
        verdict.as_str(),
        phrase.confidence
    );
    let height = 2 * HALF;
    let mut text = String::new();
    let band = |top: u64, range: TimeRange<Samples>| {
        let (from, to) = (x(range.start.0), x(range.end.0));
        let width = to.saturating_sub(from).max(1);
        format!(
            "<rect class=\"{class}\" x=\"{from}\" y=\"{top}\" width=\"{width}\" height=\"{height}\"><title>{hint}</title></rect>\n"
        )
    };
    text += &band(ABOVE, asked);
    let (left, right) = (x(asked.start.0), x(asked.end.0));
    if let Some(heard) = phrase.heard() {
        text += &band(BELOW, heard);
        let (from, to) = (x(heard.start.0), x(heard.end.0));
        let top = ABOVE + height;
        let _ = writeln!(
            text,
            "<path class=\"{class}\" d=\"M{left} {top}H{right}L{to} {BELOW}H{from}Z\"><title>{hint}</title></path>"
        );
    }
    // Labels of neighbours stand on different lines.
    let line = ABOVE + height + 18 + u64::from(number % 4) * 16;
    let _ = writeln!(text, "<text x=\"{left}\" y=\"{line}\">{number}: {words}</text>");
    text
}

fn page(title: &str, body: &str, height: u64) -> String {
    let width = WIDTH + 2 * MARGIN;
    let legend = [("in", "in sync"), ("warn", "slightly off"), ("fail", "out of sync"), ("unknown", "cannot tell")];
    let legend: String = legend
        .into_iter()
        .zip([20, 150, 300, 440])
        .map(|((class, words), x)| {
            format!(
                "<rect class=\"{class}\" x=\"{x}\" y=\"40\" width=\"14\" height=\"14\"/><text x=\"{}\" y=\"52\">{words}</text>\n",
                x + 20
            )
        })
        .collect();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
         <style>text{{font:12px sans-serif;fill:#333}}.wave{{fill:#333}}.tick{{stroke:#999}}.in{{fill:#4c9f70;fill-opacity:.35}}\
         .warn{{fill:#e8a33d;fill-opacity:.4}}.fail{{fill:#c0392b;fill-opacity:.35}}.unknown{{fill:#999;fill-opacity:.35}}</style>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n<text x=\"{MARGIN}\" y=\"24\">{}</text>\n{legend}{body}</svg>\n",
        escape(title)
    )
}
