//! Spreading: near-equal starts are shared out, and nothing else changes.

use lowtide_model::identity::JobId;

use super::*;

/// A job of so many hours, the number of which decides its lot.
fn spread(levels: &[f64], hours: f64, checkpoint: bool, share: f64, number: u64) -> World {
    let mut world = World::new(hours, "max_delay = \"24h\"", &[levels]);
    world.policy.spread = share;
    world.job.id = JobId(number);
    if !checkpoint {
        world.job.spec.checkpoint = None;
    }
    world
}

fn grams(plan: &Plan) -> f64 {
    plan.footprint.median.get()
}

/// How many of a hundred jobs start in the hour in which most do.
fn most_at_once(levels: &[f64], share: f64) -> usize {
    let mut starts: BTreeMap<Option<Timestamp>, usize> = BTreeMap::new();
    for number in 1..=100 {
        *starts.entry(spread(levels, 2.0, false, share, number).plan().start()).or_default() += 1;
    }
    starts.into_values().max().expect("a hundred jobs")
}

#[test]
fn hours_that_are_nearly_as_clean_are_shared_out() {
    let mut levels = vec![500.0; 48];
    levels[6..16].fill(100.4);
    levels[9..11].fill(100.0);
    assert_eq!(most_at_once(&levels, 0.0), 100, "all want the cleanest two hours");
    assert!(most_at_once(&levels, 0.005) < 30, "nine starts are within half a percent");
    assert_eq!(most_at_once(&levels, 0.001), 100, "a tenth of a percent is less than they differ by");
}

#[test]
fn what_is_best_at_once_is_not_put_off_and_what_runs_is_not_moved() {
    let flat = [100.0; 48];
    for number in 1..20 {
        assert_eq!(spread(&flat, 2.0, false, 0.05, number).plan().start(), Some(hour(0.0)));
        let mut running = spread(&flat, 2.0, true, 0.05, number).running("home");
        running.now = 1.0;
        assert_eq!(running.plan().start(), Some(hour(1.0)));
    }
}

#[test]
fn another_start_is_explained_by_the_spread() {
    let mut levels = vec![500.0; 48];
    levels[6..16].fill(100.4);
    levels[9..11].fill(100.0);
    let plans = (1..20).map(|number| spread(&levels, 2.0, false, 0.01, number).plan());
    let moved = plans.into_iter().find(|plan| plan.start() != Some(hour(9.0))).expect("one of them");
    assert!(moved.alternatives.iter().any(|other| other.rejected.contains("`spread`")), "{:#?}", moved.alternatives);
}

proptest! {
    #[test]
    fn spreading_costs_no_more_than_its_share_and_breaks_no_rule(
        levels in prop::collection::vec(50.0..500.0_f64, 6),
        wiggle in prop::collection::vec(0.0..4.0_f64, 48),
        hours in 1_u8..6,
        checkpoint in any::<bool>(),
        share in 0.0..0.05_f64,
        deadline in prop::option::of(8.0..40.0_f64),
        full in prop::option::of(2.0..20.0_f64),
        number in 1_u64..1000,
    ) {
        let levels: Vec<f64> = wiggle.iter().enumerate().map(|(at, wiggle)| levels[at / 4 % 6] + wiggle).collect();
        let world = |share| {
            let mut world = spread(&levels, f64::from(hours), checkpoint, share, number);
            world.job.spec.deadline = deadline.map(hour);
            if let Some(from) = full {
                world.sites[0].3.add(window(from, from + 3.0), Resources { cpus: 4, gpus: 0 });
            }
            world
        };
        let (best, plan) = (world(0.0).plan(), world(share).plan());
        prop_assert!(grams(&plan) <= grams(&best) * (1.0 + share) + 1e-6, "{} g, at best {}", grams(&plan), grams(&best));
        let run_now = plan.run_now.as_ref().expect("there is room").footprint.get();
        prop_assert!(grams(&plan) <= run_now.max(grams(&best)) + 1e-6);
        let waits = plan.start() != plan.run_now.as_ref().and_then(|now| Some(now.segments.first()?.window.start()));
        prop_assert!(!waits || grams(&plan) <= grams(&best).max(run_now * 0.95) + 1e-6, "the least saving is kept");
        let latest = deadline.map_or(24.0 + f64::from(hours), |deadline| deadline.min(24.0 + f64::from(hours)));
        prop_assert!(plan.end <= hour(latest).max(best.end));
        let occupancy = &world(share).sites[0].3;
        let wanted = world(share).job.spec.resources;
        prop_assert!(plan.segments.iter().all(|segment| occupancy.fits(segment.window, wanted)));
        // Made again, and when it falls due, it is the same: plans do not flap.
        let again = |now: f64| {
            let mut world = world(share);
            (world.job.plan, world.now) = (Some(plan.clone()), now);
            world.plan()
        };
        prop_assert_eq!(&again(0.0).segments, &plan.segments);
    }
}
