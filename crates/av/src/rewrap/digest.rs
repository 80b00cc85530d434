//! What the packets of a picture have in common before and after they are wrapped anew.

use std::fmt::Write;

use ffmpeg_next::codec::Id;
use sha2::{Digest as _, Sha256};

use crate::AvError;
use crate::source::Source;

/// How NAL units stand in a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// After start codes (ITU-T H.264, annex B).
    StartCodes,
    /// After their lengths in four bytes (ISO/IEC 14496-15).
    Lengths,
    /// Packets have none, or none that a container changes.
    Whole,
}

impl Form {
    /// Of a file that was given.
    pub(super) fn of_source(source: &Source) -> Result<Form, AvError> {
        let form = if has_units(source)? && has_start_codes(source) { Form::StartCodes } else { Form::Whole };
        Ok(form)
    }

    /// Of a file that FFmpeg wrote.
    pub(super) fn of_written(written: &Source) -> Result<Form, AvError> {
        Ok(if has_units(written)? { Form::Lengths } else { Form::Whole })
    }
}

fn has_units(source: &Source) -> Result<bool, AvError> {
    Ok(matches!(source.picture()?.parameters().id(), Id::H264 | Id::HEVC))
}

/// Whether a container has H.264 and HEVC as annex B says, without a record of its parameters beside it.
pub(super) fn has_start_codes(source: &Source) -> bool {
    ["mpegts", "mpeg", "avi", "h264", "hevc"].contains(&source.input.format().name())
}

/// What was read of a picture.
pub(super) struct Digest {
    /// How many packets there were.
    pub(super) packets: u64,
    form: Form,
    all: Sha256,
    units: Sha256,
}

impl Digest {
    pub(super) fn new(form: Form) -> Digest {
        Digest { packets: 0, form, all: Sha256::new(), units: Sha256::new() }
    }

    /// Takes the bytes of the next packet.
    pub(super) fn add(&mut self, packet: &[u8]) {
        self.packets += 1;
        self.all.update(packet);
        match self.form {
            Form::StartCodes => after_start_codes(packet, |unit| take(&mut self.units, unit)),
            Form::Lengths => after_lengths(packet, |unit| take(&mut self.units, unit)),
            Form::Whole => {}
        }
    }

    /// SHA-256 of all bytes, in hex.
    pub(super) fn sha256(&self) -> String {
        self.all.clone().finalize().iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    /// Whether a written picture is this one: byte for byte, or unit for unit where the container has them in another
    /// form.
    pub(super) fn is_written_as(&self, written: &Digest) -> bool {
        let same = |one: &Sha256, other: &Sha256| one.clone().finalize() == other.clone().finalize();
        let units = self.form == Form::StartCodes && written.form == Form::Lengths;
        self.packets == written.packets
            && same(if units { &self.units } else { &self.all }, if units { &written.units } else { &written.all })
    }
}

/// A unit never ends with a zero (ITU-T H.264, 7.4.1); those behind it belong to the start codes.
fn take(units: &mut Sha256, unit: &[u8]) {
    let length = unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let Some(unit) = unit.get(..length).filter(|unit| !unit.is_empty()) else { return };
    units.update((length as u64).to_be_bytes());
    units.update(unit);
}

fn after_start_codes(packet: &[u8], mut each: impl FnMut(&[u8])) {
    let mut begin = None;
    let mut at = 0;
    while let Some([zero, next, one]) = packet.get(at..at + 3) {
        match (zero, next, one) {
            (0, 0, 1) => {
                if let Some(unit) = begin.and_then(|begin| packet.get(begin..at)) {
                    each(unit);
                }
                at += 3;
                begin = Some(at);
            }
            (_, _, 2..) => at += 3,
            _ => at += 1,
        }
    }
    if let Some(unit) = begin.and_then(|begin| packet.get(begin..)) {
        each(unit);
    }
}

fn after_lengths(packet: &[u8], mut each: impl FnMut(&[u8])) {
    let mut rest = packet;
    while let Some((length, behind)) = rest.split_first_chunk() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX).min(behind.len());
        let (unit, behind) = behind.split_at(length);
        each(unit);
        rest = behind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_the_same_after_start_codes_and_after_lengths() {
        let coded = [0, 0, 0, 1, 9, 16, 0, 0, 1, 7, 0, 0, 3, 1, 0, 0, 0, 0, 1, 5, 1, 2];
        let stored = [0, 0, 0, 2, 9, 16, 0, 0, 0, 5, 7, 0, 0, 3, 1, 0, 0, 0, 3, 5, 1, 2];
        let (mut read, mut written) = (Digest::new(Form::StartCodes), Digest::new(Form::Lengths));
        read.add(&coded);
        written.add(&stored);
        assert!(read.is_written_as(&written));
        written.add(&stored);
        assert!(!read.is_written_as(&written));
    }
}
