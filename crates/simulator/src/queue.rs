//! fal's queue: submit, status with logs, event stream, result, cancel.
//!
//! A job's addresses name only `owner/app`; the full endpoint id before `/requests/` is served too, as
//! are a trailing slash and `/response`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use seedpost_core::catalog::Catalog;
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::render::Studio;
use crate::rules;
use crate::store::{Form, Job, Phase};

/// How often the event stream looks at its job.
const STREAM_PACE: Duration = Duration::from_millis(100);

/// An answer that says no.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) StatusCode, pub(crate) Value);

impl Refusal {
    pub(crate) fn internal(error: &std::io::Error) -> Refusal {
        Refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            json!({ "detail": error.to_string(), "error_type": "internal_error" }),
        )
    }

    pub(crate) fn bad_request(what: &str) -> Refusal {
        Refusal(StatusCode::BAD_REQUEST, json!({ "detail": what, "error_type": "bad_request" }))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(self.1)).into_response()
    }
}

/// Whether a key is there in the form of RFC 6750.
pub(crate) fn has_bearer(headers: &HeaderMap) -> bool {
    let given = headers.get("authorization").and_then(|value| value.to_str().ok());
    given.and_then(|value| value.strip_prefix("Bearer ")).is_some_and(|key| !key.trim().is_empty())
}

/// The simulator's address, as the caller knows it.
pub(crate) fn base(headers: &HeaderMap) -> String {
    let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1");
    format!("http://{host}")
}

/// Any key will do, but there must be one.
pub(crate) fn require_key(headers: &HeaderMap) -> Result<(), Refusal> {
    let given =
        headers.get("authorization").and_then(|value| value.to_str().ok()).and_then(|value| value.split_once(' '));
    let fine = given.is_some_and(|(scheme, key)| matches!(scheme, "Key" | "Bearer") && !key.is_empty());
    let refusal = || {
        Refusal(
            StatusCode::UNAUTHORIZED,
            json!({ "detail": "Cannot access application: no key in the Authorization header" }),
        )
    };
    fine.then_some(()).ok_or_else(refusal)
}

/// Every path that is not one of the other hosts' belongs to the queue.
pub(crate) async fn handle(
    State(studio): State<Arc<Studio>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    require_key(&headers)?;
    let path = uri.path().trim_matches('/');
    let base = base(&headers);
    let Some((_, rest)) = path.split_once("/requests/") else {
        let query = uri.query().unwrap_or_default();
        return if method == Method::POST { submit(&studio, path, query, &base, &body) } else { Err(not_found()) };
    };
    let (id, call) = rest.split_once('/').unwrap_or((rest, ""));
    let job = studio.store.get(id).filter(|job| job.form == Form::Fal).ok_or_else(not_found)?;
    serve(studio, &job, &method, call, uri.query(), Place { at: base.clone(), media: base })
}

/// Where a job's own addresses begin, and where those of its media do.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) at: String,
    pub(crate) media: String,
}

/// Answers a call about one job: `status`, `status/stream`, `response` or nothing, `cancel`.
pub(crate) fn serve(
    studio: Arc<Studio>,
    job: &Job,
    method: &Method,
    call: &str,
    query: Option<&str>,
    place: Place,
) -> Result<Response, Refusal> {
    let id = job.request_id.clone();
    let logs = query.unwrap_or("").split('&').any(|pair| matches!(pair, "logs=1" | "logs=true"));
    let answer = match (method.as_str(), call) {
        ("GET", "status") => status(&studio, job, &place.at, logs).into_response(),
        ("GET", "status/stream") => stream(studio, id.clone(), place.at, logs).into_response(),
        ("GET", "" | "response") => {
            let (code, answer) = outcome(job, &place.media);
            (code, Json(answer)).into_response()
        }
        ("PUT", "cancel") => cancel(&studio, job)?.into_response(),
        _ => return Err(not_found()),
    };
    Ok(([("x-fal-request-id", id)], answer).into_response())
}

pub(crate) fn not_found() -> Refusal {
    Refusal(StatusCode::NOT_FOUND, json!({ "status": "NOT_FOUND" }))
}

fn submit(studio: &Arc<Studio>, endpoint: &str, query: &str, base: &str, body: &[u8]) -> Result<Response, Refusal> {
    if Catalog::built_in().endpoint(endpoint).is_none() {
        return Err(Refusal(StatusCode::NOT_FOUND, json!({ "detail": format!("Application {endpoint:?} not found") })));
    }
    let not_json = |error: serde_json::Error| {
        Refusal(
            StatusCode::UNPROCESSABLE_ENTITY,
            json!({ "detail": [{ "loc": ["body"], "msg": error.to_string(), "type": "json_invalid" }] }),
        )
    };
    let input: Value = serde_json::from_slice(body).map_err(not_json)?;
    let (phase, micros) = match rules::judge(endpoint, &input, &studio.store.files()) {
        Ok(job) => (Phase::Queued, job.price.micros()),
        Err(detail) => (Phase::Failed { status: 422, body: json!({ "detail": detail }) }, 0),
    };
    let webhook = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "fal_webhook");
    let request_id = uuid::Uuid::now_v7().to_string();
    let mut job = Job::new(Form::Fal, request_id, endpoint, input, (micros, phase));
    job.webhook = webhook.map(|(_, url)| url.into_owned());
    let job = studio.store.add(job).map_err(|error| Refusal::internal(&error))?;
    studio.begin(&job);
    studio.announce(&job);
    Ok(accepted(studio, &job, base))
}

/// The reply to a submit.
pub(crate) fn accepted(studio: &Studio, job: &Job, base: &str) -> Response {
    let mut reply = addresses(job, base);
    reply["status"] = "IN_QUEUE".into();
    reply["queue_position"] = studio.store.ahead(job).into();
    ([("x-fal-request-id", job.request_id.clone())], Json(reply)).into_response()
}

fn addresses(job: &Job, base: &str) -> Value {
    let app = match job.form {
        Form::Openai => "video/generations".to_owned(),
        Form::Fal | Form::Ark => job.endpoint.split('/').take(2).collect::<Vec<_>>().join("/"),
    };
    let url = format!("{base}/{app}/requests/{}", job.request_id);
    json!({ "request_id": job.request_id, "response_url": url, "status_url": format!("{url}/status"), "cancel_url": format!("{url}/cancel") })
}

/// The status object; a failed job is completed too.
fn describe(studio: &Studio, job: &Job, base: &str, logs: bool) -> (StatusCode, Value) {
    let mut answer = addresses(job, base);
    let logs = if logs { json!(job.logs) } else { Value::Null };
    let status = match &job.phase {
        Phase::Queued => {
            answer["queue_position"] = studio.store.ahead(job).into();
            "IN_QUEUE"
        }
        Phase::Running => {
            answer["logs"] = logs;
            "IN_PROGRESS"
        }
        Phase::Done { .. } | Phase::Failed { .. } | Phase::Cancelled => {
            answer["logs"] = logs;
            answer["metrics"] = json!({});
            "COMPLETED"
        }
    };
    answer["status"] = status.into();
    let code = if status == "COMPLETED" { StatusCode::OK } else { StatusCode::ACCEPTED };
    (code, answer)
}

fn status(studio: &Studio, job: &Job, base: &str, logs: bool) -> (StatusCode, Json<Value>) {
    let (code, answer) = describe(studio, job, base, logs);
    (code, Json(answer))
}

/// One event for each change, until the job is completed.
fn stream(
    studio: Arc<Studio>,
    request_id: String,
    base: String,
    logs: bool,
) -> Sse<impl futures_util::Stream<Item = Result<Event, Infallible>>> {
    let first = Some(Value::Null);
    Sse::new(futures_util::stream::unfold(first, move |last| {
        let (studio, request_id, base) = (studio.clone(), request_id.clone(), base.clone());
        async move {
            let last = last?;
            loop {
                let job = studio.store.get(&request_id)?;
                let (code, answer) = describe(&studio, &job, &base, logs);
                if answer != last {
                    let next = (code != StatusCode::OK).then(|| answer.clone());
                    return Some((Ok(Event::default().data(answer.to_string())), next));
                }
                tokio::time::sleep(STREAM_PACE).await;
            }
        }
    }))
}

/// The answer to who asks for a job's result.
pub(crate) fn outcome(job: &Job, base: &str) -> (StatusCode, Value) {
    match &job.phase {
        Phase::Done { file, bytes } => {
            let video = json!({ "url": format!("{base}/cdn/files/{file}"), "content_type": "video/mp4", "file_name": "video.mp4", "file_size": bytes });
            (StatusCode::OK, json!({ "seed": 7, "video": video }))
        }
        Phase::Failed { status, body } => {
            (StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), body.clone())
        }
        Phase::Cancelled => (
            StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
            json!({ "detail": "cancelled", "error_type": "client_cancelled" }),
        ),
        Phase::Queued | Phase::Running => {
            (StatusCode::BAD_REQUEST, json!({ "detail": "Request is still in progress" }))
        }
    }
}

/// A waiting job is taken out and costs nothing; a running one goes on.
fn cancel(studio: &Studio, job: &Job) -> Result<(StatusCode, Json<Value>), Refusal> {
    let mut answer = (StatusCode::ACCEPTED, "CANCELLATION_REQUESTED");
    let change = |job: &mut Job| match job.phase {
        Phase::Queued => {
            job.phase = Phase::Cancelled;
            job.micros = 0;
        }
        Phase::Running => {}
        _ => answer = (StatusCode::BAD_REQUEST, "ALREADY_COMPLETED"),
    };
    studio.store.change(&job.request_id, change).map_err(|error| Refusal::internal(&error))?;
    Ok((answer.0, Json(json!({ "status": answer.1 }))))
}
