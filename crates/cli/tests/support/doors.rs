//! The providers' doors on one simulator, and a project that goes through them.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{Simulator, files, outcome, repository, seedpost, tool};

/// What must be seen nowhere.
pub(crate) const KEY: &str = "Zx9-test-key-that-nobody-may-see-4417";

/// A provider in one of its forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Fal,
    Ark,
    BytePlus,
    /// A proxy, in a shape of its own: `a` to `f`.
    Proxy(char),
}

impl Door {
    pub(crate) const ALL: [Door; 9] = [
        Door::Fal,
        Door::Ark,
        Door::BytePlus,
        Door::Proxy('a'),
        Door::Proxy('b'),
        Door::Proxy('c'),
        Door::Proxy('d'),
        Door::Proxy('e'),
        Door::Proxy('f'),
    ];
    /// One of each provider.
    pub(crate) const PROVIDERS: [Door; 3] = [Door::Fal, Door::Ark, Door::Proxy('a')];

    /// The simulator's word for it.
    pub(crate) fn form(self) -> &'static str {
        match self {
            Door::Fal => "fal",
            Door::Ark | Door::BytePlus => "ark",
            Door::Proxy(_) => "openai",
        }
    }

    /// What a shot list says under `[render]`.
    pub(crate) fn render(self) -> String {
        let region = if self == Door::BytePlus { "region = \"ap-southeast\"\n" } else { "" };
        format!("[render]\nprovider = \"{}\"\ntier = \"fast\"\nresolution = \"480p\"\n{region}", self.form())
    }

    /// The variable that holds its key.
    pub(crate) fn key(self) -> &'static str {
        self.variables("")[0].0
    }

    fn variables(self, url: &str) -> [(&'static str, String); 2] {
        match self {
            Door::Fal => [("FAL_KEY", KEY.to_owned()), ("SEEDPOST_FAL_URL", url.to_owned())],
            Door::Ark | Door::BytePlus => {
                [("ARK_API_KEY", KEY.to_owned()), ("SEEDPOST_ARK_URL", format!("{url}/api/v3"))]
            }
            Door::Proxy(shape) => {
                [("SEEDANCE_API_KEY", KEY.to_owned()), ("SEEDANCE_API_BASE", format!("{url}/proxy/{shape}/v1"))]
            }
        }
    }
}

/// A simulator that answers with a canned clip.
pub(crate) fn canned(folder: &Path) -> Simulator {
    let clip = repository("fixtures/media/clip_h264_aac.mp4");
    Simulator::start_with(folder, &["--clip", clip.to_str().unwrap()])
}

/// A project that goes through a door.
pub(crate) struct Site {
    pub(crate) folder: tempfile::TempDir,
    door: Door,
    url: String,
}

impl Site {
    /// Writes the list: `[render]` of the door, then what is given.
    pub(crate) fn new(door: Door, simulator: &Simulator, shots: &str) -> Site {
        let site = Site { folder: tempfile::tempdir().unwrap(), door, url: simulator.url.clone() };
        site.write(shots);
        site
    }

    pub(crate) fn write(&self, shots: &str) {
        std::fs::write(
            self.folder.path().join("shots.toml"),
            format!("title = \"Kitchen\"\n{}{shots}", self.door.render()),
        )
        .unwrap();
    }

    /// Adds the demo's references as `refs`.
    pub(crate) fn with_references(self) -> Site {
        super::copy_folder(&repository("fixtures/demo/refs"), &self.folder.path().join("refs"));
        self
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = seedpost(self.folder.path());
        command.args(arguments).envs(self.door.variables(&self.url));
        // Slots of this test's own, and room for many.
        command.env("XDG_RUNTIME_DIR", self.folder.path()).env("SEEDPOST_KEY_LIMIT", "100");
        command
    }

    /// Runs the program; what it says never holds the key.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let (code, out, err) = outcome(self.command(arguments).output().unwrap());
        assert!(!out.contains(KEY) && !err.contains(KEY), "the key was told: {out}{err}");
        (code, out, err)
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let (_, out, err) = self.run(&[arguments, &["--json"]].concat());
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"))
    }

    /// The takes as `status` tells them.
    pub(crate) fn takes(&self) -> Vec<Value> {
        self.json(&["status"])["takes"].as_array().unwrap().clone()
    }

    pub(crate) fn take(&self, name: &str) -> Value {
        let takes = self.takes();
        takes.iter().find(|take| take["take"] == name).unwrap_or_else(|| panic!("no {name} in {takes:?}")).clone()
    }

    pub(crate) fn clip(&self, take: &str) -> PathBuf {
        let (shot, number) = take.rsplit_once('_').unwrap();
        self.folder.path().join(format!("takes/{shot}/{number}/render.mp4"))
    }

    /// Ledger, facts, reports, copies: the key is in none of them.
    pub(crate) fn holds_no_key(&self) {
        holds_no_key(&files(self.folder.path()));
    }
}

/// The key is in none of these files, nor in their names.
pub(crate) fn holds_no_key(files: &[PathBuf]) {
    for path in files {
        let bytes = std::fs::read(path).unwrap();
        let found = bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes());
        assert!(!found && !path.to_string_lossy().contains(KEY), "the key stands in {}", path.display());
    }
}

impl Simulator {
    /// Adds what shall go wrong.
    pub(crate) fn fault(&self, fault: &Value) {
        let faults = Value::Array(vec![fault.clone()]).to_string();
        let url = format!("{}/_simulator/faults", self.url);
        tool("curl", &["--silent", "--fail", "--json", &faults, &url]);
    }

    /// Takes back what shall go wrong.
    pub(crate) fn forget_faults(&self) {
        tool("curl", &["--silent", "--fail", "--request", "DELETE", &format!("{}/_simulator/faults", self.url)]);
    }

    /// Every request that came, but those for control.
    pub(crate) fn requests(&self) -> Vec<Value> {
        let text = tool("curl", &["--silent", "--fail", &format!("{}/_simulator/requests", self.url)]);
        serde_json::from_str(&text).unwrap()
    }

    /// The paid requests whose prompt holds a word.
    pub(crate) fn posts(&self, word: &str) -> usize {
        let paid = |request: &&Value| {
            let body = &request["body"];
            let prompt = body["prompt"].as_str().or_else(|| body["content"][0]["text"].as_str()).unwrap_or_default();
            request["method"] == "POST" && prompt.contains(word)
        };
        self.requests().iter().filter(paid).count()
    }

    /// The bills for jobs whose prompt holds a word.
    pub(crate) fn charges(&self, word: &str) -> usize {
        self.bills().iter().filter(|bill| bill["input"].to_string().contains(word)).count()
    }
}
