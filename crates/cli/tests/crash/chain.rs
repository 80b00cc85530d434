//! Runs that are killed one after another until one comes to its end, and what a person does in between.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;

use serde_json::Value;

use crate::stage::{Bill, Form, Stage, TAKES};

/// Where runs are killed: the first at the `first` passing of a place, the others at the `next` one, or where that led
/// nowhere, at a later one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chain {
    pub(crate) place: &'static str,
    pub(crate) first: u64,
    pub(crate) next: u64,
    pub(crate) concurrency: &'static str,
}

/// What came of chains.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    /// Runs and other commands that were killed.
    pub(crate) cuts: usize,
    /// Takes whose payment was unknown after a cut, and had been charged.
    pub(crate) charged: usize,
    /// Takes whose payment was unknown after a cut, and had not been charged.
    pub(crate) not_charged: usize,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.cuts += other.cuts;
        self.charged += other.charged;
        self.not_charged += other.not_charged;
    }
}

impl Chain {
    /// Kills runs until one comes to its end; looks at all books after each.
    pub(crate) fn drive(self, form: Form) -> Tally {
        let (mut watch, mut time) = (Watch::new(Stage::new(form)), self.first);
        let mut before = Vec::new();
        loop {
            let arguments = ["run", "--no-finish", "--concurrency", self.concurrency];
            let output = watch.stage.command(&arguments, Some((self.place, time))).output().unwrap();
            if output.status.signal() != Some(9) {
                assert_eq!(output.status.code(), Some(0), "{} {self:?}: {output:?}", form.name);
                watch.stage.is_complete();
                return watch.tally;
            }
            assert!(watch.tally.cuts < 400, "{} {self:?} comes to no end", form.name);
            let states = watch.look(self.place);
            // What is cut at the same place for ever gets nowhere: then the next passing is tried.
            time = if states == before { time + 1 } else { self.next };
            before = states;
        }
    }
}

/// A stage on which programs are killed, and what was seen of it after each kill.
pub(crate) struct Watch {
    pub(crate) stage: Stage,
    pub(crate) tally: Tally,
    clips: BTreeMap<usize, u64>,
}

impl Watch {
    pub(crate) fn new(stage: Stage) -> Watch {
        Watch { stage, tally: Tally::default(), clips: BTreeMap::new() }
    }

    /// Looks at all books after a run was killed at a place, and settles what only a person can settle. Answers how
    /// the takes stand then.
    pub(crate) fn look(&mut self, place: &str) -> Vec<String> {
        let name = self.stage.form.name;
        self.tally.cuts += 1;
        let (bills, rows) = (self.stage.bills(), self.stage.site.takes());
        counts_before_it_is_spent(name, &rows, &bills);
        let clips = self.stage.clips();
        let stands = |(number, file): (&usize, &u64)| clips.get(number) == Some(file);
        assert!(self.clips.iter().all(stands), "{name}, {place}: a clip that was there was fetched again");
        self.clips = clips;
        let mut states: Vec<String> = rows.iter().map(|row| row["state"].as_str().unwrap().to_owned()).collect();
        for (number, row) in rows.iter().enumerate().filter(|(_, row)| row["state"] == "unknown") {
            let state = self.settle(row["take"].as_str().unwrap(), bills.get(&number), place);
            states[number] = state.to_owned();
        }
        states
    }

    /// What a person does with an unknown payment where the program finds nothing by itself: looks at the bills, and
    /// says what is there. This may be killed as well.
    fn settle(&mut self, take: &str, bill: Option<&Bill>, place: &str) -> &'static str {
        *if bill.is_some() { &mut self.tally.charged } else { &mut self.tally.not_charged } += 1;
        let verdict = match bill {
            // The next run finds it in the provider's list.
            Some(_) if self.stage.form.listed => return "unknown",
            Some(bill) => vec!["resolve", take, "--charged", &bill.request_id],
            None => vec!["resolve", take, "--not-charged"],
        };
        if place.ends_with("_commit") {
            let (code, out, err) = self.stage.run(&verdict, Some((place, 1)));
            assert_eq!(code, -1, "{}: {out}{err}", self.stage.form.name);
            self.tally.cuts += 1;
        }
        // Killed when all was written, it is settled.
        if place != "after_commit" {
            let (code, out, err) = self.stage.run(&verdict, None);
            assert_eq!(code, 0, "{}: {out}{err}", self.stage.form.name);
        }
        if bill.is_some() { "rendering" } else { "planned" }
    }
}

/// At every moment: whatever was charged stands in the ledger as spent, for the take that it was for.
fn counts_before_it_is_spent(name: &str, rows: &[Value], bills: &BTreeMap<usize, Bill>) {
    assert!(bills.len() <= TAKES);
    for (number, bill) in bills {
        let row = rows.get(*number).unwrap_or_else(|| panic!("{name}: {bill:?} is for no take"));
        assert!(row["usd_micros"].as_u64().unwrap() >= bill.micros, "{name}: {bill:?} is in no book: {row}");
        let known = row["request_id"].as_str();
        assert!(known.is_none_or(|known| known == bill.request_id), "{name}: {bill:?} is not that of {row}");
    }
}
