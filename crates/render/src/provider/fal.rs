//! fal's queue: submit, status with logs or as a stream, result, cancel. The simulator speaks the same form.

pub(super) mod answer;
mod platform;
mod upload;

use async_trait::async_trait;
use reqwest::{Client, Method, RequestBuilder};
use seedpost_core::catalog::Mode;
use seedpost_core::cost::{Reservation, ToldPrice, Usd};
use seedpost_core::job::JobRef;
use seedpost_core::tag;
use serde_json::{Map, Value};
use url::Url;

use super::{
    CallError, Cancel, Found, Listener, Order, Placed, Progress, Provider, SetupError, Sought, SubmitError, Upload,
};
use crate::fetch::Reach;
use crate::http::{self, Answer, Caller, Secret};

/// The variable that holds the key, for hints.
const KEY: &str = "FAL_KEY";
/// The largest event of a stream that is read, in bytes.
const MAX_EVENT: usize = 4 << 20;

/// fal's queue.
#[derive(Debug)]
pub struct Fal {
    caller: Caller,
    uploader: Client,
    key: Secret,
    queue: Url,
    rest: Url,
    platform: Url,
    webhook: Option<String>,
    /// Whether media too is at this queue's present address, as with the simulator inside `run`.
    moves: bool,
}

impl Fal {
    /// fal itself.
    ///
    /// # Errors
    /// When this machine has no usable TLS set-up.
    pub fn new(key: Secret) -> Result<Fal, SetupError> {
        Fal::build(key, ["https://queue.fal.run/", "https://rest.fal.ai/", "https://api.fal.ai/v1/"], false)
    }

    /// A gateway or simulator that serves fal's queue at `/`, its REST host at `/rest` and its platform at
    /// `/platform/v1`.
    ///
    /// # Errors
    /// When the address is not one, or would be asked without TLS, or this machine has no usable TLS set-up.
    pub fn at(base: &str, key: Secret, moves: bool) -> Result<Fal, SetupError> {
        let base = base.trim_end_matches('/');
        let addresses = [format!("{base}/"), format!("{base}/rest/"), format!("{base}/platform/v1/")];
        Fal::build(key, addresses.each_ref().map(String::as_str), moves)
    }

    fn build(key: Secret, [queue, rest, platform]: [&str; 3], moves: bool) -> Result<Fal, SetupError> {
        let unusable = |error| SetupError(http::reason(error));
        let queue = http::api(queue)?;
        Ok(Fal {
            caller: Caller::new(&queue).map_err(unusable)?,
            uploader: http::uploader(&queue).map_err(unusable)?,
            key,
            rest: http::api(rest)?,
            queue,
            platform: http::api(platform)?,
            webhook: None,
            moves,
        })
    }

    /// The same, told to call an address when a job has ended.
    #[must_use]
    pub fn with_webhook(self, webhook: Option<String>) -> Fal {
        Fal { webhook, ..self }
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.caller.request(method, url);
        request.header("authorization", format!("Key {}", self.key.expose()))
    }

    async fn get(&self, url: Url) -> Result<Answer, CallError> {
        http::call(self.request(Method::GET, url)).await
    }

    /// A stored address of a job, at this queue: the key goes nowhere else, whatever a reply named.
    fn known(&self, given: Option<&String>, job: &JobRef, query: Option<&str>) -> Result<Url, CallError> {
        let given = given.and_then(|given| Url::parse(given).ok());
        let missing = || CallError::lasting(format!("job {} has no address at this provider", job.request_id));
        let mut url = self.here(&given.ok_or_else(missing)?);
        url.set_query(query);
        Ok(url)
    }

    /// The same path at this queue; a gateway's own path comes before the path that another host named.
    fn here(&self, url: &Url) -> Url {
        let mut here = self.queue.clone();
        let inside = url.path().starts_with(self.queue.path());
        match url.origin() == self.queue.origin() || inside {
            true => here.set_path(url.path()),
            false => here.set_path(&format!("{}{}", self.queue.path(), url.path().trim_start_matches('/'))),
        }
        here.set_query(url.query());
        here
    }
}

#[async_trait]
impl Provider for Fal {
    async fn place(&self, upload: &Upload) -> Result<Placed, CallError> {
        self.upload(upload).await
    }

    fn body(&self, _endpoint: &str, order: &Order) -> Value {
        let mut body = Map::new();
        body.insert("prompt".into(), own_tags(&order.prompt).into());
        body.insert("resolution".into(), order.resolution.clone().into());
        body.insert("duration".into(), order.duration.to_string().into());
        body.insert("aspect_ratio".into(), order.aspect_ratio.clone().into());
        body.insert("generate_audio".into(), order.generate_audio.into());
        if let Some(seed) = order.seed {
            body.insert("seed".into(), seed.into());
        }
        for (key, urls) in [("image_urls", &order.images), ("video_urls", &order.videos), ("audio_urls", &order.audios)]
        {
            if order.mode == Mode::Reference && !urls.is_empty() {
                body.insert(key.into(), urls.clone().into());
            }
        }
        for (key, url) in [("image_url", &order.first_frame), ("end_image_url", &order.last_frame)] {
            if let Some(url) = url {
                body.insert(key.into(), url.clone().into());
            }
        }
        if let Some((field, mark)) = &order.mark {
            body.insert(field.clone(), mark.clone().into());
        }
        Value::Object(body)
    }

    async fn submit(&self, endpoint: &str, body: &Value, _reservation: Reservation) -> Result<JobRef, SubmitError> {
        // An endpoint comes from the ledger: whatever stands there, the key goes to this host alone.
        let named = self.queue.join(endpoint).map_err(|error| SubmitError::NotSent(error.to_string()))?;
        let mut url = self.here(&named);
        if let Some(webhook) = &self.webhook {
            url.query_pairs_mut().append_pair("fal_webhook", webhook);
        }
        let answer = http::pay(self.request(Method::POST, url).json(body)).await?;
        let given = answer::read_submit(&answer)?;
        let own = self.job(endpoint, &given.request_id);
        let usable = |url: Option<String>| url.filter(|url| Url::parse(url).is_ok());
        Ok(JobRef {
            status_url: usable(given.status_url).or(own.status_url),
            response_url: usable(given.response_url).or(own.response_url),
            cancel_url: usable(given.cancel_url).or(own.cancel_url),
            request_id: given.request_id,
        })
    }

    async fn poll(&self, job: &JobRef) -> Result<Progress, CallError> {
        let url = self.known(job.status_url.as_ref(), job, Some("logs=1"))?;
        let answer = self.get(url).await?;
        let status = answer.json().filter(|_| matches!(answer.status, 200 | 202));
        let status = status.ok_or_else(|| answer.error("status", KEY))?;
        if status["status"] != "COMPLETED" {
            return Ok(answer::standing(&status));
        }
        let url = self.known(job.response_url.as_ref(), job, None)?;
        let said_failed = ["error", "error_type"].iter().any(|key| status[*key].is_string());
        answer::read_result(&self.get(url).await?, said_failed)
    }

    async fn follow(&self, job: &JobRef, listener: Listener<'_>) -> Result<(), CallError> {
        let mut url = self.known(job.status_url.as_ref(), job, None)?;
        let path = format!("{}/stream", url.path().trim_end_matches('/'));
        url.set_path(&path);
        url.set_query(Some("logs=1"));
        let request = self.caller.stream(url).header("authorization", format!("Key {}", self.key.expose()));
        let broken = |error| CallError::transient(http::reason(error));
        let mut response = request.header("accept", "text/event-stream").send().await.map_err(broken)?;
        if response.status() != 200 {
            return Err(CallError::lasting(format!("stream: HTTP {}", response.status().as_u16())));
        }
        let mut events = Events::default();
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            for status in events.read(&chunk)? {
                if status["status"] == "COMPLETED" {
                    return Ok(());
                }
                listener(answer::standing(&status));
            }
        }
        Ok(())
    }

    async fn cancel(&self, job: &JobRef) -> Result<Cancel, CallError> {
        let url = self.known(job.cancel_url.as_ref(), job, None)?;
        // Gateways may refuse a PUT that does not tell its length (RFC 9110, 8.6 and 15.5.12).
        let answer = http::call(self.request(Method::PUT, url).header("content-length", "0")).await?;
        match (answer.status, answer.json().unwrap_or_default()["status"].as_str()) {
            (200..=202, _) => Ok(Cancel::Asked),
            (400, Some("ALREADY_COMPLETED")) => Ok(Cancel::TooLate),
            _ => Err(answer.error("cancel", KEY)),
        }
    }

    async fn find(&self, sought: &Sought) -> Result<Found, CallError> {
        self.search(sought).await
    }

    async fn charges(&self, jobs: &[JobRef]) -> Result<Vec<(String, Usd)>, CallError> {
        self.billing(jobs).await
    }

    async fn prices(&self, endpoints: &[String]) -> Result<Vec<(String, ToldPrice)>, CallError> {
        self.pricing(endpoints).await
    }

    fn job(&self, endpoint: &str, request_id: &str) -> JobRef {
        let segments = if endpoint.starts_with("workflows/") || endpoint.starts_with("comfy/") { 3 } else { 2 };
        let app = endpoint.split('/').take(segments).collect::<Vec<_>>().join("/");
        let base = format!("{}{app}/requests/{request_id}", self.queue);
        JobRef {
            request_id: request_id.to_owned(),
            status_url: Some(format!("{base}/status")),
            cancel_url: Some(format!("{base}/cancel")),
            response_url: Some(base),
        }
    }

    fn media_reach(&self) -> Reach {
        http::reach(&self.queue)
    }

    fn media_url(&self, url: &str) -> String {
        match Url::parse(url) {
            Ok(url) if self.moves => self.here(&url).into(),
            _ => url.to_owned(),
        }
    }
}

/// The `data` lines of an event stream, each a status. A library would keep a line without an end for ever.
#[derive(Debug, Default)]
struct Events {
    rest: Vec<u8>,
}

impl Events {
    fn read(&mut self, chunk: &[u8]) -> Result<Vec<Value>, CallError> {
        let mut found = Vec::new();
        for byte in chunk {
            if *byte != b'\n' {
                self.rest.push(*byte);
                continue;
            }
            let data = self.rest.strip_prefix(b"data:").and_then(|data| serde_json::from_slice(data).ok());
            found.extend(data);
            self.rest.clear();
        }
        if self.rest.len() > MAX_EVENT {
            return Err(CallError::lasting("stream: an event without end"));
        }
        Ok(found)
    }
}

/// Writes tags as fal does: `@image_file_1` and `@image1` become `@Image1`.
fn own_tags(prompt: &str) -> String {
    tag::rewrite(prompt, |tag| format!("@{}{}", tag.kind.tag(), tag.number.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fal(base: &str) -> Fal {
        Fal::at(base, Secret::new(String::new()), false).expect("an address")
    }

    #[test]
    fn tags_are_written_in_fals_form() {
        assert_eq!(own_tags("@image_file_1 hears @Audio2, @video1"), "@Image1 hears @Audio2, @Video1");
        assert_eq!(own_tags("mail a@image1.com"), "mail a@image1.com");
    }

    #[test]
    fn addresses_of_a_known_request_name_only_owner_and_app() {
        let job = fal("http://127.0.0.1:1").job("bytedance/seedance-2.0/fast/text-to-video", "r1");
        assert_eq!(job.status_url.as_deref(), Some("http://127.0.0.1:1/bytedance/seedance-2.0/requests/r1/status"));
    }

    #[test]
    fn a_reply_cannot_send_the_key_elsewhere() {
        for (base, given, expected) in [
            ("http://127.0.0.1:1", "https://queue.fal.run/a/requests/1", "http://127.0.0.1:1/a/requests/1"),
            ("http://127.0.0.1:1", "https://evil.example/a?x=1", "http://127.0.0.1:1/a?x=1"),
            ("https://gate.example/fal", "https://queue.fal.run/a/b", "https://gate.example/fal/a/b"),
            ("https://gate.example/fal", "https://gate.example/fal/a/b", "https://gate.example/fal/a/b"),
        ] {
            assert_eq!(fal(base).here(&Url::parse(given).expect("a URL")).as_str(), expected, "{given}");
        }
    }

    #[test]
    fn a_stream_is_read_in_whatever_pieces_it_comes() {
        let text = b": ping\r\ndata: {\"status\":\"IN_QUEUE\"}\r\n\r\ndata:{\"status\":\"COMPLETED\"}\n\nevent: x\n";
        for size in 1..text.len() {
            let mut events = Events::default();
            let found: Vec<Value> = text.chunks(size).flat_map(|chunk| events.read(chunk).expect("short")).collect();
            let statuses: Vec<_> = found.iter().map(|status| status["status"].as_str()).collect();
            assert_eq!(statuses, [Some("IN_QUEUE"), Some("COMPLETED")], "{size}");
        }
        assert!(Events::default().read(&vec![b'x'; MAX_EVENT + 1]).is_err());
    }
}
