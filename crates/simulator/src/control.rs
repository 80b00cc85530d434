//! What tests use: the bills, the journal, and faults on request. No key is needed.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::faults::Fault;
use crate::render::Studio;
use crate::store::Job;

/// What was accepted and charged, in order.
pub(crate) async fn bills(State(studio): State<Arc<Studio>>) -> Json<Value> {
    let bill = |job: &Job| json!({ "request_id": job.request_id, "endpoint": job.endpoint, "form": job.form, "input": job.input, "micros": job.micros });
    Json(studio.store.all().iter().filter(|job| job.micros > 0).map(|job| bill(job)).collect())
}

/// Every request, in order of arrival.
pub(crate) async fn requests(State(studio): State<Arc<Studio>>) -> Json<Value> {
    Json(studio.journal.all())
}

pub(crate) async fn forget_requests(State(studio): State<Arc<Studio>>) -> StatusCode {
    studio.journal.clear();
    StatusCode::NO_CONTENT
}

/// The faults that are still to come.
pub(crate) async fn faults(State(studio): State<Arc<Studio>>) -> Json<Vec<Fault>> {
    Json(studio.faults.all())
}

pub(crate) async fn add_faults(
    State(studio): State<Arc<Studio>>,
    Json(faults): Json<Vec<Fault>>,
) -> Result<StatusCode, (StatusCode, String)> {
    studio.faults.add(faults).map_err(|what| (StatusCode::UNPROCESSABLE_ENTITY, what))?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn clear_faults(State(studio): State<Arc<Studio>>) -> StatusCode {
    studio.faults.clear();
    StatusCode::NO_CONTENT
}
