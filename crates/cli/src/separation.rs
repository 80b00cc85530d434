//! The dialogue of a clip's sound taken from the rest, and the proof that nothing was lost.

use seedpost_core::time::{SampleRate, Samples, TimeRange};
use seedpost_core::timeline::Role;
use seedpost_media::decode::{Sound, decode};
use seedpost_media::hear::Heard;
use seedpost_media::loudness::Meter;
use seedpost_media::speech::{Region, hear_again};
use seedpost_media::{MediaError, separate};
use serde::{Deserialize, Serialize};

use crate::project::open_plain;
use crate::sound::{Maker, StemFacts, Whole};

/// Whether dialogue was taken from the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum Separation {
    /// Nobody asked for it.
    #[default]
    NotAsked,
    /// There is nothing to take apart.
    Refused { why: String },
    /// The stems DX and ME were made.
    Estimated {
        /// By which model.
        model: String,
        /// How good such estimates were found to be.
        quality: String,
        null_test: NullTest,
    },
}

/// DX plus ME beside the whole, read again from the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NullTest {
    /// Samples that were compared, of all channels together.
    pub(crate) samples: u64,
    /// Those of them that differ by as much as the last bit.
    pub(crate) differing: u64,
}

/// The longest clip whose sound is held in memory, taken apart and compared: three minutes.
pub(crate) const LONGEST: Samples = Samples(3 * 60 * 48_000);
/// What is said of longer ones.
pub(crate) const TOO_LONG: &str = "it is longer than three minutes";
/// Samples that the null test reads at once.
const BLOCK: u64 = 1 << 20;

/// What became of it.
#[derive(Default)]
pub(crate) struct Apart {
    pub(crate) state: Separation,
    /// DX and ME.
    pub(crate) stems: Vec<StemFacts>,
    /// Where someone speaks, heard once more with the dialogue in front.
    pub(crate) regions: Option<Vec<Region>>,
    /// How loud the whole is there.
    pub(crate) dialogue_lufs: Option<f64>,
}

/// Takes dialogue from the rest of a clip's whole sound, which is `mix`, where someone speaks in it.
pub(crate) fn separate(
    maker: &Maker<'_>,
    whole: &Whole,
    mix: Option<&Sound>,
    heard: &Heard,
) -> Result<Apart, MediaError> {
    if maker.wishes.no_separation {
        return Ok(Apart::default());
    }
    let refused = |why: &str| Apart { state: Separation::Refused { why: why.to_owned() }, ..Apart::default() };
    if heard.speech.iter().flatten().next().is_none() {
        return Ok(refused("nobody speaks in it"));
    }
    let Some(mix) = mix else { return Ok(refused(TOO_LONG)) };
    // A 24-bit number is exact as a float, and back.
    let whole_numbers = |plane: &Vec<f32>| plane.iter().map(|sample| (sample * 8_388_608.0) as i32).collect();
    let split = separate::split(&mix.channels.iter().map(whole_numbers).collect::<Vec<_>>())?;
    let floats = |plane: Vec<i32>| plane.into_iter().map(|number| number as f32 / 8_388_608.0).collect();
    let sound = |planes: Vec<Vec<i32>>| Sound {
        rate: SampleRate::HZ_48000,
        channels: planes.into_iter().map(floats).collect(),
    };
    let (dialogue, rest) = (sound(split.dialogue), sound(split.rest));
    let regions = hear_again(&mix.mean(), &dialogue.mean());
    let speech: Vec<TimeRange<Samples>> = regions.iter().map(|region| region.range).collect();
    let stems = vec![
        maker.write(Role::Dialogue, &dialogue, &whole.treatment, &speech)?,
        maker.write(Role::MusicEffects, &rest, &whole.treatment, &speech)?,
    ];
    drop((dialogue, rest));
    let null_test = null_test(maker, [&maker.names.file(whole.role), &stems[0].file, &stems[1].file])?;
    let (model, quality) = (separate::MODEL.to_owned(), separate::QUALITY.to_owned());
    let state = Separation::Estimated { model, quality, null_test };
    Ok(Apart { state, stems, regions: Some(regions), dialogue_lufs: dialogue_loudness(mix, &speech)? })
}

/// How loud a sound at 48 kHz is where someone speaks.
fn dialogue_loudness(sound: &Sound, speech: &[TimeRange<Samples>]) -> Result<Option<f64>, MediaError> {
    let planes: Vec<&[f32]> = sound.channels.iter().map(Vec::as_slice).collect();
    let mut meter = Meter::new(sound.rate.hertz(), planes.len())?.for_speech();
    meter.add(&planes)?;
    Ok(meter.finish_with(speech).dialogue_lufs)
}

/// Reads whole, dialogue and rest again from their files, as the whole numbers that stand there.
fn null_test(maker: &Maker<'_>, files: [&String; 3]) -> Result<NullTest, MediaError> {
    let failed = |what: String| MediaError::from(std::io::Error::other(what));
    let mut test = NullTest { samples: 0, differing: 0 };
    for start in (0..maker.length.0).step_by(BLOCK as usize) {
        let range = TimeRange { start: Samples(start), end: Samples(maker.length.0.min(start + BLOCK)) };
        let read = |file: &String| decode(open_plain(&maker.names.folder.join(file))?, Some(range));
        let [whole, dialogue, rest] = [read(files[0])?, read(files[1])?, read(files[2])?];
        let shape = |sound: &Sound| (sound.channels.len(), sound.length());
        if shape(&whole) != (2, range.length()) || shape(&whole) != shape(&dialogue) || shape(&whole) != shape(&rest) {
            return Err(failed("dialogue and the rest are not as long as the whole".to_owned()));
        }
        // 24 bits fit a float, and so do the sums, which lie within 24 bits: all of this is exact.
        let differs = |((whole, dialogue), rest): &((&f32, &f32), &f32)| **whole != **dialogue + **rest;
        for ((whole, dialogue), rest) in whole.channels.iter().zip(&dialogue.channels).zip(&rest.channels) {
            test.differing += whole.iter().zip(dialogue).zip(rest).filter(differs).count() as u64;
            test.samples += whole.len() as u64;
        }
    }
    if test.differing > 0 {
        return Err(failed(format!("dialogue and the rest differ from the whole in {} samples", test.differing)));
    }
    Ok(test)
}
