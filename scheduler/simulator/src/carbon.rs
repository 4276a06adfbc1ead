//! Intensity traces: `time,lifecycle,…`, `time,intensity`, and feeds with gaps and doubles.

use jiff::Timestamp;
use lowtide_planner::baseline::Series;

use crate::table::{Table, TraceError};
use crate::time;

const TIME: [&str; 7] = ["time", "zone_datetime", "timestamp", "datetime", "utc time", "datetime (utc)", "date"];
const INTENSITY: [&str; 5] =
    ["lifecycle", "intensity", "intensity_g_per_kwh", "carbon_intensity", "carbon_intensity_avg"];

/// Longest trace that is taken, steps: a thousand years of hours, and a slip of the pen in a date is told instead of filled.
const MOST_STEPS: i64 = 9_000_000;

/// The intensity of one zone over time.
#[derive(Debug, Clone, PartialEq)]
pub struct CarbonTrace {
    /// When its first step begins, seconds since 1970.
    pub start_s: i64,
    /// Seconds of a step.
    pub step_s: i64,
    /// The steps, g/kWh.
    pub values: Vec<f64>,
    /// Steps that were not told and took the value before them.
    pub filled: usize,
    /// Rows that told a step once more; the last one counts.
    pub repeated: usize,
}

impl CarbonTrace {
    /// Reads files of one zone, in any order: a year each, say. The step is the shortest there is between two rows.
    pub fn read(texts: &[&str]) -> Result<Self, TraceError> {
        let mut rows: Vec<(i64, f64)> = Vec::new();
        for text in texts {
            let table = Table::new(text)?;
            let (time_at, _) = table.require("the time", &TIME)?;
            let (value_at, _) = table.require("the intensity", &INTENSITY)?;
            for row in table.rows() {
                let Some(value) = row.number(value_at)? else { continue };
                if value < 0.0 {
                    return Err(row.refuse(row.field(value_at), "an intensity in g/kWh, 0 or more"));
                }
                let text = row.field(time_at);
                let at = time::seconds(text).or_else(|| text.parse().ok());
                let at = at.ok_or_else(|| row.refuse(text, "a time such as 2020-01-01T00:00Z"))?;
                rows.push((at, value));
            }
        }
        // Stable, so that of rows of one time the last stays last.
        rows.sort_by_key(|(at, _)| *at);
        let step_s = rows.windows(2).map(|pair| pair[1].0 - pair[0].0).filter(|step| 0 < *step).min();
        let (Some((start_s, _)), Some((last, _)), Some(step_s)) = (rows.first(), rows.last(), step_s) else {
            return Err(TraceError::Nothing("an intensity trace needs at least two times".to_owned()));
        };
        let (start_s, steps) = (*start_s, (last - start_s) / step_s + 1);
        if MOST_STEPS < steps {
            let step = step_s;
            return Err(TraceError::Nothing(format!(
                "from the first time to the last there are {steps} steps of {step} s: is a date wrong?"
            )));
        }
        let mut values: Vec<f64> = Vec::with_capacity(usize::try_from(steps).unwrap_or_default());
        let (mut filled, mut repeated) = (0, 0);
        for (at, value) in rows {
            let place = usize::try_from((at - start_s) / step_s).unwrap_or_default();
            if place < values.len() {
                repeated += 1;
                values[place] = value;
                continue;
            }
            let before = values.last().copied().unwrap_or(value);
            filled += place - values.len();
            values.resize(place, before);
            values.push(value);
        }
        Ok(Self { start_s, step_s, values, filled, repeated })
    }

    /// Hours of a step.
    #[must_use]
    pub fn step_h(&self) -> f64 {
        self.step_s as f64 / 3600.0
    }

    /// When its last step ends, seconds since 1970.
    #[must_use]
    pub fn end_s(&self) -> i64 {
        self.start_s + self.step_s * i64::try_from(self.values.len()).unwrap_or(i64::MAX)
    }

    /// The steps from one moment to another, as a series whose hour 0 is the first moment. That must be the beginning of a
    /// step.
    pub fn series(&self, from: Timestamp, to: Timestamp) -> Result<Series, TraceError> {
        let place = |at: Timestamp| (at.as_second() - self.start_s).div_euclid(self.step_s);
        if from.as_second() < self.start_s || self.end_s() <= from.as_second() || to <= from {
            return Err(TraceError::Nothing(format!(
                "the trace goes from {} to {}, and {from} to {to} was asked for",
                stamp(self.start_s),
                stamp(self.end_s())
            )));
        }
        if (from.as_second() - self.start_s) % self.step_s != 0 {
            let step = self.step_s / 60;
            return Err(TraceError::Nothing(format!("{from} is not the beginning of a step of {step} minutes")));
        }
        let count = self.values.len();
        let [first, last] = [place(from), place(to)].map(|at| usize::try_from(at).unwrap_or(0).min(count));
        let values = self.values.get(first..last).map(<[f64]>::to_vec).unwrap_or_default();
        Series::new(self.step_h(), values)
            .ok_or_else(|| TraceError::Nothing(format!("there is no whole step from {from} to {to}")))
    }
}

/// A moment for people.
#[must_use]
pub fn stamp(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_keep_the_value_before_and_of_doubles_the_last_counts() {
        let text = "time,lifecycle,direct\n2023-01-01T00:00Z,100,1\n2023-01-01T01:00Z,200,1\n2023-01-01T04:00Z,50,1\n2023-01-01T01:10Z,250,1\n";
        let trace = CarbonTrace::read(&[text]);
        // Ten minutes after a full hour is a step of its own, so everything else is filled.
        assert_eq!(trace.map(|trace| trace.step_s), Ok(600));
        let text = "time,intensity\n2023-01-01T00:00Z,100\n2023-01-01T01:00Z,200\n2023-01-01T01:00Z,220\n2023-01-01T04:00Z,50\n";
        let trace = CarbonTrace::read(&[text]).expect("a trace");
        assert_eq!(trace.values, [100.0, 220.0, 220.0, 220.0, 50.0]);
        assert_eq!((trace.filled, trace.repeated), (2, 1));
    }

    #[test]
    fn years_in_files_of_their_own_are_joined() {
        let first = "time,intensity\n2022-12-31T23:00Z,7\n2022-12-31T22:00Z,6\n";
        let trace = CarbonTrace::read(&["time,intensity\n2023-01-01T00:00Z,8\n", first]).expect("a trace");
        assert_eq!(trace.values, [6.0, 7.0, 8.0]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let told = |text: &str| CarbonTrace::read(&[text]).expect_err("refused").to_string();
        assert_eq!(told("time,intensity\n2023-01-01T00:00Z,x\n"), "line 2: `x` is not a number");
        assert!(told("time,intensity\nsoon,3\n").starts_with("line 2: `soon` is not a time"));
        assert!(told("a,b\n1,2\n").starts_with("there is no column for the time"));
        assert!(told("").starts_with("the file is empty"));
        assert!(told("time,intensity\n2023-01-01T00:00Z,3\n").contains("at least two"));
        assert!(told("time,intensity\n2023-01-01T00:00Z,-3\n2023-01-01T01:00Z,3\n").contains("0 or more"));
        assert!(
            told("time,intensity\n0001-01-01T00:00Z,3\n0001-01-01T00:01Z,3\n2023-01-01T01:00Z,3\n")
                .contains("is a date wrong")
        );
    }
}
