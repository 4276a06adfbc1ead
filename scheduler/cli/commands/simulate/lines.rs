//! One line for each job of a replay, written as the jobs are done.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use lowtide_simulator::outcome::Done;
use lowtide_simulator::replay::starts;
use lowtide_simulator::setting::Setting;

use crate::failure::Failure;

/// A file that grows by a line for each job. An error is kept for the end: it does not stop the replay.
pub(super) struct Lines {
    path: PathBuf,
    file: BufWriter<File>,
    failed: Option<std::io::Error>,
}

impl Lines {
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        let file = File::create(path)
            .map_err(|error| Failure::io(format!("the file {} cannot be written", path.display()), &error))?;
        let mut lines = Self { path: path.to_owned(), file: BufWriter::new(file), failed: None };
        let head = writeln!(lines.file, "job,arrival,start,end,length_h,wait_h,starts,late,baseline_g,policy_g");
        lines.failed = head.err();
        Ok(lines)
    }

    pub(super) fn add(&mut self, done: &Done, setting: &Setting) {
        let start = done.runs.first().map_or(done.task.arrival, |run| run.start);
        let name = quoted(&done.job.name);
        let line = writeln!(
            self.file,
            "{name},{},{},{},{},{},{},{},{},{}",
            setting.moment(done.task.arrival),
            setting.moment(start),
            setting.moment(done.end()),
            done.task.length,
            done.wait_h(),
            starts(&done.runs),
            done.is_late(),
            done.baseline_g,
            done.grams,
        );
        if let Err(error) = line {
            self.failed.get_or_insert(error);
        }
    }

    pub(super) fn finish(mut self) -> Result<(), Failure> {
        let flushed = self.file.flush();
        match self.failed.or(flushed.err()) {
            None => Ok(()),
            Some(error) => Err(Failure::io(format!("the file {} cannot be written", self.path.display()), &error)),
        }
    }
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
