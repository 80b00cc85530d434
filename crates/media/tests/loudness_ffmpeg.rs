//! Loudness beside that of FFmpeg's `ebur128` filter, on generated programmes.

use std::f32::consts::TAU;
use std::io::Write;
use std::process::{Command, Stdio};

use seedpost_media::loudness::{Loudness, Meter};

/// What the filter prints with one decimal may be off by half of it.
const ROUNDING: f64 = 0.051;

/// What FFmpeg found, in the same units; `None` where its summary says −70 LUFS or no peak.
struct Foreign {
    integrated: Option<f64>,
    range: f64,
    sample_peak: Option<f64>,
    true_peak: Option<f64>,
    max_momentary: f64,
    max_short_term: f64,
}

struct Programme {
    name: &'static str,
    rate: u32,
    channels: Vec<Vec<f32>>,
}

/// Runs FFmpeg.
fn foreign(programme: &Programme) -> Foreign {
    let frames = programme.channels[0].len();
    let frame = |n: usize| programme.channels.iter().flat_map(move |channel| channel[n].to_le_bytes());
    let bytes: Vec<u8> = (0..frames).flat_map(frame).collect();
    let (rate, channels) = (programme.rate.to_string(), programme.channels.len().to_string());
    let source = ["-hide_banner", "-nostats", "-f", "f32le", "-ar", &rate, "-ac", &channels, "-i", "-"];
    let sink = ["-af", "ebur128=peak=true+sample:framelog=info", "-f", "null", "-"];
    let mut command = Command::new("ffmpeg");
    command.args(source).args(sink).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("ffmpeg starts");
    let mut input = child.stdin.take().expect("standard input is a pipe");
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let output = child.wait_with_output().expect("ffmpeg ends");
    writer.join().expect("no panic").expect("ffmpeg reads all");
    assert!(output.status.success(), "{}", programme.name);
    parse(&String::from_utf8_lossy(&output.stderr))
}

fn parse(report: &str) -> Foreign {
    let (log, summary) = report.split_once("Summary:").expect("a summary");
    let after = |text: &str, label: &str| -> Vec<f64> {
        let values = text.split(label).skip(1).filter_map(|rest| rest.split_whitespace().next()?.parse().ok());
        values.collect()
    };
    let highest = |label: &str| after(log, label).into_iter().fold(f64::NEG_INFINITY, f64::max);
    let peaks = after(summary, "Peak:");
    let peak = |index: usize| peaks.get(index).copied().filter(|peak: &f64| peak.is_finite());
    Foreign {
        integrated: after(summary, "I:").first().copied().filter(|level| *level > -70.0),
        range: after(summary, "LRA:")[0],
        sample_peak: peak(0),
        true_peak: peak(1),
        max_momentary: highest(" M:"),
        max_short_term: highest(" S:"),
    }
}

fn own(programme: &Programme) -> Loudness {
    let mut meter = Meter::new(programme.rate, programme.channels.len()).expect("a known layout");
    let frames = programme.channels[0].len();
    for from in (0..frames).step_by(1_024) {
        let to = frames.min(from + 1_024);
        let block: Vec<&[f32]> = programme.channels.iter().map(|channel| &channel[from..to]).collect();
        meter.add(&block).expect("the same channels");
    }
    meter.finish()
}

/// Says where the two differ by more than 0.1 LU, or 0.2 dB of true peak.
fn differences(own: &Loudness, foreign: &Foreign) -> Vec<String> {
    let mut differences = Vec::new();
    let mut compare = |what: &str, own: Option<f64>, foreign: Option<f64>, tolerance: f64| {
        let same = match (own, foreign) {
            (Some(own), Some(foreign)) => (own - foreign).abs() <= tolerance + ROUNDING,
            (own, foreign) => own.is_none() && foreign.is_none(),
        };
        if !same {
            differences.push(format!("{what}: {own:?}, FFmpeg {foreign:?}"));
        }
    };
    compare("integrated", own.integrated_lufs, foreign.integrated, 0.1);
    compare("range", Some(own.range_lu.unwrap_or(0.0)), Some(foreign.range), 0.1);
    compare("sample peak", own.sample_peak_dbfs, foreign.sample_peak, 0.0);
    compare("true peak", own.true_peak_dbtp, foreign.true_peak, 0.2);
    // FFmpeg moves its windows by 100 ms: it may miss the loudest, and must not find a louder one.
    let not_missed = |own: Option<f64>, foreign: f64, slack: f64| match own {
        Some(own) if foreign > -120.0 => (foreign - 0.1 - ROUNDING..=foreign + slack).contains(&own),
        _ => foreign <= -119.0,
    };
    if !not_missed(own.max_momentary_lufs, foreign.max_momentary, 1.5) {
        differences.push(format!("momentary: {:?}, FFmpeg {}", own.max_momentary_lufs, foreign.max_momentary));
    }
    if !not_missed(own.max_short_term_lufs, foreign.max_short_term, 0.3) {
        differences.push(format!("short-term: {:?}, FFmpeg {}", own.max_short_term_lufs, foreign.max_short_term));
    }
    differences
}

/// Noise that is the same each time, from −1 to 1.
fn noise(length: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1_u32 << 23) as f32 - 1.0
    };
    (0..length).map(|_| next()).collect()
}

/// A tone that fades in and out over 10 ms: FFmpeg takes a sudden beginning for a mirror image.
fn sine(rate: u32, seconds: f32, hertz: f32, amplitude: f32, phase: f32) -> Vec<f32> {
    let length = (rate as f32 * seconds) as usize;
    let wave = |n: usize| {
        let turns = f64::from(hertz) * n as f64 / f64::from(rate);
        let fade = (n.min(length - n) as f32 / (rate as f32 * 0.01)).min(1.0);
        amplitude * fade * (turns.fract() as f32 * TAU + phase).sin()
    };
    (0..length).map(wave).collect()
}

/// A hum with syllables, phrases and breath, as speech has them.
fn speech(rate: u32, seconds: f32, seed: u64) -> Vec<f32> {
    let breath = noise((rate as f32 * seconds) as usize, seed);
    let mut low = 0.0;
    let utter = |(n, breath): (usize, f32)| {
        let time = n as f32 / rate as f32;
        low += 0.2 * (breath - low);
        let syllable = (TAU * 3.1 * time).sin().max(0.0).powi(2);
        let phrase = if time % 2.7 < 1.9 { 1.0 } else { 0.02 };
        let voice: f32 = (1..12).map(|k| (TAU * (120.0 * k as f32 * time).fract()).sin() / k as f32).sum();
        (voice * 0.15 + low * 0.2) * syllable * phrase * (0.6 + 0.4 * (time * 0.9).sin())
    };
    breath.into_iter().enumerate().map(utter).collect()
}

fn scaled(samples: &[f32], gain: f32) -> Vec<f32> {
    samples.iter().map(|sample| sample * gain).collect()
}

fn clipped(samples: &[f32], gain: f32) -> Vec<f32> {
    samples.iter().map(|sample| (sample * gain).clamp(-1.0, 1.0)).collect()
}

fn steps(levels: &[f32]) -> Vec<f32> {
    levels.iter().flat_map(|level| sine(48_000, 4.0, 1_000.0, 10_f32.powf(level / 20.0), 0.0)).collect()
}

fn programmes() -> Vec<Programme> {
    let programme = |name, rate, channels| Programme { name, rate, channels };
    let stereo = |name, left: Vec<f32>| programme(name, 48_000, vec![left.clone(), left]);
    let (first, second) = (speech(48_000, 15.0, 1), speech(48_000, 15.0, 2));
    let (hiss, other) = (noise(15 * 48_000, 3), noise(15 * 48_000, 4));
    let quarter = std::f32::consts::FRAC_PI_4;
    let bursts = [scaled(&first, 0.5), vec![0.0; 5 * 48_000], scaled(&second, 2.0), vec![0.0; 48_001], hiss.clone()];
    let tone = |hertz, amplitude, phase| sine(48_000, 10.0, hertz, amplitude, phase);
    let surround = [1.0, 0.9, 1.2, 0.3, 0.6, 0.5].map(|gain| scaled(&first, gain)).to_vec();
    vec![
        stereo("a tone of 1 kHz", tone(1_000.0, 0.07, 0.0)),
        stereo("a low tone", tone(40.0, 0.5, 0.0)),
        stereo("a tone of a quarter of the rate, between its crests", tone(12_000.0, 0.5, quarter)),
        programme("a tone out of phase", 48_000, vec![tone(997.0, 0.3, 0.0), tone(997.0, -0.3, 0.0)]),
        programme("white noise at full scale", 48_000, vec![hiss.clone(), other.clone()]),
        programme("quiet noise", 48_000, vec![scaled(&hiss, 0.01), scaled(&other, 0.02)]),
        programme("noise beyond full scale", 48_000, vec![clipped(&hiss, 3.0), clipped(&other, 9.0)]),
        programme("speech", 48_000, vec![first.clone(), second.clone()]),
        programme("speech on the left", 48_000, vec![first.clone(), vec![0.0; first.len()]]),
        stereo("a minute of speech", speech(48_000, 60.0, 7)),
        stereo("steps up and down", steps(&[-60.0, -40.0, -20.0, -10.0, -30.0, -50.0, -23.0])),
        stereo("silence between", bursts.concat()),
        programme("speech in mono", 48_000, vec![second.clone()]),
        programme("noise in mono", 48_000, vec![scaled(&other, 0.4)]),
        programme("speech at 44.1 kHz", 44_100, vec![speech(44_100, 15.0, 5), speech(44_100, 15.0, 6)]),
        programme("a tone in mono at 44.1 kHz", 44_100, vec![sine(44_100, 10.0, 3_000.0, 0.9, 0.0)]),
        stereo("clipped speech", clipped(&first, 12.0)),
        stereo("a clipped tone", clipped(&tone(1_237.0, 1.0, 0.3), 4.0)),
        stereo("over full scale, not clipped", scaled(&first, 6.0)),
        stereo("too quiet for the gate", scaled(&hiss, 1e-4)),
        stereo("silence", vec![0.0; 10 * 48_000]),
        stereo("too short for a block", tone(1_000.0, 0.5, 0.0)[..15_000].to_vec()),
        stereo("too short for a range", first[..100_000].to_vec()),
        programme("speech in 5.1", 48_000, surround),
    ]
}

#[test]
fn generated_programmes_read_as_in_ffmpeg() {
    let mut found = Vec::new();
    for programme in programmes() {
        let foreign = foreign(&programme);
        let own = own(&programme);
        found.extend(differences(&own, &foreign).into_iter().map(|line| format!("{}: {line}", programme.name)));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
