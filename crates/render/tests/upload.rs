//! A file that is too large to be uploaded whole goes in parts, and its host gets no key.
#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

#[path = "support/server.rs"]
mod server;

use std::io::Write as _;

use seedpost_render::Secret;
use seedpost_render::provider::fal::Fal;
use seedpost_render::provider::{Provider as _, Upload};
use server::{Reply, Request, Server};
use sha2::{Digest as _, Sha256};

const PART: usize = 10 << 20;

fn answer(url: &str, request: &Request) -> Reply {
    match (request.method.as_str(), request.path.split('?').next().unwrap_or("")) {
        ("POST", "/rest/storage/upload/initiate-multipart") => {
            Reply::Text(200, format!(r#"{{"upload_url":"{url}/cdn/up?sig=1","file_url":"{url}/cdn/file"}}"#))
        }
        ("PUT", path) => {
            let number = path.rsplit('/').next().unwrap().to_owned();
            Reply::Talk(Box::new(move |stream| {
                let head = format!(
                    "HTTP/1.1 200 X\r\netag: \"part-{number}\"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
                stream.write_all(head.as_bytes()).unwrap();
            }))
        }
        _ => Reply::Text(200, "{}".into()),
    }
}

#[tokio::test]
async fn a_large_file_goes_in_parts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.mp4");
    let bytes: Vec<u8> = (0..9 * PART + 7).map(|index| u8::try_from(index / PART + 65).unwrap()).collect();
    std::fs::write(&path, &bytes).unwrap();
    let sha256 = format!("{:x}", Sha256::digest(&bytes));
    let server = Server::start(answer);
    let fal = Fal::at(&server.url, Secret::new("k".into()), false).unwrap();
    let upload = Upload { path, sha256, content_type: "video/mp4".into(), file_name: "large.mp4".into() };
    let placed = fal.place(&upload).await.unwrap();
    assert_eq!(placed.address, format!("{}/cdn/file", server.url));
    let seen = server.seen.lock().unwrap();
    let parts: Vec<(&str, usize, char)> = seen
        .iter()
        .filter(|request| request.method == "PUT")
        .map(|request| (request.path.as_str(), request.body.len(), request.body.chars().next().unwrap()))
        .collect();
    assert_eq!(parts.len(), 10);
    assert_eq!(parts[0], ("/cdn/up/1?sig=1", PART, 'A'));
    assert_eq!(parts[9], ("/cdn/up/10?sig=1", 7, 'J'));
    let last = seen.last().unwrap();
    assert_eq!((last.method.as_str(), last.path.as_str()), ("POST", "/cdn/up/complete?sig=1"));
    assert!(last.body.starts_with(r#"{"parts":[{"etag":"\"part-1\"","partNumber":1}"#), "{}", last.body);
    let keyed = |request: &&Request| request.head.to_ascii_lowercase().contains("authorization:");
    assert_eq!(seen.iter().filter(keyed).count(), 1, "only fal itself gets the key");
}
