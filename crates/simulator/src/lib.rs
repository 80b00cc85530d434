//! An offline stand-in for the providers: real HTTP, real validation, real clips, no money.
//!
//! It speaks fal's queue at `/`, its REST host at `/rest` and its media host at `/cdn`; Ark's form at
//! `/api/v3`; the proxies' at `/v1` and `/proxy`. What it accepted and would have charged stands at
//! `GET /_simulator/bills`. Jobs are kept in its folder, so that a simulator started again in the same
//! folder goes on where the last one ended. Deliberately absent: faults on request, fal's webhooks, and
//! fetching from other hosts.

mod files;

mod queue;

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

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{any, get, post, put};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower_http::services::ServeDir;

use render::Studio;
use store::Store;

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
    /// When the address is taken or the folder cannot be used.
    pub async fn start(config: Config) -> io::Result<Simulator> {
        let store = Store::open(config.folder.clone())?;
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        let studio = Arc::new(Studio::new(store, &config, format!("http://{address}")));
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
    let media = ServeDir::new(studio.store.files());
    Router::new()
        .route("/_simulator/bills", get(queue::bills))
        .route("/rest/storage/upload/initiate", post(files::initiate))
        .route("/rest/storage/auth/token", post(files::token))
        .route("/cdn/files/upload", post(files::upload))
        .route("/cdn/upload/{id}/{name}", put(files::put))
        .nest_service("/cdn/files", media)
        .route("/api/v3/contents/generations/tasks", post(ark::create).get(ark::list))
        .route("/api/v3/contents/generations/tasks/{id}", get(ark::get).delete(ark::delete))
        .route("/v1/{*path}", any(proxy::plain))
        .route("/proxy/{shape}/v1/{*path}", any(proxy::shaped))
        .fallback(any(queue::handle))
        .layer(DefaultBodyLimit::max(MAX_UPLOAD))
        .with_state(studio)
}
