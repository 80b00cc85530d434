//! Every rule that a list or an asset can break, from one dated table.
//!
//! The table is `data/rules.toml`. Limits that differ from model to model are not here but in the
//! catalog; a rule whose source is `catalog` says so.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use crate::fault::Severity;

/// One rule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name, such as `audio.combined_duration`.
    pub id: String,
    /// How much breaking it weighs.
    pub severity: Severity,
    /// What it demands, in one sentence.
    pub says: String,
    /// Who says so; `catalog` where each model's row does.
    pub source: String,
    /// The day the source was read; empty where the rows have their own.
    #[serde(default)]
    pub date: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    rule: Vec<Rule>,
}

impl Rule {
    /// All rules, in the order in which they are checked.
    ///
    /// # Panics
    /// Never: a test reads the same text.
    #[must_use]
    pub fn all() -> &'static [Rule] {
        static TABLE: OnceLock<Vec<Rule>> = OnceLock::new();
        TABLE.get_or_init(|| {
            let table: Table =
                toml::from_str(include_str!("../data/rules.toml")).expect("the built-in table is read by a test");
            table.rule
        })
    }

    /// The rule of that name.
    #[must_use]
    pub fn find(id: &str) -> Option<&'static Rule> {
        static INDEX: OnceLock<BTreeMap<&'static str, &'static Rule>> = OnceLock::new();
        let index = INDEX.get_or_init(|| Rule::all().iter().map(|rule| (rule.id.as_str(), rule)).collect());
        index.get(id).copied()
    }

    /// Whether each model's row holds the rule's number.
    #[must_use]
    pub fn is_catalogs(&self) -> bool {
        self.source == "catalog"
    }

    /// Who says so, and when.
    #[must_use]
    pub fn cited(&self) -> String {
        if self.date.is_empty() { self.source.clone() } else { format!("{}, {}", self.source, self.date) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_stands_once_and_has_a_source_and_a_date() {
        let rules = Rule::all();
        for (index, rule) in rules.iter().enumerate() {
            assert!(rules[..index].iter().all(|other| other.id != rule.id), "{}", rule.id);
            assert!(rule.says.ends_with('.') && rule.id.contains('.'), "{}", rule.id);
            assert_eq!(rule.date.len(), if rule.is_catalogs() { 0 } else { 10 }, "{}", rule.id);
        }
    }
}
