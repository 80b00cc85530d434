//! Every fault of a list at once, in the order of the list, in a form that others can rely on.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::assets::{cook, make_some};
use crate::support::{python, repository, run, tool};

/// Assets of the list that no table of limits needs.
const RECIPES: &str = r"
400x400.png | convert -size 400x400 xc:#336699 $
100x100.mp4 | film 100x100 24 48 $
384k.wav    | ffmpeg -f lavfi -i anullsrc=r=384000:cl=stereo -t 15 -c:a pcm_s16le $
tone.opus   | ffmpeg -f lavfi -i sine=d=2 -c:a libopus $
live.webm   | ffmpeg -f lavfi -i sine=d=2 -c:a libopus -f webm -live 1 $
";

/// Rules that the list does not break, and why.
const ELSEWHERE: [(&str, &str); 7] = [
    ("profile.value", "a profile is another file"),
    ("list.syntax", "nothing else can be read then"),
    ("list.size", "the list is too long then"),
    ("list.empty", "there is no shot then"),
    ("list.frame_rate_conform", "the same key breaks list.frame_rate"),
    ("video.bytes", "a file is conformed, and no URL is read so far"),
    ("video.duration_unknown", "no such file was found"),
];

/// Python's own web server, on a folder.
struct Web {
    child: Child,
    url: String,
}

impl Web {
    fn start(folder: &Path) -> Web {
        let mut command = Command::new("python3");
        command.args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory"]).arg(folder);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split(['(', ')']).nth(1).unwrap().to_owned();
        Web { child, url }
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The list with the rules that it says it breaks, by line; its assets in `refs`.
fn project(folder: &Path) -> (Web, BTreeMap<u64, BTreeSet<String>>) {
    let refs = folder.join("refs");
    std::fs::create_dir(&refs).unwrap();
    std::fs::copy(repository("fixtures/media/dot.heic"), refs.join("dot.heic")).unwrap();
    cook(&refs, RECIPES);
    let list = std::fs::read_to_string(repository("fixtures/shots/every_fault.toml")).unwrap();
    let sources = ["square.jpg", "400x1000.jpg", "clip.mp4"];
    make_some(&refs, |name| sources.contains(&name) || list.contains(&format!("/{name}\"")));
    let web = Web::start(&refs);
    let here = list.replace("http://127.0.0.1:8000/", &web.url);
    assert_ne!(list, here);
    std::fs::write(folder.join("shots.toml"), here).unwrap();
    let rules = |line: &str| line.split_once("#! ").map(|(_, rules)| rules.split(' ').map(str::to_owned).collect());
    let expected = (1..).zip(list.lines()).filter_map(|(line, text)| Some((line, rules(text)?)));
    (web, expected.collect())
}

/// Identifiers and weights of the table of rules.
fn table() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(repository("crates/core/data/rules.toml")).unwrap();
    let value = |key: &str| {
        let line = format!("{key} = \"");
        text.lines().filter_map(|text| Some(text.strip_prefix(&line)?.trim_end_matches('"').to_owned())).collect()
    };
    let (ids, severities): (Vec<String>, Vec<String>) = (value("id"), value("severity"));
    assert_eq!(ids.len(), severities.len());
    ids.into_iter().zip(severities).collect()
}

const FETCH: [&str; 3] = ["check", "--fetch", "--allow-private-hosts"];

#[test]
fn one_fault_of_each_kind_is_told_at_once_in_the_order_of_the_list() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (_web, expected) = project(folder);
    let (code, out, err) = run(folder, &[&FETCH[..], &["--json"]].concat());
    assert_eq!(code, 3, "{err}");
    std::fs::write(folder.join("report.json"), &out).unwrap();
    let report: Value = serde_json::from_str(&out).unwrap();
    let faults = report["faults"].as_array().unwrap();

    let mut found: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    for fault in faults.iter().filter(|fault| fault["severity"] != "hint") {
        let line = fault["line"].as_u64().unwrap_or_else(|| panic!("no line: {fault}"));
        found.entry(line).or_default().insert(fault["rule"].as_str().unwrap().to_owned());
    }
    let differ = |line: &&u64| found.get(*line) != expected.get(*line);
    let lines: BTreeSet<&u64> = found.keys().chain(expected.keys()).collect();
    let wrong: Vec<String> = lines
        .iter()
        .filter(|line| differ(line))
        .map(|line| format!("line {line}: {:?}, the list says {:?}", found.get(line), expected.get(line)))
        .collect();
    assert!(wrong.is_empty(), "{}\n{err}", wrong.join("\n"));
    every_rule_of_the_table_is_there(&expected);
    faults_are_whole_and_in_order(faults, &err);
    is_as_the_schema_says(folder);
    junit_tells_the_same(folder);
}

fn every_rule_of_the_table_is_there(expected: &BTreeMap<u64, BTreeSet<String>>) {
    let broken: BTreeSet<&str> = expected.values().flatten().map(String::as_str).collect();
    for (id, severity) in table() {
        let elsewhere = ELSEWHERE.iter().any(|(rule, _)| *rule == id);
        assert!(severity != "error" || broken.contains(id.as_str()) != elsewhere, "{id}");
    }
}

fn faults_are_whole_and_in_order(faults: &[Value], err: &str) {
    let table = table();
    let (mut line, mut advised) = (0, "");
    for fault in faults {
        let text = |key: &str| fault[key].as_str().unwrap_or_else(|| panic!("no {key}: {fault}"));
        for key in ["place", "found", "allowed", "source", "fix"] {
            assert!(!text(key).trim().is_empty() && !text(key).contains('\n'), "{key}: {fault}");
        }
        assert!(err.contains(text("found")) && err.contains(text("fix")), "people read it too: {fault}");
        let weight = table.iter().find(|(id, _)| id == text("rule")).map(|(_, severity)| severity.as_str());
        assert_eq!(weight, fault["severity"].as_str(), "{fault}");
        let shot = text("place").split(" · ").next().unwrap();
        if text("severity") == "hint" {
            advised = shot;
            continue;
        }
        assert!(shot != advised, "advice comes last in each shot: {fault}");
        assert!(fault["line"].as_u64() >= Some(line), "after line {line}: {fault}");
        line = fault["line"].as_u64().unwrap();
    }
}

fn is_as_the_schema_says(folder: &Path) {
    let list = "[[shot]]\nid = \"A\"\nprompt = \"@Image1 moves\"\nimages = [\"refs/400x400.png\"]\n";
    for (name, list) in [("good.toml", list.to_owned()), ("warned.toml", format!("{list}language = \"it\"\n"))] {
        std::fs::write(folder.join(name), list).unwrap();
        let (code, out, err) = run(folder, &["check", "--json", name]);
        assert_eq!(code, 0, "{err}");
        std::fs::write(folder.join(name).with_extension("json"), out).unwrap();
    }
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let script = repository("crates/cli/tests/foreign/check_schema.py");
    let schema = repository("docs/check.schema.json");
    let files = [path("report.json"), path("good.json"), path("warned.json")];
    let validate = |file: &str| Command::new(python()).arg(&script).arg(&schema).arg(file).output().unwrap();
    for file in &files {
        let output = validate(file);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    // The schema is no mere formality.
    let good = std::fs::read_to_string(&files[1]).unwrap();
    for (from, to) in
        [("\"errors\":0", "\"errors\":1"), ("\"taken\":\"yes\"", "\"taken\":\"no\""), ("\"list\":", "\"lists\":")]
    {
        let bad = good.replacen(from, to, 1);
        assert_ne!(good, bad, "{from}");
        std::fs::write(folder.join("bad.json"), bad).unwrap();
        assert!(!validate(&path("bad.json")).status.success(), "{to} was let through");
    }
}

/// All shots but the last fail, and so does the list itself.
fn junit_tells_the_same(folder: &Path) {
    let (code, out, err) = run(folder, &[&FETCH[..], &["--format", "junit"]].concat());
    assert_eq!(code, 3, "{err}");
    std::fs::write(folder.join("check.xml"), out).unwrap();
    let list = std::fs::read_to_string(folder.join("shots.toml")).unwrap();
    let shots = list.lines().filter(|line| line.starts_with("[[shot]]")).count();
    let script = repository("crates/cli/tests/foreign/count_xml.py");
    let counted = tool(python(), &[script.to_str().unwrap(), folder.join("check.xml").to_str().unwrap()]);
    let counted: Value = serde_json::from_str(&counted).unwrap();
    for (tag, count) in [("testsuites", 1), ("testsuite", 1), ("testcase", shots + 1), ("failure", shots)] {
        assert_eq!(counted[tag], count, "{tag}: {counted}");
    }
}

#[test]
fn rules_that_stand_alone_are_told_too() {
    let shot = "[[shot]]\nid = \"A\"\nprompt = \"A quiet kitchen\"\n";
    for (list, rule) in [
        ("title = = 1".to_owned(), "list.syntax"),
        ("title = \"none\"".to_owned(), "list.empty"),
        ("[[shot]]\n".repeat(100_001), "list.size"),
        (format!("frame_rate = \"25\"\n{shot}"), "list.frame_rate_conform"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("shots.toml"), list).unwrap();
        let (code, out, err) = run(folder.path(), &["check", "--json"]);
        assert_eq!(code, 3, "{rule}: {err}");
        let report: Value = serde_json::from_str(&out).unwrap();
        let errors: Vec<&str> = report["faults"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|fault| fault["severity"] == "error")
            .map(|fault| fault["rule"].as_str().unwrap())
            .collect();
        assert_eq!(errors, [rule]);
    }
}
