//! A folder that only this user can enter, and files in it that are there whole or not at all.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The permissions of everybody but the owner.
const OTHERS: u32 = 0o077;

/// The folder.
#[derive(Debug, Clone)]
pub(crate) struct PrivateFolder {
    path: PathBuf,
}

impl PrivateFolder {
    /// The folder, made if it is not there; `None` if others can enter it or it belongs to somebody else.
    pub(crate) fn open(path: PathBuf) -> Option<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).ok()?;
        let folder = Self { path };
        folder.is_private().then_some(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is private still.
    pub(crate) fn is_private(&self) -> bool {
        let Ok(metadata) = fs::symlink_metadata(&self.path) else { return false };
        let Ok(own) = fs::metadata("/proc/self") else { return false };
        metadata.is_dir() && metadata.uid() == own.uid() && metadata.mode() & OTHERS == 0
    }

    /// Writes under another name and renames, so that no half file is ever found. The name holds the process's number:
    /// two processes that write the same file do not write into one.
    pub(crate) fn keep(&self, name: &str, bytes: &[u8]) -> std::io::Result<PathBuf> {
        let path = self.path.join(name);
        let partial = self.path.join(format!("{name}.{}.partial", std::process::id()));
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        file.write_all(bytes)?;
        drop(file);
        fs::rename(&partial, &path)?;
        Ok(path)
    }
}
