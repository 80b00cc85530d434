//! What a report tells of one clip.

use std::collections::HashMap;

use seedpost_core::cue::Cue;
use seedpost_core::job::Take;
use seedpost_core::media::MediaInfo;
use seedpost_core::report::{Clip, Delivered, Found, Heard, OtherTake, Phrase, Place, Stem, Sync};
use seedpost_core::rule::Rule;
use seedpost_core::shot::{ShotId, TakeId};
use seedpost_core::spec::{Finding, Promise};
use seedpost_core::sync::{PhraseSync, Verdict, offset_in_words};
use seedpost_core::time::{Frames, Rounding, SampleRate, Samples};
use seedpost_core::timeline::{self, Timeline};
use seedpost_core::turnover::{ManifestClip, ManifestStem, ModelAudio};

use super::place;
use crate::cut::SelectedTake;
use crate::finish::Facts;
use crate::sound::StemFacts;
use crate::sync::SyncFacts;

/// What clips are gathered from.
pub(super) struct Gather<'a> {
    pub(super) timeline: &'a Timeline,
    pub(super) takes: HashMap<&'a TakeId, &'a SelectedTake>,
    pub(super) cues: HashMap<&'a TakeId, Vec<&'a Cue>>,
    /// All takes of each shot.
    pub(super) shots: HashMap<&'a ShotId, Vec<(&'a TakeId, &'a Take)>>,
    pub(super) model_audio: HashMap<&'a str, &'a ModelAudio>,
}

impl Gather<'_> {
    /// One clip, without still and drawing.
    pub(super) fn clip(&self, listed: &ManifestClip, own: &timeline::Clip) -> Clip {
        let take = self.takes.get(&own.take).copied();
        let facts = take.map(|take| &take.facts);
        let shot = take.map(SelectedTake::shot);
        let promise = |facts: &Facts| facts.from.promise.clone();
        Clip {
            shot: listed.shot.clone(),
            take: listed.take.clone(),
            reel: listed.reel.clone(),
            record_in: place(self.timeline, own.record_start),
            record_out: place(self.timeline, own.record_end()),
            source_in: place(self.timeline, own.source().start),
            frames: own.frames.0,
            handles: listed.handles,
            picture: listed.picture.clone(),
            size: (own.picture.width, own.picture.height),
            reference: listed.reference.clone(),
            still: None,
            character: shot.and_then(|shot| shot.character.clone()),
            line: shot.and_then(|shot| shot.line.clone()),
            language: shot.and_then(|shot| shot.language.clone()),
            lane: listed.lane.clone(),
            delivered: facts.map(|facts| delivered(&facts.info, &promise(facts))).unwrap_or_default(),
            findings: facts.map(found).unwrap_or_default(),
            durations: facts.map(|facts| facts.durations.clone()).unwrap_or_default(),
            sync: facts.and_then(|facts| Some(self.sync(facts.sound.sync.as_ref()?, own))),
            sound: facts.and_then(heard),
            stems: listed.stems.iter().map(|stem| self.stem(stem, facts)).collect(),
            cues: self.cues_of(own),
            notes: facts.map(|facts| facts.sound.notes.clone()).unwrap_or_default(),
            provenance: listed.provenance.clone(),
            references: listed.references.clone(),
            rights: listed.rights.clone(),
            other_takes: self.other_takes(&own.take),
            drawing: None,
        }
    }

    fn sync(&self, sync: &SyncFacts, own: &timeline::Clip) -> Sync {
        let words = |offset: Option<i64>| {
            offset.map_or_else(|| "not heard".to_owned(), |offset| offset_in_words(offset, sync.rate))
        };
        let phrase = |(phrase, verdict): (&PhraseSync, &Verdict)| Phrase {
            sync: *phrase,
            at: self.in_cut(phrase.expected, own),
            verdict: *verdict,
            begins: words(phrase.offset()),
            ends: words(phrase.end_offset()),
        };
        Sync {
            verdict: sync.clip.verdict,
            tolerance: sync.tolerance,
            median_offset: sync.clip.median_offset,
            drift_ppm: sync.clip.drift_ppm,
            phrases: sync.phrases.iter().zip(&sync.clip.phrases).map(phrase).collect(),
        }
    }

    /// The frame of the cut that a sample of a take is heard with, where it is used.
    fn in_cut(&self, at: Samples, own: &timeline::Clip) -> Option<Place> {
        let frame = self.timeline.start.rate().frames(at, SampleRate::HZ_48000, Rounding::Down)?;
        let frame = Frames(own.record_start.0 + frame.0.checked_sub(own.from.0)?);
        own.holds(frame).then(|| place(self.timeline, frame))
    }

    fn stem(&self, stem: &ManifestStem, facts: Option<&Facts>) -> Stem {
        let stems = facts.map_or(&[][..], |facts| &facts.sound.stems);
        let measured: Option<&StemFacts> = stems.iter().find(|one| one.role == stem.role);
        Stem {
            role: stem.role.clone(),
            file: stem.file.clone(),
            sides: stem.sides.clone(),
            channels: stem.channels,
            samples: stem.samples,
            estimated: stem.estimated,
            model_audio: self.model_audio.contains_key(stem.file.as_str()),
            treatment: measured.map(|one| one.treatment.clone()).unwrap_or_default(),
            loudness: measured.map(|one| one.loudness),
        }
    }

    fn cues_of(&self, own: &timeline::Clip) -> Vec<seedpost_core::report::Cue> {
        let cues = self.cues.get(&own.take).into_iter().flatten();
        let cue = |cue: &&Cue| seedpost_core::report::Cue {
            number: cue.number.clone(),
            at: place(self.timeline, cue.record.start),
            until: place(self.timeline, cue.record.end),
            character: cue.speaker().to_owned(),
            line: cue.line.clone().unwrap_or_default(),
            reason: cue.reason.as_str(),
            priority: cue.priority,
            note: cue.note(),
        };
        cues.filter(|cue| own.holds(cue.record.start)).map(cue).collect()
    }

    fn other_takes(&self, take: &TakeId) -> Vec<OtherTake> {
        let takes = self.shots.get(&take.shot).into_iter().flatten();
        let other = |(id, take): &(&TakeId, &Take)| OtherTake {
            take: id.to_string(),
            state: take.phase.as_str().to_owned(),
            cost: take.charged.unwrap_or(take.committed).to_string(),
        };
        takes.filter(|(id, _)| *id != take).map(other).collect()
    }
}

fn found(facts: &Facts) -> Vec<Found> {
    let profile = &facts.from.promise.profile;
    let source = |finding: &Finding| {
        Rule::find(&finding.rule).map_or_else(|| format!("profile {profile}, rule {}", finding.rule), Rule::cited)
    };
    facts.findings.iter().map(|finding| Found { source: source(finding), finding: finding.clone() }).collect()
}

fn heard(facts: &Facts) -> Option<Heard> {
    let heard = facts.content.sound.as_ref()?;
    let levels = &heard.levels;
    let head = levels.sounding.map_or(levels.samples, |sounding| sounding.start);
    let tail = levels.sounding.map_or(Samples(0), |sounding| Samples(levels.samples.0.saturating_sub(sounding.end.0)));
    // Speech was heard anew where the sound was taken apart.
    let regions = facts.sound.phrases.as_ref().or(heard.speech.as_ref());
    Some(Heard {
        samples: levels.samples,
        silent_head: head,
        silent_tail: tail,
        speech: regions.map(|regions| regions.iter().map(|region| (region.range, region.confidence)).collect()),
        music: heard.music.as_ref().and_then(|music| music.found),
        music_at: heard.music.as_ref().map(|music| music.ranges.clone()).unwrap_or_default(),
        loudness: heard.loudness,
    })
}

/// What came beside what was promised.
fn delivered(info: &MediaInfo, promise: &Promise) -> Vec<Delivered> {
    fn told<T: ToString>(value: Option<T>) -> String {
        value.map_or_else(|| "unknown".to_owned(), |value| value.to_string())
    }
    fn promised<T: ToString>(value: Option<T>) -> String {
        value.map(|value| value.to_string()).unwrap_or_default()
    }
    let row = |name, promised: String, delivered: String| Delivered { name, promised, delivered };
    let size = |(width, height): (u32, u32)| format!("{width} × {height}");
    let mut rows = vec![row("Container", promise.containers.join(" or "), info.container.clone())];
    if let Some(video) = &info.video {
        let frames = promise.frames.map(|frames| match (promise.frames_under, promise.frames_over) {
            (0, 0) => frames.0.to_string(),
            (under, over) => format!("{} to {}", frames.0.saturating_sub(under), frames.0.saturating_add(over)),
        });
        let codec = [Some(&video.codec), video.profile.as_ref()].into_iter().flatten().cloned().collect::<Vec<_>>();
        rows.extend([
            row("Picture codec", promise.video_codecs.join(" or "), codec.join(" ")),
            row("Pixels", promised(promise.size.map(size)), size(video.upright())),
            row("Pixel format", promise.pixel_formats.join(" or "), told(video.pixel_format.as_ref())),
            row("Frames a second", promised(promise.rate), told(video.rate)),
            row("Frames", promised(frames), told(video.frames.map(|frames| frames.0))),
        ]);
    }
    let sound = promise.sound.map(|sound| if sound { "yes" } else { "no" });
    rows.push(row("Sound", promised(sound), if info.audio.is_some() { "yes" } else { "no" }.to_owned()));
    if let Some(audio) = &info.audio {
        let lead = |samples: Option<u64>| samples.map(|samples| format!("{samples} samples"));
        rows.extend([
            row("Sound codec", promise.audio.codecs.join(" or "), audio.codec.clone()),
            row(
                "Samples a second",
                promised(promise.audio.sample_rate.map(SampleRate::hertz)),
                audio.sample_rate.hertz().to_string(),
            ),
            row("Channels", promised(promise.audio.channels), audio.channels.to_string()),
            row("Codec's lead (priming)", String::new(), told(lead(audio.priming))),
            row("Codec's tail (padding)", String::new(), told(lead(audio.padding))),
        ]);
    }
    rows.push(row(
        "Content credentials (C2PA)",
        String::new(),
        told(info.c2pa.map(|there| if there { "yes" } else { "no" })),
    ));
    rows
}
