//! The pulldown of sound: a stem made 1001/1000 as long, for a picture that is slowed from 24 to 24000/1001 frames a
//! second, from 30 to 30000/1001, or from 60 to 60000/1001.
//!
//! It gets as much lower: 1000 Hz become 999.001 Hz. Deliberately absent: other changes of speed, and keeping the
//! pitch, which [`crate::stretch`] does.

use std::io::{Read, Seek, Write};

use seedpost_core::time::{FrameRate, Frames, Rounding, SampleRate, Samples, TimeRange, Timecode};

use crate::MediaError;
use crate::rate::To48;
use crate::riff;
use crate::wav::{Label, Stem};

/// What was done, in the coding history of a slowed stem.
const TREATMENT: &str = "resampled by 1001/1000, dithered to 24 bits";

/// What the slowed copy of a stem says of itself: the same label, counted without drop-frame at the slowed rate, and
/// the samples that pass until then. `unique_id` is that of the copy.
///
/// # Errors
/// `Unsupported` for a stem at another rate than 24, 30 and 60.
pub fn label(label: &Label, unique_id: String) -> Result<Label, MediaError> {
    let from = label.start.rate();
    let made = || {
        let rate = from.slowed()?;
        let start = Timecode::from_frames(label.start.frames(), rate, false)?;
        Some((start, length(start.frames(), rate)?.0))
    };
    let (start, time_reference) =
        made().ok_or_else(|| MediaError::Unsupported(format!("slowing from {from} frames a second")))?;
    let said = [label.treatment.as_str(), TREATMENT].into_iter().filter(|words| !words.is_empty());
    let usual = match from.num() {
        24 => "23.976",
        30 => "29.97",
        _ => "59.94",
    };
    let note = format!("conformed {from} → {usual} (×1001/1000)");
    Ok(Label {
        note: if label.note.is_empty() { note } else { format!("{}; {note}", label.note) },
        treatment: said.collect::<Vec<_>>().join(", "),
        start,
        time_reference,
        unique_id,
        ..label.clone()
    })
}

/// Writes a stem 1001/1000 as long: exactly as long as `frames` are at the rate of the label, which is that of the copy
/// ([`label()`]). What passes the end is cut, what is missing is silence; samples past full scale are clipped.
///
/// What is heard at time 0 stays there. Up to 20 kHz the level stays what it is. Memory does not grow with the length.
///
/// # Errors
/// `Unsupported` for another file than a WAV at 48 kHz of as many channels as the label has tracks, `Malformed` where
/// it is cut or lies, `Limit` past 4 GiB.
pub fn slow<R: Read + Seek, W: Write>(mut source: R, out: W, frames: Frames, label: &Label) -> Result<W, MediaError> {
    if !riff::is_wav(&mut source)? {
        return Err(MediaError::malformed("wav", 0, "it does not begin as a WAV does"));
    }
    let wav = riff::read(&mut source)?;
    let channels = usize::from(wav.channels);
    if wav.rate != SampleRate::HZ_48000 || channels != label.functions.len() {
        let hertz = wav.rate.hertz();
        return Err(MediaError::Unsupported(format!("a stem of {channels} channels at {hertz} Hz")));
    }
    // Where it does not fit into a number, it does not fit into a WAV either.
    let length = length(frames, label.start.rate()).unwrap_or(Samples(u64::MAX));
    let mut stem = Stem::begin(out, length, label)?.dithered();
    let mut resampler = To48::slow(channels)?;
    let all = TimeRange { start: Samples(0), end: length };
    riff::samples(&mut source, &wav, all, &mut |block| resampler.add(block, &mut |block| stem.add(block)))?;
    resampler.end(&mut |block| stem.add(block))?;
    stem.end()
}

fn length(frames: Frames, rate: FrameRate) -> Option<Samples> {
    rate.samples(frames, SampleRate::HZ_48000, Rounding::Nearest)
}
