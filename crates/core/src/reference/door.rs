//! What keeps a shot from passing its own provider's door, whatever the model would take.

use super::{Asset, Kind};
use crate::catalog::{Catalog, Mode, Model};
use crate::fault::Fault;
use crate::shot::Shot;

/// Bytes of a request that are not files.
const AROUND: u64 = 1 << 20;

/// Judges how a shot would be handed over.
pub(super) fn faults(shot: &Shot, assets: &[Asset]) -> Vec<Fault> {
    let Some(model) = Catalog::built_in().model(&shot.render) else { return Vec::new() };
    let mut faults = Vec::new();
    faults.extend(region(shot, model));
    if shot.negative_prompt.is_some() && !model.negative_prompt {
        let found = format!("a negative prompt, on {}", model.provider);
        let fix = "say in the prompt what shall be there instead";
        faults.push(Fault::new("shot.negative_prompt", &shot.at("negative_prompt"), found, "none", fix));
    }
    if model.inline {
        faults.extend(local_videos(assets));
        faults.extend(too_large(shot, assets, model));
    }
    faults
}

fn region(shot: &Shot, model: &Model) -> Option<Fault> {
    let mode = Mode::of(shot);
    let lacks = model.endpoints.contains_key(mode.as_str()) && model.endpoint(mode, &shot.render).is_none();
    lacks.then(|| {
        let found = format!("{} {} in {}", model.model, model.tier, shot.render.region);
        Fault::new("render.region", &shot.at("region"), found, "cn-beijing", "use another tier, or region")
    })
}

fn local_videos(assets: &[Asset]) -> impl Iterator<Item = Fault> {
    assets.iter().filter(|asset| asset.kind == Kind::Video && !asset.remote).map(|asset| {
        let allowed = "an https address that the provider can read";
        let fix = "put the file at an address, and name that";
        Fault::new("video.by_address", &asset.place, format!("the file {}", asset.name), allowed, fix)
    })
}

/// Copies are smaller than their sources, as a rule: a source that fits is enough.
fn too_large(shot: &Shot, assets: &[Asset], model: &Model) -> Option<Fault> {
    let limit = model.request_bytes?;
    let sent = assets.iter().filter(|asset| asset.kind != Kind::Video && !asset.remote);
    let limits = |asset: &Asset| asset.kind.limits(model).bytes.unwrap_or(u64::MAX);
    let bytes = |asset: &Asset| asset.info.as_ref().map_or(0, |info| info.bytes.min(limits(asset)));
    let files: u64 = sent.map(bytes).fold(0, u64::saturating_add);
    let request = (files.div_ceil(3)).saturating_mul(4).saturating_add(AROUND);
    (request > limit).then(|| {
        let found = format!("{files} bytes, which are {request} in the request");
        let fix = "name some of them by an address instead";
        Fault::new("reference.request_bytes", &shot.place, found, format!("at most {limit} bytes"), fix)
    })
}
