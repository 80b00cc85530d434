//! The forms of OpenAI-compatible proxies: one set of rules, six shapes of answer.
//!
//! `/v1` is the shape that guides show; `/proxy/a/v1` to `/proxy/f/v1` have all of them. A request
//! that is refused makes no job and no bill. Deliberately absent: lists, which proxies do not have, and cancellation
//! but in the shape of fal's queue.

mod rules;

mod shape;

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

pub(crate) use rules::judge;
use shape::Shape;

use crate::queue::{self, Place, base, has_bearer};
use crate::render::Studio;
use crate::store::{Form, Job, Phase};
use crate::{ark, inputs};

/// An answer that says no, in OpenAI's form.
#[derive(Debug)]
pub(crate) struct Refused {
    status: StatusCode,
    code: &'static str,
    pub(crate) message: String,
}

impl Refused {
    pub(crate) fn invalid(code: &'static str, message: impl Into<String>) -> Refused {
        Refused { status: StatusCode::BAD_REQUEST, code, message: message.into() }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let kind = match self.status {
            StatusCode::UNAUTHORIZED => "authentication_error",
            StatusCode::INTERNAL_SERVER_ERROR => "server_error",
            _ => "invalid_request_error",
        };
        let error = json!({ "message": self.message, "type": kind, "code": self.code });
        (self.status, Json(json!({ "error": error }))).into_response()
    }
}

/// The plain proxy at `/v1`.
pub(crate) async fn plain(
    State(studio): State<Arc<Studio>>,
    Path(path): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let place = Place { at: format!("{}/v1", base(&headers)), media: base(&headers) };
    let call = Call { shape: Shape::Plain, place, path: &path, method: &method, query: uri.query() };
    answer(studio, call, &headers, &body)
}

/// The proxy of a named shape.
pub(crate) async fn shaped(
    State(studio): State<Arc<Studio>>,
    Path((letter, path)): Path<(String, String)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(shape) = Shape::named(&letter) else { return nothing_here() };
    let place = Place { at: format!("{}/proxy/{letter}/v1", base(&headers)), media: base(&headers) };
    let call = Call { shape, place, path: &path, method: &method, query: uri.query() };
    answer(studio, call, &headers, &body)
}

/// What a gateway says of a path that it has not.
fn nothing_here() -> Response {
    (StatusCode::NOT_FOUND, "404 page not found").into_response()
}

struct Call<'a> {
    shape: Shape,
    place: Place,
    path: &'a str,
    method: &'a Method,
    query: Option<&'a str>,
}

fn answer(studio: Arc<Studio>, call: Call<'_>, headers: &HeaderMap, body: &[u8]) -> Response {
    let Some(rest) = call.path.strip_prefix(call.shape.path()) else { return nothing_here() };
    let told = match (call.method.as_str(), rest.strip_prefix('/')) {
        ("POST", None) if rest.is_empty() => require_key(headers).and_then(|()| submit(&studio, &call, body)),
        ("GET" | "PUT", Some(id)) => require_key(headers).and_then(|()| about(studio, &call, id)),
        _ => return nothing_here(),
    };
    told.unwrap_or_else(Refused::into_response)
}

fn require_key(headers: &HeaderMap) -> Result<(), Refused> {
    has_bearer(headers).then_some(()).ok_or_else(|| Refused {
        status: StatusCode::UNAUTHORIZED,
        code: "invalid_api_key",
        message: "no API key in the Authorization header".to_owned(),
    })
}

fn submit(studio: &Arc<Studio>, call: &Call<'_>, body: &[u8]) -> Result<Response, Refused> {
    let internal = |error: std::io::Error| Refused {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        code: "internal_error",
        message: error.to_string(),
    };
    let mut input: Value =
        serde_json::from_slice(body).map_err(|error| Refused::invalid("invalid_json", error.to_string()))?;
    let (accepted, ratio) = judge(&input, &studio.store.files())?;
    inputs::unpack(&mut input, &studio.store.files()).map_err(internal)?;
    let id = new_id(call.shape);
    let model = input["model"].as_str().unwrap_or_default().to_owned();
    let mut job = Job::new(Form::Openai, id, &model, input, (accepted.price.micros(), Phase::Queued));
    job.ratio = Some(ratio);
    let job = studio.store.add(job).map_err(internal)?;
    studio.begin(&job);
    Ok(match call.shape {
        Shape::Queue => queue::accepted(studio, &job, &call.place.at),
        shape => Json(shape.submitted(&job)).into_response(),
    })
}

/// Ids differ in their first letters, since clients name files after those.
fn new_id(shape: Shape) -> String {
    let id = uuid::Uuid::now_v7().simple().to_string();
    let (clock, random) = id.split_at(16);
    match shape {
        Shape::ArkLike => ark::new_id(),
        Shape::Queue => uuid::Uuid::now_v7().to_string(),
        Shape::Plain => format!("{random}{clock}"),
        Shape::Flat | Shape::Wrapped => format!("task_{random}{clock}"),
        Shape::Video => format!("video_{random}{clock}"),
    }
}

fn about(studio: Arc<Studio>, call: &Call<'_>, rest: &str) -> Result<Response, Refused> {
    let (id, step) = match call.shape {
        Shape::Queue => {
            let rest = rest.strip_prefix("requests/").unwrap_or(rest);
            rest.split_once('/').unwrap_or((rest, ""))
        }
        _ => (rest, ""),
    };
    let found = studio.store.get(id).filter(|job| job.form == Form::Openai);
    match (call.shape, found) {
        (Shape::Queue, None) => Ok(queue::not_found().into_response()),
        (Shape::Queue, Some(job)) => {
            let served = queue::serve(studio, &job, call.method, step, call.query, call.place.clone());
            Ok(served.unwrap_or_else(IntoResponse::into_response))
        }
        (shape, Some(job)) if call.method == Method::GET => {
            Ok(Json(shape.polled(&job, &call.place.media)).into_response())
        }
        _ => Err(Refused { status: StatusCode::NOT_FOUND, code: "task_not_found", message: format!("no task {id}") }),
    }
}
