//! What would change the decision about a job that waits: its plan made again, with one thing otherwise each time.

use jiff::Timestamp;
use lowtide_model::identity::JobId;
use lowtide_model::site::Resources;
use lowtide_planner::capacity::Occupancy;
use lowtide_planner::joint::Taken;
use lowtide_planner::sensitivity::{Change, changes};

use crate::engine::Engine;

impl Engine {
    /// What would change the decision about a job that waits for its window; nothing for any other, nor for one whose start a budget
    /// decides.
    #[must_use]
    pub fn what_would_change(&self, now: Timestamp, id: JobId) -> Vec<Change> {
        let waiting = self.jobs.get(&id).filter(|job| job.state.awaits_a_window() && self.may_start(job));
        let Some(job) = waiting.filter(|job| self.budgets.of_job(job).is_empty()) else { return Vec::new() };
        // What it occupies itself must not stand in its own way.
        let mut without_it: Taken = self.room_for(job, self.sees_up_to(now, job)).into_owned();
        for segment in job.plan.iter().flat_map(|plan| &plan.segments) {
            if let Some(occupancy) = without_it.get_mut(&segment.site) {
                occupancy.remove(segment.window, segment.takes(job.spec.resources));
            }
        }
        let empty = Occupancy::new(Resources::default());
        let views = self.views(&without_it, &empty);
        let prediction = self.predict(now, job);
        let policy = self.policy_in_force(&job.spec);
        changes(&self.planning_input(now, job, &prediction, &policy, &views))
    }
}
