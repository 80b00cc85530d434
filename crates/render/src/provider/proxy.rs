//! Proxies in the form of OpenAI's API. No official source has it, and each proxy answers in a shape of its own:
//! the shapes are told apart by what comes back. Unverified at every proxy but the simulator.
//!
//! Deliberately absent: cancelling and lists, which proxies do not have.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use reqwest::{Method, RequestBuilder};
use seedpost_core::catalog::Mode;
use seedpost_core::cost::Reservation;
use seedpost_core::job::{Failure, FailureKind, JobRef};
use seedpost_core::shot::ShotDuration;
use seedpost_core::tag;
use serde_json::{Map, Value};
use url::Url;

use super::fal::answer as fal;
use super::inline;
use super::{
    CallError, Cancel, Clip, Found, Order, Placed, Progress, Provider, SetupError, Sought, SubmitError, Upload,
    filtered,
};
use crate::fetch::Reach;
use crate::http::{self, Answer, Caller, Secret};

/// The variable that holds the key, for hints.
const KEY: &str = "SEEDANCE_API_KEY";
/// Where requests go, and where some proxies have them instead.
const PATHS: [&str; 2] = ["video/generations", "videos"];
/// Where an id may stand.
const IDS: [&str; 5] = ["/id", "/task_id", "/data/task_id", "/data/id", "/request_id"];
/// Where the clip's address may stand.
const URLS: [&str; 11] = [
    "/url",
    "/data/url",
    "/result_url",
    "/data/result_url",
    "/output/url",
    "/video_url",
    "/content/video_url",
    "/data/content/video_url",
    "/data/data/content/video_url",
    "/metadata/url",
    "/video/url",
];
/// Where the state may stand.
const STATES: [&str; 3] = ["/data/status", "/status", "/state"];
/// Where a reason may stand.
const REASONS: [&str; 6] =
    ["/error/message", "/error", "/data/fail_reason", "/fail_reason", "/data/error/message", "/message"];

/// A proxy.
#[derive(Debug)]
pub struct Proxy {
    caller: Caller,
    key: Secret,
    base: Url,
    /// Whether requests go to the other path, since the usual one was not there.
    other: AtomicBool,
}

impl Proxy {
    /// A proxy at a base address such as `https://proxy.example.com/v1`.
    ///
    /// # Errors
    /// When the address is not one, or would be asked without TLS, or this machine has no usable TLS set-up.
    pub fn at(base: &str, key: Secret) -> Result<Proxy, SetupError> {
        let base = http::api(&format!("{}/", base.trim_end_matches('/')))?;
        let caller = Caller::new(&base).map_err(|error| SetupError(http::reason(error)))?;
        Ok(Proxy { caller, key, base, other: AtomicBool::new(false) })
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.caller.request(method, url);
        request.header("authorization", format!("Bearer {}", self.key.expose()))
    }

    fn path(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path()));
        url
    }

    /// A stored address of a job, at this proxy's host: the key goes nowhere else.
    fn known(&self, given: Option<&String>) -> Result<Url, CallError> {
        let given = given.and_then(|given| Url::parse(given).ok());
        let given = given.ok_or_else(|| CallError::lasting("the job has no address at this provider"))?;
        let mut url = self.base.clone();
        url.set_path(given.path());
        url.set_query(given.query());
        Ok(url)
    }

    async fn get(&self, what: &str, given: Option<&String>) -> Result<Answer, CallError> {
        let answer = http::call(self.request(Method::GET, self.known(given)?)).await?;
        if answer.json().is_some_and(|body| body.is_object()) || what == "result" {
            return Ok(answer);
        }
        Err(answer.error(what, KEY))
    }

    /// What is said of a job at the other path: who names a job by its id alone cannot know which path a proxy has.
    async fn at_the_other_path(&self, job: &JobRef) -> Option<Answer> {
        let [usual, other] = PATHS.map(|path| self.job_at(path, &job.request_id));
        let answer = (job.status_url == usual.status_url).then(|| self.get("status", other.status_url.as_ref()))?;
        answer.await.ok()
    }

    fn job_at(&self, path: &str, request_id: &str) -> JobRef {
        let mut url = self.path(path);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.push(request_id);
        }
        let status_url = Some(url.to_string());
        JobRef { request_id: request_id.to_owned(), status_url, response_url: None, cancel_url: None }
    }

    fn read_submit(&self, path: &str, answer: &Answer) -> Result<JobRef, SubmitError> {
        let body = answer.json().unwrap_or_default();
        let refused = |kind| Err(SubmitError::Refused(explain(kind, &body, answer)));
        match answer.status {
            200..=202 => {}
            401..=403 => return refused(FailureKind::Account),
            400 if !body.is_object() => return Err(SubmitError::ChargeUnknown(answer.describe())),
            400 | 404 | 405 | 413 | 415 | 422 => return refused(FailureKind::FixShot),
            429 => {
                let wait_ms = answer.retry_after_ms.unwrap_or(10_000);
                return Err(SubmitError::Throttled { wait_ms, message: reason(&body, answer) });
            }
            _ => return Err(SubmitError::ChargeUnknown(answer.describe())),
        }
        let id = first(&body, &IDS).ok_or_else(|| SubmitError::ChargeUnknown(answer.describe()))?;
        let text = |key: &str| body[key].as_str().filter(|url| Url::parse(url).is_ok()).map(str::to_owned);
        // A proxy that copies fal's queue names the addresses of the job itself.
        match (text("status_url"), text("response_url")) {
            (Some(status), Some(response)) => {
                Ok(JobRef { request_id: id, status_url: Some(status), response_url: Some(response), cancel_url: None })
            }
            _ => Ok(self.job_at(path, &id)),
        }
    }
}

#[async_trait]
impl Provider for Proxy {
    async fn place(&self, upload: &Upload) -> Result<Placed, CallError> {
        inline::place(upload, &http::host(&self.base)).await
    }

    fn body(&self, endpoint: &str, order: &Order) -> Value {
        let mut body = Map::new();
        body.insert("model".into(), endpoint.into());
        body.insert("prompt".into(), own_tags(&order.prompt).into());
        body.insert("aspect_ratio".into(), order.aspect_ratio.clone().into());
        if let ShotDuration::Seconds(seconds) = order.duration {
            body.insert("duration".into(), seconds.into());
        }
        body.insert("resolution".into(), order.resolution.clone().into());
        body.insert("audio".into(), order.generate_audio.into());
        for (key, urls) in [("images", &order.images), ("videos", &order.videos), ("audios", &order.audios)] {
            if order.mode == Mode::Reference && !urls.is_empty() {
                body.insert(key.into(), urls.clone().into());
            }
        }
        let language = order.language.as_ref().filter(|_| order.generate_audio);
        for (key, text) in [
            ("lipsync_language", language),
            ("negative_prompt", order.negative_prompt.as_ref()),
            ("first_frame_image", order.first_frame.as_ref()),
            ("last_frame_image", order.last_frame.as_ref()),
        ] {
            if let Some(text) = text {
                body.insert(key.into(), text.clone().into());
            }
        }
        Value::Object(body)
    }

    /// One request; a second one, at the other path, only after the first path was not there.
    async fn submit(&self, _endpoint: &str, body: &Value, _reservation: Reservation) -> Result<JobRef, SubmitError> {
        let [usual, other] = PATHS;
        if !self.other.load(Ordering::Relaxed) {
            let answer = http::pay(self.request(Method::POST, self.path(usual)).json(body)).await?;
            let told = answer.json().is_some_and(|body| !body["error"].is_null());
            if !matches!(answer.status, 404 | 405) || told {
                return self.read_submit(usual, &answer);
            }
        }
        let answer = http::pay(self.request(Method::POST, self.path(other)).json(body)).await?;
        self.other.store(!matches!(answer.status, 404 | 405), Ordering::Relaxed);
        self.read_submit(other, &answer)
    }

    async fn poll(&self, job: &JobRef) -> Result<Progress, CallError> {
        let answer = match self.get("status", job.status_url.as_ref()).await {
            Err(error) if error.unknown => self.at_the_other_path(job).await.ok_or(error)?,
            answer => answer?,
        };
        let body = answer.json().unwrap_or_default();
        // A copy of fal's queue names the result's address in the status too.
        let named = body["response_url"].as_str().map(str::to_owned);
        let response_url = job.response_url.clone().or(named);
        if response_url.is_some() && matches!(answer.status, 200 | 202) {
            if body["status"] != "COMPLETED" {
                return Ok(fal::standing(&body));
            }
            let said_failed = body["error"].is_string();
            return fal::read_result(&self.get("result", response_url.as_ref()).await?, said_failed);
        }
        // Where fal's queue is copied, a job that is named by its id alone is asked for its result.
        if answer.status == 400 && body["detail"].as_str().is_some_and(|words| words.ends_with("still in progress")) {
            return Ok(Progress::Running(Vec::new()));
        }
        if answer.status != 200 {
            return Err(answer.error("status", KEY));
        }
        standing(&body, &answer)
    }

    async fn cancel(&self, _job: &JobRef) -> Result<Cancel, CallError> {
        Err(CallError::lasting("proxies cannot cancel; the job goes on"))
    }

    async fn find(&self, _sought: &Sought) -> Result<Found, CallError> {
        Ok(Found::NoList)
    }

    fn job(&self, _endpoint: &str, request_id: &str) -> JobRef {
        self.job_at(PATHS[0], request_id)
    }

    fn media_reach(&self) -> Reach {
        http::reach(&self.base)
    }
}

/// The first text that stands at one of these places.
fn first(body: &Value, places: &[&str]) -> Option<String> {
    let text = |place: &&str| match body.pointer(place)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) if *place != "/status" => Some(number.to_string()),
        _ => None,
    };
    places.iter().find_map(text)
}

/// How a job stands, whatever the shape; what cannot be told counts as at work.
fn standing(body: &Value, answer: &Answer) -> Result<Progress, CallError> {
    let state = first(body, &STATES).unwrap_or_default().to_ascii_lowercase();
    let progress = ["/progress", "/data/progress"].into_iter().find_map(|place| body.pointer(place));
    let progress = progress.map(|progress| progress.as_str().map_or_else(|| format!("{progress}%"), str::to_owned));
    let clip = first(body, &URLS).filter(|url| Url::parse(url).is_ok());
    match state.as_str() {
        "" if clip.is_none() => Err(CallError::transient(format!("the answer tells no state: {}", answer.describe()))),
        "" | "success" | "succeeded" | "completed" | "complete" | "done" => {
            let url = clip.ok_or_else(|| CallError::transient(format!("done, but no clip: {}", answer.describe())))?;
            Ok(Progress::Done(Clip { url, charged: None, last_frame: None }))
        }
        "pending" | "queued" | "not_start" | "submitted" | "in_queue" => Ok(Progress::Queued(None)),
        "running" | "processing" | "in_progress" => Ok(Progress::Running(progress.into_iter().collect())),
        "expired" => Ok(Progress::Failed(owed(explain(FailureKind::TimedOut, body, answer)))),
        state if state.starts_with("fail") || state == "error" => {
            Ok(Progress::Failed(owed(explain(FailureKind::TryAgain, body, answer))))
        }
        state if state.starts_with("cancel") => {
            Ok(Progress::Failed(owed(explain(FailureKind::Cancelled, body, answer))))
        }
        other => Ok(Progress::Running(vec![format!("status {:?}", other.chars().take(60).collect::<String>())])),
    }
}

/// No source says that a proxy takes nothing for a job that failed.
fn owed(failure: Failure) -> Failure {
    Failure { owed: true, ..failure }
}

fn reason(body: &Value, answer: &Answer) -> String {
    let text = first(body, &REASONS).map(|text| http::excerpt(&text));
    text.map_or_else(|| answer.describe(), |text| format!("HTTP {}: {text}", answer.status))
}

/// What can be done, by the words, since proxies have no list of codes.
fn explain(kind: FailureKind, body: &Value, answer: &Answer) -> Failure {
    let message = reason(body, answer);
    let code = first(body, &["/error/code", "/code"]).unwrap_or_default();
    let text = format!("{message} {code}").to_ascii_lowercase();
    let said = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let moderated = ["sensitive", "moderat", "content policy", "content_policy", "safety", "likeness", "copyright"];
    if kind != FailureKind::Account && said(&moderated) {
        let about = filtered(&text).unwrap_or("content");
        return Failure::free(FailureKind::Moderated, message).about(Some(about));
    }
    if kind == FailureKind::TryAgain && said(&["timeout", "timed out"]) {
        return Failure::free(FailureKind::TimedOut, message);
    }
    let field = body.pointer("/error/param").and_then(Value::as_str).map(str::to_owned);
    let resolution = (said(&["resolution", "2k"]) && !said(&["quota", "limit"])).then(|| "resolution".to_owned());
    let about = (kind == FailureKind::FixShot).then(|| field.or(resolution)).flatten();
    Failure::free(kind, message).about(about)
}

/// Writes tags as the proxies' guide does: `@Image1` becomes `@image_file_1`.
fn own_tags(prompt: &str) -> String {
    tag::rewrite(prompt, |tag| format!("@{}_file_{}", tag.kind.as_str(), tag.number.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn proxy() -> Proxy {
        Proxy::at("http://127.0.0.1:1/v1", Secret::new(String::new())).expect("an address")
    }

    /// One reply of each shape that relay gateways are known to give.
    #[test]
    fn an_id_is_found_in_every_shape() {
        for (body, expected) in [
            (json!({ "id": "a1" }), "http://127.0.0.1:1/v1/video/generations/a1"),
            (json!({ "task_id": "a1", "status": "queued" }), "http://127.0.0.1:1/v1/video/generations/a1"),
            (json!({ "code": "success", "data": { "task_id": "a1" } }), "http://127.0.0.1:1/v1/video/generations/a1"),
            (json!({ "id": "a1", "object": "video" }), "http://127.0.0.1:1/v1/video/generations/a1"),
            (json!({ "id": "../x?y" }), "http://127.0.0.1:1/v1/video/generations/..%2Fx%3Fy"),
            (
                json!({ "request_id": "a1", "status_url": "https://x/a/status", "response_url": "https://x/a" }),
                "https://x/a/status",
            ),
        ] {
            let job = proxy().read_submit("video/generations", &Answer::test(200, &body.to_string())).expect("taken");
            assert_eq!(job.status_url.as_deref(), Some(expected), "{body}");
        }
        for body in ["{}", "<html>", r#"{"id":""}"#, r#"{"id":null}"#, "[]"] {
            let read = proxy().read_submit("video/generations", &Answer::test(200, body));
            assert!(matches!(read, Err(SubmitError::ChargeUnknown(_))), "{body}");
        }
    }

    #[test]
    fn every_shape_of_a_status_is_understood() {
        let kind = |body: &Value| match standing(body, &Answer::test(200, &body.to_string())) {
            Ok(Progress::Done(clip)) => clip.url,
            Ok(Progress::Failed(failure)) => format!("{:?} {}", failure.kind, failure.message),
            Ok(other) => format!("{other:?}"),
            Err(error) => format!("error, {}", error.transient),
        };
        for (body, expected) in [
            (json!({ "status": "succeeded", "output": { "url": "https://m/a" } }), "https://m/a"),
            (json!({ "status": "completed", "url": "https://m/a" }), "https://m/a"),
            (
                json!({ "code": "success", "data": { "status": "SUCCESS", "data": { "content": { "video_url": "https://m/a" } } } }),
                "https://m/a",
            ),
            (json!({ "status": "completed", "metadata": { "url": "https://m/a" } }), "https://m/a"),
            (json!({ "status": "succeeded", "content": { "video_url": "https://m/a" } }), "https://m/a"),
            (json!({ "status": "succeeded" }), "error, true"),
            (json!({ "data": { "status": "IN_PROGRESS", "progress": "30%" } }), "Running([\"30%\"])"),
            (json!({ "status": "in_progress", "progress": 30 }), "Running([\"30%\"])"),
            (json!({ "data": { "status": "NOT_START" } }), "Queued(None)"),
            (json!({ "status": "napping" }), "Running([\"status \\\"napping\\\"\"])"),
            (json!({ "status": 200 }), "error, true"),
            (json!({ "code": "task_not_exist" }), "error, true"),
            (json!({ "seed": 7, "video": { "url": "https://m/a" } }), "https://m/a"),
            (json!({ "status": "failed", "error": "no" }), "TryAgain HTTP 200: no"),
            (json!({ "status": "failed", "error": { "message": "no" } }), "TryAgain HTTP 200: no"),
            (json!({ "data": { "status": "FAILURE", "fail_reason": "sensitive" } }), "Moderated HTTP 200: sensitive"),
            (json!({ "status": "cancelled" }), "Cancelled HTTP 200, the answer: {\"status\":\"cancelled\"}"),
            (json!({ "status": "expired", "error": "late" }), "TimedOut HTTP 200: late"),
        ] {
            assert_eq!(kind(&body), expected, "{body}");
        }
    }
}
