//! Ark, of Volcengine and of BytePlus: tasks that are created, read, listed and cancelled.
//!
//! A callback is only a hint here: a task is always read again. Deliberately absent: batch inference, assets kept
//! at Ark (`asset://`), and deleting the record of a task that has ended, which would lose a paid clip.

use async_trait::async_trait;
use reqwest::{Method, RequestBuilder};
use seedpost_core::catalog::{Catalog, Mode};
use seedpost_core::cost::{Reservation, Usd};
use seedpost_core::job::{Failure, FailureKind, JobRef};
use seedpost_core::shot::ShotDuration;
use seedpost_core::tag;
use serde_json::{Map, Value, json};
use url::Url;

use super::{
    CallError, Cancel, Candidate, Clip, Found, Order, Placed, Progress, Provider, SetupError, Sought, SubmitError,
    Upload, inline,
};
use crate::fetch::Reach;
use crate::http::{self, Answer, Caller, Secret};

/// The variable that holds the key, for hints.
const KEY: &str = "ARK_API_KEY";
/// Tasks on one page of the list: the most that Ark gives.
const PAGE: u64 = 500;
/// How many pages are read.
const MAX_PAGES: u64 = 20;
/// How far Ark's clock and ours may be apart, in seconds.
const CLOCKS: u64 = 600;

/// Ark.
#[derive(Debug)]
pub struct Ark {
    caller: Caller,
    key: Secret,
    tasks: Url,
    callback: Option<String>,
}

impl Ark {
    /// The base address of a region: `cn-beijing` is Volcengine's, `ap-southeast` BytePlus's.
    #[must_use]
    pub fn base(region: &str) -> &'static str {
        match region {
            "ap-southeast" => "https://ark.ap-southeast.bytepluses.com/api/v3",
            _ => "https://ark.cn-beijing.volces.com/api/v3",
        }
    }

    /// Ark at a base address, or a gateway in its form.
    ///
    /// # Errors
    /// When the address is not one, or would be asked without TLS, or this machine has no usable TLS set-up.
    pub fn at(base: &str, key: Secret) -> Result<Ark, SetupError> {
        let tasks = http::api(&format!("{}/contents/generations/tasks", base.trim_end_matches('/')))?;
        let caller = Caller::new(&tasks).map_err(|error| SetupError(http::reason(error)))?;
        Ok(Ark { caller, key, tasks, callback: None })
    }

    /// The same, told to call an address whenever a task changes.
    #[must_use]
    pub fn with_callback(self, callback: Option<String>) -> Ark {
        Ark { callback, ..self }
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.caller.request(method, url);
        request.header("authorization", format!("Bearer {}", self.key.expose()))
    }

    fn task(&self, id: &str) -> Url {
        let mut url = self.tasks.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.push(id);
        }
        url
    }

    async fn read(&self, what: &str, url: Url) -> Result<Value, CallError> {
        let answer = http::call(self.request(Method::GET, url)).await?;
        answer.json().filter(|body| answer.status == 200 && body.is_object()).ok_or_else(|| answer.error(what, KEY))
    }
}

#[async_trait]
impl Provider for Ark {
    async fn place(&self, upload: &Upload) -> Result<Placed, CallError> {
        inline::place(upload, &http::host(&self.tasks)).await
    }

    fn body(&self, endpoint: &str, order: &Order) -> Value {
        let mut body = Map::new();
        body.insert("model".into(), endpoint.into());
        body.insert("content".into(), content(order).into());
        body.insert("resolution".into(), order.resolution.clone().into());
        let ratio = if order.aspect_ratio == "auto" { "adaptive" } else { &order.aspect_ratio };
        body.insert("ratio".into(), ratio.into());
        let seconds = match order.duration {
            ShotDuration::Seconds(seconds) => i64::from(seconds),
            ShotDuration::Auto => -1,
        };
        body.insert("duration".into(), seconds.into());
        body.insert("generate_audio".into(), order.generate_audio.into());
        body.insert("watermark".into(), false.into());
        if order.return_last_frame {
            body.insert("return_last_frame".into(), true.into());
        }
        if order.draft {
            body.insert("draft".into(), true.into());
        }
        // A draft that is continued brings its own.
        if let Some(seed) = order.seed.filter(|_| order.promotes.is_none()) {
            body.insert("seed".into(), seed.into());
        }
        if let Some((field, mark)) = &order.mark {
            body.insert(field.clone(), mark.clone().into());
        }
        if let Some(callback) = &self.callback {
            body.insert("callback_url".into(), callback.clone().into());
        }
        Value::Object(body)
    }

    async fn submit(&self, endpoint: &str, body: &Value, _reservation: Reservation) -> Result<JobRef, SubmitError> {
        let answer = http::pay(self.request(Method::POST, self.tasks.clone()).json(body)).await?;
        let id = read_create(&answer)?;
        Ok(self.job(endpoint, &id))
    }

    async fn poll(&self, job: &JobRef) -> Result<Progress, CallError> {
        let task = self.read("task", self.task(&job.request_id)).await?;
        standing(&task)
    }

    /// Only a queued task can be cancelled; the same call on one that has ended would remove its record.
    async fn cancel(&self, job: &JobRef) -> Result<Cancel, CallError> {
        let url = self.task(&job.request_id);
        let task = self.read("task", url.clone()).await?;
        if task["status"] != "queued" {
            return Ok(Cancel::TooLate);
        }
        let answer = http::call(self.request(Method::DELETE, url)).await?;
        match answer.status {
            200..=204 => Ok(Cancel::Gone),
            400 | 409 => Ok(Cancel::TooLate),
            _ => Err(answer.error("cancel", KEY)),
        }
    }

    async fn find(&self, sought: &Sought) -> Result<Found, CallError> {
        let earliest = (sought.sent_ms / 1000).saturating_sub(CLOCKS);
        let mut jobs = Vec::new();
        for page in 1..=MAX_PAGES {
            let mut url = self.tasks.clone();
            url.query_pairs_mut()
                .append_pair("page_num", &page.to_string())
                .append_pair("page_size", &PAGE.to_string())
                .append_pair("filter.model", &sought.endpoint);
            let answer = self.read("list of tasks", url).await?;
            let items = answer["items"].as_array().ok_or_else(|| CallError::transient("list of tasks: no items"))?;
            let fits = |task: &&Value| task["created_at"].as_u64().is_none_or(|at| at >= earliest);
            let found = items.iter().filter(fits).filter_map(|task| candidate(self, sought, task));
            jobs.extend(found);
            if u64::try_from(items.len()).is_ok_and(|count| count < PAGE) {
                break;
            }
        }
        Ok(Found::Jobs(jobs))
    }

    fn job(&self, _endpoint: &str, request_id: &str) -> JobRef {
        let address = self.task(request_id).to_string();
        JobRef {
            request_id: request_id.to_owned(),
            status_url: Some(address.clone()),
            response_url: None,
            cancel_url: Some(address),
        }
    }

    fn media_reach(&self) -> Reach {
        http::reach(&self.tasks)
    }
}

/// The parts of a request: the prompt, then each picture and sound with its role.
fn content(order: &Order) -> Vec<Value> {
    if let Some(id) = &order.promotes {
        return vec![json!({ "type": "draft_task", "draft_task": { "id": id } })];
    }
    let part = |kind: &str, url: &String, role: &str| json!({ "type": kind, kind: { "url": url }, "role": role });
    let mut parts = vec![json!({ "type": "text", "text": own_tags(&order.prompt) })];
    parts.extend(order.first_frame.iter().map(|url| part("image_url", url, "first_frame")));
    parts.extend(order.last_frame.iter().map(|url| part("image_url", url, "last_frame")));
    if order.mode == Mode::Reference {
        parts.extend(order.images.iter().map(|url| part("image_url", url, "reference_image")));
        parts.extend(order.videos.iter().map(|url| part("video_url", url, "reference_video")));
        parts.extend(order.audios.iter().map(|url| part("audio_url", url, "reference_audio")));
    }
    parts
}

/// Writes tags as Ark's examples do: `@Image1` becomes `Image 1`.
fn own_tags(prompt: &str) -> String {
    tag::rewrite(prompt, |tag| format!("{} {}", tag.kind.tag(), tag.number.unwrap_or_default()))
}

/// Reads the answer to a create. Whatever is neither a clear yes nor a clear no is unknown.
fn read_create(answer: &Answer) -> Result<String, SubmitError> {
    let body = answer.json().unwrap_or_default();
    let refused = |kind| Err(SubmitError::Refused(Failure::free(kind, words(answer, &body["error"]))));
    let told = body["error"]["code"].is_string();
    match answer.status {
        200..=202 => {
            let id = body["id"].as_str().filter(|id| !id.is_empty());
            id.map(str::to_owned).ok_or_else(|| SubmitError::ChargeUnknown(answer.describe()))
        }
        401..=403 if !told => refused(FailureKind::Account),
        429 if body["error"]["code"] == "SetLimitExceeded" => refused(FailureKind::Account),
        429 => Err(SubmitError::Throttled {
            wait_ms: answer.retry_after_ms.unwrap_or(10_000),
            message: words(answer, &body["error"]),
        }),
        400..=404 | 409 | 413 | 415 | 422 if told => {
            let failure = explain(&body["error"]);
            Err(SubmitError::Refused(Failure { message: words(answer, &body["error"]), ..failure }))
        }
        404 | 405 | 413 | 415 | 422 => refused(FailureKind::FixShot),
        _ => Err(SubmitError::ChargeUnknown(answer.describe())),
    }
}

fn words(answer: &Answer, error: &Value) -> String {
    match (error["code"].as_str(), error["message"].as_str()) {
        (Some(code), text) => format!("HTTP {}: {code}: {}", answer.status, http::excerpt(text.unwrap_or_default())),
        _ => answer.describe(),
    }
}

/// How a task stands. A status that Ark adds some day counts as at work.
fn standing(task: &Value) -> Result<Progress, CallError> {
    let status = task["status"].as_str().unwrap_or("?");
    Ok(match status {
        "queued" => Progress::Queued(None),
        "running" => Progress::Running(Vec::new()),
        "succeeded" => match task["content"]["video_url"].as_str() {
            Some(url) => Progress::Done(Clip {
                url: url.to_owned(),
                charged: charge(task),
                last_frame: task["content"]["last_frame_url"].as_str().map(str::to_owned),
            }),
            None => return Err(CallError::transient("the task succeeded, but names no clip")),
        },
        "failed" => Progress::Failed(explain(&task["error"])),
        "cancelled" => Progress::Failed(Failure::free(FailureKind::Cancelled, "cancelled")),
        "expired" => Progress::Failed(Failure::free(FailureKind::TimedOut, "expired before it was rendered")),
        other => Progress::Running(vec![format!("status {:?}", http::excerpt(other))]),
    })
}

/// What the counted tokens cost, by the table.
fn charge(task: &Value) -> Option<Usd> {
    let tokens = task["usage"]["completion_tokens"].as_u64().filter(|tokens| *tokens > 0)?;
    let (model, _) = Catalog::built_in().endpoint(task["model"].as_str()?)?;
    model.price.of_tokens(tokens, task["generate_audio"] != false)
}

/// What can be done about an error, by its code. Ark bills no failure.
fn explain(error: &Value) -> Failure {
    let code = error["code"].as_str().unwrap_or("no code");
    let message = format!("{code}: {}", http::excerpt(error["message"].as_str().unwrap_or_default()));
    let free = |kind| Failure::free(kind, message.clone());
    let begins = |words: &[&str]| words.iter().any(|word| code.starts_with(word));
    if code.contains("SensitiveContentDetected") || code.contains("RiskDetection") {
        let seen = [("PrivacyInformation", "face"), ("PolicyViolation", "copyright"), ("Audio", "audio")];
        let seen = seen.into_iter().chain([("Text", "prompt"), ("Image", "image"), ("Video", "video")]);
        let about = seen.into_iter().find(|(word, _)| code.contains(word)).map_or("content", |(_, about)| about);
        return free(FailureKind::Moderated).about(Some(about));
    }
    let account = ["Authentication", "Account", "AccessDenied", "OperationDenied", "ModelNotOpen", "SetLimitExceeded"];
    if begins(&account) || begins(&["QuotaExceeded", "RateLimitExceeded"]) {
        return free(FailureKind::Account);
    }
    if begins(&["MissingParameter", "Invalid"]) {
        return free(FailureKind::FixShot).about(error["param"].as_str().filter(|param| !param.is_empty()));
    }
    free(FailureKind::TryAgain)
}

/// Whether a task is the one that is sought: by its mark, or where it shows none by its settings and time.
fn candidate(ark: &Ark, sought: &Sought, task: &Value) -> Option<Candidate> {
    let id = task["id"].as_str()?;
    let status = http::excerpt(task["status"].as_str().unwrap_or("?"));
    let found = |words: String, certain| Some(Candidate { job: ark.job(&sought.endpoint, id), words, certain });
    let mark = "safety_identifier";
    match (sought.body[mark].as_str(), task[mark].as_str()) {
        (Some(sent), Some(shown)) => (sent == shown).then(|| found(format!("the same mark; {status}"), true))?,
        (None, Some(_)) => None,
        (_, None) => {
            let kept = ["resolution", "ratio", "duration", "generate_audio"];
            let differ = |key: &str| !task[key].is_null() && task[key] != sought.body[key];
            let late = task["created_at"].as_u64().is_none_or(|at| at > sought.sent_ms / 1000 + CLOCKS);
            if late || kept.into_iter().any(differ) {
                return None;
            }
            found(format!("the same settings, at about that time; {status}"), false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u16, body: &str) -> String {
        match read_create(&Answer::test(status, body)) {
            Ok(id) => id,
            Err(SubmitError::Refused(failure)) => format!("{:?} {}", failure.kind, failure.about.unwrap_or_default()),
            Err(SubmitError::Throttled { .. }) => "throttled".to_owned(),
            Err(SubmitError::NotSent(_)) => "not sent".to_owned(),
            Err(SubmitError::ChargeUnknown(_)) => "unknown".to_owned(),
        }
    }

    #[test]
    fn only_a_clear_answer_settles_a_create() {
        let error = |code: &str| format!(r#"{{"error":{{"code":"{code}","message":"m","param":"duration"}}}}"#);
        for (status, body, expected) in [
            (200, r#"{"id":"cgt-1"}"#.to_owned(), "cgt-1"),
            (200, "{}".into(), "unknown"),
            (200, "<html>".into(), "unknown"),
            (400, error("InvalidParameter.TaskTypeMismatch"), "FixShot duration"),
            (400, error("InputImageSensitiveContentDetected.PrivacyInformation"), "Moderated face"),
            (400, error("InputTextSensitiveContentDetected"), "Moderated prompt"),
            (400, error("InputVideoSensitiveContentDetected.PolicyViolation"), "Moderated copyright"),
            (400, "Bad Request".into(), "unknown"),
            (401, error("AuthenticationError"), "Account "),
            (401, String::new(), "Account "),
            (403, error("AccountOverdueError"), "Account "),
            (404, error("ModelNotOpen"), "Account "),
            (404, error("InvalidEndpointOrModel.NotFound"), "FixShot duration"),
            (429, error("ModelAccountRpmRateLimitExceeded"), "throttled"),
            (429, error("SetLimitExceeded"), "Account "),
            (429, "<html>".into(), "throttled"),
            (500, error("InternalServiceError"), "unknown"),
            (302, String::new(), "unknown"),
        ] {
            assert_eq!(outcome(status, &body), expected, "{status} {body}");
        }
    }

    #[test]
    fn every_status_has_a_meaning() {
        let failed = |code: &str| json!({ "status": "failed", "error": { "code": code, "message": "m" } });
        let kind = |task: &Value| match standing(task) {
            Ok(Progress::Failed(failure)) => {
                format!("{:?} {} {}", failure.kind, failure.about.unwrap_or_default(), failure.owed)
            }
            Ok(other) => format!("{other:?}"),
            Err(error) => format!("error, {}", error.transient),
        };
        for (task, expected) in [
            (json!({ "status": "queued" }), "Queued(None)"),
            (json!({ "status": "running" }), "Running([])"),
            (json!({ "status": "paused" }), "Running([\"status \\\"paused\\\"\"])"),
            (json!({ "status": 7 }), "Running([\"status \\\"?\\\"\"])"),
            (json!({ "status": "cancelled" }), "Cancelled  false"),
            (json!({ "status": "expired" }), "TimedOut  false"),
            (json!({ "status": "succeeded", "content": null }), "error, true"),
            (failed("OutputAudioSensitiveContentDetected"), "Moderated audio false"),
            (failed("OutputVideoSensitiveContentDetected"), "Moderated video false"),
            (failed("InternalServiceError"), "TryAgain  false"),
            (json!({ "status": "failed", "error": null }), "TryAgain  false"),
        ] {
            assert_eq!(kind(&task), expected, "{task}");
        }
        // The sample of the documentation: 108,900 tokens, at $0.014 for a thousand.
        let done = json!({ "status": "succeeded", "model": "doubao-seedance-2-0-260128", "content": { "video_url": "u" },
            "usage": { "completion_tokens": 108_900 }, "generate_audio": true });
        let charged = Some(Usd::from_micros(1_524_600));
        assert_eq!(standing(&done), Ok(Progress::Done(Clip { url: "u".into(), charged, last_frame: None })));
    }
}
