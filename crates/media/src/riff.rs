//! WAV files (RIFF, and RF64 of EBU Tech 3306): what their sound is, where it lies, and its samples.
//!
//! Chunks of odd length are followed by a pad byte, which simpler readers trip over. Deliberately
//! absent: RIFX, and decoding of anything but plain samples.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::io::{Read, Seek, SeekFrom};

use seedpost_core::time::{SampleRate, Samples, TimeRange};

use crate::decode::Sink;
use crate::{MediaError, plausible_rate};

/// The most chunks before the sound; a real file has a handful.
const MAX_CHUNKS: usize = 1024;
/// The bytes that are read at a time.
const BLOCK: u64 = 1 << 17;

/// What a WAV's header says, checked against the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wav {
    /// Whether it is an RF64 or BW64, which plain WAV readers refuse.
    pub(crate) large: bool,
    /// Whether samples are integers (format 1) or floats (format 3).
    pub(crate) float: bool,
    pub(crate) channels: u16,
    pub(crate) rate: SampleRate,
    pub(crate) bits: u16,
    /// The byte at which the sound begins.
    pub(crate) start: u64,
    /// Samples per channel.
    pub(crate) samples: Samples,
}

impl Wav {
    /// The bytes of one sample of one channel.
    pub(crate) fn width(&self) -> usize {
        usize::from(self.bits.div_ceil(8))
    }

    /// The bytes of one sample of all channels.
    pub(crate) fn frame(&self) -> usize {
        self.width().saturating_mul(usize::from(self.channels))
    }

    /// The codec as FFmpeg names it.
    pub(crate) fn codec(&self) -> String {
        match (self.float, self.bits) {
            (false, 8) => "pcm_u8".to_owned(),
            (false, bits) => format!("pcm_s{bits}le"),
            (true, bits) => format!("pcm_f{bits}le"),
        }
    }
}

/// Whether a file begins as WAVs do.
pub(crate) fn is_wav<R: Read + Seek>(source: &mut R) -> std::io::Result<bool> {
    let mut head = Vec::new();
    source.seek(SeekFrom::Start(0))?;
    source.by_ref().take(12).read_to_end(&mut head)?;
    Ok(matches!(head.get(..4), Some(b"RIFF" | b"RF64" | b"BW64")) && head.get(8..12) == Some(b"WAVE"))
}

/// Reads the header.
pub(crate) fn read<R: Read + Seek>(source: &mut R) -> Result<Wav, MediaError> {
    let length = source.seek(SeekFrom::End(0))?;
    let mut at: u64 = 12;
    let mut format = None;
    let mut large = None;
    for _ in 0..MAX_CHUNKS {
        let Some((name, size)) = chunk(source, at, length)? else { break };
        let body = at.saturating_add(8);
        match &name {
            b"fmt " => format = Some(read_format(source, body, size)?),
            b"ds64" => large = Some(read_large(source, body)?),
            b"data" => {
                let size = large.filter(|_| size == u64::from(u32::MAX)).unwrap_or(size);
                return sound(format, body, size, length).map(|wav| Wav { large: large.is_some(), ..wav });
            }
            _ => {}
        }
        at = body.saturating_add(size).saturating_add(size & 1);
    }
    Err(MediaError::malformed("wav", at, "no sound (data chunk): the file was cut short"))
}

/// The size of the data chunk, which stands second in `ds64` (EBU Tech 3306, 4.1).
fn read_large<R: Read>(source: &mut R, at: u64) -> Result<u64, MediaError> {
    let mut body = [0; 16];
    source.read_exact(&mut body).map_err(|_| MediaError::malformed("wav", at, "the ds64 chunk is cut"))?;
    let [_, _, _, _, _, _, _, _, size @ ..] = body;
    Ok(u64::from_le_bytes(size))
}

/// Writes the header of a WAV of so many samples, in the form of `wav`.
pub(crate) fn write_header<W: std::io::Write>(wav: &Wav, samples: u64, out: &mut W) -> Result<(), MediaError> {
    let bytes = samples.saturating_mul(wav.frame() as u64);
    let riff = bytes.saturating_add(bytes & 1).saturating_add(36);
    let allowed = u64::from(u32::MAX);
    let riff = u32::try_from(riff).map_err(|_| MediaError::Limit { what: "bytes of WAV", found: riff, allowed })?;
    let data = riff.saturating_sub(36).saturating_sub(u32::from(bytes % 2 == 1));
    let block = u16::try_from(wav.frame()).unwrap_or(u16::MAX);
    out.write_all(b"RIFF")?;
    out.write_all(&riff.to_le_bytes())?;
    out.write_all(b"WAVEfmt \x10\0\0\0")?;
    out.write_all(&if wav.float { 3_u16 } else { 1 }.to_le_bytes())?;
    out.write_all(&wav.channels.to_le_bytes())?;
    out.write_all(&wav.rate.hertz().to_le_bytes())?;
    out.write_all(&wav.rate.hertz().saturating_mul(block.into()).to_le_bytes())?;
    out.write_all(&block.to_le_bytes())?;
    out.write_all(&wav.bits.to_le_bytes())?;
    out.write_all(b"data")?;
    out.write_all(&data.to_le_bytes())?;
    Ok(())
}

/// The samples of a stretch, in blocks of all channels, full scale at ±1.
pub(crate) fn samples<R: Read + Seek>(
    source: &mut R,
    wav: &Wav,
    range: TimeRange<Samples>,
    sink: Sink<'_>,
) -> Result<(), MediaError> {
    let frame = wav.frame();
    let most = BLOCK.checked_div(frame as u64).unwrap_or(0).max(1);
    let decode = decoder(wav).ok_or_else(|| MediaError::Unsupported(format!("a WAV in {}", wav.codec())))?;
    let end = range.end.min(wav.samples).0;
    let mut at = range.start.0.min(end);
    source.seek(SeekFrom::Start(wav.start.saturating_add(at.saturating_mul(frame as u64))))?;
    let mut bytes = Vec::new();
    let mut planes: Vec<Vec<f32>> = vec![Vec::new(); wav.channels.into()];
    while at < end {
        let frames = end.saturating_sub(at).min(most);
        bytes.clear();
        let wanted = frames.saturating_mul(frame as u64);
        source.by_ref().take(wanted).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != wanted {
            return Err(MediaError::malformed("wav", wav.start, "the file shrank while it was read"));
        }
        for (index, plane) in planes.iter_mut().enumerate() {
            let slots = bytes.chunks_exact(wav.width()).skip(index).step_by(wav.channels.into());
            plane.clear();
            plane.extend(slots.map(decode));
        }
        let block: Vec<&[f32]> = planes.iter().map(Vec::as_slice).collect();
        sink(&block)?;
        at = at.saturating_add(frames);
    }
    Ok(())
}

/// How one sample is read; `None` for widths that no recorder writes.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "samples are f32 from here on")]
pub(crate) fn decoder(wav: &Wav) -> Option<fn(&[u8]) -> f32> {
    Some(match (wav.float, wav.width()) {
        (false, 1) => |bytes| bytes.first().map_or(0.0, |byte| (f32::from(*byte) - 128.0) / 128.0),
        (false, 2) => |bytes| bytes.first_chunk().map_or(0.0, |b| f32::from(i16::from_le_bytes(*b)) / 32_768.0),
        (false, 3) => |bytes| match *bytes {
            [low, middle, high] => (i32::from_le_bytes([0, low, middle, high]) >> 8) as f32 / 8_388_608.0,
            _ => 0.0,
        },
        (false, 4) => {
            |bytes| bytes.first_chunk().map_or(0.0, |b| (f64::from(i32::from_le_bytes(*b)) / 2_147_483_648.0) as f32)
        }
        (true, 4) => |bytes| bytes.first_chunk().map_or(0.0, |b| f32::from_le_bytes(*b)),
        (true, 8) => |bytes| bytes.first_chunk().map_or(0.0, |b| f64::from_le_bytes(*b) as f32),
        _ => return None,
    })
}

/// The name and length of the chunk that begins at a byte; none at the end of the file.
pub(crate) fn chunk<R: Read + Seek>(
    source: &mut R,
    at: u64,
    length: u64,
) -> Result<Option<([u8; 4], u64)>, MediaError> {
    if length.saturating_sub(at) < 8 {
        return Ok(None);
    }
    source.seek(SeekFrom::Start(at))?;
    let (mut name, mut size) = ([0; 4], [0; 4]);
    source.read_exact(&mut name)?;
    source.read_exact(&mut size)?;
    Ok(Some((name, u32::from_le_bytes(size).into())))
}

type Format = (u16, u16, u32, u16, u16);

/// Tag, channels, rate, bytes of one sample of all channels, and bits.
fn read_format<R: Read>(source: &mut R, at: u64, size: u64) -> Result<Format, MediaError> {
    let mut body = Vec::new();
    source.take(size.min(64)).read_to_end(&mut body)?;
    let u16_at = |offset: usize| body.get(offset..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes));
    let u32_at = |offset: usize| body.get(offset..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
    let read = || {
        // An extensible header keeps the tag at the start of its sub-format.
        let tag = if u16_at(0)? == 0xfffe { u16_at(24)? } else { u16_at(0)? };
        Some((tag, u16_at(2)?, u32_at(4)?, u16_at(12)?, u16_at(14)?))
    };
    read().ok_or_else(|| MediaError::malformed("wav", at, "the format chunk is cut"))
}

fn sound(format: Option<Format>, start: u64, size: u64, length: u64) -> Result<Wav, MediaError> {
    let fault = |what: String| MediaError::malformed("wav", start, what);
    let (tag, channels, hertz, block, bits) = format.ok_or_else(|| fault("sound before its format".to_owned()))?;
    let there = length.saturating_sub(start);
    if size > there {
        return Err(fault(format!("its header says {size} bytes of sound, the file holds {there}: it was cut short")));
    }
    let float = match tag {
        1 => false,
        3 => true,
        other => return Err(MediaError::Unsupported(format!("a WAV in format {other}"))),
    };
    let rate = plausible_rate(hertz).ok_or_else(|| fault(format!("a sample rate of {hertz} Hz")))?;
    let sample = bits.div_ceil(8);
    if channels == 0 || bits == 0 || bits > 64 || channels.checked_mul(sample) != Some(block) {
        return Err(fault(format!("{channels} channels of {bits} bits in blocks of {block} bytes")));
    }
    let samples = size.checked_div(block.into()).unwrap_or(0);
    Ok(Wav { large: false, float, channels, rate, bits, start, samples: Samples(samples) })
}
