//! What simulated worlds are made of.
use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use lowtide_engine::sim::{Faults, Happening, Simulation, TrueWork};
use lowtide_engine::{Settings, World};
use lowtide_model::forecast::{Accounting, Basis, Forecast, Kind, Signal, Slot, Tags};
use lowtide_model::identity::{JobId, PolicyId, SiteId, ZoneId};
use lowtide_model::job::{Checkpoint, Job, JobSpec};
use lowtide_model::quantity::{GramsPerKwh, Seconds, Watts};
use lowtide_model::site::{Resources, Site};
use lowtide_model::window::Window;
use lowtide_planner::policy::builtin_texts;

const START: i64 = 1_700_006_400; // 2023-11-15T00:00:00Z

pub(crate) fn hours(hours: f64) -> Timestamp {
    Seconds::from_hours(hours).after(Timestamp::from_second(START).expect("in range"))
}

pub(crate) fn site(id: &str, zone: &str, cpus: u32) -> Site {
    Site::like_the_reference(
        SiteId::new(id).expect("a name"),
        ZoneId::new(zone).expect("a name"),
        Resources { cpus, gpus: 0 },
        GramsPerKwh::saturating(400.0),
    )
}

pub(crate) fn world(sites: Vec<Site>) -> World {
    let mut policies: BTreeMap<PolicyId, String> =
        builtin_texts().into_iter().map(|(id, text)| (id, text.to_owned())).collect();
    // As `patient`, but of starts that are as good it takes the first.
    policies.insert(PolicyId::new("first").expect("a name"), "extends = \"patient\"\nspread = 0.0\n".to_owned());
    World { sites, policies, time_zone: None, budgets: Vec::new(), fair_share: None, settings: Settings::default() }
}

/// Four days in which each hour of the day has the intensity that `of_hour` gives.
pub(crate) fn day_after_day(zone: &str, of_hour: impl Fn(u32) -> f64) -> Happening {
    let slots = (0..96_u32)
        .map(|hour| Slot {
            window: Window::new(hours(f64::from(hour)), hours(f64::from(hour + 1))).expect("an hour"),
            intensity: GramsPerKwh::saturating(of_hour(hour % 24)),
            band: None,
            kind: Kind::Forecast,
        })
        .collect();
    let tags = Tags { signal: Signal::Average, basis: Basis::Lifecycle, accounting: Accounting::Production };
    let zone = ZoneId::new(zone).expect("a name");
    let forecast = Forecast::new(zone, tags, hours(0.0), hours(0.0), "test".into(), None, slots);
    Happening::Issue(Box::new(forecast.expect("in order")))
}

pub(crate) fn spec(policy: &str, checkpoint: bool) -> JobSpec {
    let policy = PolicyId::new(policy).expect("a name");
    let spec = JobSpec::of_command(vec!["train".into()], PathBuf::from("/"), "ada".into(), policy);
    JobSpec { checkpoint: checkpoint.then_some(Checkpoint { signal: 15, grace_s: 30 }), ..spec }
}

pub(crate) fn work(epochs: u32, minutes: f64) -> TrueWork {
    TrueWork { epochs, epoch: Seconds::from_hours(minutes / 60.0), power: Watts::saturating(300.0), exit_code: 0 }
}

pub(crate) fn run(world: World, happenings: Vec<(Timestamp, Happening)>) -> Simulation {
    let mut simulation = Simulation::new(hours(0.0), world, happenings, Faults::default(), 1);
    simulation.run(hours(24.0 * 30.0)).expect("no rule is broken");
    simulation
}

pub(crate) fn only(simulation: &Simulation) -> &Job {
    simulation.engine().job(JobId(1)).expect("the only job")
}

/// Dirty by day, clean from midnight to six.
pub(crate) fn night_valley(hour: u32) -> f64 {
    if hour < 6 { 100.0 } else { 500.0 }
}
