//! Texts that hurt, wherever a model admits a text.

/// Signs of every form's own grammar, control characters, and letters of many kinds.
pub(crate) const WORDS: [&str; 26] = [
    "plain",
    "",
    " spaces at both ends ",
    "two  spaces",
    "\"double\" and 'single' quotes",
    "tab\there",
    "line\nfeed and\r\nreturn",
    "<tag attribute=\"1\"> & &amp; </tag>",
    "]]> ends a section, --> ends a comment, ?> an instruction",
    "a|bar, a;semicolon, a,comma",
    "|C:ResolveColorRed |M:not a name |D:9",
    "* LOC: 01:00:00:00 RED not a locator",
    "0 begins with a digit",
    "=SUM(A1:A9)",
    "+1 -1 @mention",
    "{braces} [brackets] $QN=XX999 $5",
    "back\\slash and `grave` and %20 and #hash",
    "ümlaut, naïve, Ελλάδα, Привет, 日本語",
    "emoji 😀👩‍👩‍👧 and e\u{301}",
    "right to left: \u{202e}abc\u{202c} שלום \u{200f}",
    "nul \u{0} bell \u{7} escape \u{1b}[31m delete \u{7f}",
    "no characters: \u{fffe} \u{ffff} and \u{feff}",
    "next line \u{85}, line \u{2028} and paragraph \u{2029}",
    "no-break\u{a0}space, thin\u{2009}space",
    "\u{10ffff} and \u{e000} are private",
    LONG,
];

/// 300 characters.
const LONG: &str = "An establishing shot of a narrow kitchen at seven in the morning, while rain runs down the only window \
                    and a kettle begins to sing; Mara, forty, in a blue coat, puts down her keys, looks at the clock, \
                    and says nothing for as long as anybody could bear to watch her say nothing at all, then turns.....";

/// The word of a number, and every so often two of them.
pub(crate) fn word(number: usize) -> String {
    let word = WORDS[number % WORDS.len()];
    if number % 7 == 6 { format!("{word} {}", WORDS[(number / 7 + 3) % WORDS.len()]) } else { word.to_owned() }
}

/// Names that a file may have.
pub(crate) const FILES: [&str; 10] = [
    "plain",
    "with spaces  and two",
    "hash#and#hash",
    "per%20cent 100%",
    "a & b",
    "süß ünïcode 日本",
    "it's \"quoted\"",
    "semi;colon,comma=+@",
    "question? and star*",
    "[brackets] {braces} (round) ~ ^",
];
