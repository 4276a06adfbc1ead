//! Many jobs planned one after the other, each around those before it, with what their searches have in common.
//!
//! The decisions are those of [`super::choose_stretches`] for the same jobs in the same order. They cost less because
//! nothing is given back while many jobs are planned: where one job found no room the next one need not look.
//!
//! For the same reason jobs can be looked at together, on as many processors as there are: [`Bulk::propose`] changes no
//! site, and what one caller learns all know. Then [`Bulk::commit`] takes the proposals in the order of the
//! jobs. Starts only fall away while others are committed, so a proposal that still fits is still the best, unless the end
//! of one committed meanwhile makes a start that was none before; then, and where its place has been taken, it is decided
//! anew. So the result is the same however the jobs were divided.

use jiff::Timestamp;
use lowtide_model::quantity::Seconds;
use lowtide_model::window::Window;

use super::choice::{Choice, choose_stretches};
use super::course::{Course, Stretch};
use super::search::memory::Memory;
use super::situation::{Rules, Situation};
use super::{Decision, PlanningInput, SiteView, decide};
use crate::capacity::Occupancy;
use crate::cells::cell_of;

const ALL: Rules = Rules { windows: true, delay: true, deadline: true, reserve: true };
/// Starts that cost at least so little more than the proposal could be preferred to it: wider than what counts as equal.
const NEARLY: f64 = 1e-6;

/// Sites that fill up.
#[derive(Debug)]
pub struct Bulk<'a> {
    sites: Vec<SiteView<'a>>,
    taken: Vec<Occupancy>,
    /// Moments at which something changes since it began, with the number of the site.
    changes: Vec<(usize, Timestamp)>,
    memory: Memory,
}

/// What would be decided for a job if none came before it.
#[derive(Debug, Clone)]
pub struct Proposal {
    choice: Option<Choice>,
    /// Where it rests on nothing but room.
    basis: Option<Basis>,
    /// So many changes it knew of.
    seen: usize,
}

/// What a proposal needs to remain the decision.
#[derive(Debug, Clone, Copy)]
struct Basis {
    /// The cheapest candidate, by the number of its site, with its cost, delay included.
    best: (usize, Window),
    cost: f64,
    /// What it was compared with.
    run_now: (usize, Window),
}

impl<'a> Bulk<'a> {
    /// The sites as they are before the first job.
    #[must_use]
    pub fn new(sites: &[SiteView<'a>]) -> Self {
        let taken = sites.iter().map(|view| view.occupancy.clone()).collect();
        Self { sites: sites.to_vec(), taken, changes: Vec::new(), memory: Memory::default() }
    }

    /// What is taken of each site, in their order.
    #[must_use]
    pub fn taken(&self) -> &[Occupancy] {
        &self.taken
    }

    /// What would be decided for a job on the sites as they are. The sites of the input are not looked at: the job finds
    /// those of the bulk.
    #[must_use]
    pub fn propose(&self, input: &PlanningInput) -> Proposal {
        self.on_sites(input, |input| self.look(input))
    }

    /// Decides for a job and takes its room. The decision is that of [`super::choose_stretches`] on the sites as they are,
    /// also where they have filled up since the proposal; `None` where the job finds no place.
    pub fn commit(&mut self, input: &PlanningInput, proposal: Proposal) -> Option<Choice> {
        let proposal = if self.holds(input, &proposal) { proposal } else { self.propose(input) };
        let choice = proposal.choice?;
        for segment in &choice.segments {
            let site = self.sites.iter().position(|view| view.site.id == segment.site);
            let site = site.expect("a job is planned onto the sites there are");
            self.taken[site].add(segment.window, segment.takes(input.job.spec.resources));
            self.changes.extend([(site, segment.window.start()), (site, segment.window.end())]);
        }
        Some(choice)
    }

    /// Decides for a job as it comes: [`Self::propose`] and [`Self::commit`] in one.
    pub fn choose(&mut self, input: &PlanningInput) -> Option<Choice> {
        let proposal = self.propose(input);
        self.commit(input, proposal)
    }

    fn on_sites<T>(&self, input: &PlanningInput, of: impl FnOnce(&PlanningInput) -> T) -> T {
        let with = |(view, occupancy): (&SiteView<'a>, _)| SiteView { occupancy, ..*view };
        let sites: Vec<SiteView> = self.sites.iter().zip(&self.taken).map(with).collect();
        of(&PlanningInput { sites: &sites, ..*input })
    }

    fn look(&self, input: &PlanningInput) -> Proposal {
        let uncertain = |choice| Proposal { choice, basis: None, seen: self.changes.len() };
        // What is remembered, and what a proposal rests on, is of one stretch of one width at its cheapest start.
        let paused = input.job.spec.checkpoint.is_some() && input.policy.pausable;
        let several_points = !input.job.spec.has_one_operating_point();
        let spreads = 0.0 < input.policy.spread;
        // Bounds, and what counts as equal, hold for curves that are nowhere below zero.
        let below_zero = input.sites.iter().any(|view| view.curve.falls_below_zero());
        let by_footprint = input.policy.weights.ranks_by_footprint();
        if paused || several_points || spreads || below_zero || input.current.is_some() || !by_footprint {
            return uncertain(choose_stretches(input));
        }
        let Ok(situation) = Situation::of(input) else { return uncertain(None) };
        let known = self.memory.of_size(input.job.spec.resources, input.sites);
        let Some(run_now) = situation.first_at_once_remembered(&known) else { return uncertain(None) };
        let candidates = |rules| situation.best_of_places_remembered(rules, &known);
        let Decision { course, reason, candidates, .. } =
            decide(&situation, &run_now, || situation.at_once(), candidates);
        let choice = Choice::of(&situation, &course, reason);
        let numbered = |stretch: Stretch| (situation.places[stretch.place].number, stretch.window);
        let best = super::best_of(&situation, &run_now, &candidates).filter(|_| situation.admits(&run_now, ALL));
        let basis = best.map(|best| Basis {
            best: numbered(best.stretches[0]),
            cost: situation.cost(best),
            run_now: numbered(run_now.stretches[0]),
        });
        Proposal { basis, ..uncertain(Some(choice)) }
    }

    /// Whether a proposal is what would be decided now.
    fn holds(&self, input: &PlanningInput, proposal: &Proposal) -> bool {
        if proposal.seen == self.changes.len() {
            return true;
        }
        let Some(basis) = proposal.basis else { return false };
        let wanted = input.job.spec.resources;
        let fits = |(site, window): (usize, Window)| self.taken[site].fits(window, wanted);
        // Slots are starts whether something changes there or not.
        let on_slot = |at: Timestamp| at.subsec_nanosecond() == 0 && (at.as_second() as f64 % input.slot.get()) == 0.0;
        let mut fresh = self.changes[proposal.seen..].iter().filter(|(_, at)| !on_slot(*at)).peekable();
        fits(basis.best)
            && fits(basis.run_now)
            && (fresh.peek().is_none()
                || self.on_sites(input, |input| {
                    Situation::of(input).is_ok_and(|situation| !fresh.any(|start| situation.rivals(*start, basis.cost)))
                }))
    }
}

impl Situation<'_> {
    /// What a course costs, delay included.
    fn cost(&self, course: &Course) -> f64 {
        let late = Seconds::between(self.input.now, course.end()).hours();
        course.grams + self.price_of_delay() * late
    }

    /// Whether a run that begins then at a site could cost no more than this.
    fn rivals(&self, (site, start): (usize, Timestamp), cost: f64) -> bool {
        let Some(place) = self.places.iter().position(|place| place.number == site) else { return false };
        let of_place = &self.places[place];
        if start < of_place.earliest {
            return false;
        }
        let length = self.first_loss(place, start) + of_place.run_time;
        let least = of_place.kilowatts / 3600.0 * of_place.view.curve.bounds(length).least(cell_of(start));
        if cost * (1.0 + NEARLY) < least {
            return false;
        }
        let Some(stretch) = self.contiguous(place, start) else { return false };
        self.cost(&self.course(vec![stretch])) <= cost * (1.0 + NEARLY) && self.open(place, stretch.window, ALL)
    }
}

#[cfg(test)]
mod tests;
