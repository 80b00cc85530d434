//! The providers' own clients, unchanged, against the simulator.
#![allow(clippy::unwrap_used, reason = "a test that fails panics, and may say why")]

mod support;

use serde_json::Value;
use support::{python, repository, tool};

#[test]
fn ark_sdks_drive_the_simulator() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = support::Simulator::start(folder.path());
    let script = repository("crates/cli/tests/foreign/ark_client_roundtrip.py");
    let wav = repository("fixtures/demo/refs/host.wav");
    let said = tool(python(), &[script.to_str().unwrap(), &simulator.url, wav.to_str().unwrap()]);
    let ids: Value = serde_json::from_str(&said).unwrap();
    let bills = simulator.bills();
    for client in ["volcengine", "byteplus"] {
        for task in ["text", "references", "first_generation"] {
            let bill = bills.iter().find(|bill| bill["request_id"] == ids[client][task]);
            assert_eq!(bill.map(|bill| &bill["form"]), Some(&Value::from("ark")), "{client} {task}: {bills:?}");
        }
    }
    // What was refused makes no bill, and what was deleted keeps its own.
    assert_eq!(bills.len(), 6);
}
