//! Where a fleet's files lie: what stands there is whole, is never replaced, and is read alike by foreign programs.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

#[path = "support/bucket.rs"]
mod bucket;
#[path = "support/server.rs"]
mod server;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bucket::Bucket;
use seedpost_render::set_patience;
use seedpost_render::store::{Put, Store, StoreError};
use server::{Reply, Request, Server};

const KEY: &str = "takes/SC010_SH020/T01/render.mp4";
const ANY: u64 = u64::MAX;

/// Bytes that do not repeat.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| next()).collect();
    bytes.truncate(length);
    bytes
}

/// What `sha256sum` says of a file, and its length.
fn sum(path: &Path) -> (String, u64) {
    let output = Command::new("sha256sum").arg(path).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let digest = String::from_utf8(output.stdout).unwrap().split_whitespace().next().unwrap().to_owned();
    (digest, fs::metadata(path).unwrap().len())
}

fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<String> {
    let output = Command::new("find").args(["-type", "f", "-printf", "%P\n"]).current_dir(folder).output().unwrap();
    let mut found: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    found.sort();
    found
}

fn no_variable(_: &str) -> Option<String> {
    None
}

fn folder_store(folder: &Path) -> Store {
    Store::open(&format!("file://{}", folder.display()), &no_variable).unwrap()
}

/// What holds of any store; `foreign` is what another program reads under a key.
async fn keeps(store: &Store, foreign: &dyn Fn(&str) -> (String, u64)) {
    let room = tempfile::tempdir().unwrap();
    let room = room.path();
    store.check().await.unwrap();
    assert!(!store.has(KEY).await.unwrap());

    // One that is sent at once, one that goes in parts whose last is short, one that ends with a part, and nothing.
    for (number, length) in [3_usize, 20_000_001, 16 << 20, 0].into_iter().enumerate() {
        let key = format!("takes/shot/T{number:02}/render.mp4");
        let local = file(room, &format!("from{number}"), &noise(length, 7 + number as u64));
        let facts = sum(&local);
        assert_eq!(store.put(&key, &local).await.unwrap(), Put::Made, "{length}");
        assert!(store.has(&key).await.unwrap());
        assert_eq!(foreign(&key), facts, "{length}");

        let back = room.join(format!("new/folder{number}/render.mp4"));
        assert_eq!(store.get(&key, &back, facts.1).await.unwrap(), facts);
        assert_eq!(sum(&back), facts);

        // What stands there stays, and so does what stands here.
        let other = file(room, "other", &noise(length + 5, 99));
        assert_eq!(store.put(&key, &other).await.unwrap(), Put::There);
        assert_eq!(foreign(&key), facts);
        assert!(matches!(store.get(&key, &back, ANY).await, Err(StoreError::Taken(path)) if path == back));
        assert_eq!(sum(&back), facts);
    }

    // Too large, and missing: nothing is left where the file would be.
    let to = room.join("too/large.mp4");
    fs::create_dir(room.join("too")).unwrap();
    let error = store.get("takes/shot/T01/render.mp4", &to, 20_000_000).await.unwrap_err().to_string();
    assert!(error.contains("has 20000001 bytes, allowed are 20000000"), "{error}");
    let error = store.get(KEY, &to, ANY).await.unwrap_err();
    assert!(matches!(&error, StoreError::Missing { key, .. } if key == KEY), "{error}");
    assert_eq!(files(&room.join("too")), [""; 0]);

    // A name that is a folder of others holds nothing, and what is no file is not put.
    assert!(!store.has("takes/shot").await.unwrap());
    let error = store.put("references/x", room).await.unwrap_err().to_string();
    assert!(error.contains("it is no file"), "{error}");
    let error = store.put("references/x", &room.join("absent")).await.unwrap_err().to_string();
    assert!(error.contains("absent: No such file"), "{error}");

    for key in ["", "/", "/etc/passwd", "..", "../x", "a/../x", "a//b", "a/", "./a", "a/./b", "a\nb", "a\0b"] {
        let local = room.join("from0");
        for error in [
            store.put(key, &local).await.unwrap_err(),
            store.get(key, &to, ANY).await.unwrap_err(),
            store.has(key).await.unwrap_err(),
        ] {
            assert!(matches!(error, StoreError::Key(_)), "{key:?}: {error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_keeps_what_is_put_there() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder_store(folder.path());
    keeps(&store, &|key| sum(&folder.path().join(key))).await;
    // The probe and all temporary names are gone.
    let names: Vec<String> = (0..4).map(|number| format!("takes/shot/T{number:02}/render.mp4")).collect();
    assert_eq!(files(folder.path()), names);
    // What a folder of the library would write beside it.
    assert!(matches!(store.has("a#1").await, Err(StoreError::Key(_))));
    assert_eq!(format!("{store:?}"), format!("Store(\"file://{}\")", folder.path().canonicalize().unwrap().display()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_keeps_what_is_put_there() {
    let bucket = Bucket::get();
    let store = bucket.store("s3://clips/fleet/one/");
    keeps(&store, &|key| bucket.read(&format!("fleet/one/{key}"))).await;
    // Without a prefix it is the same bucket, and the probe is gone.
    let whole = bucket.store("s3://clips");
    assert!(whole.has("fleet/one/takes/shot/T00/render.mp4").await.unwrap());
    let keys: Vec<String> = bucket.keys().into_iter().filter(|key| key.starts_with("fleet/one/")).collect();
    let names: Vec<String> = (0..4).map(|number| format!("fleet/one/takes/shot/T{number:02}/render.mp4")).collect();
    assert_eq!(keys, names);
    assert_eq!(bucket.begun(), [""; 0]);
    for shown in [format!("{store:?}"), store.to_string()] {
        assert!(shown.contains("s3://clips/fleet/one") && !shown.contains(&bucket.secret), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_put_one_key_at_once_one_wins_whole() {
    let (folder, room) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = folder_store(folder.path());
    let mut tasks = tokio::task::JoinSet::new();
    for seed in 0..8 {
        let (store, local) = (store.clone(), file(room.path(), &seed.to_string(), &noise(3_000_000, seed + 1)));
        tasks.spawn(async move { (store.put(KEY, &local).await.unwrap(), sum(&local)) });
    }
    let (made, there): (Vec<_>, Vec<_>) = tasks.join_all().await.into_iter().partition(|(put, _)| *put == Put::Made);
    assert_eq!((made.len(), there.len()), (1, 7));
    assert_eq!(sum(&folder.path().join(KEY)), made[0].1);
    assert_eq!(files(folder.path()), [KEY]);
}

#[tokio::test]
async fn others_may_read_what_lies_in_a_folder_and_what_was_brought() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, room) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = folder_store(folder.path());
    let local = file(room.path(), "a", b"abc");
    store.put(KEY, &local).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    // As the umask has it, which made the local file too.
    assert_eq!(mode(&folder.path().join(KEY)), mode(&local));
    store.get(KEY, &room.path().join("b"), ANY).await.unwrap();
    assert_eq!(mode(&room.path().join("b")), 0o644);
}

/// Runs one test of this program once more, where a small or read-only disk is mounted that nobody else sees.
fn with_disk(test: &str, options: &str) -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("SEEDPOST_TEST_DISK") {
        return Some(folder.into());
    }
    let folder = tempfile::tempdir().unwrap();
    let program = std::env::current_exe().unwrap();
    let script = r#"mount -t tmpfs -o "$1" none "$2" && SEEDPOST_TEST_DISK="$2" "$3" --exact "$4" --nocapture"#;
    let flags: &[&str] = if rustix::process::geteuid().is_root() { &["-m"] } else { &["-r", "-m"] };
    let mut command = Command::new("unshare");
    command.args(flags).args(["sh", "-c", script, "sh", options]).arg(folder.path()).arg(program).arg(test);
    let output = command.output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    None
}

#[tokio::test]
async fn a_full_disk_keeps_nothing_of_a_file() {
    let Some(disk) = with_disk("a_full_disk_keeps_nothing_of_a_file", "size=4m") else { return };
    let room = tempfile::tempdir().unwrap();
    let store = folder_store(&disk);
    store.check().await.unwrap();
    let large = file(room.path(), "large", &noise(20_000_000, 1));
    let error = store.put(KEY, &large).await.unwrap_err().to_string();
    assert!(error.contains(KEY) && error.contains("No space left on device"), "{error}");
    assert!(!store.has(KEY).await.unwrap());
    assert_eq!(files(&disk), [""; 0]);
    // What fits is taken afterwards; and what is brought to a full disk is absent too.
    let small = file(room.path(), "small", b"abc");
    assert_eq!(store.put(KEY, &small).await.unwrap(), Put::Made);
    let roomy = folder_store(room.path());
    let error = roomy.get("large", &disk.join("out.mp4"), ANY).await.unwrap_err().to_string();
    assert!(error.contains("out.mp4") && error.contains("No space left on device"), "{error}");
    assert_eq!(files(&disk), [KEY]);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_told_by_the_check() {
    let Some(disk) = with_disk("a_folder_that_cannot_be_written_is_told_by_the_check", "ro") else { return };
    let room = tempfile::tempdir().unwrap();
    let store = folder_store(&disk);
    let error = store.check().await.unwrap_err().to_string();
    assert!(error.contains(disk.to_str().unwrap()) && error.contains("Read-only file system"), "{error}");
    let error = store.put(KEY, &file(room.path(), "a", b"abc")).await.unwrap_err().to_string();
    assert!(error.contains("Read-only file system"), "{error}");
    assert!(!store.has(KEY).await.unwrap());
}

#[tokio::test]
async fn a_folder_that_was_unmounted_is_not_made_again() {
    let (folder, room) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root = folder.path().join("mount");
    fs::create_dir(&root).unwrap();
    let store = folder_store(&root);
    fs::remove_dir(&root).unwrap();
    let error = store.put(KEY, &file(room.path(), "a", b"abc")).await.unwrap_err().to_string();
    assert!(error.contains("mount: No such file"), "{error}");
    assert!(!root.exists());
}

#[test]
fn an_address_is_understood_or_refused_without_its_secrets() {
    let room = tempfile::tempdir().unwrap();
    let plain = file(room.path(), "plain", b"abc");
    let absent = format!("file://{}/absent", room.path().display());
    let spaced = room.path().join("a b");
    fs::create_dir(&spaced).unwrap();
    Store::open(&format!("file://{}/a%20b", room.path().display()), &no_variable).unwrap();
    for (address, words) in [
        (absent.as_str(), "absent: No such file"),
        (&format!("file://{}", plain.display()), "plain: it is no folder"),
        ("file://host/srv/store", "file:///srv/store"),
        ("file:srv/store", "file:///srv/store"),
        ("file:///srv?x", "file:///srv/store"),
        ("/srv/store", "file:///absolute/folder or s3://bucket/prefix"),
        ("store", "file:///absolute/folder or s3://bucket/prefix"),
        ("", "file:///absolute/folder or s3://bucket/prefix"),
        ("gs://bucket/prefix", "a store cannot be gs:"),
        ("az://container", "a store cannot be az:"),
        ("https://user:hidden@host/", "a store cannot be https:"),
        ("s3:bucket", "a bucket's address is s3://bucket/prefix"),
        ("s3://", "a bucket's address is s3://bucket/prefix"),
        ("s3://user:hidden@bucket/prefix", "AWS_ACCESS_KEY_ID"),
        ("s3://bucket/../x", "s3://bucket: what follows"),
        ("s3://bucket//x", "s3://bucket: what follows"),
        ("s3://bucket/x?hidden=1", "s3://bucket: what follows"),
    ] {
        let error = Store::open(address, &no_variable).unwrap_err();
        assert!(matches!(error, StoreError::Address(_)));
        assert!(error.to_string().contains(words) && !error.to_string().contains("hidden"), "{address}: {error}");
    }
}

#[test]
fn what_the_environment_says_of_a_bucket_is_judged() {
    let open = |extra: &[(&str, &str)]| {
        let given = |name: &str| {
            let own = [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "hidden")];
            let found = extra.iter().chain(&own).find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Store::open("s3://bucket", &given).map(|store| format!("{store} {store:?}")).map_err(|error| error.to_string())
    };
    assert_eq!(open(&[]).unwrap(), "s3://bucket Store(\"s3://bucket\")");
    for (name, value) in [
        ("AWS_SESSION_TOKEN", ""),
        ("AWS_ENDPOINT_URL", "https://minio.example.com"),
        ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9000/"),
        ("AWS_ENDPOINT_URL", "http://localhost:9000"),
    ] {
        open(&[(name, value)]).unwrap_or_else(|error| panic!("{name}={value}: {error}"));
    }
    open(&[("AWS_ENDPOINT_URL", "http://10.0.0.7:9000"), ("AWS_ALLOW_HTTP", "true")]).unwrap();
    for (name, value, words) in [
        ("AWS_ENDPOINT_URL", "http://10.0.0.7:9000", "10.0.0.7:9000 would be asked without TLS"),
        ("AWS_ENDPOINT_URL_S3", "http://localhost.example.com", "would be asked without TLS"),
        ("AWS_ENDPOINT_URL", "https://me:hidden@host", "AWS_ENDPOINT_URL holds more than a host"),
        ("AWS_ENDPOINT_URL", "ftp://host", "neither https nor http"),
        ("AWS_ENDPOINT_URL_STS", "http://sts.example.com", "AWS_ENDPOINT_URL_STS: sts.example.com would be asked"),
        ("AWS_ENDPOINT_URL", "host:9000:9", "neither https nor http"),
        ("AWS_SESSION_TOKEN", "hidden\n", "AWS_SESSION_TOKEN holds a space"),
        ("AWS_ACCESS_KEY_ID", "hidden hidden", "AWS_ACCESS_KEY_ID holds a space"),
        ("AWS_ACCESS_KEY_ID", "", "AWS_SECRET_ACCESS_KEY is set, and AWS_ACCESS_KEY_ID is not"),
        ("AWS_SECRET_ACCESS_KEY", "", "AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not"),
    ] {
        let error = open(&[(name, value)]).unwrap_err();
        assert!(error.contains(words) && !error.contains("hidden"), "{name}={value}: {error}");
    }
}

#[tokio::test]
async fn a_refusal_says_why_and_never_the_secret() {
    let bucket = Bucket::get();
    let opened = |address: &str, extra: &[(&str, &str)]| bucket.opened(address, extra);
    for (store, words) in [
        (opened("s3://clips", &[("AWS_SECRET_ACCESS_KEY", "hidden-and-wrong")]), "SignatureDoesNotMatch"),
        (opened("s3://clips", &[("AWS_ACCESS_KEY_ID", "AKIAUNKNOWN")]), "InvalidAccessKeyId"),
        (opened("s3://no-such-bucket/x", &[]), "NoSuchBucket"),
    ] {
        let error = store.check().await.unwrap_err().to_string();
        assert!(error.contains(words) && error.starts_with("s3://"), "{error}");
        assert!(!error.contains("hidden") && !error.contains(&bucket.secret), "{error}");
    }
}

#[tokio::test]
async fn a_dead_endpoint_is_an_error_and_no_hang() {
    set_patience(Duration::from_secs(8));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let keys = [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "hidden")];
    // Without keys the machine's role is asked for some.
    for (endpoint, given, words) in [
        (&silent, &keys[..], "no answer within 8s"),
        (&closed, &keys[..], "refused"),
        (&closed, &[("AWS_METADATA_ENDPOINT", closed.as_str())][..], "no AWS_ACCESS_KEY_ID is set"),
    ] {
        let variable = |name: &str| {
            if name == "AWS_ENDPOINT_URL" {
                return Some(endpoint.clone());
            }
            given.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        let store = Store::open("s3://bucket", &variable).unwrap();
        let begun = Instant::now();
        let error = store.check().await.unwrap_err().to_string();
        assert!(error.contains(words) && error.contains(&endpoint[7..]) && !error.contains("hidden"), "{error}");
        println!("{words}: {:?}", begun.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(70), "{error}");
    }
}

/// An answer of S3 with one header more.
fn answer(status: u16, header: &str, body: &str) -> Reply {
    let length = body.len();
    let text = format!("HTTP/1.1 {status} X\r\n{header}content-length: {length}\r\nconnection: close\r\n\r\n{body}");
    Reply::Talk(Box::new(move |stream| {
        let _ = std::io::Write::write_all(stream, text.as_bytes());
    }))
}

fn scripted(server: &Server) -> Store {
    let url = server.url.clone();
    let variable = move |name: &str| match name {
        "AWS_ENDPOINT_URL" => Some(url.clone()),
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("hidden".to_owned()),
        _ => None,
    };
    Store::open("s3://bucket", &variable).unwrap()
}

#[tokio::test]
async fn parts_become_an_object_only_where_none_stands() {
    // Somebody else is quicker: nothing stands there when it begins, and something does when it ends.
    let server = Server::start(|_, request: &Request| match (request.method.as_str(), request.path.as_str()) {
        ("POST", path) if path.ends_with("?uploads=") => {
            answer(200, "", "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>")
        }
        ("PUT", _) => answer(200, "etag: \"e\"\r\n", ""),
        ("POST", _) => answer(412, "", "<Error><Code>PreconditionFailed</Code></Error>"),
        ("DELETE", _) => answer(204, "", ""),
        _ => answer(404, "", ""),
    });
    let room = tempfile::tempdir().unwrap();
    let error = scripted(&server).put(KEY, &file(room.path(), "a", &noise(9 << 20, 1))).await.unwrap_err().to_string();
    // The server goes on saying that nothing stands there, and so it is tried again, but not for ever.
    assert!(error.contains("nothing stands there"), "{error}");
    let seen = server.seen.lock().unwrap();
    let ends: Vec<&Request> = seen.iter().filter(|request| request.path.contains("?uploadId=u1")).collect();
    let ends: Vec<&&Request> = ends.iter().filter(|request| request.method == "POST").collect();
    assert_eq!(ends.len(), 3);
    assert!(ends.iter().all(|request| request.head.to_ascii_lowercase().contains("if-none-match: *")), "{ends:?}");
    // Parts that came to nothing are given back.
    let aborted = seen.iter().filter(|request| request.method == "DELETE" && request.path.ends_with("?uploadId=u1"));
    assert_eq!(aborted.count(), 3);
}

#[tokio::test]
async fn where_two_meet_the_one_that_s3_refuses_tries_again() {
    let puts = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = puts.clone();
    let server = Server::start(move |_, request| match request.method.as_str() {
        "PUT" if count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 => {
            answer(409, "", "<Error><Code>ConditionalRequestConflict</Code></Error>")
        }
        "PUT" => answer(200, "etag: \"e\"\r\n", ""),
        _ => answer(404, "", ""),
    });
    let room = tempfile::tempdir().unwrap();
    let put = scripted(&server).put(KEY, &file(room.path(), "a", b"abc")).await.unwrap();
    assert_eq!((put, puts.load(std::sync::atomic::Ordering::SeqCst)), (Put::Made, 2));
}

#[tokio::test]
async fn what_a_bucket_forbids_is_told_in_its_own_words() {
    let denied = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    let server = Server::start(move |_, request| answer(403, "", if request.method == "HEAD" { "" } else { denied }));
    let error = scripted(&server).check().await.unwrap_err().to_string();
    assert!(error.contains("AccessDenied: Access Denied; check AWS_ACCESS_KEY_ID"), "{error}");
    let error = scripted(&server).has(KEY).await.unwrap_err().to_string();
    assert!(error.contains("HTTP 403 Forbidden"), "{error}");
}

#[tokio::test]
async fn a_store_that_replaces_what_stands_there_is_refused() {
    let server = Server::start(|_, request| match request.method.as_str() {
        "PUT" => answer(200, "etag: \"e\"\r\n", ""),
        "DELETE" => answer(204, "", ""),
        _ => answer(404, "", ""),
    });
    let error = scripted(&server).check().await.unwrap_err().to_string();
    assert!(error.contains("it replaces what stands there"), "{error}");
    let seen = server.seen.lock().unwrap();
    assert_eq!(seen.iter().filter(|request| request.method == "DELETE").count(), 1);
}

#[tokio::test]
async fn a_store_that_breaks_off_or_redirects_brings_nothing() {
    let server = Server::start(|_, request| match request.path.as_str() {
        "/bucket/moved" => answer(307, "location: http://127.0.0.1:1/x\r\n", ""),
        _ => Reply::Talk(Box::new(|stream| {
            let head = b"HTTP/1.1 200 X\r\netag: \"e\"\r\nlast-modified: Tue, 01 Dec 2026 00:00:00 GMT\r\ncontent-length: 10\r\n\r\nabc";
            let _ = std::io::Write::write_all(stream, head);
        })),
    });
    let room = tempfile::tempdir().unwrap();
    let to = room.path().join("out.mp4");
    let error = scripted(&server).get("short", &to, ANY).await.unwrap_err();
    assert!(matches!(error, StoreError::Failed { .. }), "{error}");
    let error = scripted(&server).get("moved", &to, ANY).await.unwrap_err().to_string();
    assert!(error.contains("307"), "{error}");
    assert_eq!(files(room.path()), [""; 0]);
}
