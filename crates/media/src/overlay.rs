//! Recordings laid where an edit map says: moved, stretched, faded in their pauses.

use seedpost_core::sync::edit_map::{EditEvent, EditMap};
use seedpost_core::time::{SampleRate, Samples};

use crate::decode::{MAX_SAMPLES, Sound};
use crate::stretch::stretch;
use crate::wav::MAX_CHANNELS;

/// Lays recordings (48 kHz, `REF1` first) into silence as long as the map's clip. It has as many channels as the
/// widest of them, and one of one channel is on both sides. A recording of more than two channels is left out; `None`
/// where nothing is laid, and for a clip of more than [`MAX_SAMPLES`].
#[must_use]
pub fn overlay(map: &EditMap, recordings: &[&Sound]) -> Option<Sound> {
    let of = |event: &EditEvent| recordings.get(usize::try_from(event.reference.checked_sub(1)?).ok()?);
    let laid: Vec<(&EditEvent, &Sound)> = map
        .events
        .iter()
        .filter_map(|event| Some((event, *of(event)?)))
        .filter(|(_, sound)| (1..=MAX_CHANNELS).contains(&sound.channels.len()))
        .collect();
    if map.clip.0 > MAX_SAMPLES || laid.iter().any(|(event, _)| event.record.length() > map.clip) {
        return None;
    }
    let channels = laid.iter().map(|(_, sound)| sound.channels.len()).max()?;
    let length = size(map.clip);
    let mut planes = vec![vec![0.0; length]; channels];
    for (event, sound) in &laid {
        let parts = part(event, sound);
        for (plane, part) in planes.iter_mut().zip(parts.iter().cycle()) {
            let at = size(event.record.start).min(length);
            plane.iter_mut().skip(at).zip(part).for_each(|(sum, sample)| *sum += sample);
        }
    }
    Some(Sound { rate: SampleRate::HZ_48000, channels: planes })
}

/// What an event takes of a recording, as long as it is laid, faded at both ends.
#[expect(clippy::cast_precision_loss, reason = "a fade is short")]
fn part(event: &EditEvent, sound: &Sound) -> Vec<Vec<f32>> {
    let (start, end) = (size(event.source.start), size(event.source.end));
    let planes: Vec<&[f32]> = sound.channels.iter().map(|plane| plane.get(start..end).unwrap_or_default()).collect();
    let mut parts: Vec<Vec<f32>> = if event.source.length() == event.record.length() {
        planes.iter().map(|plane| plane.to_vec()).collect()
    } else {
        stretch(&planes, size(event.record.length()))
    };
    let (fade_in, fade_out) = (size(event.fade_in), size(event.fade_out));
    for part in &mut parts {
        let rising = part.iter_mut().take(fade_in).enumerate();
        rising.for_each(|(index, sample)| *sample *= index as f32 / fade_in as f32);
        let falling = part.iter_mut().rev().take(fade_out).enumerate();
        falling.for_each(|(index, sample)| *sample *= index as f32 / fade_out as f32);
    }
    parts
}

fn size(samples: Samples) -> usize {
    usize::try_from(samples.0).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedpost_core::sync::PhraseSync;
    use seedpost_core::sync::edit_map::{Mode, plan};
    use seedpost_core::time::TimeRange;

    fn range(start: u64, end: u64) -> TimeRange<Samples> {
        TimeRange { start: Samples(start), end: Samples(end) }
    }

    /// A phrase of ones between 1 s and 2 s of silence otherwise, heard so much later.
    fn laid(late: u64, channels: usize) -> Option<Sound> {
        let plane: Vec<f32> = (0..144_000).map(|n| if (48_000..96_000).contains(&n) { 1.0 } else { 0.0 }).collect();
        let recording = Sound { rate: SampleRate::HZ_48000, channels: vec![plane; channels] };
        let found = Some(range(48_000 + late, 96_000 + late));
        let phrase = PhraseSync {
            reference: 1,
            source: range(48_000, 96_000),
            expected: Samples(48_000),
            found,
            confidence: 1.0,
        };
        let map = plan(&[phrase], &[recording.length()], Samples(192_000), Mode::Rigid);
        overlay(&map, &[&recording])
    }

    #[test]
    fn a_phrase_lies_where_it_was_heard_sample_for_sample() {
        let sound = laid(12_345, 1).expect("one phrase");
        let ones: Vec<usize> = (0..192_000).filter(|n| sound.channels[0][*n] != 0.0).collect();
        assert_eq!((ones.first(), ones.last(), ones.len()), (Some(&60_345), Some(&108_344), 48_000));
        assert!(ones.iter().all(|n| sound.channels[0][*n] == 1.0), "fades lie in the pause");
    }

    #[test]
    fn what_cannot_be_laid_is_left_out() {
        assert_eq!(laid(0, 6), None);
        assert_eq!(laid(0, 2).expect("stereo").channels.len(), 2);
    }
}
