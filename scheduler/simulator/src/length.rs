//! What is thought of a job's length while it runs: a prediction that errs, and sharpens with the work done.
//!
//! The total is lognormal around a median that is off by `exp(s z)`, with the same `s` as the spread that is believed: it is `spread`
//! at the arrival and falls to 0 in proportion to the work done; `z` is drawn once for each job, as one of twenty equally likely
//! quantiles of the standard normal distribution, -1.96 to 1.96. Of the total only what has not been outlived is believed. This is
//! the setting that policies for jobs of unknown length are compared in (docs/receding-horizon.md).

use lowtide_model::estimate::Interval;
use lowtide_planner::horizon::normal_quantile;

use crate::chance::Chance;

/// Errors that are drawn from.
const ERRORS: u32 = 20;
/// Quantiles that a belief is made of.
const QUANTILES: u32 = 200;
/// Of a job that has outlived all that was believed, hours: it may end at any moment.
const ANY_MOMENT_H: f64 = 1.0 / 60.0;

/// How far predicted lengths are off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LengthError {
    /// Standard deviation of the logarithm of what is predicted over what comes, at a job's arrival; above 0.
    pub spread: f64,
    /// Which errors are drawn; twenty seeds that follow one another give every job each of the errors once.
    pub seed: u64,
}

/// What is thought of one job's length.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Belief {
    spread: f64,
    z: f64,
}

impl LengthError {
    /// What is thought of the job of this number.
    pub(crate) fn of_job(self, number: u64) -> Belief {
        // One after the other of the seeds gives each job one after the other of the errors.
        let first = Chance::of(number).even() * f64::from(ERRORS);
        let drawn = (first.floor() + (self.seed % u64::from(ERRORS)) as f64) % f64::from(ERRORS);
        Belief { spread: self.spread, z: normal_quantile((drawn + 0.5) / f64::from(ERRORS)) }
    }
}

impl Belief {
    /// Hours that are left of so long a job after so many: 5, 50 and 95 % quantiles.
    pub(crate) fn left(self, length: f64, done: f64) -> Interval<f64> {
        let spread = self.spread * (1.0 - done / length).clamp(0.0, 1.0);
        let median = length * (spread * self.z).exp();
        let quantile = |part: u32| {
            let share = (f64::from(part) + 0.5) / f64::from(QUANTILES);
            median * (spread * normal_quantile(share)).exp() - done
        };
        let left: Vec<f64> = (0..QUANTILES).map(quantile).filter(|left| ANY_MOMENT_H < *left).collect();
        let Some(last) = left.len().checked_sub(1) else { return Interval::exactly(ANY_MOMENT_H) };
        let at = |percent: usize| left[last * percent / 100];
        Interval { low: at(5), median: at(50), high: at(95) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_in_ten_lengths_lie_in_the_interval_and_half_are_longer_than_the_median() {
        let error = LengthError { spread: 0.4, seed: 7 };
        let (mut inside, mut longer) = (0, 0);
        for number in 0..2000 {
            let left = error.of_job(number * 3).left(12.0, 0.0);
            inside += usize::from((left.low..=left.high).contains(&12.0));
            longer += usize::from(left.median < 12.0);
        }
        assert!((1740..1860).contains(&inside), "{inside} of 2000");
        assert!((930..1070).contains(&longer), "{longer} of 2000");
    }

    #[test]
    fn a_prediction_sharpens_with_the_work_done_and_forgets_what_was_outlived() {
        let belief = Belief { spread: 0.4, z: -1.0 };
        let [begun, half, near] = [0.0, 6.0, 11.9].map(|done| belief.left(12.0, done));
        assert!((begun.median - 12.0 * (-0.4_f64).exp()).abs() < 0.1, "{begun:?}");
        let width = |left: &Interval<f64>| left.high - left.low;
        assert!(width(&half) < width(&begun) && width(&near) < 0.2, "{half:?} {near:?}");
        assert!(0.0 < half.low && 0.0 < near.low);
        let outlived = Belief { spread: 0.4, z: -3.0 }.left(12.0, 8.0);
        assert!(0.0 < outlived.low && outlived.high < 4.0, "{outlived:?}");
    }
}
