//! Processor time of a job: of its control group where it has one to itself, else of all processes that descend from
//! this one, the ended ones among them.
//!
//! Descendants are found by going through all processes of the machine. On a large machine that takes milliseconds, so
//! it is done only as often as a small budget of the agent's own processor time allows; between, the processes known
//! are read. A process not yet found is missing until then, not for ever: its time arrives with the next search, or
//! through its parent.

use std::path::Path;
use std::time::Duration;

use lowtide_meters::{JobGroup, ProcessTree};
use lowtide_model::quantity::Seconds;

use crate::clock;

pub(crate) use lowtide_meters::ProcessStat as Stat;

/// What searches may take of the agent's processor time, per second: 0.18 s an hour.
const SEARCH_SHARE: f64 = 0.000_05;
/// What they may take in advance: short jobs are searched at every reading.
const SEARCH_CREDIT: Duration = Duration::from_millis(100);

/// Adds up the processor time of a job.
#[derive(Debug)]
pub(crate) struct CpuTime {
    group: Option<JobGroup>,
    tree: ProcessTree,
    credit: Duration,
    search_cost: Duration,
    last: Duration,
    highest: Seconds,
}

impl CpuTime {
    /// Of the group, if there is one, or else of the descendants of this process.
    pub(crate) fn new(group: Option<JobGroup>) -> Self {
        Self {
            group,
            tree: ProcessTree::of_descendants(Path::new("/proc"), rustix::process::getpid().as_raw_nonzero().get()),
            credit: SEARCH_CREDIT,
            search_cost: Duration::ZERO,
            last: Duration::ZERO,
            highest: Seconds::ZERO,
        }
    }

    /// The time used up to now, which is `at` since any fixed moment. It never goes back, and is nothing where
    /// `/proc` cannot be read.
    pub(crate) fn read(&mut self, at: Duration) -> Seconds {
        let time = match &self.group {
            // A group that is gone has nobody left to use anything.
            Some(group) => group.cpu_time().unwrap_or(self.highest),
            None => self.of_tree(at),
        };
        self.highest = self.highest.max(time);
        self.highest
    }

    fn of_tree(&mut self, at: Duration) -> Seconds {
        let earned = at.saturating_sub(self.last).mul_f64(SEARCH_SHARE);
        self.credit = (self.credit + earned).min(SEARCH_CREDIT.max(self.search_cost));
        self.last = at;
        if self.credit < self.search_cost {
            return self.tree.cpu_time(false);
        }
        let before = clock::own_cpu_time();
        let time = self.tree.cpu_time(true);
        self.search_cost = clock::own_cpu_time().saturating_sub(before);
        self.credit = self.credit.saturating_sub(self.search_cost);
        time
    }
}
