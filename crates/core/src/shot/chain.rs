//! Chains: shots that begin with the last frame of another.

use std::collections::BTreeMap;

use super::{Shot, ShotId};
use crate::fault::Fault;

/// Notes chains that lead nowhere, run in a circle, or stand beside what they replace.
pub(super) fn check(shots: &mut [(Shot, Vec<Fault>)]) {
    let links: BTreeMap<ShotId, Option<ShotId>> =
        shots.iter().map(|(shot, _)| (shot.id.clone(), shot.first_frame_from.clone())).collect();
    for (shot, faults) in shots {
        let Some(parent) = &shot.first_frame_from else { continue };
        let place = shot.at("first_frame_from");
        let mut fault = |found: String, fix: &str| {
            let allowed = "another shot of the list, in no circle, without first_frame or references beside it";
            faults.push(Fault::new("frame.chain", &place, found, allowed, fix));
        };
        if !links.contains_key(parent) {
            fault(format!("{:?}, which is no shot", parent.as_str()), "name a shot of this list");
        } else if is_circle(&links, &shot.id) {
            fault(format!("{:?}, which leads back here", parent.as_str()), "let the chain begin somewhere");
        }
        if shot.first_frame.is_some() {
            fault("first_frame beside it".to_owned(), "drop one of the two");
        }
        if !shot.images.is_empty() || !shot.videos.is_empty() || !shot.audios.is_empty() {
            fault("references beside it".to_owned(), "drop the references, or the chain");
        }
    }
}

fn is_circle(links: &BTreeMap<ShotId, Option<ShotId>>, start: &ShotId) -> bool {
    let mut at = start;
    // A chain that is longer than the list has a circle further on, which its own shots tell.
    for _ in 0..links.len() {
        match links.get(at) {
            Some(Some(parent)) if parent == start => return true,
            Some(Some(parent)) => at = parent,
            _ => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use crate::shot::ShotList;

    fn faults(chains: &[(&str, &str)]) -> Vec<String> {
        let shot = |(id, more): &(&str, &str)| format!("[[shot]]\nid = \"{id}\"\nprompt = \"p\"\n{more}\n");
        let text: String = chains.iter().map(shot).collect();
        let faults = ShotList::parse(&text).err().unwrap_or_default();
        faults.into_iter().map(|fault| format!("{}: {}", fault.place, fault.found)).collect()
    }

    #[test]
    fn a_chain_leads_to_another_shot() {
        assert!(faults(&[("A", ""), ("B", "first_frame_from = \"A\""), ("C", "first_frame_from = \"B\"")]).is_empty());
        let from = |id: &str| format!("first_frame_from = \"{id}\"");
        let circle = faults(&[("A", &from("B")), ("B", &from("A")), ("C", &from("A"))]);
        assert_eq!(circle.len(), 2, "{circle:?}");
        assert!(faults(&[("A", &from("A"))])[0].contains("leads back here"));
        assert!(faults(&[("A", &from("X"))])[0].contains("no shot"));
        let beside =
            faults(&[("A", ""), ("B", &format!("{}\nfirst_frame = \"a.png\"\nimages = [\"b.png\"]", from("A")))]);
        assert_eq!(beside.len(), 2, "{beside:?}");
    }
}
