//! What stands in `content`: a prompt, frames, references, or a draft to go on from.

use seedpost_core::catalog::Model;
use seedpost_core::reference::Kind;
use serde_json::Value;

use super::Refused;
use crate::inputs::{self, Reference};
use crate::store::{Form, Job, Phase, Store};

/// The words of a request's text items.
pub(crate) fn prompt(input: &Value) -> String {
    let items = input["content"].as_array().into_iter().flatten();
    items.filter_map(|item| item["text"].as_str()).collect::<Vec<_>>().join(" ")
}

/// Reads and checks all items; answers the references.
pub(super) fn read(input: &Value, model: &Model, store: &Store) -> Result<Vec<Reference>, Refused> {
    let items = match input.get("content") {
        None | Some(Value::Null) => return Err(Refused::missing("content")),
        Some(items) => items.as_array().ok_or_else(|| Refused::invalid("content", "content is a list"))?,
    };
    if let Some(draft) = items.iter().find(|item| item["type"] == "draft_task") {
        return continued(draft, items, model, store);
    }
    let (mut references, mut roles) = (Vec::new(), Vec::new());
    for item in items {
        let kind = match item["type"].as_str() {
            Some("text") if item["text"].is_string() => continue,
            Some("image_url") => Kind::Image,
            Some("video_url") => Kind::Video,
            Some("audio_url") => Kind::Audio,
            _ => return Err(Refused::invalid("content", format!("no known kind of content: {}", item["type"]))),
        };
        let url = item[format!("{}_url", kind.as_str())]["url"].as_str();
        let url = url.ok_or_else(|| Refused::missing("content.url"))?;
        let role = role(kind, item)?;
        let reference = inputs::read(kind, url, model, &store.files());
        references.push(reference.map_err(|message| Refused::invalid("content", message))?);
        roles.push(role);
    }
    if items.iter().filter(|item| item["type"] == "text").count() > 1 {
        return Err(Refused::invalid("content", "more than one text"));
    }
    if prompt(input).trim().is_empty() && references.is_empty() {
        return Err(Refused::missing("content.text"));
    }
    modes(&roles, model)?;
    if roles.contains(&Role::Reference) {
        together(&references, model)?;
    }
    Ok(references)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    First,
    Last,
    Reference,
    /// Not told, which an image may leave that is alone.
    Untold,
}

fn role(kind: Kind, item: &Value) -> Result<Role, Refused> {
    match (kind, item["role"].as_str()) {
        (Kind::Image, Some("first_frame")) => Ok(Role::First),
        (Kind::Image, Some("last_frame")) => Ok(Role::Last),
        (Kind::Image, Some("reference_image"))
        | (Kind::Video, Some("reference_video"))
        | (Kind::Audio, Some("reference_audio")) => Ok(Role::Reference),
        (Kind::Image, None) if item["role"].is_null() => Ok(Role::Untold),
        _ => {
            let message = format!("{} is no role of {}_url", item["role"], kind.as_str());
            Err(Refused::invalid("content.role", message))
        }
    }
}

/// Text, a first frame, a first and a last frame, or references; nothing between.
fn modes(roles: &[Role], model: &Model) -> Result<(), Refused> {
    let mode = match roles {
        [] => "text",
        [Role::First | Role::Untold] | [Role::First, Role::Last] | [Role::Last, Role::First] => "image",
        all if all.iter().all(|role| *role == Role::Reference) => "reference",
        _ => {
            let message = "a first frame, a first and a last frame, and references exclude one another";
            return Err(Refused::invalid("content", message));
        }
    };
    if model.endpoints.contains_key(mode) {
        return Ok(());
    }
    Err(Refused::invalid("content", format!("{} takes no {mode} input", model.model)))
}

fn together(references: &[Reference], model: &Model) -> Result<(), Refused> {
    let limits = &model.limits;
    for kind in [Kind::Image, Kind::Video, Kind::Audio] {
        inputs::together(kind, references, model).map_err(|message| Refused::invalid("content", message))?;
    }
    if references.len() > limits.total_files as usize {
        return Err(Refused::invalid("content", format!("at most {} references are allowed", limits.total_files)));
    }
    if limits.audio_needs_picture && references.iter().all(|reference| reference.kind == Kind::Audio) {
        return Err(Refused::invalid("content", "reference audio needs an image or a video beside it"));
    }
    Ok(())
}

/// A draft's own content, for the clip that it was the draft of.
fn continued(draft: &Value, items: &[Value], model: &Model, store: &Store) -> Result<Vec<Reference>, Refused> {
    let id = draft["draft_task"]["id"].as_str().ok_or_else(|| Refused::missing("content.draft_task.id"))?;
    if !super::rules::is_first_generation(model) || items.len() > 1 {
        return Err(Refused::invalid("content.draft_task", "a draft stands alone, and only 1.5 pro makes them"));
    }
    let is_draft = |job: &Job| {
        job.form == Form::Ark && !job.deleted && job.input["draft"] == true && matches!(job.phase, Phase::Done { .. })
    };
    match store.get(id).filter(|job| is_draft(job)) {
        Some(job) => read(&job.input, model, store),
        None => Err(Refused::invalid("content.draft_task", format!("{id} is no draft that succeeded"))),
    }
}
