//! Makes a picture reference: a stretch of a picture with burnt-in timecode, in an editing codec and for viewing.
//!
//! The source is decoded once, and burnt into once. What is burnt in: the record timecode, the name, the source's frame
//! number, and the record frame as bars. All references of one form have the same description of their picture, so
//! that [`crate::reel`] can lay them end to end without encoding anything anew. Pictures become 8 bits of the matrix that
//! their size suggests, in video range; they are neither de-interlaced nor tone mapped, and keep their primaries.

mod bars;
pub(crate) mod burn;
pub(crate) mod canvas;
pub(crate) mod coding;
mod recolour;

use ffmpeg_next::frame;
use seedpost_core::time::{Frames, Rounding, SampleRate};
use seedpost_core::turnover::order::{ReferenceForm, ReferenceOrder};

use crate::look::stills;
use crate::mix::{Sound, is_mov};
use crate::pick::{Pick, Shot};
use crate::shown::Shown;
use crate::source::Source;
use crate::stamp::Mark;
use crate::transcode::Stop;
use crate::transcode::target::Target;
use crate::{AvError, probe};
use canvas::Canvas;
use coding::{Coding, Kind, Track};

/// The most frames of one file: a day at 60 frames a second.
pub(crate) const MAX_FRAMES: u64 = 24 * 3600 * 60;
/// Threads of the decoder.
const THREADS: &str = "1";

/// Writes it: both files, and the still. The same source gives the same bytes.
///
/// # Errors
/// `Request` where the order makes no sense, or a source is cut short or no sound as [`crate::mix`] takes it; else what
/// FFmpeg or the disk said. Partial files may be left, for the caller to remove.
pub fn write(order: &ReferenceOrder) -> Result<(), AvError> {
    check(order)?;
    match pass(order, true) {
        Err(Stop::SoughtPast) => Ok(pass(order, false)?),
        other => Ok(other?),
    }
}

fn check(order: &ReferenceOrder) -> Result<(), AvError> {
    coding::check(&order.form)?;
    if !(1..=MAX_FRAMES).contains(&order.frames.0) || order.from.0 > u64::from(u32::MAX) {
        return Err(AvError::Request("a reference needs at least one frame, and at most a day of them"));
    }
    if !is_mov(&order.edit)? || is_mov(&order.view)? {
        return Err(AvError::Request("a reference to edit is a .mov, and one to view an .mp4"));
    }
    match &order.still {
        Some(still) if still.frame.0 >= order.frames.0 || !(16..=8192).contains(&still.side) => {
            Err(AvError::Request("a still is one of the frames that are used, and 16 to 8192 pixels long"))
        }
        _ => Ok(()),
    }
}

fn pass(order: &ReferenceOrder, seek: bool) -> Result<(), Stop> {
    let mut source = Source::open(&order.source)?;
    let mut making = Making::begin(&source, order)?;
    let decoder = source.decoder_with(&[("threads", THREADS)])?;
    let mut pick = Pick::new(&source, decoder, order.form.rate, (order.from, order.frames));
    if seek {
        let rate = order.form.rate;
        let micros = u128::from(order.from.0) * u128::from(rate.den()) * 1_000_000 / u128::from(rate.num());
        pick.sought = source.seek(i64::try_from(micros).unwrap_or(0)).map_err(|_| Stop::SoughtPast)?;
    }
    while !pick.is_done() {
        let Some(packet) = source.read()? else { break };
        if packet.stream() == source.video {
            pick.read(&packet, &mut |shot| making.show(&shot))?;
        }
    }
    pick.finish(&mut |shot| making.show(&shot))?;
    making.end()
}

/// What becomes of each frame.
struct Making<'a> {
    order: &'a ReferenceOrder,
    rotation: u16,
    pixel_aspect: (u32, u32),
    canvas: Canvas,
    picture: frame::Video,
    files: [Writing; 2],
}

impl<'a> Making<'a> {
    fn begin(source: &Source, order: &'a ReferenceOrder) -> Result<Making<'a>, AvError> {
        let stream = source.picture()?;
        let decoder = source.decoder_with(&[("threads", THREADS)])?;
        let (rotation, pixel_aspect) = (probe::rotation(&stream), probe::pixel_aspect(&decoder));
        let size = crate::shown::upright((decoder.width(), decoder.height()), rotation, pixel_aspect);
        let mark = Mark::new(burn::label(&order.form, order.source_timecode)?, &order.reel)?;
        let writing = |kind| Writing::begin(order, kind, &mark);
        Ok(Making {
            order,
            rotation,
            pixel_aspect,
            canvas: Canvas::new(&order.form, size, rotation)?,
            picture: canvas::black(&order.form),
            files: [writing(Kind::Edit(order.form.codec))?, writing(Kind::View)?],
        })
    }

    fn show(&mut self, shot: &Shot<'_>) -> Result<(), Stop> {
        let order = self.order;
        if let Some(still) = order.still.as_ref().filter(|still| still.frame.0 == shot.number) {
            let shown = Shown { decoded: shot.decoded, rotation: self.rotation, pixel_aspect: self.pixel_aspect };
            let small = stills::small(&shown, (still.side, still.side));
            let small = small.ok_or(AvError::Request("no still can be made of it"))?;
            stills::save(&still.out, &small)?;
        }
        self.canvas.put(shot.decoded, shot.is_new, &mut self.picture)?;
        let record = burn::label(&order.form, Frames(order.record.0.saturating_add(shot.number)))?;
        let number = format!("SOURCE {:05}", order.from.0 + shot.number);
        burn::burn(&mut self.picture, record, &[&order.name, &number]);
        for file in &mut self.files {
            file.frame(&order.form, &mut self.picture)?;
        }
        Ok(())
    }

    fn end(self) -> Result<(), Stop> {
        self.files.into_iter().try_for_each(Writing::end)
    }
}

/// One of the files.
struct Writing {
    target: Target,
    coding: Coding,
    track: Track,
    sound: Option<Sound>,
}

impl Writing {
    fn begin(order: &ReferenceOrder, kind: Kind, mark: &Mark) -> Result<Writing, AvError> {
        let out = if kind == Kind::View { &order.view } else { &order.edit };
        let mut target = Target::create(out, kind.container(), u64::MAX)?;
        let coding = Coding::open(&order.form, kind)?;
        let track = Track::add(&mut target, &coding, mark, kind)?;
        let total = samples(&order.form, order.frames)?;
        let sound = order.sound.as_ref();
        let sound = sound.map(|sound| Sound::add(&mut target, sound, total, kind != Kind::View)).transpose()?;
        target.begin(&coding::muxing(order.form.rate))?;
        Ok(Writing { target, coding, track, sound })
    }

    fn frame(&mut self, form: &ReferenceForm, picture: &mut frame::Video) -> Result<(), Stop> {
        self.coding.encode(picture, &mut self.track, &mut self.target)?;
        match &mut self.sound {
            Some(sound) => sound.until(&mut self.target, samples(form, Frames(self.track.written))?),
            None => Ok(()),
        }
    }

    fn end(mut self) -> Result<(), Stop> {
        self.coding.finish(&mut self.track, &mut self.target)?;
        if let Some(sound) = &mut self.sound {
            sound.finish(&mut self.target)?;
        }
        self.target.end()
    }
}

/// The samples of 48 kHz that so many frames last.
pub(crate) fn samples(form: &ReferenceForm, frames: Frames) -> Result<u64, AvError> {
    let samples = form.rate.samples(frames, SampleRate::HZ_48000, Rounding::Nearest);
    samples.map(|samples| samples.0).ok_or(AvError::Request("a reference cannot last that long"))
}
