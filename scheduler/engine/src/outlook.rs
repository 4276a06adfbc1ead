//! What is known of the intensity of each zone: the past as measured where it was, the future as forecast last.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lowtide_model::forecast::{Forecast, Slot};
use lowtide_model::identity::ZoneId;
use lowtide_model::quantity::{GramsPerKwh, Seconds};
use lowtide_model::window::Window;
use lowtide_planner::curve::IntensityCurve;

/// How much of the past is kept: enough to settle a job that ran for two weeks.
const PAST_KEPT_HOURS: f64 = 24.0 * 14.0;
/// A curve is made anew when it is older than this: its hours beyond the forecast depend on now.
const CURVE_KEPT_HOURS: f64 = 0.25;

/// The zones' intensity.
#[derive(Debug, Default)]
pub struct Outlook {
    known: BTreeMap<ZoneId, Forecast>,
    curves: BTreeMap<ZoneId, Made>,
}

#[derive(Debug)]
struct Made {
    at: Timestamp,
    fallback: GramsPerKwh,
    curve: IntensityCurve,
}

impl Outlook {
    /// Takes in what a plugin told. Its slots replace those that were known of the same time; the others stay, unless
    /// they count something else.
    pub(crate) fn take_in(&mut self, forecast: Forecast) {
        let zone = forecast.zone.clone();
        self.curves.remove(&zone);
        let merged = match self.known.remove(&zone) {
            Some(known) if known.tags == forecast.tags => merge(&known, forecast),
            _ => forecast,
        };
        self.known.insert(zone, merged);
    }

    /// What is known of a zone, if anything was ever told.
    #[must_use]
    pub fn known(&self, zone: &ZoneId) -> Option<&Forecast> {
        self.known.get(zone)
    }

    /// The curve of a zone, if it has been made.
    #[must_use]
    pub fn curve(&self, zone: &ZoneId) -> Option<&IntensityCurve> {
        self.curves.get(zone).map(|made| &made.curve)
    }

    /// Makes the curve of a zone if there is none or it has grown old.
    pub(crate) fn refresh(&mut self, now: Timestamp, zone: &ZoneId, fallback: GramsPerKwh, horizon: Seconds) {
        let fresh =
            |made: &Made| made.fallback == fallback && now <= Seconds::from_hours(CURVE_KEPT_HOURS).after(made.at);
        if self.curves.get(zone).is_some_and(fresh) {
            return;
        }
        let window = Window::new(Seconds::from_hours(PAST_KEPT_HOURS).before(now), (horizon + horizon).after(now));
        let Ok(window) = window else { return };
        let curve = IntensityCurve::build(self.known.get(zone), fallback, now, window);
        self.curves.insert(zone.clone(), Made { at: now, fallback, curve });
    }
}

fn merge(known: &Forecast, newer: Forecast) -> Forecast {
    let oldest_kept = Seconds::from_hours(PAST_KEPT_HOURS).before(newer.fetched_at);
    let replaced = |slot: &Slot| {
        let next = newer.slots().partition_point(|other| other.window.end() <= slot.window.start());
        newer.slots().get(next).is_some_and(|other| other.window.start() < slot.window.end())
    };
    let mut slots: Vec<Slot> = known
        .slots()
        .iter()
        .filter(|slot| oldest_kept <= slot.window.start() && !replaced(slot))
        .copied()
        .chain(newer.slots().iter().copied())
        .collect();
    slots.sort_by_key(|slot| slot.window.start());
    let Forecast { zone, tags, issued_at, fetched_at, source, attribution, .. } = newer.clone();
    // Neither of the two overlaps within itself, and what overlapped between them is gone.
    Forecast::new(zone, tags, issued_at, fetched_at, source, attribution, slots).unwrap_or(newer)
}
