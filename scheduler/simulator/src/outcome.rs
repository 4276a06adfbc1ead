//! What came of a replay: of each job as it is done, and of all.

use lowtide_planner::baseline::Task;

use crate::jobs::TraceJob;

/// Hours after its deadline from which a job has missed it: less is rounding.
const LATE: f64 = 1e-6;

/// A stretch in which a job ran.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Run {
    /// When it began, hours from hour 0.
    pub start: f64,
    /// When it ended.
    pub end: f64,
    /// What the job drew, kW.
    pub kilowatts: f64,
    /// On how many nodes: more than one where the rule scales jobs.
    pub nodes: usize,
    /// Which zone it ran in.
    pub zone: usize,
}

/// One job, done.
#[derive(Debug, Clone, PartialEq)]
pub struct Done<'a> {
    /// The job.
    pub job: &'a TraceJob,
    /// The window it had.
    pub task: Task,
    /// When it ran.
    pub runs: Vec<Run>,
    /// What it emitted, grams.
    pub grams: f64,
    /// What it would have emitted at once, grams.
    pub baseline_g: f64,
}

impl Done<'_> {
    /// When it ended, hours.
    #[must_use]
    pub fn end(&self) -> f64 {
        self.runs.last().map_or(self.task.arrival, |run| run.end)
    }

    /// Hours from its arrival to its end beyond its length.
    #[must_use]
    pub fn wait_h(&self) -> f64 {
        self.end() - self.task.arrival - self.task.length
    }

    /// Whether it ended after its deadline.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.task.latest_end.max(self.task.arrival + self.task.length) + LATE < self.end()
    }
}

/// All jobs together.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Outcome {
    /// Jobs replayed.
    pub jobs: usize,
    /// All of them at once with no limit on capacity, grams.
    pub baseline_g: f64,
    /// Under the policy, grams.
    pub policy_g: f64,
    /// The least there could be, all jobs free to pause, grams; `None` where the capacity does not allow every deadline.
    pub oracle_g: Option<f64>,
    /// Hours waited in sum.
    pub wait_h: f64,
    /// Jobs that ended after their deadline.
    pub deadline_misses: usize,
    /// Starts of all jobs, first ones and again.
    pub starts: usize,
    /// Jobs outside the time replayed.
    pub outside: usize,
    /// Jobs whose end was cut off because the intensity ends.
    pub cut: usize,
}

impl Outcome {
    /// The share of the baseline that was saved.
    #[must_use]
    pub fn saving(&self) -> f64 {
        if self.baseline_g > 0.0 { 1.0 - self.policy_g / self.baseline_g } else { 0.0 }
    }

    /// Hours a job waited on average.
    #[must_use]
    pub fn mean_wait_h(&self) -> f64 {
        if self.jobs == 0 { 0.0 } else { self.wait_h / self.jobs as f64 }
    }

    /// Counts a job.
    pub(crate) fn add(&mut self, done: &Done) {
        self.jobs += 1;
        self.baseline_g += done.baseline_g;
        self.policy_g += done.grams;
        self.wait_h += done.wait_h();
        self.deadline_misses += usize::from(done.is_late());
        self.starts += crate::replay::starts(&done.runs);
        self.cut += usize::from(done.task.length < done.job.length);
    }
}
