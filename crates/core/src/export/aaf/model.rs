//! What a file says about itself: its classes, their properties and types, from `data/aaf_model.tsv`.

use std::collections::BTreeMap;

use super::object::{Auid, Keyed, Object, Target, auid, utf16};

const TABLE: &str = include_str!("../../../data/aaf_model.tsv");

/// The meta dictionary.
pub(super) fn dictionary<'a>() -> Object<'a> {
    let table = Table::read(TABLE);
    Object::new(auid("0d010101-0225-0000-060e-2b3402060101"))
        .set(0x0003, "ClassDefinitions", 0x0005, keyed(table.classes()))
        .set(0x0004, "TypeDefinitions", 0x0005, keyed(table.types()))
}

fn keyed<'a>(definitions: Vec<(Auid, Object<'a>)>) -> Keyed<'a> {
    Box::new(definitions.into_iter().map(|(id, object)| (id.to_vec(), object)))
}

struct Table {
    /// Name, parent, whether there are objects of it.
    classes: Vec<[&'static str; 3]>,
    /// By class: name, number, identification, type, whether it is optional, whether it identifies.
    properties: BTreeMap<&'static str, Vec<[&'static str; 6]>>,
    /// Name, kind, details.
    types: Vec<[&'static str; 3]>,
    class_ids: BTreeMap<&'static str, Auid>,
    type_ids: BTreeMap<&'static str, Auid>,
}

impl Table {
    fn read(text: &'static str) -> Table {
        let mut table = Table {
            classes: Vec::new(),
            properties: BTreeMap::new(),
            types: Vec::new(),
            class_ids: BTreeMap::new(),
            type_ids: BTreeMap::new(),
        };
        for line in text.lines() {
            match line.split('\t').collect::<Vec<_>>()[..] {
                ["CLASS", name, id, parent, concrete] => {
                    table.classes.push([name, parent, concrete]);
                    table.class_ids.insert(name, auid(id));
                }
                ["PROP", class, name, number, id, of, optional, unique] => {
                    table.properties.entry(class).or_default().push([name, number, id, of, optional, unique]);
                }
                ["TYPE", name, id, kind, ref details @ ..] => {
                    table.types.push([name, kind, details.first().unwrap_or(&"")]);
                    table.type_ids.insert(name, auid(id));
                }
                _ => {}
            }
        }
        table
    }

    fn class(&self, name: &str) -> Auid {
        self.class_ids.get(name).copied().unwrap_or_default()
    }

    fn kind(&self, name: &str) -> Auid {
        self.type_ids.get(name).copied().unwrap_or_default()
    }

    fn classes<'a>(&self) -> Vec<(Auid, Object<'a>)> {
        let class = |[name, parent, concrete]: &[&'static str; 3]| {
            let id = self.class(name);
            // A class without a parent names itself.
            let parent = if *parent == "-" { id } else { self.class(parent) };
            let mut object = definition(auid("0d010101-0201-0000-060e-2b3402060101"), id, name)
                .weak(0x0008, Target::Classes, parent)
                .flag(0x000a, *concrete == "1");
            if let Some(properties) = self.properties.get(name) {
                let properties = properties.iter().map(|property| self.property(property)).collect();
                object = object.set(0x0009, "Properties", 0x0005, keyed(properties));
            }
            (id, object)
        };
        self.classes.iter().map(class).collect()
    }

    fn property<'a>(&self, &[name, number, id, of, optional, unique]: &[&'static str; 6]) -> (Auid, Object<'a>) {
        let number = number.strip_prefix("0x").and_then(|number| u16::from_str_radix(number, 16).ok());
        let mut object = definition(auid("0d010101-0202-0000-060e-2b3402060101"), auid(id), name)
            .data(0x000b, self.kind(of))
            .flag(0x000c, optional == "1")
            .u16(0x000d, number.unwrap_or_default());
        if unique == "1" {
            object = object.flag(0x000e, true);
        }
        (auid(id), object)
    }

    fn types<'a>(&self) -> Vec<(Auid, Object<'a>)> {
        self.types.iter().map(|[name, kind, details]| (self.kind(name), self.definition(name, kind, details))).collect()
    }

    fn definition<'a>(&self, name: &'static str, kind: &str, details: &'static str) -> Object<'a> {
        let detail = |key: &str| details.split(' ').find_map(|part| part.strip_prefix(key)).unwrap_or_default();
        let pairs = |key: &str| detail(key).split(';').filter_map(|pair| pair.split_once(':')).collect::<Vec<_>>();
        let id = self.kind(name);
        let object = |number: u8| {
            let mut class = auid("0d010101-0200-0000-060e-2b3402060101");
            class[4] = number;
            definition(class, id, name)
        };
        let element =
            |object: Object<'a>, property| object.weak(property, Target::Types, self.kind(detail("element_typedef=")));
        let class =
            |object: Object<'a>, property| object.weak(property, Target::Classes, self.class(detail("ref_classdef=")));
        match kind {
            "Int" => object(0x04)
                .data(0x000f, [detail("size=").parse::<u8>().unwrap_or_default()])
                .flag(0x0010, detail("signed=") == "True"),
            "StrongRef" => class(object(0x05), 0x0011),
            "WeakRef" => {
                class(object(0x06), 0x0012).data(0x0013, detail("path=").split(',').flat_map(auid).collect::<Vec<_>>())
            }
            "Enum" => {
                let pairs = pairs("elements=");
                let values = pairs.iter().flat_map(|(value, _)| value.parse::<i64>().unwrap_or_default().to_le_bytes());
                element(object(0x07), 0x0014).data(0x0015, names(&pairs, 1)).data(0x0016, values.collect::<Vec<u8>>())
            }
            "FixedArray" => element(object(0x08), 0x0017).u32(0x0018, detail("size=").parse().unwrap_or_default()),
            "VarArray" => element(object(0x09), 0x0019),
            "Set" => element(object(0x0a), 0x001a),
            "String" => element(object(0x0b), 0x001b),
            "Stream" => object(0x0c),
            "Record" => {
                let pairs = pairs("members=");
                let types = pairs.iter().map(|(_, of)| self.kind(of)).collect();
                object(0x0d).weaks(0x001c, "MemberTypes", Target::Types, types).data(0x001d, names(&pairs, 0))
            }
            "Rename" => object(0x0e).weak(0x001e, Target::Types, self.kind(detail("renamed_typedef="))),
            "ExtEnum" => {
                let pairs = pairs("elements=");
                let values = pairs.iter().flat_map(|(value, _)| auid(value)).collect::<Vec<u8>>();
                object(0x20).data(0x001f, names(&pairs, 1)).data(0x0020, values)
            }
            "Indirect" => object(0x21),
            "Opaque" => object(0x22),
            _ => object(0x23),
        }
    }
}

fn definition<'a>(class: Auid, id: Auid, name: &str) -> Object<'a> {
    Object::new(class).data(0x0005, id).text(0x0006, name)
}

/// One side of each pair as texts, one after the other.
fn names(pairs: &[(&str, &str)], side: usize) -> Vec<u8> {
    pairs.iter().flat_map(|(left, right)| utf16([left, right][side % 2])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_a_definition_names_is_defined() {
        let table = Table::read(TABLE);
        let class = |name: &str| table.class_ids.contains_key(name);
        let kind = |name: &str| table.type_ids.contains_key(name);
        assert_eq!((table.classes.len(), table.types.len()), (49, 105));
        assert!(table.classes.iter().all(|[_, parent, _]| *parent == "-" || class(parent)));
        assert!(table.properties.keys().all(|name| class(name)));
        assert!(table.properties.values().flatten().all(|[_, number, _, of, ..]| number.starts_with("0x") && kind(of)));
        for [name, _, details] in &table.types {
            for (key, value) in details.split(' ').filter_map(|detail| detail.split_once('=')) {
                let known = match key {
                    "element_typedef" | "renamed_typedef" => kind(value),
                    "ref_classdef" => class(value),
                    "members" => value.split(';').all(|pair| pair.split_once(':').is_some_and(|(_, of)| kind(of))),
                    _ => true,
                };
                assert!(known, "{name}: {key}={value}");
            }
        }
    }
}
