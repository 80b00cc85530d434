//! Avid Log Exchange: a row for each take, whole, with where it comes from in columns of its own.
//!
//! Takes are listed, not the cut: one that is used twice stands there once. A take whose own timecode passes midnight
//! has no `End`, since it would come before `Start`; its `Duration` tells.
//! Deliberately absent: sound files, since a log of them is another one; and any column that nobody knows a value for.

use super::text::{flat, fps};
use super::{Export, Field, Format, Links, Loss, Of, base_name, told};
use crate::time::Frames;
use crate::timeline::{Clip, Provenance, Timeline};

const COLUMNS: [&str; 20] = [
    "Name",
    "Tracks",
    "Start",
    "End",
    "Duration",
    "Tape",
    "Scene",
    "Take",
    "Source File",
    "Source Path",
    "Shot",
    "Lane",
    "Lane Reason",
    "Provider",
    "Model",
    "Prompt",
    "Seed",
    "Request ID",
    "Cost",
    "SHA-256",
];
/// The channels that are named one by one.
const NAMED: u16 = 8;

pub(super) fn write(timeline: &Timeline, links: Links<'_>) -> Export {
    let mut text = format!(
        "Heading\nFIELD_DELIM\tTABS\nVIDEO_FORMAT\t{}\nAUDIO_FORMAT\t48khz\nFPS\t{}\n\nColumn\n{}\n\nData\n",
        video_format(timeline),
        fps(timeline.start.rate()),
        COLUMNS.join("\t"),
    );
    for clip in told::takes(timeline) {
        text.push_str(&row(timeline, clip, links).map(|field| flat(&field)).join("\t"));
        text.push('\n');
    }
    Export { content: text.into_bytes(), losses: losses(timeline, links) }
}

fn row(timeline: &Timeline, clip: &Clip, links: Links<'_>) -> [String; COLUMNS.len()] {
    let (picture, shot) = (&clip.picture, clip.take.shot.as_str());
    let Provenance { provider, model, prompt, seed, request_id, cost, reason, sha256 } = clip.provenance.clone();
    let end = Frames(picture.start.0.saturating_add(picture.frames.0));
    [
        clip.take.to_string(),
        tracks(picture.channels),
        timeline.label(picture.start),
        if end < timeline.start.midnight() { timeline.label(end) } else { String::new() },
        timeline.label(picture.frames),
        clip.reel.clone(),
        shot.split_once('_').map_or(shot, |(scene, _)| scene).to_owned(),
        clip.take.number.to_string(),
        base_name(&picture.file).to_owned(),
        links.path(&picture.file),
        shot.to_owned(),
        clip.lane.as_str().to_owned(),
        reason,
        provider,
        model,
        prompt,
        seed.map(|seed| seed.to_string()).unwrap_or_default(),
        request_id.unwrap_or_default(),
        cost,
        sha256,
    ]
}

/// `V`, `VA1`, `VA1A2`; many channels as a stretch, `VA1-16`.
fn tracks(channels: u16) -> String {
    let sound: String = if channels > NAMED {
        format!("A1-{channels}")
    } else {
        (1..=channels).map(|channel| format!("A{channel}")).collect()
    };
    format!("V{sound}")
}

/// Avid's name for the size that all takes share; `CUSTOM` where it has none.
fn video_format(timeline: &Timeline) -> &'static str {
    let name = |clip: &Clip| match (clip.picture.width, clip.picture.height) {
        (1920, 1080) => "1080",
        (1280, 720) => "720",
        (720, 576) => "PAL",
        (720, 486) => "NTSC",
        _ => "CUSTOM",
    };
    let mut names = timeline.clips.iter().map(name);
    let first = names.next().unwrap_or("CUSTOM");
    if names.all(|name| name == first) { first } else { "CUSTOM" }
}

fn losses(timeline: &Timeline, links: Links<'_>) -> Vec<Loss> {
    const FORMAT: Format = Format::Ale;
    let cut = "a log lists takes, and not the cut";
    let one_line = "line ends and tabs are a space";
    let mut losses = vec![
        Loss::all(FORMAT, Of::Cut, Field::Name, cut),
        Loss::all(FORMAT, Of::Cut, Field::Start, cut),
        Loss::all(FORMAT, Of::Clip, Field::Track, cut),
        Loss::all(FORMAT, Of::Clip, Field::Source, "a log lists takes whole"),
        Loss::all(FORMAT, Of::Clip, Field::Record, cut),
    ];
    losses.extend(told::absent(timeline, FORMAT, &[(Of::Stem, cut), (Of::Marker, cut), (Of::Cue, cut)]));
    losses.extend(told::links(timeline, (FORMAT, links, one_line), false, flat));
    losses.extend(told::provenance(timeline, FORMAT, one_line, |provenance| provenance.map(flat)));
    losses
}

#[cfg(test)]
mod tests {
    use super::super::sample::{cut, written};
    use super::*;

    #[test]
    fn each_take_stands_once_and_whole() {
        let (log, losses) = written(&cut("24", "01:00:00:00"), Format::Ale);
        let (head, rows) = log.split_once("\nData\n").expect("a log has data");
        assert!(
            head.starts_with(
                "Heading\nFIELD_DELIM\tTABS\nVIDEO_FORMAT\t1080\nAUDIO_FORMAT\t48khz\nFPS\t24\n\nColumn\n"
            )
        );
        assert_eq!(
            rows,
            "SC010_SH020_T01\tVA1A2\t01:00:00:00\t01:00:04:00\t00:00:04:00\t10SH020A\tSC010\t1\tSC010_SH020_T01.mov\t\
             ../picture/SC010_SH020_T01.mov\tSC010_SH020\tkeep\t\tfal\t\t\t7\t\t\t\n\
             SC010_SH030_T02\tV\t01:00:00:00\t01:00:02:00\t00:00:02:00\t10SH030B\tSC010\t2\tSC010_SH030_T02.mov\t\
             ../picture/SC010_SH030_T02.mov\tSC010_SH030\tstrip\t\tfal\t\t\t7\t\t\t\n"
        );
        assert_eq!(losses.len(), 6, "{losses:?}");
    }

    #[test]
    fn labels_count_as_the_cut_does() {
        // At 29.97 drop-frame 96 frames after 00:59:58;28 are one minute on, where two labels are skipped.
        let (log, _) = written(&cut("29.97", "00:58:58;28"), Format::Ale);
        assert!(log.contains("\nFPS\t29.97\n") && log.contains("\t00:58:58;28\t00:59:02;06\t00:00:03;06\t"), "{log}");
        assert!(written(&cut("23.976", "01:00:00:00"), Format::Ale).0.contains("\nFPS\t23.976\n"));
    }

    #[test]
    fn a_take_that_passes_midnight_has_no_end() {
        let mut timeline = cut("24", "01:00:00:00");
        timeline.clips[1].picture.start = Frames(24 * 3600 * 24 - 48);
        let (log, _) = written(&timeline, Format::Ale);
        assert!(log.contains("\tV\t23:59:58:00\t\t00:00:02:00\t"), "{log}");
    }

    #[test]
    fn a_text_that_is_changed_is_told_once() {
        let mut timeline = cut("24", "01:00:00:00");
        for clip in [0, 2] {
            timeline.clips[clip].provenance.prompt = "a\tb\r\n\"c\"".to_owned();
            timeline.clips[clip].picture.file = "picture/a\nb.mov".to_owned();
        }
        let (log, losses) = written(&timeline, Format::Ale);
        assert!(log.contains("\ta b \"c\"\t7\t") && log.contains("\ta b.mov\t../picture/a b.mov\t"), "{log}");
        assert_eq!(
            losses[6..],
            [
                "ale: clip SC010_SH020_T01: link: line ends and tabs are a space (written: ../picture/a b.mov)",
                "ale: clip SC010_SH020_T01: provenance: line ends and tabs are a space \
                 (written: {\"prompt\":\"a b \\\"c\\\"\",\"provider\":\"fal\",\"seed\":7})",
            ]
        );
    }

    #[test]
    fn sizes_and_channels_have_avids_names() {
        assert_eq!((tracks(0), tracks(2), tracks(16)), ("V".into(), "VA1A2".into(), "VA1-16".into()));
        let mut timeline = cut("24", "01:00:00:00");
        let mut format = |width, height| {
            timeline.clips.iter_mut().for_each(|clip| (clip.picture.width, clip.picture.height) = (width, height));
            video_format(&timeline)
        };
        assert_eq!((format(1280, 720), format(3840, 2160), format(1080, 1920)), ("720", "CUSTOM", "CUSTOM"));
    }
}
