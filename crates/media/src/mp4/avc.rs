//! The header of an H.264 picture (`avcC`, ISO/IEC 14496-15, 5.3.3.1): profile, level, pixels, colours.

use h264_reader::nal::sps::{ChromaFormat, SeqParameterSet};
use h264_reader::nal::{Nal as _, RefNal};
use seedpost_core::media::ColourInfo;

use super::colour;
use crate::MediaError;
use crate::decode::guard;

/// What the header tells, by FFmpeg's names.
#[derive(Debug, Default)]
pub(super) struct Header {
    pub(super) profile: Option<String>,
    pub(super) level: Option<u32>,
    pub(super) pixel_format: Option<String>,
    pub(super) colour: ColourInfo,
    pub(super) pixel_aspect: Option<(u32, u32)>,
}

/// Reads the body of an `avcC`; `None` where it is cut or its first parameter set cannot be read.
pub(super) fn read(avcc: &[u8]) -> Option<Header> {
    let length = u16::from_be_bytes(*avcc.get(6..)?.first_chunk()?);
    let nal = avcc.get(8..)?.get(..usize::from(length))?;
    let sps = guard("h264", || {
        SeqParameterSet::from_bits(RefNal::new(nal, &[], true).rbsp_bits())
            .map_err(|error| MediaError::malformed("h264", 0, format!("{error:?}")))
    });
    // The profile and its constraints follow the byte that says what the unit is (H.264, 7.3.2.1.1).
    let (idc, flags) = (*nal.get(1)?, *nal.get(2)?);
    let sps = sps.ok()?;
    let signal = sps.vui_parameters.as_ref().and_then(|vui| vui.video_signal_type.as_ref());
    let full = signal.is_some_and(|signal| signal.video_full_range_flag);
    let colours = signal.and_then(|signal| signal.colour_description.as_ref());
    let shape = sps.vui_parameters.as_ref().and_then(|vui| vui.aspect_ratio_info.as_ref());
    Some(Header {
        profile: profile(idc, flags).map(str::to_owned),
        level: Some(sps.level_idc.into()),
        pixel_format: pixel_format(&sps, full, colours.is_some_and(|colours| colours.matrix_coefficients == 0)),
        colour: colour::named(
            signal.map(|signal| signal.video_full_range_flag),
            colours.map(|colours| {
                [colours.colour_primaries, colours.transfer_characteristics, colours.matrix_coefficients]
            }),
        ),
        pixel_aspect: shape.and_then(|shape| shape.get()).map(|(wide, high)| (wide.into(), high.into())),
    })
}

/// The profile (H.264, A.2) in FFmpeg's words.
fn profile(idc: u8, flags: u8) -> Option<&'static str> {
    let constraint = |number: u8| flags & (0x80 >> number) != 0;
    Some(match idc {
        66 if constraint(1) => "Constrained Baseline",
        66 => "Baseline",
        77 => "Main",
        88 => "Extended",
        100 => "High",
        110 if constraint(3) => "High 10 Intra",
        110 => "High 10",
        122 if constraint(3) => "High 4:2:2 Intra",
        122 => "High 4:2:2",
        244 if constraint(3) => "High 4:4:4 Intra",
        244 => "High 4:4:4 Predictive",
        44 => "CAVLC 4:4:4",
        _ => return None,
    })
}

fn pixel_format(sps: &SeqParameterSet, full: bool, rgb: bool) -> Option<String> {
    let chroma = &sps.chroma_info;
    if chroma.bit_depth_luma_minus8 != chroma.bit_depth_chroma_minus8 {
        return None;
    }
    let sampling = match chroma.chroma_format {
        ChromaFormat::YUV420 => "420",
        ChromaFormat::YUV422 => "422",
        ChromaFormat::YUV444 if !rgb => "444",
        _ => return None,
    };
    Some(match (chroma.bit_depth_luma_minus8, full) {
        (0, true) => format!("yuvj{sampling}p"),
        (0, false) => format!("yuv{sampling}p"),
        (more, _) => format!("yuv{sampling}p{}le", more.saturating_add(8)),
    })
}
