//! The curve that a horizon plans on: the newest forecast, corrected by what the ones before were wrong by.

/// How a forecast is corrected. All weights and shares lie in 0..=1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recipe {
    /// Issues whose errors are averaged.
    pub issues: usize,
    /// Weight of an issue's error against that of the issue after it; 1 for a plain mean.
    pub fading: f64,
    /// Lead hours on either side whose errors are averaged too.
    pub neighbours: usize,
    /// Share of the mean error that is subtracted.
    pub share: f64,
    /// Weight of the issue before the newest, corrected alike, where it tells the hour too.
    pub earlier: f64,
    /// Weight of the mean by hour of day over the last seven days.
    pub profile: f64,
    /// Share of the last hour's error that the next hour is expected to repeat, and so on.
    pub persistence: f64,
}

impl Recipe {
    /// As issued.
    pub const RAW: Self =
        Self { issues: 0, fading: 1.0, neighbours: 0, share: 0.0, earlier: 0.0, profile: 0.0, persistence: 0.0 };
    /// The plain mean error by lead hour of the last fourteen issues.
    pub const BIAS: Self = Self { issues: 14, share: 1.0, ..Self::RAW };
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
    pub fn curve(&self, now: usize, hours: usize, recipe: &Recipe) -> Option<Vec<f64>> {
        let seen = self.measured.get(..=now)?;
        if seen.len() < 24 {
            return None;
        }
        let newest = self.issues.partition_point(|(hour, _)| *hour <= now);
        let last = newest.checked_sub(1).map(|at| self.corrected(at, now, hours, seen, recipe));
        let before = newest.checked_sub(2).filter(|_| 0.0 < recipe.earlier);
        let before = before.map(|at| self.corrected(at, now, hours, seen, recipe));
        let mut curve = Vec::with_capacity(hours);
        let mut off = 0.0;
        for hour in now..now + hours {
            let place = hour - now;
            let profile = profile(seen, hour);
            let told = last.as_ref().and_then(|values| values[place]);
            let told = told.map(|told| match before.as_ref().and_then(|values| values[place]) {
                Some(earlier) => told + recipe.earlier * (earlier - told),
                None => told,
            });
            let believed = told.map_or(profile, |told| told + recipe.profile * (profile - told));
            if place == 0 {
                off = seen[now] - believed;
                curve.push(seen[now]);
            } else {
                off *= recipe.persistence;
                curve.push(believed + off);
            }
        }
        Some(curve)
    }

    /// One issue less the mean error by lead hour of those before it.
    fn corrected(
        &self,
        at: usize,
        now: usize,
        hours: usize,
        seen: &[f64],
        recipe: &Recipe,
    ) -> Vec<Option<f64>> {
        let (issued, told) = &self.issues[at];
        let errors = |lead: usize| {
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
        };
        let from = (now - issued).saturating_sub(recipe.neighbours);
        let until = (now - issued + hours + recipe.neighbours).min(told.len());
        let means: Vec<f64> = (from..until.max(from)).map(errors).collect();
        (now - issued..now - issued + hours)
            .map(|lead| {
                let value = told.get(lead)?;
                let low = lead.saturating_sub(recipe.neighbours).max(from) - from;
                let high = (lead + recipe.neighbours + 1 - from).min(means.len());
                let near = &means[low..high];
                Some(value - recipe.share * near.iter().sum::<f64>() / near.len().max(1) as f64)
            })
            .collect()
    }
}

/// Mean of the same hour of day over the last seven days up to the last hour seen.
fn profile(seen: &[f64], hour: usize) -> f64 {
    let back = (hour + 1).saturating_sub(seen.len()).div_ceil(24);
    let newest = hour - 24 * back;
    let days = (0..7).map_while(|day| newest.checked_sub(24 * day));
    let (sum, count) = days.fold((0.0, 0.0), |(sum, count), at| (sum + seen[at], count + 1.0));
    sum / f64::max(count, 1.0)
}
