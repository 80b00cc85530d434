//! Workers killed, frozen, cut off and sent home, and the run and the server killed as well: every clip comes, and every
//! take is paid for once.
//!
//! `make test` does it with 40 takes, `make chaos` with as many as `SEEDPOST_CHAOS` says. `SEEDPOST_SEED` has the same
//! accidents again, as far as the machine allows.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

#[path = "../../render/tests/support/chance.rs"]
mod chance;
#[path = "chaos/crew.rs"]
mod crew;
#[path = "../../render/tests/support/cuttable.rs"]
mod cuttable;
#[path = "../../render/tests/support/postgres.rs"]
mod postgres;
#[path = "chaos/process.rs"]
mod process;
#[path = "chaos/site.rs"]
mod site;
mod support;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use chance::Chance;
use crew::{Crew, LEASE};
use process::Process;
use rustix::process::Signal;
use site::{ROOM, Site};

/// How often something happens.
const TICK: Duration = Duration::from_secs(1);
/// For how many ticks accidents happen in the short form.
const SHORT: usize = 14;
/// For how many ticks the line of one worker lets nothing pass.
const STALL: usize = 6;

/// What happens only now and then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accident {
    /// The server is killed, and started again.
    ServerDies,
    /// The first worker's line to the server lets nothing pass for a while.
    LineStalls,
    /// A worker is told to end, and another begins.
    WorkerLeaves,
    /// The run is killed, and started again.
    RunDies,
}

/// What is under way, and what has happened so far.
struct Chaos<'s> {
    site: &'s Site,
    chance: Chance,
    crew: Crew<'s>,
    run: Process,
    /// Whether the run was told to end.
    told: bool,
    /// Those that are to come, and when.
    accidents: VecDeque<(usize, Accident)>,
    /// When the line lets everything pass again.
    healed_at: Option<usize>,
    servers: usize,
    stalls: usize,
    runs_killed: usize,
    runs_begun_again: usize,
    settled: usize,
}

#[test]
fn no_accident_pays_twice_or_loses_a_clip() {
    let told = std::env::var("SEEDPOST_CHAOS").ok();
    let long: Option<usize> = told.map(|takes| takes.parse().expect("SEEDPOST_CHAOS is a number of takes"));
    let (takes, ticks, most) = match long {
        Some(takes) => (takes, usize::MAX, Duration::from_secs(570)),
        None => (40, SHORT, Duration::from_secs(110)),
    };
    let (chance, begun) = (Chance::seeded(), Instant::now());
    let site = Site::new(takes);
    let mut chaos = Chaos::begin(&site, chance, takes);
    for tick in 1.. {
        assert!(begun.elapsed() < most, "it does not come to an end\n{}", site.told());
        if chaos.healed_at == Some(tick) {
            chaos.heal();
        }
        chaos.crew.look_after();
        if tick <= ticks {
            chaos.happen(tick);
        }
        if chaos.run.wait(TICK).is_some_and(|code| chaos.is_over(code)) {
            break;
        }
    }
    assert!(chaos.accidents.is_empty(), "it was over before {:?}", chaos.accidents);
    chaos.heal();
    chaos.crew.end();
    let found = site.check();
    println!(
        "{takes} takes in {} s: {}; {found} unknown payments found in the provider's list",
        begun.elapsed().as_secs(),
        chaos.toll()
    );
    assert!(chaos.crew.kills + chaos.crew.freezes > 5, "hardly anything has happened");
}

impl<'s> Chaos<'s> {
    fn begin(site: &'s Site, mut chance: Chance, takes: usize) -> Chaos<'s> {
        let accidents = accidents(&mut chance, takes);
        Chaos {
            site,
            chance,
            crew: Crew::new(site),
            run: site.run(),
            told: false,
            accidents,
            healed_at: None,
            servers: 0,
            stalls: 0,
            runs_killed: 0,
            runs_begun_again: 0,
            settled: 0,
        }
    }

    fn heal(&mut self) {
        self.site.line.heal();
        self.healed_at = None;
    }

    /// What happens in a tick.
    fn happen(&mut self, tick: usize) {
        match self.accidents.pop_front_if(|(at, _)| *at <= tick) {
            Some((_, Accident::ServerDies)) => {
                self.servers += 1;
                self.site.postgres.kill();
                self.site.postgres.restart();
            }
            Some((_, Accident::LineStalls)) => {
                self.stalls += 1;
                self.site.line.stall();
                self.healed_at = Some(tick + STALL);
            }
            Some((_, Accident::WorkerLeaves)) => self.crew.send_home(&mut self.chance),
            Some((_, Accident::RunDies)) => {
                self.runs_killed += 1;
                self.run.kill();
                self.run = self.site.run();
            }
            None => {}
        }
        // A person sees that little goes on, and ends the run to settle them.
        if !self.told && self.site.stuck() > ROOM / 3 {
            self.run.signal(Signal::INT);
            self.told = true;
        }
        // Who is cut off has trouble enough.
        self.crew.harm(&mut self.chance, self.healed_at.is_some());
    }

    /// Whether all is done, by how the run has ended; else it is begun again.
    fn is_over(&mut self, code: i32) -> bool {
        match code {
            0 => return true,
            7 => {
                self.heal();
                self.settled += self.crew.settle(!self.told);
            }
            // The person's signal came before it listened for any.
            -1 if self.told => self.runs_begun_again += 1,
            // It was ended in vain; or it says that the ledger cannot be reached, and a person calls it again.
            130 => self.runs_begun_again += 1,
            70 if self.servers > 0 => self.runs_begun_again += 1,
            code => panic!("the run ended with {code}\n{}", self.site.told()),
        }
        (self.run, self.told) = (self.site.run(), false);
        false
    }

    fn toll(&self) -> String {
        let Crew { kills, cuts, freezes, sent_home, .. } = &self.crew;
        let Chaos { servers, stalls, runs_killed, runs_begun_again, settled, .. } = self;
        format!(
            "{kills} kills, {cuts} ends beside an intent or a record, {freezes} freezes, {sent_home} sent home, {servers} servers \
             killed, {stalls} lines stalled, {runs_killed} runs killed, {runs_begun_again} begun again, {settled} settled by hand"
        )
    }
}

/// One of each for a hundred takes, at times of their own, in any order.
fn accidents(chance: &mut Chance, takes: usize) -> VecDeque<(usize, Accident)> {
    let mut all = VecDeque::new();
    let mut tick = 1;
    for _ in 0..takes.div_ceil(100) {
        let mut each = vec![Accident::ServerDies, Accident::LineStalls, Accident::WorkerLeaves, Accident::RunDies];
        while !each.is_empty() {
            tick += 1 + chance.below(2);
            all.push_back((tick, each.swap_remove(chance.below(each.len()))));
        }
        // The line is whole again by then.
        tick += STALL;
    }
    all
}
