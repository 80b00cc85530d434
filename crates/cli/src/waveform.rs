//! The waveform of a clip's sound as an SVG: where someone speaks, and where it is silent.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use seedpost_core::media::MediaInfo;
use seedpost_core::time::{SampleRate, Samples, TimeRange};
use seedpost_media::MediaError;
use seedpost_media::hear::Heard;
use seedpost_media::wave::Wave;

use crate::drawing::outline;
use crate::project::write_whole;

/// The width of the drawing, in pixels.
pub(crate) const WIDTH: u64 = 1200;
/// The blank on either side.
pub(crate) const MARGIN: u64 = 20;
/// Half the height of the waveform.
const HALF: u64 = 80;
/// Where the waveform begins, below the legend.
pub(crate) const TOP: u64 = 40;

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
    let (body, height) = body(wave, Some(heard), heard.levels.samples, frames);
    page(&body, height)
}

/// The inside of the drawing, [`WIDTH`] and two margins across, and its height. `frames` is those of a second.
pub(crate) fn body(wave: &Wave, heard: Option<&Heard>, total: Samples, frames: u32) -> (String, u64) {
    let total = total.0.max(1);
    let x = |sample: u64| u128::from(sample.min(total)) * u128::from(WIDTH) / u128::from(total) + u128::from(MARGIN);
    let mut body = heard.map_or_else(String::new, |heard| bands(heard, total, (TOP, 2 * HALF), &x));
    let _ = writeln!(body, "<path class=\"wave\" d=\"{}\"/>", outline(wave, TOP + HALF, HALF, &x));
    let bottom = TOP + 2 * HALF;
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
    (body, bottom + 40)
}

/// Where it is silent, where someone speaks and where there is music, from `top` on so high; behind them the whole sound.
pub(crate) fn bands(heard: &Heard, total: u64, (top, height): (u64, u64), x: &impl Fn(u64) -> u128) -> String {
    let mut body = String::new();
    let mut band = |class: &str, range: &TimeRange<Samples>, words: &str| {
        let (from, to) = (x(range.start.0), x(range.end.0));
        let width = to.saturating_sub(from).max(1);
        let _ = writeln!(
            body,
            "<rect class=\"{class}\" x=\"{from}\" y=\"{top}\" width=\"{width}\" height=\"{height}\"><title>{words}</title></rect>"
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
    let music = heard.music.iter().filter(|music| music.found == Some(true)).flat_map(|music| &music.ranges);
    music.for_each(|range| band("music", range, "perhaps music (estimated)"));
    heard.speech.iter().flatten().for_each(|region| band("speech", &region.range, "speech (estimated)"));
    body
}

fn page(body: &str, height: u64) -> String {
    let width = WIDTH + 2 * MARGIN;
    let legend: String = [("speech", 20), ("silence", 140), ("music", 260)]
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
         .silence{{fill:#d0d0d0}}.music{{fill:#b58ad6;fill-opacity:.45}}.wave{{fill:#333}}.tick{{stroke:#999}}</style>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n{legend}{body}</svg>\n"
    )
}
