//! What was believed when: perfect knowledge, knowledge with noise, or forecasts as they were issued.

use std::borrow::Cow;

use lowtide_planner::baseline::Series;

use crate::chance::Chance;
use crate::table::{Table, TraceError};
use crate::time;

/// Lead hours of a day, by which a forecast is continued beyond its end.
const DAY_H: f64 = 24.0;

/// The forecast that rules rest on.
#[derive(Debug, Clone, PartialEq)]
pub enum Believed {
    /// What came.
    Perfect,
    /// What came, and white noise.
    Noisy(Series),
    /// The newest issue at each moment.
    Issued(Issues),
}

/// Forecasts of one zone as they were issued.
#[derive(Debug, Clone, PartialEq)]
pub struct Issues {
    /// Issue time, hours from hour 0, and intensities from then on; in order of time.
    pub issues: Vec<Issue>,
    /// Hours of a step of all of them.
    pub step_h: f64,
}

/// One forecast as issued.
#[derive(Debug, Clone, PartialEq)]
pub struct Issue {
    /// When, hours from hour 0; before it the number is negative.
    pub at: f64,
    /// From then on, g/kWh.
    pub values: Vec<f64>,
}

impl Issues {
    /// Reads `issue_time,h0,h1,…`: one row an issue, hourly leads. `start_s` is hour 0, seconds since 1970.
    pub fn read(text: &str, start_s: i64) -> Result<Self, TraceError> {
        let table = Table::new(text)?;
        let (at_column, _) = table.require("the issue time", &["issue_time", "issued_at", "time"])?;
        let is_lead = |name: &str| name.strip_prefix('h').is_some_and(|lead| lead.parse::<u16>().is_ok());
        let leads: Vec<usize> =
            table.columns().enumerate().filter(|(_, name)| is_lead(name)).map(|(place, _)| place).collect();
        if leads.is_empty() {
            table.require("the lead hours", &["h0"])?;
        }
        let mut issues = Vec::new();
        for row in table.rows() {
            let text = row.field(at_column);
            let at = time::seconds(text).ok_or_else(|| row.refuse(text, "a time such as 2020-01-01T00:00Z"))?;
            let mut values = Vec::with_capacity(leads.len());
            for place in &leads {
                let Some(value) = row.number(*place)? else { break };
                values.push(value.max(0.0));
            }
            if !values.is_empty() {
                issues.push(Issue { at: (at - start_s) as f64 / 3600.0, values });
            }
        }
        issues.sort_by(|a, b| a.at.total_cmp(&b.at));
        if issues.is_empty() {
            return Err(TraceError::Nothing("the file holds no forecast".to_owned()));
        }
        Ok(Self { issues, step_h: 1.0 })
    }

    /// The newest issue at a moment, by its place.
    #[must_use]
    pub fn newest(&self, hour: f64) -> Option<usize> {
        self.issues.partition_point(|issue| issue.at <= hour).checked_sub(1)
    }
}

/// The series that is believed at a moment, kept until the next issue.
#[derive(Debug)]
pub struct Outlook<'a> {
    believed: &'a Believed,
    actual: &'a Series,
    made: Option<(usize, Series)>,
}

impl<'a> Outlook<'a> {
    /// Of what came and what was believed.
    #[must_use]
    pub const fn new(believed: &'a Believed, actual: &'a Series) -> Self {
        Self { believed, actual, made: None }
    }

    /// What is believed at a moment, as issued: no rule of the field corrects it. Before the issue the past is known; beyond
    /// its last lead its last day repeats; before the first issue the day before does.
    pub fn at(&mut self, hour: f64) -> Cow<'_, Series> {
        let issues = match self.believed {
            Believed::Perfect => return Cow::Borrowed(self.actual),
            Believed::Noisy(series) => return Cow::Borrowed(series),
            Believed::Issued(issues) => issues,
        };
        let Some(newest) = issues.newest(hour) else {
            return Cow::Owned(yesterday(self.actual, hour));
        };
        if self.made.as_ref().is_none_or(|(made, _)| *made != newest) {
            self.made = Some((newest, told(self.actual, &issues.issues[newest], issues.step_h)));
        }
        self.made.as_ref().map_or(Cow::Borrowed(self.actual), |(_, series)| Cow::Borrowed(series))
    }
}

/// The past as it was, then the issue, then its last day again and again.
fn told(actual: &Series, issue: &Issue, step_h: f64) -> Series {
    let lead = Series::new(step_h, issue.values.clone());
    let day = DAY_H.min(issue.values.len() as f64 * step_h);
    let end = issue.values.len() as f64 * step_h;
    continued(actual, issue.at, |since| {
        let since = if since < end { since } else { end - day + (since - end).rem_euclid(day) };
        lead.as_ref().map_or(0.0, |lead| lead.at(since))
    })
}

fn yesterday(actual: &Series, hour: f64) -> Series {
    continued(actual, hour, |since| actual.at((hour - DAY_H + since.rem_euclid(DAY_H)).max(0.0)))
}

fn continued(actual: &Series, from: f64, value: impl Fn(f64) -> f64) -> Series {
    let steps = actual.values().iter().enumerate().map(|(step, known)| {
        let start = actual.start_of(step);
        if start < from - 1e-6 { *known } else { value(start - from) }
    });
    Series::new(actual.step_h(), steps.collect()).unwrap_or_else(|| actual.clone())
}

/// What came, and Gaussian noise of so much of the mean on every step, never below 0: the forecast error of Let's Wait Awhile.
#[must_use]
pub fn noisy(actual: &Series, share: f64, seed: u64) -> Series {
    let values = actual.values();
    let sigma = share * values.iter().sum::<f64>() / values.len() as f64;
    let mut chance = Chance::of(seed);
    let noisy = values.iter().map(|value| (value + sigma * chance.normal()).max(0.0)).collect();
    Series::new(actual.step_h(), noisy).unwrap_or_else(|| actual.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actual() -> Series {
        Series::new(1.0, (0..96).map(f64::from).collect()).expect("numbers")
    }

    #[test]
    fn an_issue_is_believed_from_its_time_on_and_then_repeats_its_last_day() {
        let text = "issue_time,h0,h1\n1970-01-02T00:00Z,500,600\n";
        let issues = Believed::Issued(Issues::read(text, 0).expect("a forecast"));
        let actual = actual();
        let mut outlook = Outlook::new(&issues, &actual);
        assert!((outlook.at(23.0).at(30.0) - 6.0).abs() < 1e-9, "yesterday before the first issue");
        let told = outlook.at(25.0).into_owned();
        for (hour, expected) in [(23.0, 23.0), (24.0, 500.0), (25.0, 600.0), (26.0, 500.0), (27.0, 600.0)] {
            assert!((told.at(hour) - expected).abs() < 1e-9, "hour {hour}");
        }
    }

    #[test]
    fn noise_has_the_spread_it_is_asked_for_and_is_the_same_again() {
        let flat = Series::new(1.0, vec![200.0; 20_000]).expect("numbers");
        let noisy_once = noisy(&flat, 0.05, 7);
        let mean = noisy_once.values().iter().sum::<f64>() / 20_000.0;
        let spread = (noisy_once.values().iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 20_000.0).sqrt();
        assert!((mean - 200.0).abs() < 0.5 && (spread - 10.0).abs() < 0.3, "{mean} {spread}");
        assert_eq!(noisy(&flat, 0.05, 7), noisy_once);
    }

    #[test]
    fn a_file_without_leads_is_refused() {
        assert!(Issues::read("issue_time,value\n1970-01-02T00:00Z,500\n", 0).is_err());
        assert!(Issues::read("issue_time,h0\n", 0).is_err());
    }
}
