//! Jobs and files in a folder: one JSON file a job, written whole and renamed.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Whose wire form a job was asked for in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Form {
    #[default]
    Fal,
    Ark,
    Openai,
}

/// A job as it stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) request_id: String,
    #[serde(default)]
    pub(crate) form: Form,
    /// When it was added, in Unix milliseconds; each job is later than those before it.
    #[serde(default)]
    pub(crate) created_ms: u64,
    /// When its phase last changed, in Unix milliseconds.
    #[serde(default)]
    pub(crate) updated_ms: u64,
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
            created_ms: 0,
            updated_ms: 0,
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
        match self.form {
            Form::Fal | Form::Openai => self.input["prompt"].as_str().unwrap_or_default().to_owned(),
            Form::Ark => crate::ark::prompt(&self.input),
        }
    }
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

/// All jobs, in memory and on disk.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    jobs: Mutex<BTreeMap<String, Job>>,
}

impl Store {
    /// Opens a folder and reads the jobs of earlier runs.
    pub(crate) fn open(folder: PathBuf) -> io::Result<Store> {
        std::fs::create_dir_all(folder.join("jobs"))?;
        std::fs::create_dir_all(folder.join("files"))?;
        let mut jobs = BTreeMap::new();
        for entry in std::fs::read_dir(folder.join("jobs"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == "json") {
                let job: Job = serde_json::from_slice(&std::fs::read(&path)?).map_err(io::Error::other)?;
                jobs.insert(job.request_id.clone(), job);
            }
        }
        Ok(Store { folder, jobs: Mutex::new(jobs) })
    }

    /// The folder of uploads and clips.
    pub(crate) fn files(&self) -> PathBuf {
        self.folder.join("files")
    }

    fn jobs(&self) -> MutexGuard<'_, BTreeMap<String, Job>> {
        // A panic elsewhere leaves whole jobs behind: each change is one assignment.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn all(&self) -> Vec<Job> {
        self.jobs().values().cloned().collect()
    }

    pub(crate) fn get(&self, request_id: &str) -> Option<Job> {
        self.jobs().get(request_id).cloned()
    }

    /// Adds a job; it is on disk when this returns.
    pub(crate) fn add(&self, mut job: Job) -> io::Result<()> {
        let mut jobs = self.jobs();
        let latest = jobs.values().map(|job| job.created_ms).max().unwrap_or(0);
        job.created_ms = now_ms().max(latest + 1);
        job.updated_ms = job.created_ms;
        write(&self.folder, &job)?;
        jobs.insert(job.request_id.clone(), job);
        Ok(())
    }

    /// Changes a job.
    pub(crate) fn change(&self, request_id: &str, change: impl FnOnce(&mut Job)) -> io::Result<()> {
        let mut jobs = self.jobs();
        let Some(job) = jobs.get_mut(request_id) else { return Ok(()) };
        let before = std::mem::discriminant(&job.phase);
        change(job);
        if std::mem::discriminant(&job.phase) != before {
            job.updated_ms = now_ms().max(job.created_ms);
        }
        write(&self.folder, job)
    }
}

fn write(folder: &Path, job: &Job) -> io::Result<()> {
    let path = folder.join("jobs").join(format!("{}.json", job.request_id));
    let mut file = tempfile::NamedTempFile::new_in(folder.join("jobs"))?;
    serde_json::to_writer(&mut file, job)?;
    file.persist(path).map(|_| ()).map_err(|error| error.error)
}

/// Now, in Unix milliseconds.
pub(crate) fn now_ms() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0)
}

/// Now, as the providers write it.
pub(crate) fn timestamp() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}
