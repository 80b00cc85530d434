//! Mixtures whose truth is known: clean speech, a disturbance, and the level between them.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::disallowed_methods, reason = "a test opens its fixtures itself")]

use std::fs::File;

use seedpost_core::time::Samples;
use seedpost_media::speech::Region;
use seedpost_media::{decode, stems};

/// The spoken fixtures, each by another speaker.
pub(crate) const SPEAKERS: [&str; 6] =
    ["speech_en_woman", "speech_en_man", "speech_de", "speech_fr", "speech_it_man", "speech_ru_woman"];
/// The fixtures of music.
pub(crate) const MUSIC: [&str; 3] = ["music_orchestra", "music_folk", "music_game"];
/// The fixtures of effects and ambience.
pub(crate) const EFFECTS: [&str; 3] = ["effects_windmill", "effects_lumberjack", "effects_rain"];

const RATE: usize = 48_000;
/// Where a loop's end meets its beginning; a plain joint would click.
const CROSSFADE: usize = RATE / 20;

/// What disturbs the speech.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disturbance {
    /// Pink noise out of a seeded generator.
    Noise,
    /// All other speakers at once, at equal level.
    Babble,
    /// Effects and ambience.
    Effects,
    /// Music.
    Music,
}

/// A mix and its parts, all equally long, at 48 kHz, mono: `mixed = speech + disturbance`.
pub(crate) struct Mix {
    /// What a tool under test hears.
    pub(crate) mixed: Vec<f32>,
    /// The clean speech as it is inside the mix.
    pub(crate) speech: Vec<f32>,
    /// The disturbance as it is inside the mix.
    pub(crate) disturbance: Vec<f32>,
}

/// The fixture of this name at 48 kHz, its channels averaged.
pub(crate) fn load(name: &str) -> Vec<f32> {
    let path = format!("{}/../../fixtures/sound/{name}.flac", env!("CARGO_MANIFEST_DIR"));
    let sound = decode::decode(File::open(path).expect("the fixture is there"), None).expect("the fixture is whole");
    let length = sound.length().0 * RATE as u64 / u64::from(sound.rate.hertz());
    let laid = stems::lay(&sound, Samples(0), Samples(length)).expect("it is mono or stereo");
    let share = 1.0 / laid.channels.len() as f32;
    (0..length as usize).map(|at| laid.channels.iter().map(|channel| channel[at]).sum::<f32>() * share).collect()
}

/// A disturbance of exactly `length` samples; `target` is the speaker that babble leaves out, `seed` picks the
/// noise or the fixture.
pub(crate) fn disturb(kind: Disturbance, target: &str, length: usize, seed: u32) -> Vec<f32> {
    let pick = |names: &[&str; 3]| repeat(&load(names[seed as usize % 3]), length);
    match kind {
        Disturbance::Noise => pink(length, seed),
        Disturbance::Babble => babble(target, length),
        Disturbance::Effects => pick(&EFFECTS),
        Disturbance::Music => pick(&MUSIC),
    }
}

/// White noise in -1 to 1, the same for the same seed.
pub(crate) fn white(length: usize, seed: u32) -> Vec<f32> {
    let mut state = u64::from(seed);
    let step = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    };
    (0..length).map(step).collect()
}

/// Pink noise (3 dB less in each octave up) by Paul Kellet's filter of three poles.
pub(crate) fn pink(length: usize, seed: u32) -> Vec<f32> {
    let mut poles = [0.0f32; 3];
    let shape = |white: f32| {
        poles[0] = 0.997_65 * poles[0] + white * 0.099_046;
        poles[1] = 0.963 * poles[1] + white * 0.296_516_4;
        poles[2] = 0.57 * poles[2] + white * 1.052_691_3;
        (poles.iter().sum::<f32>() + white * 0.184_8) * 0.1
    };
    white(length, seed).into_iter().map(shape).collect()
}

/// Everybody but the target; each begins elsewhere, so that their pauses do not fall together.
fn babble(target: &str, length: usize) -> Vec<f32> {
    let mut sum = vec![0.0; length];
    for (number, name) in SPEAKERS.iter().filter(|name| **name != target).enumerate() {
        let mut voice = load(name);
        let scale = 0.05 / power_where(&voice, &loud_samples(&voice)).sqrt().max(1e-9) as f32;
        let turn = number * 2 * RATE % voice.len();
        voice.rotate_left(turn);
        sum.iter_mut().zip(repeat(&voice, length)).for_each(|(sum, sample)| *sum += sample * scale);
    }
    sum
}

/// The sound again and again, each joint crossfaded at equal power, cut to `length`.
pub(crate) fn repeat(sound: &[f32], length: usize) -> Vec<f32> {
    let fade = CROSSFADE.min(sound.len() / 2);
    let mut looped = sound.to_vec();
    while looped.len() < length && !sound.is_empty() {
        let joint = looped.len() - fade;
        for (at, (old, new)) in looped[joint..].iter_mut().zip(sound).enumerate() {
            let angle = (at as f32 + 0.5) / fade as f32 * std::f32::consts::FRAC_PI_2;
            *old = *old * angle.cos() + new * angle.sin();
        }
        looped.extend_from_slice(&sound[fade..]);
    }
    looped.resize(length, 0.0);
    looped
}

/// Mixes at `snr_db`, counted over the samples of active speech: pauses would make the number depend on their length.
///
/// Where the peak would pass 0.9, speech and disturbance are made quieter alike.
pub(crate) fn mix(speech: &[f32], disturbance: &[f32], snr_db: f64) -> Mix {
    assert_eq!(speech.len(), disturbance.len(), "the disturbance is made for this speech");
    let active = loud_samples(speech);
    let (wanted, found) = (power_where(speech, &active), power_where(disturbance, &active));
    let scale = (wanted / found.max(1e-20) / 10f64.powf(snr_db / 10.0)).sqrt() as f32;
    let peak = speech.iter().zip(disturbance).fold(0.0f32, |peak, (s, d)| peak.max((s + d * scale).abs()));
    let gain = if peak > 0.9 { 0.9 / peak } else { 1.0 };
    let speech: Vec<f32> = speech.iter().map(|sample| sample * gain).collect();
    let disturbance: Vec<f32> = disturbance.iter().map(|sample| sample * scale * gain).collect();
    let mixed = speech.iter().zip(&disturbance).map(|(s, d)| s + d).collect();
    Mix { mixed, speech, disturbance }
}

/// The scale-invariant ratio of signal to distortion in dB: how much of the estimate is the reference at some level.
pub(crate) fn si_sdr(reference: &[f32], estimate: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let scale = dot(reference, estimate) / dot(reference, reference).max(1e-20);
    let part = |(r, e): (&f32, &f32)| {
        let kept = scale * f64::from(*r);
        (kept * kept, (f64::from(*e) - kept).powi(2))
    };
    let (signal, rest) =
        reference.iter().zip(estimate).map(part).fold((0.0, 0.0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
    10.0 * (signal.max(1e-20) / rest.max(1e-20)).log10()
}

/// Which blocks of 10 ms are speech in truth; a last part of a block is left out.
///
/// 35 dB below the loudest block: the quiet consonants of a recording lie above, the noise between its words below.
/// Gaps shorter than 0.2 s are bridged: the closure of a stop lasts up to some 0.15 s and belongs to its word.
pub(crate) fn active_frames(speech: &[f32]) -> Vec<bool> {
    let mut active = blocks_above(speech, RATE / 100, 35.0);
    let mut last = None;
    for at in 0..active.len() {
        if active[at] {
            if let Some(last) = last.filter(|last| at - last <= 20) {
                active[last..at].fill(true);
            }
            last = Some(at);
        }
    }
    active
}

/// A speaker's line with pauses of a second ahead, after, and after every four seconds.
pub(crate) fn line(name: &str) -> Vec<f32> {
    let silence = vec![0.0; RATE];
    let mut sound = silence.clone();
    for part in load(name).chunks(4 * RATE) {
        sound.extend_from_slice(part);
        sound.extend_from_slice(&silence);
    }
    sound
}

/// Blocks of 10 ms that are rightly found, that were to be found, and that were found.
pub(crate) fn counted(truth: &[bool], found: &[Region]) -> [usize; 3] {
    let middle = |block: usize| (block * (RATE / 100) + RATE / 200) as u64;
    let inside = |at: u64| found.iter().any(|region| region.range.start.0 <= at && at < region.range.end.0);
    let heard: Vec<bool> = (0..truth.len()).map(|block| inside(middle(block))).collect();
    let both = truth.iter().zip(&heard).filter(|(truth, heard)| **truth && **heard).count();
    let sum = |of: &[bool]| of.iter().filter(|holds| **holds).count();
    [both, sum(truth), sum(&heard)]
}

/// For each sample, whether its block of 20 ms is within 40 dB of the loudest one.
fn loud_samples(speech: &[f32]) -> Vec<bool> {
    let blocks = blocks_above(speech, RATE / 50, 40.0);
    (0..speech.len()).map(|at| blocks.get(at / (RATE / 50)).copied().unwrap_or(false)).collect()
}

/// For each whole block, whether its power is within `range_db` of the loudest; none of silence is.
fn blocks_above(sound: &[f32], block: usize, range_db: f64) -> Vec<bool> {
    let powers: Vec<f64> = sound.chunks_exact(block).map(power).collect();
    let floor = powers.iter().copied().fold(0.0, f64::max) * 10f64.powf(-range_db / 10.0);
    powers.into_iter().map(|power| power > 0.0 && power >= floor).collect()
}

/// The mean square; 0 for no samples.
pub(crate) fn power(sound: &[f32]) -> f64 {
    sound.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / sound.len().max(1) as f64
}

fn power_where(sound: &[f32], wanted: &[bool]) -> f64 {
    let kept: Vec<f32> = sound.iter().zip(wanted).filter(|(_, wanted)| **wanted).map(|(sample, _)| *sample).collect();
    power(&kept)
}
