//! `import`: an editor's recut comes back: what was changed, and the cut as it is from then on; or notes come back.

use std::collections::{BTreeMap, HashMap};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use seedpost_core::catalog::Catalog;
use seedpost_core::import::notes::List;
use seedpost_core::import::{self, ImportFault, Kind, Note, Sequence};
use seedpost_core::recut::{self, Change, Handle};
use seedpost_core::shot::TakeId;
use seedpost_core::time::Frames;
use seedpost_core::timeline::{Edit, Timeline};
use serde_json::{Value, json};

use crate::cut::{SelectedTake, assembled, own_media, selected, without_notes};
use crate::notes::{Notes, Version};
use crate::output::{Exit, Failure, note, result_json, say, shown, table};
use crate::package::changes::CHANGES;
use crate::project::{Project, digest, open_plain};
use crate::recut::Recut;

/// The largest file that is read, in bytes.
const MOST: u64 = 192 << 20;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The recut: OpenTimelineIO (.otio), an edit decision list (.edl) or Final Cut Pro 7 XML (.xml). Or notes: a list
    /// of markers (.edl).
    #[arg(required_unless_present_any = ["list_order", "forget_notes"])]
    recut: Option<PathBuf>,
    /// The shot list.
    #[arg(long, default_value = "shots.toml")]
    shots: PathBuf,
    /// Tell which clips have fewer frames than this before and after what is used.
    #[arg(long, value_name = "FRAMES", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    handles: u64,
    /// Show what was changed, and leave the cut as it is.
    #[arg(long)]
    dry_run: bool,
    /// Give the recut up: the cut is the list's again.
    #[arg(long, conflicts_with_all = ["recut", "dry_run"])]
    list_order: bool,
    /// Drop all notes that were imported; the file that has them keeps a name with a number.
    #[arg(long, conflicts_with_all = ["recut", "list_order", "dry_run"])]
    forget_notes: bool,
}

pub(super) fn run(arguments: &Arguments, json: bool) -> Result<Exit, Failure> {
    let project = Project::open(&arguments.shots, None)?;
    let _lock = project.lock()?;
    match &arguments.recut {
        Some(file) => take(arguments, &project, file, json),
        None if arguments.forget_notes => forget(&project, json),
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

fn forget(project: &Project, json: bool) -> Result<Exit, Failure> {
    let were_there = Notes::put_aside(project)?;
    if json {
        result_json("import", json!({ "recut": Value::Null, "forgotten": were_there }));
    } else {
        say(if were_there { "the notes are put aside" } else { "there are no notes" });
    }
    Ok(Exit::Done)
}

fn take(arguments: &Arguments, project: &Project, file: &Path, json: bool) -> Result<Exit, Failure> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let kind = Kind::of_name(&name).ok_or_else(|| {
        Failure::new(Exit::Usage, format!("{name} is none of {}", Kind::ALLOWED), "export the recut in one of these")
    })?;
    let bytes = read(file)?;
    let list = if kind == Kind::Edl { List::find(&bytes) } else { None };
    if list.as_ref().is_some_and(|list| list.title().ends_with(CHANGES)) {
        let message = format!("{name} tells what changed between two packages: it has no notes");
        return Err(Failure::new(Exit::Usage, message, "import the notes that the report or an editor exports"));
    }
    let takes = selected(project, None)?;
    if let Some(list) = list {
        return take_notes(project, &takes, file, &list, (arguments.dry_run, json));
    }
    let base = assembled(project, &takes, own_media(project))?;
    let standing = standing(project);
    let present = present(standing.as_ref(), &base);
    let sequence = match sequence(&bytes, kind, &present) {
        Ok(sequence) => sequence,
        Err(faults) => return Ok(refuse(file, &faults, json)),
    };
    let recut = recut::compare(&present, &base, &sequence, Frames(arguments.handles));
    if !recut.faults.is_empty() {
        return Ok(refuse(file, &recut.faults, json));
    }
    refuse_unfinished(project, &recut)?;
    if recut.edits.is_empty() {
        let message = format!("{name} has none of the takes");
        return Err(Failure::new(Exit::Invalid, message, "export a sequence of clips that `seedpost export` named"));
    }
    if !arguments.dry_run {
        keep(project, &name, file, &base, &sequence, standing.as_ref())?;
    }
    let exit = if recut.changes.iter().any(is_foreign) { Exit::Partly } else { Exit::Done };
    let offers = offers(project, &recut);
    Imported { file, present, recut, offers }.tell(arguments.dry_run, json);
    Ok(exit)
}

/// Keeps the markers of a list, each by its take and frame.
fn take_notes(
    project: &Project,
    takes: &[SelectedTake],
    file: &Path,
    list: &List,
    (dry_run, json): (bool, bool),
) -> Result<Exit, Failure> {
    let mut notes = Notes::read(project)?;
    let cut = without_notes(project, takes, own_media(project))?;
    let version = Version::of(project, list.title()).unwrap_or_else(|| Version::present(&cut.timeline));
    let (marks, told) = match list.read(version.start()) {
        Ok(read) => read,
        Err(faults) => return Ok(refuse(file, &faults, json)),
    };
    let sha256 = digest(file).map_err(|error| Failure::disk("read", file, &error))?.0;
    let taken = notes.add(&version, &marks, &cut.timeline, (file, sha256));
    if !dry_run && taken.is_new() {
        notes.keep(project)?;
    }
    if json {
        let mut body = taken.json(&cut.timeline);
        body["list"] = json!(shown(file));
        body["kept"] = json!(!dry_run);
        body["notes"] = json!(told);
        result_json("import", body);
        return Ok(Exit::Done);
    }
    taken.tell(&cut.timeline);
    told.iter().for_each(|Note { place, what }| note(format_args!("note: {place}: {what}")));
    if dry_run {
        note("the notes are what they were: --dry-run");
    }
    Ok(Exit::Done)
}

/// The recut that stands; one that cannot be read is as none, and told.
fn standing(project: &Project) -> Option<Recut> {
    Recut::read(project).unwrap_or_else(|failure| {
        note(format_args!("warning: {}", failure.message()));
        None
    })
}

/// What the new recut is laid beside: the one that stands, where it fits the takes, else the list's order.
fn present(standing: Option<&Recut>, base: &Timeline) -> Timeline {
    let shown = standing.map_or_else(|| Ok(base.clone()), |recut| recut.apply(base));
    shown.unwrap_or_else(|failure| {
        note(format_args!("warning: changes are told against the list's order: {}", failure.message()));
        base.clone()
    })
}

/// Reads a recut of the cut, or of the cut as `export --conform 23.976` slows it: its labels and frames are the same.
fn sequence(bytes: &[u8], kind: Kind, cut: &Timeline) -> Result<Sequence, Vec<ImportFault>> {
    let slowed = || import::read(bytes, kind, &cut.clone().slowed()?).ok();
    import::read(bytes, kind, cut).or_else(|faults| slowed().ok_or(faults))
}

/// Keeps the new cut, with what was done to the list's, unless it is the one that stands.
fn keep(
    project: &Project,
    name: &str,
    file: &Path,
    base: &Timeline,
    sequence: &Sequence,
    standing: Option<&Recut>,
) -> Result<(), Failure> {
    let whole = recut::compare(base, base, sequence, Frames(0));
    if whole.changes.is_empty() && standing.is_none() {
        return Ok(());
    }
    let sha256 = digest(file).map_err(|error| Failure::disk("read", file, &error))?.0;
    let mut words = HashMap::<&TakeId, Vec<String>>::new();
    for change in &whole.changes {
        change.take().into_iter().for_each(|take| words.entry(take).or_default().push(change.words(base)));
    }
    let noted = |edit: &Edit| (edit.clone(), words.get(&edit.take).map_or_else(String::new, |words| words.join("; ")));
    let edits = whole.edits.iter().map(noted).collect();
    let new = Recut::new(name.to_owned(), sha256, edits, base);
    if standing.is_some_and(|standing| standing.is_same_cut(&new)) { Ok(()) } else { new.keep(project) }
}

fn is_foreign(change: &Change) -> bool {
    matches!(change, Change::Foreign { .. })
}

/// A shot of the list that has no finished take just now must not fall out of the cut because of that.
fn refuse_unfinished(project: &Project, recut: &recut::Recut) -> Result<(), Failure> {
    let take = |change: &Change| match change {
        Change::Foreign { name, .. } => {
            let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
            [name.as_str(), stem].into_iter().find_map(|name| name.parse::<TakeId>().ok())
        }
        _ => None,
    };
    let of_the_list = |take: &TakeId| project.list.shot(&take.shot).is_some();
    match recut.changes.iter().filter_map(take).find(of_the_list) {
        None => Ok(()),
        Some(take) => {
            let message = format!("{take} is in the recut, and {} has no finished take", take.shot);
            Err(Failure::new(Exit::Invalid, message, "`seedpost run`, then import it again"))
        }
    }
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

/// Tells all faults.
fn refuse(file: &Path, faults: &[ImportFault], json: bool) -> Exit {
    faults.iter().for_each(note);
    let plural = if faults.len() == 1 { "" } else { "s" };
    let message = format!("{}: {} fault{plural}; the cut is what it was", file.display(), faults.len());
    let failure = Failure::new(Exit::Invalid, message, "mend them all in the editing program, and export it again");
    failure.tell();
    if json {
        let mut body = failure.json();
        body["faults"] = json!(faults);
        result_json("error", body);
    }
    Exit::Invalid
}

/// What came back.
struct Imported<'a> {
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

/// The longest render that is needed of each shot.
fn offers(project: &Project, recut: &recut::Recut) -> Vec<Offer> {
    let mut longest = BTreeMap::<&TakeId, u64>::new();
    for (take, seconds) in recut.handles.iter().filter_map(|handle| Some((&handle.take, handle.seconds_needed?))) {
        let there = longest.entry(take).or_default();
        *there = seconds.max(*there);
    }
    let offer = |(take, seconds): (&TakeId, u64)| {
        let most = Catalog::built_in().model(&project.list.shot(&take.shot)?.render)?.seconds.max;
        Some(Offer { take: take.clone(), seconds, most: most.into() })
    };
    longest.into_iter().filter_map(offer).collect()
}

impl Imported<'_> {
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
            note(format_args!("note: {place}{}{what}", if place.is_empty() { "" } else { ": " }));
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
