//! The movies of a delivery: what is in each, how it is made, and what was proved of it.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use seedpost_core::layback::{Laid, LaidClip};
use seedpost_core::time::{Frames, Rounding, SampleRate, Samples, TimeRange, Timecode};
use seedpost_core::turnover::order::{MixOrder, SoundOf};
use seedpost_core::turnover::{ManifestClip, safe_title};
use seedpost_media::join::{Form, Part, join};
use seedpost_media::pass::Coded;
use seedpost_media::{MediaError, mix};

use super::package::Package;
use super::{failed, prove};
use crate::interrupt;
use crate::output::{Exit, Failure};
use crate::progress::Bar;
use crate::project::{make_folder, open_plain, with_own_worker, write_whole};

/// A movie that is made, in both forms.
pub(super) struct Film {
    /// Its path in the delivery, without the ending.
    path: String,
    /// The clips that are in it, as they stand in the manifest.
    clips: Vec<usize>,
    parts: Vec<Part>,
    /// The stretch of the mix.
    mix: TimeRange<Samples>,
    /// Silence before it.
    before: Samples,
    /// How long its sound is: as long as its picture.
    samples: Samples,
    /// The label of its first frame.
    start: Timecode,
}

/// What is to be made: one movie of the whole cut, or one a shot.
pub(super) fn films(package: &Package, per_shot: bool) -> Vec<Film> {
    if !per_shot {
        return vec![whole(package)];
    }
    let mut films: Vec<Film> = Vec::new();
    for (index, clip) in package.manifest.clips.iter().enumerate() {
        let mut film = shot(package, index, clip);
        let same = films.iter().filter(|other| other.path.starts_with(&film.path)).count();
        // The same take again: another stretch of the mix.
        if films.iter().any(|other| other.path == film.path) {
            film.path = format!("{}_{}", film.path, same + 1);
        }
        films.push(film);
    }
    films
}

/// The whole cut, from its first frame.
fn whole(package: &Package) -> Film {
    let picture = package.layout.picture;
    let mix = range(package, picture);
    let clips = package.manifest.clips.iter();
    let part = |clip: &ManifestClip| Part {
        from: Frames(clip.handles.0),
        frames: Frames(clip.frames),
        at: Frames(clip.record_start - picture.start.0),
    };
    Film {
        path: format!("{}_v{:03}", safe_title(&package.manifest.title), package.manifest.version),
        clips: (0..package.manifest.clips.len()).collect(),
        parts: clips.map(part).collect(),
        mix,
        before: Samples(0),
        samples: mix.length(),
        start: package.start,
    }
}

/// A shot as long as its picture in the package, so that it takes that picture's place in any timeline, frame by frame:
/// its stretch of the mix under what is used, silence in the handles.
fn shot(package: &Package, index: usize, clip: &ManifestClip) -> Film {
    let (before, behind) = clip.handles;
    let mix = used(package, clip);
    let rate = package.start.rate();
    let samples =
        |frames: u64| rate.samples(Frames(frames), SampleRate::HZ_48000, Rounding::Nearest).unwrap_or_default();
    let frames = before + clip.frames + behind;
    let start = Timecode::from_frames(Frames(clip.source_start - before), rate, package.start.is_drop());
    Film {
        path: format!("shots/{}", clip.take),
        clips: vec![index],
        parts: vec![Part { from: Frames(0), frames: Frames(frames), at: Frames(0) }],
        mix,
        before: samples(before),
        // Each end is rounded by itself.
        samples: Samples(samples(frames).0.max(samples(before).0 + mix.length().0)),
        start: start.unwrap_or(package.start),
    }
}

/// The stretch of the mix that belongs to a clip.
fn used(package: &Package, clip: &ManifestClip) -> TimeRange<Samples> {
    let start = Frames(clip.record_start);
    range(package, TimeRange { start, end: Frames(clip.record_start + clip.frames) })
}

fn range(package: &Package, frames: TimeRange<Frames>) -> TimeRange<Samples> {
    let sample = |frame| package.layout.sample(frame, package.start).unwrap_or_default();
    TimeRange { start: sample(frames.start), end: sample(frames.end) }
}

/// What movies are made of.
pub(super) struct Job<'a> {
    pub(super) package: &'a Package,
    pub(super) mix: &'a Path,
    pub(super) draft: &'a Path,
    /// A folder for what is not delivered.
    pub(super) work: &'a Path,
}

impl Job<'_> {
    /// Makes all movies and proves each; answers the clips in their order.
    pub(super) fn make_all(&self, films: &[Film], bar: &Bar) -> Result<Vec<LaidClip>, Failure> {
        bar.begin("movies", films.len() * 2);
        let forms: Vec<(usize, &Film, &str)> = films
            .iter()
            .enumerate()
            .flat_map(|(number, film)| ["mov", "mp4"].map(|ending| (number, film, ending)))
            .collect();
        let each = |(number, film, ending): &(usize, &Film, &str)| {
            interrupt::check()?;
            let made = self.make(*number, film, ending);
            bar.step();
            made
        };
        let made: Result<Vec<Vec<Laid>>, Failure> = forms.par_iter().map(each).collect();
        bar.end();
        let mut clips: Vec<LaidClip> = self.package.manifest.clips.iter().map(|clip| self.clip(clip)).collect();
        for ((_, film, _), laid) in forms.iter().zip(made?) {
            for (index, laid) in film.clips.iter().zip(laid) {
                clips[*index].movies.push(laid);
            }
        }
        Ok(clips)
    }

    fn clip(&self, clip: &ManifestClip) -> LaidClip {
        let mix = used(self.package, clip);
        LaidClip {
            shot: clip.shot.clone(),
            take: clip.take.clone(),
            picture: clip.picture.clone(),
            picture_sha256: self.package.sha256(clip),
            record_start: clip.record_start,
            frames: clip.frames,
            mix_start: mix.start,
            samples: mix.length(),
            movies: Vec::new(),
        }
    }

    /// Makes one movie; answers what was proved of each clip in it.
    fn make(&self, number: usize, film: &Film, ending: &str) -> Result<Vec<Laid>, Failure> {
        let path = format!("{}.{ending}", film.path);
        let out = self.draft.join(&path);
        if let Some(folder) = out.parent() {
            make_folder(folder)?;
        }
        let temporary = |what: &str| self.work.join(format!("{number:04}_{ending}_{what}"));
        let sound = temporary(&format!("sound.{ending}"));
        self.sound(film, &temporary("stretch.wav"), &sound)?;
        let before = self.join(film, ending == "mov", &sound, &out)?;
        let after = prove::pictures(&out, &before).map_err(|error| failed(&out, error))?;
        let stretches: Vec<prove::Stretch> = film.clips.iter().map(|index| self.stretch(film, *index)).collect();
        let decoded = temporary("decoded.f32");
        let sounds = prove::sounds(&out, &decoded, self.mix, &stretches, ending == "mov");
        let sounds = sounds.map_err(|error| failed(&out, error))?;
        for file in [&sound, &decoded] {
            std::fs::remove_file(file).map_err(|error| Failure::disk("clear", file, &error))?;
        }
        let movie_offset = prove::of_movie(&sounds);
        let laid = |((before, after), sound): ((Coded, Coded), prove::Heard)| Laid {
            path: path.clone(),
            packets: before.packets,
            packets_before: before.sha256,
            packets_after: after.sha256,
            sound_offset: sound.offset,
            movie_offset,
            sound_is_identical: sound.is_identical,
        };
        Ok(before.into_iter().zip(after).zip(sounds).map(laid).collect())
    }

    /// Where a clip's stretch of the mix lies in a movie.
    fn stretch(&self, film: &Film, index: usize) -> prove::Stretch {
        let mix = self.package.manifest.clips.get(index).map(|clip| used(self.package, clip));
        let mix = mix.unwrap_or(film.mix);
        prove::Stretch { mix, at: Samples(film.before.0 + (mix.start.0 - film.mix.start.0)) }
    }

    /// The sound alone, in a file of its kind.
    fn sound(&self, film: &Film, stretch: &Path, out: &Path) -> Result<(), Failure> {
        let is_plain = film.before.0 == 0 && film.samples == film.mix.length();
        let sound = if is_plain {
            SoundOf { file: self.mix.to_owned(), from: film.mix.start }
        } else {
            let behind = film.samples.0 - film.before.0 - film.mix.length().0;
            let mut source = open_plain(self.mix).map_err(|error| Failure::disk("read", self.mix, &error))?;
            write_whole(stretch, |out| mix::stretch(&mut source, film.mix, (film.before, Samples(behind)), out))
                .map_err(|error: MediaError| failed(stretch, error))?;
            SoundOf { file: stretch.to_owned(), from: Samples(0) }
        };
        let order = MixOrder { sound, samples: film.samples, out: out.to_owned() };
        with_own_worker(|worker| worker.mix(order)).map_err(|error| failed(out, error))
    }

    fn join(&self, film: &Film, quicktime: bool, sound: &Path, out: &Path) -> Result<Vec<Coded>, Failure> {
        let rate = self.package.start.rate();
        let start = quicktime.then_some(film.start);
        let form = Form { quicktime, rate, start, samples: film.samples };
        let pictures: Vec<PathBuf> = film
            .clips
            .iter()
            .filter_map(|index| self.package.manifest.clips.get(*index))
            .map(|clip| self.package.picture(clip))
            .collect();
        let mut open =
            |part: usize| pictures.get(part).map_or(Err(io::ErrorKind::NotFound.into()), |path| open_plain(path));
        let made = write(film, &mut open, sound, &form, out);
        made.map_err(|error| match error {
            MediaError::Unsupported(what) => {
                let hint = match film.path.starts_with("shots/") {
                    true => "deliver that shot's picture anew, as H.264 at a constant rate",
                    false => "add --per-shot: each shot is a movie of its own there",
                };
                Failure::new(Exit::Media, format!("the cut cannot be one movie by copying: {what}"), hint)
            }
            error => failed(out, error),
        })
    }
}

fn write(
    film: &Film,
    open: &mut dyn FnMut(usize) -> io::Result<File>,
    sound: &Path,
    form: &Form,
    out: &Path,
) -> Result<Vec<Coded>, MediaError> {
    let file = File::create_new(out)?;
    let mut writer = BufWriter::with_capacity(1 << 20, &file);
    let coded = join(&film.parts, open, &mut open_plain(sound)?, form, &mut writer)?;
    writer.flush()?;
    drop(writer);
    file.sync_all()?;
    Ok(coded)
}
