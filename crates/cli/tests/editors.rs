//! The cut goes to editors' programs and comes back: forms, copies of media, bundles, recuts.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and may say why")]

mod support;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::{Demo, json, python, repository, run, text, tool};

/// The demo in a folder whose name has what paths may have.
fn demo() -> Demo {
    Demo::render("de mo #1 & 50% 'ü'")
}

fn foreign(script: &str) -> String {
    text(&repository(&format!("crates/cli/tests/foreign/{script}"))).to_owned()
}

/// Exports, and lays the model beside the files for the readers.
fn export(root: &Path, arguments: &[&str], folder: &str) -> (Value, PathBuf) {
    let result = json(root, &[&["export", "--out", folder], arguments].concat());
    let out = root.join(folder);
    std::fs::write(out.join("model.json"), result["timeline"].to_string()).unwrap();
    (result, out)
}

#[test]
fn other_programs_read_the_cut_as_it_is_whatever_media_it_uses() {
    let demo = demo();
    let (own, plain) = export(&demo.root, &["--all"], "own media");
    let (_, stamped) = export(&demo.root, &["--all", "--stamp"], "stamped");
    let (slow, slowed) = export(&demo.root, &["--all", "--conform", "23.976"], "slowed");
    // Ten forms, three of cues, two bundles, the losses.
    assert_eq!(own["files"].as_array().unwrap().len(), 16, "{own}");
    assert_eq!(own["refused"], json!([]));
    let read = tool(python(), &[&foreign("exports.py"), "--media", text(&plain), text(&stamped), text(&slowed)]);
    println!("{read}");
    for folder in [&plain, &stamped, &slowed] {
        let bundle = |ending: &str| folder.join(format!("Kitchen_at_seven.{ending}"));
        let (timeline, otioz, otiod) = (bundle("otio"), bundle("otioz"), bundle("otiod"));
        tool(python(), &[&foreign("bundles.py"), text(&timeline), text(&otioz), text(&otiod)]);
    }
    stamps_are_in_the_pictures(&demo.root, &stamped, "24/1");
    stamps_are_in_the_pictures(&demo.root, &slowed, "24000/1001");
    assert_eq!(slow["timeline"]["start"]["label"], own["timeline"]["start"]["label"]);
    sound_is_slower(&slowed);
}

/// Each shot's own hour and reel, every frame as it was.
fn stamps_are_in_the_pictures(root: &Path, folder: &Path, rate: &str) {
    for (take, picture, timecode, reel, frames) in [
        ("SC010_SH010_T01", "render.mp4", "01:00:00:00", "10SH010A", 96),
        ("SC010_SH020_T01", "picture.mp4", "02:00:00:00", "10SH020A", 120),
        ("SC010_SH030_T01", "picture.mp4", "03:00:00:00", "10SH030A", 360),
        ("SC010_SH040_T02", "render.mp4", "04:01:00:00", "10SH040B", 96),
    ] {
        let copy = folder.join(format!("media/{take}.mov"));
        let entries = "stream=codec_type,r_frame_rate,nb_frames:stream_tags=timecode,reel_name:format_tags=timecode";
        let told = tool("ffprobe", &["-v", "error", "-show_entries", entries, "-of", "json", text(&copy)]);
        let told: Value = serde_json::from_str(&told).unwrap();
        let video = told["streams"].as_array().unwrap().iter().find(|one| one["codec_type"] == "video").unwrap();
        assert_eq!(
            (video["r_frame_rate"].as_str(), video["nb_frames"].as_str()),
            (Some(rate), Some(&*frames.to_string()))
        );
        assert!(told.to_string().contains(&format!("\"timecode\":\"{timecode}\"")), "{take}: {told}");
        assert!(told.to_string().contains(&format!("\"reel_name\":\"{reel}\"")), "{take}: {told}");
        let (shot, number) = take.rsplit_once('_').unwrap();
        let hash = |file: &Path| {
            tool("ffmpeg", &["-v", "error", "-i", text(file), "-map", "0:v", "-c", "copy", "-f", "streamhash", "-"])
        };
        assert_eq!(hash(&copy), hash(&root.join(format!("takes/{shot}/{number}/{picture}"))), "{take}");
    }
}

/// 2002 samples a frame, and the time of the same label.
fn sound_is_slower(folder: &Path) {
    let stem = folder.join("media/SC010_SH030_T01_GUIDE.wav");
    let entries = "stream=duration_ts,sample_rate:format_tags=time_reference";
    let told = tool("ffprobe", &["-v", "error", "-show_entries", entries, "-of", "json", text(&stem)]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (&told["streams"][0]["duration_ts"], &told["streams"][0]["sample_rate"]),
        (&json!(360 * 2002), &json!("48000"))
    );
    // 01:00:09:00 is frame 86 616.
    assert_eq!(told["format"]["tags"]["time_reference"], json!((86_616_u64 * 2002).to_string()));
}

#[test]
fn a_program_gets_its_own_forms_and_nothing_is_written_over() {
    let demo = demo();
    let names = |program: &str| -> Vec<String> {
        let result = json(&demo.root, &["export", "--for", program, "--out", program]);
        let file = |path: &Value| Path::new(path.as_str().unwrap()).file_name().unwrap().to_str().unwrap().to_owned();
        result["files"].as_array().unwrap().iter().map(file).collect()
    };
    assert_eq!(
        names("avid"),
        [
            "Kitchen_at_seven.aaf",
            "Kitchen_at_seven_file32.edl",
            "Kitchen_at_seven.ale",
            "Kitchen_at_seven_markers_avid.txt",
            "losses.json"
        ]
    );
    assert_eq!(names("otio"), ["Kitchen_at_seven.otio", "Kitchen_at_seven.otioz", "losses.json"]);
    let endings =
        |program: &str| names(program).iter().map(|name| name.replace("Kitchen_at_seven", "")).collect::<String>();
    assert_eq!(endings("premiere"), ".xml.otio_cmx3600.edllosses.json");
    assert_eq!(endings("resolve"), ".otio.xml_file32.edl_markers_resolve.edllosses.json");
    assert_eq!(endings("fcp"), ".fcpxmllosses.json");
    assert_eq!(endings("protools"), ".aaf_file32.edl_adr.txt_adr_session.txt_adr.csvlosses.json");
    assert_eq!(endings("reaper"), ".rpp_adr.csvlosses.json");
    let before = std::fs::read(demo.root.join("avid/losses.json")).unwrap();
    let (code, _, err) = run(&demo.root, &["export", "--for", "avid", "--stamp", "--out", "avid"]);
    assert_eq!(code, 2);
    assert!(err.contains("exists") && err.contains("--force"), "{err}");
    assert_eq!(std::fs::read(demo.root.join("avid/losses.json")).unwrap(), before);
    assert_eq!(run(&demo.root, &["export", "--for", "avid", "--stamp", "--out", "avid", "--force"]).0, 0);
    assert!(json(&demo.root, &["export", "--for", "fcp"])["files"].to_string().contains("export/fcp/"));
    let (code, _, err) = run(&demo.root, &["export", "--for", "fcp", "--out", "shots.toml"]);
    assert!(code == 2 && !err.contains("doctor"), "{err}");
    let (code, _, err) = run(&demo.root, &["export", "--for", "vegas"]);
    assert!(code == 2 && err.contains("avid, premiere, resolve"), "{err}");
}

/// Other people's software swaps two clips, trims one and deletes one; the list of changes names exactly that.
#[test]
fn a_recut_comes_back_from_every_form_and_is_the_cut_from_then_on() {
    let demo = demo();
    for (form, file) in [("otio", "recut.otio"), ("edl", "recut.edl"), ("xmeml", "recut.xml")] {
        let made = json(&demo.root, &["export", "--format", form, "--out", form]);
        let export = demo.root.join(made["files"][0].as_str().unwrap());
        let told = tool(python(), &[&foreign("recut.py"), text(&export), text(&demo.root.join(file))]);
        let edits: Value = serde_json::from_str(&told).unwrap();
        let swapped = ["SC010_SH010_T01", "SC010_SH020_T01"];
        let trimmed = json!({ "change": "trimmed", "take": "SC010_SH030_T01", "head": 12, "tail": 6 });
        assert_eq!(edits["edits"][0], json!({ "change": "moved", "takes": swapped }), "{form}");
        assert_eq!(edits["edits"][1], trimmed, "{form}");
        assert_eq!(edits["edits"][2], json!({ "change": "dropped", "take": "SC010_SH040_T02" }), "{form}");

        let imported = json(&demo.root, &["import", file, "--handles", "24"]);
        // Frame 86 976 is 01:00:24:00, where the fourth shot began; neighbours that are swapped are one move.
        let expected = json!([
            { "change": "dropped", "take": "SC010_SH040_T02", "record_start": 86_976 },
            { "change": "moved", "take": "SC010_SH010_T01", "from": 1, "to": 2 },
            trimmed,
        ]);
        assert_eq!(imported["changes"], expected, "{form}");
        handles_are_told(&imported);
        the_recut_is_the_cut(&demo.root, form);
        assert_eq!(json(&demo.root, &["import", "--list-order"])["given_up"], json!(true));
    }
    // A slowed cut has the same labels and frames, so its recut is one of the cut at 24.
    for (form, file) in [("otio", "slow.otio"), ("xmeml", "slow.xml")] {
        let slowed = ["export", "--format", form, "--conform", "23.976", "--out", form, "--force"];
        let export = demo.root.join(json(&demo.root, &slowed)["files"][0].as_str().unwrap());
        tool(python(), &[&foreign("recut.py"), text(&export), text(&demo.root.join(file))]);
        let changes = json(&demo.root, &["import", file, "--dry-run"])["changes"].clone();
        let words: Vec<&str> =
            changes.as_array().unwrap().iter().map(|change| change["change"].as_str().unwrap()).collect();
        assert_eq!(words, ["dropped", "moved", "trimmed"], "{form}");
    }
    let kept: Vec<bool> = (1..=3).map(|n| demo.root.join(format!(".seedpost/cut-{n:03}.json")).exists()).collect();
    assert_eq!(kept, [true; 3]);
}

/// Seedance's clips have nothing beyond their ends; what was trimmed off is there.
fn handles_are_told(imported: &Value) {
    let handles = imported["handles"].as_array().unwrap();
    let of = |take: &str| handles.iter().find(|handle| handle["take"] == take).unwrap();
    let (whole, trimmed) = (of("SC010_SH020_T01"), of("SC010_SH030_T01"));
    assert_eq!((&whole["head"], &whole["tail"], &whole["missing_head"]), (&json!(0), &json!(0), &json!(24)));
    assert_eq!((&trimmed["head"], &trimmed["tail"], &trimmed["missing_tail"]), (&json!(12), &json!(6), &json!(18)));
    // Five seconds and a handle of one; sixteen are more than the model makes.
    let offers = imported["offers"].to_string();
    assert!(offers.contains("set `duration = 6`") && offers.contains("makes 15 s at most"), "{offers}");
}

/// Exports, reel and package are of the recut: 120 + 96 + 342 frames.
fn the_recut_is_the_cut(root: &Path, form: &str) {
    let (result, folder) = export(root, &["--format", "edl32"], &format!("again_{form}"));
    let clips = result["timeline"]["clips"].as_array().unwrap();
    let places: Vec<(&str, u64, u64, u64)> = clips
        .iter()
        .map(|clip| {
            let number = |key: &str| clip[key].as_u64().unwrap();
            (clip["take"].as_str().unwrap(), number("from"), number("frames"), number("record_start"))
        })
        .collect();
    assert_eq!(
        places,
        [("SC010_SH020_T01", 0, 120, 86_400), ("SC010_SH010_T01", 0, 96, 86_520), ("SC010_SH030_T01", 12, 342, 86_616)]
    );
    let list = std::fs::read_to_string(folder.join("Kitchen_at_seven_file32.edl")).unwrap();
    assert!(list.contains("00:00:00:12 00:00:14:18 01:00:09:00 01:00:23:06"), "{list}");
    assert!(list.contains("BLUE    EDIT SC010_SH010_T01"), "{list}");
    let stems = json(root, &["stems", "shots.toml", "--no-separation", "--out", &format!("reel_{form}")]);
    assert_eq!(stems["stems"][0]["samples"], json!((120 + 96 + 342) * 2000));
    let package = json(root, &["turnover"]);
    assert_eq!(package["clips"], json!(3));
    let package = PathBuf::from(package["package"].as_str().unwrap());
    tool(python(), &[&foreign("check_turnover.py"), text(&package)]);
    assert_eq!(run(root, &["verify", text(&package)]).0, 0);
}

#[test]
fn what_is_no_recut_of_this_cut_is_refused_and_changes_nothing() {
    let demo = demo();
    let made = json(&demo.root, &["export", "--format", "edl", "--out", "cut"]);
    let list = std::fs::read_to_string(demo.root.join(made["files"][0].as_str().unwrap())).unwrap();
    let refused = |name: &str, content: &str, words: &[&str]| {
        std::fs::write(demo.root.join(name), content).unwrap();
        let (code, out, err) = run(&demo.root, &["import", name]);
        assert!(matches!(code, 2 | 3), "{name}: {code} {out}{err}");
        words.iter().for_each(|word| assert!(err.contains(word), "{name}: {word:?} is not in {err}"));
        assert!(!demo.root.join(".seedpost/cut.json").exists(), "{name}");
    };
    refused("a.edl", &list.replace("00:00:04:00 01:00:00:00", "00:00:99:00 01:00:00:00"), &["line 4", "fix"]);
    refused("b.edl", &list.replace("10SH0", "NONE0").replace("SC010_", "OTHER_"), &["none of the takes"]);
    refused("c.otio", "{\"OTIO_SCHEMA\": \"Timeline.1\"", &["fault"]);
    refused("d.xml", "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"aa\">]><xmeml>&a;</xmeml>", &["fault"]);
    refused("e.mov", "", &[".otio, .edl or .xml"]);
    refused("f.otio", "", &["fault"]);
    let (code, out, err) = run(&demo.root, &["import", "a.edl", "--dry-run"]);
    assert_eq!(code, 3, "{out}{err}");
    let same = json(&demo.root, &["import", "cut/Kitchen_at_seven_cmx3600.edl", "--dry-run"]);
    assert_eq!((&same["changes"], &same["kept"]), (&json!([]), &json!(false)));
    assert!(!demo.root.join(".seedpost/cut.json").exists());
}

const LIST: &str = "[render]\ntier = \"fast\"\nresolution = \"480p\"\n";

fn shot(id: &str, more: &str) -> String {
    format!("[[shot]]\nid = \"{id}\"\nprompt = \"{id}\"\nduration = 4\n{more}")
}

/// The program's answer where it does not end with 0.
fn partly(root: &Path, arguments: &[&str], expected: i32) -> (Value, String) {
    let (code, out, err) = run(root, &[arguments, &["--json"]].concat());
    assert_eq!(code, expected, "{arguments:?}: {out}{err}");
    (serde_json::from_str(&out).unwrap(), err)
}

/// An editor's list by hand: two seconds of B, one of somebody else's, all of A.
const BY_HAND: &str = "TITLE: By hand\r\nFCM: NON-DROP FRAME\r\n\r\n\
001  BA       V     C        00:00:00:12 00:00:02:12 01:00:00:00 01:00:02:00\r\n* FROM CLIP NAME: B_T01.mp4\r\n\
002  STOCK    V     C        09:00:00:00 09:00:01:00 01:00:02:00 01:00:03:00\r\n* FROM CLIP NAME: STOCK.mov\r\n\
003  AA       V     C        00:00:00:00 00:00:04:00 01:00:03:00 01:00:07:00\r\n* FROM CLIP NAME: A_T01.mp4\r\n";

#[test]
fn a_recut_holds_while_the_list_goes_on_and_says_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let list = |shots: &[String]| std::fs::write(root.join("shots.toml"), format!("{LIST}{}", shots.concat())).unwrap();
    let (a, b, c) = (shot("A", ""), shot("B", ""), shot("C", ""));
    list(&[a, b.clone()]);
    assert_eq!(run(root, &["run"]).0, 0);
    std::fs::write(root.join("hand.edl"), BY_HAND).unwrap();
    let (first, _) = partly(root, &["import", "hand.edl"], 8);
    let foreign = json!({ "change": "foreign", "name": "STOCK.mov", "record": { "start": 86_448, "end": 86_472 } });
    assert_eq!(
        first["changes"],
        json!([
            { "change": "trimmed", "take": "B_T01", "head": 12, "tail": 36 },
            foreign,
            { "change": "moved", "take": "A_T01", "from": 1, "to": 2 },
        ])
    );
    let kept = std::fs::read(root.join(".seedpost/cut.json")).unwrap();
    let (again, _) = partly(root, &["import", "hand.edl"], 8);
    assert_eq!(again["changes"], json!([foreign]), "nothing but the stranger is other than the cut");
    assert_eq!(std::fs::read(root.join(".seedpost/cut.json")).unwrap(), kept);
    assert!(!root.join(".seedpost/cut-001.json").exists());

    let places = |arguments: &[&str], expected: i32| {
        let (cut, err) = partly(root, &[&["export", "--format", "edl", "--force"], arguments].concat(), expected);
        let clips: Vec<String> =
            cut["timeline"]["clips"].as_array().unwrap().iter().map(|clip| clip["take"].to_string()).collect();
        (clips.join(" "), cut["missing"].clone(), err)
    };
    assert_eq!(places(&[], 0).0, "\"B_T01\" \"A_T01\"");

    // Another take is selected: it takes the place, then and when the old list is imported once more.
    let second = shot("A", "takes = 2\nselect = 2\n");
    list(&[second.clone(), b]);
    assert_eq!(run(root, &["run"]).0, 0);
    let (clips, _, err) = places(&[], 0);
    assert!(clips == "\"B_T01\" \"A_T02\"" && err.contains("A_T02 takes its place"), "{clips}: {err}");
    let (_, err) = partly(root, &["import", "hand.edl"], 8);
    assert!(err.contains("takes its place"), "{err}");

    // A new shot is not in the recut, and one is gone from the list.
    list(&[second, c]);
    assert_eq!(run(root, &["run"]).0, 0);
    let (clips, missing, err) = places(&[], 8);
    assert_eq!((clips.as_str(), missing), ("\"A_T02\"", json!(["B", "C"])));
    assert!(err.contains("C is not in the recut hand.edl") && err.contains("B is gone from the list"), "{err}");

    std::fs::write(root.join(".seedpost/cut.json"), "{").unwrap();
    let (code, _, err) = run(root, &["export", "--format", "edl", "--force"]);
    assert!(code == 3 && err.contains("--list-order"), "{err}");
    let (_, err) = partly(root, &["import", "hand.edl"], 8);
    assert!(err.contains("cannot be read"), "{err}");
    // Whoever imports now has seen both: C is left out, and B is nobody's.
    assert_eq!(places(&[], 0).0, "\"A_T02\"");
}

/// The render of a shot is away for a while: its place in the cut must not be lost for that.
#[test]
fn a_recut_with_a_shot_that_is_not_finished_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    std::fs::write(root.join("shots.toml"), format!("{LIST}{}{}", shot("A", ""), shot("B", ""))).unwrap();
    assert_eq!(run(root, &["run"]).0, 0);
    std::fs::write(root.join("hand.edl"), BY_HAND).unwrap();
    let clip = root.join("takes/B/T01/render.mp4");
    std::fs::rename(&clip, root.join("away.mp4")).unwrap();
    let (code, _, err) = run(root, &["import", "hand.edl"]);
    assert!(code == 3 && err.contains("B has no finished take"), "{err}");
    let (cut, err) = partly(root, &["export", "--format", "edl"], 8);
    assert_eq!(cut["missing"], json!(["B"]));
    assert!(err.contains("B has no finished take"), "{err}");
    std::fs::rename(root.join("away.mp4"), &clip).unwrap();
    partly(root, &["import", "hand.edl"], 8);
}

#[test]
fn what_labels_cannot_count_is_refused_and_the_rest_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let list = format!("start_timecode = \"23:59:58:00\"\n{LIST}{}", shot("A", ""));
    std::fs::write(root.join("shots.toml"), list).unwrap();
    assert_eq!(run(root, &["run"]).0, 0);
    let (cut, err) = partly(root, &["export"], 8);
    assert_eq!(cut["refused"].as_array().unwrap().len(), 4, "{cut}");
    assert!(err.contains("24:00:00:00") && err.contains("earlier start_timecode"), "{err}");
    let (package, _) = partly(root, &["turnover"], 8);
    assert_eq!(package["refused"].as_array().unwrap().len(), 4);
    let (code, _, err) = run(root, &["export", "--format", "edl", "--out", "one"]);
    assert!(code == 3 && err.contains("24:00:00:00"), "{err}");
    assert!(!root.join("one").exists());
}
