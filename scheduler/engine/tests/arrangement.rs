//! A queue that waits is arranged as a whole after a forecast: near the bound that no plan can pass, whatever else happens meanwhile.

use jiff::Timestamp;
use lowtide_engine::{Engine, Event, Settings, UserAction, World};
use lowtide_model::forecast::{Accounting, Basis, Forecast, Kind, Signal, Slot, Tags};
use lowtide_model::identity::{JobId, PolicyId, SiteId, ZoneId};
use lowtide_model::job::{Job, JobSpec};
use lowtide_model::plan::{Plan, Segment};
use lowtide_model::quantity::{GramsPerKwh, Seconds, Watts};
use lowtide_model::site::{Resources, Site};
use lowtide_model::window::Window;
use lowtide_planner::joint::market::{Case, Place, Task};
use lowtide_planner::oracle::multi::bound;

/// Hours that are planned over.
const HOURS: u32 = 48;
const JOBS: u64 = 72;
const CPUS: u32 = 2;
const SITES: [&str; 2] = ["east", "west"];

fn hours(hours: f64) -> Timestamp {
    Seconds::from_hours(hours).after(Timestamp::UNIX_EPOCH)
}

/// By day every fourth hour is dirty, at the other site another one; the last night is a little cleaner throughout.
fn level(site: usize, hour: u32) -> f64 {
    let dirty = u32::try_from(2 * site).expect("few sites");
    match hour {
        0..32 if hour % 4 == dirty => 900.0,
        0..32 => 100.0,
        _ => 90.0,
    }
}

fn forecast(site: usize, issued: Timestamp) -> Event {
    let slot = |hour: u32| Slot {
        window: Window::new(hours(f64::from(hour)), hours(f64::from(hour + 1))).expect("an hour"),
        // Nobody wants to run in the first hour, so that all of them still wait when the forecast comes again.
        intensity: GramsPerKwh::saturating(if hour == 0 { 4000.0 } else { level(site, hour) }),
        band: None,
        kind: Kind::Forecast,
    };
    let tags = Tags { signal: Signal::Average, basis: Basis::Lifecycle, accounting: Accounting::Production };
    let slots = (0..=HOURS).map(slot).collect();
    let zone = ZoneId::new(format!("Z-{}", SITES[site])).expect("a name");
    let told = Forecast::new(zone, tags, issued, issued, "test".into(), None, slots);
    Event::ForecastArrived(Box::new(told.expect("in order")))
}

fn site(name: &str) -> Site {
    let zone = ZoneId::new(format!("Z-{name}")).expect("a name");
    let capacity = Resources { cpus: CPUS, gpus: 0 };
    Site::like_the_reference(SiteId::new(name).expect("a name"), zone, capacity, GramsPerKwh::saturating(400.0))
}

/// Hours of a job. The first sixty could run in any clean hour of the day; the last ones need five in a row, which only the night has.
const fn length(number: u64) -> u32 {
    if number <= 60 { 1 } else { 5 }
}

fn queue(policy: &str) -> Engine {
    let name = PolicyId::new("free").expect("a name");
    let settings = Settings {
        horizon: Seconds::from_hours(f64::from(HOURS)),
        slot: Seconds::from_hours(1.0),
        comparable: true,
        ..Settings::default()
    };
    let world = World {
        sites: SITES.iter().map(|name| site(name)).collect(),
        policies: [(name.clone(), policy.to_owned())].into(),
        time_zone: None,
        budgets: Vec::new(),
        fair_share: None,
        settings,
    };
    let mut engine = Engine::new();
    engine.step(hours(0.0), Event::Configured(Box::new(world)));
    tell(&mut engine, 0.0);
    until_quiet(&mut engine, 0.0);
    for number in 1..=JOBS {
        let spec = JobSpec {
            declared_duration: Some(Seconds::from_hours(f64::from(length(number)))),
            declared_power: Some(Watts::saturating(300.0)),
            max_delay: Some(Seconds::from_hours(f64::from(HOURS - length(number)))),
            ..JobSpec::of_command(vec!["train".into()], "/".into(), "ada".into(), name.clone())
        };
        engine.step(hours(0.0), Event::Submitted { id: JobId(number), spec: Box::new(spec) });
    }
    until_quiet(&mut engine, 0.0);
    engine
}

fn tell(engine: &mut Engine, at: f64) {
    for number in 0..SITES.len() {
        engine.step(hours(at), forecast(number, hours(at)));
    }
}

fn until_quiet(engine: &mut Engine, at: f64) {
    while engine.next_wake(hours(at)).is_some_and(|wake| wake <= hours(at)) {
        engine.step(hours(at), Event::Tick);
    }
}

fn grams(engine: &Engine) -> f64 {
    engine.jobs().filter_map(|job| job.plan.as_ref()).map(|plan| plan.footprint.median.get()).sum()
}

/// What all plans together emit at least: jobs keep whole and keep to the room there is.
fn least_grams() -> f64 {
    let place = |number: usize| Place {
        intensities: (0..HOURS).map(|hour| if hour == 0 { 4000.0 } else { level(number, hour) }).collect(),
        room: vec![f64::from(CPUS); HOURS as usize],
        transfer_kwh: 0.0,
        transfer_slots: 0,
    };
    let task = |number: u64| Task {
        length: length(number) as usize,
        width: 1.0,
        kilowatts: 0.3,
        earliest: 0,
        end: HOURS as usize,
        pausable: false,
        home: None,
        places: vec![0, 1],
    };
    let case = Case { slot_h: 1.0, places: vec![place(0), place(1)], tasks: (1..=JOBS).map(task).collect() };
    bound(&case, 300)
}

/// Whether no site holds more than it has at any moment at which a plan begins.
fn all_fit(engine: &Engine) -> bool {
    let plans = engine.jobs().filter_map(|job| job.plan.as_ref());
    let stretches: Vec<&Segment> = plans.flat_map(|plan| &plan.segments).collect();
    stretches.iter().all(|first| {
        let here = |other: &&&Segment| other.site == first.site && other.window.contains(first.window.start());
        stretches.iter().filter(here).count() <= CPUS as usize
    })
}

/// Whatever saves anything is worth it.
const EAGER: &str = "route = true\nminimum_saving = 0\n";
/// As the policies that come with lowtide have it.
const SOBER: &str = "route = true\nminimum_saving = 0.05\nspread = 0.005\n";

#[test]
fn a_queue_comes_near_the_bound_with_the_next_forecast() {
    for policy in [EAGER, SOBER] {
        comes_near_the_bound(policy);
    }
}

fn comes_near_the_bound(policy: &str) {
    let mut engine = queue(policy);
    let least = least_grams();
    let begun = grams(&engine);
    assert!(1.2 * least < begun, "{begun} g as they came are near the bound of {least} g: nothing to arrange");
    tell(&mut engine, 0.1);
    until_quiet(&mut engine, 0.1);
    assert_eq!(engine.jobs().filter(|job| job.state.awaits_a_window()).count() as u64, JOBS);
    let arranged = grams(&engine);
    assert!(all_fit(&engine));
    assert!(arranged <= 1.02 * least, "{arranged} g, bound {least} g, as they came {begun} g");
}

#[test]
fn a_minute_after_many_have_come_they_are_arranged_without_a_forecast() {
    let mut engine = queue(SOBER);
    let begun = grams(&engine);
    let wake = engine.next_wake(hours(0.0)).expect("there is something to do");
    assert_eq!(wake, hours(1.0 / 60.0));
    until_quiet(&mut engine, 1.0 / 60.0);
    assert!(grams(&engine) <= 1.02 * least_grams(), "{} g, as they came {begun} g", grams(&engine));
}

#[test]
fn what_happens_meanwhile_is_not_undone() {
    let mut engine = queue(SOBER);
    tell(&mut engine, 0.1);
    // A few ticks into it one job is cancelled and one is held.
    for at in 0..12 {
        engine.step(hours(0.1), Event::Tick);
        let asked = |job, action| Event::Asked { job: JobId(job), action, saying: lowtide_engine::Saying::default() };
        match at {
            4 => drop(engine.step(hours(0.1), asked(3, UserAction::Cancel))),
            8 => drop(engine.step(hours(0.1), asked(5, UserAction::Hold))),
            _ => {}
        }
    }
    until_quiet(&mut engine, 0.1);
    let job = |id| engine.job(JobId(id)).expect("it was submitted");
    let begins = |job: &Job| job.plan.as_ref().and_then(Plan::start);
    assert!(job(3).state.is_final());
    assert_eq!((job(5).state.name(), begins(job(5))), ("held", None));
    let waiting: Vec<&Job> = engine.jobs().filter(|job| job.state.awaits_a_window()).collect();
    assert_eq!(waiting.len() as u64, JOBS - 2);
    assert!(waiting.iter().all(|job| begins(job).is_some_and(|start| hours(0.1) < start)));
}
