//! Final Cut Pro 7 XML as the few elements that are read, an item of a track at a time.
//!
//! Deliberately absent: definitions of entities, which are refused. Depth and the size of an item have limits; what is
//! in other elements is passed over and not kept.

use std::collections::HashMap;

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

/// The deepest elements, the most that one item may have of those that are kept, and the most of those in all: what a
/// file of 64 MiB has.
const DEEPEST: usize = 200;
const MOST: usize = 100_000;
const MOST_IN_ALL: usize = 3_000_000;

/// The elements that are kept.
const KEPT: &[&str] = &[
    "alignment",
    "audio",
    "bin",
    "children",
    "clip",
    "clipitem",
    "cutPointTicks",
    "displayformat",
    "effect",
    "effectid",
    "enabled",
    "end",
    "file",
    "filter",
    "frame",
    "generatoritem",
    "in",
    "marker",
    "media",
    "multiclip",
    "name",
    "ntsc",
    "out",
    "parameter",
    "parameterid",
    "pathurl",
    "project",
    "rate",
    "reel",
    "sequence",
    "start",
    "startoffset",
    "stillframe",
    "string",
    "subclipinfo",
    "timebase",
    "timecode",
    "track",
    "transitionitem",
    "value",
    "video",
    "xmeml",
];

/// An element.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) name: &'static str,
    pub(super) line: u32,
    pub(super) id: Option<String>,
    pub(super) text: String,
    pub(super) children: Vec<Node>,
}

impl Node {
    pub(super) fn child(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of an element within.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim()).filter(|text| !text.is_empty())
    }
}

/// A file's names, from where it is described.
#[derive(Debug, Clone, Default)]
pub(super) struct Described {
    pub(super) name: Option<String>,
    pub(super) path: Option<String>,
    pub(super) reel: Option<String>,
}

/// A sequence that lies in no other one.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) line: u32,
    /// Its name, rate and timecode.
    pub(super) head: Node,
    pub(super) tracks: Vec<Track>,
    pub(super) markers: usize,
}

#[derive(Debug, Default)]
pub(super) struct Track {
    pub(super) line: u32,
    pub(super) is_sound: bool,
    pub(super) is_disabled: bool,
    pub(super) items: Vec<Node>,
}

/// What stands in a document.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) sequences: Vec<Found>,
    pub(super) files: HashMap<String, Described>,
}

/// Why a text is no document, and in which line.
pub(super) struct Broken {
    pub(super) line: u32,
    pub(super) found: String,
}

pub(super) fn read(text: &str) -> Result<Document, Broken> {
    let mut walk =
        Walk { document: Document::default(), open: Vec::new(), passed: 0, size: 0, in_all: 0, sequence: None };
    let mut reader = Reader::from_str(text);
    let mut lines = Lines { text: text.as_bytes(), at: 0, line: 1 };
    loop {
        let event = reader.read_event().map_err(|wrong| {
            let at = usize::try_from(reader.error_position()).unwrap_or(usize::MAX);
            Broken { line: lines.to(at), found: super::super::shown(&wrong.to_string()) }
        })?;
        let line = lines.to(usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX));
        if matches!(event, Event::Eof) {
            break;
        }
        walk.event(&event, line).map_err(|found| Broken { line, found })?;
    }
    if walk.open.is_empty() && walk.passed == 0 {
        Ok(walk.document)
    } else {
        Err(Broken { line: lines.line, found: "the end, within an element".to_owned() })
    }
}

/// Counts lines on the way.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: u32,
}

impl Lines<'_> {
    fn to(&mut self, at: usize) -> u32 {
        let passed = self.text.get(self.at..at.min(self.text.len())).unwrap_or_default();
        let breaks = passed.iter().filter(|byte| **byte == b'\n').count();
        self.line = self.line.saturating_add(u32::try_from(breaks).unwrap_or(u32::MAX));
        self.at = at.max(self.at);
        self.line
    }
}

struct Walk {
    document: Document,
    open: Vec<Node>,
    /// How deep it is in elements that are passed over.
    passed: usize,
    /// How many elements of the open item are kept.
    size: usize,
    in_all: usize,
    sequence: Option<Found>,
}

impl Walk {
    fn event(&mut self, event: &Event<'_>, line: u32) -> Result<(), String> {
        match event {
            Event::Start(start) => self.start(start, line)?,
            Event::Empty(start) => {
                self.start(start, line)?;
                self.end();
            }
            Event::End(_) => self.end(),
            Event::Text(text) => self.text(text),
            Event::CData(text) => self.text(text),
            Event::GeneralRef(reference) => {
                let named = resolve_predefined_entity(reference).map(str::to_owned);
                let known = named.or_else(|| reference.resolve_char_ref().ok().flatten().map(String::from));
                self.text(&known.ok_or_else(|| format!("the entity {}", super::super::shown(reference)))?);
            }
            Event::DocType(declared) if declared.contains('[') => return Err("a DOCTYPE with declarations".to_owned()),
            _ => (),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if let Some(node) = self.open.last_mut().filter(|_| self.passed == 0) {
            node.text.push_str(text);
        }
    }

    fn start(&mut self, start: &BytesStart<'_>, line: u32) -> Result<(), String> {
        let name = start.name();
        let kept = KEPT.iter().find(|kept| **kept == name.0).copied();
        let Some(name) = kept.filter(|name| self.passed == 0 && !self.is_nested(name)) else {
            self.passed += 1;
            return Ok(());
        };
        if self.open.len() >= DEEPEST {
            return Err(format!("elements {DEEPEST} deep"));
        }
        self.size += 1;
        self.in_all += 1;
        if self.in_all > MOST_IN_ALL {
            return Err(format!("more than {MOST_IN_ALL} elements"));
        }
        if self.size > MOST {
            return Err(format!("an element with more than {MOST} within"));
        }
        let id = start.try_get_attribute("id").ok().flatten().map(|id| id.value.chars().take(200).collect());
        if name == "sequence" {
            self.sequence = Some(Found { line, ..Found::default() });
        }
        if name == "track"
            && let Some(sequence) = &mut self.sequence
        {
            let is_sound = self.open.last().is_some_and(|parent| parent.name == "audio");
            sequence.tracks.push(Track { line, is_sound, ..Track::default() });
        }
        self.open.push(Node { name, line, id, text: String::new(), children: Vec::new() });
        Ok(())
    }

    /// A sequence in a clip is told by its parent and not read.
    fn is_nested(&mut self, name: &str) -> bool {
        let nested = name == "sequence" && self.sequence.is_some();
        if nested && let Some(parent) = self.open.last_mut() {
            parent.children.push(Node { name: "sequence", line: parent.line, ..Node::default() });
        }
        nested
    }

    fn end(&mut self) {
        if self.passed > 0 {
            self.passed -= 1;
            return;
        }
        let Some(node) = self.open.pop() else { return };
        let parent = self.open.last().map_or("", |parent| parent.name);
        if node.name == "sequence" {
            if let Some(mut found) = self.sequence.take() {
                found.head = node;
                self.document.sequences.push(found);
            }
            self.size = 0;
            return;
        }
        let track =
            self.sequence.as_mut().and_then(|sequence| sequence.tracks.last_mut()).filter(|_| parent == "track");
        match (node.name, track) {
            ("clipitem" | "generatoritem" | "transitionitem", Some(track)) => {
                track.items.push(node);
                self.size = 0;
            }
            ("enabled", Some(track)) => track.is_disabled = is_false(&node.text),
            ("clip" | "track" | "media" | "video" | "audio", _) => self.size = 0,
            ("marker", _) => self.mark(),
            ("file", _) => self.describe(node),
            _ => self.attach(node),
        }
    }

    fn mark(&mut self) {
        if let Some(sequence) = &mut self.sequence {
            sequence.markers += 1;
        }
        self.size = self.size.saturating_sub(1);
    }

    /// Keeps a file's description under its name, and in its place the name alone.
    fn describe(&mut self, file: Node) {
        let text = |name: &str| file.text_of(name).map(str::to_owned);
        let reel =
            file.child("timecode").and_then(|timecode| timecode.child("reel")).and_then(|reel| reel.text_of("name"));
        let described = Described { name: text("name"), path: text("pathurl"), reel: reel.map(str::to_owned) };
        let id = file.id.clone().unwrap_or_else(|| format!("line {}", file.line));
        if described.name.is_some() || described.path.is_some() {
            self.document.files.insert(id.clone(), described);
        }
        self.attach(Node { id: Some(id), children: Vec::new(), text: String::new(), ..file });
    }

    fn attach(&mut self, node: Node) {
        if let Some(parent) = self.open.last_mut() {
            parent.children.push(node);
        }
    }
}

pub(super) fn is_false(text: &str) -> bool {
    text.trim().eq_ignore_ascii_case("false")
}
