//! What runs of a family have in common, epoch by epoch, and how far the first epochs of a run foretell the others.
//!
//! The logarithm of an epoch's time or energy is taken for the sum of what the epoch is (the family's shape, with its
//! warm-up and its phases) and what the run is (a level), as in an analysis of variance with two factors. A run under way
//! has shown the deviation `x` of its latest epochs from the shape; the deviation `z` of all its epochs still to come is
//! regressed on it over the finished runs, shrunk towards what noise and levels of the family let expect. The interval
//! are the quantiles of what that regression leaves over for each finished run when it is left out.

use lowtide_model::course::stretches;

use super::interval::{Widths, conformal, median, student_t_95};
use super::pace::{Known, Pace, floored};
use super::regime;
use super::regression::{Fit, Point};
use super::table::{Sums, two_factors};

/// So many of the latest runs are looked at.
const RUNS: usize = 40;

/// Spread of the levels of runs of one family, and of what a regression leaves over, before there are runs to tell; they
/// count as [`LEVEL_WEIGHT`] and [`REST_WEIGHT`] runs.
const LEVEL_SPREAD: f64 = 0.05;
const LEVEL_WEIGHT: f64 = 1.0;
const REST_SPREAD: f64 = 0.02;
const REST_WEIGHT: f64 = 2.0;
/// Least spread between runs: clocks, temperatures, other load.
const LEAST_SPREAD: f64 = 0.005;
/// A deviation beyond so many standard deviations of the family is no noise: the job is another, and it counts in full.
const OF_THE_FAMILY: f64 = 3.0;
/// But so far (in the logarithm) a single epoch may be a spike: as many epochs as this make it half.
const SPIKE: f64 = 0.4;
const SPIKES_EPOCHS: f64 = 2.0;
/// What of a deviation beyond that is thought doubtful.
const DOUBT: f64 = 0.5;

/// So many finished runs can tell which of two regressions is the better one.
const ENOUGH_TO_JUDGE: f64 = 5.0;

/// A rest of so many epochs counts half in judging.
const SHORT_REST: f64 = 5.0;

/// A finished run against the shape of its family.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    epochs: f64,
    level: f64,
    values: Sums,
    deviations: Sums,
}

/// The shape of a family's runs in one quantity.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shape {
    /// The number of epochs up to the end of each stretch.
    ends: Vec<f64>,
    /// The logarithm of one epoch of a run of level 0, stretch by stretch.
    logs: Vec<f64>,
    sums: Sums,
    rows: Vec<Row>,
    /// Spread of single stretches around shape and level.
    noise: f64,
}

impl Shape {
    /// Of finished runs: each with its number of epochs and, stretch by stretch, the value of one epoch.
    pub(super) fn of(runs: &[(u32, Vec<f64>)]) -> Option<Self> {
        let whole = |run: &&(u32, Vec<f64>)| {
            0 < run.0 && run.1.len() == stretches(run.0).count() && run.1.iter().all(|value| value.is_normal())
        };
        let whole: Vec<&(u32, Vec<f64>)> = runs.iter().rev().filter(whole).take(RUNS).collect();
        let longest = whole.iter().map(|run| run.0).max()?;
        let ends: Vec<f64> = stretches(longest).map(|(_, end)| f64::from(end)).collect();
        let own: Vec<Vec<f64>> = whole.iter().map(|run| run.1.iter().map(|value| value.ln()).collect()).collect();
        let (logs, levels, noise) = two_factors(&own);
        let rows = whole
            .iter()
            .zip(&own)
            .zip(&levels)
            .map(|((run, own), level)| {
                let epochs = f64::from(run.0);
                let deviations = own.iter().zip(&logs).map(|(own, log)| own - log);
                Row {
                    epochs,
                    level: *level,
                    values: Sums::of(run.1.iter().copied(), &ends, epochs),
                    deviations: Sums::of(deviations, &ends, epochs),
                }
            })
            .collect();
        let sums = Sums::of(logs.iter().map(|log| log.exp()), &ends, f64::from(longest));
        Some(Self { ends, logs, sums, rows, noise })
    }

    /// What one epoch of a run of level 0 takes.
    fn epoch(&self, position: u32) -> f64 {
        let stretch = self.ends.partition_point(|end| *end <= f64::from(position));
        self.logs.get(stretch).map_or(self.sums.beyond, |log| log.exp())
    }

    /// The deviation of a run under way, from its values and how many epochs lay before each: over all of its epochs,
    /// over those of its latest phase and over the latest quarter of them. Which foretells most is the family's to say.
    pub(super) fn deviations(&self, values: &[f64], positions: &[u32], share: f64) -> Vec<Seen> {
        let Some(typical) = median(values.iter().copied()).filter(|typical| 0.0 < *typical) else { return Vec::new() };
        let values: Vec<f64> = values.iter().map(|value| floored(*value, typical)).collect();
        let relative: Vec<f64> = values.iter().zip(positions).map(|(value, at)| value / self.epoch(*at)).collect();
        let to = positions.last().map_or(0.0, |last| f64::from(*last) + share);
        let logs: Vec<f64> = values.iter().map(|value| value.ln()).collect();
        let mut starts =
            vec![0, regime::latest(&logs, Known::Alone.staying()).start, values.len() - values.len().div_ceil(4)];
        starts.dedup();
        // A spike is known by all the epochs, not by two or three of them.
        let of_all = Pace::of(&relative, false, share, Known::Shape);
        let spike = of_all.map_or(f64::MAX, |pace| (OF_THE_FAMILY * pace.level.spread).exp() * pace.level.value);
        let drawn_in: Vec<f64> = relative.iter().map(|value| value.min(spike)).collect();
        let seen = |start: usize| {
            let pace = if start == 0 { of_all? } else { Pace::of(&drawn_in[start..], false, share, Known::Shape)? };
            let from = f64::from(positions[positions.len().saturating_sub(pace.epochs)]);
            Some(Seen { from, to, deviation: pace.level.value.ln(), doubt: pace.doubt() })
        };
        starts.into_iter().filter_map(seen).collect()
    }

    /// How far the epochs from `done` to `total` will lie above a run of level 0, as a factor, and the widths of their
    /// interval; and how well that foretells the finished runs.
    pub(super) fn ahead(&self, seen: &[Seen], done: f64, total: f64) -> Ahead {
        let nothing = self.regression(None, done, total);
        let regressions = seen.iter().map(|seen| self.regression(Some(seen), done, total));
        let best = regressions.min_by(|a, b| a.error.total_cmp(&b.error)).unwrap_or(nothing);
        Ahead { factor: best.log.exp(), widths: best.widths, error: best.error }
    }

    /// The sum of these epochs of a run of level 0.
    pub(super) fn sum(&self, from: f64, to: f64) -> f64 {
        self.sums.between(from, to, &self.ends)
    }

    /// The expected deviation of the epochs to come and its widths.
    fn regression(&self, seen: Option<&Seen>, done: f64, total: f64) -> Regression {
        let left = (total - done).max(1.0);
        let variance = |epochs: f64, between: f64| between.powi(2) + self.noise.powi(2) / epochs;
        let own = seen.map_or(0.0, |seen| seen.deviation);
        let window = seen.map_or(0.0, |seen| (seen.to - seen.from).max(1.0));
        let points: Vec<Point> = self.rows.iter().filter_map(|row| self.point(row, seen, done, total)).collect();
        let number = points.len() as f64;
        if points.is_empty() {
            let width = student_t_95(REST_WEIGHT) * LEVEL_SPREAD.hypot(variance(window.max(1.0), 0.0).sqrt());
            let widths = Widths::symmetric(width).and(seen.map_or(Widths::NONE, |seen| seen.doubt));
            return Regression { log: own, widths, error: f64::INFINITY };
        }
        let weigh = |between: f64| points.iter().map(|point| 1.0 / variance(point.ahead, between)).collect::<Vec<_>>();
        let fit = Fit::of(&points, &weigh(2.0 * LEAST_SPREAD), self.prior_slope(window));
        let rests = |fit: &Fit| points.iter().map(|point| fit.rest(point)).collect::<Vec<f64>>();
        let between = {
            let squares: f64 = rests(&fit).iter().map(|rest| rest.powi(2)).sum();
            let of_noise = points.iter().map(|point| variance(point.ahead, 0.0)).sum::<f64>() / number;
            (squares / number - of_noise).max(LEAST_SPREAD.powi(2)).sqrt()
        };
        let fit = Fit::of(&points, &weigh(between), self.prior_slope(window));
        let scale = variance(left, between).sqrt();
        let left_out: Vec<f64> = points
            .iter()
            .zip(&fit.leverage(&points))
            .map(|(point, leverage)| fit.rest(point) / (1.0 - leverage))
            .collect();
        // A regression is judged by the longer rests, whatever it thinks of noise and spread itself.
        let weight = |point: &Point| point.ahead / (point.ahead + SHORT_REST);
        let judged = left_out.iter().zip(&points).map(|(rest, point)| weight(point) * rest.powi(2)).sum::<f64>();
        let weights = points.iter().map(weight).sum::<f64>();
        let error = if number < ENOUGH_TO_JUDGE { f64::INFINITY } else { judged / weights };
        // The regression is as uncertain again for a run that had no part in it.
        let of_scale =
            |(rest, point): (&f64, &Point)| (1.0 + 1.0 / number).sqrt() * rest / variance(point.ahead, between).sqrt();
        let mut rests: Vec<f64> = left_out.iter().zip(&points).map(of_scale).collect();
        let squares: f64 = rests.iter().map(|rest| rest.powi(2)).sum();
        let widths = conformal(&mut rests).map_or_else(
            || {
                let freedom = REST_WEIGHT + number - 1.0;
                let spread = ((REST_WEIGHT * (REST_SPREAD / scale).powi(2) + squares) / freedom).sqrt();
                Widths::symmetric(student_t_95(freedom) * spread * scale)
            },
            |rest| Widths { down: (-rest.low).max(0.0) * scale, up: rest.high.max(0.0) * scale },
        );
        let Some(seen) = seen else { return Regression { log: fit.mean.1, widths, error } };
        let off = own - fit.mean.0;
        let reach = OF_THE_FAMILY * fit.spread;
        let beyond = off - off.clamp(-reach, reach);
        // Where the first epochs of runs foretell the others well, the family's runs differ, and so may this one.
        let unlike = (1.0 - fit.slope).max(0.0);
        let spike = beyond.abs().min(SPIKE) * unlike * SPIKES_EPOCHS / (SPIKES_EPOCHS + window);
        let log = fit.mean.1 + fit.slope * (off - beyond) + beyond - spike.copysign(beyond);
        let widths = widths.and(Widths::symmetric(DOUBT * beyond.abs())).and(seen.doubt);
        Regression { log, widths, error }
    }

    /// A finished run as a point of the regression, if it had epochs beyond those done.
    fn point(&self, row: &Row, seen: Option<&Seen>, done: f64, total: f64) -> Option<Point> {
        let end = row.epochs.min(total.max(done + 1.0));
        let ahead = end - done;
        if ahead < 1.0 {
            return None;
        }
        let seen = seen.map_or(0.0, |seen| {
            row.deviations.between(seen.from, seen.to, &self.ends) / (seen.to - seen.from).max(f64::MIN_POSITIVE)
        });
        let ratio = row.values.between(done, end, &self.ends) / self.sum(done, end);
        Some(Point { seen, rest: ratio.ln(), ahead }).filter(|point| point.rest.is_finite() && point.seen.is_finite())
    }

    /// Variances of the level and of what is seen of it, before the regression has its say.
    fn prior_slope(&self, window: f64) -> (f64, f64) {
        let number = self.rows.len() as f64;
        let mean = self.rows.iter().map(|row| row.level).sum::<f64>() / number;
        let squares: f64 = self.rows.iter().map(|row| (row.level - mean).powi(2)).sum();
        let of_levels = (LEVEL_WEIGHT * LEVEL_SPREAD.powi(2) + squares) / (LEVEL_WEIGHT + number - 1.0);
        (of_levels, of_levels + self.noise.max(REST_SPREAD).powi(2) / window.max(1.0))
    }
}

/// What a regression says of the deviation of the epochs to come.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Regression {
    log: f64,
    widths: Widths,
    /// The mean of the squares of what it leaves over of each finished run when that is left out; infinite for a few.
    error: f64,
}

/// What a family foretells of the epochs to come of one quantity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ahead {
    /// How far they will lie above those of a run of level 0.
    pub(super) factor: f64,
    pub(super) widths: Widths,
    /// The mean squared error in finished runs, each when it is left out; infinite where there are too few.
    pub(super) error: f64,
}

/// What a run under way shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    from: f64,
    to: f64,
    deviation: f64,
    doubt: Widths,
}
