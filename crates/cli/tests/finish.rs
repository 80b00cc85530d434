//! Clips of any model made ready for the cut: what is told of them is what other people's programs say, the picture is
//! untouched, and whatever is wrong has a name.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod support;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{json, repository, run, seedpost, tool};

fn python(script: &str, arguments: &[&str]) -> String {
    let script = repository("crates/cli/tests/foreign").join(script);
    let all = [&[script.to_str().unwrap()], arguments].concat();
    tool(repository(".venv/bin/python"), &all)
}

fn fixture(name: &str) -> String {
    repository("fixtures/media").join(name).canonicalize().unwrap().display().to_string()
}

/// The rules of a list of findings, with their weight.
fn rules(findings: &Value) -> Vec<(String, String)> {
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    findings.as_array().unwrap().iter().map(|finding| (text(finding, "rule"), text(finding, "severity"))).collect()
}

fn facts(folder: &Path, clip: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("finished").join(clip).join("facts.json")).unwrap()).unwrap()
}

/// A clip by ffmpeg: picture and sound as its filters make them.
fn clip(folder: &Path, name: &str, picture: &str, sound: &str, options: &[&str]) -> PathBuf {
    let out = folder.join(name);
    let out_name = out.display().to_string();
    let codecs = ["-c:v", "libx264", "-preset", "superfast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "192k"];
    let sources = ["-v", "error", "-y", "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound];
    tool("ffmpeg", &[&sources[..], &codecs[..], options, &[out_name.as_str()]].concat());
    out
}

/// Lets people read what was compared.
fn show(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

#[test]
fn facts_and_pictures_of_160_files_are_those_that_other_programs_see() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = folder.path().join("corpus");
    let clips = repository(".venv/clips").display().to_string();
    let made = python("corpus.py", &[corpus.to_str().unwrap(), &clips]);
    let table = python("facts.py", &[env!("CARGO_BIN_EXE_seedpost"), corpus.to_str().unwrap()]);
    show(&table);
    let mut files: Vec<String> =
        std::fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path().display().to_string()).collect();
    files.sort();
    assert!(files.len() >= 150, "{made}");
    let mut command = seedpost(folder.path());
    command.args(["finish", "--lane", "strip", "--json"]).args(&files);
    let output = command.output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut pairs = Vec::new();
    let mut refused = Vec::new();
    for (file, clip) in files.iter().zip(report["clips"].as_array().unwrap()) {
        let Some(picture) = clip["facts"]["picture"].as_str() else {
            refused.push(format!("{file}: {}", clip["error"]["message"]));
            continue;
        };
        let picture = folder.path().join(clip["folder"].as_str().unwrap()).join(picture);
        pairs.extend([file.clone(), picture.display().to_string()]);
        let proof = &clip["facts"]["proof"];
        if proof["of"] == "all packets of the picture, in the order in which they are decoded" {
            assert_eq!(proof["sha256_before"], proof["sha256_after"], "{file}");
        }
    }
    // Sound alone, and what MP4 cannot hold.
    let known = |line: &String| line.contains("no moving picture") || line.contains("does not take its picture");
    assert!(refused.len() < 12 && refused.iter().all(known), "{refused:#?}");
    let pairs: Vec<&str> = pairs.iter().map(String::as_str).collect();
    let judged = python("untouched.py", &pairs);
    show(&format!("{} pictures without sound, all untouched", judged.lines().count()));
}

#[test]
fn a_clip_that_keeps_its_promise_has_no_findings() {
    let folder = tempfile::tempdir().unwrap();
    let tone = "aevalsrc=0.2*sin(2*PI*440*t)+0.1*random(0)|0.2*sin(2*PI*554*t)+0.1*random(1):s=48000:d=2";
    clip(folder.path(), "good.mp4", "testsrc2=size=640x360:rate=24:duration=2", tone, &["-movflags", "+faststart"]);
    let report = json(
        folder.path(),
        &[
            "finish",
            "good.mp4",
            "--profile",
            "seedance-2.0",
            "--frames",
            "48",
            "--size",
            "640x360",
            "--mode",
            "fail",
            "--deep",
        ],
    );
    let facts = &report["clips"][0]["facts"];
    assert_eq!(facts["findings"], Value::Array(Vec::new()));
    assert_eq!((facts["lane"].as_str(), facts["picture"].as_str()), (Some("keep"), None));
    assert_eq!(facts["stems"][0]["samples"], 96_000);
    let stem = folder.path().join("finished/good/stem.wav").display().to_string();
    assert_eq!(tool("soxi", &["-s", &stem]).trim(), "96000");
    // FFmpeg's own hash of the packets, and its own loudness.
    let good = folder.path().join("good.mp4").display().to_string();
    let copy = ["-v", "error", "-i", &good, "-map", "0:v:0", "-c", "copy", "-f", "streamhash", "-hash", "sha256", "-"];
    let hash = tool("ffmpeg", &copy);
    assert_eq!(hash.trim().rsplit_once('=').unwrap().1, facts["proof"]["sha256_before"].as_str().unwrap());
    let found = facts["sound"]["loudness"]["integrated_lufs"].as_f64().unwrap();
    let theirs = ebur128(&good);
    assert!((found - theirs).abs() <= 0.1, "{found} {theirs}");
}

/// The integrated loudness that FFmpeg's filter tells.
fn ebur128(clip: &str) -> f64 {
    let output = std::process::Command::new("ffmpeg")
        .args(["-hide_banner", "-nostats", "-i", clip, "-af", "ebur128", "-f", "null", "-"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let summary = text.split_once("Summary:").unwrap().1;
    summary.split_once("I:").unwrap().1.split_whitespace().next().unwrap().parse().unwrap()
}

/// Where the loudest sample of a stem is.
fn loudest(stem: &Path) -> usize {
    let raw = stem.with_extension("raw").display().to_string();
    tool("sox", &[stem.to_str().unwrap(), "-t", "raw", "-e", "signed", "-b", "16", "-c", "1", &raw]);
    let bytes = std::fs::read(&raw).unwrap();
    let sizes = bytes.as_chunks::<2>().0.iter().map(|sample| i16::from_le_bytes(*sample).unsigned_abs());
    sizes.enumerate().max_by_key(|(_, size)| *size).unwrap().0
}

#[test]
fn a_stem_begins_with_the_first_frame_of_its_picture() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let picture = path("picture.mp4");
    tool(
        "ffmpeg",
        &["-v", "error", "-f", "lavfi", "-i", "testsrc2=size=96x54:rate=24:duration=2", "-bf", "2", &picture],
    );
    // One click, a second after the sound begins; four samples wide, so that the codec keeps it.
    let click = |rate: u32| format!("aevalsrc='if(between(n,{rate},{rate}+3),0.9,0)':s={rate}:d=2");
    type Case<'a> = (&'a str, u32, &'a [&'a str], &'a [&'a str], usize);
    let cases: [Case<'_>; 8] = [
        ("plain.mp4", 48_000, &[], &[], 48_000),
        ("rate.mp4", 44_100, &[], &[], 48_000),
        ("late_sound.mp4", 48_000, &[], &["-itsoffset", "0.25"], 60_000),
        ("late_picture.mp4", 48_000, &["-itsoffset", "0.25"], &[], 36_000),
        ("late_picture.mov", 48_000, &["-itsoffset", "0.25"], &[], 36_000),
        ("late_picture_rate.mp4", 44_100, &["-itsoffset", "0.25"], &[], 36_000),
        ("plain.mkv", 48_000, &[], &[], 48_000),
        ("plain_rate.mov", 44_100, &[], &[], 48_000),
    ];
    for (name, rate, before_picture, before_sound, expected) in cases {
        let (sound, out) = (click(rate), path(name));
        let sources = [before_picture, &["-i", &picture], before_sound, &["-f", "lavfi", "-i", &sound]].concat();
        let coded = ["-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "aac", "-b:a", "256k", &out];
        tool("ffmpeg", &[&["-v", "error", "-y"], &sources[..], &coded].concat());
        json(folder.path(), &["finish", name, "--lane", "strip", "--out", name.split_once('.').unwrap().1, "--force"]);
        let stem = Path::new(name.split_once('.').unwrap().1).join(name.split_once('.').unwrap().0).join("stem.wav");
        let found = loudest(&folder.path().join(stem));
        // Matroska and an MP4's edit list tell when sound begins in milliseconds, of which each is 48 samples.
        let near = if name.ends_with("mkv") || name == "late_sound.mp4" { 60 } else { 4 };
        assert!(found.abs_diff(expected) <= near, "{name}: {found}, expected {expected}");
    }
}

#[test]
fn a_breach_is_told_or_stops_or_is_mended_in_a_copy() {
    let folder = tempfile::tempdir().unwrap();
    let path = clip(
        folder.path(),
        "odd.mov",
        "testsrc2=size=320x180:rate=24:duration=2",
        "sine=frequency=440:sample_rate=44100:duration=2",
        &["-ac", "1"],
    );
    let before = std::fs::read(&path).unwrap();
    let arguments = ["finish", "odd.mov", "--profile", "seedance-2.0"];
    let (code, out, err) = run(folder.path(), &arguments);
    assert_eq!(code, 0, "{out}{err}");
    for rule in ["[container]", "[container.index]", "[audio.sample_rate]", "[audio.channels]"] {
        assert!(out.contains(rule), "{rule} in {out}");
    }
    let (code, _, err) = run(folder.path(), &[&arguments[..], &["--mode", "fail"]].concat());
    assert!(code == 2 && err.contains("exists"), "{code} {err}");
    let (code, ..) = run(folder.path(), &[&arguments[..], &["--mode", "fail", "--force"]].concat());
    assert_eq!(code, 4);
    let (code, out, err) = run(folder.path(), &[&arguments[..], &["--mode", "fix", "--force"]].concat());
    assert_eq!(code, 0, "{out}{err}");
    let mended = folder.path().join("finished/odd/fixed.mp4").display().to_string();
    let sound = ["-v", "error", "-select_streams", "a:0", "-show_entries", "stream=codec_name,sample_rate,channels"];
    assert_eq!(tool("ffprobe", &[&sound[..], &["-of", "csv=p=0", &mended]].concat()).trim(), "aac,48000,2");
    let probed = json(folder.path(), &["probe", "finished/odd/fixed.mp4"]);
    assert_eq!(
        probed["files"][0]["info"]["audio"]["samples"], 96_000,
        "as long as the picture, without a codec's tail"
    );
    let facts = facts(folder.path(), "odd");
    assert_eq!(facts["fixed"]["findings"], Value::Array(Vec::new()), "{facts:#}");
    assert_eq!(facts["fixed"]["proof"]["sha256_before"], facts["fixed"]["proof"]["sha256_after"]);
    assert_eq!(facts["fixed"]["proof"]["sha256_before"], facts["proof"]["sha256_before"]);
    assert_eq!(std::fs::read(&path).unwrap(), before, "the clip itself was changed");
}

#[test]
fn a_profile_of_ones_own_weighs_as_it_says() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("house.toml"),
        "based_on = \"seedance-2.0\"\n[weights]\n\"audio.sample_rate\" = \"note\"\n\"audio.channels\" = \"off\"\n\"container.index\" = \"breach\"\n",
    )
    .unwrap();
    let mono = fixture("clip_mono_44k.mp4");
    let report = json(folder.path(), &["finish", &mono, "--profile", "house.toml"]);
    let pair = |rule: &str, weight: &str| (rule.to_owned(), weight.to_owned());
    let found = rules(&report["clips"][0]["facts"]["findings"]);
    assert_eq!(found, [pair("container.index", "breach"), pair("audio.sample_rate", "note")]);
    std::fs::write(folder.path().join("wrong.toml"), "frame_rte = \"24\"\nframes_over = \"two\"\n").unwrap();
    let (code, _, err) = run(folder.path(), &["finish", &mono, "--profile", "wrong.toml", "--out", "other"]);
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("frame_rate") && err.contains("frames_over"), "{err}");
    let (code, _, err) = run(folder.path(), &["finish", &mono, "--profile", "sora", "--out", "other"]);
    assert!(code == 2 && err.contains("seedance-1.5-pro"), "{err}");
    assert!(!folder.path().join("other").exists());
}

#[test]
fn a_broadcast_deliverable_carries_no_model_audio() {
    let folder = tempfile::tempdir().unwrap();
    let clip = fixture("clip_h264_aac.mp4");
    let (code, _, err) = run(folder.path(), &["finish", &clip, "--intent", "broadcast", "--lane", "keep"]);
    assert!(code == 2 && err.contains("model audio"), "{err}");
    let report = json(folder.path(), &["finish", &clip, "--intent", "broadcast"]);
    let facts = &report["clips"][0]["facts"];
    assert_eq!((facts["lane"].as_str(), facts["reason"].as_str()), (Some("strip"), Some("strip: intent broadcast")));
    assert_eq!(facts["picture"], "picture.mp4");
}

#[test]
fn what_is_wrong_in_picture_and_sound_is_found_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    // Black from frame 24 to 36, still from 48 to 84; silent for the first second, left against right, clipped.
    let black = "drawbox=color=black:t=fill:enable='between(n,24,35)'";
    let picture = format!(
        "testsrc2=size=320x180:rate=24:duration=4,{black},loop=loop=35:size=1:start=48,setpts=N/24/TB,trim=end_frame=96"
    );
    let tone = "sin(2*PI*440*t)";
    let wave = format!("if(lt(t,1),0,if(between(t,2,2.1),clip(4*{tone},-1,1),0.5*{tone}))");
    let sound = format!("aevalsrc='{wave}|-1*({wave})':s=48000:d=4");
    clip(folder.path(), "bad.mp4", &picture, &sound, &["-bf", "0"]);
    let report = json(folder.path(), &["finish", "bad.mp4", "--deep", "--pictures"]);
    let facts = &report["clips"][0]["facts"];
    let findings = facts["findings"].as_array().unwrap();
    let at = |rule: &str| {
        let finding = findings.iter().find(|finding| finding["rule"] == rule);
        finding.unwrap_or_else(|| panic!("no {rule} in {findings:#?}"))["at"].clone()
    };
    assert_eq!(at("video.black"), serde_json::json!({ "frames": { "start": 24, "end": 36 } }));
    // What was coded a frame before may still be refined for a frame or two.
    let frozen = at("video.frozen");
    let frames = (frozen["frames"]["start"].as_u64().unwrap(), frozen["frames"]["end"].as_u64().unwrap());
    assert!((48..=52).contains(&frames.0) && (83..=85).contains(&frames.1), "{frames:?}");
    at("audio.inverted");
    let clipped = at("audio.clipped")["samples"]["start"].as_u64().unwrap();
    assert!((95_900..=101_000).contains(&clipped), "{clipped}");
    let silence = at("audio.silence")["samples"]["end"].as_u64().unwrap();
    // Codecs ring a little before a sound.
    assert!((46_900..=48_100).contains(&silence), "{silence}");
    let pictures = folder.path().join("finished/bad/pictures");
    let sheet = pictures.join(facts["look"]["sheet"].as_str().unwrap());
    assert!(tool("identify", &["-format", "%m", sheet.to_str().unwrap()]).starts_with("JPEG"));
    assert_eq!(facts["look"]["pictures"].as_array().unwrap().len(), 12);
    let svg = pictures.join(facts["waveform"].as_str().unwrap()).display().to_string();
    python("count_xml.py", &[&svg]);
}

#[test]
fn a_clip_is_compared_with_the_sounds_that_were_supplied_for_it() {
    let folder = tempfile::tempdir().unwrap();
    for (name, seconds) in [("a.wav", "0.6"), ("b.wav", "0.7")] {
        let out = folder.path().join(name).display().to_string();
        tool("sox", &["-n", "-r", "48000", "-c", "1", &out, "synth", seconds, "sine", "440"]);
    }
    let clip = fixture("clip_h264_aac.mp4");
    let report = json(folder.path(), &["finish", &clip, "--reference", "a.wav", "--reference", "b.wav"]);
    let facts = &report["clips"][0]["facts"];
    let rows: Vec<(i64, i64, bool)> = facts["durations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let number = |key: &str| row[key].as_i64().unwrap();
            (number("difference_frames"), number("difference_ms"), row["fits"].as_bool().unwrap())
        })
        .collect();
    // 24 frames of picture; 0.6 s are 14.4 frames, 0.7 s 16.8, both 31.2.
    assert_eq!(rows, [(9, 400, true), (7, 300, true), (-8, -300, false)]);
    assert!(rules(&facts["findings"]).iter().any(|(rule, _)| rule == "reference.duration"));
}

#[test]
fn nothing_that_is_read_or_not_offered_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let good = std::fs::read(fixture("clip_h264_aac.mp4")).unwrap();
    for place in ["a.mp4", "out/a/picture.mp4", "...mp4"] {
        let path = folder.path().join(place);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &good).unwrap();
    }
    let refused = |arguments: &[&str], words: &str| {
        let (code, out, err) = run(folder.path(), &[&["finish", "--out", "out"], arguments].concat());
        assert!(code == 2 && err.contains(words), "{arguments:?}: {code}\n{out}{err}");
    };
    refused(&["a.mp4", "--lane", "strip"], "exists");
    refused(&["a.mp4", "out/a/picture.mp4", "--lane", "strip", "--force"], "would be written over");
    refused(&["a.mp4", "--lane", "strip", "--force", "--reference", "out/a/picture.mp4"], "would be written over");
    refused(&["gone.mp4"], "is no file");
    refused(&["a.mp4", "--start", "99:00", "--force"], "99:00");
    assert_eq!(std::fs::read(folder.path().join("out/a/picture.mp4")).unwrap(), good);
    // A name that means the folder above stays within the folder for clips.
    json(folder.path(), &["finish", "...mp4", "--out", "deep/down"]);
    assert!(folder.path().join("deep/down/...mp4/facts.json").is_file());
    std::fs::create_dir_all(folder.path().join("pics/a/pictures")).unwrap();
    std::fs::write(folder.path().join("pics/a/pictures/waveform.svg"), "mine").unwrap();
    let (code, _, err) = run(folder.path(), &["finish", "a.mp4", "--out", "pics", "--pictures"]);
    assert!(code == 2 && err.contains("exists"), "{err}");
    // What is made anew with --force does not stand beside what was made before.
    json(folder.path(), &["finish", "a.mp4", "--out", "again", "--lane", "strip"]);
    std::fs::copy(fixture("clip_silent.mp4"), folder.path().join("a.mp4")).unwrap();
    json(folder.path(), &["finish", "a.mp4", "--out", "again", "--force"]);
    assert!(!folder.path().join("again/a/stem.wav").exists() && !folder.path().join("again/a/picture.mp4").exists());
}

/// Each hostile clip with what is said of it: a rule that is broken, or words of an error.
const HOSTILE: [(&str, &str); 25] = [
    ("box_size_past_end", "passes the end of the box around it"),
    ("box_size_zero_inside_moov", "its size is zero"),
    ("chunks_overlap", "[video.decode_errors]"),
    ("cut_in_mdat", "the file was cut short"),
    ("cut_in_moov", "the file was cut short"),
    ("edit_negative", "an edit begins before its media"),
    ("elst_count_lies", "it counts 268435456 rows"),
    ("empty", "the file is empty"),
    ("encrypted", "it is encrypted"),
    ("ftyp_size_zero", "[audio.channels]"),
    ("hevc", "[video.codec]"),
    ("html_named", "a web page"),
    ("no_moov", "no index (moov)"),
    ("no_picture", "no moving picture"),
    ("odd_size", "[video.size]"),
    ("png_named", "no moving picture"),
    ("samples_2e32", "samples of one track: 4294967295"),
    ("sound_an_hour_longer", "[audio.length]"),
    ("stco_past_end", "passes the end of the file"),
    ("stsc_first_chunk_zero", "do not rise from 1"),
    ("stsz_count_billion", "it counts 1073741823 rows"),
    ("timescale_zero", "a timescale of zero"),
    ("two_pictures", "[video.several]"),
    ("variable_rate", "[video.rate]"),
    ("clip_silent", "[audio.missing]"),
];

#[test]
fn every_hostile_clip_has_its_finding_or_its_error_and_leaves_nothing_half_done() {
    let folder = tempfile::tempdir().unwrap();
    let fixtures = repository("fixtures/media/hostile");
    let there = std::fs::read_dir(&fixtures)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|ending| ending == "mp4"));
    assert_eq!(there.count() + 1, HOSTILE.len(), "a clip is not in the table");
    for (name, expected) in HOSTILE {
        let place = if name == "clip_silent" { format!("{name}.mp4") } else { format!("hostile/{name}.mp4") };
        let arguments = ["finish", &fixture(&place), "--deep", "--lane", "strip", "--profile", "seedance-2.0"];
        let (code, out, err) = run(folder.path(), &[&arguments[..], &["--size", "96x54"]].concat());
        assert!(out.contains(expected) || err.contains(expected), "{name}: {code}\n{out}{err}");
        let made: Vec<_> = std::fs::read_dir(folder.path().join("finished").join(name))
            .map(|entries| entries.map(|entry| entry.unwrap().file_name()).collect())
            .unwrap_or_default();
        match code {
            0 => assert!(made.iter().any(|file| file == "facts.json"), "{name}: {made:?}"),
            4 => assert!(made.is_empty(), "{name}: {made:?}"),
            _ => panic!("{name}: {code}\n{out}{err}"),
        }
    }
}

/// A worker that dies of clips with `kills` in their name and hangs on those with `hangs`, and notes that it started.
fn fragile_worker(folder: &Path) -> PathBuf {
    let path = folder.join("worker.sh");
    let script = format!(
        "#!/bin/sh\necho started >> {0}/starts\nwhile read -r line; do\n case \"$line\" in\n *kills*) kill -9 $$ ;;\n *hangs*) read -r forever < {0}/never ;;\n *) printf '%s\\n' \"$line\" | {1} ;;\n esac\ndone\n",
        folder.display(),
        env!("CARGO_BIN_EXE_seedpost-av")
    );
    std::fs::write(&path, script).unwrap();
    tool("chmod", &["+x", path.to_str().unwrap()]);
    // Opened for reading, a pipe that nobody writes to never comes back.
    tool("mkfifo", &[folder.join("never").to_str().unwrap()]);
    path
}

#[test]
fn a_clip_that_kills_or_hangs_the_worker_costs_that_clip_alone() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["a.mp4", "b_kills.mp4", "c.mp4", "d_hangs.mp4", "e.mp4"];
    for name in names {
        std::fs::copy(fixture("clip_fragmented.mp4"), folder.path().join(name)).unwrap();
    }
    let mut command = seedpost(folder.path());
    command
        .env("SEEDPOST_AV", fragile_worker(folder.path()))
        .env("SEEDPOST_AV_TIMEOUT", "2")
        .env("RAYON_NUM_THREADS", "1");
    let (code, out, err) = support::outcome(command.args(["finish", "--lane", "strip"]).args(names).output().unwrap());
    assert_eq!(code, 8, "{out}{err}");
    assert!(err.contains("the media worker ended while it worked on this file"), "{err}");
    assert!(err.contains("the media worker was ended after 2 s on this file"), "{err}");
    for (name, done) in [("a", true), ("b_kills", false), ("c", true), ("d_hangs", false), ("e", true)] {
        let made = folder.path().join("finished").join(name).join("facts.json");
        assert_eq!(made.exists(), done, "{name}\n{out}{err}");
    }
    let starts = std::fs::read_to_string(folder.path().join("starts")).unwrap();
    assert_eq!(starts.lines().count(), 3, "one worker to begin with, and one after each that was lost");
}

#[test]
fn the_worker_is_started_once_and_only_where_it_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let worker = fragile_worker(folder.path());
    let finish = |out: &str, clips: &[&str]| {
        let mut command = seedpost(folder.path());
        command.env("SEEDPOST_AV", &worker).args(["finish", "--lane", "strip", "--out", out]).args(clips);
        let (code, out, err) = support::outcome(command.output().unwrap());
        assert_eq!(code, 0, "{out}{err}");
        std::fs::read_to_string(folder.path().join("starts")).unwrap_or_default().lines().count()
    };
    let plain = [fixture("clip_h264_aac.mp4"), fixture("clip_mono_44k.mp4"), fixture("clip_silent.mp4")];
    assert_eq!(finish("plain", &plain.each_ref().map(String::as_str)), 0);
    let fragmented = fixture("clip_fragmented.mp4");
    let copies: Vec<String> =
        (0..4).map(|number| folder.path().join(format!("{number}.mp4")).display().to_string()).collect();
    for copy in &copies {
        std::fs::copy(&fragmented, copy).unwrap();
    }
    assert_eq!(finish("fragmented", &copies.iter().map(String::as_str).collect::<Vec<_>>()), 1);
    let linked = tool("ldd", &[env!("CARGO_BIN_EXE_seedpost")]);
    assert!(!linked.contains("libav") && !linked.contains("libsw"), "{linked}");
}
