//! The receiver of webhooks against honest, hostile, slow and repeated ones, and the wake files behind it.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

#[path = "support/server.rs"]
mod server;

#[path = "support/signer.rs"]
mod signer;

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant, SystemTime};

use seedpost_render::Secret;
use seedpost_render::wake::Wakes;
use seedpost_render::webhook::{Receiver, Settings};
use server::{Reply, Server};
use signer::{Letter, Signer, key_set, post, publish, talk};

const NOW: u64 = 1_800_000_000;
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A receiver with a clock of its own, and what it did.
struct Desk {
    address: SocketAddr,
    now: Arc<AtomicU64>,
    woken: Arc<Mutex<Vec<String>>>,
    heard: Arc<Mutex<Vec<String>>>,
    _receiver: Receiver,
    _runtime: tokio::runtime::Runtime,
}

impl Desk {
    fn open(keys: &str) -> Desk {
        Desk::with(keys, TOKEN, Duration::from_secs(10), |_| Ok(()))
    }

    fn with(
        keys: &str,
        token: &str,
        patience: Duration,
        wake: impl Fn(&str) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Desk {
        let now = Arc::new(AtomicU64::new(NOW));
        let (woken, heard) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let keys = format!("{keys}/rest/.well-known/jwks.json");
        let mut settings = Settings::new(([127, 0, 0, 1], 0).into(), keys, Secret::new(token.to_owned()));
        let clock = now.clone();
        settings.clock = Arc::new(move || clock.load(Ordering::SeqCst));
        settings.patience = patience;
        let (note, hear) = (woken.clone(), heard.clone());
        let wake = move |id: &str| {
            wake(id)?;
            note.lock().unwrap().push(id.to_owned());
            Ok(())
        };
        let hear = move |notice: &seedpost_render::webhook::Notice| hear.lock().unwrap().push(notice.to_string());
        let receiver = runtime.block_on(Receiver::start(settings, wake, hear)).unwrap();
        Desk { address: receiver.address(), now, woken, heard, _receiver: receiver, _runtime: runtime }
    }

    fn status(&self, letter: &Letter) -> u16 {
        letter.send(self.address).0
    }

    fn woken(&self) -> Vec<String> {
        self.woken.lock().unwrap().clone()
    }

    fn pass(&self, seconds: u64) {
        self.now.fetch_add(seconds, Ordering::SeqCst);
    }

    /// The last line that was heard.
    fn heard(&self) -> String {
        self.heard.lock().unwrap().last().cloned().unwrap_or_default()
    }
}

/// Publishes keys.
fn fetches(server: &Server) -> usize {
    server.seen.lock().unwrap().len()
}

/// Waits until something has come true.
fn until(what: &str, test: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !test() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_signed_webhook_wakes_its_request_once() {
    let signer = Signer::new();
    let server = publish(&[&Signer::new(), &signer]);
    let desk = Desk::open(&server.url);
    let letter = signer.done("req-1", NOW);
    assert_eq!(letter.send(desk.address), (200, "accepted".into()));
    assert_eq!(desk.heard(), "fal req-1: accepted");

    assert_eq!(letter.send(desk.address), (200, "known".into()), "replayed");
    assert_eq!(desk.heard(), "fal req-1: known");
    let upper = letter.signature().to_uppercase();
    let upper = letter.with("X-Fal-Webhook-Signature", Some(&upper));
    assert_eq!(upper.send(desk.address), (200, "known".into()), "replayed in another spelling");
    assert_eq!(signer.done("req-1", NOW + 20).send(desk.address), (200, "known".into()), "sent again by fal");

    assert_eq!(signer.done("req-2", NOW).send(desk.address), (200, "accepted".into()));
    assert_eq!((desk.woken(), fetches(&server)), (vec!["req-1".to_owned(), "req-2".to_owned()], 1));
}

#[test]
fn what_is_not_signed_so_now_wakes_nobody() {
    let (signer, other) = (Signer::new(), Signer::new());
    let server = publish(&[&signer]);
    let desk = Desk::open(&server.url);
    let good = || signer.done("r", NOW);
    let tampered = Letter { body: good().body.replace("OK", "ERROR"), ..good() };
    let twice = {
        let mut letter = good();
        let header = letter.headers[3].clone();
        letter.headers.push(header);
        letter
    };
    let forged = other.done("r", NOW);
    let moved = good().with("X-Fal-Webhook-Timestamp", Some(&(NOW + 1).to_string()));
    for (letter, words) in [
        (forged, "fits no key"),
        (tampered, "fits no key"),
        (moved, "fits no key"),
        (good().with("X-Fal-Webhook-User-Id", Some("user_2")), "fits no key"),
        (good().with("X-Fal-Webhook-Request-Id", Some("r2")), "fits no key"),
        (signer.done("r", NOW - 301), "more than 300 s before"),
        (signer.done("r", NOW + 301), "more than 300 s after"),
        (signer.done("r", u64::MAX), "more than 300 s after"),
        (twice, "not signed"),
        (good().with("X-Fal-Webhook-Timestamp", Some("+1800000000")), "not signed"),
        (good().with("X-Fal-Webhook-Timestamp", Some("")), "not signed"),
        (good().with("X-Fal-Webhook-Timestamp", Some(&"9".repeat(40))), "not signed"),
        (good().with("X-Fal-Webhook-Signature", Some("")), "not signed"),
        (good().with("X-Fal-Webhook-Signature", Some(&"z".repeat(128))), "not signed"),
        (good().with("X-Fal-Webhook-Signature", Some(&"0".repeat(127))), "not signed"),
        (good().with("X-Fal-Webhook-Signature", Some(&"é".repeat(64))), "not signed"),
        (good().with("X-Fal-Webhook-Signature", Some(&"0".repeat(128))), "fits no key"),
    ] {
        assert_eq!(desk.status(&letter), 401, "{words}");
        assert!(desk.heard().contains(words), "{}", desk.heard());
        assert!(!desk.heard().contains(good().signature()));
    }
    for name in ["Request-Id", "User-Id", "Timestamp", "Signature"] {
        assert_eq!(desk.status(&good().with(&format!("X-Fal-Webhook-{name}"), None)), 401, "{name}");
    }
    assert_eq!(desk.woken(), Vec::<String>::new());
    for (id, time) in [("early", NOW + 300), ("late", NOW - 300)] {
        assert_eq!(desk.status(&signer.done(id, time)), 200, "{id}");
    }
}

#[test]
fn the_header_and_the_body_name_the_same_request() {
    let signer = Signer::new();
    let server = publish(&[&signer]);
    let desk = Desk::open(&server.url);
    for (id, body, status) in [
        ("a", r#"{"request_id":"b"}"#, 400),
        ("a", r#"{"status":"OK"}"#, 400),
        ("a", r#"{"request_id":5}"#, 400),
        ("a", "a", 400),
        ("a", "", 400),
        ("a", &"[".repeat(100_000), 400),
        ("../x", r#"{"request_id":"../x"}"#, 400),
        (&"a".repeat(129), &format!(r#"{{"request_id":"{}"}}"#, "a".repeat(129)), 400),
        ("a", r#"{"request_id":"a","gateway_request_id":"../../x"}"#, 200),
        ("second", r#"{"request_id":"first","gateway_request_id":"second"}"#, 200),
    ] {
        assert_eq!(desk.status(&signer.letter(id, NOW, body)), status, "{id} {body}");
    }
    // Which of the two a submit's reply named is not known, so both are asked after.
    assert_eq!(desk.woken(), ["a", "first", "second"]);
    let other_way = signer.letter("first", NOW + 1, r#"{"request_id":"first","gateway_request_id":"second"}"#);
    assert_eq!(other_way.send(desk.address), (200, "known".into()));
    // No header of HTTP may hold this, or be as long.
    assert_eq!(desk.status(&signer.done("a\0b", NOW)), 400);
    assert_ne!(desk.status(&signer.done(&"a".repeat(1_000_000), NOW)), 200);
    assert_eq!(desk.woken().len(), 3);
}

#[test]
fn a_wake_that_cannot_be_written_may_be_sent_again() {
    let signer = Signer::new();
    let server = publish(&[&signer]);
    let full = Arc::new(Mutex::new(true));
    let disk = full.clone();
    let wake = move |_: &str| if *disk.lock().unwrap() { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(()) };
    let desk = Desk::with(&server.url, TOKEN, Duration::from_secs(10), wake);
    let letter = signer.done("r", NOW);
    assert_eq!(desk.status(&letter), 503);
    *full.lock().unwrap() = false;
    assert_eq!(letter.send(desk.address), (200, "accepted".into()));
    assert_eq!(desk.woken(), ["r"]);
}

#[test]
fn keys_are_kept_a_day_and_fetched_again_when_none_fits_but_never_in_a_flood() {
    let (old, new, forger) = (Signer::new(), Signer::new(), Signer::new());
    let set = Arc::new(Mutex::new(key_set(&[format!("{}=", old.key())])));
    let shown = set.clone();
    let server = Server::start(move |_, _| Reply::Text(200, shown.lock().unwrap().clone()));
    let desk = Desk::open(&server.url);
    assert_eq!((desk.status(&old.done("padded", NOW)), fetches(&server)), (200, 1));

    *set.lock().unwrap() = key_set(&[new.key()]);
    desk.pass(59);
    assert_eq!((desk.status(&new.done("rotated", NOW)), fetches(&server)), (401, 1), "within the minute");
    assert_eq!((desk.status(&old.done("cached", NOW)), fetches(&server)), (200, 1));
    desk.pass(1);
    assert_eq!((desk.status(&new.done("rotated", NOW)), fetches(&server)), (200, 2));
    assert_eq!((desk.status(&old.done("withdrawn", NOW)), fetches(&server)), (401, 2));

    desk.pass(60);
    for _ in 0..20 {
        assert_eq!(desk.status(&forger.done("forged", NOW)), 401);
    }
    assert_eq!(fetches(&server), 3);
    *set.lock().unwrap() = "gone".to_owned();
    desk.pass(24 * 3600);
    let at = desk.now.load(Ordering::SeqCst);
    assert_eq!((desk.status(&new.done("in-time", at)), fetches(&server)), (200, 3));
    desk.pass(1);
    assert_eq!((desk.status(&new.done("too-old", at)), fetches(&server)), (503, 4));
}

#[test]
fn keys_that_cannot_be_read_are_asked_for_again_later() {
    let signer = Signer::new();
    let set = Arc::new(Mutex::new(String::new()));
    let shown = set.clone();
    let server = Server::start(move |_, _| match shown.lock().unwrap().clone() {
        empty if empty.is_empty() => Reply::Drop,
        set => Reply::Text(200, set),
    });
    let desk = Desk::open(&server.url);
    for broken in ["", "{}", r#"{"keys":[]}"#, "<html>", r#"{"keys":[{"x":"short"}]}"#, &"x".repeat(5 << 20)] {
        *set.lock().unwrap() = broken.to_owned();
        let at = desk.now.load(Ordering::SeqCst);
        assert_eq!(desk.status(&signer.done("r", at)), 503, "{broken:.20}");
        assert!(desk.heard().contains("the keys cannot be read"), "{}", desk.heard());
        desk.pass(60);
    }
    *set.lock().unwrap() = key_set(&[signer.key()]);
    let at = desk.now.load(Ordering::SeqCst);
    assert_eq!(desk.status(&signer.done("r", at)), 200);

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let desk = Desk::open(&format!("http://{nobody}"));
    assert_eq!(desk.status(&signer.done("r", NOW)), 503);
}

/// Else anybody could keep the keys away with one hasty request a minute.
#[test]
fn a_sender_that_hangs_up_does_not_end_the_reading_of_keys() {
    let signer = Signer::new();
    let set = key_set(&[signer.key()]);
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let server = Server::start(move |_, _| {
        let _ = held.lock().unwrap().recv();
        Reply::Text(200, set.clone())
    });
    let desk = Desk::open(&server.url);
    let mut hasty = TcpStream::connect(desk.address).unwrap();
    hasty.write_all(&Signer::new().done("forged", NOW).bytes("/fal")).unwrap();
    until("the keys are asked for", || fetches(&server) == 1);
    drop(hasty);
    drop(release);
    assert_eq!((desk.status(&signer.done("r", NOW)), fetches(&server)), (200, 1));
}

#[test]
fn a_body_of_more_than_a_mebibyte_is_too_large() {
    let signer = Signer::new();
    let server = publish(&[&signer]);
    let desk = Desk::open(&server.url);
    let body = |length: usize| format!(r#"{{"request_id":"r"{}}}"#, " ".repeat(length - 18));
    assert_eq!(desk.status(&signer.letter("r", NOW, &body(1 << 20))), 200, "exactly 1 MiB");

    let letter = signer.letter("large", NOW, &body((1 << 20) + 1));
    let head_only = |path: &str| {
        let bytes = letter.bytes(path);
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        String::from_utf8(bytes[..end].to_vec()).unwrap()
    };
    for path in ["/fal", &format!("/ark/{TOKEN}")] {
        let head = head_only(path);
        assert_eq!(talk(desk.address, head.as_bytes()).0, 413, "told by its length");
        let chunked = head.replace("content-length: 1048577", "transfer-encoding: chunked");
        let chunked = [chunked.as_bytes(), b"100001\r\n", letter.body.as_bytes()].concat();
        assert_eq!(talk(desk.address, &chunked).0, 413, "told by its bytes");
    }
    assert_eq!(desk.woken(), ["r"]);
}

#[test]
fn slow_senders_are_hung_up_on_and_a_crowd_waits_outside() {
    let signer = Signer::new();
    let server = publish(&[&signer]);
    let desk = Desk::with(&server.url, TOKEN, Duration::from_millis(1500), |_| Ok(()));
    let slow = signer.done("slow", NOW).bytes("/fal");
    std::thread::scope(|scope| {
        for part in [&slow[..0], &slow[..9], &slow[..slow.len() - 1]] {
            let address = desk.address;
            scope.spawn(move || assert_ne!(talk(address, part).0, 200, "{} bytes", part.len()));
        }
    });
    let started = Instant::now();
    let crowd: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(desk.address).unwrap()).collect();
    assert_eq!(desk.status(&signer.done("patient", NOW)), 200);
    assert!(started.elapsed() >= Duration::from_millis(1400), "more than 64 connections were served at once");
    drop(crowd);
    assert_eq!(desk.woken(), ["patient"]);
}

#[test]
fn a_connection_carries_one_request_and_unknown_paths_are_all_alike() {
    let server = publish(&[]);
    let desk = Desk::open(&server.url);
    let ask = |method: &str, path: &str| {
        talk(desk.address, format!("{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").as_bytes())
    };
    assert_eq!(ask("GET", "/health"), (200, "ok".into()));
    let unknown = ask("GET", "/nowhere");
    assert_eq!(unknown, (404, String::new()));
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/fal"),
        ("PUT", "/fal"),
        ("POST", "/fal/"),
        ("POST", "/health"),
        ("POST", "/ark"),
        ("POST", "/ark/"),
        ("GET", &format!("/ark/{TOKEN}")),
        ("POST", "/ark/0123456789abcdef0123456789abcdee"),
        ("POST", &format!("/ark/{TOKEN}/")),
        ("POST", &format!("/ark/{}", &TOKEN[1..])),
        ("POST", "/ark/%2e%2e"),
    ] {
        assert_eq!(ask(method, path), unknown, "{method} {path}");
    }
    assert!(!desk.heard.lock().unwrap().iter().any(|line| line.contains(&TOKEN[1..])));
    let silent = Desk::with(&server.url, "", Duration::from_secs(10), |_| Ok(()));
    assert_eq!(post(silent.address, "/ark/", r#"{"id":"cgt-1","status":"queued"}"#), unknown, "no token is no door");
}

#[test]
fn each_change_of_an_ark_task_wakes_once() {
    let server = publish(&[]);
    let desk = Desk::open(&server.url);
    let path = format!("/ark/{TOKEN}");
    let call = |body: &str| post(desk.address, &path, body);
    for (status, answer) in
        [("queued", "accepted"), ("running", "accepted"), ("running", "known"), ("succeeded", "accepted")]
    {
        let body = format!(r#"{{"id":"cgt-20261121100000-abcde","status":"{status}","error":null}}"#);
        assert_eq!(call(&body), (200, answer.into()), "{status}");
    }
    assert_eq!(call(r#"{"id":"cgt-2"}"#), (200, "accepted".into()), "a field may be absent");
    assert_eq!((desk.woken().len(), fetches(&server)), (4, 0));
    assert_eq!(desk.heard(), "ark cgt-2: accepted");
    let long = format!(r#"{{"id":"{}"}}"#, "a".repeat(1_000_000));
    for hostile in
        [r#"{"id":"../x"}"#, r#"{"id":"a\u0000"}"#, r#"{"id":""}"#, r#"{"id":["a"]}"#, "{}", "", "\0", "[", &long]
    {
        assert_eq!(call(hostile).0, 400, "{hostile:.20}");
    }
    assert_eq!(desk.woken().len(), 4);
}

#[test]
fn a_wake_file_ends_a_wait_and_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let wakes = Wakes::new(folder.path().join("a/wake"));
    let files = || std::fs::read_dir(folder.path().join("a/wake")).map_or(0, Iterator::count);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let wait = |id: &str, at_most: u64| runtime.block_on(wakes.wait(id, Duration::from_millis(at_most)));
    assert!(!wait("r", 50), "nobody woke it");

    wakes.wake("r").unwrap();
    wakes.wake("r").unwrap();
    wakes.wake("other").unwrap();
    assert_eq!(files(), 2);
    assert!(wait("r", 5000));
    assert!(!wait("r", 50), "once only");
    assert_eq!(files(), 1);

    // Woken by another thread, as by another program.
    std::thread::scope(|scope| {
        scope.spawn(|| Wakes::new(folder.path().join("a/wake")).wake("r").unwrap());
        assert!(wait("r", 20_000));
    });

    for hostile in ["", "../x", "a\0b", "a/b", "é", &"a".repeat(129), &"a".repeat(1 << 20)] {
        assert!(wakes.wake(hostile).is_err());
        assert!(!wait(hostile, 1));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was written elsewhere");
}

#[test]
fn wake_files_are_few_and_do_not_stay() {
    let folder = tempfile::tempdir().unwrap();
    let wakes = Wakes::holding(folder.path(), 3);
    (0..10).for_each(|number| wakes.wake(&format!("r{number}")).unwrap());
    let files = || std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files(), 3);

    std::fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    let day = Duration::from_secs(24 * 3600);
    assert_eq!(wakes.sweep(SystemTime::now() + day - Duration::from_secs(600)).unwrap(), 0);
    assert_eq!(wakes.sweep(SystemTime::now() + day + Duration::from_secs(600)).unwrap(), 3);
    assert_eq!(files(), 1, "what is not ours stays");
    wakes.wake("again").unwrap();
    assert_eq!(files(), 2);
    assert_eq!(Wakes::new(folder.path().join("missing")).sweep(SystemTime::now()).unwrap(), 0);
}
