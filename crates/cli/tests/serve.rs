//! `serve` as a user starts it: its addresses, its files, a signed webhook, and its end.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

mod support;

#[path = "../../render/tests/support/server.rs"]
mod server;

#[path = "../../render/tests/support/signer.rs"]
mod signer;

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use signer::{Signer, post, publish};
use support::{run, seedpost};

fn project(provider: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let list = format!("[render]\nprovider = \"{provider}\"\n[[shot]]\nid = \"S1\"\nprompt = \"p\"\nduration = 4\n");
    std::fs::write(folder.path().join("shots.toml"), list).unwrap();
    folder
}

/// A running `serve`.
struct Serve {
    child: Child,
    told: Value,
}

impl Serve {
    fn start(folder: &Path, environment: (&str, &str), options: &[&str]) -> Serve {
        let mut command = seedpost(folder);
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(options).env(environment.0, environment.1);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Serve { child, told: serde_json::from_str(&line).unwrap() }
    }

    fn told(&self, key: &str) -> &str {
        self.told[key].as_str().unwrap()
    }

    fn address(&self) -> SocketAddr {
        self.told("listen").strip_prefix("http://").unwrap().parse().unwrap()
    }

    /// Ends it; answers its exit code and what it said on standard error.
    fn end(mut self, signal: Signal) -> (Option<i32>, String) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "it goes on after the signal");
            std::thread::sleep(Duration::from_millis(5));
        };
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (status.code(), said)
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

fn wake_file(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!(".seedpost/wake/{:x}", Sha256::digest(id)))
}

fn note(folder: &Path) -> PathBuf {
    folder.join(".seedpost/webhook.json")
}

#[test]
fn a_signed_webhook_leaves_a_wake_file_and_an_end_leaves_no_address() {
    let (signer, folder) = (Signer::new(), project("fal"));
    let server = publish(&[&signer]);
    let folder = folder.path();
    let serve = Serve::start(
        folder,
        ("SEEDPOST_FAL_URL", &server.url),
        &["--public-url", "https://hooks.example.com/seedpost/"],
    );
    let kept: Value = serde_json::from_slice(&std::fs::read(note(folder)).unwrap()).unwrap();
    let token = kept["ark_token"].as_str().unwrap().to_owned();
    assert_eq!(kept["url"], "https://hooks.example.com/seedpost");
    assert!(token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{token}");
    assert_eq!(serve.told("fal"), "https://hooks.example.com/seedpost/fal");
    assert_eq!(serve.told("ark"), format!("https://hooks.example.com/seedpost/ark/{token}"));
    for name in ["webhook.json", "webhook.token"] {
        let mode = std::fs::metadata(folder.join(".seedpost").join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }

    let good = signer.done("0199-good", now());
    assert_eq!(good.send(serve.address()), (200, "accepted".into()));
    assert!(wake_file(folder, "0199-good").exists());
    assert_eq!(good.send(serve.address()), (200, "known".into()));
    assert_eq!(Signer::new().done("0199-forged", now()).send(serve.address()).0, 401);
    assert!(!wake_file(folder, "0199-forged").exists());
    assert_eq!(post(serve.address(), &format!("/ark/{token}"), r#"{"id":"cgt-1","status":"running"}"#).0, 200);
    assert_eq!(std::fs::read(wake_file(folder, "cgt-1")).unwrap(), b"");
    assert_eq!(post(serve.address(), "/ark/wrong", r#"{"id":"cgt-2","status":"running"}"#).0, 404);

    let (code, said) = serve.end(Signal::TERM);
    assert_eq!(code, Some(0));
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines,
        [
            "fal 0199-good: accepted",
            "fal 0199-good: known",
            "fal 0199-forged: refused: its signature fits no key",
            "ark cgt-1: accepted",
            "ark: refused: its token is wrong",
        ]
    );
    assert!(!note(folder).exists() && !said.contains(&token) && !said.contains(good.signature()));

    // Jobs that were sent before have the token in their address.
    let again = Serve::start(folder, ("SEEDPOST_FAL_URL", &server.url), &[]);
    assert_eq!(again.told("ark"), format!("{}/ark/{token}", again.told("listen")));
    assert_eq!(again.end(Signal::INT).0, Some(0));
    assert!(!note(folder).exists());
}

#[test]
fn one_serve_a_project_and_others_work_beside_it() {
    let (signer, folder) = (Signer::new(), project("simulator"));
    let server = publish(&[&signer]);
    let folder = folder.path();
    let serve = Serve::start(folder, ("SEEDPOST_SIMULATOR_URL", &server.url), &[]);
    let (code, _, err) = run(folder, &["serve", "--listen", "127.0.0.1:0"]);
    assert!(code == 2 && err.contains("another `seedpost serve` receives for"), "{code} {err}");
    assert!(err.contains(serve.told("fal")) && !err.contains("/ark/"), "{err}");
    assert!(note(folder).exists(), "the first one's note stays");
    // `conform` takes the project's lock, as `run` does.
    let (code, _, err) = run(folder, &["conform"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(signer.done("r", now()).send(serve.address()).0, 200);

    // Killed: its note stays, and counts for nothing.
    let mut serve = serve;
    serve.child.kill().unwrap();
    serve.child.wait().unwrap();
    assert!(note(folder).exists());
    let next = Serve::start(folder, ("SEEDPOST_SIMULATOR_URL", &server.url), &[]);
    assert_eq!(next.end(Signal::TERM).0, Some(0));
    assert!(!note(folder).exists());
}

#[test]
fn addresses_that_providers_cannot_use_are_refused() {
    let folder = project("fal");
    for options in [
        &["--public-url", "http://hooks.example.com"][..],
        &["--public-url", "https://me:word@hooks.example.com"],
        &["--listen", "0.0.0.0:0"],
        &["--listen", "nowhere"],
    ] {
        let (code, out, err) = run(folder.path(), &[&["serve"], options].concat());
        assert_eq!((code, out.as_str()), (2, ""), "{options:?}: {err}");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (code, _, err) = run(folder.path(), &["serve", "--listen", &taken.local_addr().unwrap().to_string()]);
    assert!(code == 70 && err.contains("choose another address with --listen"), "{code} {err}");
    assert!(!note(folder.path()).exists());
}
