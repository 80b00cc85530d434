//! What goes wrong on request, and the journal, as callers see them.
#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

mod desk;

use std::time::{Duration, Instant};

use desk::{CLIP, MODEL, answer, desk, desk_with, poll, simulator};
use futures_util::StreamExt;
use reqwest::{Method, StatusCode};
use seedpost_simulator::{Call, Fault, Kind};
use serde_json::{Value, json};

#[tokio::test]
async fn an_answer_on_request_comes_instead_of_the_work_or_after_it() {
    for (kind, bills) in [("answer", 0), ("answer_after", 1)] {
        let desk = desk().await;
        let fault = json!({ "call": "submit", "fault": kind, "status": 429, "headers": { "retry-after": "7" }, "body": { "detail": "busy" } });
        desk.fault(json!([fault])).await;
        let reply = desk.try_submit("a street", "").await.unwrap();
        assert_eq!(reply.headers()["retry-after"], "7");
        assert_eq!(answer(reply).await, (StatusCode::TOO_MANY_REQUESTS, json!({ "detail": "busy" })));
        assert_eq!(desk.bills().await.len(), bills, "{kind}");
        desk.submit("a street").await;
    }
}

#[tokio::test]
async fn a_text_is_answered_as_a_web_page() {
    let desk = desk().await;
    desk.fault(json!([{ "call": "submit", "fault": "answer", "status": 502, "body": "<html>nginx</html>" }])).await;
    let reply = desk.try_submit("a street", "").await.unwrap();
    assert_eq!(reply.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!((reply.status(), reply.text().await.unwrap().as_str()), (StatusCode::BAD_GATEWAY, "<html>nginx</html>"));
}

#[tokio::test]
async fn a_dropped_call_gets_no_byte_whether_the_work_was_done_or_not() {
    for (kind, bills) in [("drop", 0), ("drop_after", 1)] {
        let desk = desk().await;
        desk.fault(json!([{ "call": "submit", "fault": kind }])).await;
        let error = desk.try_submit("a street", "").await.unwrap_err();
        assert!(error.is_request() && !error.is_timeout() && !error.is_connect(), "{error:?}");
        assert_eq!(desk.bills().await.len(), bills, "{kind}");
        // The server goes on.
        desk.submit("a street").await;
    }
}

#[tokio::test]
async fn a_hanging_call_is_never_answered_whether_the_work_was_done_or_not() {
    for (kind, bills) in [("hang", 0), ("hang_after", 1)] {
        let desk = desk().await;
        desk.fault(json!([{ "call": "submit", "fault": kind }])).await;
        let waited = tokio::time::timeout(Duration::from_millis(500), desk.try_submit("a street", "")).await;
        assert!(waited.is_err(), "{kind}: {waited:?}");
        assert_eq!(desk.bills().await.len(), bills, "{kind}");
    }
}

#[tokio::test]
async fn a_patch_changes_the_reply_and_nothing_else() {
    let desk = desk().await;
    let patch = json!({ "request_id": null, "queue_position": 9, "extra": { "a": 1 } });
    desk.fault(json!([{ "call": "submit", "fault": "patch", "patch": patch }])).await;
    let reply = desk.submit("a street").await;
    assert_eq!((&reply["queue_position"], &reply["extra"]), (&json!(9), &json!({ "a": 1 })));
    assert!(reply.get("request_id").is_none() && reply["status_url"].is_string(), "{reply}");
    assert_eq!(desk.result(&reply).await.0, StatusCode::OK);
}

#[tokio::test]
async fn every_call_can_fail_and_only_that_one() {
    let desk = desk().await;
    let job = desk.submit("a street").await;
    let (id, clip) = (job["request_id"].as_str().unwrap(), desk.clip().await);
    let url = job["response_url"].as_str().unwrap();
    let calls = [
        ("submit", Method::POST, format!("/{MODEL}")),
        ("status", Method::GET, format!("{url}/status")),
        ("status", Method::GET, format!("{url}/status/stream")),
        ("result", Method::GET, url.to_owned()),
        ("cancel", Method::PUT, format!("{url}/cancel")),
        ("list", Method::GET, format!("/platform/v1/models/requests/by-endpoint?endpoint_id={MODEL}")),
        ("billing", Method::GET, format!("/platform/v1/models/billing-events?request_id={id}")),
        ("price", Method::GET, format!("/platform/v1/models/pricing?endpoint_id={MODEL}")),
        ("upload", Method::POST, "/rest/storage/auth/token".to_owned()),
        ("upload", Method::POST, "/cdn/files/upload".to_owned()),
        ("media", Method::GET, clip),
    ];
    for (call, method, path) in calls {
        desk.fault(json!([{ "call": call, "fault": "answer", "status": 418 }])).await;
        let submit = ("submit", Method::POST, format!("/{MODEL}"));
        let other = if call == "submit" { ("result", Method::GET, url.to_owned()) } else { submit };
        let body = (other.0 == "submit").then(|| json!({ "prompt": "p", "duration": "4" }));
        assert_eq!(desk.ask(other.1, &other.2, body).await.unwrap().status(), StatusCode::OK, "{call}");
        let body = (call == "submit").then(|| json!({ "prompt": "p", "duration": "4" }));
        assert_eq!(desk.ask(method, &path, body).await.unwrap().status(), StatusCode::IM_A_TEAPOT, "{call} {path}");
        assert_eq!(desk.get("/_simulator/faults").await.1, json!([]), "{call}");
    }
}

#[tokio::test]
async fn faults_are_used_in_order_as_often_as_they_say_by_the_jobs_they_are_meant_for() {
    let desk = desk().await;
    let answer = |status: u16| json!({ "call": "submit", "fault": "answer", "status": status });
    let mut faults = [answer(501), answer(502), answer(503), answer(504)];
    faults[0]["times"] = 2.into();
    faults[1]["prompt"] = "rain".into();
    faults[2]["form"] = "ark".into();
    faults[3]["times"] = 0.into();
    faults[3]["prompt"] = "snow".into();
    desk.fault(json!(faults)).await;
    for (prompt, expected) in [("rain", 501), ("sun", 501), ("sun", 200), ("a rainy day", 502), ("rain", 200)] {
        assert_eq!(desk.try_submit(prompt, "").await.unwrap().status().as_u16(), expected, "{prompt}");
    }
    for _ in 0..3 {
        assert_eq!(desk.try_submit("snow", "").await.unwrap().status().as_u16(), 504);
    }
    let left = desk.get("/_simulator/faults").await.1;
    assert_eq!((&left[0]["status"], &left[1]["times"], left.as_array().unwrap().len()), (&json!(503), &json!(0), 2));
    let cleared = desk.ask(Method::DELETE, "/_simulator/faults", None).await.unwrap();
    assert_eq!(cleared.status(), StatusCode::NO_CONTENT);
    assert_eq!(desk.try_submit("snow", "").await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_fault_of_a_job_is_known_by_its_prompt_at_every_later_call() {
    let desk = desk().await;
    let (rain, sun) = (desk.submit("rain").await, desk.submit("sun").await);
    let fault = |call: &str| json!({ "call": call, "fault": "answer", "status": 418, "prompt": "rain" });
    let (_, result) = desk.result(&sun).await;
    assert_eq!(desk.result(&rain).await.0, StatusCode::OK);
    desk.fault(json!([fault("status"), fault("result"), fault("media")])).await;
    let base = rain["response_url"].as_str().unwrap();
    let clip = result["video"]["url"].as_str().unwrap();
    assert_eq!(desk.result(&sun).await.0, StatusCode::OK);
    assert_eq!(desk.ask(Method::GET, clip, None).await.unwrap().status(), StatusCode::OK);
    assert_eq!(desk.get(&format!("{base}/status")).await.0, StatusCode::IM_A_TEAPOT);
    assert_eq!(desk.get(base).await.0, StatusCode::IM_A_TEAPOT);
    let clip = clip.replace(sun["request_id"].as_str().unwrap(), rain["request_id"].as_str().unwrap());
    assert_eq!(desk.ask(Method::GET, &clip, None).await.unwrap().status(), StatusCode::IM_A_TEAPOT);
}

#[tokio::test]
async fn a_fault_that_makes_no_sense_is_refused() {
    let desk = desk().await;
    for fault in [
        json!({ "call": "submit", "fault": "truncate", "bytes": 1 }),
        json!({ "call": "render", "fault": "drop" }),
        json!({ "call": "media", "fault": "truncate" }),
        json!({ "call": "render", "fault": "fail" }),
        json!({ "call": "submit", "fault": "patch" }),
        json!({ "call": "media", "fault": "redirect" }),
        json!({ "call": "render", "fault": "wrong_duration" }),
        json!({ "call": "submit", "fault": "explode" }),
        json!({ "call": "submit", "fault": "drop", "stauts": 500 }),
    ] {
        let reply = desk.ask(Method::POST, "/_simulator/faults", Some(json!([fault]))).await.unwrap();
        assert_eq!(reply.status(), StatusCode::UNPROCESSABLE_ENTITY, "{fault}");
    }
    let folder = tempfile::tempdir().unwrap();
    let wrong = Fault::new(Call::Submit, Kind::Stall);
    let error = simulator(folder.path(), |config| config.faults = vec![wrong]).await.unwrap_err();
    assert_eq!(error.to_string(), "call \"submit\" cannot have the fault \"stall\"");
}

#[tokio::test]
async fn a_clip_can_be_elsewhere_cut_short_or_no_clip() {
    let desk = desk_with(|config| config.faults = vec![Fault::new(Call::Media, Kind::Wrong)]).await;
    let url = desk.clip().await;
    let fetch = async || desk.client.get(&url).send().await.unwrap();
    let page = fetch().await;
    assert_eq!(page.headers()["content-type"], "video/mp4");
    assert!(page.content_length().is_some_and(|length| length > 0));
    assert!(page.text().await.unwrap().starts_with("<!doctype html>"));

    desk.fault(json!([{ "call": "media", "fault": "redirect", "location": "http://127.0.0.1:1/x" }])).await;
    let moved = fetch().await;
    assert_eq!(
        (moved.status(), &moved.headers()["location"]),
        (StatusCode::FOUND, &"http://127.0.0.1:1/x".parse().unwrap())
    );

    desk.fault(json!([{ "call": "media", "fault": "truncate", "bytes": 20 }])).await;
    let mut cut = fetch().await;
    assert_eq!(cut.content_length(), Some(CLIP.len() as u64));
    let mut came = Vec::new();
    let error = loop {
        match cut.chunk().await {
            Ok(piece) => came.extend(piece.unwrap()),
            Err(error) => break error,
        }
    };
    assert_eq!((came.as_slice(), error.is_body() || error.is_decode()), (&CLIP[..20], true), "{error:?}");

    desk.fault(json!([{ "call": "media", "fault": "short", "bytes": 20 }])).await;
    let short = fetch().await;
    assert_eq!((short.content_length(), &short.bytes().await.unwrap()[..]), (Some(20), &CLIP[..20]));

    desk.fault(json!([{ "call": "media", "fault": "endless" }])).await;
    let endless = fetch().await;
    assert_eq!(endless.content_length(), None);
    let mut total = 0;
    let mut pieces = endless.bytes_stream();
    while total < 5 << 20 {
        total += pieces.next().await.unwrap().unwrap().len();
    }
    drop(pieces);

    desk.fault(json!([{ "call": "media", "fault": "answer", "status": 403, "body": "<p>expired" }])).await;
    assert_eq!(fetch().await.status(), StatusCode::FORBIDDEN);
    assert_eq!(&fetch().await.bytes().await.unwrap()[..], CLIP);
}

#[tokio::test]
async fn a_failed_job_is_completed_costs_nothing_and_says_why() {
    let desk = desk().await;
    for (reason, status, kind, place) in [
        ("face", 422, "content_policy_violation", json!(["body", "image_urls"])),
        ("copyright", 422, "content_policy_violation", json!(["body", "generated_video"])),
        ("audio", 422, "content_policy_violation", json!(["body", "generated_video"])),
        ("prompt", 422, "content_policy_violation", json!(["body", "prompt"])),
        ("timeout", 504, "generation_timeout", json!(["body"])),
        ("server", 500, "internal_server_error", json!(["body"])),
    ] {
        desk.fault(json!([{ "call": "render", "fault": "fail", "reason": reason }])).await;
        let job = desk.submit("a street").await;
        let (code, result) = desk.result(&job).await;
        let item = &result["detail"][0];
        assert_eq!((code.as_u16(), &item["type"], &item["loc"]), (status, &json!(kind), &place), "{reason}: {result}");
        assert_eq!(desk.completed(&job).await["status"], "COMPLETED");
    }
    assert!(desk.bills().await.is_empty());
}

#[tokio::test]
async fn a_stalled_job_waits_for_ever_and_can_be_cancelled_in_the_queue_only() {
    let desk = desk().await;
    desk.fault(json!([{ "call": "render", "fault": "stall" }, { "call": "render", "fault": "stall_running" }])).await;
    let (queued, running) = (desk.submit("a").await, desk.submit("b").await);
    let status = async |job: &Value| desk.get(job["status_url"].as_str().unwrap()).await.1;
    poll(async || (status(&running).await["status"] == "IN_PROGRESS").then_some(())).await;
    // Those behind them are done all the same.
    let third = desk.submit("c").await;
    assert_eq!(desk.result(&third).await.0, StatusCode::OK);
    assert_eq!(
        (&status(&queued).await["status"], &status(&queued).await["queue_position"]),
        (&json!("IN_QUEUE"), &json!(0))
    );
    for job in [&queued, &running] {
        let reply = desk.ask(Method::PUT, job["cancel_url"].as_str().unwrap(), None).await.unwrap();
        assert_eq!(reply.status(), StatusCode::ACCEPTED);
    }
    assert_eq!(desk.result(&queued).await.0.as_u16(), 499);
    assert_eq!(status(&running).await["status"], "IN_PROGRESS");
    assert_eq!(desk.bills().await.len(), 2);
}

#[tokio::test]
async fn a_job_waits_exactly_as_long_as_the_queue_and_knows_its_place() {
    let desk = desk_with(|config| config.queue = Duration::from_millis(400)).await;
    let begun = Instant::now();
    let first = desk.submit("a").await;
    let accepted = Instant::now();
    let second = desk.submit("b").await;
    assert_eq!((&first["queue_position"], &second["queue_position"]), (&json!(0), &json!(1)));
    let cancelled = desk.submit("c").await;
    desk.ask(Method::PUT, cancelled["cancel_url"].as_str().unwrap(), None).await.unwrap();
    desk.completed(&first).await;
    let waited = begun.elapsed();
    assert!(waited >= Duration::from_millis(400), "{waited:?}");
    assert!(accepted.elapsed() < Duration::from_millis(900), "{:?}", accepted.elapsed());
    assert_eq!(desk.result(&second).await.0, StatusCode::OK);
    assert_eq!(desk.result(&cancelled).await.0.as_u16(), 499);
    assert_eq!(desk.bills().await.len(), 2);
}

#[tokio::test]
async fn a_thousand_jobs_with_a_canned_clip_take_a_few_short_lines_each() {
    let desk = desk_with(|config| config.queue = Duration::from_secs(1)).await;
    let mut jobs = Vec::new();
    for _ in 0..10 {
        let batch = (0..100).map(|_| desk.submit("a street"));
        jobs.extend(futures_util::future::join_all(batch).await);
    }
    for job in [&jobs[0], &jobs[999]] {
        let (_, result) = desk.result(job).await;
        let clip = desk.client.get(result["video"]["url"].as_str().unwrap()).send().await.unwrap();
        assert_eq!(&clip.bytes().await.unwrap()[..], CLIP);
    }
    let folder = desk.folder.path().join("simulator");
    assert_eq!(std::fs::read_dir(folder.join("files")).unwrap().count(), 1);
    assert!(std::fs::metadata(folder.join("jobs.jsonl")).unwrap().len() < 4_000_000);
    assert_eq!(desk.bills().await.len(), 1000);
}

#[tokio::test]
async fn the_journal_has_every_request_in_order_and_no_key() {
    let desk = desk().await;
    let job = desk.submit("a street").await;
    desk.completed(&job).await;
    let uploaded =
        desk.client.post(desk.url("/cdn/files/upload")).header("authorization", "Bearer t").body(vec![7; 9000]);
    assert_eq!(uploaded.send().await.unwrap().status(), StatusCode::OK);
    desk.ask(Method::POST, "/rest/storage/nothing?x=1&x=2", None).await.unwrap();
    let (_, journal) = desk.get("/_simulator/requests").await;
    let entries = journal.as_array().unwrap();
    let paths: Vec<&str> = entries.iter().map(|entry| entry["path"].as_str().unwrap()).collect();
    let last = entries.len() - 1;
    assert_eq!(paths[0], format!("/{MODEL}"));
    assert_eq!((paths[last - 1], paths[last]), ("/cdn/files/upload", "/rest/storage/nothing"));
    assert!(paths[1..last - 1].iter().all(|path| path.ends_with("/status")), "{paths:?}");
    assert_eq!((&entries[0]["method"], &entries[0]["body"]["prompt"]), (&json!("POST"), &json!("a street")));
    assert_eq!((&entries[last]["query"], &entries[last - 1]["body"]), (&json!("x=1&x=2"), &json!({ "bytes": 9000 })));
    let digest = ring::digest::digest(&ring::digest::SHA256, b"Key secret");
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(entries[0]["headers"]["authorization"], format!("Key sha256:{hex}"));
    assert!(!journal.to_string().contains("secret"));
    desk.ask(Method::DELETE, "/_simulator/requests", None).await.unwrap();
    assert_eq!(desk.get("/_simulator/requests").await.1, json!([]));
}

#[tokio::test]
async fn jobs_that_cannot_be_read_are_left_out_and_the_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let start = async |stall: bool| {
        let simulator = simulator(folder.path(), |config| {
            config.faults = if stall { vec![Fault::new(Call::Render, Kind::Stall)] } else { Vec::new() };
        });
        desk::Desk { folder: tempfile::tempdir().unwrap(), simulator: simulator.await.unwrap(), client: desk::client() }
    };
    let id = {
        let desk = start(true).await;
        desk.submit("a street").await["request_id"].as_str().unwrap().to_owned()
    };
    let jobs = folder.path().join("simulator/jobs.jsonl");
    let whole = std::fs::read_to_string(&jobs).unwrap();
    let cut = &whole[..whole.len() / 2];
    std::fs::write(&jobs, format!("{cut}\n[]\nno JSON{whole}{cut}")).unwrap();
    let desk = start(false).await;
    let result = poll(async || {
        let (code, result) = desk.get(&format!("/bytedance/seedance-2.0/requests/{id}")).await;
        (code == StatusCode::OK).then_some(result)
    });
    assert!(result.await["video"]["url"].is_string());
    assert_eq!(desk.bills().await.len(), 1);
}

#[tokio::test]
async fn arks_and_the_proxies_calls_go_wrong_by_their_form() {
    let desk = desk().await;
    let ark = "/api/v3/contents/generations/tasks";
    let text = json!([{ "type": "text", "text": "rain --" }]);
    let task = json!({ "model": "doubao-seedance-2-0-260128", "content": text, "duration": 4, "resolution": "480p" });
    let video = json!({ "model": "seedance_2.0_fast", "prompt": "rain --", "duration": 4, "resolution": "480p" });
    for (form, path, body) in [("ark", ark, task), ("openai", "/v1/video/generations", video)] {
        let ask = async |method: Method, path: &str, body: Option<&Value>| {
            let request = desk.client.request(method, desk.url(path)).header("authorization", "Bearer secret");
            let request = if let Some(body) = body { request.json(body) } else { request };
            answer(request.send().await.unwrap()).await
        };
        let fault = |call: &str, status: u16| json!({ "call": call, "fault": "answer", "status": status, "form": form, "prompt": "rain" });
        desk.fault(json!([fault("submit", 429), fault("status", 503)])).await;
        assert_eq!(ask(Method::POST, path, Some(&body)).await.0, StatusCode::TOO_MANY_REQUESTS, "{form}");
        let (code, job) = ask(Method::POST, path, Some(&body)).await;
        assert_eq!(code, StatusCode::OK, "{form}: {job}");
        let own = format!("{path}/{}", job["id"].as_str().unwrap());
        assert_eq!(ask(Method::GET, &own, None).await.0, StatusCode::SERVICE_UNAVAILABLE, "{form}");
        let done = poll(async || {
            let (_, job) = ask(Method::GET, &own, None).await;
            (job["status"] == "succeeded").then_some(job)
        });
        let done = done.await;
        let clip = done["content"]["video_url"].as_str().or(done["output"]["url"].as_str()).unwrap();
        desk.fault(json!([fault("media", 403), { "call": "render", "fault": "fail", "reason": "face", "form": form }]))
            .await;
        assert_eq!(ask(Method::GET, clip, None).await.0, StatusCode::FORBIDDEN, "{form}");
        assert_eq!(&desk.client.get(clip).send().await.unwrap().bytes().await.unwrap()[..], CLIP, "{form}");
        let (_, job) = ask(Method::POST, path, Some(&body)).await;
        let own = format!("{path}/{}", job["id"].as_str().unwrap());
        poll(async || (ask(Method::GET, &own, None).await.1["status"] == "failed").then_some(())).await;
        let bills = desk.bills().await;
        assert_eq!(bills.iter().filter(|bill| bill["form"] == form).count(), 1, "{form}: {bills:?}");
    }
    desk.fault(json!([{ "call": "list", "fault": "answer" }, { "call": "cancel", "fault": "answer" }])).await;
    for (method, path) in [(Method::GET, ark.to_owned()), (Method::DELETE, format!("{ark}/cgt-1"))] {
        assert_eq!(desk.ask(method, &path, None).await.unwrap().status(), StatusCode::INTERNAL_SERVER_ERROR, "{path}");
    }
}
