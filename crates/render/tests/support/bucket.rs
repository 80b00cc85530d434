//! A bucket of another make, which demands signatures and is read by another client: `foreign/bucket.py`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{LazyLock, Mutex};

use seedpost_render::store::Store;
use serde_json::Value;

/// One for all tests of a program; it ends with it.
static BUCKET: LazyLock<Bucket> = LazyLock::new(Bucket::start);

pub(crate) struct Bucket {
    url: String,
    id: String,
    pub(crate) secret: String,
    talk: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    /// Its input closes with this program, and then it ends by itself.
    _program: Child,
}

impl Bucket {
    pub(crate) fn get() -> &'static Bucket {
        &BUCKET
    }

    fn start() -> Bucket {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let python = root.join(".venv/bin/python");
        assert!(python.exists(), "`make test` makes the Python environment that this test needs");
        let mut command = Command::new(python);
        command.arg(root.join("crates/cli/tests/foreign/bucket.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let told = line(&mut out);
        let text = |name: &str| told[name].as_str().unwrap().to_owned();
        let talk = Mutex::new((child.stdin.take().unwrap(), out));
        Bucket { url: text("url"), id: text("id"), secret: text("secret"), talk, _program: child }
    }

    fn ask(&self, words: &[&str]) -> Value {
        let mut talk = self.talk.lock().unwrap();
        writeln!(talk.0, "{}", serde_json::to_string(words).unwrap()).unwrap();
        line(&mut talk.1)
    }

    /// SHA-256 and length of an object.
    pub(crate) fn read(&self, key: &str) -> (String, u64) {
        serde_json::from_value(self.ask(&["read", "clips", key])).unwrap()
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        serde_json::from_value(self.ask(&["keys", "clips"])).unwrap()
    }

    /// Uploads in parts that were begun and not ended.
    pub(crate) fn begun(&self) -> Vec<String> {
        serde_json::from_value(self.ask(&["parts", "clips"])).unwrap()
    }

    pub(crate) fn store(&self, address: &str) -> Store {
        self.opened(address, &[])
    }

    /// A store whose environment says something else beside the bucket's own key.
    pub(crate) fn opened(&self, address: &str, extra: &[(&str, &str)]) -> Store {
        let own = [
            ("AWS_ACCESS_KEY_ID", self.id.as_str()),
            ("AWS_SECRET_ACCESS_KEY", &self.secret),
            ("AWS_ENDPOINT_URL", &self.url),
        ];
        let variable = |name: &str| {
            let found = extra.iter().chain(&own).find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Store::open(address, &variable).unwrap()
    }
}

fn line(out: &mut BufReader<ChildStdout>) -> Value {
    let mut text = String::new();
    out.read_line(&mut text).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
}
