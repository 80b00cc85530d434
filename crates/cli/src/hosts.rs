//! Every host that a supplied file was sent to, as the ledger remembers it.

use std::collections::BTreeMap;

use seedpost_core::job::{Event, Sent, Take};
use seedpost_core::shot::TakeId;
use seedpost_render::ledger::Ledger;

use crate::output::Failure;
use crate::project::ledger_failure;

/// Hosts, with the files that went there and the takes that they went for.
pub(crate) type Hosts = BTreeMap<String, BTreeMap<(String, String), Vec<String>>>;

/// The hosts that takes' files went to.
pub(crate) async fn of(ledger: &Ledger, takes: &BTreeMap<TakeId, Take>) -> Result<Hosts, Failure> {
    let mut hosts = Hosts::new();
    for id in takes.keys() {
        // What goes within a request has gone nowhere before that.
        let mut waiting = Vec::new();
        for line in ledger.history(id).await.map_err(|error| ledger_failure(&error))? {
            match line.event {
                Event::Planned(_) => waiting.clear(),
                Event::Sent(sent) if sent.within => waiting.push(sent),
                Event::Sent(sent) => add(&mut hosts, id, sent),
                Event::SubmitIntended { .. } => waiting.drain(..).for_each(|sent| add(&mut hosts, id, sent)),
                _ => {}
            }
        }
    }
    Ok(hosts)
}

fn add(hosts: &mut Hosts, id: &TakeId, sent: Sent) {
    let takes = hosts.entry(sent.host).or_default().entry((sent.file, sent.sha256)).or_default();
    let name = id.to_string();
    if !takes.contains(&name) {
        takes.push(name);
    }
}
