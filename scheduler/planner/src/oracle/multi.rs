//! Many jobs at several sites with limited room: the exact optimum of small cases, and bounds of large ones.
//!
//! [`fewest_grams`] tries every way to place the jobs, cut short where what is placed and the least of what is left cannot be
//! better (branch and bound): for up to some five jobs, ten slots and three places. Jobs run at full width, in one stretch or, if
//! they can be paused, in any slots, moving between places; every arrival at another place takes the transfer's energy and slots.
//!
//! Two lower bounds for the rest. [`flow_bound`] is the exact flow of [`super::flow`] with the slots copied for each place: jobs
//! may be paused, narrowed, and run at several places at once, transfers are free; powers for each processor are taken to be the
//! least there is. [`bound`] is the larger of that and the Lagrangian bound of [`crate::joint::market`], which keeps jobs whole,
//! in one place at a time, counts transfers and takes unequal power as it is.

use super::flow::{Demand, Schedule, Slot, cleanest_first};
use crate::joint::market::{Case, Place, Task};

/// Processors below which there is no difference.
const NOTHING: f64 = 1e-9;

/// Where a task runs, slot by slot: `(place, slot)`.
pub type Course = Vec<(usize, usize)>;

/// The least carbon of all ways to run all tasks in time, in grams, and one way that has it; `None` where there is none.
#[must_use]
pub fn fewest_grams(case: &Case) -> Option<(f64, Vec<Course>)> {
    fewest_grams_within(case, u64::MAX)
}

/// The same after so many tries of a course: the best found until then, which may not be the least.
#[must_use]
pub fn fewest_grams_within(case: &Case, tries: u64) -> Option<(f64, Vec<Course>)> {
    let mut choices: Vec<Vec<(f64, Course)>> = case.tasks.iter().map(|task| courses(case, task)).collect();
    for choices in &mut choices {
        choices.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    // The task with the fewest ways first: it binds the others most.
    let mut order: Vec<usize> = (0..choices.len()).collect();
    order.sort_by_key(|task| choices[*task].len());
    let mut rest = vec![0.0; order.len() + 1];
    for (at, task) in order.iter().enumerate().rev() {
        rest[at] = rest[at + 1] + choices[*task].first()?.0;
    }
    let mut search = Search {
        case,
        choices: &choices,
        order: &order,
        rest: &rest,
        room: case.places.iter().map(|place| place.room.clone()).collect(),
        taken: vec![0; order.len()],
        best: None,
        left: tries,
    };
    search.place(0, 0.0);
    let (grams, taken) = search.best?;
    let courses = taken.iter().zip(&choices).map(|(choice, choices)| choices[*choice].1.clone()).collect();
    Some((grams, courses))
}

struct Search<'a> {
    case: &'a Case,
    choices: &'a [Vec<(f64, Course)>],
    order: &'a [usize],
    /// The least of the tasks from each place in the order on.
    rest: &'a [f64],
    room: Vec<Vec<f64>>,
    taken: Vec<usize>,
    best: Option<(f64, Vec<usize>)>,
    /// Tries of a course that are left.
    left: u64,
}

impl Search<'_> {
    fn place(&mut self, at: usize, grams: f64) {
        let Some(task) = self.order.get(at).copied() else {
            self.best = Some((grams, self.taken.clone()));
            return;
        };
        let width = self.case.tasks[task].width;
        for (choice, (cost, course)) in self.choices[task].iter().enumerate() {
            let least = grams + cost + self.rest[at + 1];
            if self.best.as_ref().is_some_and(|(best, _)| best - NOTHING <= least) {
                // Choices are in the order of their cost: those that follow are no better.
                return;
            }
            let Some(left) = self.left.checked_sub(1) else { return };
            self.left = left;
            if course.iter().any(|(place, slot)| self.room[*place][*slot] + NOTHING < width) {
                continue;
            }
            self.taken[task] = choice;
            for (place, slot) in course {
                self.room[*place][*slot] -= width;
            }
            self.place(at + 1, grams + cost);
            for (place, slot) in course {
                self.room[*place][*slot] += width;
            }
        }
    }
}

/// Every course of a task with its grams.
fn courses(case: &Case, task: &Task) -> Vec<(f64, Course)> {
    let end = task.end.min(case.places.iter().map(|place| place.intensities.len()).min().unwrap_or_default());
    let mut all = Vec::new();
    if task.pausable {
        extend(case, task, end, &mut Vec::new(), 0.0, &mut all);
        return all;
    }
    for place in task.places.iter().copied() {
        for start in case.earliest(task, place)..(end + 1).saturating_sub(task.length) {
            let course: Course = (start..start + task.length).map(|slot| (place, slot)).collect();
            let run: f64 = course.iter().map(|(place, slot)| case.places[*place].intensities[*slot]).sum();
            all.push((task.kilowatts * case.slot_h * run + case.transfer_g(task, place, start), course));
        }
    }
    all
}

/// Every way to go on from a course begun.
fn extend(case: &Case, task: &Task, end: usize, course: &mut Course, grams: f64, all: &mut Vec<(f64, Course)>) {
    if course.len() == task.length {
        all.push((grams, course.clone()));
        return;
    }
    let last = course.last().copied();
    for place in task.places.iter().copied() {
        let there = &case.places[place];
        let (first, moves) = match last {
            Some((at, slot)) if at == place => (slot + 1, false),
            Some((_, slot)) => (slot + 1 + there.transfer_slots, true),
            None => (case.earliest(task, place), task.home.is_some_and(|home| home != place)),
        };
        for slot in first..end {
            let transfer = if moves { there.transfer_kwh * there.intensities[slot] } else { 0.0 };
            course.push((place, slot));
            let run = task.kilowatts * case.slot_h * there.intensities[slot];
            extend(case, task, end, course, grams + run + transfer, all);
            course.pop();
        }
    }
}

/// The flow of a case: jobs without width and place, slots copied for each place.
struct Relaxed {
    demands: Vec<Demand>,
    /// Slots of the first place, then those of the second …
    copies: Vec<Slot>,
    schedule: Schedule,
}

impl Relaxed {
    fn of(case: &Case) -> Self {
        let slots = case.places.iter().map(|place| place.intensities.len()).min().unwrap_or_default();
        let copies: Vec<Slot> = case
            .places
            .iter()
            .flat_map(|place| {
                let both = place.intensities.iter().zip(&place.room).take(slots);
                both.map(|(intensity, room)| Slot { intensity: *intensity, capacity: room * case.slot_h })
            })
            .collect();
        let demand = |task: &Task| Demand {
            work: task.width * task.length as f64 * case.slot_h,
            slots: task
                .places
                .iter()
                .copied()
                .flat_map(|place| {
                    (case.earliest(task, place)..task.end.min(slots))
                        .map(move |slot| (place * slots + slot, task.width * case.slot_h))
                })
                .collect(),
            // Equal, as the flow wants it; whoever counts grams brings it to the powers there are.
            power: 1.0,
        };
        let demands: Vec<Demand> = case.tasks.iter().map(demand).collect();
        let schedule = cleanest_first(&demands, &copies);
        Self { demands, copies, schedule }
    }

    /// For each copy of a slot what one more unit of room in it would save: the dirtiest slot from which work could move up,
    /// through any chain of jobs, less its own intensity. These are the optimal prices (dual values) of the flow.
    fn worth(&self) -> Vec<f64> {
        let mut here: Vec<Vec<usize>> = vec![Vec::new(); self.copies.len()];
        for (job, (demand, done)) in self.demands.iter().zip(&self.schedule.done).enumerate() {
            for ((slot, _), _) in demand.slots.iter().zip(done).filter(|(_, done)| NOTHING < **done) {
                here[*slot].push(job);
            }
        }
        let mut order: Vec<usize> = (0..self.copies.len()).collect();
        order.sort_by(|a, b| self.copies[*b].intensity.total_cmp(&self.copies[*a].intensity).then(a.cmp(b)));
        let mut levels: Vec<Option<f64>> = vec![None; self.copies.len()];
        for from in order {
            let level = self.copies[from].intensity;
            let mut leaves = vec![from];
            while let Some(slot) = leaves.pop() {
                for job in std::mem::take(&mut here[slot]) {
                    for ((to, most), done) in self.demands[job].slots.iter().zip(&self.schedule.done[job]) {
                        if levels[*to].is_none() && NOTHING < most - done {
                            levels[*to] = Some(level);
                            leaves.push(*to);
                        }
                    }
                }
            }
        }
        let pairs = levels.into_iter().zip(&self.copies);
        pairs.map(|(level, slot)| (level.unwrap_or(slot.intensity) - slot.intensity).max(0.0)).collect()
    }
}

/// A lower bound in grams by the flow with slots copied for each place. Exact for tasks of equal power for each processor
/// that can be paused, narrowed and divided between places, without transfers. Infinite where not all work finds room.
#[must_use]
pub fn flow_bound(case: &Case) -> f64 {
    let relaxed = Relaxed::of(case);
    if 1e-6 < relaxed.schedule.undone {
        return f64::INFINITY;
    }
    let least = case.tasks.iter().map(|task| task.kilowatts / task.width).reduce(f64::min).unwrap_or_default();
    relaxed.schedule.cost * least
}

/// The prices of that flow: grams for an hour of a processor, by place and slot, at the mean power of a processor.
#[must_use]
pub fn flow_prices(case: &Case) -> Vec<Vec<f64>> {
    let relaxed = Relaxed::of(case);
    let (power, width) = case.tasks.iter().fold((0.0, 0.0), |sum, task| (sum.0 + task.kilowatts, sum.1 + task.width));
    let mean = if 0.0 < width { power / width } else { 0.0 };
    let worth = relaxed.worth();
    let slots = worth.len() / case.places.len().max(1);
    let of_place = |(number, place): (usize, &Place)| {
        let mut tolls: Vec<f64> = worth[number * slots..][..slots].iter().map(|worth| worth * mean).collect();
        tolls.resize(place.room.len(), 0.0);
        tolls
    };
    case.places.iter().enumerate().map(of_place).collect()
}

/// The better of the two lower bounds, grams, after so many rounds of prices.
#[must_use]
pub fn bound(case: &Case, rounds: usize) -> f64 {
    flow_bound(case).max(case.prices(rounds).bound)
}

#[cfg(test)]
mod tests;
