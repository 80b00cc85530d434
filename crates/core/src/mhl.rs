//! ASC MHL v2.0: the history of a folder's checksums, as text, and how a folder is judged by it.
//!
//! A history is a chain of generations. Each is a list of files with their hashes, which is never changed again: the
//! chain holds its C4. A check adds the next one. Deliberately absent: histories within a history, and patterns of files
//! to leave out, which are kept and not followed.

mod folders;
mod history;
mod judge;
mod read;
mod write;

pub use folders::{FolderHash, folder_hashes};
pub use history::{History, Known};
pub use judge::{Deviation, Expected, Found, Measured, Verdict, judge};
pub use read::{Broken, Generation, LARGEST, Record, read_chain, read_generation};
pub use write::{Draft, Entry, write_chain, write_generation};

use sha2::{Digest as _, Sha512};

/// The folder of a history, within the folder that it is of.
pub const FOLDER: &str = "ascmhl";
/// The chain's file in [`FOLDER`].
pub const CHAIN: &str = "ascmhl_chain.xml";
/// What the standard leaves out of every history: the system's own leavings, and the history.
pub const IGNORED: [&str; 3] = [".DS_Store", "ascmhl", "ascmhl/"];

/// What became of a hash when it was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The file's first.
    Original,
    /// It was the first again.
    Verified,
    /// It was another.
    Failed,
}

impl Action {
    const ALL: [(Action, &'static str); 3] =
        [(Action::Original, "original"), (Action::Verified, "verified"), (Action::Failed, "failed")];

    fn as_str(self) -> &'static str {
        Action::ALL.iter().find(|(action, _)| *action == self).map_or("", |(_, name)| *name)
    }

    fn parse(text: &str) -> Option<Action> {
        Action::ALL.iter().find(|(_, name)| *name == text).map(|(action, _)| *action)
    }
}

/// A hash function of the standard, in the order in which its schema has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// SHA-512 in base 58.
    C4,
    /// MD5.
    Md5,
    /// SHA-1.
    Sha1,
    /// XXH3 of 128 bits.
    Xxh128,
    /// XXH3 of 64 bits.
    Xxh3,
    /// XXH64 with seed 0.
    Xxh64,
}

impl Format {
    const ALL: [(Format, &'static str); 6] = [
        (Format::C4, "c4"),
        (Format::Md5, "md5"),
        (Format::Sha1, "sha1"),
        (Format::Xxh128, "xxh128"),
        (Format::Xxh3, "xxh3"),
        (Format::Xxh64, "xxh64"),
    ];

    /// Its element's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Format::ALL.iter().find(|(format, _)| *format == self).map_or("", |(_, name)| *name)
    }

    fn parse(text: &str) -> Option<Format> {
        Format::ALL.iter().find(|(_, name)| *name == text).map(|(format, _)| *format)
    }
}

/// A hash of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hash {
    /// By which function.
    pub format: Format,
    /// In hex, of lower case; C4 in its own letters.
    pub value: String,
}

/// A generation as the chain has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// From 1.
    pub number: u32,
    /// Its file in [`FOLDER`].
    pub file: String,
    /// [`c4`] of that file.
    pub c4: String,
}

/// C4 of bytes (SMPTE ST 2114): SHA-512 as a number of 88 digits to the base of 58, behind `c4`.
#[must_use]
pub fn c4(bytes: &[u8]) -> String {
    c4_of(&Sha512::digest(bytes).into())
}

/// C4 of what has this SHA-512.
#[must_use]
pub fn c4_of(sha512: &[u8; 64]) -> String {
    // Its digits are Bitcoin's, of which the first is 1; what a leading zero byte adds there is never more than what is
    // filled up here.
    format!("c4{:1>88}", bs58::encode(sha512).into_string())
}

/// The name of a generation's file: number, the folder's name, and `moment`, such as `2026-11-21_035202Z`. What XML cannot
/// hold, and what no file name can, is `_`.
#[must_use]
pub fn file_name(number: u32, folder: &str, moment: &str) -> String {
    let is_odd = |c: char| c.is_control() || matches!(c, '/' | '\u{fffe}' | '\u{ffff}');
    let mut folder: String = folder.chars().map(|c| if is_odd(c) { '_' } else { c }).collect();
    // File systems take names of 255 bytes.
    folder.truncate(folder.floor_char_boundary(180));
    format!("{number:04}_{folder}_{moment}.mhl")
}

/// The number of a generation, by its file's name.
#[must_use]
pub fn number_of(file: &str) -> Option<u32> {
    let stem = file.strip_suffix(".mhl")?;
    let digits = stem.split('_').next().unwrap_or_default();
    let is_number = digits.len() >= 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number)
}

/// Says whether a path of a history stays in its folder.
fn stays_within(path: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part != "." && part != "..";
    path.len() <= 4096 && !path.contains('\0') && path.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the C4 specification's own examples: of nothing.
    #[test]
    fn c4_is_that_of_the_standard() {
        let nothing = "c459dsjfscH38cYeXXYogktxf4Cd9ibshE3BHUo6a58hBXmRQdZrAkZzsWcbWtDg5oQstpDuni4Hirj75GEmTc1sFT";
        assert_eq!(c4(b""), nothing);
        // A number that begins with zeros is filled up to the same length.
        let mut small = [0; 64];
        assert_eq!(c4_of(&small), format!("c4{}", "1".repeat(88)));
        small[63] = 58;
        assert_eq!(c4_of(&small), format!("c4{}21", "1".repeat(86)));
    }

    #[test]
    fn a_generation_is_named_by_number_folder_and_moment() {
        assert_eq!(file_name(2, "Küche", "2026-11-21_035202Z"), "0002_Küche_2026-11-21_035202Z.mhl");
        assert_eq!(file_name(1, "a\n/b", "x"), "0001_a__b_x.mhl");
        assert!(file_name(2, &"é".repeat(200), "2026-11-21_035202Z").len() < 255);
        assert_eq!(number_of("0012_a_b.mhl"), Some(12));
        for other in ["12_a.mhl", "0001_a.xml", "a_0001.mhl", "._0001_a.mhl", "+001_a.mhl", "99999999999_a.mhl"] {
            assert_eq!(number_of(other), None, "{other}");
        }
    }
}
