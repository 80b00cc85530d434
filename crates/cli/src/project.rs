//! A project's folder: where things lie, files that are whole or absent, and one writer at a time.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use seedpost_core::fault::Fault;
use seedpost_core::shot::{Draft, ProviderName, ShotList, TakeId};
use seedpost_media::worker::Worker;
use seedpost_render::ledger::Ledger;
use seedpost_render::runner::TEMPORARY;
use sha2::{Digest as _, Sha256};

use crate::output::{Exit, Failure};

/// How long FFmpeg may work on one file that is measured.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the lock is waited for.
const GLANCE: Duration = Duration::from_millis(50);
/// The largest shot list that is read, in bytes.
const MAX_LIST: u64 = 64 << 20;

/// A shot list and the folder around it.
#[derive(Debug)]
pub(crate) struct Project {
    /// The list's own path.
    pub(crate) path: PathBuf,
    /// The folder that holds it.
    pub(crate) root: PathBuf,
    /// What it says.
    pub(crate) list: ShotList,
}

/// What is wrong in the form of a list.
#[derive(Debug)]
pub(crate) struct FormFaults {
    /// Outside of shots.
    pub(crate) list: Vec<Fault>,
    /// In each shot.
    pub(crate) shots: Vec<Vec<Fault>>,
}

impl Project {
    /// Reads a shot list; `provider` replaces the one that it names.
    pub(crate) fn open(path: &Path, provider: Option<ProviderName>) -> Result<Project, Failure> {
        let (project, faults) = Project::draft(path, provider)?;
        let faults: Vec<Fault> = faults.list.into_iter().chain(faults.shots.into_iter().flatten()).collect();
        if faults.is_empty() { Ok(project) } else { Err(Failure::of_faults(path.display(), faults)) }
    }

    /// Reads a shot list as far as it goes, with what is wrong in its form: to be checked, never rendered.
    pub(crate) fn draft(path: &Path, provider: Option<ProviderName>) -> Result<(Project, FormFaults), Failure> {
        let text = read_list(path)?;
        let draft = Draft::parse(&text).map_err(|fault| Failure::of_faults(path.display(), vec![*fault]))?;
        let Draft { mut list, faults, shot_faults } = draft;
        if let Some(provider) = provider {
            list.shots.iter_mut().for_each(|shot| shot.render.provider = provider);
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let root = folder.canonicalize().map_err(|error| Failure::disk("open", folder, &error))?;
        let faults = FormFaults { list: faults, shots: shot_faults };
        Ok((Project { path: path.to_owned(), root, list }, faults))
    }

    /// seedpost's own folder.
    pub(crate) fn hidden(&self) -> PathBuf {
        self.root.join(".seedpost")
    }

    /// The folder of a take: `takes/<shot>/<take>`.
    pub(crate) fn take_folder(&self, take: &TakeId) -> PathBuf {
        self.root.join("takes").join(take.shot.as_str()).join(format!("T{:02}", take.number))
    }

    /// The clip as it was delivered.
    pub(crate) fn clip(&self, take: &TakeId) -> PathBuf {
        self.take_folder(take).join("render.mp4")
    }

    /// Opens the ledger, and makes it where it is missing.
    pub(crate) async fn ledger(&self) -> Result<Ledger, Failure> {
        crate::books::open(self).await
    }

    /// Keeps other runs out of this folder for as long as the answer lives.
    pub(crate) fn lock(&self) -> Result<File, Failure> {
        make_folder(&self.hidden())?;
        let path = self.hidden().join("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| Failure::disk("open", &path, &error))?;
        let again = || {
            // Somebody may only have looked whether it is held.
            std::thread::sleep(GLANCE);
            file.try_lock()
        };
        match file.try_lock().or_else(|_| again()) {
            Ok(()) => Ok(file),
            Err(fs::TryLockError::WouldBlock) => Err(Failure::new(
                Exit::Usage,
                format!("another seedpost is working in {}", self.root.display()),
                "wait until it is done, or stop it; what it has paid for is safe",
            )),
            Err(fs::TryLockError::Error(error)) => Err(Failure::disk("lock", &path, &error)),
        }
    }

    /// Whether another program holds the lock. Those who ask do not see each other.
    pub(crate) fn is_busy(&self) -> bool {
        let lock = File::open(self.hidden().join("lock"));
        lock.is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
    }

    /// Removes what a killed run left unfinished. Only under the lock.
    pub(crate) fn sweep(&self) {
        for folder in [self.root.join("turnover"), self.hidden().join("conformed")] {
            sweep_folder(&folder);
        }
        // Those of every take that was ever made, whatever the list asks for now.
        for folder in folders_in(&self.root.join("takes")).iter().flat_map(|shot| folders_in(shot)) {
            sweep_folder(&folder);
            sweep_folder(&folder.join("stems"));
        }
    }
}

/// The folders in a folder; links are not followed.
fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}

/// Removes what a killed run left unfinished in a folder.
pub(crate) fn sweep_folder(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(TEMPORARY)) {
        let path = entry.path();
        if is_held(&path) {
            continue;
        }
        // What cannot be removed does no harm: nobody reads these names.
        let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    }
}

/// Keeps a draft from being swept away for as long as the answer lives: who makes it may not hold the project's lock.
pub(crate) fn hold(draft: &Path) -> io::Result<File> {
    let folder = File::open(draft)?;
    folder.lock()?;
    Ok(folder)
}

/// Whether somebody is at work in a draft.
fn is_held(draft: &Path) -> bool {
    File::open(draft).is_ok_and(|folder| matches!(folder.try_lock(), Err(fs::TryLockError::WouldBlock)))
}

fn read_list(path: &Path) -> Result<String, Failure> {
    let file = open_plain(path).map_err(|error| {
        let failure = Failure::disk("read", path, &error);
        if error.kind() == io::ErrorKind::NotFound {
            Failure::new(
                Exit::Usage,
                format!("there is no shot list {}", path.display()),
                "name one: `seedpost check shots.toml`",
            )
        } else {
            failure
        }
    })?;
    let mut text = String::new();
    let read = file.take(MAX_LIST + 1).read_to_string(&mut text);
    read.map_err(|error| {
        Failure::new(
            Exit::Invalid,
            format!("failed to read {}: {error}", path.display()),
            "a shot list is TOML or JSON in UTF-8",
        )
    })?;
    Ok(text)
}

/// Opens a file that is one: no folder, no pipe that never ends, no device.
pub(crate) fn open_plain(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    File::open(path)
}

/// Refuses to replace a file that the user did not offer, and one that is read whatever was offered.
pub(crate) fn refuse_overwrite(out: &Path, force: bool, inputs: &[&Path]) -> Result<(), Failure> {
    let same =
        |input: &&&Path| fs::canonicalize(input).ok().zip(fs::canonicalize(out).ok()).is_some_and(|(a, b)| a == b);
    if let Some(input) = inputs.iter().find(same) {
        let message = format!("{} is read here, and would be written over", input.display());
        return Err(Failure::new(Exit::Usage, message, "choose another name"));
    }
    // A link that leads nowhere is somebody's too.
    if fs::symlink_metadata(out).is_ok() && !force {
        return Err(Failure::new(
            Exit::Usage,
            format!("{} exists", out.display()),
            "choose another name, or add --force",
        ));
    }
    Ok(())
}

/// Makes a folder and those above it.
pub(crate) fn make_folder(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| Failure::disk("make the folder", folder, &error))
}

/// Writes a file under a temporary name, syncs it, and renames it: it is whole or it is not there.
pub(crate) fn write_whole<T, E: From<io::Error>>(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&File>) -> Result<T, E>,
) -> Result<T, E> {
    write_mode(path, 0o644, fill)
}

/// As [`write_whole`], for what only its owner may read.
pub(crate) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    write_mode(path, 0o600, |out| out.write_all(text.as_bytes()))
}

fn write_mode<T, E: From<io::Error>>(
    path: &Path,
    mode: u32,
    fill: impl FnOnce(&mut BufWriter<&File>) -> Result<T, E>,
) -> Result<T, E> {
    let pending = Pending::begin(path)?;
    let mut writer = pending.writer();
    let filled = fill(&mut writer)?;
    writer.flush()?;
    drop(writer);
    pending.keep(mode)?;
    Ok(filled)
}

/// A file under a temporary name, that gets its own when it is kept, and else is gone.
pub(crate) struct Pending {
    file: tempfile::NamedTempFile,
    path: PathBuf,
}

impl Pending {
    /// Begins a file beside where it will be, of the same ending, readable by its owner alone until it is kept.
    pub(crate) fn begin(path: &Path) -> io::Result<Pending> {
        let folder = folder_of(path);
        fs::create_dir_all(folder)?;
        let ending = path.extension().map_or(String::new(), |ending| format!(".{}", ending.to_string_lossy()));
        let file = tempfile::Builder::new().prefix(TEMPORARY).suffix(&ending).tempfile_in(folder)?;
        Ok(Pending { file, path: path.to_owned() })
    }

    /// Where it is for now.
    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    /// What it is for now, to be read.
    pub(crate) fn reader(&self) -> &File {
        self.file.as_file()
    }

    /// Writes to it.
    pub(crate) fn writer(&self) -> BufWriter<&File> {
        BufWriter::with_capacity(1 << 20, self.file.as_file())
    }

    /// Syncs it and gives it its name.
    pub(crate) fn keep(self, mode: u32) -> io::Result<()> {
        // A program that was told its name may have put another file there.
        File::open(self.file.path())?.sync_all()?;
        fs::set_permissions(self.file.path(), std::os::unix::fs::PermissionsExt::from_mode(mode))?;
        self.file.persist(&self.path).map_err(|error| error.error)?;
        Ok(())
    }
}

/// As [`write_whole`], for a program that is told a name; its ending is that of `path`.
pub(crate) fn write_by_name<T, E>(
    path: &Path,
    disk: impl Fn(io::Error) -> E,
    fill: impl FnOnce(&Path) -> Result<T, E>,
) -> Result<T, E> {
    let pending = Pending::begin(path).map_err(&disk)?;
    let filled = fill(pending.path())?;
    pending.keep(0o644).map_err(&disk)?;
    Ok(filled)
}

/// A file that is gone when it is no longer used: beside another, on its disk, else where the system keeps such files.
pub(crate) fn temporary(beside: Option<&Path>) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY);
    match beside.map(folder_of) {
        Some(folder) => {
            fs::create_dir_all(folder)?;
            builder.tempfile_in(folder)
        }
        None => builder.tempfile(),
    }
}

/// A folder that is gone when it is no longer used, beside another.
pub(crate) fn temporary_folder(beside: &Path) -> io::Result<tempfile::TempDir> {
    let folder = folder_of(beside);
    fs::create_dir_all(folder)?;
    tempfile::Builder::new().prefix(TEMPORARY).tempdir_in(folder)
}

/// The folder of a path, which may name none.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// SHA-256 of a file, in hex, and its length.
pub(crate) fn digest(path: &Path) -> io::Result<(String, u64)> {
    let mut hasher = Sha256::new();
    let bytes = io::copy(&mut open_plain(path)?, &mut hasher)?;
    Ok((format!("{:x}", hasher.finalize()), bytes))
}

/// A file of a package, hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hashed {
    /// Its path from the package's top, with `/`.
    pub(crate) path: String,
    pub(crate) bytes: u64,
    /// In hex.
    pub(crate) sha256: String,
    /// XXH64 with seed 0, in hex of 16 digits.
    pub(crate) xxh64: String,
}

impl Hashed {
    /// Reads a file once.
    pub(crate) fn read(package: &Path, path: &str) -> io::Result<Hashed> {
        use std::hash::Hasher as _;
        let mut file = open_plain(&package.join(path))?;
        let (mut sha256, mut xxh64) = (Sha256::new(), twox_hash::XxHash64::with_seed(0));
        let (mut bytes, mut block) = (0, vec![0; 1 << 18]);
        loop {
            let read = match file.read(&mut block) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let block = block.get(..read).unwrap_or_default();
            sha256.update(block);
            xxh64.write(block);
            bytes += read as u64;
        }
        let (sha256, xxh64) = (format!("{:x}", sha256.finalize()), format!("{:016x}", xxh64.finish()));
        Ok(Hashed { path: path.to_owned(), bytes, sha256, xxh64 })
    }
}

/// SHA-256 of a text, in hex.
pub(crate) fn digest_text(text: &str) -> String {
    format!("{:x}", Sha256::digest(text.as_bytes()))
}

/// The FFmpeg worker program: `SEEDPOST_AV`, else the one beside this program.
pub(crate) fn worker_program() -> PathBuf {
    let named = std::env::var_os("SEEDPOST_AV").map(PathBuf::from);
    let beside = || std::env::current_exe().ok().map(|own| own.with_file_name("seedpost-av"));
    named.or_else(beside).unwrap_or_else(|| PathBuf::from("seedpost-av"))
}

static WORKER: LazyLock<Mutex<Worker>> = LazyLock::new(|| Mutex::new(Worker::new(worker_program(), patience())));

/// How long the worker may take: `SEEDPOST_AV_TIMEOUT` in seconds, else a minute.
fn patience() -> Duration {
    let told = std::env::var("SEEDPOST_AV_TIMEOUT").ok().and_then(|seconds| seconds.parse().ok());
    told.filter(|seconds| *seconds > 0).map_or(PATIENCE, Duration::from_secs)
}

/// Asks the worker, which is started when it is first needed and then kept: one for the whole run, since it uses all
/// cores by itself.
pub(crate) fn with_worker<T>(ask: impl FnOnce(&mut Worker) -> T) -> T {
    // A worker whose answer was not waited for is started anew when it is next asked.
    let mut worker = WORKER.lock().unwrap_or_else(PoisonError::into_inner);
    ask(&mut worker)
}

static IDLE: Mutex<Vec<Worker>> = Mutex::new(Vec::new());

/// Asks a worker that nobody else asks meanwhile: as many are started as there are that ask at once. For orders that
/// are carried out on one core.
pub(crate) fn with_own_worker<T>(ask: impl FnOnce(&mut Worker) -> T) -> T {
    let idle = || IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    let waiting = idle().pop();
    let mut worker = waiting.unwrap_or_else(|| Worker::new(worker_program(), patience()));
    let answer = ask(&mut worker);
    idle().push(worker);
    answer
}

/// A ledger failure with what to do about it.
pub(crate) fn ledger_failure(error: &seedpost_render::ledger::LedgerError) -> Failure {
    use seedpost_render::ledger::LedgerError;
    let hint = match error {
        LedgerError::Conflict(_) => "run one seedpost at a time in a project",
        LedgerError::NetworkDisk(_) => "copy the project to a local disk",
        LedgerError::Newer { .. } => "use the seedpost that wrote it, or a later one",
        LedgerError::OtherProduction { .. } => {
            "name another database, or another schema of it; where it is this production under another title, set the title back"
        }
        LedgerError::Address(_) => "write postgres://user:password@host/database",
        LedgerError::Unsafe(_) => "set fsync = on in the server's postgresql.conf",
        LedgerError::Damaged { .. } | LedgerError::Corrupt { .. } => {
            "keep the file, and restore it from a copy; it holds what was paid"
        }
        LedgerError::Database { place, .. } if place.starts_with("postgres:") => {
            "check that the server runs, that this machine reaches it, and that its user may write there; nothing paid is lost"
        }
        _ => "check that the disk has room and the folder may be written; keep the ledger, it holds what was paid",
    };
    let exit = match error {
        LedgerError::Address(_) | LedgerError::OtherProduction { .. } => Exit::Usage,
        _ => Exit::Internal,
    };
    Failure::new(exit, error.to_string(), hint)
}
