//! Carries out a trim plan: a WAV upload copy of exactly the kept samples, with 5 ms fades at cuts.
//!
//! Upload sample `n` is source sample `kept.start + n` at the source's own rate; integer WAV keeps its
//! bits outside the fades. Deliberately absent: resampling, and any change to the source.

use std::io::{Read, Seek, SeekFrom, Write};

use hound::{SampleFormat, WavSpec, WavWriter};
use seedpost_core::time::{Samples, TimeRange};
use seedpost_core::trim::Cut;

use crate::MediaError;
use crate::decode::{MAX_SAMPLES, decode};
use crate::riff;
use crate::wav::quantise;

/// Fades last a two-hundredth of a second.
const FADES_A_SECOND: u32 = 200;

/// Writes the kept part of `source` to `out`.
///
/// Integer WAV of 16 or 24 bits keeps its depth; everything else becomes 24 bits.
///
/// # Errors
/// As [`decode`]; also `Limit` when more than ten minutes are kept.
pub fn conform<R, W>(mut source: R, cut: &Cut, out: W) -> Result<(), MediaError>
where
    R: Read + Seek + Send + Sync + 'static,
    W: Write + Seek,
{
    let length = cut.kept.length().0;
    if length > MAX_SAMPLES {
        return Err(MediaError::Limit { what: "samples kept of one sound", found: length, allowed: MAX_SAMPLES });
    }
    let (spec, mut samples) = match plain(&mut source, cut)? {
        Some(read) => read,
        None => decoded(source, cut.kept)?,
    };
    fade(&mut samples, spec, cut);
    let mut writer = WavWriter::new(out, spec).map_err(translate)?;
    for sample in samples {
        writer.write_sample(sample).map_err(translate)?;
    }
    writer.finalize().map_err(translate)
}

/// Reads interleaved samples of an integer WAV as they stand; `None` for any other file.
fn plain<R: Read + Seek>(source: &mut R, cut: &Cut) -> Result<Option<(WavSpec, Vec<i32>)>, MediaError> {
    let mut mark = [0; 4];
    source.seek(SeekFrom::Start(0))?;
    if source.read_exact(&mut mark).is_err() || mark != *b"RIFF" {
        return Ok(None);
    }
    let wav = match riff::read(source) {
        Ok(wav) if !wav.float && matches!(wav.bits, 16 | 24) => wav,
        Ok(_) | Err(MediaError::Unsupported(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let width = usize::from(wav.bits / 8);
    let frame = width as u64 * u64::from(wav.channels);
    let mut bytes = Vec::new();
    source.seek(SeekFrom::Start(wav.start + cut.kept.start.0 * frame))?;
    source.take(cut.kept.length().0 * frame).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != cut.kept.length().0 * frame || cut.kept.end > wav.samples {
        return Err(MediaError::malformed("wav", wav.start, "the file ends before its header says"));
    }
    let sample = |bytes: &[u8]| match *bytes {
        [low, high] => i32::from(i16::from_le_bytes([low, high])),
        [low, middle, high] => i32::from_le_bytes([0, low, middle, high]) >> 8,
        _ => 0,
    };
    let samples = bytes.chunks_exact(width).map(sample).collect();
    let sample_format = SampleFormat::Int;
    let spec =
        WavSpec { channels: wav.channels, sample_rate: wav.rate.hertz(), bits_per_sample: wav.bits, sample_format };
    Ok(Some((spec, samples)))
}

fn decoded<R: Read + Seek + Send + Sync + 'static>(
    mut source: R,
    kept: TimeRange<Samples>,
) -> Result<(WavSpec, Vec<i32>), MediaError> {
    source.seek(SeekFrom::Start(0))?;
    let sound = decode(source, Some(kept))?;
    if sound.length() != kept.length() {
        let what = format!("{} samples were expected, {} could be decoded", kept.length().0, sound.length().0);
        return Err(MediaError::malformed("sound", 0, what));
    }
    let channels = u16::try_from(sound.channels.len())
        .map_err(|_| MediaError::Unsupported("more channels than a WAV holds".to_owned()))?;
    let spec =
        WavSpec { channels, sample_rate: sound.rate.hertz(), bits_per_sample: 24, sample_format: SampleFormat::Int };
    let frames = 0..sound.channels.first().map_or(0, Vec::len);
    let samples = frames.flat_map(|index| sound.channels.iter().map(move |channel| quantise(channel[index]))).collect();
    Ok((spec, samples))
}

/// Fades linearly in at a cut beginning and out at a cut end; whole ends are left alone.
fn fade(samples: &mut [i32], spec: WavSpec, cut: &Cut) {
    let channels = usize::from(spec.channels.max(1));
    let length = (spec.sample_rate / FADES_A_SECOND) as usize;
    let ramp = |frames: &mut dyn Iterator<Item = &mut [i32]>| {
        for (step, frame) in frames.take(length).enumerate() {
            for sample in frame {
                let scaled = i64::from(*sample) * step as i64 / length as i64;
                *sample = i32::try_from(scaled).unwrap_or(*sample);
            }
        }
    };
    if cut.kept.start.0 > 0 {
        ramp(&mut samples.chunks_exact_mut(channels));
    }
    if cut.kept.end < cut.source {
        ramp(&mut samples.chunks_exact_mut(channels).rev());
    }
}

fn translate(error: hound::Error) -> MediaError {
    match error {
        hound::Error::IoError(error) => MediaError::Io(error),
        other => MediaError::malformed("wav", 0, other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hound::WavReader;
    use seedpost_core::time::SampleRate;
    use std::io::Cursor;

    fn wav(samples: &[i16], rate: u32) -> Vec<u8> {
        let spec = WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let mut file = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut file, spec).expect("a writer");
        for sample in samples {
            writer.write_sample(*sample).expect("a sample");
        }
        writer.finalize().expect("a file");
        file.into_inner()
    }

    /// The upload copy of a mono source at 16 kHz, of which `start..end` is kept.
    fn conformed(source: &[i16], start: u64, end: u64) -> Vec<i16> {
        let rate = SampleRate::new(16_000).expect("not zero");
        let kept = TimeRange { start: Samples(start), end: Samples(end) };
        let cut = Cut { rate, source: Samples(source.len() as u64), kept };
        let mut out = Cursor::new(Vec::new());
        conform(Cursor::new(wav(source, 16_000)), &cut, &mut out).expect("a WAV");
        let reader = WavReader::new(Cursor::new(out.into_inner())).expect("a WAV");
        reader.into_samples().map(|sample| sample.expect("a sample")).collect()
    }

    #[test]
    fn kept_samples_are_the_sources_own_outside_the_fades() {
        let source: Vec<i16> = (0..16_000).map(|n| (n % 30_000) as i16).collect();
        let found = conformed(&source, 1000, 9000);
        assert_eq!(found.len(), 8000);
        assert_eq!(found[80..7920], source[1080..8920]);
        assert_eq!((found[0], found[7999]), (0, 0));
        assert!(found[40] < source[1040] && found[7960] < source[8960]);
    }

    #[test]
    fn what_is_not_cut_is_not_faded() {
        let source = [9_i16; 4000];
        assert_eq!(conformed(&source, 0, 4000), source);
    }
}
