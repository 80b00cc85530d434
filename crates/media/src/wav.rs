//! Broadcast WAV (EBU Tech 3285 version 1) with iXML: 48 kHz, 24 bit, mono or stereo.
//!
//! Chunks stand in the order that every reader takes: `bext`, `fmt `, `iXML`, `data`. Deliberately
//! absent: loudness fields (version 2), RF64, and reading, which `hound` does.
#![deny(clippy::indexing_slicing)]

use std::io::{Read as _, Write};

use quick_xml::escape::escape;
use seedpost_core::time::{Samples, Timecode};

use crate::MediaError;
use crate::decode::Sound;

/// What the file says of itself.
#[derive(Debug, Clone)]
pub struct Label {
    /// The project's title.
    pub project: String,
    /// The shot.
    pub scene: String,
    /// The take's number.
    pub take: u32,
    /// The take's full name, as the source reel.
    pub tape: String,
    /// The name of each track, such as `GUIDE-L`.
    pub tracks: Vec<String>,
    /// A note for the sound designer.
    pub note: String,
    /// The day, as `2026-11-21`.
    pub date: String,
    /// The time of day, as `10:03:46`.
    pub time: String,
    /// The timecode of the first sample.
    pub start: Timecode,
    /// 48 kHz samples since midnight at the first sample.
    pub time_reference: u64,
    /// A name that no other file has, of at most 32 ASCII characters.
    pub unique_id: String,
}

/// The most channels of a stem.
pub const MAX_CHANNELS: usize = 2;

/// Writes 24-bit sound; samples past full scale are clipped, and rounding is to the nearest, ties to
/// even.
///
/// # Errors
/// `Unsupported` for another rate than 48 kHz or more than two channels, `Limit` past 4 GiB.
pub fn write<W: Write>(out: &mut W, sound: &Sound, label: &Label) -> Result<(), MediaError> {
    if sound.rate.hertz() != 48_000 {
        return Err(MediaError::Unsupported(format!("a stem at {} Hz", sound.rate.hertz())));
    }
    let planes: Vec<&[f32]> = sound.channels.iter().map(Vec::as_slice).collect();
    let mut stem = Stem::begin(out, planes.len(), sound.length(), label)?;
    stem.add(&planes)?;
    stem.end().map(|_| ())
}

/// A stem of a known length that is written block by block.
pub struct Stem<W> {
    out: W,
    channels: usize,
    /// Samples a channel that are still to come.
    left: u64,
    /// Whether a zero byte follows, so that the chunk is even.
    odd: bool,
    packed: Vec<u8>,
}

/// Samples a channel that are packed at once: one call for each sample costs three times as much.
const BLOCK: usize = 8192;

impl<W: Write> Stem<W> {
    /// Writes what stands before the samples.
    ///
    /// # Errors
    /// As [`write()`].
    pub fn begin(mut out: W, channels: usize, length: Samples, label: &Label) -> Result<Stem<W>, MediaError> {
        if channels == 0 || channels > MAX_CHANNELS {
            return Err(MediaError::Unsupported(format!("sound of {channels} channels; stems are mono or stereo")));
        }
        let data_len = length.0.saturating_mul(3 * channels as u64);
        let head = [
            chunk(b"bext", &bext(label, channels)),
            chunk(b"fmt ", &format_chunk(channels as u16)),
            chunk(b"iXML", ixml(label).as_bytes()),
        ]
        .concat();
        let riff_len = data_len.saturating_add(4 + head.len() as u64 + 8 + data_len % 2);
        let too_long = || MediaError::Limit { what: "bytes of WAV", found: riff_len, allowed: u32::MAX.into() };
        out.write_all(b"RIFF")?;
        out.write_all(&u32::try_from(riff_len).map_err(|_| too_long())?.to_le_bytes())?;
        out.write_all(b"WAVE")?;
        out.write_all(&head)?;
        out.write_all(b"data")?;
        out.write_all(&u32::try_from(data_len).map_err(|_| too_long())?.to_le_bytes())?;
        Ok(Stem { out, channels, left: length.0, odd: data_len % 2 == 1, packed: Vec::new() })
    }

    /// Writes a block: one slice a channel, all of one length. What passes the stem's length is left out.
    ///
    /// # Errors
    /// `Unsupported` for another number of channels.
    pub fn add(&mut self, block: &[&[f32]]) -> Result<(), MediaError> {
        let length = block.first().map_or(0, |plane| plane.len());
        let length = usize::try_from(self.left).map_or(length, |left| length.min(left));
        self.left -= length as u64;
        for start in (0..length).step_by(BLOCK) {
            let part = start..length.min(start + BLOCK);
            let planes: Option<Vec<&[f32]>> = block.iter().map(|plane| plane.get(part.clone())).collect();
            let planes = planes.ok_or_else(|| MediaError::malformed("sound", 0, "channels of different lengths"))?;
            self.packed.resize(part.len() * self.channels * 3, 0);
            match (self.channels, planes.as_slice()) {
                (1, [mono]) => pack_mono(&mut self.packed, mono),
                (2, [left, right]) => pack_stereo(&mut self.packed, left, right),
                _ => return Err(MediaError::Unsupported("sound whose number of channels changes".to_owned())),
            }
            self.out.write_all(&self.packed)?;
        }
        Ok(())
    }

    /// Fills up with silence; answers what was written to.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn end(mut self) -> Result<W, MediaError> {
        let bytes = self.left.saturating_mul(3 * self.channels as u64) + u64::from(self.odd);
        std::io::copy(&mut std::io::repeat(0).take(bytes), &mut self.out)?;
        Ok(self.out)
    }
}

fn pack_mono(packed: &mut [u8], mono: &[f32]) {
    for (slot, sample) in packed.as_chunks_mut::<3>().0.iter_mut().zip(mono) {
        let [low, middle, high, _] = quantise(*sample).to_le_bytes();
        *slot = [low, middle, high];
    }
}

fn pack_stereo(packed: &mut [u8], left: &[f32], right: &[f32]) {
    for (slot, (left, right)) in packed.as_chunks_mut::<6>().0.iter_mut().zip(left.iter().zip(right)) {
        let ([a, b, c, _], [d, e, f, _]) = (quantise(*left).to_le_bytes(), quantise(*right).to_le_bytes());
        *slot = [a, b, c, d, e, f];
    }
}

/// The 24-bit value of a sample: to the nearest, ties to even; NaN becomes 0.
pub(crate) fn quantise(sample: f32) -> i32 {
    // Where doubles are as large as this, their last bit is 1: adding it rounds as the processor does, and the low bits
    // are the whole number. The library's rounding is a call for each sample.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let scaled = (f64::from(sample) * 8_388_608.0).clamp(-8_388_608.0, 8_388_607.0);
    let scaled = if sample.is_nan() { 0.0 } else { scaled };
    (scaled + ROUND).to_bits() as u32 as i32
}

/// A chunk whose body has an even length: some readers forget the pad byte after an odd one.
fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    [name, &length.to_le_bytes()[..], body].concat()
}

fn format_chunk(channels: u16) -> Vec<u8> {
    let block = channels * 3;
    let rate = 48_000_u32;
    let mut body = Vec::with_capacity(16);
    body.extend(1_u16.to_le_bytes());
    body.extend(channels.to_le_bytes());
    body.extend(rate.to_le_bytes());
    body.extend((rate * u32::from(block)).to_le_bytes());
    body.extend(block.to_le_bytes());
    body.extend(24_u16.to_le_bytes());
    body
}

/// EBU Tech 3285, 2.3: 602 bytes and the coding history.
fn bext(label: &Label, channels: usize) -> Vec<u8> {
    let tracks: String =
        label.tracks.iter().enumerate().map(|(index, name)| format!(" sTRK{}={name}", index + 1)).collect();
    let description = format!("sSCENE={} sTAKE={} sTAPE={}{tracks}", label.scene, label.take, label.tape);
    let mode = if channels == 1 { "mono" } else { "stereo" };
    let history = format!("A=PCM,F=48000,W=24,M={mode},T=seedpost {}\r\n", env!("CARGO_PKG_VERSION"));
    let mut body = Vec::with_capacity(602 + history.len());
    for (text, length) in
        [(description.as_str(), 256), ("seedpost", 32), (&label.unique_id, 32), (&label.date, 10), (&label.time, 8)]
    {
        body.extend(fixed(text, length));
    }
    body.extend(label.time_reference.to_le_bytes());
    body.extend(1_u16.to_le_bytes());
    body.extend([0; 64 + 190]);
    body.extend(history.bytes());
    body.extend(std::iter::repeat_n(0, body.len() % 2));
    body
}

/// ASCII of exactly so many bytes, padded with zeros; other characters become `_`.
fn fixed(text: &str, length: usize) -> Vec<u8> {
    let ascii = text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c as u8 } else { b'_' });
    ascii.chain(std::iter::repeat(0)).take(length).collect()
}

/// iXML 2.10 (gallery.co.uk/ixml): the only place where a WAV says its frame rate.
fn ixml(label: &Label) -> String {
    let rate = label.start.rate();
    let ratio = format!("{}/{}", rate.num(), rate.den());
    let flag = if label.start.is_drop() { "DF" } else { "NDF" };
    let (high, low) = (label.time_reference >> 32, label.time_reference & 0xffff_ffff);
    let track = |(index, name): (usize, &String)| {
        let number = index + 1;
        format!(
            "<TRACK><CHANNEL_INDEX>{number}</CHANNEL_INDEX><INTERLEAVE_INDEX>{number}</INTERLEAVE_INDEX><NAME>{}</NAME><FUNCTION></FUNCTION></TRACK>",
            escape(name)
        )
    };
    let tracks: String = label.tracks.iter().enumerate().map(track).collect();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<BWFXML>\n<IXML_VERSION>2.10</IXML_VERSION>\n<PROJECT>{project}</PROJECT>\n<SCENE>{scene}</SCENE>\n\
         <TAKE>{take}</TAKE>\n<TAPE>{tape}</TAPE>\n<FILE_UID>{uid}</FILE_UID>\n<NOTE>{note}</NOTE>\n\
         <SPEED><MASTER_SPEED>{ratio}</MASTER_SPEED><CURRENT_SPEED>{ratio}</CURRENT_SPEED><TIMECODE_RATE>{ratio}</TIMECODE_RATE><TIMECODE_FLAG>{flag}</TIMECODE_FLAG>\
         <FILE_SAMPLE_RATE>48000</FILE_SAMPLE_RATE><AUDIO_BIT_DEPTH>24</AUDIO_BIT_DEPTH><DIGITIZER_SAMPLE_RATE>48000</DIGITIZER_SAMPLE_RATE>\
         <TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI>{high}</TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI><TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO>{low}</TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO>\
         <TIMESTAMP_SAMPLE_RATE>48000</TIMESTAMP_SAMPLE_RATE></SPEED>\n\
         <TRACK_LIST><TRACK_COUNT>{count}</TRACK_COUNT>{tracks}</TRACK_LIST>\n</BWFXML>\n",
        project = escape(&label.project),
        scene = escape(&label.scene),
        take = label.take,
        tape = escape(&label.tape),
        uid = escape(&label.unique_id),
        note = escape(&label.note),
        count = label.tracks.len(),
    );
    if text.len() % 2 == 1 {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedpost_core::time::{FrameRate, SampleRate};

    fn label() -> Label {
        Label {
            project: "A & B".into(),
            scene: "S1".into(),
            take: 1,
            tape: "S1_T01".into(),
            tracks: vec!["GUIDE".into()],
            note: String::new(),
            date: "2026-11-21".into(),
            time: "10:00:00".into(),
            start: Timecode::parse("01:00:00:00", FrameRate::FPS_24).expect("a timecode"),
            time_reference: 172_800_000,
            unique_id: "X".into(),
        }
    }

    #[test]
    fn a_reader_gets_the_samples_back() {
        let samples = vec![0.0, 0.5, -0.5, 1.0, -1.0, 2.0, f32::NAN];
        let sound = Sound { rate: SampleRate::HZ_48000, channels: vec![samples] };
        let mut file = Vec::new();
        write(&mut file, &sound, &label()).expect("a mono stem");
        assert_eq!(file.len() % 2, 0);
        let mut reader = hound::WavReader::new(file.as_slice()).expect("a WAV");
        assert_eq!((reader.spec().sample_rate, reader.spec().bits_per_sample), (48_000, 24));
        let found: Vec<i32> = reader.samples().map(|sample| sample.expect("a sample")).collect();
        assert_eq!(found, [0, 1 << 22, -(1 << 22), (1 << 23) - 1, -(1 << 23), (1 << 23) - 1, 0]);
    }

    #[test]
    fn text_is_escaped_and_the_time_reference_stands_where_the_standard_says() {
        let sound = Sound { rate: SampleRate::HZ_48000, channels: vec![vec![0.0; 4]; 2] };
        let mut file = Vec::new();
        write(&mut file, &sound, &label()).expect("a stereo stem");
        assert!(String::from_utf8_lossy(&file).contains("<PROJECT>A &amp; B</PROJECT>"));
        // RIFF header 12, chunk header 8, then 338 bytes of text before the time reference.
        assert_eq!(file[12 + 8 + 338..][..8], 172_800_000_u64.to_le_bytes());
    }
}
