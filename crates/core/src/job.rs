//! The life of one take: events, the state they add up to, and the next step.
//!
//! [`Take::apply`] holds every legal transition; live work and replay both go through it. State is
//! never stored. Resuming is not special: read the events, fold them, do [`next_step`], append.

use serde::{Deserialize, Serialize};

use crate::change::Change;
use crate::cost::Usd;
use crate::shot::ProviderName;
use crate::spec::Promise;

/// A line of the ledger. Times and order are the ledger's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// The take is wanted; nothing was sent.
    Planned(Plan),
    /// A supplied file is about to leave this machine.
    Sent(Sent),
    /// The next thing that happens is the request that costs money.
    SubmitIntended {
        /// The exact body that is sent.
        body: serde_json::Value,
        /// What is set aside for it.
        reserved: Usd,
    },
    /// The request provably did not arrive, or was turned away for now; nothing is owed.
    SubmitDeferred {
        /// Why, in words.
        reason: String,
        /// How long to wait, in milliseconds.
        wait_ms: u64,
    },
    /// The provider took the request.
    Submitted(JobRef),
    /// The provider refused the request; nothing is owed.
    SubmitRefused(Failure),
    /// Nobody knows whether the provider took the request.
    SubmitUnknown {
        /// What happened, in words.
        reason: String,
    },
    /// The clip is ready at the provider.
    Rendered {
        /// Where it can be fetched, for a while.
        url: String,
        /// What was charged, where the provider says so.
        charged: Option<Usd>,
        /// Where the clip's last frame can be fetched, where the provider gives it.
        #[serde(default)]
        last_frame: Option<String>,
    },
    /// The provider took the request, but made no clip.
    RenderFailed(Failure),
    /// The clip is on disk under its final name.
    Downloaded(Delivery),
    /// A person, or the provider's own list, settled an unknown submit.
    Resolved(Resolution),
    /// The provider's bill says what a job of this take cost: the present one, or an earlier one that failed.
    Charged {
        /// The job, by the provider's name for it.
        request_id: String,
        /// The amount.
        amount: Usd,
    },
}

impl Event {
    /// The stage that it begins, in a word or two, and what else there is to say: for whoever watches.
    #[must_use]
    pub fn told(&self) -> (&'static str, String) {
        match self {
            Event::Planned(plan) => ("planned", plan.estimate.to_string()),
            Event::Sent(sent) => ("upload", sent.file.clone()),
            Event::SubmitIntended { reserved, .. } => ("submit", format!("{reserved} set aside")),
            Event::SubmitDeferred { reason, .. } => ("deferred", reason.clone()),
            Event::Submitted(job) => ("submitted", job.request_id.clone()),
            Event::SubmitRefused(failure) => ("refused", failure.message.clone()),
            Event::SubmitUnknown { reason } => ("unknown", reason.clone()),
            Event::Rendered { .. } => ("rendered", String::new()),
            Event::RenderFailed(failure) => ("failed", failure.message.clone()),
            Event::Downloaded(delivery) => ("done", format!("{} bytes", delivery.bytes)),
            Event::Resolved(Resolution::Charged(job)) => ("found", job.request_id.clone()),
            Event::Resolved(Resolution::NotCharged) => ("settled", "not charged".to_owned()),
            Event::Resolved(Resolution::GivenUp) => ("settled", "given up".to_owned()),
            Event::Charged { amount, .. } => ("billed", amount.to_string()),
        }
    }
}

impl Event {
    /// The job that becomes the take's by it.
    #[must_use]
    pub fn job(&self) -> Option<&JobRef> {
        match self {
            Event::Submitted(job) | Event::Resolved(Resolution::Charged(job)) => Some(job),
            _ => None,
        }
    }

    /// The word for it in the ledger.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Event::Planned(_) => "planned",
            Event::Sent(_) => "sent",
            Event::SubmitIntended { .. } => "submit_intended",
            Event::SubmitDeferred { .. } => "submit_deferred",
            Event::Submitted(_) => "submitted",
            Event::SubmitRefused(_) => "submit_refused",
            Event::SubmitUnknown { .. } => "submit_unknown",
            Event::Rendered { .. } => "rendered",
            Event::RenderFailed(_) => "render_failed",
            Event::Downloaded(_) => "downloaded",
            Event::Resolved(_) => "resolved",
            Event::Charged { .. } => "charged",
        }
    }
}

/// A supplied file and the host that it went to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The name that the host is told.
    pub file: String,
    /// SHA-256 of the bytes, in hex.
    pub sha256: String,
    /// The host, with its port where that is not the usual one.
    pub host: String,
    /// Whether it goes within the request itself, and so only when that goes.
    #[serde(default)]
    pub within: bool,
}

/// What is asked for, fixed before anything is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Which door.
    pub provider: ProviderName,
    /// The provider's own name for the model.
    pub endpoint: String,
    /// Which of the provider's regions, where it has any.
    #[serde(default)]
    pub region: Option<String>,
    /// The most it should cost.
    pub estimate: Usd,
    /// SHA-256 over everything that shapes the request, in hex.
    pub fingerprint: String,
    /// What the delivered clip must be.
    pub promise: Box<Promise>,
    /// Whether the shot's second choice of settings is asked for, since the first was refused.
    #[serde(default)]
    pub second_choice: bool,
    /// The take that this one follows, and how it differs.
    #[serde(default)]
    pub follows: Option<Follows>,
}

/// How a take differs from the one that it follows. Each costs its own money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follows {
    /// The earlier take, such as `SC010_SH020_T01`.
    pub take: String,
    /// What was changed.
    pub change: Change,
}

/// A job at the provider. The addresses are those of its own reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRef {
    /// The provider's name for the job.
    pub request_id: String,
    /// Where its status is read.
    pub status_url: Option<String>,
    /// Where its result is read.
    pub response_url: Option<String>,
    /// Where it is cancelled.
    pub cancel_url: Option<String>,
}

/// What a person can do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Mend the shot: the provider names what is wrong.
    FixShot,
    /// A filter refused the prompt, a reference or the result.
    Moderated,
    /// The provider gave up waiting for its own model.
    TimedOut,
    /// A person cancelled the job.
    Cancelled,
    /// Mend the account: key, credit, permission.
    Account,
    /// The provider failed; the same request may work.
    TryAgain,
}

/// Why there is no clip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What can be done about it.
    #[serde(rename = "failure")]
    pub kind: FailureKind,
    /// The provider's words.
    pub message: String,
    /// Whether money may be owed for it all the same.
    pub owed: bool,
    /// The field that is wrong, or what the filter saw: `face`, `copyright`, `audio`, `prompt`.
    #[serde(default)]
    pub about: Option<String>,
    /// Whether a person has settled what it cost; then nothing is sent again by itself.
    #[serde(default)]
    pub settled: bool,
}

impl Failure {
    /// A failure for which nothing is owed.
    #[must_use]
    pub fn free(kind: FailureKind, message: impl Into<String>) -> Failure {
        Failure { kind, message: message.into(), owed: false, about: None, settled: false }
    }

    /// A failure for which money may be owed.
    #[must_use]
    pub fn owed(kind: FailureKind, message: impl Into<String>) -> Failure {
        Failure { owed: true, ..Failure::free(kind, message) }
    }

    /// The same, about a field or what a filter saw.
    #[must_use]
    pub fn about(self, about: Option<impl Into<String>>) -> Failure {
        Failure { about: about.map(Into::into), ..self }
    }
}

/// A clip on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// How an unknown submit came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Resolution {
    /// The provider has it under this name.
    Charged(JobRef),
    /// The provider never took it.
    NotCharged,
    /// Whatever became of it, there will be no clip; what it costs stays committed.
    GivenUp,
}

/// Where a take stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// Nothing was sent, or nothing arrived; may be sent once this time has come (Unix ms).
    Ready {
        /// The earliest time.
        not_before: u64,
        /// How long a wait was agreed on, in milliseconds: a clock that was set back makes it no longer.
        wait_ms: u64,
    },
    /// A request may have been taken. Counts as spent; never sent again by the program.
    ChargeUnknown {
        /// What is known, in words.
        reason: String,
    },
    /// The provider works on it since this time (Unix ms).
    Running {
        /// The job.
        job: JobRef,
        /// Since when.
        since: u64,
    },
    /// The clip waits at the provider.
    Rendered {
        /// The job.
        job: JobRef,
        /// Where the clip was last seen.
        url: String,
        /// Where its last frame was last seen.
        last_frame: Option<String>,
    },
    /// The clip is on disk.
    Done(Delivery),
    /// There is no clip.
    Failed(Failure),
}

impl Phase {
    const AT_ONCE: Phase = Phase::Ready { not_before: 0, wait_ms: 0 };

    /// The word for it, in tables and JSON.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Phase::Ready { .. } => "planned",
            Phase::ChargeUnknown { .. } => "unknown",
            Phase::Running { .. } => "rendering",
            Phase::Rendered { .. } => "rendered",
            Phase::Done(_) => "done",
            Phase::Failed(_) => "failed",
        }
    }
}

/// What a take's events add up to.
#[derive(Debug, Clone, PartialEq)]
pub struct Take {
    /// What was asked for.
    pub plan: Plan,
    /// Where it stands.
    pub phase: Phase,
    /// What is charged, set aside, or perhaps owed for it.
    pub committed: Usd,
    /// What of it was charged for earlier attempts that made no clip.
    pub before: Usd,
    /// What the provider's bill says, where it was read.
    pub charged: Option<Usd>,
    /// The job at the provider, once there is one.
    pub job: Option<JobRef>,
    /// Jobs of earlier attempts whose bill was not read: it may come hours late.
    pub past: Vec<JobRef>,
    /// Earlier attempts whose bill was read, by the provider's name for the job.
    pub billed: Vec<(String, Usd)>,
    /// When its clip was on disk, as Unix milliseconds; 0 before.
    pub delivered_ms: u64,
    /// How many events there are: the next one's number.
    pub length: u64,
}

/// Says that an event cannot follow what stands in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {event:?} cannot follow phase {phase:?}")]
pub struct IllegalTransition {
    /// The phase, or `nothing`.
    pub phase: &'static str,
    /// The event that does not fit.
    pub event: String,
}

impl Take {
    /// Adds up events with their times (Unix ms). `None` when there are none.
    ///
    /// # Errors
    /// Names the first event that cannot follow those before it.
    pub fn fold(events: impl IntoIterator<Item = (u64, Event)>) -> Result<Option<Take>, IllegalTransition> {
        events.into_iter().try_fold(None, |take, (at, event)| Take::apply(take, event, at).map(Some))
    }

    /// The one table of transitions: what an event makes of a take.
    ///
    /// # Errors
    /// Names the event when it cannot follow.
    pub fn apply(take: Option<Take>, event: Event, at: u64) -> Result<Take, IllegalTransition> {
        let refused = IllegalTransition {
            phase: take.as_ref().map_or("nothing", |take| take.phase.as_str()),
            event: format!("{event:?}").chars().take_while(char::is_ascii_alphanumeric).collect(),
        };
        let next = match (take, event) {
            (None, Event::Planned(plan)) => Some(Take::planned(plan)),
            (None, _) => None,
            (Some(take), Event::Planned(plan)) => take.plan_again(plan),
            (Some(take), Event::Charged { request_id, amount }) => take.bill(request_id, amount),
            (Some(take), Event::Resolved(resolution)) => take.resolve(resolution, at),
            (Some(take), event) => take.advance(event, at),
        };
        next.ok_or(refused)
    }

    fn planned(plan: Plan) -> Take {
        Take {
            plan,
            phase: Phase::AT_ONCE,
            committed: Usd::ZERO,
            before: Usd::ZERO,
            charged: None,
            job: None,
            past: Vec::new(),
            billed: Vec::new(),
            delivered_ms: 0,
            length: 1,
        }
    }

    /// What the present attempt commits.
    #[must_use]
    pub fn attempt(&self) -> Usd {
        self.committed.minus(self.before)
    }

    /// Whether it is known what the present attempt cost: nothing, or what the bill says.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.attempt() == Usd::ZERO || self.charged.is_some()
    }

    /// Whether the provider works on it, or may.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        matches!(self.phase, Phase::ChargeUnknown { .. } | Phase::Running { .. })
    }

    /// The same take in another phase, its present attempt at this amount.
    fn with(self, phase: Phase, attempt: Usd) -> Option<Take> {
        let committed = self.before.plus(attempt);
        Some(Take { phase, committed, length: self.length + 1, ..self })
    }

    /// Another attempt, once it is known what the last one cost: nothing, or what the bill says.
    fn plan_again(mut self, plan: Plan) -> Option<Take> {
        let attempt = self.attempt();
        if !matches!(self.phase, Phase::Ready { .. } | Phase::Failed(_)) || !self.is_closed() {
            return None;
        }
        match (self.job.take(), self.charged.take()) {
            (Some(job), Some(amount)) => self.billed.push((job.request_id, amount)),
            (job, _) => self.past.extend(job),
        }
        let before = self.before.plus(attempt);
        Take { plan, before, ..self }.with(Phase::AT_ONCE, Usd::ZERO)
    }

    fn bill(mut self, request_id: String, amount: Usd) -> Option<Take> {
        let attempt = self.attempt();
        if self.past.iter().any(|job| job.request_id == request_id) {
            self.past.retain(|job| job.request_id != request_id);
            self.before = self.before.plus(amount);
            self.billed.push((request_id, amount));
            let phase = self.phase.clone();
            return self.with(phase, attempt);
        }
        let own = self.job.as_ref().is_some_and(|job| job.request_id == request_id);
        let ended = matches!(self.phase, Phase::Rendered { .. } | Phase::Done(_) | Phase::Failed(_));
        self.charged = Some(amount);
        let phase = match self.phase.clone() {
            // Whatever the provider said of the failure, it was not free.
            Phase::Failed(failure) => Phase::Failed(Failure { owed: failure.owed || amount > Usd::ZERO, ..failure }),
            phase => phase,
        };
        (own && ended).then(|| self.with(phase, amount)).flatten()
    }

    fn resolve(mut self, resolution: Resolution, at: u64) -> Option<Take> {
        let attempt = self.attempt();
        match (self.phase.clone(), resolution) {
            (Phase::ChargeUnknown { .. } | Phase::Running { .. }, Resolution::Charged(job)) => {
                self.job = Some(job.clone());
                self.with(Phase::Running { job, since: at }, attempt)
            }
            (Phase::ChargeUnknown { .. } | Phase::Running { .. }, Resolution::NotCharged) => {
                self.job = None;
                self.with(Phase::AT_ONCE, Usd::ZERO)
            }
            // A failed take stays failed, and nothing is sent again because of it. What the bill says stands.
            (Phase::Failed(failure), Resolution::NotCharged) if !self.is_closed() => {
                self.with(Phase::Failed(Failure { owed: false, settled: true, ..failure }), Usd::ZERO)
            }
            (Phase::ChargeUnknown { .. } | Phase::Running { .. } | Phase::Rendered { .. }, Resolution::GivenUp) => {
                self.with(Phase::Failed(Failure::owed(FailureKind::Cancelled, "given up")), attempt)
            }
            _ => None,
        }
    }

    fn advance(mut self, event: Event, at: u64) -> Option<Take> {
        let attempt = self.attempt();
        match (self.phase.clone(), event) {
            (phase @ Phase::Ready { .. }, Event::Sent(_)) => self.with(phase, attempt),
            (Phase::Ready { .. }, Event::SubmitIntended { reserved, .. }) => {
                let reason = "it may have been sent, and no answer is on record".to_owned();
                self.with(Phase::ChargeUnknown { reason }, reserved)
            }
            (Phase::ChargeUnknown { .. }, Event::SubmitDeferred { wait_ms, .. }) => {
                self.with(Phase::Ready { not_before: at.saturating_add(wait_ms), wait_ms }, Usd::ZERO)
            }
            (Phase::ChargeUnknown { .. }, Event::Submitted(job)) => {
                self.job = Some(job.clone());
                self.with(Phase::Running { job, since: at }, attempt)
            }
            (Phase::ChargeUnknown { .. }, Event::SubmitRefused(failure)) => {
                self.with(Phase::Failed(failure), Usd::ZERO)
            }
            (Phase::ChargeUnknown { .. }, Event::SubmitUnknown { reason }) => {
                self.with(Phase::ChargeUnknown { reason }, attempt)
            }
            (
                Phase::Running { job, .. } | Phase::Rendered { job, .. },
                Event::Rendered { url, charged, last_frame },
            ) => self.with(Phase::Rendered { job, url, last_frame }, charged.unwrap_or(attempt)),
            (Phase::Running { .. }, Event::RenderFailed(failure)) => {
                let attempt = if failure.owed { attempt } else { Usd::ZERO };
                self.with(Phase::Failed(failure), attempt)
            }
            (Phase::Rendered { .. }, Event::Downloaded(delivery)) => {
                self.delivered_ms = at;
                self.with(Phase::Done(delivery), attempt)
            }
            _ => None,
        }
    }
}

/// What to do now.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Send the request that costs money, after so many milliseconds.
    Submit {
        /// How long to wait first.
        wait_ms: u64,
    },
    /// Ask the provider, after so many milliseconds.
    Poll {
        /// The job.
        job: JobRef,
        /// How long to wait first.
        wait_ms: u64,
    },
    /// Fetch the clip.
    Download {
        /// The job, to ask again for an address that has expired.
        job: JobRef,
        /// Where the clip was last seen.
        url: String,
        /// Where its last frame was last seen.
        last_frame: Option<String>,
    },
    /// Nothing that the program may do.
    Rest,
}

/// How often a job is asked after, in milliseconds: soon at first, then ever more seldom.
#[derive(Debug, Clone, Copy)]
pub struct PollPace {
    /// The shortest wait.
    pub least_ms: u64,
    /// The longest wait.
    pub most_ms: u64,
}

/// The next step of a take at a time (Unix ms).
#[must_use]
pub fn next_step(take: &Take, now: u64, pace: PollPace) -> Step {
    match &take.phase {
        Phase::Ready { not_before, wait_ms } => Step::Submit { wait_ms: not_before.saturating_sub(now).min(*wait_ms) },
        Phase::Running { job, since } => {
            let wait_ms = (now.saturating_sub(*since) / 40).clamp(pace.least_ms, pace.most_ms.max(pace.least_ms));
            Step::Poll { job: job.clone(), wait_ms }
        }
        Phase::Rendered { job, url, last_frame } => {
            Step::Download { job: job.clone(), url: url.clone(), last_frame: last_frame.clone() }
        }
        Phase::ChargeUnknown { .. } | Phase::Done(_) | Phase::Failed(_) => Step::Rest,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plan() -> Plan {
        let promise = Promise::ordered("seedance-2.0", None, None, true);
        Plan {
            provider: ProviderName::Simulator,
            endpoint: "x".into(),
            region: None,
            estimate: Usd::from_micros(5),
            fingerprint: "f".into(),
            promise: Box::new(promise),
            second_choice: false,
            follows: None,
        }
    }

    fn job() -> JobRef {
        JobRef { request_id: "r".into(), status_url: None, response_url: None, cancel_url: None }
    }

    fn any_event() -> impl Strategy<Value = Event> {
        let failure = |owed| Failure { owed, ..Failure::free(FailureKind::TryAgain, "") };
        prop_oneof![
            Just(Event::Planned(plan())),
            Just(Event::SubmitIntended { body: serde_json::Value::Null, reserved: Usd::from_micros(5) }),
            Just(Event::SubmitDeferred { reason: String::new(), wait_ms: 1 }),
            Just(Event::Submitted(job())),
            Just(Event::SubmitRefused(failure(false))),
            Just(Event::SubmitUnknown { reason: String::new() }),
            Just(Event::Rendered { url: String::new(), charged: None, last_frame: None }),
            Just(Event::Sent(Sent { file: String::new(), sha256: String::new(), host: String::new(), within: false })),
            Just(Event::Charged { request_id: "r".into(), amount: Usd::from_micros(7) }),
            any::<bool>().prop_map(move |owed| Event::RenderFailed(failure(owed))),
            Just(Event::Downloaded(Delivery { sha256: String::new(), bytes: 1 })),
            Just(Event::Resolved(Resolution::NotCharged)),
            Just(Event::Resolved(Resolution::GivenUp)),
            Just(Event::Resolved(Resolution::Charged(job()))),
        ]
    }

    /// What was made of a clip is stamped with the time of its coming, and a bill may come hours later.
    #[test]
    fn a_late_bill_does_not_change_when_the_clip_came() {
        let events = [
            Event::Planned(plan()),
            Event::SubmitIntended { body: serde_json::Value::Null, reserved: Usd::from_micros(5) },
            Event::Submitted(job()),
            Event::Rendered { url: String::new(), charged: None, last_frame: None },
            Event::Downloaded(Delivery { sha256: String::new(), bytes: 1 }),
            Event::Charged { request_id: "r".into(), amount: Usd::from_micros(7) },
        ];
        let take = Take::fold((1..).map(|number| number * 1000).zip(events)).expect("legal").expect("a take");
        assert_eq!((take.delivered_ms, take.charged), (5000, Some(Usd::from_micros(7))));
    }

    #[test]
    fn a_ledger_that_ends_at_the_intent_is_an_unknown_charge() {
        let intent = Event::SubmitIntended { body: serde_json::Value::Null, reserved: Usd::from_micros(5) };
        let take = Take::fold([(0, Event::Planned(plan())), (1, intent)]).expect("legal").expect("a take");
        assert!(matches!(take.phase, Phase::ChargeUnknown { .. }));
        assert_eq!(take.committed, Usd::from_micros(5));
        let pace = PollPace { least_ms: 1, most_ms: 9 };
        assert_eq!(next_step(&take, 9, pace), Step::Rest);
    }

    #[test]
    fn a_clock_that_jumps_makes_no_wait_longer_than_was_agreed_on() {
        const DAY: u64 = 86_400_000;
        let intent = Event::SubmitIntended { body: serde_json::Value::Null, reserved: Usd::from_micros(5) };
        let deferred = Event::SubmitDeferred { reason: String::new(), wait_ms: 3000 };
        let events = [(0, Event::Planned(plan())), (1, intent.clone()), (10 * DAY, deferred)];
        let take = Take::fold(events).expect("legal").expect("a take");
        let pace = PollPace { least_ms: 100, most_ms: 5000 };
        for (now, wait_ms) in
            [(10 * DAY, 3000), (10 * DAY + 1000, 2000), (11 * DAY, 0), (9 * DAY, 3000), (0, 3000), (u64::MAX, 0)]
        {
            assert_eq!(next_step(&take, now, pace), Step::Submit { wait_ms }, "{now}");
        }
        // A job is asked after at the usual pace, whenever it is said to have begun.
        let events = [(0, Event::Planned(plan())), (1, intent), (10 * DAY, Event::Submitted(job()))];
        let take = Take::fold(events).expect("legal").expect("a take");
        for (now, wait_ms) in [(9 * DAY, 100), (0, 100), (10 * DAY + 40_000, 1000), (11 * DAY, 5000), (u64::MAX, 5000)]
        {
            assert_eq!(next_step(&take, now, pace), Step::Poll { job: job(), wait_ms }, "{now}");
        }
    }

    proptest! {
        /// Whatever order events come in: between two submits that may both have been taken stands
        /// proof that the first was not, or the provider's word that it failed for nothing, and an unknown charge
        /// is never a reason to send.
        #[test]
        fn no_order_of_events_pays_twice(events in proptest::collection::vec(any_event(), 0..40)) {
            let mut take: Option<Take> = None;
            let mut perhaps_taken = 0;
            for event in events {
                let Ok(next) = Take::apply(take.clone(), event.clone(), 0) else { continue };
                let of_the_past = |take: &Take| take.past.len();
                match event {
                    // What an attempt cost by its bill is closed before the next one.
                    Event::Planned(_) => perhaps_taken = 0,
                    Event::SubmitIntended { .. } => perhaps_taken += 1,
                    Event::SubmitDeferred { .. } | Event::SubmitRefused(_) | Event::Resolved(Resolution::NotCharged) => perhaps_taken -= 1,
                    Event::RenderFailed(failure) if !failure.owed => perhaps_taken -= 1,
                    // The provider's own bill: it did take it.
                    Event::Charged { .. } if take.as_ref().map_or(0, of_the_past) == next.past.len() => perhaps_taken = 1,
                    _ => {}
                }
                prop_assert!((0..=1).contains(&perhaps_taken));
                prop_assert_eq!(next.committed.minus(next.before) > Usd::ZERO, perhaps_taken == 1);
                prop_assert!(next.committed >= next.before);
                take = Some(next);
            }
        }

        #[test]
        fn events_survive_their_json(event in any_event()) {
            let text = serde_json::to_string(&event).expect("events are plain data");
            let kind = serde_json::from_str::<serde_json::Value>(&text).expect("JSON")["kind"].clone();
            prop_assert_eq!(kind, event.kind());
            prop_assert_eq!(serde_json::from_str::<Event>(&text).expect("the same form"), event);
        }
    }
}
