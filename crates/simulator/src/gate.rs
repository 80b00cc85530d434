//! What every request passes on its way in: it is noted, told apart by its path, and met by a fault
//! where one waits for it. Works the same for all wire forms.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;

use crate::MAX_UPLOAD;
use crate::faults::{Call, Fault};
use crate::journal::Held;
use crate::render::Studio;
use crate::store::{Form, prompt_of};
use crate::tamper;

/// Notes a request and lets it through, or not.
pub(crate) async fn pass(State(studio): State<Arc<Studio>>, request: Request, next: Next) -> Response {
    if request.uri().path().starts_with("/_simulator/") {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let Some((body, held)) = hold(parts.uri.path(), body).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    studio.journal.note(&parts, held.clone());
    let fault = fault(&studio, &parts.method, parts.uri.path(), &held);
    let request = Request::from_parts(parts, body);
    match fault {
        None => next.run(request).await,
        Some(fault) => tamper::meet(fault, request, next).await,
    }
}

/// Reads a body whole, except those of the media host, which are files: they are counted as they pass.
async fn hold(path: &str, body: Body) -> Option<(Body, Held)> {
    if !path.starts_with("/cdn/") {
        let bytes = to_bytes(body, MAX_UPLOAD).await.ok()?;
        return Some((Body::from(bytes.clone()), Held::Whole(bytes)));
    }
    let count = Arc::new(AtomicU64::new(0));
    let counted = count.clone();
    let pieces = body.into_data_stream().inspect(move |piece| {
        let length = piece.as_ref().map_or(0, Bytes::len);
        counted.fetch_add(length as u64, Ordering::Relaxed);
    });
    Some((Body::from_stream(pieces), Held::Counted(count)))
}

fn fault(studio: &Studio, method: &Method, path: &str, held: &Held) -> Option<Fault> {
    let target = Target::of(method, path);
    let call = target.call?;
    let job = target.job.and_then(|id| studio.store.get(id));
    // A file that no job made is no clip, and nobody's fault.
    let form = match &job {
        Some(job) => job.form,
        None if call == Call::Media => return None,
        None => target.form,
    };
    studio.faults.take(call, form, || match (&job, held) {
        (Some(job), _) => Some(job.prompt()),
        (None, Held::Whole(bytes)) => prompt_of(&serde_json::from_slice(bytes).ok()?),
        (None, Held::Counted(_)) => None,
    })
}

/// What a request is about, as far as its path tells.
#[derive(Debug, PartialEq, Eq)]
struct Target<'a> {
    call: Option<Call>,
    form: Form,
    job: Option<&'a str>,
}

impl Target<'_> {
    fn of<'a>(method: &Method, path: &'a str) -> Target<'a> {
        let path = path.trim_matches('/');
        if let Some(rest) = path.strip_prefix("api/v3/") {
            return Target::tasks(Form::Ark, method, rest.strip_prefix("contents/generations/tasks"));
        }
        if path.starts_with("v1/") || path.starts_with("proxy/") {
            let rest = path.split_once("v1/").map_or("", |(_, rest)| rest);
            let rest = rest.strip_prefix("video/generations").or_else(|| rest.strip_prefix("videos"));
            // One shape of proxy has fal's addresses for jobs.
            if let Some(about) = rest.and_then(|rest| rest.strip_prefix("/requests/")) {
                return Target::job(Form::Openai, method, about);
            }
            return Target::tasks(Form::Openai, method, rest);
        }
        Target::fal(method, path)
    }

    /// What is behind `/requests/` in fal's queue.
    fn job<'a>(form: Form, method: &Method, about: &'a str) -> Target<'a> {
        let (id, tail) = about.split_once('/').unwrap_or((about, ""));
        let call = match (method.as_str(), tail) {
            ("GET", "status" | "status/stream") => Some(Call::Status),
            ("GET", "" | "response") => Some(Call::Result),
            ("PUT", "cancel") => Some(Call::Cancel),
            _ => None,
        };
        Target { call, form, job: Some(id) }
    }

    /// A form in which all calls are made to one collection and its members.
    fn tasks<'a>(form: Form, method: &Method, rest: Option<&'a str>) -> Target<'a> {
        let job = rest.and_then(|rest| rest.rsplit('/').next()).filter(|id| !id.is_empty());
        let call = match (method.as_str(), rest, job) {
            (_, None, _) => None,
            ("POST", _, None) => Some(Call::Submit),
            ("GET", _, None) => Some(Call::List),
            ("GET", _, Some(_)) => Some(Call::Status),
            ("DELETE", _, Some(_)) => Some(Call::Cancel),
            _ => None,
        };
        Target { call, form, job }
    }

    fn fal<'a>(method: &Method, path: &'a str) -> Target<'a> {
        let reads = matches!(method.as_str(), "GET" | "HEAD");
        let about = |call| Target { call, form: Form::Fal, job: None };
        if let Some(file) = path.strip_prefix("cdn/files/").filter(|_| reads) {
            let job = file.split('/').next();
            return Target { job, ..about(Some(Call::Media).filter(|_| method == Method::GET)) };
        }
        match path {
            "platform/v1/models/requests/by-endpoint" => return about(Some(Call::List)),
            "platform/v1/models/pricing" => return about(Some(Call::Price)),
            "platform/v1/models/billing-events" => return about(Some(Call::Billing)),
            _ if path.starts_with("rest/storage/") || path.starts_with("cdn/") => return about(Some(Call::Upload)),
            _ if path.starts_with("rest/") || path.starts_with("platform/") => return about(None),
            _ => {}
        }
        match path.split_once("/requests/") {
            Some((_, about)) => Target::job(Form::Fal, method, about),
            None => about(Some(Call::Submit).filter(|_| method == Method::POST)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_told_apart_by_method_and_path() {
        for (method, path, call, form, job) in [
            ("POST", "/bytedance/seedance-2.0/text-to-video", Some(Call::Submit), Form::Fal, None),
            ("GET", "/bytedance/seedance-2.0/requests/a/status", Some(Call::Status), Form::Fal, Some("a")),
            ("GET", "/bytedance/seedance-2.0/requests/a/status/stream", Some(Call::Status), Form::Fal, Some("a")),
            ("GET", "/bytedance/seedance-2.0/requests/a/", Some(Call::Result), Form::Fal, Some("a")),
            ("PUT", "/bytedance/seedance-2.0/requests/a/cancel", Some(Call::Cancel), Form::Fal, Some("a")),
            ("POST", "/rest/storage/auth/token", Some(Call::Upload), Form::Fal, None),
            ("GET", "/rest/.well-known/jwks.json", None, Form::Fal, None),
            ("PUT", "/cdn/upload/a/b.wav/2", Some(Call::Upload), Form::Fal, None),
            ("GET", "/cdn/files/a/video.mp4", Some(Call::Media), Form::Fal, Some("a")),
            ("GET", "/platform/v1/models/pricing", Some(Call::Price), Form::Fal, None),
            ("POST", "/api/v3/contents/generations/tasks", Some(Call::Submit), Form::Ark, None),
            ("GET", "/api/v3/contents/generations/tasks", Some(Call::List), Form::Ark, None),
            ("GET", "/api/v3/contents/generations/tasks/cgt-1", Some(Call::Status), Form::Ark, Some("cgt-1")),
            ("DELETE", "/api/v3/contents/generations/tasks/cgt-1", Some(Call::Cancel), Form::Ark, Some("cgt-1")),
            ("POST", "/v1/video/generations", Some(Call::Submit), Form::Openai, None),
            ("PUT", "/proxy/f/v1/video/generations/requests/x/cancel", Some(Call::Cancel), Form::Openai, Some("x")),
            ("GET", "/proxy/d/v1/videos/x", Some(Call::Status), Form::Openai, Some("x")),
        ] {
            let method: Method = method.parse().unwrap_or_default();
            assert_eq!(Target::of(&method, path), Target { call, form, job }, "{method} {path}");
        }
    }
}
