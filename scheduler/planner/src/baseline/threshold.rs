//! Online rules that know no forecast, only bounds of the intensity: k-min search, double-threshold pause and resume (Lechowicz
//! et al., SIGMETRICS '24), and one threshold.
//!
//! Each slot is accepted or not when it comes; the i-th accepted slot has the i-th threshold; when only as many slots are left
//! as are needed, all are taken. k-min search is the best deterministic rule where switching is free, the double threshold where
//! it costs `beta`.

/// Halvings of an interval: enough for every bit of a double.
const HALVINGS: usize = 200;

/// Bounds of the intensity, and what a change between on and off costs, in intensity times slots.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// The least there is.
    pub least: f64,
    /// The most.
    pub most: f64,
    /// Cost of one start or one stop.
    pub beta: f64,
}

/// The competitive ratio of k-min search for k slots: a of (1 - L/U) / (1 - 1/a) = (1 + 1/(a k))^k.
#[must_use]
pub fn k_min_ratio(k: usize, bounds: Bounds) -> f64 {
    let k = k as f64;
    let gap = |a: f64| (1.0 - bounds.least / bounds.most) / (1.0 - 1.0 / a) - (1.0 + 1.0 / (k * a)).powf(k);
    root(1.0, gap)
}

/// The competitive ratio of double thresholds for k slots: a of
/// (U - L - 2b) / (U (1 - 1/a) - 2b (1 - 1/k - 1/(k a))) = (1 + 1/(a k))^k.
#[must_use]
pub fn double_ratio(k: usize, bounds: Bounds) -> f64 {
    let (k, Bounds { least, most, beta }) = (k as f64, bounds);
    let below = |a: f64| most * (1.0 - 1.0 / a) - 2.0 * beta * (1.0 - 1.0 / k - 1.0 / (k * a));
    let gap = |a: f64| (most - least - 2.0 * beta) / below(a) - (1.0 + 1.0 / (k * a)).powf(k);
    // Where the denominator becomes positive.
    let first = (most - 2.0 * beta / k) / (most - 2.0 * beta * (1.0 - 1.0 / k));
    root(first.max(1.0), gap)
}

/// The zero of a function that falls from plus infinity just above `first`; `first` where it never is positive.
fn root(first: f64, gap: impl Fn(f64) -> f64) -> f64 {
    let mut low = first;
    let mut high = first * 2.0 + 1.0;
    while 0.0 < gap(high) && high < 1e12 {
        (low, high) = (high, high * 2.0);
    }
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if 0.0 < gap(middle) { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// The thresholds of k-min search for the first to the k-th accepted slot.
#[must_use]
pub fn k_min_thresholds(k: usize, bounds: Bounds) -> Vec<f64> {
    let a = k_min_ratio(k, bounds);
    powers(k, a).map(|power| bounds.most * (1.0 - (1.0 - 1.0 / a) * power)).collect()
}

/// The upper thresholds, for a job that runs; for one that does not run they are lower by twice the switching cost.
#[must_use]
pub fn double_thresholds(k: usize, bounds: Bounds) -> Vec<f64> {
    let Bounds { most, beta, .. } = bounds;
    let a = double_ratio(k, bounds);
    let count = k as f64;
    powers(k, a)
        .map(|power| {
            most * (1.0 - (1.0 - 1.0 / a) * power) + 2.0 * beta * (1.0 / (count * a) - 1.0 / count + 1.0) * power
        })
        .collect()
}

fn powers(k: usize, a: f64) -> impl Iterator<Item = f64> {
    let base = 1.0 + 1.0 / (a * k as f64);
    std::iter::successors(Some(1.0), move |power| Some(power * base)).take(k)
}

/// Which of the slots a job of `thresholds.len()` slots takes: one entry for each slot. A stopped job asks for `lower` less.
#[must_use]
pub fn accepted(intensities: &[f64], thresholds: &[f64], lower: f64) -> Vec<bool> {
    let mut taken = vec![false; intensities.len()];
    let (mut count, mut running) = (0, false);
    for (slot, intensity) in intensities.iter().enumerate() {
        let Some(threshold) = thresholds.get(count) else { break };
        let forced = intensities.len() - slot <= thresholds.len() - count;
        let asked = if running { *threshold } else { threshold - lower };
        running = forced || *intensity <= asked;
        taken[slot] = running;
        count += usize::from(running);
    }
    taken
}

/// What the taken slots cost: their intensities, and `beta` for every start and every stop, the last stop too.
#[must_use]
pub fn cost(intensities: &[f64], taken: &[bool], beta: f64) -> f64 {
    let run: f64 = intensities.iter().zip(taken).filter(|(_, taken)| **taken).map(|(intensity, _)| intensity).sum();
    run + 2.0 * beta * starts(taken) as f64
}

/// How often it starts.
#[must_use]
pub fn starts(taken: &[bool]) -> usize {
    let before = std::iter::once(&false).chain(taken);
    before.zip(taken).filter(|(before, now)| !**before && **now).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { least: 20.0, most: 200.0, beta: 0.0 };

    #[test]
    fn thresholds_fall_from_below_the_most() {
        let thresholds = k_min_thresholds(10, BOUNDS);
        assert!(thresholds.windows(2).all(|pair| pair[1] < pair[0]));
        assert!((thresholds[0] - 200.0 / k_min_ratio(10, BOUNDS)).abs() < 1e-9);
    }

    #[test]
    fn without_a_switching_cost_both_rules_are_one() {
        let (single, double) = (k_min_thresholds(7, BOUNDS), double_thresholds(7, BOUNDS));
        assert!(single.iter().zip(&double).all(|(a, b)| (a - b).abs() < 1e-6), "{single:?} {double:?}");
    }

    #[test]
    fn the_last_slots_are_taken_whatever_they_cost() {
        let taken = accepted(&[200.0, 200.0, 200.0, 10.0], &[50.0, 40.0], 0.0);
        assert_eq!(taken, [false, false, true, true]);
        assert_eq!(accepted(&[10.0, 200.0, 30.0], &[50.0, 40.0], 0.0), [true, false, true]);
    }

    #[test]
    fn a_stopped_job_asks_for_more() {
        assert_eq!(accepted(&[45.0, 30.0, 45.0, 1.0, 1.0], &[50.0, 50.0], 10.0), [false, true, true, false, false]);
    }

    #[test]
    fn every_start_and_stop_costs() {
        assert!((cost(&[1.0, 9.0, 2.0], &[true, false, true], 10.0) - 43.0).abs() < 1e-12);
    }
}
