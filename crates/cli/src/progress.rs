//! Long work, shown on standard error: bars on a terminal, plain lines elsewhere, NDJSON on request.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use seedpost_core::shot::TakeId;
use seedpost_render::runner::Notice;
use serde_json::json;

use crate::output::note;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Style {
    /// Bars on a terminal, lines elsewhere.
    Auto,
    /// Lines.
    Plain,
    /// One JSON object a line.
    Json,
    /// Nothing.
    None,
}

/// Shows how takes advance.
pub(crate) struct Progress {
    style: Style,
    bars: MultiProgress,
    takes: HashMap<TakeId, ProgressBar>,
    last: HashMap<TakeId, (&'static str, String)>,
}

impl Progress {
    pub(crate) fn new(style: Style) -> Progress {
        let style = match style {
            Style::Auto if !std::io::stderr().is_terminal() => Style::Plain,
            other => other,
        };
        Progress { style, bars: MultiProgress::new(), takes: HashMap::new(), last: HashMap::new() }
    }

    /// Shows one notice; the same one twice in a row is shown once.
    pub(crate) fn show(&mut self, notice: &Notice) {
        let now = (notice.stage, notice.detail.clone());
        if self.last.get(&notice.take) == Some(&now) {
            return;
        }
        match self.style {
            Style::None => {}
            Style::Json => {
                note(json!({ "take": notice.take.to_string(), "stage": notice.stage, "detail": notice.detail }))
            }
            Style::Plain => note(format_args!("{}  {:<10} {}", notice.take, notice.stage, notice.detail)),
            Style::Auto => self.bar(notice),
        }
        self.last.insert(notice.take.clone(), now);
    }

    fn bar(&mut self, notice: &Notice) {
        let bar = self.takes.entry(notice.take.clone()).or_insert_with(|| {
            let style = ProgressStyle::with_template("{spinner} {prefix} {elapsed:>4} {wide_msg}")
                .expect("the template is a constant");
            let bar = self.bars.add(ProgressBar::new_spinner().with_style(style).with_prefix(notice.take.to_string()));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        bar.set_message(format!("{} {}", notice.stage, notice.detail));
        if matches!(notice.stage, "done" | "failed" | "refused" | "unknown") {
            bar.finish();
        }
    }
}

/// Tells that one file of many is dealt with, where no bar shows it.
pub(crate) fn told(style: Style, file: &std::path::Path, stage: &str) {
    match style {
        Style::Json => note(json!({ "file": crate::output::shown(file), "stage": stage })),
        Style::Plain => note(format_args!("{}  {stage}", file.display())),
        Style::Auto if !std::io::stderr().is_terminal() => note(format_args!("{}  {stage}", file.display())),
        Style::Auto | Style::None => {}
    }
}

/// A bar for long work on this machine: on a terminal only, and only where there is much to do.
#[derive(Debug)]
pub(crate) struct Bar {
    shown: bool,
    bar: ProgressBar,
}

impl Bar {
    /// A bar that is shown as `style` says.
    pub(crate) fn new(style: Style) -> Bar {
        let shown = style == Style::Auto && std::io::stderr().is_terminal();
        Bar { shown, bar: ProgressBar::hidden() }
    }

    /// A bar that is never shown.
    pub(crate) fn hidden() -> Bar {
        Bar { shown: false, bar: ProgressBar::hidden() }
    }

    /// Begins a piece of work of so many steps.
    pub(crate) fn begin(&self, what: &'static str, steps: usize) {
        self.bar.reset();
        self.bar.set_length(steps as u64);
        self.bar.set_message(what);
        if self.shown && steps > 3 {
            let style =
                ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}").expect("the template is a constant");
            self.bar.set_style(style);
            self.bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
        }
    }

    /// One step is done.
    pub(crate) fn step(&self) {
        self.bar.inc(1);
    }

    /// The work is done; the bar goes.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
