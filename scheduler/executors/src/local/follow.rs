//! Following an attempt: its spool, line by line, until its exit was sent.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use lowtide_model::event::{AttemptReport, ProbeFinding};
use lowtide_model::identity::AttemptKey;
use lowtide_model::rundir::{ExitRecord, LeaveWish};
use tokio::sync::mpsc;

use super::LocalExecutor;
use super::process::Abandoned;
use super::run_dir::{RunDir, unless_absent};
use crate::executor::{Executor as _, ExecutorError, Notice};

/// How often the spool is looked at: soon after news, more rarely when there are none. To look is one `stat`.
const FIRST_LOOK: Duration = Duration::from_millis(20);
const LAST_LOOK: Duration = Duration::from_millis(250);
/// After so long without news it is made sure that the attempt still lives.
const PROBE: Duration = Duration::from_secs(2);
/// The most that is read of a spool at once, in bytes.
const MOST_AT_ONCE: u64 = 1 << 20;

/// See [`Executor::follow`](crate::Executor::follow).
pub(super) async fn follow(
    executor: &LocalExecutor,
    key: AttemptKey,
    from: u64,
    notices: mpsc::Sender<Notice>,
) -> Result<(), ExecutorError> {
    let run_dir = RunDir::new(&executor.run_dir(key));
    let mut spool = Spool::new(run_dir.spool());
    let mut pause = FIRST_LOOK;
    let mut quiet = Duration::ZERO;
    let mut asked = None;
    loop {
        match deliver(&mut spool, key, from, &notices).await? {
            Delivered::All => return Ok(()),
            Delivered::Some => (pause, quiet) = (FIRST_LOOK, Duration::ZERO),
            Delivered::Nothing if quiet >= PROBE => {
                quiet = Duration::ZERO;
                let finding = executor.probe(key).await?;
                if finding == ProbeFinding::Alive {
                    if let Some(command) = run_dir.abandoned()? {
                        asked = lead_out(&run_dir, &command, asked).await;
                    }
                    continue;
                }
                // What was reported before the end is there by now.
                match deliver(&mut spool, key, from, &notices).await? {
                    Delivered::All => return Ok(()),
                    Delivered::Some => continue,
                    Delivered::Nothing => {}
                }
                let last = match (finding, run_dir.exit()?) {
                    // The exit record without its report: the spool was damaged.
                    (ProbeFinding::Ended, Some(ExitRecord { at, exit, energy, asked_to_leave, .. })) => {
                        let report = AttemptReport::Exited { at, exit, energy, asked_to_leave };
                        Notice::Report { key, number: spool.next.max(from), report }
                    }
                    _ => Notice::Gone { key },
                };
                // Nobody receives any more: nothing to be told.
                let _ = notices.send(last).await;
                return Ok(());
            }
            Delivered::Nothing => {
                tokio::select! {
                    () = notices.closed() => return Ok(()),
                    () = tokio::time::sleep(pause) => {}
                }
                quiet += pause;
                pause = (pause * 2).min(LAST_LOOK);
            }
        }
    }
}

/// Asks a command without an agent to leave, if that is wished and was not done. Returns what it was asked.
async fn lead_out(run_dir: &RunDir, command: &Abandoned, asked: Option<LeaveWish>) -> Option<LeaveWish> {
    let wish = run_dir.wished();
    if wish > asked
        && let Some(wish) = wish
    {
        tracing::warn!(directory = %run_dir.path().display(), "its agent is gone: asking the command itself to leave");
        command.leave(wish).await;
    }
    wish.max(asked)
}

/// What a look at the spool brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delivered {
    /// No whole line.
    Nothing,
    /// Reports.
    Some,
    /// The last report, or nobody receives any.
    All,
}

async fn deliver(
    spool: &mut Spool,
    key: AttemptKey,
    from: u64,
    notices: &mpsc::Sender<Notice>,
) -> Result<Delivered, ExecutorError> {
    let before = spool.next;
    for (number, report) in spool.read()? {
        let ended = matches!(report, AttemptReport::Exited { .. });
        if number >= from && notices.send(Notice::Report { key, number, report }).await.is_err() {
            return Ok(Delivered::All);
        }
        if ended {
            return Ok(Delivered::All);
        }
    }
    Ok(if spool.next > before { Delivered::Some } else { Delivered::Nothing })
}

/// Reads on in a spool.
#[derive(Debug)]
struct Spool {
    path: PathBuf,
    position: u64,
    next: u64,
}

impl Spool {
    fn new(path: PathBuf) -> Self {
        Self { path, position: 0, next: 0 }
    }

    /// The reports that have come since, with their numbers. Only whole lines count: the agent may be writing.
    fn read(&mut self) -> Result<Vec<(u64, AttemptReport)>, ExecutorError> {
        let Some(length) = self.length()? else { return Ok(Vec::new()) };
        if length <= self.position {
            return Ok(Vec::new());
        }
        let mut text = Vec::new();
        let read = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.position))?;
            file.take(MOST_AT_ONCE).read_to_end(&mut text)
        });
        unless_absent(read, "reading", &self.path)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        self.position += whole as u64;
        let mut reports = Vec::new();
        for line in text[..whole].split_inclusive(|byte| *byte == b'\n') {
            match serde_json::from_slice(line) {
                Ok(report) => reports.push((self.next, report)),
                Err(error) => {
                    tracing::error!(spool = %self.path.display(), number = self.next, "a report cannot be read and is left out: {error}");
                }
            }
            self.next += 1;
        }
        Ok(reports)
    }

    fn length(&self) -> Result<Option<u64>, ExecutorError> {
        let length = std::fs::metadata(&self.path).map(|metadata| metadata.len());
        unless_absent(length, "reading", &self.path)
    }
}
