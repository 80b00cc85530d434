//! The workers, and what is done to them.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::chance::Chance;
use crate::process::Process;
use crate::site::Site;

/// After how long others take up what a worker has left lying.
pub(crate) const LEASE: Duration = Duration::from_secs(3);
/// For how long one is frozen: the others have taken up its takes by then.
const FROZEN: Duration = Duration::from_secs(5);
/// In how long a worker that is told to end has ended its steps.
const ENDS_WITHIN: Duration = Duration::from_secs(60);
const WORKERS: usize = 3;

/// Workers at work; the first one goes to the server by the line.
pub(crate) struct Crew<'s> {
    site: &'s Site,
    workers: Vec<Worker>,
    /// Those that were told to end and are at their last steps, and whether they must end in good order.
    leaving: Vec<(Process, bool)>,
    pub(crate) kills: usize,
    pub(crate) cuts: usize,
    pub(crate) freezes: usize,
    pub(crate) sent_home: usize,
}

struct Worker {
    process: Process,
    /// Whether it ends by itself at some time.
    cut: bool,
    begun: Instant,
    thaws: Option<Instant>,
}

impl Worker {
    /// Is told to end; answers whether it must do so in good order, as one that has just begun and does not listen yet
    /// cannot.
    fn leave(mut self) -> (Process, bool) {
        self.process.signal(Signal::CONT);
        self.process.signal(Signal::TERM);
        (self.process, !self.cut && self.begun.elapsed() > Duration::from_secs(2))
    }
}

impl<'s> Crew<'s> {
    pub(crate) fn new(site: &'s Site) -> Crew<'s> {
        let mut crew =
            Crew { site, workers: Vec::new(), leaving: Vec::new(), kills: 0, cuts: 0, freezes: 0, sent_home: 0 };
        crew.begin();
        crew
    }

    fn begin(&mut self) {
        self.workers = (0..WORKERS).map(|number| self.start(number, None)).collect();
    }

    fn start(&self, number: usize, cut: Option<String>) -> Worker {
        let (ends, begun) = (cut.is_some(), Instant::now());
        let process = self.site.worker(&format!("worker{number}"), number == 0, cut);
        Worker { process, cut: ends, begun, thaws: None }
    }

    /// Thaws those whose time has come, and starts those anew that have ended: the server was away, or they were cut off.
    pub(crate) fn look_after(&mut self) {
        for number in 0..WORKERS {
            let worker = &mut self.workers[number];
            if worker.thaws.is_some_and(|thaws| thaws <= Instant::now()) {
                worker.thaws = None;
                worker.process.signal(Signal::CONT);
            }
            match worker.process.wait(Duration::ZERO) {
                None => continue,
                Some(-1) => self.cuts += 1,
                Some(code) => assert_eq!(code, 70, "worker {number}\n{}", self.site.told()),
            }
            self.workers[number] = self.start(number, None);
        }
        let site = self.site;
        self.leaving.retain_mut(|(process, in_order)| match process.wait(Duration::ZERO) {
            None => true,
            Some(code) => {
                assert!(code == 0 || !*in_order, "{code} of a worker that was told to end\n{}", site.told());
                false
            }
        });
    }

    /// One that is not frozen; the first one is spared while it is cut off.
    fn choose(&self, chance: &mut Chance, spared: bool) -> Option<usize> {
        let from = usize::from(spared);
        let able: Vec<usize> = (from..WORKERS).filter(|number| self.workers[*number].thaws.is_none()).collect();
        (!able.is_empty()).then(|| able[chance.below(able.len())])
    }

    /// Kills or freezes one of them.
    pub(crate) fn harm(&mut self, chance: &mut Chance, spared: bool) {
        let Some(number) = self.choose(chance, spared) else { return };
        let worker = &mut self.workers[number];
        if chance.below(3) == 0 {
            self.freezes += 1;
            worker.process.signal(Signal::STOP);
            worker.thaws = Some(Instant::now() + FROZEN);
        } else {
            self.kills += 1;
            worker.process.kill();
            // Where a random moment hardly ever falls, its successor ends by itself.
            let places = ["before_commit", "after_commit", "before_send", "after_send"];
            let cut = format!("{}:{}", places[chance.below(places.len())], 1 + chance.below(4));
            self.workers[number] = self.start(number, Some(cut).filter(|_| chance.below(2) == 0));
        }
    }

    /// Tells one to end, as a machine that is switched off does, and starts another.
    pub(crate) fn send_home(&mut self, chance: &mut Chance) {
        // Where all are frozen, one of them has its time now.
        let number = self.choose(chance, true).unwrap_or(1);
        self.sent_home += 1;
        let next = self.start(number, None);
        let worker = std::mem::replace(&mut self.workers[number], next);
        self.leaving.push(worker.leave());
    }

    /// Lets all workers end; nobody is about to send anything then.
    pub(crate) fn end(&mut self) {
        self.leaving.extend(self.workers.drain(..).map(Worker::leave));
        for (mut process, in_order) in self.leaving.drain(..) {
            let code = process.wait(ENDS_WITHIN);
            assert!(code == Some(0) || code.is_some() && !in_order, "{code:?}\n{}", self.site.told());
        }
    }

    /// Sends all home, settles what is unknown, and begins again; answers how many payments were settled.
    pub(crate) fn settle(&mut self, all_rest: bool) -> usize {
        self.end();
        let settled = self.site.settle(all_rest);
        self.begin();
        settled
    }
}
