//! FFmpeg: what the worker program does with each request.
//!
//! Only the program `seedpost-av` names this crate, so only that program loads FFmpeg. Deliberately
//! absent: any judgement of what is measured.

pub mod clip;

mod colour;

pub mod last_frame;

pub mod look;

mod pick;

mod picture;

pub mod mix;

pub mod probe;

pub mod reel;

pub mod reference;

pub mod rewrap;

pub mod sound;

mod shape;

mod shown;

mod source;

pub mod stamp;

pub mod transcode;

/// Says why FFmpeg could not do it.
#[derive(Debug, thiserror::Error)]
pub enum AvError {
    /// FFmpeg's own words.
    #[error("FFmpeg: {0}")]
    Ffmpeg(#[from] ffmpeg_next::Error),
    /// The disk failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// This FFmpeg was built without an encoder that is needed.
    #[error("this FFmpeg has no {0} encoder")]
    NoEncoder(&'static str),
    /// The request makes no sense.
    #[error("{0}")]
    Request(&'static str),
}

/// Makes FFmpeg ready and silent. Call once.
///
/// # Errors
/// FFmpeg's own words.
pub fn init() -> Result<(), AvError> {
    ffmpeg_next::init()?;
    ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Quiet);
    Ok(())
}
