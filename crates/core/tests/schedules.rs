//! Every interleaving of workers over one take: whatever crashes, freezes, is lost, refused or listed late, the provider
//! takes at most one request that counts.
//!
//! The workers are a model; what they decide is decided by the real `Take::apply` and `next_step`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

use std::collections::HashMap;

use proptest::prelude::*;
use seedpost_core::cost::{Budget, Usd};
use seedpost_core::job::{
    Delivery, Event, Failure, FailureKind, JobRef, Phase, Plan, PollPace, Resolution, Step, Take, next_step,
};
use seedpost_core::shot::ProviderName;
use seedpost_core::spec::Promise;

const PRICE: Usd = Usd::from_micros(5);

/// What can be written, small enough to be compared. Jobs are numbered as they were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Entry {
    Planned,
    Intended,
    Deferred,
    Submitted(u8),
    Refused,
    Unknown,
    Rendered,
    Failed,
    Downloaded,
    Adopted(u8),
    NotCharged,
}

impl Entry {
    fn event(self) -> Event {
        let text = String::new;
        let job = |number: u8| JobRef {
            request_id: number.to_string(),
            status_url: None,
            response_url: None,
            cancel_url: None,
        };
        let free = || Failure::free(FailureKind::TryAgain, "");
        match self {
            Entry::Planned => Event::Planned(Plan {
                provider: ProviderName::Simulator,
                endpoint: text(),
                region: None,
                estimate: PRICE,
                fingerprint: text(),
                promise: Box::new(Promise::ordered("seedance-2.0", None, None, true)),
                second_choice: false,
                follows: None,
            }),
            Entry::Intended => Event::SubmitIntended { body: serde_json::Value::Null, reserved: PRICE },
            Entry::Deferred => Event::SubmitDeferred { reason: text(), wait_ms: 0 },
            Entry::Submitted(number) => Event::Submitted(job(number)),
            Entry::Refused => Event::SubmitRefused(free()),
            Entry::Unknown => Event::SubmitUnknown { reason: text() },
            Entry::Rendered => Event::Rendered { url: text(), charged: None, last_frame: None },
            Entry::Failed => Event::RenderFailed(free()),
            Entry::Downloaded => Event::Downloaded(Delivery { sha256: text(), bytes: 1 }),
            Entry::Adopted(number) => Event::Resolved(Resolution::Charged(job(number))),
            Entry::NotCharged => Event::Resolved(Resolution::NotCharged),
        }
    }
}

/// A history of the take, by its number.
type History = u32;

struct Node {
    before: Option<History>,
    entry: Entry,
    take: Take,
}

/// Every history that came up, each folded once.
struct Histories {
    nodes: Vec<Node>,
    next: HashMap<(History, Entry), Option<History>>,
}

impl Histories {
    fn new() -> Histories {
        let take = Take::apply(None, Entry::Planned.event(), 0).unwrap();
        Histories { nodes: vec![Node { before: None, entry: Entry::Planned, take }], next: HashMap::new() }
    }

    fn take(&self, history: History) -> &Take {
        &self.nodes[history as usize].take
    }

    /// The history that an entry makes of one; nothing where it cannot follow.
    fn after(&mut self, history: History, entry: Entry) -> Option<History> {
        if let Some(known) = self.next.get(&(history, entry)) {
            return *known;
        }
        let take = Take::apply(Some(self.take(history).clone()), entry.event(), 0).ok();
        let number = History::try_from(self.nodes.len()).unwrap();
        let made = take.map(|take| self.nodes.push(Node { before: Some(history), entry, take })).map(|()| number);
        self.next.insert((history, entry), made);
        made
    }

    /// What somebody may have read who looks no later than now.
    fn readings(&self, history: History) -> Vec<History> {
        std::iter::successors(Some(history), |history| self.nodes[*history as usize].before).collect()
    }

    /// The last intent of a history, as the history that ends with it.
    fn intent(&self, history: History) -> Option<History> {
        self.readings(history).into_iter().find(|history| self.nodes[*history as usize].entry == Entry::Intended)
    }

    /// Whether a job belongs to the take already.
    fn owns(&self, history: History, job: u8) -> bool {
        let named = |entry: Entry| entry == Entry::Submitted(job) || entry == Entry::Adopted(job);
        self.readings(history).into_iter().any(|history| named(self.nodes[history as usize].entry))
    }
}

/// Where a request is that has left its worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    /// Between the worker and the provider.
    OnItsWay,
    Lost,
    Refused,
    Taken {
        listed: bool,
        ended: Option<bool>,
    },
}

impl Place {
    /// Whether it may cost something, as far as anybody but the provider knows.
    fn counts(self) -> bool {
        !matches!(self, Place::Refused | Place::Taken { ended: Some(false), .. })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Sent {
    /// The history whose last entry is its intent.
    intent: History,
    place: Place,
}

/// What a worker knows and does next. Between any two steps it may be frozen for as long as may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Worker {
    /// It knows nothing: it reads.
    Fresh,
    /// It has read, and does the next step of what it has read.
    Knows(History),
    /// Its intent is on disk: it sends.
    Sends(History),
    /// It waits for the answer to what it sent.
    Waits(History, u8),
    /// It writes that the provider has taken its request.
    Submitted(History, u8),
    /// It writes something else, by its number in [`TOLD`].
    Tells(History, usize),
    /// It writes that the job is the take's, as it found it.
    Adopts(History, u8),
    /// Somebody wrote before its job's name was: it reads.
    Keeps(u8),
}

const TOLD: [Entry; 7] = [
    Entry::Deferred,
    Entry::Refused,
    Entry::Unknown,
    Entry::Rendered,
    Entry::Failed,
    Entry::Downloaded,
    Entry::NotCharged,
];

fn tells(history: History, entry: Entry) -> Worker {
    Worker::Tells(history, TOLD.iter().position(|told| *told == entry).unwrap())
}

/// What is broken on purpose, to see that it is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broken {
    Nothing,
    /// The ledger takes two events of one number, each judged by what its writer has read.
    NoKey,
    /// That a job is not in the list counts as proof that it was not taken.
    NoneIsProof,
    /// Whoever was frozen before it sent sends all the same.
    NoHaste,
    /// Requests carry no mark of their intent.
    NoMark,
    /// A job whose name could not be written is kept for whatever attempt is open by then.
    KeptForAny,
}

/// Everything there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    ledger: History,
    workers: Vec<Worker>,
    sent: Vec<Sent>,
    crashes: u8,
    faults: u8,
    /// How often a person may say that nothing was charged.
    people: u8,
}

impl World {
    fn new(workers: usize, crashes: u8, faults: u8) -> World {
        World { ledger: 0, workers: vec![Worker::Fresh; workers], sent: Vec::new(), crashes, faults, people: 0 }
    }

    fn with_sent(&self, number: usize, place: Place) -> World {
        let mut world = self.clone();
        world.sent[number].place = place;
        world
    }

    fn faulty(mut self) -> Option<World> {
        self.faults = self.faults.checked_sub(1)?;
        Some(self)
    }
}

struct Model {
    histories: Histories,
    broken: Broken,
}

impl Model {
    fn new(broken: Broken) -> Model {
        Model { histories: Histories::new(), broken }
    }

    /// Every world that one step makes of this one.
    fn steps(&mut self, world: &World) -> Vec<World> {
        let mut next = Vec::new();
        for number in 0..world.workers.len() {
            for (mut after, worker) in self.work(world, world.workers[number]) {
                after.workers[number] = worker;
                next.push(after);
            }
            if world.workers[number] != Worker::Fresh && world.crashes > 0 {
                let mut crashed = world.clone();
                crashed.crashes -= 1;
                crashed.workers[number] = Worker::Fresh;
                next.push(crashed);
            }
        }
        provide(world, &mut next);
        next.extend(self.settle(world));
        // Workers are alike: which is which makes no difference.
        next.iter_mut().for_each(|world| world.workers.sort_unstable());
        next.retain(|after| after != world);
        next
    }

    fn work(&mut self, world: &World, worker: Worker) -> Vec<(World, Worker)> {
        let same = || world.clone();
        match worker {
            Worker::Fresh => {
                let readings = self.histories.readings(world.ledger);
                readings.into_iter().map(|history| (same(), Worker::Knows(history))).collect()
            }
            Worker::Knows(history) => self.step(world, history),
            Worker::Sends(history) => {
                let mut sent = same();
                sent.sent.push(Sent { intent: history, place: Place::OnItsWay });
                let number = u8::try_from(world.sent.len()).unwrap();
                // It provably did not leave this machine.
                let not_sent = same().faulty().map(|world| (world, tells(history, Entry::Deferred)));
                [Some((sent, Worker::Waits(history, number))), not_sent].into_iter().flatten().collect()
            }
            Worker::Waits(history, number) => {
                let answer = match world.sent[usize::from(number)].place {
                    Place::Taken { .. } => Some((same(), Worker::Submitted(history, number))),
                    Place::Refused => Some((same(), tells(history, Entry::Refused))),
                    Place::OnItsWay | Place::Lost => None,
                };
                // It waits no longer, or the reply is lost; the request may still arrive.
                let late = same().faulty().map(|world| (world, tells(history, Entry::Unknown)));
                answer.into_iter().chain(late).collect()
            }
            Worker::Submitted(history, number) => {
                vec![self.append(world, history, Entry::Submitted(number), Worker::Keeps(number), Worker::Knows)]
            }
            Worker::Adopts(history, number) => {
                vec![self.append(world, history, Entry::Adopted(number), Worker::Fresh, Worker::Knows)]
            }
            Worker::Tells(history, number) => {
                vec![self.append(world, history, TOLD[number], Worker::Fresh, Worker::Knows)]
            }
            Worker::Keeps(number) => {
                let keep = |history: History| {
                    let take = self.histories.take(history);
                    let own = Some(world.sent[usize::from(number)].intent) == self.histories.intent(history);
                    let is_open = own || self.broken == Broken::KeptForAny;
                    match &take.phase {
                        _ if take.job.as_ref().is_some_and(|job| job.request_id == number.to_string()) => {
                            Worker::Knows(history)
                        }
                        Phase::ChargeUnknown { .. } | Phase::Running { .. } if is_open && take.job.is_none() => {
                            Worker::Adopts(history, number)
                        }
                        _ => Worker::Fresh,
                    }
                };
                self.histories.readings(world.ledger).into_iter().map(|history| (same(), keep(history))).collect()
            }
        }
    }

    /// The next step of what was read.
    fn step(&mut self, world: &World, history: History) -> Vec<(World, Worker)> {
        let take = self.histories.take(history).clone();
        let rest = |worker| vec![(world.clone(), worker)];
        match next_step(&take, u64::MAX, PollPace { least_ms: 1, most_ms: 1 }) {
            Step::Submit { .. } => {
                vec![self.append(world, history, Entry::Intended, Worker::Fresh, Worker::Sends)]
            }
            Step::Poll { job, .. } => match world.sent[job.request_id.parse::<usize>().unwrap()].place {
                Place::Taken { ended: Some(true), .. } => rest(tells(history, Entry::Rendered)),
                Place::Taken { ended: Some(false), .. } => rest(tells(history, Entry::Failed)),
                _ => Vec::new(),
            },
            Step::Download { .. } => rest(tells(history, Entry::Downloaded)),
            Step::Rest => match &take.phase {
                Phase::ChargeUnknown { .. } => rest(self.look(world, history)),
                // The user runs it again.
                Phase::Failed(failure) if !failure.owed && take.is_closed() => {
                    vec![self.append(world, history, Entry::Planned, Worker::Fresh, Worker::Knows)]
                }
                _ => Vec::new(),
            },
        }
    }

    /// Looks into the provider's list: the one job there that has the mark of the last intent, and is nobody's, is the
    /// take's.
    fn look(&self, world: &World, history: History) -> Worker {
        let is_listed = |place| matches!(place, Place::Taken { listed: true, .. });
        let intent = self.histories.intent(history);
        let free = |number: &u8| {
            let sent = world.sent[usize::from(*number)];
            let is_marked = self.broken == Broken::NoMark || Some(sent.intent) == intent;
            is_marked && is_listed(sent.place) && !self.histories.owns(world.ledger, *number)
        };
        let jobs: Vec<u8> = (0..u8::try_from(world.sent.len()).unwrap()).filter(free).collect();
        match jobs.as_slice() {
            [job] => Worker::Adopts(history, *job),
            [] if self.broken == Broken::NoneIsProof => tells(history, Entry::NotCharged),
            _ => Worker::Fresh,
        }
    }

    /// Appends an entry after a history that was read, if that is still all that stands there.
    fn append(
        &mut self,
        world: &World,
        read: History,
        entry: Entry,
        else_be: Worker,
        then_be: fn(History) -> Worker,
    ) -> (World, Worker) {
        let mut after = world.clone();
        let judged = if self.broken == Broken::NoKey { read } else { world.ledger };
        let allowed = entry != Entry::Intended || {
            let mut budget = Budget { limit: Some(PRICE), committed: self.histories.take(judged).committed };
            budget.reserve(PRICE).is_ok()
        };
        let claimed = match entry {
            Entry::Submitted(job) | Entry::Adopted(job) => self.histories.owns(world.ledger, job),
            _ => false,
        };
        let made = if judged == read && allowed && !claimed { self.histories.after(read, entry) } else { None };
        match made {
            Some(made) => {
                after.ledger = if world.ledger == read { made } else { world.ledger };
                (after, then_be(made))
            }
            None => (after, else_be),
        }
    }

    /// A person has waited, has seen at the provider that nothing was taken, and says so. A worker that has not sent by
    /// then is late, and notices that before it sends.
    fn settle(&mut self, world: &World) -> Option<World> {
        let mut after = world.clone();
        after.people = world.people.checked_sub(1)?;
        let is_open = matches!(self.histories.take(world.ledger).phase, Phase::ChargeUnknown { .. });
        if !is_open || world.sent.iter().any(|sent| sent.place.counts() && sent.place != Place::Lost) {
            return None;
        }
        after.ledger = self.histories.after(world.ledger, Entry::NotCharged)?;
        after.sent.iter_mut().filter(|sent| sent.place == Place::Lost).for_each(|sent| sent.place = Place::Refused);
        for worker in after.workers.iter_mut().filter(|_| self.broken != Broken::NoHaste) {
            if let Worker::Sends(history) = *worker {
                *worker = tells(history, Entry::Deferred);
            }
        }
        Some(after)
    }

    fn judge(&self, world: &World) -> Result<(), String> {
        let broken = |what: &str| {
            let mut entries = self.histories.readings(world.ledger);
            entries.reverse();
            let entries: Vec<Entry> =
                entries.iter().map(|history| self.histories.nodes[*history as usize].entry).collect();
            Err(format!("{what}: {entries:?} {world:?}"))
        };
        for sent in &world.sent {
            if world.sent.iter().filter(|other| other.intent == sent.intent).count() > 1 {
                return broken("two requests for one intent");
            }
        }
        if world.sent.iter().filter(|sent| sent.place.counts()).count() > 1 {
            return broken("two requests that may both have been taken");
        }
        let is_owed = |sent: &&Sent| matches!(sent.place, Place::Taken { .. }) && sent.place.counts();
        let charged: Usd = world.sent.iter().filter(is_owed).map(|_| PRICE).sum();
        let committed = self.histories.take(world.ledger).committed;
        if charged > committed || committed > PRICE {
            return broken("more was charged than is committed, or more is committed than may be");
        }
        Ok(())
    }
}

/// What the provider and the network may do by themselves.
fn provide(world: &World, next: &mut Vec<World>) {
    for (number, sent) in world.sent.iter().enumerate() {
        match sent.place {
            Place::OnItsWay => {
                next.push(world.with_sent(number, Place::Taken { listed: false, ended: None }));
                next.extend(world.with_sent(number, Place::Lost).faulty());
                next.extend(world.with_sent(number, Place::Refused).faulty());
            }
            Place::Taken { listed, ended } => {
                if !listed {
                    next.push(world.with_sent(number, Place::Taken { listed: true, ended }));
                }
                if ended.is_none() {
                    next.push(world.with_sent(number, Place::Taken { listed, ended: Some(true) }));
                    next.extend(world.with_sent(number, Place::Taken { listed, ended: Some(false) }).faulty());
                }
            }
            Place::Lost | Place::Refused => {}
        }
    }
}

/// What an exploration came to.
struct Explored {
    worlds: Vec<World>,
    steps: Vec<Vec<u32>>,
}

/// Goes through every world that can be reached, depth first.
fn explore(model: &mut Model, start: World) -> Result<Explored, String> {
    let mut known = HashMap::from([(start.clone(), 0_u32)]);
    let (mut worlds, mut steps) = (vec![start], vec![Vec::new()]);
    let mut open = vec![0_usize];
    while let Some(at) = open.pop() {
        let world = worlds[at].clone();
        model.judge(&world)?;
        for next in model.steps(&world) {
            let number = *known.entry(next).or_insert_with_key(|next| {
                worlds.push(next.clone());
                steps.push(Vec::new());
                open.push(worlds.len() - 1);
                u32::try_from(worlds.len() - 1).unwrap()
            });
            steps[at].push(number);
        }
    }
    Ok(Explored { worlds, steps })
}

impl Explored {
    /// How many schedules of so many steps there are.
    fn schedules(&self, length: u32) -> f64 {
        let mut paths = vec![0.0; self.worlds.len()];
        paths[0] = 1.0;
        for _ in 0..length {
            let mut next = vec![0.0; paths.len()];
            for (at, steps) in self.steps.iter().enumerate().filter(|(at, _)| paths[*at] > 0.0) {
                steps.iter().for_each(|step| next[*step as usize] += paths[at]);
            }
            paths = next;
        }
        paths.iter().sum()
    }
}

fn told(name: &str, model: &Model, explored: &Explored) -> String {
    let steps: usize = explored.steps.iter().map(Vec::len).sum();
    format!(
        "{name}: {} states, {steps} steps between them, {} histories; schedules of 20 steps: {:.1e}, of 40: {:.1e}",
        explored.worlds.len(),
        model.histories.nodes.len(),
        explored.schedules(20),
        explored.schedules(40)
    )
}

#[test]
fn no_schedule_of_two_workers_has_a_request_taken_twice() {
    let mut model = Model::new(Broken::Nothing);
    let explored = explore(&mut model, World::new(2, 2, 2)).unwrap();
    let ends =
        explored.worlds.iter().filter(|world| matches!(model.histories.take(world.ledger).phase, Phase::Done(_)));
    let done = ends.clone().count();
    assert!(ends.into_iter().all(|world| world.sent.iter().filter(|sent| sent.place.counts()).count() == 1));
    // A job that was found by its list, and one whose sender was overtaken by that.
    let adopted = |node: &Node| matches!(node.entry, Entry::Adopted(_));
    assert!(model.histories.nodes.iter().any(adopted));
    assert!(explored.worlds.iter().any(|world| world.workers.iter().any(|worker| matches!(worker, Worker::Keeps(_)))));
    assert!(done > 0);
    println!("{}; done in {done}", told("two workers, 2 crashes, 2 faults", &model, &explored));
}

#[test]
fn no_schedule_with_a_person_who_settles_has_a_request_taken_twice() {
    let mut model = Model::new(Broken::Nothing);
    let explored = explore(&mut model, World { people: 1, ..World::new(2, 1, 1) }).unwrap();
    assert!(model.histories.nodes.iter().any(|node| node.entry == Entry::NotCharged));
    println!("{}", told("two workers, a crash, a fault, a person", &model, &explored));
}

#[test]
fn no_schedule_of_three_workers_has_a_request_taken_twice() {
    let mut model = Model::new(Broken::Nothing);
    let explored = explore(&mut model, World::new(3, 1, 1)).unwrap();
    println!("{}", told("three workers, a crash, a fault", &model, &explored));
}

/// Were it not so, the test above could not fail.
#[test]
fn what_is_broken_on_purpose_is_noticed() {
    let noticed = explore(&mut Model::new(Broken::NoKey), World::new(2, 0, 0)).err().unwrap();
    assert!(noticed.starts_with("two requests for one intent"), "{noticed}");
    for broken in [Broken::NoHaste, Broken::NoMark, Broken::KeptForAny] {
        // The first one's job is settled by a person as not charged.
        let settled = World { people: 1, ..World::new(2, 1, 1) };
        let noticed = explore(&mut Model::new(broken), settled).err().unwrap_or_else(|| panic!("{broken:?}"));
        assert!(noticed.starts_with("two requests") || noticed.starts_with("more was charged"), "{noticed}");
    }
    let noticed = explore(&mut Model::new(Broken::NoneIsProof), World::new(1, 0, 1)).err().unwrap();
    assert!(noticed.starts_with("two requests") || noticed.starts_with("more was charged"), "{noticed}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Long ones, of three workers too, with more trouble than can be gone through.
    #[test]
    fn no_long_schedule_has_a_request_taken_twice(seed: u64, workers in 2_usize..=3, crashes in 0_u8..9, faults in 0_u8..9, people in 0_u8..3) {
        let mut model = Model::new(Broken::Nothing);
        let mut world = World { people, ..World::new(workers, crashes, faults) };
        // Zero would stay zero.
        let mut random = seed | 1;
        for _ in 0..200 {
            let next = model.steps(&world);
            if next.is_empty() {
                break;
            }
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let choice = (random >> 16) as usize % next.len();
            world = next.into_iter().nth(choice).unwrap();
            if let Err(what) = model.judge(&world) {
                prop_assert!(false, "{}", what);
            }
        }
    }
}
