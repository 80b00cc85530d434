//! The sound of a clip: the supplied recordings one after the other over a quiet room, or the room.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use seedpost_core::sync::PhraseSync;
use seedpost_core::sync::edit_map::{Mode, plan};
use seedpost_core::time::{SampleRate, Samples, TimeRange};
use seedpost_media::MediaError;
use seedpost_media::decode::{Sound, decode};
use seedpost_media::overlay::overlay;
use seedpost_media::speech::{self, Detector};
use seedpost_media::stems::{lay, to_48};

/// The level of the room when it is all there is, and under speech.
const ROOM: (f32, f32) = (0.05, 0.006);

/// Writes interleaved stereo floats of exactly `length` samples.
pub(crate) fn write(out: &Path, length: Samples, audios: &[PathBuf], seed: u64) -> Result<(), MediaError> {
    let speech = speech(length, audios, seed)?;
    let level = if audios.is_empty() { ROOM.0 } else { ROOM.1 };
    let mut room = [Room::new(seed), Room::new(seed.wrapping_add(1))];
    let mut file = BufWriter::new(File::create(out)?);
    for index in 0..usize::try_from(length.0).unwrap_or(0) {
        for (channel, room) in room.iter_mut().enumerate() {
            let plane = &speech.channels[channel.min(speech.channels.len() - 1)];
            let sample = plane[index] * 0.9 + room.next() * level;
            file.write_all(&sample.clamp(-1.0, 1.0).to_le_bytes())?;
        }
    }
    file.flush().map_err(io::Error::into)
}

/// All recordings end to end at 48 kHz, performed anew, cut or padded to the clip.
fn speech(length: Samples, audios: &[PathBuf], seed: u64) -> Result<Sound, MediaError> {
    let size = usize::try_from(length.0).unwrap_or(0);
    let mut speech = Sound { rate: SampleRate::HZ_48000, channels: vec![vec![0.0; size]; 2] };
    let mut offset = Samples(0);
    let mut chance = Room::new(seed);
    for path in audios {
        let sound = to_48(&decode(File::open(path)?, None)?)?;
        let laid = match performed(&sound, offset, length, &mut chance) {
            Some(laid) => laid,
            None => lay(&sound, offset, length)?,
        };
        for (channel, plane) in speech.channels.iter_mut().enumerate() {
            let source = &laid.channels[channel.min(laid.channels.len() - 1)];
            plane.iter_mut().zip(source).for_each(|(sum, sample)| *sum += sample);
        }
        offset.0 += sound.length().0;
    }
    Ok(speech)
}

/// A recording as Seedance performs it: word for word, each phrase up to 0.15 s early or late and up to 3 % longer or
/// shorter; nothing where nobody speaks in it.
fn performed(sound: &Sound, offset: Samples, length: Samples, chance: &mut Room) -> Option<Sound> {
    let mut detector = Detector::new();
    detector.add(sound.channels.first()?);
    let phrases: Vec<PhraseSync> = speech::phrases(&detector.finish())
        .into_iter()
        .map(|phrase| {
            let expected = offset.0 + phrase.range.start.0;
            let start = expected.saturating_add_signed(chance.within(7_200));
            let longer = i128::from(phrase.range.length().0) * i128::from(1000 + chance.within(30)) / 1000;
            let end = start.saturating_add(u64::try_from(longer).unwrap_or(0));
            let found = Some(TimeRange { start: Samples(start), end: Samples(end) });
            PhraseSync { reference: 1, source: phrase.range, expected: Samples(expected), found, confidence: 1.0 }
        })
        .collect();
    overlay(&plan(&phrases, &[sound.length()], length, Mode::Stretched), &[sound])
}

/// Low rumble: white noise through a one-pole low-pass, the same for the same seed.
struct Room {
    state: u64,
    level: f32,
}

impl Room {
    fn new(seed: u64) -> Room {
        Room { state: seed | 1, level: 0.0 }
    }

    /// A whole number from `-most` to `most`.
    fn within(&mut self, most: i64) -> i64 {
        // The first numbers of neighbouring seeds are alike.
        (0..16).for_each(|_| self.step());
        let numbers = most.unsigned_abs() * 2 + 1;
        (self.state % numbers).cast_signed() - most
    }

    fn step(&mut self) {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
    }

    fn next(&mut self) -> f32 {
        self.step();
        #[expect(clippy::cast_precision_loss, reason = "noise needs no more than 24 bits")]
        let white = (self.state >> 40) as f32 / 8_388_608.0 - 1.0;
        self.level += (white - self.level) * 0.05;
        self.level * 4.0
    }
}
