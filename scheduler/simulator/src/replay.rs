//! The baselines over a trace, job by job in the order of their arrival.

use std::borrow::Cow;

use lowtide_planner::baseline::threshold::{Bounds, accepted, double_thresholds, k_min_thresholds};
use lowtide_planner::baseline::{Series, Stretch, Task, awhile, emitted, gaia, scaler};
use lowtide_planner::oracle::switching;
use thiserror::Error;

use crate::capacity::Processors;
use crate::forecast::{Believed, Outlook};
use crate::jobs::TraceJob;
use crate::optimum;
use crate::outcome::{Done, Outcome, Run};
use crate::rule::Rule;
use crate::setting::Setting;

/// Less than this of an hour is rounding.
const NO_TIME: f64 = 1e-7;

/// Why a replay cannot be made.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ReplayError {
    /// A job needs more processors than there are.
    #[error("job {job} needs {cpus} processors and there are {capacity}")]
    TooWide {
        /// Which.
        job: String,
        /// How many it needs.
        cpus: f64,
        /// How many there are.
        capacity: u32,
    },
    /// There is no schedule.
    #[error("with {capacity} processors no schedule meets every deadline: {undone:.1} processor-hours find no place")]
    Infeasible {
        /// How many there are.
        capacity: u32,
        /// What is left over.
        undone: f64,
    },
    /// The optimum was asked for and is out of reach.
    #[error("{0}")]
    OutOfReach(String),
    /// No job lies in the time replayed.
    #[error("no job arrives in the time that is replayed")]
    NoJob,
}

/// The world a trace is replayed in.
#[derive(Debug, Clone, Copy)]
pub struct World<'a> {
    /// What holds for all jobs.
    pub setting: &'a Setting,
    /// The intensity that came, of each zone; the first is home.
    pub zones: &'a [Series],
    /// What was believed of each zone.
    pub believed: &'a [Believed],
}

impl World<'_> {
    /// Carbon of one start or one stop, grams per kilowatt.
    #[must_use]
    pub fn switching_g(&self) -> f64 {
        self.setting.switching * self.zones[0].mean()
    }

    /// What runs emitted, with starts and stops, grams.
    #[must_use]
    pub fn grams(&self, job: &TraceJob, runs: &[Run]) -> f64 {
        let run: f64 = runs.iter().map(|run| run.kilowatts * self.zones[run.zone].integral(run.start, run.end)).sum();
        run + job.kilowatts * 2.0 * self.switching_g() * starts(runs) as f64
    }

    /// What the job would emit at once, grams; with the published windows of Let's Wait Awhile one slot later where that is
    /// cleaner, as their baseline has it.
    #[must_use]
    pub fn baseline_g(&self, job: &TraceJob, task: &Task) -> f64 {
        let start = at_once(self.setting, &self.zones[0], task);
        job.kilowatts * (emitted(&self.zones[0], &[task.from(start)]) + 2.0 * self.switching_g())
    }
}

/// How often runs begin that do not go on from the one before.
#[must_use]
pub fn starts(runs: &[Run]) -> usize {
    let again = runs.windows(2).filter(|pair| pair[0].end + NO_TIME < pair[1].start || pair[0].zone != pair[1].zone);
    usize::from(!runs.is_empty()) + again.count()
}

fn at_once(setting: &Setting, series: &Series, task: &Task) -> f64 {
    if setting.semantics == awhile::Semantics::Honest {
        return task.arrival;
    }
    let own_end = Task { latest_end: task.arrival + task.length, ..*task };
    awhile::contiguous(series, setting.slot_h, &setting.semantics.window(series, setting.slot_h, &own_end))
}

/// Replays the jobs, which have to be in the order of their arrival, under a baseline. `each` sees every job when it is decided.
pub fn replay<'j>(
    rule: Rule,
    world: World,
    jobs: &'j [TraceJob],
    mut each: impl FnMut(&Done<'j>),
) -> Result<Outcome, ReplayError> {
    let setting = world.setting;
    let home = &world.zones[0];
    if let (Rule::Oracle, Some(_)) = (rule, setting.capacity) {
        return optimum::replay(world, jobs, each);
    }
    let means = mean_lengths(setting, jobs);
    let mut outlook = Outlook::new(&world.believed[0], home);
    let mut processors = setting.capacity.map(Processors::new);
    let mut outcome = Outcome::default();
    let mut oracle_g = 0.0;
    for job in jobs {
        let Some(task) = setting.task(job, home) else {
            outcome.outside += 1;
            continue;
        };
        let believed = if rule == Rule::Oracle { Cow::Borrowed(home) } else { outlook.at(task.arrival) };
        let mean = means[setting.queue_of(job.length)];
        let mut runs = decide(rule, world, job, &task, &believed, mean);
        if let Some(processors) = &mut processors {
            runs = processors.place(setting, &runs, job).ok_or_else(|| too_wide(setting, job))?;
        }
        let grams = world.grams(job, &runs);
        let done = Done { job, task, runs, grams, baseline_g: world.baseline_g(job, &task) };
        if setting.capacity.is_none() {
            // A schedule that was found cannot be better than the best.
            oracle_g += optimum_of_one(world, job, &task).min(if world.zones.len() == 1 && is_rigid(rule) {
                grams
            } else {
                f64::INFINITY
            });
        }
        outcome.add(&done);
        each(&done);
    }
    if outcome.jobs == 0 {
        return Err(ReplayError::NoJob);
    }
    outcome.oracle_g = if setting.capacity.is_some() { optimum::carbon(world, jobs) } else { Some(oracle_g) };
    Ok(outcome)
}

/// Whether a rule keeps a job's width: one that changes it may beat the best of those that do not.
const fn is_rigid(rule: Rule) -> bool {
    !matches!(rule, Rule::CarbonScaler)
}

pub(crate) fn too_wide(setting: &Setting, job: &TraceJob) -> ReplayError {
    ReplayError::TooWide { job: job.name.clone(), cpus: job.cpus, capacity: setting.capacity.unwrap_or_default() }
}

/// The mean length of the jobs of each queue, and of those in none, hours.
fn mean_lengths(setting: &Setting, jobs: &[TraceJob]) -> Vec<f64> {
    let mut sums = vec![(0.0, 0.0); setting.queues.len() + 1];
    for job in jobs {
        let sum = &mut sums[setting.queue_of(job.length)];
        *sum = (sum.0 + job.length, sum.1 + 1.0);
    }
    sums.into_iter().map(|(sum, count)| if count > 0.0 { sum / count } else { 0.0 }).collect()
}

fn decide(rule: Rule, world: World, job: &TraceJob, task: &Task, believed: &Series, mean: f64) -> Vec<Run> {
    let setting = world.setting;
    let run =
        |stretch: Stretch| Run { start: stretch.start, end: stretch.end, kilowatts: job.kilowatts, nodes: 1, zone: 0 };
    let whole = |start: f64| vec![run(task.from(start))];
    let pieces = |stretches: Vec<Stretch>| stretches.into_iter().map(run).collect::<Vec<_>>();
    match rule {
        Rule::RunNow => whole(at_once(setting, believed, task)),
        Rule::LwaContiguous => whole(awhile::contiguous(believed, setting.slot_h, task)),
        Rule::LwaInterruptible | Rule::GaiaWaitAwhile => pieces(awhile::interruptible(believed, task)),
        Rule::GaiaLowestSlot => whole(gaia::lowest_slot(believed, task)),
        Rule::GaiaLowestWindow => whole(gaia::lowest_window(believed, task, mean)),
        Rule::GaiaCarbonTime => whole(gaia::carbon_time(believed, task, mean)),
        Rule::GaiaEcovisor => pieces(gaia::ecovisor(believed, task)),
        Rule::CarbonScaler => elastic(setting, job, task, believed),
        Rule::Dtpr | Rule::KMin => pieces(online(rule, world, task)),
        Rule::Oracle if world.setting.switching > 0.0 => {
            let (slots, count) = slots(setting, task, &world.zones[0]);
            let optimum = switching::cheapest(&slots, count, world.switching_g() / setting.slot_h);
            optimum.map_or_else(|| whole(task.arrival), |optimum| pieces(taken(setting, task, &optimum.taken)))
        }
        Rule::Oracle => pieces(awhile::interruptible(&world.zones[0], task)),
    }
}

/// Mean intensities of the whole slots of a window, from the arrival on, and how many of them the job needs; its own slots
/// where its window holds fewer.
fn slots(setting: &Setting, task: &Task, series: &Series) -> (Vec<f64>, usize) {
    let slot = setting.slot_h;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "slots of a window, kept above 0")]
    let whole = |hours: f64, round: fn(f64) -> f64| round(hours / slot).clamp(1.0, f64::from(u32::MAX)) as usize;
    let count = whole(task.length - NO_TIME, f64::ceil);
    let there = whole(task.latest_end - task.arrival + NO_TIME, f64::floor).max(count);
    let value = |index: usize| {
        let start = task.arrival + index as f64 * slot;
        series.integral(start, start + slot) / slot
    };
    ((0..there).map(value).collect(), count)
}

/// The stretches of the slots taken; the last one ends with the work.
fn taken(setting: &Setting, task: &Task, taken: &[bool]) -> Vec<Stretch> {
    let mut left = task.length;
    let mut stretches: Vec<Stretch> = Vec::new();
    for (index, _) in taken.iter().enumerate().filter(|(_, taken)| **taken) {
        let start = task.arrival + index as f64 * setting.slot_h;
        let end = start + setting.slot_h.min(left);
        left -= end - start;
        match stretches.last_mut() {
            Some(last) if start - last.end < NO_TIME => last.end = end,
            _ => stretches.push(Stretch { start, end }),
        }
    }
    stretches
}

/// k-min search and double thresholds see each slot when it comes; all they know beforehand is the least and the most.
fn online(rule: Rule, world: World, task: &Task) -> Vec<Stretch> {
    let (slots, count) = slots(world.setting, task, &world.zones[0]);
    let (least, most) = world.zones[0].bounds();
    let beta = if rule == Rule::Dtpr { world.switching_g() / world.setting.slot_h } else { 0.0 };
    let bounds = Bounds { least, most, beta };
    // Where switching costs more than all there is to gain, a job once started is never stopped and never worth a wait.
    if most - least <= 2.0 * beta || most <= 0.0 {
        return vec![task.from(task.arrival)];
    }
    let thresholds = match rule {
        Rule::Dtpr => double_thresholds(count, bounds),
        _ => k_min_thresholds(count, bounds),
    };
    taken(world.setting, task, &accepted(&slots, &thresholds, 2.0 * beta))
}

fn elastic(setting: &Setting, job: &TraceJob, task: &Task, believed: &Series) -> Vec<Run> {
    let rigid = scaler::Profile::rigid();
    let profile = setting.profile.as_ref().unwrap_or(&rigid);
    let (slots, _) = slots(setting, task, believed);
    let mut runs: Vec<Run> = Vec::new();
    for scaled in scaler::scaled(&slots, profile, task.length / setting.slot_h) {
        let start = task.arrival + scaled.slot as f64 * setting.slot_h;
        let end = start + scaled.share * setting.slot_h;
        match runs.last_mut() {
            Some(last) if start - last.end < NO_TIME && last.nodes == scaled.nodes => last.end = end,
            _ => {
                let kilowatts = job.kilowatts * profile.relative_power(scaled.nodes);
                runs.push(Run { start, end, kilowatts, nodes: scaled.nodes, zone: 0 });
            }
        }
    }
    runs
}

/// The least a job could emit on its own, grams: with free moves between zones, and with switching in whole slots.
pub(crate) fn optimum_of_one(world: World, job: &TraceJob, task: &Task) -> f64 {
    let best_of = world.zones.iter().map(|series| {
        if world.setting.switching > 0.0 {
            let (slots, count) = slots(world.setting, task, series);
            let at_once = emitted(series, &[task.from(task.arrival)]) + 2.0 * world.switching_g();
            let optimum = switching::cheapest(&slots, count, world.switching_g() / world.setting.slot_h);
            return optimum.map_or(at_once, |optimum| (optimum.cost * world.setting.slot_h).min(at_once));
        }
        emitted(series, &awhile::interruptible(series, task))
    });
    job.kilowatts * best_of.fold(f64::INFINITY, f64::min)
}
