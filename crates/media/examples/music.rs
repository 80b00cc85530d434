//! Prints whether WAV files hold music: a line each with the score, the answer, and the stretches in samples.
//!
//! Usage: music FILE.wav…

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;

use seedpost_core::content::Music;
use seedpost_media::music::Detector;

fn main() -> Result<(), Box<dyn Error>> {
    for path in std::env::args().skip(1) {
        let found = listen(&path).map_err(|error| format!("{path}: {error}"))?;
        let answer = match found.found {
            Some(true) => "music",
            Some(false) => "none",
            None => "unknown",
        };
        let ranges: Vec<String> =
            found.ranges.iter().map(|range| format!("{}-{}", range.start.0, range.end.0)).collect();
        println!("{:.3} {answer} {}", found.score, ranges.join(" "));
    }
    Ok(())
}

/// Hears a file half a second at a time.
fn listen(path: &str) -> Result<Music, Box<dyn Error>> {
    let mut file = hound::WavReader::open(path)?;
    let spec = file.spec();
    let samples: Vec<f32> = match spec.sample_format {
        hound::SampleFormat::Float => file.samples::<f32>().collect::<Result<_, _>>()?,
        hound::SampleFormat::Int => {
            let full = 2f32.powi(i32::from(spec.bits_per_sample) - 1);
            file.samples::<i32>().map(|sample| sample.map(|value| value as f32 / full)).collect::<Result<_, _>>()?
        }
    };
    let channels = usize::from(spec.channels);
    let mono: Vec<f32> =
        samples.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32).collect();
    let mut detector = Detector::new(spec.sample_rate);
    mono.chunks(spec.sample_rate as usize / 2).for_each(|block| detector.add(block));
    Ok(detector.finish())
}
