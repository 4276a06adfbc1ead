//! The level of a job's own epochs: the latest regime, spikes drawn in, habits kept, a trend where there is one.

use super::interval::{Uncertain, Widths, median, student_t_95};
use super::regime;

/// Spread of epochs of one run before there are enough to tell, counting as [`PRIOR_WEIGHT`] of them: after warm-up epochs
/// of one run are much alike.
const EPOCH_SPREAD: f64 = 0.10;
const PRIOR_WEIGHT: f64 = 2.0;

/// Relative error of the first epoch as a measure of all others: it may hold compilation, cold caches and downloads.
const FIRST_EPOCH_ERROR: f64 = 0.25;
/// Relative error that more epochs do not remove: other load on the machine, validation, a changing learning schedule.
const DRIFT: f64 = 0.02;

/// What is known of a job besides its own epochs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing.
    Alone,
    /// The shape of its family, which is taken out of the values.
    Shape,
}

impl Known {
    /// How many deviations of a last epoch are thought to stay for each that goes back.
    pub(super) const fn staying(self) -> f64 {
        match self {
            Self::Alone => 3.0,
            Self::Shape => 0.25,
        }
    }
}

/// A trend is looked for in so many epochs at least, believed if its slope is so many standard errors off nothing, and
/// goes on for as long as it has been seen.
const EPOCHS_OF_A_TREND: usize = 8;
const SLOPES_ERRORS: f64 = 4.0;

/// The pace of a job, in one quantity, as its own epochs tell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pace {
    /// One epoch, as of now.
    pub(super) level: Uncertain,
    /// How the level moves with each epoch, in the logarithm.
    slope: f64,
    /// How many epochs it rests on.
    pub(super) epochs: usize,
    /// What the doubt adds whether the last epoch was a spike or the first of a new level.
    doubt: Widths,
}

impl Pace {
    /// Of values of one quantity, epoch by epoch. The last one may be under way, with `share` of it measured.
    pub(super) fn of(values: &[f64], only_first: bool, share: f64, known: Known) -> Option<Self> {
        let typical = median(values.iter().copied())?;
        if typical <= 0.0 {
            let nothing = Uncertain { value: 0.0, error: 0.0, spread: 0.0, freedom: PRIOR_WEIGHT };
            return Some(Self { level: nothing, slope: 0.0, epochs: values.len(), doubt: Widths::NONE });
        }
        let logs: Vec<f64> = values.iter().map(|value| floored(*value, typical).ln()).collect();
        let regime = regime::latest(&logs, known.staying());
        let start = regime.start + usize::from(begins_apart(&values[regime.start..regime.end], regime.start == 0));
        let (own, logs_of) = (&values[start..regime.end], &logs[start..regime.end]);
        let mut level = robust_mean(own)?;
        if known == Known::Alone && regime.start == 0 {
            level.value = first_in_doubt(own).unwrap_or(level.value);
        }
        let mut slope = 0.0;
        if let Some((trend, ahead)) = trend(logs_of) {
            slope = trend;
            level.value *= ahead.exp();
            level.error = level.error.hypot(ahead / 2.0);
        }
        let unmeasured = FIRST_EPOCH_ERROR * (1.0 - share);
        let unknown_warm_up = if only_first { FIRST_EPOCH_ERROR } else { unmeasured / own.len() as f64 };
        level.error = level.error.hypot(unknown_warm_up);
        let mut doubt = Widths::NONE;
        if let (Some(turned), Some(last)) = (regime.turned, logs.last()) {
            let step = last - level.value.ln();
            level.value *= (turned * step).exp();
            let (towards, back) = ((1.0 - turned) * step.abs(), turned * step.abs());
            doubt = if 0.0 < step { Widths { down: back, up: towards } } else { Widths { down: towards, up: back } };
        }
        Some(Self { level, slope, epochs: own.len(), doubt })
    }

    /// The mean of the next `count` epochs.
    pub(super) fn ahead(&self, count: f64) -> f64 {
        if self.slope == 0.0 || count <= 0.0 {
            return self.level.value;
        }
        let moving = count.min(self.epochs as f64);
        let mean_while_moving = (self.slope * (moving + 1.0) / 2.0).exp();
        let after = (self.slope * moving).exp();
        self.level.value * (mean_while_moving * moving + after * (count - moving)) / count
    }

    /// The widths of the sum of `count` epochs, but for changes of which nothing is to be seen yet.
    pub(super) fn widths(&self, count: f64) -> Widths {
        let trend = (self.slope * count.min(self.epochs as f64)).abs() / 2.0;
        Widths::symmetric(self.level.width_of_sum(count).hypot(trend)).and(self.doubt)
    }

    /// The doubt whether the level has just changed.
    pub(super) fn doubt(&self) -> Widths {
        self.doubt
    }

    /// The width of the level itself, as a factor.
    pub(super) fn factor(&self) -> f64 {
        (student_t_95(self.level.freedom) * self.level.error.hypot(DRIFT)).exp()
    }
}

/// Whether the first epoch of a level is none of it: warm-up, or half of the phase before. It is left out where it lies
/// outside of all others, which costs little where that is chance, and moves the mean to neither side.
fn begins_apart(values: &[f64], of_the_run: bool) -> bool {
    /// Others to compare with: more of them at the start of a run, since all of a run may be one level.
    const OTHERS: (usize, usize) = (3, 2);
    let Some((first, others)) = values.split_first() else { return false };
    let needed = if of_the_run { OTHERS.0 } else { OTHERS.1 };
    needed <= others.len() && (others.iter().all(|other| other < first) || others.iter().all(|other| first < other))
}

/// The mean of the first two or three epochs of a run, too few to tell warm-up from the others: weighted by inverse
/// variance, the first as what it is thought worth alone.
fn first_in_doubt(values: &[f64]) -> Option<f64> {
    let (first, others) = values.split_first().filter(|(_, others)| matches!(others.len(), 1 | 2))?;
    let weight = EPOCH_SPREAD.powi(2) / (EPOCH_SPREAD.powi(2) + FIRST_EPOCH_ERROR.powi(2));
    Some((weight * first + others.iter().sum::<f64>()) / (weight + others.len() as f64))
}

/// A series' logarithms must be finite; an epoch of nothing among others is a failure of the meter.
pub(super) fn floored(value: f64, typical: f64) -> f64 {
    /// Of the typical value.
    const LOWEST: f64 = 1e-3;
    value.clamp(LOWEST * typical, typical / LOWEST)
}

/// The slope of a line through the values and how far its end lies above their mean, shrunk by its uncertainty.
fn trend(logs: &[f64]) -> Option<(f64, f64)> {
    /// Least relative deviation around a trend, lest a series without any noise has no error.
    const LEAST: f64 = 1e-4;
    if logs.len() < EPOCHS_OF_A_TREND {
        return None;
    }
    let count = logs.len() as f64;
    let (middle, mean) = ((count - 1.0) / 2.0, logs.iter().sum::<f64>() / count);
    let at = || {
        logs.iter().scan(-middle - 1.0, |at, log| {
            *at += 1.0;
            Some((*at, *log - mean))
        })
    };
    let squares: f64 = at().map(|(at, _)| at * at).sum();
    let slope = at().map(|(at, log)| at * log).sum::<f64>() / squares;
    let rest: f64 = at().map(|(at, log)| (log - slope * at).powi(2)).sum();
    let error = (rest / (count - 2.0) / squares).sqrt() + LEAST / squares.sqrt();
    let certainty = 1.0 - (SLOPES_ERRORS * error / slope).powi(2);
    (0.0 < certainty).then_some((slope * certainty, slope * certainty * middle))
}

/// The mean of values drawn in to three robust standard deviations around their median, and how sure it is. The spread
/// is pooled with a prior that counts as two observations. One value far outside is an accident; of more the rest is a
/// habit (a validation now and then), and their excess counts.
fn robust_mean(values: &[f64]) -> Option<Uncertain> {
    /// From the median absolute deviation to the standard deviation of a normal distribution.
    const MAD_TO_SIGMA: f64 = 1.4826;
    let centre = median(values.iter().copied())?;
    let count = values.len() as f64;
    let mad = median(values.iter().map(|value| (value - centre).abs()))?;
    // Where more than half of the values are equal the deviation is nothing; an outlier is then what is 10 % off.
    let reach = 3.0 * (MAD_TO_SIGMA * mad).max(EPOCH_SPREAD / 3.0 * centre);
    let clipped = values.iter().map(|value| value.clamp(centre - reach, centre + reach));
    let excess: Vec<f64> = values.iter().map(|value| value - centre - reach).filter(|excess| 0.0 < *excess).collect();
    let spikes = excess.len() as f64;
    let habit = if 1.0 < spikes { excess.iter().sum::<f64>() * (1.0 - 1.0 / spikes) / count } else { 0.0 };
    let mean = clipped.clone().sum::<f64>() / count;
    let value = mean + habit;
    let scale = if 0.0 < value { value } else { 1.0 };
    let squares: f64 = clipped.map(|clipped| ((clipped - mean) / scale).powi(2)).sum();
    let freedom = PRIOR_WEIGHT + count - 1.0;
    let spread = ((PRIOR_WEIGHT * EPOCH_SPREAD.powi(2) + squares) / freedom).sqrt();
    let of_habit = if 1.0 < spikes { habit / scale / spikes.sqrt() } else { 0.0 };
    let error = (spread.powi(2) / count + DRIFT.powi(2)).sqrt().hypot(of_habit);
    Some(Uncertain { value, error, spread, freedom })
}
