//! Large files in parts, by both of fal's clients' ways. Parts lie beside the files until they are
//! joined; a part may be sent again.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::files::{given_name, receive, safe_name};
use crate::queue::{Refusal, base, not_found, require_key};
use crate::render::Studio;

/// The most parts of one file.
const MOST_PARTS: u32 = 10_000;
/// The longest list of parts, in bytes.
const LONGEST_LIST: usize = 2 << 20;

/// The way of fal's JavaScript client: parts go to the upload's own address.
pub(crate) async fn initiate(
    State(studio): State<Arc<Studio>>,
    headers: HeaderMap,
    Json(about): Json<Value>,
) -> Result<Json<Value>, Refusal> {
    require_key(&headers)?;
    let name = safe_name(about["file_name"].as_str().unwrap_or("file"));
    let id = begin(&studio).await?;
    let base = base(&headers);
    Ok(Json(
        json!({ "upload_url": format!("{base}/cdn/upload/{id}/{name}"), "file_url": format!("{base}/cdn/files/{id}/{name}") }),
    ))
}

/// A part of the JavaScript client, or word that all have come. It signs with no key.
pub(crate) async fn javascript(
    State(studio): State<Arc<Studio>>,
    Path((id, name, step)): Path<(Uuid, String, String)>,
    method: Method,
    body: Body,
) -> Result<Response, Refusal> {
    step_of(&studio, id, &name, &method, &step, body, true).await
}

/// The way of fal's Python client: parts go below the file's address.
pub(crate) async fn create(State(studio): State<Arc<Studio>>, headers: HeaderMap) -> Result<Json<Value>, Refusal> {
    require_key(&headers)?;
    let name = given_name(&headers);
    let id = begin(&studio).await?;
    Ok(Json(json!({ "access_url": format!("{}/cdn/files/{id}/{name}", base(&headers)), "uploadId": id })))
}

/// A part of the Python client, or word that all have come: `{id}/{name}/multipart/{id}/{step}`.
pub(crate) async fn python(
    State(studio): State<Arc<Studio>>,
    Path(path): Path<String>,
    headers: HeaderMap,
    method: Method,
    body: Body,
) -> Result<Response, Refusal> {
    require_key(&headers)?;
    let segments: Vec<&str> = path.split('/').collect();
    let [id, name, "multipart", upload, step] = segments[..] else { return Err(not_found()) };
    let id = id.parse().ok().filter(|_| id == upload).ok_or_else(not_found)?;
    // Its threads finish in any order, and so its list has any order.
    step_of(&studio, id, name, &method, step, body, false).await
}

async fn step_of(
    studio: &Studio,
    id: Uuid,
    name: &str,
    method: &Method,
    step: &str,
    body: Body,
    ordered: bool,
) -> Result<Response, Refusal> {
    let folder = parts(studio, id);
    if !folder.is_dir() {
        return Err(not_found());
    }
    if step == "complete" && method == Method::POST {
        let bytes = to_bytes(body, LONGEST_LIST).await.map_err(|_| Refusal::bad_request("the list is too long"))?;
        let list: List = serde_json::from_slice(&bytes).map_err(|error| Refusal::bad_request(&error.to_string()))?;
        return complete(studio, id, &safe_name(name), list.parts, ordered).await;
    }
    let number: u32 = step.parse().map_err(|_| not_found())?;
    if method != Method::PUT || !(1..=MOST_PARTS).contains(&number) {
        return Err(Refusal::bad_request("a part is put, and has a number from 1"));
    }
    let part = folder.join(number.to_string());
    let etag = format!("\"{}\"", receive(body, &part).await?);
    tokio::fs::write(part.with_extension("etag"), &etag).await.map_err(|error| Refusal::internal(&error))?;
    Ok(([("etag", etag.clone())], Json(json!({ "partNumber": number, "etag": etag }))).into_response())
}

#[derive(Debug, Deserialize)]
struct List {
    parts: Vec<Part>,
}

#[derive(Debug, Deserialize)]
struct Part {
    #[serde(rename = "partNumber")]
    number: u32,
    etag: String,
}

/// Joins the parts, if the list names each of them as it came.
async fn complete(
    studio: &Studio,
    id: Uuid,
    name: &str,
    mut list: Vec<Part>,
    ordered: bool,
) -> Result<Response, Refusal> {
    if !ordered {
        list.sort_by_key(|part| part.number);
    }
    if list.is_empty() || list.iter().zip(1..).any(|(part, number)| part.number != number) {
        return Err(Refusal::bad_request("InvalidPartOrder: parts count from 1, each once"));
    }
    let folder = parts(studio, id);
    for part in &list {
        let etag = tokio::fs::read_to_string(folder.join(format!("{}.etag", part.number))).await;
        if etag.ok().as_ref() != Some(&part.etag) {
            return Err(Refusal::bad_request(&format!("InvalidPart: part {} has another etag, or none", part.number)));
        }
    }
    let (count, target) = (list.len(), studio.store.files().join(id.to_string()).join(name));
    let joined = tokio::task::spawn_blocking(move || join(&folder, count, &target)).await;
    joined.map_err(io::Error::other).flatten().map_err(|error| Refusal::internal(&error))?;
    Ok(Json(json!({ "success": true })).into_response())
}

fn join(folder: &std::path::Path, count: usize, target: &std::path::Path) -> io::Result<()> {
    let place = target.parent().unwrap_or(folder);
    std::fs::create_dir_all(place)?;
    let mut whole = tempfile::NamedTempFile::new_in(place)?;
    for number in 1..=count {
        io::copy(&mut std::fs::File::open(folder.join(number.to_string()))?, &mut whole)?;
    }
    whole.persist(target).map_err(|error| error.error)?;
    std::fs::remove_dir_all(folder)
}

async fn begin(studio: &Studio) -> Result<Uuid, Refusal> {
    let id = Uuid::now_v7();
    tokio::fs::create_dir_all(parts(studio, id)).await.map_err(|error| Refusal::internal(&error))?;
    Ok(id)
}

fn parts(studio: &Studio, id: Uuid) -> PathBuf {
    studio.store.folder().join("parts").join(id.to_string())
}
