//! Sound as stems: 48 kHz, two sides, exactly as long as the picture.

use std::collections::BTreeSet;
use std::io::{Read, Seek, Write};

use seedpost_core::time::{SampleRate, Samples, TimeRange};

use crate::MediaError;
use crate::decode::{MAX_SAMPLES, Sound, each};
use crate::rate::To48;
use crate::wav::{Label, MAX_CHANNELS, Stem};

/// Lays sound into silence of exactly `length` samples at 48 kHz, beginning at `offset`.
///
/// What passes the end is cut, what is missing is silence, and another rate is resampled. A mono sound
/// stays mono here; a stem has it on both sides.
///
/// # Errors
/// `Unsupported` for more than two channels.
pub fn lay(sound: &Sound, offset: Samples, length: Samples) -> Result<Sound, MediaError> {
    if sound.channels.len() > MAX_CHANNELS {
        return Err(MediaError::Unsupported(format!(
            "sound of {} channels; stems are mono or stereo",
            sound.channels.len()
        )));
    }
    if length.0 > MAX_SAMPLES {
        return Err(MediaError::Limit { what: "samples of a stem", found: length.0, allowed: MAX_SAMPLES });
    }
    let sound = to_48(sound)?;
    let size = |samples: Samples| usize::try_from(samples.0).unwrap_or(usize::MAX);
    let (offset, length) = (size(offset), size(length));
    let channels = sound.channels.into_iter().map(|channel| {
        let silence = std::iter::repeat_n(0.0, offset);
        let mut laid: Vec<f32> = silence.chain(channel).take(length).collect();
        laid.resize(length, 0.0);
        laid
    });
    Ok(Sound { rate: SampleRate::HZ_48000, channels: channels.collect() })
}

/// What is done to sounds to make a stem of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Treatment {
    /// The rates that are resampled, each once.
    resampled: BTreeSet<SampleRate>,
    widened: bool,
    stretched: bool,
}

impl Treatment {
    /// What sounds of these rates need, laid on so many channels, stretched or not.
    #[must_use]
    pub fn of(rates: impl IntoIterator<Item = SampleRate>, channels: usize, stretched: bool) -> Treatment {
        let resampled = rates.into_iter().filter(|rate| *rate != SampleRate::HZ_48000).collect();
        Treatment { resampled, widened: channels == 1, stretched }
    }

    /// Whether samples are computed anew, so that they are dithered.
    #[must_use]
    pub fn is_computed(&self) -> bool {
        !self.resampled.is_empty() || self.stretched
    }

    /// Whether one channel goes to both sides.
    #[must_use]
    pub fn is_widened(&self) -> bool {
        self.widened
    }
}

impl std::fmt::Display for Treatment {
    /// In words; nothing where the sound stays as it came.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rates: Vec<String> = self.resampled.iter().map(|rate| format!("{} Hz", rate.hertz())).collect();
        let resampled = (!rates.is_empty()).then(|| format!("resampled from {}", rates.join(" and ")));
        let stretched = self.stretched.then(|| "stretched".to_owned());
        let dithered = self.is_computed().then(|| "dithered to 24 bits".to_owned());
        let widened = self.widened.then(|| "one channel on both sides".to_owned());
        let words: Vec<String> = [resampled, stretched, dithered, widened].into_iter().flatten().collect();
        f.write_str(&words.join(", "))
    }
}

/// Resamples to 48 kHz, to the nearest whole length.
///
/// # Errors
/// `Unsupported` for a rate that cannot be converted.
pub fn to_48(sound: &Sound) -> Result<Sound, MediaError> {
    let planes: Vec<&[f32]> = sound.channels.iter().map(Vec::as_slice).collect();
    let mut channels = vec![Vec::new(); planes.len()];
    let mut take = |block: &[&[f32]]| {
        channels
            .iter_mut()
            .zip(block)
            .for_each(|(channel, plane): (&mut Vec<f32>, _)| channel.extend_from_slice(plane));
        Ok(())
    };
    let mut resampler = To48::new(sound.rate, planes.len())?;
    resampler.add(&planes, &mut take)?;
    resampler.end(&mut take)?;
    Ok(Sound { rate: SampleRate::HZ_48000, channels })
}

/// Writes each side of a stem as a file of its own, one channel each, sample for sample.
///
/// # Errors
/// `Unsupported` for a stem that is not of as many channels as there are sides; those of the disk.
pub fn split<R, W>(stem: R, sides: Vec<(W, &Label)>, length: Samples) -> Result<(), MediaError>
where
    R: Read + Seek + Send + Sync + 'static,
    W: Write,
{
    let begin = |(out, label)| Stem::begin(out, length, label);
    let mut files: Vec<Stem<W>> = sides.into_iter().map(begin).collect::<Result<_, _>>()?;
    let all = TimeRange { start: Samples(0), end: length };
    each(stem, all, &mut |block| {
        if block.len() != files.len() {
            return Err(MediaError::Unsupported(format!("a stem of {} channels", block.len())));
        }
        files.iter_mut().zip(block).try_for_each(|(file, plane)| file.add(&[plane]))
    })?;
    files.into_iter().try_for_each(|file| file.end().map(|_| ()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: u32, seconds: f64) -> Sound {
        let rate = SampleRate::new(hertz).expect("not zero");
        let length = (f64::from(hertz) * seconds) as usize;
        let wave = |n: usize| (n as f64 / f64::from(hertz) * 440.0 * std::f64::consts::TAU).sin() as f32;
        Sound { rate, channels: vec![(0..length).map(wave).collect()] }
    }

    #[test]
    fn a_stem_is_exactly_as_long_as_its_picture() {
        for seconds in [0.5, 1.0, 2.0] {
            let laid = lay(&tone(48_000, seconds), Samples(100), Samples(48_000)).expect("mono");
            assert_eq!(laid.length(), Samples(48_000));
            assert_eq!(laid.channels[0][..101], [0.0; 101]);
        }
    }

    #[test]
    fn resampling_keeps_time_and_level() {
        let ours = lay(&tone(44_100, 1.0), Samples(0), Samples(48_000)).expect("mono");
        let ideal = tone(48_000, 1.0);
        let worst = ours.channels[0][2000..46_000]
            .iter()
            .zip(&ideal.channels[0][2000..46_000])
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        // Half a sample of delay would be 0.03 at 440 Hz.
        assert!(worst < 0.002, "{worst}");
    }
}
