//! The outline of sound for drawing: the lowest and highest sample of each stretch.

use serde::{Deserialize, Serialize};

/// The most stretches that are kept.
const MOST: usize = 2048;
/// Samples of a stretch to begin with; doubled whenever there are too many stretches.
const FIRST: u64 = 128;

/// The outline of one sound, all channels together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wave {
    /// Samples in a stretch; the last one may be shorter.
    pub stretch: u64,
    /// Lowest and highest sample of each stretch, full scale at ±1.
    pub peaks: Vec<(f32, f32)>,
}

/// Draws block by block.
#[derive(Debug)]
pub struct Pen {
    wave: Wave,
    current: (f32, f32),
    held: u64,
}

impl Default for Pen {
    fn default() -> Pen {
        Pen::new()
    }
}

impl Pen {
    /// Begins at a sound's first sample.
    #[must_use]
    pub fn new() -> Pen {
        Pen { wave: Wave { stretch: FIRST, peaks: Vec::new() }, current: (0.0, 0.0), held: 0 }
    }

    /// Takes a block: one slice a channel, all of one length.
    pub fn add(&mut self, block: &[&[f32]]) {
        let length = block.first().map_or(0, |plane| plane.len());
        let mut from = 0;
        while from < length {
            let room = usize::try_from(self.wave.stretch - self.held).unwrap_or(usize::MAX);
            let end = length.min(from.saturating_add(room));
            for plane in block {
                let part = plane.get(from..end).unwrap_or_default();
                self.current =
                    part.iter().fold(self.current, |(low, high), sample| (low.min(*sample), high.max(*sample)));
            }
            self.held += (end - from) as u64;
            from = end;
            if self.held == self.wave.stretch {
                self.push();
            }
        }
    }

    fn push(&mut self) {
        self.wave.peaks.push(std::mem::take(&mut self.current));
        self.held = 0;
        if self.wave.peaks.len() >= MOST {
            let both = |pair: &[(f32, f32)]| {
                pair.iter().fold((0.0, 0.0), |(low, high): (f32, f32), peak| (low.min(peak.0), high.max(peak.1)))
            };
            self.wave.peaks = self.wave.peaks.chunks(2).map(both).collect();
            self.wave.stretch *= 2;
        }
    }

    /// Ends the sound.
    #[must_use]
    pub fn finish(mut self) -> Wave {
        if self.held > 0 {
            self.push();
        }
        self.wave
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outline_stays_small_and_keeps_its_peaks() {
        let mut pen = Pen::new();
        let length = 10_000_000_usize;
        for start in (0..length).step_by(1000) {
            let block: Vec<f32> = (start..start + 1000).map(|n| if n == 5_000_000 { -0.75 } else { 0.1 }).collect();
            pen.add(&[&block]);
        }
        let wave = pen.finish();
        assert!(wave.peaks.len() <= MOST && wave.peaks.len() > MOST / 4);
        let place = 5_000_000 / wave.stretch as usize;
        assert_eq!(wave.peaks[place], (-0.75, 0.1));
        assert!(wave.peaks.iter().enumerate().all(|(index, peak)| index == place || *peak == (0.0, 0.1)));
    }
}
