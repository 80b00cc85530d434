//! How far one sample is from another in the units that people turn knobs by, and the names of channels.

use crate::time::FrameRate;

/// Such as `1 sample (0.021 ms, 0.001 frames) late`: `ways` are the words for less and for more.
pub(super) fn apart_words(off: i64, hertz: u32, rate: FrameRate, ways: [&str; 2]) -> String {
    let [less, more] = ways;
    let samples = u128::from(off.unsigned_abs());
    let second = u128::from(hertz.max(1));
    let ms = thousandths(samples * 1000, second);
    let frames = thousandths(samples * u128::from(rate.num()), second * u128::from(rate.den()));
    let plural = if samples == 1 { "" } else { "s" };
    format!("{samples} sample{plural} ({ms} ms, {frames} frames) {}", if off < 0 { less } else { more })
}

/// A ratio with three decimals, to the nearest.
fn thousandths(num: u128, den: u128) -> String {
    let thousandths = (num * 1000 + den / 2) / den;
    format!("{}.{:03}", thousandths / 1000, thousandths % 1000)
}

/// Such as ` left`, with a space in front; nothing where there are not two channels.
pub(super) fn side(index: usize, channels: usize) -> &'static str {
    match (index, channels) {
        (0, 2) => " left",
        (1, 2) => " right",
        _ => "",
    }
}
