//! From a valid shot to what is sent and promised: order, inputs, price, fingerprint.

use rayon::prelude::*;
use seedpost_core::catalog::{Catalog, Mode};
use seedpost_core::cost::Usd;
use seedpost_core::fault::Severity;
use seedpost_core::job::Plan;
use seedpost_core::lane::{self, LaneDecision};
use seedpost_core::reference;
use seedpost_core::shot::{Location, Reference, Shot, ShotDuration, TakeId};
use seedpost_core::spec::Promise;
use seedpost_render::provider::{Order, Upload};
use seedpost_render::runner::{Input, Work};
use serde_json::json;

use crate::assets::{self, Conformed, Measured, content_type};
use crate::output::{Failure, note};
use crate::project::{Project, digest, digest_text};

/// A shot, ready to be sent as often as it has takes.
#[derive(Debug)]
pub(crate) struct Prepared<'p> {
    pub(crate) shot: &'p Shot,
    pub(crate) decision: LaneDecision,
    pub(crate) plan: Plan,
    pub(crate) conformed: Vec<Conformed>,
    order: Order,
    images: Vec<Input>,
    videos: Vec<Input>,
    audios: Vec<Input>,
    first_frame: Option<Input>,
    last_frame: Option<Input>,
}

/// Checks the whole list and prepares every shot, on all cores.
///
/// # Errors
/// All faults of all shots, or the first file that could not be conformed.
pub(crate) fn prepare(project: &Project) -> Result<Vec<Prepared<'_>>, Failure> {
    let measured = assets::measure(project);
    let verdicts = assets::judge(project, &measured);
    let mut faults = reference::judge_list(&project.list);
    faults.extend(verdicts.into_iter().flat_map(|verdict| verdict.faults));
    if faults.iter().any(|fault| fault.severity == Severity::Error) {
        return Err(Failure::of_faults(project.path.display(), faults));
    }
    faults.iter().for_each(|warning| note(format_args!("{warning}")));
    project.list.shots.par_iter().map(|shot| prepare_shot(project, shot, &measured)).collect()
}

fn prepare_shot<'p>(project: &Project, shot: &'p Shot, measured: &Measured) -> Result<Prepared<'p>, Failure> {
    let decision = lane::decide(shot);
    let conformed = assets::conform_shot(project, shot, measured)?;
    let mut seen = Vec::new();
    let mut inputs = |references: &[Reference]| {
        references.iter().map(|reference| input(project, reference, measured, &mut seen)).collect::<Result<Vec<_>, _>>()
    };
    let (images, videos) = (inputs(&shot.images)?, inputs(&shot.videos)?);
    let first_frame = inputs(shot.first_frame.as_slice())?.pop();
    let last_frame = inputs(shot.last_frame.as_slice())?.pop();
    let audios: Vec<Input> = shot
        .audios
        .iter()
        .zip(&conformed)
        .map(|(audio, conformed)| audio_input(&audio.location, conformed.as_ref(), measured))
        .collect();
    let sounds = conformed.iter().flatten().map(|sound| sound.upload_sha256.clone());
    seen.extend(sounds);
    let order = order(shot, &decision);
    let plan = plan(shot, &decision, &seen);
    let conformed = conformed.into_iter().flatten().collect();
    Ok(Prepared { shot, decision, plan, conformed, order, images, videos, audios, first_frame, last_frame })
}

fn order(shot: &Shot, decision: &LaneDecision) -> Order {
    Order {
        mode: Mode::of(shot),
        prompt: shot.prompt.clone(),
        duration: shot.duration,
        resolution: shot.render.resolution.clone(),
        aspect_ratio: shot.render.aspect_ratio.clone(),
        generate_audio: decision.generate_audio,
        images: Vec::new(),
        videos: Vec::new(),
        audios: Vec::new(),
        first_frame: None,
        last_frame: None,
    }
}

/// `digests` are those of every file that is sent, in order.
fn plan(shot: &Shot, decision: &LaneDecision, digests: &[String]) -> Plan {
    let catalog = Catalog::built_in();
    let render = &shot.render;
    let endpoint = catalog
        .model(render)
        .and_then(|model| model.endpoints.get(Mode::of(shot).as_str()))
        .cloned()
        .unwrap_or_default();
    let seconds = match shot.duration {
        ShotDuration::Seconds(seconds) => Some(seconds),
        ShotDuration::Auto => None,
    };
    let urls: Vec<String> = shot
        .images
        .iter()
        .chain(&shot.videos)
        .chain(&shot.first_frame)
        .chain(&shot.last_frame)
        .map(|r| r.location.to_string())
        .collect();
    let shape = json!({
        "provider": render.provider, "endpoint": endpoint, "prompt": shot.prompt, "duration": shot.duration.to_string(), "resolution": render.resolution,
        "aspect_ratio": render.aspect_ratio, "generate_audio": decision.generate_audio, "locations": urls, "digests": digests,
    });
    Plan {
        provider: render.provider,
        endpoint,
        estimate: catalog.estimate(shot, decision.generate_audio).unwrap_or(Usd::ZERO),
        fingerprint: digest_text(&shape.to_string()),
        promise: Promise::seedance(
            catalog.size(&render.resolution, &render.aspect_ratio),
            seconds,
            decision.generate_audio,
        ),
    }
}

fn input(
    project: &Project,
    reference: &Reference,
    measured: &Measured,
    seen: &mut Vec<String>,
) -> Result<Input, Failure> {
    let name = match &reference.location {
        Location::Url(url) => return Ok(Input::Url(url.clone())),
        Location::File(name) => name,
    };
    let path = project.root.join(name);
    let (sha256, _) = digest(&path).map_err(|error| Failure::disk("read", &path, &error))?;
    seen.push(sha256);
    let content_type = measured.info(name).map_or_else(|| "application/octet-stream".to_owned(), content_type);
    Ok(Input::File(Upload { file_name: file_name(name), path, content_type }))
}

fn audio_input(location: &Location, conformed: Option<&Conformed>, measured: &Measured) -> Input {
    match (location, conformed) {
        (Location::File(name), Some(sound)) => {
            let as_it_is = measured.info(name).filter(|_| !sound.is_copy()).map(content_type);
            let content_type = as_it_is.unwrap_or_else(|| "audio/wav".to_owned());
            let ending = if sound.is_copy() { ".wav" } else { "" };
            Input::File(Upload {
                path: sound.upload.clone(),
                file_name: format!("{}{ending}", file_name(name)),
                content_type,
            })
        }
        (Location::File(name) | Location::Url(name), _) => Input::Url(name.clone()),
    }
}

fn file_name(name: &str) -> String {
    name.rsplit(['/', '\\']).next().unwrap_or(name).to_owned()
}

impl Prepared<'_> {
    /// The takes that the list asks for.
    pub(crate) fn takes(&self) -> impl Iterator<Item = TakeId> {
        (1..=self.shot.takes).map(|number| TakeId { shot: self.shot.id.clone(), number })
    }

    /// What the runner needs to advance a take.
    pub(crate) fn work(&self, project: &Project, take: TakeId) -> Work {
        Work {
            clip: project.clip(&take),
            take,
            order: self.order.clone(),
            images: self.images.clone(),
            videos: self.videos.clone(),
            audios: self.audios.clone(),
            first_frame: self.first_frame.clone(),
            last_frame: self.last_frame.clone(),
        }
    }

    /// How many local files are sent.
    pub(crate) fn uploads(&self) -> usize {
        let all =
            self.images.iter().chain(&self.videos).chain(&self.audios).chain(&self.first_frame).chain(&self.last_frame);
        all.filter(|input| matches!(input, Input::File(_))).count()
    }
}
