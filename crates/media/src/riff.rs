//! The header of a WAV file: what its sound is and where it lies.
//!
//! Chunks of odd length are followed by a pad byte, which simpler readers trip over. Deliberately
//! absent: RF64 and RIFX, which are told to be something else.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::io::{Read, Seek, SeekFrom};

use seedpost_core::time::{SampleRate, Samples};

use crate::{MediaError, plausible_rate};

/// The most chunks before the sound; a real file has a handful.
const MAX_CHUNKS: usize = 1024;

/// What a WAV's header says, checked against the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wav {
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

/// Reads the header.
pub(crate) fn read<R: Read + Seek>(source: &mut R) -> Result<Wav, MediaError> {
    let length = source.seek(SeekFrom::End(0))?;
    let mut at: u64 = 12;
    let mut format = None;
    for _ in 0..MAX_CHUNKS {
        let Some((name, size)) = chunk(source, at, length)? else { break };
        let body = at.saturating_add(8);
        match &name {
            b"fmt " => format = Some(read_format(source, body, size)?),
            b"data" => return sound(format, body, size, length),
            _ => {}
        }
        at = body.saturating_add(size).saturating_add(size & 1);
    }
    Err(MediaError::malformed("wav", at, "no sound (data chunk): the file was cut short"))
}

fn chunk<R: Read + Seek>(source: &mut R, at: u64, length: u64) -> Result<Option<([u8; 4], u64)>, MediaError> {
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
    let there = length.saturating_sub(start);
    if size > there {
        return Err(fault(format!("its header says {size} bytes of sound, the file holds {there}: it was cut short")));
    }
    let samples = size.checked_div(block.into()).unwrap_or(0);
    Ok(Wav { float, channels, rate, bits, start, samples: Samples(samples) })
}
