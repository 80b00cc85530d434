//! What is asked of the media worker for a turnover: picture references, the reel of them, and a mix in a container.
//!
//! Plain values; who carries them out is `av`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::time::{FrameRate, Frames, Samples};

/// The editing codec of a picture reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EditCodec {
    /// DNxHR LB: 4:2:2, 8 bits.
    Dnxhr,
    /// ProRes 422 Proxy: 4:2:2, 10 bits.
    Prores,
}

/// The sound of a picture reference: a stretch of a 48 kHz, 24-bit WAV of two channels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoundOf {
    /// The WAV.
    pub file: PathBuf,
    /// Its first sample that is heard with the first frame. There are as many as the picture lasts; silence after its end.
    pub from: Samples,
}

/// What all references of a package have in common: without it being the same they cannot be laid end to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceForm {
    /// The editing codec.
    pub codec: EditCodec,
    /// Width in pixels; even. A picture of another shape is scaled to fit, black around it.
    pub width: u32,
    /// Height in pixels; even.
    pub height: u32,
    /// Frames a second; constant.
    pub rate: FrameRate,
    /// Whether labels count drop-frame.
    pub drop: bool,
}

/// A stretch of a picture, for sound people: burnt-in record timecode, name and source frame, and the record frame as
/// bars; in an editing codec with PCM and a timecode track, and in H.264 with AAC for viewing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReferenceOrder {
    /// The file to read.
    pub source: PathBuf,
    /// What it is made as.
    pub form: ReferenceForm,
    /// The first frame that is used, counted from where the source's picture begins to be shown.
    pub from: Frames,
    /// Exactly how many frames; the last picture is repeated where the source ends early.
    pub frames: Frames,
    /// The frame since midnight that the first one has in the cut: what is burnt in.
    pub record: Frames,
    /// The frame since midnight that the first one has in its source's own timecode: what the timecode track says.
    pub source_timecode: Frames,
    /// What is burnt in beside it, such as `SC010_SH020_T01`.
    pub name: String,
    /// The reel's name in the timecode track.
    pub reel: String,
    /// The sound; none is written where absent.
    pub sound: Option<SoundOf>,
    /// The `.mov` to write.
    pub edit: PathBuf,
    /// The `.mp4` to write.
    pub view: PathBuf,
    /// A still of it as JPEG, without what is burnt in.
    pub still: Option<StillOf>,
}

/// A still picture that is made beside a reference.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StillOf {
    /// Which frame, from the first that is used.
    pub frame: Frames,
    /// The longer side in pixels.
    pub side: u32,
    /// The `.jpg` to write.
    pub out: PathBuf,
}

/// A reel of picture references: leader, clips, gaps, tail. What was encoded is copied.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReelOrder {
    /// What its parts were made as.
    pub form: ReferenceForm,
    /// The frame since midnight of its first frame: what is burnt in, and what its timecode track says.
    pub record: Frames,
    /// What it is made of, in order.
    pub parts: Vec<ReelPart>,
    /// Frames since midnight at which the whole picture is white for one frame.
    pub flashes: Vec<Frames>,
    /// Lines of text that are shown on black until the first flash or clip.
    pub slate: Vec<String>,
    /// The reel's name in the timecode track.
    pub reel: String,
    /// The sound, from the reel's first frame; none is written where absent.
    pub sound: Option<SoundOf>,
    /// The file to write: `.mov` of the parts' `edit` files, or `.mp4` of their `view` files.
    pub out: PathBuf,
}

/// A part of a reel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReelPart {
    /// Black with burnt-in timecode.
    Black {
        /// How many frames.
        frames: Frames,
    },
    /// A picture reference, whole.
    Clip {
        /// Its file, of the same kind as the reel.
        file: PathBuf,
        /// How many frames it has.
        frames: Frames,
    },
}

/// A mix that goes under a picture.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MixOrder {
    /// The 48 kHz WAV of two channels, 24 bits.
    pub sound: SoundOf,
    /// How many samples.
    pub samples: Samples,
    /// The file to write: 24-bit PCM in a `.mov`, AAC in an `.mp4` whose edit list takes the encoder's lead off.
    pub out: PathBuf,
}
