//! fal's platform API, uploads in parts, and webhooks, as callers see them.
#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

mod desk;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use desk::{Desk, MODEL, answer, desk, poll};
use reqwest::Method;
use ring::{digest, signature};
use serde_json::{Value, json};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn listed(desk: &Desk, query: &str) -> Value {
    let (code, list) = desk.get(&format!("/platform/v1/models/requests/by-endpoint?endpoint_id={MODEL}&{query}")).await;
    assert_eq!(code, StatusCode::OK, "{list}");
    list
}

fn ids(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["request_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_list_shows_jobs_in_flight_and_what_became_of_the_others() {
    let desk = desk().await;
    let done = desk.submit("done").await;
    let accepted = std::time::SystemTime::now();
    poll(async || (accepted.elapsed().unwrap() >= Duration::from_millis(2)).then_some(())).await;
    desk.fault(json!([
        { "call": "render", "fault": "fail", "reason": "server", "prompt": "broken" },
        { "call": "render", "fault": "stall", "prompt": "waits" },
    ]))
    .await;
    let (broken, waits) = (desk.submit("broken").await, desk.submit("waits").await);
    let refused = answer(desk.ask(Method::POST, &format!("/{MODEL}"), Some(json!({}))).await.unwrap()).await.1;
    for job in [&done, &broken, &refused] {
        desk.completed(job).await;
    }
    let id = |job: &Value| job["request_id"].as_str().unwrap().to_owned();
    let list = listed(&desk, "expand=payloads").await;
    assert_eq!(ids(&list), [id(&refused), id(&waits), id(&broken), id(&done)]);
    assert_eq!((&list["has_more"], &list["next_cursor"]), (&json!(false), &Value::Null));
    let items = list["items"].as_array().unwrap();
    let codes: Vec<&Value> = items.iter().map(|item| &item["status_code"]).collect();
    assert_eq!(codes, [&json!(422), &Value::Null, &json!(500), &json!(200)]);
    assert!(items[1].get("ended_at").is_none() && items[1].get("json_output").is_none(), "{}", items[1]);
    assert_eq!(items[1]["json_input"]["prompt"], "waits");
    assert_eq!(items[3]["json_output"], desk.result(&done).await.1);
    assert!(items[3]["ended_at"].is_string() && items[3]["duration"].is_number(), "{}", items[3]);

    for (query, expected) in [
        ("status=success".to_owned(), vec![id(&done)]),
        ("status=error".to_owned(), vec![id(&broken)]),
        ("status=user_error".to_owned(), vec![id(&refused)]),
        (format!("request_id={},{}", id(&done), id(&waits)), vec![id(&waits), id(&done)]),
        (format!("start={}", items[2]["sent_at"].as_str().unwrap()), vec![id(&refused), id(&waits), id(&broken)]),
        (format!("end={}", items[2]["sent_at"].as_str().unwrap()), vec![id(&done)]),
        ("start=2020-01-01&end=2020-01-02".to_owned(), vec![]),
    ] {
        assert_eq!(ids(&listed(&desk, &query).await), expected, "{query}");
    }
    assert!(listed(&desk, "").await["items"][0].get("json_input").is_none());
}

#[tokio::test]
async fn the_list_is_read_page_by_page() {
    let desk = desk().await;
    let mut jobs = Vec::new();
    for _ in 0..5 {
        jobs.push(desk.submit("a").await["request_id"].as_str().unwrap().to_owned());
    }
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let list = listed(&desk, &format!("limit=2{cursor}")).await;
        found.extend(ids(&list).into_iter().map(str::to_owned));
        assert_eq!(list["has_more"], list["next_cursor"].is_string());
        match list["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
        // What comes meanwhile does not shift the pages.
        desk.submit("a").await;
    }
    jobs.reverse();
    assert_eq!(found, jobs);
}

#[tokio::test]
async fn questions_that_make_no_sense_or_have_no_key_are_refused() {
    let desk = desk().await;
    let many: String = (0..51).map(|index| format!("request_id={index}&")).collect();
    for path in [
        "requests/by-endpoint",
        "requests/by-endpoint?endpoint_id=x&limit=101",
        "requests/by-endpoint?endpoint_id=x&status=running",
        "requests/by-endpoint?endpoint_id=x&start=yesterday",
        "billing-events",
        &format!("billing-events?{many}"),
        "pricing",
    ] {
        let (code, reply) = desk.get(&format!("/platform/v1/models/{path}")).await;
        assert_eq!(
            (code, &reply["error"]["type"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("validation_error")),
            "{path}"
        );
    }
    assert_eq!(desk.get("/platform/v1/models/pricing?endpoint_id=a/b").await.0, StatusCode::NOT_FOUND);
    let bare = desk.client.get(desk.url(&format!("/platform/v1/models/pricing?endpoint_id={MODEL}"))).send().await;
    assert_eq!(bare.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn billing_events_and_prices_agree_with_the_bills() {
    let desk = desk().await;
    let (done, refused) = (desk.submit("a").await, desk.submit(" ").await);
    desk.completed(&done).await;
    let ids = [&done, &refused].map(|job| job["request_id"].as_str().unwrap());
    let (_, events) =
        desk.get(&format!("/platform/v1/models/billing-events?request_id={}&request_id={}", ids[0], ids[1])).await;
    let items = events["items"].as_array().unwrap();
    let micros = desk.bills().await[0]["micros"].as_u64().unwrap();
    assert_eq!(items.len(), 1, "{events}");
    assert_eq!((&items[0]["request_id"], &items[0]["endpoint_id"]), (&json!(ids[0]), &json!(MODEL)));
    assert_eq!(items[0]["cost_estimate_nano_usd"], micros * 1000);
    let number = |value: &Value| value.as_f64().unwrap();
    assert!((number(&items[0]["cost_total"]) * 1e6 - micros as f64).abs() < 0.01);
    let cost = number(&items[0]["output_units"]) * number(&items[0]["unit_price"]);
    assert!((cost - number(&items[0]["cost_total"])).abs() < 1e-9, "{}", items[0]);
    let (_, prices) = desk.get(&format!("/platform/v1/models/pricing?endpoint_id={MODEL}")).await;
    let price = json!({ "endpoint_id": MODEL, "unit_price": 0.0112, "unit": "1000 tokens", "currency": "USD" });
    assert_eq!(prices["prices"], json!([price]));
    assert_eq!(items[0]["unit_price"], price["unit_price"]);
}

#[tokio::test]
async fn a_file_in_parts_is_joined_only_when_every_part_is_named_as_it_came() {
    let desk = desk().await;
    let about = json!({ "content_type": "video/mp4", "file_name": "a b.mp4" });
    let path = "/rest/storage/upload/initiate-multipart?storage_type=fal-cdn-v3";
    let (_, upload) = answer(desk.ask(Method::POST, path, Some(about)).await.unwrap()).await;
    let (to, from) = (upload["upload_url"].as_str().unwrap(), upload["file_url"].as_str().unwrap());
    let mut parts = Vec::new();
    for (number, bytes) in [(1, vec![1; 100_000]), (2, vec![2; 50_000])] {
        // JavaScript's client sends parts without a key.
        let reply = desk.client.put(format!("{to}/{number}")).body(bytes).send().await.unwrap();
        let etag = reply.headers()["etag"].to_str().unwrap().to_owned();
        let part = answer(reply).await.1;
        assert_eq!(part, json!({ "partNumber": number, "etag": etag }));
        parts.push(part);
    }
    assert_ne!(parts[0]["etag"], parts[1]["etag"]);
    let complete = async |parts: Value| {
        let body = json!({ "parts": parts });
        desk.client.post(format!("{to}/complete")).json(&body).send().await.unwrap().status()
    };
    let mut forged = parts.clone();
    forged[1]["etag"] = "\"0\"".into();
    for wrong in [json!([]), json!([parts[1], parts[0]]), json!([parts[1]]), json!(forged)] {
        assert_eq!(complete(wrong.clone()).await, StatusCode::BAD_REQUEST, "{wrong}");
    }
    assert_eq!(desk.ask(Method::GET, from, None).await.unwrap().status(), StatusCode::NOT_FOUND);
    assert_eq!(complete(json!(parts)).await, StatusCode::OK);
    let whole = desk.ask(Method::GET, from, None).await.unwrap().bytes().await.unwrap();
    assert_eq!((whole.len(), whole[99_999], whole[100_000]), (150_000, 1, 2));
    // An upload is complete once.
    assert_eq!(complete(json!(parts)).await, StatusCode::NOT_FOUND);
}

// Webhooks

type Letters = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// A receiver that refuses its first `refusals` letters; answers its address and what came.
async fn receiver(refusals: usize) -> (String, Letters) {
    let letters = Letters::default();
    let kept = letters.clone();
    let hear = move |headers: HeaderMap, body: Bytes| async move {
        let mut kept = kept.lock().unwrap();
        kept.push((headers, body));
        if kept.len() > refusals { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook?token=a&b=c", listener.local_addr().unwrap());
    let app = Router::new().route("/hook", post(hear));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, letters)
}

async fn heard(letters: &Letters, count: usize) -> Vec<(HeaderMap, Bytes)> {
    poll(async || {
        let letters = letters.lock().unwrap();
        (letters.len() >= count).then(|| letters.clone())
    })
    .await
}

/// Checks a letter as fal's documentation wants it.
async fn verify(desk: &Desk, (headers, body): &(HeaderMap, Bytes)) -> Result<(), &'static str> {
    let header = |name: &str| headers[&format!("x-fal-webhook-{name}")].to_str().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    if now.abs_diff(header("timestamp").parse().unwrap()) > 300 {
        return Err("old");
    }
    let digest = hex(digest::digest(&digest::SHA256, body).as_ref());
    let message = [header("request-id"), header("user-id"), header("timestamp"), &digest].join("\n");
    let text = header("signature");
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    let signed: Vec<u8> = (0..text.len()).step_by(2).map(byte).collect();
    let keys = desk.client.get(desk.url("/rest/.well-known/jwks.json")).send().await.unwrap();
    let keys = answer(keys).await.1;
    assert_eq!((&keys["keys"][0]["kty"], &keys["keys"][0]["crv"]), (&json!("OKP"), &json!("Ed25519")));
    let key = URL_SAFE_NO_PAD.decode(keys["keys"][0]["x"].as_str().unwrap()).unwrap();
    let key = signature::UnparsedPublicKey::new(&signature::ED25519, key);
    key.verify(message.as_bytes(), &signed).map_err(|_| "forged")
}

async fn submit_with_hook(desk: &Desk, prompt: &str, url: &str) -> Value {
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("fal_webhook", url).finish();
    answer(desk.try_submit(prompt, &format!("?{query}")).await.unwrap()).await.1
}

#[tokio::test]
async fn a_signed_letter_comes_when_a_job_has_ended_and_again_until_it_is_heard() {
    let desk = desk().await;
    let (url, letters) = receiver(1).await;
    let job = submit_with_hook(&desk, "a street", &url).await;
    let came = heard(&letters, 2).await;
    let (_, result) = desk.result(&job).await;
    for letter in &came {
        verify(&desk, letter).await.unwrap();
        let body: Value = serde_json::from_slice(&letter.1).unwrap();
        let id = &job["request_id"];
        let expected = json!({ "request_id": id, "gateway_request_id": id, "status": "OK", "payload": result });
        assert_eq!(body, expected);
        assert_eq!(letter.0["x-fal-webhook-request-id"], id.as_str().unwrap());
    }
    assert_eq!(came.len(), 2);
}

#[tokio::test]
async fn a_letter_tells_of_failures_too() {
    let desk = desk().await;
    let (url, letters) = receiver(0).await;
    desk.fault(json!([{ "call": "render", "fault": "fail", "reason": "face" }])).await;
    let failed = submit_with_hook(&desk, "a street", &url).await;
    let first = heard(&letters, 1).await;
    let refused = submit_with_hook(&desk, " ", &url).await;
    let second = heard(&letters, 2).await;
    for (letter, job) in [(&first[0], failed), (&second[1], refused)] {
        verify(&desk, letter).await.unwrap();
        let body: Value = serde_json::from_slice(&letter.1).unwrap();
        assert_eq!((&body["status"], &body["error"]), (&json!("ERROR"), &json!("Invalid status code: 422")));
        assert_eq!(body["payload"], desk.result(&job).await.1);
    }
}

#[tokio::test]
async fn letters_go_wrong_on_request() {
    let desk = desk().await;
    for (kind, count, verdict) in [
        ("late", 1, Err("old")),
        ("forge", 1, Err("forged")),
        ("tamper", 1, Err("forged")),
        ("wrong_status", 1, Ok(())),
        ("double", 2, Ok(())),
        ("missing", 0, Ok(())),
    ] {
        let (url, letters) = receiver(0).await;
        desk.fault(json!([{ "call": "webhook", "fault": kind }])).await;
        let job = submit_with_hook(&desk, "a street", &url).await;
        desk.completed(&job).await;
        // A letter that comes in any case tells that those before it had their time.
        submit_with_hook(&desk, "the next", &url).await;
        let came = heard(&letters, count + 1).await;
        let own: Vec<_> = came
            .iter()
            .filter(|letter| letter.0["x-fal-webhook-request-id"] == job["request_id"].as_str().unwrap())
            .collect();
        assert_eq!(own.len(), count, "{kind}");
        for letter in own {
            assert_eq!(verify(&desk, letter).await, verdict, "{kind}");
            let body: Value = serde_json::from_slice(&letter.1).unwrap();
            let status = if kind == "wrong_status" { "ERROR" } else { "OK" };
            assert_eq!(body["status"], status, "{kind}");
        }
    }
}

#[tokio::test]
async fn the_key_outlives_the_simulator() {
    let desk = desk().await;
    let key = async |desk: &Desk| desk.get("/rest/.well-known/jwks.json").await.1;
    let before = key(&desk).await;
    let Desk { folder, simulator, client } = desk;
    drop(simulator);
    let again = desk::simulator(folder.path(), |config| config.queue = Duration::from_secs(1)).await.unwrap();
    assert_eq!(key(&Desk { folder, simulator: again, client }).await, before);
}
