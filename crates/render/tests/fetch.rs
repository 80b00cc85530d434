//! Reading remote references: what is refused, and what ends a transfer.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

#[path = "support/server.rs"]
mod server;

use std::io::Write;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use seedpost_render::fetch::{FetchError, FetchLimits, Fetcher, Reach};
use server::{Reply, Server};

/// For a server on this machine.
const LIMITS: FetchLimits =
    FetchLimits { max_bytes: 1000, time: Duration::from_secs(30), redirects: 3, reach: Reach::Everywhere };
const SHORT: Duration = Duration::from_millis(300);

async fn fetch(url: &str, limits: FetchLimits) -> (Result<u64, FetchError>, Vec<u8>) {
    let mut bytes = Vec::new();
    let result = Fetcher::new(limits).unwrap().fetch(url, &mut bytes).await;
    (result, bytes)
}

/// An answer sent as it stands, after which the connection is closed.
fn raw(head: &str, body: &[u8]) -> Reply {
    let answer = [head.replace('\n', "\r\n").as_bytes(), b"\r\n\r\n", body].concat();
    Reply::Talk(Box::new(move |stream| {
        // The other side may have hung up already.
        let _ = stream.write_all(&answer);
    }))
}

fn to(location: &str) -> Reply {
    raw(&format!("HTTP/1.1 302 X\nlocation: {location}\ncontent-length: 0\nconnection: close"), b"")
}

#[tokio::test]
async fn a_file_is_read_whole_and_nothing_else_is_told() {
    let server = Server::start(|_, _| Reply::Bytes(vec![7; 1000]));
    let (result, bytes) = fetch(&format!("{}/a.mp4?sig=1#part", server.url), LIMITS).await;
    assert_eq!((result.unwrap(), bytes), (1000, vec![7; 1000]));
    let seen = server.seen.lock().unwrap();
    assert_eq!((seen[0].method.as_str(), seen[0].path.as_str()), ("GET", "/a.mp4?sig=1"));
    let head = seen[0].head.to_ascii_lowercase();
    assert!(head.contains("accept-encoding: identity"), "{head}");
    for name in ["authorization:", "cookie:", "referer:"] {
        assert!(!head.contains(name), "{head}");
    }
}

#[tokio::test]
async fn private_hosts_are_never_asked() {
    let server = Server::start(|_, _| Reply::Bytes(vec![7]));
    let port = server.url.rsplit(':').next().unwrap();
    let fetcher = Fetcher::new(FetchLimits { reach: Reach::Public, ..LIMITS }).unwrap();
    for host in [
        "127.0.0.1",
        "127.1",
        "localhost",
        "LOCALHOST",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0x7f000001",
        "0x7f.1",
        "2130706433",
        "0.0.0.0",
    ] {
        let result = fetcher.fetch(&format!("http://{host}:{port}/?sig=secret"), &mut Vec::new()).await;
        let error = result.unwrap_err();
        assert!(matches!(error, FetchError::Private { .. }), "{host}: {error}");
        let words = error.to_string();
        assert!(words.ends_with(" is a private, loopback or link-local address") && !words.contains("secret"));
    }
    assert!(server.seen.lock().unwrap().is_empty());
    let (result, _) = fetch(&format!("http://localhost:{port}/"), LIMITS).await;
    assert_eq!(result.unwrap(), 1);
}

#[tokio::test]
async fn redirects_are_counted_and_judged() {
    let server = Server::start(|_, request| match request.path.as_str() {
        "/1" => to("/2"),
        "/2" => to("3?sig=1"),
        "/3?sig=1" => to("/end"),
        "/0" => to("/1"),
        "/loop" => to("/loop"),
        "/file" => to("file:///etc/passwd"),
        "/user" => to("http://me:word@127.0.0.1/"),
        "/nowhere" => raw("HTTP/1.1 302 X\ncontent-length: 0", b""),
        _ => Reply::Bytes(vec![7; 3]),
    });
    let at = |path: &str| format!("{}{path}", server.url);
    assert_eq!(fetch(&at("/1"), LIMITS).await.0.unwrap(), 3);
    assert!(!server.seen.lock().unwrap().iter().any(|request| request.head.contains("referer")));
    assert!(matches!(fetch(&at("/0"), LIMITS).await.0, Err(FetchError::Redirects(3))));
    assert!(matches!(fetch(&at("/file"), LIMITS).await.0, Err(FetchError::Address { .. })));
    assert!(matches!(fetch(&at("/user"), LIMITS).await.0, Err(FetchError::Address { .. })));
    assert!(matches!(fetch(&at("/nowhere"), LIMITS).await.0, Err(FetchError::Status(302))));
    server.seen.lock().unwrap().clear();
    assert!(matches!(fetch(&at("/loop"), LIMITS).await.0, Err(FetchError::Redirects(3))));
    assert_eq!(server.seen.lock().unwrap().len(), 4);
    let none = FetchLimits { redirects: 0, ..LIMITS };
    assert_eq!(fetch(&at("/end"), none).await.0.unwrap(), 3);
    assert!(matches!(fetch(&at("/1"), none).await.0, Err(FetchError::Redirects(0))));
}

#[tokio::test]
async fn a_large_body_is_refused_by_its_header_or_stopped_on_its_way() {
    let server = Server::start(|_, request| match request.path.as_str() {
        "/header" => raw("HTTP/1.1 200 X\ncontent-length: 1001", b""),
        "/chunks" => raw("HTTP/1.1 200 X\ntransfer-encoding: chunked", &[b"3e9\r\n", &[b'a'; 1001][..]].concat()),
        "/full" => raw("HTTP/1.1 200 X\nconnection: close", &[7; 1000]),
        "/more" => raw("HTTP/1.1 200 X\nconnection: close", &[7; 1001]),
        _ => Reply::Talk(Box::new(|stream| {
            let mut sent = stream.write_all(b"HTTP/1.1 200 X\r\nconnection: close\r\n\r\n");
            while sent.is_ok() {
                sent = stream.write_all(&[7; 4096]);
            }
        })),
    });
    for path in ["/header", "/chunks", "/more", "/endless"] {
        let (result, bytes) = fetch(&format!("{}{path}", server.url), LIMITS).await;
        assert!(matches!(result, Err(FetchError::TooLarge { allowed: 1000 })), "{path}: {result:?}");
        assert!(bytes.len() <= 1000, "{path}");
    }
    assert_eq!(fetch(&format!("{}/full", server.url), LIMITS).await.0.unwrap(), 1000);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error() {
    let server = Server::start(|_, request| match request.path.split('?').next().unwrap() {
        "/length" => raw("HTTP/1.1 200 X\ncontent-length: 10", &[7; 9]),
        "/chunks" => raw("HTTP/1.1 200 X\ntransfer-encoding: chunked", b"3\r\nabc\r\n"),
        "/gzip" => raw("HTTP/1.1 200 X\ncontent-encoding: gzip\ncontent-length: 3", b"abc"),
        _ => Reply::Drop,
    });
    for path in ["/length", "/chunks", "/gzip", "/drop"] {
        let (result, _) = fetch(&format!("{}{path}?sig=secret", server.url), LIMITS).await;
        let Err(FetchError::Failed(words)) = result else { panic!("{path}: {result:?}") };
        assert!(!words.contains("secret") && !words.contains("http://"), "{words}");
    }
}

#[tokio::test]
async fn other_answers_are_no_file() {
    let server = Server::start(|_, request| {
        Reply::Text(request.path.trim_start_matches('/').parse().unwrap(), "no file".into())
    });
    for status in [201, 206, 304, 401, 404, 500] {
        let (result, bytes) = fetch(&format!("{}/{status}", server.url), LIMITS).await;
        assert!(matches!(result, Err(FetchError::Status(got)) if got == status), "{status}: {result:?}");
        assert!(bytes.is_empty());
    }
}

/// A file that asks for the next byte whenever it got one.
struct Asking(mpsc::Sender<()>);

impl Write for Asking {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.send(()).map_err(std::io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_server_that_drips_for_ever_is_ended() {
    let (next, wanted) = mpsc::channel();
    let wanted = Mutex::new(Some(wanted));
    let server = Server::start(move |_, _| {
        let wanted = wanted.lock().unwrap().take().unwrap();
        Reply::Talk(Box::new(move |stream| {
            let mut sent = stream.write_all(b"HTTP/1.1 200 X\r\nconnection: close\r\n\r\n.");
            while sent.is_ok() && wanted.recv().is_ok() {
                sent = stream.write_all(b".");
            }
        }))
    });
    let fetcher = Fetcher::new(FetchLimits { time: SHORT, max_bytes: u64::MAX, ..LIMITS }).unwrap();
    let result = fetcher.fetch(&server.url, &mut Asking(next)).await;
    assert!(matches!(result, Err(FetchError::TimedOut(SHORT))), "{result:?}");
}

#[tokio::test]
async fn a_server_that_falls_silent_is_ended() {
    for head in ["", "HTTP/1.1 200 X\r\n", "HTTP/1.1 200 X\r\ncontent-length: 10\r\n\r\n123"] {
        let (over, wait) = mpsc::channel::<()>();
        let wait = Mutex::new(Some(wait));
        let server = Server::start(move |_, _| {
            let wait = wait.lock().unwrap().take().unwrap();
            Reply::Talk(Box::new(move |stream| {
                stream.write_all(head.as_bytes()).unwrap();
                let _ = wait.recv();
            }))
        });
        let (result, _) = fetch(&server.url, FetchLimits { time: SHORT, ..LIMITS }).await;
        assert!(matches!(result, Err(FetchError::TimedOut(SHORT))), "{head}: {result:?}");
        drop(over);
    }
}

#[tokio::test]
async fn credentials_and_other_schemes_are_refused_without_a_request() {
    let server = Server::start(|_, _| Reply::Bytes(vec![7]));
    let host = server.url.strip_prefix("http://").unwrap();
    for url in [format!("http://me:word@{host}/?sig=secret"), format!("ftp://{host}/?sig=secret"), "a.mp4".into()] {
        let error = fetch(&url, LIMITS).await.0.unwrap_err();
        assert!(matches!(error, FetchError::Address { .. }), "{url}: {error}");
        let words = error.to_string();
        assert!(!words.contains("secret") && !words.contains("me:"), "{words}");
    }
    assert!(server.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_full_disk_is_told_apart() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let server = Server::start(|_, _| Reply::Bytes(vec![7]));
    let result = Fetcher::new(LIMITS).unwrap().fetch(&server.url, &mut Full).await;
    assert!(matches!(result, Err(FetchError::Io(_))), "{result:?}");
}
