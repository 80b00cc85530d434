//! The FFmpeg worker: reads one request a line, answers one line each, and ends with its input.
//!
//! It is a program of its own so that C code which parses strangers' files shares neither memory nor
//! keys with `seedpost`, and so that nobody else waits for FFmpeg to load.

use std::io::{BufRead, Write};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getppid, setrlimit};
use seedpost_av::{AvError, clip, last_frame, look, mix, probe, reel, reference, rewrap, sound, stamp, transcode};
use seedpost_media::worker::{Answer, ClipOrder, Coded, Decoded, Request, SoundFate};

/// The most memory that the worker may map, in bytes.
const MAX_MEMORY: u64 = 6 << 30;

fn main() -> std::io::Result<()> {
    let limit = Rlimit { current: Some(MAX_MEMORY), maximum: Some(MAX_MEMORY) };
    setrlimit(Resource::As, limit)?;
    end_with_the_parent();
    let ready = seedpost_av::init();
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let answer = match (&ready, serde_json::from_str(&line?)) {
            (Err(error), _) => Answer::Failed { message: error.to_string() },
            (_, Err(error)) => Answer::Failed { message: format!("not a request: {error}") },
            (Ok(()), Ok(request)) => {
                perform(request).unwrap_or_else(|error| Answer::Failed { message: error.to_string() })
            }
        };
        serde_json::to_writer(&mut out, &answer)?;
        out.write_all(b"\n")?;
        out.flush()?;
    }
    Ok(())
}

/// Nobody waits for an answer any more when the program that asked is gone.
fn end_with_the_parent() {
    let parent = getppid();
    std::thread::spawn(move || {
        while getppid() == parent {
            std::thread::sleep(Duration::from_millis(500));
        }
        std::process::exit(1);
    });
}

fn perform(request: Request) -> Result<Answer, AvError> {
    match request {
        Request::Probe { path } => probe::probe(&path).map(|info| Answer::Info(Box::new(info))),
        Request::Clip(order) => make_clip(&order).map(|()| Answer::Done),
        Request::Rewrap(order) => {
            let fate = match order.sound {
                SoundFate::Drop => rewrap::Fate::Drop,
                SoundFate::Copy => rewrap::Fate::Copy,
                SoundFate::Encode => rewrap::Fate::Encode,
            };
            let picture = rewrap::write(&order.source, &order.out, fate)?;
            Ok(Answer::Copied(Coded { packets: picture.packets, sha256: picture.sha256 }))
        }
        Request::Stamp(order) => {
            let stamp = stamp::Stamp {
                source: &order.source,
                out: &order.out,
                timecode: &order.timecode,
                reel: &order.reel,
                rate: order.rate,
                slow: order.slow,
            };
            let picture = stamp::write(&stamp)?;
            Ok(Answer::Copied(Coded { packets: picture.packets, sha256: picture.sha256 }))
        }
        Request::Reference(order) => reference::write(&order).map(|()| Answer::Done),
        Request::Reel(order) => reel::write(&order).map(|()| Answer::Done),
        Request::Mix(order) => mix::write(&order).map(|()| Answer::Done),
        Request::Sound(order) => {
            let sound = sound::write(&order.source, &order.out)?;
            Ok(Answer::Decoded(Decoded { rate: sound.rate, channels: sound.channels, samples: sound.samples }))
        }
        Request::Look(order) => {
            let wanted = look::Wanted { folder: order.pictures.as_deref(), count: order.count, frames: order.frames };
            look::look(&order.source, &wanted).map(Answer::Look)
        }
        Request::LastFrame { source, out } => last_frame::write(&source, &out).map(|()| Answer::Done),
        Request::Transcode(order) => {
            let copy = transcode::Copy {
                source: &order.source,
                out: &order.out,
                start: order.start,
                frames: order.frames,
                rate: order.rate,
                width: order.width,
                height: order.height,
                rotation: order.rotation,
                max_bytes: order.max_bytes,
            };
            transcode::write(&copy).map(|()| Answer::Done)
        }
    }
}

fn make_clip(order: &ClipOrder) -> Result<(), AvError> {
    clip::write(&clip::Clip {
        out: &order.out,
        width: order.width,
        height: order.height,
        frames: order.frames,
        captions: &order.captions,
        sound: order.sound.as_deref(),
        channels: order.channels,
        rate: order.rate,
    })
}
