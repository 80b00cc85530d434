//! A stretch of a WAV of two channels, 48 kHz and 24 bits, as it stands in the file.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use ffmpeg_next::{codec, format, media};
use seedpost_core::turnover::order::SoundOf;

use crate::AvError;
use crate::source::Source;
use crate::transcode::sound::HERTZ;

/// Bytes of a sample of both channels.
pub(super) const BLOCK: usize = 6;
/// Microseconds before the first sample at which reading begins, since the clock of whole files is coarser than samples.
const LEAD: i64 = 1000;

const CUT: AvError = AvError::Request("the WAV was cut short: it holds less than it says");

/// A WAV that is read from a sample on.
pub(super) struct Wave {
    source: Source,
    stream: usize,
    /// The sample behind what was read.
    read: u64,
    /// Samples before the first one wanted that come still.
    skip: u64,
    pending: Vec<u8>,
    is_at_end: bool,
}

impl Wave {
    pub(super) fn open(sound: &SoundOf) -> Result<Wave, AvError> {
        let (mut source, stream, stated) = checked(&sound.file)?;
        let from = sound.from.0;
        let is_beyond = stated.is_some_and(|stated| from >= stated);
        let micros = i64::try_from(u128::from(from) * 1_000_000 / u128::from(HERTZ)).unwrap_or(i64::MAX);
        if micros > LEAD && !is_beyond {
            source.input.seek(micros - LEAD, ..micros)?;
        }
        Ok(Wave { source, stream, read: 0, skip: from, pending: Vec::new(), is_at_end: is_beyond })
    }

    /// The next samples, as bytes; silence behind the file's end.
    pub(super) fn take(&mut self, samples: usize) -> Result<Vec<u8>, AvError> {
        let wanted = samples * BLOCK;
        while self.pending.len() < wanted && !self.is_at_end {
            self.next()?;
        }
        let mut taken: Vec<u8> = self.pending.drain(..wanted.min(self.pending.len())).collect();
        taken.resize(wanted, 0);
        Ok(taken)
    }

    fn next(&mut self) -> Result<(), AvError> {
        let Some(packet) = self.source.read()? else {
            self.is_at_end = true;
            return Ok(());
        };
        if packet.stream() != self.stream {
            return Ok(());
        }
        let bytes = packet.data().unwrap_or_default();
        if bytes.len() % BLOCK != 0 {
            return Err(CUT);
        }
        let at = packet.pts().and_then(|at| u64::try_from(at).ok()).unwrap_or(self.read);
        if self.read == 0 {
            const PLACE: AvError = AvError::Request("the WAV does not begin to be read where it was asked to");
            self.skip = self.skip.checked_sub(at).ok_or(PLACE)?;
        }
        let samples = (bytes.len() / BLOCK) as u64;
        self.read = at + samples;
        let skipped = self.skip.min(samples);
        self.skip -= skipped;
        self.pending.extend_from_slice(bytes.get(usize::try_from(skipped).unwrap_or(0) * BLOCK..).unwrap_or_default());
        Ok(())
    }
}

/// Opens a WAV, and refuses any other sound.
fn checked(path: &Path) -> Result<(Source, usize, Option<u64>), AvError> {
    const OTHER: AvError = AvError::Request("its sound has to be a WAV of two channels, 48 kHz, 24 bits of PCM");
    let (mut source, _) = Source::open_sound(path)?;
    if source.input.format().name() != "wav" {
        return Err(OTHER);
    }
    let stream = source.input.streams().find(|stream| stream.parameters().medium() == media::Type::Audio);
    let stream = stream.ok_or(OTHER)?;
    let sound = codec::context::Context::from_parameters(stream.parameters())?.decoder().audio()?;
    let form = (stream.parameters().id(), sound.rate(), sound.channels());
    if form != (codec::Id::PCM_S24LE, HERTZ, 2) {
        return Err(OTHER);
    }
    let (index, stated) = (stream.index(), stated(&stream));
    source.audio = Some(index);
    check_length(path)?;
    Ok((source, index, stated))
}

/// Refuses a file that is shorter than its chunk of samples says: FFmpeg reads it to its end in silence. What was
/// written without knowing its length says nothing.
fn check_length(path: &Path) -> Result<(), AvError> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut file = BufReader::new(file);
    let mut large = None;
    let mut at = 12;
    while at + 8 <= length {
        file.seek(SeekFrom::Start(at))?;
        let mut head = [0; 8];
        file.read_exact(&mut head)?;
        let [name @ .., a, b, c, d] = head;
        let size = u32::from_le_bytes([a, b, c, d]);
        if name == *b"ds64" && at + 24 <= length {
            // EBU Tech 3306: the size of the whole, then that of the samples, in eight bytes each.
            let mut sizes = [0; 16];
            file.read_exact(&mut sizes)?;
            large = sizes.last_chunk().map(|size| u64::from_le_bytes(*size));
        }
        if name == *b"data" {
            let size = if size == u32::MAX { large.unwrap_or(0) } else { size.into() };
            return if size <= length - at - 8 { Ok(()) } else { Err(CUT) };
        }
        at = at.saturating_add(8).saturating_add(u64::from(size) + u64::from(size % 2));
    }
    Err(CUT)
}

fn stated(stream: &format::stream::Stream<'_>) -> Option<u64> {
    u64::try_from(stream.duration()).ok().filter(|samples| *samples > 0)
}
