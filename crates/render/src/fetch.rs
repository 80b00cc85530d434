//! Reads a remote reference, an address that a shot list names, to a file for measuring.
//!
//! A shot list may come from a stranger, so an address must not lead into the own network, and what it
//! answers is limited in size and time. Deliberately absent: keys, cookies, proxies, decompression, retries,
//! and any judgement of the bytes.

mod address;

use std::io::Write;
use std::net::IpAddr;
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, LOCATION};
use reqwest::{Client, Response};
use seedpost_core::shot::shown;
use thiserror::Error;
use url::{Host, Url};

use crate::http;

/// How much one fetch may take.
#[derive(Debug, Clone, Copy)]
pub struct FetchLimits {
    /// The largest body, in bytes.
    pub max_bytes: u64,
    /// How long the whole transfer may take, redirects included.
    pub time: Duration,
    /// How many redirects are followed.
    pub redirects: usize,
    /// Which hosts may be read.
    pub reach: Reach,
}

/// Which hosts may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Those of the public Internet.
    Public,
    /// Those, and this machine, as where a simulator or gateway runs here.
    ThisMachine,
    /// Private, loopback and link-local ones too.
    Everywhere,
}

/// Why a reference was not read. No message holds an address's query or credentials.
#[derive(Debug, Error)]
pub enum FetchError {
    /// The address is not one that is read: not http or https, no host, credentials in it, or a step from https
    /// to http.
    #[error("{shown} {reason}")]
    Address {
        /// Scheme, host and path.
        shown: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The host has no public address, and private ones are not allowed.
    #[error("{host}: {address} is a private, loopback or link-local address")]
    Private {
        /// The host as the address names it.
        host: String,
        /// One of its addresses.
        address: IpAddr,
    },
    /// There were more redirects than this.
    #[error("the address leads on more than {0} times")]
    Redirects(usize),
    /// The server answered with a status other than 200.
    #[error("the server answered HTTP {0}")]
    Status(u16),
    /// The body is larger than allowed.
    #[error("the file is larger than the allowed {allowed} bytes")]
    TooLarge {
        /// The limit, in bytes.
        allowed: u64,
    },
    /// The transfer did not end within this time.
    #[error("the transfer took longer than {0:?}")]
    TimedOut(Duration),
    /// The bytes could not be written.
    #[error("the bytes could not be written: {0}")]
    Io(#[from] std::io::Error),
    /// The connection failed, or broke off before the body's end.
    #[error("{0}")]
    Failed(String),
}

/// Reads addresses under the same limits, with one client.
#[derive(Debug, Clone)]
pub struct Fetcher {
    client: Client,
    limits: FetchLimits,
}

impl Fetcher {
    /// Makes a fetcher; fails when the system's certificates cannot be read.
    pub fn new(limits: FetchLimits) -> Result<Fetcher, FetchError> {
        // The environment's proxies would look names up themselves, out of the resolver's sight.
        let mut builder = http::builder().no_proxy().referer(false);
        if limits.reach != Reach::Everywhere {
            builder = builder.dns_resolver(address::Within(limits.reach));
        }
        Ok(Fetcher { client: builder.build().map_err(failed)?, limits })
    }

    /// The same with another largest body, in bytes.
    #[must_use]
    pub fn up_to(&self, max_bytes: u64) -> Fetcher {
        Fetcher { client: self.client.clone(), limits: FetchLimits { max_bytes, ..self.limits } }
    }

    /// Writes what an address answers to `out`, and returns its length in bytes.
    ///
    /// After an error `out` may hold the beginning, never more than `max_bytes`. A body that ends before its
    /// Content-Length is an error; one that came without a length ends where the connection does.
    pub async fn fetch(&self, url: &str, out: &mut impl Write) -> Result<u64, FetchError> {
        let transfer = async {
            let response = self.open(url).await?;
            self.copy(response, out).await
        };
        let ended = tokio::time::timeout(self.limits.time, transfer).await;
        ended.unwrap_or(Err(FetchError::TimedOut(self.limits.time)))
    }

    /// Follows an address to the one that answers 200.
    async fn open(&self, url: &str) -> Result<Response, FetchError> {
        let mut url = start(url, self.limits.reach)?;
        for _ in 0..=self.limits.redirects {
            let request = self.client.get(url.clone()).header(ACCEPT_ENCODING, "identity");
            let response = request.send().await.map_err(failed)?;
            match (response.status().as_u16(), response.headers().get(LOCATION)) {
                (200, _) => return Ok(response),
                (301 | 302 | 303 | 307 | 308, Some(location)) => {
                    url = follow(&url, location.as_bytes(), self.limits.reach)?;
                }
                (status, _) => return Err(FetchError::Status(status)),
            }
        }
        Err(FetchError::Redirects(self.limits.redirects))
    }

    async fn copy(&self, mut response: Response, out: &mut impl Write) -> Result<u64, FetchError> {
        let allowed = self.limits.max_bytes;
        let encoding = response.headers().get(CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
            return Err(FetchError::Failed("the server compressed the file, which was not asked for".into()));
        }
        if response.content_length().is_some_and(|length| length > allowed) {
            return Err(FetchError::TooLarge { allowed });
        }
        let mut length = 0_u64;
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            length = length.saturating_add(chunk.len() as u64);
            if length > allowed {
                return Err(FetchError::TooLarge { allowed });
            }
            out.write_all(&chunk)?;
        }
        out.flush()?;
        Ok(length)
    }
}

/// The first address, if it may be read.
fn start(url: &str, reach: Reach) -> Result<Url, FetchError> {
    let unreadable = |_| FetchError::Address { shown: "the address".into(), reason: "cannot be read" };
    let url = Url::parse(url).map_err(unreadable)?;
    check(&url, reach)?;
    Ok(url)
}

/// The address that a redirect leads to, if it may be read.
fn follow(from: &Url, location: &[u8], reach: Reach) -> Result<Url, FetchError> {
    let next = std::str::from_utf8(location).ok().and_then(|location| from.join(location).ok());
    let next =
        next.ok_or_else(|| FetchError::Address { shown: shown(from), reason: "leads to no readable address" })?;
    check(&next, reach)?;
    if from.scheme() == "https" && next.scheme() != "https" {
        return Err(FetchError::Address { shown: shown(&next), reason: "is http, and an https address led there" });
    }
    Ok(next)
}

/// Refuses what is not to be requested. Of a name nothing is known yet; the resolver judges it.
fn check(url: &Url, reach: Reach) -> Result<(), FetchError> {
    let refuse = |reason| Err(FetchError::Address { shown: shown(url), reason });
    if !matches!(url.scheme(), "http" | "https") {
        return refuse("is neither http nor https");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("has a user name or password in it");
    }
    // The client takes a literal as it is, without asking the resolver.
    let literal: IpAddr = match url.host() {
        None => return refuse("has no host"),
        Some(Host::Domain(_)) => return Ok(()),
        Some(Host::Ipv4(address)) => address.into(),
        Some(Host::Ipv6(address)) => address.into(),
    };
    address::admit(url.host_str().unwrap_or_default(), literal, reach)
}

/// Finds the resolver's refusal in what the client made of it; everything else becomes words.
fn failed(error: reqwest::Error) -> FetchError {
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        if let Some(FetchError::Private { host, address }) = inner.downcast_ref() {
            return FetchError::Private { host: host.clone(), address: *address };
        }
        source = inner.source();
    }
    FetchError::Failed(http::reason(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The class of an error, or where a good address leads.
    fn class(result: Result<Url, FetchError>) -> String {
        match result {
            Ok(url) => url.to_string(),
            Err(FetchError::Address { reason, .. }) => reason.to_owned(),
            Err(FetchError::Private { address, .. }) => format!("private {address}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn an_address_is_judged_before_it_is_requested() {
        for (url, expected) in [
            ("https://example.com/a.mp4?sig=1", "https://example.com/a.mp4?sig=1"),
            ("http://8.8.8.8/", "http://8.8.8.8/"),
            ("file:///etc/passwd", "is neither http nor https"),
            ("ftp://example.com/a", "is neither http nor https"),
            ("data:text/plain,a", "is neither http nor https"),
            ("https://me:word@example.com/", "has a user name or password in it"),
            ("https://me@example.com/", "has a user name or password in it"),
            ("https://:word@example.com/", "has a user name or password in it"),
            ("https://", "cannot be read"),
            ("a.mp4", "cannot be read"),
            ("http://1.2.3.4.5/", "cannot be read"),
            ("http://127.0.0.1/", "private 127.0.0.1"),
            ("http://127.1/", "private 127.0.0.1"),
            ("http://127.0.0.1./", "private 127.0.0.1"),
            ("http://0x7f.1/", "private 127.0.0.1"),
            ("http://0x7f000001/", "private 127.0.0.1"),
            ("http://2130706433/", "private 127.0.0.1"),
            ("http://0177.0.0.1/", "private 127.0.0.1"),
            ("http://%31%32%37.0.0.1/", "private 127.0.0.1"),
            ("http://①②⑦.0.0.1/", "private 127.0.0.1"),
            ("http://0/", "private 0.0.0.0"),
            ("http://169.254.169.254/latest/meta-data/", "private 169.254.169.254"),
            ("https://[::1]/", "private ::1"),
            ("https://[::ffff:127.0.0.1]/", "private ::ffff:127.0.0.1"),
            ("https://[::ffff:7f00:1]:8443/", "private ::ffff:127.0.0.1"),
        ] {
            assert_eq!(class(start(url, Reach::Public)), expected, "{url}");
        }
        assert_eq!(class(start("http://127.0.0.1/", Reach::Everywhere)), "http://127.0.0.1/");
        assert_eq!(class(start("http://[::1]/", Reach::ThisMachine)), "http://[::1]/");
        assert_eq!(class(start("http://10.0.0.1/", Reach::ThisMachine)), "private 10.0.0.1");
    }

    #[test]
    fn a_redirect_is_judged_like_an_address() {
        let from = Url::parse("https://example.com/a/b?sig=1").unwrap();
        for (location, expected) in [
            ("c?x=2", "https://example.com/a/c?x=2"),
            ("//cdn.example.com/c", "https://cdn.example.com/c"),
            ("https://127.0.0.1/", "private 127.0.0.1"),
            ("//[::1]/", "private ::1"),
            ("//2130706433/", "private 127.0.0.1"),
            ("file:///etc/passwd", "is neither http nor https"),
            ("javascript:0", "is neither http nor https"),
            ("https://me:word@example.com/", "has a user name or password in it"),
            ("http://example.com/", "is http, and an https address led there"),
            ("https://[", "leads to no readable address"),
        ] {
            assert_eq!(class(follow(&from, location.as_bytes(), Reach::Public)), expected, "{location}");
        }
        assert_eq!(class(follow(&from, b"\xff\xfe", Reach::Public)), "leads to no readable address");
        let plain = Url::parse("http://example.com/").unwrap();
        assert_eq!(class(follow(&plain, b"https://example.com/", Reach::Public)), "https://example.com/");
    }

    #[test]
    fn an_error_shows_neither_query_nor_password() {
        for url in ["https://me:word@example.com:8443/a?sig=secret#word", "ftp://me:word@example.com:8443/a?sig=secret"]
        {
            let words = start(url, Reach::Public).unwrap_err().to_string();
            assert!(words.contains("://example.com:8443/a "), "{words}");
            assert!(!words.contains("secret") && !words.contains("word@"), "{words}");
        }
        assert!(!start("data:secret", Reach::Public).unwrap_err().to_string().contains("secret"));
        assert!(!start("http://[?sig=secret", Reach::Public).unwrap_err().to_string().contains("secret"));
    }
}
