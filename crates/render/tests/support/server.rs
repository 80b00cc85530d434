//! A provider that answers whatever a test wants, over real HTTP on a loopback address.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What the server does with a request.
pub(crate) enum Reply {
    /// Status and body; a body that begins with `{` or `[` is JSON.
    Text(u16, String),
    /// A file.
    Bytes(Vec<u8>),
    /// Reads the request and hangs up without a word.
    Drop,
    /// Says on the connection whatever it wants, then hangs up.
    Talk(Box<dyn FnOnce(&mut TcpStream) + Send>),
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// A running server; its threads end with the test's process.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Answers every request by `answer`, which is told the server's own address.
    pub(crate) fn start(answer: impl Fn(&str, &Request) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (own, log, answer) = (url.clone(), seen.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (own, log, answer) = (own.clone(), log.clone(), answer.clone());
                std::thread::spawn(move || serve(stream, &own, &log, answer.as_ref()));
            }
        });
        Server { url, seen }
    }

    /// The paid requests: every POST that is not an upload.
    pub(crate) fn submits(&self) -> usize {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|request| request.method == "POST" && !request.path.starts_with("/rest/")).count()
    }
}

fn serve(mut stream: TcpStream, url: &str, log: &Mutex<Vec<Request>>, answer: &dyn Fn(&str, &Request) -> Reply) {
    let Some(request) = read(&mut stream) else { return };
    log.lock().unwrap().push(request.clone());
    let (status, kind, body) = match answer(url, &request) {
        Reply::Drop => return,
        Reply::Talk(talk) => return talk(&mut stream),
        Reply::Bytes(bytes) => (200, "video/mp4", bytes),
        Reply::Text(status, text) if text.starts_with(['{', '[']) => (status, "application/json", text.into_bytes()),
        Reply::Text(status, text) => (status, "text/html", text.into_bytes()),
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}

fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 65_536];
    loop {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if bytes.len() >= end + 4 + length.unwrap_or(0) {
                let mut words = head.split_whitespace();
                let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
                let body = String::from_utf8_lossy(&bytes[end + 4..]).into_owned();
                return Some(Request { method, path, head, body });
            }
        }
        match stream.read(&mut buffer).ok()? {
            0 => return None,
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

/// Answers like fal when all goes well: taken, done at once, a clip of these bytes.
pub(crate) fn well(url: &str, request: &Request, clip: &[u8]) -> Reply {
    let job = format!("{url}/bytedance/seedance-2.0/requests/r1");
    match (request.method.as_str(), request.path.split('?').next().unwrap_or("")) {
        ("POST", "/rest/storage/upload/initiate") => {
            Reply::Text(200, format!(r#"{{"upload_url":"{url}/cdn/put","file_url":"{url}/cdn/file"}}"#))
        }
        ("PUT", _) => Reply::Text(200, String::new()),
        ("POST", _) => Reply::Text(
            200,
            format!(
                r#"{{"request_id":"r1","status_url":"{job}/status","response_url":"{job}","cancel_url":"{job}/cancel"}}"#
            ),
        ),
        (_, path) if path.ends_with("/status") => Reply::Text(200, r#"{"status":"COMPLETED","logs":null}"#.to_owned()),
        (_, "/media/clip.mp4") => Reply::Bytes(clip.to_vec()),
        _ => Reply::Text(200, format!(r#"{{"seed":1,"video":{{"url":"{url}/media/clip.mp4"}}}}"#)),
    }
}
