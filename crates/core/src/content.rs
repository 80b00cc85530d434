//! What is heard and seen in a clip, and what is wrong with it.
//!
//! Deliberately absent: measuring, which `media` and the FFmpeg worker do.

use serde::{Deserialize, Serialize};

use crate::spec::{Finding, Span, Weight};
use crate::time::{Frames, Samples, TimeRange};

/// The loudness of a whole programme (EBU R 128, ITU-R BS.1770-4). `None` where there is silence or too little sound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Loudness {
    /// Integrated loudness in LUFS; needs 400 ms above −70 LUFS.
    pub integrated_lufs: Option<f64>,
    /// Loudness range in LU; needs 3 s above −70 LUFS. EBU R 128 does not recommend it below a minute.
    pub range_lu: Option<f64>,
    /// Highest true peak of any channel in dBTP, oversampled four times, from 96 kHz twice, at 192 kHz not at all.
    /// Before and after the programme is silence, so an abrupt beginning or end may be its peak.
    pub true_peak_dbtp: Option<f64>,
    /// Highest sample of any channel in dBFS.
    pub sample_peak_dbfs: Option<f64>,
    /// Loudest 400 ms in LUFS, ungated.
    pub max_momentary_lufs: Option<f64>,
    /// Loudest 3 s in LUFS, ungated.
    pub max_short_term_lufs: Option<f64>,
    /// Loudness of the speech in LUFS: the mean over the 10 ms steps in which someone speaks, without a gate by level, as
    /// dialogue loudness is measured for streaming services. Absent where nobody looked for speech, or found none.
    #[serde(default)]
    pub dialogue_lufs: Option<f64>,
}

impl Loudness {
    /// That of one channel when it is played from both sides: twice the power, the same peaks.
    #[must_use]
    pub fn on_both_sides(self) -> Loudness {
        let louder = |lufs: Option<f64>| lufs.map(|lufs| lufs + 10.0 * 2.0_f64.log10());
        Loudness {
            integrated_lufs: louder(self.integrated_lufs),
            max_momentary_lufs: louder(self.max_momentary_lufs),
            max_short_term_lufs: louder(self.max_short_term_lufs),
            dialogue_lufs: louder(self.dialogue_lufs),
            ..self
        }
    }
}

/// What the samples of a stretch of sound at 48 kHz tell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Levels {
    /// Samples in each channel.
    pub samples: Samples,
    /// The channels, from 0, that never rise above −90 dBFS.
    pub dead_channels: Vec<u32>,
    /// How many channels there are.
    pub channels: u32,
    /// How many times three or more samples in a row are at full scale (0.999 or more), in any channel.
    pub clipped: u64,
    /// Where the first of them begin; at most 16.
    pub clipped_at: Vec<Samples>,
    /// How alike left and right are, from −1 (one is the other upside down) to 1 (both are the same); absent for other
    /// than two channels, and where one is dead.
    pub correlation: Option<f64>,
    /// What is at or above −60 dBFS in any channel, from the first to the last; absent where nothing is.
    pub sounding: Option<TimeRange<Samples>>,
    /// Packets that could not be decoded; each is silence of its own length.
    pub decode_errors: u64,
    /// Where the first of them is.
    pub decode_error_at: Option<Samples>,
}

/// Whether there is music in sound, as estimated by notes that are held.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Music {
    /// Whether there is music; absent when the sound is too short (under 2.6 s) or too quiet to tell.
    pub found: Option<bool>,
    /// How sure that is: from 0, no note is held, to 2; from 1.55 on it is music.
    pub score: f32,
    /// The stretches in which notes are held, if there is music: samples at the sound's rate from its first, in order,
    /// apart, to about half a second.
    pub ranges: Vec<TimeRange<Samples>>,
}

/// What was seen in a picture.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// Frames that were decoded.
    pub frames: u64,
    /// Packets and frames that could not be decoded, or only with errors.
    pub errors: u64,
    /// Frames, counted from 0, near which the first errors are; at most 16.
    pub error_frames: Vec<Frames>,
    /// Stretches of black, of at least three frames, end exclusive; the first thousand.
    pub black: Vec<TimeRange<Frames>>,
    /// Stretches in which nothing moves, of at least twelve frames, end exclusive; the first thousand.
    pub frozen: Vec<TimeRange<Frames>>,
    /// The still pictures that were made, by file name in their folder, and which frame each shows.
    pub pictures: Vec<(String, Frames)>,
    /// A sheet of all still pictures, by file name in their folder.
    pub sheet: Option<String>,
}

/// Silence at head or tail from here on is told: half a second at 48 kHz.
const SILENCE: u64 = 24_000;
/// Left and right this much upside down cancel in mono.
const INVERTED: f64 = -0.9;
/// What deliveries allow at most (EBU R 128 s2 and streaming services), in dBTP.
const TRUE_PEAK: f64 = -1.0;

/// What is wrong with the sound, as far as its samples tell.
#[must_use]
pub fn judge_sound(levels: &Levels, loudness: &Loudness, music: Option<&Music>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let span = |start: Samples, end: Samples| Span::Samples(TimeRange { start, end });
    let whole = span(Samples(0), levels.samples);
    let second = |at: Samples| span(at, Samples(at.0 + 1));
    if levels.decode_errors > 0 {
        let found = format!("{} packets cannot be decoded", levels.decode_errors);
        let finding = Finding::new("audio.decode_errors", Weight::Breach, found, "none", "render another take");
        findings.push(levels.decode_error_at.map_or_else(|| finding.clone(), |at| finding.clone().at(second(at))));
    }
    let dead = levels.dead_channels.len();
    if dead > 0 && dead == levels.channels as usize {
        let fix = "strip it, or render another take with sound";
        findings.push(Finding::new("audio.dead", Weight::Breach, "nothing above -90 dBFS", "sound", fix).at(whole));
    } else if dead > 0 {
        let found = format!("nothing above -90 dBFS in channel {}", list(&levels.dead_channels));
        let fix = "use the other channel as mono";
        findings.push(Finding::new("audio.dead", Weight::Note, found, "sound in every channel", fix).at(whole));
    }
    if let Some(first) = levels.clipped_at.first().filter(|_| levels.clipped > 0) {
        let found = format!("{} times three samples or more at full scale", levels.clipped);
        let fix = "nothing brings back what was cut; render another take if it is heard";
        findings.push(Finding::new("audio.clipped", Weight::Note, found, "none", fix).at(second(*first)));
    }
    if let Some(correlation) = levels.correlation.filter(|correlation| *correlation < INVERTED) {
        let found = format!("left and right are opposite (correlation {correlation:.2})");
        let fix = "turn one channel upside down: in mono they cancel";
        findings.push(Finding::new("audio.inverted", Weight::Breach, found, "above -0.9", fix).at(whole));
    }
    if let Some(sounding) = levels.sounding {
        for (where_, start, end) in [("head", Samples(0), sounding.start), ("tail", sounding.end, levels.samples)] {
            if end.0.saturating_sub(start.0) >= SILENCE {
                let found = format!("silence at the {where_}, below -60 dBFS");
                let fix = "lay room tone under it, or cut it off";
                findings.push(
                    Finding::new("audio.silence", Weight::Note, found, "less than half a second", fix)
                        .at(span(start, end)),
                );
            }
        }
    }
    if let Some(peak) = loudness.true_peak_dbtp.filter(|peak| *peak > TRUE_PEAK) {
        let found = format!("{peak:.1} dBTP");
        findings.push(Finding::new("audio.true_peak", Weight::Note, found, "at most -1.0 dBTP", "lower it in the mix"));
    }
    if let Some(music) = music.filter(|music| music.found == Some(true)) {
        let finding = Finding::new(
            "audio.music",
            Weight::Note,
            format!("perhaps music: notes that are held, {:.2} of 2, told from 1.55 on", music.score),
            "none where a score is to follow",
            "listen; strip the sound, or ask for none in the prompt",
        );
        findings.push(
            music.ranges.first().map_or_else(|| finding.clone(), |range| finding.clone().at(Span::Samples(*range))),
        );
    }
    findings
}

fn list(channels: &[u32]) -> String {
    channels.iter().map(|channel| (channel + 1).to_string()).collect::<Vec<_>>().join(" and ")
}

/// What is wrong with the picture.
#[must_use]
pub fn judge_picture(look: &Look) -> Vec<Finding> {
    let mut findings = Vec::new();
    if look.errors > 0 {
        let found = format!("{} packets or frames cannot be decoded whole", look.errors);
        let finding = Finding::new("video.decode_errors", Weight::Breach, found, "none", "render another take");
        let first = look.error_frames.first().map(|frame| TimeRange { start: *frame, end: Frames(frame.0 + 1) });
        findings.push(first.map_or_else(|| finding.clone(), |range| finding.clone().at(Span::Frames(range))));
    }
    let of = |range: &TimeRange<Frames>| range.end.0.saturating_sub(range.start.0);
    for range in &look.black {
        let whole = of(range) == look.frames;
        let weight = if whole { Weight::Breach } else { Weight::Note };
        let found = format!("{} black frames", of(range));
        let fix = "trim it in the edit, or render another take";
        findings.push(Finding::new("video.black", weight, found, "a picture", fix).at(Span::Frames(*range)));
    }
    // Black does not move either.
    let is_black = |range: &&TimeRange<Frames>| {
        look.black.iter().any(|black| black.start <= range.start && range.end <= black.end)
    };
    for range in look.frozen.iter().filter(|range| !is_black(range)) {
        let found = format!("nothing moves for {} frames", of(range));
        let fix = "trim it in the edit, or render another take";
        findings
            .push(Finding::new("video.frozen", Weight::Note, found, "a moving picture", fix).at(Span::Frames(*range)));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(findings: &[Finding]) -> Vec<(&str, Weight)> {
        findings.iter().map(|finding| (finding.rule.as_str(), finding.severity)).collect()
    }

    #[test]
    fn sound_is_judged_by_its_samples() {
        let range = |start, end| TimeRange { start: Samples(start), end: Samples(end) };
        let fine = Levels {
            samples: Samples(96_000),
            channels: 2,
            correlation: Some(0.2),
            sounding: Some(range(100, 95_000)),
            ..Levels::default()
        };
        let check = |levels: &Levels, peak: f64, expected: &[(&str, Weight)]| {
            let loudness = Loudness { true_peak_dbtp: Some(peak), ..Loudness::default() };
            assert_eq!(rules(&judge_sound(levels, &loudness, None)), expected);
        };
        check(&fine, -1.1, &[]);
        check(&fine, -0.9, &[("audio.true_peak", Weight::Note)]);
        let inverted = Levels { correlation: Some(-0.95), ..fine.clone() };
        check(&inverted, -6.0, &[("audio.inverted", Weight::Breach)]);
        let late = Levels { sounding: Some(range(24_000, 72_001)), ..fine.clone() };
        check(&late, -6.0, &[("audio.silence", Weight::Note)]);
        let half = Levels { dead_channels: vec![1], correlation: None, ..fine.clone() };
        check(&half, -6.0, &[("audio.dead", Weight::Note)]);
        let dead = Levels { dead_channels: vec![0, 1], sounding: None, ..fine };
        check(&dead, -99.0, &[("audio.dead", Weight::Breach)]);
    }

    #[test]
    fn black_counts_once_and_a_clip_of_nothing_else_is_a_breach() {
        let range = |start, end| TimeRange { start: Frames(start), end: Frames(end) };
        let look = Look {
            frames: 100,
            black: vec![range(0, 20)],
            frozen: vec![range(0, 20), range(50, 80)],
            ..Look::default()
        };
        assert_eq!(rules(&judge_picture(&look)), [("video.black", Weight::Note), ("video.frozen", Weight::Note)]);
        let black = Look { frames: 100, black: vec![range(0, 100)], ..Look::default() };
        assert_eq!(rules(&judge_picture(&black)), [("video.black", Weight::Breach)]);
    }
}
