//! A copy of the RAPL counters that others than root may read: what the program `lowtide-powercap` keeps.
//!
//! The copy has the layout of the original, so that a meter reads it in the same way. It holds packages and memory
//! only, renewed once a second (the program's doing), each counter rounded down to 0.1 J: fine and frequent readings of
//! these counters leak what other users compute (PLATYPUS, CVE-2020-8694), which is why the kernel shows them to root
//! alone. A second's mean power of the whole machine remains visible; who does not want even that gives the copy to a
//! group.
//!
//! A value is written to a new file that takes the place of the old: a reader sees one or the other, never half. A
//! folder that is not ours is left alone.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::rapl::{Zone, read_counter, zones};

/// Counters are rounded down to so many µJ.
const STEP_UJ: u64 = 100_000;

/// A copy that cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// There is nothing to copy.
    #[error("no RAPL zone (intel-rapl:N) is in {root}: this machine has none, or hides it; nothing was written")]
    NoZone {
        /// Where it was looked for.
        root: PathBuf,
    },
    /// A counter cannot be read.
    #[error("{path} cannot be read ({source}): run it as root")]
    Read {
        /// The counter.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The copy cannot be written.
    #[error("{path} cannot be written ({source}): run it as root, or name another folder")]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A copy that is kept up to date, and removed in the end.
#[derive(Debug)]
pub struct Export {
    zones: Vec<(Zone, PathBuf)>,
    to: PathBuf,
}

impl Export {
    /// Begins a copy of the zones under `from` in the folder `to`, which may be read by all.
    pub fn begin(from: &Path, to: &Path) -> Result<Self, ExportError> {
        let found = zones(from);
        if found.is_empty() {
            return Err(ExportError::NoZone { root: from.to_owned() });
        }
        let place = |zone: Zone| {
            // Parts may lie beside their package or in it; either place is found.
            let name = zone.path.file_name().map(PathBuf::from).unwrap_or_default();
            (zone, to.join(name))
        };
        let export = Self { zones: found.into_iter().map(place).collect(), to: to.to_owned() };
        for (zone, folder) in &export.zones {
            fs::create_dir_all(folder).map_err(|source| ExportError::Write { path: folder.clone(), source })?;
            for name in ["name", "max_energy_range_uj"] {
                if let Ok(text) = fs::read(zone.path.join(name)) {
                    write(&folder.join(name), &text)?;
                }
            }
        }
        export.renew()?;
        Ok(export)
    }

    /// Copies all counters once.
    pub fn renew(&self) -> Result<(), ExportError> {
        for (zone, folder) in &self.zones {
            let path = zone.counter_path();
            let value = read_counter(&path).map_err(|source| ExportError::Read { path, source })?;
            write(&folder.join("energy_uj"), format!("{}\n", value - value % STEP_UJ).as_bytes())?;
        }
        Ok(())
    }

    /// Removes what was copied, and the folder if nothing else is in it.
    pub fn end(self) {
        for (_, folder) in &self.zones {
            // What is left over is seen to be dead by its readers.
            let _ = fs::remove_dir_all(folder);
        }
        let _ = fs::remove_dir(&self.to);
    }
}

/// Writes a file that others may read, in the place of the one that is there.
fn write(path: &Path, text: &[u8]) -> Result<(), ExportError> {
    let next = path.with_extension("next");
    let written = fs::write(&next, text)
        .and_then(|()| fs::set_permissions(&next, Permissions::from_mode(0o644)))
        .and_then(|()| fs::rename(&next, path));
    written.map_err(|source| ExportError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn original() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let zone = |zone: &str, name: &str, energy: &str| {
            let zone = folder.path().join("powercap").join(zone);
            fs::create_dir_all(&zone).expect("a folder");
            fs::write(zone.join("name"), name).expect("a file");
            fs::write(zone.join("max_energy_range_uj"), "262143328850\n").expect("a file");
            fs::write(zone.join("energy_uj"), energy).expect("a file");
        };
        zone("intel-rapl:0", "package-0\n", "123456789\n");
        zone("intel-rapl:0/intel-rapl:0:0", "core\n", "7\n");
        zone("intel-rapl:0/intel-rapl:0:1", "dram\n", "987654\n");
        folder
    }

    #[test]
    fn a_copy_is_found_as_the_original_is_coarser_and_without_what_is_not_counted() {
        let folder = original();
        let copy = folder.path().join("run/powercap");
        let export = Export::begin(&folder.path().join("powercap"), &copy).expect("copied");
        let found = zones(&copy);
        let names: Vec<&str> = found.iter().map(|zone| zone.name.as_str()).collect();
        assert_eq!(names, ["package-0", "dram of package-0"]);
        let values: Vec<u64> = found.iter().map(|zone| read_counter(&zone.counter_path()).expect("readable")).collect();
        assert_eq!(values, [123_400_000, 900_000]);
        assert!(!copy.join("intel-rapl:0:0").exists(), "core is not needed");

        fs::write(folder.path().join("powercap/intel-rapl:0/energy_uj"), "5\n").expect("it wrapped");
        export.renew().expect("copied");
        assert_eq!(read_counter(&found[0].counter_path()).expect("readable"), 0);
        export.end();
        assert!(!copy.exists());
    }

    #[test]
    fn what_cannot_be_copied_says_why() {
        let folder = original();
        let nowhere = Export::begin(&folder.path().join("nowhere"), &folder.path().join("copy")).expect_err("nothing");
        assert!(nowhere.to_string().contains("no RAPL zone"), "{nowhere}");
        fs::write(folder.path().join("file"), "").expect("a file");
        let error = Export::begin(&folder.path().join("powercap"), &folder.path().join("file")).expect_err("a file");
        assert!(error.to_string().contains("run it as root"), "{error}");
        fs::write(folder.path().join("powercap/intel-rapl:0/energy_uj"), "many").expect("a file");
        let error = Export::begin(&folder.path().join("powercap"), &folder.path().join("copy")).expect_err("rubbish");
        assert!(error.to_string().contains("cannot be read"), "{error}");
    }
}
