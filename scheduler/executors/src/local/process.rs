//! Processes found again by number and start time.

use std::fs;
use std::time::Duration;

use lowtide_model::job::Checkpoint;
use lowtide_model::rundir::{LeaveWish, ProcessIdentity};
use rustix::process::{Pid, Signal, kill_process_group};

/// How long a command without checkpoints has to leave after TERM.
const DEFAULT_GRACE: Duration = Duration::from_secs(10);
/// How often it is looked whether it has left.
const LOOK: Duration = Duration::from_millis(100);

/// The boot this machine is in, or nothing where that cannot be told.
pub(super) fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

/// Whether that process still runs. One that has ended and was not waited for does not.
pub(super) fn runs(process: ProcessIdentity) -> bool {
    let stat = fs::read(format!("/proc/{}/stat", process.pid)).unwrap_or_default();
    parse(&stat).is_some_and(|(state, start_ticks)| !matches!(state, b'Z' | b'X') && start_ticks == process.start_ticks)
}

/// State and start time, fields 3 and 22 of proc_pid_stat(5).
fn parse(stat: &[u8]) -> Option<(u8, u64)> {
    // The name before them is in brackets and may hold anything.
    let after_name = stat.iter().rposition(|byte| *byte == b')')?;
    let mut fields = std::str::from_utf8(&stat[after_name + 1..]).ok()?.split_ascii_whitespace();
    let state = fields.next()?.bytes().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// A command that runs without its agent.
#[derive(Debug)]
pub(super) struct Abandoned {
    pub(super) process: ProcessIdentity,
    pub(super) checkpoint: Option<Checkpoint>,
}

impl Abandoned {
    /// Asks it to leave, at once, as its agent would have; returns when it has, or was killed after its grace.
    pub(super) async fn leave(&self, wish: LeaveWish) {
        let signal = match (wish, &self.checkpoint) {
            (LeaveWish::EpochEnd | LeaveWish::Now, Some(checkpoint)) => {
                Signal::from_named_raw(checkpoint.signal).unwrap_or(Signal::TERM)
            }
            (LeaveWish::EpochEnd | LeaveWish::Now, None) | (LeaveWish::Kill, _) => Signal::TERM,
        };
        let grace = self.checkpoint.map_or(DEFAULT_GRACE, |checkpoint| Duration::from_secs(checkpoint.grace_s.into()));
        self.send(signal);
        let gone = async {
            while runs(self.process) {
                tokio::time::sleep(LOOK).await;
            }
        };
        if tokio::time::timeout(grace, gone).await.is_err() {
            self.send(Signal::KILL);
        }
    }

    fn send(&self, signal: Signal) {
        // It leads its group, so the group has its number. If it ended meanwhile there is nothing to send to.
        if let Some(group) = Pid::from_raw(self.process.pid)
            && runs(self.process)
        {
            let _ = kill_process_group(group, signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_number_and_start_time() {
        let pid = i32::try_from(std::process::id()).expect("a pid");
        let stat = fs::read(format!("/proc/{pid}/stat")).expect("its own");
        let (_, start_ticks) = parse(&stat).expect("well formed");
        assert!(runs(ProcessIdentity { pid, start_ticks }));
        assert!(!runs(ProcessIdentity { pid, start_ticks: start_ticks + 1 }), "another with the same number");
    }

    #[test]
    fn a_name_may_hold_anything() {
        let line = b"42 (a) Z (b)) S 7 42 42 0 -1 4194304 100 0 0 0 11 22 33 44 20 0 1 0 5000 1000";
        assert_eq!(parse(line), Some((b'S', 5000)));
        assert_eq!(parse(b"42 (cut"), None);
    }
}
