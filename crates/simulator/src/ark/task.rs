//! The task object, as it is answered, listed and called back with.

use seedpost_core::catalog::Catalog;
use serde_json::{Value, json};

use super::rules::{Settings, model};
use crate::store::{Job, Phase};

/// Frames a second.
const FPS: u32 = 24;

/// Ark's word for where a job stands.
pub(crate) fn status(job: &Job) -> &'static str {
    match &job.phase {
        Phase::Queued => "queued",
        Phase::Running => "running",
        Phase::Done { .. } => "succeeded",
        Phase::Failed { body, .. } if first(body)["type"] == "generation_timeout" => "expired",
        Phase::Failed { .. } => "failed",
        Phase::Cancelled => "cancelled",
    }
}

/// Describes a task.
pub(crate) fn task(job: &Job, base: &str) -> Value {
    let input = &job.input;
    let mut task = json!({
        "id": job.request_id,
        "model": job.endpoint,
        "status": status(job),
        "error": failure(job).map(|(code, message)| json!({ "code": code, "message": message })),
        "created_at": job.created_ms / 1000,
        "updated_at": job.updated_ms / 1000,
    });
    // What was accepted reads the same again.
    let Ok((model, settings)) = model(input).and_then(|model| Ok((model, Settings::read(input, model)?))) else {
        return task;
    };
    let ratio = job.ratio.as_deref().unwrap_or("16:9");
    task["resolution"] = settings.resolution.as_str().into();
    task["ratio"] = ratio.into();
    task["duration"] = settings.seconds.into();
    task["framespersecond"] = FPS.into();
    task["generate_audio"] = settings.generate_audio.into();
    task["service_tier"] = settings.service_tier.into();
    task["execution_expires_after"] = settings.execution_expires_after.into();
    for field in ["safety_identifier", "priority", "tools", "draft"] {
        if !input[field].is_null() {
            task[field] = input[field].clone();
        }
    }
    let draft = input["content"].as_array().into_iter().flatten().find_map(|item| item["draft_task"]["id"].as_str());
    if let Some(draft) = draft {
        task["draft_task_id"] = draft.into();
    }
    if let Phase::Done { file, .. } = &job.phase {
        task["content"] = content(file, base, input["return_last_frame"] == true);
        let size = Catalog::built_in().size(&settings.resolution, ratio);
        let area = size.map_or(0, |size| u64::from(size.width) * u64::from(size.height));
        let tokens = area * u64::from(settings.seconds * FPS) / 1024;
        task["usage"] = json!({ "completion_tokens": tokens, "total_tokens": tokens });
        if model.seed {
            // Like any seed that the model chooses: one number for one task.
            let chosen = i64::try_from(job.created_ms % 100_000).unwrap_or(7);
            task["seed"] = settings.seed.filter(|seed| *seed >= 0).unwrap_or(chosen).into();
        }
    }
    task
}

fn content(file: &str, base: &str, last_frame: bool) -> Value {
    let mut content = json!({ "video_url": format!("{base}/cdn/files/{file}?X-Tos-Expires=86400") });
    if last_frame && let Some((folder, _)) = file.rsplit_once('/') {
        content["last_frame_url"] = format!("{base}/cdn/files/{folder}/last_frame.png?X-Tos-Expires=86400").into();
    }
    content
}

/// The first item of a failure in fal's form, which all forms' jobs keep.
fn first(body: &Value) -> &Value {
    &body["detail"][0]
}

/// Ark's code and words for a job that failed; none for one that expired.
pub(crate) fn failure(job: &Job) -> Option<(&'static str, String)> {
    let Phase::Failed { body, .. } = &job.phase else { return None };
    let item = first(body);
    let place: Vec<&str> = item["loc"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let place = place.last().copied().unwrap_or_default();
    let words = item["msg"].as_str().or(body["detail"].as_str()).unwrap_or("the task failed").to_owned();
    let code = match item["type"].as_str() {
        Some("generation_timeout") => return None,
        Some("content_policy_violation") if place == "generated_video" => {
            if words.to_lowercase().contains("audio") {
                "OutputAudioSensitiveContentDetected"
            } else {
                "OutputVideoSensitiveContentDetected"
            }
        }
        Some("content_policy_violation") if place == "prompt" => "InputTextSensitiveContentDetected",
        Some("content_policy_violation") if place.starts_with("audio") => "InputAudioSensitiveContentDetected",
        Some("content_policy_violation") => "InputImageSensitiveContentDetected.PrivacyInformation",
        _ => "InternalServiceError",
    };
    Some((code, words))
}
