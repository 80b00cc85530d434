//! Decodes a picture and picks, by time, what is shown at each frame of a constant rate.

use ffmpeg_next::util::error::EAGAIN;
use ffmpeg_next::{Error, Packet, decoder, frame};
use seedpost_core::time::{FrameRate, Frames};

use crate::AvError;
use crate::source::{Clock, Source};
use crate::transcode::Stop;

/// A picture from a source's packets to the frames that are wanted of it.
pub(crate) struct Pick {
    decoder: decoder::Video,
    clock: Clock,
    rate: FrameRate,
    start: u64,
    frames: u64,
    /// How many frames were picked.
    done: u64,
    /// Whether the first packet comes from the middle of the file.
    pub(crate) sought: bool,
    /// The picture that is shown now.
    held: Option<frame::Video>,
    /// Whether it was not picked yet.
    is_new: bool,
}

/// What is shown at a frame.
pub(crate) struct Shot<'a> {
    pub(crate) decoded: &'a frame::Video,
    /// Which frame, from the first one wanted.
    pub(crate) number: u64,
    /// Whether it is another picture than at the frame before.
    pub(crate) is_new: bool,
}

impl Pick {
    /// Wants `frames` frames of `rate` from frame `start` on, counted from where the source's picture begins.
    pub(crate) fn new(
        source: &Source,
        decoder: decoder::Video,
        rate: FrameRate,
        (start, frames): (Frames, Frames),
    ) -> Pick {
        Pick {
            decoder,
            clock: source.clock,
            rate,
            start: start.0,
            frames: frames.0,
            done: 0,
            sought: false,
            held: None,
            is_new: false,
        }
    }

    /// Whether all frames were picked.
    pub(crate) fn is_done(&self) -> bool {
        self.done >= self.frames
    }

    /// Takes a packet of the source's picture.
    pub(crate) fn read(
        &mut self,
        packet: &Packet,
        each: &mut impl FnMut(Shot<'_>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        if self.is_done() {
            return Ok(());
        }
        match self.decoder.send_packet(packet) {
            // A stream may begin in the middle of a group of pictures.
            Err(error) if self.held.is_some() => Err(error.into()),
            _ => self.decode(each),
        }
    }

    /// Takes what the decoder still holds, and repeats the last picture where some is missing.
    pub(crate) fn finish(&mut self, each: &mut impl FnMut(Shot<'_>) -> Result<(), Stop>) -> Result<(), Stop> {
        if !self.is_done() {
            self.decoder.send_eof()?;
            self.decode(each)?;
            self.pick_until(None, each)?;
        }
        Ok(())
    }

    fn decode(&mut self, each: &mut impl FnMut(Shot<'_>) -> Result<(), Stop>) -> Result<(), Stop> {
        while !self.is_done() {
            let mut decoded = frame::Video::empty();
            match self.decoder.receive_frame(&mut decoded) {
                Ok(()) => self.show(decoded, each)?,
                Err(Error::Other { errno: EAGAIN } | Error::Eof) => return Ok(()),
                Err(error) if self.held.is_some() => return Err(error.into()),
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Picks what is shown before this picture begins; from then on it is shown itself.
    fn show(&mut self, decoded: frame::Video, each: &mut impl FnMut(Shot<'_>) -> Result<(), Stop>) -> Result<(), Stop> {
        let at = decoded.timestamp().ok_or(AvError::Request("a picture has no time"))?;
        if self.held.is_some() {
            self.pick_until(Some(at), each)?;
        } else if self.sought && self.clock.is_later(at, self.start, self.rate) {
            return Err(Stop::SoughtPast);
        }
        self.held = Some(decoded);
        self.is_new = true;
        Ok(())
    }

    /// Picks the picture that is held for each frame that begins before tick `end`; for all where absent.
    fn pick_until(
        &mut self,
        end: Option<i64>,
        each: &mut impl FnMut(Shot<'_>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        while !self.is_done() {
            if end.is_some_and(|end| !self.clock.is_later(end, self.start + self.done, self.rate)) {
                return Ok(());
            }
            let decoded = self.held.as_ref().ok_or(AvError::Request("no picture of it can be decoded"))?;
            each(Shot { decoded, number: self.done, is_new: self.is_new })?;
            self.is_new = false;
            self.done += 1;
        }
        Ok(())
    }
}
