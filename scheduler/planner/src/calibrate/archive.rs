//! What was told of one zone over time, as hourly means: measured values, and issues of forecasts by lead hour.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lowtide_model::forecast::{Forecast, Kind, Slot, Tags};
use lowtide_model::quantity::Seconds;

use crate::horizon::{Drift, Lesson, Outlook};

/// Lead hours that are kept: four days, as far as public forecasts reach.
pub(crate) const LEADS: usize = 96;
/// Days of measured values: five weeks give each hour of the week five values.
const MEASURED_DAYS: i64 = 35;
/// Days of issues: four weeks, and four days more until the last lead of the oldest was measured, and two to spare.
const ISSUE_DAYS: i64 = 34;
/// An hour counts as told when so much of it was.
const SHARE_OF_HOUR: f64 = 0.5;

const HOUR: i64 = 3600;
pub(crate) const DAY: i64 = 24;

/// Hours since 1970.
pub(crate) type Hour = i64;

/// The archive of one zone. What is older than its use is let go of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Archive {
    tags: Option<Tags>,
    /// Mean measured intensity of each hour, g/kWh.
    measured: BTreeMap<Hour, f32>,
    /// The first issue of each hour: mean intensity by lead hour, g/kWh; not a number where it told nothing.
    issues: BTreeMap<Hour, Vec<f32>>,
    /// What the hours that came true have taught.
    lesson: Lesson,
}

/// Measured hours and issues as the lesson counts them.
pub(crate) struct Hours {
    first: usize,
    measured: Vec<f64>,
    issues: Vec<(usize, Vec<f64>)>,
}

impl Hours {
    pub(crate) fn outlook(&self) -> Outlook<'_> {
        Outlook { first: self.first, measured: &self.measured, issues: &self.issues }
    }
}

impl Archive {
    /// Takes in an answer as issued. One whose numbers count something else begins a new archive.
    pub fn take_in(&mut self, forecast: &Forecast) {
        if self.tags != Some(forecast.tags) {
            *self = Self { tags: Some(forecast.tags), ..Self::default() };
        }
        let newest = hour_of(forecast.fetched_at);
        // Nothing can have been measured later than it was told.
        self.measured.extend(hourly(forecast.slots(), Kind::Measured).filter(|(hour, _)| *hour <= newest));
        let issued = hour_of(forecast.issued_at);
        let told: Vec<(Hour, f32)> = hourly(forecast.slots(), Kind::Forecast).collect();
        if told.iter().any(|(hour, _)| issued <= *hour) {
            self.issues.entry(issued).or_insert_with(|| {
                let mut leads = vec![f32::NAN; LEADS];
                for (hour, intensity) in told {
                    let place = usize::try_from(hour - issued).ok().and_then(|lead| leads.get_mut(lead));
                    if let Some(place) = place {
                        *place = intensity;
                    }
                }
                leads
            });
        }
        self.learn();
        self.measured = self.measured.split_off(&(newest - MEASURED_DAYS * DAY));
        self.issues = self.issues.split_off(&(newest - ISSUE_DAYS * DAY));
    }

    /// Learns from the days that have come true since it last did.
    fn learn(&mut self) {
        let Some(newest) = self.measured.last_key_value().and_then(|(hour, _)| usize::try_from(*hour).ok()) else {
            return;
        };
        if self.lesson.is_due(newest) {
            let hours = self.hours(self.issues());
            self.lesson.learn(&hours.outlook(), newest);
        }
    }

    /// All that was measured, with these issues, which have to be in order.
    pub(crate) fn hours<'a>(&self, issues: impl Iterator<Item = (Hour, &'a [f32])>) -> Hours {
        let first = self.measured.first_key_value().map_or(0, |(hour, _)| (*hour).max(0));
        let mut measured = Vec::new();
        // A clock that was wrong for a while must not make years of it.
        for (hour, value) in self.measured.range(first..first + 2 * MEASURED_DAYS * DAY) {
            let at = usize::try_from(hour - first).unwrap_or_default();
            measured.resize(at, f64::NAN);
            measured.push(f64::from(*value));
        }
        let of_issue = |(hour, leads): (Hour, &[f32])| {
            Some((usize::try_from(hour).ok()?, leads.iter().copied().map(f64::from).collect()))
        };
        Hours {
            first: usize::try_from(first).unwrap_or_default(),
            measured,
            issues: issues.filter_map(of_issue).collect(),
        }
    }

    /// What the hours that came true have taught.
    pub(crate) const fn lesson(&self) -> &Lesson {
        &self.lesson
    }

    /// How far the intensity wanders from the corrected forecast, hour by hour; not at all where too little has come true.
    #[must_use]
    pub fn drift(&self) -> Drift {
        self.lesson.drift()
    }

    /// The mean measured in an hour, if it was over by `now`.
    pub(crate) fn measured(&self, hour: Hour, now: Hour) -> Option<f64> {
        if now <= hour {
            return None;
        }
        self.measured.get(&hour).map(|value| f64::from(*value))
    }

    /// Hours measured by `now`, in order.
    pub(crate) fn measured_before(&self, now: Hour) -> impl DoubleEndedIterator<Item = (Hour, f64)> + '_ {
        self.measured.range(..now).map(|(hour, value)| (*hour, f64::from(*value)))
    }

    /// All issues, oldest first.
    pub(crate) fn issues(&self) -> impl Iterator<Item = (Hour, &[f32])> {
        self.issues.iter().map(|(hour, leads)| (*hour, leads.as_slice()))
    }

    /// Issues of the same hour of day as `issued`, before it, newest first.
    pub(crate) fn issues_like(&self, issued: Hour) -> impl Iterator<Item = (Hour, &[f32])> {
        let like = move |hour: &Hour| (issued - hour).rem_euclid(DAY) == 0;
        let before = self.issues.range(..issued).rev();
        before.filter(move |(hour, _)| like(hour)).map(|(hour, leads)| (*hour, leads.as_slice()))
    }
}

/// The hour of a moment.
pub(crate) fn hour_of(at: Timestamp) -> Hour {
    at.as_second().div_euclid(HOUR)
}

/// The moment an hour begins.
pub(crate) fn start_of(hour: Hour) -> Timestamp {
    Timestamp::from_second(hour * HOUR).unwrap_or(Timestamp::MAX)
}

/// Hourly means of the slots of a kind, for hours of which enough was told.
fn hourly(slots: &[Slot], kind: Kind) -> impl Iterator<Item = (Hour, f32)> {
    let mut sums: BTreeMap<Hour, (f64, f64)> = BTreeMap::new();
    for slot in slots.iter().filter(|slot| slot.kind == kind) {
        let (start, end) = (slot.window.start(), slot.window.end());
        let mut at = start;
        while at < end {
            let hour = hour_of(at);
            let next = start_of(hour + 1).min(end);
            let seconds = Seconds::between(at, next).get();
            let sum = sums.entry(hour).or_default();
            sum.0 += slot.intensity.get() * seconds;
            sum.1 += seconds;
            at = next;
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "seven digits of an intensity are more than any is known to")]
    let mean = |(hour, (sum, seconds)): (Hour, (f64, f64))| {
        (SHARE_OF_HOUR * 3600.0 <= seconds).then(|| (hour, (sum / seconds) as f32))
    };
    sums.into_iter().filter_map(mean)
}
