//! `stems`: the sound of any clip as Broadcast WAVs, exactly as long as its picture; or a whole cut's, as one reel.

use std::path::{Path, PathBuf};

use clap::Args;
use seedpost_core::media::MediaInfo;
use seedpost_core::shot::ProviderName;
use seedpost_core::sync::Tolerance;
use seedpost_core::timeline::Role;
use seedpost_media::MediaError;
use serde_json::json;

use super::{List, provider};
use crate::assets::measure_whole;
use crate::clip::{self, Order};
use crate::cut::{names, tell_missing};
use crate::output::{Exit, Failure, result_json, say, shown, table};
use crate::project::refuse_overwrite;
use crate::sound::{Maker, NO_SOUND, Names, SoundFacts, StemFacts, Whole, Wishes};
use crate::supplied::{self, Supplied};
use crate::{reel, report};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A clip; or a shot list, for the reel of its cut.
    input: PathBuf,
    /// The folder that the WAVs go to.
    #[arg(long, value_name = "FOLDER", default_value = "stems")]
    out: PathBuf,
    /// The timecode of a clip's first frame, at its own rate, where it has none; 01:00:00:00 without it.
    #[arg(long)]
    start: Option<String>,
    /// A sound that was supplied for the clip; may be given several times, in their order.
    #[arg(long, value_name = "SOUND")]
    reference: Vec<PathBuf>,
    #[command(flatten)]
    wishes: Wishes,
    /// Use this provider instead of the list's.
    #[arg(long, value_parser = provider)]
    provider: Option<ProviderName>,
    /// Replace WAVs that stand there already.
    #[arg(long)]
    force: bool,
}

pub(super) fn run(arguments: &Arguments, json: bool) -> Result<Exit, Failure> {
    let is_list = arguments.input.extension().is_some_and(|ending| ending == "toml" || ending == "json");
    if is_list { reel(arguments, json) } else { clip(arguments, json) }
}

fn reel(arguments: &Arguments, json: bool) -> Result<Exit, Failure> {
    if !arguments.reference.is_empty() || arguments.start.is_some() || arguments.wishes.stretch {
        let message = "--reference, --start and --stretch are for clips; a list tells its own";
        return Err(Failure::new(Exit::Usage, message, "leave them away; `seedpost run --stretch` stretches"));
    }
    let list = List { shots: arguments.input.clone(), provider: arguments.provider };
    let (stems, missing) = reel::write(&list.open()?, &arguments.out, arguments.wishes, arguments.force)?;
    if json {
        result_json("stems", json!({ "folder": shown(&arguments.out), "stems": stems, "missing": names(&missing) }));
    } else {
        table_of(&arguments.out, &stems);
    }
    Ok(tell_missing(&missing))
}

fn clip(arguments: &Arguments, json: bool) -> Result<Exit, Failure> {
    let clip = arguments.input.display();
    let supplied = supplied::read_all(&arguments.reference)?;
    let stem = arguments.input.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let names = Names { folder: arguments.out.clone(), prefix: stem, short: false };
    let inputs: Vec<&Path> =
        std::iter::once(&arguments.input).chain(&arguments.reference).map(PathBuf::as_path).collect();
    for file in names.there() {
        refuse_overwrite(&names.folder.join(file), arguments.force, &inputs)?;
    }
    let info = measure_whole(&arguments.input)
        .map_err(|error| Failure::new(Exit::Media, format!("{clip}: {error}"), "give it a whole clip"))?;
    let facts = write(arguments, &info, &names, &supplied).map_err(|error| {
        Failure::new(Exit::Media, format!("failed to write the stems of {clip}: {error}"), "see `seedpost probe`")
    })?;
    if arguments.force {
        names.clear(&facts.stems).map_err(|error| Failure::disk("replace stems in", &names.folder, &error))?;
    }
    if json {
        result_json(
            "stems",
            json!({
                "folder": shown(&arguments.out), "stems": facts.stems, "phrases": facts.phrases,
                "separation": facts.separation, "notes": facts.notes, "sync": facts.sync,
            }),
        );
    } else {
        table_of(&arguments.out, &facts.stems);
        report::sound(&facts, true).into_iter().chain(report::estimates([&facts])).for_each(say);
    }
    Ok(Exit::Done)
}

fn write(
    arguments: &Arguments,
    info: &MediaInfo,
    names: &Names,
    supplied: &[Supplied],
) -> Result<SoundFacts, MediaError> {
    let unsupported = |what: &str| MediaError::Unsupported(what.to_owned());
    let length = clip::stem_length(info).ok_or_else(|| unsupported("there is no picture of known length in it"))?;
    let label = clip::label(&arguments.input, info, arguments.start.as_deref().unwrap_or("01:00:00:00"))?;
    let stem = Whole::ordered(info, Role::Mix, names, &label).ok_or_else(|| unsupported(NO_SOUND))?;
    let order = Order {
        clip: &arguments.input,
        info,
        picture: None,
        stem: Some((stem.path.as_path(), &stem.label)),
        hear: true,
        speech: !arguments.wishes.no_separation || !supplied.is_empty(),
        deep: false,
        pictures: None,
    };
    let mut content = clip::make(&order)?;
    let maker = Maker {
        names,
        label: &label,
        length,
        rate: clip::rate(info),
        wishes: arguments.wishes,
        tolerance: Tolerance::default(),
    };
    maker.make(content.stem.take().map(|sha256| (stem, sha256)), content.sound.as_ref(), supplied)
}

fn table_of(folder: &Path, stems: &[StemFacts]) {
    let mut rows = table(["STEM", "SAMPLES", "LOUDNESS", "DIALOGUE", "TRUE PEAK", "DONE TO IT", "FILE"]);
    for stem in stems {
        let number =
            |value: Option<f64>, unit: &str| value.map_or("–".to_owned(), |value| format!("{value:.1} {unit}"));
        rows.add_row([
            if stem.estimated { format!("{} (estimated)", stem.role) } else { stem.role.clone() },
            stem.samples.0.to_string(),
            number(stem.loudness.integrated_lufs, "LUFS"),
            number(stem.loudness.dialogue_lufs, "LUFS"),
            number(stem.loudness.true_peak_dbtp, "dBTP"),
            stem.treatment.clone(),
            folder.join(&stem.file).display().to_string(),
        ]);
    }
    say(rows);
}
