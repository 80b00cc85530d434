//! Sample entries (ISO/IEC 14496-12, 8.5.2 and 12): what a track is coded in, and what the entry tells of it.

use super::atom::{Atom, inside};
use super::{Track, esds};
use crate::{MediaError, plausible_rate};

/// The shape of a picture entry's pixels, where it tells one; what cannot be read in it is no matter.
pub(super) fn pixel_aspect(entry: Atom<'_>) -> Option<(u32, u32)> {
    let pasp = inside(entry, 78).ok()?.into_iter().find(|atom| atom.kind == *b"pasp")?;
    let shape = (pasp.u32(0).ok()?, pasp.u32(4).ok()?);
    (shape.0 > 0 && shape.1 > 0).then_some(shape)
}

/// The codec as FFmpeg names it, or the entry's four letters.
pub(super) fn codec(entry: [u8; 4]) -> String {
    match &entry {
        b"avc1" | b"avc3" => "h264".to_owned(),
        b"hvc1" | b"hev1" => "hevc".to_owned(),
        b"av01" => "av1".to_owned(),
        b"vp09" => "vp9".to_owned(),
        b"mp4v" => "mpeg4".to_owned(),
        b"ap4h" | b"ap4x" | b"apch" | b"apcn" | b"apcs" | b"apco" => "prores".to_owned(),
        b"jpeg" => "mjpeg".to_owned(),
        b"mp4a" => "aac".to_owned(),
        b"fLaC" => "flac".to_owned(),
        b"Opus" => "opus".to_owned(),
        b"ac-3" => "ac3".to_owned(),
        b"ec-3" => "eac3".to_owned(),
        b"sowt" => "pcm_s16le".to_owned(),
        b"twos" => "pcm_s16be".to_owned(),
        b"in24" => "pcm_s24be".to_owned(),
        b"ulaw" => "pcm_mulaw".to_owned(),
        b"alaw" => "pcm_alaw".to_owned(),
        other => String::from_utf8_lossy(other).trim_end().to_owned(),
    }
}

/// Reads rate and channels from the codec's own header where there is one, else the sample entry; leaves unknown
/// what is not certain.
pub(super) fn read_sound(entry: Atom<'_>, track: &mut Track) -> Result<(), MediaError> {
    let version = entry.u16(8)?;
    if version > 0 {
        return Err(MediaError::Unsupported(format!("a QuickTime sound entry of version {version}")));
    }
    let stated = (entry.u32(24)? >> 16, u32::from(entry.u16(16)?));
    let known = match esds::audio_config(entry)? {
        // Decoders go by the entry's rate, which has 16 bits: faster sound says it elsewhere only.
        Some(config) if config.codec == "aac" && stated.0 > 0 => config.hertz.zip(config.channels),
        Some(config) => {
            config.codec.clone_into(&mut track.codec);
            None
        }
        // Writers put two channels there whatever it is.
        None if matches!(&entry.kind, b"ac-3" | b"ec-3") => None,
        None => Some(stated),
    };
    track.sound = known.and_then(|(hertz, channels)| Some((plausible_rate(hertz)?, channels)));
    if track.sound.is_some_and(|(_, channels)| channels == 0) {
        return Err(entry.fault("no channels"));
    }
    Ok(())
}
