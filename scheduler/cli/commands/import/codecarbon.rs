//! CSV files of CodeCarbon: a run a row.

use std::path::Path;

use lowtide_meters::import::{Refused, codecarbon};

use super::{Found, fingerprint, folder, stem};
use crate::failure::Failure;

/// Reads a file, or all files of a folder.
pub(super) fn read(path: &Path) -> Result<Vec<Found>, Failure> {
    Ok(folder::files(path)?.iter().flat_map(|file| rows(file)).collect())
}

fn rows(file: &Path) -> Vec<Found> {
    let content = folder::content(file);
    let found = |row, content: &[u8], run| Found {
        file: file.to_path_buf(),
        row,
        content: fingerprint(content),
        fallback_name: stem(file),
        run,
    };
    let rows = content.map_err(Refused).and_then(|content| Ok((codecarbon::rows(&content)?, content)));
    match rows {
        // A row's own number is part of where it comes from: a file to which rows are added keeps those it had.
        Ok((rows, content)) => {
            let lines: Vec<&[u8]> = content.split(|byte| *byte == b'\n').collect();
            rows.into_iter()
                .map(|(row, run)| found(Some(row), lines.get(row).copied().unwrap_or_default(), run))
                .collect()
        }
        Err(refused) => vec![found(None, &[], Err(refused))],
    }
}
