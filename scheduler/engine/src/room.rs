//! Who sees which room: a job that waits is planned as though those that come after it had no plans, and they make way for it.
//!
//! What runs, or is about to, is firm for all. Jobs of one precedence see the plans of one another, so that what they found together
//! ([`crate::rounds`]) stays. One that waits for nothing but room, that has no plan, or whose start fell due in vain because another
//! runs longer than planned sees by arrival: it is served first come, first served, and the later ones move on.

use std::borrow::Cow;
use std::collections::BTreeSet;

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
use crate::views::Views;

/// With more jobs than this waiting, equals do not move on for one another: each would cost a plan.
const MOST_MOVED: usize = 1_000;

/// Where less than this share of those that wait lies between, a view is moved on from one turn to the other; else both are kept.
const CLOSE: f64 = 0.01;

/// What a view is made from.
#[derive(Clone, Copy)]
enum Source {
    /// The view up to another turn.
    View(Turn),
    /// All there is, less the plans of those that come after.
    All,
    /// What is firm, and the plans of those up to the turn.
    Firm,
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
        self.views.clear();
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
        match self.views.up_to(turn) {
            Some(taken) => Cow::Borrowed(taken),
            None => Cow::Owned(self.seen_up_to(turn)),
        }
    }

    /// Makes ready what is seen up to a turn, from whatever that is least to do from.
    pub(crate) fn look_as(&mut self, turn: Turn) {
        if !self.in_force.any_after(turn) || self.views.up_to(turn).is_some() {
            return;
        }
        let (source, between) = self.nearest_to(turn);
        let close = (between as f64) < CLOSE * self.in_force.len() as f64;
        let mut views = std::mem::take(&mut self.views);
        let taken = match source {
            Source::View(before) if close || !views.may_grow() => {
                views.remove(before).map(|taken| self.moved(taken, before, turn))
            }
            _ => None,
        };
        let taken = taken.unwrap_or_else(|| self.made_from(source, &views, turn));
        views.keep(turn, taken);
        self.views = views;
    }

    /// What a view is least to do from, and how many plans that is.
    fn nearest_to(&self, turn: Turn) -> (Source, usize) {
        // No more are counted than would make another source the nearest.
        let mut least = (Source::All, self.in_force.after(turn).count());
        let firm = self.jobs.aside().map(|job| job.id).chain(self.in_force.up_to(turn)).take(least.1).count();
        if firm < least.1 {
            least = (Source::Firm, firm);
        }
        for (other, _) in self.views.iter() {
            let between = self.in_force.between(turn.min(other), turn.max(other)).take(least.1).count();
            if between < least.1 {
                least = (Source::View(other), between);
            }
        }
        least
    }

    fn made_from(&self, source: Source, views: &Views, turn: Turn) -> Taken {
        match source {
            Source::View(before) => match views.up_to(before) {
                Some(taken) => self.moved(taken.clone(), before, turn),
                None => self.all_but_those_after(turn),
            },
            Source::All => self.all_but_those_after(turn),
            Source::Firm => self.firm_and_those_up_to(turn),
        }
    }

    /// What is seen up to a turn, from what is seen up to another.
    fn moved(&self, mut taken: Taken, before: Turn, turn: Turn) -> Taken {
        if before <= turn {
            self.in_force.between(before, turn).for_each(|id| self.put(&mut taken, id));
        } else {
            self.in_force.between(turn, before).for_each(|id| self.take(&mut taken, id));
        }
        taken
    }

    fn seen_up_to(&self, turn: Turn) -> Taken {
        self.made_from(self.nearest_to(turn).0, &self.views, turn)
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
        let mut views = std::mem::take(&mut self.views);
        views.that_see(waits.then_some((precedence, id))).for_each(|taken| self.put(taken, id));
        self.views = views;
        if waits {
            self.in_force.insert(id, precedence);
            let mut stands = std::mem::take(&mut self.stands);
            self.each_stretch(id, |segment, _| stands.insert(id, segment));
            self.stands = stands;
        }
    }

    /// The opposite.
    pub(crate) fn vacate(&mut self, id: JobId) {
        let precedence = self.may_make_way_no_more(id);
        let mut all = std::mem::take(&mut self.occupancy);
        self.take(&mut all, id);
        self.occupancy = all;
        let mut views = std::mem::take(&mut self.views);
        views.that_see(precedence.map(|precedence| (precedence, id))).for_each(|taken| self.take(taken, id));
        self.views = views;
    }

    /// A job waits no more: its plan is firm for all from now on.
    pub(crate) fn is_firm(&mut self, id: JobId) {
        if let Some(precedence) = self.may_make_way_no_more(id) {
            // Those who did not see it do now.
            let mut views = std::mem::take(&mut self.views);
            views.blind_to((precedence, id)).for_each(|taken| self.put(taken, id));
            self.views = views;
        }
    }

    /// Takes a job out of those whose plans give way. The precedence it had among them.
    fn may_make_way_no_more(&mut self, id: JobId) -> Option<Precedence> {
        let precedence = self.in_force.remove(id)?;
        let mut stands = std::mem::take(&mut self.stands);
        self.each_stretch(id, |segment, _| stands.remove(id, segment));
        self.stands = stands;
        Some(precedence)
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
            if fits(self) {
                continue;
            }
            let turn_of = |id| Some((self.in_force.precedence_of(id)?, id));
            let in_it = self.stands.during(&want.site, want.window).filter_map(turn_of);
            let mut after: BTreeSet<Turn> = in_it.filter(|other| turn < *other).collect();
            while !fits(self) {
                let Some((precedence, other)) = after.pop_last() else { break };
                if turn.0 < precedence {
                    let text = format!("gave way to job {id}, which goes first by {}, and is planned anew", turn.0);
                    self.note_once(now, other, "gave way to job", &text);
                }
                self.forget_plan(other);
                self.unplanned.insert(other);
            }
        }
    }
}

#[cfg(test)]
mod tests;
