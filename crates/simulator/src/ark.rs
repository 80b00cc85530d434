//! Ark's form: tasks at `/api/v3/contents/generations/tasks`, as Volcengine and BytePlus have them.
//!
//! A request that is refused makes no task and no bill. Data URIs are kept as files, whose addresses
//! stand in their place in what is remembered of a request. Deliberately absent: `ep-…` endpoints,
//! 24 hours' expiry of media, and 1.0's models.

mod content;

mod rules;

mod task;

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use url::form_urlencoded;

pub(crate) use content::prompt;
pub(crate) use rules::judge;
pub(crate) use task::{failure, status, task};

use crate::inputs;
use crate::queue::{base, has_bearer};
use crate::render::Studio;
use crate::store::{Form, Job, Phase, now_ms};

/// How long a task is remembered, in milliseconds: seven days.
const MEMORY: u64 = 7 * 24 * 3600 * 1000;
/// The largest request, in bytes.
const MAX_BODY: usize = 64 << 20;

/// An answer that says no, in Ark's form.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) param: &'static str,
    pub(crate) message: String,
}

impl Refused {
    pub(crate) fn invalid(param: &'static str, message: impl Into<String>) -> Refused {
        Refused { status: StatusCode::BAD_REQUEST, code: "InvalidParameter", param, message: message.into() }
    }

    pub(crate) fn missing(param: &'static str) -> Refused {
        let message = format!("the request is missing {param}");
        Refused { status: StatusCode::BAD_REQUEST, code: "MissingParameter", param, message }
    }

    fn internal(error: &std::io::Error) -> Refused {
        let (status, code) = (StatusCode::INTERNAL_SERVER_ERROR, "InternalServiceError");
        Refused { status, code, param: "", message: error.to_string() }
    }

    fn unknown_task(id: &str) -> Refused {
        let message = format!("the task {id} is not known");
        Refused { status: StatusCode::NOT_FOUND, code: "ResourceNotFound", param: "id", message }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let kind: String =
            self.status.canonical_reason().unwrap_or_default().chars().filter(|c| !c.is_whitespace()).collect();
        let error = json!({ "code": self.code, "message": self.message, "param": self.param, "type": kind });
        (self.status, Json(json!({ "error": error }))).into_response()
    }
}

fn require_key(headers: &HeaderMap) -> Result<(), Refused> {
    has_bearer(headers).then_some(()).ok_or_else(|| Refused {
        status: StatusCode::UNAUTHORIZED,
        code: "AuthenticationError",
        param: "",
        message: "the API key in the request is missing or invalid".to_owned(),
    })
}

/// Makes a task.
pub(crate) async fn create(
    State(studio): State<Arc<Studio>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    require_key(&headers)?;
    if body.len() > MAX_BODY {
        return Err(Refused::invalid("body", "the request has more than 64 MB"));
    }
    let mut input: Value =
        serde_json::from_slice(&body).map_err(|error| Refused::invalid("body", format!("not JSON: {error}")))?;
    let (accepted, ratio) = judge(&input, &studio.store)?;
    inputs::unpack(&mut input, &studio.store.files()).map_err(|error| Refused::internal(&error))?;
    let model = input["model"].as_str().unwrap_or_default().to_owned();
    let mut job = Job::new(Form::Ark, new_id(), &model, input, (accepted.price.micros(), Phase::Queued));
    job.ratio = Some(ratio);
    let job = studio.store.add(job).map_err(|error| Refused::internal(&error))?;
    studio.begin(&job);
    Ok(Json(json!({ "id": job.request_id })))
}

/// Such as `cgt-20261124101112-abcde`.
pub(crate) fn new_id() -> String {
    let random = uuid::Uuid::now_v7().as_u128();
    let digit = |place: u32| {
        let value = (random >> (place * 6)) % 36;
        char::from_digit(u32::try_from(value).unwrap_or(0), 36).unwrap_or('0')
    };
    let tail: String = (0..5).map(digit).collect();
    format!("cgt-{}-{tail}", jiff::Timestamp::now().strftime("%Y%m%d%H%M%S"))
}

/// A task that its owner may still see.
fn find(studio: &Studio, id: &str) -> Result<Arc<Job>, Refused> {
    studio.store.get(id).filter(|job| is_visible(job)).ok_or_else(|| Refused::unknown_task(id))
}

fn is_visible(job: &Job) -> bool {
    job.form == Form::Ark && !job.deleted && job.created_ms + MEMORY > now_ms()
}

/// Describes a task.
pub(crate) async fn get(
    State(studio): State<Arc<Studio>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refused> {
    require_key(&headers)?;
    find(&studio, &id).map(|job| Json(task(&job, &base(&headers))))
}

/// Lists tasks, the newest first.
pub(crate) async fn list(
    State(studio): State<Arc<Studio>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Json<Value>, Refused> {
    require_key(&headers)?;
    let wanted = Wanted::read(query.as_deref().unwrap_or_default())?;
    let all = studio.store.all().into_iter().rev();
    let jobs: Vec<Arc<Job>> = all.filter(|job| is_visible(job) && wanted.includes(job)).collect();
    let base = base(&headers);
    let page = jobs.iter().skip((wanted.page - 1) * wanted.size).take(wanted.size);
    let items: Vec<Value> = page.map(|job| task(job, &base)).collect();
    Ok(Json(json!({ "total": jobs.len(), "items": items })))
}

/// What a list is asked for.
struct Wanted {
    page: usize,
    size: usize,
    status: Option<String>,
    ids: Vec<String>,
    model: Option<String>,
    service_tier: Option<String>,
}

impl Wanted {
    fn read(query: &str) -> Result<Wanted, Refused> {
        let number = |name: &'static str, value: &str| {
            let number = value.parse().ok().filter(|number| (1..=500).contains(number));
            number.ok_or_else(|| Refused::invalid(name, format!("{name} is 1 to 500")))
        };
        let mut wanted = Wanted { page: 1, size: 10, status: None, ids: Vec::new(), model: None, service_tier: None };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "page_num" => wanted.page = number("page_num", &value)?,
                "page_size" => wanted.size = number("page_size", &value)?,
                "filter.status" => wanted.status = Some(value.into_owned()),
                "filter.task_ids" => wanted.ids.push(value.into_owned()),
                "filter.model" => wanted.model = Some(value.into_owned()),
                "filter.service_tier" => wanted.service_tier = Some(value.into_owned()),
                _ => {}
            }
        }
        let known = ["queued", "running", "succeeded", "failed", "cancelled", "expired"];
        if wanted.status.as_ref().is_some_and(|status| !known.contains(&status.as_str())) {
            return Err(Refused::invalid("filter.status", format!("filter.status is one of {}", known.join(", "))));
        }
        Ok(wanted)
    }

    fn includes(&self, job: &Job) -> bool {
        self.status.as_ref().is_none_or(|wanted| wanted == status(job))
            && (self.ids.is_empty() || self.ids.contains(&job.request_id))
            && self.model.as_ref().is_none_or(|wanted| *wanted == job.endpoint)
            && self
                .service_tier
                .as_ref()
                .is_none_or(|wanted| wanted == job.input["service_tier"].as_str().unwrap_or("default"))
    }
}

/// Takes a waiting task out, or forgets one that has ended. Ark's clients send a body, which has to be
/// read: a connection with something unread is closed, and may be in use again by then.
pub(crate) async fn delete(
    State(studio): State<Arc<Studio>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    _: Bytes,
) -> Result<Json<Value>, Refused> {
    require_key(&headers)?;
    find(&studio, &id)?;
    let mut refused = None;
    let change = |job: &mut Job| match job.phase {
        Phase::Queued => {
            job.phase = Phase::Cancelled;
            job.micros = 0;
        }
        Phase::Running | Phase::Cancelled => refused = Some(status(job)),
        Phase::Done { .. } | Phase::Failed { .. } => job.deleted = true,
    };
    studio.store.change(&id, change).map_err(|error| Refused::internal(&error))?;
    match refused {
        None => Ok(Json(json!({}))),
        Some(status) => Err(Refused {
            status: StatusCode::CONFLICT,
            code: "TaskRunningCannotCancel",
            param: "id",
            message: format!("the task {id} is {status} and cannot be deleted"),
        }),
    }
}
