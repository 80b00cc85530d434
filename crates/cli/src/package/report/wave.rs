//! A clip's sound as a drawing within the page: supplied recordings over the render, or the render alone.

use std::fmt::Write as _;
use std::path::Path;

use seedpost_core::report::Drawing;
use seedpost_core::time::{Rounding, SampleRate, Samples, TimeRange};
use seedpost_core::timeline::{Clip, Role, Stem};
use seedpost_media::decode;
use seedpost_media::wave::{Pen, Wave};

use crate::cut::SelectedTake;
use crate::drawing::coarse;
use crate::output::{Exit, Failure};
use crate::project::open_plain;
use crate::waveform::{MARGIN, WIDTH};
use crate::{sync_plot, waveform};

/// The most stretches of an outline: a page may hold five hundred clips.
const STRETCHES: usize = 360;

/// Draws what the package's stems hold; nothing where there is no whole stem.
pub(super) fn draw(draft: &Path, clip: &Clip, take: Option<&SelectedTake>) -> Result<Option<Drawing>, Failure> {
    let Some(whole) = clip.stems.iter().find(|stem| stem.role.is_whole()) else { return Ok(None) };
    let facts = take.map(|take| &take.facts);
    let heard = facts.and_then(|facts| facts.content.sound.as_ref());
    let rate =
        facts.and_then(|facts| facts.info.video.as_ref()?.rate).unwrap_or(seedpost_core::time::FrameRate::FPS_24);
    let render = outline(draft, whole)?;
    let supplied = clip.stems.iter().filter(|stem| matches!(stem.role, Role::Reference(_)));
    let supplied = supplied.map(|stem| outline(draft, stem)).collect::<Result<Vec<_>, _>>()?;
    let sync = facts.and_then(|facts| facts.sound.sync.as_ref()).filter(|_| !supplied.is_empty());
    let (mut body, height) = match sync {
        Some(sync) => sync_plot::body(&together(&supplied), &render, heard, sync, whole.samples),
        None => waveform::body(&render, heard, whole.samples, rate.nominal()),
    };
    let used = |frame| rate.samples(frame, SampleRate::HZ_48000, Rounding::Nearest).unwrap_or_default();
    let used =
        TimeRange { start: used(clip.from), end: used(seedpost_core::time::Frames(clip.from.0 + clip.frames.0)) };
    body += &unused(used, whole.samples, height);
    // The whole drawings have title and legend above; the page has its own.
    let top = if sync.is_some() { sync_plot::ABOVE } else { waveform::TOP }.saturating_sub(24);
    Ok(Some(Drawing { body, top, width: WIDTH + 2 * MARGIN, height }))
}

fn outline(draft: &Path, stem: &Stem) -> Result<Wave, Failure> {
    let path = draft.join(&stem.file);
    let mut pen = Pen::new();
    let all = TimeRange { start: Samples(0), end: Samples(u64::MAX) };
    let heard = open_plain(&path).map_err(|error| Failure::disk("read", &path, &error)).and_then(|file| {
        let add = &mut |block: &[&[f32]]| {
            pen.add(block);
            Ok(())
        };
        decode::each(file, all, add).map_err(|error| {
            let message = format!("failed to draw {}: {error}", path.display());
            Failure::new(Exit::Media, message, "`seedpost run` makes the stem anew once it is removed from its take")
        })
    });
    heard.map(|_| coarse(&pen.finish(), STRETCHES))
}

/// Recordings that lie one behind the other, each in a stem of the whole length.
fn together(waves: &[Wave]) -> Wave {
    let mut all = Wave { stretch: waves.first().map_or(1, |wave| wave.stretch), peaks: Vec::new() };
    for wave in waves {
        all.peaks.resize(all.peaks.len().max(wave.peaks.len()), (0.0, 0.0));
        all.peaks.iter_mut().zip(&wave.peaks).for_each(|(all, one)| *all = (all.0.min(one.0), all.1.max(one.1)));
    }
    all
}

/// Shades what the cut does not use.
fn unused(used: TimeRange<Samples>, total: Samples, height: u64) -> String {
    let x = |sample: u64| u128::from(sample) * u128::from(WIDTH) / u128::from(total.0.max(1)) + u128::from(MARGIN);
    let mut body = String::new();
    for (from, to) in [(0, used.start.0.min(total.0)), (used.end.0.min(total.0), total.0)] {
        if from < to {
            let (left, width) = (x(from), x(to) - x(from));
            let _ = write!(
                body,
                "<rect class=\"unused\" x=\"{left}\" y=\"0\" width=\"{width}\" height=\"{height}\"><title>handle: not in the cut</title></rect>"
            );
        }
    }
    body
}
