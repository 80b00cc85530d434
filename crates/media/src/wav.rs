//! Broadcast WAV (EBU Tech 3285 version 1) with iXML: 48 kHz, 24 bit, mono or stereo.
//!
//! Chunks stand in the order that every reader takes: `bext`, `fmt `, `iXML`, `data`. Deliberately
//! absent: loudness fields (version 2), RF64, and reading, which [`crate::decode`] does.
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
    /// What the tracks hold, such as `GUIDE`: on two tracks with `-L` and `-R` behind it.
    pub name: String,
    /// What each track is for, in the words of iXML, such as `LEFT` and `RIGHT`; one a channel.
    pub functions: Vec<&'static str>,
    /// A note for the sound designer.
    pub note: String,
    /// What was done to the sound, such as `resampled from 44100 Hz`; empty where it is as it came.
    pub treatment: String,
    /// Its place among files that belong together, such as the sides of one stem.
    pub set: Option<FileSet>,
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

/// A file's place in a set: a stem's sides, each in a file of its own.
#[derive(Debug, Clone)]
pub struct FileSet {
    /// What the files have in common: the stem's name.
    pub family: String,
    /// A name of the family that no other has.
    pub family_id: String,
    /// How many files there are.
    pub total: u32,
    /// Which of them this is: `A`, `B`.
    pub index: char,
}

/// The most channels of a stem.
pub const MAX_CHANNELS: usize = 2;

/// Writes 24-bit sound on as many channels as the label has tracks; samples past full scale are clipped, and
/// rounding is to the nearest, ties to even.
///
/// # Errors
/// `Unsupported` for another rate than 48 kHz, or for channels that do not fit, `Limit` past 4 GiB.
pub fn write<W: Write>(out: &mut W, sound: &Sound, label: &Label) -> Result<(), MediaError> {
    if sound.rate.hertz() != 48_000 {
        return Err(MediaError::Unsupported(format!("a stem at {} Hz", sound.rate.hertz())));
    }
    let planes: Vec<&[f32]> = sound.channels.iter().map(Vec::as_slice).collect();
    let mut stem = Stem::begin(out, sound.length(), label)?;
    stem.add(&planes)?;
    stem.end().map(|_| ())
}

/// A stem of a known length that is written block by block.
pub struct Stem<W> {
    out: W,
    channels: usize,
    dither: Option<Dither>,
    /// What its noise begins with: each file has its own, so that those of several stems do not add up.
    seed: u64,
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
    pub fn begin(mut out: W, length: Samples, label: &Label) -> Result<Stem<W>, MediaError> {
        let channels = label.functions.len();
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
        let seed = label.unique_id.bytes().fold(0x9e37_79b9_7f4a_7c15, |seed: u64, byte| {
            (seed ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Ok(Stem { out, channels, dither: None, seed, left: length.0, odd: data_len % 2 == 1, packed: Vec::new() })
    }

    /// Adds triangular noise of one step either way before rounding (TPDF), the same at each writing: for sound that
    /// was computed, so that what is rounded off is no distortion. What is filled up behind it stays silent.
    #[must_use]
    pub fn dithered(self) -> Stem<W> {
        Stem { dither: Some(Dither::new(self.seed)), ..self }
    }

    /// Writes a block: one slice a channel, all of one length, or one slice for both sides. What passes the stem's
    /// length is left out.
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
            let packed = &mut self.packed;
            match &mut self.dither {
                Some(dither) => pack(packed, self.channels, &planes, |sample| dither.quantise(sample))?,
                None => pack(packed, self.channels, &planes, quantise)?,
            }
            self.out.write_all(&self.packed)?;
        }
        Ok(())
    }

    /// Writes samples that are packed already: 24 bits, low byte first, one channel after the other. What passes the
    /// stem's length is left out.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn add_packed(&mut self, samples: &[u8]) -> Result<(), MediaError> {
        let width = 3 * self.channels;
        let length = self.left.min((samples.len() / width) as u64);
        self.left -= length;
        self.out.write_all(samples.get(..length as usize * width).unwrap_or_default())?;
        Ok(())
    }

    /// Writes silence of so many samples a channel, as far as they fit.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn silence(&mut self, length: Samples) -> Result<(), MediaError> {
        let length = length.0.min(self.left);
        self.left -= length;
        let bytes = length.saturating_mul(3 * self.channels as u64);
        std::io::copy(&mut std::io::repeat(0).take(bytes), &mut self.out)?;
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

/// Packs planes as 24-bit whole numbers, low byte first; one plane goes to both sides.
fn pack(
    packed: &mut [u8],
    channels: usize,
    planes: &[&[f32]],
    mut quantise: impl FnMut(f32) -> i32,
) -> Result<(), MediaError> {
    match (channels, planes) {
        (1, [mono]) => {
            for (slot, sample) in packed.as_chunks_mut::<3>().0.iter_mut().zip(*mono) {
                let [low, middle, high, _] = quantise(*sample).to_le_bytes();
                *slot = [low, middle, high];
            }
        }
        (2, [mono]) => {
            for (slot, sample) in packed.as_chunks_mut::<6>().0.iter_mut().zip(*mono) {
                let [low, middle, high, _] = quantise(*sample).to_le_bytes();
                *slot = [low, middle, high, low, middle, high];
            }
        }
        (2, [left, right]) => {
            for (slot, (left, right)) in packed.as_chunks_mut::<6>().0.iter_mut().zip(left.iter().zip(*right)) {
                let ([a, b, c, _], [d, e, f, _]) = (quantise(*left).to_le_bytes(), quantise(*right).to_le_bytes());
                *slot = [a, b, c, d, e, f];
            }
        }
        _ => return Err(MediaError::Unsupported("sound whose number of channels changes".to_owned())),
    }
    Ok(())
}

/// The 24-bit value of a sample: to the nearest, ties to even; NaN becomes 0.
pub(crate) fn quantise(sample: f32) -> i32 {
    round(f64::from(sample) * 8_388_608.0)
}

fn round(scaled: f64) -> i32 {
    // Where doubles are as large as this, their last bit is 1: adding it rounds as the processor does, and the low bits
    // are the whole number. The library's rounding is a call for each sample.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let whole = if scaled.is_nan() { 0.0 } else { scaled.clamp(-8_388_608.0, 8_388_607.0) };
    (whole + ROUND).to_bits() as u32 as i32
}

/// Noise that makes rounding errors independent of the sound: two even ones of a step, added.
struct Dither {
    state: u64,
}

impl Dither {
    fn new(seed: u64) -> Dither {
        // From zero it would never move.
        Dither { state: seed | 1 }
    }

    fn quantise(&mut self, sample: f32) -> i32 {
        round(f64::from(sample) * 8_388_608.0 + self.next() + self.next())
    }

    /// Evenly spread over one step around 0 (Marsaglia's xorshift).
    #[expect(clippy::cast_precision_loss, reason = "the top 32 bits are exact as a double")]
    fn next(&mut self) -> f64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 32) as f64 / 4_294_967_296.0 - 0.5
    }
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
        track_names(label).iter().enumerate().map(|(index, name)| format!(" sTRK{}={name}", index + 1)).collect();
    let description = format!("sSCENE={} sTAKE={} sTAPE={}{tracks}", label.scene, label.take, label.tape);
    let mode = if channels == 1 { "mono" } else { "stereo" };
    // EBU R 98: commas separate fields, so free text has none.
    let treatment = if label.treatment.is_empty() { String::new() } else { format!("; {}", label.treatment) };
    let treatment = treatment.replace(',', ";");
    let version = env!("CARGO_PKG_VERSION");
    let history = format!("A=PCM,F=48000,W=24,M={mode},T=seedpost {version}{treatment}\r\n");
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

/// A name a track.
fn track_names(label: &Label) -> Vec<String> {
    match label.functions.len() {
        2 => vec![format!("{}-L", label.name), format!("{}-R", label.name)],
        _ => vec![label.name.clone()],
    }
}

/// ASCII of exactly so many bytes, padded with zeros; other characters become `_`.
fn fixed(text: &str, length: usize) -> Vec<u8> {
    let ascii = text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c as u8 } else { b'_' });
    ascii.chain(std::iter::repeat(0)).take(length).collect()
}

/// Text within XML 1.0, which has no place for control characters, not even escaped.
fn xml(text: &str) -> String {
    escape(text.chars().filter(|c| !c.is_control()).collect::<String>()).into_owned()
}

/// iXML 2.10 (gallery.co.uk/ixml): the only place where a WAV says its frame rate.
fn ixml(label: &Label) -> String {
    let rate = label.start.rate();
    let ratio = format!("{}/{}", rate.num(), rate.den());
    let flag = if label.start.is_drop() { "DF" } else { "NDF" };
    let (high, low) = (label.time_reference >> 32, label.time_reference & 0xffff_ffff);
    let track = |(number, (name, function)): (u32, (String, &&str))| {
        format!(
            "<TRACK><CHANNEL_INDEX>{number}</CHANNEL_INDEX><INTERLEAVE_INDEX>{number}</INTERLEAVE_INDEX><NAME>{}</NAME><FUNCTION>{function}</FUNCTION></TRACK>",
            xml(&name)
        )
    };
    let tracks: String = (1..).zip(track_names(label).into_iter().zip(&label.functions)).map(track).collect();
    let treatment = if label.treatment.is_empty() { String::new() } else { format!("; {}", label.treatment) };
    let set = label.set.as_ref().map_or_else(String::new, |set| {
        format!(
            "<FILE_SET><TOTAL_FILES>{}</TOTAL_FILES><FAMILY_UID>{}</FAMILY_UID><FAMILY_NAME>{}</FAMILY_NAME><FILE_SET_INDEX>{}</FILE_SET_INDEX></FILE_SET>\n",
            set.total,
            xml(&set.family_id),
            xml(&set.family),
            set.index
        )
    });
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<BWFXML>\n<IXML_VERSION>2.10</IXML_VERSION>\n<PROJECT>{project}</PROJECT>\n<SCENE>{scene}</SCENE>\n\
         <TAKE>{take}</TAKE>\n<TAPE>{tape}</TAPE>\n<FILE_UID>{uid}</FILE_UID>\n<NOTE>{note}</NOTE>\n\
         <SPEED><MASTER_SPEED>{ratio}</MASTER_SPEED><CURRENT_SPEED>{ratio}</CURRENT_SPEED><TIMECODE_RATE>{ratio}</TIMECODE_RATE><TIMECODE_FLAG>{flag}</TIMECODE_FLAG>\
         <FILE_SAMPLE_RATE>48000</FILE_SAMPLE_RATE><AUDIO_BIT_DEPTH>24</AUDIO_BIT_DEPTH><DIGITIZER_SAMPLE_RATE>48000</DIGITIZER_SAMPLE_RATE>\
         <TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI>{high}</TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI><TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO>{low}</TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO>\
         <TIMESTAMP_SAMPLE_RATE>48000</TIMESTAMP_SAMPLE_RATE></SPEED>\n\
         <TRACK_LIST><TRACK_COUNT>{count}</TRACK_COUNT>{tracks}</TRACK_LIST>\n{set}</BWFXML>\n",
        project = xml(&label.project),
        scene = xml(&label.scene),
        take = label.take,
        tape = xml(&label.tape),
        uid = xml(&label.unique_id),
        note = xml(&format!("{}{treatment}", label.note)),
        count = label.functions.len(),
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
            name: "GUIDE".into(),
            functions: vec!["MIX"],
            note: String::new(),
            treatment: String::new(),
            set: None,
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
    fn control_characters_do_not_spoil_the_xml() {
        assert!(ixml(&Label { project: "A\u{1}B\u{7f}\n&".into(), ..label() }).contains("<PROJECT>AB&amp;</PROJECT>"));
    }

    #[test]
    fn one_channel_goes_to_both_sides() {
        let sound = Sound { rate: SampleRate::HZ_48000, channels: vec![vec![0.25, -0.25]] };
        let mut file = Vec::new();
        write(&mut file, &sound, &Label { functions: vec!["LEFT", "RIGHT"], ..label() }).expect("a stereo stem");
        let mut reader = hound::WavReader::new(file.as_slice()).expect("a WAV");
        let found: Vec<i32> = reader.samples().map(|sample| sample.expect("a sample")).collect();
        assert_eq!(found, [1 << 21, 1 << 21, -(1 << 21), -(1 << 21)]);
    }

    #[test]
    fn dither_keeps_what_lies_below_one_step() {
        // A third of a step, which rounding alone would lose.
        let third = vec![1.0 / 3.0 / 8_388_608.0; 48_000];
        let mut file = Vec::new();
        let mut stem = Stem::begin(&mut file, Samples(48_010), &label()).expect("mono").dithered();
        stem.add(&[&third]).expect("a block");
        stem.end().expect("memory");
        let mut reader = hound::WavReader::new(file.as_slice()).expect("a WAV");
        let found: Vec<i32> = reader.samples().map(|sample| sample.expect("a sample")).collect();
        let mean = f64::from(found.iter().sum::<i32>()) / 48_000.0;
        assert!((mean - 1.0 / 3.0).abs() < 0.02, "{mean}");
        assert!(found.iter().all(|sample| sample.abs() <= 2));
        assert_eq!(found[48_000..], [0; 10], "what is filled up is silent");
    }

    #[test]
    fn text_is_escaped_and_the_time_reference_stands_where_the_standard_says() {
        let sound = Sound { rate: SampleRate::HZ_48000, channels: vec![vec![0.0; 4]; 2] };
        let mut file = Vec::new();
        let label = Label { functions: vec!["LEFT", "RIGHT"], ..label() };
        write(&mut file, &sound, &label).expect("a stereo stem");
        assert!(String::from_utf8_lossy(&file).contains("<PROJECT>A &amp; B</PROJECT>"));
        // RIFF header 12, chunk header 8, then 338 bytes of text before the time reference.
        assert_eq!(file[12 + 8 + 338..][..8], 172_800_000_u64.to_le_bytes());
    }
}
