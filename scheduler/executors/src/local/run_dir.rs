//! An attempt's run directory as its executor sees it; what is in it is described in `lowtide_model::rundir`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use lowtide_model::event::{AttemptReport, ProbeFinding};
use lowtide_model::job::StartOrder;
use lowtide_model::rundir::{
    AGENT, AgentRecord, EXIT, ExitRecord, LEAVE, LOCK, LOG, LeaveWish, ORDER, POWER_LIMITS, REVOKED, SPOOL,
};
use rustix::fs::FlockOperation;
use serde::de::DeserializeOwned;

use super::make_directory;
use super::process::{Abandoned, boot, runs};
use crate::executor::ExecutorError;

/// How much of the end of a spool or log is looked at, in bytes: some lines.
const TAIL: u64 = 8 << 10;

/// How far the start of an attempt came.
#[derive(Debug)]
pub(super) enum Begun {
    /// Not at all.
    Not,
    /// Its agent was about to start the command.
    Starting,
    /// The command was started.
    Runs,
    /// It has ended, or could not be started.
    Ended(ExitRecord),
}

/// An attempt's directory.
#[derive(Debug, Clone)]
pub(super) struct RunDir {
    path: PathBuf,
}

impl RunDir {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn spool(&self) -> PathBuf {
        self.path.join(SPOOL)
    }

    pub(super) fn exists(&self) -> bool {
        self.path.is_dir()
    }

    /// Whether its agent has set power limits and not put them back.
    pub(super) fn has_power_limits(&self) -> bool {
        self.path.join(POWER_LIMITS).exists()
    }

    /// How far its start came.
    pub(super) fn begun(&self) -> Result<Begun, ExecutorError> {
        if let Some(exit) = self.exit()? {
            return Ok(Begun::Ended(exit));
        }
        Ok(match self.agent()? {
            None => Begun::Not,
            Some(AgentRecord { child: None, .. }) => Begun::Starting,
            Some(AgentRecord { child: Some(_), .. }) => Begun::Runs,
        })
    }

    pub(super) fn exit(&self) -> Result<Option<ExitRecord>, ExecutorError> {
        self.read(EXIT)
    }

    fn agent(&self) -> Result<Option<AgentRecord>, ExecutorError> {
        self.read(AGENT)
    }

    /// Leaves the order for an agent, to last. What was given up before is taken up again.
    pub(super) fn write_order(&self, order: &StartOrder) -> Result<(), ExecutorError> {
        self.made()?;
        let text = serde_json::to_vec(order).map_err(|error| self.failed("writing", ORDER)(error.into()))?;
        self.replace(ORDER, &text)?;
        unless_absent(fs::remove_file(self.path.join(REVOKED)), "removing", &self.path.join(REVOKED))?;
        Ok(())
    }

    /// The wish that the job leave, as far as there is one that can be read.
    pub(super) fn wished(&self) -> Option<LeaveWish> {
        fs::read_to_string(self.path.join(LEAVE)).ok()?.parse().ok()
    }

    /// Leaves a wish that the job leave; a harder one that is there remains.
    pub(super) fn wish(&self, wish: LeaveWish) -> Result<(), ExecutorError> {
        self.made()?;
        if self.wished().is_some_and(|before| before >= wish) {
            return Ok(());
        }
        self.replace(LEAVE, wish.to_string().as_bytes())
    }

    /// A file for what the agent has to say.
    pub(super) fn log(&self) -> Result<File, ExecutorError> {
        let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(self.path.join(LOG));
        opened.map_err(self.failed("opening", LOG))
    }

    /// The last the agent said.
    pub(super) fn last_words(&self) -> String {
        let text = tail(&self.path.join(LOG)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let line = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        // Its lines begin with the time.
        match line.split_once(' ') {
            Some((time, words)) if time.parse::<jiff::Timestamp>().is_ok() => words.to_owned(),
            _ if line.is_empty() => "the agent ended without a word; the job was not started".to_owned(),
            _ => format!("the agent ended: {line}"),
        }
    }

    /// Whether an agent lives here.
    pub(super) fn is_locked(&self) -> Result<bool, ExecutorError> {
        Ok(self.lock()?.is_none())
    }

    /// What became of the attempt. One that has not begun is given up, so that it cannot begin after this answer.
    pub(super) fn probe(&self) -> Result<ProbeFinding, ExecutorError> {
        if !self.exists() {
            return Ok(ProbeFinding::NeverStarted);
        }
        if self.exit()?.is_some() {
            return Ok(ProbeFinding::Ended);
        }
        // As long as this is held no agent begins.
        let Some(_held) = self.lock()? else { return Ok(ProbeFinding::Alive) };
        if self.exit()?.is_some() || self.spool_has_ended() {
            return Ok(ProbeFinding::Ended);
        }
        match self.agent()? {
            None => {
                self.replace(REVOKED, b"")?;
                Ok(ProbeFinding::NeverStarted)
            }
            Some(record) if command_runs(&record) => Ok(ProbeFinding::Alive),
            Some(_) => Ok(ProbeFinding::Gone),
        }
    }

    /// The command, if it runs without its agent.
    pub(super) fn abandoned(&self) -> Result<Option<Abandoned>, ExecutorError> {
        if self.exit()?.is_some() || self.is_locked()? {
            return Ok(None);
        }
        let Some(record) = self.agent()?.filter(command_runs) else { return Ok(None) };
        let order: Option<StartOrder> = self.read(ORDER)?;
        Ok(record.child.map(|process| Abandoned { process, checkpoint: order.and_then(|order| order.checkpoint) }))
    }

    /// Whether the last report is that of the exit.
    fn spool_has_ended(&self) -> bool {
        let text = tail(&self.spool()).unwrap_or_default();
        let Some(end) = text.iter().rposition(|byte| *byte == b'\n') else { return false };
        let line = text[..end].rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        matches!(serde_json::from_slice(line), Ok(AttemptReport::Exited { .. }))
    }

    /// The lock, or `None` where an agent holds it.
    fn lock(&self) -> Result<Option<File>, ExecutorError> {
        let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(self.path.join(LOCK));
        let file = opened.map_err(self.failed("opening", LOCK))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(self.failed("locking", LOCK)(error.into())),
        }
    }

    fn made(&self) -> Result<(), ExecutorError> {
        let new = !self.exists();
        make_directory(&self.path).map_err(self.failed("making", ""))?;
        if new && let Some(parent) = self.path.parent() {
            let synced = File::open(parent).and_then(|directory| directory.sync_all());
            synced.map_err(self.failed("making", ""))?;
        }
        Ok(())
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ExecutorError> {
        let path = self.path.join(name);
        let Some(text) = unless_absent(fs::read(&path), "reading", &path)? else { return Ok(None) };
        serde_json::from_slice(&text).map(Some).map_err(|error| self.failed("reading", name)(error.into()))
    }

    /// Puts a whole new content in place of a file, to last, or leaves it as it is.
    fn replace(&self, name: &str, content: &[u8]) -> Result<(), ExecutorError> {
        // Each writer has its own new file: the same start may be ordered twice at once.
        static WRITTEN: AtomicU64 = AtomicU64::new(0);
        let write = || {
            let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
            let written = self.path.join(format!(".{name}.{}.{number}", std::process::id()));
            let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&written)?;
            file.write_all(content)?;
            file.sync_all()?;
            fs::rename(&written, self.path.join(name))?;
            File::open(&self.path)?.sync_all()
        };
        write().map_err(self.failed("writing", name))
    }

    fn failed(&self, doing: &'static str, name: &str) -> impl Fn(io::Error) -> ExecutorError + use<> {
        let path = self.path.join(name);
        move |source| ExecutorError::File { doing, path: path.clone(), source }
    }
}

fn command_runs(record: &AgentRecord) -> bool {
    // Process numbers mean nothing after a reboot.
    record.boot == boot() && record.child.is_some_and(runs)
}

/// The result, `None` where there is no such file.
pub(super) fn unless_absent<T>(
    result: io::Result<T>,
    doing: &'static str,
    path: &Path,
) -> Result<Option<T>, ExecutorError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ExecutorError::File { doing, path: path.to_owned(), source }),
    }
}

fn tail(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut text = Vec::new();
    file.take(TAIL).read_to_end(&mut text)?;
    Ok(text)
}
