//! fal's platform API: which jobs there were, what they cost, and what models cost. Only jobs of fal's form.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use seedpost_core::catalog::Catalog;
use seedpost_core::shot::ProviderName;
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::queue::{Refusal, base, outcome, require_key};
use crate::render::Studio;
use crate::store::{Form, Job, Phase, now_ms};

/// The most items of one page, and of one question.
const MOST_ITEMS: usize = 100;
/// The most requests or models that one question may name.
const MOST_NAMES: usize = 50;
/// How far back a list goes by itself, in milliseconds; and where it names requests.
const WINDOW: (u64, u64) = (24 * 3_600_000, 90 * 24 * 3_600_000);

type Answer = Result<Json<Value>, Refusal>;

/// The jobs of a model, the youngest first.
pub(crate) async fn requests(
    State(studio): State<Arc<Studio>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    require_key(&headers)?;
    let query = Query::of(query.as_deref());
    let endpoints = query.names("endpoint_id", 1)?;
    let ids = query.names("request_id", 0)?;
    let back = if ids.is_empty() { WINDOW.0 } else { WINDOW.1 };
    let start = query.time("start")?.unwrap_or_else(|| now_ms().saturating_sub(back));
    let end = query.time("end")?.unwrap_or(u64::MAX);
    let status = query.choice("status", &["success", "error", "user_error"])?;
    let sort = query.choice("sort_by", &["ended_at", "duration"])?;
    let limit = match query.one("limit").map(|limit| limit.parse().unwrap_or(0)) {
        None => MOST_ITEMS / 2,
        Some(limit) if (1..=MOST_ITEMS).contains(&limit) => limit,
        Some(_) => return Err(invalid("limit is a number from 1 to 100")),
    };
    let fits = |job: &Arc<Job>| {
        job.form == Form::Fal
            && endpoints.contains(&job.endpoint)
            && (ids.is_empty() || ids.contains(&job.request_id))
            && (start..end).contains(&job.created_ms)
            && status.as_ref().is_none_or(|status| verdict(job) == Some(status.as_str()))
    };
    let mut jobs: Vec<Arc<Job>> = studio.store.all().into_iter().filter(fits).collect();
    let key = |job: &Job| match sort.as_deref() {
        None => job.serial,
        // They end last, and take longest.
        Some(_) if !job.ended() => u64::MAX,
        Some("ended_at") => job.updated_ms,
        Some(_) => job.updated_ms.saturating_sub(job.created_ms),
    };
    jobs.sort_by_key(|job| Reverse((key(job), job.serial)));
    let after = query.one("cursor");
    let from = match &after {
        None => 0,
        Some(cursor) => {
            1 + jobs.iter().position(|job| job.request_id == *cursor).ok_or_else(|| invalid("no such cursor"))?
        }
    };
    let page = &jobs[from..jobs.len().min(from + limit)];
    let more = from + page.len() < jobs.len();
    let cursor = page.last().filter(|_| more).map(|job| job.request_id.clone());
    let payloads = query.all("expand").any(|part| part == "payloads");
    let base = base(&headers);
    let items: Vec<Value> = page.iter().map(|job| item(job, payloads.then_some(&base))).collect();
    Ok(Json(json!({ "items": items, "next_cursor": cursor, "has_more": more })))
}

/// A job as the list shows it; what has not happened yet is null or left out.
fn item(job: &Job, payloads: Option<&String>) -> Value {
    let mut item =
        json!({ "request_id": job.request_id, "endpoint_id": job.endpoint, "sent_at": time(job.created_ms) });
    item["started_at"] = job.logs.first().map_or(Value::Null, |log| log.timestamp.clone().into());
    if let Some(payloads) = payloads {
        item["json_input"] = job.input.clone();
        if job.ended() {
            item["json_output"] = outcome(job, payloads).1;
        }
    }
    if job.ended() {
        item["ended_at"] = time(job.updated_ms).into();
        item["status_code"] = outcome(job, "").0.as_u16().into();
        item["duration"] = seconds(job).into();
    }
    item
}

/// Milliseconds as seconds; only for eyes.
#[expect(clippy::cast_precision_loss, reason = "a job takes less than 2^52 milliseconds")]
fn seconds(job: &Job) -> f64 {
    (job.updated_ms.saturating_sub(job.created_ms)) as f64 / 1000.0
}

fn verdict(job: &Job) -> Option<&'static str> {
    match outcome(job, "").0 {
        _ if !job.ended() => None,
        status if status.is_success() => Some("success"),
        status if status.is_server_error() => Some("error"),
        _ => Some("user_error"),
    }
}

/// What jobs did cost; those that cost nothing, or have not ended, are left out.
pub(crate) async fn billing(
    State(studio): State<Arc<Studio>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    require_key(&headers)?;
    let ids = Query::of(query.as_deref()).names("request_id", 1)?;
    let charged = |job: &Arc<Job>| job.form == Form::Fal && matches!(job.phase, Phase::Done { .. }) && job.micros > 0;
    let jobs = ids.iter().filter_map(|id| studio.store.get(id)).filter(charged);
    let items: Vec<Value> = jobs.map(|job| event(&job)).collect();
    Ok(Json(json!({ "items": items, "next_cursor": null, "has_more": false })))
}

fn event(job: &Job) -> Value {
    let unit = unit_price(&job.endpoint).unwrap_or(1);
    json!({
        "request_id": job.request_id,
        "endpoint_id": job.endpoint,
        "timestamp": time(job.updated_ms),
        "output_units": dollars(job.micros) / dollars(unit),
        "unit_price": dollars(unit),
        "percent_discount": 0,
        "cost_total": dollars(job.micros),
        "cost_estimate_nano_usd": job.micros * 1000,
    })
}

/// What models cost.
pub(crate) async fn pricing(headers: HeaderMap, RawQuery(query): RawQuery) -> Answer {
    require_key(&headers)?;
    let mut prices = Vec::new();
    for endpoint in Query::of(query.as_deref()).names("endpoint_id", 1)? {
        let unit = unit_price(&endpoint).ok_or_else(|| {
            refusal(StatusCode::NOT_FOUND, "not_found", &format!("no price for endpoint {endpoint:?}"))
        })?;
        prices.push(
            json!({ "endpoint_id": endpoint, "unit_price": dollars(unit), "unit": "1000 tokens", "currency": "USD" }),
        );
    }
    Ok(Json(json!({ "prices": prices, "next_cursor": null, "has_more": false })))
}

/// The price of a thousand tokens, in millionths of a dollar.
fn unit_price(endpoint: &str) -> Option<u64> {
    let (model, _) = Catalog::built_in().endpoint(endpoint)?;
    let own = model.provider == ProviderName::Fal.as_str();
    model.price.per_thousand(true).filter(|_| own).map(|price| price.micros())
}

/// As the API writes money.
#[expect(clippy::cast_precision_loss, reason = "the wire form wants a JSON number of dollars")]
fn dollars(micros: u64) -> f64 {
    micros as f64 / 1_000_000.0
}

fn time(ms: u64) -> String {
    Timestamp::from_millisecond(ms.cast_signed()).map_or_else(|_| String::new(), |time| format!("{time:.3}"))
}

fn invalid(what: &str) -> Refusal {
    refusal(StatusCode::UNPROCESSABLE_ENTITY, "validation_error", what)
}

fn refusal(status: StatusCode, kind: &str, what: &str) -> Refusal {
    Refusal(status, json!({ "error": { "type": kind, "message": what } }))
}

/// What stands behind the question mark.
struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl Query<'_> {
    fn of(text: Option<&str>) -> Query<'_> {
        Query(form_urlencoded::parse(text.unwrap_or_default().as_bytes()).collect())
    }

    /// All values of a name, whether it is repeated or has commas.
    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let own = self.0.iter().filter(move |(own, _)| own == name);
        own.flat_map(|(_, value)| value.split(',')).filter(|value| !value.is_empty())
    }

    fn names(&self, name: &str, least: usize) -> Result<Vec<String>, Refusal> {
        let names: Vec<String> = self.all(name).map(str::to_owned).collect();
        let fits = (least..=MOST_NAMES).contains(&names.len());
        fits.then_some(names).ok_or_else(|| invalid(&format!("{name}: from {least} to {MOST_NAMES} are needed")))
    }

    fn one(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone().into_owned())
    }

    fn choice(&self, name: &str, choices: &[&str]) -> Result<Option<String>, Refusal> {
        let given = self.one(name);
        let fits = given.as_ref().is_none_or(|given| choices.contains(&given.as_str()));
        fits.then_some(given).ok_or_else(|| invalid(&format!("{name} is one of {}", choices.join(", "))))
    }

    /// A time, or a day that begins in UTC.
    fn time(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let Some(text) = self.one(name) else { return Ok(None) };
        let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp());
        let time = text.parse::<Timestamp>().ok().or_else(day);
        time.map(|time| Some(u64::try_from(time.as_millisecond()).unwrap_or(0)))
            .ok_or_else(|| invalid(&format!("{name} is no ISO 8601 time")))
    }
}
