//! Grounds for a fleet: a database, a store and a simulator; a machine that has the list and no key, and workers that
//! have the key and no list.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::postgres::Postgres;
use crate::support::doors::{Door, Site, canned};
use crate::support::{Simulator, files, outcome, repository, seedpost};

/// Longer than anything here should take.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Ground {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) simulator: Simulator,
    /// The user's machine.
    pub(crate) site: Site,
    pub(crate) ledger: String,
}

impl Ground {
    /// With a simulator that answers at once with a canned clip.
    pub(crate) fn new(door: Door, shots: &str) -> Ground {
        let folder = tempfile::tempdir().unwrap();
        let simulator = canned(folder.path());
        Ground::at(folder, simulator, door, shots)
    }

    /// The same, where each job waits so many seconds first.
    pub(crate) fn queueing(seconds: u16, shots: &str) -> Ground {
        let folder = tempfile::tempdir().unwrap();
        let clip = repository("fixtures/media/clip_h264_aac.mp4");
        let arguments = ["--clip", clip.to_str().unwrap(), "--queue", &seconds.to_string()];
        let simulator = Simulator::start_with(folder.path(), &arguments);
        Ground::at(folder, simulator, Door::Fal, shots)
    }

    pub(crate) fn at(folder: tempfile::TempDir, simulator: Simulator, door: Door, shots: &str) -> Ground {
        let site = Site::new(door, &simulator, shots);
        std::fs::create_dir(folder.path().join("store")).unwrap();
        Ground { folder, simulator, site, ledger: Postgres::shared().url() }
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    fn shared(&self, mut command: Command) -> Command {
        command.env("SEEDPOST_LEDGER", &self.ledger);
        command.env("SEEDPOST_STORE", format!("file://{}", self.store().display()));
        command
    }

    /// The program on the user's machine, which has no key.
    pub(crate) fn client(&self, arguments: &[&str]) -> Command {
        let mut command = self.shared(self.site.command(arguments));
        for name in ["FAL_KEY", "ARK_API_KEY", "SEEDANCE_API_KEY", "SEEDPOST_FAL_URL", "SEEDPOST_KEY_LIMIT"] {
            command.env_remove(name);
        }
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        outcome(self.client(arguments).output().unwrap())
    }

    /// The program on a machine that has the key, for what only that machine can do.
    pub(crate) fn with_key(&self, arguments: &[&str]) -> (i32, String, String) {
        outcome(self.shared(self.site.command(arguments)).output().unwrap())
    }

    /// A run that goes on beside the test; what it says stands in `run.log` of the ground.
    pub(crate) fn begin(&self, arguments: &[&str]) -> Program {
        Program::start(self.client(arguments), self.folder.path().join("run.log"))
    }

    /// A take as `status` tells it; null where there is none yet.
    pub(crate) fn take(&self, name: &str) -> Value {
        let (_, out, err) = self.run(&["status", "--json"]);
        let told: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
        let takes = told["takes"].as_array().unwrap();
        takes.iter().find(|take| take["take"] == name).cloned().unwrap_or_default()
    }

    /// The state of a take, in a word.
    pub(crate) fn state(&self, name: &str) -> String {
        self.take(name)["state"].as_str().unwrap_or_default().to_owned()
    }

    /// What a worker is started with; it has the key.
    pub(crate) fn worker_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.shared(self.site.command(&[&["worker"], arguments].concat()));
        command.current_dir(self.folder.path());
        command
    }

    pub(crate) fn worker(&self, arguments: &[&str]) -> Program {
        self.worker_as(self.worker_command(arguments))
    }

    /// Starts a worker, and waits until it is at work.
    pub(crate) fn worker_as(&self, command: Command) -> Program {
        let number =
            files(self.folder.path()).iter().filter(|path| path.extension().is_some_and(|e| e == "log")).count();
        let worker = Program::start(command, self.folder.path().join(format!("worker{number}.log")));
        worker.says("at work");
        worker
    }

    /// A worker of somebody who has only the key of another provider.
    pub(crate) fn worker_without_key(&self) -> Program {
        let mut command = self.shared(seedpost(self.folder.path()));
        command
            .args(["worker", "--lease", "3"])
            .env("SEEDANCE_API_KEY", "another")
            .env("SEEDANCE_API_BASE", format!("{}/proxy/a/v1", self.simulator.url));
        self.worker_as(command)
    }

    /// Rows of the database by `psql`, their columns parted by `|`.
    pub(crate) fn sql(&self, statement: &str) -> String {
        Postgres::shared().sql(&self.ledger, statement)
    }
}

/// A program beside the test, ended with it.
pub(crate) struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    pub(crate) fn start(mut command: Command, log: PathBuf) -> Program {
        let said = File::create(&log).unwrap();
        command.stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said);
        Program { child: command.spawn().unwrap(), log }
    }

    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until it has said something.
    pub(crate) fn says(&self, words: &str) {
        until(|| self.said().contains(words), || format!("{words:?} is not said: {}", self.said()));
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end; answers the exit code and what it has said.
    pub(crate) fn ends(&mut self) -> (i32, String) {
        let mut status: Option<ExitStatus> = None;
        until(
            || {
                status = self.child.try_wait().unwrap();
                status.is_some()
            },
            || "it does not end".to_owned(),
        );
        (status.and_then(|status| status.code()).unwrap_or(-1), self.said())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks again and again until it is so.
pub(crate) fn until(mut is_so: impl FnMut() -> bool, else_say: impl FnOnce() -> String) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "{}", else_say());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The SHA-256 of a file, by `sha256sum`.
pub(crate) fn sha256(path: &Path) -> String {
    let told = crate::support::tool("sha256sum", &[path.to_str().unwrap()]);
    told.split(' ').next().unwrap().trim_start_matches('\\').to_owned()
}
