//! The same cut of other media: copies with timecode of their own, or slowed to 23.976.

use super::{Clip, Stem, Timeline, record_samples};
use crate::time::{Frames, Rounding, SampleRate, Timecode};

impl Timeline {
    /// The same cut with other files: `picture` says where a copy of a clip's picture lies and at which frame since
    /// midnight its own timecode begins, `stem` where a copy of a stem and its sides lie.
    #[must_use]
    pub fn with_media(
        mut self,
        picture: impl Fn(&Clip) -> (String, Frames),
        stem: impl Fn(&Stem) -> (String, Vec<String>),
    ) -> Timeline {
        for clip in &mut self.clips {
            (clip.picture.file, clip.picture.start) = picture(clip);
            for one in &mut clip.stems {
                (one.file, one.sides) = stem(one);
            }
        }
        self
    }

    /// The same cut with files for both sides of each stem of two channels; those that are there stay.
    #[must_use]
    pub fn with_sides(mut self, sides: impl Fn(&Stem) -> [String; 2]) -> Timeline {
        let stems = self.clips.iter_mut().flat_map(|clip| &mut clip.stems);
        for stem in stems.filter(|stem| stem.channels == 2 && stem.sides.is_empty()) {
            stem.sides = sides(stem).to_vec();
        }
        self
    }

    /// The same cut with every frame lasting 1001/1000 as long: 24 becomes 23.976. All labels and counts of frames stay
    /// what they were; sound is that much longer, so its samples are counted anew. `None` at a rate that has no such
    /// neighbour, for drop-frame counting, and where a length overflows.
    #[must_use]
    pub fn slowed(mut self) -> Option<Timeline> {
        let rate = self.start.rate().slowed()?;
        let start = Timecode::from_frames(self.start.frames(), rate, false)?;
        for clip in &mut self.clips {
            for stem in &mut clip.stems {
                let reference = stem.time_reference;
                let first = self.start.rate().frames(reference, SampleRate::HZ_48000, Rounding::Nearest)?;
                let end = Frames(first.0.checked_add(clip.picture.frames.0)?);
                stem.time_reference = record_samples(first, start)?;
                stem.samples.0 = record_samples(end, start)?.0.checked_sub(stem.time_reference.0)?;
            }
        }
        Some(Timeline { start, ..self })
    }
}
