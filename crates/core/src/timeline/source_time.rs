//! Where a take's own timecode begins, when pictures are stamped.

use crate::time::{Frames, Timecode};

/// Shots that have an hour of their own: 01 to 23; hour 00 is that of files without timecode.
const HOURS: u64 = 23;
/// Minutes that shots which share an hour are apart.
const APART: u64 = 2;

/// The frame since midnight at which the timecode of a shot's take begins: an hour of its own for each of the first 23
/// shots of a list, then the same hours two minutes on; each further take of a shot a minute on. So no two files of 23
/// shots of up to 60 takes share a label, and of longer lists those that do have other reels. `shot` counts from 0, `take` from 1; the
/// counting is that of `start`. Takes longer than a minute run into the minute of the next take of their shot.
#[must_use]
pub fn source_start(shot: u64, take: u32, start: Timecode) -> Frames {
    let (hour, round) = (1 + shot % HOURS, shot / HOURS);
    let minute = (round * APART + u64::from(take.saturating_sub(1))) % 60;
    let minutes = hour * 60 + minute;
    let skipped = start.rate().dropped_labels().filter(|_| start.is_drop()).map_or(0, u64::from);
    // The first label of a minute that is no tenth one is that after the skipped ones.
    let first = if minutes.is_multiple_of(10) { 0 } else { skipped };
    Frames(minutes * 60 * u64::from(start.rate().nominal()) + first - skipped * (minutes - minutes / 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(shot: u64, take: u32, rate: &str, start: &str) -> String {
        let start = Timecode::parse(start, rate.parse().expect("a rate")).expect("a timecode");
        let frame = source_start(shot, take, start);
        Timecode::from_frames(frame, start.rate(), start.is_drop()).expect("a label").to_string()
    }

    #[test]
    fn each_take_has_an_hour_or_a_minute_of_its_own() {
        let at_24 = |shot, take| label(shot, take, "24", "01:00:00:00");
        assert_eq!((at_24(0, 1), at_24(22, 1)), ("01:00:00:00".into(), "23:00:00:00".into()));
        assert_eq!((at_24(23, 1), at_24(0, 2)), ("01:02:00:00".into(), "01:01:00:00".into()));
        // Labels that drop-frame counting skips are not given.
        assert_eq!(label(4, 1, "29.97", "01:00:00;00"), "05:00:00;00");
        assert_eq!(label(4, 2, "29.97", "01:00:00;00"), "05:01:00;02");
        assert_eq!(label(4, 11, "29.97", "01:00:00;00"), "05:10:00;00");
    }

    #[test]
    fn no_two_takes_of_twenty_three_shots_share_a_minute() {
        let start = Timecode::parse("01:00:00:00", crate::time::FrameRate::FPS_24).expect("a timecode");
        let starts = (0..23).flat_map(|shot| (1..=60).map(move |take| source_start(shot, take, start)));
        let distinct: std::collections::BTreeSet<Frames> = starts.collect();
        assert_eq!(distinct.len(), 23 * 60);
    }
}
