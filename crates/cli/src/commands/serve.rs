//! `serve`: receives providers' webhooks for a project, until it is ended.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap::Args;
use seedpost_core::shot::ProviderName;
use seedpost_render::webhook::{FAL_KEYS, Receiver, Settings};
use seedpost_render::{Secret, is_this_machine};
use serde_json::json;
use url::Url;

use super::{List, block_on};
use crate::interrupt::Ends;
use crate::keys::Environment;
use crate::output::{Exit, Failure, note, say};
use crate::project::Project;
use crate::webhook::{Post, wakes};

/// How often old wakes are removed.
const SWEEP: Duration = Duration::from_secs(3600);

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    list: List,
    /// Where to listen; port 0 takes a free one. The addresses are printed as JSON.
    #[arg(long, default_value = "127.0.0.1:8787")]
    listen: SocketAddr,
    /// How providers reach it: https, or http on this machine. Absent: the address where it listens.
    #[arg(long, value_parser = public_url)]
    public_url: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    if arguments.public_url.is_none() && !arguments.listen.ip().is_loopback() {
        let message = format!("{} is no address that providers could send to", arguments.listen);
        return Err(Failure::new(Exit::Usage, message, "name the one that they see with --public-url https://…"));
    }
    let project = arguments.list.open()?;
    let post = Post::take(&project)?;
    block_on(receive(&project, &post, arguments))??;
    Ok(Exit::Done)
}

async fn receive(project: &Project, post: &Post, arguments: &Arguments) -> Result<(), Failure> {
    let ended = |error: std::io::Error| {
        let message = format!("failed to receive webhooks at {}: {error}", arguments.listen);
        Failure::new(Exit::Internal, message, "choose another address with --listen")
    };
    // Before anything is announced, so that no signal goes past it.
    let mut ends = Ends::listen().map_err(ended)?;
    let wakes = Arc::new(wakes(project));
    let waker = Arc::clone(&wakes);
    let settings = Settings::new(arguments.listen, keys(project), Secret::new(post.token().to_owned()));
    let mut receiver =
        Receiver::start(settings, move |id| waker.wake(id), |notice| note(notice)).await.map_err(ended)?;
    let listen = format!("http://{}", receiver.address());
    let urls = post.announce(arguments.public_url.as_ref().unwrap_or(&listen))?;
    say(json!({ "listen": listen, "fal": urls.fal, "ark": urls.ark }));
    let mut hour = tokio::time::interval(SWEEP);
    loop {
        tokio::select! {
            stopped = receiver.wait() => return stopped.map_err(ended),
            () = ends.next() => return Ok(()),
            _ = hour.tick() => {
                let wakes = Arc::clone(&wakes);
                // What cannot be removed now is removed in an hour.
                tokio::task::spawn_blocking(move || drop(wakes.sweep(SystemTime::now())));
            }
        }
    }
}

/// Where the keys are that sign webhooks of the list's provider.
fn keys(project: &Project) -> String {
    let environment = Environment::read(&project.root);
    let at = |base: String| format!("{}/rest/.well-known/jwks.json", base.trim_end_matches('/'));
    let offline = project.list.shots.iter().all(|shot| shot.render.provider == ProviderName::Simulator);
    let simulator = environment.get("SEEDPOST_SIMULATOR_URL").filter(|_| offline);
    simulator.or_else(|| environment.address("SEEDPOST_FAL_URL", "FAL_KEY")).map_or_else(|| FAL_KEYS.to_owned(), at)
}

/// An address that providers may be told, without a slash at its end.
fn public_url(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if url.scheme() != "https" && !(url.scheme() == "http" && is_this_machine(&url)) {
        return Err("use https; http goes only on this machine, such as http://127.0.0.1:8787".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err("leave out user name, password, query and fragment".to_owned());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::public_url;

    #[test]
    fn a_public_address_is_https_or_on_this_machine() {
        for (text, expected) in [
            ("https://hooks.example.com/seedpost", Some("https://hooks.example.com/seedpost")),
            ("https://hooks.example.com/seedpost//", Some("https://hooks.example.com/seedpost")),
            ("https://hooks.example.com", Some("https://hooks.example.com")),
            ("http://127.0.0.1:8787/", Some("http://127.0.0.1:8787")),
            ("http://[::1]:8787", Some("http://[::1]:8787")),
            ("http://localhost/x", Some("http://localhost/x")),
            ("http://hooks.example.com", None),
            ("http://10.0.0.1", None),
            ("ftp://127.0.0.1", None),
            ("https://me:word@hooks.example.com", None),
            ("https://hooks.example.com/?a=1", None),
            ("https://hooks.example.com/#a", None),
            ("hooks.example.com", None),
            ("", None),
        ] {
            assert_eq!(public_url(text).ok().as_deref(), expected, "{text}");
        }
    }
}
