//! What two sounds are compared by: how loud each band is over time, made alike in timbre and in noise.

use std::f32::consts::PI;

use realfft::RealFftPlanner;

/// Samples from one spectrum to the next: 5 ms.
pub(super) const HOP: usize = 240;
/// Samples in a spectrum's window: 21 ms.
const WINDOW: usize = 1024;
/// Bands of hearing, about 180 Hz wide at the bottom.
pub(super) const BANDS: usize = 20;
/// Where the bands lie, in Hz.
const RANGE: (f32, f32) = (120.0, 7_000.0);
/// Numbers that describe a moment: each band's level, and how it changes.
pub(super) const WIDTH: usize = 2 * BANDS;
/// Spectra over which a band's mean is taken, to either side: 0.75 s.
const AROUND: usize = 150;
/// Spectra over which a change is measured, to either side.
const SLOPE: usize = 4;
/// How much changes count beside levels.
const CHANGE: f32 = 1.0;
/// The share of moments that are no louder than the noise, and than a band's loudest.
const QUIET: f32 = 0.2;
const LOUD: f32 = 0.98;
/// The least floor, as a power below a band's loudest moments.
const FLOOR: f32 = 3e-4;

/// A moment's description.
pub(super) type Moment = [f32; WIDTH];

/// The power in each band at each hop, the spectrum centred on the hop's first sample.
pub(super) fn bands(samples: &[f32]) -> Vec<[f32; BANDS]> {
    let transform = RealFftPlanner::<f32>::new().plan_fft_forward(WINDOW);
    let (mut frame, mut spectrum) = (transform.make_input_vec(), transform.make_output_vec());
    let window: Vec<f32> =
        (0..WINDOW).map(|at| 0.5 - 0.5 * (2.0 * PI * (at as f32 + 0.5) / WINDOW as f32).cos()).collect();
    let filters = filters();
    let mut found = Vec::with_capacity(samples.len() / HOP + 1);
    for centre in (0..samples.len() + HOP).step_by(HOP) {
        for (at, (slot, weight)) in frame.iter_mut().zip(&window).enumerate() {
            let sample = (centre + at).checked_sub(WINDOW / 2).and_then(|at| samples.get(at)).copied();
            *slot = sample.filter(|sample| sample.is_finite()).unwrap_or(0.0).clamp(-8.0, 8.0) * weight;
        }
        let done = transform.process(&mut frame, &mut spectrum);
        done.expect("the buffers are the transform's own");
        let mut powers = [0.0; BANDS];
        for (power, (first, weights)) in powers.iter_mut().zip(&filters) {
            *power = weights.iter().zip(&spectrum[*first..]).map(|(weight, value)| weight * value.norm_sqr()).sum();
        }
        found.push(powers);
    }
    found
}

/// Each band's first bin and the weights of its bins: triangles on the mel scale.
fn filters() -> Vec<(usize, Vec<f32>)> {
    let mel = |hertz: f32| (1.0 + hertz / 700.0).ln();
    let step = (mel(RANGE.1) - mel(RANGE.0)) / (BANDS + 1) as f32;
    let place = |bin: usize| (mel(bin as f32 * 48_000.0 / WINDOW as f32) - mel(RANGE.0)) / step;
    (1..=BANDS)
        .map(|band| {
            let weight = |bin: &usize| 1.0 - (place(*bin) - band as f32).abs();
            let bins: Vec<usize> = (1..WINDOW / 2).filter(|bin| weight(bin) > 0.0).collect();
            (bins.first().copied().unwrap_or(1), bins.iter().map(weight).collect())
        })
        .collect()
}

/// Describes every moment of two sounds so that the same words look alike: each band is measured from its
/// own loudest moments, and the louder noise of the two is laid under both.
pub(super) fn describe(reference: &[[f32; BANDS]], render: &[[f32; BANDS]]) -> (Vec<Moment>, Vec<Moment>) {
    let mut levels = [vec![[0.0; BANDS]; reference.len()], vec![[0.0; BANDS]; render.len()]];
    for band in 0..BANDS {
        let of = |powers: &[[f32; BANDS]]| {
            let mut sorted: Vec<f32> = powers.iter().map(|powers| powers[band]).collect();
            sorted.sort_by(f32::total_cmp);
            let part = |share: f32| sorted.get((sorted.len() as f32 * share) as usize).copied().unwrap_or(0.0);
            (part(QUIET), part(LOUD).max(1e-7))
        };
        let (a, b) = (of(reference), of(render));
        let floor = (a.0 / a.1).max(b.0 / b.1).clamp(FLOOR, 1.0);
        for (powers, which, loud) in [(reference, 0, a.1), (render, 1, b.1)] {
            for (powers, level) in powers.iter().zip(&mut levels[which]) {
                level[band] = (powers[band] / loud + floor).ln();
            }
        }
    }
    let [a, b] = levels;
    (moments(&a), moments(&b))
}

/// Levels less their mean around, and their change.
fn moments(levels: &[[f32; BANDS]]) -> Vec<Moment> {
    let mut sums = vec![[0.0_f64; BANDS]];
    for level in levels {
        let mut sum = sums[sums.len() - 1];
        sum.iter_mut().zip(level).for_each(|(sum, level)| *sum += f64::from(*level));
        sums.push(sum);
    }
    let mean = |at: usize, around: usize, band: usize| {
        let (from, to) = (at.saturating_sub(around), (at + around + 1).min(levels.len()));
        ((sums[to][band] - sums[from][band]) / (to - from).max(1) as f64) as f32
    };
    (0..levels.len())
        .map(|at| {
            let mut moment = [0.0; WIDTH];
            for band in 0..BANDS {
                moment[band] = levels[at][band] - mean(at, AROUND, band);
                let after = (at + SLOPE).min(levels.len() - 1);
                let change = mean((at + after).div_ceil(2), SLOPE / 2, band)
                    - mean(at.saturating_sub(SLOPE / 2), SLOPE / 2, band);
                moment[BANDS + band] = CHANGE * change;
            }
            moment
        })
        .collect()
}

/// Half as many moments: each the mean of two.
pub(super) fn halve(moments: &[Moment]) -> Vec<Moment> {
    let halved = moments.chunks(2).map(|pair| {
        let mut mean = [0.0; WIDTH];
        for moment in pair {
            mean.iter_mut().zip(moment).for_each(|(mean, value)| *mean += value / pair.len() as f32);
        }
        mean
    });
    halved.collect()
}
