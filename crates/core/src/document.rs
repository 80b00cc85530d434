//! A TOML or JSON text as one tree whose nodes know their line, so that a reader can go on after a
//! fault and report them all. Deliberately absent: any knowledge of shots.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use toml::de::{DeTable, DeValue};

use crate::fault::{Fault, Place};

/// The largest shot list that is read, in bytes.
pub(crate) const MAX_BYTES: usize = 64 << 20;

/// A value and the line it begins on, from 1; JSON does not tell lines.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) line: Option<u32>,
    pub(crate) value: Value,
}

/// What the two formats have in common.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Text(String),
    Integer(i64),
    Boolean(bool),
    List(Vec<Node>),
    Table(BTreeMap<String, Node>),
    /// A float, a date, a null: nothing that a shot list uses.
    Other(&'static str),
}

impl Value {
    /// Describes the value to a person.
    pub(crate) fn describe(&self) -> String {
        match self {
            Value::Text(text) => format!("{text:?}"),
            Value::Integer(number) => number.to_string(),
            Value::Boolean(value) => value.to_string(),
            Value::List(items) => format!("a list of {}", items.len()),
            Value::Table(_) => "a table".to_owned(),
            Value::Other(kind) => (*kind).to_owned(),
        }
    }
}

/// Reads a text whose first character tells the format: `{` is JSON, all else TOML.
pub(crate) fn parse(text: &str) -> Result<Node, Box<Fault>> {
    let top = Place { path: "shot list".to_owned(), line: None };
    if text.len() > MAX_BYTES {
        let found = format!("{} bytes", text.len());
        return Err(Box::new(Fault::new(
            "list.size",
            &top,
            found,
            format!("at most {MAX_BYTES} bytes"),
            "split the list",
        )));
    }
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with('{') { parse_json(text, &top) } else { parse_toml(text, &top) }
}

fn parse_json(text: &str, top: &Place) -> Result<Node, Box<Fault>> {
    serde_json::from_str(text).map_err(|error| {
        let place = Place { line: u32::try_from(error.line()).ok(), ..top.clone() };
        Box::new(Fault::new("list.syntax", &place, error.to_string(), "JSON (RFC 8259)", "mend the text at that line"))
    })
}

/// From JSON. Of two keys of one name neither silently wins, as in TOML.
impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Node, D::Error> {
        input.deserialize_any(JsonVisitor).map(|value| Node { line: None, value })
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Other("null"))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Other("a number too large"), Value::Integer))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Other("a fraction"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut table = BTreeMap::new();
        while let Some((key, value)) = entries.next_entry::<String, Node>()? {
            if table.contains_key(&key) {
                return Err(de::Error::custom(format!("key {key:?} stands twice")));
            }
            table.insert(key, value);
        }
        Ok(Value::Table(table))
    }
}

fn parse_toml(text: &str, top: &Place) -> Result<Node, Box<Fault>> {
    let lines = Lines::new(text);
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map(|span| lines.of(span.start));
        let place = Place { line, ..top.clone() };
        Box::new(Fault::new("list.syntax", &place, error.message(), "TOML 1.1", "mend the text at that line"))
    })?;
    Ok(Node { line: Some(1), value: from_toml_table(table.into_inner(), &lines) })
}

fn from_toml_table(table: DeTable<'_>, lines: &Lines) -> Value {
    let entry = |(key, value): (toml::Spanned<std::borrow::Cow<'_, str>>, toml::Spanned<DeValue<'_>>)| {
        let line = lines.of(key.span().start);
        (key.into_inner().into_owned(), from_toml(value.into_inner(), line, lines))
    };
    Value::Table(table.into_iter().map(entry).collect())
}

fn from_toml(value: DeValue<'_>, line: u32, lines: &Lines) -> Node {
    let value = match value {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Value::Other("a number too large"), Value::Integer),
        DeValue::Float(_) => Value::Other("a fraction"),
        DeValue::Boolean(value) => Value::Boolean(value),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Array(items) => Value::List(
            items
                .into_iter()
                .map(|item| {
                    let line = lines.of(item.span().start);
                    from_toml(item.into_inner(), line, lines)
                })
                .collect(),
        ),
        DeValue::Table(table) => from_toml_table(table, lines),
    };
    Node { line: Some(line), value }
}

/// The byte at which each line begins.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Lines {
        Lines(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    fn of(&self, byte: usize) -> u32 {
        u32::try_from(self.0.partition_point(|start| *start <= byte)).unwrap_or(u32::MAX)
    }
}

/// Takes values out of a table one by one, noting every fault and every key that nobody asked for.
pub(crate) struct TableReader<'f> {
    place: Place,
    entries: BTreeMap<String, Node>,
    known: Vec<&'static str>,
    faults: &'f mut Vec<Fault>,
}

impl<'f> TableReader<'f> {
    /// Opens a table; anything else is a fault and reads as an empty table.
    pub(crate) fn open(node: Node, place: Place, faults: &'f mut Vec<Fault>) -> TableReader<'f> {
        let place = Place { line: node.line.or(place.line), ..place };
        let entries = match node.value {
            Value::Table(entries) => entries,
            other => {
                faults.push(Fault::new("list.type", &place, other.describe(), "a table", "write it as a table"));
                BTreeMap::new()
            }
        };
        TableReader { place, entries, known: Vec::new(), faults }
    }

    /// Names the place better, once a table's name is known.
    pub(crate) fn rename(&mut self, path: String) {
        self.place.path = path;
    }

    /// Removes a value, unread.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<(Node, Place)> {
        self.known.push(key);
        let node = self.entries.remove(key)?;
        let place = self.place.within(key, node.line);
        Some((node, place))
    }

    /// Removes a text.
    pub(crate) fn text(&mut self, key: &'static str) -> Option<(String, Place)> {
        let (node, place) = self.take(key)?;
        match node.value {
            Value::Text(text) => Some((text, place)),
            other => self.wrong_type(&place, &other, "text in quotes"),
        }
    }

    /// Removes a text and parses it; what does not parse is a fault with the given rule.
    pub(crate) fn parsed<T>(
        &mut self,
        key: &'static str,
        rule: &'static str,
        allowed: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let (text, place) = self.text(key)?;
        let value = parse(&text);
        if value.is_none() {
            self.fault(Fault::new(
                rule,
                &place,
                format!("{text:?}"),
                allowed,
                format!("set `{key}` to one of the allowed values"),
            ));
        }
        value
    }

    /// Removes a yes or no.
    pub(crate) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        let (node, place) = self.take(key)?;
        match node.value {
            Value::Boolean(value) => Some(value),
            other => self.wrong_type(&place, &other, "true or false"),
        }
    }

    /// Removes a whole number within the range.
    pub(crate) fn integer(&mut self, key: &'static str, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
        let (node, place) = self.take(key)?;
        let number = match node.value {
            Value::Integer(number) => u32::try_from(number).ok().filter(|number| range.contains(number)),
            _ => None,
        };
        if number.is_none() {
            let allowed = format!("a whole number from {} to {}", range.start(), range.end());
            self.fault(Fault::new("list.number", &place, node.value.describe(), allowed, format!("correct `{key}`")));
        }
        number
    }

    /// Removes a list; a missing one is empty.
    pub(crate) fn list(&mut self, key: &'static str) -> Vec<(Node, Place)> {
        let Some((node, place)) = self.take(key) else { return Vec::new() };
        match node.value {
            Value::List(items) => items
                .into_iter()
                .enumerate()
                .map(|(index, item)| {
                    let place =
                        Place { path: format!("{}[{}]", place.path, index + 1), line: item.line.or(place.line) };
                    (item, place)
                })
                .collect(),
            other => {
                self.wrong_type::<()>(&place, &other, "a list in [ ]");
                Vec::new()
            }
        }
    }

    /// Notes a fault.
    pub(crate) fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// The faults noted so far, to be added to by the reader of a table within this one.
    pub(crate) fn faults(&mut self) -> &mut Vec<Fault> {
        self.faults
    }

    /// Where this table stands.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The line of each key that has not been taken yet, where the format tells it.
    pub(crate) fn lines(&self) -> BTreeMap<String, u32> {
        self.entries.iter().filter_map(|(key, node)| Some((key.clone(), node.line?))).collect()
    }

    fn wrong_type<T>(&mut self, place: &Place, found: &Value, allowed: &str) -> Option<T> {
        self.fault(Fault::new("list.type", place, found.describe(), allowed, format!("write {allowed}")));
        None
    }

    /// Notes every key that was never asked for.
    pub(crate) fn close(self) {
        let allowed = self.known.join(", ");
        for (key, node) in self.entries {
            let name = if key.is_empty() { "\"\"" } else { &key };
            let place = self.place.within(name, node.line);
            let fix = nearest(&key, &self.known)
                .map_or_else(|| format!("remove `{key}`"), |known| format!("did you mean `{known}`?"));
            self.faults.push(Fault::new("list.unknown_key", &place, format!("{key:?}"), allowed.clone(), fix));
        }
    }
}

/// The known word within two edits of `word`, if there is one.
pub(crate) fn nearest<'w>(word: &str, known: &[&'w str]) -> Option<&'w str> {
    let (distance, best) = known.iter().map(|candidate| (edits(word, candidate), *candidate)).min()?;
    (distance <= 2 && distance < word.len()).then_some(best)
}

/// Levenshtein's distance, over characters; long words count as far apart.
fn edits(a: &str, b: &str) -> usize {
    if a.len() > 64 || b.len() > 64 {
        return usize::MAX;
    }
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut previous = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = previous + usize::from(x != *y);
            previous = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(previous + 1);
        }
    }
    row[b.len()]
}
