//! A whole queue arranged under prices of room, a bounded piece at a time.
//!
//! First the prices are found ([`super::market`]). Under them the jobs are planned one after the other, the longest first, then the
//! largest first and so on ([`SEATINGS`]): whoever loses little elsewhere leaves the dear hours by itself. Then each is planned once
//! more, without prices and against all others, so that no room is left that somebody wants, and every plan is one that
//! [`crate::plan::plan`] makes for that job alone. A few jobs are arranged exactly as well ([`fewest_grams_within`]). The best of these arrangements is kept if it is better than the plans there were.

use lowtide_model::plan::{Plan, Segment};

use super::inputs::{Inputs, Tolled, Tolls};
use super::market::{Auction, Task};
use super::slots::InSlots;
use super::{Crowd, LEAST_GAIN, Taken, occupy, release};
use crate::oracle::multi::fewest_grams_within;
use crate::plan::PlanningInput;

/// So many rounds of prices at most.
const ROUNDS: usize = 300;
/// So many steps of work are spent on them at most, some seconds of one core; and at least [`FEWEST_ROUNDS`] whatever they take.
const MOST_WORK: usize = 300_000_000;
const FEWEST_ROUNDS: usize = 10;
/// Plans this near the bound are taken to be the best there are.
const NEAR_ENOUGH: f64 = 0.002;

/// No more jobs than this are arranged exactly: each multiplies what there is to try.
const MOST_EXACT: usize = 8;
/// Nor jobs with more ways to run than this: those that may pause have few only if they are short and soon have to end.
const MOST_WAYS: f64 = 5_000.0;
/// So many tries of a course at most: some ten milliseconds.
const TRIES: u64 = 200_000;
/// Grams for an hour of a unit that nobody pays who can have it cheaper.
const FORBIDDEN: f64 = 1e6;

/// Who is planned first.
#[derive(Debug, Clone, Copy)]
enum First {
    /// Those that run the longest.
    Longest,
    /// Those that take the most processor-hours.
    Largest,
}

/// One way to plan a queue under tolls.
#[derive(Debug, Clone, Copy)]
struct Seating {
    first: First,
    /// The share of the tolls that is paid. At exact tolls many jobs are as well off with the room as without, and leave some of it
    /// empty or crowd out those that need it: a little more tips them one way.
    tolls: f64,
    /// Whether jobs that may pause are planned in one stretch at first: where all are in pieces, each piece that has to move for
    /// another pays a transfer.
    unbroken: bool,
}

/// The ways that are tried, those first that are best most often (measured on recorded queues; docs/many-jobs-many-sites.md).
const SEATINGS: [Seating; 5] = [
    Seating { first: First::Longest, tolls: 1.0, unbroken: false },
    Seating { first: First::Largest, tolls: 1.0, unbroken: false },
    Seating { first: First::Longest, tolls: 1.03, unbroken: false },
    Seating { first: First::Longest, tolls: 1.06, unbroken: false },
    Seating { first: First::Longest, tolls: 1.1, unbroken: true },
];

/// A queue while it is arranged. Whoever drives it brings the same crowd each time, in the same order.
#[derive(Debug)]
pub struct Arranging {
    /// What others have taken, that are not of the crowd.
    fixed: Taken,
    slots: InSlots,
    /// No arrangement emits less, as far as whole slots tell.
    bound: f64,
    /// The plans there were, or a better arrangement.
    best: (f64, Vec<Plan>),
    improved: bool,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Pricing { auction: Auction, rounds: usize },
    Seating { prices: Tolls, tolled: Tolled, number: usize, order: Vec<usize>, seated: Seated },
    Responding { prices: Tolls, number: usize, seated: Seated },
    Done,
}

/// Where those are that come first in an order, and their plans once they have answered.
#[derive(Debug)]
struct Seated {
    taken: Taken,
    places: Vec<Vec<Segment>>,
    plans: Vec<Plan>,
    /// How many of the order are done.
    done: usize,
}

impl Seated {
    fn none(fixed: &Taken, members: usize) -> Self {
        Self { taken: fixed.clone(), places: vec![Vec::new(); members], plans: Vec::new(), done: 0 }
    }

    /// A job takes its place beside those that have theirs.
    fn take(&mut self, crowd: &Inputs, member: usize) {
        let place = crowd.seat(member, &self.taken);
        occupy(&mut self.taken, &place, crowd.resources(member));
        self.places[member] = place;
    }
}

impl Arranging {
    /// Begins from the plans in force, one for each job of the crowd. `None` where there is nothing to arrange.
    #[must_use]
    pub fn of(crowd: &Inputs, fixed: Taken, plans: Vec<Plan>) -> Option<Self> {
        let slots = InSlots::of(crowd, &fixed)?;
        let a_round: usize = slots.case.tasks.iter().map(|task| slots.case.effort_of(task)).sum();
        let rounds = (MOST_WORK / a_round.max(1)).clamp(FEWEST_ROUNDS, ROUNDS);
        let stage = Stage::Pricing { auction: Auction::of(&slots.case), rounds };
        let cost = plans.iter().enumerate().map(|(member, plan)| crowd.cost(member, plan)).sum();
        Some(Self { fixed, slots, bound: f64::NEG_INFINITY, best: (cost, plans), improved: false, stage })
    }

    /// Whether all is tried.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done)
    }

    /// The sum of the best plans so far.
    #[must_use]
    pub const fn cost(&self) -> f64 {
        self.best.0
    }

    /// The best plans there are, in the order of the crowd; `None` where those it began with are.
    #[must_use]
    pub fn into_better(self) -> Option<Vec<Plan>> {
        self.improved.then_some(self.best.1)
    }

    /// Goes on for about so many steps of work on prices and so many plans, as far as that goes.
    pub fn advance(&mut self, crowd: &Inputs, mut work: usize, mut plans: usize) {
        loop {
            self.stage = match std::mem::replace(&mut self.stage, Stage::Done) {
                Stage::Pricing { auction, rounds: 0 } => self.priced(crowd, &auction),
                Stage::Pricing { mut auction, rounds } => {
                    if !auction.advance(&self.slots.case, &mut work) {
                        self.stage = Stage::Pricing { auction, rounds };
                        return;
                    }
                    Stage::Pricing { auction, rounds: rounds - 1 }
                }
                Stage::Seating { prices, tolled, number, order, mut seated } => {
                    seat(crowd, &tolled, SEATINGS[number], &order, &mut seated, &mut plans);
                    if seated.done < order.len() {
                        self.stage = Stage::Seating { prices, tolled, number, order, seated };
                        return;
                    }
                    Stage::Responding { prices, number, seated }
                }
                Stage::Responding { prices, number, mut seated } => {
                    respond(crowd, &mut seated, &mut plans);
                    if seated.plans.len() < crowd.len() {
                        self.stage = Stage::Responding { prices, number, seated };
                        return;
                    }
                    self.compare(crowd, seated.plans);
                    self.seating(crowd, prices, number + 1)
                }
                Stage::Done => return,
            }
        }
    }

    /// Prices are found: whether there is anything to win by them.
    fn priced(&mut self, crowd: &Inputs, auction: &Auction) -> Stage {
        let prices = auction.best();
        self.bound = prices.bound;
        let by_site = crowd.inputs.first().map_or(&[][..], |input| input.sites).iter().zip(&prices.tolls);
        let by_site = by_site.map(|(view, tolls)| (view.site.id.clone(), tolls.clone())).collect();
        let tolls = Tolls { start: self.slots.start, slot: self.slots.slot, unit: self.slots.unit, by_site };
        self.seating(crowd, tolls, 0)
    }

    /// The seating of that number, if it may bring anything.
    fn seating(&mut self, crowd: &Inputs, prices: Tolls, number: usize) -> Stage {
        let near_enough = self.best.0 <= self.bound * (1.0 + NEAR_ENOUGH);
        let breaks = |input: &PlanningInput| input.job.spec.checkpoint.is_some();
        let differs = |seating: &&Seating| !seating.unbroken || crowd.inputs.iter().any(breaks);
        match SEATINGS.get(number).filter(differs) {
            Some(seating) if !near_enough => {
                let order = order(crowd, seating.first);
                let tolled = Tolled::of(prices.times(seating.tolls));
                Stage::Seating { prices, tolled, number, order, seated: Seated::none(&self.fixed, crowd.len()) }
            }
            _ => {
                if !near_enough {
                    self.arrange_exactly(crowd, &prices);
                }
                Stage::Done
            }
        }
    }

    /// A few jobs with few ways to run: each where it is in the best of all arrangements in whole slots.
    fn arrange_exactly(&mut self, crowd: &Inputs, prices: &Tolls) {
        let case = &self.slots.case;
        let all_are_tasks = case.tasks.len() == crowd.len();
        let few = crowd.len() <= MOST_EXACT && case.tasks.iter().all(|task| ways(task) <= MOST_WAYS);
        if !few || !all_are_tasks {
            return;
        }
        let Some((_, courses)) = fewest_grams_within(case, TRIES) else { return };
        let mut seated = Seated::none(&self.fixed, crowd.len());
        for (member, course) in courses.iter().enumerate() {
            // Whatever is not its course is dear.
            let mut tolls = prices.clone();
            tolls.by_site.values_mut().flatten().for_each(|toll| *toll = FORBIDDEN);
            for (place, slot) in course {
                let site = crowd.inputs[member].sites.get(*place).map(|view| &view.site.id);
                let toll = site.and_then(|site| tolls.by_site.get_mut(site)).and_then(|tolls| tolls.get_mut(*slot));
                if let Some(toll) = toll {
                    *toll = 0.0;
                }
            }
            let tolled = Tolled::of(tolls);
            let crowd = Inputs { inputs: crowd.inputs.clone(), tolls: Some(&tolled), unbroken: false };
            seated.take(&crowd, member);
        }
        respond(crowd, &mut seated, &mut crowd.len());
        self.compare(crowd, seated.plans);
    }

    /// Keeps these plans where they are better than the best before.
    fn compare(&mut self, crowd: &Inputs, plans: Vec<Plan>) {
        let cost: f64 = plans.iter().enumerate().map(|(member, plan)| crowd.cost(member, plan)).sum();
        if cost < self.best.0 * (1.0 - LEAST_GAIN) {
            self.best = (cost, plans);
            self.improved = true;
        }
    }
}

/// The next of an order are planned under tolls.
fn seat(crowd: &Inputs, tolled: &Tolled, seating: Seating, order: &[usize], seated: &mut Seated, plans: &mut usize) {
    let crowd = Inputs { inputs: crowd.inputs.clone(), tolls: Some(tolled), unbroken: seating.unbroken };
    for member in order.iter().skip(seated.done).take(*plans) {
        seated.take(&crowd, *member);
        seated.done += 1;
        *plans -= 1;
    }
}

/// The next are planned each against all others, as they are.
fn respond(crowd: &Inputs, seated: &mut Seated, plans: &mut usize) {
    for member in (seated.plans.len()..crowd.len()).take(*plans) {
        release(&mut seated.taken, &seated.places[member], crowd.resources(member));
        let plan = crowd.answer(member, &seated.taken);
        occupy(&mut seated.taken, &plan.segments, crowd.resources(member));
        seated.plans.push(plan);
        *plans -= 1;
    }
}

/// In how many courses a task can run, about.
fn ways(task: &Task) -> f64 {
    let (slots, length) = (task.end.saturating_sub(task.earliest), task.length);
    let places = task.places.len() as f64;
    if !task.pausable {
        return places * slots as f64;
    }
    // Any slots of them, each at any place.
    (0..length).map(|at| places * slots.saturating_sub(at) as f64 / (at + 1) as f64).product()
}

fn order(crowd: &Inputs, first: First) -> Vec<usize> {
    let hours = |member: usize| crowd.inputs[member].prediction.remaining.median;
    let size = |member: usize| hours(member).times(crowd.resources(member).cpus.into());
    let mut order: Vec<usize> = (0..crowd.len()).collect();
    let by_length = |a: &usize, b: &usize| hours(*b).total_cmp(&hours(*a));
    let by_size = |a: &usize, b: &usize| size(*b).total_cmp(&size(*a));
    order.sort_by(|a, b| match first {
        First::Longest => by_length(a, b).then(by_size(a, b)).then(a.cmp(b)),
        First::Largest => by_size(a, b).then(a.cmp(b)),
    });
    order
}
