//! What is known of a zone at each moment: the past and the present slot as they came, the future as it was forecast.
//!
//! Forecasts as issued go through [`lowtide_planner::calibrate`], as they do in the daemon: they are corrected by how the issues
//! before them came true. White noise has no bias to correct and is taken as it is.

use lowtide_model::forecast::{Accounting, Basis, Forecast, Kind, Signal, Slot, Tags};
use lowtide_model::identity::{SiteId, ZoneId};
use lowtide_model::quantity::GramsPerKwh;
use lowtide_model::site::{Resources, Site};
use lowtide_model::window::Window;
use lowtide_planner::baseline::Series;
use lowtide_planner::calibrate::Archive;
use lowtide_planner::curve::IntensityCurve;
use lowtide_planner::horizon::Drift;

use crate::forecast::{Believed, Issue, Issues};
use crate::replay::World;
use crate::setting::Setting;

/// What numbers from a file count is not known; all of a replay count the same.
pub(super) const TAGS: Tags =
    Tags { signal: Signal::Average, basis: Basis::Lifecycle, accounting: Accounting::Consumption };

/// A curve reaches this much beyond the latest end that is planned for, hours.
pub(super) const BEYOND_H: f64 = 24.0;
/// How much further it reaches when it is made, hours: jobs that come later in the slot do not need a new one.
const SPARE_H: f64 = 96.0;
/// Up to when values were measured before the first were taken in.
const NOT_YET: f64 = -1.0;

/// One zone over time.
pub(super) struct Knowledge<'w> {
    setting: &'w Setting,
    actual: &'w Series,
    believed: &'w Believed,
    zone: ZoneId,
    archive: Archive,
    /// Issues taken in, and up to which hour the measured values were.
    issues_seen: usize,
    measured_to: f64,
    /// The step the curve was made in, how far it reaches, and the curve.
    made: Option<(usize, f64, IntensityCurve)>,
}

/// The site of a zone, as many processors as there are.
pub(super) fn site(zone: usize, series: &Series, capacity: Option<u32>) -> Site {
    let values = series.values();
    Site::like_the_reference(
        SiteId::new(format!("site-{zone}")).expect("letters, digits and a dash"),
        zone_id(zone),
        Resources { cpus: capacity.unwrap_or(u32::MAX), gpus: 0 },
        GramsPerKwh::saturating(values.iter().sum::<f64>() / values.len() as f64),
    )
}

fn zone_id(zone: usize) -> ZoneId {
    ZoneId::new(format!("ZONE-{zone}")).expect("letters, digits and a dash")
}

impl<'w> Knowledge<'w> {
    pub(super) fn new(world: World<'w>, zone: usize) -> Self {
        Self {
            setting: world.setting,
            actual: &world.zones[zone],
            believed: &world.believed[zone],
            zone: zone_id(zone),
            archive: Archive::default(),
            issues_seen: 0,
            measured_to: NOT_YET,
            made: None,
        }
    }

    /// The curve as it is believed; refreshed before it is first asked for.
    pub(super) fn curve(&self) -> &IntensityCurve {
        &self.made.as_ref().expect("it is refreshed before every plan").2
    }

    /// How far the intensity wanders from the curve.
    pub(super) fn drift(&self) -> Drift {
        match self.believed {
            Believed::Issued(_) => self.archive.drift(),
            Believed::Perfect | Believed::Noisy(_) => Drift::NONE,
        }
    }

    /// Makes the curve anew where the present step is another one or it does not reach far enough.
    pub(super) fn refresh(&mut self, now: f64, until: f64) {
        let step = self.actual.step_of(now);
        let perfect = *self.believed == Believed::Perfect;
        if self.made.as_ref().is_some_and(|(made, reach, _)| (perfect || *made == step) && until <= *reach) {
            return;
        }
        let reach = if perfect { until.max(self.actual.end()) } else { until + SPARE_H };
        let forecast = match self.believed {
            Believed::Perfect => self.forecast(0.0, self.slots(self.actual, 0.0, reach, Kind::Measured)),
            Believed::Noisy(series) => {
                let present = self.actual.start_of(step + 1);
                let mut slots = self.slots(self.actual, self.actual.start_of(step), present, Kind::Measured);
                slots.extend(self.slots(series, present, reach, Kind::Forecast));
                self.forecast(now, slots)
            }
            Believed::Issued(issues) => self.issued(issues, step, now, reach),
        };
        let begin = if perfect { 0.0 } else { self.actual.start_of(step) };
        let setting = self.setting;
        let horizon = Window::new(setting.moment(begin), setting.moment(reach));
        let horizon = horizon.expect("a curve reaches a day beyond the present");
        let fallback = GramsPerKwh::saturating(self.actual.values()[step]);
        let curve = IntensityCurve::build(forecast.as_ref(), fallback, setting.moment(now), horizon);
        self.made = Some((step, reach, curve));
    }

    /// Measured values so far, the newest issue corrected by those before it, and beyond it the profile of the weeks before.
    fn issued(&mut self, issues: &Issues, step: usize, now: f64, reach: f64) -> Option<Forecast> {
        let present = self.actual.start_of(step + 1);
        let from = self.measured_to.max(0.0);
        if self.measured_to < present {
            let slots = self.slots(self.actual, from, present, Kind::Measured);
            if let Some(measured) = self.forecast(now, slots) {
                self.archive.take_in(&measured);
            }
            self.measured_to = present;
        }
        let newest = issues.newest(now);
        while newest.is_some_and(|newest| self.issues_seen <= newest) {
            let issue = &issues.issues[self.issues_seen];
            if let Some(told) = self.told(issue, issues.step_h) {
                self.archive.take_in(&told);
            }
            self.issues_seen += 1;
        }
        let mut slots = self.slots(self.actual, self.actual.start_of(step), present, Kind::Measured);
        let told = newest.and_then(|newest| self.told(&issues.issues[newest], issues.step_h));
        let base = told.or_else(|| self.forecast(now, slots.clone()))?;
        let (at, until) = (self.setting.moment(now), self.setting.moment(reach));
        let corrected = self.archive.calibrated(&base, at, until).forecast;
        let present_end = self.setting.moment(present);
        slots.extend(corrected.slots().iter().filter(|slot| present_end <= slot.window.start()).copied());
        Forecast::new(self.zone.clone(), TAGS, corrected.issued_at, at, "replay".to_owned(), None, slots).ok()
    }

    /// An issue as it was told.
    fn told(&self, issue: &Issue, step_h: f64) -> Option<Forecast> {
        let slots = issue.values.iter().enumerate().filter_map(|(lead, value)| {
            let start = issue.at + lead as f64 * step_h;
            let window = Window::new(self.setting.moment(start), self.setting.moment(start + step_h)).ok()?;
            Some(Slot { window, intensity: GramsPerKwh::saturating(*value), band: None, kind: Kind::Forecast })
        });
        self.forecast(issue.at, slots.collect())
    }

    fn forecast(&self, at: f64, slots: Vec<Slot>) -> Option<Forecast> {
        let at = self.setting.moment(at);
        Forecast::new(self.zone.clone(), TAGS, at, at, "replay".to_owned(), None, slots).ok()
    }

    fn slots(&self, series: &Series, from: f64, to: f64, kind: Kind) -> Vec<Slot> {
        let end = to.min(series.end());
        let pieces = series.pieces(from, end.max(from));
        let slot = |(start, end, value): (f64, f64, f64)| {
            let window = Window::new(self.setting.moment(start), self.setting.moment(end)).ok()?;
            Some(Slot { window, intensity: GramsPerKwh::saturating(value), band: None, kind })
        };
        pieces.filter_map(slot).collect()
    }
}
