//! Renders accepted jobs, a few at a time, by the FFmpeg worker.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use seedpost_core::time::Samples;
use seedpost_media::worker::{ClipOrder, Worker};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::callback::Line;
use crate::rules::{self, Accepted};
use crate::store::{Form, Job, Log, Phase, Store, timestamp};
use crate::{Config, ark, proxy, sound};

/// How long one clip may take to encode.
const PATIENCE: Duration = Duration::from_secs(600);
/// Samples of sound for each frame of picture.
const SAMPLES_A_FRAME: u64 = 2000;
/// Letters in a line of burnt-in text.
const LINE: usize = 36;

/// The store, and the workers that render what is in it.
#[derive(Debug)]
pub(crate) struct Studio {
    pub(crate) store: Store,
    /// Where it is reached, such as `http://127.0.0.1:40001`.
    url: String,
    program: PathBuf,
    turns: Semaphore,
    idle: Mutex<Vec<Worker>>,
}

impl Studio {
    pub(crate) fn new(store: Store, config: &Config, url: String) -> Studio {
        Studio {
            store,
            url,
            program: config.worker.clone(),
            turns: Semaphore::new(config.parallel.max(1)),
            idle: Mutex::default(),
        }
    }

    /// Goes on with jobs that an earlier run left behind.
    pub(crate) fn resume(self: &Arc<Self>) {
        for job in self.store.all() {
            self.clone().begin(&job);
        }
    }

    /// Renders a job as soon as it is its turn.
    pub(crate) fn begin(self: Arc<Self>, job: &Job) {
        if !matches!(job.phase, Phase::Queued | Phase::Running) {
            return;
        }
        let id = job.request_id.clone();
        let asked = job.input["callback_url"].as_str().filter(|_| job.form == Form::Ark);
        let line = asked.map(|url| Line::open(url.to_owned()));
        tokio::spawn(async move {
            let Ok(_turn) = self.turns.acquire().await else { return };
            if let Err(error) = self.clone().work(&id, line.as_ref()).await {
                self.note_failure(&error);
            }
        });
    }

    /// Renders a job unless it was cancelled, and tells of each change whoever wants to be called.
    async fn work(self: Arc<Self>, id: &str, line: Option<&Line>) -> std::io::Result<()> {
        let start = |job: &mut Job| {
            if matches!(job.phase, Phase::Queued | Phase::Running) {
                job.phase = Phase::Running;
                job.logs.push(log("sampling"));
            }
        };
        self.store.change(id, start)?;
        self.tell(id, line);
        let Some(job) = self.store.get(id).filter(|job| matches!(job.phase, Phase::Running)) else { return Ok(()) };
        let studio = self.clone();
        let made = tokio::task::spawn_blocking(move || studio.render(&job)).await;
        let phase = made.unwrap_or_else(|_| failed(500, "the rendering broke off"));
        self.store.change(id, |job| {
            job.logs.push(log("finished"));
            // What fails on the provider's side is not billed.
            job.micros = if matches!(phase, Phase::Done { .. }) { job.micros } else { 0 };
            job.phase = phase;
        })?;
        self.tell(id, line);
        Ok(())
    }

    fn tell(&self, id: &str, line: Option<&Line>) {
        if let (Some(line), Some(job)) = (line, self.store.get(id)) {
            line.send(ark::task(&job, &self.url), !matches!(job.phase, Phase::Running));
        }
    }

    /// The disk failed: nothing more can be recorded, and the job stays as it was.
    #[expect(clippy::print_stderr, reason = "a server's last word goes to standard error")]
    fn note_failure(&self, error: &std::io::Error) {
        eprintln!("simulator: {error}");
    }

    fn render(&self, job: &Job) -> Phase {
        match self.judge(job) {
            Ok(accepted) => self.clip(job, &accepted).unwrap_or_else(|message| failed(500, &message)),
            Err(phase) => phase,
        }
    }

    /// Judges a job again, by the rules of its form: its files may have gone.
    fn judge(&self, job: &Job) -> Result<Accepted, Phase> {
        match job.form {
            Form::Fal => rules::judge(&job.endpoint, &job.input, &self.store.files())
                .map_err(|detail| Phase::Failed { status: 422, body: json!({ "detail": detail }) }),
            Form::Ark => ark::judge(&job.input, &self.store)
                .map(|(accepted, _)| accepted)
                .map_err(|refused| failed(500, &refused.message)),
            Form::Openai => proxy::judge(&job.input, &self.store.files())
                .map(|(accepted, _)| accepted)
                .map_err(|refused| failed(500, &refused.message)),
        }
    }

    fn clip(&self, job: &Job, accepted: &Accepted) -> Result<Phase, String> {
        let words = |error: &dyn std::fmt::Display| error.to_string();
        let folder = self.store.files().join(&job.request_id);
        std::fs::create_dir_all(&folder).map_err(|error| words(&error))?;
        let frames = accepted.seconds * 24;
        let scratch = tempfile::tempdir().map_err(|error| words(&error))?;
        let sound = scratch.path().join("sound.f32");
        if accepted.generate_audio {
            let seed = job.request_id.bytes().fold(7_u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
            sound::write(&sound, Samples(u64::from(frames) * SAMPLES_A_FRAME), &accepted.audios, seed)
                .map_err(|error| words(&error))?;
        }
        let made = scratch.path().join("video.mp4");
        let order = ClipOrder {
            out: made.clone(),
            width: accepted.size.width,
            height: accepted.size.height,
            frames,
            captions: captions(job, accepted),
            sound: accepted.generate_audio.then_some(sound),
            channels: accepted.channels,
            rate: 48_000,
        };
        self.worker(|worker| worker.clip(order)).map_err(|error| words(&error))?;
        if accepted.last_frame {
            let picture = folder.join("last_frame.png");
            self.worker(|worker| worker.last_frame(made.clone(), picture)).map_err(|error| words(&error))?;
        }
        let bytes = std::fs::copy(&made, folder.join("video.mp4")).map_err(|error| words(&error))?;
        Ok(Phase::Done { file: format!("{}/video.mp4", job.request_id), bytes })
    }

    /// Lends a worker that is idle, or a new one.
    fn worker<T>(&self, work: impl FnOnce(&mut Worker) -> T) -> T {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = idle().pop();
        let mut worker = waiting.unwrap_or_else(|| Worker::new(self.program.clone(), PATIENCE));
        let answer = work(&mut worker);
        idle().push(worker);
        answer
    }
}

fn failed(status: u16, message: &str) -> Phase {
    Phase::Failed {
        status,
        body: json!({ "detail": [{ "loc": ["body"], "msg": message, "type": "internal_server_error" }] }),
    }
}

fn log(message: &str) -> Log {
    Log { message: message.to_owned(), timestamp: timestamp(), level: "INFO".to_owned(), source: "USER".to_owned() }
}

/// The prompt in up to four lines, then what was asked for.
fn captions(job: &Job, accepted: &Accepted) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in job.prompt().split_whitespace() {
        let full = lines.last().is_none_or(|line| !line.is_empty() && line.len() + 1 + word.len() > LINE);
        if full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.truncate(4);
    let tail = job.request_id.get(job.request_id.len().saturating_sub(12)..).unwrap_or_default();
    lines.push(format!("SIMULATOR {}s {tail}", accepted.seconds));
    lines
}
