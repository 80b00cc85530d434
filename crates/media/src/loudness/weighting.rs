//! K-weighting (ITU-R BS.1770-4 annex 1): a shelf for the head and a high-pass, over which energy is summed.

use std::f64::consts::PI;

/// Frames filtered at once.
const FRAMES: usize = 64;

/// The two filters for one sample rate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weighting {
    high_pass: [f64; 2],
    shelf: [f64; 2],
    shelf_forward: [f64; 3],
}

/// What the two filters remember of `LANES` channels: for each the last two values, the newer first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory<const LANES: usize> {
    high_pass: [[f64; LANES]; 2],
    shelf: [[f64; LANES]; 2],
}

impl<const LANES: usize> Memory<LANES> {
    /// Remembers silence.
    pub(super) const SILENCE: Memory<LANES> = Memory { high_pass: [[0.0; LANES]; 2], shelf: [[0.0; LANES]; 2] };
}

impl Weighting {
    /// Designs the filters for `rate` in hertz.
    ///
    /// The recommendation tabulates coefficients for 48 kHz only. These are the analogue filters behind the tables,
    /// as libebur128 and FFmpeg derive them, taken to `rate` by the bilinear transform.
    pub(super) fn new(rate: f64) -> Weighting {
        let (quality, k) = (0.707_175_236_955_419_6, (PI * 1_681.974_450_955_533 / rate).tan());
        let high = 10_f64.powf(3.999_843_853_973_347 / 20.0);
        let band = high.powf(0.499_666_774_154_541_6);
        let scale = 1.0 + k / quality + k * k;
        let shelf_forward = [
            (high + band * k / quality + k * k) / scale,
            2.0 * (k * k - high) / scale,
            (high - band * k / quality + k * k) / scale,
        ];
        let shelf = [2.0 * (k * k - 1.0) / scale, (1.0 - k / quality + k * k) / scale];

        let (quality, k) = (0.500_327_037_323_877_3, (PI * 38.135_470_876_024_44 / rate).tan());
        let scale = 1.0 + k / quality + k * k;
        let high_pass = [2.0 * (k * k - 1.0) / scale, (1.0 - k / quality + k * k) / scale];
        Weighting { high_pass, shelf, shelf_forward }
    }

    /// Filters channels of one length side by side and gives the energy of each: the sum of its squared samples.
    ///
    /// Each value waits for the one before, so two channels in one register cost little more than one.
    pub(super) fn energy<const LANES: usize>(
        &self,
        channels: [&[f32]; LANES],
        memory: &mut Memory<LANES>,
    ) -> [f64; LANES] {
        let length = channels.iter().map(|channel| channel.len()).min().unwrap_or(0);
        let mut energy = [0.0; LANES];
        let mut weighted = [[0.0; LANES]; FRAMES];
        for from in (0..length).step_by(FRAMES) {
            let to = length.min(from + FRAMES);
            self.filter(channels.map(|channel| &channel[from..to]), memory, &mut weighted);
            for frame in &weighted[..to - from] {
                for (energy, sample) in energy.iter_mut().zip(frame) {
                    *energy += sample * sample;
                }
            }
        }
        for value in memory.high_pass.iter_mut().chain(&mut memory.shelf).flatten() {
            // Ends a decay into silence before it reaches subnormal numbers, which are slow.
            if value.abs() < 1e-30 {
                *value = 0.0;
            }
        }
        energy
    }

    #[inline]
    fn filter<const LANES: usize>(
        &self,
        channels: [&[f32]; LANES],
        memory: &mut Memory<LANES>,
        weighted: &mut [[f64; LANES]; FRAMES],
    ) {
        let [mut h1, mut h2] = memory.high_pass;
        let [mut s1, mut s2] = memory.shelf;
        let length = channels.iter().map(|channel| channel.len()).min().unwrap_or(0);
        let channels = channels.map(|channel| &channel[..length]);
        for (frame, weighted) in weighted[..length].iter_mut().enumerate() {
            let (mut h, mut s) = ([0.0; LANES], [0.0; LANES]);
            for lane in 0..LANES {
                // The newest value comes last: all else is ready while it is still being computed.
                let sample = f64::from(channels[lane][frame]);
                h[lane] = (sample - self.high_pass[1] * h2[lane]) - self.high_pass[0] * h1[lane];
                let passed = (h[lane] + h2[lane]) - (h1[lane] + h1[lane]);
                s[lane] = (passed - self.shelf[1] * s2[lane]) - self.shelf[0] * s1[lane];
                let old = self.shelf_forward[1] * s1[lane] + self.shelf_forward[2] * s2[lane];
                weighted[lane] = self.shelf_forward[0] * s[lane] + old;
            }
            (h2, h1, s2, s1) = (h1, h, s1, s);
        }
        memory.high_pass = [h1, h2];
        memory.shelf = [s1, s2];
    }
}
