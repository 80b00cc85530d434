//! A clip's sound for the people who work on it: its stem taken apart into dialogue and the rest, supplied sounds where
//! they were asked for and where they were heard, each side as a file of its own.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use seedpost_core::content::Loudness;
use seedpost_core::media::MediaInfo;
use seedpost_core::spec::{Finding, Promise, Weight};
use seedpost_core::sync::Tolerance;
use seedpost_core::sync::edit_map::Mode;
use seedpost_core::time::{FrameRate, Frames, SampleRate, Samples, TimeRange};
use seedpost_core::timeline::Role;
use seedpost_media::decode::{Sound, decode};
use seedpost_media::hear::Heard;
use seedpost_media::speech::{Region, phrases};
use seedpost_media::stems::Treatment;
use seedpost_media::wav::{FileSet, Label};
use seedpost_media::{MediaError, loudness, separate, stems, wav};

use serde::{Deserialize, Serialize};

use crate::project::{Pending, digest, digest_text, open_plain, write_whole};
use crate::separation::{self, LONGEST, Separation, TOO_LONG};
use crate::supplied::Supplied;
use crate::sync::{self, SyncFacts};

/// What is said of a clip that gets no stem of its own sound.
pub(crate) const NO_SOUND: &str = "there is no sound in it, or of more than two channels";
/// The most sounds that may be supplied for a clip.
pub(crate) const MOST_SUPPLIED: u32 = 99;

/// What is wanted of a clip's sound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args, Serialize, Deserialize)]
pub(crate) struct Wishes {
    /// Leave the sound whole: no dialogue and music-and-effects stems, and no search for speech where no sound was
    /// supplied.
    #[arg(long)]
    pub(crate) no_separation: bool,
    /// Write the two sides of each stem as files of one channel too.
    #[arg(long)]
    pub(crate) split: bool,
    /// Stretch supplied sound by up to 4 % where it is laid over the clip; without it phrases are only moved.
    #[arg(long)]
    pub(crate) stretch: bool,
}

impl Wishes {
    /// Whether a clip that was made with `other` has all of this; `laid`: whether supplied sounds were laid over it.
    pub(crate) fn are_met_by(self, other: Wishes, laid: bool) -> bool {
        (self.no_separation || !other.no_separation)
            && (!self.split || other.split)
            && (!laid || self.stretch == other.stretch)
    }
}

/// A stem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StemFacts {
    pub(crate) role: String,
    /// Its file, in the clip's folder.
    pub(crate) file: String,
    pub(crate) channels: u16,
    pub(crate) samples: Samples,
    pub(crate) time_reference: Samples,
    /// Whether a model guessed what belongs to it.
    pub(crate) estimated: bool,
    /// What was done to the sound; empty where it is as it came.
    pub(crate) treatment: String,
    pub(crate) loudness: Loudness,
    pub(crate) sha256: String,
    /// Its sides, left before right, where they were asked for.
    pub(crate) sides: Vec<Side>,
}

impl StemFacts {
    pub(crate) fn role(&self) -> Role {
        Role::parse(&self.role).unwrap_or(Role::Reference(0))
    }

    /// All its files, and what is in them.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&String, &String)> {
        let sides = self.sides.iter().map(|side| (&side.file, &side.sha256));
        std::iter::once((&self.file, &self.sha256)).chain(sides)
    }
}

/// One side of a stem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Side {
    pub(crate) file: String,
    pub(crate) sha256: String,
}

/// What became of a clip's sound.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SoundFacts {
    pub(crate) wishes: Wishes,
    pub(crate) stems: Vec<StemFacts>,
    /// What is said in a breath, in samples at 48 kHz from the clip's first frame (estimated); absent where nobody
    /// listened for it.
    pub(crate) phrases: Option<Vec<Region>>,
    pub(crate) separation: Separation,
    /// What was left out, in words.
    pub(crate) notes: Vec<String>,
    /// The clip beside the supplied sounds; absent where there are none.
    pub(crate) sync: Option<SyncFacts>,
}

impl SoundFacts {
    /// What is wrong with it, weighed as a promise says; none more than `most`.
    pub(crate) fn findings(&self, promise: &Promise, most: Weight) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self.sync.iter().flat_map(SyncFacts::findings).collect();
        if most == Weight::Note {
            findings.iter_mut().for_each(|finding| finding.severity = most);
        }
        promise.weigh(findings)
    }
}

/// From when on a phrase is off its picture.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Tolerances {
    /// More frames than this off is told.
    #[arg(long, value_name = "FRAMES", default_value_t = 1)]
    sync_warn: u32,
    /// More frames than this off is a breach.
    #[arg(long, value_name = "FRAMES", default_value_t = 2)]
    sync_fail: u32,
}

impl Tolerances {
    pub(crate) fn tolerance(self) -> Tolerance {
        Tolerance { warn: Frames(self.sync_warn.into()), fail: Frames(self.sync_fail.into()) }
    }
}

/// What a clip's stems are called.
pub(crate) struct Names {
    /// The clip's folder.
    pub(crate) folder: PathBuf,
    /// What each file begins with, under the folder.
    pub(crate) prefix: String,
    /// Whether the clip's whole sound has no code behind that.
    pub(crate) short: bool,
}

impl Names {
    /// A stem's file, under the folder.
    pub(crate) fn file(&self, role: Role) -> String {
        if self.short && role.is_whole() {
            format!("{}.wav", self.prefix)
        } else {
            format!("{}_{}.wav", self.prefix, role.file_code())
        }
    }

    /// What stands there of all the files that a clip may get.
    pub(crate) fn there(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let there: BTreeSet<std::ffi::OsString> = entries.map(|entry| entry.file_name()).collect();
        self.all().into_iter().filter(|file| there.contains(std::ffi::OsStr::new(file))).collect()
    }

    /// Every file that a clip may get.
    fn all(&self) -> Vec<String> {
        let roles = [Role::Mix, Role::Guide, Role::Dialogue, Role::MusicEffects, Role::Laid];
        let stems = roles.into_iter().chain((1..=MOST_SUPPLIED).map(Role::Reference)).map(|role| self.file(role));
        stems
            .flat_map(|stem| {
                let [left, right] = sides(&stem);
                [stem, left, right]
            })
            .collect()
    }

    /// Removes what an earlier call wrote and this one did not: it would be taken for a part of it.
    pub(crate) fn clear(&self, written: &[StemFacts]) -> std::io::Result<()> {
        let kept: BTreeSet<&String> = written.iter().flat_map(StemFacts::files).map(|(file, _)| file).collect();
        for file in self.there().iter().filter(|file| !kept.contains(file)) {
            let path = self.folder.join(file);
            if is_ours(&path) {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    pub(crate) fn path(&self, role: Role) -> PathBuf {
        self.folder.join(self.file(role))
    }
}

/// Whether a file is a stem that this program wrote: its `bext` chunk comes first and names it (EBU Tech 3285, 2.3).
fn is_ours(path: &Path) -> bool {
    let mut head = [0; 284];
    let read = open_plain(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && head.get(12..16) == Some(b"bext") && head.get(276..284) == Some(b"seedpost")
}

/// What the stem of a role says of itself, where its clip says `base`.
pub(crate) fn label(base: &Label, role: Role, file: &str, treatment: &str) -> Label {
    let estimated = if role.is_estimated() { format!("; ESTIMATED by {}", separate::MODEL) } else { String::new() };
    Label {
        name: role.file_code(),
        functions: role.functions().to_vec(),
        note: format!("{}{estimated}", base.note),
        treatment: treatment.to_owned(),
        unique_id: unique_id(&base.unique_id, file),
        ..base.clone()
    }
}

pub(crate) fn unique_id(clip: &str, file: &str) -> String {
    digest_text(&format!("{clip} {file}")).chars().take(32).collect()
}

/// Makes the stems of one clip.
pub(crate) struct Maker<'a> {
    pub(crate) names: &'a Names,
    /// What all stems say.
    pub(crate) label: &'a Label,
    /// The length of all stems.
    pub(crate) length: Samples,
    /// The clip's frames in a second, where they are even.
    pub(crate) rate: Option<FrameRate>,
    pub(crate) wishes: Wishes,
    pub(crate) tolerance: Tolerance,
}

/// The clip's own sound as one stem.
pub(crate) struct Whole {
    pub(crate) role: Role,
    pub(crate) treatment: Treatment,
    pub(crate) path: PathBuf,
    pub(crate) label: Label,
}

impl Whole {
    /// The stem that a clip gets; none without sound, and of more than two channels, which is only measured.
    pub(crate) fn ordered(info: &MediaInfo, role: Role, names: &Names, base: &Label) -> Option<Whole> {
        let audio = info.audio.as_ref().filter(|audio| (1..=2).contains(&audio.channels))?;
        let treatment = Treatment::of([audio.sample_rate], audio.channels as usize, false);
        let label = label(base, role, &names.file(role), &treatment.to_string());
        Some(Whole { role, treatment, path: names.path(role), label })
    }
}

impl Maker<'_> {
    /// Makes all stems but the clip's whole sound, which is there.
    pub(crate) fn make(
        &self,
        whole: Option<(Whole, String)>,
        heard: Option<&Heard>,
        supplied: &[Supplied],
    ) -> Result<SoundFacts, MediaError> {
        let mut facts = SoundFacts { wishes: self.wishes, ..SoundFacts::default() };
        match whole.zip(heard) {
            Some(((whole, sha256), heard)) => self.listen(&whole, sha256, heard, supplied, &mut facts)?,
            None if self.wishes.no_separation => facts.notes.extend(Self::not_compared(supplied, NO_SOUND)),
            None => {
                facts.separation = Separation::Refused { why: NO_SOUND.to_owned() };
                facts.notes.extend(Self::not_compared(supplied, NO_SOUND));
            }
        }
        for sound in supplied {
            facts.notes.extend(sound.note(self.length));
            facts.stems.extend(sound.at_its_place(self)?);
        }
        let laid = facts.sync.as_ref().and_then(|facts| sync::lay(&facts.edit_map, supplied));
        if let Some((laid, treatment)) = laid {
            let events = facts.sync.iter().flat_map(|facts| &facts.edit_map.events);
            let speech: Vec<TimeRange<Samples>> = events.map(|event| event.words).collect();
            facts.stems.push(self.write(Role::Laid, &laid, &treatment, &speech)?);
        }
        facts.stems.iter_mut().try_for_each(|stem| self.split(stem))?;
        Ok(facts)
    }

    /// What can be found out of the clip's own sound.
    fn listen(
        &self,
        whole: &Whole,
        sha256: String,
        heard: &Heard,
        supplied: &[Supplied],
        facts: &mut SoundFacts,
    ) -> Result<(), MediaError> {
        let wanted = !supplied.is_empty() || !self.wishes.no_separation;
        let mix = (wanted && self.length <= LONGEST).then(|| decode(open_plain(&whole.path)?, None)).transpose()?;
        let apart = separation::separate(self, whole, mix.as_ref(), heard)?;
        let mut stem = self.whole(whole, sha256, heard);
        stem.loudness.dialogue_lufs = apart.dialogue_lufs.or(stem.loudness.dialogue_lufs);
        facts.stems.push(stem);
        facts.stems.extend(apart.stems);
        facts.phrases = apart.regions.or_else(|| heard.speech.clone()).as_deref().map(phrases);
        facts.separation = apart.state;
        let mode = if self.wishes.stretch { Mode::Stretched } else { Mode::Rigid };
        match (mix, self.rate) {
            _ if supplied.is_empty() => {}
            (Some(mix), Some(rate)) => {
                facts.sync = Some(sync::compare(&mix.mean(), supplied, rate, self.tolerance, mode));
            }
            (None, _) => facts.notes.extend(Self::not_compared(supplied, TOO_LONG)),
            (_, None) => facts.notes.extend(Self::not_compared(supplied, "its frame rate is unknown or changes")),
        }
        Ok(())
    }

    /// That nothing is said of sync, and why.
    fn not_compared(supplied: &[Supplied], why: &str) -> Option<String> {
        (!supplied.is_empty()).then(|| format!("not compared with what was supplied for it: {why}"))
    }

    /// The facts of the clip's whole sound, whose file is there already.
    fn whole(&self, whole: &Whole, sha256: String, heard: &Heard) -> StemFacts {
        let loudness = heard.loudness;
        let loudness = if whole.treatment.is_widened() { loudness.on_both_sides() } else { loudness };
        self.facts(whole.role, loudness, whole.treatment.to_string(), sha256)
    }

    pub(crate) fn facts(&self, role: Role, loudness: Loudness, treatment: String, sha256: String) -> StemFacts {
        StemFacts {
            role: role.to_string(),
            file: self.names.file(role),
            channels: 2,
            samples: self.length,
            time_reference: Samples(self.label.time_reference),
            estimated: role.is_estimated(),
            treatment,
            loudness,
            sha256,
            sides: Vec::new(),
        }
    }

    /// Writes a stem of sound at 48 kHz.
    pub(crate) fn write(
        &self,
        role: Role,
        sound: &Sound,
        treatment: &Treatment,
        speech: &[TimeRange<Samples>],
    ) -> Result<StemFacts, MediaError> {
        // What was taken apart is whole numbers already.
        let is_computed = treatment.is_computed() && !role.is_estimated();
        let treatment = treatment.to_string();
        let file = self.names.file(role);
        let label = label(self.label, role, &file, &treatment);
        let path = self.names.path(role);
        let planes: Vec<&[f32]> = sound.channels.iter().map(Vec::as_slice).collect();
        write_whole(&path, |out| {
            let stem = wav::Stem::begin(out, self.length, &label)?;
            let mut stem = if is_computed { stem.dithered() } else { stem };
            stem.add(&planes)?;
            stem.end().map(|_| ())
        })?;
        let mut meter = loudness::Meter::new(SampleRate::HZ_48000.hertz(), planes.len())?.for_speech();
        meter.add(&planes)?;
        let loudness = meter.finish_with(speech);
        let loudness = if planes.len() == 1 { loudness.on_both_sides() } else { loudness };
        Ok(self.facts(role, loudness, treatment, digest(&path)?.0))
    }

    /// Writes each side of a stem, where that is wanted.
    pub(crate) fn split(&self, stem: &mut StemFacts) -> Result<(), MediaError> {
        if !self.wishes.split {
            return Ok(());
        }
        let role = stem.role();
        let base = label(self.label, role, &stem.file, &stem.treatment);
        let files = sides(&stem.file);
        write_sides(&self.names.folder.join(&stem.file), &self.names.folder, &files, role, self.length, &base)?;
        for file in files {
            let sha256 = digest(&self.names.folder.join(&file))?.0;
            stem.sides.push(Side { file, sha256 });
        }
        Ok(())
    }
}

/// Writes the two sides of a stem as files of one channel in a folder; `base` is what the stem says of itself.
pub(crate) fn write_sides(
    stem: &Path,
    folder: &Path,
    files: &[String; 2],
    role: Role,
    length: Samples,
    base: &Label,
) -> Result<(), MediaError> {
    let labels = side_labels(base, files, role);
    let outs = files.iter().map(|file| Pending::begin(&folder.join(file)));
    let outs: Vec<Pending> = outs.collect::<Result<_, _>>()?;
    let mut writers: Vec<_> = outs.iter().map(Pending::writer).collect();
    stems::split(open_plain(stem)?, writers.iter_mut().zip(&labels).collect(), length)?;
    writers.into_iter().try_for_each(|mut writer| writer.flush())?;
    Ok(outs.into_iter().try_for_each(|out| out.keep(0o644))?)
}

/// The files of a stem's sides.
pub(crate) fn sides(stem: &str) -> [String; 2] {
    let name = stem.trim_end_matches(".wav");
    [format!("{name}.L.wav"), format!("{name}.R.wav")]
}

/// What the two sides of a stem say of themselves.
pub(crate) fn side_labels(base: &Label, files: &[String; 2], role: Role) -> Vec<Label> {
    let family = files[0].rsplit('/').next().unwrap_or_default().trim_end_matches(".L.wav");
    let side = |((file, function), index): ((&String, &'static str), char)| Label {
        name: format!("{}-{}", base.name, if index == 'A' { 'L' } else { 'R' }),
        functions: vec![function],
        unique_id: unique_id(&base.unique_id, file),
        set: Some(FileSet { family: family.to_owned(), family_id: base.unique_id.clone(), total: 2, index }),
        ..base.clone()
    };
    files.iter().zip(role.functions()).zip(['A', 'B']).map(side).collect()
}
