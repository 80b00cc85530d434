//! From a valid shot to what is sent and promised: order, inputs, price, fingerprint.

use rayon::prelude::*;
use seedpost_core::catalog::{Catalog, Mode};
use seedpost_core::cost::Usd;
use seedpost_core::fault::Severity;
use seedpost_core::job::Plan;
use seedpost_core::lane::{self, LaneDecision};
use seedpost_core::reference::{self, Kind, Verdict};
use seedpost_core::shot::{Location, Shot, ShotDuration, TakeId};
use seedpost_core::spec::Promise;
use seedpost_render::provider::{Order, Upload};
use seedpost_render::runner::{Input, Work};
use serde_json::json;

use crate::assets::{self, Measured, content_type, references};
use crate::output::{Failure, note};
use crate::progress::Bar;
use crate::project::{Project, digest, digest_text};
use crate::trim_plan::TrimPlan;
use crate::uploads::{self, Conformed, Picture, Uploads, sound_type};

/// A shot, ready to be sent as often as it has takes.
#[derive(Debug)]
pub(crate) struct Prepared<'p> {
    pub(crate) shot: &'p Shot,
    pub(crate) decision: LaneDecision,
    pub(crate) plan: Plan,
    pub(crate) conformed: Vec<Conformed>,
    pub(crate) pictures: Vec<Picture>,
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
    let (measured, verdicts) = judged(project, &Bar::hidden())?;
    let plan = TrimPlan::of(project, &measured, None, false)?;
    prepare_with(project, &measured, &verdicts, &plan, &Bar::hidden())
}

/// Measures and judges the whole list; warnings are told, advice is `check`'s.
///
/// # Errors
/// All faults of all shots.
pub(crate) fn judged(project: &Project, bar: &Bar) -> Result<(Measured, Vec<Verdict>), Failure> {
    let measured = assets::measure(project, bar);
    let verdicts = assets::judge(project, &measured);
    let mut faults = reference::judge_list(&project.list);
    faults.extend(verdicts.iter().flat_map(|verdict| verdict.faults.iter().cloned()));
    faults.retain(|fault| fault.severity > Severity::Hint);
    if faults.iter().any(|fault| fault.severity == Severity::Error) {
        return Err(Failure::of_faults(project.path.display(), faults));
    }
    faults.iter().for_each(|warning| note(format_args!("{warning}")));
    Ok((measured, verdicts))
}

/// Adopts a trim plan and prepares every shot by it, on all cores.
///
/// # Errors
/// The first file that could not be conformed.
pub(crate) fn prepare_with<'p>(
    project: &'p Project,
    measured: &Measured,
    verdicts: &[Verdict],
    plan: &TrimPlan,
    bar: &Bar,
) -> Result<Vec<Prepared<'p>>, Failure> {
    plan.adopt(project)?;
    bar.begin("conforming", verdicts.len());
    let one = |(shot, verdict): (&'p Shot, &Verdict)| {
        let uploads = uploads::make(project, shot, measured, verdict, plan.shot(shot.id.as_str()))?;
        bar.step();
        prepare_shot(project, shot, measured, uploads)
    };
    let prepared = project.list.shots.par_iter().zip(verdicts).map(one).collect();
    bar.end();
    prepared
}

fn prepare_shot<'p>(
    project: &Project,
    shot: &'p Shot,
    measured: &Measured,
    uploads: Uploads,
) -> Result<Prepared<'p>, Failure> {
    let decision = lane::decide(shot);
    let Uploads { sounds, pictures } = uploads;
    let mut seen = Vec::new();
    let mut inputs = Vec::new();
    for (index, item) in references(shot).into_iter().enumerate().filter(|(_, item)| item.kind != Kind::Audio) {
        let input = match (item.location, pictures.get(&index)) {
            (Location::Url(url), _) => Input::Url(url.clone()),
            (Location::File(_), Some(copy)) => copied(copy, &mut seen),
            (Location::File(name), None) => as_it_is(project, name, measured, &mut seen)?,
        };
        inputs.push(input);
    }
    // They stand in the order of the references.
    let mut inputs = inputs.into_iter();
    let images: Vec<Input> = inputs.by_ref().take(shot.images.len()).collect();
    let first_frame = shot.first_frame.as_ref().and_then(|_| inputs.next());
    let last_frame = shot.last_frame.as_ref().and_then(|_| inputs.next());
    let videos: Vec<Input> = inputs.collect();
    let audios: Vec<Input> = shot
        .audios
        .iter()
        .zip(&sounds)
        .map(|(audio, sound)| audio_input(&audio.location, sound.as_ref(), measured))
        .collect();
    seen.extend(sounds.iter().flatten().map(|sound| sound.upload_sha256.clone()));
    let order = order(shot, &decision);
    let plan = plan(shot, &decision, &seen);
    let conformed = sounds.into_iter().flatten().collect();
    let pictures = pictures.into_values().collect();
    Ok(Prepared { shot, decision, plan, conformed, pictures, order, images, videos, audios, first_frame, last_frame })
}

fn order(shot: &Shot, decision: &LaneDecision) -> Order {
    Order {
        mode: Mode::of(shot),
        prompt: shot.prompt.clone(),
        duration: shot.duration,
        resolution: shot.render.resolution.clone(),
        aspect_ratio: shot.render.aspect_ratio.clone(),
        generate_audio: decision.generate_audio,
        seed: shot.seed,
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
    let urls: Vec<String> =
        references(shot).iter().map(|item| format!("{} {}", item.kind.as_str(), item.location.as_str())).collect();
    let shape = json!({
        "provider": render.provider, "endpoint": endpoint, "prompt": shot.prompt, "duration": shot.duration.to_string(), "resolution": render.resolution,
        "aspect_ratio": render.aspect_ratio, "generate_audio": decision.generate_audio, "seed": shot.seed, "locations": urls, "digests": digests,
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

fn as_it_is(project: &Project, name: &str, measured: &Measured, seen: &mut Vec<String>) -> Result<Input, Failure> {
    let path = project.root.join(name);
    let (sha256, _) = digest(&path).map_err(|error| Failure::disk("read", &path, &error))?;
    seen.push(sha256.clone());
    let content_type = measured.info(name).map_or("application/octet-stream", content_type).to_owned();
    Ok(Input::File(Upload { file_name: file_name(name).to_owned(), path, sha256, content_type }))
}

fn copied(copy: &Picture, seen: &mut Vec<String>) -> Input {
    seen.push(copy.upload_sha256.clone());
    let ending = copy.content_type.rsplit('/').next().unwrap_or_default();
    let file_name = format!("{}.{ending}", file_name(&copy.source));
    Input::File(Upload {
        path: copy.upload.clone(),
        sha256: copy.upload_sha256.clone(),
        file_name,
        content_type: copy.content_type.to_owned(),
    })
}

fn audio_input(location: &Location, conformed: Option<&Conformed>, measured: &Measured) -> Input {
    match (location, conformed) {
        (Location::File(name), Some(sound)) => {
            let ending = if sound.is_copy() { ".wav" } else { "" };
            Input::File(Upload {
                path: sound.upload.clone(),
                sha256: sound.upload_sha256.clone(),
                file_name: format!("{}{ending}", file_name(name)),
                content_type: sound_type(sound, measured).to_owned(),
            })
        }
        (Location::File(name) | Location::Url(name), _) => Input::Url(name.clone()),
    }
}

fn file_name(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().unwrap_or(name)
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
