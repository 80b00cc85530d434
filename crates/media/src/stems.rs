//! Sound as stems: 48 kHz, mono or stereo, exactly as long as the picture.

use audioadapter_buffers::direct::SequentialSliceOfVecs;
use rubato::{Fft, FixedSync, Resampler};
use seedpost_core::time::{Rounding, SampleRate, Samples};

use crate::MediaError;
use crate::decode::{MAX_SAMPLES, Sound};
use crate::wav::MAX_CHANNELS;

/// Lays sound into silence of exactly `length` samples at 48 kHz, beginning at `offset`.
///
/// What passes the end is cut, what is missing is silence, and another rate is resampled. A mono sound
/// stays mono: nothing is invented.
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
    let sound = resample(sound)?;
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

/// Resamples to 48 kHz, to the nearest whole length and about half a sample late.
fn resample(sound: &Sound) -> Result<Sound, MediaError> {
    let (from, to) = (sound.rate, SampleRate::HZ_48000);
    let frames = sound.channels.first().map_or(0, Vec::len);
    if from == to || frames == 0 {
        return Ok(Sound { rate: to, channels: sound.channels.clone() });
    }
    let failed = |error: String| MediaError::Unsupported(format!("resampling from {} Hz: {error}", from.hertz()));
    let channels = sound.channels.len();
    let mut resampler = Fft::<f32>::new(from.hertz() as usize, to.hertz() as usize, 1024, channels, FixedSync::Both)
        .map_err(|error| failed(error.to_string()))?;
    let input =
        SequentialSliceOfVecs::new(&sound.channels, channels, frames).map_err(|error| failed(error.to_string()))?;
    let output = resampler.process_all(&input, frames, None).map_err(|error| failed(error.to_string()))?.take_data();
    let wanted = Rounding::Nearest.divide(frames as u128 * u128::from(to.hertz()), u128::from(from.hertz()));
    let wanted = wanted.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    let plane = |index: usize| {
        let mut plane: Vec<f32> = output.iter().skip(index).step_by(channels).take(wanted).copied().collect();
        plane.resize(wanted, 0.0);
        plane
    };
    Ok(Sound { rate: to, channels: (0..channels).map(plane).collect() })
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
        // The resampler's delay of about half a sample is 0.03 at 440 Hz; a whole one would be 0.058.
        assert!(worst < 0.035, "{worst}");
    }
}
