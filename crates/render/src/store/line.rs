//! The way to a bucket: within limits of time, past no proxy on this machine, and never over what stands there.

use std::time::Duration;

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use reqwest::header::{HeaderValue, IF_NONE_MATCH};
use reqwest::{Client, Method};
use thiserror::Error;
use url::Url;

use super::bucket::PART;
use crate::http;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the store may say nothing.
const SILENCE: Duration = Duration::from_secs(60);
/// The slowest line that an upload is waited for, in bytes a second.
const SLOWEST: usize = 64 << 10;

/// Clients of the program's own making: they know its TLS, and follow no redirect.
#[derive(Debug, Clone)]
pub(super) struct Line {
    reads: Client,
    /// A client waits for an answer only so long as for a piece of one, and an upload has none for a while.
    writes: Client,
    silence: Duration,
}

/// How long bytes may be on their way.
fn way(bytes: usize) -> Duration {
    Duration::from_secs(u64::try_from(bytes / SLOWEST).unwrap_or(u64::MAX))
}

#[derive(Debug, Error)]
#[error("no answer within {0:?}")]
struct Silent(Duration);

impl Line {
    pub(super) fn new(endpoint: Option<&Url>) -> Result<Line, reqwest::Error> {
        let silence = http::patience().min(SILENCE);
        let client = |quiet| {
            let builder = http::builder().connect_timeout(CONNECT).read_timeout(quiet);
            let builder = builder.pool_max_idle_per_host(usize::MAX).pool_idle_timeout(http::KEPT);
            match endpoint {
                Some(url) => http::direct(builder, url).build(),
                None => builder.build(),
            }
        };
        Ok(Line { reads: client(silence)?, writes: client(silence + way(PART))?, silence })
    }
}

impl HttpConnector for Line {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Line {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let query = request.uri().query().unwrap_or_default();
        if request.method() == Method::POST && query.starts_with("uploadId=") {
            // The library has no word for it yet: parts become an object only where none stands. Like the library's
            // own conditions it is not signed, which S3 asks of its own headers alone.
            request.headers_mut().insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
        }
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            return self.reads.call(request).await;
        }
        let time = self.silence.saturating_add(way(request.body().content_length()));
        let answer = tokio::time::timeout(time, self.writes.call(request)).await;
        answer.unwrap_or_else(|_| Err(HttpError::new(HttpErrorKind::Timeout, Silent(time))))
    }
}
