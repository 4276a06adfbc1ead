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

/// Hourly values measured, and issues of forecasts, of one zone. Hours are counted from the first one measured.
#[derive(Debug, Clone, Copy)]
pub struct Outlook<'a> {
    /// Measured intensity of each hour, g/kWh. Hours after the one asked for are never looked at.
    pub measured: &'a [f64],
    /// Hour of issue and intensity by lead hour, oldest first.
    pub issues: &'a [(usize, Vec<f64>)],
}

impl Outlook<'_> {
    /// Intensity of the hours `now`, `now + 1`, ... as it is to be believed in the hour `now`, whose own value is measured.
    ///
    /// Where no issue reaches, the mean by hour of day of the last seven days; `None` where there is not a day of those.
    #[must_use]
    pub fn curve(&self, now: usize, hours: usize, recipe: Recipe) -> Option<Vec<f64>> {
        let mut curve = self.told(now, hours, recipe)?;
        if let Some(first) = curve.first_mut() {
            *first = *self.measured.get(now)?;
        }
        Some(curve)
    }

    /// As [`Outlook::curve`], but the hour `now` is as it was forecast.
    pub(super) fn told(&self, now: usize, hours: usize, recipe: Recipe) -> Option<Vec<f64>> {
        let seen = self.measured.get(..=now).filter(|seen| 24 <= seen.len())?;
        let newest = self.issues.partition_point(|(hour, _)| *hour <= now).checked_sub(1);
        let Some(at) = newest else { return Some((now..now + hours).map(|hour| profile(seen, hour)).collect()) };
        let (issued, told) = &self.issues[at];
        let first = now - issued;
        let from = first.saturating_sub(recipe.neighbours);
        let until = (first + hours + recipe.neighbours).min(told.len());
        let errors: Vec<f64> = (from..until.max(from)).map(|lead| self.error(at, lead, seen, recipe)).collect();
        let corrected = |lead: usize| {
            let value = told.get(lead)?;
            let low = lead.saturating_sub(recipe.neighbours).max(from) - from;
            let high = (lead + recipe.neighbours + 1 - from).min(errors.len());
            let near = &errors[low..high];
            Some(value - near.iter().sum::<f64>() / near.len().max(1) as f64)
        };
        Some(
            (first..first + hours)
                .map(|lead| corrected(lead).unwrap_or_else(|| profile(seen, issued + lead)))
                .collect(),
        )
    }

    /// Mean error at a lead of the issues before one, forecast minus measured, of those that have come true.
    fn error(&self, at: usize, lead: usize, seen: &[f64], recipe: Recipe) -> f64 {
        let (mut sum, mut weights, mut weight, mut found) = (0.0, 0.0, 1.0, 0);
        for (hour, values) in self.issues[..at].iter().rev() {
            if found == recipe.issues {
                break;
            }
            if let (Some(value), Some(measured)) = (values.get(lead), seen.get(hour + lead)) {
                sum += weight * (value - measured);
                weights += weight;
                weight *= recipe.fading;
                found += 1;
            }
        }
        if 0.0 < weights { sum / weights } else { 0.0 }
    }
}

/// Mean of the same hour of day over the last seven days up to the last hour seen.
pub(super) fn profile(seen: &[f64], hour: usize) -> f64 {
    let back = (hour + 1).saturating_sub(seen.len()).div_ceil(24);
    let newest = hour - 24 * back;
    let days = (0..7).map_while(|day| newest.checked_sub(24 * day));
    let (sum, count) = days.fold((0.0, 0.0), |(sum, count), at| (sum + seen[at], count + 1.0));
    sum / f64::max(count, 1.0)
}
