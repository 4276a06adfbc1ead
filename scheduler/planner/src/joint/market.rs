//! Prices of room: what an hour of a processor at a site is worth beside its carbon, when many jobs want it.
//!
//! The problem in whole slots, and its Lagrangian relaxation (Held, Wolfe and Crowder 1974; for time-indexed scheduling Dyer and
//! Wolsey 1990): capacity is no rule any more but has a price at each site and slot, every job then takes its cheapest course by
//! itself, and a subgradient step raises the price where too much was taken and lowers it where room was left. For any prices
//! that are not negative, the sum of those courses minus the worth of all room is a lower bound on the carbon of every plan
//! that keeps the capacity. The prices of the best bound are tolls by which jobs planned one after the other leave the
//! cleanest hours to those that lose most without them.
//!
//! Sites have one speed and power here; stops and starts cost nothing. Both only make the bound smaller where they cost more
//! in truth; sites of unequal speed are not covered.

use crate::oracle::multi;

/// One site over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// gCO2e/kWh of each slot, PUE included.
    pub intensities: Vec<f64>,
    /// Processors free in each slot; as many slots as intensities.
    pub room: Vec<f64>,
    /// Energy of bringing one job here, kWh, at the intensity of the slot it starts in.
    pub transfer_kwh: f64,
    /// Slots that takes.
    pub transfer_slots: usize,
}

/// One job.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Slots it runs; at least 1.
    pub length: usize,
    /// Processors it takes, all at once.
    pub width: f64,
    /// Power of the whole job, kW.
    pub kilowatts: f64,
    /// The first slot it may run in.
    pub earliest: usize,
    /// The first slot it may not run in any more.
    pub end: usize,
    /// Whether it may be paused between slots, and move.
    pub pausable: bool,
    /// The place its data lie at: starting elsewhere takes a transfer. `None` where they lie nowhere.
    pub home: Option<usize>,
    /// Where it may run.
    pub places: Vec<usize>,
}

/// Jobs and places.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Hours of a slot.
    pub slot_h: f64,
    /// Where jobs may run; all over the same slots.
    pub places: Vec<Place>,
    /// What is to run.
    pub tasks: Vec<Task>,
}

/// Prices with what they prove.
#[derive(Debug, Clone, PartialEq)]
pub struct Prices {
    /// Grams for an hour of a processor, by place and slot.
    pub tolls: Vec<Vec<f64>>,
    /// No plan that keeps all capacities and ends emits less than this, grams. Infinite where a task has no course at all.
    pub bound: f64,
}

/// Rounds without a better bound after which the optimum is taken to be nearer.
const PATIENCE: usize = 5;
/// How far above the first bound the optimum is taken to be, as a share of it, for the length of the first steps: the flow's prices
/// are near it.
const FIRST_GUESS: f64 = 0.01;
/// By how much that guess grows with a better bound, and shrinks without one: Bertsekas' path-based target level
/// (Nonlinear Programming, section 7.5).
const BOLDER: f64 = 1.2;
const HUMBLER: f64 = 0.7;
/// Arcs of the largest flow that prices begin with.
const MOST_ARCS: usize = 200_000;
/// How much of the last step's direction the next one keeps. Where many courses cost the same the excess of one choice among them
/// points nowhere; of several it does (Camerini, Fratta and Maffioli 1975).
const MOMENTUM: f64 = 0.7;

/// Prices while they are found, a round at a time and a round in pieces, so that whoever has other things to do can see to them.
#[derive(Debug, Clone)]
pub struct Auction {
    tolls: Vec<Vec<f64>>,
    /// Where the last step went.
    direction: Vec<Vec<f64>>,
    best: Prices,
    /// How far above the best bound the optimum is taken to be, once there is a bound.
    above: Option<f64>,
    idle: usize,
    round: Round,
}

/// One round: every task takes its cheapest course under the tolls.
#[derive(Debug, Clone)]
struct Round {
    next: usize,
    cost: f64,
    /// Processor-hours taken beyond the room, by place and slot.
    excess: Vec<Vec<f64>>,
}

impl Round {
    fn of(case: &Case) -> Self {
        let room = |place: &Place| place.room.iter().map(|room| -room * case.slot_h).collect();
        Self { next: 0, cost: 0.0, excess: case.places.iter().map(room).collect() }
    }
}

impl Auction {
    /// Begins with the prices of the flow ([`multi::flow_prices`]), or from nothing where that has more than some hundred thousand arcs:
    /// it is found in one go.
    #[must_use]
    pub fn of(case: &Case) -> Self {
        let slots = case.places.first().map_or(0, |place| place.room.len());
        let arcs: usize = case.tasks.iter().map(|task| task.places.len() * slots).sum();
        let nothing = || case.places.iter().map(|place| vec![0.0; place.room.len()]).collect();
        Self::from_tolls(case, if arcs <= MOST_ARCS { multi::flow_prices(case) } else { nothing() })
    }

    /// Begins with these prices: grams for an hour of a processor, by place and slot.
    #[must_use]
    pub fn from_tolls(case: &Case, tolls: Vec<Vec<f64>>) -> Self {
        let direction = case.places.iter().map(|place| vec![0.0; place.room.len()]).collect();
        let best = Prices { tolls: tolls.clone(), bound: f64::NEG_INFINITY };
        Self { tolls, direction, best, above: None, idle: 0, round: Round::of(case) }
    }

    /// The prices of the best bound so far.
    #[must_use]
    pub const fn best(&self) -> &Prices {
        &self.best
    }

    /// Goes on for about so many steps of work, which are taken off, at most to the end of the round. Whether that was reached.
    pub fn advance(&mut self, case: &Case, work: &mut usize) -> bool {
        while let Some(task) = case.tasks.get(self.round.next) {
            if *work == 0 {
                return false;
            }
            *work = work.saturating_sub(case.effort_of(task));
            self.round.next += 1;
            let Some((cost, slots)) = case.cheapest(task, &self.tolls) else {
                self.best = Prices { tolls: self.tolls.clone(), bound: f64::INFINITY };
                continue;
            };
            self.round.cost += cost;
            for (place, slot) in slots {
                self.round.excess[place][slot] += task.width * case.slot_h;
            }
        }
        self.step(case);
        true
    }

    /// The end of a round: its bound, and prices for the next.
    fn step(&mut self, case: &Case) {
        let Round { cost: mut bound, mut excess, .. } = std::mem::replace(&mut self.round, Round::of(case));
        if self.best.bound == f64::INFINITY {
            // A task has no course at all, and no prices change that.
            return;
        }
        for (place, (tolls, excess)) in self.tolls.iter().zip(&mut excess).enumerate() {
            for (slot, (toll, excess)) in tolls.iter().zip(excess).enumerate() {
                if 0.0 < *toll {
                    bound -= toll * case.places[place].room[slot] * case.slot_h;
                } else {
                    // A price of nothing cannot fall.
                    *excess = excess.max(0.0);
                }
            }
        }
        let above = self.above.unwrap_or(FIRST_GUESS * bound);
        let above = if self.best.bound < bound {
            self.best = Prices { tolls: self.tolls.clone(), bound };
            self.idle = 0;
            if self.above.is_none() { above } else { above * BOLDER }
        } else {
            self.idle += 1;
            if self.idle.is_multiple_of(PATIENCE) { above * HUMBLER } else { above }
        };
        self.above = Some(above);
        let directions = self.direction.iter_mut().flatten();
        for (direction, excess) in directions.zip(excess.iter().flatten()) {
            *direction = *direction * MOMENTUM + excess;
        }
        let square: f64 = self.direction.iter().flatten().map(|direction| direction * direction).sum();
        if 0.0 < square {
            let step = (self.best.bound + above - bound).max(0.0) / square;
            for (toll, direction) in self.tolls.iter_mut().flatten().zip(self.direction.iter().flatten()) {
                *toll = (*toll + step * direction).max(0.0);
            }
        }
    }
}

impl Case {
    /// Grams of bringing a task to a place in a slot.
    #[must_use]
    pub fn transfer_g(&self, task: &Task, place: usize, slot: usize) -> f64 {
        let there = &self.places[place];
        if task.home.is_none_or(|home| home == place) { 0.0 } else { there.transfer_kwh * there.intensities[slot] }
    }

    /// The first slot a task can run in at a place.
    #[must_use]
    pub fn earliest(&self, task: &Task, place: usize) -> usize {
        let moves = task.home.is_some_and(|home| home != place);
        task.earliest + if moves { self.places[place].transfer_slots } else { 0 }
    }

    /// Grams and slots `(place, slot)` of the cheapest course of a task under tolls, capacity left aside. `None` where no course
    /// is long enough.
    fn cheapest(&self, task: &Task, tolls: &[Vec<f64>]) -> Option<(f64, Vec<(usize, usize)>)> {
        let end = task.end.min(self.places.iter().map(|place| place.intensities.len()).min()?);
        let price = |place: usize, slot: usize| {
            self.slot_h * (task.kilowatts * self.places[place].intensities[slot] + task.width * tolls[place][slot])
        };
        let wide_enough = |place: &usize| self.places[*place].room.iter().any(|room| task.width <= *room);
        let places = task.places.iter().copied().filter(wide_enough);
        if task.pausable {
            return self.cheapest_in_pieces(task, &places.collect::<Vec<_>>(), end, price);
        }
        let mut best: Option<(f64, usize, usize)> = None;
        for place in places {
            let first = self.earliest(task, place);
            if end < first + task.length {
                continue;
            }
            let mut sum: f64 = (first..first + task.length).map(|slot| price(place, slot)).sum();
            for start in first..=end - task.length {
                let cost = sum + self.transfer_g(task, place, start);
                if best.is_none_or(|(least, ..)| cost < least) {
                    best = Some((cost, place, start));
                }
                if start + task.length < end {
                    sum += price(place, start + task.length) - price(place, start);
                }
            }
        }
        best.map(|(cost, place, start)| (cost, (start..start + task.length).map(|slot| (place, slot)).collect()))
    }

    /// The same of a task that may be paused and may move, by a dynamic programme over slot, place and slots done: exact but for
    /// the time of moves after the first start, which it leaves out. O(slots x places x length).
    fn cheapest_in_pieces(
        &self,
        task: &Task,
        places: &[usize],
        end: usize,
        price: impl Fn(usize, usize) -> f64,
    ) -> Option<(f64, Vec<(usize, usize)>)> {
        let (count, length) = (places.len(), task.length);
        // What it costs to have done so many slots and to be at a place.
        let mut least = vec![f64::INFINITY; count * (length + 1)];
        // By slot, place and slots done after it: from which place it came to run in that slot here, if it did.
        let mut came = vec![None; end * count * (length + 1)];
        let begins_at = |place: usize| task.home.is_none_or(|home| home == place);
        for (at, place) in places.iter().enumerate() {
            least[at * (length + 1)] = if begins_at(*place) { 0.0 } else { f64::INFINITY };
        }
        // A home that is too narrow for the task is where it comes from all the same.
        let from_outside = task.home.is_some_and(|home| !places.contains(&home));
        for slot in task.earliest..end {
            for done in (0..length).rev() {
                let cheapest = (0..count).map(|at| (least[at * (length + 1) + done], at));
                let (mut elsewhere, mut from) = cheapest.min_by(|a, b| a.0.total_cmp(&b.0))?;
                if from_outside && done == 0 {
                    (elsewhere, from) = (0.0, usize::MAX);
                }
                for (at, place) in places.iter().enumerate() {
                    if slot < self.earliest(task, *place) {
                        continue;
                    }
                    let there = &self.places[*place];
                    let moved = elsewhere + there.transfer_kwh * there.intensities[slot];
                    let stayed = least[at * (length + 1) + done];
                    let (reached, origin) = if moved < stayed { (moved, from) } else { (stayed, at) };
                    let cost = reached + price(*place, slot);
                    let to = at * (length + 1) + done + 1;
                    if cost < least[to] {
                        least[to] = cost;
                        came[(slot * count + at) * (length + 1) + done + 1] = Some(origin);
                    }
                }
            }
        }
        let ends = (0..count).map(|at| (least[at * (length + 1) + length], at));
        let (cost, mut at) = ends.min_by(|a, b| a.0.total_cmp(&b.0)).filter(|(cost, _)| cost.is_finite())?;
        let (mut done, mut slots) = (length, Vec::with_capacity(length));
        for slot in (task.earliest..end).rev() {
            if 0 < done
                && at < count
                && let Some(origin) = came[(slot * count + at) * (length + 1) + done]
            {
                slots.push((places[at], slot));
                (at, done) = (origin, done - 1);
            }
        }
        slots.reverse();
        Some((cost, slots))
    }

    /// Prices after so many rounds, and the best bound of all rounds. The more rounds the better both; 300 are mostly enough.
    /// O(rounds x tasks x places x slots), times the length for tasks that can be paused.
    #[must_use]
    pub fn prices(&self, rounds: usize) -> Prices {
        let mut auction = Auction::from_tolls(self, multi::flow_prices(self));
        for _ in 0..rounds.max(1) {
            let mut no_end = usize::MAX;
            auction.advance(self, &mut no_end);
        }
        auction.best
    }

    /// Steps of work of finding a task's cheapest course.
    #[must_use]
    pub fn effort_of(&self, task: &Task) -> usize {
        let slots = self.places.first().map_or(0, |place| place.intensities.len());
        slots * task.places.len() * if task.pausable { task.length } else { 1 }
    }
}
