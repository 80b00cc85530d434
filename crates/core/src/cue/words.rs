//! What is said in a shot: what its prompt quotes, or its line; divided over its phrases.

use super::CONTINUED;
use crate::reference::SPEECH;
use crate::shot::Shot;

/// Marks that end a sentence.
const ENDS: [char; 7] = ['.', '!', '?', '…', '。', '！', '？'];
/// Words whose full stop ends no sentence.
const SHORT: [&str; 7] = ["mr", "mrs", "ms", "dr", "st", "prof", "no"];

/// The parts of what is said, in order: each speech that the prompt quotes, or the sentences of the shot's line.
///
/// Where the shot has a line and none of the quotations has anything to do with it, they are signs and titles, and
/// the line stands.
pub(super) fn parts(shot: &Shot) -> Vec<String> {
    let quoted = quoted(&shot.prompt);
    let line = shot.line.as_deref().map(str::trim).filter(|line| !line.is_empty());
    let bare =
        |text: &str| text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    let of_the_line = |line: &str| {
        let line = bare(line);
        quoted.iter().map(|part| bare(part)).any(|part| line.contains(&part) || part.contains(&line))
    };
    match line {
        Some(line) if quoted.is_empty() || !of_the_line(line) => vec![line.to_owned()],
        _ => quoted,
    }
}

/// Gives each of `count` phrases its line: the parts one by one where there are as many, or the sentences of the
/// one part there is; else the first has all of it, and the others say that they go on.
pub(super) fn divide(parts: Vec<String>, line: Option<&str>, count: usize) -> Vec<Option<String>> {
    if parts.is_empty() {
        return vec![None; count];
    }
    let whole =
        line.filter(|line| !line.trim().is_empty()).map_or_else(|| parts.join(" "), |line| line.trim().to_owned());
    let found: Vec<String> = parts.iter().flat_map(|part| sentences(part)).collect();
    for parts in [parts, found] {
        if parts.len() == count {
            return parts.into_iter().map(Some).collect();
        }
    }
    let others = std::iter::repeat_n(CONTINUED.to_owned(), count.saturating_sub(1));
    std::iter::once(whole).chain(others).map(Some).take(count).collect()
}

/// A text by its sentences; marks stay with theirs.
fn sentences(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut sentence = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        sentence.push(letter);
        let next = letters.peek().copied();
        let wide = matches!(letter, '。' | '！' | '？');
        let ends = ENDS.contains(&letter)
            && next.is_none_or(|next| next.is_whitespace() || (wide && !ENDS.contains(&next)))
            && !is_short(&sentence);
        if ends {
            found.push(std::mem::take(&mut sentence));
        }
    }
    found.push(sentence);
    found.into_iter().map(|sentence| sentence.trim().to_owned()).filter(|sentence| !sentence.is_empty()).collect()
}

/// Whether a full stop ends only a short form such as `Dr.` or `J.`
fn is_short(sentence: &str) -> bool {
    let Some(before) = sentence.strip_suffix('.') else { return false };
    let word = before.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    SHORT.contains(&word.to_lowercase().as_str())
        || (word.chars().count() == 1 && word != "I" && word.chars().all(char::is_uppercase))
}

/// What stands between quotation marks and is speech.
///
/// Double, angle and corner marks always quote, but a `"` behind a digit is inches. Single ones, which are apostrophes
/// too, quote where what they enclose ends in a mark, or a verb of speech or a colon leads to them.
fn quoted(prompt: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = prompt;
    let mut before = "";
    while let Some((start, open)) = rest.char_indices().find(|(_, letter)| closing(*letter).is_some()) {
        let (head, tail) = rest.split_at(start);
        let inner = tail.strip_prefix(open).unwrap_or_default();
        let lead = if head.is_empty() { before } else { head };
        let end = match open {
            '\'' | '‘' => single_end(lead, inner),
            '"' if lead.ends_with(|c: char| c.is_ascii_digit()) => None,
            _ => closing(open).and_then(|marks| inner.find(marks)),
        };
        let content = end.and_then(|end| inner.get(..end));
        before = tail.get(..open.len_utf8()).unwrap_or_default();
        rest = inner;
        if let Some(content) = content {
            let after = inner.get(content.len()..).unwrap_or_default();
            let close = after.chars().next().map_or(0, char::len_utf8);
            (before, rest) = after.split_at(close);
            found.extend(Some(content.trim()).filter(|content| is_speech(content)).map(str::to_owned));
        }
    }
    found
}

/// The marks that may close what a mark opens: `„` has two, by language, and angles stand either way.
fn closing(open: char) -> Option<&'static [char]> {
    Some(match open {
        '"' => &['"'],
        '“' => &['”'],
        '„' => &['“', '”'],
        '「' => &['」'],
        '『' => &['』'],
        '«' => &['»'],
        '»' => &['«'],
        '\'' => &['\''],
        '‘' => &['’'],
        _ => return None,
    })
}

/// Where a speech in single marks ends, by bytes; `None` where the mark is an apostrophe, as far as that can be told.
fn single_end(lead: &str, inner: &str) -> Option<usize> {
    let opens = lead.chars().next_back().is_none_or(|c| c.is_whitespace() || "([—:,".contains(c));
    if !opens || inner.starts_with(char::is_whitespace) {
        return None;
    }
    let led = lead.trim_end();
    let word = led.trim_end_matches(',').rsplit(char::is_whitespace).next().unwrap_or_default().to_lowercase();
    let spoken = led.ends_with(':') || SPEECH.contains(&word.as_str());
    inner.match_indices(['\'', '’']).map(|(end, _)| end).find(|end| {
        let (content, rest) = inner.split_at(*end);
        let closes = rest.chars().nth(1).is_none_or(|next| next.is_whitespace() || ".,;:!?)]".contains(next));
        let marked = content.ends_with(|c: char| ENDS.contains(&c) || c == ',' || c == '—');
        closes && (marked || spoken)
    })
}

/// A text all in capitals without a mark is a sign, and one without letters is no speech.
fn is_speech(text: &str) -> bool {
    let cased = |text: &str| text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase);
    text.chars().any(char::is_alphabetic) && (!cased(text) || text.contains(ENDS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speech_is_what_is_clearly_quoted() {
        for (prompt, speech) in [
            ("She says \"We go home.\" and \"Now!\"", &["We go home.", "Now!"][..]),
            ("Er sagt „Nach Hause” und “home”", &["Nach Hause", "home"]),
            ("Sie sagt: „Wir gehen nach Hause.“ Er: „Jetzt!“", &["Wir gehen nach Hause.", "Jetzt!"]),
            ("„Hallo“, sagt sie. Dann ruft er “Now!”", &["Hallo", "Now!"]),
            ("»Wir gehen.« Er: »Jetzt!«", &["Wir gehen.", "Jetzt!"]),
            ("« Bonsoir », puis « Viens ! »", &["Bonsoir", "Viens !"]),
            ("彼女は「今日は良い天気です」と言う", &["今日は良い天気です"]),
            ("Il dit « Bonsoir »", &["Bonsoir"]),
            ("The dogs' bowls and the cats' beds, rock 'n' roll, the '90s", &[]),
            ("He whispers 'I don't know' and leaves", &["I don't know"]),
            ("Then: 'No.' A pause.", &["No."]),
            ("‘I can’t,’ she says.", &["I can’t,"]),
            ("A sign \"OPEN\" over \"24/7\"", &[]),
            ("He shouts \"NO!\"", &["NO!"]),
            ("A 6\" pipe, and she says \"Look\"", &["Look"]),
            ("An end that never \"comes", &[]),
            ("", &[]),
        ] {
            assert_eq!(quoted(prompt), speech, "{prompt}");
        }
    }

    #[test]
    fn lines_are_divided_only_where_it_comes_out_even() {
        let divide = |line: &str, count| divide(vec![line.to_owned()], Some(line), count);
        let some = |lines: &[&str]| lines.iter().map(|line| Some((*line).to_owned())).collect::<Vec<_>>();
        assert_eq!(divide("We go. Now!", 2), some(&["We go.", "Now!"]));
        assert_eq!(divide("We go. Now!", 1), some(&["We go. Now!"]));
        assert_eq!(divide("We go. Now!", 3), some(&["We go. Now!", CONTINUED, CONTINUED]));
        assert_eq!(divide("Dr. Who is J. Smith. Well...", 2), some(&["Dr. Who is J. Smith.", "Well..."]));
        assert_eq!(divide("帰ろう。今すぐ！", 2), some(&["帰ろう。", "今すぐ！"]));
        assert_eq!(super::divide(Vec::new(), None, 2), [None, None]);
        let quoted = vec!["One. Two.".to_owned(), "Three".to_owned()];
        assert_eq!(super::divide(quoted.clone(), None, 2), some(&["One. Two.", "Three"]));
        assert_eq!(super::divide(quoted.clone(), None, 3), some(&["One.", "Two.", "Three"]));
        assert_eq!(super::divide(quoted, None, 1), some(&["One. Two. Three"]));
    }

    proptest::proptest! {
        #[test]
        fn no_prompt_panics(prompt in ".{0,40}", marks in "[\"'‘’“”「」 .a5A]{0,40}", count in 0_usize..5) {
            for text in [prompt, marks] {
                let parts = quoted(&text);
                proptest::prop_assert_eq!(divide(parts, None, count).len(), count);
                sentences(&text);
            }
        }
    }
}
