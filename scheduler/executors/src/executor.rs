//! What lowtide asks of any engine that runs jobs.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;

use lowtide_model::event::{AttemptReport, ProbeFinding};
use lowtide_model::identity::AttemptKey;
use lowtide_model::job::StartOrder;
use lowtide_model::rundir::LeaveWish;
use tokio::sync::mpsc;

/// A future that can be named, so that executors of different kinds stand in one list.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Runs attempts. Every method may be called again with no further effect, and may be cut off at any point: what it had
/// begun is found by [`probe`](Self::probe).
pub trait Executor: Send + Sync {
    /// Starts an attempt, once: for a key that was started before, whatever became of it, nothing is started. Returns
    /// when the command runs, or has failed to.
    fn start<'a>(&'a self, order: &'a StartOrder) -> BoxFuture<'a, Result<(), StartError>>;

    /// Asks an attempt to leave. It does so in its own time; its exit is among its reports. A harder wish replaces a
    /// milder one, never the other way. An attempt that has not begun will not.
    fn ask_to_leave(&self, key: AttemptKey, leave: Leave) -> BoxFuture<'_, Result<(), ExecutorError>>;

    /// What became of an attempt. After [`ProbeFinding::NeverStarted`] it does not begin any more either, unless it is
    /// started again.
    fn probe(&self, key: AttemptKey) -> BoxFuture<'_, Result<ProbeFinding, ExecutorError>>;

    /// Sends an attempt's reports from number `from` on, as they are made, until its exit was sent, it is found gone,
    /// or nobody receives any more.
    fn follow(
        &self,
        key: AttemptKey,
        from: u64,
        notices: mpsc::Sender<Notice>,
    ) -> BoxFuture<'_, Result<(), ExecutorError>>;

    /// Output of the command from byte `offset` on, at most `limit` bytes. Nothing where there is none yet.
    fn output(
        &self,
        key: AttemptKey,
        stream: Stream,
        offset: u64,
        limit: u64,
    ) -> BoxFuture<'_, Result<Vec<u8>, ExecutorError>>;

    /// How many bytes of output there are so far.
    fn output_length(&self, key: AttemptKey, stream: Stream) -> BoxFuture<'_, Result<u64, ExecutorError>>;
}

/// How urgently an attempt is to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// When the epoch that runs has ended: checkpoint signal, grace, kill.
    AtEpochEnd,
    /// At once: checkpoint signal, grace, kill.
    Now,
    /// It is cancelled: TERM, grace, kill.
    Kill,
}

impl From<Leave> for LeaveWish {
    fn from(leave: Leave) -> Self {
        match leave {
            Leave::AtEpochEnd => Self::EpochEnd,
            Leave::Now => Self::Now,
            Leave::Kill => Self::Kill,
        }
    }
}

/// A stream of a command's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// News of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// Its agent has reported.
    Report {
        /// The attempt.
        key: AttemptKey,
        /// The report's number, from 0 on.
        number: u64,
        /// The report.
        report: AttemptReport,
    },
    /// It runs no more and left no record of its exit. No report follows.
    Gone {
        /// The attempt.
        key: AttemptKey,
    },
}

/// Why an attempt was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// For no fault of its own: it may be tried again, under a new key.
    #[error("{message}")]
    Refused {
        /// For people.
        message: String,
    },
    /// The command can never start as it is.
    #[error("{message}")]
    Impossible {
        /// For people.
        message: String,
    },
}

/// An executor that could not do what it was asked. Nothing is known of the attempt by that.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    /// A file or directory of an attempt.
    #[error("{doing} {path}: {source}")]
    File {
        /// What was tried, such as `reading`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What came of it.
        source: io::Error,
    },
    /// The executor is shutting down.
    #[error("the executor was stopped before it was done")]
    Stopped,
}
