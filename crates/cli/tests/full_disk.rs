//! A ledger whose disk is full at every possible moment of a run: nothing is sent that is not on record, and what was sent is found
//! again.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

mod support;

use std::process::Command;

use support::doors::{Door, Site, canned};
use support::outcome;

const TAKES: usize = 6;

/// The disk is full once the ledger's journal has so many KiB: by a limit on the size of files.
fn run_on_a_small_disk(site: &Site, kibibytes: usize) -> (i32, String) {
    let run = site.command(&["run", "--no-finish", "--concurrency", "1"]);
    let script = format!("trap '' XFSZ; ulimit -f {kibibytes}; exec \"$0\" \"$@\"");
    let mut limited = Command::new("bash");
    limited.args(["-c", &script]).arg(run.get_program()).args(run.get_args());
    limited.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?)))).current_dir(site.folder.path());
    let (code, out, err) = outcome(limited.output().unwrap());
    (code, out + &err)
}

#[test]
fn a_full_disk_at_any_moment_loses_no_payment_and_pays_none_twice() {
    let elsewhere = tempfile::tempdir().unwrap();
    let simulator = canned(elsewhere.path());
    let (mut failed, mut unknown) = (0, 0);
    // A clip has 42 KiB, and a page of the journal four: each size ends the run at another write.
    for kibibytes in (44..140).step_by(8) {
        let word = format!("disk {kibibytes} of take");
        let shot = |number| format!("[[shot]]\nid = \"S{number}\"\nprompt = \"{word} {number}\"\nduration = 4\n");
        let site = Site::new(Door::Fal, &simulator, &(1..=TAKES).map(shot).collect::<String>());
        let (code, told) = run_on_a_small_disk(&site, kibibytes);
        let sent = simulator.posts(&word);
        assert_eq!(simulator.charges(&word), sent);
        if code != 0 {
            failed += 1;
            assert!([6, 7, 70].contains(&code) && told.contains("fix:"), "{kibibytes}: {code} {told}");
        }
        let takes = site.takes();
        unknown += takes.iter().filter(|take| take["state"] == "unknown").count();
        let committed: u64 = takes.iter().map(|take| take["usd_micros"].as_u64().unwrap()).sum();
        let price = takes.first().map_or(0, |take| take["usd_micros_estimate"].as_u64().unwrap());
        assert!(committed >= price * sent as u64, "{kibibytes}: {sent} were sent, and {committed} count as spent");
        // With room again the run goes on; a request whose answer could not be written is in the provider's list.
        let (code, out, err) = site.run(&["run", "--no-finish"]);
        assert_eq!(code, 0, "{kibibytes}: {out}{err}");
        assert_eq!((simulator.posts(&word), simulator.charges(&word)), (TAKES, TAKES), "{kibibytes}");
        (1..=TAKES).for_each(|number| assert!(site.clip(&format!("S{number}_T01")).exists()));
    }
    println!("{failed} runs ended on a full disk; {unknown} payments were unknown until they were found in the list");
    assert!(failed >= 6, "only {failed} runs met the end of the disk");
}
