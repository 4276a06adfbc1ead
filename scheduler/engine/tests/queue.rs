//! A long queue: room that became free finds who waits for it, what falls due does not wait for the others, and a step is bounded.

use jiff::Timestamp;
use lowtide_engine::{Effect, Engine, Event, Settings, World};
use lowtide_model::event::AttemptReport;
use lowtide_model::forecast::{Accounting, Basis, Forecast, Kind, Signal, Slot, Tags};
use lowtide_model::identity::{AttemptKey, JobId, PolicyId, SiteId, ZoneId};
use lowtide_model::job::{Exit, JobSpec};
use lowtide_model::quantity::{GramsPerKwh, Joules, Seconds};
use lowtide_model::site::{Resources, Site};
use lowtide_model::window::Window;
use lowtide_planner::policy::builtin_texts;

fn hours(hours: f64) -> Timestamp {
    Seconds::from_hours(hours).after(Timestamp::UNIX_EPOCH)
}

fn zone(site: &str) -> ZoneId {
    ZoneId::new(format!("Z-{site}")).expect("a name")
}

/// Clean from the sixth hour of a day to the eighth.
fn forecast(site: &str, issued: Timestamp) -> Forecast {
    let slot = |hour: u32| Slot {
        window: Window::new(hours(f64::from(hour)), hours(f64::from(hour + 1))).expect("an hour"),
        intensity: GramsPerKwh::saturating(if (6..8).contains(&(hour % 24)) { 100.0 } else { 500.0 }),
        band: None,
        kind: Kind::Forecast,
    };
    let tags = Tags { signal: Signal::Average, basis: Basis::Lifecycle, accounting: Accounting::Production };
    let forecast = Forecast::new(zone(site), tags, issued, issued, "test".into(), None, (0..96).map(slot).collect());
    forecast.expect("in order")
}

/// Two sites of one processor each, and the policies that come with lowtide.
fn engine() -> Engine {
    let site = |id: &str| {
        Site::like_the_reference(
            SiteId::new(id).expect("a name"),
            zone(id),
            Resources { cpus: 1, gpus: 0 },
            GramsPerKwh::saturating(400.0),
        )
    };
    let policies = builtin_texts().into_iter().map(|(id, text)| (id, text.to_owned())).collect();
    let sites = vec![site("near"), site("far")];
    let settings = Settings::default();
    let world = World { sites, policies, time_zone: None, budgets: Vec::new(), fair_share: None, settings };
    let mut engine = Engine::new();
    engine.step(hours(0.0), Event::Configured(Box::new(world)));
    engine.step(hours(0.0), Event::ForecastArrived(Box::new(forecast("near", hours(0.0)))));
    engine
}

fn submit(engine: &mut Engine, policy: &str, site: &str, length: f64) -> (JobId, Vec<Effect>) {
    let spec =
        JobSpec::of_command(vec!["train".into()], "/".into(), "ada".into(), PolicyId::new(policy).expect("a name"));
    let spec = JobSpec {
        sites: vec![SiteId::new(site).expect("a name")],
        declared_duration: Some(Seconds::from_hours(length)),
        ..spec
    };
    let id = engine.next_job_id();
    let effects = engine.step(hours(0.0), Event::Submitted { id, spec: Box::new(spec) });
    (id, effects)
}

fn started(effects: &[Effect]) -> Vec<JobId> {
    let of = |effect: &Effect| match effect {
        Effect::Start { order, .. } => Some(order.key.job),
        _ => None,
    };
    effects.iter().filter_map(of).collect()
}

/// A job that runs at a site, by the key of its attempt.
fn runs_at(engine: &mut Engine, site: &str) -> AttemptKey {
    let (_, effects) = submit(engine, "run-now", site, 10.0);
    let key = effects.iter().find_map(|effect| match effect {
        Effect::Start { order, .. } => Some(order.key),
        _ => None,
    });
    let key = key.expect("the site is free");
    engine.step(hours(0.0), Event::Reported { key, number: 0, report: AttemptReport::Started { at: hours(0.0) } });
    key
}

fn ends(engine: &mut Engine, key: AttemptKey, at: Timestamp) -> Vec<Effect> {
    let report = AttemptReport::Exited { at, exit: Exit::Code(0), energy: Joules::ZERO, asked_to_leave: false };
    engine.step(at, Event::Reported { key, number: 1, report })
}

/// Ticks until nobody is to be looked at. How many plans were made since they were last counted.
fn planned_until_quiet(engine: &mut Engine, now: Timestamp) -> usize {
    let mut planned = engine.take_decided().len();
    while engine.next_wake(now).is_some_and(|at| at <= now) {
        engine.step(now, Event::Tick);
        planned += engine.take_decided().len();
    }
    planned
}

#[test]
fn room_that_became_free_finds_who_waits_for_it_behind_a_thousand_who_cannot_use_it() {
    let mut engine = engine();
    let near = runs_at(&mut engine, "near");
    runs_at(&mut engine, "far");
    for _ in 0..1_100 {
        submit(&mut engine, "run-now", "far", 0.1);
    }
    let (waits, effects) = submit(&mut engine, "run-now", "near", 1.0);
    assert_eq!(started(&effects), []);
    let effects = ends(&mut engine, near, hours(1.0));
    assert_eq!(started(&effects), [waits], "in the very step that made room");
}

#[test]
fn a_start_that_falls_due_does_not_wait_until_all_others_are_looked_at_again() {
    let mut engine = engine();
    runs_at(&mut engine, "far");
    for _ in 0..300 {
        submit(&mut engine, "run-now", "far", 0.1);
    }
    let (clean, effects) = submit(&mut engine, "patient", "near", 2.0);
    assert_eq!(started(&effects), [], "it waits for the clean hours");
    let effects = engine.step(hours(6.0), Event::ForecastArrived(Box::new(forecast("far", hours(6.0)))));
    assert_eq!(started(&effects), [clean]);
}

#[test]
fn a_forecast_makes_every_job_be_planned_anew_a_bounded_number_at_a_time() {
    let mut engine = engine();
    runs_at(&mut engine, "far");
    for _ in 0..150 {
        submit(&mut engine, "run-now", "far", 0.1);
    }
    let now = hours(0.5);
    engine.take_decided();
    let mut event = Event::ForecastArrived(Box::new(forecast("far", now)));
    let mut steps = 0;
    while steps == 0 || engine.next_wake(now).is_some_and(|at| at <= now) {
        engine.step(now, event);
        let decided = engine.take_decided().len();
        assert!(decided <= 64, "{decided} jobs were planned in one step");
        event = Event::Tick;
        steps += 1;
        assert!(steps < 100, "it comes to an end");
    }
    let waiting: Vec<_> = engine.open_jobs().filter(|job| job.state.awaits_a_window()).collect();
    assert_eq!(waiting.len(), 150);
    for job in waiting {
        let made_at = job.plan.as_ref().map(|plan| plan.made_at);
        assert_eq!(made_at, Some(now), "job {} was passed by", job.id);
    }
}

#[test]
fn room_that_became_free_is_offered_to_a_thousand_and_not_to_all() {
    let mut engine = engine();
    let near = runs_at(&mut engine, "near");
    for _ in 0..1_050 {
        submit(&mut engine, "run-now", "near", 0.1);
    }
    let now = hours(0.5);
    planned_until_quiet(&mut engine, now);
    let first = started(&ends(&mut engine, near, now));
    assert_eq!(first.len(), 1, "one has room");
    let planned = planned_until_quiet(&mut engine, now);
    assert!((900..=1_010).contains(&planned), "{planned} plans were made");
}
