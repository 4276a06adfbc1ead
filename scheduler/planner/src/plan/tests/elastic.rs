//! Jobs that can run with several counts of workers.

use std::num::NonZeroU32;

use lowtide_model::job::Checkpoint;
use lowtide_model::state::JobState;
use proptest::prelude::*;

use super::*;
use crate::baseline::scaler::{Profile, scaled};

const FREE: &str = "minimum_saving = 0.0";
/// Throughput by workers; the last of them are hardly worth their power.
const PROFILE: &str = "1:1,2:1.9,4:3.2";

fn elastic(hours: f64, forecasts: &[&[f64]]) -> World {
    World::new(hours, FREE, forecasts).spec(|spec| {
        spec.scaling = PROFILE.parse().expect("a profile");
        spec.checkpoint = None;
    })
}

fn pausable(world: World) -> World {
    world.spec(|spec| spec.checkpoint = Some(Checkpoint { signal: 15, grace_s: 30 }))
}

/// The job runs at home with so many workers.
fn running(world: World, workers: u32) -> World {
    let mut world = world.running("home");
    world.job.attempts[0].point.workers = NonZeroU32::new(workers);
    world.job.state = JobState::Running { attempt: AttemptNumber(1) };
    world
}

fn workers(plan: &Plan) -> Vec<u32> {
    plan.segments.iter().map(|segment| segment.point.workers.map_or(0, NonZeroU32::get)).collect()
}

/// The same job with one of its counts and no other.
fn fixed(hours: f64, count: u32, pauses: bool, forecasts: &[&[f64]]) -> World {
    let profile: lowtide_model::scaling::Scaling = PROFILE.parse().expect("a profile");
    let (faster, stronger) = profile.pace(NonZeroU32::new(count));
    let mut world = World::new(hours / faster, FREE, forecasts).spec(|spec| {
        spec.resources.cpus *= count;
        spec.checkpoint = pauses.then_some(Checkpoint { signal: 15, grace_s: 30 });
    });
    let energy = |energy: Joules| energy.times(stronger);
    world.prediction.energy = world.prediction.energy.map(energy);
    world.prediction.remaining_energy = world.prediction.remaining_energy.map(energy);
    world
}

#[test]
fn where_every_hour_is_alike_the_fewest_workers_use_the_least() {
    let plan = elastic(6.0, &[&[100.0; 48]]).plan();
    assert_eq!(workers(&plan), [1]);
    assert_eq!(plan.end, hour(6.0));
}

#[test]
fn a_job_without_a_profile_has_no_workers() {
    assert_eq!(workers(&World::new(6.0, FREE, &[&[100.0; 48]]).plan()), [0]);
}

#[test]
fn a_deadline_that_one_worker_misses_takes_more() {
    let plan = elastic(6.0, &[&[100.0; 48]]).spec(|spec| spec.deadline = Some(hour(3.5))).plan();
    assert_eq!(workers(&plan), [2]);
    assert!(plan.end <= hour(3.5), "{plan:?}");
    let plan = elastic(6.0, &[&[100.0; 48]]).spec(|spec| spec.deadline = Some(hour(1.0))).plan();
    assert_eq!(workers(&plan), [4], "too late in any case: as soon as can be");
}

#[test]
fn a_short_clean_stretch_is_worth_more_workers() {
    let mut levels = [500.0; 48];
    levels[10..14].fill(20.0);
    let plan = elastic(7.0, &[&levels]).plan();
    assert_eq!(workers(&plan), [2], "{plan:?}");
    assert_eq!(plan.segments[0].window.start(), hour(10.0));
}

#[test]
fn only_counts_that_there_is_room_for_are_taken() {
    let mut levels = [500.0; 48];
    levels[10..14].fill(20.0);
    let mut world = elastic(7.0, &[&levels]);
    // One of four processors is left in the clean hours.
    world.sites[0].3.add(window(9.0, 15.0), Resources { cpus: 3, gpus: 0 });
    assert_eq!(workers(&world.plan()), [1]);
    let wide = elastic(7.0, &[&levels]).spec(|spec| spec.resources.cpus = 4).plan();
    assert_eq!(workers(&wide), [1], "two workers of four processors are more than the site has");
}

#[test]
fn what_runs_without_checkpoints_keeps_its_workers() {
    let mut levels = [500.0; 48];
    levels[1..4].fill(20.0);
    let plan = running(elastic(7.0, &[&levels]), 2).plan();
    assert_eq!((plan.reason, workers(&plan)), (Reason::Continue, vec![2]));
}

#[test]
fn a_job_that_can_pause_takes_more_workers_in_cleaner_hours() {
    let mut levels = [200.0; 48];
    levels[5..7].fill(20.0);
    levels[7..10].fill(150.0);
    let world = pausable(elastic(8.0, &[&levels]).spec(|spec| spec.deadline = Some(hour(12.0))));
    let plan = world.plan();
    assert_eq!(workers(&plan)[0], 4, "{plan:?}");
    assert!(1 < plan.segments.len() && workers(&plan)[1] < 4, "{plan:?}");
}

#[test]
fn going_over_to_other_workers_at_one_site_is_no_transfer() {
    let mut levels = [200.0; 48];
    levels[0..2].fill(20.0);
    let mut world = running(pausable(elastic(8.0, &[&levels]).spec(|spec| spec.deadline = Some(hour(12.0)))), 1);
    world.sites[0].0.transfer =
        Transfer { time: Seconds::from_hours(1.0), energy: Joules::from_kwh(1e3).expect("much") };
    let plan = world.plan();
    assert_eq!(workers(&plan)[0], 4, "{plan:?}");
    assert!(plan.footprint.median.get() < 1e5, "a transfer would be 20 kg and more: {plan:?}");
}

fn days() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(10.0..500.0_f64, 48)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_fixed_count_is_cleaner_and_no_rule_is_broken(
        levels in days(), hours in 1_u32..9, slack in 1_u32..12, busy in prop::collection::vec((0_u32..40, 1_u32..5, 1_u32..4), 0..5),
        pauses in any::<bool>(),
    ) {
        let hours = f64::from(hours);
        let end = hour(hours + f64::from(slack));
        let taken = |mut world: World| {
            for (start, length, cpus) in &busy {
                let stay = window(f64::from(*start), f64::from(start + length));
                world.sites[0].3.add(stay, Resources { cpus: *cpus, gpus: 0 });
            }
            world.spec(|spec| spec.deadline = Some(end))
        };
        let world = elastic(hours, &[&levels]);
        let world = taken(if pauses { pausable(world) } else { world });
        let plan = world.plan();
        let keeps = |plan: &Plan| plan.end <= end;
        for segment in &plan.segments {
            if keeps(&plan) {
                let wanted = segment.takes(world.job.spec.resources);
                prop_assert!(world.sites[0].3.fits(segment.window, wanted), "no room: {plan:?}");
            }
        }
        for count in [1, 2, 4] {
            let other = taken(fixed(hours, count, pauses, &[&levels])).plan();
            if keeps(&other) && !other.segments.is_empty() {
                prop_assert!(keeps(&plan), "{count} workers are in time: {plan:?}");
                let (ours, theirs) = (plan.footprint.median.get(), other.footprint.median.get());
                prop_assert!(ours <= theirs * (1.0 + 1e-6), "{ours} g, {theirs} g with {count} workers: {plan:?} {other:?}");
            }
        }
    }

    /// Where nothing is lost by a change, the best counts by the hour are CarbonScaler's. It may run a part of any hour, a plan only
    /// of its last.
    #[test]
    fn without_costs_of_change_it_comes_to_carbonscaler(levels in days(), hours in 2_u32..12, slack in 1_u32..12) {
        let end = hours + slack;
        let profile = Profile::new(vec![0.0, 1.0, 1.9, 2.6, 3.2], vec![0.0, 1.0, 2.0, 3.0, 4.0]).expect("a profile");
        let world = World::new(f64::from(hours), FREE, &[&levels]).spec(|spec| {
            spec.scaling = "1:1,2:1.9,3:2.6,4:3.2".parse().expect("a profile");
            spec.deadline = Some(hour(f64::from(end)));
        });
        let plan = pausable(world).plan();
        let kilowatts = certain(1.0).energy.median.kwh();
        let theirs: f64 = scaled(&levels[..end as usize], &profile, f64::from(hours))
            .iter()
            .map(|scaled| levels[scaled.slot] * kilowatts * scaled.nodes as f64 * scaled.share)
            .sum();
        let ours = plan.footprint.median.get();
        let part = levels[..end as usize].iter().fold(0.0, |most: f64, level| most.max(*level)) * kilowatts;
        prop_assert!(ours <= theirs + 0.25 * part, "{ours} g, CarbonScaler {theirs} g: {plan:?}");
    }
}
