//! The process of the command: signals to it, and its end.
//!
//! What the command leaves behind when it ends by itself is left alone, as a shell would: a job may well start a
//! server on purpose. What is left of its group after it was asked to leave is killed: it would hold on to the GPUs.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use lowtide_meters::descendants_of;
use lowtide_model::job::Exit;
use lowtide_model::rundir::ProcessIdentity;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, WaitStatus};

use crate::cpu_time::Stat;

/// A started command.
#[derive(Debug)]
pub(crate) struct Child {
    pid: Pid,
    start_ticks: u64,
    /// Absent on kernels before 5.3: then its end is looked for in intervals.
    pidfd: Option<OwnedFd>,
    own_group: bool,
    adopts: bool,
}

impl Child {
    /// Of a process just started. `adopts`: this process is the one that orphans of the job fall to, and waits for
    /// them.
    pub(crate) fn new(process: &std::process::Child, own_group: bool, adopts: bool) -> Option<Self> {
        let raw = i32::try_from(process.id()).ok()?;
        let pid = Pid::from_raw(raw)?;
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok();
        // It was not waited for yet, so there is an entry, if only that of a zombie.
        let start_ticks = Stat::of(raw).map_or(0, |stat| stat.start_ticks);
        Some(Self { pid, start_ticks, pidfd, own_group, adopts })
    }

    pub(crate) fn identity(&self) -> ProcessIdentity {
        ProcessIdentity { pid: self.pid.as_raw_nonzero().get(), start_ticks: self.start_ticks }
    }

    /// Readable when the process has ended.
    pub(crate) fn end_fd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(OwnedFd::as_fd)
    }

    /// Sends a signal to the command and all it started, as far as that stays in its group. It must not have been
    /// waited for yet, so its number is still its own.
    pub(crate) fn signal(&self, number: i32) {
        // Numbers of real-time signals have no name; a job that wants one of them is asked with TERM.
        let signal = Signal::from_named_raw(number).unwrap_or(Signal::TERM);
        // It may have ended in this moment: there is nothing to be done then.
        if self.own_group {
            let _ = rustix::process::kill_process_group(self.pid, signal);
            // A stopped process takes no signal but KILL.
            let _ = rustix::process::kill_process_group(self.pid, Signal::CONT);
        } else {
            let _ = rustix::process::kill_process(self.pid, signal);
        }
    }

    /// Asks the command and all it started to end.
    pub(crate) fn terminate(&self) {
        self.signal_all(Signal::TERM);
        // A stopped process takes no signal but KILL.
        self.thaw();
    }

    /// Ends them without asking.
    pub(crate) fn kill(&self) {
        self.signal_all(Signal::KILL);
    }

    /// Stops the command and all it started.
    pub(crate) fn freeze(&self) {
        self.signal_all(Signal::STOP);
    }

    /// Lets them run on.
    pub(crate) fn thaw(&self) {
        self.signal_all(Signal::CONT);
    }

    /// Its group where it has one of its own, else each process that descends from it: the group is this process's, too.
    fn signal_all(&self, signal: Signal) {
        if self.own_group {
            let _ = rustix::process::kill_process_group(self.pid, signal);
            return;
        }
        let raw = self.pid.as_raw_nonzero().get();
        for pid in std::iter::once(raw).chain(descendants_of(raw)).filter_map(Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Whether it has ended, without waiting for it: its number stays its own.
    pub(crate) fn has_ended(&self) -> bool {
        let raw = self.pid.as_raw_nonzero().get();
        Stat::of(raw).is_none_or(|stat| matches!(stat.state, b'Z' | b'X'))
    }

    /// Kills what is left of its group.
    pub(crate) fn kill_group(&self) {
        if self.own_group {
            let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
        }
    }

    /// How it ended, once it has. Also waits for orphans that fell to this process.
    pub(crate) fn wait(&self) -> Option<Exit> {
        loop {
            let ended = if self.adopts {
                rustix::process::wait(WaitOptions::NOHANG)
            } else {
                rustix::process::waitpid(Some(self.pid), WaitOptions::NOHANG)
            };
            match ended {
                Ok(Some((pid, status))) if pid == self.pid => return exit_of(status),
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Ok(None) | Err(_) => return None,
            }
        }
    }
}

fn exit_of(status: WaitStatus) -> Option<Exit> {
    status.exit_status().map(Exit::Code).or_else(|| status.terminating_signal().map(Exit::Signal))
}
