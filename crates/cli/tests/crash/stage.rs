//! Ten takes that go through one form of provider, and what is looked at from outside: bills, ledger, disk.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::doors::{Door, Site};
use crate::support::{Simulator, files, outcome, python, repository, text, tool};

/// How many takes a list asks for.
pub(crate) const TAKES: usize = 10;

/// What every job comes to.
const CLIP: &str = "fixtures/media/clip_h264_aac.mp4";

/// A certificate that nobody uses: programs that read it in place of this machine's hundred and more start in half the
/// time, and these are started thousands of times.
const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBeTCCAR+gAwIBAgIUFXoFoE8UmSUj6QBfV3E/j0k1GXcwCgYIKoZIzj0EAwIw
ETEPMA0GA1UEAwwGbm9ib2R5MCAXDTI2MTIwMTE0MjMyOFoYDzIxMjYxMTA3MTQy
MzI4WjARMQ8wDQYDVQQDDAZub2JvZHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AASJIOnUyJpUUmdUujJ5kBSmtIs+20KU+0rmlrHHIIYnlWjM7a/tv8KiJ8dUNgPT
fzso2BtOJxfK8fVvwIFgONEZo1MwUTAdBgNVHQ4EFgQULWKN30LpUbaa8W0nWYBT
hCXpUkswHwYDVR0jBBgwFoAULWKN30LpUbaa8W0nWYBThCXpUkswDwYDVR0TAQH/
BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiEAxj8d7PucuHRqTxhDzJhSAa5fN8OS
lcR5fGHdbg3umM8CIFm89Q3R5ExWQDqXz8BhlUQKWIE3Cy2m/yEpZHde7st2
-----END CERTIFICATE-----
";

/// A provider in one of its forms.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    pub(crate) name: &'static str,
    door: Door,
    /// What more stands under `[render]`.
    render: &'static str,
    /// What more stands in each shot.
    shot: &'static str,
    /// Whether the program finds its own requests in the provider's list.
    pub(crate) listed: bool,
}

const fn form(name: &'static str, door: Door, listed: bool) -> Form {
    Form { name, door, render: "", shot: "", listed }
}

pub(crate) const FAL: Form = form("fal", Door::Fal, true);
pub(crate) const ARK: Form = form("ark", Door::Ark, true);
pub(crate) const PROXY: Form = form("proxy a", Door::Proxy('a'), false);

/// One of each wire form; fal and Ark once more without the mark by which a request is found again.
pub(crate) const FORMS: [Form; 11] = [
    Form { shot: "provider = \"simulator\"\n", ..form("simulator", Door::Fal, true) },
    FAL,
    Form { render: "mark_requests = false\n", ..form("fal without marks", Door::Fal, false) },
    ARK,
    Form { render: "mark_requests = false\n", ..form("byteplus without marks", Door::BytePlus, false) },
    PROXY,
    form("proxy b", Door::Proxy('b'), false),
    form("proxy c", Door::Proxy('c'), false),
    form("proxy d", Door::Proxy('d'), false),
    form("proxy e", Door::Proxy('e'), false),
    form("proxy f", Door::Proxy('f'), false),
];

/// A bill of the simulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bill {
    pub(crate) request_id: String,
    pub(crate) micros: u64,
}

/// A project, and a provider of its own.
pub(crate) struct Stage {
    pub(crate) form: Form,
    pub(crate) site: Site,
    pub(crate) simulator: Simulator,
    folder: tempfile::TempDir,
    /// Sockets of the simulator when nobody talks to it.
    at_rest: usize,
}

/// The name of a take.
pub(crate) fn take(number: usize) -> String {
    format!("S{number}_T01")
}

impl Stage {
    /// With a provider whose jobs are done at once.
    pub(crate) fn new(form: Form) -> Stage {
        Stage::with(form, "0")
    }

    /// With a provider whose jobs wait for so many seconds.
    pub(crate) fn with(form: Form, queue: &str) -> Stage {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("certificates")).unwrap();
        std::fs::write(folder.path().join("certificates/nobody.pem"), CERTIFICATE).unwrap();
        let clip = repository(CLIP);
        let simulator = Simulator::start_with(folder.path(), &["--clip", text(&clip), "--queue", queue]);
        let at_rest = sockets(simulator.process());
        let mut list = form.render.to_owned();
        for number in 0..TAKES {
            // Two of them hand a file over, which is an event of its own.
            let (tag, images) =
                if number % 5 == 2 { ("@Image1 in ", "images = [\"refs/chef.jpg\"]\n") } else { ("", "") };
            let shot = form.shot;
            let head = format!("[[shot]]\nid = \"S{number}\"\nprompt = \"{tag}shot number {number}\"\n");
            list.push_str(&format!("{head}duration = 4\n{images}{shot}"));
        }
        let site = Site::new(form.door, &simulator, &list);
        std::fs::create_dir(site.folder.path().join("refs")).unwrap();
        std::fs::copy(repository("fixtures/demo/refs/chef.jpg"), site.folder.path().join("refs/chef.jpg")).unwrap();
        Stage { form, site, simulator, folder, at_rest }
    }

    /// The program, with a place where it is cut.
    pub(crate) fn command(&self, arguments: &[&str], cut: Option<(&str, u64)>) -> Command {
        let mut command = self.site.command(arguments);
        command.env("SEEDPOST_SIMULATOR_URL", &self.simulator.url);
        let certificates = self.folder.path().join("certificates");
        command.env("SSL_CERT_FILE", certificates.join("nobody.pem")).env("SSL_CERT_DIR", certificates);
        if let Some((place, time)) = cut {
            command.env("SEEDPOST_CUT", format!("{place}:{time}"));
        }
        command
    }

    pub(crate) fn run(&self, arguments: &[&str], cut: Option<(&str, u64)>) -> (i32, String, String) {
        outcome(self.command(arguments, cut).output().unwrap())
    }

    /// The bills by the number of the shot; a second one for the same shot fails at once.
    pub(crate) fn bills(&self) -> BTreeMap<usize, Bill> {
        self.settle_down();
        let mut bills = BTreeMap::new();
        for bill in self.ask("bills") {
            let words = bill["input"].to_string();
            let number = (0..TAKES).find(|number| words.contains(&format!("shot number {number}"))).unwrap();
            let told = Bill {
                request_id: bill["request_id"].as_str().unwrap().to_owned(),
                micros: bill["micros"].as_u64().unwrap(),
            };
            let first = bills.insert(number, told);
            assert!(first.is_none(), "{}: shot {number} was charged twice: {first:?} and {bill}", self.form.name);
        }
        bills
    }

    /// How often the request of each shot came, charged or not. What asks a proxy of the other path at the usual one
    /// first finds nothing there, and does not count.
    pub(crate) fn posts(&self) -> Vec<usize> {
        let mut requests = self.ask("requests");
        if self.form.door == Door::Proxy('d') {
            requests.retain(|one| one["path"].as_str().unwrap().ends_with("/videos"));
        }
        let posts = |number| {
            let words = format!("shot number {number}");
            requests.iter().filter(|one| one["method"] == "POST" && one["body"].to_string().contains(&words)).count()
        };
        (0..TAKES).map(posts).collect()
    }

    /// Waits until the simulator has done with everybody who has ever connected: what a killed program has sent is in
    /// its books then, or never will be. Connections are accepted in order, so all older ones are when this one is
    /// answered.
    fn settle_down(&self) {
        let begun = std::time::Instant::now();
        self.ask("faults");
        while sockets(self.simulator.process()) > self.at_rest {
            assert!(begun.elapsed().as_secs() < 20, "the simulator is still talking to somebody");
            self.ask("faults");
        }
    }

    /// Asks the simulator without another program, since it is asked hundreds of times.
    fn ask(&self, what: &str) -> Vec<Value> {
        let mut stream = TcpStream::connect(self.simulator.url.trim_start_matches("http://")).unwrap();
        write!(stream, "GET /_simulator/{what} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    /// The clips on disk, each with the number of its file: one that was written again has another.
    pub(crate) fn clips(&self) -> BTreeMap<usize, u64> {
        let inode = |number| Some((number, std::fs::metadata(self.site.clip(&take(number))).ok()?.ino()));
        (0..TAKES).filter_map(inode).collect()
    }

    /// Everything is done, paid once, on disk, and all books say the same.
    pub(crate) fn is_complete(&self) {
        let name = self.form.name;
        let takes = self.site.json(&["status"]);
        let bills = self.bills();
        assert_eq!(bills.len(), TAKES, "{name}");
        let canned = std::fs::read(repository(CLIP)).unwrap();
        for (number, row) in takes["takes"].as_array().unwrap().iter().enumerate() {
            assert_eq!((row["take"].as_str(), row["state"].as_str()), (Some(&*take(number)), Some("done")), "{name}");
            assert_eq!(row["request_id"], bills[&number].request_id, "{name}: {row}");
            assert_eq!(row["usd_micros"], bills[&number].micros, "{name}: {row}");
            assert_eq!(std::fs::read(self.site.clip(&take(number))).unwrap(), canned, "{name}: {number}");
        }
        self.books_agree(&bills);
        assert_eq!(self.posts(), [1; TAKES], "{name}");
        for path in files(self.site.folder.path()) {
            let file = path.file_name().unwrap().to_string_lossy().into_owned();
            assert!(!file.starts_with(".seedpost-"), "{name}: {path:?} was left");
        }
    }

    /// The simulator's bills, what the takes' events add up to, the budget and `status` agree to the millionth of a
    /// dollar, in every form: where a provider tells no amount, the simulator takes what the catalog says, and so does
    /// the ledger.
    pub(crate) fn books_agree(&self, bills: &BTreeMap<usize, Bill>) {
        let name = self.form.name;
        let charged: u64 = bills.values().map(|bill| bill.micros).sum();
        let books = books(self.site.folder.path());
        assert_eq!(self.site.json(&["status"])["usd_micros"], charged, "{name}: {books}");
        assert_eq!(books["committed"], charged, "{name}: {books}");
        assert_eq!(books["added_up"], charged, "{name}: {books}");
        // Every request that was to be sent was charged, or it is known that it was not.
        assert_eq!(books["intents"].as_u64().unwrap() - books["free"].as_u64().unwrap(), bills.len() as u64, "{name}");
        let known: Vec<&str> = books["requests"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
        assert!(bills.values().all(|bill| known.contains(&&*bill.request_id)), "{name}: {books}");
        assert_eq!(books["places"], 0, "{name}: {books}");
    }
}

/// How many sockets a process holds.
fn sockets(process: u32) -> usize {
    let entries = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    let is_socket = |path: &std::path::PathBuf| path.to_string_lossy().starts_with("socket:");
    entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok()).filter(is_socket).count()
}

/// The ledger as Python reads it, with what each take's events add up to.
fn books(project: &Path) -> Value {
    const SCRIPT: &str = r#"
import json, sqlite3, sys
ledger = sqlite3.connect(sys.argv[1])
takes, intents, free = {}, 0, 0
for take, text in ledger.execute("SELECT take, payload FROM event ORDER BY take, seq"):
    event = json.loads(text)
    kind = event["kind"]
    if kind == "submit_intended":
        takes[take] = event["reserved"]
        intents += 1
    elif (kind in ("submit_deferred", "submit_refused") or event.get("outcome") == "not_charged"
          or kind == "render_failed" and not event["owed"]):
        takes[take] = 0
        free += 1
    elif kind == "rendered" and event["charged"] is not None:
        takes[take] = event["charged"]
    elif kind == "charged":
        takes[take] = event["amount"]
one = lambda statement: ledger.execute(statement).fetchone()[0]
print(json.dumps({
    "added_up": sum(takes.values()),
    "intents": intents,
    "free": free,
    "committed": one("SELECT committed_micros FROM budget"),
    "places": one("SELECT count(*) FROM place"),
    "requests": [row[0] for row in ledger.execute("SELECT request_id FROM request")],
}))
"#;
    let ledger = project.join(".seedpost/ledger.db");
    serde_json::from_str(&tool(python(), &["-c", SCRIPT, text(&ledger)])).unwrap()
}
