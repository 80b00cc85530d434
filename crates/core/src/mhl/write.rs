//! Generations and chains as the standard's schema has them. What is written depends on nothing but what is given.

use std::collections::BTreeMap;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::{Action, FolderHash, Hash, Link};

/// A generation to be written.
#[derive(Debug, Clone)]
pub struct Draft<'a> {
    /// When it was made: RFC 3339.
    pub date: &'a str,
    /// What is left out.
    pub ignored: &'a [String],
    /// The files, by path.
    pub files: &'a [Entry<'a>],
    /// The folders with their hashes, by path; none where not all is well, so that nobody takes them for the folder's.
    pub folders: Option<&'a BTreeMap<&'a str, FolderHash>>,
}

/// A file of a generation.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// From the folder's top, with `/`.
    pub path: &'a str,
    /// Its size.
    pub bytes: u64,
    /// Its hashes, all of the same action.
    pub hashes: Vec<Hash>,
    /// What became of them.
    pub action: Action,
}

/// A generation as XML. No name of a machine is in it: the schema wants one, and it would differ from build to build.
#[must_use]
pub fn write_generation(draft: &Draft<'_>) -> Vec<u8> {
    let mut xml = Xml::begin();
    xml.open("hashlist", &[("version", "2.0"), ("xmlns", "urn:ASC:MHL:v2.0")]);
    xml.open("creatorinfo", &[]);
    xml.text("creationdate", &[], draft.date);
    xml.text("hostname", &[], "localhost");
    xml.text("tool", &[("version", env!("CARGO_PKG_VERSION"))], "seedpost");
    xml.close();
    xml.open("processinfo", &[]);
    xml.text("process", &[], "in-place");
    // Without the element, ascmhl 1.2 fails when it verifies folders; without hashes in it, it passes this generation over.
    xml.open("roothash", &[]);
    xml.folder(draft.folders.and_then(|folders| folders.get("")), draft.date);
    xml.close();
    xml.open("ignore", &[]);
    draft.ignored.iter().for_each(|pattern| xml.text("pattern", &[], pattern));
    xml.close();
    xml.close();
    let folders = draft.folders.into_iter().flatten().filter(|(path, _)| !path.is_empty());
    let mut folders = folders.peekable();
    if !draft.files.is_empty() || folders.peek().is_some() {
        xml.open("hashes", &[]);
        draft.files.iter().for_each(|file| xml.file(file, draft.date));
        for (path, hash) in folders {
            xml.open("directoryhash", &[]);
            xml.text("path", &[], path);
            xml.folder(Some(hash), draft.date);
            xml.close();
        }
        xml.close();
    }
    xml.finish()
}

/// A chain as XML.
#[must_use]
pub fn write_chain(links: &[Link]) -> Vec<u8> {
    let mut xml = Xml::begin();
    xml.open("ascmhldirectory", &[("xmlns", "urn:ASC:MHL:DIRECTORY:v2.0")]);
    for link in links {
        xml.open("hashlist", &[("sequencenr", &link.number.to_string())]);
        xml.text("path", &[], &link.file);
        xml.text("c4", &[], &link.c4);
        xml.close();
    }
    xml.finish()
}

struct Xml {
    writer: Writer<Vec<u8>>,
    open: Vec<&'static str>,
}

impl Xml {
    fn begin() -> Xml {
        let mut xml = Xml { writer: Writer::new_with_indent(Vec::new(), b' ', 2), open: Vec::new() };
        xml.event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
        xml
    }

    fn open(&mut self, name: &'static str, attributes: &[(&str, &str)]) {
        self.event(Event::Start(BytesStart::new(name).with_attributes(attributes.iter().copied())));
        self.open.push(name);
    }

    fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            self.event(Event::End(BytesEnd::new(name)));
        }
    }

    fn text(&mut self, name: &'static str, attributes: &[(&str, &str)], text: &str) {
        self.open(name, attributes);
        self.event(Event::Text(BytesText::new(text)));
        self.close();
    }

    fn file(&mut self, file: &Entry<'_>, date: &str) {
        self.open("hash", &[]);
        self.text("path", &[("size", &file.bytes.to_string())], file.path);
        for hash in &file.hashes {
            let attributes = [("action", file.action.as_str()), ("hashdate", date)];
            self.text(hash.format.as_str(), &attributes, &hash.value);
        }
        self.close();
    }

    fn folder(&mut self, hash: Option<&FolderHash>, date: &str) {
        for (name, value) in
            [("content", hash.map(|hash| hash.content)), ("structure", hash.map(|hash| hash.structure))]
        {
            self.open(name, &[]);
            if let Some(value) = value {
                self.text("xxh64", &[("hashdate", date)], &format!("{value:016x}"));
            }
            self.close();
        }
    }

    fn finish(mut self) -> Vec<u8> {
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
