//! What a media file is, as measured: the facts that every later judgement reads.
//!
//! Unknown is `None`; nothing here is ever guessed.

use serde::{Deserialize, Serialize};

use crate::time::{FrameRate, Frames, SampleRate, Samples};

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
    /// The size of a still picture, width × height in pixels.
    pub still: Option<(u32, u32)>,
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
