//! The task object, as it is answered, listed and called back with.

use seedpost_core::catalog::Catalog;
use seedpost_core::cost::tokens;
use serde_json::{Value, json};

use super::rules::{Settings, model};
use crate::store::{Job, Phase};

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
    task["framespersecond"] = 24.into();
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
        let tokens = size.map_or(0, |size| tokens(size.width, size.height, settings.seconds));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Form;

    #[test]
    fn a_failure_in_fals_form_has_one_code_here() {
        for (place, kind, words, expected) in [
            (
                "generated_video",
                "content_policy_violation",
                "Output video has sensitive content.",
                "OutputVideoSensitiveContentDetected",
            ),
            (
                "generated_video",
                "content_policy_violation",
                "Output audio has sensitive content.",
                "OutputAudioSensitiveContentDetected",
            ),
            (
                "image_urls",
                "content_policy_violation",
                "likenesses",
                "InputImageSensitiveContentDetected.PrivacyInformation",
            ),
            (
                "video_urls",
                "content_policy_violation",
                "likenesses",
                "InputImageSensitiveContentDetected.PrivacyInformation",
            ),
            ("audio_urls", "content_policy_violation", "a song", "InputAudioSensitiveContentDetected"),
            ("prompt", "content_policy_violation", "words", "InputTextSensitiveContentDetected"),
            ("body", "internal_server_error", "oops", "InternalServiceError"),
        ] {
            let body = json!({ "detail": [{ "loc": ["body", place], "type": kind, "msg": words }] });
            let phase = Phase::Failed { status: 422, body };
            let job = Job::new(Form::Ark, "cgt-1".to_owned(), "m", json!({ "model": "m" }), (0, phase));
            let task = task(&job, "http://h");
            assert_eq!((&task["status"], &task["error"]["code"]), (&json!("failed"), &json!(expected)), "{place}");
            assert_eq!(task["error"]["message"], words);
        }
    }

    #[test]
    fn a_time_out_is_an_expiry() {
        let body = json!({ "detail": [{ "loc": ["body"], "type": "generation_timeout", "msg": "timeout" }] });
        let phase = Phase::Failed { status: 504, body };
        let job = Job::new(Form::Ark, "cgt-1".to_owned(), "m", json!({}), (0, phase));
        assert_eq!((status(&job), failure(&job)), ("expired", None));
    }
}
