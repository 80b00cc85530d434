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
    /// The file's size in bytes.
    pub bytes: u64,
    /// The first picture track.
    pub video: Option<VideoInfo>,
    /// The first sound track.
    pub audio: Option<AudioInfo>,
    /// A still picture.
    pub still: Option<StillInfo>,
    /// Whether the index stands before the media, so that playing can begin at once.
    pub fast_start: Option<bool>,
    /// Whether the file is made of movie fragments.
    pub fragmented: bool,
    /// Which reader measured: `seedpost` or `ffmpeg`.
    pub measured_by: String,
}

/// A picture track.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoInfo {
    /// The codec: `h264`, `hevc` and so on, as FFmpeg names it.
    pub codec: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Frames a second; `None` where frames differ in length.
    pub rate: Option<FrameRate>,
    /// Frames counted from the file's own table, inside its edit list.
    pub frames: Option<Frames>,
    /// How long the picture is shown, in microseconds rounded to the nearest.
    #[serde(rename = "duration_us")]
    pub duration: Option<ClockTime>,
    /// Degrees clockwise that a player turns it: 0, 90, 180 or 270. Width and height are before that.
    pub rotation: u16,
    /// Width and height of the shape of a pixel; 1 and 1 where the file does not tell.
    #[serde(default = "square")]
    pub pixel_aspect: (u32, u32),
}

fn square() -> (u32, u32) {
    (1, 1)
}

impl VideoInfo {
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
    /// The sample rate in hertz.
    pub sample_rate: SampleRate,
    /// The number of channels.
    pub channels: u32,
    /// Samples per channel that are heard: without the codec's lead and tail, as far as known.
    pub samples: Option<Samples>,
    /// Samples of lead that a decoder must drop; `None` where the file does not tell.
    pub priming: Option<u64>,
}
