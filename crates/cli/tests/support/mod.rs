//! What the tests of the program share: a project in a temporary folder, and the program itself.
#![allow(dead_code, reason = "each test program uses its own part")]

pub(crate) mod doors;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// A folder of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The program, as a user would start it, without this machine's keys.
pub(crate) fn seedpost(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_seedpost"));
    command.current_dir(folder).env("SEEDPOST_AV", env!("CARGO_BIN_EXE_seedpost-av"));
    for name in [
        "FAL_KEY",
        "ARK_API_KEY",
        "SEEDANCE_API_KEY",
        "SEEDANCE_API_BASE",
        "SEEDPOST_FAL_URL",
        "SEEDPOST_ARK_URL",
        "SEEDPOST_SIMULATOR_URL",
        "SEEDPOST_KEY_LIMIT",
        "SEEDPOST_LEDGER",
        "SEEDPOST_STORE",
        "SEEDPOST_TIMEOUT",
        "SEEDPOST_AV_TIMEOUT",
        "SEEDPOST_LEDGER",
        "SEEDPOST_STORE",
        "RUST_LOG",
    ] {
        command.env_remove(name);
    }
    command
}

/// Runs the program to its end; answers its exit code, standard output and standard error.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    outcome(seedpost(folder).args(arguments).output().unwrap())
}

pub(crate) fn outcome(output: Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// Runs the program with `--json`, which must succeed.
pub(crate) fn json(folder: &Path, arguments: &[&str]) -> Value {
    let (code, out, err) = run(folder, &[arguments, &["--json"]].concat());
    assert_eq!(code, 0, "{out}{err}");
    serde_json::from_str(&out).unwrap()
}

/// Runs another program, which must succeed; answers its standard output.
pub(crate) fn tool(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> String {
    let name = program.as_ref().to_owned();
    let output =
        Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{name:?}: {error}; `make deps`"));
    let (code, out, err) = outcome(output);
    assert_eq!(code, 0, "{name:?} {arguments:?}\n{out}{err}");
    out
}

/// Python with other people's readers.
pub(crate) fn python() -> PathBuf {
    let python = repository(".venv/bin/python");
    assert!(python.exists(), "`make test` makes the Python environment that this test needs");
    python
}

/// Makes a file with ffmpeg; arguments are split at spaces.
pub(crate) fn make(out: &Path, arguments: &str) {
    let mut all = vec!["-v", "error", "-y"];
    all.extend(arguments.split_whitespace());
    all.push(out.to_str().unwrap());
    tool("ffmpeg", &all);
}

/// The demo, run to its end.
pub(crate) struct Demo {
    _folder: tempfile::TempDir,
    pub(crate) root: PathBuf,
}

impl Demo {
    /// In a folder of that name.
    pub(crate) fn render(name: &str) -> Demo {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join(name);
        copy_folder(&repository("fixtures/demo"), &root);
        let (code, out, err) = run(&root, &["run"]);
        assert_eq!(code, 0, "{out}{err}");
        Demo { _folder: folder, root }
    }
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Every file below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Copies a folder and all that is in it.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A simulator in a process of its own.
pub(crate) struct Simulator {
    child: Child,
    pub(crate) url: String,
}

impl Simulator {
    pub(crate) fn start(folder: &Path) -> Simulator {
        Simulator::start_with(folder, &[])
    }

    pub(crate) fn start_with(folder: &Path, arguments: &[&str]) -> Simulator {
        Simulator::start_at("127.0.0.1:0", folder, arguments)
    }

    pub(crate) fn start_at(listen: &str, folder: &Path, arguments: &[&str]) -> Simulator {
        let mut command = seedpost(folder);
        command.args(["simulator", "--listen", listen, "--folder", "simulator"]).args(arguments);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address: Value = serde_json::from_str(&line).unwrap();
        Simulator { child, url: address["url"].as_str().unwrap().to_owned() }
    }

    /// What was accepted and charged.
    pub(crate) fn bills(&self) -> Vec<Value> {
        let text = tool(
            "curl",
            &["--silent", "--fail", "--header", "Authorization: Key x", &format!("{}/_simulator/bills", self.url)],
        );
        serde_json::from_str(&text).unwrap()
    }

    /// Its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
