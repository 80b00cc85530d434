//! The page: a template over the report, with its own script and style, which the page's policy names by their digests.

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{CHECKS, Change, Clip, File, Report};
use crate::content::Loudness;
use crate::export::{Loss, MARKER_LINES};
use crate::sync::{Verdict, offset_in_words};
use crate::time::{Rounding, SampleRate, Samples, TimeRange};
use crate::turnover::What;

const SCRIPT: &str = include_str!("../../templates/report.js");
const STYLE: &str = include_str!("../../templates/report.css");
/// What stays as it is in an address: RFC 3986, unreserved, and the slash between folders.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
/// The folders of a package, and what is in them.
const FOLDERS: [(&str, &str); 8] = [
    ("picture/reference/", "Picture references, with burnt-in timecode"),
    ("picture/", "Pictures of the cut"),
    ("audio/reel/", "Sound of the whole reel"),
    ("audio/", "Stems, take by take"),
    ("timeline/", "Timelines and markers"),
    ("adr/", "ADR cues and edit maps"),
    ("changes/", "Change list"),
    ("", "Other files"),
];
/// Every fate of a shot.
const FATES: [What; 6] = [What::Unchanged, What::Moved, What::Trimmed, What::ReRendered, What::New, What::Dropped];

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    report: &'a Report,
    script: &'static str,
    style: &'static str,
    policy: String,
    data: String,
    folders: Vec<(&'static str, Vec<&'a File>)>,
    fates: Vec<(&'static str, &'static str, usize)>,
    /// Each clip's change.
    by_clip: Vec<Option<&'a Change>>,
    checks: [(&'static str, &'static str); 4],
}

/// Renders a report.
pub(super) fn render(report: &Report) -> String {
    let page = Page {
        report,
        script: SCRIPT,
        style: STYLE,
        policy: policy(),
        data: data(report),
        folders: folders(&report.files),
        fates: fates(&report.changes),
        by_clip: by_clip(report),
        checks: CHECKS,
    };
    page.render().expect("writing to a String cannot fail")
}

/// Nothing is loaded but media and pictures that lie beside the page; the script and style are these and no others.
fn policy() -> String {
    let digest = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    format!(
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src 'self' file: data:; media-src 'self' file:; \
         script-src {}; style-src {}",
        digest(SCRIPT),
        digest(STYLE)
    )
}

/// What the script counts with.
fn data(report: &Report) -> String {
    #[derive(Serialize)]
    struct Data<'a> {
        schema: &'static str,
        package: &'a str,
        title: &'a str,
        version: u32,
        made_of: &'a str,
        rate: (u32, u32),
        nominal: u32,
        drop: u32,
        lines: &'static [&'static str],
        clips: Vec<DataClip<'a>>,
    }
    #[derive(Serialize)]
    struct DataClip<'a> {
        take: &'a str,
        record: u64,
        source: u64,
        frames: u64,
    }
    fn clip(clip: &Clip) -> DataClip<'_> {
        let Clip { take, record_in, source_in, frames, .. } = clip;
        DataClip { take, record: record_in.frame, source: source_in.frame, frames: *frames }
    }
    let data = Data {
        schema: "seedpost.signoff/1",
        package: &report.package,
        title: &report.title,
        version: report.version,
        made_of: &report.made_of,
        rate: (report.rate.num(), report.rate.den()),
        nominal: report.rate.nominal(),
        drop: report.rate.dropped_labels().filter(|_| report.drop_frame).unwrap_or(0),
        lines: &MARKER_LINES,
        clips: report.clips.iter().map(clip).collect(),
    };
    // Within a script element a `<` could end it; line separators end lines in old readers.
    let text = serde_json::to_string(&data).expect("these are plain values");
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

fn folders(files: &[File]) -> Vec<(&'static str, Vec<&File>)> {
    let mut groups: Vec<(&'static str, Vec<&File>)> = FOLDERS.iter().map(|(_, title)| (*title, Vec::new())).collect();
    for file in files {
        let group = FOLDERS.iter().position(|(folder, _)| file.path.starts_with(folder));
        if let Some((_, group)) = group.and_then(|index| groups.get_mut(index)) {
            group.push(file);
        }
    }
    groups.retain(|(_, files)| !files.is_empty());
    groups
}

fn fates(changes: &[Change]) -> Vec<(&'static str, &'static str, usize)> {
    let count = |what: What| changes.iter().filter(|change| change.change.what == what).count();
    FATES.into_iter().map(|what| (what.as_str(), fate(what), count(what))).filter(|(_, _, count)| *count > 0).collect()
}

fn by_clip(report: &Report) -> Vec<Option<&Change>> {
    let mut by_clip = vec![None; report.clips.len()];
    for change in &report.changes {
        if let Some(place) = change.clip.and_then(|clip| by_clip.get_mut(clip)) {
            *place = Some(change);
        }
    }
    by_clip
}

/// Words and a sign of its own: colour alone says nothing to some.
fn fate(what: What) -> &'static str {
    match what {
        What::Unchanged => "= unchanged",
        What::Moved => "→ moved",
        What::Trimmed => "✂ trimmed",
        What::ReRendered => "↻ re-rendered",
        What::New => "+ new",
        What::Dropped => "× dropped",
    }
}

impl Page<'_> {
    /// The address of a file of the package, from the page.
    fn href(&self, path: &str) -> String {
        format!("../{}", utf8_percent_encode(path, KEPT))
    }

    fn name<'p>(&self, path: &'p str) -> &'p str {
        path.rsplit('/').next().unwrap_or(path)
    }

    fn size(&self, bytes: &u64) -> String {
        let tenths = |unit: u64| (u128::from(*bytes) * 10 + u128::from(unit) / 2) / u128::from(unit);
        let (tenths, unit) = match bytes {
            ..1000 => return format!("{bytes} bytes"),
            1000..1_000_000 => (tenths(1000), "kB"),
            1_000_000..1_000_000_000 => (tenths(1_000_000), "MB"),
            _ => (tenths(1_000_000_000), "GB"),
        };
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    }

    fn class(&self, change: &Change) -> &'static str {
        change.change.what.as_str()
    }

    fn fate(&self, change: &Change) -> &'static str {
        fate(change.change.what)
    }

    fn invalidates(&self, change: &Change) -> String {
        let words: Vec<&str> = change.change.invalidates.iter().map(|invalid| invalid.as_str()).collect();
        if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
    }

    /// The fate of a clip, where the version before is known.
    fn change_of(&self, clip: &usize) -> Option<&Change> {
        self.by_clip.get(*clip).copied().flatten()
    }

    fn from(&self, frame: &u64, first: &u64) -> u64 {
        frame.saturating_sub(*first)
    }

    /// A loss without its form, which stands before it.
    fn loss(&self, loss: &Loss) -> String {
        loss.to_string().split_once(": ").map(|(_, loss)| loss.to_owned()).unwrap_or_default()
    }

    /// Why a clip's lane is what it is, without the lane, which stands before it.
    fn reason<'c>(&self, clip: &'c Clip) -> &'c str {
        let reason = clip.provenance.reason.as_str();
        reason.strip_prefix(clip.lane.as_str()).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(reason)
    }

    fn count(&self, number: &u64, what: &str) -> String {
        format!("{number} {what}{}", if *number == 1 { "" } else { "s" })
    }

    fn verdict(&self, verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::InSync => "in",
            Verdict::Warn => "warn",
            Verdict::Fail => "fail",
            Verdict::CannotTell => "unknown",
        }
    }

    fn offset(&self, samples: &i64) -> String {
        offset_in_words(*samples, self.report.rate)
    }

    fn ranges(&self, ranges: &[TimeRange<Samples>]) -> String {
        ranges.iter().map(|range| self.range(range)).collect::<Vec<_>>().join(", ")
    }

    fn range(&self, range: &TimeRange<Samples>) -> String {
        let clock = |samples: Samples| samples.clock(SampleRate::HZ_48000, Rounding::Nearest).unwrap_or_default();
        format!("{}–{} s", clock(range.start), clock(range.end))
    }

    /// A length in milliseconds and frames.
    fn length(&self, samples: &Samples) -> String {
        let ms = Rounding::Nearest.divide(u128::from(samples.0), 48).unwrap_or(u64::MAX);
        let frames = self.report.rate.frames(*samples, SampleRate::HZ_48000, Rounding::Down).unwrap_or_default();
        format!("{ms} ms ({} whole frames)", frames.0)
    }

    fn hundredths(&self, number: &f32) -> String {
        format!("{number:.2}")
    }

    /// Loudness, dialogue, range and true peak.
    fn loudness(&self, loudness: &Loudness) -> [String; 4] {
        let told = |number: Option<f64>, unit: &str| {
            number
                .map_or_else(|| "–".to_owned(), |number| format!("{} {unit}", format!("{number:.1}").replace('-', "−")))
        };
        [
            told(loudness.integrated_lufs, "LUFS"),
            told(loudness.dialogue_lufs, "LUFS"),
            told(loudness.range_lu, "LU"),
            told(loudness.true_peak_dbtp, "dBTP"),
        ]
    }
}
