//! WAV files read by the byte, and where they pause: arithmetic of its own, to judge the program's by.

use std::path::Path;

/// A WAV of plain samples.
pub(crate) struct Wave {
    /// Tag (1 integers, 3 floats), channels, rate and bits.
    pub(crate) form: (u16, u16, u32, u16),
    /// The sound, as it is stored.
    pub(crate) data: Vec<u8>,
}

impl Wave {
    pub(crate) fn read(path: &Path) -> Wave {
        let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(bytes.starts_with(b"RIFF") && &bytes[8..12] == b"WAVE", "{}", path.display());
        let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!(u32_at(4) as usize, bytes.len() - 8, "{}: the RIFF size", path.display());
        let (mut at, mut form) = (12, None);
        loop {
            let (name, size, body) = (&bytes[at..at + 4], u32_at(at + 4) as usize, at + 8);
            if name == b"fmt " {
                let tag = if u16_at(body) == 0xfffe { u16_at(body + 24) } else { u16_at(body) };
                form = Some((tag, u16_at(body + 2), u32_at(body + 4), u16_at(body + 14)));
            }
            if name == b"data" {
                return Wave { form: form.unwrap(), data: bytes[body..body + size].to_vec() };
            }
            at = body + size + size % 2;
        }
    }

    pub(crate) fn rate(&self) -> usize {
        self.form.2 as usize
    }

    fn width(&self) -> usize {
        usize::from(self.form.3 / 8)
    }

    /// Bytes of one sample of all channels.
    pub(crate) fn frame(&self) -> usize {
        self.width() * usize::from(self.form.1)
    }

    /// Samples per channel.
    pub(crate) fn samples(&self) -> usize {
        self.data.len() / self.frame()
    }

    /// The sample of a channel, full scale at 1.
    pub(crate) fn value(&self, at: usize, channel: usize) -> f64 {
        let start = at * self.frame() + channel * self.width();
        let bytes = &self.data[start..start + self.width()];
        match (self.form.0, bytes) {
            (1, [a, b]) => f64::from(i16::from_le_bytes([*a, *b])) / 32_768.0,
            (1, [a, b, c]) => f64::from(i32::from_le_bytes([0, *a, *b, *c]) >> 8) / 8_388_608.0,
            (3, [a, b, c, d]) => f64::from(f32::from_le_bytes([*a, *b, *c, *d])),
            other => panic!("a form that no test uses: {other:?}"),
        }
    }

    fn channels(&self) -> std::ops::Range<usize> {
        0..usize::from(self.form.1)
    }

    /// The sum of all channels.
    fn sum(&self, at: usize) -> f64 {
        self.channels().map(|channel| self.value(at, channel)).sum()
    }

    /// Whether the sound crosses zero, or touches it, between a sample and the one before.
    pub(crate) fn crosses(&self, at: usize) -> bool {
        self.sum(at - 1) * self.sum(at) <= 0.0
    }

    /// For each position, whether the 20 ms from there are 40 dB below the peak, in every channel. Positions
    /// count from the start of the stretch.
    pub(crate) fn quiet(&self, start: usize, end: usize) -> Vec<bool> {
        let peak = self
            .channels()
            .flat_map(|channel| (start..end).map(move |at| self.value(at, channel).abs()))
            .fold(0.0, f64::max);
        let window = self.rate() / 50;
        let mut quiet = vec![true; end - start - window + 1];
        for channel in self.channels() {
            let mut sums = vec![0.0];
            for at in start..end {
                sums.push(sums[at - start] + self.value(at, channel).powi(2));
            }
            for (at, quiet) in quiet.iter_mut().enumerate() {
                *quiet &= (sums[at + window] - sums[at]) / window as f64 <= peak * peak * 1e-4 + 1e-12;
            }
        }
        quiet
    }
}

/// Stretches of at least 60 ms in which all 20 ms are quiet; both ends in samples of the stretch.
pub(crate) fn pauses(quiet: &[bool], rate: usize) -> Vec<(usize, usize)> {
    let window = rate / 50;
    let mut found = Vec::new();
    let mut begin = None;
    for at in 0..=quiet.len() {
        match (begin, quiet.get(at).copied().unwrap_or(false)) {
            (None, true) => begin = Some(at),
            (Some(first), false) => {
                let end = at - 1 + window;
                if end - first >= rate * 60 / 1000 {
                    found.push((first, end));
                }
                begin = None;
            }
            _ => {}
        }
    }
    found
}
