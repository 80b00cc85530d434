//! What one transaction reads and adds, judged in memory: many entries cost no more statements than one.

use std::collections::{HashMap, HashSet};

use seedpost_core::cost::{Budget, Reservation, Usd};
use seedpost_core::job::{Event, JobRef, Take};
use seedpost_core::shot::TakeId;
use serde_json::{Value, json};

use super::database::{Open, either};
use super::schema::VERSION;
use super::{LedgerError, Room, Row, budget, damaged, fold, milliseconds, storable, to_column};

/// How long a place is held: whoever took it may never come back, and no job takes as long.
const PLACE_LIFE_MS: u64 = 60 * 60 * 1000;

/// What is to be written for a take, as number `seq` of its events.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) id: TakeId,
    pub(super) seq: u64,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    /// An event that costs nothing.
    Event(Event),
    /// The intent to send a request of this price.
    Intent { body: Value, price: Usd, room: Option<Room> },
}

/// A take after an entry, and the money that the entry has set aside.
pub(super) type Entered = (Take, Option<Reservation>);

/// The takes, jobs and money that entries are about, as they will stand on disk.
#[derive(Debug, Clone)]
pub(super) struct Page {
    now: u64,
    budget: Budget,
    /// Takes by name, or what is wrong with them.
    takes: HashMap<String, Result<Take, String>>,
    /// Jobs that belong to a take, by provider and request id.
    claimed: HashSet<(String, String)>,
    /// Takes that are under way, their keys, and since when.
    places: Vec<(String, String, i64)>,
    events: Vec<Value>,
    requests: Vec<Value>,
    taken: Vec<Value>,
    vacated: Vec<Value>,
}

impl Page {
    /// Reads what the entries need. The transaction holds the write lock, so that it stays true.
    pub(super) async fn read(open: &mut Open<'_>, entries: &[&Entry]) -> Result<Page, sqlx::Error> {
        const PLACES: &str = "SELECT take, place_key, since_ms FROM place";
        let words = open.words();
        // First, since on a server it holds the lock.
        let row = either!(open, open => sqlx::query_as(words.budget).fetch_one(&mut **open).await)?;
        let (limit, committed, version): (Option<i64>, i64, i64) = row;
        if version > VERSION {
            let what = format!("a later program has brought it to version {version} meanwhile: it is only read");
            return Err(sqlx::Error::Protocol(what));
        }
        let now = either!(open, open => sqlx::query_scalar(words.clock).fetch_one(&mut **open).await)?;
        let places = either!(open, open => sqlx::query_as(PLACES).fetch_all(&mut **open).await)?;
        let takes = read_takes(open, entries).await?;
        let provider = |name: &String| Some(takes.get(name)?.as_ref().ok()?.plan.provider.as_str());
        let job = |entry: &&Entry| match &entry.what {
            What::Event(event) => Some(json!([provider(&entry.id.to_string())?, storable(&event.job()?.request_id)])),
            What::Intent { .. } => None,
        };
        let claimed = read_claimed(open, entries.iter().filter_map(job).collect()).await?;
        let (events, requests, taken, vacated) = <(Vec<_>, Vec<_>, Vec<_>, Vec<_>)>::default();
        Ok(Page {
            now: milliseconds(now),
            budget: budget((limit, committed)),
            takes,
            claimed,
            places,
            events,
            requests,
            taken,
            vacated,
        })
    }

    /// Adds entries, all or none of them.
    pub(super) fn add_all(&mut self, entries: Vec<Entry>) -> Result<Vec<Entered>, LedgerError> {
        // An entry that fails leaves no trace, so only those before it are to be taken back.
        let before = (entries.len() > 1).then(|| self.clone());
        let entered: Result<_, _> = entries.into_iter().map(|entry| self.add(entry)).collect();
        if let (Err(_), Some(before)) = (&entered, before) {
            *self = before;
        }
        entered
    }

    fn add(&mut self, Entry { id, seq, what }: Entry) -> Result<Entered, LedgerError> {
        let name = id.to_string();
        let before = match self.takes.get(&name) {
            Some(Err(what)) => return Err(damaged(&name, what)),
            take => take.and_then(|take| take.as_ref().ok()).cloned(),
        };
        let (length, committed) = before.as_ref().map_or((0, Usd::ZERO), |take| (take.length, take.committed));
        if length != seq {
            return Err(LedgerError::Conflict(name));
        }
        let (event, reservation, room) = match what {
            What::Event(event) => (event, None, None),
            What::Intent { body, price, room } => {
                if let Some(room) = &room {
                    has_room(&self.places, self.now, room)?;
                }
                let reservation = self.budget.clone().reserve(price)?;
                (Event::SubmitIntended { body, reserved: reservation.amount() }, Some(reservation), room)
            }
        };
        let (kind, payload) = written(&event);
        let job = event.job().cloned();
        let take = Take::apply(before, event, self.now)?;
        if let Some(job) = job {
            self.claim(&take, job, &name)?;
        }
        self.seat(&name, take.is_under_way(), room);
        self.budget.committed = self.budget.committed.plus(take.committed).minus(committed);
        self.events.push(json!([name, seq, kind, payload]));
        self.takes.insert(name, Ok(take.clone()));
        Ok((take, reservation))
    }

    /// A take holds its place for as long as it is under way.
    fn seat(&mut self, name: &str, under_way: bool, room: Option<Room>) {
        let seated = self.places.iter().position(|(take, ..)| take == name);
        match (seated, room) {
            (None, Some(room)) if under_way => {
                self.taken.push(json!([name, room.key]));
                self.places.push((name.to_owned(), room.key, column(self.now)));
            }
            (Some(seated), _) if !under_way => {
                self.places.swap_remove(seated);
                // One that was taken by the same writing need not be written.
                let taken = self.taken.len();
                self.taken.retain(|place| place[0] != name);
                if self.taken.len() == taken {
                    self.vacated.push(json!(name));
                }
            }
            _ => {}
        }
    }

    /// One paid job belongs to one take.
    fn claim(&mut self, take: &Take, job: JobRef, name: &str) -> Result<(), LedgerError> {
        let provider = take.plan.provider.as_str().to_owned();
        let request_id = storable(&job.request_id);
        let request = json!([provider, request_id, name]);
        let taken = format!("request {} belongs to another take", job.request_id);
        if !self.claimed.insert((provider, request_id)) {
            return Err(damaged(name, &taken));
        }
        self.requests.push(request);
        Ok(())
    }

    /// Writes what was added.
    pub(super) async fn write(self, open: &mut Open<'_>) -> Result<(), sqlx::Error> {
        const BUDGET: &str = "UPDATE budget SET committed_micros = $1 WHERE id = 1";
        if self.events.is_empty() {
            return Ok(());
        }
        let (words, now) = (open.words(), column(self.now));
        let events = text(self.events);
        either!(open, open => sqlx::query(words.events).bind(now).bind(events).execute(&mut **open).await.map(drop))?;
        for (list, statement) in [(self.requests, words.requests), (self.vacated, words.vacated)] {
            if !list.is_empty() {
                let list = text(list);
                either!(open, open => sqlx::query(statement).bind(list).execute(&mut **open).await.map(drop))?;
            }
        }
        if !self.taken.is_empty() {
            let list = text(self.taken);
            either!(open, open => sqlx::query(words.places).bind(now).bind(list).execute(&mut **open).await.map(drop))?;
        }
        let committed = to_column(self.budget.committed);
        either!(open, open => sqlx::query(BUDGET).bind(committed).execute(&mut **open).await.map(drop))
    }
}

/// Whether a key has room for one more take beside those that hold places.
pub(super) fn has_room(places: &[(String, String, i64)], now: u64, room: &Room) -> Result<(), LedgerError> {
    let lives = |since: i64| milliseconds(since).saturating_add(PLACE_LIFE_MS) > now;
    let held = places.iter().filter(|(_, key, since)| *key == room.key && lives(*since)).count();
    if held >= room.limit { Err(LedgerError::NoRoom(held)) } else { Ok(()) }
}

/// An event's name, and the event as JSON. Some databases take no NUL, and nobody needs one.
fn written(event: &Event) -> (String, String) {
    let mut value = serde_json::to_value(event).expect("events are plain data");
    let kind = value["kind"].as_str().unwrap_or_default().to_owned();
    plain(&mut value);
    (kind, value.to_string())
}

fn plain(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('\0') => *text = text.replace('\0', "\u{fffd}"),
        Value::Array(items) => items.iter_mut().for_each(plain),
        Value::Object(fields) => fields.values_mut().for_each(plain),
        _ => {}
    }
}

fn column(milliseconds: u64) -> i64 {
    i64::try_from(milliseconds).unwrap_or(i64::MAX)
}

async fn read_takes(
    open: &mut Open<'_>,
    entries: &[&Entry],
) -> Result<HashMap<String, Result<Take, String>>, sqlx::Error> {
    let names = text(entries.iter().map(|entry| entry.id.to_string().into()).collect());
    let statement = open.words().takes;
    let rows = either!(open, open => sqlx::query_as(statement).bind(names).fetch_all(&mut **open).await)?;
    let mut histories: HashMap<String, Vec<Row>> = HashMap::new();
    for (take, at_ms, payload) in rows {
        histories.entry(take).or_default().push((at_ms, payload));
    }
    let folded = |(name, rows)| Some((name, fold(rows).transpose()?));
    Ok(histories.into_iter().filter_map(folded).collect())
}

async fn read_claimed(open: &mut Open<'_>, jobs: Vec<Value>) -> Result<HashSet<(String, String)>, sqlx::Error> {
    if jobs.is_empty() {
        return Ok(HashSet::new());
    }
    let (jobs, statement) = (text(jobs), open.words().claimed);
    let rows: Vec<(String, String)> =
        either!(open, open => sqlx::query_as(statement).bind(jobs).fetch_all(&mut **open).await)?;
    Ok(rows.into_iter().collect())
}

fn text(list: Vec<Value>) -> String {
    Value::Array(list).to_string()
}
