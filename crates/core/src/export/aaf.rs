//! AAF of linked files (AAF Object Specification 1.1): pictures on one track, and each sound on tracks of one channel.
//!
//! **Experimental: no Media Composer, Pro Tools or Resolve was at hand.** What real files of theirs have is followed: a
//! composition with a primary timecode, master mobs, file mobs with a way to the file, tape mobs with the file's own
//! timecode. Sound is linked as mono Broadcast WAV, since that is what Pro Tools is said to take. Where something comes
//! from stands in the comments of the pictures' master mobs, which Media Composer shows as columns.
//!
//! Deliberately absent: essence within the file, fades and levels, any clock and any chance: the same cut gives the
//! same bytes.

mod container;
mod cut;
mod media;
mod model;
mod object;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use object::{Object, Target, auid, class};
use sha2::{Digest, Sha256};

use super::markers::avid_colours;
use super::{Export, Field, Format, Links, Loss, Of, told};
use crate::time::{Frames, Timecode};
use crate::timeline::{Marker, Role, Stem, Timeline, record_samples};

pub(super) fn write(timeline: &Timeline, links: Links<'_>) -> Export {
    let cut = Cut { timeline, links };
    Export { content: file(&cut).into_file(auid(KIND)), losses: losses(timeline) }
}

/// What stands in the compound file's header: an AAF file with sectors of 4096 bytes.
const KIND: &str = "0d010201-0200-0000-060e-2b3403020101";
/// The class of the root.
const ROOT: &str = "b3b398a5-1c90-11d4-8053-080036210804";
/// "AAF Edit Protocol".
const EDIT_PROTOCOL: &str = "0d011201-0100-0000-060e-2b3404010105";
/// The container "AAF".
const CONTAINER: &str = "4313b571-d8ba-11d2-809b-006008143e6f";
/// The program that writes.
const PRODUCT: &str = "5eed0057-0000-4000-8000-000000000001";
/// 1 January 2000, 00:00:00: every date, since none is known.
const DATE: [u8; 8] = [0xd0, 0x07, 1, 1, 0, 0, 0, 0];
/// Samples in a second: the edit rate of sound.
const SAMPLE_RATE: (u32, u32) = (48_000, 1);
/// Units of 16 bits that a text may have: a property holds 65,535 bytes.
const LONGEST: usize = 32_000;

/// What is written, and from where.
#[derive(Clone, Copy)]
struct Cut<'a> {
    timeline: &'a Timeline,
    links: Links<'a>,
}

impl Cut<'_> {
    fn start(&self) -> Timecode {
        self.timeline.start
    }

    /// The 48 kHz sample since midnight at which a frame begins.
    fn sample(&self, frame: Frames) -> u64 {
        record_samples(frame, self.start()).map_or(u64::MAX, |sample| sample.0)
    }

    /// Each sound track with the number of its channels: the most that a stem on it has files for.
    fn sound_tracks(&self) -> Vec<(Role, usize)> {
        let mut tracks = BTreeMap::new();
        for stem in self.timeline.clips.iter().flat_map(|clip| &clip.stems) {
            let most: &mut usize = tracks.entry(stem.role.track()).or_default();
            *most = sides(stem).len().max(*most);
        }
        tracks.into_iter().filter(|(_, channels)| *channels > 0).collect()
    }

    /// A file's address. Files of the three editors have `file:///` everywhere, and so has this: before a relative path
    /// stands a dot, as `file:///./audio/x.wav`. A plain `audio/x.wav` is allowed, but LibAAF takes it for the folder.
    fn url(&self, file: &str) -> String {
        let url = self.links.url(file);
        if file.starts_with('/') { url } else { format!("file:///./{url}") }
    }

    /// The edit rate of pictures and timecode.
    fn rate(&self) -> (u32, u32) {
        (self.start().rate().num(), self.start().rate().den())
    }
}

/// A stem's files of one channel, left before right; nothing where there are none.
fn sides(stem: &Stem) -> &[String] {
    match stem.channels {
        1 => std::slice::from_ref(&stem.file),
        2 if stem.sides.len() == 2 => &stem.sides,
        _ => &[],
    }
}

/// What a mob is known by: a SMPTE label and sixteen bytes of a digest.
type MobId = [u8; 32];
/// What ends a chain of mobs.
const NO_MOB: MobId = [0; 32];

/// An identification that follows from what the mob says, so that exports of the same are the same.
fn mob_id(kind: &str, parts: &[&[u8]]) -> MobId {
    let mut digest = Sha256::new();
    for part in [b"seedpost", kind.as_bytes()].iter().chain(parts) {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    let mut id = NO_MOB;
    id[..13].copy_from_slice(&[0x06, 0x0a, 0x2b, 0x34, 1, 1, 1, 5, 1, 1, 0x0f, 0x20, 0x13]);
    id[16..].copy_from_slice(&digest.finalize()[..16]);
    // A UUID of version 8.
    id[23] = id[23] & 0x0f | 0x80;
    id[24] = id[24] & 0x3f | 0x80;
    id
}

/// The kinds of what lies on slots.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sound,
    Picture,
    Timecode,
    Marker,
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Sound, Kind::Picture, Kind::Timecode, Kind::Marker];

    fn id(self) -> object::Auid {
        auid(match self {
            Kind::Sound => "01030202-0200-0000-060e-2b3404010101",
            Kind::Picture => "01030202-0100-0000-060e-2b3404010101",
            Kind::Timecode => "01030201-0100-0000-060e-2b3404010101",
            Kind::Marker => "01030201-1000-0000-060e-2b3404010101",
        })
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Sound => "DataDef_Sound",
            Kind::Picture => "DataDef_Picture",
            Kind::Timecode => "DataDef_Timecode",
            Kind::Marker => "DataDef_DescriptiveMetadata",
        }
    }
}

fn file<'a>(cut: &Cut<'a>) -> Object<'a> {
    let (id, composition) = cut::composition(*cut);
    let mobs = std::iter::once((id.to_vec(), composition)).chain(media::mobs(*cut));
    let content = Object::new(class(0x18)).set(0x1901, "Mobs", 0x4401, Box::new(mobs)).set(
        0x1902,
        "EssenceData",
        0x2701,
        Box::new(std::iter::empty()),
    );
    let header = Object::new(class(0x2f))
        .data(0x3b01, *b"II")
        .data(0x3b02, DATE)
        .child(0x3b03, "Content", content)
        .child(0x3b04, "Dictionary", dictionary())
        .data(0x3b05, [1, 2])
        .children(0x3b06, "Identifi-ionList", [identification(&id)])
        .u32(0x3b07, 1)
        .data(0x3b09, auid(EDIT_PROTOCOL));
    Object::new(auid(ROOT)).child(0x0001, "MetaDictionary", model::dictionary()).child(0x0002, "Header", header)
}

fn identification<'a>(id: &MobId) -> Object<'a> {
    Object::new(class(0x30))
        .text(0x3c01, "seedpost")
        .text(0x3c02, "seedpost")
        .data(0x3c03, version())
        .text(0x3c04, env!("CARGO_PKG_VERSION"))
        .data(0x3c05, auid(PRODUCT))
        .data(0x3c06, DATE)
        .data(0x3c07, version())
        .text(0x3c08, "any")
        .data(0x3c09, &id[16..])
}

/// Four numbers and "released".
fn version() -> Vec<u8> {
    let numbers =
        [env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"), env!("CARGO_PKG_VERSION_PATCH"), "0"];
    let numbers = numbers.iter().flat_map(|number| number.parse::<u16>().unwrap_or_default().to_le_bytes());
    numbers.chain([1]).collect()
}

fn dictionary<'a>() -> Object<'a> {
    let definition = |number, id: object::Auid, name: &str| {
        let object = Object::new(class(number)).data(0x1b01, id).text(0x1b02, name).text(0x1b03, name);
        (id.to_vec(), object)
    };
    let data = Kind::ALL.map(|kind| definition(0x1b, kind.id(), kind.name()));
    let container = definition(0x20, auid(CONTAINER), "AAF");
    Object::new(class(0x22)).set(0x2605, "DataDefinitions", 0x1b01, Box::new(data.into_iter())).set(
        0x2608,
        "Containe-nitions",
        0x1b01,
        Box::new(std::iter::once(container)),
    )
}

/// A mob.
fn mob<'a>(
    number: u8,
    id: &MobId,
    name: &str,
    slots: impl IntoIterator<Item = Object<'a>, IntoIter: 'a>,
) -> Object<'a> {
    Object::new(class(number))
        .data(0x4401, *id)
        .text(0x4402, &clean(name))
        .children(0x4403, "Slots", slots)
        .data(0x4404, DATE)
        .data(0x4405, DATE)
}

/// A slot whose positions count from 0.
fn slot<'a>(id: u32, name: &str, track: u32, rate: (u32, u32), segment: Object<'a>) -> Object<'a> {
    Object::new(class(0x3b))
        .u32(0x4801, id)
        .text(0x4802, name)
        .child(0x4803, "Segment", segment)
        .u32(0x4804, track)
        .data(0x4b01, rational(rate))
        .i64(0x4b02, 0)
}

fn component<'a>(number: u8, kind: Kind, length: u64) -> Object<'a> {
    Object::new(class(number)).weak(0x0201, Target::Data, kind.id()).i64(0x0202, signed(length))
}

/// A stretch of a slot of another mob.
fn source_clip<'a>(kind: Kind, length: u64, mob: &MobId, slot: u32, start: u64) -> Object<'a> {
    component(0x11, kind, length).data(0x1101, *mob).u32(0x1102, slot).i64(0x1201, signed(start))
}

/// Timecode from a frame since midnight.
fn timecode<'a>(cut: &Cut<'_>, start: Frames, length: Frames) -> Object<'a> {
    component(0x14, Kind::Timecode, length.0)
        .i64(0x1501, signed(start.0))
        .u16(0x1502, u16::try_from(cut.start().rate().nominal()).unwrap_or_default())
        .flag(0x1503, cut.start().is_drop())
}

fn tagged<'a>(name: &str, text: &str) -> Object<'a> {
    tagged_value(name, &auid("01100200-0000-0000-060e-2b3401040101"), &object::utf16(text))
}

/// A value with its type.
fn tagged_value<'a>(name: &str, of: &object::Auid, value: &[u8]) -> Object<'a> {
    Object::new(class(0x3f)).text(0x5001, name).data(0x5003, [&[0x4c], &of[..], value].concat())
}

fn rational((above, below): (u32, u32)) -> Vec<u8> {
    [above.to_le_bytes(), below.to_le_bytes()].concat()
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A text as a property can hold it: NUL ends texts there, so it is replaced; and the end is cut off from what is too
/// long.
fn clean(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST && !text.contains('\0') {
        return Cow::Borrowed(text);
    }
    let mut units = 0;
    let fits = |letter: &char| {
        units += letter.len_utf16();
        units <= LONGEST
    };
    let text = text.chars().take_while(fits);
    Cow::Owned(text.map(|letter| if letter == '\0' { char::REPLACEMENT_CHARACTER } else { letter }).collect())
}

fn losses(timeline: &Timeline) -> Vec<Loss> {
    let mut losses = told::absent(timeline, Format::Aaf, &[(Of::Cue, "each is a marker, and nothing more")]);
    losses.extend(told::title(timeline, Format::Aaf, clean(&timeline.title).into_owned(), TEXT));
    let stems = |lost: fn(&Stem) -> bool, field, why| losses_of_stems(timeline, lost, field, why);
    losses.extend(stems(|stem| sides(stem).is_empty(), Field::Event, "it has no file of one channel for each side"));
    losses.extend(stems(
        |stem| stem.channels > 1 && !sides(stem).is_empty(),
        Field::Link,
        "its sides are linked, each a file of one channel",
    ));
    let markers: Vec<&Marker> = timeline.markers.iter().collect();
    losses.extend(told::markers(Format::Aaf, &markers, (Field::Name, TEXT), |marker| clean(&marker.name).into_owned()));
    losses.extend(told::markers(Format::Aaf, &markers, (Field::Note, TEXT), |marker| clean(&marker.note).into_owned()));
    losses.extend(avid_colours(Format::Aaf, &markers));
    losses
}

const TEXT: &str = "a text holds no NUL, and at most 32,000 letters";

/// What stems lose: told of their role where all of it do, else of each.
fn losses_of_stems(timeline: &Timeline, lost: fn(&Stem) -> bool, field: Field, why: &str) -> Vec<Loss> {
    let stems = || timeline.clips.iter().flat_map(|clip| clip.stems.iter().map(move |stem| (clip, stem)));
    let kept: BTreeSet<Role> = stems().filter(|(_, stem)| !lost(stem)).map(|(_, stem)| stem.role).collect();
    let name = |(clip, stem): (&crate::timeline::Clip, &Stem)| {
        if kept.contains(&stem.role) { clip.stem_name(stem) } else { stem.role.to_string() }
    };
    let names: BTreeSet<String> = stems().filter(|(_, stem)| lost(stem)).map(name).collect();
    names.iter().map(|name| Loss::one(Format::Aaf, Of::Stem, name, field, why)).collect()
}

#[cfg(test)]
mod tests;
