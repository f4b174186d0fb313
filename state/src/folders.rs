//! Folders that outlive a power cut, and the names in them.

use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind};
use std::path::Path;

/// Makes a folder with those above it, each for its owner only, where there is none yet.
///
/// # Errors
/// One of them cannot be made, or its name does not reach the disk.
pub(crate) fn create(folder: &Path) -> io::Result<()> {
    let is_new = |ancestor: &&Path| !ancestor.as_os_str().is_empty() && !ancestor.exists();
    let new: Vec<&Path> = folder.ancestors().take_while(is_new).collect();
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    new.into_iter().try_for_each(sync_name)
}

/// Makes the name of a file or folder durable. Not every file system can, and on one that cannot there is nothing else to do.
///
/// # Errors
/// The disk does not take it.
pub(crate) fn sync_name(of: &Path) -> io::Result<()> {
    let folder = match of.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let synced = if cfg!(unix) { File::open(folder).and_then(|folder| folder.sync_all()) } else { Ok(()) };
    match synced {
        Err(e)
            if [ErrorKind::Unsupported, ErrorKind::InvalidInput, ErrorKind::PermissionDenied].contains(&e.kind()) =>
        {
            Ok(())
        }
        synced => synced,
    }
}
