//! The log of a measured command: a file of lines for people, and beside it the account for programs.
//!
//! A fault of theirs is said once; the command runs on.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use crate::failure::Failure;

/// The two files of one run.
pub(super) struct Journal {
    log: File,
    json: PathBuf,
    faulty: bool,
}

impl Journal {
    /// Makes `lowtide_TIME_PID.log` in a folder, and the folder where it is missing; the JSON file is written beside it.
    pub(super) fn begin(folder: &Path, now: Timestamp) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::io(format!("no log can be kept in {}", folder.display()), &error);
        fs::create_dir_all(folder).map_err(failed)?;
        let name = format!("lowtide_{}_{}", now.strftime("%Y-%m-%dT%H%M%SZ"), std::process::id());
        let log = File::options().append(true).create(true).open(folder.join(format!("{name}.log"))).map_err(failed)?;
        Ok(Self { log, json: folder.join(format!("{name}.json")), faulty: false })
    }

    /// A line, with its time. What went wrong, the first time that something does.
    pub(super) fn line(&mut self, at: Timestamp, text: &str) -> Option<String> {
        let written = text.lines().try_for_each(|line| writeln!(self.log, "{at:.0} - {line}"));
        self.told(written)
    }

    /// The account as it is now takes the place of that before it.
    pub(super) fn account(&mut self, account: &impl Serialize) -> Option<String> {
        let text = serde_json::to_vec_pretty(account).map_err(std::io::Error::from);
        let beside = self.json.with_extension("json.new");
        let written = text.and_then(|text| fs::write(&beside, text)).and_then(|()| fs::rename(&beside, &self.json));
        self.told(written)
    }

    fn told(&mut self, written: std::io::Result<()>) -> Option<String> {
        let error = written.err().filter(|_| !self.faulty)?;
        self.faulty = true;
        Some(format!("the log beside {} cannot be written: {error}; the command runs on", self.json.display()))
    }
}
