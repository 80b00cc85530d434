//! Bytes, in safe Rust: readers and samples in; facts, samples and bytes out.
//!
//! No path is opened here, nothing is sent or fetched, and no C is linked. What these readers do not know is
//! answered by the FFmpeg worker, whose client is [`worker`].

mod error;

pub mod probe;

pub mod mp4;

pub mod strip;

pub mod join;

pub mod decode;

pub mod pass;

pub mod wav;

mod riff;

mod id3;

pub mod survey;

pub mod still;

pub mod conform;

pub mod stems;

mod tone;

pub mod reel;

pub mod loudness;

mod level;

pub mod music;

mod net;

pub mod speech;

pub mod separate;

pub mod align;

pub mod stretch;

pub mod pull;

pub mod overlay;

pub mod wave;

pub mod pop;

pub mod mix;

mod rate;

pub mod hear;

pub mod worker;

pub use error::MediaError;

/// A sample rate that sound is recorded at. Others are lies that would cost gigabytes to resample.
fn plausible_rate(hertz: u32) -> Option<seedpost_core::time::SampleRate> {
    seedpost_core::time::SampleRate::new(hertz).filter(|_| (4000..=768_000).contains(&hertz))
}
