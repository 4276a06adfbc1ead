//! The reference data of the regression tests: job traces and intensities, which are not part of the repository.
#![expect(clippy::print_stderr, reason = "a skipped test must be seen")]
#![allow(dead_code, reason = "each test uses a part")]

use std::fs;
use std::path::{Path, PathBuf};

use lowtide_planner::baseline::Series;

/// Where the data are, or nothing, said aloud.
pub(crate) fn data() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: the reference data are not here ({})", folder.display());
    None
}

/// Rows of a file without its head, split at commas.
pub(crate) fn rows(path: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(path).expect("the data are there");
    text.lines()
        .skip(1)
        .filter(|line| !line.is_empty())
        .map(|line| line.split(',').map(str::to_owned).collect())
        .collect()
}

/// A number.
pub(crate) fn number(text: &str) -> f64 {
    text.parse().expect("a number")
}

/// The second column from this time on, at most so many rows.
pub(crate) fn series(path: &Path, step_h: f64, from: &str, rows_at_most: usize) -> Series {
    let values =
        rows(path).iter().skip_while(|row| row[0] != from).take(rows_at_most).map(|row| number(&row[1])).collect();
    Series::new(step_h, values).expect("numbers")
}

/// A zone's life-cycle intensity in 2023 from this hour of the year on.
pub(crate) fn zone_2023(data: &Path, zone: &str, from: usize, hours: usize) -> Series {
    let rows = rows(&data.join(format!("carbon/electricitymaps/{zone}_2023.csv")));
    let values = rows.iter().skip(from).take(hours).map(|row| number(&row[1])).collect();
    Series::new(1.0, values).expect("numbers")
}

/// Fails where two numbers differ by more than this share.
pub(crate) fn close(what: &str, actual: f64, expected: f64, tolerance: f64) {
    assert!((actual / expected - 1.0).abs() <= tolerance, "{what}: {actual} instead of {expected}");
}
