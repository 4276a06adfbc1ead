//! What is known of the intensity of each zone: the past as measured where it was, the future as forecast last and as such
//! forecasts came true before.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lowtide_model::forecast::{Forecast, Role, Slot};
use lowtide_model::identity::ZoneId;
use lowtide_model::quantity::{GramsPerKwh, Seconds};
use lowtide_model::window::Window;
use lowtide_planner::calibrate::{Archive, Calibrated, Label, Misled, Verification};
use lowtide_planner::curve::IntensityCurve;
use lowtide_planner::horizon::Drift;

/// How much of the past is kept: enough to settle a job that ran for two weeks.
const PAST_KEPT_HOURS: f64 = 24.0 * 14.0;
/// A curve is made as of the last full quarter of an hour, and anew in the next: its hours beyond the forecast depend on now. So it
/// does not matter who asked for it first, and a replay of the journal, which asks for less, makes the same ones.
const CURVE_KEPT_SECONDS: i64 = 900;
/// Whether forecasts mislead is judged anew after this: one day adds one to some twenty issues.
const JUDGED_FOR_HOURS: f64 = 24.0;

/// The zones' intensity.
#[derive(Debug, Default)]
pub struct Outlook {
    zones: BTreeMap<(ZoneId, Role), Zone>,
}

/// One signal of one zone.
#[derive(Debug, Default)]
struct Zone {
    known: Option<Forecast>,
    archive: Archive,
    made: Option<Made>,
    /// Whether the forecasts mislead, and when that was looked at.
    judged: Option<(Timestamp, Option<Misled>)>,
}

#[derive(Debug)]
struct Made {
    at: Timestamp,
    fallback: GramsPerKwh,
    curve: IntensityCurve,
    calibrated: Option<Calibrated>,
}

impl Outlook {
    /// Takes in what a plugin told. Its slots replace those that were known of the same time; the others stay, unless
    /// they count something else.
    pub(crate) fn take_in(&mut self, role: Role, forecast: Forecast) {
        let zone = self.zones.entry((forecast.zone.clone(), role)).or_default();
        zone.made = None;
        zone.archive.take_in(&forecast);
        let merged = match zone.known.take() {
            Some(known) if known.tags == forecast.tags => merge(&known, forecast),
            _ => forecast,
        };
        zone.known = Some(merged);
    }

    /// What is known of a zone as told, if anything was ever told.
    #[must_use]
    pub fn known(&self, zone: &ZoneId) -> Option<&Forecast> {
        self.zone(zone, Role::Main)?.known.as_ref()
    }

    /// What is known of a zone as it is believed, with what was done to it. Made with the curve.
    #[must_use]
    pub fn believed(&self, zone: &ZoneId) -> Option<(&Forecast, Label)> {
        let made = self.zone(zone, Role::Main)?.made.as_ref()?;
        made.calibrated.as_ref().map(|calibrated| (&calibrated.forecast, calibrated.label))
    }

    /// The curve of a zone, if it has been made.
    #[must_use]
    pub fn curve(&self, zone: &ZoneId) -> Option<&IntensityCurve> {
        self.zone(zone, Role::Main)?.made.as_ref().map(|made| &made.curve)
    }

    /// The curve of the marginal signal told beside that, if any is.
    #[must_use]
    pub fn marginal(&self, zone: &ZoneId) -> Option<&IntensityCurve> {
        let beside = self.zone(zone, Role::Beside)?;
        // A fallback is no signal: without a forecast there is nothing to look at.
        beside.known.as_ref()?;
        beside.made.as_ref().map(|made| &made.curve)
    }

    /// Bounds of what was measured, where the forecasts of a zone mislead.
    #[must_use]
    pub fn misled(&self, zone: &ZoneId) -> Option<Misled> {
        self.zone(zone, Role::Main)?.judged?.1
    }

    /// How far the intensity of a zone wanders from its curve.
    #[must_use]
    pub fn drift(&self, zone: &ZoneId) -> Drift {
        let known = self.zone(zone, Role::Main).filter(|zone| zone.known.is_some());
        known.map_or(Drift::NONE, |zone| zone.archive.drift())
    }

    /// How the forecasts of a zone came true.
    #[must_use]
    pub fn verification(&self, zone: &ZoneId, now: Timestamp) -> Verification {
        self.zone(zone, Role::Main).map_or_else(|| Archive::default().verify(now), |zone| zone.archive.verify(now))
    }

    /// Makes the curves of a zone if there are none or they have grown old.
    pub(crate) fn refresh(&mut self, now: Timestamp, zone: &ZoneId, fallback: GramsPerKwh, horizon: Seconds) {
        // A site whose zone was never told of still has a curve, that of its fallback.
        self.zones.entry((zone.clone(), Role::Main)).or_default();
        for role in [Role::Main, Role::Beside] {
            if let Some(zone) = self.zones.get_mut(&(zone.clone(), role)) {
                zone.refresh(now, fallback, horizon);
            }
        }
    }

    fn zone(&self, zone: &ZoneId, role: Role) -> Option<&Zone> {
        self.zones.get(&(zone.clone(), role))
    }
}

impl Zone {
    fn refresh(&mut self, now: Timestamp, fallback: GramsPerKwh, horizon: Seconds) {
        let quarter = now.as_second().div_euclid(CURVE_KEPT_SECONDS) * CURVE_KEPT_SECONDS;
        let now = Timestamp::from_second(quarter).unwrap_or(now);
        if self.made.as_ref().is_some_and(|made| made.fallback == fallback && made.at == now) {
            return;
        }
        let window = Window::new(Seconds::from_hours(PAST_KEPT_HOURS).before(now), (horizon + horizon).after(now));
        let Ok(window) = window else { return };
        let judged = |(at, _): &(Timestamp, _)| now <= Seconds::from_hours(JUDGED_FOR_HOURS).after(*at);
        if !self.judged.as_ref().is_some_and(judged) {
            self.judged = Some((now, self.archive.misled(now)));
        }
        let calibrated = self.known.as_ref().map(|known| self.archive.calibrated(known, now, window.end()));
        let believed = calibrated.as_ref().map(|calibrated| &calibrated.forecast);
        let curve = IntensityCurve::build(believed, fallback, now, window);
        self.made = Some(Made { at: now, fallback, curve, calibrated });
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
