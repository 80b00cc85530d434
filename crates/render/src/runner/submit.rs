//! The request that costs money: supplied files handed over, the intent on record, sent once, the answer on record.

use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::Retryable as _;
use rustix::time::{ClockId, Timespec, clock_gettime};
use seedpost_core::cost::Reservation;
use seedpost_core::job::{Event, JobRef, Phase, Resolution, Sent, Take};
use serde_json::Value;

use super::{Halt, Input, Request, Runner, Work, as_asked, patience};
use crate::cut;
use crate::ledger::LedgerError;
use crate::provider::{Order, Placed, SubmitError, record};

/// How long the address of a file that was handed over is used again.
const PLACED: Duration = Duration::from_secs(3600);
/// How long a request may take from its intent to its sending.
const SEND_WITHIN: Duration = Duration::from_secs(10);

impl Runner<'_> {
    pub(super) async fn submit(&self, work: &Work, request: &Request, take: Take) -> Result<Take, Halt> {
        let (mut take, mut order) = (take, request.order.clone());
        let mut fingerprint = &request.fingerprint;
        if let Some((plan, second)) = request.second_choice.as_deref().filter(|_| take.plan.second_choice) {
            (order, fingerprint) = (second.clone(), &plan.fingerprint);
        }
        if take.plan.fingerprint != *fingerprint {
            return Err(Halt::Changed);
        }
        order.mark = request.mark.clone().map(|field| (field, format!("sp_{}", uuid::Uuid::now_v7().simple())));
        // Nothing leaves this machine for a request that the budget does not allow.
        self.ledger.budget().await?.reserve(take.plan.estimate).map_err(LedgerError::from)?;
        if let Some(room) = &self.manner.room {
            self.ledger.look_for(room).await?;
        }
        self.fill(work, request, &mut take, &mut order).await?;
        let body = self.provider.body(&take.plan.endpoint, &order);
        let (price, room, begun) = (take.plan.estimate, self.manner.room.clone(), Awake::now());
        let (take, reservation) = self.ledger.intend(&work.take, take.length, record(&body), price, room).await?;
        self.notify(work, "submit", format!("{} set aside", reservation.amount()));
        let event = match begun.elapsed() {
            // Whoever was held up so long may have been given up: others may have settled the take in the meantime.
            late if late > SEND_WITHIN => {
                self.deferred(work, format!("held up for {} s; nothing was sent", late.as_secs()), 0)
            }
            _ => self.send(work, &take, &body, reservation).await,
        };
        let refused = matches!(&event, Event::SubmitRefused(failure) if failure.about.as_deref() == Some("resolution"));
        if let Some((plan, _)) = request.second_choice.as_deref().filter(|_| refused && !take.plan.second_choice) {
            self.notify(work, "falls back", "the resolution was refused; nothing was charged");
            // Both or neither: a run that is killed in between would leave a take that nobody sends again.
            let next = (work.take.clone(), take.length + 1, Event::Planned(plan.clone()));
            let both = vec![(work.take.clone(), take.length, event), next];
            let append = || self.ledger.append_all(both.clone());
            append.retry(patience(self.manner.pace)).when(is_busy).await?;
            return self.read(work).await;
        }
        let job = if let Event::Submitted(job) = &event { Some(job.clone()) } else { None };
        match (self.append_for_sure(work, take.length, event).await, job) {
            (Err(Halt::Ledger(LedgerError::Conflict(_))), Some(job)) => self.keep(work, take.length - 1, job).await,
            (appended, _) => appended,
        }
    }

    /// Sees to it that a paid job is the take's, where somebody has written before its name was. It belongs to the attempt
    /// of that intent alone: a later one has a job of its own, and what the two cost would be confused.
    async fn keep(&self, work: &Work, intent: u64, job: JobRef) -> Result<Take, Halt> {
        let take = self.read(work).await?;
        let history = self.ledger.history(&work.take).await?;
        let last = (0..).zip(&history).filter(|(_, line)| matches!(line.event, Event::SubmitIntended { .. })).last();
        let is_last = last.is_some_and(|(number, _)| number == intent);
        match (&take.phase, &take.job) {
            (_, Some(known)) if known.request_id == job.request_id => Ok(take),
            (Phase::ChargeUnknown { .. } | Phase::Running { .. }, _) if take.job.is_none() && is_last => {
                self.append_for_sure(work, take.length, Event::Resolved(Resolution::Charged(job))).await
            }
            _ => {
                let what =
                    format!("the provider took request {} for it, and it is {}", job.request_id, take.phase.as_str());
                Err(LedgerError::Damaged { take: work.take.to_string(), what }.into())
            }
        }
    }

    async fn send(&self, work: &Work, take: &Take, body: &Value, reservation: Reservation) -> Event {
        cut::here("before_send");
        let answer = self.provider.submit(&take.plan.endpoint, body, reservation).await;
        cut::here("after_send");
        match answer {
            Ok(job) => {
                self.notify(work, "submitted", job.request_id.clone());
                Event::Submitted(job)
            }
            Err(SubmitError::NotSent(reason)) => self.deferred(work, reason, 2000),
            Err(SubmitError::Throttled { wait_ms, message }) => self.deferred(work, message, wait_ms),
            Err(SubmitError::Refused(failure)) => {
                self.notify(work, "refused", failure.message.clone());
                Event::SubmitRefused(failure)
            }
            Err(SubmitError::ChargeUnknown(reason)) => {
                self.notify(work, "unknown", reason.clone());
                Event::SubmitUnknown { reason }
            }
        }
    }

    fn deferred(&self, work: &Work, reason: String, wait_ms: u64) -> Event {
        self.notify(work, "deferred", reason.clone());
        Event::SubmitDeferred { reason, wait_ms }
    }

    /// Appends what came of a paid request. The name of the job must not be lost to a disk that is busy or full
    /// for a moment.
    async fn append_for_sure(&self, work: &Work, length: u64, event: Event) -> Result<Take, Halt> {
        let append = || self.ledger.append(&work.take, length, event.clone());
        Ok(append.retry(patience(self.manner.pace)).when(is_busy).await?)
    }

    /// Gives the order an address for each reference.
    async fn fill(&self, work: &Work, request: &Request, take: &mut Take, order: &mut Order) -> Result<(), Halt> {
        let Request { images, videos, audios, first_frame, last_frame, .. } = request;
        for (addresses, inputs) in
            [(&mut order.images, images), (&mut order.videos, videos), (&mut order.audios, audios)]
        {
            for input in inputs {
                addresses.push(self.address(work, take, input).await?);
            }
        }
        for (address, input) in [(&mut order.first_frame, first_frame), (&mut order.last_frame, last_frame)] {
            if let Some(input) = input {
                *address = Some(self.address(work, take, input).await?);
            }
        }
        Ok(())
    }

    async fn address(&self, work: &Work, take: &mut Take, input: &Input) -> Result<String, Halt> {
        let upload = match input {
            Input::Url(url) => return Ok(url.clone()),
            Input::File(upload) => upload,
        };
        // Takes that need the same file at the same time wait for one upload of it.
        let cell = {
            let mut placed = self.placed.lock().await;
            placed.retain(|_, (since, _)| since.elapsed() < PLACED);
            let fresh = || (Instant::now(), Arc::default());
            Arc::clone(&placed.entry(upload.clone()).or_insert_with(fresh).1)
        };
        let place = || async {
            self.notify(work, "upload", upload.file_name.clone());
            let place = (|| self.provider.place(upload)).retry(patience(self.manner.pace));
            place.when(|error| error.transient).adjust(as_asked).await
        };
        let Placed { address, host } = self.or_stopped(cell.get_or_try_init(place)).await??.clone();
        let within = address.starts_with("data:");
        if within {
            // What is sent within each request would only fill memory.
            self.placed.lock().await.remove(upload);
        }
        let sent = Sent { file: upload.file_name.clone(), sha256: upload.sha256.clone(), host, within };
        *take = self.ledger.append(&work.take, take.length, Event::Sent(sent)).await?;
        Ok(address)
    }
}

/// A moment by the clock that goes on while the program is frozen and while the machine sleeps.
struct Awake(Timespec);

impl Awake {
    fn now() -> Awake {
        Awake(clock_gettime(ClockId::Boottime))
    }

    fn elapsed(&self) -> Duration {
        let (then, now) = (self.0, clock_gettime(ClockId::Boottime));
        let seconds = u64::try_from(now.tv_sec.saturating_sub(then.tv_sec)).unwrap_or(0);
        Duration::from_secs(seconds)
    }
}

fn is_busy(error: &LedgerError) -> bool {
    matches!(error, LedgerError::Database { .. })
}
