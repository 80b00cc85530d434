//! Sound as stems: 48 kHz, mono or stereo, exactly as long as the picture.

use seedpost_core::time::{SampleRate, Samples};

use crate::MediaError;
use crate::decode::{MAX_SAMPLES, Sound};
use crate::rate::To48;
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

/// Resamples to 48 kHz, to the nearest whole length.
fn resample(sound: &Sound) -> Result<Sound, MediaError> {
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
