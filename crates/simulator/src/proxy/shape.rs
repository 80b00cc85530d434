//! How each family of proxies says the same things.

use seedpost_core::cost::tokens;
use serde_json::{Value, json};

use super::rules;
use crate::ark;
use crate::store::{Job, Phase};

/// A family of proxies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A: `id`; `succeeded` with `output.url`, `failed` with `error` in words.
    Plain,
    /// B: `task_id`; `completed` with `url`, `failed` with `error.message`.
    Flat,
    /// C: everything within `data`, statuses in capitals.
    Wrapped,
    /// D: OpenAI's own video object, at `/videos`.
    Video,
    /// E: Ark's task object.
    ArkLike,
    /// F: fal's queue.
    Queue,
}

/// Where a job stands: waiting, at work, done, not done.
enum Stand<'a> {
    Waits,
    Works,
    Done(&'a str),
    Failed(String, String),
}

impl Shape {
    pub(super) fn named(letter: &str) -> Option<Shape> {
        Some(match letter {
            "a" => Shape::Plain,
            "b" => Shape::Flat,
            "c" => Shape::Wrapped,
            "d" => Shape::Video,
            "e" => Shape::ArkLike,
            "f" => Shape::Queue,
            _ => return None,
        })
    }

    /// Where its jobs are, below the base address.
    pub(super) fn path(self) -> &'static str {
        if self == Shape::Video { "videos" } else { "video/generations" }
    }

    /// The reply to a submit. [`Shape::Queue`] has fal's own instead.
    pub(super) fn submitted(self, job: &Job) -> Value {
        let id = &job.request_id;
        match self {
            Shape::Plain | Shape::ArkLike | Shape::Queue => json!({ "id": id }),
            Shape::Flat => json!({ "task_id": id, "status": "queued" }),
            Shape::Wrapped => json!({ "code": "success", "message": "", "data": { "task_id": id } }),
            Shape::Video => json!({
                "id": id, "object": "video", "model": job.endpoint, "status": "queued", "progress": 0,
                "created_at": job.created_ms / 1000,
            }),
        }
    }

    /// What a poll answers. [`Shape::Queue`] has fal's own instead.
    pub(super) fn polled(self, job: &Job, base: &str) -> Value {
        let stand = match &job.phase {
            Phase::Queued => Stand::Waits,
            Phase::Running => Stand::Works,
            Phase::Done { file, .. } => Stand::Done(file),
            Phase::Failed { body, .. } => {
                let item = &body["detail"][0];
                let words = item["msg"].as_str().unwrap_or("generation failed");
                Stand::Failed(item["type"].as_str().unwrap_or("internal_error").to_owned(), words.to_owned())
            }
            Phase::Cancelled => Stand::Failed("cancelled".to_owned(), "the task was cancelled".to_owned()),
        };
        let url = |file: &str| format!("{base}/cdn/files/{file}");
        match self {
            Shape::Plain | Shape::Queue => plain(job, stand, url),
            Shape::Flat => flat(job, stand, url),
            Shape::Wrapped => wrapped(job, stand, url),
            Shape::Video => video(job, stand, url),
            Shape::ArkLike => ark_like(job, stand, url),
        }
    }
}

fn plain(job: &Job, stand: Stand<'_>, url: impl Fn(&str) -> String) -> Value {
    let id = &job.request_id;
    match stand {
        Stand::Waits => json!({ "id": id, "status": "queued" }),
        Stand::Works => json!({ "id": id, "status": "processing" }),
        Stand::Done(file) => json!({ "id": id, "status": "succeeded", "output": { "url": url(file) } }),
        Stand::Failed(_, words) => json!({ "id": id, "status": "failed", "error": words }),
    }
}

fn flat(job: &Job, stand: Stand<'_>, url: impl Fn(&str) -> String) -> Value {
    let id = &job.request_id;
    match stand {
        Stand::Waits => json!({ "task_id": id, "status": "queued" }),
        Stand::Works => json!({ "task_id": id, "status": "processing" }),
        Stand::Done(file) => json!({ "task_id": id, "status": "completed", "url": url(file), "format": "mp4" }),
        Stand::Failed(code, words) => {
            json!({ "task_id": id, "status": "failed", "error": { "code": code, "message": words } })
        }
    }
}

fn wrapped(job: &Job, stand: Stand<'_>, url: impl Fn(&str) -> String) -> Value {
    let (status, progress, reason, inner) = match stand {
        Stand::Waits => ("NOT_START", "0%", String::new(), Value::Null),
        Stand::Works => ("IN_PROGRESS", "30%", String::new(), Value::Null),
        Stand::Done(file) => {
            let inner = json!({ "id": job.request_id, "status": "succeeded", "content": { "video_url": url(file) } });
            ("SUCCESS", "100%", String::new(), inner)
        }
        Stand::Failed(_, words) => ("FAILURE", "100%", words, Value::Null),
    };
    let data = json!({
        "task_id": job.request_id, "status": status, "progress": progress, "fail_reason": reason,
        "submit_time": job.created_ms / 1000, "data": inner,
    });
    json!({ "code": "success", "message": "", "data": data })
}

fn video(job: &Job, stand: Stand<'_>, url: impl Fn(&str) -> String) -> Value {
    let mut answer = json!({
        "id": job.request_id, "object": "video", "model": job.endpoint, "created_at": job.created_ms / 1000,
    });
    let (status, progress) = match stand {
        Stand::Waits => ("queued", 0),
        Stand::Works => ("in_progress", 30),
        Stand::Done(file) => {
            answer["completed_at"] = (job.updated_ms / 1000).into();
            answer["expires_at"] = (job.updated_ms / 1000 + 24 * 3600).into();
            answer["metadata"] = json!({ "url": url(file) });
            ("completed", 100)
        }
        Stand::Failed(code, words) => {
            answer["error"] = json!({ "code": code, "message": words });
            ("failed", 0)
        }
    };
    answer["status"] = status.into();
    answer["progress"] = progress.into();
    answer
}

fn ark_like(job: &Job, stand: Stand<'_>, url: impl Fn(&str) -> String) -> Value {
    let error = ark::failure(job).map(|(code, message)| json!({ "code": code, "message": message }));
    let mut answer = json!({
        "id": job.request_id, "model": job.endpoint, "status": ark::status(job), "error": error,
        "created_at": job.created_ms / 1000, "updated_at": job.updated_ms / 1000,
    });
    if let (Stand::Done(file), Ok(settings)) = (stand, rules::Settings::read(&job.input)) {
        answer["content"] = json!({ "video_url": url(file) });
        answer["resolution"] = settings.resolution.as_str().into();
        answer["ratio"] = settings.ratio.as_str().into();
        answer["duration"] = settings.seconds.into();
        answer["framespersecond"] = 24.into();
        let tokens = settings.size().map_or(0, |size| tokens(size.width, size.height, settings.seconds));
        answer["usage"] = json!({ "completion_tokens": tokens, "total_tokens": tokens });
    }
    answer
}
