//! How fast the three listeners are: where someone speaks, what is dialogue, and where a recording is heard.
//!
//! Usage: `ears SOUND`. Of the first 15 s of it, laid end to end where it is shorter, prints JSON with the seconds that
//! each takes the first time (its model is read then) and at best of three times afterwards, and the peak memory in MiB.
//! One core is used: run it under `taskset -c 0`.
#![allow(clippy::disallowed_methods, reason = "an example opens files itself")]
#![allow(clippy::print_stdout, reason = "what it prints is its result")]

use std::fs::File;
use std::time::Instant;

use seedpost_core::time::{Samples, TimeRange};
use seedpost_media::decode::decode;
use seedpost_media::speech::{Detector, phrases};
use seedpost_media::stems::to_48;
use seedpost_media::{align, separate};

/// 15 s at 48 kHz.
const LENGTH: usize = 15 * 48_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: ears SOUND")?;
    let sound = to_48(&decode(File::open(path)?, None)?)?;
    let plane = sound.channels.first().ok_or("no sound")?;
    let mono: Vec<f32> = plane.iter().copied().cycle().take(LENGTH).collect();
    let whole: Vec<i32> = mono.iter().map(|sample| (sample * 8_388_607.0) as i32).collect();

    let (speech, regions) = timed(|| {
        let mut detector = Detector::new();
        detector.add(&mono);
        detector.finish()
    });
    let ranges: Vec<TimeRange<Samples>> = phrases(&regions).into_iter().map(|phrase| phrase.range).collect();
    let (separation, _) = timed(|| separate::split(&[whole.clone(), whole.clone()]));
    // The render is a quarter of a second late.
    let late: Vec<f32> = vec![0.0; 12_000].into_iter().chain(mono.iter().copied()).take(LENGTH).collect();
    let expected: Vec<Samples> = ranges.iter().map(|range| range.start).collect();
    let (sync, found) = timed(|| align::align(&mono, &ranges, &late, &expected));
    let found = found.iter().flatten().filter(|found| found.confidence >= align::CERTAIN).count();
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    println!(
        "{}",
        serde_json::json!({
            "seconds": 15, "speech": speech, "separation": separation, "sync": sync,
            "phrases": ranges.len(), "found": found, "peak_mib": peak.map(|peak| peak / 1024),
        })
    );
    Ok(())
}

/// The seconds of the first time and of the best of three more, and what came of it.
fn timed<T>(work: impl Fn() -> T) -> ((f64, f64), T) {
    let once = || {
        let begin = Instant::now();
        let result = work();
        (begin.elapsed().as_secs_f64(), result)
    };
    let (first, result) = once();
    let best = (0..3).map(|_| once().0).fold(f64::INFINITY, f64::min);
    ((first, best), result)
}
