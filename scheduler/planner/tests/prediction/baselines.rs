//! Other predictors of a total, from the epochs so far and the number of epochs in all.

/// A name, and what it says of the epochs to come.
pub(crate) type Baseline = (&'static str, fn(&[f64], f64) -> f64);

/// Those that know nothing but the epochs so far. The first is Carbontracker's: the number of epochs times their mean.
pub(crate) const BASELINES: [Baseline; 6] = [
    ("N x mean", |seen, left| mean(seen) * left),
    ("last", |seen, left| seen[seen.len() - 1] * left),
    ("EWMA", |seen, left| seen.iter().copied().reduce(|level, next| level + 0.3 * (next - level)).expect("one") * left),
    ("median", |seen, left| median(seen.to_vec()) * left),
    ("Theil-Sen", theil_sen),
    ("Holt", holt),
];

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

/// The median slope of all pairs, and the line of that slope through the median.
fn theil_sen(seen: &[f64], left: f64) -> f64 {
    let at = |at: usize| at as f64;
    let pairs = || (0..seen.len()).flat_map(|a| (a + 1..seen.len()).map(move |b| (a, b)));
    let slopes: Vec<f64> = pairs().map(|(a, b)| (seen[b] - seen[a]) / (at(b) - at(a))).collect();
    let slope = if slopes.is_empty() { 0.0 } else { median(slopes) };
    let start = median(seen.iter().enumerate().map(|(epoch, value)| value - slope * at(epoch)).collect());
    let middle = seen.len() as f64 + (left - 1.0) / 2.0;
    (start + slope * middle).max(0.0) * left
}

/// Exponential smoothing of a level and a trend.
fn holt(seen: &[f64], left: f64) -> f64 {
    let (mut level, mut trend) = (seen[0], 0.0);
    for next in &seen[1..] {
        let before = level;
        level = 0.3 * next + 0.7 * (level + trend);
        trend = 0.1 * (level - before) + 0.9 * trend;
    }
    (level + trend * f64::midpoint(left, 1.0)).max(0.0) * left
}
