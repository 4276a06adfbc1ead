//! Second looks: which jobs that wait are planned anew after something changed, and in what order.
//!
//! A forecast, a price or a new configuration is a reason to look at every job; room that became free at a site only at those that may
//! use it, and at the first [`MOST_LOOKED`] of them in the order of their turns: it is theirs before it is anybody else's, and it is
//! soon taken. Whoever comes after them is looked at when the plan falls due, with the next forecast, or by the next end once it has
//! moved up. (Backfill schedulers bound the same look: Slurm's `bf_max_job_test` is 500.)
//!
//! A sweep is a place in the order of all jobs that wait, not a list of them. To begin one costs the same for ten and for a hundred
//! thousand jobs; what is behind the place has been looked at.

use std::collections::BTreeSet;

use lowtide_model::identity::{JobId, SiteId};
use lowtide_model::job::Job;

use crate::engine::Engine;
use crate::turns::Turn;

/// So many jobs are looked at again for room that became free. With fewer jobs waiting it is all that may use the site.
pub(crate) const MOST_LOOKED: usize = 1_000;
/// So many jobs are passed by at a time in search of one that may use a site.
const PASSED_AT_ONCE: usize = 64;

/// What is yet to be looked at.
#[derive(Debug, Default)]
pub(crate) struct Sweeps {
    /// Every job, from behind this turn on.
    all: Option<Place>,
    /// Those that may use what became free.
    freed: Option<Freed>,
}

/// Behind this turn; nothing before the first.
type Place = Option<Turn>;

/// Which jobs a step plans beside those that its event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Looks {
    /// Those that are due for a reason of their own.
    Listed,
    /// Those that may use what became free, too: it just did.
    Freed,
    /// All that are to be looked at again.
    All,
}

#[derive(Debug)]
struct Freed {
    sites: BTreeSet<SiteId>,
    /// Whose room it was: it has been planned already.
    left: JobId,
    place: Place,
    looks: usize,
}

impl Sweeps {
    pub(crate) const fn is_empty(&self) -> bool {
        self.all.is_none() && self.freed.is_none()
    }

    /// What a step has to look at at once: room that became free in it, and nothing that has begun before.
    pub(crate) fn due(&self) -> Looks {
        if self.freed.as_ref().is_some_and(|freed| freed.place.is_none()) { Looks::Freed } else { Looks::Listed }
    }
}

impl Engine {
    /// Every job that waits is to be looked at again.
    pub(crate) const fn sweep_all(&mut self) {
        self.sweeps.all = Some(None);
    }

    /// After `left` gave up room at these sites: jobs that wait may have a better place now.
    pub(crate) fn sweep_freed(&mut self, left: JobId, sites: impl IntoIterator<Item = SiteId>) {
        let mut all: BTreeSet<SiteId> = sites.into_iter().collect();
        // What was free before and not yet offered to all stays on offer, and the first are asked first again.
        all.extend(self.sweeps.freed.take().into_iter().flat_map(|freed| freed.sites));
        if !all.is_empty() {
            self.sweeps.freed = Some(Freed { sites: all, left, place: None, looks: MOST_LOOKED });
        }
    }

    /// Takes out the job to be planned next, if there is one now. What is listed by itself, as its start fell due, goes before
    /// equals that are merely looked at again, and never before those that have a better right.
    pub(crate) fn next_turn(&mut self, looks: Looks) -> Option<JobId> {
        let listed = self.turns.first();
        let freed = if Looks::Freed <= looks { self.next_for_freed() } else { None };
        let all = if Looks::All <= looks { self.next_of_all() } else { None };
        let soonest = listed.into_iter().chain(freed).min();
        let chosen = match (soonest, all) {
            (Some(soonest), Some(any)) if any.0 < soonest.0 => any,
            (Some(turn), _) | (None, Some(turn)) => turn,
            (None, None) => return None,
        };
        if listed == Some(chosen) {
            self.turns.pop_first();
        }
        if let Some(sweep) = self.sweeps.freed.as_mut().filter(|_| freed == Some(chosen)) {
            sweep.place = Some(chosen);
            sweep.looks -= 1;
        }
        if all == Some(chosen) {
            self.sweeps.all = Some(Some(chosen));
        }
        Some(chosen.1)
    }

    /// The next of all; the sweep ends where there is none.
    fn next_of_all(&mut self) -> Option<Turn> {
        let place = self.sweeps.all?;
        let next = self.in_force.next_after(place);
        if next.is_none() {
            self.sweeps.all = None;
        }
        next
    }

    /// The next that may use what became free. Nothing, too, where those just passed by may not: then the next call goes on.
    fn next_for_freed(&mut self) -> Option<Turn> {
        let mut freed = self.sweeps.freed.take().filter(|freed| 0 < freed.looks)?;
        for _ in 0..PASSED_AT_ONCE {
            let next = self.in_force.next_after(freed.place)?;
            let wanted =
                next.1 != freed.left && self.jobs.get(&next.1).is_some_and(|job| self.may_use(job, &freed.sites));
            if wanted {
                self.sweeps.freed = Some(freed);
                return Some(next);
            }
            freed.place = Some(next);
        }
        self.sweeps.freed = Some(freed);
        None
    }

    /// Whether a job may run at any of these sites, by its own word and its policy's.
    fn may_use(&self, job: &Job, sites: &BTreeSet<SiteId>) -> bool {
        let by_policy = self.policies.get(&job.spec.policy).map_or(&[][..], |policy| &policy.sites);
        sites
            .iter()
            .any(|site| [&job.spec.sites[..], by_policy].iter().all(|named| named.is_empty() || named.contains(site)))
    }
}
