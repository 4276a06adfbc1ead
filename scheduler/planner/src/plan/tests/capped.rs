//! Jobs whose GPUs can be held to less power.

use lowtide_model::capping::{Capping, PowerCap};
use lowtide_model::job::Checkpoint;
use lowtide_model::state::JobState;
use proptest::prelude::*;

use super::*;

const FREE: &str = "minimum_saving = 0.0";
/// The work takes 10 % and 22 % less energy, and 4 % and 18 % more time.
const PROFILE: &str = "250:0.96:0.864,150:0.85:0.663";

fn cap(watts: u32) -> PowerCap {
    PowerCap::new(watts).expect("a cap")
}

/// A job with that profile; the sites allow both of its caps and one it does not know.
fn capped(hours: f64, policy: &str, forecasts: &[&[f64]]) -> World {
    let mut world = World::new(hours, policy, forecasts).spec(|spec| {
        spec.capping = PROFILE.parse().expect("a profile");
        spec.checkpoint = None;
    });
    world.sites.iter_mut().for_each(|(site, ..)| site.power_caps = vec![cap(300), cap(250), cap(150)]);
    world
}

/// The same job as one that knows no caps, as it is with this one.
fn held_to(cap: Option<PowerCap>, hours: f64, forecasts: &[&[f64]]) -> World {
    let (speed, power) = PROFILE.parse::<Capping>().expect("a profile").pace(cap);
    let mut world = World::new(hours / speed, FREE, forecasts);
    let energy = |energy: Joules| energy.times(power);
    world.prediction.energy = world.prediction.energy.map(energy);
    world.prediction.remaining_energy = world.prediction.remaining_energy.map(energy);
    world
}

fn caps(plan: &Plan) -> Vec<u32> {
    plan.segments.iter().map(|segment| segment.point.power_cap.map_or(0, u32::from)).collect()
}

#[test]
fn with_time_to_spare_the_most_frugal_cap_is_taken_at_once() {
    let plan = capped(6.0, FREE, &[&[100.0; 48]]).plan();
    assert_eq!((caps(&plan), plan.reason), (vec![150], Reason::OperatingPoint));
    assert_eq!(shown(&plan), [at("home", 0.0, 7.06)]);
    let run_now = plan.run_now.expect("there is room");
    assert_eq!(run_now.label, "start now at home", "what it is measured against has no cap");
    let saved = 1.0 - plan.footprint.median.get() / run_now.footprint.get();
    assert!((saved - 0.22).abs() < 1e-3, "{saved}");
}

#[test]
fn a_site_that_allows_no_caps_sets_none() {
    let mut world = capped(6.0, FREE, &[&[100.0; 48]]);
    world.sites[0].0.power_caps.clear();
    let plan = world.plan();
    assert_eq!((caps(&plan), plan.reason), (vec![0], Reason::NothingSaved));
}

#[test]
fn a_deadline_takes_the_cap_that_is_still_in_time() {
    let by =
        |hours: f64| caps(&capped(6.0, FREE, &[&[100.0; 48]]).spec(|spec| spec.deadline = Some(hour(hours))).plan());
    assert_eq!(by(7.1), [150]);
    assert_eq!(by(6.9), [250]);
    assert_eq!(by(6.1), [0]);
    assert_eq!(by(3.0), [0], "too late in any case: as soon as can be");
}

#[test]
fn what_a_cap_takes_longer_counts_as_delay() {
    let within = |policy: &str| caps(&capped(6.0, policy, &[&[100.0; 48]]).plan());
    assert_eq!(within("minimum_saving = 0.0\nmax_delay = \"2h\""), [150]);
    assert_eq!(within("minimum_saving = 0.0\nmax_delay = \"30m\""), [250]);
    assert_eq!(within("minimum_saving = 0.0\nmax_delay = \"5m\""), [0]);
    assert_eq!(within("delay = false\nroute = false"), [0], "who wants no delay is not slowed");
}

#[test]
fn a_short_clean_stretch_is_not_left_for_a_cap() {
    let mut levels = [1000.0; 48];
    levels[10..16].fill(20.0);
    let plan = capped(6.0, FREE, &[&levels]).plan();
    assert_eq!((caps(&plan), shown(&plan)), (vec![0], vec![at("home", 10.0, 16.0)]));
}

#[test]
fn what_runs_without_checkpoints_keeps_its_cap_whatever_the_site_allows_now() {
    let mut world = capped(6.0, FREE, &[&[100.0; 48]]).running("home");
    world.job.state = JobState::Running { attempt: AttemptNumber(1) };
    world.job.attempts[0].point.power_cap = Some(cap(150));
    world.sites[0].0.power_caps.clear();
    let plan = world.plan();
    assert_eq!((caps(&plan), plan.reason), (vec![150], Reason::Continue));
    assert_eq!(plan.run_now.expect("it runs").label, "go on at home at 150 W a GPU");
}

#[test]
fn a_job_that_can_pause_takes_caps_where_they_are_worth_it() {
    // The clean hours hold all of the work if its GPUs are let alone, the dirty ones would be hardly better with a cap.
    let mut levels = [400.0; 48];
    levels[4..7].fill(20.0);
    levels[10..13].fill(20.0);
    let world = capped(6.0, FREE, &[&levels]).spec(|spec| {
        spec.checkpoint = Some(Checkpoint { signal: 15, grace_s: 30 });
        spec.deadline = Some(hour(24.0));
    });
    let plan = world.plan();
    assert_eq!(shown(&plan), [at("home", 4.0, 7.0), at("home", 10.0, 13.0)]);
    assert_eq!(caps(&plan), [0, 0], "{plan:?}");
    // With an hour less of work there is time for caps in the clean hours.
    let world = World { prediction: certain(5.0), ..world };
    assert!(caps(&world.plan()).iter().any(|watts| 0 < *watts), "{:?}", world.plan());
}

#[test]
fn caps_and_workers_are_chosen_together() {
    let world = capped(6.0, FREE, &[&[100.0; 48]]).spec(|spec| {
        spec.scaling = "1:1,2:1.9,4:3.2".parse().expect("a profile");
        spec.deadline = Some(hour(4.0));
    });
    let plan = world.plan();
    let point = plan.segments[0].point;
    // Two workers take 3.16 h without a cap and 3.72 h at 150 W.
    assert_eq!((point.workers.map(u32::from), point.power_cap), (Some(2), Some(cap(150))), "{plan:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// No cap that is kept to throughout, none included, is cleaner than the choice, and the rules are kept whatever is chosen.
    #[test]
    fn no_single_cap_is_cleaner_and_no_rule_is_broken(
        levels in prop::collection::vec(10.0..500.0_f64, 48), hours in 1_u32..9, slack in 0_u32..12, pauses in any::<bool>(),
    ) {
        let hours = f64::from(hours);
        let end = hour(hours + f64::from(slack));
        let asked = |world: World| {
            let world = world.spec(|spec| {
                spec.deadline = Some(end);
                spec.checkpoint = pauses.then_some(Checkpoint { signal: 15, grace_s: 30 });
            });
            world.plan()
        };
        let plan = asked(capped(hours, FREE, &[&levels]));
        prop_assert!(plan.end <= end, "{plan:?}");
        for only in [None, Some(cap(250)), Some(cap(150))] {
            let held = asked(held_to(only, hours, &[&levels]));
            let (ours, theirs) = (plan.footprint.median.get(), held.footprint.median.get());
            prop_assert!(end < held.end || ours <= theirs * (1.0 + 1e-6), "{ours} g, {theirs} g: {plan:?} {held:?}");
        }
    }
}

#[test]
fn a_profile_without_caps_is_none() {
    assert!(Capping::default().is_none());
    assert!(capped(6.0, FREE, &[&[100.0; 48]]).job.spec.capping.choices(&[cap(300)]).eq([None]));
}
