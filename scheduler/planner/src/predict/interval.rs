//! Uncertain positive values and their 90 % intervals: the logarithm carries the error, as durations and energies ask.

use lowtide_model::estimate::Interval;

/// The 95 % quantile of the normal distribution.
pub(super) const Z_95: f64 = 1.644_854;

/// From so many values on the quantiles of a 90 % interval are read off the values themselves: with fewer the 5 % quantile
/// lies outside of all of them.
const ENOUGH_FOR_QUANTILES: usize = 19;

/// A positive value known with a relative error: `error` is the standard error of its logarithm, `freedom` the degrees
/// of freedom behind that.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Uncertain {
    pub(super) value: f64,
    /// Of the mean.
    pub(super) error: f64,
    /// Of single values around the mean.
    pub(super) spread: f64,
    pub(super) freedom: f64,
}

impl Uncertain {
    /// Weighted with another estimate of the same value, in the logarithm, by inverse variance.
    pub(super) fn pooled(self, other: Option<Self>) -> Self {
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

    /// Half the width, in the logarithm, of the interval of the sum of `count` such values: the error of the mean in
    /// full, the spread divided by the root of their number.
    pub(super) fn width_of_sum(self, count: f64) -> f64 {
        let error = (self.error.powi(2) + self.spread.powi(2) / count).sqrt();
        student_t_95(self.freedom) * error
    }

    /// The sum of `count` such values.
    pub(super) fn sum_of(self, count: f64) -> Interval<f64> {
        if count <= 0.0 {
            return Interval::exactly(0.0);
        }
        around(self.value * count, self.width_of_sum(count).exp())
    }
}

/// How far the bounds of an interval lie from its median, in the logarithm; both are positive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Widths {
    pub(super) down: f64,
    pub(super) up: f64,
}

impl Widths {
    pub(super) const NONE: Self = Self { down: 0.0, up: 0.0 };

    pub(super) fn symmetric(width: f64) -> Self {
        Self { down: width, up: width }
    }

    /// Of an interval that has a positive median.
    pub(super) fn of(interval: Interval<f64>) -> Self {
        /// A bound of zero is taken for a thousandth of the median.
        const LOWEST: f64 = 1e-3;
        if interval.median <= 0.0 {
            return Self::NONE;
        }
        let down = (interval.median / interval.low.max(LOWEST * interval.median)).ln();
        Self { down: down.max(0.0), up: (interval.high / interval.median).ln().max(0.0) }
    }

    /// The widths of a product of independent values: they add in quadrature.
    pub(super) fn and(self, other: Self) -> Self {
        Self { down: self.down.hypot(other.down), up: self.up.hypot(other.up) }
    }

    pub(super) fn around(self, median: f64) -> Interval<f64> {
        Interval { low: median * (-self.down).exp(), median, high: median * self.up.exp() }
    }
}

pub(super) fn around(median: f64, factor: f64) -> Interval<f64> {
    Interval { low: median / factor, median, high: median * factor }
}

/// The product of two independent uncertain values.
pub(super) fn product(a: Interval<f64>, b: Interval<f64>) -> Interval<f64> {
    let median = a.median * b.median;
    let Interval { low, high, .. } = Widths::of(a).and(Widths::of(b)).around(median);
    Interval { low, median, high: high.max(a.high * b.median) }
}

/// The 95 % quantile of Student's t, by the expansion of Abramowitz and Stegun 26.7.5 in 1 / freedom: within 0.04 from
/// two degrees on.
pub(super) fn student_t_95(freedom: f64) -> f64 {
    const Z: f64 = Z_95;
    let (z3, z5, z7) = (Z.powi(3), Z.powi(5), Z.powi(7));
    Z + (z3 + Z) / (4.0 * freedom)
        + (5.0 * z5 + 16.0 * z3 + 3.0 * Z) / (96.0 * freedom.powi(2))
        + (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * Z) / (384.0 * freedom.powi(3))
}

/// Median and 90 % interval of one more value drawn like these, if there are enough of them: the bounds lie at the ranks
/// `p (n + 1)`, between neighbours in proportion, so that a further value falls outside in one case of ten whatever the
/// distribution (Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005; Lei et al., JASA 113, 2018).
pub(super) fn conformal(values: &mut [f64]) -> Option<Interval<f64>> {
    let rank = 0.05 * (values.len() as f64 + 1.0);
    between_ranks(values, rank)
}

/// Likewise with the bounds at one of the values, that of the nearest rank: for counts, of which many are equal and few
/// lie between.
pub(super) fn conformal_count(values: &mut [f64]) -> Option<Interval<f64>> {
    let rank = (0.05 * (values.len() as f64 + 1.0)).round();
    between_ranks(values, rank)
}

fn between_ranks(values: &mut [f64], rank: f64) -> Option<Interval<f64>> {
    if values.len() < ENOUGH_FOR_QUANTILES {
        return None;
    }
    values.sort_unstable_by(f64::total_cmp);
    let whole = (1..values.len()).take_while(|whole| *whole as f64 <= rank).last().unwrap_or(1);
    let part = rank - whole as f64;
    let at = |inner: f64, outer: f64| outer + part * (inner - outer);
    let (last, middle) = (values.len(), median(values.iter().copied())?);
    Some(Interval {
        low: at(values[whole], values[whole - 1]),
        median: middle,
        high: at(values[last - whole - 1], values[last - whole]),
    })
}

pub(super) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    let middle = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let even = values.len().is_multiple_of(2);
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let upper = *upper;
    if !even {
        return Some(upper);
    }
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Some(f64::midpoint(lower, upper))
}
