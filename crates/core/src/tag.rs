//! Tags in a prompt: `@Image1`, or `@image_file_1` as some proxies write it, in any case.
//!
//! A tag begins where a word may begin, so that an address such as `a@image1.com` holds none, and ends where its
//! number ends, unless a Latin letter or `_` follows.

use crate::reference::Kind;

/// One tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// What it stands for.
    pub kind: Kind,
    /// Which of the shot's files of that kind, from 1; `None` for a number that no list reaches.
    pub number: Option<u32>,
    /// The bytes of the prompt that it takes.
    pub range: std::ops::Range<usize>,
}

/// All tags of a prompt, in order.
#[must_use]
pub fn tags(prompt: &str) -> Vec<Tag> {
    prompt.match_indices('@').filter_map(|(at, _)| tag(prompt, at)).collect()
}

/// The prompt with each tag in a form of its own.
#[must_use]
pub fn rewrite(prompt: &str, form: impl Fn(&Tag) -> String) -> String {
    let mut text = String::new();
    let mut done = 0;
    for tag in tags(prompt) {
        text.push_str(&prompt[done..tag.range.start]);
        text.push_str(&form(&tag));
        done = tag.range.end;
    }
    text + &prompt[done..]
}

fn tag(prompt: &str, at: usize) -> Option<Tag> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    if prompt[..at].chars().next_back().is_some_and(|before| is_word(before) || before == '.' || before == '-') {
        return None;
    }
    let rest = &prompt[at + 1..];
    let kind = [Kind::Image, Kind::Video, Kind::Audio].into_iter().find(|kind| starts_with(rest, kind.as_str()))?;
    let word = kind.as_str().len();
    let word = if starts_with(&rest[word..], "_file_") { word + "_file_".len() } else { word };
    let digits = rest[word..].bytes().take_while(u8::is_ascii_digit).count();
    let end = word + digits;
    if digits == 0 || rest[end..].chars().next().is_some_and(is_word) {
        return None;
    }
    Some(Tag { kind, number: rest[word..end].parse().ok(), range: at..at + 1 + end })
}

fn starts_with(text: &str, word: &str) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(prompt: &str, expected: &[(&str, Option<u32>)]) {
        let found: Vec<(&str, Option<u32>)> =
            tags(prompt).iter().map(|tag| (&prompt[tag.range.clone()], tag.number)).collect();
        assert_eq!(found, expected, "{prompt}");
    }

    #[test]
    fn tags_are_whole_words() {
        check(
            "@Image1 and @image_file_2, (@AUDIO10)",
            &[("@Image1", Some(1)), ("@image_file_2", Some(2)), ("@AUDIO10", Some(10))],
        );
        check("厨师@Image1走过@Video2。", &[("@Image1", Some(1)), ("@Video2", Some(2))]);
        check("mail a@image1.com, or x.@audio2", &[]);
        check("@Audio1s @Image @Image_1 @ Image1 @Picture1", &[]);
        check("@Image99999999999", &[("@Image99999999999", None)]);
        assert_eq!(rewrite("@image_file_1 hears @Audio2.", |tag| format!("<{}>", tag.range.start)), "<0> hears <20>.");
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in "[@a-zA-Z0-9_. é厨]{0,40}") {
            prop_assert_eq!(rewrite(&text, |tag| text[tag.range.clone()].to_owned()), text);
        }
    }
}
