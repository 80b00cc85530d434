//! The ledger on both databases: what is true of a file holds on a server, and what a server can suffer besides.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

#[path = "support/chance.rs"]
mod chance;
#[path = "support/cuttable.rs"]
mod cuttable;
#[path = "support/history.rs"]
mod history;
#[path = "support/home.rs"]
mod home;
#[path = "support/postgres.rs"]
mod postgres;

use std::collections::BTreeMap;
use std::sync::Arc;

use chance::Chance;
use cuttable::Cuttable;
use futures_util::future::join_all;
use history::{PRICE, Told, failed, job, plan, take};
use home::Home;
use postgres::Postgres;
use seedpost_core::cost::Usd;
use seedpost_core::job::{Event, FailureKind, Resolution};
use seedpost_core::shot::TakeId;
use seedpost_render::ledger::{Ledger, LedgerError, Room};
use serde_json::{Value, json};
use tokio::sync::watch;

/// Each of these tests is run on a file and on a server.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_a_file() {
                super::$name(super::Home::file()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_a_server() {
                super::$name(super::Home::server()).await;
            }
        }
    )*};
}

on_both!(
    an_event_is_added_once_and_read_as_it_was,
    only_one_of_many_programs_may_intend,
    no_two_takes_spend_the_last_dollar,
    two_takes_cannot_adopt_one_paid_job,
    the_ledger_cannot_be_rewritten,
    a_write_that_fails_spoils_none_of_those_after_it,
    entries_of_one_call_are_written_all_or_none,
    a_damaged_take_is_named_and_holds_up_no_other,
    a_key_has_room_for_so_many_takes_whoever_sends_them,
    a_place_is_freed_when_the_provider_no_longer_works_on_the_take,
    a_place_lapses_after_an_hour,
    a_ledger_serves_one_production,
    programs_that_open_a_new_ledger_at_once_make_it_once,
    an_older_ledger_is_brought_up_to_date_by_whoever_comes_first,
    a_later_programs_ledger_is_read_and_never_written,
    words_of_any_kind_are_kept,
);

async fn an_event_is_added_once_and_read_as_it_was(home: Home) {
    let ledger = home.planned(&["S1_T01", "S10_T01", "s-1_T01"]).await;
    let before = ledger.now().await.unwrap();
    let body = json!({ "prompt": "é\u{1f600}\"\\", "seed": 4_294_967_295_u32, "cfg": 0.1 });
    ledger.intend(&take("S1_T01"), 1, body.clone(), PRICE, None).await.unwrap();
    let again = ledger.append(&take("S1_T01"), 1, plan()).await;
    assert!(matches!(&again, Err(LedgerError::Conflict(name)) if name == "S1_T01"), "{again:?}");
    let skipped = ledger.append(&take("S1_T01"), 3, plan()).await;
    assert!(matches!(skipped, Err(LedgerError::Conflict(_))), "{skipped:?}");
    let illegal = ledger.append(&take("S1_T01"), 2, plan()).await;
    assert!(matches!(illegal, Err(LedgerError::Illegal(_))), "{illegal:?}");
    assert_eq!(ledger.intended(&take("S1_T01")).await.unwrap().unwrap().1, body);
    let history = ledger.history(&take("S1_T01")).await.unwrap();
    assert_eq!(history.len(), 2);
    assert!((before..before + 60_000).contains(&history[1].at_ms), "{} of {before}", history[1].at_ms);
    assert_eq!(ledger.takes().await.unwrap().len(), 3);
    assert!(ledger.take(&take("S2_T01")).await.unwrap().is_none());
}

async fn only_one_of_many_programs_may_intend(home: Home) {
    let one = home.planned(&["S1_T01"]).await;
    let (other, id) = (home.open().await, take("S1_T01"));
    let each = (0..16).map(|number| if number % 2 == 0 { &one } else { &other });
    let all = join_all(each.map(|ledger| ledger.intend(&id, 1, Value::Null, PRICE, None))).await;
    assert_eq!(all.iter().filter(|told| told.is_ok()).count(), 1);
    assert!(all.iter().all(|told| matches!(told, Ok(_) | Err(LedgerError::Conflict(_)))), "{all:?}");
    assert_eq!(one.budget().await.unwrap().committed, PRICE);
}

async fn no_two_takes_spend_the_last_dollar(home: Home) {
    let names: Vec<String> = (1..=12).map(|number| format!("S{number}_T01")).collect();
    let one = home.planned(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let other = home.open().await;
    one.set_limit(Some(Usd::from_micros(5 * PRICE.micros()))).await.unwrap();
    let ids: Vec<_> = names.iter().map(|name| take(name)).collect();
    let intends = ids.iter().enumerate().map(|(number, id)| {
        let ledger = if number % 2 == 0 { &one } else { &other };
        ledger.intend(id, 1, Value::Null, PRICE, None)
    });
    let all = join_all(intends).await;
    assert_eq!(all.iter().filter(|told| told.is_ok()).count(), 5, "{all:?}");
    assert!(all.iter().all(|told| matches!(told, Ok(_) | Err(LedgerError::OverBudget(_)))), "{all:?}");
    let budget = other.budget().await.unwrap();
    assert_eq!(Some(budget.committed), budget.limit);
}

async fn two_takes_cannot_adopt_one_paid_job(home: Home) {
    let one = home.planned(&["S1_T01", "S2_T01", "S3_T01"]).await;
    let other = home.open().await;
    let ids = ["S1_T01", "S2_T01", "S3_T01"].map(take);
    for id in &ids {
        one.intend(id, 1, Value::Null, PRICE, None).await.unwrap();
    }
    let charged = || Event::Resolved(Resolution::Charged(job("r1")));
    let (first, second) = tokio::join!(one.append(&ids[0], 2, charged()), other.append(&ids[1], 2, charged()));
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    assert!(one.append(&ids[2], 2, Event::Submitted(job("r1"))).await.is_err());
    let owner = if first.is_ok() { "S1_T01" } else { "S2_T01" };
    assert_eq!(other.owner(seedpost_core::shot::ProviderName::Fal, "r1").await.unwrap().as_deref(), Some(owner));
}

async fn the_ledger_cannot_be_rewritten(home: Home) {
    let ledger = home.planned(&["S1_T01"]).await;
    let before = ledger.books().await.unwrap().records;
    let mut statements =
        vec!["DELETE FROM event", "UPDATE event SET payload = '{}'", "UPDATE event SET at_ms = 0 WHERE seq = 0"];
    if home.is_server() {
        statements.extend(["TRUNCATE event", "DELETE FROM event WHERE false"]);
    }
    for statement in statements {
        let error = home.raw(statement).await.expect_err(statement);
        assert!(error.to_string().contains("append-only"), "{statement}: {error}");
    }
    assert_eq!(ledger.books().await.unwrap().records, before);
}

/// SQLite may roll a transaction back by itself, as on a full disk, and a server may refuse in the middle of one: then
/// nothing of it counts, whoever wrote, and the same ledger can be written to a moment later.
async fn a_write_that_fails_spoils_none_of_those_after_it(home: Home) {
    let names: Vec<String> = (1..=20).map(|number| format!("S{number}_T01")).collect();
    let ledger = home.planned(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    home.fill_up("S7_T01").await;
    let ids: Vec<_> = names.iter().map(|name| take(name)).collect();
    let all = join_all(ids.iter().map(|id| ledger.intend(id, 1, Value::Null, PRICE, None))).await;
    assert!(matches!(all[6], Err(LedgerError::Database { .. })), "{:?}", all[6]);
    for (id, told) in ids.iter().zip(&all) {
        let length = ledger.take(id).await.unwrap().unwrap().length;
        assert_eq!(length, if told.is_ok() { 2 } else { 1 }, "{id}: {told:?}");
    }
    home.make_room().await;
    for (id, _) in ids.iter().zip(&all).filter(|(_, told)| told.is_err()) {
        ledger.intend(id, 1, Value::Null, PRICE, None).await.unwrap();
    }
    assert_eq!(ledger.budget().await.unwrap().committed, Usd::from_micros(20 * PRICE.micros()));
}

/// Entries of one call stand or fall together, whatever others write in the same moment.
async fn entries_of_one_call_are_written_all_or_none(home: Home) {
    let ledger = home.planned(&["S1_T01", "S2_T01", "S3_T01"]).await;
    let ids = ["S1_T01", "S2_T01", "S3_T01"].map(take);
    let again = |number: usize, seq| (ids[number].clone(), seq, plan());
    let (all, single) = tokio::join!(
        ledger.append_all(vec![again(0, 1), again(0, 2), again(1, 7)]),
        ledger.intend(&ids[2], 1, Value::Null, PRICE, None),
    );
    assert!(matches!(all, Err(LedgerError::Conflict(name)) if name == "S2_T01"));
    assert!(single.is_ok(), "{single:?}");
    for (id, length) in ids.iter().zip([1, 1, 2]) {
        assert_eq!(ledger.take(id).await.unwrap().unwrap().length, length, "{id}");
    }
    ledger.append_all(vec![again(0, 1), again(0, 2)]).await.unwrap();
    assert_eq!(ledger.take(&ids[0]).await.unwrap().unwrap().length, 3);
}

async fn a_damaged_take_is_named_and_holds_up_no_other(home: Home) {
    let ledger = home.planned(&["S1_T01", "S2_T01", "S3_T01"]).await;
    // No JSON; and an event that cannot follow.
    home.raw("INSERT INTO event (take, seq, at_ms, kind, payload) VALUES ('S1_T01', 1, 1, 'planned', '{\"kind\":')")
        .await
        .unwrap();
    let early = r#"INSERT INTO event (take, seq, at_ms, kind, payload) VALUES ('S2_T01', 1, 1, 'downloaded', '{"kind":"downloaded","sha256":"","bytes":1}')"#;
    home.raw(early).await.unwrap();
    for name in ["S1_T01", "S2_T01"] {
        let told = ledger.take(&take(name)).await;
        assert!(matches!(&told, Err(LedgerError::Damaged { take, .. }) if take == name), "{told:?}");
        let told = ledger.intend(&take(name), 2, Value::Null, PRICE, None).await;
        assert!(matches!(&told, Err(LedgerError::Damaged { take, .. }) if take == name), "{told:?}");
    }
    assert!(matches!(ledger.takes().await, Err(LedgerError::Damaged { .. })));
    ledger.intend(&take("S3_T01"), 1, Value::Null, PRICE, None).await.unwrap();
    assert_eq!(ledger.budget().await.unwrap().committed, PRICE);
    assert_eq!(ledger.books().await.unwrap().records.len(), 6, "what is damaged is told as it stands");
}

fn room(key: &str, limit: usize) -> Option<Room> {
    Some(Room { key: key.to_owned(), limit })
}

async fn a_key_has_room_for_so_many_takes_whoever_sends_them(home: Home) {
    let names: Vec<String> = (1..=9).map(|number| format!("S{number}_T01")).collect();
    let one = home.planned(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let (other, ids) = (home.open().await, names.iter().map(|name| take(name)).collect::<Vec<_>>());
    let intends = ids[..6].iter().enumerate().map(|(number, id)| {
        let ledger = if number % 2 == 0 { &one } else { &other };
        ledger.intend(id, 1, Value::Null, PRICE, room("a", 4))
    });
    let all = join_all(intends).await;
    assert_eq!(all.iter().filter(|told| told.is_ok()).count(), 4, "{all:?}");
    assert!(all.iter().all(|told| matches!(told, Ok(_) | Err(LedgerError::NoRoom(4)))), "{all:?}");
    for (id, told) in ids.iter().zip(&all) {
        let length = one.take(id).await.unwrap().unwrap().length;
        assert_eq!(length, if told.is_ok() { 2 } else { 1 }, "what has no room leaves no trace");
    }
    assert_eq!(one.budget().await.unwrap().committed, Usd::from_micros(4 * PRICE.micros()));
    // Another key has room of its own, who names none needs none, and a smaller limit is not less than none.
    other.intend(&ids[6], 1, Value::Null, PRICE, room("b", 1)).await.unwrap();
    other.intend(&ids[7], 1, Value::Null, PRICE, None).await.unwrap();
    let told = one.intend(&ids[8], 1, Value::Null, PRICE, room("a", 1)).await;
    assert!(matches!(told, Err(LedgerError::NoRoom(_))), "{told:?}");
    assert_eq!(home.places(&one).await.len(), 5);
}

async fn a_place_is_freed_when_the_provider_no_longer_works_on_the_take(home: Home) {
    let rendered = Event::Rendered { url: "u".into(), charged: None, last_frame: None };
    let ends: [(&str, Vec<(Event, bool)>); 7] = [
        ("S1_T01", vec![(Event::Submitted(job("r1")), true), (rendered, false)]),
        (
            "S2_T01",
            vec![(Event::Submitted(job("r2")), true), (Event::RenderFailed(failed(FailureKind::Moderated)), false)],
        ),
        ("S3_T01", vec![(Event::SubmitRefused(failed(FailureKind::Account)), false)]),
        ("S4_T01", vec![(Event::SubmitDeferred { reason: String::new(), wait_ms: 5 }, false)]),
        (
            "S5_T01",
            vec![
                (Event::SubmitUnknown { reason: String::new() }, true),
                (Event::Resolved(Resolution::NotCharged), false),
            ],
        ),
        (
            "S6_T01",
            vec![
                (Event::Resolved(Resolution::Charged(job("r6"))), true),
                (Event::Resolved(Resolution::GivenUp), false),
            ],
        ),
        ("S7_T01", vec![(Event::Resolved(Resolution::GivenUp), false)]),
    ];
    let ledger = home.planned(&ends.each_ref().map(|(name, _)| *name)).await;
    for (name, events) in ends {
        let id = take(name);
        ledger.intend(&id, 1, Value::Null, PRICE, room("a", 1)).await.unwrap();
        for (seq, (event, holds)) in (2..).zip(events) {
            ledger.append(&id, seq, event.clone()).await.unwrap();
            let held = home.places(&ledger).await;
            assert_eq!(held, if holds { vec![(name.to_owned(), "a".to_owned())] } else { vec![] }, "{name} {event:?}");
        }
    }
    // Taken and freed by one writing.
    let id = take("S4_T01");
    ledger.intend(&id, 3, Value::Null, PRICE, room("a", 1)).await.unwrap();
    let refused = Event::SubmitRefused(failed(FailureKind::FixShot));
    ledger.append_all(vec![(id.clone(), 4, refused), (id, 5, plan())]).await.unwrap();
    assert!(home.places(&ledger).await.is_empty());
}

async fn a_place_lapses_after_an_hour(home: Home) {
    const HOUR_MS: u64 = 60 * 60 * 1000;
    let ledger = home.planned(&["S1_T01", "S2_T01", "S3_T01"]).await;
    let ids = ["S1_T01", "S2_T01", "S3_T01"].map(take);
    ledger.intend(&ids[0], 1, Value::Null, PRICE, room("a", 1)).await.unwrap();
    home.raw(&format!("UPDATE place SET since_ms = since_ms - {}", HOUR_MS - 60_000)).await.unwrap();
    let told = ledger.intend(&ids[1], 1, Value::Null, PRICE, room("a", 1)).await;
    assert!(matches!(told, Err(LedgerError::NoRoom(1))), "{told:?}");
    home.raw("UPDATE place SET since_ms = since_ms - 60000").await.unwrap();
    ledger.intend(&ids[1], 1, Value::Null, PRICE, room("a", 1)).await.unwrap();
    let told = ledger.intend(&ids[2], 1, Value::Null, PRICE, room("a", 1)).await;
    assert!(matches!(told, Err(LedgerError::NoRoom(1))), "{told:?}");
}

async fn a_ledger_serves_one_production(home: Home) {
    let (one, other) = (home.open().await, home.open().await);
    assert_eq!(one.production().await.unwrap(), None);
    let (first, second) = tokio::join!(one.keep_for("Küche 'um' sieben"), other.keep_for("Other"));
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    let (kept, refused) = if first.is_ok() { ("Küche 'um' sieben", "Other") } else { ("Other", "Küche 'um' sieben") };
    let again = home.open().await;
    again.keep_for(kept).await.unwrap();
    let told = again.keep_for(refused).await;
    assert!(matches!(&told, Err(LedgerError::OtherProduction { found, .. }) if found == kept), "{told:?}");
    assert_eq!(again.production().await.unwrap().map(|(title, _)| title).as_deref(), Some(kept));
}

async fn programs_that_open_a_new_ledger_at_once_make_it_once(home: Home) {
    let (ledgers, id) = (join_all((0..8).map(|_| home.open())).await, take("S1_T01"));
    let all = join_all(ledgers.iter().map(|ledger| ledger.append(&id, 0, plan()))).await;
    assert_eq!(all.iter().filter(|told| told.is_ok()).count(), 1, "{all:?}");
    for ledger in &ledgers {
        assert_eq!(ledger.takes().await.unwrap().len(), 1);
    }
}

/// As the program's first version left it: without places.
async fn an_older_ledger_is_brought_up_to_date_by_whoever_comes_first(home: Home) {
    let ledger = home.planned(&["S1_T01"]).await;
    ledger.intend(&take("S1_T01"), 1, Value::Null, PRICE, None).await.unwrap();
    let before = ledger.books().await.unwrap();
    drop(ledger);
    home.age().await;
    let ledgers = join_all((0..8).map(|_| home.open())).await;
    for ledger in &ledgers {
        let books = ledger.books().await.unwrap();
        assert_eq!((books.records, books.committed), (before.records.clone(), before.committed));
    }
    ledgers[3].append(&take("S1_T01"), 2, Event::Submitted(job("r"))).await.unwrap();
    ledgers[5].keep_for("T").await.unwrap();
}

async fn a_later_programs_ledger_is_read_and_never_written(home: Home) {
    let ledger = home.planned(&["S1_T01"]).await;
    ledger.keep_for("T").await.unwrap();
    let before = ledger.books().await.unwrap();
    home.outdate().await;
    let told = ledger.append(&take("S1_T01"), 1, plan()).await;
    assert!(told.is_err_and(|error| error.to_string().contains("99")), "it was brought to that version meanwhile");
    drop(ledger);
    let ledger = home.open().await;
    assert_eq!(ledger.takes().await.unwrap().len(), 1);
    assert_eq!(ledger.production().await.unwrap().map(|(title, _)| title).as_deref(), Some("T"));
    let id = take("S1_T01");
    let told = [
        ledger.append(&id, 1, plan()).await.map(drop),
        ledger.append_all(vec![(id.clone(), 1, plan())]).await,
        ledger.intend(&id, 1, Value::Null, PRICE, None).await.map(drop),
        ledger.set_limit(Some(PRICE)).await,
        ledger.keep_for("T").await.map(drop),
    ];
    for told in told {
        assert!(matches!(told, Err(LedgerError::Newer { found: 99, .. })), "{told:?}");
    }
    let after = ledger.books().await.unwrap();
    assert_eq!((after.records, after.limit, after.committed), (before.records, before.limit, before.committed));
}

/// What a provider says goes into the record, whatever it is.
async fn words_of_any_kind_are_kept(home: Home) {
    let words =
        ["nul \0 nul", "\u{1}\u{7f}\u{ffff}\u{10ffff}", "'; DROP TABLE event; --", "$1 {} \\u0000 \\", "e\u{301}"];
    let names: Vec<String> = (1..=words.len()).map(|number| format!("S{number}_T01")).collect();
    let ledger = home.planned(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for (name, words) in names.iter().zip(words) {
        let id = take(name);
        ledger.intend(&id, 1, json!({ "prompt": words }), PRICE, None).await.unwrap();
        ledger.append(&id, 2, Event::SubmitUnknown { reason: words.to_owned() }).await.unwrap();
        ledger.append(&id, 3, Event::Resolved(Resolution::Charged(job(words)))).await.unwrap();
        // But for a NUL, which a server's columns do not hold.
        let kept = words.replace('\0', "\u{fffd}");
        assert_eq!(ledger.intended(&id).await.unwrap().unwrap().1["prompt"], *kept);
        let owner = ledger.owner(seedpost_core::shot::ProviderName::Fal, words).await.unwrap();
        assert_eq!(owner.as_deref(), Some(name.as_str()), "{words:?}");
        let job = ledger.take(&id).await.unwrap().unwrap().job.unwrap();
        assert_eq!(job.request_id, kept);
    }
    ledger.keep_for("a\0b").await.unwrap();
    ledger.keep_for("a\0b").await.unwrap();
}

/// Thousands of wishes, possible and impossible, at both: each is answered alike, and the books are the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_and_a_server_keep_the_same_books() {
    let names = ["S1_T01", "S10_T01", "S2_T01", "s1_T01", "S-1_T01", "S_1_T01", "a.b_T01", "B_T01"];
    let (file, server) = (Home::file(), Home::server());
    let ledgers = [file.open().await, server.open().await];
    let mut chance = Chance::seeded();
    let limit = Some(Usd::from_micros(7 * PRICE.micros()));
    join_all(ledgers.iter().map(|ledger| ledger.set_limit(limit))).await;
    let mut told: BTreeMap<Told, usize> = BTreeMap::new();
    for number in 0..10_000 {
        if number > 1000 && told.len() == 6 {
            break;
        }
        let id = take(names[chance.below(names.len())]);
        let length = ledgers[0].take(&id).await.unwrap().map_or(0, |take| take.length);
        // Mostly the next number, at times one that is taken or not yet due.
        let seq =
            (length + [0, 0, 0, 0, 0, 0, 1][chance.below(7)]).saturating_sub([0, 0, 0, 0, 0, 0, 0, 1][chance.below(8)]);
        let wish = history::wish(&mut chance);
        let answers = join_all(ledgers.iter().map(|ledger| wish.clone().write(ledger, &id, seq))).await;
        assert_eq!(answers[0], answers[1], "{id} {seq} {wish:?}");
        *told.entry(answers[0]).or_default() += 1;
    }
    println!("{told:?}");
    assert_eq!(told.len(), 6, "every kind of answer came: {told:?}");
    let [mut one, mut other] = [ledgers[0].books().await.unwrap(), ledgers[1].books().await.unwrap()];
    for books in [&mut one, &mut other] {
        books.records.iter_mut().for_each(|record| record.at_ms = 0);
        books.places.iter_mut().for_each(|(_, _, since)| *since = 0);
    }
    let other_than = one.records.iter().zip(&other.records).find(|(one, other)| one != other);
    assert_eq!((other_than, one.records.len()), (None, other.records.len()));
    assert_eq!(one.requests, other.requests);
    assert_eq!(one.places, other.places);
    assert_eq!((one.limit, one.committed), (other.limit, other.committed));
    let takes = ledgers[1].takes().await.unwrap();
    let sum: u64 = takes.values().map(|take| take.committed.micros()).sum();
    assert_eq!(i64::try_from(sum).unwrap(), other.committed, "the budget is the sum of the takes");
    let away: Vec<String> =
        takes.iter().filter(|(_, take)| take.is_under_way()).map(|(id, _)| id.to_string()).collect();
    assert!(other.places.iter().all(|(take, ..)| away.contains(take)), "{:?} {away:?}", other.places);
}

/// What was said to be written is there after a power cut of the server; ledgers that were open go on by themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_before_the_server_died_is_there_when_it_is_back() {
    let postgres = Arc::new(Postgres::start());
    let url = postgres.url();
    let ledgers = Arc::new([Ledger::connect(&url).await.unwrap(), Ledger::connect(&url).await.unwrap()]);
    let count = Arc::new(watch::Sender::new(0));
    let (stop, stopped) = watch::channel(false);
    let writers: Vec<_> =
        (0..6).map(|writer| tokio::spawn(write_on(ledgers.clone(), writer, count.clone(), stopped.clone()))).collect();
    let mut counted = count.subscribe();
    for round in 1..=3 {
        counted.wait_for(|count| *count > round * 150).await.unwrap();
        let server = postgres.clone();
        let again = move || (server.kill(), server.restart());
        tokio::task::spawn_blocking(again).await.unwrap();
        ledgers[0].now().await.unwrap();
    }
    let before = *counted.borrow();
    counted.wait_for(|count| *count > before + 50).await.unwrap();
    stop.send(true).unwrap();
    let ends: Vec<_> = join_all(writers).await.into_iter().map(Result::unwrap).collect();
    let takes = ledgers[0].takes().await.unwrap();
    let written = |id: &TakeId| takes.get(id).is_some_and(|take| take.length == 2);
    let (told, lost): (Vec<_>, Vec<_>) = ends.into_iter().unzip();
    let (told, lost) = (told.concat(), lost.concat());
    for id in &told {
        assert!(written(id), "{id} was said to be written");
    }
    let unsaid = lost.iter().filter(|id| written(id)).count();
    println!("{} were said to be written, {} were not, of which {unsaid} are there", told.len(), lost.len());
    assert!(!lost.is_empty() && lost.len() <= 3 * 6, "each of six writers is interrupted once by each of three ends");
    let sum: u64 = takes.values().map(|take| take.committed.micros()).sum();
    assert_eq!(ledgers[1].budget().await.unwrap().committed.micros(), sum);
    assert_eq!(sum, ((told.len() + unsaid) as u64) * PRICE.micros());
}

/// Plans take after take and sets money aside; answers which were said to be written, and which were not.
async fn write_on(
    ledgers: Arc<[Ledger; 2]>,
    writer: usize,
    count: Arc<watch::Sender<usize>>,
    stopped: watch::Receiver<bool>,
) -> (Vec<TakeId>, Vec<TakeId>) {
    let (mut told, mut lost) = (Vec::new(), Vec::new());
    for number in 0.. {
        let (ledger, id) = (&ledgers[number % 2], take(&format!("S{writer}_{number}_T01")));
        let entered = async {
            ledger.append(&id, 0, plan()).await?;
            ledger.intend(&id, 1, Value::Null, PRICE, None).await
        };
        match entered.await {
            Ok(_) => told.push(id),
            Err(LedgerError::Database { .. }) => lost.push(id),
            Err(error) => panic!("{error}"),
        }
        count.send_modify(|count| *count += 1);
        if *stopped.borrow() {
            break;
        }
    }
    (told, lost)
}

/// Such a server could have forgotten what was paid.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_wait_for_its_disk_is_refused() {
    let postgres = Postgres::start();
    let url = postgres.url();
    Ledger::connect(&url).await.unwrap();
    postgres.sql(&url, "ALTER SYSTEM SET fsync = off");
    postgres.kill();
    postgres.restart();
    let told = Ledger::connect(&url).await.map(drop);
    assert!(matches!(told, Err(LedgerError::Unsafe(_))), "{told:?}");
}

/// One that was frozen in the middle of its writing holds the lock for all: the server ends it, and the others go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_freezes_while_it_writes_does_not_hold_up_the_others() {
    let postgres = Postgres::shared();
    let (url, line) = (postgres.url(), Arc::new(Cuttable::to(postgres.port)));
    let other = Ledger::connect(&url).await.unwrap();
    let frozen = Arc::new(Ledger::connect(&line.address(&url)).await.unwrap());
    for name in ["S1_T01", "S2_T01"] {
        other.append(&take(name), 0, plan()).await.unwrap();
    }
    // The budget's row is locked by then.
    line.stall_before("clock_timestamp");
    let writer = frozen.clone();
    let writing = tokio::spawn(async move { writer.intend(&take("S1_T01"), 1, Value::Null, PRICE, None).await });
    let waiting = line.clone();
    assert!(
        tokio::task::spawn_blocking(move || waiting.wait_until_stalled()).await.unwrap(),
        "it never came to the lock"
    );
    let holds =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'";
    assert_eq!(postgres.sql(&url, holds), "1", "it holds the lock");
    other.intend(&take("S2_T01"), 1, Value::Null, PRICE, None).await.unwrap();
    assert_eq!(postgres.sql(&url, holds), "0", "the server has ended it");
    line.heal();
    let told = writing.await.unwrap();
    assert!(matches!(told, Err(LedgerError::Database { .. })), "{told:?}");
    assert_eq!(other.take(&take("S1_T01")).await.unwrap().unwrap().length, 1);
    // It comes to itself and goes on.
    frozen.intend(&take("S1_T01"), 1, Value::Null, PRICE, None).await.unwrap();
    assert_eq!(other.budget().await.unwrap().committed, Usd::from_micros(2 * PRICE.micros()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_breaks_loses_nothing_and_comes_back() {
    let postgres = Postgres::shared();
    let (url, line) = (postgres.url(), Cuttable::to(postgres.port));
    let ledger = Ledger::connect(&line.address(&url)).await.unwrap();
    ledger.append(&take("S1_T01"), 0, plan()).await.unwrap();
    line.cut();
    let told = ledger.intend(&take("S1_T01"), 1, Value::Null, PRICE, None).await;
    assert!(matches!(told, Err(LedgerError::Database { .. })), "{told:?}");
    line.heal();
    ledger.intend(&take("S1_T01"), 1, Value::Null, PRICE, None).await.unwrap();
    assert_eq!(ledger.budget().await.unwrap().committed, PRICE);
}

/// A password stands in no message, whatever goes wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_holds_the_password() {
    const PASSWORD: &str = "tell-nobody-4711";
    let postgres = Postgres::shared();
    let url = postgres.url();
    postgres.sql(&url, "CREATE ROLE guarded LOGIN PASSWORD 'another'");
    let port = postgres.port;
    let addresses = [
        format!("postgres://guarded:{PASSWORD}@127.0.0.1:{port}/postgres"),
        format!("postgres://seedpost:{PASSWORD}@127.0.0.1:9/postgres"),
        format!("postgres://seedpost:{PASSWORD}@127.0.0.1:{port}/missing"),
        format!("postgres://seedpost:{PASSWORD}@127.0.0.1:{port}/postgres?options=-csearch_path%3Dmissing"),
        format!("postgres://seedpost:{PASSWORD}@127.0.0.1:port/postgres"),
        format!("postgres://seedpost:{PASSWORD}@127.0.0.1:{port}/postgres?sslmode=never"),
        format!("postgres://seedpost:{PASSWORD}@[::bad/postgres"),
        format!("postgres://127.0.0.1:{port}/missing?user=guarded&password={PASSWORD}"),
        format!("mysql://seedpost:{PASSWORD}@127.0.0.1/postgres"),
        format!("postgres://seedpost:{PASSWORD}@127.0.0.1:{port}/postgres?sslmode=require"),
    ];
    for address in addresses {
        let told = Ledger::connect(&address).await.map(drop).expect_err(&address);
        let words = format!("{told} {told:?}");
        println!("{told}");
        assert!(!words.contains(PASSWORD), "{address}: {words}");
    }
    let line = Cuttable::to(port);
    let address = line.address(&url).replace("seedpost@", &format!("seedpost:{PASSWORD}@"));
    let ledger = Ledger::connect(&address).await.unwrap();
    assert!(!format!("{} {ledger:?}", ledger.place()).contains(PASSWORD), "{ledger:?}");
    line.cut();
    let told = ledger.append(&take("S1_T01"), 0, plan()).await.expect_err("the line is cut");
    assert!(!format!("{told} {told:?}").contains(PASSWORD), "{told:?}");
}

/// A server may serve several productions, each in a schema of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_is_a_ledger_of_its_own() {
    let postgres = Postgres::shared();
    let url = postgres.url();
    let schema = |name: &str| format!("{url}?options=-csearch_path%3D{name}");
    let told = Ledger::connect(&schema("kitchen")).await.map(drop);
    assert!(matches!(&told, Err(LedgerError::Address(words)) if words.contains("CREATE SCHEMA")), "{told:?}");
    postgres.sql(&url, "CREATE SCHEMA kitchen; CREATE SCHEMA harbour");
    let [kitchen, harbour] =
        [Ledger::connect(&schema("kitchen")).await.unwrap(), Ledger::connect(&schema("harbour")).await.unwrap()];
    for (ledger, title) in [(&kitchen, "Kitchen"), (&harbour, "Harbour")] {
        ledger.keep_for(title).await.unwrap();
    }
    kitchen.append(&take("S1_T01"), 0, plan()).await.unwrap();
    kitchen.intend(&take("S1_T01"), 1, Value::Null, PRICE, None).await.unwrap();
    assert!(harbour.takes().await.unwrap().is_empty());
    assert_eq!(harbour.budget().await.unwrap().committed, Usd::ZERO);
    let error = postgres.try_sql(&url, "TRUNCATE kitchen.event").expect_err("append-only");
    assert!(error.contains("append-only"), "{error}");
}
