//! How a finished run went, epoch by epoch, as short as a prediction needs it.
//!
//! The first 64 epochs are kept one by one, since warm-up and the change from one phase of a training to the next mostly
//! lie there; from then on a stretch is a sixteenth of what lies before it. A run of 10,000 epochs takes 150 stretches.

use serde::{Deserialize, Serialize};

use crate::quantity::{Joules, Seconds};

/// So many epochs are kept one by one.
const SINGLE: u32 = 64;
/// Later stretches are this part of what lies before them.
const PART: u32 = 16;
/// Significant digits kept of each number; measurements of epochs are not better.
const DIGITS: i32 = 5;

/// Time and energy of one epoch, a mean over each stretch of the run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Course {
    /// How many epochs it was going to run; more than it ran where it stopped early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned: Option<u32>,
    /// Time of one epoch, stretch by stretch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub time: Vec<Seconds>,
    /// Energy of one epoch before PUE, likewise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub energy: Vec<Joules>,
}

impl Course {
    /// The course of a run whose epochs took this time and energy, from its first epoch on and none left out.
    #[must_use]
    pub fn of(planned: Option<u32>, epochs: &[(Seconds, Joules)]) -> Self {
        let mut course = Self { planned, ..Self::default() };
        for (start, end) in stretches(u32::try_from(epochs.len()).unwrap_or(u32::MAX)) {
            let part = &epochs[start as usize..end as usize];
            let count = part.len() as f64;
            let mean = |values: f64| rounded(values / count);
            course.time.push(Seconds::saturating(mean(part.iter().map(|(time, _)| time.get()).sum())));
            course.energy.push(Joules::saturating(mean(part.iter().map(|(_, energy)| energy.get()).sum())));
        }
        course
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.planned.is_none() && self.time.is_empty() && self.energy.is_empty()
    }
}

/// The stretches of a run of so many epochs, as the number of epochs before each and up to its end. They begin at the
/// same epochs in every run; only the last one may be shorter.
pub fn stretches(epochs: u32) -> impl Iterator<Item = (u32, u32)> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let length = if start < SINGLE { 1 } else { start / PART };
        let end = epochs.min(start.saturating_add(length));
        let stretch = (start < end).then_some((start, end));
        start = end;
        stretch
    })
}

fn rounded(value: f64) -> f64 {
    if !value.is_finite() || value <= 0.0 {
        return 0.0;
    }
    let scale = 10_f64.powi(DIGITS - 1) / 10_f64.powf(value.log10().floor());
    if scale.is_normal() { (value * scale).round() / scale } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(epochs: u32) -> Vec<(Seconds, Joules)> {
        (1..=epochs).map(|epoch| (Seconds::saturating(f64::from(epoch)), Joules::saturating(1e9 / 3.0))).collect()
    }

    #[test]
    fn early_epochs_are_kept_one_by_one_and_late_ones_together() {
        let course = Course::of(Some(200), &run(70));
        assert_eq!(course.time.len(), 66);
        assert!((course.time[63].get() - 64.0).abs() < 1e-9 && (course.time[64].get() - 66.5).abs() < 1e-9);
        assert!((course.time[65].get() - 69.5).abs() < 1e-9, "the last stretch is short");
        assert!((course.energy[0].get() - 333_330_000.0).abs() < 1e-6, "five digits");
    }

    #[test]
    fn stretches_cover_every_epoch_once_and_stay_few() {
        for epochs in [0, 1, 64, 65, 114, 10_000, u32::MAX] {
            let all: Vec<(u32, u32)> = stretches(epochs).collect();
            assert!(all.len() < 400, "{}", all.len());
            assert_eq!(all.first().map_or(0, |first| first.0), 0);
            assert!(all.windows(2).all(|pair| pair[0].1 == pair[1].0));
            assert_eq!(all.last().map_or(0, |last| last.1), epochs);
        }
        assert_eq!(stretches(10_000).count(), 150);
    }

    #[test]
    fn a_course_is_short_in_the_journal_and_an_old_record_has_none() {
        let text = serde_json::to_string(&Course::of(None, &run(2))).expect("json");
        assert_eq!(text, r#"{"time":[1.0,2.0],"energy":[333330000.0,333330000.0]}"#);
        assert!(serde_json::from_str::<Course>("{}").expect("json").is_empty());
    }
}
