//! The files of a folder, and of all below it, in the order of their names.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The longest file that is read: recorders write kilobytes.
const LONGEST: u64 = 64 << 20;
/// How deep folders are gone into.
const DEEPEST: usize = 8;

/// The file itself, or all files below a folder. Links are not followed, hidden files and folders not looked into.
pub(super) fn files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let kind = fs::metadata(path).map_err(|error| Failure::io(path.display(), &error))?;
    if !kind.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut files = Vec::new();
    below(path, DEEPEST, &mut files)?;
    files.sort();
    Ok(files)
}

fn below(folder: &Path, deep: usize, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::io(folder.display(), &error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if kind.is_dir() && 0 < deep {
            below(&entry.path(), deep - 1, files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// What a file holds, or why it is not read.
pub(super) fn content(path: &Path) -> Result<Vec<u8>, String> {
    let length = fs::metadata(path).map_err(|error| format!("it cannot be read: {error}"))?.len();
    if LONGEST < length {
        return Err(format!("it has {} MB: no recorder writes that much", length >> 20));
    }
    fs::read(path).map_err(|error| format!("it cannot be read: {error}"))
}
