//! A forecast as it is to be believed.

use std::fmt;

use jiff::Timestamp;
use lowtide_model::forecast::{Band, Forecast, Kind, Slot};
use lowtide_model::quantity::GramsPerKwh;
use lowtide_model::window::Window;

use super::archive::{Archive, DAY, Hour, LEADS, hour_of, start_of};
use super::profile::Profile;

/// Issues whose errors make the band, and are averaged where nothing was learned yet.
const ISSUES: usize = 14;
/// Issues that are told to have corrected a forecast, at most: what is learned rests on so many.
const MOST_ISSUES: usize = 28;
/// Days until the last lead of an issue was measured.
const SETTLING: usize = 4;
/// Settled issues below which nothing is corrected.
const FEWEST_CORRECTED: usize = 3;
/// Settled issues below which no band is given.
const FEWEST_BANDED: usize = 7;
/// Errors of this many neighbouring lead hours on either side share a band: one lead alone has too few for a quantile.
const NEIGHBOURS: usize = 2;

/// A forecast, corrected and completed.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibrated {
    /// Measured values as they are, forecast ones corrected and banded, and beyond them the profile, as estimates.
    pub forecast: Forecast,
    /// What was done to it.
    pub label: Label,
}

/// What was done to a forecast, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Label {
    /// Settled issues that corrected it, at the lead that has fewest; 0 where it was left as it was.
    pub issues: usize,
    /// Whether the band of their errors is attached.
    pub banded: bool,
    /// From when on it is the profile of the weeks before.
    pub profile_from: Option<Timestamp>,
    /// Whether that tells hours of the week; else of the day.
    pub weekly: bool,
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.issues {
            0 => write!(f, "as issued: fewer than {FEWEST_CORRECTED} earlier issues have come true yet")?,
            issues => write!(f, "corrected by the errors of {issues} issues")?,
        }
        if self.banded {
            write!(f, ", with the 90 % band of their errors")?;
        }
        if let Some(from) = self.profile_from {
            let of = if self.weekly { "hour of the week" } else { "hour of day" };
            write!(f, "; from {from} on the mean of the same {of} before")?;
        }
        Ok(())
    }
}

/// The quantiles of some days' errors are too narrow for the next one's, as weather comes in spells. Widened by this much,
/// 90 % of the hours of seven grids and half a year lay in the band; as they were, 82 % (the real-data test prints it).
const WIDENED: f64 = 1.25;

/// Errors of one lead hour: forecast minus measured, g/kWh.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LeadError {
    pub(crate) mean: f64,
    pub(crate) issues: usize,
    /// 5 % and 95 % quantiles of measured minus corrected.
    pub(crate) band: Option<(f64, f64)>,
}

impl Archive {
    /// The forecast as it is to be believed at `now`, completed up to `until`.
    #[must_use]
    pub fn calibrated(&self, forecast: &Forecast, now: Timestamp, until: Timestamp) -> Calibrated {
        let (issued, now_hour) = (hour_of(forecast.issued_at), hour_of(now));
        let errors = self.lead_errors(issued, now_hour);
        let learned = self.learned(issued, now_hour);
        let mut label = Label::default();
        let mut fewest = usize::MAX;
        let mut slots: Vec<Slot> = Vec::with_capacity(forecast.slots().len() + LEADS);
        for slot in forecast.slots() {
            let lead = usize::try_from(hour_of(slot.window.start()) - issued).ok().filter(|lead| *lead < LEADS);
            let error = lead.and_then(|lead| errors[lead]).filter(|_| slot.kind == Kind::Forecast);
            let Some(error) = error else {
                slots.push(*slot);
                continue;
            };
            fewest = fewest.min(error.issues);
            label.banded |= error.band.is_some() && slot.band.is_none();
            let off = lead.and_then(|lead| learned.as_ref()?.get(lead).copied().flatten());
            slots.push(corrected(slot, &LeadError { mean: off.unwrap_or(error.mean), ..error }));
        }
        label.issues = if fewest == usize::MAX { 0 } else { fewest };
        let profile = Profile::of(self, now_hour);
        let end = forecast.window().end();
        let filled = beyond(&profile, end, until);
        label.profile_from = filled.first().map(|slot| slot.window.start());
        label.weekly = profile.is_weekly();
        slots.extend(filled);
        let Forecast { zone, tags, issued_at, fetched_at, source, attribution, .. } = forecast.clone();
        let made = Forecast::new(zone, tags, issued_at, fetched_at, source, attribution, slots);
        Calibrated { forecast: made.unwrap_or_else(|_| forecast.clone()), label }
    }

    /// By how much an issue is off at each lead hour, as far as that can be told by what was learned of those before it.
    fn learned(&self, issued: Hour, now: Hour) -> Option<Vec<Option<f64>>> {
        let told = self.issues_like(issued + DAY).next().filter(|(hour, _)| *hour == issued)?.1;
        let mut like: Vec<(Hour, &[f32])> = self.issues_like(issued + DAY).take(MOST_ISSUES + SETTLING).collect();
        like.reverse();
        let hours = self.hours(like.into_iter());
        let first = now.max(issued);
        let curve = self.lesson().curve(&hours.outlook(), usize::try_from(first).ok()?, LEADS)?;
        let off = |(lead, told): (usize, &f32)| {
            let at = usize::try_from(issued + Hour::try_from(lead).ok()? - first).ok()?;
            // The hour at hand is told apart where it was measured.
            let believed = curve.get(at).filter(|_| told.is_finite())?;
            Some(f64::from(*told) - believed)
        };
        Some(told.iter().enumerate().map(off).collect())
    }

    /// The errors of each lead hour of the issues like that of the hour `issued`, as far as they were measured by `now`.
    pub(crate) fn lead_errors(&self, issued: Hour, now: Hour) -> Vec<Option<LeadError>> {
        let mut by_lead: Vec<Vec<f64>> = vec![Vec::new(); LEADS];
        for (hour, leads) in self.issues_like(issued) {
            for ((lead, told), errors) in (0..).zip(leads).zip(&mut by_lead) {
                let settled =
                    self.measured(hour + lead, now).filter(|_| told.is_finite() && errors.len() < MOST_ISSUES);
                errors.extend(settled.map(|measured| f64::from(*told) - measured));
            }
        }
        let counts: Vec<usize> = by_lead.iter().map(Vec::len).collect();
        for errors in &mut by_lead {
            errors.truncate(ISSUES);
        }
        let means: Vec<f64> = by_lead.iter().map(|errors| mean(errors)).collect();
        (0..LEADS)
            .map(|lead| {
                let issues = counts[lead];
                if issues < FEWEST_CORRECTED {
                    return None;
                }
                let band = (FEWEST_BANDED <= issues).then(|| {
                    let near = lead.saturating_sub(NEIGHBOURS)..(lead + NEIGHBOURS + 1).min(LEADS);
                    let mut rest: Vec<f64> = near.flat_map(|near| left_out(&by_lead[near], means[near])).collect();
                    rest.sort_by(f64::total_cmp);
                    (WIDENED * quantile(&rest, 0.05), WIDENED * quantile(&rest, 0.95))
                });
                Some(LeadError { mean: means[lead], issues, band })
            })
            .collect()
    }
}

/// What an error was against the mean of the others, as measured minus corrected: an issue that is still to come true will
/// miss the mean of those before it by as much.
fn left_out(errors: &[f64], mean: f64) -> impl Iterator<Item = f64> {
    let count = errors.len() as f64;
    let usable = 2.0 <= count;
    errors.iter().filter(move |_| usable).map(move |error| -(error - mean) * count / (count - 1.0))
}

fn corrected(slot: &Slot, error: &LeadError) -> Slot {
    let value = (slot.intensity.get() - error.mean).max(0.0);
    let intensity = GramsPerKwh::saturating(value);
    let band = match (slot.band, error.band) {
        // The source's own band moves with its value.
        (Some(band), _) => {
            Some(around(value, band.low.get() - slot.intensity.get(), band.high.get() - slot.intensity.get()))
        }
        (None, Some((low, high))) => Some(around(value, low, high)),
        (None, None) => None,
    };
    Slot { window: slot.window, intensity, band, kind: slot.kind }
}

/// A band around a value, given by distances below and above it.
fn around(value: f64, low: f64, high: f64) -> Band {
    Band {
        low: GramsPerKwh::saturating((value + low.min(0.0)).max(0.0)),
        high: GramsPerKwh::saturating(value + high.max(0.0)),
    }
}

/// Estimates hour by hour from `start` up to `until`, as far as the profile tells.
fn beyond(profile: &Profile, start: Timestamp, until: Timestamp) -> Vec<Slot> {
    let mut slots = Vec::new();
    let mut at = start;
    while at < until {
        let hour = hour_of(at);
        let end = start_of(hour + 1).min(until);
        if let (Some(value), Ok(window)) = (profile.at(hour), Window::new(at, end)) {
            let band = profile.errors().map(|(low, high)| around(value, low, high));
            slots.push(Slot { window, intensity: GramsPerKwh::saturating(value), band, kind: Kind::Estimated });
        }
        at = end;
    }
    slots
}

fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// A quantile of sorted values, between neighbours in proportion (type 7 of Hyndman and Fan 1996). Not called with none.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place among values that are there")]
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
}
