//! A file of a reel: silence, pops and stretches of stems, whose 24-bit samples are copied as they are.
//!
//! Samples are handled as bytes here, six for the two sides of one: floats would cost as much as the disk.
#![deny(clippy::indexing_slicing)]

use std::io::{Read, Seek, SeekFrom, Write};

use seedpost_core::time::{Samples, TimeRange};

use crate::wav::{Label, Stem, quantise};
use crate::{MediaError, riff, tone};

/// The bytes of one sample of both sides.
pub const FRAME: usize = 6;
/// Samples that are well handled at once.
pub const BLOCK: usize = 1 << 14;

/// A stretch of a stem, read in order as the samples of both sides.
pub struct Stretch<R> {
    source: R,
    wav: riff::Wav,
    /// Samples that are still to come.
    left: u64,
    raw: Vec<u8>,
}

impl<R: Read + Seek> Stretch<R> {
    /// Opens a stem that was told to be of so many samples. What of the range lies behind its end is silence.
    ///
    /// # Errors
    /// `Malformed` for what is no WAV, was cut short, or is shorter than told; `Unsupported` for another rate than 48
    /// kHz, and for more than two channels.
    pub fn open(mut source: R, told: Samples, range: TimeRange<Samples>) -> Result<Stretch<R>, MediaError> {
        if !riff::is_wav(&mut source)? {
            return Err(MediaError::malformed("wav", 0, "it does not begin as a WAV"));
        }
        let wav = riff::read(&mut source)?;
        if wav.rate.hertz() != 48_000 || wav.channels > 2 || riff::decoder(&wav).is_none() {
            let found = format!("{} at {} Hz on {} channels", wav.codec(), wav.rate.hertz(), wav.channels);
            return Err(MediaError::Unsupported(format!("{found}; a stem is 48 kHz on one or two")));
        }
        if wav.samples < told {
            let what = format!("{} samples, where there were {}", wav.samples.0, told.0);
            return Err(MediaError::malformed("wav", wav.start, what));
        }
        let end = range.end.min(told).0;
        let start = range.start.0.min(end);
        source.seek(SeekFrom::Start(wav.start.saturating_add(start.saturating_mul(wav.frame() as u64))))?;
        Ok(Stretch { source, wav, left: end - start, raw: Vec::new() })
    }

    /// Fills a block of [`FRAME`] bytes a sample with the next samples, and with silence behind their end.
    ///
    /// # Errors
    /// Those of the disk, `Malformed` where the file shrank meanwhile.
    pub fn read(&mut self, block: &mut [u8]) -> Result<(), MediaError> {
        let length = self.left.min((block.len() / FRAME) as u64) as usize;
        self.left -= length as u64;
        let (sound, silence) = block.split_at_mut(length * FRAME);
        silence.fill(0);
        if !self.wav.float && self.wav.bits == 24 && self.wav.channels == 2 {
            return read_exact(&mut self.source, sound);
        }
        self.raw.resize(length * self.wav.frame(), 0);
        read_exact(&mut self.source, &mut self.raw)?;
        let Some(decode) = riff::decoder(&self.wav) else { return Ok(()) };
        let sides = self.raw.chunks_exact(self.wav.frame()).zip(sound.as_chunks_mut::<FRAME>().0);
        for (frame, slot) in sides {
            let (left, right) = frame.split_at(self.wav.width());
            let right = if right.is_empty() { left } else { right };
            *slot = packed(quantise(decode(left)), quantise(decode(right)));
        }
        Ok(())
    }
}

fn read_exact<R: Read>(source: &mut R, block: &mut [u8]) -> Result<(), MediaError> {
    source.read_exact(block).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => MediaError::malformed("wav", 0, "the file shrank while it was read"),
        _ => error.into(),
    })
}

fn packed(left: i32, right: i32) -> [u8; FRAME] {
    let ([a, b, c, _], [d, e, f, _]) = (left.to_le_bytes(), right.to_le_bytes());
    [a, b, c, d, e, f]
}

/// Puts the middle of a block, which is half of left and right together, on its left, and that of another on its right.
pub fn side_by_side(block: &mut [u8], right: &[u8]) {
    for (slot, other) in block.as_chunks_mut::<FRAME>().0.iter_mut().zip(right.as_chunks::<FRAME>().0) {
        *slot = packed(middle(*slot), middle(*other));
    }
}

/// To the nearest, ties to even.
fn middle([a, b, c, d, e, f]: [u8; FRAME]) -> i32 {
    let whole = |low, middle, high| i32::from_le_bytes([0, low, middle, high]) >> 8;
    let sum = whole(a, b, c) + whole(d, e, f);
    (sum + (sum >> 1 & 1)) >> 1
}

/// A file of two sides in the making, and one of each side beside it.
pub struct Reel<W> {
    both: Stem<W>,
    /// None, or two.
    sides: Vec<Stem<W>>,
    /// The sample that comes next.
    at: u64,
    length: u64,
    side: Vec<u8>,
}

impl<W: Write> Reel<W> {
    /// Begins files of so many samples.
    ///
    /// # Errors
    /// As [`Stem::begin`].
    pub fn begin(both: (W, &Label), sides: Vec<(W, &Label)>, length: Samples) -> Result<Reel<W>, MediaError> {
        let begin = |(out, label)| Stem::begin(out, length, label);
        Ok(Reel {
            both: begin(both)?,
            sides: sides.into_iter().map(begin).collect::<Result<_, _>>()?,
            at: 0,
            length: length.0,
            side: Vec::new(),
        })
    }

    /// Adds silence up to a sample.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn silence_to(&mut self, sample: Samples) -> Result<(), MediaError> {
        let length = Samples(sample.0.min(self.length).saturating_sub(self.at));
        self.at += length.0;
        self.both.silence(length)?;
        self.sides.iter_mut().try_for_each(|side| side.silence(length))
    }

    /// Adds a pop of 1 kHz at -20 dBFS on both sides, as long as the range, after silence up to it.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn pop(&mut self, range: TimeRange<Samples>) -> Result<(), MediaError> {
        self.silence_to(range.start)?;
        let length = usize::try_from(range.length().0).unwrap_or(usize::MAX);
        let pop: Vec<u8> = tone::pop().take(length).flat_map(|sample| packed(sample, sample)).collect();
        self.add(&pop)
    }

    /// Adds a block of [`FRAME`] bytes a sample.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn add(&mut self, block: &[u8]) -> Result<(), MediaError> {
        self.at += (block.len() / FRAME) as u64;
        self.both.add_packed(block)?;
        for (index, file) in self.sides.iter_mut().enumerate() {
            self.side.resize(block.len() / 2, 0);
            let sides = block.as_chunks::<3>().0.iter().skip(index).step_by(2);
            self.side.as_chunks_mut::<3>().0.iter_mut().zip(sides).for_each(|(slot, sample)| *slot = *sample);
            file.add_packed(&self.side)?;
        }
        Ok(())
    }

    /// Fills up with silence; answers what was written to.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn end(self) -> Result<Vec<W>, MediaError> {
        std::iter::once(self.both).chain(self.sides).map(Stem::end).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// A plain WAV of whole numbers, by the standard's own layout.
    fn wav(hertz: u32, channels: u16, bits: u16, samples: &[i32]) -> Cursor<Vec<u8>> {
        let mut out = Cursor::new(Vec::new());
        let spec = hound::WavSpec {
            channels,
            sample_rate: hertz,
            bits_per_sample: bits,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::new(&mut out, spec).expect("memory");
        samples.iter().for_each(|sample| writer.write_sample(*sample).expect("it fits"));
        writer.finalize().expect("memory");
        out
    }

    fn range(start: u64, end: u64) -> TimeRange<Samples> {
        TimeRange { start: Samples(start), end: Samples(end) }
    }

    /// Opens a stretch and reads so many samples of it.
    fn read(file: Cursor<Vec<u8>>, told: u64, range: TimeRange<Samples>, samples: usize) -> Vec<i32> {
        let mut block = vec![9; samples * FRAME];
        let mut stretch = Stretch::open(file, Samples(told), range).expect("a stem");
        stretch.read(&mut block).expect("memory");
        block.as_chunks::<3>().0.iter().map(|[a, b, c]| i32::from_le_bytes([0, *a, *b, *c]) >> 8).collect()
    }

    #[test]
    fn a_stretch_is_the_stems_own_samples_and_then_silence() {
        let stem = || wav(48_000, 2, 24, &[1, -1, 2, -8_388_608, 3, 8_388_607]);
        assert_eq!(read(stem(), 3, range(1, 3), 3), [2, -8_388_608, 3, 8_388_607, 0, 0]);
        assert_eq!(read(stem(), 3, range(2, 9), 2), [3, 8_388_607, 0, 0]);
        assert_eq!(read(stem(), 2, range(1, 9), 2), [2, -8_388_608, 0, 0], "what was not told of is no part of it");
        assert_eq!(read(stem(), 3, range(7, 9), 1), [0, 0]);
    }

    #[test]
    fn one_channel_is_on_both_sides_and_sixteen_bits_become_twenty_four() {
        assert_eq!(read(wav(48_000, 1, 16, &[5, -6]), 2, range(0, 2), 2), [1280, 1280, -1536, -1536]);
        assert_eq!(read(wav(48_000, 2, 16, &[5, -6]), 1, range(0, 1), 1), [1280, -1536]);
    }

    #[test]
    fn a_stem_that_is_not_what_was_told_is_refused() {
        let refused = |file, told| match Stretch::open(file, Samples(told), range(0, 1)) {
            Ok(_) => panic!("it was opened"),
            Err(error) => error.to_string(),
        };
        assert!(refused(wav(48_000, 2, 24, &[0; 4]), 3).contains("2 samples, where there were 3"));
        assert!(refused(wav(44_100, 2, 24, &[0; 4]), 2).contains("44100 Hz"));
        assert!(refused(wav(48_000, 3, 24, &[0; 3]), 1).contains("3 channels"));
        assert!(refused(Cursor::new(b"RIFX".to_vec()), 0).contains("does not begin as a WAV"));
        let mut cut = wav(48_000, 2, 24, &[0; 4]).into_inner();
        cut.truncate(cut.len() - 1);
        assert!(refused(Cursor::new(cut), 2).contains("it was cut short"));
    }

    /// Ties go to even numbers, so that halves have no lean.
    #[test]
    fn the_middle_is_half_of_both_sides() {
        let mut block = [packed(3, 0), packed(1, 0), packed(-8_388_608, -8_388_608)].concat();
        side_by_side(&mut block, &[packed(-1, 0), packed(-3, 0), packed(8_388_607, 8_388_606)].concat());
        assert_eq!(block, [packed(2, 0), packed(0, -2), packed(-8_388_608, 8_388_606)].concat());
    }
}
