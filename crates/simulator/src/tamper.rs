//! How a fault looks to the caller: other answers, none at all, or clips that are not what they should be.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use serde_json::Value;

use crate::MAX_UPLOAD;
use crate::faults::{Fault, Kind};

/// How long a caller is kept waiting that does not give up.
const HANG: Duration = Duration::from_secs(600);
/// How long the last bytes before a cut are given to leave.
const FLUSH: Duration = Duration::from_millis(50);
/// What is no video.
const PAGE: &str = "<!doctype html><title>Sign in</title><p>Your session has ended.</p>";

/// Answers a request as its fault wants it.
pub(crate) async fn meet(fault: Fault, request: Request, next: Next) -> Response {
    match fault.fault {
        Kind::AnswerAfter | Kind::DropAfter | Kind::HangAfter => {
            let reply = next.run(request).await;
            // The work of some calls is in their reply.
            let _ = to_bytes(reply.into_body(), MAX_UPLOAD).await;
        }
        Kind::Answer | Kind::Drop | Kind::Hang | Kind::Redirect | Kind::Wrong => {
            // A caller that cannot send to its end would not look for an answer.
            request.into_body().into_data_stream().for_each(|_| async {}).await;
        }
        Kind::Patch => return patched(next.run(request).await, &fault.patch.unwrap_or_default()).await,
        _ => return bent(&fault, next.run(request).await),
    }
    match fault.fault {
        Kind::Answer | Kind::AnswerAfter => answer(fault),
        Kind::Redirect => (StatusCode::FOUND, [(header::LOCATION, fault.location.unwrap_or_default())]).into_response(),
        Kind::Wrong => ([(header::CONTENT_TYPE, "video/mp4")], PAGE).into_response(),
        Kind::Hang | Kind::HangAfter => {
            tokio::time::sleep(HANG).await;
            hang_up()
        }
        _ => hang_up(),
    }
}

/// Ends the connection: the server drops a connection whose handler unwinds. No panic hook hears of it.
fn hang_up() -> ! {
    std::panic::resume_unwind(Box::new(()))
}

fn answer(fault: Fault) -> Response {
    let status = fault.status.and_then(|status| StatusCode::from_u16(status).ok());
    let mut reply = match fault.body {
        None => Body::empty().into_response(),
        Some(Value::String(text)) => Html(text).into_response(),
        Some(body) => Json(body).into_response(),
    };
    *reply.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in &fault.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            reply.headers_mut().insert(name, value);
        }
    }
    reply
}

async fn patched(reply: Response, patch: &Value) -> Response {
    let json = reply.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if !json {
        return reply;
    }
    let (mut parts, body) = reply.into_parts();
    let bytes = to_bytes(body, MAX_UPLOAD).await.unwrap_or_default();
    let Ok(mut value) = serde_json::from_slice(&bytes) else { return Response::from_parts(parts, bytes.into()) };
    merge(&mut value, patch);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(value.to_string()))
}

/// RFC 7386: objects are merged, null removes, anything else replaces.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Some(target) = target.as_object_mut() else { return };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// A clip that ends too early, too late, or never.
fn bent(fault: &Fault, reply: Response) -> Response {
    let (mut parts, body) = reply.into_parts();
    let length = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let (bytes, length) = (fault.bytes.unwrap_or_default(), length.unwrap_or(u64::MAX));
    let body = match fault.fault {
        Kind::Truncate => {
            let cut = stream::once(async {
                tokio::time::sleep(FLUSH).await;
                Err(axum::Error::new(std::io::Error::other("cut on request")))
            });
            Body::from_stream(first(body, bytes).chain(cut))
        }
        Kind::Short => {
            let bytes = bytes.min(length);
            parts.headers.insert(header::CONTENT_LENGTH, bytes.into());
            Body::from_stream(first(body, bytes))
        }
        Kind::Endless => {
            parts.headers.remove(header::CONTENT_LENGTH);
            let more = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(&[0; 1 << 16])));
            Body::from_stream(body.into_data_stream().chain(more.map(|piece| piece.map_err(axum::Error::new))))
        }
        _ => body,
    };
    Response::from_parts(parts, body)
}

/// The first bytes of a body.
fn first(body: Body, bytes: u64) -> impl Stream<Item = Result<Bytes, axum::Error>> {
    stream::unfold((body.into_data_stream(), bytes), |(mut body, left)| async move {
        if left == 0 {
            return None;
        }
        let piece = body.next().await?;
        let piece = piece.map(|mut piece| piece.split_to(piece.len().min(usize::try_from(left).unwrap_or(usize::MAX))));
        let taken = piece.as_ref().map_or(0, Bytes::len) as u64;
        Some((piece, (body, left - taken)))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_merge_patch_adds_replaces_and_removes() {
        for (target, patch, expected) in [
            (json!({"a": 1}), json!({"b": 2}), json!({"a": 1, "b": 2})),
            (json!({"a": 1, "b": 2}), json!({"a": null}), json!({"b": 2})),
            (json!({"a": {"b": 1, "c": 2}}), json!({"a": {"b": null}}), json!({"a": {"c": 2}})),
            (json!({"a": [1]}), json!({"a": {"b": 1, "c": null}}), json!({"a": {"b": 1}})),
            (json!({"a": 1}), json!("text"), json!("text")),
        ] {
            let mut merged = target.clone();
            merge(&mut merged, &patch);
            assert_eq!(merged, expected, "{target} {patch}");
        }
    }
}
