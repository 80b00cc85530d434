//! Carries out a trim plan: a WAV upload copy of exactly the kept samples, with 5 ms fades at cuts.
//!
//! Upload sample `n` is source sample `kept.start + n` at the source's own rate; a WAV keeps its bits
//! outside the fades, unless it goes to 16 bits to fit a limit. Deliberately absent: resampling, and
//! any change to the source.

use std::io::{Read, Seek, SeekFrom, Write};

use hound::{SampleFormat, WavSpec, WavWriter};
use seedpost_core::trim::Cut;

use crate::MediaError;
use crate::decode::each;
use crate::riff::{self, Wav};

/// Fades last a two-hundredth of a second.
const FADES_A_SECOND: u32 = 200;
/// The bytes that are copied at a time.
const BLOCK: u64 = 1 << 18;

/// Writes the kept part of `source` to `out`, with so many bits a sample (8, 16, 24, 32 or 64).
///
/// A WAV of that width is copied as it is, float or integer; everything else becomes integers of 16 or
/// 24 bits, rounded to the nearest.
///
/// # Errors
/// As [`each`]; also `Unsupported` for widths that cannot be written, `Limit` past 4 GiB.
pub fn conform<R, W>(mut source: R, cut: &Cut, bits: u16, out: &mut W) -> Result<(), MediaError>
where
    R: Read + Seek + Send + Sync + 'static,
    W: Write + Seek,
{
    match plain(&mut source)? {
        Some(wav) if wav.bits.div_ceil(8) * 8 == bits => copy(&mut source, &wav, cut, out),
        _ => convert(source, cut, bits, out),
    }
}

/// The header of a WAV of plain samples; `None` for any other file.
fn plain<R: Read + Seek>(source: &mut R) -> Result<Option<Wav>, MediaError> {
    if !riff::is_wav(source)? {
        return Ok(None);
    }
    match riff::read(source) {
        Ok(wav) => Ok(Some(wav)),
        Err(MediaError::Unsupported(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Copies bytes, block by block; only the fades are computed.
fn copy<R: Read + Seek, W: Write>(source: &mut R, wav: &Wav, cut: &Cut, out: &mut W) -> Result<(), MediaError> {
    let frame = wav.frame() as u64;
    let length = cut.kept.length().0;
    if cut.kept.end > wav.samples || cut.rate != wav.rate {
        return Err(MediaError::malformed("wav", wav.start, "the file is not the one that was planned"));
    }
    riff::write_header(wav, length, out)?;
    source.seek(SeekFrom::Start(wav.start.saturating_add(cut.kept.start.0.saturating_mul(frame))))?;
    let fade = Fade::new(cut);
    let block = (BLOCK / frame).max(1);
    let mut bytes = Vec::new();
    let mut at = 0;
    while at < length {
        let frames = block.min(length - at);
        bytes.clear();
        source.by_ref().take(frames * frame).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != frames * frame {
            return Err(MediaError::malformed("wav", wav.start, "the file ends before its header says"));
        }
        for (index, samples) in bytes.chunks_exact_mut(wav.frame()).enumerate() {
            if let Some(gain) = fade.at(at + index as u64) {
                samples.chunks_exact_mut(wav.width()).for_each(|sample| scale(wav.float, sample, gain));
            }
        }
        out.write_all(&bytes)?;
        at += frames;
    }
    if (length * frame) % 2 == 1 {
        out.write_all(&[0])?;
    }
    Ok(())
}

/// Multiplies one little-endian sample by `gain.0 ÷ gain.1`, rounding integers towards silence.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "gains are small; floats round")]
fn scale(float: bool, sample: &mut [u8], (num, den): (i64, i64)) {
    match (float, &mut *sample) {
        (true, [a, b, c, d]) => {
            let value = f64::from(f32::from_le_bytes([*a, *b, *c, *d])) * num as f64 / den as f64;
            sample.copy_from_slice(&(value as f32).to_le_bytes());
        }
        (true, [a, b, c, d, e, f, g, h]) => {
            let value = f64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]) * num as f64 / den as f64;
            sample.copy_from_slice(&value.to_le_bytes());
        }
        // WAV keeps 8 bits without a sign, around 128.
        (_, [byte]) => *byte = (((i64::from(*byte) - 128) * num / den) + 128).clamp(0, 255) as u8,
        (_, bytes) => {
            let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
            let mut wide = if negative { [0xff; 8] } else { [0; 8] };
            let width = bytes.len().min(8);
            wide[..width].copy_from_slice(&bytes[..width]);
            let scaled = i128::from(i64::from_le_bytes(wide)) * i128::from(num) / i128::from(den);
            bytes[..width].copy_from_slice(&(scaled as i64).to_le_bytes()[..width]);
        }
    }
}

/// How loud each kept sample is near a cut.
struct Fade {
    /// Samples of a fade.
    span: u64,
    /// Samples that are kept.
    length: u64,
    begin: bool,
    end: bool,
}

impl Fade {
    fn new(cut: &Cut) -> Fade {
        let length = cut.kept.length().0;
        let span = u64::from(cut.rate.hertz() / FADES_A_SECOND);
        Fade { span, length, begin: cut.kept.start.0 > 0, end: cut.kept.end < cut.source }
    }

    /// The gain of upload sample `at` as a fraction; `None` outside the fades.
    fn at(&self, at: u64) -> Option<(i64, i64)> {
        let step = |distance: u64| (distance < self.span).then_some(distance);
        let before = step(at).filter(|_| self.begin);
        let after = step(self.length.saturating_sub(1).saturating_sub(at)).filter(|_| self.end);
        let step = before.into_iter().chain(after).min()?;
        Some((i64::try_from(step).ok()?, i64::try_from(self.span).ok()?))
    }
}

/// Decodes, and writes integers of 16 or 24 bits.
fn convert<R, W>(source: R, cut: &Cut, bits: u16, out: &mut W) -> Result<(), MediaError>
where
    R: Read + Seek + Send + Sync + 'static,
    W: Write + Seek,
{
    if !matches!(bits, 16 | 24) {
        return Err(MediaError::Unsupported(format!("a copy of {bits} bits")));
    }
    let fade = Fade::new(cut);
    let mut out = Some(out);
    let mut writer = None;
    let mut at = 0_u64;
    each(source, cut.kept, &mut |block| {
        if writer.is_none() {
            let sample_rate = cut.rate.hertz();
            let channels = holds(block.len(), sample_rate, bits)
                .ok_or_else(|| MediaError::Unsupported("more channels than a WAV holds".to_owned()))?;
            let spec = WavSpec { channels, sample_rate, bits_per_sample: bits, sample_format: SampleFormat::Int };
            writer = out.take().map(|out| WavWriter::new(out, spec)).transpose().map_err(translate)?;
        }
        let Some(writer) = &mut writer else { return Ok(()) };
        let length = block.first().map_or(0, |plane| plane.len());
        for index in 0..length {
            let gain = fade.at(at);
            for plane in block {
                let sample = plane.get(index).copied().unwrap_or_default();
                writer.write_sample(quantise(sample, bits, gain)).map_err(translate)?;
            }
            at += 1;
        }
        Ok(())
    })?;
    if at != cut.kept.length().0 {
        let what = format!("{} samples were expected, {at} could be decoded", cut.kept.length().0);
        return Err(MediaError::malformed("sound", 0, what));
    }
    writer.map_or(Ok(()), |writer| writer.finalize().map_err(translate))
}

/// The channels, if a WAV's header has room for the bytes of one sample of all, and of a second: hound
/// does not look.
fn holds(channels: usize, hertz: u32, bits: u16) -> Option<u16> {
    let channels = u16::try_from(channels).ok().filter(|channels| *channels > 0)?;
    let frame = channels.checked_mul(bits.div_ceil(8))?;
    hertz.checked_mul(frame.into()).map(|_| channels)
}

/// The integer of a sample at a gain; past full scale it is clipped, and NaN is silence.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "clamped to the width first")]
fn quantise(sample: f32, bits: u16, gain: Option<(i64, i64)>) -> i32 {
    let full = if bits == 16 { 32_768.0 } else { 8_388_608.0 };
    let (num, den) = gain.unwrap_or((1, 1));
    let value = f64::from(sample) * full * num as f64 / den as f64;
    value.round_ties_even().clamp(-full, full - 1.0) as i32
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
    use seedpost_core::time::{SampleRate, Samples, TimeRange};
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
        conform(Cursor::new(wav(source, 16_000)), &cut, 16, &mut out).expect("a WAV");
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
