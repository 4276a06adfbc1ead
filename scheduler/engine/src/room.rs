//! Who sees which room: a job that waits is planned as though those that come after it had no plans, and they make way for it.
//!
//! What runs, or is about to, is firm for all. Jobs of one precedence see the plans of one another, so that what they found together
//! ([`crate::rounds`]) stays. One that waits for nothing but room, that has no plan, or whose start fell due in vain because another
//! runs longer than planned sees by arrival: it is served first come, first served, and the later ones move on.

use std::borrow::Cow;

use jiff::Timestamp;
use lowtide_model::identity::JobId;
use lowtide_model::job::Job;
use lowtide_model::plan::{Plan, Reason, Segment};
use lowtide_model::priority::Priority;
use lowtide_model::quantity::Seconds;
use lowtide_model::state::JobState;
use lowtide_planner::capacity::Occupancy;
use lowtide_planner::joint::Taken;

use crate::engine::Engine;
use crate::precedence::{Precedence, Standing};
use crate::turns::{Turn, last_of};

/// With more jobs than this waiting, equals do not move on for one another: each would cost a plan.
const MOST_MOVED: usize = 1_000;

/// What jobs of one turn see of the sites: all but the plans of those that wait and come after them. Kept from job to job, so
/// that a queue planned in its order costs each plan once.
#[derive(Debug)]
pub(crate) struct SeenBy {
    turn: Turn,
    taken: Taken,
}

impl Engine {
    /// The precedence of a job now.
    #[must_use]
    pub fn precedence_of(&self, now: Timestamp, job: &Job) -> Precedence {
        let slack = self.deadline_of(job).map(|deadline| {
            let estimated = job.estimates.last().map(|estimate| estimate.remaining.high);
            let needs = estimated.unwrap_or_else(|| self.predict(now, job).remaining.high);
            deadline.duration_since(now).as_secs_f64() - needs.get()
        });
        let waited = Seconds::between(job.submitted_at, now).minus(job.ran(now));
        Precedence::of(Standing { slack, waited, priority: job.spec.priority, used: self.level_of(job) })
    }

    /// Why a job that waits has its turn when it has it; nothing where no rule but that of arrival sets it apart.
    #[must_use]
    pub fn turn_in_words(&self, now: Timestamp, job: &Job) -> Option<String> {
        let waits = job.state.awaits_a_window() || matches!(job.state, JobState::Held { .. });
        let precedence = self.precedence_of(now, job);
        let share = self.fair_share_of(job).map(|(account, factor)| {
            format!("the fair-share factor of `{account}` is {factor:.2} (1 used nothing of late, 0.5 just its share, 0 far more)")
        });
        let plain =
            share.is_none() && matches!(precedence, Precedence::Usual { .. }) && job.spec.priority == Priority::NORMAL;
        let rule = format!("where there is not room for all it goes by {precedence}");
        (waits && !plain).then(|| rule + &share.map(|share| format!("; {share}")).unwrap_or_default())
    }

    /// What jobs have used has changed the order of those that wait.
    pub(crate) fn rank_anew(&mut self, now: Timestamp) {
        self.seen = None;
        let waiting: Vec<JobId> = self.in_force.ids().collect();
        for id in waiting {
            if let Some(precedence) = self.jobs.get(&id).map(|job| self.precedence_of(now, job)) {
                self.in_force.insert(id, precedence);
            }
        }
    }

    /// Whose plans a job sees: up to this.
    pub(crate) fn sees_up_to(&self, now: Timestamp, job: &Job) -> Turn {
        let precedence = self.precedence_of(now, job);
        let waits_for_room = |plan: &Plan| {
            let soonest = matches!(
                plan.reason,
                Reason::RunNow | Reason::NothingSaved | Reason::OperatingPoint | Reason::Deadline | Reason::Probe
            );
            soonest || plan.start().is_none_or(|start| start <= now && !self.could_start(job))
        };
        // One that is only tried out would be the last to come.
        let here = self.jobs.contains_key(&job.id);
        let by_arrival = here && self.in_force.len() <= MOST_MOVED && job.plan.as_ref().is_none_or(waits_for_room);
        if by_arrival { (precedence, job.id) } else { last_of(precedence) }
    }

    /// Whether there is room now where a job's plan begins.
    fn could_start(&self, job: &Job) -> bool {
        let first = job.plan.as_ref().and_then(|plan| plan.segments.first());
        first.is_some_and(|first| {
            let site = self.site(&first.site);
            site.is_some_and(|site| site.capacity.minus(&self.in_use(&site.id)).holds(&first.takes(job.spec.resources)))
        })
    }

    /// What a job that waits sees of the sites up to a turn; any other sees all there is.
    pub(crate) fn room_for(&self, job: &Job, turn: Turn) -> Cow<'_, Taken> {
        if !job.state.awaits_a_window() || !self.in_force.any_after(turn) {
            return Cow::Borrowed(&self.occupancy);
        }
        match &self.seen {
            Some(seen) if seen.turn == turn => Cow::Borrowed(&seen.taken),
            _ => Cow::Owned(self.seen_up_to(turn)),
        }
    }

    /// Makes ready what is seen up to a turn, from what was looked at last.
    pub(crate) fn look_as(&mut self, turn: Turn) {
        if !self.in_force.any_after(turn) {
            return;
        }
        let Some(SeenBy { turn: before, mut taken }) = self.seen.take() else {
            self.seen = Some(SeenBy { turn, taken: self.seen_up_to(turn) });
            return;
        };
        if before <= turn {
            self.in_force.between(before, turn).for_each(|id| self.put(&mut taken, id));
        } else {
            self.in_force.between(turn, before).for_each(|id| self.take(&mut taken, id));
        }
        self.seen = Some(SeenBy { turn, taken });
    }

    /// From nothing, or from all there is: whichever is less to do.
    fn seen_up_to(&self, turn: Turn) -> Taken {
        let half = self.in_force.len() / 2;
        if half < self.in_force.up_to(turn).take(half + 1).count() {
            self.all_but_those_after(turn)
        } else {
            self.firm_and_those_up_to(turn)
        }
    }

    /// The job that is being planned must not be among the firm ones: one that waits never is.
    fn firm_and_those_up_to(&self, turn: Turn) -> Taken {
        let mut taken: Taken = self.sites.iter().map(|site| (site.id.clone(), Occupancy::new(site.capacity))).collect();
        self.jobs.aside().for_each(|job| self.put(&mut taken, job.id));
        self.in_force.up_to(turn).for_each(|id| self.put(&mut taken, id));
        taken
    }

    fn all_but_those_after(&self, turn: Turn) -> Taken {
        let mut taken = self.occupancy.clone();
        self.in_force.after(turn).for_each(|id| self.take(&mut taken, id));
        taken
    }

    fn put(&self, taken: &mut Taken, id: JobId) {
        self.each_stretch(id, |segment, job| {
            if let Some(occupancy) = taken.get_mut(&segment.site) {
                occupancy.add(segment.window, segment.takes(job.spec.resources));
            }
        });
    }

    fn take(&self, taken: &mut Taken, id: JobId) {
        self.each_stretch(id, |segment, job| {
            if let Some(occupancy) = taken.get_mut(&segment.site) {
                occupancy.remove(segment.window, segment.takes(job.spec.resources));
            }
        });
    }

    fn each_stretch(&self, id: JobId, mut with: impl FnMut(&Segment, &Job)) {
        let Some(job) = self.jobs.get(&id) else { return };
        job.plan.iter().flat_map(|plan| &plan.segments).for_each(|segment| with(segment, job));
    }

    /// Lets what a job's plan occupies be seen: of a job that waits by those of its precedence and after, of any other by all.
    pub(crate) fn occupy_as(&mut self, id: JobId, precedence: Precedence) {
        let waits = self.jobs.get(&id).is_some_and(|job| job.state.awaits_a_window());
        let mut all = std::mem::take(&mut self.occupancy);
        self.put(&mut all, id);
        self.occupancy = all;
        if let Some(mut seen) = self.seen.take_if(|seen| !waits || (precedence, id) <= seen.turn) {
            self.put(&mut seen.taken, id);
            self.seen = Some(seen);
        }
        if waits {
            self.in_force.insert(id, precedence);
        }
    }

    /// The opposite.
    pub(crate) fn vacate(&mut self, id: JobId) {
        let precedence = self.in_force.remove(id);
        let mut all = std::mem::take(&mut self.occupancy);
        self.take(&mut all, id);
        self.occupancy = all;
        let saw = |seen: &mut SeenBy| precedence.is_none_or(|precedence| (precedence, id) <= seen.turn);
        if let Some(mut seen) = self.seen.take_if(saw) {
            self.take(&mut seen.taken, id);
            self.seen = Some(seen);
        }
    }

    /// A job waits no more: its plan is firm for all from now on.
    pub(crate) fn is_firm(&mut self, id: JobId) {
        if let Some(precedence) = self.in_force.remove(id) {
            // Those who did not see it do now.
            self.seen.take_if(|seen| seen.turn < (precedence, id));
        }
    }

    /// Jobs that come after a turn and stand where a plan, not yet in force, wants to be lose theirs: the last ones first and no more
    /// than are needed.
    pub(crate) fn make_way(&mut self, now: Timestamp, id: JobId, turn: Turn) {
        let Some(job) = self.jobs.get(&id).filter(|job| job.state.awaits_a_window()) else { return };
        let resources = job.spec.resources;
        let wanted: Vec<Segment> = job.plan.iter().flat_map(|plan| plan.segments.clone()).collect();
        for want in wanted {
            let fits = |engine: &Self| {
                let there = engine.occupancy.get(&want.site);
                there.is_none_or(|occupancy| occupancy.fits(want.window, want.takes(resources)))
            };
            let mut last = None;
            while !fits(self) {
                let found = self.in_force.last_first(turn, last).find(|(_, other)| self.stands_in(*other, &want));
                let Some(found) = found else { break };
                last = Some(found);
                let other = found.1;
                let precedence = turn.0;
                if self.in_force.precedence_of(other).is_some_and(|other| precedence < other) {
                    let text = format!("gave way to job {id}, which goes first by {precedence}, and is planned anew");
                    self.note_once(now, other, "gave way to job", &text);
                }
                self.forget_plan(other);
                self.unplanned.insert(other);
            }
        }
    }

    /// Whether a job's plan occupies any of a stretch.
    fn stands_in(&self, id: JobId, want: &Segment) -> bool {
        let plan = self.jobs.get(&id).and_then(|job| job.plan.as_ref());
        let mut here = plan.into_iter().flat_map(|plan| &plan.segments).filter(|segment| segment.site == want.site);
        here.any(|segment| segment.window.intersection(&want.window).is_some())
    }
}

#[cfg(test)]
mod tests;
