//! An offline stand-in for the providers: real HTTP, real validation, real clips, no money.
//!
//! It speaks fal's queue at `/`, its REST host at `/rest`, its media host at `/cdn` and its platform API
//! at `/platform/v1`; Ark's form at `/api/v3`; the proxies' at `/v1` and `/proxy`. What it accepted and would have charged stands at `GET /_simulator/bills`, what it
//! was asked at `/_simulator/requests`, and what shall go wrong at `/_simulator/faults`. Jobs are kept in
//! its folder, so that a simulator started again in the same folder goes on where the last one ended.
//! Deliberately absent: fetching from other hosts, and sending to them.

mod gate;

mod journal;

mod faults;

mod tamper;

mod control;

mod files;

mod multipart;

mod queue;

mod platform;

mod webhook;

mod ark;

mod proxy;

mod callback;

mod render;

mod rules;

mod inputs;

mod sound;

mod store;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::routing::{any, get, post, put};
use axum::{Router, middleware};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use faults::{Call, Fault, Kind, Reason};
use render::Studio;
pub use store::Form;

/// The largest upload, in bytes: above every limit that the rules check.
const MAX_UPLOAD: usize = 120 << 20;

/// Where a simulator listens and works.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The folder for jobs and files; made where it is missing.
    pub folder: PathBuf,
    /// The FFmpeg worker program.
    pub worker: PathBuf,
    /// How many clips are rendered at once.
    pub parallel: usize,
    /// A clip that every accepted job is done with, instead of one that is rendered.
    pub clip: Option<PathBuf>,
    /// How long a job waits before it is carried out.
    pub queue: Duration,
    /// What shall go wrong.
    pub faults: Vec<Fault>,
}

/// A running simulator; ends when it is dropped.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    server: JoinHandle<io::Result<()>>,
}

impl Simulator {
    /// Listens and answers from now on.
    ///
    /// # Errors
    /// When the address is taken or the folder cannot be used; of kind `InvalidInput` when the clip cannot
    /// be read or a fault makes no sense.
    pub async fn start(config: Config) -> io::Result<Simulator> {
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        let studio = Arc::new(Studio::open(&config, format!("http://{address}"))?);
        studio.resume();
        let server = tokio::spawn(async move { axum::serve(listener, router(studio)).await });
        Ok(Simulator { address, server })
    }

    /// Its address, such as `http://127.0.0.1:40001`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until it ends by itself, which it does only when the network fails.
    ///
    /// # Errors
    /// Why it ended.
    pub async fn wait(mut self) -> io::Result<()> {
        (&mut self.server).await.map_err(io::Error::other)?
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn router(studio: Arc<Studio>) -> Router {
    Router::new()
        .route("/_simulator/bills", get(control::bills))
        .route("/_simulator/requests", get(control::requests).delete(control::forget_requests))
        .route("/_simulator/faults", get(control::faults).post(control::add_faults).delete(control::clear_faults))
        .route("/rest/storage/upload/initiate", post(files::initiate))
        .route("/rest/storage/upload/initiate-multipart", post(multipart::initiate))
        .route("/rest/storage/auth/token", post(files::token))
        .route("/rest/.well-known/jwks.json", get(webhook::keys))
        .route("/cdn/files/upload", post(files::upload))
        .route("/cdn/files/upload/multipart", post(multipart::create))
        .route("/cdn/upload/{id}/{name}", put(files::put))
        .route("/cdn/upload/{id}/{name}/{step}", any(multipart::javascript))
        .route("/cdn/files/{*path}", get(files::get).put(multipart::python).post(multipart::python))
        .route("/platform/v1/models/requests/by-endpoint", get(platform::requests))
        .route("/platform/v1/models/billing-events", get(platform::billing))
        .route("/platform/v1/models/pricing", get(platform::pricing))
        .route("/api/v3/contents/generations/tasks", post(ark::create).get(ark::list))
        .route("/api/v3/contents/generations/tasks/{id}", get(ark::get).delete(ark::delete))
        .route("/v1/{*path}", any(proxy::plain))
        .route("/proxy/{shape}/v1/{*path}", any(proxy::shaped))
        .fallback(any(queue::handle))
        .layer(DefaultBodyLimit::max(MAX_UPLOAD))
        .layer(middleware::from_fn_with_state(studio.clone(), gate::pass))
        .with_state(studio)
}
