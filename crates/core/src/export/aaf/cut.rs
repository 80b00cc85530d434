//! The composition: a slot of timecode, one of pictures, one for each channel of each sound track, one of markers.

use sha2::{Digest, Sha256};

use super::media::Media;
use super::object::{Object, class};
use super::{Cut, Kind, MobId, clean, component, mob, mob_id, rational, sides, signed, slot, source_clip, tagged};
use super::{SAMPLE_RATE, tagged_value, timecode};
use crate::time::Frames;
use crate::timeline::{Clip, Colour, Marker, Role};

/// The slot that markers are about.
const PICTURE: u32 = 2;
/// The first slot of sound.
const SOUND: u32 = 3;
/// The slot of markers is this, as in Resolve's files, where sound leaves it free.
const MARKERS: u32 = 1000;
/// "Top level": what is to be opened.
const TOP_LEVEL: &str = "0d010102-0101-0700-060e-2b3404010101";

/// The composition and what it is known by.
pub(super) fn composition<'a>(cut: Cut<'a>) -> (MobId, Object<'a>) {
    let timeline = cut.timeline;
    let length = Frames(timeline.end().0.saturating_sub(timeline.start.frames().0));
    let clock = slot(1, "TC1", 1, cut.rate(), timecode(&cut, timeline.start.frames(), length));
    let pictures = timeline.clips.iter().map(move |clip| picture(&cut, clip));
    let pictures = slot(PICTURE, "V1", 1, cut.rate(), sequence(Kind::Picture, length.0, pictures));
    let channels = cut.sound_tracks().into_iter();
    let channels: Vec<_> = channels.flat_map(|(role, most)| (0..most).map(move |side| (role, side, most))).collect();
    let after = (SOUND..).nth(channels.len()).unwrap_or(u32::MAX);
    let sounds = (1..).zip(channels).map(move |(track, (role, side, most))| {
        let length = cut.sample(timeline.end()).saturating_sub(cut.sample(timeline.start.frames()));
        let sounds = timeline.clips.iter().filter_map(move |clip| sound(&cut, clip, role, side));
        let name = slot_name(role, side, most);
        slot(SOUND - 1 + track, &name, track, SAMPLE_RATE, sequence(Kind::Sound, length, sounds))
    });
    let markers = (!timeline.markers.is_empty()).then(|| markers(&cut, after.max(MARKERS)));
    let id = id(&cut);
    let slots = [clock, pictures].into_iter().chain(sounds).chain(markers);
    (id, mob(0x35, &id, &timeline.title, slots).data(0x4408, super::auid(TOP_LEVEL)))
}

/// What the cut is known by: all that the model says of it.
fn id(cut: &Cut<'_>) -> MobId {
    let mut digest = Sha256::new();
    serde_json::to_writer(&mut digest, cut.timeline).expect("a model has a text, and a digest takes it");
    mob_id("cut", &[&digest.finalize()])
}

fn slot_name(role: Role, side: usize, most: usize) -> String {
    let name = role.track_name();
    match (most, side) {
        (1, _) => name,
        (_, 0) => format!("{name} L"),
        _ => format!("{name} R"),
    }
}

/// A stretch of a master mob at a place.
struct Piece {
    start: u64,
    length: u64,
    master: MobId,
    from: u64,
}

/// Pieces with fillers between and behind.
fn sequence<'a>(kind: Kind, total: u64, pieces: impl Iterator<Item = Piece> + 'a) -> Object<'a> {
    let mut free = 0_u64;
    let parts = pieces.map(Some).chain([None]).flat_map(move |piece| {
        let gap = piece.as_ref().map_or(total, |piece| piece.start).saturating_sub(free);
        free = free.saturating_add(gap).saturating_add(piece.as_ref().map_or(0, |piece| piece.length));
        let filler = (gap > 0).then(|| component(0x09, kind, gap));
        let clip = piece.map(|piece| source_clip(kind, piece.length, &piece.master, 1, piece.from));
        [filler, clip].into_iter().flatten()
    });
    component(0x0f, kind, total).children(0x1001, "Components", parts)
}

fn picture(cut: &Cut<'_>, clip: &Clip) -> Piece {
    let start = clip.record_start.0.saturating_sub(cut.timeline.start.frames().0);
    Piece { start, length: clip.frames.0, master: Media::picture(cut, clip).master(), from: clip.from.0 }
}

/// One side of a clip's sound on a track. Both ends are rounded from their own frames, so nothing adds up; where that
/// is a sample more than the file has, it is taken a sample earlier, or ends a sample early.
fn sound(cut: &Cut<'_>, clip: &Clip, role: Role, side: usize) -> Option<Piece> {
    let stem = clip.stem_on(role)?;
    let file = sides(stem).get(side)?;
    let zero = cut.sample(cut.timeline.start.frames());
    let (start, end) = (cut.sample(clip.record_start), cut.sample(clip.record_end()));
    let used = cut.timeline.stem_source(clip, stem).start;
    let wanted = end.saturating_sub(start);
    let latest = stem.samples.0.saturating_sub(wanted);
    let from = cut.sample(used).saturating_sub(stem.time_reference.0).min(latest);
    let length = wanted.min(stem.samples.0.saturating_sub(from));
    let master = Media::sound(cut, clip, stem, side, file).master();
    (length > 0).then_some(Piece { start: start.saturating_sub(zero), length, master, from })
}

fn markers<'a>(cut: &Cut<'a>, id: u32) -> Object<'a> {
    let cut = *cut;
    let markers = cut.timeline.markers.iter().map(move |comment| marker(&cut, comment));
    let segment = Object::new(class(0x0f)).weak(0x0201, super::Target::Data, Kind::Marker.id()).children(
        0x1001,
        "Components",
        markers,
    );
    Object::new(class(0x39))
        .u32(0x4801, id)
        .text(0x4802, "markers")
        .child(0x4803, "Segment", segment)
        .u32(0x4804, 1)
        .data(0x4901, rational(cut.rate()))
}

/// A marker as Resolve writes it, with Avid's own list of what there is to know. One before the cut has a negative
/// position.
fn marker<'a>(cut: &Cut<'_>, marker: &Marker) -> Object<'a> {
    let position = signed(marker.frame.0) - signed(cut.timeline.start.frames().0);
    let (name, note) = (clean(&marker.name), clean(&marker.note));
    let (word, [red, green, blue]) = colour(marker.colour);
    let length = i32::try_from(marker.length.0).unwrap_or(i32::MAX);
    let known = [
        tagged("_ATN_CRM_USER", &name),
        tagged("_ATN_CRM_COM", &note),
        tagged("_ATN_CRM_COLOR", word),
        tagged_value("_ATN_CRM_LENGTH", &super::auid(INT32), &length.to_le_bytes()),
    ];
    component(0x41, Kind::Marker, marker.length.0)
        .i64(0x0601, position)
        .text(0x0602, &note)
        .text(0xffb4, &name)
        .data(0xffb9, [red, green, blue].map(u16::to_le_bytes).concat())
        .children(0xffba, "CommentM-uteList", known)
        .data(0x6102, PICTURE.to_le_bytes())
}

const INT32: &str = "01010700-0000-0000-060e-2b3401040101";

/// Avid's word, and what it looks like; its markers have neither orange nor purple (`markers::avid_colour`).
fn colour(colour: Colour) -> (&'static str, [u16; 3]) {
    const FULL: u16 = u16::MAX;
    match colour {
        Colour::Red => ("Red", [FULL, 0, 0]),
        Colour::Yellow => ("Yellow", [FULL, FULL, 0]),
        Colour::Green => ("Green", [0, FULL, 0]),
        Colour::Cyan => ("Cyan", [0, FULL, FULL]),
        Colour::Blue => ("Blue", [0, 0, FULL]),
        Colour::Orange => ("White", [FULL, FULL, FULL]),
        Colour::Purple => ("Magenta", [FULL, 0, FULL]),
    }
}
