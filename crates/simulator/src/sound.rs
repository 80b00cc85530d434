//! The sound of a clip: the supplied recordings one after the other over a quiet room, or the room.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use seedpost_core::time::{SampleRate, Samples};
use seedpost_media::MediaError;
use seedpost_media::decode::{Sound, decode};
use seedpost_media::stems::lay;

/// The level of the room when it is all there is, and under speech.
const ROOM: (f32, f32) = (0.05, 0.006);

/// Writes interleaved stereo floats of exactly `length` samples.
pub(crate) fn write(out: &Path, length: Samples, audios: &[PathBuf], seed: u64) -> Result<(), MediaError> {
    let speech = speech(length, audios)?;
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

/// All recordings end to end at 48 kHz, cut or padded to the clip.
fn speech(length: Samples, audios: &[PathBuf]) -> Result<Sound, MediaError> {
    let size = usize::try_from(length.0).unwrap_or(0);
    let mut speech = Sound { rate: SampleRate::HZ_48000, channels: vec![vec![0.0; size]; 2] };
    let mut offset: u64 = 0;
    for path in audios {
        let sound = decode(File::open(path)?, None)?;
        let laid = lay(&sound, Samples(offset), length)?;
        for (channel, plane) in speech.channels.iter_mut().enumerate() {
            let source = &laid.channels[channel.min(laid.channels.len() - 1)];
            plane.iter_mut().zip(source).for_each(|(sum, sample)| *sum += sample);
        }
        offset += sound.length().0 * 48_000 / u64::from(sound.rate.hertz());
    }
    Ok(speech)
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

    fn next(&mut self) -> f32 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        #[expect(clippy::cast_precision_loss, reason = "noise needs no more than 24 bits")]
        let white = (self.state >> 40) as f32 / 8_388_608.0 - 1.0;
        self.level += (white - self.level) * 0.05;
        self.level * 4.0
    }
}
