//! What the simulator sends by itself: one POST to an address that a request named.
//!
//! Only loopback is called, by plain HTTP, and no redirect is followed: the simulator stays offline,
//! and a callback address of a real server is refused here without a packet leaving the machine.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::{Client, Url, redirect, retry};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait before each further try of a last word.
const PAUSES: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

/// Sends a body once; answers the HTTP status, or in words why there is none.
pub(crate) async fn post(url: &str, headers: &[(&str, String)], body: Vec<u8>) -> Result<u16, String> {
    let url = Url::parse(url).map_err(|error| error.to_string())?;
    let near = match url.host_str().map(|host| host.trim_matches(['[', ']'])) {
        Some("localhost") => true,
        Some(host) => host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
        None => false,
    };
    if url.scheme() != "http" || !near {
        return Err(format!("{url} is not on this machine"));
    }
    let request = headers.iter().fold(client()?.post(url), |request, (name, value)| request.header(*name, value));
    let answer = request.header("content-type", "application/json").body(body).send().await;
    answer.map(|answer| answer.status().as_u16()).map_err(|error| error.without_url().to_string())
}

fn client() -> Result<Client, String> {
    static CRYPTO: OnceLock<()> = OnceLock::new();
    CRYPTO.get_or_init(|| {
        // An error means that somebody has installed one already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let builder = Client::builder()
        .timeout(PATIENCE)
        .no_proxy()
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .pool_max_idle_per_host(0)
        .resolve("localhost", SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    builder.build().map_err(|error| error.to_string())
}

/// The words about one job, sent in their order without anybody waiting for them.
#[derive(Debug)]
pub(crate) struct Line(UnboundedSender<(Value, bool)>);

impl Line {
    /// Opens a line to an address.
    pub(crate) fn open(url: String) -> Line {
        let (sender, mut words) = unbounded_channel::<(Value, bool)>();
        tokio::spawn(async move {
            while let Some((word, last)) = words.recv().await {
                let pauses = if last { &PAUSES[..] } else { &[] };
                say(&url, &word, pauses).await;
            }
        });
        Line(sender)
    }

    /// Sends a word; the last one is tried up to three times more until it is taken.
    pub(crate) fn send(&self, word: Value, last: bool) {
        // It fails only when the program ends.
        let _ = self.0.send((word, last));
    }
}

async fn say(url: &str, word: &Value, pauses: &[Duration]) {
    let mut pauses = pauses.iter();
    loop {
        let answer = post(url, &[], word.to_string().into_bytes()).await;
        match (answer, pauses.next()) {
            (Ok(200..=299), _) | (_, None) => return,
            (_, Some(pause)) => tokio::time::sleep(*pause).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_but_this_machine_is_called() {
        for url in ["http://example.com/", "https://127.0.0.1/", "http://192.168.0.1/", "http://127.0.0.1.example.com/"]
        {
            let answer = post(url, &[], Vec::new()).await;
            assert!(answer.as_ref().is_err_and(|words| words.ends_with("is not on this machine")), "{url}: {answer:?}");
        }
    }

    #[tokio::test]
    async fn a_loopback_address_is_called_by_number_and_by_name() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let echo = axum::routing::post(|headers: axum::http::HeaderMap, body: String| async move {
            let fine = headers["x-mark"] == "7" && headers["content-type"] == "application/json" && body == "{}";
            if fine { axum::http::StatusCode::ACCEPTED } else { axum::http::StatusCode::BAD_REQUEST }
        });
        let server = tokio::spawn(async move { axum::serve(listener, axum::Router::new().route("/", echo)).await });
        for host in ["127.0.0.1", "localhost"] {
            let answer = post(&format!("http://{host}:{port}/"), &[("x-mark", "7".to_owned())], b"{}".to_vec()).await;
            assert_eq!(answer, Ok(202), "{host}");
        }
        server.abort();
    }
}
