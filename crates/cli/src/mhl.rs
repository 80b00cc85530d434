//! The ASC MHL history of a package on disk: begun when the package is made, read by anybody's chain, and lengthened by a
//! generation that is there whole or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use jiff::Timestamp;
use seedpost_core::mhl::{
    Action, CHAIN, Deviation, Draft, Entry, FOLDER, Format, Hash, History, IGNORED, LARGEST, Link, c4, file_name,
    folder_hashes, number_of, read_chain, read_generation, write_chain, write_generation,
};
use serde::Serialize;

use crate::output::Failure;
use crate::project::{Hashed, Pending, make_folder, write_whole};

/// The deepest folders of a package.
const DEEPEST: usize = 100;

/// Whether a package has a history.
pub(crate) fn is_there(package: &Path) -> bool {
    package.join("ascmhl/ascmhl_chain.xml").is_file()
}

/// Begins the history of a package that was just made, and will be called `name`: generation 1.
pub(crate) fn seal(package: &Path, name: &str, date: Timestamp, files: &[Hashed]) -> Result<(), Failure> {
    let tree = Tree::of(package);
    let mut entries: Vec<Entry<'_>> = files
        .iter()
        .map(|file| Entry {
            path: &file.path,
            bytes: file.bytes,
            hashes: vec![Hash { format: Format::Xxh64, value: file.xxh64.clone() }],
            action: Action::Original,
        })
        .collect();
    entries.sort_by_key(|entry| entry.path);
    let text = generation(date, &IGNORED.map(str::to_owned), &entries, Some(&tree.folders));
    let folder = package.join(FOLDER);
    make_folder(&folder)?;
    let link = Link { number: 1, file: file_name(1, name, &moment(date)), c4: c4(&text) };
    for (name, content) in [(link.file.clone(), text), (CHAIN.to_owned(), write_chain(&[link]))] {
        let path = folder.join(name);
        write_whole(&path, |out| out.write_all(&content))
            .map_err(|error: io::Error| Failure::disk("write", &path, &error))?;
    }
    Ok(())
}

/// A generation's text; with `folders`, they are hashed too.
fn generation(date: Timestamp, ignored: &[String], files: &[Entry<'_>], folders: Option<&BTreeSet<String>>) -> Vec<u8> {
    let date = date.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string();
    let number = |entry: &Entry<'_>| {
        let hash = entry.hashes.iter().find(|hash| hash.format == Format::Xxh64)?;
        u64::from_str_radix(&hash.value, 16).ok()
    };
    let hashed = || files.iter().filter_map(|entry| Some((entry.path, number(entry)?)));
    let folders = folders.map(|folders| folder_hashes(hashed(), folders.iter().map(String::as_str)));
    write_generation(&Draft { date: &date, ignored, files, folders: folders.as_ref() })
}

fn moment(date: Timestamp) -> String {
    date.strftime("%Y-%m-%d_%H%M%SZ").to_string()
}

/// A generation, as people are told of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Told {
    generation: u32,
    file: String,
    date: String,
    tool: String,
}

/// The history that stands in a package.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    /// The generations that could be read.
    pub(crate) generations: Vec<Told>,
    /// What was edited; without any, `history` counts.
    pub(crate) faults: Vec<Deviation>,
    pub(crate) history: History,
    chain: Vec<Link>,
}

/// Reads a package's history, where it has one; `promised`: it was made with one, and without it that was taken away.
pub(crate) fn read(package: &Path, promised: bool) -> Option<Recorded> {
    let folder = package.join(FOLDER);
    let mut recorded = Recorded::default();
    let Ok(kind) = fs::symlink_metadata(&folder) else {
        recorded.fault("", "none".to_owned(), "the history that the package was made with".to_owned());
        return Some(recorded).filter(|_| promised);
    };
    if !kind.is_dir() {
        recorded.fault("", "no folder".to_owned(), "the folder of the history".to_owned());
        return Some(recorded);
    }
    match read_links(&folder) {
        Ok(links) => recorded.chain = links,
        Err(found) => {
            recorded.fault(CHAIN, found, "the chain of all generations".to_owned());
            return Some(recorded);
        }
    }
    if recorded.chain.is_empty() {
        recorded.fault(CHAIN, "no generation".to_owned(), "one or more".to_owned());
    }
    for (link, place) in recorded.chain.clone().into_iter().zip(1..) {
        recorded.take(&folder, link, place);
    }
    recorded.strangers(&folder);
    Some(recorded)
}

impl Recorded {
    fn fault(&mut self, file: &str, found: String, expected: String) {
        let path = if file.is_empty() { FOLDER.to_owned() } else { format!("{FOLDER}/{file}") };
        self.faults.push(Deviation { path, found, expected });
    }

    /// Takes in a generation, which stands at this place of the chain.
    fn take(&mut self, folder: &Path, link: Link, place: u32) {
        let Link { number, file, c4: expected } = link;
        let told = format!("generation {number}, {expected} (chain)");
        if number != place || number_of(&file) != Some(number) {
            return self.fault(&file, format!("generation {number} in the chain"), format!("generation {place}"));
        }
        let bytes = match read_bytes(&folder.join(&file)) {
            Ok(bytes) => bytes,
            Err(found) => return self.fault(&file, found, told),
        };
        let found = c4(&bytes);
        if found != expected {
            return self.fault(&file, found, told);
        }
        let read = std::str::from_utf8(&bytes).map_err(|error| error.to_string());
        match read.and_then(|text| read_generation(text).map_err(|broken| broken.to_string())) {
            Ok(generation) => {
                let (date, tool) = (generation.date.clone(), generation.tool.clone());
                self.generations.push(Told { generation: number, file, date, tool });
                self.history.add(number, generation);
            }
            Err(found) => self.fault(&file, found, "an ASC MHL generation, version 2.0".to_owned()),
        }
    }

    /// Notes generations that the chain does not list: nobody would notice if they were edited.
    fn strangers(&mut self, folder: &Path) {
        let names = fs::read_dir(folder).into_iter().flatten().flatten();
        let names = names.filter_map(|entry| entry.file_name().into_string().ok());
        let listed: BTreeSet<String> = self.chain.iter().map(|link| link.file.clone()).collect();
        let mut strangers: Vec<String> =
            names.filter(|name| number_of(name).is_some() && !listed.contains(name)).collect();
        strangers.sort();
        for name in strangers {
            self.fault(&name, "a generation that the chain does not list".to_owned(), UNLISTED.to_owned());
        }
    }

    /// Adds a generation: with `folders`, it has their hashes. Answers its path in the package, or why there is none.
    pub(crate) fn append(
        &self,
        package: &Path,
        date: Timestamp,
        files: &[Entry<'_>],
        folders: Option<&BTreeSet<String>>,
    ) -> Result<String, String> {
        let folder = package.join(FOLDER);
        // Not every file system has locks; where there are none, one person checks at a time.
        let guard = File::open(&folder).map_err(|error| error.to_string())?;
        let _ = guard.lock();
        if read_links(&folder)? != self.chain {
            return Err("the history was changed meanwhile".to_owned());
        }
        let name = package.canonicalize().ok();
        let name = name.as_deref().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or("package");
        let number = self.chain.last().map_or(1, |link| link.number + 1);
        let text = generation(date, &self.history.ignored, files, folders);
        if text.len() as u64 > LARGEST {
            return Err(format!("a generation would have more than {LARGEST} bytes"));
        }
        let link = Link { number, file: file_name(number, name, &moment(date)), c4: c4(&text) };
        let path = format!("{FOLDER}/{}", link.file);
        let chain: Vec<Link> = self.chain.iter().cloned().chain([link]).collect();
        put(&package.join(&path), &text, &folder.join(CHAIN), &write_chain(&chain))
            .map_err(|error| error.to_string())?;
        Ok(path)
    }
}

/// What is expected of generations that the chain does not list.
pub(crate) const UNLISTED: &str = "none but those of the chain";

/// Writes both files, then names both.
fn put(path: &Path, text: &[u8], chain_path: &Path, chain: &[u8]) -> io::Result<()> {
    let write = |path: &Path, content: &[u8]| {
        let pending = Pending::begin(path)?;
        let mut out = pending.writer();
        out.write_all(content)?;
        out.flush()?;
        drop(out);
        Ok::<_, io::Error>(pending)
    };
    let (generation, chain) = (write(path, text)?, write(chain_path, chain)?);
    generation.keep(0o644)?;
    chain.keep(0o644).inspect_err(|_| {
        // Without its link it is nothing.
        let _ = fs::remove_file(path);
    })
}

fn read_links(folder: &Path) -> Result<Vec<Link>, String> {
    let bytes = read_bytes(&folder.join(CHAIN))?;
    let text = std::str::from_utf8(&bytes).map_err(|error| error.to_string())?;
    read_chain(text).map_err(|broken| broken.to_string())
}

/// Reads a file of a history: no link, and none that is too large.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, String> {
    let kind = match fs::symlink_metadata(path) {
        Ok(kind) => kind,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err("nothing".to_owned()),
        Err(error) => return Err(error.to_string()),
    };
    if !kind.is_file() {
        return Err("no plain file".to_owned());
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
    read.map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("more than {LARGEST} bytes"));
    }
    Ok(bytes)
}

/// What stands in a package, but its history and what the system leaves everywhere. Links are not followed.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Everything that is no folder, by path; what is no plain file, with what it is.
    pub(crate) files: BTreeMap<String, Option<String>>,
    pub(crate) folders: BTreeSet<String>,
}

impl Tree {
    pub(crate) fn of(package: &Path) -> Tree {
        let mut tree = Tree::default();
        let mut waiting = vec![(String::new(), 0)];
        while let Some((folder, depth)) = waiting.pop() {
            let entries = match fs::read_dir(package.join(&folder)) {
                Ok(entries) => entries,
                Err(error) => {
                    tree.files.insert(folder, Some(format!("a folder that cannot be read: {error}")));
                    continue;
                }
            };
            for entry in entries {
                let Ok(entry) = entry else {
                    tree.files.insert(folder.clone(), Some("a folder that cannot be read to its end".to_owned()));
                    break;
                };
                let name = entry.file_name().to_string_lossy().into_owned();
                if name == ".DS_Store" || (folder.is_empty() && name == FOLDER) {
                    continue;
                }
                let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                tree.note(&entry, path, depth, &mut waiting);
            }
        }
        tree
    }

    fn note(&mut self, entry: &fs::DirEntry, path: String, depth: usize, waiting: &mut Vec<(String, usize)>) {
        let kind = entry.file_type();
        let is = |test: fn(&fs::FileType) -> bool| kind.as_ref().is_ok_and(test);
        let what = if entry.file_name().to_str().is_none() {
            Some("a name that is not UTF-8".to_owned())
        } else if is(fs::FileType::is_symlink) {
            let target = fs::read_link(entry.path()).map_or_else(|_| "?".into(), |to| to.display().to_string());
            Some(format!("a link to {target}, which is not followed"))
        } else if is(fs::FileType::is_dir) && depth < DEEPEST {
            self.folders.insert(path.clone());
            waiting.push((path, depth + 1));
            return;
        } else if is(fs::FileType::is_dir) {
            Some(format!("folders more than {DEEPEST} deep"))
        } else if is(fs::FileType::is_file) {
            None
        } else {
            Some("no plain file".to_owned())
        };
        self.files.insert(path, what);
    }
}

/// A hash of a file; XXH64 is what [`Hashed`] has too.
pub(crate) fn hash(path: &Path, format: Format) -> io::Result<String> {
    use sha2::Digest as _;
    use std::hash::Hasher as _;
    let mut file = File::open(path)?;
    let mut block = vec![0; 1 << 18];
    let mut each = |take: &mut dyn FnMut(&[u8])| -> io::Result<()> {
        loop {
            match file.read(&mut block)? {
                0 => return Ok(()),
                read => take(block.get(..read).unwrap_or_default()),
            }
        }
    };
    Ok(match format {
        Format::Xxh128 => {
            let mut hasher = twox_hash::XxHash3_128::with_seed(0);
            each(&mut |block| hasher.write(block))?;
            format!("{:032x}", hasher.finish_128())
        }
        Format::Xxh3 => {
            let mut hasher = twox_hash::XxHash3_64::with_seed(0);
            each(&mut |block| hasher.write(block))?;
            format!("{:016x}", hasher.finish())
        }
        Format::Xxh64 => {
            let mut hasher = twox_hash::XxHash64::with_seed(0);
            each(&mut |block| hasher.write(block))?;
            format!("{:016x}", hasher.finish())
        }
        Format::C4 => {
            let mut hasher = sha2::Sha512::new();
            each(&mut |block| hasher.update(block))?;
            seedpost_core::mhl::c4_of(&hasher.finalize().into())
        }
        Format::Md5 => {
            let mut hasher = md5::Md5::new();
            each(&mut |block| hasher.update(block))?;
            format!("{:x}", hasher.finalize())
        }
        Format::Sha1 => {
            let mut hasher = sha1::Sha1::new();
            each(&mut |block| hasher.update(block))?;
            format!("{:x}", hasher.finalize())
        }
    })
}
