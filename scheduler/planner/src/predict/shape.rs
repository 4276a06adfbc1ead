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

/// So many of the latest runs are looked at.
const RUNS: usize = 40;
/// Rounds of fitting levels and shape in turn; runs of equal length need one.
const ROUNDS: usize = 4;
/// Beyond the longest run its last epochs go on: this part of them.
const TAIL: f64 = 0.1;

/// Spread of the levels of runs of one family, and of what a regression leaves over, before there are runs to tell; they
/// count as [`LEVEL_WEIGHT`] and [`REST_WEIGHT`] runs.
const LEVEL_SPREAD: f64 = 0.05;
const LEVEL_WEIGHT: f64 = 1.0;
const REST_SPREAD: f64 = 0.03;
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

/// A value of every epoch of a run, summed up from the first on.
#[derive(Debug, Clone, PartialEq)]
struct Sums {
    /// How many epochs the run had; its last stretch ends there.
    epochs: f64,
    /// At the end of each stretch.
    up_to: Vec<f64>,
    /// Of one epoch beyond the last stretch.
    beyond: f64,
}

impl Sums {
    fn of(values: impl Iterator<Item = f64>, ends: &[f64], epochs: f64) -> Self {
        let (mut sum, mut start) = (0.0, 0.0);
        let mut add = |(value, end): (f64, &f64)| {
            let end = end.min(epochs);
            sum += value * (end - start);
            start = end;
            sum
        };
        let up_to: Vec<f64> = values.zip(ends).map(&mut add).collect();
        let mut sums = Self { epochs, up_to, beyond: 0.0 };
        let tail = (TAIL * epochs).max(1.0).min(epochs);
        sums.beyond = (sums.at(epochs, ends) - sums.at(epochs - tail, ends)) / tail;
        sums
    }

    /// The sum over so many first epochs.
    fn at(&self, epochs: f64, ends: &[f64]) -> f64 {
        let Some(last) = self.up_to.last() else { return 0.0 };
        if self.epochs <= epochs {
            return last + self.beyond * (epochs - self.epochs);
        }
        let stretch = ends.partition_point(|end| *end <= epochs);
        let (start, sum) = stretch.checked_sub(1).map_or((0.0, 0.0), |before| (ends[before], self.up_to[before]));
        sum + (self.up_to[stretch] - sum) * (epochs - start) / (ends[stretch].min(self.epochs) - start)
    }

    fn between(&self, from: f64, to: f64, ends: &[f64]) -> f64 {
        self.at(to, ends) - self.at(from, ends)
    }
}

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
    /// interval.
    pub(super) fn ahead(&self, seen: &[Seen], done: f64, total: f64) -> (f64, Widths) {
        let nothing = self.regression(None, done, total);
        let regressions = seen.iter().map(|seen| self.regression(Some(seen), done, total));
        let best = regressions.min_by(|a, b| a.error.total_cmp(&b.error)).unwrap_or(nothing);
        (best.log.exp(), best.widths)
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
            return Regression { log: own, widths, error: 0.0 };
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
        // A regression is judged by the longer rests, whatever it thinks of the spread between runs itself.
        let judged =
            left_out.iter().zip(&points).map(|(rest, point)| rest.powi(2) / variance(point.ahead, 2.0 * LEAST_SPREAD));
        let error = if number < ENOUGH_TO_JUDGE { 0.0 } else { judged.sum() };
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
    /// The sum of the squares of what it leaves over of each finished run when that is left out.
    error: f64,
}

/// What a run under way shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    from: f64,
    to: f64,
    deviation: f64,
    doubt: Widths,
}

/// A finished run: the deviation of the epochs that correspond to those seen, that of the rest, and how many these are.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    seen: f64,
    rest: f64,
    ahead: f64,
}

/// A weighted regression of the rest on what was seen.
#[derive(Debug, Clone, PartialEq)]
struct Fit {
    mean: (f64, f64),
    slope: f64,
    /// Of what was seen.
    spread: f64,
    weights: Vec<f64>,
    squares: f64,
}

impl Fit {
    /// `prior` are the variance of the level and that of what is seen of it; they count as one run.
    fn of(points: &[Point], weights: &[f64], prior: (f64, f64)) -> Self {
        let number = points.len() as f64;
        let total: f64 = weights.iter().sum();
        let weights: Vec<f64> = weights.iter().map(|weight| weight * number / total).collect();
        let mean = |of: fn(&Point) -> f64| {
            points.iter().zip(&weights).map(|(point, weight)| weight * of(point)).sum::<f64>() / number
        };
        let mean = (mean(|point| point.seen), mean(|point| point.rest));
        let product = |of: fn((f64, f64)) -> f64| {
            let off = |point: &Point| of((point.seen - mean.0, point.rest - mean.1));
            points.iter().zip(&weights).map(|(point, weight)| weight * off(point)).sum::<f64>()
        };
        let squares = product(|(seen, _)| seen * seen) + LEVEL_WEIGHT * prior.1;
        let slope = (product(|(seen, rest)| seen * rest) + LEVEL_WEIGHT * prior.0) / squares;
        let spread = (squares / (number - 1.0 + LEVEL_WEIGHT)).sqrt();
        Self { mean, slope: slope.clamp(0.0, 1.2), spread, weights, squares }
    }

    fn rest(&self, point: &Point) -> f64 {
        point.rest - self.mean.1 - self.slope * (point.seen - self.mean.0)
    }

    /// How much each run draws the regression to itself.
    fn leverage(&self, points: &[Point]) -> Vec<f64> {
        /// A run alone would draw it all.
        const MOST: f64 = 0.5;
        let number = points.len() as f64;
        let of = |(point, weight): (&Point, &f64)| {
            weight * (1.0 / number + (point.seen - self.mean.0).powi(2) / self.squares)
        };
        points.iter().zip(&self.weights).map(of).map(|leverage| leverage.min(MOST)).collect()
    }
}

/// Splits logarithms into a shape and a level for each run, in turn; and the spread that is left.
fn two_factors(runs: &[Vec<f64>]) -> (Vec<f64>, Vec<f64>, f64) {
    let longest = runs.iter().map(Vec::len).max().unwrap_or_default();
    // All runs have these, so that levels begin comparable.
    let common = runs.iter().map(Vec::len).min().unwrap_or_default().max(1);
    let first = |run: &Vec<f64>| run.iter().take(common).sum::<f64>() / common as f64;
    let mut levels: Vec<f64> = runs.iter().map(first).collect();
    let mut shape = vec![0.0; longest];
    for _ in 0..ROUNDS {
        let mut counts = vec![0.0; longest];
        shape.fill(0.0);
        for (run, level) in runs.iter().zip(&levels) {
            for ((sum, count), log) in shape.iter_mut().zip(&mut counts).zip(run) {
                *sum += log - level;
                *count += 1.0;
            }
        }
        for (sum, count) in shape.iter_mut().zip(&counts) {
            *sum /= count;
        }
        for (run, level) in runs.iter().zip(&mut levels) {
            *level = run.iter().zip(&shape).map(|(log, shape)| log - shape).sum::<f64>() / run.len() as f64;
        }
    }
    let (mut squares, mut free) = (0.0, 0.0);
    for (run, level) in runs.iter().zip(&levels) {
        squares += run.iter().zip(&shape).map(|(log, shape)| (log - shape - level).powi(2)).sum::<f64>();
        free += run.len() as f64 - 1.0;
    }
    let free = free - longest as f64;
    let noise = if 0.0 < free { (squares / free).sqrt() } else { REST_SPREAD };
    (shape, levels, noise)
}
