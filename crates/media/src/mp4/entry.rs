//! Sample entries (ISO/IEC 14496-12, 8.5.2 and 12): what a track is coded in, and what the entry tells of it.

use super::atom::{Atom, inside};
use super::{Track, avc, colour, esds};
use crate::{MediaError, plausible_rate};

/// Reads what a picture entry and its codec's header tell; what cannot be read in them stays unknown.
pub(super) fn read_picture(entry: Atom<'_>, track: &mut Track) {
    let boxes = inside(entry, 78).unwrap_or_default();
    let find = |kind: &[u8; 4]| boxes.iter().find(|atom| atom.kind == *kind);
    if let Some(esds) = find(b"esds").filter(|_| entry.kind == *b"mp4v") {
        esds::video_codec(*esds).unwrap_or("mpeg4").clone_into(&mut track.codec);
    }
    let header = find(b"avcC").filter(|_| track.codec == "h264").and_then(|avcc| avc::read(avcc.body));
    let told = find(b"colr").map(|colr| colour::of_box(colr.body)).unwrap_or_default();
    let header = header.unwrap_or_else(|| other_header(entry.kind, &find));
    track.colour = colour::first_told(header.colour, told);
    (track.profile, track.level, track.pixel_format) = (header.profile, header.level, header.pixel_format);
    let shape = find(b"pasp").and_then(|pasp| pasp.u32(0).ok().zip(pasp.u32(4).ok())).or(header.pixel_aspect);
    track.pixel_aspect = shape.filter(|shape| shape.0 > 0 && shape.1 > 0).unwrap_or((1, 1));
}

/// Profile and level where other codecs than H.264 tell them at a fixed place: AV1 (`av1C`, AV1 in ISOBMFF 2.3.3), HEVC
/// (`hvcC`, 14496-15, 8.3.3.1, the level alone), ProRes (by its name).
fn other_header<'a>(entry: [u8; 4], find: &impl Fn(&[u8; 4]) -> Option<&'a Atom<'a>>) -> avc::Header {
    let mut header = avc::Header::default();
    if let Some(configuration) = find(b"av1C").and_then(|av1c| av1c.u8(1).ok()) {
        let profile = ["Main", "High", "Professional"].get(usize::from(configuration >> 5));
        header.profile = profile.map(|name| (*name).to_owned());
        header.level = Some(u32::from(configuration & 0x1f));
    }
    if let Some(level) = find(b"hvcC").and_then(|hvcc| hvcc.u8(12).ok()) {
        header.level = Some(level.into());
    }
    let prores = match &entry {
        b"apco" => Some("Proxy"),
        b"apcs" => Some("LT"),
        b"apcn" => Some("Standard"),
        b"apch" => Some("HQ"),
        b"ap4h" => Some("4444"),
        b"ap4x" => Some("XQ"),
        _ => None,
    };
    header.profile = header.profile.or(prores.map(str::to_owned));
    header
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
        b"AVdn" | b"AVdh" => "dnxhd".to_owned(),
        b"2vuy" | b"yuv2" => "rawvideo".to_owned(),
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
    // QuickTime's later versions have other fields, and the codec's header elsewhere.
    if entry.u16(8)? > 0 {
        return Ok(());
    }
    let stated = (entry.u32(24)? >> 16, u32::from(entry.u16(16)?));
    let known = match esds::audio_config(entry)? {
        // Decoders go by the entry's rate, which has 16 bits: faster sound says it elsewhere only.
        Some(config) if config.codec == "aac" && stated.0 > 0 => {
            track.profile = config.profile.map(str::to_owned);
            track.layout = config.channels.and_then(layout).map(str::to_owned);
            let known = config.hertz.zip(config.channels);
            track.config = config.specific;
            known
        }
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

/// The speakers of MPEG-4's channel configurations (14496-3, table 1.19), as FFmpeg names them.
fn layout(channels: u32) -> Option<&'static str> {
    match channels {
        1 => Some("mono"),
        2 => Some("stereo"),
        3 => Some("3.0"),
        4 => Some("4.0"),
        5 => Some("5.0"),
        6 => Some("5.1"),
        _ => None,
    }
}
