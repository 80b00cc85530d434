//! The report as JUnit XML: a test case for each shot, one more for the list itself.

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite, XmlString};
use seedpost_core::fault::{Fault, Severity};

use super::report::Report;
use crate::output::{Exit, Failure};

/// The whole document.
pub(super) fn document(report: &Report) -> Result<String, Failure> {
    let mut suite = TestSuite::new(report.list.clone());
    suite.add_test_case(case("shot list", &report.faults));
    suite.add_test_cases(report.shots.iter().map(|shot| case(&shot.id, &shot.faults)));
    let mut document = quick_junit::Report::new("seedpost check");
    document.add_test_suite(suite);
    document
        .to_string()
        .map_err(|error| Failure::new(Exit::Internal, format!("failed to write JUnit XML: {error}"), ""))
}

/// Errors make a case fail; warnings and advice are its output.
fn case(name: &str, faults: &[Fault]) -> TestCase {
    let errors: Vec<&Fault> = faults.iter().filter(|fault| fault.severity == Severity::Error).collect();
    let mut status = TestCaseStatus::success();
    if let Some(first) = errors.first() {
        status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        let more = if errors.len() > 1 { format!(" and {} more", errors.len() - 1) } else { String::new() };
        status.set_type(first.rule).set_message(format!("{}: {}{more}", first.place, first.found));
        status.set_description(text(&errors));
    }
    let mut case = TestCase::new(name, status);
    let rest: Vec<&Fault> = faults.iter().filter(|fault| fault.severity != Severity::Error).collect();
    if !rest.is_empty() {
        case.set_system_out(XmlString::new(text(&rest)));
    }
    case
}

fn text(faults: &[&Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
