//! Files that are whole or absent, and never take another's place.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::NamedTempFile;
use tokio::io::{AsyncRead, AsyncWriteExt as _};

use super::source::Source;
use super::{Put, StoreError};
use crate::runner::TEMPORARY;

/// Copies bytes to a file of a store's folder.
pub(super) async fn put(
    root: &Path,
    to: &Path,
    from: &mut Source<'_, impl AsyncRead + Unpin>,
) -> Result<Put, StoreError> {
    let disk = |error| StoreError::Disk { path: to.to_owned(), error };
    // One that was unmounted is not made again in its place.
    tokio::fs::metadata(root).await.map_err(|error| StoreError::Disk { path: root.to_owned(), error })?;
    // Others read it as the folder's owner wants: the system takes off what the umask says.
    let (draft, mut file) = Draft::beside(to, 0o666).await.map_err(disk)?;
    while let Some(piece) = from.next().await? {
        file.write_all(piece).await.map_err(disk)?;
    }
    file.flush().await.map_err(disk)?;
    draft.keep(to, None).await.map_err(disk)
}

/// A file under a temporary name, which is gone unless it is kept.
pub(super) struct Draft(NamedTempFile);

impl Draft {
    /// Makes one in the folder where it is to stay, and the folder where that is missing.
    pub(super) async fn beside(to: &Path, mode: u32) -> io::Result<(Draft, tokio::fs::File)> {
        let to = to.to_owned();
        let made = tokio::task::spawn_blocking(move || {
            let folder = folder(&to);
            make(folder)?;
            let mode = Permissions::from_mode(mode);
            let draft = tempfile::Builder::new().prefix(TEMPORARY).permissions(mode).tempfile_in(folder)?;
            let file = draft.as_file().try_clone()?;
            Ok((Draft(draft), tokio::fs::File::from_std(file)))
        });
        made.await.map_err(io::Error::other)?
    }

    /// Gives it its name once it is on disk, unless the name is taken.
    pub(super) async fn keep(self, to: &Path, mode: Option<u32>) -> io::Result<Put> {
        let to = to.to_owned();
        let kept = tokio::task::spawn_blocking(move || {
            if let Some(mode) = mode {
                self.0.as_file().set_permissions(Permissions::from_mode(mode))?;
            }
            self.0.as_file().sync_all()?;
            match self.0.persist_noclobber(&to) {
                Ok(_) => File::open(folder(&to))?.sync_all().map(|()| Put::Made),
                Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(Put::There),
                Err(error) => Err(error.error),
            }
        });
        kept.await.map_err(io::Error::other)?
    }
}

fn folder(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes a folder and those above it, each of them on disk.
fn make(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = folder(path);
    if above != path {
        make(above)?;
    }
    match fs::create_dir(path) {
        // Somebody else was quicker.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {}
        made => made?,
    }
    File::open(above)?.sync_all()
}
