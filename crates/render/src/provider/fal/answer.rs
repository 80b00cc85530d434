//! What fal's answers to a submit, a status call and a result mean.

use seedpost_core::job::{Failure, FailureKind, JobRef};
use serde_json::Value;

use super::KEY;
use crate::http::{self, Answer};
use crate::provider::{CallError, Clip, Progress, SubmitError, filtered};

/// Reads the answer to a submit. Whatever is neither a clear yes nor a clear no is unknown.
pub(in crate::provider) fn read_submit(answer: &Answer) -> Result<JobRef, SubmitError> {
    let refused = |kind| Err(SubmitError::Refused(Failure::free(kind, words(answer))));
    match answer.status {
        200..=202 => {}
        401..=403 => return refused(FailureKind::Account),
        422 => return Err(SubmitError::Refused(explain(answer))),
        404 | 405 | 413 | 415 => return refused(FailureKind::FixShot),
        429 => {
            let wait_ms = answer.retry_after_ms.unwrap_or(5000);
            return Err(SubmitError::Throttled { wait_ms, message: words(answer) });
        }
        _ => return Err(SubmitError::ChargeUnknown(answer.describe())),
    }
    let reply = answer.json().unwrap_or_default();
    let text = |key: &str| reply[key].as_str().map(str::to_owned);
    let request_id =
        text("request_id").filter(|id| !id.is_empty()).ok_or_else(|| SubmitError::ChargeUnknown(answer.describe()))?;
    Ok(JobRef {
        request_id,
        status_url: text("status_url"),
        response_url: text("response_url"),
        cancel_url: text("cancel_url"),
    })
}

/// Reads a status that is not COMPLETED. One that fal adds some day counts as at work.
pub(in crate::provider) fn standing(status: &Value) -> Progress {
    if status["status"] == "IN_QUEUE" {
        return Progress::Queued(status["queue_position"].as_u64());
    }
    let lines = status["logs"].as_array().into_iter().flatten();
    let text = |log: &Value| log["message"].as_str().map(|text| text.chars().take(200).collect::<String>());
    let logs: Vec<String> = lines.filter_map(text).collect();
    Progress::Running(logs)
}

/// Reads a finished job's result: a failed job is one whose result is an error.
pub(in crate::provider) fn read_result(answer: &Answer, said_failed: bool) -> Result<Progress, CallError> {
    let body = answer.json();
    if answer.status == 200 {
        let url = body.as_ref().and_then(|body| body["video"]["url"].as_str());
        let url = url.ok_or_else(|| CallError::transient(format!("no clip in the result: {}", answer.describe())))?;
        return Ok(Progress::Done(Clip { url: url.to_owned(), charged: None, last_frame: None }));
    }
    if answer.status == 499 {
        // A job that was running may have been billed.
        let kind = match request_error(answer).as_deref() {
            Some("client_disconnected") => FailureKind::TryAgain,
            _ => FailureKind::Cancelled,
        };
        return Ok(Progress::Failed(Failure::owed(kind, words(answer))));
    }
    // The model's own error lists what is wrong, and a runner's error names itself. Anything else may be a
    // gateway's bad moment: the clip may be there at the next reading, and must not be bought again.
    let items = body.as_ref().and_then(|body| body["detail"].as_array());
    let listed = items.is_some_and(|items| items.iter().any(|item| item["type"].is_string()));
    let of_the_job =
        request_error(answer).is_some_and(|kind| kind.starts_with("runner_") || kind.ends_with("_timeout"));
    if matches!(answer.status, 400 | 422 | 500..=504) && (listed || said_failed || of_the_job) {
        // fal does not bill rejections or its own failures.
        return Ok(Progress::Failed(explain(answer)));
    }
    Err(CallError { transient: answer.status != 404, ..answer.error("result", KEY) })
}

/// The name of an error of the request, as opposed to one of the model.
fn request_error(answer: &Answer) -> Option<String> {
    let named = answer.json().and_then(|body| body["error_type"].as_str().map(str::to_owned));
    named.or_else(|| answer.header("x-fal-error-type"))
}

/// What can be done about a refusal or failure, with the field, or what the filter saw.
fn explain(answer: &Answer) -> Failure {
    let body = answer.json().unwrap_or_default();
    let first = body["detail"].as_array().and_then(|items| items.first()).cloned().unwrap_or_default();
    let kind = first["type"].as_str().map(str::to_owned).or_else(|| request_error(answer)).unwrap_or_default();
    let message = words(answer);
    match kind.as_str() {
        "content_policy_violation" | "face_detection_error" => {
            Failure::free(FailureKind::Moderated, message).about(Some(seen(&first)))
        }
        _ if String::from_utf8_lossy(&answer.body).contains("partner_validation_failed") => {
            Failure::free(FailureKind::Moderated, message).about(Some(seen(&first)))
        }
        kind if kind.ends_with("timeout") => Failure::free(FailureKind::TimedOut, message),
        "no_media_generated" => Failure::free(FailureKind::TryAgain, message),
        _ if answer.status >= 500 || kind.starts_with("downstream_") => Failure::free(FailureKind::TryAgain, message),
        _ => Failure::free(FailureKind::FixShot, message).about(field(&first)),
    }
}

/// The field that an item is about, such as `image_urls.0`.
fn field(item: &Value) -> Option<String> {
    let parts = item["loc"].as_array().into_iter().flatten();
    let part = |part: &Value| part.as_str().map_or_else(|| part.to_string(), str::to_owned);
    let parts: Vec<String> = parts.map(part).filter(|part| part != "body").collect();
    (!parts.is_empty()).then(|| parts.join("."))
}

/// What a filter saw, by the provider's words.
fn seen(item: &Value) -> String {
    if item["type"] == "face_detection_error" {
        return "face".to_owned();
    }
    let seen = filtered(item["msg"].as_str().unwrap_or_default()).map(str::to_owned);
    seen.or_else(|| field(item)).unwrap_or_else(|| "content".to_owned())
}

/// The provider's own words: each field and message of `detail`, or the answer's beginning.
fn words(answer: &Answer) -> String {
    let body = answer.json().unwrap_or_default();
    match &body["detail"] {
        Value::String(text) => format!("HTTP {}: {}", answer.status, http::excerpt(text)),
        Value::Array(items) => {
            let item = |item: &Value| {
                let place = field(item).map_or_else(String::new, |field| format!("{field}: "));
                let text = http::excerpt(item["msg"].as_str().unwrap_or("?"));
                format!("{place}{text} [{}]", item["type"].as_str().unwrap_or("?"))
            };
            let all: Vec<String> = items.iter().take(20).map(item).collect();
            format!("HTTP {}: {}", answer.status, all.join("; "))
        }
        _ => answer.describe(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer::test(status, body)
    }

    #[test]
    fn only_a_clear_answer_settles_a_submit() {
        let outcome = |status, body: &str| match read_submit(&answer(status, body)) {
            Ok(_) => "taken",
            Err(SubmitError::Refused(failure)) if failure.kind == FailureKind::Account => "account",
            Err(SubmitError::Refused(_)) => "refused",
            Err(SubmitError::Throttled { .. }) => "throttled",
            Err(SubmitError::NotSent(_)) => "not sent",
            Err(SubmitError::ChargeUnknown(_)) => "unknown",
        };
        for (status, body, expected) in [
            (200, r#"{"request_id":"a"}"#, "taken"),
            (200, "<html>welcome</html>", "unknown"),
            (200, "{}", "unknown"),
            (302, "", "unknown"),
            (400, r#"{"detail":"client disconnected"}"#, "unknown"),
            (401, r#"{"detail":"bad key"}"#, "account"),
            (404, "", "refused"),
            (422, r#"{"detail":[]}"#, "refused"),
            (429, "", "throttled"),
            (500, "", "unknown"),
            (502, "nginx", "unknown"),
            (504, "", "unknown"),
        ] {
            assert_eq!(outcome(status, body), expected, "{status} {body}");
        }
    }

    fn failure(status: u16, body: &str) -> (FailureKind, String, bool) {
        match read_result(&answer(status, body), false) {
            Ok(Progress::Failed(failure)) => (failure.kind, failure.about.unwrap_or_default(), failure.owed),
            other => panic!("{status} {body}: {other:?}"),
        }
    }

    /// The bodies are those that others have captured.
    #[test]
    fn a_failure_says_what_can_be_done() {
        use FailureKind::{Cancelled, FixShot, Moderated, TimedOut, TryAgain};
        let item = |field: &str, kind: &str, text: &str| {
            format!(r#"{{"detail":[{{"loc":["body",{field}],"msg":"{text}","type":"{kind}"}}]}}"#)
        };
        let likeness = "The images or videos provided may contain likenesses of real people or other private information that cannot be processed.";
        for (status, body, expected) in [
            (422, item("\"image_urls\"", "content_policy_violation", likeness), (Moderated, "face", false)),
            (422, item("\"image_url\"", "face_detection_error", "x"), (Moderated, "face", false)),
            (
                422,
                item("\"generated_video\"", "content_policy_violation", "Output audio has sensitive content."),
                (Moderated, "audio", false),
            ),
            (
                422,
                item("\"generated_video\"", "content_policy_violation", "Output video has sensitive content."),
                (Moderated, "generated_video", false),
            ),
            (422, item("\"prompt\"", "content_policy_violation", "copyright"), (Moderated, "copyright", false)),
            (422, item("\"image_urls\",0", "image_too_small", "too small"), (FixShot, "image_urls.0", false)),
            (422, item("\"duration\"", "literal_error", "no"), (FixShot, "duration", false)),
            (504, item("\"x\"", "generation_timeout", "late"), (TimedOut, "", false)),
            (500, item("\"x\"", "internal_server_error", "oops"), (TryAgain, "", false)),
            (400, item("\"x\"", "downstream_service_error", "oops"), (TryAgain, "", false)),
            (422, item("\"x\"", "no_media_generated", "none"), (TryAgain, "", false)),
            (503, r#"{"detail":"x","error_type":"runner_disconnected"}"#.into(), (TryAgain, "", false)),
            (504, r#"{"detail":"x","error_type":"request_timeout"}"#.into(), (TimedOut, "", false)),
            (499, r#"{"detail":"x","error_type":"client_cancelled"}"#.into(), (Cancelled, "", true)),
        ] {
            let (kind, about, owed) = failure(status, &body);
            assert_eq!((kind, about.as_str(), owed), expected, "{status} {body}");
        }
    }

    #[test]
    fn a_bad_moment_is_no_failure() {
        for (status, body) in [
            (502, "<html>nginx</html>"),
            (500, r#"{"detail":"Internal Server Error"}"#),
            (500, r#"{"detail":"x","error_type":"internal_error"}"#),
            (400, r#"{"detail":"Request is still in progress"}"#),
            (422, "<html>proxy</html>"),
            (200, "<html>maintenance</html>"),
            (200, r#"{"video":{"url":null}}"#),
        ] {
            assert!(read_result(&answer(status, body), false).is_err_and(|error| error.transient), "{status} {body}");
        }
        let gone = read_result(&answer(404, r#"{"status":"NOT_FOUND"}"#), false);
        assert!(gone.is_err_and(|error| !error.transient && error.unknown));
    }
}
