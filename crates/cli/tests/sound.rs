//! Stems, reels, sync and cues, as other people's programs read them.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that fails panics, and says what was compared")]

mod support;

use std::path::{Path, PathBuf};

use serde_json::Value;
use support::doors::{Door, Site};
use support::{Simulator, json, make, python, repository, tool};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn foreign(script: &str, arguments: &[&str]) -> String {
    let script = repository("crates/cli/tests/foreign").join(script);
    tool(python(), &[&[text(&script)], arguments].concat())
}

/// A recording of somebody who speaks.
fn voice(name: &str) -> PathBuf {
    repository("fixtures/sound").join(name).canonicalize().unwrap()
}

/// A clip of so many frames in which somebody speaks over a hum, by ffmpeg.
fn spoken(out: &Path, rate: &str, frames: u32, options: &str) {
    let voice = voice("speech_en_woman.flac");
    let picture = format!("-f lavfi -i testsrc2=size=96x54:rate={rate}");
    let sound = format!("-f lavfi -i sine=frequency=90:sample_rate=48000:duration=9 -i {}", text(&voice));
    let mix = "-filter_complex [1:a][2:a]amix=inputs=2:weights=0.05|1[a] -map 0:v -map [a]";
    let rates: Vec<f64> = rate.split('/').map(|part| part.parse().unwrap()).collect();
    let seconds = f64::from(frames) * rates.get(1).unwrap_or(&1.0) / rates[0];
    let codecs = format!("-t {seconds:.5} -c:v libx264 -preset superfast -pix_fmt yuv420p -c:a aac -b:a 160k");
    make(out, &format!("{picture} {sound} {mix} {codecs} {options}"));
}

/// 24-bit samples as whole numbers, interleaved, by ffmpeg.
fn samples(path: &Path, options: &[&str]) -> Vec<i32> {
    let out = path.with_extension("s32");
    let name = text(&out).to_owned();
    let all = [&["-v", "error", "-y", "-i", text(path), "-vn"], options, &["-f", "s32le", &name]].concat();
    tool("ffmpeg", &all);
    let bytes = std::fs::read(&out).unwrap();
    bytes.as_chunks::<4>().0.iter().map(|sample| i32::from_le_bytes(*sample) >> 8).collect()
}

#[test]
fn every_stem_is_what_it_says_to_three_other_programs() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let reference = voice("speech_en_woman.flac");
    for (name, rate, frames, options, treatment) in [
        ("plain", "24", 192, "-ac 2", ""),
        ("film", "24000/1001", 190, "-ac 2 -ar 44100", "resampled from 44100 Hz, dithered to 24 bits"),
        ("narrow", "25", 201, "-ac 1", "one channel on both sides"),
    ] {
        let clip = root.join(format!("{name}.mp4"));
        spoken(&clip, rate, frames, options);
        let made = json(
            root,
            &[
                "stems",
                text(&clip),
                "--out",
                name,
                "--split",
                "--reference",
                text(&reference),
                "--start",
                "10:00:00:00",
            ],
        );
        let roles: Vec<&str> =
            made["stems"].as_array().unwrap().iter().map(|stem| stem["role"].as_str().unwrap()).collect();
        assert_eq!(roles, ["MIX", "DX", "ME", "REF1", "REF"]);
        assert_eq!(made["stems"][0]["treatment"], treatment);
        assert_eq!(made["separation"]["null_test"]["differing"], 0);
        let list = root.join("stems.json");
        std::fs::write(&list, made["stems"].to_string()).unwrap();
        let told = foreign("stems.py", &[text(&root.join(name)), text(&list), &frames.to_string(), rate]);
        println!("{name}: {told}");
    }
}

#[test]
fn the_whole_sound_is_what_ffmpeg_decodes_behind_the_priming() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let compare = |name: &str, options: &str| {
        let clip = root.join(name);
        spoken(&clip, "24", 192, options);
        json(root, &["stems", text(&clip), "--out", "out", "--no-separation", "--force"]);
        let stem = root.join("out").join(format!("{}_MIX.wav", name.split_once('.').unwrap().0));
        let (ours, theirs) = (samples(&stem, &[]), samples(&clip, &["-af", "atrim=end_sample=384000"]));
        assert_eq!((ours.len(), theirs.len()), (768_000, 768_000));
        let apart: Vec<u32> = ours.iter().zip(&theirs).map(|(a, b)| a.abs_diff(*b)).collect();
        let within = apart.iter().filter(|steps| **steps <= 1).count();
        let most = apart.into_iter().max().unwrap();
        println!("{name}: {within} of 768000 samples within one 24-bit step, none over {most}");
        (within, most)
    };
    assert_eq!(compare("pcm.mov", "-ac 2 -c:a pcm_s24le"), (768_000, 0));
    // Two AAC decoders that both count in 32-bit floats round differently where it is loud.
    let (within, most) = compare("aac.mp4", "-ac 2");
    assert!(within >= 768_000 * 99 / 100 && most <= 8, "{within} {most}");
}

/// A project of shots that a canned clip answers, rendered and finished.
fn project(clip: &Path, shots: &str) -> (Site, Simulator) {
    let simulator = Simulator::start_with(clip.parent().unwrap(), &["--clip", text(clip), "--queue", "0"]);
    let site = Site::new(Door::Fal, &simulator, shots);
    (site, simulator)
}

#[test]
fn a_reel_of_a_thousand_shots_has_each_on_its_sample() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.mp4");
    make(
        &clip,
        "-f lavfi -i testsrc2=size=96x54:rate=24 -f lavfi -i anoisesrc=seed=7:sample_rate=48000 -frames:v 5 \
         -c:v libx264 -preset superfast -pix_fmt yuv420p -c:a aac -ac 2 -shortest",
    );
    let shots: String =
        (0..1000).map(|n| format!("[[shot]]\nid = \"S{n:04}\"\nprompt = \"p\"\nduration = 4\n")).collect();
    let (site, _simulator) = project(&clip, &shots);
    let root = site.folder.path();
    let run = |arguments: &[&str]| support::outcome(site.command(arguments).output().unwrap());
    // The canned clip is shorter than promised, which makes exit code 4.
    let (code, _, err) = run(&["run", "--concurrency", "100", "--no-separation", "--progress", "none"]);
    assert_eq!(code, 4, "{}", &err[..err.len().min(400)]);
    let (code, out, err) = run(&["stems", "shots.toml", "--out", "reel", "--no-separation", "--json"]);
    assert_eq!(code, 0, "{err}");
    let made: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(made["stems"][0]["samples"], 1000 * 5 * 2000);
    let reel = samples(&root.join("reel").join(made["stems"][0]["file"].as_str().unwrap()), &[]);
    assert_eq!(reel.len(), 2 * 1000 * 5 * 2000);
    for shot in [0, 1, 499, 998, 999] {
        let stem = samples(&root.join(format!("takes/S{shot:04}/T01/stems/S{shot:04}_T01_MIX.wav")), &[]);
        assert_eq!(stem.len(), 2 * 5 * 2000);
        assert!(stem == reel[shot * 20_000..][..20_000], "shot {shot} lies elsewhere");
    }
}

#[test]
fn nothing_that_a_cut_is_made_of_is_written_over_and_nothing_stale_stays() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.mp4");
    spoken(&clip, "24", 96, "-ac 2");
    let shots = "[[shot]]\nid = \"A\"\nprompt = \"@Image1 says @Audio1\"\nduration = 4\nlane = \"strip\"\n\
                 images = [\"refs/chef.jpg\"]\naudios = [\"refs/host.wav\"]\n";
    let (site, _simulator) = project(&clip, shots);
    let site = site.with_references();
    let root = site.folder.path();
    let run = |arguments: &[&str]| support::outcome(site.command(arguments).output().unwrap());
    let done = |arguments: &[&str], code: i32| {
        let (found, out, err) = run(arguments);
        assert_eq!(found, code, "{arguments:?}: {out}{err}");
        err
    };
    done(&["run", "--split", "--progress", "none"], 4);
    let stem = |name: &str| root.join("takes/A/T01/stems").join(format!("A_T01_{name}.wav"));
    let read = |path: &Path| std::fs::read(path).unwrap();
    for input in ["refs/host.wav", "takes/A/T01/stems/A_T01_REF1.wav", "takes/A/T01/render.mp4", "shots.toml"] {
        let before = read(&root.join(input));
        let err = done(&["sync", "shots.toml", "A_T01", "--edits", input, "--force"], 2);
        assert!(err.contains("would be written over") && read(&root.join(input)) == before, "{input}: {err}");
    }
    done(&["sync", "shots.toml", "--plot", "x", "--edits", "x"], 2);
    done(&["sync", "shots.toml", "--reference", "refs/host.wav"], 2);

    // A reel takes what takes have, and makes none of them anew.
    let facts = read(&root.join("takes/A/T01/facts.json"));
    done(&["stems", "shots.toml", "--out", "reel"], 0);
    assert_eq!(read(&root.join("takes/A/T01/facts.json")), facts);
    assert!(root.join("reel/Kitchen_DX_estimated.wav").is_file());
    std::fs::write(root.join("reel/Kitchen_REF7.wav"), "mine").unwrap();
    done(&["stems", "shots.toml", "--out", "reel", "--no-separation"], 2);
    done(&["stems", "shots.toml", "--out", "reel", "--no-separation", "--force"], 0);
    assert!(!root.join("reel/Kitchen_DX_estimated.wav").exists(), "what is not made anew does not stay");
    assert_eq!(std::fs::read_to_string(root.join("reel/Kitchen_REF7.wav")).unwrap(), "mine");

    // Stems that are not made any more go; a side that somebody has worked on is kept, and told.
    std::fs::write(
        root.join("shots.toml"),
        std::fs::read_to_string(root.join("shots.toml")).unwrap().replace("\"strip\"", "\"keep\""),
    )
    .unwrap();
    done(&["run", "--progress", "none"], 4);
    assert!(stem("MIX").is_file() && !stem("GUIDE").exists() && !stem("GUIDE.L").exists() && !stem("REF1.L").exists());
    done(&["run", "--split", "--progress", "none"], 4);
    std::fs::write(stem("REF1.R"), "an hour of work").unwrap();
    let err = done(&["run", "--split", "--stretch", "--progress", "none"], 2);
    assert!(err.contains("A_T01_REF1.R.wav was changed by hand"), "{err}");
    assert_eq!(std::fs::read_to_string(stem("REF1.R")).unwrap(), "an hour of work");

    // A shot without a clip is told.
    let list = std::fs::read_to_string(root.join("shots.toml")).unwrap();
    std::fs::write(root.join("shots.toml"), format!("{list}[[shot]]\nid = \"B\"\nprompt = \"b\"\n")).unwrap();
    std::fs::remove_file(stem("REF1.R")).unwrap();
    let err = done(&["stems", "shots.toml", "--out", "second"], 8);
    assert!(err.contains("B has no finished take"), "{err}");
}

#[test]
fn cues_are_read_by_ptulsconv_with_their_times_and_lines() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.mp4");
    spoken(&clip, "24", 96, "-ac 2");
    let shots = r#"
[[shot]]
id = "SC1_A"
prompt = "Mara turns. \"We should have gone home.\""
duration = 4
lane = "strip"
character = "MARA"
line = "We should have gone home."
[[shot]]
id = "SC1_B"
prompt = "Two guards at a gate; one shouts: \"Who goes there?\""
duration = 4
lane = "strip"
generate_audio = false
character = "GUARD"
"#;
    let (site, _simulator) = project(&clip, shots);
    let run = |arguments: &[&str]| support::outcome(site.command(arguments).output().unwrap());
    // The canned clip is smaller than promised, which makes exit code 4.
    let (code, out, err) = run(&["run", "--progress", "none"]);
    assert_eq!(code, 4, "{out}{err}");
    let (code, out, err) = run(&["turnover", "shots.toml", "--json"]);
    assert_eq!(code, 0, "{err}");
    let made: Value = serde_json::from_str(&out).unwrap();
    let adr = Path::new(made["package"].as_str().unwrap()).join("adr");
    let (session, table) = (adr.join("Kitchen_adr.txt"), adr.join("Kitchen_adr.csv"));
    let read: Value = serde_json::from_str(&foreign("cues.py", &[text(&session), text(&table)])).unwrap();
    println!("{}", serde_json::to_string_pretty(&read["rows"]).unwrap());
    let (cues, rows) = (read["cues"].as_array().unwrap(), read["rows"].as_array().unwrap());
    assert_eq!((cues.len(), rows.len()), (2, 2));
    let facts = |shot: &str| -> Value {
        let path = site.folder.path().join(format!("takes/{shot}/T01/facts.json"));
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    };
    assert_eq!(
        (cues[0]["number"].as_str(), cues[0]["line"].as_str(), cues[0]["character"].as_str()),
        (Some("MA101"), Some("We should have gone home."), Some("MARA"))
    );
    // The phrase that was heard, to the frame, from 01:00:00:00 on: seconds as a fraction.
    let phrase = &facts("SC1_A")["phrases"][0]["range"];
    let seconds = |value: &Value| value[0].as_f64().unwrap() / value[1].as_f64().unwrap();
    let start = 3600.0 + (phrase["start"].as_f64().unwrap() / 2000.0).floor() / 24.0;
    assert!((seconds(&cues[0]["start"]) - start).abs() < 1e-6, "{start} {}", cues[0]["start"]);
    // The clip came with sound all the same, but none was asked for.
    assert_eq!((cues[1]["number"].as_str(), cues[1]["line"].as_str()), (Some("GU101"), Some("Who goes there?")));
}

/// A clip of eight seconds whose sound is that of a file, by ffmpeg.
fn clip_of(out: &Path, sound: &Path, options: &str) {
    let picture = "-f lavfi -i testsrc2=size=96x54:rate=24:duration=8";
    let codecs = "-map 0:v -map 1:a -t 8 -c:v libx264 -preset superfast -pix_fmt yuv420p -ac 2 -c:a aac -b:a 160k";
    make(out, &format!("{picture} -i {} {codecs} {options}", text(sound)));
}

/// What `sync` tells of a clip beside a recording.
fn synced(root: &Path, clip: &str, reference: &str) -> Value {
    let (code, out, err) = support::run(root, &["sync", clip, "--reference", reference, "--json"]);
    assert!(code == 0 || code == 4, "{clip} beside {reference}: {code} {out}{err}");
    serde_json::from_str::<Value>(&out).unwrap()["clips"][0]["sync"].clone()
}

/// How far each phrase that was heard is off, in milliseconds at both ends; nothing for those that were not.
fn offsets(sync: &Value) -> Vec<Option<(i64, i64)>> {
    let phrase = |phrase: &Value| {
        let sample = |value: &Value| value.as_i64();
        let expected = sample(&phrase["expected"])?;
        let end = expected + sample(&phrase["source"]["end"])? - sample(&phrase["source"]["start"])?;
        let found = &phrase["found"];
        Some(((sample(&found["start"])? - expected) / 48, (sample(&found["end"])? - end) / 48))
    };
    sync["phrases"].as_array().unwrap().iter().map(phrase).collect()
}

/// Whether all that was heard is so many milliseconds late, and something was.
fn near(sync: &Value, late: i64) {
    let found = offsets(sync);
    assert!(found.iter().flatten().count() > 0, "{sync}");
    let is_near = |(start, end): &(i64, i64)| (start - late).abs() <= 40 && (end - late).abs() <= 60;
    assert!(found.iter().flatten().all(is_near), "{found:?}");
}

/// A folder with `line.wav`, seven seconds of a woman's voice, and `late.mp4`, which speaks it 300 ms late.
fn spoken_late() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let line = folder.path().join("line.wav");
    make(&line, &format!("-i {} -t 7 -ar 48000", text(&voice("speech_en_woman.flac"))));
    clip_of(&folder.path().join("late.mp4"), &line, "-af adelay=300:all=1,apad");
    folder
}

#[test]
fn a_recording_in_any_state_is_heard() {
    let folder = spoken_late();
    let root = folder.path();
    near(&synced(root, "late.mp4", "line.wav"), 300);
    for (name, chain) in [
        ("phone.wav", "-ar 8000"),
        ("clipped.wav", "-af volume=20dB"),
        ("surround.wav", "-af pan=5.1|FC=c0"),
        ("float.wav", "-c:a pcm_f32le"),
    ] {
        make(&root.join(name), &format!("-i {} {chain}", text(&root.join("line.wav"))));
        if name == "float.wav" {
            let mut bytes = std::fs::read(root.join(name)).unwrap();
            let start = bytes.windows(4).position(|window| window == b"data").unwrap() + 8;
            let samples = bytes[start..].as_chunks_mut::<4>().0;
            samples.iter_mut().step_by(997).for_each(|sample| *sample = f32::NAN.to_le_bytes());
            std::fs::write(root.join(name), bytes).unwrap();
        }
        near(&synced(root, "late.mp4", name), 300);
    }
    let references = ["--reference", "surround.wav", "--reference", "float.wav"];
    let made = json(root, &[&["stems", "late.mp4", "--out", "s"], &references[..]].concat());
    let stems = made["stems"].as_array().unwrap();
    let roles: Vec<&str> = stems.iter().map(|stem| stem["role"].as_str().unwrap()).collect();
    assert!(roles.contains(&"REF2") && !roles.contains(&"REF1"), "{roles:?}");
    assert!(made["notes"][0].as_str().unwrap().contains("6 channels"), "{}", made["notes"]);
}

#[test]
fn a_render_in_any_state_is_compared_and_never_guessed_at() {
    let folder = spoken_late();
    let root = folder.path();
    let (line, man) = (root.join("line.wav"), voice("speech_de.flac"));
    clip_of(&root.join("loud.mp4"), &line, "-af adelay=300:all=1,apad,volume=20dB");
    near(&synced(root, "loud.mp4", "line.wav"), 300);
    // A second voice, 6 dB softer.
    let chain = "[1:a]volume=-6dB[b];[0:a][b]amix=inputs=2:normalize=0:duration=first,adelay=300:all=1";
    make(&root.join("both.wav"), &format!("-i {} -i {} -filter_complex {chain}", text(&line), text(&man)));
    clip_of(&root.join("both.mp4"), &root.join("both.wav"), "");
    near(&synced(root, "both.mp4", "line.wav"), 300);
    // Nothing of the recording is in these.
    make(&root.join("silence.wav"), "-f lavfi -i anullsrc=r=48000 -t 8");
    clip_of(&root.join("silence.mp4"), &root.join("silence.wav"), "");
    clip_of(&root.join("music.mp4"), &voice("music_folk.flac"), "");
    clip_of(&root.join("stranger.mp4"), &man, "");
    for clip in ["silence.mp4", "music.mp4", "stranger.mp4"] {
        let sync = synced(root, clip, "line.wav");
        assert_eq!(sync["clip"]["verdict"], "cannot_tell", "{clip}");
        assert!(offsets(&sync).iter().all(Option::is_none), "{clip}");
    }
    for clip in ["silence.mp4", "music.mp4"] {
        let made = json(root, &["stems", clip, "--out", "odd"]);
        assert_eq!(made["separation"]["state"], "refused", "{clip}");
        assert_eq!(made["separation"]["why"], "nobody speaks in it", "{clip}");
    }
    assert_eq!(synced(root, "late.mp4", "silence.wav")["phrases"], Value::Array(Vec::new()));
}

#[test]
fn a_sentence_said_twice_is_found_at_both_places_and_what_was_cut_off_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let (man, once) = (voice("speech_de.flac"), root.join("once.wav"));
    make(&once, &format!("-i {} -t 2.6 -ar 48000", text(&man)));
    let twice = "-filter_complex [0:a]apad=pad_dur=1[a];[a][1:a]concat=n=2:v=0:a=1";
    make(&root.join("twice.wav"), &format!("-i {} -i {} {twice}", text(&once), text(&once)));
    clip_of(&root.join("twice.mp4"), &root.join("twice.wav"), "-af adelay=200:all=1,apad");
    near(&synced(root, "twice.mp4", "twice.wav"), 200);
    // The recording goes on for five seconds after the clip.
    clip_of(&root.join("short.mp4"), &man, "-af adelay=100:all=1");
    let sync = synced(root, "short.mp4", text(&man));
    near(&sync, 100);
    assert!(offsets(&sync).last().unwrap().is_none());
    assert!(!sync["edit_map"]["left_out"].as_array().unwrap().is_empty());
}

#[test]
fn a_clip_without_sound_has_no_stems_and_says_so() {
    let folder = spoken_late();
    let root = folder.path();
    make(&root.join("mute.mp4"), "-f lavfi -i testsrc2=size=96x54:rate=24:duration=2 -c:v libx264 -pix_fmt yuv420p");
    for arguments in [&["stems", "mute.mp4"][..], &["sync", "mute.mp4", "--reference", "line.wav"]] {
        let (code, _, err) = support::run(root, arguments);
        assert!(code == 4 && err.contains("no sound"), "{code} {err}");
    }
    let facts = &json(root, &["finish", "mute.mp4"])["clips"][0]["facts"];
    assert_eq!((&facts["separation"]["state"], &facts["stems"]), (&"refused".into(), &Value::Array(Vec::new())));
}

#[test]
fn renders_with_known_truth_are_told_to_20_ms_and_strangers_never() {
    let folder = tempfile::tempdir().unwrap();
    let renders = folder.path().join("renders");
    println!("{}", foreign("renders.py", &[text(&repository("fixtures/sound")), text(&renders), "24"]));
    let told = foreign("sync.py", &[env!("CARGO_BIN_EXE_seedpost"), text(&renders)]);
    println!("{told}");
    let sums: Value = serde_json::from_str(&told).unwrap();
    let sum = |key: &str| sums[key].as_u64().unwrap();
    assert!(sum("right") * 100 >= sum("phrases") * 95, "{sums}");
    assert_eq!((sum("wrong"), sum("absent_known")), (0, 0), "{sums}");
}
