//! Sounds that were supplied for a clip: as they were sent, at 48 kHz, and where they were asked for.

use std::path::{Path, PathBuf};

use seedpost_core::spec::Sounding;
use seedpost_core::time::{SampleRate, Samples, TimeRange};
use seedpost_core::timeline::Role;
use seedpost_media::decode::Sound;
use seedpost_media::speech::{self, Detector};
use seedpost_media::stems::Treatment;
use seedpost_media::{MediaError, stems, wav};

use crate::clip::decode_any;
use crate::output::{Exit, Failure};
use crate::separation::{LONGEST, TOO_LONG};
use crate::sound::{MOST_SUPPLIED, Maker, StemFacts};

/// Reads sounds that the command line names, laid end to end from the clip's first frame.
pub(crate) fn read_all(paths: &[PathBuf]) -> Result<Vec<Supplied>, Failure> {
    if paths.len() > MOST_SUPPLIED as usize {
        let message = format!("{} sounds are supplied, and {MOST_SUPPLIED} may be", paths.len());
        return Err(Failure::new(Exit::Usage, message, "join them"));
    }
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
    /// The rate that it came at.
    pub(crate) rate: SampleRate,
    /// Where in the clip it was asked for.
    pub(crate) place: Samples,
}

impl Supplied {
    /// A sound of any rate.
    pub(crate) fn new(number: u32, name: String, sound: &Sound, place: Samples) -> Result<Supplied, MediaError> {
        let (length, rate, sound) = (sound.length(), sound.rate, stems::to_48(sound)?);
        let mono = sound.mean();
        let mut detector = Detector::new();
        detector.add(&mono);
        let phrases = speech::phrases(&detector.finish());
        let phrases = phrases.into_iter().map(|phrase| speech::audible(&mono, phrase.range)).collect();
        Ok(Supplied { number, name, sound, mono, phrases, length, rate, place })
    }

    /// Its length beside which the clip's is held.
    pub(crate) fn sounding(&self) -> Sounding {
        let name = format!("REF{} ({})", self.number, self.name);
        Sounding { name, length: self.length, rate: self.rate }
    }

    /// Where the next sound was asked for: they are laid end to end.
    pub(crate) fn end(&self) -> Samples {
        Samples(self.place.0.saturating_add(self.sound.length().0))
    }

    fn channels(&self) -> usize {
        self.sound.channels.len()
    }

    /// What is left out because of what it is.
    pub(crate) fn note(&self, clip: Samples) -> Option<String> {
        let (number, channels) = (self.number, self.channels());
        match (channels > wav::MAX_CHANNELS, clip > LONGEST) {
            (true, _) => Some(format!("REF{number} has {channels} channels and no stem: mix it down to stereo")),
            (_, true) => Some(format!("REF{number} has no stem, since the clip is too long: {TOO_LONG}")),
            (false, false) => None,
        }
    }

    /// Its stem where it was asked for; none where [`Supplied::note`] says why.
    pub(crate) fn at_its_place(&self, maker: &Maker<'_>) -> Result<Option<StemFacts>, MediaError> {
        if self.note(maker.length).is_some() {
            return Ok(None);
        }
        let laid = stems::lay(&self.sound, self.place, maker.length)?;
        let at = |sample: Samples| Samples(self.place.0.saturating_add(sample.0)).min(maker.length);
        let spoken = self.phrases.iter().map(|phrase| TimeRange { start: at(phrase.start), end: at(phrase.end) });
        let treatment = Treatment::of([self.rate], self.channels(), false);
        maker.write(Role::Reference(self.number), &laid, &treatment, &spoken.collect::<Vec<_>>()).map(Some)
    }
}
