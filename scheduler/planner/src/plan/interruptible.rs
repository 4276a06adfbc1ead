//! The cheapest way to run work in pieces: a dynamic programme over (slot, units done, running or not, site).
//!
//! It knows slots, units and grams, neither times nor forecasts: whoever builds the [`Problem`] does. Stops, starts and
//! moves have prices; the time they cost is the builder's to add. The result is the optimum of the problem as given:
//! `O(slots x units x sites)`.

/// Work to be done in slots at sites. Sites and slots are numbered from 0 on; costs are in grams.
#[derive(Debug, Clone, Default)]
pub(super) struct Problem {
    /// Units of work to do, at least 1.
    pub units: usize,
    /// What each slot offers at each site: `cells[slot][site]`.
    pub cells: Vec<Vec<Cell>>,
    /// How many sites there are.
    pub sites: usize,
    /// For each slot and site, up to which slot a job must have stopped elsewhere to start here by this slot: the last
    /// slot whose beginning is a transfer time before. `None` where that was before the first.
    pub leave_by: Vec<Vec<Option<usize>>>,
    /// How it begins.
    pub beginning: Beginning,
    /// What ending with each slot costs, such as the price of delay.
    pub end_cost: Vec<f64>,
}

/// One slot at one site.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cell {
    /// Units of work done in it; 0 where the job cannot run, or for too short a time.
    pub units: usize,
    /// Whether a job that runs already may run on through it although no unit of work is done.
    pub passes: bool,
    /// Cost of all of these units.
    pub run: f64,
    /// Cost of a start at its beginning.
    pub start: f64,
    /// Cost of moving here from another site, beside a stop and a start.
    pub transfer: f64,
    /// Cost of a stop at its beginning.
    pub stop: f64,
    /// Cost of the very first start, if the job does not run yet and may start here then.
    pub first: Option<f64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) enum Beginning {
    /// The job does not run: waiting is free.
    #[default]
    Waiting,
    /// The job runs at this site.
    RunningAt(usize),
}

/// The optimum.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Optimum {
    /// Slot and site of each piece, in order.
    pub run: Vec<(usize, usize)>,
    /// What it costs.
    pub cost: f64,
}

/// How a running state was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    Never,
    /// Ran here in the slot before.
    Running,
    /// Was stopped here.
    Stopped,
    /// Had not begun.
    Fresh,
    /// Was stopped at another site.
    Moved(usize),
}

/// Costs at the beginning of each slot, by units done and site. Running means: ran in the slot before.
struct Table {
    sites: usize,
    units: usize,
    running: Vec<f64>,
    stopped: Vec<f64>,
    came: Vec<Came>,
    /// Whether a stopped state was reached by a stop at this very moment.
    stopped_now: Vec<bool>,
    /// The two cheapest sites to be stopped at, so that a move looks at two and not at all.
    least: Vec<[(f64, usize); 2]>,
    /// Units done before the piece that completed the work.
    before_last: Vec<usize>,
}

impl Table {
    fn new(slots: usize, units: usize, sites: usize) -> Self {
        let size = (slots + 1) * (units + 1) * sites;
        Self {
            sites,
            units,
            running: vec![f64::INFINITY; size],
            stopped: vec![f64::INFINITY; size],
            came: vec![Came::Never; size],
            stopped_now: vec![false; size],
            least: vec![[(f64::INFINITY, usize::MAX); 2]; (slots + 1) * (units + 1)],
            before_last: vec![0; (slots + 1) * sites],
        }
    }

    fn index(&self, slot: usize, done: usize, site: usize) -> usize {
        (slot * (self.units + 1) + done) * self.sites + site
    }

    /// The least cost of being stopped at another site than this one, and which.
    fn elsewhere(&self, slot: usize, done: usize, site: usize) -> (f64, usize) {
        let [first, second] = self.least[slot * (self.units + 1) + done];
        if first.1 == site { second } else { first }
    }
}

/// The cheapest course, or `None` if the work cannot be done. Of courses that cost the same the one that ends first.
pub(super) fn cheapest(problem: &Problem) -> Option<Optimum> {
    let (slots, sites) = (problem.cells.len(), problem.sites);
    let mut table = Table::new(slots, problem.units, sites);
    if let Beginning::RunningAt(site) = problem.beginning {
        let at = table.index(0, 0, site);
        table.running[at] = 0.0;
    }
    let mut best: Option<(f64, usize, usize)> = None;
    for slot in 0..slots {
        stop(problem, &mut table, slot);
        run(problem, &mut table, slot);
        for site in 0..sites {
            let at = table.index(slot + 1, problem.units, site);
            let cost = table.running[at] + problem.end_cost[slot];
            // Equal up to rounding counts as equal: the earlier end wins.
            if best.is_none_or(|(least, _, _)| cost < least - 1e-9 * least.abs()) && cost.is_finite() {
                best = Some((cost, slot + 1, site));
            }
        }
    }
    let (cost, end, site) = best?;
    Some(Optimum { run: trace(problem, &table, end, site), cost })
}

/// At the beginning of a slot whatever ran may stop; whatever was stopped may stay so.
fn stop(problem: &Problem, table: &mut Table, slot: usize) {
    for done in 0..problem.units {
        for site in 0..table.sites {
            let at = table.index(slot, done, site);
            if 0 < slot {
                let before = table.index(slot - 1, done, site);
                table.stopped[at] = table.stopped[before];
            }
            let cost = table.running[at] + problem.cells[slot][site].stop;
            if cost < table.stopped[at] {
                (table.stopped[at], table.stopped_now[at]) = (cost, true);
            }
            let stopped = (table.stopped[at], site);
            let [first, second] = &mut table.least[slot * (problem.units + 1) + done];
            if stopped.0 < first.0 {
                (*second, *first) = (*first, stopped);
            } else if stopped.0 < second.0 {
                *second = stopped;
            }
        }
    }
}

fn run(problem: &Problem, table: &mut Table, slot: usize) {
    for site in 0..table.sites {
        let cell = &problem.cells[slot][site];
        if cell.units == 0 {
            if cell.passes {
                pass(problem, table, slot, site);
            }
            continue;
        }
        for done in 0..problem.units {
            let at = table.index(slot, done, site);
            let mut cheapest = (table.running[at], Came::Running);
            let mut offer = |cost: f64, came: Came| {
                if cost < cheapest.0 {
                    cheapest = (cost, came);
                }
            };
            offer(table.stopped[at] + cell.start, Came::Stopped);
            if let (0, Beginning::Waiting, Some(first)) = (done, problem.beginning, cell.first) {
                offer(first, Came::Fresh);
            }
            if let Some(left) = problem.leave_by[slot][site] {
                let (stopped, from) = table.elsewhere(left, done, site);
                offer(stopped + cell.start + cell.transfer, Came::Moved(from));
            }
            let after = (done + cell.units).min(problem.units);
            let share = (after - done) as f64 / cell.units as f64;
            let cost = cheapest.0 + cell.run * share;
            let to = table.index(slot + 1, after, site);
            if cost < table.running[to] {
                (table.running[to], table.came[to]) = (cost, cheapest.1);
                if after == problem.units {
                    table.before_last[(slot + 1) * table.sites + site] = done;
                }
            }
        }
    }
}

/// What runs at a site runs on through a slot that is too short to count.
fn pass(problem: &Problem, table: &mut Table, slot: usize, site: usize) {
    for done in 0..problem.units {
        let (from, to) = (table.index(slot, done, site), table.index(slot + 1, done, site));
        if table.running[from] < table.running[to] {
            (table.running[to], table.came[to]) = (table.running[from], Came::Running);
        }
    }
}

/// From the end back to the beginning.
fn trace(problem: &Problem, table: &Table, end: usize, site: usize) -> Vec<(usize, usize)> {
    let mut pieces = Vec::new();
    let (mut slot, mut done, mut site) = (end, problem.units, site);
    // Each round goes back by at least one slot.
    while 0 < slot {
        let came = table.came[table.index(slot, done, site)];
        let units = problem.cells[slot - 1][site].units;
        done = if done == problem.units { table.before_last[slot * table.sites + site] } else { done - units };
        slot -= 1;
        pieces.push((slot, site));
        match came {
            Came::Never | Came::Fresh => break,
            Came::Running if slot == 0 => break,
            Came::Running => {}
            Came::Stopped => slot = stopped_at(table, slot, done, site),
            Came::Moved(other) => {
                site = other;
                let left = problem.leave_by[slot][pieces[pieces.len() - 1].1].expect("a move had time");
                slot = stopped_at(table, left, done, site);
            }
        }
    }
    pieces.reverse();
    pieces
}

fn stopped_at(table: &Table, mut slot: usize, done: usize, site: usize) -> usize {
    while 0 < slot && !table.stopped_now[table.index(slot, done, site)] {
        slot -= 1;
    }
    slot
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every course there is: at each slot off or at one site.
    fn brute_force(problem: &Problem) -> f64 {
        search(problem, 0, 0, Place::of(problem.beginning), 0.0)
    }

    #[derive(Clone, Copy)]
    enum Place {
        Fresh,
        Running(usize),
        Stopped(usize, usize),
    }

    impl Place {
        fn of(beginning: Beginning) -> Self {
            match beginning {
                Beginning::Waiting => Self::Fresh,
                Beginning::RunningAt(site) => Self::Running(site),
            }
        }
    }

    fn search(problem: &Problem, slot: usize, done: usize, place: Place, cost: f64) -> f64 {
        if done == problem.units {
            return cost + problem.end_cost[slot - 1];
        }
        if slot == problem.cells.len() {
            return f64::INFINITY;
        }
        let (stopped, stop_cost) = match place {
            Place::Running(site) => (Place::Stopped(site, slot), problem.cells[slot][site].stop),
            other => (other, 0.0),
        };
        let mut best = search(problem, slot + 1, done, stopped, cost + stop_cost);
        if let Place::Running(here) = place
            && problem.cells[slot][here].units == 0
            && problem.cells[slot][here].passes
        {
            best = best.min(search(problem, slot + 1, done, place, cost));
        }
        for (site, cell) in problem.cells[slot].iter().enumerate().filter(|(_, cell)| 0 < cell.units) {
            let entry = match (place, stopped) {
                (Place::Running(here), _) if here == site => Some(0.0),
                (Place::Fresh, _) => cell.first,
                (_, Place::Stopped(here, _)) if here == site => Some(stop_cost + cell.start),
                (_, Place::Stopped(_, since)) => problem.leave_by[slot][site]
                    .filter(|left| since <= *left)
                    .map(|_| stop_cost + cell.start + cell.transfer),
                (Place::Running(_) | Place::Stopped(..), _) => None,
            };
            let Some(entry) = entry else { continue };
            let after = (done + cell.units).min(problem.units);
            let share = (after - done) as f64 / cell.units as f64;
            best = best.min(search(problem, slot + 1, after, Place::Running(site), cost + entry + cell.run * share));
        }
        best
    }

    fn problems() -> impl Strategy<Value = Problem> {
        let price = || 0.0..30.0_f64;
        let work = (0_usize..4, any::<bool>());
        let cell = (work, 0.0..100.0_f64, price(), price(), price(), prop::option::weighted(0.8, price())).prop_map(
            |((units, passes), run, start, transfer, stop, first)| Cell {
                units,
                passes,
                run,
                start,
                transfer,
                stop,
                first,
            },
        );
        let grid = prop::collection::vec(prop::collection::vec(cell, 2), 1..8);
        (grid, 1_usize..8, 0_usize..3, 0_usize..3, 0.0..5.0_f64, prop::option::of(0_usize..2)).prop_map(
            |(cells, units, slots_to_first, slots_to_second, delay, running)| {
                let leave = |slot: usize, slots: usize| slot.checked_sub(slots);
                Problem {
                    units,
                    sites: 2,
                    leave_by: (0..cells.len())
                        .map(|slot| vec![leave(slot, slots_to_first), leave(slot, slots_to_second)])
                        .collect(),
                    beginning: running.map_or(Beginning::Waiting, Beginning::RunningAt),
                    end_cost: (0..cells.len()).map(|slot| delay * slot as f64).collect(),
                    cells,
                }
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn no_course_of_all_there_are_is_cheaper(problem in problems()) {
            let least = brute_force(&problem);
            match cheapest(&problem) {
                Some(found) => {
                    prop_assert!((found.cost - least).abs() < 1e-6, "{found:?}, brute force {least}");
                    prop_assert!((price(&problem, &found.run) - least).abs() < 1e-6, "{found:?} does not cost {least}");
                }
                None => prop_assert!(least.is_infinite(), "{least}"),
            }
        }
    }

    /// A week of quarter hours, two days of work, ten sites: with free moves the cheapest hours of all sites are the optimum.
    #[test]
    fn the_largest_problem_is_solved_exactly() {
        let (slots, sites, units) = (672, 10, 192);
        let grams = |slot: usize, site: usize| ((slot * 7919 + site * 104_729) % 9973) as f64;
        let cell = |slot, site| Cell { units: 1, run: grams(slot, site), first: Some(0.0), ..Cell::default() };
        let problem = Problem {
            units,
            sites,
            cells: (0..slots).map(|slot| (0..sites).map(|site| cell(slot, site)).collect()).collect(),
            leave_by: (0..slots).map(|slot| vec![Some(slot); sites]).collect(),
            beginning: Beginning::Waiting,
            end_cost: vec![0.0; slots],
        };
        let cheapest_site = |slot| (0..sites).map(|site| grams(slot, site)).fold(f64::INFINITY, f64::min);
        let mut least: Vec<f64> = (0..slots).map(cheapest_site).collect();
        least.sort_unstable_by(f64::total_cmp);
        let found = cheapest(&problem).expect("there is room");
        assert!((found.cost - least[..units].iter().sum::<f64>()).abs() < 1e-6);
    }

    /// What the pieces cost, counted from the front.
    fn price(problem: &Problem, pieces: &[(usize, usize)]) -> f64 {
        let (mut cost, mut done) = (0.0, 0);
        let mut place = Place::of(problem.beginning);
        for &(slot, site) in pieces {
            let cell = &problem.cells[slot][site];
            let previous = pieces.iter().rev().map(|(at, _)| at + 1).find(|after| *after <= slot).unwrap_or(0);
            cost += match place {
                Place::Fresh => cell.first.unwrap_or(f64::INFINITY),
                Place::Running(here) if here == site && previous == slot => 0.0,
                Place::Running(here) => {
                    let moved = if here == site { 0.0 } else { cell.transfer };
                    problem.cells[previous][here].stop + cell.start + moved
                }
                Place::Stopped(..) => f64::INFINITY,
            };
            if cell.units == 0 {
                // Only what runs already passes, and pays nothing for it.
                let runs = matches!(place, Place::Running(here) if here == site && previous == slot);
                cost = if runs && cell.passes { cost } else { f64::INFINITY };
                place = Place::Running(site);
                continue;
            }
            let after = (done + cell.units).min(problem.units);
            cost += cell.run * (after - done) as f64 / cell.units as f64;
            (done, place) = (after, Place::Running(site));
        }
        let last = pieces.last().map_or(0, |(slot, _)| *slot);
        if done == problem.units { cost + problem.end_cost[last] } else { f64::INFINITY }
    }
}
