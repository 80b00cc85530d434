//! What is read of an OpenTimelineIO document; everything else in it is passed over.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};

/// A timeline, stack, track, clip, gap or transition: what any of them has.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Object {
    #[serde(rename = "OTIO_SCHEMA")]
    pub(super) schema: String,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) enabled: Option<bool>,
    #[serde(default)]
    pub(super) global_start_time: Option<Time>,
    #[serde(default)]
    pub(super) source_range: Option<Range>,
    #[serde(default)]
    pub(super) in_offset: Option<Time>,
    #[serde(default)]
    pub(super) out_offset: Option<Time>,
    #[serde(default)]
    pub(super) tracks: Option<Box<Object>>,
    #[serde(default)]
    pub(super) children: Option<Vec<Object>>,
    #[serde(default)]
    pub(super) effects: Option<Vec<Effect>>,
    #[serde(default)]
    pub(super) markers: Option<Vec<IgnoredAny>>,
    #[serde(default)]
    pub(super) metadata: Loose<Box<Metadata>>,
    #[serde(default)]
    pub(super) media_reference: Option<Box<Reference>>,
    #[serde(default)]
    pub(super) media_references: Option<BTreeMap<String, Option<Box<Reference>>>>,
    #[serde(default)]
    pub(super) active_media_reference_key: Option<String>,
}

impl Object {
    /// The kind of thing, without its version.
    pub(super) fn what(&self) -> &str {
        unversioned(&self.schema)
    }

    pub(super) fn is_enabled(&self) -> bool {
        self.enabled != Some(false)
    }

    /// The media that is in use.
    pub(super) fn media(&self) -> Option<&Reference> {
        let key = self.active_media_reference_key.as_deref().unwrap_or("DEFAULT_MEDIA");
        let keyed = self.media_references.as_ref().and_then(|references| references.get(key)?.as_deref());
        keyed.or(self.media_reference.as_deref())
    }
}

pub(super) fn unversioned(schema: &str) -> &str {
    schema.rsplit_once('.').map_or(schema, |(name, _)| name)
}

#[derive(Debug, Clone, Copy, serde::Deserialize)]
pub(super) struct Time {
    pub(super) rate: f64,
    pub(super) value: f64,
}

#[derive(Debug, Clone, Copy, serde::Deserialize)]
pub(super) struct Range {
    pub(super) start_time: Time,
    pub(super) duration: Time,
}

#[derive(Debug, serde::Deserialize)]
pub(super) struct Effect {
    #[serde(rename = "OTIO_SCHEMA")]
    pub(super) schema: String,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) effect_name: Option<String>,
    #[serde(default)]
    pub(super) time_scalar: Option<f64>,
}

#[derive(Debug, serde::Deserialize)]
pub(super) struct Reference {
    #[serde(rename = "OTIO_SCHEMA")]
    pub(super) schema: String,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) target_url: Option<String>,
    #[serde(default)]
    pub(super) available_range: Option<Range>,
}

/// What seedpost, and the adapter for edit decision lists, write about a clip.
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct Metadata {
    #[serde(default)]
    pub(super) seedpost: Loose<Ours>,
    #[serde(default)]
    pub(super) cmx_3600: Loose<Cmx>,
}

#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct Ours {
    #[serde(default)]
    pub(super) shot: Loose<String>,
    #[serde(default)]
    pub(super) take: Loose<u64>,
    #[serde(default)]
    pub(super) role: Loose<String>,
}

#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct Cmx {
    #[serde(default)]
    pub(super) reel: Loose<String>,
}

/// A value of somebody else's, or nothing where it is of another kind: metadata has no rules.
#[derive(Debug)]
pub(super) struct Loose<T>(pub(super) Option<T>);

impl<T> Default for Loose<T> {
    fn default() -> Loose<T> {
        Loose(None)
    }
}

/// What can be read of the kinds of values that metadata may have.
pub(super) trait OfAny<'de>: Sized {
    fn of_text(_: &str) -> Option<Self> {
        None
    }
    fn of_number(_: u64) -> Option<Self> {
        None
    }
    fn of_map<A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        IgnoredAny.visit_map(map).map(|_| None)
    }
}

impl OfAny<'_> for String {
    fn of_text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }
}

impl OfAny<'_> for u64 {
    fn of_number(number: u64) -> Option<u64> {
        Some(number)
    }
}

impl<'de> OfAny<'de> for Ours {
    fn of_map<A: MapAccess<'de>>(map: A) -> Result<Option<Ours>, A::Error> {
        Deserialize::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }
}

impl<'de> OfAny<'de> for Cmx {
    fn of_map<A: MapAccess<'de>>(map: A) -> Result<Option<Cmx>, A::Error> {
        Deserialize::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }
}

impl<'de> OfAny<'de> for Box<Metadata> {
    fn of_map<A: MapAccess<'de>>(map: A) -> Result<Option<Box<Metadata>>, A::Error> {
        Metadata::deserialize(MapAccessDeserializer::new(map)).map(|metadata| Some(Box::new(metadata)))
    }
}

impl<'de, T: OfAny<'de>> Deserialize<'de> for Loose<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(Any(PhantomData)).map(Loose)
    }
}

struct Any<T>(PhantomData<T>);

impl<'de, T: OfAny<'de>> Visitor<'de> for Any<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Option<T>, E> {
        Ok(T::of_number(number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_str<E>(self, text: &str) -> Result<Option<T>, E> {
        Ok(T::of_text(text))
    }

    fn visit_unit<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Option<T>, A::Error> {
        IgnoredAny.visit_seq(list).map(|_| None)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<T>, A::Error> {
        T::of_map(map)
    }
}
