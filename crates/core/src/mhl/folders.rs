//! Hashes of folders: of all that they contain, whatever it is called, and of all with its names.

use std::collections::BTreeMap;
use std::hash::Hasher as _;

use twox_hash::XxHash64;

/// XXH64 of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FolderHash {
    /// Of what it contains.
    pub content: u64,
    /// Of what it contains, and of names.
    pub structure: u64,
}

/// Hashes a folder and those in it, by their paths; the folder itself is the empty path. `files` are paths with XXH64.
#[must_use]
pub fn folder_hashes<'a>(
    files: impl IntoIterator<Item = (&'a str, u64)>,
    folders: impl IntoIterator<Item = &'a str>,
) -> BTreeMap<&'a str, FolderHash> {
    let mut within: BTreeMap<&str, (Vec<u64>, Vec<u64>)> = BTreeMap::new();
    within.insert("", (Vec::new(), Vec::new()));
    let files: Vec<(&str, u64)> = files.into_iter().collect();
    for path in folders.into_iter().chain(files.iter().map(|(path, _)| parent(path))) {
        let mut folder = path;
        while !folder.is_empty() && !within.contains_key(folder) {
            within.insert(folder, (Vec::new(), Vec::new()));
            folder = parent(folder);
        }
    }
    let add = |within: &mut BTreeMap<&str, (Vec<u64>, Vec<u64>)>, path: &'a str, content: u64, structure: u64| {
        if let Some((contents, structures)) = within.get_mut(parent(path)) {
            contents.push(content);
            structures.push(named(path, structure));
        }
    };
    files.iter().for_each(|(path, hash)| add(&mut within, path, *hash, *hash));
    let mut hashes = BTreeMap::new();
    // What lies in a folder comes behind it, so the last one is done first.
    while let Some((path, (contents, structures))) = within.pop_last() {
        let hash = FolderHash { content: of_all(contents), structure: of_all(structures) };
        if !path.is_empty() {
            add(&mut within, path, hash.content, hash.structure);
        }
        hashes.insert(path, hash);
    }
    hashes
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn named(path: &str, hash: u64) -> u64 {
    let mut hasher = XxHash64::with_seed(0);
    hasher.write(path.rsplit('/').next().unwrap_or_default().as_bytes());
    hasher.write(&hash.to_be_bytes());
    hasher.finish()
}

fn of_all(mut hashes: Vec<u64>) -> u64 {
    // The standard sorts them as text; hex of one length sorts as its numbers do.
    hashes.sort_unstable();
    let mut hasher = XxHash64::with_seed(0);
    hashes.iter().for_each(|hash| hasher.write(&hash.to_be_bytes()));
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written down from `ascmhl create -h xxh64` (ascmhl 1.2), of a folder with `a.txt` (`a`),
    /// `sub/b & ü.txt` (`b`), `sub/deep/c.txt` (`c`) and an empty folder `void`.
    #[test]
    fn folders_hash_as_the_reference_tool_hashes_them() {
        let files = [("a.txt", HASHES[0]), ("sub/b & ü.txt", HASHES[1]), ("sub/deep/c.txt", HASHES[2])];
        let hashes = folder_hashes(files, ["void", "sub", "sub/deep"]);
        let hex: Vec<(&str, String, String)> = hashes
            .iter()
            .map(|(path, hash)| (*path, format!("{:016x}", hash.content), format!("{:016x}", hash.structure)))
            .collect();
        let told: Vec<(&str, String, String)> =
            TOLD.iter().map(|(path, content, structure)| (*path, (*content).into(), (*structure).into())).collect();
        assert_eq!(hex, told);
    }

    const HASHES: [u64; 3] = [0xd24e_c4f1_a98c_6e5b, 0x7845_2aa1_1af3_9f9b, 0xa3da_d144_c406_57ed];
    const TOLD: [(&str, &str, &str); 4] = [
        ("", "1b3afcdb82ed008a", "64525e8a4df3a7c1"),
        ("sub", "f132129675e32e28", "13f9b6e0c84b44be"),
        ("sub/deep", "51b22748372850a6", "7a198b6c88992373"),
        ("void", "ef46db3751d8e999", "ef46db3751d8e999"),
    ];
}
