//! A compound file (MS-CFB, version 4) that is written once, front to back: storages and streams in, bytes out.
//!
//! Everything is known before the first byte leaves, so each chain of sectors lies in one piece. Deliberately absent:
//! reading, changing, and times, which would make two exports of a cut differ.

use super::object::Auid;

const SECTOR: usize = 4096;
const MINI_SECTOR: usize = 64;
/// Streams below this size lie together in the mini stream.
const CUTOFF: usize = 4096;
const ENTRY: usize = 128;
const LONGEST_NAME: usize = 31;
const FREE: u32 = 0xffff_ffff;
const END: u32 = 0xffff_fffe;
const FAT_SECTOR: u32 = 0xffff_fffd;
const DIFAT_SECTOR: u32 = 0xffff_fffc;
/// How many sectors of the FAT the header names; and a sector of the DIFAT.
const DIFAT_IN_HEADER: usize = 109;
const DIFAT_IN_SECTOR: usize = SECTOR / 4 - 1;

/// Kinds of directory entries.
const STORAGE: u8 = 1;
const STREAM: u8 = 2;
const ROOT: u8 = 5;

/// A compound file in the making.
pub(super) struct Container {
    directory: Vec<u8>,
    open: Vec<Open>,
    large: Sectors,
    mini: Sectors,
}

/// A storage that is not closed yet, with what is in it.
struct Open {
    entry: usize,
    children: Vec<(Name, u32)>,
}

/// What siblings are sorted by: the length of their names, then their capitals.
type Name = (usize, [u8; LONGEST_NAME]);

/// Streams one after the other, each filled up to whole sectors, and the chains of these.
struct Sectors {
    size: usize,
    bytes: Vec<u8>,
    next: Vec<u32>,
}

impl Sectors {
    fn new(size: usize) -> Sectors {
        Sectors { size, bytes: Vec::new(), next: Vec::new() }
    }

    /// The first sector of a stream.
    fn push(&mut self, content: &[u8]) -> u32 {
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(self.size), 0);
        chain(&mut self.next, content.len().div_ceil(self.size))
    }
}

/// Chains so many more sectors, and gives the first.
fn chain(next: &mut Vec<u32>, sectors: usize) -> u32 {
    if sectors == 0 {
        return END;
    }
    let first = next.len();
    next.extend((first + 1..first + sectors).map(number));
    next.push(END);
    number(first)
}

impl Container {
    /// An empty file, whose root is an object of a class.
    pub(super) fn new(root: Auid) -> Container {
        let (large, mini) = (Sectors::new(SECTOR), Sectors::new(MINI_SECTOR));
        let mut container = Container { directory: Vec::new(), open: Vec::new(), large, mini };
        container.entry("Root Entry", ROOT, root);
        container.open.push(Open { entry: 0, children: Vec::new() });
        container
    }

    /// Opens a storage in the one that is open. Its name is ASCII, at most 31 letters, and new there.
    pub(super) fn open(&mut self, name: &str, class: Auid) {
        let entry = self.entry(name, STORAGE, class);
        self.open.push(Open { entry, children: Vec::new() });
    }

    /// Closes the storage that was opened last.
    pub(super) fn close(&mut self) {
        let Some(mut open) = self.open.pop() else { return };
        open.children.sort_unstable();
        let root = self.tree(&open.children);
        self.set(open.entry, 76, root);
    }

    /// Puts a stream into the storage that is open.
    pub(super) fn stream(&mut self, name: &str, content: &[u8]) {
        let entry = self.entry(name, STREAM, [0; 16]);
        let sectors = if content.len() < CUTOFF { &mut self.mini } else { &mut self.large };
        let first = sectors.push(content);
        place(&mut self.directory[entry * ENTRY..], first, content.len());
    }

    /// The file. In the header's field for a class stands what kind of file it is.
    pub(super) fn finish(mut self, kind: Auid) -> Vec<u8> {
        while !self.open.is_empty() {
            self.close();
        }
        let mut next = self.large.next;
        let mini_sectors = self.mini.next.len().next_multiple_of(SECTOR / 4);
        self.mini.next.resize(mini_sectors, FREE);
        let mini_fat = self.mini.next.iter().flat_map(|next| next.to_le_bytes()).collect::<Vec<u8>>();
        let mini = chain(&mut next, self.mini.bytes.len().div_ceil(SECTOR));
        let mini_fat_first = chain(&mut next, mini_fat.len().div_ceil(SECTOR));
        let directory = chain(&mut next, self.directory.len().div_ceil(SECTOR));
        place(&mut self.directory, mini, self.mini.bytes.len());
        while !self.directory.len().is_multiple_of(SECTOR) {
            self.directory.extend(empty_entry());
        }
        let table = Table::new(next);
        let mut file = Vec::with_capacity(SECTOR * (1 + table.next.len()));
        file.extend(header(kind, &table, directory, mini_fat_first, &self.directory, &mini_fat));
        for part in [self.large.bytes, self.mini.bytes, mini_fat, self.directory] {
            file.extend(part);
            file.resize(file.len().next_multiple_of(SECTOR), 0);
        }
        file.extend(table.next.iter().chain(&table.difat()).flat_map(|sector| sector.to_le_bytes()));
        file
    }

    fn entry(&mut self, name: &str, kind: u8, class: Auid) -> usize {
        let entry = self.directory.len() / ENTRY;
        let mut bytes = empty_entry();
        let (mut letters, length) = ([0; LONGEST_NAME], name.len().min(LONGEST_NAME));
        for (index, letter) in name.bytes().take(LONGEST_NAME).enumerate() {
            bytes[2 * index] = letter;
            letters[index] = letter.to_ascii_uppercase();
        }
        bytes[64] = u8::try_from(2 * length + 2).unwrap_or_default();
        bytes[66] = kind;
        // Black: a tree of black nodes alone is valid.
        bytes[67] = 1;
        bytes[80..96].copy_from_slice(&class);
        self.directory.extend(bytes);
        if let Some(open) = self.open.last_mut() {
            open.children.push(((length, letters), number(entry)));
        }
        entry
    }

    /// Makes a balanced tree of sorted siblings, and gives its root.
    fn tree(&mut self, sorted: &[(Name, u32)]) -> u32 {
        let Some((_, middle)) = sorted.get(sorted.len() / 2) else { return FREE };
        let (left, right) = sorted.split_at(sorted.len() / 2);
        let (left, right) = (self.tree(left), self.tree(&right[1..]));
        self.set(*middle as usize, 68, left);
        self.set(*middle as usize, 72, right);
        *middle
    }

    fn set(&mut self, entry: usize, at: usize, value: u32) {
        self.directory[entry * ENTRY + at..][..4].copy_from_slice(&value.to_le_bytes());
    }
}

/// A directory entry that is none: without relatives.
fn empty_entry() -> [u8; ENTRY] {
    let mut bytes = [0; ENTRY];
    bytes[68..80].fill(0xff);
    bytes
}

/// Writes into a directory entry where its stream lies.
fn place(entry: &mut [u8], first: u32, length: usize) {
    entry[116..120].copy_from_slice(&first.to_le_bytes());
    entry[120..128].copy_from_slice(&(length as u64).to_le_bytes());
}

/// No file is so long: 2^32 sectors are 16 TiB.
fn number(sector: usize) -> u32 {
    u32::try_from(sector).unwrap_or(END)
}

/// The table of all sectors' chains, at the end of which stand its own.
struct Table {
    next: Vec<u32>,
    /// The first sector of the table itself, how many it has, and how many there are to list these.
    first: usize,
    sectors: usize,
    lists: usize,
}

impl Table {
    fn new(mut next: Vec<u32>) -> Table {
        let (first, mut sectors, mut lists) = (next.len(), 0, 0);
        loop {
            let wanted = (first + sectors + lists).div_ceil(SECTOR / 4);
            let wanted_lists = wanted.saturating_sub(DIFAT_IN_HEADER).div_ceil(DIFAT_IN_SECTOR);
            if (wanted, wanted_lists) == (sectors, lists) {
                break;
            }
            (sectors, lists) = (wanted, wanted_lists);
        }
        next.resize(first + sectors, FAT_SECTOR);
        next.resize(first + sectors + lists, DIFAT_SECTOR);
        next.resize(sectors * SECTOR / 4, FREE);
        Table { next, first, sectors, lists }
    }

    fn own(&self) -> Vec<u32> {
        (self.first..self.first + self.sectors).map(number).collect()
    }

    /// What follows the list in the header: sectors that each end with the number of the next.
    fn difat(&self) -> Vec<u32> {
        let own = self.own();
        let rest = own.get(DIFAT_IN_HEADER..).unwrap_or_default();
        let first = self.first + self.sectors;
        let sector = |(index, part): (usize, &[u32])| {
            let mut sector = part.to_vec();
            sector.resize(DIFAT_IN_SECTOR, FREE);
            sector.push(if index + 1 == self.lists { END } else { number(first + index + 1) });
            sector
        };
        rest.chunks(DIFAT_IN_SECTOR).enumerate().flat_map(sector).collect()
    }
}

/// The first sector (MS-CFB, section 2.2).
fn header(kind: Auid, table: &Table, directory: u32, mini_fat: u32, entries: &[u8], mini: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];
    bytes.extend(kind);
    let version = [0x3e_u16, 4, 0xfffe, 12, 6, 0, 0, 0];
    bytes.extend(version.iter().flat_map(|value| value.to_le_bytes()));
    let difat = if table.lists == 0 { END } else { number(table.first + table.sectors) };
    let counts = [
        number(entries.len() / SECTOR),
        number(table.sectors),
        directory,
        0,
        number(CUTOFF),
        mini_fat,
        number(mini.len().div_ceil(SECTOR)),
        difat,
        number(table.lists),
    ];
    let mut own = table.own();
    own.resize(own.len().max(DIFAT_IN_HEADER), FREE);
    bytes.extend(counts.iter().chain(&own[..DIFAT_IN_HEADER]).flat_map(|value| value.to_le_bytes()));
    bytes.resize(SECTOR, 0);
    bytes
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};

    use super::*;

    #[test]
    fn strict_readers_find_what_was_put_in() {
        let root = [7; 16];
        let mut container = Container::new(root);
        for length in [0, 1, 64, 4095, 4096, 10_000] {
            container.stream(&format!("of {length}"), &vec![0x5a; length]);
        }
        container.open("many", [9; 16]);
        for number in 0..3000 {
            container.stream(&format!("index{{{number:x}}}"), &[1, 2, 3]);
        }
        let file = container.finish([8; 16]);
        assert_eq!((file.len() % SECTOR, &file[8..24]), (0, &[8; 16][..]));
        let mut read = cfb::CompoundFile::open_strict(Cursor::new(file)).expect("a compound file");
        assert_eq!(read.root_entry().clsid().to_bytes_le(), root);
        assert_eq!(read.entry("/many").expect("a storage").clsid().to_bytes_le(), [9; 16]);
        assert_eq!(read.read_storage("/many").expect("a storage").count(), 3000);
        for length in [0, 1, 64, 4095, 4096, 10_000] {
            let mut content = Vec::new();
            let mut stream = read.open_stream(format!("/of {length}")).expect("a stream");
            stream.read_to_end(&mut content).expect("its content");
            assert_eq!(content, vec![0x5a; length]);
        }
    }

    /// A sector of the table is about 1024 sectors, its own among them; the header names 109 of them, and each further
    /// list 1023.
    #[test]
    fn the_table_of_a_large_file_is_listed_in_sectors_of_its_own() {
        for (content, sectors, lists) in [
            (1023, 1, 0),
            (1024, 2, 0),
            (109 * 1024 - 109, 109, 0),
            (109 * 1024 - 108, 110, 1),
            (1132 * 1024 - 1132 - 1, 1132, 1),
            (1132 * 1024 - 1132, 1133, 2),
        ] {
            let table = Table::new(vec![END; content]);
            assert_eq!((table.sectors, table.lists), (sectors, lists), "{content}");
            assert_eq!((table.next.len(), table.difat().len()), (sectors * 1024, lists * 1024), "{content}");
        }
    }
}
