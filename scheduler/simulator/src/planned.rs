//! lowtide's own policies over a trace: every decision is made by [`lowtide_planner::plan::plan`], as in the daemon, on a virtual
//! clock.
//!
//! With perfect knowledge a plan made at the arrival is carried out as it is: made anew it would say the same. With a forecast, or
//! where lengths are only predicted, every waiting and running job is planned anew at each slot, with what is known by then, and
//! only the time to the next slot is carried out. Jobs are planned in the order of their arrival, around the plans of those before them.

mod knowledge;
mod live;

use lowtide_model::quantity::Seconds;
use lowtide_model::site::{Resources, Site};
use lowtide_model::window::Window;
use lowtide_planner::capacity::Occupancy;
use lowtide_planner::plan::{Overhead, PlanningInput, SiteView, plan};
use lowtide_planner::policy::Policy;

use crate::forecast::Believed;
use crate::jobs::TraceJob;
use crate::optimum;
use crate::outcome::{Done, Outcome};
use crate::replay::{ReplayError, World, optimum_of_one, too_wide};

use self::knowledge::{Knowledge, TAGS, site};
use self::live::Live;

/// Slots a replay may go on for beyond the end of the intensity, so that jobs that were pushed back end.
const SLOTS_BEYOND_END: f64 = 100_000.0;

struct Machine<'w> {
    world: World<'w>,
    policy: &'w Policy,
    sites: Vec<Site>,
    taken: Vec<Occupancy>,
    known: Vec<Knowledge<'w>>,
}

/// Replays the jobs, which have to be in the order of their arrival, under a policy of lowtide's. Jobs of which `pausable` is true
/// leave checkpoints, and so may be paused. `each` sees every job when it is done.
pub fn replay<'j>(
    policy: &Policy,
    world: World,
    jobs: &'j [TraceJob],
    pausable: impl Fn(&TraceJob) -> bool,
    mut each: impl FnMut(&Done<'j>),
) -> Result<Outcome, ReplayError> {
    let capacity = world.setting.capacity;
    let sites: Vec<Site> = (0..world.zones.len()).map(|zone| site(zone, &world.zones[zone], capacity)).collect();
    let mut machine = Machine {
        world,
        policy,
        taken: sites.iter().map(|site| Occupancy::new(site.capacity)).collect(),
        known: (0..world.zones.len()).map(|zone| Knowledge::new(world, zone)).collect(),
        sites,
    };
    let perfect =
        world.setting.length_error.is_none() && world.believed.iter().all(|believed| *believed == Believed::Perfect);
    let mut outcome = Outcome::default();
    let mut oracle_g = 0.0;
    let mut finish = |live: Live<'j>, outcome: &mut Outcome| {
        let grams = world.grams(live.trace, &live.runs);
        let baseline_g = world.baseline_g(live.trace, &live.task);
        if capacity.is_none() {
            let best = optimum_of_one(world, live.trace, &live.task);
            oracle_g += if world.zones.len() == 1 { best.min(grams) } else { best };
        }
        let done = Done { job: live.trace, task: live.task, runs: live.runs, grams, baseline_g };
        outcome.add(&done);
        each(&done);
    };
    let mut waiting = jobs.iter().peekable();
    let mut living: Vec<Live<'j>> = Vec::new();
    let slot_h = world.setting.slot_h;
    let mut slot = 0.0_f64;
    let mut arrived = 0;
    let last = world.zones[0].end() / slot_h + SLOTS_BEYOND_END;
    loop {
        let (now, next) = (slot * slot_h, (slot + 1.0) * slot_h);
        for live in &mut living {
            if !perfect {
                machine.plan(live, now);
            }
            live.run_until(next);
        }
        while let Some(job) = waiting.next_if(|job| job.arrival < next) {
            let Some(task) = world.setting.task(job, &world.zones[0]) else {
                outcome.outside += 1;
                continue;
            };
            arrived += 1;
            let mut live = Live::new((arrived, job), task, world.setting, policy, pausable(job));
            machine.plan(&mut live, task.arrival);
            if live.planned.is_empty() {
                return Err(too_wide(world.setting, job));
            }
            live.run_until(if perfect { f64::INFINITY } else { next });
            living.push(live);
        }
        let (over, going): (Vec<_>, Vec<_>) = living.into_iter().partition(Live::is_done);
        living = going;
        for live in over {
            finish(live, &mut outcome);
        }
        slot += 1.0;
        if living.is_empty() {
            // Nothing happens until the next arrival.
            let Some(job) = waiting.peek() else { break };
            slot = slot.max((job.arrival / slot_h).floor());
        }
        if last < slot {
            break;
        }
    }
    for live in living {
        finish(live, &mut outcome);
    }
    if outcome.jobs == 0 {
        return Err(ReplayError::NoJob);
    }
    outcome.oracle_g = if capacity.is_some() { optimum::carbon(world, jobs) } else { Some(oracle_g) };
    Ok(outcome)
}

impl Machine<'_> {
    /// Plans a job anew at a moment and takes the processors it will need.
    fn plan(&mut self, live: &mut Live, now: f64) {
        let setting = self.world.setting;
        let resources = Resources { cpus: crate::capacity::whole(live.trace.cpus), gpus: 0 };
        let limited = setting.capacity.is_some();
        if limited {
            for (zone, window) in &live.planned {
                self.taken[*zone].remove(*window, resources);
            }
        }
        let prediction = live.prediction();
        let longest = prediction.remaining.high.hours();
        let until = live.task.latest_end.max(now + longest) + knowledge::BEYOND_H;
        for known in &mut self.known {
            known.refresh(now, until);
        }
        let views: Vec<SiteView> = (self.sites.iter().zip(&self.taken).zip(&self.known))
            .map(|((site, occupancy), known)| SiteView {
                tags: Some(TAGS),
                drift: known.drift(),
                ..SiteView::of(site, known.curve(), occupancy)
            })
            .collect();
        let at = setting.moment(now);
        // The planner counts a pause in time at the job's power: a share of an hour then, for one at the mean intensity.
        let pause = Seconds::from_hours(setting.switching);
        let id = |zone: usize| &self.sites[zone].id;
        let plan = plan(&PlanningInput {
            now: at,
            job: &live.job,
            prediction: &prediction,
            policy: self.policy,
            sites: &views,
            current: live.running_in.map(id),
            last_site: live.last_in.map(id),
            overhead: Overhead { stop: pause, start: pause },
            horizon: Seconds::from_hours((live.task.latest_end - now).max(longest).max(setting.slot_h)),
            slot: Seconds::from_hours(setting.slot_h),
            probing: false,
            comparable: true,
            seed: 0,
        });
        let zone_of = |site| self.sites.iter().position(|known| known.id == site).unwrap_or_default();
        let planned: Vec<(usize, Window)> =
            plan.segments.iter().map(|segment| (zone_of(segment.site.clone()), segment.window)).collect();
        if limited {
            for (zone, window) in &planned {
                self.taken[*zone].add(*window, resources);
            }
        }
        live.take(plan, planned);
    }
}
