//! A timecode track (QuickTime File Format, "Timecode media"): what its entry and its first sample say.

use std::io::{Read, Seek, SeekFrom};

use seedpost_core::media::TimecodeInfo;
use seedpost_core::time::{FrameRate, Frames, Timecode};

use super::{Movie, atom::Atom, atom::atoms, atom::child, table};

impl Movie {
    /// The first timecode track's start; `None` where there is none, or it cannot be read.
    pub fn timecode<R: Read + Seek>(&self, source: &mut R) -> Option<TimecodeInfo> {
        let track = self.tracks.iter().find(|track| track.codec == "tmcd")?;
        let entry = first_entry(self.moov.get(track.place.clone())?)?;
        let flags = entry.u32(12).ok()?;
        let rate = FrameRate::new(entry.u32(16).ok()?, entry.u32(20).ok()?)?;
        let at = self.packets(track).ok()?.first()?.start;
        let mut frame = [0; 4];
        source.seek(SeekFrom::Start(at)).ok()?;
        source.read_exact(&mut frame).ok()?;
        let frame = Frames(u64::from(u32::from_be_bytes(frame)));
        let start = Timecode::from_frames(frame, rate, flags & 1 != 0)?;
        Some(TimecodeInfo { start: start.to_string(), frames_per_second: rate.nominal(), drop_frame: start.is_drop() })
    }
}

fn first_entry(trak: &[u8]) -> Option<Atom<'_>> {
    let whole = Atom::whole(trak).ok()?;
    let mdia = child(&atoms(whole).ok()?, b"mdia", whole).ok()?;
    let minf = child(&atoms(mdia).ok()?, b"minf", mdia).ok()?;
    let stbl = child(&atoms(minf).ok()?, b"stbl", minf).ok()?;
    table::first_entry(child(&atoms(stbl).ok()?, b"stsd", stbl).ok()?).ok()
}
