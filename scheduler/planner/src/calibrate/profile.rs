//! The weeks before as a forecast: the mean of an hour of the week, or of the day where there are too few weeks.

use std::collections::BTreeMap;

use super::archive::{Archive, Hour};
use super::correct::quantile;

const DAY: i64 = 24;
const WEEK: i64 = 7 * DAY;
/// Weeks that are looked back on.
const WEEKS: i64 = 5;
/// With so many values of an hour of the week their mean is taken; with fewer that of the hour of day.
const FEWEST_WEEKS: usize = 2;
/// Values of an hour of day, over seven days, below which nothing is said.
const FEWEST_DAYS: usize = 3;
/// Errors below which no band is given.
const FEWEST_ERRORS: usize = 24;

/// What an hour is like, as told by those before it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Profile {
    by_hour_of_week: BTreeMap<i64, f64>,
    by_hour_of_day: BTreeMap<i64, f64>,
    /// 5 % and 95 % quantiles of measured minus profile.
    errors: Option<(f64, f64)>,
}

impl Profile {
    /// The profile of what was measured by `now`.
    pub(crate) fn of(archive: &Archive, now: Hour) -> Self {
        let weeks: Vec<(Hour, f64)> =
            archive.measured_before(now).filter(|(hour, _)| now - WEEKS * WEEK <= *hour).collect();
        let days = weeks.iter().filter(|(hour, _)| now - WEEK <= *hour).copied();
        let week_sums = sums(weeks.iter().copied(), WEEK);
        let day_sums = sums(days, DAY);
        let means = |sums: &BTreeMap<i64, Sum>, fewest: usize| {
            sums.iter().filter(|(_, sum)| fewest <= sum.count).map(|(key, sum)| (*key, sum.mean())).collect()
        };
        // Each value against the others of its hour: what an hour that is still to come will look like.
        let mut errors: Vec<f64> = weeks
            .iter()
            .filter_map(|(hour, value)| {
                let week = week_sums.get(&hour.rem_euclid(WEEK)).filter(|sum| FEWEST_WEEKS < sum.count);
                let day =
                    day_sums.get(&hour.rem_euclid(DAY)).filter(|sum| FEWEST_DAYS < sum.count && now - WEEK <= *hour);
                Some(value - week.or(day)?.mean_without(*value))
            })
            .collect();
        errors.sort_by(f64::total_cmp);
        let errors = (FEWEST_ERRORS <= errors.len()).then(|| (quantile(&errors, 0.05), quantile(&errors, 0.95)));
        Self { by_hour_of_week: means(&week_sums, FEWEST_WEEKS), by_hour_of_day: means(&day_sums, FEWEST_DAYS), errors }
    }

    /// The mean of an hour, g/kWh.
    pub(crate) fn at(&self, hour: Hour) -> Option<f64> {
        let week = self.by_hour_of_week.get(&hour.rem_euclid(WEEK));
        week.or_else(|| self.by_hour_of_day.get(&hour.rem_euclid(DAY))).copied()
    }

    /// The hour of day over the last week alone.
    pub(crate) fn at_hour_of_day(&self, hour: Hour) -> Option<f64> {
        self.by_hour_of_day.get(&hour.rem_euclid(DAY)).copied()
    }

    /// 5 % and 95 % quantiles of its errors, where enough are known.
    pub(crate) const fn errors(&self) -> Option<(f64, f64)> {
        self.errors
    }

    /// Whether it tells of hours of the week rather than of the day.
    pub(crate) fn is_weekly(&self) -> bool {
        !self.by_hour_of_week.is_empty()
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    sum: f64,
    count: usize,
}

impl Sum {
    fn mean(&self) -> f64 {
        self.sum / self.count as f64
    }

    fn mean_without(&self, value: f64) -> f64 {
        (self.sum - value) / (self.count - 1) as f64
    }
}

fn sums(values: impl Iterator<Item = (Hour, f64)>, period: i64) -> BTreeMap<i64, Sum> {
    let mut sums: BTreeMap<i64, Sum> = BTreeMap::new();
    for (hour, value) in values {
        let sum = sums.entry(hour.rem_euclid(period)).or_default();
        sum.sum += value;
        sum.count += 1;
    }
    sums
}
