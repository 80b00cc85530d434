//! Mixes whose parts are known: how much nearer to the speech the dialogue is than the mix was, and whether speech is
//! found where it is.
#![allow(clippy::print_stdout, reason = "every case is told")]

mod mixtures;

use std::sync::LazyLock;

use mixtures::{Disturbance, SPEAKERS, active_frames, counted, disturb, line, mix, si_sdr};
use rayon::prelude::*;
use seedpost_media::separate;
use seedpost_media::speech::{Detector, hear_again};

const RATIOS: [f64; 4] = [-5.0, 0.0, 5.0, 10.0];
const KINDS: [Disturbance; 4] = [Disturbance::Noise, Disturbance::Babble, Disturbance::Effects, Disturbance::Music];

struct Outcome {
    kind: Disturbance,
    ratio: f64,
    gained: f64,
    /// Blocks of 10 ms that are rightly found, that were to be found, and that were found: in the mix alone, and with
    /// the dialogue at hand.
    alone: [usize; 3],
    again: [usize; 3],
    line: String,
}

/// All cases, worked through once for all tests.
static OUTCOMES: LazyLock<Vec<Outcome>> = LazyLock::new(|| {
    let cases: Vec<_> = SPEAKERS
        .iter()
        .enumerate()
        .flat_map(|(number, speaker)| KINDS.iter().map(move |kind| (number, *speaker, *kind)))
        .flat_map(|(number, speaker, kind)| RATIOS.iter().map(move |ratio| (number, speaker, kind, *ratio)))
        .collect();
    cases.into_par_iter().map(|(number, speaker, kind, ratio)| case(number, speaker, kind, ratio)).collect()
});

fn case(number: usize, speaker: &str, kind: Disturbance, ratio: f64) -> Outcome {
    let speech = line(speaker);
    let sound = mix(&speech, &disturb(kind, speaker, speech.len(), number as u32), ratio);
    let whole: Vec<i32> = sound.mixed.iter().map(|x| (x * 8_388_608.0).round() as i32).collect();
    let split = separate::split(std::slice::from_ref(&whole)).expect("it is sound of 24 bits");
    let null = whole.iter().zip(&split.dialogue[0]).zip(&split.rest[0]).all(|((mix, dx), me)| dx + me == *mix);
    assert!(null, "{speaker} {kind:?} {ratio}: the parts do not add up to the mix");
    let float = |plane: &[i32]| plane.iter().map(|x| *x as f32 / 8_388_608.0).collect::<Vec<f32>>();
    let before = si_sdr(&sound.speech, &sound.mixed);
    let (dx, me) = (float(&split.dialogue[0]), float(&split.rest[0]));
    let after = si_sdr(&sound.speech, &dx);
    let rest = si_sdr(&sound.disturbance, &me);
    let line = format!(
        "{speaker:<18} {kind:<8} {ratio:>5.1} dB: mix {before:>6.2}, DX {after:>6.2}, ME {rest:>6.2}, gained {:>6.2}, null exact",
        after - before,
        kind = format!("{kind:?}"),
    );
    let truth = active_frames(&speech);
    let mut detector = Detector::new();
    detector.add(&sound.mixed);
    Outcome {
        kind,
        ratio,
        gained: after - before,
        alone: counted(&truth, &detector.finish()),
        again: counted(&truth, &hear_again(&sound.mixed, &dx)),
        line,
    }
}

#[test]
fn dialogue_is_nearer_to_the_speech_than_the_mix_was() {
    OUTCOMES.iter().for_each(|outcome| println!("{}", outcome.line));
    let mean = |kinds: &[Disturbance], ratio: f64| {
        let gained = OUTCOMES.iter().filter(|o| kinds.contains(&o.kind) && o.ratio == ratio).map(|o| o.gained);
        gained.clone().sum::<f64>() / gained.count() as f64
    };
    for kind in KINDS {
        let gained = RATIOS.map(|ratio| format!("{:.2} at {ratio} dB", mean(&[kind], ratio)));
        println!("{kind:?}: gained {}", gained.join(", "));
    }
    let (others, music) = (mean(&KINDS[..3], 0.0), mean(&KINDS[3..], 0.0));
    println!("at 0 dB: noise, babble and effects {others:.2} dB, music {music:.2} dB");
    assert!(others >= 7.0 && music >= 4.0, "{others:.2} {music:.2}");
}

#[test]
fn speech_is_found_where_it_is() {
    for (kind, ratio) in KINDS.into_iter().flat_map(|kind| RATIOS.map(|ratio| (kind, ratio))) {
        let sum = |of: fn(&Outcome) -> [usize; 3]| {
            let these = OUTCOMES.iter().filter(|outcome| outcome.kind == kind && outcome.ratio == ratio).map(of);
            let [both, truth, found] =
                these.fold([0; 3], |sum, one| [sum[0] + one[0], sum[1] + one[1], sum[2] + one[2]]);
            (both as f64 / truth.max(1) as f64, both as f64 / found.max(1) as f64)
        };
        let (alone, again) = (sum(|outcome| outcome.alone), sum(|outcome| outcome.again));
        println!(
            "{kind:?} at {ratio} dB: recall {:.3}, precision {:.3}; in the mix alone {:.3}, {:.3}",
            again.0, again.1, alone.0, alone.1
        );
        if ratio >= 5.0 {
            assert!(again.0 >= 0.9 && again.1 >= 0.9, "{kind:?} at {ratio} dB: {again:?}");
            assert!(alone.0 >= 0.85 && alone.1 >= 0.85, "{kind:?} at {ratio} dB, the mix alone: {alone:?}");
        }
    }
}
