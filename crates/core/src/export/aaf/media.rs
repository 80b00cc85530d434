//! Where the sound and picture of a cut come from: for each file a master mob, the file, and the tape that gives it
//! its timecode. Takes that are used twice have these once.

use std::collections::HashSet;

use super::object::{Object, Target, class};
use super::{CONTAINER, Cut, Kind, LONGEST, MobId, NO_MOB, SAMPLE_RATE, mob, mob_id, rational, sides, signed};
use super::{slot, source_clip, tagged, timecode};
use crate::export::base_name;
use crate::time::Frames;
use crate::timeline::{Clip, Stem};

/// A file.
pub(super) struct Media<'a> {
    cut: &'a Cut<'a>,
    clip: &'a Clip,
    kind: Kind,
    /// What the clip is called.
    name: String,
    url: String,
    file: &'a str,
    /// The frame since midnight of its first.
    start: Frames,
    /// Its length in its own units, and how many of these are in a second.
    length: u64,
    rate: (u32, u32),
    comments: Vec<(String, String)>,
    ids: Ids,
}

/// What its mobs are known by: all that they say.
#[derive(Default)]
struct Ids {
    master: MobId,
    file: MobId,
    tape: MobId,
}

impl<'a> Media<'a> {
    pub(super) fn picture(cut: &'a Cut<'a>, clip: &'a Clip) -> Media<'a> {
        Media {
            cut,
            clip,
            kind: Kind::Picture,
            name: clip.take.to_string(),
            url: cut.url(&clip.picture.file),
            file: &clip.picture.file,
            start: clip.picture.start,
            length: clip.picture.frames.0,
            rate: cut.rate(),
            comments: comments(clip),
            ids: Ids::default(),
        }
        .identified()
    }

    /// One side of a stem.
    pub(super) fn sound(cut: &'a Cut<'a>, clip: &'a Clip, stem: &Stem, side: usize, file: &'a str) -> Media<'a> {
        let end = match (stem.channels, side) {
            (1, _) => "",
            (_, 0) => ".L",
            _ => ".R",
        };
        Media {
            cut,
            clip,
            kind: Kind::Sound,
            name: format!("{}_{}{end}", clip.take, stem.role),
            url: cut.url(file),
            file,
            start: cut.timeline.stem_start(stem),
            length: stem.samples.0,
            rate: SAMPLE_RATE,
            comments: Vec::new(),
            ids: Ids::default(),
        }
        .identified()
    }

    fn identified(mut self) -> Media<'a> {
        let Media { cut, clip, start, length, rate, .. } = &self;
        let place = [start.0, *length, u64::from(rate.0), u64::from(rate.1), clip.picture.frames.0];
        let place = place.map(u64::to_le_bytes).concat();
        let size = [clip.picture.width, clip.picture.height].map(u32::to_le_bytes).concat();
        let counting = cut.start().to_string();
        let (title, reel) = (cut.timeline.title.as_bytes(), clip.reel.as_bytes());
        let about = [title, counting.as_bytes(), &rational(cut.rate()), self.kind.name().as_bytes(), &place, reel];
        let tape = mob_id("tape", &about);
        let file = mob_id("file", &[&tape, &size, self.url.as_bytes()]);
        let comments = self.comments.iter().flat_map(|(name, text)| [name.as_bytes(), text.as_bytes()]);
        let known: Vec<&[u8]> = [&file, self.name.as_bytes()].into_iter().chain(comments).collect();
        self.ids = Ids { master: mob_id("master", &known), file, tape };
        self
    }

    /// What its master mob is known by.
    pub(super) fn master(&self) -> MobId {
        self.ids.master
    }

    fn master_mob<'o>(&self) -> Object<'o> {
        let source = source_clip(self.kind, self.length, &self.ids.file, 1, 0);
        let object = mob(0x36, &self.ids.master, &self.name, [slot(1, "", 1, self.rate, source)]);
        if self.comments.is_empty() {
            return object;
        }
        let comments: Vec<Object<'o>> = self.comments.iter().map(|(name, text)| tagged(name, text)).collect();
        object.children(0x4406, "UserComments", comments)
    }

    fn file_mob<'o>(&self) -> Object<'o> {
        let tape = source_clip(self.kind, self.length, &self.ids.tape, 1, 0);
        let locator = Object::new(class(0x32)).text(0x4001, &self.url);
        let descriptor = match self.kind {
            Kind::Picture => picture_descriptor(self),
            _ => sound_descriptor(self),
        };
        mob(0x37, &self.ids.file, base_name(self.file), [slot(1, "", 1, self.rate, tape)]).child(
            0x4701,
            "EssenceDescription",
            descriptor.children(0x2f01, "Locator", [locator]),
        )
    }

    fn tape_mob<'o>(&self) -> Object<'o> {
        let source = source_clip(self.kind, self.length, &NO_MOB, 0, 0);
        let clock = timecode(self.cut, self.start, self.clip.picture.frames);
        let slots = [slot(1, "", 1, self.rate, source), slot(2, "TC1", 1, self.cut.rate(), clock)];
        mob(0x37, &self.ids.tape, &self.clip.reel, slots).child(0x4701, "EssenceDescription", Object::new(class(0x2e)))
    }
}

/// All mobs of all files, each once.
pub(super) fn mobs<'a>(cut: Cut<'a>) -> impl Iterator<Item = (Vec<u8>, Object<'a>)> + 'a {
    let mut seen = HashSet::new();
    cut.timeline.clips.iter().flat_map(move |clip| {
        let sides = clip.stems.iter().flat_map(|stem| sides(stem).iter().enumerate().map(move |side| (stem, side)));
        let sounds = sides.map(|(stem, (side, file))| Media::sound(&cut, clip, stem, side, file));
        let mut mobs = Vec::new();
        for media in std::iter::once(Media::picture(&cut, clip)).chain(sounds) {
            let Ids { master, file, tape } = media.ids;
            if seen.insert(master) {
                mobs.push((master.to_vec(), media.master_mob()));
            }
            if seen.insert(file) {
                mobs.push((file.to_vec(), media.file_mob()));
            }
            if seen.insert(tape) {
                mobs.push((tape.to_vec(), media.tape_mob()));
            }
        }
        mobs
    })
}

/// A Broadcast WAV of one channel. What stands for its head is a plain one, with the length of its data.
fn sound_descriptor<'a>(media: &Media<'_>) -> Object<'a> {
    let bytes = u32::try_from(media.length.saturating_mul(3)).unwrap_or(u32::MAX);
    let mut head = b"RIFF".to_vec();
    head.extend(bytes.saturating_add(36 + bytes % 2).to_le_bytes());
    head.extend(b"WAVEfmt ");
    head.extend([16_u32.to_le_bytes(), [1, 0, 1, 0], 48_000_u32.to_le_bytes(), 144_000_u32.to_le_bytes()].concat());
    head.extend([3, 0, 24, 0]);
    head.extend(b"data");
    head.extend(bytes.to_le_bytes());
    descriptor(0x2c, media).weak(0x3004, Target::Containers, super::auid(CONTAINER)).data(0x3801, head)
}

/// A picture of so many pixels. The descriptor cannot do without bits and sampling, which nobody measured: it says 8
/// and 4:2:0, the usual; what the file itself says is right.
fn picture_descriptor<'a>(media: &Media<'_>) -> Object<'a> {
    let (width, height) = (media.clip.picture.width, media.clip.picture.height);
    descriptor(0x28, media)
        .u32(0x3202, height)
        .u32(0x3203, width)
        // Full frames: progressive.
        .data(0x320c, [0])
        .data(0x320d, [0; 8])
        .data(0x320e, rational((width.max(1), height.max(1))))
        .u32(0x3301, 8)
        .u32(0x3302, 2)
        .u32(0x3308, 2)
}

fn descriptor<'a>(number: u8, media: &Media<'_>) -> Object<'a> {
    Object::new(class(number)).data(0x3001, rational(media.rate)).i64(0x3002, signed(media.length))
}

/// What stands in the comments of a picture's master mob, by the words of the model. A text with NUL is several of one
/// name; one that is too long is continued.
fn comments(clip: &Clip) -> Vec<(String, String)> {
    let own = [("lane", clip.lane.as_str().to_owned()), ("channels", clip.picture.channels.to_string())];
    own.into_iter().chain(clip.provenance.known()).flat_map(|(name, text)| parts(name, &text)).collect()
}

/// A text in comments that can hold it.
fn parts(name: &str, text: &str) -> Vec<(String, String)> {
    let mut parts = Vec::new();
    for text in text.split('\0') {
        let mut units = 0;
        parts.push((name.to_owned(), String::new()));
        for letter in text.chars() {
            units += letter.len_utf16();
            if units > LONGEST {
                units = letter.len_utf16();
                parts.push((format!("{name} continued"), String::new()));
            }
            if let Some((_, part)) = parts.last_mut() {
                part.push(letter);
            }
        }
    }
    parts
}
