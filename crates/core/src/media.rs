//! What a media file is, as measured: the facts that every later judgement reads.
//!
//! Unknown is `None`; nothing here is ever guessed.

use serde::{Deserialize, Serialize};

use crate::time::{ClockTime, FrameRate, Frames, Rounding, SampleRate, Samples};

/// What a file contains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaInfo {
    /// The container: `mp4`, `mov`, `wav`, `mp3`, `png` and so on, by content.
    pub container: String,
    /// What an MP4 or MOV says that it is (ISO/IEC 14496-12, 4.3); absent in other files and where it does not tell.
    pub brands: Option<Brands>,
    /// The file's size in bytes.
    pub bytes: u64,
    /// Bits a second of the whole file, over its longest track, rounded down.
    pub bit_rate: Option<u64>,
    /// The first picture track.
    pub video: Option<VideoInfo>,
    /// The first sound track.
    pub audio: Option<AudioInfo>,
    /// How many tracks there are of each kind; absent in stills.
    pub tracks: Option<Tracks>,
    /// A still picture.
    pub still: Option<StillInfo>,
    /// Whether the index stands before the media, so that playing can begin at once.
    pub fast_start: Option<bool>,
    /// Whether the file is made of movie fragments.
    pub fragmented: bool,
    /// The first timecode track.
    pub timecode: Option<TimecodeInfo>,
    /// Whether there is a box of content credentials (C2PA 2.1, A.5); absent where it was not looked for.
    pub c2pa: Option<bool>,
    /// Which reader measured: `seedpost`, `ffmpeg`, or `seedpost and ffmpeg`.
    pub measured_by: String,
}

impl MediaInfo {
    /// A file of which nothing else is known.
    #[must_use]
    pub fn of(container: &str, bytes: u64, measured_by: &str) -> MediaInfo {
        MediaInfo {
            container: container.to_owned(),
            brands: None,
            bytes,
            bit_rate: None,
            video: None,
            audio: None,
            tracks: None,
            still: None,
            fast_start: None,
            fragmented: false,
            timecode: None,
            c2pa: None,
            measured_by: measured_by.to_owned(),
        }
    }
}

impl MediaInfo {
    /// Whether there is sound of which nothing is known yet.
    #[must_use]
    pub fn lacks_sound(&self) -> bool {
        self.audio.is_none() && self.tracks.is_some_and(|tracks| tracks.audio > 0)
    }

    /// Whether the tables of an MP4 or MOV told all that another reader could add.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let picture = self.video.as_ref().is_none_or(|video| video.pixel_format.is_some());
        let sound = self.audio.as_ref().is_none_or(|audio| audio.layout.is_some());
        self.brands.is_none() || (picture && sound && !self.lacks_sound())
    }

    /// Takes what is unknown here from what another reader said of the same file.
    pub fn fill(&mut self, other: MediaInfo) {
        if let Some((own, video)) = self.video.as_mut().zip(other.video) {
            own.profile = own.profile.take().or(video.profile);
            own.level = own.level.or(video.level);
            own.pixel_format = own.pixel_format.take().or(video.pixel_format);
            let (colour, told) = (&mut own.colour, video.colour);
            colour.range = colour.range.take().or(told.range);
            colour.primaries = colour.primaries.take().or(told.primaries);
            colour.transfer = colour.transfer.take().or(told.transfer);
            colour.matrix = colour.matrix.take().or(told.matrix);
        }
        match (&mut self.audio, other.audio) {
            (Some(own), Some(audio)) => {
                own.profile = own.profile.take().or(audio.profile);
                own.layout = own.layout.take().or(audio.layout);
            }
            (own, audio) => *own = own.take().or(audio),
        }
        self.measured_by = format!("{} and {}", self.measured_by, other.measured_by);
    }
}

/// The brands of an MP4 or MOV.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brands {
    /// The major brand, such as `isom` or `qt  `.
    pub major: String,
    /// Its version.
    pub minor: u32,
    /// Those that it is compatible with.
    pub compatible: Vec<String>,
}

/// How many tracks a file has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tracks {
    /// Of moving pictures.
    pub video: u32,
    /// Of sound.
    pub audio: u32,
    /// Of anything else: timecode, chapters, text.
    pub other: u32,
}

/// A timecode track.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimecodeInfo {
    /// The first frame's, such as `01:00:00:00`, with `;` before the frames where frames are dropped.
    pub start: String,
    /// The rate that it counts, a whole number of frames.
    pub frames_per_second: u32,
    /// Whether it is drop-frame.
    pub drop_frame: bool,
}

/// One entry of an edit list (ISO/IEC 14496-12, 8.6.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// Its length in ticks of the movie's clock; zero means "to the end".
    pub length: u64,
    /// Where it begins in ticks of the track's clock; `None` is an empty edit.
    pub media_time: Option<u64>,
}

/// A picture track.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoInfo {
    /// The codec: `h264`, `hevc` and so on, as FFmpeg names it.
    pub codec: String,
    /// The codec's profile, such as `High`, as FFmpeg names it.
    pub profile: Option<String>,
    /// The codec's level as it is coded: 41 is level 4.1 in H.264, 123 is 4.1 in HEVC.
    pub level: Option<u32>,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Sampling, depth and order of a pixel's parts, such as `yuv420p10le`, as FFmpeg names it.
    pub pixel_format: Option<String>,
    /// What its numbers mean as colours.
    pub colour: ColourInfo,
    /// Frames a second; `None` where frames differ in length.
    pub rate: Option<FrameRate>,
    /// Frames counted from the file's own table, inside its edit list.
    pub frames: Option<Frames>,
    /// Frames in the file's own table, shown or not.
    pub coded_frames: Option<u64>,
    /// Ticks of the track's clock in a second.
    pub timescale: Option<u32>,
    /// The length of all frames in ticks, before the edit list.
    pub ticks: Option<u64>,
    /// When the first frame is shown after the file's beginning, in microseconds rounded to the nearest.
    #[serde(rename = "start_us")]
    pub start: ClockTime,
    /// How long the picture is shown, in microseconds rounded to the nearest.
    #[serde(rename = "duration_us")]
    pub duration: Option<ClockTime>,
    /// The edit list; empty where there is none.
    pub edits: Vec<Edit>,
    /// Bits a second of the coded frames, rounded down.
    pub bit_rate: Option<u64>,
    /// Degrees clockwise that a player turns it: 0, 90, 180 or 270. Width and height are before that.
    pub rotation: u16,
    /// Width and height of the shape of a pixel; 1 and 1 where the file does not tell.
    pub pixel_aspect: (u32, u32),
}

/// What the numbers of a picture mean as colours (ITU-T H.273), by FFmpeg's names; absent where the file does not tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColourInfo {
    /// `tv` (16 to 235) or `pc` (0 to 255).
    pub range: Option<String>,
    /// The primaries, such as `bt709`.
    pub primaries: Option<String>,
    /// The transfer, such as `bt709` or `smpte2084`.
    pub transfer: Option<String>,
    /// The matrix, such as `bt709`.
    pub matrix: Option<String>,
}

impl VideoInfo {
    /// A picture of which nothing else is known.
    #[must_use]
    pub fn of(codec: &str, (width, height): (u32, u32)) -> VideoInfo {
        VideoInfo {
            codec: codec.to_owned(),
            profile: None,
            level: None,
            width,
            height,
            pixel_format: None,
            colour: ColourInfo::default(),
            rate: None,
            frames: None,
            coded_frames: None,
            timescale: None,
            ticks: None,
            start: ClockTime::default(),
            duration: None,
            edits: Vec::new(),
            bit_rate: None,
            rotation: 0,
            pixel_aspect: (1, 1),
        }
    }

    /// Whether pixels are as wide as they are high.
    #[must_use]
    pub fn is_square(&self) -> bool {
        self.pixel_aspect.0 == self.pixel_aspect.1
    }

    /// Width and height in square pixels as a player shows it; the width is rounded to the nearest.
    #[must_use]
    pub fn upright(&self) -> (u32, u32) {
        let (wide, high) = self.pixel_aspect;
        let width = Rounding::Nearest.divide(u128::from(self.width) * u128::from(wide), high.into());
        let width = width.and_then(|width| u32::try_from(width).ok()).unwrap_or(self.width);
        if self.rotation % 180 == 90 { (self.height, width) } else { (width, self.height) }
    }
}

/// A still picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StillInfo {
    /// Width in pixels, as stored.
    pub width: u32,
    /// Height in pixels, as stored.
    pub height: u32,
    /// The Exif orientation (Exif 2.32, tag 274): 1 is upright, and what files mean that do not tell;
    /// 5 to 8 lie on their side.
    pub orientation: u8,
    /// Whether there is more than one frame.
    pub animated: bool,
    /// Its colours; `None` where the reader cannot tell.
    pub colour: Option<Colour>,
    /// Whether it has an alpha channel or a transparent colour.
    pub alpha: bool,
    /// Whether a copy can be made of it: its kind is decoded here, in the memory that is allowed for it.
    pub copyable: bool,
}

impl StillInfo {
    /// Width and height in pixels as a viewer shows it.
    #[must_use]
    pub fn upright(&self) -> (u32, u32) {
        if self.orientation >= 5 { (self.height, self.width) } else { (self.width, self.height) }
    }
}

/// A picture's colour model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    /// Shades of grey.
    Grey,
    /// Red, green and blue, or what decodes to them: YCbCr, a palette.
    Rgb,
    /// Inks; providers do not promise to read them.
    Cmyk,
}

/// A sound track.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioInfo {
    /// The codec: `aac`, `pcm_s24le` and so on, as FFmpeg names it.
    pub codec: String,
    /// The codec's profile, such as `LC`, as FFmpeg names it.
    pub profile: Option<String>,
    /// The sample rate in hertz.
    pub sample_rate: SampleRate,
    /// The number of channels.
    pub channels: u32,
    /// Which speakers the channels are for, such as `stereo` or `5.1`, as FFmpeg names it.
    pub layout: Option<String>,
    /// Samples per channel that are heard: without the codec's lead and tail, as far as known.
    pub samples: Option<Samples>,
    /// Samples of lead that a decoder must drop; `None` where the file does not tell.
    pub priming: Option<u64>,
    /// Samples behind the end that a decoder must drop; `None` where the file does not tell.
    pub padding: Option<u64>,
    /// Ticks of the track's clock in a second.
    pub timescale: Option<u32>,
    /// The length of all packets in ticks, before the edit list.
    pub ticks: Option<u64>,
    /// The edit list; empty where there is none.
    pub edits: Vec<Edit>,
    /// Bits a second of the coded sound, rounded down.
    pub bit_rate: Option<u64>,
}

impl AudioInfo {
    /// Sound of which nothing else is known.
    #[must_use]
    pub fn of(codec: &str, sample_rate: SampleRate, channels: u32) -> AudioInfo {
        AudioInfo {
            codec: codec.to_owned(),
            profile: None,
            sample_rate,
            channels,
            layout: None,
            samples: None,
            priming: None,
            padding: None,
            timescale: None,
            ticks: None,
            edits: Vec::new(),
            bit_rate: None,
        }
    }
}
