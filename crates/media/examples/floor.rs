//! The least that finishing a clip can cost: decoding its sound, measuring how loud that is, copying the file's bytes.
//!
//! Usage: `floor CLIP COPY`. Prints JSON with the median seconds of each; `COPY` is written.
#![allow(clippy::disallowed_methods, reason = "an example opens files itself")]
#![allow(clippy::print_stdout, reason = "what it prints is its result")]

use std::fs::File;
use std::io::Cursor;
use std::time::Instant;

use seedpost_core::time::{Samples, TimeRange};
use seedpost_media::decode::{decode, each};
use seedpost_media::loudness::Meter;

/// How often each is done.
const RUNS: usize = 20;
/// The samples of a block, as many as a packet of AAC has.
const BLOCK: usize = 1024;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let mut arguments = std::env::args_os().skip(1);
    let (clip, copy) = arguments.next().zip(arguments.next()).ok_or("usage: floor CLIP COPY")?;
    let bytes = std::fs::read(&clip)?;
    let sound = decode(Cursor::new(bytes.clone()), None)?;

    let everything = TimeRange { start: Samples(0), end: Samples(u64::MAX) };
    let decode =
        median(|| bytes.clone(), |bytes| Ok(each(Cursor::new(bytes), everything, &mut |_| Ok(())).map(drop)?))?;
    let loudness = median(|| (), |()| measure(sound.rate.hertz(), &sound.channels))?;
    let copy = median(
        // To write over a file costs more than to write a new one.
        || drop(std::fs::remove_file(&copy)),
        |()| Ok(std::io::copy(&mut File::open(&clip)?, &mut File::create(&copy)?).map(drop)?),
    )?;
    println!("{}", serde_json::json!({ "decode": decode, "loudness": loudness, "copy": copy }));
    Ok(())
}

/// The median seconds of the work; what is prepared for it is not counted.
fn median<T>(prepare: impl Fn() -> T, work: impl Fn(T) -> Outcome) -> Result<f64, Box<dyn std::error::Error>> {
    let mut times = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let prepared = prepare();
        let begin = Instant::now();
        work(prepared)?;
        times.push(begin.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times.get(RUNS / 2).copied().unwrap_or_default())
}

fn measure(hertz: u32, channels: &[Vec<f32>]) -> Outcome {
    let mut meter = Meter::new(hertz, channels.len())?;
    let length = channels.first().map_or(0, Vec::len);
    for start in (0..length).step_by(BLOCK) {
        let block: Vec<&[f32]> =
            channels.iter().filter_map(|channel| channel.get(start..length.min(start + BLOCK))).collect();
        meter.add(&block)?;
    }
    std::hint::black_box(meter.finish());
    Ok(())
}
