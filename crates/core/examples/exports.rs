//! Writes a cut of so many clips in one form, for the bench to time: `exports CLIPS FORMAT [OUT]`. Prints the length in
//! bytes; without a file the content is made and dropped.
//!
//! Each clip has 16 frames, so that 100,000 of them end before midnight; a guide and a dialogue stem with their sides; a
//! marker; and every tenth one an ADR cue.

#![allow(clippy::print_stdout, reason = "the bench reads what is printed")]

use std::process::ExitCode;

use seedpost_core::cue::{Cue, Reason, Times};
use seedpost_core::export::{self, Format, Links};
use seedpost_core::lane::Lane;
use seedpost_core::time::{FrameRate, Frames, TimeRange, Timecode};
use seedpost_core::timeline::{Clip, Colour, Marker, Picture, Piece, Provenance, Role, Timeline, assemble};

const FRAMES: u64 = 16;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (Some(clips), Some(format), out) = (arguments.first(), arguments.get(1), arguments.get(2)) else {
        return ExitCode::from(2);
    };
    let parsed = clips.parse().ok().zip(Format::parse(format));
    let content = parsed.and_then(|(clips, format)| {
        let timeline = timeline(clips)?;
        Some(export::write(&timeline, format, Links("../")).ok()?.content)
    });
    let Some(content) = content else { return ExitCode::FAILURE };
    println!("{}", content.len());
    match out.map_or(Ok(()), |out| std::fs::write(out, content)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn timeline(clips: u32) -> Option<Timeline> {
    let start = Timecode::parse("01:00:00:00", FrameRate::FPS_24).ok()?;
    let pieces = (1..=clips).map(piece).collect::<Option<Vec<Piece>>>()?;
    let mut timeline = assemble("A long cut", start, pieces)?;
    timeline.markers = timeline.clips.iter().map(marker).collect();
    let cues = (1..).zip(timeline.clips.iter().step_by(10)).map(|(number, clip)| cue(number, clip)).collect();
    Some(timeline.with_cues(cues))
}

fn piece(number: u32) -> Option<Piece> {
    let name = format!("SC{:03}_SH{number:06}_T01", number / 100);
    let stem = |role: Role| {
        let file = |side: &str| format!("audio/{name}_{role}{side}.wav");
        (role, file(""), 2, vec![file(".L"), file(".R")])
    };
    Some(Piece {
        take: name.parse().ok()?,
        lane: if number.is_multiple_of(3) { Lane::Keep } else { Lane::Strip },
        picture: Picture {
            file: format!("picture/{name}.mov"),
            frames: Frames(FRAMES),
            start: Frames(86_400),
            width: 1280,
            height: 720,
            channels: 0,
        },
        stems: vec![stem(Role::Guide), stem(Role::Dialogue)],
        provenance: Provenance {
            provider: "simulator".to_owned(),
            model: "seedance-2.0".to_owned(),
            prompt: format!("Shot {number}: a street market at dawn, slow dolly in, warm low sun."),
            seed: Some(number),
            request_id: Some(format!("request-{number}")),
            cost: "$1.2096".to_owned(),
            reason: "intent commercial".to_owned(),
            sha256: format!("{number:064x}"),
        },
    })
}

fn marker(clip: &Clip) -> Marker {
    Marker {
        frame: clip.record_start,
        length: Frames(1),
        name: format!("EDIT {}", clip.take),
        note: "trimmed by two frames".to_owned(),
        colour: Colour::Blue,
    }
}

fn cue(number: u32, clip: &Clip) -> Cue {
    Cue {
        number: format!("MA{number}"),
        character: Some("Mara".to_owned()),
        character_number: 1,
        reel: 1,
        scene: "SC010".to_owned(),
        take: clip.take.clone(),
        record: TimeRange { start: clip.record_start, end: clip.record_end() },
        times: Times::Measured,
        line: Some("We should have gone home.".to_owned()),
        reason: Reason::Replace,
        priority: 2,
        sync: None,
        beeps: Vec::new(),
        streamer: None,
    }
}
