//! A picture of a trim plan: each source's waveform with what is kept, its cuts, fades and pauses.
//!
//! One SVG, written by hand: nothing in it but rectangles, one path a sound, and escaped text.

use std::fmt::Write as _;

use seedpost_core::trim::{Edge, Planned};
use seedpost_media::survey::{Block, Survey};

/// The width of a waveform, in pixels.
const WIDTH: u64 = 1200;
/// Half the height of a waveform.
const HALF: u64 = 60;
/// The height of a row: title, waveform, scale.
const ROW: u64 = 190;
/// Where the first waveform begins, below the legend.
const TOP: u64 = 80;

/// A drawing that grows by a row for each sound.
pub(crate) struct Plot {
    rows: String,
    count: u64,
}

impl Plot {
    /// An empty drawing.
    pub(crate) fn new() -> Plot {
        Plot { rows: String::new(), count: 0 }
    }

    /// Adds a sound, heard whole, and what is planned for it.
    pub(crate) fn add(&mut self, title: &str, survey: &Survey, plan: &Planned) {
        let top = self.count * ROW + TOP;
        self.count += 1;
        let total = plan.cut.source.0.max(1);
        let x = |sample: u64| u128::from(sample.min(total)) * u128::from(WIDTH) / u128::from(total) + 20;
        let (start, end) = (plan.cut.kept.start.0, plan.cut.kept.end.0);
        let (left, right) = (x(start), x(end));
        let row = &mut self.rows;
        let mut rect = |class: &str, from: u128, to: u128, hint: &str| {
            let width = to.saturating_sub(from).max(1);
            let _ = writeln!(
                row,
                "<rect class=\"{class}\" x=\"{from}\" y=\"{top}\" width=\"{width}\" height=\"{}\"><title>{hint}</title></rect>",
                2 * HALF
            );
        };
        rect("left-out", 20, 20 + u128::from(WIDTH), "left out");
        rect("kept", left, right, "kept");
        for quiet in survey.quiet() {
            rect("pause", x(quiet.start.0), x(quiet.end.0), "pause");
        }
        let fade = u64::from(plan.cut.rate.hertz() / 200);
        for (edge, at, from, to) in
            [(plan.begin, start, start, start + fade), (plan.end, end, end.saturating_sub(fade), end)]
        {
            let cuts = at > 0 && at < plan.cut.source.0;
            if cuts {
                rect("fade", x(from), x(to), "fade of 5 ms");
                rect("cut", x(at), x(at), why(edge));
            }
        }
        let _ = writeln!(row, "<path class=\"wave\" d=\"{}\"/>", wave(&survey.blocks, top + HALF));
        let seconds = plan.cut.length();
        let _ = writeln!(row, "<text x=\"20\" y=\"{}\">{}</text>", top - 10, escape(title));
        let words = format!(
            "samples {start} to {end} of {total} at {} Hz, {seconds} s; begins: {}; ends: {}",
            plan.cut.rate.hertz(),
            why(plan.begin),
            why(plan.end)
        );
        let _ = writeln!(row, "<text class=\"small\" x=\"20\" y=\"{}\">{words}</text>", top + 2 * HALF + 18);
    }

    /// The whole picture.
    pub(crate) fn finish(self) -> String {
        let (width, height) = (WIDTH + 40, self.count * ROW + TOP);
        let legend = ["kept", "left-out", "pause", "fade", "cut"].into_iter().zip([20, 120, 220, 320, 420]);
        let legend: String = legend
            .map(|(class, x)| {
                let name = class.replace('-', " ");
                format!("<rect class=\"{class}\" x=\"{x}\" y=\"14\" width=\"14\" height=\"14\"/><text class=\"small\" x=\"{}\" y=\"26\">{name}</text>\n", x + 20)
            })
            .collect();
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
             <style>text{{font:14px sans-serif}}.small{{font-size:12px;fill:#555}}.left-out{{fill:#eee}}.kept{{fill:#d7ecd9}}\
             .pause{{fill:#7aa7d8;fill-opacity:.35}}.fade{{fill:#e8a33d;fill-opacity:.8}}.cut{{fill:#c0392b}}.wave{{fill:#333;stroke:none}}</style>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n{legend}{}</svg>\n",
            self.rows
        )
    }
}

fn why(edge: Edge) -> &'static str {
    match edge {
        Edge::Wanted => "as wanted",
        Edge::Silence => "silence left out",
        Edge::Pause => "cut in a pause",
        Edge::Sound => "cut in sound, no pause within reach",
        Edge::Hand => "set by hand",
    }
}

/// A closed path around the peaks, two pixels a column.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "pixels")]
fn wave(blocks: &[Block], middle: u64) -> String {
    let columns = (WIDTH / 2) as usize;
    let height = |column: usize| {
        let (first, last) = (column * blocks.len() / columns, (column + 1) * blocks.len() / columns);
        let part = blocks.get(first..last.max(first + 1).min(blocks.len())).unwrap_or_default();
        let peak = part.iter().map(|block| block.peak).fold(0.0, f32::max).min(1.0);
        ((peak * HALF as f32) as u64).max(1)
    };
    let above = (0..columns).map(|column| format!("L{} {}", 20 + column * 2, middle - height(column)));
    let below = (0..columns).rev().map(|column| format!("L{} {}", 20 + column * 2, middle + height(column)));
    format!("M20 {middle}{}{}Z", above.collect::<String>(), below.collect::<String>())
}

/// Text that cannot be taken for markup.
pub(crate) fn escape(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '&' => "&amp;".to_owned(),
            letter if letter.is_control() => " ".to_owned(),
            letter => letter.to_string(),
        })
        .collect()
}
