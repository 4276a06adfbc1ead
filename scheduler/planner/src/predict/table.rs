//! Runs as rows of a table, their epochs as its columns: sums over any part of a row, and what rows and columns have in
//! common.

/// Rounds of fitting levels and shape in turn; runs of equal length need one.
const ROUNDS: usize = 4;
/// Beyond the longest run its last epochs go on: this part of them.
const TAIL: f64 = 0.1;
/// Spread of single epochs where there are too few runs to tell.
const NOISE: f64 = 0.03;

/// A value of every epoch of a run, summed up from the first on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sums {
    /// How many epochs the run had; its last stretch ends there.
    epochs: f64,
    /// At the end of each stretch.
    up_to: Vec<f64>,
    /// Of one epoch beyond the last stretch.
    pub(super) beyond: f64,
}

impl Sums {
    pub(super) fn of(values: impl Iterator<Item = f64>, ends: &[f64], epochs: f64) -> Self {
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
    pub(super) fn at(&self, epochs: f64, ends: &[f64]) -> f64 {
        let Some(last) = self.up_to.last() else { return 0.0 };
        if self.epochs <= epochs {
            return last + self.beyond * (epochs - self.epochs);
        }
        let stretch = ends.partition_point(|end| *end <= epochs);
        let (start, sum) = stretch.checked_sub(1).map_or((0.0, 0.0), |before| (ends[before], self.up_to[before]));
        sum + (self.up_to[stretch] - sum) * (epochs - start) / (ends[stretch].min(self.epochs) - start)
    }

    pub(super) fn between(&self, from: f64, to: f64, ends: &[f64]) -> f64 {
        self.at(to, ends) - self.at(from, ends)
    }
}

/// Splits logarithms into a shape and a level for each run, in turn; and the spread that is left.
pub(super) fn two_factors(runs: &[Vec<f64>]) -> (Vec<f64>, Vec<f64>, f64) {
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
    let noise = if 0.0 < free { (squares / free).sqrt() } else { NOISE };
    (shape, levels, noise)
}
