//! Objects of an AAF file and how they lie in a compound file: a storage for each, with the stream `properties` and
//! the objects that it owns (AAF Low-Level Container Specification 1.0.1).

use super::container::Container;

/// A sixteen-byte identification as it is stored: the first three fields with their low bytes first.
pub(super) type Auid = [u8; 16];

/// Reads `0d010101-0101-0100-060e-2b3402060101`; other characters than hex digits count for nothing.
pub(super) const fn auid(text: &str) -> Auid {
    let text = text.as_bytes();
    let (mut bytes, mut digits, mut at) = ([0_u8; 16], 0, 0);
    while at < text.len() && digits < 32 {
        let digit = match text[at] {
            digit @ b'0'..=b'9' => digit - b'0',
            digit @ b'a'..=b'f' => digit - b'a' + 10,
            _ => 16,
        };
        if digit < 16 {
            bytes[digits / 2] = bytes[digits / 2] * 16 + digit;
            digits += 1;
        }
        at += 1;
    }
    let [a, b, c, d, e, f, g, h, rest @ ..] = bytes;
    let [i, j, k, l, m, n, o, p] = rest;
    [d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p]
}

/// The class of the standard with this number.
pub(super) const fn class(number: u8) -> Auid {
    let mut id = auid("0d010101-0101-0000-060e-2b3402060101");
    id[7] = number;
    id
}

/// A set of definitions that weak references point into, in the order of [`PATHS`].
#[derive(Clone, Copy)]
pub(super) enum Target {
    Classes = 0,
    Types = 1,
    Data = 2,
    Containers = 3,
}

/// The way to each from the root, by property.
const PATHS: [&[u16]; 4] = [&[1, 3], &[1, 4], &[2, 0x3b04, 0x2605], &[2, 0x3b04, 0x2608]];

impl Target {
    /// The property that identifies a definition there.
    fn key(self) -> u16 {
        match self {
            Target::Classes | Target::Types => 0x0005,
            Target::Data | Target::Containers => 0x1b01,
        }
    }
}

/// The properties that hold a mob's identification, of 32 bytes; all others that identify are of 16.
const MOB_KEYS: [u16; 2] = [0x2701, 0x4401];

/// The objects of a set, each with what identifies it.
pub(super) type Keyed<'a> = Box<dyn Iterator<Item = (Vec<u8>, Object<'a>)> + 'a>;

enum Value<'a> {
    Data(Vec<u8>),
    Weak(Target, Auid),
    Weaks(&'static str, Target, Vec<Auid>),
    Child(&'static str, Box<Object<'a>>),
    Children(&'static str, Box<dyn Iterator<Item = Object<'a>> + 'a>),
    Set(&'static str, u16, Keyed<'a>),
}

/// An object that is not written yet. What it owns may be made only while it is written.
pub(super) struct Object<'a> {
    class: Auid,
    properties: Vec<(u16, Value<'a>)>,
}

impl<'a> Object<'a> {
    pub(super) fn new(class: Auid) -> Object<'a> {
        Object { class, properties: Vec::new() }
    }

    fn with(mut self, property: u16, value: Value<'a>) -> Self {
        self.properties.push((property, value));
        self
    }

    /// Bytes as they are stored.
    pub(super) fn data(self, property: u16, bytes: impl Into<Vec<u8>>) -> Self {
        let mut bytes = bytes.into();
        bytes.truncate(LONGEST);
        self.with(property, Value::Data(bytes))
    }

    /// A text. NUL ends it, so there must be none.
    pub(super) fn text(self, property: u16, text: &str) -> Self {
        self.data(property, utf16(text))
    }

    pub(super) fn u16(self, property: u16, value: u16) -> Self {
        self.data(property, value.to_le_bytes())
    }

    pub(super) fn u32(self, property: u16, value: u32) -> Self {
        self.data(property, value.to_le_bytes())
    }

    pub(super) fn i64(self, property: u16, value: i64) -> Self {
        self.data(property, value.to_le_bytes())
    }

    pub(super) fn flag(self, property: u16, value: bool) -> Self {
        self.data(property, [u8::from(value)])
    }

    /// Points to a definition.
    pub(super) fn weak(self, property: u16, target: Target, id: Auid) -> Self {
        self.with(property, Value::Weak(target, id))
    }

    /// Points to several.
    pub(super) fn weaks(self, property: u16, name: &'static str, target: Target, ids: Vec<Auid>) -> Self {
        self.with(property, Value::Weaks(name, target, ids))
    }

    /// Owns one.
    pub(super) fn child(self, property: u16, name: &'static str, child: Object<'a>) -> Self {
        self.with(property, Value::Child(name, Box::new(child)))
    }

    /// Owns several, in order.
    pub(super) fn children<I>(self, property: u16, name: &'static str, children: I) -> Self
    where
        I: IntoIterator<Item = Object<'a>>,
        I::IntoIter: 'a,
    {
        self.with(property, Value::Children(name, Box::new(children.into_iter())))
    }

    /// Owns several, each found by the value of a property.
    pub(super) fn set(self, property: u16, name: &'static str, key: u16, members: Keyed<'a>) -> Self {
        self.with(property, Value::Set(name, key, members))
    }

    /// Writes it as the root of a file, with the table that weak references need.
    pub(super) fn into_file(self, kind: Auid) -> Vec<u8> {
        let mut container = Container::new(self.class);
        self.write(&mut container);
        container.stream("referenced properties", &referenced_properties());
        container.finish(kind)
    }

    /// Writes it into the storage that is open.
    fn write(self, container: &mut Container) {
        let mut head = vec![LITTLE_ENDIAN, VERSION];
        head.extend(length(self.properties.len()));
        let mut body = Vec::new();
        for (property, value) in self.properties {
            let (form, bytes) = value.write(property, container);
            head.extend(property.to_le_bytes());
            head.extend(form.to_le_bytes());
            head.extend(length(bytes.len()));
            body.extend(bytes);
        }
        head.extend(body);
        container.stream("properties", &head);
    }

    fn write_as(self, name: &str, container: &mut Container) {
        container.open(name, self.class);
        self.write(container);
        container.close();
    }
}

const LITTLE_ENDIAN: u8 = 0x4c;
const VERSION: u8 = 0x20;
/// The most bytes of a value, in whole letters.
const LONGEST: usize = 65_534;

impl Value<'_> {
    /// Writes what lies outside the stream of properties; gives the form and what stands in the stream.
    fn write(self, property: u16, container: &mut Container) -> (u16, Vec<u8>) {
        match self {
            Value::Data(bytes) => (0x82, bytes),
            Value::Weak(target, id) => (0x02, [&reference(target)[..], &id].concat()),
            Value::Weaks(name, target, ids) => {
                let name = format!("{name}-{property:x}");
                let mut index = number(ids.len()).to_vec();
                index.extend(reference(target));
                index.extend(ids.concat());
                container.stream(&format!("{name} index"), &index);
                (0x12, utf16(&name))
            }
            Value::Child(name, child) => {
                let name = format!("{name}-{property:x}");
                child.write_as(&name, container);
                (0x22, utf16(&name))
            }
            Value::Children(name, children) => {
                let name = format!("{name}-{property:x}");
                let mut count = 0_usize;
                for child in children {
                    child.write_as(&format!("{name}{{{count:x}}}"), container);
                    count += 1;
                }
                let keys = (0..count).flat_map(number);
                let index: Vec<u8> = counts(count).into_iter().chain(keys).collect();
                container.stream(&format!("{name} index"), &index);
                (0x32, utf16(&name))
            }
            Value::Set(name, key, members) => {
                let name = format!("{name}-{property:x}");
                let (mut count, mut entries) = (0_usize, Vec::new());
                for (id, member) in members {
                    member.write_as(&format!("{name}{{{count:x}}}"), container);
                    entries.extend(number(count));
                    entries.extend(number(1));
                    entries.extend(id);
                    count += 1;
                }
                let mut index = counts(count);
                index.extend(key.to_le_bytes());
                index.push(if MOB_KEYS.contains(&key) { 32 } else { 16 });
                index.extend(entries);
                container.stream(&format!("{name} index"), &index);
                (0x3a, utf16(&name))
            }
        }
    }
}

/// What stands before the identification in a weak reference.
fn reference(target: Target) -> [u8; 5] {
    let [a, b] = (target as u16).to_le_bytes();
    let [c, d] = target.key().to_le_bytes();
    [a, b, c, d, 16]
}

/// How an index begins: the number of objects, the next free key, and no last free key.
fn counts(count: usize) -> Vec<u8> {
    [number(count), number(count), [0xff; 4]].concat()
}

fn number(value: usize) -> [u8; 4] {
    u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes()
}

/// Two bytes: values are shorter than 64 KiB.
fn length(value: usize) -> [u8; 2] {
    u16::try_from(value).unwrap_or(u16::MAX).to_le_bytes()
}

/// A text with NUL at its end.
pub(super) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

fn referenced_properties() -> Vec<u8> {
    let words: usize = PATHS.iter().map(|path| path.len() + 1).sum();
    let mut bytes = vec![LITTLE_ENDIAN];
    bytes.extend(length(PATHS.len()));
    bytes.extend(number(words));
    bytes.extend(PATHS.iter().flat_map(|path| path.iter().chain(&[0])).flat_map(|word| word.to_le_bytes()));
    bytes
}
