//! Assets at and just beyond each limit, made by ffmpeg, sox and ImageMagick; none by the program itself.

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Command;

/// Files that need no other file: a name, and a command whose `$` is that name.
const FIRST: &str = r"
square.jpg    | convert -size 400x400 xc:gray50 $
square.png    | convert -size 400x400 xc:#336699 $
square.webp   | convert -size 400x400 xc:#336699 $
square.bmp    | convert -size 400x400 xc:#336699 $
square.tiff   | convert -size 400x400 xc:#336699 $
square.gif    | convert -size 400x400 xc:#336699 $
moving.gif    | convert -size 400x400 xc:red xc:blue -loop 0 $
inks.jpg      | convert -size 400x400 xc:#336699 -colorspace CMYK $
png_named.jpg | convert -size 400x400 xc:#336699 png:$
149x149.jpg   | convert -size 149x149 xc:gray50 $
150x150.jpg   | convert -size 150x150 xc:gray50 $
299x400.jpg   | convert -size 299x400 xc:gray50 $
300x300.jpg   | convert -size 300x300 xc:gray50 $
6000x3000.jpg | convert -size 6000x3000 xc:gray50 $
6001x3000.jpg | convert -size 6001x3000 xc:gray50 $
400x1000.jpg  | convert -size 400x1000 xc:gray50 $
400x1001.jpg  | convert -size 400x1001 xc:gray50 $
1000x400.jpg  | convert -size 1000x400 xc:gray50 $
1001x400.jpg  | convert -size 1001x400 xc:gray50 $
dot.avif      | ffmpeg -f lavfi -i color=gray:s=400x400 -frames:v 1 -c:v libaom-av1 -still-picture 1 -cpu-used 8 $
clip.mp4      | film 1280x720 24 48 $
clip.webm     | ffmpeg -f lavfi -i color=gray:s=1280x720:r=24:d=2 -c:v libvpx-vp9 -deadline realtime -cpu-used 8 $
vp9.mp4       | ffmpeg -f lavfi -i color=gray:s=1280x720:r=24:d=2 -c:v libvpx-vp9 -deadline realtime -cpu-used 8 $
mpeg4.mp4     | ffmpeg -f lavfi -i color=gray:s=1280x720:r=24:d=2 -c:v mpeg4 $
hevc.mp4      | ffmpeg -f lavfi -i color=gray:s=1280x720:r=24:d=2 -c:v libx265 -preset ultrafast -x265-params log-level=none $
uneven.mkv    | ffmpeg -f lavfi -i color=gray:s=640x640:r=24:d=3 -vf select='not(eq(mod(n\,5)\,3))' -fps_mode vfr -preset ultrafast $
uneven.mp4    | ffmpeg -f lavfi -i color=gray:s=640x640:r=24:d=3 -vf select='not(eq(mod(n\,5)\,3))' -fps_mode vfr -preset ultrafast $
640x640.mp4   | film 640x640 24 48 $
640x638.mp4   | film 640x638 24 48 $
664x614.mp4   | film 664x614 24 48 $
664x612.mp4   | film 664x612 24 48 $
834x1112.mp4  | film 834x1112 24 48 $
836x1112.mp4  | film 836x1112 24 48 $
3326x2494.mp4 | film 3326x2494 24 48 $
3328x2494.mp4 | film 3328x2494 24 48 $
1600x640.mp4  | film 1600x640 24 48 $
1602x640.mp4  | film 1602x640 24 48 $
300x300.mp4   | film 300x300 24 48 $
57_at_30.mp4  | film 640x640 30 57 $
60_at_30.mp4  | film 640x640 30 60 $
450_at_30.mp4 | film 640x640 30 450 $
453_at_30.mp4 | film 640x640 30 453 $
360_at_24.mp4 | film 640x640 24 360 $
180_at_24.mp4 | film 640x640 24 180 $
181_at_24.mp4 | film 640x640 24 181 $
ntsc.mp4      | film 640x640 24000/1001 50 $
squeezed.mp4  | ffmpeg -f lavfi -i color=gray:s=960x720:r=24:d=2 -vf setsar=4/3 -preset ultrafast -pix_fmt yuv420p $
46_at_23.mp4  | film 640x640 23 46 $
120_at_60.mp4 | film 640x640 60 120 $
122_at_61.mp4 | film 640x640 61 122 $
tone.wav      | sox -D -r 48000 -n -b 16 -c 2 $ synth 2 sine 440 vol 0.5
tone8.wav     | sox -D -r 48000 -n -b 8 -e unsigned $ synth 2 sine 440 vol 0.5
tone24.wav    | sox -D -r 48000 -n -b 24 $ synth 2 sine 440 vol 0.5
tone32.wav    | sox -D -r 48000 -n -b 32 -e signed $ synth 2 sine 440 vol 0.5
float32.wav   | sox -D -r 48000 -n -b 32 -e float $ synth 2 sine 440 vol 0.5
float64.wav   | sox -D -r 48000 -n -b 64 -e float $ synth 2 sine 440 vol 0.5
short.wav     | sox -D -r 44100 -n -b 16 $ synth 83790s sine 440 vol 0.5
least.wav     | sox -D -r 44100 -n -b 16 $ synth 88200s sine 440 vol 0.5
less.wav      | sox -D -r 44100 -n -b 16 $ synth 88199s sine 440 vol 0.5
full.wav      | sox -D -r 16000 -n -b 16 $ synth 240000s sine 440 vol 0.5
over.wav      | sox -D -r 16000 -n -b 16 $ synth 240001s sine 440 vol 0.5
half44.wav    | sox -D -r 44100 -n -b 16 $ synth 330897s sine 440 vol 0.5
half48.wav    | sox -D -r 48000 -n -b 16 $ synth 359840s sine 440 vol 0.5
over44.wav    | sox -D -r 44100 -n -b 16 $ synth 330784s sine 440 vol 0.5
over48.wav    | sox -D -r 48000 -n -b 16 $ synth 359963s sine 440 vol 0.5
five.wav      | sox -D -r 16000 -n -b 16 $ synth 5 sine 440 vol 0.5
five_over.wav | sox -D -r 16000 -n -b 16 $ synth 80001s sine 440 vol 0.5
three.wav     | sox -D -r 16000 -n -b 16 $ synth 3 sine 440 vol 0.5
large.wav     | sox -D -r 192000 -n -b 24 -c 2 $ synth 20 sine 440 vol 0.5
surround.wav  | sox -D -r 48000 -n -b 16 -c 6 $ synth 2 sine 440 vol 0.5
";

/// Files that are made from those.
const SECOND: &str = r"
clip.mov      | ffmpeg -i clip.mp4 -c copy $
turned.mp4    | ffmpeg -i clip.mp4 -c copy -metadata:s:v:0 rotate=90 $
rf64.wav      | ffmpeg -i tone.wav -rf64 always $
tone.mp3      | ffmpeg -i tone.wav -c:a libmp3lame $
odd.mp3       | ffmpeg -i short.wav -c:a libmp3lame $
tone.flac     | sox tone24.wav $
tone.aiff     | sox tone24.wav $
tone.m4a      | ffmpeg -i tone.wav -c:a aac $
tone.ogg      | ffmpeg -i tone.wav -c:a libvorbis $
";

/// Copies of exactly so many bytes: name, source, bytes.
const PADDED: [(&str, &str, u64); 10] = [
    ("29999999.jpg", "square.jpg", 29_999_999),
    ("30000000.jpg", "square.jpg", 30_000_000),
    ("30000001.jpg", "square.jpg", 30_000_001),
    ("24999999.mp4", "180_at_24.mp4", 24_999_999),
    ("25000000.mp4", "180_at_24.mp4", 25_000_000),
    ("49999999.mp4", "clip.mp4", 49_999_999),
    ("200000000.mp4", "clip.mp4", 200_000_000),
    ("200000001.mp4", "clip.mp4", 200_000_001),
    ("15000000.wav", "tone.wav", 15_000_000),
    ("15000002.wav", "tone.wav", 15_000_002),
];

/// Makes all of them in a folder.
pub(crate) fn make(folder: &Path) {
    make_some(folder, |_| true);
}

/// Makes those that are wanted, and what they are made from must be among them.
pub(crate) fn make_some(folder: &Path, wanted: impl Fn(&str) -> bool) {
    for recipes in [FIRST, SECOND] {
        let name = |line: &&str| line.split_once('|').is_some_and(|(name, _)| wanted(name.trim()));
        cook(folder, &recipes.lines().filter(name).collect::<Vec<_>>().join("\n"));
    }
    if wanted("lying.jpg") {
        lying(folder);
    }
    for (name, of, bytes) in PADDED.iter().filter(|(name, ..)| wanted(name)) {
        pad(&folder.join(of), &folder.join(name), *bytes);
    }
}

/// Follows recipes, two at a time.
pub(crate) fn cook(folder: &Path, recipes: &str) {
    let lines: Vec<&str> = recipes.lines().filter(|line| line.contains('|')).collect();
    std::thread::scope(|scope| {
        for first in 0..2 {
            let own = lines.iter().skip(first).step_by(2);
            scope.spawn(move || own.for_each(|line| cook_one(folder, line)));
        }
    });
}

fn cook_one(folder: &Path, line: &str) {
    let (name, recipe) = line.split_once('|').unwrap();
    let words: Vec<&str> = recipe.split_whitespace().collect();
    let film;
    let (program, words) = match &words[..] {
        ["film", size, rate, frames, _] => {
            film = format!("color=gray:s={size}:r={rate}");
            let picture = ["-f", "lavfi", "-i", film.as_str(), "-frames:v", frames, "-preset", "ultrafast"];
            ("ffmpeg", [&picture[..], &["-pix_fmt", "yuv420p", "$"]].concat())
        }
        [program, words @ ..] => (*program, words.to_vec()),
        [] => panic!("no recipe: {line}"),
    };
    let mut command = Command::new(program);
    if program == "ffmpeg" {
        command.args(["-v", "error", "-nostdin", "-threads", "1"]);
    }
    command.args(words.iter().map(|word| word.replace('$', name.trim()))).current_dir(folder);
    let output = command.output().unwrap_or_else(|error| panic!("{program}: {error}; `make deps`"));
    assert!(output.status.success(), "{line}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// A JPEG whose Exif (2.32, tag 274) says that it lies on its side.
fn lying(folder: &Path) {
    let exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let plain = std::fs::read(folder.join("400x1000.jpg")).unwrap();
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    let bytes = [&plain[..2], b"\xff\xe1", &length, exif, &plain[2..]].concat();
    std::fs::write(folder.join("lying.jpg"), bytes).unwrap();
}

/// A copy of exactly so many bytes that says the same: zeros after a JPEG's end, a `free` box after an
/// MP4's last, a `JUNK` chunk after a WAV's.
fn pad(of: &Path, to: &Path, bytes: u64) {
    std::fs::copy(of, to).unwrap();
    let mut file = std::fs::File::options().read(true).write(true).open(to).unwrap();
    let own = file.metadata().unwrap().len();
    let more = u32::try_from(bytes - own).unwrap();
    file.seek(SeekFrom::End(0)).unwrap();
    match to.extension().unwrap().to_str().unwrap() {
        "mp4" => file.write_all(&[&more.to_be_bytes()[..], b"free"].concat()).unwrap(),
        "wav" => {
            file.write_all(&[&b"JUNK"[..], &(more - 8).to_le_bytes()].concat()).unwrap();
            file.seek(SeekFrom::Start(4)).unwrap();
            file.write_all(&u32::try_from(bytes - 8).unwrap().to_le_bytes()).unwrap();
        }
        _ => {}
    }
    file.set_len(bytes).unwrap();
}
