//! Lays picture references end to end as one reel: what was encoded is copied, leader and tail are encoded alike.
//!
//! Nothing is held but a frame and the index of the file. A part is taken only if its file describes its picture in the
//! very bytes in which the reel's does: so whatever plays the one plays the other.

use std::path::Path;

use ffmpeg_next::{codec, frame};
use seedpost_core::time::Frames;
use seedpost_core::turnover::order::{ReelOrder, ReelPart, ReferenceForm};

use crate::AvError;
use crate::mix::{Sound, is_mov};
use crate::reference::coding::{self, Coding, Kind, Track};
use crate::reference::{MAX_FRAMES, burn, canvas, samples};
use crate::rewrap::boxes;
use crate::source::Source;
use crate::stamp::{Mark, seconds_a_frame};
use crate::transcode::Stop;
use crate::transcode::target::Target;

/// Writes it. The same parts give the same bytes.
///
/// # Errors
/// `Request` where the order makes no sense, or a part is not of the reel's form, is cut short or has another number of
/// frames, or the sound is not as [`crate::mix`] takes it; else what FFmpeg or the disk said. A partial file may be left,
/// for the caller to remove.
pub fn write(order: &ReelOrder) -> Result<(), AvError> {
    let total = check(order)?;
    let kind = if is_mov(&order.out)? { Kind::Edit(order.form.codec) } else { Kind::View };
    let mut reel = Reel::begin(order, kind, total)?;
    for part in &order.parts {
        match part {
            ReelPart::Black { frames } => reel.black(*frames)?,
            ReelPart::Clip { file, frames } => reel.clip(file, *frames)?,
        }
    }
    reel.end()?;
    let own = boxes::description(&order.out)?;
    for part in &order.parts {
        if let ReelPart::Clip { file, .. } = part
            && boxes::description(file)? != own
        {
            return Err(AvError::Request("a part of the reel was encoded otherwise than the reel; make the part anew"));
        }
    }
    Ok(())
}

/// How many frames the reel has.
fn check(order: &ReelOrder) -> Result<Frames, AvError> {
    coding::check(&order.form)?;
    let mut at = order.record.0;
    let mut flashes = order.flashes.clone();
    for part in &order.parts {
        let (ReelPart::Black { frames } | ReelPart::Clip { frames, .. }) = part;
        let end = at.saturating_add(frames.0);
        let is_black = matches!(part, ReelPart::Black { .. });
        flashes.retain(|flash| !(is_black && (at..end).contains(&flash.0)));
        at = end;
    }
    if !flashes.is_empty() {
        return Err(AvError::Request("a flash stands outside the reel's black parts"));
    }
    match at - order.record.0 {
        total @ 1..=MAX_FRAMES => Ok(Frames(total)),
        _ => Err(AvError::Request("a reel needs at least one frame, and at most a day of them")),
    }
}

/// A reel being written.
struct Reel<'a> {
    order: &'a ReelOrder,
    kind: Kind,
    target: Target,
    track: Track,
    sound: Option<Sound>,
    picture: frame::Video,
    /// What the picture is filled with.
    ground: Ground,
    /// Whether nothing but the slate was shown yet.
    is_slate: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ground {
    Black,
    Slate,
    White,
}

impl<'a> Reel<'a> {
    fn begin(order: &'a ReelOrder, kind: Kind, total: Frames) -> Result<Reel<'a>, AvError> {
        let form = &order.form;
        let mut target = Target::create(&order.out, kind.container(), u64::MAX)?;
        let mark = Mark::new(burn::label(form, order.record)?, &order.reel)?;
        let track = Track::add(&mut target, &Coding::open(form, kind)?, &mark, kind)?;
        let total = samples(form, total)?;
        let sound = order.sound.as_ref();
        let sound = sound.map(|sound| Sound::add(&mut target, sound, total, kind != Kind::View)).transpose()?;
        target.begin(&coding::muxing(form.rate))?;
        let picture = canvas::black(form);
        Ok(Reel { order, kind, target, track, sound, picture, ground: Ground::Black, is_slate: true })
    }

    /// Black frames with their labels, and flashes.
    fn black(&mut self, frames: Frames) -> Result<(), Stop> {
        let mut coding = Coding::open(&self.order.form, self.kind)?;
        let first = self.order.record.0.saturating_add(self.track.written);
        for at in first..first.saturating_add(frames.0) {
            let is_flash = self.order.flashes.contains(&Frames(at));
            self.is_slate &= !is_flash;
            self.paint(match (is_flash, self.is_slate) {
                (true, _) => Ground::White,
                (false, true) => Ground::Slate,
                (false, false) => Ground::Black,
            });
            burn::burn(&mut self.picture, burn::label(&self.order.form, Frames(at))?, &[]);
            coding.encode(&mut self.picture, &mut self.track, &mut self.target)?;
            self.hear()?;
        }
        coding.finish(&mut self.track, &mut self.target)
    }

    fn paint(&mut self, ground: Ground) {
        if ground == self.ground {
            return;
        }
        match ground {
            Ground::White => canvas::whiten(&mut self.picture),
            Ground::Black | Ground::Slate => canvas::blacken(&mut self.picture),
        }
        if ground == Ground::Slate {
            burn::slate(&mut self.picture, &self.order.slate);
        }
        self.ground = ground;
    }

    /// Copies a file's picture.
    fn clip(&mut self, file: &Path, frames: Frames) -> Result<(), Stop> {
        const COUNT: AvError = AvError::Request("a part of the reel has another number of frames than it should have");
        self.is_slate = false;
        let mut source = open(file, &self.order.form, self.kind)?;
        let mut copied = 0;
        while let Some(mut packet) = source.read()? {
            if packet.stream() != source.video {
                continue;
            }
            if copied == frames.0 {
                return Err(COUNT.into());
            }
            let is_even = packet.pts().is_some() && packet.pts() == packet.dts() && (copied > 0 || packet.is_key());
            if !is_even {
                return Err(OTHERWISE.into());
            }
            copied += 1;
            if self.kind == Kind::View {
                packet.data_mut().and_then(put_start_codes).ok_or(OTHERWISE)?;
            }
            self.track.write(&mut self.target, &mut packet)?;
            self.hear()?;
        }
        if copied == frames.0 { Ok(()) } else { Err(COUNT.into()) }
    }

    /// Writes the sound up to the end of the last frame.
    fn hear(&mut self) -> Result<(), Stop> {
        match &mut self.sound {
            Some(sound) => sound.until(&mut self.target, samples(&self.order.form, Frames(self.track.written))?),
            None => Ok(()),
        }
    }

    fn end(mut self) -> Result<(), Stop> {
        if let Some(sound) = &mut self.sound {
            sound.finish(&mut self.target)?;
        }
        self.target.end()
    }
}

/// Puts start codes (ITU-T H.264, annex B) where the lengths of NAL units stood, each in four bytes: so encoders give
/// them, and the muxer makes lengths of all alike. `None` where they do not add up.
fn put_start_codes(mut rest: &mut [u8]) -> Option<()> {
    while !rest.is_empty() {
        let (length, behind) = rest.split_first_chunk_mut()?;
        let unit = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        *length = [0, 0, 0, 1];
        rest = behind.get_mut(unit..)?;
    }
    Some(())
}

const OTHERWISE: AvError =
    AvError::Request("a part of the reel has another codec, size or rate than the reel; make the part anew");

/// Opens a part, and refuses one of another form.
fn open(file: &Path, form: &ReferenceForm, kind: Kind) -> Result<Source, AvError> {
    let source = Source::open(file)?;
    let stream = source.picture()?;
    let picture = codec::context::Context::from_parameters(stream.parameters())?.decoder().video()?;
    let same = stream.parameters().id() == kind.id()
        && (picture.width(), picture.height()) == (form.width, form.height)
        && stream.avg_frame_rate() == seconds_a_frame(form.rate).invert();
    if same { Ok(source) } else { Err(OTHERWISE) }
}
