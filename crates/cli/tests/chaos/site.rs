//! A project, its provider, its server and its store; and what has to be true of them in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::cuttable::Cuttable;
use crate::postgres::Postgres;
use crate::process::Process;
use crate::support::doors::{KEY, holds_no_key};
use crate::support::{Simulator, files, outcome, repository, seedpost, tool};

/// What is in the ledger's address, and must be seen nowhere.
const PASSWORD: &str = "pw-that-nobody-may-see-2203";
/// How many jobs the key has room for.
pub(crate) const ROOM: usize = 12;
const CLIP: &str = "fixtures/media/clip_h264_aac.mp4";

pub(crate) struct Site {
    folder: tempfile::TempDir,
    pub(crate) postgres: Postgres,
    /// The first worker's line to the server.
    pub(crate) line: Cuttable,
    simulator: Simulator,
    ledger: String,
    takes: usize,
}

impl Site {
    /// A project of so many takes, with a budget that is exactly what they cost.
    pub(crate) fn new(takes: usize) -> Site {
        let folder = tempfile::tempdir().unwrap();
        let (postgres, clip) = (Postgres::start(), repository(CLIP));
        let arguments = ["--clip", clip.to_str().unwrap(), "--queue", "2", "--parallel", "64"];
        let simulator = Simulator::start_with(folder.path(), &arguments);
        let line = Cuttable::to(postgres.port);
        let ledger = postgres.url().replace("seedpost@", &format!("seedpost:{PASSWORD}@"));
        let site = Site { folder, postgres, line, simulator, ledger, takes };
        for name in ["project/refs", "store", "logs"] {
            std::fs::create_dir_all(site.path(name)).unwrap();
        }
        std::fs::copy(repository("fixtures/demo/refs/chef.jpg"), site.path("project/refs/chef.jpg")).unwrap();
        site.write("1000.00");
        let price = site.json(&["plan"])["usd_micros"].as_u64().unwrap();
        site.write(&format!("{}.{:06}", price / 1_000_000, price % 1_000_000));
        site
    }

    fn write(&self, limit: &str) {
        let mut list = format!(
            "title = \"Chaos\"\n[render]\nprovider = \"fal\"\ntier = \"fast\"\nresolution = \"480p\"\n[budget]\nlimit_usd = \"{limit}\"\n"
        );
        for number in 1..=self.takes {
            let prompt = prompt(number);
            list.push_str(&format!("[[shot]]\nid = \"S{number}\"\nprompt = \"{prompt}\"\nduration = 4\n"));
            if number % 5 == 0 {
                list.push_str("images = [\"refs/chef.jpg\"]\n");
            }
        }
        std::fs::write(self.path("project/shots.toml"), list).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with the key, on the ledger and the store.
    fn command(&self, arguments: &[&str], ledger: &str) -> Command {
        let mut command = seedpost(&self.path("project"));
        command.args(arguments).args(["--ledger", ledger]);
        command.env("FAL_KEY", KEY).env("SEEDPOST_FAL_URL", &self.simulator.url);
        command.env("SEEDPOST_KEY_LIMIT", ROOM.to_string()).env("XDG_RUNTIME_DIR", self.folder.path());
        command.env("SEEDPOST_STORE", format!("file://{}", self.path("store").display()));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// A worker, by way of the line or not; what it says goes to a file of that name. It ends by itself, as by a power
    /// cut, when it comes to a place for such a time.
    pub(crate) fn worker(&self, name: &str, by_line: bool, cut: Option<String>) -> Process {
        let ledger = if by_line { self.line.address(&self.ledger) } else { self.ledger.clone() };
        let lease = crate::LEASE.as_secs().to_string();
        let mut command = self.command(&["worker", "--lease", &lease, "--concurrency", "4"], &ledger);
        command.envs(cut.map(|cut| ("SEEDPOST_CUT", cut)));
        Process::start(command.stderr(self.log(name)))
    }

    fn log(&self, name: &str) -> File {
        File::options().create(true).append(true).open(self.path("logs").join(name)).unwrap()
    }

    /// The run, as a process of its own.
    pub(crate) fn run(&self) -> Process {
        let mut command = self.command(&["run", "--no-finish", "--progress", "plain"], &self.ledger);
        Process::start(command.stderr(self.log("run")))
    }

    pub(crate) fn said(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = self.command(arguments, &self.ledger);
        outcome(command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap())
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let (_, out, err) = self.said(&[arguments, &["--json"]].concat());
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}\n{}", self.told()))
    }

    /// Does what a person does about unknown payments while no worker is at work: those that the bills do not have were
    /// never taken. What the bills have the program finds by itself: there is none of it once all work has come to its
    /// end. Answers how many there were.
    pub(crate) fn settle(&self, all_rest: bool) -> usize {
        let status = self.json(&["status"]);
        let takes = status["takes"].as_array().unwrap();
        let unknown: BTreeSet<_> =
            takes.iter().filter(|take| take["state"] == "unknown").map(|take| take["take"].as_str().unwrap()).collect();
        let open = "SELECT take FROM event AS one WHERE kind IN ('submit_intended', 'submit_unknown')
             AND seq = (SELECT max(seq) FROM event WHERE take = one.take)";
        assert_eq!(unknown, self.sql(open).lines().collect(), "those whose answer is not on record");
        let bills = self.simulator.bills();
        let mut settled = 0;
        for take in &unknown {
            let body = self.json(&["resolve", take])["body"].clone();
            assert!(body["prompt"].is_string(), "{body}");
            if let Some(bill) = bills.iter().find(|bill| bill["input"] == body) {
                assert!(!all_rest, "{take} is in the provider's list, and was not found: {bill}\n{}", self.told());
                continue;
            }
            let (code, out, err) = self.said(&["resolve", take, "--not-charged", "--force"]);
            assert_eq!(code, 0, "{out}{err}");
            settled += 1;
        }
        settled
    }

    /// How many payments have been unknown for a while: each may be a job under way, and holds room under the key.
    pub(crate) fn stuck(&self) -> usize {
        let since = "SELECT count(*) FROM event AS one WHERE kind IN ('submit_intended', 'submit_unknown')
             AND seq = (SELECT max(seq) FROM event WHERE take = one.take)
             AND at_ms < (extract(epoch FROM clock_timestamp()) - 10) * 1000";
        self.sql(since).parse().unwrap()
    }

    /// What must be true in the end; answers how many unknown payments the program has found by itself.
    pub(crate) fn check(&self) -> usize {
        let status = self.json(&["status"]);
        let takes = status["takes"].as_array().unwrap();
        assert_eq!(takes.len(), self.takes);
        let sha256 = sha256(&repository(CLIP));
        for take in takes {
            let name = take["take"].as_str().unwrap();
            assert_eq!(take["state"], "done", "{take}");
            assert!(take["detail"].as_str().unwrap().ends_with(&sha256), "{take}");
            let place = format!("takes/{}/T01", name.strip_suffix("_T01").unwrap());
            assert_eq!(self::sha256(&self.path("project").join(&place).join("render.mp4")), sha256, "{name}");
            // A killed worker may leave a draft beside it.
            let mut kept = files(&self.path("store").join(&place));
            kept.retain(|path| path.ends_with("render.mp4"));
            assert!(kept.len() == 1 && self::sha256(&kept[0]) == sha256, "{name} in the store: {kept:?}");
        }
        self.check_money(&status);
        self.check_room();
        self.check_traces();
        self.check_again(&sha256);
        let adopted = "SELECT count(*) FROM event WHERE kind = 'resolved' AND payload LIKE '%\"charged\"%'";
        self.sql(adopted).parse().unwrap()
    }

    /// Each take was paid for once, and all sums are one.
    fn check_money(&self, status: &Value) {
        let bills = self.simulator.bills();
        let mut charged: BTreeMap<&str, usize> = BTreeMap::new();
        for bill in &bills {
            *charged.entry(bill["input"]["prompt"].as_str().unwrap()).or_default() += 1;
        }
        for number in 1..=self.takes {
            assert_eq!(charged.get(prompt(number).as_str()), Some(&1), "take {number}\n{}", self.told());
        }
        assert_eq!(bills.len(), self.takes);
        let sum: u64 = bills.iter().map(|bill| bill["micros"].as_u64().unwrap()).sum();
        assert_eq!(status["usd_micros"], sum, "what the takes come to");
        assert_eq!(status["usd_micros_limit"], sum, "the budget is what the takes cost");
        assert_eq!(self.sql("SELECT committed_micros FROM budget"), sum.to_string(), "what counts as spent");
        assert_eq!(self.sql("SELECT count(*), count(DISTINCT take) FROM request"), format!("{0}|{0}", self.takes));
        assert_eq!(self.sql("SELECT count(*) FROM place"), "0", "nothing is under way any more");
        let (code, out, err) = self.said(&["ledger", "verify"]);
        assert_eq!(code, 0, "{out}{err}");
    }

    /// The provider never had more jobs of the key at once than it has room for: a job is under way from its intent to
    /// the event that ends it.
    fn check_room(&self) {
        let most = "WITH span AS (
               SELECT since.at_ms AS since, (SELECT min(at_ms) FROM event WHERE take = since.take AND seq > since.seq
                 AND (kind IN ('rendered', 'submit_deferred') OR payload LIKE '%not_charged%')) AS until
               FROM event AS since WHERE kind = 'submit_intended')
             SELECT max((SELECT count(*) FROM span AS other WHERE other.since <= span.since AND other.until > span.since))
             FROM span";
        let most: usize = self.sql(most).parse().unwrap();
        assert!((2..=ROOM).contains(&most), "{most} jobs at once");
    }

    /// A clip that is gone comes again out of the store, with no worker at work and for nothing.
    fn check_again(&self, sha256: &str) {
        let (clip, paid) = (self.path("project/takes/S1/T01/render.mp4"), self.simulator.bills().len());
        std::fs::remove_file(&clip).unwrap();
        let (code, out, err) = self.said(&["run", "--no-finish"]);
        assert_eq!(code, 0, "{out}{err}");
        assert_eq!((self::sha256(&clip).as_str(), self.simulator.bills().len()), (sha256, paid));
    }

    /// No file holds the key or the password, and nothing half-written is left.
    fn check_traces(&self) {
        let all: Vec<PathBuf> = ["project", "store", "logs"].iter().flat_map(|name| files(&self.path(name))).collect();
        holds_no_key(&all);
        for path in &all {
            let bytes = std::fs::read(path).unwrap();
            let found = bytes.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes());
            assert!(!found, "the password stands in {}", path.display());
        }
        let held = self.sql("SELECT string_agg(concat_ws(' ', take, work, outcome), ' ') FROM errand");
        assert!(!held.contains(KEY) && !held.contains(PASSWORD));
        let clips = files(&self.path("project/takes")).len();
        assert_eq!(clips, self.takes, "{:?}", files(&self.path("project/takes")));
    }

    pub(crate) fn sql(&self, statement: &str) -> String {
        self.postgres.sql(&self.ledger, statement)
    }

    /// What all programs have said last.
    pub(crate) fn told(&self) -> String {
        let mut logs = files(&self.path("logs"));
        logs.sort();
        let tail = |path: &PathBuf| {
            let text = std::fs::read_to_string(path).unwrap();
            let lines: Vec<_> = text.lines().collect();
            format!("{}:\n{}\n", path.display(), lines[lines.len().saturating_sub(40)..].join("\n"))
        };
        logs.iter().map(tail).collect()
    }
}

fn prompt(number: usize) -> String {
    format!("chaos take {number} of many")
}

fn sha256(path: &Path) -> String {
    tool("sha256sum", &[path.to_str().unwrap()]).split(' ').next().unwrap().to_owned()
}
