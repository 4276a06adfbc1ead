//! A weighted line through the finished runs of a family: what their first epochs told of the others.

/// What levels and noise let expect of the line, before any run, counts as so many of them.
const PRIOR_WEIGHT: f64 = 1.0;

/// A finished run: the deviation of the epochs that correspond to those seen, that of the rest, and how many these are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) seen: f64,
    pub(super) rest: f64,
    pub(super) ahead: f64,
}

/// A weighted regression of the rest on what was seen.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fit {
    pub(super) mean: (f64, f64),
    pub(super) slope: f64,
    /// Of what was seen.
    pub(super) spread: f64,
    weights: Vec<f64>,
    squares: f64,
}

impl Fit {
    /// `prior` are the variance of the level and that of what is seen of it; they count as one run.
    pub(super) fn of(points: &[Point], weights: &[f64], prior: (f64, f64)) -> Self {
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
        let squares = product(|(seen, _)| seen * seen) + PRIOR_WEIGHT * prior.1;
        let slope = (product(|(seen, rest)| seen * rest) + PRIOR_WEIGHT * prior.0) / squares;
        let spread = (squares / (number - 1.0 + PRIOR_WEIGHT)).sqrt();
        Self { mean, slope: slope.clamp(0.0, 1.2), spread, weights, squares }
    }

    pub(super) fn rest(&self, point: &Point) -> f64 {
        point.rest - self.mean.1 - self.slope * (point.seen - self.mean.0)
    }

    /// How much each run draws the regression to itself.
    pub(super) fn leverage(&self, points: &[Point]) -> Vec<f64> {
        /// A run alone would draw it all.
        const MOST: f64 = 0.5;
        let number = points.len() as f64;
        let of = |(point, weight): (&Point, &f64)| {
            weight * (1.0 / number + (point.seen - self.mean.0).powi(2) / self.squares)
        };
        points.iter().zip(&self.weights).map(of).map(|leverage| leverage.min(MOST)).collect()
    }
}
