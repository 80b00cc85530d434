//! fal's queue: submit, status, result, upload. The simulator speaks the same form.
//!
//! Deliberately absent: webhooks, the event stream, live prices.

use async_trait::async_trait;
use reqwest::{Client, Method, RequestBuilder};
use seedpost_core::catalog::Mode;
use seedpost_core::cost::Reservation;
use seedpost_core::job::{Failure, FailureKind, JobRef};
use seedpost_core::tag;
use serde_json::{Map, Value, json};
use url::Url;

use super::{CallError, Order, Progress, Provider, SubmitError, Upload};
use crate::http::{self, Answer, Secret};

/// fal's queue.
#[derive(Debug)]
pub struct Fal {
    client: Client,
    key: Secret,
    queue: Url,
    rest: Url,
    /// Whether media too is at this queue's present address, as with the simulator inside `run`.
    moves: bool,
}

/// Says why a provider cannot be used at all.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SetupError(String);

impl Fal {
    /// fal itself.
    ///
    /// # Errors
    /// When this machine has no usable TLS set-up.
    pub fn new(key: Secret) -> Result<Fal, SetupError> {
        Fal::build(key, "https://queue.fal.run/", "https://rest.fal.ai/", false)
    }

    /// A gateway or simulator that serves fal's queue at `/` and its REST host at `/rest`.
    ///
    /// # Errors
    /// When the address is not one, or this machine has no usable TLS set-up.
    pub fn at(base: &str, key: Secret, moves: bool) -> Result<Fal, SetupError> {
        let base = base.trim_end_matches('/');
        Fal::build(key, &format!("{base}/"), &format!("{base}/rest/"), moves)
    }

    fn build(key: Secret, queue: &str, rest: &str, moves: bool) -> Result<Fal, SetupError> {
        let parse =
            |text: &str| Url::parse(text).map_err(|error| SetupError(format!("{text:?} is not an address: {error}")));
        let client = http::client().map_err(|error| SetupError(http::reason(error)))?;
        Ok(Fal { client, key, queue: parse(queue)?, rest: parse(rest)?, moves })
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.client.request(method, url).timeout(http::CALL);
        request.header("authorization", format!("Key {}", self.key.expose()))
    }

    async fn call(&self, request: RequestBuilder) -> Result<Answer, CallError> {
        let transient = |error: reqwest::Error| CallError { transient: true, message: http::reason(error) };
        let response = request.send().await.map_err(transient)?;
        Answer::read(response).await.map_err(transient)
    }

    /// A stored address of a job, at this queue: the key goes nowhere else, whatever a reply named.
    fn known(&self, given: Option<&String>, job: &JobRef, query: Option<&str>) -> Result<Url, CallError> {
        let given = given.and_then(|given| Url::parse(given).ok());
        let missing = || CallError {
            transient: false,
            message: format!("job {} has no address at this provider", job.request_id),
        };
        let mut url = self.here(&given.ok_or_else(missing)?);
        url.set_query(query);
        Ok(url)
    }

    /// The same path at this queue.
    fn here(&self, url: &Url) -> Url {
        let mut here = self.queue.clone();
        here.set_path(url.path());
        here.set_query(url.query());
        here
    }
}

#[async_trait]
impl Provider for Fal {
    async fn upload(&self, upload: &Upload) -> Result<String, CallError> {
        let lasting = |message: String| CallError { transient: false, message };
        let bytes = upload.read().await?;
        let mut url = self.rest.join("storage/upload/initiate").map_err(|error| lasting(error.to_string()))?;
        url.set_query(Some("storage_type=fal-cdn-v3"));
        let about = json!({ "content_type": upload.content_type, "file_name": upload.file_name });
        let answer = self.call(self.request(Method::POST, url).json(&about)).await?;
        let places = answer.json().filter(|_| answer.status == 200);
        let place = |key: &str| places.as_ref().and_then(|places| places[key].as_str()).map(str::to_owned);
        let (Some(upload_url), Some(file_url)) = (place("upload_url"), place("file_url")) else {
            return Err(refused_call("upload", &answer));
        };
        // The media host gets no key.
        let put = self.client.put(upload_url).header("content-type", &upload.content_type).body(bytes);
        let answer = self.call(put).await?;
        if answer.status / 100 != 2 {
            return Err(refused_call("upload", &answer));
        }
        Ok(file_url)
    }

    fn body(&self, order: &Order) -> Value {
        let mut body = Map::new();
        body.insert("prompt".into(), own_tags(&order.prompt).into());
        body.insert("resolution".into(), order.resolution.clone().into());
        body.insert("duration".into(), order.duration.to_string().into());
        body.insert("aspect_ratio".into(), order.aspect_ratio.clone().into());
        body.insert("generate_audio".into(), order.generate_audio.into());
        if let Some(seed) = order.seed {
            body.insert("seed".into(), seed.into());
        }
        for (key, urls) in [("image_urls", &order.images), ("video_urls", &order.videos), ("audio_urls", &order.audios)]
        {
            if order.mode == Mode::Reference && !urls.is_empty() {
                body.insert(key.into(), urls.clone().into());
            }
        }
        for (key, url) in [("image_url", &order.first_frame), ("end_image_url", &order.last_frame)] {
            if let Some(url) = url {
                body.insert(key.into(), url.clone().into());
            }
        }
        Value::Object(body)
    }

    async fn submit(&self, endpoint: &str, body: &Value, _reservation: Reservation) -> Result<JobRef, SubmitError> {
        let url = self.queue.join(endpoint).map_err(|error| SubmitError::NotSent(error.to_string()))?;
        let response = self.request(Method::POST, url).json(body).send().await.map_err(|error| {
            let arrived = !(error.is_connect() || error.is_builder());
            let reason = http::reason(error);
            if arrived { SubmitError::ChargeUnknown(reason) } else { SubmitError::NotSent(reason) }
        })?;
        let answer = Answer::read(response).await.map_err(|error| SubmitError::ChargeUnknown(http::reason(error)))?;
        let given = read_submit(&answer)?;
        let own = self.job(endpoint, &given.request_id);
        let usable = |url: Option<String>| url.filter(|url| Url::parse(url).is_ok());
        Ok(JobRef {
            status_url: usable(given.status_url).or(own.status_url),
            response_url: usable(given.response_url).or(own.response_url),
            cancel_url: usable(given.cancel_url).or(own.cancel_url),
            request_id: given.request_id,
        })
    }

    async fn poll(&self, job: &JobRef) -> Result<Progress, CallError> {
        let url = self.known(job.status_url.as_ref(), job, Some("logs=1"))?;
        let answer = self.call(self.request(Method::GET, url)).await?;
        let status = answer
            .json()
            .filter(|_| matches!(answer.status, 200 | 202))
            .ok_or_else(|| refused_call("status", &answer))?;
        match status["status"].as_str() {
            Some("IN_QUEUE") => Ok(Progress::Queued(status["queue_position"].as_u64())),
            Some("COMPLETED") => {
                let url = self.known(job.response_url.as_ref(), job, None)?;
                let said_failed = ["error", "error_type"].iter().any(|key| status[*key].is_string());
                read_result(&self.call(self.request(Method::GET, url)).await?, said_failed)
            }
            Some("IN_PROGRESS") => Ok(Progress::Running(last_log(&status))),
            // A status that fal adds one day: still at work, as far as anybody knows.
            _ => Ok(Progress::Running(None)),
        }
    }

    fn job(&self, endpoint: &str, request_id: &str) -> JobRef {
        let segments = if endpoint.starts_with("workflows/") || endpoint.starts_with("comfy/") { 3 } else { 2 };
        let app = endpoint.split('/').take(segments).collect::<Vec<_>>().join("/");
        let base = format!("{}{app}/requests/{request_id}", self.queue);
        JobRef {
            request_id: request_id.to_owned(),
            status_url: Some(format!("{base}/status")),
            cancel_url: Some(format!("{base}/cancel")),
            response_url: Some(base),
        }
    }

    fn media_url(&self, url: &str) -> String {
        match Url::parse(url) {
            Ok(url) if self.moves => self.here(&url).into(),
            _ => url.to_owned(),
        }
    }
}

/// Reads the answer to a submit. Whatever is neither a clear yes nor a clear no is unknown.
fn read_submit(answer: &Answer) -> Result<JobRef, SubmitError> {
    let failure = |kind| Failure { kind, message: words(answer), owed: false };
    match answer.status {
        200..=202 => {}
        401..=403 => return Err(SubmitError::Refused(failure(FailureKind::Account))),
        422 => return Err(SubmitError::Refused(failure(moderation(answer)))),
        404 | 405 | 413 | 415 => return Err(SubmitError::Refused(failure(FailureKind::FixShot))),
        429 => {
            return Err(SubmitError::Throttled {
                wait_ms: answer.retry_after_ms.unwrap_or(5000),
                message: words(answer),
            });
        }
        _ => return Err(SubmitError::ChargeUnknown(answer.describe())),
    }
    let reply = answer.json().unwrap_or_default();
    let text = |key: &str| reply[key].as_str().map(str::to_owned);
    let request_id =
        text("request_id").filter(|id| !id.is_empty()).ok_or_else(|| SubmitError::ChargeUnknown(answer.describe()))?;
    Ok(JobRef {
        request_id,
        status_url: text("status_url"),
        response_url: text("response_url"),
        cancel_url: text("cancel_url"),
    })
}

/// Reads a finished job's result: a failed job is one whose result is an error.
fn read_result(answer: &Answer, said_failed: bool) -> Result<Progress, CallError> {
    let body = answer.json();
    if answer.status == 200 {
        let url = body.as_ref().and_then(|body| body["video"]["url"].as_str());
        return Ok(match url {
            Some(url) => Progress::Done { url: url.to_owned(), charged: None },
            None => Progress::Failed(Failure {
                kind: FailureKind::TryAgain,
                message: format!("no clip in the result: {}", answer.describe()),
                owed: true,
            }),
        });
    }
    if answer.status == 499 {
        // Cancelled. A job that was running may have been billed.
        return Ok(Progress::Failed(Failure { kind: FailureKind::TryAgain, message: words(answer), owed: true }));
    }
    // The model's own error lists what is wrong. Anything else may be a gateway's bad moment: the clip
    // may be there at the next reading, and must not be bought again.
    let items = body.as_ref().and_then(|body| body["detail"].as_array());
    let explained = items.is_some_and(|items| items.iter().any(|item| item["type"].is_string()));
    let kind = match answer.status {
        422 if explained || said_failed => moderation(answer),
        400 | 500..=504 if explained || said_failed => FailureKind::TryAgain,
        _ => return Err(CallError { transient: true, ..refused_call("result", answer) }),
    };
    // fal does not bill rejections or its own failures.
    Ok(Progress::Failed(Failure { kind, message: words(answer), owed: false }))
}

fn refused_call(what: &str, answer: &Answer) -> CallError {
    let transient = answer.status >= 500 || matches!(answer.status, 408 | 429) || answer.status / 100 == 2;
    let hint = if matches!(answer.status, 401 | 403) { "; check FAL_KEY" } else { "" };
    CallError { transient, message: format!("{what}: {}{hint}", answer.describe()) }
}

fn moderation(answer: &Answer) -> FailureKind {
    let text = String::from_utf8_lossy(&answer.body);
    let filtered = ["content_policy_violation", "face_detection_error", "partner_validation_failed"];
    if filtered.iter().any(|word| text.contains(word)) { FailureKind::Moderated } else { FailureKind::FixShot }
}

/// The provider's own words: each field and message of `detail`, or the answer's beginning.
fn words(answer: &Answer) -> String {
    let body = answer.json().unwrap_or_default();
    match &body["detail"] {
        Value::String(text) => format!("HTTP {}: {text}", answer.status),
        Value::Array(items) => {
            let item = |item: &Value| {
                let place: Vec<String> = item["loc"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned))
                    .collect();
                format!(
                    "{}: {} [{}]",
                    place.join("."),
                    item["msg"].as_str().unwrap_or("?"),
                    item["type"].as_str().unwrap_or("?")
                )
            };
            let all: Vec<String> = items.iter().take(20).map(item).collect();
            format!("HTTP {}: {}", answer.status, all.join("; "))
        }
        _ => answer.describe(),
    }
}

fn last_log(status: &Value) -> Option<String> {
    status["logs"].as_array()?.last()?["message"].as_str().map(|text| text.chars().take(200).collect())
}

/// Writes tags as fal does: `@image_file_1` and `@image1` become `@Image1`.
fn own_tags(prompt: &str) -> String {
    tag::rewrite(prompt, |tag| format!("@{}{}", tag.kind.tag(), tag.number.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, retry_after_ms: None, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn only_a_clear_answer_settles_a_submit() {
        let outcome = |status, body: &str| match read_submit(&answer(status, body)) {
            Ok(_) => "taken",
            Err(SubmitError::Refused(failure)) if failure.kind == FailureKind::Account => "account",
            Err(SubmitError::Refused(_)) => "refused",
            Err(SubmitError::Throttled { .. }) => "throttled",
            Err(SubmitError::NotSent(_)) => "not sent",
            Err(SubmitError::ChargeUnknown(_)) => "unknown",
        };
        for (status, body, expected) in [
            (200, r#"{"request_id":"a"}"#, "taken"),
            (200, "<html>welcome</html>", "unknown"),
            (200, "{}", "unknown"),
            (302, "", "unknown"),
            (400, r#"{"detail":"client disconnected"}"#, "unknown"),
            (401, r#"{"detail":"bad key"}"#, "account"),
            (404, "", "refused"),
            (422, r#"{"detail":[]}"#, "refused"),
            (429, "", "throttled"),
            (500, "", "unknown"),
            (502, "nginx", "unknown"),
            (504, "", "unknown"),
        ] {
            assert_eq!(outcome(status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn a_completed_job_may_have_failed() {
        let moderated = r#"{"detail":[{"loc":["body","generated_video"],"msg":"Output audio has sensitive content.","type":"content_policy_violation"}]}"#;
        let Ok(Progress::Failed(failure)) = read_result(&answer(422, moderated), false) else { panic!("a failure") };
        assert_eq!((failure.kind, failure.owed), (FailureKind::Moderated, false));
        assert!(failure.message.contains("body.generated_video: Output audio has sensitive content."));
        for (status, body) in [
            (502, "<html>nginx</html>"),
            (500, r#"{"detail":"Internal Server Error"}"#),
            (400, r#"{"detail":"Request is still in progress"}"#),
            (422, "<html>proxy</html>"),
        ] {
            assert!(read_result(&answer(status, body), false).is_err_and(|error| error.transient), "{status} {body}");
        }
        let cancelled = read_result(&answer(499, r#"{"detail":"cancelled"}"#), false);
        assert!(matches!(cancelled, Ok(Progress::Failed(Failure { owed: true, .. }))));
    }

    #[test]
    fn tags_are_written_in_fals_form() {
        assert_eq!(own_tags("@image_file_1 hears @Audio2, @video1"), "@Image1 hears @Audio2, @Video1");
        assert_eq!(own_tags("mail a@image1.com"), "mail a@image1.com");
    }

    #[test]
    fn a_key_never_shows() {
        assert_eq!(format!("{:?}", Secret::new("fal-secret".into())), "***");
    }

    #[test]
    fn addresses_of_a_known_request_name_only_owner_and_app() {
        let fal = Fal::at("http://127.0.0.1:1", Secret::new(String::new()), false).expect("an address");
        let job = fal.job("bytedance/seedance-2.0/fast/text-to-video", "r1");
        assert_eq!(job.status_url.as_deref(), Some("http://127.0.0.1:1/bytedance/seedance-2.0/requests/r1/status"));
    }
}
