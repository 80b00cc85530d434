//! A Postgres server of a test's own: made in a temporary folder, killed and started again as a test wants.
//!
//! Whatever becomes of the test program, a watch in a process of its own ends the server and removes the folder.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, mpsc};
use std::thread::JoinHandle;

/// Who owns all databases.
pub(crate) const USER: &str = "seedpost";

/// What is not as in a server that is set up for work: it takes little memory, and sorts as people do rather than by
/// bytes, so that a query which relies on an order by bytes is found out.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = on
shared_buffers = 16MB
max_connections = 200
logging_collector = off
log_destination = 'stderr'
";

/// Who comes in, and `guarded` only with a password.
const DOORS: &str = "host all guarded 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n";

/// A server, and the folder that it keeps everything in.
pub(crate) struct Postgres {
    programs: PathBuf,
    folder: PathBuf,
    /// Whom it runs as, where that is not the one who tests.
    user: Option<(u32, u32)>,
    pub(crate) port: u16,
    running: Mutex<Option<Running>>,
    databases: AtomicU32,
    watch: Child,
}

/// The server's first process, and who reads what all its processes say.
struct Running {
    postmaster: Child,
    reader: JoinHandle<()>,
}

impl Postgres {
    /// The one that the tests of this program share; whoever kills it needs one of his own.
    pub(crate) fn shared() -> &'static Postgres {
        static SHARED: LazyLock<Postgres> = LazyLock::new(Postgres::start);
        &SHARED
    }

    /// Makes a server and waits until it answers.
    pub(crate) fn start() -> Postgres {
        let folder = tempfile::Builder::new().prefix("seedpost-postgres-").tempdir().unwrap().keep();
        let (programs, user) = (programs(), other_user());
        if let Some((uid, gid)) = user {
            chown(&folder, Some(uid), Some(gid)).unwrap();
        }
        let watch = watch(&programs, &folder, user);
        let port = free_port();
        let (running, databases) = (Mutex::new(None), AtomicU32::new(0));
        let postgres = Postgres { programs, folder, user, port, running, databases, watch };
        postgres.make();
        postgres.restart();
        postgres
    }

    fn make(&self) {
        let mut initdb = self.program("initdb");
        initdb.args(["--no-sync", "--no-instructions", "--username", USER, "--encoding", "UTF8", "--locale", "C"]);
        initdb.args(["--locale-provider", "icu", "--icu-locale", "en-US", "--auth", "trust"]);
        let output = initdb.arg("--pgdata").arg(self.data()).output().unwrap();
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        for (name, text) in
            [("postgresql.conf", format!("{SETTINGS}port = {}\n", self.port)), ("pg_hba.conf", DOORS.into())]
        {
            let path = self.data().join(name);
            std::fs::write(&path, text).unwrap();
            if let Some((uid, gid)) = self.user {
                chown(&path, Some(uid), Some(gid)).unwrap();
            }
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// One of the server's programs, by whoever may run it.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.current_dir(&self.folder).env("LC_ALL", "C").stdin(Stdio::null());
        as_user(&mut command, self.user);
        command
    }

    /// Starts it, which may have been killed, and waits until it answers.
    pub(crate) fn restart(&self) {
        let mut running = self.running.lock().unwrap();
        assert!(running.is_none(), "it runs");
        let mut command = self.program("postgres");
        let mut postmaster =
            command.arg("-D").arg(self.data()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(postmaster.stderr.take().unwrap());
        let (tell, told) = mpsc::channel();
        // Reads on for as long as the server lives: it would stand still before a pipe that is full.
        let reader = std::thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                // Once it is ready nobody listens any more.
                let _ = tell.send(line);
            }
        });
        let ready = |line: &String| line.contains("ready to accept connections");
        let mut log = Vec::new();
        assert!(told.iter().inspect(|line| log.push(line.clone())).any(|line| ready(&line)), "{}", log.join("\n"));
        *running = Some(Running { postmaster, reader });
    }

    /// Ends it as a power cut would, by SIGKILL, and waits until none of its processes is left.
    pub(crate) fn kill(&self) {
        let mut running = self.running.lock().unwrap().take().expect("it runs");
        running.postmaster.kill().unwrap();
        running.postmaster.wait().unwrap();
        // The last process that could say something has gone.
        running.reader.join().unwrap();
    }

    /// The address of a new, empty database.
    pub(crate) fn url(&self) -> String {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::SeqCst));
        self.sql(&self.address("postgres"), &format!("CREATE DATABASE {name}"));
        self.address(&name)
    }

    /// The address of a database.
    pub(crate) fn address(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// Has a statement carried out by `psql`; answers the rows, their columns parted by `|`.
    pub(crate) fn sql(&self, address: &str, statement: &str) -> String {
        self.try_sql(address, statement).unwrap_or_else(|error| panic!("{statement}: {error}"))
    }

    /// The same of a statement that may be refused.
    pub(crate) fn try_sql(&self, address: &str, statement: &str) -> Result<String, String> {
        let mut psql = self.program("psql");
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1"]);
        let output = psql.args(["--command", statement]).arg(address).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim_end().to_owned();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The watch sees that nobody holds its input any more, and does the rest.
        drop(self.watch.stdin.take());
        if let Ok(Some(mut running)) = self.running.get_mut().map(Option::take) {
            let _ = running.postmaster.wait();
        }
        let _ = self.watch.wait();
    }
}

/// Stops the server and removes its folder once this program is gone, or lets go of the input.
fn watch(programs: &Path, folder: &Path, user: Option<(u32, u32)>) -> Child {
    // What is being made in this moment, or is ending, may put a file where there was none.
    const SCRIPT: &str = r#"cat
test -e "$2/data/postmaster.pid" && "$1" stop -D "$2/data" -m immediate -s
for try in 1 2 3 4 5 6 7 8 9; do rm -rf "$2" && break; sleep 1; done"#;
    let mut command = Command::new("sh");
    command.args(["-c", SCRIPT, "sh"]).arg(programs.join("pg_ctl")).arg(folder).current_dir("/");
    // In a group of its own: Ctrl-C at a terminal is not for it.
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    as_user(&mut command, user);
    command.spawn().unwrap()
}

fn as_user(command: &mut Command, user: Option<(u32, u32)>) {
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
}

/// The folder of the server's programs: on the path, else the newest where Debian has them.
fn programs() -> PathBuf {
    let whole =
        |folder: &PathBuf| ["initdb", "postgres", "pg_ctl", "psql"].iter().all(|name| folder.join(name).exists());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let version = |folder: &PathBuf| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path());
    let mut versions: Vec<_> = versions.filter_map(|folder| Some((version(&folder)?, folder.join("bin")))).collect();
    versions.sort_unstable_by(|one, other| other.cmp(one));
    let debian = versions.into_iter().map(|(_, folder)| folder);
    let found = std::env::split_paths(&path).chain(debian).find(whole);
    found.expect("these tests need a Postgres server: `make deps` installs it")
}

/// The server refuses to run as root: then it runs as the user of the package, else as nobody.
fn other_user() -> Option<(u32, u32)> {
    let number = |arguments: &[&str]| {
        let output = Command::new("id").args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse::<u32>().ok()
    };
    if number(&["-u"]) != Some(0) {
        return None;
    }
    let user = ["postgres", "nobody"].into_iter().find_map(|name| number(&["-u", name]).zip(number(&["-g", name])));
    Some(user.expect("a user that is not root"))
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
