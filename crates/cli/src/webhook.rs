//! What `serve` leaves in the project for other commands: its addresses, and the folder of wakes.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use seedpost_render::wake::Wakes;
use seedpost_render::webhook::new_token;
use serde_json::{Value, json};

use crate::output::{Exit, Failure};
use crate::project::{Project, make_folder, open_plain, write_private};

/// Where webhooks of a project arrive, as the world sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebhookUrls {
    /// For fal's `fal_webhook`.
    pub(crate) fal: String,
    /// For Ark's `callback_url`; its end is a secret.
    pub(crate) ark: String,
}

impl WebhookUrls {
    fn new(url: &str, ark_token: &str) -> WebhookUrls {
        WebhookUrls { fal: format!("{url}/fal"), ark: format!("{url}/ark/{ark_token}") }
    }
}

/// The addresses for webhooks, while `serve` runs in this project.
pub(crate) fn webhook_urls(project: &Project) -> Option<WebhookUrls> {
    let lock = open_plain(&lock_path(project)).ok()?;
    // A lock that is free belongs to nobody: what an ended `serve` left does not count.
    if !matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)) {
        return None;
    }
    let note: Value = serde_json::from_str(&read_small(&note_path(project)).ok()?).ok()?;
    Some(WebhookUrls::new(note["url"].as_str()?, note["ark_token"].as_str()?))
}

/// The wakes of a project: `serve` writes them, `run` waits for them.
pub(crate) fn wakes(project: &Project) -> Wakes {
    Wakes::new(project.hidden().join("wake"))
}

/// The right to receive a project's webhooks; ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Post {
    note: PathBuf,
    token: String,
    /// Locked for as long as it is open.
    _lock: File,
}

impl Post {
    /// Takes it, unless another `serve` has it. The project's own lock is left alone: `run` works beside it.
    pub(crate) fn take(project: &Project) -> Result<Post, Failure> {
        make_folder(&project.hidden())?;
        let path = lock_path(project);
        let disk = |error: io::Error| Failure::disk("lock", &path, &error);
        let lock = File::options().create(true).truncate(false).write(true).open(&path).map_err(disk)?;
        let mut patience = 20;
        while let Err(error) = lock.try_lock() {
            match error {
                // A reader holds it for a moment.
                TryLockError::WouldBlock if patience > 0 => std::thread::sleep(Duration::from_millis(25)),
                TryLockError::WouldBlock => return Err(occupied(project)),
                TryLockError::Error(error) => return Err(disk(error)),
            }
            patience -= 1;
        }
        // One that was killed has left its note, which must not pass for ours.
        let _ = fs::remove_file(note_path(project));
        let token = kept_token(project)?;
        Ok(Post { note: note_path(project), token, _lock: lock })
    }

    /// The secret in the path of Ark's callbacks.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Tells other commands where webhooks arrive.
    pub(crate) fn announce(&self, url: &str) -> Result<WebhookUrls, Failure> {
        let note = json!({ "url": url, "ark_token": self.token });
        write_private(&self.note, &note.to_string()).map_err(|error| Failure::disk("write", &self.note, &error))?;
        Ok(WebhookUrls::new(url, &self.token))
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        // Without the lock it counts for nothing anyway.
        let _ = fs::remove_file(&self.note);
    }
}

fn occupied(project: &Project) -> Failure {
    let place = webhook_urls(project).map_or(String::new(), |urls| format!(", at {}", urls.fal));
    Failure::new(
        Exit::Usage,
        format!("another `seedpost serve` receives for {}{place}", project.root.display()),
        "one is enough; stop it first to change its addresses",
    )
}

fn lock_path(project: &Project) -> PathBuf {
    project.hidden().join("serve.lock")
}

fn note_path(project: &Project) -> PathBuf {
    project.hidden().join("webhook.json")
}

/// The token of earlier times, so that callbacks of jobs that were sent then still find their way; else a new one.
fn kept_token(project: &Project) -> Result<String, Failure> {
    let path = project.hidden().join("webhook.token");
    let good = |token: &String| token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit());
    if let Some(token) = read_small(&path).ok().filter(good)
        && fs::symlink_metadata(&path).is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o077 == 0)
    {
        return Ok(token);
    }
    let token =
        new_token().map_err(|error| Failure::new(Exit::Internal, error.to_string(), "run `seedpost doctor`"))?;
    write_private(&path, &token).map_err(|error| Failure::disk("write", &path, &error))?;
    Ok(token)
}

fn read_small(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    open_plain(path)?.take(65_536).read_to_string(&mut text)?;
    Ok(text)
}
