//! The same takes at other places: what an editor made of a cut.

use std::collections::HashMap;

use super::{Clip, Timeline, record_samples};
use crate::shot::TakeId;
use crate::time::{Frames, Rounding, SampleRate, Samples, TimeRange};

/// A stretch of a take at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The take.
    pub take: TakeId,
    /// The first frame that is used, counted from the picture's first.
    pub from: Frames,
    /// How many frames are used.
    pub frames: Frames,
    /// The frame since midnight at which it begins in the cut.
    pub record_start: Frames,
}

/// Why takes cannot be cut in a way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CutFault {
    /// The cut knows no such take.
    #[error("{0} is not in the cut")]
    Unknown(TakeId),
    /// Nothing of the take is used.
    #[error("{0} has no frame at its place")]
    Empty(TakeId),
    /// It begins before the cut, or before the clip before it ends.
    #[error("{0} begins before the clip before it ends, or before the cut begins")]
    Overlap(TakeId),
    /// More is used than there is.
    #[error("{take} is used up to frame {wanted}, and has {there}")]
    TooShort {
        /// The take.
        take: TakeId,
        /// The frame after the last one that is used.
        wanted: u64,
        /// How many frames there are.
        there: u64,
    },
}

impl Timeline {
    /// The takes of this cut at other places, without markers and cues. Stems keep the time that is in their files.
    ///
    /// # Errors
    /// All that is wrong with the edits, in their order.
    pub fn recut(&self, edits: &[Edit]) -> Result<Timeline, Vec<CutFault>> {
        let takes: HashMap<&TakeId, &Clip> = self.clips.iter().map(|clip| (&clip.take, clip)).collect();
        let mut clips: Vec<Clip> = Vec::with_capacity(edits.len());
        let mut faults = Vec::new();
        let mut free = self.start.frames();
        for edit in edits {
            match placed(takes.get(&edit.take).copied(), edit, free) {
                Ok(clip) => {
                    free = clip.record_end();
                    clips.push(clip);
                }
                Err(fault) => faults.push(fault),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let (title, start) = (self.title.clone(), self.start);
        Ok(Timeline { title, start, clips, markers: Vec::new(), cues: Vec::new() })
    }

    /// What is used of a clip's stems, in samples from their first.
    #[must_use]
    pub fn within_stems(&self, clip: &Clip) -> Option<TimeRange<Samples>> {
        let reference = clip.stems.first().map_or(Samples(0), |stem| stem.time_reference);
        let first = self.start.rate().frames(reference, SampleRate::HZ_48000, Rounding::Nearest)?;
        let sample = |frame: u64| {
            let frame = Frames(first.0.checked_add(frame)?);
            Some(Samples(record_samples(frame, self.start)?.0 - reference.0))
        };
        let end = clip.from.0.checked_add(clip.frames.0)?;
        Some(TimeRange { start: sample(clip.from.0)?, end: sample(end)? })
    }
}

fn placed(clip: Option<&Clip>, edit: &Edit, free: Frames) -> Result<Clip, CutFault> {
    let take = || edit.take.clone();
    let clip = clip.ok_or_else(|| CutFault::Unknown(take()))?;
    if edit.frames.0 == 0 {
        return Err(CutFault::Empty(take()));
    }
    if edit.record_start < free || edit.record_start.0.checked_add(edit.frames.0).is_none() {
        return Err(CutFault::Overlap(take()));
    }
    let there = clip.picture.frames.0;
    let wanted = edit.from.0.saturating_add(edit.frames.0);
    if wanted > there {
        return Err(CutFault::TooShort { take: take(), wanted, there });
    }
    let Edit { from, frames, record_start, .. } = *edit;
    Ok(Clip { from, frames, record_start, ..clip.clone() })
}
