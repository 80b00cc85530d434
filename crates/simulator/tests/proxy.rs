//! The proxies' forms over HTTP: six shapes of one answer, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test that fails panics, and may say why")]

mod support;

use reqwest::Method;
use serde_json::{Value, json};
use support::{Stage, canned, data_uri};

const PLAIN: &str = "/v1/video/generations";

/// A request for a clip of text, with other fields put over it.
fn request(over: Value) -> Value {
    let mut request =
        json!({ "model": "seedance_2.0_fast", "prompt": "a street in the rain", "duration": 4, "resolution": "480p" });
    for (field, value) in over.as_object().unwrap() {
        request[field] = value.clone();
    }
    request
}

/// Submits, watches a job wait, succeed and fail; answers the polls.
async fn follow(stage: &Stage, path: &str, id: &str, status: &str) -> [Value; 3] {
    let place = |answer: &Value| format!("{path}/{}", answer.pointer(id).unwrap().as_str().unwrap());
    stage.hold();
    let (code, submitted) = stage.post(path, &request(json!({}))).await;
    assert_eq!(code, 200, "{submitted}");
    let early = stage.get(&place(&submitted)).await.1;
    stage.release();
    let (_, failing) = stage.post(path, &request(json!({ "prompt": "[fail]" }))).await;
    let ended = |answer: &Value| {
        let status = answer.pointer(status).and_then(Value::as_str).unwrap_or_default().to_lowercase();
        ["succeeded", "completed", "success", "failed", "failure"].contains(&status.as_str())
    };
    [early, stage.until(&place(&submitted), ended).await, stage.until(&place(&failing), ended).await]
}

#[tokio::test]
async fn each_shape_says_the_same_in_its_own_words() {
    for (path, id, status, [waits, works, done, failed], url, words) in [
        (PLAIN, "/id", "/status", ["queued", "processing", "succeeded", "failed"], "/output/url", "/error"),
        (
            "/proxy/a/v1/video/generations",
            "/id",
            "/status",
            ["queued", "processing", "succeeded", "failed"],
            "/output/url",
            "/error",
        ),
        (
            "/proxy/b/v1/video/generations",
            "/task_id",
            "/status",
            ["queued", "processing", "completed", "failed"],
            "/url",
            "/error/message",
        ),
        (
            "/proxy/c/v1/video/generations",
            "/data/task_id",
            "/data/status",
            ["NOT_START", "IN_PROGRESS", "SUCCESS", "FAILURE"],
            "/data/data/content/video_url",
            "/data/fail_reason",
        ),
        (
            "/proxy/d/v1/videos",
            "/id",
            "/status",
            ["queued", "in_progress", "completed", "failed"],
            "/metadata/url",
            "/error/message",
        ),
        (
            "/proxy/e/v1/video/generations",
            "/id",
            "/status",
            ["queued", "running", "succeeded", "failed"],
            "/content/video_url",
            "/error/message",
        ),
    ] {
        let stage = Stage::new().await;
        let [early, made, not_made] = follow(&stage, path, id, status).await;
        let said = early.pointer(status).unwrap();
        assert!(said == waits || said == works, "{path}: {early}");
        assert_eq!(early.pointer(url), None, "{path}: {early}");
        assert_eq!(made.pointer(status).unwrap(), done, "{path}: {made}");
        assert_eq!(stage.bytes(made.pointer(url).unwrap().as_str().unwrap()).await, canned(), "{path}");
        assert_eq!(not_made.pointer(status).unwrap(), failed, "{path}: {not_made}");
        assert_eq!(not_made.pointer(words).unwrap(), "no light on set", "{path}: {not_made}");
        let bills = stage.bills().await;
        assert_eq!((bills.len(), &bills[0]["form"]), (1, &json!("openai")), "{path}");
        assert_eq!(stage.get(&format!("{path}/nobody")).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn shapes_with_more_to_say_say_it() {
    let stage = Stage::new().await;
    let [early, made, _] = follow(&stage, "/proxy/c/v1/video/generations", "/data/task_id", "/data/status").await;
    assert_eq!((&early["code"], &made["data"]["progress"]), (&json!("success"), &json!("100%")));
    let [early, made, _] = follow(&stage, "/proxy/d/v1/videos", "/id", "/status").await;
    assert_eq!((&early["object"], &made["progress"]), (&json!("video"), &json!(100)));
    assert!(made["expires_at"].as_u64().unwrap() > made["created_at"].as_u64().unwrap(), "{made}");
    let [_, made, _] = follow(&stage, "/proxy/e/v1/video/generations", "/id", "/status").await;
    assert_eq!(made["usage"]["completion_tokens"], 864 * 496 * 96 / 1024);
    assert!(made["id"].as_str().unwrap().starts_with("cgt-"));
    let (status, answer) = stage.post("/proxy/d/v1/video/generations", &request(json!({}))).await;
    assert_eq!((status, answer), (404, json!("404 page not found")));
}

#[tokio::test]
async fn a_clone_of_fal_answers_with_its_own_addresses() {
    let stage = Stage::new().await;
    let (status, reply) = stage.post("/proxy/f/v1/video/generations", &request(json!({}))).await;
    assert_eq!((status, &reply["status"]), (200, &json!("IN_QUEUE")));
    let prefix = format!("{}/proxy/f/v1/", stage.url());
    for address in ["status_url", "response_url", "cancel_url"] {
        assert!(reply[address].as_str().unwrap().starts_with(&prefix), "{reply}");
    }
    let url = reply["status_url"].as_str().unwrap();
    let status = stage.until(url, |answer| answer["status"] == "COMPLETED").await;
    assert_eq!(status["request_id"], reply["request_id"]);
    assert_eq!(stage.get(url).await.0, 200);
    let (code, result) = stage.get(reply["response_url"].as_str().unwrap()).await;
    assert_eq!(code, 200);
    assert_eq!(stage.bytes(result["video"]["url"].as_str().unwrap()).await, canned());
    assert_eq!(stage.call_as(Some("Key k"), Method::GET, url, None).await.0, 401, "it wants a bearer key");
    stage.hold();
    let (_, reply) = stage.post("/proxy/f/v1/video/generations", &request(json!({}))).await;
    assert_eq!(stage.get(reply["status_url"].as_str().unwrap()).await.0, 202);
    stage.release();
    let id = reply["request_id"].as_str().unwrap();
    assert_eq!(stage.get(&format!("/video/generations/requests/{id}/status")).await.0, 404, "it is not fal's own");
}

#[tokio::test]
async fn what_is_wrong_is_refused_and_makes_no_job() {
    let stage = Stage::new().await;
    let image = "https://h.example/a.png";
    for over in [
        json!({ "model": "seedance-2.0" }),
        json!({ "prompt": "" }),
        json!({ "duration": 3 }),
        json!({ "duration": 16 }),
        json!({ "duration": "5" }),
        json!({ "resolution": "4k" }),
        json!({ "aspect_ratio": "auto" }),
        json!({ "audio": "yes" }),
        json!({ "lipsync_language": "tlh" }),
        json!({ "negative_prompt": 7 }),
        json!({ "images": image }),
        json!({ "images": vec![image; 10] }),
        json!({ "videos": vec!["https://h.example/a.mp4"; 4] }),
        json!({ "videos": ["data:video/mp4;base64,AAAA"] }),
        json!({ "audios": vec!["https://h.example/a.mp3"; 4] }),
        json!({ "first_frame_image": [image] }),
        json!({ "last_frame_image": "frame.png" }),
        json!({ "images": [data_uri("image/jpeg", "fixtures/media/dot.png")] }),
        json!({ "images": [data_uri("image/jpg", "fixtures/media/dot.jpg")] }),
    ] {
        let (status, answer) = stage.post(PLAIN, &request(over.clone())).await;
        let error = &answer["error"];
        assert_eq!((status, &error["type"]), (400, &json!("invalid_request_error")), "{over}: {answer}");
        assert!(error["message"].is_string() && error["code"].is_string(), "{answer}");
    }
    for key in [None, Some("Key k")] {
        let (status, answer) = stage.call_as(key, Method::POST, PLAIN, Some(&request(json!({})))).await;
        assert_eq!((status, &answer["error"]["code"]), (401, &json!("invalid_api_key")));
    }
    assert!(stage.bills().await.is_empty() && stage.orders().is_empty());
}

#[tokio::test]
async fn what_the_guide_shows_is_rendered() {
    let stage = Stage::new().await;
    for over in [
        json!({ "images": [data_uri("image/png", "fixtures/media/dot.png")], "audios": [data_uri("audio/wav", "fixtures/demo/refs/host.wav")],
            "audio": true, "lipsync_language": "de" }),
        json!({ "first_frame_image": data_uri("image/jpeg", "fixtures/media/dot.jpg"), "last_frame_image": "https://h.example/b.png",
            "aspect_ratio": "21:9", "resolution": "1080p", "negative_prompt": "rain" }),
        json!({ "images": ["https://h.example/a.jpg"], "videos": ["https://h.example/m.mp4"], "audios": ["https://h.example/v.mp3"] }),
    ] {
        let (status, answer) = stage.post(PLAIN, &request(over)).await;
        assert_eq!(status, 200, "{answer}");
        let path = format!("{PLAIN}/{}", answer["id"].as_str().unwrap());
        stage.until(&path, |answer| answer["status"] == "succeeded").await;
    }
    let orders = stage.orders();
    let form = |order: &Value| (order["width"].as_u64(), order["channels"].as_u64(), order["sound"].is_null());
    assert_eq!(form(&orders[0]), (Some(864), Some(2), false));
    assert_eq!(form(&orders[1]), (Some(2206), Some(2), true));
    assert_eq!(stage.bills().await.len(), 3);
}

#[tokio::test]
async fn two_k_is_for_those_whose_plan_has_it() {
    let stage = Stage::new().await;
    let (status, answer) = stage.post(PLAIN, &request(json!({ "resolution": "2k" }))).await;
    let error = &answer["error"];
    let words = "resolution 2k is not available on your plan";
    assert_eq!((status, &error["code"], &error["message"]), (400, &json!("unsupported_resolution"), &json!(words)));
    let (_, answer) = stage.post(PLAIN, &request(json!({ "resolution": "2k", "prompt": "[2k] a street" }))).await;
    let path = format!("{PLAIN}/{}", answer["id"].as_str().unwrap());
    stage.until(&path, |answer| answer["status"] == "succeeded").await;
    let wide = json!({ "resolution": "2k", "aspect_ratio": "21:9", "prompt": "[2k] a street" });
    let (_, answer) = stage.post(PLAIN, &request(wide)).await;
    let path = format!("{PLAIN}/{}", answer["id"].as_str().unwrap());
    stage.until(&path, |answer| answer["status"] == "succeeded").await;
    let sizes: Vec<_> =
        stage.orders().iter().map(|order| (order["width"].as_u64(), order["height"].as_u64())).collect();
    assert_eq!(sizes, [(Some(2560), Some(1440)), (Some(2940), Some(1260))]);
}
