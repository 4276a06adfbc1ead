//! The search that leaves out cells is held against one that tries every start.

use lowtide_model::identity::PolicyId;
use lowtide_model::job::JobSpec;
use lowtide_model::quantity::{GramsPerKwh, Pue};
use lowtide_model::site::{Resources, Transfer};
use proptest::prelude::*;

use super::*;
use crate::capacity::Occupancy;
use crate::curve::IntensityCurve;
use crate::plan::{Overhead, PlanningInput, SiteView};
use crate::policy;
use crate::testing::{TAGS, certain, forecast, hour, job, site, site_id, spec, window};

/// The rule as it is told: every start in its order, and a later one only if it costs less.
fn by_trying_all(situation: &Situation, place: usize, rules: Rules) -> Option<Course> {
    let bound = situation.bound(place, rules);
    let mut best: Option<(f64, Stretch)> = None;
    for start in situation.starts(place) {
        let Some(stretch) = situation.contiguous(place, start) else { continue };
        if bound < stretch.window.end() || !situation.open(place, stretch.window, rules) {
            continue;
        }
        let late = Seconds::between(situation.input.now, stretch.window.end()).hours();
        let cost = situation.grams(&[stretch]) + situation.price_of_delay() * late;
        if best.is_none_or(|(least, _)| cost < least * (1.0 - 1e-9)) {
            best = Some((cost, stretch));
        }
    }
    best.map(|(_, stretch)| situation.course(vec![stretch]))
}

const POLICIES: [&str; 3] = [
    "",
    "objective = \"weighted\"\ndelay_grams_per_hour = 20.0",
    "[[windows]]\ncron = \"0 20 * * *\"\nduration = \"9h\"\n[[windows]]\ncron = \"20 3 * * *\"\nduration = \"2h\"",
];

proptest! {
    #[test]
    fn the_search_by_cells_finds_what_trying_every_start_finds(
        levels in prop::collection::vec(prop::sample::select(vec![0.0, 20.0, 20.5, 300.0, 301.0, 500.0]), 12..60),
        stays in prop::collection::vec((0_u32..2400, 1_u32..900, 1_u32..4), 0..30),
        minutes in 1_u32..900, now in 0_u32..600, cpus in 1_u32..4, policy in 0_usize..3,
        slot in prop::sample::select(vec![5.0, 15.0, 30.0, 60.0, 42.0]),
        deadline in prop::option::of(0_u32..4000), moved in any::<bool>(),
    ) {
        let minute = |minutes: u32| hour(f64::from(minutes) / 60.0);
        let mut here = site("here", 4);
        here.pue = Pue::new(1.3).expect("at least one");
        here.transfer = Transfer { time: Seconds::saturating(777.0), energy: lowtide_model::quantity::Joules::saturating(5e5) };
        let curve = IntensityCurve::build(
            Some(&forecast("GB", &levels)), GramsPerKwh::ZERO, minute(now), window(-5.3, levels.len() as f64 + 20.0),
        );
        let mut occupancy = Occupancy::new(here.capacity);
        for (start, length, taken) in stays {
            let stay = Window::new(minute(start), minute(start + length)).expect("in order");
            occupancy.add(stay, Resources { cpus: taken, gpus: 0 });
        }
        let view = SiteView { tags: Some(TAGS), ..SiteView::of(&here, &curve, &occupancy) };
        let job = job(JobSpec {
            resources: Resources { cpus, gpus: 0 }, deadline: deadline.map(minute), checkpoint: None, ..spec()
        });
        let policy = policy::parse(PolicyId::new("test").expect("a name"), POLICIES[policy]).expect("a policy");
        let (elsewhere, prediction) = (site_id("elsewhere"), certain(f64::from(minutes) / 60.0));
        let input = PlanningInput {
            now: minute(now), job: &job, prediction: &prediction, policy: &policy, sites: &[view], current: None,
            last_site: moved.then_some(&elsewhere),
            overhead: Overhead { stop: Seconds::ZERO, start: Seconds::ZERO },
            horizon: Seconds::from_hours(30.0), slot: Seconds::saturating(slot * 60.0), probing: false, comparable: false, seed: 0,
        };
        let situation = Situation::of(&input).expect("the site is large enough");
        for rules in [true, false].map(|kept| Rules { windows: kept, delay: kept, deadline: kept, reserve: kept }) {
            prop_assert_eq!(situation.best_contiguous(0, rules), by_trying_all(&situation, 0, rules));
        }
    }
}

proptest! {
    #[test]
    fn a_choice_is_what_the_plan_says(
        sites in prop::collection::vec((
            prop::collection::vec(prop::sample::select(vec![20.0, 20.5, 300.0, 301.0, 500.0]), 48),
            prop::collection::vec((0_u32..2400, 1_u32..900, 1_u32..5), 0..12),
            prop::sample::select(vec![0.5, 1.0, 1.25]),
        ), 1..8),
        minutes in 1_u32..900, cpus in 1_u32..4, policy in 0_usize..4, deadline in prop::option::of(0_u32..3000),
        resting in any::<bool>(), checkpoint in prop::bool::weighted(0.2), probing in prop::bool::weighted(0.1),
    ) {
        let minute = |minutes: u32| hour(f64::from(minutes) / 60.0);
        let places: Vec<_> = sites.iter().enumerate().map(|(number, (levels, stays, speed))| {
            let mut site = site(&format!("s{number}"), 4);
            site.speed = *speed;
            site.transfer.time = Seconds::saturating(600.0);
            let curve = IntensityCurve::build(
                Some(&forecast("GB", levels)), GramsPerKwh::ZERO, hour(0.0), window(0.0, 60.0),
            );
            let mut occupancy = Occupancy::new(site.capacity);
            for (start, length, taken) in stays {
                let stay = Window::new(minute(*start), minute(start + length)).expect("in order");
                occupancy.add(stay, Resources { cpus: *taken, gpus: 0 });
            }
            (site, curve, occupancy)
        }).collect();
        let views: Vec<SiteView> = places.iter()
            .map(|(site, curve, occupancy)| SiteView { tags: Some(TAGS), ..SiteView::of(site, curve, occupancy) })
            .collect();
        let job = job(JobSpec {
            resources: Resources { cpus, gpus: 0 }, deadline: deadline.map(minute),
            checkpoint: spec().checkpoint.filter(|_| checkpoint), ..spec()
        });
        let text = POLICIES.get(policy).map(|text| format!("route = true\n{text}"));
        let text = text.unwrap_or_else(|| "minimum_saving = 0.2\nroute = false".to_owned());
        let policy = policy::parse(PolicyId::new("test").expect("a name"), &text).expect("a policy");
        let (last, prediction) = (site_id("s0"), certain(f64::from(minutes) / 60.0));
        let input = PlanningInput {
            now: hour(0.0), job: &job, prediction: &prediction, policy: &policy, sites: &views, current: None,
            last_site: resting.then_some(&last),
            overhead: Overhead { stop: Seconds::ZERO, start: Seconds::ZERO },
            horizon: Seconds::from_hours(36.0), slot: Seconds::from_hours(0.5), probing, comparable: false, seed: 3,
        };
        let plan = crate::plan::plan(&input);
        let choice = crate::plan::choose_stretches(&input).expect("all sites are large enough");
        prop_assert_eq!(&choice.segments, &plan.segments);
        prop_assert_eq!((choice.footprint, choice.reason), (plan.footprint.median, plan.reason));
    }
}
