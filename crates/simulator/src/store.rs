//! Jobs and files in a folder: one JSON file a job, written whole and renamed.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The wire form that a job came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// fal's queue.
    #[default]
    Fal,
    /// Ark's tasks.
    Ark,
    /// The proxies' video generations.
    Openai,
}

/// A job as it stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) request_id: String,
    #[serde(default)]
    pub(crate) form: Form,
    /// Its place in the order in which jobs were added.
    #[serde(default)]
    pub(crate) serial: u64,
    /// When it was added, in Unix milliseconds.
    #[serde(default)]
    pub(crate) created_ms: u64,
    /// When its phase last changed, in Unix milliseconds.
    #[serde(default)]
    pub(crate) updated_ms: u64,
    /// Where fal's form sends word when it has ended.
    #[serde(default)]
    pub(crate) webhook: Option<String>,
    /// What an aspect ratio became that the model chose.
    #[serde(default)]
    pub(crate) ratio: Option<String>,
    /// Whether its owner has deleted it; its bill stays.
    #[serde(default)]
    pub(crate) deleted: bool,
    pub(crate) endpoint: String,
    pub(crate) input: Value,
    /// What it costs; nothing for a request that the rules reject.
    pub(crate) micros: u64,
    pub(crate) phase: Phase,
    pub(crate) logs: Vec<Log>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub(crate) enum Phase {
    Queued,
    Running,
    /// The clip's path under the files folder.
    Done {
        file: String,
        bytes: u64,
    },
    /// The result is this error.
    Failed {
        status: u16,
        body: Value,
    },
    Cancelled,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Log {
    pub(crate) message: String,
    pub(crate) timestamp: String,
    pub(crate) level: String,
    pub(crate) source: String,
}

impl Job {
    pub(crate) fn new(
        form: Form,
        request_id: String,
        endpoint: &str,
        input: Value,
        (micros, phase): (u64, Phase),
    ) -> Job {
        Job {
            request_id,
            form,
            serial: 0,
            created_ms: 0,
            updated_ms: 0,
            webhook: None,
            ratio: None,
            deleted: false,
            endpoint: endpoint.to_owned(),
            input,
            micros,
            phase,
            logs: Vec::new(),
        }
    }

    /// The words of the prompt, wherever its form has them.
    pub(crate) fn prompt(&self) -> String {
        prompt_of(&self.input).unwrap_or_default()
    }

    /// Whether nothing more will happen to it.
    pub(crate) fn ended(&self) -> bool {
        !matches!(self.phase, Phase::Queued | Phase::Running)
    }
}

/// The prompt in a request of any form: fal's and the proxies' `prompt`, or Ark's texts.
pub(crate) fn prompt_of(input: &Value) -> Option<String> {
    let prompt = input["prompt"].as_str().map(str::to_owned);
    prompt.or_else(|| input["content"].is_array().then(|| crate::ark::prompt(input)))
}

/// All jobs, in memory and on disk.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    jobs: Mutex<BTreeMap<String, Arc<Job>>>,
    /// The serial of the next job.
    next: AtomicU64,
    /// Held while a change is written, so that the last write of a job is its last state.
    writing: Mutex<()>,
}

impl Store {
    /// Opens a folder and reads the jobs of earlier runs. What cannot be read is left out.
    pub(crate) fn open(folder: PathBuf) -> io::Result<Store> {
        std::fs::create_dir_all(folder.join("jobs"))?;
        std::fs::create_dir_all(folder.join("files"))?;
        let mut jobs = BTreeMap::new();
        for entry in std::fs::read_dir(folder.join("jobs"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == "json") {
                match serde_json::from_slice::<Job>(&std::fs::read(&path)?) {
                    Ok(job) => drop(jobs.insert(job.request_id.clone(), Arc::new(job))),
                    Err(error) => say(&format!("{} is left out: {error}", path.display())),
                }
            }
        }
        let next = jobs.values().map(|job| job.serial + 1).max().unwrap_or(0);
        Ok(Store { folder, jobs: Mutex::new(jobs), next: next.into(), writing: Mutex::default() })
    }

    /// The folder that all is kept in.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of uploads and clips.
    pub(crate) fn files(&self) -> PathBuf {
        self.folder.join("files")
    }

    fn jobs(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Job>>> {
        // A panic elsewhere leaves whole jobs behind: each change is one assignment.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn all(&self) -> Vec<Arc<Job>> {
        self.jobs().values().cloned().collect()
    }

    pub(crate) fn get(&self, request_id: &str) -> Option<Arc<Job>> {
        self.jobs().get(request_id).cloned()
    }

    /// How many jobs wait that were accepted before this one.
    pub(crate) fn ahead(&self, job: &Job) -> usize {
        let waits = |other: &&Arc<Job>| matches!(other.phase, Phase::Queued) && other.serial < job.serial;
        self.jobs().values().filter(waits).count()
    }

    /// Adds a job; it is on disk when this returns.
    pub(crate) fn add(&self, mut job: Job) -> io::Result<Arc<Job>> {
        job.serial = self.next.fetch_add(1, Ordering::Relaxed);
        job.created_ms = now_ms();
        job.updated_ms = job.created_ms;
        // Nobody knows of it yet, so that nobody need wait while it is written.
        write(&self.folder, &job)?;
        let job = Arc::new(job);
        self.jobs().insert(job.request_id.clone(), job.clone());
        Ok(job)
    }

    /// Changes a job; answers what the change did, or `None` where there is no such job.
    pub(crate) fn change<T>(&self, request_id: &str, change: impl FnOnce(&mut Job) -> T) -> io::Result<Option<T>> {
        let answer = {
            let mut jobs = self.jobs();
            let Some(job) = jobs.get_mut(request_id).map(Arc::make_mut) else { return Ok(None) };
            let before = std::mem::discriminant(&job.phase);
            let answer = change(job);
            if std::mem::discriminant(&job.phase) != before {
                job.updated_ms = now_ms().max(job.created_ms);
            }
            answer
        };
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(job) = self.get(request_id) {
            write(&self.folder, &job)?;
        }
        Ok(Some(answer))
    }
}

fn path(folder: &Path, request_id: &str) -> PathBuf {
    folder.join("jobs").join(format!("{request_id}.json"))
}

fn write(folder: &Path, job: &Job) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder.join("jobs"))?;
    file.write_all(&serde_json::to_vec(job)?)?;
    file.persist(path(folder, &job.request_id)).map(|_| ()).map_err(|error| error.error)
}

/// A word to whoever runs the simulator.
#[expect(clippy::print_stderr, reason = "a server's words go to standard error")]
pub(crate) fn say(what: &str) {
    eprintln!("simulator: {what}");
}

/// Now, as the providers write it.
pub(crate) fn timestamp() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

/// Now, in Unix milliseconds.
pub(crate) fn now_ms() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0)
}
