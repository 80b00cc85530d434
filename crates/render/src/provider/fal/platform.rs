//! fal's platform API: the list of requests, the price list, the bill.

use seedpost_core::cost::{ToldPrice, Unit, Usd, nanos};
use seedpost_core::job::JobRef;
use serde_json::Value;
use url::Url;

use super::{Fal, KEY};
use crate::provider::{CallError, Candidate, Found, Provider as _, Sought};

/// How many pages of a list are read; 100 requests each.
const MAX_PAGES: usize = 50;
/// How many requests one call for the bill may name.
const MAX_IDS: usize = 50;
/// How much before our own clock a request is looked for, in milliseconds: clocks differ.
const EARLIER: u64 = 600_000;

impl Fal {
    fn at_platform(&self, path: &str) -> Url {
        let mut url = self.platform.clone();
        url.set_path(&format!("{}{path}", self.platform.path()));
        url
    }

    async fn ask(&self, what: &str, url: Url) -> Result<Value, CallError> {
        let answer = self.get(url).await?;
        answer.json().filter(|_| answer.status == 200).ok_or_else(|| answer.error(what, KEY))
    }

    /// Reads the list of an endpoint's requests, and keeps those with the very same input.
    pub(super) async fn search(&self, sought: &Sought) -> Result<Found, CallError> {
        let start = i64::try_from(sought.sent_ms.saturating_sub(EARLIER)).unwrap_or(0);
        let start = jiff::Timestamp::from_millisecond(start).unwrap_or_default().to_string();
        let mut cursor: Option<String> = None;
        let mut jobs = Vec::new();
        for _ in 0..MAX_PAGES {
            let mut url = self.at_platform("models/requests/by-endpoint");
            url.query_pairs_mut()
                .append_pair("endpoint_id", &sought.endpoint)
                .append_pair("start", &start)
                .append_pair("expand", "payloads")
                .append_pair("limit", "100");
            if let Some(cursor) = &cursor {
                url.query_pairs_mut().append_pair("cursor", cursor);
            }
            let page = self.ask("list of requests", url).await?;
            let items = page["items"].as_array().ok_or_else(|| CallError::transient("list of requests: no items"))?;
            let same = items.iter().filter(|item| item["json_input"] == sought.body);
            jobs.extend(same.filter_map(|item| self.candidate(sought, item)));
            cursor = page["next_cursor"].as_str().filter(|_| page["has_more"] != false).map(str::to_owned);
            if cursor.is_none() {
                return Ok(Found::Jobs(jobs));
            }
        }
        Err(CallError::lasting("list of requests: more than 5,000 since then"))
    }

    fn candidate(&self, sought: &Sought, item: &Value) -> Option<Candidate> {
        let id = item["request_id"].as_str()?;
        let sent = item["sent_at"].as_str().unwrap_or("an unknown time");
        // Without a mark of our own, an equal input may be another person's.
        let certain = sought.body["end_user_id"].as_str().is_some_and(|mark| mark.starts_with("sp_"));
        let ended = item["ended_at"].as_str().map_or_else(|| "still at work".to_owned(), |at| format!("ended {at}"));
        Some(Candidate {
            job: self.job(&sought.endpoint, id),
            words: format!("the same input; sent {sent}, {ended}"),
            certain,
        })
    }

    /// Adds up what the bill says of each request.
    pub(super) async fn billing(&self, jobs: &[JobRef]) -> Result<Vec<(String, Usd)>, CallError> {
        let mut charges: Vec<(String, Usd)> = Vec::new();
        for jobs in jobs.chunks(MAX_IDS) {
            let mut url = self.at_platform("models/billing-events");
            for job in jobs {
                url.query_pairs_mut().append_pair("request_id", &job.request_id);
            }
            let page = self.ask("bill", url).await?;
            let items = page["items"].as_array().or_else(|| page["billing_events"].as_array());
            for item in items.into_iter().flatten() {
                let Some((id, amount)) = item["request_id"].as_str().zip(amount(item)) else { continue };
                match charges.iter_mut().find(|(known, _)| known == id) {
                    Some((_, sum)) => *sum = sum.plus(amount),
                    None => charges.push((id.to_owned(), amount)),
                }
            }
        }
        Ok(charges)
    }

    /// Reads the price list; what is not in dollars, or counts something unknown, is left out.
    pub(super) async fn pricing(&self, endpoints: &[String]) -> Result<Vec<(String, ToldPrice)>, CallError> {
        let mut url = self.at_platform("models/pricing");
        for endpoint in endpoints {
            url.query_pairs_mut().append_pair("endpoint_id", endpoint);
        }
        let page = self.ask("price list", url).await?;
        let price = |item: &Value| {
            let dollars = item["currency"].as_str().is_none_or(|currency| currency.eq_ignore_ascii_case("usd"));
            let unit = Unit::parse(item["unit"].as_str()?).filter(|_| dollars)?;
            let nanos = nanos(&item["unit_price"].to_string()).filter(|nanos| *nanos > 0)?;
            Some((item["endpoint_id"].as_str()?.to_owned(), ToldPrice { nanos, unit }))
        };
        Ok(page["prices"].as_array().into_iter().flatten().filter_map(price).collect())
    }
}

/// The amount of one event of the bill, rounded up to the millionth of a dollar.
fn amount(item: &Value) -> Option<Usd> {
    let nanos = item["cost_estimate_nano_usd"].as_u64().or_else(|| nanos(&item["cost_total"].to_string()))?;
    Some(Usd::from_micros(nanos.div_ceil(1000)))
}
