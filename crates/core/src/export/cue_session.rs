//! ADR cues in the dialect of EdiCue, ADR Master and Cue Pro: a track is `Character[PFX]{Actor}`, a clip is its line,
//! then a code for the reason in square brackets, then comments in curly ones.
//!
//! The knowledge base of Cue Pro ("Working with Clip Groups in Pro Tools") tells what each bracket is for, and that
//! other programs such as EdiCue read the same. The comments are such that ptulsconv reads them too (`{QN=…}`), and a
//! track's comment tells it the bare name of the character. Nobody has seen what those programs make of more than
//! one comment, and of a reason code that is none of their own.
//! Deliberately absent: how the session is written, which `session.rs` knows.

use super::session::{self, Dialect, TO_COME, clean, line, speaker};
use super::{Export, Format};
use crate::cue::{Cue, Reason};
use crate::timeline::Timeline;

pub(super) fn write(timeline: &Timeline) -> Export {
    session::write(timeline, &Dialect { format: Format::CueSession, track, comment, clip })
}

fn track(cue: &Cue) -> String {
    let prefix: String = cue.number.chars().take_while(|letter| !letter.is_ascii_digit()).collect();
    format!("{}[{prefix}]{{{TO_COME}}}", speaker(cue))
}

fn comment(cue: &Cue) -> String {
    format!("{{Char={}}} {{Actor={TO_COME}}} {{CN={}}}", speaker(cue), cue.character_number)
}

fn clip(cue: &Cue) -> String {
    let (code, number, priority, reason) = (code(cue.reason), &cue.number, cue.priority, cue.reason.as_str());
    let (line, scene, take, note) = (line(cue), clean(&cue.scene), cue.take.to_string(), clean(&cue.note()));
    format!(
        "{line} [{code}] {{Note={note}}} {{R={reason}}} {{QN={number}}} {{P={priority}}} {{Sc={scene}}} {{Shot={take}}}"
    )
}

/// A word for a reason, such as fits brackets.
fn code(reason: Reason) -> &'static str {
    match reason {
        Reason::NoSoundRendered => "NOSOUND",
        Reason::NoSpeechHeard => "NOSPEECH",
        Reason::Moderated => "REFUSED",
        Reason::SyncOff => "SYNC",
        Reason::Language => "LANGUAGE",
        Reason::Replace => "REPLACE",
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{cut, written};
    use crate::cue::Times;
    use crate::time::{Frames, TimeRange};

    use super::*;

    fn cue(number: &str, character: Option<&str>, line: &str) -> Cue {
        Cue {
            number: number.to_owned(),
            character: character.map(str::to_owned),
            character_number: u32::from(character.is_none()) + 1,
            reel: 1,
            scene: "SC010".to_owned(),
            take: "SC010_SH020_T01".parse().expect("a take"),
            record: TimeRange { start: Frames(86_412), end: Frames(86_432) },
            times: Times::Measured,
            line: Some(line.to_owned()),
            reason: Reason::SyncOff,
            priority: 1,
            sync: Some("3.2 frames late".to_owned()),
            beeps: Vec::new(),
            streamer: None,
        }
    }

    #[test]
    fn brackets_tell_what_is_what() {
        let cues = vec![cue("MA101", Some("Mara"), "We should [go] home."), cue("XX101", None, "$5!")];
        let (session, losses) = written(&cut("24", "01:00:00:00").with_cues(cues), Format::CueSession);
        let lines: Vec<&str> = session.lines().collect();
        assert!(lines.contains(&"TRACK NAME:\tMara[MA]{TBC}") && lines.contains(&"TRACK NAME:\tXX[XX]{TBC}"));
        assert!(lines.contains(&"COMMENTS:\t{Char=Mara} {Actor=TBC} {CN=1}"));
        let clip = "1       \t1       \tWe should (go) home. [SYNC] {Note=SC010_SH020_T01; 3.2 frames late} \
                    {R=Out of sync} {QN=MA101} {P=1} {Sc=SC010} {Shot=SC010_SH020_T01}\t   \
                    01:00:00:12\t   01:00:01:08\t   00:00:00:20\tUnmuted";
        assert!(lines.contains(&clip), "{session}");
        let told = losses.iter().filter(|loss| loss.contains(": cue ")).count();
        assert_eq!(told, 2, "{losses:?}");
    }

    #[test]
    fn files_can_be_named_after_titles_and_characters() {
        let long = "x".repeat(300);
        let mut timeline = cut("24", "01:00:00:00").with_cues(vec![cue("MA101", Some(&format!("A/{long}")), "Go.")]);
        timeline.title = format!("{long} \u{0}");
        let (session, losses) = written(&timeline, Format::CueSession);
        assert!(session.contains(&format!("{{Title={}}}", "x".repeat(100))));
        // A full-width slash has three bytes.
        assert!(session.contains(&format!("{{Char=A／{}}}", "x".repeat(96))), "{session}");
        assert!(losses.iter().any(|loss| loss.starts_with("adr-session: cut: name:")), "{losses:?}");
        assert!(losses.iter().any(|loss| loss.starts_with("adr-session: cue MA101: text:")), "{losses:?}");
    }
}
