//! Events for the ledger's tests, and wishes at random.
#![allow(dead_code, reason = "each test program uses its own part")]

use seedpost_core::cost::Usd;
use seedpost_core::job::{Delivery, Event, Failure, FailureKind, JobRef, Plan, Resolution};
use seedpost_core::shot::{ProviderName, TakeId};
use seedpost_core::spec::Promise;
use seedpost_render::ledger::{Ledger, LedgerError, Room};
use serde_json::json;

use super::chance::Chance;

pub(crate) const PRICE: Usd = Usd::from_micros(1_000_000);

pub(crate) fn take(name: &str) -> TakeId {
    name.parse().unwrap()
}

pub(crate) fn job(request_id: &str) -> JobRef {
    JobRef { request_id: request_id.into(), status_url: None, response_url: None, cancel_url: None }
}

pub(crate) fn failed(kind: FailureKind) -> Failure {
    Failure::free(kind, "no")
}

pub(crate) fn plan() -> Event {
    Event::Planned(Plan {
        provider: ProviderName::Fal,
        endpoint: "bytedance/seedance-2.0/text-to-video".into(),
        region: None,
        estimate: PRICE,
        fingerprint: "f".into(),
        promise: Box::new(Promise::ordered("seedance-2.0", None, None, true)),
        second_choice: false,
        follows: None,
    })
}

/// What a ledger answers to a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Told {
    Written,
    Conflict,
    Illegal,
    Owned,
    OverBudget,
    NoRoom,
}

/// An event, or an intent under a key.
#[derive(Debug, Clone)]
pub(crate) enum Wish {
    Event(Event),
    Intent(Usd, Option<Room>),
}

impl Wish {
    pub(crate) async fn write(self, ledger: &Ledger, id: &TakeId, seq: u64) -> Told {
        let written = match self {
            Wish::Event(event) => ledger.append(id, seq, event).await,
            Wish::Intent(price, room) => {
                ledger.intend(id, seq, json!({ "prompt": "p" }), price, room).await.map(|(take, _)| take)
            }
        };
        match written {
            Ok(_) => Told::Written,
            Err(LedgerError::Conflict(_)) => Told::Conflict,
            Err(LedgerError::Illegal(_)) => Told::Illegal,
            Err(LedgerError::Damaged { .. }) => Told::Owned,
            Err(LedgerError::OverBudget(_)) => Told::OverBudget,
            Err(LedgerError::NoRoom(_)) => Told::NoRoom,
            Err(error) => panic!("{error}"),
        }
    }
}

/// A wish that may or may not be granted.
pub(crate) fn wish(chance: &mut Chance) -> Wish {
    let amount = Usd::from_micros(PRICE.micros() / 7 * (1 + chance.below(9) as u64));
    let request = format!("r{}", chance.below(30));
    match chance.below(17) {
        0..=1 => Wish::Event(plan()),
        2 => Wish::Event(Event::SubmitDeferred { reason: "busy".into(), wait_ms: 7 }),
        3..=5 => Wish::Event(Event::Submitted(job(&request))),
        6 => Wish::Event(Event::SubmitRefused(failed(FailureKind::FixShot))),
        7 => Wish::Event(Event::SubmitUnknown { reason: "hung up".into() }),
        8..=9 => Wish::Event(Event::Rendered {
            url: "u".into(),
            charged: amount.micros().is_multiple_of(2).then_some(amount),
            last_frame: None,
        }),
        10 => {
            Wish::Event(Event::RenderFailed(Failure { owed: chance.below(2) == 0, ..failed(FailureKind::Moderated) }))
        }
        11 if chance.below(4) == 0 => Wish::Event(Event::Downloaded(Delivery { sha256: "0".into(), bytes: 1 })),
        12 => Wish::Event(Event::Charged { request_id: request, amount }),
        13 => Wish::Event(Event::Resolved(match chance.below(3) {
            0 => Resolution::Charged(job(&request)),
            1 => Resolution::NotCharged,
            _ => Resolution::GivenUp,
        })),
        _ => {
            let room = (chance.below(3) > 0).then(|| Room { key: ["a", "b"][chance.below(2)].into(), limit: 2 });
            Wish::Intent(amount, room)
        }
    }
}
