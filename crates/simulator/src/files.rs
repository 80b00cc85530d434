//! fal's REST and media hosts: uploads by both of its clients' ways, and the files themselves.

use std::io;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use ring::digest;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tower_http::services::ServeDir;

use crate::MAX_UPLOAD;
use crate::journal::hex;
use crate::queue::{Refusal, base, require_key};
use crate::render::{CANNED, Studio};
use crate::store::Phase;

/// The way of fal's JavaScript client: an address to put the bytes to, and one to read them from.
pub(crate) async fn initiate(headers: HeaderMap, Json(about): Json<Value>) -> Result<Json<Value>, Refusal> {
    require_key(&headers)?;
    let name = safe_name(about["file_name"].as_str().unwrap_or("file"));
    let id = uuid::Uuid::now_v7();
    let base = base(&headers);
    Ok(Json(
        json!({ "upload_url": format!("{base}/cdn/upload/{id}/{name}"), "file_url": format!("{base}/cdn/files/{id}/{name}") }),
    ))
}

/// Takes the bytes for an address that [`initiate`] gave.
pub(crate) async fn put(
    State(studio): State<Arc<Studio>>,
    Path((id, name)): Path<(uuid::Uuid, String)>,
    body: Body,
) -> Result<StatusCode, Refusal> {
    keep(&studio, id, &safe_name(&name), body).await?;
    Ok(StatusCode::OK)
}

/// The way of fal's Python client, first half: a token for the media host.
pub(crate) async fn token(headers: HeaderMap) -> Result<Json<Value>, Refusal> {
    require_key(&headers)?;
    let expires = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    Ok(Json(
        json!({ "token": "simulator", "token_type": "Bearer", "base_url": format!("{}/cdn", base(&headers)), "expires_at": expires.to_string() }),
    ))
}

/// The way of fal's Python client, second half: the bytes.
pub(crate) async fn upload(
    State(studio): State<Arc<Studio>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Refusal> {
    require_key(&headers)?;
    let name = given_name(&headers);
    let id = uuid::Uuid::now_v7();
    keep(&studio, id, &name, body).await?;
    Ok(Json(json!({ "access_url": format!("{}/cdn/files/{id}/{name}", base(&headers)) })))
}

/// How much of a file is read at once, in bytes.
const PIECE: usize = 256 << 10;

/// Hands out an upload or a clip.
pub(crate) async fn get(State(studio): State<Arc<Studio>>, Path(path): Path<String>, request: Request) -> Response {
    let made = path.strip_suffix("/video.mp4").and_then(|id| studio.store.get(id));
    let canned =
        made.is_some_and(|job| matches!(job.phase, Phase::Done { .. })) && !studio.store.files().join(&path).exists();
    // A job that was done with the canned clip has no file of its own.
    let path = if canned { CANNED.to_owned() } else { path };
    let (mut parts, body) = request.into_parts();
    let Ok(uri) = format!("/{path}").parse() else { return StatusCode::NOT_FOUND.into_response() };
    parts.uri = uri;
    match ServeDir::new(studio.store.files())
        .with_buf_chunk_size(PIECE)
        .try_call(Request::from_parts(parts, body))
        .await
    {
        Ok(reply) => reply.map(Body::new),
        Err(error) if error.kind() == io::ErrorKind::NotFound => StatusCode::NOT_FOUND.into_response(),
        Err(error) => Refusal::internal(&error).into_response(),
    }
}

async fn keep(studio: &Studio, id: uuid::Uuid, name: &str, body: Body) -> Result<(), Refusal> {
    let folder = studio.store.files().join(id.to_string());
    tokio::fs::create_dir_all(&folder).await.map_err(|error| Refusal::internal(&error))?;
    receive(body, &folder.join(name)).await.map(|_| ())
}

/// Writes a body to a file, piece by piece; answers the SHA-256 of it. A file that is not whole has
/// another name, and goes when its sender does.
pub(crate) async fn receive(body: Body, path: &std::path::Path) -> Result<String, Refusal> {
    let written = async {
        let partial = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(path))?;
        let mut file = tokio::fs::File::from_std(partial.reopen()?);
        let mut digest = digest::Context::new(&digest::SHA256);
        let mut pieces = body.into_data_stream();
        let mut total = 0;
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(io::Error::other)?;
            total += piece.len();
            if total > MAX_UPLOAD {
                return Err(io::Error::from(io::ErrorKind::FileTooLarge));
            }
            digest.update(&piece);
            file.write_all(&piece).await?;
        }
        file.flush().await?;
        partial.persist(path).map_err(|error| error.error)?;
        Ok(hex(digest.finish().as_ref()))
    };
    written.await.map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => {
            let detail = format!("a file has at most {MAX_UPLOAD} bytes");
            Refusal(StatusCode::PAYLOAD_TOO_LARGE, json!({ "detail": detail }))
        }
        _ => Refusal::internal(&error),
    })
}

/// The name in the header of fal's Python client.
pub(crate) fn given_name(headers: &HeaderMap) -> String {
    safe_name(headers.get("x-fal-file-name").and_then(|name| name.to_str().ok()).unwrap_or("file"))
}

/// Letters, digits, `.`, `_` and `-`, so that a name is one path segment and needs no escape.
pub(crate) fn safe_name(name: &str) -> String {
    let safe: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).take(100).collect();
    let safe = safe.trim_start_matches('.');
    if safe.is_empty() { "file".to_owned() } else { safe.to_owned() }
}
