//! Many jobs, limited capacity: who runs when, so that all are done in time at the least carbon.
//!
//! Jobs may be paused at any moment and run on any part of their width; each then is a supply of processor-hours, each slot of
//! time a place for so many. Where a processor-hour draws the same power in every job, its cost depends on the slot alone, the
//! totals by slot form a polymatroid, and taking slots from the cleanest to the dirtiest, each as far as a flow can be augmented
//! through it, is optimal: [`cleanest_first`]. With unequal power it is a minimum-cost flow: [`cheapest`].

use std::collections::VecDeque;

/// Processor-hours below which a flow is none.
const NOTHING: f64 = 1e-9;

/// One job's work.
#[derive(Debug, Clone, PartialEq)]
pub struct Demand {
    /// Processor-hours to be done.
    pub work: f64,
    /// Slots it may run in, with the most processor-hours it can do in each.
    pub slots: Vec<(usize, f64)>,
    /// Power of a processor, of any unit that all jobs share.
    pub power: f64,
}

/// One slot of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slot {
    /// Carbon intensity.
    pub intensity: f64,
    /// Processor-hours there are; infinite where there is no limit.
    pub capacity: f64,
}

/// Who runs when.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// Intensity times power times processor-hours, in sum.
    pub cost: f64,
    /// Processor-hours of each job in each of its slots, in the order of the demand.
    pub done: Vec<Vec<f64>>,
    /// Processor-hours that find no place before their deadlines.
    pub undone: f64,
}

/// Arcs between jobs and slots.
struct Network<'a> {
    jobs: &'a [Demand],
    /// For each slot: job, and place of the slot in the job's list.
    by_slot: Vec<Vec<(usize, usize)>>,
    flow: Vec<Vec<f64>>,
    supply: Vec<f64>,
    room: Vec<f64>,
}

impl<'a> Network<'a> {
    fn new(jobs: &'a [Demand], slots: &[Slot]) -> Self {
        let mut by_slot = vec![Vec::new(); slots.len()];
        for (job, demand) in jobs.iter().enumerate() {
            for (place, (slot, _)) in demand.slots.iter().enumerate() {
                by_slot[*slot].push((job, place));
            }
        }
        Self {
            jobs,
            by_slot,
            flow: jobs.iter().map(|job| vec![0.0; job.slots.len()]).collect(),
            supply: jobs.iter().map(|job| job.work).collect(),
            room: slots.iter().map(|slot| slot.capacity).collect(),
        }
    }

    fn schedule(self, slots: &[Slot]) -> Schedule {
        let cost = self.jobs.iter().zip(&self.flow).map(|(job, flow)| {
            let sums = job.slots.iter().zip(flow).map(|((slot, _), hours)| slots[*slot].intensity * hours);
            job.power * sums.sum::<f64>()
        });
        let undone = self.supply.iter().filter(|left| NOTHING < **left).sum();
        Schedule { cost: cost.sum(), undone, done: self.flow }
    }

    /// Sends as much as possible from one supply to a slot, along jobs that move out of it into slots on the way.
    fn push(&mut self, path: &[(usize, usize)], first: usize) {
        // `path` leads from the slot back to the supply: (job, place it moves to), then (job, place) of the slot it left, ….
        let (source, _) = path[path.len() - 1];
        let mut amount = self.room[first].min(self.supply[source]);
        for (index, (job, place)) in path.iter().enumerate() {
            amount = amount.min(self.jobs[*job].slots[*place].1 - self.flow[*job][*place]);
            if let Some((_, left)) = path.get(index + 1).map(|next| (next.0, self.left_by(*job, next))) {
                amount = amount.min(self.flow[*job][left]);
            }
        }
        for (index, (job, place)) in path.iter().enumerate() {
            if let Some(next) = path.get(index + 1) {
                let left = self.left_by(*job, next);
                self.flow[*job][left] -= amount;
            }
            self.flow[*job][*place] += amount;
        }
        self.supply[source] -= amount;
        self.room[first] -= amount;
    }

    /// The place in `job`'s own list of the slot that the next job on a path moves into.
    fn left_by(&self, job: usize, next: &(usize, usize)) -> usize {
        let slot = self.jobs[next.0].slots[next.1].0;
        self.jobs[job].slots.binary_search_by_key(&slot, |(slot, _)| *slot).expect("it ran in that slot")
    }
}

/// The least carbon where all jobs draw the same power for each processor (their `power` is only used for the cost). Each
/// demand's slots have to be in order.
#[must_use]
pub fn cleanest_first(jobs: &[Demand], slots: &[Slot]) -> Schedule {
    let mut network = Network::new(jobs, slots);
    let mut order: Vec<usize> = (0..slots.len()).collect();
    order.sort_by(|a, b| slots[*a].intensity.total_cmp(&slots[*b].intensity).then(a.cmp(b)));
    let mut search = Search::new(jobs.len(), slots.len());
    for slot in order {
        while NOTHING < network.room[slot] {
            let Some(path) = search.path(&network, slot) else {
                // From what this search saw nothing can ever be gained: it is closed, and later paths do not enter it.
                search.bury();
                break;
            };
            network.push(&path, slot);
        }
    }
    network.schedule(slots)
}

/// A breadth-first search from a slot back to a job with work to give.
struct Search {
    /// The search that saw a job last; [`Search::DEAD`] for those that are closed for ever.
    seen_job: Vec<u32>,
    seen_slot: Vec<u32>,
    /// How a job was reached: the place it would move to, and the job that left that slot before.
    came: Vec<(usize, usize)>,
    round: u32,
}

impl Search {
    const DEAD: u32 = u32::MAX;
    const NONE: usize = usize::MAX;

    fn new(jobs: usize, slots: usize) -> Self {
        Self { seen_job: vec![0; jobs], seen_slot: vec![0; slots], came: vec![(0, 0); jobs], round: 0 }
    }

    fn path(&mut self, network: &Network, from: usize) -> Option<Vec<(usize, usize)>> {
        self.round += 1;
        // Slots to look at, and the job whose leaving makes room in them.
        let mut queue = VecDeque::from([(from, Self::NONE)]);
        self.seen_slot[from] = self.round;
        while let Some((slot, leaver)) = queue.pop_front() {
            for (job, place) in &network.by_slot[slot] {
                let (job, place) = (*job, *place);
                let seen = self.seen_job[job];
                if seen == self.round || seen == Self::DEAD {
                    continue;
                }
                if network.jobs[job].slots[place].1 - network.flow[job][place] <= NOTHING {
                    continue;
                }
                self.seen_job[job] = self.round;
                self.came[job] = (place, leaver);
                if NOTHING < network.supply[job] {
                    return Some(self.back(job));
                }
                for ((other, _), flow) in network.jobs[job].slots.iter().zip(&network.flow[job]) {
                    let seen = self.seen_slot[*other];
                    if NOTHING < *flow && seen != self.round && seen != Self::DEAD {
                        self.seen_slot[*other] = self.round;
                        queue.push_back((*other, job));
                    }
                }
            }
        }
        None
    }

    /// From the first mover, into the slot the search began at, to the supply.
    fn back(&self, supply: usize) -> Vec<(usize, usize)> {
        let mut path = Vec::new();
        let mut job = supply;
        while job != Self::NONE {
            let (place, leaver) = self.came[job];
            path.push((job, place));
            job = leaver;
        }
        path.reverse();
        path
    }

    /// Closes what the last search saw.
    fn bury(&mut self) {
        for seen in self.seen_job.iter_mut().chain(&mut self.seen_slot).filter(|seen| **seen == self.round) {
            *seen = Self::DEAD;
        }
    }
}

/// The least carbon where powers differ: successive cheapest paths, O(paths x arcs) of a label-correcting search. For thousands of
/// arcs; [`cleanest_first`] for millions.
#[must_use]
pub fn cheapest(jobs: &[Demand], slots: &[Slot]) -> Schedule {
    let mut network = Network::new(jobs, slots);
    while let Some(path) = cheapest_path(&network, slots) {
        let (job, place) = path[0];
        network.push(&path, jobs[job].slots[place].0);
    }
    network.schedule(slots)
}

/// The cheapest way from any supply to any slot with room: labels on jobs, corrected until none changes.
fn cheapest_path(network: &Network, slots: &[Slot]) -> Option<Vec<(usize, usize)>> {
    let jobs = network.jobs;
    let cost = |job: usize, slot: usize| jobs[job].power * slots[slot].intensity;
    // Cost of bringing a unit to a job, to a slot, and from where.
    let mut to_job: Vec<f64> =
        network.supply.iter().map(|left| if NOTHING < *left { 0.0 } else { f64::INFINITY }).collect();
    let mut to_slot = vec![(f64::INFINITY, usize::MAX, 0_usize); slots.len()];
    let mut left_slot = vec![usize::MAX; jobs.len()];
    let mut queue: VecDeque<usize> = (0..jobs.len()).filter(|job| to_job[*job] < f64::INFINITY).collect();
    let mut queued: Vec<bool> = to_job.iter().map(|cost| *cost < f64::INFINITY).collect();
    while let Some(job) = queue.pop_front() {
        queued[job] = false;
        for (place, (slot, most)) in jobs[job].slots.iter().enumerate() {
            let reached = to_job[job] + cost(job, *slot);
            if *most - network.flow[job][place] <= NOTHING || to_slot[*slot].0 <= reached + 1e-12 {
                continue;
            }
            to_slot[*slot] = (reached, job, place);
            // Whoever runs here may give way.
            for (other, at) in network.by_slot[*slot].iter().filter(|(other, at)| NOTHING < network.flow[*other][*at]) {
                let freed = reached - cost(*other, jobs[*other].slots[*at].0);
                if *other != job && freed + 1e-12 < to_job[*other] {
                    to_job[*other] = freed;
                    left_slot[*other] = *slot;
                    if !queued[*other] {
                        queued[*other] = true;
                        queue.push_back(*other);
                    }
                }
            }
        }
    }
    let open = (0..slots.len()).filter(|slot| NOTHING < network.room[*slot] && to_slot[*slot].0 < f64::INFINITY);
    let mut slot = open.min_by(|a, b| to_slot[*a].0.total_cmp(&to_slot[*b].0))?;
    let mut path = Vec::new();
    loop {
        let (_, job, place) = to_slot[slot];
        path.push((job, place));
        if left_slot[job] == usize::MAX {
            return Some(path);
        }
        slot = left_slot[job];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_job_gives_way_to_one_that_has_no_other_slot() {
        let slot = |intensity| Slot { intensity, capacity: 1.0 };
        let jobs = [
            Demand { work: 1.0, slots: vec![(0, 1.0), (1, 1.0)], power: 1.0 },
            Demand { work: 1.0, slots: vec![(0, 1.0)], power: 1.0 },
        ];
        let schedule = cleanest_first(&jobs, &[slot(10.0), slot(20.0)]);
        assert!((schedule.cost - 30.0).abs() < 1e-9 && schedule.undone.abs() < 1e-9);
        assert_eq!(schedule.done, [vec![0.0, 1.0], vec![1.0]]);
    }

    #[test]
    fn what_finds_no_place_is_told() {
        let jobs = [Demand { work: 3.0, slots: vec![(0, 2.0)], power: 1.0 }];
        let schedule = cleanest_first(&jobs, &[Slot { intensity: 10.0, capacity: 1.5 }]);
        assert!((schedule.undone - 1.5).abs() < 1e-9);
    }

    #[test]
    fn the_hungrier_job_gets_the_cleaner_slot() {
        let slot = |intensity| Slot { intensity, capacity: 1.0 };
        let demand = |power| Demand { work: 1.0, slots: vec![(0, 1.0), (1, 1.0)], power };
        let schedule = cheapest(&[demand(1.0), demand(3.0)], &[slot(10.0), slot(20.0)]);
        assert!((schedule.cost - 50.0).abs() < 1e-9, "{schedule:?}");
    }

    /// Whole units: every way to place them.
    fn brute_force(jobs: &[Demand], slots: &[Slot]) -> f64 {
        fn place(jobs: &[Demand], slots: &[Slot], room: &mut [f64], at: usize, from: usize, left: f64) -> f64 {
            let Some(job) = jobs.get(at) else { return 0.0 };
            if left < NOTHING {
                let next = jobs.get(at + 1).map_or(0.0, |job| job.work);
                return place(jobs, slots, room, at + 1, 0, next);
            }
            let Some((slot, most)) = job.slots.get(from) else { return f64::INFINITY };
            let mut best = f64::INFINITY;
            let mut units = 0.0;
            while units <= most.min(left).min(room[*slot]) + NOTHING {
                room[*slot] -= units;
                let rest = place(jobs, slots, room, at, from + 1, left - units);
                best = best.min(rest + units * job.power * slots[*slot].intensity);
                room[*slot] += units;
                units += 1.0;
            }
            best
        }
        let mut room: Vec<f64> = slots.iter().map(|slot| slot.capacity).collect();
        place(jobs, slots, &mut room, 0, 0, jobs.first().map_or(0.0, |job| job.work))
    }

    fn worlds(powers: std::ops::Range<u32>) -> impl Strategy<Value = (Vec<Demand>, Vec<Slot>)> {
        let slots = prop::collection::vec((0_u32..50, 0_u32..4), 1..5);
        let jobs = prop::collection::vec((1_u32..4, 0_usize..4, 1_usize..5, 1_u32..3, powers), 1..4);
        (slots, jobs).prop_map(|(slots, jobs)| {
            let count = slots.len();
            let slots = slots
                .into_iter()
                .map(|(intensity, capacity)| Slot { intensity: intensity.into(), capacity: capacity.into() });
            let jobs = jobs.into_iter().map(|(work, from, length, width, power)| Demand {
                work: work.into(),
                slots: (from % count..(from % count + length).min(count))
                    .map(|slot| (slot, f64::from(width)))
                    .collect(),
                power: power.into(),
            });
            (jobs.collect(), slots.collect())
        })
    }

    fn check(schedule: &Schedule, least: f64) -> Result<(), TestCaseError> {
        if least.is_finite() {
            prop_assert!(schedule.undone < 1e-6, "{schedule:?}");
            prop_assert!((schedule.cost - least).abs() < 1e-6, "{schedule:?}, brute force {least}");
        } else {
            prop_assert!(1e-6 < schedule.undone, "{schedule:?}");
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1500))]

        #[test]
        fn no_schedule_of_equal_powers_is_cleaner((jobs, slots) in worlds(1..2)) {
            check(&cleanest_first(&jobs, &slots), brute_force(&jobs, &slots))?;
        }

        #[test]
        fn no_schedule_of_unequal_powers_is_cleaner((jobs, slots) in worlds(1..4)) {
            check(&cheapest(&jobs, &slots), brute_force(&jobs, &slots))?;
        }
    }
}
