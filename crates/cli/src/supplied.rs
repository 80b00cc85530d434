//! Sounds that were supplied for a clip: as they were sent, at 48 kHz, and where they were asked for.

use std::path::{Path, PathBuf};

use seedpost_core::spec::Sounding;
use seedpost_core::time::{Samples, TimeRange};
use seedpost_core::timeline::Role;
use seedpost_media::decode::Sound;
use seedpost_media::speech::{self, Detector};
use seedpost_media::stems::Treatment;
use seedpost_media::{MediaError, stems, wav};

use crate::clip::decode_any;
use crate::output::{Exit, Failure};
use crate::sound::{Maker, StemFacts, mean};

/// Reads sounds that the command line names, laid end to end from the clip's first frame.
pub(crate) fn read_all(paths: &[PathBuf]) -> Result<Vec<Supplied>, Failure> {
    let mut supplied: Vec<Supplied> = Vec::new();
    for (number, path) in (1..).zip(paths) {
        let place = supplied.last().map_or(Samples(0), Supplied::end);
        supplied.push(read(number, path, place).map_err(|error| {
            Failure::new(Exit::Invalid, format!("{}: {error}", path.display()), "give it a whole file of sound")
        })?);
    }
    Ok(supplied)
}

fn read(number: u32, path: &Path, place: Samples) -> Result<Supplied, MediaError> {
    Supplied::new(number, path.display().to_string(), &decode_any(path)?, place)
}

/// A supplied sound as it was sent.
pub(crate) struct Supplied {
    /// From 1.
    pub(crate) number: u32,
    pub(crate) name: String,
    /// At 48 kHz.
    pub(crate) sound: Sound,
    /// The mean of its channels.
    pub(crate) mono: Vec<f32>,
    /// What is said in it in a breath, in its own samples at 48 kHz.
    pub(crate) phrases: Vec<TimeRange<Samples>>,
    /// Its length at its own rate.
    length: Samples,
    pub(crate) treatment: Treatment,
    /// Where in the clip it was asked for.
    pub(crate) place: Samples,
}

impl Supplied {
    /// A sound of any rate.
    pub(crate) fn new(number: u32, name: String, sound: &Sound, place: Samples) -> Result<Supplied, MediaError> {
        let treatment = Treatment::of(sound.rate, u32::try_from(sound.channels.len()).unwrap_or(u32::MAX));
        let (length, sound) = (sound.length(), stems::to_48(sound)?);
        let mono = mean(&sound);
        let mut detector = Detector::new();
        detector.add(&mono);
        let phrases = speech::phrases(&detector.finish());
        let phrases = phrases.into_iter().map(|phrase| speech::audible(&mono, phrase.range)).collect();
        Ok(Supplied { number, name, sound, mono, phrases, length, treatment, place })
    }

    /// Its length beside which the clip's is held.
    pub(crate) fn sounding(&self) -> Sounding {
        let name = format!("REF{} ({})", self.number, self.name);
        Sounding { name, length: self.length, rate: self.treatment.rate() }
    }

    /// Where the next sound was asked for: they are laid end to end.
    pub(crate) fn end(&self) -> Samples {
        Samples(self.place.0.saturating_add(self.sound.length().0))
    }

    fn channels(&self) -> usize {
        self.sound.channels.len()
    }

    /// What is left out because of what it is.
    pub(crate) fn note(&self) -> Option<String> {
        let (number, channels) = (self.number, self.channels());
        (channels > wav::MAX_CHANNELS)
            .then(|| format!("REF{number} has {channels} channels and no stem: mix it down to stereo"))
    }

    /// Its stem where it was asked for; none where it has more than two channels.
    pub(crate) fn at_its_place(&self, maker: &Maker<'_>) -> Result<Option<StemFacts>, MediaError> {
        if self.channels() > wav::MAX_CHANNELS {
            return Ok(None);
        }
        let laid = stems::lay(&self.sound, self.place, maker.length)?;
        let speech = TimeRange { start: self.place.min(maker.length), end: self.end().min(maker.length) };
        maker.write(Role::Reference(self.number), &laid, &self.treatment, &[speech]).map(Some)
    }
}
