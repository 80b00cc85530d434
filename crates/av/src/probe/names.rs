//! The names of profiles and speaker layouts, as `ffprobe` prints them.
//!
//! FFmpeg's own tables of them cannot be asked through the safe interface, so what is used here is repeated; of
//! anything else the name is not told.

use ffmpeg_next::ChannelLayout;
use ffmpeg_next::codec::Profile;
use ffmpeg_next::codec::profile::{AAC, DTS, H264, HEVC, JPEG2000, MPEG2, MPEG4, VC1, VP9};

/// The name of a codec's profile.
pub(super) fn profile(profile: Profile) -> Option<String> {
    let name = match profile {
        Profile::AAC(kind) => aac(kind),
        Profile::H264(kind) => h264(kind),
        Profile::HEVC(HEVC::Main) => "Main",
        Profile::HEVC(HEVC::Main10) => "Main 10",
        Profile::HEVC(HEVC::MainStillPicture) => "Main Still Picture",
        Profile::HEVC(HEVC::Rext) => "Rext",
        Profile::VP9(VP9::_0) => "Profile 0",
        Profile::VP9(VP9::_1) => "Profile 1",
        Profile::VP9(VP9::_2) => "Profile 2",
        Profile::VP9(VP9::_3) => "Profile 3",
        Profile::MPEG2(kind) => mpeg2(kind),
        Profile::MPEG4(kind) => mpeg4(kind)?,
        Profile::DTS(kind) => dts(kind),
        Profile::VC1(VC1::Simple) => "Simple",
        Profile::VC1(VC1::Main) => "Main",
        Profile::VC1(VC1::Complex) => "Complex",
        Profile::VC1(VC1::Advanced) => "Advanced",
        Profile::JPEG2000(JPEG2000::CStreamRestriction0) => "JPEG 2000 codestream restriction 0",
        Profile::JPEG2000(JPEG2000::CStreamRestriction1) => "JPEG 2000 codestream restriction 1",
        Profile::JPEG2000(JPEG2000::CStreamNoRestriction) => "JPEG 2000 no codestream restrictions",
        Profile::JPEG2000(JPEG2000::DCinema2K) => "JPEG 2000 digital cinema 2K",
        Profile::JPEG2000(JPEG2000::DCinema4K) => "JPEG 2000 digital cinema 4K",
        Profile::Unknown | Profile::Reserved => return None,
    };
    Some(name.to_owned())
}

fn aac(kind: AAC) -> &'static str {
    match kind {
        AAC::Main => "Main",
        AAC::Low | AAC::MPEG2Low => "LC",
        AAC::SSR => "SSR",
        AAC::LTP => "LTP",
        AAC::HE | AAC::MPEG2HE => "HE-AAC",
        AAC::HEv2 => "HE-AACv2",
        AAC::LD => "LD",
        AAC::ELD => "ELD",
    }
}

fn h264(kind: H264) -> &'static str {
    match kind {
        H264::Constrained => "Constrained",
        H264::Intra => "Intra",
        H264::Baseline => "Baseline",
        H264::ConstrainedBaseline => "Constrained Baseline",
        H264::Main => "Main",
        H264::Extended => "Extended",
        H264::High => "High",
        H264::High10 => "High 10",
        H264::High10Intra => "High 10 Intra",
        H264::High422 => "High 4:2:2",
        H264::High422Intra => "High 4:2:2 Intra",
        H264::High444 => "High 4:4:4",
        H264::High444Predictive => "High 4:4:4 Predictive",
        H264::High444Intra => "High 4:4:4 Intra",
        H264::CAVLC444 => "CAVLC 4:4:4",
    }
}

fn mpeg2(kind: MPEG2) -> &'static str {
    match kind {
        MPEG2::_422 => "4:2:2",
        MPEG2::High => "High",
        MPEG2::SS => "Spatially Scalable",
        MPEG2::SNRScalable => "SNR Scalable",
        MPEG2::Main => "Main",
        MPEG2::Simple => "Simple",
    }
}

fn mpeg4(kind: MPEG4) -> Option<&'static str> {
    Some(match kind {
        MPEG4::Simple => "Simple Profile",
        MPEG4::SimpleScalable => "Simple Scalable Profile",
        MPEG4::Core => "Core Profile",
        MPEG4::Main => "Main Profile",
        MPEG4::AdvancedSimple => "Advanced Simple Profile",
        MPEG4::SimpleStudio => "Simple Studio Profile",
        _ => return None,
    })
}

fn dts(kind: DTS) -> &'static str {
    match kind {
        DTS::Default => "DTS",
        DTS::ES => "DTS-ES",
        DTS::_96_24 => "DTS 96/24",
        DTS::HD_HRA => "DTS-HD HRA",
        DTS::HD_MA => "DTS-HD MA",
        DTS::Express => "DTS Express",
    }
}

/// The name of a layout of speakers.
pub(super) fn layout(layout: ChannelLayout) -> Option<String> {
    let names = [
        (ChannelLayout::MONO, "mono"),
        (ChannelLayout::STEREO, "stereo"),
        (ChannelLayout::STEREO_DOWNMIX, "downmix"),
        (ChannelLayout::_2POINT1, "2.1"),
        (ChannelLayout::SURROUND, "3.0"),
        (ChannelLayout::_2_1, "3.0(back)"),
        (ChannelLayout::_4POINT0, "4.0"),
        (ChannelLayout::QUAD, "quad"),
        (ChannelLayout::_2_2, "quad(side)"),
        (ChannelLayout::_3POINT1, "3.1"),
        (ChannelLayout::_5POINT0_BACK, "5.0"),
        (ChannelLayout::_5POINT0, "5.0(side)"),
        (ChannelLayout::_4POINT1, "4.1"),
        (ChannelLayout::_5POINT1_BACK, "5.1"),
        (ChannelLayout::_5POINT1, "5.1(side)"),
        (ChannelLayout::_6POINT0, "6.0"),
        (ChannelLayout::_6POINT0_FRONT, "6.0(front)"),
        (ChannelLayout::HEXAGONAL, "hexagonal"),
        (ChannelLayout::_6POINT1, "6.1"),
        (ChannelLayout::_6POINT1_BACK, "6.1(back)"),
        (ChannelLayout::_6POINT1_FRONT, "6.1(front)"),
        (ChannelLayout::_7POINT0, "7.0"),
        (ChannelLayout::_7POINT0_FRONT, "7.0(front)"),
        (ChannelLayout::_7POINT1, "7.1"),
        (ChannelLayout::_7POINT1_WIDE_BACK, "7.1(wide)"),
        (ChannelLayout::_7POINT1_WIDE, "7.1(wide-side)"),
        (ChannelLayout::OCTAGONAL, "octagonal"),
        (ChannelLayout::HEXADECAGONAL, "hexadecagonal"),
    ];
    names.into_iter().find(|(known, _)| *known == layout).map(|(_, name)| name.to_owned())
}
