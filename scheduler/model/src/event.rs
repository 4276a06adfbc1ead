//! What happens to an attempt, as its agent reports it: the lines of the agent's spool.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::job::{Epoch, EpochProgress, Exit};
use crate::quantity::Joules;

/// One report of an agent about its attempt. Reports of one attempt are in order; the same report may come twice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "kebab-case")]
pub enum AttemptReport {
    /// The command runs.
    Started {
        /// When it began.
        at: Timestamp,
    },
    /// An epoch has ended.
    Epoch(Epoch),
    /// The epoch under way has come so far. Only of epochs that take long, and not often.
    Progress(EpochProgress),
    /// Something the user should know, such as a counter that vanished. The job goes on.
    Warning {
        /// When it was noticed.
        at: Timestamp,
        /// For people.
        message: String,
    },
    /// The cap ordered for its GPUs could not be set. The command runs all the same, without any.
    PowerCapRefused {
        /// When it was tried.
        at: Timestamp,
        /// Why, and what would help, for people.
        message: String,
    },
    /// The command has ended.
    Exited {
        /// When.
        at: Timestamp,
        /// How.
        exit: Exit,
        /// Energy of the whole attempt, epochs and all else.
        energy: Joules,
        /// Whether lowtide had asked the job to leave.
        asked_to_leave: bool,
    },
}

/// What a probe finds at the executor of an attempt whose fate is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeFinding {
    /// It runs; its reports follow.
    Alive,
    /// It has ended; its reports, the exit among them, follow.
    Ended,
    /// The executor never saw it: the start did not take effect.
    NeverStarted,
    /// It was started, runs no more and left no record of its exit.
    Gone,
}
