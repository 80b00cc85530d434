//! fal's REST and media hosts: uploads by both of its clients' ways, and the files themselves.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::queue::{Refusal, base, require_key};
use crate::render::Studio;

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
    bytes: Bytes,
) -> Result<StatusCode, Refusal> {
    keep(&studio, id, &safe_name(&name), &bytes).await?;
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
    bytes: Bytes,
) -> Result<Json<Value>, Refusal> {
    require_key(&headers)?;
    let given = headers.get("x-fal-file-name").and_then(|name| name.to_str().ok());
    let name = safe_name(given.unwrap_or("file"));
    let id = uuid::Uuid::now_v7();
    keep(&studio, id, &name, &bytes).await?;
    Ok(Json(json!({ "access_url": format!("{}/cdn/files/{id}/{name}", base(&headers)) })))
}

async fn keep(studio: &Studio, id: uuid::Uuid, name: &str, bytes: &[u8]) -> Result<(), Refusal> {
    let folder = studio.store.files().join(id.to_string());
    let stored = async {
        tokio::fs::create_dir_all(&folder).await?;
        tokio::fs::write(folder.join(name), bytes).await
    };
    stored.await.map_err(|error| Refusal::internal(&error))
}

/// Letters, digits, `.`, `_` and `-`, so that a name is one path segment and needs no escape.
fn safe_name(name: &str) -> String {
    let safe: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).take(100).collect();
    let safe = safe.trim_start_matches('.');
    if safe.is_empty() { "file".to_owned() } else { safe.to_owned() }
}
