//! The spool: reports on disk, a line each, before anybody hears of them.
//!
//! A disk that is full or fails costs no report while the agent lives: what could not be written is kept and tried
//! again, and a line written in part is taken back first.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

use lowtide_model::event::AttemptReport;

/// How soon a failed write is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// How often lines are made to last through a power cut, at most.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);
/// What is kept for a disk that takes nothing, in bytes; about 50,000 epochs.
const MOST_KEPT: usize = 8 << 20;

/// The spool of one attempt.
#[derive(Debug)]
pub(crate) struct Spool {
    path: PathBuf,
    file: Option<File>,
    length: u64,
    kept: Vec<u8>,
    retry_at: Option<Duration>,
    sync_at: Option<Duration>,
    synced: Duration,
}

impl Spool {
    /// An empty one at `path`, made at the first line.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, file: None, length: 0, kept: Vec::new(), retry_at: None, sync_at: None, synced: Duration::ZERO }
    }

    /// Adds these reports at the end.
    pub(crate) fn add(&mut self, reports: &[AttemptReport]) {
        for report in reports {
            // Plain data with no maps: it always can be written as JSON. Nothing is said rather than something broken.
            let Ok(line) = serde_json::to_vec(report) else { continue };
            if self.kept.len() < MOST_KEPT || matches!(report, AttemptReport::Exited { .. }) {
                self.kept.extend_from_slice(&line);
                self.kept.push(b'\n');
            }
        }
    }

    /// Writes what is to be written now. The first failure in a row is returned, to be told once.
    pub(crate) fn write(&mut self, now: Duration) -> Option<io::Error> {
        if self.retry_at.is_some_and(|at| now < at) {
            return None;
        }
        if !self.kept.is_empty() {
            if let Err(error) = self.try_write() {
                let first = self.retry_at.is_none();
                self.retry_at = Some(now + RETRY);
                return first.then_some(error);
            }
            self.retry_at = None;
            self.sync_at = self.sync_at.or(Some(self.synced + SYNC_INTERVAL));
        }
        if self.sync_at.is_some_and(|at| at <= now) {
            self.sync_at = None;
            self.synced = now;
            return self.file.as_ref().and_then(|file| file.sync_data().err());
        }
        None
    }

    /// When [`write`](Self::write) has something to do.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.retry_at.or(self.sync_at)
    }

    /// Writes everything and makes it last.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        if !self.kept.is_empty() {
            self.try_write()?;
        }
        match &self.file {
            Some(file) => file.sync_all(),
            None => Ok(()),
        }
    }

    fn try_write(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            empty => {
                let options = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?;
                self.length = options.metadata()?.len();
                empty.insert(options)
            }
        };
        if let Err(error) = file.write_all(&self.kept) {
            // Readers have seen whole lines only, and these come again in the same place.
            file.set_len(self.length)?;
            return Err(error);
        }
        self.length += self.kept.len() as u64;
        self.kept.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn warning(message: &str) -> AttemptReport {
        AttemptReport::Warning { at: Timestamp::UNIX_EPOCH, message: message.to_owned() }
    }

    #[test]
    fn reports_are_lines_in_order() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("spool.jsonl");
        let mut spool = Spool::new(path.clone());
        spool.add(&[warning("one"), warning("two\nlines")]);
        assert!(spool.write(Duration::ZERO).is_none());
        spool.add(&[warning("three")]);
        assert!(spool.write(Duration::from_secs(2)).is_none());
        let text = std::fs::read_to_string(path).expect("written");
        let read: Vec<AttemptReport> = text.lines().map(|line| serde_json::from_str(line).expect("a report")).collect();
        assert_eq!(read, [warning("one"), warning("two\nlines"), warning("three")]);
    }

    #[test]
    fn what_a_disk_does_not_take_is_tried_again_and_the_failure_is_told_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let place = directory.path().join("not-there-yet");
        let mut spool = Spool::new(place.join("spool.jsonl"));
        spool.add(&[warning("one")]);
        assert!(spool.write(Duration::ZERO).is_some());
        let retry = spool.deadline().expect("it is tried again");
        assert!(spool.write(retry).is_none(), "told once");
        std::fs::create_dir(&place).expect("made");
        spool.add(&[warning("two")]);
        let retry = spool.deadline().expect("and again");
        assert!(spool.write(retry).is_none());
        let text = std::fs::read_to_string(place.join("spool.jsonl")).expect("written");
        assert_eq!(text.lines().count(), 2);
    }

    #[test]
    fn a_full_disk_leaves_no_broken_line() {
        // /dev/full takes nothing, ever.
        let mut spool = Spool::new("/dev/full".into());
        spool.add(&[warning("one")]);
        assert!(spool.write(Duration::ZERO).is_some());
        assert!(spool.close().is_err());
        assert!(!spool.kept.is_empty());
    }
}
