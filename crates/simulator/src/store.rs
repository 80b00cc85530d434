//! Jobs and files in a folder: a line of JSON whenever a job is added or changes; the last one of a job counts.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The wire form that a job came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// fal's queue.
    Fal,
    /// Ark's tasks.
    Ark,
    /// The proxies' video generations.
    Openai,
}

/// A job as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) request_id: String,
    pub(crate) form: Form,
    /// Its place in the order in which jobs were added.
    pub(crate) serial: u64,
    /// When it was added, in Unix milliseconds.
    pub(crate) created_ms: u64,
    /// When its phase last changed, in Unix milliseconds.
    pub(crate) updated_ms: u64,
    /// Where fal's form sends word when it has ended.
    pub(crate) webhook: Option<String>,
    /// What an aspect ratio became that the model chose.
    pub(crate) ratio: Option<String>,
    /// Whether its owner has deleted it; its bill stays.
    pub(crate) deleted: bool,
    pub(crate) endpoint: String,
    pub(crate) input: Value,
    /// What it costs; nothing for a request that the rules reject.
    pub(crate) micros: u64,
    pub(crate) phase: Phase,
    pub(crate) logs: Vec<Log>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// Held while a change is written, so that the last line of a job is its last state.
    log: Mutex<File>,
}

impl Store {
    /// Opens a folder and reads the jobs of earlier runs. What cannot be read is left out.
    pub(crate) fn open(folder: PathBuf) -> io::Result<Store> {
        std::fs::create_dir_all(folder.join("files"))?;
        let log = File::options().create(true).append(true).read(true).open(folder.join("jobs.jsonl"))?;
        let mut jobs = BTreeMap::new();
        for line in BufReader::new(&log).split(b'\n') {
            let line = line?;
            if !line.is_empty()
                && let Err(error) = read(&mut jobs, &line)
            {
                say(&format!("a line of jobs.jsonl is left out: {error}"));
            }
        }
        let next = jobs.values().map(|job| job.serial + 1).max().unwrap_or(0);
        Ok(Store { folder, jobs: Mutex::new(jobs), next: next.into(), log: Mutex::new(log) })
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
        // A panic elsewhere leaves whole jobs behind: a change is put in place when it is done.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All jobs, in the order in which they were added.
    pub(crate) fn all(&self) -> Vec<Arc<Job>> {
        let mut all: Vec<Arc<Job>> = self.jobs().values().cloned().collect();
        all.sort_unstable_by_key(|job| job.serial);
        all
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
        let job = Arc::new(job);
        write(&mut self.log(), serde_json::to_value(&*job)?)?;
        self.jobs().insert(job.request_id.clone(), job.clone());
        Ok(job)
    }

    fn log(&self) -> MutexGuard<'_, File> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a job; answers what the change did, or `None` where there is no such job.
    pub(crate) fn change<T>(&self, request_id: &str, change: impl FnOnce(&mut Job) -> T) -> io::Result<Option<T>> {
        let answer = {
            let mut jobs = self.jobs();
            let Some(job) = jobs.get_mut(request_id) else { return Ok(None) };
            let mut changed = Job::clone(job);
            let answer = change(&mut changed);
            if changed == **job {
                return Ok(Some(answer));
            }
            if std::mem::discriminant(&changed.phase) != std::mem::discriminant(&job.phase) {
                changed.updated_ms = now_ms().max(job.created_ms);
            }
            *job = Arc::new(changed);
            answer
        };
        let mut log = self.log();
        if let Some(job) = self.get(request_id) {
            let mut line = serde_json::to_value(&*job)?;
            // It never changes, and may hold whole files.
            line.as_object_mut().map(|line| line.remove("input"));
            write(&mut log, line)?;
        }
        Ok(Some(answer))
    }
}

/// Reads a line. One that changes a job has no input of its own.
fn read(jobs: &mut BTreeMap<String, Arc<Job>>, line: &[u8]) -> serde_json::Result<()> {
    let mut line: Value = serde_json::from_slice(line)?;
    let before = line["request_id"].as_str().and_then(|id| jobs.get(id));
    if let (None, Some(before)) = (line.get("input"), before) {
        line["input"] = before.input.clone();
    }
    let job: Job = serde_json::from_value(line)?;
    jobs.insert(job.request_id.clone(), Arc::new(job));
    Ok(())
}

/// Writes a line. Its end comes first, so that one that was cut off spoils no other.
fn write(log: &mut File, line: Value) -> io::Result<()> {
    log.write_all(format!("\n{line}").as_bytes())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_cut_off_costs_nothing_but_itself() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = || Store::open(folder.path().to_owned()).expect("usable");
        let job =
            |id: &str| Job::new(Form::Fal, id.into(), "app", serde_json::json!({ "prompt": id }), (5, Phase::Queued));
        let store = open();
        store.add(job("one")).expect("written");
        store.change("one", |job| job.phase = Phase::Running).expect("written");
        store.log().write_all(b"\n{\"request_id\":\"tw").expect("written");
        open().add(job("three")).expect("written");
        let store = open();
        let one = store.get("one").expect("kept");
        assert!(matches!(one.phase, Phase::Running) && one.prompt() == "one" && one.serial == 0);
        assert!(store.get("three").is_some_and(|three| three.serial == 1));
        assert_eq!(store.all().len(), 2);
    }
}
