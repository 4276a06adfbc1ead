//! Plans held against brute force and against the rules they promise to keep.

mod capped;
mod elastic;
mod length;
mod spread;
mod weights;
mod windows;
mod world;

use std::collections::BTreeMap;

use lowtide_model::forecast::Basis;
use lowtide_model::identity::{AttemptNumber, PolicyId, ZoneId};
use lowtide_model::job::{Attempt, JobSpec};
use lowtide_model::operating_point::OperatingPoint;
use lowtide_model::quantity::{GramsPerKwh, Joules};
use lowtide_model::site::{Resources, Transfer};
use proptest::prelude::*;

use super::*;
use crate::policy;
use crate::testing::{TAGS, certain, forecast, hour, job, prices, site, site_id, spec, window};
use windows::NIGHT;
use world::{ONE_PIECE, PATIENT, World, at, shown, two_tides};

#[test]
fn a_job_that_cannot_pause_waits_for_the_cleanest_single_window() {
    let world = World::new(3.0, PATIENT, &[&two_tides(48)]).spec(|spec| spec.checkpoint = None);
    let plan = world.plan();
    assert_eq!(shown(&plan), [at("home", 6.0, 9.0)]);
    assert_eq!(plan.reason, Reason::Delay);
    assert!((plan.footprint.median.get() - 300.0).abs() < 1e-6);
    let run_now = plan.run_now.expect("there is room");
    assert!((run_now.footprint.get() - 1200.0).abs() < 1e-6);
    assert_eq!(run_now.label, "start now at home");
    assert_eq!(run_now.rejected, "+900 g");
}

#[test]
fn a_job_with_checkpoints_uses_both_tides_and_pauses_between() {
    let mut world = World::new(6.0, PATIENT, &[&two_tides(48)]);
    let plan = world.plan();
    assert_eq!(shown(&plan), [at("home", 6.0, 9.0), at("home", 20.0, 23.0)]);
    assert_eq!(plan.reason, Reason::Pauses);
    // What stop and start take is added behind the last stretch.
    world.overhead = Overhead { stop: Seconds::from_hours(0.05), start: Seconds::from_hours(0.1) };
    assert_eq!(shown(&world.plan()), [at("home", 6.0, 9.0), at("home", 20.0, 23.15)]);
    // When a pause costs more than the tide brings, there is none.
    world.overhead = Overhead { stop: Seconds::from_hours(3.0), start: Seconds::from_hours(3.0) };
    assert_eq!(world.plan().segments.len(), 1);
}

#[test]
fn what_saves_too_little_is_not_waited_for() {
    let levels: Vec<f64> = (0..48).map(|hour| if hour < 6 { 100.0 } else { 97.0 }).collect();
    let world = World::new(2.0, PATIENT, &[&levels]);
    let plan = world.plan();
    assert_eq!(shown(&plan), [at("home", 0.0, 2.0)]);
    assert_eq!(plan.reason, Reason::NothingSaved);
    assert!(plan.alternatives.iter().any(|lost| lost.rejected == "saves only 3 %, less than the 5 % asked for"));
}

#[test]
fn the_deadline_reserves_the_time_the_job_might_take() {
    let mut world = World::new(3.0, ONE_PIECE, &[&two_tides(48)]);
    world.job.spec.deadline = Some(hour(9.0));
    assert_eq!(shown(&world.plan()), [at("home", 6.0, 9.0)]);
    world.prediction.remaining.high = Seconds::from_hours(5.0);
    assert_eq!(shown(&world.plan()), [at("home", 4.0, 7.0)]);
    let lost = world.plan().alternatives;
    assert!(lost.iter().any(|lost| lost.rejected.contains("after the deadline")), "{lost:?}");
}

#[test]
fn a_deadline_out_of_reach_starts_the_job_at_once_and_says_so() {
    let mut world = World::new(3.0, PATIENT, &[&two_tides(48)]);
    world.job.spec.deadline = Some(hour(2.0));
    let plan = world.plan();
    assert_eq!((shown(&plan), plan.reason), (vec![at("home", 0.0, 3.0)], Reason::Deadline));
    assert_eq!(plan.warnings, ["the deadline Mon 2 Mar 02:00 UTC will probably be missed by 1 h"]);
    world.job.spec.deadline = Some(hour(4.0));
    world.prediction.remaining.high = Seconds::from_hours(6.0);
    let plan = world.plan();
    assert_eq!((shown(&plan), plan.reason), (vec![at("home", 0.0, 3.0)], Reason::Deadline));
    assert!(plan.warnings[0].contains("may be missed"), "{:?}", plan.warnings);
}

#[test]
fn all_waiting_counts_towards_the_longest_delay() {
    let mut world = World::new(3.0, "max_delay = \"8h\"\npausable = false", &[&two_tides(48)]);
    assert_eq!(shown(&world.plan()), [at("home", 6.0, 9.0)]);
    world.job.spec.max_delay = Some(Seconds::from_hours(5.0));
    assert_eq!(shown(&world.plan()), [at("home", 5.0, 8.0)]);
    (world.now, world.job.spec.max_delay) = (9.0, None);
    assert_eq!(shown(&world.plan()), [at("home", 9.0, 12.0)]);
}

#[test]
fn without_deadline_and_delay_no_job_waits_longer_than_the_horizon() {
    let falling: Vec<f64> = (0..200).map(|hour| 1000.0 - f64::from(hour) * 4.0).collect();
    let mut world = World::new(1.0, "pausable = false", &[&falling]);
    assert!(world.plan().start() > Some(hour(40.0)));
    world.now = 48.0;
    assert_eq!(world.plan().start(), Some(hour(48.0)));
}

#[test]
fn an_hour_of_delay_may_have_a_price() {
    let text = |price: u32| format!("{ONE_PIECE}\nobjective = \"weighted\"\ndelay_grams_per_hour = {price}");
    for (price, start) in [(10, 6.0), (140, 6.0), (160, 0.0)] {
        assert_eq!(World::new(3.0, &text(price), &[&two_tides(48)]).plan().start(), Some(hour(start)), "{price} g/h");
    }
}

#[test]
fn a_cleaner_site_is_taken_where_routing_is_allowed() {
    let (dirty, clean) = (vec![500.0; 48], vec![50.0; 48]);
    let route = format!("{PATIENT}\nroute = true");
    let plan = World::new(2.0, &route, &[&dirty, &clean]).plan();
    assert_eq!((shown(&plan), plan.reason), (vec![at("north", 0.0, 2.0)], Reason::Route));
    assert_eq!(plan.run_now.map(|run_now| run_now.label).as_deref(), Some("start now at home"));
    let stays = World::new(2.0, PATIENT, &[&dirty, &clean]).plan();
    assert_eq!(shown(&stays), [at("home", 0.0, 2.0)]);
    let named = World::new(2.0, PATIENT, &[&dirty, &clean]).spec(|spec| spec.sites = vec![site_id("north")]).plan();
    assert_eq!(shown(&named), [at("north", 0.0, 2.0)]);
    let tide = World::new(2.0, &route, &[&dirty, &two_tides(48)]).plan();
    assert_eq!((shown(&tide), tide.reason), (vec![at("north", 6.0, 8.0)], Reason::RouteAndDelay));
}

#[test]
fn speed_power_and_overhead_of_a_site_are_part_of_the_price() {
    let level = vec![100.0; 48];
    let mut world = World::new(4.0, "route = true\nminimum_saving = 0", &[&level, &level]);
    (world.sites[1].0.speed, world.sites[1].0.power) = (2.0, 1.5);
    let plan = world.plan();
    assert_eq!(shown(&plan), [at("north", 0.0, 2.0)]);
    assert!((plan.footprint.median.get() - 300.0).abs() < 1e-6, "{:?}", plan.footprint);
    world.sites[1].0.pue = lowtide_model::quantity::Pue::new(1.5).expect("a ratio");
    assert_eq!(shown(&world.plan()), [at("home", 0.0, 4.0)]);
}

#[test]
fn zones_that_count_differently_are_not_ranked_unless_the_user_says_so() {
    let (dirty, clean) = (vec![500.0; 48], vec![50.0; 48]);
    let mut world = World::new(2.0, "route = true", &[&dirty, &clean]);
    world.sites[1].1 = Some(Tags { basis: Basis::Direct, ..TAGS });
    let plan = world.plan();
    assert_eq!(shown(&plan), [at("home", 0.0, 2.0)]);
    assert!(plan.warnings[0].starts_with("left out `north`"), "{:?}", plan.warnings);
    world.comparable = true;
    assert_eq!(shown(&world.plan()), [at("north", 0.0, 2.0)]);
}

#[test]
fn a_running_job_moves_only_if_that_pays_for_leaving_and_coming() {
    let (dirty, clean) = (vec![500.0; 48], vec![50.0; 48]);
    let route = format!("{PATIENT}\nroute = true");
    let mut world = World::new(2.0, &route, &[&dirty, &clean]).running("home");
    world.overhead = Overhead { stop: Seconds::from_hours(0.1), start: Seconds::from_hours(0.1) };
    world.sites[1].0.transfer =
        Transfer { time: Seconds::from_hours(0.4), energy: Joules::from_kwh(1.0).expect("positive") };
    let plan = world.plan();
    assert_eq!((shown(&plan), plan.reason), (vec![at("north", 0.5, 2.6)], Reason::Route));
    // 2.1 h at 50, 0.1 h of leaving at 500, 1 kWh of transfer at 50.
    assert!((plan.footprint.median.get() - (105.0 + 50.0 + 50.0)).abs() < 1e-6, "{:?}", plan.footprint);
    world.sites[1].0.transfer.energy = Joules::from_kwh(20.0).expect("positive");
    let plan = world.plan();
    assert_eq!((shown(&plan), plan.reason), (vec![at("home", 0.0, 2.0)], Reason::Continue));
    world.sites[1].0.transfer.energy = Joules::ZERO;
    world.job.spec.checkpoint = None;
    assert_eq!(world.plan().reason, Reason::Continue);
}

#[test]
fn a_running_job_pauses_through_the_flood() {
    let levels: Vec<f64> = (0..48).map(|hour| if (2..8).contains(&hour) { 900.0 } else { 100.0 }).collect();
    let plan = World::new(4.0, PATIENT, &[&levels]).running("home").plan();
    assert_eq!((shown(&plan), plan.reason), (vec![at("home", 0.0, 2.0), at("home", 8.0, 10.0)], Reason::Pauses));
    let levels: Vec<f64> = (0..48).map(|hour| if hour < 6 { 900.0 } else { 100.0 }).collect();
    let plan = World::new(4.0, PATIENT, &[&levels]).running("home").plan();
    assert_eq!((shown(&plan), plan.reason), (vec![at("home", 6.0, 10.0)], Reason::Pauses));
}

#[test]
fn a_paused_job_counts_the_way_to_where_its_checkpoint_lies() {
    let (home, north) = (vec![100.0; 48], vec![80.0; 48]);
    let mut world = World::new(2.0, "route = true\nminimum_saving = 0", &[&home, &north]).running("home");
    (world.current, world.last_site) = (None, Some(site_id("home")));
    world.job.attempts[0].ended_at = Some(hour(0.0));
    assert_eq!(shown(&world.plan()), [at("north", 0.0, 2.0)]);
    world.sites[1].0.transfer.energy = Joules::from_kwh(1.0).expect("positive");
    assert_eq!(shown(&world.plan()), [at("home", 0.0, 2.0)]);
}

#[test]
fn what_is_taken_is_not_planned_again() {
    let mut world = World::new(3.0, ONE_PIECE, &[&two_tides(48)]);
    world.sites[0].3.add(window(5.0, 7.0), Resources { cpus: 4, gpus: 0 });
    assert_eq!(shown(&world.plan()), [at("home", 20.0, 23.0)]);
    let mut full = World::new(3.0, "delay = false", &[&two_tides(48)]);
    full.sites[0].3.add(window(0.0, 2.5), Resources { cpus: 4, gpus: 0 });
    assert_eq!(shown(&full.plan()), [at("home", 2.5, 5.5)]);
}

#[test]
fn a_job_no_site_can_take_has_an_empty_plan_that_says_what_is_missing() {
    let world =
        World::new(3.0, PATIENT, &[&two_tides(48)]).spec(|spec| spec.resources = Resources { cpus: 9, gpus: 1 });
    let plan = world.plan();
    assert_eq!((plan.segments.len(), plan.reason), (0, Reason::NoCapacity));
    assert_eq!(plan.warnings, ["site `home` lacks the job's 9 processors (it has 4) and 1 GPUs (it has 0)"]);
    let mut elsewhere = World::new(3.0, PATIENT, &[&two_tides(48)]);
    elsewhere.policy.zones = vec![ZoneId::new("FR").expect("a name")];
    assert!(elsewhere.plan().warnings[0].contains("no site is allowed"));
}

#[test]
fn a_probe_and_a_wish_to_run_now_start_at_once() {
    let mut world = World::new(3.0, PATIENT, &[&two_tides(48)]);
    world.probing = true;
    assert_eq!((world.plan().start(), world.plan().reason), (Some(hour(0.0)), Reason::Probe));
    (world.probing, world.job.run_now) = (false, true);
    assert_eq!((world.plan().start(), world.plan().reason), (Some(hour(0.0)), Reason::RunNow));
}

#[test]
fn an_annual_mean_delays_nothing_and_is_named() {
    let mut world = World::new(3.0, PATIENT, &[&[1.0; 48]]);
    world.sites[0].2 = IntensityCurve::constant(GramsPerKwh::saturating(300.0), window(0.0, 48.0));
    let plan = world.plan();
    assert_eq!((plan.start(), plan.forecast_issued_at), (Some(hour(0.0)), None));
    assert!(plan.warnings[0].contains("annual mean of 300 g/kWh"), "{:?}", plan.warnings);
}

/// What runs in clean hours and is to pause in the dirty ones after them is not stopped for that it is looked at shortly before a slot
/// begins: too little of the slot is left for a unit of work, but not for running on.
#[test]
fn a_running_job_runs_on_to_its_pause_whenever_it_is_looked_at() {
    let mut levels = [500.0; 48];
    levels[0..3].fill(20.0);
    levels[9..12].fill(20.0);
    for minutes in [0.0, 20.0, 40.0, 50.0, 55.0, 59.0, 59.9] {
        let mut world = World::new(4.5, "minimum_saving = 0.0", &[&levels]).running("home");
        world.now = minutes / 60.0;
        world.overhead = Overhead { stop: Seconds::saturating(30.0), start: Seconds::saturating(60.0) };
        let plan = world.plan();
        assert_eq!(plan.start(), Some(hour(world.now)), "{minutes} minutes past: {plan:?}");
        assert_eq!(plan.segments.len(), 2, "{minutes} minutes past: {plan:?}");
    }
}

/// The least of a contiguous run over all hourly starts, and the same for any set of hours.
fn brute_force(levels: &[f64], hours: usize, last_end: usize) -> (f64, f64) {
    let contiguous = (0..=last_end - hours)
        .map(|start| levels[start..start + hours].iter().sum::<f64>())
        .fold(f64::INFINITY, f64::min);
    let mut sorted = levels[..last_end].to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    (contiguous, sorted[..hours].iter().sum())
}

#[expect(clippy::needless_range_loop, reason = "the hour picks from one site's row or the other's")]
/// Every assignment of hours to off, the first or the second site, with a transfer at each change of site.
fn brute_force_routes(levels: &[Vec<f64>], hours: usize, last_end: usize, transfer_kwh: [f64; 2]) -> f64 {
    let mut least = f64::INFINITY;
    for code in 0..3_usize.pow(u32::try_from(last_end).expect("small")) {
        let (mut rest, mut grams, mut done, mut at) = (code, 0.0, 0, Some(0));
        for hour in 0..last_end {
            let choice = rest % 3;
            rest /= 3;
            if choice == 0 {
                continue;
            }
            let site = choice - 1;
            if at.is_some_and(|at| at != site) {
                grams += transfer_kwh[site] * levels[site][hour];
            }
            grams += levels[site][hour];
            (at, done) = (Some(site), done + 1);
        }
        if done == hours {
            least = least.min(grams);
        }
    }
    least
}

#[test]
fn a_dirtier_and_faster_site_that_holds_the_deadline_is_chosen_for_the_deadline() {
    let mut world = World::new(4.0, "route = true\ndelay = false\nminimum_saving = 0", &[&[10.0; 60], &[100.0; 60]]);
    world.sites[0].0.speed = 0.5;
    world.sites[1].0.speed = 2.0;
    world.sites[1].3.add(window(0.0, 1.0), Resources { cpus: 4, gpus: 0 });
    world.prediction.remaining.high = Seconds::from_hours(8.0);
    world.job.spec.deadline = Some(hour(10.0));
    let plan = world.plan();
    assert_eq!(plan.segments[0].site.as_str(), world.sites[1].0.id.as_str(), "at home it may take sixteen hours");
    assert_eq!(plan.reason, Reason::Deadline, "{plan:#?}");
}

proptest! {
    #[test]
    fn choices_are_those_of_brute_force(
        levels in prop::collection::vec(1.0..900.0_f64, 12..40), hours in 1_usize..8, slack in 0_usize..30,
    ) {
        let last_end = (hours + slack).min(levels.len());
        let text = "minimum_saving = 0\nroute = false";
        let mut world = World::new(hours as f64, text, &[&levels]);
        world.job.spec.deadline = Some(hour(last_end as f64));
        let (contiguous, pieces) = brute_force(&levels, hours, last_end);
        let found = world.plan();
        prop_assert!((found.footprint.median.get() - pieces).abs() < 1e-6, "{:?} against {pieces}", found.footprint);
        world.policy.pausable = false;
        let found = world.plan();
        prop_assert!((found.footprint.median.get() - contiguous).abs() < 1e-6, "{:?} against {contiguous}", found.footprint);
    }

    #[test]
    fn routes_with_pauses_are_those_of_brute_force(
        levels in prop::collection::vec(prop::collection::vec(1.0..900.0_f64, 8), 2), hours in 1_usize..5, slack in 0_usize..4,
        transfers in (0.0..0.5_f64, 0.0..0.5_f64),
    ) {
        let last_end = (hours + slack).min(8);
        let mut world = World::new(hours as f64, "minimum_saving = 0\nroute = true", &[&levels[0], &levels[1]]);
        world.last_site = Some(site_id("home"));
        for (site, kwh) in world.sites.iter_mut().zip([transfers.0, transfers.1]) {
            site.0.transfer.energy = Joules::from_kwh(kwh).expect("positive");
        }
        world.job.spec.deadline = Some(hour(last_end as f64));
        let least = brute_force_routes(&levels, hours, last_end, [transfers.0, transfers.1]);
        let found = world.plan();
        prop_assert!((found.footprint.median.get() - least).abs() < 1e-6, "{found:?} against {least}");
    }

    /// Whatever the world: the promises of the module.
    #[test]
    fn no_plan_breaks_a_promise(
        levels in prop::collection::vec(prop::collection::vec(1.0..900.0_f64, 60), 1..4),
        hours in 0.1..20.0_f64, wider in 1.0..2.0_f64,
        (pausable, route, delay, checkpoint, running) in any::<(bool, bool, bool, bool, bool)>(),
        deadline in prop::option::of(1.0..60.0_f64), max_delay in prop::option::of(0.0..40.0_f64),
        taken in prop::collection::vec((0_usize..3, 0.0..40.0_f64, 0.5..10.0_f64), 0..6),
        speeds in prop::collection::vec(0.5..2.0_f64, 3), transfer in 0.0..3.0_f64,
        overhead in (0.0..0.2_f64, 0.0..0.2_f64), saving in 0.0..0.3_f64, price in prop::option::of(0.0..200.0_f64),
        windows in any::<bool>(), drift in (prop::sample::select(vec![0.0, 0.0, 60.0]), 0.5..0.99_f64),
    ) {
        let references: Vec<&[f64]> = levels.iter().map(Vec::as_slice).collect();
        let text = format!(
            "pausable = {pausable}\nroute = {route}\ndelay = {delay}\nminimum_saving = {saving}{}",
            if windows { NIGHT } else { "" },
        );
        let mut world = World::new(hours, &text, &references);
        if let Some(delay_grams_per_hour) = price {
            world.policy.weights.grams_per_hour = delay_grams_per_hour;
        }
        if running {
            world = world.running("home");
        }
        world.prediction.remaining.high = Seconds::from_hours(hours * wider);
        world.drift = Drift { spread: drift.0, persistence: drift.1 };
        world.job.spec.deadline = deadline.map(hour);
        world.job.spec.max_delay = max_delay.map(Seconds::from_hours);
        if !checkpoint {
            world.job.spec.checkpoint = None;
        }
        world.overhead = Overhead { stop: Seconds::from_hours(overhead.0), start: Seconds::from_hours(overhead.1) };
        let count = world.sites.len();
        for (at, start, length) in taken {
            world.sites[at % count].3.add(window(start, start + length), Resources { cpus: 4, gpus: 0 });
        }
        for (site, speed) in world.sites.iter_mut().zip(&speeds) {
            site.0.speed = *speed;
            site.0.transfer.time = Seconds::from_hours(transfer);
        }
        let plan = world.plan();
        prop_assert!(!plan.segments.is_empty());
        prop_assert!(plan.start() >= Some(hour(0.0)));
        let mut work = 0.0;
        let mut sites_of: BTreeMap<String, &(Site, Option<Tags>, IntensityCurve, Occupancy)> = BTreeMap::new();
        for site in &world.sites {
            sites_of.insert(site.0.id.to_string(), site);
        }
        for pair in plan.segments.windows(2) {
            let gap = Seconds::between(pair[0].window.end(), pair[1].window.start()).hours();
            prop_assert!(pair[0].window.end() <= pair[1].window.start());
            prop_assert!(pair[0].site == pair[1].site || transfer <= gap + 1e-6, "no time to move: {:?}", plan.segments);
        }
        for (at, segment) in plan.segments.iter().enumerate() {
            let site = sites_of[segment.site.as_str()];
            let stays = running && at == 0 && segment.site.as_str() == "home" && segment.window.start() == hour(0.0);
            prop_assert!(stays || site.3.fits(segment.window, world.job.spec.resources), "{:?} is taken", segment);
            let start = if running && !stays || at > 0 { overhead.1 } else { 0.0 };
            let stop = if at + 1 < plan.segments.len() { overhead.0 } else { 0.0 };
            work += (segment.window.duration().hours() - start - stop) * site.0.speed;
        }
        prop_assert!((work - hours).abs() < 1e-3, "{work} h of work instead of {hours}");
        prop_assert!(plan.segments.len() == 1 || (checkpoint && pausable));

        let run_now = plan.run_now.clone().expect("there is room some time");
        if !windows && plan.reason != Reason::Deadline && run_now.segments[0].window.start() == hour(0.0) {
            prop_assert!(plan.footprint.median.get() <= run_now.footprint.get() * (1.0 + 1e-9), "worse than run-now");
        }
        if let Some(deadline) = deadline {
            // Where running on, or starting at once at home, meets the deadline with the reserve, the plan does.
            let site = sites_of[run_now.segments[0].site.as_str()];
            let high = run_now.end + jiff::SignedDuration::from_secs_f64(hours * (wider - 1.0) / site.0.speed * 3600.0);
            if high <= hour(deadline) {
                prop_assert!(plan.end <= hour(deadline), "{plan:?}");
            }
        }
    }
}
