//! What is kept of who sees what is what would be found anew, whatever happens.

use std::collections::BTreeMap;

use lowtide_model::forecast::{Accounting, Basis, Forecast, Kind, Signal, Slot, Tags};
use lowtide_model::identity::{PolicyId, SiteId, ZoneId};
use lowtide_model::job::JobSpec;
use lowtide_model::priority::{AccountBy, FairShare};
use lowtide_model::quantity::{GramsPerKwh, Watts};
use lowtide_model::site::{Resources, Site};
use lowtide_model::window::Window;
use lowtide_planner::policy::builtin_texts;
use proptest::prelude::*;

use super::*;
use crate::event::{Settings, UserAction, World};
use crate::sim::{Faults, Happening, Simulation, TrueWork};

fn hours(hours: f64) -> Timestamp {
    Seconds::from_hours(hours).after(Timestamp::UNIX_EPOCH)
}

fn world() -> World {
    let site = Site::like_the_reference(
        SiteId::new("home").expect("a name"),
        ZoneId::new("GB").expect("a name"),
        Resources { cpus: 2, gpus: 0 },
        GramsPerKwh::saturating(400.0),
    );
    let free = (PolicyId::new("free").expect("a name"), "max_delay = \"48h\"\nminimum_saving = 0\n".to_owned());
    let policies = builtin_texts().into_iter().map(|(id, text)| (id, text.to_owned())).chain([free]).collect();
    let fair_share =
        Some(FairShare { by: AccountBy::User, half_life: Seconds::from_hours(6.0), shares: BTreeMap::new() });
    World {
        sites: vec![site],
        policies,
        time_zone: None,
        budgets: Vec::new(),
        fair_share,
        settings: Settings::default(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn what_is_kept_of_what_is_seen_is_what_would_be_found_anew(
        jobs in prop::collection::vec((0.0..24.0_f64, -2_i64..3, any::<bool>(), 0.2..5.0_f64, prop::option::of(4.0..60.0_f64)), 2..14),
        asked in prop::collection::vec((0.0..30.0_f64, 1..14_u64, -2_i64..3), 0..6),
    ) {
        let priority = |number| Priority::new(number).expect("a priority");
        let submit = jobs.into_iter().map(|(at, number, ada, length, left)| {
            let user = if ada { "ada" } else { "bob" };
            let policy = PolicyId::new("run-now").expect("a name");
            let spec = JobSpec::of_command(vec!["train".into()], "/".into(), user.into(), policy);
            let deadline = left.map(|left| hours(at + left));
            let declared_duration = Some(Seconds::from_hours(length));
            let spec = JobSpec { priority: priority(number), deadline, declared_duration, ..spec };
            let work = TrueWork {
                epochs: 2, epoch: Seconds::from_hours(length * 0.6), power: Watts::saturating(300.0), exit_code: 0,
            };
            (hours(at), Happening::Submit(Box::new(spec), work))
        });
        let asked = asked.into_iter().map(|(at, job, number)| {
            (hours(at), Happening::Ask(JobId(job), UserAction::Prioritise(priority(number))))
        });
        let mut simulation = Simulation::new(hours(0.0), world(), submit.chain(asked), Faults::default(), 1);
        let ever = Window::new(Timestamp::MIN, Timestamp::MAX).expect("some time");
        for quarter in 0..160 {
            simulation.run(hours(f64::from(quarter) * 0.25)).map_err(TestCaseError::fail)?;
            let engine = simulation.engine();
            for (turn, taken) in engine.views.iter() {
                prop_assert_eq!(taken, &engine.all_but_those_after(turn));
                prop_assert_eq!(taken, &engine.firm_and_those_up_to(turn));
            }
            let filed = engine.stands.during(&engine.sites()[0].id, ever);
            for id in filed {
                prop_assert!(engine.in_force.precedence_of(id).is_some(), "job {} stands where it has no plan", id);
            }
            for id in engine.in_force.ids() {
                let waits = engine.job(id).is_some_and(|job| job.state.awaits_a_window() && job.plan.is_some());
                prop_assert!(waits, "job {} is taken to wait", id);
                for segment in &engine.job(id).and_then(|job| job.plan.clone()).expect("it has a plan").segments {
                    let found = engine.stands.during(&segment.site, segment.window).any(|other| other == id);
                    prop_assert!(found, "job {} is not found where it stands", id);
                }
            }
        }
    }
    #[test]
    fn once_all_is_planned_nobody_has_a_place_that_one_before_it_would_rather_have(
        levels in prop::collection::vec(50.0..500.0_f64, 24),
        jobs in prop::collection::vec((0.0..5.0_f64, 1_u8..5, 1_u32..3), 2..12),
        shift in 0_i64..7,
    ) {
        // No two of one priority, in an order that has nothing to do with that of their coming.
        let priorities = (0..).map(|number: i64| Priority::new((number * 5 + shift) % 13).expect("a priority"));
        let submit = jobs.into_iter().zip(priorities).map(|((at, length, cpus), priority)| {
            let policy = PolicyId::new("free").expect("a name");
            let spec = JobSpec::of_command(vec!["train".into()], "/".into(), "ada".into(), policy);
            let length = f64::from(length);
            let resources = Resources { cpus, gpus: 0 };
            let spec = JobSpec { priority, resources, declared_duration: Some(Seconds::from_hours(length)), ..spec };
            let work = TrueWork {
                epochs: 4, epoch: Seconds::from_hours(length / 4.0), power: Watts::saturating(300.0), exit_code: 0,
            };
            (hours(at), Happening::Submit(Box::new(spec), work))
        });
        let news = [hours(0.0), hours(6.0)].map(|at| (at, forecast(&levels)));
        let world = World { fair_share: None, ..world() };
        let mut simulation = Simulation::new(hours(0.0), world, submit.chain(news), Faults::default(), 1);
        simulation.run(hours(6.0)).map_err(TestCaseError::fail)?;
        let engine = simulation.engine();
        let now = simulation.now();
        for id in engine.in_force.ids() {
            let job = engine.job(id).expect("it waits");
            let plan = job.plan.as_ref().expect("it has a plan");
            let mut room = engine.seen_up_to(last_of(engine.precedence_of(now, job)));
            engine.take(&mut room, id);
            let (prediction, policy) = (engine.predict(now, job), engine.policy_in_force(&job.spec));
            let empty = lowtide_planner::capacity::Occupancy::new(Resources::default());
            let views = engine.views(&room, &empty);
            let best = lowtide_planner::plan::plan(&engine.planning_input(now, job, &prediction, &policy, &views));
            let (best, has) = (best.footprint.median.get(), plan.footprint.median.get());
            prop_assert!(has <= best * (1.0 + 1e-6), "job {} has {} g and could have {}", id, has, best);
        }
    }
}

/// Four days in which each hour of the day has its intensity.
fn forecast(levels: &[f64]) -> Happening {
    let slots = (0..96_u32).zip(levels.iter().cycle()).map(|(hour, level)| Slot {
        window: Window::new(hours(f64::from(hour)), hours(f64::from(hour + 1))).expect("an hour"),
        intensity: GramsPerKwh::saturating(*level),
        band: None,
        kind: Kind::Forecast,
    });
    let tags = Tags { signal: Signal::Average, basis: Basis::Lifecycle, accounting: Accounting::Production };
    let zone = ZoneId::new("GB").expect("a name");
    let told = Forecast::new(zone, tags, hours(0.0), hours(0.0), "test".into(), None, slots.collect());
    Happening::Issue(Box::new(told.expect("in order")))
}
