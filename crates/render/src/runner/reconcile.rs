//! What the provider's own records say: requests whose reply was lost, and what finished jobs cost.

use std::collections::HashMap;

use seedpost_core::cost::Usd;
use seedpost_core::job::{Event, JobRef, Phase, Resolution, Take};
use seedpost_core::shot::TakeId;

use super::{Halt, Runner, Work};
use crate::ledger::Ledger;
use crate::provider::{CallError, Candidate, Found, Provider, Sought};

impl Runner<'_> {
    /// Looks for a request that may have been taken; answers the take where it can go on. None in the list is no
    /// proof that nothing was charged, so then a person has to settle it.
    pub(super) async fn reconcile(&self, work: &Work, take: &Take) -> Result<Option<Take>, Halt> {
        self.notify(work, "looking for it", "in the provider's list of requests");
        match look(self.ledger, self.provider, &work.take, take).await {
            Ok(Found::NoList) => Ok(None),
            Ok(Found::Jobs(jobs)) => match jobs.as_slice() {
                [Candidate { job, words, certain: true }] => {
                    self.notify(work, "found", format!("{}, {words}", job.request_id));
                    let event = Event::Resolved(Resolution::Charged(job.clone()));
                    Ok(Some(self.ledger.append(&work.take, take.length, event).await?))
                }
                [] => Ok(Some(take.clone())),
                _ => Ok(None),
            },
            Err(Halt::Call(error)) => {
                self.notify(work, "looking for it", error.message);
                Ok(error.transient.then(|| take.clone()))
            }
            Err(halt) => Err(halt),
        }
    }
}

/// Asks the provider's bill what takes cost whose charge is not known; answers how many it told.
///
/// # Errors
/// In words, why the bill could not be read or kept.
pub async fn settle(ledger: &Ledger, provider: &dyn Provider, takes: &[(TakeId, Take)]) -> Result<usize, String> {
    let jobs: Vec<JobRef> = takes.iter().flat_map(|(_, take)| unbilled(take)).cloned().collect();
    let charges: HashMap<String, Usd> =
        provider.charges(&jobs).await.map_err(|error| error.message)?.into_iter().collect();
    let mut events = Vec::new();
    for (id, take) in takes {
        let told = unbilled(take).filter_map(|job| charges.get_key_value(&job.request_id));
        for (length, (request_id, amount)) in (take.length..).zip(told) {
            let event = Event::Charged { request_id: request_id.clone(), amount: *amount };
            events.push((id.clone(), length, event));
        }
    }
    let told = events.len();
    ledger.append_all(events).await.map_err(|error| error.to_string())?;
    Ok(told)
}

/// Jobs of a take that have ended and whose bill was not read.
pub fn unbilled(take: &Take) -> impl Iterator<Item = &JobRef> {
    let ended = matches!(take.phase, Phase::Done(_) | Phase::Failed(_)) && take.charged.is_none();
    take.past.iter().chain(take.job.as_ref().filter(|_| ended))
}

/// Searches the provider's list for a take's last request; jobs that belong to other takes are left out.
async fn look(ledger: &Ledger, provider: &dyn Provider, id: &TakeId, take: &Take) -> Result<Found, Halt> {
    let Some((sent_ms, body)) = ledger.intended(id).await? else { return Ok(Found::Jobs(Vec::new())) };
    let sought = Sought { endpoint: take.plan.endpoint.clone(), body, sent_ms };
    let Found::Jobs(jobs) = provider.find(&sought).await? else { return Ok(Found::NoList) };
    let mut free = Vec::new();
    for candidate in jobs {
        if ledger.owner(take.plan.provider, &candidate.job.request_id).await?.is_none() {
            free.push(candidate);
        }
    }
    Ok(Found::Jobs(free))
}

/// As the runner looks, for a person who is asked.
///
/// # Errors
/// The list could not be read, or the ledger failed.
pub async fn find(ledger: &Ledger, provider: &dyn Provider, id: &TakeId, take: &Take) -> Result<Found, CallError> {
    look(ledger, provider, id, take).await.map_err(|halt| match halt {
        Halt::Call(error) => error,
        other => CallError::lasting(other.to_string()),
    })
}
