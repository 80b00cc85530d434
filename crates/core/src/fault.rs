//! What is wrong with something that a person supplied, in words that say how to mend it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::rule::Rule;

/// How much a fault weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Advice.
    Hint,
    /// Worth knowing; nothing has to change.
    Warning,
    /// Must be mended before money is spent.
    Error,
}

/// One broken rule: where, what was found, what is allowed, who says so, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The rule's name, such as `audio.combined_duration`.
    pub rule: &'static str,
    /// How much it weighs.
    pub severity: Severity,
    /// The place in the shot list, such as `shot SC010_SH020 · duration`.
    pub place: String,
    /// The line of the shot list, from 1, where the format tells it.
    pub line: Option<u32>,
    /// What stands there.
    pub found: String,
    /// What may stand there.
    pub allowed: String,
    /// Who says so, with a date.
    pub source: String,
    /// What to do.
    pub fix: String,
}

impl Fault {
    /// Notes that a rule is broken; its weight and source come from the table of rules.
    #[must_use]
    pub fn new(
        rule: &'static str,
        place: &Place,
        found: impl Into<String>,
        allowed: impl Into<String>,
        fix: impl Into<String>,
    ) -> Fault {
        let known = Rule::find(rule);
        debug_assert!(known.is_some(), "{rule} is not in the table of rules");
        Fault {
            rule,
            severity: known.map_or(Severity::Error, |rule| rule.severity),
            place: place.path.clone(),
            line: place.line,
            found: found.into(),
            allowed: allowed.into(),
            source: known.map_or_else(String::new, Rule::cited),
            fix: fix.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Hint => "hint",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        writeln!(f, "{severity}: {} [{}]", self.place, self.rule)?;
        writeln!(f, "    found    {}", self.found)?;
        writeln!(f, "    allowed  {}", self.allowed)?;
        writeln!(f, "    source   {}", self.source)?;
        write!(f, "    fix      {}", self.fix)
    }
}

/// Where in a shot list something stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Names joined by ` · `.
    pub path: String,
    /// The line, from 1, where the format tells it.
    pub line: Option<u32>,
}

impl Place {
    /// A place within this one.
    #[must_use]
    pub fn within(&self, name: &str, line: Option<u32>) -> Place {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{} · {name}", self.path) };
        Place { path, line: line.or(self.line) }
    }
}
