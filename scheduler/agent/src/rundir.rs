//! Reading and writing an attempt's run directory; what is in it is described in `lowtide_model::rundir`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use lowtide_model::job::StartOrder;
use lowtide_model::rundir::{LEAVE, LOCK, LeaveWish, ORDER};
use rustix::fs::FlockOperation;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest order read, in bytes: the kernel limits arguments and environment of a command to less by default.
const LONGEST_ORDER: u64 = 16 << 20;
/// Wishes are one word.
const LONGEST_WISH: u64 = 64;

/// A run directory that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunDirError {
    #[error("opening {path}: {source}; nothing was started")]
    Open { path: PathBuf, source: io::Error },
    #[error("another agent holds {path}: the command is started once, and is not started again")]
    Locked { path: PathBuf },
    #[error("the order {path} cannot be read ({source}); nothing was started")]
    Order { path: PathBuf, source: serde_json::Error },
    #[error("{path} shows that this order was begun before: the command is not started again")]
    BegunBefore { path: PathBuf },
    #[error("{path} shows that this order was given up: the command is not started")]
    Revoked { path: PathBuf },
    #[error("writing {path}: {source}; nothing was started")]
    Write { path: PathBuf, source: io::Error },
    #[error("{0}")]
    Refused(String),
}

/// An attempt's directory.
#[derive(Debug)]
pub(crate) struct RunDir {
    path: PathBuf,
}

impl RunDir {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// Takes the lock, which is held until the file is dropped. Who looks whether it is held holds it himself for a
    /// moment, so it is tried a few times.
    pub(crate) fn lock(&self) -> Result<File, RunDirError> {
        const TRIES: u32 = 10;
        const BETWEEN: std::time::Duration = std::time::Duration::from_millis(10);
        let path = self.path(LOCK);
        let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = opened.map_err(|source| RunDirError::Open { path: path.clone(), source })?;
        for attempt in 1..=TRIES {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(file),
                Err(rustix::io::Errno::WOULDBLOCK) if attempt < TRIES => std::thread::sleep(BETWEEN),
                Err(rustix::io::Errno::WOULDBLOCK) => break,
                Err(error) => return Err(RunDirError::Open { path, source: error.into() }),
            }
        }
        Err(RunDirError::Locked { path })
    }

    pub(crate) fn order(&self) -> Result<StartOrder, RunDirError> {
        let path = self.path(ORDER);
        let mut text = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(LONGEST_ORDER).read_to_end(&mut text));
        read.map_err(|source| RunDirError::Open { path: path.clone(), source })?;
        serde_json::from_slice(&text).map_err(|source| RunDirError::Order { path, source })
    }

    /// The wish that the job leave, if there is one. One that cannot be read is none: the next may be better.
    pub(crate) fn leave_wish(&self) -> Option<LeaveWish> {
        let mut text = String::new();
        File::open(self.path(LEAVE)).ok()?.take(LONGEST_WISH).read_to_string(&mut text).ok()?;
        text.parse().ok()
    }

    /// A file the command appends its output to.
    pub(crate) fn output(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().create(true).append(true).mode(0o600).open(self.path(name))
    }

    /// Puts a whole new content in place of a file, or leaves it as it is.
    pub(crate) fn replace(&self, name: &str, content: &impl Serialize) -> io::Result<()> {
        let written = self.path(&format!(".{name}.new"));
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&written)?;
        file.write_all(&serde_json::to_vec(content)?)?;
        file.sync_all()?;
        fs::rename(&written, self.path(name))?;
        File::open(&self.path)?.sync_all()
    }

    /// What a file that was [replaced](Self::replace) says.
    pub(crate) fn read<T: DeserializeOwned>(&self, name: &str) -> io::Result<T> {
        Ok(serde_json::from_slice(&fs::read(self.path(name))?)?)
    }

    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }
}

/// The boot this machine is in, or nothing where that cannot be told.
pub(crate) fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

/// Reads on in a file that grows.
#[derive(Debug)]
pub(crate) struct Tail {
    file: Option<File>,
    path: PathBuf,
    position: u64,
}

/// What is read at once, in bytes.
const PIECE: usize = 16 << 10;
/// The most that is read between two looks, in bytes. A job that writes more is not followed line by line: the agent
/// would take more of the processor than a meter may.
const MOST_AT_ONCE: u64 = 4 << 20;

impl Tail {
    pub(crate) fn new(path: &Path) -> Self {
        Self { file: None, path: path.to_owned(), position: 0 }
    }

    /// Hands over what has been written since the last time; `None` stands for a part left out. A file that cannot be
    /// read now is tried again the next time.
    pub(crate) fn read(&mut self, mut take: impl FnMut(Option<&[u8]>)) {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        let Some(file) = &self.file else { return };
        let Ok(length) = file.metadata().map(|metadata| metadata.len()) else { return };
        if length < self.position {
            // The job has emptied it.
            self.position = 0;
        }
        if length - self.position > MOST_AT_ONCE {
            self.position = length - MOST_AT_ONCE;
            take(None);
        }
        let mut buffer = [0; PIECE];
        while self.position < length {
            let room = usize::try_from(length - self.position).unwrap_or(PIECE).min(PIECE);
            match file.read_at(&mut buffer[..room], self.position) {
                Ok(0) => break,
                Ok(count) => {
                    self.position += count as u64;
                    take(Some(&buffer[..count]));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tail: &mut Tail) -> (String, bool) {
        let (mut text, mut skipped) = (Vec::new(), false);
        tail.read(|piece| match piece {
            Some(piece) => text.extend_from_slice(piece),
            None => skipped = true,
        });
        (String::from_utf8_lossy(&text).into_owned(), skipped)
    }

    #[test]
    fn a_tail_reads_on_and_begins_again_when_the_file_was_emptied() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("stdout");
        let mut tail = Tail::new(&path);
        assert_eq!(read(&mut tail), (String::new(), false));
        fs::write(&path, "one\n").expect("written");
        assert_eq!(read(&mut tail).0, "one\n");
        fs::write(&path, "one\ntwo\n").expect("written");
        assert_eq!(read(&mut tail).0, "two\n");
        fs::write(&path, "new").expect("written");
        assert_eq!(read(&mut tail).0, "new");
    }

    #[test]
    fn a_flood_is_not_read_through() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("stdout");
        let flood = usize::try_from(MOST_AT_ONCE).expect("it fits") + 1000;
        fs::write(&path, vec![b'x'; flood]).expect("written");
        let (text, skipped) = read(&mut Tail::new(&path));
        assert!(skipped);
        assert_eq!(text.len() as u64, MOST_AT_ONCE);
    }

    #[test]
    fn the_lock_is_taken_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let run_dir = RunDir::new(directory.path().to_owned());
        let held = run_dir.lock().expect("free");
        assert!(matches!(run_dir.lock(), Err(RunDirError::Locked { .. })));
        drop(held);
        run_dir.lock().expect("free again");
    }
}
