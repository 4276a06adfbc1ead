//! When a job that is asked to leave is sent which signal. Only decides; sending is its caller's.

use std::time::Duration;

use lowtide_model::job::Checkpoint;
use lowtide_model::rundir::LeaveWish;

/// SIGTERM and SIGKILL as every Linux numbers them.
const TERM: i32 = 15;
pub(crate) const KILL: i32 = 9;

/// How long a job without checkpoints has to leave after TERM, in seconds.
const DEFAULT_GRACE_S: u32 = 10;

/// A job on its way out, or not.
#[derive(Debug)]
pub(crate) struct Leaving {
    signal: i32,
    grace: Duration,
    wish: Option<LeaveWish>,
    sent: Option<Sent>,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    wish: LeaveWish,
    kill_at: Duration,
    killed: bool,
}

impl Leaving {
    /// Not asked to leave yet. The grace is real time, whatever clock the reports are stamped by: it is for the process.
    pub(crate) fn new(checkpoint: Option<&Checkpoint>) -> Self {
        Self {
            signal: checkpoint.map_or(TERM, |checkpoint| checkpoint.signal),
            grace: Duration::from_secs(checkpoint.map_or(DEFAULT_GRACE_S, |checkpoint| checkpoint.grace_s).into()),
            wish: None,
            sent: None,
        }
    }

    /// The job is wished to leave. A milder wish takes back no harder one.
    pub(crate) fn wish(&mut self, wish: LeaveWish) {
        self.wish = self.wish.max(Some(wish));
    }

    /// Whether it was sent a signal.
    pub(crate) const fn was_asked(&self) -> bool {
        self.sent.is_some()
    }

    /// The signal by which the job is asked.
    pub(crate) const fn signal(&self) -> i32 {
        self.signal
    }

    /// The signal to send now. `epoch_ended`: an epoch has just ended. `any_epoch`: the job is known to mark its epochs;
    /// there is no use in waiting for the end of an epoch that is never seen.
    pub(crate) fn due(&mut self, now: Duration, epoch_ended: bool, any_epoch: bool) -> Option<i32> {
        let wish = self.wish?;
        let send =
            |signal: i32, kill_at: Duration| (Some(signal), Some(Sent { wish, kill_at, killed: signal == KILL }));
        let (signal, sent) = match (self.sent, wish) {
            (None, LeaveWish::EpochEnd) if any_epoch && !epoch_ended => (None, None),
            (None, LeaveWish::EpochEnd | LeaveWish::Now) => send(self.signal, now + self.grace),
            (None, LeaveWish::Kill) => send(TERM, now + self.grace),
            (Some(sent), _) if sent.killed => (None, self.sent),
            (Some(sent), _) if sent.kill_at <= now => send(KILL, sent.kill_at),
            // Cancelled while it writes its checkpoint: it is told, but gets no more time by that.
            (Some(sent), LeaveWish::Kill) if sent.wish < LeaveWish::Kill => send(TERM, sent.kill_at),
            (Some(_), _) => (None, self.sent),
        };
        self.sent = sent;
        signal
    }

    /// When [`due`](Self::due) has to be asked again at the latest.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.sent.filter(|sent| !sent.killed).map(|sent| sent.kill_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USR1: i32 = 10;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn with_checkpoint() -> Leaving {
        Leaving::new(Some(&Checkpoint { signal: USR1, grace_s: 30 }))
    }

    #[test]
    fn at_the_end_of_the_epoch_then_grace_then_kill() {
        let mut leaving = with_checkpoint();
        assert_eq!(leaving.due(at(0), true, true), None);
        leaving.wish(LeaveWish::EpochEnd);
        assert_eq!(leaving.due(at(1), false, true), None);
        assert!(!leaving.was_asked());
        assert_eq!(leaving.due(at(9), true, true), Some(USR1));
        assert!(leaving.was_asked());
        assert_eq!((leaving.due(at(38), true, true), leaving.deadline()), (None, Some(at(39))));
        assert_eq!(leaving.due(at(39), false, true), Some(KILL));
        assert_eq!((leaving.due(at(99), true, true), leaving.deadline()), (None, None));
    }

    #[test]
    fn at_once_where_no_epoch_is_ever_seen() {
        let mut leaving = with_checkpoint();
        leaving.wish(LeaveWish::EpochEnd);
        assert_eq!(leaving.due(at(1), false, false), Some(USR1));
    }

    #[test]
    fn a_harder_wish_goes_before_a_milder_one() {
        let mut leaving = with_checkpoint();
        leaving.wish(LeaveWish::EpochEnd);
        assert_eq!(leaving.due(at(1), false, true), None);
        leaving.wish(LeaveWish::Now);
        leaving.wish(LeaveWish::EpochEnd);
        assert_eq!(leaving.due(at(2), false, true), Some(USR1));
        leaving.wish(LeaveWish::Kill);
        assert_eq!(leaving.due(at(3), false, true), Some(TERM));
        assert_eq!(leaving.due(at(4), false, true), None);
        assert_eq!(leaving.due(at(32), false, true), Some(KILL));
    }

    #[test]
    fn a_cancelled_job_without_checkpoints_has_ten_seconds() {
        let mut leaving = Leaving::new(None);
        leaving.wish(LeaveWish::Kill);
        assert_eq!(leaving.due(at(1), false, false), Some(TERM));
        assert_eq!(leaving.due(at(11), false, false), Some(KILL));
    }
}
