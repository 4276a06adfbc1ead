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

/// Hours of the small worlds.
const HOURS: usize = 8;

#[derive(Debug)]
struct World {
    sites: Vec<(Site, IntensityCurve)>,
    jobs: Vec<(Job, Prediction)>,
    policy: Policy,
    home: SiteId,
    /// All jobs may end by then.
    hours: usize,
}

/// Sites of (hourly intensities, processors, transfer in kWh), jobs of (hours, processors, can be paused), at 1 kW each.
fn world(sites: &[(Vec<f64>, u32, f64)], jobs: &[(u8, u32, bool)]) -> World {
    let all_hours = sites.first().map_or(0, |(levels, ..)| levels.len());
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
        let spec = JobSpec { resources, checkpoint, deadline: Some(hour(all_hours as f64)), ..spec() };
        (job(spec), certain(f64::from(*hours)))
    });
    let policy =
        Policy { route: true, minimum_saving: 0.0, ..Policy::neutral(PolicyId::new("patient").expect("a name")) };
    World { sites: sites.collect(), jobs: jobs.collect(), policy, home: site_id("site-0"), hours: all_hours }
}

impl World {
    fn empty(&self) -> Taken {
        self.sites.iter().map(|(site, _)| (site.id.clone(), Occupancy::new(site.capacity))).collect()
    }

    fn with_crowd<T>(&self, tolls: Option<&Tolled>, then: impl FnOnce(&Inputs) -> T) -> T {
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
            horizon: Seconds::from_hours(self.hours as f64),
            slot: Seconds::from_hours(1.0),
            probing: false,
            comparable: true,
            seed: 0,
        };
        let inputs = self.jobs.iter().map(|(job, prediction)| input((job, prediction))).collect();
        then(&Inputs { tolls, ..Inputs::of(inputs) })
    }

    fn case(&self) -> Case {
        let levels = |curve: &IntensityCurve| (0..self.hours).map(|at| curve.at(hour(at as f64)).get()).collect();
        let place = |(site, curve): &(Site, IntensityCurve)| Place {
            intensities: levels(curve),
            room: vec![site.capacity.cpus.into(); self.hours],
            transfer_kwh: site.transfer.energy.kwh(),
            transfer_slots: 0,
        };
        let task = |(job, prediction): &(Job, Prediction)| Task {
            length: (0..=self.hours).find(|hours| prediction.remaining.median.hours() <= *hours as f64).expect("short"),
            width: job.spec.resources.cpus.into(),
            kilowatts: 1.0,
            earliest: 0,
            end: self.hours,
            pausable: job.spec.checkpoint.is_some(),
            home: Some(0),
            places: (0..self.sites.len()).collect(),
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

/// Arranges a crowd from where it is first come, first served, in pieces of so much work and so many plans. What it costs, and the plans.
fn arranged(world: &World, crowd: &Inputs, work: usize, plans: usize) -> (f64, Vec<Plan>) {
    let begun = Round::one_after_the_other(crowd, world.empty(), &in_order(world), 0).into_plans();
    let Some(mut arranging) = Arranging::of(crowd, world.empty(), begun.clone()) else { return (f64::NAN, begun) };
    while !arranging.is_done() {
        arranging.advance(crowd, work, plans);
    }
    (arranging.cost(), arranging.into_better().unwrap_or(begun))
}

#[test]
fn a_long_queue_leaves_the_clean_hours_to_those_that_lose_most_without_them() {
    // Two processors and a clean night. The first thirty jobs are an hour long and could run at any time of the day; the last six need the
    // night for all their five hours, as every one of them has a dirty hour in it elsewhere.
    let day = [100.0, 100.0, 900.0, 100.0];
    let levels: Vec<f64> = (0..48).map(|hour| if hour < 32 { day[hour % 4] } else { 90.0 }).collect();
    let mut jobs = vec![(1, 1, false); 30];
    jobs.extend([(5, 1, false); 6]);
    let world = world(&[(levels, 2, 0.0)], &jobs);
    world.with_crowd(None, |crowd| {
        let first_come = Round::one_after_the_other(crowd, world.empty(), &in_order(&world), 0).cost();
        let (cost, plans) = arranged(&world, crowd, usize::MAX, usize::MAX);
        assert!(holds(&world, &plans));
        let least = bound(&world.case(), 300);
        assert!(1.1 * least < first_come, "{first_come} is near the bound {least} without any arrangement");
        assert!(cost <= 1.01 * least, "{cost}, bound {least}");
    });
}

#[test]
fn where_jobs_take_gpus_room_is_counted_in_them() {
    let world = world(&[(vec![20.0; HOURS], 4, 0.0)], &[(1, 2, false), (2, 1, false)]);
    world.with_crowd(None, |crowd| {
        let slots = InSlots::of(crowd, &world.empty()).expect("two jobs");
        assert_eq!((slots.unit, slots.case.places[0].room[0]), (Unit::Cpus, 4.0));
        let widths: Vec<f64> = slots.case.tasks.iter().map(|task| task.width).collect();
        assert_eq!(widths, [2.0, 1.0]);
        let jobs: Vec<Job> = crowd
            .inputs
            .iter()
            .map(|input| {
                let spec = JobSpec { resources: Resources { cpus: 1, gpus: 3 }, ..input.job.spec.clone() };
                Job::submitted(input.job.id, spec, input.now)
            })
            .collect();
        let both = crowd.inputs.iter().zip(&jobs);
        let sites: Vec<Site> = world
            .sites
            .iter()
            .map(|(site, _)| Site { capacity: Resources { cpus: 4, gpus: 8 }, ..site.clone() })
            .collect();
        let taken: Taken = sites
            .iter()
            .map(|site| {
                let mut occupancy = Occupancy::new(site.capacity);
                occupancy.add(window(1.0, 1.5), Resources { cpus: 1, gpus: 6 });
                (site.id.clone(), occupancy)
            })
            .collect();
        let views: Vec<SiteView> = sites
            .iter()
            .zip(&world.sites)
            .map(|(site, (_, curve))| SiteView::of(site, curve, &taken[&site.id]))
            .collect();
        let inputs = both.map(|(input, job)| PlanningInput { job, sites: &views, ..*input }).collect();
        let slots = InSlots::of(&Inputs::of(inputs), &taken).expect("two jobs");
        assert_eq!(slots.unit, Unit::Gpus);
        assert_eq!(slots.case.places[0].room[..3], [8.0, 2.0, 8.0], "the least that is free in each slot");
        assert!((slots.case.tasks[0].width - 3.0).abs() < 1e-9);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_few_jobs_are_arranged_within_two_percent_of_the_exact_optimum(world in worlds()) {
        let case = world.case();
        world.with_crowd(None, |crowd| {
            let first_come = Round::one_after_the_other(crowd, world.empty(), &in_order(&world), 0).cost();
            let (cost, plans) = arranged(&world, crowd, usize::MAX, usize::MAX);
            prop_assert!(cost <= first_come + 1e-6);
            prop_assert!(holds(&world, &plans), "{:?}", plans);
            let counted: f64 = plans.iter().enumerate().map(|(member, plan)| crowd.cost(member, plan)).sum();
            prop_assert!((counted - cost).abs() < 1e-6);
            if let Some((least, _)) = fewest_grams(&case) {
                prop_assert!(least <= cost * (1.0 + 1e-6), "{cost} is below the optimum {least}");
                prop_assert!(cost <= 1.02 * least + 1e-6, "{cost}, optimum {least}");
            }
            Ok(())
        })?;
    }

    #[test]
    fn in_pieces_the_same_comes_out_as_at_once(world in worlds(), work in 1_usize..2_000, plans in 1_usize..3) {
        world.with_crowd(None, |crowd| {
            let at_once = arranged(&world, crowd, usize::MAX, usize::MAX);
            let in_pieces = arranged(&world, crowd, work, plans);
            prop_assert_eq!(at_once.0.to_bits(), in_pieces.0.to_bits());
            prop_assert_eq!(at_once.1, in_pieces.1);
            Ok(())
        })?;
    }

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
        let tolls =
            Tolled::of(Tolls { start: hour(0.0), slot: Seconds::from_hours(1.0), unit: Unit::Cpus, by_site });
        let plans = world.with_crowd(Some(&tolls), |crowd| {
            let round = Round::one_after_the_other(crowd, world.empty(), &in_order(&world), 0);
            (round.cost(), round.into_plans())
        });
        let counted = world.with_crowd(None, |crowd| Round::of(crowd, world.empty(), plans.1.clone(), 0).cost());
        prop_assert!((plans.0 - counted).abs() < 1e-6);
        prop_assert!(holds(&world, &plans.1));
    }
}
