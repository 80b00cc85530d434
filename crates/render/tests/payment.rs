//! Never pay twice: the ledger, the budget and the runner against a server that counts what is paid.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

#[path = "support/chance.rs"]
mod chance;
#[path = "support/history.rs"]
mod history;
#[path = "support/home.rs"]
mod home;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/server.rs"]
mod server;

use std::path::Path;
use std::sync::{Condvar, Mutex};

use history::{PRICE, plan, take};
use home::Home;
use seedpost_core::catalog::Mode;
use seedpost_core::cost::Usd;
use seedpost_core::job::{Event, JobRef, Phase, PollPace, Resolution, Take};
use seedpost_core::shot::{ShotDuration, TakeId};
use seedpost_render::Secret;
use seedpost_render::ledger::{Ledger, Line};
use seedpost_render::provider::fal::Fal;
use seedpost_render::provider::{Order, Provider};
use seedpost_render::runner::{Manner, Outcome, Request, Runner, Work};
use serde_json::Value;
use server::{Reply, Server, well};
use tokio::sync::{mpsc, watch};

/// The smallest file with a beginning, an index and an end.
const CLIP: &[u8] = b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\x08moov";

fn work(folder: &Path, id: &TakeId) -> Work {
    let order = Order {
        mode: Mode::Text,
        prompt: "p".into(),
        negative_prompt: None,
        language: None,
        draft: false,
        promotes: None,
        return_last_frame: false,
        mark: None,
        duration: ShotDuration::Seconds(4),
        resolution: "720p".into(),
        aspect_ratio: "16:9".into(),
        generate_audio: true,
        seed: None,
        images: vec![],
        videos: vec![],
        audios: vec![],
        first_frame: None,
        last_frame: None,
    };
    let (images, videos, audios) = (vec![], vec![], vec![]);
    let request = Request {
        fingerprint: "f".into(),
        order,
        second_choice: None,
        mark: None,
        images,
        videos,
        audios,
        first_frame: None,
        last_frame: None,
    };
    Work { take: id.clone(), clip: folder.join(format!("{id}.mp4")), request: Some(request), shelf: None }
}

async fn planned(folder: &Path, names: &[&str]) -> Ledger {
    let ledger = Ledger::open(&folder.join("ledger.db")).await.unwrap();
    for name in names {
        ledger.append(&take(name), 0, plan()).await.unwrap();
    }
    ledger
}

async fn advance(ledger: &Ledger, server: &Server, folder: &Path, names: &[&str]) -> Vec<Outcome> {
    advance_at_once(4, ledger, server, folder, names).await
}

async fn advance_at_once(
    concurrency: usize,
    ledger: &Ledger,
    server: &Server,
    folder: &Path,
    names: &[&str],
) -> Vec<Outcome> {
    let provider = Fal::at(&server.url, Secret::new("k".into()), false).unwrap();
    let (_stop, stopped) = watch::channel(false);
    let (notices, _watched) = mpsc::unbounded_channel();
    let pace = PollPace { least_ms: 1, most_ms: 5 };
    let patience = std::time::Duration::from_millis(300);
    let manner =
        Manner { pace, concurrency, patience, follow: false, max_clip: 1 << 20, wakes: None, slots: None, room: None };
    let runner = Runner::new(ledger, &provider as &dyn Provider, manner, stopped, notices);
    let works = names.iter().map(|name| work(folder, &take(name))).collect();
    runner.run(works).await.into_iter().map(|(_, outcome)| outcome).collect()
}

#[tokio::test]
async fn a_take_is_paid_once_and_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|url, request| well(url, request, CLIP));
    let ledger = planned(folder.path(), &["S1_T01"]).await;
    for _ in 0..3 {
        let outcomes = advance(&ledger, &server, folder.path(), &["S1_T01"]).await;
        assert!(matches!(outcomes[..], [Outcome::Done]), "{outcomes:?}");
    }
    assert_eq!(server.submits(), 1);
    assert_eq!(std::fs::read(folder.path().join("S1_T01.mp4")).unwrap(), CLIP);
    assert_eq!(ledger.budget().await.unwrap().committed, PRICE);
}

/// The reply is lost after the request arrived, in every way that a reply can be lost.
#[tokio::test]
async fn a_lost_or_senseless_reply_is_never_followed_by_a_second_request() {
    let replies: [fn() -> Reply; 6] = [
        || Reply::Drop,
        || Reply::Text(500, "oops".into()),
        || Reply::Text(502, "<html>nginx</html>".into()),
        || Reply::Text(200, "<html>welcome</html>".into()),
        || Reply::Text(200, "{}".into()),
        || Reply::Text(307, String::new()),
    ];
    for reply in replies {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(move |_, _| reply());
        let ledger = planned(folder.path(), &["S1_T01"]).await;
        for _ in 0..3 {
            let outcomes = advance(&ledger, &server, folder.path(), &["S1_T01"]).await;
            assert!(matches!(outcomes[..], [Outcome::Unknown(_)]), "{outcomes:?}");
        }
        assert_eq!(server.submits(), 1);
        assert_eq!(ledger.budget().await.unwrap().committed, PRICE, "an unknown charge counts as spent");
    }
}

#[tokio::test]
async fn a_clear_refusal_owes_nothing() {
    for (status, body) in [
        (401, r#"{"detail":"bad key"}"#),
        (422, r#"{"detail":[{"loc":["body","prompt"],"msg":"no","type":"missing"}]}"#),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(move |_, _| Reply::Text(status, body.into()));
        let ledger = planned(folder.path(), &["S1_T01"]).await;
        let outcomes = advance(&ledger, &server, folder.path(), &["S1_T01"]).await;
        assert!(matches!(outcomes[..], [Outcome::Failed(_)]), "{outcomes:?}");
        assert_eq!(ledger.budget().await.unwrap().committed, Usd::ZERO);
    }
}

#[tokio::test]
async fn nobody_listening_is_no_charge() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server { url: "http://127.0.0.1:9".into(), seen: Default::default() };
    let ledger = planned(folder.path(), &["S1_T01"]).await;
    let provider = Fal::at(&server.url, Secret::new("k".into()), false).unwrap();
    let (taken, reservation) = ledger.intend(&take("S1_T01"), 1, Value::Null, PRICE, None).await.unwrap();
    let error = provider.submit(&taken.plan.endpoint, &Value::Null, reservation).await.expect_err("nobody listens");
    assert!(matches!(error, seedpost_render::provider::SubmitError::NotSent(_)), "{error}");
}

#[tokio::test]
async fn two_takes_cannot_both_spend_the_last_dollar() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|url, request| well(url, request, CLIP));
    let ledger = planned(folder.path(), &["S1_T01", "S2_T01", "S3_T01"]).await;
    ledger.set_limit(Some(PRICE)).await.unwrap();
    let outcomes = advance(&ledger, &server, folder.path(), &["S1_T01", "S2_T01", "S3_T01"]).await;
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Outcome::OverBudget(_))).count(), 2, "{outcomes:?}");
    assert_eq!(server.submits(), 1);
}

/// Another program writes between a request and its answer: that its outcome is unknown, or that a person has settled it
/// and the next attempt has begun.
async fn overtaken(next_attempt: bool) -> (Outcome, Take, usize) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let server = Server::start(move |url, request| {
        if request.method == "POST" {
            let write = async {
                let (other, id) = (Ledger::open(&path).await.unwrap(), take("S1_T01"));
                if next_attempt {
                    other.append(&id, 2, Event::Resolved(Resolution::NotCharged)).await.unwrap();
                    other.intend(&id, 3, Value::Null, PRICE, None).await.unwrap();
                } else {
                    other.append(&id, 2, Event::SubmitUnknown { reason: "so it seems".into() }).await.unwrap();
                }
            };
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(write);
        }
        well(url, request, CLIP)
    });
    let ledger = planned(folder.path(), &["S1_T01"]).await;
    let outcome = advance(&ledger, &server, folder.path(), &["S1_T01"]).await.remove(0);
    (outcome, ledger.take(&take("S1_T01")).await.unwrap().unwrap(), server.submits())
}

#[tokio::test]
async fn a_job_whose_name_came_late_is_kept_for_its_own_attempt_and_for_no_later_one() {
    let (outcome, take, submits) = overtaken(false).await;
    assert!(matches!(outcome, Outcome::Done) && submits == 1, "{outcome:?}");
    assert_eq!(take.job.unwrap().request_id, "r1");
    let (outcome, take, submits) = overtaken(true).await;
    assert!(matches!(&outcome, Outcome::Broken(what) if what.contains("took request r1")), "{outcome:?}");
    assert!(matches!(take.phase, Phase::ChargeUnknown { .. }) && take.job.is_none() && submits == 1, "{take:?}");
}

/// Cuts the record of a whole take after every event, as a crash would, and runs on from there: with a file and with a
/// server.
#[tokio::test]
async fn a_cut_ledger_never_submits_twice() {
    let whole = {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(|url, request| well(url, request, CLIP));
        let ledger = planned(folder.path(), &["S1_T01"]).await;
        advance(&ledger, &server, folder.path(), &["S1_T01"]).await;
        ledger.history(&take("S1_T01")).await.unwrap()
    };
    assert_eq!(whole.len(), 5, "planned, intended, submitted, rendered, downloaded");
    for length in 1..=whole.len() {
        for home in [Home::file(), Home::server()] {
            let folder = tempfile::tempdir().unwrap();
            let server = Server::start(|url, request| well(url, request, CLIP));
            let ledger = replay(&home, &whole[..length], &server.url).await;
            let paid_before =
                whole[..length].iter().filter(|line| matches!(line.event, Event::SubmitIntended { .. })).count();
            let outcomes = advance(&ledger, &server, folder.path(), &["S1_T01"]).await;
            assert!(paid_before + server.submits() <= 1, "cut after {length}");
            let expected = if length == 2 { "Unknown" } else { "Done" };
            assert!(format!("{:?}", outcomes[0]).starts_with(expected), "cut after {length}: {outcomes:?}");
        }
    }
}

/// Writes lines again, with the addresses of a server that still runs.
async fn replay(home: &Home, lines: &[Line], url: &str) -> Ledger {
    let ledger = home.open().await;
    let provider = Fal::at(url, Secret::new("k".into()), false).unwrap();
    let id = take("S1_T01");
    for (seq, line) in (0..).zip(lines) {
        let event = match line.event.clone() {
            Event::SubmitIntended { body, reserved } => {
                ledger.intend(&id, seq, body, reserved, None).await.unwrap();
                continue;
            }
            Event::Submitted(_) => Event::Submitted(provider.job("bytedance/seedance-2.0/text-to-video", "r1")),
            Event::Rendered { charged, .. } => {
                Event::Rendered { url: format!("{url}/media/clip.mp4"), charged, last_frame: None }
            }
            event => event,
        };
        ledger.append(&id, seq, event).await.unwrap();
    }
    ledger
}

#[tokio::test]
async fn a_media_address_that_answers_a_web_page_leaves_no_file_and_keeps_the_job() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|url, request| match request.path.as_str() {
        "/media/clip.mp4" => Reply::Text(200, "<html>please log in</html>".into()),
        _ => well(url, request, CLIP),
    });
    let ledger = planned(folder.path(), &["S1_T01"]).await;
    let outcomes = advance(&ledger, &server, folder.path(), &["S1_T01"]).await;
    assert!(matches!(outcomes[..], [Outcome::Unreachable(_)]), "{outcomes:?}");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name.to_string_lossy().starts_with("ledger.db")), "{left:?}");
    let state: Take = ledger.take(&take("S1_T01")).await.unwrap().unwrap();
    assert!(matches!(state.phase, Phase::Rendered { .. }));
}

#[tokio::test]
async fn the_key_goes_to_the_queue_and_never_to_the_media_host() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|url, request| well(url, request, CLIP));
    let ledger = planned(folder.path(), &["S1_T01"]).await;
    advance(&ledger, &server, folder.path(), &["S1_T01"]).await;
    for request in server.seen.lock().unwrap().iter() {
        let has_key = request.head.to_ascii_lowercase().contains("authorization: key k");
        assert_eq!(has_key, !request.path.starts_with("/media"), "{request:?}");
    }
}

/// A result that cannot be read for a moment is no failure: the clip was paid for.
#[tokio::test]
async fn a_result_that_fails_for_a_moment_is_read_again_and_not_bought_again() {
    for (status, body) in
        [(500, r#"{"detail":"Internal Server Error"}"#), (400, r#"{"detail":"Request is still in progress"}"#)]
    {
        let folder = tempfile::tempdir().unwrap();
        let failed = std::sync::atomic::AtomicBool::new(false);
        let server = Server::start(move |url, request| {
            let result = request.method == "GET" && request.path.ends_with("/requests/r1");
            match result && !failed.swap(true, std::sync::atomic::Ordering::SeqCst) {
                true => Reply::Text(status, body.into()),
                false => well(url, request, CLIP),
            }
        });
        let ledger = planned(folder.path(), &["S1_T01"]).await;
        let outcomes = advance(&ledger, &server, folder.path(), &["S1_T01"]).await;
        assert!(matches!(outcomes[..], [Outcome::Done]) || server.submits() == 1, "{outcomes:?}");
        assert_eq!((server.submits(), ledger.budget().await.unwrap().committed), (1, PRICE), "{status}");
    }
}

#[tokio::test]
async fn a_file_in_the_clips_place_is_neither_paid_for_nor_taken_for_the_clip() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|url, request| well(url, request, CLIP));
    let ledger = planned(folder.path(), &["S1_T01"]).await;
    std::fs::write(folder.path().join("S1_T01.mp4"), "somebody's").unwrap();
    let outcomes = advance(&ledger, &server, folder.path(), &["S1_T01"]).await;
    assert!(matches!(outcomes[..], [Outcome::Occupied(_)]), "{outcomes:?}");
    assert_eq!((server.submits(), ledger.budget().await.unwrap().committed), (0, Usd::ZERO));
}

#[tokio::test]
async fn a_download_that_breaks_off_is_not_a_delivery() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|url, request| well(url, request, &CLIP[..CLIP.len() - 4]));
    let ledger = planned(folder.path(), &["S1_T01"]).await;
    let outcomes = advance(&ledger, &server, folder.path(), &["S1_T01"]).await;
    assert!(matches!(outcomes[..], [Outcome::Unreachable(_)]), "{outcomes:?}");
    assert!(!folder.path().join("S1_T01.mp4").exists());
}

#[tokio::test]
async fn a_job_that_never_ends_does_not_hold_the_run_for_ever_and_stays_paid_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|url, request| match request.path.contains("/status") {
        true => Reply::Text(202, r#"{"status":"IN_PROGRESS","logs":null}"#.into()),
        false => well(url, request, CLIP),
    });
    let ledger = planned(folder.path(), &["S1_T01"]).await;
    for _ in 0..2 {
        let outcomes = advance(&ledger, &server, folder.path(), &["S1_T01"]).await;
        assert!(matches!(outcomes[..], [Outcome::Unreachable(_)]), "{outcomes:?}");
    }
    assert_eq!(server.submits(), 1);
}

#[tokio::test]
async fn a_clip_is_followed_to_another_host_without_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|url, request| match request.path.as_str() {
        "/media/clip.mp4" => {
            let elsewhere = url.replace("127.0.0.1", "localhost");
            let head = format!(
                "HTTP/1.1 302 X\r\nlocation: {elsewhere}/elsewhere.mp4\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            Reply::Talk(Box::new(move |stream| std::io::Write::write_all(stream, head.as_bytes()).unwrap()))
        }
        "/elsewhere.mp4" => Reply::Bytes(CLIP.to_vec()),
        _ => well(url, request, CLIP),
    });
    let ledger = planned(folder.path(), &["S1_T01"]).await;
    let outcomes = advance(&ledger, &server, folder.path(), &["S1_T01"]).await;
    assert!(matches!(outcomes[..], [Outcome::Done]), "{outcomes:?}");
    let seen = server.seen.lock().unwrap();
    let last = seen.last().unwrap();
    assert_eq!(last.path, "/elsewhere.mp4");
    let head = last.head.to_ascii_lowercase();
    assert!(head.contains("host: localhost") && !head.contains("authorization"), "{head}");
}

/// One job at a time: the second is sent while the first one's clip is still on its way.
#[tokio::test]
async fn a_clip_on_its_way_holds_no_place_of_a_job() {
    let folder = tempfile::tempdir().unwrap();
    let sent = (Mutex::new(0), Condvar::new());
    let server = Server::start(move |url, request| {
        let own = |reply, id: u32| match reply {
            Reply::Text(200, text) => Reply::Text(200, text.replace("r1", &format!("r{id}"))),
            other => other,
        };
        if request.method == "POST" {
            let mut count = sent.0.lock().unwrap();
            *count += 1;
            sent.1.notify_all();
            return own(well(url, request, CLIP), *count);
        }
        if request.path == "/media/clip.mp4" {
            let (count, limit) = (sent.0.lock().unwrap(), std::time::Duration::from_secs(10));
            let waited = sent.1.wait_timeout_while(count, limit, |count| *count < 2).unwrap();
            return if waited.1.timed_out() { Reply::Drop } else { Reply::Bytes(CLIP.to_vec()) };
        }
        well(url, request, CLIP)
    });
    let ledger = planned(folder.path(), &["S1_T01", "S2_T01"]).await;
    let outcomes = advance_at_once(1, &ledger, &server, folder.path(), &["S1_T01", "S2_T01"]).await;
    assert!(matches!(outcomes[..], [Outcome::Done, Outcome::Done]), "{outcomes:?}");
}

/// One job at a time, and it does not end: a clip that is there already is fetched meanwhile.
#[tokio::test]
async fn a_job_that_has_ended_waits_for_no_place() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|url, request| match request.path.contains("/status") {
        true => Reply::Text(202, r#"{"status":"IN_PROGRESS","logs":null}"#.into()),
        false => well(url, request, CLIP),
    });
    let ledger = planned(folder.path(), &["S1_T01", "S2_T01"]).await;
    let job = JobRef { request_id: "r2".into(), status_url: None, response_url: None, cancel_url: None };
    let url = format!("{}/media/clip.mp4", server.url);
    ledger.intend(&take("S2_T01"), 1, Value::Null, PRICE, None).await.unwrap();
    ledger.append(&take("S2_T01"), 2, Event::Submitted(job)).await.unwrap();
    ledger.append(&take("S2_T01"), 3, Event::Rendered { url, charged: None, last_frame: None }).await.unwrap();
    let outcomes = advance_at_once(1, &ledger, &server, folder.path(), &["S1_T01", "S2_T01"]).await;
    assert!(matches!(outcomes[..], [Outcome::Unreachable(_), Outcome::Done]), "{outcomes:?}");
    let seen = server.seen.lock().unwrap();
    assert!(seen.last().unwrap().path.contains("/status"), "the clip came before the job was given up");
}
