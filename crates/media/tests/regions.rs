//! Where someone speaks in clean and odd sound; `separation` has mixtures.
#![allow(clippy::print_stdout, reason = "what was measured is told")]

mod mixtures;

use mixtures::{MUSIC, SPEAKERS, active_frames, counted, line, load, pink, repeat};
use seedpost_core::time::{Samples, TimeRange};
use seedpost_media::speech::{Detector, PAUSE, Region, audible, phrases};

const SECOND: usize = 48_000;

fn hear(sound: &[f32], block: usize) -> Vec<Region> {
    let mut detector = Detector::new();
    sound.chunks(block).for_each(|block| detector.add(block));
    detector.finish()
}

#[test]
fn clean_speech_is_found() {
    let mut sums = [0; 3];
    for name in SPEAKERS {
        let speech = line(name);
        let counts = counted(&active_frames(&speech), &hear(&speech, 4_096));
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    let [both, truth, found] = sums.map(|count| count as f64);
    let (recall, precision) = (both / truth, both / found);
    println!("clean: recall {recall:.3}, precision {precision:.3}");
    assert!(recall >= 0.95 && precision >= 0.95);
}

#[test]
fn nobody_speaks_in_silence_noise_music_or_nothing() {
    assert_eq!(hear(&vec![0.0; 4 * SECOND], 4_096), []);
    assert_eq!(hear(&pink(8 * SECOND, 7), 4_096), []);
    assert_eq!(hear(&[], 1), []);
    for name in MUSIC {
        assert_eq!(hear(&repeat(&load(name), 10 * SECOND), 4_096), [], "{name}");
    }
}

#[test]
fn loudness_and_clipping_do_not_matter_much() {
    let clean = line(SPEAKERS[0]);
    let truth = active_frames(&clean);
    let peak = clean.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
    let quiet: Vec<f32> = clean.iter().map(|sample| sample / peak * 0.003).collect();
    let clipped: Vec<f32> = clean.iter().map(|sample| (sample / peak * 4.0).clamp(-0.99, 0.99)).collect();
    for (words, sound) in [("-50 dBFS", quiet), ("clipped by 12 dB", clipped)] {
        let [both, wanted, found] = counted(&truth, &hear(&sound, 4_096)).map(|count| count as f64);
        println!("{words}: recall {:.3}, precision {:.3}", both / wanted, both / found);
        assert!(both / wanted >= 0.9 && both / found >= 0.9, "{words}");
    }
}

#[test]
fn a_region_begins_and_ends_where_the_sound_does() {
    // A line cut hard: its first and last sample are known.
    let voice = load(SPEAKERS[1]);
    let loud = voice.iter().position(|sample| sample.abs() > 0.1).expect("someone speaks");
    let part = voice.get(loud..loud + SECOND / 2).expect("the line is longer");
    let sound = [vec![0.0; SECOND], part.to_vec(), vec![0.0; SECOND]].concat();
    let found = hear(&sound, 1_000);
    let (first, last) = (found.first().expect("it is found"), found.last().expect("it is found"));
    println!("{found:?}");
    assert!(first.range.start.0.abs_diff(SECOND as u64) <= SECOND as u64 / 50, "{first:?}");
    assert!(last.range.end.0.abs_diff(SECOND as u64 * 3 / 2) <= SECOND as u64 / 50, "{last:?}");
}

#[test]
fn a_phrase_is_drawn_in_to_what_is_heard_of_it() {
    // A tone from 20,000 to 30,000, and 40 dB below it a tail that nobody minds.
    let tone = |at: usize| (at as f32 * 0.1).sin();
    let level = |at: usize| if (20_000..30_000).contains(&at) { 0.5 } else { 0.005 };
    let sound: Vec<f32> = (0..SECOND).map(|at| level(at) * tone(at)).collect();
    let drawn = audible(&sound, TimeRange { start: Samples(4_000), end: Samples(47_000) });
    assert!(drawn.start.0.abs_diff(20_000 - 480) <= 240 && drawn.end.0.abs_diff(30_000 + 480) <= 240, "{drawn:?}");
    let nothing = TimeRange { start: Samples(90_000), end: Samples(99_000) };
    assert_eq!(audible(&sound, nothing), nothing);
}

#[test]
fn the_size_of_blocks_does_not_matter() {
    let sound = line(SPEAKERS[0]);
    let whole = hear(&sound, sound.len());
    for block in [1, 479, 48_001] {
        assert_eq!(hear(&sound, block), whole);
    }
}

#[test]
fn what_is_no_number_or_too_loud_harms_nothing() {
    let mut sound = line(SPEAKERS[0]);
    sound.iter_mut().step_by(9_999).for_each(|sample| *sample = f32::NAN);
    sound.iter_mut().skip(1).step_by(9_999).for_each(|sample| *sample = 1e30);
    let found = hear(&sound, 4_096);
    assert!(found.iter().all(|region| (0.0..=1.0).contains(&region.confidence)));
    assert!(found.windows(2).all(|pair| pair[0].range.end < pair[1].range.start));
}

#[test]
fn a_phrase_ends_at_a_pause() {
    let region = |start: u64, end: u64, confidence| Region {
        range: TimeRange { start: Samples(start), end: Samples(end) },
        confidence,
    };
    let pause = PAUSE.0;
    let regions =
        [region(0, 1000, 1.0), region(999 + pause, 1999 + pause, 0.5), region(1999 + 2 * pause, 9999 + 2 * pause, 0.9)];
    assert_eq!(phrases(&regions), [region(0, 1999 + pause, 0.75), regions[2].clone()]);
    assert_eq!(phrases(&[]), []);
}
