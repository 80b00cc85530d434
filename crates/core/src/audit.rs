//! Whether a ledger adds up: every take folded anew, and compared with what is written down beside the events.
//!
//! It tells contradictions. Whoever changes all tables alike is not found out.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::cost::Usd;
use crate::fault::Severity;
use crate::job::{Event, Phase, Take};
use crate::shot::TakeId;

/// What stands in a ledger, as it stands there.
#[derive(Debug, Clone, Default)]
pub struct Books {
    /// Every event, by take and number.
    pub records: Vec<Record>,
    /// Which job belongs to which take: provider, request id, take.
    pub requests: Vec<(String, String, String)>,
    /// The takes that hold a place under a key, and since when.
    pub places: Vec<(String, String, i64)>,
    /// What may be spent, in millionths of a dollar.
    pub limit: Option<i64>,
    /// What counts as spent, in millionths of a dollar.
    pub committed: i64,
}

/// An event as it stands in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The take.
    pub take: String,
    /// Its number within the take, from 0.
    pub seq: i64,
    /// When, as Unix milliseconds of the database's clock.
    pub at_ms: i64,
    /// The event's name.
    pub kind: String,
    /// The event, as JSON.
    pub payload: String,
}

/// Something that a sound ledger does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// A warning needs no mending.
    pub severity: Severity,
    /// The take, where it is about one.
    pub take: Option<String>,
    /// The event's number within the take, where it is about one.
    pub number: Option<i64>,
    /// What stands there.
    pub found: String,
    /// What may stand there.
    pub allowed: String,
}

/// What a ledger comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    /// How many takes there are.
    pub takes: usize,
    /// How many events.
    pub events: usize,
    /// What the takes commit together.
    pub committed: Usd,
    /// What providers' bills say of it.
    pub charged: Usd,
    /// What of it was perhaps charged, and nobody knows.
    pub unknown: Usd,
    /// Everything that is wrong or worth knowing, by take and number, then what is about no take.
    pub problems: Vec<Problem>,
}

impl Audit {
    /// Whether nothing is wrong; what is only worth knowing does not count.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problems.iter().all(|problem| problem.severity < Severity::Error)
    }

    fn wrong(&mut self, place: (&str, Option<i64>), found: String, allowed: impl Into<String>) {
        self.tell(Severity::Error, Some(place.0), place.1, found, allowed);
    }

    fn tell(
        &mut self,
        severity: Severity,
        take: Option<&str>,
        number: Option<i64>,
        found: String,
        allowed: impl Into<String>,
    ) {
        let problem = Problem { severity, take: take.map(str::to_owned), number, found, allowed: allowed.into() };
        self.problems.push(problem);
    }
}

/// A job, by provider and request id.
type Job = (String, String);

/// What the events say of jobs and of takes under way.
#[derive(Debug, Default)]
struct Told<'b> {
    /// The takes that name each job, each with the number of the event that first does.
    jobs: BTreeMap<Job, Vec<(&'b str, i64)>>,
    under_way: BTreeSet<&'b str>,
    /// Takes that could not be folded to their end: what else is theirs cannot be judged.
    broken: BTreeSet<&'b str>,
}

/// Folds all takes of a ledger, and tells everything in it that does not agree.
#[must_use]
pub fn audit(books: &Books) -> Audit {
    let mut takes: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for record in &books.records {
        takes.entry(&record.take).or_default().push(record);
    }
    let mut audit = Audit { takes: takes.len(), events: books.records.len(), ..Audit::default() };
    let mut told = Told::default();
    for (name, mut records) in takes {
        records.sort_by_key(|record| record.seq);
        if name.parse::<TakeId>().is_err() {
            audit.wrong((name, None), format!("the name {name:?}"), "a take's name, such as SC010_SH020_T01");
        }
        check_clock(&mut audit, name, &records);
        let Some(take) = fold(&mut audit, &mut told, name, &records) else { continue };
        audit.committed = audit.committed.plus(take.committed);
        let billed = take.billed.iter().map(|(_, amount)| *amount).chain(take.charged);
        audit.charged = billed.fold(audit.charged, Usd::plus);
        if matches!(take.phase, Phase::ChargeUnknown { .. }) {
            audit.unknown = audit.unknown.plus(take.attempt());
        }
        if take.is_under_way() {
            told.under_way.insert(name);
        }
    }
    check_requests(&mut audit, books, &told);
    check_places(&mut audit, books, &told);
    let by_place =
        |problem: &Problem| (problem.take.is_none(), problem.take.clone(), problem.number.is_none(), problem.number);
    audit.problems.sort_by_key(by_place);
    check_budget(&mut audit, books, &told);
    audit
}

/// Folds a take as far as it goes.
fn fold<'b>(audit: &mut Audit, told: &mut Told<'b>, name: &'b str, records: &[&Record]) -> Option<Take> {
    let (mut take, mut next) = (None, 0);
    for record in records {
        let place = (name, Some(record.seq));
        if record.seq != next {
            audit.wrong(place, format!("number {}", record.seq), format!("number {next}: none is left out"));
        }
        next = record.seq.saturating_add(1);
        let event: Event = match serde_json::from_str(&record.payload) {
            Ok(event) => event,
            Err(error) => {
                audit.wrong(place, format!("a payload that is no event: {error}"), "an event of this program, as JSON");
                told.broken.insert(name);
                break;
            }
        };
        let kind = event.kind();
        if record.kind != kind {
            audit.wrong(place, format!("kind {:?}", record.kind), format!("{kind:?}, as its payload says"));
        }
        let job = event.job().cloned();
        let at = u64::try_from(record.at_ms).unwrap_or(0);
        match Take::apply(take.clone(), event, at) {
            Ok(after) => {
                if let Some(job) = job {
                    let job = (after.plan.provider.as_str().to_owned(), job.request_id);
                    let owners = told.jobs.entry(job).or_default();
                    if owners.iter().all(|(owner, _)| *owner != name) {
                        owners.push((name, record.seq));
                    }
                }
                take = Some(after);
            }
            Err(illegal) => {
                let follows = format!("an event that can follow phase {}", illegal.phase);
                audit.wrong(place, format!("event {}", illegal.event), follows);
                told.broken.insert(name);
                break;
            }
        }
    }
    take
}

/// A clock that was set back does no harm, but whoever reads the times should know.
fn check_clock(audit: &mut Audit, name: &str, records: &[&Record]) {
    for pair in records.windows(2) {
        let [before, record] = pair else { continue };
        if record.at_ms < before.at_ms {
            let (then, now) = (moment(before.at_ms), moment(record.at_ms));
            let found = format!("the time {now}, and {then} before it: the clock was set back");
            let allowed = "times that go on";
            audit.tell(Severity::Warning, Some(name), Some(record.seq), found, allowed);
        }
    }
}

fn check_requests(audit: &mut Audit, books: &Books, told: &Told<'_>) {
    let mut rows: BTreeMap<Job, &str> = BTreeMap::new();
    for (provider, request_id, take) in &books.requests {
        rows.insert((provider.clone(), request_id.clone()), take);
    }
    for (job, owners) in &told.jobs {
        let (provider, request_id) = job;
        let row = rows.remove(job);
        for (index, (take, number)) in owners.iter().enumerate() {
            let place = (*take, Some(*number));
            if let Some((first, _)) = owners.first().filter(|_| index > 0) {
                let found = format!("{provider}'s job {request_id}, which is {first}'s");
                audit.wrong(place, found, "one take for each job");
            }
        }
        let Some((take, number)) = owners.first() else { continue };
        match row {
            None => {
                let found = format!("no row of requests for {provider}'s job {request_id}");
                audit.wrong((take, Some(*number)), found, "one that names this take");
            }
            Some(row) if owners.iter().all(|(owner, _)| *owner != row) => {
                let found = format!("a row of requests that gives {provider}'s job {request_id} to {row:?}");
                audit.wrong((take, Some(*number)), found, format!("{take}, as its events say"));
            }
            Some(_) => {}
        }
    }
    for ((provider, request_id), take) in rows.into_iter().filter(|(_, take)| !told.broken.contains(take)) {
        let found = format!("a row of requests for {provider}'s job {request_id}");
        audit.wrong((take, None), found, "only jobs that the take's events name");
    }
}

fn check_places(audit: &mut Audit, books: &Books, told: &Told<'_>) {
    for (take, _, since) in &books.places {
        let take = take.as_str();
        if !told.under_way.contains(take) && !told.broken.contains(take) {
            let found = format!("a place under a key since {}, and the take is not under way", moment(*since));
            audit.wrong((take, None), found, "places of takes that are under way");
        }
    }
}

fn check_budget(audit: &mut Audit, books: &Books, told: &Told<'_>) {
    let sum = audit.committed;
    let how_far = if told.broken.is_empty() { "" } else { ", as far as they can be read" };
    if u64::try_from(books.committed) != Ok(sum.micros()) {
        let found = format!("a budget with {} committed", dollars(books.committed));
        audit.tell(Severity::Error, None, None, found, format!("{sum}, the sum of the takes{how_far}"));
    }
    if let Some(limit) = books.limit.filter(|limit| books.committed > *limit) {
        let found = format!("{} committed over the limit of {}", dollars(books.committed), dollars(limit));
        audit.tell(Severity::Warning, None, None, found, "less, unless the limit was lowered later");
    }
}

fn dollars(micros: i64) -> String {
    u64::try_from(micros).map_or_else(|_| format!("{micros} millionths"), |micros| Usd::from_micros(micros).to_string())
}

fn moment(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms).map_or_else(|_| format!("{at_ms} ms"), |time| format!("{time:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Delivery, JobRef, Plan};
    use crate::shot::ProviderName;
    use crate::spec::Promise;

    fn planned() -> Event {
        let promise = Promise::ordered("seedance-2.0", None, None, true);
        Event::Planned(Plan {
            provider: ProviderName::Fal,
            endpoint: "x".into(),
            region: None,
            estimate: Usd::from_micros(500),
            fingerprint: "f".into(),
            promise: Box::new(promise),
            second_choice: false,
            follows: None,
        })
    }

    fn job(name: &str) -> JobRef {
        JobRef { request_id: name.into(), status_url: None, response_url: None, cancel_url: None }
    }

    /// A take from its plan to its bill of 700 millionths.
    fn life(request_id: &str) -> Vec<Event> {
        vec![
            planned(),
            Event::SubmitIntended { body: serde_json::Value::Null, reserved: Usd::from_micros(500) },
            Event::Submitted(job(request_id)),
            Event::Rendered { url: String::new(), charged: None, last_frame: None },
            Event::Downloaded(Delivery { sha256: String::new(), bytes: 1 }),
            Event::Charged { request_id: request_id.into(), amount: Usd::from_micros(700) },
        ]
    }

    fn records(take: &str, events: &[Event]) -> Vec<Record> {
        let record = |(seq, event): (i64, &Event)| Record {
            take: take.to_owned(),
            seq,
            at_ms: 1_764_590_400_000 + seq * 1000,
            kind: event.kind().to_owned(),
            payload: serde_json::to_string(event).expect("plain data"),
        };
        (0..).zip(events).map(record).collect()
    }

    /// `A_T01` is done and billed; `B_T01` ends at its intent, and holds a place.
    fn sound() -> Books {
        let mut books = Books { limit: Some(2000), committed: 1200, ..Books::default() };
        books.records = records("A_T01", &life("r1"));
        books.records.extend(records("B_T01", &life("r2")[..2]));
        books.requests = vec![("fal".into(), "r1".into(), "A_T01".into())];
        books.places = vec![("B_T01".into(), "key".into(), 1_764_590_400_000)];
        books
    }

    /// Bends sound books, and expects these problems, each with its take, number, and words of what was found.
    fn check(bend: impl FnOnce(&mut Books), expected: &[(Severity, Option<&str>, Option<i64>, &str)]) {
        let mut books = sound();
        bend(&mut books);
        let audit = audit(&books);
        let found = &audit.problems;
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (problem, (severity, take, number, words)) in found.iter().zip(expected) {
            assert_eq!((problem.severity, problem.take.as_deref()), (*severity, *take), "{problem:?}");
            assert_eq!(problem.number, *number, "{problem:?}");
            assert!(problem.found.contains(words), "{words:?} is not in {problem:?}");
            assert!(!problem.allowed.is_empty(), "{problem:?}");
        }
        assert_eq!(audit.is_sound(), expected.iter().all(|(severity, ..)| *severity < Severity::Error));
    }

    const WRONG: Severity = Severity::Error;
    const NOTE: Severity = Severity::Warning;

    #[test]
    fn sound_books_are_added_up() {
        check(|_| {}, &[]);
        let audit = audit(&sound());
        assert_eq!((audit.takes, audit.events), (2, 8));
        let sums = [audit.committed, audit.charged, audit.unknown].map(Usd::micros);
        assert_eq!(sums, [1200, 700, 500]);
    }

    #[test]
    fn the_order_of_the_rows_makes_no_difference() {
        check(|books| books.records.reverse(), &[]);
    }

    #[test]
    fn a_name_that_is_no_takes_is_told() {
        let rename = |books: &mut Books| {
            let of_b = books.records.iter_mut().filter(|record| record.take == "B_T01");
            of_b.for_each(|record| record.take = "B".to_owned());
            books.places.clear();
        };
        check(rename, &[(WRONG, Some("B"), None, "the name \"B\"")]);
    }

    #[test]
    fn a_number_that_is_left_out_is_told_even_where_the_rest_could_follow() {
        // The bill of A is number 6 where 5 should stand.
        check(|books| books.records[5].seq = 6, &[(WRONG, Some("A_T01"), Some(6), "number 6")]);
        check(
            |books| drop(books.records.remove(0)),
            &[
                (WRONG, Some("A_T01"), Some(1), "number 1"),
                (WRONG, Some("A_T01"), Some(1), "event SubmitIntended"),
                (WRONG, None, None, "$0.0012 committed"),
            ],
        );
    }

    #[test]
    fn a_payload_that_is_no_event_is_told_and_the_next_take_is_read() {
        check(
            |books| books.records[7].payload = "{\"kind\":\"paid\"}".to_owned(),
            &[
                (WRONG, Some("B_T01"), Some(1), "no event: unknown variant `paid`"),
                (WRONG, None, None, "$0.0012 committed"),
            ],
        );
    }

    #[test]
    fn a_kind_that_is_not_its_payloads_is_told() {
        check(
            |books| books.records[3].kind = "downloaded".to_owned(),
            &[(WRONG, Some("A_T01"), Some(3), "downloaded")],
        );
    }

    #[test]
    fn an_event_that_cannot_follow_is_told_with_the_phase() {
        let bend = |books: &mut Books| {
            let bill = books.records.remove(5);
            books.records.insert(3, Record { seq: 3, ..bill });
            books.records.remove(4);
            books.records.remove(4);
            books.committed = 1000;
        };
        check(bend, &[(WRONG, Some("A_T01"), Some(3), "event Charged")]);
        let mut books = sound();
        bend(&mut books);
        assert_eq!(audit(&books).problems[0].allowed, "an event that can follow phase rendering");
    }

    #[test]
    fn a_clock_that_was_set_back_is_a_note_with_both_times() {
        let words = "2025-12-01T11:59:59.000Z, and 2025-12-01T12:00:03.000Z";
        check(|books| books.records[4].at_ms = 1_764_590_399_000, &[(NOTE, Some("A_T01"), Some(4), words)]);
    }

    #[test]
    fn a_budget_that_is_not_the_sum_is_told() {
        check(|books| books.committed = 500, &[(WRONG, None, None, "$0.0005 committed")]);
        check(|books| books.committed = -1, &[(WRONG, None, None, "-1 millionths committed")]);
    }

    #[test]
    fn what_is_over_the_limit_is_a_note() {
        check(|books| books.limit = Some(1199), &[(NOTE, None, None, "over the limit of $0.001199")]);
    }

    #[test]
    fn requests_that_are_missing_or_too_many_or_anothers_are_told() {
        check(|books| books.requests.clear(), &[(WRONG, Some("A_T01"), Some(2), "no row of requests")]);
        check(
            |books| books.requests.push(("fal".into(), "r9".into(), "B_T01".into())),
            &[(WRONG, Some("B_T01"), None, "job r9")],
        );
        check(|books| books.requests[0].2 = "B_T01".into(), &[(WRONG, Some("A_T01"), Some(2), "to \"B_T01\"")]);
        // The same name at another provider is another job.
        check(
            |books| books.requests[0].0 = "ark".into(),
            &[
                (WRONG, Some("A_T01"), Some(2), "no row of requests for fal's job r1"),
                (WRONG, Some("A_T01"), None, "ark's job r1"),
            ],
        );
    }

    #[test]
    fn a_job_of_two_takes_is_told_at_the_second() {
        let bend = |books: &mut Books| {
            books.records.extend(records("B_T01", &life("r1")).split_off(2));
            books.places.clear();
            books.committed = 1400;
        };
        check(bend, &[(WRONG, Some("B_T01"), Some(2), "fal's job r1, which is A_T01's")]);
    }

    #[test]
    fn a_place_of_a_take_that_is_not_under_way_is_told() {
        check(|books| books.places[0].0 = "A_T01".into(), &[(WRONG, Some("A_T01"), None, "a place under a key")]);
        check(|books| books.places[0].0 = "C_T01".into(), &[(WRONG, Some("C_T01"), None, "a place under a key")]);
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let bend = |books: &mut Books| {
            books.records[1].kind = String::new();
            books.records[7].at_ms = 0;
            books.committed = 3000;
            books.requests.clear();
        };
        let expected = [
            (WRONG, Some("A_T01"), Some(1), "kind \"\""),
            (WRONG, Some("A_T01"), Some(2), "no row"),
            (NOTE, Some("B_T01"), Some(1), "1970-01-01"),
            (WRONG, None, None, "$0.003 committed"),
            (NOTE, None, None, "over the limit"),
        ];
        check(bend, &expected);
    }

    proptest::proptest! {
        #[test]
        fn no_books_panic(seq: i64, at_ms: i64, committed: i64, limit: Option<i64>, payload in ".{0,20}", which in 0_usize..8) {
            let mut books = sound();
            books.records[which] = Record { seq, at_ms, payload, ..books.records[which].clone() };
            (books.committed, books.limit) = (committed, limit);
            books.places.push(("x".into(), String::new(), at_ms));
            let _ = audit(&books);
        }
    }
}
