//! The optimum on limited processors: all jobs at once, free to pause and to run on a part of their width.

use lowtide_planner::oracle::flow::{Demand, Schedule, Slot, cheapest, cleanest_first};

use crate::jobs::TraceJob;
use crate::outcome::{Done, Outcome, Run};
use crate::replay::{ReplayError, World};

/// Arcs between jobs and slots up to which the optimum is computed where all draw alike: some gigabytes beyond.
const MOST_ARCS: usize = 20_000_000;
/// The same where they do not: a minimum-cost flow is much slower.
const MOST_ARCS_UNEQUAL: usize = 20_000;
/// Processor-hours below which a job is done.
const DONE: f64 = 1e-6;
const NO_TIME: f64 = 1e-7;

struct Problem<'j> {
    jobs: Vec<(&'j TraceJob, lowtide_planner::baseline::Task)>,
    demands: Vec<Demand>,
    slots: Vec<Slot>,
}

fn problem<'j>(world: World, jobs: &'j [TraceJob]) -> Option<Problem<'j>> {
    let series = &world.zones[0];
    let capacity = world.setting.capacity.map_or(f64::INFINITY, f64::from) * series.step_h();
    let slots = series.values().iter().map(|intensity| Slot { intensity: *intensity, capacity }).collect();
    let mut arcs = 0;
    let (mut taken, mut demands) = (Vec::new(), Vec::new());
    for job in jobs {
        let Some(task) = world.setting.task(job, series) else { continue };
        let end = task.latest_end.max(task.arrival + task.length);
        let pieces = series.pieces(task.arrival, end);
        let within: Vec<(usize, f64)> =
            pieces.map(|(start, end, _)| (series.step_of(start), job.cpus * (end - start))).collect();
        arcs += within.len();
        if MOST_ARCS < arcs {
            return None;
        }
        let power = if job.cpus > 0.0 { job.kilowatts / job.cpus } else { 0.0 };
        demands.push(Demand { work: job.cpus * task.length, slots: within, power });
        taken.push((job, task));
    }
    Some(Problem { jobs: taken, demands, slots })
}

fn solve(problem: &Problem) -> Option<Schedule> {
    let first = problem.demands.first()?.power;
    if problem.demands.iter().all(|demand| (demand.power - first).abs() <= 1e-9 * first) {
        return Some(cleanest_first(&problem.demands, &problem.slots));
    }
    let arcs: usize = problem.demands.iter().map(|demand| demand.slots.len()).sum();
    (arcs <= MOST_ARCS_UNEQUAL).then(|| cheapest(&problem.demands, &problem.slots))
}

/// The least carbon, grams; `None` where no schedule meets all deadlines, or where there is too much to compute.
pub(crate) fn carbon(world: World, jobs: &[TraceJob]) -> Option<f64> {
    let schedule = solve(&problem(world, jobs)?)?;
    (schedule.undone < DONE).then_some(schedule.cost)
}

/// The optimum as a replay.
pub(crate) fn replay<'j>(
    world: World,
    jobs: &'j [TraceJob],
    mut each: impl FnMut(&Done<'j>),
) -> Result<Outcome, ReplayError> {
    let capacity = world.setting.capacity.unwrap_or(u32::MAX);
    let out_of_reach = || {
        ReplayError::OutOfReach("there are too many jobs and slots for the optimum on limited processors".to_owned())
    };
    let problem = problem(world, jobs).ok_or_else(out_of_reach)?;
    if problem.jobs.is_empty() {
        return Err(ReplayError::NoJob);
    }
    let schedule = solve(&problem).ok_or_else(out_of_reach)?;
    if DONE < schedule.undone {
        return Err(ReplayError::Infeasible { capacity, undone: schedule.undone });
    }
    let series = &world.zones[0];
    let mut outcome = Outcome { outside: jobs.len() - problem.jobs.len(), ..Outcome::default() };
    for (((job, task), demand), hours) in problem.jobs.iter().zip(&problem.demands).zip(&schedule.done) {
        let mut runs: Vec<Run> = Vec::new();
        for ((slot, _), done) in demand.slots.iter().zip(hours).filter(|(_, done)| DONE < **done) {
            let start = series.start_of(*slot).max(task.arrival);
            // At full width for a part of the slot, or for all of it: where within the slot makes no difference.
            let end = start + done / job.cpus;
            match runs.last_mut() {
                Some(last) if start - last.end < NO_TIME => last.end = end,
                _ => runs.push(Run { start, end, kilowatts: job.kilowatts, nodes: 1, zone: 0 }),
            }
        }
        let grams = world.grams(job, &runs);
        let done = Done { job, task: *task, runs, grams, baseline_g: world.baseline_g(job, task) };
        outcome.add(&done);
        each(&done);
    }
    outcome.policy_g = schedule.cost;
    outcome.oracle_g = Some(schedule.cost);
    Ok(outcome)
}
