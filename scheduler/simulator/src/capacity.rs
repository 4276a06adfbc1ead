//! A limit on processors for rules that know of none: first come, first served. A stretch that does not fit where the rule wants
//! it starts as soon after as there is room, and may then miss its deadline.

use lowtide_model::quantity::Seconds;
use lowtide_model::site::Resources;
use lowtide_model::window::Window;
use lowtide_planner::capacity::Occupancy;

use crate::jobs::TraceJob;
use crate::outcome::Run;
use crate::setting::Setting;

/// The processors of the one place there is.
#[derive(Debug)]
pub struct Processors {
    occupancy: Occupancy,
}

impl Processors {
    /// So many, all free.
    #[must_use]
    pub fn new(cpus: u32) -> Self {
        Self { occupancy: Occupancy::new(Resources { cpus, gpus: 0 }) }
    }

    /// Takes processors for the runs, later where there is no room; `None` for a job that is too wide.
    pub fn place(&mut self, setting: &Setting, runs: &[Run], job: &TraceJob) -> Option<Vec<Run>> {
        let mut placed: Vec<Run> = Vec::with_capacity(runs.len());
        for run in runs {
            let resources = Resources { cpus: whole(job.cpus * run.nodes as f64), gpus: 0 };
            let length = run.end - run.start;
            let from = placed.last().map_or(run.start, |last| last.end.max(run.start));
            let duration = Seconds::from_hours(length);
            let start = self.occupancy.earliest_fit(setting.moment(from), duration, resources)?;
            if let Ok(window) = Window::new(start, duration.after(start)) {
                self.occupancy.add(window, resources);
            }
            let start = setting.hours(start).max(from);
            placed.push(Run { start, end: start + length, ..*run });
        }
        Some(placed)
    }
}

/// Whole processors: a part of one takes one.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "kept between 1 and what a machine can have"
)]
pub fn whole(cpus: f64) -> u32 {
    cpus.ceil().clamp(1.0, f64::from(u32::MAX)) as u32
}
