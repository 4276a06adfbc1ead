//! Small crowds: the joint plans keep all rules, never cost more than those they began with, and come near the optimum.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lowtide_model::identity::{PolicyId, SiteId};
use lowtide_model::job::{Job, JobSpec};
use lowtide_model::quantity::{Joules, Seconds};
use lowtide_model::site::{Resources, Site, Transfer};
use proptest::prelude::*;

use super::market::{Case, Place, Task};
use super::*;
use crate::curve::IntensityCurve;
use crate::oracle::multi::{bound, fewest_grams};
use crate::plan::{Overhead, PlanningInput, SiteView};
use crate::policy::Policy;
use crate::predict::Prediction;
use crate::testing::{certain, forecast, hour, job, site, site_id, spec, window};

/// Hours of the small worlds; all jobs may end by then.
const HOURS: usize = 8;

#[derive(Debug)]
struct World {
    sites: Vec<(Site, IntensityCurve)>,
    jobs: Vec<(Job, Prediction)>,
    policy: Policy,
    home: SiteId,
}

/// Sites of (hourly intensities, processors, transfer in kWh), jobs of (hours, processors, can be paused), at 1 kW each.
fn world(sites: &[(Vec<f64>, u32, f64)], jobs: &[(u8, u32, bool)]) -> World {
    let sites = sites.iter().enumerate().map(|(at, (levels, cpus, transfer_kwh))| {
        let energy = Joules::from_kwh(*transfer_kwh).expect("positive");
        let site = Site { transfer: Transfer { time: Seconds::ZERO, energy }, ..site(&format!("site-{at}"), *cpus) };
        let curve =
            IntensityCurve::build(Some(&forecast("GB", levels)), site.fallback_intensity, hour(0.0), window(0.0, 48.0));
        (site, curve)
    });
    let jobs = jobs.iter().map(|(hours, cpus, pausable)| {
        let checkpoint = spec().checkpoint.filter(|_| *pausable);
        let resources = Resources { cpus: *cpus, gpus: 0 };
        let spec = JobSpec { resources, checkpoint, deadline: Some(hour(HOURS as f64)), ..spec() };
        (job(spec), certain(f64::from(*hours)))
    });
    let policy =
        Policy { route: true, minimum_saving: 0.0, ..Policy::neutral(PolicyId::new("patient").expect("a name")) };
    World { sites: sites.collect(), jobs: jobs.collect(), policy, home: site_id("site-0") }
}

impl World {
    fn empty(&self) -> Taken {
        self.sites.iter().map(|(site, _)| (site.id.clone(), Occupancy::new(site.capacity))).collect()
    }

    fn with_crowd<T>(&self, tolls: Option<&Tolls>, then: impl FnOnce(&Inputs) -> T) -> T {
        let empty = self.empty();
        let views: Vec<SiteView> =
            self.sites.iter().map(|(site, curve)| SiteView::of(site, curve, &empty[&site.id])).collect();
        let input = |(job, prediction)| PlanningInput {
            now: hour(0.0),
            job,
            prediction,
            policy: &self.policy,
            sites: &views,
            current: None,
            last_site: Some(&self.home),
            overhead: Overhead { stop: Seconds::ZERO, start: Seconds::ZERO },
            horizon: Seconds::from_hours(HOURS as f64),
            slot: Seconds::from_hours(1.0),
            probing: false,
            comparable: true,
            seed: 0,
        };
        then(&Inputs { inputs: self.jobs.iter().map(|(job, prediction)| input((job, prediction))).collect(), tolls })
    }

    fn case(&self) -> Case {
        let levels = |curve: &IntensityCurve| (0..HOURS).map(|at| curve.at(hour(at as f64)).get()).collect();
        let place = |(site, curve): &(Site, IntensityCurve)| Place {
            intensities: levels(curve),
            room: vec![site.capacity.cpus.into(); HOURS],
            transfer_kwh: site.transfer.energy.kwh(),
            transfer_slots: 0,
        };
        let task = |(job, prediction): &(Job, Prediction)| Task {
            length: (0..=HOURS).find(|hours| prediction.remaining.median.hours() <= *hours as f64).expect("short"),
            width: job.spec.resources.cpus.into(),
            kilowatts: 1.0,
            earliest: 0,
            end: HOURS,
            pausable: job.spec.checkpoint.is_some(),
            home: Some(0),
        };
        Case {
            slot_h: 1.0,
            places: self.sites.iter().map(place).collect(),
            tasks: self.jobs.iter().map(task).collect(),
        }
    }
}

fn in_order(world: &World) -> Vec<usize> {
    (0..world.jobs.len()).collect()
}

#[test]
fn a_job_that_loses_little_gives_way_to_one_that_loses_much() {
    // The first job takes hour 1 for 10 instead of 20 g; the second, two hours long, then pays 50 + 300.
    let world =
        world(&[(vec![20.0, 10.0, 20.0, 300.0, 300.0, 300.0, 300.0, 300.0], 1, 0.0)], &[(1, 1, false), (2, 1, false)]);
    world.with_crowd(None, |crowd| {
        let mut round = Round::one_after_the_other(crowd, world.empty(), &in_order(&world), 100);
        assert!((round.cost() - 330.0).abs() < 1e-6, "{}", round.cost());
        assert!(round.improve());
        assert!((round.cost() - 50.0).abs() < 1e-6, "{}", round.cost());
    });
}

#[test]
fn without_effort_nothing_changes() {
    let world =
        world(&[(vec![20.0, 10.0, 20.0, 300.0, 300.0, 300.0, 300.0, 300.0], 1, 0.0)], &[(1, 1, false), (2, 1, false)]);
    world.with_crowd(None, |crowd| {
        let round = Round::one_after_the_other(crowd, world.empty(), &in_order(&world), 0);
        let plans = round.plans().to_vec();
        assert_eq!(improve(crowd, world.empty(), plans, 0), []);
    });
}

fn worlds() -> impl Strategy<Value = World> {
    let sites = prop::collection::vec((prop::collection::vec(10.0..500.0_f64, HOURS), 2_u32..4, 0.0..0.4_f64), 1..4);
    let jobs = prop::collection::vec((1_u8..4, 1_u32..3, any::<bool>()), 1..5);
    (sites, jobs).prop_map(|(sites, jobs)| world(&sites, &jobs))
}

/// Whether every site holds, at every moment, all processors of all jobs that are there: a job has all of its own at once.
fn holds(world: &World, plans: &[Plan]) -> bool {
    let moments = plans.iter().flat_map(|plan| plan.segments.iter().map(|segment| segment.window.start()));
    let moments: Vec<Timestamp> = moments.collect();
    moments.iter().all(|at| {
        world.sites.iter().all(|(site, _)| {
            let here = |plan: &Plan| plan.segments.iter().any(|s| s.site == site.id && s.window.contains(*at));
            let used = plans.iter().zip(&world.jobs).filter(|(plan, _)| here(plan));
            let used = used.fold(Resources::default(), |sum, (_, (job, _))| sum.plus(&job.spec.resources));
            site.capacity.holds(&used)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn joint_plans_keep_capacity_and_lie_between_the_optimum_and_first_come(world in worlds()) {
        let case = world.case();
        world.with_crowd(None, |crowd| {
            let mut round = Round::one_after_the_other(crowd, world.empty(), &in_order(&world), 400);
            let first_come = round.cost();
            round.improve();
            let joint = round.cost();
            prop_assert!(joint <= first_come + 1e-6);
            prop_assert!(holds(&world, round.plans()), "{:?}", round.plans());
            // The bound is one of all plans that end in time; late ones are counted as worse than any carbon.
            let in_time = joint < 1e6;
            prop_assert!(!in_time || bound(&case, 30) <= joint + 1e-3, "below the bound: {joint}");
            if let Some((least, _)) = fewest_grams(&case) {
                prop_assert!(least <= joint * (1.0 + 1e-6), "{joint} is below the optimum {least}");
            }
            // Every work is done: a job's stretches hold exactly its hours.
            for (plan, (_, prediction)) in round.plans().iter().zip(&world.jobs) {
                let hours: f64 = plan.segments.iter().map(|segment| segment.window.duration().hours()).sum();
                prop_assert!((hours - prediction.remaining.median.hours()).abs() < 1e-3);
            }
            Ok(())
        })?;
    }

    #[test]
    fn tolls_change_where_jobs_go_and_never_what_is_counted(world in worlds()) {
        let prices = world.case().prices(20);
        prop_assume!(prices.bound.is_finite());
        let by_site: BTreeMap<SiteId, Vec<f64>> =
            world.sites.iter().zip(prices.tolls).map(|((site, _), tolls)| (site.id.clone(), tolls)).collect();
        let tolls = Tolls { start: hour(0.0), slot: Seconds::from_hours(1.0), by_site };
        let plans = world.with_crowd(Some(&tolls), |crowd| {
            let round = Round::one_after_the_other(crowd, world.empty(), &in_order(&world), 0);
            (round.cost(), round.into_plans())
        });
        let counted = world.with_crowd(None, |crowd| Round::of(crowd, world.empty(), plans.1.clone(), 0).cost());
        prop_assert!((plans.0 - counted).abs() < 1e-6);
        prop_assert!(holds(&world, &plans.1));
    }
}
