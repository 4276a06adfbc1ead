//! The run directory of an attempt: what its agent and its executor say to each other, as files.
//!
//! One directory per attempt, named by its [`AttemptKey`](crate::identity::AttemptKey), mode 0700, on the node the
//! attempt runs on. Files outlive every process, so that a daemon that comes back, or an agent that is gone, leaves the
//! truth behind. This module names the files and types their content; it does not read or write them.
//!
//! | file | written by | content |
//! | --- | --- | --- |
//! | [`ORDER`] | executor, once | the [`StartOrder`](crate::job::StartOrder) |
//! | [`LOCK`] | agent | empty; its `flock` is held as long as the agent lives, so that nothing is started twice |
//! | [`REVOKED`] | executor | the order was found not to have begun, and was given up: an agent that comes late must not begin it |
//! | [`AGENT`] | agent | an [`AgentRecord`]; without its `child` just before the command is started, then with it |
//! | [`POWER_LIMITS`] | agent | the [`GpuLimit`]s there were before it held the GPUs to less; there as long as they are to be put back |
//! | [`STDOUT`], [`STDERR`] | the command itself | its output, appended |
//! | [`REPORT`] | the command itself | JSON lines: `$LOWTIDE_REPORT`. A plain file: with no reader it neither blocks nor kills the writer |
//! | [`SPOOL`] | agent | one [`AttemptReport`](crate::event::AttemptReport) a line; the line's number, from 0 on, is the report's number |
//! | [`LEAVE`] | executor | a [`LeaveWish`]; appears, or is replaced, when the job is asked to leave |
//! | [`EXIT`] | agent, last | an [`ExitRecord`] |
//! | [`LOG`] | agent | what the agent has to say for itself, for people |
//!
//! What is replaced is written under another name, made durable and renamed. A line of the spool counts only with its
//! line end.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::identity::NotAName;
use crate::job::Exit;
use crate::quantity::Joules;

/// The order.
pub const ORDER: &str = "order.json";
/// Held while the agent lives.
pub const LOCK: &str = "lock";
/// The order was given up.
pub const REVOKED: &str = "revoked";
/// Who runs.
pub const AGENT: &str = "agent.json";
/// Power limits to be put back.
pub const POWER_LIMITS: &str = "power-limits.json";
/// The command's standard output.
pub const STDOUT: &str = "stdout";
/// The command's standard error.
pub const STDERR: &str = "stderr";
/// What the command reports of itself.
pub const REPORT: &str = "report";
/// What the agent reports.
pub const SPOOL: &str = "spool.jsonl";
/// The wish that the job leave.
pub const LEAVE: &str = "leave";
/// How it ended.
pub const EXIT: &str = "exit.json";
/// The agent's log.
pub const LOG: &str = "agent.log";

/// One process, told apart from a later one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// Its number.
    pub pid: i32,
    /// When it began, in clock ticks since the machine did: field 22 of `/proc/PID/stat`.
    pub start_ticks: u64,
}

/// Who runs in a run directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentRecord {
    /// The agent.
    pub agent: ProcessIdentity,
    /// The command, which leads its own process group; absent while it is being started.
    pub child: Option<ProcessIdentity>,
    /// The machine's boot the two belong to (`/proc/sys/kernel/random/boot_id`); empty where unknown.
    pub boot: String,
}

/// The power limit of a GPU that was set for an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuLimit {
    /// The GPU's UUID, as its driver has it.
    pub gpu: String,
    /// What its limit was before, mW.
    pub before_mw: u32,
    /// What it was set to, mW. Only while it is still that it may be put back.
    pub set_mw: u32,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// When, by the order's clock.
    pub at: Timestamp,
    /// How. What could not be started at all has the code a shell would give: 127 not found, 126 not executable.
    pub exit: Exit,
    /// Energy of the whole attempt.
    pub energy: Joules,
    /// Whether lowtide had asked the job to leave.
    pub asked_to_leave: bool,
    /// Why the command could not be started, where that is so; for people.
    pub not_started: Option<String>,
}

/// How urgently a job is to leave, from the mildest to the hardest. A milder wish never takes back a harder one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeaveWish {
    /// After the epoch that runs: checkpoint signal, grace, kill.
    EpochEnd,
    /// At once: checkpoint signal, grace, kill.
    Now,
    /// It is cancelled: TERM, grace, kill.
    Kill,
}

impl fmt::Display for LeaveWish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EpochEnd => "epoch-end",
            Self::Now => "now",
            Self::Kill => "kill",
        })
    }
}

impl FromStr for LeaveWish {
    type Err = NotAName;
    fn from_str(text: &str) -> Result<Self, NotAName> {
        match text.trim() {
            "epoch-end" => Ok(Self::EpochEnd),
            "now" => Ok(Self::Now),
            "kill" => Ok(Self::Kill),
            _ => Err(NotAName { text: text.to_owned(), kind: "wish to leave" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_written_as_it_is_read_and_harder_ones_are_greater() {
        for wish in [LeaveWish::EpochEnd, LeaveWish::Now, LeaveWish::Kill] {
            assert_eq!(format!("{wish}\n").parse(), Ok(wish));
        }
        assert!(LeaveWish::EpochEnd < LeaveWish::Now && LeaveWish::Now < LeaveWish::Kill);
        assert!("later".parse::<LeaveWish>().is_err());
    }
}
