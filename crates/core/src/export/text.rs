//! How texts and numbers are written in the plain forms.
//!
//! Deliberately absent: what a form does with its own signs; that is in the form's own file.

use crate::time::{FrameRate, Frames};

/// A text in one line: each stretch of tabs, line ends and other control characters is one space, and all else stays.
pub(super) fn flat(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let mut broken = false;
    for letter in text.chars() {
        let breaks = letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}');
        match (breaks, broken) {
            (true, false) => line.push(' '),
            (true, true) => {}
            (false, _) => line.push(letter),
        }
        broken = breaks;
    }
    line
}

/// A rate with at most three decimals, as editors write it: `24`, `23.976`, `29.97`.
pub(super) fn fps(rate: FrameRate) -> String {
    let decimals = decimals(u128::from(rate.num()), u128::from(rate.den()), 3);
    decimals.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The seconds that frames last, with twelve decimals: a reader that rounds gets the same frame.
pub(super) fn seconds(frames: Frames, rate: FrameRate) -> String {
    decimals(u128::from(frames.0) * u128::from(rate.den()), u128::from(rate.num()), 12)
}

/// A fraction to the nearest of so many decimals.
fn decimals(num: u128, den: u128, places: u32) -> String {
    let scale = 10_u128.pow(places);
    let scaled = (num * scale + den / 2) / den;
    format!("{}.{:0width$}", scaled / scale, scaled % scale, width = usize::try_from(places).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_one_space_and_other_letters_stay() {
        assert_eq!(flat("a\r\n\tb  c\u{0}\u{2028}d\u{85}"), "a b  c d ");
        assert_eq!(flat("é \u{202e}\u{fffe}😀\u{a0}"), "é \u{202e}\u{fffe}😀\u{a0}");
    }

    #[test]
    fn rates_and_seconds_are_written_as_people_count_them() {
        let rate = |text: &str| text.parse::<FrameRate>().expect("a rate");
        let names = ["24", "23.976", "25", "29.97", "30", "50", "59.94", "60"];
        assert_eq!(names.map(|name| fps(rate(name))), names);
        // An hour of labels at 23.976 lasts 3603.6 seconds; a frame at 29.97 lasts 1001/30000 of a second.
        assert_eq!(seconds(Frames(86_400), rate("23.976")), "3603.600000000000");
        assert_eq!(seconds(Frames(1), rate("29.97")), "0.033366666667");
        assert_eq!(seconds(Frames(u64::MAX), rate("24")), "768614336404564650.625000000000");
    }
}
