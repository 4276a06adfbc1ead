//! The curve that a horizon plans on: the newest forecast, less what the ones before were wrong by.

/// How a forecast is corrected by the errors of those before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recipe {
    /// Issues whose errors are averaged; 0 leaves the forecast as issued.
    pub issues: usize,
    /// Weight of an issue's error against that of the issue after it, 0 to 1; 1 for a plain mean.
    pub fading: f64,
    /// Lead hours on either side whose errors are averaged too.
    pub neighbours: usize,
}

impl Recipe {
    /// As issued.
    pub const RAW: Self = Self { issues: 0, fading: 1.0, neighbours: 0 };
    /// The plain mean error by lead hour of the last fourteen issues.
    pub const BIAS: Self = Self { issues: 14, fading: 1.0, neighbours: 0 };
    /// Four weeks that fade by 3 % an issue, smoothed over five lead hours.
    pub const FADING: Self = Self { issues: 28, fading: 0.97, neighbours: 2 };
}

/// Hourly values measured, and issues of forecasts, of one zone. Hours are counted from any one of old.
#[derive(Debug, Clone, Copy)]
pub struct Outlook<'a> {
    /// The hour of the first value measured.
    pub first: usize,
    /// Measured intensity of each hour, g/kWh; not a number where it is not known. Hours after the one asked for are never looked
    /// at.
    pub measured: &'a [f64],
    /// Hour of issue and intensity by lead hour, oldest first; not a number where nothing was told.
    pub issues: &'a [(usize, Vec<f64>)],
}

/// Hours of a day.
const DAY: usize = 24;
/// Days whose mean by hour of day fills what no issue tells.
const PROFILE_DAYS: usize = 7;

impl Outlook<'_> {
    /// Intensity of the hours `now`, `now + 1`, ... as it is to be believed in the hour `now`, whose own value is the measured
    /// one where that is known.
    ///
    /// Issues are corrected by those of the same hour of day. Where none reaches, the mean by hour of day of the last seven days; `None`
    /// where there is not a day of those.
    #[must_use]
    pub fn curve(&self, now: usize, hours: usize, recipe: Recipe) -> Option<Vec<f64>> {
        let mut curve = self.told(now, hours, recipe)?;
        if let (Some(first), Some(measured)) = (curve.first_mut(), self.measured(now)) {
            *first = measured;
        }
        Some(curve)
    }

    /// As [`Outlook::curve`], but the hour `now` is as it was forecast.
    pub(super) fn told(&self, now: usize, hours: usize, recipe: Recipe) -> Option<Vec<f64>> {
        if now + 1 < self.first + DAY || self.measured.is_empty() {
            return None;
        }
        let profile = |hour| self.profile(hour, now).unwrap_or_default();
        let newest = self.issues.partition_point(|(hour, _)| *hour <= now).checked_sub(1);
        let Some(at) = newest else { return Some((now..now + hours).map(profile).collect()) };
        let (issued, told) = &self.issues[at];
        let first = now - issued;
        let from = first.saturating_sub(recipe.neighbours);
        let until = (first + hours + recipe.neighbours).min(told.len());
        let like = self.issues[..at].iter().rev().filter(|(hour, _)| (issued - hour).is_multiple_of(DAY));
        let like: Vec<&(usize, Vec<f64>)> = like.collect();
        let errors: Vec<f64> = (from..until.max(from)).map(|lead| self.error(&like, lead, now, recipe)).collect();
        let corrected = |lead: usize| {
            let value = told.get(lead).filter(|value| value.is_finite())?;
            let low = lead.saturating_sub(recipe.neighbours).max(from) - from;
            let high = (lead + recipe.neighbours + 1 - from).min(errors.len());
            let near = &errors[low..high];
            Some(value - near.iter().sum::<f64>() / near.len().max(1) as f64)
        };
        Some((first..first + hours).map(|lead| corrected(lead).unwrap_or_else(|| profile(issued + lead))).collect())
    }

    /// Mean error at a lead, forecast minus measured, of those of some issues, the newest first, that have come true by the hour
    /// `now`.
    fn error(&self, issues: &[&(usize, Vec<f64>)], lead: usize, now: usize, recipe: Recipe) -> f64 {
        let (mut sum, mut weights, mut weight, mut found) = (0.0, 0.0, 1.0, 0);
        for (hour, values) in issues {
            if found == recipe.issues {
                break;
            }
            let told = values.get(lead).filter(|value| value.is_finite());
            if let (Some(value), Some(measured)) = (told, self.measured_by(hour + lead, now)) {
                sum += weight * (value - measured);
                weights += weight;
                weight *= recipe.fading;
                found += 1;
            }
        }
        if 0.0 < weights { sum / weights } else { 0.0 }
    }

    /// What was measured in an hour.
    pub(super) fn measured(&self, hour: usize) -> Option<f64> {
        self.measured.get(hour.checked_sub(self.first)?).copied().filter(|value| value.is_finite())
    }

    /// The same, where that had come by the hour `now`.
    fn measured_by(&self, hour: usize, now: usize) -> Option<f64> {
        if hour <= now { self.measured(hour) } else { None }
    }

    /// The last hour up to `now` that was measured, of the last day.
    pub(super) fn present(&self, now: usize) -> Option<(usize, f64)> {
        (0..DAY).find_map(|back| {
            let hour = now.checked_sub(back)?;
            Some((hour, self.measured(hour)?))
        })
    }

    /// The mean of all that was measured before an hour.
    pub(super) fn mean_before(&self, hour: usize) -> Option<f64> {
        let seen = self.measured.get(..hour.saturating_sub(self.first).min(self.measured.len()))?;
        let (sum, count) =
            seen.iter().filter(|value| value.is_finite()).fold((0.0, 0.0), |(sum, n), value| (sum + value, n + 1.0));
        (0.0 < count).then(|| sum / count)
    }

    /// Mean of the same hour of day over the last seven days up to the hour `now`.
    pub(super) fn profile(&self, hour: usize, now: usize) -> Option<f64> {
        let last = now.min(self.first + self.measured.len() - 1);
        let newest = hour - DAY * hour.saturating_sub(last).div_ceil(DAY);
        let days = (0..PROFILE_DAYS).filter_map(|day| self.measured(newest.checked_sub(DAY * day)?));
        let (sum, count) = days.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
        (0.0 < count).then(|| sum / count)
    }
}
