//! Generations and chains from anybody: what is used of them, within limits.
//!
//! Deliberately absent: declarations and entities of a document's own, which are refused.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

use super::{Action, Format, Hash, Link, stays_within};

/// The largest file of a history that is read, in bytes.
pub const LARGEST: u64 = 128 << 20;
/// The deepest elements, the most entries of a file, and the longest text.
const DEEPEST: usize = 64;
const MOST: usize = 1_000_000;
const LONGEST: usize = 1 << 14;

/// What is used of a generation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Generation {
    /// When it was made, as it says.
    pub date: String,
    /// The program that made it, and its version.
    pub tool: String,
    /// Patterns of what is left out.
    pub ignored: Vec<String>,
    /// Its files.
    pub files: Vec<Record>,
    /// Its folders.
    pub folders: Vec<String>,
    /// What folders were called before.
    pub left: Vec<String>,
}

/// A file of a generation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// From the folder's top, with `/`; stays in the folder.
    pub path: String,
    /// Its size, where it is told.
    pub bytes: Option<u64>,
    /// What it was called before.
    pub previous: Option<String>,
    /// Its hashes, and what became of each.
    pub hashes: Vec<(Hash, Option<Action>)>,
}

/// What of a text is no history: what was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Broken(String);

/// Reads a generation.
///
/// # Errors
/// What is no ASC MHL v2.0, leaves the folder, or is beyond the limits.
pub fn read_generation(text: &str) -> Result<Generation, Broken> {
    let mut reading = Reading::default();
    walk(text, &mut reading)?;
    if reading.is_list { Ok(reading.generation) } else { Err(broken("no hashlist of version 2.0")) }
}

/// Reads a chain.
///
/// # Errors
/// As of [`read_generation`].
pub fn read_chain(text: &str) -> Result<Vec<Link>, Broken> {
    let mut chain = Chain::default();
    walk(text, &mut chain)?;
    if chain.is_chain { Ok(chain.links) } else { Err(broken("no ascmhldirectory")) }
}

/// What takes note of a document's elements; `open` are the names from the root to the element.
trait Notes {
    fn begin(&mut self, open: &[&str], start: &BytesStart<'_>) -> Result<(), Broken>;
    fn end(&mut self, open: &[&str], text: &str) -> Result<(), Broken>;
}

fn walk(text: &str, notes: &mut impl Notes) -> Result<(), Broken> {
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let mut open: Vec<&'static str> = Vec::new();
    let mut content = String::new();
    loop {
        let event = reader.read_event().map_err(|wrong| broken(&wrong.to_string()))?;
        let add: &str = match &event {
            Event::Eof if open.is_empty() => return Ok(()),
            Event::Eof => return Err(broken("the end, within an element")),
            Event::DocType(_) => return Err(broken("a DOCTYPE")),
            Event::Start(start) | Event::Empty(start) => {
                if open.len() >= DEEPEST {
                    return Err(broken(&format!("elements {DEEPEST} deep")));
                }
                open.push(known(start.local_name().as_ref()));
                content.clear();
                notes.begin(&open, start)?;
                if matches!(event, Event::Empty(_)) {
                    notes.end(&open, "")?;
                    open.pop();
                }
                continue;
            }
            Event::End(_) => {
                notes.end(&open, &content)?;
                content.clear();
                open.pop();
                continue;
            }
            Event::Text(text) => text,
            Event::CData(text) => text,
            Event::GeneralRef(reference) => {
                let named = resolve_predefined_entity(reference).map(str::to_owned);
                let named = named.or_else(|| reference.resolve_char_ref().ok().flatten().map(String::from));
                content.push_str(&named.ok_or_else(|| broken(&format!("the entity {}", &**reference)))?);
                ""
            }
            _ => "",
        };
        content.push_str(add);
        if content.len() > LONGEST {
            return Err(broken(&format!("a text of more than {LONGEST} bytes")));
        }
    }
}

/// The elements that are used.
const KNOWN: [&str; 23] = [
    "ascmhldirectory",
    "hashlist",
    "creatorinfo",
    "creationdate",
    "tool",
    "processinfo",
    "ignore",
    "pattern",
    "hashes",
    "hash",
    "directoryhash",
    "path",
    "previousPath",
    "c4",
    "md5",
    "sha1",
    "xxh128",
    "xxh3",
    "xxh64",
    "roothash",
    "content",
    "structure",
    "references",
];

fn known(name: &str) -> &'static str {
    KNOWN.iter().find(|known| **known == name).copied().unwrap_or_default()
}

fn broken(found: &str) -> Broken {
    Broken(found.chars().take(200).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect())
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    Some(start.try_get_attribute(name).ok()??.value.chars().take(200).collect())
}

#[derive(Default)]
struct Reading {
    is_list: bool,
    generation: Generation,
    version: Option<String>,
    record: Record,
    action: Option<Action>,
}

impl Reading {
    fn is_full(&self) -> bool {
        let Generation { files, folders, left, ignored, .. } = &self.generation;
        files.len() + folders.len() + left.len() + ignored.len() >= MOST || self.record.hashes.len() > Format::ALL.len()
    }
}

impl Notes for Reading {
    fn begin(&mut self, open: &[&str], start: &BytesStart<'_>) -> Result<(), Broken> {
        match open {
            ["hashlist"] => match attribute(start, "version").as_deref() {
                Some("2.0") => self.is_list = true,
                other => return Err(broken(&format!("a hashlist of version {}", other.unwrap_or("unknown")))),
            },
            ["hashlist", "creatorinfo", "tool"] => self.version = attribute(start, "version"),
            ["hashlist", "hashes", "hash" | "directoryhash"] => self.record = Record::default(),
            ["hashlist", "hashes", "hash", "path"] => {
                self.record.bytes = attribute(start, "size").and_then(|size| size.parse().ok());
            }
            ["hashlist", "hashes", "hash", format] if Format::parse(format).is_some() => {
                self.action = attribute(start, "action").and_then(|action| Action::parse(&action));
            }
            _ => (),
        }
        if self.is_full() { Err(broken("more entries than are read")) } else { Ok(()) }
    }

    fn end(&mut self, open: &[&str], text: &str) -> Result<(), Broken> {
        match open {
            ["hashlist", "creatorinfo", "creationdate"] => self.generation.date = brief(text),
            ["hashlist", "creatorinfo", "tool"] => {
                self.generation.tool = brief(format!("{text} {}", self.version.take().unwrap_or_default()).trim());
            }
            ["hashlist", "processinfo", "ignore", "pattern"] => self.generation.ignored.push(text.to_owned()),
            ["hashlist", "hashes", "hash" | "directoryhash", "path"] => self.record.path = within(text)?,
            ["hashlist", "hashes", "hash" | "directoryhash", "previousPath"] => {
                self.record.previous = Some(within(text)?)
            }
            ["hashlist", "hashes", "hash", format] => {
                if let Some(format) = Format::parse(format) {
                    self.record.hashes.push((Hash { format, value: text.trim().to_owned() }, self.action.take()));
                }
            }
            ["hashlist", "hashes", "hash"] => {
                let record = std::mem::take(&mut self.record);
                within(&record.path)?;
                self.generation.files.push(record);
            }
            ["hashlist", "hashes", "directoryhash"] => {
                let record = std::mem::take(&mut self.record);
                self.generation.folders.push(within(&record.path)?);
                self.generation.left.extend(record.previous);
            }
            _ => (),
        }
        Ok(())
    }
}

fn within(path: &str) -> Result<String, Broken> {
    if stays_within(path) {
        Ok(path.to_owned())
    } else {
        Err(broken(&format!("the path {path:?}, which leaves the folder")))
    }
}

fn brief(text: &str) -> String {
    broken(text.trim()).0
}

#[derive(Default)]
struct Chain {
    is_chain: bool,
    links: Vec<Link>,
    number: Option<u32>,
    file: String,
    c4: String,
}

impl Notes for Chain {
    fn begin(&mut self, open: &[&str], start: &BytesStart<'_>) -> Result<(), Broken> {
        match open {
            ["ascmhldirectory"] => self.is_chain = true,
            ["ascmhldirectory", "hashlist"] => {
                let number = attribute(start, "sequencenr");
                *self = Chain {
                    is_chain: true,
                    links: std::mem::take(&mut self.links),
                    number: number.and_then(|number| number.parse().ok()),
                    ..Chain::default()
                };
            }
            _ => (),
        }
        Ok(())
    }

    fn end(&mut self, open: &[&str], text: &str) -> Result<(), Broken> {
        match open {
            ["ascmhldirectory", "hashlist", "path"] => text.clone_into(&mut self.file),
            ["ascmhldirectory", "hashlist", "c4"] => text.trim().clone_into(&mut self.c4),
            ["ascmhldirectory", "hashlist"] => {
                let file = std::mem::take(&mut self.file);
                if file.contains('/') || !stays_within(&file) {
                    return Err(broken(&format!("a generation in {file:?}, which is no file of this folder")));
                }
                let number = self.number.take().ok_or_else(|| broken("a generation without a number"))?;
                self.links.push(Link { number, file, c4: std::mem::take(&mut self.c4) });
                if self.links.len() > 10_000 {
                    return Err(broken("more than 10000 generations"));
                }
            }
            _ => (),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::write::{Draft, Entry};
    use super::super::{FolderHash, IGNORED, write_chain, write_generation};
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let hash = Hash { format: Format::Xxh64, value: "d24ec4f1a98c6e5b".into() };
        let files = [Entry { path: "a/b & <ü>.txt", bytes: 7, hashes: vec![hash.clone()], action: Action::Failed }];
        let folders = [("", FolderHash { content: 1, structure: 2 }), ("a", FolderHash { content: 3, structure: 4 })];
        let folders = folders.into_iter().collect();
        let ignored = IGNORED.map(str::to_owned);
        let date = "2026-11-21T03:52:02+00:00";
        let draft = Draft { date, ignored: &ignored, files: &files, folders: Some(&folders) };
        let text = String::from_utf8(write_generation(&draft)).unwrap();
        let read = read_generation(&text).unwrap();
        let record = Record {
            path: "a/b & <ü>.txt".into(),
            bytes: Some(7),
            previous: None,
            hashes: vec![(hash, Some(Action::Failed))],
        };
        assert_eq!(read.files, [record]);
        assert_eq!(
            (read.date.as_str(), read.folders, read.ignored.as_slice()),
            (date, vec!["a".to_owned()], &ignored[..])
        );
        assert_eq!(read.tool, format!("seedpost {}", env!("CARGO_PKG_VERSION")));

        // What was cut off is never taken for the whole.
        let last = text.rfind('>').unwrap();
        for (end, _) in text.char_indices().filter(|(end, _)| *end < last) {
            assert!(read_generation(&text[..end]).is_err(), "{end}");
        }

        let links = [Link { number: 1, file: "0001_a & b.mhl".into(), c4: super::super::c4(b"x") }];
        assert_eq!(read_chain(&String::from_utf8(write_chain(&links)).unwrap()).unwrap(), links);
    }

    #[test]
    fn what_strangers_write_ends_in_words() {
        let list = |inner: &str| format!("<hashlist version=\"2.0\"><hashes>{inner}</hashes></hashlist>");
        let path = |path: &str| list(&format!("<hash><path>{path}</path></hash>"));
        let cases = [
            (String::new(), "no hashlist"),
            ("<hashlist version=\"1.1\"></hashlist>".into(), "version 1.1"),
            ("<!DOCTYPE a [<!ENTITY b \"bb\">]><hashlist version=\"2.0\"/>".into(), "DOCTYPE"),
            (path("&b;"), "the entity b"),
            (path("../x"), "leaves the folder"),
            (path("/etc/passwd"), "leaves the folder"),
            (path("a//b"), "leaves the folder"),
            (path("a&#0;b"), "entity"),
            (list("<hash></hash>"), "leaves the folder"),
            (list("<hash><path>a</path>"), "expected"),
            (list(&"<a>".repeat(100)), "64 deep"),
            (path(&"a".repeat(20_000)), "16384 bytes"),
            (list(&format!("<hash><path>a</path>{}</hash>", "<md5>a</md5>".repeat(9))), "more entries"),
        ];
        for (text, told) in cases {
            let found = read_generation(&text).unwrap_err().to_string();
            assert!(found.contains(told), "{found}: {told}");
        }
        for path in ["../x.mhl", "a/b.mhl", ""] {
            let chain =
                format!("<ascmhldirectory><hashlist sequencenr=\"1\"><path>{path}</path></hashlist></ascmhldirectory>");
            assert!(read_chain(&chain).is_err(), "{path}");
        }
    }
}
