//! The waveform of a clip's sound as an SVG: where someone speaks, and where it is silent.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use seedpost_core::media::MediaInfo;
use seedpost_core::time::{SampleRate, Samples, TimeRange};
use seedpost_media::MediaError;
use seedpost_media::hear::Heard;
use seedpost_media::wave::Wave;

use crate::project::write_whole;

/// The width of the drawing, in pixels.
const WIDTH: u64 = 1200;
/// Half the height of the waveform.
const HALF: f32 = 80.0;
/// Where the waveform begins, below the legend.
const TOP: u64 = 40;

/// Draws into a folder; answers the file's name, or nothing where there is no outline.
pub(crate) fn write(folder: &Path, heard: &Heard, info: &MediaInfo) -> Result<Option<String>, MediaError> {
    let Some(wave) = &heard.wave else { return Ok(None) };
    let name = "waveform.svg";
    let rate = info.video.as_ref().and_then(|video| video.rate);
    let text = draw(wave, heard, rate.map_or(24, seedpost_core::time::FrameRate::nominal));
    write_whole(&folder.join(name), |out| out.write_all(text.as_bytes()).map_err(MediaError::Io))?;
    Ok(Some(name.to_owned()))
}

fn draw(wave: &Wave, heard: &Heard, frames: u32) -> String {
    let total = heard.levels.samples.0.max(1);
    let x = |sample: u64| u128::from(sample.min(total)) * u128::from(WIDTH) / u128::from(total) + 20;
    let mut body = String::new();
    let height = 2 * HALF as u64;
    let mut band = |class: &str, range: &TimeRange<Samples>, words: &str| {
        let (from, to) = (x(range.start.0), x(range.end.0));
        let width = to.saturating_sub(from).max(1);
        let _ = writeln!(
            body,
            "<rect class=\"{class}\" x=\"{from}\" y=\"{TOP}\" width=\"{width}\" height=\"{height}\"><title>{words}</title></rect>"
        );
    };
    let whole = TimeRange { start: Samples(0), end: Samples(total) };
    band("sound", &whole, "sound");
    let sounding = heard.levels.sounding.unwrap_or(TimeRange { start: Samples(total), end: Samples(total) });
    for range in [(0, sounding.start.0), (sounding.end.0, total)] {
        if range.0 < range.1 {
            band("silence", &TimeRange { start: Samples(range.0), end: Samples(range.1) }, "silence, below -60 dBFS");
        }
    }
    heard.speech.iter().flatten().for_each(|region| band("speech", &region.range, "speech (estimated)"));
    let _ = writeln!(body, "<path class=\"wave\" d=\"{}\"/>", outline(wave, x));
    let bottom = TOP + height;
    for second in 0..=total / u64::from(SampleRate::HZ_48000.hertz()) {
        let at = x(second * 48_000);
        let label =
            if second % 5 == 0 { format!("{second} s · {}", second * u64::from(frames)) } else { String::new() };
        let _ = writeln!(
            body,
            "<path class=\"tick\" d=\"M{at} {bottom}v6\"/><text x=\"{at}\" y=\"{}\">{label}</text>",
            bottom + 20
        );
    }
    page(&body, bottom + 40)
}

/// A closed path around the outline.
fn outline(wave: &Wave, x: impl Fn(u64) -> u128) -> String {
    let middle = TOP as f32 + HALF;
    let place = |index: usize| x(index as u64 * wave.stretch);
    let above = wave.peaks.iter().enumerate().map(|(index, (_, high))| (place(index), middle - high.min(1.0) * HALF));
    let below = wave.peaks.iter().enumerate().rev();
    let below = below.map(|(index, (low, _))| (place(index), middle - low.max(-1.0) * HALF));
    let points: String = above.chain(below).map(|(x, y)| format!("L{x} {y:.1}")).collect();
    format!("M20 {middle}{points}Z")
}

fn page(body: &str, height: u64) -> String {
    let width = WIDTH + 40;
    let legend: String = [("speech", 20), ("silence", 140)]
        .into_iter()
        .map(|(class, x)| {
            format!(
                "<rect class=\"{class}\" x=\"{x}\" y=\"12\" width=\"14\" height=\"14\"/><text x=\"{}\" y=\"24\">{class}</text>\n",
                x + 20
            )
        })
        .collect();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
         <style>text{{font:12px sans-serif;fill:#555}}.sound{{fill:#f4f4f4}}.speech{{fill:#7aa7d8;fill-opacity:.45}}\
         .silence{{fill:#d0d0d0}}.wave{{fill:#333}}.tick{{stroke:#999}}</style>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n{legend}{body}</svg>\n"
    )
}
