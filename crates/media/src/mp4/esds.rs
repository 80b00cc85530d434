//! The MPEG-4 descriptor of a sound entry (ISO/IEC 14496-1, 7.2.6; 14496-3, 1.6.2.1): what the codec
//! itself says of rate and channels, which the sample entry around it may not know.

use super::atom::{Atom, inside};
use crate::MediaError;

/// The sampling frequencies of 14496-3, table 1.18.
const FREQUENCIES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];

pub(super) struct AudioConfig {
    pub(super) codec: &'static str,
    pub(super) hertz: Option<u32>,
    pub(super) channels: Option<u32>,
    /// As FFmpeg names it.
    pub(super) profile: Option<&'static str>,
    /// The codec's own header.
    pub(super) specific: Vec<u8>,
}

/// Reads the descriptor of an `mp4a` entry; `None` for entries of other codecs.
pub(super) fn audio_config(entry: Atom<'_>) -> Result<Option<AudioConfig>, MediaError> {
    if entry.kind != *b"mp4a" {
        return Ok(None);
    }
    let esds = inside(entry, 28)?.into_iter().find(|atom| atom.kind == *b"esds");
    let esds = esds.ok_or_else(|| entry.fault("an mp4a entry without esds"))?;
    let body = esds.body.get(4..).unwrap_or_default();
    Ok(Some(read(body).ok_or_else(|| esds.fault("its descriptors are cut"))?))
}

/// The codec of an `mp4v` entry by its object type (14496-1, table 5), as FFmpeg names it.
pub(super) fn video_codec(esds: Atom<'_>) -> Option<&'static str> {
    match *decoder_config(esds.body.get(4..)?)?.first()? {
        0x20 => Some("mpeg4"),
        0x60..=0x65 => Some("mpeg2video"),
        0x6a => Some("mpeg1video"),
        0x6c => Some("mjpeg"),
        _ => None,
    }
}

fn decoder_config(body: &[u8]) -> Option<&[u8]> {
    let stream = descriptor(body, 0x03)?;
    let flags = *stream.get(2)?;
    let depends = if flags & 0x80 != 0 { 2 } else { 0 };
    let clock = if flags & 0x20 != 0 { 2 } else { 0 };
    descriptor(stream.get(3_usize.checked_add(depends)?.checked_add(clock)?..)?, 0x04)
}

fn read(body: &[u8]) -> Option<AudioConfig> {
    let config = decoder_config(body)?;
    let codec = match *config.first()? {
        0x40 | 0x66 | 0x67 | 0x68 => "aac",
        0x69 | 0x6b => "mp3",
        _ => "mp4a",
    };
    let specific = config.get(13..).and_then(|rest| descriptor(rest, 0x05)).unwrap_or_default();
    let (hertz, channels) = audio_specific(specific).unwrap_or((None, None));
    Some(AudioConfig { codec, hertz, channels, profile: profile(specific), specific: specific.to_vec() })
}

/// The audio object type (14496-3, table 1.17) in FFmpeg's words.
fn profile(specific: &[u8]) -> Option<&'static str> {
    match specific.first()? >> 3 {
        1 => Some("Main"),
        2 => Some("LC"),
        3 => Some("SSR"),
        4 => Some("LTP"),
        5 => Some("HE-AAC"),
        29 => Some("HE-AACv2"),
        _ => None,
    }
}

/// The body of the descriptor with this tag at the start of `bytes`.
fn descriptor(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let (found, mut rest) = bytes.split_first()?;
    if *found != tag {
        return None;
    }
    let mut length: usize = 0;
    for _ in 0..4 {
        let (byte, after) = rest.split_first()?;
        rest = after;
        length = (length << 7) | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    rest.get(..length.min(rest.len()))
}

/// Objects of 14496-3, table 1.17, that carry half their rate and add the rest (SBR), or half their channels (PS).
const EXTENDED: [u16; 2] = [5, 29];

/// Rate and channels of an `AudioSpecificConfig` with a frequency index; others are left unknown, and those of
/// HE-AAC, which is heard at another rate than it is coded at.
fn audio_specific(bytes: &[u8]) -> Option<(Option<u32>, Option<u32>)> {
    let bits = u16::from_be_bytes(*bytes.first_chunk::<2>()?);
    let object = bits >> 11;
    // Behind the two bytes of AAC-LC: a sync of eleven bits, five of the object that may extend it, one that says
    // whether it does.
    let after = bytes.get(2..).and_then(|rest| rest.first_chunk::<2>()).map_or(0, |rest| u16::from_be_bytes(*rest));
    let does = bytes.get(4).is_some_and(|byte| byte & 0x80 != 0);
    let extended = does && after >> 5 == 0x2b7 && EXTENDED.contains(&(after & 0x1f));
    if object == 31 || EXTENDED.contains(&object) || extended {
        return None;
    }
    let hertz = FREQUENCIES.get(usize::from((bits >> 7) & 0xf)).copied();
    let channels = hertz.and(match (bits >> 3) & 0xf {
        0 => None,
        7 => Some(8),
        channels => Some(channels.into()),
    });
    Some((hertz, channels))
}
