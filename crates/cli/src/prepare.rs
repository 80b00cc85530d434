//! From a valid shot to what is sent and promised: order, inputs, price, fingerprint.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rayon::prelude::*;
use seedpost_core::catalog::{Catalog, Mode};
use seedpost_core::change::Change;
use seedpost_core::cost::{ToldPrice, Usd};
use seedpost_core::fault::Severity;
use seedpost_core::job::{Follows, Plan, Take};
use seedpost_core::lane::{self, LaneDecision};
use seedpost_core::reference::{self, Kind, Verdict};
use seedpost_core::shot::{Location, MAX_TAKES, ProviderName, Shot, ShotId, TakeId};
use seedpost_core::spec::Promise;
use seedpost_render::provider::{Order, Upload};
use seedpost_render::runner::{Input, Request};
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
    pub(crate) shot: Cow<'p, Shot>,
    pub(crate) decision: LaneDecision,
    pub(crate) plan: Plan,
    pub(crate) conformed: Vec<Conformed>,
    pub(crate) pictures: Vec<Picture>,
    /// Numbers of the takes that are asked for in this form.
    numbers: Vec<u32>,
    request: Request,
}

/// A checked list: its shots ready to be sent, and what is needed to make others of them.
#[derive(Debug)]
pub(crate) struct Desk<'p> {
    pub(crate) prepared: Vec<Prepared<'p>>,
    measured: Measured,
    trim: TrimPlan,
    told: Vec<(String, ToldPrice)>,
    list: BTreeMap<&'p ShotId, &'p Shot>,
    /// What each shot's own takes ask for, as the list stands.
    fingerprints: BTreeMap<&'p ShotId, String>,
}

/// Checks the whole list and prepares every shot, on all cores.
///
/// # Errors
/// All faults of all shots, or the first file that could not be conformed.
pub(crate) fn prepare(project: &Project) -> Result<Desk<'_>, Failure> {
    let (measured, verdicts) = judged(project, &Bar::hidden())?;
    let trim = TrimPlan::of(project, &measured, None, false)?;
    let prepared = prepare_with(project, &measured, &verdicts, &trim, &Bar::hidden())?;
    let list = project.list.shots.iter().map(|shot| (&shot.id, shot)).collect();
    let own = project.list.shots.iter().zip(&prepared);
    let fingerprints = own.map(|(shot, prepared)| (&shot.id, prepared.plan.fingerprint.clone())).collect();
    Ok(Desk { prepared, measured, trim, told: Vec::new(), list, fingerprints })
}

impl<'p> Desk<'p> {
    /// Adds the takes that follow others, as the ledger knows them: retries and promotions. One that cannot be
    /// prepared any more, since its shot was changed, is told and left out.
    pub(crate) fn add_followers(&mut self, project: &'p Project, takes: &BTreeMap<TakeId, Take>) {
        for (id, take) in takes {
            if let (Some(follows), Some(shot)) = (&take.plan.follows, project.list.shot(&id.shot))
                && let Err(failure) = self.add_follower(project, shot, id.number, follows)
            {
                note(format_args!("{id} is left out: {}", failure.message()));
            }
        }
    }

    /// A shot as the list has it.
    pub(crate) fn shot(&self, id: &ShotId) -> Option<&'p Shot> {
        self.list.get(id).copied()
    }

    /// Whether a shot has changed since one of its own takes was planned.
    pub(crate) fn is_changed(&self, id: &ShotId, take: &Take) -> bool {
        self.fingerprints.get(id).is_none_or(|own| *own != take.plan.fingerprint)
    }

    /// Whether the model takes a shot as a change would have it.
    pub(crate) fn suits(&self, shot: &Shot, change: Change) -> bool {
        let verdict = assets::judge_one(&change.apply(shot), &self.measured);
        verdict.faults.iter().all(|fault| fault.severity < Severity::Error)
    }

    /// Adds one such take, unless it is there. The changed shot is not judged: the take may have been sent long ago.
    ///
    /// # Errors
    /// A file could not be conformed.
    pub(crate) fn add_follower(
        &mut self,
        project: &'p Project,
        shot: &'p Shot,
        number: u32,
        follows: &Follows,
    ) -> Result<&Prepared<'p>, Failure> {
        let there = |prepared: &Prepared<'_>| {
            prepared.shot.id == shot.id && prepared.numbers == [number] && prepared.plan.follows.is_some()
        };
        if let Some(index) = self.prepared.iter().position(there) {
            return Ok(&self.prepared[index]);
        }
        let changed = follows.change.apply(shot);
        let verdict = assets::judge_one(&changed, &self.measured);
        let plan = self.trim.shot(shot.id.as_str());
        let uploads = uploads::make(project, &changed, &self.measured, &verdict, plan)?;
        let mut prepared = prepare_shot(project, Cow::Owned(changed), &self.measured, uploads)?;
        prepared.numbers = vec![number];
        prepared.plan.follows = Some(follows.clone());
        prepared.price(&self.told);
        if let Some((plan, _)) = prepared.request.second_choice.as_deref_mut() {
            plan.follows = Some(follows.clone());
        }
        self.renumber(shot, number);
        let last = self.prepared.iter().rposition(|other| other.shot.id == shot.id);
        let place = last.map_or(self.prepared.len(), |last| last + 1);
        self.prepared.insert(place, prepared);
        Ok(&self.prepared[place])
    }

    /// Gives a shot's own takes other numbers than those of followers, as many as the list asks for.
    fn renumber(&mut self, shot: &Shot, number: u32) {
        let own = |prepared: &&mut Prepared<'_>| prepared.shot.id == shot.id && prepared.plan.follows.is_none();
        let taken: Vec<u32> = self
            .prepared
            .iter()
            .filter(|prepared| prepared.shot.id == shot.id && prepared.plan.follows.is_some())
            .flat_map(|prepared| prepared.numbers.clone())
            .chain([number])
            .collect();
        let wanted = usize::try_from(shot.takes).unwrap_or(usize::MAX);
        for prepared in self.prepared.iter_mut().filter(own) {
            prepared.numbers = (1..=MAX_TAKES).filter(|number| !taken.contains(number)).take(wanted).collect();
        }
    }

    /// Takes the prices that a provider told, by endpoint.
    pub(crate) fn price(&mut self, told: Vec<(String, ToldPrice)>) {
        for prepared in &mut self.prepared {
            prepared.price(&told);
        }
        self.told = told;
    }
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
        prepare_shot(project, Cow::Borrowed(shot), measured, uploads)
    };
    let prepared = project.list.shots.par_iter().zip(verdicts).map(one).collect();
    bar.end();
    prepared
}

fn prepare_shot<'p>(
    project: &Project,
    own: Cow<'p, Shot>,
    measured: &Measured,
    uploads: Uploads,
) -> Result<Prepared<'p>, Failure> {
    let shot = own.as_ref();
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
    let model = Catalog::built_in().model(&shot.render);
    let plan = plan(shot, &decision, &seen);
    let request = Request {
        fingerprint: plan.fingerprint.clone(),
        order: order(shot, &decision),
        second_choice: second_choice(shot, &decision, &seen),
        mark: model.and_then(|model| model.mark.clone()).filter(|_| shot.render.mark_requests),
        images,
        videos,
        audios,
        first_frame,
        last_frame,
    };
    Ok(Prepared {
        numbers: (1..=shot.takes).collect(),
        shot: own,
        decision,
        plan,
        conformed: sounds.into_iter().flatten().collect(),
        pictures: pictures.into_values().collect(),
        request,
    })
}

/// A proxy that does not sell 2k is asked for 1080p instead, before anything is charged.
fn second_choice(shot: &Shot, decision: &LaneDecision, digests: &[String]) -> Option<Box<(Plan, Order)>> {
    if shot.render.provider != ProviderName::Openai || shot.render.resolution != "2k" {
        return None;
    }
    let mut lesser = shot.clone();
    lesser.render.resolution = "1080p".to_owned();
    let second = plan(&lesser, decision, digests);
    let fingerprint = plan(shot, decision, digests).fingerprint;
    Some(Box::new((Plan { second_choice: true, fingerprint, ..second }, order(&lesser, decision))))
}

fn order(shot: &Shot, decision: &LaneDecision) -> Order {
    Order {
        mode: Mode::of(shot),
        prompt: shot.prompt.clone(),
        negative_prompt: shot.negative_prompt.clone(),
        language: shot.language.as_deref().map(|tag| tag.split(['-', '_']).next().unwrap_or(tag).to_ascii_lowercase()),
        draft: shot.draft.is_some() && keeps_drafts(shot),
        promotes: None,
        return_last_frame: false,
        mark: None,
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

/// Whether the provider has drafts of its own, which it can render in full later: Ark, for 1.5 pro.
pub(crate) fn keeps_drafts(shot: &Shot) -> bool {
    shot.render.provider == ProviderName::Ark && shot.render.model == "seedance-1.5-pro"
}

/// `digests` are those of every file that is sent, in order.
fn plan(shot: &Shot, decision: &LaneDecision, digests: &[String]) -> Plan {
    let catalog = Catalog::built_in();
    let render = &shot.render;
    let model = catalog.model(render);
    let endpoint = model.and_then(|model| model.endpoint(Mode::of(shot), render)).unwrap_or_default().to_owned();
    let urls: Vec<String> =
        references(shot).iter().map(|item| format!("{} {}", item.kind.as_str(), item.location.as_str())).collect();
    let mut shape = json!({
        "provider": render.provider, "endpoint": endpoint, "prompt": shot.prompt, "duration": shot.duration.to_string(), "resolution": render.resolution,
        "aspect_ratio": render.aspect_ratio, "generate_audio": decision.generate_audio, "seed": shot.seed, "locations": urls, "digests": digests,
    });
    // Keys that older ledgers do not have count only where they are used.
    if let Some(parent) = &shot.first_frame_from {
        shape["first_frame_from"] = parent.as_str().into();
    }
    if let Some(prompt) = shot.negative_prompt.as_ref().filter(|_| render.provider == ProviderName::Openai) {
        shape["negative_prompt"] = prompt.as_str().into();
    }
    Plan {
        provider: render.provider,
        endpoint,
        region: (render.provider == ProviderName::Ark).then(|| render.region.clone()),
        estimate: catalog.estimate(shot, decision.generate_audio, None).unwrap_or(Usd::ZERO),
        fingerprint: digest_text(&shape.to_string()),
        promise: Box::new(model.map_or_else(
            || Promise::ordered(&render.model, None, None, decision.generate_audio),
            |model| model.promise(shot, decision.generate_audio),
        )),
        second_choice: false,
        follows: None,
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

/// A take of the list as it stands: its name, its shot, its state.
pub(crate) type Standing<'d> = (TakeId, &'d Prepared<'d>, Take);

impl<'p> Desk<'p> {
    /// The list's takes that the ledger knows, in the list's order.
    pub(crate) fn standing(&self, takes: &BTreeMap<TakeId, Take>) -> Vec<Standing<'_>> {
        let each = self.prepared.iter().flat_map(|prepared| prepared.takes().map(move |id| (prepared, id)));
        each.filter_map(|(prepared, id)| Some((id.clone(), prepared, takes.get(&id)?.clone()))).collect()
    }
}

impl Prepared<'_> {
    /// The takes that are asked for in this form.
    pub(crate) fn takes(&self) -> impl Iterator<Item = TakeId> {
        self.numbers.iter().map(|number| TakeId { shot: self.shot.id.clone(), number: *number })
    }

    fn price(&mut self, told: &[(String, ToldPrice)]) {
        let Some((_, told)) = told.iter().find(|(endpoint, _)| *endpoint == self.plan.endpoint) else { return };
        let estimate = Catalog::built_in().estimate(&self.shot, self.decision.generate_audio, Some(*told));
        self.plan.estimate = estimate.unwrap_or(self.plan.estimate);
    }

    /// What is sent for a take.
    pub(crate) fn request(&self, take: &TakeId) -> Request {
        // With the same seed, a second take would be the first one bought again; a follower has its root's.
        let root = self.plan.follows.as_ref().map(|follows| match follows.change {
            Change::NewSeed { .. } => 1,
            _ => follows.take.parse().map_or(1, |root: TakeId| root.number),
        });
        let further = root.unwrap_or(take.number) - 1;
        let mut request = self.request.clone();
        let second = request.second_choice.as_deref_mut().map(|(_, order)| order);
        for order in std::iter::once(&mut request.order).chain(second) {
            order.seed = order.seed.map(|seed| seed.wrapping_add(further) & i32::MAX.unsigned_abs());
        }
        request
    }

    /// How many local files are sent.
    pub(crate) fn uploads(&self) -> usize {
        let Request { images, videos, audios, first_frame, last_frame, .. } = &self.request;
        let all = images.iter().chain(videos).chain(audios).chain(first_frame).chain(last_frame);
        all.filter(|input| matches!(input, Input::File(_))).count()
    }
}
