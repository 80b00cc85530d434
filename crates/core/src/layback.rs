//! What a finished mix has to be before it goes back under the picture, and what a delivery asks of its loudness.
//!
//! Every fault is told at once, with what was measured. Not here: reading the mix, and laying it back.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::content::Loudness;
use crate::sync::apart;
use crate::time::{FrameRate, Frames, Rounding, SampleRate, Samples, Timecode};
use crate::timeline::record_samples;
use crate::turnover::ReelLayout;

mod delivery;
mod words;

pub use delivery::{Delivery, Laid, LaidClip, MixFile, Turnover};
use words::{apart_words, side};

/// The form of a delivery's manifest, first key of the file.
pub const SCHEMA: &str = "seedpost.layback/1";

/// A programme whose highest sample is below this is silent, in dBFS.
const SILENT: f64 = -90.0;
/// Pops that are off by at most so many samples may have been moved by a filter.
const FILTERED: u64 = 10;
/// The reel's own rules.
const TURNOVER: &str = "the turnover's manifest";
/// The rules of what can be taken.
const STEMS: &str = "seedpost: a mix comes back in the form of the stems";

/// What the header of a mix says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mix {
    /// Whether it is an RF64 or BW64.
    pub large: bool,
    /// The codec as FFmpeg names it.
    pub codec: String,
    /// Samples a second.
    pub rate: SampleRate,
    /// The number of channels.
    pub channels: u16,
    /// Samples in each channel.
    pub samples: Samples,
    /// Samples since midnight at its first sample, where a `bext` chunk says so.
    pub time_reference: Option<u64>,
}

/// A pop, as it was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pop {
    /// Its first sample, from that of the mix.
    pub at: Samples,
    /// Whether its first half wave goes down.
    pub inverted: bool,
    /// Its level as that of a sine, in dBFS.
    pub dbfs: f64,
}

/// What was heard of a pop on one channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// The pop.
    pub pop: Option<Pop>,
    /// Whether nothing above -70 dBFS is around its place.
    pub is_quiet: bool,
}

/// What was heard in a mix.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Heard {
    /// The 2-pop on each channel; empty where the reel has none.
    pub two_pop: Vec<Side>,
    /// The tail pop on each channel.
    pub tail_pop: Vec<Side>,
    /// The programme without leader, pops and tail.
    pub loudness: Loudness,
}

impl Heard {
    /// Whether every pop that the reel has was heard on a channel.
    fn has_all(&self, channel: usize, has_two_pop: bool) -> bool {
        let has = |sides: &[Side]| sides.get(channel).is_some_and(|side| side.pop.is_some());
        has(&self.tail_pop) && (!has_two_pop || has(&self.two_pop))
    }
}

/// What a delivery asks of loudness.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Its name.
    pub id: String,
    /// Integrated loudness, in LUFS.
    pub integrated_lufs: f64,
    /// How far from it is allowed, in LU.
    pub tolerance_lu: f64,
    /// The highest true peak, in dBTP.
    pub max_true_peak_dbtp: f64,
    /// Who says so.
    pub source: String,
    /// The day the numbers were noted.
    pub date: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    target: Vec<Target>,
}

impl Target {
    /// All targets.
    ///
    /// # Panics
    /// Never: a test reads the same text.
    #[must_use]
    pub fn all() -> &'static [Target] {
        static TABLE: OnceLock<Vec<Target>> = OnceLock::new();
        TABLE.get_or_init(|| {
            let table: Table = toml::from_str(include_str!("../data/loudness_targets.toml"))
                .expect("the built-in table is read by a test");
            table.target
        })
    }

    /// The target of that name.
    #[must_use]
    pub fn find(id: &str) -> Option<&'static Target> {
        Target::all().iter().find(|target| target.id == id)
    }
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Worth knowing.
    Note,
    /// Not to be laid back.
    Refused,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What, such as `length` or `2-pop left`.
    pub what: String,
    /// How it came out.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What is allowed.
    pub allowed: String,
    /// Who says so.
    pub source: String,
    /// What to do; empty where nothing is.
    pub fix: String,
}

/// What a mix is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Judge<'a> {
    /// Where the parts of the reel lie.
    pub layout: ReelLayout,
    /// The record timecode of the first frame of the cut, for its rate.
    pub start: Timecode,
    /// What the delivery asks; nothing where absent.
    pub target: Option<&'a Target>,
}

/// How loud the pops of a turnover are.
const POP_DBFS: f64 = -20.0;
/// By how many dB a pop may differ from that before it is told: the mix was turned up or down.
const POP_SLACK_DB: f64 = 1.0;

impl Judge<'_> {
    /// The length that the reel has.
    #[must_use]
    pub fn length(&self) -> Option<Samples> {
        self.layout.sample(self.layout.end, self.start)
    }

    /// Judges what the header says.
    #[must_use]
    pub fn header(&self, mix: &Mix) -> Vec<Check> {
        let same = |what: &str, is_good: bool, found: String, allowed: &str, fix: &str| {
            check(what, is_good, found, allowed.to_owned(), STEMS, fix)
        };
        let container = if mix.large { "RF64" } else { "WAV" };
        let bits =
            "export 24-bit whole numbers: 16 bits are not the mix that was heard, and floats are not what is laid back";
        let channels = match mix.channels {
            1 => "mono".to_owned(),
            2 => "stereo".to_owned(),
            more => format!("{more} channels"),
        };
        vec![
            same(
                "file",
                !mix.large,
                container.to_owned(),
                "WAV",
                "export a plain WAV or BWF; a reel is far below 4 GiB",
            ),
            same(
                "rate",
                mix.rate == SampleRate::HZ_48000,
                format!("{} Hz", mix.rate.hertz()),
                "48000 Hz",
                "export at 48 kHz",
            ),
            same("format", mix.codec == "pcm_s24le", mix.codec.clone(), "24-bit PCM (pcm_s24le)", bits),
            same("channels", mix.channels == 2, channels, "stereo", "export one interleaved file of two channels"),
            self.long(mix),
            self.begins(mix),
        ]
    }

    fn long(&self, mix: &Mix) -> Check {
        let Some(reel) = self.length() else { return broken("length") };
        let rate = mix.rate.hertz();
        let wanted = at_rate(reel, mix.rate);
        let off = apart(mix.samples.0, wanted.0);
        let told = match off {
            0 => format!("{} samples", mix.samples.0),
            off => format!("{} samples, {}", mix.samples.0, apart_words(off, rate, self.rate(), ["short", "long"])),
        };
        let allowed = format!("{} samples: leader, cut and tail", wanted.0);
        check("length", off == 0, told, allowed, TURNOVER, "export from the reel's first frame to its last one")
    }

    fn begins(&self, mix: &Mix) -> Check {
        let Some(first) = record_samples(self.layout.start, self.start) else { return broken("start") };
        let first = at_rate(first, mix.rate);
        let label = |frame: Frames| Timecode::from_frames(frame, self.rate(), self.start.is_drop());
        let allowed = label(self.layout.start).map_or(String::new(), |label| label.to_string());
        let allowed = format!("{allowed} (sample {})", first.0);
        let reference = match mix.time_reference {
            None => return note("start", "no bext chunk tells it".to_owned(), allowed),
            // What many programs write that know of none.
            Some(0) if first.0 > 0 => return note("start", "0 in the bext chunk".to_owned(), allowed),
            Some(reference) => reference,
        };
        let off = apart(reference, first.0);
        let frame = self.rate().frames(Samples(reference), mix.rate, Rounding::Down);
        let frame = frame.and_then(label).map_or(String::new(), |label| label.to_string());
        let apart = if off == 0 { String::new() } else { format!(", {}", self.late(off, mix.rate)) };
        let fix = "export from the reel's first frame, with its timecode in the bext chunk";
        check("start", off == 0, format!("{frame} (sample {reference}){apart}"), allowed, TURNOVER, fix)
    }

    /// Judges what was heard.
    #[must_use]
    pub fn heard(&self, heard: &Heard) -> Vec<Check> {
        let mut checks = Vec::new();
        match self.layout.two_pop {
            Some(frame) => checks.extend(self.pops("2-pop", frame, heard, &heard.two_pop)),
            None => checks.push(note("2-pop", "the reel has none".to_owned(), String::new())),
        }
        checks.extend(self.pops("tail pop", self.layout.tail_pop, heard, &heard.tail_pop));
        checks.extend(polarity(heard));
        checks.extend(self.drift(heard));
        checks.push(programme(&heard.loudness));
        if let Some(target) = self.target.filter(|_| !is_silent(&heard.loudness)) {
            checks.extend(loudness(target, &heard.loudness));
        }
        checks
    }

    fn pops(&self, name: &str, frame: Frames, heard: &Heard, found: &[Side]) -> Vec<Check> {
        let Some(place) = self.layout.sample(frame, self.start) else { return vec![broken(name)] };
        let allowed = format!("one frame of 1 kHz at sample {}", place.0);
        let channels = found.len();
        // One channel with every pop is enough where another one carries nothing.
        let whole = (0..channels).find(|index| heard.has_all(*index, self.layout.two_pop.is_some()));
        let each = |(index, found): (usize, &Side)| {
            let what = format!("{name}{}", side(index, channels));
            let Some(pop) = found.pop else {
                if let Some(whole) = whole.filter(|_| found.is_quiet) {
                    return note(&what, format!("none: pop on the{} only", side(whole, channels)), allowed.clone());
                }
                let fix = "leave the guide's pops in the mix, on both channels";
                return check(&what, false, "none".to_owned(), allowed.clone(), TURNOVER, fix);
            };
            let off = apart(pop.at.0, place.0);
            let late = if off == 0 { String::new() } else { format!(", {}", self.late(off, SampleRate::HZ_48000)) };
            let inverted = if pop.inverted { ", polarity inverted" } else { "" };
            let told = format!("sample {} at {:.1} dBFS{late}{inverted}", pop.at.0, pop.dbfs);
            let mut judged = check(&what, off == 0, told, allowed.clone(), TURNOVER, &moved(off));
            let level = pop.dbfs - POP_DBFS;
            if off == 0 && (pop.inverted || level.abs() > POP_SLACK_DB) {
                judged.verdict = Verdict::Note;
            }
            if level.abs() > POP_SLACK_DB {
                judged.found = format!("{}: {:.0} dB from the guide's", judged.found, level);
            }
            judged
        };
        found.iter().enumerate().map(each).collect()
    }

    /// Whether the pops are as far from each other as they were.
    fn drift(&self, heard: &Heard) -> Option<Check> {
        let first = self.layout.sample(self.layout.two_pop?, self.start)?;
        let last = self.layout.sample(self.layout.tail_pop, self.start)?;
        let mut sides = heard.two_pop.iter().zip(&heard.tail_pop);
        let (two_pop, tail_pop) = sides.find_map(|(two_pop, tail_pop)| two_pop.pop.zip(tail_pop.pop))?;
        let drift = apart(tail_pop.at.0, last.0).saturating_sub(apart(two_pop.at.0, first.0));
        let told = match drift {
            0 => "none".to_owned(),
            drift => apart_words(drift, 48_000, self.rate(), ["shorter", "longer"]),
        };
        let fix = "turn off varispeed, pull-down and sample rate conversion, and export again";
        Some(check("drift", drift == 0, told, "none between the pops".to_owned(), TURNOVER, fix))
    }

    fn late(&self, off: i64, rate: SampleRate) -> String {
        apart_words(off, rate.hertz(), self.rate(), ["early", "late"])
    }

    fn rate(&self) -> FrameRate {
        self.start.rate()
    }
}

/// Whether any check refuses the mix.
#[must_use]
pub fn is_refused(checks: &[Check]) -> bool {
    checks.iter().any(|check| check.verdict == Verdict::Refused)
}

fn check(what: &str, is_good: bool, found: String, allowed: String, source: &str, fix: &str) -> Check {
    let verdict = if is_good { Verdict::Good } else { Verdict::Refused };
    let fix = if is_good { String::new() } else { fix.to_owned() };
    Check { what: what.to_owned(), verdict, found, allowed, source: source.to_owned(), fix }
}

fn note(what: &str, found: String, allowed: String) -> Check {
    Check { verdict: Verdict::Note, ..check(what, true, found, allowed, TURNOVER, "") }
}

/// What puts a pop back that is off by so many samples.
fn moved(off: i64) -> String {
    let samples = off.unsigned_abs();
    let (plural, way) = (if samples == 1 { "" } else { "s" }, if off < 0 { "later" } else { "earlier" });
    let filter = match samples <= FILTERED {
        true => "; or a filter on the mix bus moves phase: bypass it for the pops",
        false => "",
    };
    format!("move the mix {samples} sample{plural} {way}, and export again{filter}")
}

/// Whether a pop goes down on one channel and up on another. Both down is a note of each pop.
fn polarity(heard: &Heard) -> Option<Check> {
    let pops = [("2-pop", &heard.two_pop), ("tail pop", &heard.tail_pop)];
    let turned = |sides: &[Side]| -> Vec<bool> { sides.iter().filter_map(|side| Some(side.pop?.inverted)).collect() };
    if pops.iter().all(|(_, sides)| turned(sides).len() < 2) {
        return None;
    }
    let is_split = |sides: &[Side]| turned(sides).iter().any(|inverted| turned(sides).first() != Some(inverted));
    let split: Vec<&str> = pops.iter().filter(|(_, sides)| is_split(sides)).map(|(name, _)| *name).collect();
    let told = match split.as_slice() {
        [] => "the same on all channels".to_owned(),
        split => format!("opposite on the channels: {}", split.join(", ")),
    };
    let fix = "turn the polarity of one channel of the mix bus, and export again";
    Some(check("polarity", split.is_empty(), told, "the same on all channels".to_owned(), TURNOVER, fix))
}

/// As many samples at another rate as these are at 48 kHz.
fn at_rate(samples: Samples, rate: SampleRate) -> Samples {
    let scaled = u128::from(samples.0) * u128::from(rate.hertz()) / 48_000;
    Samples(u64::try_from(scaled).unwrap_or(u64::MAX))
}

/// A manifest whose numbers are beyond all clocks.
fn broken(what: &str) -> Check {
    let fix = "copy the package again from where it was made";
    check(what, false, "the reel's places contradict each other".to_owned(), "a reel".to_owned(), TURNOVER, fix)
}

fn is_silent(loudness: &Loudness) -> bool {
    loudness.sample_peak_dbfs.is_none_or(|peak| peak < SILENT)
}

/// What the programme measures: told whatever is asked.
fn programme(loudness: &Loudness) -> Check {
    let number =
        |value: Option<f64>, unit: &str| value.map_or(format!("no {unit}"), |value| format!("{value:.1} {unit}"));
    let told = format!(
        "{}, {}, {}",
        number(loudness.integrated_lufs, "LUFS"),
        number(loudness.range_lu, "LU range"),
        number(loudness.true_peak_dbtp, "dBTP")
    );
    let told =
        if is_silent(loudness) { format!("silent: {}", number(loudness.sample_peak_dbfs, "dBFS")) } else { told };
    let allowed = format!("a sample above {SILENT:.0} dBFS");
    check(
        "programme",
        !is_silent(loudness),
        told,
        allowed,
        STEMS,
        "check that the mix bus was not muted, and export again",
    )
}

fn loudness(target: &Target, loudness: &Loudness) -> [Check; 2] {
    let Target { integrated_lufs, tolerance_lu, max_true_peak_dbtp, source, date, .. } = target;
    let source = format!("{source}; noted {date}");
    // What is told with one decimal is judged with one decimal.
    let off = loudness.integrated_lufs.map(|found| (found - integrated_lufs) * 10.0);
    let is_near = off.is_some_and(|off| off.round().abs() <= (tolerance_lu * 10.0).round());
    let found = loudness.integrated_lufs.map_or("none".to_owned(), |found| format!("{found:.1} LUFS"));
    let fix = match off {
        Some(off) => format!("change the programme's level by {:+.1} dB", off / -10.0),
        None => "raise the programme above -70 LUFS, below which loudness is not measured, and export again".to_owned(),
    };
    let peak = loudness.true_peak_dbtp.unwrap_or(f64::NEG_INFINITY);
    let is_low = (peak * 10.0).round() <= (max_true_peak_dbtp * 10.0).round();
    [
        check("loudness", is_near, found, format!("{integrated_lufs:.1} LUFS ±{tolerance_lu} LU"), &source, &fix),
        check(
            "true peak",
            is_low,
            format!("{peak:.1} dBTP"),
            format!("{max_true_peak_dbtp:.1} dBTP at most"),
            &source,
            "limit the programme by its true peaks",
        ),
    ]
}

#[cfg(test)]
mod tests;
