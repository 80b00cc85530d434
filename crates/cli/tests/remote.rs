//! References that are URLs: read only when asked, only from public hosts, only within limits.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

mod support;

#[path = "../../render/tests/support/server.rs"]
mod server;

use serde_json::Value;
use server::{Reply, Server};
use support::{repository, run};

fn list(urls: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let list = format!("[[shot]]\nid = \"S1\"\nprompt = \"@Image1 @Audio1\"\nduration = 4\n{urls}\n");
    std::fs::write(folder.path().join("shots.toml"), list).unwrap();
    folder
}

fn check(folder: &tempfile::TempDir, options: &[&str]) -> (i32, Value, String) {
    let (code, out, err) = run(folder.path(), &[&["check", "--json"], options].concat());
    (code, serde_json::from_str(&out).unwrap(), err)
}

fn rules(report: &Value) -> Vec<&str> {
    let faults = report["faults"].as_array().unwrap().iter();
    faults.filter(|fault| fault["severity"] == "error").map(|fault| fault["rule"].as_str().unwrap()).collect()
}

/// Serves the fixtures by name.
fn fixtures() -> Server {
    Server::start(|url, request| match request.path.as_str() {
        "/loop" => Reply::Talk(Box::new(move |stream| {
            let _ =
                std::io::Write::write_all(stream, b"HTTP/1.1 302 X\r\nlocation: /loop\r\ncontent-length: 0\r\n\r\n");
        })),
        "/inside" => {
            let target = url.replace("127.0.0.1", "[::1]");
            let head = format!("HTTP/1.1 302 X\r\nlocation: {target}/dot.png\r\ncontent-length: 0\r\n\r\n");
            Reply::Talk(Box::new(move |stream| drop(std::io::Write::write_all(stream, head.as_bytes()))))
        }
        path => match std::fs::read(repository(&format!("fixtures/media{path}"))) {
            Ok(bytes) => Reply::Bytes(bytes),
            Err(_) => Reply::Text(404, "gone".to_owned()),
        },
    })
}

#[test]
fn a_url_is_read_only_when_asked_and_only_from_public_hosts() {
    let server = fixtures();
    let urls = format!("images = [\"{0}/dot.png\"]\naudios = [\"{0}/tone_48k_24bit.wav\"]", server.url);
    let folder = list(&urls);
    let (code, report, _) = check(&folder, &[]);
    assert_eq!((code, report["unread_urls"].as_u64()), (0, Some(2)));
    let (code, report, err) = check(&folder, &["--fetch"]);
    assert_eq!((code, rules(&report)), (3, vec!["reference.unreadable"; 2]));
    assert!(err.contains("is a private, loopback or link-local address"), "{err}");
    assert!(server.seen.lock().unwrap().is_empty(), "nothing was asked of a private host");

    let (code, report, _) = check(&folder, &["--fetch", "--allow-private-hosts"]);
    assert_eq!((code, report["unread_urls"].as_u64()), (0, Some(0)));
    let seen = server.seen.lock().unwrap();
    // Each once, in any order: several are read at a time.
    let mut paths: Vec<&str> = seen.iter().map(|request| request.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["/dot.png", "/tone_48k_24bit.wav"]);
    assert!(seen.iter().all(|request| !request.head.to_ascii_lowercase().contains("authorization")));
    // 0.5 s of sound are too short for Ark, and so the file was measured.
    let ark = report["shots"][0]["models"].as_array().unwrap().iter().find(|row| row["provider"] == "ark").unwrap();
    assert!(ark["rules"].as_array().unwrap().contains(&Value::from("audio.duration")), "{ark}");
}

#[test]
fn what_cannot_be_read_there_is_a_fault_with_the_reason() {
    let server = fixtures();
    for (path, words) in [
        ("gone.png", "HTTP 404"),
        ("loop", "leads on more than 5 times"),
        ("hostile/cut_in_moov.mp4", "cut short"),
        ("hostile/html_named.mp4", "web page"),
    ] {
        let folder = list(&format!("images = [\"{}/{path}\"]", server.url));
        let (code, report, err) = check(&folder, &["--fetch", "--allow-private-hosts"]);
        assert!(code == 3 && rules(&report).contains(&"reference.unreadable") && err.contains(words), "{path}: {err}");
    }
}

/// A provider is given a URL as it stands: nothing about it can be conformed.
#[test]
fn a_remote_file_has_to_fit_as_it_is() {
    let server = fixtures();
    let folder = list(&format!("images = [\"{0}/dot.png\"]\naudios = [\"{0}/tone.flac\"]", server.url));
    let (code, report, err) = check(&folder, &["--fetch", "--allow-private-hosts"]);
    assert_eq!((code, rules(&report)), (3, vec!["audio.format"]));
    assert!(err.contains("download it"), "{err}");
}
