//! What is wrong with something that a person supplied, in words that say how to mend it.

use std::fmt;

use serde::Serialize;

/// How much a fault weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
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
    /// Makes an error of the shot list's own form, whose source is its documentation.
    #[must_use]
    pub fn of_form(
        rule: &'static str,
        place: &Place,
        found: impl Into<String>,
        allowed: impl Into<String>,
        fix: impl Into<String>,
    ) -> Fault {
        Fault {
            rule,
            severity: Severity::Error,
            place: place.path.clone(),
            line: place.line,
            found: found.into(),
            allowed: allowed.into(),
            source: "seedpost, shot list format".to_owned(),
            fix: fix.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = if self.severity == Severity::Error { "error" } else { "warning" };
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
