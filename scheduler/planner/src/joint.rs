//! Many jobs over many sites, planned together: who yields a clean hour to whom when there is not room for all.
//!
//! Jobs planned one after the other, each at its best against those before it, waste room: the first comes to the cleanest
//! hour though it would lose little elsewhere. [`Round`] starts from any plans and makes them better by two moves, both of
//! which keep every rule of [`crate::plan`], as each single plan is made by that very function against the others:
//!
//! - **Best response**: a job is taken out and planned anew against the others. Its cost falls and no other changes, so this
//!   ends (a potential game; Monderer and Shapley 1996).
//! - **Exchange** (ruin and recreate; Schrimpf et al. 2000): a job that would do better if others gave way is taken out
//!   with those that stand where it wants to be; it is planned first, they after it, those first that lose most elsewhere
//!   (regret). Kept only where the sum falls.
//!
//! Where neither helps any more, jobs that are near one another are taken out and planned anew in other orders, as long as the
//! effort lasts. A whole queue is first arranged under prices of room ([`Arranging`], [`market`]), which also bound what can be reached
//! at all. Work is counted in plans made and bounded by the caller; nothing is left to chance, so a replay makes the same plans.

mod arrange;
mod inputs;
pub mod market;
mod slots;

use std::collections::BTreeMap;

use lowtide_model::identity::SiteId;
use lowtide_model::plan::{Plan, Segment};
use lowtide_model::site::Resources;

use crate::capacity::Occupancy;

pub use arrange::Arranging;
pub use inputs::{Inputs, Tolled, Tolls, Unit};
pub use slots::InSlots;

/// What the plans of others leave of each site.
pub type Taken = BTreeMap<SiteId, Occupancy>;

/// A job makes room for another only where the sum of both falls by more than this share: less is rounding.
const LEAST_GAIN: f64 = 1e-6;
/// More jobs than this are not taken out for one: a large exchange hardly ever pays, and costs a plan for each.
const MOST_OUT: usize = 6;

/// Jobs that are planned together, seen from outside.
pub trait Crowd {
    /// How many there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a job occupies while it runs, or each of its workers.
    fn resources(&self, member: usize) -> Resources;

    /// A job's best plan against what others have taken; without segments where there is none.
    fn answer(&self, member: usize, taken: &Taken) -> Plan;

    /// What a plan costs: grams, whatever the policy adds for delay, and for each hour of breaking a rule more than any
    /// carbon is worth.
    fn cost(&self, member: usize, plan: &Plan) -> f64;
}

/// Plans of a crowd while they are made better.
#[derive(Debug)]
pub struct Round<'c, C> {
    crowd: &'c C,
    /// What others took, that are not of the crowd.
    fixed: Taken,
    /// The same with the plans of the crowd.
    taken: Taken,
    plans: Vec<Plan>,
    costs: Vec<f64>,
    /// What each costs and where it is when it is alone.
    ideal: Vec<Option<(f64, Vec<Segment>)>>,
    /// Plans that may still be made.
    left: usize,
}

impl<'c, C: Crowd> Round<'c, C> {
    /// Starts from plans in force, one for each job of the crowd. `fixed` is what others have taken, the crowd left out.
    /// `effort` is the number of plans that may be made.
    #[must_use]
    pub fn of(crowd: &'c C, fixed: Taken, plans: Vec<Plan>, effort: usize) -> Self {
        let mut taken = fixed.clone();
        for (member, plan) in plans.iter().enumerate() {
            occupy(&mut taken, &plan.segments, crowd.resources(member));
        }
        let costs = plans.iter().enumerate().map(|(member, plan)| crowd.cost(member, plan)).collect();
        let ideal = vec![None; plans.len()];
        Self { crowd, fixed, taken, plans, costs, ideal, left: effort }
    }

    /// Plans the jobs one after the other, in this order, each against those before it.
    #[must_use]
    pub fn one_after_the_other(crowd: &'c C, fixed: Taken, order: &[usize], effort: usize) -> Self {
        let mut taken = fixed.clone();
        let mut plans: Vec<Option<Plan>> = vec![None; crowd.len()];
        for member in order {
            let plan = crowd.answer(*member, &taken);
            occupy(&mut taken, &plan.segments, crowd.resources(*member));
            plans[*member] = Some(plan);
        }
        let missing = |(member, plan): (usize, Option<Plan>)| {
            plan.unwrap_or_else(|| {
                let plan = crowd.answer(member, &taken);
                occupy(&mut taken, &plan.segments, crowd.resources(member));
                plan
            })
        };
        let plans = plans.into_iter().enumerate().map(missing).collect();
        Self::of(crowd, fixed, plans, effort)
    }

    /// The sum of all costs.
    #[must_use]
    pub fn cost(&self) -> f64 {
        self.costs.iter().sum()
    }

    /// Plans that may still be made.
    #[must_use]
    pub const fn left(&self) -> usize {
        self.left
    }

    /// The plans as they are, in the order of the crowd.
    #[must_use]
    pub fn into_plans(self) -> Vec<Plan> {
        self.plans
    }

    /// The plans as they are, in the order of the crowd.
    #[must_use]
    pub fn plans(&self) -> &[Plan] {
        &self.plans
    }

    /// Both moves in turn until neither helps, then ruins until the effort is spent, and both again. Whether anything
    /// changed.
    pub fn improve(&mut self) -> bool {
        let mut changed = false;
        while self.respond() | self.exchange() {
            changed = true;
            if self.left == 0 {
                return true;
            }
        }
        if !(0..self.plans.len()).any(|member| self.has_regret(member)) {
            // Everyone is where it would be alone: nothing is better.
            return changed;
        }
        // The last plans are kept for responses, so that no job is left with worse than it could have.
        let kept = self.plans.len().min(self.left / 4);
        changed |= self.ruin(kept);
        changed | self.respond()
    }

    /// Takes out jobs that are near one another in time and plans them anew in another order, again and again, until no
    /// more than `kept` plans may be made. Which ones and in which order looks random and is the same every time.
    fn ruin(&mut self, kept: usize) -> bool {
        let mut changed = false;
        let mut number = 0;
        if self.plans.len() < 2 {
            return false;
        }
        while kept + MOST_OUT < self.left {
            number += 1;
            let centre = below(number, self.plans.len());
            let mut near: Vec<(f64, usize)> = (0..self.plans.len())
                .map(|other| (self.distance(centre, other) * (1 + below(number ^ (other << 20), 4)) as f64, other))
                .collect();
            near.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let count = 2 + below(number ^ (1 << 50), MOST_OUT - 1);
            let mut order: Vec<usize> = near.into_iter().take(count).map(|(_, member)| member).collect();
            order.sort_by_key(|member| below(number ^ (member << 24), 1 << 20));
            changed |= self.reseat(&order);
        }
        changed
    }

    /// Hours between the beginnings of two plans.
    fn distance(&self, one: usize, other: usize) -> f64 {
        match (self.plans[one].start(), self.plans[other].start()) {
            (Some(one), Some(other)) => one.duration_since(other).as_secs_f64().abs() / 3600.0,
            _ => 0.0,
        }
    }

    /// Every job once: taken out and planned anew. Whether anything changed.
    pub fn respond(&mut self) -> bool {
        let mut changed = false;
        for member in self.by_regret() {
            if self.has_regret(member) {
                changed |= self.reseat(&[member]);
            }
        }
        changed
    }

    /// Whether a job would do better without the others, as far as is known.
    fn has_regret(&self, member: usize) -> bool {
        self.ideal[member].as_ref().is_none_or(|(least, _)| *least * (1.0 + LEAST_GAIN) < self.costs[member])
    }

    /// Every job that would do better without the others: it takes its place and those that stood there look for another.
    /// Whether anything changed.
    pub fn exchange(&mut self) -> bool {
        let mut changed = false;
        for member in self.by_regret() {
            let Some((_, wanted)) = self.ideal(member) else { break };
            if !self.has_regret(member) {
                continue;
            }
            let mut out = self.in_the_way(member, &wanted);
            out.truncate(MOST_OUT);
            // Those first that lose most elsewhere; as far as is known, those that have been hurt already.
            let order: Vec<usize> = [member].into_iter().chain(out.iter().copied()).collect();
            let reversed: Vec<usize> = [member].into_iter().chain(out.iter().rev().copied()).collect();
            changed |= self.reseat(&order) || (2 < order.len() && self.reseat(&reversed));
            // Half a step: only the largest of those in its way, which may be all it needs.
            if let ([first, ..], true) = (out.as_slice(), 1 < out.len()) {
                changed |= self.reseat(&[member, *first]);
            }
        }
        changed
    }

    /// Jobs in the order of what they lose by the others, most first; what is not known counts as nothing.
    fn by_regret(&mut self) -> Vec<usize> {
        let regrets: Vec<f64> = (0..self.plans.len())
            .map(|member| self.ideal(member).map_or(0.0, |(least, _)| self.costs[member] - least))
            .collect();
        let mut order: Vec<usize> = (0..regrets.len()).collect();
        order.sort_by(|a, b| regrets[*b].total_cmp(&regrets[*a]).then(a.cmp(b)));
        order
    }

    /// What a job would cost alone, and where it would be; `None` where the effort is spent.
    fn ideal(&mut self, member: usize) -> Option<(f64, Vec<Segment>)> {
        if self.ideal[member].is_none() && 0 < self.left {
            self.left -= 1;
            let plan = self.crowd.answer(member, &self.fixed);
            let cost = self.crowd.cost(member, &plan);
            self.ideal[member] = Some((cost, plan.segments));
        }
        self.ideal[member].clone()
    }

    /// Who of the crowd stands where `member` wants to be and must leave for it: those that overlap most first, and no more than
    /// are needed.
    fn in_the_way(&mut self, member: usize, wanted: &[Segment]) -> Vec<usize> {
        let resources = self.crowd.resources(member);
        let overlap = |plan: &Plan| -> f64 {
            let pairs = plan.segments.iter().flat_map(|mine| wanted.iter().map(move |want| (mine, want)));
            pairs
                .filter(|(mine, want)| mine.site == want.site)
                .filter_map(|(mine, want)| Some(mine.window.intersection(&want.window)?.duration().hours()))
                .sum()
        };
        let mut others: Vec<(f64, usize)> = (0..self.plans.len())
            .filter(|other| *other != member)
            .map(|other| (overlap(&self.plans[other]), other))
            .filter(|(hours, _)| 0.0 < *hours)
            .collect();
        others.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        // Taken out and put back: a copy of what all others occupy would cost more than the search.
        release(&mut self.taken, &self.plans[member].segments, resources);
        let fits = |taken: &Taken| {
            wanted
                .iter()
                .all(|want| taken.get(&want.site).is_some_and(|site| site.fits(want.window, want.takes(resources))))
        };
        let mut out = Vec::new();
        for (_, other) in others {
            if fits(&self.taken) {
                break;
            }
            release(&mut self.taken, &self.plans[other].segments, self.crowd.resources(other));
            out.push(other);
        }
        for gone in out.iter().copied().chain([member]) {
            occupy(&mut self.taken, &self.plans[gone].segments, self.crowd.resources(gone));
        }
        out
    }

    /// Takes these jobs out and plans them anew in this order; keeps that where the sum falls.
    fn reseat(&mut self, order: &[usize]) -> bool {
        if self.left < order.len() {
            return false;
        }
        let before: f64 = order.iter().map(|member| self.costs[*member]).sum();
        for member in order {
            release(&mut self.taken, &self.plans[*member].segments, self.crowd.resources(*member));
        }
        let mut made: Vec<(usize, Plan, f64)> = Vec::with_capacity(order.len());
        // What those still to come cost at least.
        let mut rest: f64 = order.iter().map(|member| self.ideal[*member].as_ref().map_or(0.0, |ideal| ideal.0)).sum();
        let mut after = 0.0;
        for member in order {
            self.left -= 1;
            let plan = self.crowd.answer(*member, &self.taken);
            let cost = self.crowd.cost(*member, &plan);
            rest -= self.ideal[*member].as_ref().map_or(0.0, |ideal| ideal.0);
            after += cost;
            occupy(&mut self.taken, &plan.segments, self.crowd.resources(*member));
            made.push((*member, plan, cost));
            if before * (1.0 - LEAST_GAIN) <= after + rest {
                break;
            }
        }
        let better = made.len() == order.len() && after < before * (1.0 - LEAST_GAIN);
        if better {
            for (member, plan, cost) in made {
                self.plans[member] = plan;
                self.costs[member] = cost;
            }
            return true;
        }
        for (member, plan, _) in made {
            release(&mut self.taken, &plan.segments, self.crowd.resources(member));
        }
        for member in order {
            occupy(&mut self.taken, &self.plans[*member].segments, self.crowd.resources(*member));
        }
        false
    }
}

/// A number below `end` that looks random and is the same every time (splitmix64).
fn below(seed: usize, end: usize) -> usize {
    let mixed = (seed as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((mixed ^ (mixed >> 31)) % end.max(1) as u64).unwrap_or_default()
}

fn occupy(taken: &mut Taken, segments: &[Segment], resources: Resources) {
    for segment in segments {
        if let Some(site) = taken.get_mut(&segment.site) {
            site.add(segment.window, segment.takes(resources));
        }
    }
}

fn release(taken: &mut Taken, segments: &[Segment], resources: Resources) {
    for segment in segments {
        if let Some(site) = taken.get_mut(&segment.site) {
            site.remove(segment.window, segment.takes(resources));
        }
    }
}

/// Makes `plans` as good as `effort` plans allow and says which of them changed.
#[must_use]
pub fn improve<C: Crowd>(crowd: &C, fixed: Taken, plans: Vec<Plan>, effort: usize) -> Vec<(usize, Plan)> {
    let before: Vec<Vec<Segment>> = plans.iter().map(|plan| plan.segments.clone()).collect();
    let mut round = Round::of(crowd, fixed, plans, effort);
    round.improve();
    let after = round.into_plans().into_iter().enumerate();
    after.filter(|(member, plan)| plan.segments != before[*member]).collect()
}

#[cfg(test)]
mod tests;
