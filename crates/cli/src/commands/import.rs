//! `import`: an editor's recut comes back: what was changed, and the cut as it is from then on.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use seedpost_core::catalog::Catalog;
use seedpost_core::import::{self, Kind, Note};
use seedpost_core::recut::{self, Change, Handle};
use seedpost_core::shot::TakeId;
use seedpost_core::time::Frames;
use seedpost_core::timeline::{Edit, Timeline};
use serde_json::{Value, json};

use crate::cut::{assembled, own_media, selected, shown_cut};
use crate::output::{Exit, Failure, note, result_json, say, shown, table};
use crate::project::{Project, digest, open_plain};
use crate::recut::Recut;

/// The largest file that is read, in bytes.
const MOST: u64 = 64 << 20;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The recut: OpenTimelineIO (.otio), an edit decision list (.edl) or Final Cut Pro 7 XML (.xml).
    #[arg(required_unless_present = "list_order")]
    recut: Option<PathBuf>,
    /// The shot list.
    #[arg(long, default_value = "shots.toml")]
    shots: PathBuf,
    /// Tell which clips have fewer frames than this before and after what is used.
    #[arg(long, value_name = "FRAMES", default_value_t = 0)]
    handles: u64,
    /// Show what was changed, and leave the cut as it is.
    #[arg(long)]
    dry_run: bool,
    /// Give the recut up: the cut is the list's again.
    #[arg(long, conflicts_with = "recut")]
    list_order: bool,
}

pub(super) fn run(arguments: &Arguments, json: bool) -> Result<Exit, Failure> {
    let project = Project::open(&arguments.shots, None)?;
    let _lock = project.lock()?;
    match &arguments.recut {
        Some(file) => take(arguments, &project, file, json),
        None => give_up(&project, json),
    }
}

fn give_up(project: &Project, json: bool) -> Result<Exit, Failure> {
    let was_there = Recut::put_aside(project)?;
    if json {
        result_json("import", json!({ "recut": Value::Null, "given_up": was_there }));
    } else {
        say(if was_there { "the cut is the list's again" } else { "the cut is the list's already" });
    }
    Ok(Exit::Done)
}

fn take(arguments: &Arguments, project: &Project, file: &Path, json: bool) -> Result<Exit, Failure> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let kind = Kind::of_name(&name).ok_or_else(|| {
        Failure::new(Exit::Usage, format!("{name} is none of {}", Kind::ALLOWED), "export the recut in one of these")
    })?;
    let bytes = read(file)?;
    let takes = selected(project, None)?;
    let base = assembled(project, &takes, own_media(project))?;
    let present = shown_cut(project, &base)?;
    let sequence = import::read(&bytes, kind, &present).map_err(|faults| refused(file, &faults))?;
    let recut = recut::compare(&present, &base, &sequence, Frames(arguments.handles));
    if !recut.faults.is_empty() {
        return Err(refused(file, &recut.faults));
    }
    let timeline = base.recut(&recut.edits).map_err(|faults| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        Failure::new(Exit::Invalid, format!("{name}: {}", faults.join("; ")), "cut the takes that there are")
    })?;
    if timeline.clips.is_empty() {
        let message = format!("{name} has none of the takes");
        return Err(Failure::new(Exit::Invalid, message, "export a sequence of clips that `seedpost export` named"));
    }
    if !arguments.dry_run {
        let sha256 = digest(file).map_err(|error| Failure::disk("read", file, &error))?.0;
        let edits = recut.edits.iter().map(|edit| (edit.clone(), words(&recut.changes, edit, &present))).collect();
        Recut::new(name.clone(), sha256, edits).keep(project)?;
    }
    let imported = Imported { project, file, present, recut, offers: Vec::new() };
    imported.offered().tell(arguments.dry_run, json);
    Ok(Exit::Done)
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let disk = |error| Failure::disk("read", file, &error);
    let mut bytes = Vec::new();
    open_plain(file).map_err(disk)?.take(MOST + 1).read_to_end(&mut bytes).map_err(disk)?;
    if bytes.len() as u64 > MOST {
        let message = format!("{} is larger than {} MiB", file.display(), MOST >> 20);
        return Err(Failure::new(Exit::Invalid, message, "export the sequence without media in it"));
    }
    Ok(bytes)
}

fn refused(file: &Path, faults: &[import::ImportFault]) -> Failure {
    faults.iter().for_each(note);
    let plural = if faults.len() == 1 { "" } else { "s" };
    let message = format!("{}: {} fault{plural}; the cut is what it was", file.display(), faults.len());
    Failure::new(Exit::Invalid, message, "mend them all in the editing program, and export it again")
}

/// What was done to a take, for the marker where it lies now.
fn words(changes: &[Change], edit: &Edit, cut: &Timeline) -> String {
    let of_it = changes.iter().filter(|change| change.take() == Some(&edit.take));
    of_it.map(|change| change.words(cut)).collect::<Vec<_>>().join("; ")
}

/// What came back.
struct Imported<'a> {
    project: &'a Project,
    file: &'a Path,
    /// The cut before.
    present: Timeline,
    recut: recut::Recut,
    /// Renders that would give what is missing.
    offers: Vec<Offer>,
}

/// A longer render of a shot.
struct Offer {
    take: TakeId,
    seconds: u64,
    /// The longest that its model makes.
    most: u64,
}

impl Imported<'_> {
    fn offered(mut self) -> Self {
        let needed = self.recut.handles.iter().filter_map(|handle| Some((&handle.take, handle.seconds_needed?)));
        let mut longest = std::collections::BTreeMap::<&TakeId, u64>::new();
        for (take, seconds) in needed {
            let there = longest.entry(take).or_default();
            *there = seconds.max(*there);
        }
        let offer = |(take, seconds): (&TakeId, u64)| {
            let shot = self.project.list.shot(&take.shot)?;
            let most = Catalog::built_in().model(&shot.render)?.seconds.max;
            Some(Offer { take: take.clone(), seconds, most: most.into() })
        };
        self.offers = longest.into_iter().filter_map(offer).collect();
        self
    }

    fn tell(&self, dry_run: bool, json: bool) {
        if json {
            return result_json("import", self.json(dry_run));
        }
        let changes: Vec<String> = self.recut.changes.iter().map(|change| change.words(&self.present)).collect();
        if changes.is_empty() {
            say("nothing was changed");
        }
        changes.iter().for_each(say);
        if !self.recut.handles.is_empty() {
            say(self.handles());
        }
        self.offers.iter().for_each(|offer| say(offer.words()));
        for Note { place, what } in &self.recut.notes {
            let place = place.to_string();
            note(format_args!("not taken over: {place}{}{what}", if place.is_empty() { "" } else { ": " }));
        }
        if dry_run {
            note("the cut is what it was: --dry-run");
        }
    }

    fn json(&self, dry_run: bool) -> Value {
        let offers = self.offers.iter().map(|offer| {
            json!({ "take": offer.take.to_string(), "seconds": offer.seconds, "most_seconds": offer.most, "what": offer.words() })
        });
        let recut = &self.recut;
        json!({
            "recut": shown(self.file), "kept": !dry_run, "changes": recut.changes, "handles": recut.handles,
            "offers": offers.collect::<Vec<_>>(), "notes": recut.notes, "clips": recut.edits.len(),
        })
    }

    fn handles(&self) -> comfy_table::Table {
        let mut rows = table(["TAKE", "AT", "HEAD", "TAIL", "MISSING", "LOST"]);
        for handle in &self.recut.handles {
            let Handle { take, record_start, head, tail, missing_head, missing_tail, lost_head, lost_tail, .. } =
                handle;
            rows.add_row([
                take.to_string(),
                self.present.label(*record_start),
                head.0.to_string(),
                tail.0.to_string(),
                format!("{} + {}", missing_head.0, missing_tail.0),
                format!("{} + {}", lost_head.0, lost_tail.0),
            ]);
        }
        rows
    }
}

impl Offer {
    fn words(&self) -> String {
        let Offer { take, seconds, most } = self;
        let shot = &take.shot;
        if seconds > most {
            return format!(
                "{shot}: the end that is missing would need {seconds} s, and its model makes {most} s at most"
            );
        }
        format!(
            "{shot}: a new take of {seconds} s would have the end that is missing: set `duration = {seconds}` and raise \
             `takes`, then `seedpost run` (it is a new picture, and costs)"
        )
    }
}
