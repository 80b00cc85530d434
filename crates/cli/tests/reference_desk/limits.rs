//! What fal and Ark say of assets at and just beyond each limit, against a table written by hand.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::assets;
use crate::support::{json, outcome, run, tool};

/// Shot, its keys (`;` parts them, `*` repeats a file, `:` adds a key of its own), and whether seedance-2.0 standard takes it on fal and
/// on Ark: `yes`, `conform` or `no`, with the rules.
const TABLE: &str = r"
jpeg          | images square.jpg       | yes                          | yes
png           | images square.png       | yes                          | yes
webp          | images square.webp      | yes                          | yes
bmp           | images square.bmp       | conform image.format         | yes
tiff          | images square.tiff      | conform image.format         | yes
gif           | images square.gif       | conform image.format         | yes
animated      | images moving.gif       | conform image.animated image.format | conform image.animated
inks          | images inks.jpg         | conform image.colour         | conform image.colour
lying         | images lying.jpg        | conform image.orientation    | conform image.orientation
by_content    | images png_named.jpg    | yes                          | yes
side_149      | images 149x149.jpg      | yes                          | no image.side
side_150      | images 150x150.jpg      | yes                          | conform image.side
side_299      | images 299x400.jpg      | yes                          | conform image.side
side_300      | images 300x300.jpg      | yes                          | yes
side_6000     | images 6000x3000.jpg    | yes                          | yes
side_6001     | images 6001x3000.jpg    | yes                          | conform image.side
aspect_04     | images 400x1000.jpg     | yes                          | yes
aspect_less   | images 400x1001.jpg     | yes                          | no image.aspect
aspect_25     | images 1000x400.jpg     | yes                          | yes
aspect_more   | images 1001x400.jpg     | yes                          | no image.aspect
below_30mb    | images 29999999.jpg     | yes                          | yes
at_30mb       | images 30000000.jpg     | yes                          | conform image.bytes
beyond_30mb   | images 30000001.jpg     | conform image.bytes          | conform image.bytes
images_9      | images square.jpg*9     | yes                          | yes
images_10     | images square.jpg*10    | no image.count               | no image.count
files_12      | images square.jpg*9; audios tone.wav*3                 | yes | yes
files_13      | images square.jpg*9; audios tone.wav*3; videos clip.mp4 | no reference.total | yes
files_15      | images square.jpg*9; audios tone.wav*3; videos clip.mp4*3 | no reference.total | yes
files_16      | images square.jpg*10; audios tone.wav*3; videos clip.mp4*3 | no image.count reference.total | no image.count reference.total
not_a_sound   | images square.jpg; audios square.jpg | no reference.kind | no reference.kind
not_an_image  | images clip.mp4         | no reference.kind            | no reference.kind
wav_16        | images square.jpg; audios tone.wav    | yes            | yes
wav_8         | images square.jpg; audios tone8.wav   | yes            | yes
wav_24        | images square.jpg; audios tone24.wav  | yes            | yes
wav_32        | images square.jpg; audios tone32.wav  | yes            | yes
wav_float     | images square.jpg; audios float32.wav | yes            | yes
wav_double    | images square.jpg; audios float64.wav | yes            | yes
rf64          | images square.jpg; audios rf64.wav    | conform audio.format | conform audio.format
mp3           | images square.jpg; audios tone.mp3    | yes            | yes
flac          | images square.jpg; audios tone.flac   | conform audio.format | conform audio.format
m4a           | images square.jpg; audios tone.m4a    | conform audio.format | conform audio.format
aiff          | images square.jpg; audios tone.aiff   | conform audio.format | conform audio.format
ogg           | images square.jpg; audios tone.ogg    | conform audio.format | conform audio.format
sound_15s     | images square.jpg; audios full.wav    | yes            | yes
sound_over    | images square.jpg; audios over.wav    | conform audio.combined_duration | conform audio.combined_duration
sounds_3      | images square.jpg; audios five.wav*3  | yes            | yes
sounds_over   | images square.jpg; audios five.wav*2, five_over.wav | conform audio.combined_duration | conform audio.combined_duration
sounds_4      | images square.jpg; audios three.wav*4 | no audio.count | no audio.count
rates_15s     | images square.jpg; audios half44.wav, half48.wav | yes | yes
rates_over    | images square.jpg; audios over44.wav, over48.wav | conform audio.combined_duration | conform audio.combined_duration
sound_2s      | images square.jpg; audios least.wav   | yes            | yes
sound_less    | images square.jpg; audios less.wav    | yes            | no audio.duration
sound_1_9s    | images square.jpg; audios short.wav   | yes            | no audio.duration
sound_15mb    | images square.jpg; audios 15000000.wav | yes           | yes
sound_beyond  | images square.jpg; audios 15000002.wav | conform audio.bytes | conform audio.bytes
sound_192k    | images square.jpg; audios large.wav   | conform audio.bytes audio.combined_duration | conform audio.bytes audio.combined_duration
surround      | images square.jpg; audios surround.wav | no audio.channels | no audio.channels
sound_alone   | audios tone.wav         | no audio.needs_picture       | no audio.needs_picture
mp4           | videos clip.mp4         | yes                          | yes
mov           | videos clip.mov         | yes                          | yes
webm          | videos clip.webm        | conform video.format         | conform video.format
hevc          | videos hevc.mp4         | yes                          | yes
mpeg4         | videos mpeg4.mp4        | yes                          | conform video.format
vp9           | videos vp9.mp4          | yes                          | conform video.format
uneven_mkv    | videos uneven.mkv       | conform video.format video.rate | conform video.format video.rate
area_409600   | videos 640x640.mp4      | yes                          | yes
area_408320   | videos 640x638.mp4      | conform video.area           | yes
area_407696   | videos 664x614.mp4      | conform video.area           | yes
area_406368   | videos 664x612.mp4      | conform video.area           | conform video.area
area_927408   | videos 834x1112.mp4     | yes                          | yes
area_929632   | videos 836x1112.mp4     | conform video.area           | yes
area_8295044  | videos 3326x2494.mp4    | conform video.area           | yes
area_8300032  | videos 3328x2494.mp4    | conform video.area           | conform video.area
area_90000    | videos 300x300.mp4      | no video.area                | no video.area
wide_25       | videos 1600x640.mp4     | conform video.area           | yes
wide_more     | videos 1602x640.mp4     | conform video.area           | no video.aspect
clip_1_9s     | videos 57_at_30.mp4     | no video.combined_duration   | no video.duration
clip_2s       | videos 60_at_30.mp4     | yes                          | yes
clip_15s      | videos 450_at_30.mp4    | yes                          | yes
clip_15_1s    | videos 453_at_30.mp4    | conform video.combined_duration | conform video.duration
clip_360      | videos 360_at_24.mp4    | yes                          | yes
clips_15s     | videos 180_at_24.mp4*2  | yes                          | yes
clips_over    | videos 180_at_24.mp4, 181_at_24.mp4 | conform video.combined_duration | conform video.combined_duration
clips_1_9s    | videos 57_at_30.mp4*2   | yes                          | no video.duration
clips_below_50mb | videos 25000000.mp4, 24999999.mp4 | yes             | yes
clips_50mb    | videos 25000000.mp4*2   | conform video.combined_bytes | yes
clip_50mb_less | videos 49999999.mp4    | yes                          | yes
clip_200mb    | videos 200000000.mp4    | conform video.combined_bytes | yes
clip_beyond   | videos 200000001.mp4    | conform video.combined_bytes | conform video.bytes
rate_23       | videos 46_at_23.mp4     | yes                          | conform video.rate
rate_ntsc     | videos ntsc.mp4         | yes                          | conform video.rate
rate_24       | videos 360_at_24.mp4    | yes                          | yes
rate_60       | videos 120_at_60.mp4    | yes                          | yes
rate_61       | videos 122_at_61.mp4    | yes                          | conform video.rate
uneven        | videos uneven.mp4       | yes                          | conform video.rate
turned        | videos turned.mp4       | conform video.rotation       | conform video.rotation
squeezed      | videos squeezed.mp4     | conform video.pixel_aspect | conform video.pixel_aspect
by_priority   | videos 360_at_24.mp4, 180_at_24.mp4:priority=2 | conform video.combined_duration | conform video.combined_duration
part_of_video | videos 360_at_24.mp4:in='1.0':out='3.0' | conform video.duration | conform video.duration
nearly_none   | videos 360_at_24.mp4:out='0.02', 60_at_30.mp4 | no video.duration | no video.duration
part_of_sound | images square.jpg; audios five.wav:in='1.0':out='4.5' | conform audio.duration | conform audio.duration
avif          | images dot.avif         | no image.format              | no image.format
mixed_modes   | images square.jpg; first_frame 'square.png' | no frame.with_references | no frame.with_references
frames        | first_frame 'square.jpg'; last_frame 'square.png' | yes  | yes
seed          | seed 7                  | no shot.seed                 | no shot.seed
foreign       | language 'it'           | yes                          | yes
spoken        | language 'pt-BR'        | yes                          | yes
seconds_3     | duration 3              | no shot.duration             | no shot.duration
seconds_4     | duration 4              | yes                          | yes
seconds_15    | duration 15             | yes                          | yes
seconds_16    | duration 16             | no shot.duration             | no shot.duration
ratio         | aspect_ratio '2:1'      | no render.aspect_ratio       | no render.aspect_ratio
hd            | resolution '1080p'      | yes                          | yes
tag_over      | images square.jpg; prompt '@Image1 and @Image2' | no prompt.tag | no prompt.tag
tag_missing   | images square.jpg*2; prompt '@Image1 alone, write to a@image7.com' | yes | yes
";

/// What other rows of the catalog say: shot, provider, model, tier, verdict.
const OTHERS: [(&str, &str, &str, &str, &str); 9] = [
    ("hd", "fal", "seedance-2.0", "fast", "no render.resolution"),
    ("hd", "ark", "seedance-2.0", "mini", "no render.resolution"),
    ("seed", "fal", "seedance-1.5-pro", "standard", "yes"),
    ("seed", "ark", "seedance-1.5-pro", "standard", "yes"),
    ("jpeg", "fal", "seedance-1.5-pro", "standard", "no reference.mode"),
    ("frames", "fal", "seedance-1.5-pro", "standard", "yes"),
    ("seconds_15", "ark", "seedance-1.5-pro", "standard", "no shot.duration"),
    ("files_13", "fal", "seedance-2.0", "mini", "no reference.total"),
    ("sound_less", "ark", "seedance-2.0", "fast", "no audio.duration"),
];

/// Warnings, which stop nothing.
const WARNINGS: [(&str, &str); 2] = [("foreign", "shot.language"), ("tag_missing", "prompt.untagged")];

struct Row<'a> {
    shot: &'a str,
    keys: &'a str,
    fal: &'a str,
    ark: &'a str,
}

fn rows() -> Vec<Row<'static>> {
    let row = |line: &'static str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [shot, keys, fal, ark] = cells[..] else { panic!("not four cells: {line}") };
        Row { shot, keys, fal, ark }
    };
    TABLE.lines().filter(|line| line.contains('|')).map(row).collect()
}

/// The shot list of the table.
fn list(rows: &[Row<'_>]) -> String {
    let mut text = String::new();
    for row in rows {
        writeln!(text, "[[shot]]\nid = '{}'", row.shot).unwrap();
        if !row.keys.contains("prompt ") {
            writeln!(text, "prompt = 'A quiet street'").unwrap();
        }
        for part in row.keys.split(';') {
            let (key, value) = part.trim().split_once(' ').unwrap();
            if key == "images" {
                writeln!(text, "{key} = [{}]", files(value, |name, _| format!("'{name}'"))).unwrap();
            } else if ["videos", "audios"].contains(&key) {
                let timed = |name: &str, keys: String| format!("{{ path = '{name}'{keys} }}");
                writeln!(text, "{key} = [{}]", files(value, timed)).unwrap();
            } else {
                writeln!(text, "{key} = {value}").unwrap();
            }
        }
    }
    text
}

fn files(value: &str, form: impl Fn(&str, String) -> String) -> String {
    let mut all = String::new();
    for item in value.split(',') {
        let (name, times) = item.trim().split_once('*').unwrap_or((item.trim(), "1"));
        let mut keys = name.split(':');
        let name = keys.next().unwrap();
        let keys: String = keys.map(|key| format!(", {}", key.replace("=", " = "))).collect();
        all.push_str(&format!("{}, ", form(name, keys)).repeat(times.parse().unwrap()));
    }
    all
}

fn check(folder: &Path, arguments: &[&str]) -> Value {
    let (code, out, err) = run(folder, &[&["check", "--json"], arguments].concat());
    assert_eq!(code, 3, "{err}");
    serde_json::from_str(&out).unwrap()
}

/// The verdict on a shot in the table's words. What is conformed is told for the list's own model only.
fn verdict(report: &Value, shot: &str, (provider, model, tier): (&str, &str, &str)) -> String {
    let shots = report["shots"].as_array().unwrap();
    let shot = shots.iter().find(|other| other["shot"] == shot).unwrap();
    let mut models = shot["models"].as_array().unwrap().iter();
    let row = models.find(|row| row["provider"] == provider && row["model"] == model && row["tier"] == tier).unwrap();
    let taken = row["taken"].as_str().unwrap();
    let text = |rule: &Value| rule.as_str().unwrap().to_owned();
    let mut rules: Vec<String> = match taken {
        "conform" => shot["conform"].as_array().unwrap().iter().map(|change| text(&change["rule"])).collect(),
        _ => row["rules"].as_array().unwrap().iter().map(text).collect(),
    };
    rules.sort_unstable();
    rules.dedup();
    [&[taken.to_owned()], &rules[..]].concat().join(" ")
}

#[test]
fn assets_at_each_limit_are_taken_and_those_beyond_are_fitted_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assets::make(folder);
    let rows = rows();
    assert!(rows.len() >= 40);
    std::fs::write(folder.join("shots.toml"), list(&rows)).unwrap();
    let (fal, ark) = (check(folder, &[]), check(folder, &["--provider", "ark"]));
    let mut wrong = Vec::new();
    let mut compare = |shot: &str, who: (&str, &str, &str), found: String, expected: &str| {
        if found != expected {
            wrong.push(format!("{shot} on {who:?}: {found:?}, the table says {expected:?}"));
        }
    };
    for row in &rows {
        for (report, provider, expected) in [(&fal, "fal", row.fal), (&ark, "ark", row.ark)] {
            let who = (provider, "seedance-2.0", "standard");
            compare(row.shot, who, verdict(report, row.shot, who), expected);
        }
    }
    for (shot, provider, model, tier, expected) in OTHERS {
        compare(shot, (provider, model, tier), verdict(&fal, shot, (provider, model, tier)), expected);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    warnings(&fal, &rows);
    pictures_are_as_identify_says(folder);
    films_are_as_ffprobe_says(folder);
    sounds_are_as_long_as_soxi_says(folder);
}

fn warnings(report: &Value, rows: &[Row<'_>]) {
    let faults = report["faults"].as_array().unwrap();
    let told = |shot: &str, rule: &str| {
        let place = format!("shot {shot} · ");
        faults.iter().any(|fault| {
            fault["rule"] == rule
                && fault["severity"] == "warning"
                && fault["place"].as_str().unwrap().starts_with(&place)
        })
    };
    for (shot, rule) in WARNINGS {
        assert!(told(shot, rule), "{shot}: {rule}");
    }
    assert!(!told("spoken", "shot.language"));
    for row in rows.iter().filter(|row| row.shot != "foreign") {
        assert!(!told(row.shot, "shot.language"), "{}", row.shot);
    }
}

/// What the program measured of each file, in the order of the names.
fn probed(folder: &Path, names: &[String]) -> Vec<Value> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let report = json(folder, &[&["probe"], &names[..]].concat());
    report["files"].as_array().unwrap().iter().map(|file| file["info"].clone()).collect()
}

fn names(folder: &Path, endings: &[&str]) -> Vec<String> {
    let all = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> =
        all.filter(|name| endings.iter().any(|ending| name.ends_with(&format!(".{ending}")))).collect();
    names.sort_unstable();
    names
}

fn pictures_are_as_identify_says(folder: &Path) {
    let names = names(folder, &["jpg", "png", "webp", "bmp", "tiff", "gif"]);
    for (name, info) in names.iter().zip(probed(folder, &names)) {
        let path = folder.join(name);
        let said = tool("identify", &["-quiet", "-format", "%m %w %h %[EXIF:Orientation]|", path.to_str().unwrap()]);
        let said: Vec<&str> = said.trim().trim_end_matches('|').split('|').collect();
        let first: Vec<&str> = said[0].split_whitespace().collect();
        let still = &info["still"];
        let orientation = still["orientation"].to_string();
        let mut found = vec![info["container"].as_str().unwrap().to_uppercase()];
        found.extend([still["width"].to_string(), still["height"].to_string()]);
        found.extend((orientation != "1").then_some(orientation));
        assert_eq!(found, first, "{name}");
        assert_eq!(still["animated"], said.len() > 1, "{name}");
    }
}

fn films_are_as_ffprobe_says(folder: &Path) {
    let names = names(folder, &["mp4", "mov", "webm"]);
    for (name, info) in names.iter().zip(probed(folder, &names)) {
        let path = folder.join(name);
        let entries = "stream=codec_name,width,height,r_frame_rate,nb_read_packets";
        let wanted = ["-v", "error", "-count_packets", "-show_entries", entries, "-of", "json", path.to_str().unwrap()];
        let said: Value = serde_json::from_str(&tool("ffprobe", &wanted)).unwrap();
        let (said, video) = (&said["streams"][0], &info["video"]);
        assert_eq!((&video["width"], &video["height"]), (&said["width"], &said["height"]), "{name}");
        assert_eq!(info["bytes"], std::fs::metadata(&path).unwrap().len(), "{name}");
        assert_eq!(video["codec"], said["codec_name"], "{name}");
        assert_eq!(video["frames"].to_string(), said["nb_read_packets"].as_str().unwrap(), "{name}");
    }
}

fn sounds_are_as_long_as_soxi_says(folder: &Path) {
    let names = names(folder, &["wav", "flac", "aiff", "mp3"]);
    assert!(names.len() >= 20, "{names:?}");
    for (name, info) in names.iter().zip(probed(folder, &names)) {
        // What LAME adds in front and behind is not heard: a gapless MP3 is as long as its source.
        let source = match name.as_str() {
            "tone.mp3" => "tone.wav",
            "odd.mp3" => "short.wav",
            other => other,
        };
        let ask = |flag: &str, name: &str| {
            let mut soxi = Command::new("soxi");
            let (code, out, err) = outcome(soxi.args([flag, name]).current_dir(folder).output().unwrap());
            assert_eq!(code, 0, "{name}: {err}");
            out.trim().to_owned()
        };
        let audio = &info["audio"];
        assert_eq!(audio["samples"].to_string(), ask("-s", source), "{name}");
        assert_eq!(audio["sample_rate"].to_string(), ask("-r", name), "{name}");
        assert_eq!(audio["channels"].to_string(), ask("-c", name), "{name}");
        assert_eq!(audio["samples"].as_u64(), Some(decoded(folder, name, audio)), "{name}: ffmpeg's count");
    }
}

/// The samples that ffmpeg hears.
fn decoded(folder: &Path, name: &str, audio: &Value) -> u64 {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-nostdin", "-i", name, "-f", "u8", "-"]).current_dir(folder);
    let output = ffmpeg.output().unwrap();
    assert!(output.status.success(), "{name}");
    output.stdout.len() as u64 / audio["channels"].as_u64().unwrap()
}
