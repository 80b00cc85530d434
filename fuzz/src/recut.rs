//! Everything that an editor's file reaches in `core`, and what must hold whatever it says. Fuzzers and tests share it.

use seedpost_core::import::notes::List;
use seedpost_core::import::{self, Kind};
use seedpost_core::lane::Lane;
use seedpost_core::recut::compare;
use seedpost_core::time::{FrameRate, Frames, Timecode};
use seedpost_core::timeline::{Picture, Piece, Provenance, Timeline, assemble};

/// The four shots of the demo, as the fixtures' recuts name them.
fn cut() -> Timeline {
    let start = Timecode::parse("01:00:00:00", FrameRate::FPS_24).expect("a timecode");
    let shots = [("SC010_SH010_T01", 96), ("SC010_SH020_T01", 120), ("SC010_SH030_T01", 360), ("SC010_SH040_T02", 96)];
    let piece = |(take, frames): (&str, u64)| Piece {
        take: take.parse().expect("a take"),
        lane: Lane::Strip,
        picture: Picture {
            file: format!("picture/{take}.mp4"),
            frames: Frames(frames),
            start: Frames(0),
            width: 1280,
            height: 720,
            channels: 0,
        },
        stems: Vec::new(),
        provenance: Provenance::default(),
    };
    assemble("Kitchen at seven", start, shots.map(piece).to_vec()).expect("a short cut")
}

/// Reads bytes as each form; what comes of it must be a cut of the takes, or faults.
///
/// # Panics
/// An invariant is broken.
pub fn recut(data: &[u8]) {
    let cut = cut();
    if let Some(list) = List::find(data) {
        match list.read(cut.start) {
            Err(faults) => assert!(!faults.is_empty() && faults.iter().all(|fault| !fault.fix.is_empty())),
            Ok((marks, _)) => assert!(marks.iter().all(|mark| mark.length.0 > 0 && mark.frame < cut.start.midnight())),
        }
    }
    for kind in [Kind::Otio, Kind::Edl, Kind::Xmeml] {
        match import::read(data, kind, &cut) {
            Err(faults) => assert!(!faults.is_empty() && faults.iter().all(|fault| !fault.fix.is_empty())),
            Ok(sequence) => {
                let recut = compare(&cut, &cut, &sequence, Frames(24));
                if recut.faults.is_empty() {
                    cut.recut(&recut.edits).expect("edits are clamped to what there is");
                }
            }
        }
    }
}
