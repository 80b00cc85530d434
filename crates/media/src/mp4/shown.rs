//! What of a track is shown or heard, and how fast: rates, edit lists (14496-12, 8.6.6), lead and tail.

use seedpost_core::media::Edit;
use seedpost_core::time::{ClockTime, FrameRate, Frames, Rounding, Samples};

use super::table::Pace;
use super::{Movie, Presentation, Track};

impl Movie {
    /// The frame rate of a picture track; `None` where frames differ in length by more than their clock's tick.
    #[must_use]
    pub fn rate(&self, track: &Track) -> Option<FrameRate> {
        match track.pace {
            Pace::Even(ticks) => FrameRate::new(track.timescale, ticks),
            Pace::Rounded => nearest_rate(track),
            Pace::Uneven => None,
        }
    }

    /// The frames of a picture track that its edit list shows: those that begin within its only edit. With several
    /// edits that show media, all frames count.
    #[must_use]
    pub fn frames(&self, track: &Track) -> Frames {
        Frames(track.shown)
    }

    /// When a picture's first frame is shown after the movie's beginning, in microseconds to the nearest: behind empty
    /// edits, or where there is no edit list, when decoders have its frames in order.
    #[must_use]
    pub fn start(&self, track: &Track) -> ClockTime {
        let empty = track.edits.iter().take_while(|edit| edit.media_time.is_none());
        let empty = empty.map(|edit| u128::from(edit.length)).sum::<u128>();
        let (ticks, scale) = match track.edits.is_empty() {
            true => (u128::from(track.first_shown), track.timescale),
            false => (empty, self.timescale),
        };
        let micros = Rounding::Nearest.divide(ticks.saturating_mul(1_000_000), scale.into());
        ClockTime(micros.unwrap_or(0))
    }

    /// When the last of a track is over, in microseconds of the movie, with the silence or black before it.
    #[must_use]
    pub fn end(&self, track: &Track) -> Option<ClockTime> {
        let all = (u128::from(track.ticks), track.timescale);
        let edited = track.edits.iter().map(|edit| u128::from(edit.length)).sum::<u128>();
        let (ticks, scale) = if edited > 0 { (edited, self.timescale) } else { all };
        Rounding::Nearest.divide(ticks.checked_mul(1_000_000)?, scale.into()).map(ClockTime)
    }

    /// How long a picture track is shown, to the nearest microsecond.
    #[must_use]
    pub fn shown_time(&self, track: &Track) -> Option<ClockTime> {
        let micros =
            |ticks: u64, scale: u32| Rounding::Nearest.divide(u128::from(ticks).checked_mul(1_000_000)?, scale.into());
        let Some(edit) = only_edit(&track.edits) else { return micros(track.ticks, track.timescale).map(ClockTime) };
        // The movie's clock rounds: an edit does not show more than there is behind where it begins.
        let there = track.ticks.saturating_sub(edit.media_time?.saturating_sub(track.first_shown));
        let there = micros(there, track.timescale)?;
        let length = if edit.length == 0 { there } else { micros(edit.length, self.timescale)?.min(there) };
        Some(ClockTime(length))
    }

    /// Which samples of a sound track are heard. Several edits that show media count as unknown.
    #[must_use]
    pub fn presentation(&self, track: &Track) -> Presentation {
        let all = Presentation { delay: 0, skip: 0, length: None, known: false };
        let Some((rate, _)) = track.sound else { return all };
        let to_samples = |ticks: u64, scale: u32| {
            Rounding::Nearest.divide(u128::from(ticks).saturating_mul(u128::from(rate.hertz())), u128::from(scale))
        };
        let mut delay: u64 = 0;
        let mut edits = track.edits.iter();
        for edit in edits.by_ref() {
            let Some(media_time) = edit.media_time else {
                delay = delay.saturating_add(edit.length);
                continue;
            };
            if edits.any(|edit| edit.media_time.is_some()) {
                return all;
            }
            let known = (|| {
                let length = if edit.length == 0 { None } else { Some(to_samples(edit.length, self.timescale)?) };
                Some(Presentation {
                    delay: to_samples(delay, self.timescale)?,
                    skip: to_samples(media_time, track.timescale)?,
                    length,
                    known: true,
                })
            })();
            return known.unwrap_or(all);
        }
        all
    }

    /// The samples behind those that are heard; `None` where no edit list tells.
    #[must_use]
    pub fn padding(&self, track: &Track) -> Option<u64> {
        let presentation = self.presentation(track);
        let after = self.held(track)?.saturating_sub(presentation.skip);
        presentation.known.then(|| presentation.length.map_or(0, |length| after.saturating_sub(length)))
    }

    /// All samples of a sound track.
    fn held(&self, track: &Track) -> Option<u64> {
        let (rate, _) = track.sound?;
        let num = u128::from(track.ticks).checked_mul(u128::from(rate.hertz()))?;
        Rounding::Nearest.divide(num, u128::from(track.timescale))
    }

    /// The samples of a sound track that are heard, with the silence before them.
    #[must_use]
    pub fn heard(&self, track: &Track) -> Option<Samples> {
        let all = self.held(track)?;
        let presentation = self.presentation(track);
        let after = all.saturating_sub(presentation.skip);
        let heard = presentation.length.map_or(after, |length| length.min(after));
        Some(Samples(presentation.delay.saturating_add(heard)))
    }
}

/// The usual rate at which so many frames last that long, to within two ticks of the track's clock.
fn nearest_rate(track: &Track) -> Option<FrameRate> {
    let off = |rate: &FrameRate| {
        let ticks = u128::from(track.sample_count).checked_mul(u128::from(rate.den()))?;
        let ticks = Rounding::Nearest.divide(ticks.checked_mul(track.timescale.into())?, rate.num().into())?;
        Some(ticks.abs_diff(track.ticks))
    };
    FrameRate::usual()
        .filter_map(|rate| Some((off(&rate)?, rate)))
        .filter(|(off, _)| *off <= 2)
        .min_by_key(|(off, _)| *off)
        .map(|(_, rate)| rate)
}

/// Which part of a track an edit list shows, in ticks of the track's clock multiplied by those of the movie's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    start: i128,
    /// The movie's ticks in a second.
    movie: i128,
    /// The last place at which a frame may begin; none where the edit goes to the end.
    last: Option<i128>,
}

impl Window {
    /// The window of the only edit that shows media, or all of a track without edits; `None` where there are several.
    pub(super) fn of(edits: &[Edit], timescale: u32, movie: u32) -> Option<Window> {
        if edits.is_empty() {
            return Some(Window { start: i128::MIN, movie: 0, last: None });
        }
        let edit = only_edit(edits)?;
        let start = i128::from(edit.media_time?);
        // The movie's clock rounds an edit's end: a frame that begins within a tick of it is behind the end.
        let length = i128::from(edit.length.saturating_sub(1)).saturating_mul(timescale.into());
        Some(Window { start, movie: movie.into(), last: (edit.length > 0).then_some(length) })
    }

    /// Whether a frame that begins at this tick of the track's clock is shown.
    pub(super) fn shows(self, at: i128) -> bool {
        let into = at.saturating_sub(self.start);
        into >= 0 && self.last.is_none_or(|last| into.saturating_mul(self.movie) <= last)
    }
}

/// The edit that shows media, if it is the only one.
fn only_edit(edits: &[Edit]) -> Option<Edit> {
    let mut shown = edits.iter().filter(|edit| edit.media_time.is_some());
    let only = shown.next()?;
    shown.next().is_none().then_some(*only)
}
