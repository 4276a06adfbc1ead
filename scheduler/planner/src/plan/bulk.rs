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
use lowtide_model::operating_point::OperatingPoint;
use lowtide_model::quantity::Seconds;
use lowtide_model::window::Window;

use super::choice::{Choice, choose_stretches};
use super::course::{Course, Stretch};
use super::search::memory::Memory;
use super::situation::{self, Rules, Situation};
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
        let choice = self.amended(input, proposal).unwrap_or_else(|| self.propose(input)).choice?;
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

    /// Whether a run that begins then at a site could cost so little, whatever it finds there.
    fn may_cost(&self, input: &PlanningInput, (site, start): (usize, Timestamp), cost: f64) -> bool {
        let place = situation::place(input, (site, self.sites[site]), OperatingPoint::default(), false);
        let least = place.view.curve.bounds(place.run_time).least(cell_of(start));
        place.earliest <= start && place.kilowatts / 3600.0 * least <= cost * (1.0 + NEARLY)
    }

    /// A proposal as it stands now that others are committed; `None` where it has to be made again.
    fn amended(&self, input: &PlanningInput, proposal: Proposal) -> Option<Proposal> {
        if proposal.seen == self.changes.len() {
            return Some(proposal);
        }
        let basis = proposal.basis?;
        let wanted = input.job.spec.resources;
        let fits = |(site, window): (usize, Window)| self.taken[site].fits(window, wanted);
        if !fits(basis.best) || !fits(basis.run_now) {
            return None;
        }
        // Slots are starts whether something changes there or not.
        let on_slot = |at: Timestamp| at.subsec_nanosecond() == 0 && (at.as_second() as f64 % input.slot.get()) == 0.0;
        let fresh = self.changes[proposal.seen..].iter().copied().filter(|(_, at)| !on_slot(*at));
        let mut fresh: Vec<(usize, Timestamp)> =
            fresh.filter(|start| self.may_cost(input, *start, basis.cost)).collect();
        fresh.sort_unstable();
        fresh.dedup();
        if fresh.is_empty() {
            return Some(proposal);
        }
        self.on_sites(input, |input| {
            let situation = Situation::of(input).ok()?;
            let mut rivals: Vec<(f64, Course)> =
                fresh.iter().filter_map(|start| situation.rival(*start, basis.cost)).collect();
            rivals.sort_by(|(one, _), (other, _)| one.total_cmp(other));
            match rivals.as_slice() {
                [] => Some(proposal),
                // One that is clearly the cheapest is the best whatever else there is.
                [(cost, best), others @ ..]
                    if cost * (1.0 + NEARLY) < others.first().map_or(basis.cost, |(next, _)| next.min(basis.cost)) =>
                {
                    let (site, window) = basis.run_now;
                    let place = situation.places.iter().position(|place| place.number == site)?;
                    let run_now = situation.course(vec![Stretch { place, window }]);
                    let candidates = |_| vec![best.clone()];
                    let decision = decide(&situation, &run_now, || situation.at_once(), candidates);
                    let choice = Choice::of(&situation, &decision.course, decision.reason);
                    Some(Proposal { choice: Some(choice), ..proposal })
                }
                _ => None,
            }
        })
    }
}

impl Situation<'_> {
    /// What a course costs, delay included.
    fn cost(&self, course: &Course) -> f64 {
        let late = Seconds::between(self.input.now, course.end()).hours();
        course.grams + self.price_of_delay() * late
    }

    /// A run that begins then at a site, with what it costs, where that can be no more than this.
    fn rival(&self, (site, start): (usize, Timestamp), cost: f64) -> Option<(f64, Course)> {
        let place = self.places.iter().position(|place| place.number == site)?;
        let of_place = &self.places[place];
        let end = self.input.horizon.after(self.input.now);
        if start < of_place.earliest || (of_place.earliest < start && end <= start) {
            return None;
        }
        let stretch = self.contiguous(place, start)?;
        let course = self.course(vec![stretch]);
        let rivals = self.cost(&course);
        let may_be = rivals <= cost * (1.0 + NEARLY)
            && stretch.window.end() <= self.bound(place, ALL)
            && self.open(place, stretch.window, ALL);
        may_be.then_some((rivals, course))
    }
}

#[cfg(test)]
mod tests;
