//! What changed between packages, and notes that come back: lists that other people's programs read.
#![allow(clippy::unwrap_used, reason = "a test that fails panics, and may say why")]

mod support;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::{Demo, json, python, repository, run, text, tool};

fn foreign(script: &str, arguments: &[&str]) -> Value {
    let script = repository(&format!("crates/cli/tests/foreign/{script}"));
    serde_json::from_str(&tool(python(), &[&[text(&script)], arguments].concat())).unwrap()
}

/// Makes the next package; answers its folder and its manifest.
fn package(root: &Path, version: u32) -> (PathBuf, Value) {
    let made = json(root, &["turnover", "--reference", "none"]);
    assert_eq!(made["new"], json!(true), "version {version}");
    let folder = PathBuf::from(made["package"].as_str().unwrap());
    assert!(folder.ends_with(format!("turnover/Kitchen_at_seven_v{version:03}")), "{}", folder.display());
    let manifest = std::fs::read(folder.join("manifest.json")).unwrap();
    (folder, serde_json::from_slice(&manifest).unwrap())
}

/// An editor swaps the first two shots, trims the third and takes the fourth out.
fn recut(root: &Path) {
    let made = json(root, &["export", "--format", "otio", "--out", "cut", "--force"]);
    let export = root.join(made["files"][0].as_str().unwrap());
    foreign("recut.py", &[text(&export), text(&root.join("recut.otio"))]);
    json(root, &["import", "recut.otio"]);
}

/// Shot, change, what it invalidates, record in and out, and the note of each row.
fn rows(read: &Value) -> Vec<[&str; 6]> {
    let columns = ["take", "change", "invalidates", "record in", "record out", "note"];
    read["table"].as_array().unwrap().iter().map(|row| columns.map(|column| row[column].as_str().unwrap())).collect()
}

/// Name, frame, length and colour of each marker.
fn marks(markers: &Value) -> Vec<(&str, u64, u64, &str)> {
    let number = |marker: &Value, key: &str| marker[key].as_u64().unwrap();
    let mut marks = Vec::new();
    for marker in markers.as_array().unwrap() {
        let [name, colour] = ["name", "colour"].map(|key| marker[key].as_str().unwrap());
        marks.push((name, number(marker, "frame"), number(marker, "length"), colour));
    }
    marks
}

fn has_loss(manifest: &Value, format: &str, name: &str, written: &str) -> bool {
    let is = |loss: &Value| {
        (&loss["format"], &loss["name"], &loss["field"], &loss["written"])
            == (&json!(format), &json!(name), &json!("colour"), &json!(written))
    };
    manifest["losses"].as_array().unwrap().iter().any(is)
}

#[test]
fn each_package_tells_what_became_of_every_shot_since_the_last_one() {
    let demo = Demo::render("changes");
    let root = &demo.root;
    let (first, manifest) = package(root, 1);
    assert_eq!((&manifest["changes"], &manifest["changed_since"]), (&json!([]), &Value::Null));
    assert!(!first.join("changes").exists());

    recut(root);
    let (second, manifest) = package(root, 2);
    assert_eq!(manifest["changed_since"], json!(1));
    let read = foreign("changes.py", &[text(&second)]);
    // 120, 96 and 342 frames: the third shot stays where it was, since what stands before it is as long as before.
    let (twenty, ten) = ("another order: clip 1 instead of clip 2, 96 frames earlier", "120 frames later");
    assert_eq!(
        rows(&read),
        [
            ["SC010_SH020_T01", "moved", "place", "01:00:00:00", "01:00:05:00", twenty],
            [
                "SC010_SH010_T01",
                "moved",
                "place",
                "01:00:05:00",
                "01:00:09:00",
                &format!("{ten}, shifted by what changed before it")
            ],
            [
                "SC010_SH030_T01",
                "trimmed",
                "place length",
                "01:00:09:00",
                "01:00:23:06",
                "head 12 frames shorter, tail 6 frames shorter; 12 frames earlier, by its own head"
            ],
            [
                "SC010_SH040_T02",
                "dropped",
                "picture guide stems place length",
                "01:00:24:00",
                "01:00:28:00",
                "no longer in the cut"
            ],
        ]
    );
    // The fourth shot was at 01:00:24:00; the cut's last frame is now 01:00:23:05.
    let expected = [
        ("MOVED SC010_SH020_T01", 86_400, 120, "GREEN"),
        ("MOVED SC010_SH010_T01", 86_520, 96, "GREEN"),
        ("TRIMMED SC010_SH030_T01", 86_616, 342, "YELLOW"),
        ("DROPPED SC010_SH040_T02", 86_957, 1, "RED"),
    ];
    assert_eq!((marks(&read["resolve"]), marks(&read["avid"])), (expected.to_vec(), expected.to_vec()));
    assert!(read["resolve"][3]["note"].as_str().unwrap().starts_with("was at 01:00:24:00, 96 frame(s)"));
    let named = ["_avid.txt", "_resolve.edl", ".csv"].map(|end| format!("Kitchen_at_seven_v002_changes{end}"));
    let mut files: Vec<&str> = named.iter().map(String::as_str).collect();
    files.sort_unstable();
    assert_eq!(read["files"], json!(files));
    let listed = manifest["files"].as_array().unwrap().iter().filter_map(|file| file["path"].as_str());
    assert_eq!(listed.filter(|path| path.starts_with("changes/")).count(), 3);

    another_take_comes_and_the_fourth_shot_comes_back(root);
}

fn another_take_comes_and_the_fourth_shot_comes_back(root: &Path) {
    let list = std::fs::read_to_string(root.join("shots.toml")).unwrap();
    let twice = list.replacen("duration = 4\n", "duration = 4\ntakes = 2\nselect = 2\n", 1);
    std::fs::write(root.join("shots.toml"), twice).unwrap();
    let (code, out, err) = run(root, &["run"]);
    assert_eq!(code, 0, "{out}{err}");
    let (third, manifest) = package(root, 3);
    let read = foreign("changes.py", &[text(&third)]);
    let table = rows(&read);
    assert_eq!(table.iter().map(|row| row[1]).collect::<Vec<_>>(), ["unchanged", "re-rendered", "unchanged"]);
    assert!(table[1][0] == "SC010_SH010_T02" && table[1][2].starts_with("picture guide"), "{table:?}");
    assert!(table[1][5].starts_with("take 2 instead of take 1"), "{table:?}");
    let colours = |list: &str| marks(&read[list]).iter().map(|mark| mark.3.to_owned()).collect::<Vec<_>>();
    assert_eq!(
        (colours("resolve"), colours("avid")),
        (vec_of(["BLUE", "PURPLE", "BLUE"]), vec_of(["BLUE", "MAGENTA", "BLUE"]))
    );
    assert!(has_loss(&manifest, "avid-markers", "RE-RENDERED SC010_SH010_T02", "MAGENTA"), "{}", manifest["losses"]);

    json(root, &["import", "--list-order"]);
    let (fourth, manifest) = package(root, 4);
    let read = foreign("changes.py", &[text(&fourth)]);
    let table = rows(&read);
    let told: Vec<(&str, &str)> = table.iter().map(|row| (row[0], row[1])).collect();
    let expected = [
        ("SC010_SH010_T02", "moved"),
        ("SC010_SH020_T01", "moved"),
        ("SC010_SH030_T01", "trimmed"),
        ("SC010_SH040_T02", "new"),
    ];
    assert_eq!(told, expected);
    assert_eq!(table[2][5], "head 12 frames longer, tail 6 frames longer; 12 frames later, by its own head");
    assert_eq!((marks(&read["resolve"])[3].3, marks(&read["avid"])[3].3), ("SAND", "WHITE"));
    assert!(has_loss(&manifest, "resolve-markers", "NEW SC010_SH040_T02", "SAND"), "{}", manifest["losses"]);
    let (_, out, _) = run(root, &["turnover", "--reference", "none", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["new"], json!(false));
}

fn vec_of<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

/// What a report writes: a second of steam, a plate of the fourth shot, and a word behind the end.
const NOTES: &str = "TITLE: Kitchen_at_seven_v001\r\nFCM: NON-DROP FRAME\r\n\r\n\
001  001      V     C        01:00:04:12 01:00:04:13 01:00:04:12 01:00:04:13  \r\n\
more | steam |C:ResolveColorPurple |M:Ann 1 |D:24\r\n\r\n\
002  001      V     C        01:00:24:10 01:00:24:11 01:00:24:10 01:00:24:11  \r\n\
which plate? |C:ResolveColorSand |M:Ann 2 |D:1\r\n\r\n\
003  001      V     C        01:01:00:00 01:01:00:01 01:01:00:00 01:01:00:01  \r\n\
credits here |C:ResolveColorBlue |M:Ann 3 |D:1\r\n\r\n";

/// A note: name, frame, length, colour and text.
type Row = (String, u64, u64, String, String);

/// The notes in an export, by OpenTimelineIO, and what the program said.
fn exported(root: &Path) -> (Vec<Row>, String) {
    let arguments = ["export", "--format", "otio", "--out", "noted", "--force", "--json"];
    let (code, out, err) = run(root, &arguments);
    assert_eq!(code, 0, "{out}{err}");
    let made: Value = serde_json::from_str(&out).unwrap();
    let read = foreign("changes.py", &[text(&root.join(made["files"][0].as_str().unwrap()))]);
    let word = |marker: &Value, key: &str| marker[key].as_str().unwrap().to_owned();
    let number = |marker: &Value, key: &str| marker[key].as_u64().unwrap();
    let all = read.as_array().unwrap().iter();
    let notes = all.filter(|marker| marker["name"].as_str().unwrap().starts_with("Ann"));
    let row =
        |m: &Value| (word(m, "name"), number(m, "frame"), number(m, "length"), word(m, "colour"), word(m, "note"));
    let mut rows: Vec<_> = notes.map(row).collect();
    rows.sort();
    (rows, err)
}

fn row(name: &str, frame: u64, length: u64, colour: &str, note: &str) -> Row {
    (name.to_owned(), frame, length, colour.to_owned(), note.to_owned())
}

#[test]
fn notes_come_back_and_follow_their_takes() {
    let demo = Demo::render("notes");
    let root = &demo.root;
    package(root, 1);
    // The list is of version 1, whatever the cut is by now.
    recut(root);
    std::fs::write(root.join("notes.edl"), NOTES).unwrap();
    let dry = json(root, &["import", "notes.edl", "--dry-run"]);
    assert_eq!((&dry["kept"], &dry["markers"][0]["new"]), (&json!(false), &json!(true)));
    assert!(!root.join(".seedpost/notes.json").exists());
    let came = json(root, &["import", "notes.edl"]);
    assert_eq!(
        (&came["version"], &came["kept"], &came["recut"]),
        (&json!("Kitchen_at_seven_v001"), &json!(true), &Value::Null)
    );
    let of: Vec<&Value> = came["markers"].as_array().unwrap().iter().map(|marker| &marker["of"]).collect();
    // 01:00:04:12 is 108 frames in, and the first shot has 96; the fourth began at 01:00:24:00.
    assert_eq!(
        of,
        [
            &json!({ "take": { "take": "SC010_SH020_T01", "frame": 12 } }),
            &json!({ "take": { "take": "SC010_SH040_T02", "frame": 10 } }),
            &json!({ "record": { "frame": 87_840 } }),
        ]
    );
    let (notes, told) = exported(root);
    let (credits, plate) =
        (row("Ann 3", 87_840, 1, "BLUE", "credits here"), row("Ann 2", 86_986, 1, "ORANGE", "which plate?"));
    assert_eq!(notes, [row("Ann 1", 86_412, 24, "PURPLE", "more | steam"), credits.clone()]);
    assert!(told.contains("Ann 2 (SC010_SH040_T02, frame 10) is not in the cut"), "{told}");

    let (second, _) = package(root, 2);
    let read = foreign("changes.py", &[text(&second.join("timeline/Kitchen_at_seven_markers_resolve.edl"))]);
    assert!(marks(&read).contains(&("Ann 1", 86_412, 24, "PURPLE")), "{read}");

    json(root, &["import", "--list-order"]);
    let (notes, told) = exported(root);
    assert_eq!(notes, [row("Ann 1", 86_508, 24, "PURPLE", "more | steam"), plate, credits]);
    assert!(!told.contains("is not in the cut"), "{told}");

    nothing_is_added_twice(root);
    assert_eq!(json(root, &["import", "--forget-notes"])["forgotten"], json!(true));
    assert_eq!(exported(root).0, []);
    assert!(root.join(".seedpost/notes-001.json").exists());
}

/// The same list again, and the cut's own list of markers, in which the notes stand beside cues and findings.
fn nothing_is_added_twice(root: &Path) {
    let before = std::fs::read(root.join(".seedpost/notes.json")).unwrap();
    let again = json(root, &["import", "notes.edl"]);
    assert!(again["markers"].as_array().unwrap().iter().all(|marker| marker["new"] == json!(false)), "{again}");
    let made = json(root, &["export", "--format", "resolve-markers", "--out", "own"]);
    let own = json(root, &["import", made["files"][0].as_str().unwrap()]);
    assert_eq!(own["version"], Value::Null);
    assert!(own["own"].as_u64().unwrap() > 0, "{own}");
    assert_eq!(
        own["markers"].as_array().unwrap().iter().map(|marker| &marker["new"]).collect::<Vec<_>>(),
        [&json!(false); 3]
    );
    assert_eq!(std::fs::read(root.join(".seedpost/notes.json")).unwrap(), before);
}

#[test]
fn notes_that_cannot_be_read_change_nothing() {
    let demo = Demo::render("bad notes");
    let root = &demo.root;
    for (bad, words) in [
        (NOTES.replace("01:00:24:10", "01:00:24:24"), ["line 7", "01:00:24:24"]),
        (NOTES.replace("|D:24", "|D:0"), ["line 4", "a marker of 0 frames"]),
        (NOTES.replace("01:00:04:13", "01:00:05:13"), ["line 4", "an event of 25 frame(s)"]),
    ] {
        std::fs::write(root.join("bad.edl"), &bad).unwrap();
        let (code, out, err) = run(root, &["import", "bad.edl"]);
        assert_eq!(code, 3, "{out}{err}");
        words.iter().for_each(|word| assert!(err.contains(word), "{word}: {err}"));
        assert!(err.contains("fix") && !root.join(".seedpost/notes.json").exists(), "{err}");
    }
    // No package of that name: the list is beside the present cut, and says so.
    std::fs::write(root.join("notes.edl"), NOTES.replace("Kitchen_at_seven_v001", "../../etc")).unwrap();
    let (code, out, err) = run(root, &["import", "notes.edl"]);
    assert!(code == 0 && out.contains("3 new note(s)") && out.contains("those of the present cut"), "{out}{err}");
    std::fs::write(root.join(".seedpost/notes.json"), "{").unwrap();
    let (code, _, err) = run(root, &["export", "--format", "otio", "--out", "cut"]);
    assert!(code == 3 && err.contains("--forget-notes"), "{err}");
}
