//! Remaining and total time and energy of a job, with 90 % intervals.
//!
//! Before the first epoch a prediction rests on what the user declared, else on finished jobs of the same family, else on
//! a stated guess. From the first epoch on it rests on the job's own epochs: a robust mean of those after warm-up, pooled
//! with the family's pace by inverse variance, times the epochs still to run. Times and energies are those of the
//! reference site (speed 1, power 1); a caller whose job ran elsewhere scales its epochs first ([`at_reference`]).
//!
//! Intervals are symmetric in the logarithm, as durations are: the bounds are `median / f` and `median * f`. This module
//! knows no carbon: intensity is integrated over the planned hours by the plan.

use jiff::Timestamp;
use lowtide_model::estimate::{EstimateSource, Interval};
pub use lowtide_model::history::PastRun;
use lowtide_model::job::{Epoch, JobSpec};
use lowtide_model::quantity::{Joules, Seconds, Watts};
use lowtide_model::site::Resources;
use lowtide_model::window::Window;

/// Running time of a job of which nothing is known, in hours; with [`DEFAULT_FACTOR`] anything from 7 minutes to 8 hours.
const DEFAULT_HOURS: f64 = 1.0;
const DEFAULT_FACTOR: f64 = 8.0;

/// Power of one busy processor (thread), in watts: a server of 24 threads under load draws some 250 W. A guess, used
/// only where neither the user nor the family's history says anything.
const DEFAULT_WATTS_PER_CPU: f64 = 10.0;
/// Power of one busy GPU, in watts: between a workstation card and a data-centre card.
const DEFAULT_WATTS_PER_GPU: f64 = 250.0;
/// Factor around the default power.
const DEFAULT_POWER_FACTOR: f64 = 2.5;

/// Factor around a declared duration. People mostly declare too much, so the median stays what they said.
const DECLARED_FACTOR: f64 = 1.6;
/// Factor around a declared power.
const DECLARED_POWER_FACTOR: f64 = 1.3;

/// Spread of runs of one family, as a standard deviation of the logarithm, before there are enough runs to tell; it
/// counts as [`PRIOR_WEIGHT`] observations.
const FAMILY_SPREAD: f64 = 0.25;
/// Spread of epochs of one run, likewise: after warm-up epochs of one run are much alike.
const EPOCH_SPREAD: f64 = 0.10;
const PRIOR_WEIGHT: f64 = 2.0;

/// Relative error of the first epoch as a measure of all others: it may hold compilation, cold caches and downloads.
const FIRST_EPOCH_ERROR: f64 = 0.25;
/// Relative error that more epochs do not remove: other load on the machine, validation, a changing learning schedule.
const DRIFT: f64 = 0.02;

/// An epoch after a start is warm-up if it takes this many times the median of the others.
const WARM_UP_RATIO: f64 = 1.3;
/// A gap between two epochs longer than this share of the median epoch is a pause and not part of the pace.
const PAUSE_SHARE: f64 = 0.5;

/// What of a job's running time is thought to be still to come, at least, when it has outrun its prediction and no epoch
/// tells: the longer it has run, the longer it may.
const OVERRUN_SHARE: f64 = 0.1;

/// What is known of a job.
#[derive(Debug, Clone, Copy)]
pub struct Observed<'a> {
    /// What the user asked.
    pub spec: &'a JobSpec,
    /// All epochs measured so far, in the order they ran; an epoch run again after a resume is there twice.
    pub epochs: &'a [Epoch],
    /// How many epochs it will run in all, where that is known.
    pub epochs_total: Option<u32>,
    /// How many it has behind it.
    pub epochs_done: u32,
    /// Time of running so far.
    pub ran: Seconds,
    /// Energy so far, before PUE.
    pub energy_so_far: Joules,
    /// Finished jobs of the same family.
    pub history: &'a [PastRun],
}

/// What is thought of a job. All intervals are 90 %.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// What it rests on.
    pub source: EstimateSource,
    /// How many epochs had been measured.
    pub after_epoch: u32,
    /// Time of running in total.
    pub duration: Interval<Seconds>,
    /// Time of running still to come, as of the end of the latest epoch.
    pub remaining: Interval<Seconds>,
    /// Energy in total, before PUE.
    pub energy: Interval<Joules>,
    /// Energy still to come, before PUE.
    pub remaining_energy: Interval<Joules>,
}

/// An epoch as it would have been at the reference site: `speed` and `power` are those of the site it ran at. Its window
/// lies on a time axis stretched by the speed, so that epochs of one site keep the proportion of their gaps; where it
/// lies on that axis has no meaning.
#[must_use]
pub fn at_reference(epoch: &Epoch, speed: f64, power: f64) -> Epoch {
    let stretched =
        |at: Timestamp| Seconds::between(Timestamp::UNIX_EPOCH, at).times(speed).after(Timestamp::UNIX_EPOCH);
    let mut epoch = epoch.clone();
    if (speed - 1.0).abs() > f64::EPSILON {
        let window = Window::new(stretched(epoch.window.start()), stretched(epoch.window.end()));
        epoch.window = window.unwrap_or(epoch.window);
    }
    epoch.energy = epoch.energy.times(speed / power);
    epoch
}

/// Predicts time and energy. Before the first epoch: declared, else history, else a guess. From the first epoch on, if
/// the number of epochs is known (from the job, the user or the family): measured. A job that reports epochs without
/// telling how many keeps its time from before and takes its power from the measurement.
#[must_use]
pub fn predict(observed: &Observed) -> Prediction {
    let after_epoch = u32::try_from(observed.epochs.len()).unwrap_or(u32::MAX).min(observed.epochs_done);
    let family = Family::of(observed.history);
    let pace = Pace::of(observed.epochs);
    let total = observed.epochs_total.or(family.as_ref().and_then(|family| family.epochs));
    match (pace, total) {
        (Some(pace), Some(total)) => {
            let epochs_left = f64::from(total.saturating_sub(observed.epochs_done));
            let time = pace.time.pooled(family.as_ref().and_then(|family| family.time_per_epoch));
            let energy = pace.energy.pooled(family.as_ref().and_then(|family| family.energy_per_epoch));
            assemble(
                observed,
                EstimateSource::Measured,
                after_epoch,
                time.sum_of(epochs_left).map(Seconds::saturating),
                energy.sum_of(epochs_left).map(Joules::saturating),
            )
        }
        (pace, _) => without_count(observed, pace.as_ref(), family.as_ref(), after_epoch),
    }
}

/// Time from before the first epoch, power from the epochs if there are any.
fn without_count(observed: &Observed, pace: Option<&Pace>, family: Option<&Family>, after_epoch: u32) -> Prediction {
    let spec = observed.spec;
    let (source, time) = match (spec.declared_duration, family) {
        (Some(declared), _) => (EstimateSource::Declared, around(declared.get(), DECLARED_FACTOR)),
        (None, Some(family)) => (EstimateSource::History, family.duration(observed.epochs_total)),
        (None, None) => (EstimateSource::Default, around(DEFAULT_HOURS * 3600.0, DEFAULT_FACTOR)),
    };
    let ran = observed.ran.get();
    let remaining = time.map(|time| (time - ran).max(OVERRUN_SHARE * ran));
    let power = match (pace, spec.declared_power, family) {
        (Some(pace), _, _) => pace.power(),
        (None, Some(declared), _) => around(declared.get(), DECLARED_POWER_FACTOR),
        (None, None, Some(family)) => family.power,
        (None, None, None) => around(default_power(spec.resources).get(), DEFAULT_POWER_FACTOR),
    };
    let energy = product(remaining, power);
    assemble(observed, source, after_epoch, remaining.map(Seconds::saturating), energy.map(Joules::saturating))
}

/// The power of a job of which nothing is known: 10 W a processor and 250 W a GPU.
#[must_use]
pub fn default_power(resources: Resources) -> Watts {
    let cpus = f64::from(resources.cpus) * DEFAULT_WATTS_PER_CPU;
    Watts::saturating((cpus + f64::from(resources.gpus) * DEFAULT_WATTS_PER_GPU).max(DEFAULT_WATTS_PER_CPU))
}

fn assemble(
    observed: &Observed,
    source: EstimateSource,
    after_epoch: u32,
    remaining: Interval<Seconds>,
    remaining_energy: Interval<Joules>,
) -> Prediction {
    Prediction {
        source,
        after_epoch,
        duration: remaining.map(|remaining| observed.ran + remaining),
        remaining,
        energy: remaining_energy.map(|energy| observed.energy_so_far + energy),
        remaining_energy,
    }
}

/// A positive value known with a relative error: `error` is the standard error of its logarithm, `freedom` the degrees
/// of freedom behind that.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Uncertain {
    value: f64,
    /// Of the mean.
    error: f64,
    /// Of single epochs around the mean.
    spread: f64,
    freedom: f64,
}

impl Uncertain {
    /// Weighted with another estimate of the same value, in the logarithm, by inverse variance.
    fn pooled(self, other: Option<Self>) -> Self {
        let Some(other) = other.filter(|other| 0.0 < other.value && 0.0 < self.value) else { return self };
        let (own, others) = (self.error.powi(-2), other.error.powi(-2));
        let log = (self.value.ln() * own + other.value.ln() * others) / (own + others);
        Self {
            value: log.exp(),
            error: (own + others).powf(-0.5),
            spread: self.spread,
            freedom: self.freedom + other.freedom,
        }
    }

    /// The sum of `count` such values: the error of the mean in full, the spread divided by the root of their number.
    fn sum_of(self, count: f64) -> Interval<f64> {
        if count <= 0.0 {
            return Interval::exactly(0.0);
        }
        let error = (self.error.powi(2) + self.spread.powi(2) / count).sqrt();
        around(self.value * count, (student_t_95(self.freedom) * error).exp())
    }
}

fn around(median: f64, factor: f64) -> Interval<f64> {
    Interval { low: median / factor, median, high: median * factor }
}

/// The product of two independent uncertain values: relative widths add in quadrature, in the logarithm.
fn product(a: Interval<f64>, b: Interval<f64>) -> Interval<f64> {
    let median = a.median * b.median;
    let wide = |ratio: fn(Interval<f64>) -> f64| ratio(a).hypot(ratio(b)).exp();
    let low = wide(|x| if 0.0 < x.low { (x.median / x.low).ln() } else { 0.0 });
    let high = wide(|x| if 0.0 < x.median { (x.high / x.median).ln() } else { 0.0 });
    Interval { low: median / low, median, high: (median * high).max(a.high * b.median) }
}

/// The 95 % quantile of Student's t, by the expansion of Abramowitz and Stegun 26.7.5 in 1 / freedom: within 0.04 from
/// two degrees on.
fn student_t_95(freedom: f64) -> f64 {
    const Z: f64 = 1.644_854;
    let (z3, z5, z7) = (Z.powi(3), Z.powi(5), Z.powi(7));
    Z + (z3 + Z) / (4.0 * freedom)
        + (5.0 * z5 + 16.0 * z3 + 3.0 * Z) / (96.0 * freedom.powi(2))
        + (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * Z) / (384.0 * freedom.powi(3))
}

/// Time and energy of one epoch, as the epochs so far tell.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Pace {
    time: Uncertain,
    energy: Uncertain,
}

impl Pace {
    fn of(epochs: &[Epoch]) -> Option<Self> {
        let periods = periods(epochs);
        let typical = median(periods.iter().filter(|period| !period.after_start).map(|period| period.seconds));
        // Without an epoch that follows another there is nothing to compare with: the first may be warm-up or not.
        let warm = |period: &&Period| {
            typical.is_none_or(|typical| !period.after_start || period.seconds <= WARM_UP_RATIO * typical)
        };
        let kept: Vec<&Period> = periods.iter().filter(warm).collect();
        let only_first = typical.is_none();
        let time: Vec<f64> = kept.iter().map(|period| period.seconds).collect();
        let energy: Vec<f64> = kept.iter().map(|period| period.joules).collect();
        Some(Self { time: robust_mean(&time, only_first)?, energy: robust_mean(&energy, only_first)? })
    }

    fn power(&self) -> Interval<f64> {
        let error = self.energy.error.hypot(DRIFT);
        around(self.energy.value / self.time.value, (student_t_95(self.energy.freedom) * error).exp())
    }
}

/// One epoch as part of the pace.
struct Period {
    seconds: f64,
    joules: f64,
    /// Whether it is the first after a start or a pause.
    after_start: bool,
}

/// What passes between the ends of two epochs belongs to the pace (validation, logging), unless the job was away.
fn periods(epochs: &[Epoch]) -> Vec<Period> {
    let typical = median(epochs.iter().map(|epoch| epoch.window.duration().get())).unwrap_or_default();
    let mut periods = Vec::with_capacity(epochs.len());
    let mut previous: Option<&Epoch> = None;
    for epoch in epochs {
        let length = epoch.window.duration().get();
        // Negative where the epoch before ran at another site, whose time axis is another.
        let gap = previous.map(|previous| epoch.window.start().duration_since(previous.window.end()).as_secs_f64());
        let follows = previous.is_some_and(|previous| previous.index < epoch.index);
        match gap {
            Some(gap) if follows && gap.abs() <= PAUSE_SHARE * typical => {
                let gap = gap.max(0.0);
                // The agent counts no energy between epochs; it goes on at the power of the epoch.
                let joules = epoch.energy.get() * (length + gap) / length;
                periods.push(Period { seconds: length + gap, joules, after_start: false });
            }
            _ => periods.push(Period { seconds: length, joules: epoch.energy.get(), after_start: true }),
        }
        previous = Some(epoch);
    }
    periods
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        count if count % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

/// The mean of values drawn in to three robust standard deviations around their median, and how sure it is. The spread
/// is pooled with a prior that counts as two observations.
fn robust_mean(values: &[f64], only_first: bool) -> Option<Uncertain> {
    /// From the median absolute deviation to the standard deviation of a normal distribution.
    const MAD_TO_SIGMA: f64 = 1.4826;
    let centre = median(values.iter().copied())?;
    let count = values.len() as f64;
    let mad = median(values.iter().map(|value| (value - centre).abs()))?;
    // Where more than half of the values are equal the deviation is nothing; an outlier is then what is 10 % off.
    let reach = 3.0 * (MAD_TO_SIGMA * mad).max(EPOCH_SPREAD / 3.0 * centre);
    let clipped = values.iter().map(|value| value.clamp(centre - reach, centre + reach));
    let value = clipped.clone().sum::<f64>() / count;
    let scale = if 0.0 < value { value } else { 1.0 };
    let squares: f64 = clipped.map(|clipped| ((clipped - value) / scale).powi(2)).sum();
    let freedom = PRIOR_WEIGHT + count - 1.0;
    let spread = ((PRIOR_WEIGHT * EPOCH_SPREAD.powi(2) + squares) / freedom).sqrt();
    let unknown_warm_up = if only_first { FIRST_EPOCH_ERROR } else { 0.0 };
    let error = (spread.powi(2) / count + DRIFT.powi(2) + unknown_warm_up.powi(2)).sqrt();
    Some(Uncertain { value, error, spread, freedom })
}

/// Finished jobs of one family, taken together.
#[derive(Debug, Clone, PartialEq)]
struct Family {
    runs: Vec<PastRun>,
    /// The number of epochs most of them ran, where they tell.
    epochs: Option<u32>,
    time_per_epoch: Option<Uncertain>,
    energy_per_epoch: Option<Uncertain>,
    power: Interval<f64>,
}

impl Family {
    fn of(history: &[PastRun]) -> Option<Self> {
        let runs: Vec<PastRun> = history.iter().copied().filter(|run| Seconds::ZERO < run.duration).collect();
        if runs.is_empty() {
            return None;
        }
        let counts: Vec<u32> = runs.iter().filter_map(|run| run.epochs.filter(|epochs| 0 < *epochs)).collect();
        let per_epoch = |of: fn(&PastRun) -> f64| {
            let rates = runs
                .iter()
                .filter_map(|run| run.epochs.filter(|epochs| 0 < *epochs).map(|epochs| of(run) / f64::from(epochs)));
            Self::between_runs(&rates.collect::<Vec<_>>())
        };
        let powers: Vec<f64> = runs.iter().map(|run| run.energy.get() / run.duration.get()).collect();
        let power = Self::between_runs(&powers).map_or(Interval::exactly(0.0), |power| power.sum_of(1.0));
        let (time_per_epoch, energy_per_epoch) =
            (per_epoch(|run| run.duration.get()), per_epoch(|run| run.energy.get()));
        Some(Self { epochs: middle(counts), time_per_epoch, energy_per_epoch, power, runs })
    }

    /// Time in total; scaled by epochs where both this job and the family tell how many.
    fn duration(&self, epochs_total: Option<u32>) -> Interval<f64> {
        if let (Some(total), Some(per_epoch)) = (epochs_total, self.time_per_epoch) {
            // Runs of one family differ as a whole: their spread does not average out over the epochs.
            let whole = Uncertain { value: per_epoch.value * f64::from(total), ..per_epoch };
            return whole.sum_of(1.0);
        }
        let durations: Vec<f64> = self.runs.iter().map(|run| run.duration.get()).collect();
        Self::between_runs(&durations).map_or(Interval::exactly(0.0), |duration| duration.sum_of(1.0))
    }

    /// The geometric mean over runs; for another run to come, both its error and its spread count.
    fn between_runs(values: &[f64]) -> Option<Uncertain> {
        let logs: Vec<f64> = values.iter().filter(|value| 0.0 < **value).map(|value| value.ln()).collect();
        if logs.is_empty() {
            return None;
        }
        let count = logs.len() as f64;
        let mean = logs.iter().sum::<f64>() / count;
        let squares: f64 = logs.iter().map(|log| (log - mean).powi(2)).sum();
        let freedom = PRIOR_WEIGHT + count - 1.0;
        let spread = ((PRIOR_WEIGHT * FAMILY_SPREAD.powi(2) + squares) / freedom).sqrt();
        Some(Uncertain { value: mean.exp(), error: spread / count.sqrt(), spread, freedom })
    }
}

fn middle(mut counts: Vec<u32>) -> Option<u32> {
    counts.sort_unstable();
    counts.get(counts.len() / 2).copied()
}

#[cfg(test)]
mod tests;
