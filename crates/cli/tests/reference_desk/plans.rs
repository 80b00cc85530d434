//! Trim plans in a person's hands: written, edited, refused, drawn, sent; and one sound cut by itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::sounds::{Upload, compare, maps_back, project, sha256, together_at_most, uploads};
use crate::support::{files, json as report, python, repository, run, tool};
use crate::wave::Wave;

/// Every file in a folder, with its digest.
fn digests(folder: &Path) -> BTreeMap<PathBuf, String> {
    files(folder).into_iter().map(|path| (path.clone(), sha256(&path))).collect()
}

/// Writes the plan with these cuts, in place of the program's.
fn edit(plan: &Path, to: &Path, cuts: [(u64, u64); 3]) {
    let mut plan: Value = serde_json::from_slice(&std::fs::read(plan).unwrap()).unwrap();
    for (sound, (start, end)) in plan["shots"][0]["sounds"].as_array_mut().unwrap().iter_mut().zip(cuts) {
        sound["keep"]["cut"]["kept"] = json!({ "start": start, "end": end });
    }
    std::fs::write(to, plan.to_string()).unwrap();
}

#[test]
fn an_edited_plan_is_what_is_sent_and_one_that_is_too_long_is_refused() {
    let folder = project(false);
    let folder = folder.path();
    report(folder, &["conform", "--write-plan", "plan.json"]);
    assert!(!folder.join(".seedpost/conformed").exists(), "nothing is made");
    report(folder, &["conform", "--plan", "plan.json"]);
    // 6 s at 48 kHz, 5 s at 16 kHz and 4 s at 44.1 kHz; then one sample more.
    let good = [(24_000, 312_000), (16_000, 96_000), (0, 176_400)];
    edit(&folder.join("plan.json"), &folder.join("good.json"), good);
    edit(&folder.join("plan.json"), &folder.join("over.json"), [good[0], good[1], (0, 176_401)]);
    edit(&folder.join("plan.json"), &folder.join("outside.json"), [(0, 432_001), good[1], good[2]]);
    edit(&folder.join("plan.json"), &folder.join("short.json"), [(0, 95_999), good[1], good[2]]);
    let before = digests(folder);
    for (plan, word) in [("over.json", "15.000"), ("outside.json", "sound 1"), ("short.json", "sound 1")] {
        let (code, out, err) = run(folder, &["conform", "--plan", plan]);
        assert_eq!(code, 3, "{plan}: {out}{err}");
        assert!(err.contains(word) && err.contains("fix:"), "{err}");
        assert_eq!(digests(folder), before, "{plan} changed something");
    }
    let made = uploads(folder, &report(folder, &["conform", "--plan", "good.json"]));
    check_edit(&made, good);
    let again = uploads(folder, &report(folder, &["conform"]));
    check_edit(&again, good);
    what_is_sent_is_what_was_made(folder, &made);
}

fn check_edit(made: &[Upload], cuts: [(u64, u64); 3]) {
    assert_eq!(made.len(), 3);
    assert!(together_at_most(&made.iter().collect::<Vec<_>>(), 15));
    for (upload, (start, end)) in made.iter().zip(cuts) {
        assert_eq!((upload.start as u64, upload.end as u64), (start, end), "{}", upload.source.display());
        maps_back(upload);
    }
}

fn what_is_sent_is_what_was_made(folder: &Path, made: &[Upload]) {
    let (code, out, err) = run(folder, &["run"]);
    assert_eq!(code, 0, "{out}{err}");
    let facts = std::fs::read(folder.join("takes/EQUAL/T01/facts.json")).unwrap();
    let facts: Value = serde_json::from_slice(&facts).unwrap();
    let references = facts["from"]["references"].as_array().unwrap();
    assert_eq!(references.len(), made.len());
    let received: Vec<String> = digests(&folder.join(".seedpost/simulator/files")).into_values().collect();
    for (reference, upload) in references.iter().zip(made) {
        let kept = &reference["cut"]["kept"];
        assert_eq!((&kept["start"], &kept["end"]), (&json!(upload.start), &json!(upload.end)));
        let digest = sha256(&upload.upload);
        assert_eq!(reference["upload_sha256"], digest.as_str());
        assert!(received.contains(&digest), "the provider has {}", upload.upload.display());
    }
}

/// 9, 8 and 6 s into 15 s: 2 s of each come first. By proportion, 7, 6 and 4 s share the other 9 s; by tail,
/// the first has its 7 s more and the second what is left.
#[test]
fn shares_are_as_documented() {
    for (strategy, shares) in
        [("proportional", [2.0 + 63.0 / 17.0, 2.0 + 54.0 / 17.0, 2.0 + 36.0 / 17.0]), ("tail", [9.0, 4.0, 2.0])]
    {
        let folder = project(false);
        let made = uploads(folder.path(), &report(folder.path(), &["conform", "--strategy", strategy]));
        assert!(together_at_most(&made.iter().collect::<Vec<_>>(), 15), "{strategy}");
        for (upload, share) in made.iter().zip(shares) {
            maps_back(upload);
            let rate = Wave::read(&upload.source).rate() as f64;
            let length = (upload.end - upload.start) as f64 / rate;
            // Up to 5 ms may go for a zero crossing, but never the least.
            let slack = if share == 2.0 { 0.0 } else { 0.005 };
            let within = length <= share + 1e-9 && length >= share - slack - 2.0 / rate;
            assert!(upload.start == 0 && within && length >= 2.0, "{strategy}: {length} of {share}");
        }
        // What a plan says can be carried out as it stands.
        report(folder.path(), &["conform", "--write-plan", "plan.json"]);
        let again = uploads(folder.path(), &report(folder.path(), &["conform", "--plan", "plan.json"]));
        let cuts = |uploads: &[Upload]| uploads.iter().map(|upload| (upload.start, upload.end)).collect::<Vec<_>>();
        assert_eq!(cuts(&made), cuts(&again));
    }
}

#[test]
fn a_drawing_shows_what_is_kept_and_is_not_written_over() {
    let folder = project(false);
    let folder = folder.path();
    report(folder, &["conform", "--plot", "cuts.svg"]);
    let made = uploads(folder, &report(folder, &["conform"]));
    let inner = |upload: &Upload| {
        usize::from(upload.start > 0) + usize::from(upload.end < Wave::read(&upload.source).samples())
    };
    let edges: usize = made.iter().map(inner).sum();
    let script = repository("crates/cli/tests/foreign/count_xml.py");
    let counted = tool(python(), &[script.to_str().unwrap(), folder.join("cuts.svg").to_str().unwrap()]);
    let counted: Value = serde_json::from_str(&counted).unwrap();
    assert!(edges >= 3);
    // The legend shows each mark once more.
    let marks = [("svg", 1), ("rect.kept", 4), ("path.wave", 3), ("rect.cut", edges + 1), ("rect.fade", edges + 1)];
    for (mark, count) in marks {
        assert_eq!(counted[mark], count, "{mark}: {counted}");
    }
    assert!(counted["rect.pause"].as_u64().unwrap() >= 7, "{counted}");
    std::fs::write(folder.join("cuts.svg"), "a drawing of mine").unwrap();
    let (code, _, err) = run(folder, &["conform", "--plot", "cuts.svg"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("--force"), "{err}");
    assert_eq!(std::fs::read_to_string(folder.join("cuts.svg")).unwrap(), "a drawing of mine");
    report(folder, &["conform", "--plot", "cuts.svg", "--force"]);
    assert!(std::fs::read_to_string(folder.join("cuts.svg")).unwrap().starts_with("<svg"));
}

#[test]
fn one_sound_is_cut_by_itself_bit_for_bit() {
    let folder = project(false);
    let folder = folder.path();
    tool("sox", &["-D", folder.join("long.wav").to_str().unwrap(), folder.join("long.flac").to_str().unwrap()]);
    let before = sha256(&folder.join("long.flac"));
    // 1.25 s to 4.5 s at 48 kHz, and the same of 24-bit FLAC, which is decoded; 0.1 s to the end at 16 kHz.
    for (sound, of, times, start, end) in [
        ("long.wav", "long.wav", &["--from", "00:00:01.250", "--until", "4.5"][..], 60_000, 216_000),
        ("long.flac", "long.wav", &["--from", "00:00:01.250", "--until", "00:00:04.500"], 60_000, 216_000),
        ("middle.wav", "middle.wav", &["--from", "0.1"], 1600, 128_000),
        ("last.wav", "last.wav", &["--until", "6.000"], 0, 264_600),
        ("last.wav", "last.wav", &[], 0, 264_600),
    ] {
        report(folder, &[&["conform", "--sound", sound, "--to", "cut.wav", "--force"], times].concat());
        let (source, copy) = (Wave::read(&folder.join(of)), Wave::read(&folder.join("cut.wav")));
        assert_eq!(source.form, copy.form, "{sound}");
        compare(&source, &copy, start, end);
    }
    assert_eq!(sha256(&folder.join("long.flac")), before);
    let (code, _, err) = run(folder, &["conform", "--sound", "long.wav", "--to", "cut.wav"]);
    assert_eq!(code, 2, "{err}");
    for (from, until) in [("9.0", "10.0"), ("3", "2")] {
        let out = ["--from", from, "--until", until, "--to", "none.wav"];
        let (code, _, err) = run(folder, &[&["conform", "--sound", "long.wav"], &out[..]].concat());
        assert!(code == 3 && err.contains("fix:") && !folder.join("none.wav").exists(), "{code} {err}");
    }
}
