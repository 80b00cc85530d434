//! Decodes the picture of a file from front to back and says what is seen in it.
//!
//! Of a damaged file it says what can be seen, and how often something could not. Memory does not grow with the file's
//! length. Deliberately absent: any judgement of what is seen.

mod luma;
pub(crate) mod stills;

use std::path::Path;

use ffmpeg_next::util::error::EAGAIN;
use ffmpeg_next::{Error, codec, decoder, frame};
use seedpost_core::content::Look;
use seedpost_core::time::Frames;

use crate::source::Source;
use crate::{AvError, probe};
use luma::Luma;
use stills::Stills;

/// The most places of errors that are told.
const MAX_PLACES: usize = 16;
/// Refusals in a row after which nothing more is expected of a reader or a decoder.
const MAX_REFUSALS: u32 = 1000;

/// What still pictures are wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// A folder for them, which exists; none are made where absent.
    pub folder: Option<&'a Path>,
    /// The most of them; never more than 100 are made.
    pub count: u32,
    /// Frames that the picture has, as far as known.
    pub frames: Option<Frames>,
}

/// Looks at all frames of the picture that players choose.
///
/// # Errors
/// `Request` where there is no moving picture, or no decoder of it; else what FFmpeg said when it opened the file, or
/// what the disk said. Damage on the way is no error.
pub fn look(source: &Path, wanted: &Wanted<'_>) -> Result<Look, AvError> {
    let mut source = Source::open(source)?;
    // Of several threads, FFmpeg's decoder of H.264 may hand out a frame before another has found it broken.
    let threads = if source.picture()?.parameters().id() == codec::Id::H264 { "1" } else { "2" };
    // Frames that are known to be broken are looked at too, so that the others keep their numbers.
    let mut decoder = source.decoder_with(&[("threads", threads), ("flags", "+output_corrupt")])?;
    let stream = source.picture()?;
    let shape = (probe::rotation(&stream), probe::pixel_aspect(&decoder));
    let mut watch = Watch { seen: Look::default(), luma: Luma::default(), stills: Stills::new(wanted, shape) };
    let mut refusals = 0;
    while refusals < MAX_REFUSALS {
        let packet = match source.next() {
            Ok(packet) => packet,
            Err(Error::InvalidData) => {
                watch.miss();
                refusals += 1;
                continue;
            }
            Err(Error::Eof) if !source.ends_early() => break,
            Err(_) => {
                watch.miss();
                break;
            }
        };
        refusals = 0;
        if packet.stream() != source.video {
            continue;
        }
        if source.is_damaged(&packet) {
            watch.miss();
        }
        if decoder.send_packet(&packet).is_err() {
            watch.miss();
        }
        watch.receive(&mut decoder);
    }
    if decoder.send_eof().is_ok() {
        watch.receive(&mut decoder);
    }
    watch.end(wanted.folder)
}

/// What was seen so far.
struct Watch {
    seen: Look,
    luma: Luma,
    stills: Stills,
}

impl Watch {
    /// Takes what the decoder has, in the order in which it is shown.
    fn receive(&mut self, decoder: &mut decoder::Video) {
        let mut refusals = 0;
        while refusals < MAX_REFUSALS {
            let mut decoded = frame::Video::empty();
            match decoder.receive_frame(&mut decoded) {
                Ok(()) => self.show(&decoded),
                Err(Error::Other { errno: EAGAIN } | Error::Eof) => return,
                Err(_) => {
                    self.miss();
                    refusals += 1;
                }
            }
        }
    }

    fn show(&mut self, decoded: &frame::Video) {
        if decoded.is_corrupt() || decoded.has_decode_errors() {
            self.miss();
        }
        self.luma.show(self.seen.frames, decoded);
        self.stills.show(self.seen.frames, decoded);
        self.seen.frames += 1;
    }

    /// Counts an error at the frame that should come next.
    fn miss(&mut self) {
        self.seen.errors += 1;
        let place = Frames(self.seen.frames);
        if self.seen.error_frames.len() < MAX_PLACES && self.seen.error_frames.last() != Some(&place) {
            self.seen.error_frames.push(place);
        }
    }

    fn end(mut self, folder: Option<&Path>) -> Result<Look, AvError> {
        (self.seen.black, self.seen.frozen) = self.luma.end(self.seen.frames);
        if let Some(folder) = folder {
            self.stills.write(folder, &mut self.seen)?;
        }
        Ok(self.seen)
    }
}
