//! The only place of this crate that reads clocks.

use std::time::Duration;

use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// Time since an attempt began: never goes back, and goes on while the machine sleeps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch {
    origin: Duration,
    began: Timestamp,
}

impl Stopwatch {
    /// Begins now.
    pub(crate) fn start() -> Self {
        Self { origin: since_boot(), began: Timestamp::now() }
    }

    /// The wall's time when it began.
    pub(crate) const fn began(&self) -> Timestamp {
        self.began
    }

    /// How long ago it began.
    pub(crate) fn elapsed(&self) -> Duration {
        since_boot().saturating_sub(self.origin)
    }
}

fn since_boot() -> Duration {
    duration(ClockId::Boottime)
}

/// How long the machine has been suspended since it was started.
pub(crate) fn asleep() -> Duration {
    since_boot().saturating_sub(duration(ClockId::Monotonic))
}

/// Processor time this thread has used.
pub(crate) fn own_cpu_time() -> Duration {
    duration(ClockId::ThreadCPUTime)
}

fn duration(clock: ClockId) -> Duration {
    Duration::try_from(clock_gettime(clock)).unwrap_or_default()
}
