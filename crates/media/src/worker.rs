//! The FFmpeg worker seen from outside: requests, answers, and a client that outlives its crashes.
//!
//! The worker is another program, because C code that parses strangers' files must share neither
//! memory nor keys with this one. One line of JSON goes in, one comes out.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

pub use seedpost_core::content::Look;
use seedpost_core::media::MediaInfo;
use seedpost_core::time::{FrameRate, Frames, SampleRate, Samples};
pub use seedpost_core::turnover::order::{
    EditCodec, MixOrder, ReelOrder, ReelPart, ReferenceForm, ReferenceOrder, SoundOf, StillOf,
};
use serde::{Deserialize, Serialize};

pub use crate::pass::Coded;

/// The longest answer that is read, in bytes.
const MAX_ANSWER: u64 = 1 << 20;
/// How long an upload copy may take: minutes of picture at a time when the machine does other things.
const TRANSCODE_PATIENCE: Duration = Duration::from_secs(600);

/// What the worker can be asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// Measure a file with FFmpeg.
    Probe {
        /// The file.
        path: PathBuf,
    },
    /// Encode a clip of moving bars with captions: H.264, and AAC where there is sound.
    Clip(ClipOrder),
    /// Make an upload copy of a video: H.264 at a constant rate, and AAC where there is sound.
    Transcode(TranscodeOrder),
    /// Write the last picture that a video shows as a PNG: 8-bit RGB, upright, square pixels.
    LastFrame {
        /// The file to read.
        source: PathBuf,
        /// The file to write; its folder exists. It may be left in part where the worker fails.
        out: PathBuf,
    },
    /// Copy the coded picture of any file into an MP4 or MOV, and do with the sound what is asked.
    Rewrap(RewrapOrder),
    /// Copy the coded picture of any file into a MOV that has a timecode track.
    Stamp(StampOrder),
    /// Make a picture reference of a stretch of a file.
    Reference(Box<ReferenceOrder>),
    /// Lay picture references end to end as one reel.
    Reel(Box<ReelOrder>),
    /// Encode a Broadcast WAV as AAC in an MP4, or copy it into a MOV, alone.
    Mix(MixOrder),
    /// Decode the sound of any file.
    Sound(SoundOrder),
    /// Decode the picture of any file and say what is seen in it.
    Look(LookOrder),
}

/// A file to be wrapped anew.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RewrapOrder {
    /// The file to read.
    pub source: PathBuf,
    /// The file to write, with its index in front; its folder exists. MOV where its name ends so, else MP4. It may be
    /// left in part where the worker fails.
    pub out: PathBuf,
    /// What becomes of the sound.
    pub sound: SoundFate,
}

/// What becomes of the sound of a file that is wrapped anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SoundFate {
    /// It is left out.
    Drop,
    /// Its packets are copied.
    Copy,
    /// It is encoded anew as AAC at 48 kHz in two channels; one channel becomes two alike.
    Encode,
}

/// A picture that gets a timecode.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StampOrder {
    /// The file to read.
    pub source: PathBuf,
    /// The file to write, a `.mov` with its index in front; its folder exists. It may be left in part where the worker
    /// fails.
    pub out: PathBuf,
    /// The label of the first frame, as `05:00:00:00`; with `;` before the frames it counts drop-frame.
    pub timecode: String,
    /// The reel's name: no control characters, at most 255 bytes. None is written where it is empty.
    pub reel: String,
    /// The rate at which the timecode counts: that of the picture as it is written.
    pub rate: FrameRate,
    /// Whether each frame of the picture lasts 1001/1000 as long, so that 24 frames a second become `24000/1001`. Then
    /// its sound is encoded anew, as long as the picture; else it is copied.
    pub slow: bool,
}

/// A sound to be decoded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SoundOrder {
    /// The file to read.
    pub source: PathBuf,
    /// The file to write: interleaved 32-bit little-endian floats without a header, at the rate and channels of the
    /// source. Its first sample is heard when the first picture is shown (or is the first of all where there is no
    /// picture): silence stands before sound that begins later, and what comes earlier is left out.
    pub out: PathBuf,
}

/// What is to be looked for in a picture.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LookOrder {
    /// The file to read.
    pub source: PathBuf,
    /// A folder, which exists, for still pictures of it; none are made where absent.
    pub pictures: Option<PathBuf>,
    /// The most still pictures that are made, evenly spread.
    pub count: u32,
    /// Frames that the picture has, as far as known: by this number still pictures are spread.
    pub frames: Option<Frames>,
}

/// Sound as it was decoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decoded {
    /// Samples in a second.
    pub rate: SampleRate,
    /// The number of channels.
    pub channels: u32,
    /// Samples in each channel.
    pub samples: Samples,
}

/// A clip to encode.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClipOrder {
    /// The file to write; its folder exists.
    pub out: PathBuf,
    /// Width in pixels; even.
    pub width: u32,
    /// Height in pixels; even.
    pub height: u32,
    /// Frames, at 24 a second.
    pub frames: u32,
    /// Lines of text burnt into the picture, above the frame counter.
    pub captions: Vec<String>,
    /// A file of 48 kHz stereo sound as interleaved 32-bit little-endian floats; no sound track where
    /// absent.
    pub sound: Option<PathBuf>,
    /// Channels of the clip's sound: 1, the mean of both sides, or 2.
    pub channels: u16,
    /// Samples a second of the clip's sound, 8000 to 96,000.
    pub rate: u32,
}

/// An upload copy to make.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TranscodeOrder {
    /// The file to read.
    pub source: PathBuf,
    /// The file to write; its folder exists. It may be left in part where the worker fails.
    pub out: PathBuf,
    /// The first frame of the copy, counted at `rate` from where the source's picture begins to be shown.
    pub start: Frames,
    /// Exactly how many frames are written; the last picture is repeated where the source ends early.
    pub frames: Frames,
    /// Frames a second of the copy; constant.
    pub rate: FrameRate,
    /// Width of the copy in pixels, upright; even.
    pub width: u32,
    /// Height of the copy in pixels, upright; even.
    pub height: u32,
    /// Degrees clockwise to turn the decoded picture: 0, 90, 180 or 270.
    pub rotation: u16,
    /// The most bytes that the copy may have.
    pub max_bytes: u64,
}

/// What the worker answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// The facts asked for.
    Info(Box<MediaInfo>),
    /// The picture was copied.
    Copied(Coded),
    /// The sound was decoded.
    Decoded(Decoded),
    /// What was seen.
    Look(Look),
    /// It is done.
    Done,
    /// It could not be done.
    Failed {
        /// Why, in words.
        message: String,
    },
}

/// Says why the worker gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The program could not be started.
    #[error("failed to start {program}: {error}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        error: std::io::Error,
    },
    /// It ended in the middle of a request; the next request starts it again.
    #[error("the media worker ended while it worked on this file")]
    Crashed,
    /// It took too long and was ended; the next request starts it again.
    #[error("the media worker was ended after {0} s on this file")]
    Hung(u64),
    /// It answered that it cannot.
    #[error("{0}")]
    Failed(String),
}

/// A worker that is started when it is first asked.
#[derive(Debug)]
pub struct Worker {
    program: PathBuf,
    patience: Duration,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    answers: Receiver<String>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Worker {
    /// Names the program and how long one answer may take.
    #[must_use]
    pub fn new(program: PathBuf, patience: Duration) -> Worker {
        Worker { program, patience, running: None }
    }

    /// Measures a file with FFmpeg.
    ///
    /// # Errors
    /// Why there is no answer; the worker is ready for the next request all the same.
    pub fn probe(&mut self, path: PathBuf) -> Result<MediaInfo, WorkerError> {
        match self.ask(&Request::Probe { path }, self.patience)? {
            Answer::Info(info) => Ok(*info),
            _ => Err(WorkerError::Crashed),
        }
    }

    /// Encodes a clip.
    ///
    /// # Errors
    /// As [`Worker::probe`].
    pub fn clip(&mut self, order: ClipOrder) -> Result<(), WorkerError> {
        self.ask(&Request::Clip(order), self.patience).map(|_| ())
    }

    /// Makes an upload copy, for which it waits up to ten minutes, or as long as for any answer if that
    /// is longer. The same source and order give the same bytes.
    ///
    /// # Errors
    /// As [`Worker::probe`]; `Failed` too where the copy does not get small enough.
    pub fn transcode(&mut self, order: TranscodeOrder) -> Result<(), WorkerError> {
        self.ask(&Request::Transcode(order), TRANSCODE_PATIENCE.max(self.patience)).map(|_| ())
    }

    /// Writes the last picture that a video shows as a PNG. The same source gives the same bytes.
    ///
    /// # Errors
    /// As [`Worker::probe`]; `Failed` too where no picture of it can be decoded.
    pub fn last_frame(&mut self, source: PathBuf, out: PathBuf) -> Result<(), WorkerError> {
        self.ask(&Request::LastFrame { source, out }, self.patience).map(|_| ())
    }

    /// Wraps a file anew; answers the coded picture as it was read.
    ///
    /// # Errors
    /// As [`Worker::probe`].
    pub fn rewrap(&mut self, order: RewrapOrder) -> Result<Coded, WorkerError> {
        match self.ask(&Request::Rewrap(order), TRANSCODE_PATIENCE.max(self.patience))? {
            Answer::Copied(copied) => Ok(copied),
            _ => Err(WorkerError::Crashed),
        }
    }

    /// Copies a picture and its sound into a MOV that has a timecode track; answers the coded picture as it was read.
    ///
    /// # Errors
    /// As [`Worker::probe`]; `Failed` too where the picture is not at the rate of the timecode, or is to be slowed and
    /// its frames are not evenly spaced.
    pub fn stamp(&mut self, order: StampOrder) -> Result<Coded, WorkerError> {
        match self.ask(&Request::Stamp(order), TRANSCODE_PATIENCE.max(self.patience))? {
            Answer::Copied(copied) => Ok(copied),
            _ => Err(WorkerError::Crashed),
        }
    }

    /// Makes a picture reference. The same order gives the same bytes on any number of cores.
    ///
    /// # Errors
    /// As [`Worker::probe`].
    pub fn reference(&mut self, order: ReferenceOrder) -> Result<(), WorkerError> {
        self.ask(&Request::Reference(Box::new(order)), TRANSCODE_PATIENCE.max(self.patience)).map(|_| ())
    }

    /// Lays picture references end to end.
    ///
    /// # Errors
    /// As [`Worker::probe`]; `Failed` too where a part is not of the reel's form.
    pub fn reel(&mut self, order: ReelOrder) -> Result<(), WorkerError> {
        self.ask(&Request::Reel(Box::new(order)), TRANSCODE_PATIENCE.max(self.patience)).map(|_| ())
    }

    /// Makes a mix ready to be laid under a picture.
    ///
    /// # Errors
    /// As [`Worker::probe`].
    pub fn mix(&mut self, order: MixOrder) -> Result<(), WorkerError> {
        self.ask(&Request::Mix(order), TRANSCODE_PATIENCE.max(self.patience)).map(|_| ())
    }

    /// Decodes the sound of a file.
    ///
    /// # Errors
    /// As [`Worker::probe`].
    pub fn sound(&mut self, order: SoundOrder) -> Result<Decoded, WorkerError> {
        match self.ask(&Request::Sound(order), TRANSCODE_PATIENCE.max(self.patience))? {
            Answer::Decoded(decoded) => Ok(decoded),
            _ => Err(WorkerError::Crashed),
        }
    }

    /// Looks at the picture of a file.
    ///
    /// # Errors
    /// As [`Worker::probe`].
    pub fn look(&mut self, order: LookOrder) -> Result<Look, WorkerError> {
        match self.ask(&Request::Look(order), TRANSCODE_PATIENCE.max(self.patience))? {
            Answer::Look(look) => Ok(look),
            _ => Err(WorkerError::Crashed),
        }
    }

    fn ask(&mut self, request: &Request, patience: Duration) -> Result<Answer, WorkerError> {
        let mut running = match self.running.take() {
            Some(running) => running,
            None => self.start()?,
        };
        let line = serde_json::to_string(request)
            .map_err(|_| WorkerError::Failed("its name is not UTF-8: rename it".to_owned()))?;
        let sent = running.child.stdin.as_mut().map(|stdin| writeln!(stdin, "{line}"));
        if !matches!(sent, Some(Ok(()))) {
            return Err(WorkerError::Crashed);
        }
        let answer = running.answers.recv_timeout(patience).map_err(|error| match error {
            RecvTimeoutError::Timeout => WorkerError::Hung(patience.as_secs()),
            RecvTimeoutError::Disconnected => WorkerError::Crashed,
        })?;
        let answer = serde_json::from_str(&answer).map_err(|_| WorkerError::Crashed)?;
        self.running = Some(running);
        match answer {
            Answer::Failed { message } => Err(WorkerError::Failed(message)),
            answer => Ok(answer),
        }
    }

    fn start(&self) -> Result<Running, WorkerError> {
        let mut command = Command::new(&self.program);
        // Nothing that the worker parses may see a key.
        command.env_clear().envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "LD_LIBRARY_PATH"));
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child =
            child.map_err(|error| WorkerError::Start { program: self.program.display().to_string(), error })?;
        let (sender, answers) = channel();
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stdout);
                loop {
                    let mut line = String::new();
                    let read = reader.by_ref().take(MAX_ANSWER).read_line(&mut line);
                    if !matches!(read, Ok(length) if length > 0) || sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        Ok(Running { child, answers })
    }
}
