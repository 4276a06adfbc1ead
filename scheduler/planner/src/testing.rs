//! Small worlds for this crate's tests: hours count from one fixed midnight.

use jiff::Timestamp;
use lowtide_model::forecast::{Accounting, Basis, Forecast, Kind, Signal, Slot, Tags};
use lowtide_model::identity::{JobId, PolicyId, SiteId, ZoneId};
use lowtide_model::job::{Checkpoint, EnergySource, Epoch, Job, JobSpec};
use lowtide_model::price::{PriceSeries, PriceSlot};
use lowtide_model::quantity::{GramsPerKwh, Joules, Seconds, Watts};
use lowtide_model::site::{Resources, Site};
use lowtide_model::state::JobState;
use lowtide_model::window::Window;

use crate::predict::Prediction;
use crate::price::PriceCurve;

/// Midnight (UTC) of Monday 2 March 2026, and so many hours later.
pub(crate) fn hour(hours: f64) -> Timestamp {
    let midnight: Timestamp = "2026-03-02T00:00:00Z".parse().expect("a time");
    if hours < 0.0 { Seconds::from_hours(-hours).before(midnight) } else { Seconds::from_hours(hours).after(midnight) }
}

pub(crate) fn window(start: f64, end: f64) -> Window {
    Window::new(hour(start), hour(end)).expect("start before end")
}

/// Hourly prices from hour 0 on.
pub(crate) fn prices(per_kwh: &[f64]) -> PriceCurve {
    let slot = |(at, price): (usize, &f64)| PriceSlot { window: window(at as f64, at as f64 + 1.0), per_kwh: *price };
    let zone = ZoneId::new("GB").expect("a name");
    let series = PriceSeries::new(zone, "EUR".to_owned(), per_kwh.iter().enumerate().map(slot).collect());
    PriceCurve::of(&series.expect("in order"))
}

pub(crate) const TAGS: Tags =
    Tags { signal: Signal::Average, basis: Basis::Lifecycle, accounting: Accounting::Consumption };

/// Hourly values from hour 0 on, issued then.
pub(crate) fn forecast(zone: &str, levels: &[f64]) -> Forecast {
    let slots = levels
        .iter()
        .enumerate()
        .map(|(at, level)| Slot {
            window: window(at as f64, at as f64 + 1.0),
            intensity: GramsPerKwh::saturating(*level),
            band: None,
            kind: Kind::Forecast,
        })
        .collect();
    let zone = ZoneId::new(zone).expect("a name");
    Forecast::new(zone, TAGS, hour(0.0), hour(0.0), "test".into(), None, slots).expect("in order")
}

pub(crate) fn site_id(name: &str) -> SiteId {
    SiteId::new(name).expect("a name")
}

pub(crate) fn site(name: &str, cpus: u32) -> Site {
    Site::like_the_reference(
        site_id(name),
        ZoneId::new("GB").expect("a name"),
        Resources { cpus, gpus: 0 },
        GramsPerKwh::saturating(300.0),
    )
}

pub(crate) fn spec() -> JobSpec {
    let command = vec!["python".into(), "train.py".into()];
    JobSpec {
        name: "train".into(),
        checkpoint: Some(Checkpoint { signal: 15, grace_s: 30 }),
        ..JobSpec::of_command(command, "/".into(), "ada".into(), PolicyId::new("patient").expect("a name"))
    }
}

pub(crate) fn job(spec: JobSpec) -> Job {
    Job {
        id: JobId(42),
        spec,
        submitted_at: hour(0.0),
        state: JobState::Waiting,
        state_since: hour(0.0),
        run_now: false,
        approved: false,
        approvals: vec![],
        attempts: vec![],
        estimates: vec![],
        plan: None,
        review: None,
        notes: vec![],
    }
}

/// Work of so many hours at 1 kW, known for certain.
pub(crate) fn certain(hours: f64) -> Prediction {
    Prediction::certain(Seconds::from_hours(hours), Watts::saturating(1000.0))
}

/// Epochs one after the other, of these lengths in hours, at 1 kW.
pub(crate) fn epochs(lengths: &[f64]) -> Vec<Epoch> {
    let mut at = 0.0;
    let mut list = Vec::new();
    for (index, length) in (1_u32..).zip(lengths) {
        let energy = Joules::from_kwh(*length).expect("positive");
        list.push(Epoch {
            index,
            total: None,
            window: window(at, at + length),
            energy,
            source: EnergySource::Measured,
        });
        at += length;
    }
    list
}
