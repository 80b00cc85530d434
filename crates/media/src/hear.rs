//! Sound as it comes, block by block, to everyone who wants it: the stem, the meters, the pen.

use std::io::Write;

use seedpost_core::content::{Levels, Loudness, Music};
use seedpost_core::time::{SampleRate, Samples};
use serde::{Deserialize, Serialize};

use crate::MediaError;
use crate::decode::mean;
use crate::rate::To48;
use crate::speech::Region;
use crate::wav::{Label, Stem};
use crate::wave::{Pen, Wave};
use crate::{level, loudness, music, speech};

/// What was heard of a sound at 48 kHz, up to the end of its picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Heard {
    /// How loud it is.
    pub loudness: Loudness,
    /// What its samples tell.
    pub levels: Levels,
    /// Where someone speaks, in samples at 48 kHz (estimated); absent where it was not asked for.
    pub speech: Option<Vec<Region>>,
    /// Whether there is music; absent where it was not asked for.
    pub music: Option<Music>,
    /// Its outline, where it was asked for.
    #[serde(skip)]
    pub wave: Option<Wave>,
}

/// What is listened for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wants {
    /// An outline for drawing.
    pub wave: bool,
    /// Where someone speaks.
    pub speech: bool,
    /// Whether there is music.
    pub music: bool,
}

/// Listens to one sound, and writes its stem.
pub struct Hearing<W> {
    resampler: To48,
    ears: Ears<W>,
}

struct Ears<W> {
    stem: Option<Stem<W>>,
    /// Samples that are still wanted.
    left: u64,
    channels: usize,
    /// Of more channels than the standard knows the loudness is not measured.
    loudness: Option<loudness::Meter>,
    levels: level::Meter,
    pen: Option<Pen>,
    speech: Option<speech::Detector>,
    music: Option<music::Detector>,
    /// The mean of the channels.
    mono: Vec<f32>,
}

impl<W: Write> Hearing<W> {
    /// Begins with sound of a rate and number of channels, of which `length` samples at 48 kHz are wanted. `stem` is
    /// where the stem goes, exactly that long, and what it says of itself; one channel goes to both of its sides, and
    /// what is resampled is dithered.
    ///
    /// # Errors
    /// `Unsupported` for a rate that cannot be converted, or for a stem of more than two channels.
    pub fn begin(
        rate: SampleRate,
        channels: usize,
        length: Samples,
        stem: Option<(W, &Label)>,
        wants: Wants,
    ) -> Result<Hearing<W>, MediaError> {
        let stem = stem.map(|(out, label)| Stem::begin(out, length, label)).transpose()?;
        let stem = stem.map(|stem| if rate == SampleRate::HZ_48000 { stem } else { stem.dithered() });
        let loudness = loudness::Meter::new(SampleRate::HZ_48000.hertz(), channels).ok();
        let loudness = loudness.map(|meter| if wants.speech { meter.for_speech() } else { meter });
        let pen = wants.wave.then(Pen::new);
        let ears = Ears {
            stem,
            left: length.0,
            channels,
            loudness,
            levels: level::Meter::default(),
            pen,
            speech: wants.speech.then(speech::Detector::new),
            music: wants.music.then(|| music::Detector::new(SampleRate::HZ_48000.hertz())),
            mono: Vec::new(),
        };
        Ok(Hearing { resampler: To48::new(rate, channels)?, ears })
    }

    /// Takes a block: one slice a channel, all of one length.
    ///
    /// # Errors
    /// `Unsupported` where the number of channels changes; those of the disk.
    pub fn add(&mut self, block: &[&[f32]]) -> Result<(), MediaError> {
        let Hearing { resampler, ears } = self;
        resampler.add(block, &mut |block| ears.add(block))
    }

    /// Ends; answers what the stem was written to.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn end(self) -> Result<(Heard, Option<W>), MediaError> {
        let Hearing { resampler, mut ears } = self;
        resampler.end(&mut |block| ears.add(block))?;
        ears.fill();
        let speech = ears.speech.map(speech::Detector::finish);
        let ranges: Vec<_> = speech.iter().flatten().map(|region| region.range).collect();
        let heard = Heard {
            loudness: ears.loudness.map(|meter| meter.finish_with(&ranges)).unwrap_or_default(),
            levels: ears.levels.finish(),
            speech,
            music: ears.music.map(music::Detector::finish),
            wave: ears.pen.map(Pen::finish),
        };
        Ok((heard, ears.stem.map(Stem::end).transpose()?))
    }
}

impl<W: Write> Ears<W> {
    fn add(&mut self, block: &[&[f32]]) -> Result<(), MediaError> {
        let length = block.first().map_or(0, |plane| plane.len());
        let length = usize::try_from(self.left).map_or(length, |left| left.min(length));
        self.left -= length as u64;
        let block: Vec<&[f32]> = block.iter().filter_map(|plane| plane.get(..length)).collect();
        if let Some(stem) = &mut self.stem {
            stem.add(&block)?;
        }
        if let Some(loudness) = &mut self.loudness {
            loudness.add(&block)?;
        }
        self.levels.add(&block);
        if let Some(pen) = &mut self.pen {
            pen.add(&block);
        }
        if self.speech.is_some() || self.music.is_some() {
            mean(&block, &mut self.mono);
            self.speech.iter_mut().for_each(|speech| speech.add(&self.mono));
            self.music.iter_mut().for_each(|music| music.add(&self.mono));
        }
        Ok(())
    }
}

impl<W> Ears<W> {
    /// Silence up to the end of the picture counts for what is seen of the sound, not for its loudness.
    fn fill(&mut self) {
        let silence = [0.0; 4096];
        while self.left > 0 {
            let length = usize::try_from(self.left).map_or(silence.len(), |left| left.min(silence.len()));
            let block = vec![silence.get(..length).unwrap_or_default(); self.channels];
            self.left -= length as u64;
            self.levels.add(&block);
            self.pen.iter_mut().for_each(|pen| pen.add(&block));
        }
    }
}
