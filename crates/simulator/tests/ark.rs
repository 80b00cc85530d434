//! Ark's form over HTTP: what a task goes through, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test that fails panics, and may say why")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use reqwest::Method;
use serde_json::{Value, json};
use support::{Stage, base64_uri, canned, data_uri, picture};

const TASKS: &str = "/api/v3/contents/generations/tasks";
const MODEL: &str = "doubao-seedance-2-0-260128";
const OLDER: &str = "doubao-seedance-1-5-pro-251215";

fn text(words: &str) -> Value {
    json!({ "type": "text", "text": words })
}

fn item(kind: &str, url: &str, role: Option<&str>) -> Value {
    let mut item = json!({ "type": format!("{kind}_url"), format!("{kind}_url"): { "url": url } });
    if let Some(role) = role {
        item["role"] = role.into();
    }
    item
}

/// A request for a clip of text, with other fields put over it.
fn request(over: Value) -> Value {
    let mut request = json!({ "model": MODEL, "content": [text("a street in the rain")], "resolution": "480p" });
    for (field, value) in over.as_object().unwrap() {
        request[field] = value.clone();
    }
    request
}

impl Stage {
    async fn create(&self, request: &Value) -> String {
        let (status, answer) = self.post(TASKS, request).await;
        assert_eq!(status, 200, "{answer}");
        answer["id"].as_str().unwrap().to_owned()
    }

    async fn reaches(&self, id: &str, status: &str) -> Value {
        self.until(&format!("{TASKS}/{id}"), |task| task["status"] == status).await
    }

    async fn delete(&self, id: &str) -> (u16, Value) {
        self.call(Method::DELETE, &format!("{TASKS}/{id}"), Some(&json!({}))).await
    }
}

#[tokio::test]
async fn a_task_succeeds_and_tells_everything() {
    let stage = Stage::new().await;
    stage.hold();
    let unset = json!({ "seed": null, "frames": null, "tools": null, "ratio": null, "priority": null });
    let mut asked = request(unset);
    asked["duration"] = 4.into();
    asked["return_last_frame"] = true.into();
    asked["safety_identifier"] = "sp_01JD".into();
    let id = stage.create(&asked).await;
    assert!(id.len() == "cgt-20261124101112-abcde".len() && id.starts_with("cgt-20"), "{id}");
    let running = stage.reaches(&id, "running").await;
    assert_eq!((&running["error"], &running["content"], &running["usage"]), (&Value::Null, &Value::Null, &Value::Null));
    stage.release();

    let mut task = stage.reaches(&id, "succeeded").await;
    let video = task["content"]["video_url"].as_str().unwrap().to_owned();
    let still = task["content"]["last_frame_url"].as_str().unwrap().to_owned();
    assert!(video.ends_with("video.mp4?X-Tos-Expires=86400"), "{video}");
    assert_eq!(stage.bytes(&video).await, canned());
    assert!(stage.bytes(&still).await.starts_with(b"\x89PNG"));
    let created = task["created_at"].as_u64().unwrap();
    assert!(created > 1_790_000_000 && task["updated_at"].as_u64().unwrap() >= created, "{task}");
    for field in ["content", "created_at", "updated_at"] {
        task.as_object_mut().unwrap().remove(field);
    }
    let tokens = 864 * 496 * 96 / 1024;
    let expected = json!({
        "id": id, "model": MODEL, "status": "succeeded", "error": null, "resolution": "480p", "ratio": "16:9",
        "duration": 4, "framespersecond": 24, "generate_audio": true, "service_tier": "default",
        "execution_expires_after": 172_800, "safety_identifier": "sp_01JD",
        "usage": { "completion_tokens": tokens, "total_tokens": tokens },
    });
    assert_eq!(task, expected);
    let order = &stage.orders()[0];
    assert_eq!((&order["channels"], &order["frames"]), (&json!(1), &json!(96)), "Ark's sound is mono");
    let bills = stage.bills().await;
    assert_eq!((bills.len(), &bills[0]["form"], &bills[0]["endpoint"]), (1, &json!("ark"), &json!(MODEL)));
}

#[tokio::test]
async fn what_is_wrong_is_refused_in_arks_form_and_makes_no_task() {
    let stage = Stage::new().await;
    let fine = base64_uri("image/bmp", &picture(400, 300));
    let image = |role| item("image", &fine, role);
    let long = "x".repeat(65);
    for (over, code, param) in [
        (json!({ "model": null }), "MissingParameter", "model"),
        (json!({ "content": null }), "MissingParameter", "content"),
        (json!({ "content": [] }), "MissingParameter", "content.text"),
        (json!({ "content": [text(" ")] }), "MissingParameter", "content.text"),
        (json!({ "content": [text("a"), text("b")] }), "InvalidParameter", "content"),
        (json!({ "content": [{ "type": "poem" }] }), "InvalidParameter", "content"),
        (json!({ "duration": 3 }), "InvalidParameter", "duration"),
        (json!({ "duration": 16 }), "InvalidParameter", "duration"),
        (json!({ "duration": "5" }), "InvalidParameter", "duration"),
        (json!({ "model": OLDER, "duration": 13 }), "InvalidParameter", "duration"),
        (json!({ "resolution": "2k" }), "InvalidParameter", "resolution"),
        (json!({ "model": OLDER, "resolution": "4k" }), "InvalidParameter", "resolution"),
        (
            json!({ "model": "dreamina-seedance-2-0-fast-260128", "resolution": "1080p" }),
            "InvalidParameter",
            "resolution",
        ),
        (json!({ "ratio": "auto" }), "InvalidParameter", "ratio"),
        (json!({ "seed": 7 }), "InvalidParameter", "seed"),
        (json!({ "model": OLDER, "seed": -2 }), "InvalidParameter", "seed"),
        (json!({ "draft": false }), "InvalidParameter", "draft"),
        (json!({ "camera_fixed": true }), "InvalidParameter", "camera_fixed"),
        (json!({ "frames": 97 }), "InvalidParameter", "frames"),
        (json!({ "priority": 10 }), "InvalidParameter", "priority"),
        (json!({ "service_tier": "flex" }), "InvalidParameter", "service_tier"),
        (json!({ "execution_expires_after": 3599 }), "InvalidParameter", "execution_expires_after"),
        (json!({ "safety_identifier": long }), "InvalidParameter", "safety_identifier"),
        (json!({ "generate_audio": "yes" }), "InvalidParameter", "generate_audio"),
        (json!({ "callback_url": "me" }), "InvalidParameter", "callback_url"),
        (json!({ "tools": [{ "type": "oracle" }] }), "InvalidParameter", "tools"),
        (json!({ "content": [image(Some("last_frame"))] }), "InvalidParameter", "content"),
        (
            json!({ "content": [image(Some("first_frame")), image(Some("reference_image"))] }),
            "InvalidParameter",
            "content",
        ),
        (json!({ "content": [image(None), image(None)] }), "InvalidParameter", "content"),
        (json!({ "content": [image(Some("reference_video"))] }), "InvalidParameter", "content.role"),
        (json!({ "model": OLDER, "content": [image(Some("reference_image"))] }), "InvalidParameter", "content"),
        (json!({ "content": vec![image(Some("reference_image")); 10] }), "InvalidParameter", "content"),
        (
            json!({ "content": [{ "type": "draft_task", "draft_task": { "id": "cgt-1" } }] }),
            "InvalidParameter",
            "content.draft_task",
        ),
    ] {
        let (status, answer) = stage.post(TASKS, &request(over.clone())).await;
        let error = &answer["error"];
        let found = (status, &error["code"], &error["param"], &error["type"]);
        assert_eq!(found, (400, &json!(code), &json!(param), &json!("BadRequest")), "{over}: {answer}");
        assert!(error["message"].as_str().is_some_and(|words| !words.is_empty()), "{answer}");
    }
    assert_eq!(stage.get(TASKS).await.1, json!({ "total": 0, "items": [] }));
    assert!(stage.bills().await.is_empty());
}

#[tokio::test]
async fn a_strange_model_and_a_missing_key_have_codes_of_their_own() {
    let stage = Stage::new().await;
    let (status, answer) = stage.post(TASKS, &request(json!({ "model": "ep-2026" }))).await;
    assert_eq!((status, &answer["error"]["code"]), (404, &json!("InvalidEndpointOrModel.NotFound")));
    for key in [None, Some("Key k"), Some("Bearer ")] {
        let (status, answer) = stage.call_as(key, Method::POST, TASKS, Some(&request(json!({})))).await;
        assert_eq!((status, &answer["error"]["code"]), (401, &json!("AuthenticationError")), "{key:?}");
    }
}

#[tokio::test]
async fn a_reference_has_to_be_what_it_says() {
    let stage = Stage::new().await;
    let small = base64_uri("image/bmp", &picture(200, 300));
    let wide = base64_uri("image/bmp", &picture(800, 310));
    let lie = base64_uri("image/png", &picture(400, 300));
    let upload = stage.upload("fixtures/demo/refs/host.wav").await;
    let speech = data_uri("audio/wav", "fixtures/demo/refs/guest.wav");
    let fine = item("image", "https://h.example/a.png", Some("reference_image"));
    let sound = |url: &str| item("audio", url, Some("reference_audio"));
    for (items, words) in [
        (vec![item("image", &small, None)], "width"),
        (vec![item("image", &wide, None)], "width ÷ height"),
        (vec![item("image", &lie, None)], "the data URI says image/png, but the content is bmp"),
        (vec![item("image", "data:image/png;base64,####", None)], "not base64"),
        (vec![item("image", "file:///etc/passwd", None)], "needs an http(s) address"),
        (vec![item("image", &format!("{}/cdn/files/none/x.png", stage.url()), None)], "cannot be downloaded"),
        (vec![item("video", "data:video/mp4;base64,AAAA", Some("reference_video"))], "needs an http(s) address"),
        (vec![sound(&upload)], "needs an image or a video"),
        (vec![fine.clone(), sound(&data_uri("audio/mp3", "fixtures/demo/refs/guest.wav"))], "audio/mp3"),
        (vec![fine.clone(), sound(&data_uri("audio/mpeg", "fixtures/media/tone.mp3"))], "lasts 0.5"),
        (vec![fine.clone(), sound(&upload), sound(&speech)], "together"),
    ] {
        let (status, answer) = stage.post(TASKS, &request(json!({ "content": items }))).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(status == 400 && message.contains(words), "{words}: {answer}");
    }
    for items in [
        vec![item("image", "https://h.example/a.png", None)],
        vec![fine.clone(), item("video", "asset://x1", Some("reference_video"))],
        vec![fine.clone(), sound(&upload)],
        vec![fine, sound(&speech), sound("https://h.example/unread.mp3")],
    ] {
        let id = stage.create(&request(json!({ "content": items }))).await;
        stage.reaches(&id, "succeeded").await;
    }
    let bills = stage.bills().await;
    let last = bills.iter().max_by_key(|bill| bill["input"]["content"].as_array().unwrap().len()).unwrap();
    let kept = last["input"]["content"][1]["audio_url"]["url"].as_str().unwrap();
    assert!(kept.starts_with("http://simulator/cdn/files/"), "data URIs are kept as files: {kept}");
}

#[tokio::test]
async fn a_free_ratio_follows_the_first_picture() {
    let stage = Stage::new().await;
    let tall = item("image", &base64_uri("image/bmp", &picture(360, 640)), Some("first_frame"));
    let id = stage.create(&request(json!({ "content": [tall], "ratio": "adaptive", "duration": -1 }))).await;
    let task = stage.reaches(&id, "succeeded").await;
    assert_eq!((&task["ratio"], &task["duration"]), (&json!("9:16"), &json!(5)));
    assert_eq!((&stage.orders()[0]["width"], &stage.orders()[0]["height"]), (&json!(496), &json!(864)));
    // A clip may be a reference for the next: its address is this simulator's own.
    let url = task["content"]["video_url"].as_str().unwrap();
    let (status, answer) =
        stage.post(TASKS, &request(json!({ "content": [item("video", url, Some("reference_video"))] }))).await;
    assert!(status == 400 && answer["error"]["message"].as_str().unwrap().contains("height is 180"), "{answer}");
}

#[tokio::test]
async fn only_waiting_and_ended_tasks_can_be_deleted() {
    let stage = Stage::new().await;
    stage.hold();
    let first = stage.create(&request(json!({}))).await;
    stage.reaches(&first, "running").await;
    let second = stage.create(&request(json!({}))).await;
    stage.reaches(&second, "queued").await;
    let (status, answer) = stage.delete(&first).await;
    assert_eq!((status, &answer["error"]["code"]), (409, &json!("TaskRunningCannotCancel")));
    assert_eq!(stage.delete(&second).await, (200, json!({})));
    stage.reaches(&second, "cancelled").await;
    assert_eq!(stage.delete(&second).await.0, 409);
    stage.release();
    stage.reaches(&first, "succeeded").await;
    assert_eq!(stage.delete(&first).await, (200, json!({})));
    assert_eq!(stage.get(&format!("{TASKS}/{first}")).await.0, 404);
    assert_eq!(stage.delete(&first).await.0, 404);
    let bills = stage.bills().await;
    assert_eq!(bills.len(), 1, "what was made stays billed, and what was cancelled costs nothing");
    assert_eq!(bills[0]["request_id"], first.as_str());
}

#[tokio::test]
async fn tasks_are_listed_newest_first_by_page_and_filter() {
    let stage = Stage::new().await;
    let mut ids = Vec::new();
    for over in [json!({}), json!({ "model": OLDER, "service_tier": "flex" }), json!({ "content": [text("[fail]")] })] {
        ids.push(stage.create(&request(over)).await);
    }
    stage.reaches(&ids[1], "succeeded").await;
    let failed = stage.reaches(&ids[2], "failed").await;
    assert_eq!(failed["error"], json!({ "code": "InternalServiceError", "message": "no light on set" }));
    for (query, expected) in [
        ("", vec![2, 1, 0]),
        ("page_num=1&page_size=2", vec![2, 1]),
        ("page_num=2&page_size=2", vec![0]),
        ("filter.status=succeeded", vec![1, 0]),
        ("filter.status=failed", vec![2]),
        (&format!("filter.task_ids={}&filter.task_ids={}", ids[2], ids[0]), vec![2, 0]),
        (&format!("filter.model={OLDER}"), vec![1]),
        ("filter.service_tier=flex", vec![1]),
    ] {
        let (_, answer) = stage.get(&format!("{TASKS}?{query}")).await;
        let found: Vec<&str> =
            answer["items"].as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap()).collect();
        let expected: Vec<&str> = expected.into_iter().map(|index: usize| ids[index].as_str()).collect();
        assert_eq!(found, expected, "{query}");
        let total = if query.starts_with("page") { 3 } else { expected.len() };
        assert_eq!(answer["total"], total, "{query}");
    }
    for query in ["page_num=0", "page_num=501", "page_size=501", "filter.status=done"] {
        assert_eq!(stage.get(&format!("{TASKS}?{query}")).await.0, 400, "{query}");
    }
    assert_eq!(stage.bills().await.len(), 2, "a task that failed costs nothing");
}

#[tokio::test]
async fn a_draft_of_1_5_can_be_gone_on_from() {
    let stage = Stage::new().await;
    let draft = stage.create(&request(json!({ "model": OLDER, "draft": true, "seed": 11 }))).await;
    let task = stage.reaches(&draft, "succeeded").await;
    assert_eq!((&task["seed"], &task["draft"]), (&json!(11), &json!(true)));
    let from = json!([{ "type": "draft_task", "draft_task": { "id": draft } }]);
    let id = stage.create(&request(json!({ "model": OLDER, "content": from, "resolution": "720p" }))).await;
    let task = stage.reaches(&id, "succeeded").await;
    assert_eq!((&task["draft_task_id"], &task["resolution"]), (&json!(draft), &json!("720p")));
}

/// What a callback address heard; it does not take the last word at first.
type Heard = Arc<Mutex<Vec<Value>>>;

async fn hear(State(heard): State<Heard>, body: String) -> StatusCode {
    let word: Value = serde_json::from_str(&body).unwrap();
    let mut heard = heard.lock().unwrap();
    heard.push(word);
    let ends = heard.iter().filter(|word| word["status"] == "succeeded").count();
    if ends == 1 { StatusCode::BAD_GATEWAY } else { StatusCode::OK }
}

#[tokio::test]
async fn each_change_of_status_is_called_back_in_order() {
    let heard = Heard::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/cb", post(hear)).with_state(heard.clone());
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let stage = Stage::new().await;
    let id = stage.create(&request(json!({ "callback_url": format!("http://{address}/cb") }))).await;
    let task = stage.reaches(&id, "succeeded").await;
    let start = Instant::now();
    while heard.lock().unwrap().len() < 3 {
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", heard.lock().unwrap());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.abort();
    let heard = heard.lock().unwrap();
    let statuses: Vec<&str> = heard.iter().map(|word| word["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["running", "succeeded", "succeeded"]);
    assert_eq!(heard[2], task, "a callback says what a poll says");
}
