//! What a check found: of each shot its faults, what conforming changes, and who would take it.

use rayon::prelude::*;
use seedpost_core::catalog::Catalog;
use seedpost_core::fault::{Fault, Severity};
use seedpost_core::reference::{self, Change};
use seedpost_core::shot::Shot;
use serde_json::{Value, json};

use crate::assets::{self, Measured};
use crate::output::{note, say, table};
use crate::project::{FormFaults, Project};

/// Whether a model would take a shot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Taken {
    /// As it is.
    Yes,
    /// After conforming.
    Conformed,
    /// Not at all; the rules that are broken.
    No(Vec<&'static str>),
}

/// What was found of one shot.
#[derive(Debug)]
pub(super) struct ShotReport {
    /// Its name.
    pub(super) id: String,
    /// Everything that is wrong, with advice, in order.
    pub(super) faults: Vec<Fault>,
    changes: Vec<Change>,
    /// Whether each row of the catalog would take it, in the catalog's order.
    taken: Vec<Taken>,
}

/// What was found of a list.
#[derive(Debug)]
pub(super) struct Report {
    /// The list's path.
    pub(super) list: String,
    /// What is wrong outside of shots.
    pub(super) faults: Vec<Fault>,
    /// The shots, in order.
    pub(super) shots: Vec<ShotReport>,
    /// How many URLs were not read.
    unread: usize,
}

impl Report {
    /// Judges everything that could be read.
    pub(super) fn new(project: &Project, form: FormFaults, measured: &Measured) -> Report {
        let mut faults = form.list;
        faults.extend(reference::judge_list(&project.list));
        let shots = project.list.shots.par_iter().zip(form.shots);
        let shots = shots.map(|(shot, form)| ShotReport::new(shot, form, measured)).collect();
        let unread = assets::urls(project).into_iter().filter(|url| !measured.has(url)).count();
        Report { list: project.path.display().to_string(), faults, shots, unread }
    }

    /// All faults, in order.
    fn all(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter().chain(self.shots.iter().flat_map(|shot| &shot.faults))
    }

    fn count(&self, severity: Severity) -> usize {
        self.all().filter(|fault| fault.severity == severity).count()
    }

    /// Whether the list may be sent.
    pub(super) fn is_good(&self) -> bool {
        self.count(Severity::Error) == 0
    }

    /// Tells people every fault, on standard error; advice takes a line each.
    pub(super) fn tell(&self) {
        for fault in self.all() {
            if fault.severity == Severity::Hint {
                note(format_args!("hint: {} [{}] {}; {}", fault.place, fault.rule, fault.found, fault.fix));
            } else {
                note(format_args!("{fault}"));
            }
        }
        let errors = self.count(Severity::Error);
        if errors > 0 {
            note(format_args!("error: {}: {errors} error{}", self.list, if errors == 1 { "" } else { "s" }));
            note("  fix: mend them all; nothing was sent or spent");
        }
    }

    /// Prints what conforming changes, the matrix, and the sum.
    pub(super) fn print(&self) {
        for shot in &self.shots {
            for change in &shot.changes {
                say(format_args!("conform  {} {}: {} [{}]", shot.id, change.asset, change.what, change.rule));
            }
        }
        let names: Vec<String> = rows().map(|(provider, model, tier)| format!("{provider} {model} {tier}")).collect();
        let mut matrix = table([""; 0]);
        let head = names.iter().map(|name| name.replacen(' ', "\n", 2).to_uppercase());
        matrix.set_header(std::iter::once("SHOT".to_owned()).chain(head));
        for shot in &self.shots {
            let cells = shot.taken.iter().map(|taken| taken.word().to_owned());
            matrix.add_row(std::iter::once(shot.id.clone()).chain(cells));
        }
        say(matrix);
        self.shots.iter().for_each(ShotReport::print_refusals);
        let refused = self.shots.iter().filter(|shot| shot.is_refused()).count();
        let (count, all) = (self.shots.len() - refused, self.shots.len());
        let plural = if all == 1 { "" } else { "s" };
        let hints = self.count(Severity::Hint);
        let hints =
            if hints > 0 { format!(", {hints} hint{}", if hints == 1 { "" } else { "s" }) } else { String::new() };
        say(format_args!("{}: {count} of {all} shot{plural} may be sent{hints}", self.list));
        if self.unread > 0 {
            say(format_args!("{} references are URLs and were not read: add --fetch", self.unread));
        }
    }

    /// The report as JSON; its schema is docs/check.schema.json.
    pub(super) fn json(&self) -> Value {
        let shot = |shot: &ShotReport| {
            let change = |change: &Change| json!({ "rule": change.rule, "asset": change.asset, "what": change.what });
            let models = rows().zip(&shot.taken).map(|((provider, model, tier), taken)| {
                let rules = if let Taken::No(rules) = taken { rules.as_slice() } else { &[] };
                json!({ "provider": provider, "model": model, "tier": tier, "taken": taken.word(), "rules": rules })
            });
            json!({
                "shot": shot.id,
                "may_be_sent": !shot.is_refused(),
                "conform": shot.changes.iter().map(change).collect::<Vec<_>>(),
                "models": models.collect::<Vec<_>>(),
            })
        };
        json!({
            "list": self.list,
            "may_be_sent": self.is_good(),
            "errors": self.count(Severity::Error),
            "warnings": self.count(Severity::Warning),
            "hints": self.count(Severity::Hint),
            "unread_urls": self.unread,
            "faults": self.all().collect::<Vec<_>>(),
            "shots": self.shots.iter().map(shot).collect::<Vec<_>>(),
        })
    }
}

/// Provider, model and tier of each row of the catalog.
fn rows() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    Catalog::built_in().models().iter().map(|row| (row.provider.as_str(), row.model.as_str(), row.tier.as_str()))
}

impl ShotReport {
    fn new(shot: &Shot, form: Vec<Fault>, measured: &Measured) -> ShotReport {
        let (assets, unreadable) = assets::assets(shot, measured);
        let verdict = reference::judge(shot, &assets);
        let broken: Vec<&'static str> = form.iter().chain(&unreadable).map(|fault| fault.rule).collect();
        let hides = Hidden::by(shot, &form);
        let taken = |row| {
            let verdict = reference::judge_row(shot, &assets, row);
            let errors = verdict.faults.iter().filter(|fault| fault.severity == Severity::Error);
            let errors = errors.filter(|fault| !hides.fault(fault.rule));
            let mut rules: Vec<&'static str> = broken.iter().copied().chain(errors.map(|fault| fault.rule)).collect();
            rules.sort_unstable();
            rules.dedup();
            match (rules.is_empty(), verdict.changes.is_empty()) {
                (true, true) => Taken::Yes,
                (true, false) => Taken::Conformed,
                (false, _) => Taken::No(rules),
            }
        };
        let taken = Catalog::built_in().models().iter().map(taken).collect();
        let judged = verdict.faults.into_iter().filter(|fault| !hides.fault(fault.rule));
        let mut faults: Vec<Fault> = form.into_iter().chain(unreadable).chain(judged).collect();
        faults.sort_by_key(assets::in_order);
        ShotReport { id: shot.id.to_string(), faults, changes: verdict.changes, taken }
    }

    /// Whether it may not be sent as the list has it.
    pub(super) fn is_refused(&self) -> bool {
        self.faults.iter().any(|fault| fault.severity == Severity::Error)
    }

    /// Says which models refuse the shot, and by which rules.
    fn print_refusals(&self) {
        let mut told: Vec<&Vec<&'static str>> = Vec::new();
        for taken in &self.taken {
            let Taken::No(rules) = taken else { continue };
            if told.contains(&rules) {
                continue;
            }
            told.push(rules);
            let by = rows().zip(&self.taken).filter(|(_, other)| *other == taken);
            let by: Vec<String> = by.map(|((provider, model, tier), _)| format!("{provider} {model} {tier}")).collect();
            let by = if by.len() == self.taken.len() { "every model".to_owned() } else { by.join(", ") };
            say(format_args!("{}: {by} [{}]", self.id, rules.join(", ")));
        }
    }
}

/// What could not be read of a shot, and would be missed again by the rules that go by it.
struct Hidden {
    prompt: bool,
    references: bool,
}

impl Hidden {
    fn by(shot: &Shot, form: &[Fault]) -> Hidden {
        let any = |keys: &[&str]| {
            let places: Vec<String> = keys.iter().map(|key| shot.at(key).path).collect();
            form.iter().any(|fault| places.iter().any(|place| fault.place.starts_with(place.as_str())))
        };
        Hidden { prompt: any(&["prompt"]), references: any(&["images", "videos", "audios"]) }
    }

    fn fault(&self, rule: &str) -> bool {
        (self.prompt && rule.starts_with("prompt."))
            || (self.references && matches!(rule, "prompt.tag" | "prompt.untagged" | "audio.needs_picture"))
    }
}

impl Taken {
    fn word(&self) -> &'static str {
        match self {
            Taken::Yes => "yes",
            Taken::Conformed => "conform",
            Taken::No(_) => "no",
        }
    }
}
