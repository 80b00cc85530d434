//! Renders accepted jobs, a few at a time, by the FFmpeg worker.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use seedpost_core::time::Samples;
use seedpost_media::worker::{ClipOrder, Worker};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::callback::Line;
use crate::faults::{Call, Fault, Faults, Kind, Reason};
use crate::journal::Journal;
use crate::rules::{self, Accepted};
use crate::store::{Form, Job, Log, Phase, Store, now_ms, say, timestamp};
use crate::webhook::{self, Herald};
use crate::{Config, ark, proxy, sound};

/// How long one clip may take to encode.
const PATIENCE: Duration = Duration::from_secs(600);
/// Samples of sound for each frame of picture.
const SAMPLES_A_FRAME: u64 = 2000;
/// Letters in a line of burnt-in text.
const LINE: usize = 36;

/// The canned clip under the files folder, where there is one.
pub(crate) const CANNED: &str = "canned.mp4";

/// The store, what shapes its jobs, and the workers that render what is in it.
#[derive(Debug)]
pub(crate) struct Studio {
    pub(crate) store: Store,
    pub(crate) faults: Faults,
    pub(crate) journal: Journal,
    pub(crate) herald: Herald,
    program: PathBuf,
    turns: Semaphore,
    idle: Mutex<Vec<Worker>>,
    /// How long a job waits at least.
    queue: Duration,
    /// The size of the canned clip, in bytes.
    canned: Option<u64>,
}

/// A job that is to be carried out, what shall go wrong with it, and who is called back about it.
struct Errand {
    id: String,
    fault: Option<Fault>,
    line: Option<Line>,
}

impl Studio {
    /// Opens the folder. `address` is where callers find this simulator.
    pub(crate) fn open(config: &Config, address: String) -> io::Result<Studio> {
        let store = Store::open(config.folder.clone())?;
        let faults = Faults::default();
        faults.add(config.faults.clone()).map_err(|what| io::Error::new(io::ErrorKind::InvalidInput, what))?;
        let canned = config.clip.as_ref().map(|clip| can(clip, &store.files().join(CANNED))).transpose()?;
        Ok(Studio {
            herald: Herald::open(store.folder(), address)?,
            store,
            faults,
            journal: Journal::default(),
            program: config.worker.clone(),
            turns: Semaphore::new(config.parallel.max(1)),
            idle: Mutex::default(),
            queue: config.queue,
            canned,
        })
    }

    /// Goes on with jobs that an earlier run left behind.
    pub(crate) fn resume(self: &Arc<Self>) {
        for job in self.store.all() {
            self.begin(&job);
        }
    }

    /// Carries out a job as soon as it is its turn.
    pub(crate) fn begin(self: &Arc<Self>, job: &Job) {
        if job.ended() {
            return;
        }
        let fault = self.faults.take(Call::Render, job.form, || Some(job.prompt()));
        if fault.as_ref().is_some_and(|fault| fault.fault == Kind::Stall) {
            return;
        }
        let asked = job.input["callback_url"].as_str().filter(|_| job.form == Form::Ark);
        let line = asked.map(|url| Line::open(url.to_owned()));
        let errand = Errand { id: job.request_id.clone(), fault, line };
        // Both times are whole milliseconds: one less, so that no job is early.
        let waited = now_ms().saturating_sub(job.created_ms + 1);
        let wait = self.queue.saturating_sub(Duration::from_millis(waited));
        let studio = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            if let Err(error) = studio.carry_out(&errand).await {
                // The disk failed: nothing more can be recorded, and the job stays as it was.
                say(&error.to_string());
            }
        });
    }

    async fn carry_out(self: &Arc<Self>, errand: &Errand) -> io::Result<()> {
        let fault = errand.fault.as_ref();
        if let (Some(bytes), None) = (self.canned, fault) {
            // One write: the job is never seen running.
            return self.end(errand, Phase::Done { file: format!("{}/video.mp4", errand.id), bytes });
        }
        let lasts = |fault: &Fault| !matches!(fault.fault, Kind::StallRunning | Kind::Fail);
        let _turn = if fault.is_none_or(lasts) { self.turns.acquire().await.ok() } else { None };
        let Some(job) = self.start(errand)? else { return Ok(()) };
        let phase = match fault {
            Some(Fault { fault: Kind::StallRunning, .. }) => return Ok(()),
            Some(Fault { fault: Kind::Fail, reason: Some(reason), .. }) => failed_for(*reason),
            _ => {
                let (studio, fault) = (self.clone(), fault.cloned());
                let made = tokio::task::spawn_blocking(move || studio.render(&job, fault.as_ref())).await;
                made.unwrap_or_else(|_| failed(500, "the rendering broke off"))
            }
        };
        self.end(errand, phase)
    }

    /// Takes a job from the queue; `None` where it has ended meanwhile, as by a cancellation.
    fn start(self: &Arc<Self>, errand: &Errand) -> io::Result<Option<Arc<Job>>> {
        let started = self.store.change(&errand.id, |job| {
            let waits = !job.ended();
            if waits {
                job.phase = Phase::Running;
                job.logs.push(log("sampling"));
            }
            waits
        })?;
        let job = self.store.get(&errand.id).filter(|_| started == Some(true));
        job.iter().for_each(|job| self.tell(job, errand.line.as_ref()));
        Ok(job)
    }

    /// Ends a job that has not ended.
    fn end(self: &Arc<Self>, errand: &Errand, phase: Phase) -> io::Result<()> {
        let ended = self.store.change(&errand.id, |job| {
            let open = !job.ended();
            if open {
                if matches!(job.phase, Phase::Queued) {
                    job.logs.push(log("sampling"));
                }
                job.logs.push(log("finished"));
                // What fails on the provider's side is not billed.
                job.micros = if matches!(phase, Phase::Done { .. }) { job.micros } else { 0 };
                job.phase = phase;
            }
            open
        })?;
        if let Some(job) = self.store.get(&errand.id).filter(|_| ended == Some(true)) {
            self.tell(&job, errand.line.as_ref());
            self.announce(&job);
        }
        Ok(())
    }

    /// Calls back who asked for it in Ark's form.
    fn tell(&self, job: &Job, line: Option<&Line>) {
        let Some(line) = line else { return };
        let fault = self.faults.take(Call::Webhook, job.form, || Some(job.prompt())).map(|fault| fault.fault);
        if fault == Some(Kind::Missing) {
            return;
        }
        let mut task = ark::task(job, &self.herald.address);
        if fault == Some(Kind::WrongStatus) {
            task["status"] = "failed".into();
        }
        for _ in 0..if fault == Some(Kind::Double) { 2 } else { 1 } {
            line.send(task.clone(), job.ended());
        }
    }

    /// Sends a webhook in fal's form when a job has ended.
    pub(crate) fn announce(self: &Arc<Self>, job: &Arc<Job>) {
        if job.form == Form::Fal && job.ended() && job.webhook.is_some() {
            let (studio, job) = (self.clone(), job.clone());
            tokio::spawn(async move { webhook::announce(&studio, &job).await });
        }
    }

    fn render(&self, job: &Job, fault: Option<&Fault>) -> Phase {
        match self.judge(job) {
            Ok(accepted) => self.clip(job, &accepted, fault).unwrap_or_else(|message| failed(500, &message)),
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

    fn clip(&self, job: &Job, accepted: &Accepted, fault: Option<&Fault>) -> Result<Phase, String> {
        let words = |error: &dyn std::fmt::Display| error.to_string();
        let kind = fault.map(|fault| fault.fault);
        let folder = self.store.files().join(&job.request_id);
        std::fs::create_dir_all(&folder).map_err(|error| words(&error))?;
        let wrong = fault.filter(|fault| fault.fault == Kind::WrongDuration).and_then(|fault| fault.seconds);
        let frames = wrong.unwrap_or(accepted.seconds) * 24;
        let scratch = tempfile::tempdir().map_err(|error| words(&error))?;
        let sound = scratch.path().join("sound.f32");
        let heard = accepted.generate_audio && kind != Some(Kind::NoAudio);
        if heard {
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
            sound: heard.then_some(sound),
            channels: if kind == Some(Kind::Mono) { 1 } else { accepted.channels },
            rate: if kind == Some(Kind::Rate44100) { 44_100 } else { 48_000 },
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

/// Takes a clip into the folder, by a link where that is possible; answers its size.
fn can(clip: &Path, place: &Path) -> io::Result<u64> {
    let words = |error| io::Error::new(io::ErrorKind::InvalidInput, format!("{}: {error}", clip.display()));
    // A link to a link may lead nowhere from there.
    let whole = clip.canonicalize().map_err(words)?;
    match std::fs::remove_file(place) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let taken = std::fs::hard_link(&whole, place).or_else(|_| std::fs::copy(&whole, place).map(|_| ()));
    taken.map_err(words)?;
    std::fs::metadata(place).map(|metadata| metadata.len())
}

/// What fal answers for a job that failed.
fn failed_for(reason: Reason) -> Phase {
    let policy = "content_policy_violation";
    let (status, place, message, kind) = match reason {
        Reason::Face => (
            422,
            "image_urls",
            "The images or videos provided may contain likenesses of real people or other private information that cannot be processed.",
            policy,
        ),
        Reason::Copyright => (422, "generated_video", "Output video may be related to copyright restrictions.", policy),
        Reason::Audio => (422, "generated_video", "Output audio has sensitive content.", policy),
        Reason::Prompt => {
            (422, "prompt", "The content could not be processed because it was flagged by a content checker.", policy)
        }
        Reason::Timeout => (504, "", "Generation timed out", "generation_timeout"),
        Reason::Server => (500, "", "Internal server error", "internal_server_error"),
    };
    let place: Vec<&str> = ["body", place].into_iter().filter(|part| !part.is_empty()).collect();
    let mut item = json!({ "loc": place, "msg": message, "type": kind });
    if status == 422 {
        item["ctx"] = json!({ "extra_info": { "reason": "partner_validation_failed" } });
    }
    Phase::Failed { status, body: json!({ "detail": [item] }) }
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
