//! What drawings of sound have in common: the outline of a waveform as a path.

use std::fmt::Write as _;

use seedpost_media::wave::Wave;

/// A closed path around an outline, `half` units to either side of `middle`. `x` says where a sample lies. Points are told
/// from one to the next, in whole units: a page may hold a thousand of them.
#[expect(clippy::cast_possible_truncation, reason = "units of a drawing")]
pub(crate) fn outline(wave: &Wave, middle: u64, half: u64, x: &impl Fn(u64) -> u128) -> String {
    let place = |index: usize| x(index as u64 * wave.stretch) as i64;
    let height = |peak: f32| (peak.clamp(-1.0, 1.0) * half as f32) as i64;
    let middle = middle.cast_signed();
    let peaks = || wave.peaks.iter().enumerate();
    let above = peaks().map(|(index, (_, high))| (place(index), middle - height(*high)));
    let below = peaks().rev().map(|(index, (low, _))| (place(index), middle - height(*low)));
    let mut before = (place(0), middle);
    let mut path = format!("M{} {middle}l", before.0);
    for (x, y) in above.chain(below) {
        let (right, down) = (x - before.0, y - before.1);
        let gap = if right < 0 || path.ends_with('l') { "" } else { " " };
        // Writing to a String cannot fail; a minus is gap enough.
        let _ = write!(path, "{gap}{right}{}{down}", if down < 0 { "" } else { " " });
        before = (x, y);
    }
    path.push('z');
    path
}

/// The same outline in at most so many stretches.
pub(crate) fn coarse(wave: &Wave, most: usize) -> Wave {
    let join = wave.peaks.len().div_ceil(most.max(1)).max(1);
    let widest = |part: &[(f32, f32)]| {
        part.iter().fold((0.0, 0.0), |(low, high): (f32, f32), peak| (low.min(peak.0), high.max(peak.1)))
    };
    Wave { stretch: wave.stretch * join as u64, peaks: wave.peaks.chunks(join).map(widest).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outline_goes_there_above_and_back_below() {
        let wave = Wave { stretch: 10, peaks: vec![(-0.5, 1.0), (0.0, 0.5)] };
        assert_eq!(outline(&wave, 100, 10, &|sample| u128::from(sample) + 5), "M5 100l0-10 10 5 0 5-10 5z");
        assert_eq!(coarse(&wave, 1), Wave { stretch: 20, peaks: vec![(-0.5, 1.0)] });
    }
}
