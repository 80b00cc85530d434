//! Bad input: one clear message with a fix, the right exit code, no panic, nothing half-written.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

mod support;

#[path = "../../render/tests/support/server.rs"]
mod server;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use server::{Reply, Server, well};
use support::{Simulator, outcome, repository, run, seedpost};

const SHOT: &str = "[[shot]]\nid = \"S1\"\nprompt = \"a\"\nduration = 4\n";
const SMALL: &str = "[render]\ntier = \"fast\"\nresolution = \"480p\"\n";

fn project(list: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("shots.toml"), list).unwrap();
    folder
}

/// Runs a command that must fail in this way, and say all this.
fn refuses(folder: &Path, arguments: &[&str], exit: i32, words: &[&str]) {
    let (code, out, err) = run(folder, arguments);
    assert_eq!(code, exit, "{arguments:?}\n{out}{err}");
    for word in words.iter().chain(&["fix"]) {
        assert!(err.contains(word), "{arguments:?}: {word:?} is not in\n{err}");
    }
    assert!(!err.contains("panicked"), "{err}");
}

fn check_reference(name: &str, make: impl FnOnce(&Path), words: &[&str]) {
    let list = format!("[[shot]]\nid = \"S1\"\nprompt = \"@Image1 moves\"\nduration = 4\nimages = [\"{name}\"]\n");
    let folder = project(&list);
    make(&folder.path().join(name));
    for command in ["check", "plan", "run"] {
        refuses(folder.path(), &[command], 3, words);
    }
    assert!(!folder.path().join("takes").exists(), "nothing was begun");
}

#[test]
fn a_reference_that_cannot_be_used_is_named_with_the_reason() {
    let fixture =
        |name: &str, to: &Path| std::fs::copy(repository("fixtures/media").join(name), to).map(|_| ()).unwrap();
    check_reference("gone.png", |_| {}, &["gone.png", "No such file", "line 5", "S1"]);
    check_reference("folder.png", |path| std::fs::create_dir(path).unwrap(), &["not a regular file"]);
    check_reference(
        "pipe.png",
        |path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
        &["not a regular file"],
    );
    check_reference("empty.png", |path| std::fs::write(path, "").unwrap(), &["empty"]);
    check_reference("text.png", |path| fixture("hostile/text_named.wav", path), &["no known media format"]);
    check_reference("page.png", |path| fixture("hostile/html_named.mp4", path), &["web page"]);
    check_reference("movie.png", |path| fixture("hostile/mp4_named.png", path), &["mp4", "jpeg, png, webp"]);
    check_reference("vast.png", |path| fixture("hostile/png_sides_2e31.png", path), &["pixels on a side"]);
}

#[test]
fn a_file_nobody_may_read_is_an_error() {
    // The superuser may read everything: then a link to nowhere stands for it.
    check_reference(
        "locked.png",
        |path| std::os::unix::fs::symlink("/nowhere/at/all", path).unwrap(),
        &["No such file"],
    );
}

#[test]
fn a_cut_clip_is_an_error_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    for (name, words) in [("cut_in_moov.mp4", "cut short"), ("cut_in_mdat.mp4", "cut short"), ("no_moov.mp4", "moov")] {
        let clip = repository("fixtures/media/hostile").join(name);
        let clip = clip.to_str().unwrap();
        refuses(folder.path(), &["probe", clip], 3, &[words, name]);
        refuses(folder.path(), &["lane", "--strip", clip, "--out", "out.mp4"], 4, &[name]);
        refuses(folder.path(), &["stems", clip, "--out", "."], 4, &[name]);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing half-written");
}

#[test]
fn ten_faults_are_told_at_once_in_the_order_of_the_list() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(repository("fixtures/shots/ten_faults.toml"), folder.path().join("shots.toml")).unwrap();
    let (code, out, _) = run(folder.path(), &["check", "--json"]);
    assert_eq!(code, 3);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["schema"], "seedpost.check/1");
    let faults = report["faults"].as_array().unwrap();
    let faults: Vec<_> = faults.iter().filter(|fault| fault["severity"] != "hint").collect();
    let rules: Vec<&str> = faults.iter().map(|fault| fault["rule"].as_str().unwrap()).collect();
    let expected = [
        "list.start_timecode",
        "render.provider",
        "budget.limit",
        "shot.id",
        "shot.prompt",
        "shot.duration",
        "shot.intent",
        "list.number",
        "lane.nothing_to_keep",
        "list.unknown_key",
    ];
    assert_eq!(rules, expected);
    for fault in &faults {
        for key in ["place", "found", "allowed", "source", "fix"] {
            assert!(fault[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {fault}");
        }
        assert!(fault["line"].as_u64().is_some(), "{fault}");
    }
    assert!(faults[9]["fix"].as_str().unwrap().contains("did you mean `takes`?"), "{}", faults[9]);
}

#[test]
fn an_id_that_leaves_the_folder_is_refused() {
    for id in ["../evil", "a/b", "a\\\\b", "..", ".hidden", "CON", "nul.x", "a b", ""] {
        let folder = project(&format!("[[shot]]\nid = \"{id}\"\nprompt = \"a\"\n"));
        refuses(folder.path(), &["run"], 3, &["shot.id"]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "{id:?}");
    }
}

#[test]
fn rules_of_the_model_are_checked_before_anything_is_sent() {
    for (line, rule) in [
        ("duration = 16", "shot.duration"),
        ("resolution = \"8k\"", "render.resolution"),
        ("aspect_ratio = \"2:1\"", "render.aspect_ratio"),
        ("model = \"seedance-9\"", "render.model"),
        ("audios = [\"line.wav\"]", "audio.needs_picture"),
    ] {
        let folder = project(&format!("[[shot]]\nid = \"S1\"\nprompt = \"a\"\n{line}\n"));
        std::fs::copy(repository("fixtures/media/tone_48k_24bit.wav"), folder.path().join("line.wav")).unwrap();
        refuses(folder.path(), &["run"], 3, &[rule, "source"]);
    }
}

#[test]
fn no_list_and_broken_lists_are_told() {
    let empty = tempfile::tempdir().unwrap();
    refuses(empty.path(), &["run"], 2, &["no shot list"]);
    refuses(project("\ntitle = = 1").path(), &["check"], 3, &["list.syntax", "line 2"]);
    refuses(project("{\"shot\": [").path(), &["check"], 3, &["list.syntax"]);
    refuses(project("title = \"none\"").path(), &["check"], 3, &["list.empty"]);
    refuses(project(&SHOT.repeat(2)).path(), &["check"], 3, &["shot.id_unique"]);
    refuses(project(SHOT).path(), &["turnover"], 2, &["no take is finished"]);
}

#[test]
fn a_budget_that_is_too_small_refuses_before_paying() {
    let folder = project(&format!("[budget]\nlimit_usd = \"1.00\"\n{SHOT}"));
    refuses(folder.path(), &["plan"], 5, &["$1.2096", "$1.00"]);
    refuses(folder.path(), &["run"], 5, &["$1.2096", "$1.00"]);
}

#[test]
fn a_provider_that_answers_badly_is_told_and_never_paid_twice() {
    for (status, body, exit, words) in [
        (401, r#"{"detail":"Invalid key"}"#, 6, "Invalid key"),
        (
            422,
            r#"{"detail":[{"loc":["body","prompt"],"msg":"too rude","type":"content_policy_violation"}]}"#,
            6,
            "too rude",
        ),
        (500, "oops", 7, "nobody"),
        (200, "<html>welcome</html>", 7, "a web page"),
    ] {
        let server = Server::start(move |_, _| Reply::Text(status, body.into()));
        let folder = project(SHOT);
        let runs = |_| {
            let mut command = seedpost(folder.path());
            command
                .args(["run", "--provider", "fal"])
                .env("FAL_KEY", "secret-key")
                .env("SEEDPOST_FAL_URL", &server.url);
            outcome(command.output().unwrap())
        };
        let results: Vec<_> = (0..2).map(runs).collect();
        for (code, out, err) in &results {
            assert_eq!(*code, exit, "{status}: {out}{err}");
            assert!(!out.contains("secret-key") && !err.contains("secret-key") && !err.contains("panicked"));
        }
        for (_, out, err) in &results {
            assert!(words == "nobody" || format!("{out}{err}").contains(words), "{status}: {out}{err}");
            assert!(err.contains("fix:"), "{err}");
        }
        assert_eq!(
            server.submits(),
            if status == 401 { 2 } else { 1 },
            "{status}: only a bad key is worth another try"
        );
        assert!(!folder.path().join("takes/S1/T01/render.mp4").exists());
    }
}

#[test]
fn without_a_key_nothing_is_sent() {
    refuses(project(SHOT).path(), &["run", "--provider", "fal"], 2, &["FAL_KEY", ".env"]);
}

/// A disk that is full, by a limit on the size of files, while the clip is downloaded.
#[test]
fn a_full_disk_leaves_no_half_file_and_the_next_run_fetches_what_was_paid() {
    let folder = project(&format!("{SMALL}{SHOT}"));
    let mdat = [&(3_u32 << 20).to_be_bytes()[..], b"mdat", &vec![0; (3 << 20) - 8]].concat();
    let clip = [&b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\x08moov"[..], &mdat].concat();
    let server = Server::start(move |url, request| well(url, request, &clip));
    let script = "trap '' XFSZ; ulimit -f 2048; exec \"$0\" run --provider fal";
    let mut limited = Command::new("bash");
    limited.args(["-c", script, env!("CARGO_BIN_EXE_seedpost")]).current_dir(folder.path());
    let (code, out, err) = outcome(limited.env("FAL_KEY", "k").env("SEEDPOST_FAL_URL", &server.url).output().unwrap());
    assert_eq!(code, 70, "{out}{err}");
    assert!(err.contains("File too large") && err.contains("nothing is paid twice"), "{err}");
    assert_eq!(std::fs::read_dir(folder.path().join("takes/S1/T01")).unwrap().count(), 0, "no half file");
    let mut whole = seedpost(folder.path());
    whole.args(["run", "--provider", "fal"]).env("FAL_KEY", "k").env("SEEDPOST_FAL_URL", &server.url);
    let (_, _, err) = outcome(whole.output().unwrap());
    assert!(folder.path().join("takes/S1/T01/render.mp4").exists(), "{err}");
    assert_eq!(server.submits(), 1);
}

#[test]
fn one_damaged_clip_does_not_keep_the_others_from_the_cut() {
    let second = SHOT.replace("S1", "S2");
    let folder = project(&format!("{SMALL}{SHOT}{second}"));
    assert_eq!(run(folder.path(), &["run"]).0, 0);
    let clip = folder.path().join("takes/S1/T01/render.mp4");
    std::fs::copy(repository("fixtures/media/hostile/cut_in_mdat.mp4"), &clip).unwrap();
    let (code, out, err) = run(folder.path(), &["run"]);
    assert_eq!(code, 4, "{out}{err}");
    assert!(err.contains("takes/S1/T01/render.mp4") && err.contains("cut short") && err.contains("fix:"), "{err}");
    assert!(out.contains("S2_T01"), "{out}");
    let (code, out, err) = run(folder.path(), &["turnover"]);
    assert_eq!(code, 8, "{out}{err}");
    assert!(out.contains("package") && err.contains("S1 has no finished take"), "{out}{err}");
}

#[test]
fn a_second_run_at_once_is_turned_away() {
    let folder = project(&format!("{SMALL}{SHOT}"));
    let elsewhere = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(elsewhere.path());
    let mut first = seedpost(folder.path());
    first.args(["run", "--progress", "plain"]).env("SEEDPOST_SIMULATOR_URL", &simulator.url);
    let mut first = first.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(first.stderr.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    refuses(folder.path(), &["run"], 2, &["another seedpost is working"]);
    assert!(lines.map(Result::unwrap).last().is_some());
    assert!(first.wait().unwrap().success());
    assert_eq!(simulator.bills().len(), 1);
}

#[test]
fn a_worker_that_is_missing_or_dies_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let clip = repository("fixtures/media/clip_fragmented.mp4");
    for (program, words) in [("/nowhere/seedpost-av", "failed to start"), ("/bin/true", "ended while")] {
        let mut command = seedpost(folder.path());
        let output = command.arg("probe").arg(&clip).env("SEEDPOST_AV", program).output().unwrap();
        let (code, _, err) = outcome(output);
        assert_eq!(code, 3, "{err}");
        assert!(err.contains(words), "{err}");
    }
    let (code, out, _) = run(folder.path(), &["probe", clip.to_str().unwrap()]);
    assert_eq!(code, 0);
    assert!(out.contains("ffmpeg") && out.contains("24 frames"), "{out}");
}
