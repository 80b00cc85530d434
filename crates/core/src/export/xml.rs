//! XML 1.0 as both of Final Cut's forms are written in it, and what of a cut's texts it cannot hold.
//!
//! Deliberately absent: namespaces, comments and CDATA.

use std::borrow::Cow;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::{Field, Format, Loss, Of, told};
use crate::timeline::{Marker, Timeline};

/// A document under way. Every text goes through [`held`].
pub(super) struct Document {
    writer: Writer<Vec<u8>>,
    open: Vec<&'static str>,
}

impl Document {
    /// Begins a document of a type.
    pub(super) fn new(root: &str) -> Document {
        let mut document = Document { writer: Writer::new_with_indent(Vec::new(), b' ', 1), open: Vec::new() };
        document.event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
        document.event(Event::DocType(BytesText::from_escaped(root)));
        document
    }

    /// Begins an element.
    pub(super) fn open(&mut self, name: &'static str, attributes: &[(&str, &str)]) {
        self.event(Event::Start(start(name, attributes)));
        self.open.push(name);
    }

    /// Ends the element that began last.
    pub(super) fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            self.event(Event::End(BytesEnd::new(name)));
        }
    }

    /// An element without content.
    pub(super) fn empty(&mut self, name: &'static str, attributes: &[(&str, &str)]) {
        self.event(Event::Empty(start(name, attributes)));
    }

    /// An element of text.
    pub(super) fn text(&mut self, name: &'static str, text: impl std::fmt::Display) {
        let text = text.to_string();
        self.event(Event::Start(BytesStart::new(name)));
        self.event(Event::Text(BytesText::new(&held(&text))));
        self.event(Event::End(BytesEnd::new(name)));
    }

    /// Ends all that is open.
    pub(super) fn finish(mut self) -> Vec<u8> {
        while !self.open.is_empty() {
            self.close();
        }
        let mut content = self.writer.into_inner();
        content.push(b'\n');
        content
    }

    fn event(&mut self, event: Event<'_>) {
        self.writer.write_event(event).expect("memory takes all that is written to it");
    }
}

fn start<'a>(name: &'static str, attributes: &[(&'a str, &'a str)]) -> BytesStart<'a> {
    BytesStart::new(name).with_attributes(attributes.iter().map(|(key, value)| (*key, held(value))))
}

/// A text with U+FFFD in the place of each character that XML 1.0 cannot hold (section 2.2, production `Char`):
/// control characters other than tab and line ends, U+FFFE and U+FFFF.
pub(super) fn held(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_char) {
        return Cow::Borrowed(text);
    }
    text.chars().map(|c| if is_char(c) { c } else { char::REPLACEMENT_CHARACTER }).collect::<String>().into()
}

fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

const WHY: &str = "XML holds no such control characters; U+FFFD stands in their place";

/// The texts of a cut that are not written as they are; of its markers, those of the ones that are written at all.
pub(super) fn losses(timeline: &Timeline, format: Format, markers: &[&Marker]) -> Vec<Loss> {
    let mut losses = told::markers(format, markers, (Field::Name, WHY), |marker| held(&marker.name).into_owned());
    losses.extend(told::markers(format, markers, (Field::Note, WHY), |marker| held(&marker.note).into_owned()));
    losses.extend(told::title(timeline, format, held(&timeline.title).into_owned(), WHY));
    losses.extend(told::provenance(timeline, format, WHY, |provenance| provenance.map(|text| held(text).into_owned())));
    losses
}

/// That cues are in the file as markers only, where there are any.
pub(super) fn loss_of_cues(timeline: &Timeline, format: Format) -> Option<Loss> {
    told::absent(timeline, format, &[(Of::Cue, "a cue is a marker here; the cue sheets have the rest")]).pop()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The characters of XML 1.0, section 2.2: `#x9 | #xA | #xD | [#x20-#xD7FF] | [#xE000-#xFFFD] |
    /// [#x10000-#x10FFFF]`.
    #[test]
    fn what_xml_cannot_hold_is_replaced_and_nothing_else() {
        assert_eq!(held("a\0b\u{1b}c\u{b}\u{fffe}\u{ffff}d"), "a\u{fffd}b\u{fffd}c\u{fffd}\u{fffd}\u{fffd}d");
        let good = "\t\n\r \u{7f}\u{85}\u{d7ff}\u{e000}\u{fffd}\u{10000}\u{10ffff}<&>\"'";
        assert!(matches!(held(good), Cow::Borrowed(text) if text == good));
    }

    #[test]
    fn white_space_survives_in_texts_and_attributes() {
        let mut document = Document::new("a");
        document.open("a", &[("b", "1\t\"2\"\r\n<3>&")]);
        document.text("c", " x\r\ty ");
        document.text("d", "");
        let text = String::from_utf8(document.finish()).expect("UTF-8");
        let attribute = "<a b=\"1&#9;&quot;2&quot;&#13;&#10;&lt;3&gt;&amp;\">";
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE a>\n";
        assert_eq!(text, format!("{head}{attribute}\n <c> x&#13;\ty </c>\n <d></d>\n</a>\n"));
    }
}
