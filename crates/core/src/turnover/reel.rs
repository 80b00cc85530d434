//! The cut as one reel: leader, 2-pop, picture, tail pop, tail.
//!
//! The pops are one frame long: a flash, and 1 kHz at -20 dBFS from sample to sample of that frame. Both are two seconds
//! from the picture: the 2-pop begins as many frames before the first frame as two seconds have, the tail pop as many
//! after the last one (so as many frames lie between them and the picture on either side, one less than two seconds).

use serde::{Deserialize, Serialize};

use crate::time::{Frames, Samples, TimeRange, Timecode};
use crate::timeline::{Timeline, record_samples};

/// Seconds before the picture at which a reel begins, where midnight leaves room.
const LEADER: u64 = 10;
/// Seconds between pop and picture.
const POP: u64 = 2;
/// Seconds after the picture at which a reel ends.
const TAIL: u64 = 4;

/// Where the parts of a reel lie, in frames since midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReelLayout {
    /// Its first frame: ten seconds before the picture, or as many whole seconds as midnight leaves: then it is less than a
    /// second after midnight.
    pub start: Frames,
    /// The frame of the 2-pop; none where the picture begins within two seconds after midnight.
    pub two_pop: Option<Frames>,
    /// The cut.
    pub picture: TimeRange<Frames>,
    /// The frame of the tail pop.
    pub tail_pop: Frames,
    /// The frame after its last one: four seconds after the picture. Labels past midnight begin anew.
    pub end: Frames,
}

impl ReelLayout {
    /// Lays a cut out.
    #[must_use]
    pub fn of(timeline: &Timeline) -> ReelLayout {
        let second = u64::from(timeline.start.rate().nominal());
        let picture = TimeRange { start: timeline.start.frames(), end: timeline.end() };
        let before = |seconds: u64| picture.start.0.checked_sub(seconds * second).map(Frames);
        ReelLayout {
            start: before(LEADER).unwrap_or(Frames(picture.start.0 % second)),
            two_pop: before(POP),
            picture,
            // Two seconds after the last frame, which is the one before the end.
            tail_pop: Frames((picture.end.0 + POP * second).saturating_sub(1)),
            end: Frames(picture.end.0 + TAIL * second),
        }
    }

    /// Its length.
    #[must_use]
    pub fn frames(&self) -> Frames {
        Frames(self.end.0.saturating_sub(self.start.0))
    }

    /// The pops in their order.
    pub fn pops(&self) -> impl Iterator<Item = Frames> {
        self.two_pop.into_iter().chain([self.tail_pop])
    }

    /// The 48 kHz sample at which a frame since midnight begins, from the reel's first one. `start` is the cut's, for
    /// its rate. Each frame is rounded by itself.
    #[must_use]
    pub fn sample(&self, frame: Frames, start: Timecode) -> Option<Samples> {
        let (first, at) = (record_samples(self.start, start)?, record_samples(frame, start)?);
        at.0.checked_sub(first.0).map(Samples)
    }

    /// The samples of one frame since midnight: from where it begins to where the next one does. As [`ReelLayout::sample`].
    #[must_use]
    pub fn samples(&self, frame: Frames, start: Timecode) -> Option<TimeRange<Samples>> {
        let next = Frames(frame.0.checked_add(1)?);
        Some(TimeRange { start: self.sample(frame, start)?, end: self.sample(next, start)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::FrameRate;

    fn layout(start: &str) -> (ReelLayout, Timecode) {
        layout_at(start, FrameRate::FPS_24)
    }

    fn layout_at(start: &str, rate: FrameRate) -> (ReelLayout, Timecode) {
        let start = Timecode::parse(start, rate).expect("a timecode");
        let timeline =
            Timeline { title: String::new(), start, clips: Vec::new(), markers: Vec::new(), cues: Vec::new() };
        (ReelLayout::of(&timeline), start)
    }

    /// Hand-counted: an hour is 86,400 frames.
    #[test]
    fn the_two_pop_is_two_seconds_before_the_first_frame() {
        let (layout, start) = layout("01:00:00:00");
        assert_eq!((layout.start, layout.two_pop), (Frames(86_400 - 240), Some(Frames(86_400 - 48))));
        assert_eq!((layout.tail_pop, layout.end), (Frames(86_400 + 47), Frames(86_400 + 96)));
        assert_eq!(layout.sample(Frames(86_400 - 48), start), Some(Samples(8 * 48_000)));
    }

    /// Hand-counted at 29.97, where a frame has 1601.6 samples: the 2-pop is frame 240 of the reel, from sample
    /// 384 384 to 385 985.6; the frame before ends where it begins.
    #[test]
    fn a_pop_is_as_long_as_its_frame() {
        let (layout, start) = layout("01:00:00:00");
        let range = |start, end| Some(TimeRange { start: Samples(start), end: Samples(end) });
        assert_eq!(layout.samples(Frames(86_400 - 48), start), range(384_000, 386_000));
        let rate = FrameRate::new(30_000, 1001).expect("a rate");
        let (layout, start) = layout_at("01:00:00:00", rate);
        assert_eq!(layout.two_pop, Some(Frames(layout.start.0 + 240)));
        assert_eq!(layout.samples(Frames(layout.start.0 + 240), start), range(384_384, 385_986));
        assert_eq!(layout.samples(Frames(layout.start.0 + 239), start), range(382_782, 384_384));
    }

    #[test]
    fn near_midnight_there_is_less_leader_and_no_pop() {
        assert_eq!(layout("00:00:05:01").0.start, Frames(1));
        assert_eq!(layout("00:00:02:00").0.two_pop, Some(Frames(0)));
        assert_eq!(layout("00:00:01:23").0.two_pop, None);
    }
}
