//! A time-of-use tariff: a price, bands of hours that cost otherwise, and what both come to over a stretch of time.
//!
//! A moment costs what the clock on the wall shows, so bands are read by that clock throughout, their lengths too: one from 00:30 of
//! five hours ends at 05:30 in the night of a change as well. Windows of policies count elapsed time instead, so the stretches
//! between two changes of the clock are looked at one by one, each by a clock that never changes.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use lowtide_model::identity::ZoneId;
use lowtide_model::price::{NotPrices, PriceSeries, PriceSlot, checked};
use lowtide_model::quantity::Seconds;
use lowtide_model::window::Window;

use crate::policy::reading::{self, Misread};
use crate::policy::timetable::{NotATimetable, Timetable};

/// More bands than this are no tariff.
const MOST_BANDS: usize = 50;
/// No meter counts finer than by quarters of an hour, and shorter bands would make a series endless.
const SHORTEST_BAND_HOURS: f64 = 0.25;
/// A longer band is written as one that comes every day.
const LONGEST_BAND_HOURS: f64 = 7.0 * 24.0;
/// As much is looked at at once: with the longest band before it, a start a minute still is within what a timetable looks at.
const STRETCH_HOURS: f64 = 14.0 * 24.0;

/// Prices are told from so far back on: what runs has begun before now.
const TOLD_BACK_HOURS: f64 = 14.0 * 24.0;
/// They are told for so long beyond the horizon: courses of jobs longer than it end there.
const TOLD_AHEAD_HOURS: f64 = 56.0 * 24.0;
/// They are told anew when no more than this is left of that. Every telling is kept and makes all jobs be planned anew, so it has
/// to be seldom: 13 times a year.
const LEFT_AHEAD_HOURS: f64 = 28.0 * 24.0;

/// What electricity costs by the hours of the day, the days of the week and the months.
#[derive(Debug, Clone, PartialEq)]
pub struct Tariff {
    currency: String,
    per_kwh: f64,
    clock: Option<TimeZone>,
    bands: Vec<Band>,
}

/// Hours with a price of their own.
#[derive(Debug, Clone, PartialEq)]
pub struct Band {
    per_kwh: f64,
    hours: Timetable,
}

/// A text that is no tariff.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NotATariff {
    /// The currency is none.
    #[error("`{0}` is not a currency: write its three letters, such as `EUR`")]
    Currency(String),
    /// Too many bands.
    #[error("a tariff has at most {MOST_BANDS} bands, this one has {0}")]
    Bands(usize),
    /// A band of no or of endless length.
    #[error("a band lasts from 15 minutes to 7 days, this one {0}")]
    Length(String),
    /// A price that is none.
    #[error("`per_kwh` is {0}: {1}")]
    Price(f64, NotPrices),
    /// Starts that cannot be read.
    #[error(
        "{0}; `cron` has five fields, as in crontab: minute, hour, day of month, month, day of week; `0 16 * * MON-FRI`"
    )]
    Starts(#[from] NotATimetable),
    /// A length or a clock that cannot be read.
    #[error(transparent)]
    Misread(#[from] Misread),
}

impl Band {
    /// A price for the hours from each time of a cron expression on, as long as `duration` says, both as policies write them.
    pub fn new(per_kwh: f64, cron: &str, duration: &str) -> Result<Self, NotATariff> {
        let length = reading::duration(duration)?;
        if !(SHORTEST_BAND_HOURS..=LONGEST_BAND_HOURS).contains(&length.hours()) {
            return Err(NotATariff::Length(duration.to_owned()));
        }
        Ok(Self { per_kwh: price(per_kwh)?, hours: Timetable::new(cron, length, None)? })
    }
}

impl Tariff {
    /// A price for all hours that no band covers, and the bands; where several cover an hour the last of them holds. `clock` is the
    /// name of the one they are read by, or `local`.
    pub fn new(currency: &str, per_kwh: f64, clock: &str, bands: Vec<Band>) -> Result<Self, NotATariff> {
        if currency.len() != 3 || !currency.bytes().all(|letter| letter.is_ascii_alphabetic()) {
            return Err(NotATariff::Currency(currency.to_owned()));
        }
        if MOST_BANDS < bands.len() {
            return Err(NotATariff::Bands(bands.len()));
        }
        let clock = reading::clock(clock)?;
        Ok(Self { currency: currency.to_ascii_uppercase(), per_kwh: price(per_kwh)?, clock, bands })
    }

    /// The same, with its local clock known.
    #[must_use]
    pub fn in_local_zone(self, zone: &TimeZone) -> Self {
        Self { clock: self.clock.or_else(|| Some(zone.clone())), ..self }
    }

    /// What it comes to: the prices of every moment of `within`, by UTC where its clock is the local one and that is not known.
    #[must_use]
    pub fn series(&self, zone: ZoneId, within: Window) -> PriceSeries {
        // By the band, not the price: neighbours of one band are one slot.
        let mut found: Vec<(Window, Option<usize>)> = Vec::new();
        for (stretch, offset) in self.stretches(within) {
            let clock = TimeZone::fixed(offset);
            let openings = |band: &Band| band.hours.clone().in_local_zone(&clock).openings(stretch);
            let openings: Vec<Vec<Window>> = self.bands.iter().map(openings).collect();
            let mut edges = vec![stretch.start(), stretch.end()];
            edges.extend(openings.iter().flatten().flat_map(|opening| [opening.start(), opening.end()]));
            edges.sort_unstable();
            edges.dedup();
            for piece in edges.windows(2).filter_map(|pair| Window::new(pair[0], pair[1]).ok()) {
                let band = openings.iter().rposition(|openings| lies_in(piece.start(), openings));
                match found.last_mut() {
                    Some((last, of)) if *of == band => {
                        *last = Window::new(last.start(), piece.end()).expect("begins before it ends");
                    }
                    _ => found.push((piece, band)),
                }
            }
        }
        let price = |band: Option<usize>| band.map_or(self.per_kwh, |band| self.bands[band].per_kwh);
        let slots = found.into_iter().map(|(window, band)| PriceSlot { window, per_kwh: price(band) });
        PriceSeries::new(zone, self.currency.clone(), slots.collect()).expect("checked prices, piece after piece")
    }

    /// `within` in order, cut where the clock changes, each piece with what the clock is ahead of UTC in it.
    fn stretches(&self, within: Window) -> impl Iterator<Item = (Window, Offset)> {
        let clock = self.clock.clone().unwrap_or(TimeZone::UTC);
        let mut at = within.start();
        std::iter::from_fn(move || {
            let most = Seconds::from_hours(STRETCH_HOURS).after(at).min(within.end());
            let end = clock.following(at).next().map_or(most, |change| change.timestamp().min(most));
            let stretch = Window::new(at, end).ok()?;
            at = end;
            Some((stretch, clock.to_offset(stretch.start())))
        })
    }
}

/// The stretch of time whose prices are to be told at `now`, for plans that look ahead as far as the horizon.
#[must_use]
pub fn to_tell(now: Timestamp, horizon: Seconds) -> Option<Window> {
    let end = (horizon + Seconds::from_hours(TOLD_AHEAD_HOURS)).after(now);
    Window::new(Seconds::from_hours(TOLD_BACK_HOURS).before(now), end).ok()
}

/// When prices that were told up to `end` have to be told anew.
#[must_use]
pub fn due(end: Timestamp, horizon: Seconds) -> Timestamp {
    (horizon + Seconds::from_hours(LEFT_AHEAD_HOURS)).before(end)
}

fn price(per_kwh: f64) -> Result<f64, NotATariff> {
    checked(per_kwh).map_err(|error| NotATariff::Price(per_kwh, error))
}

/// Whether a moment lies in one of windows that are in order and apart from one another.
fn lies_in(at: Timestamp, windows: &[Window]) -> bool {
    let next = windows.partition_point(|window| window.end() <= at);
    windows.get(next).is_some_and(|window| window.contains(at))
}

#[cfg(test)]
mod tests;
