//! Remaining and total time and energy of a job, with 90 % intervals.
//!
//! Before the first epoch a prediction rests on what the user declared, else on finished jobs of the same family, else on
//! a stated guess. From the first epoch on it rests on the job's own epochs and on those of its family:
//!
//! - how many epochs (`count`): as planned, or as the family's runs stopped, where a job may stop early;
//! - what they take, with a family whose epochs are known (`shape`): the family's shape, warm-up and phases included,
//!   at the level the job has shown, as a regression over the finished runs foretells it (`regression`), or over
//!   those that began alike (`alike`) where a family is of many kinds;
//! - and without (`pace`): the latest level of the job's own epochs (`regime`), pooled with the family's mean pace by
//!   inverse variance, and widened by what may still change (`shift`).
//!
//! Times and energies are those of the reference site (speed 1, power 1); a caller whose job ran elsewhere scales its
//! epochs first ([`at_reference`]). Intervals are those of the logarithm, as durations are. This module knows no carbon:
//! intensity is integrated over the planned hours by the plan. How good it is: `docs/prediction.md`.

mod alike;
mod count;
mod family;
mod interval;
mod pace;
mod periods;
mod regime;
mod regression;
mod shape;
mod shift;
mod table;

use jiff::Timestamp;
use lowtide_model::course::Course;
use lowtide_model::estimate::{EstimateSource, Interval};
pub use lowtide_model::history::PastRun;
use lowtide_model::job::{Epoch, JobSpec};
use lowtide_model::quantity::{Joules, Seconds, Watts};
use lowtide_model::site::Resources;
use lowtide_model::window::Window;

use family::Family;
use interval::{Uncertain, Widths, around, product};
use pace::{Known, Pace};
use periods::{Period, Series};
use shape::Shape;

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

/// What of a job's running time is thought to be still to come, at least, when it has outrun its prediction and no epoch
/// tells: the longer it has run, the longer it may.
const OVERRUN_SHARE: f64 = 0.1;

/// The others of a family are left if those that began alike foretell one another with so much less squared error.
const LEAVING_OTHERS: f64 = 0.5;

/// How far the epoch under way is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// The part of it that is done, from 0 to 1.
    pub share: f64,
    /// Time of running since it began.
    pub ran: Seconds,
    /// Energy since it began, before PUE.
    pub energy: Joules,
}

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
    /// Finished jobs of the same family, the latest last.
    pub history: &'a [PastRun],
    /// Whether it may end before its planned number of epochs, as its user says. That of a family whose runs did is
    /// known to do so without being told.
    pub may_stop_early: bool,
    /// How far the epoch under way is, where the job tells. It is part of the time and energy so far.
    pub progress: Option<Progress>,
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

impl Prediction {
    /// That of a job not yet begun whose time and power are known.
    #[must_use]
    pub fn certain(time: Seconds, power: Watts) -> Self {
        let (time, energy) = (Interval::exactly(time), Interval::exactly(power * time));
        Self {
            source: EstimateSource::Declared,
            after_epoch: 0,
            duration: time,
            remaining: time,
            energy,
            remaining_energy: energy,
        }
    }
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
    let series = Series::of(observed.epochs, observed.progress);
    let family = Family::of(observed.history);
    let share = observed.progress.map_or(0.0, |progress| progress.share.clamp(0.0, 1.0));
    let done = f64::from(observed.epochs_done) + share;
    let total = count::epochs(done, observed.epochs_total, observed.may_stop_early, observed.history);
    let measured = !series.periods.is_empty();
    let told = measured || observed.spec.declared_duration.is_none();
    if let Some(total) = total.filter(|_| told) {
        let per_epoch = |of: fn(&Family<'_>) -> Option<Uncertain>| family.as_ref().and_then(of);
        let alike = alike::runs(observed.history, &series);
        let rest = Rest { series: &series, history: observed.history, alike: alike.as_deref(), done, total };
        let time = rest.of(|period| period.seconds, time_of, per_epoch(|family| family.time_per_epoch));
        let energy = rest.of(|period| period.joules, energy_of, per_epoch(|family| family.energy_per_epoch));
        if let (Some(time), Some(energy)) = (time, energy) {
            let source = if measured { EstimateSource::Measured } else { EstimateSource::History };
            let (time, energy) = (time.map(Seconds::saturating), energy.map(Joules::saturating));
            return assemble(observed, source, after_epoch, time, energy);
        }
    }
    without_count(observed, &series, family.as_ref(), after_epoch)
}

fn time_of(course: &Course) -> Vec<f64> {
    course.time.iter().map(|time| time.get()).collect()
}

fn energy_of(course: &Course) -> Vec<f64> {
    course.energy.iter().map(|energy| energy.get()).collect()
}

/// The epochs still to come.
struct Rest<'a> {
    series: &'a Series,
    history: &'a [PastRun],
    /// Those of them that began alike, where they are not all.
    alike: Option<&'a [PastRun]>,
    /// Epochs behind the job.
    done: f64,
    /// Epochs in all.
    total: Interval<f64>,
}

impl Rest<'_> {
    /// What they take of one quantity.
    fn of(
        &self,
        of_period: fn(&Period) -> f64,
        of_course: fn(&Course) -> Vec<f64>,
        of_family: Option<Uncertain>,
    ) -> Option<Interval<f64>> {
        let values: Vec<f64> = self.series.periods.iter().map(of_period).collect();
        let share = self.series.periods.last().map_or(1.0, |last| last.share);
        let Some(shape) = shape_of(self.history, of_course) else {
            let pace = Pace::of(&values, self.series.only_first, share, Known::Alone)?;
            return Some(self.at_pace(pace, of_family));
        };
        let positions: Vec<u32> = self.series.periods.iter().map(|period| period.position).collect();
        let foretold = |shape: Shape| {
            let seen = shape.deviations(&values, &positions, share);
            let ahead = shape.ahead(&seen, self.done, self.total.median);
            (!seen.is_empty() || values.is_empty()).then_some((shape, ahead))
        };
        let Some((mut shape, mut ahead)) = foretold(shape) else { return Some(Interval::exactly(0.0)) };
        let of_alike = self.alike.and_then(|alike| foretold(shape_of(alike, of_course)?));
        if let Some(better) = of_alike.filter(|(_, alike)| alike.error < LEAVING_OTHERS * ahead.error) {
            (shape, ahead) = better;
        }
        let sum = |epochs: f64| ahead.factor * shape.sum(self.done, self.done + epochs);
        Some(self.over_counts(ahead.widths, sum))
    }

    fn at_pace(&self, mut pace: Pace, of_family: Option<Uncertain>) -> Interval<f64> {
        let left = self.total.median - self.done;
        if left <= 0.0 {
            return Interval::exactly(0.0);
        }
        // The family's mean has all phases in it; without one any may come.
        let unseen = of_family.map_or_else(|| shift::unseen(pace.epochs as f64, left), |_| Widths::NONE);
        pace.level = pace.level.pooled(of_family);
        self.over_counts(pace.widths(left).and(unseen), |epochs| pace.ahead(epochs) * epochs)
    }

    /// The interval of a sum that grows with an uncertain number of epochs.
    fn over_counts(&self, widths: Widths, sum: impl Fn(f64) -> f64) -> Interval<f64> {
        let sums = self.total.map(|total| sum((total - self.done).max(0.0)));
        widths.and(Widths::of(sums)).around(sums.median)
    }
}

fn shape_of(runs: &[PastRun], of_course: fn(&Course) -> Vec<f64>) -> Option<Shape> {
    let runs = runs.iter().filter_map(|run| Some((run.epochs?, of_course(&run.course))));
    Shape::of(&runs.collect::<Vec<(u32, Vec<f64>)>>())
}

/// Time from before the first epoch, power from the epochs if there are any.
fn without_count(observed: &Observed, series: &Series, family: Option<&Family>, after_epoch: u32) -> Prediction {
    let spec = observed.spec;
    let (source, time) = match (spec.declared_duration, family) {
        (Some(declared), _) => (EstimateSource::Declared, around(declared.get(), DECLARED_FACTOR)),
        (None, Some(family)) => (EstimateSource::History, family.duration(observed.epochs_total)),
        (None, None) => (EstimateSource::Default, around(DEFAULT_HOURS * 3600.0, DEFAULT_FACTOR)),
    };
    let ran = observed.ran.get();
    let remaining = time.map(|time| (time - ran).max(OVERRUN_SHARE * ran));
    let power = match (power_of(series), spec.declared_power, family) {
        (Some(power), _, _) => power,
        (None, Some(declared), _) => around(declared.get(), DECLARED_POWER_FACTOR),
        (None, None, Some(family)) => family.power,
        (None, None, None) => around(default_power(spec.least_resources()).get(), DEFAULT_POWER_FACTOR),
    };
    let energy = product(remaining, power);
    assemble(observed, source, after_epoch, remaining.map(Seconds::saturating), energy.map(Joules::saturating))
}

/// The power of the epochs so far.
fn power_of(series: &Series) -> Option<Interval<f64>> {
    let pace = |of: fn(&Period) -> f64| {
        Pace::of(&series.periods.iter().map(of).collect::<Vec<f64>>(), series.only_first, 1.0, Known::Alone)
    };
    let (time, energy) = (pace(|period| period.seconds)?, pace(|period| period.joules)?);
    (0.0 < time.level.value).then(|| around(energy.level.value / time.level.value, energy.factor()))
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

#[cfg(test)]
mod tests;
