//! Advice on prompts: what the vendor's own guides say works, as hints that never stop anything.
//!
//! Words are counted where spaces part them; a prompt in Chinese, Japanese or Korean is not counted.

use std::collections::BTreeSet;

use crate::fault::Fault;
use crate::lane;
use crate::shot::Shot;

/// Words for music that were asked for, or forbidden.
const MUSIC: [&str; 21] = [
    "music",
    "song",
    "score",
    "scored",
    "soundtrack",
    "singing",
    "sings",
    "sing",
    "piano",
    "guitar",
    "orchestra",
    "band",
    "melody",
    "drums",
    "musical",
    "jazz",
    "violin",
    "violins",
    "cello",
    "choir",
    "lullaby",
];
/// Verbs that make someone speak.
pub(crate) const SPEECH: [&str; 15] = [
    "says",
    "said",
    "say",
    "speaks",
    "asks",
    "replies",
    "answers",
    "shouts",
    "whispers",
    "tells",
    "responds",
    "murmurs",
    "announces",
    "exclaims",
    "interrupts",
];
/// Words that take speech back where they stand before it; so does "no one".
const NEGATIONS: [&str; 5] = ["nobody", "never", "not", "without", "none"];
/// Words that name no new speaker.
const PRONOUNS: [&str; 9] = ["he", "she", "it", "they", "and", "then", "who", "also", "softly"];
/// Languages by name, as prompts ask for them.
const LANGUAGES: [&str; 12] = [
    "english",
    "mandarin",
    "cantonese",
    "chinese",
    "japanese",
    "korean",
    "spanish",
    "french",
    "german",
    "portuguese",
    "italian",
    "arabic",
];

/// Everything worth knowing about a shot's prompt.
#[must_use]
pub(super) fn hints(shot: &Shot) -> Vec<Fault> {
    let place = shot.at("prompt");
    let words = words(&shot.prompt);
    let sound = lane::decide(shot).generate_audio;
    let mut hints = Vec::new();
    let mut hint = |rule, found: String, allowed: &str, fix: &str| {
        hints.push(Fault::new(rule, &place, found, allowed, fix));
    };
    let count = words.len();
    if !(50..=150).contains(&count) && !shot.prompt.chars().any(|letter| script(letter).is_some_and(Script::runs_on)) {
        hint(
            "prompt.length",
            format!("{count} word{}", if count == 1 { "" } else { "s" }),
            "50 to 150 words",
            "say more of camera, lighting and style, or less of all",
        );
    }
    if words.iter().any(|word| word == "fast" || word.starts_with("fast-")) {
        hint(
            "prompt.fast",
            "the word \"fast\"".to_owned(),
            "pace in other words",
            "say \"brisk\" or \"quick\" of one element only",
        );
    }
    let speeches: Vec<usize> = speeches(&words).collect();
    let speakers = speakers(&words, &speeches);
    if speakers > 3 {
        hint(
            "prompt.speakers",
            format!("{speakers} speakers, as it seems"),
            "at most three speakers",
            "split the dialogue across clips",
        );
    }
    let speaks = !speeches.is_empty() || shot.line.is_some() || !shot.audios.is_empty();
    if let Some(found) = languages(shot, &words).filter(|_| speaks) {
        hint("prompt.language_switch", found, "one language a clip", "split the dialogue across clips");
    }
    if !sound && speaks {
        hint(
            "prompt.silent_dialogue",
            "dialogue with generate_audio = false".to_owned(),
            "sound, or a voice from ADR",
            "plan ADR, or set generate_audio = true",
        );
    }
    if sound && !words.iter().any(|word| MUSIC.contains(&word.as_str())) {
        hint(
            "prompt.score",
            "sound, and no word on music".to_owned(),
            "a word on music, for or against",
            "write \"no music, natural sound only\" if none is wanted",
        );
    }
    hints
}

/// Lower-case words, without marks and tags.
fn words(prompt: &str) -> Vec<String> {
    let plain = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric() && c != '@').to_lowercase();
    prompt.split_whitespace().map(plain).filter(|word| !word.is_empty() && !word.starts_with('@')).collect()
}

/// Where someone speaks: the places of the verbs, without those that are taken back or mean a telephone.
fn speeches(words: &[String]) -> impl Iterator<Item = usize> + '_ {
    let is = |place: usize| {
        let denied = match &words[..place] {
            [.., no, one] if no == "no" && one == "one" => true,
            [.., last] => NEGATIONS.contains(&last.as_str()),
            [] => false,
        };
        let of_things = words[place] == "answers" && words.get(place + 1).is_some_and(|next| next == "the");
        !denied && !of_things
    };
    let verbs = words.iter().enumerate().filter(|(_, word)| SPEECH.contains(&word.as_str()));
    verbs.map(|(place, _)| place).filter(move |place| is(*place))
}

/// How many different names stand before those verbs; pronouns speak for somebody who was named.
fn speakers(words: &[String], speeches: &[usize]) -> usize {
    let names = speeches.iter().filter_map(|place| words.get(place.checked_sub(1)?));
    names.filter(|name| !PRONOUNS.contains(&name.as_str())).collect::<BTreeSet<_>>().len()
}

/// More than one language: by name, or by the scripts of what is said.
fn languages(shot: &Shot, words: &[String]) -> Option<String> {
    let leads = |word: &str| matches!(word, "in" | "speaks" | "and" | "then" | "to");
    let named: Vec<&str> =
        LANGUAGES.into_iter().filter(|name| words.windows(2).any(|pair| pair[1] == *name && leads(&pair[0]))).collect();
    if named.len() > 1 {
        return Some(named.join(" and "));
    }
    let said = quoted(&shot.prompt).chain(shot.line.as_deref());
    let mut scripts: Vec<Script> = said.filter_map(main_script).collect();
    scripts.sort_unstable();
    scripts.dedup();
    // Japanese is written in two.
    if scripts.contains(&Script::Kana) {
        scripts.retain(|script| *script != Script::Han);
    }
    (scripts.len() > 1).then(|| scripts.iter().map(|script| script.name()).collect::<Vec<_>>().join(" and "))
}

/// The script that a speech is in: names in Latin letters stand in any other, and a sign all in capitals is no
/// speech.
fn main_script(said: &str) -> Option<Script> {
    let scripts = || said.chars().filter_map(script);
    let other = scripts().filter(|script| *script != Script::Latin).max();
    other.or_else(|| scripts().next().filter(|_| said.chars().any(char::is_lowercase)))
}

/// What stands between quotation marks.
fn quoted(prompt: &str) -> impl Iterator<Item = &str> {
    prompt.split(['"', '“', '”', '「', '」']).skip(1).step_by(2)
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Script {
    Latin,
    Cyrillic,
    Arabic,
    Han,
    Kana,
    Hangul,
}

impl Script {
    /// Whether words are written without spaces, or counted otherwise.
    fn runs_on(self) -> bool {
        matches!(self, Script::Han | Script::Kana | Script::Hangul)
    }

    fn name(self) -> &'static str {
        match self {
            Script::Latin => "Latin letters",
            Script::Cyrillic => "Cyrillic letters",
            Script::Arabic => "Arabic letters",
            Script::Han => "Chinese characters",
            Script::Kana => "Japanese kana",
            Script::Hangul => "Korean letters",
        }
    }
}

/// The script of a letter, by Unicode's blocks; `None` for marks, digits and scripts not told apart here.
fn script(letter: char) -> Option<Script> {
    Some(match letter {
        'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' => Script::Latin,
        '\u{400}'..='\u{52f}' => Script::Cyrillic,
        '\u{600}'..='\u{6ff}' | '\u{750}'..='\u{77f}' => Script::Arabic,
        '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' => Script::Han,
        '\u{3040}'..='\u{30ff}' => Script::Kana,
        '\u{1100}'..='\u{11ff}' | '\u{ac00}'..='\u{d7af}' => Script::Hangul,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use crate::shot::ShotList;

    fn check(shot: &str, expected: &[&str]) {
        let list = ShotList::parse(&format!("[[shot]]\nid = \"A\"\n{shot}\n")).expect("valid");
        let rules: Vec<&str> = super::hints(&list.shots[0]).iter().map(|hint| hint.rule).collect();
        assert_eq!(rules, expected, "{shot}");
    }

    #[test]
    fn each_hint_is_given_when_it_is_due_and_not_otherwise() {
        let prompt = |words: usize, text: &str| format!("prompt = '{text}{}'", " calm".repeat(words));
        check(&prompt(49, "music"), &[]);
        check(&prompt(149, "music"), &[]);
        check(&prompt(48, "music"), &["prompt.length"]);
        check(&prompt(150, "music"), &["prompt.length"]);
        check("prompt = '音楽と静かな台所'", &["prompt.score"]);
        check(&prompt(60, "A fast car, music"), &["prompt.fast"]);
        check(&prompt(60, "A steadfast breakfast, music"), &[]);
        check(&prompt(60, "no music. A says x, B says y, C asks z"), &[]);
        check(&prompt(60, "no music. A says x, B says y, C asks z, D replies"), &["prompt.speakers"]);
        check(&prompt(60, "no music. She says \"hello\" and then \"你好\""), &["prompt.language_switch"]);
        check(&prompt(60, "no music. She says \"今日は良い天気です\""), &["prompt.length"][1..]);
        check(&prompt(60, "no music. Says it in English, then in French"), &["prompt.language_switch"]);
        check(&format!("{}\ngenerate_audio = false", prompt(60, "He says no")), &["prompt.silent_dialogue"]);
        check(&prompt(60, "A quiet street"), &["prompt.score"]);
        check(&prompt(60, "A fast-paced chase, music"), &["prompt.fast"]);
    }

    #[test]
    fn hints_go_by_what_is_meant_as_far_as_words_tell() {
        let prompt = |text: &str| format!("prompt = '{text}{}'", " calm".repeat(60));
        check(&prompt("no music. Anna says a, she says b, she whispers c, and then says d"), &[]);
        check(&prompt("no music. Low sun adds warmth, haze adds depth, dust adds life, wind adds air"), &[]);
        for text in ["No one speaks, nobody says a word", "He answers the phone"] {
            check(&format!("{}\ngenerate_audio = false", prompt(text)), &[]);
        }
        check(&prompt("no music. From French doors into an Italian garden"), &[]);
        check(&prompt("no music. He speaks English and Mandarin"), &["prompt.language_switch"]);
        check(&prompt("no music. She says \"我喜欢 iPhone\" under a sign \"OPEN\""), &[]);
        check(&prompt("Soft jazz and a lullaby"), &[]);
    }
}
